//! The results of `splitcost bench`, which users read as JSON; one file per result.

mod call;
mod codecs;
mod measurement;
mod saturation;
mod stacks;

pub use call::*;
pub use codecs::*;
pub use measurement::*;
pub use saturation::*;
pub use stacks::*;
