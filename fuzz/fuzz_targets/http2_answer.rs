//! A run ends, and counts each request once, whatever bytes a server sends after its SETTINGS frame.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock};

use libfuzzer_sys::fuzz_target;
use splitcost_load::{Method, Plan, RequestSpec, Stop, Target, Targets, Version, Workload, run};
use splitcost_model::quantity::Nanos;

static BYTES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SERVER: OnceLock<SocketAddr> = OnceLock::new();

/// Starts a server that sends the current bytes to each client.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let bytes = BYTES.lock().expect("nobody panics").clone();
            let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        }
    });
    address
}

fuzz_target!(|bytes: &[u8]| {
    let address = *SERVER.get_or_init(serve);
    bytes.clone_into(&mut BYTES.lock().expect("nobody panics"));
    let workload = Workload::new(1, vec![RequestSpec::new(Method::Get, "/")]).expect("it is a request");
    let target = Target { version: Version::Http2, ..address.into() };
    let plan = Plan { deadline: Nanos::from_millis(1_000), ..Plan::closed(2, Stop::Requests(2)) };
    let outcome = run(&workload, &plan, &Targets::all(target), &AtomicBool::new(false), &mut |_| {});
    let outcome = outcome.expect("the system gives sockets");
    assert_eq!(outcome.ok() + outcome.failed(), 2);
});
