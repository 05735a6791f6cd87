//! The database's tables in a recording: the document behind `splitcost show --tables`.
//!
//! Rates are per request of any endpoint, over the requests that did not fail.

use serde::{Deserialize, Serialize};

use super::statement::{Dialect, StatementKind};
use crate::database::{Owner, Site};

/// The tables of a recording, and the statements on them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TablesSummary {
    /// Requests that did not fail.
    pub requests: u64,
    /// Statements in these requests.
    pub statements: u64,
    /// Statements per request.
    pub statements_per_request: f64,
    /// Time of the statements per request.
    pub statement_ms_per_request: f64,
    /// Statements whose text was dropped, because its literals could not be identified: their tables are unknown.
    pub dropped_texts: u64,
    /// The tables, most statements first.
    pub tables: Vec<TableSummary>,
    /// Statements and commands that a request repeats, most repetitions first.
    pub repeated: Vec<RepeatedStatement>,
    /// The statements by their text, most of them first.
    pub texts: Vec<TextSummary>,
    /// Commands of Redis, which are no statements on tables, most time per request first.
    #[serde(default)]
    pub commands: Vec<CommandSummary>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Its name.
    pub table: String,
    /// The module that owns it; absent where nobody maps it and nobody writes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Owner>,
    /// True where a module other than the owner reads or writes it.
    pub is_shared: bool,
    /// The modules that use it, most statements first.
    pub accesses: Vec<TableAccess>,
}

/// The use of one table by one module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableAccess {
    /// The module.
    pub module: String,
    /// Statements that read the table, per request.
    pub reads_per_request: f64,
    /// Statements that write the table, per request.
    pub writes_per_request: f64,
    /// Rows that these statements fetched or changed, per request.
    pub rows_per_request: f64,
}

/// A statement, or a command of Redis, that requests of an endpoint execute three times or more, from one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RepeatedStatement {
    /// The endpoint.
    pub endpoint: String,
    /// The module that issues it.
    pub module: String,
    /// The text without literals.
    pub sql: String,
    /// Repetitions in a request that repeats it, mean.
    pub repetitions: f64,
    /// Repetitions in the request that repeats it most.
    pub repetitions_max: u64,
    /// Share of the endpoint's requests that repeat it.
    pub requests_share: f64,
    /// The call site.
    pub site: Site,
}

/// The statements of one text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextSummary {
    /// The text without literals; empty where these could not be identified.
    pub sql: String,
    /// Its dialect.
    pub dialect: Dialect,
    /// Its kind.
    pub kind: StatementKind,
    /// The tables that it reads.
    pub reads: Vec<String>,
    /// The tables that it writes.
    pub writes: Vec<String>,
    /// Statements per request.
    pub statements_per_request: f64,
    /// Time of a statement, mean.
    pub micros_mean: f64,
    /// Rows of a statement, mean.
    pub rows_mean: f64,
}

/// One command of Redis, as one module sends it in the requests of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommandSummary {
    /// The endpoint.
    pub endpoint: String,
    /// The module.
    pub module: String,
    /// The command's name; of a pipeline, `PIPELINE` and the names of its commands.
    pub command: String,
    /// Commands per request of the endpoint.
    pub commands_per_request: f64,
    /// Time of a command, mean.
    pub micros_mean: f64,
    /// Approximate size of its arguments, mean.
    pub argument_bytes_mean: f64,
    /// Approximate size of its answer, mean.
    pub answer_bytes_mean: f64,
    /// Elements of its answer, mean: of a collection, its length; of a text, one.
    pub elements_mean: f64,
}
