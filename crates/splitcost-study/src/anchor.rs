//! Predictions in terms of a measured monolith: a prediction is a ratio of split to monolith, and an absolute value is that ratio
//! times the monolith measured in the same run.

use splitcost_model::estimate::{Arms, Estimate, EstimatedEndpoint, Figures, Quantile, ResponseTimes};
use splitcost_model::rehearsal::{AloneEndpoint, Rehearsal, RehearsedEndpoint};
use splitcost_model::statistics::Interval;

/// Scales both arms of a prediction so that its monolith is the measured one. What was not measured stays.
pub fn anchor(estimate: &mut Estimate, rehearsal: &Rehearsal) {
    let measured = &rehearsal.figures.monolith;
    anchor_figures(&mut estimate.figures, measured);
    anchor_endpoints(&mut estimate.endpoints, &rehearsal.endpoints);
    anchor_alone(&mut estimate.endpoints, &rehearsal.alone);
    if let Some(rehearsed) = &mut estimate.as_rehearsed {
        anchor_figures(&mut rehearsed.figures, measured);
        anchor_endpoints(&mut rehearsed.endpoints, &rehearsal.endpoints);
        anchor_alone(&mut rehearsed.endpoints, &rehearsal.alone);
    }
}

fn anchor_figures(predicted: &mut Arms<Figures>, measured: &Figures) {
    let picks: [fn(&mut Figures) -> &mut Option<Interval>; 3] = [
        |figures| &mut figures.saturation_reqs_per_sec,
        |figures| &mut figures.cpu_secs_per_request,
        |figures| &mut figures.cores,
    ];
    let mut measured = *measured;
    for pick in picks {
        let Arms { monolith, split } = predicted;
        let (monolith, split) = (pick(monolith), pick(split));
        let factor = factor(*monolith, *pick(&mut measured));
        for figure in [monolith, split] {
            *figure = figure.map(|figure| figure.scale(factor));
        }
    }
}

fn anchor_endpoints(predicted: &mut [EstimatedEndpoint], measured: &[RehearsedEndpoint]) {
    for endpoint in predicted {
        let found = measured.iter().find(|measured| measured.name == endpoint.name);
        let Some(measured) = found.and_then(|measured| measured.response.monolith.as_ref()) else { continue };
        let Arms { monolith, split } = &mut endpoint.response;
        let Some(simulated) = monolith.clone() else { continue };
        for times in [monolith, split, &mut endpoint.split_if_async].into_iter().flatten() {
            scale(times, &simulated, measured);
        }
    }
}

/// Adds to both arms what the monolith took longer alone than predicted for this speed of the machine. Its processes were colder
/// than recorded, as others ran between its requests: a split does not multiply that. (A monolith that was faster than predicted
/// had a faster machine, and so had the split.)
fn anchor_alone(predicted: &mut [EstimatedEndpoint], measured: &[AloneEndpoint]) {
    for endpoint in predicted {
        let measured = measured.iter().find(|measured| measured.name == endpoint.name);
        let Some((alone, measured)) = endpoint.alone.as_mut().zip(measured) else { continue };
        let simulated_ms = alone.response_ms.monolith;
        let colder_ms = measured.response_ms.monolith - simulated_ms;
        if colder_ms > 0.0 {
            alone.ratio = alone.ratio.map(|ratio| (ratio * simulated_ms + colder_ms) / (simulated_ms + colder_ms));
            alone.response_ms.monolith += colder_ms;
            alone.response_ms.split += colder_ms;
        }
    }
}

fn scale(times: &mut ResponseTimes, simulated: &ResponseTimes, measured: &ResponseTimes) {
    let factor = |quantile| factor(simulated.at(quantile), measured.at(quantile));
    let [median, p90, tail] = Quantile::ALL.map(factor);
    times.p50_ms = times.p50_ms.scale(median);
    times.p90_ms = times.p90_ms.scale(p90);
    times.p99_ms = times.p99_ms.map(|p99| p99.scale(tail));
    times.distribution.iter_mut().for_each(|(millis, _)| *millis *= median);
}

/// Returns the measured value divided by the predicted one; 1 where one of them is missing or zero.
fn factor(predicted: Option<Interval>, measured: Option<Interval>) -> f64 {
    let of = |predicted: Interval, measured: Interval| measured.value / predicted.value;
    predicted.zip(measured).map(|(a, b)| of(a, b)).filter(|factor| factor.is_finite() && *factor > 0.0).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use splitcost_model::estimate::Alone;
    use splitcost_model::statistics::Level;

    use super::*;

    fn interval(value: f64) -> Interval {
        Interval::new(Level::NINETY, value, value * 0.9, value * 1.1)
    }

    fn times(p50: f64) -> ResponseTimes {
        let [p50_ms, p90_ms, p99_ms] = [p50, 2.0 * p50, 4.0 * p50].map(interval);
        ResponseTimes { p50_ms, p90_ms, p99_ms: Some(p99_ms), distribution: vec![(p50, 0.5)] }
    }

    #[test]
    fn what_is_colder_than_recorded_is_added_and_what_is_faster_scales() {
        let anchored = |measured_ms: f64| {
            let alone = Alone {
                response_ms: Arms { monolith: 2.0, split: 6.0 },
                ratio: Interval::new(Level::NINETY, 3.0, 2.0, 4.0),
                cpu_ratio: None,
            };
            let mut endpoints = [EstimatedEndpoint { name: "a".into(), alone: Some(alone), ..Default::default() }];
            let response_ms = Arms { monolith: measured_ms, split: 0.0 };
            anchor_alone(&mut endpoints, &[AloneEndpoint { name: "a".into(), response_ms, ..Default::default() }]);
            let [EstimatedEndpoint { alone, .. }] = endpoints;
            alone.map(|alone| (alone.ratio, alone.response_ms))
        };
        let unchanged = (Interval::new(Level::NINETY, 3.0, 2.0, 4.0), Arms { monolith: 2.0, split: 6.0 });
        assert_eq!(anchored(1.0), Some(unchanged));
        let added = (Interval::new(Level::NINETY, 2.0, 1.5, 2.5), Arms { monolith: 4.0, split: 8.0 });
        assert_eq!(anchored(4.0), Some(added));
    }

    #[test]
    fn the_monolith_becomes_the_measured_one_and_ratios_stay() {
        let figures =
            |saturation| Figures { saturation_reqs_per_sec: Some(interval(saturation)), ..Figures::default() };
        let endpoint = |name: &str| EstimatedEndpoint {
            name: name.to_owned(),
            response: Arms { monolith: Some(times(2.0)), split: Some(times(6.0)) },
            ..EstimatedEndpoint::default()
        };
        let mut estimate = Estimate {
            figures: Arms { monolith: figures(300.0), split: figures(100.0) },
            endpoints: vec![endpoint("a"), endpoint("b")],
            ..Estimate::default()
        };
        let rehearsal = Rehearsal {
            figures: Arms { monolith: figures(150.0), split: figures(20.0) },
            endpoints: vec![RehearsedEndpoint {
                name: "a".to_owned(),
                response: Arms { monolith: Some(times(5.0)), split: None },
                ..RehearsedEndpoint::default()
            }],
            ..Rehearsal::default()
        };
        anchor(&mut estimate, &rehearsal);
        let saturation = |figures: Figures| figures.saturation_reqs_per_sec.unwrap();
        assert_eq!(saturation(estimate.figures.monolith), interval(150.0));
        assert_eq!(saturation(estimate.figures.split), interval(50.0));
        assert_eq!(estimate.endpoints[0].response, Arms { monolith: Some(times(5.0)), split: Some(times(15.0)) });
        assert_eq!(estimate.endpoints[1], endpoint("b"));
    }
}
