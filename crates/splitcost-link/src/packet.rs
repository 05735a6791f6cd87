//! The packet engine: handshakes are delayed, packets are lost, and the kernel sends them again.
//!
//! It needs Linux, `/dev/net/tun` and the right to make a network device (root, or `NET_ADMIN`). The device has a subnet
//! with two addresses. One is the kernel's; the other, the *far* one, is nobody's, and clients connect to it. What the
//! kernel sends there comes to the engine's thread, which exchanges the two addresses and gives it back when the policy
//! says so. So both ends are sockets of the same kernel, each of which sees the other far away, and no namespace is needed.
//!
//! The client's other end is a [`stream`](crate::stream) engine that forwards to the server and does what is a server's to
//! do: to stop in a response, to close its window, to be down.

mod device;
mod engine;
mod wire;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use crate::policy::Policy;
use crate::stream::{self, Address, LinkId, Spec};
pub use crate::tally::Packets;
use crate::tally::Tally;
use crate::{Error, clock};
use device::Device;
use engine::{Command, Engine};

/// What belongs to a link, and this engine does not do.
pub fn left_out(link: &splitcost_model::link::Link) -> Vec<String> {
    let more = link.handshake_round_trips > 1 || !link.handshake_cpu.is_zero();
    let tls = "a delay of the handshake of TLS: its round trips, at their median, come before the first byte instead";
    Vec::from_iter(more.then(|| tls.to_owned()))
}

/// A running packet engine; dropped, it stops, its connections are closed, and its device is gone.
#[derive(Debug)]
pub struct Emulator {
    /// The server's end of all links.
    relay: stream::Emulator,
    commands: mpsc::Sender<Command>,
    waker: mio::Waker,
    thread: Option<JoinHandle<()>>,
    realtime: bool,
    near: Ipv4Addr,
    far: Ipv4Addr,
    ports: Mutex<HashMap<LinkId, u16>>,
}

impl Emulator {
    /// Makes the device and starts the threads, without a link.
    ///
    /// # Errors
    /// When this is not Linux, `/dev/net/tun` is missing, or making a network device is not permitted.
    pub fn start() -> Result<Self, Error> {
        let device = Device::open()?;
        let (near, far) = (device.near, device.far);
        let relay = stream::Emulator::start_on(Some(&device.name))?;
        let (commands, received) = mpsc::channel();
        let (engine, waker) = Engine::new(received, device)?;
        let (ready, started) = mpsc::channel();
        let run = move || {
            // Whether it is permitted is told with the results; nobody waits for the answer in vain.
            let _ = ready.send(clock::raise_priority());
            engine.run();
        };
        let thread = std::thread::Builder::new().name("packets".into()).spawn(run);
        let thread = thread.map_err(Error::system("start a thread"))?;
        let realtime = started.recv().unwrap_or(false);
        let ports = Mutex::default();
        Ok(Self { relay, commands, waker, thread: Some(thread), realtime, near, far, ports })
    }

    /// Whether the thread has real-time priority.
    pub fn realtime(&self) -> bool {
        self.realtime
    }

    /// The address that links listen on, each with a port of its own.
    pub fn address(&self) -> Ipv4Addr {
        self.far
    }

    /// Opens a link, and says where it listens.
    ///
    /// Of where it shall listen, only the port can be chosen: the host is none (`0.0.0.0`), or [`Self::address`].
    ///
    /// # Errors
    /// When the policy holds what this engine cannot do, or the address cannot be listened on.
    pub fn open(&self, spec: Spec) -> Result<(LinkId, Address), Error> {
        let (way, end) = spec.policy.for_packets().map_err(Error::RefusedPackets)?;
        let port = match &spec.listen {
            Address::Tcp(asked) if asked.ip().is_unspecified() || asked.ip() == self.far => asked.port(),
            other => {
                let problem = "packets come to an address of the link's own: name a port only, as 0.0.0.0:9000";
                let source = std::io::Error::new(std::io::ErrorKind::AddrNotAvailable, problem);
                return Err(Error::Listen { address: other.to_string(), source });
            }
        };
        let listen = Address::Tcp(SocketAddr::from((self.near, port)));
        let (id, listens) = self.relay.open(Spec { listen, to: spec.to, policy: end })?;
        let Address::Tcp(listens) = listens else { return Err(Error::Stopped) };
        self.ask(|reply| Command::Open(listens.port(), Box::new(way), reply))?;
        self.ports().insert(id, listens.port());
        Ok((id, Address::Tcp(SocketAddr::from((self.far, listens.port())))))
    }

    /// Puts a link and all its connections under another policy.
    ///
    /// # Errors
    /// When the policy holds what this engine cannot do.
    pub fn change(&self, id: LinkId, policy: &Policy) -> Result<(), Error> {
        let (way, end) = policy.for_packets().map_err(Error::RefusedPackets)?;
        let port = self.port(id)?;
        self.ask(|reply| Command::Change(port, Box::new(way), reply))?;
        self.relay.change(id, end)
    }

    /// Closes a link and all its connections.
    pub fn close(&self, id: LinkId) {
        self.relay.close(id);
        if let Ok(port) = self.port(id) {
            self.ports().remove(&id);
            // When the thread is gone, so is the link.
            let _ = self.ask(|reply| Command::Close(port, reply));
        }
    }

    /// What a link has done so far: connections and bytes as the server's end knows them, times as packets had them.
    pub fn tally(&self, id: LinkId) -> Result<Tally, Error> {
        let port = self.port(id)?;
        let way = self.ask(|reply| Command::Tally(port, reply))?;
        let end = self.relay.tally(id)?;
        Ok(Tally {
            reset: end.reset + way.reset,
            most_under_way_bytes: way.most_under_way_bytes,
            timing: way.timing,
            packets: way.packets,
            ..end
        })
    }

    fn port(&self, id: LinkId) -> Result<u16, Error> {
        self.ports().get(&id).copied().ok_or(Error::Stopped)
    }

    fn ports(&self) -> MutexGuard<'_, HashMap<LinkId, u16>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
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
        // Clients shall see the end before the device is gone; afterwards they would wait for it.
        let ids: Vec<LinkId> = self.ports().keys().copied().collect();
        for id in ids {
            self.relay.close(id);
        }
        if self.commands.send(Command::Stop).is_ok() && self.waker.wake().is_ok() {
            // A panic of the thread was printed by itself.
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}
