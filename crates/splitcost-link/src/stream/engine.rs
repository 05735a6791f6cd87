//! The loop of the stream engine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::sync::mpsc;

use slab::Slab;
use splitcost_model::quantity::Nanos;

use super::address::{Address, prepare};
use super::connection::{Connection, Surroundings, Turn};
use super::listener::Listener;
use super::{LinkId, Spec};
use crate::Error;
use crate::clock;
use crate::policy::Policy;
use crate::poller::{Poller, Ready};
use crate::tally::Tally;

/// The time before a byte is due at which the thread stops sleeping and begins to spin.
///
/// Chosen: with a free core, the kernel usually needs less to wake a thread.
const SPIN: Nanos = Nanos::from_micros(80);
/// The size of the read buffer.
///
/// Chosen: small, so that a read of one connection does not delay the others.
const READ_BYTES: usize = 65_536;
/// The most clients that are accepted before connections are served.
///
/// Chosen: accepting them takes less than a millisecond.
const ACCEPTS: usize = 64;
/// The time to the next attempt when no file is left for a client, or the address is in use.
///
/// Chosen: short for a client that waits, and long enough not to use a whole core.
const ACCEPT_AGAIN: Nanos = Nanos::from_millis(50);

/// A request to the thread. Positions in the slab identify links.
#[derive(Debug)]
pub(super) enum Command {
    Open(Box<Spec>, mpsc::Sender<Result<(LinkId, Address), Error>>),
    Change(usize, Box<Policy>, mpsc::Sender<Result<(), Error>>),
    Close(usize, mpsc::Sender<()>),
    Tally(usize, mpsc::Sender<Tally>),
    Stop,
}

/// The key of a listener or of one side of a connection. Bits 0 and 1 hold the type, the others the position in the slab and
/// the generation, which distinguishes successive users of a position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(usize);

impl Key {
    const CLIENT: usize = 0;
    const LISTENER: usize = 2;
    /// The mask of the generation. The greatest keys belong to the timer and the waker.
    const GENERATIONS: usize = 0x3fff_ffff;

    fn new(kind: usize, index: usize, generation: usize) -> Self {
        Self((generation & Self::GENERATIONS) << 32 | index << 2 | kind)
    }

    fn index(self) -> usize {
        (self.0 & 0xffff_ffff) >> 2
    }

    fn is_listener(self) -> bool {
        self.0 & 3 == Self::LISTENER
    }

    /// Returns the key that both sides of a connection share.
    fn connection(self) -> Self {
        Self(self.0 & !1)
    }
}

/// The state of the thread.
pub(super) struct StreamEngine {
    /// The network device that links accept connections through; `None` stands for any.
    device: Option<String>,
    commands: mpsc::Receiver<Command>,
    poller: Poller,
    links: Slab<Listener>,
    connections: Slab<Connection>,
    /// The number of links and connections so far.
    generation: usize,
    wakes: BinaryHeap<Reverse<(Nanos, Key)>>,
    /// The connections that have more to do at once.
    again: Vec<Key>,
    scratch: Vec<u8>,
}

impl StreamEngine {
    pub(super) fn new(commands: mpsc::Receiver<Command>, device: Option<&str>) -> Result<(Self, mio::Waker), Error> {
        let (poller, waker) = Poller::new().map_err(Error::system("wait for sockets"))?;
        let engine = Self {
            device: device.map(str::to_owned),
            commands,
            poller,
            links: Slab::new(),
            connections: Slab::new(),
            generation: 0,
            wakes: BinaryHeap::new(),
            again: Vec::new(),
            scratch: vec![0; READ_BYTES],
        };
        Ok((engine, waker))
    }

    /// Runs until it receives [`Command::Stop`].
    pub(super) fn run(mut self) {
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return,
                    Ok(command) => self.obey(command),
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            self.wake_due();
            for key in std::mem::take(&mut self.again) {
                self.turn(key);
            }
            let next = match self.wakes.peek() {
                _ if !self.again.is_empty() => Nanos::ZERO,
                Some(Reverse((Nanos::MAX, _))) | None => Nanos::MAX,
                Some(Reverse((due, _))) => *due - SPIN,
            };
            if let Err(error) = self.poller.wait(next, clock::now()) {
                // This fails only when the kernel has no memory left.
                eprintln!("error: the link has ended: failed to wait for sockets: {error}");
                return;
            }
            self.poller.ready(&mut ready);
            for event in &ready {
                self.on_ready(*event);
                self.wake_due();
            }
        }
    }

    fn on_ready(&mut self, event: Ready) {
        let key = Key(event.key);
        if key.is_listener() {
            if let Some(link) = self.links.get_mut(key.index()).filter(|link| link.key == key.0) {
                link.ready = true;
                self.accept(key.index());
            }
            return;
        }
        let key = key.connection();
        if let Some(connection) = self.connections.get_mut(key.index()).filter(|one| one.key == key.0) {
            connection.note(event);
            self.turn(key);
        }
    }

    /// Serves the connections and listeners that are due.
    fn wake_due(&mut self) {
        let mut now = clock::now();
        while let Some(Reverse((due, key))) = self.wakes.peek().copied()
            && due <= now
        {
            self.wakes.pop();
            if key.is_listener() {
                self.update(key);
            } else if let Some(connection) = self.connections.get_mut(key.index()).filter(|one| one.key == key.0) {
                // The connection may have been served earlier, and have another wake-up now.
                if connection.wake == due {
                    connection.wake = Nanos::MAX;
                    self.turn(key);
                }
            }
            now = clock::now();
        }
    }

    fn turn(&mut self, key: Key) {
        let index = key.index();
        let Some(connection) = self.connections.get_mut(index).filter(|one| one.key == key.0) else { return };
        let Some(link) = self.links.get_mut(connection.link) else { return };
        let mut at = Surroundings {
            poller: &self.poller,
            policy: &mut link.policy,
            tally: &mut link.tally,
            to: &link.to,
            begun: link.begun,
            scratch: &mut self.scratch,
        };
        match connection.turn(&mut at) {
            Turn::Again => self.again.push(key),
            Turn::At(due) => {
                if due < connection.wake {
                    connection.wake = due;
                    self.wakes.push(Reverse((due, key)));
                }
            }
            Turn::Over { reset } => {
                link.tally.open -= 1;
                self.connections.remove(index).close(reset);
            }
        }
    }

    /// Accepts the clients that wait.
    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS {
            let link = &mut self.links[index];
            let Some(socket) = link.socket.as_ref().filter(|_| link.ready) else { return };
            let client = match socket.accept() {
                Ok((client, _)) => client,
                Err(error) => {
                    match error.kind() {
                        ErrorKind::WouldBlock => link.ready = false,
                        // The client has closed the connection already.
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted => continue,
                        _ => self.wakes.push(Reverse((clock::now() + ACCEPT_AGAIN, Key(link.key)))),
                    }
                    return;
                }
            };
            link.count += 1;
            if let Ok(key) = self.adopt(index, client) {
                self.turn(key);
            }
        }
        // More clients may wait; the connections are served first.
        self.wakes.push(Reverse((clock::now(), Key(self.links[index].key))));
    }

    fn adopt(&mut self, index: usize, client: socket2::Socket) -> io::Result<Key> {
        let link = &mut self.links[index];
        client.set_nonblocking(true)?;
        prepare(&client, &link.listens)?;
        let mut at = Surroundings {
            poller: &self.poller,
            policy: &mut link.policy,
            tally: &mut link.tally,
            to: &link.to,
            begun: link.begun,
            scratch: &mut self.scratch,
        };
        self.generation += 1;
        let entry = self.connections.vacant_entry();
        let key = Key::new(Key::CLIENT, entry.key(), self.generation);
        entry.insert(Connection::new(index, key.0, client, link.count, &mut at)?);
        link.tally.accepted += 1;
        link.tally.open += 1;
        Ok(key)
    }

    /// Begins or stops listening according to the schedule, and accepts clients.
    fn update(&mut self, key: Key) {
        let index = key.index();
        let Some(link) = self.links.get_mut(index).filter(|link| link.key == key.0) else { return };
        let now = clock::now();
        let was_up = link.socket.is_some();
        // If another process uses the address, it may become free later.
        let next = link.update(&self.poller, self.device.as_deref(), now).unwrap_or(now + ACCEPT_AGAIN);
        let goes_down = was_up && link.socket.is_none();
        if next < Nanos::MAX {
            self.wakes.push(Reverse((next, key)));
        }
        if goes_down {
            self.end_all(index);
        }
        self.accept(index);
    }

    /// Closes all connections of a link, like a server process that ends.
    fn end_all(&mut self, link: usize) {
        let own: Vec<usize> = self.connections.iter().filter(|(_, one)| one.link == link).map(|(i, _)| i).collect();
        for index in own {
            self.connections.remove(index).close(false);
            self.links[link].tally.open -= 1;
            self.links[link].tally.closed += 1;
        }
    }

    fn obey(&mut self, command: Command) {
        // The receiver of a reply may have been dropped.
        match command {
            Command::Open(spec, reply) => reply.send(self.open(*spec)).unwrap_or(()),
            Command::Change(link, policy, reply) => reply.send(self.change(link, *policy)).unwrap_or(()),
            Command::Close(link, reply) => {
                if self.links.contains(link) {
                    self.end_all(link);
                    self.links.remove(link);
                }
                reply.send(()).unwrap_or(());
            }
            Command::Tally(link, reply) => {
                if let Some(link) = self.links.get(link) {
                    reply.send(link.tally.clone()).unwrap_or(());
                }
            }
            Command::Stop => {}
        }
    }

    fn open(&mut self, spec: Spec) -> Result<(LinkId, Address), Error> {
        spec.policy.check_stream(spec.listen.is_unix())?;
        self.generation += 1;
        let entry = self.links.vacant_entry();
        let key = Key::new(Key::LISTENER, entry.key(), self.generation);
        let surroundings = (self.device.as_deref(), &self.poller, key.0);
        let link = Listener::open(&spec.listen, spec.to, spec.policy, surroundings, clock::now())?;
        let (id, listens) = (LinkId(entry.key()), link.listens.clone());
        entry.insert(link);
        self.update(key);
        Ok((id, listens))
    }

    fn change(&mut self, index: usize, policy: Policy) -> Result<(), Error> {
        let Some(link) = self.links.get_mut(index) else { return Err(Error::Stopped) };
        policy.check_stream(link.listens.is_unix())?;
        link.policy = policy;
        let key = Key(link.key);
        let mut own = Vec::new();
        for (_, connection) in self.connections.iter_mut().filter(|(_, one)| one.link == index) {
            connection.adopt(&link.policy, link.begun);
            own.push(Key(connection.key));
        }
        self.update(key);
        for key in own {
            self.turn(key);
        }
        Ok(())
    }
}
