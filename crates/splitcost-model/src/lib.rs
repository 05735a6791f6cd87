//! The nouns of splitcost and their quantities.
//!
//! Read in this order: [`quantity`] (durations), [`statistics`] (intervals, quantiles, comparisons), [`recording`] (the
//! requests of a monolith), [`split`] (modules assigned to services, and the stack between these), [`boundary`] (the
//! calls that cross), [`database`] (owners of tables, statements that a split cuts), [`link`] (the network between two
//! services), [`policy`] (timeouts, retries and faults of calls), [`calibration`] (unit costs of a stack on one
//! machine), [`estimate`] (a prediction), [`rehearsal`] (a measurement), [`course`] (how it went), [`audit`] (calls predicted and answered),
//! [`answers`] (of a split and of the monolith), [`loopback`] (calls as messages in one process), [`fault`] (prediction and measurement while something is wrong), and
//! [`study`], the document that holds them all. Apart from these stand [`bench`] (results of `splitcost bench`),
//! [`emulation`] (an emulated link's own record), [`finding`] and [`graph`] (results of `splitcost scan`) and [`number`]
//! (how numbers are written in text).
//!
//! ```
//! use splitcost_model::quantity::Nanos;
//! assert_eq!(Nanos::from_micros(3) + Nanos::from_nanos(5), Nanos::from_nanos(3_005));
//! ```
//!
//! This crate does no IO and reads no clock. Files belong to `splitcost-recording`, predictions to `splitcost-sim`, and
//! real processes to `splitcost-lab`.

pub mod adaptation;
pub mod answers;
pub mod audit;
pub mod bench;
pub mod boundary;
pub mod calibration;
pub mod course;
pub mod database;
pub mod emulation;
pub mod estimate;
pub mod fault;
pub mod finding;
pub mod graph;
pub mod link;
pub mod loopback;
pub mod number;
pub mod policy;
pub mod quantity;
pub mod recording;
pub mod rehearsal;
pub mod split;
pub mod statistics;
pub mod study;
