//! `splitcost evaluate`

use std::fs;
use std::process::ExitCode;

use splitcost_model::study::Study;
use splitcost_study::{Depth, Scope, calibration_secs};

use crate::args::experiment::EvaluateArgs;
use crate::commands::{record, report};
use crate::experiment::{self, Subject};
use crate::failure::Failure;
use crate::session::{Session, shown};
use crate::settings::Settings;

/// Records, calibrates, estimates, rehearses and reports.
pub(crate) fn run(session: &mut Session, args: &EvaluateArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings()?;
    settings.workload()?;
    // Without any, one is proposed.
    let splits = settings.splits(&args.scenario.splits)?.len().max(1);
    let python = session.python_with_modules(&settings)?;
    let dir = Session::recording_dir(&settings, args.from.recording.as_deref());
    let recording = if args.from.recording.is_some() {
        Session::open(&dir)?
    } else {
        let rehearsal = splitcost_lab::rehearse::planned_secs(splits, args.scenario.budget);
        session.printer.later_secs = calibration_secs(splits) + rehearsal;
        let load = experiment::load(&settings, None, args.scenario.concurrency);
        record::app(session, &settings, &python, load, &dir)?
    };
    let subject = Subject { settings: &settings, python: &python, recording: &recording, recording_dir: &dir };
    let studied = experiment::run(session, &subject, &args.scenario, Depth::Rehearse, Scope::Splits)?;
    keep(&settings, &studied.study)?;
    report::write(&studied.study, &args.report)?;
    experiment::print(&mut session.printer, &studied.study, args.output.format)?;
    session.printer.note(&format!("wrote {}", shown(&args.report).display()));
    Ok(experiment::status(studied.completion))
}

/// Keeps the study for `splitcost report`.
fn keep(settings: &Settings, study: &Study) -> anyhow::Result<()> {
    let dir = Session::own_dir(settings);
    let path = dir.join("study.json");
    let text = serde_json::to_string_pretty(study)?;
    let written = fs::create_dir_all(&dir).and_then(|()| fs::write(&path, text));
    Ok(written.map_err(|error| Failure::new(format!("failed to write {}: {error}", shown(&path).display())))?)
}
