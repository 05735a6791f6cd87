//! What `splitcost bench` prints, a file a result.

mod call;
mod codecs;
mod comparison;
mod measurement;
mod saturation;
mod stacks;
mod table;

pub use call::call;
pub use codecs::codecs;
pub use comparison::*;
pub use measurement::*;
pub use saturation::*;
pub use stacks::*;
pub use table::Style;
