//! Comparing two things on a machine that is never quiet: a control, many short rounds, and three verdicts.
//!
//! # Source
//! Rounds: RMIT (Abedi & Brecht, ICPE'17), duet benchmarking (Bulej et al., ICPE'20). Resampling whole rounds: Kalibera &
//! Jones (ISMM'13). Requests are never resampled: they are not independent, and tests on them call equal things different.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use splitcost_model::bench::{Change, Verdict};
use splitcost_model::quantity::{Interval, quantile};

/// Chosen: the 1st and 99th percentile of 1,000 resamples stand on ten resamples each.
const RESAMPLES: usize = 1_000;
/// Ends of the interval. Several figures are compared at a time, so each gets more than the usual 90 %.
const ENDS: (f64, f64) = (0.01, 0.99);
/// Fewest rounds that a verdict stands on.
///
/// Chosen: the interval of a median of fewer values is their range, and there is none beyond.
pub const FEWEST_ROUNDS: usize = 6;
/// More rounds than this are not asked for: the machine is at fault, not the number of rounds.
const MOST_ROUNDS: f64 = 10_000.0;

/// What the logarithms of the rounds' ratios say: different when their whole 98 % interval lies beyond `margin`, the same
/// when it lies within, else inconclusive.
///
/// `margin` is a share: 0.03 is 3 %. `None` without rounds.
pub fn change(log_ratios: &[f64], margin: f64, seed: u64) -> Option<Change> {
    let log = median_interval(log_ratios, seed)?;
    let edge = (1.0 + margin).ln();
    let enough = log_ratios.len() >= FEWEST_ROUNDS;
    let verdict = if enough && (log.low > edge || log.high < -edge) {
        Verdict::Different
    } else if enough && log.low > -edge && log.high < edge {
        Verdict::Same
    } else {
        Verdict::Inconclusive
    };
    // An interval narrows with the square root of the rounds; it must fit between the value and the edge it is nearest to.
    let room = (log.value.abs() - edge).abs().max(1e-3);
    let half = (log.high - log.value).max(log.value - log.low);
    let wanted = log_ratios.len() as f64 * (half / room).powi(2);
    let wanted = wanted.clamp(FEWEST_ROUNDS as f64, MOST_ROUNDS).ceil() as u64;
    let more_rounds = match verdict {
        Verdict::Inconclusive => Some(wanted.saturating_sub(log_ratios.len() as u64).max(1)),
        _ => None,
    };
    let ratio = Interval { value: log.value.exp(), low: log.low.exp(), high: log.high.exp() };
    Some(Change { ratio, verdict, more_rounds })
}

/// The median, and its interval over resampled rounds.
fn median_interval(values: &[f64], seed: u64) -> Option<Interval> {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        quantile(&values, 0.5)
    };
    let value = median(values.to_vec())?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| median(values.iter().map(|_| values[rng.random_range(0..values.len())]).collect()))
        .collect();
    medians.sort_by(f64::total_cmp);
    Some(Interval { value, low: quantile(&medians, ENDS.0)?, high: quantile(&medians, ENDS.1)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of a noise of some percent around a ratio.
    fn rounds(ratio: f64, noise: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        (0..count).map(|_| ratio.ln() + noise * normal()).collect()
    }

    fn verdicts(ratio: f64, noise: f64, count: usize, margin: f64) -> [usize; 3] {
        let mut counts = [0; 3];
        for seed in 0..200 {
            let change = change(&rounds(ratio, noise, count, seed), margin, seed).expect("there are rounds");
            counts[match change.verdict {
                Verdict::Different => 0,
                Verdict::Same => 1,
                Verdict::Inconclusive => 2,
            }] += 1;
        }
        counts
    }

    #[test]
    fn equal_things_are_not_called_different() {
        assert_eq!(verdicts(1.0, 0.10, 20, 0.03)[0], 0);
        assert_eq!(verdicts(1.0, 0.02, 20, 0.03)[0], 0);
    }

    #[test]
    fn a_tenth_is_found() {
        assert!(verdicts(1.10, 0.05, 20, 0.03)[0] >= 190);
        assert!(verdicts(0.90, 0.05, 20, 0.03)[0] >= 190);
    }

    #[test]
    fn equal_things_are_called_the_same_where_noise_allows() {
        assert!(verdicts(1.0, 0.02, 30, 0.03)[1] >= 190);
        assert_eq!(verdicts(1.0, 0.02, 30, 0.03)[0], 0);
    }

    #[test]
    fn few_rounds_are_inconclusive_and_ask_for_more() {
        let change = change(&[0.5, 0.5, 0.5], 0.03, 1).expect("there are rounds");
        assert_eq!((change.verdict, change.more_rounds), (Verdict::Inconclusive, Some(3)));
        assert!(super::change(&[], 0.03, 1).is_none());
    }

    #[test]
    fn as_many_rounds_as_asked_for_are_enough_most_of_the_time() {
        let mut settled = 0;
        for seed in 0..100 {
            let first = change(&rounds(1.10, 0.12, 10, seed), 0.03, seed).expect("there are rounds");
            let more = usize::try_from(first.more_rounds.unwrap_or_default()).unwrap_or_default();
            let second =
                change(&rounds(1.10, 0.12, 10 + more * 2, seed + 1_000), 0.03, seed).expect("there are rounds");
            settled += usize::from(second.verdict == Verdict::Different);
        }
        assert!(settled >= 60, "{settled} of 100");
    }
}
