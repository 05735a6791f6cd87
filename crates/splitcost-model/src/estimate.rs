//! The estimate of a split: predicted figures of the monolith and of the split, and the calls between services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::boundary::{Local, Readiness};
use crate::number::{number, short};
use crate::rehearsal::SplitTransaction;
use crate::statistics::Interval;

/// The load at which a split and the monolith are compared, as a share of the throughput at which the first of them saturates.
///
/// Chosen: at half of it and more, small errors of the prediction grow to large ones by queueing.
pub const LOAD_SHARE: f64 = 0.4;

/// A value for the monolith and one for the split, at the same load on the same machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arms<T> {
    /// The app as one process.
    pub monolith: T,
    /// The same app as services.
    pub split: T,
}

/// Figures of one arm over all its requests; a figure that could not be determined is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Throughput at saturation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub saturation_reqs_per_sec: Option<Interval>,
    /// CPU time of all processes per request, at the load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_secs_per_request: Option<Interval>,
    /// Busy cores at the load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cores: Option<Interval>,
}

/// Response times of one endpoint in one arm, from the intended start, queueing included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResponseTimes {
    /// Median.
    pub p50_ms: Interval,
    /// 90th percentile.
    pub p90_ms: Interval,
    /// 99th percentile; absent where too few requests lie beyond it.
    pub p99_ms: Option<Interval>,
    /// Cumulative distribution: (milliseconds, share of requests at or below), ascending. May be empty.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub distribution: Vec<(f64, f64)>,
}

impl ResponseTimes {
    /// The percentile that `quantile` names; `None` where it is not claimed.
    pub fn at(&self, quantile: Quantile) -> Option<Interval> {
        match quantile {
            Quantile::P50 => Some(self.p50_ms),
            Quantile::P90 => Some(self.p90_ms),
            Quantile::P99 => self.p99_ms,
        }
    }
}

/// A percentile of response times that documents hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantile {
    /// Median.
    P50,
    /// 90th percentile.
    P90,
    /// 99th percentile.
    P99,
}

impl Quantile {
    /// Every percentile, ascending.
    pub const ALL: [Self; 3] = [Self::P50, Self::P90, Self::P99];

    /// Its short name, as `p50`.
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
        }
    }

    /// Its key in [`ResponseTimes`].
    pub fn key(self) -> &'static str {
        match self {
            Self::P50 => "p50_ms",
            Self::P90 => "p90_ms",
            Self::P99 => "p99_ms",
        }
    }
}

/// The prediction for one split at one load.
///
/// Its figures are those of the split *as rewritten*: every call between services is made remotely. Where a rehearsal cannot
/// make all of them, [`Estimate::as_rehearsed`] predicts what it will measure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Arrival rate at which the response times and the cores hold.
    pub load_reqs_per_sec: f64,
    /// Figures over all requests.
    #[serde(flatten)]
    pub figures: Arms<Figures>,
    /// Busy cores of a service mesh's proxies at the load, in addition to the split's cores.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sidecar_cores: Option<Interval>,
    /// Price of the bytes between services for a month (730 h) at the load.
    pub transfer_usd_per_month: f64,
    /// Per endpoint of the recording, by name.
    pub endpoints: Vec<EstimatedEndpoint>,
    /// Calls between services, dearest first.
    pub calls: Vec<CrossingCost>,
    /// The calls between services by the evidence for their price.
    pub evidence: Evidence,
    /// Per service other than `main`, the recorded work of its modules, and the part of it that would run there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub work: Vec<ServiceWork>,
    /// Calls that would commit a transaction of their own, most per request of their endpoint first: in the recording they
    /// write in one that other code of the request uses too.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub transactions: Vec<SplitTransaction>,
    /// Calls that need work before they can cross, and that a rehearsal makes in the caller, most per request first.
    pub cannot_cross: Vec<CannotCross>,
    /// Calls back into a service that waits for them: requests that make one are never answered.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub call_backs: Vec<CallBack>,
    /// Calls between services by which requests that overlap wait for each other for ever: during each of them the event
    /// loop stands still that the call before it needs. Empty where there are none. Such a split has no figures.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub circular_wait: Vec<Hop>,
    /// The prediction for the calls that a rehearsal makes remotely; absent where these are all calls between services.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub as_rehearsed: Option<AsRehearsed>,
}

/// The prediction for a split in which only those calls are made remotely that a rehearsal can make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AsRehearsed {
    /// Figures over all requests.
    #[serde(flatten)]
    pub figures: Arms<Figures>,
    /// Per endpoint of the recording, by name.
    pub endpoints: Vec<EstimatedEndpoint>,
    /// Per service other than `main`, the recorded work of its modules, and the part of it that would run there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub work: Vec<ServiceWork>,
}

/// Work per request, averaged over the recorded mix of endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// CPU time of the calls themselves, without the calls that they make and without the recorder.
    pub cpu_ms_per_request: f64,
    /// Database statements and commands that the calls issue.
    pub statements_per_request: f64,
}

impl Work {
    /// Returns true if the recording holds no work at all.
    pub fn is_none(&self) -> bool {
        self.cpu_ms_per_request <= 0.0 && self.statements_per_request <= 0.0
    }
}

/// The recorded work of a service's own modules, and the part of it that would run in the service.
///
/// The rest runs where its caller is: methods of values, nested functions, and what the framework calls where a request
/// enters. A module of which every service has a copy is no service's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceWork {
    /// Name of the service.
    pub service: String,
    /// All recorded work of its modules.
    pub recorded: Work,
    /// The part that would run in the service.
    pub in_service: Work,
    /// The function with the most CPU time outside the service; absent where all of it would run in the service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub elsewhere: Option<WorkElsewhere>,
}

/// A function of a service that would run in another service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkElsewhere {
    /// The function, as `shop.models:Order.total`.
    pub function: String,
    /// Its work outside the service.
    pub work: Work,
    /// The reason why it never crosses; absent where a call of it can, but this one is made in the caller.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Local>,
}

impl ServiceWork {
    /// Returns the share of the work that would run in the service, of CPU time or of statements, whichever is less;
    /// absent where the recording holds no work of its modules.
    pub fn share(&self) -> Option<f64> {
        let parts = [
            (self.in_service.cpu_ms_per_request, self.recorded.cpu_ms_per_request),
            (self.in_service.statements_per_request, self.recorded.statements_per_request),
        ];
        parts.into_iter().filter(|(_, whole)| *whole > 0.0).map(|(part, whole)| part / whole).reduce(f64::min)
    }

    /// Returns the part and the whole in words, as `1.20 of 21.0 ms of CPU and 0.3 of 14 statements per request of
    /// shop.models would run in money`. `modules` are the service's own.
    pub fn in_words(&self, modules: &[String]) -> String {
        let own = match modules {
            [one] => one.clone(),
            many => format!("its {} modules", many.len()),
        };
        let (part, whole) = (&self.in_service, &self.recorded);
        if whole.is_none() {
            return format!("the recording holds no work of {own}");
        }
        let statements = if whole.statements_per_request > 0.0 {
            let [part, whole] = [part, whole].map(|work| short(work.statements_per_request));
            format!(" and {part} of {whole} statements")
        } else {
            String::new()
        };
        let [part, whole] = [part, whole].map(|work| number(work.cpu_ms_per_request));
        let service = &self.service;
        let rest = match &self.elsewhere {
            Some(WorkElsewhere { function, reason, .. }) => {
                let reason = reason.map_or("which runs where its caller is", Local::in_words);
                format!("; the rest runs elsewhere, most of it in {function}, {reason}")
            }
            None => String::new(),
        };
        format!("{part} of {whole} ms of CPU{statements} per request of {own} would run in {service}{rest}")
    }
}

/// Calls between services per request, averaged over the recorded mix of endpoints, by the evidence for their price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// All of them.
    pub calls_per_request: f64,
    /// Those that carry data whose size was measured.
    pub measured_per_request: f64,
    /// Those that a rehearsal makes remotely.
    pub rehearsed_per_request: f64,
}

impl Evidence {
    /// Returns the share of the calls that carry data whose size was measured; one where there are no calls.
    pub fn measured_share(&self) -> f64 {
        share(self.measured_per_request, self.calls_per_request)
    }

    /// Returns the share of the calls that a rehearsal makes remotely; one where there are no calls.
    pub fn rehearsed_share(&self) -> f64 {
        share(self.rehearsed_per_request, self.calls_per_request)
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).min(1.0) } else { 1.0 }
}

/// A call back into a service whose event loop stands still until the first call of this path returns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBack {
    /// Endpoint whose requests make it.
    pub endpoint: String,
    /// The calls between services, from the one that blocks the loop to the one that needs it.
    pub path: Vec<Hop>,
}

/// A call between services on the path of a [`CallBack`], or in a circular wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Endpoint whose requests make it.
    pub endpoint: String,
    /// Calling service.
    pub caller_service: String,
    /// Called service.
    pub callee_service: String,
    /// Called function, as `shop.pricing:quote`.
    pub callee: String,
    /// File of a call site.
    pub file: String,
    /// Line of that call site.
    pub line: u32,
}

/// Lone requests to one endpoint, predicted: nothing else runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    /// Median response times.
    pub response_ms: Arms<f64>,
    /// Response time of the split divided by that of the monolith.
    pub ratio: Interval,
    /// CPU time of the split per request divided by that of the monolith; absent where no time was counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_ratio: Option<Interval>,
}

/// One endpoint, predicted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EstimatedEndpoint {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Recorded requests that the prediction rests on.
    pub requests: u64,
    /// Recorded requests that failed (status 400 and above); they are in no response time.
    pub failed_requests: u64,
    /// Lone requests; absent where no simulated request ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alone: Option<Alone>,
    /// Response times under load in both arms; absent where no simulated request ended.
    #[serde(flatten)]
    pub response: Arms<Option<ResponseTimes>>,
    /// Share of the split's requests that fail, as a call between services takes longer than its timeout, 0 to 1. They are
    /// in no response time.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub timed_out_share: f64,
    /// The split's response times if each blocking call inside `async def` were rewritten to be awaited; absent where
    /// nothing blocks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub split_if_async: Option<ResponseTimes>,
    /// Calls between services per request.
    pub crossings_per_request: f64,
    /// Those of these calls that block an event loop.
    pub blocking_crossings_per_request: f64,
    /// Encoded bytes between services per request, both ways.
    pub bytes_per_request: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

/// A call between two services, priced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CrossingCost {
    /// Endpoint whose requests make it.
    pub endpoint: String,
    /// Calling service.
    pub caller_service: String,
    /// Calling module.
    pub caller: String,
    /// Called service.
    pub callee_service: String,
    /// Called function, as `shop.pricing:quote`.
    pub callee: String,
    /// The work that it needs before it can cross.
    pub readiness: Readiness,
    /// Calls per request of the endpoint.
    pub calls_per_request: f64,
    /// Encoded bytes per call, both ways.
    pub bytes_per_call: f64,
    /// CPU added per call, client and server together.
    pub cpu_micros_per_call: f64,
    /// Wall time added per request of the endpoint, without queueing.
    pub added_ms_per_request: f64,
    /// The part of it that does not depend on the size of the data: fewer, larger calls save it.
    #[serde(default)]
    pub fixed_ms_per_request: f64,
    /// True if it blocks an event loop.
    pub blocks_event_loop: bool,
    /// File of a call site.
    pub file: String,
    /// Line of that call site.
    pub line: u32,
}

/// The calls between services, priced, and the requests that they are averaged over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallPrices {
    /// The calls.
    pub calls: Vec<CrossingCost>,
    /// Requests by endpoint.
    pub requests: BTreeMap<String, u64>,
}

impl CallPrices {
    /// Returns the prices in an estimate.
    pub fn of(estimate: &Estimate) -> Self {
        let requests = estimate.endpoints.iter().map(|endpoint| (endpoint.name.clone(), endpoint.requests));
        Self { calls: estimate.calls.clone(), requests: requests.collect() }
    }

    /// Returns the price of a call of a service's function, averaged over its calls; `None` where no priced request made
    /// one.
    pub fn of_call(&self, service: &str, function: &str) -> Option<CallPrice> {
        let (mut added, mut fixed, mut calls) = (0.0, 0.0, 0.0);
        for call in self.calls.iter().filter(|call| call.callee_service == service && call.callee == function) {
            let requests = self.requests.get(&call.endpoint).map_or(0.0, |count| *count as f64);
            added += requests * call.added_ms_per_request;
            fixed += requests * call.fixed_ms_per_request;
            calls += requests * call.calls_per_request;
        }
        (calls > 0.0).then(|| CallPrice { added_ms: added / calls, fixed_ms: fixed / calls })
    }
}

/// Wall time that a call adds, without queueing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallPrice {
    /// All of it.
    pub added_ms: f64,
    /// The part that does not depend on the size of the data.
    pub fixed_ms: f64,
}

/// A call that cannot cross as the code is: work that a real split has to do first. A rehearsal makes it in the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CannotCross {
    /// Calling module.
    pub caller: String,
    /// Called function, as `shop.inventory:reserve`.
    pub callee: String,
    /// The work that it needs.
    pub readiness: Readiness,
    /// The values in the way and why, as `arguments.session is a live resource (Session)`.
    pub reason: String,
    /// File of the call site.
    pub file: String,
    /// Line of the call site.
    pub line: u32,
    /// Calls per request, averaged over the mix of endpoints.
    pub calls_per_request: f64,
}
