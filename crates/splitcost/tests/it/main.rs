//! The command line as a terminal session, on a small real app.
//!
//! The tests need a Python that has the packages splitcost, uvicorn, httpx2 and orjson: `make test` makes one, and
//! `VIRTUAL_ENV` names it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bad_input;
mod bench;
mod bench_python;
mod ending;
mod environment;
mod grpc;
mod help;
mod init;
mod link;
mod project;
mod scan;
mod stacks;
mod story;
mod workload;
