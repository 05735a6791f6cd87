//! The loop of the packet engine: it reads packets from the device, and writes them back when they are due.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::mpsc;

use splitcost_model::quantity::Nanos;

use super::device::{Device, MTU};
use super::wire::{Segment, turn_around};
use crate::policy::{Direction, Flow, LossCause, PacketHeader, PacketVerdict, Policy};
use crate::poller::Poller;
use crate::tally::{PacketCounts, Tally};
use crate::{Error, clock};

/// The time before a packet is due at which the thread stops sleeping and begins to spin.
///
/// Chosen: the same as for the stream engine.
const SPIN: Nanos = Nanos::from_micros(80);
/// The most packets that are read before the loop handles commands again.
///
/// Chosen: reading them takes about a millisecond.
const BATCH: usize = 256;
/// The most bytes of packets in flight.
///
/// Chosen: more than a link of 1 Gbit/s with a delay of one second holds.
const MAX_UNDER_WAY_BYTES: usize = 256 << 20;
/// The time that a connection is remembered after its end.
///
/// Chosen: the same as the kernel's TIME-WAIT.
const ENDED: Nanos = Nanos::from_millis(60_000);
/// The time after which a connection without packets is forgotten.
///
/// Chosen: longer than the two hours after which TCP sends keepalive packets.
const SILENT: Nanos = Nanos::from_millis(4 * 3_600_000);
/// The time between two searches for connections to forget.
///
/// Chosen: short compared with the time that a connection is remembered.
const SWEEP: Nanos = Nanos::from_millis(10_000);
/// The most packets that are delivered while the engine stops.
///
/// Chosen: the engine must stop although clients continue to send.
const LAST_PACKETS: usize = 65_536;
/// The key of the device in the poller.
const DEVICE: usize = 0;

/// A request to the thread. Ports identify links.
#[derive(Debug)]
pub(super) enum Command {
    Open(u16, Box<Policy>, mpsc::Sender<()>),
    Change(u16, Box<Policy>, mpsc::Sender<()>),
    Close(u16, mpsc::Sender<()>),
    Tally(u16, mpsc::Sender<Tally>),
    Stop,
}

/// An open link: a port on the far address.
struct FarPort {
    policy: Policy,
    tally: Tally,
    packets: PacketCounts,
    begun: Nanos,
    /// The number of connections so far.
    count: u64,
}

/// The two ports that identify a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PortPair {
    link: u16,
    client: u16,
}

/// The state of a connection, of which the engine sees only packets.
struct PacketConnection {
    flow: Flow,
    /// The sequence number of its SYN.
    begun_by: Option<u32>,
    last_seen: Nanos,
    ended: bool,
    /// The number of bytes in flight, by direction.
    under_way: [u64; 2],
}

/// A packet in flight. Packets that are due at the same time leave in the order in which they arrived.
struct Packet {
    due: Nanos,
    number: u64,
    came: Nanos,
    ports: PortPair,
    direction: Direction,
    bytes: Box<[u8]>,
}

impl Packet {
    fn order(&self) -> (Nanos, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Packet {}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

/// The state of the thread.
pub(super) struct PacketEngine {
    commands: mpsc::Receiver<Command>,
    poller: Poller,
    device: Device,
    /// True when there may be packets to read.
    readable: bool,
    links: HashMap<u16, FarPort>,
    connections: HashMap<PortPair, PacketConnection>,
    under_way: BinaryHeap<Reverse<Packet>>,
    under_way_bytes: usize,
    /// The number of packets so far.
    number: u64,
    /// The number of packets that the kernel did not take back, or that exceeded the memory limit.
    missed: u64,
    swept: Nanos,
}

impl PacketEngine {
    pub(super) fn new(commands: mpsc::Receiver<Command>, device: Device) -> Result<(Self, mio::Waker), Error> {
        let (poller, waker) = Poller::new().map_err(Error::system("wait for packets"))?;
        poller.add(&device, DEVICE).map_err(Error::system("wait for packets"))?;
        let engine = Self {
            commands,
            poller,
            device,
            readable: true,
            links: HashMap::new(),
            connections: HashMap::new(),
            under_way: BinaryHeap::new(),
            under_way_bytes: 0,
            number: 0,
            missed: 0,
            swept: clock::now(),
        };
        Ok((engine, waker))
    }

    /// Runs until it receives [`Command::Stop`].
    pub(super) fn run(mut self) {
        let mut ready = Vec::new();
        loop {
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return self.end(),
                    Ok(command) => self.obey(command),
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            self.read();
            let next = match self.under_way.peek() {
                _ if self.readable => Nanos::ZERO,
                Some(Reverse(packet)) if packet.due < Nanos::MAX => packet.due - SPIN,
                _ => Nanos::MAX,
            };
            if let Err(error) = self.poller.wait(next, clock::now()) {
                // This fails only when the kernel has no memory left.
                eprintln!("error: the link has ended: failed to wait for packets: {error}");
                return;
            }
            self.poller.ready(&mut ready);
            self.readable |= ready.iter().any(|event| event.readable);
            self.deliver(clock::now());
        }
    }

    /// Delivers all packets in flight at once, and the packets that follow from them, such as ends of connections.
    fn end(mut self) {
        while let Some(Reverse(packet)) = self.under_way.pop() {
            self.hand_on(&packet.bytes);
        }
        let mut buffer = [0; MTU as usize];
        for _ in 0..LAST_PACKETS {
            let Ok(count) = self.device.read(&mut buffer) else { return };
            if Segment::read(&buffer[..count]).is_some() {
                turn_around(&mut buffer[..count]);
                self.hand_on(&buffer[..count]);
            }
        }
    }

    /// Reads packets, and delivers those that become due meanwhile.
    fn read(&mut self) {
        let mut buffer = [0; MTU as usize];
        for _ in 0..BATCH {
            if !self.readable {
                break;
            }
            match self.device.read(&mut buffer) {
                Ok(count) => self.take(&mut buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The device has no more packets, or is down.
                Err(_) => self.readable = false,
            }
            self.deliver(clock::now());
        }
        self.sweep();
    }

    /// Processes a packet that was just read.
    fn take(&mut self, packet: &mut [u8]) {
        // Other packets than TCP over IPv4 are dropped.
        let Some(segment) = Segment::read(packet) else { return };
        turn_around(packet);
        let now = clock::now();
        let Some((ports, direction)) = self.classify(&segment) else {
            // No link has this port, and the kernel answers with a reset.
            self.hand_on(packet);
            return;
        };
        let Some(link) = self.links.get_mut(&ports.link) else { return };
        let since = now - link.begun;
        let connection = self.connections.entry(ports).or_insert_with(|| {
            link.count += 1;
            PacketConnection::new(&link.policy, link.count, since, now)
        });
        if direction == Direction::Upstream
            && let Some(number) = segment.begins()
            && connection.begun_by.replace(number).is_some_and(|before| before != number)
        {
            // The client has begun another connection from the same port.
            link.count += 1;
            *connection = PacketConnection::new(&link.policy, link.count, since, now);
            connection.begun_by = Some(number);
        }
        connection.last_seen = now;
        connection.ended |= segment.ends();
        let d = direction.index();
        link.packets.came[d] += 1;
        let header = PacketHeader { bytes: packet.len() as u64, is_handshake: segment.is_handshake() };
        match link.policy.pass_packet(&mut connection.flow, direction, since, header) {
            PacketVerdict::Deliver { at, twice } => {
                let due = link.begun + at;
                link.packets.duplicated[d] += u64::from(twice);
                for _ in 0..=usize::from(twice) {
                    if self.under_way_bytes > MAX_UNDER_WAY_BYTES {
                        self.missed += 1;
                        continue;
                    }
                    let bytes: Box<[u8]> = (&*packet).into();
                    connection.under_way[d] += bytes.len() as u64;
                    link.tally.most_under_way_bytes = link.tally.most_under_way_bytes.max(connection.under_way[d]);
                    self.under_way_bytes += bytes.len();
                    self.number += 1;
                    let packet = Packet { due, number: self.number, came: now, ports, direction, bytes };
                    self.under_way.push(Reverse(packet));
                }
            }
            PacketVerdict::Lose(LossCause::Chance) => link.packets.lost[d] += 1,
            PacketVerdict::Lose(LossCause::Queue) => link.packets.overflowed[d] += 1,
            PacketVerdict::Lose(LossCause::Blackhole) => link.packets.vanished[d] += 1,
            PacketVerdict::Reset(at) => {
                link.tally.reset += 1;
                connection.ended = true;
                let address = |at: usize| Ipv4Addr::from([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
                // The addresses were exchanged above, so that the destination is now the client.
                let bytes: Box<[u8]> = segment.reset(self.device.far, address(16)).into();
                self.under_way_bytes += bytes.len();
                self.number += 1;
                let (due, direction) = (link.begun + at, Direction::Downstream);
                connection.under_way[direction.index()] += bytes.len() as u64;
                let packet = Packet { due, number: self.number, came: now, ports, direction, bytes };
                self.under_way.push(Reverse(packet));
            }
        }
    }

    /// Returns the connection and the direction of a packet.
    fn classify(&self, segment: &Segment) -> Option<(PortPair, Direction)> {
        let up = PortPair { link: segment.to_port, client: segment.from_port };
        let down = PortPair { link: segment.from_port, client: segment.to_port };
        if self.connections.contains_key(&up) {
            Some((up, Direction::Upstream))
        } else if self.connections.contains_key(&down) {
            Some((down, Direction::Downstream))
        } else if self.links.contains_key(&up.link) {
            Some((up, Direction::Upstream))
        } else if self.links.contains_key(&down.link) {
            Some((down, Direction::Downstream))
        } else {
            None
        }
    }

    /// Delivers the packets that are due.
    fn deliver(&mut self, mut now: Nanos) {
        while self.under_way.peek().is_some_and(|Reverse(packet)| packet.due <= now) {
            let Some(Reverse(packet)) = self.under_way.pop() else { return };
            self.hand_on(&packet.bytes);
            self.under_way_bytes -= packet.bytes.len();
            if let Some(link) = self.links.get_mut(&packet.ports.link) {
                link.tally.timing.record(packet.came, packet.due, now);
            }
            if let Some(connection) = self.connections.get_mut(&packet.ports) {
                let under_way = &mut connection.under_way[packet.direction.index()];
                *under_way = under_way.saturating_sub(packet.bytes.len() as u64);
            }
            now = clock::now();
        }
    }

    fn hand_on(&mut self, packet: &[u8]) {
        self.missed += u64::from(self.device.write(packet).is_err());
    }

    /// Forgets connections that have ended.
    fn sweep(&mut self) {
        let now = clock::now();
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        self.connections.retain(|_, one| now - one.last_seen < if one.ended { ENDED } else { SILENT });
    }

    fn obey(&mut self, command: Command) {
        // The receiver of a reply may have been dropped.
        match command {
            Command::Open(port, policy, reply) => {
                let (tally, packets, begun) = (Tally::default(), PacketCounts::default(), clock::now());
                self.links.insert(port, FarPort { policy: *policy, tally, packets, begun, count: 0 });
                reply.send(()).unwrap_or(());
            }
            Command::Change(port, policy, reply) => {
                if let Some(link) = self.links.get_mut(&port) {
                    link.policy = *policy;
                    let now = clock::now() - link.begun;
                    for (_, connection) in self.connections.iter_mut().filter(|(ports, _)| ports.link == port) {
                        link.policy.adopt(&mut connection.flow, now);
                    }
                }
                reply.send(()).unwrap_or(());
            }
            Command::Close(port, reply) => {
                self.links.remove(&port);
                self.connections.retain(|ports, _| ports.link != port);
                reply.send(()).unwrap_or(());
            }
            Command::Tally(port, reply) => {
                let missed = self.missed + self.device.dropped();
                if let Some(link) = self.links.get(&port) {
                    let packets = PacketCounts { missed, ..link.packets };
                    reply.send(Tally { packets: Some(packets), ..link.tally.clone() }).unwrap_or(());
                }
            }
            Command::Stop => {}
        }
    }
}

impl PacketConnection {
    fn new(policy: &Policy, count: u64, since: Nanos, now: Nanos) -> Self {
        Self { flow: policy.open(count, since), begun_by: None, last_seen: now, ended: false, under_way: [0; 2] }
    }
}
