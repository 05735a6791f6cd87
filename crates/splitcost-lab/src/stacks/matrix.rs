//! What a call costs over every stack, by payload and concurrency.
//!
//! Every visited cell is written to a journal of its combination at once, so that an interrupted run goes on where it
//! was. A journal is named after its fingerprint: other versions or another machine make another.

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
use splitcost_model::bench::{Combination, CpuLine, StackCell, StackCost, StackMatrix};
use splitcost_model::statistics::{Bootstrap, median};

use super::catalogue::{Catalogue, Chosen};
use super::field::Field;
use super::{Cell, Payload, Stop, Visit, summary};
use crate::calibrate::Needs;
use crate::python::Python;
use crate::{Cancel, Error, Progress, Result, Step, cache};

/// Chosen: an interval over fewer rounds would be their range.
const ROUNDS: u32 = 5;
/// Callers at a time: alone, a few, many.
const CONCURRENCIES: [u32; 3] = [1, 8, 64];
/// Bytes of a body.
const PAYLOADS: [u64; 4] = [100, 1_000, 10_000, 100_000];
/// Time of a visit, its warm-up apart.
///
/// Chosen: some hundred calls in all rounds of a cell, and the whole matrix in about 20 minutes.
const VISIT_SECS: f64 = 0.05;
/// Time that a visit is planned with, its warm-up and the starts of processes included.
const PLANNED_SECS: f64 = 0.2;

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Values and bytes.
    payloads: Vec<(Option<u64>, u64)>,
    /// Seed of the order and the intervals.
    seed: u64,
    /// Whether what was measured before is measured again.
    fresh: bool,
}

impl Plan {
    /// The usual payloads, and those that a recording shows.
    pub fn new(recorded: Option<&Needs>, seed: u64, fresh: bool) -> Self {
        let mut payloads: Vec<(Option<u64>, u64)> = PAYLOADS.map(|bytes| (None, bytes)).to_vec();
        // The first is the small one of every calibration, no recorded one.
        let shapes = recorded.iter().flat_map(|needs| needs.payloads.iter().skip(1));
        payloads.extend(shapes.map(|(nodes, bytes, _)| (Some(*nodes), *bytes)));
        Self { payloads, seed, fresh }
    }
}

/// A visit's place in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    round: u32,
    nodes: Option<u64>,
    bytes: u64,
    concurrency: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    key: Key,
    #[serde(flatten)]
    visit: Visit,
}

/// The visits of a combination, on disk as they come.
struct Journal {
    file: Option<File>,
    visits: BTreeMap<Key, Visit>,
}

impl Journal {
    /// Reads what is there. A last line that was cut short is taken off; without a cache nothing is kept.
    fn open(fingerprint: &str, fresh: bool) -> Self {
        let mut hasher = DefaultHasher::new();
        fingerprint.hash(&mut hasher);
        let path = cache::path(&format!("stacks/{:016x}.jsonl", hasher.finish()));
        let mut visits = BTreeMap::new();
        let file = path.and_then(|path| Self::read(&path, fingerprint, fresh, &mut visits));
        Self { file, visits }
    }

    fn read(path: &PathBuf, fingerprint: &str, fresh: bool, visits: &mut BTreeMap<Key, Visit>) -> Option<File> {
        fs::create_dir_all(path.parent()?).ok()?;
        let text = if fresh { String::new() } else { fs::read_to_string(path).unwrap_or_default() };
        let mut whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let ours =
            whole.next().and_then(|line| serde_json::from_str::<String>(line).ok()).as_deref() == Some(fingerprint);
        let mut kept = 0;
        if ours {
            kept = text.find('\n')? + 1;
            for line in whole {
                let Ok(Line { key, visit }) = serde_json::from_str(line) else { break };
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

    fn add(&mut self, key: Key, visit: Visit) {
        let line = Line { key, visit };
        if let (Some(file), Ok(text)) = (&mut self.file, serde_json::to_string(&line)) {
            // In one piece, so that a kill leaves whole lines; a full disk only costs time later.
            let _ = file.write_all(format!("{text}\n").as_bytes());
        }
        self.visits.insert(line.key, line.visit);
    }
}

/// Measures all of it, or what is missing.
pub fn matrix(
    catalogue: &Catalogue,
    chosen: &Chosen,
    plan: &Plan,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<StackMatrix> {
    let combinations = &chosen.combinations;
    let fingerprints: Vec<String> = combinations.iter().map(|combination| catalogue.fingerprint(combination)).collect();
    let mut journals: Vec<Journal> =
        fingerprints.iter().map(|fingerprint| Journal::open(fingerprint, plan.fresh)).collect();
    let mut field = Field::new(python, cancel)?;
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut ahead = Vec::new();
    for round in 0..ROUNDS {
        let mut cells: Vec<(usize, Key)> = (0..combinations.len())
            .flat_map(|which| {
                let payloads = plan.payloads.iter();
                payloads.flat_map(move |&(nodes, bytes)| {
                    CONCURRENCIES.map(|concurrency| (which, Key { round, nodes, bytes, concurrency }))
                })
            })
            .collect();
        cells.shuffle(&mut rng);
        ahead.extend(cells);
    }
    let all = ahead.len();
    ahead.retain(|(which, key)| !journals[*which].visits.contains_key(key));
    let mut step = Step { total_secs: PLANNED_SECS * ahead.len() as f64, ..Step::default() };
    let began = Instant::now();
    let mut failed: BTreeMap<usize, String> = BTreeMap::new();
    let before = all - ahead.len();
    for (done, (which, key)) in ahead.iter().enumerate() {
        step.label = format!("calibrate: cell {} of {all}, round {} of {ROUNDS}", before + done + 1, key.round + 1);
        progress(&step);
        cancel.check()?;
        if failed.contains_key(which) {
            continue;
        }
        let cell = Cell {
            combination: combinations[*which].clone(),
            payload: Payload::Rows { nodes: key.nodes, bytes: key.bytes },
            concurrency: key.concurrency,
            repeats: 1,
            stop: Stop::Secs(VISIT_SECS),
        };
        match field.visit(&cell) {
            Ok(visit) => journals[*which].add(*key, visit),
            Err(error @ Error::StackFailed { .. }) => {
                failed.insert(*which, error.to_string());
            }
            Err(error) => return Err(error),
        }
        step.done_secs = began.elapsed().as_secs_f64();
        // What a cell takes is known better the more of them were visited.
        let per_cell = (PLANNED_SECS * 50.0 + step.done_secs) / (50.0 + done as f64 + 1.0);
        step.total_secs = step.done_secs + per_cell * (ahead.len() - done - 1) as f64;
    }
    let costs = combinations.iter().zip(fingerprints).zip(&journals).enumerate();
    let stacks = costs
        .filter(|(which, _)| !failed.contains_key(which))
        .filter_map(|(_, ((combination, fingerprint), journal))| cost(combination, fingerprint, journal, plan))
        .collect();
    Ok(StackMatrix {
        measured_on: catalogue.measured_on(combinations),
        rounds: u64::from(ROUNDS),
        stacks,
        failed: failed.into_values().collect(),
    })
}

fn cost(combination: &Combination, fingerprint: String, journal: &Journal, plan: &Plan) -> Option<StackCost> {
    let of = |(nodes, bytes): (Option<u64>, u64), concurrency: u32| -> Vec<&Visit> {
        let key = |round| Key { round, nodes, bytes, concurrency };
        (0..ROUNDS).filter_map(|round| journal.visits.get(&key(round))).collect()
    };
    let mut seen = HashSet::new();
    let payloads: Vec<(Option<u64>, u64)> =
        plan.payloads.iter().copied().filter(|payload| seen.insert(*payload)).collect();
    let cells: Vec<StackCell> = payloads
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
        combination: combination.clone(),
        fingerprint,
        client_cpu: line(&Visit::client_micros)?,
        server_cpu: line(&Visit::server_micros)?,
        cells,
    })
}

/// Fixed and slope of the line with the least squares of relative errors, neither negative.
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
    fn a_line_is_found_again_and_nothing_costs_less_than_nothing() {
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
        let key = |round| Key { round, nodes: None, bytes: 100, concurrency: 8 };
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
