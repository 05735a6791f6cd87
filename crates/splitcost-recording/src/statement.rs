//! The kind of a statement and the tables that it names, from its text without literals.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use splitcost_model::recording::statement::{Dialect, StatementKind, StatementText};
use sqlparser::ast::{
    Delete, FromTable, ObjectName, ObjectNamePart, Query, Statement, TableFactor, TableObject, Visit, Visitor,
};
use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;

/// Schemas that are left out of a table's name: it is usually written without them.
const DEFAULT_SCHEMAS: [&str; 2] = ["main.", "public."];
/// Names with which a database's own tables begin.
const OWN_TABLES: [&str; 3] = ["sqlite_", "pg_", "information_schema."];
/// Words before the name of a table, for statements that the parser does not understand.
const BEFORE_TABLES: [&str; 4] = ["FROM", "JOIN", "INTO", "UPDATE"];

/// Returns a statement with its kind and its tables.
///
/// ```
/// use splitcost_model::recording::statement::Dialect;
/// use splitcost_recording::statement::describe;
/// let text = describe(Dialect::Sqlite, "INSERT INTO orders (a) SELECT b FROM users WHERE c = ?");
/// assert_eq!((text.writes, text.reads), (vec!["orders".to_owned()], vec!["users".to_owned()]));
/// ```
pub fn describe(dialect: Dialect, sql: &str) -> StatementText {
    let parsed = match dialect {
        Dialect::Sqlite => Parser::parse_sql(&SQLiteDialect {}, sql),
        // The dialect's own placeholder: there, a question mark is an operator.
        Dialect::Postgresql => Parser::parse_sql(&PostgreSqlDialect {}, &sql.replace('?', "$1")),
        Dialect::Mysql => Parser::parse_sql(&MySqlDialect {}, sql),
        // The name of a command.
        Dialect::Redis => Ok(Vec::new()),
    };
    let (kind, reads, writes) = match parsed {
        Ok(statements) => {
            let mut tables = Tables::default();
            for statement in &statements {
                // The visitor never breaks off.
                let _: ControlFlow<()> = statement.visit(&mut tables);
            }
            let kind = statements.first().map(kind_of).unwrap_or_default();
            (kind, tables.reads(), tables.writes)
        }
        Err(_) => guess(sql),
    };
    StatementText {
        dialect,
        sql: sql.to_owned(),
        kind,
        reads: reads.into_iter().collect(),
        writes: writes.into_iter().collect(),
    }
}

/// Returns a table's name as it is compared: in small letters, without quotes, and without a default schema.
pub fn table_name(name: &str) -> String {
    let name = name.replace(['"', '`', '[', ']'], "").to_lowercase();
    DEFAULT_SCHEMAS.iter().find_map(|schema| name.strip_prefix(schema)).unwrap_or(&name).to_owned()
}

fn kind_of(statement: &Statement) -> StatementKind {
    match statement {
        Statement::Query(_) => StatementKind::Select,
        Statement::Insert(_) => StatementKind::Insert,
        Statement::Update(_) | Statement::Merge(_) => StatementKind::Update,
        Statement::Delete(_) | Statement::Truncate(_) => StatementKind::Delete,
        _ => StatementKind::Other,
    }
}

/// The tables of a statement, while its tree is walked.
#[derive(Default)]
struct Tables {
    /// Every mention of a table, in order.
    mentions: Vec<String>,
    writes: BTreeSet<String>,
    /// The mentions that are the targets of writing.
    targets: Vec<String>,
    /// Names of common table expressions and of functions, which are mentioned like tables.
    others: BTreeSet<String>,
    /// A definition mentions tables that it does not use.
    is_definition: bool,
}

impl Tables {
    fn write(&mut self, name: &ObjectName) {
        let name = name_of(name);
        self.targets.push(name.clone());
        if is_table(&name) {
            self.writes.insert(name);
        }
    }

    fn reads(&self) -> BTreeSet<String> {
        if self.is_definition {
            return BTreeSet::new();
        }
        let mut mentions = self.mentions.clone();
        for target in &self.targets {
            if let Some(at) = mentions.iter().position(|mention| mention == target) {
                mentions.remove(at);
            }
        }
        mentions.into_iter().filter(|name| !self.others.contains(name) && is_table(name)).collect()
    }
}

impl Visitor for Tables {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        let table_of = |factor: &TableFactor| match factor {
            TableFactor::Table { name, .. } => Some(name.clone()),
            _ => None,
        };
        match statement {
            Statement::Insert(insert) => {
                if let TableObject::TableName(name) = &insert.table {
                    self.write(name);
                }
            }
            Statement::Update(update) => {
                if let Some(name) = table_of(&update.table.relation) {
                    self.write(&name);
                }
            }
            Statement::Delete(Delete { tables, from, .. }) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = from;
                if tables.is_empty() {
                    for name in from.iter().filter_map(|table| table_of(&table.relation)) {
                        self.write(&name);
                    }
                }
                for name in tables {
                    self.write(name);
                }
            }
            Statement::Merge(merge) => {
                if let Some(name) = table_of(&merge.table) {
                    self.write(&name);
                }
            }
            Statement::Truncate(truncate) => {
                for target in &truncate.table_names {
                    self.write(&target.name);
                }
            }
            Statement::Query(_) => {}
            _ => self.is_definition = true,
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.others.insert(table_name(&table.alias.name.value));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            self.others.insert(name_of(name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.mentions.push(name_of(name));
        ControlFlow::Continue(())
    }
}

fn name_of(name: &ObjectName) -> String {
    let parts = name.0.iter().filter_map(|part| match part {
        ObjectNamePart::Identifier(identifier) => Some(identifier.value.as_str()),
        ObjectNamePart::Function(_) => None,
    });
    table_name(&parts.collect::<Vec<_>>().join("."))
}

fn is_table(name: &str) -> bool {
    !name.is_empty() && !OWN_TABLES.iter().any(|own| name.starts_with(own))
}

/// Returns what the words of a statement say that the parser does not understand.
fn guess(sql: &str) -> (StatementKind, BTreeSet<String>, BTreeSet<String>) {
    let is_break = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';' | '=');
    let words: Vec<&str> = sql.split(is_break).filter(|word| !word.is_empty()).collect();
    let first = words.first().copied().unwrap_or_default().to_ascii_uppercase();
    let kind = match first.as_str() {
        "SELECT" | "WITH" | "VALUES" => StatementKind::Select,
        "INSERT" | "REPLACE" => StatementKind::Insert,
        "UPDATE" | "MERGE" => StatementKind::Update,
        "DELETE" | "TRUNCATE" => StatementKind::Delete,
        _ => StatementKind::Other,
    };
    let (mut reads, mut writes) = (BTreeSet::new(), BTreeSet::new());
    if kind == StatementKind::Other {
        return (kind, reads, writes);
    }
    let is_before = |word: &str| BEFORE_TABLES.iter().any(|before| before.eq_ignore_ascii_case(word));
    let mut is_first = kind != StatementKind::Select;
    for pair in words.windows(2) {
        let name = table_name(pair[1]);
        let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if is_before(pair[0]) && is_name && is_table(&name) && !pair[1].eq_ignore_ascii_case("SELECT") {
            if std::mem::take(&mut is_first) {
                writes.insert(name)
            } else {
                reads.insert(name)
            };
        }
    }
    (kind, reads, writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: Dialect, sql: &str, expected: &str) {
        let text = describe(dialect, sql);
        let found = format!("{} reads {} writes {}", text.kind.name(), text.reads.join(" "), text.writes.join(" "));
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn tables_are_named() {
        check(Dialect::Redis, "GET", "other reads  writes ");
        for dialect in [Dialect::Sqlite, Dialect::Postgresql, Dialect::Mysql] {
            check(dialect, "SELECT a FROM t WHERE b = ? LIMIT ? OFFSET ?", "select reads t writes ");
            check(dialect, "SELECT a FROM t JOIN main.u ON t.a = u.a, v AS w", "select reads t u v writes ");
            check(dialect, "SELECT (SELECT max(b) FROM u) FROM t WHERE a IN (?)", "select reads t u writes ");
            check(dialect, "WITH c AS (SELECT a FROM t) SELECT * FROM c", "select reads t writes ");
            check(dialect, "INSERT INTO Orders (a, b) VALUES (?)", "insert reads  writes orders");
            check(dialect, "INSERT INTO t SELECT a FROM t", "insert reads t writes t");
            check(dialect, "UPDATE t SET a = ? WHERE b IN (SELECT b FROM u)", "update reads u writes t");
            check(dialect, "DELETE FROM t WHERE a = ?", "delete reads  writes t");
            check(dialect, "CREATE TABLE t (a INTEGER)", "other reads  writes ");
            check(dialect, "SAVEPOINT s", "other reads  writes ");
            check(dialect, "", "other reads  writes ");
        }
        check(Dialect::Sqlite, "SELECT a FROM \"t\", json_each(t.b)", "select reads t writes ");
        check(Dialect::Sqlite, "SELECT name FROM sqlite_master", "select reads  writes ");
        check(Dialect::Postgresql, "SELECT a FROM \"public\".\"t\" WHERE b = ANY (?)", "select reads t writes ");
        check(
            Dialect::Postgresql,
            "WITH c AS (INSERT INTO t (a) VALUES (?) RETURNING a) SELECT a FROM c",
            "select reads  writes t",
        );
        check(
            Dialect::Postgresql,
            "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO NOTHING RETURNING t.a",
            "insert reads  writes t",
        );
        check(Dialect::Mysql, "REPLACE INTO `t` (`a`) VALUES (?)", "insert reads  writes t");
        check(
            Dialect::Mysql,
            "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES(a)",
            "insert reads  writes t",
        );
    }

    #[test]
    fn what_the_parser_does_not_understand_is_guessed() {
        check(Dialect::Sqlite, "SELECT a FROM \"t\" WHERE b %% $", "select reads t writes ");
        check(Dialect::Sqlite, "INSERT INTO t (a) VALUES (?), …", "insert reads  writes t");
        check(Dialect::Mysql, "SELECT a FROM t JOIN u ON ( …", "select reads t u writes ");
    }
}
