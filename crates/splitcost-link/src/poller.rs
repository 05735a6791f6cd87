//! Waiting for sockets and for the time.
//!
//! Sockets report changes only ("edge-triggered"), and are told to the kernel once. On Linux a timer of its own wakes the
//! thread to the nanosecond; elsewhere the kernel's wait does, as exactly as it can.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use splitcost_model::quantity::Nanos;

/// Chosen: changes that one wait reports.
const EVENTS: usize = 256;
const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// What a wait has found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) key: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The other side sends no more.
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

    /// Reports changes of a socket under `key`, until it is removed.
    pub(crate) fn add(&self, socket: &impl AsRawFd, key: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(key), interest)
    }

    /// Waits for changes until `deadline`; not at all when it has passed.
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

    /// What the last wait has found.
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

/// A timer that the kernel keeps to the nanosecond.
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
        // Zero stops it.
        let nanos = if deadline == Nanos::MAX { 0 } else { deadline.as_nanos() };
        let at =
            Timespec { tv_sec: (nanos / 1_000_000_000).cast_signed(), tv_nsec: (nanos % 1_000_000_000).cast_signed() };
        timerfd_settime(&self.file, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval: none, it_value: at })?;
        self.set = deadline;
        Ok(())
    }
}
