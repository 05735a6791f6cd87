//! What was predicted and what was measured: the JSON that `evaluate`, `estimate` and `rehearse` print.
//!
//! Keys end in their unit. A part that was not made (no rehearsal, say) is absent, never zero.

use serde::{Deserialize, Serialize};

use crate::quantity::Interval;
use crate::recording::Phase;

/// The whole answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Version of this document's shape.
    pub format_version: u32,
    /// Where every number came from.
    pub provenance: Provenance,
    /// One entry per evaluated split, in configuration order.
    pub splits: Vec<SplitEvaluation>,
}

/// Where the numbers came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of splitcost.
    pub splitcost_version: String,
    /// When, as RFC 3339 in UTC.
    pub made_at: String,
    /// Processor, cores, kernel.
    pub machine: String,
    /// `CPython`'s version.
    pub python_version: String,
    /// The app's command line.
    pub command: Vec<String>,
    /// The recording it rests on.
    pub recording: String,
    /// Requests in that recording.
    pub recorded_requests: u64,
    /// The recording's load phases.
    pub phases: Vec<Phase>,
    /// Stack name → versions and fingerprint of its calibration.
    pub stacks: Vec<StackProvenance>,
    /// Seed of workload and simulation.
    pub seed: u64,
    /// Price of a virtual core for an hour.
    pub usd_per_vcpu_hour: f64,
    /// What makes a number here doubtful, in words.
    pub warnings: Vec<String>,
    /// What one should know to compare the numbers, in words.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Where a stack's costs came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackProvenance {
    /// `httpx` or `grpc`.
    pub name: String,
    /// Package versions, Python, machine.
    pub fingerprint: String,
    /// When it was measured.
    pub measured_at: String,
    /// CPU of client and server together for a small call, recorded gaps between calls.
    pub call_cpu_micros: Interval,
    /// Wall time of a small call, recorded gaps between calls.
    pub call_wall_micros: Interval,
}

/// One split, predicted and, after a rehearsal, measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitEvaluation {
    /// Its name in the configuration.
    pub name: String,
    /// The services and their modules.
    pub services: Vec<ServiceModules>,
    /// The stack's name.
    pub stack: String,
    /// The link's name.
    pub link: String,
    /// Arrival rate at which the response times hold.
    pub load_reqs_per_sec: f64,
    /// Per endpoint.
    pub endpoints: Vec<EndpointEvaluation>,
    /// Throughput at saturation of the split.
    pub saturation_reqs_per_sec: Pair,
    /// Throughput at saturation of the monolith.
    pub baseline_saturation_reqs_per_sec: Pair,
    /// CPU time per request of all services.
    pub cpu_secs_per_request: Pair,
    /// CPU time per request of the monolith.
    pub baseline_cpu_secs_per_request: Pair,
    /// Cores busy at the load.
    pub cores: Pair,
    /// Cores busy at the load in the monolith.
    pub baseline_cores: Pair,
    /// Computing and data transfer for a month (730 h) at the load.
    pub usd_per_month: Pair,
    /// The same for the monolith.
    pub baseline_usd_per_month: Pair,
    /// Calls between services, dearest first.
    pub calls: Vec<CrossingCost>,
    /// What cannot cross.
    pub cannot_cross: Vec<CannotCross>,
    /// The verdict, in one plain sentence.
    pub verdict: String,
}

/// The modules of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceModules {
    /// The service.
    pub name: String,
    /// Its modules, `main`'s included.
    pub modules: Vec<String>,
}

/// A predicted and, after a rehearsal, a measured value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// From the simulation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate: Option<Interval>,
    /// From the rehearsal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measured: Option<Interval>,
}

/// Response times from the intended start, queueing included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50_ms: Interval,
    /// 90th percentile.
    pub p90_ms: Interval,
    /// 99th percentile.
    pub p99_ms: Interval,
}

/// One endpoint under one split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointEvaluation {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Recorded requests the prediction rests on.
    pub requests: u64,
    /// Recorded and driven requests that failed (status 400 and above, or no answer); in no time below.
    pub failed_requests: u64,
    /// The monolith, simulated at the same load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub baseline: Option<Quantiles>,
    /// The monolith, measured at the same load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub baseline_measured: Option<Quantiles>,
    /// The split, simulated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate: Option<Quantiles>,
    /// The split, measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measured: Option<Quantiles>,
    /// The split, simulated, if each blocking call inside `async def` were rewritten to be awaited.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate_if_async: Option<Quantiles>,
    /// Calls between services per request.
    pub crossings_per_request: f64,
    /// Of these, calls that block an event loop.
    pub blocking_crossings_per_request: f64,
    /// Encoded bytes between services per request, both ways.
    pub bytes_per_request: f64,
    /// Response times as (milliseconds, share of requests at or below) for a distribution plot.
    #[serde(skip_serializing_if = "Distributions::is_empty", default)]
    pub distributions: Distributions,
}

/// Cumulative response-time distributions, each a list of (milliseconds, share at or below).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distributions {
    /// The monolith, measured.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub baseline_measured: Vec<(f64, f64)>,
    /// The monolith, simulated.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub baseline: Vec<(f64, f64)>,
    /// The split, simulated.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub estimate: Vec<(f64, f64)>,
    /// The split, measured.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub measured: Vec<(f64, f64)>,
}

impl Distributions {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.baseline_measured.is_empty()
            && self.baseline.is_empty()
            && self.estimate.is_empty()
            && self.measured.is_empty()
    }
}

/// A call between two services, priced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CrossingCost {
    /// Endpoint whose requests make it.
    pub endpoint: String,
    /// Service and module that call.
    pub caller_service: String,
    /// Calling module.
    pub caller: String,
    /// Service that answers.
    pub callee_service: String,
    /// Called function, as `shop.pricing:quote`.
    pub callee: String,
    /// Calls per request of the endpoint.
    pub calls_per_request: f64,
    /// Encoded bytes per call, both ways.
    pub bytes_per_call: f64,
    /// CPU added per call, client and server.
    pub cpu_micros_per_call: f64,
    /// Wall time added per request of the endpoint, without queueing.
    pub added_ms_per_request: f64,
    /// Whether it blocks an event loop.
    pub blocks_event_loop: bool,
    /// File of a call site.
    pub file: String,
    /// Line of that call site.
    pub line: u32,
}

/// Something that cannot cross: the work a real split would have to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CannotCross {
    /// Calling module.
    pub caller: String,
    /// Called function, as `shop.inventory:reserve`.
    pub callee: String,
    /// Which value and why, as `arguments.session is a live resource (Session)`.
    pub reason: String,
    /// File of the call site.
    pub file: String,
    /// Line of the call site.
    pub line: u32,
    /// Calls seen.
    pub count: u64,
    /// `kept local` or `refused`.
    pub handling: String,
}
