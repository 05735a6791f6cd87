//! Durations, instants and intervals, each with its unit in its name.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

use serde::{Deserialize, Serialize};

/// A duration, or an instant on a clock whose origin the context names, in whole nanoseconds.
///
/// # Units
/// Nanoseconds. Subtraction saturates at zero: measured differences may be slightly negative, durations may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(u64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Later than everything.
    pub const MAX: Self = Self(u64::MAX);

    /// From whole nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From whole microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros * 1_000)
    }

    /// From whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// From seconds; negative and non-finite values become zero.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self::from_nanos_f64(secs * 1e9)
    }

    /// From a nanosecond count that came out of statistics; negative and non-finite values become zero.
    pub fn from_nanos_f64(nanos: f64) -> Self {
        if nanos.is_finite() && nanos > 0.0 { Self(nanos.round() as u64) } else { Self::ZERO }
    }

    /// Whole nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds for statistics.
    pub fn as_nanos_f64(self) -> f64 {
        self.0 as f64
    }

    /// Milliseconds for people.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<f64> for Nanos {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self::from_nanos_f64(self.0 as f64 * factor)
    }
}

impl Sum for Nanos {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// A value with its 90 % interval, in the unit that the field holding it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The point estimate: the median of the replications or rounds it came from.
    pub value: f64,
    /// The 5th percentile of those replications or rounds.
    pub low: f64,
    /// The 95th percentile.
    pub high: f64,
}

impl Interval {
    /// The median, 5th and 95th percentile of `samples`; `None` without samples.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.iter().copied().filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self { value: quantile(&sorted, 0.5)?, low: quantile(&sorted, 0.05)?, high: quantile(&sorted, 0.95)? })
    }

    /// The same interval in another unit.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }
}

/// The `q`-quantile of values already sorted ascending, interpolated linearly; `None` when empty.
///
/// # Source
/// Hyndman & Fan (1996), definition 7, the default of R and `NumPy`.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile_interpolates() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn durations_do_not_go_below_zero() {
        assert_eq!(Nanos::from_nanos(3) - Nanos::from_nanos(5), Nanos::ZERO);
        assert_eq!(Nanos::from_nanos_f64(f64::NAN), Nanos::ZERO);
    }
}
