//! The recorder: a small Python extension that lives in the app's process.
//!
//! It notes every call from one module of the app into another: when it began and ended, what CPU time it took, when
//! it was suspended, on whose behalf it ran, and, for a sample, the shape of what it carried. In reading order:
//! `owner` (whose code is it), `state` (stacks of open calls), `events` (what the interpreter tells), `handing` (tasks and
//! threads), `payload` with `skeleton` (shapes), `sink` (the log file).
//!
//! ```python
//! from splitcost import _native
//! _native.start("logs", ["shop"], [], contextvars.ContextVar("splitcost", default=None))
//! ```
//!
//! Invariants: nothing raises into the app; trouble switches the recorder off, once, for good. No value of the app's
//! data is written: types, field names that stand in the app's own source, and sizes only. Memory is bounded.
//!
//! What it leaves to others: hooking servers and libraries is `splitcost.recorder`'s (Python), the log's format is
//! `splitcost-recording`'s, and what the records mean is `splitcost-model`'s.
//!
//! For development, beside the Python sources (without the variable, `PyO3` links libpython, which an extension must
//! not): `PYO3_BUILD_EXTENSION_MODULE=1 cargo build --release -p splitcost-recorder`, then copy `lib_native.so` to
//! `python/splitcost/_native.abi3.so`.
//!
//! Known limits: a call that outlives its request (a task nobody awaits) still names that request; an argument that
//! something else changed while a coroutine was suspended counts as mutated; a row of an `SQLModel` table counts as data
//! (its columns can be sent and rebuilt detached), though changes to the copy do not reach the session.

mod clock;
mod code;
mod events;
mod handing;
mod owner;
mod payload;
mod sink;
mod skeleton;
mod state;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use splitcost_recording::log::{Reader, Record};

use crate::events::name_of_exception;
use crate::handing::Origins;
use crate::owner::Packages;
use crate::sink::{ON, Sink};
use crate::state::Recorder;

/// Starts recording, once per process; gives the mode: `monitoring` or `profile`.
#[pyfunction]
fn start(
    py: Python<'_>,
    directory: PathBuf,
    packages: Vec<String>,
    modules: Vec<String>,
    context: &Bound<'_, PyAny>,
) -> PyResult<&'static str> {
    if state::lock().is_some() {
        return Err(pyo3::exceptions::PyRuntimeError::new_err("the recorder was started before"));
    }
    let version = py.version_info();
    let mode = if version >= (3, 12) { "monitoring" } else { "profile" };
    let directory = std::path::absolute(directory)?;
    std::fs::create_dir_all(&directory)?;
    let python_version = format!("{}.{}.{}", version.major, version.minor, version.patch);
    let recorder = Recorder::new(Sink::new(directory), Packages { packages, modules }, python_version, mode);
    *state::lock() = Some(recorder);
    handing::use_context(py, context)?;
    ON.store(true, Ordering::Relaxed);
    sink::flush();
    sink::start_flushing();
    if mode == "monitoring" {
        events::start_monitoring(py)?;
    } else {
        events::start_profiling(py)?;
    }
    Ok(mode)
}

/// Whether the recorder records.
#[pyfunction]
fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Makes calls of this coroutine function's code requests.
#[pyfunction]
fn register_root(py: Python<'_>, code: &Bound<'_, PyAny>) -> PyResult<()> {
    code::register_root(code, "(asgi)")?;
    events::watch(py, code)
}

/// To be called first in a root: names its endpoint, if known, and gives what the context variable is to hold.
#[pyfunction]
#[pyo3(signature = (endpoint))]
fn root(endpoint: Option<&str>) -> Option<Origins> {
    if !is_on() {
        return None;
    }
    state::root(endpoint).and_then(Origins::of)
}

/// To be called last in a root: its endpoint and HTTP status.
#[pyfunction]
fn root_done(endpoint: String, status: u16) {
    state::root_done(endpoint, status);
}

/// Begins a test, which is a request; gives what the context variable is to hold.
#[pyfunction]
fn begin_test(name: &str, code: &Bound<'_, PyAny>) -> PyResult<Option<Origins>> {
    if !is_on() {
        return Ok(None);
    }
    let address = code.as_ptr() as usize;
    let known = state::lock().as_ref().and_then(|recorder| recorder.seen(address));
    let seen = if known.is_some() { known } else { code::register_root(code, "(test)")? };
    let Some(seen) = seen else { return Ok(None) };
    let origin = state::begin_test(seen, name).map_err(pyo3::exceptions::PyRuntimeError::new_err)?;
    Ok(origin.and_then(Origins::of))
}

/// Ends the test that runs on this thread, with the exception it failed with.
#[pyfunction]
#[pyo3(signature = (exception))]
fn end_test(exception: Option<&Bound<'_, PyAny>>) {
    state::end_test(&name_of_exception(exception));
}

/// Writes out what is in memory.
#[pyfunction]
fn flush() {
    sink::flush();
}

/// Writes out everything at the process's end.
#[pyfunction]
fn finish() {
    sink::finish();
}

/// Switches the recorder off for good.
#[pyfunction]
fn switch_off(reason: &str) {
    sink::switch_off(reason);
}

/// Around `os.fork`.
#[pyfunction]
fn before_fork() {
    sink::before_fork();
}

/// Around `os.fork`.
#[pyfunction]
fn after_fork_in_parent() {
    sink::after_fork_in_parent();
}

/// Around `os.fork`.
#[pyfunction]
fn after_fork_in_child() {
    sink::after_fork_in_child();
}

/// A log's records as dictionaries, each with its kind under `record`; a damaged end is one more, `damage`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 makes the path for us")]
fn read_log(py: Python<'_>, path: PathBuf) -> PyResult<Py<PyList>> {
    let bytes = std::fs::read(&path)?;
    let mut reader = Reader::new(&bytes).ok_or_else(|| {
        pyo3::exceptions::PyValueError::new_err(format!("{} is no log of this version", path.display()))
    })?;
    let list = PyList::empty(py);
    for record in reader.by_ref() {
        list.append(record_as_dict(py, &record)?)?;
    }
    if let Some(damage) = reader.damage() {
        let dict = PyDict::new(py);
        dict.set_item("record", "damage")?;
        dict.set_item("offset", damage.offset)?;
        dict.set_item("reason", damage.reason)?;
        list.append(dict)?;
    }
    Ok(list.unbind())
}

/// Sets the named fields of a record under their own names.
macro_rules! set {
    ($dict:expr, $kind:literal, $($field:ident),*) => {{
        $dict.set_item("record", $kind)?;
        $($dict.set_item(stringify!($field), $field)?;)*
    }};
}

fn record_as_dict<'py>(py: Python<'py>, record: &Record) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    match record {
        Record::Process { pid, python_version, mode } => set!(dict, "process", pid, python_version, mode),
        Record::Module { id, name } => set!(dict, "module", id, name),
        Record::Function { id, module, qualname, file, line, kind } => {
            set!(dict, "function", id, module, qualname, file, line, kind);
        }
        Record::RequestStart { request, wall, process_cpu } => {
            set!(dict, "request_start", request, wall, process_cpu);
        }
        Record::RequestEnd { request, wall, process_cpu, status, endpoint } => {
            set!(dict, "request_end", request, wall, process_cpu, status, endpoint);
        }
        Record::Enter { call, parent, request, function, via, thread, wall, cpu } => {
            set!(dict, "enter", call, parent, request, function, via, thread, wall, cpu);
        }
        Record::Suspend { call, wall, cpu } => set!(dict, "suspend", call, wall, cpu),
        Record::Resume { call, thread, wall, cpu } => set!(dict, "resume", call, thread, wall, cpu),
        Record::Leave { call, wall, cpu, exception } => set!(dict, "leave", call, wall, cpu, exception),
        Record::Shape { id, skeleton } => set!(dict, "shape", id, skeleton),
        Record::Payload { call, result, shape, encoded_bytes, nodes, class, path, file, line } => {
            set!(dict, "payload", call, result, shape, encoded_bytes, nodes, class, path, file, line);
        }
        Record::Count { function, calls } => set!(dict, "count", function, calls),
        Record::Trouble { message } => set!(dict, "trouble", message),
    }
    Ok(dict)
}

/// `splitcost._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Origins>()?;
    module.add_function(wrap_pyfunction!(start, module)?)?;
    module.add_function(wrap_pyfunction!(is_on, module)?)?;
    module.add_function(wrap_pyfunction!(register_root, module)?)?;
    module.add_function(wrap_pyfunction!(root, module)?)?;
    module.add_function(wrap_pyfunction!(root_done, module)?)?;
    module.add_function(wrap_pyfunction!(begin_test, module)?)?;
    module.add_function(wrap_pyfunction!(end_test, module)?)?;
    module.add_function(wrap_pyfunction!(flush, module)?)?;
    module.add_function(wrap_pyfunction!(finish, module)?)?;
    module.add_function(wrap_pyfunction!(switch_off, module)?)?;
    module.add_function(wrap_pyfunction!(before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(after_fork_in_parent, module)?)?;
    module.add_function(wrap_pyfunction!(after_fork_in_child, module)?)?;
    module.add_function(wrap_pyfunction!(read_log, module)?)?;
    module.add_function(wrap_pyfunction!(handing::current, module)?)?;
    module.add_function(wrap_pyfunction!(handing::handed, module)?)?;
    module.add_function(wrap_pyfunction!(handing::push_loop, module)?)?;
    module.add_function(wrap_pyfunction!(handing::pop_loop, module)?)?;
    Ok(())
}
