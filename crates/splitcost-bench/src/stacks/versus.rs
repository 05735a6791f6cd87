//! Stacks compared with each other: which is faster, and which needs less CPU.
//!
//! All stacks take turns in every round. The first takes two turns: it must not differ from itself.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_lab::python::Python;
use splitcost_lab::{Cancel, Progress, Step};
use splitcost_model::bench::{Change, Stack, StackBench, StackRow, StackTable, Verdict};
use splitcost_model::statistics::change;

use super::catalogue::{Catalogue, Chosen};
use super::field::Field;
use super::{Payload, Visit, VisitLength, VisitPlan, summary};
use crate::{Error, Result};

/// The time of a visit without its warm-up.
///
/// Chosen: a default run of a dozen stacks takes about a minute.
const VISIT_SECS: f64 = 0.12;
/// The time that a visit is planned with.
///
/// Chosen: a visit and its warm-up.
const PLANNED_SECS: f64 = 0.2;

/// The load and the rounds of a comparison of stacks.
#[derive(Clone, Debug, PartialEq)]
pub struct VersusPlan {
    /// The value that is sent.
    pub payload: Payload,
    /// The simultaneous callers; each number has a table of its own.
    pub concurrencies: Vec<u32>,
    /// The rounds.
    pub rounds: u64,
    /// The largest change that counts as the same, as a share.
    pub margin: f64,
    /// The seed of the order and the intervals.
    pub seed: u64,
}

impl VersusPlan {
    /// Returns the planned seconds for so many stacks.
    pub fn planned_secs(&self, stacks: usize) -> f64 {
        PLANNED_SECS * ((stacks + 1) * self.concurrencies.len()) as f64 * self.rounds as f64
    }
}

/// Visits all stacks in shuffled rounds, and compares them.
pub fn versus(
    catalogue: &Catalogue,
    chosen: &Chosen,
    plan: &VersusPlan,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<StackBench> {
    let stacks = &chosen.stacks;
    let mut step = Step { total_secs: plan.planned_secs(stacks.len()), ..Step::default() };
    let mut field = Field::new(python, cancel)?;
    for stack in stacks {
        step.label = format!("bench stacks: starting {}", stack.name());
        progress(&step);
        field.start(stack)?;
    }
    // The control is another arm of the first.
    let arms: Vec<&Stack> = stacks.iter().chain(stacks.first()).collect();
    let concurrencies = &plan.concurrencies;
    let mut places: Vec<(usize, usize)> =
        (0..concurrencies.len()).flat_map(|c| (0..arms.len()).map(move |arm| (c, arm))).collect();
    let mut visits: Vec<Vec<Vec<Visit>>> = vec![vec![Vec::new(); arms.len()]; concurrencies.len()];
    let mut failed: Vec<Option<String>> = vec![None; arms.len()];
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    for round in 0..plan.rounds {
        places.shuffle(&mut rng);
        for &(c, arm) in &places {
            step.label = format!("bench stacks: round {} of {}", round + 1, plan.rounds);
            progress(&step);
            cancel.check()?;
            step.done_secs += PLANNED_SECS;
            if failed[arm].is_some() {
                continue;
            }
            let visit = VisitPlan {
                stack: arms[arm].clone(),
                payload: plan.payload.clone(),
                concurrency: concurrencies[c],
                repeats: 1,
                length: VisitLength::Secs(VISIT_SECS),
            };
            match field.visit(&visit) {
                Ok(visit) => visits[c][arm].push(visit),
                Err(error @ Error::StackFailed { .. }) => failed[arm] = Some(error.to_string()),
                Err(error) => return Err(error),
            }
        }
    }
    let tables = concurrencies
        .iter()
        .zip(&visits)
        .filter_map(|(concurrency, visits)| {
            let ran: Vec<(&Stack, &Vec<Visit>)> = stacks
                .iter()
                .zip(visits)
                .zip(&failed)
                .filter(|(_, failed)| failed.is_none())
                .map(|(arm, _)| arm)
                .collect();
            let control = visits.last().zip(visits.first()).filter(|_| failed.iter().all(Option::is_none));
            table(&ran, control, *concurrency, plan)
        })
        .collect();
    failed.pop();
    Ok(StackBench {
        measured_on: catalogue.measured_on(stacks),
        rounds: plan.rounds,
        margin: plan.margin,
        tables,
        failed: failed.into_iter().flatten().collect(),
        ..StackBench::default()
    })
}

/// The name of a figure, and the figure of a visit.
type FigureOf = (&'static str, fn(&Visit) -> f64);

const FIGURES: [FigureOf; 3] =
    [("throughput", Visit::calls_per_sec), ("client CPU", Visit::client_micros), ("server CPU", Visit::server_micros)];

fn table(
    ran: &[(&Stack, &Vec<Visit>)],
    control: Option<(&Vec<Visit>, &Vec<Visit>)>,
    concurrency: u32,
    plan: &VersusPlan,
) -> Option<StackTable> {
    let mut rows: Vec<(&Vec<Visit>, StackRow)> = Vec::new();
    for (stack, visits) in ran {
        let all: Vec<&Visit> = visits.iter().collect();
        let figures = summary(&all, concurrency, plan.seed)?;
        rows.push((visits, StackRow { stack: (*stack).clone(), figures, ..StackRow::default() }));
    }
    rows.sort_by(|(_, a), (_, b)| {
        b.figures.throughput_calls_per_sec.value.total_cmp(&a.figures.throughput_calls_per_sec.value)
    });
    let first = rows.first()?.0;
    let changes: Vec<[Option<Change>; 3]> =
        rows.iter().map(|(visits, _)| FIGURES.map(|(_, figure)| over(visits, first, figure, plan))).collect();
    let differs = control.and_then(|(control, itself)| {
        FIGURES.iter().find(|(_, figure)| {
            over(control, itself, *figure, plan).is_some_and(|change| change.verdict == Verdict::Different)
        })
    });
    let invalid = differs.and_then(|(name, _)| {
        let (first, _) = ran.first()?;
        Some(format!("{name} of {} differs from that of itself, run twice", first.name()))
    });
    let payload_bytes = rows.first()?.1.figures.payload_bytes;
    let rows = rows.into_iter().zip(changes).enumerate().map(|(place, ((_, mut row), changes))| {
        if place > 0 {
            [row.throughput_change, row.client_cpu_change, row.server_cpu_change] = changes;
        }
        row
    });
    Some(StackTable { concurrency, payload_bytes, rows: rows.collect(), invalid })
}

/// Returns the change of a figure against that of another stack, round by round.
fn over(visits: &[Visit], other: &[Visit], figure: fn(&Visit) -> f64, plan: &VersusPlan) -> Option<Change> {
    let logs: Vec<f64> =
        visits.iter().zip(other).map(|(a, b)| (figure(a) / figure(b)).ln()).filter(|log| log.is_finite()).collect();
    change(&logs, plan.margin, plan.seed)
}
