//! The stream engine delivers bytes completely and in order, and it forwards the ends of streams.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use splitcost_link::policy::Policy;
use splitcost_link::stream::Address;
use splitcost_model::link::{Delay, Link, Quantiles};
use splitcost_model::quantity::Nanos;

use crate::peer::{Peer, StreamLink, echo, pattern, policy, receive, refusing, send, serve_tcp, serve_unix};

/// Sends bytes in both directions at once, and checks that the server's echo is equal.
fn round_trip(link: &StreamLink, length: usize) {
    let mut socket = link.connect();
    let bytes = pattern(length);
    let sender = send(socket.try_clone().unwrap(), bytes.clone());
    assert!(receive(&mut socket) == bytes, "other bytes came back");
    sender.join().unwrap();
}

#[test]
fn bytes_arrive_in_order_under_any_delay() {
    let server = serve_tcp("127.0.0.1:0", echo);
    let cases: [&[&str]; 6] = [
        &[],
        &["delay 1ms"],
        &["delay p50=10us p90=1ms max=10ms"],
        &["rate 100MB/s", "delay lognormal 200us sigma 1"],
        &["drip 1kB ± 999B every 50us"],
        &["stall 30ms after 10kB", "delay 500us ±500us correlation 0.9"],
    ];
    for faults in cases {
        let link = StreamLink::new(server.clone(), faults);
        for length in [0, 1, 100_000] {
            round_trip(&link, length);
        }
        link.wait(|tally| tally.open == 0);
        let tally = link.tally();
        assert_eq!((tally.accepted, tally.bytes), (3, [100_001, 100_001]), "{faults:?}");
    }
}

#[test]
fn bulk_arrives_whole() {
    let link = StreamLink::new(serve_tcp("127.0.0.1:0", echo), &["delay 2ms"]);
    round_trip(&link, 20_000_000);
    let tally = link.tally();
    assert_eq!(tally.bytes, [20_000_000, 20_000_000]);
    assert_eq!((tally.timing.requested(0.5).as_millis_f64() * 10.0).round() as u64, 20);
}

#[test]
fn many_connections_at_once_keep_their_bytes_apart() {
    let link = StreamLink::new(serve_tcp("127.0.0.1:0", echo), &["delay 100us ±100us", "rate 200MB/s"]);
    std::thread::scope(|scope| {
        for i in 0..20 {
            let link = &link;
            scope.spawn(move || round_trip(link, 50_000 + i * 1_000));
        }
    });
    link.wait(|tally| tally.open == 0);
    assert_eq!(link.tally().accepted, 20);
}

#[test]
fn half_a_close_goes_through() {
    let link =
        StreamLink::new(serve_tcp("127.0.0.1:0", |read, write| write.write_all(&receive_all(read)?)), &["delay 1ms"]);
    let mut socket = link.connect();
    socket.write_all(b"question").unwrap();
    socket.finish();
    assert_eq!(receive(&mut socket), b"question");
}

fn receive_all(read: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn a_server_that_speaks_first_is_heard() {
    let link = StreamLink::new(serve_tcp("127.0.0.1:0", |_, write| write.write_all(b"hello")), &["delay 1ms"]);
    assert_eq!(receive(&mut link.connect()), b"hello");
}

#[test]
fn unix_sockets_and_ipv6_are_sockets_too() {
    let dir = tempfile::tempdir().unwrap();
    let unix = serve_unix(&dir.path().join("server"), echo);
    round_trip(&StreamLink::new(unix, &["delay 1ms"]), 100_000);

    let path = dir.path().join("link");
    let link = StreamLink::at(&format!("unix:{}", path.display()), serve_tcp("[::1]:0", echo), policy(&["delay 1ms"]));
    let mut socket = std::os::unix::net::UnixStream::connect(&path).unwrap();
    socket.set_deadline();
    socket.write_all(b"over both").unwrap();
    socket.finish();
    assert_eq!(receive(&mut socket), b"over both");
    drop(link);
    assert!(!path.exists(), "the socket's file is left");

    round_trip(&StreamLink::at("[::1]:0", serve_tcp("127.0.0.1:0", echo), policy(&[])), 1_000);
}

#[test]
fn a_server_that_refuses_makes_the_client_fail() {
    let (nobody, _held) = refusing();
    let link = StreamLink::new(nobody, &["delay 1ms"]);
    let error = link.connect().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let tally = link.tally();
    assert_eq!((tally.accepted, tally.refused, tally.open), (1, 1, 0));
    assert!(tally.refusal.unwrap().starts_with("Connection refused"));
}

#[test]
fn a_reset_by_the_server_reaches_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = StreamLink::new(Address::Tcp(listener.local_addr().unwrap()), &["delay 1ms"]);
    let mut client = link.connect();
    client.write_all(b"unread").unwrap();
    let (server, _) = listener.accept().unwrap();
    // Closing a socket with unread bytes sends a reset.
    server.peek(&mut [0]).unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(link.tally().reset, 0, "no fault has done it");
}

#[test]
fn a_slow_reader_bounds_what_is_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = StreamLink::new(Address::Tcp(listener.local_addr().unwrap()), &["rate 1GB/s"]);
    let client = link.connect();
    client.set_nonblocking(true).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_deadline();
    // The server reads nothing until the client can send no more, because the link is full.
    let bytes = pattern(1_000_000);
    let mut sent = 0_u64;
    let mut full = 0;
    while full < 1_000 {
        match (&client).write(&bytes[(sent % 1_000_000) as usize..]) {
            Ok(count) => {
                sent += count as u64;
                full = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                full += 1;
                link.tally();
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 1_000_000_000, "it never fills");
    }
    let most = link.tally().most_under_way_bytes;
    assert!(most <= 131_072, "{most} bytes are kept");
    drop(client);
    let mut received = 0_u64;
    let mut buffer = vec![0; 1_000_000];
    loop {
        let count = server.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        let begin = (received % 1_000_000) as usize;
        assert!(buffer[..count].iter().zip(bytes[begin..].iter().chain(&bytes)).all(|(a, b)| a == b));
        received += count as u64;
    }
    assert_eq!(received, sent);
}

#[test]
fn a_thousand_connections_all_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link =
        StreamLink::new(Address::Tcp(listener.local_addr().unwrap()), &["delay 100us", "reset 10%", "blackhole 10%"]);
    listener.set_nonblocking(true).unwrap();
    for round in 0..10 {
        let clients: Vec<TcpStream> = (0..100).map(|_| link.connect()).collect();
        for (i, mut client) in clients.into_iter().enumerate() {
            if i % 2 == 0 {
                // The write may fail because the connection was reset already.
                let _ = client.write(b"bytes that nobody reads");
            }
        }
        // The server accepts the connections and drops them at once.
        link.wait(|tally| {
            while listener.accept().is_ok() {}
            tally.accepted == (round + 1) * 100 && tally.open == 0
        });
    }
}

#[test]
fn a_profile_delays_the_first_byte_by_the_handshake_too() {
    let micros = Nanos::from_micros;
    let quantiles = Quantiles::new(vec![(0.0, micros(500)), (1.0, micros(1_500))]).unwrap();
    let profile = Link { one_way_delay: Delay::Quantiles(quantiles), ..Link::default() };
    let mut link = Policy::of(&profile, Vec::new(), 1);
    let mut flow = link.open(1, Nanos::ZERO);
    let handshake = link.handshake(&mut flow, Nanos::ZERO);
    assert!((micros(1_000)..=micros(3_000)).contains(&handshake), "{handshake:?}");
    round_trip(&StreamLink::at("127.0.0.1:0", serve_tcp("127.0.0.1:0", echo), link), 1_000);
}
