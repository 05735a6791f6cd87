//! `splitcost estimate`

use std::process::ExitCode;

use splitcost_study::{Depth, Scope};

use crate::args::experiment::EstimateArgs;
use crate::experiment::{self, Subject};
use crate::session::Session;

/// Predicts splits from a recording.
pub(crate) fn run(session: &mut Session, args: &EstimateArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings()?;
    let python = session.python_with_modules(&settings)?;
    let dir = Session::recording_dir(&settings, args.from.recording.as_deref());
    let recording = Session::open(&dir)?;
    let subject = Subject { settings: &settings, python: &python, recording: &recording, recording_dir: &dir };
    let scope = if args.scenario.faults.is_empty() { Scope::Splits } else { Scope::FaultsOnly };
    let studied = experiment::run(session, &subject, &args.scenario, Depth::Estimate, scope)?;
    experiment::print(&mut session.printer, &studied.study, args.output.format)?;
    Ok(experiment::status(studied.completion))
}
