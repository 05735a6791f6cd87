//! A recording to Parquet and back, and what happens to damaged ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::limit::{Limit, ServerLimits};
use splitcost_model::recording::statement::{
    ConnectionWork, ConnectionWorkKind, Dialect, Statement, StatementKind, StatementText, Uncommitted,
};
use splitcost_model::recording::{
    Call, Function, FunctionKind, Makes, Meta, Obstacle, Payload, PayloadClass, Phase, PhaseEndpoint, PhaseKind,
    Receiver, ReceiverKind, Recording, Request, Segment, Stretch, Via,
};
use splitcost_recording::store::{FORMAT_VERSION, MANIFEST, read, write};
use splitcost_recording::{Error, store};

const TABLES: [&str; 13] = [
    "requests.parquet",
    "calls.parquet",
    "segments.parquet",
    "payloads.parquet",
    "obstacles.parquet",
    "receivers.parquet",
    "shapes.parquet",
    "functions.parquet",
    "statements.parquet",
    "statement_texts.parquet",
    "tables.parquet",
    "uncommitted.parquet",
    "connections.parquet",
];

fn any_meta() -> impl Strategy<Value = Meta> {
    let endpoint = (".*", any::<[u64; 5]>()).prop_map(|(name, [ok, failed, p50, p90, p99])| PhaseEndpoint {
        name,
        ok,
        failed,
        response_nanos_p50: p50,
        response_nanos_p90: p90,
        response_nanos_p99: p99,
    });
    let floats = (0.0..1e9_f64, 0.0..1e9_f64, 0.0..1e9_f64);
    let kind = prop_oneof![Just(PhaseKind::Closed), Just(PhaseKind::Open)];
    let phase = (kind, any::<u32>(), any::<[u64; 5]>(), floats, proptest::collection::vec(endpoint, 0..2));
    let phase = phase.prop_map(|(kind, concurrency, numbers, floats, endpoints)| Phase {
        audit: numbers[0] % 2 == 0,
        kind,
        bare: concurrency % 2 == 1,
        concurrency,
        rate_reqs_per_sec: floats.0,
        yardstick_nanos: floats.1,
        throughput_reqs_per_sec: floats.2,
        start_nanos: numbers[0],
        end_nanos: numbers[1],
        driven_nanos: numbers[1] / 2,
        requests: numbers[2],
        app_cpu_nanos: numbers[3],
        load_cpu_nanos: numbers[4],
        endpoints,
    });
    let phases = proptest::collection::vec(phase, 1..4);
    let limit = prop_oneof![
        Just(Limit::Unknown),
        Just(Limit::Unlimited),
        any::<u32>().prop_map(Limit::Configured),
        any::<u32>().prop_map(Limit::Observed),
    ];
    let limits = proptest::array::uniform3(limit);
    (".*", proptest::collection::vec(".*", 0..3), phases, limits).prop_map(|(text, texts, phases, limits)| Meta {
        format_version: FORMAT_VERSION,
        splitcost_version: "0.1.0".into(),
        started_at: "2026-11-24T08:00:00Z".into(),
        command: texts.clone(),
        python_version: "3.13.0".into(),
        recorder_mode: "monitoring".into(),
        servers: texts.clone(),
        named_modules: texts.clone(),
        limits: ServerLimits { processes: limits[0], server_threads: limits[1], pool_threads: limits[2] },
        machine: text,
        phases,
        discarded: vec![Stretch { start_nanos: 3, end_nanos: 5 }],
        expected: BTreeMap::from([("GET /gone".into(), vec![404])]),
        troubles: texts,
    })
}

fn any_payload(is_result: bool) -> impl Strategy<Value = Option<Payload>> {
    let class = || proptest::sample::select(PayloadClass::ALL.to_vec());
    let kind = proptest::sample::select(ReceiverKind::ALL.to_vec());
    let obstacle = || (class(), ".{0,5}").prop_map(|(class, path)| Obstacle { class, path });
    let obstacles = || proptest::collection::vec(obstacle(), 0..3);
    let receiver = (kind, proptest::option::of(".{1,5}"), any::<[u64; 2]>(), obstacles()).prop_map(
        |(kind, place, [encoded_bytes, nodes], obstacles)| Receiver {
            kind,
            type_name: "shop.Pricing".into(),
            place,
            encoded_bytes,
            nodes,
            reason: "it lives at module level".into(),
            obstacles,
        },
    );
    let size = (0_u32..2, any::<u64>(), any::<u64>());
    let payload = (size, class(), ".{0,5}", any::<u32>(), obstacles(), proptest::option::of(receiver)).prop_map(
        move |((shape, encoded_bytes, nodes), class, text, line, obstacles, receiver)| Payload {
            shape,
            encoded_bytes,
            nodes,
            class,
            path: text.clone(),
            obstacles,
            receiver: receiver.filter(|_| !is_result),
            file: text,
            line,
        },
    );
    proptest::option::of(payload)
}

fn any_call() -> impl Strategy<Value = Call> {
    let via = proptest::sample::select(vec![Via::Inline, Via::Task, Via::Thread]);
    let stretches = proptest::collection::vec((any::<u32>(), any::<u32>()), 1..5);
    let exception = proptest::option::of(".{0,5}");
    let payloads = (any_payload(false), any_payload(true));
    (0_u32..3, any::<u32>(), via, any::<u32>(), any::<bool>(), any::<u64>(), stretches, exception, payloads).prop_map(
        |(function, parent, via, thread, mut suspended, start, stretches, exception, (arguments, result))| {
            let mut at = Nanos::from_nanos(start >> 1);
            let segments = stretches
                .into_iter()
                .map(|(wall, cpu)| {
                    suspended = !suspended;
                    let (start, wall) = (at, Nanos::from_nanos(wall.into()));
                    at += wall;
                    Segment { start, wall, cpu: Nanos::from_nanos(if suspended { 0 } else { cpu.into() }), suspended }
                })
                .collect();
            let makes = Makes::ALL[parent as usize % Makes::ALL.len()];
            Call { function, parent, via, thread, exception, makes, segments, arguments, result }
        },
    )
}

fn any_statement() -> impl Strategy<Value = Statement> {
    let numbers = any::<[u64; 5]>();
    (any::<u32>(), 0_u32..2, numbers, proptest::option::of(any::<u32>()), ".{0,5}", any::<u32>()).prop_map(
        |(call, text, [start, wall, rows, parameter_bytes, row_bytes], transaction, file, line)| Statement {
            call,
            text,
            start: Nanos::from_nanos(start),
            wall: Nanos::from_nanos(wall),
            rows,
            parameter_bytes,
            row_bytes,
            transaction,
            file,
            line,
        },
    )
}

fn any_uncommitted() -> impl Strategy<Value = Uncommitted> {
    (any::<u32>(), any::<[u64; 2]>()).prop_map(|(call, [start, end])| Uncommitted {
        call,
        start: Nanos::from_nanos(start),
        end: Nanos::from_nanos(end),
    })
}

fn any_connection_work() -> impl Strategy<Value = ConnectionWork> {
    let kind = proptest::sample::select(ConnectionWorkKind::ALL.to_vec());
    (any::<u32>(), kind, any::<[u64; 3]>()).prop_map(|(call, kind, nanos)| {
        let [start, wall, cpu] = nanos.map(Nanos::from_nanos);
        ConnectionWork { call, kind, start, wall, cpu }
    })
}

fn any_text() -> impl Strategy<Value = StatementText> {
    let dialect = proptest::sample::select(Dialect::ALL.to_vec());
    let kind = proptest::sample::select(StatementKind::ALL.to_vec());
    let tables = || proptest::collection::vec(".{0,5}", 0..3);
    (dialect, kind, ".{0,9}", tables(), tables()).prop_map(|(dialect, kind, sql, reads, writes)| StatementText {
        dialect,
        sql,
        kind,
        reads,
        writes,
    })
}

fn any_recording() -> impl Strategy<Value = Recording> {
    let calls = proptest::collection::vec(any_call(), 1..6);
    let statements = proptest::collection::vec(any_statement(), 0..4);
    let uncommitted = proptest::collection::vec(any_uncommitted(), 0..4);
    let databases = (statements, uncommitted, proptest::collection::vec(any_connection_work(), 0..3));
    let request = (".{0,6}", any::<[u64; 3]>(), any::<u16>(), any::<bool>(), calls, databases);
    let request = request.prop_map(|(endpoint, [start, wall, process_cpu], status, phase, mut calls, databases)| {
        let (mut statements, mut uncommitted, mut connection_work) = databases;
        statements.sort_by_key(|statement| statement.start);
        uncommitted.sort_by_key(|held| held.start);
        connection_work.sort_by_key(|work| work.start);
        let issuing = statements.iter_mut().map(|it| &mut it.call);
        let writing = uncommitted.iter_mut().map(|it| &mut it.call);
        for call in issuing.chain(writing).chain(connection_work.iter_mut().map(|it| &mut it.call)) {
            *call %= calls.len() as u32;
        }
        calls[1..].sort_by_key(Call::start);
        for (index, call) in calls.iter_mut().enumerate() {
            call.parent %= index.max(1) as u32;
        }
        Request {
            endpoint,
            phase: phase.then_some(0),
            start: Nanos::from_nanos(start),
            wall: Nanos::from_nanos(wall),
            process_cpu: Nanos::from_nanos(process_cpu),
            left_out: Nanos::from_nanos(wall / 3),
            status,
            handler: phase.then_some(u32::from(status) % 3),
            calls,
            statements,
            uncommitted,
            connection_work,
        }
    });
    let texts = proptest::collection::vec(any_text(), 2);
    let tables = proptest::collection::btree_map(".{0,5}", ".{0,5}", 0..3);
    let names = (".{0,8}", any::<u64>(), any::<u32>());
    (any_meta(), names, proptest::collection::vec(request, 0..5), texts, tables).prop_map(
        |(meta, (name, calls, line), mut requests, statement_texts, mapped_tables)| {
            requests.sort_by_key(|request: &Request| request.start);
            let function = |module, kind| Function {
                module,
                qualname: name.clone(),
                file: name.clone(),
                line,
                kind,
                is_unnamed: calls % 2 == 0,
                is_made: calls % 3 == 0,
                calls,
                calls_outside: calls / 2,
            };
            Recording {
                meta,
                modules: vec!["(framework)".into(), format!("m.{name}")],
                functions: vec![
                    function(0, FunctionKind::Coroutine),
                    function(1, FunctionKind::Generator),
                    function(1, FunctionKind::AsyncGenerator),
                ],
                shapes: vec![name.clone(), "{}".into()],
                statement_texts,
                mapped_tables,
                requests,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(recording in any_recording()) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &recording).unwrap();
        prop_assert_eq!(read(dir.path()).unwrap(), recording);
    }
}

/// A recording with something in every table.
fn sample() -> Recording {
    let receiver = Receiver {
        kind: ReceiverKind::Service,
        type_name: "shop.orders.Orders".into(),
        place: Some("shop.orders:orders".into()),
        encoded_bytes: 0,
        nodes: 0,
        reason: "it lives at module level".into(),
        obstacles: vec![Obstacle { class: PayloadClass::Named, path: "arguments.self.clock".into() }],
    };
    let payload = |class| Payload {
        class,
        encoded_bytes: 30,
        path: "arguments.a".into(),
        obstacles: vec![Obstacle { class, path: "arguments.a".into() }],
        receiver: Some(receiver.clone()),
        ..Payload::default()
    };
    let segment = |start, suspended| Segment {
        start: Nanos::from_nanos(start),
        wall: Nanos::from_nanos(10),
        cpu: Nanos::ZERO,
        suspended,
    };
    let call = |parent| Call {
        parent,
        segments: vec![segment(5, false), segment(15, true), segment(25, false)],
        exception: (parent == 1).then(|| "KeyError".to_owned()),
        makes: if parent == 1 { Makes::Call } else { Makes::Awaitable },
        arguments: Some(payload(PayloadClass::Live)),
        ..Call::default()
    };
    let request = |endpoint: &str| Request {
        endpoint: endpoint.to_owned(),
        status: 200,
        calls: vec![call(0), call(0), call(1)],
        statements: vec![Statement { call: 2, rows: 3, transaction: Some(0), ..Statement::default() }],
        uncommitted: vec![Uncommitted { call: 1, start: Nanos::from_nanos(7), end: Nanos::from_nanos(9) }],
        ..Request::default()
    };
    Recording {
        meta: Meta { format_version: FORMAT_VERSION, machine: "a machine".into(), ..Meta::default() },
        modules: vec!["(framework)".into(), "shop.orders".into()],
        functions: vec![Function { module: 1, qualname: "create".into(), ..Function::default() }],
        shapes: vec!["{}".into()],
        statement_texts: vec![StatementText { reads: vec!["t".into(), "u".into()], ..StatementText::default() }],
        mapped_tables: [("t".to_owned(), "shop.orders".to_owned())].into(),
        requests: vec![request("GET /a"), request("GET /b")],
    }
}

fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &sample()).unwrap();
    dir
}

/// The message, without the directory that the test happened to use.
fn message(dir: &Path, error: &Error) -> String {
    error.to_string().replace(&*dir.to_string_lossy(), "REC")
}

#[test]
fn a_recording_is_whole_or_absent() {
    let dir = written();
    // Over an older one, and without leaving anything else behind.
    write(dir.path(), &sample()).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut expected = [TABLES.as_slice(), &[MANIFEST]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(read(dir.path()).unwrap(), sample());
}

#[test]
fn a_recording_that_contradicts_itself_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut recording = sample();
    recording.requests[1].calls[2].parent = 2;
    let error = write(dir.path(), &recording).unwrap_err();
    insta::assert_snapshot!(message(dir.path(), &error), @"write the recording: request 1: call 2: its parent 2 does not come before it");
    assert!(!store::exists(dir.path()));
}

#[test]
fn bad_recordings_are_clear_errors() {
    let check = |damage: &dyn Fn(&Path)| {
        let dir = written();
        damage(dir.path());
        message(dir.path(), &read(dir.path()).unwrap_err())
    };
    let edit = |from: &'static str, to: &'static str| {
        move |dir: &Path| {
            let path = dir.join(MANIFEST);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from));
            fs::write(path, text.replacen(from, to, 1)).unwrap();
        }
    };
    let messages = [
        check(&|dir| fs::remove_file(dir.join(MANIFEST)).unwrap()),
        check(&|dir| fs::write(dir.join(MANIFEST), "{").unwrap()),
        check(&|dir| fs::write(dir.join(MANIFEST), "[1]").unwrap()),
        check(&edit("splitcost-recording", "another tool")),
        check(&edit("\"format_version\": 7", "\"format_version\": 8")),
        check(&edit("a machine", "b machine")),
        check(&|dir| fs::remove_file(dir.join("calls.parquet")).unwrap()),
        check(&|dir| fs::write(dir.join("calls.parquet"), "").unwrap()),
        check(&|dir| {
            fs::copy(dir.join("shapes.parquet"), dir.join("calls.parquet")).unwrap();
        }),
    ];
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9]+ bytes|[0-9]+ with", "[bytes]");
    settings.add_filter("[0-9a-f]{8}", "[checksum]");
    settings.bind(|| insta::assert_snapshot!(messages.join("\n"), @"
    find a recording in REC
    read REC/splitcost-recording.json: line 1, column 1: EOF while parsing an object at line 1 column 1
    read REC/splitcost-recording.json: it is not a splitcost recording (its name is another)
    read REC/splitcost-recording.json: it is not a splitcost recording (its name is another)
    read REC/splitcost-recording.json: its format version is 8, this splitcost reads version 7
    read REC/splitcost-recording.json: the whole file: its checksum is wrong: it was cut or altered
    access REC/calls.parquet: No such file or directory (os error 2)
    read REC/calls.parquet: the whole file: it was cut or altered: [bytes] with checksum [checksum], not [bytes] [checksum]
    read REC/calls.parquet: the whole file: it was cut or altered: [bytes] with checksum [checksum], not [bytes] [checksum]
    "));
}

/// Every file, cut at every length and with every bit of a byte flipped: an error, or nothing changed.
#[test]
fn damage_is_found_wherever_it_is() {
    let dir = written();
    let original = sample();
    for name in TABLES.into_iter().chain([MANIFEST]) {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        let check = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            if let Ok(recording) = read(dir.path()) {
                assert_eq!(recording, original, "{name}");
            }
        };
        let step = (whole.len() / 200).max(1);
        for at in (0..whole.len()).step_by(step) {
            check(&whole[..at]);
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            check(&flipped);
        }
        fs::write(&path, &whole).unwrap();
    }
}

/// The same with checksums that fit, as somebody who means harm would make them: no panic.
#[test]
fn damage_with_a_fitting_checksum_does_not_panic() {
    let dir = written();
    let manifest = fs::read_to_string(dir.path().join(MANIFEST)).unwrap();
    for name in TABLES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(3) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            fs::write(dir.path().join(MANIFEST), seal_again(&manifest, name, &flipped)).unwrap();
            if let Ok(recording) = read(dir.path()) {
                store::check(&recording).unwrap();
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

fn seal_again(manifest: &str, name: &str, bytes: &[u8]) -> String {
    let mut value: serde_json::Value = serde_json::from_str(manifest).unwrap();
    value["files"][name]["crc32"] = crc32fast::hash(bytes).into();
    value.as_object_mut().unwrap().remove("crc32");
    value["crc32"] = crc32fast::hash(serde_json::to_string(&value).unwrap().as_bytes()).into();
    value.to_string()
}
