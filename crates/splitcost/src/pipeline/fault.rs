//! What splits do when something goes wrong: predicted, and run.

use splitcost_lab::Step;
use splitcost_lab::fault::rehearse_fault;
use splitcost_lab::merge::merge_fault;
use splitcost_lab::rehearse::{Rehearsal, refusal, slowness_now};
use splitcost_model::evaluation::{Evaluation, SplitEvaluation};
use splitcost_model::policy::{CallPolicy, Fault, FaultPlan};
use splitcost_model::quantity::Nanos;
use splitcost_model::split::Split;
use splitcost_sim::estimate::estimate_fault;

use super::{Calibrations, Pipeline, SCOUT_REPLICATIONS, stack_provenance};
use crate::args;
use crate::failure::{Failed, Failure};
use crate::session::Session;

/// How long the load comes before, while and after it goes wrong.
///
/// Chosen: before, what is well shows; meanwhile, whoever waits ten seconds is seen to; after, queues have time to go.
const PHASES: [Nanos; 3] = [Nanos::from_millis(5_000), Nanos::from_millis(10_000), Nanos::from_millis(10_000)];

/// What shall go wrong, and under which policies.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub(crate) kinds: Vec<Fault>,
    /// Empty: each split's own.
    policies: Vec<CallPolicy>,
    /// Share of the time that each service is up.
    availability: f64,
}

impl Faults {
    pub(crate) fn new(scenario: &args::Scenario) -> Self {
        Self {
            kinds: scenario.faults.clone(),
            policies: scenario.policies.clone(),
            availability: scenario.availability / 100.0,
        }
    }
}

impl Pipeline<'_> {
    /// Predicts every fault, and nothing else but what that needs.
    pub(crate) fn predict_faults(
        &self,
        session: &mut Session,
        calibrations: &Calibrations,
    ) -> anyhow::Result<Evaluation> {
        let mut evaluation = self.scouted(session, calibrations)?;
        self.fail(session, calibrations, &mut evaluation, None)?;
        Ok(evaluation)
    }

    /// Predicts and runs every fault.
    pub(crate) fn rehearse_faults(
        &self,
        session: &mut Session,
        calibrations: &Calibrations,
    ) -> anyhow::Result<Evaluation> {
        let mut evaluation = self.scouted(session, calibrations)?;
        let conditions = self.conditions();
        let workload = self.settings.workload()?;
        let slowness = {
            let Session { printer, cancel, .. } = session;
            let progress = &mut |step: &Step| printer.step(step);
            slowness_now(&self.settings.app, self.python, workload, &conditions, progress, cancel).failed()
        };
        session.printer.done();
        self.fail(session, calibrations, &mut evaluation, Some(slowness?))?;
        Ok(evaluation)
    }

    /// A first look at every split, for the load.
    fn scouted(&self, session: &mut Session, calibrations: &Calibrations) -> anyhow::Result<Evaluation> {
        let mut evaluation = self.evaluation(calibrations.values().map(stack_provenance).collect());
        evaluation.splits = self.predictions(session, calibrations, SCOUT_REPLICATIONS)?;
        Ok(evaluation)
    }

    /// Adds every fault to every split; with the machine's slowness, runs it, too.
    pub(super) fn fail(
        &self,
        session: &mut Session,
        calibrations: &Calibrations,
        evaluation: &mut Evaluation,
        slowness: Option<f64>,
    ) -> anyhow::Result<()> {
        for (split, evaluated) in self.splits.iter().zip(&mut evaluation.splits) {
            let own = std::slice::from_ref(&split.calls);
            let policies = if self.faults.policies.is_empty() { own } else { &self.faults.policies };
            for (fault, calls) in self.faults.kinds.iter().flat_map(|fault| policies.iter().map(move |p| (fault, p))) {
                let split = Split { calls: *calls, ..split.clone() };
                self.fail_split(session, calibrations, (&split, evaluated), *fault, slowness)?;
            }
        }
        Ok(())
    }

    fn fail_split(
        &self,
        session: &mut Session,
        calibrations: &Calibrations,
        (split, evaluated): (&Split, &mut SplitEvaluation),
        fault: Fault,
        slowness: Option<f64>,
    ) -> anyhow::Result<()> {
        if fault == Fault::PoolExhausted && split.max_connections().is_none() {
            return Err(Failure::new(format!(
                "split {}: over {} all calls to a service share a connection: there is no pool to exhaust",
                split.name,
                split.stack.name()
            ))
            .hint("`--fault brown-out` makes its calls wait as long")
            .into());
        }
        let [before, lasts, after] = PHASES;
        let plan = FaultPlan { fault, before, lasts, after };
        let availability = self.faults.availability;
        let load = evaluated.load_reqs_per_sec;
        let scenario = self.scenario(calibrations, split, Some(load), slowness.unwrap_or(1.0), SCOUT_REPLICATIONS)?;
        let Session { printer, cancel, .. } = session;
        let label = format!("estimate: {} under {fault}, {}", split.name, split.calls);
        let mut predicted = estimate_fault(&scenario, load, &plan, availability, &mut |fraction| {
            printer.step(&Step { label: label.clone(), done_secs: fraction, total_secs: 1.0, ..Step::default() });
        })
        .failed()?;
        printer.done();
        cancel.check().failed()?;
        let rehearsal = Rehearsal { split, rate_reqs_per_sec: load, cannot_cross: &evaluated.cannot_cross };
        if slowness.is_some() && refusal(&rehearsal).is_none() {
            let calls = evaluated.endpoints.iter().map(|e| e.crossings_per_request * e.requests as f64).sum::<f64>()
                / evaluated.endpoints.iter().map(|e| e.requests as f64).sum::<f64>().max(1.0);
            let made = plan.made(split.max_connections(), calls * load);
            let app = &self.settings.app;
            let progress = &mut |step: &Step| printer.step(step);
            let measured = rehearse_fault(
                app,
                self.python,
                self.settings.workload()?,
                &rehearsal,
                self.recording,
                &plan,
                made,
                self.seed,
                progress,
                cancel,
            )
            .failed();
            printer.done();
            merge_fault(&mut predicted, measured?);
        }
        evaluated.faults.push(predicted);
        Ok(())
    }
}
