//! A recording at a glance: the document behind `splitcost show`.
//!
//! Requests that failed are counted and are part of no other number, except for the payloads: the payload of a failing
//! call is evidence too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PayloadClass, Phase};
use crate::boundary::Readiness;

/// The numbers and places of a recording that `splitcost show` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of splitcost that wrote it.
    pub splitcost_version: String,
    /// When recording began, as RFC 3339 in UTC.
    pub started_at: String,
    /// The app's command line.
    pub command: Vec<String>,
    /// `CPython`'s version.
    pub python_version: String,
    /// `monitoring` or `profile`.
    pub recorder_mode: String,
    /// Processor, cores, kernel.
    pub machine: String,
    /// Troubles of the recorder, in words.
    pub troubles: Vec<String>,
    /// The functions that were called outside of requests, most calls first.
    #[serde(default)]
    pub outside: Vec<OutsideSummary>,
    /// Requests recorded.
    pub requests: u64,
    /// The load phases.
    pub phases: Vec<Phase>,
    /// The requests that the endpoints' times come from, in words.
    pub times_from: String,
    /// Per endpoint, most requests first.
    pub endpoints: Vec<EndpointSummary>,
    /// Per pair of modules, most calls first.
    pub edges: Vec<EdgeSummary>,
    /// The payloads that crossed between modules, worst class first.
    pub payloads: Vec<PayloadSummary>,
}

/// The calls of one function that belong to no request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutsideSummary {
    /// The function, as `shop.events:consume`.
    pub function: String,
    /// Its calls at start-up, or in tasks that run beside all requests.
    pub calls: u64,
}

/// One endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointSummary {
    /// `METHOD /path/{template}`, or a test's id.
    pub name: String,
    /// Requests recorded, failed ones included.
    pub requests: u64,
    /// Requests answered with a status of 400 or above.
    pub failed_requests: u64,
    /// Time inside the app, median; absent where every request failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wall_ms_p50: Option<f64>,
    /// 90th percentile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wall_ms_p90: Option<f64>,
    /// 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wall_ms_p99: Option<f64>,
    /// Thread CPU time per request, mean.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_ms_mean: Option<f64>,
    /// Calls between modules per request, the root not counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub calls_per_request: Option<f64>,
}

/// Calls from one module into another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeSummary {
    /// Calling module.
    pub caller: String,
    /// Called module.
    pub callee: String,
    /// Calls recorded.
    pub calls: u64,
    /// Calls per request, over the requests of all endpoints.
    pub calls_per_request: f64,
    /// CPU time of these calls per request, without that of calls made inline from within them.
    pub own_cpu_micros_per_request: f64,
    /// Encoded bytes of arguments and result per call: each function's sampled mean, weighted by its calls.
    /// Absent where no call was sampled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encoded_bytes_per_call: Option<f64>,
    /// Share of the calls' time during which another call of the same parent was under way.
    pub overlap_share: f64,
    /// Sampled payloads by class.
    pub sampled_classes: BTreeMap<String, u64>,
    /// The longest call.
    pub slowest_ms: f64,
    /// The function of that call.
    pub slowest_function: String,
    /// Calls per request of each endpoint that makes any, most first.
    pub endpoints: Vec<EdgeEndpoint>,
}

/// The rate at which an endpoint's requests call from one module into another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeEndpoint {
    /// The endpoint.
    pub endpoint: String,
    /// Calls per request.
    pub calls_per_request: f64,
}

/// Sampled payloads of one function that are alike in class and place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PayloadSummary {
    /// Calling module.
    pub caller: String,
    /// Called function, as `shop.pricing:quote`.
    pub function: String,
    /// `arguments` or `result`.
    pub direction: String,
    /// The class: a payload of a later class needs more work to cross.
    pub class: PayloadClass,
    /// The work that the call needs before it can cross; absent where it never crosses, however the app is split.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub readiness: Option<Readiness>,
    /// Path and type of the value that decided the class; empty for plain data.
    pub path: String,
    /// File of the call site.
    pub file: String,
    /// Line of the call site.
    pub line: u32,
    /// Payloads sampled.
    pub samples: u64,
    /// Encoded size, mean.
    pub encoded_bytes_mean: f64,
}
