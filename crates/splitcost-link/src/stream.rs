//! The stream engine: a proxy of TCP and unix sockets that delivers each byte when the policy says so.
//!
//! One thread for all links and connections. It waits in the kernel until shortly before the next byte is due, and then
//! spins; with real-time priority, where that is permitted. What it delivered too late is counted, and told.
//!
//! It needs no rights, and knows of bytes, not of packets: it can lose none, and the kernel has answered a client's
//! handshake before it knows of it. The time of the handshakes goes before the first byte instead.

mod address;
mod connection;
mod engine;
mod link;
mod pipe;

use std::sync::mpsc;
use std::thread::JoinHandle;

pub use address::Address;

use crate::policy::Policy;
pub use crate::tally::{Tally, Timing};
use crate::{Error, clock};
use engine::{Command, Engine};

/// A link: where it listens, where it leads to, and what happens on the way.
#[derive(Debug)]
pub struct Spec {
    /// Where clients connect to; of port 0, the kernel chooses one.
    pub listen: Address,
    /// Where the server listens; when an address refuses, the next is tried.
    pub to: Vec<Address>,
    /// What happens on the way.
    pub policy: Policy,
}

/// What belongs to a link, and this engine does not do.
pub fn left_out(link: &splitcost_model::link::Link) -> Vec<String> {
    let mut left_out = Vec::new();
    if link.loss > 0.0 {
        left_out.push(format!("the loss of {} % of the packets: a stream loses nothing", link.loss * 100.0));
    }
    if !link.one_way_delay.is_zero() {
        left_out.push("the slow start of TCP: a new connection has its whole window at once".to_owned());
        left_out.push("a delay of the handshake itself: its round trips come before the first byte instead".to_owned());
    }
    left_out
}

/// Lets this process open as many files as it may: each connection takes two.
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, clients wait until others have gone.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Names a link of an emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(usize);

/// A running stream engine; dropped, it stops, and its connections are closed.
#[derive(Debug)]
pub struct Emulator {
    commands: mpsc::Sender<Command>,
    waker: mio::Waker,
    thread: Option<JoinHandle<()>>,
    realtime: bool,
}

impl Emulator {
    /// Starts the thread, without a link.
    ///
    /// # Errors
    /// When the system refuses a thread or what it waits with.
    pub fn start() -> Result<Self, Error> {
        Self::start_on(None)
    }

    /// The same; only what comes through a network device of this name is listened to.
    pub(crate) fn start_on(device: Option<&str>) -> Result<Self, Error> {
        allow_files();
        let (commands, received) = mpsc::channel();
        let (engine, waker) = Engine::new(received, device)?;
        let (ready, started) = mpsc::channel();
        let run = move || {
            // Whether it is permitted is told with the results; nobody waits for the answer in vain.
            let _ = ready.send(clock::raise_priority());
            engine.run();
        };
        let thread = std::thread::Builder::new().name("link".into()).spawn(run);
        let thread = thread.map_err(Error::system("start a thread"))?;
        let realtime = started.recv().unwrap_or(false);
        Ok(Self { commands, waker, thread: Some(thread), realtime })
    }

    /// Whether the thread has real-time priority.
    pub fn realtime(&self) -> bool {
        self.realtime
    }

    /// Opens a link, and says where it listens.
    ///
    /// # Errors
    /// When the policy holds what this engine cannot do, or the address cannot be listened on.
    pub fn open(&self, spec: Spec) -> Result<(LinkId, Address), Error> {
        self.ask(|reply| Command::Open(Box::new(spec), reply))?
    }

    /// Puts a link and all its connections under another policy.
    ///
    /// # Errors
    /// When the policy holds what this engine cannot do.
    pub fn change(&self, id: LinkId, policy: Policy) -> Result<(), Error> {
        self.ask(|reply| Command::Change(id.0, Box::new(policy), reply))?
    }

    /// Closes a link and all its connections.
    pub fn close(&self, id: LinkId) {
        // When the thread is gone, so is the link.
        let _ = self.ask(|reply| Command::Close(id.0, reply));
    }

    /// What a link has done so far.
    pub fn tally(&self, id: LinkId) -> Result<Tally, Error> {
        self.ask(|reply| Command::Tally(id.0, reply))
    }

    fn ask<T>(&self, command: impl FnOnce(mpsc::Sender<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = mpsc::channel();
        let gone = |_| Error::Stopped;
        self.commands.send(command(reply)).map_err(|_| Error::Stopped)?;
        self.waker.wake().map_err(Error::system("wake the link's thread"))?;
        answer.recv().map_err(gone)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if self.commands.send(Command::Stop).is_ok() && self.waker.wake().is_ok() {
            // A panic of the thread was printed by itself.
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}
