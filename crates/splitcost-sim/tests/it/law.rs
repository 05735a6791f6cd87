//! Laws that hold for every program and every machine, tried on random ones.

use proptest::prelude::*;
use splitcost_sim::engine::{LoadPattern, Outcome, Run, simulate};
use splitcost_sim::program::{Body, Cost, Cpu, Crowding, Machine, Network, Op, Process, Program, Remote};

/// A random request: work and waits, with calls that run inline, beside the caller, or in other services.
#[derive(Clone, Debug)]
enum Work {
    Cpu(u64),
    Block(u64),
    Wait {
        cpu: u64,
        delay: u64,
    },
    /// A call of a function that lives in `service` where there are several.
    Call {
        service: u16,
        callee: Vec<Work>,
    },
    /// Calls that run beside each other, and are joined.
    Gather(Vec<Vec<Work>>),
}

fn leaf() -> impl Strategy<Value = Work> {
    let nanos = || 0_u64..3_000_000;
    prop_oneof![
        nanos().prop_map(Work::Cpu),
        nanos().prop_map(Work::Block),
        (nanos(), nanos()).prop_map(|(cpu, delay)| Work::Wait { cpu, delay }),
    ]
}

/// A tree of calls. With `beside`, some calls are gathered.
fn request(beside: bool) -> impl Strategy<Value = Vec<Work>> {
    let tree = leaf().prop_recursive(3, 24, 4, move |inner| {
        let calls = || prop::collection::vec(inner.clone(), 0..4);
        let call = (0_u16..3, calls()).prop_map(|(service, callee)| Work::Call { service, callee });
        let gather = prop::collection::vec(calls(), 1..3).prop_map(Work::Gather);
        if beside { prop_oneof![call, gather].boxed() } else { call.boxed() }
    });
    prop::collection::vec(tree, 1..5)
}

/// Lays a request out as a program. In a monolith every call is inline; in a split, a call of another service is a crossing.
fn program(request: &[Work], split: bool) -> Program {
    let mut bodies = Vec::new();
    let body = add(request, 0, split, &mut bodies);
    let entry = Remote { crossing: 0, process: 1, body, blocking: false, pooled: false };
    Program { endpoint: 0, entry, bodies }
}

fn add(work: &[Work], service: u16, split: bool, bodies: &mut Vec<Body>) -> u32 {
    let mut ops = Vec::new();
    lay(work, service, split, bodies, &mut ops);
    bodies.push(Body { ops });
    bodies.len() as u32 - 1
}

fn lay(work: &[Work], service: u16, split: bool, bodies: &mut Vec<Body>, ops: &mut Vec<Op>) {
    for item in work {
        match item {
            Work::Cpu(nanos) => ops.push(Op::Cpu(*nanos)),
            Work::Block(nanos) => ops.push(Op::Block(*nanos)),
            Work::Wait { cpu, delay } => ops.push(Op::Wait { cpu: *cpu, delay: *delay }),
            Work::Call { service: callee_service, callee } => {
                if split && *callee_service != service {
                    let body = add(callee, *callee_service, split, bodies);
                    let process = callee_service + 1;
                    ops.push(Op::Remote(Remote { crossing: 1, process, body, blocking: false, pooled: false }));
                } else {
                    lay(callee, service, split, bodies, ops);
                }
            }
            Work::Gather(calls) => {
                for call in calls {
                    let body = add(call, service, split, bodies);
                    ops.push(Op::Fork { body, thread: false, joined: true });
                }
                ops.push(Op::Join);
            }
        }
    }
}

/// The CPU time that a request asks for.
fn cpu_nanos(request: &[Work]) -> u64 {
    let of = |work: &Work| match work {
        Work::Cpu(nanos) => *nanos,
        Work::Block(_) => 0,
        Work::Wait { cpu, .. } => *cpu,
        Work::Call { callee, .. } => cpu_nanos(callee),
        Work::Gather(calls) => calls.iter().map(|call| cpu_nanos(call)).sum(),
    };
    request.iter().map(of).sum()
}

struct Setup {
    cores: u32,
    costs: [Cost; 2],
    free_share: f64,
    pattern: LoadPattern,
    requests: u64,
    seed: u64,
}

impl Setup {
    fn closed(concurrency: u32, requests: u64) -> Self {
        Self {
            cores: 2,
            costs: [Cost::default(); 2],
            free_share: 0.0,
            pattern: LoadPattern::Closed { concurrency },
            requests,
            seed: 1,
        }
    }

    fn run(&self, programs: &[Program]) -> Outcome {
        self.run_on(&Machine::one_host(self.cores, 4), programs)
    }

    fn run_on(&self, machine: &Machine, programs: &[Program]) -> Outcome {
        simulate(&Run {
            machine,
            programs,
            pool: &(0..programs.len() as u32).collect::<Vec<u32>>(),
            costs: &self.costs,
            network: &Network::default(),
            crowding: Crowding::default(),
            free_share: self.free_share,
            load_nanos: 0,
            pattern: self.pattern,
            warm_up: 0,
            requests: self.requests,
            seed: self.seed,
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Open loop for a time: the engine stops when nothing happens any more, so every request that arrived has ended, and
    /// all CPU time that the requests asked for was computed, no more and no less.
    #[test]
    fn every_request_ends_and_its_cpu_time_is_computed_once(
        request in request(true),
        split: bool,
        free_share in 0.0_f64..0.8,
        cores in 1_u32..5,
        seed: u64,
    ) {
        let pattern = LoadPattern::OpenFor { reqs_per_sec: 200.0, nanos: 200_000_000 };
        let setup = Setup { cores, free_share, pattern, seed, ..Setup::closed(1, u64::MAX) };
        let outcome = setup.run(&[program(&request, split)]);
        let arrived = arrivals(&setup);
        prop_assert_eq!(outcome.responses.len() as u64, arrived);
        prop_assert_eq!(outcome.cpu_nanos.iter().sum::<u64>(), arrived * cpu_nanos(&request));
        // Nobody is in the system any more: the integral is the sum of all response times.
        let spent: u128 = outcome.responses.iter().map(|(_, nanos)| u128::from(*nanos)).sum();
        prop_assert_eq!(outcome.in_system_nanos, spent);
    }

    /// Little's law, in its exact form for a finite time: the integral of the number in the system is the sum of the times that
    /// the requests spent there. In closed loop the number in the system is known.
    #[test]
    fn littles_law(request in request(true), split: bool, concurrency in 1_u32..12) {
        prop_assume!(cpu_nanos(&request) > 0);
        let setup = Setup::closed(concurrency, 400);
        let outcome = setup.run(&[program(&request, split)]);
        let in_system = outcome.in_system_nanos as f64 / outcome.elapsed_nanos as f64;
        prop_assert!((in_system - f64::from(concurrency)).abs() < 1e-6, "{in_system} in the system");
        // The integral is the sum of all response times, and of the time that the requests in flight at the end have spent.
        let spent: u128 = outcome.responses.iter().map(|(_, nanos)| u128::from(*nanos)).sum();
        let longest = outcome.responses.iter().map(|(_, nanos)| u128::from(*nanos)).max().unwrap_or_default();
        let in_flight = outcome.in_system_nanos.checked_sub(spent);
        let most = 2 * u128::from(concurrency) * longest;
        prop_assert!(in_flight.is_some_and(|nanos| nanos <= most), "{in_flight:?} of at most {most}");
    }

    /// A split whose crossings cost nothing changes no response time of a lone request, and moves CPU without adding any.
    #[test]
    fn a_split_without_costs_is_the_monolith(requests in prop::collection::vec(request(false), 1..4)) {
        let lay = |split| requests.iter().map(|request| program(request, split)).collect::<Vec<_>>();
        let setup = Setup::closed(1, 50);
        let (monolith, split) = (setup.run(&lay(false)), setup.run(&lay(true)));
        prop_assert_eq!(&split.responses, &monolith.responses);
        prop_assert_eq!(split.cpu_nanos.iter().sum::<u64>(), monolith.cpu_nanos.iter().sum::<u64>());
    }

    /// More service time at the only station never raises the throughput at saturation.
    #[test]
    fn more_work_never_raises_throughput(
        nanos in prop::collection::vec(1_000_u64..3_000_000, 1..6),
        more in 1_u64..1_000_000,
        at in 0_usize..6,
        crossing in 0_u64..500_000,
        concurrency in 1_u32..10,
    ) {
        let throughput = |nanos: &[u64], crossing| {
            let work: Vec<Work> = nanos.iter().map(|nanos| Work::Cpu(*nanos)).collect();
            let request = vec![Work::Call { service: 1, callee: work }];
            let cpu = Cpu::of(crossing);
            let costs = [Cost::default(), Cost { server: cpu, ..Cost::default() }];
            // Each service has a host of its own: what one computes takes no core from another.
            let machine = Machine {
                host_cores: vec![1; 4],
                processes: (0..4).map(|host| Process { server_threads: 1, pool_threads: 1, call_threads: 1, ..Process::on(host) }).collect(),
                ..Machine::one_host(1, 4)
            };
            let setup = Setup { costs, ..Setup::closed(concurrency, 300) };
            setup.run_on(&machine, &[program(&request, true)]).throughput_reqs_per_sec()
        };
        let mut longer = nanos.clone();
        let at = at % longer.len();
        longer[at] += more;
        let before = throughput(&nanos, crossing);
        prop_assert!(throughput(&longer, crossing) <= before, "more work in the body");
        prop_assert!(throughput(&nanos, crossing + more) <= before, "more work of the crossing");
    }

    #[test]
    fn equal_seeds_give_equal_outcomes(request in request(true), split: bool, seed: u64, free_share in 0.0_f64..0.8) {
        let pattern = LoadPattern::Open { reqs_per_sec: 150.0 };
        let setup = Setup { free_share, pattern, seed, ..Setup::closed(1, 100) };
        let programs = [program(&request, split)];
        prop_assert_eq!(setup.run(&programs), setup.run(&programs));
    }
}

/// The number of requests that arrive in the same setup when a request is no work at all.
fn arrivals(setup: &Setup) -> u64 {
    setup.run(&[program(&[], false)]).responses.len() as u64
}
