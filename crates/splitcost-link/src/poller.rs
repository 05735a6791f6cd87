//! Waits for sockets and for deadlines.
//!
//! Each socket is registered once, and only changes are reported ("edge-triggered"). On Linux, deadlines use a kernel timer
//! with a resolution of nanoseconds. On other systems, they use the timeout of the wait, with its resolution.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use splitcost_model::quantity::Nanos;

/// The most events that one wait returns.
///
/// Chosen: more sockets are rarely ready at the same time.
const EVENTS: usize = 256;
const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// An event of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) key: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// True when the peer sends no more.
    pub(crate) ended: bool,
}

pub(crate) struct Poller {
    poll: Poll,
    events: Events,
    #[cfg(target_os = "linux")]
    timer: Timer,
}

impl Poller {
    pub(crate) fn new() -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        #[cfg(target_os = "linux")]
        let timer = Timer::new(&poll)?;
        let poller = Self {
            poll,
            events: Events::with_capacity(EVENTS),
            #[cfg(target_os = "linux")]
            timer,
        };
        Ok((poller, waker))
    }

    /// Registers a socket, whose events then have this key.
    pub(crate) fn add(&self, socket: &impl AsRawFd, key: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(key), interest)
    }

    /// Waits for events until `deadline`, and does not wait if that has passed.
    pub(crate) fn wait(&mut self, deadline: Nanos, now: Nanos) -> io::Result<()> {
        let timeout = match deadline - now {
            Nanos::ZERO => Some(Duration::ZERO),
            #[cfg(target_os = "linux")]
            _ => {
                self.timer.set(deadline)?;
                None
            }
            #[cfg(not(target_os = "linux"))]
            wait => (deadline < Nanos::MAX).then(|| Duration::from_nanos(wait.as_nanos())),
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Copies the events of the last wait.
    pub(crate) fn ready(&self, into: &mut Vec<Ready>) {
        into.clear();
        let sockets = self.events.iter().filter(|event| event.token() < TIMER);
        into.extend(sockets.map(|event| Ready {
            key: event.token().0,
            readable: event.is_readable() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
            ended: event.is_read_closed() || event.is_error(),
        }));
    }
}

/// A kernel timer with a resolution of nanoseconds.
#[cfg(target_os = "linux")]
struct Timer {
    file: std::os::fd::OwnedFd,
    set: Nanos,
}

#[cfg(target_os = "linux")]
impl Timer {
    fn new(poll: &Poll) -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let file = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        poll.registry().register(&mut SourceFd(&file.as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self { file, set: Nanos::MAX })
    }

    fn set(&mut self, deadline: Nanos) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        if self.set == deadline {
            return Ok(());
        }
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero stops the timer.
        let nanos = if deadline == Nanos::MAX { 0 } else { deadline.as_nanos() };
        let at =
            Timespec { tv_sec: (nanos / 1_000_000_000).cast_signed(), tv_nsec: (nanos % 1_000_000_000).cast_signed() };
        timerfd_settime(&self.file, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval: none, it_value: at })?;
        self.set = deadline;
        Ok(())
    }
}
