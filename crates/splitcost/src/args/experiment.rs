//! The way from a recording to a report: `splitcost record`, `show`, `calibrate`, `estimate`, `rehearse`, `evaluate`
//! and `report`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use splitcost_model::policy::{CallPolicy, Fault, MalformedPolicy};
use splitcost_model::split::StackName;

use super::shared::{Format, OutputArgs, RecordingArgs, availability, concurrency, duration, formats, margin, rate};

const CONCURRENCY_HELP: &str = "Requests in flight in closed loop [default: [load] in the settings, else 16]";

/// The splits to look at, and the conditions under which they are compared.
#[derive(Args, Debug)]
pub(crate) struct ScenarioArgs {
    /// Split to evaluate, by its name in the settings; may be repeated [default: all]
    #[arg(long = "split", value_name = "NAME")]
    pub(crate) splits: Vec<String>,
    /// Arrival rate of the open loop, in requests/s [default: [load] in the settings, else 0.4 of what the monolith or
    /// the split saturates at, whichever is less]
    #[arg(long, value_name = "REQS_PER_SEC", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    #[arg(long, value_name = "N", value_parser = concurrency(), help = CONCURRENCY_HELP)]
    pub(crate) concurrency: Option<u32>,
    /// Seed of everything that is drawn at random
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Time for the rehearsal of all splits, as 90s, 3m or 1h, unless the fewest requests that are needed take longer
    #[arg(long, default_value = "3m", value_name = "DURATION", value_parser = duration)]
    pub(crate) budget: Duration,
    /// Precision at which the rehearsal ends earlier, in percent: of the ratio of split to monolith for lone requests and at
    /// saturation; for medians under load, twice that. While others keep that share of the cores busy, nothing under load
    /// is measured
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT", value_parser = margin)]
    pub(crate) precision: f64,
    /// Requests whose answers a rehearsal compares with the monolith's, each of the workload at least once; 0 compares
    /// none, and neither does a rehearsal under faults
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) compare: u32,
    /// Class, as shop.cart:Cart, whose objects stay in their service while a handle crosses; may be repeated, and `auto`
    /// stands for all that could not cross otherwise [default: `by_reference` of the split]
    #[arg(long, value_name = "CLASS")]
    pub(crate) by_reference: Vec<String>,
    /// Measure the stacks again, even if this machine has been measured; a rehearsal does so after ten minutes [default: use
    /// what is cached]
    #[arg(long)]
    pub(crate) fresh_calibration: bool,
    /// Link profiles to put between the services, separated by commas; `all` stands for every profile that is shipped
    /// [default: the links in the settings]
    #[arg(long, value_name = "PROFILE", value_delimiter = ',')]
    pub(crate) profiles: Vec<String>,
    /// Fault of every service that others call: slow [FACTOR], silent, down, loss [SHARE], brown-out [DELAY],
    /// pool-exhausted or half-bad [SHARE]; may be repeated [default: no fault]
    #[arg(long = "fault", value_name = "FAULT", value_parser = text::<Fault>)]
    pub(crate) faults: Vec<Fault>,
    /// Policy for calls between services under a fault; may be repeated, to compare policies [default: the policy in
    /// the settings]
    #[arg(long = "policy", value_name = "POLICY", value_parser = text::<CallPolicy>, requires = "faults")]
    pub(crate) policies: Vec<CallPolicy>,
    /// Share of the time that each service is up, in percent; the availability of a request is computed from it
    #[arg(long, default_value_t = 99.9, value_name = "PERCENT", value_parser = availability, requires = "faults")]
    pub(crate) availability: f64,
}

fn text<T: std::str::FromStr<Err = MalformedPolicy>>(text: &str) -> Result<T, MalformedPolicy> {
    text.parse()
}

/// Arguments of `splitcost record`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost record                                   # start the app, drive its workload, stop it
  splitcost record --output rec                      # keep the recording elsewhere
  splitcost record -- pytest -q                      # record a test run; each test is a request
  splitcost record --package shop -- python job.py   # without a settings file")]
pub(crate) struct RecordArgs {
    /// Directory to write the recording to [default: .splitcost/recording beside the settings file]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Package whose modules are recorded, for a command; may be repeated [default: `package` in the settings]
    #[arg(long = "package", value_name = "NAME")]
    pub(crate) packages: Vec<String>,
    /// Arrival rate of the open loop, in requests/s [default: [load] in the settings, else half of the throughput that
    /// the closed loop reached]
    #[arg(long, value_name = "REQS_PER_SEC", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    #[arg(long, value_name = "N", value_parser = concurrency(), help = CONCURRENCY_HELP)]
    pub(crate) concurrency: Option<u32>,
    /// Python command to record instead of the app
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// Arguments of `splitcost show`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost show
  splitcost show --tables                  # who reads and writes which tables, and statements in loops
  splitcost show --boundary pricing        # the interfaces of a split's services, as they were recorded
  splitcost show --boundary pricing --plan # what crosses as it is, and what to adapt, batch and rewrite
  splitcost show --boundary pricing --service pricing --format proto > pricing.proto
  splitcost show rec --format json | jq '.endpoints[].name'")]
pub(crate) struct ShowArgs {
    /// Recording to read [default: .splitcost/recording beside the settings file, or without one in the
    /// working directory]
    #[arg(value_name = "DIR")]
    pub(crate) recording: Option<PathBuf>,
    /// Show the database's tables: their owners, who reads and writes them, and statements that are repeated
    #[arg(long)]
    pub(crate) tables: bool,
    /// Show the services of a split in the settings: the functions that other services call, with arguments, results,
    /// callers and the work that is needed, the tables, and the settings and variables of the environment that are read
    #[arg(long, value_name = "SPLIT", conflicts_with = "tables")]
    pub(crate) boundary: Option<String>,
    /// Order the work that a real split needs: calls that cross as they are, adapters, batches, rewrites
    #[arg(long, requires = "boundary")]
    pub(crate) plan: bool,
    /// Service whose interface is shown [default: all]
    #[arg(
        long,
        env = "SPLITCOST_BOUNDARY_SERVICE",
        value_name = "NAME",
        requires = "boundary",
        conflicts_with = "plan"
    )]
    pub(crate) service: Option<String>,
    /// Format of the answer on standard output [default: text]
    #[arg(
        long,
        default_value = "text",
        hide_default_value = true,
        value_parser = formats(&[Format::Text, Format::Json, Format::Pydantic, Format::Proto, Format::Openapi])
    )]
    pub(crate) format: Format,
}

/// Arguments of `splitcost calibrate`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost calibrate                          # both stacks of splits, if the Python has their packages
  splitcost calibrate --stack grpc --fresh
  splitcost calibrate --all                    # every client with every server; about 20 minutes
  splitcost calibrate --client aiohttp --client httpx_async --server granian

If there is a recording, the gaps between calls and the payload sizes are the recorded ones. Results are cached for
this machine, Python and versions of packages.

--all measures every combination of client, transport and server that can talk to each other: with payloads of 100
bytes, 1 kB, 10 kB and 100 kB each way, and with recorded ones if there is a recording, at 1, 8 and 64 calls in flight.
Each combination is kept once it is measured, so an interrupted run continues when it is started again.
`python -m splitcost.stacks` lists the clients and servers.")]
pub(crate) struct CalibrateArgs {
    /// Stack of splits to measure; may be repeated [default: all]
    #[arg(long = "stack", value_name = "STACK", value_parser = stack)]
    pub(crate) stacks: Vec<StackName>,
    /// Measure every client with every server [default: only the stacks of splits]
    #[arg(long, conflicts_with = "stacks")]
    pub(crate) all: bool,
    /// Client to measure; implies --all; may be repeated [default: all]
    #[arg(long = "client", value_name = "NAME", conflicts_with = "stacks")]
    pub(crate) clients: Vec<String>,
    /// Server to measure; implies --all; may be repeated [default: all]
    #[arg(long = "server", value_name = "NAME", conflicts_with = "stacks")]
    pub(crate) servers: Vec<String>,
    /// Measure again, even if this machine has been measured [default: use what is cached]
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Seed of the order of measurements
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) from: RecordingArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `splitcost estimate`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost estimate
  splitcost estimate --split pricing --rate 40 --format json
  splitcost estimate --profiles all     # how far apart may the services be?
  splitcost estimate --fault silent --policy 'no timeout' --policy '1s + 2 retries + budget 20%'

Exit status: 0 success; 2 splitcost or its input failed; 3 there is no verdict on a split.")]
pub(crate) struct EstimateArgs {
    #[command(flatten)]
    pub(crate) from: RecordingArgs,
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `splitcost rehearse`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost rehearse
  splitcost rehearse --split pricing --rate 40
  splitcost rehearse --budget 10m --precision 2 # narrower intervals
  splitcost rehearse --profiles cross-az-aws   # as if the services were in two zones of a region
  splitcost rehearse --fault 'slow 10'         # as if called services took ten times as long for ten seconds
  splitcost rehearse --mode loopback           # does it still work as messages? without a recording, in seconds

Exit status: 0 success; 1 a split could not be run; 2 splitcost or its input failed; 3 there is no verdict on a split,
or the machine was too busy to measure anything under load.
With --mode loopback: 0 the app answers as before; 1 an answer differs, a request failed, or no call came back; 2 splitcost
or its input failed. Of the options it uses --split, --compare and --format.")]
pub(crate) struct RehearseArgs {
    /// Processes in which the services run: `services` runs each as its own and measures them; `loopback` runs all in one
    /// process of the app, with every call between them encoded and decoded, and compares the answers
    #[arg(long, env = "SPLITCOST_REHEARSAL_MODE", value_enum, default_value_t = RehearsalMode::Services, value_name = "MODE")]
    pub(crate) mode: RehearsalMode,
    #[command(flatten)]
    pub(crate) from: RecordingArgs,
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The processes in which the services of a rehearsal run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RehearsalMode {
    /// Each service as its own
    Services,
    /// All of them in one
    Loopback,
}

/// Arguments of `splitcost evaluate`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost evaluate
  splitcost evaluate --split pricing --recording rec --report pricing.html

Without --recording, the app is recorded first.

Exit status: 0 success; 1 a split could not be run; 2 splitcost or its input failed; 3 there is no verdict on a split,
or the machine was too busy to measure anything under load.")]
#[command(mut_arg("recording", |arg| {
    arg.help("Recording to use [default: record the app first, into .splitcost/recording beside the settings file]")
}))]
pub(crate) struct EvaluateArgs {
    /// HTML report to write
    #[arg(long, default_value = "report/index.html", value_name = "FILE")]
    pub(crate) report: PathBuf,
    #[command(flatten)]
    pub(crate) from: RecordingArgs,
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `splitcost report`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost report
  splitcost report study.json --output pricing.html")]
pub(crate) struct ReportArgs {
    /// Study in JSON [default: .splitcost/study.json beside the settings file]
    #[arg(value_name = "FILE")]
    pub(crate) study: Option<PathBuf>,
    /// HTML report to write
    #[arg(long, env = "SPLITCOST_REPORT", default_value = "report/index.html", value_name = "FILE")]
    pub(crate) output: PathBuf,
}

fn stack(text: &str) -> Result<StackName, String> {
    StackName::ALL.into_iter().find(|stack| stack.name() == text).ok_or_else(|| {
        let names: Vec<&str> = StackName::ALL.iter().map(|stack| stack.name()).collect();
        format!("the stacks of splits are {}", names.join(" and "))
    })
}
