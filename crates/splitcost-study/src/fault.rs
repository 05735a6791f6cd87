//! Splits under faults: predicted, and run.

use splitcost_lab::Step;
use splitcost_lab::fault::{SplitRun, rehearse_fault};
use splitcost_lab::rehearse::slowness_now;
use splitcost_model::fault::FaultStudy;
use splitcost_model::policy::{Fault, FaultPlan};
use splitcost_model::quantity::Nanos;
use splitcost_model::split::Split;
use splitcost_model::study::{SplitStudy, Study};
use splitcost_sim::estimate::{PATIENCE, estimate_fault};

use crate::experiment::{Lab, SCOUT_REPLICATIONS, Subject, goes_on};
use crate::refusal::refusal;
use crate::verdict::never_ends;
use crate::{Error, Result};

/// Duration of the load before, during and after a fault.
///
/// Chosen: before the fault, the usual state shows; during it, requests that wait for ten seconds end; after it, queues
/// have time to empty.
const PHASES: [Nanos; 3] = [Nanos::from_millis(5_000), Nanos::from_millis(10_000), Nanos::from_millis(10_000)];

impl Lab<'_> {
    /// Measures the machine's slowness, relative to the recording.
    pub(crate) fn slowness(&mut self) -> Result<f64> {
        let (experiment, cancel) = (self.experiment, self.cancel);
        let workload = experiment.workload.ok_or(Error::NoWorkload)?;
        let conditions = experiment.conditions();
        let progress = &mut |step: &Step| self.step(step);
        let slowness = slowness_now(experiment.app, experiment.python, workload, &conditions, progress, cancel);
        self.stage_ended();
        Ok(slowness?)
    }

    /// Adds every fault under every policy to every split. Runs them if the machine's slowness is given.
    pub(crate) fn fail(&mut self, subjects: &[Subject<'_>], study: &mut Study, slowness: Option<f64>) -> Result<()> {
        let faults = self.experiment.faults;
        let answered = |studied: &&mut SplitStudy| !never_ends(studied);
        for (subject, studied) in subjects.iter().zip(&mut study.splits).filter(|(_, studied)| answered(studied)) {
            let own = std::slice::from_ref(&subject.split.calls);
            let policies = if faults.policies.is_empty() { own } else { &faults.policies };
            for (fault, calls) in faults.kinds.iter().flat_map(|fault| policies.iter().map(move |p| (fault, p))) {
                let split = Split { calls: *calls, ..subject.split.clone() };
                let found = self.fail_split(&Subject { split: &split, ..*subject }, studied, *fault, slowness)?;
                studied.faults.push(found);
            }
        }
        Ok(())
    }

    fn fail_split(
        &mut self,
        subject: &Subject<'_>,
        studied: &SplitStudy,
        fault: Fault,
        slowness: Option<f64>,
    ) -> Result<FaultStudy> {
        let (experiment, cancel, split) = (self.experiment, self.cancel, subject.split);
        if fault == Fault::PoolExhausted && split.max_connections().is_none() {
            return Err(Error::NoPool { split: split.name.clone(), stack: split.stack });
        }
        let [before, lasts, after] = PHASES;
        let plan = FaultPlan { fault, before, lasts, after };
        let load = studied.estimate.load_reqs_per_sec;
        let scenario = experiment.scenario(subject, Some(load), slowness.unwrap_or(1.0), SCOUT_REPLICATIONS);
        let label = format!("estimate: {} under {fault}, {}", split.name, split.calls);
        let availability = experiment.faults.availability;
        let estimate = estimate_fault(&scenario, load, &plan, availability, &mut |fraction| {
            self.step(&Step { label: label.clone(), done_secs: fraction, total_secs: 1.0, ..Step::default() });
            goes_on(cancel)
        })?;
        self.stage_ended();
        let run = SplitRun { split, rate_reqs_per_sec: load };
        let rehearsal = if slowness.is_some() && refusal(experiment.recording, &studied.estimate).is_none() {
            let workload = experiment.workload.ok_or(Error::NoWorkload)?;
            let calls_per_sec = studied.comparison.crossings_per_request * load;
            let made = plan.made(split.max_connections(), calls_per_sec);
            let measured = rehearse_fault(
                experiment.app,
                experiment.python,
                workload,
                &run,
                experiment.recording,
                &plan,
                made,
                experiment.seed,
                &mut |step: &Step| self.step(step),
                cancel,
            );
            self.stage_ended();
            Some(measured?)
        } else {
            None
        };
        Ok(FaultStudy {
            fault,
            policy: split.calls,
            before_secs: before.as_secs_f64(),
            fault_secs: lasts.as_secs_f64(),
            after_secs: after.as_secs_f64(),
            patience_secs: PATIENCE.as_secs_f64(),
            estimate,
            rehearsal,
        })
    }
}
