//! The three clocks of the operating system, in nanoseconds. Those of wall time and of the process stand still while the
//! recorder looks at values: what a request waits for it then is no part of the request.

use std::sync::atomic::{AtomicU64, Ordering};

/// The time for which the clocks have stood still in this process.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// The last time that [`monotonic`] has given out, below which no later one falls: other threads read it while one works for
/// the recorder, before that is left out.
static LAST: AtomicU64 = AtomicU64::new(0);

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; the clocks used here exist on every supported system.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Reads the machine's monotonic clock, without the time that was left out.
pub(crate) fn monotonic() -> u64 {
    let now = read(libc::CLOCK_MONOTONIC) - left_out();
    LAST.fetch_max(now, Ordering::Relaxed).max(now)
}

/// Reads the CPU time of the running thread.
pub(crate) fn thread_cpu() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Reads the CPU time of the process, without the time that was left out.
pub(crate) fn process_cpu() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(left_out())
}

/// Returns the time that was left out so far.
pub(crate) fn left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

/// Forgets what was left out: the CPU clocks of a forked process begin at zero.
pub(crate) fn begin_anew() {
    LEFT_OUT.store(0, Ordering::Relaxed);
}

/// Leaves time out: a thread of the process spent it on CPU for the recorder, with the GIL.
pub(crate) fn leave_out(nanos: u64) {
    LEFT_OUT.fetch_add(nanos, Ordering::Relaxed);
}
