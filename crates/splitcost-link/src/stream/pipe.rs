//! The bytes in flight in one direction, each piece with the time at which it is due.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write as _};

use socket2::Socket;
use splitcost_model::quantity::Nanos;

use crate::clock;
use crate::policy::Direction;
use crate::tally::Tally;

/// The most bytes of one write.
///
/// Chosen: a write of this size does not delay other connections noticeably.
const WRITE_BYTES: usize = 262_144;
/// The largest empty buffer that is kept.
///
/// Chosen: small compared with a connection that carries much data.
const KEPT_BYTES: usize = 131_072;

/// One side of a connection.
pub(super) struct Leg {
    pub(super) socket: Socket,
    /// True when the kernel may have bytes to read.
    pub(super) readable: bool,
    /// True when the kernel may accept bytes.
    pub(super) writable: bool,
    /// True when the peer sends no more than the bytes that the kernel has.
    pub(super) ended: bool,
}

impl Leg {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, readable: false, writable: false, ended: false }
    }

    /// Writes as many bytes as the kernel accepts.
    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let written = (&self.socket).write_vectored(&[IoSlice::new(first), IoSlice::new(second)]);
        match written {
            Ok(count) => {
                self.writable = count == first.len() + second.len();
                Ok(count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Bytes that were read together.
struct Piece {
    bytes: usize,
    read: Nanos,
    due: Nanos,
}

/// One direction of a connection.
pub(super) struct Pipe {
    direction: Direction,
    bytes: VecDeque<u8>,
    pieces: VecDeque<Piece>,
    /// The most bytes that it holds.
    pub(super) window_bytes: usize,
    /// True when the last write found the receiver full. The receiver then causes the lateness of these bytes.
    blocked: bool,
    /// The time at which the end of the stream is due, once it was read; [`Nanos::MAX`] stands for never.
    pub(super) end_due: Option<Nanos>,
    /// True when the end of the stream was delivered.
    pub(super) finished: bool,
}

impl Pipe {
    pub(super) fn new(direction: Direction, window_bytes: usize) -> Self {
        Self {
            direction,
            bytes: VecDeque::new(),
            pieces: VecDeque::new(),
            window_bytes,
            blocked: false,
            end_due: None,
            finished: false,
        }
    }

    /// Returns the number of bytes that it can still take.
    pub(super) fn room(&self) -> usize {
        self.window_bytes.saturating_sub(self.bytes.len())
    }

    /// Returns the time of the next delivery. A full receiver causes an event instead.
    pub(super) fn next_due(&self, sink: &Leg) -> Nanos {
        match (self.pieces.front(), self.end_due) {
            (Some(piece), _) if sink.writable => piece.due,
            (None, Some(end)) if !self.finished => end,
            _ => Nanos::MAX,
        }
    }

    /// Makes the bytes due that would have waited forever.
    pub(super) fn release(&mut self, now: Nanos) {
        for piece in self.pieces.iter_mut().filter(|piece| piece.due == Nanos::MAX) {
            piece.due = now;
        }
        self.end_due = self.end_due.map(|due| if due == Nanos::MAX { now } else { due });
    }

    /// Takes bytes that were read at `read` and are due at `due`. Bytes that are due at once are delivered at once.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        (read, due): (Nanos, Nanos),
        sink: &mut Leg,
        tally: &mut Tally,
    ) -> io::Result<()> {
        let mut sent = 0;
        if due <= read && self.pieces.is_empty() && sink.writable {
            let now = clock::now();
            sent = sink.write(bytes, &[])?;
            self.blocked = sent < bytes.len();
            tally.delivered(self.direction, sent);
            if !self.blocked {
                tally.timing.record(read, due, now);
            }
        }
        if sent < bytes.len() {
            self.bytes.extend(&bytes[sent..]);
            self.pieces.push_back(Piece { bytes: bytes.len() - sent, read, due });
            tally.most_under_way_bytes = tally.most_under_way_bytes.max(self.bytes.len() as u64);
        }
        Ok(())
    }

    /// Delivers the bytes that are due.
    pub(super) fn deliver(&mut self, sink: &mut Leg, tally: &mut Tally) -> io::Result<()> {
        while sink.writable {
            let now = clock::now();
            let mut due = 0;
            for piece in self.pieces.iter().take_while(|piece| piece.due <= now) {
                due += piece.bytes;
                if due >= WRITE_BYTES {
                    due = WRITE_BYTES;
                    break;
                }
            }
            if due == 0 {
                break;
            }
            let (first, second) = self.bytes.as_slices();
            let first = &first[..due.min(first.len())];
            let sent = sink.write(first, &second[..due - first.len()])?;
            self.account(sent, now, tally);
            self.blocked = sent < due;
        }
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = VecDeque::new();
        }
        if self.pieces.is_empty() && !self.finished && self.end_due.is_some_and(|due| due <= clock::now()) {
            self.finished = true;
            match sink.socket.shutdown(std::net::Shutdown::Write) {
                // The peer has closed the connection already.
                Err(error) if error.kind() == ErrorKind::NotConnected => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Counts the bytes that a write delivered, which began at `now`.
    fn account(&mut self, sent: usize, now: Nanos, tally: &mut Tally) {
        tally.delivered(self.direction, sent);
        self.bytes.drain(..sent);
        let mut left = sent;
        while let Some(piece) = self.pieces.front_mut() {
            if piece.bytes > left {
                piece.bytes -= left;
                break;
            }
            left -= piece.bytes;
            if !self.blocked {
                tally.timing.record(piece.read, piece.due, now);
            }
            self.pieces.pop_front();
        }
    }
}
