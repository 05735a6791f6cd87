//! The faults of the stream engine, as clients and servers see them.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use splitcost_link::policy::Policy;
use splitcost_link::stream::{Address, Emulator, Spec};

use crate::peer::{DEADLINE, Peer, StreamLink, echo, pattern, policy, receive, rules, serve_tcp};

fn link(faults: &[&str]) -> StreamLink {
    StreamLink::new(serve_tcp("127.0.0.1:0", echo), faults)
}

/// Sends bytes, and receives the whole echo.
fn ask(socket: &mut TcpStream, length: usize) -> std::io::Result<()> {
    let bytes = pattern(length);
    socket.write_all(&bytes)?;
    let mut answer = vec![0; length];
    socket.read_exact(&mut answer)?;
    assert!(answer == bytes);
    Ok(())
}

/// Makes a round trip over another link of the emulator. Its thread serves links in turn, and has then also seen all bytes
/// that were written to this link before.
fn pass_by(link: &StreamLink) {
    let listen = Address::parse("127.0.0.1:0").unwrap().remove(0);
    let spec = Spec { listen, to: vec![serve_tcp("127.0.0.1:0", echo)], policy: policy(&[]) };
    let Address::Tcp(other) = link.emulator.open(spec).unwrap().1 else { panic!("not a TCP address") };
    ask(&mut TcpStream::connect(other).unwrap(), 10).unwrap();
}

fn is_reset(error: &std::io::Error) -> bool {
    // A write may notice the reset before a read.
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

#[test]
fn a_reset_comes_at_its_point() {
    assert!(is_reset(&ask(&mut link(&["reset"]).connect(), 10).unwrap_err()));
    assert!(is_reset(&ask(&mut link(&["reset after-accept in 1ms"]).connect(), 10).unwrap_err()));

    let reused = link(&["reset on-reuse"]);
    let mut socket = reused.connect();
    ask(&mut socket, 10).unwrap();
    assert!(is_reset(&ask(&mut socket, 10).unwrap_err()));
    reused.wait(|tally| tally.reset == 1);

    let large = link(&["reset over 10kB"]);
    let mut socket = large.connect();
    (0..5).for_each(|_| ask(&mut socket, 9_000).unwrap());
    assert!(is_reset(&ask(&mut socket, 11_000).unwrap_err()));

    assert!(is_reset(&ask(&mut link(&["reset mid-response"]).connect(), 1_000).unwrap_err()));
}

#[test]
fn half_of_a_response_arrives_before_the_hole() {
    let link = link(&["blackhole mid-response"]);
    let mut socket = link.connect();
    socket.write_all(&pattern(1_000)).unwrap();
    let mut buffer = [0; 1_000];
    socket.read_exact(&mut buffer[..500]).unwrap();
    assert_eq!(buffer[..500], pattern(500));
    link.wait(|tally| tally.discarded_bytes == [0, 500]);
}

#[test]
fn a_share_of_the_connections_is_drawn_from_the_seed() {
    let affected = |seed: u64| -> Vec<bool> {
        let server = serve_tcp("127.0.0.1:0", echo);
        let link = StreamLink::at("127.0.0.1:0", server, Policy::new(rules(&["reset 50%"]), seed));
        (0..40).map(|_| ask(&mut link.connect(), 10).is_err()).collect()
    };
    let first = affected(1);
    assert_eq!(first, affected(1));
    assert_ne!(first, affected(2));
    let count = first.iter().filter(|affected| **affected).count();
    assert!((8..=32).contains(&count), "{count} of 40");
}

#[test]
fn a_blackhole_takes_bytes_and_gives_none() {
    let link = link(&["blackhole after-accept"]);
    let mut socket = link.connect();
    socket.write_all(b"hello?").unwrap();
    link.wait(|tally| tally.discarded_bytes == [6, 0]);
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(link.tally().open, 1);
    // The client closes, and the connection ends.
    drop(socket);
    link.wait(|tally| tally.open == 0);
}

#[test]
fn a_blackhole_with_an_end_closes() {
    let link = link(&["blackhole for 20ms downstream"]);
    let mut socket = link.connect();
    // On a slow machine, the connection may be closed before the client writes: then the client sees a reset.
    let mut bytes = Vec::new();
    let end = socket.write_all(b"hello?").and_then(|()| socket.read_to_end(&mut bytes));
    assert!(end.as_ref().map_or_else(is_reset, |count| *count == 0), "{end:?}");
    link.wait(|tally| tally.closed == 1 && tally.open == 0);
}

#[test]
fn a_close_lets_through_what_came_before() {
    let link = link(&["delay 1ms", "close after 1kB downstream"]);
    let mut socket = link.connect();
    socket.write_all(&pattern(5_000)).unwrap();
    let mut bytes = Vec::new();
    // Since the link closes with unread bytes of the client, the stream may also end with a reset.
    let _ = socket.read_to_end(&mut bytes);
    assert_eq!(bytes, pattern(1_000));
}

#[test]
fn a_closed_window_stops_the_sender() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = StreamLink::new(Address::Tcp(listener.local_addr().unwrap()), &["closed-window after 5kB upstream"]);
    let mut client = link.connect();
    let (mut server, _) = listener.accept().unwrap();
    server.set_deadline();
    client.write_all(&pattern(4_000)).unwrap();
    server.read_exact(&mut [0; 4_000]).unwrap();
    client.set_nonblocking(true).unwrap();
    let bytes = pattern(1_000_000);
    let mut sent = 0;
    while let Ok(count) = client.write(&bytes) {
        sent += count;
        assert!(sent < 1_000_000_000, "it never stops");
    }
    // The other direction still works.
    server.write_all(b"still here").unwrap();
    client.set_nonblocking(false).unwrap();
    let mut answer = [0; 10];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"still here");
}

#[test]
fn a_stall_holds_bytes() {
    let link = link(&["stall to 1000s"]);
    let mut socket = link.connect();
    socket.write_all(b"wait").unwrap();
    link.wait(|tally| tally.most_under_way_bytes == 4);
    pass_by(&link);
    assert_eq!((link.tally().bytes, link.tally().open), ([0, 0], 1));
}

#[test]
fn a_schedule_has_a_beginning_and_an_end() {
    // The bytes are held until the end of the schedule.
    let link = link(&["stall to 300ms"]);
    ask(&mut link.connect(), 1_000).unwrap();

    let later = StreamLink::new(serve_tcp("127.0.0.1:0", echo), &["reset from 1000s"]);
    ask(&mut later.connect(), 1_000).unwrap();
}

#[test]
fn down_is_refused_and_then_up_again() {
    let link = StreamLink::new(serve_tcp("127.0.0.1:0", echo), &[]);
    let mut before = link.connect();
    ask(&mut before, 10).unwrap();
    link.emulator.change(link.id, policy(&["down"])).unwrap();
    ask(&mut before, 10).unwrap_err();
    link.wait(|tally| tally.open == 0 && tally.closed == 1);
    let Address::Tcp(address) = link.listens else { panic!() };
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // The link keeps its port meanwhile.
    #[cfg(target_os = "linux")]
    {
        let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        assert_eq!(other.bind(&address.into()).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
    link.emulator.change(link.id, policy(&[])).unwrap();
    ask(&mut link.connect(), 10).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("link");
    let unix = StreamLink::at(&format!("unix:{}", path.display()), serve_tcp("127.0.0.1:0", echo), policy(&["down"]));
    assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    unix.emulator.change(unix.id, policy(&[])).unwrap();
    UnixStream::connect(&path).unwrap();

    // A schedule has the same effect.
    let soon = StreamLink::new(serve_tcp("127.0.0.1:0", echo), &["down to 100ms"]);
    let Address::Tcp(address) = soon.listens else { panic!() };
    let begun = std::time::Instant::now();
    let mut socket = loop {
        match TcpStream::connect(address) {
            Ok(socket) => break socket,
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
        }
        assert!(begun.elapsed() < DEADLINE);
    };
    ask(&mut socket, 10).unwrap();
}

#[test]
fn another_policy_holds_for_connections_that_are_there() {
    let link = StreamLink::new(serve_tcp("127.0.0.1:0", echo), &[]);
    let mut socket = link.connect();
    ask(&mut socket, 10).unwrap();
    link.emulator.change(link.id, policy(&["closed-window"])).unwrap();
    socket.write_all(b"wait").unwrap();
    pass_by(&link);
    assert_eq!(link.tally().bytes, [10, 10]);
    link.emulator.change(link.id, policy(&["delay 1ms"])).unwrap();
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"wait");
    link.emulator.change(link.id, policy(&["reset"])).unwrap();
    assert!(is_reset(&socket.read(&mut [0]).unwrap_err()));
}

#[test]
fn a_slow_close_is_an_end_all_the_same() {
    let slow = link(&["slow-close 20ms"]);
    let mut socket = slow.connect();
    socket.write_all(b"bye").unwrap();
    socket.finish();
    assert_eq!(receive(&mut socket), b"bye");
}

#[test]
fn what_a_stream_cannot_do_is_refused_by_name() {
    let emulator = Emulator::start().unwrap();
    let refusal = |listen: &str, fault: &str| {
        let listen = Address::parse(listen).unwrap().remove(0);
        let spec = Spec { to: vec![listen.clone()], listen, policy: policy(&[fault]) };
        let error = emulator.open(spec).unwrap_err();
        std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string)
    };
    assert_eq!(
        refusal("127.0.0.1:0", "loss 1%"),
        "loss needs the packet engine: a stream has no packets, and TCP retransmits lost bytes"
    );
    assert!(refusal("127.0.0.1:0", "duplicate 1%").starts_with("duplicate needs the packet engine"));
    assert!(refusal("127.0.0.1:0", "blackhole at-connect").starts_with("blackhole needs the packet engine"));
    assert!(refusal("unix:nowhere", "reset").contains("a unix socket cannot be reset"));
}
