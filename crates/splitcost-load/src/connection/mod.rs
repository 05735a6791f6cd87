//! Connections: each has a wire, a version of HTTP, and requests in flight.

pub(crate) mod http1;
mod http1_client;
mod http2;
mod job;
pub(crate) mod tls;
pub(crate) mod wire;

use std::cell::RefCell;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;

use rustix::io::Errno;
use splitcost_model::quantity::Nanos;

use crate::outcome::Failure;
use crate::resource::monotonic_now;
use crate::target::Version;
use http1_client::Http1;
use http2::Http2;
pub(crate) use job::{Answer, Context, Ended, Job, Route, Untaken};
use wire::Wire;

/// The protocol of a connection.
enum Protocol {
    /// The TLS handshake has not ended yet.
    Undecided,
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// A connection to a server.
pub(crate) struct Connection {
    wire: Rc<RefCell<Wire>>,
    protocol: Protocol,
    /// Requests that were begun, but not yet passed to the protocol.
    pending: Vec<Job>,
    /// True once the connection has carried a request.
    used: bool,
    /// True once a request on this connection has ended.
    reused: bool,
    /// True when the connection must not take another request.
    pub(crate) spent: bool,
    /// The numbers of received and sent bytes at the last [`Self::take_bytes`].
    reported: (u64, u64),
}

impl Connection {
    pub(crate) fn open(route: &Route) -> Result<Self, Errno> {
        let wire = Wire::open(&route.address, route.tls.as_ref())?;
        Ok(Self {
            wire: Rc::new(RefCell::new(wire)),
            protocol: Protocol::Undecided,
            pending: Vec::new(),
            used: false,
            reused: false,
            spent: false,
            reported: (0, 0),
        })
    }

    pub(crate) fn with_fd<T>(&self, use_fd: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        use_fd(self.wire.borrow().socket.as_fd())
    }

    /// Returns true if epoll must report when the socket accepts bytes again.
    pub(crate) fn wants_write(&self) -> bool {
        let wire = self.wire.borrow();
        wire.blocked || !wire.connected
    }

    /// Returns the number of requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.len()
            + match &self.protocol {
                Protocol::Undecided => 0,
                Protocol::Http1(http1) => usize::from(http1.job.is_some()),
                Protocol::Http2(http2) => http2.in_flight(),
            }
    }

    /// Returns the number of further requests that the connection can take now.
    pub(crate) fn room(&self, route: &Route) -> usize {
        if self.spent {
            return 0;
        }
        let most = match (&self.protocol, route.version) {
            (Protocol::Http2(http2), _) => route.streams.min(http2.max_streams()),
            (Protocol::Undecided, Version::Http2) => route.streams,
            _ => 1,
        };
        most.saturating_sub(self.in_flight())
    }

    /// Begins a request, which [`Self::turn`] continues.
    pub(crate) fn begin(&mut self, job: Job, keep_alive: bool) {
        self.spent |= !keep_alive;
        self.pending.push(job);
    }

    /// Returns the numbers of bytes that were received and sent since the last call.
    pub(crate) fn take_bytes(&mut self) -> (u64, u64) {
        let wire = self.wire.borrow();
        let before = std::mem::replace(&mut self.reported, (wire.bytes_in, wire.bytes_out));
        (wire.bytes_in - before.0, wire.bytes_out - before.1)
    }

    /// Does everything that is possible without waiting. Returns false when the connection has ended.
    pub(crate) fn turn(&mut self, route: &Route, cx: &mut Context<'_, '_>, readable: bool) -> bool {
        let ended_before = cx.ended.len();
        let result = self.advance(route, cx, readable);
        self.reused |= cx.ended.len() > ended_before;
        if let Err(failure) = result {
            self.give_up(failure, cx);
            return false;
        }
        !(self.spent && self.in_flight() == 0)
    }

    fn advance(&mut self, route: &Route, cx: &mut Context<'_, '_>, readable: bool) -> Result<(), Failure> {
        self.wire.borrow_mut().refresh(readable);
        if matches!(self.protocol, Protocol::Undecided) {
            let ready = self.wire.borrow_mut().establish();
            self.stamp();
            if !ready? {
                return Ok(());
            }
            let (is_tls, chose_http2) = {
                let wire = self.wire.borrow();
                (wire.is_tls(), wire.chose_http2())
            };
            if is_tls && route.version == Version::Http2 && !chose_http2 {
                return Err(Failure::WrongProtocol);
            }
            self.protocol = if chose_http2 || route.version == Version::Http2 {
                Protocol::Http2(Box::new(Http2::new(Rc::clone(&self.wire))))
            } else {
                Protocol::Http1(Box::new(Http1::new()))
            };
            // This must come before the first request can be answered.
            self.stamp();
        }
        let result = match &mut self.protocol {
            Protocol::Undecided => Ok(()),
            Protocol::Http1(http1) => {
                if let Some(job) = self.pending.pop() {
                    http1.begin(job, route, cx);
                }
                http1.turn(&mut self.wire.borrow_mut(), cx, readable)
            }
            Protocol::Http2(http2) => http2.turn(&mut self.pending, route, cx, self.reused),
        };
        self.stamp();
        match &self.protocol {
            Protocol::Http1(http1) => self.spent |= http1.spent,
            Protocol::Http2(http2) => self.spent |= http2.spent,
            Protocol::Undecided => {}
        }
        result
    }

    /// Records the times of the connection setup in the request that opened the connection.
    fn stamp(&mut self) {
        if self.used {
            return;
        }
        let (connected, is_tls) = {
            let wire = self.wire.borrow();
            (wire.connected, wire.is_tls())
        };
        if !connected {
            return;
        }
        let is_decided = !matches!(self.protocol, Protocol::Undecided);
        let first = match &mut self.protocol {
            Protocol::Undecided => self.pending.first_mut(),
            Protocol::Http1(http1) => http1.job.as_mut().or(self.pending.first_mut()),
            Protocol::Http2(http2) => http2.first_job().or(self.pending.first_mut()),
        };
        if let Some(job) = first {
            let now = monotonic_now();
            job.connected.get_or_insert(now);
            if is_tls && is_decided {
                job.secured.get_or_insert(now);
            }
        }
        // A later request did not open the connection, even if the first one has ended.
        self.used = is_decided;
    }

    /// Fails all requests in flight.
    fn give_up(&mut self, failure: Failure, cx: &mut Context<'_, '_>) {
        let detail = self.wire.borrow().detail.clone();
        let went_away = matches!(failure, Failure::ClosedEarly | Failure::Reset);
        let untaken = if went_away && self.reused { Untaken::Perhaps } else { Untaken::No };
        let mut fail = |job: Job, answered: bool| {
            let untaken = if answered { Untaken::No } else { untaken };
            cx.ended.push(Ended { job, result: Err(failure), detail: detail.clone(), untaken });
        };
        for job in self.pending.drain(..) {
            fail(job, false);
        }
        match &mut self.protocol {
            Protocol::Undecided => {}
            Protocol::Http1(http1) => {
                let answered = !http1.is_untouched();
                if let Some(job) = http1.job.take() {
                    fail(job, answered);
                }
            }
            Protocol::Http2(http2) => http2.fail_all(&mut fail),
        }
    }

    /// Ends the requests that were intended before `oldest` as timeouts. Returns false when the connection has ended.
    pub(crate) fn expire(&mut self, oldest: Nanos, cx: &mut Context<'_, '_>) -> bool {
        let mut fail = |job: Job| {
            cx.ended.push(Ended { job, result: Err(Failure::Timeout), detail: String::new(), untaken: Untaken::No });
        };
        let undecided = matches!(self.protocol, Protocol::Undecided) && !self.pending.is_empty();
        let before = self.pending.len();
        self.pending.retain(|job| {
            let late = job.intended < oldest;
            if late {
                fail(*job);
            }
            !late
        });
        // A handshake that takes longer than the deadline is given up.
        let stuck = undecided && self.pending.len() < before && self.pending.is_empty();
        let late = match &mut self.protocol {
            Protocol::Undecided => false,
            Protocol::Http1(http1) => http1.job.take_if(|job| job.intended < oldest).map(&mut fail).is_some(),
            Protocol::Http2(http2) => {
                http2.expire(oldest, &mut fail);
                false
            }
        };
        !(late || stuck)
    }
}
