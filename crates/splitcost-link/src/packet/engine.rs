//! The loop of the thread: packets come out of the device, and go back into it when they are due.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::mpsc;

use splitcost_model::quantity::Nanos;

use super::device::{Device, MTU};
use super::wire::{Segment, turn_around};
use crate::policy::{Direction, Fate, Flow, Kind, Loss, Policy};
use crate::poller::Poller;
use crate::tally::{Packets, Tally};
use crate::{Error, clock};

/// Chosen: as the stream engine.
const SPIN: Nanos = Nanos::from_micros(80);
/// Chosen: packets that are read before the loop looks at commands and at the kernel's answers again.
const BATCH: usize = 256;
/// Chosen: memory of packets under way; more than a link of 1 Gbit/s and a second of delay holds.
const MAX_UNDER_WAY_BYTES: usize = 256 << 20;
/// Chosen: a connection that has ended may send for so long, as in the kernel's TIME-WAIT.
const ENDED: Nanos = Nanos::from_millis(60_000);
/// Chosen: a connection that sends nothing for so long is forgotten.
const SILENT: Nanos = Nanos::from_millis(4 * 3_600_000);
/// Chosen: how often connections are looked through for such ones.
const SWEEP: Nanos = Nanos::from_millis(10_000);
/// Chosen: packets that are handed on at the end, so that it comes although clients go on sending.
const LAST_PACKETS: usize = 65_536;
/// What the poller calls the device.
const DEVICE: usize = 0;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Open(u16, Box<Policy>, mpsc::Sender<()>),
    Change(u16, Box<Policy>, mpsc::Sender<()>),
    Close(u16, mpsc::Sender<()>),
    Tally(u16, mpsc::Sender<Tally>),
    Stop,
}

/// A port on the far address.
struct Link {
    policy: Policy,
    tally: Tally,
    packets: Packets,
    begun: Nanos,
    /// Connections so far.
    count: u64,
}

/// A connection: the link's port and the client's.
type Ports = (u16, u16);

struct Connection {
    flow: Flow,
    /// The number that its SYN had.
    begun_by: Option<u32>,
    last_seen: Nanos,
    ended: bool,
    /// Bytes under way, by direction.
    under_way: [u64; 2],
}

/// A packet under way. Of those that are due at the same time, the first to come goes first.
struct Packet {
    due: Nanos,
    number: u64,
    came: Nanos,
    ports: Ports,
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

pub(super) struct Engine {
    commands: mpsc::Receiver<Command>,
    poller: Poller,
    device: Device,
    /// There may be packets to read.
    readable: bool,
    links: HashMap<u16, Link>,
    connections: HashMap<Ports, Connection>,
    under_way: BinaryHeap<Reverse<Packet>>,
    under_way_bytes: usize,
    /// Packets so far.
    number: u64,
    /// Packets that the kernel did not take, or that there was no memory for.
    missed: u64,
    swept: Nanos,
}

impl Engine {
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

    /// Runs until it is told to stop.
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
                // It never fails but when the process has no memory left; then nothing can be emulated.
                eprintln!("the link ends: failed to wait for packets: {error}");
                return;
            }
            self.poller.ready(&mut ready);
            self.readable |= ready.iter().any(|event| event.readable);
            self.deliver(clock::now());
        }
    }

    /// Hands on at once what is under way, and what follows from it: ends of connections.
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

    /// Reads packets, and hands on what becomes due meanwhile.
    fn read(&mut self) {
        let mut buffer = [0; MTU as usize];
        for _ in 0..BATCH {
            if !self.readable {
                break;
            }
            match self.device.read(&mut buffer) {
                Ok(count) => self.take(&mut buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing more, or the device is down for a while.
                Err(_) => self.readable = false,
            }
            self.deliver(clock::now());
        }
        self.sweep();
    }

    /// Takes a packet that came just now.
    fn take(&mut self, packet: &mut [u8]) {
        // There is nothing but TCP between our two addresses.
        let Some(segment) = Segment::read(packet) else { return };
        turn_around(packet);
        let now = clock::now();
        let Some((ports, direction)) = self.classify(&segment) else {
            // Nobody listens: the kernel says so.
            self.hand_on(packet);
            return;
        };
        let Some(link) = self.links.get_mut(&ports.0) else { return };
        let since = now - link.begun;
        let connection = self.connections.entry(ports).or_insert_with(|| {
            link.count += 1;
            Connection::new(&link.policy, link.count, since, now)
        });
        if direction == Direction::Upstream
            && let Some(number) = segment.begins()
            && connection.begun_by.replace(number).is_some_and(|before| before != number)
        {
            // Another connection from the same port.
            link.count += 1;
            *connection = Connection::new(&link.policy, link.count, since, now);
            connection.begun_by = Some(number);
        }
        connection.last_seen = now;
        connection.ended |= segment.ends();
        let d = direction.index();
        link.packets.came[d] += 1;
        let kind = Kind { bytes: packet.len() as u64, handshake: segment.is_handshake() };
        match link.policy.pass_packet(&mut connection.flow, direction, since, kind) {
            Fate::Deliver { at, twice } => {
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
            Fate::Lose(Loss::Chance) => link.packets.lost[d] += 1,
            Fate::Lose(Loss::Queue) => link.packets.overflowed[d] += 1,
            Fate::Lose(Loss::Blackhole) => link.packets.vanished[d] += 1,
            Fate::Reset(at) => {
                link.tally.reset += 1;
                connection.ended = true;
                let address = |at: usize| Ipv4Addr::from([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
                // Its addresses are those of the other side by now.
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

    /// To which connection a packet belongs, and which way it goes.
    fn classify(&self, segment: &Segment) -> Option<(Ports, Direction)> {
        let (up, down) = ((segment.to_port, segment.from_port), (segment.from_port, segment.to_port));
        if self.connections.contains_key(&up) {
            Some((up, Direction::Upstream))
        } else if self.connections.contains_key(&down) {
            Some((down, Direction::Downstream))
        } else if self.links.contains_key(&up.0) {
            Some((up, Direction::Upstream))
        } else if self.links.contains_key(&down.0) {
            Some((down, Direction::Downstream))
        } else {
            None
        }
    }

    /// Hands on what is due.
    fn deliver(&mut self, mut now: Nanos) {
        while self.under_way.peek().is_some_and(|Reverse(packet)| packet.due <= now) {
            let Some(Reverse(packet)) = self.under_way.pop() else { return };
            self.hand_on(&packet.bytes);
            self.under_way_bytes -= packet.bytes.len();
            if let Some(link) = self.links.get_mut(&packet.ports.0) {
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

    /// Forgets connections that are over.
    fn sweep(&mut self) {
        let now = clock::now();
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        self.connections.retain(|_, one| now - one.last_seen < if one.ended { ENDED } else { SILENT });
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may have gone.
        match command {
            Command::Open(port, policy, reply) => {
                let (tally, packets, begun) = (Tally::default(), Packets::default(), clock::now());
                self.links.insert(port, Link { policy: *policy, tally, packets, begun, count: 0 });
                reply.send(()).unwrap_or(());
            }
            Command::Change(port, policy, reply) => {
                if let Some(link) = self.links.get_mut(&port) {
                    link.policy = *policy;
                    let now = clock::now() - link.begun;
                    for (_, connection) in self.connections.iter_mut().filter(|(ports, _)| ports.0 == port) {
                        link.policy.adopt(&mut connection.flow, now);
                    }
                }
                reply.send(()).unwrap_or(());
            }
            Command::Close(port, reply) => {
                self.links.remove(&port);
                self.connections.retain(|ports, _| ports.0 != port);
                reply.send(()).unwrap_or(());
            }
            Command::Tally(port, reply) => {
                let missed = self.missed + self.device.dropped();
                if let Some(link) = self.links.get(&port) {
                    let packets = Packets { missed, ..link.packets };
                    reply.send(Tally { packets: Some(packets), ..link.tally.clone() }).unwrap_or(());
                }
            }
            Command::Stop => {}
        }
    }
}

impl Connection {
    fn new(policy: &Policy, count: u64, since: Nanos, now: Nanos) -> Self {
        Self { flow: policy.open(count, since), begun_by: None, last_seen: now, ended: false, under_way: [0; 2] }
    }
}
