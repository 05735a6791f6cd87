//! The part of the page about one split, and its column in the comparison.

use splitcost_model::estimate::{Arms, Figures};
use splitcost_model::fault::FaultStudy;
use splitcost_model::number::byte_unit;
use splitcost_model::statistics::Interval;
use splitcost_model::study::{Origin, Ratios, SplitStudy, VerdictClass};

use super::data::data;
use super::endpoints::{self, Row, signs};
use super::evidence::evidence;
use super::markup::{Mark, Page, breakable, escape};
use super::service;
use crate::fault;

/// Rows of a long table that are seen before the reader asks for the rest.
///
/// Chosen: about a screen.
const ROWS: usize = 12;

pub(super) fn verdict_class(class: VerdictClass) -> &'static str {
    match class {
        VerdictClass::Gains => "gains",
        VerdictClass::Cheap => "cheap",
        VerdictClass::Costly => "costly",
        VerdictClass::Prohibitive => "prohibitive",
        VerdictClass::Undecided => "undecided",
    }
}

/// A row of the comparison: its head as HTML, and the function that writes a split's cell.
pub(super) struct ComparisonRow {
    pub(super) head: &'static str,
    pub(super) cell: fn(&mut Page, usize, &SplitStudy),
}

pub(super) fn comparison_rows() -> [ComparisonRow; 10] {
    [
        ComparisonRow {
            head: "Verdict",
            cell: |page, _, split| match &split.verdict {
                Some(verdict) => page.raw(&format!(
                    "<b class=\"kind {}\">{}</b>",
                    verdict_class(verdict.class),
                    verdict.class.label()
                )),
                None => page.nothing(),
            },
        },
        ComparisonRow { head: "Suffers most", cell: hardest },
        ComparisonRow {
            head: "Load <small>requests/s</small>",
            cell: |page, i, split| {
                page.short(&format!("/splits/{i}/estimate/load_reqs_per_sec"), split.estimate.load_reqs_per_sec, 1.0);
            },
        },
        ComparisonRow {
            head: "Saturation <small>requests/s</small>",
            cell: |page, i, split| {
                figure(page, i, split, "saturation_reqs_per_sec", |f| f.saturation_reqs_per_sec, 1.0);
            },
        },
        ComparisonRow {
            head: "CPU per request <small>ms</small>",
            cell: |page, i, split| figure(page, i, split, "cpu_secs_per_request", |f| f.cpu_secs_per_request, 1e3),
        },
        ComparisonRow {
            head: "Cores busy <small>at the load</small>",
            cell: |page, i, split| figure(page, i, split, "cores", |f| f.cores, 1.0),
        },
        ComparisonRow {
            head: "Money <small>$ a month, at assumed prices ◇</small>",
            cell: |page, i, split| {
                let path = format!("/splits/{i}/usd_per_month");
                let money = &split.usd_per_month;
                let lines = [
                    Line {
                        origin: Origin::Measured,
                        key: "measured",
                        arms: money.rehearsal,
                        path: format!("{path}/rehearsal"),
                        at: "",
                    },
                    Line {
                        origin: Origin::Predicted,
                        key: "predicted",
                        arms: Some(money.estimate),
                        path: format!("{path}/estimate"),
                        at: "",
                    },
                ];
                let ratios =
                    (&split.comparison.ratios.usd_per_month, format!("/splits/{i}/comparison/ratios/usd_per_month"));
                before_and_after(page, lines, &ratios, 1.0);
            },
        },
        ComparisonRow {
            head: "Calls between services <small>per request, over the mix</small>",
            cell: |page, i, split| {
                page.raw(&format!("{} ", Mark::Measured.glyph()));
                let path = format!("/splits/{i}/comparison/crossings_per_request");
                page.short(&path, split.comparison.crossings_per_request, 1.0);
            },
        },
        ComparisonRow {
            head: "Cannot cross <small>call sites</small>",
            cell: |page, i, split| {
                page.raw(&format!("{} ", Mark::Measured.glyph()));
                page.length(&format!("/splits/{i}/cannot_cross"), split.cannot_cross.len());
            },
        },
        ComparisonRow {
            head: "Write for several services <small>transactions</small>",
            cell: |page, i, split| {
                page.raw(&format!("{} ", Mark::Measured.glyph()));
                page.length(&format!("/splits/{i}/data/cut_transactions"), split.data.cut_transactions.len());
            },
        },
    ]
}

/// The endpoint that grows by the largest factor.
fn hardest(page: &mut Page, i: usize, split: &SplitStudy) {
    let Some((endpoint, change)) = split.comparison.endpoints.first().and_then(|e| Some((e, e.headline()?))) else {
        page.nothing();
        return;
    };
    let (key, words) = if endpoint.alone_ms.is_some() { ("alone_ms", "alone") } else { ("p50_ms", "median") };
    let path = format!("/splits/{i}/comparison/endpoints/0/{key}");
    page.raw(&format!("<a href=\"#endpoint-{i}-0\">{}</a> <b>", breakable(&endpoint.name)));
    page.factor(&format!("{path}/ratio"), change.ratio);
    page.raw("</b> <small>");
    page.number(&format!("{path}/before/value"), change.before.value, 1.0);
    page.raw(" → ");
    page.number(&format!("{path}/after/value"), change.after.value, 1.0);
    page.raw(&format!(" ms, {words}, {}</small>", change.origin.name()));
}

fn figure(page: &mut Page, i: usize, split: &SplitStudy, key: &str, of: fn(&Figures) -> Option<Interval>, scale: f64) {
    let arms = |figures: &Arms<Figures>| Arms { monolith: of(&figures.monolith), split: of(&figures.split) };
    let rehearsed = split.estimate.as_rehearsed.as_ref().filter(|_| split.rehearsal.is_some());
    let line = |origin, ratio, figures: Option<&Arms<Figures>>, part: &str| Line {
        origin,
        key: ratio,
        arms: figures.map(arms),
        path: format!("/splits/{i}/{part}"),
        at: key,
    };
    let lines = [
        line(Origin::Measured, "measured", split.rehearsal.as_ref().map(|of| &of.figures), "rehearsal"),
        line(Origin::Predicted, "as_rehearsed", rehearsed.map(|of| &of.figures), "estimate/as_rehearsed"),
        line(Origin::Predicted, "predicted", Some(&split.estimate.figures), "estimate"),
    ];
    let all = &split.comparison.ratios;
    let (ratios, name) = match key {
        "saturation_reqs_per_sec" => (&all.saturation, "saturation"),
        "cpu_secs_per_request" => (&all.cpu, "cpu"),
        _ => (&all.cores, "cores"),
    };
    before_and_after(page, lines, &(ratios, format!("/splits/{i}/comparison/ratios/{name}")), scale);
}

/// The numbers of an origin, from the monolith to the split.
struct Line<'a> {
    origin: Origin,
    /// The key of its ratio.
    key: &'a str,
    arms: Option<Arms<Option<Interval>>>,
    /// The JSON pointer of the part that holds the arms, and the key of the figure in each.
    path: String,
    at: &'a str,
}

/// A line for each origin, with the ratio.
fn before_and_after<'a>(
    page: &mut Page,
    lines: impl IntoIterator<Item = Line<'a>>,
    (ratios, path_of_ratios): &(&Ratios, String),
    scale: f64,
) {
    let mut written = false;
    for line in lines {
        let Some(arms) = line.arms.filter(|arms| arms.monolith.is_some() || arms.split.is_some()) else { continue };
        written = true;
        let (mark, ratio) = match line.key {
            "measured" => (Mark::Measured, ratios.measured),
            "as_rehearsed" => (Mark::Simulated, ratios.as_rehearsed),
            _ => (Mark::Simulated, ratios.predicted),
        };
        page.raw(&format!("<div class=\"pair\">{} ", mark.glyph()));
        for (arm, value) in [("monolith", arms.monolith), ("split", arms.split)] {
            page.raw(if arm == "split" { " → <b>" } else { "" });
            let at = [line.path.as_str(), arm, line.at, "value"].into_iter().filter(|part| !part.is_empty());
            match value {
                Some(value) => page.number(&at.collect::<Vec<_>>().join("/"), value.value, scale),
                None => page.nothing(),
            }
        }
        page.raw("</b> ");
        if let Some(ratio) = ratio {
            page.ratio(&format!("{path_of_ratios}/{}", line.key), Some(ratio));
        }
        if line.origin == Origin::Measured {
            signs(page, ratios);
        }
        page.raw(if line.key == "as_rehearsed" { " <small>as rehearsed</small></div>" } else { "</div>" });
    }
    if !written {
        page.nothing();
    }
}

pub(super) fn section(page: &mut Page, i: usize, split: &SplitStudy) {
    let name = escape(&split.name);
    page.raw(&format!("<section class=\"split\" id=\"split-{i}\" data-split=\"{i}\" aria-label=\"Split {name}\">\n"));
    page.raw(&format!("<h2 class=\"split-name\">{name}</h2>\n<dl class=\"services\">\n"));
    for service in &split.services {
        let modules: Vec<String> = service.modules.iter().map(|m| format!("<code>{}</code>", escape(m))).collect();
        let name = service::link(i, split, &service.name);
        page.raw(&format!("<div><dt>{name}</dt><dd>{}", modules.join(" ")));
        work(page, i, split, &service.name);
        page.raw("</dd></div>\n");
    }
    if split.interfaces.is_some() {
        page.raw(
            "<div><dt></dt><dd><small>Each service has a page: its interface as recorded, its callers, tables and settings, \
             and the interface as code.</small></dd></div>\n",
        );
    }
    page.raw(&format!(
        "</dl>\n<p class=\"note\">Over {}, link “{}” {}, at ",
        escape(&split.stack),
        escape(&split.link),
        Mark::Assumed.glyph()
    ));
    page.short(&format!("/splits/{i}/estimate/load_reqs_per_sec"), split.estimate.load_reqs_per_sec, 1.0);
    page.raw(" requests/s.</p>\n");
    let rows = Row::all(i, split);
    endpoints::table(page, i, split, &rows);
    charts(page, i, split, &rows);
    calls(page, i, split);
    evidence(page, i, split);
    cannot_cross(page, i, split);
    data(page, i, split);
    links(page, i, split);
    faults(page, i, split);
    page.raw("</section>\n");
}

/// The part of a service's recorded work that would run there.
fn work(page: &mut Page, i: usize, split: &SplitStudy, service: &str) {
    let Some(w) = split.estimate.work.iter().position(|work| work.service == service) else { return };
    let of = &split.estimate.work[w];
    if of.recorded.is_none() {
        page.raw("<small>The recording holds no work of it.</small>");
        return;
    }
    let path = format!("/splits/{i}/estimate/work/{w}");
    page.raw(&format!("<small>Would run here: {} ", Mark::Simulated.glyph()));
    page.number(&format!("{path}/in_service/cpu_ms_per_request"), of.in_service.cpu_ms_per_request, 1.0);
    let rehearsed = split.estimate.as_rehearsed.as_ref().and_then(|rehearsed| rehearsed.work.get(w));
    if let Some(rehearsed) = rehearsed {
        page.raw(" (as rehearsed ");
        let path = format!("/splits/{i}/estimate/as_rehearsed/work/{w}/in_service/cpu_ms_per_request");
        page.number(&path, rehearsed.in_service.cpu_ms_per_request, 1.0);
        page.raw(")");
    }
    page.raw(&format!(" of {} ", Mark::Measured.glyph()));
    page.number(&format!("{path}/recorded/cpu_ms_per_request"), of.recorded.cpu_ms_per_request, 1.0);
    page.raw(" ms of CPU");
    if of.recorded.statements_per_request > 0.0 {
        page.raw(&format!(" and {} ", Mark::Simulated.glyph()));
        page.short(&format!("{path}/in_service/statements_per_request"), of.in_service.statements_per_request, 1.0);
        page.raw(&format!(" of {} ", Mark::Measured.glyph()));
        page.short(&format!("{path}/recorded/statements_per_request"), of.recorded.statements_per_request, 1.0);
        page.raw(" statements");
    }
    page.raw(" per request.");
    if let Some(elsewhere) = &of.elsewhere {
        page.raw(&format!(" Elsewhere, most in <code>{}</code>", breakable(&elsewhere.function)));
        page.raw(&escape(&elsewhere.reason.map_or_else(String::new, |reason| format!(", {}", reason.in_words()))));
        page.raw(".");
    }
    page.raw("</small>");
}

/// The delays that emulated links were asked for and delivered.
fn links(page: &mut Page, i: usize, split: &SplitStudy) {
    let Some(rehearsal) = split.rehearsal.as_ref().filter(|rehearsal| !rehearsal.emulations.is_empty()) else { return };
    page.raw("<h3>The emulated links</h3>\n");
    page.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Links and their delays\">\n");
    page.raw("<table class=\"links\">\n<thead><tr><td></td>");
    for head in ["deliveries", "asked for, p50 µs", "p99 µs", "late by, p50 µs", "p99 µs"] {
        page.raw(&format!("<th scope=\"col\" class=\"n\">{head}</th>"));
    }
    page.raw("</tr></thead>\n<tbody>\n");
    for (l, link) in rehearsal.emulations.iter().enumerate() {
        let path = format!("/splits/{i}/rehearsal/emulations/{l}");
        page.raw(&format!(
            "<tr><th scope=\"row\">{} → {} <small>{}</small></th><td class=\"n\">",
            escape(&link.listen),
            escape(&link.to),
            escape(&link.profile)
        ));
        page.count(&format!("{path}/deliveries"), link.deliveries);
        for (key, spread) in [("requested_delay", &link.requested_delay), ("lateness", &link.lateness)] {
            for (percentile, micros) in [("p50_micros", spread.p50_micros), ("p99_micros", spread.p99_micros)] {
                page.raw("</td><td class=\"n\">");
                page.number(&format!("{path}/{key}/{percentile}"), micros, 1.0);
            }
        }
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n</div>\n");
}

/// Outcomes of requests under faults.
fn faults(page: &mut Page, i: usize, split: &SplitStudy) {
    if split.faults.is_empty() {
        return;
    }
    page.raw("<h3>Under faults</h3>\n");
    for (f, fault) in split.faults.iter().enumerate() {
        fault_title(page, i, f, split, fault);
        page.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Endpoints under a fault\">\n");
        page.raw("<table class=\"faults\">\n<thead><tr><td></td>");
        page.raw(&format!(
            "<th scope=\"col\" class=\"n\">services</th><th scope=\"col\" class=\"n\">up, % {}</th>",
            Mark::Assumed.glyph()
        ));
        for column in &fault::COLUMNS {
            page.raw(&format!("<th scope=\"col\" class=\"n\">{}</th>", column.head));
        }
        page.raw("</tr></thead>\n<tbody>\n");
        for (e, endpoint) in fault.estimate.endpoints.iter().enumerate() {
            page.raw(&format!("<tr><th scope=\"row\">{}</th><td class=\"n\">", breakable(&endpoint.name)));
            let path = format!("/splits/{i}/faults/{f}/estimate/endpoints/{e}");
            page.count(&format!("{path}/services_needed"), u64::from(endpoint.services_needed));
            page.raw("</td><td class=\"n\">");
            page.number(&format!("{path}/availability_percent"), endpoint.availability_percent, 1.0);
            page.raw("</td>");
            let rehearsed = fault::rehearsed(fault, &endpoint.name);
            for column in &fault::COLUMNS {
                let path = |part: &str, e: usize| {
                    format!("/splits/{i}/faults/{f}/{part}/endpoints/{e}/outcome/{}", column.key)
                };
                page.raw("<td class=\"n\">");
                page.optional(&path("estimate", e), (column.of)(&endpoint.outcome), column.absent);
                if let Some((m, measured)) = rehearsed {
                    page.raw(" | ");
                    page.optional(&path("rehearsal", m), (column.of)(&measured.outcome), column.absent);
                }
                page.raw("</td>");
            }
            page.raw("</tr>\n");
        }
        page.raw("</tbody>\n</table>\n</div>\n");
    }
    page.raw("<p class=\"note\">A request needs so many services, and all of them are up for the stated share of the time.</p>\n");
}

/// The fault, its duration, the load and the policy, as the paragraph before a table.
fn fault_title(page: &mut Page, i: usize, f: usize, split: &SplitStudy, fault: &FaultStudy) {
    page.raw(&format!("<p class=\"note\"><code>{}</code> for ", escape(&fault.fault.to_string())));
    page.number(&format!("/splits/{i}/faults/{f}/fault_secs"), fault.fault_secs, 1.0);
    page.raw(" s at ");
    page.short(&format!("/splits/{i}/estimate/load_reqs_per_sec"), split.estimate.load_reqs_per_sec, 1.0);
    let origin = if fault.rehearsal.is_some() { "predicted | measured" } else { "simulated" };
    page.raw(&format!(" requests/s; calls: <code>{}</code>; {origin}</p>\n", escape(&fault.policy.to_string())));
}

fn charts(page: &mut Page, i: usize, split: &SplitStudy, rows: &[Row<'_>]) {
    page.raw("<div class=\"charts\">\n");
    pairs(page, split);
    page.raw("<figure>\n<h3>Predicted against measured</h3>\n");
    match &split.comparison.agreement {
        Some(agreement) => {
            let path = format!("/splits/{i}/comparison/agreement");
            page.raw(&chart_box("accuracy", "Predicted against measured ratios of split to monolith"));
            page.raw("<figcaption>Ratios of split to monolith, with intervals. On the diagonal, both are equal. The intervals overlap for ");
            page.count(&format!("{path}/agreeing"), agreement.agreeing);
            page.raw(" of ");
            page.count(&format!("{path}/ratios"), agreement.ratios);
            page.raw(" ratios; in the median, both are ");
            page.number(&format!("{path}/median_off_percent"), agreement.median_off_percent, 1.0);
            page.raw(
                " % apart. Inside the band, a measurement is not beyond the noise of lone requests.</figcaption>\n",
            );
        }
        None => page.raw("<p class=\"empty\">This needs both a prediction and a rehearsal of the same split.</p>\n"),
    }
    page.raw("</figure>\n<figure>\n<h3>Distribution of response times</h3>\n");
    let drawn: Vec<&str> =
        rows.iter().filter(|row| row.has_distribution()).map(|row| row.compared.name.as_str()).collect();
    if drawn.is_empty() {
        page.raw("<p class=\"empty\">No distribution was kept.</p>\n");
    } else {
        page.raw("<label class=\"select\"><span>Endpoint</span> <select class=\"endpoint\">");
        for name in drawn {
            page.raw(&format!("<option>{}</option>", escape(name)));
        }
        page.raw("</select></label>\n");
        page.raw(&chart_box("distribution", "Share of requests answered within a time"));
        page.raw("<figcaption>Share of requests answered within a time: solid lines were measured, dashed ones simulated.</figcaption>\n");
    }
    page.raw("</figure>\n");
    graph(page, split);
    page.raw("</div>\n");
    service_calls(page, i, split);
}

/// Lone requests to every endpoint, from the monolith to the split.
fn pairs(page: &mut Page, split: &SplitStudy) {
    let is_measured = split.rehearsal.is_some();
    let known = if let Some(rehearsal) = &split.rehearsal {
        !rehearsal.alone.is_empty()
    } else {
        split.estimate.endpoints.iter().any(|endpoint| endpoint.alone.is_some())
    };
    page.raw("<figure>\n<h3>Lone requests</h3>\n");
    if !known {
        page.raw("<p class=\"empty\">No request was sent alone.</p>\n</figure>\n");
        return;
    }
    page.raw(&chart_box(
        "pairs",
        "Response times of lone requests to every endpoint, by the monolith and by the split",
    ));
    page.raw("<figcaption>From the median response time of the monolith to that of the split, ");
    page.raw(if is_measured { "measured ●." } else { "simulated ○." });
    if split.rehearsal.iter().flat_map(|rehearsal| &rehearsal.alone).any(|alone| !alone.sample_ms.is_empty()) {
        page.raw(" Each faint dot is the request of a pair: the monolith's below the line, the split's above.");
    }
    page.raw("</figcaption>\n</figure>\n");
}

fn chart_box(chart: &str, label: &str) -> String {
    format!("<div class=\"chart {chart}\" data-chart=\"{chart}\" role=\"img\" aria-label=\"{label}\"></div>\n")
}

fn graph(page: &mut Page, split: &SplitStudy) {
    page.raw("<figure>\n<h3>Calls between services</h3>\n");
    if split.comparison.service_calls.is_empty() {
        page.raw("<p class=\"empty\">No call goes between services.</p>\n</figure>\n");
        return;
    }
    page.raw(&chart_box("graph", "The services, and the calls per request between them"));
    page.raw("<figcaption>Calls per request, averaged over the mix of requests.</figcaption>\n</figure>\n");
}

fn service_calls(page: &mut Page, i: usize, split: &SplitStudy) {
    if split.comparison.service_calls.is_empty() {
        return;
    }
    let (measured, simulated) = (Mark::Measured.tag(), Mark::Simulated.tag());
    page.raw(&format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Calls between services\">\n<table class=\"edges\">\n\
         <caption>Averaged over the mix of requests</caption>\n<thead><tr><th scope=\"col\">From</th><th scope=\"col\">To</th>\
         <th scope=\"col\" class=\"n\">Calls per request {measured}</th><th scope=\"col\" class=\"n\">Sent per request {measured}</th>\
         <th scope=\"col\" class=\"n\">Added ms per request {simulated}</th></tr></thead>\n<tbody>\n"
    ));
    for (c, calls) in split.comparison.service_calls.iter().enumerate() {
        let path = format!("/splits/{i}/comparison/service_calls/{c}");
        let (scale, unit) = byte_unit(calls.bytes_per_request);
        page.raw(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">",
            escape(&calls.from),
            escape(&calls.to)
        ));
        page.short(&format!("{path}/calls_per_request"), calls.calls_per_request, 1.0);
        page.raw("</td><td class=\"n\">");
        page.short(&format!("{path}/bytes_per_request"), calls.bytes_per_request, scale);
        page.raw(&format!(" {unit}</td><td class=\"n\">"));
        page.number(&format!("{path}/added_ms_per_request"), calls.added_ms_per_request, 1.0);
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n</div>\n");
}

fn calls(page: &mut Page, i: usize, split: &SplitStudy) {
    page.raw("<h3>Calls that cost most</h3>\n");
    if split.estimate.calls.is_empty() {
        page.raw("<p class=\"empty\">No call goes between services.</p>\n");
        return;
    }
    let (measured, simulated) = (Mark::Measured.tag(), Mark::Simulated.tag());
    page.raw(&format!(
        "<p class=\"note\">Dearest first, over all recorded requests together; the added time of a call is its calibrated cost, without queueing.</p>\n\
         <table class=\"calls stack\">\n<thead><tr><th scope=\"col\">Call</th><th scope=\"col\">By requests of</th>\
         <th scope=\"col\" class=\"n\">Calls per request {measured}</th><th scope=\"col\" class=\"n\">Added ms per request {simulated}</th>\
         <th scope=\"col\" class=\"n\">CPU µs per call {simulated}</th><th scope=\"col\" class=\"n\">Bytes per call {measured}</th></tr></thead>\n<tbody>\n"
    ));
    let dearest = split.estimate.calls.iter().map(|c| c.added_ms_per_request).fold(0.0, f64::max);
    for (c, call) in split.estimate.calls.iter().enumerate() {
        let path = format!("/splits/{i}/estimate/calls/{c}");
        let blocks = if call.blocks_event_loop { " <b class=\"bad\">blocks the event loop</b>" } else { "" };
        page.raw(&format!(
            "<tr{}><th scope=\"row\"><code>{}</code><span class=\"meta\">{} · <code>{}:{}</code></span>{blocks}</th><td data-label=\"By requests of\">{}</td>\
             <td class=\"n\" data-label=\"Calls/request ●\">",
            extra(c),
            breakable(&call.callee),
            breakable(&call.caller),
            breakable(&call.file),
            call.line,
            breakable(&call.endpoint),
        ));
        page.short(&format!("{path}/calls_per_request"), call.calls_per_request, 1.0);
        page.raw("</td><td class=\"n bar\" data-label=\"Added ms ○\">");
        page.number(&format!("{path}/added_ms_per_request"), call.added_ms_per_request, 1.0);
        let share = if dearest > 0.0 { call.added_ms_per_request / dearest } else { 0.0 };
        page.raw(&format!("<i style=\"--share:{share:.3}\"></i></td><td class=\"n\" data-label=\"CPU µs/call ○\">"));
        page.number(&format!("{path}/cpu_micros_per_call"), call.cpu_micros_per_call, 1.0);
        page.raw("</td><td class=\"n\" data-label=\"Bytes/call ●\">");
        page.short(&format!("{path}/bytes_per_call"), call.bytes_per_call, 1.0);
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
    show_all(page, &format!("/splits/{i}/estimate/calls"), split.estimate.calls.len());
}

fn cannot_cross(page: &mut Page, i: usize, split: &SplitStudy) {
    page.raw("<h3>Calls that need work before they can cross</h3>\n");
    if split.cannot_cross.is_empty() {
        page.raw("<p class=\"empty\">Every recorded call between the services can cross.</p>\n");
        return;
    }
    page.raw(&format!(
        "<p class=\"note\">Work that a real split has to do first. The prediction prices these calls as if they were \
         rewritten; a rehearsal sends what can go along, and makes the other calls in the caller.</p>\n<table class=\"cannot stack\">\n<thead><tr>\
         <th scope=\"col\">Call site</th><th scope=\"col\">Call</th><th scope=\"col\">Why</th>\
         <th scope=\"col\" class=\"n\">Calls per request {}</th><th scope=\"col\">Readiness</th></tr></thead>\n<tbody>\n",
        Mark::Measured.tag()
    ));
    for (c, site) in split.cannot_cross.iter().enumerate() {
        page.raw(&format!(
            "<tr{}><th scope=\"row\"><code>{}:{}</code></th><td data-label=\"Call\"><code>{}</code><span class=\"meta\">from {}</span></td>\
             <td data-label=\"Why\">{}</td><td class=\"n\" data-label=\"Calls per request ●\">",
            extra(c),
            breakable(&site.file),
            site.line,
            breakable(&site.callee),
            breakable(&site.caller),
            escape(&site.reason),
        ));
        page.short(&format!("/splits/{i}/cannot_cross/{c}/calls_per_request"), site.calls_per_request, 1.0);
        page.raw(&format!("</td><td data-label=\"Readiness\">{}</td></tr>\n", site.readiness.name()));
    }
    page.raw("</tbody>\n</table>\n");
    show_all(page, &format!("/splits/{i}/cannot_cross"), split.cannot_cross.len());
}

/// The class of a row beyond the first screen.
pub(super) fn extra(row: usize) -> &'static str {
    if row < ROWS { "" } else { " class=\"extra\"" }
}

pub(super) fn show_all(page: &mut Page, path: &str, rows: usize) {
    if rows > ROWS {
        page.raw("<label class=\"switch\"><input type=\"checkbox\" class=\"show-extra\"> show all ");
        page.length(path, rows);
        page.raw("</label>\n");
    }
}
