//! Calls and requests: the effects of an event on the state of the process and on its thread's shadow stack.

use pyo3::prelude::*;
use splitcost_recording::clock::ThreadInstant;
use splitcost_recording::log::{Record, ViaCode};

use crate::clock;
use crate::payload::Sample;
use crate::shadow_stack::{
    CodeFacts, EntryKind, Origin, StackEntry, Suspended, THREAD, ThreadState, is_idle, position,
};
use crate::state::{FRAMEWORK, MAX_DEPTH, MAX_SUSPENDED, Recorder, lock};
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
        let NewCall { facts, code, frame, from, via, kind } = start;
        if let Some(stale) = self.suspended.remove(&frame) {
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
            let process_cpu = clock::process_cpu();
            self.put_call(&Record::RequestStart { request: self.next_request, wall: now.wall, process_cpu });
            Origin { request: self.next_request, call: 0, module: FRAMEWORK, endpoint: 0 }
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
            endpoint: from.endpoint,
            module: facts.module,
            function: facts.function,
            code,
            frame,
            recursion: 0,
            thrown_at: -1,
            site: 0,
            sample,
        });
        Ok(())
    }

    /// Writes down the end of a call.
    fn end(&mut self, open: &StackEntry, now: ThreadInstant, exception: &str) {
        self.put_call(&Record::Leave {
            call: open.call,
            wall: now.wall,
            cpu: now.cpu,
            exception: exception.to_owned(),
        });
        let (endpoint, status) = match &open.kind {
            EntryKind::Own => {
                let function = &self.functions[open.function as usize];
                (format!("{}:{}", self.modules[function.module as usize], function.qualname), 0)
            }
            EntryKind::Root(outcome) => (*outcome).as_ref().clone(),
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
    fn drop_suspended(&mut self, stale: &Suspended) {
        for above in stale.above.iter().rev() {
            self.end(above, stale.since, "GeneratorExit");
        }
        self.end(&stale.open, stale.since, "GeneratorExit");
        if let Some(code) = self.codes.get_mut(&stale.open.code) {
            code.facts.suspended = code.facts.suspended.saturating_sub(1);
        }
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
fn is_overdue(recorder: &Recorder) -> bool {
    if recorder.buffer.is_due() {
        wake();
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
    if top.module == facts.module && !facts.is_root {
        if top.code == code && !facts.is_resumable {
            top.recursion += 1;
        }
        return Relation::Inside;
    }
    let origin = Origin { request: top.request, call: top.call, module: top.module, endpoint: top.endpoint };
    match top.kind {
        EntryKind::Handed => Relation::From(origin, ViaCode::Thread),
        EntryKind::Loop => Relation::Ask((top.request != 0).then_some(origin)),
        _ => Relation::From(origin, ViaCode::Inline),
    }
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
        Ok(Relation::From(origin, via)) => (Some(origin), via),
        Ok(Relation::Ask(otherwise)) => match ask()? {
            Some(origin) => (Some(origin), ViaCode::Task),
            None => (otherwise, ViaCode::Inline),
        },
    };
    let kind = match from {
        None if facts.is_root => EntryKind::Root(Box::default()),
        None => EntryKind::Own,
        Some(_) => EntryKind::Call,
    };
    let frame = if facts.is_resumable { frame() } else { 0 };
    let mut start = Some(NewCall { facts, code, frame, from, via, kind });
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
                thread.clock.leave_out(clock::thread_cpu() - before);
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

/// Notes that a function ends, with the exception's type where it raised one. `look` samples its result.
pub(crate) fn leave(
    facts: CodeFacts,
    code: usize,
    frame: impl FnOnce() -> usize,
    exception: impl FnOnce() -> String,
    look: impl FnOnce(&mut Sample) -> PyResult<()>,
) -> PyResult<Outcome> {
    let found = THREAD.try_with(|thread| {
        let thread = &mut *thread.borrow_mut();
        let at = position(&thread.stack, facts, code, frame)?;
        if thread.stack[at].recursion > 0 {
            thread.stack[at].recursion -= 1;
            return None;
        }
        let ended = thread.stack.split_off(at);
        Some((ended, now(thread, false)))
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
            thread.clock.leave_out(clock::thread_cpu() - before);
        }
        is_overdue(recorder)
    });
    drop(ended);
    Ok(if overdue == Some(true) { Outcome::Flush } else { Outcome::Done })
}

/// Notes that a coroutine or generator is suspended.
pub(crate) fn suspend(facts: CodeFacts, code: usize, frame: impl FnOnce() -> usize) -> Result<Outcome, &'static str> {
    if !facts.is_resumable {
        return Ok(Outcome::Done);
    }
    let mut released = Vec::new();
    let done = with(|recorder, thread| {
        let Some(at) = position(&thread.stack, facts, code, frame) else { return Ok(false) };
        if recorder.suspended.len() >= MAX_SUSPENDED {
            return Err("too many calls are suspended");
        }
        let now = now(thread, false);
        let mut above = thread.stack.split_off(at + 1);
        let Some(mut open) = thread.stack.pop() else { return Ok(false) };
        for open in above.iter_mut().rev().chain([&mut open]) {
            recorder.put_call(&Record::Suspend { call: open.call, wall: now.wall, cpu: now.cpu });
            // Nobody may ever resume it: its arguments must not live as long as that is unknown.
            open.release(&mut released);
        }
        if let Some(code) = recorder.codes.get_mut(&code) {
            code.facts.suspended += 1;
        }
        recorder.suspended.insert(open.frame, Suspended { open, above, since: now });
        Ok(is_overdue(recorder))
    });
    drop(released);
    Ok(if done.transpose()? == Some(true) { Outcome::Flush } else { Outcome::Done })
}

/// Notes that a coroutine or generator runs again. `thrown_at` is for 3.11.
pub(crate) fn resume(facts: CodeFacts, code: usize, frame: impl FnOnce() -> usize, thrown_at: i32) {
    if facts.suspended == 0 {
        return;
    }
    let frame = frame();
    let _: Option<()> = with(|recorder, thread| {
        if recorder.suspended.get(&frame).is_none_or(|s| s.open.code != code) {
            return;
        }
        let Some(mut suspended) = recorder.suspended.remove(&frame) else { return };
        if let Some(code) = recorder.codes.get_mut(&code) {
            code.facts.suspended = code.facts.suspended.saturating_sub(1);
        }
        let now = now(thread, is_idle(&thread.stack));
        suspended.open.thrown_at = thrown_at;
        for open in std::iter::once(suspended.open).chain(suspended.above) {
            recorder.put_call(&Record::Resume { call: open.call, thread: thread.number, wall: now.wall, cpu: now.cpu });
            thread.stack.push(open);
        }
    });
}

/// Returns the request that the ASGI entry on top of the stack has begun, and notes its endpoint if it is known.
pub(crate) fn root(endpoint: Option<&str>) -> Option<Origin> {
    with(|recorder, thread| {
        let top = thread.stack.last_mut()?;
        if !matches!(top.kind, EntryKind::Root(_)) {
            return None;
        }
        top.endpoint = endpoint.map_or(0, |endpoint| recorder.endpoint_id(endpoint));
        Some(Origin { request: top.request, call: top.call, module: FRAMEWORK, endpoint: top.endpoint })
    })
    .flatten()
}

/// Notes the endpoint and the status of the request on top of the stack.
pub(crate) fn root_done(endpoint: String, status: u16) {
    // A thread that is ending has no requests.
    let _ = THREAD.try_with(|thread| {
        if let Some(StackEntry { kind: EntryKind::Root(outcome), .. }) = thread.borrow_mut().stack.last_mut() {
            **outcome = (endpoint, status);
        }
    });
}

/// Begins a test: a request whose root call is the function `(test)` of the framework.
pub(crate) fn begin_test(facts: CodeFacts, name: &str) -> Result<Option<Origin>, &'static str> {
    let begun = with(|recorder, thread| {
        recorder.count(None, facts);
        let kind = EntryKind::Root(Box::new((name.to_owned(), 0)));
        recorder.begin(thread, NewCall { facts, code: 0, frame: 0, from: None, via: ViaCode::Inline, kind }, None)
    });
    begun.transpose()?;
    Ok(root(Some(name)))
}

/// Ends the test that runs on this thread.
pub(crate) fn end_test(exception: &str) {
    let gone = with(|recorder, thread| {
        let Some(at) = thread.stack.iter().rposition(|o| matches!(o.kind, EntryKind::Root(_)) && o.code == 0) else {
            return Vec::new();
        };
        let now = now(thread, false);
        let gone = thread.stack.split_off(at);
        recorder.end(&gone[0], now, exception);
        gone
    });
    drop(gone);
}
