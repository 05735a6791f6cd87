//! What blocking does: an `async` endpoint that calls another service, driven in closed loop.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use splitcost_load::{Method, Plan, RequestSpec, Stop};
use splitcost_model::bench::{Blocking, BlockingRow, Measurement};
use splitcost_model::quantity::Nanos;
use splitcost_model::statistics::{Bootstrap, Interval, change, median};

use super::Conditions;
use super::field::Serving;
use crate::app::Scratch;
use crate::bench::{Ask, Endpoint, Reach, measure};
use crate::helper::Helper;
use crate::python::{Python, output};
use crate::{Cancel, Error, Progress, Result, Step};

/// Requests in flight, and requests of a run.
///
/// Chosen: at least two for each in flight, however slow the way; and enough for a p99 where there are many.
const RUNS: [(usize, u64); 4] = [(1, 20), (4, 20), (16, 100), (64, 128)];
/// How long the other service waits.
///
/// Chosen: what a service with a database takes.
const DELAY_MILLIS: f64 = 10.0;
/// The way that the others are compared with.
const AWAITED: &str = "httpx";
/// Rounds. Chosen: the fewest that a verdict stands on.
const ROUNDS: u64 = 6;
/// Load before, which does not count.
const WARM_UP_MILLIS: u64 = 50;
/// Time that a run is planned with.
const PLANNED_SECS: f64 = 0.6;
/// A p99 of fewer requests would be their maximum.
const FEWEST_FOR_P99: u64 = 100;

/// The ways of `python -m splitcost.stacks.blocking`, to plan the time only.
const PLANNED_WAYS: usize = 5;

/// Planned seconds.
pub fn planned_secs() -> f64 {
    PLANNED_SECS * ROUNDS as f64 * (PLANNED_WAYS * RUNS.len()) as f64
}

/// What `python -m splitcost.stacks.blocking ways` tells.
#[derive(Deserialize)]
struct Ways {
    ways: BTreeMap<String, String>,
    missing: Vec<String>,
}

/// Drives every way at every concurrency, in shuffled rounds.
pub fn blocking(conditions: &Conditions, python: &Python, progress: Progress<'_>, cancel: &Cancel) -> Result<Blocking> {
    const MODULE: &str = "splitcost.stacks.blocking";
    let failed = |reason| Error::Helper { action: "look for ways to block".to_owned(), reason, log: String::new() };
    let mut command = Command::new(&python.executable);
    command.args(["-m", MODULE, "ways"]);
    let text = output(&mut command, Duration::from_secs(30)).map_err(failed)?;
    let Ways { ways, missing } = serde_json::from_str(text.trim()).map_err(|error| failed(error.to_string()))?;
    if !missing.is_empty() {
        let (stack, path) = ("blocking".to_owned(), python.executable.clone());
        return Err(Error::StackMissing { stack, path, packages: missing });
    }
    let mut places: Vec<(&String, (usize, u64))> = ways.keys().flat_map(|way| RUNS.map(|run| (way, run))).collect();
    let mut step = Step {
        label: "bench stacks: what blocking does".to_owned(),
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
    let mut rng = ChaCha8Rng::seed_from_u64(conditions.seed);
    for round in 0..ROUNDS {
        places.shuffle(&mut rng);
        for &(way, (concurrency, requests)) in &places {
            cancel.check()?;
            let ask = Ask::Path(RequestSpec::new(Method::Get, "/"));
            let endpoint = Endpoint::new(&format!("{}{way}", app.url), &ask, &Reach::default())?;
            let mut plan = Plan::closed(concurrency, Stop::Requests(requests));
            plan.warm_up = Nanos::from_millis(WARM_UP_MILLIS);
            plan.seed_offset = round;
            let run = measure(&endpoint, &plan, &mut |_| {}, cancel)?;
            runs.entry((way, concurrency)).or_default().push(run.measurement);
            step.done_secs += PLANNED_SECS;
            progress(&step);
        }
    }
    let reference = AWAITED.to_owned();
    let rows = ways.iter().flat_map(|(way, what)| RUNS.map(|(concurrency, _)| (way, what, concurrency)));
    let rows = rows.filter_map(|(way, what, concurrency)| {
        let found = runs.get(&(way, concurrency))?;
        let awaited = runs.get(&(&reference, concurrency)).filter(|_| way != AWAITED);
        row((way, what), concurrency, found, awaited, conditions)
    });
    Ok(Blocking { service_delay_millis: DELAY_MILLIS, rounds: ROUNDS, rows: rows.collect() })
}

fn row(
    (way, what): (&str, &str),
    concurrency: usize,
    runs: &[Measurement],
    awaited: Option<&Vec<Measurement>>,
    conditions: &Conditions,
) -> Option<BlockingRow> {
    let over = |value: &dyn Fn(&Measurement) -> f64| -> Option<Interval> {
        Bootstrap::ninety(conditions.seed).interval(runs.len(), |at| median(at.iter().map(|i| value(&runs[*i]))))
    };
    let fewest = runs.iter().map(|run| run.ok).min()?;
    let throughput_change = awaited.and_then(|awaited| {
        let ratio = |(a, b): (&Measurement, &Measurement)| a.throughput_reqs_per_sec / b.throughput_reqs_per_sec;
        let logs: Vec<f64> =
            runs.iter().zip(awaited).map(|pair| ratio(pair).ln()).filter(|log| log.is_finite()).collect();
        change(&logs, conditions.margin, conditions.seed)
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
