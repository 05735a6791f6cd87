//! Connections: a wire, the version of HTTP spoken over it, and the requests under way.

pub(crate) mod http1;
mod http1_client;
mod http2;
pub(crate) mod tls;
pub(crate) mod wire;

use std::cell::RefCell;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;

use rustix::io::Errno;
use splitcost_model::quantity::Nanos;

use crate::compose::Composer;
use crate::outcome::Failure;
use crate::resource::monotonic_now;
use crate::target::{Address, Version};
use http1_client::Http1;
use http2::Http2;
use wire::{TlsParams, Wire};

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// Its number in the run.
    pub(crate) index: u64,
    /// Its template.
    pub(crate) request: usize,
    pub(crate) intended: Nanos,
    pub(crate) begun: Nanos,
    /// Not of the warm-up.
    pub(crate) counts: bool,
    /// Whether it is made a second time.
    pub(crate) again: bool,
    pub(crate) connected: Option<Nanos>,
    pub(crate) secured: Option<Nanos>,
    pub(crate) sent: Option<Nanos>,
    pub(crate) first_byte: Option<Nanos>,
}

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Of a unary call of gRPC.
    pub(crate) grpc: Option<u8>,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) job: Job,
    pub(crate) result: Result<Answer, Failure>,
    /// The beginning of an unexpected answer, or the reason of a failure.
    pub(crate) detail: String,
    /// What it may be made again for.
    pub(crate) untaken: Untaken,
}

/// Whether the server took a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// It may have.
    No,
    /// The connection, kept from an earlier request, went away without a byte of an answer.
    Perhaps,
    /// It said that it did not.
    Surely,
}

/// What a turn of a connection needs of the engine.
pub(crate) struct Context<'c, 'w> {
    pub(crate) composer: &'c mut Composer<'w>,
    pub(crate) buffer: &'c mut [u8],
    pub(crate) ended: &'c mut Vec<Ended>,
}

/// How all connections to a target are made.
pub(crate) struct Route {
    pub(crate) address: Address,
    pub(crate) authority: String,
    pub(crate) version: Version,
    pub(crate) tls: Option<TlsParams>,
    /// Most requests at a time over HTTP/2.
    pub(crate) streams: usize,
}

enum Protocol {
    /// Until the TLS handshake is done.
    Undecided,
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

pub(crate) struct Connection {
    wire: Rc<RefCell<Wire>>,
    protocol: Protocol,
    /// Begun, and not yet handed to the protocol.
    pending: Vec<Job>,
    /// Whether it took a request, ever.
    used: bool,
    /// Whether it ended one, ever.
    reused: bool,
    /// Whether it shall take no other.
    pub(crate) spent: bool,
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

    /// Whether the socket is waited on for room.
    pub(crate) fn wants_write(&self) -> bool {
        let wire = self.wire.borrow();
        wire.blocked || !wire.connected
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.len()
            + match &self.protocol {
                Protocol::Undecided => 0,
                Protocol::Http1(http1) => usize::from(http1.job.is_some()),
                Protocol::Http2(http2) => http2.in_flight(),
            }
    }

    /// How many more requests it takes now.
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

    /// Begin a request; continue with [`Self::turn`].
    pub(crate) fn begin(&mut self, job: Job, keep_alive: bool) {
        self.spent |= !keep_alive;
        self.pending.push(job);
    }

    /// Bytes received and sent since it was last asked.
    pub(crate) fn take_bytes(&mut self) -> (u64, u64) {
        let wire = self.wire.borrow();
        let before = std::mem::replace(&mut self.reported, (wire.bytes_in, wire.bytes_out));
        (wire.bytes_in - before.0, wire.bytes_out - before.1)
    }

    /// Do all that can be done without waiting; whether the connection lives on.
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
            // Before the first request can be answered.
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

    /// Write down when the connection was made, for the request that opened it.
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
        // No later request opened it, even if the first has ended.
        self.used = is_decided;
    }

    /// Fail all requests.
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

    /// End the requests intended before `oldest` as too late; whether the connection lives on.
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
        // A handshake that takes so long will not end.
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
