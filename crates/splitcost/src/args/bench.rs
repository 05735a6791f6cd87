//! `splitcost bench`: of URLs, or of what its subcommands name.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use splitcost_load::Method;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench http://127.0.0.1:8000/items                         16 requests in flight for 10 s
  splitcost bench http://127.0.0.1:8000/items --rate 200              200 arrivals/s, whatever the answers do
  splitcost bench http://127.0.0.1:8000/upload --body @photo.png      a file, as image/png
  splitcost bench http://127.0.0.1:8000 --requests-file shop.toml     several weighted requests; or a .har
  splitcost bench grpc://127.0.0.1:50051/shop.Users/Get --json '{\"id\": 7}'   a unary call of gRPC
  splitcost bench http://127.0.0.1:8000/items --fail-if 'p99 > 50ms'  exit status 1 when it is slower
  splitcost bench http://127.0.0.1:8000/items --find-saturation       how many requests/s can it take?
  splitcost bench http://localhost/items --unix-socket app.sock       as curl does
  splitcost bench http://10.0.0.7/items --export locust load.py       the same for Locust, on many machines
  splitcost bench --import-locust results                             what Locust found there
  splitcost bench http://127.0.0.1:8000/items http://127.0.0.1:8001/items   which one is faster?

Comparing two, A and B are driven in many short rounds, in shuffled order, with A again as a control. A figure is
different when the whole interval of its ratio lies beyond the margin, the same when it lies within, and else
inconclusive, with the number of rounds that might settle it. When the control differs from A, no verdict holds.

Exit status: 0 fine; 1 a --fail-if holds, or the result is invalid; 2 something failed.")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) url: Url,
    #[command(subcommand)]
    pub(crate) what: Option<What>,
}

/// What else is benched.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Call one function in process and over stacks, and see where each microsecond goes
    Call(Call),
    /// Compare codecs on a JSON file, or on what a recording carried
    Codecs(Codecs),
    /// Compare clients, servers and transports; what blocking does; when to batch
    Stacks(Stacks),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench stacks                                     what teams argue about; two to three minutes
  splitcost bench stacks --payload order.json                the same with a payload of yours
  splitcost bench stacks --client aiohttp --client httpx_async --concurrency 8
  splitcost bench stacks --client httpx_async --server uvicorn_httptools_uvloop --server granian

Each stack is a real client process and a real server process that echoes, driven in closed loop in many short rounds,
in shuffled order, the first of them twice as a control. What was named is compared in all combinations; a client
without a named server meets uvicorn, over h2c hypercorn. `python -m splitcost.stacks` lists clients and servers. What
blocking does is measured where nothing was named.

Exit status: 0 fine; 1 a stack failed, or the control differs from itself; 2 something failed.")]
pub(crate) struct Stacks {
    /// Client to compare; may be repeated [default: those that teams argue about]
    #[arg(long = "client", value_name = "NAME")]
    pub(crate) clients: Vec<String>,
    /// Server to compare; may be repeated
    #[arg(long = "server", value_name = "NAME")]
    pub(crate) servers: Vec<String>,
    /// What is sent and echoed: a number of bytes, or a file with JSON
    #[arg(long, default_value = "1000", value_name = "FILE|BYTES")]
    pub(crate) payload: String,
    /// Callers at a time, a table for each
    #[arg(long, default_value = "1,8,64", value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) concurrency: Vec<u32>,
    /// Rounds: more make narrower intervals, and take longer
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    pub(crate) rounds: u64,
    /// What counts as the same, in percent
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = percent)]
    pub(crate) margin: f64,
    /// Seed of order and intervals
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// How to write the answer on stdout
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: TableFormat,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench call json:dumps --args '[{\"a\": [1, 2, 3]}]'
  splitcost bench call shop.users.service:get_user --args '[1]' --stack aiohttp+msgspec_msgpack+granian
  splitcost bench call shop.pricing:quote --kwargs '{\"quantity\": 2}' --stack httpx2_sync_per_call

A stack is CLIENT+CODEC+SERVER, or CLIENT alone; `python -m splitcost.stacks` lists all of them. The function is imported
from --app-dir; without it, from where the app of the settings runs, which is set up first; else from here. It is really
called, many times over: choose one that may be.")]
pub(crate) struct Call {
    /// Function to call
    #[arg(value_name = "MODULE:FUNCTION")]
    pub(crate) function: String,
    /// Positional arguments, a JSON list
    #[arg(long, value_name = "JSON", default_value = "[]", value_parser = json_list)]
    pub(crate) args: JsonList,
    /// Keyword arguments, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = json_object)]
    pub(crate) kwargs: serde_json::Map<String, serde_json::Value>,
    /// Where the function is imported from, and runs
    #[arg(long, value_name = "DIR")]
    pub(crate) app_dir: Option<PathBuf>,
    /// Stack; may be repeated [default: httpx2+orjson+uvicorn, aiohttp+orjson+uvicorn, grpcio]
    #[arg(long = "stack", value_name = "STACK")]
    pub(crate) stacks: Vec<String>,
    /// Rounds
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1_000))]
    pub(crate) rounds: u64,
    /// Seed of order and intervals
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: super::Output,
}

/// A JSON list; a type of its own, for clap takes a `Vec` for a repeated option.
#[derive(Clone, Debug)]
pub(crate) struct JsonList(pub(crate) Vec<serde_json::Value>);

fn json_list(text: &str) -> Result<JsonList, String> {
    serde_json::from_str(text).map(JsonList).map_err(|error| format!("not a JSON list: {error}"))
}

fn json_object(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench codecs order.json             times, sizes, and what each codec does to unusual values
  splitcost bench codecs                        the payloads that carried most bytes in the recording
  splitcost bench codecs order.json --show-proto   the .proto that protobuf is measured with

Every codec that this Python has encodes and decodes the same documents, in one process, in shuffled rounds. What a
codec does to a value is found out by doing it.")]
pub(crate) struct Codecs {
    /// JSON file, or directory of a recording [default: .splitcost/recording beside the settings file]
    #[arg(value_name = "FILE|RECORDING")]
    pub(crate) subject: Option<PathBuf>,
    /// Print the .proto that is generated out of the first document's shape, and measure nothing
    #[arg(long)]
    pub(crate) show_proto: bool,
    /// Rounds
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1_000))]
    pub(crate) rounds: u64,
    /// What counts as the same, in percent
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = percent)]
    pub(crate) margin: f64,
    /// Seed of order and intervals
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// How to write the answer on stdout
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: TableFormat,
}

/// How an answer made of tables is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// For people.
    #[default]
    Text,
    /// For programs; keys end in their unit.
    Json,
    /// Tables to paste.
    Markdown,
}

/// Where load goes, and how much.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Url {
    /// Where to put load; two are compared
    #[arg(value_name = "URL", num_args = 1..=2, required_unless_present = "import_locust")]
    pub(crate) urls: Vec<String>,
    /// Open loop: so many arrivals/s, whatever the answers do [default: closed loop]
    #[arg(long, value_name = "REQS_PER_SEC", value_parser = super::rate)]
    pub(crate) rate: Option<f64>,
    /// Open loop: how arrivals are spaced
    #[arg(long, default_value = "poisson", value_name = "HOW")]
    pub(crate) arrivals: Spacing,
    /// Closed loop: requests in flight
    #[arg(long, default_value_t = 16, value_name = "N", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) concurrency: u32,
    /// How long to measure, of two each run of each round [default: 10, of two 0.3; with
    /// --find-saturation of each rate: 3]
    #[arg(long, value_name = "SECS", value_parser = secs)]
    pub(crate) duration: Option<f64>,
    /// Measure so many requests instead
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Load that is not measured comes first [default: 1, of two 0.05]
    #[arg(long, value_name = "SECS", value_parser = secs)]
    pub(crate) warm_up: Option<f64>,
    /// Method [default: GET, with a body POST]
    #[arg(long, short = 'X', value_name = "METHOD", value_parser = method)]
    pub(crate) method: Option<Method>,
    /// Header, with --requests-file of every request; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Body, sent as application/json; of grpc:// the message
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) json: Option<serde_json::Value>,
    /// Body: a text, or a file as @FILE, whose content type goes by its extension
    #[arg(long, value_name = "TEXT|@FILE", conflicts_with = "json")]
    pub(crate) body: Option<String>,
    /// Several weighted requests, written like [workload] of splitcost.toml, or a .har; URLs then have no path
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "json", "body"])]
    pub(crate) requests_file: Option<PathBuf>,
    /// Source of the services of grpc://; may be repeated [default: the server tells them, by reflection]
    #[arg(long = "proto", value_name = "FILE")]
    pub(crate) protos: Vec<PathBuf>,
    /// Where the imports of --proto are, beside itself; may be repeated
    #[arg(long = "proto-path", value_name = "DIR", requires = "protos")]
    pub(crate) proto_paths: Vec<PathBuf>,
    /// Services of grpc://, as `protoc --descriptor_set_out --include_imports` writes them
    #[arg(long, value_name = "FILE", conflicts_with = "protos")]
    pub(crate) descriptor_set: Option<PathBuf>,
    /// Speak HTTP/1.1 only [default: over TLS what the server chooses, else HTTP/1.1]
    #[arg(long, conflicts_with = "http2")]
    pub(crate) http1: bool,
    /// Speak HTTP/2 only, over cleartext with prior knowledge
    #[arg(long)]
    pub(crate) http2: bool,
    /// HTTP/2: requests at a time on one connection
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) streams: Option<u32>,
    /// TLS: trust the certificates in this PEM file instead of the public ones
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// TLS: trust anybody
    #[arg(long, short = 'k', conflicts_with = "cacert")]
    pub(crate) insecure: bool,
    /// Connect to this unix socket, whatever host the URL names
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_socket: Option<PathBuf>,
    /// Open a connection for each request
    #[arg(long)]
    pub(crate) no_keep_alive: bool,
    /// When a request without an answer counts as failed, from its intended start
    #[arg(long, default_value_t = 10.0, value_name = "SECS", value_parser = timeout)]
    pub(crate) timeout: f64,
    /// Ramp the arrival rate to where a queue grows, and say where that is; it sets out from the throughput of
    /// the closed loop
    #[arg(long, conflicts_with_all = ["rate", "requests", "fail_if"])]
    pub(crate) find_saturation: bool,
    /// Write the histograms to this file too: a log of histograms that the HDR libraries of other languages
    /// read, in nanoseconds, two lines a request
    #[arg(long, value_name = "FILE", conflicts_with = "find_saturation")]
    pub(crate) hdr: Option<PathBuf>,
    /// Write the workload as a file for another tool, which is `locust`, instead of making load
    #[arg(long, num_args = 2, value_names = ["TOOL", "FILE"])]
    pub(crate) export: Vec<PathBuf>,
    /// Show what Locust found instead, in the files that `locust --csv PREFIX` wrote
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["urls", "export", "hdr", "find_saturation"])]
    pub(crate) import_locust: Option<PathBuf>,
    /// Exit with status 1 if this holds, as 'p99 > 50ms', 'throughput < 1000' or 'failed > 0'; may be repeated
    #[arg(long, value_name = "CONDITION", value_parser = crate::commands::bench::url::Threshold::parse)]
    pub(crate) fail_if: Vec<crate::commands::bench::url::Threshold>,
    /// Rounds of a comparison
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    pub(crate) rounds: u64,
    /// What counts as the same in a comparison, in percent
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = percent)]
    pub(crate) margin: f64,
    /// Seed of arrivals, order and intervals
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// How to write the answer on stdout
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: Format,
}

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spacing {
    /// At random, as independent users do.
    #[default]
    Poisson,
    /// Evenly.
    Uniform,
}

/// How a bench's answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; keys end in their unit.
    Json,
    /// A header and lines.
    Csv,
    /// A table.
    Markdown,
}

fn secs(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(secs) if (0.0..=86_400.0).contains(&secs) => Ok(secs),
        _ => Err("not a number of seconds up to a day".to_owned()),
    }
}

fn timeout(text: &str) -> Result<f64, String> {
    secs(text).and_then(|secs| if secs > 0.0 { Ok(secs) } else { Err("not above 0".to_owned()) })
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

fn method(text: &str) -> Result<Method, String> {
    Method::ALL.into_iter().find(|method| method.name() == text).ok_or_else(|| {
        let names: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        format!("the methods are {}", names.join(", "))
    })
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}
