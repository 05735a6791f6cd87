//! The nouns of splitcost and their quantities.
//!
//! Read in this order: [`quantity`] (nanoseconds), [`statistics`] (intervals, quantiles, comparisons), [`recording`] (what a monolith's
//! requests did), [`split`] (which module lives in which service, over which stack and link),
//! [`link`] (what lies between two services), [`policy`] (how calls are made, what goes wrong), [`calibration`] (what a call over a stack costs on one
//! machine), [`evaluation`] (what was predicted and what was measured; the JSON users read),
//! [`residual`] (how far past predictions were off), [`bench`] (what one endpoint, or two, did under load),
//! [`emulation`] (what an emulated link did), [`finding`] and [`graph`] (what is in the code).
//!
//! ```
//! use splitcost_model::quantity::Nanos;
//! assert_eq!(Nanos::from_micros(3) + Nanos::from_nanos(5), Nanos::from_nanos(3_005));
//! ```
//!
//! It does no IO and reads no clock. Files are `splitcost-recording`'s, prediction is `splitcost-sim`'s,
//! running things is `splitcost-lab`'s.

pub mod bench;
pub mod calibration;
pub mod emulation;
pub mod evaluation;
pub mod finding;
pub mod graph;
pub mod link;
pub mod policy;
pub mod quantity;
pub mod recording;
pub mod residual;
pub mod split;
pub mod statistics;
