//! Events per second on one core: a loaded two-service split with waits, pool threads and crossings.

#![expect(clippy::disallowed_types, reason = "a benchmark measures time; the library does not")]

use std::time::Instant;

use splitcost_model::statistics::{median, sorted};
use splitcost_sim::engine::{LoadPattern, Run, simulate};
use splitcost_sim::program::{Body, Cost, Cpu, Crowding, Machine, Network, Op, Program, Remote};

/// The rate that `bench/sim` demands.
///
/// Chosen: hand-written binary heaps in Rust reach 8 to 15 million events/s a core; half of that leaves room for a
/// model that is worth having.
const AIM_EVENTS_PER_SEC: f64 = 5e6;

fn main() -> std::process::ExitCode {
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
    let cost = Cost { client: Cpu::of(100_000), server: Cpu::of(100_000), one_way_nanos: 20_000, ..Cost::default() };
    let machine = Machine::one_host(2, 3);
    let run = |seed| {
        simulate(&Run {
            machine: &machine,
            programs: &[Program { endpoint: 0, entry, bodies: bodies.clone() }],
            pool: &[0],
            costs: &[cost, cost],
            network: &Network::default(),
            crowding: Crowding::default(),
            free_share: 0.0,
            load_nanos: 20_000,
            pattern: LoadPattern::Open { reqs_per_sec: 700.0 },
            warm_up: 1_000,
            requests: 300_000,
            seed,
        })
    };
    assert_eq!(run(1), run(1), "equal seeds must give equal bytes");
    let rates = (0..7).map(|seed| {
        let begin = Instant::now();
        let outcome = run(seed);
        outcome.events as f64 / begin.elapsed().as_secs_f64()
    });
    let rates = sorted(rates);
    let median = median(rates.iter().copied()).unwrap_or_default();
    println!(
        "simulator: {:.1} million events/s (median of {} runs, {:.1} to {:.1}; aim {:.0})",
        median / 1e6,
        rates.len(),
        rates[0] / 1e6,
        rates[rates.len() - 1] / 1e6,
        AIM_EVENTS_PER_SEC / 1e6
    );
    if median >= AIM_EVENTS_PER_SEC { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
