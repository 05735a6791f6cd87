//! Integration tests of the link emulator: the laws of its policy, and its engines over real sockets.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "only the policy is pure")]

mod engine;
mod fault;
mod import;
mod packet;
mod peer;
mod policy;
mod toxiproxy;
