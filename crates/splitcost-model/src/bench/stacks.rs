//! The results of `splitcost calibrate --all` and `splitcost bench stacks`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Change;
use crate::statistics::Interval;

/// A client, a codec, a transport and a server, each by its name in `splitcost.stacks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stack {
    /// The client, as `aiohttp`.
    pub client: String,
    /// The codec of both sides; `orjson` in documents that name none.
    #[serde(default = "usual_codec")]
    pub codec: String,
    /// `http/1.1`, `h2c` or `grpc`.
    pub transport: String,
    /// The server, as `granian`.
    pub server: String,
}

fn usual_codec() -> String {
    "orjson".to_owned()
}

impl Stack {
    /// Returns the name for people, as `aiohttp → granian`, with the transport where it is HTTP/2.
    pub fn name(&self) -> String {
        let Self { client, transport, server, .. } = self;
        if transport == "h2c" { format!("{client} → {server}, h2c") } else { format!("{client} → {server}") }
    }
}

/// The machine and the software of a measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeasuredOn {
    /// Processor, cores, kernel.
    pub machine: String,
    /// The version of the interpreter.
    pub python_version: String,
    /// The version of every package that took part.
    pub versions: BTreeMap<String, String>,
    /// The time, as RFC 3339 in UTC.
    pub measured_at: String,
}

/// Calls of one kind over one stack; intervals are of 90 %, over resampled rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackFigures {
    /// Size of a body, the same in both directions.
    pub payload_bytes: u64,
    /// Callers at a time.
    pub concurrency: u32,
    /// Calls measured, of all rounds.
    pub calls: u64,
    /// CPU of the client's process per call.
    pub client_cpu_micros: Interval,
    /// CPU of the server's process per call.
    pub server_cpu_micros: Interval,
    /// Median wall time of a call.
    pub wall_micros_p50: Interval,
    /// The 99th percentile; absent where fewer than ten calls lie beyond it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wall_micros_p99: Option<Interval>,
    /// Calls per second, of all callers together.
    pub throughput_calls_per_sec: Interval,
}

/// CPU of a lone call, as a line over the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuLine {
    /// The CPU of a call that carries nothing.
    pub fixed_micros: Interval,
    /// The additional CPU per 1,000 bytes of the body, which goes in both directions.
    pub micros_per_kb: Interval,
}

/// The costs of one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackCost {
    /// The stack.
    #[serde(flatten)]
    pub stack: Stack,
    /// Machine, Python and versions: the key of the cache.
    pub fingerprint: String,
    /// CPU of the client's process.
    pub client_cpu: CpuLine,
    /// CPU of the server's process.
    pub server_cpu: CpuLine,
    /// The figures by payload, then concurrency.
    #[serde(rename = "cells")]
    pub figures: Vec<StackFigures>,
}

/// The result of `splitcost calibrate --all`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackMatrix {
    /// Machine and software.
    #[serde(flatten)]
    pub measured_on: MeasuredOn,
    /// The rounds; each visited every stack, payload and concurrency.
    pub rounds: u64,
    /// The costs of each stack.
    pub stacks: Vec<StackCost>,
    /// Stacks that failed, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<String>,
}

/// The result of `splitcost bench stacks`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackBench {
    /// Machine and software.
    #[serde(flatten)]
    pub measured_on: MeasuredOn,
    /// The rounds; each visited every stack, in shuffled order.
    pub rounds: u64,
    /// The largest change that counts as the same, as a share.
    pub margin: f64,
    /// A table per concurrency.
    pub tables: Vec<StackTable>,
    /// The effect of blocking calls.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub blocking: Option<Blocking>,
    /// N calls of one item compared with one call of N items.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batch: Option<Batch>,
    /// Stacks that failed, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<String>,
}

/// Stacks compared with each other, the one with the most calls per second first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackTable {
    /// Callers at a time.
    pub concurrency: u32,
    /// Size of a body, the same in both directions.
    pub payload_bytes: u64,
    /// One per stack.
    pub rows: Vec<StackRow>,
    /// The reason why no verdict holds: a stack differs from itself. Absent when they hold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invalid: Option<String>,
}

/// One stack, and how it compares with the first of its table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackRow {
    /// The stack.
    #[serde(flatten)]
    pub stack: Stack,
    /// Its figures.
    #[serde(flatten)]
    pub figures: StackFigures,
    /// Calls per second over those of the first; absent for the first itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub throughput_change: Option<Change>,
    /// Client CPU over that of the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_cpu_change: Option<Change>,
    /// Server CPU over that of the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server_cpu_change: Option<Change>,
}

/// An `async` endpoint that calls another service, in several ways.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blocking {
    /// The time that the other service waits before it answers.
    pub service_delay_millis: f64,
    /// The rounds; each put load on every way at every concurrency.
    pub rounds: u64,
    /// The rows by way, then concurrency.
    pub rows: Vec<BlockingRow>,
}

/// One way at one concurrency; intervals are of 90 %, over the rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockingRow {
    /// The name of the way, as `requests` or `aiohttp`.
    pub way: String,
    /// The code of the endpoint.
    pub what: String,
    /// Requests in flight.
    pub concurrency: u32,
    /// Requests answered well, of all rounds.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Answered well per second.
    pub throughput_reqs_per_sec: Interval,
    /// Median response time.
    pub response_ms_p50: Interval,
    /// The 99th percentile of a round; absent where a round has fewer than 100 requests.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response_ms_p99: Option<Interval>,
    /// Throughput over that of the way that awaits httpx, at the same concurrency; absent for that itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub throughput_change: Option<Change>,
}

/// N calls of one item against one call with N items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The stack.
    #[serde(flatten)]
    pub stack: Stack,
    /// Size of an item.
    pub item_bytes: u64,
    /// The rounds; each measured every row.
    pub rounds: u64,
    /// The rows by number of items.
    pub rows: Vec<BatchRow>,
    /// Items from which one call with all of them is faster than a call for each; absent where it never is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub break_even_items: Option<Interval>,
}

/// The times for one number of items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BatchRow {
    /// The number of items, N.
    pub items: u32,
    /// N calls, one after the other.
    pub calls_wall_micros: Interval,
    /// One call.
    pub batch_wall_micros: Interval,
    /// CPU of both sides for N calls.
    pub calls_cpu_micros: Interval,
    /// CPU of both sides for one.
    pub batch_cpu_micros: Interval,
    /// Wall time of the one call over that of N.
    pub wall_change: Change,
    /// CPU of the one call over that of N.
    pub cpu_change: Change,
}
