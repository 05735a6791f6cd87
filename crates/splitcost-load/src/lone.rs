//! A client that sends one request at a time, over connections that it keeps.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use splitcost_model::quantity::Nanos;

use crate::connection::http1::{Answer, Response, ResponseParser};
use crate::resource::monotonic_now;
use crate::session::Session;
use crate::target::{Address, Target, Targets, Version};
use crate::workload::{Method, Workload};

/// The longest time from the sending of a request to its complete answer.
///
/// Chosen: a log-in hashes a password for at most a second; a first request may fill caches.
const DEADLINE: Duration = Duration::from_secs(30);

/// A client that sends the requests of a workload one at a time, and keeps a connection to each server.
#[derive(Debug)]
pub struct LoneClient<'a> {
    workload: &'a Workload,
    targets: &'a Targets,
    kept: Vec<(Address, Stream)>,
    request: Vec<u8>,
}

/// The answer to a lone request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoneAnswer {
    /// The time from the sending of the request to its complete answer. Connecting is not part of it.
    pub response: Nanos,
    /// The status.
    pub status: u16,
    /// True for a status that the workload expects.
    pub is_expected: bool,
}

impl<'a> LoneClient<'a> {
    /// Makes a client; it connects when it sends.
    pub fn new(workload: &'a Workload, targets: &'a Targets) -> Self {
        Self { workload, targets, kept: Vec::new(), request: Vec::new() }
    }

    /// Returns true while a connection is kept that its server has not closed.
    pub fn is_connected(&self) -> bool {
        self.kept.iter().any(|(_, stream)| stream.is_open())
    }

    /// Sends request `index` of the run with this seed offset, as the user whose turn it is.
    ///
    /// # Errors
    /// Describes the reason why there is no complete answer.
    pub fn send(&mut self, seed_offset: u64, index: u64) -> Result<LoneAnswer, String> {
        let (workload, targets) = (self.workload, self.targets);
        self.request.clear();
        let (request, target) = compose(workload, targets, seed_offset, index, &mut self.request);
        let known = self.kept.iter().position(|(address, _)| *address == target.address);
        let kept = known.map(|at| self.kept.swap_remove(at).1).filter(Stream::is_open);
        let mut stream = kept.map_or_else(|| Stream::connect(target), Ok)?;
        let mut parser = ResponseParser::new(workload.requests()[request].method() == Method::Head);
        let begun = monotonic_now();
        let response = stream.exchange(&self.request, &mut parser)?;
        let took = monotonic_now() - begun;
        if response.keep_alive {
            self.kept.push((target.address.clone(), stream));
        }
        let is_expected = workload.requests()[request].expects(response.status);
        Ok(LoneAnswer { response: took, status: response.status, is_expected })
    }
}

/// Sends request `index` of the run with this seed offset, alone and over a connection of its own, as the user whose turn it
/// is among the sessions of `targets`. Returns the answer, whatever its status.
///
/// # Errors
/// Describes the reason why there is no complete answer.
pub fn send(workload: &Workload, targets: &Targets, seed_offset: u64, index: u64) -> Result<Answer, String> {
    let mut bytes = Vec::new();
    let (request, target) = compose(workload, targets, seed_offset, index, &mut bytes);
    exchange(target, &bytes, workload.requests()[request].method() == Method::Head)
}

/// Sends one request over a connection of its own, and returns the answer.
pub(crate) fn exchange(target: &Target, request: &[u8], is_head: bool) -> Result<Answer, String> {
    let mut parser = ResponseParser::keeping(is_head);
    Stream::connect(target)?.exchange(request, &mut parser)?;
    Ok(parser.take_kept())
}

/// Writes a request; returns the index of its template, and its target.
fn compose<'a>(
    workload: &Workload,
    targets: &'a Targets,
    seed_offset: u64,
    index: u64,
    out: &mut Vec<u8>,
) -> (usize, &'a Target) {
    let draw = workload.draw(seed_offset, index);
    let template = draw.request;
    let request = &workload.requests()[template];
    let target = targets.of(request.name());
    let none = [Session::default()];
    let sessions = if targets.sessions().is_empty() { &none } else { targets.sessions() };
    request.write(draw, &sessions[(index % sessions.len() as u64) as usize], &target.authority, out);
    (template, target)
}

/// A connection to a server.
#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn connect(target: &Target) -> Result<Self, String> {
        if target.tls.is_some() || target.version == Version::Http2 {
            return Err("it can only be sent over HTTP/1.1 without TLS".to_owned());
        }
        let connected = match &target.address {
            Address::Tcp(address) => TcpStream::connect_timeout(address, DEADLINE).and_then(|stream| {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                Ok(Self::Tcp(stream))
            }),
            Address::Unix(path) => UnixStream::connect(path).and_then(|stream| {
                stream.set_read_timeout(Some(DEADLINE))?;
                Ok(Self::Unix(stream))
            }),
        };
        connected.map_err(|error| unanswered(&error))
    }

    /// Returns true unless the server has closed the connection, or has sent something that nobody asked for.
    fn is_open(&self) -> bool {
        let fd = match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        };
        let nothing_yet = recv(fd, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(nothing_yet, Err(rustix::io::Errno::AGAIN))
    }

    fn exchange(&mut self, request: &[u8], parser: &mut ResponseParser) -> Result<Response, String> {
        match self {
            Self::Tcp(stream) => exchange_over(stream, request, parser),
            Self::Unix(stream) => exchange_over(stream, request, parser),
        }
    }
}

fn exchange_over(
    stream: &mut (impl Read + Write),
    request: &[u8],
    parser: &mut ResponseParser,
) -> Result<Response, String> {
    stream.write_all(request).map_err(|error| unanswered(&error))?;
    let mut buffer = [0; 16_384];
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        let count = stream.read(&mut buffer).map_err(|error| unanswered(&error))?;
        let done = if count == 0 { parser.end() } else { parser.feed(&buffer[..count]) };
        match done {
            Ok(Some(response)) => return Ok(response),
            Ok(None) if count == 0 => return Err("the connection ended before the answer was complete".to_owned()),
            Ok(None) => {}
            Err(_) => return Err("the answer is not HTTP/1.1, or is too large".to_owned()),
        }
    }
    Err(format!("the answer was not complete after {} s", DEADLINE.as_secs()))
}

fn unanswered(error: &io::Error) -> String {
    format!("it was not answered: {error}")
}
