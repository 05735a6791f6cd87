//! The prices of findings, on made-up requests.

use splitcost_model::finding::{Basis, Bound, CallStep, Cost, Finding, Location, Price};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Call, Function, Payload, Recording, Request, Segment, Via};
use splitcost_model::split::Prices;
use splitcost_recording::price::price;

const CORE: Prices = Prices { usd_per_vcpu_hour: 0.036 };

fn function(module: u32, qualname: &str, file: &str) -> Function {
    Function { module, qualname: qualname.into(), file: format!("/srv/{file}"), ..Function::default() }
}

/// A call of so many milliseconds, half of them on the CPU, made from this line.
fn call(function: u32, parent: u32, millis: u64, site: Option<(&str, u32)>) -> Call {
    let wall = Nanos::from_micros(millis * 1000);
    let segment = Segment { wall, cpu: Nanos::from_micros(millis * 500), ..Segment::default() };
    let arguments = site.map(|(file, line)| Payload { file: format!("/srv/{file}"), line, ..Payload::default() });
    Call { function, parent, segments: vec![segment], arguments, ..Call::default() }
}

fn request(endpoint: &str, status: u16, calls: Vec<Call>) -> Request {
    Request { endpoint: endpoint.into(), status, calls, ..Request::default() }
}

/// `history` asks for a price three times from line 7 and once from line 9; `GET /` does nothing of the kind.
fn recording() -> Recording {
    let asks = |line| call(2, 1, 4, Some(("shop/orders/service.py", line)));
    let history = vec![call(0, 0, 20, None), call(1, 0, 18, None), asks(7), asks(7), asks(7), asks(9)];
    Recording {
        modules: ["(framework)", "shop.orders", "shop.prices"].map(str::to_owned).to_vec(),
        functions: vec![
            Function::default(),
            function(1, "history", "shop/orders/service.py"),
            function(2, "Prices.price", "shop/prices.py"),
            function(2, "history", "shop/prices.py"),
        ],
        requests: vec![
            request("GET /orders", 200, history.clone()),
            request("GET /", 200, vec![call(0, 0, 1, None)]),
            request("GET /orders", 500, [history.clone(), history].concat()),
        ],
        ..Recording::default()
    }
}

fn step(function: &str, path: &str, line: u32, callee: &str) -> CallStep {
    let location = Location { path: path.into(), line, end_line: line, ..Location::default() };
    CallStep { location, function: function.into(), callee: callee.into() }
}

/// A finding in a function, with the way from there.
fn finding(code: &str, way: Vec<CallStep>) -> Finding {
    let first = way[0].clone();
    let way = if way.len() > 1 { way } else { Vec::new() };
    Finding { code: code.into(), location: first.location, function: first.function, way, ..Finding::default() }
}

fn from_history(code: &str, line: u32) -> Finding {
    let sink = step("shop.prices.Prices.price", "src/shop/prices.py", 3, "sqlite3.Connection.execute");
    let ask = step("shop.orders.service.history", "src/shop/orders/service.py", line, "shop.prices.Prices.price");
    finding(code, vec![ask, sink])
}

fn cost(recording: &Recording, finding: Finding) -> Cost {
    let mut findings = [finding];
    price(&mut findings, recording, &CORE);
    match findings[0].price.clone() {
        Some(Price::Seen(cost)) => cost,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn a_loop_costs_what_the_calls_from_its_line_cost() {
    let cost = cost(&recording(), from_history("SC202", 7));
    assert_eq!((cost.basis, cost.bound), (Basis::CallSite, Bound::Exact));
    assert_eq!((cost.function.as_str(), cost.endpoint.as_str()), ("shop.prices:Prices.price", "GET /orders"));
    // Three quarters of four calls, 4 ms each; half of the two good requests are of that endpoint.
    near(cost.calls_per_request, 3.0);
    near(cost.millis_per_request, 12.0);
    near(cost.overall_calls_per_request, 1.5);
    near(cost.overall_millis_per_request, 6.0);
    // 3 ms of CPU time, a million times: 3,000 s at 0.036 $ an hour.
    near(cost.usd_per_million_requests, 0.03);
}

#[test]
fn a_held_event_loop_costs_the_time_that_it_is_held() {
    let mut recording = recording();
    let cost_held = cost(&recording, from_history("SC102", 7));
    assert!(cost_held.holds_event_loop);
    near(cost_held.usd_per_million_requests, 0.06);
    // What is suspended, or runs in a thread, holds nothing.
    for call in recording.requests[0].calls.iter_mut().skip(2) {
        call.segments.push(Segment { wall: Nanos::from_micros(90_000), suspended: true, ..Segment::default() });
    }
    near(cost(&recording, from_history("SC102", 7)).millis_per_request, 12.0);
    for call in recording.requests[0].calls.iter_mut().skip(2) {
        call.via = Via::Thread;
    }
    assert_eq!(cost(&recording, from_history("SC102", 7)).basis, Basis::Function);
}

#[test]
fn without_a_sampled_call_site_the_caller_decides() {
    let mut recording = recording();
    for call in recording.requests.iter_mut().flat_map(|request| &mut request.calls) {
        call.arguments = None;
    }
    let cost_asked = cost(&recording, from_history("SC202", 7));
    assert_eq!((cost_asked.basis, cost_asked.bound), (Basis::Caller, Bound::Exact));
    near(cost_asked.calls_per_request, 4.0);
    // A helper inside the module is not recorded: its module made the calls.
    let helper = "shop.orders.service.helper";
    let place = "src/shop/orders/service.py";
    let inner = step("shop.orders.service.each", place, 30, "shop.prices.Prices.price");
    let sink = step("shop.prices.Prices.price", "src/shop/prices.py", 3, "sqlite3.Connection.execute");
    let deep = finding("SC202", vec![step(helper, place, 20, "shop.orders.service.each"), inner, sink]);
    let cost_deep = cost(&recording, deep);
    assert_eq!((cost_deep.basis, cost_deep.bound), (Basis::Caller, Bound::AtLeast));
}

#[test]
fn a_function_is_an_upper_bound_and_is_found_by_its_file_too() {
    let here = step("shop.orders.service.history", "src/shop/orders/service.py", 5, "json.dumps");
    let cost = cost(&recording(), finding("SC401", vec![here]));
    assert_eq!((cost.basis, cost.bound), (Basis::Function, Bound::AtMost));
    assert_eq!(cost.function, "shop.orders:history");
    near(cost.millis_per_request, 18.0);
}

#[test]
fn what_was_not_seen_has_no_price_and_comes_last() {
    let at = |function: &str, path: &str| finding("SC401", vec![step(function, path, 5, "json.dumps")]);
    let mut findings = [
        at("shop.users.service.load", "src/shop/users/service.py"),
        at("shop.orders.service.history", "src/shop/orders/service.py"),
        at("shop.orders.service.helper", "src/shop/orders/service.py"),
        from_history("SC202", 88),
        from_history("SC202", 7),
    ];
    price(&mut findings, &recording(), &CORE);
    let text = |finding: &Finding| match finding.price.as_ref().unwrap() {
        Price::Seen(cost) => format!("{:?} {}", cost.basis, cost.millis_per_request),
        Price::NotSeen { reason } => reason.clone(),
    };
    assert_eq!(
        findings.iter().map(text).collect::<Vec<_>>(),
        [
            "CallSite 12",
            "Function 18",
            "no request entered its module",
            "no call across modules led there; calls within shop.orders are not recorded",
            "its function made such calls, but no sampled one came from this line",
        ]
    );
}
