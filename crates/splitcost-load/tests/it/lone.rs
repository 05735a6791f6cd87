//! Lone requests over connections that are kept.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use splitcost_load::{LoneClient, Targets};

use crate::engine::workload;
use crate::server::{self, answer, listen, receive};

const REQUESTS: &str = r#"
[[requests]]
path = "/"
[[requests]]
path = "/missing"
expect = [404]
"#;

/// Starts a server whose answers have this line end after their status, and that counts its connections.
fn counting(head: &'static str, closes: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let address = listen(move |mut stream, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        while let Some(request) = receive(&mut stream) {
            let status = if request.path == "/" { 200 } else { 404 };
            let bytes = String::from_utf8(answer(status, "hi")).unwrap().replacen("\r\n", head, 1);
            if stream.write_all(bytes.as_bytes()).is_err() || closes {
                return;
            }
        }
    });
    (address, connections)
}

/// Checks the connections that six requests take.
#[track_caller]
fn check(head: &'static str, closes: bool, expected: usize) {
    let (address, connections) = counting(head, closes);
    let (workload, targets) = (workload(REQUESTS).in_turn(), Targets::all(address));
    let mut client = LoneClient::new(&workload, &targets);
    for index in 0..6 {
        let found = client.send(0, index).unwrap();
        assert_eq!((found.status, found.is_expected), ([200, 404][index as usize % 2], true));
        assert!(!found.response.is_zero());
        if closes {
            // The server closes at some time after its answer.
            while client.is_connected() {}
        }
    }
    assert_eq!(connections.load(Ordering::Relaxed), expected);
}

#[test]
fn a_connection_is_kept() {
    check("\r\n", false, 1);
}

#[test]
fn a_server_that_does_not_keep_it_gets_another() {
    check("\r\nconnection: close\r\n", false, 6);
    check("\r\n", true, 6);
}

#[test]
fn what_is_no_expected_answer_is_told_apart() {
    let address = server::http(|_| answer(500, ""));
    let (workload, targets) = (workload(REQUESTS), Targets::all(address));
    let found = LoneClient::new(&workload, &targets).send(0, 0).unwrap();
    assert_eq!((found.status, found.is_expected), (500, false));

    let (address, _kept) = server::refusing();
    let targets = Targets::all(address);
    let refused = LoneClient::new(&workload, &targets).send(0, 0).unwrap_err();
    assert!(refused.starts_with("it was not answered: "), "{refused}");

    let nonsense = Targets::all(server::http(|_| b"nonsense\r\n\r\n".to_vec()));
    let refused = LoneClient::new(&workload, &nonsense).send(0, 0).unwrap_err();
    assert_eq!(refused, "the answer is not HTTP/1.1, or is too large");
}
