//! Drivers of databases, as the wrappers around their methods ask them.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use splitcost_recording::log::DialectCode;

use crate::guard::attempt_between_interrupts;
use crate::statement::{Executed, begin_fetch, begin_statement, note, stop_executing};

/// The questions that are asked of a driver's objects, each a callable with one argument.
#[pyclass(frozen, module = "splitcost._native")]
pub(crate) struct Driver {
    dialect: DialectCode,
    /// The connection of an object that executes; `None` where that is the connection itself.
    connection: Option<Py<PyAny>>,
    /// True when a connection is in a transaction; nothing is sent to find out.
    in_transaction: Py<PyAny>,
    /// The number of rows of a cursor that has executed, or -1 where only fetching shows it.
    rows: Py<PyAny>,
    /// Names of the arguments that are the text and its parameters.
    names: (Py<PyString>, Py<PyString>),
    /// The text that a cursor has executed, for a statement that is no text but an object of the driver.
    executed: Option<Py<PyAny>>,
}

#[pymethods]
impl Driver {
    #[new]
    #[pyo3(signature = (dialect, connection, in_transaction, rows, names, executed=None))]
    fn new(
        dialect: u8,
        connection: Option<Py<PyAny>>,
        in_transaction: Py<PyAny>,
        rows: Py<PyAny>,
        names: (Py<PyString>, Py<PyString>),
        executed: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let dialect = DialectCode::try_from(dialect)
            .map_err(|_| pyo3::exceptions::PyValueError::new_err("there is no such dialect"))?;
        Ok(Self { dialect, connection, in_transaction, rows, names, executed })
    }

    /// Begins a statement that this thread executes; returns `None` where it is not to be noted.
    fn begin(slf: &Bound<'_, Self>, executor: &Bound<'_, PyAny>) -> PyResult<Option<Begun>> {
        Self::begin_at(slf, begin_statement(), executor)
    }

    /// Begins a statement that a coroutine executes, as others may meanwhile.
    fn begin_later(slf: &Bound<'_, Self>, executor: &Bound<'_, PyAny>) -> PyResult<Option<Begun>> {
        Self::begin_at(slf, begin_fetch(), executor)
    }
}

impl Driver {
    fn begin_at(slf: &Bound<'_, Self>, at: u64, executor: &Bound<'_, PyAny>) -> PyResult<Option<Begun>> {
        if at == 0 {
            return Ok(None);
        }
        let begun = attempt_between_interrupts(slf.py(), "the beginning of a statement", || {
            let was_in = match slf.get().connection_of(executor)? {
                Some(connection) => slf.get().is_in(&connection)?,
                None => false,
            };
            Ok(Begun { at, was_in, driver: slf.clone().unbind() })
        });
        if !matches!(begun, Ok(Some(_))) {
            stop_executing(at);
        }
        begun
    }

    fn connection_of<'py>(&self, executor: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.connection {
            Some(connection) => ask(connection, executor),
            None => Ok(Some(executor.clone())),
        }
    }

    fn is_in(&self, connection: &Bound<'_, PyAny>) -> PyResult<bool> {
        ask(&self.in_transaction, connection)?.map_or(Ok(false), |is_in| is_in.is_truthy())
    }

    fn rows_of(&self, cursor: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        // A driver that does not know the number has -1, or the same as an unsigned number.
        let rows = ask(&self.rows, cursor)?.and_then(|rows| rows.extract::<i64>().ok());
        Ok(rows.and_then(|rows| u64::try_from(rows).ok()))
    }

    /// Returns the text of a statement: the argument, or what the cursor has executed where that is no text.
    fn text_of<'py>(
        &self,
        argument: Option<Bound<'py, PyAny>>,
        cursor: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let is_text = argument.as_ref().is_some_and(|text| {
            text.is_exact_instance_of::<PyString>() || text.is_exact_instance_of::<PyBytes>()
        });
        match (&self.executed, cursor) {
            (Some(executed), Some(cursor)) if !is_text => ask(executed, cursor),
            _ => Ok(argument),
        }
    }
}

/// Asks a driver's object; returns `None` where it does not answer, as one does that is closed or not set up.
fn ask<'py>(question: &Py<PyAny>, object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    match question.bind(object.py()).call1((object,)) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_instance_of::<PyException>(object.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A statement that a driver executes.
#[pyclass(frozen, module = "splitcost._native")]
pub(crate) struct Begun {
    at: u64,
    was_in: bool,
    driver: Py<Driver>,
}

#[pymethods]
impl Begun {
    /// Notes that the statement was executed: by this object, with this result, called with these arguments.
    fn end(
        &self,
        py: Python<'_>,
        executor: &Bound<'_, PyAny>,
        result: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        stop_executing(self.at);
        let noted = attempt_between_interrupts(py, "a statement", || {
            let driver = self.driver.get();
            let connection = driver.connection_of(executor)?;
            let is_in = connection.as_ref().map_or(Ok(false), |connection| driver.is_in(connection))?;
            // A cursor executes and is its own result, or returns something else; a connection returns a cursor.
            let is_connection = connection.as_ref().is_some_and(|connection| connection.is(executor));
            let cursor = Some(if is_connection { result } else { executor }).filter(|cursor| !cursor.is_none());
            let argument = |at: usize, name: &Py<PyString>| match args.get_item(at) {
                Ok(argument) => Ok(Some(argument)),
                Err(_) => kwargs.get_item(name),
            };
            let sql = driver.text_of(argument(0, &driver.names.0)?, cursor)?;
            note(
                py,
                &Executed {
                    begun: self.at,
                    dialect: driver.dialect,
                    sql,
                    parameters: argument(1, &driver.names.1)?,
                    connection: connection.map_or(0, |connection| connection.as_ptr() as usize),
                    was_in: self.was_in,
                    is_in,
                    cursor: cursor.map_or(0, |cursor| cursor.as_ptr() as usize),
                    rows: cursor.map_or(Ok(None), |cursor| driver.rows_of(cursor))?,
                },
            )
        });
        noted.map(|_| ())
    }
}
