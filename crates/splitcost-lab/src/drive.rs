//! Load on started apps, measured together with their CPU time.

use splitcost_load::{EndpointOutcome, Failure, Outcome, Plan, Stop, Targets, Workload};
use splitcost_model::quantity::Nanos;

use crate::app::App;
use crate::{Cancel, Error, Progress, Result, Step};

/// Drives a workload, and reports the progress of the experiment.
pub(crate) struct Driver<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) cancel: &'a Cancel,
    pub(crate) progress: Progress<'a>,
    pub(crate) step: Step,
}

/// The outcome of a run, and the CPU time of the apps in it.
pub(crate) struct Driven {
    pub(crate) outcome: Outcome,
    pub(crate) cpu: Nanos,
}

impl Driven {
    /// Adds a later run of the same plan.
    pub(crate) fn merge(&mut self, later: &Self) {
        self.outcome.merge(&later.outcome);
        self.cpu += later.cpu;
    }
}

/// Times that an audit sends each request of the workload.
///
/// Chosen: values are drawn anew each time, and branches of the app depend on them.
const AUDIT_TURNS: u64 = 5;
/// The seed of an audit's requests, the same in a recording and in a rehearsal of it.
const AUDIT_SEED_OFFSET: u64 = 1_000;

impl Driver<'_> {
    /// Reports what is being done now.
    pub(crate) fn say(&mut self, label: impl Into<String>) {
        self.step.label = label.into();
        (self.progress)(&self.step);
    }

    /// Applies load for a planned time, and checks that the apps are still running afterwards. Before the first load, the
    /// users open their sessions at the first of the apps; it also shows which databases the apps use.
    pub(crate) fn run(&mut self, apps: &mut [&mut App], targets: &Targets, plan: &Plan, secs: f64) -> Result<Driven> {
        self.apply(self.workload, apps, targets, plan, secs)
    }

    /// Sends the requests of the audit, one after the other: first of all to a recorded app and to a rehearsed split, so that
    /// both are in the same state and make the same calls.
    pub(crate) fn audit(&mut self, apps: &mut [&mut App], targets: &Targets) -> Result<Driven> {
        let workload = self.workload.in_turn();
        let requests = AUDIT_TURNS * workload.requests().len() as u64;
        let plan = Plan { seed_offset: AUDIT_SEED_OFFSET, ..Plan::closed(1, Stop::Requests(requests)) };
        self.apply(&workload, apps, targets, &plan, 0.0)
    }

    /// Returns the targets with the sessions of the users, which the first call opens at the first of the apps.
    pub(crate) fn opened(&self, apps: &mut [&mut App], targets: &Targets) -> Result<Targets> {
        let targets = targets.clone();
        Ok(match apps.first_mut() {
            Some(app) => {
                let sessions = app.sessions(self.workload, &targets, self.cancel)?;
                targets.with_sessions(sessions)
            }
            None => targets,
        })
    }

    fn apply(
        &mut self,
        workload: &Workload,
        apps: &mut [&mut App],
        targets: &Targets,
        plan: &Plan,
        secs: f64,
    ) -> Result<Driven> {
        let targets = &self.opened(apps, targets)?;
        let before: Nanos = apps.iter().map(|app| app.cpu()).sum();
        let mut step = self.step.clone();
        let base = step.done_secs;
        let outcome = splitcost_load::run(workload, plan, targets, &self.cancel.0, &mut |progress| {
            step.done_secs = base + progress.fraction * secs;
            (self.progress)(&step);
            for app in apps.iter_mut() {
                app.look_for_databases();
            }
        })?;
        self.step.done_secs = base + secs;
        for app in apps.iter_mut() {
            app.check()?;
            app.check_databases()?;
        }
        let after: Nanos = apps.iter().map(|app| app.cpu()).sum();
        Ok(Driven { outcome, cpu: after - before })
    }
}

/// Fails if every request failed.
pub(crate) fn check_some_ok(outcome: &Outcome, apps: &[&mut App]) -> Result<()> {
    if outcome.ok() > 0 || outcome.failed() == 0 {
        return Ok(());
    }
    let first = outcome.endpoints.iter().find(|endpoint| endpoint.failed.total() > 0);
    let log = apps.first().map(|app| app.log_tail()).unwrap_or_default();
    Err(Error::AllFailed {
        name: first.map(|endpoint| endpoint.name.clone()).unwrap_or_default(),
        answer: first.map(answer).unwrap_or_default(),
        log,
    })
}

/// Returns a sentence about each endpoint with failed requests.
pub(crate) fn failures(outcome: &Outcome) -> Vec<String> {
    let failed = outcome.endpoints.iter().filter(|endpoint| endpoint.failed.total() > 0);
    failed
        .map(|endpoint| {
            let (share, answer) = (failed_share(endpoint), answer(endpoint));
            format!("{}: {share} failed and are in no time; the first was answered {answer}", endpoint.name)
        })
        .collect()
}

/// Returns which requests of an endpoint failed, in words; `None` if none did.
pub(crate) fn failure(endpoint: &EndpointOutcome) -> Option<String> {
    let is_one = endpoint.failed.total() > 0;
    is_one.then(|| format!("{} failed, the first was answered {}", failed_share(endpoint), answer(endpoint)))
}

fn failed_share(endpoint: &EndpointOutcome) -> String {
    match (endpoint.failed.total(), endpoint.ok) {
        (failed, 0) => format!("all {failed} requests"),
        (failed, ok) => format!("{failed} of {} requests", failed + ok),
    }
}

/// Returns the first unexpected answer in words.
fn answer(endpoint: &EndpointOutcome) -> String {
    if let Some(first) = &endpoint.first_failure {
        let body: String = first.detail.chars().filter(|c| !c.is_control()).take(200).collect();
        return format!("{} {body}", answer_kind(first.failure)).trim_end().to_owned();
    }
    let (kind, _) = endpoint.failed.iter().max_by_key(|(_, count)| *count).unwrap_or((Failure::Timeout, 0));
    answer_kind(kind)
}

fn answer_kind(kind: Failure) -> String {
    match kind {
        Failure::Refused => "by nobody: the connection was refused".to_owned(),
        Failure::Reset => "with a reset connection".to_owned(),
        Failure::ClosedEarly => "with half an answer".to_owned(),
        Failure::Malformed => "with something that is not HTTP".to_owned(),
        Failure::WrongProtocol => "in another protocol".to_owned(),
        Failure::Tls => "by a server whom TLS does not trust:".to_owned(),
        Failure::StreamReset => "with a reset stream".to_owned(),
        Failure::GoAway => "with the connection shut down".to_owned(),
        Failure::Timeout => "too late".to_owned(),
        Failure::Unreachable => "by nobody: the network failed".to_owned(),
        Failure::Status(status) => status.to_string(),
        Failure::Grpc(code) => format!("with gRPC status {code}"),
    }
}
