//! A value with an interval around it, and the level of that interval.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::quantile::{quantile, sorted};

/// The share of outcomes, in percent, that an interval covers.
///
/// In JSON it is the number `level_percent`. Documents without it were written when every interval was a 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Level(u8);

impl Level {
    /// 90 %: from the 5th to the 95th percentile. The level of everything but comparisons.
    pub const NINETY: Self = Self(90);
    /// 98 %: from the 1st to the 99th percentile. The level of comparisons, which test several figures at a time.
    pub const NINETY_EIGHT: Self = Self(98);
    /// 100 %: both ends belong to the interval because the value is known exactly, or because nothing was left out.
    pub const EXACT: Self = Self(100);

    /// Returns the level of so many percent, or `None` where that is not between 1 and 100.
    pub const fn new(percent: u8) -> Option<Self> {
        match percent {
            1..=100 => Some(Self(percent)),
            _ => None,
        }
    }

    /// Returns the level in percent.
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// Returns the shares of outcomes below the lower and below the upper end: 0.05 and 0.95 at 90 %.
    pub fn tails(self) -> [f64; 2] {
        let percent = f64::from(self.0);
        [(100.0 - percent) / 200.0, (100.0 + percent) / 200.0]
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::NINETY
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

impl TryFrom<u8> for Level {
    type Error = &'static str;
    fn try_from(percent: u8) -> Result<Self, Self::Error> {
        Self::new(percent).ok_or("the level of an interval is not between 1 and 100 percent")
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level.0
    }
}

/// A value with an interval around it, in the unit that the field holding it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The point estimate.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The share of outcomes between the two ends.
    #[serde(rename = "level_percent", default)]
    pub level: Level,
}

impl Interval {
    /// Returns the interval with these ends, which hold at `level`.
    pub const fn new(level: Level, value: f64, low: f64, high: f64) -> Self {
        Self { value, low, high, level }
    }

    /// Returns the interval of a value that is known exactly: both ends are the value.
    pub const fn exact(value: f64) -> Self {
        Self::new(Level::EXACT, value, value, value)
    }

    /// Returns the median of `samples` with their 5th and 95th percentile, which is where 90 % of the replications or rounds
    /// lie; `None` without finite samples.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples.iter().copied().filter(|x| x.is_finite()));
        let [low, high] = Level::NINETY.tails();
        Some(Self::new(Level::NINETY, quantile(&sorted, 0.5)?, quantile(&sorted, low)?, quantile(&sorted, high)?))
    }

    /// Returns the interval in another unit, of which `factor` make one of the present unit.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        self.map(|x| x * factor)
    }

    /// Returns the interval of this quantity plus a constant.
    #[must_use]
    pub fn shift(self, amount: f64) -> Self {
        self.map(|x| x + amount)
    }

    /// Returns the interval of a monotone function of the quantity: a monotone function keeps quantiles, so the level stays.
    /// A decreasing function exchanges the ends.
    #[must_use]
    pub fn map(self, monotone: impl Fn(f64) -> f64) -> Self {
        let (low, high) = (monotone(self.low), monotone(self.high));
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        Self { value: monotone(self.value), low, high, level: self.level }
    }

    /// Returns the quotient of two positive quantities whose errors are independent: the logarithms' errors add up as squares.
    /// Returns `None` where one of them is zero.
    pub fn divided_by(self, other: Self) -> Option<Self> {
        let value = self.value / other.value;
        let error = |ours: f64, theirs: f64| (ours / self.value).ln().hypot((theirs / other.value).ln());
        let [low, high] = [-error(self.low, other.high), error(self.high, other.low)].map(|error| value * error.exp());
        [value, low, high].iter().all(|x| x.is_finite() && *x > 0.0).then(|| Self::new(self.level, value, low, high))
    }

    /// Returns true where both intervals have a value in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    /// Returns the largest change, as a share, that this ratio of two equal things allows them to differ by: their noise.
    pub fn noise_floor(self) -> f64 {
        self.high.max(1.0 / self.low.max(f64::MIN_POSITIVE)).max(1.0) - 1.0
    }

    /// Returns true if this ratio differs from one by more than that of two equal things, the noise, may.
    pub fn is_beyond(self, noise: Self) -> bool {
        let most = 1.0 + noise.noise_floor();
        self.low > most || self.high < 1.0 / most
    }

    /// Returns whether `x` lies between the ends, which belong to the interval.
    pub fn contains(self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_tails_of_a_level_are_its_percentiles() {
        let tails = |level: Level| level.tails().map(|share| share.to_string());
        assert_eq!(tails(Level::NINETY), ["0.05", "0.95"]);
        assert_eq!(tails(Level::NINETY_EIGHT), ["0.01", "0.99"]);
        assert_eq!(tails(Level::EXACT), ["0", "1"]);
        assert_eq!((Level::new(0), Level::new(101)), (None, None));
    }

    #[test]
    fn json_names_the_level_and_old_json_means_90_percent() {
        let interval = Interval::new(Level::NINETY_EIGHT, 2.0, 1.0, 3.0);
        let json = serde_json::to_string(&interval).unwrap();
        assert_eq!(json, r#"{"value":2.0,"low":1.0,"high":3.0,"level_percent":98}"#);
        let old: Interval = serde_json::from_str(r#"{"value":2.0,"low":1.0,"high":3.0}"#).unwrap();
        assert_eq!(old.level, Level::NINETY);
        let wrong = serde_json::from_str::<Interval>(r#"{"value":2,"low":1,"high":3,"level_percent":0}"#).unwrap_err();
        assert!(wrong.to_string().starts_with("the level of an interval is not between 1 and 100 percent"), "{wrong}");
    }

    fn ninety([value, low, high]: [f64; 3]) -> Interval {
        Interval::new(Level::NINETY, value, low, high)
    }

    #[test]
    fn a_quotient_is_as_uncertain_as_both_together() {
        let [split, monolith] = [ninety([6.0, 3.0, 12.0]), ninety([2.0, 2.0, 2.0])];
        assert_eq!(split.divided_by(monolith), Some(ninety([3.0, 1.5, 6.0])));
        let both = split.divided_by(ninety([2.0, 1.0, 4.0])).unwrap();
        let share = 2_f64.powf(2_f64.sqrt());
        assert!((both.low - 3.0 / share).abs() < 1e-9 && (both.high - 3.0 * share).abs() < 1e-9, "{both:?}");
        assert_eq!(split.divided_by(ninety([0.0; 3])), None);
        assert_eq!(ninety([1.0, 0.0, 2.0]).divided_by(monolith), None);
    }

    #[test]
    fn a_difference_below_the_noise_is_none() {
        let noise = ninety([1.0, 0.98, 1.03]);
        assert!(ninety([1.1, 1.05, 1.15]).is_beyond(noise) && ninety([0.9, 0.85, 0.95]).is_beyond(noise));
        assert!(!ninety([1.05, 1.02, 1.08]).is_beyond(noise) && !ninety([1.0, 0.99, 1.01]).is_beyond(noise));
        // The copy that was slower could as well have been the first.
        assert!(!ninety([0.95, 0.94, 0.96]).is_beyond(ninety([1.1, 1.05, 1.15])));
        assert!((noise.noise_floor() - 0.03).abs() < 1e-12);
    }

    #[test]
    fn intervals_overlap_where_they_have_a_value_in_common() {
        let [one, two, three] = [[1.0, 0.5, 1.5], [2.0, 1.5, 2.5], [3.0, 2.6, 3.5]].map(ninety);
        assert!(one.overlaps(two) && two.overlaps(one) && !two.overlaps(three) && !three.overlaps(one));
    }

    #[test]
    fn samples_that_are_not_finite_do_not_count() {
        assert_eq!(Interval::of(&[1.0, f64::NAN, 3.0, f64::INFINITY]).map(|i| i.value), Some(2.0));
        assert_eq!(Interval::of(&[f64::NAN]), None);
    }

    fn interval() -> impl Strategy<Value = Interval> {
        let level = (1_u8..=100).prop_map(|percent| Level::new(percent).expect("it is between 1 and 100"));
        let ends = prop::array::uniform3(-1e9_f64..1e9);
        (level, ends).prop_map(|(level, mut ends)| {
            ends.sort_by(f64::total_cmp);
            Interval::new(level, ends[1], ends[0], ends[2])
        })
    }

    fn is_ordered(interval: Interval) -> bool {
        interval.contains(interval.value)
    }

    proptest! {
        #[test]
        fn arithmetic_keeps_the_level_and_the_order(x in interval(), factor in -1e3_f64..1e3, amount in -1e9_f64..1e9) {
            for y in [x.scale(factor), x.shift(amount), x.map(|x| (x / 1e9).exp())] {
                prop_assert_eq!(y.level, x.level);
                prop_assert!(is_ordered(y), "{:?}", y);
            }
        }

        #[test]
        fn json_round_trips(x in interval()) {
            let json = serde_json::to_string(&x).unwrap();
            prop_assert_eq!(serde_json::from_str::<Interval>(&json).unwrap(), x);
        }

        #[test]
        fn the_interval_of_samples_lies_within_them(samples in prop::collection::vec(-1e9_f64..1e9, 1..50)) {
            let found = Interval::of(&samples).expect("there are samples");
            let all = sorted(samples.iter().copied());
            prop_assert!(is_ordered(found));
            prop_assert!(all[0] <= found.low && found.high <= all[all.len() - 1]);
            prop_assert_eq!(found.level, Level::NINETY);
        }
    }
}
