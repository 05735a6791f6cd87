//! The stream engine: a proxy for TCP and unix sockets that delivers each byte at the time that the policy decides.
//!
//! One thread serves all links and connections. It sleeps until shortly before the next byte is due, and then spins. It uses
//! real-time priority where that is permitted. Late deliveries are counted and reported with the results.
//!
//! The engine needs no privileges. It handles bytes, not packets, and therefore cannot lose any. The kernel answers the
//! handshake of a client before the engine sees the connection, so that the time of the handshake precedes the first byte
//! instead.

mod address;
mod connection;
mod engine;
mod listener;
mod pipe;

use std::sync::mpsc;
use std::thread::JoinHandle;

pub use address::Address;

use crate::policy::Policy;
pub use crate::tally::{Tally, Timing};
use crate::{Error, clock};
use engine::{Command, StreamEngine};

/// The description of a link: its address, its server, and its policy.
#[derive(Debug)]
pub struct Spec {
    /// The address that clients connect to. For port 0, the kernel chooses a port.
    pub listen: Address,
    /// The addresses of the server. If one refuses a connection, the next one is tried.
    pub to: Vec<Address>,
    /// The policy.
    pub policy: Policy,
}

/// Returns the properties of a link that the stream engine does not emulate.
pub fn left_out(link: &splitcost_model::link::Link) -> Vec<String> {
    let mut left_out = Vec::new();
    if link.loss > 0.0 {
        left_out.push(format!("the loss of {} % of the packets: a stream has no packets", link.loss * 100.0));
    }
    if !link.one_way_delay.is_zero() {
        left_out.push("the slow start of TCP: a new connection has its full window at once".to_owned());
        left_out.push("the delay of the handshake itself: its round trips precede the first byte instead".to_owned());
    }
    left_out
}

/// Raises the limit of open files as far as permitted, since each connection needs two.
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If the limit stays, clients wait until other connections end.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The identifier of a link of an emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(usize);

/// A running stream engine. On drop, it stops, and its connections are closed.
#[derive(Debug)]
pub struct Emulator {
    commands: mpsc::Sender<Command>,
    waker: mio::Waker,
    thread: Option<JoinHandle<()>>,
    realtime: bool,
}

impl Emulator {
    /// Starts the thread, without links.
    ///
    /// # Errors
    /// Fails when the system refuses a thread or a poller.
    pub fn start() -> Result<Self, Error> {
        Self::start_on(None)
    }

    /// Starts the thread, without links. With a device, links accept only connections through that network device.
    pub(crate) fn start_on(device: Option<&str>) -> Result<Self, Error> {
        allow_files();
        let (commands, received) = mpsc::channel();
        let (engine, waker) = StreamEngine::new(received, device)?;
        let (ready, started) = mpsc::channel();
        let run = move || {
            // The results show if the priority was granted. The receiver outlives this send.
            let _ = ready.send(clock::raise_priority());
            engine.run();
        };
        let thread = std::thread::Builder::new().name("link".into()).spawn(run);
        let thread = thread.map_err(Error::system("start a thread"))?;
        let realtime = started.recv().unwrap_or(false);
        Ok(Self { commands, waker, thread: Some(thread), realtime })
    }

    /// Returns true if the thread has real-time priority.
    pub fn realtime(&self) -> bool {
        self.realtime
    }

    /// Opens a link, and returns its address.
    ///
    /// # Errors
    /// Fails when the engine cannot apply the policy, or cannot listen on the address.
    pub fn open(&self, spec: Spec) -> Result<(LinkId, Address), Error> {
        self.ask(|reply| Command::Open(Box::new(spec), reply))?
    }

    /// Replaces the policy of a link and of all its connections.
    ///
    /// # Errors
    /// Fails when the engine cannot apply the policy.
    pub fn change(&self, id: LinkId, policy: Policy) -> Result<(), Error> {
        self.ask(|reply| Command::Change(id.0, Box::new(policy), reply))?
    }

    /// Closes a link and all its connections.
    pub fn close(&self, id: LinkId) {
        // If the thread has ended, the link is closed already.
        let _ = self.ask(|reply| Command::Close(id.0, reply));
    }

    /// Returns the counts and times of a link so far.
    ///
    /// # Errors
    /// Fails when the link was closed, or the thread has ended.
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
            // A panic of the thread was printed when it happened.
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}
