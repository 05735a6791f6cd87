//! TLS, unix sockets and IPv6.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use splitcost_load::{Address, Failure, Plan, Roots, Stop, Target, Targets, Tls, Version, run};
use splitcost_model::quantity::Nanos;

use crate::engine::workload;
use crate::http2::{drive, http2};
use crate::server::{listen, ok};

const COUNT: u64 = 12;
const GET: &str = "[[requests]]\npath = '/'";

/// Starts an HTTP/1.1 server with a self-signed certificate. Returns its address, and the certificate as PEM.
fn serve(alpn: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (SocketAddr, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["shop.test".to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let config = Arc::new(config);
    let address = listen(move |stream: TcpStream, _| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(count) = stream.read(&mut piece)
            && count > 0
        {
            bytes.extend_from_slice(&piece[..count]);
            if bytes.ends_with(b"\r\n\r\n") {
                bytes.clear();
                if stream.write_all(&ok(&"secret".repeat(20_000))).is_err() {
                    break;
                }
            }
        }
    });
    (address, certificate.pem().into_bytes())
}

fn secured(address: SocketAddr, server_name: &str, roots: Roots, version: Version) -> Target {
    let tls = Some(Tls { server_name: server_name.to_owned(), roots });
    Target { tls, version, ..address.into() }
}

fn refused(target: &Target, expected: Failure, reason: &str) {
    for plan in [Plan::closed(2, Stop::Requests(COUNT)), Plan::open(500.0, Stop::Requests(COUNT))] {
        let outcome = drive(&workload(GET), &plan, target.clone());
        let endpoint = &outcome.endpoints[0];
        assert_eq!(
            (endpoint.ok, endpoint.failed.of(expected)),
            (0, COUNT),
            "{:?} {:?}",
            endpoint.failed,
            endpoint.first_failure
        );
        let detail = endpoint.first_failure.as_ref().map_or("", |first| &first.detail);
        assert!(detail.contains(reason), "{detail}");
    }
}

#[test]
fn a_certificate_of_a_bundle_is_trusted() {
    let (address, pem) = serve(&["h2", "http/1.1"], |_| {});
    for roots in [Roots::Pem(pem), Roots::Unverified] {
        let target = secured(address, "shop.test", roots, Version::Http1);
        let outcome = drive(&workload(GET), &Plan::closed(3, Stop::Requests(COUNT)), target);
        assert_eq!((outcome.ok(), outcome.failed(), outcome.connections), (COUNT, 0, 3));
        let phases = &outcome.endpoints[0].phases;
        assert_eq!((phases.connect.len(), phases.tls.len(), phases.first_byte.len()), (3, 3, COUNT));
        assert!(phases.tls.max() >= phases.connect.max());
        assert!(outcome.bytes_in > COUNT * 120_000);
    }
}

#[test]
fn certificates_that_cannot_be_trusted() {
    let (address, pem) = serve(&[], |_| {});
    refused(&secured(address, "shop.test", Roots::Public, Version::Http1), Failure::Tls, "UnknownIssuer");
    refused(&secured(address, "bank.test", Roots::Pem(pem), Version::Http1), Failure::Tls, "not valid for name");
    let (address, pem) = serve(&[], |params| params.not_after = date_time_ymd(2020, 1, 1));
    refused(&secured(address, "shop.test", Roots::Pem(pem), Version::Http1), Failure::Tls, "expired");
}

#[test]
fn the_wrong_protocol() {
    let (address, _) = serve(&["http/1.1"], |_| {});
    // HTTP/2 to a server without it; plain text to a TLS server; TLS to a plain-text server.
    refused(&secured(address, "shop.test", Roots::Unverified, Version::Http2), Failure::WrongProtocol, "");
    refused(&address.into(), Failure::WrongProtocol, "");
    let answers = listen(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    });
    refused(&secured(answers, "shop.test", Roots::Unverified, Version::Http1), Failure::WrongProtocol, "");
}

#[test]
fn a_handshake_that_never_ends() {
    let silent = listen(|mut stream, _| while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {});
    for target in [secured(silent, "shop.test", Roots::Unverified, Version::Negotiated), http2(silent)] {
        let plan = Plan { deadline: Nanos::from_millis(200), ..Plan::closed(2, Stop::Requests(COUNT)) };
        let outcome = drive(&workload(GET), &plan, target);
        assert_eq!(outcome.endpoints[0].failed.of(Failure::Timeout), COUNT);
    }
}

#[test]
fn a_handshake_that_is_cut_short() {
    let target = listen(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
    });
    let outcome = drive(
        &workload(GET),
        &Plan::closed(2, Stop::Requests(COUNT)),
        secured(target, "shop.test", Roots::Unverified, Version::Negotiated),
    );
    let failed = &outcome.endpoints[0].failed;
    assert_eq!(failed.of(Failure::ClosedEarly) + failed.of(Failure::Reset), COUNT, "{failed:?}");
}

#[test]
fn invalid_roots_and_names() {
    let fails = |tls: Tls| {
        let target = Target { tls: Some(tls), ..SocketAddr::from(([127, 0, 0, 1], 1)).into() };
        let plan = Plan::closed(1, Stop::Requests(1));
        let error = run(&workload(GET), &plan, &Targets::all(target), &AtomicBool::new(false), &mut |_| {});
        error.unwrap_err().to_string()
    };
    let name = "shop.test".to_owned();
    assert_eq!(
        fails(Tls { server_name: name.clone(), roots: Roots::Pem(b"nothing".to_vec()) }),
        "reach 127.0.0.1:1: the certificate bundle contains no certificate"
    );
    assert_eq!(
        fails(Tls { server_name: "a b".to_owned(), roots: Roots::Public }),
        "reach 127.0.0.1:1: \"a b\" is not a valid server name"
    );
}

#[test]
fn a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.sock");
    let target = Target {
        address: Address::Unix(path.clone()),
        authority: "localhost".to_owned(),
        tls: None,
        version: Version::Http1,
    };
    // No process listens yet.
    refused(&target, Failure::Refused, "");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                    let _ = stream.write_all(&ok("hi"));
                }
            });
        }
    });
    let outcome = drive(&workload(GET), &Plan::closed(3, Stop::Requests(COUNT)), target);
    assert_eq!((outcome.ok(), outcome.failed()), (COUNT, 0), "{:?}", outcome.endpoints[0].failed);
}

#[test]
fn ipv6() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(&ok("hi"));
            }
        }
    });
    let outcome = drive(&workload(GET), &Plan::closed(1, Stop::Requests(COUNT)), address.into());
    assert_eq!(outcome.ok(), COUNT);
}
