//! `splitcost link`: a link between two services, emulated.

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
  splitcost link --api 127.0.0.1:8474          for clients of Toxiproxy
  sudo splitcost link --packets --to 127.0.0.1:8000 --profile cross-region
  sudo splitcost link --packets --to 127.0.0.1:8000 --fault 'delay 10ms' --fault 'loss 1% burst 5'

It forwards connections until Ctrl-C, and then tells what it did and how exactly. A fault is what
happens and what that takes, and then whatever narrows it down, in any order:

  delay 10ms                 bytes arrive later; or `delay 10ms ±2ms`, `lognormal 10ms sigma 0.5`,
                             `p50=1ms p99=5ms max=20ms`; each also with `correlation 0.3`
  rate 10Mbit/s [each]       a bucket for all connections, or for each
  drip 100B every 10ms       bytes come in pieces
  stall 200ms                bytes stand still, once in a connection, or until the end of a schedule
  blackhole [for 5s]         bytes vanish; the connection stays open, or is closed after a time
  closed-window              bytes are not read, so that the sender has to wait
  reset [in 2s] | close      the connection is reset, or closed
  slow-close 1s              the end of a connection takes longer
  down                       nobody listens, and connections are closed
  loss 1% [burst 5]          packets are lost, so many in a row on average; needs --packets
  duplicate 1%               packets come twice; needs --packets

  at-connect                 blackhole or reset instead of an answer to the handshake; needs --packets
  after-accept | mid-response | on-reuse | after 10kB     when in a connection; else at once
  upstream | downstream      to the server, or to the client; else both ways
  10%                        of the connections, drawn from --seed
  over 64kB                  to what is beyond that size of a message
  from 10s to 40s            since the link began

Exit status: 0 fine; 1 deliveries were so late that the link was not what was asked for;
2 something failed.")]
pub(crate) struct Link {
    #[command(flatten)]
    pub(crate) emulate: Emulate,
    #[command(subcommand)]
    pub(crate) what: Option<What>,
}

/// What else can be done with links.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Name the profiles: what may lie between two services
    List(List),
    /// Show a profile's numbers, each with its source and date
    Show(Show),
    /// Make a profile out of what ping, sockperf or `iperf3 -J` have found, or out of traces
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
  splitcost link show same-az-gcp --format toml > ours.toml   to begin one of your own")]
pub(crate) struct Show {
    /// Profile, or TOML file, with a modifier if there is one
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: String,
    /// How to write the answer on stdout
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: ProfileFormat,
}

/// How a profile is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileFormat {
    /// For people.
    #[default]
    Text,
    /// For programs; keys end in their unit.
    Json,
    /// The file, to begin one of your own; without modifiers.
    Toml,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ping -c 1000 -i 0.01 10.0.0.7 > ping.txt; iperf3 -J -c 10.0.0.7 > iperf3.json
  splitcost link import ping.txt iperf3.json > ours.toml
  splitcost link --to 127.0.0.1:8000 --profile ours.toml
  splitcost link import traces.json --from shop --to catalog > ours.toml     OpenTelemetry, as JSON")]
pub(crate) struct Import {
    /// What the tools wrote; which of them it was is seen
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<std::path::PathBuf>,
    /// Of traces: the service that calls
    #[arg(long, value_name = "SERVICE")]
    pub(crate) from: Option<String>,
    /// Of traces: the service that is called
    #[arg(long, value_name = "SERVICE")]
    pub(crate) to: Option<String>,
}

/// What is emulated.
#[derive(Args, Debug)]
pub(crate) struct Emulate {
    /// Where to listen: HOST:PORT, or unix:PATH; with --packets, a port [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Where the service listens: HOST:PORT, or unix:PATH
    #[arg(long, value_name = "ADDRESS", required_unless_present = "api")]
    pub(crate) to: Option<String>,
    /// What lies between: a profile of `splitcost link list` or a TOML file, perhaps with a modifier as +mtls
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// What goes wrong; may be repeated, and happens in this order
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault)]
    pub(crate) faults: Vec<Fault>,
    /// Send packets through a network device rather than forward streams: handshakes take their time, and loss is real;
    /// needs Linux and root
    #[arg(long)]
    pub(crate) packets: bool,
    /// Serve the HTTP API of Toxiproxy here, so that its clients make links and faults; --to is its first, named link
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) api: Option<std::net::SocketAddr>,
    /// Seed of everything that is drawn
    #[arg(long, env = "SPLITCOST_SEED", default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: super::Output,
}

/// A fault, and how it was written.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) text: String,
    pub(crate) rule: Rule,
}

fn fault(text: &str) -> Result<Fault, String> {
    let rule = parse(text).map_err(|error| error.to_string())?;
    Ok(Fault { text: text.to_owned(), rule })
}
