//! Statements that a request sent to databases, and commands that it sent to Redis.

use serde::{Deserialize, Serialize};

use super::CallIndex;
use crate::quantity::Nanos;

/// One statement of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// The call that issued it.
    pub call: CallIndex,
    /// Index into [`Recording::statement_texts`](super::Recording::statement_texts).
    pub text: u32,
    /// Start on the machine's monotonic clock.
    pub start: Nanos,
    /// Time of executing it and of fetching its rows.
    pub wall: Nanos,
    /// Rows changed, or rows fetched.
    pub rows: u64,
    /// Approximate size of its parameters.
    pub parameter_bytes: u64,
    /// Approximate size of the rows fetched.
    pub row_bytes: u64,
    /// The transaction that it is part of, as numbered within its request; `None` where it is one of its own.
    pub transaction: Option<u32>,
    /// File of the call site; empty where it is not known.
    pub file: String,
    /// Line of the call site.
    pub line: u32,
}

/// A stretch of time in which a call's writes were not committed.
///
/// They are statements of a transaction that is open, or changes that a session of an object-relational mapper has not sent
/// yet. It begins with the first call of the request that they were found at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncommitted {
    /// The call that has written.
    pub call: CallIndex,
    /// Start on the machine's monotonic clock.
    pub start: Nanos,
    /// End: the transaction ended, or the request.
    pub end: Nanos,
}

/// The work of a library on a connection to a database, beside the statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionWork {
    /// The call that it began in.
    pub call: CallIndex,
    /// The kind of work.
    pub kind: ConnectionWorkKind,
    /// Start, on the machine's monotonic clock.
    pub start: Nanos,
    /// Time that it took. A part of it may be after the request.
    pub wall: Nanos,
    /// CPU time that it took.
    pub cpu: Nanos,
}

/// The kind of a library's work on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionWorkKind {
    /// Opening it or taking it from a pool, and closing it or giving it back.
    #[default]
    Use,
    /// Committing a transaction.
    Commit,
}

impl ConnectionWorkKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Use, Self::Commit];

    /// Returns the word used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::Commit => "commit",
        }
    }
}

/// The text of a statement, and the tables that it names; or the name of a command, which touches none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementText {
    /// The database's dialect.
    pub dialect: Dialect,
    /// The text without literals and comments; empty where it could not be separated from its literals.
    pub sql: String,
    /// The kind of statement.
    pub kind: StatementKind,
    /// Tables that it reads, in alphabetical order.
    pub reads: Vec<String>,
    /// Tables that it writes, in alphabetical order.
    pub writes: Vec<String>,
}

impl StatementText {
    /// Returns the kind and the tables, as `select on orders, users`.
    pub fn in_words(&self) -> String {
        format!("{} on {}", self.kind.name(), self.tables().join(", "))
    }

    /// Returns the tables that it reads or writes, each once, in alphabetical order.
    pub fn tables(&self) -> Vec<&str> {
        let mut tables: Vec<&str> = self.reads.iter().chain(&self.writes).map(String::as_str).collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }
}

/// The language of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `SQLite`.
    #[default]
    Sqlite,
    /// `PostgreSQL`.
    Postgresql,
    /// `MySQL` and `MariaDB`.
    Mysql,
    /// Commands of Redis, by their names.
    Redis,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::Postgresql, Self::Mysql, Self::Redis];

    /// Returns the word used in JSON and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
        }
    }
}

/// The kind of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatementKind {
    /// A query.
    Select,
    /// Adds rows.
    Insert,
    /// Changes rows.
    Update,
    /// Removes rows.
    Delete,
    /// Anything else: definitions, settings, the ends of transactions, and what could not be understood.
    #[default]
    Other,
}

impl StatementKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Select, Self::Insert, Self::Update, Self::Delete, Self::Other];

    /// Returns the word used in JSON and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Other => "other",
        }
    }
}
