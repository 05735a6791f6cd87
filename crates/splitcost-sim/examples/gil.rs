//! Threads that compute bodies of Python which release the GIL, as `bench/gil` runs them in `CPython`.
//!
//! Arguments: the CPU time of a body in nanoseconds, its number of releases, and the number of threads. Prints the bodies per
//! second and the CPU time of a body in nanoseconds.

use splitcost_sim::engine::{LoadPattern, Run, simulate};
use splitcost_sim::program::{Body, Cost, Crowding, Machine, Network, Op, Program, Remote};

/// The time for which a body is without the GIL at each release.
///
/// Measured: `os.write` of one byte to `/dev/null`, AMD EPYC, November 2026.
const RELEASED_NANOS: u64 = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = std::env::args().skip(1).map(|argument| argument.parse()).collect::<Result<Vec<u64>, _>>()?;
    let &[body_nanos, releases, threads] = arguments.as_slice() else { return Err("three numbers are needed".into()) };
    let mut machine = Machine::one_host(2, 2);
    machine.processes[1].server_threads = threads as u32;
    let part = [Op::Cpu(body_nanos / releases.max(1)), Op::Block(RELEASED_NANOS)];
    let entry = Remote { crossing: 0, process: 1, body: 0, blocking: false, pooled: true };
    let outcome = simulate(&Run {
        machine: &machine,
        programs: &[Program { endpoint: 0, entry, bodies: vec![Body { ops: part.repeat(releases as usize) }] }],
        pool: &[0],
        costs: &[Cost::default()],
        network: &Network::default(),
        crowding: Crowding::default(),
        free_share: 0.0,
        load_nanos: 0,
        pattern: LoadPattern::Closed { concurrency: threads as u32 },
        warm_up: 100,
        requests: 10_000,
        seed: 1,
    });
    println!("{} {}", outcome.throughput_reqs_per_sec(), outcome.cpu_secs_per_request() * 1e9);
    Ok(())
}
