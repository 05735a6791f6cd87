//! Statements: from the log to the recording, and the tables at a glance.

use std::collections::BTreeMap;

use splitcost_model::database::{DataCrossings, Owners};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Meta, Recording, Request};
use splitcost_model::split::Split;
use splitcost_recording::assemble::{assemble, merge};
use splitcost_recording::log::ConnectionWorkCode::{Commit, Use};
use splitcost_recording::log::ViaCode::Inline;
use splitcost_recording::log::{DialectCode, Record};
use splitcost_recording::store;
use splitcost_recording::tables::summarize_tables;

use crate::script::{ORDERS, ROOT, STOCK, Script};

const SELECT: &str = "SELECT a FROM stock WHERE id = ?";
const INSERT: &str = "INSERT INTO orders (a) VALUES (?)";

/// A request in which orders reads the stock's table thrice, and both write in one transaction; ids are shifted.
fn script(shift: u32, status: u16) -> Script {
    let id = |n: u64| n + u64::from(shift) * 100;
    let request = id(1);
    let site = |id: u32| Record::Site { id: id + shift, file: "shop/orders.py".into(), line: 40 + id };
    let mut script =
        Script::shop(shift).text(1 + shift, SELECT).text(2 + shift, INSERT).text(3 + shift, "PRAGMA x = ?");
    script.records.extend([site(1), site(2)]);
    script.records.push(Record::Table { name: "Stock".into(), module: "shop.inventory".into() });
    let mut script = script
        .start(request, 1000)
        .enter((id(10), 0, request), ROOT + shift, Inline, (1000, 0))
        // Its call starts later than the next one, so that the two are put in order.
        .enter((id(12), id(10), request), STOCK + shift, Inline, (1050, 0))
        .statement((id(5), id(12), 2 + shift, 0, id(9)), 1060)
        .leave(id(12), (1070, 0))
        .enter((id(11), id(10), request), ORDERS + shift, Inline, (1010, 0))
        .statement((id(4), id(11), 2 + shift, 2 + shift, id(9)), 1045);
    for n in 1..4 {
        script = script.statement((id(n), id(11), 1 + shift, 1 + shift, 0), 1010 + 10 * n);
    }
    script.records.push(Record::Rows { statement: id(1), rows: 6, bytes: 70, nanos: 3 });
    script = script.statement((id(6), id(11), 3 + shift, 0, 0), 1048).statement((id(7), 99_999, 1 + shift, 0, 0), 1049);
    script.leave(id(11), (1090, 0)).leave(id(10), (1100, 0)).end(request, 1100, status, "POST /orders")
}

fn outline(recording: &Recording) -> Vec<String> {
    store::check(recording).unwrap();
    let statements = recording.requests.iter().flat_map(|request| {
        request.statements.iter().map(|s| {
            let function = &recording.functions[request.calls[s.call as usize].function as usize].qualname;
            let kind = recording.statement_texts[s.text as usize].kind.name();
            let (wall, transaction) = (s.wall.as_nanos(), s.transaction);
            format!("{function} {kind} {wall} ns, {} rows {} bytes, {transaction:?} :{}", s.rows, s.row_bytes, s.line)
        })
    });
    statements.collect()
}

#[test]
fn statements_belong_to_the_calls_that_issue_them() {
    let recording = assemble(script(0, 201).records);
    assert_eq!(
        outline(&recording),
        [
            "create select 8 ns, 7 rows 70 bytes, None :41",
            "create select 5 ns, 1 rows 0 bytes, None :41",
            "create select 5 ns, 1 rows 0 bytes, None :41",
            "create insert 5 ns, 1 rows 0 bytes, Some(0) :42",
            "create other 5 ns, 1 rows 0 bytes, None :0",
            "reserve insert 5 ns, 1 rows 0 bytes, Some(0) :0",
        ]
    );
    assert_eq!(recording.mapped_tables["stock"], "shop.inventory");
}

#[test]
fn statements_of_several_processes_share_their_texts() {
    let one = assemble(script(0, 201).records);
    let other = assemble(script(7, 201).records);
    let merged = merge(Meta::default(), vec![one.clone(), other]);
    assert_eq!(merged.statement_texts, one.statement_texts);
    assert_eq!(outline(&merged), [outline(&one), outline(&one)].concat());
}

#[test]
fn uncommitted_writes_are_of_calls_until_they_are_committed_or_the_request_ends() {
    let script = Script::shop(0)
        .start(1, 0)
        .enter((10, 0, 1), ROOT, Inline, (0, 0))
        .enter((11, 10, 1), ORDERS, Inline, (10, 0))
        .uncommitted(1, 15, &[11])
        .enter((12, 11, 1), STOCK, Inline, (20, 0))
        .leave(12, (30, 0))
        .uncommitted(1, 35, &[11, 12])
        .uncommitted(1, 40, &[12])
        // A call of another request, as a connection may be of one.
        .uncommitted(1, 45, &[12, 99])
        .uncommitted(1, 50, &[])
        .uncommitted(1, 60, &[11])
        .leave(11, (70, 0))
        .leave(10, (80, 0))
        .end(1, 90, 200, "POST /orders");
    let recording = assemble(script.records);
    let held = recording.requests[0].uncommitted.iter();
    let held: Vec<_> = held.map(|held| (held.call, held.start.as_nanos(), held.end.as_nanos())).collect();
    assert_eq!(held, [(1, 15, 40), (2, 35, 50), (1, 60, 90)]);
}

#[test]
fn the_recorders_own_work_moves_requests_and_is_part_of_no_time() {
    let script = || {
        Script::shop(0)
            .start(1, 100)
            .enter((10, 0, 1), ROOT, Inline, (100, 0))
            .uncommitted(1, 105, &[10])
            .connection(10, Use, 106)
            .text(1, "SELECT 1")
            .statement((1, 10, 1, 0, 0), 108)
            .leave(10, (120, 10))
            .end(1, 130, 200, "GET /")
    };
    let [plain, moved] =
        [script(), script().leaving_out(1_000)].map(|script| assemble(script.records).requests.remove(0));
    let starts = |request: &Request| {
        let (held, work) = (request.uncommitted[0], request.connection_work[0]);
        let of =
            [request.start, request.calls[0].start(), held.start, held.end, work.start, request.statements[0].start];
        of.map(Nanos::as_nanos)
    };
    assert_eq!(starts(&moved), starts(&plain).map(|nanos| nanos + 1_000));
    let times = |request: &Request| (request.wall, request.process_cpu, request.calls[0].cpu());
    assert_eq!(times(&moved), times(&plain));
    assert_eq!([&plain, &moved].map(|request| request.left_out.as_nanos()), [0, 2_000]);
}

#[test]
fn work_on_connections_belongs_to_the_calls_that_it_began_in() {
    let script = Script::shop(0)
        .start(1, 0)
        .enter((10, 0, 1), ROOT, Inline, (0, 0))
        .enter((11, 10, 1), ORDERS, Inline, (10, 0))
        .leave(11, (70, 0))
        .leave(10, (80, 0))
        .end(1, 90, 200, "POST /orders")
        // It is known when it is done: in any order, and after the request.
        .connection(11, Commit, 40)
        .connection(11, Use, 20)
        // Of a call outside requests.
        .connection(99, Use, 95);
    let recording = assemble(script.records);
    let found = recording.requests[0].connection_work.iter();
    let found: Vec<_> =
        found.map(|it| (it.call, it.kind.name(), [it.start, it.wall, it.cpu].map(Nanos::as_nanos))).collect();
    assert_eq!(found, [(1, "use", [20, 9, 4]), (1, "commit", [40, 9, 4])]);
}

#[test]
fn tables_are_summed_up_and_loops_are_found() {
    // A request that failed counts for nothing.
    let recording = merge(Meta::default(), vec![assemble(script(0, 201).records), assemble(script(7, 500).records)]);
    let summary = summarize_tables(&recording, &Owners::of(&recording, &BTreeMap::new()));
    assert_eq!((summary.requests, summary.statements, summary.dropped_texts), (1, 6, 0));
    let tables: Vec<String> = summary
        .tables
        .iter()
        .map(|table| {
            let owner = table.owner.as_ref().map(|owner| owner.module.as_str()).unwrap_or_default();
            let uses = table.accesses.iter().map(|access| {
                let (reads, writes) = (access.reads_per_request, access.writes_per_request);
                format!("{} {reads}/{writes} {}", access.module, access.rows_per_request)
            });
            format!(
                "{} of {owner}{}: {}",
                table.table,
                if table.is_shared { ", shared" } else { "" },
                uses.collect::<Vec<_>>().join(", ")
            )
        })
        .collect();
    assert_eq!(
        tables,
        [
            "stock of shop.inventory, shared: shop.orders 3/0 9",
            "orders of shop.inventory, shared: shop.orders 0/1 1, shop.inventory 0/1 1",
        ]
    );
    let [repeated] = summary.repeated.as_slice() else { panic!("{:?}", summary.repeated) };
    assert_eq!((repeated.sql.as_str(), repeated.repetitions, repeated.repetitions_max), (SELECT, 3.0, 3));
    assert_eq!((repeated.site.line, repeated.requests_share), (41, 1.0));
}

#[test]
fn commands_of_redis_are_no_statements_on_tables() {
    let mut script = Script::shop(0).text(1, SELECT);
    let text = |id, sql: &str| Record::StatementText { id, dialect: DialectCode::Redis, sql: sql.into() };
    script.records.extend([text(2, "GET"), text(3, "PIPELINE GET, INCRBY")]);
    script.records.push(Record::Site { id: 1, file: "shop/orders.py".into(), line: 41 });
    let mut script = script.start(1, 1000).enter((10, 0, 1), ROOT, Inline, (1000, 0));
    script = script.enter((11, 10, 1), ORDERS, Inline, (1010, 0)).statement((1, 11, 1, 1, 0), 1020);
    for n in 2..5 {
        script = script.statement((n, 11, 2, 1, 0), 1020 + 10 * n);
    }
    script = script.statement((5, 11, 3, 1, 0), 1075);
    script.records.push(Record::Rows { statement: 5, rows: 0, bytes: 70, nanos: 0 });
    let script = script.leave(11, (1090, 0)).leave(10, (1100, 0)).end(1, 1100, 200, "POST /orders");
    let recording = assemble(script.records);
    store::check(&recording).unwrap();

    let owners = Owners::of(&recording, &BTreeMap::new());
    let summary = summarize_tables(&recording, &owners);
    assert_eq!((summary.statements, summary.texts.len(), summary.dropped_texts), (1, 1, 0));
    let commands = summary.commands.iter().map(|one| {
        let (module, command, times) = (&one.module, &one.command, one.commands_per_request);
        format!("{module} {command} × {times}, {} µs, {} bytes", one.micros_mean, one.answer_bytes_mean)
    });
    assert_eq!(
        commands.collect::<Vec<_>>(),
        ["shop.orders GET × 3, 0.005 µs, 0 bytes", "shop.orders PIPELINE GET, INCRBY × 1, 0.005 µs, 70 bytes",]
    );
    let repeated: Vec<&str> = summary.repeated.iter().map(|one| one.sql.as_str()).collect();
    assert_eq!(repeated, ["GET"]);

    // No service owns what they touch.
    let split =
        Split { services: BTreeMap::from([("orders".to_owned(), vec!["shop.orders".to_owned()])]), ..Split::default() };
    assert_eq!(owners.services_of_texts(&recording, &split)[1..], [Vec::<&str>::new(), Vec::new()]);
    assert_eq!(DataCrossings::of(&recording, &split, &owners), DataCrossings::default());
}
