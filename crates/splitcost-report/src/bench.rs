//! What `splitcost bench` prints, a file a result.

mod comparison;
mod measurement;

pub use comparison::*;
pub use measurement::*;
