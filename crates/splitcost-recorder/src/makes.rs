//! The work that a plain function leaves to its caller: it returns a coroutine, a generator or a context manager.
//!
//! A task or future is a value: its loop runs it, whoever awaits it, and it is a live resource of that loop. The call
//! that a task runs is below the function that created the task.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use splitcost_recording::log::MakesCode;

use crate::code::classify_ahead;
use crate::inert::instance_dict;
use crate::shadow_stack::CodeFacts;
use crate::state::{FRAMEWORK, lock};

static KINDS: PyOnceLock<Vec<(Py<PyType>, Kind)>> = PyOnceLock::new();

/// A type of the interpreter whose values are work that has not been done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Coroutine,
    Generator,
    AsyncGenerator,
    /// A context manager that is made of a generator.
    ContextManager,
}

/// Gets the types ready, so that later looks import nothing.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    let kind = |module: &str, name: &str, kind| -> PyResult<_> {
        Ok((py.import(module)?.getattr(name)?.cast_into::<PyType>().map_err(PyErr::from)?.unbind(), kind))
    };
    let kinds = vec![
        kind("types", "CoroutineType", Kind::Coroutine)?,
        kind("types", "GeneratorType", Kind::Generator)?,
        kind("types", "AsyncGeneratorType", Kind::AsyncGenerator)?,
        kind("contextlib", "_GeneratorContextManager", Kind::ContextManager)?,
        kind("contextlib", "_AsyncGeneratorContextManager", Kind::ContextManager)?,
    ];
    // Set once, by the one thread that starts the recorder.
    let _ = KINDS.set(py, kinds);
    Ok(())
}

fn kind_of(value: &Bound<'_, PyAny>) -> Option<Kind> {
    let kind = value.get_type_ptr();
    let known = KINDS.get(value.py())?.iter().find(|(known, _)| known.as_ptr().cast() == kind);
    known.map(|(_, kind)| *kind)
}

/// Returns the work that the result of a function stands for, if the function is plain and leaves some to its caller.
pub(crate) fn made_by(maker: CodeFacts, result: &Bound<'_, PyAny>) -> PyResult<Option<MakesCode>> {
    let py = result.py();
    let Some(kind) = kind_of(result).filter(|_| !maker.is_resumable) else { return Ok(None) };
    let mut work = result.clone();
    if kind == Kind::ContextManager {
        let held = instance_dict(result).and_then(|held| held.get_item(intern!(py, "gen")).ok().flatten());
        let Some(held) = held else { return Ok(None) };
        work = held;
    }
    let Some(kind_of_work) = kind_of(&work) else { return Ok(None) };
    let (code, frame) = match kind_of_work {
        Kind::Coroutine => (intern!(py, "cr_code"), intern!(py, "cr_frame")),
        Kind::Generator => (intern!(py, "gi_code"), intern!(py, "gi_frame")),
        Kind::AsyncGenerator => (intern!(py, "ag_code"), intern!(py, "ag_frame")),
        Kind::ContextManager => return Ok(None),
    };
    let frame = work.getattr(frame)?;
    // What has been run to its end is nobody's work any more.
    if frame.is_none() {
        return Ok(None);
    }
    let facts = classify_ahead(&work.getattr(code)?, || frame.getattr(intern!(py, "f_globals")))?;
    let is_called = facts.is_some_and(|made| made.module != FRAMEWORK && !is_part_of(made, maker));
    if let Some(made) = facts.filter(|made| is_called && made.module == maker.module)
        && let Some(recorder) = lock().as_mut()
    {
        recorder.functions[made.function as usize].is_made = true;
    }
    let is_awaited = matches!(kind, Kind::Coroutine | Kind::AsyncGenerator);
    Ok(is_called.then_some(MakesCode::Call).or(is_awaited.then_some(MakesCode::Awaitable)))
}

/// Returns true for a nested function in the module of what made its coroutine: it runs where its maker does.
fn is_part_of(made: CodeFacts, maker: CodeFacts) -> bool {
    let is_nested =
        |recorder: &crate::state::Recorder| recorder.functions[made.function as usize].qualname.contains('<');
    made.module == maker.module && lock().as_ref().is_some_and(is_nested)
}
