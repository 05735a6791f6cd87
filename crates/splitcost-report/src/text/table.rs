//! The table of a split on a terminal: each endpoint alone and under load, and the figures over all requests; then how far the
//! numbers can be trusted.

use splitcost_model::estimate::{Arms, Figures, ResponseTimes};
use splitcost_model::number::{factor, number, short};
use splitcost_model::statistics::Interval;
use splitcost_model::study::{EndpointComparison, Ratios, SplitStudy};

use super::{Paint, wrap};
use crate::shorten::{distinct_width, shorten, shorten_sentence};

/// Endpoints shown per split, those with most requests first.
///
/// Chosen: a split of twelve endpoints fits a screen of forty lines.
const ENDPOINTS: usize = 12;
/// Columns that an endpoint's name gets at least before the medians under load are left out.
///
/// Chosen: method, collection and a parameter stay legible.
const NAME: usize = 22;
/// Columns of the crossings per request.
const CALLS_COLUMN: usize = 6;

/// A group of columns: the times of the monolith and of the split, and the ratios of both.
#[derive(Clone, Copy)]
enum Group {
    /// Lone requests.
    Alone,
    /// Medians under load, and the figures over all requests.
    UnderLoad,
}

/// A row's part of a group.
#[derive(Clone, Copy, PartialEq)]
struct Cell {
    /// Values, measured if the split was rehearsed.
    arms: Option<Arms<f64>>,
    ratios: Ratios,
}

impl Group {
    fn label(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::UnderLoad => "median under load",
        }
    }

    fn of_endpoint(self, split: &SplitStudy, endpoint: &EndpointComparison) -> Cell {
        let estimated = || split.estimate.endpoints.iter().find(|known| known.name == endpoint.name);
        let rehearsed = split.rehearsal.as_ref();
        // The time of the split is the monolith's times the ratio: that of pairs is known better than both times.
        let paired = |monolith: f64, ratio: Interval| Arms { monolith, split: monolith * ratio.value };
        match self {
            Self::Alone => {
                let arms = match rehearsed {
                    Some(rehearsal) => {
                        let found = rehearsal.alone.iter().find(|known| known.name == endpoint.name);
                        found.map(|alone| paired(alone.response_ms.monolith, alone.ratio))
                    }
                    None => estimated()
                        .and_then(|known| known.alone)
                        .map(|alone| paired(alone.response_ms.monolith, alone.ratio)),
                };
                Cell { arms, ratios: endpoint.ratios.alone }
            }
            Self::UnderLoad => {
                let median = |times: &Option<ResponseTimes>| times.as_ref().map(|times| times.p50_ms);
                let medians = |response: &Arms<Option<ResponseTimes>>| {
                    both(Arms { monolith: median(&response.monolith), split: median(&response.split) })
                };
                let arms = match rehearsed {
                    Some(rehearsal) => {
                        let found = rehearsal.endpoints.iter().find(|known| known.name == endpoint.name);
                        found.and_then(|known| {
                            let arms = medians(&known.response)?;
                            Some(known.ratio.map_or(arms, |ratio| paired(arms.monolith, ratio)))
                        })
                    }
                    None => estimated().and_then(|known| medians(&known.response)),
                };
                Cell { arms, ratios: endpoint.ratios.p50 }
            }
        }
    }
}

/// Heads of a group's columns; that of the signs has none.
const HEADS: [&str; 5] = ["ms", "predicted", "as rehearsed", "measured", ""];

impl Cell {
    /// Its entries in the columns.
    fn entries(&self) -> [Option<String>; 5] {
        let Ratios { predicted, as_rehearsed, measured, .. } = self.ratios;
        let arms = self.arms.map(|Arms { monolith, split }| format!("{} → {}", number(monolith), number(split)));
        let signs = Some(signs(&self.ratios)).filter(|signs| !signs.is_empty());
        [arms, predicted.map(ratio), as_rehearsed.map(ratio), measured.map(ratio), signs]
    }
}

/// A group with its columns.
struct Part {
    group: Group,
    columns: Vec<Column>,
}

impl Part {
    /// The part with these rows; a column without any entry is left out.
    fn new(group: Group, rows: &[Option<Cell>]) -> Self {
        let entries: Vec<Option<[Option<String>; 5]>> =
            rows.iter().map(|cell| Some(cell.as_ref()?.entries())).collect();
        let column = |(nth, head): (usize, &'static str)| {
            let line = |row: &Option<[Option<String>; 5]>| match row {
                Some(entries) => {
                    entries[nth].clone().unwrap_or_else(|| if head.is_empty() { "" } else { "–" }.to_owned())
                }
                None => String::new(),
            };
            let is_used = entries.iter().flatten().any(|row| row[nth].is_some());
            is_used.then(|| Column { head, lines: entries.iter().map(line).collect() })
        };
        Self { group, columns: HEADS.into_iter().enumerate().filter_map(column).collect() }
    }

    fn width(&self) -> usize {
        self.columns.iter().map(Column::width).sum()
    }

    /// One of its lines; that without a number is its head.
    fn line(&self, row: Option<usize>, paint: Paint) -> String {
        let entry = |column: &Column| {
            let text = row.map_or(column.head, |row| column.lines[row].as_str());
            let width = column.width();
            // Numbers end together, signs begin together.
            let entry = if column.head.is_empty() {
                format!(" {text:<rest$}", rest = width - 1)
            } else {
                format!("{text:>width$}")
            };
            if row.is_some() && column.head == "measured" { paint.bold(&entry) } else { entry }
        };
        self.columns.iter().map(entry).collect()
    }
}

/// A column of the table.
struct Column {
    head: &'static str,
    lines: Vec<String>,
}

impl Column {
    /// Columns of the terminal that it takes, its gap included.
    fn width(&self) -> usize {
        let lines = self.lines.iter().map(|line| line.chars().count());
        lines.chain([self.head.chars().count()]).max().unwrap_or(0) + 1
    }
}

/// Signs behind a measured ratio: `≈` if it is not beyond the noise, `≠` if prediction and measurement disagree.
fn signs(ratios: &Ratios) -> String {
    let signs = [(ratios.is_noise(), "≈"), (ratios.disagree(), "≠")];
    signs.into_iter().filter(|(holds, _)| *holds).map(|(_, sign)| sign).collect()
}

fn both(arms: Arms<Option<Interval>>) -> Option<Arms<f64>> {
    Some(Arms { monolith: arms.monolith?.value, split: arms.split?.value })
}

/// The rows about all requests: each with its name.
fn totals(split: &SplitStudy) -> Vec<(&'static str, Cell)> {
    let ratios = &split.comparison.ratios;
    let figure = |of: fn(&Figures) -> Option<Interval>, scale: f64| {
        let figures = split.rehearsal.as_ref().map_or(&split.estimate.figures, |rehearsal| &rehearsal.figures);
        let scaled = |figures| of(figures).map(|figure| figure.scale(scale));
        both(Arms { monolith: scaled(&figures.monolith), split: scaled(&figures.split) })
    };
    let money = &split.usd_per_month;
    let all = [
        ("saturation, requests/s", figure(|f| f.saturation_reqs_per_sec, 1.0), ratios.saturation),
        ("CPU, ms/request", figure(|f| f.cpu_secs_per_request, 1e3), ratios.cpu),
        ("cores", figure(|f| f.cores, 1.0), ratios.cores),
        ("$/month", both(money.rehearsal.unwrap_or(money.estimate)), ratios.usd_per_month),
    ];
    all.into_iter()
        .map(|(name, arms, ratios)| (name, Cell { arms, ratios }))
        .filter(|(_, cell)| *cell != NOTHING)
        .collect()
}

const NOTHING: Cell =
    Cell { arms: None, ratios: Ratios { predicted: None, as_rehearsed: None, measured: None, noise: None } };

/// Writes the endpoints and the figures over all requests.
pub(super) fn table(split: &SplitStudy, width: usize, paint: Paint, lines: &mut Vec<String>) {
    let endpoints: Vec<&EndpointComparison> =
        split.comparison.by_weight().into_iter().map(|(_, endpoint)| endpoint).collect();
    // A line about one endpoint is no shorter than the endpoint's own.
    let shown = if endpoints.len() > ENDPOINTS + 1 { ENDPOINTS } else { endpoints.len() };
    let (rows, hidden) = endpoints.split_at(shown);
    title(split, width, paint, lines);

    let totals = totals(split);
    let of_endpoints = |group: Group| -> Vec<Option<Cell>> {
        rows.iter().map(|endpoint| Some(group.of_endpoint(split, endpoint)).filter(|cell| *cell != NOTHING)).collect()
    };
    let with_totals = |group: Group| {
        let totals = totals.iter().map(|(_, cell)| Some(*cell));
        Part::new(group, &of_endpoints(group).into_iter().chain(totals).collect::<Vec<_>>())
    };
    let without_totals = |group: Group| {
        let totals = totals.iter().map(|_| None);
        Part::new(group, &of_endpoints(group).into_iter().chain(totals).collect::<Vec<_>>())
    };
    // The figures over all requests stand with the medians under load; where the terminal is too narrow, below lone requests.
    let mut parts = vec![without_totals(Group::Alone), with_totals(Group::UnderLoad)];
    parts.retain(|part| !part.columns.is_empty());
    // A space stands between two parts.
    let taken = |parts: &[Part]| CALLS_COLUMN + parts.iter().map(|part| 1 + part.width()).sum::<usize>() - 1;
    let legible = distinct_width(rows.iter().map(|e| e.name.as_str()), NAME);
    if parts.len() > 1 && width < legible + taken(&parts) {
        parts = vec![with_totals(Group::Alone)];
    }
    let names = rows.iter().map(|e| e.name.as_str()).chain(totals.iter().map(|(name, _)| *name));
    let longest = names.clone().map(|name| name.chars().count()).max().unwrap_or(0);
    let space = width.saturating_sub(taken(&parts)).min(longest).max(NAME / 2);

    let join = |name: &str, calls: &str, parts: Vec<String>| {
        format!("{:space$}{calls:>CALLS_COLUMN$}{}", shorten(name, space), parts.join(" "))
    };
    let labels =
        parts.iter().map(|part| format!(" {:<rest$}", part.group.label(), rest = part.width().saturating_sub(1)));
    let heads = parts.iter().map(|part| part.line(None, paint));
    let heads = [join("", "", labels.collect()), join("", "calls", heads.collect())];
    lines.extend(heads.map(|line| paint.dim(line.trim_end())));
    for (i, name) in names.enumerate() {
        let calls = rows.get(i).map_or_else(String::new, |endpoint| crossings(split, &endpoint.name));
        lines.push(join(name, &calls, parts.iter().map(|part| part.line(Some(i), paint)).collect()));
        if i + 1 == rows.len() && !hidden.is_empty() {
            lines.push(paint.dim(&shorten_sentence(&summed_up(&endpoints, hidden), width)));
        }
    }
}

fn title(split: &SplitStudy, width: usize, paint: Paint, lines: &mut Vec<String>) {
    let level = split.comparison.endpoints.iter().find_map(|endpoint| Some(endpoint.headline()?.after.level));
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
}

/// The endpoints that the table leaves out, in a line.
fn summed_up(all: &[&EndpointComparison], hidden: &[&EndpointComparison]) -> String {
    let requests = |of: &[&EndpointComparison]| of.iter().map(|endpoint| endpoint.requests).sum::<u64>() as f64;
    let share = 100.0 * requests(hidden) / requests(all).max(1.0);
    let ratios = || hidden.iter().filter_map(|endpoint| Some(endpoint.headline()?.ratio));
    let (least, most) = (ratios().fold(f64::INFINITY, f64::min), ratios().fold(0.0, f64::max));
    format!(
        "… and {} more with {} % of the requests, {} to {}: --format json and the page have all",
        hidden.len(),
        short(share.round()),
        factor(least),
        factor(most)
    )
}

/// Says the noise of the measurements, and the agreement of prediction and measurement.
pub(super) fn trust(split: &SplitStudy, width: usize, lines: &mut Vec<String>) {
    let Some(rehearsal) = &split.rehearsal else { return };
    let endpoints = &split.comparison.endpoints;
    let largest = |of: fn(&EndpointComparison) -> &Ratios| {
        endpoints.iter().filter_map(|endpoint| of(endpoint).noise).map(Interval::noise_floor).reduce(f64::max)
    };
    let pairs = || rehearsal.alone.iter().map(|alone| alone.pairs);
    let pairs = match (pairs().min(), pairs().max()) {
        (Some(least), Some(most)) if least < most => format!(" ({least} to {most} pairs for each endpoint)"),
        (Some(pairs), _) => format!(" ({pairs} pairs for each endpoint)"),
        _ => String::new(),
    };
    let parts = [
        (largest(|endpoint| &endpoint.ratios.alone), format!("alone{pairs}")),
        (largest(|endpoint| &endpoint.ratios.p50), "at the median under load".to_owned()),
        (split.comparison.ratios.saturation.noise.map(Interval::noise_floor), "at saturation".to_owned()),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter_map(|(floor, at)| Some(format!("{:.0} % {at}", 100.0 * floor?))).collect();
    if !parts.is_empty() {
        let words = format!("  noise: two copies of the monolith differ by at most {}", parts.join(", "));
        let failed: u64 = rehearsal.alone.iter().map(|alone| alone.failed_pairs).sum();
        let failed = if failed > 0 { format!("; {failed} requests failed in the split only") } else { String::new() };
        let over_all = split.comparison.ratios;
        let over_all = [over_all.saturation, over_all.cpu, over_all.cores];
        let mut shown = endpoints.iter().flat_map(|e| [e.ratios.alone, e.ratios.p50]).chain(over_all);
        let legend =
            if shown.any(|ratios| ratios.is_noise()) { "; ≈ marks ratios that are not beyond it" } else { "" };
        wrap(&format!("{words}{failed}{legend}"), width, 2, lines);
    }
    if let Some(agreement) = &split.comparison.agreement {
        let legend = if agreement.disagreements.is_empty() { "" } else { "≠ " };
        wrap(&format!("  {legend}{}", agreement.sentence), width, 2, lines);
    }
}

/// Calls between services per request of an endpoint.
fn crossings(split: &SplitStudy, name: &str) -> String {
    let endpoint = split.estimate.endpoints.iter().find(|endpoint| endpoint.name == name);
    endpoint.map_or_else(|| "–".to_owned(), |endpoint| short(endpoint.crossings_per_request))
}

/// `1.61× ±3%`; `17.0× (9.1–30)` where half of the interval is more than half of the value.
fn ratio(ratio: Interval) -> String {
    let value = format!("{}×", number(ratio.value));
    let share = 100.0 * (ratio.high - ratio.low) / 2.0 / ratio.value;
    if share > 50.0 {
        // Such ends have no third digit that means anything.
        let [low, high] = [ratio.low, ratio.high].map(|end| factor(end).trim_end_matches('×').to_owned());
        return format!("{value} ({low}–{high})");
    }
    if share.is_finite() { format!("{value} ±{share:.0}%") } else { value }
}
