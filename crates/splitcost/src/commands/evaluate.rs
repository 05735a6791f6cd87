//! `splitcost evaluate`

use std::fs;
use std::process::ExitCode;

use splitcost_model::evaluation::Evaluation;

use crate::args::experiment::EvaluateArgs;
use crate::commands::{record, report};
use crate::failure::Failure;
use crate::pipeline::{Load, Pipeline, calibration_secs, print};
use crate::session::{Session, shown};
use crate::settings::Settings;

/// Records, calibrates, estimates, rehearses and reports.
pub(crate) fn run(session: &mut Session, args: &EvaluateArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings()?;
    settings.workload()?;
    let splits = settings.splits(&args.scenario.splits)?;
    let python = session.python_with_modules(&settings)?;
    let dir = Session::recording_dir(&settings, args.from.recording.as_deref());
    let recording = if args.from.recording.is_some() {
        Session::open(&dir)?
    } else {
        let rehearsal = splitcost_lab::rehearse::planned_secs(splits.len(), args.scenario.rounds);
        session.printer.later_secs = calibration_secs(&splits) + rehearsal;
        let load = Load::resolve(&settings, None, args.scenario.concurrency);
        record::app(session, &settings, &python, load, &dir)?
    };
    let pipeline = Pipeline::new(&settings, &python, &recording, &dir, &args.scenario)?;
    let calibrations = pipeline.calibrate(session, pipeline.rehearsal_secs())?;
    let (evaluation, all_ran) = pipeline.rehearse(session, &calibrations)?;
    keep(&settings, &evaluation)?;
    report::write(&evaluation, &args.report)?;
    print(&mut session.printer, &evaluation, args.output.format)?;
    session.printer.note(&format!("wrote {}", shown(&args.report).display()));
    Ok(if all_ran { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Keeps the evaluation for `splitcost report`.
fn keep(settings: &Settings, evaluation: &Evaluation) -> anyhow::Result<()> {
    let dir = Session::own_dir(settings);
    let path = dir.join("evaluation.json");
    let text = serde_json::to_string_pretty(evaluation)?;
    let written = fs::create_dir_all(&dir).and_then(|()| fs::write(&path, text));
    Ok(written.map_err(|error| Failure::new(format!("failed to write {}: {error}", shown(&path).display())))?)
}
