//! What `splitcost bench` finds: the JSON users read, a file a result.

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
