//! The discrete-event engine.
//!
//! A *fiber* is one running body: a task of a process's event loop, or a job on a thread of its pool. Equal seeds give equal
//! results, bit for bit: ties in time are broken by order of scheduling.
//!
//! CPU time is spent in three ways:
//!
//! - *With the GIL*: the thread holds its process's GIL and a core of its host. This is all work of crossings, and the share
//!   `1 - free_share` of the work of bodies and helper threads.
//! - *Without the GIL*: the thread holds a core only. This is the share [`Run::free_share`] of the work of bodies and helper
//!   threads, which comes first in each stretch.
//! - *Beside*: the CPU time that contention adds without making anybody wait, such as wake-ups on another core. It is counted
//!   in [`Outcome::cpu_nanos`] and occupies no core. It may be negative, where a GIL is reserved for a thread that is still
//!   waking up.
//!
//! Proxies of a mesh compute on threads of their own, outside all hosts.

mod agenda;
mod body;
mod call;
mod fiber;
mod outcome;
mod threads;

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::program::{Cost, Crowding, Machine, Network, Process, Program};
use agenda::{Agenda, Attempt};
pub(crate) use call::RETRANSMIT_NANOS;
use call::{Connections, Message, Proxy, Way};
use fiber::{Fiber, Stage, Then};
pub use outcome::{End, Ended, Outcome};

/// The pattern in which requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoadPattern {
    /// Poisson arrivals; response times count from the arrival.
    Open {
        /// Arrivals per second.
        reqs_per_sec: f64,
    },
    /// Poisson arrivals for a limited time. The run ends when nothing happens any more.
    OpenFor {
        /// Arrivals per second.
        reqs_per_sec: f64,
        /// The time after which no request arrives.
        nanos: u64,
    },
    /// A constant number of requests in flight.
    Closed {
        /// The number of requests in flight.
        concurrency: u32,
    },
}

/// One simulation.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Hosts and processes.
    pub machine: &'a Machine,
    /// The requests to draw from.
    pub programs: &'a [Program],
    /// Indices into `programs`, drawn uniformly.
    pub pool: &'a [u32],
    /// The costs of each crossing.
    pub costs: &'a [Cost],
    /// The links between the processes, and the policy by which they call each other.
    pub network: &'a Network,
    /// The extra CPU time of bodies under contention; crossings have their own.
    pub crowding: Crowding,
    /// The share of the CPU time of bodies that is spent in C code or in the kernel without the GIL, from 0 to 1.
    pub free_share: f64,
    /// CPU of the load generator per request, half before, half after; nanoseconds.
    pub load_nanos: u64,
    /// The pattern in which requests arrive.
    pub pattern: LoadPattern,
    /// The number of requests that end before measuring begins.
    pub warm_up: u64,
    /// The number of requests that are measured after that.
    pub requests: u64,
    /// The seed. Equal seeds give equal results.
    pub seed: u64,
}

const NONE: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;
/// The largest number of responses for which memory is reserved beforehand.
const MOST_EXPECTED: u64 = 1 << 16;
/// The number of other threads or tasks that add half of the CPU time that very many add to a crossing.
///
/// Measured: 1, 2, 4, 8 and 16 threads calling through httpx2, 2 cores, November 2026: 0.43, 0.57, 0.68, 0.71 and
/// 0.74 ms of client CPU a call; the GIL is passed on every 0.67 ms from two threads on.
pub(crate) const CROSSING_CROWD: f64 = 1.0;
/// The number of other threads or tasks that add half of the CPU time that very many add to a body. It is an assumption
/// (see [`crate::ASSUMPTIONS`]): it was measured on one endpoint and is applied to every app.
///
/// Measured: examples/shop, `GET /users/{id}/orders` with 1, 2, 4, 8 and 16 in flight, 2 cores, November 2026: 2.7,
/// 3.2, 3.5, 4.3 and 5.2 ms of CPU a request.
pub(crate) const BODY_CROWD: f64 = 8.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The running thread finished its stretch of CPU or its slice.
    Core { thread: u32, generation: u32 },
    /// A GIL waiter's patience is over.
    Gil { process: u16, switch: u32 },
    /// A thread's synchronous IO is over.
    Unblock { thread: u32 },
    /// A task's wait is over, or a message arrived for it.
    Wake { fiber: u32 },
    /// A message comes to the proxy beside a process.
    Proxy { to: u16, link: u16, message: Message },
    /// A message is there.
    Deliver { message: Message },
    /// The time of an attempt is over.
    Timeout(Attempt),
    /// The connection was refused.
    Refused(Attempt),
    /// The next open-loop arrival.
    Arrive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ThreadState {
    Idle,
    WantGil,
    WantCore,
    Running,
    Blocked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Loop,
    Pool(Pool),
    Helper,
}

/// A pool of threads of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    /// Those on which a WSGI server runs requests.
    Server,
    /// Those to which bodies hand calls over.
    Handed,
    /// Those that answer calls of other services.
    Calls,
}

impl Pool {
    const COUNT: usize = 3;

    fn limit(self, process: &Process) -> u32 {
        match self {
            Self::Server => process.server_threads,
            Self::Handed => process.pool_threads,
            Self::Calls => process.call_threads,
        }
    }
}

#[derive(Debug, Default)]
struct PoolState {
    started: u32,
    idle: Vec<u32>,
    queue: VecDeque<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Thread {
    process: u16,
    role: Role,
    state: ThreadState,
    fiber: u32,
    remaining: u64,
    started: u64,
    slice_end: u64,
    generation: u32,
}

#[derive(Debug, Default)]
struct ProcessState {
    holder: Option<u32>,
    waiters: VecDeque<u32>,
    switch: u32,
    timer_set: bool,
    drop_requested: bool,
    ready: VecDeque<u32>,
    loop_thread: u32,
    pools: [PoolState; Pool::COUNT],
    idle_helpers: Vec<u32>,
    /// The service that it is a process of, as an index in [`Machine::processes`].
    service: u16,
    host: u16,
    /// Requests and calls that it has not answered.
    unanswered: u32,
    /// Per called service.
    connections: Vec<Connections>,
    cpu_nanos: u64,
}

#[derive(Debug, Default)]
struct HostState {
    idle_cores: u32,
    queue: VecDeque<u32>,
}

struct Engine<'a> {
    run: &'a Run<'a>,
    now: u64,
    agenda: Agenda,
    hosts: Vec<HostState>,
    /// The processes of each service stand side by side.
    processes: Vec<ProcessState>,
    /// The first process of each service, and the end.
    first_processes: Vec<u16>,
    threads: Vec<Thread>,
    fibers: Vec<Fiber>,
    free_fibers: Vec<u32>,
    rng: ChaCha8Rng,
    /// By link and direction.
    ways: Vec<[Way; 2]>,
    proxies: Vec<Proxy>,
    /// Attempts of remote calls so far.
    calls: u32,
    completed: u64,
    measuring_from: u64,
    in_system: u64,
    in_system_since: u64,
    outcome: Outcome,
}

/// Runs a simulation to its end.
///
/// # Panics
/// When the pool or the processes are empty, or an index in a program is out of range: the caller's mistakes.
pub fn simulate(run: &Run<'_>) -> Outcome {
    assert!(!run.pool.is_empty(), "a simulation needs requests");
    assert!(!run.machine.processes.is_empty(), "a simulation needs processes");
    let mut engine = Engine::new(run);
    engine.begin();
    engine.until_done();
    engine.outcome
}

impl<'a> Engine<'a> {
    fn new(run: &'a Run<'a>) -> Self {
        let machine = run.machine;
        let hosts = machine.host_cores.iter().map(|&cores| HostState { idle_cores: cores, ..HostState::default() });
        let mut engine = Self {
            run,
            now: 0,
            agenda: Agenda::new(),
            hosts: hosts.collect(),
            processes: Vec::new(),
            first_processes: vec![0],
            threads: Vec::new(),
            fibers: Vec::new(),
            free_fibers: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(run.seed),
            ways: vec![<[Way; 2]>::default(); run.network.links.len()],
            proxies: vec![Proxy::default(); machine.processes.len()],
            calls: 0,
            completed: 0,
            measuring_from: 0,
            in_system: 0,
            in_system_since: 0,
            outcome: Outcome {
                responses: Vec::with_capacity(run.requests.min(MOST_EXPECTED) as usize),
                ..Outcome::default()
            },
        };
        for (service, &Process { workers, host, .. }) in machine.processes.iter().enumerate() {
            for _ in 0..workers.max(1) {
                let loop_thread = engine.new_thread(engine.processes.len() as u16, Role::Loop);
                let connections = machine.processes.iter().map(|_| Connections::new()).collect();
                let service = service as u16;
                let state = ProcessState { loop_thread, service, host, connections, ..ProcessState::default() };
                engine.processes.push(state);
            }
            engine.first_processes.push(engine.processes.len() as u16);
        }
        engine
    }

    fn begin(&mut self) {
        match self.run.pattern {
            LoadPattern::Open { .. } | LoadPattern::OpenFor { .. } => self.schedule_arrival(),
            LoadPattern::Closed { concurrency } => {
                for _ in 0..concurrency.max(1) {
                    self.start_request();
                }
            }
        }
    }

    /// Returns the number of requests after which the run ends.
    fn wanted(&self) -> u64 {
        self.run.warm_up + self.run.requests
    }

    fn until_done(&mut self) {
        while self.completed < self.wanted() {
            let fibers = &self.fibers;
            let next = self.agenda.pop(|attempt| fibers[attempt.fiber as usize].call == attempt.call);
            let Some((time, event)) = next else { break };
            self.now = time;
            self.outcome.events += 1;
            match event {
                Event::Core { thread, generation } => self.core_event(thread, generation),
                Event::Gil { process, switch } => self.gil_timer(process, switch),
                Event::Unblock { thread } => self.advance(thread),
                Event::Wake { fiber } => self.wake(fiber),
                Event::Proxy { to, link, message } => self.proxy(to, link, message),
                Event::Deliver { message } => self.deliver(message),
                Event::Timeout(attempt) | Event::Refused(attempt) => self.fail(attempt),
                Event::Arrive => {
                    self.start_request();
                    self.schedule_arrival();
                }
            }
        }
        self.finish();
    }

    /// Returns the description of a process.
    fn described(&self, process: u16) -> &'a Process {
        &self.run.machine.processes[self.processes[process as usize].service as usize]
    }

    /// Returns the process of a service that takes the next request or call.
    fn least_busy(&self, service: u16) -> u16 {
        let [first, end] = [0, 1].map(|next| self.first_processes[service as usize + next]);
        (first..end).min_by_key(|&process| self.processes[process as usize].unanswered).unwrap_or(first)
    }

    fn finish(&mut self) {
        self.count_in_system(0);
        self.outcome.elapsed_nanos = self.now - self.measuring_from;
        self.outcome.cpu_nanos = self.processes.iter().map(|p| p.cpu_nanos).collect();
        self.outcome.proxy_nanos = self.proxies.iter().map(|proxy| proxy.computed).sum();
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.agenda.schedule(at, event);
    }

    // ---- requests

    fn schedule_arrival(&mut self) {
        if self.in_system >= self.wanted() {
            // Far more arrive than can be answered, and those that wait already suffice for the rest of the run.
            return;
        }
        let (reqs_per_sec, until) = match self.run.pattern {
            LoadPattern::Open { reqs_per_sec } => (reqs_per_sec, NEVER),
            LoadPattern::OpenFor { reqs_per_sec, nanos } => (reqs_per_sec, nanos),
            LoadPattern::Closed { .. } => return,
        };
        let uniform: f64 = self.rng.random();
        let gap = -(1.0 - uniform).ln() / reqs_per_sec * 1e9;
        let at = self.now + gap.round() as u64;
        if at < until {
            self.schedule(at, Event::Arrive);
        }
    }

    fn start_request(&mut self) {
        let program = self.run.pool[self.rng.random_range(0..self.run.pool.len())];
        self.count_in_system(1);
        let request = Fiber::new(program, Role::Loop, self.now);
        let fiber = self.new_fiber(Fiber { stage: Stage::Sending, then: Then::Complete, ..request });
        self.make_ready(fiber);
    }

    fn start_measuring(&mut self) {
        self.measuring_from = self.now;
        self.outcome.in_system_nanos = 0;
        for process in &mut self.processes {
            process.cpu_nanos = 0;
        }
        for proxy in &mut self.proxies {
            proxy.computed = 0;
        }
    }

    fn count_in_system(&mut self, change: i64) {
        self.outcome.in_system_nanos += u128::from(self.in_system) * u128::from(self.now - self.in_system_since);
        self.in_system_since = self.now;
        self.in_system = self.in_system.saturating_add_signed(change);
    }
}
