//! What a split does to one number: before and after, from the same source.

use splitcost_model::evaluation::{EndpointEvaluation, Pair, Quantiles, SplitEvaluation};
use splitcost_model::statistics::Interval;

/// Where a number came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Measured,
    Simulated,
}

impl Source {
    /// The word for a prediction that was, or was not, checked.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Simulated => "predicted",
        }
    }
}

/// A quantile of the response time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantile {
    P50,
    P90,
    P99,
}

impl Quantile {
    pub(crate) const ALL: [Self; 3] = [Self::P50, Self::P90, Self::P99];

    pub(crate) fn of(self, quantiles: &Quantiles) -> Interval {
        match self {
            Self::P50 => quantiles.p50_ms,
            Self::P90 => quantiles.p90_ms,
            Self::P99 => quantiles.p99_ms,
        }
    }

    /// Its key in the JSON.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::P50 => "p50_ms",
            Self::P90 => "p90_ms",
            Self::P99 => "p99_ms",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
        }
    }

    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::P50 => "at the median",
            Self::P90 => "at the 90th percentile",
            Self::P99 => "at the 99th percentile",
        }
    }
}

/// Which end of the intervals to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The ends that favour the split.
    Best,
    /// The point estimates.
    Middle,
    /// The ends that speak against it.
    Worst,
}

/// A number of the monolith and of the split, both measured or both simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effect {
    pub(crate) before: Interval,
    pub(crate) after: Interval,
    pub(crate) source: Source,
}

impl Effect {
    /// Before and after where a larger number is worse; swap the bounds where it is better.
    pub(crate) fn at(&self, bound: Bound) -> (f64, f64) {
        match bound {
            Bound::Best => (self.before.high, self.after.low),
            Bound::Middle => (self.before.value, self.after.value),
            Bound::Worst => (self.before.low, self.after.high),
        }
    }

    pub(crate) fn ratio(&self) -> f64 {
        self.after.value / self.before.value
    }

    /// The effect on a quantile of an endpoint's response time: measured where both sides were, else simulated.
    pub(crate) fn of_endpoint(endpoint: &EndpointEvaluation, quantile: Quantile) -> Option<Self> {
        let pick = |before: Option<Quantiles>, after: Option<Quantiles>, source| {
            Some(Self { before: quantile.of(&before?), after: quantile.of(&after?), source })
        };
        pick(endpoint.baseline_measured, endpoint.measured, Source::Measured)
            .or_else(|| pick(endpoint.baseline, endpoint.estimate, Source::Simulated))
    }

    /// The effect on a number of the whole split, by the same rule.
    pub(crate) fn of_pairs(before: Pair, after: Pair) -> Option<Self> {
        let pick = |before: Option<Interval>, after: Option<Interval>, source| {
            Some(Self { before: before?, after: after?, source })
        };
        pick(before.measured, after.measured, Source::Measured)
            .or_else(|| pick(before.estimate, after.estimate, Source::Simulated))
    }
}

/// An average over the workload's mix of endpoints, weighted by their recorded requests.
pub(crate) fn per_request(split: &SplitEvaluation, of: impl Fn(&EndpointEvaluation) -> f64) -> f64 {
    let total: u64 = split.endpoints.iter().map(|e| e.requests).sum();
    if total == 0 {
        return 0.0;
    }
    split.endpoints.iter().map(|e| of(e) * e.requests as f64).sum::<f64>() / total as f64
}
