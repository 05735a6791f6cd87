//! The clocks of the calling thread, and the precision of its timers.

use std::num::NonZeroU64;

use rustix::time::{ClockId, Timespec, clock_gettime};
use splitcost_model::quantity::Nanos;

/// Returns the time of the machine's monotonic clock (`CLOCK_MONOTONIC`), which recordings use too.
pub fn monotonic_now() -> Nanos {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// Returns the CPU time that the calling thread has used. Only differences between two calls are meaningful.
pub(crate) fn thread_cpu() -> Nanos {
    nanos(clock_gettime(ClockId::ThreadCPUTime))
}

fn nanos(time: Timespec) -> Nanos {
    Nanos::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// A guard that makes the timers of this thread exact while it lives. Otherwise the kernel may delay them by up to 50 µs.
pub(crate) struct PreciseTimers {
    slack_before: Option<u64>,
}

impl PreciseTimers {
    pub(crate) fn new() -> Self {
        let slack_before = rustix::thread::current_timer_slack().ok();
        // If the kernel refuses, arrivals are later, which the schedule lag shows.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        Self { slack_before }
    }
}

impl Drop for PreciseTimers {
    fn drop(&mut self) {
        let _ = rustix::thread::set_current_timer_slack(self.slack_before.and_then(NonZeroU64::new));
    }
}
