//! The link emulator: the laws of its policy, and its engine on real sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod engine;
mod fault;
mod import;
mod packet;
mod peer;
mod policy;
mod toxiproxy;
