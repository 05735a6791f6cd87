//! Two endpoints compared with each other, in shuffled rounds with a control.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_lab::{Cancel, Progress, Step};
use splitcost_load::{Plan, Stop};
use splitcost_model::bench::{Change, Comparison, Figure, Verdict};
use splitcost_model::quantity::Nanos;
use splitcost_model::statistics::{FEWEST_ROUNDS, change, median, quantiles_of_counts};

use crate::endpoint::Endpoint;
use crate::measure::Run;
use crate::{Error, Result};

/// The rounds of a comparison, and its rules.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonPlan {
    /// The rounds; each runs A, B and A again, in shuffled order.
    pub rounds: u64,
    /// The largest change that counts as the same, as a share.
    pub margin: f64,
    /// The seed of the order, the arrivals and the intervals.
    pub seed: u64,
}

/// The fewest requests beyond a quantile. With fewer, the quantile would be one of the few slowest and is left out.
///
/// Measured: `bench/verdict`, 45 requests a run, 2026-11-24: p99 of equal endpoints was called different twice in 40.
const BEYOND: f64 = 10.0;
/// The share of rounds that the load generator may spoil. Spoiled rounds are left out; with more, the comparison is
/// invalid.
///
/// Chosen: a pause of the machine hits a round or two, a generator that is too slow hits all.
const MOST_SPOILED: f64 = 0.25;

/// The arms of a round.
const A: usize = 0;
const B: usize = 1;
const CONTROL: usize = 2;

/// The figures of one run.
struct Sample {
    /// The response times in ascending order, each with its count.
    response: Vec<(Nanos, u64)>,
    throughput_reqs_per_sec: f64,
    server_micros: Option<f64>,
}

/// The three arms of a round.
type RoundSamples = [Sample; 3];

/// Puts the load `plan` on two endpoints and a control in shuffled rounds. An interrupted comparison returns the verdicts
/// of the complete rounds before.
pub fn compare(
    [a, b]: [&Endpoint; 2],
    plan: &Plan,
    conditions: &ComparisonPlan,
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
    let endpoints = [a, b, a];
    let mut rounds: Vec<RoundSamples> = Vec::new();
    let mut whole: [Option<Run>; 2] = [None, None];
    let mut spoiled: Vec<String> = Vec::new();
    for round in 0..conditions.rounds {
        step.label = format!("bench: round {} of {}", round + 1, conditions.rounds);
        let mut order = [A, B, CONTROL];
        order.shuffle(&mut rng);
        // The same arrivals for all three.
        let plan = Plan { seed_offset: conditions.seed.wrapping_add(round), ..plan.clone() };
        let mut runs: [Option<Run>; 3] = [None, None, None];
        for arm in order {
            let base = step.done_secs;
            let run = Run::of(endpoints[arm], &plan, cancel, &mut |progressed| {
                step.done_secs = base + progressed.fraction * arm_secs;
                progress(&step);
            })?;
            step.done_secs = base + arm_secs;
            if !run.outcome.cancelled {
                answered(endpoints[arm], &run)?;
                runs[arm] = Some(run);
            }
        }
        // The arms of an interrupted round had different times: it is left out.
        let [Some(run_a), Some(run_b), Some(control)] = runs else { break };
        match [&run_a, &run_b, &control].iter().find_map(|run| run.outcome.invalid()) {
            Some(reason) => spoiled.push(reason),
            None => rounds.push([&run_a, &run_b, &control].map(sample)),
        }
        for (whole, run) in whole.iter_mut().zip([run_a, run_b]) {
            match whole {
                Some(whole) => whole.merge(&run),
                None => *whole = Some(run),
            }
        }
    }
    let [Some(whole_a), Some(whole_b)] = whole else { return Err(Error::Cancelled) };
    let mut figures = Vec::new();
    let mut left_out = Vec::new();
    for (name, figure) in FIGURES {
        match compared(name, figure, &rounds, conditions) {
            Ok(found) => figures.extend(found),
            Err(reason) => left_out.push(format!("{name}: {reason}")),
        }
    }
    let made = rounds.len() + spoiled.len();
    let too_many = spoiled.len() as f64 > MOST_SPOILED * made as f64;
    let differs = figures.iter().find(|figure| figure.control.verdict == Verdict::Different);
    let invalid = if too_many {
        Some(format!("{} of {made} rounds were spoiled: {}", spoiled.len(), spoiled[0]))
    } else {
        differs.map(|figure| format!("{} of the control differs from that of A, though both are the same", figure.name))
    };
    Ok(Comparison {
        a: whole_a.measurement(a, plan.mode),
        b: whole_b.measurement(b, plan.mode),
        rounds: made as u64,
        rounds_spoiled: spoiled.len() as u64,
        run_secs,
        margin: conditions.margin,
        figures,
        left_out,
        invalid,
    })
}

/// Fails when no request succeeded.
fn answered(endpoint: &Endpoint, run: &Run) -> Result<()> {
    if run.outcome.ok() > 0 {
        return Ok(());
    }
    let failed = run.outcome.endpoints.iter().find_map(|endpoint| endpoint.failed.iter().next());
    let answer = failed.map_or("by nobody".to_owned(), |(kind, _)| kind.to_string());
    Err(Error::AllFailed { url: endpoint.url.clone(), answer })
}

fn sample(run: &Run) -> Sample {
    Sample {
        response: run.response.counts().collect(),
        throughput_reqs_per_sec: run.outcome.throughput_reqs_per_sec(),
        server_micros: run.server_micros(),
    }
}

/// The statistic that is compared.
#[derive(Clone, Copy, Debug)]
enum Statistic {
    Quantile(f64),
    Mean(fn(&Sample) -> Option<f64>),
}

const FIGURES: [(&str, Statistic); 5] = [
    ("response_p50_ms", Statistic::Quantile(0.5)),
    ("response_p90_ms", Statistic::Quantile(0.9)),
    ("response_p99_ms", Statistic::Quantile(0.99)),
    ("throughput_reqs_per_sec", Statistic::Mean(|sample| Some(sample.throughput_reqs_per_sec))),
    ("server_cpu_micros_per_request", Statistic::Mean(|sample| sample.server_micros)),
];

/// Returns one figure of all rounds; `None` where a run lacks it.
///
/// # Errors
/// A sentence, when there are too few requests for the quantile.
fn compared(
    name: &str,
    kind: Statistic,
    rounds: &[RoundSamples],
    conditions: &ComparisonPlan,
) -> Result<Option<Figure>, String> {
    let (parts, values): (usize, Vec<Option<[f64; 3]>>) = match kind {
        Statistic::Quantile(q) => {
            let parts = parts(rounds, q)?;
            (parts.len(), parts.iter().map(|part| each_arm(|arm| response_ms(part, arm, q))).collect())
        }
        Statistic::Mean(of) => (rounds.len(), rounds.iter().map(|round| each_arm(|arm| of(&round[arm]))).collect()),
    };
    let Some(values) = values.into_iter().collect::<Option<Vec<[f64; 3]>>>() else { return Ok(None) };
    // Two runs of A show the speed of a round better than one: the noise of the ratio is √1.5 that of a run, not √2.
    let against_both = |v: &[f64; 3]| v[B].ln() - f64::midpoint(v[A].ln(), v[CONTROL].ln());
    let verdict = |log_ratio: &dyn Fn(&[f64; 3]) -> f64| {
        let logs: Vec<f64> = values.iter().map(log_ratio).collect();
        let found = change(&logs, conditions.margin, conditions.seed)?;
        let rounds_a_part = rounds.len().div_ceil(parts) as u64;
        Some(Change { more_rounds: found.more_rounds.map(|more| more * rounds_a_part), ..found })
    };
    let median = |arm: usize| median(values.iter().map(|values| values[arm]));
    Ok((|| {
        Some(Figure {
            name: name.to_owned(),
            parts: parts as u64,
            a: median(A)?,
            b: median(B)?,
            change: verdict(&against_both)?,
            control: verdict(&|v| (v[CONTROL] / v[A]).ln())?,
        })
    })())
}

fn each_arm(of: impl Fn(usize) -> Option<f64>) -> Option<[f64; 3]> {
    let above_zero = |arm: usize| of(arm).filter(|value| *value > 0.0);
    Some([above_zero(A)?, above_zero(B)?, above_zero(CONTROL)?])
}

/// Returns the rounds in as many parts as possible, so that each arm of each part has enough requests for a quantile: one
/// round each where it has enough, several rounds together elsewhere.
fn parts(rounds: &[RoundSamples], q: f64) -> Result<Vec<&[RoundSamples]>, String> {
    let needed = (BEYOND / (1.0 - q)).round() as u64;
    let requests = |part: &[RoundSamples], arm: usize| -> u64 {
        part.iter().flat_map(|round| &round[arm].response).map(|(_, count)| count).sum()
    };
    let enough = |part: &[RoundSamples]| (A..=CONTROL).all(|arm| requests(part, arm) >= needed);
    let split = |parts: usize| -> Vec<&[RoundSamples]> {
        (0..parts).map(|i| &rounds[i * rounds.len() / parts..(i + 1) * rounds.len() / parts]).collect()
    };
    let fewest = FEWEST_ROUNDS.min(rounds.len());
    let most = (fewest..=rounds.len()).rev().map(split).find(|parts| parts.iter().all(|part| enough(part)));
    most.filter(|parts| !parts.is_empty()).ok_or_else(|| {
        let parts = split(fewest);
        let least = parts.iter().flat_map(|part| (A..=CONTROL).map(|arm| requests(part, arm))).min().unwrap_or(0);
        let part = if fewest == rounds.len() { "a run".to_owned() } else { format!("a {fewest}th of the rounds") };
        format!("{part} has {least} requests, and needs {needed}")
    })
}

/// Returns a quantile of all response times of an arm.
fn response_ms(part: &[RoundSamples], arm: usize, q: f64) -> Option<f64> {
    let mut times: Vec<(Nanos, u64)> = part.iter().flat_map(|round| round[arm].response.iter().copied()).collect();
    times.sort_unstable();
    let [at] = quantiles_of_counts(times.iter().map(|(time, count)| (time.as_millis_f64(), *count)), [q])?;
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round whose arms answer each request in so many milliseconds.
    fn round(requests: u64, millis: [u64; 3]) -> RoundSamples {
        millis.map(|millis| Sample {
            response: vec![(Nanos::from_millis(millis), requests)],
            throughput_reqs_per_sec: 1_000.0 / millis as f64,
            server_micros: None,
        })
    }

    const CONDITIONS: ComparisonPlan = ComparisonPlan { rounds: 12, margin: 0.03, seed: 1 };

    fn figure(name: &str, rounds: &[RoundSamples]) -> Result<Option<Figure>, String> {
        let (name, kind) = FIGURES.into_iter().find(|(known, _)| *known == name).expect("there is one");
        compared(name, kind, rounds, &CONDITIONS)
    }

    #[test]
    fn the_baseline_is_both_runs_of_a() {
        let rounds: Vec<RoundSamples> = (0..12).map(|_| round(30, [4, 12, 9])).collect();
        let p50 = figure("response_p50_ms", &rounds).expect("enough").expect("a figure");
        assert_eq!((p50.parts, p50.a, p50.b), (12, 4.0, 12.0));
        // √(4 · 9) is 6.
        assert!((p50.change.ratio.value - 2.0).abs() < 1e-9, "{p50:?}");
        assert!((p50.control.ratio.value - 2.25).abs() < 1e-9, "{p50:?}");
        assert!(figure("server_cpu_micros_per_request", &rounds).expect("enough").is_none());
    }

    #[test]
    fn rounds_are_taken_together_until_a_quantile_has_enough_requests() {
        let rounds: Vec<RoundSamples> = (0..12).map(|_| round(60, [4, 5, 4])).collect();
        let parts = |name: &str| figure(name, &rounds).map(|figure| figure.map_or(0, |figure| figure.parts));
        assert_eq!(parts("response_p50_ms"), Ok(12));
        assert_eq!(parts("response_p90_ms"), Ok(6));
        assert_eq!(parts("response_p99_ms"), Err("a 6th of the rounds has 120 requests, and needs 1000".to_owned()));
        assert_eq!(figure("response_p50_ms", &[]), Err("a run has 0 requests, and needs 20".to_owned()));
        let two = figure("response_p90_ms", &rounds[..2]);
        assert_eq!(two, Err("a run has 60 requests, and needs 100".to_owned()));
    }

    #[test]
    fn quantiles_are_of_all_requests_of_a_part() {
        let rounds = [round(1, [1, 1, 1]), round(8, [2, 2, 2]), round(1, [9, 9, 9])];
        let at = |q| response_ms(&rounds, A, q);
        assert_eq!((at(0.1), at(0.5), at(0.9), at(0.99)), (Some(1.0), Some(2.0), Some(2.0), Some(9.0)));
        assert_eq!(response_ms(&[], A, 0.5), None);
    }
}
