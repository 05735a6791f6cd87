//! Outcomes under faults: requests that arrive while called services are slow, silent or down.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::emulation::Emulation;
use crate::policy::{CallPolicy, Fault};
use crate::statistics::quantile;

/// One split under one fault and one call policy, predicted and perhaps rehearsed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultStudy {
    /// The fault, which befalls every service that others call.
    pub fault: Fault,
    /// The policy of calls between services.
    pub policy: CallPolicy,
    /// Seconds of load before the fault.
    pub before_secs: f64,
    /// Seconds of the fault.
    pub fault_secs: f64,
    /// Seconds of load after the fault.
    pub after_secs: f64,
    /// Seconds after which the load generator gives a request up.
    pub patience_secs: f64,
    /// The prediction.
    pub estimate: FaultEstimate,
    /// The measurement; absent where the split was not run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rehearsal: Option<FaultRehearsal>,
}

/// The prediction under a fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultEstimate {
    /// Per endpoint, those that need most services first.
    pub endpoints: Vec<EndpointUnderFault>,
}

/// One endpoint under a fault, predicted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointUnderFault {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Services that a request needs.
    pub services_needed: u32,
    /// Share of the time during which all of them are up, in percent, if each is up for the stated share.
    pub availability_percent: f64,
    /// Outcome of the requests that arrived during the fault.
    pub outcome: UnderFault,
}

/// The measurement under a fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultRehearsal {
    /// Per endpoint of the workload.
    pub endpoints: Vec<RehearsedUnderFault>,
    /// Requested and delivered delay of each emulated link, one entry per pair of services.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub emulations: Vec<Emulation>,
}

/// One endpoint under a fault, measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RehearsedUnderFault {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Outcome of the requests that arrived during the fault.
    pub outcome: UnderFault,
}

/// Outcome of the requests that arrived during a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnderFault {
    /// Number of these requests.
    pub requests: u64,
    /// Share of them that was not answered successfully, in percent.
    pub error_percent: f64,
    /// Share of them that the load generator gave up, in percent.
    pub stuck_percent: f64,
    /// Median response time of the successful ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p50_ms: Option<f64>,
    /// 99th percentile of the successful ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p99_ms: Option<f64>,
    /// Median time to failure of the failed ones that were not given up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure_p50_ms: Option<f64>,
    /// Attempts per call to another service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub amplification: Option<f64>,
    /// Seconds from the end of the fault until requests succeed again; absent when they never did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recovery_secs: Option<f64>,
}

/// Calls between services that began during a fault, and their attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Calls.
    pub calls: u64,
    /// Attempts of these calls, the first ones included.
    pub attempts: u64,
}

impl AddAssign for Attempts {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.attempts += other.attempts;
    }
}

impl Attempts {
    /// Attempts per call; `None` without calls.
    pub fn per_call(self) -> Option<f64> {
        (self.calls > 0).then(|| self.attempts as f64 / self.calls as f64)
    }
}

/// A request of a run with a fault: its arrival, its duration and its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EndedRequest {
    /// Arrival, from the beginning of the load.
    pub at_secs: f64,
    /// Time from arrival to end.
    pub took_secs: f64,
    /// True if it was answered successfully.
    pub ok: bool,
    /// True if the load generator gave it up.
    pub stuck: bool,
}

impl UnderFault {
    /// Length of the buckets in which successes are counted to find the recovery.
    ///
    /// Chosen: at ten requests a second, each holds five.
    const BUCKET_SECS: f64 = 0.5;
    /// Share of successes in a bucket that counts as recovered, relative to the share before the fault.
    ///
    /// Chosen: one failure of twenty is not an outage.
    const RECOVERED: f64 = 0.95;

    /// Sums up the requests that arrived from `from` to `until` seconds, when the fault lasted.
    pub fn of(requests: &[EndedRequest], from: f64, until: f64, attempts: Attempts) -> Self {
        let during = || requests.iter().filter(|request| (from..until).contains(&request.at_secs));
        let millis = |pick: &dyn Fn(&EndedRequest) -> bool| {
            let mut times: Vec<f64> =
                during().filter(|request| pick(request)).map(|request| request.took_secs * 1e3).collect();
            times.sort_by(f64::total_cmp);
            times
        };
        let arrived = during().count();
        let percent = |count: usize| if arrived == 0 { 0.0 } else { 100.0 * count as f64 / arrived as f64 };
        let ok = millis(&|request| request.ok);
        let failed = millis(&|request| !request.ok && !request.stuck);
        Self {
            requests: arrived as u64,
            error_percent: percent(arrived - ok.len()),
            stuck_percent: percent(arrived - ok.len() - failed.len()),
            p50_ms: quantile(&ok, 0.5),
            p99_ms: quantile(&ok, 0.99),
            failure_p50_ms: quantile(&failed, 0.5),
            amplification: attempts.per_call(),
            recovery_secs: Self::recovery_secs(requests, from, until),
        }
    }

    /// Returns the time from the end of the fault to the end of the last bucket with too many failures.
    fn recovery_secs(requests: &[EndedRequest], from: f64, until: f64) -> Option<f64> {
        let share = |begins: f64, ends: f64| {
            let within = || requests.iter().filter(|request| (begins..ends).contains(&request.at_secs));
            let ok = within().filter(|request| request.ok).count();
            (within().count() > 0).then(|| ok as f64 / within().count() as f64)
        };
        let wanted = share(0.0, from).unwrap_or(1.0) * Self::RECOVERED;
        let last = requests.iter().map(|request| request.at_secs).fold(until, f64::max);
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

    fn request(at_secs: f64, took_secs: f64, ok: bool, stuck: bool) -> EndedRequest {
        EndedRequest { at_secs, took_secs, ok, stuck }
    }

    #[test]
    fn requests_count_by_their_arrival() {
        let mut requests: Vec<EndedRequest> =
            (0..100).map(|i| request(f64::from(i) / 10.0, 0.02, true, false)).collect();
        for (i, request) in requests[20..60].iter_mut().enumerate() {
            (request.ok, request.stuck, request.took_secs) = (i % 4 == 0, i % 4 == 1, 0.1 * f64::from(i as u32 % 4));
        }
        let found = UnderFault::of(&requests, 2.0, 6.0, Attempts { calls: 10, attempts: 25 });
        assert_eq!(found.requests, 40);
        assert_eq!((found.error_percent, found.stuck_percent), (75.0, 25.0));
        assert_eq!((found.p50_ms, found.amplification), (Some(0.0), Some(2.5)));
        assert!((found.failure_p50_ms.unwrap() - 250.0).abs() < 1e-9);
        assert_eq!(found.recovery_secs, Some(0.0));
        assert_eq!(
            UnderFault::of(&[], 2.0, 6.0, Attempts::default()),
            UnderFault { recovery_secs: Some(0.0), ..UnderFault::default() }
        );
    }

    #[test]
    fn recovery_is_the_end_of_the_last_bad_bucket() {
        let until = |bad: f64| {
            let requests: Vec<EndedRequest> = (0..120)
                .map(|i| f64::from(i) / 10.0)
                .map(|at| request(at, 0.0, at < 2.0 || at >= bad, false))
                .collect();
            UnderFault::of(&requests, 2.0, 6.0, Attempts::default()).recovery_secs
        };
        assert_eq!(until(6.0), Some(0.0));
        assert_eq!(until(7.2), Some(1.5));
        assert_eq!(until(20.0), None);
    }
}
