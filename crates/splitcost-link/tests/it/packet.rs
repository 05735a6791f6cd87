//! The packet engine: TCP connections of the kernel over a real network device.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use splitcost_link::packet::{Emulator, PacketCounts};
use splitcost_link::policy::Policy;
use splitcost_link::stream::{Address, LinkId, Spec, Tally};
use splitcost_model::link::{Delay, Link};
use splitcost_model::quantity::Nanos;

use crate::peer::{DEADLINE, Peer, echo, pattern, policy, receive, rules, send, serve_tcp};

/// A link of the packet engine to a server.
struct PacketLink {
    emulator: Emulator,
    id: LinkId,
    listens: SocketAddr,
}

/// Opens a link; `None` where the engine cannot run and has given the right reason.
fn link(policy: Policy) -> Option<PacketLink> {
    let emulator = start()?;
    let listen = Address::Tcp((Ipv4Addr::UNSPECIFIED, 0).into());
    let (id, listens) = emulator.open(Spec { listen, to: vec![serve_tcp("127.0.0.1:0", echo)], policy }).unwrap();
    let Address::Tcp(listens) = listens else { panic!("{listens} is not a TCP address") };
    Some(PacketLink { emulator, id, listens })
}

/// Starts an engine. Where this process may not make a network device, the test is only that the engine gives this reason.
fn start() -> Option<Emulator> {
    let device = std::fs::exists("/dev/net/tun").unwrap_or(false);
    let may = device
        && std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
            let own = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
            own.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & 1 << NET_ADMIN != 0)
        });
    match Emulator::start() {
        Ok(emulator) => {
            assert!(may, "the engine made a network device without the right to");
            Some(emulator)
        }
        Err(error) => {
            assert!(!may, "{error}");
            let expected = if device { "failed to make a network device" } else { "/dev/net/tun does not exist" };
            assert!(error.to_string().starts_with(&format!("emulate packets: {expected}")), "{error}");
            None
        }
    }
}

/// The number of the capability to make network devices.
const NET_ADMIN: u32 = 12;

impl PacketLink {
    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.listens).unwrap();
        socket.set_deadline();
        socket.set_nodelay(true).unwrap();
        socket
    }

    fn tally(&self) -> Tally {
        self.emulator.tally(self.id).unwrap()
    }

    fn packets(&self) -> PacketCounts {
        self.tally().packets.unwrap()
    }

    fn wait(&self, reached: impl Fn(&Tally) -> bool) {
        let begun = Instant::now();
        while !reached(&self.tally()) {
            assert!(begun.elapsed() < DEADLINE, "the condition is still false: {:?}", self.tally());
            std::thread::yield_now();
        }
    }

    /// Sends bytes in both directions, and checks that the server's echo is equal.
    fn round_trip(&self, length: usize) -> TcpStream {
        let mut socket = self.connect();
        let bytes = pattern(length);
        let sender = send(socket.try_clone().unwrap(), bytes.clone());
        assert!(receive(&mut socket) == bytes, "other bytes came back");
        sender.join().unwrap();
        socket
    }
}

#[test]
fn a_handshake_takes_a_round_trip() {
    let Some(link) = link(policy(&["delay 20ms"])) else { return };
    let begun = Instant::now();
    let mut socket = link.connect();
    assert!(begun.elapsed() >= Duration::from_millis(40), "{:?}", begun.elapsed());
    let begun = Instant::now();
    socket.write_all(b"question").unwrap();
    socket.read_exact(&mut [0; 8]).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(40), "{:?}", begun.elapsed());
    let tally = link.tally();
    assert_eq!((tally.accepted, tally.bytes), (1, [8, 8]));
    assert_eq!(tally.emulation(true).engine, "packet");
    assert!(tally.timing.requested(0.0) >= Nanos::from_micros(19_900), "{:?}", tally.timing);
}

#[test]
fn bytes_arrive_completely_under_any_fault_of_packets() {
    let cases: [&[&str]; 5] = [
        &[],
        &["delay 1ms ±1ms"],
        &["delay 100us", "loss 2%", "duplicate 5%"],
        &["delay 100us", "loss 2% burst 3"],
        &["rate 50Mbit/s"],
    ];
    for faults in cases {
        let Some(link) = link(policy(faults)) else { return };
        for length in [0, 1, 300_000] {
            link.round_trip(length);
        }
        link.wait(|tally| tally.open == 0);
        let tally = link.tally();
        assert_eq!((tally.accepted, tally.bytes), (3, [300_001, 300_001]), "{faults:?}");
        assert_eq!(link.packets().missed, 0, "{faults:?}");
    }
}

#[test]
fn the_requested_share_of_packets_is_lost_and_retransmitted() {
    let Some(link) = link(policy(&["delay 1ms", "loss 5%"])) else { return };
    link.round_trip(2_000_000);
    let packets = link.packets();
    for (came, lost) in packets.came.into_iter().zip(packets.lost) {
        // Two million bytes need more than 1,350 packets of the largest size in each direction.
        assert!(came > 1_350, "{packets:?}");
        let (expected, deviation) = (came as f64 * 0.05, (came as f64 * 0.05 * 0.95).sqrt());
        assert!((lost as f64 - expected).abs() < 5.0 * deviation, "{lost} of {came}");
    }
}

#[test]
fn a_packet_that_comes_twice_is_in_the_stream_once() {
    let Some(link) = link(policy(&["delay 200us", "duplicate 100%"])) else { return };
    link.round_trip(500_000);
    link.wait(|tally| tally.open == 0);
    let packets = link.packets();
    assert_eq!(packets.duplicated, packets.came);
    assert_eq!(link.tally().bytes, [500_000; 2]);
}

#[test]
fn a_profile_loses_what_it_says_and_delays_its_packets() {
    let delay = Delay::Constant(Nanos::from_millis(2));
    let profile = Link { one_way_delay: delay, loss: 0.1, handshake_round_trips: 2, ..Link::default() };
    let Some(link) = link(Policy::of(&profile, Vec::new(), 3)) else { return };
    let begun = Instant::now();
    let mut socket = link.connect();
    socket.write_all(b"question").unwrap();
    socket.read_exact(&mut [0; 8]).unwrap();
    // The handshake of TCP, the handshake of TLS, and the question take a round trip each.
    assert!(begun.elapsed() >= Duration::from_millis(12), "{:?}", begun.elapsed());
    link.round_trip(500_000);
    assert!(link.packets().lost.iter().all(|lost| *lost > 0), "{:?}", link.packets());
}

#[test]
fn a_handshake_that_vanishes_is_not_answered() {
    let Some(link) = link(policy(&["blackhole at-connect"])) else { return };
    let error = TcpStream::connect_timeout(&link.listens, Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    link.wait(|tally| tally.packets.is_some_and(|packets| packets.vanished[0] > 0));
    let packets = link.packets();
    assert_eq!(packets.vanished, packets.came);
    assert_eq!(link.tally().accepted, 0);
}

#[test]
fn a_handshake_is_reset_after_a_round_trip() {
    let Some(link) = link(policy(&["delay 20ms", "reset at-connect"])) else { return };
    let begun = Instant::now();
    let error = TcpStream::connect(link.listens).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(begun.elapsed() >= Duration::from_millis(40), "{:?}", begun.elapsed());
    let tally = link.tally();
    assert_eq!((tally.reset, tally.accepted), (1, 0));
}

#[test]
fn a_share_of_the_handshakes_is_drawn_from_the_seed() {
    let refused = |seed: u64| -> Option<Vec<bool>> {
        let link = link(Policy::new(rules(&["reset at-connect 50%"]), seed))?;
        Some((0..40).map(|_| TcpStream::connect(link.listens).is_err()).collect())
    };
    let Some(first) = refused(1) else { return };
    assert_eq!(Some(&first), refused(1).as_ref());
    assert_ne!(Some(&first), refused(2).as_ref());
    let count = first.iter().filter(|refused| **refused).count();
    assert!((8..=32).contains(&count), "{count} of 40");
}

#[test]
fn a_blackhole_that_ends_is_forgotten() {
    let Some(link) = link(policy(&[])) else { return };
    let mut socket = link.connect();
    link.emulator.change(link.id, &policy(&["blackhole"])).unwrap();
    socket.write_all(b"question").unwrap();
    link.wait(|tally| tally.packets.is_some_and(|packets| packets.vanished[0] > 0));
    link.emulator.change(link.id, &policy(&["delay 1ms"])).unwrap();
    // The kernel retransmits the bytes.
    let mut answer = [0; 8];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"question");
}

#[test]
fn faults_of_a_server_happen_at_its_end() {
    let Some(reused) = link(policy(&["delay 1ms", "reset on-reuse"])) else { return };
    let mut socket = reused.connect();
    let mut ask = || {
        socket.write_all(b"question")?;
        socket.read_exact(&mut [0; 8])
    };
    ask().unwrap();
    assert_eq!(ask().unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(reused.tally().reset, 1);

    let half = link(policy(&["delay 1ms", "blackhole mid-response"])).unwrap();
    let mut socket = half.connect();
    socket.write_all(&pattern(1_000)).unwrap();
    let mut buffer = [0; 500];
    socket.read_exact(&mut buffer).unwrap();
    assert_eq!(buffer[..], pattern(500));
    half.wait(|tally| tally.discarded_bytes == [0, 500]);

    let down = link(policy(&["delay 20ms", "down"])).unwrap();
    let begun = Instant::now();
    assert_eq!(TcpStream::connect(down.listens).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(begun.elapsed() >= Duration::from_millis(40), "{:?}", begun.elapsed());
    down.emulator.change(down.id, &policy(&[])).unwrap();
    down.round_trip(1_000);
}

#[test]
fn links_and_emulators_keep_apart() {
    let Some(first) = link(policy(&["delay 1ms"])) else { return };
    let second = link(policy(&[])).unwrap();
    assert_ne!(first.listens.ip(), second.listens.ip());
    let spec = Spec {
        listen: Address::Tcp((first.emulator.address(), 0).into()),
        to: vec![serve_tcp("127.0.0.1:0", echo)],
        policy: policy(&["blackhole"]),
    };
    let (beside, address) = first.emulator.open(spec).unwrap();
    let Address::Tcp(address) = address else { panic!("{address} is not a TCP address") };
    assert_eq!(address.ip(), first.listens.ip());
    first.round_trip(1_000);
    second.round_trip(1_000);
    TcpStream::connect_timeout(&address, Duration::from_millis(100)).unwrap_err();
    first.emulator.close(beside);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    first.emulator.tally(beside).unwrap_err();
    first.round_trip(1_000);
}

#[test]
fn rules_that_packets_cannot_follow_are_refused_by_name() {
    let Some(emulator) = start() else { return };
    let refusal = |listen: &str, fault: &str| {
        let listen = Address::parse(listen).unwrap().remove(0);
        let spec = Spec { to: vec![listen.clone()], listen, policy: policy(&[fault]) };
        let error = emulator.open(spec).unwrap_err();
        std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string)
    };
    for (fault, expected) in [
        ("loss 1% over 64kB", "loss is not possible with these words: a packet does not show the size of its message"),
        ("duplicate 1% over 64kB", "duplicate is not possible with these words: a packet does not show"),
        (
            "close at-connect",
            "close is not possible with these words: only a blackhole, a reset or a delay is possible at the handshake",
        ),
        ("stall 1s at-connect", "stall is not possible with these words: only a blackhole"),
        ("closed-window at-connect", "closed-window is not possible with these words: only a blackhole"),
        ("blackhole at-connect for 5s", "blackhole is not possible with these words: there is no connection to close"),
        ("reset at-connect over 1kB", "reset is not possible with these words: a handshake carries no message"),
        ("reset at-connect downstream", "reset is not possible with these words: the server's side"),
    ] {
        let found = refusal("0.0.0.0:0", fault);
        assert!(found.starts_with(expected), "{fault}: {found}");
    }
    for listen in ["127.0.0.1:0", "unix:nowhere"] {
        assert!(refusal(listen, "delay 1ms").contains("give only a port"), "{listen}");
    }
}

#[test]
fn nothing_is_left_behind() {
    let Some(link) = link(policy(&["delay 1ms"])) else { return };
    link.round_trip(1_000);
    let mut client = link.connect();
    link.wait(|tally| tally.accepted == 2);
    let SocketAddr::V4(address) = link.listens else { panic!("{} is not an IPv4 address", link.listens) };
    let network = format!("{:08X}", (u32::from(*address.ip()) & !3).swap_bytes());
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    let name = routes.lines().find(|route| route.contains(&network)).unwrap().split('\t').next().unwrap().to_owned();
    // Another test may use the name and the addresses at once, but the kernel never gives a number a second time.
    let number = |name: &str| std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok();
    let ours = number(&name).unwrap();
    drop(link);
    let left = std::fs::read_dir("/sys/class/net").unwrap().flatten();
    for device in left {
        assert_ne!(number(&device.file_name().into_string().unwrap()).as_ref(), Some(&ours));
    }
    // Clients see the end of their connections.
    let end = client.read(&mut [0]);
    assert!(end.as_ref().is_ok_and(|count| *count == 0) || end.as_ref().is_err_and(is_reset), "{end:?}");
}

fn is_reset(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::ConnectionReset
}
