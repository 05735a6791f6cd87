//! A connection from a client to a server, and the bytes in flight between them.

use std::io::{self, ErrorKind, Read as _};
use std::time::Duration;

use socket2::Socket;
use splitcost_model::quantity::Nanos;

use super::address::Address;
use super::pipe::{Leg, Pipe};
use crate::clock;
use crate::policy::{Direction, End, Flow, Policy, Verdict};
use crate::poller::{Poller, Ready};
use crate::tally::Tally;

/// The most bytes that one connection reads before the other connections are served.
///
/// Chosen: copying them takes less than a tenth of a millisecond.
const TURN_BYTES: usize = 262_144;

/// A connection of a client through a link.
pub(super) struct Connection {
    pub(super) link: usize,
    pub(super) key: usize,
    /// The time of the next wake-up without an event.
    pub(super) wake: Nanos,
    client: Leg,
    /// The side of the server, once the link has begun to connect.
    server: Option<Leg>,
    connected: bool,
    /// The time at which the link connects to the server.
    opens: Nanos,
    /// The position of the address of the server that is tried next.
    address: usize,
    flow: Flow,
    pipes: [Pipe; 2],
    /// The end that follows from a failure of one side.
    torn: Option<End>,
}

/// The parts of the engine and of the link that a connection uses.
pub(super) struct Surroundings<'a> {
    pub(super) poller: &'a Poller,
    pub(super) policy: &'a mut Policy,
    pub(super) tally: &'a mut Tally,
    pub(super) to: &'a [Address],
    /// The beginning of the link.
    pub(super) begun: Nanos,
    pub(super) scratch: &'a mut [u8],
}

/// The result of a turn.
pub(super) enum Turn {
    /// The connection has more to do at once.
    Again,
    /// The connection has something to do at this time, unless an event comes before.
    At(Nanos),
    /// The connection has ended.
    Over { reset: bool },
}

impl Connection {
    /// Makes the connection of a client that was just accepted. The poller uses `key` for the client's side, and the next
    /// number for the server's.
    pub(super) fn new(
        link: usize,
        key: usize,
        client: Socket,
        count: u64,
        at: &mut Surroundings<'_>,
    ) -> io::Result<Self> {
        let now = clock::now() - at.begun;
        at.poller.add(&client, key)?;
        let mut flow = at.policy.open(count, now);
        let opens = at.begun + now + at.policy.handshake(&mut flow, now);
        let pipes = Direction::ALL.map(|direction| Pipe::new(direction, at.policy.window_bytes(direction)));
        Ok(Self {
            link,
            key,
            wake: Nanos::MAX,
            client: Leg::new(client),
            server: None,
            connected: false,
            opens,
            address: 0,
            flow,
            pipes,
            torn: None,
        })
    }

    /// Replaces the policy. A connection whose bytes have vanished has a gap in its stream, and ends.
    pub(super) fn adopt(&mut self, policy: &Policy, begun: Nanos) {
        let now = clock::now();
        let holed = Direction::ALL.into_iter().any(|direction| self.flow.discards(direction));
        if holed && self.flow.end().is_none() {
            self.torn = Some(End { at: now, reset: false });
        }
        policy.adopt(&mut self.flow, now - begun);
        for (pipe, direction) in self.pipes.iter_mut().zip(Direction::ALL) {
            pipe.release(now);
            pipe.window_bytes = policy.window_bytes(direction);
        }
    }

    /// Records an event of one side.
    pub(super) fn note(&mut self, ready: Ready) {
        let leg = if ready.key == self.key { Some(&mut self.client) } else { self.server.as_mut() };
        if let Some(leg) = leg {
            leg.readable |= ready.readable;
            leg.writable |= ready.writable;
            leg.ended |= ready.ended;
            leg.readable |= ready.ended;
        }
    }

    /// Does everything that is possible now.
    pub(super) fn turn(&mut self, at: &mut Surroundings<'_>) -> Turn {
        // Bytes that are due are delivered before an end that is due.
        let now = clock::now();
        for direction in Direction::ALL {
            if self.deliver(direction, at).is_err() {
                self.tear(direction, at);
            }
        }
        if let Some(over) = self.over(now, at) {
            return over;
        }
        if !self.connected {
            match self.connect(now, at) {
                Ok(true) => {}
                Ok(false) => return self.rest(now, at),
                Err(error) => {
                    at.tally.refused += 1;
                    at.tally.refusal.get_or_insert_with(|| error.to_string());
                    return Turn::Over { reset: true };
                }
            }
        }
        for direction in Direction::ALL {
            if self.read(direction, at).is_err() {
                self.tear(direction, at);
            }
        }
        if self.pipes.iter().all(|pipe| pipe.finished) {
            return Turn::Over { reset: false };
        }
        let now = clock::now();
        if self.given_up(now, at) { Turn::Over { reset: true } } else { self.rest(now, at) }
    }

    /// Returns the time at which the connection has something to do again.
    fn rest(&self, now: Nanos, at: &Surroundings<'_>) -> Turn {
        let mut next = self.end(at).map_or(Nanos::MAX, |end| end.at);
        let Some(server) = &self.server else { return Turn::At(next.min(self.opens)) };
        if !self.connected {
            return Turn::At(next);
        }
        for (direction, source, sink) in
            [(Direction::Upstream, &self.client, server), (Direction::Downstream, server, &self.client)]
        {
            let pipe = &self.pipes[direction.index()];
            next = next.min(pipe.next_due(sink));
            if source.readable && pipe.end_due.is_none() && pipe.room() > 0 {
                match self.flow.unread_until(direction, now - at.begun) {
                    Some(until) => next = next.min(at.begun + until),
                    None => return Turn::Again,
                }
            }
        }
        Turn::At(next)
    }

    /// Returns the end of the connection that a fault or a failure of one side has decided.
    fn end(&self, at: &Surroundings<'_>) -> Option<End> {
        let fault = self.flow.end().map(|end| End { at: at.begun + end.at, ..end });
        [fault, self.torn].into_iter().flatten().min_by_key(|end| end.at)
    }

    /// Returns the result of the turn if the connection has ended.
    fn over(&self, now: Nanos, at: &mut Surroundings<'_>) -> Option<Turn> {
        if let Some(end) = self.end(at).filter(|end| end.at <= now) {
            if self.torn != Some(end) {
                *if end.reset { &mut at.tally.reset } else { &mut at.tally.closed } += 1;
            }
            return Some(Turn::Over { reset: end.reset });
        }
        self.given_up(now, at).then_some(Turn::Over { reset: true })
    }

    /// Returns true if the client has closed while a fault holds bytes back. Otherwise the connection would never end.
    fn given_up(&self, now: Nanos, at: &Surroundings<'_>) -> bool {
        let held =
            |direction| self.flow.discards(direction) || self.flow.unread_until(direction, now - at.begun).is_some();
        self.client.ended && self.end(at).is_none() && Direction::ALL.into_iter().any(held)
    }

    /// Connects to the server when it is time. Returns true once the connection is established.
    fn connect(&mut self, now: Nanos, at: &mut Surroundings<'_>) -> io::Result<bool> {
        if now < self.opens {
            return Ok(false);
        }
        let mut failure = None;
        if let Some(server) = &self.server {
            if !server.writable {
                return Ok(false);
            }
            match server.socket.take_error()? {
                None => {
                    self.connected = true;
                    return Ok(true);
                }
                Some(error) => failure = Some(error),
            }
        }
        while let Some(address) = at.to.get(self.address) {
            self.address += 1;
            match address.connect().and_then(|socket| at.poller.add(&socket, self.key + 1).map(|()| socket)) {
                Ok(socket) => {
                    self.server = Some(Leg::new(socket));
                    return Ok(false);
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| ErrorKind::AddrNotAvailable.into()))
    }

    fn deliver(&mut self, direction: Direction, at: &mut Surroundings<'_>) -> io::Result<()> {
        let Some(server) = &mut self.server else { return Ok(()) };
        let sink = if direction == Direction::Upstream { server } else { &mut self.client };
        self.pipes[direction.index()].deliver(sink, at.tally)
    }

    fn read(&mut self, direction: Direction, at: &mut Surroundings<'_>) -> io::Result<()> {
        let Some(server) = &mut self.server else { return Ok(()) };
        let (source, sink) = match direction {
            Direction::Upstream => (&mut self.client, server),
            Direction::Downstream => (server, &mut self.client),
        };
        let pipe = &mut self.pipes[direction.index()];
        let mut budget = TURN_BYTES;
        while source.readable && pipe.end_due.is_none() && budget > 0 {
            let now = clock::now();
            let room = pipe.room().min(at.scratch.len());
            if room == 0 || self.flow.unread_until(direction, now - at.begun).is_some() {
                break;
            }
            let count = match (&source.socket).read(&mut at.scratch[..room]) {
                Ok(0) => {
                    source.ended = true;
                    let end = at.policy.finish(&mut self.flow, direction, now - at.begun);
                    pipe.end_due = Some(end.map_or(Nanos::MAX, |end| at.begun + end));
                    break;
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    source.readable = false;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            // A short read has emptied the socket. The end of the stream is an exception, since no event follows it.
            source.readable = count == room || source.ended;
            budget = budget.saturating_sub(count);
            let mut done = 0;
            while done < count {
                let (take, verdict) = at.policy.pass(&mut self.flow, direction, now - at.begun, count - done);
                match verdict {
                    Verdict::Deliver(due) => {
                        pipe.push(&at.scratch[done..done + take], (now, at.begun + due), sink, at.tally)?;
                    }
                    Verdict::Discard => at.tally.discarded_bytes[direction.index()] += take as u64,
                }
                done += take;
            }
        }
        Ok(())
    }

    /// Handles the failure of one side. The other side is reset at the time at which bytes that are sent now would arrive.
    fn tear(&mut self, direction: Direction, at: &mut Surroundings<'_>) {
        let now = clock::now();
        let due = at.policy.finish(&mut self.flow, direction, now - at.begun);
        self.torn.get_or_insert(End { at: due.map_or(Nanos::MAX, |due| at.begun + due), reset: true });
        // Neither side is read or written any more.
        for leg in [Some(&mut self.client), self.server.as_mut()].into_iter().flatten() {
            (leg.readable, leg.writable) = (false, false);
        }
    }

    /// Closes both sockets. After a reset, bytes that the peer has not read yet are lost, as on a real network.
    pub(super) fn close(self, reset: bool) {
        for leg in [Some(self.client), self.server].into_iter().flatten() {
            if reset {
                // A unix socket cannot be reset, and is closed instead.
                let _ = leg.socket.set_linger(Some(Duration::ZERO));
            }
        }
    }
}
