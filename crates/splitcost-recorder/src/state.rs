//! What the recorder knows: the process's part, behind one lock, and each thread's stack of open calls.
//!
//! Order of locks: the file, then [`Shared`], then the thread's own state. No Python code runs, and no Python object
//! is dropped, while [`Shared`] is held: another thread could want it while it holds the GIL.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use splitcost_recording::log::Record;

use crate::clock::{self, Instant, ThreadClock};
use crate::owner::Packages;
use crate::payload::Sample;
use crate::sink::Sink;

/// Module id of framework and server code, and of markers on a stack, which are never a callee's.
pub(crate) const FRAMEWORK: u32 = 0;
/// Owner of a [`Kind::Handed`] or [`Kind::Loop`] marker: no function has it.
const NO_MODULE: u32 = u32::MAX;

/// How a call was begun, as the log numbers it.
const VIA_INLINE: u8 = 0;
const VIA_TASK: u8 = 1;
const VIA_THREAD: u8 = 2;

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
static NEXT_THREAD: AtomicU32 = AtomicU32::new(1);

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

/// An open call or a marker on a thread's stack.
struct Open {
    kind: Kind,
    call: u64,
    request: u64,
    endpoint: u32,
    module: u32,
    function: u32,
    /// Address of the code object, 0 for markers and tests.
    code: usize,
    /// Address of the frame object, 0 unless resumable.
    frame: usize,
    /// Calls of the same plain code below it, inside the module.
    recursion: u32,
    /// 3.11 only: where an exception was thrown into it.
    thrown_at: i32,
    sample: Option<Box<Sample>>,
}

enum Kind {
    /// A call in a request.
    Call,
    /// A call outside every request: a request of its own.
    Own,
    /// The ASGI entry or a test; endpoint and status are told before it ends.
    Root(Box<(String, u16)>),
    /// Work handed over to this thread.
    Handed,
    /// An event loop runs on top of it.
    Loop,
}

/// A call that is not on any thread, and what a greenlet held above it.
struct Suspended {
    open: Open,
    above: Vec<Open>,
    since: Instant,
}

/// Request and call on whose behalf something runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) request: u64,
    pub(crate) call: u64,
    pub(crate) module: u32,
    pub(crate) endpoint: u32,
}

/// A thread's part.
struct Thread {
    number: u32,
    clock: ThreadClock,
    stack: Vec<Open>,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::new(Thread {
        number: NEXT_THREAD.fetch_add(1, Ordering::Relaxed),
        clock: ThreadClock::default(),
        stack: Vec::new(),
    });
}

/// What an event came to.
pub(crate) enum Outcome {
    /// Done.
    Done,
    /// Done, and the caller must flush.
    Flush,
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

    /// Begins a call: allots its numbers and writes it down.
    fn begin(&mut self, thread: &mut Thread, start: Start, sample: Option<Box<Sample>>) -> Result<(), &'static str> {
        if thread.stack.len() >= MAX_DEPTH {
            return Err("too many calls are open on one thread");
        }
        let Start { seen, code, frame, from, via, kind } = start;
        if let Some(stale) = self.suspended.remove(&frame) {
            // CPython 3.13 drops a suspended coroutine without an event; a new frame now has its address.
            self.drop_suspended(stale);
        }
        let now = thread.clock.now(is_idle(&thread.stack));
        self.put_function(seen.function);
        self.next_call += 1;
        let call = self.next_call;
        let from = if let Some(from) = from {
            from
        } else {
            self.next_request += 1;
            let process_cpu = clock::process_cpu();
            self.put_call(&Record::RequestStart { request: self.next_request, wall: now.wall, process_cpu });
            Origin { request: self.next_request, call: 0, module: FRAMEWORK, endpoint: 0 }
        };
        self.put_call(&Record::Enter {
            call,
            parent: from.call,
            request: from.request,
            function: seen.function,
            via,
            thread: thread.number,
            wall: now.wall,
            cpu: now.cpu,
        });
        thread.stack.push(Open {
            kind,
            call,
            request: from.request,
            endpoint: from.endpoint,
            module: seen.module,
            function: seen.function,
            code,
            frame,
            recursion: 0,
            thrown_at: -1,
            sample,
        });
        Ok(())
    }

    /// Writes down the end of a call.
    fn end(&mut self, open: &Open, now: Instant, exception: &str) {
        self.put_call(&Record::Leave {
            call: open.call,
            wall: now.wall,
            cpu: now.cpu,
            exception: exception.to_owned(),
        });
        let (endpoint, status) = match &open.kind {
            Kind::Own => {
                let function = &self.functions[open.function as usize];
                (format!("{}:{}", self.modules[function.module as usize], function.qualname), 0)
            }
            Kind::Root(told) => (*told).as_ref().clone(),
            _ => return,
        };
        self.put_call(&Record::RequestEnd {
            request: open.request,
            wall: now.wall,
            process_cpu: clock::process_cpu(),
            status,
            endpoint,
        });
    }

    /// Ends a call that was suspended and never came back.
    fn drop_suspended(&mut self, stale: Suspended) {
        for above in stale.above.iter().rev() {
            self.end(above, stale.since, "GeneratorExit");
        }
        self.end(&stale.open, stale.since, "GeneratorExit");
        if let Some(code) = self.codes.get_mut(&stale.open.code) {
            code.seen.suspended = code.seen.suspended.saturating_sub(1);
        }
        // Its sample may hold the last reference to an object: not to be let go under the lock.
        std::mem::forget(stale);
    }

    fn put_payloads(&mut self, call: u64, sample: &mut Sample) {
        for payload in std::mem::take(&mut sample.payloads) {
            let shape = self.shape_id(payload.skeleton);
            self.put_call(&Record::Payload {
                call,
                result: payload.is_result,
                shape,
                encoded_bytes: payload.encoded_bytes,
                nodes: payload.nodes,
                class: payload.class,
                path: payload.path,
                file: sample.file.clone(),
                line: sample.line,
            });
        }
    }
}

/// A call about to begin.
struct Start {
    seen: Seen,
    code: usize,
    frame: usize,
    from: Option<Origin>,
    via: u8,
    kind: Kind,
}

/// Whether the thread may have been idle, or busy for others, since it was last heard of.
fn is_idle(stack: &[Open]) -> bool {
    stack.last().is_none_or(|top| matches!(top.kind, Kind::Handed | Kind::Loop))
}

/// Runs `f` on the recorder and this thread; `None` when recording is over, or the thread is.
fn with<R>(f: impl FnOnce(&mut Recorder, &mut Thread) -> R) -> Option<R> {
    let mut shared = lock();
    let recorder = shared.as_mut()?;
    THREAD.try_with(|thread| f(recorder, &mut thread.borrow_mut())).ok()
}

/// What a starting call is to the calls open on its thread.
enum Relation {
    /// Inside its module.
    Inside,
    /// Called by an open call, or on its behalf.
    From(Origin, u8),
    /// The context knows; this is for when it does not.
    Ask(Option<Origin>),
}

fn relation(thread: &mut Thread, seen: Seen, code: usize) -> Relation {
    let Some(top) = thread.stack.last_mut() else { return Relation::Ask(None) };
    if top.module == seen.module && !seen.is_root {
        if top.code == code && !seen.is_resumable {
            top.recursion += 1;
        }
        return Relation::Inside;
    }
    let origin = Origin { request: top.request, call: top.call, module: top.module, endpoint: top.endpoint };
    match top.kind {
        Kind::Handed => Relation::From(origin, VIA_THREAD),
        Kind::Loop => Relation::Ask((top.request != 0).then_some(origin)),
        _ => Relation::From(origin, VIA_INLINE),
    }
}

/// A function starts. `frame` gives its frame object's address, `ask` the context's origin, `look` looks at its arguments.
pub(crate) fn enter(
    seen: Seen,
    code: usize,
    frame: impl FnOnce() -> usize,
    ask: impl FnOnce() -> PyResult<Option<Origin>>,
    look: impl FnOnce() -> PyResult<Sample>,
) -> PyResult<Outcome> {
    let related = THREAD.try_with(|thread| relation(&mut thread.borrow_mut(), seen, code));
    let (from, via) = match related {
        Ok(Relation::Inside) | Err(_) => return Ok(Outcome::Done),
        Ok(_) if seen.is_root => (None, VIA_INLINE),
        Ok(Relation::From(origin, via)) => (Some(origin), via),
        Ok(Relation::Ask(otherwise)) => match ask()? {
            Some(origin) => (Some(origin), VIA_TASK),
            None => (otherwise, VIA_INLINE),
        },
    };
    let kind = match from {
        None if seen.is_root => Kind::Root(Box::default()),
        None => Kind::Own,
        Some(_) => Kind::Call,
    };
    let frame = if seen.is_resumable { frame() } else { 0 };
    let mut start = Some(Start { seen, code, frame, from, via, kind });
    let first = with(|recorder, thread| {
        if recorder.count(from, seen) {
            return None;
        }
        let result = start.take().map_or(Ok(()), |start| recorder.begin(thread, start, None));
        Some(result.map(|()| recorder.sink.is_overdue()))
    });
    let overdue = match first {
        None => return Ok(Outcome::Done),
        Some(Some(result)) => result,
        Some(None) => {
            let before = clock::thread_cpu();
            let sample = look()?;
            with(|recorder, thread| {
                thread.clock.leave_out_since(before);
                let result = start.take().map_or(Ok(()), |start| recorder.begin(thread, start, Some(Box::new(sample))));
                result.map(|()| recorder.sink.is_overdue())
            })
            .unwrap_or(Ok(false))
        }
    };
    match overdue {
        Ok(true) => Ok(Outcome::Flush),
        Ok(false) => Ok(Outcome::Done),
        Err(message) => Err(pyo3::exceptions::PyRuntimeError::new_err(message)),
    }
}

/// Position on the stack of the call that runs this code (and frame), with what is to be said of it.
fn position(stack: &[Open], seen: Seen, code: usize, frame: impl FnOnce() -> usize) -> Option<usize> {
    if !seen.is_resumable {
        return (stack.last()?.code == code).then(|| stack.len() - 1);
    }
    // Above a coroutine there may be calls of a greenlet that it waits for (SQLAlchemy's asyncio does so).
    stack.iter().rev().find(|open| open.code == code)?;
    let frame = frame();
    stack.iter().rposition(|open| open.frame == frame && open.code == code)
}

/// A function ends, with this type of exception if it does. `look` looks at the result of a sampled call.
pub(crate) fn leave(
    seen: Seen,
    code: usize,
    frame: impl FnOnce() -> usize,
    exception: impl FnOnce() -> String,
    look: impl FnOnce(&mut Sample) -> PyResult<()>,
) -> PyResult<Outcome> {
    let found = THREAD.try_with(|thread| {
        let thread = &mut *thread.borrow_mut();
        let at = position(&thread.stack, seen, code, frame)?;
        if thread.stack[at].recursion > 0 {
            thread.stack[at].recursion -= 1;
            return None;
        }
        let ended = thread.stack.split_off(at);
        Some((ended, thread.clock.now(false)))
    });
    let Ok(Some((mut ended, now))) = found else { return Ok(Outcome::Done) };
    let exception = exception();
    let mut before = None;
    if let Some(sample) = ended[0].sample.as_mut() {
        before = Some(clock::thread_cpu());
        look(sample)?;
    }
    let overdue = with(|recorder, thread| {
        for abandoned in ended[1..].iter().rev() {
            recorder.end(abandoned, now, "GreenletExit");
        }
        let open = &mut ended[0];
        if let Some(mut sample) = open.sample.take() {
            recorder.put_payloads(open.call, &mut sample);
            open.sample = Some(sample);
        }
        recorder.end(open, now, &exception);
        if let Some(before) = before {
            thread.clock.leave_out_since(before);
        }
        recorder.sink.is_overdue()
    });
    drop(ended);
    Ok(if overdue == Some(true) { Outcome::Flush } else { Outcome::Done })
}

/// A coroutine or generator is suspended.
pub(crate) fn suspend(seen: Seen, code: usize, frame: impl FnOnce() -> usize) -> Result<Outcome, &'static str> {
    if !seen.is_resumable {
        return Ok(Outcome::Done);
    }
    let done = with(|recorder, thread| {
        let Some(at) = position(&thread.stack, seen, code, frame) else { return Ok(false) };
        if recorder.suspended.len() >= MAX_SUSPENDED {
            return Err("too many calls are suspended");
        }
        let now = thread.clock.now(false);
        let above = thread.stack.split_off(at + 1);
        let Some(open) = thread.stack.pop() else { return Ok(false) };
        for open in above.iter().rev().chain([&open]) {
            recorder.put_call(&Record::Suspend { call: open.call, wall: now.wall, cpu: now.cpu });
        }
        if let Some(code) = recorder.codes.get_mut(&code) {
            code.seen.suspended += 1;
        }
        recorder.suspended.insert(open.frame, Suspended { open, above, since: now });
        Ok(recorder.sink.is_overdue())
    });
    Ok(if done.transpose()? == Some(true) { Outcome::Flush } else { Outcome::Done })
}

/// A coroutine or generator runs again; true when it is a call of ours. `thrown_at` is for 3.11.
pub(crate) fn resume(seen: Seen, code: usize, frame: impl FnOnce() -> usize, thrown_at: i32) -> bool {
    if seen.suspended == 0 {
        return false;
    }
    let frame = frame();
    let done = with(|recorder, thread| {
        if recorder.suspended.get(&frame).is_none_or(|s| s.open.code != code) {
            return false;
        }
        let Some(mut suspended) = recorder.suspended.remove(&frame) else { return false };
        if let Some(code) = recorder.codes.get_mut(&code) {
            code.seen.suspended = code.seen.suspended.saturating_sub(1);
        }
        let now = thread.clock.now(is_idle(&thread.stack));
        suspended.open.thrown_at = thrown_at;
        for open in std::iter::once(suspended.open).chain(suspended.above) {
            recorder.put_call(&Record::Resume { call: open.call, thread: thread.number, wall: now.wall, cpu: now.cpu });
            thread.stack.push(open);
        }
        true
    });
    done == Some(true)
}

/// 3.11 only: where an exception was thrown into the call that runs this frame.
pub(crate) fn thrown_at(frame: usize) -> i32 {
    let find = |thread: &RefCell<Thread>| {
        thread.borrow().stack.iter().rev().find(|open| open.frame == frame).map_or(-1, |open| open.thrown_at)
    };
    THREAD.try_with(find).unwrap_or(-1)
}

/// On whose behalf this thread runs, as far as its stack knows.
pub(crate) fn origin_here() -> Option<Origin> {
    let find = |thread: &RefCell<Thread>| {
        let thread = thread.borrow();
        let top = thread.stack.last().filter(|top| top.request != 0)?;
        // Under a running loop the context knows better.
        if matches!(top.kind, Kind::Loop) {
            return None;
        }
        let module = if matches!(top.kind, Kind::Handed) { NO_MODULE } else { top.module };
        Some(Origin { request: top.request, call: top.call, module, endpoint: top.endpoint })
    };
    THREAD.try_with(find).ok().flatten()
}

/// Puts a marker on the stack: what runs above it runs on behalf of `origin`. Gives the depth for [`pop_to`].
pub(crate) fn push_marker(origin: Option<Origin>, is_loop: bool) -> usize {
    let push = |thread: &RefCell<Thread>| {
        let stack = &mut thread.borrow_mut().stack;
        let depth = stack.len();
        let (request, call, endpoint) = origin.map_or((0, 0, 0), |o| (o.request, o.call, o.endpoint));
        stack.push(Open {
            kind: if is_loop { Kind::Loop } else { Kind::Handed },
            call,
            request,
            endpoint,
            module: NO_MODULE,
            function: 0,
            code: 0,
            frame: 0,
            recursion: 0,
            thrown_at: -1,
            sample: None,
        });
        depth
    };
    THREAD.try_with(push).unwrap_or(usize::MAX)
}

/// Takes a marker off the stack, and what an odd event left above it.
pub(crate) fn pop_to(depth: usize) {
    let gone = THREAD.try_with(|thread| {
        let stack = &mut thread.borrow_mut().stack;
        if depth < stack.len() { stack.split_off(depth) } else { Vec::new() }
    });
    drop(gone);
}

/// The request that the ASGI entry on top of the stack has begun, now that its endpoint may be known.
pub(crate) fn root(endpoint: Option<&str>) -> Option<Origin> {
    with(|recorder, thread| {
        let top = thread.stack.last_mut()?;
        if !matches!(top.kind, Kind::Root(_)) {
            return None;
        }
        top.endpoint = endpoint.map_or(0, |endpoint| recorder.endpoint_id(endpoint));
        Some(Origin { request: top.request, call: top.call, module: FRAMEWORK, endpoint: top.endpoint })
    })
    .flatten()
}

/// Tells how the request on top of the stack ends.
pub(crate) fn root_done(endpoint: String, status: u16) {
    // A thread that is ending has no requests.
    let _ = THREAD.try_with(|thread| {
        if let Some(Open { kind: Kind::Root(told), .. }) = thread.borrow_mut().stack.last_mut() {
            **told = (endpoint, status);
        }
    });
}

/// Begins a test: a request whose root call is the function `(test)` of the framework.
pub(crate) fn begin_test(seen: Seen, name: &str) -> Result<Option<Origin>, &'static str> {
    let begun = with(|recorder, thread| {
        recorder.count(None, seen);
        let kind = Kind::Root(Box::new((name.to_owned(), 0)));
        recorder.begin(thread, Start { seen, code: 0, frame: 0, from: None, via: VIA_INLINE, kind }, None)
    });
    begun.transpose()?;
    Ok(root(Some(name)))
}

/// Ends the test that runs on this thread.
pub(crate) fn end_test(exception: &str) {
    let gone = with(|recorder, thread| {
        let Some(at) = thread.stack.iter().rposition(|o| matches!(o.kind, Kind::Root(_)) && o.code == 0) else {
            return Vec::new();
        };
        let now = thread.clock.now(false);
        let gone = thread.stack.split_off(at);
        recorder.end(&gone[0], now, exception);
        gone
    });
    drop(gone);
}

/// After a fork, in the child: nothing is open here.
pub(crate) fn forget_thread() {
    let gone = THREAD.try_with(|thread| {
        let thread = &mut *thread.borrow_mut();
        thread.clock = ThreadClock::default();
        std::mem::take(&mut thread.stack)
    });
    // The samples in there belong to calls of the parent.
    std::mem::forget(gone);
}
