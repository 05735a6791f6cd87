//! The clock, and a place on a core when it strikes.

use rustix::time::{ClockId, clock_gettime};
use splitcost_model::quantity::Nanos;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Chosen: above everything that is not real-time, below what audio servers take.
const PRIORITY: u8 = 10;

/// The machine's monotonic clock.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    Nanos::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// Makes the running thread wake when it shall: its timers exact, and where it is permitted, before all others. Whether
/// that was permitted.
pub(crate) fn raise_priority() -> bool {
    #[cfg(target_os = "linux")]
    {
        // The kernel groups timers within 50 µs otherwise; one that refuses only makes deliveries later, which is told.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
    let Ok(priority) = ThreadPriorityValue::try_from(PRIORITY) else { return false };
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy).is_ok()
}
