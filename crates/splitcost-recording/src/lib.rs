//! The on-disk recording.
//!
//! While an app runs, the recorder in its process appends to a [`log`]: small, sequential, readable after
//! `kill -9`. Afterwards the log is converted into a versioned directory of Parquet files.
//!
//! With the feature `parquet`, read in this order: `assemble` (records to call trees, pure), `convert` (the raw
//! logs of a directory to a recording), `store` (a recording to Parquet and back), `tree` (what a call tree
//! implies), `summary` (what `splitcost show` prints), `price` (what the scanner's
//! findings cost).
//!
//! What happens inside the user's process is `splitcost-recorder`'s; what a recording means is
//! `splitcost-model`'s.

#[cfg(feature = "parquet")]
pub mod assemble;
#[cfg(feature = "parquet")]
pub mod convert;
mod crc32;
#[cfg(feature = "parquet")]
mod error;
pub mod log;
#[cfg(feature = "parquet")]
pub mod price;
#[cfg(feature = "parquet")]
pub mod store;
#[cfg(feature = "parquet")]
pub mod summary;
#[cfg(feature = "parquet")]
pub mod tree;

#[cfg(feature = "parquet")]
pub use error::Error;
