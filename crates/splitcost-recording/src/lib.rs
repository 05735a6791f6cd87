//! The on-disk recording.
//!
//! While an app runs, the recorder in its process appends to a [`log`]: small, sequential, readable after
//! `kill -9`. Afterwards the log is converted into a versioned directory of Parquet files.
//!
//! The half that is linked into the app's process has no dependencies: [`log`], [`skeleton`] (the structure of a
//! payload as JSON), [`redact`] (names of requests, and statements, without values), [`division`] (the modules of an app) and
//! [`clock`] (a thread's CPU time).
//!
//! With the feature `parquet`, read in this order: `assemble` (records to call trees, pure), `statement`
//! (the tables of a statement), `convert` (the raw
//! logs of a directory to a recording), `store` (a recording to Parquet and back), `tree` (quantities of a call
//! tree), `summary`, `tables` and `interface` (the documents that `splitcost show` prints; `shape` reads the skeletons, `plan` orders the work),
//! `price` (the cost of the scanner's findings).
//!
//! ```
//! use splitcost_recording::log::{Frame, HEADER, Reader, Record, frame_header};
//! let mut frame = Frame::default();
//! frame.put(&Record::Count { function: 1, calls: 5 });
//! let file = [&HEADER, frame_header(frame.bytes()).as_slice(), frame.bytes()].concat();
//! assert_eq!(Reader::new(&file).into_iter().flatten().count(), 1);
//! ```
//!
//! The events of the user's process are observed by `splitcost-recorder`; the meaning of a recording is defined in
//! `splitcost-model`; the text that `splitcost show` prints is rendered by `splitcost-report`.

#[cfg(feature = "parquet")]
pub mod assemble;
pub mod clock;
#[cfg(feature = "parquet")]
pub mod convert;
mod crc32;
pub mod division;
#[cfg(feature = "parquet")]
mod error;
#[cfg(feature = "parquet")]
pub mod interface;
pub mod log;
#[cfg(feature = "parquet")]
pub mod plan;
#[cfg(feature = "parquet")]
pub mod price;
pub mod redact;
#[cfg(feature = "parquet")]
pub mod shape;
pub mod skeleton;
#[cfg(feature = "parquet")]
pub mod statement;
#[cfg(feature = "parquet")]
pub mod store;
#[cfg(feature = "parquet")]
pub mod summary;
#[cfg(feature = "parquet")]
pub mod tables;
#[cfg(feature = "parquet")]
pub mod tree;

#[cfg(feature = "parquet")]
pub use error::Error;
