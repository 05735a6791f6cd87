//! The agreement of prediction and measurement: every ratio of split to monolith that was both predicted and measured.

use splitcost_model::number::{number, short};
use splitcost_model::statistics::{Interval, median};
use splitcost_model::study::{Agreement, Disagreement, EndpointComparison, FigureRatios, RatioFigure, Ratios};

/// Disagreements that the sentence names.
///
/// Chosen: about two lines of a terminal.
const NAMED: usize = 3;

/// Compares the ratios of endpoints and of the figures over all requests; `None` if none was both predicted and measured.
pub fn agreement(endpoints: &[EndpointComparison], figures: &FigureRatios) -> Option<Agreement> {
    let of_endpoint = |endpoint: &'_ EndpointComparison| {
        let ratios = endpoint.ratios;
        let tail =
            if ratios.p99.both().is_some() { (RatioFigure::P99, ratios.p99) } else { (RatioFigure::P90, ratios.p90) };
        let all = [(RatioFigure::Alone, ratios.alone), (RatioFigure::P50, ratios.p50), tail];
        all.map(|(figure, ratios)| (figure, Some(endpoint.name.clone()), ratios))
    };
    let over_all = [(RatioFigure::Saturation, None, figures.saturation), (RatioFigure::Cpu, None, figures.cpu)];
    let all: Vec<(RatioFigure, Option<String>, Ratios)> = endpoints
        .iter()
        .flat_map(of_endpoint)
        .chain(over_all)
        .filter(|(_, _, ratios)| ratios.both().is_some())
        .collect();
    let off = |(predicted, measured): (Interval, Interval)| (predicted.value / measured.value).ln().abs();
    let median_off = median(all.iter().filter_map(|(_, _, ratios)| ratios.both()).map(off))?;
    let mut disagreements: Vec<Disagreement> = all
        .iter()
        .filter(|(_, _, ratios)| ratios.disagree())
        .filter_map(|(figure, endpoint, ratios)| {
            let (predicted, measured) = ratios.both()?;
            Some(Disagreement { figure: *figure, endpoint: endpoint.clone(), predicted, measured })
        })
        .collect();
    disagreements.sort_by(|a, b| off((b.predicted, b.measured)).total_cmp(&off((a.predicted, a.measured))));
    let mut found = Agreement {
        ratios: all.len() as u64,
        agreeing: (all.len() - disagreements.len()) as u64,
        median_off_percent: 100.0 * median_off.exp_m1(),
        disagreements,
        sentence: String::new(),
    };
    found.sentence = in_words(&found);
    Some(found)
}

/// Returns the agreement in a sentence.
fn in_words(agreement: &Agreement) -> String {
    let Agreement { ratios, agreeing, median_off_percent, disagreements, .. } = agreement;
    let off = format!("{} % off in the median", short(median_off_percent.round()));
    if disagreements.is_empty() {
        return format!("Prediction and measurement agree within their intervals for all {ratios} ratios, {off}.");
    }
    let mut named: Vec<String> = disagreements.iter().take(NAMED).map(disagreement_in_words).collect();
    let (last, more) = (named.pop().unwrap_or_default(), disagreements.len().saturating_sub(NAMED));
    let named = match (named.is_empty(), more) {
        (true, 0) => last,
        (false, 0) => format!("{} and {last}", named.join(", ")),
        (_, more) => format!("{}, {last} and {more} more", named.join(", ")),
    };
    format!(
        "Prediction and measurement agree within their intervals for {agreeing} of {ratios} ratios, {off}; they do not for {named}."
    )
}

/// `saturation (0.700× predicted, 0.550× measured)`.
fn disagreement_in_words(disagreement: &Disagreement) -> String {
    let Disagreement { figure, endpoint, predicted, measured } = disagreement;
    let of = endpoint.as_ref().map_or_else(String::new, |endpoint| format!(" of {endpoint}"));
    let [predicted, measured] = [predicted, measured].map(|ratio| number(ratio.value));
    format!("{}{of} ({predicted}× predicted, {measured}× measured)", figure.name())
}

#[cfg(test)]
mod tests {
    use splitcost_model::statistics::Level;
    use splitcost_model::study::EndpointRatios;

    use super::*;

    /// A ratio predicted within 10 % and measured within 5 %.
    fn ratios(predicted: f64, measured: f64) -> Ratios {
        let around = |value: f64, share: f64| {
            Some(Interval::new(Level::NINETY, value, value * (1.0 - share), value * (1.0 + share)))
        };
        Ratios { predicted: around(predicted, 0.1), measured: around(measured, 0.05), ..Ratios::default() }
    }

    fn endpoint(name: &str, alone: Ratios, p50: Ratios) -> EndpointComparison {
        let ratios = EndpointRatios { alone, p50, ..EndpointRatios::default() };
        EndpointComparison { name: name.into(), ratios, ..EndpointComparison::default() }
    }

    #[test]
    fn all_ratios_may_agree() {
        let endpoints = [endpoint("GET /a", ratios(2.0, 2.2), ratios(1.0, 1.0))];
        let found = agreement(&endpoints, &FigureRatios::default()).unwrap();
        assert_eq!((found.ratios, found.agreeing, found.disagreements.len()), (2, 2, 0));
        assert_eq!(
            found.sentence,
            "Prediction and measurement agree within their intervals for all 2 ratios, 5 % off in the median."
        );
    }

    #[test]
    fn disagreements_are_named_the_furthest_first() {
        let rehearsed = Ratios {
            predicted: ratios(9.0, 1.0).predicted,
            as_rehearsed: ratios(2.0, 1.0).predicted,
            ..ratios(1.0, 2.0)
        };
        let endpoints =
            [endpoint("GET /a", ratios(2.0, 3.0), rehearsed), endpoint("GET /b", ratios(1.5, 1.2), ratios(1.0, 4.0))];
        let figures = FigureRatios { saturation: ratios(0.7, 0.5), cpu: ratios(1.9, 2.0), ..FigureRatios::default() };
        let found = agreement(&endpoints, &figures).unwrap();
        assert_eq!((found.ratios, found.agreeing), (6, 2));
        assert_eq!(
            found.sentence,
            "Prediction and measurement agree within their intervals for 2 of 6 ratios, 32 % off in the median; they do not \
             for p50 of GET /b (1.00× predicted, 4.00× measured), time alone of GET /a (2.00× predicted, 3.00× measured), \
             saturation (0.700× predicted, 0.500× measured) and 1 more."
        );
        let one = agreement(&[], &figures).unwrap();
        assert_eq!(
            one.sentence,
            "Prediction and measurement agree within their intervals for 1 of 2 ratios, 21 % off in the median; they do not \
             for saturation (0.700× predicted, 0.500× measured)."
        );
    }

    #[test]
    fn the_tail_is_the_90th_percentile_where_there_is_no_99th() {
        let mut endpoint = endpoint("GET /a", Ratios::default(), Ratios::default());
        endpoint.ratios.p90 = ratios(1.0, 3.0);
        let figure = |endpoint: &EndpointComparison| {
            let found = agreement(std::slice::from_ref(endpoint), &FigureRatios::default()).unwrap();
            (found.ratios, found.disagreements[0].figure)
        };
        assert_eq!(figure(&endpoint), (1, RatioFigure::P90));
        endpoint.ratios.p99 = ratios(1.0, 4.0);
        assert_eq!(figure(&endpoint), (1, RatioFigure::P99));
    }

    #[test]
    fn nothing_is_said_where_nothing_was_measured() {
        let predicted = Ratios { measured: None, ..ratios(2.0, 1.0) };
        assert_eq!(agreement(&[endpoint("GET /a", predicted, predicted)], &FigureRatios::default()), None);
    }
}
