//! Links, timeouts, retries and faults: what must hold of each, whatever the rest.

use splitcost_model::fault::Attempts;
use splitcost_model::link::{Delay, Quantiles};
use splitcost_model::policy::{CallPolicy, Fault};
use splitcost_model::quantity::Nanos;
use splitcost_sim::engine::{End, LoadPattern, Outcome, Run, simulate};
use splitcost_sim::program::{Body, Cost, Crowding, LinkTiming, Machine, Network, Op, Program, Remote};

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// A request computes a millisecond and calls another service `calls` times, which takes `callee` each.
fn program(calls: usize, callee: Op, blocking: bool) -> Program {
    let remote = Remote { crossing: 1, process: 2, body: 1, blocking, pooled: blocking };
    let mut ops = vec![Op::Cpu(MILLI)];
    ops.extend(std::iter::repeat_n(Op::Remote(remote), calls));
    let entry = Remote { crossing: 0, process: 1, body: 0, blocking: false, pooled: false };
    Program { endpoint: 0, entry, bodies: vec![Body { ops }, Body { ops: vec![callee] }] }
}

fn link(delay: Delay) -> LinkTiming {
    let none = Delay::Constant(Nanos::ZERO);
    LinkTiming { delay, correlation: 0.0, loss: 0.0, proxy_nanos: None, proxy_delay: none }
}

fn constant(nanos: u64) -> Delay {
    Delay::Constant(Nanos::from_nanos(nanos))
}

fn run_on(machine: &Machine, program: &Program, network: &Network, pattern: LoadPattern, requests: u64) -> Outcome {
    let entry = Cost { link: u16::MAX, ..Cost::default() };
    simulate(&Run {
        machine,
        programs: std::slice::from_ref(program),
        pool: &[0],
        costs: &[entry, Cost { packets: 1, ..Cost::default() }],
        network,
        crowding: Crowding::default(),
        free_share: 0.0,
        load_nanos: 0,
        pattern,
        warm_up: 0,
        requests,
        seed: 11,
    })
}

fn lone(program: &Program, network: &Network, requests: u64) -> Outcome {
    run_on(&Machine::one_host(4, 3), program, network, LoadPattern::Closed { concurrency: 1 }, requests)
}

/// Ten requests a second for twelve seconds, something going wrong from the second to the sixth.
fn faulty(machine: &Machine, program: &Program, fault: Fault, policy: &str) -> Outcome {
    let network = Network {
        calls: policy.parse().unwrap_or_else(|error| panic!("{error}")),
        patience_nanos: Some(10 * SECOND),
        fault: Some((fault, 2 * SECOND, 6 * SECOND)),
        ..Network::default()
    };
    let pattern = LoadPattern::OpenFor { reqs_per_sec: 10.0, nanos: 12 * SECOND };
    run_on(machine, program, &network, pattern, u64::MAX)
}

fn pooled(connections: u32) -> Machine {
    let mut machine = Machine::one_host(4, 3);
    machine.processes.iter_mut().for_each(|process| process.connections = connections);
    machine
}

/// (well, with an error, given up) of the requests that came in these seconds.
fn fates(outcome: &Outcome, from: u64, until: u64) -> [usize; 3] {
    let within = || outcome.log.iter().filter(|ended| (from * SECOND..until * SECOND).contains(&ended.arrived));
    [End::Answered, End::Failed, End::Unanswered].map(|end| within().filter(|ended| ended.end == end).count())
}

#[test]
fn timeouts_that_nobody_waits_for_are_no_events() {
    let events = |policy: &str| {
        let calls = policy.parse().unwrap_or_else(|error| panic!("{error}"));
        lone(&program(2, Op::Cpu(MILLI), false), &Network { calls, ..Network::default() }, 500).events
    };
    assert_eq!(events("timeout 100ms"), events("no timeout"));
}

#[test]
fn each_crossing_takes_the_link_twice() {
    for (calls, blocking) in [(1, false), (3, false), (3, true)] {
        let network = Network { links: vec![link(constant(400_000))], ..Network::default() };
        let outcome = lone(&program(calls, Op::Cpu(MILLI), blocking), &network, 20);
        let expected = MILLI + calls as u64 * (MILLI + 2 * 400_000);
        assert_eq!(outcome.responses, vec![(0, expected); 20]);
    }
}

#[test]
fn delays_are_drawn_from_the_distribution_of_the_link() {
    let points = [(0.5, 100), (0.9, 300), (1.0, 1_000)].map(|(share, micros)| (share, Nanos::from_micros(micros)));
    let delay = Delay::Quantiles(Quantiles::new(points.to_vec()).unwrap());
    for correlation in [0.0, 0.6] {
        let network = Network { links: vec![LinkTiming { correlation, ..link(delay.clone()) }], ..Network::default() };
        let outcome = lone(&program(1, Op::Cpu(MILLI), false), &network, 20_000);
        let mut both: Vec<u64> = outcome.responses.iter().map(|(_, nanos)| nanos - 2 * MILLI).collect();
        both.sort_unstable();
        assert!(both[0] >= 200_000 && both[both.len() - 1] <= 2_000_000);
        // Two independent delays are both shortest in a quarter of all cases.
        let shortest = both.iter().filter(|nanos| **nanos == 200_000).count() as f64 / both.len() as f64;
        if correlation == 0.0 {
            assert!((shortest - 0.25).abs() < 0.02, "{shortest}");
        }
        let mean = both.iter().sum::<u64>() as f64 / both.len() as f64;
        let expected = 2.0 * (0..100_000).map(|i| mean_part(&delay, i)).sum::<f64>() / 100_000.0;
        assert!((mean / expected - 1.0).abs() < 0.03, "{mean} is not {expected}");
    }
}

fn mean_part(delay: &Delay, part: u32) -> f64 {
    let Delay::Quantiles(quantiles) = delay else { panic!("it has quantiles") };
    quantiles.at((f64::from(part) + 0.5) / 100_000.0).as_nanos_f64()
}

#[test]
fn a_lost_message_takes_the_time_of_a_retransmission() {
    let network = Network { links: vec![LinkTiming { loss: 0.1, ..link(constant(MILLI)) }], ..Network::default() };
    let outcome = lone(&program(1, Op::Cpu(MILLI), false), &network, 20_000);
    let well = outcome.responses.iter().filter(|(_, nanos)| *nanos == 4 * MILLI).count() as f64 / 20_000.0;
    assert!((well - 0.81).abs() < 0.01, "{well}");
    let once = 4 * MILLI + 202 * MILLI;
    let shortest = outcome.responses.iter().map(|(_, nanos)| *nanos).filter(|nanos| *nanos > 4 * MILLI).min();
    assert_eq!(shortest, Some(once));
}

/// Two proxies with two threads each, far from and near to what they can take.
#[test]
fn proxies_make_wait_only_where_cpu_is_missing() {
    let mesh = |proxy_nanos| Network {
        links: vec![LinkTiming { proxy_nanos: Some(proxy_nanos), ..link(constant(0)) }],
        ..Network::default()
    };
    let program = program(1, Op::Wait { cpu: 0, delay: MILLI }, false);
    let machine = Machine::one_host(64, 3);
    let mean = |proxy_nanos| {
        let outcome = run_on(&machine, &program, &mesh(proxy_nanos), LoadPattern::Open { reqs_per_sec: 500.0 }, 50_000);
        let messages = outcome.proxy_nanos / proxy_nanos;
        assert!((200_000..200_400).contains(&messages), "{messages}: two proxies, there and back");
        outcome.responses.iter().map(|(_, nanos)| *nanos as f64).sum::<f64>() / 50_000.0
    };
    let (little, much) = (mean(10_000), mean(1_800_000));
    let none = run_on(&machine, &program, &Network::default(), LoadPattern::Open { reqs_per_sec: 500.0 }, 50_000);
    let none = none.responses.iter().map(|(_, nanos)| *nanos as f64).sum::<f64>() / 50_000.0;
    assert!(little - none < 0.02e6, "{little} is far above {none}");
    assert!(much > none + 2e6, "{much} is hardly above {none}");
}

#[test]
fn without_a_timeout_a_silent_callee_keeps_callers_for_ever() {
    let outcome = faulty(&pooled(100), &program(1, Op::Cpu(MILLI), false), Fault::Silent, "no timeout");
    let [well, failed, stuck] = fates(&outcome, 2, 6);
    assert_eq!((well, failed), (0, 0));
    assert!(stuck > 20);
    assert_eq!(fates(&outcome, 0, 2)[1..], [0, 0]);
    assert_eq!(fates(&outcome, 6, 12)[1..], [0, 0], "new connections are well");
}

#[test]
fn a_connection_that_all_share_stays_dead() {
    let shared = Machine::one_host(4, 3);
    let outcome = faulty(&shared, &program(1, Op::Cpu(MILLI), false), Fault::Silent, "500ms");
    assert_eq!(fates(&outcome, 6, 12)[0], 0);
}

#[test]
fn with_a_timeout_requests_fail_after_it() {
    let outcome = faulty(&pooled(100), &program(1, Op::Cpu(MILLI), false), Fault::Silent, "500ms");
    let [well, failed, stuck] = fates(&outcome, 2, 6);
    assert_eq!((well, stuck), (0, 0));
    let ended = outcome.log.iter().filter(|ended| ended.end == End::Failed);
    assert!(failed > 20 && ended.clone().all(|ended| ended.ended - ended.arrived >= 501 * MILLI));
    assert_eq!(outcome.attempts, [Attempts { calls: failed as u64, attempts: failed as u64 }]);
    assert_eq!(fates(&outcome, 7, 12)[1..], [0, 0]);
}

/// The event loop stands still for longer than the timeout, while the answers have been there all the time.
#[test]
fn an_answer_that_a_busy_loop_notices_late_is_an_answer() {
    let mut program = program(1, Op::Cpu(MILLI), false);
    program.bodies[0].ops.push(Op::Block(200 * MILLI));
    let network = Network { calls: "300ms".parse().unwrap(), ..Network::default() };
    let closed = LoadPattern::Closed { concurrency: 8 };
    let outcome = run_on(&Machine::one_host(4, 3), &program, &network, closed, 100);
    assert_eq!(outcome.responses.len(), 100);
}

#[test]
fn a_budget_bounds_the_retries() {
    let attempts = |policy: &str| {
        let outcome = faulty(&pooled(100), &program(1, Op::Cpu(MILLI), false), Fault::Down, policy);
        outcome.attempts[0]
    };
    let Attempts { calls, attempts: all } = attempts("1s + 2 retries + backoff 1ms");
    assert_eq!(all, 3 * calls, "every attempt fails, and is made again twice");
    let Attempts { calls, attempts: few } = attempts("1s + 2 retries + backoff 1ms + budget 20%");
    let most = calls as f64 * 1.2 + CallPolicy::BUDGET_TOKENS;
    assert!(few as f64 <= most && few > calls, "{few} attempts of {calls} calls");
}

#[test]
fn a_refused_connection_fails_at_once() {
    let outcome = faulty(&pooled(100), &program(1, Op::Cpu(MILLI), true), Fault::Down, "1s");
    let failed: Vec<u64> = outcome.log.iter().filter(|e| e.end == End::Failed).map(|e| e.ended - e.arrived).collect();
    assert!(failed.len() > 20 && failed.iter().all(|nanos| *nanos < 10 * MILLI));
}

#[test]
fn a_slow_callee_takes_so_many_times_as_long() {
    for blocking in [false, true] {
        let network = Network { fault: Some((Fault::Slow(10.0), 0, u64::MAX)), ..Network::default() };
        let outcome = lone(&program(1, Op::Block(3 * MILLI), blocking), &network, 10);
        assert_eq!(outcome.responses, vec![(0, 31 * MILLI); 10]);
    }
}

#[test]
fn bad_connections_are_left_behind_by_callers_with_a_timeout() {
    let program = program(1, Op::Cpu(MILLI), false);
    let outcome = faulty(&pooled(100), &program, Fault::HalfBad(0.5), "300ms");
    let [well, failed, _] = fates(&outcome, 2, 6);
    assert!(failed > 0 && well > 3 * failed, "{well} well, {failed} failed");
    let outcome = faulty(&pooled(4), &program, Fault::HalfBad(0.5), "no timeout");
    let [well, _, stuck] = fates(&outcome, 2, 6);
    assert!(stuck > 0 && well > stuck, "{well} well, {stuck} stuck: those that found a bad one wait for ever");
}

#[test]
fn every_request_ends_once() {
    for fault in Fault::NAMES {
        for policy in ["no timeout", "300ms + 2 retries", "300ms + 3 retries + budget 10% + 2 connections"] {
            for blocking in [false, true] {
                let program = program(2, Op::Cpu(MILLI), blocking);
                let outcome = faulty(&pooled(3), &program, fault.parse().unwrap(), policy);
                let ends = fates(&outcome, 0, 12).iter().sum::<usize>();
                assert_eq!(ends, outcome.log.len());
                assert!((70..170).contains(&ends), "{fault}, {policy}: {ends} of about 120");
                assert_eq!(outcome, faulty(&pooled(3), &program, fault.parse().unwrap(), policy), "equal seeds");
            }
        }
    }
}
