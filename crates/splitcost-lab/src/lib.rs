//! Experiments on real Python processes.
//!
//! Read in this order: [`python`] (which interpreter), [`app`] (an app that was started, and how it ends),
//! [`cpu`] (what its processes used), [`guard`] (what ends
//! them should this process be killed), then the experiments: [`record`], [`calibrate`], [`rehearse`], [`loopback`], and
//! [`fault`] (the same with something going wrong), [`merge`], which puts what was measured beside what was predicted.
//!
//! Every experiment reports its [`Step`]s to a callback, stops soon after its [`Cancel`] flag is set, and leaves no
//! process behind, however it ends.
//!
//! It prints nothing and reads no settings: that is the command line's. It makes no prediction: that is
//! `splitcost-sim`'s. Benchmarks of endpoints, stacks and codecs are `splitcost-bench`'s, which stands on [`helper`] (a
//! Python process that answers questions), [`app`] and [`cpu`] here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod answer;
pub mod app;
mod arm;
pub mod cache;
pub mod calibrate;
pub mod cpu;
mod drive;
mod error;
pub mod fault;
mod group;
pub mod guard;
pub mod helper;
mod leftovers;
mod lifeline;
mod log_tail;
pub mod loopback;
mod machine;
mod network;
mod port;
pub mod python;
pub mod record;
pub mod rehearse;
pub mod secret;
mod socket;
mod spelled;
mod yardstick;

pub use error::{Error, Result};

/// The progress of an experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The current activity, as `record: one request at a time`.
    pub label: String,
    /// Planned seconds that have passed.
    pub done_secs: f64,
    /// Planned seconds of the whole experiment.
    pub total_secs: f64,
    /// Results so far, for people who watch; may be empty.
    pub so_far: String,
}

/// A callback that takes the steps of an experiment.
pub type Progress<'a> = &'a mut dyn FnMut(&Step);

/// A flag that ends an experiment early, shared with a signal handler.
#[derive(Clone, Debug, Default)]
pub struct Cancel(pub Arc<AtomicBool>);

impl Cancel {
    /// Asks for the end of the experiment.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Returns if the end was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Fails with [`Error::Cancelled`] if the end was asked for.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
