//! Connections: a socket that does not block, the request being written to it, the answer being read from it.

pub(crate) mod http1;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::outcome::Failure;
use http1::{Response, ResponseParser};

/// A TCP connection that speaks HTTP/1.1, one request at a time.
pub(crate) struct Connection {
    socket: OwnedFd,
    outgoing: Vec<u8>,
    /// Bytes of `outgoing` that are sent.
    written: usize,
    parser: ResponseParser,
}

/// What reading or writing led to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Waits for the server; `writable` tells whether for room to write.
    Waiting { writable: bool },
    /// The answer is complete.
    Answered(Response),
    /// It is over.
    Failed(Failure),
}

impl Connection {
    /// Begin to connect.
    pub(crate) fn open(target: SocketAddr) -> Result<Self, Errno> {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        // Without it an answer may be waited for with the rest of the request unsent. It cannot fail on a TCP socket.
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &target) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        Ok(Self { socket, outgoing: Vec::new(), written: 0, parser: ResponseParser::new(false) })
    }

    /// Begin the request that `fill` appends; continue with [`Self::write`].
    pub(crate) fn begin(&mut self, is_head: bool, fill: impl FnOnce(&mut Vec<u8>)) {
        self.outgoing.clear();
        fill(&mut self.outgoing);
        self.written = 0;
        self.parser.reset(is_head);
    }

    /// Write as much as there is room for.
    pub(crate) fn write(&mut self) -> Step {
        while self.written < self.outgoing.len() {
            match rustix::net::send(&self.socket, &self.outgoing[self.written..], SendFlags::NOSIGNAL) {
                Ok(count) => self.written += count,
                Err(Errno::AGAIN) => return Step::Waiting { writable: true },
                Err(Errno::INTR) => {}
                Err(errno) => return Step::Failed(failure(errno)),
            }
        }
        Step::Waiting { writable: false }
    }

    /// Read once; also how many bytes came.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> (Step, usize) {
        let waiting = Step::Waiting { writable: !self.is_written() };
        let count = match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return (waiting, 0),
            Err(errno) => return (Step::Failed(failure(errno)), 0),
        };
        let answer = if count == 0 { self.parser.end() } else { self.parser.feed(&buffer[..count]) };
        let step = match answer {
            Ok(Some(response)) => Step::Answered(response),
            Ok(None) if count == 0 => Step::Failed(Failure::ClosedEarly),
            Ok(None) => waiting,
            Err(_) => Step::Failed(Failure::Malformed),
        };
        (step, count)
    }

    /// Whether the request is sent to its end.
    pub(crate) fn is_written(&self) -> bool {
        self.written == self.outgoing.len()
    }

    /// Bytes of the request that are sent.
    pub(crate) fn written(&self) -> usize {
        self.written
    }

    /// The request, if the server went away without a byte of its answer.
    pub(crate) fn take_unanswered(&mut self, failure: Failure) -> Option<Vec<u8>> {
        let went_away = matches!(failure, Failure::ClosedEarly | Failure::Reset);
        (went_away && self.parser.is_untouched()).then(|| std::mem::take(&mut self.outgoing))
    }

    /// The beginning of the answer's body.
    pub(crate) fn sample(&self) -> &[u8] {
        self.parser.sample()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How an error of a socket is counted.
pub(crate) fn failure(errno: Errno) -> Failure {
    match errno {
        Errno::CONNREFUSED => Failure::Refused,
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => Failure::Reset,
        Errno::TIMEDOUT => Failure::Timeout,
        _ => Failure::Unreachable,
    }
}
