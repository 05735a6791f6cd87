//! Commands of Redis: noted as statements whose text is the command's name, or the names of a pipeline's commands.
//!
//! Keys and values are the user's data: neither leaves this module, only their approximate size does.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PySet, PyString, PyTuple};
use splitcost_recording::log::{DialectCode, Record};
use splitcost_recording::redact::command;

use crate::clock;
use crate::guard::attempt;
use crate::handing::origin_of_statement;
use crate::state::lock;
use crate::statement::{MAX_DEPTH, approximate_bytes, site_of, stop_executing, text_of};

/// Most names of different commands that a pipeline is written with.
///
/// Chosen: a longer list is a program that draws its commands at random.
const MAX_NAMES: usize = 16;

/// Notes that a command, or the commands of a pipeline, begun at `begun`, were answered.
///
/// `sent` is a tuple of the command's name and its arguments; of a pipeline it is a list of pairs of such a tuple and
/// options.
#[pyfunction]
pub(crate) fn end_commands(py: Python<'_>, begun: u64, sent: &Bound<'_, PyAny>, answer: &Bound<'_, PyAny>) {
    stop_executing(begun);
    attempt(py, "a command", || note(py, begun, sent, answer));
}

fn note(py: Python<'_>, begun: u64, sent: &Bound<'_, PyAny>, answer: &Bound<'_, PyAny>) -> PyResult<()> {
    let nanos = clock::monotonic().saturating_sub(begun);
    let Some(origin) = origin_of_statement(py)? else { return Ok(()) };
    let (text, parameter_bytes) = if let Ok(command) = sent.cast_exact::<PyTuple>()
        && let Ok(name) = command.get_borrowed_item(0)
    {
        (text_of(DialectCode::Redis, &name)?, approximate_bytes(command, MAX_DEPTH))
    } else if let Ok(pipeline) = sent.cast_exact::<PyList>()
        && !pipeline.is_empty()
    {
        text_of_pipeline(pipeline)
    } else {
        return Ok(());
    };
    let site = site_of(py, origin, text)?;
    let (rows, bytes) = (elements(answer), approximate_bytes(answer, MAX_DEPTH));
    let Some(recorder) = &mut *lock() else { return Ok(()) };
    let statement = recorder.next_statement();
    recorder.put_call(&Record::Statement {
        statement,
        call: origin.call,
        text,
        site,
        transaction: 0,
        wall: begun,
        nanos,
        rows,
        parameter_bytes,
    });
    recorder.put_call(&Record::Rows { statement, rows: 0, bytes, nanos: 0 });
    Ok(())
}

/// Returns the number of the text that names each kind of command of a pipeline once, and the size of them all.
fn text_of_pipeline(pipeline: &Bound<'_, PyList>) -> (u32, u64) {
    let mut names: Vec<&str> = Vec::new();
    let mut bytes = 0;
    for queued in pipeline {
        let command = queued.cast_exact::<PyTuple>().ok().and_then(|pair| pair.get_item(0).ok());
        let Some(Ok(command)) = command.as_ref().map(|command| command.cast_exact::<PyTuple>()) else { continue };
        bytes += approximate_bytes(command, MAX_DEPTH);
        let name = command.get_borrowed_item(0).map_or(command::OTHER, |name| name_of(&name));
        if !names.contains(&name) && names.len() <= MAX_NAMES {
            names.push(if names.len() == MAX_NAMES { "…" } else { name });
        }
    }
    let text = format!("PIPELINE {}", names.join(", "));
    (lock().as_mut().map_or(0, |recorder| recorder.text_id(DialectCode::Redis, text)), bytes)
}

fn name_of(sent: &Bound<'_, PyAny>) -> &'static str {
    if let Ok(text) = sent.cast_exact::<PyString>() {
        text.to_str().map_or(command::OTHER, command::name)
    } else if let Ok(bytes) = sent.cast_exact::<PyBytes>() {
        std::str::from_utf8(bytes.as_bytes()).map_or(command::OTHER, command::name)
    } else {
        command::OTHER
    }
}

/// Returns the number of elements in an answer: of a collection its length, of a text one, of a number or status none.
fn elements(answer: &Bound<'_, PyAny>) -> u64 {
    let is_collection = answer.is_exact_instance_of::<PyList>()
        || answer.is_exact_instance_of::<PyTuple>()
        || answer.is_exact_instance_of::<PyDict>()
        || answer.is_exact_instance_of::<PySet>();
    if is_collection {
        return answer.len().unwrap_or(0) as u64;
    }
    let is_text = answer.is_exact_instance_of::<PyBytes>() || answer.is_exact_instance_of::<PyString>();
    u64::from(is_text)
}
