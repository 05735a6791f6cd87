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
use splitcost_model::bench::{Measurement, Times};
use splitcost_model::quantity::Nanos;
use splitcost_report::bench as text;

use crate::args::bench::{Format, Spacing, Url};
use crate::failure::{Failed, Failure};
use crate::requests;
use crate::session::Session;

/// Seconds that are measured, and that come before: of one endpoint.
///
/// Chosen: thousands of requests of an endpoint that answers in milliseconds.
const ALONE_SECS: (f64, f64) = (10.0, 1.0);
/// The same for each run of a comparison.
///
/// Chosen: many short runs see the machine at every speed that it has.
const COMPARED_SECS: (f64, f64) = (0.3, 0.05);

/// The same for each rate of a search for the knee.
///
/// Chosen: a queue that grows by a tenth of the arrivals makes p99 explode within a second.
const STEP_SECS: (f64, f64) = (3.0, 0.5);

/// Measures one endpoint, finds its knee, or compares two.
pub(crate) fn run(session: &mut Session, args: &Url) -> anyhow::Result<ExitCode> {
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

fn plan(args: &Url, (secs, warm_up_secs): (f64, f64)) -> Plan {
    let stop = match args.requests {
        Some(requests) => Stop::Requests(requests),
        None => Stop::After(Nanos::from_secs_f64(args.duration.unwrap_or(secs))),
    };
    let plan = match args.rate {
        Some(reqs_per_sec) => {
            Plan { mode: Mode::Open { reqs_per_sec, arrivals: arrivals(args) }, ..Plan::open(reqs_per_sec, stop) }
        }
        None => Plan::closed(args.concurrency as usize, stop),
    };
    Plan {
        warm_up: Nanos::from_secs_f64(args.warm_up.unwrap_or(warm_up_secs)),
        deadline: Nanos::from_secs_f64(args.timeout),
        keep_alive: !args.no_keep_alive,
        streams_per_connection: args.streams.map_or(plan.streams_per_connection, |streams| streams as usize),
        seed_offset: args.seed,
        ..plan
    }
}

fn arrivals(args: &Url) -> Arrivals {
    match args.arrivals {
        Spacing::Poisson => Arrivals::Poisson,
        Spacing::Uniform => Arrivals::Uniform,
    }
}

fn saturation(session: &mut Session, args: &Url, endpoint: &Endpoint) -> anyhow::Result<ExitCode> {
    let plan = plan(args, STEP_SECS);
    let step_secs = args.duration.unwrap_or(STEP_SECS.0) + plan.warm_up.as_secs_f64();
    let Session { printer, cancel, .. } = session;
    let progress = &mut |step: &Step| printer.step(step);
    let found = find_saturation(endpoint, &plan, arrivals(args), step_secs, progress, cancel).failed();
    printer.done();
    let found = found?;
    match args.format {
        Format::Text => printer.answer(&text::saturation(&found))?,
        Format::Json => printer.json(&found)?,
        Format::Csv => printer.answer(&text::saturation_csv(&found))?,
        Format::Markdown => printer.answer(&text::saturation_markdown(&found))?,
    }
    interrupted(cancel)?;
    Ok(ExitCode::from(u8::from(found.invalid.is_some())))
}

/// Writes the workload for Locust.
fn export(session: &mut Session, args: &Url, ask: &Requests, tool: &Path, file: &Path) -> anyhow::Result<ExitCode> {
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

fn alone(session: &mut Session, args: &Url, endpoint: &Endpoint) -> anyhow::Result<ExitCode> {
    let Session { printer, cancel, .. } = session;
    let found = measure(endpoint, &plan(args, ALONE_SECS), &mut |step: &Step| printer.step(step), cancel).failed();
    printer.done();
    let Measured { measurement, hdr_log } = found?;
    if let Some(file) = &args.hdr {
        fs::write(file, hdr_log)
            .map_err(|error| Failure::new(format!("failed to write {}: {error}", file.display())))?;
    }
    print(session, args, &measurement)
}

/// Answers with one endpoint's figures, and judges them.
fn print(session: &mut Session, args: &Url, found: &Measurement) -> anyhow::Result<ExitCode> {
    let Session { printer, cancel, .. } = session;
    match args.format {
        Format::Text => printer.answer(&text::measurement(found))?,
        Format::Json => printer.json(found)?,
        Format::Csv => printer.answer(&text::csv(found))?,
        Format::Markdown => printer.answer(&text::markdown(found))?,
    }
    interrupted(cancel)?;
    let broken: Vec<&Threshold> = args.fail_if.iter().filter(|threshold| threshold.holds(found)).collect();
    for threshold in &broken {
        let value = threshold.figure.of(found);
        printer.warn(&format!("{}: it is {}", threshold.text, splitcost_report::number::number(value)));
    }
    if found.ok == 0 {
        printer.warn("no request was answered well");
    }
    let bad = !broken.is_empty() || found.invalid.is_some() || found.ok == 0;
    Ok(ExitCode::from(u8::from(bad)))
}

fn compared(session: &mut Session, args: &Url, endpoints: [&Endpoint; 2]) -> anyhow::Result<ExitCode> {
    if args.hdr.is_some() {
        return Err(Failure::new("--hdr holds for one endpoint").hint("bench each address by itself").into());
    }
    if !args.fail_if.is_empty() {
        return Err(Failure::new("--fail-if holds for one endpoint").hint("bench each address by itself").into());
    }
    let conditions = ComparisonPlan { rounds: args.rounds, margin: args.margin / 100.0, seed: args.seed };
    let Session { printer, cancel, .. } = session;
    let progress = &mut |step: &Step| printer.step(step);
    let found = compare(endpoints, &plan(args, COMPARED_SECS), &conditions, progress, cancel).failed();
    printer.done();
    let found = found?;
    match args.format {
        Format::Text => printer.answer(&text::comparison(&found))?,
        Format::Json => printer.json(&found)?,
        Format::Csv => printer.answer(&text::comparison_csv(&found))?,
        Format::Markdown => printer.answer(&text::comparison_markdown(&found))?,
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

/// A condition on one endpoint's figures.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    figure: Figure,
    above: bool,
    limit: f64,
    text: String,
}

/// The subject of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Mean,
    P50,
    P90,
    P99,
    P999,
    P9999,
    Max,
    Throughput,
    Failed,
}

impl Figure {
    const ALL: [(&'static str, Self); 9] = [
        ("mean", Self::Mean),
        ("p50", Self::P50),
        ("p90", Self::P90),
        ("p99", Self::P99),
        ("p99.9", Self::P999),
        ("p99.99", Self::P9999),
        ("max", Self::Max),
        ("throughput", Self::Throughput),
        ("failed", Self::Failed),
    ];

    /// Response times in milliseconds.
    fn of(self, found: &Measurement) -> f64 {
        let Times { mean_ms, p50_ms, p90_ms, p99_ms, p99_9_ms, p99_99_ms, max_ms } = found.response;
        match self {
            Self::Mean => mean_ms,
            Self::P50 => p50_ms,
            Self::P90 => p90_ms,
            Self::P99 => p99_ms,
            Self::P999 => p99_9_ms,
            Self::P9999 => p99_99_ms,
            Self::Max => max_ms,
            Self::Throughput => found.throughput_reqs_per_sec,
            Self::Failed => found.failed.iter().map(|failed| failed.requests).sum::<u64>() as f64,
        }
    }
}

impl Threshold {
    /// `p99 > 50ms`: a figure, `>` or `<`, and a number; times in ms, or with a unit of `us`, `ms` or `s`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (above, (name, limit)) = match (text.split_once('>'), text.split_once('<')) {
            (Some(parts), None) => (true, parts),
            (None, Some(parts)) => (false, parts),
            _ => return Err("a condition is written `p99 > 50ms`".to_owned()),
        };
        let known = Figure::ALL.iter().find(|(known, _)| *known == name.trim());
        let Some((_, figure)) = known else {
            let names: Vec<&str> = Figure::ALL.iter().map(|(name, _)| *name).collect();
            return Err(format!("the figures are {}", names.join(", ")));
        };
        let limit = limit.trim();
        let is_time = !matches!(figure, Figure::Throughput | Figure::Failed);
        let units = [("us", 1e-3), ("µs", 1e-3), ("ms", 1.0), ("s", 1e3), ("", 1.0)];
        let units = if is_time { &units[..] } else { &units[4..] };
        let number = units.iter().find_map(|(unit, factor)| {
            Some(limit.strip_suffix(unit)?.trim_end().parse::<f64>().ok()? * factor).filter(|limit| limit.is_finite())
        });
        let limit = number.ok_or_else(|| format!("{limit:?} is not a number with a unit"))?;
        Ok(Self { figure: *figure, above, limit, text: text.to_owned() })
    }

    fn holds(&self, found: &Measurement) -> bool {
        let value = self.figure.of(found);
        if self.above { value > self.limit } else { value < self.limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let limit = |text: &str| Threshold::parse(text).map(|t| (t.figure, t.above, t.limit));
        assert_eq!(limit("p99 > 50ms"), Ok((Figure::P99, true, 50.0)));
        assert_eq!(limit("p99.9>0.05 s"), Ok((Figure::P999, true, 50.0)));
        assert_eq!(limit("mean < 250us"), Ok((Figure::Mean, false, 0.25)));
        assert_eq!(limit("throughput < 1000"), Ok((Figure::Throughput, false, 1000.0)));
        assert_eq!(
            limit("p98 > 1"),
            Err("the figures are mean, p50, p90, p99, p99.9, p99.99, max, throughput, failed".into())
        );
        assert_eq!(limit("failed > 1ms"), Err("\"1ms\" is not a number with a unit".into()));
        assert!(limit("p99 50").is_err() && limit("p99 > x").is_err() && limit("p99 > inf").is_err());
    }

    #[test]
    fn a_condition_holds_beyond_its_limit() {
        let response = Times { p99_ms: 60.0, ..Times::default() };
        let found = Measurement { response, throughput_reqs_per_sec: 900.0, ..Measurement::default() };
        let holds = |text: &str| Threshold::parse(text).is_ok_and(|threshold| threshold.holds(&found));
        assert!(holds("p99 > 50ms") && holds("throughput < 1000"));
        assert!(!holds("p99 > 60ms") && !holds("throughput < 900") && !holds("failed > 0"));
    }
}
