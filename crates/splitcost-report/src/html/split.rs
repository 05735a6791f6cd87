//! The part of the page about one split, and its column in the comparison.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use splitcost_model::evaluation::{EndpointEvaluation, Pair, Quantiles, SplitEvaluation};
use splitcost_model::statistics::Interval;

use super::markup::{Mark, Page, breakable, escape};
use crate::effect::{Effect, Quantile, per_request};
use crate::fault;
use crate::number::{byte_unit, count, factor, number, short};
use crate::verdict::{Kind, judge};

/// Rows of a long table that are seen before the reader asks for the rest.
///
/// Chosen: about a screen.
const ROWS: usize = 12;

pub(super) fn kind_class(kind: Kind) -> &'static str {
    match kind {
        Kind::Gains => "gains",
        Kind::Cheap => "cheap",
        Kind::Costly => "costly",
        Kind::Prohibitive => "prohibitive",
        Kind::Undecided => "undecided",
    }
}

/// A row of the comparison: its head as HTML, and what writes a split's cell.
pub(super) struct ComparisonRow {
    pub(super) head: &'static str,
    pub(super) cell: fn(&mut Page, usize, &SplitEvaluation),
}

pub(super) fn comparison_rows() -> [ComparisonRow; 9] {
    [
        ComparisonRow {
            head: "Verdict",
            cell: |page, _, split| {
                let kind = judge(split).kind;
                page.raw(&format!("<b class=\"kind {}\">{}</b>", kind_class(kind), kind.label()));
            },
        },
        ComparisonRow {
            head: "Hit hardest <small>at the median</small>",
            cell: |page, i, split| hardest(page, i, split),
        },
        ComparisonRow {
            head: "Load <small>requests/s</small>",
            cell: |page, i, split| {
                page.short(&format!("/splits/{i}/load_reqs_per_sec"), split.load_reqs_per_sec, 1.0);
            },
        },
        ComparisonRow {
            head: "Saturation <small>requests/s</small>",
            cell: |page, i, split| {
                pair(
                    page,
                    i,
                    "saturation_reqs_per_sec",
                    split.baseline_saturation_reqs_per_sec,
                    split.saturation_reqs_per_sec,
                    1.0,
                );
            },
        },
        ComparisonRow {
            head: "CPU per request <small>ms</small>",
            cell: |page, i, split| {
                pair(
                    page,
                    i,
                    "cpu_secs_per_request",
                    split.baseline_cpu_secs_per_request,
                    split.cpu_secs_per_request,
                    1e3,
                );
            },
        },
        ComparisonRow {
            head: "Cores busy <small>at the load</small>",
            cell: |page, i, split| {
                pair(page, i, "cores", split.baseline_cores, split.cores, 1.0);
            },
        },
        ComparisonRow {
            head: "Money <small>$ a month, at assumed prices ◇</small>",
            cell: |page, i, split| {
                pair(page, i, "usd_per_month", split.baseline_usd_per_month, split.usd_per_month, 1.0);
            },
        },
        ComparisonRow {
            head: "Calls between services <small>per request, over the mix</small>",
            cell: |page, _, split| {
                page.raw(&format!(
                    "{} {}",
                    Mark::Measured.glyph(),
                    short(per_request(split, |e| e.crossings_per_request))
                ));
            },
        },
        ComparisonRow {
            head: "Cannot cross <small>call sites</small>",
            cell: |page, _, split| {
                page.raw(&format!("{} {}", Mark::Measured.glyph(), count(split.cannot_cross.len() as u64)));
            },
        },
    ]
}

fn hardest(page: &mut Page, i: usize, split: &SplitEvaluation) {
    let effects = split
        .endpoints
        .iter()
        .enumerate()
        .filter_map(|(e, endpoint)| Some((e, endpoint, Effect::of_endpoint(endpoint, Quantile::P50)?)));
    match effects.max_by(|a, b| a.2.ratio().total_cmp(&b.2.ratio())) {
        Some((e, endpoint, effect)) => page.raw(&format!(
            "<a href=\"#endpoint-{i}-{e}\">{}</a> <b>{}</b> <small>{} → {} ms, {}</small>",
            breakable(&endpoint.name),
            factor(effect.ratio()),
            number(effect.before.value),
            number(effect.after.value),
            effect.source.word(),
        )),
        None => page.raw("<span class=\"none\">–</span>"),
    }
}

/// A line for what was measured and one for what was simulated, each from the monolith to the split.
fn pair(page: &mut Page, i: usize, key: &str, before: Pair, after: Pair, scale: f64) {
    let lines = [
        (Mark::Measured, "measured", before.measured, after.measured),
        (Mark::Simulated, "estimate", before.estimate, after.estimate),
    ];
    if lines.iter().all(|line| line.2.is_none() && line.3.is_none()) {
        page.raw("<span class=\"none\">–</span>");
        return;
    }
    for (mark, source, before, after) in lines {
        if before.is_none() && after.is_none() {
            continue;
        }
        page.raw(&format!("<div class=\"pair\">{} ", mark.glyph()));
        match before {
            Some(before) => page.number(&format!("/splits/{i}/baseline_{key}/{source}/value"), before.value, scale),
            None => page.raw("–"),
        }
        page.raw(" → <b>");
        page.interval(&format!("/splits/{i}/{key}/{source}"), after, scale);
        page.raw("</b></div>");
    }
}

pub(super) fn section(page: &mut Page, i: usize, split: &SplitEvaluation) {
    let name = escape(&split.name);
    page.raw(&format!("<section class=\"split\" id=\"split-{i}\" data-split=\"{i}\" aria-label=\"Split {name}\">\n"));
    page.raw(&format!("<h2 class=\"split-name\">{name}</h2>\n<dl class=\"services\">\n"));
    for service in &split.services {
        let modules: Vec<String> = service.modules.iter().map(|m| format!("<code>{}</code>", escape(m))).collect();
        page.raw(&format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(&service.name), modules.join(" ")));
    }
    page.raw(&format!(
        "</dl>\n<p class=\"note\">Over {}, link “{}” {}, at ",
        escape(&split.stack),
        escape(&split.link),
        Mark::Assumed.glyph()
    ));
    page.short(&format!("/splits/{i}/load_reqs_per_sec"), split.load_reqs_per_sec, 1.0);
    page.raw(" requests/s.</p>\n");
    endpoints(page, i, split);
    charts(page, split);
    calls(page, i, split);
    cannot_cross(page, i, split);
    links(page, split);
    faults(page, split);
    page.raw("</section>\n");
}

/// What emulated links asked for and delivered.
fn links(page: &mut Page, split: &SplitEvaluation) {
    if split.emulations.is_empty() {
        return;
    }
    page.raw("<h3>What the links did</h3>\n");
    page.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Links and what they delivered\">\n");
    page.raw("<table class=\"links\">\n<thead><tr><td></td>");
    for head in ["deliveries", "asked for, p50 µs", "p99 µs", "late by, p50 µs", "p99 µs"] {
        page.raw(&format!("<th scope=\"col\" class=\"n\">{head}</th>"));
    }
    page.raw("</tr></thead>\n<tbody>\n");
    for link in &split.emulations {
        page.raw(&format!(
            "<tr><th scope=\"row\">{} → {} <small>{}</small></th>",
            escape(&link.listen),
            escape(&link.to),
            escape(&link.profile)
        ));
        let (asked, late) = (&link.requested_delay, &link.lateness);
        let numbers = [asked.p50_micros, asked.p99_micros, late.p50_micros, late.p99_micros].map(number);
        for cell in std::iter::once(count(link.deliveries)).chain(numbers) {
            page.raw(&format!("<td class=\"n\">{cell}</td>"));
        }
        page.raw("</tr>\n");
    }
    page.raw("</tbody>\n</table>\n</div>\n");
}

/// What became of requests when something went wrong.
fn faults(page: &mut Page, split: &SplitEvaluation) {
    if split.faults.is_empty() {
        return;
    }
    page.raw("<h3>When something goes wrong</h3>\n");
    for fault in &split.faults {
        page.raw(&format!("<p class=\"note\">{}</p>\n", escape(&fault::title(split, fault))));
        page.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Endpoints under a fault\">\n");
        page.raw("<table class=\"faults\">\n<thead><tr><td></td>");
        for (head, _) in fault::COLUMNS {
            page.raw(&format!("<th scope=\"col\" class=\"n\">{head}</th>"));
        }
        page.raw("</tr></thead>\n<tbody>\n");
        for endpoint in &fault.endpoints {
            page.raw(&format!("<tr><th scope=\"row\">{}</th>", breakable(&endpoint.name)));
            for (_, of) in fault::COLUMNS {
                page.raw(&format!("<td class=\"n\">{}</td>", fault::cell(endpoint, of)));
            }
            page.raw("</tr>\n");
        }
        page.raw("</tbody>\n</table>\n</div>\n");
    }
    page.raw(&format!("<p class=\"note\">{} {}</p>\n", Mark::Assumed.glyph(), fault::availability(&split.faults[0])));
}

/// A column of the endpoint table.
struct Column {
    key: &'static str,
    class: &'static str,
    group: &'static str,
    mark: Mark,
    of: fn(&EndpointEvaluation) -> Option<Quantiles>,
}

/// All columns that may be filled, the monolith's before the split's.
const COLUMNS: [Column; 4] = [
    Column { key: "baseline", class: "monolith", group: "Monolith", mark: Mark::Simulated, of: |e| e.baseline },
    Column {
        key: "baseline_measured",
        class: "monolith",
        group: "Monolith",
        mark: Mark::Measured,
        of: |e| e.baseline_measured,
    },
    Column { key: "estimate", class: "after", group: "Split", mark: Mark::Simulated, of: |e| e.estimate },
    Column { key: "measured", class: "after", group: "Split", mark: Mark::Measured, of: |e| e.measured },
];

fn endpoints(page: &mut Page, i: usize, split: &SplitEvaluation) {
    page.raw("<h3>What each endpoint costs</h3>\n");
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|c| split.endpoints.iter().any(|e| (c.of)(e).is_some())).collect();
    if columns.is_empty() {
        page.raw("<p class=\"empty\">No endpoint was predicted or measured.</p>\n");
        return;
    }
    let axis = Axis::over(split, &columns);
    page.raw(
        "<p class=\"note\">Response times in milliseconds from the intended start of a request, queueing included, with 90 % \
         intervals; the endpoint that suffers most first. <label class=\"switch\"><input type=\"checkbox\" class=\"show-p90\"> \
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
        page.raw(&format!("<th scope=\"col\" class=\"n\">{}</th>", column.mark.tag()));
    }
    page.raw("<th scope=\"col\" class=\"n\">Change</th><td class=\"plot\" aria-hidden=\"true\"><div class=\"axis\">");
    for tick in axis.ticks() {
        page.raw(&format!("<span style=\"left:{:.2}%\">{}</span>", axis.share(tick), short(tick)));
    }
    page.raw("<em>ms</em></div></td></tr>\n</thead>\n");

    let slowdown =
        |e: &EndpointEvaluation| Effect::of_endpoint(e, Quantile::P50).map_or(f64::NEG_INFINITY, |x| x.ratio());
    let mut rows: Vec<(usize, &EndpointEvaluation)> = split.endpoints.iter().enumerate().collect();
    rows.sort_by(|a, b| slowdown(b.1).total_cmp(&slowdown(a.1)));
    for (e, endpoint) in rows {
        endpoint_rows(page, &format!("/splits/{i}/endpoints/{e}"), (i, e), endpoint, &columns, &axis);
    }
    page.raw("</table>\n");
}

fn endpoint_rows(
    page: &mut Page,
    path: &str,
    (i, e): (usize, usize),
    endpoint: &EndpointEvaluation,
    columns: &[&Column],
    axis: &Axis,
) {
    let span = columns.len() + 2;
    page.raw(&format!(
        "<tbody id=\"endpoint-{i}-{e}\">\n<tr class=\"name\"><th scope=\"rowgroup\" colspan=\"{span}\"><b>{}</b> <span class=\"meta\">",
        breakable(&endpoint.name)
    ));
    page.raw(&format!("{} ", Mark::Measured.glyph()));
    page.count(&format!("{path}/requests"), endpoint.requests);
    page.raw(" requests");
    if endpoint.failed_requests > 0 {
        page.raw(", <b class=\"bad\">");
        page.count(&format!("{path}/failed_requests"), endpoint.failed_requests);
        page.raw(" failed</b>");
    }
    if endpoint.crossings_per_request > 0.0 {
        page.raw(" · ");
        page.short(&format!("{path}/crossings_per_request"), endpoint.crossings_per_request, 1.0);
        page.raw(" calls and ");
        let (scale, unit) = byte_unit(endpoint.bytes_per_request);
        page.short(&format!("{path}/bytes_per_request"), endpoint.bytes_per_request, scale);
        page.raw(&format!(" {unit} between services per request"));
    }
    page.raw("</span>");
    if endpoint.blocking_crossings_per_request > 0.0 {
        page.raw("<span class=\"meta\"><b class=\"bad\">Blocks the event loop</b> ");
        page.short(&format!("{path}/blocking_crossings_per_request"), endpoint.blocking_crossings_per_request, 1.0);
        page.raw(" × per request");
        if let Some(rewritten) = endpoint.estimate_if_async {
            page.raw("; awaited instead: p50 ");
            page.interval(&format!("{path}/estimate_if_async/p50_ms"), Some(rewritten.p50_ms), 1.0);
            page.raw(" ms, p99 ");
            page.interval(&format!("{path}/estimate_if_async/p99_ms"), Some(rewritten.p99_ms), 1.0);
            page.raw(&format!(" ms {}", Mark::Simulated.glyph()));
        }
        page.raw("</span>");
    }
    page.raw("</th><td class=\"plot\"></td></tr>\n");
    for quantile in Quantile::ALL {
        page.raw(&format!("<tr class=\"{0}\"><th scope=\"row\">{0}</th>", quantile.name()));
        for column in columns {
            let value = (column.of)(endpoint).map(|all| quantile.of(&all));
            page.raw(&format!("<td class=\"n {}\">", column.class));
            page.interval(&format!("{path}/{}/{}", column.key, quantile.key()), value, 1.0);
            page.raw("</td>");
        }
        let change = Effect::of_endpoint(endpoint, quantile).map_or_else(|| "–".to_owned(), |x| factor(x.ratio()));
        page.raw(&format!(
            "<td class=\"n change\">{change}</td><td class=\"plot\" aria-hidden=\"true\"><div class=\"lanes\">"
        ));
        for tick in axis.ticks() {
            page.raw(&format!("<hr style=\"left:{:.2}%\">", axis.share(tick)));
        }
        for (lane, column) in columns.iter().enumerate() {
            let Some(all) = (column.of)(endpoint) else { continue };
            lane_marks(page, axis, quantile.of(&all), (2 * lane + 1, 2 * columns.len()), column);
        }
        page.raw("</div></td></tr>\n");
    }
    page.raw("</tbody>\n");
}

/// An interval as a bar and its value as a dot, on the `nth` of so many halves of lanes.
fn lane_marks(page: &mut Page, axis: &Axis, interval: Interval, (nth, of): (usize, usize), column: &Column) {
    let (low, high) = (axis.share(interval.low), axis.share(interval.high));
    let top = 100.0 * nth as f64 / of as f64;
    let class = format!("{} {}", column.class, if matches!(column.mark, Mark::Measured) { "filled" } else { "hollow" });
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
    fn over(split: &SplitEvaluation, columns: &[&Column]) -> Self {
        let mut axis = Self { low: f64::INFINITY, high: 0.0 };
        let quantiles = split.endpoints.iter().flat_map(|e| columns.iter().filter_map(move |c| (c.of)(e)));
        for interval in quantiles.flat_map(|all| Quantile::ALL.map(|q| q.of(&all))) {
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

fn charts(page: &mut Page, split: &SplitEvaluation) {
    page.raw("<div class=\"charts\">\n<figure>\n<h3>Predicted against measured</h3>\n");
    match accuracy(split) {
        Some(caption) => {
            page.raw(&chart_box("accuracy", "Predicted against measured response times of every endpoint"));
            page.raw(&format!("<figcaption>{caption}</figcaption>\n"));
        }
        None => page.raw("<p class=\"empty\">This needs both a prediction and a rehearsal of the same split.</p>\n"),
    }
    page.raw("</figure>\n<figure>\n<h3>Distribution of response times</h3>\n");
    if split.endpoints.iter().all(|e| e.distributions.is_empty()) {
        page.raw("<p class=\"empty\">No distribution was kept.</p>\n");
    } else {
        page.raw("<label class=\"select\"><span>Endpoint</span> <select class=\"endpoint\">");
        for (e, endpoint) in split.endpoints.iter().enumerate().filter(|(_, e)| !e.distributions.is_empty()) {
            page.raw(&format!("<option value=\"{e}\">{}</option>", escape(&endpoint.name)));
        }
        page.raw("</select></label>\n");
        page.raw(&chart_box("distribution", "Share of requests answered within a time"));
        page.raw("<figcaption>Share of requests answered within a time: solid lines were measured, dashed ones simulated.</figcaption>\n");
    }
    page.raw("</figure>\n</div>\n");
    graph(page, split);
}

fn chart_box(chart: &str, label: &str) -> String {
    format!("<div class=\"chart {chart}\" data-chart=\"{chart}\" role=\"img\" aria-label=\"{label}\"></div>\n")
}

/// How good the predictions were, in a sentence; `None` where nothing can be compared.
fn accuracy(split: &SplitEvaluation) -> Option<String> {
    let pairs: Vec<(Interval, Interval)> = split
        .endpoints
        .iter()
        .filter_map(|e| Some((e.estimate?, e.measured?)))
        .flat_map(|(estimate, measured)| Quantile::ALL.map(|q| (q.of(&estimate), q.of(&measured))))
        .collect();
    let mut errors: Vec<f64> =
        pairs.iter().map(|(e, m)| (e.value / m.value - 1.0).abs()).filter(|x| x.is_finite()).collect();
    errors.sort_by(f64::total_cmp);
    let median = splitcost_model::statistics::quantile(&errors, 0.5)?;
    let inside = pairs.iter().filter(|(e, m)| (e.low..=e.high).contains(&m.value)).count();
    Some(format!(
        "{inside} of {} measured values lie inside their predicted 90 % interval; the median error is {} %. On the diagonal, \
         prediction and measurement agree.",
        pairs.len(),
        short(100.0 * median)
    ))
}

/// Calls from one service to another, per request of the mix.
#[derive(Default)]
struct Edge {
    calls: f64,
    bytes: f64,
    added_ms: f64,
}

fn edges(split: &SplitEvaluation) -> BTreeMap<(&str, &str), Edge> {
    let total: u64 = split.endpoints.iter().map(|e| e.requests).sum();
    let mut edges: BTreeMap<(&str, &str), Edge> = BTreeMap::new();
    for call in &split.calls {
        let requests = split.endpoints.iter().find(|e| e.name == call.endpoint).map_or(0, |e| e.requests);
        let share = if total == 0 { 0.0 } else { requests as f64 / total as f64 };
        let edge = edges.entry((&call.caller_service, &call.callee_service)).or_default();
        edge.calls += share * call.calls_per_request;
        edge.bytes += share * call.calls_per_request * call.bytes_per_call;
        edge.added_ms += share * call.added_ms_per_request;
    }
    edges
}

/// The service graph's edges, for the script.
pub(super) fn edges_json(split: &SplitEvaluation) -> Value {
    let edges = edges(split);
    let list = edges.iter().map(|((from, to), edge)| {
        json!({ "from": from, "to": to, "calls_per_request": edge.calls, "shown": short(edge.calls) })
    });
    Value::from(list.collect::<Vec<_>>())
}

fn graph(page: &mut Page, split: &SplitEvaluation) {
    page.raw("<h3>Who calls whom</h3>\n");
    let edges = edges(split);
    if edges.is_empty() {
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
    for ((from, to), edge) in &edges {
        let (scale, unit) = byte_unit(edge.bytes);
        page.raw(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{} {unit}</td><td class=\"n\">{}</td></tr>\n",
            escape(from),
            escape(to),
            short(edge.calls),
            short(edge.bytes * scale),
            number(edge.added_ms),
        ));
    }
    page.raw("</tbody>\n</table>\n</div>\n</div>\n");
}

fn calls(page: &mut Page, i: usize, split: &SplitEvaluation) {
    page.raw("<h3>Which calls cause it</h3>\n");
    if split.calls.is_empty() {
        page.raw("<p class=\"empty\">No call goes between services.</p>\n");
        return;
    }
    let (measured, simulated) = (Mark::Measured.tag(), Mark::Simulated.tag());
    page.raw(&format!(
        "<p class=\"note\">Dearest first, over all recorded requests together; what a call adds is its calibrated cost, without queueing.</p>\n\
         <table class=\"calls stack\">\n<thead><tr><th scope=\"col\">Call</th><th scope=\"col\">By requests of</th>\
         <th scope=\"col\" class=\"n\">Calls per request {measured}</th><th scope=\"col\" class=\"n\">Added ms per request {simulated}</th>\
         <th scope=\"col\" class=\"n\">CPU µs per call {simulated}</th><th scope=\"col\" class=\"n\">Bytes per call {measured}</th></tr></thead>\n<tbody>\n"
    ));
    let dearest = split.calls.iter().map(|c| c.added_ms_per_request).fold(0.0, f64::max);
    for (c, call) in split.calls.iter().enumerate() {
        let path = format!("/splits/{i}/calls/{c}");
        let blocks = if call.blocks_event_loop { " <b class=\"bad\">blocks the event loop</b>" } else { "" };
        page.raw(&format!(
            "<tr{}><th scope=\"row\"><code>{}</code><span class=\"meta\">{} · {}:{}</span>{blocks}</th><td data-label=\"By requests of\">{}</td>\
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
    show_all(page, split.calls.len());
}

fn cannot_cross(page: &mut Page, i: usize, split: &SplitEvaluation) {
    page.raw("<h3>What cannot cross</h3>\n");
    if split.cannot_cross.is_empty() {
        page.raw("<p class=\"empty\">Everything that was seen to cross can be sent.</p>\n");
        return;
    }
    page.raw(&format!(
        "<p class=\"note\">The work that a real split would have to do first.</p>\n<table class=\"cannot stack\">\n<thead><tr>\
         <th scope=\"col\">Place</th><th scope=\"col\">Call</th><th scope=\"col\">Why</th><th scope=\"col\" class=\"n\">Seen {}</th>\
         <th scope=\"col\">Here</th></tr></thead>\n<tbody>\n",
        Mark::Measured.tag()
    ));
    for (c, place) in split.cannot_cross.iter().enumerate() {
        page.raw(&format!(
            "<tr{}><th scope=\"row\"><code>{}:{}</code></th><td data-label=\"Call\"><code>{}</code><span class=\"meta\">from {}</span></td>\
             <td data-label=\"Why\">{}</td><td class=\"n\" data-label=\"Seen ●\">",
            extra(c),
            breakable(&place.file),
            place.line,
            breakable(&place.callee),
            breakable(&place.caller),
            escape(&place.reason),
        ));
        page.count(&format!("/splits/{i}/cannot_cross/{c}/count"), place.count);
        page.raw(&format!("</td><td data-label=\"Here\">{}</td></tr>\n", escape(&place.handling)));
    }
    page.raw("</tbody>\n</table>\n");
    show_all(page, split.cannot_cross.len());
}

/// The class of a row beyond the first screen.
fn extra(row: usize) -> &'static str {
    if row < ROWS { "" } else { " class=\"extra\"" }
}

fn show_all(page: &mut Page, rows: usize) {
    if rows > ROWS {
        page.raw(&format!(
            "<label class=\"switch\"><input type=\"checkbox\" class=\"show-extra\"> show all {rows}</label>\n"
        ));
    }
}
