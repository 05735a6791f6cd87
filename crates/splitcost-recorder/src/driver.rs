//! Drivers of databases, as the wrappers around their methods ask them.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use splitcost_recording::log::DialectCode;

use crate::guard::attempt_between_interrupts;
use crate::statement::{Executed, begin_fetch, begin_statement, note, stop_executing};

/// A question that is asked of a driver's object: a descriptor of its type, or a callable with one argument.
struct Question {
    asked: Py<PyAny>,
    /// The getter of a descriptor: calling it takes a tenth of the time that its `__get__` takes.
    getter: Option<ffi::descrgetfunc>,
}

impl FromPyObject<'_, '_> for Question {
    type Error = PyErr;

    fn extract(asked: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if asked.is_callable() {
            return Ok(Self { asked: asked.to_owned().unbind(), getter: None });
        }
        // SAFETY: the type is alive, as its object is; that slot of a type is null or a function of this signature.
        let getter = unsafe {
            let slot = ffi::PyType_GetSlot(asked.get_type().as_type_ptr(), ffi::Py_tp_descr_get);
            std::mem::transmute::<*mut std::ffi::c_void, Option<ffi::descrgetfunc>>(slot)
        };
        if getter.is_none() {
            return Err(PyValueError::new_err("neither a descriptor nor callable"));
        }
        Ok(Self { asked: asked.to_owned().unbind(), getter })
    }
}

impl Question {
    /// Returns the answer; `None` where the object is closed, not set up, or of another type.
    fn ask<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = object.py();
        let answer = match self.getter {
            // SAFETY: the GIL is held; both objects are alive, and the descriptor checks the type of the other one. The
            // result is a new reference, or null with an exception set.
            Some(getter) => unsafe {
                let kind = object.get_type();
                Bound::from_owned_ptr_or_err(py, getter(self.asked.as_ptr(), object.as_ptr(), kind.as_ptr()))
            },
            None => self.asked.bind(py).call1((object,)),
        };
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The questions that the wrappers around a driver's methods ask.
#[pyclass(frozen, module = "splitcost._native")]
pub(crate) struct Driver {
    dialect: DialectCode,
    /// Names of the arguments that are the text and its parameters.
    names: (Py<PyString>, Py<PyString>),
    /// The connection of an object that executes; `None` where that is the connection itself.
    connection: Option<Question>,
    /// True when a connection is in a transaction; nothing is sent to find out.
    in_transaction: Question,
    /// The number of rows of a cursor that has executed, or -1 where only fetching shows it.
    rows: Question,
    /// Anything but `None` where only fetching shows the number of rows, whatever it is said to be.
    rows_to_come: Option<Question>,
    /// The text that a cursor has executed, for a statement that is no text but an object of the driver.
    executed: Option<Question>,
}

#[pymethods]
impl Driver {
    #[new]
    #[pyo3(signature = (dialect, names, connection, in_transaction, rows, rows_to_come=None, executed=None))]
    fn new(
        dialect: u8,
        names: (Py<PyString>, Py<PyString>),
        connection: Option<Question>,
        in_transaction: Question,
        rows: Question,
        rows_to_come: Option<Question>,
        executed: Option<Question>,
    ) -> PyResult<Self> {
        let dialect = DialectCode::try_from(dialect).map_err(|_| PyValueError::new_err("there is no such dialect"))?;
        Ok(Self { dialect, names, connection, in_transaction, rows, rows_to_come, executed })
    }

    /// Begins a statement that this thread executes.
    ///
    /// Returns its instant, whose lowest bit says if the connection is in a transaction; 0 where it is not to be noted.
    fn begin(&self, executor: &Bound<'_, PyAny>) -> PyResult<u64> {
        self.begin_at(begin_statement(), executor)
    }

    /// Begins a statement as [`Driver::begin`] does, which a coroutine executes: others may be under way.
    fn begin_later(&self, executor: &Bound<'_, PyAny>) -> PyResult<u64> {
        self.begin_at(begin_fetch(), executor)
    }

    /// Notes a statement that was executed: by this object, with this result, called with these arguments.
    fn end(
        &self,
        begun: u64,
        executor: &Bound<'_, PyAny>,
        result: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let at = begun & !1;
        stop_executing(at);
        let noted = attempt_between_interrupts(executor.py(), "a statement", || {
            let connection = self.connection_of(executor)?;
            // A cursor executes and is its own result, or returns something else; a connection returns a cursor.
            let is_connection = connection.as_ref().is_some_and(|connection| connection.is(executor));
            let cursor = Some(if is_connection { result } else { executor }).filter(|cursor| !cursor.is_none());
            let argument = |at: usize, name: &Py<PyString>| match args.get_item(at) {
                Ok(argument) => Ok(Some(argument)),
                Err(_) => kwargs.get_item(name),
            };
            let executed = Executed {
                begun: at,
                dialect: self.dialect,
                sql: self.text_of(argument(0, &self.names.0)?, cursor)?,
                parameters: argument(1, &self.names.1)?,
                connection: connection.as_ref().map_or(0, |connection| connection.as_ptr() as usize),
                was_in: begun & 1 == 1,
                is_in: self.is_in(connection.as_ref())?,
                cursor: cursor.map_or(0, |cursor| cursor.as_ptr() as usize),
                rows: cursor.map_or(Ok(None), |cursor| self.rows_of(cursor))?,
            };
            note(executor.py(), &executed)
        });
        noted.map(|_| ())
    }
}

impl Driver {
    fn begin_at(&self, at: u64, executor: &Bound<'_, PyAny>) -> PyResult<u64> {
        if at == 0 {
            return Ok(0);
        }
        let was_in = attempt_between_interrupts(executor.py(), "the beginning of a statement", || {
            self.is_in(self.connection_of(executor)?.as_ref())
        });
        match was_in {
            Ok(Some(was_in)) => Ok(at | u64::from(was_in)),
            not_begun => {
                stop_executing(at);
                not_begun.map(|_| 0)
            }
        }
    }

    fn connection_of<'py>(&self, executor: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.connection {
            Some(connection) => connection.ask(executor),
            None => Ok(Some(executor.clone())),
        }
    }

    fn is_in(&self, connection: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let Some(connection) = connection else { return Ok(false) };
        self.in_transaction.ask(connection)?.map_or(Ok(false), |is_in| is_in.is_truthy())
    }

    fn rows_of(&self, cursor: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        // A driver that does not know the number has -1, or the same as an unsigned number.
        let rows = self.rows.ask(cursor)?.and_then(|rows| rows.extract::<i64>().ok());
        let Some(rows) = rows.and_then(|rows| u64::try_from(rows).ok()) else { return Ok(None) };
        let is_to_come = match &self.rows_to_come {
            Some(question) => question.ask(cursor)?.is_some_and(|answer| !answer.is_none()),
            None => false,
        };
        Ok((!is_to_come).then_some(rows))
    }

    /// Returns the text of a statement: the argument, or what the cursor has executed where that is no text.
    fn text_of<'py>(
        &self,
        argument: Option<Bound<'py, PyAny>>,
        cursor: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let is_text = argument
            .as_ref()
            .is_some_and(|text| text.is_exact_instance_of::<PyString>() || text.is_exact_instance_of::<PyBytes>());
        match (&self.executed, cursor) {
            (Some(executed), Some(cursor)) if !is_text => executed.ask(cursor),
            _ => Ok(argument),
        }
    }
}
