//! A recording of a monolith: each request is a tree of calls between modules.
//!
//! A request has one root call (the framework's own work, owner [`Recording::ROOT_MODULE`]) and below it one
//! [`Call`] per call that went from one module into another. Calls inside a module are part of it.

pub mod statement;
pub mod summary;
pub mod tables;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::statement::{Statement, StatementText};
use crate::quantity::Nanos;

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
    /// Module names; index 0 is the framework and server outside the app's own modules.
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

    /// Returns, per endpoint, the module of its handler: the place of the endpoint's requests in a split.
    ///
    /// A framework resolves dependencies before it calls the handler: the handler is the last call that the root
    /// makes and waits for, generators (dependencies that clean up) apart. Most requests of an endpoint decide.
    pub fn handler_modules(&self) -> BTreeMap<&str, ModuleId> {
        let mut votes: BTreeMap<&str, BTreeMap<ModuleId, u64>> = BTreeMap::new();
        for request in &self.requests {
            let function = |call: &Call| self.functions.get(call.function as usize);
            let may_handle = |call: &&Call| {
                let kind = function(call).map(|f| f.kind).unwrap_or_default();
                call.parent == 0
                    && call.via != Via::Task
                    && matches!(kind, FunctionKind::Plain | FunctionKind::Coroutine)
            };
            let handler = request.calls.iter().skip(1).rfind(may_handle).and_then(function);
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
    /// `CPython`'s version, as `3.13.0`.
    pub python_version: String,
    /// `monitoring` (3.12+) or `profile` (3.11, slow).
    pub recorder_mode: String,
    /// Processor name, cores and kernel, for provenance.
    pub machine: String,
    /// The load phases that were driven, in order; empty for a recorded command.
    pub phases: Vec<Phase>,
    /// Troubles while recording, in words; a recording with troubles is still usable.
    pub troubles: Vec<String>,
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
    /// Requests answered below 400, per second of the phase.
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

impl Meta {
    /// Returns the phase of lone requests, if there is one: the one without the recorder, where the app was driven
    /// without it too.
    pub fn lone_phase(&self) -> Option<&Phase> {
        [true, false].into_iter().find_map(|bare| self.lone_phase_of(bare))
    }

    /// Returns the phase of lone requests, without the recorder (`bare`) or with it.
    pub fn lone_phase_of(&self, bare: bool) -> Option<&Phase> {
        let lone = |p: &&Phase| p.kind == PhaseKind::Closed && p.concurrency == 1 && p.bare == bare && p.requests > 0;
        self.phases.iter().find(lone)
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
    /// From entry to the last byte handed to the server.
    pub wall: Nanos,
    /// CPU time of the whole process between entry and exit: meaningful where one request ran at a time.
    pub process_cpu: Nanos,
    /// HTTP status; 0 for tests and commands.
    pub status: u16,
    /// The calls in order of their start; index 0 is the root.
    pub calls: Vec<Call>,
    /// The database statements in order of their start.
    pub statements: Vec<Statement>,
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

/// The shape of the data that a call carried, without its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Index into [`Recording::shapes`].
    pub shape: u32,
    /// Size when encoded as tagged JSON.
    pub encoded_bytes: u64,
    /// Values in it, containers included.
    pub nodes: u64,
    /// Its class: a payload of a later class needs more work to cross.
    pub class: PayloadClass,
    /// Path and type of the value that decided the class, as `arguments.session` or `result[3].total`.
    pub path: String,
    /// File of the call site.
    pub file: String,
    /// Line of the call site.
    pub line: u32,
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
    /// Data that the callee changed in place.
    Mutated,
    /// A function, method or other callable.
    Callback,
    /// A generator or other iterator.
    Generator,
    /// A live resource: session, connection, socket, file, lock, task, or an instance nobody can rebuild.
    Live,
}

impl PayloadClass {
    /// Returns true when a call with such a payload can be made over the wire.
    pub fn can_cross(self) -> bool {
        self <= Self::Adapter
    }

    /// Returns the word used in reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Adapter => "adapter",
            Self::Mutated => "mutated",
            Self::Callback => "callback",
            Self::Generator => "generator",
            Self::Live => "live",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handler_is_called_after_its_dependencies() {
        let function = |module, kind| Function { module, kind, ..Function::default() };
        let call = |function, parent| Call { function, parent, ..Call::default() };
        let recording = Recording {
            modules: ["(framework)", "shop.db", "shop.users", "shop.orders"].map(str::to_owned).to_vec(),
            functions: vec![
                function(0, FunctionKind::Coroutine),
                function(1, FunctionKind::Generator),
                function(2, FunctionKind::Plain),
                function(3, FunctionKind::Coroutine),
            ],
            requests: vec![Request {
                endpoint: "GET /orders".into(),
                calls: vec![call(0, 0), call(2, 0), call(3, 0), call(2, 2), call(1, 0)],
                ..Request::default()
            }],
            ..Recording::default()
        };
        assert_eq!(recording.handler_modules(), BTreeMap::from([("GET /orders", 3)]));
    }
}
