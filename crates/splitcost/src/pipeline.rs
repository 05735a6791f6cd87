//! What estimate, rehearse and evaluate share: calibrate, predict, run, and put it all into one evaluation.

mod fault;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use splitcost_lab::Step;
use splitcost_lab::cache;
use splitcost_lab::calibrate::{self, Needs, calibrate};
use splitcost_lab::cpu;
use splitcost_lab::merge::merge;
use splitcost_lab::python::Python;
use splitcost_lab::record::now;
use splitcost_lab::rehearse::{self, Conditions, Rehearsal, refusal};
use splitcost_link::profile::Profile;
use splitcost_model::calibration::Calibration;
use splitcost_model::evaluation::{Evaluation, Provenance, SplitEvaluation, StackProvenance};
use splitcost_model::link::Link;
use splitcost_model::recording::Recording;
use splitcost_model::residual::Residuals;
use splitcost_model::split::{Split, StackName};
use splitcost_report::text::Style;
use splitcost_sim::cost::small_call_micros;
use splitcost_sim::estimate::{Scenario, estimate};

use crate::args::experiment::ScenarioArgs;
use crate::args::shared::Format;
use crate::failure::Failed;
use crate::printer::Printer;
use crate::session::{Session, shown};
use crate::settings::{self, Settings};
pub(crate) use fault::Faults;

/// Version of the evaluation's shape.
pub(crate) const EVALUATION_VERSION: u32 = 1;
/// Chosen: the 5th and 95th percentile of 30 replications stand on one or two each; more cost time in proportion.
const REPLICATIONS: u32 = 30;
/// The first look at what a split can take, before it is rehearsed at half of that.
///
/// Chosen: a median of a few replications is as good as the machine holds its speed until then.
const SCOUT_REPLICATIONS: u32 = 5;
/// Planned seconds of a prediction, for the progress only.
///
/// Measured: `splitcost estimate` on examples/shop, 2 cores, November 2026.
const ESTIMATE_SECS: f64 = 5.0;

/// The load at which splits are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// `None`: half of what the split can take.
    pub(crate) rate_reqs_per_sec: Option<f64>,
    pub(crate) concurrency: u32,
}

impl Load {
    /// The command line's, else the settings'.
    pub(crate) fn resolve(settings: &Settings, rate: Option<f64>, concurrency: Option<u32>) -> Self {
        Self {
            rate_reqs_per_sec: rate.or(settings.rate_reqs_per_sec),
            concurrency: concurrency.unwrap_or(settings.concurrency),
        }
    }
}

/// What was measured of the stacks, by what it had to cover.
pub(crate) type Calibrations = BTreeMap<(StackName, Needs), Calibration>;

/// A recording and splits of it, on the way to an evaluation.
pub(crate) struct Pipeline<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) python: &'a Python,
    pub(crate) recording: &'a Recording,
    /// Where the recording came from, for provenance.
    pub(crate) recording_dir: String,
    pub(crate) splits: Vec<Split>,
    pub(crate) load: Load,
    pub(crate) rounds: u32,
    pub(crate) seed: u64,
    pub(crate) fresh_calibration: bool,
    /// How far predictions on this machine were off before.
    pub(crate) residuals: Residuals,
    /// What shall go wrong.
    pub(crate) faults: Faults,
    /// Whether the same splits are compared over several links.
    over_several_links: bool,
}

/// Each split over the links that it has, or over those of each profile.
fn under_profiles(splits: Vec<Split>, profiles: &[String]) -> anyhow::Result<Vec<Split>> {
    if profiles.is_empty() {
        return Ok(splits);
    }
    let here = std::env::current_dir()?;
    let mut links = Vec::new();
    for name in profiles {
        if name == "all" {
            for name in Profile::names().0 {
                links.push(settings::split::link(name, &here).failed()?);
            }
        } else {
            links.push(settings::split::link(name, &here).failed()?);
        }
    }
    let several = links.len() > 1;
    let over = |split: &Split, link: &Link| Split {
        name: if several { format!("{} over {}", split.name, link.name) } else { split.name.clone() },
        links: link.clone().into(),
        ..split.clone()
    };
    Ok(splits.iter().flat_map(|split| links.iter().map(move |link| over(split, link))).collect())
}

impl<'a> Pipeline<'a> {
    /// From the options that estimate, rehearse and evaluate share.
    pub(crate) fn new(
        settings: &'a Settings,
        python: &'a Python,
        recording: &'a Recording,
        recording_dir: &Path,
        scenario: &ScenarioArgs,
    ) -> anyhow::Result<Self> {
        let splits = settings.splits(&scenario.splits)?;
        let asked = splits.len();
        let splits = under_profiles(splits, &scenario.profiles)?;
        Ok(Self {
            settings,
            python,
            recording,
            recording_dir: shown(recording_dir).display().to_string(),
            over_several_links: splits.len() > asked,
            splits,
            load: Load::resolve(settings, scenario.rate, scenario.concurrency),
            rounds: scenario.rounds,
            seed: scenario.seed,
            fresh_calibration: scenario.fresh_calibration,
            residuals: cache::residuals(),
            faults: Faults::new(scenario),
        })
    }

    /// The stacks of the splits, measured or from the cache.
    pub(crate) fn calibrate(&self, session: &mut Session, later_secs: f64) -> anyhow::Result<Calibrations> {
        let mut calibrations = Calibrations::new();
        session.printer.later_secs = later_secs + ESTIMATE_SECS * self.splits.len() as f64;
        for split in &self.splits {
            if let Entry::Vacant(entry) = calibrations.entry(self.needs(split)) {
                let Session { printer, cancel, .. } = session;
                let (stack, needs) = entry.key();
                let options = (self.seed, self.fresh_calibration);
                let progress = &mut |step: &Step| printer.step(step);
                let calibration = calibrate(*stack, needs, self.python, options, progress, cancel).failed();
                printer.done();
                entry.insert(calibration?);
            }
        }
        Ok(calibrations)
    }

    /// The prediction of every split, for the machine as it was while recording.
    pub(crate) fn predict(&self, session: &mut Session, calibrations: &Calibrations) -> anyhow::Result<Evaluation> {
        session.printer.later_secs = 0.0;
        let mut evaluation = self.evaluation(calibrations.values().map(stack_provenance).collect());
        evaluation.splits = self.predictions(session, calibrations, REPLICATIONS)?;
        judge(&mut evaluation.splits);
        Ok(evaluation)
    }

    fn predictions(
        &self,
        session: &mut Session,
        calibrations: &Calibrations,
        replications: u32,
    ) -> anyhow::Result<Vec<SplitEvaluation>> {
        let mut load = self.load.rate_reqs_per_sec;
        let splits = 0..self.splits.len();
        if load.is_none() && self.over_several_links {
            // Only at the same load can links be compared: one that all of them can take.
            for index in splits.clone() {
                let scout = self.estimate(session, calibrations, index, None, 1.0, SCOUT_REPLICATIONS)?;
                load = Some(load.unwrap_or(f64::INFINITY).min(scout.load_reqs_per_sec));
            }
        }
        let predicted = splits.map(|i| self.estimate(session, calibrations, i, load, 1.0, replications)).collect();
        session.printer.done();
        predicted
    }

    /// What is to be predicted of a split.
    fn scenario<'b>(
        &'b self,
        calibrations: &'b Calibrations,
        split: &'b Split,
        load_reqs_per_sec: Option<f64>,
        slowness: f64,
        replications: u32,
    ) -> Scenario<'b> {
        Scenario {
            recording: self.recording,
            calibration: &calibrations[&self.needs(split)],
            split,
            prices: &self.settings.prices,
            host_cores: cpu::cores(),
            load_reqs_per_sec,
            concurrency: self.load.concurrency,
            slowness,
            seed: self.seed,
            replications,
        }
    }

    fn estimate(
        &self,
        session: &mut Session,
        calibrations: &Calibrations,
        index: usize,
        load_reqs_per_sec: Option<f64>,
        slowness: f64,
        replications: u32,
    ) -> anyhow::Result<SplitEvaluation> {
        let split = &self.splits[index];
        let scenario = self.scenario(calibrations, split, load_reqs_per_sec, slowness, replications);
        let Session { printer, cancel, .. } = session;
        let mut predicted = estimate(&scenario, &mut |fraction| {
            printer.step(&Step {
                label: format!("estimate: split {}", split.name),
                done_secs: ESTIMATE_SECS * (index as f64 + fraction),
                total_secs: ESTIMATE_SECS * self.splits.len() as f64,
                ..Step::default()
            });
        })
        .failed()?;
        cancel.check().failed()?;
        self.shorten_paths(&mut predicted);
        self.residuals.widen(&mut predicted);
        Ok(predicted)
    }

    /// What the calibration of a split's stack has to cover.
    fn needs(&self, split: &Split) -> (StackName, Needs) {
        (split.stack, Needs::of(self.recording, &[split]))
    }

    /// Files are shown from the app's directory, where they are below it.
    fn shorten_paths(&self, split: &mut SplitEvaluation) {
        let files = split.calls.iter_mut().map(|call| &mut call.file);
        for file in files.chain(split.cannot_cross.iter_mut().map(|call| &mut call.file)) {
            if let Ok(inside) = Path::new(file.as_str()).strip_prefix(&self.settings.app.cwd) {
                *file = inside.display().to_string();
            }
        }
    }

    /// Runs every split that can be run beside the monolith, and predicts every split. Returns whether every split
    /// could be run.
    ///
    /// A shared machine is not as fast from one minute to the next: the prediction is made for the speed that the
    /// monolith's lone requests showed during the rehearsal, so that the two can be compared. Nothing else of the
    /// rehearsal is in it.
    pub(crate) fn rehearse(
        &self,
        session: &mut Session,
        calibrations: &Calibrations,
    ) -> anyhow::Result<(Evaluation, bool)> {
        session.printer.later_secs = self.rehearsal_secs();
        let scouted = self.predictions(session, calibrations, SCOUT_REPLICATIONS)?;
        let rehearsals: Vec<Rehearsal<'_>> = self
            .splits
            .iter()
            .zip(&scouted)
            .map(|(split, predicted)| Rehearsal {
                split,
                rate_reqs_per_sec: predicted.load_reqs_per_sec,
                cannot_cross: &predicted.cannot_cross,
            })
            .collect();
        let (refused, runnable): (Vec<_>, Vec<_>) = rehearsals.into_iter().partition(|r| refusal(r).is_some());
        for error in refused.iter().filter_map(refusal) {
            session.printer.warn(&format!("cannot {error}"));
            for hint in error.hints() {
                session.printer.hint(&hint);
            }
        }
        if runnable.is_empty() {
            return Ok((self.predict(session, calibrations)?, false));
        }
        session.printer.later_secs = 0.0;
        let conditions = self.conditions();
        let workload = self.settings.workload()?;
        let rehearsed = {
            let Session { printer, cancel, .. } = session;
            let progress = &mut |step: &Step| printer.step(step);
            let app = &self.settings.app;
            rehearse::rehearse(app, self.python, workload, &runnable, &conditions, progress, cancel).failed()
        };
        session.printer.done();
        let rehearsed = rehearsed?;
        for warning in rehearsed.warnings.iter().chain(&rehearsed.doubtful) {
            session.printer.warn(warning);
        }
        let mut evaluation = self.evaluation(calibrations.values().map(stack_provenance).collect());
        let slowness = rehearsed.slowness;
        evaluation.provenance.notes.push(format!(
            "lone requests to the monolith took {slowness:.2} times as long during the rehearsal as while recording; \
             the prediction is for that speed"
        ));
        let mut ran: BTreeMap<String, SplitEvaluation> =
            rehearsed.splits.into_iter().map(|measured| (measured.name.clone(), measured)).collect();
        let mut found = Residuals::default();
        for (index, split) in self.splits.iter().enumerate() {
            let load = Some(scouted[index].load_reqs_per_sec);
            let mut predicted = self.estimate(session, calibrations, index, load, slowness, REPLICATIONS)?;
            if let Some(mut measured) = ran.remove(&split.name) {
                self.shorten_paths(&mut measured);
                merge(&mut predicted, measured, &self.settings.prices);
                let late = predicted.emulations.iter().find_map(|link| Some((link, link.invalid.as_ref()?)));
                if let Some((link, invalid)) = late {
                    evaluation.provenance.warnings.push(format!(
                        "split {}: the link {} from {} to {} was not what was asked for, and neither is what was \
                         measured over it: {invalid}",
                        split.name, link.profile, link.listen, link.to
                    ));
                } else {
                    found.extend(Residuals::of(&predicted));
                }
            }
            evaluation.splits.push(predicted);
        }
        // Numbers that the load generator made say nothing of the model.
        if rehearsed.doubtful.is_none() {
            cache::add_residuals(found);
        }
        evaluation.provenance.warnings.extend(rehearsed.doubtful);
        session.printer.done();
        judge(&mut evaluation.splits);
        if !self.faults.kinds.is_empty() {
            self.fail(session, calibrations, &mut evaluation, Some(slowness))?;
        }
        Ok((evaluation, refused.is_empty()))
    }

    /// What all splits of a rehearsal share.
    fn conditions(&self) -> Conditions<'_> {
        Conditions {
            recording: self.recording,
            concurrency: self.load.concurrency,
            rounds: self.rounds,
            seed: self.seed,
        }
    }

    /// Planned seconds of the rehearsal.
    pub(crate) fn rehearsal_secs(&self) -> f64 {
        rehearse::planned_secs(self.splits.len(), self.rounds)
    }

    fn interval_note(&self) -> String {
        if self.residuals.is_known() {
            "predicted intervals contain how far predictions rehearsed on this machine before were off".to_owned()
        } else {
            "predicted intervals come from resampling the recording and the calibration: how far the model itself is off \
             is not in them until a few rehearsals were made on this machine"
                .to_owned()
        }
    }

    fn evaluation(&self, stacks: Vec<StackProvenance>) -> Evaluation {
        let meta = &self.recording.meta;
        let mut warnings = meta.troubles.clone();
        if meta.machine != cpu::machine() {
            warnings.push(format!("the recording was made on another machine: {}", meta.machine));
        }
        Evaluation {
            format_version: EVALUATION_VERSION,
            provenance: Provenance {
                splitcost_version: env!("CARGO_PKG_VERSION").to_owned(),
                made_at: now(),
                machine: cpu::machine(),
                python_version: self.python.version.clone(),
                command: meta.command.clone(),
                recording: self.recording_dir.clone(),
                recorded_requests: self.recording.requests.len() as u64,
                phases: meta.phases.clone(),
                stacks,
                seed: self.seed,
                usd_per_vcpu_hour: self.settings.prices.usd_per_vcpu_hour,
                warnings,
                notes: vec![self.interval_note()],
            },
            splits: Vec::new(),
        }
    }
}

/// Where a stack's costs came from.
fn stack_provenance(calibration: &Calibration) -> StackProvenance {
    let (call_cpu_micros, call_wall_micros) = small_call_micros(&calibration.rounds).unwrap_or_default();
    StackProvenance {
        name: calibration.stack.name().to_owned(),
        fingerprint: calibration.fingerprint.clone(),
        measured_at: calibration.measured_at.clone(),
        call_cpu_micros,
        call_wall_micros,
    }
}

fn judge(splits: &mut [SplitEvaluation]) {
    for split in splits {
        split.verdict = splitcost_report::verdict::sentence(split);
    }
}

/// Planned seconds to calibrate for the splits, where no cache has it.
pub(crate) fn calibration_secs(splits: &[Split]) -> f64 {
    calibrate::planned_secs(&Needs::default()) * splits.len() as f64
}

/// Prints an evaluation.
pub(crate) fn print(printer: &mut Printer, evaluation: &Evaluation, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return printer.json(evaluation);
    }
    let style = Style { color: Printer::color(), width: Printer::width() };
    let faulty = evaluation.splits.iter().any(|split| !split.faults.is_empty());
    let text = if faulty && evaluation.splits.iter().all(|split| split.verdict.is_empty()) {
        splitcost_report::fault::render(evaluation)
    } else if evaluation.splits.len() > 2 && evaluation.compares_links() {
        splitcost_report::distance::render(evaluation)
    } else {
        splitcost_report::text::render(evaluation, &style)
    };
    printer.answer(&text)
}
