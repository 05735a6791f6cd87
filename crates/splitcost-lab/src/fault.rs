//! The rehearsal of a split with a fault of the services that others call.

use std::time::Duration;

use splitcost_load::{Plan, Stop, Workload};
use splitcost_model::fault::{EndedRequest, FaultRehearsal, RehearsedUnderFault, UnderFault};
use splitcost_model::policy::{Fault, FaultPlan};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::Recording;
use splitcost_model::split::Split;

use crate::app::AppSpec;
use crate::drive::{Driver, check_some_ok};
use crate::python::Python;
use crate::rehearse::{Deployment, Parts, START_SECS, WARM_UP_SECS};
use crate::{Cancel, Progress, Result, Step};

/// Connections that the load generator may have: requests that are stuck keep theirs.
///
/// Chosen: as many as come in the time until it gives up, at 400 requests/s.
const MAX_CONNECTIONS: usize = 4_000;

/// A split to run, and its load.
#[derive(Clone, Copy, Debug)]
pub struct SplitRun<'a> {
    /// The split.
    pub split: &'a Split,
    /// Arrival rate.
    pub rate_reqs_per_sec: f64,
}

/// Planned seconds of one, on so many services.
pub fn planned_secs(plan: &FaultPlan, services: usize, deadline: Duration) -> f64 {
    let drain = Plan::open(1.0, Stop::Requests(1)).deadline.as_secs_f64().min(deadline.as_secs_f64());
    START_SECS * services as f64 + WARM_UP_SECS + plan.load().as_secs_f64() + drain / 4.0
}

/// Runs a split at its rate with a fault, and measures the outcome of its requests. `made` is the fault as
/// [`FaultPlan::made`] gives it for this split.
#[expect(clippy::too_many_arguments, reason = "an app, its load, a split of it, and who watches")]
pub fn rehearse_fault(
    spec: &AppSpec,
    python: &Python,
    workload: &Workload,
    run: &SplitRun<'_>,
    recording: &Recording,
    plan: &FaultPlan,
    made: Fault,
    seed: u64,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<FaultRehearsal> {
    let split = run.split;
    let services = split.service_names().len();
    let total_secs = planned_secs(plan, services, spec.deadline);
    let mut driver = Driver { workload, cancel, progress, step: Step { total_secs, ..Step::default() } };
    let label = format!("rehearse: {} under {}, {}", split.name, plan.fault, split.calls);
    driver.say(format!("{label}: starting"));
    let parts = Parts { spec, python, workload, recording, seed, cancel };
    let mut deployment = Deployment::of(split, parts, Some(made))?;
    deployment.wait(spec, cancel)?;
    driver.step.done_secs = START_SECS * services as f64;

    driver.say(format!("{label}: warming up"));
    let (mut apps, targets) = deployment.parts();
    let warm_up = Plan { seed_offset: 1, ..Plan::closed(4, Stop::After(Nanos::from_secs_f64(WARM_UP_SECS))) };
    let outcome = driver.run(&mut apps, &targets, &warm_up, WARM_UP_SECS)?.outcome;
    cancel.check()?;
    check_some_ok(&outcome, &apps)?;

    driver.say(label);
    let load = Plan {
        seed_offset: 100,
        keep_ended: true,
        max_connections: MAX_CONNECTIONS,
        ..Plan::open(run.rate_reqs_per_sec, Stop::After(plan.load()))
    };
    deployment.fail(made, plan.before, plan.lasts)?;
    let (mut apps, targets) = deployment.parts();
    let outcome = driver.run(&mut apps, &targets, &load, plan.load().as_secs_f64())?.outcome;
    cancel.check()?;
    deployment.stop()?;
    let attempts = deployment.attempts()?;
    let (from, until) = (plan.before.as_secs_f64(), (plan.before + plan.lasts).as_secs_f64());
    let endpoints = outcome.endpoints.iter().enumerate().map(|(index, endpoint)| {
        let of_endpoint = outcome.ended_requests.iter().filter(|(of, _)| *of == index);
        let ended: Vec<EndedRequest> = of_endpoint.map(|(_, request)| *request).collect();
        let attempts = attempts.get(&endpoint.name).copied().unwrap_or_default();
        let outcome = UnderFault::of(&ended, from, until, attempts);
        RehearsedUnderFault { name: endpoint.name.clone(), outcome }
    });
    Ok(FaultRehearsal { endpoints: endpoints.collect(), emulations: deployment.emulations()? })
}
