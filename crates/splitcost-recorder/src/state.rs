//! The recorder's state of the process, behind one lock.
//!
//! Order of locks: the file, then [`Shared`], then the thread's own state, then the source's names. No Python code
//! runs, and no Python object is dropped, while [`Shared`] is held: another thread could want it while it holds the GIL.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use splitcost_recording::log::{FRAMEWORK as FRAMEWORK_NAME, FunctionKindCode, LimitCode, Record};

use crate::buffer::LogBuffer;
use crate::receiver::Method;
use crate::shadow_stack::{CodeFacts, Origin, Suspended};
use crate::source;
use crate::statement::Statements;
use crate::wrapper::Wrappers;

/// Module id of framework and server code, and of markers on a stack, which are never a callee's.
pub(crate) const FRAMEWORK: u32 = 0;

/// Payloads sampled first, per caller, function and endpoint.
///
/// Chosen: enough for a distribution of sizes at once.
const FIRST_SAMPLES: u32 = 32;
/// Afterwards so many each time that the number of calls has doubled, evenly spread.
///
/// Chosen: some 100 samples of 8,000 calls show what a function carries, and a look, which takes 20 µs, costs the thousandth
/// call 310 ns and the millionth 0.3 ns.
const SAMPLES_PER_DOUBLING: u32 = 8;
/// Bounds on the recorder's memory.
///
/// Chosen: far above what a program needs; each is at most about 20 MB when it is reached.
const MAX_SHAPES_BYTES: usize = 8 << 20;
const MAX_SHAPE_BYTES: usize = 64 << 10;
const MAX_CODES: usize = 50_000;
const MAX_ENDPOINTS: usize = 50_000;
const MAX_SAMPLE_KEYS: usize = 200_000;
/// Most calls suspended at a time, as above.
pub(crate) const MAX_SUSPENDED: usize = 100_000;
/// Most calls open on one thread, as above.
pub(crate) const MAX_DEPTH: usize = 200_000;

/// The recorder's state of the process; `None` until it starts.
pub(crate) type Shared = Option<Recorder>;

static SHARED: Mutex<Shared> = Mutex::new(None);

/// Of a function that is no coroutine.
static NEVER_SUSPENDED: AtomicU32 = AtomicU32::new(0);

/// Takes the lock on the state of the process.
pub(crate) fn lock() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of the process.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) buffer: LogBuffer,
    python_version: String,
    mode: String,
    /// Grows with each fork: what was handed on by the parent means nothing here.
    pub(crate) epoch: u32,
    pub(crate) next_call: u64,
    pub(crate) next_request: u64,
    pub(crate) modules: Vec<String>,
    pub(crate) functions: Vec<KnownFunction>,
    pub(crate) codes: FxHashMap<usize, KnownCode>,
    /// Code of others, on 3.11 where events cannot be switched off.
    foreign: FxHashMap<usize, Py<PyAny>>,
    endpoints: FxHashMap<String, u32>,
    shapes: FxHashMap<String, u32>,
    shapes_bytes: usize,
    samples: FxHashMap<(u32, u32, u32), u32>,
    /// Number of code objects that wrap the execution of statements.
    wrappers_of_statements: u32,
    pub(crate) suspended: FxHashMap<usize, Suspended>,
    /// Open requests that may turn out to run what takes requests.
    pub(crate) commands: FxHashSet<u64>,
    /// Requests whose sessions and connections are looked at.
    pub(crate) followed: FxHashSet<u64>,
    /// A request of a known kind has begun.
    pub(crate) has_requests: bool,
    servers: Vec<String>,
    /// The limits that are known, by their codes, and those that are written.
    limits: [Option<u32>; LimitCode::ALL.len()],
    limits_written: [Option<u32>; LimitCode::ALL.len()],
    pub(crate) statements: Statements,
    is_full: bool,
    /// True once greenlets were seen to take turns.
    has_turns: bool,
}

/// A function that may be called across a boundary.
pub(crate) struct KnownFunction {
    pub(crate) module: u32,
    pub(crate) qualname: String,
    file: String,
    line: u32,
    kind: FunctionKindCode,
    calls: u64,
    calls_written: u64,
    is_written: bool,
    /// Another function of its module has called it for the caller, which was given the result.
    pub(crate) is_made: bool,
}

/// A code object under recording.
pub(crate) struct KnownCode {
    pub(crate) facts: CodeFacts,
    arguments: Arc<Arguments>,
    wrappers: Option<Wrappers>,
    /// It runs where a library executes a statement that others have issued.
    wraps_statements: bool,
    /// Keeps the address taken.
    _object: Py<PyAny>,
}

/// The arguments of a code object.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) names: Vec<String>,
    /// The method that it is, if the first one may be what it is called on.
    pub(crate) method: Option<Method>,
    /// The module and the name of a function at module level.
    pub(crate) function: Option<(String, String)>,
    /// The position of `*args`, where no argument has a name before it.
    pub(crate) gathered: Option<usize>,
}

/// A code object to be recorded.
pub(crate) struct NewCode {
    pub(crate) code: Py<PyAny>,
    pub(crate) module: String,
    pub(crate) qualname: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) kind: FunctionKindCode,
    pub(crate) arguments: Arguments,
    pub(crate) wrappers: Option<Wrappers>,
    pub(crate) is_root: bool,
    pub(crate) is_entry_point: bool,
    pub(crate) first_instruction: u32,
}

/// Returns true for the qualified name of a function at module level.
pub(crate) fn is_at_top(qualname: &str) -> bool {
    !qualname.contains(['.', '<', '{'])
}

/// Returns true if no module but its own names a function: whoever calls it was given the function itself.
fn is_unnamed(function: &KnownFunction, modules: &[String]) -> bool {
    function.module != FRAMEWORK
        && is_at_top(&function.qualname)
        && !source::is_named_outside(&function.qualname, &modules[function.module as usize])
}

impl Recorder {
    /// Begins a log with the description of this process.
    pub(crate) fn new(buffer: LogBuffer, python_version: String, mode: &str) -> Self {
        let mut recorder = Self {
            buffer,
            python_version,
            mode: mode.to_owned(),
            modules: vec![FRAMEWORK_NAME.to_owned()],
            ..Self::default()
        };
        recorder.put_head();
        recorder
    }

    fn put_head(&mut self) {
        self.buffer.put(&Record::Process {
            pid: std::process::id(),
            python_version: self.python_version.clone(),
            mode: self.mode.clone(),
        });
        for (id, name) in self.modules.iter().enumerate() {
            self.buffer.put(&Record::Module { id: id as u32, name: name.clone() });
        }
    }

    /// Begins anew after a fork: with the same knowledge, an empty log, and no open call.
    pub(crate) fn begin_anew(&mut self) {
        self.buffer = self.buffer.anew();
        self.epoch += 1;
        (self.is_full, self.has_turns) = (false, false);
        self.suspended.clear();
        self.commands.clear();
        self.forget_followed();
        self.has_requests = false;
        self.servers.clear();
        self.limits_written = [None; LimitCode::ALL.len()];
        for code in self.codes.values() {
            code.facts.suspended.store(0, Ordering::Relaxed);
        }
        for function in &mut self.functions {
            (function.calls, function.calls_written, function.is_written) = (0, 0, false);
        }
        self.put_head();
        for (skeleton, id) in &self.shapes {
            self.buffer.put(&Record::Shape { id: *id, skeleton: skeleton.clone() });
        }
        for definition in self.statements.begin_anew() {
            self.buffer.put(&definition);
        }
    }

    /// Appends the counts that changed.
    pub(crate) fn put_counts(&mut self) {
        for fetched in self.statements.fetched() {
            self.put_call(&fetched);
        }
        for (id, function) in self.functions.iter_mut().enumerate() {
            // A call whose arguments are being looked at is counted but not begun: its function comes first.
            if function.is_written && function.calls != function.calls_written {
                function.calls_written = function.calls;
                self.buffer.put(&Record::Count { function: id as u32, calls: function.calls });
            }
        }
    }

    /// Returns the facts of this code, if it is under recording.
    pub(crate) fn facts(&self, code: usize) -> Option<CodeFacts> {
        self.codes.get(&code).map(|code| code.facts)
    }

    /// Returns true when this code is known not to be recorded (3.11).
    pub(crate) fn is_foreign(&self, code: usize) -> bool {
        self.foreign.contains_key(&code)
    }

    /// Remembers code that is not recorded (3.11), as long as there is room.
    pub(crate) fn add_foreign(&mut self, code: Py<PyAny>) {
        if self.foreign.len() < MAX_CODES {
            self.foreign.insert(code.as_ptr() as usize, code);
        }
    }

    /// Puts code under recording.
    pub(crate) fn add_code(&mut self, new: NewCode) -> Option<CodeFacts> {
        if self.codes.len() >= MAX_CODES {
            return None;
        }
        let function = self.function(new.module, &new.qualname, &new.file, new.line, new.kind);
        let facts = CodeFacts {
            module: self.functions[function as usize].module,
            function,
            is_resumable: new.kind != FunctionKindCode::Plain,
            is_root: new.is_root,
            is_entry_point: new.is_entry_point,
            may_wrap: new.wrappers.is_some(),
            first_instruction: new.first_instruction,
            suspended: Box::leak(Box::default()),
        };
        let NewCode { arguments, wrappers, code, .. } = new;
        let address = code.as_ptr() as usize;
        let known =
            KnownCode { facts, arguments: Arc::new(arguments), wrappers, wraps_statements: false, _object: code };
        self.codes.insert(address, known);
        Some(facts)
    }

    /// Returns the id of a function.
    pub(crate) fn function(
        &mut self,
        module: String,
        qualname: &str,
        file: &str,
        line: u32,
        kind: FunctionKindCode,
    ) -> u32 {
        let module = if let Some(id) = self.modules.iter().position(|name| *name == module) {
            id as u32
        } else {
            let id = self.modules.len() as u32;
            self.modules.push(module.clone());
            self.buffer.put(&Record::Module { id, name: module });
            id
        };
        // A function that is defined anew on each call of another has a code object in common; one that is compiled
        // anew (`exec`) has not, but is the same function for us.
        let same = |f: &KnownFunction| {
            f.module == module && f.line == line && f.kind == kind && f.qualname == qualname && f.file == file
        };
        let function = self.functions.iter().position(same).unwrap_or_else(|| {
            self.functions.push(KnownFunction {
                module,
                qualname: qualname.to_owned(),
                file: file.to_owned(),
                line,
                kind,
                calls: 0,
                calls_written: 0,
                is_written: false,
                is_made: false,
            });
            self.functions.len() - 1
        });
        function as u32
    }

    /// Returns the facts of the framework's function that stands for a root call which is no coroutine.
    pub(crate) fn root_function(&mut self, name: &str) -> CodeFacts {
        let function = self.function(FRAMEWORK_NAME.to_owned(), name, "", 0, FunctionKindCode::Plain);
        CodeFacts {
            module: FRAMEWORK,
            function,
            is_resumable: false,
            is_root: true,
            is_entry_point: false,
            may_wrap: false,
            first_instruction: 0,
            suspended: &NEVER_SUSPENDED,
        }
    }

    /// Appends the name of a server that takes a request, once.
    pub(crate) fn put_server(&mut self, name: &str) {
        if !self.servers.iter().any(|known| known == name) {
            self.servers.push(name.to_owned());
            self.buffer.put(&Record::Server { name: name.to_owned() });
        }
        if self.limits_written != self.limits {
            self.put_limits();
        }
    }

    /// Notes a limit; the largest one counts, as a server may run inside another one.
    pub(crate) fn note_limit(&mut self, limit: LimitCode, count: u32) {
        let known = &mut self.limits[limit as usize];
        *known = (*known).max(Some(count));
    }

    /// Appends the limits that changed.
    fn put_limits(&mut self) {
        for &limit in LimitCode::ALL {
            let (known, written) = (self.limits[limit as usize], &mut self.limits_written[limit as usize]);
            if let Some(count) = known
                && *written != known
            {
                *written = known;
                self.buffer.put(&Record::Limit { limit, count });
            }
        }
    }

    /// Returns the arguments of a code.
    pub(crate) fn arguments_of(&self, code: usize) -> Option<Arc<Arguments>> {
        self.codes.get(&code).map(|code| Arc::clone(&code.arguments))
    }

    /// Returns the functions that a code may stand for.
    pub(crate) fn wrappers(&mut self, code: usize) -> Option<&mut Wrappers> {
        self.codes.get_mut(&code)?.wrappers.as_mut()
    }

    /// Notes that a code stands for no other function.
    pub(crate) fn wraps_nothing(&mut self, code: usize) {
        if let Some(code) = self.codes.get_mut(&code) {
            (code.facts.may_wrap, code.wrappers) = (false, None);
        }
    }

    /// Notes code that runs where a library executes a statement that others have issued.
    pub(crate) fn note_wrapper_of_statements(&mut self, code: usize) {
        if let Some(code) = self.codes.get_mut(&code) {
            self.wrappers_of_statements += u32::from(!std::mem::replace(&mut code.wraps_statements, true));
        }
    }

    /// Returns true for such code.
    pub(crate) fn wraps_statements(&self, code: usize) -> bool {
        self.codes.get(&code).is_some_and(|code| code.wraps_statements)
    }

    /// Returns true when there is such code.
    pub(crate) fn has_wrappers_of_statements(&self) -> bool {
        self.wrappers_of_statements > 0
    }

    /// Returns the source file of a code of the app.
    pub(crate) fn file_of(&self, code: usize) -> Option<String> {
        let facts = self.codes.get(&code)?.facts;
        (facts.module != FRAMEWORK).then(|| self.functions[facts.function as usize].file.clone())
    }

    /// Returns the number of a shape, and appends its definition when it is new.
    pub(crate) fn shape_id(&mut self, skeleton: String) -> u32 {
        if let Some(id) = self.shapes.get(&skeleton) {
            return *id;
        }
        let is_too_much = skeleton.len() > MAX_SHAPE_BYTES || self.shapes_bytes + skeleton.len() > MAX_SHAPES_BYTES;
        let cut = "\"cut\"";
        if is_too_much && skeleton != cut {
            return self.shape_id(cut.to_owned());
        }
        self.shapes_bytes += skeleton.len();
        let id = self.shapes.len() as u32 + 1;
        self.buffer.put(&Record::Shape { id, skeleton: skeleton.clone() });
        self.shapes.insert(skeleton, id);
        id
    }

    /// Returns a number for an endpoint, by which its calls are sampled apart from those of others.
    pub(crate) fn endpoint_id(&mut self, name: &str) -> u32 {
        if self.endpoints.len() >= MAX_ENDPOINTS {
            return self.endpoints.get(name).copied().unwrap_or(0);
        }
        let next = self.endpoints.len() as u32 + 1;
        *self.endpoints.entry(name.to_owned()).or_insert(next)
    }

    /// Counts a call, and returns true when its payload is to be sampled.
    pub(crate) fn count(&mut self, from: Option<Origin>, facts: CodeFacts) -> bool {
        self.functions[facts.function as usize].calls += 1;
        if facts.module == FRAMEWORK || self.is_full {
            return false;
        }
        let (module, endpoint) = from.map_or((FRAMEWORK, 0), |o| (o.module, o.endpoint));
        let key = (module, facts.function, endpoint);
        if self.samples.len() >= MAX_SAMPLE_KEYS && !self.samples.contains_key(&key) {
            return false;
        }
        let calls = self.samples.entry(key).or_default();
        *calls = calls.saturating_add(1);
        *calls <= FIRST_SAMPLES || calls.is_multiple_of((1 << calls.ilog2()) / SAMPLES_PER_DOUBLING)
    }

    /// Appends the definition of a function, once.
    pub(crate) fn put_function(&mut self, id: u32) {
        let function = &mut self.functions[id as usize];
        if !std::mem::replace(&mut function.is_written, true) {
            let record = Record::Function {
                id,
                module: function.module,
                qualname: function.qualname.clone(),
                file: function.file.clone(),
                line: function.line,
                kind: function.kind,
                is_unnamed: is_unnamed(function, &self.modules),
                is_made: function.is_made,
            };
            self.buffer.put(&record);
        }
    }

    /// Says, once, that calls of greenlets may stand below the wrong caller.
    pub(crate) fn note_greenlets(&mut self) {
        if !std::mem::replace(&mut self.has_turns, true) {
            let message = "greenlets took turns on a thread: their calls may stand below the wrong caller".to_owned();
            self.buffer.put(&Record::Trouble { message });
        }
    }

    /// Appends a record that a full log does not take.
    pub(crate) fn put_call(&mut self, record: &Record) {
        if self.is_full {
            return;
        }
        if !self.buffer.has_room() {
            self.is_full = true;
            let message = "the log is full: calls are only counted from here on".to_owned();
            self.buffer.put(&Record::Trouble { message });
            return;
        }
        self.buffer.put(record);
    }
}
