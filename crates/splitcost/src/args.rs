//! The command line's verbs and options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use splitcost_model::split::StackName;

/// What splitting a Python monolith into services costs, before you build it.
///
/// splitcost records what your app really does, predicts what a proposed split would do to it, runs that split for
/// real without any change to your code, and shows prediction and measurement side by side.
#[derive(Debug, Parser)]
#[command(name = "splitcost", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Start here:
  splitcost init       write a commented splitcost.toml for this app
  splitcost evaluate   record, predict, run and compare every split of it; about two minutes

Every option can be set in the environment too (its name stands beside it) and most in splitcost.toml.
Exit status: 0 fine, 1 a finding, 2 something failed, 130 interrupted; `record -- COMMAND` passes the command's own on.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Settings file [default: splitcost.toml or pyproject.toml, here or above]
    #[arg(long, global = true, env = "SPLITCOST_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Python interpreter of the app [default: beside splitcost, the active virtual environment's, python3]
    #[arg(long, global = true, env = "SPLITCOST_PYTHON", value_name = "FILE")]
    pub(crate) python: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a commented splitcost.toml for this app
    Init,
    /// Run the app and its workload, or any Python command, under the recorder
    Record(Record),
    /// Look at a recording: endpoints, calls between modules, what they carry
    Show(Show),
    /// Measure what a call over a stack costs on this machine
    Calibrate(Calibrate),
    /// Predict splits from a recording
    Estimate(Estimate),
    /// Run splits for real and compare with the prediction
    Rehearse(Rehearse),
    /// The main job: record, calibrate, estimate, rehearse, report
    Evaluate(Evaluate),
    /// Write the HTML report of an evaluation
    Report(Report),
    /// Put load on an endpoint, or compare two with a verdict
    Bench(Bench),
    /// End what is left, should the splitcost that started this be killed
    #[command(hide = true)]
    Guard,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; keys end in their unit.
    Json,
}

/// The way an answer is written.
#[derive(Args, Debug)]
pub(crate) struct Output {
    /// How to write the answer on stdout
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: Format,
}

/// Which recording is read.
#[derive(Args, Debug)]
pub(crate) struct From {
    /// Recording to read [default: .splitcost/recording beside the settings file]
    #[arg(long, env = "SPLITCOST_RECORDING", value_name = "DIR")]
    pub(crate) recording: Option<PathBuf>,
}

/// Which splits, and at which load.
#[derive(Args, Debug)]
pub(crate) struct Scenario {
    /// Split to look at, by its name in the settings; may be repeated [default: all]
    #[arg(long = "split", value_name = "NAME")]
    pub(crate) splits: Vec<String>,
    /// Arrival rate in requests/s [default: half of what monolith and split both can take]
    #[arg(long, env = "SPLITCOST_RATE", value_name = "REQS_PER_SEC", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Requests in flight in closed loop [default: 16]
    #[arg(long, env = "SPLITCOST_CONCURRENCY", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) concurrency: Option<u32>,
    /// Seed of everything that is drawn
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Rounds of the rehearsal: more make narrower intervals, and take longer
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub(crate) rounds: u32,
    /// Measure the stacks again, even if this machine has been measured
    #[arg(long)]
    pub(crate) fresh_calibration: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost record                      start the app, drive its workload, stop it
  splitcost record --output rec         keep the recording elsewhere
  splitcost record -- pytest -q         record a test run: each test is a request
  splitcost record --package shop -- python job.py   without a settings file")]
pub(crate) struct Record {
    /// Where to write the recording [default: .splitcost/recording beside the settings file]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Package whose modules are told apart; needed where there is no settings file; may be repeated
    #[arg(long = "package", value_name = "NAME")]
    pub(crate) packages: Vec<String>,
    /// Arrival rate of the open loop in requests/s [default: half of the throughput]
    #[arg(long, env = "SPLITCOST_RATE", value_name = "REQS_PER_SEC", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Requests in flight in closed loop [default: 16]
    #[arg(long, env = "SPLITCOST_CONCURRENCY", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) concurrency: Option<u32>,
    /// Python command to record instead of the app
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost show
  splitcost show rec --format json | jq '.endpoints[].name'")]
pub(crate) struct Show {
    /// Recording to read [default: .splitcost/recording beside the settings file]
    #[arg(value_name = "DIR")]
    pub(crate) recording: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost calibrate                   every stack that this Python has
  splitcost calibrate --stack grpc --fresh

With a recording, the gaps between calls and the payload sizes are the recorded ones. Results are cached by machine,
Python and package versions.")]
pub(crate) struct Calibrate {
    /// Stack to measure; may be repeated [default: all]
    #[arg(long = "stack", value_name = "STACK", value_parser = stack)]
    pub(crate) stacks: Vec<StackName>,
    /// Measure again, even if this machine has been measured
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Seed of the order of measurements
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) from: From,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost estimate
  splitcost estimate --split chatty --rate 40 --format json")]
pub(crate) struct Estimate {
    #[command(flatten)]
    pub(crate) from: From,
    #[command(flatten)]
    pub(crate) scenario: Scenario,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost rehearse
  splitcost rehearse --split chatty --rate 40")]
pub(crate) struct Rehearse {
    #[command(flatten)]
    pub(crate) from: From,
    #[command(flatten)]
    pub(crate) scenario: Scenario,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost evaluate
  splitcost evaluate --split chatty --recording rec --report chatty.html")]
pub(crate) struct Evaluate {
    /// HTML report to write
    #[arg(long, env = "SPLITCOST_REPORT", default_value = "report/index.html", value_name = "FILE")]
    pub(crate) report: PathBuf,
    #[command(flatten)]
    pub(crate) from: From,
    #[command(flatten)]
    pub(crate) scenario: Scenario,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost report
  splitcost report evaluation.json --output chatty.html")]
pub(crate) struct Report {
    /// Evaluation as JSON [default: .splitcost/evaluation.json beside the settings file]
    #[arg(value_name = "FILE")]
    pub(crate) evaluation: Option<PathBuf>,
    /// HTML report to write
    #[arg(long, env = "SPLITCOST_REPORT", default_value = "report/index.html", value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench http://127.0.0.1:8000/items                         16 requests in flight for 10 s
  splitcost bench http://127.0.0.1:8000/items --rate 200              200 arrivals/s, whatever the answers do
  splitcost bench http://127.0.0.1:8000/items --fail-if 'p99 > 50ms'  exit status 1 when it is slower
  splitcost bench http://127.0.0.1:8000/items http://127.0.0.1:8001/items   which one is faster?

Comparing two, A and B are driven in many short rounds, in shuffled order, with A again as a control. A figure is
different when the whole interval of its ratio lies beyond the margin, the same when it lies within, and else
inconclusive, with the number of rounds that might settle it. When the control differs from A, no verdict holds.

Exit status: 0 fine; 1 a --fail-if holds, or the result is invalid; 2 something failed.")]
pub(crate) struct Bench {
    /// Where to put load; two are compared
    #[arg(value_name = "URL", num_args = 1..=2, required = true)]
    pub(crate) urls: Vec<String>,
    /// Open loop: so many arrivals/s, at random, whatever the answers do [default: closed loop]
    #[arg(long, value_name = "REQS_PER_SEC", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Closed loop: requests in flight
    #[arg(long, default_value_t = 16, value_name = "N", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) concurrency: u32,
    /// How long to measure, of two each run of each round [default: 10, of two 0.5]
    #[arg(long, value_name = "SECS", value_parser = secs)]
    pub(crate) duration: Option<f64>,
    /// Measure so many requests instead
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Load that is not measured comes first [default: 1, of two 0.1]
    #[arg(long, value_name = "SECS", value_parser = secs)]
    pub(crate) warm_up: Option<f64>,
    /// Method [default: GET, with --json POST]
    #[arg(long, short = 'X', value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Header; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Body, sent as application/json
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) json: Option<serde_json::Value>,
    /// Exit with status 1 if this holds, as 'p99 > 50ms', 'throughput < 1000' or 'failed > 0'; may be repeated
    #[arg(long, value_name = "CONDITION", value_parser = crate::commands::bench::Threshold::parse)]
    pub(crate) fail_if: Vec<crate::commands::bench::Threshold>,
    /// Rounds of a comparison
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    pub(crate) rounds: u64,
    /// What counts as the same in a comparison, in percent
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = percent)]
    pub(crate) margin: f64,
    /// Seed of arrivals, order and intervals
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// How to write the answer on stdout
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: BenchFormat,
}

/// How a bench's answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchFormat {
    /// For people.
    #[default]
    Text,
    /// For programs; keys end in their unit.
    Json,
    /// A header and a line, of one endpoint.
    Csv,
    /// A table, of one endpoint.
    Markdown,
}

fn secs(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(secs) if (0.0..=86_400.0).contains(&secs) => Ok(secs),
        _ => Err("not a number of seconds up to a day".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim_end().parse::<f64>() {
        Ok(percent) if (0.1..=50.0).contains(&percent) => Ok(percent),
        _ => Err("not a percentage between 0.1 and 50".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written `name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1e-3..=1e6).contains(&rate) => Ok(rate),
        _ => Err("not a number of requests/s between 0.001 and 1000000".to_owned()),
    }
}

fn stack(text: &str) -> Result<StackName, String> {
    StackName::ALL.into_iter().find(|stack| stack.name() == text).ok_or_else(|| {
        let names: Vec<&str> = StackName::ALL.iter().map(|stack| stack.name()).collect();
        format!("the stacks are {}", names.join(" and "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
