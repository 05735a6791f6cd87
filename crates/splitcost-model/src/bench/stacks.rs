//! What a call costs over every stack, and which of them is faster: the JSON users read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Change;
use crate::statistics::Interval;

/// A client, a transport and a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Combination {
    /// Its file in `splitcost.stacks.clients`.
    pub client: String,
    /// `http/1.1`, `h2c` or `grpc`.
    pub transport: String,
    /// Its file in `splitcost.stacks.servers`.
    pub server: String,
}

impl Combination {
    /// As it is written, `aiohttp → granian`, with the transport where that is HTTP/2.
    pub fn name(&self) -> String {
        let Self { client, transport, server } = self;
        if transport == "h2c" { format!("{client} → {server}, h2c") } else { format!("{client} → {server}") }
    }
}

/// Where and with what it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeasuredOn {
    /// Processor, cores, kernel.
    pub machine: String,
    /// The interpreter's.
    pub python_version: String,
    /// Of every package that took part.
    pub versions: BTreeMap<String, String>,
    /// As RFC 3339 in UTC.
    pub measured_at: String,
}

/// Calls of one kind over one stack; intervals are of 90 %, over resampled rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackCell {
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
    /// Of a call that carries nothing.
    pub fixed_micros: Interval,
    /// More per 1,000 bytes of the body, which goes in both directions.
    pub micros_per_kb: Interval,
}

/// What is known of one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackCost {
    /// Which.
    #[serde(flatten)]
    pub combination: Combination,
    /// Machine, Python and versions; what the cache goes by.
    pub fingerprint: String,
    /// Of the client's process.
    pub client_cpu: CpuLine,
    /// Of the server's process.
    pub server_cpu: CpuLine,
    /// By payload, then concurrency.
    pub cells: Vec<StackCell>,
}

/// What `splitcost calibrate --all` measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackMatrix {
    /// Where and with what.
    #[serde(flatten)]
    pub measured_on: MeasuredOn,
    /// Each visited every cell.
    pub rounds: u64,
    /// One after the other.
    pub stacks: Vec<StackCost>,
    /// Stacks that failed, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<String>,
}

/// What `splitcost bench stacks` found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackBench {
    /// Where and with what.
    #[serde(flatten)]
    pub measured_on: MeasuredOn,
    /// Each visited every stack, in shuffled order.
    pub rounds: u64,
    /// What counts as the same, as a share.
    pub margin: f64,
    /// One per concurrency.
    pub tables: Vec<StackTable>,
    /// What blocking does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub blocking: Option<Blocking>,
    /// Calls one by one, or all in one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batch: Option<Batch>,
    /// Stacks that failed, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<String>,
}

/// Stacks beside each other, the one with the most calls per second first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackTable {
    /// Callers at a time.
    pub concurrency: u32,
    /// Size of a body, the same in both directions.
    pub payload_bytes: u64,
    /// One per stack.
    pub rows: Vec<StackRow>,
    /// Why no verdict holds: a stack differs from itself. Absent when they hold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invalid: Option<String>,
}

/// One stack, and how it compares with the first of its table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackRow {
    /// Which.
    #[serde(flatten)]
    pub combination: Combination,
    /// What was measured.
    #[serde(flatten)]
    pub cell: StackCell,
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
    /// How long the other service waits before it answers.
    pub service_delay_millis: f64,
    /// Each drove every way at every concurrency.
    pub rounds: u64,
    /// By way, then concurrency.
    pub rows: Vec<BlockingRow>,
}

/// One way at one concurrency; intervals are of 90 %, over the rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockingRow {
    /// As `requests` or `aiohttp`.
    pub way: String,
    /// What the endpoint does.
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
    /// Over which stack.
    #[serde(flatten)]
    pub combination: Combination,
    /// Size of an item.
    pub item_bytes: u64,
    /// Each measured every row.
    pub rounds: u64,
    /// By the number of items.
    pub rows: Vec<BatchRow>,
    /// Items from which one call with all of them is faster than a call for each; absent where it never is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub break_even_items: Option<Interval>,
}

/// So many items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BatchRow {
    /// N.
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
