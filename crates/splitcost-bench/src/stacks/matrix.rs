//! The cost of a call over every stack, by payload and concurrency.
//!
//! Every visit is written at once to the journal of its stack, so that an interrupted run continues where it stopped. A
//! journal is named after its fingerprint: other versions or another machine have another journal.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use splitcost_lab::calibrate::Needs;
use splitcost_lab::python::Python;
use splitcost_lab::{Cancel, Progress, Step, cache};
use splitcost_model::bench::{CpuLine, Stack, StackCost, StackFigures, StackMatrix};
use splitcost_model::statistics::{Bootstrap, median};

use super::catalogue::{Catalogue, Chosen};
use super::field::Field;
use super::{Payload, Visit, VisitLength, VisitPlan, summary};
use crate::{Error, Result};

/// The visits of each stack, payload and concurrency.
///
/// Chosen: an interval over fewer rounds would be their range.
const ROUNDS: u32 = 5;
/// The simultaneous callers.
///
/// Chosen: one, a few, many.
const CONCURRENCIES: [u32; 3] = [1, 8, 64];
/// The bytes of a body.
///
/// Chosen: four powers of ten, from an identifier to a page of results.
const PAYLOADS: [u64; 4] = [100, 1_000, 10_000, 100_000];
/// The time of a visit without its warm-up.
///
/// Chosen: some hundred calls in all rounds of a cell, and the whole matrix in about 20 minutes.
const VISIT_SECS: f64 = 0.05;
/// The time that a visit is planned with, its warm-up and the starts of processes included.
///
/// Measured: `splitcost calibrate --all`, 2 cores, 2026-11-24.
const PLANNED_SECS: f64 = 0.2;

/// The size of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PayloadSize {
    /// The number of values; `None` for the usual number in so many bytes.
    nodes: Option<u64>,
    bytes: u64,
}

/// The payloads of a matrix, and its seed.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixPlan {
    payloads: Vec<PayloadSize>,
    /// The seed of the order and the intervals.
    seed: u64,
    /// True to make visits again that the journals hold.
    fresh: bool,
}

impl MatrixPlan {
    /// Returns a plan with the usual payloads, and those of a recording. `fresh` ignores the journals.
    pub fn new(recorded: Option<&Needs>, seed: u64, fresh: bool) -> Self {
        let mut payloads: Vec<PayloadSize> = PAYLOADS.map(|bytes| PayloadSize { nodes: None, bytes }).to_vec();
        // The first is the small payload of every calibration, not a recorded one.
        let shapes = recorded.iter().flat_map(|needs| needs.payloads.iter().skip(1));
        payloads.extend(shapes.map(|payload| PayloadSize { nodes: Some(payload.nodes), bytes: payload.bytes }));
        Self { payloads, seed, fresh }
    }
}

/// The place of a visit in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct VisitKey {
    round: u32,
    nodes: Option<u64>,
    bytes: u64,
    concurrency: u32,
}

#[derive(Serialize, Deserialize)]
struct JournalLine {
    #[serde(flatten)]
    key: VisitKey,
    #[serde(flatten)]
    visit: Visit,
}

/// The visits of a stack, written to disk one by one.
struct Journal {
    file: Option<File>,
    visits: BTreeMap<VisitKey, Visit>,
}

impl Journal {
    /// Reads the journal of a fingerprint. A last line that was cut short is removed; without a cache directory nothing
    /// is kept.
    fn open(fingerprint: &str, fresh: bool) -> Self {
        let mut hasher = DefaultHasher::new();
        fingerprint.hash(&mut hasher);
        let path = cache::path(&format!("stacks/{:016x}.jsonl", hasher.finish()));
        let mut visits = BTreeMap::new();
        let file = path.and_then(|path| Self::read(&path, fingerprint, fresh, &mut visits));
        Self { file, visits }
    }

    fn read(path: &PathBuf, fingerprint: &str, fresh: bool, visits: &mut BTreeMap<VisitKey, Visit>) -> Option<File> {
        fs::create_dir_all(path.parent()?).ok()?;
        let text = if fresh { String::new() } else { fs::read_to_string(path).unwrap_or_default() };
        let mut whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let ours =
            whole.next().and_then(|line| serde_json::from_str::<String>(line).ok()).as_deref() == Some(fingerprint);
        let mut kept = 0;
        if ours {
            kept = text.find('\n')? + 1;
            for line in whole {
                let Ok(JournalLine { key, visit }) = serde_json::from_str(line) else { break };
                visits.entry(key).or_insert(visit);
                kept += line.len();
            }
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path).ok()?;
        file.set_len(kept as u64).ok()?;
        if kept == 0 {
            file.write_all(format!("{}\n", serde_json::to_string(fingerprint).ok()?).as_bytes()).ok()?;
        }
        Some(file)
    }

    fn add(&mut self, key: VisitKey, visit: Visit) {
        let line = JournalLine { key, visit };
        if let (Some(file), Ok(text)) = (&mut self.file, serde_json::to_string(&line)) {
            // In one piece, so that a kill leaves whole lines; a full disk only costs time later.
            let _ = file.write_all(format!("{text}\n").as_bytes());
        }
        self.visits.insert(line.key, line.visit);
    }
}

/// Makes all visits that the journals lack, and returns the costs of every stack.
pub fn matrix(
    catalogue: &Catalogue,
    chosen: &Chosen,
    plan: &MatrixPlan,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<StackMatrix> {
    let fingerprints: Vec<String> = chosen.stacks.iter().map(|stack| catalogue.fingerprint(stack)).collect();
    let mut journals: Vec<Journal> =
        fingerprints.iter().map(|fingerprint| Journal::open(fingerprint, plan.fresh)).collect();
    let mut field = Field::new(python, cancel)?;
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut ahead = Vec::new();
    for round in 0..ROUNDS {
        let mut visits: Vec<(usize, VisitKey)> = (0..chosen.stacks.len())
            .flat_map(|which| {
                let payloads = plan.payloads.iter();
                payloads.flat_map(move |&PayloadSize { nodes, bytes }| {
                    CONCURRENCIES.map(|concurrency| (which, VisitKey { round, nodes, bytes, concurrency }))
                })
            })
            .collect();
        visits.shuffle(&mut rng);
        ahead.extend(visits);
    }
    let all = ahead.len();
    ahead.retain(|(which, key)| !journals[*which].visits.contains_key(key));
    let mut step = Step { total_secs: PLANNED_SECS * ahead.len() as f64, ..Step::default() };
    let began = Instant::now();
    let mut failed: BTreeMap<usize, String> = BTreeMap::new();
    let before = all - ahead.len();
    for (done, (which, key)) in ahead.iter().enumerate() {
        step.label = format!("calibrate: visit {} of {all}, round {} of {ROUNDS}", before + done + 1, key.round + 1);
        progress(&step);
        cancel.check()?;
        if failed.contains_key(which) {
            continue;
        }
        let visit = VisitPlan {
            stack: chosen.stacks[*which].clone(),
            payload: Payload::Rows { nodes: key.nodes, bytes: key.bytes },
            concurrency: key.concurrency,
            repeats: 1,
            length: VisitLength::Secs(VISIT_SECS),
        };
        match field.visit(&visit) {
            Ok(visit) => journals[*which].add(*key, visit),
            Err(error @ Error::StackFailed { .. }) => {
                failed.insert(*which, error.to_string());
            }
            Err(error) => return Err(error),
        }
        step.done_secs = began.elapsed().as_secs_f64();
        // The time of a visit is known better after many visits.
        let per_visit = (PLANNED_SECS * 50.0 + step.done_secs) / (50.0 + done as f64 + 1.0);
        step.total_secs = step.done_secs + per_visit * (ahead.len() - done - 1) as f64;
    }
    let costs = chosen.stacks.iter().zip(fingerprints).zip(&journals).enumerate();
    let stacks = costs
        .filter(|(which, _)| !failed.contains_key(which))
        .filter_map(|(_, ((stack, fingerprint), journal))| cost(stack, fingerprint, journal, plan))
        .collect();
    Ok(StackMatrix {
        measured_on: catalogue.measured_on(&chosen.stacks),
        rounds: u64::from(ROUNDS),
        stacks,
        failed: failed.into_values().collect(),
    })
}

fn cost(stack: &Stack, fingerprint: String, journal: &Journal, plan: &MatrixPlan) -> Option<StackCost> {
    let of = |PayloadSize { nodes, bytes }: PayloadSize, concurrency: u32| -> Vec<&Visit> {
        let key = |round| VisitKey { round, nodes, bytes, concurrency };
        (0..ROUNDS).filter_map(|round| journal.visits.get(&key(round))).collect()
    };
    let mut seen = HashSet::new();
    let payloads: Vec<PayloadSize> = plan.payloads.iter().copied().filter(|payload| seen.insert(*payload)).collect();
    let figures: Vec<StackFigures> = payloads
        .iter()
        .flat_map(|&payload| {
            CONCURRENCIES.map(|concurrency| summary(&of(payload, concurrency), concurrency, plan.seed))
        })
        .collect::<Option<_>>()?;
    let alone: Vec<Vec<&Visit>> = payloads.iter().map(|&payload| of(payload, 1)).collect();
    let line = |value: &dyn Fn(&Visit) -> f64| -> Option<CpuLine> {
        let rounds = alone.iter().map(Vec::len).min()?;
        let [fixed_micros, micros_per_kb] = Bootstrap::ninety(plan.seed).intervals(rounds, |at| {
            let point = |visits: &Vec<&Visit>| {
                let size = visits.first()?.sent_bytes as f64 / 1e3;
                Some((size, median(at.iter().map(|i| value(visits[*i])))?))
            };
            Some(fit(&alone.iter().map(point).collect::<Option<Vec<_>>>()?))
        })?;
        Some(CpuLine { fixed_micros, micros_per_kb })
    };
    Some(StackCost {
        stack: stack.clone(),
        fingerprint,
        client_cpu: line(&Visit::client_micros)?,
        server_cpu: line(&Visit::server_micros)?,
        figures,
    })
}

/// Returns the fixed part and the slope of the line with the least squares of relative errors; neither is negative.
pub(super) fn fit(points: &[(f64, f64)]) -> [f64; 2] {
    let (mut w, mut wx, mut wxx, mut wy, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for &(x, y) in points {
        let weight = 1.0 / y.max(1e-9).powi(2);
        w += weight;
        wx += weight * x;
        wxx += weight * x * x;
        wy += weight * y;
        wxy += weight * x * y;
    }
    let determinant = w * wxx - wx * wx;
    let slope = if determinant.abs() > 1e-12 * w * wxx { (w * wxy - wx * wy) / determinant } else { 0.0 };
    let fixed = (wy - slope * wx) / w;
    if slope < 0.0 {
        [wy / w, 0.0]
    } else if fixed < 0.0 {
        [0.0, wxy / wxx]
    } else {
        [fixed, slope]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_recovered_and_no_cost_is_negative() {
        let [fixed, slope] = fit(&[(0.1, 100.2), (1.0, 102.0), (10.0, 120.0), (100.0, 300.0)]);
        assert!((fixed - 100.0).abs() < 1e-6 && (slope - 2.0).abs() < 1e-6, "{fixed} {slope}");
        assert!(fit(&[(0.1, 100.0), (1.0, 90.0), (10.0, 80.0)])[1] >= 0.0);
        assert!(fit(&[(1.0, 1.0), (2.0, 4.0), (3.0, 9.0)])[0] >= 0.0);
        let [fixed, slope] = fit(&[(1.0, 5.0)]);
        assert!((fixed - 5.0).abs() < 1e-9 && slope.abs() < 1e-9, "one point has no slope");
    }

    #[test]
    fn a_journal_outlives_a_line_that_was_cut_short() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stacks/x.jsonl");
        let open = |fingerprint: &str, fresh| {
            let mut visits = BTreeMap::new();
            let file = Journal::read(&path, fingerprint, fresh, &mut visits);
            assert!(file.is_some());
            Journal { file, visits }
        };
        let key = |round| VisitKey { round, nodes: None, bytes: 100, concurrency: 8 };
        let visit = Visit { wall_nanos: vec![1, 2], sent_bytes: 100, ..Visit::default() };
        let mut journal = open("a", false);
        journal.add(key(0), visit.clone());
        journal.add(key(1), visit.clone());
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut again = open("a", false);
        assert_eq!(again.visits, [(key(0), visit.clone())].into());
        again.add(key(1), visit.clone());
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(open("a", false).visits.len(), 2);
        assert!(open("a", true).visits.is_empty(), "measured again");
        open("a", false).add(key(0), visit);
        assert!(open("b", false).visits.is_empty(), "of something else");
    }
}
