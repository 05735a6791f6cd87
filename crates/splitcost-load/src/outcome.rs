//! What a run found.

use std::collections::BTreeMap;
use std::fmt;

use splitcost_model::fault::EndedRequest;
use splitcost_model::quantity::Nanos;

use crate::histogram::Histogram;

/// Chosen: beyond it, the arrivals were not the schedule's, and the times not those of the stated load.
const MAX_LAG: Nanos = Nanos::from_millis(5);
/// Chosen: beyond it, the generator itself is a queue.
const MAX_CPU_SHARE: f64 = 0.9;

/// Chosen: beyond it, p99 is of the queue in the generator.
const MAX_WAITED_SHARE: f64 = 0.01;

/// What one or more runs of the same workload found.
///
/// Requests intended in the warm-up are in none of it, except that throughput and CPU are taken over the *window*
/// (from the end of the warm-up to the planned end, or to the last answer when a number of requests was planned)
/// and therefore relate to all requests that ended in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// In the workload's order.
    pub endpoints: Vec<EndpointOutcome>,
    /// Length of the window.
    pub window: Nanos,
    /// Requests that ended in the window, failed ones included.
    pub ended_in_window: u64,
    /// Of these, those that were ok.
    pub ok_in_window: u64,
    /// Requests that ended at any time, warm-up and draining included.
    pub ended_ever: u64,
    /// CPU time of the generator's thread in the window.
    pub generator_cpu: Nanos,
    /// How late the generator was for its own arrivals; empty in closed loop.
    pub schedule_lag: Histogram,
    /// Arrivals that had to wait because all allowed connections were busy.
    pub waited_for_connection: u64,
    /// Connections opened, warm-up included.
    pub connections: u64,
    /// Bytes received, warm-up included.
    pub bytes_in: u64,
    /// Bytes sent, warm-up included.
    pub bytes_out: u64,
    /// Start of the window on the monotonic clock; of the first run, when merged.
    pub started: Nanos,
    /// End of the window on the monotonic clock; of the last run, when merged.
    pub ended: Nanos,
    /// Each request that counted, by its place in the workload; only where `Plan::keep_ended` is set.
    pub ended_requests: Vec<(usize, EndedRequest)>,
    /// Whether it was cancelled: what was found until then is here, requests then in flight are not.
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

    /// The endpoint of that name.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointOutcome> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// Requests that were ok.
    pub fn ok(&self) -> u64 {
        self.endpoints.iter().map(|endpoint| endpoint.ok).sum()
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.endpoints.iter().map(|endpoint| endpoint.failed.total()).sum()
    }

    /// Requests that were ok, per second of the window.
    pub fn throughput_reqs_per_sec(&self) -> f64 {
        ratio(self.ok_in_window as f64, self.window.as_secs_f64())
    }

    /// The generator's CPU time per request.
    pub fn generator_cpu_per_request(&self) -> Nanos {
        Nanos::from_nanos_f64(ratio(self.generator_cpu.as_nanos_f64(), self.ended_in_window as f64))
    }

    /// Why the generator, not the servers, made these numbers; `None` when they are good.
    pub fn invalid(&self) -> Option<String> {
        let waited = ratio(self.waited_for_connection as f64, self.schedule_lag.len() as f64);
        self.too_slow().or_else(|| {
            let percent = waited * 100.0;
            (waited > MAX_WAITED_SHARE).then(|| {
                format!("{percent:.1} % of the arrivals waited because the server had all connections it may have")
            })
        })
    }

    /// Why the generator was too slow for the load; `None` when it was not.
    pub fn too_slow(&self) -> Option<String> {
        let lag = self.schedule_lag.quantile(0.99).unwrap_or_default();
        let cpu = ratio(self.generator_cpu.as_nanos_f64(), self.window.as_nanos_f64());
        if lag > MAX_LAG {
            let (lag, max) = (lag.as_millis_f64(), MAX_LAG.as_millis_f64());
            Some(format!("the load generator was late: p99 of its schedule lag is {lag:.1} ms, above {max:.0} ms"))
        } else if cpu > MAX_CPU_SHARE {
            Some(format!("the load generator was busy {:.0} % of the time", cpu * 100.0))
        } else {
            None
        }
    }

    /// Add what another run of the same workload found.
    ///
    /// # Panics
    /// When the endpoints differ.
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

/// What was found of one request of the workload.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointOutcome {
    /// The request's name.
    pub name: String,
    /// Requests with an expected answer.
    pub ok: u64,
    /// Requests without one.
    pub failed: Failures,
    /// From the intended start to the end of the answer; only of requests that were ok.
    pub response: Histogram,
    /// From the send to the end of the answer; only of requests that were ok.
    pub service: Histogram,
    /// Parts of the service time; only of requests that were ok.
    pub phases: Phases,
    /// The first request that failed with anything to tell.
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

/// How far requests were when; each from the moment of sending, as `curl -w` counts from the start.
///
/// # Source
/// curl's `time_connect`, `time_appconnect`, `time_pretransfer` and `time_starttransfer`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phases {
    /// Connected; only of requests that opened a connection.
    pub connect: Histogram,
    /// The TLS handshake done; only of requests that opened a connection.
    pub tls: Histogram,
    /// The request sent to its last byte.
    pub sent: Histogram,
    /// The first byte of the answer came.
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

/// Why one request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Nobody listens there.
    Refused,
    /// The server reset the connection.
    Reset,
    /// The server closed the connection before the end of its answer.
    ClosedEarly,
    /// The answer is not HTTP.
    Malformed,
    /// The answer is of another protocol than the one spoken: TLS, HTTP/1.1 or HTTP/2.
    WrongProtocol,
    /// The TLS handshake failed: the certificate is expired, for another name or of nobody we trust.
    Tls,
    /// No whole answer before the deadline.
    Timeout,
    /// The network failed otherwise: no route, no free port.
    Unreachable,
    /// The server reset the stream of this request (HTTP/2).
    StreamReset,
    /// The server shut the connection down and did not take this request (HTTP/2).
    GoAway,
    /// An answer with a status that is not expected.
    Status(u16),
    /// A gRPC status other than 0.
    Grpc(u8),
}

/// The statuses of gRPC, by their codes.
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
            Self::WrongProtocol => f.write_str("answer is of another protocol"),
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

/// How many requests failed why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures(BTreeMap<Failure, u64>);

impl Failures {
    pub(crate) fn count(&mut self, failure: Failure) {
        *self.0.entry(failure).or_default() += 1;
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        for (failure, count) in &other.0 {
            *self.0.entry(*failure).or_default() += count;
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Of one kind.
    pub fn of(&self, failure: Failure) -> u64 {
        self.0.get(&failure).copied().unwrap_or_default()
    }

    /// Each kind that occurred, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Failure, u64)> {
        self.0.iter().map(|(failure, count)| (*failure, *count))
    }
}

/// What the first request that failed had to tell, for the user's terminal only: it may hold their data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstFailure {
    /// How it was counted.
    pub failure: Failure,
    /// The beginning of an unexpected answer's body, or the reason that TLS or gRPC gave.
    pub detail: String,
}
