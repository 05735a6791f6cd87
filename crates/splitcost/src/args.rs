//! The command line's verbs and options.

pub(crate) mod bench;
pub(crate) mod link;
pub(crate) mod scan;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use splitcost_model::policy::{CallPolicy, Fault, Malformed};
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
    /// Write the HTML report of a study
    Report(Report),
    /// Put load on an endpoint, or compare two with a verdict
    Bench(Box<bench::Bench>),
    /// Put an emulated link in front of a service: delays, rates, faults
    Link(link::Link),
    /// Find what makes calls expensive in Python code, through every helper
    Scan(scan::Scan),
    /// Print what a finding's code means, and what to do
    Explain(scan::Explain),
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
    /// Profiles of links to put between the services instead of the settings'; `all` are those that are shipped
    #[arg(long, value_name = "PROFILE", value_delimiter = ',')]
    pub(crate) profiles: Vec<String>,
    /// Make something go wrong with every service that others call; may be repeated: slow [FACTOR], silent, down,
    /// loss [SHARE], brown-out [DELAY], pool-exhausted, half-bad [SHARE]
    #[arg(long = "fault", value_name = "FAULT", value_parser = text::<Fault>)]
    pub(crate) faults: Vec<Fault>,
    /// Under a fault, how services call each other, instead of the settings'; may be repeated, to compare
    #[arg(long = "policy", value_name = "POLICY", value_parser = text::<CallPolicy>, requires = "faults")]
    pub(crate) policies: Vec<CallPolicy>,
    /// Share of the time that each service is up, in percent, of which that of a request's services is computed
    #[arg(long, default_value_t = 99.9, value_name = "PERCENT", value_parser = percent, requires = "faults")]
    pub(crate) availability: f64,
}

fn text<T: std::str::FromStr<Err = Malformed>>(text: &str) -> Result<T, Malformed> {
    text.parse()
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("not a percentage above 0".to_owned()),
    }
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
  splitcost calibrate --all             every client with every server; about 20 minutes
  splitcost calibrate --client aiohttp --client httpx_async --server granian

With a recording, the gaps between calls and the payload sizes are the recorded ones. Results are cached by machine,
Python and package versions.

--all measures every combination of client, transport and server that makes sense, each way with 100 bytes, 1, 10 and
100 kB, and what a recording shows, at 1, 8 and 64 callers. Every cell that was measured is kept: interrupted, it goes on
where it was when it is run again. `python -m splitcost.stacks` lists clients and servers.")]
pub(crate) struct Calibrate {
    /// Stack to measure; may be repeated [default: all]
    #[arg(long = "stack", value_name = "STACK", value_parser = stack)]
    pub(crate) stacks: Vec<StackName>,
    /// Measure every client with every server, not only the stacks of splits
    #[arg(long, conflicts_with = "stacks")]
    pub(crate) all: bool,
    /// Of --all, only this client; may be repeated
    #[arg(long = "client", value_name = "NAME", conflicts_with = "stacks")]
    pub(crate) clients: Vec<String>,
    /// Of --all, only this server; may be repeated
    #[arg(long = "server", value_name = "NAME", conflicts_with = "stacks")]
    pub(crate) servers: Vec<String>,
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
  splitcost estimate --split chatty --rate 40 --format json
  splitcost estimate --profiles all     how far apart may the services be?
  splitcost estimate --fault silent --policy 'no timeout' --policy '1s + 2 retries + budget 20%'")]
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
  splitcost rehearse --split chatty --rate 40
  splitcost rehearse --profiles cross-az-aws  as if the services were in two zones
  splitcost rehearse --fault 'slow 10'        as if they took ten times as long for ten seconds")]
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
  splitcost report study.json --output chatty.html")]
pub(crate) struct Report {
    /// Study as JSON [default: .splitcost/study.json beside the settings file]
    #[arg(value_name = "FILE")]
    pub(crate) study: Option<PathBuf>,
    /// HTML report to write
    #[arg(long, env = "SPLITCOST_REPORT", default_value = "report/index.html", value_name = "FILE")]
    pub(crate) output: PathBuf,
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
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
