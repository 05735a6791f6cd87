//! Discrete-event simulator of Python services: pure, seeded, bit-identical.
//!
//! Read in this order: [`program`] (a request as operations of processes), [`engine`] (hosts, cores, the GIL, event loops and
//! thread pools), [`demand`] (a recorded request as work and waits), [`compile`] (its operations under a split), [`cost`] (the
//! costs of a crossing, from a calibration), [`estimate`] (replications, intervals, the prediction). [`ASSUMPTIONS`] lists the
//! numbers that enter every prediction without being measured on the app.
//!
//! ```
//! use splitcost_sim::engine::{Run, LoadPattern, simulate};
//! use splitcost_sim::program::{Body, Cost, Crowding, Machine, Network, Op, Program, Remote};
//!
//! let machine = Machine::one_host(2, 2); // process 0 drives the load, process 1 answers
//! let entry = Remote { crossing: 0, process: 1, body: 0, blocking: false, pooled: false };
//! let program = Program { endpoint: 0, entry, bodies: vec![Body { ops: vec![Op::Cpu(1_000_000)] }] };
//! let outcome = simulate(&Run {
//!     machine: &machine,
//!     programs: &[program],
//!     pool: &[0],
//!     costs: &[Cost::default()],
//!     network: &Network::default(),
//!     crowding: Crowding::default(),
//!     free_share: 0.0,
//!     load_nanos: 0,
//!     pattern: LoadPattern::Closed { concurrency: 1 },
//!     warm_up: 0,
//!     requests: 10,
//!     seed: 1,
//! });
//! assert_eq!(outcome.responses, vec![(0, 1_000_000); 10]);
//! ```
//!
//! The crate does no IO and reads no clock. Measurements are made by `splitcost-lab`.

mod assumption;
pub mod compile;
pub mod cost;
pub mod demand;
pub mod engine;
pub mod estimate;
pub mod program;

pub use assumption::{ASSUMPTIONS, Assumption};
