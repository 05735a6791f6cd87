//! Servers for the tests: threads with sockets of the standard library.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::net::{AddressFamily, SocketType};

/// Starts a server that passes each connection and its number to `serve`. Its threads end with the test process.
pub(crate) fn listen(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream, number));
        }
    });
    address
}

/// Returns an address that refuses connections for as long as the socket lives: the socket is bound, but does not listen.
pub(crate) fn refusing() -> (SocketAddr, OwnedFd) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    (address, socket)
}

/// A request that a server received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a complete request from a connection; `None` when the client has closed it.
pub(crate) fn receive(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut request_line = lines.next().unwrap().split(' ');
    let mut request = Received {
        method: request_line.next().unwrap().into(),
        path: request_line.next().unwrap().into(),
        ..Received::default()
    };
    assert_eq!(request_line.next(), Some("HTTP/1.1"));
    request.headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(k, v)| (k.into(), v.into())).collect();
    let length: usize = request.header("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = bytes.split_off(head_end);
    let missing = length - body.len();
    stream.take(missing as u64).read_to_end(&mut body).unwrap();
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

/// Starts a keep-alive HTTP server that sends the bytes that `answer` returns.
pub(crate) fn http(answer: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    listen(move |mut stream, _| {
        while let Some(request) = receive(&mut stream) {
            if stream.write_all(&answer(&request)).is_err() {
                break;
            }
        }
    })
}

/// Starts a server that keeps the requests it received.
pub(crate) fn recording() -> (SocketAddr, Arc<Mutex<Vec<Received>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let address = http(move |request| {
        kept.lock().unwrap().push(request.clone());
        ok("")
    });
    (address, log)
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer(200, body)
}

pub(crate) fn answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
