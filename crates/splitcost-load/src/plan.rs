//! How load is applied, and for how long.

use splitcost_model::quantity::Nanos;

use crate::histogram::MAX_NANOS;
use crate::{EndpointOutcome, Error};

/// How load is applied and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Open or closed loop.
    pub mode: Mode,
    /// When to stop; the warm-up comes before and on top.
    pub stop: Stop,
    /// Requests intended in this time from the start are sent but not counted.
    pub warm_up: Nanos,
    /// A request that has no whole answer this long after its intended start counts as a timeout, up to 50 ms late.
    pub deadline: Nanos,
    /// At most this many connections to each target; arrivals beyond wait, and are counted as having waited.
    pub max_connections: usize,
    /// Whether a connection carries more than one request.
    pub keep_alive: bool,
    /// HTTP/2: at most this many requests at a time on one connection. A closed loop opens as many connections as that
    /// takes, and spreads its requests evenly.
    pub streams_per_connection: usize,
    /// Added to the workload's seed: another round, other requests and arrivals.
    pub seed_offset: u64,
    /// Open loop: how long before an arrival the thread begins to spin rather than sleep.
    pub spin: Nanos,
    /// Whether the outcome lists each request besides counting it.
    pub keep_ended: bool,
}

impl Plan {
    /// Open loop: Poisson arrivals at a mean rate, whatever the answers do.
    pub fn open(reqs_per_sec: f64, stop: Stop) -> Self {
        Self::new(Mode::Open { reqs_per_sec, arrivals: Arrivals::Poisson }, stop)
    }

    /// Closed loop: so many requests at any time, each followed by the next at once.
    pub fn closed(concurrency: usize, stop: Stop) -> Self {
        Self::new(Mode::Closed { concurrency }, stop)
    }

    fn new(mode: Mode, stop: Stop) -> Self {
        Self {
            mode,
            stop,
            warm_up: Nanos::ZERO,
            // Chosen: twice the 5 s after which most clients give up.
            deadline: Nanos::from_millis(10_000),
            // Chosen: below half of the usual limit of 1,024 open files, more than one Python process can serve.
            max_connections: 400,
            keep_alive: true,
            // Chosen: as many as most servers allow, so that a client's usual single connection comes out.
            streams_per_connection: 100,
            seed_offset: 0,
            // Chosen: about the time a sleeping thread takes to run again; more would steal the app's CPU.
            spin: Nanos::from_micros(20),
            keep_ended: false,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.mode {
            Mode::Open { reqs_per_sec, .. } if !(1e-3..=1e7).contains(&reqs_per_sec) => {
                return Err(Error::Plan("the arrival rate is not between 0.001 and 10,000,000 requests/s"));
            }
            Mode::Closed { concurrency: 0 } => return Err(Error::Plan("the concurrency is 0")),
            _ => {}
        }
        if self.max_connections == 0 {
            return Err(Error::Plan("the maximum of connections is 0"));
        }
        if self.streams_per_connection == 0 {
            return Err(Error::Plan("the maximum of streams per connection is 0"));
        }
        if self.deadline.is_zero() {
            return Err(Error::Plan("the deadline is 0"));
        }
        if self.deadline.as_nanos() > MAX_NANOS {
            return Err(Error::Plan("the deadline is above an hour"));
        }
        if matches!(self.stop, Stop::After(Nanos::ZERO) | Stop::Requests(0)) {
            return Err(Error::Plan("it stops before the first request"));
        }
        Ok(())
    }
}

/// Open or closed loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Arrivals on a schedule fixed beforehand.
    Open {
        /// Mean arrival rate.
        reqs_per_sec: f64,
        /// How they are spaced.
        arrivals: Arrivals,
    },
    /// The next request begins when one ends.
    Closed {
        /// Requests in flight.
        concurrency: usize,
    },
}

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// A Poisson process: independent users.
    #[default]
    Poisson,
    /// Equal gaps.
    Uniform,
}

/// When no further request is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// So long after the warm-up.
    After(Nanos),
    /// After so many requests that count.
    Requests(u64),
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    /// What it does now.
    pub phase: Phase,
    /// Share of the planned time or requests that is done, 0 to 1.
    pub fraction: f64,
    /// Requests ended so far, warm-up included.
    pub requests: u64,
    /// Of these, failed.
    pub failed: u64,
    /// What counts of them.
    pub endpoints: &'a [EndpointOutcome],
}

/// The phases of a run, in order. The phase [`Phase::Measuring`] is the *window* of [`Outcome`](crate::Outcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests begun now do not count.
    WarmUp,
    /// Requests begun now count; after a number of requests it lasts until the last of them ended.
    Measuring,
    /// After a time: none is begun any more, those in flight are waited for.
    Draining,
    /// All over.
    Done,
}
