//! What `splitcost bench` prints, a file a result.

mod measurement;

pub use measurement::*;
