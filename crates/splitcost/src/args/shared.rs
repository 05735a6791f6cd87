//! Options and readers of values that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, RangedI64ValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

/// Requests in flight in closed loop, where neither an option nor the settings set them.
///
/// Chosen: keeps a Python process busy without a long queue.
pub(crate) const CONCURRENCY: u32 = 16;

/// Most requests in flight that can be set.
///
/// Chosen: far more than one Python process answers at a time.
pub(crate) const MAX_CONCURRENCY: u32 = 10_000;

/// Options that every command takes.
#[derive(Args, Debug)]
pub(crate) struct GlobalArgs {
    /// Settings file [default: the nearest splitcost.toml, or pyproject.toml with [tool.splitcost], in the working
    /// directory or above it]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Python interpreter of the app [default: the one beside splitcost, else the active virtual environment's, else
    /// python3]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) python: Option<PathBuf>,
}

/// A format in which a command writes its answer.
///
/// A command takes some of them, those that it hands to [`formats`]. All of them take text, so a command matches the
/// other formats that it takes and writes text for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs; keys end in their unit
    Json,
    /// Comma-separated values, with a header
    Csv,
    /// Tables in Markdown
    Markdown,
    /// A file of settings
    Toml,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// Annotations, for pull requests on GitHub
    Github,
    /// `JUnit`'s XML, for build servers
    Junit,
    /// A graph for Graphviz
    Dot,
    /// Python source with pydantic models; with `--boundary`
    Pydantic,
    /// Protobuf messages and a service, proto3; with `--boundary`
    Proto,
    /// An `OpenAPI` 3.1 document in JSON; with `--boundary`
    Openapi,
}

/// Returns a reader of the formats that a command takes.
///
/// # Panics
/// The reader panics if clap hands it a name that is not among them, which clap checks first.
pub(crate) fn formats(taken: &'static [Format]) -> impl TypedValueParser<Value = Format> {
    let values = taken.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(values).map(|name| match Format::from_str(&name, false) {
        Ok(format) => format,
        Err(error) => panic!("clap accepted a format that it was not given: {error}"),
    })
}

/// The format of the answer: text or JSON, unless a command says which formats it takes.
#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// Format of the answer on standard output [default: text]
    #[arg(
        long,
        default_value = "text",
        hide_default_value = true,
        value_parser = formats(&[Format::Text, Format::Json])
    )]
    pub(crate) format: Format,
}

/// The recording to read.
#[derive(Args, Debug)]
pub(crate) struct RecordingArgs {
    /// Recording to read [default: .splitcost/recording beside the settings file]
    #[arg(long, value_name = "DIR")]
    pub(crate) recording: Option<PathBuf>,
}

/// Reads an arrival rate.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1e-3..=1e6).contains(&rate) => Ok(rate),
        _ => Err("expected a number of requests/s from 0.001 to 1000000".to_owned()),
    }
}

/// Returns a reader of a number of requests in flight.
pub(crate) fn concurrency() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(MAX_CONCURRENCY))
}

/// Reads a number of seconds, with or without an `s` after it.
pub(crate) fn secs(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(secs) if (0.0..=86_400.0).contains(&secs) => Ok(secs),
        _ => Err("expected a number of seconds from 0 to 86400, which is a day".to_owned()),
    }
}

/// Reads a number of seconds above 0.
pub(crate) fn timeout(text: &str) -> Result<f64, String> {
    secs(text).and_then(|secs| if secs > 0.0 { Ok(secs) } else { Err("expected a time above 0".to_owned()) })
}

/// Reads a time of at least a second, as `90s`, `3m` or `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let with_unit = units.iter().find_map(|(unit, secs)| Some((text.strip_suffix(unit)?, *secs)));
    let (number, secs) = with_unit.unwrap_or((text, 1.0));
    match number.parse::<f64>().map(|number| number * secs) {
        Ok(secs) if (1.0..=86_400.0).contains(&secs) => Ok(Duration::from_secs_f64(secs)),
        _ => Err("expected a time from 1s to 24h".to_owned()),
    }
}

/// Reads the margin within which two figures count as the same.
pub(crate) fn margin(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim_end().parse::<f64>() {
        Ok(percent) if (0.1..=50.0).contains(&percent) => Ok(percent),
        _ => Err("expected a percentage from 0.1 to 50".to_owned()),
    }
}

/// Reads the share of the time that a service is up.
pub(crate) fn availability(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim_end().parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("expected a percentage above 0, up to 100".to_owned()),
    }
}
