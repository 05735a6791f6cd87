//! `splitcost bench`: of addresses, or of stacks, codecs and functions by its subcommands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use splitcost_load::Method;

use super::shared::{CONCURRENCY, Format, OutputArgs, concurrency, formats, margin, rate, secs, timeout};
use super::threshold::Threshold;

/// The time that one measurement takes, unless options set it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Seconds that are measured.
    pub(crate) measured_secs: f64,
    /// Seconds of load before that.
    pub(crate) warm_up_secs: f64,
}

/// The window of one endpoint alone.
///
/// Chosen: thousands of requests of an endpoint that answers in milliseconds.
pub(crate) const ALONE: Window = Window { measured_secs: 10.0, warm_up_secs: 1.0 };
/// The window of each run of a comparison.
///
/// Chosen: many short runs see the machine at every speed that it has.
pub(crate) const COMPARED: Window = Window { measured_secs: 0.3, warm_up_secs: 0.05 };
/// The window of each rate of a search for the saturation.
///
/// Chosen: a queue that grows by a tenth of the arrivals makes p99 explode within a second.
pub(crate) const SATURATION_STEP: Window = Window { measured_secs: 3.0, warm_up_secs: 0.5 };

/// Arguments of `splitcost bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench http://127.0.0.1:8000/items                         # 16 requests in flight for 10 s
  splitcost bench http://127.0.0.1:8000/items --rate 200              # 200 arrivals/s, however slow the answers are
  splitcost bench http://127.0.0.1:8000/upload --body @photo.png      # a file, as image/png
  splitcost bench http://127.0.0.1:8000 --requests-file shop.toml     # several weighted requests; or a .har
  splitcost bench grpc://127.0.0.1:50051/shop.Users/Get --json '{\"id\": 7}'   # a unary call of gRPC
  splitcost bench http://127.0.0.1:8000/items --fail-if 'p99 > 50ms'  # exit with status 1 if it is slower
  splitcost bench http://127.0.0.1:8000/items --find-saturation       # how many requests/s can it take?
  splitcost bench http://localhost/items --unix-socket app.sock
  splitcost bench http://10.0.0.7/items --export locust load.py       # the same load for Locust, on many machines
  splitcost bench --import-locust results                             # the results of Locust
  splitcost bench http://127.0.0.1:8000/items http://127.0.0.1:8001/items   # which one is faster?

To compare two endpoints A and B, splitcost drives both in many short rounds, in shuffled order, with A again as a
control. A figure is different if the whole interval of its ratio lies outside the margin, the same if it lies inside,
and otherwise inconclusive, with the number of further rounds that might settle it. If the control differs from A, no
verdict is valid.

Exit status: 0 success; 1 a --fail-if condition holds, every request failed, or the result is invalid; 2 splitcost or
its input failed.")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(mut_arg("format", |arg| {
    arg.value_parser(formats(&[Format::Text, Format::Json, Format::Csv, Format::Markdown]))
}))]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) url: UrlArgs,
    #[command(subcommand)]
    pub(crate) command: Option<BenchCommand>,
}

/// A bench of something else than addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Call one function in process and over stacks, and show where the time goes
    Call(BenchCallArgs),
    /// Compare codecs on a JSON file, or on the payloads of a recording
    Codecs(BenchCodecsArgs),
    /// Compare clients, servers and transports, the effect of blocking, and batches
    Stacks(BenchStacksArgs),
}

/// Arguments of `splitcost bench stacks`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench stacks                        # the stacks that teams argue about; two to three minutes
  splitcost bench stacks --payload order.json   # the same with a payload of yours
  splitcost bench stacks --client aiohttp --client httpx_async --concurrency 8
  splitcost bench stacks --client httpx_async --server uvicorn_httptools_uvloop --server granian

Each stack is a real client process and a real server process that echoes. It is driven in closed loop in many short
rounds, in shuffled order, and the first stack twice, as a control. Named clients and servers are compared in all
combinations. A client without a named server is measured with uvicorn, or with hypercorn if it speaks h2c. The effect
of blocking is measured only if nothing is named. `python -m splitcost.stacks` lists the clients and servers.

Exit status: 0 success; 1 a stack failed, or the control differs from itself; 2 splitcost or its input failed.")]
#[command(mut_arg("format", |arg| arg.value_parser(formats(&[Format::Text, Format::Json, Format::Markdown]))))]
pub(crate) struct BenchStacksArgs {
    /// Client to compare; may be repeated [default: those that teams argue about]
    #[arg(long = "client", value_name = "NAME")]
    pub(crate) clients: Vec<String>,
    /// Server to compare; may be repeated [default: one that fits the client]
    #[arg(long = "server", value_name = "NAME")]
    pub(crate) servers: Vec<String>,
    /// Payload to send and echo: a number of bytes, or a JSON file
    #[arg(long, default_value = "1000", value_name = "FILE|BYTES")]
    pub(crate) payload: String,
    /// Calls in flight, separated by commas; each number gets a table of its own
    #[arg(
        long,
        default_value = "1,8,64",
        value_name = "N,…",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..=1_000)
    )]
    pub(crate) concurrency: Vec<u32>,
    /// Rounds; more rounds give narrower intervals and take longer
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    pub(crate) rounds: u64,
    /// Margin within which two stacks count as the same, in percent
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = margin)]
    pub(crate) margin: f64,
    /// Seed of the order of rounds and of the intervals
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `splitcost bench call`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench call json:dumps --args '[{\"a\": [1, 2, 3]}]'
  splitcost bench call shop.users.service:get_user --args '[1]' --stack aiohttp+msgspec_msgpack+granian
  splitcost bench call shop.pricing:quote --kwargs '{\"quantity\": 2}' --stack httpx2_sync_per_call

A stack is CLIENT+CODEC+SERVER, or CLIENT alone; `python -m splitcost.stacks` lists them. Without --app-dir, the
function is imported in the working directory of the app in the settings, after the app's setup; without settings, in
the working directory of this command. The function is really called, many times: choose one that is safe to repeat.")]
pub(crate) struct BenchCallArgs {
    /// Function to call
    #[arg(value_name = "MODULE:FUNCTION")]
    pub(crate) function: String,
    /// Positional arguments, as a JSON list
    #[arg(long, value_name = "JSON", default_value = "[]", value_parser = json_list)]
    pub(crate) args: JsonList,
    /// Keyword arguments, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = json_object)]
    pub(crate) kwargs: serde_json::Map<String, serde_json::Value>,
    /// Directory to import and run the function in [default: that of the app in the settings, else the working
    /// directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) app_dir: Option<PathBuf>,
    /// Stack to call over; may be repeated [default: httpx2+orjson+uvicorn, aiohttp+orjson+uvicorn, grpcio]
    #[arg(long = "stack", value_name = "STACK")]
    pub(crate) stacks: Vec<String>,
    /// Rounds; more rounds give narrower intervals and take longer
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1_000))]
    pub(crate) rounds: u64,
    /// Seed of the order of rounds and of the intervals
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A JSON list. It is a type of its own because clap takes a `Vec` for a repeated option.
#[derive(Clone, Debug)]
pub(crate) struct JsonList(pub(crate) Vec<serde_json::Value>);

fn json_list(text: &str) -> Result<JsonList, String> {
    serde_json::from_str(text).map(JsonList).map_err(|error| format!("not a JSON list: {error}"))
}

fn json_object(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

/// Arguments of `splitcost bench codecs`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost bench codecs order.json                # times, sizes, and the effect of each codec on unusual values
  splitcost bench codecs                           # the payloads that carried most bytes in the recording
  splitcost bench codecs order.json --show-proto   # the .proto that protobuf is measured with

All codecs that this Python has encode and decode the same documents, in one process and in shuffled rounds. The effect
of a codec on a value is found out by doing it.")]
#[command(mut_arg("format", |arg| arg.value_parser(formats(&[Format::Text, Format::Json, Format::Markdown]))))]
pub(crate) struct BenchCodecsArgs {
    /// JSON file, or directory of a recording [default: .splitcost/recording beside the settings file, or
    /// without one in the working directory]
    #[arg(value_name = "FILE|RECORDING")]
    pub(crate) subject: Option<PathBuf>,
    /// Print the .proto that is generated from the shape of the first document, and measure nothing
    #[arg(long)]
    pub(crate) show_proto: bool,
    /// Rounds; more rounds give narrower intervals and take longer
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1_000))]
    pub(crate) rounds: u64,
    /// Margin within which two codecs count as the same, in percent
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = margin)]
    pub(crate) margin: f64,
    /// Seed of the order of rounds and of the intervals
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The addresses that get load, and the load.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct UrlArgs {
    /// Address to put load on; two are compared
    #[arg(value_name = "URL", num_args = 1..=2, required_unless_present = "import_locust")]
    pub(crate) urls: Vec<String>,
    /// Arrival rate of the open loop, in requests/s [default: closed loop]
    #[arg(long, value_name = "REQS_PER_SEC", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Spacing of arrivals in open loop
    #[arg(long, default_value = "poisson", value_name = "SPACING")]
    pub(crate) arrivals: Spacing,
    /// Requests in flight in closed loop
    #[arg(
        long,
        default_value_t = CONCURRENCY,
        value_name = "N",
        conflicts_with = "rate",
        value_parser = concurrency()
    )]
    pub(crate) concurrency: u32,
    #[arg(long, value_name = "SECS", value_parser = secs, help = window_help(
        "Seconds to measure; of two endpoints in each run of each round, of --find-saturation at each rate",
        |window| window.measured_secs
    ))]
    pub(crate) duration: Option<f64>,
    /// Number of requests to measure, instead of a duration
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "duration",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) requests: Option<u64>,
    #[arg(long, value_name = "SECS", value_parser = secs, help = window_help(
        "Seconds of load before that, which are not measured",
        |window| window.warm_up_secs
    ))]
    pub(crate) warm_up: Option<f64>,
    /// HTTP method [default: POST with a body, else GET]
    #[arg(long, short = 'X', value_name = "METHOD", value_parser = method)]
    pub(crate) method: Option<Method>,
    /// Header of the request, or of every request of --requests-file; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Body in JSON, sent as application/json; for grpc:// the message
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) json: Option<serde_json::Value>,
    /// Body: a text, or @ and the name of a file, whose extension determines the content type
    #[arg(long, value_name = "TEXT|@FILE", conflicts_with = "json")]
    pub(crate) body: Option<String>,
    /// File with weighted requests, written like [workload] of splitcost.toml, or a .har; the URL then has no path
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "json", "body"])]
    pub(crate) requests_file: Option<PathBuf>,
    /// Source of the services of grpc://; may be repeated [default: ask the server, by reflection]
    #[arg(long = "proto", value_name = "FILE")]
    pub(crate) protos: Vec<PathBuf>,
    /// Directory with imports of --proto; may be repeated [default: the directory of the importing file]
    #[arg(long = "proto-path", value_name = "DIR", requires = "protos")]
    pub(crate) proto_paths: Vec<PathBuf>,
    /// Services of grpc://, as `protoc --descriptor_set_out --include_imports` writes them
    #[arg(long, value_name = "FILE", conflicts_with = "protos")]
    pub(crate) descriptor_set: Option<PathBuf>,
    /// Speak HTTP/1.1 only [default: the server's choice over TLS, else HTTP/1.1]
    #[arg(long, conflicts_with = "http2")]
    pub(crate) http1: bool,
    /// Speak HTTP/2 only; without TLS by prior knowledge
    #[arg(long)]
    pub(crate) http2: bool,
    /// Requests at a time on one HTTP/2 connection [default: 100]
    #[arg(long, value_name = "N", value_parser = concurrency())]
    pub(crate) streams: Option<u32>,
    /// PEM file with the certificates to trust over TLS [default: the public ones]
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// Accept any certificate over TLS
    #[arg(long, short = 'k', conflicts_with = "cacert")]
    pub(crate) insecure: bool,
    /// Unix socket to connect to, instead of the host of the URL
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_socket: Option<PathBuf>,
    /// Open a connection for each request [default: keep connections open]
    #[arg(long)]
    pub(crate) no_keep_alive: bool,
    /// Seconds from its intended start after which a request without an answer has failed
    #[arg(long, default_value_t = 10.0, value_name = "SECS", value_parser = timeout)]
    pub(crate) timeout: f64,
    /// Find the arrival rate at which a queue grows, starting from the throughput of the closed loop
    #[arg(long, conflicts_with_all = ["rate", "requests", "fail_if"])]
    pub(crate) find_saturation: bool,
    /// Also write the histograms to this file, as a log that the HDR libraries of other languages read: in
    /// nanoseconds, two lines for each request
    #[arg(long, value_name = "FILE", conflicts_with = "find_saturation")]
    pub(crate) hdr: Option<PathBuf>,
    /// Write the workload to a file for another tool instead of making load; the only such tool is `locust`
    #[arg(long, num_args = 2, value_names = ["TOOL", "FILE"])]
    pub(crate) export: Vec<PathBuf>,
    /// Show results of Locust instead, from the files that `locust --csv PREFIX` wrote
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["urls", "export", "hdr", "find_saturation"])]
    pub(crate) import_locust: Option<PathBuf>,
    /// Exit with status 1 if this condition holds, as 'p99 > 50ms', 'throughput < 1000' or 'failed > 0'; may be
    /// repeated
    #[arg(long, value_name = "CONDITION", value_parser = Threshold::parse)]
    pub(crate) fail_if: Vec<Threshold>,
    /// Rounds of a comparison; more rounds give narrower intervals and take longer
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    pub(crate) rounds: u64,
    /// Margin within which two endpoints count as the same, in percent
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", value_parser = margin)]
    pub(crate) margin: f64,
    /// Seed of the arrivals, of the order of rounds and of the intervals
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Spacing of the arrivals of an open loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spacing {
    /// At random, as independent users arrive
    #[default]
    Poisson,
    /// Evenly
    Uniform,
}

fn window_help(meaning: &str, secs: impl Fn(Window) -> f64) -> String {
    let [alone, compared, step] = [ALONE, COMPARED, SATURATION_STEP].map(secs);
    format!("{meaning} [default: {alone}; of two endpoints {compared}; with --find-saturation {step}]")
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected a header such as `name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn method(text: &str) -> Result<Method, String> {
    Method::find(text).ok_or_else(|| {
        let names: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        format!("the methods are {}", names.join(", "))
    })
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}
