//! How far past predictions were off, and intervals that know it.

use serde::{Deserialize, Serialize};

use crate::evaluation::{Pair, Quantiles, SplitEvaluation};
use crate::statistics::{Interval, quantile};

/// Chosen: the last few evaluations of a service of ordinary size; older ones knew an older machine.
const MOST: usize = 500;
/// Chosen: two evaluations of two splits; the 5th percentile of so few is their minimum.
const FEWEST: usize = 8;

/// The logarithms of measured over predicted, by kind of figure, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Residuals {
    /// Medians of response times, of monolith and split.
    pub p50: Vec<f64>,
    /// 90th percentiles.
    pub p90: Vec<f64>,
    /// 99th percentiles.
    pub p99: Vec<f64>,
    /// CPU per request.
    pub cpu: Vec<f64>,
    /// Throughput at saturation.
    pub saturation: Vec<f64>,
}

impl Residuals {
    /// What a rehearsed split shows.
    pub fn of(split: &SplitEvaluation) -> Self {
        let mut all = Self::default();
        for endpoint in &split.endpoints {
            let arms = [(&endpoint.baseline, &endpoint.baseline_measured), (&endpoint.estimate, &endpoint.measured)];
            for (predicted, measured) in arms {
                let (Some(predicted), Some(measured)) = (predicted, measured) else { continue };
                note(&mut all.p50, Some(predicted.p50_ms), Some(measured.p50_ms));
                note(&mut all.p90, Some(predicted.p90_ms), Some(measured.p90_ms));
                note(&mut all.p99, Some(predicted.p99_ms), Some(measured.p99_ms));
            }
        }
        for pair in [split.baseline_cpu_secs_per_request, split.cpu_secs_per_request] {
            note(&mut all.cpu, pair.estimate, pair.measured);
        }
        for pair in [split.baseline_saturation_reqs_per_sec, split.saturation_reqs_per_sec] {
            note(&mut all.saturation, pair.estimate, pair.measured);
        }
        all
    }

    /// Adds later ones; the oldest go.
    pub fn extend(&mut self, later: Self) {
        let kinds = [
            (&mut self.p50, later.p50),
            (&mut self.p90, later.p90),
            (&mut self.p99, later.p99),
            (&mut self.cpu, later.cpu),
            (&mut self.saturation, later.saturation),
        ];
        for (all, new) in kinds {
            all.extend(new);
            all.drain(..all.len().saturating_sub(MOST));
        }
    }

    /// Widens a prediction's intervals by the 5th and the 95th percentile of what past ones were off; values stay.
    /// Kinds of which little is known stay as they are.
    pub fn widen(&self, split: &mut SplitEvaluation) {
        let of_times = [&self.p50, &self.p90, &self.p99].map(|logs| margin(logs));
        for endpoint in &mut split.endpoints {
            for times in [&mut endpoint.baseline, &mut endpoint.estimate, &mut endpoint.estimate_if_async] {
                let Some(Quantiles { p50_ms, p90_ms, p99_ms }) = times else { continue };
                for (interval, margin) in [p50_ms, p90_ms, p99_ms].into_iter().zip(of_times) {
                    apply(margin, interval);
                }
            }
        }
        let cpu = [&mut split.baseline_cpu_secs_per_request, &mut split.cpu_secs_per_request];
        let busy = [&mut split.baseline_cores, &mut split.cores];
        let money = [&mut split.baseline_usd_per_month, &mut split.usd_per_month];
        apply_all(margin(&self.cpu), cpu.into_iter().chain(busy).chain(money));
        let saturation = [&mut split.baseline_saturation_reqs_per_sec, &mut split.saturation_reqs_per_sec];
        apply_all(margin(&self.saturation), saturation.into_iter());
    }

    /// Whether there is enough to widen response times.
    pub fn is_known(&self) -> bool {
        margin(&self.p50).is_some()
    }
}

fn note(all: &mut Vec<f64>, predicted: Option<Interval>, measured: Option<Interval>) {
    if let (Some(predicted), Some(measured)) = (predicted, measured)
        && predicted.value > 0.0
        && measured.value > 0.0
    {
        all.push((measured.value / predicted.value).ln());
    }
}

/// Factors on the lower and the upper end.
fn margin(logs: &[f64]) -> Option<(f64, f64)> {
    if logs.len() < FEWEST {
        return None;
    }
    let mut sorted = logs.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((quantile(&sorted, 0.05)?.min(0.0).exp(), quantile(&sorted, 0.95)?.max(0.0).exp()))
}

fn apply(margin: Option<(f64, f64)>, interval: &mut Interval) {
    if let Some((low, high)) = margin {
        interval.low *= low;
        interval.high *= high;
    }
}

fn apply_all<'a>(margin: Option<(f64, f64)>, pairs: impl Iterator<Item = &'a mut Pair>) {
    for interval in pairs.filter_map(|pair| pair.estimate.as_mut()) {
        apply(margin, interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::EndpointEvaluation;
    use crate::statistics::Level;

    fn interval(value: f64) -> Interval {
        Interval::new(Level::NINETY, value, value * 0.99, value * 1.01)
    }

    /// A split whose figures came out `off` times as large as predicted.
    fn split(predicted: f64, off: f64) -> SplitEvaluation {
        let quantiles =
            |value| Some(Quantiles { p50_ms: interval(value), p90_ms: interval(value), p99_ms: interval(value) });
        let pair = Pair { estimate: Some(interval(predicted)), measured: Some(interval(predicted * off)) };
        let endpoint = EndpointEvaluation {
            baseline: quantiles(predicted),
            baseline_measured: quantiles(predicted * off),
            estimate: quantiles(predicted),
            measured: quantiles(predicted * off),
            ..EndpointEvaluation::default()
        };
        SplitEvaluation {
            endpoints: vec![endpoint],
            cpu_secs_per_request: pair,
            saturation_reqs_per_sec: pair,
            ..SplitEvaluation::default()
        }
    }

    #[test]
    fn past_errors_would_have_been_inside() {
        let mut residuals = Residuals::default();
        let offs: Vec<f64> = (0..40).map(|i| 0.8 + f64::from(i) * 0.01).collect();
        for off in &offs {
            residuals.extend(Residuals::of(&split(5.0, *off)));
        }
        let mut next = split(7.0, 1.0);
        residuals.widen(&mut next);
        let estimate = next.endpoints[0].estimate.expect("it stays");
        for interval in [Some(estimate.p50_ms), Some(estimate.p99_ms), next.cpu_secs_per_request.estimate] {
            let interval = interval.expect("it stays");
            assert!((interval.value - 7.0).abs() < 1e-9);
            let inside = offs.iter().filter(|off| (interval.low..=interval.high).contains(&(7.0 * **off))).count();
            assert!((36..40).contains(&inside), "{inside} of 40 inside {interval:?}");
        }
    }

    #[test]
    fn little_is_no_knowledge() {
        let mut residuals = Residuals::default();
        residuals.extend(Residuals::of(&split(5.0, 3.0)));
        assert!(!residuals.is_known());
        let (mut next, before) = (split(7.0, 1.0), split(7.0, 1.0));
        residuals.widen(&mut next);
        assert_eq!(next, before);
    }

    #[test]
    fn the_oldest_go() {
        let mut residuals = Residuals::default();
        for off in 0..1_000 {
            residuals.extend(Residuals::of(&split(1.0, f64::from(off + 1))));
        }
        assert_eq!((residuals.p50.len(), residuals.cpu.len()), (500, 500));
        assert!((residuals.cpu[499] - 1_000_f64.ln()).abs() < 1e-9);
    }
}
