//! What was predicted and what was measured: the JSON that `evaluate`, `estimate` and `rehearse` print.
//!
//! Keys end in their unit. A part that was not made (no rehearsal, say) is absent, never zero.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::emulation::Emulation;
use crate::policy::{CallPolicy, Fault};
use crate::recording::Phase;
use crate::statistics::{Interval, quantile};

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

impl Evaluation {
    /// Whether it is about the same splits over several links.
    pub fn compares_links(&self) -> bool {
        let links: BTreeSet<&str> = self.splits.iter().map(|split| split.link.as_str()).collect();
        links.len() > 1
    }
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
    /// Median of what a round trip takes over the link, beyond loopback; of several links, the longest.
    #[serde(default)]
    pub link_round_trip_ms: f64,
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
    /// Cores of a mesh's proxies at the load, which are in the money and in no other number here; simulated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sidecar_cores: Option<Interval>,
    /// What links really did in the rehearsal, one entry for each pair of services.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub emulations: Vec<Emulation>,
    /// What happened when something went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub faults: Vec<FaultEvaluation>,
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

/// What happened when something went wrong with the services that others call, under one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultEvaluation {
    /// What went wrong.
    pub fault: Fault,
    /// How services call each other.
    pub policy: CallPolicy,
    /// The load came so long before, while and after it went wrong.
    pub before_secs: f64,
    /// How long it went wrong.
    pub fault_secs: f64,
    /// How long the load went on after it.
    pub after_secs: f64,
    /// After which the load generator gave a request up.
    pub patience_secs: f64,
    /// Per endpoint, those first that call other services.
    pub endpoints: Vec<EndpointFault>,
    /// What links really did in the rehearsal, one entry for each pair of services.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub emulations: Vec<Emulation>,
}

impl FaultEvaluation {
    /// Whether it was run, and not only simulated.
    pub fn was_run(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.measured.is_some())
    }
}

/// One endpoint while something went wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointFault {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Services that a request needs.
    pub services_needed: u32,
    /// Share of the time that all of them are up, in percent, where each is up for the stated share.
    pub availability_percent: f64,
    /// Simulated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate: Option<UnderFault>,
    /// Measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measured: Option<UnderFault>,
}

/// What became of the requests that came while something went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnderFault {
    /// So many.
    pub requests: u64,
    /// Not answered well, in percent.
    pub error_percent: f64,
    /// Of these, given up by the load generator, in percent of all.
    pub stuck_percent: f64,
    /// Median time of those that were answered well.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p50_ms: Option<f64>,
    /// Their 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p99_ms: Option<f64>,
    /// Median time until a failure, of those that were not stuck.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure_p50_ms: Option<f64>,
    /// Attempts per call to another service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub amplification: Option<f64>,
    /// From the end of the fault until requests are answered well again; absent when they never were.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recovery_secs: Option<f64>,
}

/// A request under a fault: when it came, since the load began, how long it took, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fate {
    /// When it came.
    pub at_secs: f64,
    /// Until its end.
    pub took_secs: f64,
    /// Whether it was answered well.
    pub ok: bool,
    /// Whether it was given up.
    pub stuck: bool,
}

impl UnderFault {
    /// Buckets in which recovery is looked for.
    ///
    /// Chosen: at ten requests a second, each holds five.
    const BUCKET_SECS: f64 = 0.5;
    /// Requests of a bucket that are answered well again when it has recovered, relative to before.
    ///
    /// Chosen: one failure of twenty is not an outage.
    const WELL: f64 = 0.95;

    /// From the fates of requests, of which those from `from` to `until` came while something went wrong.
    pub fn of(fates: &[Fate], from: f64, until: f64, attempts: Option<(u64, u64)>) -> Self {
        let during = || fates.iter().filter(|fate| (from..until).contains(&fate.at_secs));
        let millis = |pick: &dyn Fn(&Fate) -> bool| {
            let mut times: Vec<f64> = during().filter(|fate| pick(fate)).map(|fate| fate.took_secs * 1e3).collect();
            times.sort_by(f64::total_cmp);
            times
        };
        let requests = during().count();
        let percent = |count: usize| if requests == 0 { 0.0 } else { 100.0 * count as f64 / requests as f64 };
        let ok = millis(&|fate| fate.ok);
        let failed = millis(&|fate| !fate.ok && !fate.stuck);
        Self {
            requests: requests as u64,
            error_percent: percent(requests - ok.len()),
            stuck_percent: percent(requests - ok.len() - failed.len()),
            p50_ms: quantile(&ok, 0.5),
            p99_ms: quantile(&ok, 0.99),
            failure_p50_ms: quantile(&failed, 0.5),
            amplification: attempts.filter(|(calls, _)| *calls > 0).map(|(calls, tries)| tries as f64 / calls as f64),
            recovery_secs: Self::recovery_secs(fates, from, until),
        }
    }

    /// From the end of the fault to the end of the last bucket in which too many requests were not answered well.
    fn recovery_secs(fates: &[Fate], from: f64, until: f64) -> Option<f64> {
        let share = |begins: f64, ends: f64| {
            let within = || fates.iter().filter(|fate| (begins..ends).contains(&fate.at_secs));
            let ok = within().filter(|fate| fate.ok).count();
            (within().count() > 0).then(|| ok as f64 / within().count() as f64)
        };
        let wanted = share(0.0, from).unwrap_or(1.0) * Self::WELL;
        let last = fates.iter().map(|fate| fate.at_secs).fold(until, f64::max);
        let buckets = ((last - until) / Self::BUCKET_SECS).floor() as u32;
        let begins = |bucket: u32| until + f64::from(bucket) * Self::BUCKET_SECS;
        let bad = (0..buckets).filter(|&b| share(begins(b), begins(b + 1)).is_some_and(|share| share < wanted)).max();
        match bad {
            None => Some(0.0),
            Some(bad) if bad + 1 < buckets => Some(begins(bad + 1) - until),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(at_secs: f64, took_secs: f64, ok: bool, stuck: bool) -> Fate {
        Fate { at_secs, took_secs, ok, stuck }
    }

    #[test]
    fn requests_count_by_when_they_came() {
        let mut fates: Vec<Fate> = (0..100).map(|i| fate(f64::from(i) / 10.0, 0.02, true, false)).collect();
        for (i, fate) in fates[20..60].iter_mut().enumerate() {
            (fate.ok, fate.stuck, fate.took_secs) = (i % 4 == 0, i % 4 == 1, 0.1 * f64::from(i as u32 % 4));
        }
        let found = UnderFault::of(&fates, 2.0, 6.0, Some((10, 25)));
        assert_eq!(found.requests, 40);
        assert_eq!((found.error_percent, found.stuck_percent), (75.0, 25.0));
        assert_eq!((found.p50_ms, found.amplification), (Some(0.0), Some(2.5)));
        assert!((found.failure_p50_ms.unwrap() - 250.0).abs() < 1e-9);
        assert_eq!(found.recovery_secs, Some(0.0));
        assert_eq!(
            UnderFault::of(&[], 2.0, 6.0, Some((0, 0))),
            UnderFault { recovery_secs: Some(0.0), ..UnderFault::default() }
        );
    }

    #[test]
    fn recovery_is_the_end_of_the_last_bad_bucket() {
        let until = |bad: f64| {
            let fates: Vec<Fate> =
                (0..120).map(|i| f64::from(i) / 10.0).map(|at| fate(at, 0.0, at < 2.0 || at >= bad, false)).collect();
            UnderFault::of(&fates, 2.0, 6.0, None).recovery_secs
        };
        assert_eq!(until(6.0), Some(0.0));
        assert_eq!(until(7.2), Some(1.5));
        assert_eq!(until(20.0), None);
    }
}
