//! Calls and requests: the effects of an event on the state of the process and on its thread's shadow stack.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use splitcost_recording::clock::ThreadInstant;
use splitcost_recording::division::function_name;
use splitcost_recording::log::{MakesCode, Record, ViaCode};

use crate::clock;
use crate::code::ActiveFrame;
use crate::payload::Sample;
use crate::shadow_stack::{
    self, CodeFacts, EntryKind, Origin, RequestResult, StackEntry, Suspended, THREAD, ThreadState, is_idle, position,
};
use crate::state::{FRAMEWORK, MAX_DEPTH, MAX_SUSPENDED, Recorder, lock};
use crate::uncommitted;
use crate::writer::wake;

/// The work that an event leaves to its caller.
pub(crate) enum Outcome {
    /// Nothing.
    Done,
    /// The buffer must be flushed.
    Flush,
}

/// A call about to begin.
struct NewCall {
    facts: CodeFacts,
    code: usize,
    frame: usize,
    from: Option<Origin>,
    via: ViaCode,
    kind: EntryKind,
    /// Where it begins a request: one that may turn out to run what takes requests.
    is_command: bool,
}

impl Recorder {
    /// Begins a call: allots its numbers and writes it down.
    fn begin(
        &mut self,
        thread: &mut ThreadState,
        start: NewCall,
        sample: Option<Box<Sample>>,
    ) -> Result<(), &'static str> {
        if thread.stack.len() >= MAX_DEPTH {
            return Err("too many calls are open on one thread");
        }
        let NewCall { facts, code, frame, from, via, kind, is_command } = start;
        if frame != 0
            && let Some(stale) = self.suspended.remove(&frame)
        {
            // CPython 3.13 drops a suspended coroutine without an event; a new frame now has its address.
            self.drop_suspended(&stale);
        }
        let now = now(thread, is_idle(&thread.stack));
        self.put_function(facts.function);
        self.next_call += 1;
        let call = self.next_call;
        let from = if let Some(from) = from {
            from
        } else {
            self.next_request += 1;
            let request = self.next_request;
            if is_command {
                self.commands.insert(request);
            } else {
                self.leave_out_commands(&thread.stack, now.wall);
            }
            let process_cpu = clock::process_cpu();
            let left_out = clock::left_out();
            self.put_call(&Record::RequestStart { request, wall: now.wall, process_cpu, left_out });
            Origin { request, is_command, call: 0, module: FRAMEWORK, endpoint: 0 }
        };
        self.put_call(&Record::Enter {
            call,
            parent: from.call,
            request: from.request,
            function: facts.function,
            via,
            thread: thread.number,
            wall: now.wall,
            cpu: now.cpu,
        });
        thread.stack.push(StackEntry {
            kind,
            call,
            request: from.request,
            is_command: from.is_command,
            endpoint: from.endpoint,
            module: facts.module,
            function: facts.function,
            code,
            frame,
            recursion: 0,
            thrown_at: -1,
            is_thrown_through: false,
            site: 0,
            sample,
        });
        Ok(())
    }

    /// Notes that a request of a known kind begins: commands that run it are no requests. Those are the ones below it on
    /// its thread; when it is the first of the process, also those that wait, or run other threads, meanwhile.
    fn leave_out_commands(&mut self, stack: &[StackEntry], wall: u64) {
        let below = stack.iter().filter(|open| open.is_command).map(|open| open.request);
        let mut left_out: Vec<u64> = below.filter(|request| self.commands.contains(request)).collect();
        if !std::mem::replace(&mut self.has_requests, true) {
            left_out = self.commands.iter().copied().collect();
        }
        left_out.sort_unstable();
        for request in left_out {
            if self.commands.remove(&request) {
                self.put_request_end(request, wall, &RequestResult::default());
            }
        }
    }

    fn put_request_end(&mut self, request: u64, wall: u64, result: &RequestResult) {
        if let Some(handler) = result.handler {
            self.put_function(handler);
        }
        self.put_call(&Record::RequestEnd {
            request,
            wall,
            process_cpu: clock::process_cpu(),
            left_out: clock::left_out(),
            status: result.status,
            handler: result.handler,
            endpoint: result.endpoint.clone(),
        });
    }

    /// Writes down the end of a call.
    fn end(&mut self, open: &StackEntry, now: ThreadInstant, exception: &str) {
        self.put_call(&Record::Leave {
            call: open.call,
            wall: now.wall,
            cpu: now.cpu,
            exception: exception.to_owned(),
        });
        let result = match &open.kind {
            EntryKind::Own => {
                let function = &self.functions[open.function as usize];
                let endpoint = function_name(&self.modules[function.module as usize], &function.qualname);
                RequestResult { endpoint, status: 0, handler: Some(open.function) }
            }
            EntryKind::Root(result) => (*result).as_ref().clone(),
            _ => return,
        };
        // A command that was left out has its end already.
        if !open.is_command || self.commands.remove(&open.request) {
            self.put_request_end(open.request, now.wall, &result);
        }
    }

    /// Ends a call that was suspended and never came back.
    fn drop_suspended(&mut self, stale: &Suspended) {
        for above in stale.above.iter().rev() {
            self.end(above, stale.since, "GeneratorExit");
        }
        self.end(&stale.open, stale.since, "GeneratorExit");
        self.count_suspended(stale.open.code, -1);
    }

    fn put_payloads(&mut self, call: u64, sample: &mut Sample) {
        for mut payload in std::mem::take(&mut sample.payloads) {
            let shape = self.shape_id(std::mem::take(&mut payload.skeleton));
            self.put_call(&payload.into_record(call, shape, sample.file.clone(), sample.line));
        }
    }
}

/// Runs `f` on the recorder and this thread; `None` when recording has not begun, or when the thread is ending.
fn with<R>(f: impl FnOnce(&mut Recorder, &mut ThreadState) -> R) -> Option<R> {
    let mut shared = lock();
    let recorder = shared.as_mut()?;
    THREAD.try_with(|thread| f(recorder, &mut thread.borrow_mut())).ok()
}

/// Reads the thread's clocks.
fn now(thread: &mut ThreadState, may_have_idled: bool) -> ThreadInstant {
    thread.clock.at(clock::monotonic(), may_have_idled, clock::thread_cpu)
}

/// Wakes the flushing thread when there is much to write; returns true when the caller must flush by itself.
fn is_overdue(recorder: &mut Recorder) -> bool {
    if recorder.buffer.is_to_be_announced() {
        // Without a thread that flushes, the app's thread flushes when the buffer is overdue.
        let _ = wake();
    }
    recorder.buffer.is_overdue()
}

/// The relation of a starting call to the calls that are open on its thread.
enum Relation {
    /// Inside its module.
    Inside,
    /// Called by an open call, or on its behalf.
    From(Origin, ViaCode),
    /// The context knows; this is for when it does not.
    Ask(Option<Origin>),
}

fn relation(thread: &mut ThreadState, facts: CodeFacts, code: usize) -> Relation {
    let Some(top) = thread.stack.last_mut() else { return Relation::Ask(None) };
    if top.contains(facts, code) {
        return Relation::Inside;
    }
    let origin = top.origin();
    match top.kind {
        EntryKind::Handed => Relation::From(origin, ViaCode::Thread),
        EntryKind::Loop => Relation::Ask((top.request != 0).then_some(origin)),
        _ => Relation::From(origin, ViaCode::Inline),
    }
}

/// An event of code under recording.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Start,
    Return,
    Yield,
    Resume,
    Unwind,
}

impl Event {
    pub(crate) const ALL: [Self; 5] = [Self::Start, Self::Return, Self::Yield, Self::Resume, Self::Unwind];
    pub(crate) const COUNT: usize = Self::ALL.len();
}

/// Settles an event that is no news: one of code that runs inside a call of its own module. Returns false for any other,
/// and where this thread alone cannot tell.
pub(crate) fn pass(event: Event, code: usize) -> bool {
    let passed = THREAD.try_with(|thread| {
        let thread = &mut *thread.borrow_mut();
        let (Some(facts), Some(top)) = (thread.codes.get(code), thread.stack.last_mut()) else { return false };
        if top.is_thrown_through {
            return false;
        }
        match event {
            Event::Start => !facts.may_wrap && top.contains(facts, code),
            Event::Resume => !facts.has_suspended_calls(),
            Event::Return | Event::Unwind if !facts.is_resumable && top.code == code => {
                let is_inner = top.recursion > 0 && !shadow_stack::has_greenlets();
                top.recursion -= u32::from(is_inner);
                is_inner
            }
            Event::Return | Event::Unwind | Event::Yield => thread.stack.iter().all(|open| open.code != code),
        }
    });
    passed.unwrap_or(false)
}

/// Notes that a function starts. `frame` returns the address of its frame object, `ask` the origin in its context, and
/// `look` samples its arguments.
pub(crate) fn enter(
    facts: CodeFacts,
    code: usize,
    frame: impl FnOnce() -> usize,
    ask: impl FnOnce() -> PyResult<Option<Origin>>,
    look: impl FnOnce() -> PyResult<Sample>,
) -> PyResult<Outcome> {
    let related = THREAD.try_with(|thread| relation(&mut thread.borrow_mut(), facts, code));
    let (from, via) = match related {
        Ok(Relation::Inside) | Err(_) => return Ok(Outcome::Done),
        Ok(_) if facts.is_root => (None, ViaCode::Inline),
        Ok(Relation::From(origin, _)) if facts.is_entry_point && origin.is_command => (None, ViaCode::Inline),
        Ok(Relation::From(origin, via)) => (Some(origin), via),
        Ok(Relation::Ask(otherwise)) => match (ask()?, otherwise) {
            (Some(origin), _) | (None, Some(origin)) if facts.is_entry_point && origin.is_command => {
                (None, ViaCode::Inline)
            }
            (Some(origin), _) => (Some(origin), ViaCode::Task),
            (None, otherwise) => (otherwise, ViaCode::Inline),
        },
    };
    if let Some(origin) = from {
        uncommitted::look(origin.request, origin.call, true)?;
    }
    let kind = match from {
        None if facts.is_root => EntryKind::Root(Box::default()),
        None => EntryKind::Own,
        Some(_) => EntryKind::Call,
    };
    let frame = if facts.is_resumable || shadow_stack::has_greenlets() { frame() } else { 0 };
    let is_command = !facts.is_root && !facts.is_entry_point;
    let mut start = Some(NewCall { facts, code, frame, from, via, kind, is_command });
    let first = with(|recorder, thread| {
        if recorder.count(from, facts) {
            return None;
        }
        let result = start.take().map_or(Ok(()), |start| recorder.begin(thread, start, None));
        Some(result.map(|()| is_overdue(recorder)))
    });
    let overdue = match first {
        None => return Ok(Outcome::Done),
        Some(Some(result)) => result,
        Some(None) => {
            let before = clock::thread_cpu();
            let sample = look()?;
            with(|recorder, thread| {
                leave_out_since(thread, before);
                let result = start.take().map_or(Ok(()), |start| recorder.begin(thread, start, Some(Box::new(sample))));
                result.map(|()| is_overdue(recorder))
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

/// Notes that a function ends, with the exception's type where it raised one. `look` samples its result for a call with a
/// sample, and returns the work that the result stands for.
pub(crate) fn leave(
    facts: CodeFacts,
    code: usize,
    frame: impl Fn() -> usize,
    exception: impl FnOnce() -> String,
    look: impl FnOnce(Option<&mut Sample>) -> PyResult<Option<MakesCode>>,
) -> PyResult<Outcome> {
    if uncommitted::is_any_followed()
        && let Some(ending) = ending(facts, code, &frame)
    {
        uncommitted::look(ending.request, ending.call, false)?;
    }
    let found = THREAD.try_with(|thread| {
        let thread = &mut *thread.borrow_mut();
        // Calls that began before there were greenlets have no frame.
        let has_frames = shadow_stack::has_greenlets() && thread.stack.last()?.frame != 0;
        if has_frames && !facts.is_resumable {
            let frame = frame();
            let at = thread.stack.iter().rposition(|open| open.frame == frame && open.code == code)?;
            let is_in_turn = at + 1 == thread.stack.len();
            return Some((thread.stack.remove(at), Vec::new(), now(thread, false), is_in_turn));
        }
        let at = position(&thread.stack, facts, code, &frame)?;
        if thread.stack[at].recursion > 0 {
            thread.stack[at].recursion -= 1;
            return None;
        }
        // Nearly always there is nothing above it.
        let above = if at + 1 < thread.stack.len() { thread.stack.split_off(at + 1) } else { Vec::new() };
        Some((thread.stack.pop()?, above, now(thread, false), true))
    });
    let Ok(Some((mut open, above, now, is_in_turn))) = found else { return Ok(Outcome::Done) };
    let exception = exception();
    let sample = open.sample.as_deref_mut();
    let before = sample.is_some().then(clock::thread_cpu);
    let makes = look(sample)?;
    let overdue = with(|recorder, thread| {
        if !is_in_turn {
            recorder.note_greenlets();
        }
        for abandoned in above.iter().rev() {
            recorder.end(abandoned, now, "GreenletExit");
        }
        if let Some(mut sample) = open.sample.take() {
            recorder.put_payloads(open.call, &mut sample);
            open.sample = Some(sample);
        }
        if let Some(makes) = makes {
            recorder.put_call(&Record::Makes { call: open.call, makes });
        }
        if let Some(before) = before {
            leave_out_since(thread, before);
        }
        recorder.end(&open, now, &exception);
        is_overdue(recorder)
    });
    drop((open, above));
    Ok(if overdue == Some(true) { Outcome::Flush } else { Outcome::Done })
}

/// Returns the origin of what the call did that ends with this code and frame.
fn ending(facts: CodeFacts, code: usize, frame: impl Fn() -> usize) -> Option<Origin> {
    let find = |thread: &RefCell<ThreadState>| {
        let stack = &thread.borrow().stack;
        let open = &stack[position(stack, facts, code, frame)?];
        (open.recursion == 0).then(|| open.origin())
    };
    THREAD.try_with(find).ok().flatten()
}

impl Recorder {
    /// Notes that another call of a code is suspended, or one fewer. All changes are made under the lock.
    fn count_suspended(&self, code: usize, change: i32) {
        if let Some(known) = self.codes.get(&code) {
            let suspended = known.facts.suspended;
            suspended.store(suspended.load(Ordering::Relaxed).saturating_add_signed(change), Ordering::Relaxed);
        }
    }

    /// Takes a call off its thread's stack, and what a greenlet holds above it.
    fn suspend(
        &mut self,
        thread: &mut ThreadState,
        at: usize,
        released: &mut Vec<Py<PyAny>>,
    ) -> Result<(), &'static str> {
        if self.suspended.len() >= MAX_SUSPENDED {
            return Err("too many calls are suspended");
        }
        let now = now(thread, false);
        let mut above = thread.stack.split_off(at + 1);
        let Some(mut open) = thread.stack.pop() else { return Ok(()) };
        for open in above.iter_mut().rev().chain([&mut open]) {
            self.put_call(&Record::Suspend { call: open.call, wall: now.wall, cpu: now.cpu });
            // Nobody may ever resume it: its arguments must not live as long as that is unknown.
            open.release(released);
        }
        self.count_suspended(open.code, 1);
        self.suspended.insert(open.frame, Suspended { open, above, since: now });
        Ok(())
    }

    /// Puts a suspended call on the stack of the thread that runs it now; returns its entry.
    fn resume<'a>(&mut self, thread: &'a mut ThreadState, frame: usize, code: usize) -> Option<&'a mut StackEntry> {
        if self.suspended.get(&frame).is_none_or(|s| s.open.code != code) {
            return None;
        }
        let suspended = self.suspended.remove(&frame)?;
        self.count_suspended(code, -1);
        let now = now(thread, is_idle(&thread.stack));
        let at = thread.stack.len();
        for open in std::iter::once(suspended.open).chain(suspended.above) {
            self.put_call(&Record::Resume { call: open.call, thread: thread.number, wall: now.wall, cpu: now.cpu });
            thread.stack.push(open);
        }
        thread.stack.get_mut(at)
    }
}

/// Leaves out what this thread has worked for the recorder since its CPU clock showed `before`.
pub(crate) fn leave_out_since(thread: &mut ThreadState, before: u64) {
    let nanos = clock::thread_cpu() - before;
    thread.clock.leave_out(nanos);
    clock::leave_out(nanos);
}

/// Lets `look` look at an item that a generator gives, where its call has a sample that wants one.
pub(crate) fn look_at_item(
    facts: CodeFacts,
    code: usize,
    frame: impl FnOnce() -> usize,
    look: impl FnOnce(&mut Sample) -> PyResult<()>,
) -> PyResult<()> {
    let found = THREAD.try_with(|thread| {
        let thread = &mut *thread.borrow_mut();
        if thread.stack.iter().all(|open| open.sample.as_ref().is_none_or(|sample| !sample.wants_items())) {
            return None;
        }
        let at = position(&thread.stack, facts, code, frame)?;
        let sample = thread.stack[at].sample.take_if(|sample| sample.wants_items())?;
        Some((at, thread.stack[at].call, sample))
    });
    let Ok(Some((at, call, mut sample))) = found else { return Ok(()) };
    let before = clock::thread_cpu();
    // No lock is held meanwhile.
    let looked = look(&mut sample);
    let _: Option<()> = with(|_, thread| {
        leave_out_since(thread, before);
        if let Some(open) = thread.stack.get_mut(at).filter(|open| open.call == call) {
            open.sample = Some(sample);
        }
    });
    looked
}

/// Notes that a coroutine or generator is suspended.
pub(crate) fn suspend(facts: CodeFacts, code: usize, frame: impl FnOnce() -> usize) -> Result<Outcome, &'static str> {
    if !facts.is_resumable {
        return Ok(Outcome::Done);
    }
    let mut released = Vec::new();
    let done = with(|recorder, thread| {
        let Some(at) = position(&thread.stack, facts, code, frame) else { return Ok(false) };
        recorder.suspend(thread, at, &mut released)?;
        Ok(is_overdue(recorder))
    });
    drop(released);
    Ok(if done.transpose()? == Some(true) { Outcome::Flush } else { Outcome::Done })
}

/// Notes that those calls on top of the stack are suspended that were resumed by [`resume_awaiting`] and whose frames
/// `is_suspended` chooses.
pub(crate) fn suspend_awaiting(is_suspended: impl Fn(usize) -> bool) -> Result<(), &'static str> {
    let mut released = Vec::new();
    let done = with(|recorder, thread| {
        while thread.stack.last().is_some_and(|top| top.is_thrown_through && is_suspended(top.frame)) {
            recorder.suspend(thread, thread.stack.len() - 1, &mut released)?;
        }
        Ok(())
    });
    drop(released);
    done.unwrap_or(Ok(()))
}

/// Notes that a coroutine or generator runs again. `thrown_at` is for 3.11.
pub(crate) fn resume(code: usize, frame: impl FnOnce() -> usize, thrown_at: i32) {
    let is_suspended = |recorder: &Recorder| recorder.facts(code).is_some_and(CodeFacts::has_suspended_calls);
    if !lock().as_ref().is_some_and(is_suspended) {
        return;
    }
    let frame = frame();
    let _: Option<()> = with(|recorder, thread| {
        if let Some(open) = recorder.resume(thread, frame, code) {
            (open.thrown_at, open.is_thrown_through) = (thrown_at, false);
        }
    });
}

/// Notes that an exception is thrown into what these frames await, the nearest first.
///
/// The interpreter enters the innermost frame. Where one catches the exception, the outer ones run on, or wait again,
/// without an event of their own. Returns true if calls that are open may do so.
pub(crate) fn resume_awaiting(frames: &[ActiveFrame<'_>]) -> bool {
    let resumed = with(|recorder, thread| {
        for frame in frames.iter().rev() {
            if let Some(open) = recorder.resume(thread, frame.address, frame.code.as_ptr() as usize) {
                open.is_thrown_through = true;
            }
        }
        thread.stack.iter().any(|open| open.is_thrown_through)
    });
    resumed == Some(true)
}

/// Returns the request that our coroutine on top of the stack has begun, and notes its endpoint if it is known, and the
/// server that called it.
pub(crate) fn root(server: &str, endpoint: Option<&str>) -> Option<Origin> {
    with(|recorder, thread| {
        recorder.put_server(server);
        let top = thread.stack.last_mut()?;
        if !matches!(top.kind, EntryKind::Root(_)) {
            return None;
        }
        top.endpoint = endpoint.map_or(0, |endpoint| recorder.endpoint_id(endpoint));
        Some(top.origin())
    })
    .flatten()
}

/// Notes the result of the request whose root is on top of the stack.
pub(crate) fn root_done(request: RequestResult) {
    // A thread that is ending has no requests.
    let _ = THREAD.try_with(|thread| {
        if let Some(StackEntry { kind: EntryKind::Root(result), .. }) = thread.borrow_mut().stack.last_mut() {
            **result = request;
        }
    });
}

/// Begins a request on this thread whose root is no coroutine.
pub(crate) fn begin(
    name: &str,
    server: &str,
    endpoint: Option<&str>,
    is_command: bool,
) -> Result<Option<Origin>, &'static str> {
    // One that its server never ended (it did not close the answer) is still there.
    let is_stale = |open: &StackEntry| matches!(open.kind, EntryKind::Root(_)) && open.code == 0 && !open.is_command;
    end_at(is_stale, RequestResult::default(), "");
    let begun = with(|recorder, thread| {
        let facts = recorder.root_function(name);
        recorder.count(None, facts);
        let kind = EntryKind::Root(Box::default());
        let (from, via) = (None, ViaCode::Inline);
        recorder.begin(thread, NewCall { facts, code: 0, frame: 0, from, via, kind, is_command }, None)
    });
    begun.transpose()?;
    Ok(root(server, endpoint))
}

/// Ends the request that [`begin`] began, if it is open on this thread.
pub(crate) fn end(origin: Origin, result: RequestResult, exception: &str) {
    end_at(|open| open.call == origin.call && open.code == 0, result, exception);
}

/// Ends the newest of these roots of requests, and the calls above it.
fn end_at(is_root: impl Fn(&StackEntry) -> bool, request: RequestResult, exception: &str) {
    let gone = with(|recorder, thread| {
        let Some(at) = thread.stack.iter().rposition(is_root) else { return Vec::new() };
        let now = now(thread, false);
        let mut gone = thread.stack.split_off(at);
        for abandoned in gone[1..].iter().rev() {
            recorder.end(abandoned, now, "GeneratorExit");
        }
        if let EntryKind::Root(result) = &mut gone[0].kind {
            **result = request;
        }
        recorder.end(&gone[0], now, exception);
        gone
    });
    drop(gone);
}
