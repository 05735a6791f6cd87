//! A recording of a monolith: each request is a tree of calls between modules.
//!
//! A request has one root call (the framework's own work, owner [`Recording::ROOT_MODULE`]) and below it one
//! [`Call`] per call that went from one module into another. Calls inside a module are part of it.

pub mod interface;
pub mod limit;
pub mod shape;
pub mod site;
pub mod statement;
pub mod summary;
pub mod tables;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::limit::ServerLimits;
use self::statement::{ConnectionWork, Statement, StatementText, Uncommitted};
use crate::quantity::Nanos;
use crate::split::file_module;

/// Index into [`Recording::modules`].
pub type ModuleId = u32;
/// Index into [`Recording::functions`].
pub type FunctionId = u32;
/// Index into [`Request::calls`].
pub type CallIndex = u32;

/// The requests of an app, as trees of calls between its modules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The circumstances of its making.
    pub meta: Meta,
    /// Module names, and classes that are modules of their own, as `shop.services:Orders`; index 0 is the framework and server
    /// outside the app's own modules.
    pub modules: Vec<String>,
    /// The functions that were called across a module boundary.
    pub functions: Vec<Function>,
    /// Type skeletons of the payloads, as JSON text.
    pub shapes: Vec<String>,
    /// Texts of the statements, without their literals.
    pub statement_texts: Vec<StatementText>,
    /// The module of the class that an object-relational mapper maps to a table, by the table's name.
    pub mapped_tables: BTreeMap<String, String>,
    /// The requests, ordered by their start.
    pub requests: Vec<Request>,
}

impl Recording {
    /// The module that stands for framework and server code: the owner of every root call.
    pub const ROOT_MODULE: ModuleId = 0;

    /// Returns a function's name, as `shop.pricing:quote`.
    pub fn function_name(&self, function: &Function) -> String {
        format!("{}:{}", file_module(&self.modules[function.module as usize]), function.qualname)
    }

    /// Returns true if a request was answered with a status that the workload did not expect: by default, 400 and above.
    ///
    /// Tests and commands have no status and never fail here.
    pub fn has_failed(&self, request: &Request) -> bool {
        match self.meta.expected.get(&request.endpoint) {
            Some(expected) => !expected.contains(&request.status),
            None => request.status >= 400,
        }
    }

    /// Returns, per endpoint, the module of its handler: the place of the endpoint's requests in a split.
    ///
    /// It is [`Recording::ROOT_MODULE`] where no function of the app is known to handle the endpoint. Most requests of
    /// an endpoint decide.
    pub fn handler_modules(&self) -> BTreeMap<&str, ModuleId> {
        let mut votes: BTreeMap<&str, BTreeMap<ModuleId, u64>> = BTreeMap::new();
        for request in &self.requests {
            let handler = request.handler.and_then(|handler| self.functions.get(handler as usize));
            let module = handler.map_or(Self::ROOT_MODULE, |f| f.module);
            *votes.entry(&request.endpoint).or_default().entry(module).or_default() += 1;
        }
        votes
            .into_iter()
            .filter_map(|(endpoint, votes)| Some((endpoint, votes.into_iter().max_by_key(|(_, count)| *count)?.0)))
            .collect()
    }
}

/// The circumstances of a recording's making.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Version of the recording's format.
    pub format_version: u32,
    /// Version of splitcost that wrote it.
    pub splitcost_version: String,
    /// Start of the recording, as RFC 3339 in UTC.
    pub started_at: String,
    /// The app's command line.
    pub command: Vec<String>,
    /// The modules and classes that the settings name, by which the app was divided.
    #[serde(default)]
    pub named_modules: Vec<String>,
    /// `CPython`'s version, as `3.13.0`.
    pub python_version: String,
    /// `monitoring` (3.12+) or `profile` (3.11, slow).
    pub recorder_mode: String,
    /// Servers, and other programs that take requests, that took some, by name and sorted: `uvicorn`, `pytest`. Also
    /// [`FLASK`](Self::FLASK), if requests ran under it.
    #[serde(default)]
    pub servers: Vec<String>,
    /// The processes and threads of the app that run requests at the same time.
    #[serde(default)]
    pub limits: ServerLimits,
    /// Processor name, cores and kernel, for provenance.
    pub machine: String,
    /// The load phases that were driven, in order; empty for a recorded command.
    pub phases: Vec<Phase>,
    /// The stretches that do not count, as others disturbed the machine: their requests are of no phase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discarded: Vec<Stretch>,
    /// The statuses that the workload expects, of each endpoint for which it names some; for others, all below 400.
    #[serde(default)]
    pub expected: BTreeMap<String, Vec<u16>>,
    /// Troubles while recording, in words; a recording with troubles is still usable.
    pub troubles: Vec<String>,
}

/// A stretch of time, on the machine's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Start.
    pub start_nanos: u64,
    /// End.
    pub end_nanos: u64,
}

/// One stretch of load while recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Closed or open loop.
    pub kind: PhaseKind,
    /// True when a copy of the app without the recorder was driven, which shows the recorder's cost: no request of such
    /// a phase is in the recording.
    #[serde(default)]
    pub bare: bool,
    /// True for the audit's requests, which come before all others: only their calls count, not their times.
    #[serde(default)]
    pub audit: bool,
    /// Requests kept in flight (closed loop); zero for open loop.
    pub concurrency: u32,
    /// Intended arrivals per second (open loop); zero for closed loop.
    pub rate_reqs_per_sec: f64,
    /// Start on the machine's monotonic clock.
    pub start_nanos: u64,
    /// End on the machine's monotonic clock.
    pub end_nanos: u64,
    /// Time under load between these: phases take turns.
    #[serde(default)]
    pub driven_nanos: u64,
    /// Requests completed in the phase; of phases that took turns, in all of its turns.
    pub requests: u64,
    /// Requests that did not fail, per second of the phase.
    #[serde(default)]
    pub throughput_reqs_per_sec: f64,
    /// CPU time of all the app's processes over the phase.
    pub app_cpu_nanos: u64,
    /// CPU time of a fixed piece of work meanwhile, which shows the speed of the machine; zero where it is unknown.
    #[serde(default)]
    pub yardstick_nanos: f64,
    /// CPU time of the load generator over the phase.
    pub load_cpu_nanos: u64,
    /// The load generator's measurements, per endpoint.
    pub endpoints: Vec<PhaseEndpoint>,
}

/// The kind of load that a phase drives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// A fixed number of requests is in flight: a new one is sent when one is answered.
    #[default]
    Closed,
    /// Requests are sent at intended times, however many are in flight.
    Open,
}

/// The load generator's measurements of one endpoint in one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseEndpoint {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Requests answered below 400.
    pub ok: u64,
    /// Requests answered 400 or above, refused, reset or late; not part of the times.
    pub failed: u64,
    /// Response time from the intended start, median.
    pub response_nanos_p50: u64,
    /// 90th percentile.
    pub response_nanos_p90: u64,
    /// 99th percentile.
    pub response_nanos_p99: u64,
}

impl Phase {
    /// Returns true if one request at a time was in flight, for the sake of its time.
    pub fn is_lone(&self) -> bool {
        self.kind == PhaseKind::Closed && self.concurrency == 1 && !self.audit
    }
}

impl Recording {
    /// Returns the requests of the workload: those that were made while it was driven, or all where nothing drove the app.
    ///
    /// Probes until the app is ready, the opening of sessions, and what the app does by itself are none of them.
    pub fn of_workload(&self) -> impl Iterator<Item = &Request> + Clone {
        let is_driven = self.requests.iter().any(|request| request.phase.is_some());
        self.requests.iter().filter(move |request| !is_driven || request.phase.is_some())
    }

    /// Returns the audit's requests.
    pub fn audited(&self) -> impl Iterator<Item = &Request> {
        let of_audit = |phase: u32| self.meta.phases.get(phase as usize).is_some_and(|phase| phase.audit);
        self.requests.iter().filter(move |request| request.phase.is_some_and(of_audit))
    }
}

impl Meta {
    /// The name among [`servers`](Self::servers) by which requests have run under Flask.
    pub const FLASK: &str = "flask";
    /// The runners of jobs, as the recorder names them: a rehearsal sends them nothing.
    const JOB_RUNNERS: [&str; 5] = ["apscheduler", "arq", "celery", "dramatiq", "rq"];

    /// Returns a runner of jobs that took requests, if there is one.
    pub fn job_runner(&self) -> Option<&str> {
        self.servers.iter().map(String::as_str).find(|server| Self::JOB_RUNNERS.contains(server))
    }

    /// Returns the number of the phase during which something began.
    pub fn phase_at(&self, start: Nanos) -> Option<u32> {
        let start = start.as_nanos();
        if self.discarded.iter().any(|stretch| (stretch.start_nanos..stretch.end_nanos).contains(&start)) {
            return None;
        }
        let phase = self.phases.iter().position(|phase| (phase.start_nanos..phase.end_nanos).contains(&start));
        phase.map(|index| index as u32)
    }

    /// Returns the phase of lone requests, if there is one: the one without the recorder, where the app was driven
    /// without it too.
    pub fn lone_phase(&self) -> Option<&Phase> {
        [true, false].into_iter().find_map(|bare| self.lone_phase_of(bare))
    }

    /// Returns the phase of lone requests, without the recorder (`bare`) or with it.
    pub fn lone_phase_of(&self, bare: bool) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.is_lone() && phase.bare == bare && phase.requests > 0)
    }
}

/// A function that was called across a module boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Its module, which owns it.
    pub module: ModuleId,
    /// Qualified name inside the module, as `Service.price` or `quote`.
    pub qualname: String,
    /// Source file.
    pub file: String,
    /// First line of its definition.
    pub line: u32,
    /// Coroutine function, generator, or plain.
    pub kind: FunctionKind,
    /// Calls across a boundary, exact, sampled or not.
    pub calls: u64,
    /// Those of them that belong to no request: at start-up, or in a task that runs beside all requests.
    pub calls_outside: u64,
    /// True for a function at module level that no other module of the app names: whoever calls it from outside was given the
    /// function itself, as a framework is given a hook, or a registry a handler.
    pub is_unnamed: bool,
    /// True for a coroutine function, a generator or a context manager that another function of its module has called for the
    /// caller, which was given the result.
    pub is_made: bool,
}

/// The kind of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// `def`.
    #[default]
    Plain,
    /// `async def`.
    Coroutine,
    /// `def` with `yield`.
    Generator,
    /// `async def` with `yield`.
    AsyncGenerator,
}

/// One request, test or root call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// `GET /orders/{order_id}`, a test's id, or the root function of a recorded command.
    pub endpoint: String,
    /// Index into [`Meta::phases`]; `None` outside every phase.
    pub phase: Option<u32>,
    /// Start on the machine's monotonic clock.
    pub start: Nanos,
    /// From entry to the last byte handed to the server, without what is left out.
    pub wall: Nanos,
    /// CPU time of the whole process between entry and exit: meaningful where one request ran at a time.
    pub process_cpu: Nanos,
    /// The time that the recorder took for looking at values meanwhile. It is no part of any other time.
    pub left_out: Nanos,
    /// HTTP status; 0 for tests and commands.
    pub status: u16,
    /// The function that the framework chose for the request, or else the app that the server was given; `None` where no
    /// code of the app is known to handle it.
    pub handler: Option<FunctionId>,
    /// The calls in order of their start; index 0 is the root.
    pub calls: Vec<Call>,
    /// The database statements in order of their start.
    pub statements: Vec<Statement>,
    /// The writes that were not committed for some time, in order of their start.
    pub uncommitted: Vec<Uncommitted>,
    /// The work of libraries on connections to databases, in order of its start.
    pub connection_work: Vec<ConnectionWork>,
}

/// The way in which a call was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Called or awaited directly: the caller cannot go on before it returns.
    #[default]
    Inline,
    /// Begun as a task of the same event loop (`gather`, `create_task`, task groups).
    Task,
    /// Handed to another thread (`to_thread`, a thread pool, a `def` route).
    Thread,
}

/// The work that the result of a plain function stands for, and that is yet to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Makes {
    /// None: the result is a value.
    #[default]
    Nothing,
    /// A coroutine or an asynchronous generator of a library, or of a function inside the called one: the caller awaits it, as
    /// a part of the call.
    Awaitable,
    /// A coroutine, generator or context manager of another function of the app, whose own call follows when it runs.
    Call,
}

impl Makes {
    /// Every variant, in order.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Awaitable, Self::Call];

    /// Returns the word used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Awaitable => "awaitable",
            Self::Call => "call",
        }
    }
}

/// One call from one module into another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The called function; for the root call, a function of [`Recording::ROOT_MODULE`].
    pub function: FunctionId,
    /// The calling call; the root call is its own parent.
    pub parent: CallIndex,
    /// The way in which it was begun.
    pub via: Via,
    /// Thread that ran it first, as numbered by the recorder.
    pub thread: u32,
    /// Type of the exception it ended with.
    pub exception: Option<String>,
    /// The work that its result stands for.
    pub makes: Makes,
    /// Alternating stretches on a thread and away from it, in order, from start to end without a hole.
    pub segments: Vec<Segment>,
    /// Arguments, where this call was sampled.
    pub arguments: Option<Payload>,
    /// Result, where this call was sampled.
    pub result: Option<Payload>,
}

impl Call {
    /// Returns its start on the machine's monotonic clock.
    pub fn start(&self) -> Nanos {
        self.segments.first().map_or(Nanos::ZERO, |s| s.start)
    }

    /// Returns its end on the machine's monotonic clock.
    pub fn end(&self) -> Nanos {
        self.segments.last().map_or(Nanos::ZERO, |s| s.start + s.wall)
    }

    /// Returns the time from start to end.
    pub fn wall(&self) -> Nanos {
        self.end() - self.start()
    }

    /// Returns its thread CPU time, inline callees included.
    pub fn cpu(&self) -> Nanos {
        self.segments.iter().map(|s| s.cpu).sum()
    }

    /// Returns the time during which it was suspended, awaiting something else.
    pub fn suspended(&self) -> Nanos {
        self.segments.iter().filter(|s| s.suspended).map(|s| s.wall).sum()
    }
}

/// A stretch of a call: on a thread, or suspended.
///
/// Inline callees run inside the active segments of their caller and have segments of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Start on the machine's monotonic clock.
    pub start: Nanos,
    /// Length.
    pub wall: Nanos,
    /// Thread CPU time; zero while suspended.
    pub cpu: Nanos,
    /// True when the call was suspended at an `await` (or `yield`).
    pub suspended: bool,
}

/// The shape of the data that a call carried, without its values and without the object that a method was called on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Index into [`Recording::shapes`].
    pub shape: u32,
    /// Size when encoded as tagged JSON, without the receiver's.
    pub encoded_bytes: u64,
    /// Values in it, containers included and the receiver left out.
    pub nodes: u64,
    /// The class of its worst value: a payload of a later class needs more work to cross.
    pub class: PayloadClass,
    /// Path and type of the value that decided the class, as `arguments.session (sqlalchemy.orm.session.Session)`.
    pub path: String,
    /// The values that need more than encoding, worst class first, distinct, at most eight.
    pub obstacles: Vec<Obstacle>,
    /// The object or class that a method was called on; only with arguments.
    pub receiver: Option<Receiver>,
    /// File of the call site.
    pub file: String,
    /// Line of the call site.
    pub line: u32,
}

impl Payload {
    /// Returns true if the callee changed some of the data in place.
    pub fn is_changed(&self) -> bool {
        self.obstacles.iter().any(|obstacle| obstacle.class == PayloadClass::Mutated)
    }
}

/// A value that needs more than encoding to cross.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Its class, above [`PayloadClass::Adapter`].
    pub class: PayloadClass,
    /// Its path and type, as in [`Payload::path`].
    pub path: String,
}

/// The object or class that a method was called on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receiver {
    /// The way in which a split would reach it.
    pub kind: ReceiverKind,
    /// Its type, as `shop.pricing.Pricing`; of a class, the class itself.
    pub type_name: String,
    /// Its name where every process has it, as `shop.pricing:pricing` at module level, or `shop.app:app/state/pricing`.
    pub place: Option<String>,
    /// Size of its fields when encoded; zero unless it is a value.
    pub encoded_bytes: u64,
    /// Values in its fields, itself included; zero unless it is a value.
    pub nodes: u64,
    /// The reason why it is of this kind, in words: `it lives at module level`.
    pub reason: String,
    /// The values in its fields that are more than data, the worst first.
    pub obstacles: Vec<Obstacle>,
}

/// The way in which a split would reach the object that a method is called on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiverKind {
    /// Code that extends a library, which calls it wherever it runs: a method that overrides one of the library's, or what is
    /// called for each statement.
    Extension,
    /// A class, which every service has the code of.
    Class,
    /// Data: its methods run where it is.
    Value,
    /// A service object: addressed by its name, or built anew where it is called.
    #[default]
    Service,
    /// An object that must stay where it is.
    Reference,
}

impl ReceiverKind {
    /// Every kind, in order.
    pub const ALL: [Self; 5] = [Self::Extension, Self::Class, Self::Value, Self::Service, Self::Reference];

    /// Returns the word used in reports and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::Class => "class",
            Self::Value => "value",
            Self::Service => "service",
            Self::Reference => "reference",
        }
    }
}

/// The ability of a payload to cross a process boundary; a later class needs more work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadClass {
    /// JSON's own types.
    #[default]
    Plain,
    /// Data that needs an adapter: datetime, Decimal, bytes, tuple, set, enum, dataclass, pydantic model.
    Adapter,
    /// Data that only the app can encode: an object whose fields are all data, an ORM row, a class.
    Value,
    /// Data that the callee changed in place.
    Mutated,
    /// A generator or other iterator.
    Generator,
    /// A resource of a known kind, which the callee can obtain for itself: database session, request, client, logger.
    Resource,
    /// An object that every process of the app has under the same name: it lives at module level, or such an object holds it.
    Named,
    /// An object of the app that holds resources or other such objects, and else data only: its fields go along.
    Carried,
    /// Any other object of the app that holds a resource or another such object.
    Service,
    /// A context manager that is made of a generator: its state stays at the callee.
    ContextManager,
    /// Any other object of the app.
    Reference,
    /// A function, method or other callable.
    Callback,
    /// Anything else: connection, socket, file, lock, task, or an instance nobody can rebuild.
    Live,
}

impl PayloadClass {
    /// Every class, in order.
    pub const ALL: [Self; 13] = [
        Self::Plain,
        Self::Adapter,
        Self::Value,
        Self::Mutated,
        Self::Generator,
        Self::Resource,
        Self::Named,
        Self::Carried,
        Self::Service,
        Self::ContextManager,
        Self::Reference,
        Self::Callback,
        Self::Live,
    ];

    /// Returns true when a call with such a payload can be made over the wire.
    pub fn can_cross(self) -> bool {
        self <= Self::Adapter
    }

    /// Returns the word used in reports and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Adapter => "adapter",
            Self::Value => "value",
            Self::Mutated => "mutated",
            Self::Generator => "generator",
            Self::Resource => "resource",
            Self::Named => "named",
            Self::Carried => "carried",
            Self::Service => "service",
            Self::ContextManager => "context_manager",
            Self::Reference => "reference",
            Self::Callback => "callback",
            Self::Live => "live",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_status_is_no_failure() {
        let recording = Recording {
            meta: Meta { expected: BTreeMap::from([("GET /gone".into(), vec![404, 410])]), ..Meta::default() },
            ..Recording::default()
        };
        let has_failed = |endpoint: &str, status| {
            recording.has_failed(&Request { endpoint: endpoint.into(), status, ..Request::default() })
        };
        assert_eq!([404, 410, 200, 500].map(|status| has_failed("GET /gone", status)), [false, false, true, true]);
        assert_eq!([0, 200, 399, 404].map(|status| has_failed("GET /other", status)), [false, false, false, true]);
    }

    #[test]
    fn what_began_while_others_disturbed_the_machine_is_of_no_phase() {
        let phase = |start_nanos, end_nanos| Phase { start_nanos, end_nanos, ..Phase::default() };
        let meta = Meta {
            phases: vec![phase(0, 10), phase(10, 30)],
            discarded: vec![Stretch { start_nanos: 12, end_nanos: 15 }],
            ..Meta::default()
        };
        let found = [0, 9, 10, 11, 12, 14, 15, 30].map(|at| meta.phase_at(Nanos::from_nanos(at)));
        assert_eq!(found, [Some(0), Some(0), Some(1), Some(1), None, None, Some(1), None]);
    }

    #[test]
    fn most_requests_of_an_endpoint_decide_about_its_handler() {
        let function = |module| Function { module, ..Function::default() };
        let request = |endpoint: &str, handler| Request { endpoint: endpoint.into(), handler, ..Request::default() };
        let recording = Recording {
            modules: ["(framework)", "shop.users", "shop.orders"].map(str::to_owned).to_vec(),
            functions: vec![function(0), function(1), function(2)],
            requests: vec![
                request("GET /orders", Some(2)),
                request("GET /orders", None),
                request("GET /orders", Some(2)),
                request("GET /static", None),
            ],
            ..Recording::default()
        };
        assert_eq!(recording.handler_modules(), BTreeMap::from([("GET /orders", 2), ("GET /static", 0)]));
    }
}
