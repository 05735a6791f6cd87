//! The output of `splitcost bench`; one file per result.

mod call;
mod codecs;
mod comparison;
mod measurement;
mod saturation;
mod stacks;

pub use crate::table::Style;
pub use call::call;
pub use codecs::codecs;
pub use comparison::*;
pub use measurement::*;
pub use saturation::*;
pub use stacks::*;
