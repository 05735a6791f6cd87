//! The tests of the scanner: labelled programs, the call graph, the cache, and hostile files.
#![expect(clippy::unwrap_used, reason = "a test")]

mod cache;
mod graph;
mod hostile;
mod labelled;
