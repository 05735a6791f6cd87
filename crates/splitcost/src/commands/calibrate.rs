//! `splitcost calibrate`: measures the unit costs of stacks.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use splitcost_bench::stacks::catalogue::{Catalogue, Filter};
use splitcost_bench::stacks::matrix::{MatrixPlan, matrix};
use splitcost_lab::Step;
use splitcost_lab::calibrate::{Needs, calibrate, missing};
use splitcost_lab::python::Python;
use splitcost_model::calibration::{Calibration, ClientMode, HandlerMode, Pace, Point};
use splitcost_model::split::{Split, StackName};
use splitcost_model::statistics::{Interval, median};
use splitcost_report::bench::Style;

use crate::args::experiment::CalibrateArgs;
use crate::args::shared::Format;
use crate::failure::{Failed, Failure};
use crate::session::Session;

/// Measures stacks, and prints the costs of a call over each.
pub(crate) fn run(session: &mut Session, args: &CalibrateArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings().ok();
    let python = session.python(settings.as_ref())?;
    let named = args.from.recording.as_deref();
    let recording = match (&settings, named) {
        (_, Some(dir)) => Some(Session::open(dir)?),
        (Some(settings), None) if Session::recording_dir(settings, None).exists() => {
            Some(Session::open(&Session::recording_dir(settings, None))?)
        }
        _ => None,
    };
    if args.all || !args.clients.is_empty() || !args.servers.is_empty() {
        let splits: Vec<&Split> = settings.iter().flat_map(|settings| &settings.splits).collect();
        let needs = recording.as_ref().filter(|_| !splits.is_empty()).map(|recording| Needs::of(recording, &splits));
        return every_stack(session, args, needs.as_ref(), &python);
    }
    let mut stacks = args.stacks.clone();
    if stacks.is_empty() {
        for stack in StackName::ALL {
            match missing(stack, &python).failed()? {
                absent if absent.is_empty() => stacks.push(stack),
                absent => session.printer.warn(&format!(
                    "{} is left out, its packages are missing: {} -m pip install {}",
                    stack.name(),
                    python.executable.display(),
                    absent.join(" ")
                )),
            }
        }
    }
    if stacks.is_empty() {
        return Err(Failure::new("the Python interpreter has the packages of no stack").into());
    }
    let mut calibrations = Vec::new();
    for stack in stacks {
        let splits = settings.as_ref().map(|settings| settings.splits.as_slice()).unwrap_or_default();
        let same: Vec<&Split> = splits.iter().filter(|split| split.stack == stack).collect();
        let relevant = if same.is_empty() { splits.iter().collect() } else { same };
        let needs = recording.as_ref().map_or_else(Needs::default, |recording| Needs::of(recording, &relevant));
        let Session { printer, cancel, .. } = session;
        let progress = &mut |step: &Step| printer.step(step);
        let max_age = if args.fresh { Duration::ZERO } else { Duration::MAX };
        let calibration = calibrate(stack, &needs, &python, (args.seed, max_age), progress, cancel).failed();
        printer.done();
        calibrations.push(calibration?);
    }
    if args.output.format == Format::Json {
        session.printer.json(&calibrations)?;
    } else {
        let text: Vec<String> = calibrations.iter().map(render).collect();
        session.printer.answer(&text.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures every client with every server.
fn every_stack(
    session: &mut Session,
    args: &CalibrateArgs,
    recorded: Option<&Needs>,
    python: &Python,
) -> anyhow::Result<ExitCode> {
    let filter = Filter { clients: args.clients.clone(), servers: args.servers.clone() };
    let catalogue = Catalogue::ask(python).failed()?;
    let chosen = catalogue.all(&filter).failed()?;
    for left_out in &chosen.left_out {
        session.printer.warn(left_out);
    }
    let plan = MatrixPlan::new(recorded, args.seed, args.fresh);
    let Session { printer, cancel, .. } = session;
    let progress = &mut |step: &Step| printer.step(step);
    let found = matrix(&catalogue, &chosen, &plan, python, progress, cancel).failed();
    printer.done();
    if found.is_err() && cancel.is_cancelled() {
        printer.note("the measurements so far are kept: the same command continues from there");
    }
    let found = found?;
    match args.output.format {
        Format::Json => session.printer.json(&found)?,
        _ => session.printer.answer(&splitcost_report::bench::matrix(&found, Style::Text))?,
    }
    Ok(ExitCode::from(u8::from(!found.failed.is_empty())))
}

/// Returns a table with a line for each kind of call and payload: medians over the rounds with 90 % intervals.
fn render(calibration: &Calibration) -> String {
    let mut text = format!("{}\nmeasured {}\n\n", calibration.fingerprint, calibration.measured_at);
    text.push_str(
        "client  handler  pace     values   bytes  work µs   client CPU µs      server CPU µs      wall µs\n",
    );
    let Some(first) = calibration.rounds.first() else { return text };
    for (i, point) in first.points.iter().enumerate() {
        let over = |value: &dyn Fn(&Point) -> f64| {
            let values: Vec<f64> =
                calibration.rounds.iter().filter_map(|round| round.points.get(i)).map(|p| value(p) / 1e3).collect();
            let Interval { value, low, high, .. } = Interval::of(&values).unwrap_or_default();
            format!("{value:.0} ({low:.0}–{high:.0})")
        };
        let work = |i: usize| {
            let of = calibration.rounds.iter().filter_map(|round| Some(round.points.get(i)?.work_nanos / 1e3));
            format!("{:.0}", median(of).unwrap_or_default())
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<7} {:<8} {:<8} {:>6} {:>7} {:>8}   {:<18} {:<18} {}",
            match point.client {
                ClientMode::Async => "async",
                ClientMode::Sync => "sync",
            },
            match point.handler {
                HandlerMode::Async => "async",
                HandlerMode::Sync => "sync",
            },
            match point.pace {
                Pace::Cold => "cold",
                Pace::Burst => "burst",
                Pace::Settled => "settled",
                Pace::Spaced => "spaced",
                Pace::Crowded => "crowded",
                Pace::Around => "around",
                Pace::Inside => "inside",
                Pace::Changing => "changing",
            },
            point.nodes,
            point.bytes,
            if point.work_nanos > 0.0 { work(i) } else { String::new() },
            over(&|p| p.client_cpu_nanos),
            over(&|p| p.server_cpu_nanos),
            over(&|p| p.wall_nanos),
        );
    }
    text
}
