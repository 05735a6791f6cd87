//! What `evaluate`, `estimate` and `rehearse` print: a screen that says what each endpoint costs, which calls cause it,
//! what cannot cross, and a plain verdict.

use std::cmp::Ordering;

use anstyle::{AnsiColor, Style as Ansi};
use splitcost_model::evaluation::{EndpointEvaluation, Evaluation, Pair, Quantiles, SplitEvaluation};
use splitcost_model::statistics::Interval;

use crate::effect::{Effect, Quantile};
use crate::emulation;
use crate::number::{count, factor, number, short};
use crate::verdict::{Kind, judge};

/// Endpoints shown per split, slowest-made first.
///
/// Chosen: two splits of ten endpoints fit a screen of fifty lines.
const ENDPOINTS: usize = 10;
/// Calls shown per split.
const CALLS: usize = 3;
/// Places that cannot cross shown per split.
const CANNOT_CROSS: usize = 2;
/// Columns that an endpoint's name gets at least before the 99th percentile is left out.
///
/// Chosen: method, collection and a parameter stay legible.
const NAME: usize = 24;
/// Columns of the crossings per request.
const CALLS_COLUMN: usize = 6;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 100 }
    }
}

/// The evaluation as terminal text, ending in a newline.
pub fn render(evaluation: &Evaluation, style: &Style) -> String {
    let paint = Paint { color: style.color };
    let width = style.width.max(60);
    let mut lines = Vec::new();
    if evaluation.splits.is_empty() {
        lines.push("No split was evaluated.".to_owned());
    }
    for split in &evaluation.splits {
        endpoints(split, width, paint, &mut lines);
    }
    section("Calls that cause it", evaluation, width, paint, &mut lines, calls);
    section("What cannot cross", evaluation, width, paint, &mut lines, cannot_cross);
    for split in &evaluation.splits {
        verdict(split, width, paint, &mut lines);
    }
    for warning in &evaluation.provenance.warnings {
        wrap(&format!("! {warning}"), width, 2, &mut lines);
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n") + "\n"
}

#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

impl Paint {
    fn with(self, style: Ansi, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.with(Ansi::new().bold(), text)
    }

    fn dim(self, text: &str) -> String {
        self.with(Ansi::new().dimmed(), text)
    }

    fn verdict(self, kind: Kind, text: &str) -> String {
        let color = match kind {
            Kind::Gains | Kind::Cheap => AnsiColor::Green,
            Kind::Costly | Kind::Undecided => AnsiColor::Yellow,
            Kind::Prohibitive => AnsiColor::Red,
        };
        self.with(Ansi::new().bold().fg_color(Some(color.into())), text)
    }
}

/// A column: its head, and the quantiles it shows.
type Column = (&'static str, fn(&EndpointEvaluation) -> Option<Quantiles>);

/// The columns that at least one endpoint can fill.
fn columns(split: &SplitEvaluation) -> Vec<Column> {
    // The monolith was measured where there was a rehearsal; a simulated one stands in where there was none.
    let monolith: Column = if split.endpoints.iter().any(|e| e.baseline_measured.is_some()) {
        ("mono", |e| e.baseline_measured)
    } else {
        ("mono", |e| e.baseline)
    };
    [monolith, ("predicted", |e| e.estimate), ("measured", |e| e.measured)]
        .into_iter()
        .filter(|column| split.endpoints.iter().any(|e| column.1(e).is_some()))
        .collect()
}

fn endpoints(split: &SplitEvaluation, width: usize, paint: Paint, lines: &mut Vec<String>) {
    let columns = columns(split);
    let measured = split.endpoints.iter().any(|e| e.baseline_measured.is_some());
    let title = format!(
        "{}: {}, {} link, {} requests/s. Response times in ms with 90 % intervals{}",
        split.name,
        split.stack,
        split.link,
        short(split.load_reqs_per_sec),
        if measured || split.endpoints.is_empty() { "" } else { ", monolith simulated" },
    );
    let mut wrapped = Vec::new();
    wrap(&title, width, 2, &mut wrapped);
    lines.extend(wrapped.iter().map(|line| paint.bold(line)));

    let mut rows: Vec<&EndpointEvaluation> = split.endpoints.iter().collect();
    rows.sort_by(|a, b| slowdown(b).partial_cmp(&slowdown(a)).unwrap_or(Ordering::Equal));
    let hidden = rows.split_off(rows.len().min(ENDPOINTS));

    let both = [Quantile::P50, Quantile::P99].map(|quantile| quantile_columns(&rows, &columns, quantile));
    let widths = both.each_ref().map(|part| part.iter().map(|column| column_width(column)).sum::<usize>());
    // Both quantiles where they fit beside a legible name, else the median alone.
    let shown = if width >= NAME + CALLS_COLUMN + widths[0] + widths[1] { 2 } else { 1 };
    let numbers = CALLS_COLUMN + widths.iter().take(shown).sum::<usize>();
    let longest = rows.iter().map(|e| e.name.chars().count()).max().unwrap_or(0);
    let names = width.saturating_sub(numbers).min(longest).max(NAME / 2);

    for i in 0..=rows.len() {
        let row = i.checked_sub(1).map(|i| rows[i]);
        let mut line = match row {
            None => format!("{:names$}{:>CALLS_COLUMN$}", "", "calls"),
            Some(e) => format!("{:names$}{:>CALLS_COLUMN$}", clip(&e.name, names), short(e.crossings_per_request)),
        };
        for part in &both[..shown] {
            for (c, column) in part.iter().enumerate() {
                let cell = format!("{:>width$}", column[i], width = column_width(column));
                line += &if row.is_some() && c + 1 == part.len() { paint.bold(&cell) } else { cell };
            }
        }
        lines.push(if row.is_none() { paint.dim(&line) } else { line });
    }
    if let Some(next) = hidden.first() {
        let slowest = factor(slowdown(next));
        lines.push(paint.dim(&format!("… and {} more, the median {slowest} at most", hidden.len())));
    }
}

/// For each column its head and one cell per row; the last column says how many times slower it gets.
fn quantile_columns(rows: &[&EndpointEvaluation], columns: &[Column], quantile: Quantile) -> Vec<Vec<String>> {
    let dash = || "–".to_owned();
    let mut out: Vec<Vec<String>> = columns
        .iter()
        .enumerate()
        .map(|(i, (head, of))| {
            let head = if i == 0 { format!("{} {head}", quantile.name()) } else { (*head).to_owned() };
            let cells = rows.iter().map(|e| of(e).map_or_else(dash, |all| interval(quantile.of(&all))));
            std::iter::once(head).chain(cells).collect()
        })
        .collect();
    let factors = rows.iter().map(|e| Effect::of_endpoint(e, quantile).map_or_else(dash, |e| factor(e.ratio())));
    out.push(std::iter::once(String::new()).chain(factors).collect());
    out
}

/// Columns of the terminal that a column takes, its gap included.
fn column_width(column: &[String]) -> usize {
    column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0) + 1
}

/// How many times slower the median gets; endpoints without one come last.
fn slowdown(endpoint: &EndpointEvaluation) -> f64 {
    Effect::of_endpoint(endpoint, Quantile::P50).map_or(f64::NEG_INFINITY, |effect| effect.ratio())
}

/// `74.1 ±9%`; `74.1 (30.2–410)` where half of the interval is more than half of the value.
fn interval(interval: Interval) -> String {
    let half = (interval.high - interval.low) / 2.0;
    let share = 100.0 * half / interval.value;
    if share > 50.0 {
        return format!("{} ({}–{})", number(interval.value), number(interval.low), number(interval.high));
    }
    if share.is_finite() { format!("{} ±{share:.0}%", number(interval.value)) } else { number(interval.value) }
}

/// A title, then each split's lines, at most as wide as told, with its name in front where there are several.
fn section(
    title: &str,
    evaluation: &Evaluation,
    width: usize,
    paint: Paint,
    lines: &mut Vec<String>,
    body: impl Fn(&SplitEvaluation, usize) -> Vec<String>,
) {
    let longest = evaluation.splits.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
    let names = if evaluation.splits.len() > 1 { longest.min(16) + 2 } else { 0 };
    let before = lines.len();
    for split in &evaluation.splits {
        let label = if names > 0 { split.name.as_str() } else { "" };
        for line in body(split, width - 2 - names) {
            lines.push(format!("  {}{line}", paint.dim(&format!("{:names$}", clip(label, names)))));
        }
    }
    if lines.len() > before {
        lines.insert(before, paint.bold(title));
    }
}

fn calls(split: &SplitEvaluation, width: usize) -> Vec<String> {
    let lines = split.calls.iter().take(CALLS).map(|call| {
        format!(
            "+{} ms/request: {} × {} at {}:{}{}, {}",
            number(call.added_ms_per_request),
            short(call.calls_per_request),
            call.callee,
            call.file,
            call.line,
            if call.blocks_event_loop { ", blocks the loop" } else { "" },
            call.endpoint,
        )
    });
    fit(lines.collect(), split.calls.len(), width)
}

fn cannot_cross(split: &SplitEvaluation, width: usize) -> Vec<String> {
    let lines = split.cannot_cross.iter().take(CANNOT_CROSS).map(|place| {
        let calls = count(place.count);
        format!("{}:{} {}: {} ({calls} ×, {})", place.file, place.line, place.callee, place.reason, place.handling)
    });
    fit(lines.collect(), split.cannot_cross.len(), width)
}

/// Clips the lines to `width`; the last one says how many more there are.
fn fit(lines: Vec<String>, all: usize, width: usize) -> Vec<String> {
    let (left, last) = (all - lines.len(), lines.len());
    let finish = |(i, line): (usize, String)| {
        let more = if left > 0 && i + 1 == last { format!(" (and {left} more)") } else { String::new() };
        clip(&line, width.saturating_sub(more.chars().count())) + &more
    };
    lines.into_iter().enumerate().map(finish).collect()
}

fn verdict(split: &SplitEvaluation, width: usize, paint: Paint, lines: &mut Vec<String>) {
    let verdict = judge(split);
    let mut totals = vec![
        total("saturation in requests/s", split.baseline_saturation_reqs_per_sec, split.saturation_reqs_per_sec, 1.0),
        total("CPU ms/request", split.baseline_cpu_secs_per_request, split.cpu_secs_per_request, 1e3),
        total("cores", split.baseline_cores, split.cores, 1.0),
        total("$/month", split.baseline_usd_per_month, split.usd_per_month, 1.0),
    ];
    totals.extend(split.sidecar_cores.map(|cores| format!("sidecars {} cores more, in the $", number(cores.value))));
    totals.retain(|t| !t.is_empty());
    lines.push(paint.verdict(verdict.kind, &format!("{}: {}", split.name, verdict.kind.label())));
    wrap(&format!("  {}", if split.verdict.is_empty() { &verdict.sentence } else { &split.verdict }), width, 2, lines);
    if !totals.is_empty() {
        wrap(&format!("  {}", totals.join("; ")), width, 2, lines);
    }
    for link in &split.emulations {
        wrap(&format!("  link {}", emulation::line(link)), width, 2, lines);
    }
}

/// `cores 0.461 → 1.28 ±7% predicted, 1.25 ±4% measured`; empty where nothing is known of the split.
fn total(name: &str, before: Pair, after: Pair, scale: f64) -> String {
    let parts: Vec<String> = [(after.estimate, "predicted"), (after.measured, "measured")]
        .into_iter()
        .filter_map(|(value, word)| Some(format!("{} {word}", interval(value?.scale(scale)))))
        .collect();
    if parts.is_empty() {
        return String::new();
    }
    let before = before.measured.or(before.estimate);
    let before = before.map_or(String::new(), |b| format!("{} → ", number(b.value * scale)));
    format!("{name} {before}{}", parts.join(", "))
}

/// At most `width` columns, the last an ellipsis where something is missing.
fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Breaks at spaces; lines after the first are indented.
fn wrap(text: &str, width: usize, indent: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 && line.trim().chars().count() > 0 && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        } else if i > 0 {
            line.push(' ');
        }
        line += word;
    }
    lines.push(line);
}
