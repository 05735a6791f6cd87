//! What `splitcost bench` finds: the JSON users read, a file a result.

mod measurement;

pub use measurement::*;
