//! Changes from the monolith to the split, and the agreement of prediction and measurement.

use std::collections::BTreeMap;

use splitcost_model::estimate::{Arms, CannotCross, Estimate, Figures, Quantile, ResponseTimes};
use splitcost_model::rehearsal::Rehearsal;
use splitcost_model::statistics::Interval;
use splitcost_model::study::{
    Change, Comparison, EndpointComparison, LinkComparison, Money, Origin, ServiceCalls, SplitStudy,
};

use crate::agreement::agreement;
use crate::ratio;

/// Compares the arms of a split.
///
/// A measurement stands for the split if the rehearsal made all calls between services remotely. If it made only some of them,
/// the prediction does, unless the measurement is worse already: a split makes at least the calls that its rehearsal made.
pub fn compare(estimate: &Estimate, rehearsal: Option<&Rehearsal>, money: &Money) -> Comparison {
    let is_whole = estimate.as_rehearsed.is_none();
    let figure = |pick: fn(&Figures) -> Option<Interval>| {
        let arms = |figures: Arms<Figures>| Arms { monolith: pick(&figures.monolith), split: pick(&figures.split) };
        let measured = rehearsal.and_then(|measured| change(arms(measured.figures), Origin::Measured));
        (measured, change(arms(estimate.figures), Origin::Predicted))
    };
    let at_least = |(measured, predicted)| stands(is_whole, measured, predicted, Worse::More);
    let saturation = rehearsal.and_then(|measured| {
        let monolith = measured.figures.monolith.saturation_reqs_per_sec?;
        Some(paired_change(monolith.value, measured.saturation_ratio?, Origin::Measured))
    });
    let (quotient, predicted_saturation) = figure(|figures| figures.saturation_reqs_per_sec);
    let endpoints = endpoints(estimate, rehearsal);
    let ratios = ratio::of_figures(estimate, rehearsal, money);
    Comparison {
        saturation: stands(is_whole, saturation.or(quotient), predicted_saturation, Worse::Less),
        cpu: at_least(figure(|figures| figures.cpu_secs_per_request)),
        cores: at_least(figure(|figures| figures.cores)),
        usd_per_month: at_least((
            money.rehearsal.and_then(|money| change(money, Origin::Measured)),
            change(money.estimate, Origin::Predicted),
        )),
        crossings_per_request: average(estimate, |endpoint| endpoint.crossings_per_request),
        service_calls: service_calls(estimate),
        agreement: agreement(&endpoints, &ratios),
        ratios,
        endpoints,
    }
}

/// The calls that cannot cross, most frequent first: those that the recording shows, and others that the rehearsal met.
pub fn cannot_cross(estimate: &Estimate, rehearsal: Option<&Rehearsal>) -> Vec<CannotCross> {
    let mut all = estimate.cannot_cross.clone();
    for call in rehearsal.iter().flat_map(|measured| &measured.cannot_cross) {
        let same = |known: &CannotCross| (&known.caller, &known.callee) == (&call.caller, &call.callee);
        if !all.iter().any(same) {
            all.push(call.clone());
        }
    }
    all.sort_by(|a, b| b.calls_per_request.total_cmp(&a.calls_per_request));
    all
}

/// For each split that was studied over several links, the endpoint that suffers most over any of them.
///
/// `of` gives the split's name without a link's for each study.
pub fn over_links(studies: &[SplitStudy], of: &[&str]) -> Vec<LinkComparison> {
    let mut comparisons: Vec<LinkComparison> = Vec::new();
    let mut worst: Vec<f64> = Vec::new();
    for (study, split) in studies.iter().zip(of) {
        let known = comparisons.iter().position(|comparison| comparison.split == *split);
        let index = known.unwrap_or_else(|| {
            comparisons.push(LinkComparison { split: (*split).to_owned(), ..LinkComparison::default() });
            worst.push(f64::NEG_INFINITY);
            comparisons.len() - 1
        });
        comparisons[index].studies.push(study.name.clone());
        if let Some(hardest) = study.comparison.endpoints.first()
            && let Some(change) = hardest.headline()
            && change.ratio > worst[index]
        {
            worst[index] = change.ratio;
            comparisons[index].endpoint.clone_from(&hardest.name);
        }
    }
    comparisons.retain(|comparison| comparison.studies.len() > 1);
    comparisons
}

/// The change between two arms; `None` if the monolith's number is zero, as there is no ratio then, and JSON has no word for
/// one.
fn change(arms: Arms<Option<Interval>>, origin: Origin) -> Option<Change> {
    let (before, after) = (arms.monolith?, arms.split?);
    let (ratio, added) = (after.value / before.value, after.value - before.value);
    ratio.is_finite().then_some(Change { before, after, ratio, added, origin })
}

/// The direction in which a figure is worse.
#[derive(Clone, Copy)]
enum Worse {
    More,
    Less,
}

/// Returns the change that stands for the split: as measured where all of its calls were made remotely. Of some of them, a
/// measurement stands only where its whole interval is worse than the prediction for all.
fn stands(is_whole: bool, measured: Option<Change>, predicted: Option<Change>, worse: Worse) -> Option<Change> {
    let (Some(part), Some(all), false) = (measured, predicted, is_whole) else {
        return measured.filter(|_| is_whole).or(predicted);
    };
    let is_worse = match worse {
        Worse::More => part.after.low > all.ratio * part.before.value,
        Worse::Less => part.after.high < all.ratio * part.before.value,
    };
    Some(if is_worse { part } else { all })
}

/// Every endpoint of the estimate and of the rehearsal, the one that grows most first.
fn endpoints(estimate: &Estimate, rehearsal: Option<&Rehearsal>) -> Vec<EndpointComparison> {
    let at = |times: &Arms<Option<ResponseTimes>>, quantile| Arms {
        monolith: times.monolith.as_ref().and_then(|times| times.at(quantile)),
        split: times.split.as_ref().and_then(|times| times.at(quantile)),
    };
    let measured = |name: &str| rehearsal?.endpoints.iter().find(|endpoint| endpoint.name == name);
    let is_whole = estimate.as_rehearsed.is_none();
    let predicted = |name: &str| estimate.endpoints.iter().find(|endpoint| endpoint.name == name);
    let alone = |name: &str| {
        let measured = rehearsal.and_then(|rehearsal| rehearsal.alone.iter().find(|endpoint| endpoint.name == name));
        let measured = measured.map(|alone| paired_change(alone.response_ms.monolith, alone.ratio, Origin::Measured));
        // Where all calls were made, a prediction stands for lone requests only if nothing was rehearsed.
        let predicted = predicted(name).filter(|_| !(is_whole && rehearsal.is_some())).and_then(|of| of.alone);
        let predicted =
            predicted.map(|alone| paired_change(alone.response_ms.monolith, alone.ratio, Origin::Predicted));
        stands(is_whole, measured, predicted, Worse::More)
    };
    let only_measured = rehearsal.iter().flat_map(|measured| &measured.endpoints).map(|endpoint| &endpoint.name);
    let names = estimate.endpoints.iter().map(|endpoint| &endpoint.name);
    let names = names.chain(only_measured.filter(|name| predicted(name).is_none()));
    let mut compared: Vec<EndpointComparison> = names
        .map(|name| {
            let (measured, predicted) = (measured(name), predicted(name));
            let run = measured.filter(|endpoint| endpoint.response.split.is_some());
            let median = run.and_then(|endpoint| {
                let monolith = endpoint.response.monolith.as_ref()?;
                Some(paired_change(monolith.p50_ms.value, endpoint.ratio?, Origin::Measured))
            });
            let of_quantile = |quantile| {
                let quotient = run.and_then(|endpoint| change(at(&endpoint.response, quantile), Origin::Measured));
                let measured = median.filter(|_| quantile == Quantile::P50).or(quotient);
                // A percentile that the measurement of all calls does not claim is not predicted instead.
                let predicted = predicted.filter(|_| !(is_whole && run.is_some()));
                let predicted =
                    predicted.and_then(|endpoint| change(at(&endpoint.response, quantile), Origin::Predicted));
                stands(is_whole, measured, predicted, Worse::More)
            };
            EndpointComparison {
                name: name.clone(),
                requests: predicted.map_or(0, |endpoint| endpoint.requests),
                failed_requests: predicted.map_or(0, |endpoint| endpoint.failed_requests)
                    + measured.map_or(0, |endpoint| endpoint.failed_requests),
                alone_ms: alone(name),
                p50_ms: of_quantile(Quantile::P50),
                p90_ms: of_quantile(Quantile::P90),
                p99_ms: of_quantile(Quantile::P99),
                ratios: ratio::of_endpoint(name, estimate, rehearsal),
            }
        })
        .collect();
    let growth = |endpoint: &EndpointComparison| endpoint.headline().map_or(f64::NEG_INFINITY, |change| change.ratio);
    compared.sort_by(|a, b| growth(b).total_cmp(&growth(a)));
    compared
}

/// The change of what was measured in pairs or in the same rounds: the monolith's value, and that times the ratio.
fn paired_change(monolith: f64, ratio: Interval, origin: Origin) -> Change {
    let after = ratio.scale(monolith);
    let before = Interval { value: monolith, low: monolith, high: monolith, ..ratio };
    Change { before, after, ratio: ratio.value, added: after.value - monolith, origin }
}

/// An average over the recorded mix of endpoints.
fn average(estimate: &Estimate, of: impl Fn(&splitcost_model::estimate::EstimatedEndpoint) -> f64) -> f64 {
    let total: u64 = estimate.endpoints.iter().map(|endpoint| endpoint.requests).sum();
    if total == 0 {
        return 0.0;
    }
    estimate.endpoints.iter().map(|endpoint| of(endpoint) * endpoint.requests as f64).sum::<f64>() / total as f64
}

/// Calls between each two services, averaged over the recorded mix of endpoints.
fn service_calls(estimate: &Estimate) -> Vec<ServiceCalls> {
    let mut all: BTreeMap<(&str, &str), ServiceCalls> = BTreeMap::new();
    for call in &estimate.calls {
        let share = average(estimate, |endpoint| if endpoint.name == call.endpoint { 1.0 } else { 0.0 });
        let sum = all.entry((&call.caller_service, &call.callee_service)).or_insert_with(|| ServiceCalls {
            from: call.caller_service.clone(),
            to: call.callee_service.clone(),
            ..ServiceCalls::default()
        });
        sum.calls_per_request += share * call.calls_per_request;
        sum.bytes_per_request += share * call.calls_per_request * call.bytes_per_call;
        sum.added_ms_per_request += share * call.added_ms_per_request;
    }
    all.into_values().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use splitcost_model::boundary::Readiness;
    use splitcost_model::estimate::{Alone, AsRehearsed, CrossingCost, EstimatedEndpoint};
    use splitcost_model::rehearsal::{AloneEndpoint, RehearsedEndpoint};
    use splitcost_model::statistics::Level;

    use super::*;

    pub(crate) fn interval(value: f64) -> Interval {
        Interval::new(Level::NINETY, value, value * 0.9, value * 1.1)
    }

    pub(crate) fn times(p50: f64) -> ResponseTimes {
        let [p50_ms, p90_ms, p99_ms] = [p50, 2.0 * p50, 3.0 * p50].map(interval);
        ResponseTimes { p50_ms, p90_ms, p99_ms: Some(p99_ms), distribution: Vec::new() }
    }

    fn predicted(name: &str, requests: u64, monolith: f64, split: f64) -> EstimatedEndpoint {
        EstimatedEndpoint {
            name: name.into(),
            requests,
            failed_requests: 1,
            response: Arms { monolith: Some(times(monolith)), split: Some(times(split)) },
            ..EstimatedEndpoint::default()
        }
    }

    fn rehearsed_endpoint(name: &str, monolith: f64, split: f64) -> RehearsedEndpoint {
        let response = Arms { monolith: Some(times(monolith)), split: Some(times(split)) };
        RehearsedEndpoint { name: name.into(), failed_requests: 2, response, ..RehearsedEndpoint::default() }
    }

    #[test]
    fn a_change_is_measured_where_both_arms_were() {
        let estimate = Estimate {
            endpoints: vec![predicted("a", 3, 1.0, 2.0), predicted("b", 1, 1.0, 5.0)],
            ..Estimate::default()
        };
        let rehearsal = Rehearsal {
            endpoints: vec![rehearsed_endpoint("a", 1.0, 8.0), rehearsed_endpoint("c", 1.0, 1.5)],
            ..Rehearsal::default()
        };
        let found = compare(&estimate, Some(&rehearsal), &Money::default());
        let shown: Vec<_> = found
            .endpoints
            .iter()
            .map(|e| (e.name.as_str(), e.failed_requests, e.p50_ms.map(|change| (change.ratio, change.origin))))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", 3, Some((8.0, Origin::Measured))),
                ("b", 1, Some((5.0, Origin::Predicted))),
                ("c", 2, Some((1.5, Origin::Measured)))
            ]
        );
        let agreement = found.agreement.expect("endpoint a has both");
        assert_eq!((agreement.ratios, agreement.agreeing, agreement.median_off_percent.round()), (2, 0, 300.0));
    }

    #[test]
    fn a_study_of_free_computing_survives_its_json() {
        let free = Arms { monolith: Some(interval(0.0)), split: Some(interval(0.0)) };
        let study = SplitStudy {
            comparison: compare(&Estimate::default(), None, &Money { estimate: free, rehearsal: None }),
            ..SplitStudy::default()
        };
        assert_eq!(study.comparison.usd_per_month, None);
        let json = serde_json::to_string(&study).expect("a study is plain data");
        assert_eq!(serde_json::from_str::<SplitStudy>(&json).expect("it reads back"), study);
    }

    #[test]
    fn calls_between_services_are_averaged_over_the_mix() {
        let call = |endpoint: &str, to: &str, calls: f64| CrossingCost {
            endpoint: endpoint.into(),
            caller_service: "main".into(),
            callee_service: to.into(),
            calls_per_request: calls,
            bytes_per_call: 10.0,
            added_ms_per_request: 2.0 * calls,
            ..CrossingCost::default()
        };
        let estimate = Estimate {
            endpoints: vec![predicted("a", 3, 1.0, 2.0), predicted("b", 1, 1.0, 5.0)],
            calls: vec![call("a", "pricing", 4.0), call("b", "pricing", 8.0), call("b", "stock", 4.0)],
            ..Estimate::default()
        };
        let found: Vec<_> = service_calls(&estimate)
            .into_iter()
            .map(|calls| (calls.to, calls.calls_per_request, calls.bytes_per_request, calls.added_ms_per_request))
            .collect();
        assert_eq!(found, [("pricing".to_owned(), 5.0, 50.0, 10.0), ("stock".to_owned(), 1.0, 10.0, 2.0)]);
    }

    #[test]
    fn a_rehearsal_of_some_calls_stands_for_itself_only() {
        let rehearsed = AsRehearsed { endpoints: vec![predicted("a", 3, 1.0, 1.5)], ..AsRehearsed::default() };
        let estimate = Estimate {
            endpoints: vec![predicted("a", 3, 1.0, 9.0)],
            as_rehearsed: Some(rehearsed),
            ..Estimate::default()
        };
        let rehearsal = Rehearsal { endpoints: vec![rehearsed_endpoint("a", 1.0, 1.5)], ..Rehearsal::default() };
        let found = compare(&estimate, Some(&rehearsal), &Money::default());
        let p50 = found.endpoints[0].p50_ms.expect("it was predicted");
        assert_eq!((p50.ratio, p50.origin), (9.0, Origin::Predicted));
        assert_eq!(found.agreement.map(|agreement| agreement.median_off_percent), Some(0.0));
    }

    /// The endpoint `GET /issues/1/` of bugsink: 1.9 times as slow with all calls by the prediction, and measured 2.87 times as
    /// slow with some of them.
    #[test]
    fn a_rehearsal_of_some_calls_that_is_worse_already_stands_for_the_split() {
        let shown = |predicted_ratio: f64, saturation: f64| {
            let alone = |ratio| Alone {
                response_ms: Arms { monolith: 10.0, split: 10.0 * ratio },
                ratio: interval(ratio),
                ..Alone::default()
            };
            let figures = |value| Figures { saturation_reqs_per_sec: Some(interval(value)), ..Figures::default() };
            let estimate = Estimate {
                endpoints: vec![EstimatedEndpoint {
                    alone: Some(alone(predicted_ratio)),
                    ..predicted("a", 3, 1.0, predicted_ratio)
                }],
                figures: Arms { monolith: figures(100.0), split: figures(saturation) },
                as_rehearsed: Some(AsRehearsed::default()),
                ..Estimate::default()
            };
            let measured = AloneEndpoint {
                name: "a".into(),
                response_ms: Arms { monolith: 10.0, split: 28.7 },
                ratio: interval(2.87),
                ..AloneEndpoint::default()
            };
            let rehearsal = Rehearsal {
                alone: vec![measured],
                figures: Arms { monolith: figures(100.0), split: figures(50.0) },
                ..Rehearsal::default()
            };
            let found = compare(&estimate, Some(&rehearsal), &Money::default());
            let of = |change: Option<Change>| change.map(|change| (change.ratio, change.origin));
            (of(found.endpoints[0].alone_ms), of(found.saturation))
        };
        let (measured, predicted) = (Origin::Measured, Origin::Predicted);
        assert_eq!(shown(1.9, 80.0), (Some((2.87, measured)), Some((0.5, measured))));
        assert_eq!(shown(3.5, 40.0), (Some((3.5, predicted)), Some((0.4, predicted))));
        // Within its interval nothing is worse already.
        assert_eq!(shown(2.8, 51.0), (Some((2.8, predicted)), Some((0.51, predicted))));
    }

    #[test]
    fn calls_that_only_the_rehearsal_met_are_added() {
        let call = |callee: &str, calls_per_request| CannotCross {
            caller: "shop.orders".into(),
            callee: callee.into(),
            readiness: Readiness::Rewrite,
            calls_per_request,
            ..CannotCross::default()
        };
        let estimate = Estimate { cannot_cross: vec![call("a", 5.0), call("b", 0.5)], ..Estimate::default() };
        let rehearsal = Rehearsal { cannot_cross: vec![call("a", 9.0), call("c", 1.0)], ..Rehearsal::default() };
        let found: Vec<_> =
            cannot_cross(&estimate, Some(&rehearsal)).into_iter().map(|c| (c.callee, c.calls_per_request)).collect();
        assert_eq!(found, [("a".to_owned(), 5.0), ("c".to_owned(), 1.0), ("b".to_owned(), 0.5)]);
    }

    #[test]
    fn the_endpoint_that_suffers_most_over_any_link_is_named() {
        let study = |name: &str, endpoint: &str, slower: f64| {
            let estimate = Estimate { endpoints: vec![predicted(endpoint, 1, 1.0, slower)], ..Estimate::default() };
            SplitStudy {
                name: name.into(),
                comparison: compare(&estimate, None, &Money::default()),
                ..SplitStudy::default()
            }
        };
        let studies =
            [study("p over near", "calm", 1.1), study("p over far", "chatty", 9.0), study("alone", "calm", 2.0)];
        let found = over_links(&studies, &["p", "p", "alone"]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].split.as_str(), found[0].endpoint.as_str()), ("p", "chatty"));
        assert_eq!(found[0].studies, ["p over near", "p over far"]);
    }
}
