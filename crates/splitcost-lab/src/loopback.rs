//! Loopbacks: one process of the app per split, in which the calls between its services go through the codec and back.

use std::collections::BTreeMap;

use splitcost_load::{Outcome, Workload};
use splitcost_model::loopback::{CrossedCalls, FailedRequests, Loopback};
use splitcost_model::split::Split;

use crate::app::AppSpec;
use crate::drive::{Driver, check_some_ok};
use crate::python::Python;
use crate::rehearse::{Deployment, START_SECS, Seen, compare_answers};
use crate::spelled::SpelledNames;
use crate::{Cancel, Error, Progress, Result, Step};

/// Time for all requests to one process, for the progress only.
///
/// Chosen: a hundred requests of an app that answers in milliseconds, one after the other.
const REQUESTS_SECS: f64 = 1.0;

/// Sends the same requests, one after the other, to the monolith, to a second one, and to a loopback of every split;
/// the answers to `compare` of them are compared.
pub fn run(
    spec: &AppSpec,
    python: &Python,
    workload: &Workload,
    splits: &[Split],
    compare: u32,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Vec<Loopback>> {
    let processes = splits.len() as f64 + 2.0;
    let step = Step { total_secs: processes * (START_SECS + REQUESTS_SECS), ..Step::default() };
    let mut driver = Driver { workload, cancel, progress, step };
    driver.say("loopback: starting the app");
    let mut monolith = Deployment::monolith(spec, python, "the monolith", cancel)?;
    let mut second = Deployment::monolith(spec, python, "a second monolith", cancel)?;
    let loopbacks = splits.iter().map(|split| Deployment::loopback(spec, python, split, cancel));
    let mut loopbacks = loopbacks.collect::<Result<Vec<_>>>()?;
    for deployment in [&mut monolith, &mut second].into_iter().chain(&mut loopbacks) {
        deployment.wait(spec, cancel)?;
    }
    driver.step.done_secs = processes * START_SECS;

    driver.say("loopback: sending requests");
    let mut broken = Vec::new();
    for deployment in [&mut monolith, &mut second] {
        let (mut apps, targets) = deployment.parts();
        driver.opened(&mut apps, &targets)?;
    }
    let mut opened = Vec::new();
    for (split, mut deployment) in splits.iter().zip(loopbacks) {
        let (mut apps, targets) = deployment.parts();
        match driver.opened(&mut apps, &targets) {
            Ok(_) => opened.push((split, deployment)),
            Err(error @ Error::Before { .. }) => broken.push((split, deployment, error.to_string())),
            Err(error) => return Err(error),
        }
    }
    let (splits, mut loopbacks): (Vec<&Split>, Vec<Deployment>) = opened.into_iter().unzip();
    let first = std::iter::once(&mut monolith);
    let mut arms: Vec<&mut Deployment> = first.chain(&mut loopbacks).chain(std::iter::once(&mut second)).collect();
    let (mut outcomes, mut before) = (Vec::new(), Vec::new());
    for arm in &mut arms {
        before.push(arm.requests()?);
        let (mut apps, targets) = arm.parts();
        let outcome = driver.audit(&mut apps, &targets)?.outcome;
        cancel.check()?;
        if outcomes.is_empty() {
            check_some_ok(&outcome, &apps)?;
        }
        outcomes.push(outcome);
    }
    driver.say("loopback: comparing answers");
    let names = SpelledNames::of(spec, python)?;
    let twins = [0, arms.len() - 1];
    let answers = compare_answers(&mut driver, &mut arms, twins, compare, &names)?;

    let mut found = Vec::new();
    let of_monolith = outcomes.remove(0);
    let sent = outcomes.into_iter().zip(before.into_iter().skip(1));
    for (((split, deployment), (outcome, before)), answers) in splits.iter().zip(&mut loopbacks).zip(sent).zip(answers)
    {
        deployment.stop()?;
        let seen = deployment.seen()?;
        found.push(Loopback {
            split: split.name.clone(),
            requests: seen.requests.saturating_sub(before),
            requests_before: before,
            failed: failed(&outcome, &of_monolith),
            crossed: crossed(seen.calls),
            obstacles: seen.obstacles,
            answers,
            broken: None,
        });
    }
    for (split, mut deployment, problem) in broken {
        deployment.stop()?;
        let Seen { requests, calls, obstacles } = deployment.seen()?;
        found.push(Loopback {
            split: split.name.clone(),
            requests_before: requests,
            crossed: crossed(calls),
            obstacles,
            broken: Some(problem),
            ..Loopback::default()
        });
    }
    Ok(found)
}

/// Puts the failed requests of a loopback beside those of the monolith.
fn failed(of_loopback: &Outcome, of_monolith: &Outcome) -> Vec<FailedRequests> {
    let of_monolith = |name: &str| of_monolith.endpoint(name).map_or(0, |endpoint| endpoint.failed.total());
    let failing = of_loopback.endpoints.iter().filter(|endpoint| endpoint.failed.total() > 0);
    let failing = failing.map(|endpoint| FailedRequests {
        endpoint: endpoint.name.clone(),
        failed: endpoint.failed.total(),
        failed_in_monolith: of_monolith(&endpoint.name),
    });
    failing.collect()
}

/// Orders functions by the number of their calls.
fn crossed(calls: BTreeMap<String, (u64, u64)>) -> Vec<CrossedCalls> {
    let calls = calls.into_iter().map(|(callee, (calls, raised))| CrossedCalls { callee, calls, raised });
    let mut calls: Vec<CrossedCalls> = calls.collect();
    calls.sort_by_key(|call| std::cmp::Reverse(call.calls));
    calls
}
