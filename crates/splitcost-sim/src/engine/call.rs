//! Calls between processes: connections, links, answers, timeouts, retries and faults.

use std::collections::VecDeque;

use rand::RngExt;
use rand_distr::StandardNormal;
use splitcost_model::fault::Attempts;
use splitcost_model::link::Jitter;
use splitcost_model::policy::{CallPolicy, Fault};

use super::agenda::{Attempt, Caller};
use super::{End, Ended, Engine, Event, Fiber, Pool, Role, Stage, Then};
use crate::program::{Cpu, Op, Remote};

/// The extra time of a lost packet that too few packets follow: the sender's timer, in addition to a round trip.
///
/// Spec: Linux, `TCP_RTO_MIN`; a lone packet's tail loss probe waits as long (`tcp_schedule_loss_probe`).
pub(crate) const RETRANSMIT_NANOS: u64 = 200_000_000;
/// The number of packets after a lost one from which the sender learns of the loss.
///
/// Spec: RFC 5681, three duplicate acknowledgements.
const DUPLICATE_ACKS: u32 = 3;
/// The number of threads of a mesh's proxy.
///
/// Spec: Istio, `concurrency` 2 of a sidecar; Linkerd and ztunnel take what they need.
const PROXY_THREADS: usize = 2;

/// The connections that one process keeps to another.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// In use.
    used: u32,
    /// Not in use: healthy ones, and those that will never be answered.
    idle: [u32; 2],
    /// Calls that wait for one.
    waiting: VecDeque<(u32, u32, Remote)>,
    /// The one connection that all calls share has lost something, and delivers nothing any more.
    dead: bool,
    /// The connections that the fault affects were drawn already.
    struck: bool,
    /// The retries that the budget still allows.
    tokens: f64,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self { tokens: CallPolicy::BUDGET_TOKENS, ..Self::default() }
    }
}

/// One direction of a link.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    jitter: Jitter,
    last_arrival: u64,
}

/// A mesh's proxy beside a service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proxy {
    free_at: [u64; PROXY_THREADS],
    pub(super) computed: u64,
}

impl Proxy {
    /// Returns the time for which a message that comes at `at` waits.
    fn serve(&mut self, at: u64, nanos: u64) -> u64 {
        self.computed += nanos;
        let thread = self.free_at.iter_mut().min();
        thread.map_or(0, |free_at| {
            let begins = at.max(*free_at);
            *free_at = begins + nanos;
            begins - at
        })
    }
}

/// A message on its way from one process to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Message {
    /// A call, with the fiber that will answer it.
    Call(u32),
    /// The answer of a call: the fiber that waits, the call, and its failure.
    Answer { fiber: u32, call: u32, failed: bool },
}

impl Engine<'_> {
    pub(super) fn remote(&mut self, id: u32) -> Remote {
        let fiber = &mut self.fibers[id as usize];
        let program = &self.run.programs[fiber.program as usize];
        if fiber.then == Then::Complete {
            return program.entry;
        }
        let op = program.bodies[fiber.body as usize].ops[fiber.pc as usize];
        fiber.pc += 1;
        let Op::Remote(remote) = op else { unreachable!("only a remote call is sent") };
        remote
    }

    pub(super) fn client_cpu(&self, id: u32) -> Cpu {
        let fiber = &self.fibers[id as usize];
        if fiber.then == Then::Complete {
            return Cpu::of(self.run.load_nanos);
        }
        let ops = &self.run.programs[fiber.program as usize].bodies[fiber.body as usize].ops;
        // While receiving, the program counter has moved past the call.
        let at = if fiber.stage == Stage::Receiving { fiber.pc - 1 } else { fiber.pc };
        match ops[at as usize] {
            Op::Remote(remote) => self.run.costs[remote.crossing as usize].client,
            _ => Cpu::default(),
        }
    }

    /// The remote call that a fiber is in.
    fn present_call(&self, id: u32) -> Remote {
        let Fiber { program, body, pc, .. } = self.fibers[id as usize];
        let op = self.run.programs[program as usize].bodies[body as usize].ops[pc as usize - 1];
        let Op::Remote(remote) = op else { unreachable!("only a remote call is answered") };
        remote
    }

    fn fault(&self) -> Option<Fault> {
        let (fault, from, until) = self.run.network.fault?;
        (from <= self.now && self.now < until).then_some(fault)
    }

    /// Returns the factor by which a function that begins now takes longer.
    pub(super) fn slowness(&self) -> f64 {
        match self.fault() {
            Some(Fault::Slow(factor)) => factor,
            _ => 1.0,
        }
    }

    fn draws(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.random::<f64>() < share
    }

    /// Begins an attempt: over a connection of the process's pool, or waiting for one. The load generator has its own.
    pub(super) fn connect(&mut self, id: u32, remote: Remote) {
        self.calls += 1;
        let call = self.calls;
        let fiber = &mut self.fibers[id as usize];
        fiber.call = call;
        fiber.connected = false;
        fiber.bad = false;
        let Fiber { process, then, attempt, program, .. } = *fiber;
        let network = &self.run.network;
        if then == Then::Complete {
            if let Some(patience) = network.patience_nanos {
                self.agenda.set_timeout(self.now + patience, Caller::LoadGenerator, Attempt { fiber: id, call });
            }
            self.send(id, remote);
            return;
        }
        if let Some(timeout) = network.calls.timeout {
            self.agenda.set_timeout(self.now + timeout.as_nanos(), Caller::Service, Attempt { fiber: id, call });
        }
        if network.fault.is_some_and(|(_, from, until)| from <= self.now && self.now < until) {
            let endpoint = self.run.programs[program as usize].endpoint as usize;
            if self.outcome.attempts.len() <= endpoint {
                self.outcome.attempts.resize(endpoint + 1, Attempts::default());
            }
            let sum = &mut self.outcome.attempts[endpoint];
            sum.calls += u64::from(attempt == 0);
            sum.attempts += 1;
        }
        let budget = network.calls.budget;
        let limit = self.described(process).connections;
        let connections = &mut self.processes[process as usize].connections[remote.process as usize];
        if attempt == 0
            && let Some(budget) = budget
        {
            connections.tokens = (connections.tokens + budget).min(CallPolicy::BUDGET_TOKENS);
        }
        if connections.used >= limit {
            connections.waiting.push_back((id, call, remote));
        } else {
            connections.used += 1;
            self.take(id, remote);
        }
    }

    /// Takes an idle connection, or opens one, and sends.
    fn take(&mut self, id: u32, remote: Remote) {
        let process = self.fibers[id as usize].process;
        let shared = self.described(process).connections == u32::MAX;
        let share = match self.fault() {
            Some(Fault::HalfBad(share)) => share,
            _ => 0.0,
        };
        let connections = &self.processes[process as usize].connections[remote.process as usize];
        let [well, bad] = connections.idle;
        if share > 0.0 && !connections.struck {
            // Connections that were well until now.
            let struck = (0..if shared { 1 } else { well }).filter(|_| self.draws(share)).count() as u32;
            let connections = &mut self.processes[process as usize].connections[remote.process as usize];
            connections.struck = true;
            connections.dead |= shared && struck > 0;
            if !shared {
                connections.idle = [well - struck, bad + struck];
            }
        }
        let [well, bad] = self.processes[process as usize].connections[remote.process as usize].idle;
        let is_bad =
            if well + bad > 0 { self.rng.random_range(0..well + bad) < bad } else { !shared && self.draws(share) };
        let connections = &mut self.processes[process as usize].connections[remote.process as usize];
        if well + bad > 0 {
            connections.idle[usize::from(is_bad)] -= 1;
        }
        let fiber = &mut self.fibers[id as usize];
        fiber.connected = true;
        fiber.bad = is_bad || shared && connections.dead;
        self.send(id, remote);
    }

    /// An attempt is over: its connection goes to the next call, or back to the pool, or was closed.
    pub(super) fn disconnect(&mut self, id: u32, keep: bool) {
        let Fiber { process, then, connected, bad, .. } = self.fibers[id as usize];
        self.fibers[id as usize].call = 0;
        if then == Then::Complete || !connected {
            return;
        }
        self.fibers[id as usize].connected = false;
        let remote = self.present_call(id);
        let shared = self.described(process).connections == u32::MAX;
        let connections = &mut self.processes[process as usize].connections[remote.process as usize];
        if keep && !shared {
            connections.idle[usize::from(bad)] += 1;
        }
        connections.used -= 1;
        while let Some((next, call, remote)) = connections.waiting.pop_front() {
            // One whose time was over while it waited is gone.
            if self.fibers[next as usize].call == call {
                self.processes[process as usize].connections[remote.process as usize].used += 1;
                self.take(next, remote);
                return;
            }
        }
    }

    fn send(&mut self, id: u32, remote: Remote) {
        let cost = self.run.costs[remote.crossing as usize];
        let Fiber { program, arrived, process, then, bad, call, .. } = self.fibers[id as usize];
        let one_way_nanos = cost.one_way_nanos;
        if then != Then::Complete {
            match self.fault() {
                Some(Fault::Down) => {
                    // The kernel there refuses as soon as the call arrives.
                    let back =
                        self.travel(remote, process, self.first_processes[remote.process as usize]) + one_way_nanos;
                    self.schedule(self.now + 2 * back, Event::Refused(Attempt { fiber: id, call }));
                    return;
                }
                Some(Fault::Silent) => {
                    self.lose(process, remote.process);
                    return;
                }
                _ if bad => return,
                _ => {}
            }
        }
        let to = self.least_busy(remote.process);
        self.processes[to as usize].unanswered += 1;
        // A WSGI server does all its work on the thread that runs the request.
        let is_wsgi = remote.pooled && then == Then::Complete;
        let server = self.new_fiber(Fiber {
            body: remote.body,
            process: to,
            stage: Stage::Before,
            parent: id,
            then: Then::Answer { remote, call },
            server: cost.server,
            pooled: remote.pooled && !is_wsgi,
            ..Fiber::new(program, if is_wsgi { Role::Pool(Pool::Server) } else { Role::Loop }, arrived)
        });
        let message = Message::Call(server);
        self.pass(remote, process, to, one_way_nanos, message);
    }

    /// A fiber answers its caller.
    pub(super) fn answer(&mut self, id: u32, remote: Remote, call: u32) {
        let Fiber { process, parent, failed, .. } = self.fibers[id as usize];
        self.processes[process as usize].unanswered -= 1;
        let one_way_nanos = self.run.costs[remote.crossing as usize].one_way_nanos;
        let caller = self.fibers[parent as usize];
        let message = Message::Answer { fiber: parent, call, failed };
        let waits = caller.call == call;
        if remote.crossing != 0 && self.fault() == Some(Fault::Silent) {
            if waits {
                self.lose(caller.process, self.processes[process as usize].service);
            }
            return;
        }
        if waits && caller.bad {
            return;
        }
        // Nobody reads it when nobody waits any more.
        let to = if waits { caller.process } else { process };
        self.pass(remote, process, to, one_way_nanos, message);
    }

    /// A connection to a service loses something: what all calls share brings nothing any more.
    fn lose(&mut self, from: u16, to: u16) {
        let shared = self.described(from).connections == u32::MAX;
        self.processes[from as usize].connections[to as usize].dead |= shared;
    }

    /// Sends a message over the link of a call.
    fn pass(&mut self, remote: Remote, from: u16, to: u16, nanos: u64, message: Message) {
        let link = self.run.costs[remote.crossing as usize].link;
        let proxy = self.run.network.links.get(link as usize).and_then(|link| link.proxy_nanos);
        let beside = self.processes[from as usize].service;
        let waited = proxy.map_or(0, |nanos| self.proxies[beside as usize].serve(self.now, nanos));
        let at = self.now + waited + nanos + self.travel(remote, from, to);
        self.schedule(
            at,
            if proxy.is_some() { Event::Proxy { to, link, message } } else { Event::Deliver { message } },
        );
    }

    /// A message comes to the proxy beside the service that it is for.
    pub(super) fn proxy(&mut self, to: u16, link: u16, message: Message) {
        let nanos = self.run.network.links[link as usize].proxy_nanos.unwrap_or(0);
        let beside = self.processes[to as usize].service;
        let waited = self.proxies[beside as usize].serve(self.now, nanos);
        self.schedule(self.now + waited, Event::Deliver { message });
    }

    /// Returns the time that the next message of a call's link takes.
    fn travel(&mut self, remote: Remote, from: u16, to: u16) -> u64 {
        let crossing = self.run.costs[remote.crossing as usize];
        let mut nanos = 0;
        let network = &self.run.network;
        let fault = if remote.crossing == 0 { None } else { self.fault() };
        if let Some(link) = network.links.get(crossing.link as usize) {
            let fresh: f64 = self.rng.sample(StandardNormal);
            let way = &mut self.ways[crossing.link as usize][usize::from(from > to)];
            nanos += way.jitter.next(&link.delay, link.correlation, fresh).as_nanos();
            if link.proxy_nanos.is_some() {
                let fresh: f64 = self.rng.sample(StandardNormal);
                nanos += link.proxy_delay.at(fresh).as_nanos();
            }
        }
        let loss = network.links.get(crossing.link as usize).map_or(0.0, |link| link.loss);
        nanos += match fault {
            Some(Fault::BrownOut(delay)) => delay.as_nanos(),
            Some(Fault::Loss(more)) => self.resend(1.0 - (1.0 - loss) * (1.0 - more), crossing.packets, nanos),
            _ => self.resend(loss, crossing.packets, nanos),
        };
        if crossing.link == u16::MAX {
            return nanos;
        }
        // Over a connection that calls share, none overtakes another.
        let shared = self.described(from).connections == u32::MAX;
        if shared && let Some(ways) = self.ways.get_mut(crossing.link as usize) {
            let way = &mut ways[usize::from(from > to)];
            way.last_arrival = way.last_arrival.max(self.now + nanos);
            nanos = way.last_arrival - self.now;
        }
        nanos
    }

    /// Returns the extra time of the lost packets of a message.
    fn resend(&mut self, loss: f64, packets: u32, one_way: u64) -> u64 {
        let mut nanos = 0;
        if loss <= 0.0 {
            return 0;
        }
        // Those that enough others follow are sent again a round trip later, all at once.
        let noticed = packets.saturating_sub(DUPLICATE_ACKS);
        if noticed > 0 && self.draws(1.0 - (1.0 - loss).powf(f64::from(noticed))) {
            nanos += 2 * one_way;
        }
        let mut wait = RETRANSMIT_NANOS + 2 * one_way;
        let tail = 1.0 - (1.0 - loss).powf(f64::from(packets.clamp(1, DUPLICATE_ACKS)));
        let mut again = self.draws(tail);
        while again {
            nanos += wait;
            wait *= 2;
            again = self.draws(loss);
        }
        nanos
    }

    /// A message is there.
    pub(super) fn deliver(&mut self, message: Message) {
        match message {
            Message::Call(server) => self.wake(server),
            Message::Answer { fiber, call, failed } => {
                let waits = &mut self.fibers[fiber as usize];
                if waits.call == call {
                    waits.failed |= failed;
                    // It is answered, even if its event loop is too busy to notice before the time is over.
                    waits.call = 0;
                    self.wake(fiber);
                }
            }
        }
    }

    /// An attempt has failed: its time is over, or the connection was refused.
    pub(super) fn fail(&mut self, Attempt { fiber: id, call }: Attempt) {
        let fiber = self.fibers[id as usize];
        if fiber.call != call {
            return;
        }
        if fiber.then == Then::Complete {
            self.end_request(id, End::Unanswered);
            // What is done for it goes on; the fiber stays until that is over.
            self.fibers[id as usize].call = 0;
            return;
        }
        self.disconnect(id, false);
        let remote = self.present_call(id);
        let calls = self.run.network.calls;
        let connections = &mut self.processes[fiber.process as usize].connections[remote.process as usize];
        let allowed = calls.budget.is_none() || connections.tokens >= 1.0;
        if u32::from(fiber.attempt) < calls.retries && allowed {
            if calls.budget.is_some() {
                connections.tokens -= 1.0;
            }
            let uniform = self.rng.random();
            let fiber = &mut self.fibers[id as usize];
            fiber.attempt += 1;
            fiber.pc -= 1;
            fiber.stage = Stage::Sending;
            let wait = calls.wait(u32::from(fiber.attempt), uniform).as_nanos();
            self.schedule(self.now + wait, Event::Wake { fiber: id });
        } else {
            let fiber = &mut self.fibers[id as usize];
            fiber.attempt = 0;
            fiber.failed = true;
            fiber.stage = Stage::Body;
            self.wake(id);
        }
    }

    /// A request has its answer, or nobody waits for it any more.
    pub(super) fn end_request(&mut self, id: u32, end: End) {
        let Fiber { program, arrived, .. } = self.fibers[id as usize];
        let endpoint = self.run.programs[program as usize].endpoint;
        self.count_in_system(-1);
        self.completed += 1;
        if self.run.network.fault.is_some() {
            self.outcome.log.push(Ended { endpoint, arrived, ended: self.now, end });
        }
        if self.completed == self.run.warm_up {
            self.start_measuring();
        } else if self.completed > self.run.warm_up {
            match end {
                End::Answered => {
                    self.outcome.responses.push((endpoint, self.now - arrived));
                    if matches!(self.run.pattern, super::LoadPattern::Closed { concurrency: 1 }) {
                        let cpu = self.processes.iter().skip(1).map(|process| process.cpu_nanos).sum();
                        self.outcome.cpu_until_nanos.push(cpu);
                    }
                }
                End::Failed => self.outcome.failed.push(endpoint),
                End::Unanswered => {}
            }
        }
        if matches!(self.run.pattern, super::LoadPattern::Closed { .. }) {
            self.start_request();
        }
    }

    pub(super) fn complete(&mut self, id: u32) {
        let failed = self.fibers[id as usize].failed;
        self.end_request(id, if failed { End::Failed } else { End::Answered });
    }
}
