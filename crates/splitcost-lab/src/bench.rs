//! One endpoint under load, or two beside each other: `splitcost bench`.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};

use http::Uri;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use splitcost_load::compare::change;
use splitcost_load::{Histogram, Mode, Outcome, Plan, Stop, Targets, Workload};
use splitcost_model::bench::{Comparison, Failed, Figure, Measurement, Times, Verdict};
use splitcost_model::quantity::{Nanos, quantile};

use crate::{Cancel, Error, Progress, Result, Step, cpu};

/// What is asked of each endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// As HTTP writes it.
    pub method: String,
    /// Names and values.
    pub headers: BTreeMap<String, String>,
    /// Sent as `application/json`.
    pub json: Option<Value>,
}

/// Where load goes.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: String,
    address: SocketAddr,
    workload: Workload,
    /// The processes that listen there, where they are on this host.
    servers: Vec<u32>,
}

impl Endpoint {
    /// Finds the server of a URL, and checks what shall be asked of it.
    pub fn new(url: &str, ask: &Ask) -> Result<Self> {
        let fail = |reason: String| Error::Url { url: url.to_owned(), reason };
        if !url.contains("://") {
            return Err(fail(format!("it has no scheme: write http://{url}")));
        }
        let uri: Uri = url.parse().map_err(|error| fail(format!("{error}")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(fail("TLS is not supported yet: name an http:// address".to_owned())),
            other => return Err(fail(format!("the scheme {} is not HTTP", other.unwrap_or_default()))),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| fail("it names no host".to_owned()))?;
        let port = uri.port_u16().unwrap_or(80);
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found = (name, port).to_socket_addrs().map_err(|error| fail(error.to_string()))?.next();
        let address = found.ok_or_else(|| fail("the host has no address".to_owned()))?;
        // Braces are placeholders in a workload, and nothing special in a URL.
        let escape = |text: &str| text.replace('{', "{{").replace('}', "}}");
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers: BTreeMap<String, String> =
            ask.headers.iter().map(|(name, value)| (name.clone(), escape(value))).collect();
        if !headers.keys().any(|name| name.eq_ignore_ascii_case("host")) {
            headers.insert("host".to_owned(), uri.authority().map_or(host, |a| a.as_str()).to_owned());
        }
        let mut request = json!({"method": ask.method, "path": escape(path), "headers": headers});
        if let Some(body) = &ask.json {
            request["body"] = escape_texts(body, &escape);
        }
        let workload =
            serde_json::from_value(json!({"requests": [request]})).map_err(|error| fail(error.to_string()))?;
        let servers = if address.ip().is_loopback() { cpu::listeners(port) } else { Vec::new() };
        Ok(Self { url: url.to_owned(), address, workload, servers })
    }
}

fn escape_texts(value: &Value, escape: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(escape(text)),
        Value::Array(items) => items.iter().map(|item| escape_texts(item, escape)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), escape_texts(field, escape))).collect()
        }
        other => other.clone(),
    }
}

/// One run of load.
struct Run {
    outcome: Outcome,
    /// CPU time of the listening processes.
    server: Option<Nanos>,
}

impl Run {
    fn of(endpoint: &Endpoint, plan: &Plan, cancel: &Cancel, progress: &mut dyn FnMut(f64)) -> Result<Self> {
        let used = || endpoint.servers.iter().map(|pid| cpu::process_cpu(*pid)).sum::<Option<Nanos>>();
        let before = used();
        let targets = Targets::all(endpoint.address);
        let outcome =
            splitcost_load::run(&endpoint.workload, plan, &targets, &cancel.0, &mut |p| progress(p.fraction))?;
        let server = used().zip(before).filter(|_| !endpoint.servers.is_empty());
        Ok(Self { outcome, server: server.map(|(after, before)| after - before) })
    }

    fn merge(&mut self, later: &Self) {
        self.outcome.merge(&later.outcome);
        self.server = self.server.zip(later.server).map(|(a, b)| a + b);
    }

    /// CPU time of the servers per request, warm-up included on both sides.
    fn server_micros(&self) -> Option<f64> {
        let requests = self.outcome.ended_ever;
        self.server.filter(|_| requests > 0).map(|cpu| cpu.as_nanos_f64() / 1e3 / requests as f64)
    }

    fn measurement(&self, url: &str, mode: Mode) -> Measurement {
        let outcome = &self.outcome;
        let endpoint = &outcome.endpoints[0];
        Measurement {
            url: url.to_owned(),
            load: load(mode),
            window_secs: outcome.window.as_secs_f64(),
            ok: endpoint.ok,
            failed: endpoint
                .failed
                .iter()
                .map(|(kind, requests)| Failed { kind: kind.to_string(), requests })
                .collect(),
            throughput_reqs_per_sec: outcome.throughput_reqs_per_sec(),
            response: times(&endpoint.response),
            service: times(&endpoint.service),
            connections: outcome.connections,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            generator_cpu_micros_per_request: outcome.generator_cpu_per_request().as_nanos_f64() / 1e3,
            server_cpu_micros_per_request: self.server_micros(),
            schedule_lag_ms_p99: outcome.schedule_lag.quantile(0.99).map_or(0.0, Nanos::as_millis_f64),
            invalid: outcome.invalid(),
        }
    }
}

fn load(mode: Mode) -> String {
    match mode {
        Mode::Open { reqs_per_sec } => format!("open loop, {reqs_per_sec} requests/s"),
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

/// Drives one endpoint. An interrupted run tells what it found until then.
pub fn measure(endpoint: &Endpoint, plan: &Plan, progress: Progress<'_>, cancel: &Cancel) -> Result<Measurement> {
    let measured = match plan.stop {
        Stop::After(time) => time.as_secs_f64(),
        Stop::Requests(_) => 0.0,
    };
    let mut step =
        Step { label: "bench".to_owned(), done_secs: 0.0, total_secs: plan.warm_up.as_secs_f64() + measured };
    let run = Run::of(endpoint, plan, cancel, &mut |fraction| {
        step.done_secs = fraction * step.total_secs;
        progress(&step);
    })?;
    Ok(run.measurement(&endpoint.url, plan.mode))
}

/// How two endpoints are compared.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Rounds; each drives A, B and A again, in shuffled order.
    pub rounds: u64,
    /// What counts as the same, as a share.
    pub margin: f64,
    /// Seed of the order, the arrivals and the intervals.
    pub seed: u64,
}

/// Requests of a run beyond a quantile, below which it is left out: it would be one of the run's few slowest.
///
/// Measured: `bench/verdict`, 45 requests a run, 2026-11-24: p99 of equal endpoints was called different twice in 40.
const BEYOND: f64 = 10.0;

/// A figure of a run: its name, and where it is; `None` where the run has none.
type FigureOf = (&'static str, fn(&Run) -> Option<f64>);

const FIGURES: [FigureOf; 5] = [
    ("response_p50_ms", |run| response_ms(run, 0.5)),
    ("response_p90_ms", |run| response_ms(run, 0.9)),
    ("response_p99_ms", |run| response_ms(run, 0.99)),
    ("throughput_reqs_per_sec", |run| Some(run.outcome.throughput_reqs_per_sec())),
    ("server_cpu_micros_per_request", Run::server_micros),
];

/// The quantiles among them.
const QUANTILES: [(&str, f64); 3] = [("response_p50_ms", 0.5), ("response_p90_ms", 0.9), ("response_p99_ms", 0.99)];

fn response_ms(run: &Run, q: f64) -> Option<f64> {
    run.outcome.endpoints[0].response.quantile(q).map(Nanos::as_millis_f64)
}

/// Drives two endpoints and a control beside each other, `plan` each time.
pub fn compare(
    [a, b]: [&Endpoint; 2],
    plan: &Plan,
    conditions: &Conditions,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Comparison> {
    let run_secs = match plan.stop {
        Stop::After(time) => time.as_secs_f64(),
        Stop::Requests(_) => 0.0,
    };
    let arm_secs = run_secs + plan.warm_up.as_secs_f64();
    let mut step = Step { total_secs: 3.0 * arm_secs * conditions.rounds as f64, ..Step::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(conditions.seed);
    // A, B, and A again.
    let arms = [a, b, a];
    let mut runs: [Vec<Run>; 3] = Default::default();
    for round in 0..conditions.rounds {
        step.label = format!("bench: round {} of {}", round + 1, conditions.rounds);
        let mut order = [0, 1, 2];
        order.shuffle(&mut rng);
        // The same arrivals for all three.
        let plan = Plan { seed_offset: conditions.seed.wrapping_add(round), ..plan.clone() };
        for arm in order {
            let base = step.done_secs;
            let run = Run::of(arms[arm], &plan, cancel, &mut |fraction| {
                step.done_secs = base + fraction * arm_secs;
                progress(&step);
            })?;
            step.done_secs = base + arm_secs;
            cancel.check()?;
            if run.outcome.ok() == 0 {
                let (kind, _) = run.outcome.endpoints[0].failed.iter().next().unzip();
                let answer = kind.map_or("by nobody".to_owned(), |kind: splitcost_load::Failure| kind.to_string());
                return Err(Error::AllFailed { name: arms[arm].url.clone(), answer, log: String::new() });
            }
            runs[arm].push(run);
        }
    }
    let fewest = runs.iter().flatten().map(|run| run.outcome.endpoints[0].response.len()).min().unwrap_or(0);
    let needed = |(_, q): &(&str, f64)| (BEYOND / (1.0 - q)).round() as u64;
    let too_short: Vec<&(&str, f64)> = QUANTILES.iter().filter(|quantile| fewest < needed(quantile)).collect();
    let left_out = too_short
        .iter()
        .map(|quantile| format!("{}: a run has {fewest} requests, and needs {}", quantile.0, needed(quantile)))
        .collect();
    let figures: Vec<Figure> = FIGURES
        .iter()
        .filter(|(name, _)| too_short.iter().all(|(short, _)| short != name))
        .filter_map(|figure| compared(figure, &runs, conditions))
        .collect();
    let differs = figures.iter().find(|figure| figure.control.verdict == Verdict::Different);
    let spoiled = runs.iter().flatten().find_map(|run| run.outcome.invalid());
    let invalid = spoiled.or_else(|| {
        differs.map(|figure| format!("{} of the control differs from that of A, though both are the same", figure.name))
    });
    let [a_runs, b_runs, _] = runs;
    let whole = |endpoint: &Endpoint, runs: Vec<Run>| {
        let merged = runs.into_iter().reduce(|mut all, run| {
            all.merge(&run);
            all
        });
        merged.map(|run| run.measurement(&endpoint.url, plan.mode)).unwrap_or_default()
    };
    Ok(Comparison {
        a: whole(a, a_runs),
        b: whole(b, b_runs),
        rounds: conditions.rounds,
        run_secs,
        margin: conditions.margin,
        figures,
        left_out,
        invalid,
    })
}

/// One figure of all rounds; `None` where a run lacks it.
fn compared((name, figure): &FigureOf, runs: &[Vec<Run>; 3], conditions: &Conditions) -> Option<Figure> {
    let values = |arm: usize| -> Option<Vec<f64>> {
        runs[arm].iter().map(|run| figure(run).filter(|value| *value > 0.0)).collect()
    };
    let (a, b, control) = (values(0)?, values(1)?, values(2)?);
    let logs = |arm: &[f64]| -> Vec<f64> { arm.iter().zip(&a).map(|(x, a)| (x / a).ln()).collect() };
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        quantile(&sorted, 0.5)
    };
    Some(Figure {
        name: (*name).to_owned(),
        a: median(&a)?,
        b: median(&b)?,
        change: change(&logs(&b), conditions.margin, conditions.seed)?,
        control: change(&logs(&control), conditions.margin, conditions.seed)?,
    })
}
