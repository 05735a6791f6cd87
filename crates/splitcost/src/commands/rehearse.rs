//! `splitcost rehearse`

use std::process::ExitCode;

use splitcost_lab::loopback;
use splitcost_model::loopback::{Loopback, Loopbacks};
use splitcost_study::{Depth, Scope};

use crate::args::experiment::{RehearsalMode, RehearseArgs};
use crate::args::shared::Format;
use crate::experiment::{self, Subject};
use crate::failure::{Failed, Failure};
use crate::printer::Printer;
use crate::session::Session;

/// Predicts splits, runs them, and prints both; or sends their calls as messages inside one process.
pub(crate) fn run(session: &mut Session, args: &RehearseArgs) -> anyhow::Result<ExitCode> {
    if args.mode == RehearsalMode::Loopback {
        return loop_back(session, args);
    }
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

/// Runs the app once per split, with the calls between services as messages inside its process. Needs no recording.
fn loop_back(session: &mut Session, args: &RehearseArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings()?;
    let workload = settings.workload()?;
    if !args.scenario.faults.is_empty() || !args.scenario.profiles.is_empty() {
        return Err(Failure::new("a loopback has no links and no faults: its calls stay in one process").into());
    }
    let splits = settings.splits(&args.scenario.splits)?;
    if splits.is_empty() {
        return Err(Failure::new("the settings name no split")
            .hint("add a table [splits.NAME] with services = { pricing = [\"shop.pricing\"] }")
            .hint("`splitcost record` proposes one")
            .into());
    }
    let python = session.python_with_modules(&settings)?;
    let found = {
        let Session { printer, cancel, .. } = session;
        let progress = &mut |step: &splitcost_lab::Step| printer.step(step);
        loopback::run(&settings.app, &python, workload, &splits, args.scenario.compare, progress, cancel).failed()
    };
    session.printer.done();
    let document = Loopbacks { splits: found? };
    if args.output.format == Format::Json {
        session.printer.json(&document)?;
    } else {
        session.printer.answer(&splitcost_report::loopback::render(&document, Printer::width()))?;
    }
    Ok(if document.splits.iter().all(Loopback::holds) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
