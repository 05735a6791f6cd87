//! Writing the tables of a recording.

mod statement;

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, RecordBatch, StringArray, UInt16Array, UInt32Array,
    UInt64Array,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{
    Call, Function, FunctionKind, Obstacle, Payload, Receiver, Recording, Request, Segment, Via,
};

use super::manifest::{self, FileSeal, Files};
use super::schema::{
    CALLS, CONNECTIONS, FUNCTIONS, MAPPED_TABLES, OBSTACLES, PAYLOADS, RECEIVERS, REQUESTS, SEGMENTS, SHAPES,
    STATEMENT_TEXTS, STATEMENTS, TABLES, Table, UNCOMMITTED,
};
use super::{MANIFEST, temporary};
use crate::Error;
use crate::tree::overlap;

/// Rows gathered before they are handed to Parquet.
///
/// Chosen: bounds what is held beside the recording to a few megabytes.
const BATCH_ROWS: usize = 1 << 15;

/// Rows of a row group.
///
/// Chosen: the unit that readers skip and parallelise by.
const GROUP_ROWS: usize = 1 << 19;

pub(super) fn write(dir: &Path, recording: &Recording) -> Result<(), Error> {
    let written = write_tables(dir, recording);
    if written.is_err() {
        for table in TABLES {
            // It may not have been begun; the first error is the one to tell.
            let _ = fs::remove_file(temporary(&dir.join(table.file)));
        }
    }
    let files = written?;
    // From here until the new manifest is in place there is no recording in the directory.
    match fs::remove_file(dir.join(MANIFEST)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(&dir.join(MANIFEST))(e)),
        _ => {}
    }
    for table in TABLES {
        let path = dir.join(table.file);
        fs::rename(temporary(&path), &path).map_err(Error::io(&path))?;
    }
    manifest::write(dir, &recording.meta, &recording.modules, files)
}

fn write_tables(dir: &Path, recording: &Recording) -> Result<Files, Error> {
    let names = Names::of(recording);
    Ok(Files::from([
        write_table(dir, &REQUESTS, &mut (0_u32..).zip(&recording.requests), request_columns)?,
        write_table(dir, &CALLS, &mut call_rows(recording), |rows| call_columns(&names, rows))?,
        write_table(dir, &SEGMENTS, &mut segment_rows(recording), segment_columns)?,
        write_table(dir, &PAYLOADS, &mut payload_rows(recording), payload_columns)?,
        write_table(dir, &OBSTACLES, &mut obstacle_rows(recording), obstacle_columns)?,
        write_table(dir, &RECEIVERS, &mut receiver_rows(recording), receiver_columns)?,
        write_table(dir, &SHAPES, &mut (0_u32..).zip(&recording.shapes), shape_columns)?,
        write_table(dir, &FUNCTIONS, &mut (0_u32..).zip(&recording.functions), |rows| function_columns(&names, rows))?,
        write_table(dir, &STATEMENTS, &mut statement::rows(recording), |rows| statement::columns(&names, rows))?,
        write_table(dir, &STATEMENT_TEXTS, &mut (0_u32..).zip(&recording.statement_texts), statement::text_columns)?,
        write_table(dir, &UNCOMMITTED, &mut statement::uncommitted_rows(recording), statement::uncommitted_columns)?,
        write_table(dir, &CONNECTIONS, &mut statement::connection_rows(recording), statement::connection_columns)?,
        write_table(dir, &MAPPED_TABLES, &mut recording.mapped_tables.iter(), statement::table_columns)?,
    ]))
}

/// Writes one table to its temporary file, a batch of rows at a time.
fn write_table<R>(
    dir: &Path,
    table: &'static Table,
    rows: &mut dyn Iterator<Item = R>,
    columns: impl Fn(&[R]) -> Vec<ArrayRef>,
) -> Result<(String, FileSeal), Error> {
    let path = temporary(&dir.join(table.file));
    let file = File::create(&path).map_err(Error::io(&path))?;
    let failed = |e: ParquetError| Error::parquet(&path)(e);
    let mut writer = ArrowWriter::try_new(file, table.schema().clone(), Some(properties(table))).map_err(failed)?;
    let mut count = 0;
    let mut batch: Vec<R> = Vec::new();
    loop {
        batch.clear();
        batch.extend(rows.take(BATCH_ROWS));
        if batch.is_empty() {
            break;
        }
        count += batch.len() as u64;
        let arrays = RecordBatch::try_new(table.schema().clone(), columns(&batch));
        writer.write(&arrays.map_err(|e| failed(e.into()))?).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    writer.inner().sync_all().map_err(Error::io(&path))?;
    Ok((table.file.to_owned(), FileSeal::of(&path, count)?))
}

fn properties(table: &Table) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::SNAPPY)
        .set_created_by("splitcost".to_owned())
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    for name in table.quantities() {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}

/// The values of the dictionaries that calls and functions share.
struct Names {
    module_of_function: Vec<i32>,
    modules: ArrayRef,
    functions: ArrayRef,
    files: ArrayRef,
    lines: Vec<u32>,
    kinds: Vec<FunctionKind>,
}

impl Names {
    fn of(recording: &Recording) -> Self {
        let of = |name: fn(&Function) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(recording.functions.iter().map(name)))
        };
        Self {
            module_of_function: recording.functions.iter().map(|f| f.module.cast_signed()).collect(),
            modules: Arc::new(StringArray::from_iter_values(&recording.modules)),
            functions: of(|f| &f.qualname),
            files: of(|f| &f.file),
            lines: recording.functions.iter().map(|f| f.line).collect(),
            kinds: recording.functions.iter().map(|f| f.kind).collect(),
        }
    }
}

/// A column whose values are named by their index among `values`.
fn named(values: &ArrayRef, keys: impl Iterator<Item = i32>) -> ArrayRef {
    let keys: Int32Array = keys.collect();
    Arc::new(DictionaryArray::<Int32Type>::new(keys, values.clone()))
}

/// A column of strings that repeat.
fn interned<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn u32s(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

fn u64s(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn nanos(values: impl Iterator<Item = Nanos>) -> ArrayRef {
    u64s(values.map(Nanos::as_nanos))
}

/// The names of function kinds, by [`kind_index`].
pub(super) const KINDS: [&str; 4] = ["plain", "coroutine", "generator", "async_generator"];

fn kinds(kinds: impl Iterator<Item = FunctionKind>) -> ArrayRef {
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(KINDS));
    named(
        &values,
        kinds.map(|kind| match kind {
            FunctionKind::Plain => 0,
            FunctionKind::Coroutine => 1,
            FunctionKind::Generator => 2,
            FunctionKind::AsyncGenerator => 3,
        }),
    )
}

/// The names of the ways in which calls begin.
pub(super) const VIAS: [&str; 3] = ["inline", "task", "thread"];

fn vias(vias: impl Iterator<Item = Via>) -> ArrayRef {
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(VIAS));
    named(
        &values,
        vias.map(|via| match via {
            Via::Inline => 0,
            Via::Task => 1,
            Via::Thread => 2,
        }),
    )
}

fn request_columns(rows: &[(u32, &Request)]) -> Vec<ArrayRef> {
    let requests = || rows.iter().map(|(_, request)| *request);
    vec![
        u32s(rows.iter().map(|row| row.0)),
        interned(requests().map(|r| Some(r.endpoint.as_str()))),
        Arc::new(requests().map(|r| r.phase).collect::<UInt32Array>()),
        nanos(requests().map(|r| r.start)),
        nanos(requests().map(|r| r.wall)),
        nanos(requests().map(|r| r.process_cpu)),
        nanos(requests().map(|r| r.left_out)),
        Arc::new(UInt16Array::from_iter_values(requests().map(|r| r.status))),
        Arc::new(requests().map(|r| r.handler).collect::<UInt32Array>()),
    ]
}

struct CallRow<'a> {
    request: u32,
    index: u32,
    call: &'a Call,
    caller: u32,
    overlap: Nanos,
}

fn call_rows(recording: &Recording) -> impl Iterator<Item = CallRow<'_>> {
    (0_u32..).zip(&recording.requests).flat_map(|(request, recorded)| {
        let calls = (0_u32..).zip(&recorded.calls).zip(overlap(&recording.functions, recorded));
        calls.map(move |((index, call), overlap)| {
            let caller = recorded.calls[call.parent as usize].function;
            CallRow { request, index, call, caller, overlap }
        })
    })
}

fn call_columns(names: &Names, rows: &[CallRow<'_>]) -> Vec<ArrayRef> {
    let calls = || rows.iter().map(|row| row.call);
    let functions = || calls().map(|call| call.function as usize);
    vec![
        u32s(rows.iter().map(|row| row.request)),
        u32s(rows.iter().map(|row| row.index)),
        u32s(calls().map(|call| call.parent)),
        u32s(calls().map(|call| call.function)),
        named(&names.modules, rows.iter().map(|row| names.module_of_function[row.caller as usize])),
        named(&names.modules, functions().map(|f| names.module_of_function[f])),
        named(&names.functions, calls().map(|call| call.function.cast_signed())),
        named(&names.files, calls().map(|call| call.function.cast_signed())),
        u32s(functions().map(|f| names.lines[f])),
        kinds(functions().map(|f| names.kinds[f])),
        vias(calls().map(|call| call.via)),
        u32s(calls().map(|call| call.thread)),
        nanos(calls().map(Call::start)),
        nanos(calls().map(Call::wall)),
        nanos(calls().map(Call::cpu)),
        nanos(calls().map(Call::suspended)),
        nanos(rows.iter().map(|row| row.overlap)),
        interned(calls().map(|call| call.exception.as_deref())),
        interned(calls().map(|call| Some(call.makes.name()))),
    ]
}

/// A call with its request and its index there.
fn each_call(recording: &Recording) -> impl Iterator<Item = (u32, u32, &Call)> {
    (0_u32..)
        .zip(&recording.requests)
        .flat_map(|(request, recorded)| (0_u32..).zip(&recorded.calls).map(move |(index, call)| (request, index, call)))
}

fn segment_rows(recording: &Recording) -> impl Iterator<Item = (u32, u32, u32, &Segment)> {
    each_call(recording).flat_map(|(request, index, call)| {
        (0_u32..).zip(&call.segments).map(move |(sequence, segment)| (request, index, sequence, segment))
    })
}

fn segment_columns(rows: &[(u32, u32, u32, &Segment)]) -> Vec<ArrayRef> {
    vec![
        u32s(rows.iter().map(|row| row.0)),
        u32s(rows.iter().map(|row| row.1)),
        u32s(rows.iter().map(|row| row.2)),
        nanos(rows.iter().map(|row| row.3.start)),
        nanos(rows.iter().map(|row| row.3.wall)),
        nanos(rows.iter().map(|row| row.3.cpu)),
        Arc::new(rows.iter().map(|row| Some(row.3.suspended)).collect::<BooleanArray>()),
    ]
}

/// The two directions of a payload.
pub(super) const DIRECTIONS: [&str; 2] = ["arguments", "result"];
/// The places of an obstacle: a direction, or the fields of what a method was called on.
pub(super) const PLACES: [&str; 3] = ["arguments", "result", "receiver"];

fn payload_rows(recording: &Recording) -> impl Iterator<Item = (u32, u32, i32, &Payload)> {
    each_call(recording).flat_map(|(request, index, call)| {
        [(0, &call.arguments), (1, &call.result)]
            .into_iter()
            .filter_map(move |(direction, payload)| Some((request, index, direction, payload.as_ref()?)))
    })
}

fn payload_columns(rows: &[(u32, u32, i32, &Payload)]) -> Vec<ArrayRef> {
    let payloads = || rows.iter().map(|row| row.3);
    let directions: ArrayRef = Arc::new(StringArray::from_iter_values(DIRECTIONS));
    vec![
        u32s(rows.iter().map(|row| row.0)),
        u32s(rows.iter().map(|row| row.1)),
        named(&directions, rows.iter().map(|row| row.2)),
        u32s(payloads().map(|p| p.shape)),
        u64s(payloads().map(|p| p.encoded_bytes)),
        u64s(payloads().map(|p| p.nodes)),
        interned(payloads().map(|p| Some(p.class.name()))),
        interned(payloads().map(|p| Some(p.path.as_str()))),
        interned(payloads().map(|p| Some(p.file.as_str()))),
        u32s(payloads().map(|p| p.line)),
    ]
}

/// An obstacle with its request, call and place, and its index there.
type ObstacleRow<'a> = (u32, u32, i32, u32, &'a Obstacle);

fn obstacle_rows(recording: &Recording) -> impl Iterator<Item = ObstacleRow<'_>> {
    payload_rows(recording).flat_map(|(request, index, direction, payload)| {
        let own = (0_u32..).zip(&payload.obstacles).map(move |(sequence, obstacle)| (direction, sequence, obstacle));
        let receiver = payload.receiver.as_ref().map_or(&[][..], |receiver| &receiver.obstacles);
        let receiver = (0_u32..).zip(receiver).map(|(sequence, obstacle)| (2, sequence, obstacle));
        own.chain(receiver).map(move |(place, sequence, obstacle)| (request, index, place, sequence, obstacle))
    })
}

fn obstacle_columns(rows: &[ObstacleRow<'_>]) -> Vec<ArrayRef> {
    let places: ArrayRef = Arc::new(StringArray::from_iter_values(PLACES));
    vec![
        u32s(rows.iter().map(|row| row.0)),
        u32s(rows.iter().map(|row| row.1)),
        named(&places, rows.iter().map(|row| row.2)),
        u32s(rows.iter().map(|row| row.3)),
        interned(rows.iter().map(|row| Some(row.4.class.name()))),
        interned(rows.iter().map(|row| Some(row.4.path.as_str()))),
    ]
}

fn receiver_rows(recording: &Recording) -> impl Iterator<Item = (u32, u32, &Receiver)> {
    each_call(recording)
        .filter_map(|(request, index, call)| Some((request, index, call.arguments.as_ref()?.receiver.as_ref()?)))
}

fn receiver_columns(rows: &[(u32, u32, &Receiver)]) -> Vec<ArrayRef> {
    let receivers = || rows.iter().map(|row| row.2);
    vec![
        u32s(rows.iter().map(|row| row.0)),
        u32s(rows.iter().map(|row| row.1)),
        interned(receivers().map(|r| Some(r.kind.name()))),
        interned(receivers().map(|r| Some(r.type_name.as_str()))),
        interned(receivers().map(|r| r.place.as_deref())),
        u64s(receivers().map(|r| r.encoded_bytes)),
        u64s(receivers().map(|r| r.nodes)),
        interned(receivers().map(|r| Some(r.reason.as_str()))),
    ]
}

fn shape_columns(rows: &[(u32, &String)]) -> Vec<ArrayRef> {
    vec![u32s(rows.iter().map(|row| row.0)), Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)))]
}

fn function_columns(names: &Names, rows: &[(u32, &Function)]) -> Vec<ArrayRef> {
    let functions = || rows.iter().map(|row| row.1);
    vec![
        u32s(rows.iter().map(|row| row.0)),
        named(&names.modules, functions().map(|f| f.module.cast_signed())),
        Arc::new(StringArray::from_iter_values(functions().map(|f| &f.qualname))),
        interned(functions().map(|f| Some(f.file.as_str()))),
        u32s(functions().map(|f| f.line)),
        kinds(functions().map(|f| f.kind)),
        u64s(functions().map(|f| f.calls)),
        u64s(functions().map(|f| f.calls_outside)),
        Arc::new(functions().map(|f| Some(f.is_unnamed)).collect::<BooleanArray>()),
        Arc::new(functions().map(|f| Some(f.is_made)).collect::<BooleanArray>()),
    ]
}
