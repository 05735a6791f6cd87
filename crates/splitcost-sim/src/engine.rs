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

mod call;
mod outcome;
mod threads;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::program::{BodyId, Cost, Cpu, Crowding, Machine, Network, Op, Process, Program, Remote};
pub(crate) use call::RETRANSMIT_NANOS;
use call::{Connections, Message, Proxy, Way};
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    Timeout { fiber: u32, call: u32 },
    /// The connection was refused.
    Refused { fiber: u32, call: u32 },
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

/// The stage of a fiber, before, in or after its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server's work before the body.
    Before,
    /// The body of a pooled call runs on another thread.
    Pooled,
    Body,
    /// Inside a remote call: request being prepared, on its way, answer being read.
    Sending,
    Away,
    Receiving,
    /// The server's work after the body.
    After,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The fiber is the load generator's; a request is complete.
    Complete,
    /// Ends a call that its parent may be waiting for.
    Join,
    /// Answers its parent's remote call.
    Answer { remote: Remote, call: u32 },
    /// Wakes its parent after a while.
    Wake { after: u64 },
    /// Nobody waits.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is about something else, and they are copied often")]
struct Fiber {
    program: u32,
    body: BodyId,
    pc: u32,
    process: u16,
    role: Role,
    stage: Stage,
    thread: u32,
    parent: u32,
    then: Then,
    outstanding: u32,
    joining: bool,
    /// The part of the present work that needs no GIL is done.
    freed: bool,
    server: Cpu,
    pooled: bool,
    arrived: u64,
    /// The remote call that it waits for, by number; 0 for none.
    call: u32,
    /// The number of the attempt, the first being 0.
    attempt: u16,
    /// The fiber has a connection; if `bad`, one that is never answered.
    connected: bool,
    bad: bool,
    /// Something that it waited for ended with an error.
    failed: bool,
    /// The factor by which its body takes longer, and the time at which the body began.
    slowness: f64,
    began: u64,
}

impl Fiber {
    fn new(program: u32, role: Role, arrived: u64) -> Self {
        Self {
            program,
            body: NONE,
            pc: 0,
            process: 0,
            role,
            stage: Stage::Body,
            thread: NONE,
            parent: NONE,
            then: Then::Nothing,
            outstanding: 0,
            joining: false,
            freed: false,
            server: Cpu::default(),
            pooled: false,
            arrived,
            call: 0,
            attempt: 0,
            connected: false,
            bad: false,
            failed: false,
            slowness: 1.0,
            began: NEVER,
        }
    }
}

struct Engine<'a> {
    run: &'a Run<'a>,
    now: u64,
    sequence: u64,
    heap: BinaryHeap<Reverse<(u64, u64, Event)>>,
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
            sequence: 0,
            heap: BinaryHeap::with_capacity(1024),
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
        for (service, Process { workers, .. }) in machine.processes.iter().enumerate() {
            for _ in 0..(*workers).max(1) {
                let loop_thread = engine.new_thread(engine.processes.len() as u16, Role::Loop);
                let connections = machine.processes.iter().map(|_| Connections::new()).collect();
                let service = service as u16;
                engine.processes.push(ProcessState { loop_thread, service, connections, ..ProcessState::default() });
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
            let Some(Reverse((time, _, event))) = self.heap.pop() else { break };
            self.now = time;
            self.outcome.events += 1;
            match event {
                Event::Core { thread, generation } => self.core_event(thread, generation),
                Event::Gil { process, switch } => self.gil_timer(process, switch),
                Event::Unblock { thread } => self.advance(thread),
                Event::Wake { fiber } => self.wake(fiber),
                Event::Proxy { to, link, message } => self.proxy(to, link, message),
                Event::Deliver { message } => self.deliver(message),
                Event::Timeout { fiber, call } | Event::Refused { fiber, call } => self.fail(fiber, call),
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
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence, event)));
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

    // ---- fibers

    fn new_fiber(&mut self, fiber: Fiber) -> u32 {
        if let Some(id) = self.free_fibers.pop() {
            self.fibers[id as usize] = fiber;
            id
        } else {
            self.fibers.push(fiber);
            (self.fibers.len() - 1) as u32
        }
    }

    /// Puts a fiber where it runs: its loop's ready queue, or a thread of its own.
    fn make_ready(&mut self, fiber: u32) {
        let Fiber { process, role, .. } = self.fibers[fiber as usize];
        match role {
            Role::Loop => {
                let state = &mut self.processes[process as usize];
                state.ready.push_back(fiber);
                let thread = state.loop_thread;
                if self.threads[thread as usize].state == ThreadState::Idle && self.next_on_loop(thread) {
                    self.advance(thread);
                }
            }
            Role::Pool(pool) => {
                let limit = pool.limit(self.described(process));
                let state = &mut self.processes[process as usize].pools[pool as usize];
                if let Some(thread) = state.idle.pop() {
                    self.attach(fiber, thread);
                } else if state.started < limit {
                    state.started += 1;
                    let thread = self.new_thread(process, role);
                    self.attach(fiber, thread);
                } else {
                    state.queue.push_back(fiber);
                }
            }
            Role::Helper => {
                let idle = self.processes[process as usize].idle_helpers.pop();
                let thread = idle.unwrap_or_else(|| self.new_thread(process, Role::Helper));
                self.attach(fiber, thread);
            }
        }
    }

    fn wake(&mut self, fiber: u32) {
        let Fiber { thread, .. } = self.fibers[fiber as usize];
        if thread == NONE { self.make_ready(fiber) } else { self.advance(thread) }
    }

    fn attach(&mut self, fiber: u32, thread: u32) {
        self.fibers[fiber as usize].thread = thread;
        self.threads[thread as usize].fiber = fiber;
        self.advance(thread);
    }

    /// Takes the fiber off its event loop, which goes on with the next one (true). Threads stay with their fiber.
    fn suspend(&mut self, fiber: u32, thread: u32) -> bool {
        if self.threads[thread as usize].role == Role::Loop {
            self.fibers[fiber as usize].thread = NONE;
            self.next_on_loop(thread)
        } else {
            self.block(thread);
            false
        }
    }

    /// Gives the loop its next ready fiber. Returns false when there is no fiber; the thread is then idle.
    fn next_on_loop(&mut self, thread: u32) -> bool {
        let process = self.threads[thread as usize].process as usize;
        let Some(fiber) = self.processes[process].ready.pop_front() else {
            self.park(thread);
            return false;
        };
        self.fibers[fiber as usize].thread = thread;
        self.threads[thread as usize].fiber = fiber;
        if !self.processes[process].waiters.is_empty() {
            // Between two tasks the loop asks the kernel for events with the GIL released: waiters get it.
            self.release(thread);
        }
        if self.threads[thread as usize].state == ThreadState::Idle {
            self.threads[thread as usize].state = ThreadState::Blocked;
        }
        true
    }

    /// Ends a fiber; true when its thread has another one to run.
    fn end_fiber(&mut self, fiber: u32, thread: u32) -> bool {
        let Fiber { then, parent, .. } = self.fibers[fiber as usize];
        match then {
            Then::Complete => self.complete(fiber),
            Then::Join => {
                let failed = self.fibers[fiber as usize].failed;
                let caller = &mut self.fibers[parent as usize];
                caller.failed |= failed;
                caller.outstanding -= 1;
                if caller.outstanding == 0 && caller.joining {
                    caller.joining = false;
                    self.schedule(self.now, Event::Wake { fiber: parent });
                }
            }
            Then::Answer { remote, call } => self.answer(fiber, remote, call),
            Then::Wake { after } => self.schedule(self.now + after, Event::Wake { fiber: parent }),
            Then::Nothing => {}
        }
        self.free_fibers.push(fiber);
        let Thread { role, process, .. } = self.threads[thread as usize];
        match role {
            Role::Loop => self.next_on_loop(thread),
            Role::Pool(pool) => {
                if let Some(next) = self.processes[process as usize].pools[pool as usize].queue.pop_front() {
                    self.block(thread);
                    self.fibers[next as usize].thread = thread;
                    self.threads[thread as usize].fiber = next;
                    return true;
                }
                self.park(thread);
                self.processes[process as usize].pools[pool as usize].idle.push(thread);
                false
            }
            Role::Helper => {
                self.park(thread);
                self.processes[process as usize].idle_helpers.push(thread);
                false
            }
        }
    }

    /// Runs the thread's fiber until it needs time.
    fn advance(&mut self, thread: u32) {
        loop {
            let id = self.threads[thread as usize].fiber;
            let fiber = self.fibers[id as usize];
            let goes_on = match fiber.stage {
                Stage::Before => {
                    self.fibers[id as usize].stage = if fiber.pooled { Stage::Pooled } else { Stage::Body };
                    if !fiber.pooled && matches!(fiber.then, Then::Answer { remote, .. } if remote.crossing != 0) {
                        self.fibers[id as usize].slowness = self.slowness();
                    }
                    let nanos = self.half(thread, fiber.server);
                    self.compute(thread, nanos)
                }
                Stage::Pooled => {
                    self.fibers[id as usize].stage = Stage::After;
                    let child = self.fork(id, fiber.body, Role::Pool(Pool::Calls), true);
                    self.fibers[child as usize].slowness = self.slowness();
                    self.join(id, thread)
                }
                Stage::Body => self.step(id, thread),
                Stage::Sending => {
                    let nanos = self.half(thread, self.client_cpu(id));
                    self.fibers[id as usize].stage = Stage::Away;
                    self.compute(thread, nanos)
                }
                Stage::Away => {
                    self.fibers[id as usize].stage = Stage::Receiving;
                    let remote = self.remote(id);
                    self.connect(id, remote);
                    if remote.blocking {
                        self.block(thread);
                        false
                    } else {
                        self.suspend(id, thread)
                    }
                }
                Stage::Receiving => {
                    self.disconnect(id, true);
                    self.fibers[id as usize].attempt = 0;
                    let nanos = self.half(thread, self.client_cpu(id));
                    self.fibers[id as usize].stage = match fiber.then {
                        Then::Complete => Stage::Done,
                        _ => Stage::Body,
                    };
                    self.compute(thread, nanos)
                }
                Stage::After => {
                    self.fibers[id as usize].stage = Stage::Done;
                    let nanos = self.half(thread, fiber.server);
                    if fiber.role == Role::Helper {
                        self.compute_in_parts(id, thread, nanos, |fiber| fiber.stage = Stage::After)
                    } else {
                        self.compute(thread, nanos)
                    }
                }
                Stage::Done => self.end_fiber(id, thread),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Lets time pass: on its thread, or suspended.
    fn wait(&mut self, id: u32, thread: u32, nanos: u64) -> bool {
        if self.fibers[id as usize].role == Role::Loop {
            self.schedule(self.now + nanos, Event::Wake { fiber: id });
            self.suspend(id, thread)
        } else {
            self.block(thread);
            self.schedule(self.now + nanos, Event::Unblock { thread });
            false
        }
    }

    /// One operation of a body; true when the fiber goes on at once.
    fn step(&mut self, id: u32, thread: u32) -> bool {
        let fiber = &mut self.fibers[id as usize];
        let body = &self.run.programs[fiber.program as usize].bodies[fiber.body as usize];
        if fiber.began == NEVER {
            fiber.began = self.now;
        }
        let next = body.ops.get(fiber.pc as usize).filter(|_| !fiber.failed);
        let Some(&op) = next else {
            if fiber.slowness > 1.0 {
                let more = ((self.now - fiber.began) as f64 * (fiber.slowness - 1.0)) as u64;
                fiber.slowness = 1.0;
                return self.wait(id, thread, more);
            }
            fiber.stage = if matches!(fiber.then, Then::Answer { .. }) { Stage::After } else { Stage::Done };
            return self.join(id, thread);
        };
        if !matches!(op, Op::Remote(_)) {
            fiber.pc += 1;
        }
        match op {
            Op::Cpu(nanos) => {
                let nanos = self.stretch(thread, nanos);
                self.compute_in_parts(id, thread, nanos, |fiber| fiber.pc -= 1)
            }
            Op::Block(nanos) => {
                self.block(thread);
                self.schedule(self.now + nanos, Event::Unblock { thread });
                false
            }
            Op::Wait { cpu, delay } => {
                let wake_at = self.now + delay;
                if cpu == 0 {
                    self.schedule(wake_at, Event::Wake { fiber: id });
                } else {
                    let nanos = self.stretch(thread, cpu);
                    self.help(id, nanos, delay);
                }
                self.suspend(id, thread)
            }
            Op::Fork { body, thread: pooled, joined } => {
                self.fork(id, body, if pooled { Role::Pool(Pool::Handed) } else { Role::Loop }, joined);
                true
            }
            Op::Join => self.join(id, thread),
            Op::Remote(_) => {
                fiber.stage = Stage::Sending;
                true
            }
        }
    }

    /// Other threads that want this one's GIL, and other tasks that want its event loop.
    fn others(&self, thread: u32) -> (f64, f64) {
        let Thread { process, role, .. } = self.threads[thread as usize];
        let process = &self.processes[process as usize];
        let holds = process.holder.is_some_and(|holder| holder != thread);
        let tasks = if role == Role::Loop { process.ready.len() } else { 0 };
        ((process.waiters.len() + usize::from(holds)) as f64, tasks as f64)
    }

    /// Returns the time with the GIL of half of a crossing's work on this thread, under the present contention, and counts the
    /// CPU time beside it.
    fn half(&mut self, thread: u32, cpu: Cpu) -> u64 {
        let (threads, tasks) = self.others(thread);
        let alone = cpu.nanos as f64;
        let towards = |nanos: u64, share: f64| 0.5 * (alone + (nanos as f64 - alone) * share);
        let held = towards(cpu.held_nanos, if threads > 0.0 { 1.0 } else { tasks / (tasks + 1.0) });
        let others = threads + tasks;
        let computed = towards(cpu.crowded_nanos, others / (others + CROSSING_CROWD));
        self.compute_beside(thread, computed - held);
        held as u64
    }

    /// Returns the duration of a body's stretch on this thread, under the present contention, and counts the CPU time beside
    /// it.
    fn stretch(&mut self, thread: u32, nanos: u64) -> u64 {
        let (threads, tasks) = self.others(thread);
        let crowd = (threads + tasks) / (threads + tasks + BODY_CROWD);
        self.compute_beside(thread, nanos as f64 * self.run.crowding.beside * crowd);
        (nanos as f64 * (1.0 + self.run.crowding.held * crowd)) as u64
    }

    fn compute_beside(&mut self, thread: u32, nanos: f64) {
        let process = self.threads[thread as usize].process;
        let computed = &mut self.processes[process as usize].cpu_nanos;
        *computed = computed.saturating_add_signed(nanos as i64);
    }

    fn fork(&mut self, parent: u32, body: BodyId, role: Role, joined: bool) -> u32 {
        let Fiber { program, process, arrived, .. } = self.fibers[parent as usize];
        if joined {
            self.fibers[parent as usize].outstanding += 1;
        }
        let child = self.new_fiber(Fiber {
            body,
            process,
            parent,
            then: if joined { Then::Join } else { Then::Nothing },
            ..Fiber::new(program, role, arrived)
        });
        self.schedule(self.now, Event::Wake { fiber: child });
        child
    }

    /// A helper thread computes for a suspended fiber and wakes it after `delay`.
    fn help(&mut self, parent: u32, nanos: u64, delay: u64) {
        let Fiber { program, process, arrived, .. } = self.fibers[parent as usize];
        let helper = self.new_fiber(Fiber {
            process,
            stage: Stage::After,
            parent,
            then: Then::Wake { after: delay },
            // Only the half after the body is computed.
            server: Cpu::of(nanos * 2),
            ..Fiber::new(program, Role::Helper, arrived)
        });
        self.schedule(self.now, Event::Wake { fiber: helper });
    }

    fn join(&mut self, id: u32, thread: u32) -> bool {
        if self.fibers[id as usize].outstanding == 0 {
            return true;
        }
        self.fibers[id as usize].joining = true;
        self.suspend(id, thread)
    }
}
