//! The client side of an HTTP/2 connection: the engine polls the `h2` crate itself, without an async runtime.
//!
//! # Source
//! Spec: RFC 9113; gRPC over HTTP/2 (`PROTOCOL-HTTP2.md` of grpc/grpc).

use std::cell::RefCell;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use splitcost_model::quantity::Nanos;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::http1::SAMPLE_BYTES;
use super::job::{Answer, Context, Ended, Job, Route, Untaken};
use super::wire::{ReadOutcome, Wire};
use crate::outcome::Failure;
use crate::resource::monotonic_now;

/// The flow-control window of a stream.
///
/// Chosen: the server can send a body of a megabyte without waiting for more window.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// The flow-control window of a connection.
///
/// Chosen: 64 streams can use their whole windows at the same time.
const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;
/// The longest header section that is accepted.
///
/// Chosen: the same as for HTTP/1.1.
const MAX_HEADER_BYTES: u32 = 32_768;
/// The gRPC status UNKNOWN, which stands for a missing or undefined status.
///
/// Spec: grpc/doc/statuscodes.md.
const GRPC_UNKNOWN: u8 = 2;
/// The greatest gRPC status, UNAUTHENTICATED.
///
/// Spec: grpc/doc/statuscodes.md.
const GRPC_LAST: u8 = 16;

type Handshake = Pin<Box<dyn Future<Output = Result<(SendRequest<Bytes>, Driver), h2::Error>>>>;
type Driver = h2::client::Connection<Io, Bytes>;

/// The state of an HTTP/2 connection.
pub(crate) struct Http2 {
    wire: Rc<RefCell<Wire>>,
    state: State,
    woken: Arc<Woken>,
    waker: Waker,
    streams: Vec<StreamSlot>,
    free: Vec<usize>,
    /// True when the connection must not take another request.
    pub(crate) spent: bool,
}

enum State {
    Starting(Handshake),
    Started { send: SendRequest<Bytes>, driver: Box<Driver> },
    Over,
}

/// A place for a stream. It keeps its waker for the next stream.
struct StreamSlot {
    woken: Arc<Woken>,
    waker: Waker,
    stream: Option<Stream>,
}

/// One request on the connection, and the part of its answer that was received.
struct Stream {
    job: Job,
    /// The part of the request body that was not passed to `h2` yet, and its sender.
    body: Option<(SendStream<Bytes>, Bytes)>,
    answer: AnswerPart,
    status: u16,
    grpc_status: Option<u8>,
    sample: Vec<u8>,
}

/// The part of the answer that is read next.
enum AnswerPart {
    Head(ResponseFuture),
    Body(RecvStream),
}

/// A waker that only sets a flag, which the engine polls.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Woken {
    fn new() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self(AtomicBool::new(true)));
        (Arc::clone(&woken), Waker::from(woken))
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Http2 {
    pub(crate) fn new(wire: Rc<RefCell<Wire>>) -> Self {
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(MAX_HEADER_BYTES);
        let io = Io(Rc::clone(&wire));
        let (woken, waker) = Woken::new();
        let handshake = async move { builder.handshake(io).await };
        Self {
            wire,
            state: State::Starting(Box::pin(handshake)),
            woken,
            waker,
            streams: Vec::new(),
            free: Vec::new(),
            spent: false,
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.streams.len() - self.free.len()
    }

    /// Returns the number of concurrent streams that the server allows.
    pub(crate) fn max_streams(&self) -> usize {
        match &self.state {
            State::Started { send, .. } => send.current_max_send_streams(),
            _ => usize::MAX,
        }
    }

    pub(crate) fn first_job(&mut self) -> Option<&mut Job> {
        self.streams.iter_mut().find_map(|slot| slot.stream.as_mut()).map(|stream| &mut stream.job)
    }

    /// Writes and reads as much as possible. An error ends the connection.
    pub(crate) fn turn(
        &mut self,
        pending: &mut Vec<Job>,
        route: &Route,
        cx: &mut Context<'_, '_>,
        reused: bool,
    ) -> Result<(), Failure> {
        loop {
            self.open_streams(pending, route, cx)?;
            self.woken.take();
            let over = self.drive()?;
            let read = self.poll_streams(cx, reused);
            if over {
                // The server answered all requests that it accepted. The others have ended with an error.
                self.spent = true;
                return if self.in_flight() == 0 && pending.is_empty() { Ok(()) } else { Err(self.why_over()) };
            }
            // After returned window or a reset stream, the connection has a frame to send to the server.
            if !read && !self.woken.take() {
                return Ok(());
            }
        }
    }

    /// Returns the failure that ended the connection.
    fn why_over(&self) -> Failure {
        self.wire.borrow().failure.unwrap_or(Failure::ClosedEarly)
    }

    /// Passes the pending requests to `h2`.
    fn open_streams(&mut self, pending: &mut Vec<Job>, route: &Route, cx: &mut Context<'_, '_>) -> Result<(), Failure> {
        let State::Started { send, .. } = &mut self.state else { return Ok(()) };
        while !pending.is_empty() {
            match send.poll_ready(&mut TaskContext::from_waker(&self.waker)) {
                Poll::Ready(Ok(())) => {}
                Poll::Pending => break,
                Poll::Ready(Err(error)) => {
                    self.spent = true;
                    let over = failure_of(&error, &self.wire.borrow());
                    // The server shut the connection down, but still answers the requests in flight.
                    let (failure, untaken) = match over {
                        Failure::GoAway => (Failure::GoAway, Untaken::Surely),
                        other => return Err(other),
                    };
                    for job in pending.drain(..) {
                        cx.ended.push(Ended { job, result: Err(failure), detail: error.to_string(), untaken });
                    }
                    break;
                }
            }
            let job = pending.remove(0);
            let scheme = if route.tls.is_some() { "https" } else { "http" };
            let composed = cx.composer.http2(job.index, job.request, &route.authority, scheme);
            let opened = composed.and_then(|(request, body)| {
                let ends = body.is_empty();
                let opened = send.send_request(request, ends).map_err(|error| error.to_string())?;
                Ok((opened, body))
            });
            match opened {
                Ok(((answer, sender), body)) => {
                    let index = self.free.pop().unwrap_or_else(|| {
                        let (woken, waker) = Woken::new();
                        self.streams.push(StreamSlot { woken, waker, stream: None });
                        self.streams.len() - 1
                    });
                    self.streams[index].woken.wake_by_ref();
                    self.streams[index].stream = Some(Stream {
                        job,
                        body: (!body.is_empty()).then_some((sender, body)),
                        answer: AnswerPart::Head(answer),
                        status: 0,
                        grpc_status: None,
                        sample: Vec::new(),
                    });
                }
                Err(detail) => {
                    let result = Err(Failure::Unreachable);
                    cx.ended.push(Ended { job, result, detail, untaken: Untaken::No });
                }
            }
        }
        Ok(())
    }

    /// Lets the connection read and write. Returns true when it has ended.
    fn drive(&mut self) -> Result<bool, Failure> {
        let mut task = TaskContext::from_waker(&self.waker);
        if let State::Starting(handshake) = &mut self.state {
            match handshake.as_mut().poll(&mut task) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok((send, driver))) => {
                    self.state = State::Started { send, driver: Box::new(driver) };
                    self.woken.wake_by_ref();
                }
                Poll::Ready(Err(error)) => {
                    self.state = State::Over;
                    return Err(failure_of(&error, &self.wire.borrow()));
                }
            }
        }
        let State::Started { driver, .. } = &mut self.state else { return Ok(true) };
        match Pin::new(driver.as_mut()).poll(&mut task) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(error)) => {
                let failure = failure_of(&error, &self.wire.borrow());
                // After a shutdown, each stream reports its own result.
                if failure == Failure::GoAway { Ok(true) } else { Err(failure) }
            }
        }
    }

    /// Polls the streams that were woken. Returns true if a stream ended or returned window.
    fn poll_streams(&mut self, cx: &mut Context<'_, '_>, reused: bool) -> bool {
        let blocked = self.wire.borrow().blocked;
        let mut moved = false;
        for index in 0..self.streams.len() {
            let slot = &mut self.streams[index];
            let Some(stream) = &mut slot.stream else { continue };
            if stream.job.sent.is_none() && stream.body.is_none() && !blocked {
                stream.job.sent = Some(monotonic_now());
            }
            if !slot.woken.take() {
                continue;
            }
            let mut task = TaskContext::from_waker(&slot.waker);
            moved |= stream.send_body(&mut task);
            let Poll::Ready(result) = stream.poll(&mut task, &mut moved) else { continue };
            let Some(stream) = slot.stream.take() else { continue };
            self.free.push(index);
            moved = true;
            cx.ended.push(stream.end(result, cx, &self.wire.borrow(), reused));
        }
        moved
    }

    pub(crate) fn fail_all(&mut self, fail: &mut dyn FnMut(Job, bool)) {
        for (index, slot) in self.streams.iter_mut().enumerate() {
            if let Some(stream) = slot.stream.take() {
                self.free.push(index);
                fail(stream.job, stream.job.first_byte.is_some());
            }
        }
    }

    /// Drops the streams that were intended before `oldest`. This resets them and leaves the connection open.
    pub(crate) fn expire(&mut self, oldest: Nanos, fail: &mut dyn FnMut(Job)) {
        for (index, slot) in self.streams.iter_mut().enumerate() {
            if let Some(stream) = slot.stream.take_if(|stream| stream.job.intended < oldest) {
                self.free.push(index);
                fail(stream.job);
            }
        }
    }
}

impl Stream {
    /// Sends as much of the body as the window allows. Returns true if anything was sent.
    fn send_body(&mut self, task: &mut TaskContext<'_>) -> bool {
        let mut moved = false;
        while let Some((sender, left)) = &mut self.body {
            sender.reserve_capacity(left.len());
            match sender.poll_capacity(task) {
                Poll::Ready(Some(Ok(count))) if count > 0 => {
                    let piece = left.split_to(count.min(left.len()));
                    moved = true;
                    let is_last = left.is_empty();
                    if sender.send_data(piece, is_last).is_err() || is_last {
                        self.body = None;
                    }
                }
                Poll::Pending => break,
                // The answer, or its error, reports the result.
                Poll::Ready(_) => self.body = None,
            }
        }
        moved
    }

    /// Reads the part of the answer that was received.
    fn poll(&mut self, task: &mut TaskContext<'_>, moved: &mut bool) -> Poll<Result<(), h2::Error>> {
        loop {
            match &mut self.answer {
                AnswerPart::Head(head) => match Pin::new(head).poll(task) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(response)) => {
                        let now = monotonic_now();
                        self.job.first_byte.get_or_insert(now);
                        self.status = response.status().as_u16();
                        self.grpc_status = grpc_status(response.headers(), &mut self.sample);
                        self.answer = AnswerPart::Body(response.into_body());
                    }
                },
                AnswerPart::Body(body) => {
                    match body.poll_data(task) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                        Poll::Ready(Some(Ok(data))) => {
                            *moved = true;
                            let room = SAMPLE_BYTES.saturating_sub(self.sample.len()).min(data.len());
                            self.sample.extend_from_slice(&data[..room]);
                            // This fails when the stream has ended, which the next poll reports.
                            let _ = body.flow_control().release_capacity(data.len());
                            continue;
                        }
                        Poll::Ready(None) => {}
                    }
                    return match body.poll_trailers(task) {
                        Poll::Pending => Poll::Pending,
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                        Poll::Ready(Ok(trailers)) => {
                            if let Some(trailers) = trailers {
                                self.sample.clear();
                                self.grpc_status = grpc_status(&trailers, &mut self.sample).or(self.grpc_status);
                            }
                            Poll::Ready(Ok(()))
                        }
                    };
                }
            }
        }
    }

    fn end(self, result: Result<(), h2::Error>, cx: &Context<'_, '_>, wire: &Wire, reused: bool) -> Ended {
        let Self { job, status, sample, grpc_status, .. } = self;
        let request = &cx.composer.workload.requests()[job.request];
        match result {
            Ok(()) => {
                let grpc = request.is_grpc().then(|| grpc_status.unwrap_or(GRPC_UNKNOWN));
                let is_expected = request.expects(status) && grpc.is_none_or(|code| code == 0);
                let detail = if is_expected { String::new() } else { String::from_utf8_lossy(&sample).into_owned() };
                Ended { job, result: Ok(Answer { status, grpc }), detail, untaken: Untaken::No }
            }
            Err(error) => {
                let failure = failure_of(&error, wire);
                let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
                let untaken = match failure {
                    _ if job.first_byte.is_some() => Untaken::No,
                    Failure::GoAway => Untaken::Surely,
                    _ if is_refused => Untaken::Surely,
                    Failure::ClosedEarly | Failure::Reset if reused => Untaken::Perhaps,
                    _ => Untaken::No,
                };
                Ended { job, result: Err(failure), detail: error.to_string(), untaken }
            }
        }
    }
}

/// Returns the status of a unary call, and appends its `grpc-message` to `message`.
fn grpc_status(headers: &HeaderMap, message: &mut Vec<u8>) -> Option<u8> {
    let status = headers.get("grpc-status")?;
    if let Some(text) = headers.get("grpc-message") {
        message.extend_from_slice(&text.as_bytes()[..text.len().min(SAMPLE_BYTES)]);
    }
    let code = status.to_str().ok().and_then(|digits| digits.parse().ok());
    Some(code.filter(|code| *code <= GRPC_LAST).unwrap_or(GRPC_UNKNOWN))
}

/// Returns the failure that an error of the `h2` crate is counted as.
fn failure_of(error: &h2::Error, wire: &Wire) -> Failure {
    if error.is_go_away() && error.is_remote() {
        return Failure::GoAway;
    }
    if error.is_reset() {
        return if error.is_remote() { Failure::StreamReset } else { Failure::Malformed };
    }
    if error.is_io() {
        // The server closed the connection within a frame.
        let kind = error.get_io().map(io::Error::kind);
        return wire.failure.unwrap_or(match kind {
            Some(io::ErrorKind::ConnectionReset) => Failure::Reset,
            _ => Failure::ClosedEarly,
        });
    }
    wire.unreadable(true)
}

/// The wire in the form that the `h2` crate uses.
struct Io(Rc<RefCell<Wire>>);

/// Returns an error for `h2`; the wire keeps the failure itself.
fn broken(_: Failure) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, _: &mut TaskContext<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0.borrow_mut().read(into.initialize_unfilled()) {
            Ok(ReadOutcome::Bytes(count)) => {
                into.advance(count);
                Poll::Ready(Ok(()))
            }
            Ok(ReadOutcome::End) => Poll::Ready(Ok(())),
            Ok(ReadOutcome::Blocked) => Poll::Pending,
            Err(failure) => Poll::Ready(Err(broken(failure))),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, _: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        if wire.blocked {
            return Poll::Pending;
        }
        match wire.write(bytes) {
            Ok(0) => {
                wire.blocked = true;
                Poll::Pending
            }
            Ok(count) => Poll::Ready(Ok(count)),
            Err(failure) => Poll::Ready(Err(broken(failure))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self.0.borrow_mut().flush() {
            Ok(()) => Poll::Ready(Ok(())),
            Err(failure) => Poll::Ready(Err(broken(failure))),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(task)
    }
}
