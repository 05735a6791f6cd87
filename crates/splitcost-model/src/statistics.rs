//! The statistics of measurements and predictions: quantiles, confidence intervals, the bootstrap, comparisons.
//!
//! Read in this order: [`interval`] (a value, its ends, and the level at which they hold), [`quantile`] (the one definition
//! of a quantile that everything uses), [`bootstrap`] (intervals from repeated rounds), [`comparison`] (a verdict on two
//! things that were measured in the same rounds).
//!
//! ```
//! use splitcost_model::statistics::{Bootstrap, Level, median};
//! let rounds = [10.2, 9.9, 10.4, 10.1, 10.0];
//! let interval = Bootstrap::ninety(1).interval(rounds.len(), |picked| median(picked.iter().map(|&i| rounds[i])));
//! let interval = interval.expect("there are rounds");
//! assert_eq!((interval.value, interval.level), (10.1, Level::NINETY));
//! assert!(9.9 <= interval.low && interval.high <= 10.4);
//! ```
//!
//! Every function is pure: randomness comes from a seed that the caller passes, and equal seeds give equal results.
//! Histograms of a load generator are not here: they belong to `splitcost-load`.

pub mod bootstrap;
pub mod comparison;
pub mod interval;
pub mod quantile;

pub use bootstrap::Bootstrap;
pub use comparison::{FEWEST_ROUNDS, change};
pub use interval::{Interval, Level};
pub use quantile::{mean, median, quantile, quantiles_of_counts, sorted};
