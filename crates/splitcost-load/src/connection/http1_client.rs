//! HTTP/1.1 on a wire: one request at a time.

use super::http1::ResponseParser;
use super::wire::{Got, Wire};
use super::{Answer, Context, Ended, Job, Route, Untaken};
use crate::outcome::Failure;
use crate::resource::monotonic_now;

pub(crate) struct Http1 {
    pub(crate) job: Option<Job>,
    outgoing: Vec<u8>,
    /// Bytes of `outgoing` that are sent.
    written: usize,
    parser: ResponseParser,
    /// Whether the connection takes no other request.
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

    /// Whether nothing of the answer has come.
    pub(crate) fn is_untouched(&self) -> bool {
        self.parser.is_untouched()
    }

    /// An error is the end of the connection.
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
        // A server may answer, and close, before it has read the request.
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
                Got::Blocked => return Ok(()),
                // The server closed an idle connection, or spoke unasked.
                _ if self.job.is_none() => {
                    self.spent = true;
                    return Ok(());
                }
                Got::End => self.parser.end(),
                Got::Bytes(count) => self.parser.feed(&cx.buffer[..count]),
            };
            if let Some(job) = &mut self.job
                && job.first_byte.is_none()
                && got != Got::End
            {
                job.first_byte = Some(monotonic_now());
            }
            match answer {
                Ok(Some(response)) => {
                    let Some(job) = self.job.take() else { return Ok(()) };
                    self.spent |= !response.keep_alive || self.written < self.outgoing.len() || got == Got::End;
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
                Ok(None) if got == Got::End => return Err(Failure::ClosedEarly),
                Ok(None) => {}
                Err(_) => return Err(wire.unreadable(false)),
            }
            // Of a socket, a short read was all there is.
            if let Got::Bytes(count) = got
                && !wire.is_tls()
                && count < cx.buffer.len()
            {
                return Ok(());
            }
        }
    }
}
