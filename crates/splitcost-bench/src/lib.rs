//! Benchmarks that need no split: endpoints under load, every client against every server, codecs, and single calls.
//!
//! Read in this order: [`endpoint`] (the server under load and the requests for it), [`measure`] (one endpoint under
//! load), [`compare`] (two endpoints and a control, in shuffled rounds), [`saturation`] (the highest arrival rate that an
//! endpoint sustains); [`stacks`] (every client against every server), [`codecs`] (every codec on the same documents),
//! [`call`] (one function in process and over stacks); and the formats of others: [`grpc`] (messages from JSON), [`har`]
//! (requests from a browser's archive), [`openapi`] (requests from the description of an API) and [`locust`] (an export to,
//! and an import from, that tool).
//!
//! ```no_run
//! use splitcost_bench::endpoint::{Requests, Endpoint, Reach};
//! use splitcost_bench::measure::measure;
//! use splitcost_lab::Cancel;
//! use splitcost_load::{Method, Plan, RequestSpec, Stop};
//!
//! # fn main() -> splitcost_bench::Result<()> {
//! let ask = Requests::Path(RequestSpec::new(Method::Get, "/"));
//! let endpoint = Endpoint::new("http://127.0.0.1:8000/items", &ask, &Reach::default())?;
//! let plan = Plan::closed(16, Stop::Requests(1_000));
//! let measured = measure(&endpoint, &plan, &mut |_| {}, &Cancel::default())?;
//! println!("{} ms", measured.measurement.response.p50_ms);
//! # Ok(())
//! # }
//! ```
//!
//! `splitcost-lab` starts and ends the Python processes, `splitcost-load` makes the load, `splitcost-model` defines the
//! results, and `splitcost-report` renders them. This crate prints nothing and reads no settings.

pub mod call;
pub mod codecs;
pub mod compare;
pub mod endpoint;
mod error;
pub mod grpc;
pub mod har;
pub mod locust;
pub mod measure;
pub mod openapi;
pub mod saturation;
pub mod stacks;

pub use error::{Error, Result};
