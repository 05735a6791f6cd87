//! One endpoint under load: the work of `splitcost bench URL`.

use std::fmt::Write as _;

use splitcost_lab::{Cancel, Progress, Step, cpu};
use splitcost_load::{
    Arrivals, EndpointOutcome, Failures, Histogram, Mode, Outcome, Plan, Stop, Targets, monotonic_now,
};
use splitcost_model::bench::{Failed, Measurement, Phases, RequestMeasurement, Times};
use splitcost_model::quantity::Nanos;

use crate::Result;
use crate::endpoint::Endpoint;

/// One run of load.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    /// Response times of all requests together.
    pub(crate) response: Histogram,
    /// CPU time of the listening processes.
    server: Option<Nanos>,
}

impl Run {
    pub(crate) fn of(
        endpoint: &Endpoint,
        plan: &Plan,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&splitcost_load::Progress),
    ) -> Result<Self> {
        let used = || endpoint.servers.iter().map(|pid| cpu::process_cpu(*pid)).sum::<Option<Nanos>>();
        let before = used();
        let targets = Targets::all(endpoint.target.clone());
        let outcome = splitcost_load::run(&endpoint.workload, plan, &targets, &cancel.0, progress)?;
        let server = used().zip(before).filter(|_| !endpoint.servers.is_empty());
        let response = together(&outcome, |endpoint| &endpoint.response);
        Ok(Self { outcome, response, server: server.map(|(after, before)| after - before) })
    }

    pub(crate) fn merge(&mut self, later: &Self) {
        self.outcome.merge(&later.outcome);
        self.response.merge(&later.response);
        self.server = self.server.zip(later.server).map(|(a, b)| a + b);
    }

    /// Returns the CPU time of the servers per request, warm-up included on both sides.
    pub(crate) fn server_micros(&self) -> Option<f64> {
        let requests = self.outcome.ended_ever;
        self.server.filter(|_| requests > 0).map(|cpu| cpu.as_nanos_f64() / 1e3 / requests as f64)
    }

    pub(crate) fn measurement(&self, endpoint: &Endpoint, mode: Mode) -> Measurement {
        let outcome = &self.outcome;
        let all_phases = Phases {
            name_lookup_ms: endpoint.name_lookup.map(Nanos::as_millis_f64),
            connect: some_times(&together(outcome, |endpoint| &endpoint.phases.connect)),
            tls: some_times(&together(outcome, |endpoint| &endpoint.phases.tls)),
            sent: some_times(&together(outcome, |endpoint| &endpoint.phases.sent)),
            first_byte: some_times(&together(outcome, |endpoint| &endpoint.phases.first_byte)),
        };
        let mut all_failed = Failures::default();
        for endpoint in &outcome.endpoints {
            all_failed.merge(&endpoint.failed);
        }
        Measurement {
            url: endpoint.url.clone(),
            load: load(mode),
            window_secs: outcome.window.as_secs_f64(),
            ok: outcome.ok(),
            failed: failed(&all_failed),
            first_failure: outcome
                .endpoints
                .iter()
                .filter_map(|endpoint| endpoint.first_failure.as_ref())
                .map(|first| format!("{}: {}", first.failure, first.detail.trim()))
                .next(),
            throughput_reqs_per_sec: outcome.throughput_reqs_per_sec(),
            response: times(&self.response),
            service: times(&together(outcome, |endpoint| &endpoint.service)),
            phases: all_phases,
            requests: match outcome.endpoints.as_slice() {
                [_] => Vec::new(),
                several => several.iter().map(request).collect(),
            },
            connections: outcome.connections,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            generator_cpu_micros_per_request: Some(outcome.generator_cpu_per_request().as_nanos_f64() / 1e3),
            server_cpu_micros_per_request: self.server_micros(),
            schedule_lag_ms_p99: outcome.schedule_lag.quantile(0.99).map_or(0.0, Nanos::as_millis_f64),
            invalid: outcome.invalid(),
        }
    }
}

/// Returns one histogram of all requests.
fn together(outcome: &Outcome, of: impl Fn(&EndpointOutcome) -> &Histogram) -> Histogram {
    let mut all = Histogram::new();
    for endpoint in &outcome.endpoints {
        all.merge(of(endpoint));
    }
    all
}

fn request(endpoint: &EndpointOutcome) -> RequestMeasurement {
    RequestMeasurement {
        name: endpoint.name.clone(),
        ok: endpoint.ok,
        failed: failed(&endpoint.failed),
        response: times(&endpoint.response),
        service: times(&endpoint.service),
        phases: Phases {
            name_lookup_ms: None,
            connect: some_times(&endpoint.phases.connect),
            tls: some_times(&endpoint.phases.tls),
            sent: some_times(&endpoint.phases.sent),
            first_byte: some_times(&endpoint.phases.first_byte),
        },
    }
}

fn some_times(histogram: &Histogram) -> Option<Times> {
    (!histogram.is_empty()).then(|| times(histogram))
}

fn failed(failures: &Failures) -> Vec<Failed> {
    failures.iter().map(|(kind, requests)| Failed { kind: kind.to_string(), requests }).collect()
}

fn load(mode: Mode) -> String {
    match mode {
        Mode::Open { reqs_per_sec, arrivals: Arrivals::Poisson } => format!("open loop, {reqs_per_sec} requests/s"),
        Mode::Open { reqs_per_sec, arrivals: Arrivals::Uniform } => {
            format!("open loop, {reqs_per_sec} requests/s at equal gaps")
        }
        Mode::Closed { concurrency } => format!("closed loop, {concurrency} in flight"),
    }
}

fn times(histogram: &Histogram) -> Times {
    let at = |q| histogram.quantile(q).map_or(0.0, Nanos::as_millis_f64);
    Times {
        mean_ms: histogram.mean().map_or(0.0, Nanos::as_millis_f64),
        p50_ms: at(0.5),
        p90_ms: at(0.9),
        p99_ms: at(0.99),
        p99_9_ms: at(0.999),
        p99_99_ms: at(0.9999),
        max_ms: histogram.max().map_or(0.0, Nanos::as_millis_f64),
    }
}

/// The figures of a run, and the histograms behind them.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The figures.
    pub measurement: Measurement,
    /// The histograms as a log of `HdrHistogram`, in nanoseconds: for each request its response and its service times.
    ///
    /// # Source
    /// `HdrHistogram`'s log format 1.3, as its `HistogramLogWriter` writes it and its `HistogramLogReader`s read it.
    pub hdr_log: String,
}

/// Puts load on one endpoint. An interrupted run returns the figures of the time before.
pub fn measure(endpoint: &Endpoint, plan: &Plan, progress: Progress<'_>, cancel: &Cancel) -> Result<Measured> {
    let measured = match plan.stop {
        Stop::After(time) => time.as_secs_f64(),
        Stop::Requests(_) => 0.0,
    };
    let total_secs = plan.warm_up.as_secs_f64() + measured;
    let mut step = Step { label: "bench".to_owned(), total_secs, ..Step::default() };
    let begun = monotonic_now();
    let mut looked = begun;
    let run = Run::of(endpoint, plan, cancel, &mut |progressed| {
        step.done_secs = progressed.fraction * step.total_secs;
        if matches!(plan.stop, Stop::Requests(_)) && progressed.fraction > 0.0 {
            // The duration of so many requests is estimated on the way.
            step.done_secs = (monotonic_now() - begun).as_secs_f64();
            step.total_secs = step.done_secs / progressed.fraction;
        }
        let now = monotonic_now();
        if now > looked + LOOK_EVERY {
            step.so_far = so_far(progressed, now - begun);
            looked = now;
        }
        progress(&step);
    })?;
    Ok(Measured { measurement: run.measurement(endpoint, plan.mode), hdr_log: hdr_log(&run.outcome) })
}

fn hdr_log(outcome: &Outcome) -> String {
    let mut log = String::from("#[Histogram log format version 1.3]\n");
    log += "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
    for endpoint in &outcome.endpoints {
        for (kind, histogram) in [("response", &endpoint.response), ("service", &endpoint.service)] {
            // A tag ends at a comma, and a line at white space in some readers.
            let tag = format!("{} {kind}", endpoint.name).replace([',', ' '], "_");
            let (secs, max) = (outcome.window.as_secs_f64(), histogram.max().unwrap_or_default().as_millis_f64());
            // Writing to a string does not fail.
            let _ = writeln!(log, "Tag={tag},0.000,{secs:.3},{max:.3},{}", histogram.to_base64());
        }
    }
    log
}

/// The time between two reports of the progress.
///
/// Chosen: as often as people read figures; a report takes microseconds of the generator's time.
const LOOK_EVERY: Nanos = Nanos::from_millis(500);

/// Returns the figures so far, in a few words.
fn so_far(progressed: &splitcost_load::Progress, since: Nanos) -> String {
    let mut response = Histogram::new();
    for endpoint in progressed.endpoints {
        response.merge(&endpoint.response);
    }
    let at = |q| response.quantile(q).map_or("–".to_owned(), |time| format!("{:.2}", time.as_millis_f64()));
    format!(
        "{:.0} requests/s, p50 {} ms, p99 {} ms, {} failed",
        progressed.requests as f64 / since.as_secs_f64().max(1e-9),
        at(0.5),
        at(0.99),
        progressed.failed
    )
}
