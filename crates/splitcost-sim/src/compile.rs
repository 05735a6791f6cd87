//! Requests compiled under a split: calls between services become crossings, and the rest becomes programs for the engine.

mod size;
mod transaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use splitcost_model::boundary::{Boundary, Crosses, Execution, InRehearsal, Readiness};
use splitcost_model::calibration::{ClientMode, HandlerMode};
use splitcost_model::database::{Database, Owners};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::statement::{
    ConnectionWork, ConnectionWorkKind, Dialect, Statement, StatementKind, StatementText,
};
use splitcost_model::recording::{
    Call, CallIndex, FunctionId, FunctionKind, Makes, ModuleId, Payload, Recording, Request,
};
use splitcost_model::split::Split;
use splitcost_model::statistics::median;

use crate::demand::{Demand, DemandStep};
use crate::program::{Body, BodyId, CrossingId, Op, Program, Remote};
use size::{HANDLE_BYTES, Size, Sizes};
use transaction::Transactions;

/// Shorter stretches of blocking are merged until they are this long: less is the error of the clocks.
///
/// Chosen: a few times the length of the smallest blocking system call seen in recordings, to save events.
const SMALLEST_BLOCK: Nanos = Nanos::from_micros(20);

/// The bytes of a value in a row, from which the number of values follows.
///
/// Chosen: numbers, names and dates.
const BYTES_PER_COLUMN: f64 = 12.0;

/// The form in which calls between services are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallForm {
    /// The calls that are made remotely.
    pub execution: Execution,
    /// A plain function that is called on an event loop is awaited, as in the rewrite that is priced.
    pub awaited: bool,
}

/// The kinds of messages between services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Message {
    /// A call.
    Call,
    /// The second one of a context manager, which leaves it.
    Exit,
    /// A statement for the database of another service, by its text.
    Statement(u32),
}

/// A call between two services, with everything that its cost depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// The number of the endpoint whose request makes the call.
    pub endpoint: u32,
    /// The module that calls.
    pub caller: ModuleId,
    /// The service that calls, as an index into [`Split::service_names`].
    pub caller_service: u16,
    /// The function that is called, or that issues the statement.
    pub function: FunctionId,
    /// The kind of message.
    pub message: Message,
    /// The service that answers.
    pub callee_service: u16,
    /// The work that it needs before it can cross.
    pub readiness: Readiness,
    /// The part that it has in a rehearsal.
    pub in_rehearsal: InRehearsal,
    /// The size of what it carries was measured.
    pub is_measured: bool,
    /// The way in which the caller waits.
    pub client: ClientMode,
    /// The way in which the server runs the function.
    pub handler: HandlerMode,
    /// An event loop is blocked during the call.
    pub blocks_event_loop: bool,
    /// The calls that the request has made to that service before: the first one finds both sides cold.
    pub nth: u32,
    /// The number of values in arguments and result.
    pub nodes: f64,
    /// The encoded size of arguments and result.
    pub bytes: f64,
    /// The function changes its arguments, and what changed comes back.
    pub is_changing: bool,
    /// The CPU time of the calling service in the request, divided by the calls to other services that it makes there.
    pub around_nanos: f64,
    /// The CPU time of the called service for this call.
    pub inside_nanos: f64,
}

impl Crossing {
    fn hop(&self) -> Hop {
        Hop {
            endpoint: self.endpoint,
            caller_service: self.caller_service,
            caller: self.caller,
            callee_service: self.callee_service,
            function: self.function,
            blocks_event_loop: self.blocks_event_loop,
        }
    }
}

/// A call back into a service whose event loop stands still until the first call of this path returns: it is never answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallBack {
    /// The number of the endpoint.
    pub endpoint: u32,
    /// The calls between services from the one that blocks the loop to the one that needs it.
    pub path: Vec<Hop>,
}

/// A call between services on the path of a [`CallBack`], or in a circular wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// The number of the endpoint.
    pub endpoint: u32,
    /// The service that answers.
    pub callee_service: u16,
    /// The service that calls.
    pub caller_service: u16,
    /// The module that calls.
    pub caller: ModuleId,
    /// The function that is called.
    pub function: FunctionId,
    /// An event loop of the calling service stands still meanwhile.
    pub blocks_event_loop: bool,
}

/// The programs of a recording under a split. Crossing 0 is the entry of each request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// One program per demand.
    pub programs: Vec<Program>,
    /// The crossings by [`CrossingId`]; `None` for the entry.
    pub crossings: Vec<Option<Crossing>>,
    /// The calls that could never be answered. In the programs they are made in the caller.
    pub call_backs: BTreeSet<CallBack>,
    /// The work of each function in each service, as an index into [`Split::service_names`].
    pub work: BTreeMap<(FunctionId, u16), FunctionWork>,
    /// The calls that write in a transaction of their own, which was one with others, by endpoint, caller and function.
    pub transactions: BTreeMap<(u32, ModuleId, FunctionId), u64>,
}

/// The work of a function's calls themselves, over all programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionWork {
    /// CPU time without that of the calls that they make.
    pub cpu: Nanos,
    /// Database statements and commands.
    pub statements: u64,
}

impl std::ops::AddAssign for FunctionWork {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.statements += other.statements;
    }
}

impl Compiled {
    /// Returns a shortest circle of calls that each block the event loop of a service while they wait for the next service:
    /// requests that make them at the same time are never answered. Empty without such a circle.
    pub fn circular_wait(&self) -> Vec<Hop> {
        let mut blocking: BTreeMap<u16, BTreeMap<u16, Hop>> = BTreeMap::new();
        for crossing in self.crossings.iter().flatten().filter(|crossing| crossing.blocks_event_loop) {
            let from = blocking.entry(crossing.caller_service).or_default();
            from.entry(crossing.callee_service).or_insert_with(|| crossing.hop());
        }
        let circles = blocking.keys().filter_map(|&start| {
            // Breadth first, so that the first way back is a shortest one.
            let mut reached: BTreeMap<u16, Hop> = BTreeMap::new();
            let mut queue = VecDeque::from([start]);
            while let Some(service) = queue.pop_front() {
                for (&next, hop) in blocking.get(&service).into_iter().flatten() {
                    reached.entry(next).or_insert_with(|| {
                        queue.push_back(next);
                        *hop
                    });
                }
            }
            let mut circle = vec![*reached.get(&start)?];
            while circle[0].caller_service != start {
                circle.insert(0, reached[&circle[0].caller_service]);
            }
            Some(circle)
        });
        circles.min_by_key(Vec::len).unwrap_or_default()
    }
}

/// A compiler of requests: everything that all requests of a recording share under one split.
pub struct Compiler<'a> {
    recording: &'a Recording,
    boundary: Boundary<'a>,
    sizes: Sizes,
    /// The functions that change their arguments.
    changing: Vec<bool>,
    awaited: bool,
    /// Per statement text, the services whose databases it uses; empty where all share one.
    databases: Vec<Vec<u16>>,
    /// The service to which each endpoint's requests are sent.
    front: Vec<u16>,
}

impl<'a> Compiler<'a> {
    /// Prepares a split. `endpoints` are the names of the endpoints by number.
    pub fn new(recording: &'a Recording, split: &Split, endpoints: &[String], form: CallForm) -> Self {
        let boundary = Boundary::new(recording, split, form.execution);
        let handlers = recording.handler_modules();
        let front = |name: &String| handlers.get(name.as_str()).map_or(0, |&module| boundary.service_of(module));
        Self {
            sizes: Sizes::of(recording, endpoints),
            changing: changing(recording),
            front: endpoints.iter().map(front).collect(),
            boundary,
            recording,
            awaited: form.awaited,
            databases: if form.execution == Execution::Rewritten { databases(recording, split) } else { Vec::new() },
        }
    }

    /// Compiles requests with their demands and endpoint numbers.
    pub fn compile(&self, requests: &[(&Request, &Demand, u32)]) -> Compiled {
        let mut compiled = Compiled {
            programs: Vec::with_capacity(requests.len()),
            crossings: vec![None],
            call_backs: BTreeSet::new(),
            work: BTreeMap::new(),
            transactions: BTreeMap::new(),
        };
        let upkeep = median_upkeep(requests.iter().flat_map(|(request, ..)| &request.connection_work));
        for &(request, demand, endpoint) in requests {
            let front = self.front[endpoint as usize];
            let mut builder = Builder {
                compiler: self,
                request,
                demand,
                endpoint,
                statements: statements_by_call(request),
                uses: self.uses_of_databases(request),
                transactions: transaction::by_call(self.recording, request),
                visit: Uses::default(),
                visits: Vec::new(),
                bodies: Vec::new(),
                called: BTreeMap::new(),
                path: Vec::new(),
                compiled: &mut compiled,
            };
            let on_loop = self.is_coroutine(request, 0);
            let body = builder.visit(0, front, on_loop, 0);
            builder.add_upkeep(&upkeep);
            builder.note_transactions();
            let bodies = builder.bodies;
            let entry = Remote { crossing: 0, process: front + 1, body, blocking: false, pooled: !on_loop };
            note_work_of_visit(&bodies, body, &mut compiled.crossings);
            compiled.programs.push(Program { endpoint, entry, bodies });
        }
        compiled
    }

    /// Returns the size of what a call carries: its own where it was sampled and has no receiver, else the mean of its function.
    fn size_of(&self, call: &Call, endpoint: u32) -> Size {
        match (&call.arguments, &call.result) {
            (Some(arguments), Some(result)) if arguments.receiver.is_none() => Size {
                nodes: (arguments.nodes + result.nodes) as f64,
                bytes: (arguments.encoded_bytes + result.encoded_bytes) as f64,
            },
            _ => self.sizes.mean(call.function, endpoint),
        }
    }

    /// Returns how each call of a request uses databases.
    fn uses_of_databases(&self, request: &Request) -> Vec<DatabaseUse> {
        let mut uses = vec![DatabaseUse::default(); request.calls.len()];
        for statement in &request.statements {
            let text = self.recording.statement_texts.get(statement.text as usize);
            let Some(text) = text.filter(|text| text.dialect != Dialect::Redis) else { continue };
            // One of a transaction of its own has committed itself.
            let is_write = is_write(text) && statement.transaction.is_some();
            uses[statement.call as usize] |= DatabaseUse { wants: [true, is_write], ..DatabaseUse::default() };
        }
        for work in &request.connection_work {
            uses[work.call as usize].has[work.kind as usize] = true;
        }
        uses
    }

    /// Returns true if a call runs on an event loop.
    fn is_coroutine(&self, request: &Request, call: CallIndex) -> bool {
        let function = request.calls[call as usize].function;
        let kind = self.recording.functions.get(function as usize).map(|function| function.kind);
        matches!(kind, Some(FunctionKind::Coroutine | FunctionKind::AsyncGenerator))
    }
}

/// Notes how much work is around the calls that one visit of a service makes, and inside of each. Returns the CPU time of the
/// visit, without that of the other services.
fn note_work_of_visit(bodies: &[Body], begin: BodyId, crossings: &mut [Option<Crossing>]) -> f64 {
    let (mut nanos, mut made, mut left) = (0, Vec::new(), vec![begin]);
    while let Some(body) = left.pop() {
        for op in &bodies[body as usize].ops {
            match *op {
                Op::Cpu(cpu) | Op::Wait { cpu, .. } => nanos += cpu,
                Op::Fork { body, .. } => left.push(body),
                Op::Remote(remote) => made.push(remote),
                Op::Block(_) | Op::Join => {}
            }
        }
    }
    let nanos = nanos as f64;
    for remote in &made {
        let inside_nanos = note_work_of_visit(bodies, remote.body, crossings);
        if let Some(crossing) = &mut crossings[remote.crossing as usize] {
            (crossing.around_nanos, crossing.inside_nanos) = (nanos / made.len() as f64, inside_nanos);
        }
    }
    nanos
}

/// Returns, per statement text, the services whose databases it uses; nothing where all services share one.
fn databases(recording: &Recording, split: &Split) -> Vec<Vec<u16>> {
    if split.database == Database::Shared {
        return Vec::new();
    }
    let names = split.service_names();
    let index = |service: &str| names.iter().position(|name| *name == service).unwrap_or(0) as u16;
    let texts = Owners::of(recording, &split.table_owners).services_of_texts(recording, split);
    texts.into_iter().map(|services| services.into_iter().map(index).collect()).collect()
}

/// Returns the number of statements that each call of a request issues.
fn statements_by_call(request: &Request) -> Vec<u64> {
    let mut statements = vec![0; request.calls.len()];
    for statement in &request.statements {
        statements[statement.call as usize] += 1;
    }
    statements
}

/// The CPU time and the time in which a library gets a connection for a request and gives it back, or commits, by
/// [`ConnectionWorkKind`].
type Upkeep = [(Nanos, Nanos); 2];

/// Returns the medians over recorded work: the first connection of a process takes longer.
fn median_upkeep<'a>(works: impl Iterator<Item = &'a ConnectionWork>) -> Upkeep {
    let works: Vec<&ConnectionWork> = works.collect();
    ConnectionWorkKind::ALL.map(|kind| {
        let of = |value: fn(&ConnectionWork) -> Nanos| {
            let of_kind = works.iter().filter(|work| work.kind == kind);
            Nanos::from_nanos_f64(median(of_kind.map(|work| value(work).as_nanos_f64())).unwrap_or_default())
        };
        (of(|work| work.cpu), of(|work| work.wall))
    })
}

/// Returns true for a statement that changes rows.
fn is_write(text: &StatementText) -> bool {
    !matches!(text.kind, StatementKind::Select | StatementKind::Other)
}

/// The use of databases in one visit of a service: in the work there for a request or a call, up to its end. By
/// [`ConnectionWorkKind`].
#[derive(Clone, Copy, Debug, Default)]
struct DatabaseUse {
    /// It executes a statement, or one that writes.
    wants: [bool; 2],
    /// It holds the recorded work on a connection.
    has: [bool; 2],
}

impl std::ops::BitOrAssign for DatabaseUse {
    fn bitor_assign(&mut self, other: Self) {
        for kind in 0..2 {
            self.wants[kind] |= other.wants[kind];
            self.has[kind] |= other.has[kind];
        }
    }
}

/// The databases and transactions that one visit of a service uses.
#[derive(Default)]
struct Uses {
    databases: DatabaseUse,
    transactions: Transactions,
}

/// A visit of a service that has ended.
struct Visit {
    crossing: CrossingId,
    body: BodyId,
    on_loop: bool,
    uses: DatabaseUse,
    transactions: Transactions,
}

/// Returns, per function, if a call of it changed its arguments.
fn changing(recording: &Recording) -> Vec<bool> {
    let mut found = vec![false; recording.functions.len()];
    for call in recording.requests.iter().flat_map(|request| &request.calls) {
        found[call.function as usize] |= call.arguments.as_ref().is_some_and(Payload::is_changed);
    }
    found
}

struct Builder<'a> {
    compiler: &'a Compiler<'a>,
    request: &'a Request,
    demand: &'a Demand,
    endpoint: u32,
    /// The number of statements that each call issues.
    statements: Vec<u64>,
    /// The use of databases by each call.
    uses: Vec<DatabaseUse>,
    /// The transactions of the statements that each call issues, where there are any.
    transactions: BTreeMap<CallIndex, Transactions>,
    /// Those of the visit at hand so far.
    visit: Uses,
    /// The visits, in the order of their ends.
    visits: Vec<Visit>,
    bodies: Vec<Body>,
    /// The number of calls to each service so far.
    called: BTreeMap<u16, u32>,
    /// The calls between services that wait for the present one.
    path: Vec<Hop>,
    compiled: &'a mut Compiled,
}

/// The operations of a body under construction. Adjacent work is merged.
#[derive(Default)]
struct Ops {
    laid: Vec<Op>,
    cpu: Nanos,
    block: Nanos,
}

impl Ops {
    fn push(&mut self, op: Op) {
        self.flush();
        self.laid.push(op);
    }

    fn flush(&mut self) {
        if !self.cpu.is_zero() {
            self.laid.push(Op::Cpu(std::mem::take(&mut self.cpu).as_nanos()));
        }
        if self.block >= SMALLEST_BLOCK {
            self.laid.push(Op::Block(std::mem::take(&mut self.block).as_nanos()));
        }
    }

    fn finish(mut self) -> Vec<Op> {
        self.flush();
        if !self.block.is_zero() {
            self.laid.push(Op::Block(self.block.as_nanos()));
        }
        self.laid
    }
}

impl Builder<'_> {
    fn add(&mut self, ops: Vec<Op>) -> BodyId {
        self.bodies.push(Body { ops });
        (self.bodies.len() - 1) as BodyId
    }

    /// Counts a call to a service, and returns how many came before it.
    fn next_call_to(&mut self, service: u16) -> u32 {
        let calls = self.called.entry(service).or_default();
        *calls += 1;
        *calls - 1
    }

    /// Lays the work of a request, or of a call from another service.
    fn visit(&mut self, call: CallIndex, service: u16, on_loop: bool, crossing: CrossingId) -> BodyId {
        let outer = std::mem::take(&mut self.visit);
        let body = self.body(call, service, on_loop);
        let Uses { databases: uses, transactions } = std::mem::replace(&mut self.visit, outer);
        self.visits.push(Visit { crossing, body, on_loop, uses, transactions });
        body
    }

    /// Notes the calls that write in transactions of their own.
    fn note_transactions(&mut self) {
        let visits: Vec<&Transactions> = self.visits.iter().map(|visit| &visit.transactions).collect();
        for (visit, is_split) in self.visits.iter().zip(transaction::are_split(&visits)) {
            if let (true, Some(crossing)) = (is_split, &self.compiled.crossings[visit.crossing as usize]) {
                let call = (crossing.endpoint, crossing.caller, crossing.function);
                *self.compiled.transactions.entry(call).or_default() += 1;
            }
        }
    }

    /// Adds what each visit that uses a database needs of its own: a connection, and a commit if it writes. The recorded request
    /// had both where it had any, so that they are there already in one of the visits.
    fn add_upkeep(&mut self, upkeep: &Upkeep) {
        for kind in ConnectionWorkKind::ALL.map(|kind| kind as usize) {
            if !self.request.connection_work.iter().any(|work| work.kind as usize == kind) {
                continue;
            }
            let (cpu, wall) = upkeep[kind];
            let counted = |wants, has| {
                self.visits
                    .iter()
                    .filter(|Visit { uses, .. }| (uses.wants[kind], uses.has[kind]) == (wants, has))
                    .count()
            };
            // Where the visit that has it in the recording needs it no more, another one does.
            let more = counted(true, false).saturating_sub(counted(false, true));
            let lacking = self.visits.iter().filter(|Visit { uses, .. }| uses.wants[kind] && !uses.has[kind]);
            for Visit { body, on_loop, .. } in lacking.take(more) {
                let waited = wall - cpu;
                let delay = waited.as_nanos();
                let wait = if *on_loop { Op::Wait { cpu: 0, delay } } else { Op::Block(delay) };
                let ops = [Op::Cpu(cpu.as_nanos())].into_iter().chain((waited >= SMALLEST_BLOCK).then_some(wait));
                self.bodies[*body as usize].ops.extend(ops);
            }
        }
    }

    fn body(&mut self, call: CallIndex, service: u16, on_loop: bool) -> BodyId {
        let mut ops = Ops::default();
        self.lay(&mut ops, call, service, on_loop);
        self.add(ops.finish())
    }

    fn lay(&mut self, ops: &mut Ops, call: CallIndex, service: u16, on_loop: bool) {
        let demand = self.demand;
        self.visit.databases |= self.uses[call as usize];
        for (&transaction, &writes) in self.transactions.get(&call).into_iter().flatten() {
            *self.visit.transactions.entry(transaction).or_default() |= writes;
        }
        let own = FunctionWork { cpu: demand.own_cpu(call), statements: self.statements[call as usize] };
        *self.compiled.work.entry((self.request.calls[call as usize].function, service)).or_default() += own;
        for step in &demand.calls[call as usize] {
            match *step {
                DemandStep::Cpu(nanos) => ops.cpu += nanos,
                DemandStep::Block(nanos) => {
                    ops.block += nanos;
                    if ops.block >= SMALLEST_BLOCK {
                        ops.flush();
                    }
                }
                DemandStep::Wait { cpu, delay } => {
                    if !(cpu + delay).is_zero() {
                        ops.push(Op::Wait { cpu: cpu.as_nanos(), delay: delay.as_nanos() });
                    }
                }
                DemandStep::Inline(callee) => match self.remote(callee, service, on_loop) {
                    Some(remote) => {
                        ops.push(Op::Remote(remote));
                        let function = self.request.calls[callee as usize].function;
                        if self.compiler.boundary.is_context_manager(function) {
                            let exit = self.exit(remote);
                            ops.push(Op::Remote(exit));
                        }
                    }
                    None => self.lay(ops, callee, service, on_loop),
                },
                DemandStep::Fork { call: callee, thread, joined } => {
                    let body = match self.remote(callee, service, !thread) {
                        Some(remote) => self.add(vec![Op::Remote(remote)]),
                        None => self.body(callee, service, !thread),
                    };
                    ops.push(Op::Fork { body, thread, joined });
                }
                DemandStep::Join => ops.push(Op::Join),
            }
        }
        if !self.compiler.databases.is_empty() {
            for statement in self.request.statements.iter().filter(|statement| statement.call == call) {
                self.foreign_statement(ops, statement, service, on_loop);
            }
        }
    }

    /// Lays the calls by which a statement reaches the tables of other services. Its own time stays where it is issued.
    fn foreign_statement(&mut self, ops: &mut Ops, statement: &Statement, service: u16, on_loop: bool) {
        let compiler = self.compiler;
        let Some(owners) = compiler.databases.get(statement.text as usize) else { return };
        let function = self.request.calls[statement.call as usize].function;
        for &target in owners.iter().filter(|&&owner| owner != service) {
            let bytes = (statement.parameter_bytes + statement.row_bytes) as f64;
            let nth = self.next_call_to(target);
            self.compiled.crossings.push(Some(Crossing {
                endpoint: self.endpoint,
                caller: compiler.recording.functions[function as usize].module,
                caller_service: service,
                function,
                message: Message::Statement(statement.text),
                callee_service: target,
                readiness: Readiness::Adapted,
                in_rehearsal: InRehearsal::NeedsWork,
                is_measured: true,
                // Drivers of async code are awaited; others block a thread.
                client: if on_loop { ClientMode::Async } else { ClientMode::Sync },
                handler: HandlerMode::Sync,
                blocks_event_loop: false,
                nth,
                nodes: bytes / BYTES_PER_COLUMN,
                bytes,
                is_changing: false,
                around_nanos: 0.0,
                inside_nanos: 0.0,
            }));
            let crossing = (self.compiled.crossings.len() - 1) as CrossingId;
            let body = self.add(Vec::new());
            let wants = [true, compiler.recording.statement_texts.get(statement.text as usize).is_some_and(is_write)];
            let uses = DatabaseUse { wants, ..DatabaseUse::default() };
            self.visits.push(Visit { crossing, body, on_loop: false, uses, transactions: Transactions::new() });
            ops.push(Op::Remote(Remote { crossing, process: target + 1, body, blocking: !on_loop, pooled: true }));
        }
    }

    /// Returns the second message of a context manager, which exits it by the handle that entering it returned. The work of
    /// both is in the body of the first.
    fn exit(&mut self, enter: Remote) -> Remote {
        let entered = self.compiled.crossings[enter.crossing as usize].clone();
        let nth = self.next_call_to(enter.process - 1);
        let exit = entered.map(|entered| Crossing {
            nth,
            message: Message::Exit,
            is_changing: false,
            nodes: 1.0,
            bytes: HANDLE_BYTES,
            ..entered
        });
        self.compiled.crossings.push(exit);
        let body = self.add(Vec::new());
        Remote { crossing: (self.compiled.crossings.len() - 1) as CrossingId, body, ..enter }
    }

    /// Returns a call that is made in `service` as one to another service, if it crosses.
    fn remote(&mut self, index: CallIndex, service: u16, on_loop: bool) -> Option<Remote> {
        let compiler = self.compiler;
        let Crosses { to: target, readiness, in_rehearsal } =
            compiler.boundary.crossing(self.request, index, service)?;
        let call = &self.request.calls[index as usize];
        let coroutine = compiler.is_coroutine(self.request, index);
        let is_awaited = coroutine || call.makes == Makes::Awaitable;
        let blocking = !(is_awaited || on_loop && compiler.awaited);
        let caller = compiler.boundary.caller(self.request, index);
        let blocks_event_loop = blocking && on_loop;
        let hop = Hop {
            endpoint: self.endpoint,
            caller_service: service,
            caller,
            callee_service: target,
            function: call.function,
            blocks_event_loop,
        };
        if let Some(blocked) = self.path.iter().position(|hop| hop.blocks_event_loop && hop.caller_service == target) {
            let path = self.path[blocked..].iter().copied().chain([hop]).collect();
            self.compiled.call_backs.insert(CallBack { endpoint: self.endpoint, path });
            return None;
        }
        let nth = self.next_call_to(target);
        let size = compiler.size_of(call, self.endpoint);
        self.compiled.crossings.push(Some(Crossing {
            endpoint: self.endpoint,
            caller,
            caller_service: service,
            function: call.function,
            message: Message::Call,
            callee_service: target,
            readiness,
            in_rehearsal,
            is_measured: compiler.boundary.is_measured(call.function),
            client: if blocking { ClientMode::Sync } else { ClientMode::Async },
            handler: if coroutine { HandlerMode::Async } else { HandlerMode::Sync },
            blocks_event_loop,
            nth,
            nodes: size.nodes,
            bytes: size.bytes,
            is_changing: compiler.changing[call.function as usize],
            around_nanos: 0.0,
            inside_nanos: 0.0,
        }));
        let crossing = (self.compiled.crossings.len() - 1) as CrossingId;
        self.path.push(hop);
        let body = self.visit(index, target, coroutine, crossing);
        self.path.pop();
        Some(Remote { crossing, process: target + 1, body, blocking, pooled: !coroutine })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_of_a_visit_is_around_its_calls_and_inside_of_the_one_that_made_it() {
        let remote = |crossing, body| Op::Remote(Remote { crossing, process: 2, body, blocking: false, pooled: false });
        let body = |ops| Body { ops };
        let bodies = [
            body(vec![Op::Cpu(100), remote(1, 1), Op::Wait { cpu: 20, delay: 9 }, remote(2, 2)]),
            body(vec![Op::Cpu(40), Op::Fork { body: 3, thread: true, joined: true }, Op::Join, Op::Block(7)]),
            body(vec![Op::Cpu(5)]),
            body(vec![Op::Cpu(30), remote(3, 4)]),
            body(vec![]),
        ];
        let crossing = Crossing {
            endpoint: 0,
            caller: 0,
            caller_service: 0,
            function: 0,
            message: Message::Call,
            callee_service: 1,
            readiness: Readiness::Ready,
            in_rehearsal: InRehearsal::Crosses,
            is_measured: true,
            client: ClientMode::Async,
            handler: HandlerMode::Async,
            blocks_event_loop: false,
            nth: 1,
            nodes: 0.0,
            bytes: 0.0,
            is_changing: false,
            around_nanos: 0.0,
            inside_nanos: 0.0,
        };
        let mut crossings = vec![None, Some(crossing.clone()), Some(crossing.clone()), Some(crossing)];
        let nanos = note_work_of_visit(&bodies, 0, &mut crossings);
        let found =
            crossings.iter().flatten().map(|crossing| (crossing.around_nanos as u64, crossing.inside_nanos as u64));
        assert_eq!((nanos as u64, found.collect::<Vec<_>>()), (120, vec![(60, 70), (60, 5), (70, 0)]));
    }
}
