//! Running splits for real, beside two copies of the monolith: the answers, lone requests in pairs, and blocks under load.

mod alone;
mod answers;
mod blocks;
mod deployment;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use splitcost_load::{Plan, Targets, Workload};
use splitcost_model::audit::Audit;
use splitcost_model::course::{Course, Precision};
use splitcost_model::recording::Recording;
use splitcost_model::rehearsal::{AloneEndpoint, Rehearsal};
use splitcost_model::split::Split;
use splitcost_model::statistics::Interval;

use crate::app::AppSpec;
use crate::drive::{Driven, Driver, check_some_ok, failure, failures};
use crate::python::Python;
use crate::spelled::SpelledNames;
use crate::{Cancel, Error, Progress, Result, Step};
use alone::Alone;
pub(crate) use answers::compare as compare_answers;
use blocks::{Arm, Blocks, Measured, after};
pub use deployment::AnsweredCalls;
pub(crate) use deployment::{Deployment, Parts, Seen};

/// Chosen: connections are open, thread pools grown, code specialised.
pub(crate) const WARM_UP_SECS: f64 = 1.2;
/// The monolith's lone requests before a fault, which tell how fast the machine is.
///
/// Chosen: a thousand requests of an app that answers in milliseconds.
const LONE_SECS: f64 = 2.4;
/// The share of the workload's requests from which on an endpoint's figures are to be precise.
///
/// Chosen: a route that fewer than one request in a hundred uses decides nothing.
const MATTERS_SHARE: f64 = 0.01;
/// Time to start the processes, for the progress only.
///
/// Measured: `splitcost rehearse` on examples/shop, 2 cores, November 2026: 1.5 s for each process.
pub(crate) const START_SECS: f64 = 1.5;

/// Conditions that all splits of a rehearsal share.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// The app's recording, which names the module that handles each endpoint.
    pub recording: &'a Recording,
    /// Arrival rate under load; `None` for a share of the saturation that the rehearsal measures
    /// ([`LOAD_SHARE`](splitcost_model::estimate::LOAD_SHARE)).
    pub rate_reqs_per_sec: Option<f64>,
    /// All splits run at the same rate: at that of the split that can take least.
    pub shares_load: bool,
    /// Requests in flight at saturation.
    pub concurrency: u32,
    /// Time for all splits together, from the start of the first process. It is exceeded where the fewest requests that the
    /// statistics need take longer.
    pub budget: Duration,
    /// Precision at which a measurement ends earlier: half the width of the intervals of lone requests and of saturation, as a
    /// share. Medians under load have twice this, and others may keep that share of the cores busy.
    pub precision: f64,
    /// Seed of the order and the intervals.
    pub seed: u64,
    /// Requests whose answers are compared with the monolith's, at least one of each kind; none of them for 0.
    pub compare: u32,
}

/// The measurements of a rehearsal.
#[derive(Clone, Debug, Default)]
pub struct Rehearsed {
    /// One per split; the audit of each is left to the caller.
    pub rehearsals: Vec<Rehearsal>,
    /// The calls that the services of each split answered for the audit's requests.
    pub answered: Vec<AnsweredCalls>,
    /// The course of the rehearsal.
    pub course: Course,
    /// Reason to doubt the numbers under load: the load generator was too slow.
    pub doubtful: Option<String>,
    /// Warnings for the user's terminal only, as they may quote answers of the app.
    pub warnings: Vec<String>,
    /// The splits that are in none of these, as they do not answer a request before the load, with the problem, which may
    /// quote the app.
    pub broken: BTreeMap<String, String>,
}

/// Planned seconds for so many splits.
pub fn planned_secs(splits: usize, budget: Duration) -> f64 {
    let arms = splits as f64 + 2.0;
    let least = START_SECS * (2.0 + 2.0 * splits as f64) + WARM_UP_SECS * arms + blocks::fewest_secs(splits);
    least.max(budget.as_secs_f64())
}

/// Returns half the width of a ratio's interval, as a share.
fn half_width(ratio: Interval) -> f64 {
    (ratio.high / ratio.low).ln().abs() / 2.0
}

/// Returns true if an endpoint has a part in the load that is worth its precision.
fn matters(workload: &Workload, endpoint: usize) -> bool {
    let weight = |request: &splitcost_load::Request| f64::from(request.weight());
    let all: f64 = workload.requests().iter().map(weight).sum();
    weight(&workload.requests()[endpoint]) >= MATTERS_SHARE * all
}

/// Runs every split and two copies of the monolith at the same time, measuring one after the other.
pub fn rehearse(
    spec: &AppSpec,
    python: &Python,
    workload: &Workload,
    splits: &[&Split],
    conditions: &Conditions<'_>,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Rehearsed> {
    let begun = Instant::now();
    let step = Step { total_secs: planned_secs(splits.len(), conditions.budget), ..Step::default() };
    let mut driver = Driver { workload, cancel, progress, step };
    driver.say("rehearse: starting the monolith and the splits");
    let parts = Parts { spec, python, workload, recording: conditions.recording, seed: conditions.seed, cancel };
    // Only its answers are of interest: all figures are of monoliths and splits under the same hooks.
    let mut as_it_is = match conditions.compare {
        0 => None,
        _ => Some(Deployment::monolith(spec, python, "the app as it is", cancel)?),
    };
    let mut deployments = vec![Deployment::whole(parts, "the monolith")?];
    for split in splits {
        deployments.push(Deployment::of(split, parts, None)?);
    }
    deployments.push(Deployment::whole(parts, "a second monolith")?);
    for deployment in as_it_is.iter_mut().chain(&mut deployments) {
        deployment.wait(spec, cancel)?;
    }
    driver.step.done_secs = begun.elapsed().as_secs_f64();

    driver.say("rehearse: which calls are answered");
    let Audited { opened: mut deployments, answered, broken, mut warnings } =
        audit_all(&mut driver, deployments, splits)?;
    let splits: Vec<&Split> = splits.iter().copied().filter(|split| !broken.contains_key(&split.name)).collect();
    if splits.is_empty() {
        return Ok(Rehearsed { warnings, broken, ..Rehearsed::default() });
    }
    let mut answers = Vec::new();
    if let Some(as_it_is) = &mut as_it_is {
        driver.say("rehearse: comparing answers");
        let (mut apps, targets) = as_it_is.parts();
        driver.audit(&mut apps, &targets)?;
        let names = SpelledNames::of(spec, python)?;
        let mut all: Vec<&mut Deployment> = std::iter::once(as_it_is).chain(&mut deployments).collect();
        let twins = [1, all.len() - 1];
        answers = compare_answers(&mut driver, &mut all, twins, conditions.compare, &names)?;
        all[0].stop()?;
    }

    driver.say("rehearse: warming up");
    let mut closed_secs = Vec::new();
    for deployment in &mut deployments {
        let plan = Plan { seed_offset: 1, ..Plan::closed(4, after(WARM_UP_SECS)) };
        let (mut apps, targets) = deployment.parts();
        let outcome = driver.run(&mut apps, &targets, &plan, WARM_UP_SECS)?.outcome;
        cancel.check()?;
        check_some_ok(&outcome, &apps)?;
        let name = &deployment.name;
        warnings.extend(failures(&outcome).into_iter().map(|failure| format!("{name}: {failure}")));
        let turn_secs = f64::from(conditions.concurrency) / outcome.throughput_reqs_per_sec();
        closed_secs.push((blocks::CLOSED_TURNS * turn_secs).clamp(blocks::CLOSED_SECS.0, blocks::CLOSED_SECS.1));
    }

    let targets = deployments.iter_mut().map(|deployment| {
        let (mut apps, targets) = deployment.parts();
        driver.opened(&mut apps, &targets)
    });
    let targets: Vec<Targets> = targets.collect::<Result<_>>()?;
    let in_turn = workload.in_turn();
    let arms = deployments.into_iter().zip(closed_secs);
    let mut arms: Vec<Arm> = arms.map(|(deployment, closed_secs)| Arm { deployment, closed_secs }).collect();
    let mut alone = Alone::begin(&driver, &in_turn, &targets, conditions)?;
    let mut blocks = Blocks::new(workload, conditions, alone.slowest_secs());
    let names: Vec<&str> = splits.iter().map(|split| split.name.as_str()).collect();
    measure(&mut driver, &mut arms, &mut alone, &mut blocks, &names, begun)?;
    let secs = begun.elapsed().as_secs_f64();
    driver.say("rehearse: stopping the services");
    for arm in &mut arms {
        arm.deployment.stop()?;
    }
    let mut rehearsals = (0..splits.len())
        .map(|split| rehearsal(blocks.of_split(split), alone.of_split(split + 1), &arms[split + 1].deployment))
        .collect::<Result<Vec<_>>>()?;
    for (rehearsal, answers) in rehearsals.iter_mut().zip(answers) {
        rehearsal.answers = Some(answers);
    }
    let mut imprecise = precisions(&alone, &blocks, &names);
    imprecise.retain(|precision| precision.excess() > 1.0);
    let course = Course {
        secs,
        blocks: blocks.count(),
        discarded: blocks.referee.discarded(),
        machine: blocks.referee.machine(),
        imprecise,
        unfit: blocks.gave_up,
    };
    Ok(Rehearsed { rehearsals, answered, course, doubtful: blocks.late(), warnings, broken })
}

/// The deployments after the audit's requests.
struct Audited {
    /// A monolith, the splits that opened their sessions, and a second monolith.
    opened: Vec<Deployment>,
    /// The calls that the services of each of these splits answered.
    answered: Vec<AnsweredCalls>,
    /// The problems of the other splits.
    broken: BTreeMap<String, String>,
    /// The requests that failed in a split and not in the monolith.
    warnings: Vec<String>,
}

/// Sends the audit's requests to every deployment: a monolith, the splits, and a second monolith.
fn audit_all(driver: &mut Driver<'_>, deployments: Vec<Deployment>, splits: &[&Split]) -> Result<Audited> {
    let (mut answered, mut broken) = (Vec::new(), BTreeMap::new());
    let mut all = deployments.into_iter();
    let mut opened: Vec<Deployment> = all.by_ref().take(1).collect();
    // A monolith calls no service, but opens its sessions and sees the same requests.
    let of_monolith = audit(driver, &mut opened[0])?;
    let mut warnings = Vec::new();
    for (split, mut deployment) in splits.iter().zip(all.by_ref()) {
        match audit(driver, &mut deployment) {
            Ok(calls) => {
                let failed = calls.failed.iter().filter(|(endpoint, _)| !of_monolith.failed.contains_key(*endpoint));
                warnings.extend(failed.map(|(endpoint, failure)| {
                    format!("{}: {endpoint}: {failure}; what comes later may differ for that", deployment.name)
                }));
                answered.push(calls);
                opened.push(deployment);
            }
            Err(error @ Error::Before { .. }) => {
                broken.insert(split.name.clone(), error.to_string());
                deployment.stop()?;
            }
            Err(error) => return Err(error),
        }
    }
    for mut second in all {
        audit(driver, &mut second)?;
        opened.push(second);
    }
    Ok(Audited { opened, answered, broken, warnings })
}

/// Sends the audit's requests, and returns the calls that the services answered for these: none of those for which the users
/// opened their sessions.
fn audit(driver: &mut Driver<'_>, deployment: &mut Deployment) -> Result<AnsweredCalls> {
    let (mut apps, targets) = deployment.parts();
    driver.opened(&mut apps, &targets)?;
    let earlier = deployment.answered_calls()?;
    let (mut apps, targets) = deployment.parts();
    let outcome = driver.audit(&mut apps, &targets)?.outcome;
    driver.cancel.check()?;
    let all = deployment.answered_calls()?;
    let failed = outcome.endpoints.iter().filter_map(|endpoint| Some((endpoint.name.clone(), failure(endpoint)?)));
    Ok(AnsweredCalls { counted: all.counted.since(&earlier.counted), failed: failed.collect(), ..all })
}

/// Measures until the figures are precise or the budget is spent. Those that are not take turns: next is always what has had
/// least time, so that one figure that stays wide leaves time for the others.
fn measure(
    driver: &mut Driver<'_>,
    arms: &mut [Arm],
    alone: &mut Alone<'_>,
    blocks: &mut Blocks<'_>,
    names: &[&str],
    begun: Instant,
) -> Result<()> {
    let budget = blocks.budget();
    let mut spent = [Duration::ZERO; 3];
    loop {
        let is_late = begun.elapsed() >= budget;
        let wanted = [alone.wants_more(is_late), blocks.wants_saturation(is_late), blocks.wants_load(is_late)];
        let Some(next) = (0..3).filter(|kind| wanted[*kind]).min_by_key(|kind| spent[*kind]) else { return Ok(()) };
        let turn_begun = Instant::now();
        match next {
            0 => alone.turn(driver, arms, is_late)?,
            1 => blocks.saturate(driver, arms, is_late)?,
            _ => blocks.load(driver, arms, is_late)?,
        }
        spent[next] += turn_begun.elapsed();
        driver.step.done_secs = begun.elapsed().as_secs_f64().min(driver.step.total_secs);
        driver.step.so_far = precisions(alone, blocks, names).first().map_or_else(String::new, Precision::in_words);
    }
}

/// Returns the precision of all figures that matter, the one that is furthest from what was asked for first.
fn precisions(alone: &Alone<'_>, blocks: &Blocks<'_>, names: &[&str]) -> Vec<Precision> {
    let mut all: Vec<Precision> = alone.precisions().chain(blocks.precisions(names)).collect();
    all.sort_by(|a, b| b.excess().total_cmp(&a.excess()));
    all
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
    let total_secs = START_SECS + WARM_UP_SECS + LONE_SECS;
    let mut driver = Driver { workload, cancel, progress, step: Step { total_secs, ..Step::default() } };
    driver.say("rehearse: how fast the machine is now");
    let mut monolith = Deployment::monolith(spec, python, "the monolith", cancel)?;
    monolith.wait(spec, cancel)?;
    let (mut apps, targets) = monolith.parts();
    let lone = |secs| Plan { seed_offset: 1, ..Plan::closed(1, after(secs)) };
    driver.run(&mut apps, &targets, &lone(WARM_UP_SECS), WARM_UP_SECS)?;
    let run = driver.run(&mut apps, &targets, &lone(LONE_SECS), LONE_SECS)?;
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

/// The measurement of one split.
fn rehearsal(measured: Measured, alone: Vec<AloneEndpoint>, deployment: &Deployment) -> Result<Rehearsal> {
    let Measured { load_reqs_per_sec, figures, saturation_ratio, saturation_noise, endpoints } = measured;
    Ok(Rehearsal {
        load_reqs_per_sec,
        figures,
        saturation_ratio,
        saturation_noise,
        alone,
        endpoints,
        cannot_cross: deployment.cannot_cross()?,
        uses: deployment.uses()?,
        transactions: deployment.transactions()?,
        audit: Audit::default(),
        answers: None,
        emulations: deployment.emulations()?,
    })
}
