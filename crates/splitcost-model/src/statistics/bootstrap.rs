//! The bootstrap: intervals from rounds that were repeated.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::interval::{Interval, Level};
use super::quantile::{quantile, sorted};

/// A bootstrap over rounds: whole rounds are resampled, never requests, because requests of a round are not independent.
///
/// # Source
/// Paper: Kalibera & Jones, "Rigorous benchmarking in reasonable time" (ISMM'13): resample at the level at which runs are
/// repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The level of the intervals.
    pub level: Level,
    /// The number of times that the rounds are resampled.
    pub resamples: u32,
    /// The seed of the resampling. Equal seeds give equal intervals.
    pub seed: u64,
}

impl Bootstrap {
    /// Returns the bootstrap of 90 % intervals.
    pub const fn ninety(seed: u64) -> Self {
        // Chosen: the 5th and 95th percentile of 200 resamples stand on ten resamples each.
        Self { level: Level::NINETY, resamples: 200, seed }
    }

    /// Returns the bootstrap of 98 % intervals.
    pub const fn ninety_eight(seed: u64) -> Self {
        // Chosen: the 1st and 99th percentile of 1,000 resamples stand on ten resamples each.
        Self { level: Level::NINETY_EIGHT, resamples: 1_000, seed }
    }

    /// Returns a statistic of all rounds with its interval over resampled rounds; `None` where all rounds together have no
    /// such statistic.
    ///
    /// `statistic` is given the indices of the rounds, some of them repeated.
    pub fn interval(&self, rounds: usize, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Interval> {
        let [interval] = self.intervals(rounds, |picked| Some([statistic(picked)?]))?;
        Some(interval)
    }

    /// Returns several statistics that come out of one computation, each with its interval.
    pub fn intervals<const N: usize>(
        &self,
        rounds: usize,
        statistics: impl Fn(&[usize]) -> Option<[f64; N]>,
    ) -> Option<[Interval; N]> {
        let all: Vec<usize> = (0..rounds).collect();
        let values = statistics(&all)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut samples: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(self.resamples as usize));
        for _ in 0..self.resamples {
            let picked: Vec<usize> = all.iter().map(|_| rng.random_range(0..rounds)).collect();
            // A resample may hold no request of a rare endpoint.
            for (sample, value) in samples.iter_mut().zip(statistics(&picked).into_iter().flatten()) {
                sample.push(value);
            }
        }
        let [low, high] = self.level.tails();
        let mut intervals = values.map(|value| Interval::new(self.level, value, value, value));
        for (interval, sample) in intervals.iter_mut().zip(samples) {
            let sample = sorted(sample);
            // The statistic itself belongs to its interval, also where few rounds make the resamples lopsided.
            interval.low = quantile(&sample, low).unwrap_or(interval.value).min(interval.value);
            interval.high = quantile(&sample, high).unwrap_or(interval.value).max(interval.value);
        }
        Some(intervals)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::{mean, median};

    fn mean_of(values: &[f64], bootstrap: Bootstrap) -> Option<Interval> {
        bootstrap.interval(values.len(), |picked| mean(picked.iter().map(|&i| values[i])))
    }

    #[test]
    fn the_interval_of_a_mean_contains_it_and_narrows_with_more_rounds() {
        let few = mean_of(&[1.0, 2.0, 3.0, 4.0], Bootstrap::ninety(1)).unwrap();
        let many = mean_of(&[1.0, 2.0, 3.0, 4.0].repeat(25), Bootstrap::ninety(1)).unwrap();
        assert_eq!((few.value, many.value), (2.5, 2.5));
        assert!(few.low < many.low && many.low < 2.5 && 2.5 < many.high && many.high < few.high);
        assert_eq!(mean_of(&[], Bootstrap::ninety(1)), None);
    }

    #[test]
    fn the_interval_of_a_mean_covers_it_as_often_as_its_level() {
        // The mean of 30 uniform values is 0.5 in truth.
        let covered = |bootstrap: fn(u64) -> Bootstrap| {
            let contains = |seed: u64| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let values: Vec<f64> = (0..30).map(|_| rng.random()).collect();
                mean_of(&values, bootstrap(seed)).unwrap().contains(0.5)
            };
            (0..400).filter(|&seed| contains(seed)).count()
        };
        // 360 and 392 of 400 are expected, less a little because the percentile bootstrap is narrow for few rounds.
        assert!((340..=375).contains(&covered(Bootstrap::ninety)), "{}", covered(Bootstrap::ninety));
        assert!((380..=399).contains(&covered(Bootstrap::ninety_eight)), "{}", covered(Bootstrap::ninety_eight));
    }

    #[test]
    fn a_statistic_that_some_resamples_lack_has_an_interval() {
        let rare = [None, None, Some(3.0)];
        let interval = Bootstrap::ninety(1).interval(3, |picked| median(picked.iter().filter_map(|&i| rare[i])));
        assert_eq!(interval, Some(Interval::new(Level::NINETY, 3.0, 3.0, 3.0)));
    }

    proptest! {
        #[test]
        fn an_interval_contains_its_statistic_and_lies_within_the_statistics_bounds(
            values in prop::collection::vec(-1e6_f64..1e6, 1..40),
            percent in 1_u8..=100,
            seed: u64,
        ) {
            let level = Level::new(percent).expect("it is between 1 and 100");
            let bootstrap = Bootstrap { level, resamples: 50, seed };
            let found = bootstrap.interval(values.len(), |picked| median(picked.iter().map(|&i| values[i]))).unwrap();
            let all = sorted(values.iter().copied());
            prop_assert!(found.contains(found.value));
            // The median of any resample is between the smallest and the largest value.
            prop_assert!(all[0] <= found.low && found.high <= all[all.len() - 1]);
            prop_assert_eq!(found.level, level);
        }

        #[test]
        fn equal_seeds_give_equal_intervals(values in prop::collection::vec(-1e6_f64..1e6, 1..20), seed: u64) {
            prop_assert_eq!(mean_of(&values, Bootstrap::ninety(seed)), mean_of(&values, Bootstrap::ninety(seed)));
        }

        #[test]
        fn a_higher_level_is_not_narrower(values in prop::collection::vec(-1e6_f64..1e6, 1..20), seed: u64) {
            let of = |level| mean_of(&values, Bootstrap { level, resamples: 50, seed }).unwrap();
            let (ninety, more) = (of(Level::NINETY), of(Level::NINETY_EIGHT));
            prop_assert!(more.low <= ninety.low && ninety.high <= more.high);
        }
    }
}
