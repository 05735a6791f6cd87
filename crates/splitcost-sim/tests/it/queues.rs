//! Queueing theory's closed forms, each within 1 %.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use splitcost_sim::engine::{LoadPattern, Outcome, Run, simulate};
use splitcost_sim::program::{Body, Cost, Cpu, Crowding, Machine, Network, Op, Process, Program, Remote};

const MEAN_NANOS: f64 = 1e6;

/// Programs whose operation takes an exponential time of mean 1 ms.
fn exponential(op: impl Fn(u64) -> Vec<Op>, pooled: bool) -> Vec<Program> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let times: Vec<f64> = (0..200_000).map(|_| -(1.0 - rng.random::<f64>()).ln()).collect();
    // The sample's mean is made exact: the law is about the queue, not about the sampling of its input.
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let body = |t: &f64| Body { ops: op((t * MEAN_NANOS / mean).round() as u64) };
    times.iter().map(|t| program(vec![body(t)], pooled)).collect()
}

fn program(bodies: Vec<Body>, pooled: bool) -> Program {
    Program { endpoint: 0, entry: Remote { crossing: 0, process: 1, body: 0, blocking: false, pooled }, bodies }
}

fn run(machine: &Machine, programs: &[Program], load: f64, requests: u64) -> Outcome {
    run_by(machine, programs, LoadPattern::Open { reqs_per_sec: load * 1e9 / MEAN_NANOS }, requests)
}

fn run_by(machine: &Machine, programs: &[Program], pattern: LoadPattern, requests: u64) -> Outcome {
    let pool: Vec<u32> = (0..programs.len() as u32).collect();
    simulate(&Run {
        machine,
        programs,
        pool: &pool,
        costs: &[Cost::default()],
        network: &Network::default(),
        crowding: Crowding::default(),
        free_share: 0.0,
        load_nanos: 0,
        pattern,
        warm_up: 20_000,
        requests,
        seed: 3,
    })
}

fn mean_response(outcome: &Outcome) -> f64 {
    outcome.responses.iter().map(|r| r.1 as f64).sum::<f64>() / outcome.responses.len() as f64
}

#[track_caller]
fn check_within(actual: f64, expected: f64, share: f64) {
    assert!((actual / expected - 1.0).abs() < share, "{actual} is not within {share} of {expected}");
}

/// A queue that grows without end would take all memory.
#[test]
fn arrivals_stop_when_enough_requests_wait() {
    let outcome = run(&Machine::one_host(4, 2), &exponential(|t| vec![Op::Cpu(t)], false), 1e4, 10_000);
    assert_eq!(outcome.responses.len(), 10_000);
    assert!(outcome.events < 1_000_000, "{} events", outcome.events);
}

#[test]
fn m_m_1() {
    let programs = exponential(|t| vec![Op::Cpu(t)], false);
    for rho in [0.3, 0.5, 0.7] {
        let outcome = run(&Machine::one_host(4, 2), &programs, rho, 4_000_000);
        check_within(mean_response(&outcome), MEAN_NANOS / (1.0 - rho), 0.01);
        check_within(outcome.cpu_nanos[1] as f64 / outcome.elapsed_nanos as f64, rho, 0.01);
    }
}

#[test]
fn m_d_1() {
    let programs = [program(vec![Body { ops: vec![Op::Cpu(MEAN_NANOS as u64)] }], false)];
    for rho in [0.5, 0.8] {
        let outcome = run(&Machine::one_host(4, 2), &programs, rho, 1_000_000);
        check_within(mean_response(&outcome), MEAN_NANOS * (1.0 + rho / (2.0 * (1.0 - rho))), 0.01);
    }
}

/// Three servers: the thread pool, whose threads wait on IO without the GIL.
#[test]
fn m_m_c() {
    let programs = exponential(|t| vec![Op::Block(t)], true);
    let mut machine = Machine::one_host(4, 2);
    machine.processes[1].server_threads = 3;
    let (c, a) = (3.0_f64, 3.0 * 0.6);
    let rho = a / c;
    let last = a.powi(3) / 6.0 / (1.0 - rho);
    let waits = last / (1.0 + a + a * a / 2.0 + last);
    let expected = MEAN_NANOS * (1.0 + waits / (c - a));
    let outcome = run(&machine, &programs, a, 4_000_000);
    check_within(mean_response(&outcome), expected, 0.01);
}

/// As many requests as threads are answered at the same time, whatever the load.
#[test]
fn threads_and_processes_bound_the_throughput_of_waits() {
    const WAIT_NANOS: u64 = 20_000_000;
    for (workers, threads) in [(1, 1), (1, 4), (3, 1), (2, 10)] {
        let mut machine = Machine::one_host(4, 2);
        machine.processes[1] = Process { workers, server_threads: threads, ..Process::on(0) };
        let waits = [program(vec![Body { ops: vec![Op::Block(WAIT_NANOS)] }], true)];
        let outcome = run_by(&machine, &waits, LoadPattern::Closed { concurrency: 32 }, 20_000);
        let bound = f64::from(workers * threads) / (WAIT_NANOS as f64 / 1e9);
        check_within(outcome.throughput_reqs_per_sec(), bound, 0.01);
    }
}

/// Each process has a GIL of its own, up to the cores of the host.
#[test]
fn processes_compute_at_the_same_time() {
    for (workers, at_once) in [(1, 1.0), (2, 2.0), (6, 4.0)] {
        let mut machine = Machine::one_host(4, 2);
        machine.processes[1].workers = workers;
        let work = [program(vec![Body { ops: vec![Op::Cpu(1_000_000)] }], true)];
        let outcome = run_by(&machine, &work, LoadPattern::Closed { concurrency: 32 }, 20_000);
        check_within(outcome.throughput_reqs_per_sec(), at_once * 1_000.0, 0.01);
    }
}

/// The thread that runs a request waits for the calls that it handed over: these need threads of their own.
#[test]
fn a_server_with_one_thread_hands_calls_over() {
    let mut machine = Machine::one_host(4, 2);
    machine.processes[1] = Process { server_threads: 1, pool_threads: 2, ..Process::on(0) };
    let fork = |body| Op::Fork { body, thread: true, joined: true };
    let wait = Body { ops: vec![Op::Block(1_000_000)] };
    let bodies = vec![Body { ops: vec![fork(1), fork(2), Op::Join] }, wait.clone(), wait];
    let outcome = run_by(&machine, &[program(bodies, true)], LoadPattern::Closed { concurrency: 8 }, 20_000);
    check_within(outcome.throughput_reqs_per_sec(), 1_000.0, 0.01);
}

/// Three servers again: the connections over which a front without work of its own calls a process with threads enough.
#[test]
fn a_pool_of_connections_is_m_m_c() {
    let call = Op::Remote(Remote { crossing: 0, process: 2, body: 1, blocking: false, pooled: true });
    let programs: Vec<Program> = exponential(|t| vec![Op::Block(t)], false)
        .into_iter()
        .map(|p| program(vec![Body { ops: vec![call] }, p.bodies[0].clone()], false))
        .collect();
    let mut machine = Machine::one_host(4, 3);
    machine.processes[1].connections = 3;
    let (c, a) = (3.0_f64, 3.0 * 0.6);
    let rho = a / c;
    let last = a.powi(3) / 6.0 / (1.0 - rho);
    let waits = last / (1.0 + a + a * a / 2.0 + last);
    let outcome = run(&machine, &programs, a, 1_000_000);
    check_within(mean_response(&outcome), MEAN_NANOS * (1.0 + waits / (c - a)), 0.01);
}

/// Two cores shared by eight processes is M/M/2, where slices are longer than any service time.
#[test]
fn cores_are_servers() {
    let mut programs = exponential(|t| vec![Op::Cpu(t)], false);
    for (index, program) in programs.iter_mut().enumerate() {
        program.entry.process = 1 + (index % 64) as u16;
    }
    let mut machine = Machine::one_host(2, 65);
    machine.core_slice_nanos = 1_000_000_000;
    let (a, rho) = (1.2_f64, 0.6);
    let last = a * a / 2.0 / (1.0 - rho);
    let waits = last / (1.0 + a + last);
    let outcome = run(&machine, &programs, a, 1_000_000);
    // A process is busy with another request now and then: the closed form is a lower bound that nearly holds.
    check_within(mean_response(&outcome), MEAN_NANOS * (1.0 + waits / (2.0 - a)), 0.03);
}

/// A Jackson tandem: a front without work of its own calls one process after the other, each an M/M/1 queue.
#[test]
fn jackson_tandem() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let to = |process, body| Op::Remote(Remote { crossing: 0, process, body, blocking: false, pooled: false });
    let programs: Vec<Program> = exponential(|t| vec![Op::Cpu(t)], false)
        .into_iter()
        .map(|p| {
            let second = -(1.0 - rng.random::<f64>()).ln() * MEAN_NANOS / 2.0;
            let front = Body { ops: vec![to(2, 1), to(3, 2)] };
            program(vec![front, p.bodies[0].clone(), Body { ops: vec![Op::Cpu(second as u64)] }], false)
        })
        .collect();
    let machine = Machine {
        host_cores: vec![1; 4],
        processes: (0..4)
            .map(|host| Process { server_threads: 1, pool_threads: 1, call_threads: 1, ..Process::on(host) })
            .collect(),
        ..Machine::one_host(1, 4)
    };
    let load = 0.6;
    let outcome = run(&machine, &programs, load, 4_000_000);
    let second = MEAN_NANOS / 2.0 / (1.0 - load / 2.0);
    check_within(mean_response(&outcome), MEAN_NANOS / (1.0 - load) + second, 0.01);
}

#[test]
fn littles_law() {
    let programs = exponential(|t| vec![Op::Cpu(t / 3), Op::Wait { cpu: t / 3, delay: t }, Op::Block(t / 3)], false);
    let outcome = run(&Machine::one_host(2, 2), &programs, 0.5, 500_000);
    let in_system = outcome.in_system_nanos as f64 / outcome.elapsed_nanos as f64;
    let by_law = outcome.throughput_reqs_per_sec() / 1e9 * mean_response(&outcome);
    check_within(in_system, by_law, 0.01);
}

#[test]
fn equal_seeds_give_equal_bytes() {
    let programs = exponential(|t| vec![Op::Cpu(t), Op::Wait { cpu: t / 5, delay: t }], true);
    let machine = Machine::one_host(2, 2);
    assert_eq!(run(&machine, &programs, 0.6, 20_000), run(&machine, &programs, 0.6, 20_000));
}

/// A thread that computes for long delays the event loop by the switch interval, not by its whole work.
#[test]
fn the_gil_changes_hands_after_the_switch_interval() {
    let machine = Machine::one_host(4, 2);
    let bodies = vec![
        Body {
            ops: vec![Op::Fork { body: 1, thread: true, joined: true }, Op::Wait { cpu: 0, delay: 1 }, Op::Cpu(1_000)],
        },
        Body { ops: vec![Op::Cpu(50_000_000)] },
    ];
    let outcome = simulate(&Run {
        machine: &machine,
        programs: &[program(bodies, false)],
        pool: &[0],
        costs: &[Cost::default()],
        network: &Network::default(),
        crowding: Crowding::default(),
        free_share: 0.0,
        load_nanos: 0,
        pattern: LoadPattern::Closed { concurrency: 1 },
        warm_up: 0,
        requests: 1,
        seed: 0,
    });
    // The loop's microsecond was computed in the middle; the thread's 50 ms end the request.
    assert_eq!(outcome.responses, vec![(0, 50_001_000)]);
}

/// Threads that do nothing but call: the GIL is passed on every `held_nanos`, however many there are.
#[test]
fn callers_beside_each_other_pass_the_gil_on() {
    let call = Remote { crossing: 1, process: 2, body: 1, blocking: true, pooled: false };
    let calls = Body { ops: vec![Op::Remote(call); 10] };
    let programs = [program(vec![calls, Body::default()], true)];
    let client = Cpu { nanos: 400_000, held_nanos: 600_000, crowded_nanos: 700_000 };
    let costs = [Cost::default(), Cost { client, server: Cpu::of(100_000), one_way_nanos: 0, ..Cost::default() }];
    let completed = |concurrency| {
        simulate(&Run {
            machine: &Machine::one_host(4, 3),
            programs: &programs,
            pool: &[0],
            costs: &costs,
            network: &Network::default(),
            crowding: Crowding::default(),
            free_share: 0.0,
            load_nanos: 0,
            pattern: LoadPattern::Closed { concurrency },
            warm_up: 100,
            requests: 1_000,
            seed: 1,
        })
    };
    let lone = completed(1);
    assert_eq!(lone.responses[0].1, 10 * (400_000 + 100_000));
    for concurrency in [4, 8] {
        let crowded = completed(concurrency);
        check_within(crowded.throughput_reqs_per_sec(), 1e9 / (10.0 * 600_000.0), 0.02);
        let others = f64::from(concurrency - 1);
        let cpu = 10.0 * (400_000.0 + 300_000.0 * others / (others + 1.0));
        check_within(crowded.cpu_nanos[1] as f64 / 1_000.0, cpu, 0.05);
    }
}
