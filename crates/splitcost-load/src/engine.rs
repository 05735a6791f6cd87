//! The event loop that sends a workload: one thread, epoll, absolute deadlines.

mod dispatch;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use splitcost_model::quantity::Nanos;

use crate::Error;
use crate::compose::Composer;
use crate::connection::{Connection, Ended, Job, Route, tls};
use crate::outcome::Outcome;
use crate::plan::{Mode, Phase, Plan, Progress, Stop};
use crate::resource::{PreciseTimers, monotonic_now, thread_cpu};
use crate::schedule::Schedule;
use crate::session::{Session, open_sessions};
use crate::target::{Target, Targets, Version};
use crate::workload::{Request, Workload};

/// The time after which an idle connection is closed.
///
/// Chosen: servers close idle connections after 2 s (gunicorn) or 5 s (uvicorn), and a request that is sent meanwhile fails.
const IDLE_LIMIT: Nanos = Nanos::from_millis(1_500);
/// The pause of a closed loop after a failed connection attempt.
///
/// Chosen: a closed loop against a server that is down must not use a whole core.
const RETRY_AFTER: Nanos = Nanos::from_millis(10);
/// The longest time between two checks of the deadlines. With a shorter deadline, it is a tenth of the deadline.
///
/// Chosen: short compared with the default deadline of 10 s.
const TICK: Nanos = Nanos::from_millis(50);
/// The time between two progress reports.
///
/// Chosen: people do not read faster than ten times a second.
const PROGRESS_EVERY: Nanos = Nanos::from_millis(100);
/// The most arrivals that a late generator begins before it reads answers again.
///
/// Chosen: sending this many requests takes about a millisecond.
const ARRIVAL_BATCH: u32 = 64;
/// The size of the read buffer.
///
/// Chosen: most answers fit in one read.
const READ_BYTES: usize = 65_536;
/// The most events that one wait returns.
///
/// Chosen: more connections are rarely ready at the same time.
const EVENTS: usize = 256;

/// Sends a workload from the calling thread until the plan ends, or until `cancel` is set.
///
/// Without sessions in `targets`, the requests before the load open them first.
///
/// `progress` is called about ten times a second, and at each change of phase. At the beginning and the end of the window,
/// it can read the CPU clocks of the servers. The generator sends nothing until `progress` returns.
///
/// # Errors
/// Fails when the plan or the targets are invalid, or a system call fails. The behaviour of servers is never an error.
pub fn run(
    workload: &Workload,
    plan: &Plan,
    targets: &Targets,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Outcome, Error> {
    plan.check()?;
    let opened;
    let sessions = match targets.sessions() {
        [] => {
            opened = open_sessions(workload, targets, cancel)?;
            &opened
        }
        sessions => sessions,
    };
    let mut engine = Engine::new(workload, sessions, plan, targets)?;
    let _precise = PreciseTimers::new();
    engine.run(cancel, progress)?;
    engine.count_all_bytes();
    Ok(engine.outcome)
}

/// The state of a run.
struct Engine<'a> {
    workload: &'a Workload,
    composer: Composer<'a>,
    plan: &'a Plan,
    epoll: OwnedFd,
    /// The index of the pool of each request template.
    pool_of: Vec<usize>,
    pools: Vec<Pool>,
    slots: Vec<Slot>,
    free_slots: Vec<usize>,
    /// The indices of the slots whose connections have bytes to write.
    dirty: Vec<usize>,
    /// The requests that ended in the current turn of a connection.
    ended: Vec<Ended>,
    buffer: Vec<u8>,
    outcome: Outcome,

    begun: Nanos,
    phase: Phase,
    /// The planned start of the window.
    window_start: Nanos,
    /// The planned end of the window, when the plan gives a time.
    window_end: Option<Nanos>,
    cpu_at_window_start: Nanos,
    /// In open loop, the schedule and its next arrival.
    arrivals: Option<(Schedule, Nanos)>,
    /// In closed loop, no request begins before this time.
    retry_at: Nanos,
    next_index: u64,
    /// The number of requests that began, without the warm-up.
    begun_counting: u64,
    /// The number of requests that were sent or wait for a connection.
    in_flight: usize,
    /// The number of requests that ended, including the warm-up.
    ended_count: u64,
    /// The number of these that failed.
    failed: u64,
}

/// The connections to one target.
struct Pool {
    target: Target,
    route: Route,
    connections: usize,
    max_connections: usize,
    /// The slots of connections that can take another request, or could when they were added. The most recently used one
    /// is last.
    with_room: Vec<usize>,
    /// Requests without a connection, the earliest first.
    waiting: VecDeque<Job>,
}

/// A place for a connection. Its index and generation identify the connection in epoll.
struct Slot {
    generation: u32,
    open: Option<Open>,
}

/// An open connection in its slot.
struct Open {
    connection: Connection,
    pool: usize,
    wants_write: bool,
    /// True when its slot is in the pool's list `with_room`.
    listed: bool,
    /// True when its slot is in the list `dirty`.
    dirty: bool,
    /// The time at which its last request ended.
    idle_since: Nanos,
}

impl<'a> Engine<'a> {
    fn new(workload: &'a Workload, sessions: &'a [Session], plan: &'a Plan, targets: &Targets) -> Result<Self, Error> {
        let mut composer = Composer::new(workload, sessions, plan.seed_offset, plan.keep_alive);
        let mut pools: Vec<Pool> = Vec::new();
        let mut pool_of = Vec::new();
        for (request, target) in targets.resolve(workload)?.into_iter().enumerate() {
            let is_grpc = workload.requests()[request].is_grpc();
            let mut target = target.clone();
            if is_grpc && target.version == Version::Negotiated {
                target.version = Version::Http2;
            }
            let fail = |problem| Error::Target { target: target.authority.clone(), problem };
            if is_grpc && target.version == Version::Http1 {
                return Err(fail("gRPC needs HTTP/2".to_owned()));
            }
            if target.version == Version::Http2 || target.tls.is_some() {
                composer.check_http2(request, &target.authority).map_err(fail)?;
            }
            let known = pools.iter().position(|pool| pool.target == target);
            pool_of.push(known.unwrap_or(pools.len()));
            if known.is_none() {
                pools.push(Pool::new(target, plan)?);
            }
        }
        let begun = monotonic_now();
        let window_start = begun + plan.warm_up;
        Ok(Self {
            workload,
            composer,
            plan,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Error::system("create an epoll"))?,
            pool_of,
            pools,
            slots: Vec::new(),
            free_slots: Vec::new(),
            dirty: Vec::new(),
            ended: Vec::new(),
            buffer: vec![0; READ_BYTES],
            outcome: Outcome::new(workload.requests().iter().map(Request::name)),
            begun,
            phase: Phase::WarmUp,
            window_start,
            window_end: match plan.stop {
                Stop::After(time) => Some(window_start + time),
                Stop::Requests(_) => None,
            },
            cpu_at_window_start: Nanos::ZERO,
            arrivals: match plan.mode {
                Mode::Open { reqs_per_sec, arrivals } => {
                    let seed = workload.seed().wrapping_add(plan.seed_offset);
                    let mut schedule = Schedule::new(arrivals, seed, reqs_per_sec);
                    let first = begun + schedule.next().unwrap_or_default();
                    Some((schedule, first))
                }
                Mode::Closed { .. } => None,
            },
            retry_at: Nanos::ZERO,
            next_index: 0,
            begun_counting: 0,
            in_flight: 0,
            ended_count: 0,
            failed: 0,
        })
    }

    fn run(&mut self, cancel: &AtomicBool, progress: &mut dyn FnMut(&Progress)) -> Result<(), Error> {
        let tick = TICK.min(self.plan.deadline * 0.1).max(Nanos::from_millis(1));
        let mut next_tick = self.begun + tick;
        let mut next_progress = self.begun + PROGRESS_EVERY;
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        loop {
            let mut now = monotonic_now();
            self.advance_phase(now, progress);
            self.begin_due(now)?;
            if self.phase == Phase::Done {
                return Ok(());
            }
            if cancel.load(Ordering::Relaxed) {
                self.outcome.cancelled = true;
                self.enter(Phase::Done, progress);
                return Ok(());
            }
            if now >= next_tick {
                self.tick(now)?;
                now = monotonic_now();
                next_tick = now + tick;
            }
            if now >= next_progress {
                progress(&self.progress());
                next_progress = now + PROGRESS_EVERY;
            }

            let wait = self.next_wake(next_tick, now);
            events.clear();
            let timeout = Timespec { tv_sec: 0, tv_nsec: wait.as_nanos().min(999_999_999).cast_signed() };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::system("wait with epoll_pwait2 (Linux 5.11 or later)")(errno)),
            }
            for event in &events {
                let (flags, data) = (event.flags, event.data.u64());
                self.on_event(data, flags)?;
                self.begin_due(monotonic_now())?;
            }
        }
    }

    /// Returns the time to wait for events. Shortly before an arrival, it is zero, and the loop spins.
    fn next_wake(&self, next_tick: Nanos, now: Nanos) -> Nanos {
        let mut wake = next_tick;
        match self.phase {
            Phase::WarmUp => wake = wake.min(self.window_start),
            Phase::Measuring => wake = wake.min(self.window_end.unwrap_or(Nanos::MAX)),
            Phase::Draining | Phase::Done => {}
        }
        if self.may_begin() {
            match (&self.arrivals, self.plan.mode) {
                (Some((_, arrival)), _) if self.is_planned(*arrival) => wake = wake.min(*arrival - self.plan.spin),
                (None, Mode::Closed { concurrency }) if self.in_flight < concurrency => wake = wake.min(self.retry_at),
                _ => {}
            }
        }
        wake - now
    }

    fn advance_phase(&mut self, now: Nanos, progress: &mut dyn FnMut(&Progress)) {
        if self.phase == Phase::WarmUp && now >= self.window_start {
            self.enter(Phase::Measuring, progress);
        }
        // A late generator still sends the requests that were planned before the end: the schedule does not depend on it.
        let all_begun = self.arrivals.as_ref().is_none_or(|(_, arrival)| !self.is_planned(*arrival));
        if self.phase == Phase::Measuring && self.window_end.is_some_and(|end| now >= end) && all_begun {
            self.enter(Phase::Draining, progress);
        }
        let nothing_to_come = match self.phase {
            Phase::Measuring => !self.may_begin(),
            phase => phase == Phase::Draining,
        };
        if nothing_to_come && self.in_flight == 0 {
            self.enter(Phase::Done, progress);
        }
    }

    fn enter(&mut self, phase: Phase, progress: &mut dyn FnMut(&Progress)) {
        if self.phase == Phase::Measuring {
            self.outcome.ended = monotonic_now();
            self.outcome.window = self.outcome.ended - self.outcome.started;
            self.outcome.generator_cpu = thread_cpu() - self.cpu_at_window_start;
        }
        self.phase = phase;
        progress(&self.progress());
        if self.phase == Phase::Measuring {
            self.outcome.started = monotonic_now();
            self.cpu_at_window_start = thread_cpu();
        }
    }

    fn progress(&self) -> Progress<'_> {
        let fraction = match self.plan.stop {
            _ if self.phase == Phase::Done => 1.0,
            Stop::Requests(count) => (self.outcome.ok() + self.outcome.failed()) as f64 / count as f64,
            Stop::After(time) => {
                (monotonic_now() - self.begun).as_nanos_f64() / (self.plan.warm_up + time).as_nanos_f64()
            }
        };
        Progress {
            phase: self.phase,
            fraction: fraction.min(1.0),
            requests: self.ended_count,
            failed: self.failed,
            endpoints: &self.outcome.endpoints,
        }
    }

    /// Returns true if the plan has further requests.
    fn may_begin(&self) -> bool {
        match (self.phase, self.plan.stop) {
            (Phase::Draining | Phase::Done, _) => false,
            (_, Stop::Requests(count)) => self.begun_counting < count,
            (_, Stop::After(_)) => true,
        }
    }

    /// Returns true if an arrival is before the planned end.
    fn is_planned(&self, arrival: Nanos) -> bool {
        self.window_end.is_none_or(|end| arrival < end)
    }
}

impl Pool {
    fn new(target: Target, plan: &Plan) -> Result<Self, Error> {
        let tls = target.tls.as_ref().map(|tls| tls::params(tls, target.version)).transpose();
        let tls = tls.map_err(|problem| Error::Target { target: target.authority.clone(), problem })?;
        // A closed loop spreads its requests evenly over the fewest connections that suffice.
        let streams = match plan.mode {
            Mode::Closed { concurrency } => concurrency.div_ceil(concurrency.div_ceil(plan.streams_per_connection)),
            Mode::Open { .. } => plan.streams_per_connection,
        };
        let route = Route {
            address: target.address.clone(),
            authority: target.authority.clone(),
            version: target.version,
            tls,
            streams,
        };
        Ok(Self {
            target,
            route,
            connections: 0,
            max_connections: plan.max_connections,
            with_room: Vec::new(),
            waiting: VecDeque::new(),
        })
    }
}

/// Returns the number that identifies a connection in epoll.
fn slot_name(index: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | index as u64
}
