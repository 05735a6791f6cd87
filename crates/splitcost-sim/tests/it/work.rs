//! All recorded work of an app runs somewhere, and the estimate says where.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;
use splitcost_model::boundary::{Execution, Local};
use splitcost_model::estimate::Estimate;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::statement::Statement;
use splitcost_model::recording::{
    Call, Function, FunctionKind, Obstacle, Payload, PayloadClass, Receiver, ReceiverKind, Recording, Request, Segment,
};
use splitcost_model::split::Split;
use splitcost_sim::compile::{CallForm, Compiler, FunctionWork};
use splitcost_sim::demand::demand;
use splitcost_sim::estimate::{FittedServer, Scenario, estimate};

use crate::monolith::calibration;

const MICRO: u64 = 1_000;

/// A call that computes for so many microseconds by itself, and makes other calls after that.
#[derive(Clone, Debug)]
struct Node {
    function: u32,
    own_micros: u64,
    statements: u64,
    callees: Vec<Node>,
}

fn node() -> impl Strategy<Value = Node> {
    let facts = || (1_u32..7, 1_u64..500, 0_u64..3);
    let node = |((function, own_micros, statements), callees)| Node { function, own_micros, statements, callees };
    let leaf = facts().prop_map(move |facts| node((facts, Vec::new())));
    leaf.prop_recursive(4, 24, 3, move |inner| (facts(), prop::collection::vec(inner, 0..3)).prop_map(node))
}

/// Adds a call and those below it, from `start` on; returns the time at which it ends.
fn add(request: &mut Request, node: &Node, parent: u32, start: u64) -> u64 {
    let index = request.calls.len() as u32;
    let receiver = (node.function == 4).then(|| Receiver { kind: ReceiverKind::Value, ..Receiver::default() });
    request.calls.push(Call {
        function: node.function,
        parent,
        arguments: Some(Payload { receiver, ..Payload::default() }),
        result: Some(Payload::default()),
        ..Call::default()
    });
    let statement = Statement { call: index, ..Statement::default() };
    request.statements.extend((0..node.statements).map(|_| statement.clone()));
    let mut end = start + node.own_micros * MICRO;
    for callee in &node.callees {
        end = add(request, callee, index, end);
    }
    request.calls[index as usize].segments = vec![Segment {
        start: Nanos::from_nanos(start),
        wall: Nanos::from_nanos(end - start),
        cpu: Nanos::from_nanos(end - start),
        suspended: false,
    }];
    end
}

/// A recording of one endpoint: modules `a`, `b`, `c`, each with two functions; `b` has a method of a value, and `c` a
/// nested function.
fn recording(requests: &[Node]) -> Recording {
    let names = ["(framework)", "a", "b", "c"];
    let function = |module, qualname: &str| Function { module, qualname: qualname.into(), ..Function::default() };
    let of = |(index, node): (usize, &Node)| {
        let start = index as u64 * 1_000_000 * MICRO;
        let mut request = Request {
            endpoint: "GET /a".into(),
            status: 200,
            handler: Some(1),
            start: Nanos::from_nanos(start),
            ..Request::default()
        };
        let root = Node { function: 0, own_micros: 10, statements: 0, callees: vec![node.clone()] };
        let end = add(&mut request, &root, 0, start);
        request.wall = Nanos::from_nanos(end - start);
        request.process_cpu = request.wall;
        request
    };
    Recording {
        modules: names.map(str::to_owned).to_vec(),
        functions: vec![
            function(0, "(wsgi)"),
            function(1, "view"),
            function(1, "helper"),
            function(2, "quote"),
            function(2, "Row.total"),
            function(3, "load"),
            function(3, "load.<locals>.each"),
        ],
        shapes: vec!["{}".into()],
        requests: requests.iter().enumerate().map(of).collect(),
        ..Recording::default()
    }
}

fn split() -> Split {
    let services = ["b", "c"].map(|name| (name.to_owned(), vec![name.to_owned()]));
    Split { name: "abc".into(), services: BTreeMap::from(services), ..Split::default() }
}

/// The recorded work of each function.
fn recorded(node: &Node, sum: &mut BTreeMap<u32, FunctionWork>) {
    let own = FunctionWork { cpu: Nanos::from_nanos(node.own_micros * MICRO), statements: node.statements };
    *sum.entry(node.function).or_default() += own;
    for callee in &node.callees {
        recorded(callee, sum);
    }
}

fn estimated(recording: &Recording, split: &Split) -> Estimate {
    let scenario = Scenario {
        recording,
        server: &FittedServer::fit(recording, 2, 1).expect("there are requests"),
        calibration: &calibration(1e4),
        split,
        host_cores: 2,
        load_reqs_per_sec: Some(10.0),
        concurrency: 2,
        slowness: 1.0,
        seed: 1,
        replications: 1,
    };
    estimate(&scenario, &mut |_| ControlFlow::Continue(())).expect("a sound scenario")
}

proptest! {
    /// Over all services, the work is the recorded work, however the app is split: a call that were laid twice or nowhere,
    /// or whose callees counted for it, would break this.
    #[test]
    fn the_work_of_all_services_is_the_recorded_work(requests in prop::collection::vec(node(), 1..5)) {
        let recording = recording(&requests);
        let demands: Vec<_> = recording.requests.iter().map(|request| demand(&recording, request, false)).collect();
        let requests_with_demands: Vec<_> = recording.requests.iter().zip(&demands).map(|(r, d)| (r, d, 0)).collect();
        let mut expected = BTreeMap::new();
        for node in &requests {
            recorded(node, &mut expected);
        }
        for split in [Split::default(), split()] {
            for execution in [Execution::Rewritten, Execution::Rehearsed] {
                let form = CallForm { execution, awaited: false };
                let compiled =
                    Compiler::new(&recording, &split, &["GET /a".to_owned()], form).compile(&requests_with_demands);
                let mut found: BTreeMap<u32, FunctionWork> = BTreeMap::new();
                for ((function, _), work) in compiled.work {
                    *found.entry(function).or_default() += work;
                }
                found.remove(&0);
                for (function, expected) in &expected {
                    let found = found.get(function).copied().unwrap_or_default();
                    prop_assert_eq!(found.statements, expected.statements);
                    // Shares of a stretch are rounded to nanoseconds.
                    let error = found.cpu.as_nanos().abs_diff(expected.cpu.as_nanos());
                    prop_assert!(error < 1_000, "{:?} is not {:?}", found, expected);
                }
                prop_assert_eq!(found.len(), expected.len());
            }
        }
    }
}

fn leaf(function: u32, own_micros: u64, statements: u64) -> Node {
    Node { function, own_micros, statements, callees: Vec::new() }
}

/// A view that calls `b:quote`, twice a method of a row of `b`, and `c:load`, which calls `b:quote` again.
fn view() -> Node {
    let load = Node { callees: vec![leaf(3, 200, 0)], ..leaf(5, 700, 4) };
    Node { callees: vec![leaf(3, 400, 1), leaf(4, 900, 3), leaf(4, 900, 2), load, leaf(6, 300, 0)], ..leaf(1, 50, 0) }
}

/// A context manager stays where it is: entering it is a message, and exiting it is another. Its work is done once.
#[test]
fn a_context_manager_is_entered_and_exited() {
    let calls_and_work = |class| {
        let mut recording = recording(&[Node { callees: vec![leaf(3, 400, 0)], ..leaf(1, 50, 0) }]);
        recording.functions[3].kind = FunctionKind::Generator;
        recording.requests[0].calls[2].result = Some(Payload { class, ..Payload::default() });
        let estimate = estimated(&recording, &split());
        let calls: Vec<f64> = estimate.calls.iter().map(|call| call.calls_per_request).collect();
        (calls, told(&estimate).remove(0))
    };
    let (entered, work) = calls_and_work(PayloadClass::ContextManager);
    let (iterated, same_work) = calls_and_work(PayloadClass::Generator);
    assert_eq!((entered, iterated), (vec![2.0], vec![1.0]));
    assert_eq!(work, same_work);
}

fn told(estimate: &Estimate) -> Vec<String> {
    let modules = |name: &str| vec![name.to_owned()];
    estimate.work.iter().map(|work| work.in_words(&modules(&work.service))).collect()
}

#[test]
fn methods_of_rows_run_where_the_rows_are() {
    let estimate = estimated(&recording(&[view()]), &split());
    assert_eq!(
        told(&estimate),
        [
            "0.600 of 2.40 ms of CPU and 1 of 6 statements per request of b would run in b; the rest runs elsewhere, most of \
             it in b:Row.total, a method of a value, which runs where the value is",
            "0.700 of 1.00 ms of CPU and 4 of 4 statements per request of c would run in c; the rest runs elsewhere, most of \
             it in c:load.<locals>.each, a nested function, which runs where it is held",
        ]
    );
    let shares: Vec<_> = estimate.work.iter().map(|work| work.share().map(|share| (100.0 * share).round())).collect();
    assert_eq!(shares, [Some(17.0), Some(70.0)]);
    assert_eq!(estimate.work[0].elsewhere.as_ref().and_then(|most| most.reason), Some(Local::ValueMethod));
}

#[test]
fn a_module_that_handles_requests_works_in_its_service() {
    let split = Split { services: BTreeMap::from([("web".to_owned(), vec!["a".to_owned()])]), ..Split::default() };
    let estimate = estimated(&recording(&[view()]), &split);
    assert_eq!(told(&estimate), ["0.0500 of 0.0500 ms of CPU per request of web would run in web"]);
}

#[test]
fn copied_modules_are_no_services_own() {
    let split = Split { copied: Some(vec!["b".to_owned()]), ..split() };
    let work = &estimated(&recording(&[view()]), &split).work;
    assert!(work[0].recorded.is_none() && work[0].share().is_none(), "{work:?}");
    assert_eq!(work[0].in_words(&["b".to_owned()]), "the recording holds no work of b");
}

#[test]
fn methods_of_service_objects_stay_as_rehearsed() {
    let mut recording = recording(&[view()]);
    for call in recording.requests[0].calls.iter_mut().filter(|call| call.function == 4) {
        // It holds what cannot go along.
        let lock = Obstacle { class: PayloadClass::Live, path: ".lock (_thread.lock)".into() };
        let receiver = Some(Receiver { kind: ReceiverKind::Service, obstacles: vec![lock], ..Receiver::default() });
        call.arguments = Some(Payload { receiver, ..Payload::default() });
    }
    let estimate = estimated(&recording, &split());
    let rehearsed = &estimate.as_rehearsed.as_ref().expect("it differs").work[0];
    let cpu = [&estimate.work[0], rehearsed].map(|work| work.in_service.cpu_ms_per_request);
    assert_eq!(cpu.map(|ms| (ms * 10.0).round() as u32), [24, 6]);
}
