//! The client side of an HTTP/1.1 connection, which carries one request at a time.

use super::http1::ResponseParser;
use super::job::{Answer, Context, Ended, Job, Route, Untaken};
use super::wire::{ReadOutcome, Wire};
use crate::outcome::Failure;
use crate::resource::monotonic_now;

/// The state of an HTTP/1.1 connection.
pub(crate) struct Http1 {
    pub(crate) job: Option<Job>,
    outgoing: Vec<u8>,
    /// The number of bytes of `outgoing` that were sent.
    written: usize,
    parser: ResponseParser,
    /// True when the connection must not take another request.
    pub(crate) spent: bool,
}

impl Http1 {
    pub(crate) fn new() -> Self {
        Self { job: None, outgoing: Vec::new(), written: 0, parser: ResponseParser::new(false), spent: false }
    }

    pub(crate) fn begin(&mut self, job: Job, route: &Route, cx: &mut Context<'_, '_>) {
        self.outgoing.clear();
        self.written = 0;
        cx.composer.http1(job.index, job.request, &route.authority, &mut self.outgoing);
        self.parser.reset(cx.composer.is_head(job.request));
        self.job = Some(job);
    }

    /// Returns true if no byte of the answer was received.
    pub(crate) fn is_untouched(&self) -> bool {
        self.parser.is_untouched()
    }

    /// Writes and reads as much as possible. An error ends the connection.
    pub(crate) fn turn(&mut self, wire: &mut Wire, cx: &mut Context<'_, '_>, readable: bool) -> Result<(), Failure> {
        let mut broken = Ok(());
        if self.written < self.outgoing.len() {
            while self.written < self.outgoing.len() && !wire.blocked {
                match wire.write(&self.outgoing[self.written..]) {
                    Ok(0) => break,
                    Ok(count) => self.written += count,
                    Err(failure) => {
                        broken = Err(failure);
                        break;
                    }
                }
            }
            if self.written == self.outgoing.len()
                && let Some(job) = &mut self.job
            {
                job.sent = Some(monotonic_now());
            }
        } else {
            wire.flush()?;
        }
        // A server may answer and close before it has read the whole request.
        let read = if readable || broken.is_err() { self.read(wire, cx) } else { Ok(()) };
        if broken.is_err() && self.job.is_none() {
            self.spent = true;
            return Ok(());
        }
        broken.and(read)
    }

    fn read(&mut self, wire: &mut Wire, cx: &mut Context<'_, '_>) -> Result<(), Failure> {
        loop {
            let got = wire.read(cx.buffer)?;
            let answer = match got {
                ReadOutcome::Blocked => return Ok(()),
                // The server closed an idle connection, or sent bytes without a request.
                _ if self.job.is_none() => {
                    self.spent = true;
                    return Ok(());
                }
                ReadOutcome::End => self.parser.end(),
                ReadOutcome::Bytes(count) => self.parser.feed(&cx.buffer[..count]),
            };
            if let Some(job) = &mut self.job
                && job.first_byte.is_none()
                && got != ReadOutcome::End
            {
                job.first_byte = Some(monotonic_now());
            }
            match answer {
                Ok(Some(response)) => {
                    let Some(job) = self.job.take() else { return Ok(()) };
                    // Servers that answer an unhandled exception close the connection right afterwards, without
                    // announcing it (uvicorn, hypercorn): the next request would be lost.
                    self.spent |= !response.keep_alive
                        || response.status >= 500
                        || self.written < self.outgoing.len()
                        || got == ReadOutcome::End;
                    let expected = cx.composer.workload.requests()[job.request].expects(response.status);
                    let detail = if expected {
                        String::new()
                    } else {
                        String::from_utf8_lossy(self.parser.sample()).into_owned()
                    };
                    let answer = Answer { status: response.status, grpc: None };
                    cx.ended.push(Ended { job, result: Ok(answer), detail, untaken: Untaken::No });
                    return Ok(());
                }
                Ok(None) if got == ReadOutcome::End => return Err(Failure::ClosedEarly),
                Ok(None) => {}
                Err(_) => return Err(wire.unreadable(false)),
            }
            // A short read from a socket has emptied it.
            if let ReadOutcome::Bytes(count) = got
                && !wire.is_tls()
                && count < cx.buffer.len()
            {
                return Ok(());
            }
        }
    }
}
