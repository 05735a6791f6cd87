//! A client, a server, and what is under way between them.

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

/// Chosen: what one connection may read before others have their turn.
const TURN_BYTES: usize = 262_144;

pub(super) struct Connection {
    pub(super) link: usize,
    pub(super) key: usize,
    /// When it is woken next, if nothing happens before.
    pub(super) wake: Nanos,
    client: Leg,
    /// Once its connection was begun.
    server: Option<Leg>,
    connected: bool,
    /// When the server is connected to.
    opens: Nanos,
    /// Which of the server's addresses is tried next.
    address: usize,
    flow: Flow,
    pipes: [Pipe; 2],
    /// What one side's sudden end does to the other.
    torn: Option<End>,
}

/// What a connection works with.
pub(super) struct Surroundings<'a> {
    pub(super) poller: &'a Poller,
    pub(super) policy: &'a mut Policy,
    pub(super) tally: &'a mut Tally,
    pub(super) to: &'a [Address],
    /// When the link began.
    pub(super) begun: Nanos,
    pub(super) scratch: &'a mut [u8],
}

/// What follows from a turn.
pub(super) enum Turn {
    /// There is more to do at once.
    Again,
    /// There is something to do at a time, if nothing happens before.
    At(Nanos),
    /// It is over; whether by a reset.
    Over { reset: bool },
}

impl Connection {
    /// A client that was just accepted. `key` names the client's side, the next number the server's.
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

    /// Puts it under another policy. Bytes that vanished leave a hole: such a connection is over.
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

    /// Notes what the kernel says of one side.
    pub(super) fn note(&mut self, ready: Ready) {
        let leg = if ready.key == self.key { Some(&mut self.client) } else { self.server.as_mut() };
        if let Some(leg) = leg {
            leg.readable |= ready.readable;
            leg.writable |= ready.writable;
            leg.ended |= ready.ended;
            leg.readable |= ready.ended;
        }
    }

    /// Does all that can be done now.
    pub(super) fn turn(&mut self, at: &mut Surroundings<'_>) -> Turn {
        // What is due by now goes before an end that is due by now.
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

    /// When there is something to do again.
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

    /// The end that was decided on: a fault's, or what one side did.
    fn end(&self, at: &Surroundings<'_>) -> Option<End> {
        let fault = self.flow.end().map(|end| End { at: at.begun + end.at, ..end });
        [fault, self.torn].into_iter().flatten().min_by_key(|end| end.at)
    }

    /// Whether it is over.
    fn over(&self, now: Nanos, at: &mut Surroundings<'_>) -> Option<Turn> {
        if let Some(end) = self.end(at).filter(|end| end.at <= now) {
            if self.torn != Some(end) {
                *if end.reset { &mut at.tally.reset } else { &mut at.tally.closed } += 1;
            }
            return Some(Turn::Over { reset: end.reset });
        }
        self.given_up(now, at).then_some(Turn::Over { reset: true })
    }

    /// Whether the client has given up; what a fault holds back would keep the connection for ever.
    fn given_up(&self, now: Nanos, at: &Surroundings<'_>) -> bool {
        let held =
            |direction| self.flow.discards(direction) || self.flow.unread_until(direction, now - at.begun).is_some();
        self.client.ended && self.end(at).is_none() && Direction::ALL.into_iter().any(held)
    }

    /// Connects to the server, when it is time; whether it is connected.
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
            // Less than there was room for is all there was, but for the end, of which nothing new would be said.
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

    /// One side is gone all of a sudden: the other learns of it when bytes sent now would arrive.
    fn tear(&mut self, direction: Direction, at: &mut Surroundings<'_>) {
        let now = clock::now();
        let due = at.policy.finish(&mut self.flow, direction, now - at.begun);
        self.torn.get_or_insert(End { at: due.map_or(Nanos::MAX, |due| at.begun + due), reset: true });
        // Nothing more comes or goes.
        for leg in [Some(&mut self.client), self.server.as_mut()].into_iter().flatten() {
            (leg.readable, leg.writable) = (false, false);
        }
    }

    /// Ends it; with a reset, what was sent and not read yet is lost, as on a real network.
    pub(super) fn close(self, reset: bool) {
        for leg in [Some(self.client), self.server].into_iter().flatten() {
            if reset {
                // Unix sockets have no such thing: there it is an end like any other.
                let _ = leg.socket.set_linger(Some(Duration::ZERO));
            }
        }
    }
}
