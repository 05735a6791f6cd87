//! The part of the page about one split, and its column in the comparison.

use splitcost_model::estimate::{Arms, EstimatedEndpoint, Figures, Quantile, ResponseTimes};
use splitcost_model::fault::FaultStudy;
use splitcost_model::number::{byte_unit, short};
use splitcost_model::rehearsal::{AloneEndpoint, RehearsedEndpoint};
use splitcost_model::statistics::Interval;
use splitcost_model::study::{EndpointComparison, Origin, SplitStudy, VerdictClass};

use super::data::data;
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
                before_and_after(page, money.rehearsal.as_ref(), Some(&money.estimate), 1.0, |origin, arm| {
                    format!("{path}/{}/{arm}", part(origin))
                });
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

/// The key of a [`SplitStudy`]'s part that numbers of an origin are in.
fn part(origin: Origin) -> &'static str {
    match origin {
        Origin::Measured => "rehearsal",
        Origin::Predicted => "estimate",
    }
}

fn figure(page: &mut Page, i: usize, split: &SplitStudy, key: &str, of: fn(&Figures) -> Option<Interval>, scale: f64) {
    let arms = |figures: &Arms<Figures>| Arms { monolith: of(&figures.monolith), split: of(&figures.split) };
    let measured = split.rehearsal.as_ref().map(|rehearsal| arms(&rehearsal.figures));
    let predicted = arms(&split.estimate.figures);
    before_and_after(page, measured.as_ref(), Some(&predicted), scale, |origin, arm| {
        format!("/splits/{i}/{}/{arm}/{key}", part(origin))
    });
}

/// A line for the measured and one for the predicted numbers, each from the monolith to the split.
fn before_and_after(
    page: &mut Page,
    measured: Option<&Arms<Option<Interval>>>,
    predicted: Option<&Arms<Option<Interval>>>,
    scale: f64,
    path: impl Fn(Origin, &str) -> String,
) {
    let lines = [(Mark::Measured, Origin::Measured, measured), (Mark::Simulated, Origin::Predicted, predicted)];
    let mut written = false;
    for (mark, origin, arms) in lines {
        let Some(arms) = arms.filter(|arms| arms.monolith.is_some() || arms.split.is_some()) else { continue };
        written = true;
        page.raw(&format!("<div class=\"pair\">{} ", mark.glyph()));
        match arms.monolith {
            Some(before) => page.number(&format!("{}/value", path(origin, "monolith")), before.value, scale),
            None => page.nothing(),
        }
        page.raw(" → <b>");
        page.interval(&path(origin, "split"), arms.split, scale);
        page.raw("</b></div>");
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
    endpoints(page, i, split);
    charts(page, i, split);
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

/// An endpoint of the comparison, with its places in the document.
struct Row<'a> {
    compared: &'a EndpointComparison,
    /// JSON pointer of `compared`.
    path: String,
    estimated: Option<(&'a EstimatedEndpoint, String)>,
    rehearsed: Option<(&'a RehearsedEndpoint, String)>,
    alone: Option<(&'a AloneEndpoint, String)>,
}

impl<'a> Row<'a> {
    /// Every endpoint, in the comparison's order.
    fn all(i: usize, split: &'a SplitStudy) -> Vec<Self> {
        let estimated = |name: &str| {
            let e = split.estimate.endpoints.iter().position(|endpoint| endpoint.name == name)?;
            Some((&split.estimate.endpoints[e], format!("/splits/{i}/estimate/endpoints/{e}")))
        };
        let rehearsed = |name: &str| {
            let endpoints = &split.rehearsal.as_ref()?.endpoints;
            let e = endpoints.iter().position(|endpoint| endpoint.name == name)?;
            Some((&endpoints[e], format!("/splits/{i}/rehearsal/endpoints/{e}")))
        };
        let alone = |name: &str| {
            let endpoints = &split.rehearsal.as_ref()?.alone;
            let e = endpoints.iter().position(|endpoint| endpoint.name == name)?;
            Some((&endpoints[e], format!("/splits/{i}/rehearsal/alone/{e}")))
        };
        let rows = split.comparison.endpoints.iter().enumerate().map(|(e, compared)| Self {
            compared,
            path: format!("/splits/{i}/comparison/endpoints/{e}"),
            estimated: estimated(&compared.name),
            rehearsed: rehearsed(&compared.name),
            alone: alone(&compared.name),
        });
        rows.collect()
    }

    /// The response times of a column, with their JSON pointer.
    fn times(&self, column: &Column) -> Option<(&'a ResponseTimes, String)> {
        let (response, path) = match column.origin {
            Origin::Predicted => self.estimated.as_ref().map(|(endpoint, path)| (&endpoint.response, path))?,
            Origin::Measured => self.rehearsed.as_ref().map(|(endpoint, path)| (&endpoint.response, path))?,
        };
        let times = if column.arm == "monolith" { &response.monolith } else { &response.split };
        Some((times.as_ref()?, format!("{path}/{}", column.arm)))
    }
}

/// A column of the endpoint table: an arm's response times of one origin.
struct Column {
    arm: &'static str,
    class: &'static str,
    group: &'static str,
    origin: Origin,
}

impl Column {
    fn mark(&self) -> Mark {
        match self.origin {
            Origin::Measured => Mark::Measured,
            Origin::Predicted => Mark::Simulated,
        }
    }
}

/// All columns that may be filled, the monolith's before the split's.
const COLUMNS: [Column; 4] = [
    Column { arm: "monolith", class: "monolith", group: "Monolith", origin: Origin::Predicted },
    Column { arm: "monolith", class: "monolith", group: "Monolith", origin: Origin::Measured },
    Column { arm: "split", class: "after", group: "Split", origin: Origin::Predicted },
    Column { arm: "split", class: "after", group: "Split", origin: Origin::Measured },
];

fn endpoints(page: &mut Page, i: usize, split: &SplitStudy) {
    page.raw("<h3>Cost of each endpoint</h3>\n");
    let rows = Row::all(i, split);
    let filled = |column: &&Column| rows.iter().any(|row| row.times(column).is_some());
    let columns: Vec<&Column> = COLUMNS.iter().filter(filled).collect();
    if columns.is_empty() {
        page.raw("<p class=\"empty\">No endpoint was predicted or measured.</p>\n");
        return;
    }
    let axis = Axis::over(&rows, &columns);
    page.raw(
        "<p class=\"note\">Response times in milliseconds; the endpoint that suffers most first. Alone: lone requests, each \
         sent to the monolith, the split and a second monolith, back to back. The others: under load, from the intended start of a \
         request, queueing included, with intervals. <label class=\"switch\"><input type=\"checkbox\" class=\"show-p90\"> \
         show p90 too</label></p>\n",
    );
    page.raw("<table class=\"endpoints\">\n<thead>\n<tr><td></td>");
    for group in ["Monolith", "Split"] {
        let span = columns.iter().filter(|c| c.group == group).count();
        if span > 0 {
            let class = if group == "Split" { "after" } else { "monolith" };
            page.raw(&format!("<th scope=\"colgroup\" colspan=\"{span}\" class=\"n group {class}\">{group}</th>"));
        }
    }
    page.raw("<td></td><td class=\"plot\"></td></tr>\n<tr><td></td>");
    for column in &columns {
        page.raw(&format!("<th scope=\"col\" class=\"n\">{}</th>", column.mark().tag()));
    }
    page.raw("<th scope=\"col\" class=\"n\">Change</th><td class=\"plot\" aria-hidden=\"true\"><div class=\"axis\">");
    for tick in axis.ticks() {
        page.raw(&format!("<span style=\"left:{:.2}%\">{}</span>", axis.share(tick), short(tick)));
    }
    page.raw("<em>ms</em></div></td></tr>\n</thead>\n");

    for (e, row) in rows.iter().enumerate() {
        endpoint_rows(page, (i, e), row, &columns, &axis);
    }
    page.raw("</table>\n");
}

fn endpoint_rows(page: &mut Page, (i, e): (usize, usize), row: &Row<'_>, columns: &[&Column], axis: &Axis) {
    let span = columns.len() + 2;
    page.raw(&format!(
        "<tbody id=\"endpoint-{i}-{e}\">\n<tr class=\"name\"><th scope=\"rowgroup\" colspan=\"{span}\"><b>{}</b> <span class=\"meta\">",
        breakable(&row.compared.name)
    ));
    page.raw(&format!("{} ", Mark::Measured.glyph()));
    page.count(&format!("{}/requests", row.path), row.compared.requests);
    page.raw(" requests");
    if row.compared.failed_requests > 0 {
        page.raw(", <b class=\"bad\">");
        page.count(&format!("{}/failed_requests", row.path), row.compared.failed_requests);
        page.raw(" failed</b>");
    }
    if let Some((endpoint, path)) = &row.estimated {
        calls_of(page, endpoint, path);
    }
    page.raw("</span></th><td class=\"plot\"></td></tr>\n");
    alone_row(page, row, columns);
    for quantile in Quantile::ALL {
        page.raw(&format!("<tr class=\"{0}\"><th scope=\"row\">{0}</th>", quantile.name()));
        for column in columns {
            page.raw(&format!("<td class=\"n {}\">", column.class));
            match row.times(column) {
                Some((times, path)) => {
                    page.interval(&format!("{path}/{}", quantile.key()), times.at(quantile), 1.0);
                }
                None => page.nothing(),
            }
            page.raw("</td>");
        }
        page.raw("<td class=\"n change\">");
        match row.compared.at(quantile) {
            Some(change) => page.factor(&format!("{}/{}/ratio", row.path, quantile.key()), change.ratio),
            None => page.nothing(),
        }
        page.raw("</td><td class=\"plot\" aria-hidden=\"true\"><div class=\"lanes\">");
        for tick in axis.ticks() {
            page.raw(&format!("<hr style=\"left:{:.2}%\">", axis.share(tick)));
        }
        for (lane, column) in columns.iter().enumerate() {
            let Some(time) = row.times(column).and_then(|(times, _)| times.at(quantile)) else { continue };
            lane_marks(page, axis, time, (2 * lane + 1, 2 * columns.len()), column);
        }
        page.raw("</div></td></tr>\n");
    }
    page.raw("</tbody>\n");
}

/// Lone requests to an endpoint.
fn alone_row(page: &mut Page, row: &Row<'_>, columns: &[&Column]) {
    let Some(change) = row.compared.alone_ms else { return };
    page.raw("<tr class=\"alone\"><th scope=\"row\">alone</th>");
    for column in columns {
        page.raw(&format!("<td class=\"n {}\">", column.class));
        let times = match column.origin {
            Origin::Predicted => row
                .estimated
                .as_ref()
                .and_then(|(endpoint, path)| Some((endpoint.alone?.response_ms, format!("{path}/alone")))),
            Origin::Measured => row.alone.as_ref().map(|(alone, path)| (alone.response_ms, path.clone())),
        };
        match times {
            Some((times, path)) => {
                let value = if column.arm == "monolith" { times.monolith } else { times.split };
                page.number(&format!("{path}/response_ms/{}", column.arm), value, 1.0);
            }
            None => page.nothing(),
        }
        page.raw("</td>");
    }
    page.raw("<td class=\"n change\">");
    page.factor(&format!("{}/alone_ms/ratio", row.path), change.ratio);
    page.raw("</td><td class=\"plot\">");
    if let Some((alone, path)) = &row.alone {
        page.raw("<small>split ÷ monolith ");
        page.interval(&format!("{path}/ratio"), Some(alone.ratio), 1.0);
        page.raw(", ");
        page.count(&format!("{path}/pairs"), alone.pairs);
        page.raw(" pairs; two monoliths ");
        page.interval(&format!("{path}/noise"), Some(alone.noise), 1.0);
        page.raw("</small>");
    }
    page.raw("</td></tr>\n");
}

/// Calls between services that an endpoint's requests make.
fn calls_of(page: &mut Page, endpoint: &EstimatedEndpoint, path: &str) {
    if endpoint.crossings_per_request > 0.0 {
        page.raw(" · ");
        page.short(&format!("{path}/crossings_per_request"), endpoint.crossings_per_request, 1.0);
        page.raw(" calls and ");
        let (scale, unit) = byte_unit(endpoint.bytes_per_request);
        page.short(&format!("{path}/bytes_per_request"), endpoint.bytes_per_request, scale);
        page.raw(&format!(" {unit} between services per request"));
    }
    if endpoint.blocking_crossings_per_request > 0.0 {
        page.raw("</span><span class=\"meta\"><b class=\"bad\">Blocks the event loop</b> ");
        page.short(&format!("{path}/blocking_crossings_per_request"), endpoint.blocking_crossings_per_request, 1.0);
        page.raw(" × per request");
        if let Some(awaited) = &endpoint.split_if_async {
            page.raw("; awaited instead: p50 ");
            page.interval(&format!("{path}/split_if_async/p50_ms"), Some(awaited.p50_ms), 1.0);
            page.raw(" ms, p99 ");
            page.interval(&format!("{path}/split_if_async/p99_ms"), awaited.p99_ms, 1.0);
            page.raw(&format!(" ms {}", Mark::Simulated.glyph()));
        }
    }
}

/// An interval as a bar and its value as a dot, on the `nth` of so many halves of lanes.
fn lane_marks(page: &mut Page, axis: &Axis, interval: Interval, (nth, of): (usize, usize), column: &Column) {
    let (low, high) = (axis.share(interval.low), axis.share(interval.high));
    let top = 100.0 * nth as f64 / of as f64;
    let class = format!("{} {}", column.class, if column.origin == Origin::Measured { "filled" } else { "hollow" });
    page.raw(&format!(
        "<i class=\"{class}\" style=\"top:{top:.1}%;left:{low:.2}%;width:{:.2}%\"></i><u class=\"{class}\" style=\"top:{top:.1}%;left:{:.2}%\"></u>",
        high - low,
        axis.share(interval.value)
    ));
}

/// A logarithmic axis in milliseconds, shared by a split's rows.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn over(rows: &[Row<'_>], columns: &[&Column]) -> Self {
        let mut axis = Self { low: f64::INFINITY, high: 0.0 };
        let times = rows.iter().flat_map(|row| columns.iter().filter_map(|column| Some(row.times(column)?.0)));
        for interval in times.flat_map(|times| Quantile::ALL.into_iter().filter_map(|q| times.at(q))) {
            for value in [interval.low, interval.high, interval.value].into_iter().filter(|v| v.is_finite() && *v > 0.0)
            {
                axis.low = axis.low.min(value);
                axis.high = axis.high.max(value);
            }
        }
        if axis.high == 0.0 {
            return Self { low: 1.0, high: 10.0 };
        }
        Self { low: axis.low * 0.9, high: axis.high * 1.1 }
    }

    /// Where a value lies, in percent of the axis.
    fn share(&self, value: f64) -> f64 {
        let share = 100.0 * (value / self.low).ln() / (self.high / self.low).ln();
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 100.0) }
    }

    fn ticks(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = if decades > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        powers
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect()
    }
}

fn charts(page: &mut Page, i: usize, split: &SplitStudy) {
    page.raw("<div class=\"charts\">\n<figure>\n<h3>Predicted against measured</h3>\n");
    match split.comparison.accuracy {
        Some(accuracy) => {
            let path = format!("/splits/{i}/comparison/accuracy");
            page.raw(&chart_box("accuracy", "Predicted against measured response times of every endpoint"));
            page.raw("<figcaption>");
            page.count(&format!("{path}/inside"), accuracy.inside);
            page.raw(" of ");
            page.count(&format!("{path}/values"), accuracy.values);
            page.raw(" measured values lie inside their predicted interval; the median error is ");
            page.short(&format!("{path}/median_error_percent"), accuracy.median_error_percent, 1.0);
            page.raw(" %. On the diagonal, prediction and measurement agree.</figcaption>\n");
        }
        None => page.raw("<p class=\"empty\">This needs both a prediction and a rehearsal of the same split.</p>\n"),
    }
    page.raw("</figure>\n<figure>\n<h3>Distribution of response times</h3>\n");
    let rows = Row::all(i, split);
    let drawn = |row: &&Row<'_>| {
        COLUMNS.iter().any(|column| row.times(column).is_some_and(|(times, _)| !times.distribution.is_empty()))
    };
    let drawn: Vec<&str> = rows.iter().filter(drawn).map(|row| row.compared.name.as_str()).collect();
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
    page.raw("</figure>\n</div>\n");
    graph(page, i, split);
}

fn chart_box(chart: &str, label: &str) -> String {
    format!("<div class=\"chart {chart}\" data-chart=\"{chart}\" role=\"img\" aria-label=\"{label}\"></div>\n")
}

fn graph(page: &mut Page, i: usize, split: &SplitStudy) {
    page.raw("<h3>Calls between services</h3>\n");
    if split.comparison.service_calls.is_empty() {
        page.raw("<p class=\"empty\">No call goes between services.</p>\n");
        return;
    }
    page.raw("<div class=\"graph-and-table\">\n");
    page.raw(&chart_box("graph", "The services, and the calls per request between them"));
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
    page.raw("</tbody>\n</table>\n</div>\n</div>\n");
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
