//! HTTP/2 against servers: one that uses the `h2` crate, and some that send misbehaving frames.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use splitcost_load::{
    Body, Failure, Method, Outcome, Plan, RequestSpec, Stop, Target, Targets, Version, Workload, run,
};
use splitcost_model::quantity::Nanos;

use crate::engine::workload;
use crate::server::{self, listen};

const COUNT: u64 = 40;

pub(crate) fn http2(address: SocketAddr) -> Target {
    Target { version: Version::Http2, ..address.into() }
}

pub(crate) fn drive(workload: &Workload, plan: &Plan, target: Target) -> Outcome {
    run(workload, plan, &Targets::all(target), &AtomicBool::new(false), &mut |_| {}).unwrap()
}

/// Starts a server; `answer` receives the head and body of a request, and returns status, body and trailers.
pub(crate) fn serve(
    answer: impl Fn(&http::request::Parts, Vec<u8>) -> (u16, Vec<u8>, HeaderMap) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let local = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        let answer = Arc::clone(&answer);
                        tokio::spawn(async move { reply(request, respond, &*answer).await });
                    }
                });
            }
        };
        runtime.block_on(local);
    });
    address
}

async fn reply(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    answer: &(impl Fn(&http::request::Parts, Vec<u8>) -> (u16, Vec<u8>, HeaderMap) + Send + Sync),
) -> Option<()> {
    let (parts, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = incoming.data().await {
        let data = data.ok()?;
        body.extend_from_slice(&data);
        incoming.flow_control().release_capacity(data.len()).ok()?;
    }
    let (status, body, trailers) = answer(&parts, body);
    let head = http::Response::builder().status(status).body(()).ok()?;
    let mut stream = respond.send_response(head, false).ok()?;
    stream.send_data(body.into(), trailers.is_empty()).ok()?;
    if !trailers.is_empty() {
        stream.send_trailers(trailers).ok()?;
    }
    Some(())
}

#[test]
fn requests_share_a_connection() {
    let target = serve(|parts, body| {
        assert_eq!(parts.headers["x-splitcost-request"], "POST /echo");
        assert_eq!(body.len(), 300_000 + 2);
        (200, vec![b'x'; 500_000], HeaderMap::new())
    });
    let shop = workload(&format!("[[requests]]\nmethod = 'POST'\npath = '/echo'\nbody = '{}'", "y".repeat(300_000)));
    let plan = Plan { streams_per_connection: 4, ..Plan::closed(8, Stop::Requests(COUNT)) };
    let outcome = drive(&shop, &plan, http2(target));
    assert_eq!(
        (outcome.ok(), outcome.failed(), outcome.connections),
        (COUNT, 0, 2),
        "{:?}",
        outcome.endpoints[0].failed
    );
    let phases = &outcome.endpoints[0].phases;
    assert_eq!((phases.connect.len(), phases.tls.len()), (2, 0));
    assert_eq!((phases.sent.len(), phases.first_byte.len()), (COUNT, COUNT));
    assert!(outcome.bytes_in > COUNT * 500_000 && outcome.bytes_out > COUNT * 300_000);

    let single = Plan { keep_alive: false, ..plan };
    assert_eq!(drive(&shop, &single, http2(target)).connections, COUNT);
}

#[test]
fn an_open_loop_shares_connections_too() {
    let target = serve(|_, _| (200, b"ok".to_vec(), HeaderMap::new()));
    let outcome = drive(
        &workload("[[requests]]\npath = '/{n}'\nparams = { n = { int = [1, 9] } }"),
        &Plan::open(2_000.0, Stop::Requests(200)),
        http2(target),
    );
    assert_eq!(outcome.ok(), 200);
    // A connection carries 100 requests, so that even a server that answers none of the 200 at first needs only two.
    assert!(outcome.connections <= 2, "{} connections", outcome.connections);
}

fn grpc(code: &'static str) -> (Workload, SocketAddr) {
    let target = serve(move |parts, body| {
        assert_eq!(parts.headers["content-type"], "application/grpc");
        assert_eq!(parts.headers["te"], "trailers");
        assert_eq!(body, b"\0\0\0\0\x05hello");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", code.parse().unwrap());
        trailers.insert("grpc-message", "out%20of%20stock".parse().unwrap());
        (200, b"\0\0\0\0\x00".to_vec(), trailers)
    });
    let request =
        RequestSpec { body: Some(Body::Grpc(b"hello".to_vec())), ..RequestSpec::new(Method::Post, "/shop.Users/Add") };
    (Workload::new(1, vec![request]).unwrap(), target)
}

#[test]
fn a_unary_call_succeeds_by_its_trailers() {
    let (call, target) = grpc("0");
    assert_eq!(drive(&call, &Plan::closed(4, Stop::Requests(COUNT)), target.into()).ok(), COUNT);
    let (call, target) = grpc("5");
    let outcome = drive(&call, &Plan::closed(4, Stop::Requests(COUNT)), target.into());
    let endpoint = &outcome.endpoints[0];
    assert_eq!((endpoint.ok, endpoint.failed.of(Failure::Grpc(5))), (0, COUNT));
    let first = endpoint.first_failure.as_ref().unwrap();
    assert_eq!((first.failure, first.detail.as_str()), (Failure::Grpc(5), "out%20of%20stock"));
    let (call, target) = grpc("4000000000");
    assert_eq!(
        drive(&call, &Plan::closed(4, Stop::Requests(COUNT)), target.into()).endpoints[0].failed.of(Failure::Grpc(2)),
        COUNT
    );
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Starts a server that sends its settings, and then calls `act` for each HEADERS frame until `act` returns false.
fn by_frames(act: impl Fn(&mut TcpStream, u32) -> bool + Send + Sync + 'static) -> SocketAddr {
    listen(move |mut stream, _| {
        let mut preface = [0; PREFACE.len()];
        if stream.read_exact(&mut preface).is_err() || stream.write_all(&frame(4, 0, 0, &[])).is_err() {
            return;
        }
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).is_err() {
                return;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if stream.read_exact(&mut payload).is_err() {
                return;
            }
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let goes_on = match (head[3], head[4]) {
                (4, 0) => stream.write_all(&frame(4, 1, 0, &[])).is_ok(),
                (1, _) => act(&mut stream, id),
                _ => true,
            };
            if !goes_on {
                return;
            }
        }
    })
}

/// The status 200 in the static table of HPACK.
const OK: u8 = 0x88;

fn check(target: SocketAddr, expected: Failure) {
    let timeout = expected == Failure::Timeout;
    let deadline = if timeout { Nanos::from_millis(200) } else { Nanos::from_millis(60_000) };
    let post = workload("[[requests]]\nmethod = 'POST'\npath = '/'");
    for plan in [Plan::closed(3, Stop::Requests(COUNT)), Plan::open(1_000.0, Stop::Requests(COUNT))] {
        let outcome = drive(&post, &Plan { deadline, ..plan }, http2(target));
        let failures = &outcome.endpoints[0].failed;
        assert_eq!((outcome.ok(), failures.of(expected)), (0, COUNT), "{failures:?}");
    }
}

#[test]
fn streams_are_reset() {
    check(by_frames(|s, id| s.write_all(&frame(3, 0, id, &8_u32.to_be_bytes())).is_ok()), Failure::StreamReset);
}

#[test]
fn a_storm_of_shutdowns() {
    let shut = frame(7, 0, 0, &[0; 8]);
    check(by_frames(move |s, _| s.write_all(&shut).is_ok()), Failure::GoAway);
}

#[test]
fn a_request_that_a_shutdown_left_out_is_made_again() {
    // The server answers one request on each connection, and reports that it processed no other.
    let target = by_frames(|s, id| {
        if id > 1 {
            return true;
        }
        let shut = [1_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat();
        s.write_all(&[frame(7, 0, 0, &shut), frame(1, 5, id, &[OK])].concat()).is_ok()
    });
    let post = workload("[[requests]]\nmethod = 'POST'\npath = '/'");
    let outcome = drive(&post, &Plan::closed(1, Stop::Requests(COUNT)), http2(target));
    assert_eq!((outcome.ok(), outcome.failed()), (COUNT, 0), "{:?}", outcome.endpoints[0].failed);
}

#[test]
fn never_answers() {
    check(by_frames(|_, _| true), Failure::Timeout);
}

#[test]
fn closes_half_way() {
    // The server reads until the client closes, so that the kernel sends no reset.
    let target = by_frames(|s, id| {
        s.write_all(&frame(1, 4, id, &[OK])).unwrap();
        s.shutdown(Shutdown::Write).unwrap();
        while s.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        false
    });
    check(target, Failure::ClosedEarly);
}

#[test]
fn a_body_without_end() {
    let target = by_frames(|s, id| {
        let _ = s.write_all(&frame(1, 4, id, &[OK]));
        while s.write_all(&frame(0, 0, id, &[b'x'; 16_384])).is_ok() {}
        false
    });
    // The server breaks the protocol once it exceeds the window.
    let get = workload("[[requests]]\npath = '/'");
    let plan = Plan { deadline: Nanos::from_millis(300), ..Plan::closed(2, Stop::Requests(4)) };
    let outcome = drive(&get, &plan, http2(target));
    assert_eq!((outcome.ok(), outcome.failed()), (0, 4));
}

#[test]
fn a_head_without_end() {
    let target = by_frames(|s, id| {
        let _ = s.write_all(&frame(1, 0, id, &[OK]));
        // One literal header without indexing, repeated.
        let header = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat();
        while s.write_all(&frame(9, 0, id, &header.repeat(20))).is_ok() {}
        false
    });
    let get = workload("[[requests]]\npath = '/'");
    let plan = Plan { deadline: Nanos::from_millis(300), ..Plan::closed(2, Stop::Requests(4)) };
    let outcome = drive(&get, &plan, http2(target));
    assert_eq!((outcome.ok(), outcome.failed()), (0, 4));
}

#[test]
fn a_flood_of_pings_ends_at_the_deadline() {
    let target = by_frames(|s, _| {
        while s.write_all(&frame(6, 0, 0, &[1; 8]).repeat(100)).is_ok() {}
        false
    });
    let get = workload("[[requests]]\npath = '/'");
    let plan = Plan { deadline: Nanos::from_millis(200), ..Plan::closed(2, Stop::Requests(4)) };
    let outcome = drive(&get, &plan, http2(target));
    assert_eq!((outcome.ok(), outcome.failed()), (0, 4));
}

#[test]
fn invalid_frames() {
    check(by_frames(|s, id| s.write_all(&frame(1, 5, id, &[0xff; 40])).is_ok()), Failure::Malformed);
    check(by_frames(|s, _| s.write_all(&[0xff; 64]).is_ok()), Failure::Malformed);
    check(by_frames(|s, _| s.write_all(&frame(0, 0, 0, b"data of no stream")).is_ok()), Failure::Malformed);
}

#[test]
fn a_server_of_another_version() {
    // nginx answers the HTTP/2 preface in this way.
    let target = listen(|mut stream, _| {
        let mut byte = [0; 24];
        let _ = stream.read_exact(&mut byte);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    });
    check(target, Failure::WrongProtocol);
}

#[test]
fn a_server_that_allows_no_streams() {
    let target = listen(|mut stream, _| {
        let _ = stream.write_all(&frame(4, 0, 0, &[0, 3, 0, 0, 0, 0]));
        while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    });
    check(target, Failure::Timeout);
}

#[test]
fn grpc_is_not_sent_over_http1() {
    let (call, target) = grpc("0");
    let target = Target { version: Version::Http1, ..target.into() };
    let error = run(
        &call,
        &Plan::closed(1, Stop::Requests(1)),
        &Targets::all(target.clone()),
        &AtomicBool::new(false),
        &mut |_| {},
    );
    assert_eq!(error.unwrap_err().to_string(), format!("reach {}: gRPC needs HTTP/2", target.authority));
}

#[test]
fn one_connection_for_each_request_on_http1() {
    let closing = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&closing);
    let target = server::http(move |request| {
        seen.fetch_add(usize::from(request.header("connection") == Some("close")), Ordering::SeqCst);
        server::ok("")
    });
    let plan = Plan { keep_alive: false, ..Plan::closed(2, Stop::Requests(COUNT)) };
    let outcome = drive(&workload("[[requests]]\npath = '/'"), &plan, target.into());
    assert_eq!((outcome.ok(), outcome.connections), (COUNT, COUNT));
    assert_eq!(closing.load(Ordering::SeqCst) as u64, COUNT);
    assert_eq!(outcome.endpoints[0].phases.connect.len(), COUNT);
}

/// Generates well-formed frames of every type with random contents.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    let one = (0..11_u8, any::<u8>(), prop::sample::select(vec![0_u32, 1, 2, 3, 5]), payload);
    prop::collection::vec(one, 0..8).prop_map(|all| {
        all.iter().flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_answer_is_counted(
        mut bytes in frames(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        for (position, byte) in damage {
            if !bytes.is_empty() {
                let position = position.index(bytes.len());
                bytes[position] = byte;
            }
        }
        let target = listen(move |mut stream, _| {
            let _ = stream.write_all(&[frame(4, 0, 0, &[]), bytes.clone()].concat());
            let _ = stream.shutdown(Shutdown::Write);
            while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        });
        let plan = Plan { deadline: Nanos::from_millis(5_000), ..Plan::closed(2, Stop::Requests(2)) };
        let outcome = drive(&workload("[[requests]]\npath = '/'"), &plan, http2(target));
        prop_assert_eq!(outcome.ok() + outcome.failed(), 2);
    }
}
