//! Comparisons of two things on a machine that is never quiet: a control, many short rounds, and three verdicts.
//!
//! # Source
//! Rounds: RMIT (Abedi & Brecht, ICPE'17) and duet benchmarking (Bulej et al., ICPE'20). Resampling of whole rounds:
//! Kalibera & Jones (ISMM'13). Requests are never resampled: they are not independent, and tests on them find a difference
//! between equal things.

use super::bootstrap::Bootstrap;
use super::quantile::median;
use crate::bench::{Change, Verdict};

/// The fewest rounds that a verdict needs.
///
/// Chosen: the interval of a median of fewer values is their range, which says nothing about values beyond it.
pub const FEWEST_ROUNDS: usize = 6;
/// More rounds than this are not asked for.
///
/// Chosen: where so many are needed, the machine is the problem, not the number of rounds.
const MOST_ROUNDS: f64 = 10_000.0;

/// Returns how a figure changed, from the logarithm of its ratio in each round; `None` without rounds.
///
/// The ratio is the median over the rounds with its 98 % interval: several figures are compared at a time, and each gets more
/// than the usual 90 %. The verdict is [`Verdict::Different`] where the whole interval lies beyond `margin`,
/// [`Verdict::Same`] where it lies within, and [`Verdict::Inconclusive`] otherwise. `margin` is a share: 0.03 is 3 %.
pub fn change(log_ratios: &[f64], margin: f64, seed: u64) -> Option<Change> {
    let log = Bootstrap::ninety_eight(seed)
        .interval(log_ratios.len(), |picked| median(picked.iter().map(|&round| log_ratios[round])))?;
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
    Some(Change { ratio: log.map(f64::exp), verdict, more_rounds })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::statistics::Level;

    /// Log ratios of rounds whose ratio is `ratio`, with normal noise of a standard deviation of `noise`.
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
            // Where very many rounds are asked for, two hundred settle the matter as well, and take less time here.
            let more = usize::try_from(first.more_rounds.unwrap_or_default()).unwrap_or_default().min(100);
            let second =
                change(&rounds(1.10, 0.12, 10 + more * 2, seed + 1_000), 0.03, seed).expect("there are rounds");
            settled += usize::from(second.verdict == Verdict::Different);
        }
        assert!(settled >= 60, "{settled} of 100");
    }

    proptest! {
        #[test]
        fn exchanged_arms_give_the_inverse_ratio_and_the_same_verdict(
            logs in prop::collection::vec(-0.5_f64..0.5, 1..40),
            seed: u64,
        ) {
            let exchanged: Vec<f64> = logs.iter().map(|log| -log).collect();
            let (one, other) = (change(&logs, 0.03, seed).unwrap(), change(&exchanged, 0.03, seed).unwrap());
            let inverse = |a: f64, b: f64| (a.ln() + b.ln()).abs() < 1e-9;
            prop_assert!(inverse(one.ratio.value, other.ratio.value));
            prop_assert!(inverse(one.ratio.low, other.ratio.high) && inverse(one.ratio.high, other.ratio.low));
            prop_assert_eq!((one.verdict, one.more_rounds), (other.verdict, other.more_rounds));
            prop_assert_eq!(one.ratio.level, Level::NINETY_EIGHT);
        }

        #[test]
        fn equal_seeds_give_equal_changes(logs in prop::collection::vec(-0.5_f64..0.5, 1..20), seed: u64) {
            prop_assert_eq!(change(&logs, 0.03, seed), change(&logs, 0.03, seed));
        }
    }
}
