//! The end of a process by a signal that ends it at once.
//!
//! Where nobody handles SIGTERM or SIGHUP, the kernel ends the process and the buffer with it. A handler of ours makes
//! the flushing thread write the buffer first. Python does not see it: `signal.getsignal` still says `SIG_DFL`, and
//! whatever handler the app sets takes its place.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use crate::writer;

/// Signals that end a process and that are sent to end it.
const SIGNALS: [i32; 2] = [libc::SIGTERM, libc::SIGHUP];
/// Longest time that the process lives on.
///
/// Chosen: a write takes milliseconds; who ends a process waits for a second at least.
const PATIENCE: Duration = Duration::from_millis(200);

/// The signal that this process is to end by, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Returns true when the process is about to end by a signal.
pub(crate) fn is_near() -> bool {
    SIGNAL.load(Ordering::Relaxed) != 0
}

/// Ends the process by the signal that it got. Only async-signal-safe calls.
pub(crate) fn end() {
    let signal = SIGNAL.load(Ordering::Relaxed);
    if signal != 0 {
        // SAFETY: both calls take plain numbers; the default action of the signal ends the process.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::kill(libc::getpid(), signal);
        }
    }
}

/// Follows the signals whose default action is in force.
pub(crate) fn follow() {
    for signal in SIGNALS {
        // SAFETY: both structures are valid and live as long as the calls; the handler is async-signal-safe.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &raw mut now) != 0 || now.sa_sigaction != libc::SIG_DFL {
                continue;
            }
            let mut ours: libc::sigaction = std::mem::zeroed();
            ours.sa_sigaction = on_signal as extern "C" fn(i32) as libc::sighandler_t;
            ours.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(signal, &raw const ours, std::ptr::null_mut());
        }
    }
}

/// Has the flushing thread write the buffer and end the process, and ends it if that does not come about: this thread
/// may hold the lock that the other one needs.
extern "C" fn on_signal(signal: i32) {
    SIGNAL.store(signal, Ordering::Relaxed);
    // On Linux, to wake a condition variable is an atomic addition and a system call: async-signal-safe.
    if writer::wake() {
        let pause = libc::timespec { tv_sec: 0, tv_nsec: PATIENCE.as_nanos() as libc::c_long };
        // SAFETY: `pause` is a valid time, and no remainder is asked for.
        unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    }
    end();
    // The signal is blocked in its own handler: it takes effect on return.
}
