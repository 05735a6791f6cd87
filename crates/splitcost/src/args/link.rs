//! `splitcost link`: an emulated link between two services, and profiles of links.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use splitcost_link::policy::{Rule, parse};

use super::shared::{Format, OutputArgs, formats};

/// Arguments of `splitcost link`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  splitcost link --to 127.0.0.1:8000 --profile cross-az-aws
  splitcost link --to 127.0.0.1:8000 --profile same-az-gcp+istio-sidecar --fault 'stall 200ms 5%'
  splitcost link --to 127.0.0.1:8000 --fault 'delay 1ms'
  splitcost link --to unix:app.sock --listen 127.0.0.1:9000 --fault 'delay lognormal 1ms sigma 0.5'
  splitcost link --to 127.0.0.1:8000 --fault 'blackhole after-accept 10% from 10s to 40s'
  splitcost link --api 127.0.0.1:8474   # serve clients of Toxiproxy
  sudo splitcost link --packets --to 127.0.0.1:8000 --profile cross-region
  sudo splitcost link --packets --to 127.0.0.1:8000 --fault 'delay 10ms' --fault 'loss 1% burst 5'

The link forwards connections until Ctrl-C. Then it reports what it did, and how exactly. A fault is an action with its
values, and then conditions in any order that narrow it down. Actions:

  delay 10ms                 delay bytes; also `delay 10ms ±2ms`, `delay lognormal 10ms sigma 0.5` and
                             `delay p50=1ms p99=5ms max=20ms`, each with or without `correlation 0.3`
  rate 10Mbit/s [each]       limit the bandwidth of all connections together, or of each
  drip 100B every 10ms       deliver bytes in pieces
  stall 200ms                hold bytes back, once in a connection, or until the end of a schedule
  blackhole [for 5s]         discard bytes; the connection stays open, or is closed after a time
  closed-window              read no bytes, so that the sender has to wait
  reset [in 2s] | close      reset or close the connection
  slow-close 1s              delay the end of a connection
  down                       close connections and refuse new ones
  loss 1% [burst 5]          lose packets, on average so many in a row; needs --packets
  duplicate 1%               deliver packets twice; needs --packets

Conditions:

  at-connect                 blackhole or reset instead of an answer to the handshake; needs --packets
  after-accept | mid-response | on-reuse | after 10kB     the moment in a connection; else at once
  upstream | downstream      only to the server, or only to the client; else both ways
  10%                        only this share of connections, drawn from --seed
  over 64kB                  only the bytes of a message beyond this size
  from 10s to 40s            only in this time since the link started

Exit status: 0 success; 1 deliveries were so late that the link was not the requested one; 2 splitcost or its input
failed.")]
pub(crate) struct LinkArgs {
    #[command(flatten)]
    pub(crate) emulate: EmulateArgs,
    #[command(subcommand)]
    pub(crate) command: Option<LinkCommand>,
}

/// A command about profiles of links.
#[derive(Debug, Subcommand)]
pub(crate) enum LinkCommand {
    /// List the profiles that are shipped
    List(LinkListArgs),
    /// Print the numbers of a profile, each with its source and date
    Show(LinkShowArgs),
    /// Make a profile from the output of ping, sockperf or `iperf3 -J`, or from traces
    Import(LinkImportArgs),
}

/// Arguments of `splitcost link list`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost link list
  splitcost link list --format json")]
pub(crate) struct LinkListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `splitcost link show`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost link show cross-az-aws
  splitcost link show cross-az-aws+istio-sidecar --format json
  splitcost link show same-az-gcp --format toml > ours.toml   # to begin a profile of your own")]
#[command(mut_arg("format", |arg| arg.value_parser(formats(&[Format::Text, Format::Json, Format::Toml]))))]
pub(crate) struct LinkShowArgs {
    /// Name of a profile or path of a TOML file, with or without a modifier such as +mtls
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `splitcost link import`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ping -c 1000 -i 0.01 10.0.0.7 > ping.txt
  iperf3 -J -c 10.0.0.7 > iperf3.json
  splitcost link import ping.txt iperf3.json > ours.toml
  splitcost link --to 127.0.0.1:8000 --profile ours.toml
  splitcost link import traces.json --from shop --to catalog > ours.toml   # OpenTelemetry in JSON")]
pub(crate) struct LinkImportArgs {
    /// Files that the tools wrote; the tool is recognized from the contents
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Service that calls, for traces
    #[arg(long, value_name = "SERVICE")]
    pub(crate) from: Option<String>,
    /// Service that is called, for traces
    #[arg(long, value_name = "SERVICE")]
    pub(crate) to: Option<String>,
}

/// The link to emulate.
#[derive(Args, Debug)]
pub(crate) struct EmulateArgs {
    /// Address to listen on: HOST:PORT or unix:PATH, with --packets a port [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Address of the service: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS", required_unless_present = "api")]
    pub(crate) to: Option<String>,
    /// Profile from `splitcost link list` or a TOML file, with or without a modifier such as +mtls [default: the
    /// loopback of this machine]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Fault, as described below; may be repeated, and is applied in this order [default: no fault]
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault)]
    pub(crate) faults: Vec<LinkFault>,
    /// Send packets through a network device, so that handshakes take their time and loss is real; needs Linux and
    /// root [default: forward streams]
    #[arg(long)]
    pub(crate) packets: bool,
    /// Serve the HTTP API of Toxiproxy on this address; with --to, the link is there under the name `link`
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) api: Option<SocketAddr>,
    /// Seed of everything that is drawn at random
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A fault of a link, with the text that describes it.
#[derive(Clone, Debug)]
pub(crate) struct LinkFault {
    pub(crate) text: String,
    pub(crate) rule: Rule,
}

fn fault(text: &str) -> Result<LinkFault, String> {
    let rule = parse(text).map_err(|error| error.to_string())?;
    Ok(LinkFault { text: text.to_owned(), rule })
}
