//! The API over HTTP. A client that was written for Toxiproxy tests it in `tests/python/link`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use splitcost_link::stream::Emulator;
use splitcost_link::toxiproxy::{Api, Board};

use crate::peer::{Peer, echo, serve_tcp};

struct Client(Api);

impl Client {
    fn new() -> Self {
        let board = Board::new(Emulator::start().unwrap(), 1);
        Self(Api::start("127.0.0.1:0".parse().unwrap(), board).unwrap())
    }

    /// Sends a request, and returns the status of the answer and its JSON.
    fn ask(&self, request: &str, body: &Value) -> (u16, Value) {
        self.send(request, &body.to_string(), "")
    }

    fn send(&self, request: &str, body: &str, headers: &str) -> (u16, Value) {
        let mut socket = TcpStream::connect(self.0.address()).unwrap();
        socket.set_deadline();
        write!(
            socket,
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Creates a proxy for an echo server, and returns a connection through it.
    fn proxy(&self) -> TcpStream {
        let upstream = serve_tcp("127.0.0.1:0", echo).to_string();
        let (status, proxy) = self.ask("POST /proxies", &json!({ "name": "db", "upstream": upstream }));
        assert_eq!((status, &proxy["enabled"], &proxy["toxics"]), (201, &json!(true), &json!([])));
        self.connect()
    }

    fn connect(&self) -> TcpStream {
        let listen = self.ask("GET /proxies/db", &Value::Null).1["listen"].as_str().unwrap().parse::<SocketAddr>();
        let socket = TcpStream::connect(listen.unwrap()).unwrap();
        socket.set_deadline();
        socket
    }
}

fn ping(socket: &mut TcpStream) -> std::io::Result<()> {
    socket.write_all(b"ping")?;
    socket.read_exact(&mut [0; 4])
}

#[test]
fn proxies_come_change_and_go() {
    let client = Client::new();
    assert!(client.ask("GET /version", &Value::Null).1["version"].as_str().unwrap().starts_with("2."));
    ping(&mut client.proxy()).unwrap();
    assert_eq!(client.ask("GET /proxies", &Value::Null).1["db"]["name"], "db");

    let mut open = client.connect();
    ping(&mut open).unwrap();
    assert_eq!(client.ask("POST /proxies/db", &json!({ "enabled": false })).1["enabled"], false);
    assert!(ping(&mut open).is_err());
    assert_eq!(client.ask("PATCH /proxies/db", &json!({ "enabled": true })).0, 200);
    ping(&mut client.connect()).unwrap();

    let other = serve_tcp("127.0.0.1:0", |_, write| write.write_all(b"other")).to_string();
    assert_eq!(client.ask("POST /proxies/db", &json!({ "upstream": other })).1["upstream"], other);
    let mut answer = [0; 5];
    client.connect().read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"other");

    let again = json!([{ "name": "db", "upstream": other }, { "name": "cache", "upstream": other, "enabled": false }]);
    let (status, populated) = client.ask("POST /populate", &again);
    assert_eq!((status, &populated["proxies"][1]["enabled"]), (201, &json!(false)));
    assert_eq!(client.ask("POST /reset", &Value::Null).0, 204);
    assert_eq!(client.ask("GET /proxies/cache", &Value::Null).1["enabled"], true);
    assert_eq!(client.ask("DELETE /proxies/db", &Value::Null).0, 204);
    assert_eq!(
        client.ask("GET /proxies/db", &Value::Null),
        (404, json!({ "error": "proxy not found", "status": 404 }))
    );
}

#[test]
fn toxics_come_change_and_go() {
    let client = Client::new();
    let mut socket = client.proxy();
    let toxics = "POST /proxies/db/toxics";
    let (status, toxic) = client.ask(toxics, &json!({ "type": "latency", "attributes": { "latency": 1 } }));
    let expected = json!({
        "attributes": { "latency": 1, "jitter": 0 },
        "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
    });
    assert_eq!((status, toxic), (200, expected));
    ping(&mut socket).unwrap();
    let changed = client.ask("POST /proxies/db/toxics/latency_downstream", &json!({ "attributes": { "jitter": 1 } })).1;
    assert_eq!(changed["attributes"], json!({ "latency": 1, "jitter": 1 }));
    for (kind, attributes) in [
        ("bandwidth", json!({ "rate": 1000 })),
        ("slow_close", json!({ "delay": 1 })),
        ("slicer", json!({ "average_size": 2, "size_variation": 1, "delay": 10 })),
        ("limit_data", json!({ "bytes": 6 })),
    ] {
        let toxic = json!({ "type": kind, "stream": "upstream", "attributes": attributes });
        assert_eq!(client.ask(toxics, &toxic).0, 200, "{kind}");
    }
    assert_eq!(client.ask("GET /proxies/db/toxics", &Value::Null).1.as_array().unwrap().len(), 5);
    // The proxy passes six bytes, and no more.
    ping(&mut socket).unwrap();
    assert!(ping(&mut socket).is_err());

    assert_eq!(client.ask("DELETE /proxies/db/toxics/limit_data_upstream", &Value::Null).0, 204);
    ping(&mut client.connect()).unwrap();
    let timeout = json!({ "type": "timeout", "name": "gone", "attributes": { "timeout": 20 } });
    assert_eq!(client.ask(toxics, &timeout).0, 200);
    assert!(ping(&mut client.connect()).is_err());
    assert_eq!(client.ask("POST /reset", &Value::Null).0, 204);
    let mut socket = client.connect();
    ping(&mut socket).unwrap();
    assert_eq!(client.ask(toxics, &json!({ "type": "reset_peer" })).0, 200);
    assert!(ping(&mut socket).is_err());
}

#[test]
fn what_is_wrong_is_said_as_toxiproxy_does() {
    let client = Client::new();
    client.proxy();
    let error = |request: &str, body: Value| {
        let (status, answer) = client.ask(request, &body);
        assert_eq!(answer["status"], status);
        format!("{status} {}", answer["error"].as_str().unwrap())
    };
    let toxics = "POST /proxies/db/toxics";
    assert_eq!(error("POST /proxies", json!({ "upstream": "x" })), "400 missing required field: name");
    assert_eq!(error("POST /proxies", json!({ "name": "db", "upstream": "x" })), "409 proxy already exists");
    assert!(
        error("POST /proxies", json!({ "name": "x", "upstream": "x" })).starts_with("400 failed to use the address")
    );
    assert!(error("POST /proxies", json!(7)).starts_with("400 bad request body"));
    assert_eq!(error(toxics, json!({ "type": "flood" })), "400 invalid toxic type");
    assert_eq!(error(toxics, json!({ "type": "latency", "toxicity": 7 })), "400 toxicity is not between 0 and 1");
    assert!(error(toxics, json!({ "type": "latency", "stream": "x" })).starts_with("400 stream was invalid"));
    assert!(error(toxics, json!({ "type": "latency", "attributes": { "latency": -1 } })).contains("latency is not"));
    // This many milliseconds do not fit into nanoseconds.
    let long = json!({ "type": "latency", "attributes": { "latency": 1_u64 << 44 } });
    assert!(error(toxics, long).contains("latency is not"));
    assert_eq!(error("DELETE /proxies/db/toxics/x", Value::Null), "404 toxic not found");
    assert_eq!(error("GET /nothing", Value::Null), "404 endpoint not found");

    let (status, _) = client.send("POST /reset", "", "user-agent: Mozilla/5.0\r\n");
    assert_eq!(status, 403);
    let board = Board::new(Emulator::start().unwrap(), 1);
    assert!(Api::start("0.0.0.0:0".parse().unwrap(), board).is_err());
}
