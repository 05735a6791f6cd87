//! Integration tests of the load generator, over real sockets.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod engine;
mod freeze;
mod hostile;
mod http2;
mod lone;
mod parser;
mod schedule;
mod secure;
mod server;
mod session;
mod workload;
