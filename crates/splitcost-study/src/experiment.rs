//! One call that answers: calibrates, predicts, runs, compares and judges.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use splitcost_lab::app::AppSpec;
use splitcost_lab::calibrate::{self, Needs, calibrate};
use splitcost_lab::python::Python;
use splitcost_lab::record::now;
use splitcost_lab::rehearse::{self, Conditions};
use splitcost_lab::{Cancel, Step, cache, cpu};
use splitcost_load::Workload;
use splitcost_model::answers::Answers;
use splitcost_model::calibration::Calibration;
use splitcost_model::database::{DataCrossings, Owners, assumption_on_redis, note_on_connections};
use splitcost_model::estimate::{CallPrices, Estimate, Figures};
use splitcost_model::link::Link;
use splitcost_model::number::number;
use splitcost_model::policy::{CallPolicy, Fault};
use splitcost_model::recording::Recording;
use splitcost_model::recording::interface::{Interfaces, SettingRead};
use splitcost_model::rehearsal::Rehearsal;
use splitcost_model::split::{Prices, Split, StackName};
use splitcost_model::study::{FORMAT_VERSION, Provenance, ServiceModules, SplitStudy, StackProvenance, Study};
use splitcost_recording::interface::interfaces;
use splitcost_sim::ASSUMPTIONS;
use splitcost_sim::cost::small_call_micros;
use splitcost_sim::estimate::{FittedServer, Scenario, estimate};

use crate::anchor::anchor;
use crate::audit::audit;
use crate::comparison::{cannot_cross, compare, over_links};
use crate::money::money;
use crate::refusal::refusal;
use crate::residual::{Circumstances, PastResiduals, Residuals};
use crate::verdict::{judge, lacks_evidence};
use crate::{Error, Result};

/// Replications of a prediction.
///
/// Chosen: the 5th and 95th percentile of 30 replications stand on one or two each; more cost time in proportion.
const REPLICATIONS: u32 = 30;
/// Replications of the first prediction of a split, which only finds the load.
///
/// Chosen: a median of a few replications is as good as the machine holds its speed until then.
pub(crate) const SCOUT_REPLICATIONS: u32 = 5;
/// Planned seconds of a prediction, for the progress only.
///
/// Measured: `splitcost estimate` on examples/shop, 2 cores, November 2026.
const ESTIMATE_SECS: f64 = 5.0;
/// The reason why a split is not rehearsed whose users have no sessions.
const BROKEN: &str = "a request of [[workload.before]] fails in it that the monolith answers";

/// The largest age of a calibration that predicts what is then measured.
///
/// Measured: a call after idle time costs 0.8 to 1.5 ms of CPU from one half hour to the next, by what else runs on the host (AMD
/// EPYC, 2 virtual cores, November 2026).
const BESIDE_A_REHEARSAL: Duration = Duration::from_mins(10);

/// Says what helps where the machine is not fit.
const UNFIT_HINT: &str = "stop the other processes and run it again, with a larger --budget if they come and go, or let them be with \
                          a --precision that they allow";

/// The load at which splits are compared.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Arrival rate; `None` for a share of the throughput at which the split or the monolith saturates.
    pub rate_reqs_per_sec: Option<f64>,
    /// Requests in flight at saturation.
    pub concurrency: u32,
}

/// Faults to predict and to run.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The faults.
    pub kinds: Vec<Fault>,
    /// Policies of calls to compare; empty for each split's own.
    pub policies: Vec<CallPolicy>,
    /// Share of the time during which each service is up, from 0 to 1.
    pub availability: f64,
}

/// Effort of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Predicts only.
    Estimate,
    /// Predicts, and runs every split that can be run.
    Rehearse,
}

/// Subject of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The splits, and under faults if there are any.
    Splits,
    /// The splits under faults, and nothing else.
    FaultsOnly,
}

/// A recorded app, its splits, and the question that is asked of them.
#[derive(Clone, Copy, Debug)]
pub struct Experiment<'a> {
    /// The app.
    pub app: &'a AppSpec,
    /// The interpreter that runs it.
    pub python: &'a Python,
    /// The requests that drive it; needed only to rehearse.
    pub workload: Option<&'a Workload>,
    /// The recording of it.
    pub recording: &'a Recording,
    /// The recording's path, for the provenance.
    pub recording_name: &'a str,
    /// The splits.
    pub splits: &'a [Split],
    /// By the name of a split, the modules of which every service could have a copy.
    pub proposed_copies: &'a BTreeMap<String, Vec<String>>,
    /// The settings that the app's modules read; `None` where the source was not looked at.
    pub settings: Option<&'a [SettingRead]>,
    /// Links to compare every split over; empty for each split's own.
    pub links: &'a [Link],
    /// Price of computing.
    pub prices: &'a Prices,
    /// The load.
    pub load: Load,
    /// Time for the rehearsal of all splits.
    pub budget: Duration,
    /// Precision at which a rehearsal ends earlier, as a share.
    pub precision: f64,
    /// Requests of a rehearsal whose answers are compared with the monolith's.
    pub compare: u32,
    /// Seed of workload, order and simulation.
    pub seed: u64,
    /// Measure calibrations again, although the cache has young ones.
    pub fresh_calibration: bool,
    /// The faults.
    pub faults: &'a Faults,
    /// The effort.
    pub depth: Depth,
    /// The subject.
    pub scope: Scope,
}

impl Experiment<'_> {
    /// The conditions of its rehearsals.
    pub(crate) fn conditions(&self) -> Conditions<'_> {
        Conditions {
            recording: self.recording,
            rate_reqs_per_sec: self.load.rate_reqs_per_sec,
            // Links can be compared only at the same load: one that all of them can take.
            shares_load: self.links.len() > 1,
            concurrency: self.load.concurrency,
            budget: self.budget,
            precision: self.precision,
            seed: self.seed,
            compare: self.compare,
        }
    }

    /// The prediction of a split.
    pub(crate) fn scenario<'b>(
        &'b self,
        subject: &'b Subject<'_>,
        load_reqs_per_sec: Option<f64>,
        slowness: f64,
        replications: u32,
    ) -> Scenario<'b> {
        Scenario {
            recording: self.recording,
            calibration: subject.calibration,
            server: subject.server,
            split: subject.split,
            host_cores: cpu::cores(),
            load_reqs_per_sec,
            concurrency: self.load.concurrency,
            slowness,
            seed: self.seed,
            replications,
        }
    }
}

/// Something that happens while an experiment runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// Progress of a stage.
    Step {
        /// The stage's progress.
        step: &'a Step,
        /// Planned seconds of the stages after it.
        later_secs: f64,
    },
    /// The end of a stage.
    StageEnded,
    /// A warning for the terminal, which may quote answers of the app.
    Warning {
        /// The warning.
        text: String,
        /// Sentences that say what helps.
        hints: Vec<String>,
    },
}

/// The result of an experiment.
#[derive(Clone, Debug)]
pub struct Studied {
    /// The document.
    pub study: Study,
    /// Completeness of the answer.
    pub completion: Completion,
}

/// Completeness of an experiment's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Every split and fault that was to run did run, and every split has valid numbers.
    Whole,
    /// A split or a fault did not run.
    Partly,
    /// The data do not suffice for a judgement of every split, an audit failed, a split answers otherwise than the monolith,
    /// or the machine was not fit to measure anything under load.
    Invalid,
}

/// Planned seconds of calibrating so many splits without a cache.
pub fn calibration_secs(splits: usize) -> f64 {
    calibrate::planned_secs(&Needs::default()) * splits as f64
}

/// Answers an experiment with one document.
///
/// # Errors
/// Fails if a process cannot be run or measured, if the recording or a calibration does not suffice for a prediction,
/// if a fault does not fit a split's stack, and with [`splitcost_lab::Error::Cancelled`] after a cancellation.
pub fn study(experiment: &Experiment<'_>, watch: &mut dyn FnMut(Event<'_>), cancel: &Cancel) -> Result<Studied> {
    let past = PastResiduals::on_this_machine();
    let mut lab = Lab { experiment, watch, cancel, past, later_secs: 0.0 };
    let (splits, names) = over_each_link(experiment.splits, experiment.links);
    let calibrations = lab.calibrate(&splits)?;
    let server = FittedServer::fit(experiment.recording, cpu::cores(), experiment.seed)?;
    let subjects: Vec<Subject<'_>> = splits
        .iter()
        .map(|split| Subject { split, calibration: &calibrations[&lab.needs(split)], server: &server })
        .collect();
    let mut study = lab.blank(&calibrations);
    study.provenance.assumptions.extend(assumption_on_redis(experiment.recording, &splits).map(str::to_owned));
    let all_ran = match (experiment.scope, experiment.depth) {
        (Scope::Splits, Depth::Estimate) => {
            lab.predict(&subjects, &mut study)?;
            lab.fail(&subjects, &mut study, None)?;
            true
        }
        (Scope::Splits, Depth::Rehearse) => lab.rehearse(&subjects, &mut study)?,
        (Scope::FaultsOnly, depth) => {
            for (subject, scouted) in subjects.iter().zip(lab.estimates(&subjects, SCOUT_REPLICATIONS)?) {
                study.splits.push(lab.compose(subject, scouted, None));
            }
            let slowness = if depth == Depth::Rehearse { Some(lab.slowness()?) } else { None };
            lab.fail(&subjects, &mut study, slowness)?;
            depth == Depth::Estimate || study.splits.iter().flat_map(|s| &s.faults).all(|f| f.rehearsal.is_some())
        }
    };
    for (split, name) in study.splits.iter_mut().zip(&names) {
        split.proposed_copies = experiment.proposed_copies.get(*name).cloned().unwrap_or_default();
    }
    if experiment.links.len() > 1 {
        study.link_comparisons = over_links(&study.splits, &names);
    }
    if experiment.scope == Scope::Splits {
        for split in &mut study.splits {
            split.verdict = Some(judge(split));
        }
    }
    let is_unfit = study.course.as_ref().is_some_and(|course| course.unfit);
    let completion = if is_unfit || study.splits.iter().any(|split| lacks_evidence(split).is_some()) {
        Completion::Invalid
    } else if all_ran {
        Completion::Whole
    } else {
        Completion::Partly
    };
    Ok(Studied { study, completion })
}

/// Every split over every link, beside the names of the splits without links.
fn over_each_link<'a>(splits: &'a [Split], links: &[Link]) -> (Vec<Split>, Vec<&'a str>) {
    if links.is_empty() {
        return (splits.to_vec(), splits.iter().map(|split| split.name.as_str()).collect());
    }
    let over = |split: &'a Split, link: &Link| {
        let name = if links.len() > 1 { format!("{} over {}", split.name, link.name) } else { split.name.clone() };
        (Split { name, links: link.clone().into(), ..split.clone() }, split.name.as_str())
    };
    splits.iter().flat_map(|split| links.iter().map(move |link| over(split, link))).unzip()
}

/// A split with the unit costs of its stack and of the app's server.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) split: &'a Split,
    pub(crate) calibration: &'a Calibration,
    pub(crate) server: &'a FittedServer,
}

/// An experiment under way.
pub(crate) struct Lab<'a> {
    pub(crate) experiment: &'a Experiment<'a>,
    watch: &'a mut dyn FnMut(Event<'_>),
    pub(crate) cancel: &'a Cancel,
    /// Errors of past predictions.
    past: PastResiduals,
    /// Planned seconds of the stages after the present one.
    later_secs: f64,
}

type Calibrations = BTreeMap<(StackName, Needs), Calibration>;

impl Lab<'_> {
    pub(crate) fn step(&mut self, step: &Step) {
        (self.watch)(Event::Step { step, later_secs: self.later_secs });
    }

    pub(crate) fn stage_ended(&mut self) {
        (self.watch)(Event::StageEnded);
    }

    fn warn(&mut self, text: String, hints: Vec<String>) {
        (self.watch)(Event::Warning { text, hints });
    }

    /// The unit costs that the calibration of a split's stack has to cover.
    fn needs(&self, split: &Split) -> (StackName, Needs) {
        (split.stack, Needs::of(self.experiment.recording, &[split]))
    }

    /// Measures the stacks of the splits, or takes them from the cache.
    fn calibrate(&mut self, splits: &[Split]) -> Result<Calibrations> {
        let Experiment { python, seed, fresh_calibration, .. } = *self.experiment;
        let (rehearsal_secs, max_age) = match self.experiment.depth {
            Depth::Estimate => (0.0, Duration::MAX),
            Depth::Rehearse => (rehearse::planned_secs(splits.len(), self.experiment.budget), BESIDE_A_REHEARSAL),
        };
        let max_age = if fresh_calibration { Duration::ZERO } else { max_age };
        self.later_secs = rehearsal_secs + ESTIMATE_SECS * splits.len() as f64;
        let mut calibrations = Calibrations::new();
        for split in splits {
            if let Entry::Vacant(entry) = calibrations.entry(self.needs(split)) {
                let (stack, needs) = entry.key();
                let cancel = self.cancel;
                let options = (seed, max_age);
                let calibration = calibrate(*stack, needs, python, options, &mut |step| self.step(step), cancel);
                self.stage_ended();
                entry.insert(calibration?);
            }
        }
        Ok(calibrations)
    }

    /// A study without splits.
    fn blank(&self, calibrations: &Calibrations) -> Study {
        let meta = &self.experiment.recording.meta;
        let mut warnings = meta.troubles.clone();
        if meta.machine != cpu::machine() {
            warnings.push(format!("the recording was made on another machine: {}", meta.machine));
        }
        let stacks: Vec<StackName> = calibrations.keys().map(|(stack, _)| *stack).collect();
        let notes = stacks.into_iter().map(|stack| self.note_on_residuals(stack));
        let notes = notes.chain(note_on_connections(self.experiment.recording)).collect();
        Study {
            format_version: FORMAT_VERSION,
            provenance: Provenance {
                splitcost_version: env!("CARGO_PKG_VERSION").to_owned(),
                made_at: now(),
                machine: cpu::machine(),
                python_version: self.experiment.python.version.clone(),
                command: meta.command.clone(),
                recording: self.experiment.recording_name.to_owned(),
                recorded_requests: self.experiment.recording.requests.len() as u64,
                phases: meta.phases.clone(),
                stacks: calibrations.values().map(stack_provenance).collect(),
                seed: self.experiment.seed,
                usd_per_vcpu_hour: self.experiment.prices.usd_per_vcpu_hour,
                warnings,
                notes,
                assumptions: ASSUMPTIONS.iter().map(ToString::to_string).collect(),
                served: meta.limits.in_words(),
            },
            course: None,
            splits: Vec::new(),
            link_comparisons: Vec::new(),
        }
    }

    fn circumstances(&self, stack: StackName) -> Circumstances {
        let AppSpec { cwd, packages, .. } = self.experiment.app;
        Circumstances {
            app: format!("{} in {}", packages.join(" "), cwd.display()),
            stack: stack.name().to_owned(),
            servers: self.experiment.recording.meta.servers.clone(),
        }
    }

    fn data_crossings(&self, split: &Split) -> DataCrossings {
        let recording = self.experiment.recording;
        let mut data = DataCrossings::of(recording, split, &Owners::of(recording, &split.table_owners));
        let sites = data.foreign.iter_mut().map(|access| &mut access.site);
        let sites = sites.chain(data.cut_joins.iter_mut().map(|join| &mut join.site));
        let sites = sites.chain(data.cut_transactions.iter_mut().flat_map(|cut| &mut cut.sites));
        sites.for_each(|site| shorten(&mut site.file, &self.experiment.app.cwd));
        data
    }

    /// The interfaces of a split's services, priced by a prediction.
    fn interfaces(&self, split: &Split, estimate: &Estimate) -> Interfaces {
        let Experiment { recording, settings, app, .. } = *self.experiment;
        let mut interfaces = interfaces(recording, split, &Owners::of(recording, &split.table_owners), settings);
        interfaces.price(&CallPrices::of(estimate));
        interfaces.sites_mut().for_each(|site| shorten(&mut site.file, &app.cwd));
        interfaces
    }

    fn note_on_residuals(&self, stack: StackName) -> String {
        let name = stack.name();
        match (self.past.known(&self.circumstances(stack)), PastResiduals::path()) {
            (Some(figures), Some(path)) => format!(
                "predicted intervals over {name} contain the errors of {figures} earlier predictions for this app that were \
                 rehearsed on this machine; remove {} to forget them",
                path.display()
            ),
            _ => format!(
                "predicted intervals over {name} contain the errors of predictions for six other applications, until this app was \
                 rehearsed a few times on this machine"
            ),
        }
    }

    /// Predicts every split for the machine's speed during the recording.
    fn predict(&mut self, subjects: &[Subject<'_>], study: &mut Study) -> Result<()> {
        self.later_secs = 0.0;
        for (subject, predicted) in subjects.iter().zip(self.estimates(subjects, REPLICATIONS)?) {
            study.splits.push(self.compose(subject, predicted, None));
        }
        Ok(())
    }

    fn estimates(&mut self, subjects: &[Subject<'_>], replications: u32) -> Result<Vec<Estimate>> {
        let mut load = self.experiment.load.rate_reqs_per_sec;
        if load.is_none() && self.experiment.links.len() > 1 {
            // Links can be compared only at the same load: one that all of them can take.
            for nth in 0..subjects.len() {
                let scouted = self.estimate(subjects, nth, None, 1.0, SCOUT_REPLICATIONS)?;
                load = Some(load.unwrap_or(f64::INFINITY).min(scouted.load_reqs_per_sec));
            }
        }
        let predicted = (0..subjects.len()).map(|nth| self.estimate(subjects, nth, load, 1.0, replications)).collect();
        self.stage_ended();
        predicted
    }

    fn estimate(
        &mut self,
        subjects: &[Subject<'_>],
        nth: usize,
        load_reqs_per_sec: Option<f64>,
        slowness: f64,
        replications: u32,
    ) -> Result<Estimate> {
        let experiment = self.experiment;
        let split = subjects[nth].split;
        let scenario = experiment.scenario(&subjects[nth], load_reqs_per_sec, slowness, replications);
        let mut predicted = estimate(&scenario, &mut |fraction| {
            self.step(&Step {
                label: format!("estimate: split {}", split.name),
                done_secs: ESTIMATE_SECS * (nth as f64 + fraction),
                total_secs: ESTIMATE_SECS * subjects.len() as f64,
                ..Step::default()
            });
            goes_on(self.cancel)
        })?;
        shorten_paths(&mut predicted, &experiment.app.cwd);
        self.past.of(&self.circumstances(split.stack)).widen(&mut predicted);
        Ok(predicted)
    }

    /// Runs every split that can be run beside the monolith, and predicts every split. Returns whether every split
    /// could be run.
    ///
    /// A shared machine changes its speed from one minute to the next. What is predicted is therefore the ratio of split to
    /// monolith, at the load of the rehearsal, and for the speed at which the monolith saturated in it. A predicted value is that ratio
    /// times the monolith's, as measured. Nothing else of the rehearsal enters the prediction.
    fn rehearse(&mut self, subjects: &[Subject<'_>], study: &mut Study) -> Result<bool> {
        let experiment = self.experiment;
        self.later_secs = rehearse::planned_secs(subjects.len(), experiment.budget);
        let scouted = self.estimates(subjects, SCOUT_REPLICATIONS)?;
        let mut runnable = Vec::new();
        let mut refused: BTreeMap<&str, String> = BTreeMap::new();
        for (subject, scouted) in subjects.iter().zip(&scouted) {
            let split = subject.split;
            match refusal(experiment.recording, scouted) {
                None => runnable.push(split),
                Some(refusal) => {
                    let text = format!("cannot rehearse the split {}: {}", split.name, refusal.reason);
                    self.warn(text, vec![refusal.hint]);
                    refused.insert(&split.name, refusal.reason);
                }
            }
        }
        if runnable.is_empty() {
            return self.predict_unrehearsed(subjects, &refused, study);
        }
        self.later_secs = 0.0;
        let workload = experiment.workload.ok_or(Error::NoWorkload)?;
        let conditions = experiment.conditions();
        let cancel = self.cancel;
        let progress = &mut |step: &Step| self.step(step);
        let rehearsed =
            rehearse::rehearse(experiment.app, experiment.python, workload, &runnable, &conditions, progress, cancel);
        self.stage_ended();
        let rehearsed = rehearsed?;
        for split in &runnable {
            if let Some(problem) = rehearsed.broken.get(&split.name) {
                self.warn(format!("cannot rehearse the split {}: {problem}", split.name), Vec::new());
                refused.insert(&split.name, BROKEN.to_owned());
            }
        }
        if rehearsed.rehearsals.is_empty() {
            return self.predict_unrehearsed(subjects, &refused, study);
        }
        let all_run = refused.is_empty();
        for warning in rehearsed.warnings.into_iter().chain(rehearsed.doubtful.clone()) {
            self.warn(warning, Vec::new());
        }
        let course = rehearsed.course;
        study.provenance.notes.extend(course.discarded_in_words().into_iter().chain(course.imprecise_in_words()));
        if course.unfit {
            let why = course.discarded_in_words().unwrap_or_default();
            let text = format!("nothing counts that was measured under load, only lone requests do: {why}");
            self.warn(text.clone(), vec![UNFIT_HINT.to_owned()]);
            study.provenance.warnings.push(text);
        }
        let is_valid = !course.unfit && rehearsed.doubtful.is_none();
        study.course = Some(course);
        let slowness = slowness(&scouted, &rehearsed.rehearsals);
        study.provenance.notes.push(format!(
            "at saturation, the monolith took {} times as long for its requests as in the recording; ratios of split to \
             monolith are predicted for that speed, and values are these ratios of the monolith as measured",
            number(slowness)
        ));
        let names = runnable.iter().map(|split| split.name.as_str()).filter(|name| !refused.contains_key(name));
        let mut measured: BTreeMap<&str, _> =
            names.zip(rehearsed.rehearsals.into_iter().zip(rehearsed.answered)).collect();
        let mut found: Vec<(Circumstances, Residuals)> = Vec::new();
        for (nth, subject) in subjects.iter().enumerate() {
            let measured = measured.remove(subject.split.name.as_str());
            let measured_load = measured.as_ref().map(|(of, _)| of.load_reqs_per_sec).filter(|load| *load > 0.0);
            let load = measured_load.unwrap_or(scouted[nth].load_reqs_per_sec);
            let mut predicted = self.estimate(subjects, nth, Some(load), slowness, REPLICATIONS)?;
            let rehearsal = measured.map(|(mut rehearsal, answered)| {
                rehearsal.load_reqs_per_sec = load;
                anchor(&mut predicted, &rehearsal);
                rehearsal.audit = audit(experiment.recording, subject.split, &answered, &rehearsal.cannot_cross);
                rehearsal
            });
            if let Some(rehearsal) = &rehearsal {
                match invalid_link(&subject.split.name, rehearsal) {
                    Some(warning) => study.provenance.warnings.push(warning),
                    None if rehearsal.audit.holds() && rehearsal.answers.as_ref().is_none_or(Answers::holds) => {
                        found.push((self.circumstances(subject.split.stack), Residuals::of(&predicted, rehearsal)));
                    }
                    None => {}
                }
            }
            let not_rehearsed = refused.remove(subject.split.name.as_str());
            study.splits.push(SplitStudy { not_rehearsed, ..self.compose(subject, predicted, rehearsal) });
        }
        // Numbers that a late load generator made say nothing about the model.
        if is_valid {
            PastResiduals::keep_on_this_machine(found);
        }
        study.provenance.warnings.extend(rehearsed.doubtful);
        self.stage_ended();
        self.fail(subjects, study, Some(slowness))?;
        Ok(all_run)
    }

    /// Predicts splits of which none could be run, for these reasons.
    fn predict_unrehearsed(
        &mut self,
        subjects: &[Subject<'_>],
        refused: &BTreeMap<&str, String>,
        study: &mut Study,
    ) -> Result<bool> {
        self.predict(subjects, study)?;
        for split in &mut study.splits {
            split.not_rehearsed = refused.get(split.name.as_str()).cloned();
        }
        self.fail(subjects, study, None)?;
        Ok(false)
    }

    /// Everything about one split.
    fn compose(&self, subject: &Subject<'_>, estimate: Estimate, rehearsal: Option<Rehearsal>) -> SplitStudy {
        let Subject { split, .. } = subject;
        let mut rehearsal = rehearsal;
        for call in rehearsal.iter_mut().flat_map(|measured| &mut measured.cannot_cross) {
            shorten(&mut call.file, &self.experiment.app.cwd);
        }
        let usd_per_month = money(&estimate, rehearsal.as_ref(), self.experiment.prices);
        SplitStudy {
            name: split.name.clone(),
            services: services(self.experiment.recording, split),
            data: self.data_crossings(split),
            database: split.database,
            interfaces: Some(self.interfaces(split, &estimate)),
            copied: split.copied.clone().unwrap_or_default(),
            proposed_copies: Vec::new(),
            stack: split.stack.name().to_owned(),
            link: split.links.name(),
            link_round_trip_ms: split.links.round_trip().as_millis_f64(),
            usd_per_month,
            comparison: compare(&estimate, rehearsal.as_ref(), &usd_per_month),
            cannot_cross: cannot_cross(&estimate, rehearsal.as_ref()),
            estimate,
            rehearsal,
            not_rehearsed: None,
            faults: Vec::new(),
            verdict: None,
        }
    }
}

/// A warning if an emulated link did not deliver what was asked for.
fn invalid_link(split: &str, rehearsal: &Rehearsal) -> Option<String> {
    let (link, invalid) = rehearsal.emulations.iter().find_map(|link| Some((link, link.invalid.as_ref()?)))?;
    Some(format!(
        "split {split}: the link {} from {} to {} did not deliver what was asked for, so what was measured over it does \
         not hold: {invalid}",
        link.profile, link.listen, link.to
    ))
}

/// The monolith's predicted throughput at saturation divided by the measured one: the slowness of the machine under load.
fn slowness(predicted: &[Estimate], measured: &[Rehearsal]) -> f64 {
    let saturation = |figures: &Figures| Some(figures.saturation_reqs_per_sec?.value).filter(|rate| *rate > 0.0);
    let predicted = predicted.iter().find_map(|estimate| saturation(&estimate.figures.monolith));
    let measured = measured.iter().find_map(|rehearsal| saturation(&rehearsal.figures.monolith));
    predicted.zip(measured).map_or(1.0, |(predicted, measured)| predicted / measured)
}

/// The services of a split with the recorded modules that each has.
fn services(recording: &Recording, split: &Split) -> Vec<ServiceModules> {
    let modules = recording.modules.iter().skip(1);
    let of = |name: &str| modules.clone().filter(|module| split.service_of(module) == name).cloned().collect();
    split.service_names().into_iter().map(|name| ServiceModules { name: name.to_owned(), modules: of(name) }).collect()
}

/// The origin of a stack's unit costs.
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

fn shorten_paths(estimate: &mut Estimate, cwd: &Path) {
    let files = estimate.calls.iter_mut().map(|call| &mut call.file);
    let hops = estimate.call_backs.iter_mut().flat_map(|call_back| &mut call_back.path);
    let hops = hops.chain(&mut estimate.circular_wait);
    let files = files.chain(estimate.cannot_cross.iter_mut().map(|call| &mut call.file));
    files.chain(hops.map(|hop| &mut hop.file)).for_each(|file| shorten(file, cwd));
}

/// Makes a path below the app's directory, or in an installed package, relative to it.
fn shorten(file: &mut String, cwd: &Path) {
    let installed = ["/site-packages/", "/dist-packages/"].iter().find_map(|dir| Some(file.rsplit_once(dir)?.1));
    let inside = installed.map(str::to_owned).or_else(|| {
        let inside = Path::new(file.as_str()).strip_prefix(cwd).ok()?;
        Some(inside.display().to_string())
    });
    if let Some(inside) = inside {
        *file = inside;
    }
}

/// Says to a simulation if it goes on.
pub(crate) fn goes_on(cancel: &Cancel) -> ControlFlow<()> {
    if cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

impl PastResiduals {
    /// The file with this machine's residuals; `None` without a cache directory.
    fn path() -> Option<PathBuf> {
        cache::path(&format!("residuals-{}.json", cpu::machine().replace(|c: char| !c.is_ascii_alphanumeric(), "-")))
    }

    /// The residuals of earlier rehearsals on this machine.
    fn on_this_machine() -> Self {
        Self::path().and_then(|path| cache::read::<Self>(&path)).unwrap_or_default().if_current()
    }

    /// Adds these residuals to those of this machine.
    fn keep_on_this_machine(found: Vec<(Circumstances, Residuals)>) {
        let Some(path) = Self::path() else { return };
        let mut all = Self::on_this_machine();
        for (circumstances, residuals) in found {
            all.add(circumstances, residuals);
        }
        cache::write(&path, &all);
    }
}
