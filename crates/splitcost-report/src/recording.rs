//! The [`Summary`] of a recording for a terminal: aligned tables, one screen.

use std::collections::BTreeSet;
use std::fmt::Write;

use splitcost_model::boundary::Readiness;
use splitcost_model::recording::PayloadClass;
use splitcost_model::recording::summary::{EdgeSummary, PayloadSummary, Summary};

use crate::number::{count, number};
use crate::shorten::{length, shorten_column};
use crate::text::wrap;

/// Rows shown of each table; the JSON has them all.
///
/// Chosen: three such tables and the head fit a terminal of 50 lines.
const ROWS: usize = 12;

/// Functions named of those that were called outside of requests; the JSON has them all.
///
/// Chosen: two lines.
const NAMED_OUTSIDE: usize = 3;

/// Renders the summary as text, fitted to `width` columns (at least 60) where its names allow it.
pub fn render(summary: &Summary, width: usize) -> String {
    let width = width.max(60);
    let mut out = String::new();
    head(&mut out, summary, width);

    let mut endpoints =
        FittedTable::new(width, &["endpoint", "requests", "failed", "p50 ms", "p90 ms", "p99 ms", "CPU ms", "calls"]);
    for endpoint in &summary.endpoints {
        endpoints.row(vec![
            endpoint.name.clone(),
            count(endpoint.requests),
            count(endpoint.failed_requests),
            number(endpoint.wall_ms_p50.unwrap_or(f64::NAN)),
            number(endpoint.wall_ms_p90.unwrap_or(f64::NAN)),
            number(endpoint.wall_ms_p99.unwrap_or(f64::NAN)),
            number(endpoint.cpu_ms_mean.unwrap_or(f64::NAN)),
            number(endpoint.calls_per_request.unwrap_or(f64::NAN)),
        ]);
    }
    let title = format!("Endpoints (time inside the app, from {}; CPU and calls per request)", summary.times_from);
    endpoints.render(&mut out, &title);

    let mut edges = FittedTable::new(
        width,
        &["caller → callee", "calls", "CPU µs", "bytes/call", "overlap", "carries", "most calls in"],
    );
    for edge in &summary.edges {
        edges.row(vec![
            format!("{} → {}", edge.caller, edge.callee),
            number(edge.calls_per_request),
            number(edge.own_cpu_micros_per_request),
            edge.encoded_bytes_per_call.map_or_else(|| "–".to_owned(), |bytes| count(bytes.round() as u64)),
            format!("{:.0} %", edge.overlap_share * 100.0),
            worst_class(edge),
            edge.endpoints
                .first()
                .map_or_else(String::new, |most| format!("{} × {}", number(most.calls_per_request), most.endpoint)),
        ]);
    }
    edges.left(&[5, 6]).render(&mut out, "Calls between modules (per request of any endpoint)");

    let mut payloads =
        FittedTable::new(width, &["what needs work to cross", "readiness", "value", "sampled", "bytes", "call site"]);
    for (call, likes) in needing_work(summary) {
        let samples: u64 = likes.iter().map(|payload| payload.samples).sum();
        let bytes: f64 = likes.iter().map(|payload| payload.encoded_bytes_mean * payload.samples as f64).sum();
        payloads.row(vec![
            call.function.to_owned(),
            call.readiness.name().to_owned(),
            call.value.to_owned(),
            count(samples),
            count((bytes / samples as f64).round() as u64),
            call_sites(&likes),
        ]);
    }
    payloads.left(&[1, 2, 5]).render(&mut out, "Calls that need work before they can cross");
    out
}

/// A value that is in the way of a function's calls.
#[derive(PartialEq)]
struct NeedsWork<'a> {
    function: &'a str,
    readiness: Readiness,
    value: &'a str,
}

/// Returns what needs work to cross, each with its payloads from all call sites, in the order of the summary.
fn needing_work(summary: &Summary) -> Vec<(NeedsWork<'_>, Vec<&PayloadSummary>)> {
    let mut all: Vec<(NeedsWork<'_>, Vec<&PayloadSummary>)> = Vec::new();
    for payload in &summary.payloads {
        let Some(readiness) = payload.readiness.filter(|readiness| *readiness != Readiness::Ready) else { continue };
        let is_data = Readiness::of(payload.class) == Readiness::Ready;
        // Of a method that carries data, its object is in the way: one line suffices.
        if is_data && payload.direction != "arguments" {
            continue;
        }
        let value = if is_data { "its object" } else { &payload.path };
        let call = NeedsWork { function: &payload.function, readiness, value };
        match all.iter_mut().find(|(known, _)| *known == call) {
            Some((_, likes)) => likes.push(payload),
            None => all.push((call, vec![payload])),
        }
    }
    all.sort_by_key(|(_, likes)| std::cmp::Reverse((likes[0].class, likes.iter().map(|p| p.samples).sum::<u64>())));
    all
}

/// Returns the first call site that is known, and the number of the others.
fn call_sites(payloads: &[&PayloadSummary]) -> String {
    // A call site in a framework is not the user's to change, and is not recorded.
    let known: BTreeSet<(&str, u32)> =
        payloads.iter().filter(|p| !p.file.is_empty()).map(|p| (p.file.as_str(), p.line)).collect();
    let first = payloads.iter().find(|payload| !payload.file.is_empty());
    match (first, known.len()) {
        (Some(payload), 1) => format!("{}:{}", last_parts(&payload.file), payload.line),
        (Some(payload), sites) => format!("{}:{} and {} more", last_parts(&payload.file), payload.line, sites - 1),
        (None, _) => "–".to_owned(),
    }
}

fn head(out: &mut String, summary: &Summary, width: usize) {
    let mut line = |text: String| {
        let mut lines = Vec::new();
        wrap(&text, width, 2, &mut lines);
        let _ = writeln!(out, "{}", lines.join("\n"));
    };
    let command = summary.command.join(" ");
    let command = command.split_whitespace().collect::<Vec<_>>().join(" ");
    line(format!("{} requests of `{command}`", count(summary.requests)));
    line(format!(
        "recorded {} by splitcost {}, CPython {} ({}), {}",
        summary.started_at, summary.splitcost_version, summary.python_version, summary.recorder_mode, summary.machine
    ));
    if !summary.outside.is_empty() {
        let named = summary.outside.iter().take(NAMED_OUTSIDE);
        let mut calls: Vec<String> =
            named.map(|called| format!("{} of {}", count(called.calls), called.function)).collect();
        let rest = &summary.outside[calls.len()..];
        if !rest.is_empty() {
            let sum = rest.iter().map(|called| called.calls).sum();
            calls.push(format!("{} of {} more functions", count(sum), count(rest.len() as u64)));
        }
        line(format!("calls outside of requests: {}", calls.join(", ")));
    }
    for trouble in &summary.troubles {
        line(format!("trouble: {trouble}"));
    }
}

/// Returns the classes sampled on an edge that need work, worst first.
fn worst_class(edge: &EdgeSummary) -> String {
    let seen = |class: &&PayloadClass| edge.sampled_classes.contains_key(class.name());
    let classes: Vec<&str> = PayloadClass::ALL.iter().rev().filter(seen).map(|class| class.name()).collect();
    match classes.as_slice() {
        [] => "–".to_owned(),
        [others @ .., "plain"] if !others.is_empty() => others.join(" "),
        classes => classes.join(" "),
    }
}

/// Returns the last two parts of a path: enough to find a file by.
pub(crate) fn last_parts(path: &str) -> &str {
    path.rmatch_indices('/').nth(1).map_or(path, |(at, _)| &path[at + 1..])
}

/// A table that is fitted to a width, and to a number of rows.
pub(crate) struct FittedTable {
    width: usize,
    header: Vec<String>,
    /// Columns aligned to the left; the others are numbers.
    left: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl FittedTable {
    pub(crate) fn new(width: usize, header: &[&str]) -> Self {
        Self { width, header: header.iter().map(|&h| h.to_owned()).collect(), left: vec![0], rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn left(&mut self, columns: &[usize]) -> &Self {
        self.left.extend_from_slice(columns);
        self
    }

    /// Appends the first rows of the table.
    pub(crate) fn render(&self, out: &mut String, title: &str) {
        self.render_rows(out, title, ROWS);
    }

    /// Appends the whole table.
    pub(crate) fn render_all(&self, out: &mut String, title: &str) {
        self.render_rows(out, title, usize::MAX);
    }

    /// Appends the table; where it would be too wide, the texts of columns are shortened, those of the last one first.
    /// Texts that differ still do so then, even if the table becomes wider than it should be.
    fn render_rows(&self, out: &mut String, title: &str, most: usize) {
        if self.rows.is_empty() {
            return;
        }
        let shown = &self.rows[..self.rows.len().min(most)];
        let lines = || std::iter::once(&self.header).chain(shown);
        let mut columns: Vec<Vec<String>> =
            (0..self.header.len()).map(|column| lines().map(|cells| cells[column].clone()).collect()).collect();
        let widest = |cells: &[String]| cells.iter().map(|cell| length(cell)).max().unwrap_or(0);
        let mut widths: Vec<usize> = columns.iter().map(|cells| widest(cells)).collect();
        let total = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * (widths.len() - 1);
        for (column, least) in self.left.iter().rev().map(|&c| (c, 16)).chain([(0, 20)]) {
            let excess = total(&widths).saturating_sub(self.width);
            let narrow = widths[column].saturating_sub(excess).max(least.min(widths[column]));
            // The head stays whole.
            let texts: Vec<&str> = columns[column].iter().skip(1).map(String::as_str).collect();
            let shorter = shorten_column(&texts, narrow.max(length(&self.header[column])));
            columns[column].splice(1.., shorter);
            widths[column] = widest(&columns[column]);
        }
        let mut heading = Vec::new();
        wrap(title, self.width, 2, &mut heading);
        let _ = writeln!(out, "\n{}", heading.join("\n"));
        for row in 0..=shown.len() {
            let mut line = String::new();
            for (column, (cells, &width)) in columns.iter().zip(&widths).enumerate() {
                let cell = &cells[row];
                let padding = " ".repeat(width - length(cell));
                let cell = if self.left.contains(&column) { format!("{cell}{padding}") } else { padding + cell };
                line.push_str(if column == 0 { "" } else { "  " });
                line.push_str(&cell);
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
        if let Some(more) = self.rows.len().checked_sub(shown.len()).filter(|more| *more > 0) {
            let _ = writeln!(out, "… and {more} more with --format json");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use splitcost_model::recording::summary::{EdgeEndpoint, EndpointSummary, OutsideSummary, PayloadSummary};

    use super::*;

    fn edge(from: &str, to: &str, calls: f64, bytes: Option<f64>, classes: &[(&str, u64)]) -> EdgeSummary {
        EdgeSummary {
            caller: from.into(),
            callee: to.into(),
            calls: calls as u64 * 2,
            calls_per_request: calls,
            own_cpu_micros_per_request: calls * 150.0,
            encoded_bytes_per_call: bytes,
            overlap_share: 0.941,
            sampled_classes: classes.iter().map(|&(class, samples)| (class.to_owned(), samples)).collect(),
            endpoints: vec![EdgeEndpoint { endpoint: "POST /orders".into(), calls_per_request: calls }],
            ..EdgeSummary::default()
        }
    }

    fn payload(function: &str, class: PayloadClass, path: &str, file: &str) -> PayloadSummary {
        PayloadSummary {
            function: function.into(),
            direction: "result".into(),
            class,
            readiness: Some(Readiness::of(class)),
            path: path.into(),
            file: file.into(),
            line: 21,
            samples: 1_234,
            encoded_bytes_mean: 70.4,
            ..PayloadSummary::default()
        }
    }

    fn summary() -> Summary {
        Summary {
            splitcost_version: "0.1.0".into(),
            started_at: "2026-11-24T08:00:00Z".into(),
            command: vec!["uvicorn".into(), "shop.main:app".into()],
            python_version: "3.13.0".into(),
            recorder_mode: "monitoring".into(),
            machine: "a machine with 2 cores".into(),
            troubles: vec!["requests left out, not ended when recording stopped: 1".into()],
            outside: [("shop.events:consume", 1_200), ("shop.main:main", 1), ("shop.db:open", 1), ("shop.db:ping", 1)]
                .map(|(function, calls)| OutsideSummary { function: function.into(), calls })
                .to_vec(),
            requests: 1_003,
            times_from: "the closed-loop phase with 1 in flight".into(),
            endpoints: vec![
                EndpointSummary {
                    name: "POST /orders".into(),
                    requests: 1_002,
                    failed_requests: 1,
                    wall_ms_p50: Some(2.5),
                    wall_ms_p90: Some(12.345),
                    wall_ms_p99: Some(1_234.4),
                    cpu_ms_mean: Some(0.838),
                    calls_per_request: Some(4.0),
                },
                EndpointSummary { name: "GET /broken".into(), requests: 1, failed_requests: 1, ..Default::default() },
            ],
            edges: vec![
                edge("shop.orders", "shop.pricing", 2.0, Some(120.4), &[("adapter", 6), ("plain", 2)]),
                edge("(framework)", "shop.orders", 1.0, None, &[]),
                edge("shop.orders", "shop.inventory", 1.0, Some(0.0), &[("live", 1), ("mutated", 1)]),
            ],
            payloads: vec![
                payload(
                    "shop.inventory:reserve",
                    PayloadClass::Live,
                    "arguments.session (Session)",
                    "/srv/app/shop/create.py",
                ),
                payload("shop.pricing:quote", PayloadClass::Adapter, "", ""),
                payload("shop.pricing:plain", PayloadClass::Plain, "", ""),
            ],
            ..Summary::default()
        }
    }

    #[test]
    fn text_is_aligned_and_fits() {
        let text = render(&summary(), 110);
        assert!(text.lines().all(|line| line.chars().count() <= 110));
        insta::assert_snapshot!(text, @"
        1,003 requests of `uvicorn shop.main:app`
        recorded 2026-11-24T08:00:00Z by splitcost 0.1.0, CPython 3.13.0 (monitoring), a machine with 2 cores
        calls outside of requests: 1,200 of shop.events:consume, 1 of shop.main:main, 1 of shop.db:open, 1 of 1 more
          functions
        trouble: requests left out, not ended when recording stopped: 1

        Endpoints (time inside the app, from the closed-loop phase with 1 in flight; CPU and calls per request)
        endpoint      requests  failed  p50 ms  p90 ms  p99 ms  CPU ms  calls
        POST /orders     1,002       1    2.50    12.3   1,234   0.838   4.00
        GET /broken          1       1       –       –       –       –      –

        Calls between modules (per request of any endpoint)
        caller → callee               calls  CPU µs  bytes/call  overlap  carries       most calls in
        shop.orders → shop.pricing     2.00     300         120     94 %  adapter       2.00 × POST /orders
        (framework) → shop.orders      1.00     150           –     94 %  –             1.00 × POST /orders
        shop.orders → shop.inventory   1.00     150           0     94 %  live mutated  1.00 × POST /orders

        Calls that need work before they can cross
        what needs work to cross  readiness  value                        sampled  bytes  call site
        shop.inventory:reserve    rewrite    arguments.session (Session)    1,234     70  shop/create.py:21
        ");
        let narrow = render(&summary(), 20);
        for name in ["POST /orders ", "shop.inventory:reserve", "/create.py:21"] {
            assert!(narrow.contains(name), "{name} is not in {narrow}");
        }
    }

    #[test]
    fn long_tables_are_cut_and_empty_ones_left_out() {
        assert_eq!(render(&Summary::default(), 80).lines().count(), 2);
        let endpoints = vec![EndpointSummary { name: "GET /".into(), ..Default::default() }; 20];
        let text = render(&Summary { endpoints, ..Summary::default() }, 80);
        assert!(text.ends_with("… and 8 more with --format json\n"), "{text}");
        assert_eq!(worst_class(&EdgeSummary { sampled_classes: BTreeMap::new(), ..EdgeSummary::default() }), "–");
    }
}
