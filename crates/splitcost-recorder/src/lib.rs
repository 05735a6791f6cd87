//! The recorder: a small Python extension that lives in the app's process.
//!
//! It notes every call from one module of the app into another: start, end, CPU time, suspensions, the request on whose
//! behalf it ran, and, for a sample, the shape of its arguments and result. In reading order: `source` (the code under
//! recording and its names), `shadow_stack` (the open calls of a thread), `state` (the process), `tracking` (the effects
//! of an event on both), `events` (the interpreter's callbacks), `handing` (tasks and threads), `type_info` (types of
//! values), `payload` (shapes), `statement` (databases), `buffer` and `writer` (the log file), `guard` (faults never reach the app).
//!
//! ```python
//! from splitcost import _native
//! _native.start("logs", ["shop"], [], contextvars.ContextVar("splitcost", default=None))
//! ```
//!
//! Invariants: nothing raises into the app; trouble switches the recorder off, once, for good. No value of the app's
//! data is written: only types, sizes, and names that source code spells out. Memory is bounded, and an argument of the
//! app is held only while the call that got it runs.
//!
//! Left to others: `splitcost.recorder` (Python) hooks servers and libraries, `splitcost-recording` defines the log's
//! format, and `splitcost-model` the meaning of the records.
//!
//! For development, beside the Python sources (without the variable, `PyO3` links libpython, which an extension must
//! not): `PYO3_BUILD_EXTENSION_MODULE=1 cargo build --release -p splitcost-recorder`, then copy `lib_native.so` to
//! `python/splitcost/_native.abi3.so`.
//!
//! Known limits: a call that outlives its request (a task that nobody awaits) still names that request; an argument that
//! something else changed while a coroutine was suspended counts as mutated; a row of an `SQLModel` table counts as data
//! (its columns can be sent and rebuilt detached), though changes to the copy do not reach the session.

mod buffer;
mod clock;
mod code;
mod events;

mod guard;
mod handing;
mod payload;
mod shadow_stack;
mod source;
mod state;
mod statement;
mod tracking;
mod type_info;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use splitcost_recording::log::{Reader, Record};
use splitcost_recording::redact;

use crate::buffer::LogBuffer;
use crate::events::name_of_exception;
use crate::handing::Origins;
use crate::source::Packages;
use crate::state::Recorder;
use crate::writer::ON;

/// Starts recording, once per process; returns the mode: `monitoring` or `profile`.
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
    source::record(Packages { packages, modules });
    let recorder = Recorder::new(LogBuffer::new(directory), python_version, mode);
    *state::lock() = Some(recorder);
    handing::use_context(py, context)?;
    ON.store(true, Ordering::Relaxed);
    writer::flush();
    writer::start_flushing();
    if mode == "monitoring" {
        events::start_monitoring(py)?;
    } else {
        events::start_profiling(py)?;
    }
    Ok(mode)
}

/// Returns true while the recorder records.
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

/// Begins a root: notes its endpoint, if known, and returns the value for the context variable.
#[pyfunction]
#[pyo3(signature = (endpoint))]
fn root(endpoint: Option<&str>) -> Option<Origins> {
    if !is_on() {
        return None;
    }
    tracking::root(endpoint).and_then(Origins::of)
}

/// Returns `METHOD /path` without the values in the path.
#[pyfunction]
fn request_name(method: &str, path: &str) -> String {
    redact::request_name(method, path)
}

/// Sets endpoint and HTTP status of the running root; to be called last in it.
#[pyfunction]
fn root_done(endpoint: String, status: u16) {
    tracking::root_done(endpoint, status);
}

/// Begins a test, which is a request; returns the value for the context variable.
#[pyfunction]
fn begin_test(name: &str, code: &Bound<'_, PyAny>) -> PyResult<Option<Origins>> {
    if !is_on() {
        return Ok(None);
    }
    let address = code.as_ptr() as usize;
    let known = state::lock().as_ref().and_then(|recorder| recorder.facts(address));
    let facts = if known.is_some() { known } else { code::register_root(code, "(test)")? };
    let Some(facts) = facts else { return Ok(None) };
    let origin =
        tracking::begin_test(facts, &redact::test_name(name)).map_err(pyo3::exceptions::PyRuntimeError::new_err)?;
    Ok(origin.and_then(Origins::of))
}

/// Ends the test that runs on this thread, with the exception it failed with.
#[pyfunction]
#[pyo3(signature = (exception))]
fn end_test(exception: Option<&Bound<'_, PyAny>>) {
    tracking::end_test(&name_of_exception(exception));
}

/// Writes the buffer to the log file.
#[pyfunction]
fn flush() {
    writer::flush();
}

/// Writes out everything at the process's end.
#[pyfunction]
fn finish() {
    writer::finish();
}

/// Switches the recorder off for good.
#[pyfunction]
fn switch_off(reason: &str) {
    writer::switch_off(reason);
}

/// Prepares the recorder for `os.fork`.
#[pyfunction]
fn before_fork() {
    writer::before_fork();
}

/// Goes on in the parent after `os.fork`.
#[pyfunction]
fn after_fork_in_parent() {
    writer::after_fork_in_parent();
}

/// Goes on in the child after `os.fork`.
#[pyfunction]
fn after_fork_in_child() {
    writer::after_fork_in_child();
}

/// Returns a log's records as dictionaries, each with its kind under `record`; a damaged end is one more, `damage`.
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
    ($dict:expr, $($field:ident),*) => {{
        $($dict.set_item(stringify!($field), $field)?;)*
    }};
}

fn record_as_dict<'py>(py: Python<'py>, record: &Record) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("record", record.tag().name())?;
    match record {
        Record::Process { pid, python_version, mode } => set!(dict, pid, python_version, mode),
        Record::Module { id, name } => set!(dict, id, name),
        Record::Function { id, module, qualname, file, line, kind } => {
            let kind = kind.name();
            set!(dict, id, module, qualname, file, line, kind);
        }
        Record::RequestStart { request, wall, process_cpu } => {
            set!(dict, request, wall, process_cpu);
        }
        Record::RequestEnd { request, wall, process_cpu, status, endpoint } => {
            set!(dict, request, wall, process_cpu, status, endpoint);
        }
        Record::Enter { call, parent, request, function, via, thread, wall, cpu } => {
            let via = via.name();
            set!(dict, call, parent, request, function, via, thread, wall, cpu);
        }
        Record::Suspend { call, wall, cpu } => set!(dict, call, wall, cpu),
        Record::Resume { call, thread, wall, cpu } => set!(dict, call, thread, wall, cpu),
        Record::Leave { call, wall, cpu, exception } => set!(dict, call, wall, cpu, exception),
        Record::Shape { id, skeleton } => set!(dict, id, skeleton),
        Record::Payload { call, result, shape, encoded_bytes, nodes, class, path, file, line } => {
            let class = class.name();
            set!(dict, call, result, shape, encoded_bytes, nodes, class, path, file, line);
        }
        Record::Count { function, calls } => set!(dict, function, calls),
        Record::Trouble { message } => set!(dict, message),
        Record::StatementText { id, dialect, sql } => {
            let dialect = dialect.name();
            set!(dict, id, dialect, sql);
        }
        Record::Site { id, file, line } => set!(dict, id, file, line),
        Record::Statement { statement, call, text, site, transaction, wall, nanos, rows, parameter_bytes } => {
            set!(dict, statement, call, text, site, transaction, wall, nanos, rows, parameter_bytes);
        }
        Record::Rows { statement, rows, bytes, nanos } => set!(dict, statement, rows, bytes, nanos),
        Record::Table { name, module } => set!(dict, name, module),
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
    module.add_function(wrap_pyfunction!(request_name, module)?)?;
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
    module.add_function(wrap_pyfunction!(handing::handed_statement, module)?)?;
    module.add_function(wrap_pyfunction!(handing::push_loop, module)?)?;
    module.add_function(wrap_pyfunction!(handing::pop_loop, module)?)?;
    module.add_function(wrap_pyfunction!(statement::begin_statement, module)?)?;
    module.add_function(wrap_pyfunction!(statement::end_statement, module)?)?;
    module.add_function(wrap_pyfunction!(statement::note_statement, module)?)?;
    module.add_function(wrap_pyfunction!(statement::end_transaction, module)?)?;
    module.add_function(wrap_pyfunction!(statement::begin_fetch, module)?)?;
    module.add_function(wrap_pyfunction!(statement::end_fetch, module)?)?;
    module.add_function(wrap_pyfunction!(statement::map_table, module)?)?;
    module.add_function(wrap_pyfunction!(statement::replace_method, module)?)?;
    Ok(())
}
