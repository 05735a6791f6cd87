//! Which stack is faster, and which cheaper.
//!
//! All stacks take turns in every round, the first of them twice: it must not differ from itself.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_model::bench::{Change, Combination, StackBench, StackRow, StackTable, Verdict};
use splitcost_model::statistics::change;

use super::catalogue::{Catalogue, Chosen};
use super::field::Field;
use super::{Cell, Payload, Stop, Visit, summary};
use crate::python::Python;
use crate::{Cancel, Error, Progress, Result, Step};

/// Time of a visit, its warm-up apart.
///
/// Chosen: a default run of a dozen stacks takes about a minute.
const VISIT_SECS: f64 = 0.12;
/// Time that a visit is planned with.
const PLANNED_SECS: f64 = 0.2;

/// How stacks are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// What is sent.
    pub payload: Payload,
    /// Callers at a time; a table for each.
    pub concurrencies: Vec<u32>,
    /// Rounds.
    pub rounds: u64,
    /// What counts as the same, as a share.
    pub margin: f64,
    /// Seed of the order and the intervals.
    pub seed: u64,
}

impl Conditions {
    /// Planned seconds for so many stacks.
    pub fn planned_secs(&self, stacks: usize) -> f64 {
        PLANNED_SECS * ((stacks + 1) * self.concurrencies.len()) as f64 * self.rounds as f64
    }
}

/// Drives all stacks.
pub fn versus(
    catalogue: &Catalogue,
    chosen: &Chosen,
    conditions: &Conditions,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<StackBench> {
    let stacks = &chosen.combinations;
    let mut step = Step { total_secs: conditions.planned_secs(stacks.len()), ..Step::default() };
    let mut field = Field::new(python, cancel)?;
    for combination in stacks {
        step.label = format!("bench stacks: starting {}", combination.name());
        progress(&step);
        field.start(combination)?;
    }
    // The control is another arm of the first.
    let arms: Vec<&Combination> = stacks.iter().chain(stacks.first()).collect();
    let concurrencies = &conditions.concurrencies;
    let mut places: Vec<(usize, usize)> =
        (0..concurrencies.len()).flat_map(|c| (0..arms.len()).map(move |arm| (c, arm))).collect();
    let mut visits: Vec<Vec<Vec<Visit>>> = vec![vec![Vec::new(); arms.len()]; concurrencies.len()];
    let mut failed: Vec<Option<String>> = vec![None; arms.len()];
    let mut rng = ChaCha8Rng::seed_from_u64(conditions.seed);
    for round in 0..conditions.rounds {
        places.shuffle(&mut rng);
        for &(c, arm) in &places {
            step.label = format!("bench stacks: round {} of {}", round + 1, conditions.rounds);
            progress(&step);
            cancel.check()?;
            step.done_secs += PLANNED_SECS;
            if failed[arm].is_some() {
                continue;
            }
            let cell = Cell {
                combination: arms[arm].clone(),
                payload: conditions.payload.clone(),
                concurrency: concurrencies[c],
                repeats: 1,
                stop: Stop::Secs(VISIT_SECS),
            };
            match field.visit(&cell) {
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
            let ran: Vec<(&Combination, &Vec<Visit>)> = stacks
                .iter()
                .zip(visits)
                .zip(&failed)
                .filter(|(_, failed)| failed.is_none())
                .map(|(arm, _)| arm)
                .collect();
            let control = visits.last().zip(visits.first()).filter(|_| failed.iter().all(Option::is_none));
            table(&ran, control, *concurrency, conditions)
        })
        .collect();
    failed.pop();
    Ok(StackBench {
        measured_on: catalogue.measured_on(stacks),
        rounds: conditions.rounds,
        margin: conditions.margin,
        tables,
        failed: failed.into_iter().flatten().collect(),
        ..StackBench::default()
    })
}

/// A figure of a visit, by its name.
type FigureOf = (&'static str, fn(&Visit) -> f64);

const FIGURES: [FigureOf; 3] =
    [("throughput", Visit::calls_per_sec), ("client CPU", Visit::client_micros), ("server CPU", Visit::server_micros)];

fn table(
    ran: &[(&Combination, &Vec<Visit>)],
    control: Option<(&Vec<Visit>, &Vec<Visit>)>,
    concurrency: u32,
    conditions: &Conditions,
) -> Option<StackTable> {
    let mut rows: Vec<(&Vec<Visit>, StackRow)> = Vec::new();
    for (combination, visits) in ran {
        let all: Vec<&Visit> = visits.iter().collect();
        let cell = summary(&all, concurrency, conditions.seed)?;
        rows.push((visits, StackRow { combination: (*combination).clone(), cell, ..StackRow::default() }));
    }
    rows.sort_by(|(_, a), (_, b)| {
        b.cell.throughput_calls_per_sec.value.total_cmp(&a.cell.throughput_calls_per_sec.value)
    });
    let first = rows.first()?.0;
    let changes: Vec<[Option<Change>; 3]> =
        rows.iter().map(|(visits, _)| FIGURES.map(|(_, figure)| over(visits, first, figure, conditions))).collect();
    let differs = control.and_then(|(control, itself)| {
        FIGURES.iter().find(|(_, figure)| {
            over(control, itself, *figure, conditions).is_some_and(|change| change.verdict == Verdict::Different)
        })
    });
    let invalid = differs.and_then(|(name, _)| {
        let (first, _) = ran.first()?;
        Some(format!("{name} of {} differs from that of itself, run twice", first.name()))
    });
    let payload_bytes = rows.first()?.1.cell.payload_bytes;
    let rows = rows.into_iter().zip(changes).enumerate().map(|(place, ((_, mut row), changes))| {
        if place > 0 {
            [row.throughput_change, row.client_cpu_change, row.server_cpu_change] = changes;
        }
        row
    });
    Some(StackTable { concurrency, payload_bytes, rows: rows.collect(), invalid })
}

/// A figure over another stack's, round by round.
fn over(visits: &[Visit], other: &[Visit], figure: fn(&Visit) -> f64, conditions: &Conditions) -> Option<Change> {
    let logs: Vec<f64> =
        visits.iter().zip(other).map(|(a, b)| (figure(a) / figure(b)).ln()).filter(|log| log.is_finite()).collect();
    change(&logs, conditions.margin, conditions.seed)
}
