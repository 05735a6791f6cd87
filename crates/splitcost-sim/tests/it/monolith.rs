//! A split whose crossings cost nothing does what the monolith does.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use splitcost_model::boundary::{Execution, Readiness};
use splitcost_model::calibration::{Calibration, ClientMode, HandlerMode, Pace, Point, Round};
use splitcost_model::database::Database;
use splitcost_model::estimate::{CallPrices, Estimate, EstimatedEndpoint, Figures};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::limit::{Limit, ServerLimits};
use splitcost_model::recording::statement::{
    ConnectionWork, ConnectionWorkKind, Statement, StatementKind, StatementText,
};
use splitcost_model::recording::{
    Call, Function, FunctionKind, Meta, Obstacle, Payload, PayloadClass, Phase, PhaseEndpoint, PhaseKind, Recording,
    Request, Segment, Via,
};
use splitcost_model::split::Split;
use splitcost_sim::compile::{CallForm, Compiler};
use splitcost_sim::demand::{Demand, demand};
use splitcost_sim::engine::{LoadPattern, Outcome, Run, simulate};
use splitcost_sim::estimate::{Error, FittedServer, Scenario, count_calls, estimate, price_calls};
use splitcost_sim::program::{Cost, Crowding, Machine, Network};

const MILLI: u64 = 1_000_000;

fn segment(start: u64, wall: u64, suspended: bool) -> Segment {
    let cpu = if suspended { 0 } else { wall };
    Segment { start: Nanos::from_nanos(start), wall: Nanos::from_nanos(wall), cpu: Nanos::from_nanos(cpu), suspended }
}

fn payload() -> Payload {
    Payload { nodes: 10, encoded_bytes: 200, ..Payload::default() }
}

/// `GET /a` under a WSGI server: a wait of 20 ms on its thread.
fn waiting(processes: u32, server_threads: Limit) -> Recording {
    const WAIT: u64 = 20 * MILLI;
    let mut recording = recording();
    for function in &mut recording.functions {
        function.kind = FunctionKind::Plain;
    }
    for request in &mut recording.requests {
        let start = request.start.as_nanos();
        request.calls.truncate(2);
        for call in &mut request.calls {
            call.segments = vec![Segment { cpu: Nanos::from_nanos(MILLI / 100), ..segment(start, WAIT, false) }];
        }
        (request.wall, request.process_cpu) = (Nanos::from_nanos(WAIT), Nanos::from_nanos(MILLI / 100));
    }
    let phase = &mut recording.meta.phases[0];
    phase.app_cpu_nanos = phase.requests * MILLI / 10;
    recording.meta.limits =
        ServerLimits { processes: Limit::Configured(processes), server_threads, ..ServerLimits::default() };
    recording
}

/// `GET /a` of module `a` awaits `b:quote` twice; `b:quote` awaits something and calls the plain `c:log`.
fn recording() -> Recording {
    let names = ["(framework)", "a", "b", "c"];
    let function =
        |module, qualname: &str, kind| Function { module, qualname: qualname.into(), kind, ..Function::default() };
    let functions = vec![
        function(0, "(asgi)", FunctionKind::Coroutine),
        function(1, "handler", FunctionKind::Coroutine),
        function(2, "quote", FunctionKind::Coroutine),
        function(3, "log", FunctionKind::Plain),
    ];
    let call = |function, parent, segments| Call {
        function,
        parent,
        segments,
        via: Via::Inline,
        arguments: Some(payload()),
        result: Some(payload()),
        ..Call::default()
    };
    let requests = (0..200)
        .map(|i| {
            let at = i * 10 * MILLI;
            let unit = MILLI / 10 + i * 1_000;
            let spans = |from: u64, to: u64| {
                // On the thread, but suspended in each second tenth of the awaited call.
                let mut segments = Vec::new();
                for tenth in from..to {
                    segments.push(segment(at + tenth * unit, unit, tenth == 4 || tenth == 7));
                }
                segments
            };
            let calls = vec![
                call(0, 0, spans(0, 12)),
                call(1, 0, spans(1, 11)),
                call(2, 1, spans(3, 6)),
                call(3, 2, spans(3, 4)),
                call(2, 1, spans(6, 9)),
                call(3, 4, spans(6, 7)),
            ];
            Request {
                endpoint: "GET /a".into(),
                phase: Some(0),
                start: Nanos::from_nanos(at),
                wall: Nanos::from_nanos(12 * unit),
                process_cpu: Nanos::from_nanos(10 * unit),
                status: 200,
                handler: Some(1),
                calls,
                ..Request::default()
            }
        })
        .collect::<Vec<_>>();
    let cpu: u64 = requests.iter().map(|r| r.process_cpu.as_nanos()).sum();
    let endpoints = vec![PhaseEndpoint { name: "GET /a".into(), ok: 200, ..PhaseEndpoint::default() }];
    let phase = Phase {
        kind: PhaseKind::Closed,
        concurrency: 1,
        requests: 200,
        app_cpu_nanos: cpu + 200 * MILLI / 10,
        load_cpu_nanos: 200 * MILLI / 50,
        endpoints,
        ..Phase::default()
    };
    Recording {
        meta: Meta { phases: vec![phase], ..Meta::default() },
        modules: names.map(str::to_owned).to_vec(),
        functions,
        shapes: vec!["{}".into()],
        requests,
        ..Recording::default()
    }
}

fn split() -> Split {
    let services = BTreeMap::from([("b".to_owned(), vec!["b".to_owned()]), ("c".to_owned(), vec!["c".to_owned()])]);
    Split { name: "abc".into(), services, ..Split::default() }
}

pub(crate) fn calibration(nanos: f64) -> Calibration {
    let modes = |client, handler, pace| Point {
        client,
        handler,
        pace,
        calls: 10,
        nodes: 20.0,
        bytes: 400.0,
        client_cpu_nanos: nanos,
        server_cpu_nanos: nanos,
        wall_nanos: nanos * 3.0,
        work_nanos: 0.0,
    };
    let mut points = Vec::new();
    for client in [ClientMode::Async, ClientMode::Sync] {
        for handler in [HandlerMode::Async, HandlerMode::Sync] {
            points.push(modes(client, handler, Pace::Spaced));
        }
    }
    Calibration { rounds: vec![Round { points, yardstick_nanos: 0.0 }; 3], ..Calibration::default() }
}

fn alone(recording: &Recording, split: &Split, services: usize) -> Outcome {
    alone_as(recording, split, services, Execution::Rewritten)
}

fn alone_as(recording: &Recording, split: &Split, services: usize, execution: Execution) -> Outcome {
    let demands: Vec<Demand> = recording.requests.iter().map(|r| demand(recording, r, true)).collect();
    let requests: Vec<_> = recording.requests.iter().zip(&demands).map(|(r, d)| (r, d, 0)).collect();
    let form = CallForm { execution, awaited: false };
    let compiled = Compiler::new(recording, split, &["GET /a".to_owned()], form).compile(&requests);
    let pool: Vec<u32> = (0..compiled.programs.len() as u32).collect();
    simulate(&Run {
        machine: &Machine::one_host(2, services + 1),
        programs: &compiled.programs,
        pool: &pool,
        costs: &vec![Cost::default(); compiled.crossings.len()],
        network: &Network::default(),
        crowding: Crowding::default(),
        free_share: 0.0,
        load_nanos: 10_000,
        pattern: LoadPattern::Closed { concurrency: 1 },
        warm_up: 0,
        requests: 500,
        seed: 5,
    })
}

#[test]
fn free_crossings_change_no_response_time() {
    let recording = recording();
    let monolith = alone(&recording, &Split::default(), 1);
    let free = alone(&recording, &split(), 3);
    assert_eq!(free.responses, monolith.responses);
    let total = |o: &Outcome| o.cpu_nanos.iter().sum::<u64>();
    assert_eq!(total(&free), total(&monolith));
    assert!(free.cpu_nanos[2] > 0 && free.cpu_nanos[3] > 0, "the work moved to the other services");
}

#[test]
fn a_lone_monolith_takes_as_long_as_it_was_recorded() {
    let recording = recording();
    let outcome = alone(&recording, &Split::default(), 1);
    let walls: Vec<u64> = recording.requests.iter().map(|r| r.wall.as_nanos()).collect();
    for (_, response) in outcome.responses {
        // The load generator's own 10 µs are part of a response time; rounding loses a few nanoseconds.
        assert!(walls.iter().any(|w| (w + 10_000).abs_diff(response) < 50), "{response} is no recorded wall time");
    }
}

fn estimated(nanos: f64) -> Estimate {
    estimated_of(&recording(), nanos)
}

fn estimated_of(recording: &Recording, nanos: f64) -> Estimate {
    estimated_as(recording, &split(), nanos)
}

fn estimated_as(recording: &Recording, split: &Split, nanos: f64) -> Estimate {
    let calibration = calibration(nanos);
    let server = FittedServer::fit(recording, 2, 1).expect("there are requests");
    let scenario = scenario((recording, &server), (split, &calibration));
    estimate(&scenario, &mut |_| ControlFlow::Continue(())).expect("a sound scenario")
}

fn scenario<'a>(
    (recording, server): (&'a Recording, &'a FittedServer),
    (split, calibration): (&'a Split, &'a Calibration),
) -> Scenario<'a> {
    Scenario {
        recording,
        server,
        calibration,
        split,
        host_cores: 2,
        load_reqs_per_sec: Some(100.0),
        concurrency: 8,
        slowness: 1.0,
        seed: 1,
        replications: 4,
    }
}

/// The recording of an app that takes so many times as long, all of it waiting.
fn stretched(factor: f64) -> Recording {
    let mut recording = recording();
    for request in &mut recording.requests {
        for time in [&mut request.start, &mut request.wall] {
            *time = *time * factor;
        }
        for segment in request.calls.iter_mut().flat_map(|call| &mut call.segments) {
            for time in [&mut segment.start, &mut segment.wall] {
                *time = *time * factor;
            }
        }
    }
    recording
}

#[test]
fn requests_that_take_longer_than_load_generators_wait_have_response_times() {
    let (recording, calibration) = (stretched(1e5), calibration(0.0));
    let server = FittedServer::fit(&recording, 2, 1).expect("there are requests");
    let split = Split { calls: "no timeout".parse().unwrap(), ..split() };
    let scenario = scenario((&recording, &server), (&split, &calibration));
    let own_load = Scenario { load_reqs_per_sec: None, ..scenario };
    let estimate = estimate(&own_load, &mut |_| ControlFlow::Continue(())).expect("a sound scenario");
    let [endpoint] = &*estimate.endpoints else { panic!("one endpoint was recorded") };
    assert!(endpoint.timed_out_share < 1e-9);
    let [monolith, split] = [&endpoint.response.monolith, &endpoint.response.split].map(|arm| arm.as_ref().unwrap());
    assert!(monolith.p50_ms.value > 10_000.0 && split.p50_ms.value > 10_000.0, "{monolith:?} {split:?}");
    assert!(estimate.figures.split.saturation_reqs_per_sec.is_some_and(|saturation| saturation.value > 0.0));
}

#[test]
fn calls_that_take_longer_than_their_timeout_fail_their_requests() {
    let short = Split { calls: "1ms".parse().unwrap(), ..split() };
    let estimate = estimated_as(&stretched(1e2), &short, 0.0);
    let [endpoint] = &*estimate.endpoints else { panic!("one endpoint was recorded") };
    assert!(endpoint.timed_out_share > 1.0 - 1e-9);
    assert!(endpoint.response.split.is_none() && endpoint.response.monolith.is_some());
}

#[test]
fn calls_have_the_same_price_without_a_simulation() {
    let prices = price_calls(&recording(), &calibration(2e6), &split()).expect("there are requests");
    assert_eq!(prices, CallPrices::of(&estimated(2e6)));
    let call = &prices.calls[0];
    let price = prices.of_call(&call.callee_service, &call.callee).expect("a call was priced");
    assert!(0.0 < price.fixed_ms && price.fixed_ms <= price.added_ms, "{price:?}");
    assert_eq!(prices.of_call(&call.caller_service, &call.callee), None);
}

#[test]
fn a_prediction_stops_when_it_is_told_to() {
    let (recording, calibration) = (recording(), calibration(0.0));
    let server = FittedServer::fit(&recording, 2, 1).expect("there are requests");
    let split = split();
    let scenario = scenario((&recording, &server), (&split, &calibration));
    let mut steps = 0;
    let stopped = estimate(&scenario, &mut |_| {
        steps += 1;
        ControlFlow::Break(())
    });
    assert_eq!((stopped, steps), (Err(Error::Stopped), 1));
}

#[test]
fn the_monolith_saturates_where_its_threads_do() {
    let saturation = |processes, threads| {
        let estimate = estimated_of(&waiting(processes, threads), 0.0);
        estimate.figures.monolith.saturation_reqs_per_sec.unwrap().value
    };
    for (processes, threads) in [(1, 1), (1, 4), (3, 1)] {
        let bound = f64::from(processes * threads) / 0.020;
        let found = saturation(processes, Limit::Configured(threads));
        assert!((0.97..=1.01).contains(&(found / bound)), "{found} of {bound}");
    }
    let unlimited = saturation(1, Limit::Unlimited);
    assert!(unlimited > 350.0, "eight requests in flight: {unlimited}");
}

#[test]
fn equal_seeds_give_equal_estimates() {
    assert_eq!(estimated(1e5), estimated(1e5));
}

#[test]
fn dearer_crossings_cost_more() {
    let (cheap, dear) = (estimated(1e4), estimated(1e6));
    let p50 = |e: &Estimate| e.endpoints[0].response.split.as_ref().map_or(0.0, |times| times.p50_ms.value);
    assert!(p50(&dear) > p50(&cheap) + 4.0 * 2.0 * 0.9, "{} and {}", p50(&dear), p50(&cheap));
    let counts =
        |e: &EstimatedEndpoint| [e.crossings_per_request, e.blocking_crossings_per_request, e.bytes_per_request];
    assert_eq!(format!("{:?}", counts(&cheap.endpoints[0])), "[4.0, 2.0, 1600.0]");
    assert!(cheap.endpoints[0].split_if_async.is_some());
}

/// Lone requests without the recorder took three quarters of the time: so does the prediction.
#[test]
fn what_the_recorder_costs_is_taken_off() {
    let mut recording = recording();
    let share = 0.75;
    let mut walls: Vec<u64> = recording.requests.iter().map(|r| r.wall.as_nanos()).collect();
    walls.sort_unstable();
    // What it took beside that was part of the response, and of no recorded time.
    let left_out = 7 * MILLI;
    recording.requests.iter_mut().for_each(|request| request.left_out = Nanos::from_nanos(left_out));
    let lone = &mut recording.meta.phases[0];
    let (median, cpu) = (walls[walls.len() / 2], lone.app_cpu_nanos);
    lone.endpoints[0].response_nanos_p50 = median + left_out;
    let saved = (median / 12 * 10) as f64 * (1.0 - share);
    let bare_cpu = cpu - (recording.requests.iter().map(|r| r.process_cpu.as_nanos_f64()).sum::<f64>() * 0.25) as u64;
    let mut bare = Phase { bare: true, app_cpu_nanos: bare_cpu, ..lone.clone() };
    bare.endpoints[0].response_nanos_p50 -= left_out + saved as u64;
    recording.meta.phases.push(bare);
    let cpu_secs = |e: &Estimate| e.figures.monolith.cpu_secs_per_request.map_or(0.0, |i| i.value);
    let (with, without) = (cpu_secs(&estimated(1e4)), cpu_secs(&estimated_of(&recording, 1e4)));
    let expected = bare_cpu as f64 / cpu as f64;
    assert!((without / with / expected - 1.0).abs() < 0.02, "{without} of {with} is not {expected}");
}

/// The recording, in which every call of `c:log` carries a live resource.
fn with_live_calls() -> Recording {
    let mut recording = recording();
    for request in &mut recording.requests {
        let path = "arguments.lock (_thread.lock)".to_owned();
        let obstacles = vec![Obstacle { class: PayloadClass::Live, path: path.clone() }];
        for call in [3, 5] {
            let live =
                Payload { class: PayloadClass::Live, path: path.clone(), obstacles: obstacles.clone(), ..payload() };
            request.calls[call].arguments = Some(live);
        }
    }
    recording
}

#[test]
fn what_cannot_cross_is_priced_as_rewritten_and_stays_as_rehearsed() {
    let recording = with_live_calls();
    assert!(alone(&recording, &split(), 3).cpu_nanos[3] > 0);
    assert_eq!(alone_as(&recording, &split(), 3, Execution::Rehearsed).cpu_nanos[3], 0);

    let estimate = estimated_as(&recording, &split(), 1e5);
    let [listed] = estimate.cannot_cross.as_slice() else { panic!("{:?}", estimate.cannot_cross) };
    assert_eq!(
        (listed.callee.as_str(), listed.calls_per_request, listed.readiness),
        ("c:log", 2.0, Readiness::Rewrite)
    );
    assert_eq!(listed.reason, "arguments.lock (_thread.lock) is a live resource");
    let evidence = estimate.evidence;
    let evidence = [evidence.calls_per_request, evidence.measured_per_request, evidence.rehearsed_per_request];
    assert_eq!(format!("{evidence:?}"), "[4.0, 2.0, 2.0]");
    let rehearsed = estimate.as_rehearsed.as_ref().expect("it differs");
    let crossings = |endpoints: &[EstimatedEndpoint]| endpoints[0].crossings_per_request;
    let crossings = [crossings(&estimate.endpoints), crossings(&rehearsed.endpoints)];
    assert_eq!(format!("{crossings:?}"), "[4.0, 2.0]");
    assert!(estimated(1e5).as_rehearsed.is_none(), "every call is ready");
}

#[test]
fn calls_are_counted_as_they_are_compiled() {
    let recording = with_live_calls();
    let count = |execution| {
        let counted = count_calls(&recording, &split(), execution, recording.requests.iter());
        assert_eq!(counted.requests["GET /a"], 200);
        counted
            .calls
            .iter()
            .map(|(site, calls)| format!("{} → {}: {calls}", site.caller, site.callee))
            .collect::<Vec<_>>()
    };
    assert_eq!(count(Execution::Rewritten), ["a → b:quote: 400", "b → c:log: 400"]);
    assert_eq!(count(Execution::Rehearsed), ["a → b:quote: 400"]);
}

/// `a` calls the plain `c:log` on its event loop, which calls `a:kind` back.
#[test]
fn a_call_back_into_a_blocked_loop_is_named_with_its_path() {
    let mut recording = recording();
    recording.functions.push(Function { module: 1, qualname: "kind".into(), ..Function::default() });
    for request in &mut recording.requests {
        request.calls.truncate(4);
        request.calls[2] = Call { function: 3, ..request.calls[2].clone() };
        request.calls[3] = Call { function: 4, ..request.calls[3].clone() };
    }
    let estimate = estimated_as(&recording, &split(), 1e5);
    let [call_back] = estimate.call_backs.as_slice() else { panic!("{:?}", estimate.call_backs) };
    let hops: Vec<String> =
        call_back.path.iter().map(|h| format!("{} → {} {}", h.caller_service, h.callee_service, h.callee)).collect();
    assert_eq!(hops, ["main → c c:log", "c → main a:kind"]);
    assert!(estimate.figures.split.saturation_reqs_per_sec.is_some_and(|saturation| saturation.value > 0.0));
    let mut split = split();
    split.copied = Some(vec!["a".to_owned()]);
    assert_eq!(estimated_as(&recording, &split, 1e5).call_backs, []);
}

/// Some requests call the plain `c:log` from `a`'s event loop, others the plain `a:kind` from `c`'s.
#[test]
fn requests_that_wait_for_each_other_are_named_and_have_no_figures() {
    let mut recording = recording();
    recording.functions.push(Function { module: 1, qualname: "kind".into(), ..Function::default() });
    recording.functions.push(Function {
        module: 3,
        qualname: "report".into(),
        kind: FunctionKind::Coroutine,
        ..Function::default()
    });
    for (nth, request) in recording.requests.iter_mut().enumerate() {
        if nth % 2 == 0 {
            request.calls.truncate(3);
            request.calls[2].function = 3;
        } else {
            request.calls.truncate(4);
            request.calls[2].function = 5;
            request.calls[3].function = 4;
        }
    }
    let estimate = estimated_as(&recording, &split(), 1e5);
    let hops: Vec<String> = estimate
        .circular_wait
        .iter()
        .map(|h| format!("{} → {} {}", h.caller_service, h.callee_service, h.callee))
        .collect();
    assert_eq!(hops, ["main → c c:log", "c → main a:kind"]);
    assert_eq!(estimate.figures.split, Figures::default());
    assert!(estimate.figures.monolith.saturation_reqs_per_sec.is_some_and(|saturation| saturation.value > 0.0));
    assert!(estimate.endpoints.iter().all(|endpoint| endpoint.response.split.is_none()));
    let mut split = split();
    split.copied = Some(vec!["a".to_owned()]);
    assert_eq!(estimated_as(&recording, &split, 1e5).circular_wait, []);
}

/// `a` reads a table of `b`.
#[test]
fn a_statement_on_a_foreign_table_is_a_call_only_with_a_database_for_each_service() {
    let mut recording = recording();
    recording.mapped_tables.insert("stock".into(), "b".into());
    let kind = StatementKind::Select;
    recording.statement_texts = vec![StatementText { kind, reads: vec!["stock".into()], ..StatementText::default() }];
    for request in &mut recording.requests {
        request.statements = vec![Statement { call: 1, row_bytes: 300, parameter_bytes: 20, ..Statement::default() }];
    }
    let calls = |database| {
        let split = Split { database, ..split() };
        let estimate = estimated_as(&recording, &split, 1e5);
        let of_tables = estimate.calls.iter().find(|call| call.callee == "select on stock");
        of_tables.map(|call| format!("{} → {}: {}", call.caller, call.callee_service, call.bytes_per_call))
    };
    assert_eq!(calls(Database::Shared), None);
    assert_eq!(calls(Database::PerService), Some("a → b: 320".to_owned()));
}

/// `a` calls `b` twice; all of it executes statements of one transaction.
#[test]
fn a_call_that_writes_in_a_transaction_of_others_would_commit_its_own() {
    let kinds = [StatementKind::Select, StatementKind::Update];
    let calls = |transactions: [Option<u32>; 2]| {
        let mut recording = recording();
        recording.statement_texts = kinds.map(|kind| StatementText { kind, ..StatementText::default() }).to_vec();
        for request in &mut recording.requests {
            let of = |(call, transaction)| Statement { call, text: call - 1, transaction, ..Statement::default() };
            request.statements = [1, 2].into_iter().zip(transactions).map(of).collect();
        }
        let found = estimated_as(&recording, &split(), 1e5).transactions;
        assert_eq!(estimated_as(&recording, &Split::default(), 1e5).transactions, []);
        found.into_iter().map(|two| format!("{} {} {}", two.caller, two.callee, two.calls_per_request)).collect()
    };
    let of_one: Vec<String> = calls([Some(0), Some(0)]);
    assert_eq!(of_one, ["a b:quote 1"]);
    assert_eq!(calls([Some(0), Some(1)]), Vec::<String>::new());
    assert_eq!(calls([None, None]), Vec::<String>::new());
}

/// A request gets a connection in `a` and commits there; `a`, and the first of two calls of `b`, execute statements.
#[test]
fn a_call_that_uses_the_database_gets_a_connection_of_its_own_and_commits_what_it_writes() {
    // Returns what the split adds to response times, and to the CPU time of `b` per request.
    let added = |kinds: [StatementKind; 2], of: &[ConnectionWorkKind]| {
        let mut recording = recording();
        recording.statement_texts = kinds.map(|kind| StatementText { kind, ..StatementText::default() }).to_vec();
        let [free, monolith] = [(split(), 3), (Split::default(), 1)].map(|(split, n)| alone(&recording, &split, n));
        for request in &mut recording.requests {
            request.statements = [(1, 0), (2, 1)]
                .map(|(call, text)| Statement { call, text, transaction: Some(0), ..Statement::default() })
                .to_vec();
            let [wall, cpu] = [100, 60].map(Nanos::from_micros);
            let works = of.iter().map(|&kind| ConnectionWork { call: 1, kind, wall, cpu, ..ConnectionWork::default() });
            request.connection_work = works.collect();
        }
        assert_eq!(alone(&recording, &Split::default(), 1), monolith, "the monolith has recorded it all");
        let split = alone(&recording, &split(), 3);
        let mut added = split.responses.iter().zip(&free.responses).map(|(a, b)| a.1 - b.1);
        let first = added.next().unwrap();
        assert!(added.all(|nanos| nanos == first));
        [first / 1_000, (split.cpu_nanos[2] - free.cpu_nanos[2]) / 500_000]
    };
    let [read, write] = [StatementKind::Select, StatementKind::Update];
    let [used, commit] = ConnectionWorkKind::ALL;
    assert_eq!(added([read, read], &[]), [0, 0], "connections that the app keeps");
    assert_eq!(added([read, read], &[used]), [100, 60]);
    assert_eq!(added([read, read], &[used, commit]), [100, 60], "nothing was written in `b`");
    assert_eq!(added([write, write], &[used, commit]), [200, 120]);
    assert_eq!(added([read, write], &[used, commit]), [100, 60], "the commit is of `b` alone");
}
