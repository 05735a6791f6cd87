//! Running splits for real, beside two copies of the monolith: the answers, lone requests in pairs, and blocks under load.

mod alone;
mod answers;
mod blocks;
mod deployment;

use splitcost_load::{Plan, Workload};
use splitcost_model::audit::Audit;
use splitcost_model::estimate::Arms;
use splitcost_model::recording::Recording;
use splitcost_model::rehearsal::{AloneEndpoint, Rehearsal, RehearsedEndpoint};
use splitcost_model::split::Split;

use crate::app::AppSpec;
use crate::drive::{Driven, Driver, check_some_ok, failures};
use crate::python::Python;
use crate::spelled::SpelledNames;
use crate::{Cancel, Progress, Result, Step};
pub(crate) use answers::compare as compare_answers;
use blocks::{Arm, Blocks, UnderLoad, after, figures, response};
pub use deployment::AnsweredCalls;
pub(crate) use deployment::{Deployment, Parts};

/// Chosen: connections are open, thread pools grown, code specialised.
pub(crate) const WARM_UP_SECS: f64 = 1.2;
/// The monolith's lone requests before a fault, which tell how fast the machine is, per round.
///
/// Chosen: with all rounds a thousand requests of an app that answers in milliseconds.
const LONE_SECS: f64 = 0.3;
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
    /// Rounds; each runs every arm once at saturation and once under load, in shuffled order.
    pub rounds: u32,
    /// Seed of the order and the intervals.
    pub seed: u64,
    /// Requests whose answers are compared with the monolith's, at least one of each kind; none of them for 0.
    pub compare: u32,
}

/// The measurements of a rehearsal.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// One per split; the audit of each is left to the caller.
    pub rehearsals: Vec<Rehearsal>,
    /// The calls that the services of each split answered for the audit's requests.
    pub answered: Vec<AnsweredCalls>,
    /// The blocks under load that processes of others disturbed, if any.
    pub disturbed: Option<String>,
    /// Reason to doubt the numbers under load: the load generator was too slow, or others disturbed too much.
    pub doubtful: Option<String>,
    /// Warnings for the user's terminal only, as they may quote answers of the app.
    pub warnings: Vec<String>,
}

/// Planned seconds for so many splits.
pub fn planned_secs(splits: usize, rounds: u32) -> f64 {
    let arms = splits as f64 + 2.0;
    START_SECS * (2.0 + 2.0 * splits as f64)
        + WARM_UP_SECS * arms
        + alone::budget_secs(rounds, splits + 2)
        + blocks::planned_secs(splits, rounds)
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
    let step = Step { total_secs: planned_secs(splits.len(), conditions.rounds), ..Step::default() };
    let mut driver = Driver { workload, cancel, progress, step };
    driver.say("rehearse: starting the monolith and the splits");
    let parts = Parts { spec, python, workload, recording: conditions.recording, seed: conditions.seed, cancel };
    let mut deployments = vec![Deployment::monolith(spec, python, "the monolith", cancel)?];
    for split in splits {
        deployments.push(Deployment::of(split, parts, None)?);
    }
    deployments.push(Deployment::monolith(spec, python, "a second monolith", cancel)?);
    for deployment in &mut deployments {
        deployment.wait(spec, cancel)?;
    }
    driver.step.done_secs = START_SECS * (2.0 + 2.0 * splits.len() as f64);

    driver.say("rehearse: which calls are answered");
    let mut answered = Vec::new();
    for deployment in &mut deployments {
        let (mut apps, targets) = deployment.parts();
        driver.audit(&mut apps, &targets)?;
        cancel.check()?;
        answered.push(deployment.answered_calls()?);
    }
    // The monoliths have no services.
    answered.remove(0);
    answered.truncate(splits.len());

    let mut all: Vec<&mut Deployment> = deployments.iter_mut().collect();
    let answers = if conditions.compare > 0 {
        driver.say("rehearse: comparing answers");
        let names = SpelledNames::of(spec, python)?;
        compare_answers(&mut driver, &mut all, conditions.compare, &names)?
    } else {
        Vec::new()
    };

    driver.say("rehearse: warming up");
    let mut warnings = Vec::new();
    let mut closed_secs = Vec::new();
    for deployment in &mut all {
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

    let budget_secs = alone::budget_secs(conditions.rounds, all.len());
    let alone = alone::measure(&mut driver, &mut all, budget_secs, conditions.seed)?;
    let arms = deployments.into_iter().zip(closed_secs);
    let mut arms: Vec<Arm> = arms.map(|(deployment, closed_secs)| Arm { deployment, closed_secs }).collect();
    let blocks = blocks::measure(&mut driver, &mut arms, conditions)?;
    driver.say("rehearse: stopping the services");
    for arm in &mut arms {
        arm.deployment.stop()?;
    }
    let mut rehearsals = alone
        .into_iter()
        .enumerate()
        .map(|(index, alone)| rehearsal(&blocks, index, alone, &arms[index + 1].deployment, conditions.seed))
        .collect::<Result<Vec<_>>>()?;
    for (rehearsal, answers) in rehearsals.iter_mut().zip(answers) {
        rehearsal.answers = Some(answers);
    }
    let disturbed = blocks.disturbed.is_some().then(|| blocks.disturbed.in_words());
    Ok(Rehearsed { rehearsals, answered, disturbed, doubtful: blocks.doubtful(), warnings })
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

/// The measurement of one split.
fn rehearsal(
    blocks: &Blocks,
    index: usize,
    alone: Vec<AloneEndpoint>,
    deployment: &Deployment,
    seed: u64,
) -> Result<Rehearsal> {
    let UnderLoad { rate_reqs_per_sec, monolith, split, control } = &blocks.under_load[index];
    let saturation = &blocks.saturation;
    let endpoints = split.first().map(|run| run.outcome.endpoints.iter()).into_iter().flatten();
    Ok(Rehearsal {
        load_reqs_per_sec: *rate_reqs_per_sec,
        figures: Arms {
            monolith: figures(&saturation[0], monolith, seed),
            split: figures(&saturation[index + 1], split, seed),
        },
        control: Some(figures(&saturation[saturation.len() - 1], control, seed)),
        alone,
        endpoints: endpoints
            .enumerate()
            .map(|(i, endpoint)| RehearsedEndpoint {
                name: endpoint.name.clone(),
                failed_requests: split.iter().map(|run| run.outcome.endpoints[i].failed.total()).sum(),
                response: Arms { monolith: response(monolith, i, seed), split: response(split, i, seed) },
                control: response(control, i, seed),
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
