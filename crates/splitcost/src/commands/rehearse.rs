//! `splitcost rehearse`

use std::process::ExitCode;

use splitcost_study::{Depth, Scope};

use crate::args::experiment::RehearseArgs;
use crate::experiment::{self, Subject};
use crate::session::Session;

/// Predicts splits, runs them, and prints both.
pub(crate) fn run(session: &mut Session, args: &RehearseArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings()?;
    settings.workload()?;
    let python = session.python_with_modules(&settings)?;
    let dir = Session::recording_dir(&settings, args.from.recording.as_deref());
    let recording = Session::open(&dir)?;
    let subject = Subject { settings: &settings, python: &python, recording: &recording, recording_dir: &dir };
    let scope = if args.scenario.faults.is_empty() { Scope::Splits } else { Scope::FaultsOnly };
    let studied = experiment::run(session, &subject, &args.scenario, Depth::Rehearse, scope)?;
    experiment::print(&mut session.printer, &studied.study, args.output.format)?;
    Ok(experiment::status(studied.completion))
}
