//! Records to call trees.

use std::fmt::Write;

use proptest::prelude::*;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::limit::{Limit, ServerLimits};
use splitcost_model::recording::{Meta, Phase, Recording};
use splitcost_recording::assemble::{Assembler, assemble, merge};
use splitcost_recording::log::ViaCode::{self, Inline, Task, Thread};
use splitcost_recording::log::{ConnectionWorkCode, FunctionKindCode, LimitCode, PayloadClassCode, Record};
use splitcost_recording::store;
use splitcost_recording::tree::own_cpu;

use crate::script::{ORDERS, PRICING, ROOT, STOCK, Script};

/// One line per call: its function, parent, way, exception and stretches.
fn outline(recording: &Recording) -> String {
    let mut out = String::new();
    for request in &recording.requests {
        let (start, wall, cpu) = (request.start.as_nanos(), request.wall.as_nanos(), request.process_cpu.as_nanos());
        writeln!(out, "{} {} {start}+{wall} cpu {cpu}", request.endpoint, request.status).unwrap();
        for (index, call) in request.calls.iter().enumerate() {
            let name = &recording.functions[call.function as usize].qualname;
            write!(out, "  {index} {name} of {} {:?} thread {}", call.parent, call.via, call.thread).unwrap();
            for segment in &call.segments {
                let (from, to) = (segment.start.as_nanos(), (segment.start + segment.wall).as_nanos());
                let cpu = segment.cpu.as_nanos();
                write!(out, " {from}–{to} {}", if segment.suspended { "away".into() } else { format!("cpu {cpu}") })
                    .unwrap();
            }
            writeln!(out, "{}", call.exception.as_deref().map(|e| format!(" {e}")).unwrap_or_default()).unwrap();
        }
    }
    for trouble in &recording.meta.troubles {
        writeln!(out, "trouble: {trouble}").unwrap();
    }
    store::check(recording).unwrap();
    out
}

fn assembled(script: Script) -> String {
    outline(&assemble(script.records))
}

#[test]
fn processes_agree_about_handlers_and_servers() {
    let process = |shift: u32, server: &str| {
        Script::shop(shift)
            .server(server)
            .start(1, u64::from(shift) + 100)
            .enter((1, 0, 1), shift + ROOT, Inline, (100, 0))
            .enter((2, 1, 1), shift + PRICING, Inline, (101, 0))
            .leave(2, (102, 1))
            .leave(1, (103, 1))
            .end(1, 104, 200, "GET /orders")
            .handled_by(shift + ORDERS)
    };
    let parts = [process(0, "uvicorn"), process(20, "celery"), process(40, "uvicorn")];
    let merged = merge(Meta::default(), parts.into_iter().map(|script| assemble(script.records)).collect());
    store::check(&merged).unwrap();
    assert_eq!(merged.meta.servers, ["celery", "uvicorn"]);
    let handlers = merged.handler_modules();
    let names: Vec<_> = handlers.iter().map(|(name, module)| (*name, &*merged.modules[*module as usize])).collect();
    assert_eq!(names, [("GET /orders", "shop.orders")]);
}

/// A server's own number counts; else the most requests at once, and the processes that took some.
#[test]
fn limits_are_what_the_server_says_or_what_was_seen() {
    const WSGI: u32 = 90;
    let process = |limits: &[(LimitCode, u32)]| {
        let mut script = Script::shop(0).server("gunicorn");
        let qualname = "(wsgi)".to_owned();
        let (id, file, kind) = (WSGI, String::new(), FunctionKindCode::Plain);
        script.records.push(Record::Function {
            id,
            module: 0,
            qualname,
            file,
            line: 0,
            kind,
            is_unnamed: false,
            is_made: false,
        });
        script.records.extend(limits.iter().map(|&(limit, count)| Record::Limit { limit, count }));
        // Three requests, of which the second ends as the third begins.
        let starts = [(1, 10), (2, 12), (3, 20)];
        let opened = starts
            .into_iter()
            .fold(script, |script, (id, at)| script.start(id, at).enter((id, 0, id), WSGI, Inline, (at, 0)));
        let ends = [(2, 20), (3, 25), (1, 30)];
        ends.into_iter().fold(opened, |script, (id, at)| script.leave(id, (at, 1)).end(id, at, 200, "GET /"))
    };
    let meta = || Meta { phases: vec![Phase { end_nanos: 50, ..Phase::default() }], ..Meta::default() };
    let check = |parts: &[&[(LimitCode, u32)]], expected: (Limit, Limit, Limit)| {
        let parts = parts.iter().map(|limits| assemble(process(limits).records)).collect();
        let ServerLimits { processes, server_threads, pool_threads } = merge(meta(), parts).meta.limits;
        assert_eq!((processes, server_threads, pool_threads), expected);
    };
    let [processes, server, pool] = [LimitCode::Processes, LimitCode::ServerThreads, LimitCode::PoolThreads];
    check(&[&[], &[]], (Limit::Observed(2), Limit::Observed(2), Limit::Unknown));
    check(&[&[(server, 1), (server, 4)]], (Limit::Observed(1), Limit::Configured(4), Limit::Unknown));
    check(
        &[&[(processes, 3), (pool, 40)], &[(processes, 3), (pool, 47)]],
        (Limit::Configured(3), Limit::Observed(2), Limit::Configured(47)),
    );
    check(&[&[(server, Record::UNLIMITED)]], (Limit::Observed(1), Limit::Unlimited, Limit::Unknown));
}

#[test]
fn a_call_that_only_runs_servers_is_no_request() {
    let script = Script::shop(0)
        .start(1, 100)
        .enter((1, 0, 1), ORDERS, Inline, (100, 0))
        .end(1, 110, 0, "")
        .start(2, 110)
        .enter((2, 0, 2), ROOT, Inline, (110, 1))
        .leave(2, (120, 2))
        .end(2, 120, 200, "GET /orders")
        .enter((3, 1, 1), STOCK, Inline, (130, 3));
    insta::assert_snapshot!(assembled(script), @"
    GET /orders 200 110+10 cpu 5
      0 request of 0 Inline thread 0 110–120 cpu 1
    ");
}

#[test]
fn inline_calls_nest() {
    let script = Script::shop(0)
        .start(1, 100)
        .enter((1, 0, 1), ROOT, Inline, (100, 1000))
        .enter((2, 1, 1), ORDERS, Inline, (110, 1008))
        .enter((3, 2, 1), STOCK, Inline, (120, 1015))
        .raise(3, (150, 1035), "OutOfStock")
        .leave(2, (170, 1050))
        .leave(1, (200, 1075))
        .end(1, 205, 409, "POST /orders");
    insta::assert_snapshot!(assembled(script), @"
    POST /orders 409 100+105 cpu 52
      0 request of 0 Inline thread 0 100–200 cpu 75
      1 create of 0 Inline thread 0 110–170 cpu 42
      2 reserve of 1 Inline thread 0 120–150 cpu 20 OutOfStock
    ");
}

#[test]
fn gathered_tasks_overlap_and_awaiting_is_not_working() {
    let script = Script::shop(0)
        .start(1, 0)
        .enter((1, 0, 1), ROOT, Inline, (0, 0))
        .enter((2, 1, 1), ORDERS, Inline, (10, 5))
        .suspend(2, (20, 10))
        .suspend(1, (21, 11))
        .enter((3, 2, 1), PRICING, Task, (30, 12))
        .suspend(3, (40, 20))
        .enter((4, 2, 1), PRICING, Task, (41, 21))
        .suspend(4, (50, 30))
        .resume(4, (60, 31))
        .leave(4, (70, 40))
        .resume(3, (71, 41))
        .leave(3, (80, 50))
        .resume(1, (81, 51))
        .resume(2, (82, 52))
        .leave(2, (90, 58))
        .leave(1, (100, 60))
        .end(1, 100, 201, "POST /orders");
    insta::assert_snapshot!(assembled(script), @"
    POST /orders 201 0+100 cpu 50
      0 request of 0 Inline thread 0 0–21 cpu 11 21–81 away 81–100 cpu 9
      1 create of 0 Inline thread 0 10–20 cpu 5 20–82 away 82–90 cpu 6
      2 quote of 1 Task thread 0 30–40 cpu 8 40–71 away 71–80 cpu 9
      3 quote of 1 Task thread 0 41–50 cpu 9 50–60 away 60–70 cpu 9
    ");
}

#[test]
fn a_thread_has_a_cpu_clock_of_its_own() {
    let script = Script::shop(0)
        .start(1, 0)
        .enter((1, 0, 1), ROOT, Inline, (0, 500))
        .suspend(1, (10, 508))
        .enter((2, 1, 1), STOCK, Thread, (12, 3))
        .leave(2, (40, 23))
        .resume(1, (45, 509))
        .leave(1, (50, 512))
        .end(1, 50, 200, "GET /stock");
    insta::assert_snapshot!(assembled(script), @"
    GET /stock 200 0+50 cpu 25
      0 request of 0 Inline thread 0 0–10 cpu 8 10–45 away 45–50 cpu 3
      1 reserve of 0 Thread thread 1 12–40 cpu 20
    ");
}

#[test]
fn a_killed_process_leaves_its_whole_requests() {
    let script = Script::shop(0).request(1, 0).start(2, 200).enter((20, 0, 2), ROOT, Inline, (200, 100)).enter(
        (21, 20, 2),
        ORDERS,
        Inline,
        (210, 110),
    );
    insta::assert_snapshot!(assembled(script), @"
    POST /orders 200 0+100 cpu 50
      0 request of 0 Inline thread 0 0–100 cpu 50
      1 create of 0 Inline thread 0 10–60 cpu 30
    trouble: requests left out, not ended when recording stopped: 1
    ");
}

#[test]
fn a_task_may_outlive_its_request() {
    let script = Script::shop(0)
        .start(1, 0)
        .enter((1, 0, 1), ROOT, Inline, (0, 0))
        .leave(1, (50, 40))
        .end(1, 50, 200, "POST /orders")
        .enter((2, 1, 1), PRICING, Task, (60, 45))
        .leave(2, (90, 70));
    insta::assert_snapshot!(assembled(script), @"
    POST /orders 200 0+50 cpu 25
      0 request of 0 Inline thread 0 0–50 cpu 40
      1 quote of 0 Task thread 0 60–90 cpu 25
    ");
}

#[test]
fn what_belongs_nowhere_is_counted() {
    let script = Script::shop(0)
        // Outside every request.
        .enter((1, 0, 0), STOCK, Inline, (0, 0))
        .leave(1, (5, 5))
        .start(1, 10)
        .enter((2, 0, 1), ROOT, Inline, (10, 10))
        // A generator that was closed early, and a caller outside the request.
        .enter((3, 1, 1), PRICING, Inline, (12, 12))
        .suspend(3, (20, 20))
        .leave(2, (30, 30))
        // Left already.
        .leave(2, (31, 31))
        .end(1, 30, 200, "GET /stock")
        // A function the log does not define.
        .start(2, 40)
        .enter((4, 0, 2), ROOT, Inline, (40, 40))
        .enter((5, 4, 2), 99, Inline, (41, 41))
        .leave(5, (42, 42))
        .leave(4, (43, 43))
        .end(2, 43, 200, "GET /stock");
    insta::assert_snapshot!(assembled(script), @"
    GET /stock 200 10+20 cpu 10
      0 request of 0 Inline thread 0 10–30 cpu 20
      1 quote of 0 Inline thread 0 12–20 cpu 8
    trouble: requests left out, their root or a called function missing in the log: 1
    trouble: calls suspended and never resumed, taken to end where they last ran: 1
    trouble: calls without a known caller in their request, put below its root: 1
    trouble: events ignored, not fitting the state of their call: 1
    ");
}

/// A task that never ends, and that was begun before the first request: whether the recorder knew it for no request or not.
#[test]
fn calls_of_an_endless_task_are_counted_as_outside_of_requests() {
    let task = || {
        Script::shop(0)
            .start(1, 0)
            .enter((1, 0, 1), ORDERS, Inline, (0, 0))
            .enter((2, 1, 1), PRICING, Inline, (10, 5))
            .leave(2, (20, 10))
    };
    let check = |script: Script| {
        let parts = vec![assemble(script.request(2, 100).records), assemble(Script::shop(0).records)];
        let recording = merge(Meta::default(), parts);
        store::check(&recording).unwrap();
        let outside: Vec<u64> = recording.functions.iter().map(|function| function.calls_outside).collect();
        assert_eq!((outside, recording.requests.len()), (vec![0, 1, 1, 0], 1));
        assert!(recording.meta.troubles.is_empty(), "{:?}", recording.meta.troubles);
    };
    check(task());
    check(task().end(1, 20, 0, ""));
    // A call whose request is not known.
    let recording = assemble(Script::shop(0).enter((1, 0, 0), STOCK, Inline, (0, 0)).leave(1, (5, 5)).records);
    assert_eq!(recording.functions.iter().map(|f| f.calls_outside).collect::<Vec<_>>(), [0, 0, 0, 1]);
}

#[test]
fn a_command_that_ends_inside_its_function_ends_with_its_process() {
    let script = || {
        Script::shop(0)
            .start(1, 0)
            .enter((1, 0, 1), ORDERS, Inline, (0, 0))
            .enter((2, 1, 1), PRICING, Inline, (10, 5))
            .leave(2, (30, 20))
            .enter((3, 1, 1), PRICING, Inline, (40, 25))
    };
    let mut command = Assembler::of_command();
    script().records.into_iter().for_each(|record| command.push(record));
    let recording = command.finish();
    store::check(&recording).unwrap();
    let request = &recording.requests[0];
    assert_eq!(
        (request.endpoint.as_str(), request.wall, request.calls.len()),
        ("shop.orders:create", Nanos::from_nanos(40), 3)
    );
    // An app that is driven by requests may run such a function for ever.
    assert_eq!(assemble(script().records).requests.len(), 0);
}

#[test]
fn counts_are_exact_and_never_below_what_was_entered() {
    let mut script = Script::shop(0).request(1, 0);
    for calls in [3, 8] {
        script.records.push(Record::Count { function: ORDERS, calls });
    }
    let recording = assemble(script.records);
    let calls: Vec<u64> = recording.functions.iter().map(|f| f.calls).collect();
    assert_eq!(calls, [1, 8, 0, 0]);
}

#[test]
fn processes_are_merged_by_name_and_requests_fall_into_phases() {
    let second = Script {
        records: Script::shop(5)
            .start(1, 50)
            .enter((1, 0, 1), ROOT + 5, Inline, (50, 0))
            .enter((2, 1, 1), ORDERS + 5, Inline, (51, 1))
            .payload(2, false, PayloadClassCode::Adapter, 40, 6)
            .leave(2, (52, 2))
            .leave(1, (60, 3))
            .end(1, 60, 200, "POST /orders")
            .records,
    };
    let parts = [Script::shop(0).request(1, 0).request(2, 200), second];
    let parts = parts.map(|script| assemble(script.records)).to_vec();
    let phase = |start_nanos, end_nanos| Phase { start_nanos, end_nanos, ..Phase::default() };
    let merged = merge(Meta { phases: vec![phase(0, 50), phase(50, 200)], ..Meta::default() }, parts);
    store::check(&merged).unwrap();
    assert_eq!(merged.modules, ["(framework)", "shop.orders", "shop.pricing", "shop.inventory"]);
    assert_eq!(merged.functions.iter().map(|f| f.calls).collect::<Vec<_>>(), [3, 3, 0, 0]);
    assert_eq!(merged.shapes.len(), 1);
    let placed: Vec<_> = merged.requests.iter().map(|r| (r.start.as_nanos(), r.phase)).collect();
    assert_eq!(placed, [(0, Some(0)), (50, Some(1)), (200, None)]);
    assert_eq!(merged.meta.python_version, "3.13.0");
    assert_eq!(merged.requests[1].calls[1].arguments.as_ref().unwrap().encoded_bytes, 40);
}

/// A random tree of inline calls on one thread, as (records, calls entered).
fn inline_tree() -> impl Strategy<Value = Vec<Record>> {
    // Each step enters a call, leaves the innermost, or suspends and resumes all of them, innermost first.
    proptest::collection::vec((0_u8..3, 1_u64..50, 1_u64..50), 0..60).prop_map(|steps| {
        let (mut wall, mut cpu, mut next) = (1_000, 0, 2);
        let mut script = Script::shop(0).start(1, wall).enter((1, 0, 1), ROOT, Inline, (wall, cpu));
        let mut stack = vec![1];
        for (what, on, off) in steps {
            wall += on + off;
            cpu += on;
            match what {
                0 => {
                    script = script.enter((next, stack[stack.len() - 1], 1), ORDERS, Inline, (wall, cpu));
                    stack.push(next);
                    next += 1;
                }
                1 if stack.len() > 1 => {
                    script = script.leave(stack[stack.len() - 1], (wall, cpu));
                    stack.pop();
                }
                _ => {
                    for &call in stack.iter().rev() {
                        script = script.suspend(call, (wall, cpu));
                    }
                    wall += off;
                    cpu += on;
                    for &call in &stack {
                        script = script.resume(call, (wall, cpu));
                    }
                }
            }
        }
        while let Some(call) = stack.pop() {
            wall += 1;
            script = script.leave(call, (wall, cpu));
        }
        script.end(1, wall, 200, "GET /").records
    })
}

proptest! {
    #[test]
    fn own_times_of_inline_calls_sum_up_to_the_root(records in inline_tree()) {
        let entered = records.iter().filter(|r| matches!(r, Record::Enter { .. })).count();
        let recording = assemble(records);
        store::check(&recording).unwrap();
        prop_assert!(recording.meta.troubles.is_empty());
        let request = &recording.requests[0];
        prop_assert_eq!(request.calls.len(), entered);
        let own: u64 = own_cpu(request).iter().map(|own| own.as_nanos()).sum();
        prop_assert_eq!(own, request.calls[0].cpu().as_nanos());
        prop_assert_eq!(request.calls[0].wall(), request.wall);
    }

    /// Whatever a damaged or hostile log says, what is made of it is a recording that can be stored.
    #[test]
    fn any_records_give_a_sound_recording(records in proptest::collection::vec(any_record(), 0..200)) {
        let all = Script::shop(0).records.into_iter().chain(records);
        let recording = assemble(all);
        prop_assert_eq!(store::check(&recording), Ok(()));
        prop_assert_eq!(store::check(&merge(Meta::default(), vec![recording.clone(), recording])), Ok(()));
    }
}

fn of<T: Copy>(all: &[T], index: u8) -> T {
    all[usize::from(index) % all.len()]
}

fn any_record() -> impl Strategy<Value = Record> {
    let id = 0_u64..6;
    let clock = prop_oneof![4 => 0_u64..1_000, 1 => any::<u64>()];
    (0_u8..9, id.clone(), id.clone(), 0_u64..3, clock.clone(), clock, 0_u32..6, 0_u8..3).prop_map(
        |(what, call, parent, request, wall, cpu, function, via)| match what {
            0 => Record::RequestStart { request, wall, process_cpu: cpu, left_out: cpu },
            1 => Record::RequestEnd {
                request,
                wall,
                process_cpu: cpu,
                left_out: wall,
                status: 200,
                handler: None,
                endpoint: "GET /".into(),
            },
            2 => Record::Enter { call, parent, request, function, via: of(ViaCode::ALL, via), thread: 0, wall, cpu },
            3 => Record::Suspend { call, wall, cpu },
            4 => Record::Resume { call, thread: 0, wall, cpu },
            8 => Record::Connection { call, kind: ConnectionWorkCode::Use, wall, nanos: cpu, cpu },
            5 => Record::Function {
                id: function,
                module: function,
                qualname: "f".into(),
                file: String::new(),
                line: 1,
                kind: of(FunctionKindCode::ALL, via),
                is_unnamed: via == 0,
                is_made: via == 1,
            },
            6 => Record::Module { id: function, name: format!("m{via}") },
            _ => Record::Leave { call, wall, cpu, exception: String::new() },
        },
    )
}
