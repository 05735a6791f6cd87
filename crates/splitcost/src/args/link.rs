//! The options of `splitcost link`.

use clap::{Args, Subcommand, ValueEnum};
use splitcost_link::policy::{Rule, parse};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  splitcost link --to 127.0.0.1:8000 --profile cross-az-aws
  splitcost link --to 127.0.0.1:8000 --profile same-az-gcp+istio-sidecar --fault 'stall 200ms 5%'
  splitcost link --to 127.0.0.1:8000 --fault 'delay 1ms'
  splitcost link --to unix:app.sock --listen 127.0.0.1:9000 --fault 'delay lognormal 1ms sigma 0.5'
  splitcost link --to 127.0.0.1:8000 --fault 'blackhole after-accept 10% from 10s to 40s'
  splitcost link --api 127.0.0.1:8474          serve clients of Toxiproxy
  sudo splitcost link --packets --to 127.0.0.1:8000 --profile cross-region
  sudo splitcost link --packets --to 127.0.0.1:8000 --fault 'delay 10ms' --fault 'loss 1% burst 5'

The link forwards connections until Ctrl-C, then prints its counts and the accuracy of its delays. A fault begins
with an effect and its arguments. Restrictions follow in any order.

Effects:
  delay 10ms                 delay bytes; or `delay 10ms ±2ms`, `delay lognormal 10ms sigma 0.5`,
                             `delay p50=1ms p99=5ms max=20ms`; each also with `correlation 0.3`
  rate 10Mbit/s [each]       limit the rate of all connections together, or of each
  drip 100B every 10ms       deliver bytes in small pieces
  stall 200ms                hold bytes back once in each connection; `stall to 40s` holds them until then
  blackhole [for 5s]         drop bytes; keep the connection open, or close it after a time
  closed-window              do not read, so that the sender must wait
  reset [in 2s]              reset the connection
  close                      close the connection
  slow-close 1s              delay the end of each direction
  down                       do not listen, and close all connections
  loss 1% [burst 5]          lose packets, independently or in bursts of a mean length; needs --packets
  duplicate 1%               deliver packets twice; needs --packets

Restrictions:
  at-connect                 blackhole or reset in place of an answer to the handshake; needs --packets
  after-accept               from the beginning of a connection
  mid-response               in the middle of the first response
  on-reuse                   at the second request
  after 10kB                 after this number of bytes in a direction
  upstream | downstream      only bytes to the server, or to the client
  10%                        only this share of the connections, drawn from --seed
  over 64kB                  only the part of a message beyond this size
  from 10s to 40s            only during this time after the start

Exit status: 0 success; 1 the results are invalid because too many deliveries were late;
2 an error.")]
pub(crate) struct Link {
    #[command(flatten)]
    pub(crate) emulate: Emulate,
    #[command(subcommand)]
    pub(crate) what: Option<What>,
}

/// The subcommands of `splitcost link`.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// List the profiles of links
    List(List),
    /// Show the numbers of a profile, with the source and date of each
    Show(Show),
    /// Make a profile from the output of ping, sockperf or `iperf3 -J`, or from traces
    Import(Import),
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) output: super::Output,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost link show cross-az-aws
  splitcost link show cross-az-aws+istio-sidecar --format json
  splitcost link show same-az-gcp --format toml > ours.toml   start a profile of your own")]
pub(crate) struct Show {
    /// Name or TOML file of the profile, with an optional modifier such as +mtls
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: String,
    /// Format of the output: text, json or toml [default: text]
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: ProfileFormat,
}

/// The output format of a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileFormat {
    /// A text for people.
    #[default]
    Text,
    /// JSON, whose keys end in their unit.
    Json,
    /// The file of the profile, as a start for your own; not possible with a modifier.
    Toml,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ping -c 1000 -i 0.01 10.0.0.7 > ping.txt; iperf3 -J -c 10.0.0.7 > iperf3.json
  splitcost link import ping.txt iperf3.json > ours.toml
  splitcost link --to 127.0.0.1:8000 --profile ours.toml
  splitcost link import traces.json --from shop --to catalog > ours.toml     OpenTelemetry, as JSON")]
pub(crate) struct Import {
    /// Output files of the tools, whose formats are detected
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<std::path::PathBuf>,
    /// Calling service to select from traces [default: the only one]
    #[arg(long, value_name = "SERVICE")]
    pub(crate) from: Option<String>,
    /// Called service to select from traces [default: the only one]
    #[arg(long, value_name = "SERVICE")]
    pub(crate) to: Option<String>,
}

/// The options of an emulated link.
#[derive(Args, Debug)]
pub(crate) struct Emulate {
    /// Address to listen on: HOST:PORT or unix:PATH; with --packets, a port [default: a free port]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Address of the service: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS", required_unless_present = "api")]
    pub(crate) to: Option<String>,
    /// Profile of the link: a name from `splitcost link list` or a TOML file, with an optional modifier such as +mtls
    /// [default: a link without delay]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Fault on the link; repeat it for several faults, which apply in this order
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault)]
    pub(crate) faults: Vec<Fault>,
    /// Use a network device instead of a proxy, so that handshakes are delayed and packets can be lost; needs Linux and
    /// root
    #[arg(long)]
    pub(crate) packets: bool,
    /// Serve the HTTP API of Toxiproxy on this address; the link to --to is its proxy named `link`
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) api: Option<std::net::SocketAddr>,
    /// Seed of all random draws
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: super::Output,
}

/// A fault, and the text that it was parsed from.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) text: String,
    pub(crate) rule: Rule,
}

fn fault(text: &str) -> Result<Fault, String> {
    let rule = parse(text).map_err(|error| error.to_string())?;
    Ok(Fault { text: text.to_owned(), rule })
}
