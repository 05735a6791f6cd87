//! The life of requests in a run: they begin, are assigned to connections, and end.

use rustix::event::epoll;
use rustix::io::Errno;
use splitcost_model::fault::EndedRequest;
use splitcost_model::quantity::Nanos;

use super::{ARRIVAL_BATCH, Engine, IDLE_LIMIT, Open, RETRY_AFTER, Slot, slot_name};
use crate::Error;
use crate::connection::wire::failure;
use crate::connection::{Answer, Connection, Context, Ended, Job, Untaken};
use crate::outcome::{Failure, FirstFailure};
use crate::plan::{Mode, Phase};
use crate::resource::monotonic_now;

impl Engine<'_> {
    /// Begins the requests that are due.
    pub(super) fn begin_due(&mut self, mut now: Nanos) -> Result<(), Error> {
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
                    self.flush()?;
                    now = monotonic_now();
                }
            }
            Mode::Closed { concurrency } => {
                while self.in_flight < concurrency && now >= self.retry_at && self.may_begin() && self.is_planned(now) {
                    self.begin(now, now)?;
                }
            }
        }
        self.flush()
    }

    fn begin(&mut self, intended: Nanos, now: Nanos) -> Result<(), Error> {
        let index = self.next_index;
        self.next_index += 1;
        let request = self.composer.draw(index).request;
        let job = Job {
            index,
            request,
            intended,
            begun: now,
            counts: intended >= self.window_start,
            is_retry: false,
            connected: None,
            secured: None,
            sent: None,
            first_byte: None,
        };
        self.in_flight += 1;
        if job.counts {
            self.begun_counting += 1;
            if self.arrivals.is_some() {
                self.outcome.schedule_lag.record(now - intended);
            }
        }
        let pool = self.pool_of[request];
        if self.pools[pool].waiting.is_empty() && self.send(pool, job)? {
            return Ok(());
        }
        self.outcome.waited_for_connection += u64::from(job.counts);
        self.pools[pool].waiting.push_back(job);
        Ok(())
    }

    /// Assigns a request to a connection, which writes it at the next flush. Returns false if no connection can take it now.
    fn send(&mut self, pool_index: usize, job: Job) -> Result<bool, Error> {
        let reusable = if job.is_retry { None } else { self.connection_with_room(pool_index) };
        let slot_index = match reusable {
            Some(index) => index,
            None => match self.connect(pool_index) {
                Ok(Some(index)) => index,
                // The maximum of connections is reached, or the accept queue of a unix socket is full.
                Ok(None) | Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) if self.slots_in_use() > 0 => {
                    let pool = &mut self.pools[pool_index];
                    pool.max_connections = pool.connections.max(1);
                    return Ok(false);
                }
                Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    return Err(Error::system("open a connection")(errno));
                }
                Err(errno) => {
                    let result = Err(failure(errno));
                    self.end(&Ended { job, result, detail: String::new(), untaken: Untaken::No });
                    return Ok(true);
                }
            },
        };
        let keep_alive = self.plan.keep_alive;
        if let Some(open) = &mut self.slots[slot_index].open {
            open.connection.begin(job, keep_alive);
            if !open.dirty {
                open.dirty = true;
                self.dirty.push(slot_index);
            }
        }
        Ok(true)
    }

    /// Returns a connection that can take another request, preferring the most recently used one.
    fn connection_with_room(&mut self, pool_index: usize) -> Option<usize> {
        let pool = &mut self.pools[pool_index];
        while let Some(index) = pool.with_room.last().copied() {
            let open = self.slots[index].open.as_mut().filter(|open| open.pool == pool_index);
            match open {
                Some(open) if open.connection.room(&pool.route) > 0 => return Some(index),
                Some(open) => open.listed = false,
                None => {}
            }
            pool.with_room.pop();
        }
        None
    }

    /// Opens a connection and registers it with epoll. Returns `None` when the maximum of connections is reached.
    fn connect(&mut self, pool_index: usize) -> Result<Option<usize>, Errno> {
        let pool = &mut self.pools[pool_index];
        if pool.connections >= pool.max_connections {
            return Ok(None);
        }
        let connection = Connection::open(&pool.route)?;
        let index = self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, open: None });
            self.slots.len() - 1
        });
        let name = epoll::EventData::new_u64(slot_name(index, self.slots[index].generation));
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        if let Err(errno) = connection.with_fd(|fd| epoll::add(&self.epoll, fd, name, flags)) {
            self.free_slots.push(index);
            return Err(errno);
        }
        self.slots[index].open = Some(Open {
            connection,
            pool: pool_index,
            wants_write: false,
            listed: true,
            dirty: false,
            idle_since: Nanos::ZERO,
        });
        pool.connections += 1;
        pool.with_room.push(index);
        self.outcome.connections += 1;
        Ok(Some(index))
    }

    fn slots_in_use(&self) -> usize {
        self.slots.len() - self.free_slots.len()
    }

    fn close(&mut self, slot_index: usize) {
        let slot = &mut self.slots[slot_index];
        let Some(mut open) = slot.open.take() else { return };
        // Later events of this connection in the current batch have the old generation, and are ignored.
        slot.generation = slot.generation.wrapping_add(1);
        self.free_slots.push(slot_index);
        let pool = &mut self.pools[open.pool];
        pool.connections -= 1;
        if open.listed {
            pool.with_room.retain(|index| *index != slot_index);
        }
        self.count_bytes(&mut open.connection);
    }

    fn count_bytes(&mut self, connection: &mut Connection) {
        let (bytes_in, bytes_out) = connection.take_bytes();
        self.outcome.bytes_in += bytes_in;
        self.outcome.bytes_out += bytes_out;
    }

    /// Writes the requests that were assigned to connections.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        while let Some(slot_index) = self.dirty.pop() {
            if let Some(open) = &mut self.slots[slot_index].open {
                open.dirty = false;
                self.turn(slot_index, false, false)?;
            }
        }
        Ok(())
    }

    pub(super) fn on_event(&mut self, name: u64, flags: epoll::EventFlags) -> Result<(), Error> {
        let slot_index = (name & u64::from(u32::MAX)) as usize;
        let Some(slot) = self.slots.get(slot_index) else { return Ok(()) };
        if slot.open.is_none() || slot_name(slot_index, slot.generation) != name {
            return Ok(());
        }
        let hung_up = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        self.turn(slot_index, hung_up || flags.contains(epoll::EventFlags::IN), hung_up)
    }

    /// Lets a connection make progress, and processes the requests that ended.
    fn turn(&mut self, slot_index: usize, readable: bool, hung_up: bool) -> Result<(), Error> {
        let mut ended = std::mem::take(&mut self.ended);
        let Some(open) = &mut self.slots[slot_index].open else { return Ok(()) };
        let route = &self.pools[open.pool].route;
        let mut cx = Context { composer: &mut self.composer, buffer: &mut self.buffer, ended: &mut ended };
        let alive = open.connection.turn(route, &mut cx, readable);
        let alive = alive && !(hung_up && open.connection.in_flight() == 0);
        self.settle(slot_index, ended, alive)
    }

    fn settle(&mut self, slot_index: usize, mut ended: Vec<Ended>, alive: bool) -> Result<(), Error> {
        let Some(open) = &mut self.slots[slot_index].open else { return Ok(()) };
        let pool_index = open.pool;
        if alive {
            if open.connection.wants_write() != open.wants_write {
                open.wants_write = !open.wants_write;
                let mut flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
                flags.set(epoll::EventFlags::OUT, open.wants_write);
                let name = epoll::EventData::new_u64(slot_name(slot_index, self.slots[slot_index].generation));
                let Some(open) = &self.slots[slot_index].open else { return Ok(()) };
                open.connection
                    .with_fd(|fd| epoll::modify(&self.epoll, fd, name, flags))
                    .map_err(Error::system("watch a connection"))?;
            }
            if let Some(open) = &mut self.slots[slot_index].open {
                let pool = &mut self.pools[pool_index];
                if !open.listed && open.connection.room(&pool.route) > 0 {
                    open.listed = true;
                    pool.with_room.push(slot_index);
                }
                if !ended.is_empty() {
                    open.idle_since = monotonic_now();
                }
            }
        } else {
            self.close(slot_index);
        }
        let any = !ended.is_empty();
        for one in ended.drain(..) {
            self.end_or_repeat(&one);
        }
        // The next turn uses its memory again.
        self.ended = ended;
        if any || !alive || !self.pools[pool_index].waiting.is_empty() {
            self.serve_waiting(pool_index)
        } else {
            Ok(())
        }
    }

    /// Ends a request, or sends it again over a new connection.
    ///
    /// A server may close an idle connection while the next request is being sent. As other clients do, the generator then
    /// sends an idempotent request again. It also repeats any request that the server reports as not processed. A request
    /// is repeated once, and its response time includes the first attempt.
    ///
    /// # Source
    /// RFC 9112, section 9.3.1; RFC 9113, section 8.7.
    fn end_or_repeat(&mut self, ended: &Ended) {
        let job = ended.job;
        let may_repeat = match ended.untaken {
            Untaken::No => false,
            Untaken::Perhaps => self.workload.requests()[job.request].method().is_idempotent(),
            Untaken::Surely => true,
        };
        if may_repeat && !job.is_retry {
            let job = Job { is_retry: true, connected: None, secured: None, sent: None, ..job };
            self.pools[self.pool_of[job.request]].waiting.push_front(job);
        } else {
            self.end(ended);
        }
    }

    /// Counts a request that ended.
    fn end(&mut self, ended: &Ended) {
        let Ended { job, result, detail, .. } = ended;
        let now = monotonic_now();
        let request = &self.workload.requests()[job.request];
        let expected = result.and_then(|Answer { status, grpc }| match grpc {
            _ if !request.expects(status) => Err(Failure::Status(status)),
            Some(code) if code != 0 => Err(Failure::Grpc(code)),
            _ => Ok(()),
        });
        self.in_flight -= 1;
        self.ended_count += 1;
        self.outcome.ended_ever += 1;
        self.failed += u64::from(expected.is_err());
        if self.phase == Phase::Measuring {
            self.outcome.ended_in_window += 1;
            self.outcome.ok_in_window += u64::from(expected.is_ok());
        }
        if matches!(expected, Err(Failure::Refused | Failure::Unreachable | Failure::Tls | Failure::WrongProtocol)) {
            self.retry_at = now + RETRY_AFTER;
        }
        if !job.counts {
            return;
        }
        if self.plan.keep_ended {
            let ended = EndedRequest {
                at_secs: (job.intended - self.window_start).as_secs_f64(),
                took_secs: (now - job.intended).as_secs_f64(),
                ok: expected.is_ok(),
                stuck: expected == Err(Failure::Timeout),
            };
            self.outcome.ended_requests.push((job.request, ended));
        }
        let endpoint = &mut self.outcome.endpoints[job.request];
        match expected {
            Ok(()) => {
                endpoint.ok += 1;
                endpoint.response.record(now - job.intended);
                endpoint.service.record(now - job.begun);
                let phases = &mut endpoint.phases;
                let reached = [
                    (&mut phases.connect, job.connected),
                    (&mut phases.tls, job.secured),
                    (&mut phases.sent, job.sent),
                    (&mut phases.first_byte, job.first_byte),
                ];
                for (histogram, at) in reached {
                    if let Some(at) = at {
                        histogram.record(at - job.begun);
                    }
                }
            }
            Err(failure) => {
                endpoint.failed.count(failure);
                let is_informative = !detail.is_empty() || matches!(failure, Failure::Status(_) | Failure::Grpc(_));
                if is_informative && endpoint.first_failure.is_none() {
                    endpoint.first_failure = Some(FirstFailure { failure, detail: detail.clone() });
                }
            }
        }
    }

    /// Sends the requests that waited for a connection.
    fn serve_waiting(&mut self, pool: usize) -> Result<(), Error> {
        while let Some(job) = self.pools[pool].waiting.pop_front() {
            let now = monotonic_now();
            if now > job.intended + self.plan.deadline {
                self.end_late(job);
                continue;
            }
            let begun = if job.is_retry { job.begun } else { now };
            if !self.send(pool, Job { begun, ..job })? {
                self.pools[pool].waiting.push_front(job);
                break;
            }
        }
        Ok(())
    }

    fn end_late(&mut self, job: Job) {
        self.end(&Ended { job, result: Err(Failure::Timeout), detail: String::new(), untaken: Untaken::No });
    }

    /// Ends the requests past their deadline, and closes connections that were idle for long.
    pub(super) fn tick(&mut self, now: Nanos) -> Result<(), Error> {
        // No request can be past its deadline before one deadline has passed since the beginning.
        if now > self.begun + self.plan.deadline {
            let oldest = now - self.plan.deadline;
            for slot_index in 0..self.slots.len() {
                let mut ended = std::mem::take(&mut self.ended);
                let mut cx = Context { composer: &mut self.composer, buffer: &mut self.buffer, ended: &mut ended };
                let Some(open) = &mut self.slots[slot_index].open else {
                    self.ended = ended;
                    continue;
                };
                let alive = open.connection.expire(oldest, &mut cx);
                if ended.is_empty() {
                    self.ended = ended;
                } else {
                    if alive && !open.dirty {
                        // The connection still has to tell the server that the request is given up.
                        open.dirty = true;
                        self.dirty.push(slot_index);
                    }
                    self.settle(slot_index, ended, alive)?;
                }
            }
        }
        for slot_index in 0..self.slots.len() {
            let is_stale = self.slots[slot_index]
                .open
                .as_ref()
                .is_some_and(|open| open.connection.in_flight() == 0 && now > open.idle_since + IDLE_LIMIT);
            if is_stale {
                self.close(slot_index);
            }
        }
        for pool in 0..self.pools.len() {
            let deadline = self.plan.deadline;
            while let Some(job) = self.pools[pool].waiting.pop_front_if(|job| now > job.intended + deadline) {
                self.end_late(job);
            }
            self.serve_waiting(pool)?;
        }
        self.count_all_bytes();
        self.flush()
    }

    pub(super) fn count_all_bytes(&mut self) {
        for slot in &mut self.slots {
            if let Some(open) = &mut slot.open {
                let (bytes_in, bytes_out) = open.connection.take_bytes();
                self.outcome.bytes_in += bytes_in;
                self.outcome.bytes_out += bytes_out;
            }
        }
    }
}
