//! Reading the tables of a recording.

mod statement;

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, BooleanArray, DictionaryArray, RecordBatch, StringArray, UInt16Array, UInt32Array, UInt64Array,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{
    Call, Function, FunctionKind, Makes, Obstacle, Payload, PayloadClass, Receiver, ReceiverKind, Recording, Request,
    Segment, Via,
};

use super::manifest::{FileSeal, Files};
use super::schema::{CALLS, FUNCTIONS, OBSTACLES, PAYLOADS, RECEIVERS, REQUESTS, SEGMENTS, SHAPES, Table};
use super::write::{DIRECTIONS, KINDS, PLACES, VIAS};
use crate::Error;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1 << 15;

/// Fills in what the manifest does not hold.
pub(super) fn read(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    read_functions(dir, files, recording)?;
    read_shapes(dir, files, recording)?;
    read_requests(dir, files, recording)?;
    read_calls(dir, files, recording)?;
    read_segments(dir, files, recording)?;
    read_payloads(dir, files, recording)?;
    read_receivers(dir, files, recording)?;
    read_obstacles(dir, files, recording)?;
    statement::read(dir, files, recording)
}

/// A batch of rows and where they are.
struct Rows<'a> {
    path: &'a Path,
    first: u64,
    batch: RecordBatch,
}

impl Rows<'_> {
    fn corrupt(&self, row: usize, reason: impl Into<String>) -> Error {
        Error::corrupt(self.path, format!("row {}", self.first + row as u64), reason)
    }

    fn column<A: Array + 'static>(&self, name: &str) -> Result<&A, Error> {
        self.batch
            .column_by_name(name)
            .and_then(|column| column.as_any().downcast_ref())
            .ok_or_else(|| Error::corrupt(self.path, format!("column {name}"), "it has another type"))
    }

    fn u32s(&self, name: &str) -> Result<&[u32], Error> {
        Ok(self.column::<UInt32Array>(name)?.values())
    }

    fn u64s(&self, name: &str) -> Result<&[u64], Error> {
        Ok(self.column::<UInt64Array>(name)?.values())
    }

    fn names(&self, name: &str) -> Result<Names<'_>, Error> {
        let keys: &DictionaryArray<Int32Type> = self.column(name)?;
        let values = keys
            .values()
            .as_any()
            .downcast_ref()
            .ok_or_else(|| Error::corrupt(self.path, format!("column {name}"), "it has another type"))?;
        Ok(Names { keys, values })
    }
}

/// A column of dictionary-encoded strings.
struct Names<'a> {
    keys: &'a DictionaryArray<Int32Type>,
    values: &'a StringArray,
}

impl<'a> Names<'a> {
    fn get(&self, row: usize) -> Option<&'a str> {
        let key = self.keys.key(row)?;
        (key < self.values.len()).then(|| self.values.value(key))
    }

    fn text(&self, row: usize) -> String {
        self.get(row).unwrap_or_default().to_owned()
    }

    /// The value whose name stands in the row.
    fn one_of<T: Copy>(&self, rows: &Rows<'_>, row: usize, names: &[&str], values: &[T]) -> Result<T, Error> {
        let found = self.get(row).unwrap_or_default();
        let index = names.iter().position(|name| *name == found);
        index
            .and_then(|index| values.get(index).copied())
            .ok_or_else(|| rows.corrupt(row, format!("{found:?} is not one of {}", names.join(", "))))
    }
}

/// Decodes `columns` of a table, a batch at a time, after its file was found whole.
fn for_each_batch(
    dir: &Path,
    files: &Files,
    table: &'static Table,
    columns: &[&str],
    mut take: impl FnMut(&Rows<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let path: PathBuf = dir.join(table.file);
    let Some(expected) = files.get(table.file) else {
        return Err(Error::corrupt(&path, "the whole file", "the recording's list of files lacks it"));
    };
    let found = FileSeal::of(&path, expected.rows)?;
    if found != *expected {
        let reason = format!(
            "it was cut or altered: {} bytes with checksum {:08x}, not {} with {:08x}",
            found.bytes, found.crc32, expected.bytes, expected.crc32
        );
        return Err(Error::corrupt(&path, "the whole file", reason));
    }
    let file = File::open(&path).map_err(Error::io(&path))?;
    let builder = no_panic(&path, || ParquetRecordBatchReaderBuilder::try_new(file).map_err(Error::parquet(&path)))?;
    if builder.schema().fields() != table.schema().fields() {
        return Err(Error::corrupt(&path, "the schema", format!("it is not that of {}", table.file)));
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
    let mut reader = no_panic(&path, || builder.build().map_err(Error::parquet(&path)))?;
    let mut first = 0;
    while let Some(batch) = no_panic(&path, || Ok(reader.next()))? {
        let batch = batch.map_err(|e| Error::corrupt(&path, format!("after row {first}"), e.to_string()))?;
        let rows = Rows { path: &path, first, batch };
        take(&rows)?;
        first += rows.batch.num_rows() as u64;
    }
    if first != expected.rows {
        return Err(Error::corrupt(&path, "the end", format!("it has {first} rows, not {}", expected.rows)));
    }
    Ok(())
}

/// The Parquet library panics on some files that are made to deceive it: that is an error of the file.
fn no_panic<T>(path: &Path, decode: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let decoded = panic::catch_unwind(AssertUnwindSafe(decode));
    decoded.unwrap_or_else(|_| Err(Error::corrupt(path, "the whole file", "its Parquet encoding is broken")))
}

/// The row must be the one that comes next in the table.
fn expect_next(rows: &Rows<'_>, row: usize, what: &str, found: u32, expected: usize) -> Result<(), Error> {
    if found as usize == expected {
        Ok(())
    } else {
        Err(rows.corrupt(row, format!("{what} {found} stands where {expected} should")))
    }
}

fn read_functions(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    use FunctionKind::{AsyncGenerator, Coroutine, Generator, Plain};
    let (modules, functions) = (&recording.modules, &mut recording.functions);
    let columns =
        ["function", "module", "qualname", "file", "line", "kind", "calls", "calls_outside", "unnamed", "made"];
    for_each_batch(dir, files, &FUNCTIONS, &columns, |rows| {
        let (ids, lines, calls) = (rows.u32s("function")?, rows.u32s("line")?, rows.u64s("calls")?);
        let outside = rows.u64s("calls_outside")?;
        let (module, files, kinds) = (rows.names("module")?, rows.names("file")?, rows.names("kind")?);
        let qualnames: &StringArray = rows.column("qualname")?;
        let (unnamed, made): (&BooleanArray, &BooleanArray) = (rows.column("unnamed")?, rows.column("made")?);
        for row in 0..rows.batch.num_rows() {
            expect_next(rows, row, "function", ids[row], functions.len())?;
            let name = module.get(row).unwrap_or_default();
            let module = modules.iter().position(|module| module == name);
            let module = module.ok_or_else(|| rows.corrupt(row, format!("there is no module {name:?}")))?;
            functions.push(Function {
                module: module as u32,
                qualname: qualnames.value(row).to_owned(),
                file: files.text(row),
                line: lines[row],
                kind: kinds.one_of(rows, row, &KINDS, &[Plain, Coroutine, Generator, AsyncGenerator])?,
                calls: calls[row],
                calls_outside: outside[row],
                is_unnamed: unnamed.value(row),
                is_made: made.value(row),
            });
        }
        Ok(())
    })
}

fn read_shapes(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    for_each_batch(dir, files, &SHAPES, &["shape", "skeleton"], |rows| {
        let (ids, skeletons) = (rows.u32s("shape")?, rows.column::<StringArray>("skeleton")?);
        for (row, id) in ids.iter().enumerate() {
            expect_next(rows, row, "shape", *id, recording.shapes.len())?;
            recording.shapes.push(skeletons.value(row).to_owned());
        }
        Ok(())
    })
}

fn read_requests(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let columns = [
        "request",
        "endpoint",
        "phase",
        "start_nanos",
        "wall_nanos",
        "process_cpu_nanos",
        "left_out_nanos",
        "status",
        "handler",
    ];
    for_each_batch(dir, files, &REQUESTS, &columns, |rows| {
        let (ids, endpoints, phases) = (rows.u32s("request")?, rows.names("endpoint")?, rows.column("phase")?);
        let (phases, handlers): (&UInt32Array, &UInt32Array) = (phases, rows.column("handler")?);
        let (starts, walls, left_out) =
            (rows.u64s("start_nanos")?, rows.u64s("wall_nanos")?, rows.u64s("left_out_nanos")?);
        let (cpus, statuses) = (rows.u64s("process_cpu_nanos")?, rows.column::<UInt16Array>("status")?);
        for row in 0..rows.batch.num_rows() {
            expect_next(rows, row, "request", ids[row], recording.requests.len())?;
            recording.requests.push(Request {
                endpoint: endpoints.text(row),
                phase: phases.is_valid(row).then(|| phases.value(row)),
                start: Nanos::from_nanos(starts[row]),
                wall: Nanos::from_nanos(walls[row]),
                process_cpu: Nanos::from_nanos(cpus[row]),
                left_out: Nanos::from_nanos(left_out[row]),
                status: statuses.value(row),
                handler: handlers.is_valid(row).then(|| handlers.value(row)),
                calls: Vec::new(),
                statements: Vec::new(),
                uncommitted: Vec::new(),
                connection_work: Vec::new(),
            });
        }
        Ok(())
    })
}

fn read_calls(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let columns = ["request", "call", "parent", "function_id", "via", "thread", "exception", "makes"];
    for_each_batch(dir, files, &CALLS, &columns, |rows| {
        let (requests, calls, parents) = (rows.u32s("request")?, rows.u32s("call")?, rows.u32s("parent")?);
        let (functions, threads) = (rows.u32s("function_id")?, rows.u32s("thread")?);
        let (vias, exceptions, makes) = (rows.names("via")?, rows.names("exception")?, rows.names("makes")?);
        for row in 0..rows.batch.num_rows() {
            let request = recording.requests.get_mut(requests[row] as usize);
            let request = request.ok_or_else(|| rows.corrupt(row, format!("there is no request {}", requests[row])))?;
            expect_next(rows, row, "call", calls[row], request.calls.len())?;
            request.calls.push(Call {
                function: functions[row],
                parent: parents[row],
                via: vias.one_of(rows, row, &VIAS, &[Via::Inline, Via::Task, Via::Thread])?,
                thread: threads[row],
                exception: exceptions.get(row).map(str::to_owned),
                makes: makes.one_of(rows, row, &Makes::ALL.map(Makes::name), &Makes::ALL)?,
                segments: Vec::with_capacity(1),
                arguments: None,
                result: None,
            });
        }
        Ok(())
    })
}

/// The call that a row of segments or payloads belongs to.
fn call_of<'a>(
    rows: &Rows<'_>,
    row: usize,
    requests: &'a mut [Request],
    request: u32,
    call: u32,
) -> Result<&'a mut Call, Error> {
    requests
        .get_mut(request as usize)
        .and_then(|request| request.calls.get_mut(call as usize))
        .ok_or_else(|| rows.corrupt(row, format!("there is no call {call} of request {request}")))
}

fn read_segments(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let columns = ["request", "call", "sequence", "start_nanos", "wall_nanos", "cpu_nanos", "suspended"];
    for_each_batch(dir, files, &SEGMENTS, &columns, |rows| {
        let (requests, calls, sequences) = (rows.u32s("request")?, rows.u32s("call")?, rows.u32s("sequence")?);
        let (starts, walls, cpus) = (rows.u64s("start_nanos")?, rows.u64s("wall_nanos")?, rows.u64s("cpu_nanos")?);
        let suspended: &BooleanArray = rows.column("suspended")?;
        for row in 0..rows.batch.num_rows() {
            let call = call_of(rows, row, &mut recording.requests, requests[row], calls[row])?;
            expect_next(rows, row, "stretch", sequences[row], call.segments.len())?;
            call.segments.push(Segment {
                start: Nanos::from_nanos(starts[row]),
                wall: Nanos::from_nanos(walls[row]),
                cpu: Nanos::from_nanos(cpus[row]),
                suspended: suspended.value(row),
            });
        }
        Ok(())
    })
}

fn read_payloads(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let class_names = PayloadClass::ALL.map(PayloadClass::name);
    let columns = ["request", "call", "direction", "shape", "encoded_bytes", "nodes", "class", "path", "file", "line"];
    for_each_batch(dir, files, &PAYLOADS, &columns, |rows| {
        let (requests, calls, directions) = (rows.u32s("request")?, rows.u32s("call")?, rows.names("direction")?);
        let (shapes, bytes, nodes) = (rows.u32s("shape")?, rows.u64s("encoded_bytes")?, rows.u64s("nodes")?);
        let (class, paths) = (rows.names("class")?, rows.names("path")?);
        let (sites, lines) = (rows.names("file")?, rows.u32s("line")?);
        for row in 0..rows.batch.num_rows() {
            let is_result = directions.one_of(rows, row, &DIRECTIONS, &[false, true])?;
            let call = call_of(rows, row, &mut recording.requests, requests[row], calls[row])?;
            let place = if is_result { &mut call.result } else { &mut call.arguments };
            let payload = Payload {
                shape: shapes[row],
                encoded_bytes: bytes[row],
                nodes: nodes[row],
                class: class.one_of(rows, row, &class_names, &PayloadClass::ALL)?,
                path: paths.text(row),
                obstacles: Vec::new(),
                receiver: None,
                file: sites.text(row),
                line: lines[row],
            };
            if place.replace(payload).is_some() {
                return Err(rows.corrupt(row, "the call has such a payload already"));
            }
        }
        Ok(())
    })
}

fn read_obstacles(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let class_names = PayloadClass::ALL.map(PayloadClass::name);
    let columns = ["request", "call", "direction", "sequence", "class", "path"];
    for_each_batch(dir, files, &OBSTACLES, &columns, |rows| {
        let (requests, calls, directions) = (rows.u32s("request")?, rows.u32s("call")?, rows.names("direction")?);
        let (sequences, class, paths) = (rows.u32s("sequence")?, rows.names("class")?, rows.names("path")?);
        for row in 0..rows.batch.num_rows() {
            let place = directions.one_of(rows, row, &PLACES, &[0, 1, 2])?;
            let call = call_of(rows, row, &mut recording.requests, requests[row], calls[row])?;
            let payload = if place == 1 { &mut call.result } else { &mut call.arguments };
            let payload = payload.as_mut().ok_or_else(|| rows.corrupt(row, "the call has no such payload"))?;
            let obstacles = match &mut payload.receiver {
                _ if place < 2 => &mut payload.obstacles,
                Some(receiver) => &mut receiver.obstacles,
                None => return Err(rows.corrupt(row, "the call is not one of a method")),
            };
            expect_next(rows, row, "obstacle", sequences[row], obstacles.len())?;
            obstacles.push(Obstacle {
                class: class.one_of(rows, row, &class_names, &PayloadClass::ALL)?,
                path: paths.text(row),
            });
        }
        Ok(())
    })
}

fn read_receivers(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let kind_names = ReceiverKind::ALL.map(ReceiverKind::name);
    let columns = ["request", "call", "kind", "type", "place", "encoded_bytes", "nodes", "reason"];
    for_each_batch(dir, files, &RECEIVERS, &columns, |rows| {
        let (requests, calls, kinds) = (rows.u32s("request")?, rows.u32s("call")?, rows.names("kind")?);
        let (types, places, reasons) = (rows.names("type")?, rows.names("place")?, rows.names("reason")?);
        let (bytes, nodes) = (rows.u64s("encoded_bytes")?, rows.u64s("nodes")?);
        for row in 0..rows.batch.num_rows() {
            let call = call_of(rows, row, &mut recording.requests, requests[row], calls[row])?;
            let arguments = call.arguments.as_mut();
            let arguments = arguments.ok_or_else(|| rows.corrupt(row, "the call has no arguments"))?;
            let receiver = Receiver {
                kind: kinds.one_of(rows, row, &kind_names, &ReceiverKind::ALL)?,
                type_name: types.text(row),
                place: places.get(row).map(str::to_owned),
                encoded_bytes: bytes[row],
                nodes: nodes[row],
                reason: reasons.text(row),
                obstacles: Vec::new(),
            };
            if arguments.receiver.replace(receiver).is_some() {
                return Err(rows.corrupt(row, "the call has a receiver already"));
            }
        }
        Ok(())
    })
}
