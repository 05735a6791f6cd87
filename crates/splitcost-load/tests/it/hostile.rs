//! Servers that misbehave: their failures are counted by reason, and no run hangs or panics.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use splitcost_load::{Failure, Outcome, Plan, Stop};
use splitcost_model::quantity::Nanos;

use crate::engine::{drive, workload};
use crate::server::{self, listen, ok, receive};

const COUNT: u64 = 12;

/// Long enough that a slow machine causes no timeout.
const PATIENT: Nanos = Nanos::from_millis(60_000);

fn assault(target: SocketAddr, deadline: Nanos) -> [Outcome; 2] {
    let one = workload("[[requests]]\nmethod = 'POST'\npath = '/'\nbody = 'x'");
    let closed = Plan { deadline, ..Plan::closed(3, Stop::Requests(COUNT)) };
    let open = Plan { deadline, ..Plan::open(500.0, Stop::Requests(COUNT)) };
    [drive(&one, &closed, target), drive(&one, &open, target)]
}

fn check(target: SocketAddr, expected: Failure) {
    let deadline = if expected == Failure::Timeout { Nanos::from_millis(200) } else { PATIENT };
    for outcome in assault(target, deadline) {
        let failures = &outcome.endpoints[0].failed;
        assert_eq!((outcome.ok(), failures.of(expected)), (0, COUNT), "{failures:?}");
        assert!(outcome.endpoints[0].response.is_empty());
    }
}

/// Starts a server that reads a request and then passes the connection to `act`.
fn after_request(act: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    listen(move |mut stream, _| {
        if receive(&mut stream).is_some() {
            act(&mut stream);
        }
    })
}

/// Keeps a connection open until the client closes it.
fn hold(stream: &mut TcpStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
}

#[test]
fn nobody_listens() {
    let (target, _held) = server::refusing();
    check(target, Failure::Refused);
}

#[test]
fn closes_without_an_answer() {
    check(after_request(|_| {}), Failure::ClosedEarly);
}

#[test]
fn closes_in_the_head() {
    check(after_request(|s| s.write_all(b"HTTP/1.1 200 OK\r\ncontent-").unwrap()), Failure::ClosedEarly);
}

#[test]
fn closes_in_the_body() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    check(after_request(move |s| s.write_all(half).unwrap()), Failure::ClosedEarly);
}

#[test]
fn resets() {
    // The server leaves one byte of the request unread. On close, the kernel then sends a reset.
    let target = listen(|mut stream, _| {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n\"x") {
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(1) => bytes.push(byte[0]),
                _ => return,
            }
        }
    });
    check(target, Failure::Reset);
}

#[test]
fn never_answers() {
    check(after_request(hold), Failure::Timeout);
}

#[test]
fn answers_half_and_stalls() {
    let target = after_request(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
        hold(stream);
    });
    check(target, Failure::Timeout);
}

#[test]
fn speaks_something_else() {
    check(after_request(|s| s.write_all(b"220 mail.example.org ESMTP\r\n").unwrap()), Failure::Malformed);
    check(after_request(|s| s.write_all(&[0x15, 3, 1, 0, 2, 2, 10]).unwrap()), Failure::WrongProtocol);
    check(after_request(|s| s.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap()), Failure::WrongProtocol);
}

#[test]
fn sends_headers_without_end() {
    let target = after_request(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"x-more: and more\r\n").is_ok() {}
    });
    check(target, Failure::Malformed);
}

#[test]
fn sends_a_body_without_end() {
    let target = after_request(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    check(target, Failure::Timeout);
}

#[test]
fn sends_interim_answers_without_end() {
    let target = after_request(|stream| while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {});
    check(target, Failure::Timeout);
}

#[test]
fn closes_after_each_answer_without_saying_so() {
    let target = after_request(|stream| {
        stream.write_all(&ok("fine")).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        hold(stream);
    });
    // The client may see the end of a connection too late to open a new one. The first request of each connection is
    // answered in any case.
    for outcome in assault(target, PATIENT) {
        let failures = &outcome.endpoints[0].failed;
        assert_eq!(outcome.ok() + failures.of(Failure::ClosedEarly) + failures.of(Failure::Reset), COUNT);
        assert!(outcome.ok() * 2 >= COUNT, "{failures:?}");
    }
}

#[test]
fn closes_after_each_answer_and_says_so() {
    let target = after_request(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    for outcome in assault(target, PATIENT) {
        assert_eq!((outcome.ok(), outcome.connections), (COUNT, COUNT));
    }
}

#[test]
fn ends_the_body_by_closing() {
    let target = after_request(|stream| stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end").unwrap());
    for outcome in assault(target, PATIENT) {
        assert_eq!(outcome.ok(), COUNT);
    }
}

#[test]
fn says_more_than_it_was_asked() {
    let target = server::http(|_| [ok("one"), ok("two")].concat());
    for outcome in assault(target, PATIENT) {
        assert_eq!(outcome.ok() + outcome.failed(), COUNT);
        assert!(outcome.ok() * 2 >= COUNT, "{:?}", outcome.endpoints[0].failed);
    }
}

#[test]
fn arrivals_without_a_connection_time_out_too() {
    let one = workload("[[requests]]\npath = '/'");
    let plan =
        Plan { deadline: Nanos::from_millis(100), max_connections: 1, ..Plan::open(1_000.0, Stop::Requests(COUNT)) };
    let outcome = drive(&one, &plan, after_request(hold));
    assert_eq!(outcome.endpoints[0].failed.of(Failure::Timeout), COUNT);
    assert!(outcome.waited_for_connection > 0);
}
