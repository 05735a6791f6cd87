//! The tables of statements.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, StringArray, UInt32Array};
use splitcost_model::recording::Recording;
use splitcost_model::recording::statement::{ConnectionWork, Statement, StatementText, Uncommitted};

use super::super::schema::item_field;
use super::{Names, interned, named, nanos, u32s, u64s};

pub(super) struct StatementRow<'a> {
    request: u32,
    function: u32,
    statement: &'a Statement,
}

pub(super) fn rows(recording: &Recording) -> impl Iterator<Item = StatementRow<'_>> {
    (0_u32..).zip(&recording.requests).flat_map(|(request, recorded)| {
        recorded.statements.iter().map(move |statement| {
            let function = recorded.calls[statement.call as usize].function;
            StatementRow { request, function, statement }
        })
    })
}

pub(super) fn columns(names: &Names, rows: &[StatementRow<'_>]) -> Vec<ArrayRef> {
    let statements = || rows.iter().map(|row| row.statement);
    vec![
        u32s(rows.iter().map(|row| row.request)),
        u32s(statements().map(|s| s.call)),
        u32s(statements().map(|s| s.text)),
        named(&names.modules, rows.iter().map(|row| names.module_of_function[row.function as usize])),
        nanos(statements().map(|s| s.start)),
        nanos(statements().map(|s| s.wall)),
        u64s(statements().map(|s| s.rows)),
        u64s(statements().map(|s| s.parameter_bytes)),
        u64s(statements().map(|s| s.row_bytes)),
        Arc::new(statements().map(|s| s.transaction).collect::<UInt32Array>()),
        interned(statements().map(|s| Some(s.file.as_str()))),
        u32s(statements().map(|s| s.line)),
    ]
}

pub(super) fn uncommitted_rows(recording: &Recording) -> impl Iterator<Item = (u32, &Uncommitted)> {
    (0_u32..)
        .zip(&recording.requests)
        .flat_map(|(request, recorded)| recorded.uncommitted.iter().map(move |held| (request, held)))
}

pub(super) fn uncommitted_columns(rows: &[(u32, &Uncommitted)]) -> Vec<ArrayRef> {
    vec![
        u32s(rows.iter().map(|row| row.0)),
        u32s(rows.iter().map(|row| row.1.call)),
        nanos(rows.iter().map(|row| row.1.start)),
        nanos(rows.iter().map(|row| row.1.end)),
    ]
}

pub(super) fn connection_rows(recording: &Recording) -> impl Iterator<Item = (u32, &ConnectionWork)> {
    (0_u32..)
        .zip(&recording.requests)
        .flat_map(|(request, recorded)| recorded.connection_work.iter().map(move |work| (request, work)))
}

pub(super) fn connection_columns(rows: &[(u32, &ConnectionWork)]) -> Vec<ArrayRef> {
    vec![
        u32s(rows.iter().map(|row| row.0)),
        u32s(rows.iter().map(|row| row.1.call)),
        interned(rows.iter().map(|row| Some(row.1.kind.name()))),
        nanos(rows.iter().map(|row| row.1.start)),
        nanos(rows.iter().map(|row| row.1.wall)),
        nanos(rows.iter().map(|row| row.1.cpu)),
    ]
}

pub(super) fn text_columns(rows: &[(u32, &StatementText)]) -> Vec<ArrayRef> {
    let texts = || rows.iter().map(|row| row.1);
    vec![
        u32s(rows.iter().map(|row| row.0)),
        interned(texts().map(|text| Some(text.dialect.name()))),
        Arc::new(StringArray::from_iter_values(texts().map(|text| &text.sql))),
        interned(texts().map(|text| Some(text.kind.name()))),
        lists(texts().map(|text| text.reads.as_slice())),
        lists(texts().map(|text| text.writes.as_slice())),
    ]
}

pub(super) fn table_columns(rows: &[(&String, &String)]) -> Vec<ArrayRef> {
    vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))),
        interned(rows.iter().map(|row| Some(row.1.as_str()))),
    ]
}

fn lists<'a>(lists: impl Iterator<Item = &'a [String]>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(item_field());
    for list in lists {
        builder.append_value(list.iter().map(Some));
    }
    Arc::new(builder.finish())
}
