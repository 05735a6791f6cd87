//! The tables of a recording.
//!
//! No column is nullable but where it says so. Rows are in the order of their leading columns. Instants are
//! nanoseconds of the recorded machine's monotonic clock. A *name* is a dictionary-encoded string.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// A table and the file it is in.
#[derive(Debug)]
pub struct Table {
    /// File name inside the recording.
    pub file: &'static str,
    columns: &'static [(&'static str, Type)],
    schema: LazyLock<SchemaRef>,
}

impl Table {
    /// The Arrow schema that Parquet tools see.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Columns whose values hardly repeat: a dictionary would only cost time.
    pub(super) fn quantities(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().filter(|(_, kind)| matches!(kind, Type::U64 | Type::Index)).map(|(name, _)| *name)
    }
}

#[derive(Clone, Copy, Debug)]
enum Type {
    /// `u32` that ascends.
    Index,
    U16,
    U32,
    U32OrNull,
    U64,
    Flag,
    Text,
    Name,
    NameOrNull,
    /// A list of strings.
    Texts,
}

/// The field of a list's items, as builders of lists name it.
pub(super) fn item_field() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Utf8, false))
}

fn schema_of(columns: &[(&'static str, Type)]) -> SchemaRef {
    let field = |&(name, kind): &(&'static str, Type)| {
        let data_type = match kind {
            Type::U16 => DataType::UInt16,
            Type::Index | Type::U32 | Type::U32OrNull => DataType::UInt32,
            Type::U64 => DataType::UInt64,
            Type::Flag => DataType::Boolean,
            Type::Text => DataType::Utf8,
            Type::Texts => DataType::List(item_field()),
            Type::Name | Type::NameOrNull => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        };
        Field::new(name, data_type, matches!(kind, Type::U32OrNull | Type::NameOrNull))
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

macro_rules! table {
    ($file:literal; $($name:literal: $kind:ident),+) => {{
        const COLUMNS: &[(&str, Type)] = &[$(($name, Type::$kind)),+];
        Table { file: $file, columns: COLUMNS, schema: LazyLock::new(|| schema_of(COLUMNS)) }
    }};
}

/// One row per request, by start.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request` | u32 | | 0, 1, 2, … |
/// | `endpoint` | name | | `GET /orders/{order_id}`, or a test's id |
/// | `phase` | u32, nullable | | index into the metadata's phases; null outside every phase |
/// | `start_nanos` | u64 | ns | start |
/// | `wall_nanos` | u64 | ns | from entry to the last byte handed to the server, without what is left out |
/// | `process_cpu_nanos` | u64 | ns | CPU time of the whole process in that time |
/// | `left_out_nanos` | u64 | ns | time that the recorder took for looking at values meanwhile; part of no other time |
/// | `status` | u16 | | HTTP status; 0 for tests and commands |
/// | `handler` | u32, nullable | | row of `functions` that the framework chose for the request; null where none did |
pub static REQUESTS: Table = table!("requests.parquet";
    "request": Index, "endpoint": Name, "phase": U32OrNull, "start_nanos": U64, "wall_nanos": U64,
    "process_cpu_nanos": U64, "left_out_nanos": U64, "status": U16, "handler": U32OrNull);

/// One row per call from one module into another, by request and start.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request` | u32 | | row of `requests` |
/// | `call` | u32 | | 0, 1, 2, … within the request; 0 is the framework's root call |
/// | `parent` | u32 | | the calling call, smaller than `call`; 0 for the root |
/// | `function_id` | u32 | | row of `functions` |
/// | `caller_module` | name | | module of the parent; the root's own for the root |
/// | `callee_module` | name | | module of the function |
/// | `function` | name | | qualified name inside the module |
/// | `file`, `line` | name, u32 | | where the function is defined |
/// | `kind` | name | | `plain`, `coroutine`, `generator`, `async_generator` |
/// | `via` | name | | `inline`, `task`, `thread`: how it was begun |
/// | `thread` | u32 | | thread that ran it first |
/// | `start_nanos` | u64 | ns | start |
/// | `wall_nanos` | u64 | ns | from start to end |
/// | `cpu_nanos` | u64 | ns | thread CPU time, inline callees included |
/// | `suspended_nanos` | u64 | ns | awaiting something else |
/// | `overlap_nanos` | u64 | ns | while another call of the same parent was under way; a suspended generator is not |
/// | `exception` | name, nullable | | type of the exception it ended with |
/// | `makes` | name | | `nothing`, `awaitable`, `call`: the work that its result stands for |
pub static CALLS: Table = table!("calls.parquet";
    "request": Index, "call": U32, "parent": U32, "function_id": U32, "caller_module": Name, "callee_module": Name,
    "function": Name, "file": Name, "line": U32, "kind": Name, "via": Name, "thread": U32, "start_nanos": U64,
    "wall_nanos": U64, "cpu_nanos": U64, "suspended_nanos": U64, "overlap_nanos": U64, "exception": NameOrNull,
    "makes": Name);

/// One row per stretch of a call, on a thread or suspended; a call's stretches alternate and leave no hole.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request`, `call` | u32 | | row of `calls` |
/// | `sequence` | u32 | | 0, 1, 2, … within the call |
/// | `start_nanos` | u64 | ns | start |
/// | `wall_nanos` | u64 | ns | length |
/// | `cpu_nanos` | u64 | ns | thread CPU time; 0 while suspended |
/// | `suspended` | bool | | suspended at an `await` or `yield` |
pub static SEGMENTS: Table = table!("segments.parquet";
    "request": Index, "call": U32, "sequence": U32, "start_nanos": U64, "wall_nanos": U64, "cpu_nanos": U64,
    "suspended": Flag);

/// One row per sampled payload: its shape and size, never its values.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request`, `call` | u32 | | row of `calls` |
/// | `direction` | name | | `arguments` or `result` |
/// | `shape` | u32 | | row of `shapes` |
/// | `encoded_bytes` | u64 | bytes | size as tagged JSON |
/// | `nodes` | u64 | | values in it, containers included |
/// | `class` | name | | `plain`, `adapter`, `value`, `mutated`, `generator`, `resource`, `service`, `context_manager`, `reference`, `callback`, `live` |
/// | `path` | name | | the value that decided the class, as `arguments.session (sqlmodel.Session)` |
/// | `file`, `line` | name, u32 | | the call site |
pub static PAYLOADS: Table = table!("payloads.parquet";
    "request": Index, "call": U32, "direction": Name, "shape": U32, "encoded_bytes": U64, "nodes": U64, "class": Name,
    "path": Name, "file": Name, "line": U32);

/// One row per value that needs more than encoding, in a payload or in the fields of what a method was called on; the worst
/// first.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request`, `call`, `direction` | u32, u32, name | | row of `payloads`; direction `receiver`: row of `receivers` |
/// | `sequence` | u32 | | 0, 1, 2, … within the payload or receiver |
/// | `class` | name | | as in `payloads`, above `adapter` |
/// | `path` | name | | as in `payloads` |
pub static OBSTACLES: Table = table!("obstacles.parquet";
    "request": Index, "call": U32, "direction": Name, "sequence": U32, "class": Name, "path": Name);

/// One row per sampled call of a method: the object or class that it was called on.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request`, `call` | u32 | | row of `calls` |
/// | `kind` | name | | `class`, `value`, `service`, `reference` |
/// | `type` | name | | its type, or the class itself |
/// | `place` | name, nullable | | its name, as `shop.pricing:pricing`, or `shop.app:app/state/pricing` |
/// | `encoded_bytes` | u64 | bytes | size of a value's fields as tagged JSON; else 0 |
/// | `nodes` | u64 | | values in a value; else 0 |
/// | `reason` | name | | why it is of this kind, in words |
pub static RECEIVERS: Table = table!("receivers.parquet";
    "request": Index, "call": U32, "kind": Name, "type": Name, "place": NameOrNull, "encoded_bytes": U64,
    "nodes": U64, "reason": Name);

/// Type skeletons of what crossed.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `shape` | u32 | | 0, 1, 2, … |
/// | `skeleton` | string | | JSON |
pub static SHAPES: Table = table!("shapes.parquet"; "shape": Index, "skeleton": Text);

/// The functions that were called across a module boundary.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `function` | u32 | | 0, 1, 2, … |
/// | `module` | name | | its module |
/// | `qualname` | string | | qualified name inside the module |
/// | `file`, `line` | name, u32 | | where it is defined |
/// | `kind` | name | | `plain`, `coroutine`, `generator`, `async_generator` |
/// | `calls` | u64 | | calls across a boundary, exact, also in requests that were left out |
/// | `calls_outside` | u64 | | those of them that belong to no request |
/// | `unnamed` | bool | | no other module of the app names it |
/// | `made` | bool | | another function of its module has called it for the caller, which was given the result |
pub static FUNCTIONS: Table = table!("functions.parquet";
    "function": Index, "module": Name, "qualname": Text, "file": Name, "line": U32, "kind": Name, "calls": U64,
    "calls_outside": U64, "unnamed": Flag, "made": Flag);

/// One row per database statement, by request and start.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request`, `call` | u32 | | row of `calls`: the call that issued it |
/// | `text` | u32 | | row of `statement_texts` |
/// | `module` | name | | module of that call |
/// | `start_nanos` | u64 | ns | start |
/// | `wall_nanos` | u64 | ns | time of executing it and of fetching its rows |
/// | `rows` | u64 | | rows changed or fetched; 0 where a driver hands them out unseen |
/// | `parameter_bytes` | u64 | bytes | approximate size of its parameters |
/// | `row_bytes` | u64 | bytes | approximate size of the rows fetched |
/// | `transaction` | u32, nullable | | its transaction, as numbered within the request; null in none that outlives it |
/// | `file`, `line` | name, u32 | | the call site; empty and 0 where it is not known |
pub static STATEMENTS: Table = table!("statements.parquet";
    "request": Index, "call": U32, "text": U32, "module": Name, "start_nanos": U64, "wall_nanos": U64, "rows": U64,
    "parameter_bytes": U64, "row_bytes": U64, "transaction": U32OrNull, "file": Name, "line": U32);

/// The texts of the statements.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `text` | u32 | | 0, 1, 2, … |
/// | `dialect` | name | | `sqlite`, `postgresql`, `mysql` |
/// | `sql` | string | | the text without literals and comments; empty where these could not be identified |
/// | `kind` | name | | `select`, `insert`, `update`, `delete`, `other` |
/// | `reads`, `writes` | list of strings | | the tables it names, in alphabetical order |
pub static STATEMENT_TEXTS: Table = table!("statement_texts.parquet";
    "text": Index, "dialect": Name, "sql": Text, "kind": Name, "reads": Texts, "writes": Texts);

/// One row per stretch of time in which a call's writes were not committed, by request and start.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request`, `call` | u32 | | row of `calls`: the call that has written |
/// | `start_nanos` | u64 | ns | start, at the first call of the request that found them |
/// | `end_nanos` | u64 | ns | end of the transaction, or of the request |
pub static UNCOMMITTED: Table = table!("uncommitted.parquet";
    "request": Index, "call": U32, "start_nanos": U64, "end_nanos": U64);

/// One row per piece of work of a library on a connection to a database, beside its statements, by request and start.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `request`, `call` | u32 | | row of `calls`: the call that it began in |
/// | `kind` | name | | `use`: opening it or taking it from a pool, and closing it or giving it back; `commit` |
/// | `start_nanos` | u64 | ns | start |
/// | `wall_nanos` | u64 | ns | time that it took; a part of it may be after the request |
/// | `cpu_nanos` | u64 | ns | CPU time that it took |
pub static CONNECTIONS: Table = table!("connections.parquet";
    "request": Index, "call": U32, "kind": Name, "start_nanos": U64, "wall_nanos": U64, "cpu_nanos": U64);

/// The tables that classes of the app map, by name.
///
/// # Shape
/// | column | type | unit | meaning |
/// |---|---|---|---|
/// | `table` | string | | its name, in small letters |
/// | `module` | name | | module of the class |
pub static MAPPED_TABLES: Table = table!("tables.parquet"; "table": Text, "module": Name);

/// Every table.
pub static TABLES: [&Table; 13] = [
    &REQUESTS,
    &CALLS,
    &SEGMENTS,
    &PAYLOADS,
    &OBSTACLES,
    &RECEIVERS,
    &SHAPES,
    &FUNCTIONS,
    &STATEMENTS,
    &STATEMENT_TEXTS,
    &UNCOMMITTED,
    &CONNECTIONS,
    &MAPPED_TABLES,
];
