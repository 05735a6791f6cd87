//! What the recorder knows: the process's part, behind one lock, and each thread's stack of open calls.
//!
//! Here is the process's part. `stack` is the thread's, `call` what an event does to both.
//!
//! Order of locks: the file, then [`Shared`], then the thread's own state. No Python code runs, and no Python object
//! is dropped, while [`Shared`] is held: another thread could want it while it holds the GIL.

mod call;
mod stack;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use splitcost_recording::log::Record;

pub(crate) use self::call::{Outcome, begin_test, end_test, enter, leave, resume, root, root_done, suspend};
use self::stack::Suspended;
pub(crate) use self::stack::{Origin, forget_thread, origin_here, pop_to, push_marker, thrown_at};
use crate::owner::Packages;
use crate::sink::Sink;

/// Module id of framework and server code, and of markers on a stack, which are never a callee's.
pub(crate) const FRAMEWORK: u32 = 0;

/// Payloads sampled first, per caller, function and endpoint.
///
/// Chosen: enough for a distribution of sizes at once.
const FIRST_SAMPLES: u32 = 32;
/// Afterwards one call in this many.
///
/// Chosen: a walk of 5 µs then costs 80 ns a call.
const SAMPLE_EVERY: u32 = 64;
/// Bounds on what the recorder remembers.
///
/// Chosen: far above what a program has, far below what a machine has.
const MAX_SHAPES: usize = 20_000;
const MAX_CODES: usize = 300_000;
const MAX_SUSPENDED: usize = 2_000_000;
const MAX_DEPTH: usize = 200_000;
const MAX_NAMES: usize = 300_000;
const MAX_SAMPLE_KEYS: usize = 200_000;

/// The process's part.
pub(crate) type Shared = Option<Recorder>;

static SHARED: Mutex<Shared> = Mutex::new(None);

/// Takes the lock on the process's part.
pub(crate) fn lock() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the process has recorded and is recording.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) sink: Sink,
    pub(crate) packages: Packages,
    python_version: String,
    mode: String,
    /// Grows with each fork: what was handed on by the parent means nothing here.
    pub(crate) epoch: u32,
    next_call: u64,
    next_request: u64,
    modules: Vec<String>,
    functions: Vec<Function>,
    codes: FxHashMap<usize, Code>,
    /// Code of others, on 3.11 where events cannot be switched off.
    foreign: FxHashMap<usize, Py<PyAny>>,
    /// Identifiers that the app's source spells out: these, as dictionary keys, are field names and not data.
    names: FxHashSet<String>,
    endpoints: FxHashMap<String, u32>,
    shapes: FxHashMap<String, u32>,
    samples: FxHashMap<(u32, u32, u32), u32>,
    suspended: FxHashMap<usize, Suspended>,
    is_full: bool,
}

/// A function that may be called across a boundary.
struct Function {
    module: u32,
    qualname: String,
    file: String,
    line: u32,
    kind: u8,
    calls: u64,
    calls_written: u64,
    is_written: bool,
}

/// A code object under recording.
struct Code {
    seen: Seen,
    arguments: Arc<[String]>,
    /// Keeps the address taken.
    _object: Py<PyAny>,
}

/// What an event needs to know of its code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) module: u32,
    pub(crate) function: u32,
    /// A coroutine or generator: its calls are told apart by frame.
    pub(crate) is_resumable: bool,
    /// The ASGI entry: each call is a request.
    pub(crate) is_root: bool,
    /// Calls of it now suspended.
    suspended: u32,
    /// 3.11 only: where the code starts, as `f_lasti` has it.
    pub(crate) first_instruction: u32,
}

/// A code object to be recorded.
pub(crate) struct NewCode {
    pub(crate) code: Py<PyAny>,
    pub(crate) module: String,
    pub(crate) qualname: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) kind: u8,
    pub(crate) arguments: Vec<String>,
    pub(crate) is_root: bool,
    pub(crate) first_instruction: u32,
}

impl Recorder {
    /// A recorder that has written nothing yet but who it is.
    pub(crate) fn new(sink: Sink, packages: Packages, python_version: String, mode: &str) -> Self {
        let mut recorder = Self {
            sink,
            packages,
            python_version,
            mode: mode.to_owned(),
            modules: vec!["(framework)".to_owned()],
            ..Self::default()
        };
        recorder.put_head();
        recorder
    }

    fn put_head(&mut self) {
        self.sink.put(&Record::Process {
            pid: std::process::id(),
            python_version: self.python_version.clone(),
            mode: self.mode.clone(),
        });
        for (id, name) in self.modules.iter().enumerate() {
            self.sink.put(&Record::Module { id: id as u32, name: name.clone() });
        }
    }

    /// After a fork: the same knowledge, an empty log, nothing open.
    pub(crate) fn begin_anew(&mut self) {
        self.sink = self.sink.anew();
        self.epoch += 1;
        self.is_full = false;
        // Samples in there hold Python objects: they are let go by whoever takes them, not under the lock.
        std::mem::forget(std::mem::take(&mut self.suspended));
        for code in self.codes.values_mut() {
            code.seen.suspended = 0;
        }
        for function in &mut self.functions {
            (function.calls, function.calls_written, function.is_written) = (0, 0, false);
        }
        self.put_head();
        for (skeleton, id) in &self.shapes {
            self.sink.put(&Record::Shape { id: *id, skeleton: skeleton.clone() });
        }
    }

    /// Appends the counts that changed.
    pub(crate) fn put_counts(&mut self) {
        for (id, function) in self.functions.iter_mut().enumerate() {
            // A call whose arguments are being looked at is counted but not begun: its function comes first.
            if function.is_written && function.calls != function.calls_written {
                function.calls_written = function.calls;
                self.sink.put(&Record::Count { function: id as u32, calls: function.calls });
            }
        }
    }

    /// Whether this code is under recording.
    pub(crate) fn seen(&self, code: usize) -> Option<Seen> {
        self.codes.get(&code).map(|code| code.seen)
    }

    /// Whether this code is known to be of no interest (3.11).
    pub(crate) fn is_foreign(&self, code: usize) -> bool {
        self.foreign.contains_key(&code)
    }

    /// Remembers code of no interest (3.11), as long as there is room.
    pub(crate) fn add_foreign(&mut self, code: Py<PyAny>) {
        if self.foreign.len() < MAX_CODES {
            self.foreign.insert(code.as_ptr() as usize, code);
        }
    }

    /// Puts code under recording.
    pub(crate) fn add_code(&mut self, new: NewCode) -> Option<Seen> {
        if self.codes.len() >= MAX_CODES {
            return None;
        }
        let module = if let Some(id) = self.modules.iter().position(|name| *name == new.module) {
            id as u32
        } else {
            let id = self.modules.len() as u32;
            self.modules.push(new.module.clone());
            self.sink.put(&Record::Module { id, name: new.module });
            id
        };
        // A function that is defined anew on each call of another has a code object in common; one that is compiled
        // anew (`exec`) has not, but is the same function for us.
        let same =
            |f: &Function| f.module == module && f.line == new.line && f.qualname == new.qualname && f.file == new.file;
        let function = self.functions.iter().position(same).unwrap_or_else(|| {
            self.functions.push(Function {
                module,
                qualname: new.qualname.clone(),
                file: new.file.clone(),
                line: new.line,
                kind: new.kind,
                calls: 0,
                calls_written: 0,
                is_written: false,
            });
            self.functions.len() - 1
        });
        let seen = Seen {
            module,
            function: function as u32,
            is_resumable: new.kind != 0,
            is_root: new.is_root,
            suspended: 0,
            first_instruction: new.first_instruction,
        };
        let address = new.code.as_ptr() as usize;
        self.codes.insert(address, Code { seen, arguments: new.arguments.into(), _object: new.code });
        Some(seen)
    }

    /// Learns identifiers that the app's source spells out.
    pub(crate) fn add_names(&mut self, names: Vec<String>) {
        for name in names {
            if self.names.len() < MAX_NAMES {
                self.names.insert(name);
            }
        }
    }

    /// Whether a dictionary key is a field name, not data.
    pub(crate) fn is_field_name(&self, key: &str) -> bool {
        self.names.contains(key)
    }

    /// Names of a code's arguments.
    pub(crate) fn arguments_of(&self, code: usize) -> Option<Arc<[String]>> {
        self.codes.get(&code).map(|code| Arc::clone(&code.arguments))
    }

    /// Source file of a code under recording, and its module.
    pub(crate) fn file_of(&self, code: usize) -> Option<String> {
        let seen = self.codes.get(&code)?.seen;
        (seen.module != FRAMEWORK).then(|| self.functions[seen.function as usize].file.clone())
    }

    fn shape_id(&mut self, skeleton: String) -> u32 {
        if let Some(id) = self.shapes.get(&skeleton) {
            return *id;
        }
        if self.shapes.len() >= MAX_SHAPES {
            let cut = "\"cut\"".to_owned();
            if skeleton != cut {
                return self.shape_id(cut);
            }
        }
        let id = self.shapes.len() as u32 + 1;
        self.sink.put(&Record::Shape { id, skeleton: skeleton.clone() });
        self.shapes.insert(skeleton, id);
        id
    }

    fn endpoint_id(&mut self, name: &str) -> u32 {
        let next = self.endpoints.len() as u32 + 1;
        *self.endpoints.entry(name.to_owned()).or_insert(next)
    }

    /// Counts a call and says whether its payload is to be looked at.
    fn count(&mut self, from: Option<Origin>, seen: Seen) -> bool {
        self.functions[seen.function as usize].calls += 1;
        if seen.module == FRAMEWORK || self.is_full {
            return false;
        }
        let (module, endpoint) = from.map_or((FRAMEWORK, 0), |o| (o.module, o.endpoint));
        let key = (module, seen.function, endpoint);
        if self.samples.len() >= MAX_SAMPLE_KEYS && !self.samples.contains_key(&key) {
            return false;
        }
        let calls = self.samples.entry(key).or_default();
        *calls = calls.wrapping_add(1);
        *calls <= FIRST_SAMPLES || calls.is_multiple_of(SAMPLE_EVERY)
    }

    fn put_function(&mut self, id: u32) {
        let function = &mut self.functions[id as usize];
        if !std::mem::replace(&mut function.is_written, true) {
            let record = Record::Function {
                id,
                module: function.module,
                qualname: function.qualname.clone(),
                file: function.file.clone(),
                line: function.line,
                kind: function.kind,
            };
            self.sink.put(&record);
        }
    }

    /// Appends what a full log takes no more of.
    fn put_call(&mut self, record: &Record) {
        if self.is_full {
            return;
        }
        if !self.sink.has_room() {
            self.is_full = true;
            let message = "the log is full: calls are only counted from here on".to_owned();
            self.sink.put(&Record::Trouble { message });
            return;
        }
        self.sink.put(record);
    }
}
