//! The recorder: a small Python extension that lives in the app's process.
//!
//! It notes every call from one module of the app into another: start, end, CPU time, suspensions, the request on whose
//! behalf it ran, and, for a sample, the shape of its arguments and result. In reading order: `source` (the code under
//! recording and its names), `shadow_stack` (the open calls of a thread), `state` (the process), `tracking` (the effects
//! of an event on both), `events` (the interpreter's callbacks), `handing` (tasks and threads), `inert` (looks that
//! run no code of the app), `type_info` and `resource` (types of values), `walk`, `place`, `receiver`, `defaults` and `makes` (values),
//! `payload` (samples), `driver`, `statement` and `uncommitted` (databases), `command` (Redis), `buffer` and `writer` (the log file), `ending` (signals), `guard` (faults
//! never reach the app).
//!
//! ```python
//! from splitcost import _native
//! _native.start("logs", ["shop"], [], [], contextvars.ContextVar("splitcost", default=None))
//! ```
//!
//! Invariants: nothing raises into the app; trouble switches the recorder off, once, for good. No value of the app's
//! data is written: only types, sizes, and names that source code spells out. Memory is bounded, and an argument of the
//! app is held only while the call that got it runs.
//!
//! Left to others: `splitcost.recorder` and `splitcost.gateways` (Python) hook libraries, `splitcost-recording` defines the log's
//! format, and `splitcost-model` the meaning of the records.
//!
//! For development, beside the Python sources (without the variable, `PyO3` links libpython, which an extension must
//! not): `PYO3_BUILD_EXTENSION_MODULE=1 cargo build --release -p splitcost-recorder`, then copy `lib_native.so` to
//! `python/splitcost/_native.abi3.so`.
//!
//! Known limits: a call that outlives its request (a task that nobody awaits) still names that request; an argument that
//! something else changed while a coroutine was suspended counts as mutated; a row counts as data (it can be sent and
//! rebuilt detached), though changes to the copy do not reach the session.

mod buffer;
mod clock;
mod code;
mod command;
mod defaults;
mod driver;
mod ending;
mod events;
mod guard;
mod handing;
mod inert;
mod makes;
mod obstacle;
mod owner;
mod payload;
mod place;
mod receiver;
mod resource;
mod shadow_stack;
mod shortcut;
mod source;
mod state;
mod statement;
mod tracking;
mod type_info;
mod uncommitted;
mod walk;
mod wrapper;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyList};
use splitcost_recording::division::Division;
use splitcost_recording::log::{FunctionKindCode, LimitCode, LoggedReceiver, Reader, Record};
use splitcost_recording::redact;

use crate::buffer::LogBuffer;
use crate::events::name_of_exception;
use crate::handing::Origins;
use crate::shadow_stack::RequestResult;
use crate::state::Recorder;
use crate::writer::ON;

/// Starts recording, once per process; returns the mode: `monitoring` or `profile`.
#[pyfunction]
fn start(
    py: Python<'_>,
    directory: PathBuf,
    packages: Vec<String>,
    modules: Vec<String>,
    depth: Option<usize>,
    entry_points: Vec<String>,
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
    inert::prepare(py)?;
    makes::prepare(py)?;
    source::record(Division { packages, modules, depth }, entry_points);
    let recorder = Recorder::new(LogBuffer::new(directory), python_version, mode);
    *state::lock() = Some(recorder);
    handing::use_context(py, context)?;
    ON.store(true, Ordering::Relaxed);
    writer::flush();
    writer::start_flushing();
    ending::follow();
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
fn register_root(py: Python<'_>, code: &Bound<'_, PyAny>, name: &str) -> PyResult<()> {
    code::register_root(code, name)?;
    events::watch(py, code)
}

/// Tells calls apart by their frames from here on: greenlets may end them in another order than they began in.
#[pyfunction]
fn expect_greenlets() {
    shadow_stack::expect_greenlets();
}

/// Returns the instance dictionary of an object, whatever its class makes of `__dict__`; `None` if it has none.
#[pyfunction]
fn instance_dict<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyDict>> {
    inert::instance_dict(object)
}

/// Returns true for a module whose objects are of one process, even where another one has its own under the same name.
#[pyfunction]
fn is_of_a_process(module: &str) -> bool {
    resource::is_of_a_process(module)
}

/// Returns true for a library's class whose objects are known to be the fields that they have.
#[pyfunction]
fn is_plain_of_library(module: &str, qualname: &str) -> bool {
    type_info::is_plain_of_library(module, qualname)
}

/// Returns the number of a function of the app, and `None` for one of anybody else.
#[pyfunction]
fn function_id(function: &Bound<'_, PyFunction>) -> PyResult<Option<u32>> {
    let facts = code::classify_function(function)?;
    Ok(facts.filter(|facts| facts.module != state::FRAMEWORK).map(|facts| facts.function))
}

/// Returns the number of a function that stands for a class of the app, and `None` for a class of anybody else.
#[pyfunction]
fn class_id(module: &str, qualname: &str) -> Option<u32> {
    let owner = source::owner_of(module, qualname)?;
    let qualname = source::written_qualname(qualname);
    Some(state::lock().as_mut()?.function(owner, &qualname, "", 0, FunctionKindCode::Plain))
}

/// Begins the root that runs: notes the server and the endpoint, if known, and returns the value for the context
/// variable.
#[pyfunction]
#[pyo3(signature = (server, endpoint))]
fn root(server: &str, endpoint: Option<&str>) -> Option<Origins> {
    if !is_on() {
        return None;
    }
    tracking::root(server, endpoint).and_then(Origins::of)
}

/// Notes the number of `processes`, `server_threads` or `pool_threads` that run requests at the same time; `None` stands for
/// no limit. It is written with the next request.
#[pyfunction]
#[pyo3(signature = (limit, count))]
fn note_limit(limit: &str, count: Option<u32>) -> PyResult<()> {
    let known = LimitCode::ALL.iter().find(|known| known.name() == limit);
    let known = known.ok_or_else(|| pyo3::exceptions::PyValueError::new_err("no such limit"))?;
    if let Some(recorder) = state::lock().as_mut() {
        recorder.note_limit(*known, count.unwrap_or(Record::UNLIMITED));
    }
    Ok(())
}

/// Returns `METHOD /path` without the values in the path.
#[pyfunction]
fn request_name(method: &str, path: &str) -> String {
    redact::request_name(method, path)
}

/// Returns the name of a test without its parameters.
#[pyfunction]
fn test_name(name: &str) -> String {
    redact::test_name(name)
}

/// Sets the result of the running root; to be called last in it. An empty endpoint means that it was no request.
#[pyfunction]
#[pyo3(signature = (endpoint, status, handler))]
fn root_done(endpoint: String, status: u16, handler: Option<u32>) {
    tracking::root_done(RequestResult { endpoint, status, handler });
}

/// Begins a request on this thread whose root is no coroutine; returns the value for the context variable.
#[pyfunction]
#[pyo3(signature = (name, server, endpoint, is_command))]
fn begin(name: &str, server: &str, endpoint: Option<&str>, is_command: bool) -> PyResult<Option<Origins>> {
    if !is_on() {
        return Ok(None);
    }
    let origin = tracking::begin(name, server, endpoint, is_command);
    Ok(origin.map_err(pyo3::exceptions::PyRuntimeError::new_err)?.and_then(Origins::of))
}

/// Notes a server, or another program that takes requests.
#[pyfunction]
fn note_server(name: &str) {
    if let Some(recorder) = state::lock().as_mut() {
        recorder.put_server(name);
    }
}

/// Ends the request that `begin` began, with the exception that it failed with. An empty endpoint means that it was no
/// request.
#[pyfunction]
#[pyo3(signature = (origin, endpoint, status, handler, exception))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands references to classes out as guards")]
fn end(
    origin: PyRef<'_, Origins>,
    endpoint: String,
    status: u16,
    handler: Option<u32>,
    exception: Option<&Bound<'_, PyAny>>,
) {
    let result = RequestResult { endpoint, status, handler };
    tracking::end(origin.origin(), result, &name_of_exception(exception));
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
        Record::Function { id, module, qualname, file, line, kind, is_unnamed, is_made } => {
            let kind = kind.name();
            set!(dict, id, module, qualname, file, line, kind, is_unnamed, is_made);
        }
        Record::RequestStart { request, wall, process_cpu, left_out } => {
            set!(dict, request, wall, process_cpu, left_out);
        }
        Record::Server { name } => set!(dict, name),
        Record::Limit { limit, count } => {
            let limit = limit.name();
            set!(dict, limit, count);
        }
        Record::RequestEnd { request, wall, process_cpu, left_out, status, handler, endpoint } => {
            set!(dict, request, wall, process_cpu, left_out, status, handler, endpoint);
        }
        Record::Enter { call, parent, request, function, via, thread, wall, cpu } => {
            let via = via.name();
            set!(dict, call, parent, request, function, via, thread, wall, cpu);
        }
        Record::Suspend { call, wall, cpu } => set!(dict, call, wall, cpu),
        Record::Resume { call, thread, wall, cpu } => set!(dict, call, thread, wall, cpu),
        Record::Leave { call, wall, cpu, exception } => set!(dict, call, wall, cpu, exception),
        Record::Makes { call, makes } => {
            let makes = makes.name();
            set!(dict, call, makes);
        }
        Record::Shape { id, skeleton } => set!(dict, id, skeleton),
        Record::Payload { call, result, shape, encoded_bytes, nodes, class, path, obstacles, receiver, file, line } => {
            let class = class.name();
            let obstacles: Vec<(&str, &String)> = obstacles.iter().map(|(class, path)| (class.name(), path)).collect();
            let receiver = receiver.as_ref().map(|receiver| receiver_as_dict(py, receiver)).transpose()?;
            set!(dict, call, result, shape, encoded_bytes, nodes, class, path, obstacles, receiver, file, line);
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
        Record::Uncommitted { request, wall, calls } => set!(dict, request, wall, calls),
        Record::Connection { call, kind, wall, nanos, cpu } => {
            let kind = kind.name();
            set!(dict, call, kind, wall, nanos, cpu);
        }
        Record::Table { name, module } => set!(dict, name, module),
    }
    Ok(dict)
}

fn receiver_as_dict<'py>(py: Python<'py>, receiver: &LoggedReceiver) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let LoggedReceiver { kind, type_name, place, encoded_bytes, nodes, reason, obstacles } = receiver;
    let kind = kind.name();
    let obstacles: Vec<_> = obstacles.iter().map(|(class, path)| (class.name(), path)).collect();
    set!(dict, kind, type_name, place, encoded_bytes, nodes, reason, obstacles);
    Ok(dict)
}

/// `splitcost._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Origins>()?;
    module.add_function(wrap_pyfunction!(start, module)?)?;
    module.add_function(wrap_pyfunction!(is_on, module)?)?;
    module.add_function(wrap_pyfunction!(register_root, module)?)?;
    module.add_function(wrap_pyfunction!(expect_greenlets, module)?)?;
    module.add_function(wrap_pyfunction!(root, module)?)?;
    module.add_function(wrap_pyfunction!(note_limit, module)?)?;
    module.add_function(wrap_pyfunction!(request_name, module)?)?;
    module.add_function(wrap_pyfunction!(root_done, module)?)?;
    module.add_function(wrap_pyfunction!(instance_dict, module)?)?;
    module.add_function(wrap_pyfunction!(is_of_a_process, module)?)?;
    module.add_function(wrap_pyfunction!(is_plain_of_library, module)?)?;
    module.add_function(wrap_pyfunction!(function_id, module)?)?;
    module.add_function(wrap_pyfunction!(class_id, module)?)?;
    module.add_function(wrap_pyfunction!(test_name, module)?)?;
    module.add_function(wrap_pyfunction!(begin, module)?)?;
    module.add_function(wrap_pyfunction!(note_server, module)?)?;
    module.add_function(wrap_pyfunction!(end, module)?)?;
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
    module.add_class::<driver::Driver>()?;
    module.add_function(wrap_pyfunction!(command::end_commands, module)?)?;
    module.add_function(wrap_pyfunction!(statement::end_transaction, module)?)?;
    module.add_function(wrap_pyfunction!(statement::begin_fetch, module)?)?;
    module.add_function(wrap_pyfunction!(statement::end_fetch, module)?)?;
    module.add_function(wrap_pyfunction!(statement::map_table, module)?)?;
    module.add_function(wrap_pyfunction!(statement::clocks, module)?)?;
    module.add_function(wrap_pyfunction!(statement::note_connection, module)?)?;
    module.add_function(wrap_pyfunction!(statement::replace_method, module)?)?;
    module.add_function(wrap_pyfunction!(uncommitted::look_with, module)?)?;
    module.add_function(wrap_pyfunction!(uncommitted::follow_request, module)?)?;
    module.add_function(wrap_pyfunction!(uncommitted::running, module)?)?;
    module.add_function(wrap_pyfunction!(uncommitted::note_uncommitted, module)?)?;
    Ok(())
}
