//! The packet engine on a real network device: what TCP makes of it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use splitcost_link::packet::{Emulator, Packets};
use splitcost_link::policy::Policy;
use splitcost_link::stream::{Address, LinkId, Spec, Tally};
use splitcost_model::link::{Delay, Link as Profile};
use splitcost_model::quantity::Nanos;

use crate::peer::{DEADLINE, Peer, echo, pattern, policy, receive, rules, send, serve_tcp};

/// A link of packets to a server.
struct Link {
    emulator: Emulator,
    id: LinkId,
    listens: SocketAddr,
}

/// Opens a link; `None` where the engine cannot be, which then it has said rightly.
fn link(policy: Policy) -> Option<Link> {
    let emulator = start()?;
    let listen = Address::Tcp((Ipv4Addr::UNSPECIFIED, 0).into());
    let (id, listens) = emulator.open(Spec { listen, to: vec![serve_tcp("127.0.0.1:0", echo)], policy }).unwrap();
    let Address::Tcp(listens) = listens else { panic!("{listens} is no address of TCP") };
    Some(Link { emulator, id, listens })
}

/// Starts an engine. Where a network device cannot be made, the engine has to say so, and that is all there is to test.
fn start() -> Option<Emulator> {
    let device = std::fs::exists("/dev/net/tun").unwrap_or(false);
    let may = device
        && std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
            let own = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
            own.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & 1 << NET_ADMIN != 0)
        });
    match Emulator::start() {
        Ok(emulator) => {
            assert!(may, "a network device was made without the right to");
            Some(emulator)
        }
        Err(error) => {
            assert!(!may, "{error}");
            let expected = if device { "a network device cannot be made" } else { "there is no /dev/net/tun" };
            assert!(error.to_string().starts_with(&format!("emulate packets: {expected}")), "{error}");
            None
        }
    }
}

/// Number of the capability to make network devices.
const NET_ADMIN: u32 = 12;

impl Link {
    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.listens).unwrap();
        socket.set_deadline();
        socket.set_nodelay(true).unwrap();
        socket
    }

    fn tally(&self) -> Tally {
        self.emulator.tally(self.id).unwrap()
    }

    fn packets(&self) -> Packets {
        self.tally().packets.unwrap()
    }

    fn wait(&self, reached: impl Fn(&Tally) -> bool) {
        let begun = Instant::now();
        while !reached(&self.tally()) {
            assert!(begun.elapsed() < DEADLINE, "it is still at {:?}", self.tally());
            std::thread::yield_now();
        }
    }

    /// Sends bytes there and back, and checks that they came as they were.
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
fn bytes_arrive_whole_whatever_happens_to_packets() {
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
fn what_is_lost_is_sent_again_and_is_the_share_that_was_asked_for() {
    let Some(link) = link(policy(&["delay 1ms", "loss 5%"])) else { return };
    link.round_trip(2_000_000);
    let packets = link.packets();
    for (came, lost) in packets.came.into_iter().zip(packets.lost) {
        // Two million bytes are more than 1,350 packets of the largest size, there and back.
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
    let profile = Profile { one_way_delay: delay, loss: 0.1, handshake_round_trips: 2, ..Profile::default() };
    let Some(link) = link(Policy::of(&profile, Vec::new(), 3)) else { return };
    let begun = Instant::now();
    let mut socket = link.connect();
    socket.write_all(b"question").unwrap();
    socket.read_exact(&mut [0; 8]).unwrap();
    // The handshake of TCP, that of TLS, and the question.
    assert!(begun.elapsed() >= Duration::from_millis(12), "{:?}", begun.elapsed());
    link.round_trip(500_000);
    assert!(link.packets().lost.iter().all(|lost| *lost > 0), "{:?}", link.packets());
}

#[test]
fn a_handshake_that_vanishes_is_not_answered() {
    let Some(link) = link(policy(&["blackhole at-connect"])) else { return };
    let error = TcpStream::connect_timeout(&link.listens, Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let packets = link.packets();
    assert!(packets.vanished[0] >= 1 && packets.vanished == packets.came, "{packets:?}");
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
    // The kernel sends it again.
    let mut answer = [0; 8];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"question");
}

#[test]
fn what_is_a_server_s_to_do_happens_at_its_end() {
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
    let Address::Tcp(address) = address else { panic!("{address} is no address of TCP") };
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
fn what_packets_cannot_do_is_refused_by_name() {
    let Some(emulator) = start() else { return };
    let refusal = |listen: &str, fault: &str| {
        let listen = Address::parse(listen).unwrap().remove(0);
        let spec = Spec { to: vec![listen.clone()], listen, policy: policy(&[fault]) };
        let error = emulator.open(spec).unwrap_err();
        std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string)
    };
    for (fault, expected) in [
        ("loss 1% over 64kB", "loss cannot be done so: a packet does not know how much of a message went before it"),
        ("duplicate 1% over 64kB", "duplicate cannot be done so: a packet does not know"),
        ("close at-connect", "close cannot be done so: at the handshake there can be a blackhole, a reset, or a delay"),
        ("stall 1s at-connect", "stall cannot be done so: at the handshake"),
        ("closed-window at-connect", "closed-window cannot be done so: at the handshake"),
        ("blackhole at-connect for 5s", "blackhole cannot be done so: there is no connection to close"),
        ("reset at-connect over 1kB", "reset cannot be done so: a handshake has no message"),
        ("reset at-connect downstream", "reset cannot be done so: the server's side"),
    ] {
        let found = refusal("0.0.0.0:0", fault);
        assert!(found.starts_with(expected), "{fault}: {found}");
    }
    for listen in ["127.0.0.1:0", "unix:nowhere"] {
        assert!(refusal(listen, "delay 1ms").contains("name a port only"), "{listen}");
    }
}

#[test]
fn nothing_is_left_behind() {
    let Some(link) = link(policy(&["delay 1ms"])) else { return };
    link.round_trip(1_000);
    let mut client = link.connect();
    link.wait(|tally| tally.accepted == 2);
    let SocketAddr::V4(address) = link.listens else { panic!("{} is not of IPv4", link.listens) };
    let network = format!("{:08X}", (u32::from(*address.ip()) & !3).swap_bytes());
    let is_there = || std::fs::read_to_string("/proc/net/route").unwrap().contains(&network);
    assert!(is_there());
    drop(link);
    assert!(!is_there());
    // Clients know that it has ended.
    let end = client.read(&mut [0]);
    assert!(end.as_ref().is_ok_and(|count| *count == 0) || end.as_ref().is_err_and(is_reset), "{end:?}");
    // Nor would a second be in the way of one that is made now.
    assert!(TcpListener::bind((*address.ip(), 0)).is_err());
}

fn is_reset(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::ConnectionReset
}
