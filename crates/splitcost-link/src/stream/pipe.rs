//! Bytes under way in one direction, each piece with the time at which it is due.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write as _};

use socket2::Socket;
use splitcost_model::quantity::Nanos;

use crate::clock;
use crate::policy::Direction;
use crate::tally::Tally;

/// Chosen: what is written at once, so that other connections wait no longer than it takes.
const WRITE_BYTES: usize = 262_144;
/// Chosen: a buffer beyond it is given back when it is empty.
const KEPT_BYTES: usize = 131_072;

/// One side of a connection.
pub(super) struct Leg {
    pub(super) socket: Socket,
    /// The kernel may have bytes for us.
    pub(super) readable: bool,
    /// The kernel may have room.
    pub(super) writable: bool,
    /// The other side sends no more than what the kernel has.
    pub(super) ended: bool,
}

impl Leg {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, readable: false, writable: false, ended: false }
    }

    /// Writes what there is room for.
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

/// Bytes that came together.
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
    /// Bytes that it takes at most.
    pub(super) window_bytes: usize,
    /// The receiver had no room when it was last written to: what is late now is so by the receiver.
    blocked: bool,
    /// When to hand the end on, once it came; [`Nanos::MAX`] is never.
    pub(super) end_due: Option<Nanos>,
    /// The end was handed on.
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

    pub(super) fn room(&self) -> usize {
        self.window_bytes.saturating_sub(self.bytes.len())
    }

    /// When there is something to do next; a receiver without room is waited for instead.
    pub(super) fn next_due(&self, sink: &Leg) -> Nanos {
        match (self.pieces.front(), self.end_due) {
            (Some(piece), _) if sink.writable => piece.due,
            (None, Some(end)) if !self.finished => end,
            _ => Nanos::MAX,
        }
    }

    /// What waited for ever is due.
    pub(super) fn release(&mut self, now: Nanos) {
        for piece in self.pieces.iter_mut().filter(|piece| piece.due == Nanos::MAX) {
            piece.due = now;
        }
        self.end_due = self.end_due.map(|due| if due == Nanos::MAX { now } else { due });
    }

    /// Takes bytes that came at `read` and are due at `due`; what is due at once goes at once.
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
            tally.handed_on(self.direction, sent);
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

    /// Hands on what is due.
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
                // It has gone already.
                Err(error) if error.kind() == ErrorKind::NotConnected => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Counts what was handed on, by a write that began at `now`.
    fn account(&mut self, sent: usize, now: Nanos, tally: &mut Tally) {
        tally.handed_on(self.direction, sent);
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
