//! Database statements: noted when a driver executes them and hands out their rows.
//!
//! A statement's text leaves this module without its literals. A text is redacted once: afterwards it is found by its
//! hash, which Python strings remember. Of parameters and rows only approximate sizes are kept, and only values of
//! built-in types are looked at.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PySet, PyString, PyTuple};
use rustc_hash::FxHashMap;
use splitcost_recording::log::{ConnectionWorkCode, DialectCode, Record};
use splitcost_recording::redact::command;
use splitcost_recording::redact::statement::redacted;

use crate::clock;
use crate::code::{current_frame, statement_site};
use crate::guard::attempt;
use crate::handing::origin_of_statement;
use crate::shadow_stack::{Origin, site_here};
use crate::source;
use crate::state::{Recorder, lock};
use crate::type_info::{self, Encoding};
use crate::writer::ON;

/// Most texts, sites, tables, and statements with rows to come, that are remembered.
///
/// Chosen: far above what an app has; each bounds its map at a few megabytes.
const MAX_TEXTS: usize = 5_000;
const MAX_SITES: usize = 50_000;
const MAX_TABLES: usize = 10_000;
const MAX_OPEN: usize = 10_000;
/// Most hashes of texts that are remembered; an app that spells literals out has a new text each time.
///
/// Chosen: as above, with room for lists of every length.
const MAX_HASHES: usize = 50_000;
/// Call sites looked for first, per module and text.
///
/// Chosen: enough to find a second site of the same statement.
const FIRST_SITES: u32 = 16;
/// Afterwards one statement in this many.
///
/// Chosen: a walk through the frames of a mapper takes 5 µs; it then costs 0.2 µs a statement.
const SITE_EVERY: u32 = 32;
/// Values of a collection that are looked at; the others are taken to be alike.
///
/// Chosen: keeps the time below a microsecond.
const SAMPLED_VALUES: usize = 8;
/// Depth of collections that is looked at: rows of columns, one of which may be a list.
pub(crate) const MAX_DEPTH: usize = 3;
/// Size of a value of another type, in bytes: a date, a UUID, a decimal.
///
/// Chosen: these have 8 to 36 bytes as text.
const OTHER_BYTES: u64 = 16;

thread_local! {
    /// The instant at which the statement began that a driver executes on this thread, or 0: one that the driver
    /// executes meanwhile for its own purposes is not the app's.
    static EXECUTING: Cell<u64> = const { Cell::new(0) };
}

/// The statements of the process.
#[derive(Default)]
pub(crate) struct Statements {
    next: u64,
    next_transaction: u64,
    /// The number of a text, by the hash and the length of the original.
    hashes: FxHashMap<(DialectCode, isize, usize), u32>,
    texts: FxHashMap<(DialectCode, String), u32>,
    sites: FxHashMap<(String, u32), u32>,
    /// Per module and text: statements so far, and the site that was found last.
    site_of: FxHashMap<(u32, u32), (u32, u32)>,
    /// The transaction that is open on a connection, by the connection's address.
    transactions: FxHashMap<usize, u64>,
    /// The statement whose rows a cursor hands out, by the cursor's address.
    open: FxHashMap<usize, Open>,
    tables: FxHashMap<String, String>,
}

/// A statement whose rows are handed out.
struct Open {
    statement: u64,
    /// True where the driver has said already how many rows there are.
    is_counted: bool,
    rows: u64,
    bytes: u64,
    nanos: u64,
}

impl Open {
    fn record(&mut self) -> Option<Record> {
        let record = Record::Rows { statement: self.statement, rows: self.rows, bytes: self.bytes, nanos: self.nanos };
        let is_news = self.nanos > 0;
        (self.rows, self.bytes, self.nanos) = (0, 0, 0);
        is_news.then_some(record)
    }
}

impl Statements {
    /// Returns the definitions so far, for the log of a forked child, which knows of no open statement.
    pub(crate) fn begin_anew(&mut self) -> Vec<Record> {
        self.open.clear();
        self.transactions.clear();
        let texts = self.texts.iter().map(|((dialect, sql), id)| Record::StatementText {
            id: *id,
            dialect: *dialect,
            sql: sql.clone(),
        });
        let sites =
            self.sites.iter().map(|((file, line), id)| Record::Site { id: *id, file: file.clone(), line: *line });
        let tables =
            self.tables.iter().map(|(name, module)| Record::Table { name: name.clone(), module: module.clone() });
        texts.chain(sites).chain(tables).collect()
    }

    /// Returns what was fetched since the last time.
    pub(crate) fn fetched(&mut self) -> Vec<Record> {
        self.open.values_mut().filter_map(Open::record).collect()
    }

    /// Returns true when the call site of this statement is to be looked for.
    fn wants_site(&mut self, module: u32, text: u32) -> bool {
        if self.site_of.len() >= MAX_SITES && !self.site_of.contains_key(&(module, text)) {
            return false;
        }
        let (count, _) = self.site_of.entry((module, text)).or_default();
        *count = count.wrapping_add(1);
        *count <= FIRST_SITES || count.is_multiple_of(SITE_EVERY)
    }
}

impl Recorder {
    /// Returns the number of a text, and appends its definition when it is new.
    pub(crate) fn text_id(&mut self, dialect: DialectCode, sql: String) -> u32 {
        let known = self.statements.texts.len();
        if let Some(id) = self.statements.texts.get(&(dialect, sql.clone())) {
            return *id;
        }
        // A text too many is counted under the empty one.
        let sql = if known >= MAX_TEXTS { String::new() } else { sql };
        let id = *self.statements.texts.entry((dialect, sql.clone())).or_insert(known as u32 + 1);
        if id == known as u32 + 1 {
            self.buffer.put(&Record::StatementText { id, dialect, sql });
        }
        id
    }

    /// Returns the number of a place in the source, and appends its definition when it is new.
    fn site_id(&mut self, file: String, line: u32) -> u32 {
        let known = self.statements.sites.len();
        if file.is_empty() || known >= MAX_SITES {
            return self.statements.sites.get(&(file, line)).copied().unwrap_or(0);
        }
        let id = *self.statements.sites.entry((file.clone(), line)).or_insert(known as u32 + 1);
        if id == known as u32 + 1 {
            self.buffer.put(&Record::Site { id, file, line });
        }
        id
    }

    /// Returns the number of the next statement.
    pub(crate) fn next_statement(&mut self) -> u64 {
        self.statements.next += 1;
        self.statements.next
    }

    /// Returns the transaction of a statement: 0 where the connection is in none after it.
    fn transaction(&mut self, connection: usize, was_in: bool, is_in: bool) -> u64 {
        let Statements { transactions, next_transaction, .. } = &mut self.statements;
        // A statement that ends a transaction is part of it.
        let open = transactions.get(&connection).copied().filter(|_| was_in);
        if !is_in {
            transactions.remove(&connection);
            return open.unwrap_or(0);
        }
        let id = open.unwrap_or_else(|| {
            *next_transaction += 1;
            *next_transaction
        });
        if transactions.len() >= MAX_OPEN {
            transactions.clear();
        }
        transactions.insert(connection, id);
        id
    }

    /// Writes down what a cursor has handed out, and forgets its statement.
    fn close(&mut self, cursor: usize) {
        if let Some(record) = self.statements.open.remove(&cursor).and_then(|mut open| open.record()) {
            self.put_call(&record);
        }
    }
}

/// Returns the instant at which a statement begins, an even number; 0 where it is not to be noted.
#[pyfunction]
pub(crate) fn begin_statement() -> u64 {
    if !ON.load(Ordering::Relaxed) || EXECUTING.get() != 0 {
        return 0;
    }
    let begun = begin_fetch();
    EXECUTING.set(begun);
    begun
}

/// Lets the next statement of this thread begin, where the one that began at `begun` kept it from that.
pub(crate) fn stop_executing(begun: u64) {
    if EXECUTING.get() == begun {
        EXECUTING.set(0);
    }
}

/// A statement that was executed.
pub(crate) struct Executed<'py> {
    pub(crate) begun: u64,
    pub(crate) dialect: DialectCode,
    pub(crate) sql: Option<Bound<'py, PyAny>>,
    pub(crate) parameters: Option<Bound<'py, PyAny>>,
    /// Address of the connection.
    pub(crate) connection: usize,
    /// The connection was in a transaction before.
    pub(crate) was_in: bool,
    /// The connection is in a transaction now.
    pub(crate) is_in: bool,
    /// Address of the cursor that hands out its rows; 0 where none does.
    pub(crate) cursor: usize,
    /// Rows changed or found, where that is known before they are fetched.
    pub(crate) rows: Option<u64>,
}

/// Notes a statement.
pub(crate) fn note(py: Python<'_>, executed: &Executed<'_>) -> PyResult<()> {
    let Executed { begun, dialect, ref sql, ref parameters, connection, was_in, is_in, cursor, rows } = *executed;
    let nanos = clock::monotonic().saturating_sub(begun);
    let Some(origin) = origin_of_statement(py)? else {
        // Outside every request. Of a transaction that began there, a later statement may be inside one.
        if let Some(recorder) = lock().as_mut() {
            recorder.close(cursor);
            recorder.transaction(connection, was_in, is_in);
        }
        return Ok(());
    };
    let text = text_of(dialect, sql.as_ref().unwrap_or(py.None().bind(py)))?;
    let site = site_of(py, origin, text)?;
    let parameter_bytes = parameters.as_ref().map_or(0, |parameters| approximate_bytes(parameters, MAX_DEPTH));
    let Some(recorder) = &mut *lock() else { return Ok(()) };
    recorder.close(cursor);
    let transaction = recorder.transaction(connection, was_in, is_in);
    let statement = recorder.next_statement();
    recorder.put_call(&Record::Statement {
        statement,
        call: origin.call,
        text,
        site,
        transaction,
        wall: begun,
        nanos,
        rows: rows.unwrap_or(0),
        parameter_bytes,
    });
    if cursor != 0 {
        if recorder.statements.open.len() >= MAX_OPEN {
            for record in recorder.statements.fetched() {
                recorder.put_call(&record);
            }
            recorder.statements.open.clear();
        }
        let open = Open { statement, is_counted: rows.is_some(), rows: 0, bytes: 0, nanos: 0 };
        recorder.statements.open.insert(cursor, open);
    }
    Ok(())
}

/// Returns the number of a statement's text.
pub(crate) fn text_of(dialect: DialectCode, sql: &Bound<'_, PyAny>) -> PyResult<u32> {
    let text;
    let sql = if let Ok(sql) = sql.cast_exact::<PyString>() {
        sql
    } else if let Ok(bytes) = sql.cast_exact::<PyBytes>() {
        text = PyString::new(sql.py(), &String::from_utf8_lossy(bytes.as_bytes()));
        &text
    } else if let Ok(bytes) = sql.cast_exact::<PyByteArray>() {
        text = PyString::new(sql.py(), &String::from_utf8_lossy(&bytes.to_vec()));
        &text
    } else {
        // An object of the driver's or of the app's, which is not looked into.
        text = PyString::new(sql.py(), "");
        &text
    };
    let key = (dialect, sql.hash()?, sql.len()?);
    if let Some(id) = lock().as_ref().and_then(|recorder| recorder.statements.hashes.get(&key).copied()) {
        return Ok(id);
    }
    // A lone surrogate is in no text that a database takes.
    let without_literals = match sql.to_str().ok() {
        Some(name) if dialect == DialectCode::Redis => command::name(name).to_owned(),
        Some(sql) => redacted(dialect, sql).unwrap_or_default(),
        None => String::new(),
    };
    let Some(recorder) = &mut *lock() else { return Ok(0) };
    let id = recorder.text_id(dialect, without_literals);
    if recorder.statements.hashes.len() >= MAX_HASHES {
        recorder.statements.hashes.clear();
    }
    recorder.statements.hashes.insert(key, id);
    Ok(id)
}

/// Returns the call site of a statement: that of the thread's marker, or the one of the nearest frame of the app. Where
/// no frame is looked at, it is the site found last for this text and module.
pub(crate) fn site_of(py: Python<'_>, origin: Origin, text: u32) -> PyResult<u32> {
    let handed = site_here();
    if handed != 0 {
        return Ok(handed);
    }
    let wants_site = lock().as_mut().is_some_and(|recorder| recorder.statements.wants_site(origin.module, text));
    let found = if wants_site { current_frame(py).map(|frame| statement_site(&frame)).transpose()? } else { None };
    let Some(recorder) = &mut *lock() else { return Ok(0) };
    if let Some(found) = found {
        let site = found.map_or(0, |(file, line)| recorder.site_id(file, line));
        if let Some(last) = recorder.statements.site_of.get_mut(&(origin.module, text))
            && site != 0
        {
            last.1 = site;
        }
        return Ok(site);
    }
    Ok(recorder.statements.site_of.get(&(origin.module, text)).map_or(0, |(_, site)| *site))
}

/// Notes that a connection ends its transaction, for drivers whose connections do not say so.
#[pyfunction]
pub(crate) fn end_transaction(connection: usize) {
    if let Some(recorder) = lock().as_mut() {
        recorder.statements.transactions.remove(&connection);
    }
}

/// Returns the instant at which fetching begins, an even number; 0 where it is not to be noted.
#[pyfunction]
pub(crate) fn begin_fetch() -> u64 {
    if ON.load(Ordering::Relaxed) { clock::monotonic() & !1 } else { 0 }
}

/// Notes that a cursor has handed out a row, or rows in a sequence, all that are left if `is_all` is true.
#[pyfunction]
pub(crate) fn end_fetch(
    py: Python<'_>,
    begun: u64,
    cursor: &Bound<'_, PyAny>,
    fetched: &Bound<'_, PyAny>,
    is_row: bool,
    is_all: bool,
) {
    attempt(py, "a fetch", || {
        note_fetched(begun, cursor.as_ptr() as usize, fetched, is_row, is_all);
        Ok(())
    });
}

fn note_fetched(begun: u64, cursor: usize, fetched: &Bound<'_, PyAny>, is_row: bool, is_all: bool) {
    let is_known = lock().as_ref().is_some_and(|recorder| recorder.statements.open.contains_key(&cursor));
    if !is_known {
        return;
    }
    let nanos = clock::monotonic().saturating_sub(begun).max(1);
    let (rows, bytes) = if fetched.is_none() {
        (0, 0)
    } else if is_row {
        (1, approximate_bytes(fetched, MAX_DEPTH))
    } else {
        (fetched.len().unwrap_or(0), bytes_of_rows(fetched))
    };
    let Some(recorder) = &mut *lock() else { return };
    if let Some(open) = recorder.statements.open.get_mut(&cursor) {
        open.rows += if open.is_counted { 0 } else { rows as u64 };
        open.bytes += bytes;
        open.nanos += nanos;
    }
    if is_all || rows == 0 {
        recorder.close(cursor);
    }
}

/// Returns the approximate size of rows, of which the first ones are looked at.
fn bytes_of_rows(rows: &Bound<'_, PyAny>) -> u64 {
    let len = rows.len().unwrap_or(0);
    let bytes = |row: Bound<'_, PyAny>| approximate_bytes(&row, MAX_DEPTH - 1);
    let looked_at = len.min(SAMPLED_VALUES);
    let sampled: u64 = if let Ok(rows) = rows.cast_exact::<PyList>() {
        (0..looked_at).filter_map(|at| rows.get_item(at).ok()).map(bytes).sum()
    } else if let Ok(rows) = rows.cast_exact::<PyTuple>() {
        (0..looked_at).filter_map(|at| rows.get_item(at).ok()).map(bytes).sum()
    } else {
        return OTHER_BYTES;
    };
    if looked_at == len { sampled } else { sampled * len as u64 / looked_at as u64 }
}

/// Returns the approximate size of a value as bytes on a wire. Only built-in types are looked into.
pub(crate) fn approximate_bytes(value: &Bound<'_, PyAny>, depth: usize) -> u64 {
    if let Ok(text) = value.cast_exact::<PyString>() {
        return text.len().unwrap_or(0) as u64;
    }
    if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        return bytes.len().unwrap_or(0) as u64;
    }
    if depth == 0 {
        return OTHER_BYTES;
    }
    let sum = |len: usize, item: &dyn Fn(usize) -> Option<u64>| {
        let looked_at = len.min(SAMPLED_VALUES);
        let sampled: u64 = (0..looked_at).filter_map(item).sum();
        if looked_at == len { sampled } else { sampled * len as u64 / looked_at as u64 }
    };
    if let Ok(list) = value.cast_exact::<PyList>() {
        return sum(list.len(), &|i| list.get_item(i).ok().map(|item| approximate_bytes(&item, depth - 1)));
    }
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        // Columns differ, so that all of them are looked at.
        return tuple.iter_borrowed().map(|item| approximate_bytes(&item, depth - 1)).sum();
    }
    if let Ok(set) = value.cast_exact::<PySet>() {
        return set.iter().map(|item| approximate_bytes(&item, depth - 1)).sum();
    }
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        return dict.iter().map(|(_, item)| approximate_bytes(&item, depth - 1)).sum();
    }
    if value.is_none() {
        return 1;
    }
    let is_number = value.is_exact_instance_of::<pyo3::types::PyInt>()
        || value.is_exact_instance_of::<pyo3::types::PyFloat>()
        || value.is_exact_instance_of::<pyo3::types::PyBool>();
    if is_number {
        return 8;
    }
    // Rows of drivers, which are sequences written in C.
    if matches!(type_info::type_of(value).encoding, Encoding::Record) {
        let columns = 0..value.len().unwrap_or(0);
        return columns.filter_map(|i| value.get_item(i).ok()).map(|item| approximate_bytes(&item, depth - 1)).sum();
    }
    OTHER_BYTES
}

/// Returns the times of wall and of CPU of this thread, without the recorder's looks at values; nanoseconds.
#[pyfunction]
pub(crate) fn clocks() -> (u64, i64) {
    let left_out = clock::left_out();
    (clock::monotonic(), clock::thread_cpu().wrapping_sub(left_out).cast_signed())
}

/// Notes the work of a library on a connection, or that it has committed: its start, the time and the CPU time that it took.
#[pyfunction]
pub(crate) fn note_connection(call: u64, is_commit: bool, wall: u64, nanos: u64, cpu: u64) {
    let kind = if is_commit { ConnectionWorkCode::Commit } else { ConnectionWorkCode::Use };
    if let Some(recorder) = lock().as_mut() {
        recorder.put_call(&Record::Connection { call, kind, wall, nanos, cpu });
    }
}

/// Notes that a class of this module maps a table.
#[pyfunction]
pub(crate) fn map_table(name: &str, module: &str, class: &str) {
    let is_name = |part: &str| !part.is_empty() && splitcost_recording::redact::is_identifier(part);
    if name.len() > 130 || !name.split('.').all(is_name) {
        return;
    }
    let Some(module) = source::owner_of(module, class) else { return };
    let Some(recorder) = &mut *lock() else { return };
    if recorder.statements.tables.len() < MAX_TABLES && !recorder.statements.tables.contains_key(name) {
        recorder.buffer.put(&Record::Table { name: name.to_owned(), module: module.clone() });
        recorder.statements.tables.insert(name.to_owned(), module);
    }
}

/// Replaces an attribute of a type that the interpreter takes for immutable, as those of drivers in C are.
///
/// `namespace` is the dictionary behind the type's `__dict__`. To be used for methods that no slot of the type calls.
#[pyfunction]
pub(crate) fn replace_method(
    kind: &Bound<'_, pyo3::types::PyType>,
    namespace: &Bound<'_, PyDict>,
    name: &str,
    method: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let proxy = kind.getattr(intern!(kind.py(), "__dict__"))?;
    let found = proxy.get_item(name)?;
    if !namespace.get_item(name)?.is_some_and(|held| held.is(&found)) {
        return Err(pyo3::exceptions::PyTypeError::new_err("another dictionary than the type's"));
    }
    namespace.set_item(name, method)?;
    // SAFETY: the GIL is held, and `kind` is a type. This drops what the interpreter remembers of its attributes.
    unsafe { pyo3::ffi::PyType_Modified(kind.as_type_ptr()) };
    Ok(())
}
