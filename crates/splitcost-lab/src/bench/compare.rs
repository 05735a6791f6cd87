//! Two endpoints beside each other.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_load::compare::change;
use splitcost_load::{Plan, Stop};
use splitcost_model::bench::{Comparison, Figure, Verdict};
use splitcost_model::quantity::{Nanos, quantile};

use super::{Endpoint, Run};
use crate::{Cancel, Error, Progress, Result, Step};

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
    run.response.quantile(q).map(Nanos::as_millis_f64)
}

/// Drives two endpoints and a control beside each other, `plan` each time. Interrupted, it tells what the whole rounds
/// until then found.
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
    'rounds: for round in 0..conditions.rounds {
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
            if run.outcome.cancelled {
                break 'rounds;
            }
            if run.outcome.ok() == 0 {
                let failed = run.outcome.endpoints.iter().find_map(|endpoint| endpoint.failed.iter().next());
                let answer = failed.map_or("by nobody".to_owned(), |(kind, _)| kind.to_string());
                return Err(Error::AllFailed { name: arms[arm].url.clone(), answer, log: String::new() });
            }
            runs[arm].push(run);
        }
    }
    // An interrupted round tells nothing: its arms had different times.
    let rounds = runs.iter().map(Vec::len).min().unwrap_or(0);
    if rounds == 0 {
        return Err(Error::Cancelled);
    }
    for arm in &mut runs {
        arm.truncate(rounds);
    }
    let fewest = runs.iter().flatten().map(|run| run.response.len()).min().unwrap_or(0);
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
        rounds: rounds as u64,
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
