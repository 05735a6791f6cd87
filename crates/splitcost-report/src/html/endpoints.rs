//! The table of a split's endpoints: times of the monolith and of the split, and their ratios on a logarithmic axis.

use splitcost_model::estimate::{Arms, EstimatedEndpoint, Quantile, ResponseTimes};
use splitcost_model::number::{byte_unit, short};
use splitcost_model::rehearsal::{AloneEndpoint, RehearsedEndpoint};
use splitcost_model::statistics::Interval;
use splitcost_model::study::{EndpointComparison, Origin, Ratios, SplitStudy};

use super::markup::{Mark, Page, breakable};

/// An endpoint of the comparison, with its places in the document.
pub(super) struct Row<'a> {
    /// Its position in the comparison.
    place: usize,
    pub(super) compared: &'a EndpointComparison,
    /// JSON pointer of `compared`.
    path: String,
    estimated: Option<(&'a EstimatedEndpoint, String)>,
    rehearsed: Option<(&'a RehearsedEndpoint, String)>,
    alone: Option<(&'a AloneEndpoint, String)>,
}

impl<'a> Row<'a> {
    /// Every endpoint, the one with most requests first.
    pub(super) fn all(i: usize, split: &'a SplitStudy) -> Vec<Self> {
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
        let rows = split.comparison.by_weight().into_iter().map(|(e, compared)| Self {
            place: e,
            compared,
            path: format!("/splits/{i}/comparison/endpoints/{e}"),
            estimated: estimated(&compared.name),
            rehearsed: rehearsed(&compared.name),
            alone: alone(&compared.name),
        });
        rows.collect()
    }

    /// The response times under load of an origin, with the JSON pointer of both arms.
    fn times(&self, origin: Origin) -> Option<(&'a Arms<Option<ResponseTimes>>, &str)> {
        match origin {
            Origin::Predicted => self.estimated.as_ref().map(|(endpoint, path)| (&endpoint.response, path.as_str())),
            Origin::Measured => self.rehearsed.as_ref().map(|(endpoint, path)| (&endpoint.response, path.as_str())),
        }
    }

    /// Returns true if a distribution of its response times was kept.
    pub(super) fn has_distribution(&self) -> bool {
        let times = [Origin::Predicted, Origin::Measured].into_iter().filter_map(|origin| self.times(origin));
        let mut arms = times.flat_map(|(response, _)| [&response.monolith, &response.split]);
        arms.any(|times| times.as_ref().is_some_and(|times| !times.distribution.is_empty()))
    }

    fn ratios(&self, figure: Figure) -> &'a Ratios {
        match figure {
            Figure::Alone => &self.compared.ratios.alone,
            Figure::UnderLoad(quantile) => self.compared.ratios.at(quantile),
        }
    }
}

/// A figure that has a row for each endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Figure {
    Alone,
    UnderLoad(Quantile),
}

/// The figures of an endpoint, each with its key in the document.
fn figures() -> [(&'static str, Figure); 4] {
    let [p50, p90, p99] = Quantile::ALL.map(|quantile| (quantile.name(), Figure::UnderLoad(quantile)));
    [("alone", Figure::Alone), p50, p90, p99]
}

/// A column of ratios.
struct Column {
    key: &'static str,
    name: &'static str,
    origin: Origin,
    of: fn(&Ratios) -> Option<Interval>,
}

impl Column {
    fn mark(&self) -> Mark {
        mark(self.origin)
    }
}

fn mark(origin: Origin) -> Mark {
    match origin {
        Origin::Measured => Mark::Measured,
        Origin::Predicted => Mark::Simulated,
    }
}

/// All columns that may be filled.
const COLUMNS: [Column; 3] = [
    Column { key: "predicted", name: "Predicted", origin: Origin::Predicted, of: |ratios| ratios.predicted },
    Column {
        key: "as_rehearsed",
        name: "Predicted as rehearsed",
        origin: Origin::Predicted,
        of: |ratios| ratios.as_rehearsed,
    },
    Column { key: "measured", name: "Measured", origin: Origin::Measured, of: |ratios| ratios.measured },
];

/// The table.
pub(super) fn table(page: &mut Page, i: usize, split: &SplitStudy, rows: &[Row<'_>]) {
    page.raw("<h3>Cost of each endpoint</h3>\n");
    let all = || rows.iter().flat_map(|row| figures().map(|(_, figure)| row.ratios(figure)));
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|column| all().any(|ratios| (column.of)(ratios).is_some())).collect();
    if columns.is_empty() {
        page.raw("<p class=\"empty\">No endpoint was predicted or measured.</p>\n");
        return;
    }
    // The monolith was measured if there was a rehearsal; otherwise the simulated one stands in.
    let origin = if split.rehearsal.is_some() { Origin::Measured } else { Origin::Predicted };
    let axis = Axis::over(all());
    page.raw(
        "<p class=\"note\">The endpoint with most requests first. Alone: lone requests, each sent to the monolith, to the split and \
         to a second copy of the monolith, back to back; the ratio is the median over pairs. The others: under load, from the intended start of a request, queueing \
         included. The plot shows the ratios with their intervals, and the ratios of some pairs as thin lines; the band is the \
         noise, by which two copies of the monolith differ. <span class=\"sign\">≈</span> is not beyond it; \
         <span class=\"sign bad\">≠</span> was predicted otherwise. <label class=\"switch\"><input type=\"checkbox\" \
         class=\"show-p90\"> show p90 too</label></p>\n",
    );
    page.raw(&format!(
        "<table class=\"endpoints\">\n<thead>\n<tr><td></td><th scope=\"colgroup\" colspan=\"2\" class=\"n group\">Response \
         time, ms {}</th><th scope=\"colgroup\" colspan=\"{}\" class=\"n group\">Split ÷ monolith</th>\
         <td class=\"plot\"></td></tr>\n<tr><td></td><th scope=\"col\" class=\"n monolith\">Monolith</th>\
         <th scope=\"col\" class=\"n after\">Split</th>",
        mark(origin).glyph(),
        columns.len()
    ));
    for column in &columns {
        page.raw(&format!("<th scope=\"col\" class=\"n\">{} {}</th>", column.name, column.mark().glyph()));
    }
    page.raw("<td class=\"plot\" aria-hidden=\"true\"><div class=\"axis\">");
    for tick in axis.labels() {
        page.raw(&format!("<span style=\"left:{:.2}%\">{}×</span>", axis.share(tick), short(tick)));
    }
    page.raw("</div></td></tr>\n</thead>\n");
    for row in rows {
        endpoint(page, i, row, origin, &columns, &axis);
    }
    page.raw("</table>\n");
}

fn endpoint(page: &mut Page, i: usize, row: &Row<'_>, origin: Origin, columns: &[&Column], axis: &Axis) {
    page.raw(&format!(
        "<tbody id=\"endpoint-{i}-{}\">\n<tr class=\"name\"><th scope=\"rowgroup\" colspan=\"{}\"><b>{}</b> <span class=\"meta\">",
        row.place,
        columns.len() + 3,
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
    if let Some((alone, path)) = &row.alone {
        page.raw(", ");
        page.count(&format!("{path}/pairs"), alone.pairs);
        page.raw(" pairs");
    }
    if let Some((endpoint, path)) = &row.estimated {
        calls_of(page, endpoint, path);
    }
    page.raw("</span></th><td class=\"plot\"></td></tr>\n");
    for (key, figure) in figures() {
        let ratios = row.ratios(figure);
        if columns.iter().all(|column| (column.of)(ratios).is_none()) {
            continue;
        }
        page.raw(&format!("<tr class=\"{key}\"><th scope=\"row\">{key}</th>"));
        times(page, row, figure, origin);
        for column in columns {
            let class = if column.origin == Origin::Measured { " measured" } else { "" };
            page.raw(&format!("<td class=\"n{class}\">"));
            page.ratio(&format!("{}/ratios/{key}/{}", row.path, column.key), (column.of)(ratios));
            if column.origin == Origin::Measured {
                signs(page, ratios);
            }
            page.raw("</td>");
        }
        page.raw("<td class=\"plot\" aria-hidden=\"true\"><div class=\"lanes\">");
        let sample =
            row.alone.as_ref().filter(|_| figure == Figure::Alone).map(|(alone, _)| alone.sample_ms.as_slice());
        lanes(page, axis, ratios, columns, sample.unwrap_or_default());
        page.raw("</div></td></tr>\n");
    }
    page.raw("</tbody>\n");
}

/// The cells with the times of the monolith and of the split.
fn times(page: &mut Page, row: &Row<'_>, figure: Figure, origin: Origin) {
    let alone = match origin {
        Origin::Measured => row.alone.as_ref().map(|(alone, path)| (alone.response_ms, path.clone())),
        Origin::Predicted => {
            row.estimated.as_ref().and_then(|(known, path)| Some((known.alone?.response_ms, format!("{path}/alone"))))
        }
    };
    for arm in ["monolith", "split"] {
        let of = |monolith, split| if arm == "monolith" { monolith } else { split };
        page.raw(&format!("<td class=\"n {}\">", if arm == "monolith" { "monolith" } else { "after" }));
        match figure {
            Figure::Alone => match &alone {
                Some((times, path)) => {
                    page.number(&format!("{path}/response_ms/{arm}"), of(times.monolith, times.split), 1.0);
                    page.raw(" <small></small>");
                }
                None => page.nothing(),
            },
            Figure::UnderLoad(quantile) => {
                let (response, path) = row.times(origin).unzip();
                let times: Option<&ResponseTimes> = response
                    .and_then(|arms| if arm == "monolith" { arms.monolith.as_ref() } else { arms.split.as_ref() });
                let path = format!("{}/{arm}/{}", path.unwrap_or_default(), quantile.key());
                page.interval(&path, times.and_then(|times| times.at(quantile)), 1.0);
            }
        }
        page.raw("</td>");
    }
}

/// Signs of a ratio that is not beyond the noise, and of one that was predicted otherwise.
pub(super) fn signs(page: &mut Page, ratios: &Ratios) {
    let mut sign = |holds: bool, class: &str, sign: &str, words: &str| {
        if holds {
            page.raw(&format!(
                " <span class=\"{class}\" role=\"img\" aria-label=\"{words}\" title=\"{words}\">{sign}</span>"
            ));
        }
    };
    sign(ratios.is_noise(), "sign", "≈", "not beyond the noise");
    sign(ratios.disagree(), "sign bad", "≠", "predicted otherwise");
}

/// The noise as a band, the ratios of pairs as thin lines, and the ratios with their intervals, each on a lane.
fn lanes(page: &mut Page, axis: &Axis, ratios: &Ratios, columns: &[&Column], sample: &[(f64, f64)]) {
    if let Some(noise) = ratios.noise {
        let most = 1.0 + noise.noise_floor();
        let (low, high) = (axis.share(1.0 / most), axis.share(most));
        page.raw(&format!("<b style=\"left:{low:.2}%;width:{:.2}%\"></b>", high - low));
    }
    for tick in axis.ticks() {
        page.raw(&format!("<hr style=\"left:{:.2}%\">", axis.share(tick)));
    }
    page.raw(&format!("<hr class=\"equal\" style=\"left:{:.2}%\">", axis.share(1.0)));
    if !sample.is_empty() {
        let line = |(monolith, split): &(f64, f64)| format!("M{:.1} 0v10", 10.0 * axis.share(split / monolith));
        let lines: String = sample.iter().map(line).collect();
        page.raw(&format!(
            "<svg class=\"pairs\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\"><path d=\"{lines}\"/></svg>"
        ));
    }
    for (lane, column) in columns.iter().enumerate() {
        let Some(ratio) = (column.of)(ratios) else { continue };
        let (low, high) = (axis.share(ratio.low), axis.share(ratio.high));
        let top = 100.0 * (2 * lane + 1) as f64 / (2 * columns.len()) as f64;
        let class = if column.origin == Origin::Measured { "filled" } else { "hollow" };
        page.raw(&format!(
            "<i class=\"{class}\" style=\"top:{top:.1}%;left:{low:.2}%;width:{:.2}%\"></i><u class=\"{class}\" style=\"top:{top:.1}%;left:{:.2}%\"></u>",
            high - low,
            axis.share(ratio.value)
        ));
    }
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

/// A logarithmic axis of ratios, shared by a split's rows. One lies on it.
struct Axis {
    low: f64,
    high: f64,
}

/// The widest axis.
///
/// Chosen: three decades still tell 1.1 from 1.2 on a screen.
const WIDEST: (f64, f64) = (0.05, 50.0);

impl Axis {
    /// The axis that holds every value, and the intervals of measurements: those of predictions may go on beyond its ends.
    fn over<'a>(all: impl Iterator<Item = &'a Ratios>) -> Self {
        let of = |ratios: &Ratios| {
            let values = [ratios.predicted, ratios.as_rehearsed].into_iter().flatten().map(|ratio| ratio.value);
            let ends = ratios.measured.into_iter().flat_map(|ratio| [ratio.low, ratio.high]);
            values.chain(ends).collect::<Vec<_>>()
        };
        let ends = all.flat_map(of);
        let ends = ends.filter(|end| end.is_finite() && *end > 0.0);
        let (low, high) = ends.fold((0.8, 1.25), |(low, high): (f64, f64), end| (low.min(end), high.max(end)));
        Self { low: low.max(WIDEST.0) * 0.95, high: high.min(WIDEST.1) * 1.05 }
    }

    /// Where a ratio lies, in percent of the axis.
    fn share(&self, value: f64) -> f64 {
        let share = 100.0 * (value / self.low).ln() / (self.high / self.low).ln();
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 100.0) }
    }

    fn ticks(&self) -> Vec<f64> {
        const TICKS: [f64; 10] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
        let ticks = TICKS.into_iter().filter(|tick| (self.low..=self.high).contains(tick));
        ticks.collect()
    }

    /// The ticks that have a number: those that leave room for it.
    fn labels(&self) -> Vec<f64> {
        self.ticks().into_iter().filter(|tick| (3.0..=97.0).contains(&self.share(*tick))).collect()
    }
}
