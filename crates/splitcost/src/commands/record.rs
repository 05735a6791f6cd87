//! `splitcost record`: records the app, or a command.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use splitcost_lab::app::AppSpec;
use splitcost_lab::python::Python;
use splitcost_lab::record::{self, Recorded};
use splitcost_model::recording::Recording;
use splitcost_recording::convert;
use splitcost_study::proposal;

use crate::INTERRUPTED;
use crate::args::experiment::RecordArgs;
use crate::experiment;
use crate::failure::{Failed, Failure, Interrupted};
use crate::session::{RECORDING, Session, closest, shown};
use crate::settings::Settings;

/// Records the app or a command, and keeps the recording.
pub(crate) fn run(session: &mut Session, args: &RecordArgs) -> anyhow::Result<ExitCode> {
    if args.command.is_empty() {
        let settings = session.settings()?;
        let python = session.python_with_modules(&settings)?;
        let place = Session::recording_dir(&settings, args.output.as_deref());
        let load = experiment::load(&settings, args.rate, args.concurrency);
        let recording = app(session, &settings, &python, load, &place)?;
        if settings.splits.is_empty() {
            propose(session, &settings, &recording)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    command(session, args)
}

/// Records the app under its workload, and moves the recording to `place`.
pub(crate) fn app(
    session: &mut Session,
    settings: &Settings,
    python: &Python,
    load: splitcost_study::Load,
    place: &Path,
) -> anyhow::Result<Recording> {
    let workload = settings.workload()?;
    let partial = partial(place);
    let recorded = {
        let Session { printer, cancel, .. } = session;
        let progress = &mut |step: &splitcost_lab::Step| printer.step(step);
        let load = (load.concurrency, load.rate_reqs_per_sec);
        record::record(&settings.app, python, workload, load, &partial, progress, cancel).failed()
    };
    session.printer.done();
    let recorded = recorded.inspect_err(|_| salvage(session, &partial))?;
    keep(session, &recorded, (&settings.app, python), &partial, place)?;
    if recorded.interrupted {
        return Err(Interrupted.into());
    }
    Ok(recorded.recording)
}

/// Prints a split of the recorded app as a table of the settings.
fn propose(session: &mut Session, settings: &Settings, recording: &Recording) -> anyhow::Result<()> {
    match proposal::propose(recording, &settings.table_owners) {
        Ok(proposal) => {
            session.printer.answer(&format!("\n# Proposed from the recording: {proposal}.\n{}", proposal.toml()))?;
            session
                .printer
                .note("no split is named in the settings; until one is, the other commands use the proposed one");
            Ok(())
        }
        Err(none) => {
            session.printer.note(&format!("no split can be proposed: {none}"));
            Ok(())
        }
    }
}

fn command(session: &mut Session, args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir()?;
    let (python, spec, place) = if args.packages.is_empty() {
        let settings = session.settings()?;
        let place = Session::recording_dir(&settings, args.output.as_deref());
        let python = session.python(Some(&settings))?;
        // A command has the environment of the terminal; the file adds to it.
        let mut spec = AppSpec { cwd: here, ..settings.app };
        spec.env.retain(|name, _| std::env::var_os(name).is_none());
        (python, spec, place)
    } else {
        let spec = AppSpec {
            packages: args.packages.clone(),
            cwd: here.clone(),
            env: BTreeMap::new(),
            deadline: Duration::ZERO,
            ..AppSpec::default()
        };
        let place = args.output.clone().unwrap_or_else(|| here.join(RECORDING));
        (session.python(None)?, spec, place)
    };
    let partial = partial(&place);
    let (recorded, status) = record::record_command(&spec, &python, &args.command, &partial, &session.cancel)
        .failed()
        .inspect_err(|_| salvage(session, &partial))?;
    keep(session, &recorded, (&spec, &python), &partial, &place).inspect_err(|_| {
        if !status.success() {
            session.printer.warn(&format!("the command ended with {status}"));
        }
    })?;
    if recorded.interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    session.printer.warn(&format!("the command ended with {status}"));
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Fails if no function of the app ran, as where its package is misspelt. An earlier recording stays.
fn check_some_ran(recorded: &Recorded, spec: &AppSpec, python: &Python, partial: &Path) -> anyhow::Result<()> {
    let mut functions = recorded.recording.functions.iter();
    if recorded.interrupted || functions.any(|function| function.module != Recording::ROOT_MODULE) {
        return Ok(());
    }
    // The next recording overwrites what cannot be removed.
    drop(fs::remove_dir_all(partial));
    let quoted: Vec<String> = spec.packages.iter().map(|package| format!("`{package}`")).collect();
    let failure = Failure::new(format!("no function of {} ran while recording", quoted.join(" or ")));
    let names: Vec<&str> = spec.packages.iter().map(String::as_str).collect();
    let found = spec.modules(python, &names).unwrap_or_default();
    let hints = found.missing.iter().map(|package| match closest(package, &found.beside) {
        Some(closest) => format!("there is no package {package}: did you mean {closest}?"),
        None => format!("there is no package {package} for {}", python.executable.display()),
    });
    let failure = hints.fold(failure, Failure::hint);
    Err(failure
        .hint("`package` in [app], or --package for a command, names the package whose modules are to be recorded")
        .into())
}

fn keep(
    session: &mut Session,
    recorded: &Recorded,
    (spec, python): (&AppSpec, &Python),
    partial: &Path,
    place: &Path,
) -> anyhow::Result<()> {
    for warning in &recorded.warnings {
        session.printer.warn(warning);
    }
    for trouble in &recorded.recording.meta.troubles {
        session.printer.warn(trouble);
    }
    check_some_ran(recorded, spec, python, partial)?;
    let place = record::keep(partial, place, recorded.interrupted).failed()?;
    let requests = recorded.recording.of_workload();
    let endpoints: BTreeSet<&str> = requests.clone().map(|request| request.endpoint.as_str()).collect();
    session.printer.note(&format!(
        "recorded {} of {} in {}",
        count(requests.count(), "request"),
        count(endpoints.len(), "endpoint"),
        shown(&place).display()
    ));
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Says where the requests are that were recorded before a failure. Removes a recording without any.
fn salvage(session: &mut Session, partial: &Path) {
    match convert::open(partial) {
        // A phase was finished, so the app has worked.
        Ok(recording) if !recording.meta.phases.is_empty() => session.printer.note(&format!(
            "{} were recorded before that: splitcost show {}",
            count(recording.of_workload().count(), "request"),
            shown(partial).display()
        )),
        // The next recording overwrites what cannot be removed.
        _ => drop(fs::remove_dir_all(partial)),
    }
}

/// Returns the directory in which a recording is made, beside its final place.
fn partial(place: &Path) -> std::path::PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    place.with_file_name(name)
}
