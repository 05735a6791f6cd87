//! Arguments that the caller left out: each is, as an object, the default value of its parameter.
//!
//! A frame does not name the function that it runs: that is looked up by its qualified name. The defaults of a nested
//! function, or of one that its module has under no name, are not known; all its arguments then count as passed.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple, PyType};

use crate::inert::{instance_dict, is_of_c, own_attr, qualname};

/// Most decorators around a function that are looked behind.
///
/// Chosen: more are a chain without an end.
const MAX_DECORATORS: usize = 16;

/// The default values of a function's parameters.
#[derive(Default)]
pub(crate) struct Defaults<'py> {
    /// Number of parameters that can be passed by position.
    positional: usize,
    /// Number of parameters beside `*args` and `**kwargs`.
    named: usize,
    /// The values of the last of these.
    last: Option<Bound<'py, PyTuple>>,
    by_name: Option<Bound<'py, PyDict>>,
}

impl<'py> Defaults<'py> {
    /// Returns those of the function whose code runs with these globals.
    pub(crate) fn of(code: &Bound<'py, PyAny>, globals: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = code.py();
        let name: String = code.getattr(intern!(py, "co_qualname"))?.extract()?;
        let positional = code.getattr(intern!(py, "co_argcount"))?.extract()?;
        let named = positional + code.getattr(intern!(py, "co_kwonlyargcount"))?.extract::<usize>()?;
        let mut found = Self { positional, named, ..Self::default() };
        let Ok(globals) = globals.cast::<PyDict>() else { return Ok(found) };
        if let Some(function) = function_named(globals, &name, code)? {
            found.last = function.getattr(intern!(py, "__defaults__"))?.cast_into().ok();
            found.by_name = function.getattr(intern!(py, "__kwdefaults__"))?.cast_into().ok();
        }
        Ok(found)
    }

    /// Returns true if a value is the default of the parameter at this place: of `*args` and `**kwargs` an empty one.
    pub(crate) fn are(&self, at: usize, name: &str, value: &Bound<'py, PyAny>) -> bool {
        if at >= self.named {
            let is_empty_tuple = value.cast_exact::<PyTuple>().is_ok_and(PyTupleMethods::is_empty);
            return is_empty_tuple || value.cast_exact::<PyDict>().is_ok_and(PyDictMethods::is_empty);
        }
        let last = self.last.as_ref().and_then(|last| {
            let first = self.positional.checked_sub(last.len())?;
            last.get_item(at.checked_sub(first)?).ok()
        });
        let by_name = || self.by_name.as_ref()?.get_item(name).ok().flatten();
        last.or_else(by_name).is_some_and(|default| default.is(value))
    }
}

/// Returns the function of this qualified name and code, behind its decorators.
fn function_named<'py>(
    globals: &Bound<'py, PyDict>,
    name: &str,
    code: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyFunction>>> {
    let mut parts = name.split('.');
    let mut found = parts.next().and_then(|first| globals.get_item(first).ok().flatten());
    for part in parts {
        found = found.and_then(|outer| own_attr(outer.cast::<PyType>().ok()?, part));
    }
    for _ in 0..MAX_DECORATORS {
        let Some(value) = found else { return Ok(None) };
        if let Ok(function) = value.cast_exact::<PyFunction>()
            && function.getattr(intern!(value.py(), "__code__"))?.is(code)
        {
            return Ok(Some(function.clone()));
        }
        found = behind(&value)?;
    }
    Ok(None)
}

/// Returns the function that a decorator has wrapped, or that a static or class method holds.
fn behind<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = value.py();
    let kind = value.get_type();
    let is_method = is_of_c(&kind) && matches!(qualname(&kind).as_deref(), Some("staticmethod" | "classmethod"));
    if is_method {
        return value.getattr(intern!(py, "__func__")).map(Some);
    }
    let wrapped: &Bound<'_, PyString> = intern!(py, "__wrapped__");
    Ok(instance_dict(value).and_then(|held| held.get_item(wrapped).ok().flatten()))
}
