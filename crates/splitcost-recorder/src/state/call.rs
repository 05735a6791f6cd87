//! Calls and requests: what an event does to the process's part and to its thread's.

use pyo3::prelude::*;
use splitcost_recording::log::Record;

use super::stack::{Kind, Open, Origin, Suspended, THREAD, Thread, is_idle, position};
use super::{FRAMEWORK, MAX_DEPTH, MAX_SUSPENDED, Recorder, Seen, lock};
use crate::clock::{self, Instant};
use crate::payload::Sample;

/// How a call was begun, as the log numbers it.
const VIA_INLINE: u8 = 0;
const VIA_TASK: u8 = 1;
const VIA_THREAD: u8 = 2;

/// What an event came to.
pub(crate) enum Outcome {
    /// Done.
    Done,
    /// Done, and the caller must flush.
    Flush,
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

impl Recorder {
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
