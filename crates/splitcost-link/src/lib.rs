//! Link emulator: what lies between two services, and what goes wrong there.
//!
//! Read in this order: [`profile`] (links by name, each number with its source), [`policy`] (what happens to
//! bytes: pure, seeded), [`stream`] (the proxy that does it), [`packet`] (the network device that does it to packets),
//! [`Emulator`] (either of them, chosen by a value), [`toxiproxy`] (the API that its clients drive it by).
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
//! It leaves to others: starting services on both sides of a link (`splitcost-lab`), and simulating links
//! (`splitcost-sim`).

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
