//! The tables of statements.

use std::path::Path;

use arrow_array::{Array, ListArray, StringArray, UInt32Array};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::Recording;
use splitcost_model::recording::statement::{
    ConnectionWork, ConnectionWorkKind, Dialect, Statement, StatementKind, StatementText, Uncommitted,
};

use super::super::manifest::Files;
use super::super::schema::{CONNECTIONS, MAPPED_TABLES, STATEMENT_TEXTS, STATEMENTS, UNCOMMITTED};
use super::{Rows, expect_next, for_each_batch};
use crate::Error;

pub(super) fn read(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    read_texts(dir, files, recording)?;
    read_statements(dir, files, recording)?;
    read_uncommitted(dir, files, recording)?;
    read_connections(dir, files, recording)?;
    read_tables(dir, files, recording)
}

fn read_texts(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let columns = ["text", "dialect", "sql", "kind", "reads", "writes"];
    let dialects = Dialect::ALL.map(Dialect::name);
    let kinds = StatementKind::ALL.map(StatementKind::name);
    for_each_batch(dir, files, &STATEMENT_TEXTS, &columns, |rows| {
        let (ids, sqls) = (rows.u32s("text")?, rows.column::<StringArray>("sql")?);
        let (dialect, kind) = (rows.names("dialect")?, rows.names("kind")?);
        for (row, &id) in ids.iter().enumerate() {
            expect_next(rows, row, "text", id, recording.statement_texts.len())?;
            recording.statement_texts.push(StatementText {
                dialect: dialect.one_of(rows, row, &dialects, &Dialect::ALL)?,
                sql: sqls.value(row).to_owned(),
                kind: kind.one_of(rows, row, &kinds, &StatementKind::ALL)?,
                reads: list(rows, row, "reads")?,
                writes: list(rows, row, "writes")?,
            });
        }
        Ok(())
    })
}

fn list(rows: &Rows<'_>, row: usize, name: &str) -> Result<Vec<String>, Error> {
    let values = rows.column::<ListArray>(name)?.value(row);
    let Some(values) = values.as_any().downcast_ref::<StringArray>() else {
        return Err(rows.corrupt(row, format!("{name} has another type")));
    };
    Ok(values.iter().flatten().map(str::to_owned).collect())
}

fn read_statements(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let columns = [
        "request",
        "call",
        "text",
        "start_nanos",
        "wall_nanos",
        "rows",
        "parameter_bytes",
        "row_bytes",
        "transaction",
        "file",
        "line",
    ];
    for_each_batch(dir, files, &STATEMENTS, &columns, |rows| {
        let (requests, calls, texts) = (rows.u32s("request")?, rows.u32s("call")?, rows.u32s("text")?);
        let (starts, walls, counts) = (rows.u64s("start_nanos")?, rows.u64s("wall_nanos")?, rows.u64s("rows")?);
        let (parameter_bytes, row_bytes) = (rows.u64s("parameter_bytes")?, rows.u64s("row_bytes")?);
        let transactions: &UInt32Array = rows.column("transaction")?;
        let (sites, lines) = (rows.names("file")?, rows.u32s("line")?);
        for row in 0..rows.batch.num_rows() {
            let request = recording.requests.get_mut(requests[row] as usize);
            let request = request.ok_or_else(|| rows.corrupt(row, format!("there is no request {}", requests[row])))?;
            request.statements.push(Statement {
                call: calls[row],
                text: texts[row],
                start: Nanos::from_nanos(starts[row]),
                wall: Nanos::from_nanos(walls[row]),
                rows: counts[row],
                parameter_bytes: parameter_bytes[row],
                row_bytes: row_bytes[row],
                transaction: transactions.is_valid(row).then(|| transactions.value(row)),
                file: sites.text(row),
                line: lines[row],
            });
        }
        Ok(())
    })
}

fn read_uncommitted(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let columns = ["request", "call", "start_nanos", "end_nanos"];
    for_each_batch(dir, files, &UNCOMMITTED, &columns, |rows| {
        let (requests, calls) = (rows.u32s("request")?, rows.u32s("call")?);
        let (starts, ends) = (rows.u64s("start_nanos")?, rows.u64s("end_nanos")?);
        for row in 0..rows.batch.num_rows() {
            let request = recording.requests.get_mut(requests[row] as usize);
            let request = request.ok_or_else(|| rows.corrupt(row, format!("there is no request {}", requests[row])))?;
            let (start, end) = (Nanos::from_nanos(starts[row]), Nanos::from_nanos(ends[row]));
            request.uncommitted.push(Uncommitted { call: calls[row], start, end });
        }
        Ok(())
    })
}

fn read_connections(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    let columns = ["request", "call", "kind", "start_nanos", "wall_nanos", "cpu_nanos"];
    let kinds = ConnectionWorkKind::ALL.map(ConnectionWorkKind::name);
    for_each_batch(dir, files, &CONNECTIONS, &columns, |rows| {
        let (requests, calls) = (rows.u32s("request")?, rows.u32s("call")?);
        let kind_names = rows.names("kind")?;
        let (starts, walls, cpus) = (rows.u64s("start_nanos")?, rows.u64s("wall_nanos")?, rows.u64s("cpu_nanos")?);
        for row in 0..rows.batch.num_rows() {
            let request = recording.requests.get_mut(requests[row] as usize);
            let request = request.ok_or_else(|| rows.corrupt(row, format!("there is no request {}", requests[row])))?;
            let [start, wall, cpu] = [starts[row], walls[row], cpus[row]].map(Nanos::from_nanos);
            let kind = kind_names.one_of(rows, row, &kinds, &ConnectionWorkKind::ALL)?;
            request.connection_work.push(ConnectionWork { call: calls[row], kind, start, wall, cpu });
        }
        Ok(())
    })
}

fn read_tables(dir: &Path, files: &Files, recording: &mut Recording) -> Result<(), Error> {
    for_each_batch(dir, files, &MAPPED_TABLES, &["table", "module"], |rows| {
        let (tables, modules) = (rows.column::<StringArray>("table")?, rows.names("module")?);
        for row in 0..rows.batch.num_rows() {
            recording.mapped_tables.insert(tables.value(row).to_owned(), modules.text(row));
        }
        Ok(())
    })
}
