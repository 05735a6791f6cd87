//! Durations and instants, with their unit in their name.

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
    /// A duration of zero.
    pub const ZERO: Self = Self(0);
    /// The longest duration, or an instant after all others.
    pub const MAX: Self = Self(u64::MAX);

    /// Creates a duration from whole nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Creates a duration from whole microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros * 1_000)
    }

    /// Creates a duration from whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Creates a duration from seconds; negative and non-finite values become zero.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self::from_nanos_f64(secs * 1e9)
    }

    /// Creates a duration from a nanosecond count that statistics computed; negative and non-finite values become zero.
    pub fn from_nanos_f64(nanos: f64) -> Self {
        if nanos.is_finite() && nanos > 0.0 { Self(nanos.round() as u64) } else { Self::ZERO }
    }

    /// Returns whole nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns nanoseconds for statistics.
    pub fn as_nanos_f64(self) -> f64 {
        self.0 as f64
    }

    /// Returns milliseconds, which people read.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Returns seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Returns whether the duration is zero.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_do_not_go_below_zero() {
        assert_eq!(Nanos::from_nanos(3) - Nanos::from_nanos(5), Nanos::ZERO);
        assert_eq!(Nanos::from_nanos_f64(f64::NAN), Nanos::ZERO);
    }

    proptest! {
        #[test]
        fn json_round_trips(nanos: u64) {
            let json = serde_json::to_string(&Nanos::from_nanos(nanos)).unwrap();
            prop_assert_eq!(&json, &nanos.to_string());
            prop_assert_eq!(serde_json::from_str::<Nanos>(&json).unwrap(), Nanos::from_nanos(nanos));
        }

        #[test]
        fn a_difference_added_again_is_the_larger_of_the_two(a: u64, b: u64) {
            let (a, b) = (Nanos::from_nanos(a), Nanos::from_nanos(b));
            prop_assert_eq!((a - b) + b, a.max(b));
            prop_assert_eq!(a + Nanos::MAX, Nanos::MAX, "sums saturate");
        }
    }
}
