//! The results of `splitcost bench` for one endpoint or two.

use serde::{Deserialize, Serialize};

use crate::statistics::Interval;

/// Times of requests, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// 99.9th percentile.
    pub p99_9_ms: f64,
    /// 99.99th percentile.
    pub p99_99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// The times at which requests reached each phase, from the moment of sending, in the words of `curl -w`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// The lookup of the host's name, once, before all; absent where an address was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name_lookup_ms: Option<f64>,
    /// Connected; of requests that opened a connection, absent without any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connect: Option<Times>,
    /// The TLS handshake done; of requests that opened a connection, absent without TLS.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tls: Option<Times>,
    /// The request sent to its last byte.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sent: Option<Times>,
    /// The first byte of the answer came. The last one is the service time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_byte: Option<Times>,
}

/// Requests that failed in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The kind of failure, as `status 503` or `timeout`.
    pub kind: String,
    /// The number of requests.
    pub requests: u64,
}

/// One request of several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestMeasurement {
    /// Its name, as `GET /items/{id}`.
    pub name: String,
    /// Requests answered well; only these are in the times.
    pub ok: u64,
    /// The others, by kind.
    pub failed: Vec<Failed>,
    /// Response times: from the intended start, queueing in the generator included.
    pub response: Times,
    /// Service times: from the moment a request was sent.
    pub service: Times,
    /// The times of their phases.
    #[serde(default)]
    pub phases: Phases,
}

/// One endpoint under load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The address of the requests.
    pub url: String,
    /// The load, as `closed loop, 16 in flight`.
    pub load: String,
    /// Length of the measured window.
    pub window_secs: f64,
    /// Requests answered well; only these are in the times.
    pub ok: u64,
    /// The others, by kind.
    pub failed: Vec<Failed>,
    /// The first failure: the beginning of an unexpected answer, or the reason that TLS or gRPC gave.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_failure: Option<String>,
    /// Requests answered well, per second.
    pub throughput_reqs_per_sec: f64,
    /// Response times: from the intended start, queueing in the generator included.
    pub response: Times,
    /// Service times: from the moment a request was sent.
    pub service: Times,
    /// The times of their phases.
    #[serde(default)]
    pub phases: Phases,
    /// Each request of several; empty when there is one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub requests: Vec<RequestMeasurement>,
    /// Connections opened.
    pub connections: u64,
    /// Received, headers included.
    pub bytes_in: u64,
    /// Sent, headers included.
    pub bytes_out: u64,
    /// CPU time of the load generator per request; absent where another tool made the load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generator_cpu_micros_per_request: Option<f64>,
    /// CPU time of the processes that listen there per request; absent where they are not on this host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server_cpu_micros_per_request: Option<f64>,
    /// The delay of the generator against its own schedule, 99th percentile; zero in closed loop.
    pub schedule_lag_ms_p99: f64,
    /// The reason why these numbers are the generator's, not the server's; absent when they are valid.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invalid: Option<String>,
}

/// Two endpoints compared with each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The first, all rounds together.
    pub a: Measurement,
    /// The second.
    pub b: Measurement,
    /// Rounds; each drove A, B and A again as a control, in shuffled order.
    pub rounds: u64,
    /// Of these, those that the generator spoiled; they are in no figure.
    #[serde(default)]
    pub rounds_spoiled: u64,
    /// Length of each run.
    pub run_secs: f64,
    /// The largest change that counts as the same, as a share.
    pub margin: f64,
    /// Per figure.
    pub figures: Vec<Figure>,
    /// Figures that there were too few requests for, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub left_out: Vec<String>,
    /// The reason why no verdict holds: the control differs from A, or the generator made the numbers. Absent when they hold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invalid: Option<String>,
}

/// One figure of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name with its unit, as `response_p50_ms`.
    pub name: String,
    /// The number of values behind it: one for each round, or for some rounds together where a quantile needs more requests.
    pub parts: u64,
    /// A's, the median over the parts.
    pub a: f64,
    /// B's.
    pub b: f64,
    /// B over the mean of A and the control.
    pub change: Change,
    /// The control over A: two runs of the same.
    pub control: Change,
}

/// The change of a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The median over the parts of the ratio, with its 98 % interval.
    pub ratio: Interval,
    /// The verdict.
    pub verdict: Verdict,
    /// The additional rounds that might settle it; absent when it is settled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub more_rounds: Option<u64>,
}

/// The verdict on a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies beyond the margin.
    Different,
    /// The whole interval lies within the margin.
    Same,
    /// The interval crosses the margin.
    #[default]
    Inconclusive,
}

impl Verdict {
    /// Returns the word of the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Different => "different",
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
        }
    }
}
