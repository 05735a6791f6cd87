//! The guard around everything that the recorder does in the app's threads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;

use crate::type_info::dotted_name;
use crate::writer;

/// Runs a step of the recorder. Whatever goes wrong in it switches the recorder off and never reaches the app.
///
/// `place` completes "an unexpected … in …".
pub(crate) fn attempt<R>(py: Python<'_>, place: &str, step: impl FnOnce() -> PyResult<R>) -> Option<R> {
    let trouble = match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(result)) => return Some(result),
        // The message of an exception may hold a value of the app's: only its type is written.
        Ok(Err(error)) => format!("an unexpected {} in {place}", dotted_name(&error.get_type(py))),
        Err(_) => format!("a fault in {place}"),
    };
    writer::switch_off(&trouble);
    None
}

/// Runs a step that calls Python code of a driver as [`attempt`] does, but passes on the app's own interrupts, which a
/// signal may raise meanwhile.
pub(crate) fn attempt_between_interrupts<R>(
    py: Python<'_>,
    place: &str,
    step: impl FnOnce() -> PyResult<R>,
) -> PyResult<Option<R>> {
    let mut interrupt = None;
    let result = attempt(py, place, || match step() {
        Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py) => {
            interrupt = Some(error);
            Ok(None)
        }
        result => result.map(Some),
    });
    interrupt.map_or(Ok(result.flatten()), Err)
}
