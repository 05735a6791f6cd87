//! N calls of one item compared with one call of N items.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_lab::python::Python;
use splitcost_lab::{Cancel, Progress, Step};
use splitcost_model::bench::{Batch, BatchRow, Change, Stack};
use splitcost_model::statistics::{Bootstrap, Interval, change, median};

use super::field::Field;
use super::versus::VersusPlan;
use super::{Payload, Visit, VisitLength, VisitPlan};
use crate::Result;

/// The numbers of items.
///
/// Chosen: from one to a page of a table.
const ITEMS: [u32; 6] = [1, 2, 5, 10, 50, 100];
/// The size of an item.
///
/// Chosen: a row of a table, as JSON.
const ITEM_BYTES: u64 = 100;
/// The calls of a visit.
///
/// Chosen: as many calls of either kind as take about 20 ms.
const CALLS: u32 = 20;
/// The time that both visits of one N are planned with.
///
/// Chosen: two visits and their warm-up.
const PLANNED_SECS: f64 = 0.15;

/// Returns the planned seconds.
pub fn planned_secs(rounds: u64) -> f64 {
    PLANNED_SECS * rounds as f64 * ITEMS.len() as f64
}

/// Measures N calls and one call for each N, in shuffled rounds.
pub fn batch(
    stack: &Stack,
    plan: &VersusPlan,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Batch> {
    let rounds = plan.rounds;
    let label = "bench stacks: one call or many".to_owned();
    let mut step = Step { label, total_secs: planned_secs(rounds), ..Step::default() };
    let mut field = Field::new(python, cancel)?;
    let mut places: Vec<(usize, bool)> = (0..ITEMS.len()).flat_map(|n| [(n, false), (n, true)]).collect();
    let mut visits: [[Vec<Visit>; 2]; ITEMS.len()] = Default::default();
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    for _ in 0..rounds {
        places.shuffle(&mut rng);
        for &(n, together) in &places {
            progress(&step);
            cancel.check()?;
            let items = ITEMS[n];
            let (bytes, repeats) = if together { (ITEM_BYTES * u64::from(items), 1) } else { (ITEM_BYTES, items) };
            let visit = VisitPlan {
                stack: stack.clone(),
                payload: Payload::Rows { nodes: None, bytes },
                concurrency: 1,
                repeats,
                length: VisitLength::Calls((CALLS / repeats).max(2)),
            };
            visits[n][usize::from(together)].push(field.visit(&visit)?);
            step.done_secs += PLANNED_SECS / 2.0;
        }
    }
    let rows = ITEMS.iter().zip(&visits).filter_map(|(items, visits)| row(*items, visits, plan)).collect();
    Ok(Batch {
        stack: stack.clone(),
        item_bytes: ITEM_BYTES,
        rounds,
        rows,
        break_even_items: break_even(&visits, plan.seed),
    })
}

fn cpu_micros(visit: &Visit) -> f64 {
    visit.client_micros() + visit.server_micros()
}

fn wall_micros(visit: &Visit) -> f64 {
    visit.wall_micros(0.5)
}

fn row(items: u32, [calls, together]: &[Vec<Visit>; 2], plan: &VersusPlan) -> Option<BatchRow> {
    let over = |visits: &[Visit], value: fn(&Visit) -> f64| -> Option<Interval> {
        Bootstrap::ninety(plan.seed).interval(visits.len(), |at| median(at.iter().map(|i| value(&visits[*i]))))
    };
    let change = |value: fn(&Visit) -> f64| -> Option<Change> {
        let logs: Vec<f64> = together.iter().zip(calls).map(|(one, many)| (value(one) / value(many)).ln()).collect();
        change(&logs, plan.margin, plan.seed)
    };
    Some(BatchRow {
        items,
        calls_wall_micros: over(calls, wall_micros)?,
        batch_wall_micros: over(together, wall_micros)?,
        calls_cpu_micros: over(calls, cpu_micros)?,
        batch_cpu_micros: over(together, cpu_micros)?,
        wall_change: change(wall_micros)?,
        cpu_change: change(cpu_micros)?,
    })
}

/// Returns the N at which one call, `fixed + per item × N`, takes as long as N calls, `per call × N`.
fn break_even(visits: &[[Vec<Visit>; 2]; ITEMS.len()], seed: u64) -> Option<Interval> {
    let rounds = visits.iter().flatten().map(Vec::len).min()?;
    Bootstrap::ninety(seed).interval(rounds, |at| {
        let mut calls = Vec::new();
        let mut together = Vec::new();
        for (items, visits) in ITEMS.iter().zip(visits) {
            let wall = |visits: &[Visit]| median(at.iter().map(|i| wall_micros(&visits[*i])));
            calls.push(wall(&visits[0])? / f64::from(*items));
            together.push((f64::from(*items), wall(&visits[1])?));
        }
        let per_call = median(calls)?;
        let [fixed, per_item] = super::matrix::fit(&together);
        (per_call > per_item).then(|| fixed / (per_call - per_item))
    })
}
