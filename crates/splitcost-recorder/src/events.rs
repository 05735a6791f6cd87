//! The interpreter's events: `sys.monitoring` on 3.12 and later, a profile function on 3.11.
//!
//! A callback must never raise, and must never be slow for code that is not under recording: that code's events are
//! switched off at its first one. The interpreter runs a callback with events off on its thread, so a callback is never
//! entered from within another.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};
use pyo3::{PyTypeInfo, intern};
use splitcost_recording::log::FunctionKindCode;

use crate::code::{
    ActiveFrame, RESUME_3_11, active_frames, awaiting_frames, classify, current_frame, current_frame_address,
    kind_of_code, look_at_arguments,
};
use crate::guard::attempt_between_interrupts;
use crate::handing::ask_context;
use crate::inert::{qualname, referents};
use crate::makes::made_by;
use crate::payload::Sample;
use crate::shadow_stack::{CodeFacts, facts_of, has_greenlets, is_thrown_through, thrown_at};
use crate::shortcut;
use crate::state::lock;
use crate::tracking::{self, Event, Outcome};
use crate::type_info::dotted_name;
use crate::wrapper::{Resolved, resolve};
use crate::writer::{self, ON};

/// Spec: PEP 669 reserves 0, 1, 2 and 5; with 2 taken, cProfile would fail.
const TOOL_IDS: [u8; 2] = [4, 3];

/// Opcodes of 3.11, the only version where a return and a yield are the same event.
const YIELD_VALUE_3_11: u8 = 86;
const RETURN_VALUE_3_11: u8 = 83;

static DISABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static SET_LOCAL_EVENTS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TOOL: PyOnceLock<Tool> = PyOnceLock::new();
static IS_DISARMED: AtomicBool = AtomicBool::new(false);

/// Our use of `sys.monitoring`.
struct Tool {
    id: u8,
    /// Events of code under recording, beyond the global ones.
    local: i32,
    yields: i32,
}

/// The answer of a callback to the interpreter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Nothing,
    /// No more of this event at this place.
    Disable,
}

/// Runs a callback's body so that nothing escapes it but the app's own interrupts.
fn guarded(py: Python<'_>, body: impl FnOnce() -> PyResult<Answer>) -> PyResult<Py<PyAny>> {
    if !ON.load(Ordering::Relaxed) {
        disarm(py);
        return Ok(py.None());
    }
    Ok(match attempt_between_interrupts(py, "an event", body)? {
        Some(Answer::Nothing) => py.None(),
        Some(Answer::Disable) => DISABLE.get(py).map_or_else(|| py.None(), |d| d.clone_ref(py)),
        None => {
            disarm(py);
            py.None()
        }
    })
}

fn settle(outcome: &Outcome) -> Answer {
    if matches!(outcome, Outcome::Flush) {
        writer::flush();
    }
    Answer::Nothing
}

fn address(code: &Bound<'_, PyAny>) -> usize {
    code.as_ptr() as usize
}

fn facts(code: &Bound<'_, PyAny>) -> Option<CodeFacts> {
    facts_of(address(code), || lock().as_ref()?.facts(address(code)))
}

fn trouble(message: &'static str) -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err(message)
}

fn start(
    py: Python<'_>,
    code: &Bound<'_, PyAny>,
    facts: CodeFacts,
    frame: Option<&Bound<'_, PyAny>>,
) -> PyResult<Answer> {
    suspend_stale(py, frame)?;
    let running = || frame.cloned().or_else(|| current_frame(py)).ok_or_else(|| trouble("no frame runs"));
    let Resolved { facts, arguments } =
        if facts.may_wrap { resolve(code, &running()?, facts)? } else { Resolved { facts, arguments: None } };
    let look = || look_at_arguments(py, code, arguments, &running()?);
    let frame_address = || frame.map_or_else(current_frame_address, address);
    tracking::enter(facts, address(code), frame_address, || ask_context(py), look).map(|outcome| settle(&outcome))
}

/// Notes, where the call on top of the stack may have been suspended without an event, whether it was: then it is not
/// outside of the frame that begins to run.
fn suspend_stale(py: Python<'_>, frame: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    // A greenlet has frames of its own: those of what it runs for are not outside of them.
    if !is_thrown_through() || has_greenlets() {
        return Ok(());
    }
    let Some(frame) = frame.cloned().or_else(|| current_frame(py)) else { return Ok(()) };
    let outside = active_frames(&frame)?;
    let is_outside = |address: usize| outside.iter().skip(1).any(|frame| frame.address == address);
    tracking::suspend_awaiting(|address| !is_outside(address)).map_err(trouble)
}

/// Notes that a frame gives out a value. If it thereby waits, so do all that await it.
fn suspend_awaiting(frame: &Bound<'_, PyAny>, code: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let is_waiting = match kind_of_code(code)? {
        FunctionKindCode::Coroutine => true,
        FunctionKindCode::AsyncGenerator => {
            qualname(&value.get_type()).is_none_or(|name| name != "async_generator_wrapped_value")
        }
        FunctionKindCode::Generator | FunctionKindCode::Plain => false,
    };
    if !is_waiting {
        return Ok(());
    }
    let frames = awaiting_frames(frame)?;
    let is_suspended = |address: usize| frames.iter().any(|frame| frame.address == address);
    tracking::suspend_awaiting(is_suspended).map_err(trouble)
}

/// Notes that an exception is thrown into a coroutine or generator; returns the frames whose next wait must be known.
fn throw_into<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Vec<ActiveFrame<'py>>> {
    if lock().as_ref().is_none_or(|recorder| recorder.suspended.is_empty()) && !is_thrown_through() {
        return Ok(Vec::new());
    }
    let frames = awaiting_frames(frame)?;
    let is_open = tracking::resume_awaiting(frames.get(1..).unwrap_or_default());
    Ok(if is_open { frames } else { Vec::new() })
}

fn exception_name(exception: &Bound<'_, PyAny>) -> String {
    dotted_name(&exception.get_type())
}

#[pyfunction]
fn py_start(py: Python<'_>, code: &Bound<'_, PyAny>, offset: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let _ = offset;
    guarded(py, || {
        if let Some(facts) = facts(code) {
            return start(py, code, facts, None);
        }
        let Some(frame) = current_frame(py) else { return Ok(Answer::Nothing) };
        let Some(facts) = classify(py, code, &frame)? else { return Ok(Answer::Disable) };
        watch(py, code)?;
        start(py, code, facts, None)
    })
}

#[pyfunction]
fn py_return(
    py: Python<'_>,
    code: &Bound<'_, PyAny>,
    offset: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
) -> PyResult<Py<PyAny>> {
    let _ = offset;
    guarded(py, || {
        let Some(facts) = facts(code) else { return Ok(Answer::Nothing) };
        let look = |sample: Option<&mut Sample>| {
            if let Some(sample) = sample {
                sample.finish(py, || current_frame(py), Some(value))?;
            }
            made_by(facts, value)
        };
        tracking::leave(facts, address(code), current_frame_address, String::new, look).map(|outcome| settle(&outcome))
    })
}

#[pyfunction]
fn py_unwind(
    py: Python<'_>,
    code: &Bound<'_, PyAny>,
    offset: &Bound<'_, PyAny>,
    error: &Bound<'_, PyAny>,
) -> PyResult<Py<PyAny>> {
    let _ = offset;
    guarded(py, || {
        let Some(facts) = facts(code) else { return Ok(Answer::Nothing) };
        let look = |sample: Option<&mut Sample>| {
            sample.map_or(Ok(()), |sample| sample.finish(py, || current_frame(py), None)).map(|()| None)
        };
        let name = || exception_name(error);
        tracking::leave(facts, address(code), current_frame_address, name, look).map(|outcome| settle(&outcome))
    })
}

#[pyfunction]
fn py_yield(
    py: Python<'_>,
    code: &Bound<'_, PyAny>,
    offset: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
) -> PyResult<Py<PyAny>> {
    let _ = offset;
    guarded(py, || {
        if let Some(facts) = facts(code) {
            look_at_item(facts, code, current_frame_address, value)?;
            let outcome = tracking::suspend(facts, address(code), current_frame_address).map_err(trouble)?;
            settle(&outcome);
        }
        if let Some(frame) = current_frame(py).filter(|_| is_thrown_through()) {
            suspend_awaiting(&frame, code, value)?;
        }
        Ok(Answer::Nothing)
    })
}

/// Looks at what a generator gives. That of an asynchronous one is in a wrapper, which tells it from what is awaited.
fn look_at_item(
    facts: CodeFacts,
    code: &Bound<'_, PyAny>,
    frame: impl FnOnce() -> usize,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if !facts.is_resumable {
        return Ok(());
    }
    tracking::look_at_item(facts, address(code), frame, |sample| {
        if !sample.gives_wrapped_items() {
            return sample.add_item(value);
        }
        let is_item = qualname(&value.get_type()).as_deref() == Some("async_generator_wrapped_value");
        let wrapped = if is_item { referents(value)? } else { Vec::new() };
        wrapped.first().map_or(Ok(()), |item| sample.add_item(item))
    })
}

#[pyfunction]
fn py_resume(py: Python<'_>, code: &Bound<'_, PyAny>, offset: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let _ = offset;
    guarded(py, || {
        if facts(code).is_some() {
            suspend_stale(py, None)?;
            tracking::resume(address(code), current_frame_address, -1);
        }
        Ok(Answer::Nothing)
    })
}

#[pyfunction]
fn py_throw(
    py: Python<'_>,
    code: &Bound<'_, PyAny>,
    offset: &Bound<'_, PyAny>,
    error: &Bound<'_, PyAny>,
) -> PyResult<Py<PyAny>> {
    let _ = (offset, error);
    guarded(py, || {
        if let Some(frame) = current_frame(py) {
            for waiting in throw_into(&frame)? {
                watch_yields(py, &waiting.code)?;
            }
        }
        if facts(code).is_some() {
            tracking::resume(address(code), current_frame_address, -1);
        }
        Ok(Answer::Nothing)
    })
}

/// Asks for the events of code under recording beyond its start.
pub(crate) fn watch(py: Python<'_>, code: &Bound<'_, PyAny>) -> PyResult<()> {
    let (Some(set), Some(tool)) = (SET_LOCAL_EVENTS.get(py), TOOL.get(py)) else { return Ok(()) };
    set.call1(py, (tool.id, code, tool.local)).map(drop)
}

/// Asks for the waits of code of others, which is between the app's code and what that awaits.
fn watch_yields(py: Python<'_>, code: &Bound<'_, PyAny>) -> PyResult<()> {
    let (Some(set), Some(tool)) = (SET_LOCAL_EVENTS.get(py), TOOL.get(py)) else { return Ok(()) };
    let monitoring = py.import("sys")?.getattr("monitoring")?;
    let known: i32 = monitoring.call_method1("get_local_events", (tool.id, code))?.extract()?;
    if known & tool.yields == 0 { set.call1(py, (tool.id, code, known | tool.yields)).map(drop) } else { Ok(()) }
}

/// Starts `sys.monitoring`.
pub(crate) fn start_monitoring(py: Python<'_>) -> PyResult<()> {
    let monitoring = py.import("sys")?.getattr("monitoring")?;
    let tool = TOOL_IDS
        .into_iter()
        .find(|id| monitoring.call_method1("use_tool_id", (*id, "splitcost")).is_ok())
        .ok_or_else(|| trouble("both monitoring tool ids are taken"))?;
    let event = |name: &str| -> PyResult<i32> { monitoring.getattr("events")?.getattr(name)?.extract() };
    let module = PyModule::new(py, "splitcost._events")?;
    let callbacks = [
        ("PY_START", Event::Start, wrap_pyfunction!(py_start, &module)?),
        ("PY_RETURN", Event::Return, wrap_pyfunction!(py_return, &module)?),
        ("PY_YIELD", Event::Yield, wrap_pyfunction!(py_yield, &module)?),
        ("PY_RESUME", Event::Resume, wrap_pyfunction!(py_resume, &module)?),
        ("PY_UNWIND", Event::Unwind, wrap_pyfunction!(py_unwind, &module)?),
    ];
    for (name, kind, callback) in callbacks {
        let callback = shortcut::before(kind, &callback)?;
        monitoring.call_method1("register_callback", (tool, event(name)?, callback))?;
    }
    let thrown = wrap_pyfunction!(py_throw, &module)?;
    monitoring.call_method1("register_callback", (tool, event("PY_THROW")?, thrown))?;
    let local = event("PY_RETURN")? | event("PY_YIELD")? | event("PY_RESUME")?;
    // Set once, by the one thread that starts the recorder.
    let _ = DISABLE.set(py, monitoring.getattr("DISABLE")?.unbind());
    let _ = SET_LOCAL_EVENTS.set(py, monitoring.getattr("set_local_events")?.unbind());
    let _ = TOOL.set(py, Tool { id: tool, local, yields: event("PY_YIELD")? });
    let global = event("PY_START")? | event("PY_THROW")? | event("PY_UNWIND")?;
    monitoring.call_method1("set_events", (tool, global)).map(drop)
}

/// Asks for no more events, once, after the recorder was switched off.
fn disarm(py: Python<'_>) {
    if IS_DISARMED.swap(true, Ordering::Relaxed) {
        return;
    }
    let quiet = || -> PyResult<()> {
        let sys = py.import("sys")?;
        let Some(Tool { id: tool, .. }) = TOOL.get(py) else {
            return sys.call_method1("setprofile", (py.None(),)).map(drop);
        };
        let monitoring = sys.getattr("monitoring")?;
        monitoring.call_method1("set_events", (*tool, 0))?;
        for name in ["PY_START", "PY_RETURN", "PY_YIELD", "PY_RESUME", "PY_THROW", "PY_UNWIND"] {
            let event = monitoring.getattr("events")?.getattr(name)?;
            monitoring.call_method1("register_callback", (*tool, event, py.None()))?;
        }
        Ok(())
    };
    // If that fails the callbacks stay, and do nothing.
    drop(quiet());
}

/// The profile function of 3.11.
#[pyfunction]
pub(crate) fn profile(
    py: Python<'_>,
    frame: &Bound<'_, PyAny>,
    event: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let is_call = event.is(intern!(py, "call")) || event.to_str().is_ok_and(|e| e == "call");
    if !is_call && event.to_str().is_ok_and(|e| e != "return") {
        return Ok(());
    }
    guarded(py, || {
        let code = frame.getattr(intern!(py, "f_code"))?;
        if is_call { profile_call(py, frame, &code) } else { profile_return(py, frame, &code, value) }
    })
    .map(drop)
}

fn profile_call(py: Python<'_>, frame: &Bound<'_, PyAny>, code: &Bound<'_, PyAny>) -> PyResult<Answer> {
    let known = {
        let shared = lock();
        let Some(recorder) = shared.as_ref() else { return Ok(Answer::Nothing) };
        if recorder.is_foreign(address(code)) {
            if recorder.suspended.is_empty() {
                return Ok(Answer::Nothing);
            }
            drop(shared);
            if opcode_3_11(frame, code)? != RESUME_3_11 {
                throw_into(frame)?;
            }
            return Ok(Answer::Nothing);
        }
        recorder.facts(address(code))
    };
    let facts = if let Some(facts) = known {
        facts
    } else if let Some(facts) = classify(py, code, frame)? {
        facts
    } else {
        let code = code.clone().unbind();
        if let Some(recorder) = lock().as_mut() {
            recorder.add_foreign(code);
        }
        return Ok(Answer::Nothing);
    };
    if facts.is_resumable {
        let at: i32 = frame.getattr(intern!(py, "f_lasti"))?.extract()?;
        if at > facts.first_instruction.cast_signed() {
            if opcode_3_11(frame, code)? == RESUME_3_11 {
                suspend_stale(py, Some(frame))?;
            } else {
                throw_into(frame)?;
            }
            tracking::resume(address(code), || address(frame), at);
            return Ok(Answer::Nothing);
        }
    }
    start(py, code, facts, Some(frame))
}

/// Returns the opcode of the instruction that a frame is at.
fn opcode_3_11(frame: &Bound<'_, PyAny>, code: &Bound<'_, PyAny>) -> PyResult<u8> {
    let py = frame.py();
    let at: i32 = frame.getattr(intern!(py, "f_lasti"))?.extract()?;
    code.getattr(intern!(py, "co_code"))?.get_item(at.max(0))?.extract()
}

fn profile_return(
    py: Python<'_>,
    frame: &Bound<'_, PyAny>,
    code: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
) -> PyResult<Answer> {
    let facts = facts(code);
    if facts.is_none() && !is_thrown_through() {
        return Ok(Answer::Nothing);
    }
    let here = || address(frame);
    let at: i32 = frame.getattr(intern!(py, "f_lasti"))?.extract()?;
    let opcode = opcode_3_11(frame, code)?;
    // Thrown into where it was suspended, and nothing given out: the exception went through.
    let is_thrown = value.is_none() && thrown_at(here()) == at;
    if opcode == YIELD_VALUE_3_11 && !is_thrown {
        if let Some(facts) = facts {
            look_at_item(facts, code, here, value)?;
            let outcome = tracking::suspend(facts, address(code), here).map_err(trouble)?;
            settle(&outcome);
        }
        if is_thrown_through() {
            suspend_awaiting(frame, code, value)?;
        }
        return Ok(Answer::Nothing);
    }
    let Some(facts) = facts else { return Ok(Answer::Nothing) };
    let is_return = opcode == RETURN_VALUE_3_11;
    let look = |sample: Option<&mut Sample>| {
        if let Some(sample) = sample {
            sample.finish(py, || Some(frame.clone()), is_return.then_some(value))?;
        }
        if is_return { made_by(facts, value) } else { Ok(None) }
    };
    // The profile function of 3.11 does not learn the exception.
    let name = || if is_return { String::new() } else { "Exception".to_owned() };
    tracking::leave(facts, address(code), here, name, look).map(|outcome| settle(&outcome))
}

/// Starts the slow mode of 3.11.
pub(crate) fn start_profiling(py: Python<'_>) -> PyResult<()> {
    let module = PyModule::new(py, "splitcost._events")?;
    let callback = wrap_pyfunction!(profile, &module)?;
    py.import("threading")?.call_method1("setprofile", (&callback,))?;
    py.import("sys")?.call_method1("setprofile", (&callback,)).map(drop)
}

/// Returns the type's name of an exception (an instance or a class), for the log.
pub(crate) fn name_of_exception(exception: Option<&Bound<'_, PyAny>>) -> String {
    match exception {
        None => String::new(),
        Some(exception) => match exception.cast::<PyType>() {
            Ok(kind) if !kind.is(PyType::type_object(exception.py())) => dotted_name(kind),
            _ => exception_name(exception),
        },
    }
}
