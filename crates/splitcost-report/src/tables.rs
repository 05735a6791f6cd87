//! The [`TablesSummary`] of a recording for a terminal.

use std::fmt::Write;

use splitcost_model::database::Site;
use splitcost_model::recording::tables::{TableSummary, TablesSummary};

use crate::number::{count, number, short};
use crate::recording::{FittedTable, last_parts};

/// Renders the summary as text, with lines of at most `width` characters (at least 60).
pub fn render(summary: &TablesSummary, width: usize) -> String {
    let width = width.max(60);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} statements in {} requests: {} per request, {} ms per request",
        count(summary.statements),
        count(summary.requests),
        short(summary.statements_per_request),
        number(summary.statement_ms_per_request)
    );
    if summary.dropped_texts > 0 {
        let dropped = count(summary.dropped_texts);
        let _ = writeln!(out, "of {dropped} statements the tables are unknown: their texts hold literals in doubt");
    }

    let mut tables = FittedTable::new(width, &["table", "owner", "used by", "reads", "writes", "rows"]);
    for table in &summary.tables {
        for (index, access) in table.accesses.iter().enumerate() {
            tables.row(vec![
                if index == 0 { table.table.clone() } else { String::new() },
                if index == 0 { owner(table) } else { String::new() },
                access.module.clone(),
                short(access.reads_per_request),
                short(access.writes_per_request),
                short(access.rows_per_request),
            ]);
        }
    }
    tables.left(&[1, 2]).render_all(&mut out, "Tables (statements and rows per request of any endpoint)");

    let shared: Vec<&str> =
        summary.tables.iter().filter(|table| table.is_shared).map(|table| table.table.as_str()).collect();
    if !shared.is_empty() {
        let _ = writeln!(out, "\nUsed by modules other than the owner: {}", shared.join(", "));
    }

    let mut commands =
        FittedTable::new(width, &["endpoint", "module", "command", "times", "µs each", "bytes sent", "bytes back"]);
    for one in &summary.commands {
        commands.row(vec![
            one.endpoint.clone(),
            one.module.clone(),
            one.command.clone(),
            short(one.commands_per_request),
            number(one.micros_mean),
            short(one.argument_bytes_mean),
            short(one.answer_bytes_mean),
        ]);
    }
    commands.left(&[1, 2]).render(&mut out, "Commands of Redis (times per request of the endpoint)");

    let mut repeated = FittedTable::new(width, &["endpoint", "times", "most", "requests", "call site", "statement"]);
    for one in &summary.repeated {
        repeated.row(vec![
            one.endpoint.clone(),
            short(one.repetitions),
            count(one.repetitions_max),
            format!("{:.0} %", one.requests_share * 100.0),
            place(&one.site, &one.module),
            one.sql.clone(),
        ]);
    }
    repeated
        .left(&[4, 5])
        .render(&mut out, "The same statement or command three times or more in a request, from one place");
    out
}

fn owner(table: &TableSummary) -> String {
    table.owner.as_ref().map_or_else(|| "–".to_owned(), |owner| format!("{} ({})", owner.module, owner.by.name()))
}

/// The call site, or else the module.
fn place(site: &Site, module: &str) -> String {
    if site.file.is_empty() { module.to_owned() } else { format!("{}:{}", last_parts(&site.file), site.line) }
}

#[cfg(test)]
mod tests {
    use splitcost_model::database::{Owner, Ownership};
    use splitcost_model::recording::tables::{CommandSummary, RepeatedStatement, TableAccess};

    use super::*;

    fn access(module: &str, reads: f64, writes: f64) -> TableAccess {
        TableAccess {
            module: module.into(),
            reads_per_request: reads,
            writes_per_request: writes,
            rows_per_request: (reads + writes) * 12.0,
        }
    }

    fn summary() -> TablesSummary {
        TablesSummary {
            requests: 1_200,
            statements: 5_040,
            statements_per_request: 4.2,
            statement_ms_per_request: 0.731,
            dropped_texts: 3,
            tables: vec![
                TableSummary {
                    table: "product".into(),
                    owner: Some(Owner { module: "shop.catalog".into(), by: Ownership::Mapping }),
                    is_shared: true,
                    accesses: vec![access("shop.catalog", 1.25, 0.0), access("shop.orders", 0.5, 0.1)],
                },
                TableSummary {
                    table: "country".into(),
                    accesses: vec![access("shop.users", 0.02, 0.0)],
                    ..Default::default()
                },
            ],
            repeated: vec![RepeatedStatement {
                endpoint: "GET /orders/{order_id}".into(),
                module: "shop.orders".into(),
                sql: "SELECT product.id, product.name, product.price FROM product WHERE product.id = ?".into(),
                repetitions: 6.5,
                repetitions_max: 12,
                requests_share: 0.96,
                site: Site { file: "/srv/app/shop/orders/service.py".into(), line: 41 },
            }],
            texts: Vec::new(),
            commands: vec![
                CommandSummary {
                    endpoint: "GET /orders/{order_id}".into(),
                    module: "shop.cache".into(),
                    command: "PIPELINE GET, INCRBY".into(),
                    commands_per_request: 1.25,
                    micros_mean: 212.4,
                    argument_bytes_mean: 61.5,
                    answer_bytes_mean: 1_024.0,
                    elements_mean: 3.0,
                },
                CommandSummary {
                    endpoint: "GET /users".into(),
                    module: "shop.sessions".into(),
                    command: "HGETALL".into(),
                    commands_per_request: 1.0,
                    micros_mean: 88.0,
                    argument_bytes_mean: 31.0,
                    answer_bytes_mean: 96.0,
                    elements_mean: 4.0,
                },
            ],
        }
    }

    #[test]
    fn tables_are_grouped_and_fit() {
        let text = render(&summary(), 100);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        insta::assert_snapshot!(text, @r"
        5,040 statements in 1,200 requests: 4.2 per request, 0.731 ms per request
        of 3 statements the tables are unknown: their texts hold literals in doubt

        Tables (statements and rows per request of any endpoint)
        table    owner                   used by       reads  writes  rows
        product  shop.catalog (mapping)  shop.catalog   1.25       0    15
                                         shop.orders     0.5     0.1   7.2
        country  –                       shop.users     0.02       0  0.24

        Used by modules other than the owner: product

        Commands of Redis (times per request of the endpoint)
        endpoint                module         command               times  µs each  bytes sent  bytes back
        GET /orders/{order_id}  shop.cache     PIPELINE GET, INCRBY   1.25      212        61.5       1,024
        GET /users              shop.sessions  HGETALL                   1     88.0          31          96

        The same statement or command three times or more in a request, from one place
        endpoint                times  most  requests  call site             statement
        GET /orders/{order_id}    6.5    12      96 %  orders/service.py:41  SELECT ….id, ….name, ….price F…
        ");
    }

    #[test]
    fn an_app_without_statements_is_said_so() {
        let text = render(&TablesSummary { requests: 3, ..TablesSummary::default() }, 80);
        assert_eq!(text, "0 statements in 3 requests: 0 per request, 0 ms per request\n");
    }
}
