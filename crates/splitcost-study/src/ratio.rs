//! Ratios of split to monolith: each figure's prediction beside its measurement, and beside what two copies of the monolith
//! differ by.

use splitcost_model::estimate::{Arms, Estimate, EstimatedEndpoint, Figures, Quantile, ResponseTimes};
use splitcost_model::rehearsal::Rehearsal;
use splitcost_model::statistics::Interval;
use splitcost_model::study::{EndpointRatios, FigureRatios, Money, Ratios};

/// Returns the ratios of an endpoint.
pub(crate) fn of_endpoint(name: &str, estimate: &Estimate, rehearsal: Option<&Rehearsal>) -> EndpointRatios {
    let named = |endpoints: &'_ [EstimatedEndpoint], of: &dyn Fn(&EstimatedEndpoint) -> Option<Interval>| {
        of(endpoints.iter().find(|endpoint| endpoint.name == name)?)
    };
    let of_estimate = |of: &dyn Fn(&EstimatedEndpoint) -> Option<Interval>| Ratios {
        predicted: named(&estimate.endpoints, of),
        as_rehearsed: rehearsal
            .and(estimate.as_rehearsed.as_ref())
            .and_then(|rehearsed| named(&rehearsed.endpoints, of)),
        ..Ratios::default()
    };
    let alone = rehearsal.and_then(|measured| measured.alone.iter().find(|endpoint| endpoint.name == name));
    let loaded = rehearsal.and_then(|measured| measured.endpoints.iter().find(|endpoint| endpoint.name == name));
    let under_load = |quantile| {
        let at = |times: &Option<ResponseTimes>| times.as_ref()?.at(quantile);
        let predicted = |endpoint: &EstimatedEndpoint| {
            predicted(Arms { monolith: at(&endpoint.response.monolith), split: at(&endpoint.response.split) })
        };
        let quotient = || at(&loaded?.response.split)?.divided_by(at(&loaded?.response.monolith)?);
        // Of medians, the ratio in the same rounds was measured.
        let paired = loaded.filter(|_| quantile == Quantile::P50);
        Ratios {
            measured: paired.and_then(|endpoint| endpoint.ratio).or_else(quotient),
            noise: paired.and_then(|endpoint| endpoint.noise),
            ..of_estimate(&predicted)
        }
    };
    EndpointRatios {
        alone: Ratios {
            measured: alone.map(|alone| alone.ratio),
            noise: alone.map(|alone| alone.noise),
            ..of_estimate(&|endpoint| endpoint.alone.map(|alone| alone.ratio))
        },
        p50: under_load(Quantile::P50),
        p90: under_load(Quantile::P90),
        p99: under_load(Quantile::P99),
    }
}

/// Returns the ratios of the figures over all requests.
pub(crate) fn of_figures(estimate: &Estimate, rehearsal: Option<&Rehearsal>, money: &Money) -> FigureRatios {
    let of = |pick: fn(&Figures) -> Option<Interval>| {
        let arms = |figures: &Arms<Figures>| Arms { monolith: pick(&figures.monolith), split: pick(&figures.split) };
        let as_rehearsed = rehearsal.and(estimate.as_rehearsed.as_ref());
        Ratios {
            predicted: predicted(arms(&estimate.figures)),
            as_rehearsed: as_rehearsed.and_then(|rehearsed| predicted(arms(&rehearsed.figures))),
            measured: rehearsal.and_then(|measured| quotient(arms(&measured.figures))),
            noise: None,
        }
    };
    let saturation = of(|figures| figures.saturation_reqs_per_sec);
    FigureRatios {
        saturation: Ratios {
            measured: rehearsal.and_then(|measured| measured.saturation_ratio).or(saturation.measured),
            noise: rehearsal.and_then(|measured| measured.saturation_noise),
            ..saturation
        },
        cpu: of(|figures| figures.cpu_secs_per_request),
        cores: of(|figures| figures.cores),
        usd_per_month: Ratios {
            predicted: predicted(money.estimate),
            measured: money.rehearsal.and_then(quotient),
            ..Ratios::default()
        },
    }
}

/// Returns the ratio of figures that were measured apart from each other.
fn quotient(arms: Arms<Option<Interval>>) -> Option<Interval> {
    arms.split?.divided_by(arms.monolith?)
}

/// Returns the ratio of a prediction. Both arms are simulated with the same random numbers, and the split's interval is that of
/// the ratio.
fn predicted(arms: Arms<Option<Interval>>) -> Option<Interval> {
    let (monolith, split) = (arms.monolith?, arms.split?);
    (monolith.value > 0.0).then(|| split.scale(1.0 / monolith.value))
}

#[cfg(test)]
mod tests {
    use splitcost_model::estimate::{Alone, AsRehearsed};
    use splitcost_model::rehearsal::{AloneEndpoint, RehearsedEndpoint};

    use super::*;
    use crate::comparison::tests::{interval, times};

    fn estimated(split: f64) -> EstimatedEndpoint {
        EstimatedEndpoint {
            name: "a".into(),
            alone: Some(Alone { ratio: interval(split), ..Alone::default() }),
            response: Arms { monolith: Some(times(2.0)), split: Some(times(2.0 * split)) },
            ..EstimatedEndpoint::default()
        }
    }

    #[test]
    fn a_measurement_stands_beside_the_prediction_for_what_was_measured() {
        let figures = |value| Figures { saturation_reqs_per_sec: Some(interval(value)), ..Figures::default() };
        let arms = |split| Arms { monolith: figures(100.0), split: figures(split) };
        let estimate = Estimate {
            endpoints: vec![estimated(3.0)],
            figures: arms(30.0),
            as_rehearsed: Some(AsRehearsed {
                endpoints: vec![estimated(2.0)],
                figures: arms(50.0),
                ..AsRehearsed::default()
            }),
            ..Estimate::default()
        };
        let [ratio, noise] = [interval(2.2), interval(1.0)];
        let rehearsal = Rehearsal {
            figures: arms(40.0),
            saturation_noise: Some(interval(0.98)),
            alone: vec![AloneEndpoint { name: "a".into(), ratio, noise, ..AloneEndpoint::default() }],
            endpoints: vec![RehearsedEndpoint {
                name: "a".into(),
                response: Arms { monolith: Some(times(1.0)), split: Some(times(2.5)) },
                ratio: Some(interval(2.3)),
                noise: Some(interval(1.1)),
                ..RehearsedEndpoint::default()
            }],
            ..Rehearsal::default()
        };
        let values = |ratios: Ratios| {
            let Ratios { predicted, as_rehearsed, measured, noise } = ratios;
            [predicted, as_rehearsed, measured, noise].map(|ratio| ratio.map(|ratio| (ratio.value * 1e6).round() / 1e6))
        };
        let found = of_endpoint("a", &estimate, Some(&rehearsal));
        assert_eq!(values(found.alone), [Some(3.0), Some(2.0), Some(2.2), Some(1.0)]);
        assert_eq!(values(found.p50), [Some(3.0), Some(2.0), Some(2.3), Some(1.1)]);
        assert_eq!(values(found.p90), [Some(3.0), Some(2.0), Some(2.5), None]);
        assert_eq!(found.alone.both().map(|(predicted, _)| predicted.value), Some(2.0));
        assert!(!found.p50.disagree() && !found.p50.is_noise());
        let over_all = of_figures(&estimate, Some(&rehearsal), &Money::default());
        assert_eq!(values(over_all.saturation), [Some(0.3), Some(0.5), Some(0.4), Some(0.98)]);
        let alone = of_endpoint("a", &estimate, None).alone;
        assert_eq!((values(alone), alone.both()), ([Some(3.0), None, None, None], None));
    }
}
