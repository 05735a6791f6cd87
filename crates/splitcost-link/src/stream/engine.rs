//! The loop of the thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::sync::mpsc;

use slab::Slab;
use splitcost_model::quantity::Nanos;

use super::address::{Address, prepare};
use super::connection::{Connection, Surroundings, Turn};
use super::link::Link;
use super::{LinkId, Spec};
use crate::Error;
use crate::clock;
use crate::policy::Policy;
use crate::poller::{Poller, Ready};
use crate::tally::Tally;

/// Chosen: a kernel's wake-up takes less, mostly, where a core is free.
const SPIN: Nanos = Nanos::from_micros(80);
/// Chosen: short, so that a long read of one connection does not make others late.
const READ_BYTES: usize = 65_536;
/// Chosen: clients that are accepted before connections have their turn.
const ACCEPTS: usize = 64;
/// Chosen: how long clients wait when there is no more file for one.
const ACCEPT_AGAIN: Nanos = Nanos::from_millis(50);

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Open(Box<Spec>, mpsc::Sender<Result<(LinkId, Address), Error>>),
    Change(usize, Box<Policy>, mpsc::Sender<Result<(), Error>>),
    Close(usize, mpsc::Sender<()>),
    Tally(usize, mpsc::Sender<Tally>),
    Stop,
}

/// Who is woken: bit 0 and 1 say what, the others where in its slab, and which of those that have been there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(usize);

impl Key {
    const CLIENT: usize = 0;
    const LISTENER: usize = 2;
    /// A timer and a waker have the greatest keys.
    const GENERATIONS: usize = 0x3fff_ffff;

    fn new(what: usize, index: usize, generation: usize) -> Self {
        Self((generation & Self::GENERATIONS) << 32 | index << 2 | what)
    }

    fn index(self) -> usize {
        (self.0 & 0xffff_ffff) >> 2
    }

    fn is_listener(self) -> bool {
        self.0 & 3 == Self::LISTENER
    }

    /// The same for both sides of a connection.
    fn connection(self) -> Self {
        Self(self.0 & !1)
    }
}

pub(super) struct Engine {
    /// The only network device that is listened on; `None` is all.
    device: Option<String>,
    commands: mpsc::Receiver<Command>,
    poller: Poller,
    links: Slab<Link>,
    connections: Slab<Connection>,
    /// How many links and connections there have been.
    generation: usize,
    wakes: BinaryHeap<Reverse<(Nanos, Key)>>,
    /// Connections that have more to do at once.
    again: Vec<Key>,
    scratch: Vec<u8>,
}

impl Engine {
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

    /// Runs until it is told to stop.
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
                // It never fails but when the process has no memory left; then nothing can be emulated.
                eprintln!("the link ends: failed to wait for sockets: {error}");
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

    /// Gives a turn to all whose time has come.
    fn wake_due(&mut self) {
        let mut now = clock::now();
        while let Some(Reverse((due, key))) = self.wakes.peek().copied()
            && due <= now
        {
            self.wakes.pop();
            if key.is_listener() {
                self.update(key);
            } else if let Some(connection) = self.connections.get_mut(key.index()).filter(|one| one.key == key.0) {
                // An earlier wake may have made this one needless.
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

    /// Takes clients, if any wait.
    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS {
            let link = &mut self.links[index];
            let Some(listener) = link.listener.as_ref().filter(|_| link.ready) else { return };
            let client = match listener.accept() {
                Ok((client, _)) => client,
                Err(error) => {
                    match error.kind() {
                        ErrorKind::WouldBlock => link.ready = false,
                        // The client has gone again.
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
        // There may be more; others come first.
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

    /// Takes clients again, and listens or not as the schedule says.
    fn update(&mut self, key: Key) {
        let index = key.index();
        let Some(link) = self.links.get_mut(index).filter(|link| link.key == key.0) else { return };
        let now = clock::now();
        let was_up = link.listener.is_some();
        // When somebody else has taken the address meanwhile, it may be free again later.
        let next = link.update(&self.poller, self.device.as_deref(), now).unwrap_or(now + ACCEPT_AGAIN);
        let goes_down = was_up && link.listener.is_none();
        if next < Nanos::MAX {
            self.wakes.push(Reverse((next, key)));
        }
        if goes_down {
            self.end_all(index);
        }
        self.accept(index);
    }

    /// Closes all connections of a link, as a server that ends does.
    fn end_all(&mut self, link: usize) {
        let own: Vec<usize> = self.connections.iter().filter(|(_, one)| one.link == link).map(|(i, _)| i).collect();
        for index in own {
            self.connections.remove(index).close(false);
            self.links[link].tally.open -= 1;
            self.links[link].tally.closed += 1;
        }
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may have gone.
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
        let (listener, listens) = Link::listen(&spec.listen, self.device.as_deref(), &self.poller, key.0)?;
        let id = LinkId(entry.key());
        entry.insert(Link {
            key: key.0,
            listens: listens.clone(),
            to: spec.to,
            policy: spec.policy,
            tally: Tally::default(),
            begun: clock::now(),
            listener: Some(listener),
            ready: true,
            count: 0,
        });
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
