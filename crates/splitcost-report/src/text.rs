//! A study on a terminal: one screen with the cost of each endpoint, the calls that cause it, the calls that cannot
//! cross, and a plain verdict.

use anstyle::{AnsiColor, Style as Ansi};
use splitcost_model::database::ServiceTables;
use splitcost_model::estimate::{Arms, EstimatedEndpoint, Figures, Quantile, ResponseTimes};
use splitcost_model::number::{factor, number, short};
use splitcost_model::rehearsal::{AloneEndpoint, Rehearsal, RehearsedEndpoint, SplitTransaction, Use};
use splitcost_model::statistics::{Interval, median};
use splitcost_model::study::{EndpointComparison, SplitStudy, Study, VerdictClass};

use crate::emulation;
use crate::shorten::{distinct_width, shorten, shorten_sentence};

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

/// Width and colours of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Use ANSI colours.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 100 }
    }
}

/// Renders a study as terminal text that ends in a newline.
pub fn render(study: &Study, style: &Style) -> String {
    let paint = Paint { color: style.color };
    let width = style.width.max(60);
    let mut lines = Vec::new();
    if study.splits.is_empty() {
        lines.push("The study has no split.".to_owned());
    }
    for split in &study.splits {
        endpoints(split, width, paint, &mut lines);
    }
    section("Calls that cause it", study, width, paint, &mut lines, calls);
    section("Calls that need work before they can cross", study, width, paint, &mut lines, cannot_cross);
    section("Work of the services' own modules", study, width, paint, &mut lines, work);
    section("Transactions and joins of several services", study, width, paint, &mut lines, cut_data);
    section("Tables of other services", study, width, paint, &mut lines, foreign_tables);
    for split in &study.splits {
        verdict(split, width, paint, &mut lines);
    }
    for warning in &study.provenance.warnings {
        wrap(&format!("! {warning}"), width, 2, &mut lines);
    }
    if !study.provenance.served.is_empty() {
        wrap(&format!("= requests run in {}", study.provenance.served), width, 2, &mut lines);
    }
    if let [first, others @ ..] = study.provenance.assumptions.as_slice() {
        let more = if others.is_empty() { String::new() } else { format!("; {} more in the report", others.len()) };
        wrap(&format!("~ assumed: {first}{more}"), width, 2, &mut lines);
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

    fn verdict(self, class: VerdictClass, text: &str) -> String {
        let color = match class {
            VerdictClass::Gains | VerdictClass::Cheap => AnsiColor::Green,
            VerdictClass::Costly | VerdictClass::Undecided => AnsiColor::Yellow,
            VerdictClass::Prohibitive => AnsiColor::Red,
        };
        self.with(Ansi::new().bold().fg_color(Some(color.into())), text)
    }
}

/// The monolith's time and the split's, of the endpoint with a name.
type TimesOf<'a> = &'a dyn Fn(&str) -> Option<(f64, Interval)>;

/// A time of an endpoint that the table shows.
#[derive(Clone, Copy)]
enum Figure {
    /// The median of lone requests.
    Alone,
    /// A percentile under load.
    UnderLoad(Quantile),
}

impl Figure {
    /// Those that are shown of a split: the 90th percentile where no endpoint claims the 99th.
    fn of(split: &SplitStudy) -> [Self; 3] {
        let claims = |endpoint: &RehearsedEndpoint| endpoint.response.split.as_ref().is_none_or(|t| t.p99_ms.is_some());
        let tail = match &split.rehearsal {
            Some(rehearsal) if !rehearsal.endpoints.iter().any(claims) => Quantile::P90,
            _ => Quantile::P99,
        };
        [Self::Alone, Self::UnderLoad(Quantile::P50), Self::UnderLoad(tail)]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::UnderLoad(quantile) => quantile.name(),
        }
    }

    /// The monolith's time and the split's, predicted.
    fn of_estimate(self, endpoints: &[EstimatedEndpoint], name: &str) -> Option<(f64, Interval)> {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.name == name)?;
        match self {
            Self::Alone => endpoint.alone.map(|alone| lone(alone.response_ms.monolith, alone.ratio)),
            Self::UnderLoad(quantile) => both(&endpoint.response, quantile),
        }
    }

    /// The same, measured.
    fn of_rehearsal(self, rehearsal: &Rehearsal, name: &str) -> Option<(f64, Interval)> {
        match self {
            Self::Alone => {
                let alone = rehearsal.alone.iter().find(|endpoint| endpoint.name == name)?;
                Some(lone(alone.response_ms.monolith, alone.ratio))
            }
            Self::UnderLoad(quantile) => {
                let endpoint = rehearsal.endpoints.iter().find(|endpoint| endpoint.name == name)?;
                match (quantile, &endpoint.response.monolith, endpoint.ratio) {
                    (Quantile::P50, Some(monolith), Some(ratio)) => Some(lone(monolith.p50_ms.value, ratio)),
                    _ => both(&endpoint.response, quantile),
                }
            }
        }
    }

    /// The columns of the table, each with its head and a cell per row: the times, and the ratios of split to monolith.
    fn columns(self, split: &SplitStudy, rows: &[EndpointComparison]) -> Vec<Vec<String>> {
        let estimate = &split.estimate;
        let predicted = |name: &str| self.of_estimate(&estimate.endpoints, name);
        let rehearsable = |name: &str| {
            let rehearsed = estimate.as_rehearsed.as_ref().filter(|_| split.rehearsal.is_some())?;
            self.of_estimate(&rehearsed.endpoints, name)
        };
        let measured = |name: &str| self.of_rehearsal(split.rehearsal.as_ref()?, name);
        // The monolith was measured if there was a rehearsal; otherwise the simulated one stands in.
        let times = |name: &str| if split.rehearsal.is_some() { measured(name) } else { predicted(name) };
        let arrow = |(before, after): (f64, Interval)| format!("{} → {}", number(before), number(after.value));
        let ratio = |(before, after): (f64, Interval)| ratio(after.scale(1.0 / before));
        let ratios: [(&str, TimesOf<'_>); 3] =
            [("predicted", &predicted), ("as rehearsed", &rehearsable), ("measured", &measured)];
        if rows.iter().all(|row| times(&row.name).is_none()) {
            return Vec::new();
        }
        let mut columns = Vec::new();
        let mut push = |head: String, cells: Vec<Option<String>>| {
            if cells.iter().any(Option::is_some) {
                let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
                columns.push(std::iter::once(head).chain(cells).collect());
            }
        };
        push(format!("{} ms", self.name()), rows.iter().map(|row| times(&row.name).map(arrow)).collect());
        for (head, of) in ratios {
            push(head.to_owned(), rows.iter().map(|row| of(&row.name).map(ratio)).collect());
        }
        columns
    }
}

/// The monolith's time, and that times the ratio.
fn lone(monolith_ms: f64, ratio: Interval) -> (f64, Interval) {
    (monolith_ms, ratio.scale(monolith_ms))
}

fn both(response: &Arms<Option<ResponseTimes>>, quantile: Quantile) -> Option<(f64, Interval)> {
    Some((response.monolith.as_ref()?.at(quantile)?.value, response.split.as_ref()?.at(quantile)?))
}

fn endpoints(split: &SplitStudy, width: usize, paint: Paint, lines: &mut Vec<String>) {
    let (rows, hidden) = split.comparison.endpoints.split_at(split.comparison.endpoints.len().min(ENDPOINTS));
    let level = rows.iter().find_map(|endpoint| Some(endpoint.headline()?.after.level));
    let title = format!(
        "{}: {}, {} link, {} requests/s. Ratios of split to monolith with {} intervals{}",
        split.name,
        split.stack,
        split.link,
        short(split.estimate.load_reqs_per_sec),
        level.unwrap_or_default(),
        if split.rehearsal.is_some() || split.comparison.endpoints.is_empty() { "" } else { ", monolith simulated" },
    );
    let copied = if split.copied.is_empty() {
        String::new()
    } else {
        format!(". Every service has a copy of {}", split.copied.join(", "))
    };
    let mut wrapped = Vec::new();
    wrap(&(title + &copied), width, 2, &mut wrapped);
    lines.extend(wrapped.iter().map(|line| paint.bold(line)));

    let parts = Figure::of(split).map(|figure| figure.columns(split, rows));
    let widths = parts.each_ref().map(|part| part.iter().map(|column| column_width(column)).sum::<usize>());
    // As many as fit beside a legible name, but at least the first.
    let legible = distinct_width(rows.iter().map(|e| e.name.as_str()), NAME);
    let fits = |shown: &usize| width >= legible + CALLS_COLUMN + widths.iter().take(*shown).sum::<usize>();
    let first = 1 + parts.iter().position(|part| !part.is_empty()).unwrap_or(0);
    let shown = (first..=parts.len()).rev().find(fits).unwrap_or(first);
    let numbers = CALLS_COLUMN + widths.iter().take(shown).sum::<usize>();
    let longest = rows.iter().map(|e| e.name.chars().count()).max().unwrap_or(0);
    let names = width.saturating_sub(numbers).min(longest).max(NAME / 2);

    for i in 0..=rows.len() {
        let row = i.checked_sub(1).map(|i| &rows[i]);
        let mut line = match row {
            None => format!("{:names$}{:>CALLS_COLUMN$}", "", "calls"),
            Some(e) => format!("{:names$}{:>CALLS_COLUMN$}", shorten(&e.name, names), crossings(split, &e.name)),
        };
        for part in &parts[..shown] {
            for (c, column) in part.iter().enumerate() {
                let cell = format!("{:>width$}", column[i], width = column_width(column));
                line += &if row.is_some() && c + 1 == part.len() { paint.bold(&cell) } else { cell };
            }
        }
        lines.push(if row.is_none() { paint.dim(&line) } else { line });
    }
    if let Some(next) = hidden.first() {
        let most = next.headline().map_or_else(|| "–".to_owned(), |change| factor(change.ratio));
        lines.push(paint.dim(&format!("… and {} more, {most} at most", hidden.len())));
    }
}

/// Calls between services per request of an endpoint.
fn crossings(split: &SplitStudy, name: &str) -> String {
    let endpoint = split.estimate.endpoints.iter().find(|endpoint| endpoint.name == name);
    endpoint.map_or_else(|| "–".to_owned(), |endpoint| short(endpoint.crossings_per_request))
}

/// Columns of the terminal that a column takes, its gap included.
fn column_width(column: &[String]) -> usize {
    column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0) + 1
}

/// `1.61× ±3%`; `17.0× (9.10–30.0)` where half of the interval is more than half of the value.
fn ratio(ratio: Interval) -> String {
    with_interval(ratio, format!("{}×", number(ratio.value)))
}

/// `74.1 ±9%`; `74.1 (30.2–410)` where half of the interval is more than half of the value.
fn interval(interval: Interval) -> String {
    with_interval(interval, number(interval.value))
}

fn with_interval(interval: Interval, value: String) -> String {
    let share = 100.0 * (interval.high - interval.low) / 2.0 / interval.value;
    if share > 50.0 {
        return format!("{value} ({}–{})", number(interval.low), number(interval.high));
    }
    if share.is_finite() { format!("{value} ±{share:.0}%") } else { value }
}

/// A title, then each split's lines, at most `width` columns wide; several splits have their names in front.
fn section(
    title: &str,
    study: &Study,
    width: usize,
    paint: Paint,
    lines: &mut Vec<String>,
    body: impl Fn(&SplitStudy, usize) -> Vec<String>,
) {
    let longest = study.splits.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
    let names = if study.splits.len() > 1 { longest.min(16) + 2 } else { 0 };
    let before = lines.len();
    for split in &study.splits {
        let label = if names > 0 { split.name.as_str() } else { "" };
        for line in body(split, width - 2 - names) {
            lines.push(format!("  {}{line}", paint.dim(&format!("{:names$}", shorten(label, names)))));
        }
    }
    if lines.len() > before {
        lines.insert(before, paint.bold(title));
    }
}

fn calls(split: &SplitStudy, width: usize) -> Vec<String> {
    let lines = split.estimate.calls.iter().take(CALLS).map(|call| {
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
    fit(lines.collect(), split.estimate.calls.len(), width)
}

fn cannot_cross(split: &SplitStudy, width: usize) -> Vec<String> {
    let lines = split.cannot_cross.iter().take(CANNOT_CROSS).map(|site| {
        format!(
            "{} per request, {}: {} at {}:{}: {}",
            short(site.calls_per_request),
            site.readiness.name(),
            site.callee,
            site.file,
            site.line,
            site.reason
        )
    });
    fit(lines.collect(), split.cannot_cross.len(), width)
}

/// The part of each service's recorded work that would run there.
fn work(split: &SplitStudy, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for work in &split.estimate.work {
        wrap(&work.in_words(split.modules_of(&work.service)), width, 2, &mut lines);
    }
    lines
}

/// The transactions and joins that a database for each service cuts.
fn cut_data(split: &SplitStudy, width: usize) -> Vec<String> {
    let tables = |owners: &[ServiceTables]| {
        let owners = owners.iter().map(|owner| format!("{} of {}", owner.tables.join(", "), owner.service));
        owners.collect::<Vec<_>>().join(" and ")
    };
    let transactions = split.data.cut_transactions.iter().map(|cut| {
        let site = cut.sites.first().map(|site| format!(" at {}:{}", site.file, site.line)).unwrap_or_default();
        let rate = short(cut.transactions_per_request);
        format!("{rate} transactions/request write {}{site}, {}", tables(&cut.owners), cut.endpoint)
    });
    let joins = split.data.cut_joins.iter().map(|cut| {
        let (rate, site) = (short(cut.statements_per_request), &cut.site);
        format!("{rate} joins/request of {} at {}:{}, {}", tables(&cut.owners), site.file, site.line, cut.endpoint)
    });
    let all = split.data.cut_transactions.len() + split.data.cut_joins.len();
    fit(transactions.chain(joins).take(CANNOT_CROSS).collect(), all, width)
}

/// Statements on tables that another service owns.
fn foreign_tables(split: &SplitStudy, width: usize) -> Vec<String> {
    let lines = split.data.foreign.iter().take(CANNOT_CROSS).map(|access| {
        format!(
            "{} {}/request of {} of {} by {} at {}:{}, {}",
            short(access.statements_per_request),
            if access.is_write { "writes" } else { "reads" },
            access.owner.tables.join(", "),
            access.owner.service,
            access.module,
            access.site.file,
            access.site.line,
            access.endpoint
        )
    });
    fit(lines.collect(), split.data.foreign.len(), width)
}

/// Shortens the lines to `width`; the last one says how many more there are.
fn fit(lines: Vec<String>, all: usize, width: usize) -> Vec<String> {
    let (left, last) = (all - lines.len(), lines.len());
    let finish = |(i, line): (usize, String)| {
        let more = if left > 0 && i + 1 == last { format!(" (and {left} more)") } else { String::new() };
        shorten_sentence(&line, width.saturating_sub(more.chars().count())) + &more
    };
    lines.into_iter().enumerate().map(finish).collect()
}

fn verdict(split: &SplitStudy, width: usize, paint: Paint, lines: &mut Vec<String>) {
    let figures = |of: fn(&Figures) -> Option<Interval>| {
        let arms = |figures: &Arms<Figures>| Arms { monolith: of(&figures.monolith), split: of(&figures.split) };
        (arms(&split.estimate.figures), split.rehearsal.as_ref().map(|rehearsal| arms(&rehearsal.figures)))
    };
    let words = if split.estimate.as_rehearsed.is_some() {
        ["predicted as rewritten", "measured as rehearsed"]
    } else {
        ["predicted", "measured"]
    };
    let money = (split.usd_per_month.estimate, split.usd_per_month.rehearsal);
    let mut totals = vec![
        total("saturation in requests/s", words, figures(|f| f.saturation_reqs_per_sec), 1.0),
        total("CPU ms/request", words, figures(|f| f.cpu_secs_per_request), 1e3),
        total("cores", words, figures(|f| f.cores), 1.0),
        total("$/month", words, money, 1.0),
    ];
    let sidecars = split.estimate.sidecar_cores;
    totals.extend(sidecars.map(|cores| format!("sidecars {} cores more, in the $", number(cores.value))));
    totals.retain(|total| !total.is_empty());
    if let Some(verdict) = &split.verdict {
        lines.push(paint.verdict(verdict.class, &format!("{}: {}", split.name, verdict.class.label())));
        wrap(&format!("  {}", verdict.sentence), width, 2, lines);
    }
    if !totals.is_empty() {
        wrap(&format!("  {}", totals.join("; ")), width, 2, lines);
    }
    if let Some(words) = lone_requests(split) {
        wrap(&format!("  {words}"), width, 2, lines);
    }
    // A verdict that is withheld for the answers has said it.
    let is_said = |words: &String| split.verdict.as_ref().is_some_and(|verdict| verdict.sentence.contains(words));
    for two in split.rehearsal.iter().flat_map(|rehearsal| &rehearsal.transactions) {
        let SplitTransaction { endpoint, caller: module, callee: function, calls_per_request } = two;
        let often = number(*calls_per_request);
        let words = format!("  {function} commits its own transaction, not {module}'s, {often} × per {endpoint}");
        wrap(&words, width, 2, lines);
    }
    for used in split.rehearsal.iter().flat_map(|rehearsal| &rehearsal.uses) {
        let Use { class, caller, uses_per_request } = used;
        let words = format!("  {class} is called back {} × per request by {caller}", number(*uses_per_request));
        wrap(&words, width, 2, lines);
    }
    if let Some(reason) = &split.not_rehearsed {
        wrap(&format!("  not rehearsed: {reason}"), width, 2, lines);
    }
    if let Some(answers) = split.answers_in_words().filter(|words| !is_said(words)) {
        wrap(&format!("  {answers}"), width, 2, lines);
    }
    if !split.proposed_copies.is_empty() {
        let modules: Vec<String> = split.proposed_copies.iter().map(|module| format!("{module:?}")).collect();
        let words = "these modules keep no state, and several services call them with plain values";
        wrap(&format!("  try copied = [{}]: {words}", modules.join(", ")), width, 2, lines);
    }
    for link in split.rehearsal.iter().flat_map(|rehearsal| &rehearsal.emulations) {
        wrap(&format!("  link {}", emulation::line(link)), width, 2, lines);
    }
}

/// The pairs of lone requests, their noise, and how far the prediction is from them.
fn lone_requests(split: &SplitStudy) -> Option<String> {
    let rehearsal = split.rehearsal.as_ref()?;
    let pairs = || rehearsal.alone.iter().map(|alone| alone.pairs);
    let (least, most) = (pairs().min()?, pairs().max()?);
    let count = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let noise = rehearsal.alone.iter().map(AloneEndpoint::noise_floor).fold(0.0, f64::max);
    let rehearsed = split.estimate.as_rehearsed.as_ref();
    let endpoints = rehearsed.map_or(&split.estimate.endpoints, |rehearsed| &rehearsed.endpoints);
    let predicted = rehearsal.alone.iter().filter_map(|alone| {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.name == alone.name)?;
        Some((endpoint.alone?.ratio, alone.ratio))
    });
    let predicted: Vec<(Interval, Interval)> = predicted.collect();
    let overlap = |(a, b): &&(Interval, Interval)| a.low <= b.high && b.low <= a.high;
    let agree = predicted.iter().filter(overlap).count();
    let off = median(predicted.iter().map(|(a, b)| (a.value / b.value).ln().abs().exp() - 1.0));
    let off = off.map_or_else(String::new, |off| {
        format!(
            "; prediction and measurement agree within their intervals for {agree} of {} endpoints, {:.0} % off in the median",
            predicted.len(),
            100.0 * off
        )
    });
    let failed: u64 = rehearsal.alone.iter().map(|alone| alone.failed_pairs).sum();
    let failed = if failed > 0 { format!("; {failed} requests failed in the split only") } else { String::new() };
    Some(format!(
        "alone: {count} pairs for each endpoint, of which two copies of the monolith differ by at most {:.0} %{off}{failed}",
        100.0 * noise
    ))
}

/// `cores 0.461 → 1.28 ±7% predicted, 1.25 ±4% measured`; empty if nothing is known of the split.
fn total(
    name: &str,
    words: [&str; 2],
    (predicted, measured): (Arms<Option<Interval>>, Option<Arms<Option<Interval>>>),
    scale: f64,
) -> String {
    let after = [(predicted.split, words[0]), (measured.and_then(|arms| arms.split), words[1])];
    let parts: Vec<String> = after
        .into_iter()
        .filter_map(|(value, word)| Some(format!("{} {word}", interval(value?.scale(scale)))))
        .collect();
    if parts.is_empty() {
        return String::new();
    }
    let before = measured.and_then(|arms| arms.monolith).or(predicted.monolith);
    let before = before.map_or(String::new(), |before| format!("{} → ", number(before.value * scale)));
    format!("{name} {before}{}", parts.join(", "))
}

/// Breaks at spaces; lines after the first are indented.
pub(crate) fn wrap(text: &str, width: usize, indent: usize, lines: &mut Vec<String>) {
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
