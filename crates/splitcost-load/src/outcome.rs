//! The results of a run.

use std::collections::BTreeMap;
use std::fmt;

use splitcost_model::fault::EndedRequest;
use splitcost_model::quantity::Nanos;

use crate::histogram::Histogram;

/// The share of a percentile of response times that the same percentile of the schedule lag may be in a valid run.
///
/// Chosen: a tenth is as precise as medians under load are asked to be.
const MAX_LAG_SHARE: f64 = 0.1;
/// The schedule lag that is no reason to doubt a run, however fast the servers are.
///
/// Chosen: a thread that is switched to on a busy core waits about as long, a server's as well as the generator's.
const MIN_LAG: Nanos = Nanos::from_millis(1);
/// The percentiles at which a late generator shows, each where at least this many requests lie beyond it.
const LAG_QUANTILES: ([f64; 3], f64) = ([0.5, 0.9, 0.99], 10.0);
/// The greatest share of the window that the generator may compute in a valid run.
///
/// Chosen: above this utilization, requests queue in the generator.
const MAX_CPU_SHARE: f64 = 0.9;
/// The greatest share of arrivals that may wait for a connection in a valid run.
///
/// Chosen: above this share, the 99th percentile measures the queue in the generator.
const MAX_WAITED_SHARE: f64 = 0.01;

/// The results of one run, or of several runs of the same workload.
///
/// Requests that were intended during the warm-up are excluded. Throughput and CPU are exceptions: they cover the *window*,
/// and relate to all requests that ended in it. The window begins after the warm-up. It lasts until the planned end, or
/// until the last answer when the plan gives a number of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The results of each request, in the order of the workload.
    pub endpoints: Vec<EndpointOutcome>,
    /// The length of the window.
    pub window: Nanos,
    /// The number of requests that ended in the window, including failed ones.
    pub ended_in_window: u64,
    /// The number of requests that succeeded in the window.
    pub ok_in_window: u64,
    /// The number of requests that ended at any time, including the warm-up and the draining.
    pub ended_ever: u64,
    /// The CPU time of the generator's thread in the window.
    pub generator_cpu: Nanos,
    /// The lateness of the generator at each arrival; empty in closed loop.
    pub schedule_lag: Histogram,
    /// The number of requests that waited because no connection could take them.
    pub waited_for_connection: u64,
    /// The number of connections that were opened, including the warm-up.
    pub connections: u64,
    /// The number of bytes received, including the warm-up.
    pub bytes_in: u64,
    /// The number of bytes sent, including the warm-up.
    pub bytes_out: u64,
    /// The start of the window on the monotonic clock; for merged results, of the first run.
    pub started: Nanos,
    /// The end of the window on the monotonic clock; for merged results, of the last run.
    pub ended: Nanos,
    /// The result of each counted request, with the position of its template in the workload. Empty unless the plan asks
    /// for it.
    pub ended_requests: Vec<(usize, EndedRequest)>,
    /// True when the run was cancelled. Requests in flight at that time are not counted.
    pub cancelled: bool,
}

impl Outcome {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self {
            endpoints: names.map(EndpointOutcome::new).collect(),
            window: Nanos::ZERO,
            ended_in_window: 0,
            ok_in_window: 0,
            ended_ever: 0,
            generator_cpu: Nanos::ZERO,
            schedule_lag: Histogram::new(),
            waited_for_connection: 0,
            connections: 0,
            bytes_in: 0,
            bytes_out: 0,
            started: Nanos::ZERO,
            ended: Nanos::ZERO,
            ended_requests: Vec::new(),
            cancelled: false,
        }
    }

    /// Returns the results of the request with this name.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointOutcome> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// Returns the number of requests that succeeded.
    pub fn ok(&self) -> u64 {
        self.endpoints.iter().map(|endpoint| endpoint.ok).sum()
    }

    /// Returns the number of requests that failed.
    pub fn failed(&self) -> u64 {
        self.endpoints.iter().map(|endpoint| endpoint.failed.total()).sum()
    }

    /// Returns the number of requests that succeeded per second of the window.
    pub fn throughput_reqs_per_sec(&self) -> f64 {
        ratio(self.ok_in_window as f64, self.window.as_secs_f64())
    }

    /// Returns the CPU time of the generator per request.
    pub fn generator_cpu_per_request(&self) -> Nanos {
        Nanos::from_nanos_f64(ratio(self.generator_cpu.as_nanos_f64(), self.ended_in_window as f64))
    }

    /// Returns the reason why these results measure the generator instead of the servers; `None` when the run was valid.
    pub fn invalid(&self) -> Option<String> {
        self.invalid_up_to(0.99)
    }

    /// Returns the same of a run of which no higher percentile of response times than this one is claimed.
    pub fn invalid_up_to(&self, highest: f64) -> Option<String> {
        let waited = ratio(self.waited_for_connection as f64, self.schedule_lag.len() as f64);
        self.too_slow_up_to(highest).or_else(|| {
            let percent = waited * 100.0;
            (waited > MAX_WAITED_SHARE)
                .then(|| format!("{percent:.1} % of the arrivals waited because all allowed connections were busy"))
        })
    }

    /// Returns the reason why the generator was too slow for the load; `None` when it was fast enough.
    pub fn too_slow(&self) -> Option<String> {
        self.too_slow_up_to(0.99)
    }

    fn too_slow_up_to(&self, highest: f64) -> Option<String> {
        let cpu = ratio(self.generator_cpu.as_nanos_f64(), self.window.as_nanos_f64());
        self.late(highest).or_else(|| {
            (cpu > MAX_CPU_SHARE).then(|| format!("the load generator was busy {:.0} % of the time", cpu * 100.0))
        })
    }

    /// Returns the reason why the generator's delay is a large part of the response times; `None` when it is not.
    fn late(&self, highest: f64) -> Option<String> {
        let (quantiles, beyond) = LAG_QUANTILES;
        let mut response = Histogram::new();
        self.endpoints.iter().for_each(|endpoint| response.merge(&endpoint.response));
        let is_known =
            |quantile: &f64| *quantile <= highest && self.schedule_lag.len() as f64 * (1.0 - quantile) >= beyond;
        quantiles.into_iter().filter(is_known).find_map(|quantile| {
            let lag = self.schedule_lag.quantile(quantile)?;
            let took = response.quantile(quantile)?;
            (lag > MIN_LAG.max(took * MAX_LAG_SHARE)).then(|| {
                let (percent, lag, took) = (100.0 * quantile, lag.as_millis_f64(), took.as_millis_f64());
                format!(
                    "the load generator was late: p{percent:.0} of its schedule lag is {lag:.1} ms, where that of response times \
                     is {took:.1} ms"
                )
            })
        })
    }

    /// Adds the results of another run of the same workload.
    ///
    /// # Panics
    /// Panics if the endpoints differ.
    pub fn merge(&mut self, other: &Self) {
        assert!(
            self.endpoints.iter().map(|e| &e.name).eq(other.endpoints.iter().map(|e| &e.name)),
            "outcomes of different workloads cannot be merged"
        );
        for (mine, theirs) in self.endpoints.iter_mut().zip(&other.endpoints) {
            mine.merge(theirs);
        }
        self.window += other.window;
        self.ended_in_window += other.ended_in_window;
        self.ok_in_window += other.ok_in_window;
        self.ended_ever += other.ended_ever;
        self.generator_cpu += other.generator_cpu;
        self.schedule_lag.merge(&other.schedule_lag);
        self.waited_for_connection += other.waited_for_connection;
        self.connections += other.connections;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.started = self.started.min(other.started);
        self.ended = self.ended.max(other.ended);
        self.ended_requests.extend(&other.ended_requests);
        self.cancelled |= other.cancelled;
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The results of one request template of the workload.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointOutcome {
    /// The name of the request.
    pub name: String,
    /// The number of requests with an expected answer.
    pub ok: u64,
    /// The number of requests without an expected answer, by failure.
    pub failed: Failures,
    /// The times from the intended start to the end of the answer, of requests that succeeded.
    pub response: Histogram,
    /// The times from the start of sending to the end of the answer, of requests that succeeded.
    pub service: Histogram,
    /// The parts of the service time, of requests that succeeded.
    pub phases: Phases,
    /// The first failure that came with a status or a message.
    pub first_failure: Option<FirstFailure>,
}

impl EndpointOutcome {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ok: 0,
            failed: Failures::default(),
            response: Histogram::new(),
            service: Histogram::new(),
            phases: Phases::default(),
            first_failure: None,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.failed.merge(&other.failed);
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.phases.merge(&other.phases);
        if self.first_failure.is_none() {
            self.first_failure.clone_from(&other.first_failure);
        }
    }
}

/// The times at which requests reached each phase, counted from the start of sending.
///
/// # Source
/// curl's `time_connect`, `time_appconnect`, `time_pretransfer` and `time_starttransfer`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phases {
    /// The connection was established; only of requests that opened one.
    pub connect: Histogram,
    /// The TLS handshake ended; only of requests that opened a connection.
    pub tls: Histogram,
    /// The last byte of the request was sent.
    pub sent: Histogram,
    /// The first byte of the answer was received.
    pub first_byte: Histogram,
}

impl Phases {
    fn merge(&mut self, other: &Self) {
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.sent.merge(&other.sent);
        self.first_byte.merge(&other.first_byte);
    }
}

/// The reason why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No process listens on the address.
    Refused,
    /// The server reset the connection.
    Reset,
    /// The server closed the connection before the end of its answer.
    ClosedEarly,
    /// The answer is not HTTP.
    Malformed,
    /// The answer belongs to another protocol than the request: TLS, HTTP/1.1 or HTTP/2.
    WrongProtocol,
    /// The TLS handshake failed, for example because the certificate has expired, names another server, or is not trusted.
    Tls,
    /// The answer was not complete before the deadline.
    Timeout,
    /// The network failed in another way, for example without a route or a free port.
    Unreachable,
    /// The server reset the stream of this request (HTTP/2).
    StreamReset,
    /// The server shut the connection down without processing this request (HTTP/2).
    GoAway,
    /// The answer has an unexpected status.
    Status(u16),
    /// The gRPC status of the answer is not 0.
    Grpc(u8),
}

/// The names of the gRPC statuses, by code.
///
/// Spec: grpc/doc/statuscodes.md.
const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("connection reset"),
            Self::ClosedEarly => f.write_str("connection closed before the end of the answer"),
            Self::Malformed => f.write_str("answer is not HTTP"),
            Self::WrongProtocol => f.write_str("answer uses another protocol"),
            Self::Tls => f.write_str("TLS handshake failed"),
            Self::StreamReset => f.write_str("stream reset"),
            Self::GoAway => f.write_str("connection shut down by the server"),
            Self::Timeout => f.write_str("no answer before the deadline"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Grpc(code) => match GRPC_STATUSES.get(usize::from(*code)) {
                Some(name) => write!(f, "gRPC {code} {name}"),
                None => write!(f, "gRPC {code}"),
            },
        }
    }
}

/// The number of failed requests for each reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures(BTreeMap<Failure, u64>);

impl Failures {
    pub(crate) fn count(&mut self, failure: Failure) {
        *self.0.entry(failure).or_default() += 1;
    }

    /// Adds the counts of another set of failures.
    pub fn merge(&mut self, other: &Self) {
        for (failure, count) in &other.0 {
            *self.0.entry(*failure).or_default() += count;
        }
    }

    /// Returns the number of all failures.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the number of failures for one reason.
    pub fn of(&self, failure: Failure) -> u64 {
        self.0.get(&failure).copied().unwrap_or_default()
    }

    /// Returns each reason that occurred, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Failure, u64)> {
        self.0.iter().map(|(failure, count)| (*failure, *count))
    }
}

/// The first failure of an endpoint, with its message. The message may contain the user's data, and is only for their
/// terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstFailure {
    /// The reason that the failure was counted under.
    pub failure: Failure,
    /// The beginning of the body of an unexpected answer, or the message of TLS or gRPC.
    pub detail: String,
}
