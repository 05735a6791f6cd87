//! Running splits for real, beside the monolith, in shuffled rounds.

mod answers;
mod deployment;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use splitcost_load::{Plan, Stop, Workload};
use splitcost_model::audit::Audit;
use splitcost_model::estimate::{Arms, Figures, ResponseTimes};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::Recording;
use splitcost_model::rehearsal::{Rehearsal, RehearsedEndpoint};
use splitcost_model::split::Split;
use splitcost_model::statistics::{Bootstrap, Interval, quantiles_of_counts};

use crate::app::AppSpec;
use crate::drive::{Driven, Driver, check_some_ok, failures};
use crate::python::Python;
use crate::spelled::SpelledNames;
use crate::{Cancel, Progress, Result, Step};
pub(crate) use answers::compare as compare_answers;
pub use deployment::AnsweredCalls;
pub(crate) use deployment::{Deployment, Parts};

/// Chosen: connections are open, thread pools grown, code specialised.
pub(crate) const WARM_UP_SECS: f64 = 1.2;
/// Load before each measured run, which wakes an app that was idle while others were measured.
///
/// Chosen: more than the time that caches take, a sixth of the run.
const SETTLE_SECS: f64 = 0.15;
/// Many short runs rather than few long ones: the machine changes its speed within seconds.
///
/// Chosen: a hundred times the response time of an app that answers in milliseconds.
const OPEN_SECS: f64 = 0.9;
/// Chosen: a hundred requests and more, where a request takes milliseconds.
const CLOSED_SECS: (f64, f64) = (0.4, 4.0);
/// The monolith's lone requests in each round, which tell how fast the machine is.
///
/// Chosen: with all rounds a thousand requests of an app that answers in milliseconds.
const LONE_SECS: f64 = 0.3;
/// Requests per place in a closed loop, without the warm-up.
///
/// Measured: threads that share a GIL end nearly together, so a window of two turns counts one or two of them: 27
/// requests/s instead of 38 (examples/shop, `GET /users/{id}/orders` behind `pricing`, 2 cores, November 2026).
const CLOSED_TURNS: f64 = 4.0;
/// Time to start the processes, for the progress only.
///
/// Measured: `splitcost rehearse` on examples/shop, 2 cores, November 2026: 1.5 s for each process.
pub(crate) const START_SECS: f64 = 1.5;
/// Chosen: smooth at the size of a plot.
const DISTRIBUTION_POINTS: usize = 100;

/// One split to run.
#[derive(Clone, Copy, Debug)]
pub struct SplitRun<'a> {
    /// The split.
    pub split: &'a Split,
    /// Arrival rate in open loop.
    pub rate_reqs_per_sec: f64,
}

/// Conditions that all splits of a rehearsal share.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// The app's recording, which names the module that handles each endpoint.
    pub recording: &'a Recording,
    /// Requests in flight in closed loop.
    pub concurrency: u32,
    /// Rounds; each runs every arm once, in shuffled order.
    pub rounds: u32,
    /// Seed of the order and the intervals.
    pub seed: u64,
    /// Requests whose answers are compared with the monolith's, at least one of each kind; none of them for 0.
    pub compare: u32,
}

/// The measurements of a rehearsal.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// One per split, in the order of the runs; the audit of each is left to the caller.
    pub rehearsals: Vec<Rehearsal>,
    /// The calls that the services of each split answered for the audit's requests.
    pub answered: Vec<AnsweredCalls>,
    /// Duration of the monolith's lone requests, relative to their duration in the recording: the machine's slowness.
    pub slowness: f64,
    /// Reason to doubt the numbers, where the load generator was too slow.
    pub doubtful: Option<String>,
    /// Warnings for the user's terminal only, as they may quote answers of the app.
    pub warnings: Vec<String>,
}

/// Planned seconds for so many splits.
pub fn planned_secs(splits: usize, rounds: u32) -> f64 {
    let splits = splits as f64;
    let start = START_SECS * (2.0 + 2.0 * splits);
    let round = 2.0 * splits * (OPEN_SECS + SETTLE_SECS)
        + (splits + 1.0) * (CLOSED_SECS.0 + SETTLE_SECS)
        + LONE_SECS
        + SETTLE_SECS;
    start + WARM_UP_SECS * (splits + 1.0) + f64::from(rounds) * round
}

/// Runs every split and the monolith at the same time, measuring one after the other.
pub fn rehearse(
    spec: &AppSpec,
    python: &Python,
    workload: &Workload,
    runs: &[SplitRun<'_>],
    conditions: &Conditions<'_>,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Rehearsed> {
    let step = Step { total_secs: planned_secs(runs.len(), conditions.rounds), ..Step::default() };
    let mut driver = Driver { workload, cancel, progress, step };
    driver.say("rehearse: starting the monolith and the splits");
    let parts = Parts { spec, python, workload, recording: conditions.recording, seed: conditions.seed, cancel };
    let mut arms = vec![Arm::new(Deployment::monolith(spec, python, "the monolith", cancel)?)];
    for run in runs {
        arms.push(Arm::new(Deployment::of(run, parts, None)?));
    }
    // Only as long as answers are compared.
    let second = || Deployment::monolith(spec, python, "a second monolith", cancel);
    let mut second = (conditions.compare > 0).then(second).transpose()?;
    for deployment in arms.iter_mut().map(|arm| &mut arm.deployment).chain(&mut second) {
        deployment.wait(spec, cancel)?;
    }
    driver.step.done_secs = START_SECS * (2.0 + 2.0 * runs.len() as f64);

    driver.say("rehearse: which calls are answered");
    let mut answered = Vec::new();
    for arm in &mut arms {
        let (mut apps, targets) = arm.deployment.parts();
        driver.audit(&mut apps, &targets)?;
        cancel.check()?;
        answered.push(arm.deployment.answered_calls()?);
    }
    answered.remove(0); // The monolith has no services.

    let answers = match &mut second {
        Some(second) => {
            driver.say("rehearse: comparing answers");
            let names = SpelledNames::of(spec, python)?;
            let mut arms: Vec<&mut Deployment> = arms.iter_mut().map(|arm| &mut arm.deployment).collect();
            compare_answers(&mut driver, &mut arms, second, conditions.compare, &names)?
        }
        None => Vec::new(),
    };
    if let Some(mut second) = second {
        second.stop()?;
    }

    driver.say("rehearse: warming up");
    let mut warnings = Vec::new();
    for arm in &mut arms {
        let plan = Plan { seed_offset: 1, ..Plan::closed(4, after(WARM_UP_SECS)) };
        let (mut apps, targets) = arm.deployment.parts();
        let outcome = driver.run(&mut apps, &targets, &plan, WARM_UP_SECS)?.outcome;
        cancel.check()?;
        check_some_ok(&outcome, &apps)?;
        let name = &arm.deployment.name;
        warnings.extend(failures(&outcome).into_iter().map(|failure| format!("{name}: {failure}")));
        let turn_secs = f64::from(conditions.concurrency) / outcome.throughput_reqs_per_sec();
        arm.closed_secs = (CLOSED_TURNS * turn_secs).clamp(CLOSED_SECS.0, CLOSED_SECS.1);
    }

    let measured = rounds(&mut driver, &mut arms, runs, conditions)?;
    driver.say("rehearse: stopping the services");
    for arm in &mut arms {
        arm.deployment.stop()?;
    }
    let mut rehearsals = runs
        .iter()
        .enumerate()
        .map(|(index, run)| rehearsal(run, &measured, index, &arms[index + 1].deployment, conditions.seed))
        .collect::<Result<Vec<_>>>()?;
    for (rehearsal, answers) in rehearsals.iter_mut().zip(answers) {
        rehearsal.answers = Some(answers);
    }
    let slowness = slowness(conditions.recording, &measured.lone);
    Ok(Rehearsed { rehearsals, answered, slowness, doubtful: measured.invalid(), warnings })
}

/// Measures the machine's slowness now: the duration of the monolith's lone requests, relative to the recording's.
pub fn slowness_now(
    spec: &AppSpec,
    python: &Python,
    workload: &Workload,
    conditions: &Conditions<'_>,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<f64> {
    let total_secs = START_SECS + WARM_UP_SECS + LONE_SECS * f64::from(conditions.rounds);
    let mut driver = Driver { workload, cancel, progress, step: Step { total_secs, ..Step::default() } };
    driver.say("rehearse: how fast the machine is now");
    let mut monolith = Deployment::monolith(spec, python, "the monolith", cancel)?;
    monolith.wait(spec, cancel)?;
    let (mut apps, targets) = monolith.parts();
    let lone = |secs| Plan { seed_offset: 1, ..Plan::closed(1, after(secs)) };
    driver.run(&mut apps, &targets, &lone(WARM_UP_SECS), WARM_UP_SECS)?;
    let secs = LONE_SECS * f64::from(conditions.rounds);
    let run = driver.run(&mut apps, &targets, &lone(secs), secs)?;
    cancel.check()?;
    check_some_ok(&run.outcome, &apps)?;
    Ok(slowness(conditions.recording, &[run]))
}

/// Returns the duration of lone requests relative to those recorded without the recorder: the geometric mean of the
/// ratios of medians, weighted by requests. One if the app was not recorded so.
fn slowness(recording: &Recording, lone: &[Driven]) -> f64 {
    let Some(recorded) = recording.meta.lone_phase_of(true) else { return 1.0 };
    let mut runs = lone.iter();
    let Some(mut all) = runs.next().map(|run| run.outcome.clone()) else { return 1.0 };
    runs.for_each(|run| all.merge(&run.outcome));
    let (mut weights, mut sum) = (0.0, 0.0);
    for before in recorded.endpoints.iter().filter(|e| e.ok > 0) {
        let now = all.endpoint(&before.name).filter(|e| e.ok > 0);
        let Some(median) = now.and_then(|e| e.response.quantile(0.5)) else { continue };
        let weight = before.ok as f64;
        weights += weight;
        sum += weight * (median.as_nanos_f64() / before.response_nanos_p50 as f64).ln();
    }
    if weights > 0.0 { (sum / weights).exp() } else { 1.0 }
}

/// The monolith or a split, and how long a run in closed loop is.
struct Arm {
    deployment: Deployment,
    closed_secs: f64,
}

impl Arm {
    fn new(deployment: Deployment) -> Self {
        Self { deployment, closed_secs: CLOSED_SECS.0 }
    }
}

/// The measured runs, by arm and round.
#[derive(Default)]
struct Measured {
    baseline_open: Vec<Vec<Driven>>,
    split_open: Vec<Vec<Driven>>,
    /// The monolith's first, then the splits'.
    closed: Vec<Vec<Driven>>,
    /// The monolith's, one request at a time.
    lone: Vec<Driven>,
}

impl Measured {
    fn invalid(&self) -> Option<String> {
        let all = self.baseline_open.iter().chain(&self.split_open).flatten();
        let reasons: Vec<String> = all.filter_map(|run| run.outcome.invalid()).collect();
        let first = reasons.first()?;
        let runs = if reasons.len() == 1 { "run of the rehearsal is" } else { "runs of the rehearsal are" };
        Some(format!("{} {runs} doubtful; the first: {first}", reasons.len()))
    }
}

#[derive(Clone, Copy)]
enum Drive {
    BaselineOpen(usize),
    SplitOpen(usize),
    Closed(usize),
    Lone,
}

/// Runs every arm once in each round, in shuffled order.
fn rounds(
    driver: &mut Driver<'_>,
    arms: &mut [Arm],
    split_runs: &[SplitRun<'_>],
    conditions: &Conditions<'_>,
) -> Result<Measured> {
    let splits = split_runs.len();
    let empty = |n: usize| (0..n).map(|_| Vec::new()).collect::<Vec<Vec<Driven>>>();
    let mut runs = Measured {
        baseline_open: empty(splits),
        split_open: empty(splits),
        closed: empty(splits + 1),
        lone: Vec::new(),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(conditions.seed);
    let concurrency = usize::try_from(conditions.concurrency).unwrap_or(1).max(1);
    for round in 0..conditions.rounds {
        let mut order: Vec<Drive> = (0..splits).flat_map(|i| [Drive::BaselineOpen(i), Drive::SplitOpen(i)]).collect();
        order.extend((0..=splits).map(Drive::Closed));
        order.push(Drive::Lone);
        order.shuffle(&mut rng);
        for arm in order {
            driver.say(format!("rehearse: round {} of {}", round + 1, conditions.rounds));
            let (deployment, plan, secs) = match arm {
                Drive::BaselineOpen(i) => (0, Plan::open(split_runs[i].rate_reqs_per_sec, after(OPEN_SECS)), OPEN_SECS),
                Drive::SplitOpen(i) => {
                    (i + 1, Plan::open(split_runs[i].rate_reqs_per_sec, after(OPEN_SECS)), OPEN_SECS)
                }
                Drive::Lone => (0, Plan::closed(1, after(LONE_SECS)), LONE_SECS),
                Drive::Closed(i) => {
                    let secs = arms[i].closed_secs;
                    let warm_up = Nanos::from_secs_f64(secs / CLOSED_TURNS);
                    (i, Plan { warm_up, ..Plan::closed(concurrency, after(secs)) }, secs)
                }
            };
            // The same requests in every arm of a round.
            let plan = Plan { seed_offset: 100 + u64::from(round), ..plan };
            let settle = Plan { seed_offset: 2, ..Plan::closed(2, after(SETTLE_SECS)) };
            let (mut apps, targets) = arms[deployment].deployment.parts();
            driver.run(&mut apps, &targets, &settle, SETTLE_SECS)?;
            let run = driver.run(&mut apps, &targets, &plan, secs)?;
            driver.cancel.check()?;
            match arm {
                Drive::BaselineOpen(i) => runs.baseline_open[i].push(run),
                Drive::SplitOpen(i) => runs.split_open[i].push(run),
                Drive::Closed(i) => runs.closed[i].push(run),
                Drive::Lone => runs.lone.push(run),
            }
        }
    }
    Ok(runs)
}

/// The measurement of one split.
fn rehearsal(
    run: &SplitRun<'_>,
    measured: &Measured,
    index: usize,
    deployment: &Deployment,
    seed: u64,
) -> Result<Rehearsal> {
    let (baseline, open) = (&measured.baseline_open[index], &measured.split_open[index]);
    let endpoints = open.first().map(|run| run.outcome.endpoints.iter()).into_iter().flatten();
    let figures = |closed: &[Driven], open: &[Driven]| Figures {
        saturation_reqs_per_sec: throughput(closed, seed),
        cpu_secs_per_request: cpu_per_request(open, seed),
        cores: cores(open, seed),
    };
    Ok(Rehearsal {
        load_reqs_per_sec: run.rate_reqs_per_sec,
        figures: Arms {
            monolith: figures(&measured.closed[0], baseline),
            split: figures(&measured.closed[index + 1], open),
        },
        endpoints: endpoints
            .enumerate()
            .map(|(i, endpoint)| RehearsedEndpoint {
                name: endpoint.name.clone(),
                failed_requests: open.iter().map(|run| run.outcome.endpoints[i].failed.total()).sum(),
                response: Arms { monolith: response(baseline, i, seed), split: response(open, i, seed) },
            })
            .collect(),
        cannot_cross: deployment.cannot_cross()?,
        uses: deployment.uses()?,
        transactions: deployment.transactions()?,
        audit: Audit::default(),
        answers: None,
        emulations: deployment.emulations()?,
    })
}

fn response(runs: &[Driven], endpoint: usize, seed: u64) -> Option<ResponseTimes> {
    let times = Times::of(runs, endpoint);
    let [p50_ms, p90_ms, p99_ms] =
        Bootstrap::ninety(seed).intervals(runs.len(), |picked| times.quantiles_ms(picked, [0.5, 0.9, 0.99]))?;
    Some(ResponseTimes { p50_ms, p90_ms, p99_ms, distribution: distribution(runs, endpoint) })
}

/// Response times of one endpoint in all rounds.
struct Times {
    rounds: usize,
    /// Time, round and count, by time.
    counts: Vec<(Nanos, usize, u64)>,
}

impl Times {
    fn of(runs: &[Driven], endpoint: usize) -> Self {
        let of_round = |(round, run): (usize, &Driven)| {
            let counts: Vec<(Nanos, u64)> = run.outcome.endpoints[endpoint].response.counts().collect();
            counts.into_iter().map(move |(time, count)| (time, round, count))
        };
        let mut counts: Vec<(Nanos, usize, u64)> = runs.iter().enumerate().flat_map(of_round).collect();
        counts.sort_unstable();
        Self { rounds: runs.len(), counts }
    }

    /// Ascending quantiles over the picked rounds; `None` when these hold no request.
    fn quantiles_ms<const N: usize>(&self, picked: &[usize], wanted: [f64; N]) -> Option<[f64; N]> {
        let mut weights = vec![0_u64; self.rounds];
        for round in picked {
            weights[*round] += 1;
        }
        let buckets = self.counts.iter().map(|(time, round, count)| (time.as_millis_f64(), weights[*round] * count));
        quantiles_of_counts(buckets, wanted)
    }
}

fn distribution(runs: &[Driven], endpoint: usize) -> Vec<(f64, f64)> {
    let mut histograms = runs.iter().map(|run| &run.outcome.endpoints[endpoint].response);
    let Some(mut merged) = histograms.next().cloned() else { return Vec::new() };
    histograms.for_each(|histogram| merged.merge(histogram));
    let curve = merged.cumulative(DISTRIBUTION_POINTS);
    curve.into_iter().map(|(duration, share)| (duration.as_millis_f64(), share)).collect()
}

fn throughput(runs: &[Driven], seed: u64) -> Option<Interval> {
    ratio(runs, seed, |run| (run.outcome.ok_in_window as f64, run.outcome.window.as_secs_f64()))
}

fn cpu_per_request(runs: &[Driven], seed: u64) -> Option<Interval> {
    ratio(runs, seed, |run| (run.cpu.as_secs_f64(), (run.outcome.ok() + run.outcome.failed()) as f64))
}

fn cores(runs: &[Driven], seed: u64) -> Option<Interval> {
    ratio(runs, seed, |run| (run.cpu.as_secs_f64(), run.outcome.window.as_secs_f64()))
}

/// The ratio of two sums over rounds.
fn ratio(runs: &[Driven], seed: u64, parts: impl Fn(&Driven) -> (f64, f64)) -> Option<Interval> {
    Bootstrap::ninety(seed).interval(runs.len(), |picked| {
        let sum = |(a, b): (f64, f64), (c, d): (f64, f64)| (a + c, b + d);
        let (part, whole) = picked.iter().map(|round| parts(&runs[*round])).fold((0.0, 0.0), sum);
        (whole > 0.0).then_some(part / whole)
    })
}

fn after(secs: f64) -> Stop {
    Stop::After(Nanos::from_secs_f64(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_over_the_picked_rounds() {
        let counts = [(1, 0, 50), (2, 1, 50), (3, 0, 50), (4, 1, 50)];
        let counts = counts.map(|(millis, round, count)| (Nanos::from_millis(millis), round, count)).to_vec();
        let times = Times { rounds: 3, counts };
        assert_eq!(times.quantiles_ms(&[0, 1, 2], [0.5, 0.9]), Some([2.0, 4.0]));
        assert_eq!(times.quantiles_ms(&[0, 0, 0], [0.5, 0.9]), Some([1.0, 3.0]));
        assert_eq!(times.quantiles_ms(&[2, 2, 2], [0.5, 0.9]), None);
    }
}
