//! `splitcost bench URL…`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use splitcost_bench::compare::{ComparisonPlan, compare};
use splitcost_bench::endpoint::{Endpoint, Requests};
use splitcost_bench::locust;
use splitcost_bench::measure::{Measured, measure};
use splitcost_bench::saturation::find_saturation;
use splitcost_lab::{Cancel, Step};
use splitcost_load::{Arrivals, Mode, Plan, Stop};
use splitcost_model::bench::Measurement;
use splitcost_model::quantity::Nanos;
use splitcost_report::bench as text;

use crate::args::bench::{ALONE, COMPARED, SATURATION_STEP, Spacing, UrlArgs, Window};
use crate::args::shared::Format;
use crate::args::threshold::Threshold;
use crate::failure::{Failed, Failure};
use crate::requests;
use crate::session::Session;

/// Measures one endpoint, finds its knee, or compares two.
pub(crate) fn run(session: &mut Session, args: &UrlArgs) -> anyhow::Result<ExitCode> {
    if let Some(prefix) = &args.import_locust {
        return print(session, args, &import(prefix)?);
    }
    let ask = requests::ask(args, &mut session.printer)?;
    if let [tool, file] = args.export.as_slice() {
        return export(session, args, &ask, tool, file);
    }
    let reach = requests::reach(args)?;
    let endpoints: Vec<Endpoint> =
        args.urls.iter().map(|url| Endpoint::new(url, &ask, &reach)).collect::<Result<_, _>>().failed()?;
    match endpoints.as_slice() {
        [one] if args.find_saturation => saturation(session, args, one),
        [_, _] if args.find_saturation => {
            Err(Failure::new("--find-saturation holds for one endpoint").hint("bench each address by itself").into())
        }
        [one] => alone(session, args, one),
        [a, b] => compared(session, args, [a, b]),
        _ => Err(Failure::new("one or two addresses are expected").into()),
    }
}

fn plan(args: &UrlArgs, usual: Window) -> Plan {
    let stop = match args.requests {
        Some(requests) => Stop::Requests(requests),
        None => Stop::After(Nanos::from_secs_f64(args.duration.unwrap_or(usual.measured_secs))),
    };
    let plan = match args.rate {
        Some(reqs_per_sec) => {
            Plan { mode: Mode::Open { reqs_per_sec, arrivals: arrivals(args) }, ..Plan::open(reqs_per_sec, stop) }
        }
        None => Plan::closed(args.concurrency as usize, stop),
    };
    Plan {
        warm_up: Nanos::from_secs_f64(args.warm_up.unwrap_or(usual.warm_up_secs)),
        deadline: Nanos::from_secs_f64(args.timeout),
        keep_alive: !args.no_keep_alive,
        streams_per_connection: args.streams.map_or(plan.streams_per_connection, |streams| streams as usize),
        seed_offset: args.seed,
        ..plan
    }
}

fn arrivals(args: &UrlArgs) -> Arrivals {
    match args.arrivals {
        Spacing::Poisson => Arrivals::Poisson,
        Spacing::Uniform => Arrivals::Uniform,
    }
}

fn saturation(session: &mut Session, args: &UrlArgs, endpoint: &Endpoint) -> anyhow::Result<ExitCode> {
    let plan = plan(args, SATURATION_STEP);
    let step_secs = args.duration.unwrap_or(SATURATION_STEP.measured_secs) + plan.warm_up.as_secs_f64();
    let Session { printer, cancel, .. } = session;
    let progress = &mut |step: &Step| printer.step(step);
    let found = find_saturation(endpoint, &plan, arrivals(args), step_secs, progress, cancel).failed();
    printer.done();
    let found = found?;
    match args.output.format {
        Format::Json => printer.json(&found)?,
        Format::Csv => printer.answer(&text::saturation_csv(&found))?,
        Format::Markdown => printer.answer(&text::saturation_markdown(&found))?,
        _ => printer.answer(&text::saturation(&found))?,
    }
    interrupted(cancel)?;
    Ok(ExitCode::from(u8::from(found.invalid.is_some())))
}

/// Writes the workload for Locust.
fn export(session: &mut Session, args: &UrlArgs, ask: &Requests, tool: &Path, file: &Path) -> anyhow::Result<ExitCode> {
    if tool != Path::new("locust") {
        return Err(Failure::new(format!("there is no export for {}", tool.display()))
            .hint("--export locust FILE.py writes a Locust file")
            .into());
    }
    let [url] = args.urls.as_slice() else {
        return Err(Failure::new("--export holds for one address").into());
    };
    let text = ask.at(url).failed().and_then(|requests| {
        locust::export(url, &requests, args.concurrency).map_err(|problem| Failure::new(problem).into())
    })?;
    fs::write(file, text).map_err(|error| Failure::new(format!("failed to write {}: {error}", file.display())))?;
    session.printer.note(&format!("wrote {}; its first lines say how Locust runs it", file.display()));
    Ok(ExitCode::SUCCESS)
}

/// Reads what Locust found.
fn import(prefix: &Path) -> anyhow::Result<Measurement> {
    let read = |end: &str| {
        let path = format!("{}{end}", prefix.display());
        fs::read_to_string(&path).map_err(|error| {
            Failure::new(format!("failed to read {path}: {error}"))
                .hint("`locust --csv PREFIX` writes PREFIX_stats.csv and PREFIX_failures.csv")
        })
    };
    let (stats, failures) = (read("_stats.csv")?, read("_failures.csv")?);
    let origin = prefix.display().to_string();
    Ok(locust::import(&origin, &stats, &failures).map_err(|problem| Failure::new(format!("{origin}: {problem}")))?)
}

fn alone(session: &mut Session, args: &UrlArgs, endpoint: &Endpoint) -> anyhow::Result<ExitCode> {
    let Session { printer, cancel, .. } = session;
    let found = measure(endpoint, &plan(args, ALONE), &mut |step: &Step| printer.step(step), cancel).failed();
    printer.done();
    let Measured { measurement, hdr_log } = found?;
    if let Some(file) = &args.hdr {
        fs::write(file, hdr_log)
            .map_err(|error| Failure::new(format!("failed to write {}: {error}", file.display())))?;
    }
    print(session, args, &measurement)
}

/// Answers with one endpoint's figures, and judges them.
fn print(session: &mut Session, args: &UrlArgs, found: &Measurement) -> anyhow::Result<ExitCode> {
    let Session { printer, cancel, .. } = session;
    match args.output.format {
        Format::Json => printer.json(found)?,
        Format::Csv => printer.answer(&text::csv(found))?,
        Format::Markdown => printer.answer(&text::markdown(found))?,
        _ => printer.answer(&text::measurement(found))?,
    }
    interrupted(cancel)?;
    let broken: Vec<&Threshold> = args.fail_if.iter().filter(|threshold| threshold.holds(found)).collect();
    for threshold in &broken {
        let value = splitcost_model::number::number(threshold.value(found));
        printer.warn(&format!("{}: it is {value}", threshold.text));
    }
    if found.ok == 0 {
        printer.warn("no request was answered well");
    }
    let bad = !broken.is_empty() || found.invalid.is_some() || found.ok == 0;
    Ok(ExitCode::from(u8::from(bad)))
}

fn compared(session: &mut Session, args: &UrlArgs, endpoints: [&Endpoint; 2]) -> anyhow::Result<ExitCode> {
    if args.hdr.is_some() {
        return Err(Failure::new("--hdr holds for one endpoint").hint("bench each address by itself").into());
    }
    if !args.fail_if.is_empty() {
        return Err(Failure::new("--fail-if holds for one endpoint").hint("bench each address by itself").into());
    }
    let conditions = ComparisonPlan { rounds: args.rounds, margin: args.margin / 100.0, seed: args.seed };
    let Session { printer, cancel, .. } = session;
    let progress = &mut |step: &Step| printer.step(step);
    let found = compare(endpoints, &plan(args, COMPARED), &conditions, progress, cancel).failed();
    printer.done();
    let found = found?;
    match args.output.format {
        Format::Json => printer.json(&found)?,
        Format::Csv => printer.answer(&text::comparison_csv(&found))?,
        Format::Markdown => printer.answer(&text::comparison_markdown(&found))?,
        _ => printer.answer(&text::comparison(&found))?,
    }
    if found.rounds < args.rounds {
        printer.note(&format!("{} of {} rounds were made", found.rounds, args.rounds));
    }
    interrupted(cancel)?;
    Ok(ExitCode::from(u8::from(found.invalid.is_some())))
}

/// Returns the error of an interrupted run, whose results so far were printed.
fn interrupted(cancel: &Cancel) -> anyhow::Result<()> {
    cancel.check().failed()
}
