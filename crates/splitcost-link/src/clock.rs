//! The monotonic clock, and the priority of the threads that wait for it.

use rustix::time::{ClockId, clock_gettime};
use splitcost_model::quantity::Nanos;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// The real-time priority of the engines.
///
/// Chosen: above all ordinary threads, and below the priority that audio servers use.
const PRIORITY: u8 = 10;

/// Returns the time of the monotonic clock.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    Nanos::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// Makes the timers of the calling thread exact, and asks for real-time priority. Returns true if the priority was granted.
pub(crate) fn raise_priority() -> bool {
    #[cfg(target_os = "linux")]
    {
        // By default the kernel may delay timers by 50 µs. If it refuses, deliveries are later, which the results show.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
    let Ok(priority) = ThreadPriorityValue::try_from(PRIORITY) else { return false };
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy).is_ok()
}
