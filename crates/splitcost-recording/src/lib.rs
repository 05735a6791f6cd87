//! The on-disk recording.
//!
//! While an app runs, the recorder in its process appends to a [`log`]: small, sequential, readable after
//! `kill -9`. Afterwards the log is converted into a versioned directory of Parquet files.
//!
//! What happens inside the user's process is `splitcost-recorder`'s; what a recording means is
//! `splitcost-model`'s.

pub mod log;
