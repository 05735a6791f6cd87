//! A link emulator: it delays, limits and breaks the connections between two services as a real network would.
//!
//! Read in this order:
//!
//! 1. [`profile`]: links by name, and the source of each of their numbers.
//! 2. [`policy`]: the decisions about bytes and packets. It does no IO and reads no clock, and its draws come from a seed.
//! 3. [`stream`]: the proxy that applies a policy to the bytes of connections.
//! 4. [`packet`]: the network device that applies a policy to packets.
//! 5. [`Emulator`]: one of the two engines, chosen at run time.
//! 6. [`toxiproxy`]: the HTTP API for clients of Toxiproxy.
//!
//! ```
//! use splitcost_link::policy::{Policy, parse};
//! use splitcost_link::stream::{Address, Emulator, Spec};
//!
//! let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let emulator = Emulator::start()?;
//! let (link, listens) = emulator.open(Spec {
//!     listen: Address::parse("127.0.0.1:0")?.remove(0),
//!     to: vec![Address::Tcp(server.local_addr()?)],
//!     policy: Policy::new(vec![parse("delay 1ms")?], 1),
//! })?;
//! println!("connect to {listens}; {} connections so far", emulator.tally(link)?.accepted);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Other crates start the services on both sides of a link (`splitcost-lab`), and simulate links (`splitcost-sim`).

// `clippy.toml` lists clocks, threads and IO for the policy, which denies them. The rest of this crate is made of them.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "only the policy is pure"
)]

mod clock;
mod emulator;
mod error;
pub mod packet;
pub mod policy;
mod poller;
pub mod profile;
pub mod stream;
mod tally;
pub mod toxiproxy;

pub use emulator::{Emulator, Engine};
pub use error::Error;
