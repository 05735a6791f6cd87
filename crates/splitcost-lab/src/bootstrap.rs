//! Intervals from rounds: whole rounds are resampled, never requests.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use splitcost_model::quantity::{Interval, quantile};

/// Chosen: the 5th and 95th percentile of 200 resamples stand on ten resamples each.
const RESAMPLES: usize = 200;

/// A statistic of all rounds, and its 90 % interval over resampled rounds.
///
/// # Source
/// Kalibera & Jones (ISMM'13): resample at the level at which runs are repeated.
pub fn over_rounds(rounds: usize, seed: u64, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Interval> {
    let [interval] = several_over_rounds(rounds, seed, |picked| Some([statistic(picked)?]))?;
    Some(interval)
}

/// Several statistics that come out of one computation.
pub fn several_over_rounds<const N: usize>(
    rounds: usize,
    seed: u64,
    statistics: impl Fn(&[usize]) -> Option<[f64; N]>,
) -> Option<[Interval; N]> {
    let all: Vec<usize> = (0..rounds).collect();
    let values = statistics(&all)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut samples: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(RESAMPLES));
    for _ in 0..RESAMPLES {
        let picked: Vec<usize> = all.iter().map(|_| rng.random_range(0..rounds)).collect();
        // A resample may hold no request of a rare endpoint.
        for (sample, value) in samples.iter_mut().zip(statistics(&picked).into_iter().flatten()) {
            sample.push(value);
        }
    }
    let mut intervals = values.map(|value| Interval { value, low: value, high: value });
    for (interval, sample) in intervals.iter_mut().zip(&mut samples) {
        sample.sort_by(f64::total_cmp);
        interval.low = quantile(sample, 0.05).unwrap_or(interval.value).min(interval.value);
        interval.high = quantile(sample, 0.95).unwrap_or(interval.value).max(interval.value);
    }
    Some(intervals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_holds_it_and_shrinks_with_rounds() {
        let mean = |values: &[f64]| {
            let of = |picked: &[usize]| Some(picked.iter().map(|i| values[*i]).sum::<f64>() / picked.len() as f64);
            over_rounds(values.len(), 1, of).unwrap()
        };
        let few = mean(&[1.0, 2.0, 3.0, 4.0]);
        let many = mean(&[1.0, 2.0, 3.0, 4.0].repeat(25));
        assert_eq!((few.value, many.value), (2.5, 2.5));
        assert!(few.low < many.low && many.low < 2.5 && 2.5 < many.high && many.high < few.high);
        assert_eq!(over_rounds(0, 1, |picked| picked.first().map(|_| 1.0)), None);
    }
}
