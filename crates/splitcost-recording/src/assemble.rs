//! From the records of a log to requests with their call trees; pure.

mod word;

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::limit::Limit;
use splitcost_model::recording::statement::{
    ConnectionWork, ConnectionWorkKind, Dialect, Statement, StatementText, Uncommitted,
};
use splitcost_model::recording::{
    Call, Function, FunctionKind, Makes, Meta, Payload, PayloadClass, Receiver, Recording, Request, Segment, Via,
};

use crate::division::function_name;
use crate::log::{LimitCode, Record};
use crate::statement::{describe, table_name};
use word::obstacle;

pub use crate::log::FRAMEWORK;

/// The name of the root call of a request that a WSGI server took, as the recorder writes it.
const WSGI_ROOT: &str = "(wsgi)";

/// Returns the records of one process as a [`Recording`] of its own.
///
/// Calls outside every request are left out, and counted by their functions; the recording's troubles count the requests that
/// did not end.
pub fn assemble(records: impl IntoIterator<Item = Record>) -> Recording {
    let mut assembler = Assembler::default();
    for record in records {
        assembler.push(record);
    }
    assembler.finish()
}

/// Takes the records of one process one by one, so that the log need not be in memory.
#[derive(Default)]
pub struct Assembler {
    meta: Meta,
    /// Names of the modules from index 1 on; 0 is the framework.
    modules: Vec<String>,
    module_of_id: FxHashMap<u32, u32>,
    functions: Vec<Function>,
    function_of_id: FxHashMap<u32, u32>,
    /// Calls entered, by function: a process that was killed did not write its last counts.
    entered: Vec<u64>,
    shapes: Vec<String>,
    shape_of_id: FxHashMap<u32, u32>,
    requests: Vec<OpenRequest>,
    request_of_id: FxHashMap<u64, u32>,
    statements: Statements,
    /// The place of a call: the index of its request and its index there; `None` outside every request.
    place_of_call: FxHashMap<u64, Option<(u32, u32)>>,
    /// True for a recorded command, which may end inside its function.
    is_command: bool,
    /// The last instant in the log.
    last: u64,
    trouble: Trouble,
}

/// The statements of one process, by the numbers of its log.
#[derive(Default)]
struct Statements {
    texts: Vec<StatementText>,
    text_of_id: FxHashMap<u32, u32>,
    sites: FxHashMap<u32, (String, u32)>,
    /// The place of a statement: the index of its request and its index there.
    places: FxHashMap<u64, (u32, u32)>,
    mapped_tables: BTreeMap<String, String>,
}

struct OpenRequest {
    start: u64,
    start_cpu: u64,
    /// The recorder's own work before it, during which the clocks stood still.
    left_out: u64,
    end: Option<RequestEnd>,
    calls: Vec<OpenCall>,
    /// The statements, each with the index of its call among `calls`, and its transaction in the process.
    statements: Vec<(u64, Statement)>,
    /// The uncommitted writes, each with the index of its call among `calls`; without an end where there was none yet.
    uncommitted: Vec<(u32, Nanos, Option<Nanos>)>,
    /// The work on connections, each with the index of its call among `calls`.
    connection_work: Vec<ConnectionWork>,
    /// A call's function was never defined: the log lost something.
    incomplete: bool,
}

impl OpenRequest {
    /// Notes that the uncommitted writes are those of these calls from `now` on.
    fn hold(&mut self, now: Nanos, calls: &[u32]) {
        for (call, _, end) in self.uncommitted.iter_mut().filter(|(_, _, end)| end.is_none()) {
            *end = (!calls.contains(call)).then_some(now);
        }
        for call in calls {
            if !self.uncommitted.iter().any(|(held, _, end)| held == call && end.is_none()) {
                self.uncommitted.push((*call, now, None));
            }
        }
    }
}

struct RequestEnd {
    wall: u64,
    process_cpu: u64,
    left_out: u64,
    status: u16,
    handler: Option<u32>,
    endpoint: String,
}

struct OpenCall {
    id: u64,
    parent: u64,
    call: Call,
    state: CallState,
    /// Clocks at the beginning of the stretch that is not finished yet.
    wall: u64,
    cpu: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CallState {
    Active,
    Suspended,
    Left,
}

impl OpenCall {
    /// Ends the current stretch.
    fn step(&mut self, wall: u64, cpu: u64, next: CallState) {
        let suspended = self.state == CallState::Suspended;
        let end = wall.max(self.wall);
        self.call.segments.push(Segment {
            start: Nanos::from_nanos(self.wall),
            wall: Nanos::from_nanos(end - self.wall),
            cpu: Nanos::from_nanos(if suspended { 0 } else { cpu.saturating_sub(self.cpu) }),
            suspended,
        });
        (self.wall, self.cpu, self.state) = (end, cpu, next);
    }
}

#[derive(Default)]
struct Trouble {
    disorder: u64,
    orphans: u64,
    never_resumed: u64,
    unfinished_requests: u64,
    incomplete_requests: u64,
}

impl Trouble {
    fn words(&self) -> Vec<String> {
        [
            (self.unfinished_requests, "requests left out, not ended when recording stopped"),
            (self.incomplete_requests, "requests left out, their root or a called function missing in the log"),
            (self.never_resumed, "calls suspended and never resumed, taken to end where they last ran"),
            (self.orphans, "calls without a known caller in their request, put below its root"),
            (self.disorder, "events ignored, not fitting the state of their call"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{words}: {count}"))
        .collect()
    }
}

impl Assembler {
    /// Returns one for a process of a recorded command: what runs when such a process ends, ends with it.
    pub fn of_command() -> Self {
        Self { is_command: true, ..Self::default() }
    }

    /// Takes the next record.
    pub fn push(&mut self, record: Record) {
        match record {
            Record::Process { python_version, mode, .. } => {
                self.meta.python_version = python_version;
                self.meta.recorder_mode = mode;
            }
            Record::Module { id, name } => self.module(id, name),
            Record::Function { id, module, qualname, file, line, kind, is_unnamed, is_made } => {
                let kind = FunctionKind::from(kind);
                // A function of an undefined module stays undefined; so do the requests that call it.
                if let Some(module) = self.module_index(module) {
                    self.function_of_id.entry(id).or_insert_with(|| {
                        self.functions.push(Function {
                            module,
                            qualname,
                            file,
                            line,
                            kind,
                            is_unnamed,
                            is_made,
                            ..Function::default()
                        });
                        self.entered.push(0);
                        self.functions.len() as u32 - 1
                    });
                }
            }
            Record::Shape { id, skeleton } => {
                self.shape_of_id.entry(id).or_insert_with(|| {
                    self.shapes.push(skeleton);
                    self.shapes.len() as u32 - 1
                });
            }
            Record::RequestStart { request, wall, process_cpu, left_out } => {
                self.request_start(request, (wall, process_cpu, left_out));
            }
            Record::Server { name } => self.meta.servers.push(name),
            Record::Limit { limit, count } => {
                let limits = &mut self.meta.limits;
                let known = match limit {
                    LimitCode::Processes => &mut limits.processes,
                    LimitCode::ServerThreads => &mut limits.server_threads,
                    LimitCode::PoolThreads => &mut limits.pool_threads,
                };
                *known = if count == Record::UNLIMITED { Limit::Unlimited } else { Limit::Configured(count) };
            }
            Record::RequestEnd { request, wall, process_cpu, left_out, status, handler, endpoint } => {
                let handler = handler.and_then(|id| self.function_of_id.get(&id).copied());
                match self.request_of_id.get(&request).map(|&r| &mut self.requests[r as usize].end) {
                    Some(end @ None) => {
                        *end = Some(RequestEnd { wall, process_cpu, left_out, status, handler, endpoint });
                    }
                    _ => self.trouble.disorder += 1,
                }
            }
            Record::Enter { call, parent, request, function, via, thread, wall, cpu } => {
                let via = Via::from(via);
                let function = self.function_of_id.get(&function).copied();
                let opened = OpenCall {
                    id: call,
                    parent,
                    call: Call {
                        function: function.unwrap_or_default(),
                        via,
                        thread,
                        // Most calls have a single stretch: no room is taken for more.
                        segments: Vec::with_capacity(1),
                        ..Call::default()
                    },
                    state: CallState::Active,
                    wall,
                    cpu,
                };
                self.enter(request, opened, function.is_some());
            }
            Record::Suspend { call, wall, cpu } => self.step(call, wall, cpu, CallState::Suspended),
            Record::Resume { call, wall, cpu, .. } => self.step(call, wall, cpu, CallState::Active),
            Record::Leave { call, wall, cpu, exception } => {
                if !exception.is_empty()
                    && let Some(open) = self.call(call)
                {
                    open.call.exception = Some(exception);
                }
                self.step(call, wall, cpu, CallState::Left);
            }
            record @ (Record::Makes { .. } | Record::Payload { .. }) => self.push_values(record),
            Record::Count { function, calls } => {
                if let Some(&function) = self.function_of_id.get(&function) {
                    self.functions[function as usize].calls = calls;
                }
            }
            Record::Trouble { message } => self.meta.troubles.push(message),
            record => self.push_statement(record),
        }
    }

    /// Takes the next record, if it is about what a call carries.
    fn push_values(&mut self, record: Record) {
        match record {
            Record::Makes { call, makes } => {
                if let Some(open) = self.call(call) {
                    open.call.makes = Makes::from(makes);
                }
            }
            Record::Payload {
                call,
                result,
                shape,
                encoded_bytes,
                nodes,
                class,
                path,
                obstacles,
                receiver,
                file,
                line,
            } => {
                let class = PayloadClass::from(class);
                let obstacles = obstacles.into_iter().map(obstacle).collect();
                let receiver = receiver.map(Receiver::from);
                let shape = self.shape_of_id.get(&shape).copied();
                if let (Some(shape), Some(open)) = (shape, self.call(call)) {
                    let payload = Payload { shape, encoded_bytes, nodes, class, path, obstacles, receiver, file, line };
                    *(if result { &mut open.call.result } else { &mut open.call.arguments }) = Some(payload);
                }
            }
            _ => {}
        }
    }

    /// Takes the next record, if it is about statements.
    fn push_statement(&mut self, record: Record) {
        match record {
            Record::StatementText { id, dialect, sql } => {
                let statements = &mut self.statements;
                statements.text_of_id.entry(id).or_insert_with(|| {
                    statements.texts.push(describe(Dialect::from(dialect), &sql));
                    statements.texts.len() as u32 - 1
                });
            }
            Record::Site { id, file, line } => {
                self.statements.sites.insert(id, (file, line));
            }
            Record::Statement { statement, call, text, site, transaction, wall, nanos, rows, parameter_bytes } => {
                let text = self.statements.text_of_id.get(&text).copied();
                let place = self.place_of_call.get(&call).copied().flatten();
                let (Some(text), Some((request, call))) = (text, place) else { return };
                let (file, line) = self.statements.sites.get(&site).cloned().unwrap_or_default();
                let here = &mut self.requests[request as usize].statements;
                self.statements.places.insert(statement, (request, here.len() as u32));
                let start = Nanos::from_nanos(wall);
                let wall = Nanos::from_nanos(nanos);
                here.push((
                    transaction,
                    Statement { call, text, start, wall, rows, parameter_bytes, file, line, ..Statement::default() },
                ));
            }
            Record::Rows { statement, rows, bytes, nanos } => {
                if let Some(&(request, index)) = self.statements.places.get(&statement) {
                    let statement = &mut self.requests[request as usize].statements[index as usize].1;
                    statement.rows += rows;
                    statement.row_bytes += bytes;
                    statement.wall += Nanos::from_nanos(nanos);
                }
            }
            Record::Uncommitted { request, wall, calls } => {
                let Some(&request) = self.request_of_id.get(&request) else { return };
                let places = calls.iter().filter_map(|call| self.place_of_call.get(call).copied().flatten());
                let calls: Vec<u32> = places.filter(|place| place.0 == request).map(|place| place.1).collect();
                self.requests[request as usize].hold(Nanos::from_nanos(wall), &calls);
            }
            Record::Connection { call, kind, wall, nanos, cpu } => {
                let Some((request, call)) = self.place_of_call.get(&call).copied().flatten() else { return };
                let [start, wall, cpu] = [wall, nanos, cpu].map(Nanos::from_nanos);
                let kind = ConnectionWorkKind::from(kind);
                let work = ConnectionWork { call, kind, start, wall, cpu };
                self.requests[request as usize].connection_work.push(work);
            }
            Record::Table { name, module } => {
                self.statements.mapped_tables.entry(table_name(&name)).or_insert(module);
            }
            _ => {}
        }
    }

    fn module(&mut self, id: u32, name: String) {
        let index = if id == 0 || name == FRAMEWORK {
            Recording::ROOT_MODULE
        } else if let Some(position) = self.modules.iter().position(|known| *known == name) {
            position as u32 + 1
        } else {
            self.modules.push(name);
            self.modules.len() as u32
        };
        self.module_of_id.entry(id).or_insert(index);
    }

    fn module_index(&self, id: u32) -> Option<u32> {
        if id == 0 { Some(Recording::ROOT_MODULE) } else { self.module_of_id.get(&id).copied() }
    }

    fn request_start(&mut self, id: u64, (start, start_cpu, left_out): (u64, u64, u64)) {
        match self.request_of_id.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(self.requests.len() as u32);
                self.requests.push(OpenRequest {
                    start,
                    start_cpu,
                    left_out,
                    end: None,
                    calls: Vec::new(),
                    statements: Vec::new(),
                    uncommitted: Vec::new(),
                    connection_work: Vec::new(),
                    incomplete: false,
                });
            }
            Entry::Occupied(_) => self.trouble.disorder += 1,
        }
    }

    fn enter(&mut self, request: u64, opened: OpenCall, defined: bool) {
        self.last = self.last.max(opened.wall);
        if defined {
            self.entered[opened.call.function as usize] += 1;
        }
        let Entry::Vacant(vacant) = self.place_of_call.entry(opened.id) else {
            self.trouble.disorder += 1;
            return;
        };
        let Some(&r) = self.request_of_id.get(&request) else {
            vacant.insert(None);
            if defined {
                self.functions[opened.call.function as usize].calls_outside += 1;
            }
            return;
        };
        let request = &mut self.requests[r as usize];
        vacant.insert(Some((r, request.calls.len() as u32)));
        request.incomplete |= !defined;
        request.calls.push(opened);
    }

    fn call(&mut self, id: u64) -> Option<&mut OpenCall> {
        let (request, call) = self.place_of_call.get(&id).copied().flatten()?;
        Some(&mut self.requests[request as usize].calls[call as usize])
    }

    fn step(&mut self, id: u64, wall: u64, cpu: u64, next: CallState) {
        self.last = self.last.max(wall);
        match self.place_of_call.get(&id).copied() {
            Some(Some((request, call))) => {
                let call = &mut self.requests[request as usize].calls[call as usize];
                if call.state == CallState::Left || call.state == next {
                    self.trouble.disorder += 1;
                } else {
                    call.step(wall, cpu, next);
                }
            }
            Some(None) => {
                if next == CallState::Left {
                    self.place_of_call.remove(&id);
                }
            }
            None => self.trouble.disorder += 1,
        }
    }

    /// Returns the recording of the records so far.
    pub fn finish(mut self) -> Recording {
        for (function, entered) in self.functions.iter_mut().zip(&self.entered) {
            function.calls = function.calls.max(*entered);
        }
        let mut requests = Vec::with_capacity(self.requests.len());
        self.end_command();
        for request in std::mem::take(&mut self.requests) {
            requests.extend(self.finish_request(request));
        }
        requests.sort_by_key(|request| request.start);
        let seen = self.most_at_once(&requests);
        self.meta.limits.server_threads = self.meta.limits.server_threads.or(seen);
        self.meta.troubles.extend(self.trouble.words());
        Recording {
            meta: self.meta,
            modules: std::iter::once(FRAMEWORK.to_owned()).chain(self.modules).collect(),
            functions: self.functions,
            shapes: self.shapes,
            statement_texts: self.statements.texts,
            mapped_tables: self.statements.mapped_tables,
            requests,
        }
    }

    /// Returns the most requests that a WSGI server was seen to run at the same time.
    fn most_at_once(&self, requests: &[Request]) -> Limit {
        let is_wsgi = |request: &&Request| {
            let root = request.calls.first().and_then(|root| self.functions.get(root.function as usize));
            root.is_some_and(|root| root.module == Recording::ROOT_MODULE && root.qualname == WSGI_ROOT)
        };
        let runs = requests.iter().filter(is_wsgi).map(|request| (request.start, request.start + request.wall));
        // At the same instant, one ends before another begins.
        let mut steps: Vec<(Nanos, i32)> = runs.flat_map(|(start, end)| [(start, 1), (end, -1)]).collect();
        steps.sort_unstable();
        let in_flight = steps.into_iter().scan(0, |sum, (_, step)| {
            *sum += step;
            Some(*sum)
        });
        in_flight.max().map_or(Limit::Unknown, |most| Limit::Observed(most.max(1) as u32))
    }

    /// Ends what ran when a command's process was ended, where that was all it did.
    fn end_command(&mut self) {
        if !self.is_command || self.requests.iter().any(|request| request.end.is_some()) {
            return;
        }
        for request in &mut self.requests {
            let Some(root) = request.calls.iter().find(|open| open.parent == 0) else { continue };
            let Some(function) = self.functions.get(root.call.function as usize) else { continue };
            let Some(module) = (function.module as usize).checked_sub(1).and_then(|m| self.modules.get(m)) else {
                continue;
            };
            let endpoint = function_name(module, &function.qualname);
            request.end = Some(RequestEnd {
                wall: self.last,
                process_cpu: request.start_cpu,
                left_out: request.left_out,
                status: 0,
                endpoint,
                handler: None,
            });
            for open in request.calls.iter_mut().filter(|open| open.state != CallState::Left) {
                open.step(self.last, open.cpu, CallState::Left);
            }
        }
    }

    fn finish_request(&mut self, mut request: OpenRequest) -> Option<Request> {
        let root = self.root(&request.calls);
        let Some(end) = request.end.take() else {
            let root = root.map(|root| request.calls[root].call.function);
            let is_of_server = root.is_none_or(|root| self.functions[root as usize].module == Recording::ROOT_MODULE);
            // A function of the app that never ends (a task that consumes events, say) is no request.
            if is_of_server {
                self.trouble.unfinished_requests += 1;
            } else {
                self.count_outside(&request);
            }
            return None;
        };
        if end.endpoint.is_empty() {
            self.count_outside(&request);
            return None;
        }
        let (false, Some(root)) = (request.incomplete, root) else {
            self.trouble.incomplete_requests += 1;
            return None;
        };
        let unfinished = |(index, call): (usize, &OpenCall)| {
            call.state == CallState::Active || (index == root && call.state == CallState::Suspended)
        };
        if request.calls.iter().enumerate().any(unfinished) {
            self.trouble.unfinished_requests += 1;
            return None;
        }
        // A generator that is closed early, or a task still waiting at the end, is suspended for good.
        self.trouble.never_resumed += request.calls.iter().filter(|c| c.state == CallState::Suspended).count() as u64;
        let (calls, rank) = self.order(std::mem::take(&mut request.calls), root);
        let uncommitted = request.uncommitted.into_iter().map(|(call, start, until)| Uncommitted {
            call: rank[call as usize],
            start,
            end: until.unwrap_or(Nanos::from_nanos(end.wall)),
        });
        let mut connection_work = request.connection_work;
        for work in &mut connection_work {
            work.call = rank[work.call as usize];
        }
        connection_work.sort_by_key(|work| work.start);
        let mut finished = Request {
            endpoint: end.endpoint,
            phase: None,
            start: Nanos::from_nanos(request.start),
            wall: Nanos::from_nanos(end.wall.saturating_sub(request.start)),
            process_cpu: Nanos::from_nanos(end.process_cpu.saturating_sub(request.start_cpu)),
            left_out: Nanos::from_nanos(end.left_out.saturating_sub(request.left_out)),
            status: end.status,
            handler: end.handler,
            calls,
            statements: ordered_statements(request.statements, &rank),
            uncommitted: uncommitted.collect(),
            connection_work,
        };
        postpone(&mut finished, Nanos::from_nanos(request.left_out));
        Some(finished)
    }

    /// Counts the calls of what turned out to be no request; the server and the framework make none.
    fn count_outside(&mut self, request: &OpenRequest) {
        for open in request.calls.iter().filter(|_| !request.incomplete) {
            let function = &mut self.functions[open.call.function as usize];
            function.calls_outside += u64::from(function.module != Recording::ROOT_MODULE);
        }
    }

    /// The call without a parent that the framework owns, or else the first without a parent.
    fn root(&self, calls: &[OpenCall]) -> Option<usize> {
        let mut roots = calls.iter().enumerate().filter(|(_, open)| open.parent == 0);
        let framework = |open: &OpenCall| {
            self.functions.get(open.call.function as usize).is_some_and(|f| f.module == Recording::ROOT_MODULE)
        };
        let first = roots.next()?;
        if framework(first.1) {
            return Some(first.0);
        }
        Some(roots.find(|(_, open)| framework(open)).unwrap_or(first).0)
    }

    /// The calls by start, the root first, each parent before its children; and the new index of each.
    fn order(&mut self, calls: Vec<OpenCall>, root: usize) -> (Vec<Call>, Vec<u32>) {
        let mut order: Vec<usize> = (0..calls.len()).collect();
        order.sort_by_key(|&index| (index != root, calls[index].call.start(), calls[index].id));
        let mut rank = vec![0_u32; calls.len()];
        for (position, &index) in order.iter().enumerate() {
            rank[index] = position as u32;
        }
        let here = self.place_of_call.get(&calls[root].id).copied().flatten().map(|(request, _)| request);
        let mut ordered: Vec<Call> = Vec::with_capacity(calls.len());
        ordered.resize_with(calls.len(), Call::default);
        for (index, OpenCall { parent, mut call, .. }) in calls.into_iter().enumerate() {
            let position = rank[index];
            let caller = match self.place_of_call.get(&parent).copied().flatten() {
                Some((request, place)) if Some(request) == here => Some(rank[place as usize]),
                _ => None,
            };
            call.parent = match caller {
                _ if index == root => 0,
                Some(caller) if caller < position => caller,
                _ => {
                    self.trouble.orphans += 1;
                    0
                }
            };
            ordered[position as usize] = call;
        }
        (ordered, rank)
    }
}

/// The statements by start, with the new indices of their calls, and with transactions numbered within the request.
fn ordered_statements(mut statements: Vec<(u64, Statement)>, rank: &[u32]) -> Vec<Statement> {
    statements.sort_by_key(|(_, statement)| statement.start);
    let mut numbers: FxHashMap<u64, u32> = FxHashMap::default();
    let mut ordered = Vec::with_capacity(statements.len());
    for (transaction, mut statement) in statements {
        statement.call = rank[statement.call as usize];
        if transaction != 0 {
            let next = numbers.len() as u32;
            statement.transaction = Some(*numbers.entry(transaction).or_insert(next));
        }
        ordered.push(statement);
    }
    ordered
}

/// Moves everything in a request, from the recorder's clock, which stands still while it works, to the machine's.
fn postpone(request: &mut Request, nanos: Nanos) {
    let ends = request.calls.iter().flat_map(|call| &call.segments).map(|segment| segment.start + segment.wall);
    let ends = ends.chain(request.uncommitted.iter().map(|held| held.end));
    let starts = request.statements.iter().map(|statement| statement.start);
    let starts = starts.chain(request.connection_work.iter().map(|work| work.start)).chain([request.start]);
    // A damaged log may say anything; what is moved stays in order.
    let nanos = nanos.min(Nanos::MAX - ends.chain(starts).max().unwrap_or_default());
    let segments = request.calls.iter_mut().flat_map(|call| &mut call.segments).map(|segment| &mut segment.start);
    let statements = request.statements.iter_mut().map(|statement| &mut statement.start);
    let uncommitted = request.uncommitted.iter_mut().flat_map(|held| [&mut held.start, &mut held.end]);
    let work = request.connection_work.iter_mut().map(|work| &mut work.start);
    let starts = segments.chain(statements).chain(uncommitted).chain(work).chain([&mut request.start]);
    starts.for_each(|start| *start += nanos);
}

/// Merges the recordings of several processes into one, described by `meta`.
///
/// Modules, functions, shapes and statements are the same where their names, places and texts are; requests belong to the
/// phase during which they began.
pub fn merge(meta: Meta, parts: Vec<Recording>) -> Recording {
    let mut merged = Recording { meta, modules: vec![FRAMEWORK.to_owned()], ..Recording::default() };
    let mut modules = FxHashMap::from_iter([(FRAMEWORK.to_owned(), Recording::ROOT_MODULE)]);
    let mut functions: FxHashMap<(u32, String, String, u32, FunctionKind), u32> = FxHashMap::default();
    let mut shapes: FxHashMap<String, u32> = FxHashMap::default();
    let mut texts: FxHashMap<(Dialect, String), u32> = FxHashMap::default();
    let mut processes = 0;
    for part in parts {
        if part.requests.iter().any(|request| merged.meta.phase_at(request.start).is_some()) {
            processes += 1;
        }
        merge_meta(&mut merged.meta, part.meta);
        let mut module_here = Vec::with_capacity(part.modules.len());
        for name in part.modules {
            module_here.push(*modules.entry(name).or_insert_with_key(|name| {
                merged.modules.push(name.clone());
                merged.modules.len() as u32 - 1
            }));
        }
        let mut function_here = Vec::with_capacity(part.functions.len());
        for mut function in part.functions {
            function.module = module_here[function.module as usize];
            let key = (function.module, function.qualname.clone(), function.file.clone(), function.line, function.kind);
            let calls = std::mem::take(&mut function.calls);
            let (is_unnamed, is_made) = (function.is_unnamed, function.is_made);
            let calls_outside = std::mem::take(&mut function.calls_outside);
            let id = *functions.entry(key).or_insert_with(|| {
                merged.functions.push(function);
                merged.functions.len() as u32 - 1
            });
            let known = &mut merged.functions[id as usize];
            known.calls += calls;
            known.calls_outside += calls_outside;
            // A process that has not imported all modules does not know all names.
            known.is_unnamed &= is_unnamed;
            known.is_made |= is_made;
            function_here.push(id);
        }
        let mut shape_here = Vec::with_capacity(part.shapes.len());
        for skeleton in part.shapes {
            shape_here.push(*shapes.entry(skeleton).or_insert_with_key(|skeleton| {
                merged.shapes.push(skeleton.clone());
                merged.shapes.len() as u32 - 1
            }));
        }
        let mut text_here = Vec::with_capacity(part.statement_texts.len());
        for text in part.statement_texts {
            text_here.push(*texts.entry((text.dialect, text.sql.clone())).or_insert_with(|| {
                merged.statement_texts.push(text);
                merged.statement_texts.len() as u32 - 1
            }));
        }
        for (table, module) in part.mapped_tables {
            merged.mapped_tables.entry(table).or_insert(module);
        }
        for mut request in part.requests {
            request.handler = request.handler.map(|handler| function_here[handler as usize]);
            for statement in &mut request.statements {
                statement.text = text_here[statement.text as usize];
            }
            for call in &mut request.calls {
                call.function = function_here[call.function as usize];
                for payload in [&mut call.arguments, &mut call.result].into_iter().flatten() {
                    payload.shape = shape_here[payload.shape as usize];
                }
            }
            merged.requests.push(request);
        }
    }
    merged.requests.sort_by_key(|request| request.start);
    for request in &mut merged.requests {
        request.phase = merged.meta.phase_at(request.start);
    }
    if processes > 0 {
        merged.meta.limits.processes = merged.meta.limits.processes.or(Limit::Observed(processes));
    }
    merged
}

fn merge_meta(meta: &mut Meta, part: Meta) {
    if meta.python_version.is_empty() {
        meta.python_version = part.python_version;
    }
    if meta.recorder_mode.is_empty() {
        meta.recorder_mode = part.recorder_mode;
    }
    // A process that takes no requests starts those that do, or stands beside them.
    if !part.servers.is_empty() {
        meta.limits = meta.limits.or(part.limits);
    }
    meta.servers.extend(part.servers);
    meta.servers.sort_unstable();
    meta.servers.dedup();
    for trouble in part.troubles {
        if !meta.troubles.contains(&trouble) {
            meta.troubles.push(trouble);
        }
    }
}
