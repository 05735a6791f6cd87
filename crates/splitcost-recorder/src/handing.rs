//! Handing a request on: to tasks by a context variable, to threads by a wrapped function.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use splitcost_recording::log::DialectCode;

use crate::guard::attempt;
use crate::shadow_stack::{self, Origin};
use crate::state::lock;
use crate::statement::{site_of, text_of};

/// `get` of the context variable.
static CONTEXT_GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The origin on whose behalf something runs, as the context variable holds it.
#[pyclass(frozen, module = "splitcost._native")]
pub(crate) struct Origins {
    epoch: u32,
    origin: Origin,
}

impl Origins {
    /// Returns the origin.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Wraps an origin for Python to keep.
    pub(crate) fn of(origin: Origin) -> Option<Self> {
        Some(Self { epoch: lock().as_ref()?.epoch, origin })
    }
}

/// Sets the context variable to ask.
pub(crate) fn use_context(py: Python<'_>, variable: &Bound<'_, PyAny>) -> PyResult<()> {
    // Set once, by the one thread that starts the recorder.
    let _ = CONTEXT_GET.set(py, variable.getattr("get")?.unbind());
    Ok(())
}

/// Returns the origin in the running context.
pub(crate) fn ask_context(py: Python<'_>) -> PyResult<Option<Origin>> {
    let Some(get) = CONTEXT_GET.get(py) else { return Ok(None) };
    let value = get.bind(py).call0()?;
    let Ok(held) = value.cast_exact::<Origins>() else { return Ok(None) };
    let held = held.get();
    // An origin of the parent process, from before a fork, means nothing here.
    let is_current = lock().as_ref().is_some_and(|recorder| recorder.epoch == held.epoch);
    Ok(is_current.then_some(held.origin))
}

/// A function that runs on behalf of the call that handed it over.
#[pyclass(frozen, module = "splitcost._native")]
pub(crate) struct Handed {
    function: Py<PyAny>,
    origin: Origin,
    /// Call site of the statement that it executes; 0 where it executes none.
    site: u32,
}

#[pymethods]
impl Handed {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let depth = attempt(py, "a handed call", || Ok(shadow_stack::push_marker(Some(self.origin), self.site, false)));
        let result = self.function.call(py, args, kwargs);
        if let Some(depth) = depth {
            attempt(py, "a handed call", || {
                shadow_stack::pop_to(depth);
                Ok(())
            });
        }
        result
    }
}

/// Returns the origin of the running call, or else the one in the context.
pub(crate) fn origin(py: Python<'_>) -> PyResult<Option<Origin>> {
    match shadow_stack::origin_here() {
        Some(origin) => Ok(Some(origin)),
        None => ask_context(py),
    }
}

/// Returns the origin of a statement: the call outside of all code that wraps the execution of statements, such as the app's
/// own class of connections or cursors.
pub(crate) fn origin_of_statement(py: Python<'_>) -> PyResult<Option<Origin>> {
    let origin = lock()
        .as_ref()
        .filter(|recorder| recorder.has_wrappers_of_statements())
        .and_then(|recorder| shadow_stack::origin_outside(|code| recorder.wraps_statements(code)));
    origin.map_or_else(|| self::origin(py), |origin| Ok(Some(origin)))
}

/// Returns the running call as the context variable is to hold it; `None` where the context needs no change.
#[pyfunction]
pub(crate) fn current() -> Option<Origins> {
    shadow_stack::origin_here().and_then(Origins::of)
}

/// Wraps a function so that its calls belong to the running call, on whatever thread it runs.
#[pyfunction]
pub(crate) fn handed(py: Python<'_>, function: Py<PyAny>) -> Py<PyAny> {
    let handed = attempt(py, "a call that is handed over", || {
        let handed = |origin| Py::new(py, Handed { function: function.clone_ref(py), origin, site: 0 });
        origin(py)?.map(handed).transpose()
    });
    handed.flatten().map_or(function, Py::into_any)
}

/// Wraps a function that a driver hands to the thread of its connection, as [`handed`] does. If it executes a statement,
/// its call site is here.
#[pyfunction]
pub(crate) fn handed_statement(
    py: Python<'_>,
    function: Py<PyAny>,
    dialect: u8,
    args: &Bound<'_, PyTuple>,
) -> Py<PyAny> {
    let handed = attempt(py, "a statement that is handed over", || {
        let (Some(origin), Ok(dialect)) = (origin_of_statement(py)?, DialectCode::try_from(dialect)) else {
            return Ok(None);
        };
        let sql = args.get_item(0).ok().filter(PyAnyMethods::is_exact_instance_of::<PyString>);
        let site = match sql {
            Some(sql) if executes(function.bind(py))? => site_of(py, origin, text_of(dialect, &sql)?)?,
            _ => 0,
        };
        Py::new(py, Handed { function: function.clone_ref(py), origin, site }).map(Some)
    });
    handed.flatten().map_or(function, Py::into_any)
}

/// True for a function whose name says that it executes statements.
fn executes(function: &Bound<'_, PyAny>) -> PyResult<bool> {
    let name = function.getattr_opt(intern!(function.py(), "__name__"))?;
    Ok(name.is_some_and(|name| {
        name.cast_exact::<PyString>().is_ok_and(|name| name.to_str().is_ok_and(|name| name.contains("execute")))
    }))
}

/// Notes that an event loop starts on this thread; the result is for [`pop_loop`].
#[pyfunction]
pub(crate) fn push_loop() -> usize {
    shadow_stack::push_marker(shadow_stack::origin_here(), 0, true)
}

/// Notes that the event loop has stopped.
#[pyfunction]
pub(crate) fn pop_loop(depth: usize) {
    shadow_stack::pop_to(depth);
}
