//! What one call over a stack costs on one machine: measured rounds, and the linear cost fitted to them.

use serde::{Deserialize, Serialize};

use crate::split::StackName;

/// Measured unit costs of one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Which stack.
    pub stack: StackName,
    /// Machine, Python and package versions it holds for; the cache key.
    pub fingerprint: String,
    /// When it was measured, as RFC 3339 in UTC.
    pub measured_at: String,
    /// Paired, shuffled rounds; the unit of resampling.
    pub rounds: Vec<Round>,
}

/// One pass over all cells, in shuffled order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// One measurement per cell.
    pub points: Vec<Point>,
    /// What fixed work cost meanwhile, in CPU time: how slow the machine was; zero where that is unknown.
    #[serde(default)]
    pub yardstick_nanos: f64,
}

/// How the caller waits for the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientMode {
    /// Awaited: the event loop goes on.
    #[default]
    Async,
    /// The calling thread blocks.
    Sync,
}

/// How the server runs the function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandlerMode {
    /// `async def`, on the event loop.
    #[default]
    Async,
    /// `def`, on a thread of the pool.
    Sync,
}

/// What went on before and beside a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// First after a long idle: caches and cores are cold. What the first call of a request to a service sees.
    #[default]
    Cold,
    /// Follows a cold call after the recorded gap: the cores are awake again, and often not where they were best.
    Burst,
    /// Follows another after the gap that the recording shows between two calls of a request, without long idle.
    Spaced,
    /// Beside other calls of the same process: threads pass the GIL on, an event loop finds several answers at once.
    Crowded,
}

/// Callers of a crowded call.
///
/// Measured: 1, 2, 4 and 16 threads calling through httpx2, 2 cores, November 2026: 0.43, 0.57, 0.68 and 0.74 ms of
/// client CPU a call: the extra is w / (w + 1) of what it tends to, when w others call beside.
pub const CROWDED_CALLERS: u32 = 8;

/// One cell of a round: many calls of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// How the caller waits.
    pub client: ClientMode,
    /// How the server runs it.
    pub handler: HandlerMode,
    /// What went on before and beside.
    pub pace: Pace,
    /// Calls made.
    pub calls: u32,
    /// Values in arguments and result.
    pub nodes: f64,
    /// Encoded size of arguments and result.
    pub bytes: f64,
    /// Client CPU per call, without that of the pauses between calls.
    pub client_cpu_nanos: f64,
    /// Server CPU per call.
    pub server_cpu_nanos: f64,
    /// Wall time per call, median; of crowded calls the time from one call's end to the next one's, mean.
    pub wall_nanos: f64,
}

/// Cost of one call: `fixed + per_node × nodes + per_byte × bytes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// Nanoseconds per call.
    pub fixed_nanos: f64,
    /// Nanoseconds per value in the payload.
    pub nanos_per_node: f64,
    /// Nanoseconds per encoded byte.
    pub nanos_per_byte: f64,
}

impl Linear {
    /// The cost of a call with this payload.
    pub fn nanos(&self, nodes: f64, bytes: f64) -> f64 {
        self.fixed_nanos + self.nanos_per_node * nodes + self.nanos_per_byte * bytes
    }
}
