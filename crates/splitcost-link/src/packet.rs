//! The packet engine: it delays, loses and duplicates packets, and the kernel retransmits the lost ones.
//!
//! The engine needs Linux, `/dev/net/tun` and the right to make a network device (root, or the capability `NET_ADMIN`). The
//! device has a subnet with two host addresses. The kernel owns the *near* address. No host owns the *far* address, and
//! clients connect to it. The engine's thread receives each packet that the kernel sends to the far address. It exchanges
//! the two addresses of the packet, and returns the packet to the kernel at the time that the policy decides. Both ends of
//! a connection are therefore sockets of the same kernel, each with a distant peer. A network namespace is not needed.
//!
//! A client's connection ends at a [`stream`](crate::stream) engine, which forwards it to the server. The stream engine
//! applies the faults of a server: it stops within a response, closes its window, or stops listening.

mod device;
mod engine;
mod wire;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use crate::policy::Policy;
use crate::stream::{self, Address, LinkId, Spec};
pub use crate::tally::PacketCounts;
use crate::tally::Tally;
use crate::{Error, clock};
use device::Device;
use engine::{Command, PacketEngine};

/// Returns the properties of a link that the packet engine does not emulate.
pub fn left_out(link: &splitcost_model::link::Link) -> Vec<String> {
    let more = link.handshake_round_trips > 1 || !link.handshake_cpu.is_zero();
    let tls = "the delays of the TLS handshake: its round trips, with the median delay, precede the first byte instead";
    Vec::from_iter(more.then(|| tls.to_owned()))
}

/// A running packet engine. On drop, it stops, its connections are closed, and its device is removed.
#[derive(Debug)]
pub struct Emulator {
    /// The stream engine at the server's end of all links.
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
    /// Makes the device and starts the threads, without links.
    ///
    /// # Errors
    /// Fails when this is not Linux, `/dev/net/tun` is missing, or this process may not make a network device.
    pub fn start() -> Result<Self, Error> {
        let device = Device::open()?;
        let (near, far) = (device.near, device.far);
        let relay = stream::Emulator::start_on(Some(&device.name))?;
        let (commands, received) = mpsc::channel();
        let (engine, waker) = PacketEngine::new(received, device)?;
        let (ready, started) = mpsc::channel();
        let run = move || {
            // The results show if the priority was granted. The receiver outlives this send.
            let _ = ready.send(clock::raise_priority());
            engine.run();
        };
        let thread = std::thread::Builder::new().name("packets".into()).spawn(run);
        let thread = thread.map_err(Error::system("start a thread"))?;
        let realtime = started.recv().unwrap_or(false);
        let ports = Mutex::default();
        Ok(Self { relay, commands, waker, thread: Some(thread), realtime, near, far, ports })
    }

    /// Returns true if the thread has real-time priority.
    pub fn realtime(&self) -> bool {
        self.realtime
    }

    /// Returns the far address. Each link listens on a port of its own there.
    pub fn address(&self) -> Ipv4Addr {
        self.far
    }

    /// Opens a link, and returns its address.
    ///
    /// The caller can choose only the port: the host must be `0.0.0.0` or [`Self::address`].
    ///
    /// # Errors
    /// Fails when the engine cannot apply the policy, or cannot listen on the address.
    pub fn open(&self, spec: Spec) -> Result<(LinkId, Address), Error> {
        let (network, server) = spec.policy.for_packets().map_err(Error::RefusedPackets)?;
        let port = match &spec.listen {
            Address::Tcp(asked) if asked.ip().is_unspecified() || asked.ip() == self.far => asked.port(),
            other => {
                let problem = "the packet engine listens on its own address: give only a port, such as 0.0.0.0:9000";
                let source = std::io::Error::new(std::io::ErrorKind::AddrNotAvailable, problem);
                return Err(Error::Listen { address: other.to_string(), source });
            }
        };
        let listen = Address::Tcp(SocketAddr::from((self.near, port)));
        let (id, listens) = self.relay.open(Spec { listen, to: spec.to, policy: server })?;
        let Address::Tcp(listens) = listens else { return Err(Error::Stopped) };
        self.ask(|reply| Command::Open(listens.port(), Box::new(network), reply))?;
        self.ports().insert(id, listens.port());
        Ok((id, Address::Tcp(SocketAddr::from((self.far, listens.port())))))
    }

    /// Replaces the policy of a link and of all its connections.
    ///
    /// # Errors
    /// Fails when the engine cannot apply the policy.
    pub fn change(&self, id: LinkId, policy: &Policy) -> Result<(), Error> {
        let (network, server) = policy.for_packets().map_err(Error::RefusedPackets)?;
        let port = self.port(id)?;
        self.ask(|reply| Command::Change(port, Box::new(network), reply))?;
        self.relay.change(id, server)
    }

    /// Closes a link and all its connections.
    pub fn close(&self, id: LinkId) {
        self.relay.close(id);
        if let Ok(port) = self.port(id) {
            self.ports().remove(&id);
            // If the thread has ended, the link is closed already.
            let _ = self.ask(|reply| Command::Close(port, reply));
        }
    }

    /// Returns the counts and times of a link so far. Connections and bytes are counted at the server's end, times are those
    /// of packets.
    pub fn tally(&self, id: LinkId) -> Result<Tally, Error> {
        let port = self.port(id)?;
        let network = self.ask(|reply| Command::Tally(port, reply))?;
        let server = self.relay.tally(id)?;
        Ok(Tally {
            reset: server.reset + network.reset,
            most_under_way_bytes: network.most_under_way_bytes,
            timing: network.timing,
            packets: network.packets,
            ..server
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
        // Clients must see the end of their connections before the device is removed: afterwards no packet reaches them.
        let ids: Vec<LinkId> = self.ports().keys().copied().collect();
        for id in ids {
            self.relay.close(id);
        }
        if self.commands.send(Command::Stop).is_ok() && self.waker.wake().is_ok() {
            // A panic of the thread was printed when it happened.
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}
