//! Load generator: schedule, clients, histogram.
//!
//! Read in this order: [`Workload`] (which requests, drawn from a seed), [`Plan`] (open or closed loop, how long),
//! [`run`] (drives them from the calling thread), [`Outcome`] (per endpoint: times, failures; and whether the run
//! was valid).
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
//! One thread, Linux's epoll, HTTP/1.1 over TCP. It leaves to others: starting and watching the servers
//! (`splitcost-lab`), reading the configuration file (`splitcost`).

mod compose;
mod connection;
mod engine;
mod error;
mod histogram;
mod outcome;
mod plan;
mod resource;
mod schedule;
mod target;
mod template;
mod workload;

pub use connection::http1::{MAX_HEAD_BYTES, Malformed, Response, ResponseParser, SAMPLE_BYTES};
pub use engine::run;
pub use error::Error;
pub use histogram::Histogram;
pub use outcome::{EndpointOutcome, Failure, Failures, FirstFailure, Outcome, Phases};
pub use plan::{Arrivals, Mode, Phase, Plan, Progress, Stop};
pub use resource::monotonic_now;
pub use schedule::Schedule;
pub use target::{Address, Roots, Target, Targets, Tls, Version};
pub use template::{Piece, pieces};
pub use workload::{Body, Draw, Method, Param, Request, RequestSpec, Workload, WorkloadTable, literal};
