//! The path of a recording: records of a log, call trees, Parquet and back, a summary.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail like tests")]

mod assemble;
mod convert;
mod price;
mod script;
mod statement;
mod store;
mod summary;
mod tree;
