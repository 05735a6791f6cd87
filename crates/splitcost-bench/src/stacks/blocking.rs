//! The effect of blocking calls: an `async` endpoint that calls another service, under load in closed loop.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use splitcost_lab::app::Scratch;
use splitcost_lab::helper::Helper;
use splitcost_lab::python::Python;
use splitcost_lab::{Cancel, Progress, Step};
use splitcost_load::{Method, Plan, RequestSpec, Stop};
use splitcost_model::bench::{Blocking, BlockingRow, Measurement};
use splitcost_model::quantity::Nanos;
use splitcost_model::statistics::{Bootstrap, Interval, change, median};

use super::field::Serving;
use super::versus::VersusPlan;
use crate::endpoint::{Endpoint, Reach, Requests};
use crate::measure::measure;
use crate::{Error, Result};

/// The load of a run in closed loop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RunLoad {
    in_flight: usize,
    requests: u64,
}

/// The loads under which every way is run.
///
/// Chosen: at least two requests for each in flight, however slow the way; and enough for a p99 where many are in flight.
const RUNS: [RunLoad; 4] = [
    RunLoad { in_flight: 1, requests: 20 },
    RunLoad { in_flight: 4, requests: 20 },
    RunLoad { in_flight: 16, requests: 100 },
    RunLoad { in_flight: 64, requests: 128 },
];
/// The time for which the other service waits.
///
/// Chosen: the response time of a service with a database.
const DELAY_MILLIS: f64 = 10.0;
/// The way that the others are compared with.
const AWAITED: &str = "httpx";
/// The rounds.
///
/// Chosen: the fewest that a verdict needs.
const ROUNDS: u64 = 6;
/// The time of load before a run, which does not count.
///
/// Chosen: connections are open and imports done.
const WARM_UP_MILLIS: u64 = 50;
/// The time that a run is planned with.
///
/// Chosen: the mean of the ways, from 30 to 5,000 requests/s.
const PLANNED_SECS: f64 = 0.6;
/// The fewest requests of a run whose p99 is shown.
///
/// Chosen: a p99 of fewer requests would be their maximum.
const FEWEST_FOR_P99: u64 = 100;

/// The number of ways of `python -m splitcost.stacks.blocking`, to plan the time only.
///
/// Chosen: the number is known exactly only when Python was asked.
const PLANNED_WAYS: usize = 5;

/// Returns the planned seconds.
pub fn planned_secs() -> f64 {
    PLANNED_SECS * ROUNDS as f64 * (PLANNED_WAYS * RUNS.len()) as f64
}

/// The answer of `python -m splitcost.stacks.blocking ways`.
#[derive(Deserialize)]
struct Ways {
    /// Name → the code of the endpoint.
    ways: BTreeMap<String, String>,
    missing: Vec<String>,
}

/// Puts every load on every way, in shuffled rounds.
pub fn blocking(plan: &VersusPlan, python: &Python, progress: Progress<'_>, cancel: &Cancel) -> Result<Blocking> {
    const MODULE: &str = "splitcost.stacks.blocking";
    let Ways { ways, missing } = python.query("look for the ways of blocking", &[MODULE, "ways"])?;
    if !missing.is_empty() {
        let (stack, path) = ("blocking".to_owned(), python.executable.clone());
        return Err(Error::StackMissing { stack, path, packages: missing });
    }
    let mut places: Vec<(&String, RunLoad)> = ways.keys().flat_map(|way| RUNS.map(|run| (way, run))).collect();
    let mut step = Step {
        label: "bench stacks: blocking calls".to_owned(),
        total_secs: PLANNED_SECS * ROUNDS as f64 * places.len() as f64,
        ..Step::default()
    };
    progress(&step);
    let scratch = Scratch::empty()?;
    let start = |side: &str, arguments: &[&str]| -> Result<(Helper, Serving)> {
        let arguments = [&[MODULE, side], arguments].concat();
        let mut helper = Helper::start("bench blocking", side, python, &scratch, &arguments, &[])?;
        let serving = helper.answer(cancel)?;
        Ok((helper, serving))
    };
    let (_service, service) = start("service", &["--delay-millis", &DELAY_MILLIS.to_string()])?;
    let (_app, app) = start("app", &["--service", &service.url])?;

    let mut runs: BTreeMap<(&String, usize), Vec<Measurement>> = BTreeMap::new();
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    for round in 0..ROUNDS {
        places.shuffle(&mut rng);
        for &(way, RunLoad { in_flight, requests }) in &places {
            cancel.check()?;
            let ask = Requests::Path(RequestSpec::new(Method::Get, "/"));
            let endpoint = Endpoint::new(&format!("{}{way}", app.url), &ask, &Reach::default())?;
            let mut plan = Plan::closed(in_flight, Stop::Requests(requests));
            plan.warm_up = Nanos::from_millis(WARM_UP_MILLIS);
            plan.seed_offset = round;
            let run = measure(&endpoint, &plan, &mut |_| {}, cancel)?;
            runs.entry((way, in_flight)).or_default().push(run.measurement);
            step.done_secs += PLANNED_SECS;
            progress(&step);
        }
    }
    let reference = AWAITED.to_owned();
    let rows = ways.iter().flat_map(|(way, what)| RUNS.map(|load| (way, what, load.in_flight)));
    let rows = rows.filter_map(|(way, what, concurrency)| {
        let found = runs.get(&(way, concurrency))?;
        let awaited = runs.get(&(&reference, concurrency)).filter(|_| way != AWAITED);
        row((way, what), concurrency, found, awaited, plan)
    });
    Ok(Blocking { service_delay_millis: DELAY_MILLIS, rounds: ROUNDS, rows: rows.collect() })
}

fn row(
    (way, what): (&str, &str),
    concurrency: usize,
    runs: &[Measurement],
    awaited: Option<&Vec<Measurement>>,
    plan: &VersusPlan,
) -> Option<BlockingRow> {
    let over = |value: &dyn Fn(&Measurement) -> f64| -> Option<Interval> {
        Bootstrap::ninety(plan.seed).interval(runs.len(), |at| median(at.iter().map(|i| value(&runs[*i]))))
    };
    let fewest = runs.iter().map(|run| run.ok).min()?;
    let throughput_change = awaited.and_then(|awaited| {
        let ratio = |(a, b): (&Measurement, &Measurement)| a.throughput_reqs_per_sec / b.throughput_reqs_per_sec;
        let logs: Vec<f64> =
            runs.iter().zip(awaited).map(|pair| ratio(pair).ln()).filter(|log| log.is_finite()).collect();
        change(&logs, plan.margin, plan.seed)
    });
    Some(BlockingRow {
        way: way.to_owned(),
        what: what.to_owned(),
        concurrency: concurrency as u32,
        requests: runs.iter().map(|run| run.ok).sum(),
        failed: runs.iter().flat_map(|run| &run.failed).map(|failed| failed.requests).sum(),
        throughput_reqs_per_sec: over(&|run| run.throughput_reqs_per_sec)?,
        response_ms_p50: over(&|run| run.response.p50_ms)?,
        response_ms_p99: over(&|run| run.response.p99_ms).filter(|_| fewest >= FEWEST_FOR_P99),
        throughput_change,
    })
}
