//! The plan of a run: the load, and its duration.

use splitcost_model::quantity::Nanos;

use crate::histogram::MAX_NANOS;
use crate::{EndpointOutcome, Error};

/// The load of a run, and its duration.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Open or closed loop, with the rate or the concurrency.
    pub mode: Mode,
    /// The end of the run. The warm-up is not part of this time or number.
    pub stop: Stop,
    /// Requests that are intended within this time from the start are sent but not counted.
    pub warm_up: Nanos,
    /// A request without a complete answer this long after its intended start counts as a timeout. Deadlines are checked
    /// every 50 ms, or every tenth of the deadline if that is shorter.
    pub deadline: Nanos,
    /// The most connections to each target. Requests that find none wait, and are counted as having waited.
    pub max_connections: usize,
    /// True when a connection may carry more than one request.
    pub keep_alive: bool,
    /// The most concurrent requests on one HTTP/2 connection. A closed loop opens as few connections as this allows, and
    /// spreads its requests evenly over them.
    pub streams_per_connection: usize,
    /// Added to the seed of the workload, so that each round has its own requests and arrivals.
    pub seed_offset: u64,
    /// In open loop, the time before an arrival at which the thread stops sleeping and begins to spin.
    pub spin: Nanos,
    /// True when the outcome must also list each request.
    pub keep_ended: bool,
}

impl Plan {
    /// Makes a plan in open loop: Poisson arrivals at a mean rate, independent of the answers.
    pub fn open(reqs_per_sec: f64, stop: Stop) -> Self {
        Self::new(Mode::Open { reqs_per_sec, arrivals: Arrivals::Poisson }, stop)
    }

    /// Makes a plan in closed loop: when a request ends, the next one begins at once.
    pub fn closed(concurrency: usize, stop: Stop) -> Self {
        Self::new(Mode::Closed { concurrency }, stop)
    }

    fn new(mode: Mode, stop: Stop) -> Self {
        Self {
            mode,
            stop,
            warm_up: Nanos::ZERO,
            // Chosen: clients usually give up earlier.
            deadline: Nanos::from_millis(10_000),
            // Chosen: below half of the usual limit of 1,024 open files, and more than one Python process can serve.
            max_connections: 400,
            keep_alive: true,
            // Chosen: most servers allow this many, so that usually one connection is enough, as for most clients.
            streams_per_connection: 100,
            seed_offset: 0,
            // Chosen: about the time that a sleeping thread needs to run again. Longer spinning would take CPU from the app.
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
            return Err(Error::Plan("the maximum number of connections is 0"));
        }
        if self.streams_per_connection == 0 {
            return Err(Error::Plan("the maximum number of streams per connection is 0"));
        }
        if self.deadline.is_zero() {
            return Err(Error::Plan("the deadline is 0"));
        }
        if self.deadline.as_nanos() > MAX_NANOS {
            return Err(Error::Plan("the deadline is longer than an hour"));
        }
        if matches!(self.stop, Stop::After(Nanos::ZERO) | Stop::Requests(0)) {
            return Err(Error::Plan("it stops before the first request"));
        }
        Ok(())
    }
}

/// The kind of loop that generates requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Open loop: requests arrive on a schedule that is fixed beforehand.
    Open {
        /// The mean arrival rate.
        reqs_per_sec: f64,
        /// The distribution of the gaps between arrivals.
        arrivals: Arrivals,
    },
    /// Closed loop: the next request begins when one ends.
    Closed {
        /// The number of requests in flight.
        concurrency: usize,
    },
}

/// The distribution of the gaps between arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// Exponential gaps, which make a Poisson process: independent users.
    #[default]
    Poisson,
    /// Equal gaps.
    Uniform,
}

/// The point at which no further request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This time after the warm-up.
    After(Nanos),
    /// After this number of counted requests.
    Requests(u64),
}

/// The progress of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    /// The current phase.
    pub phase: Phase,
    /// The completed share of the planned time or requests, from 0 to 1.
    pub fraction: f64,
    /// The number of requests that ended so far, including the warm-up.
    pub requests: u64,
    /// The number of these requests that failed.
    pub failed: u64,
    /// The results of the counted requests so far.
    pub endpoints: &'a [EndpointOutcome],
}

/// A phase of a run, in their order. The phase [`Phase::Measuring`] is the *window* of [`Outcome`](crate::Outcome).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests that begin now do not count.
    WarmUp,
    /// Requests that begin now count. When the plan gives a number of requests, this phase ends with the last of them.
    Measuring,
    /// When the plan gives a time: no further request begins, and the run waits for those in flight.
    Draining,
    /// The run has ended.
    Done,
}
