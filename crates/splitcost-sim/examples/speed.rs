//! Events per second on one core: a loaded two-service split with waits, pool threads and crossings, without and with links
//! and a fault.

#![expect(clippy::disallowed_types, reason = "a benchmark measures time; the library does not")]

use std::process::ExitCode;
use std::time::Instant;

use splitcost_model::link::Delay;
use splitcost_model::policy::{CallPolicy, Fault};
use splitcost_model::quantity::Nanos;
use splitcost_model::statistics::{median, sorted};
use splitcost_sim::engine::{LoadPattern, Outcome, Run, simulate};
use splitcost_sim::program::{Body, Cost, Cpu, Crowding, LinkTiming, Machine, Network, Op, Program, Remote};

/// The rate that `bench/sim` demands where nothing lies between the services.
///
/// Measured: `bench/sim`, AMD EPYC, 2 cores, November 2026: 17.7 before links and faults existed; at least 1.2 times as
/// much today, when both take turns.
const AIM_EVENTS_PER_SEC: f64 = 17e6;
/// The rate that `bench/sim` demands over links and under a fault.
///
/// Chosen: a message over a link takes two random numbers, a logarithm and an exponential.
const AIM_WITH_LINKS_EVENTS_PER_SEC: f64 = 12e6;

fn main() -> ExitCode {
    let plain = Network::default();
    let link = LinkTiming {
        delay: Delay::LogNormal { median: Nanos::from_micros(250), sigma: 0.2 },
        correlation: 0.5,
        loss: 1e-5,
        proxy_nanos: None,
        proxy_delay: Delay::Constant(Nanos::ZERO),
    };
    let calls = CallPolicy { retries: 2, budget: Some(0.1), ..CallPolicy::default() };
    let minute = 60_000_000_000;
    let far = Network {
        links: vec![link],
        calls,
        patience_nanos: Some(10_000_000_000),
        fault: Some((Fault::Slow(2.0), minute, 3 * minute)),
    };
    let measured = [("plain", &plain, AIM_EVENTS_PER_SEC), ("links, fault", &far, AIM_WITH_LINKS_EVENTS_PER_SEC)];
    if measured.map(|(name, network, aim)| reaches(name, network, aim)) == [true, true] {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Measures and prints the rate of a network, and returns whether it is no less than `aim`.
fn reaches(name: &str, network: &Network, aim: f64) -> bool {
    assert_eq!(run(network, 1), run(network, 1), "equal seeds must give equal bytes");
    let rates = (0..7).map(|seed| {
        let begin = Instant::now();
        let outcome = run(network, seed);
        outcome.events as f64 / begin.elapsed().as_secs_f64()
    });
    let rates = sorted(rates);
    let median = median(rates.iter().copied()).unwrap_or_default();
    println!(
        "simulator, {name}: {:.1} million events/s (median of {} runs, {:.1} to {:.1}; aim {:.0})",
        median / 1e6,
        rates.len(),
        rates[0] / 1e6,
        rates[rates.len() - 1] / 1e6,
        aim / 1e6
    );
    median >= aim
}

fn run(network: &Network, seed: u64) -> Outcome {
    let remote = Remote { crossing: 1, process: 2, body: 1, blocking: false, pooled: false };
    let entry = Remote { crossing: 0, process: 1, body: 0, blocking: false, pooled: false };
    let front = vec![
        Op::Cpu(300_000),
        Op::Remote(remote),
        Op::Cpu(200_000),
        Op::Wait { cpu: 50_000, delay: 100_000 },
        Op::Fork { body: 2, thread: true, joined: true },
        Op::Join,
        Op::Remote(remote),
        Op::Cpu(100_000),
    ];
    let bodies = vec![
        Body { ops: front },
        Body { ops: vec![Op::Cpu(150_000)] },
        Body { ops: vec![Op::Cpu(100_000), Op::Block(50_000)] },
    ];
    let cost = Cost {
        client: Cpu::of(100_000),
        server: Cpu::of(100_000),
        one_way_nanos: 20_000,
        packets: 1,
        ..Cost::default()
    };
    simulate(&Run {
        machine: &Machine::one_host(2, 3),
        programs: &[Program { endpoint: 0, entry, bodies }],
        pool: &[0],
        costs: &[Cost { link: u16::MAX, ..cost }, cost],
        network,
        crowding: Crowding::default(),
        free_share: 0.0,
        load_nanos: 20_000,
        pattern: LoadPattern::Open { reqs_per_sec: 700.0 },
        warm_up: 1_000,
        requests: 300_000,
        seed,
    })
}
