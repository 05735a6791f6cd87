//! The loop that drives a workload: one thread, epoll, absolute deadlines.

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
use crate::target::{Target, Targets, Version};
use crate::workload::{Request, Workload};

/// Chosen: servers close idle connections after 2 s (gunicorn) or 5 s (uvicorn); a request sent while one does fails.
const IDLE_LIMIT: Nanos = Nanos::from_millis(1_500);
/// Chosen: a closed loop against a server that is down shall not burn a core.
const RETRY_AFTER: Nanos = Nanos::from_millis(10);
/// Chosen: how often deadlines are looked after; a shorter deadline makes it a tenth of that.
const TICK: Nanos = Nanos::from_millis(50);
/// Chosen: ten times a second, as fast as people read.
const PROGRESS_EVERY: Nanos = Nanos::from_millis(100);
/// Chosen: arrivals that are begun before answers are read again, when the generator is late.
const ARRIVAL_BATCH: u32 = 64;
/// Chosen: one read takes most answers whole.
const READ_BYTES: usize = 65_536;
/// Chosen: answers that one wait reports.
const EVENTS: usize = 256;

/// Drive a workload from the calling thread until the plan's end, or until `cancel` is set.
///
/// `progress` is called about ten times a second and at every change of phase: at the beginning and the end of the
/// window it is the place to read the servers' CPU clocks.
///
/// # Errors
/// When plan or targets make no sense, or the system gives no socket at all. What servers do is no error.
pub fn run(
    workload: &Workload,
    plan: &Plan,
    targets: &Targets,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Outcome, Error> {
    plan.check()?;
    let mut engine = Engine::new(workload, plan, targets)?;
    let _precise = PreciseTimers::new();
    engine.run(cancel, progress)?;
    engine.count_all_bytes();
    Ok(engine.outcome)
}

struct Engine<'a> {
    workload: &'a Workload,
    composer: Composer<'a>,
    plan: &'a Plan,
    epoll: OwnedFd,
    /// Each request's pool.
    pool_of: Vec<usize>,
    pools: Vec<Pool>,
    slots: Vec<Slot>,
    free_slots: Vec<usize>,
    /// Slots whose connections have something to write.
    dirty: Vec<usize>,
    /// What the turn of a connection ended.
    ended: Vec<Ended>,
    buffer: Vec<u8>,
    outcome: Outcome,

    begun: Nanos,
    phase: Phase,
    /// Planned start of the window.
    window_start: Nanos,
    /// Planned end of the window, if it is planned by time.
    window_end: Option<Nanos>,
    cpu_at_window_start: Nanos,
    /// The next arrival in open loop.
    arrivals: Option<(Schedule, Nanos)>,
    /// In closed loop, none is begun before.
    retry_at: Nanos,
    next_index: u64,
    /// Begun, warm-up excluded.
    begun_counting: u64,
    /// Sent or waiting for a connection.
    in_flight: usize,
    /// Ended, warm-up included; and of these, failed.
    ended_count: u64,
    failed: u64,
}

/// The connections to one target.
struct Pool {
    target: Target,
    route: Route,
    connections: usize,
    max_connections: usize,
    /// Slots of connections that take another request, or did when they were put here; the one used last at the end.
    with_room: Vec<usize>,
    /// Arrivals without a connection, the earliest first.
    waiting: VecDeque<Job>,
}

/// Where a connection lives; its index and generation are its name in epoll.
struct Slot {
    generation: u32,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    pool: usize,
    wants_write: bool,
    /// Whether it is in its pool's list of those with room.
    listed: bool,
    /// Whether it has something to write.
    dirty: bool,
    /// When it last ended a request.
    idle_since: Nanos,
}

impl<'a> Engine<'a> {
    fn new(workload: &'a Workload, plan: &'a Plan, targets: &Targets) -> Result<Self, Error> {
        let mut composer = Composer::new(workload, plan.seed_offset, plan.keep_alive);
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

    /// How long to wait for events: not at all shortly before an arrival.
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
        if self.phase == Phase::Measuring && self.window_end.is_some_and(|end| now >= end) {
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

    /// Whether the plan has any more requests.
    fn may_begin(&self) -> bool {
        match (self.phase, self.plan.stop) {
            (Phase::Draining | Phase::Done, _) => false,
            (_, Stop::Requests(count)) => self.begun_counting < count,
            (_, Stop::After(_)) => true,
        }
    }

    /// Whether an arrival lies before the planned end.
    fn is_planned(&self, arrival: Nanos) -> bool {
        self.window_end.is_none_or(|end| arrival < end)
    }
}

impl Pool {
    fn new(target: Target, plan: &Plan) -> Result<Self, Error> {
        let tls = target.tls.as_ref().map(|tls| tls::params(tls, target.version)).transpose();
        let tls = tls.map_err(|problem| Error::Target { target: target.authority.clone(), problem })?;
        // A closed loop spreads its requests evenly over as few connections as it needs.
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

fn slot_name(index: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | index as u64
}
