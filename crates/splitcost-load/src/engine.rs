//! The loop that drives a workload: one thread, epoll, absolute deadlines.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use splitcost_model::quantity::Nanos;

use crate::Error;
use crate::connection::http1::Response;
use crate::connection::{Connection, Step, failure};
use crate::outcome::{Failure, FirstFailure, Outcome};
use crate::plan::{Mode, Phase, Plan, Progress, Stop};
use crate::resource::{PreciseTimers, monotonic_now, thread_cpu};
use crate::schedule::Schedule;
use crate::target::{Address, Target, Targets, Version};
use crate::workload::{Draw, Method, Request, Workload};

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
    Ok(engine.outcome)
}

struct Engine<'a> {
    workload: &'a Workload,
    plan: &'a Plan,
    epoll: OwnedFd,
    /// Each request's pool.
    pool_of: Vec<usize>,
    pools: Vec<Pool>,
    slots: Vec<Slot>,
    free_slots: Vec<usize>,
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
    ended: u64,
    failed: u64,
}

/// The connections to one target.
struct Pool {
    target: Target,
    address: SocketAddr,
    connections: usize,
    max_connections: usize,
    /// Slots without a job, the longest idle first.
    idle: Vec<usize>,
    /// Arrivals without a connection, the earliest first.
    waiting: VecDeque<(u64, Job)>,
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
    job: Option<Job>,
    /// Has carried a request before this one.
    reused: bool,
    idle_since: Nanos,
}

/// A request under way.
#[derive(Clone, Copy)]
struct Job {
    request: usize,
    intended: Nanos,
    sent: Nanos,
    /// Not of the warm-up.
    counts: bool,
}

impl<'a> Engine<'a> {
    fn new(workload: &'a Workload, plan: &'a Plan, targets: &Targets) -> Result<Self, Error> {
        let mut pools: Vec<Pool> = Vec::new();
        let mut pool_of = Vec::new();
        for target in targets.resolve(workload)? {
            let (Address::Tcp(address), None, Version::Negotiated | Version::Http1) =
                (&target.address, &target.tls, target.version)
            else {
                let target = target.authority.clone();
                return Err(Error::Target { target, problem: "only HTTP/1.1 over TCP is spoken yet".to_owned() });
            };
            let known = pools.iter().position(|pool| pool.target == *target);
            pool_of.push(known.unwrap_or(pools.len()));
            if known.is_none() {
                pools.push(Pool::new(target.clone(), *address, plan.max_connections));
            }
        }
        let begun = monotonic_now();
        let window_start = begun + plan.warm_up;
        Ok(Self {
            workload,
            plan,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Error::system("create an epoll"))?,
            pool_of,
            pools,
            slots: Vec::new(),
            free_slots: Vec::new(),
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
            ended: 0,
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

    fn progress(&self) -> Progress {
        let fraction = match self.plan.stop {
            _ if self.phase == Phase::Done => 1.0,
            Stop::Requests(count) => (self.outcome.ok() + self.outcome.failed()) as f64 / count as f64,
            Stop::After(time) => {
                (monotonic_now() - self.begun).as_nanos_f64() / (self.plan.warm_up + time).as_nanos_f64()
            }
        };
        Progress { phase: self.phase, fraction: fraction.min(1.0), requests: self.ended, failed: self.failed }
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

    /// Begin the requests whose time has come.
    fn begin_due(&mut self, mut now: Nanos) -> Result<(), Error> {
        match self.plan.mode {
            Mode::Open { .. } => {
                for _ in 0..ARRIVAL_BATCH {
                    let Some(intended) = self.arrivals.as_ref().map(|(_, arrival)| *arrival) else { break };
                    if intended > now || !self.is_planned(intended) || !self.may_begin() {
                        break;
                    }
                    self.begin(intended, now)?;
                    if let Some((schedule, arrival)) = &mut self.arrivals {
                        *arrival = self.begun + schedule.next().unwrap_or(Nanos::MAX);
                    }
                    now = monotonic_now();
                }
            }
            Mode::Closed { concurrency } => {
                while self.in_flight < concurrency && now >= self.retry_at && self.may_begin() && self.is_planned(now) {
                    self.begin(now, now)?;
                    now = monotonic_now();
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, intended: Nanos, now: Nanos) -> Result<(), Error> {
        let index = self.next_index;
        self.next_index += 1;
        let draw = self.workload.draw(self.plan.seed_offset, index);
        let job = Job { request: draw.request, intended, sent: now, counts: intended >= self.window_start };
        self.in_flight += 1;
        if job.counts {
            self.begun_counting += 1;
            if self.arrivals.is_some() {
                self.outcome.schedule_lag.record(now - intended);
            }
        }
        let pool = self.pool_of[draw.request];
        if self.pools[pool].waiting.is_empty() && self.send(pool, draw, job)? {
            return Ok(());
        }
        self.outcome.waited_for_connection += u64::from(job.counts);
        self.pools[pool].waiting.push_back((index, job));
        Ok(())
    }

    /// Send a request over an idle or a new connection; false if there can be none now.
    fn send(&mut self, pool_index: usize, draw: Draw, job: Job) -> Result<bool, Error> {
        let pool = &mut self.pools[pool_index];
        let slot_index = match pool.idle.pop() {
            Some(index) => index,
            None if pool.connections >= pool.max_connections => return Ok(false),
            None => match Connection::open(pool.address).and_then(|c| self.adopt(pool_index, c)) {
                Ok(index) => index,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) if self.slots_in_use() > 0 => {
                    let pool = &mut self.pools[pool_index];
                    pool.max_connections = pool.connections.max(1);
                    return Ok(false);
                }
                Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    return Err(Error::system("open a connection")(errno));
                }
                Err(errno) => {
                    self.end(job, Err(failure(errno)), monotonic_now());
                    return Ok(true);
                }
            },
        };

        let host = &self.pools[pool_index].target.authority;
        let Some(open) = &mut self.slots[slot_index].open else { unreachable!("idle slots are open") };
        let is_head = self.workload.requests()[draw.request].method() == Method::Head;
        open.connection.begin(is_head, |out| self.workload.write(draw, host, out));
        open.job = Some(Job { sent: monotonic_now(), ..job });
        let step = open.connection.write();
        self.apply(slot_index, step, true)?;
        Ok(true)
    }

    fn slots_in_use(&self) -> usize {
        self.slots.len() - self.free_slots.len()
    }

    /// Give a new connection a slot and let epoll watch it.
    fn adopt(&mut self, pool: usize, connection: Connection) -> Result<usize, Errno> {
        let index = self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, open: None });
            self.slots.len() - 1
        });
        let name = epoll::EventData::new_u64(slot_name(index, self.slots[index].generation));
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        if let Err(errno) = epoll::add(&self.epoll, &connection, name, flags) {
            self.free_slots.push(index);
            return Err(errno);
        }
        self.slots[index].open =
            Some(Open { connection, pool, wants_write: false, job: None, reused: false, idle_since: Nanos::ZERO });
        self.pools[pool].connections += 1;
        self.outcome.connections += 1;
        Ok(index)
    }

    fn close(&mut self, slot_index: usize) {
        let slot = &mut self.slots[slot_index];
        let Some(open) = slot.open.take() else { return };
        // Events of this connection that were reported together with others now name a generation that is gone.
        slot.generation = slot.generation.wrapping_add(1);
        self.free_slots.push(slot_index);
        self.pools[open.pool].connections -= 1;
    }

    fn on_event(&mut self, name: u64, flags: epoll::EventFlags) -> Result<(), Error> {
        let slot_index = (name & u64::from(u32::MAX)) as usize;
        let Some(slot) = self.slots.get_mut(slot_index) else { return Ok(()) };
        let Some(open) = slot.open.as_mut().filter(|_| slot_name(slot_index, slot.generation) == name) else {
            return Ok(());
        };
        let pool = open.pool;
        if open.job.is_none() {
            // The server closed an idle connection, or spoke unasked.
            self.pools[pool].idle.retain(|idle| *idle != slot_index);
            self.close(slot_index);
            return Ok(());
        }
        let hung_up = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        let step = if hung_up || flags.contains(epoll::EventFlags::IN) {
            let (step, count) = open.connection.read(&mut self.buffer);
            self.outcome.bytes_in += count as u64;
            step
        } else {
            open.connection.write()
        };
        self.apply(slot_index, step, !hung_up)?;
        self.serve_waiting(pool)
    }

    /// Do what a step on a connection with a job led to.
    fn apply(&mut self, slot_index: usize, step: Step, reusable: bool) -> Result<(), Error> {
        let now = monotonic_now();
        let slot = &mut self.slots[slot_index];
        let Some(open) = &mut slot.open else { return Ok(()) };
        let result = match step {
            Step::Waiting { writable } => {
                if writable != open.wants_write {
                    open.wants_write = writable;
                    let mut flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
                    flags.set(epoll::EventFlags::OUT, writable);
                    let name = epoll::EventData::new_u64(slot_name(slot_index, slot.generation));
                    epoll::modify(&self.epoll, &open.connection, name, flags)
                        .map_err(Error::system("watch a connection"))?;
                }
                return Ok(());
            }
            Step::Answered(response) => Ok(response),
            Step::Failed(failure) => {
                if let Some(job) = open.job
                    && open.reused
                    && self.workload.requests()[job.request].method().is_idempotent()
                    && let Some(request) = open.connection.take_unanswered(failure)
                {
                    return self.send_again(slot_index, job, request);
                }
                Err(failure)
            }
        };
        let Some(job) = open.job.take() else { return Ok(()) };
        self.outcome.bytes_out += open.connection.written() as u64;
        let keep = reusable && open.connection.is_written() && result.is_ok_and(|response| response.keep_alive);
        open.idle_since = now;
        let pool = open.pool;
        if let Ok(Response { status, .. }) = result
            && job.counts
            && !self.workload.requests()[job.request].expects(status)
        {
            let body = || String::from_utf8_lossy(open.connection.sample()).into_owned();
            self.outcome.endpoints[job.request]
                .first_failure
                .get_or_insert_with(|| FirstFailure { failure: Failure::Status(status), detail: body() });
        }
        open.reused = true;
        self.end(job, result, now);
        if keep {
            self.pools[pool].idle.push(slot_index);
        } else {
            self.close(slot_index);
        }
        Ok(())
    }

    /// A server may close a connection that was kept open just as the next request is sent: as any client does, send an
    /// idempotent one again over a new connection. The time it took counts.
    ///
    /// # Source
    /// RFC 9112, section 9.3.1.
    fn send_again(&mut self, slot_index: usize, job: Job, request: Vec<u8>) -> Result<(), Error> {
        let Some(pool_index) = self.slots[slot_index].open.as_ref().map(|open| open.pool) else { return Ok(()) };
        self.close(slot_index);
        let opened = Connection::open(self.pools[pool_index].address).and_then(|c| self.adopt(pool_index, c));
        let slot_index = match opened {
            Ok(index) => index,
            Err(errno) => {
                self.end(job, Err(failure(errno)), monotonic_now());
                return Ok(());
            }
        };
        let Some(open) = &mut self.slots[slot_index].open else { unreachable!("it was just opened") };
        let is_head = self.workload.requests()[job.request].method() == Method::Head;
        open.connection.begin(is_head, |out| *out = request);
        open.job = Some(job);
        let step = open.connection.write();
        self.apply(slot_index, step, true)
    }

    /// Count a request that ended.
    fn end(&mut self, job: Job, result: Result<Response, Failure>, now: Nanos) {
        let expected = result.and_then(|Response { status, .. }| {
            if self.workload.requests()[job.request].expects(status) { Ok(()) } else { Err(Failure::Status(status)) }
        });
        self.in_flight -= 1;
        self.ended += 1;
        self.outcome.ended_ever += 1;
        self.failed += u64::from(expected.is_err());
        if self.phase == Phase::Measuring {
            self.outcome.ended_in_window += 1;
            self.outcome.ok_in_window += u64::from(expected.is_ok());
        }
        if matches!(expected, Err(Failure::Refused | Failure::Unreachable)) {
            self.retry_at = now + RETRY_AFTER;
        }
        if !job.counts {
            return;
        }
        let endpoint = &mut self.outcome.endpoints[job.request];
        match expected {
            Ok(()) => {
                endpoint.ok += 1;
                endpoint.response.record(now - job.intended);
                endpoint.service.record(now - job.sent);
            }
            Err(failure) => endpoint.failed.count(failure),
        }
    }

    /// Send arrivals that waited for a connection.
    fn serve_waiting(&mut self, pool: usize) -> Result<(), Error> {
        while let Some((index, job)) = self.pools[pool].waiting.pop_front() {
            let now = monotonic_now();
            if now > job.intended + self.plan.deadline {
                self.end(job, Err(Failure::Timeout), now);
                continue;
            }
            let draw = self.workload.draw(self.plan.seed_offset, index);
            if !self.send(pool, draw, job)? {
                self.pools[pool].waiting.push_front((index, job));
                break;
            }
        }
        Ok(())
    }

    /// Give up requests past their deadline and connections idle for long.
    fn tick(&mut self, now: Nanos) -> Result<(), Error> {
        let is_late = |job: &Job| now > job.intended + self.plan.deadline;
        let late: Vec<usize> = (0..self.slots.len())
            .filter(|i| self.slots[*i].open.as_ref().is_some_and(|open| open.job.as_ref().is_some_and(is_late)))
            .collect();
        for slot in late {
            self.apply(slot, Step::Failed(Failure::Timeout), false)?;
        }
        for pool in 0..self.pools.len() {
            let oldest_first = &self.pools[pool].idle;
            let is_stale =
                |slot: &&usize| self.slots[**slot].open.as_ref().is_some_and(|open| now > open.idle_since + IDLE_LIMIT);
            let stale = oldest_first.iter().take_while(is_stale).count();
            let stale: Vec<usize> = self.pools[pool].idle.drain(..stale).collect();
            for slot in stale {
                self.close(slot);
            }
            while let Some((_, job)) =
                self.pools[pool].waiting.pop_front_if(|(_, job)| now > job.intended + self.plan.deadline)
            {
                self.end(job, Err(Failure::Timeout), now);
            }
            self.serve_waiting(pool)?;
        }
        Ok(())
    }
}

impl Pool {
    fn new(target: Target, address: SocketAddr, max_connections: usize) -> Self {
        Self { target, address, connections: 0, max_connections, idle: Vec::new(), waiting: VecDeque::new() }
    }
}

fn slot_name(index: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | index as u64
}
