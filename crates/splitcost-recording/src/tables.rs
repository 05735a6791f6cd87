//! Computes the [`TablesSummary`] of a recording.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use splitcost_model::database::{Owners, Site};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::statement::{Dialect, Statement};
use splitcost_model::recording::tables::{
    CommandSummary, RepeatedStatement, TableAccess, TableSummary, TablesSummary, TextSummary,
};
use splitcost_model::recording::{ModuleId, Recording, Request};

use crate::redact::command;

/// Fewest repetitions of a statement in a request that are worth a look.
///
/// Chosen: two may be a check before and after; three are a loop.
const REPETITIONS: u64 = 3;

/// Returns the tables of a recording at a glance.
pub fn summarize_tables(recording: &Recording, owners: &Owners) -> TablesSummary {
    let good: Vec<&Request> = recording.of_workload().filter(|request| !recording.has_failed(request)).collect();
    let requests = good.len() as u64;
    let statements: Vec<&Statement> = good
        .iter()
        .flat_map(|request| &request.statements)
        .filter(|statement| !is_command(recording, statement))
        .collect();
    let time: Nanos = statements.iter().map(|statement| statement.wall).sum();
    let rate = |count: f64| if requests == 0 { 0.0 } else { count / requests as f64 };
    let is_dropped = |statement: &&Statement| recording.statement_texts[statement.text as usize].sql.is_empty();
    TablesSummary {
        requests,
        statements: statements.len() as u64,
        statements_per_request: rate(statements.len() as f64),
        statement_ms_per_request: rate(time.as_millis_f64()),
        dropped_texts: statements.iter().copied().filter(is_dropped).count() as u64,
        tables: tables(recording, &good, owners),
        repeated: repeated(recording, &good),
        texts: texts(recording, &good),
        commands: commands(recording, &good),
    }
}

/// True for a command of Redis.
fn is_command(recording: &Recording, statement: &Statement) -> bool {
    recording.statement_texts[statement.text as usize].dialect == Dialect::Redis
}

fn module_of(recording: &Recording, request: &Request, statement: &Statement) -> ModuleId {
    recording.functions[request.calls[statement.call as usize].function as usize].module
}

#[derive(Default)]
struct Uses {
    reads: u64,
    writes: u64,
    rows: u64,
}

fn tables(recording: &Recording, good: &[&Request], owners: &Owners) -> Vec<TableSummary> {
    let mut uses: BTreeMap<&str, BTreeMap<ModuleId, Uses>> = BTreeMap::new();
    for request in good {
        for statement in &request.statements {
            let module = module_of(recording, request, statement);
            let text = &recording.statement_texts[statement.text as usize];
            for table in text.tables() {
                let uses = uses.entry(table).or_default().entry(module).or_default();
                uses.reads += u64::from(text.reads.iter().any(|read| read == table));
                uses.writes += u64::from(text.writes.iter().any(|written| written == table));
                uses.rows += statement.rows;
            }
        }
    }
    let per_request = |count: u64| count as f64 / good.len() as f64;
    let statements = |access: &TableAccess| access.reads_per_request + access.writes_per_request;
    let mut tables: Vec<TableSummary> = uses
        .into_iter()
        .map(|(table, modules)| {
            let owner = owners.of_table(table).cloned();
            let mut accesses: Vec<TableAccess> = modules
                .into_iter()
                .map(|(module, uses)| TableAccess {
                    module: recording.modules[module as usize].clone(),
                    reads_per_request: per_request(uses.reads),
                    writes_per_request: per_request(uses.writes),
                    rows_per_request: per_request(uses.rows),
                })
                .collect();
            accesses.sort_by(|a, b| statements(b).total_cmp(&statements(a)));
            let is_foreign = |access: &TableAccess| owner.as_ref().is_some_and(|owner| owner.module != access.module);
            let is_shared = accesses.iter().any(is_foreign);
            TableSummary { table: table.to_owned(), owner, is_shared, accesses }
        })
        .collect();
    let all = |table: &TableSummary| table.accesses.iter().map(statements).sum::<f64>();
    tables.sort_by(|a, b| all(b).total_cmp(&all(a)));
    tables
}

/// A statement at one place of the source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place<'a> {
    module: ModuleId,
    text: u32,
    file: &'a str,
    line: u32,
}

#[derive(Default)]
struct Repetitions {
    requests: u64,
    sum: u64,
    max: u64,
}

fn repeated(recording: &Recording, good: &[&Request]) -> Vec<RepeatedStatement> {
    let mut requests_of: FxHashMap<&str, u64> = FxHashMap::default();
    let mut found: BTreeMap<(&str, Place<'_>), Repetitions> = BTreeMap::new();
    let mut here: FxHashMap<Place<'_>, u64> = FxHashMap::default();
    for request in good {
        *requests_of.entry(&request.endpoint).or_default() += 1;
        here.clear();
        for statement in &request.statements {
            let text = &recording.statement_texts[statement.text as usize];
            // Neither the settings of a new connection, nor texts that were dropped and may be any statement.
            if !text.tables().is_empty() || (text.dialect == Dialect::Redis && text.sql != command::OTHER) {
                let module = module_of(recording, request, statement);
                let place = Place { module, text: statement.text, file: &statement.file, line: statement.line };
                *here.entry(place).or_default() += 1;
            }
        }
        for (place, &count) in here.iter().filter(|(_, count)| **count >= REPETITIONS) {
            let repetitions = found.entry((request.endpoint.as_str(), *place)).or_default();
            repetitions.requests += 1;
            repetitions.sum += count;
            repetitions.max = repetitions.max.max(count);
        }
    }
    let mut repeated: Vec<RepeatedStatement> = found
        .into_iter()
        .map(|((endpoint, place), repetitions)| RepeatedStatement {
            endpoint: endpoint.to_owned(),
            module: recording.modules[place.module as usize].clone(),
            sql: recording.statement_texts[place.text as usize].sql.clone(),
            repetitions: repetitions.sum as f64 / repetitions.requests as f64,
            repetitions_max: repetitions.max,
            requests_share: repetitions.requests as f64 / requests_of[endpoint] as f64,
            site: Site { file: place.file.to_owned(), line: place.line },
        })
        .collect();
    let weight = |one: &RepeatedStatement| one.repetitions * one.requests_share;
    repeated.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    repeated
}

#[derive(Default)]
struct TextTotals {
    statements: u64,
    wall: Nanos,
    rows: u64,
}

fn texts(recording: &Recording, good: &[&Request]) -> Vec<TextSummary> {
    let mut totals: BTreeMap<u32, TextTotals> = BTreeMap::new();
    let all = good.iter().flat_map(|request| &request.statements);
    for statement in all.filter(|statement| !is_command(recording, statement)) {
        let text = totals.entry(statement.text).or_default();
        text.statements += 1;
        text.wall += statement.wall;
        text.rows += statement.rows;
    }
    let mut texts: Vec<TextSummary> = totals
        .into_iter()
        .map(|(id, text)| {
            let described = &recording.statement_texts[id as usize];
            TextSummary {
                sql: described.sql.clone(),
                dialect: described.dialect,
                kind: described.kind,
                reads: described.reads.clone(),
                writes: described.writes.clone(),
                statements_per_request: text.statements as f64 / good.len() as f64,
                micros_mean: text.wall.as_nanos_f64() / 1e3 / text.statements as f64,
                rows_mean: text.rows as f64 / text.statements as f64,
            }
        })
        .collect();
    texts.sort_by(|a, b| b.statements_per_request.total_cmp(&a.statements_per_request));
    texts
}

/// A command as one module sends it in the requests of one endpoint.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sent<'a> {
    endpoint: &'a str,
    module: ModuleId,
    text: u32,
}

#[derive(Default)]
struct CommandTotals {
    commands: u64,
    wall: Nanos,
    argument_bytes: u64,
    answer_bytes: u64,
    elements: u64,
}

fn commands(recording: &Recording, good: &[&Request]) -> Vec<CommandSummary> {
    let mut requests_of: FxHashMap<&str, u64> = FxHashMap::default();
    let mut totals: BTreeMap<Sent<'_>, CommandTotals> = BTreeMap::new();
    for request in good {
        let endpoint = request.endpoint.as_str();
        *requests_of.entry(endpoint).or_default() += 1;
        for command in request.statements.iter().filter(|statement| is_command(recording, statement)) {
            let module = module_of(recording, request, command);
            let total = totals.entry(Sent { endpoint, module, text: command.text }).or_default();
            total.commands += 1;
            total.wall += command.wall;
            total.argument_bytes += command.parameter_bytes;
            total.answer_bytes += command.row_bytes;
            total.elements += command.rows;
        }
    }
    let mut commands: Vec<CommandSummary> = totals
        .into_iter()
        .map(|(sent, total)| {
            let mean = |sum: f64| sum / total.commands as f64;
            CommandSummary {
                endpoint: sent.endpoint.to_owned(),
                module: recording.modules[sent.module as usize].clone(),
                command: recording.statement_texts[sent.text as usize].sql.clone(),
                commands_per_request: total.commands as f64 / requests_of[sent.endpoint] as f64,
                micros_mean: mean(total.wall.as_nanos_f64() / 1e3),
                argument_bytes_mean: mean(total.argument_bytes as f64),
                answer_bytes_mean: mean(total.answer_bytes as f64),
                elements_mean: mean(total.elements as f64),
            }
        })
        .collect();
    let time = |command: &CommandSummary| command.commands_per_request * command.micros_mean;
    commands.sort_by(|a, b| time(b).total_cmp(&time(a)));
    commands
}
