//! The load generator against real sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod engine;
mod freeze;
mod hostile;
mod http2;
mod parser;
mod schedule;
mod secure;
mod server;
mod workload;
