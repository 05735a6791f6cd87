//! A load generator for HTTP servers.
//!
//! It sends requests over HTTP/1.1 and HTTP/2, with or without TLS, through TCP or unix sockets, and makes unary gRPC
//! calls. It works in open loop, where requests arrive on a schedule that is fixed beforehand, and in closed loop. In both,
//! the response time of a request counts from its intended start, which avoids coordinated omission.
//!
//! Read in this order:
//!
//! 1. [`Workload`]: the requests, drawn from a seed.
//! 2. [`Plan`]: open or closed loop, and the duration of the run.
//! 3. [`Targets`]: the servers, the protocols that reach them, and the sessions of users there.
//! 4. [`run`]: sends the requests from the calling thread.
//! 5. [`Outcome`]: times and failures of each request, and the reason why a run is invalid, if it is.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::sync::atomic::AtomicBool;
//! use splitcost_load::{Plan, Stop, Targets, Workload, run};
//!
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! std::thread::spawn(move || {
//!     let (mut client, _) = listener.accept().unwrap();
//!     while client.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
//!         client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").unwrap();
//!     }
//! });
//!
//! let workload: Workload = toml::from_str(
//!     r#"
//!     seed = 1
//!     [[requests]]
//!     path = "/products/{id}"
//!     params = { id = { int = [1, 500] } }
//!     "#,
//! )?;
//! let plan = Plan::closed(1, Stop::Requests(100));
//! let outcome = run(&workload, &plan, &Targets::all(address), &AtomicBool::new(false), &mut |_| {})?;
//! let endpoint = &outcome.endpoints[0];
//! assert_eq!((endpoint.name.as_str(), endpoint.ok), ("GET /products/{id}", 100));
//! println!("p50 {:?}, {} requests/s", endpoint.response.quantile(0.5), outcome.throughput_reqs_per_sec());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The generator is one thread that waits with Linux's epoll (5.11 or later), without an async runtime. Failed requests are
//! counted by [`Failure`], and their times are not part of any histogram.
//!
//! Other crates start and observe the servers (`splitcost-lab`), and read the configuration file (`splitcost`).

mod compose;
mod connection;
mod engine;
mod error;
mod form;
mod histogram;
mod lone;
mod outcome;
mod plan;
mod resource;
mod schedule;
mod session;
mod target;
mod template;
mod workload;

pub use connection::http1::{Answer, MAX_HEAD_BYTES, Malformed, Response, ResponseParser, SAMPLE_BYTES};
pub use engine::run;
pub use error::Error;
pub use histogram::Histogram;
pub use lone::{LoneAnswer, LoneClient, send};
pub use outcome::{EndpointOutcome, Failure, Failures, FirstFailure, Outcome, Phases};
pub use plan::{Arrivals, Mode, Phase, Plan, Progress, Stop};
pub use resource::monotonic_now;
pub use schedule::Schedule;
pub use session::{Capture, Session, open_sessions};
pub use target::{Address, Roots, Target, Targets, Tls, Version};
pub use template::{Piece, pieces};
pub use workload::{
    Body, Draw, Method, NAME_HEADER, Param, Request, RequestSpec, Workload, WorkloadTable, literal, literal_json,
};
