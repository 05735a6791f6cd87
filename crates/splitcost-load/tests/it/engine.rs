//! Runs against servers that behave correctly.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use splitcost_load::{Arrivals, Failure, Mode, Outcome, Phase, Plan, Progress, Schedule, Stop, Targets, Workload, run};
use splitcost_model::quantity::Nanos;

use crate::server::{self, answer, ok};

pub(crate) fn workload(toml: &str) -> Workload {
    toml::from_str(toml).unwrap()
}

pub(crate) fn drive(workload: &Workload, plan: &Plan, target: SocketAddr) -> Outcome {
    run(workload, plan, &Targets::all(target), &AtomicBool::new(false), &mut |_| {}).unwrap()
}

const ONE: &str = "[[requests]]\npath = '/'";

#[test]
fn closed_loop_makes_exactly_the_requests_asked_for() {
    let (target, log) = server::recording();
    let shop = workload(
        "[[requests]]\npath = '/a/{n}'\nparams = { n = { int = [1, 9] } }\n\
         [[requests]]\nmethod = 'POST'\npath = '/b'\nbody = { k = '{s}' }\nparams = { s = { string = [3, 3] } }",
    );
    let outcome = drive(&shop, &Plan::closed(4, Stop::Requests(300)), target);
    assert_eq!((outcome.ok(), outcome.failed()), (300, 0));
    assert_eq!((outcome.ended_in_window, outcome.ok_in_window), (300, 300));
    assert!(outcome.connections <= 4, "{} connections", outcome.connections);
    assert!(outcome.window > Nanos::ZERO && outcome.ended - outcome.started == outcome.window);
    assert!(outcome.generator_cpu_per_request() > Nanos::ZERO);
    assert!(outcome.schedule_lag.is_empty());

    let log = log.lock().unwrap();
    assert_eq!(log.len(), 300);
    for endpoint in &outcome.endpoints {
        let named = log.iter().filter(|r| r.header("x-splitcost-request") == Some(&endpoint.name)).count();
        assert_eq!(named as u64, endpoint.ok);
        assert_eq!((endpoint.response.len(), endpoint.service.len()), (endpoint.ok, endpoint.ok));
        assert!(endpoint.response.quantile(0.5) >= endpoint.service.quantile(0.5));
    }
    assert!(log.iter().filter(|r| r.method == "POST").all(|r| r.body.len() == r#"{"k":"abc"}"#.len()));
}

#[test]
fn two_runs_send_the_same_requests() {
    let shop =
        workload("[[requests]]\npath = '/{n}/{s}'\nparams = { n = { int = [1, 999] }, s = { string = [0, 9] } }");
    let sent = |seed_offset| {
        let (target, log) = server::recording();
        let plan = Plan { seed_offset, ..Plan::closed(3, Stop::Requests(100)) };
        assert_eq!(drive(&shop, &plan, target).ok(), 100);
        let mut paths: Vec<String> = log.lock().unwrap().iter().map(|r| r.path.clone()).collect();
        paths.sort();
        paths
    };
    assert_eq!(sent(0), sent(0));
    assert_ne!(sent(0), sent(1));
}

#[test]
fn each_request_goes_to_its_target() {
    let (default, default_log) = server::recording();
    let (orders, orders_log) = server::recording();
    let shop = workload("[[requests]]\npath = '/products'\n[[requests]]\npath = '/orders'");
    let targets = Targets::all(default).with("GET /orders", orders);
    let plan = Plan::closed(2, Stop::Requests(60));
    let outcome = run(&shop, &plan, &targets, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!(outcome.ok(), 60);
    assert!(default_log.lock().unwrap().iter().all(|r| r.path == "/products"));
    assert!(orders_log.lock().unwrap().iter().all(|r| r.path == "/orders"));
    assert_eq!(orders_log.lock().unwrap().len() as u64, outcome.endpoint("GET /orders").unwrap().ok);

    let wrong = Targets::all(default).with("GET /nowhere", orders);
    let error = run(&shop, &plan, &wrong, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "route request \"GET /nowhere\": the workload has no request of that name");
}

/// Starts a server that answers no request before `needed` requests are there at the same time.
fn answers_together(needed: usize) -> SocketAddr {
    let gate = Arc::new((Mutex::new(0), Condvar::new()));
    server::http(move |_| {
        let (count, all_here) = &*gate;
        let mut count = count.lock().unwrap();
        *count += 1;
        all_here.notify_all();
        let _open = all_here.wait_while(count, |count| *count < needed).unwrap();
        ok("")
    })
}

#[test]
fn open_loop_does_not_wait_for_answers() {
    // A generator that waits for an answer before the next arrival never gets the first answer.
    let target = answers_together(40);
    let outcome = drive(&workload(ONE), &Plan::open(400.0, Stop::Requests(40)), target);
    assert_eq!((outcome.ok(), outcome.failed()), (40, 0));
    assert_eq!(outcome.connections, 40);
    assert_eq!(outcome.schedule_lag.len(), 40);

    // The first request is answered after the last one has arrived, so that its response time covers the whole schedule.
    let arrivals: Vec<Nanos> = Schedule::new(Arrivals::Poisson, 0, 400.0).take(40).collect();
    let spanned = arrivals[39] - arrivals[0];
    let slowest = outcome.endpoints[0].response.max().unwrap();
    assert!(slowest >= spanned * 0.999, "{slowest:?} < {spanned:?}");
}

#[test]
fn time_spent_waiting_for_a_connection_is_response_time_but_not_service_time() {
    // There is one connection, and the server holds the first answer until the end of the schedule. The later requests
    // wait for the connection meanwhile.
    let plan = Plan { max_connections: 1, ..Plan::open(2_000.0, Stop::Requests(50)) };
    let shop = workload(ONE);
    let last_arrival = Schedule::new(Arrivals::Poisson, 0, 2_000.0).nth(49).unwrap();
    let first = Arc::new(Mutex::new(None));
    let target = server::http(move |_| {
        let mut first = first.lock().unwrap();
        let begun = *first.get_or_insert_with(splitcost_load::monotonic_now);
        while splitcost_load::monotonic_now() < begun + last_arrival {
            std::thread::yield_now();
        }
        ok("")
    });
    let outcome = drive(&shop, &plan, target);
    assert_eq!(outcome.ok(), 50);
    assert_eq!(outcome.connections, 1);
    assert!(outcome.waited_for_connection > 0);
    let endpoint = &outcome.endpoints[0];
    assert!(endpoint.response.mean() > endpoint.service.mean());
}

#[test]
fn the_warm_up_is_sent_but_not_counted() {
    let (target, log) = server::recording();
    // Returns the number of requests that were sent.
    let sent = |mode: Mode| {
        log.lock().unwrap().clear();
        let plan = Plan { mode, warm_up: Nanos::from_millis(50), ..Plan::closed(1, Stop::Requests(20)) };
        let mut phases = Vec::new();
        let outcome = run(&workload(ONE), &plan, &Targets::all(target), &AtomicBool::new(false), &mut |p| {
            if phases.last() != Some(&p.phase) && p.phase != Phase::WarmUp {
                phases.push(p.phase);
            }
        })
        .unwrap();
        assert_eq!(phases, [Phase::Measuring, Phase::Done], "{mode:?}");
        assert_eq!(outcome.ok(), 20);
        assert_eq!(outcome.endpoints[0].response.len(), 20);
        let sent = log.lock().unwrap().len();
        assert_eq!(outcome.ended_ever, sent as u64, "{mode:?}");
        sent
    };
    // The schedule has arrivals in the warm-up, and they are sent even if the generator is late.
    assert!(sent(Mode::Open { reqs_per_sec: 500.0, arrivals: Arrivals::Poisson }) > 20);
    // In closed loop, a machine that stands still for the whole warm-up sends none in it.
    assert!((0..20).any(|_| sent(Mode::Closed { concurrency: 1 }) > 20));
}

#[test]
fn a_generator_that_is_late_still_sends_every_planned_request() {
    let (rate, warm_up, window) = (400.0, Nanos::from_millis(50), Nanos::from_millis(250));
    let planned: Vec<Nanos> =
        Schedule::new(Arrivals::Poisson, 0, rate).take_while(|at| *at < warm_up + window).collect();
    // No request is answered before all have arrived: without the last one, all would time out.
    let target = answers_together(planned.len());
    let deadline = Nanos::from_millis(60_000);
    let plan = Plan { warm_up, deadline, ..Plan::open(rate, Stop::After(window)) };
    let mut end = None;
    let outcome = run(&workload(ONE), &plan, &Targets::all(target), &AtomicBool::new(false), &mut |progress| {
        // The generator stands still from the beginning of the window until after its planned end.
        if progress.phase == Phase::Measuring && end.is_none() {
            let planned_end = *end.insert(splitcost_load::monotonic_now() + window);
            while splitcost_load::monotonic_now() < planned_end {
                std::hint::spin_loop();
            }
        }
    })
    .unwrap();
    let counted = planned.iter().filter(|at| **at >= warm_up).count() as u64;
    assert_eq!((outcome.ok(), outcome.failed(), outcome.schedule_lag.len()), (counted, 0, counted));
    // The run shows that it was late, and is invalid.
    assert!(outcome.schedule_lag.max().unwrap() > Nanos::from_millis(100), "{:?}", outcome.schedule_lag);
    assert!(outcome.invalid().unwrap().starts_with("the load generator was late"), "{:?}", outcome.invalid());
}

#[test]
fn a_run_by_time_has_a_window_of_that_time_and_the_scheduled_arrivals() {
    let (target, _) = server::recording();
    let stop = Stop::After(Nanos::from_millis(300));
    let plan = Plan { warm_up: Nanos::from_millis(100), ..Plan::open(300.0, stop) };
    let mut calls: Vec<(Phase, f64, u64)> = Vec::new();
    let mut note = |p: &Progress| calls.push((p.phase, p.fraction, p.requests));
    let outcome = run(&workload(ONE), &plan, &Targets::all(target), &AtomicBool::new(false), &mut note).unwrap();
    let measured = |t: &Nanos| (Nanos::from_millis(100)..Nanos::from_millis(400)).contains(t);
    let scheduled = Schedule::new(Arrivals::Poisson, 0, 300.0)
        .take_while(|t| *t < Nanos::from_millis(400))
        .filter(measured)
        .count();
    assert_eq!(outcome.ok() + outcome.failed(), scheduled as u64);
    assert_eq!(outcome.window, outcome.ended - outcome.started);
    let phases: Vec<Phase> = calls.iter().map(|(phase, ..)| *phase).collect();
    assert!(phases.is_sorted() && phases.contains(&Phase::Draining), "{phases:?}");
    assert!(calls.is_sorted_by(|a, b| a.1 <= b.1 && a.2 <= b.2));
    assert!((calls.last().unwrap().1 - 1.0).abs() < 1e-9);
}

#[test]
fn an_unexpected_status_is_a_failure_without_a_time() {
    let count = AtomicUsize::new(0);
    let target = server::http(move |request| match request.path.as_str() {
        "/missing" => answer(404, &format!("no such thing {}", "é".repeat(300))),
        "/expected" => answer(404, ""),
        _ if count.fetch_add(1, Ordering::SeqCst) % 2 == 1 => answer(503, "busy"),
        _ => ok(""),
    });
    let shop = workload(
        "[[requests]]\npath = '/missing'\n[[requests]]\npath = '/expected'\nexpect = [404]\n[[requests]]\npath = '/half'",
    );
    let outcome = drive(&shop, &Plan::closed(1, Stop::Requests(200)), target);
    let [missing, expected, half] = outcome.endpoints.as_slice() else { panic!("three endpoints") };
    assert_eq!((missing.ok, missing.response.len()), (0, 0));
    assert_eq!(missing.failed.of(Failure::Status(404)), missing.failed.total());
    let first = missing.first_failure.as_ref().unwrap();
    assert_eq!(first.failure, Failure::Status(404));
    assert!(first.detail.starts_with("no such thing é"), "{}", first.detail);
    assert!(expected.ok > 0 && expected.failed.total() == 0 && expected.first_failure.is_none());
    assert!(half.ok.abs_diff(half.failed.of(Failure::Status(503))) <= 1);
    assert_eq!(half.response.len(), half.ok);
    assert_eq!(outcome.ok() + outcome.failed(), 200);
}

#[test]
fn answers_of_every_framing_are_read() {
    let target = server::http(|request| match request.path.as_str() {
        "/chunked" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec(),
        "/interim" => [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), ok("x")].concat(),
        "/none" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/large" => ok(&"x".repeat(1_000_000)),
        _ => b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n".to_vec(),
    });
    let shop = workload(
        "[[requests]]\npath = '/chunked'\n[[requests]]\npath = '/interim'\n[[requests]]\npath = '/none'\n\
         [[requests]]\npath = '/large'\n[[requests]]\nmethod = 'HEAD'\npath = '/head'",
    );
    let outcome = drive(&shop, &Plan::closed(3, Stop::Requests(100)), target);
    assert_eq!((outcome.ok(), outcome.failed(), outcome.connections), (100, 0, 3));
    assert!(outcome.endpoints.iter().all(|endpoint| endpoint.ok > 0));
    assert!(outcome.bytes_in > 1_000_000 * outcome.endpoint("GET /large").unwrap().ok);
}

#[test]
fn a_connection_that_ends_after_an_error_loses_no_other_request() {
    // As uvicorn does after an unhandled exception: the end of the connection is not announced.
    let target = server::listen(|mut stream, _| {
        while let Some(request) = server::receive(&mut stream) {
            let is_broken = request.path == "/boom";
            stream.write_all(&if is_broken { server::answer(500, "") } else { ok("") }).unwrap();
            if is_broken {
                // The next request would arrive, and get no answer.
                let _ = server::receive(&mut stream);
                return;
            }
        }
    });
    let shop =
        workload("[[requests]]\npath = '/boom'\nexpect = [500]\n[[requests]]\nmethod = 'POST'\npath = '/save'\n");
    let outcome = drive(&shop, &Plan::closed(2, Stop::Requests(200)), target);
    assert_eq!((outcome.ok(), outcome.failed()), (200, 0), "{:?}", outcome.endpoints);
}

#[test]
fn a_large_request_is_sent_whole() {
    let (target, log) = server::recording();
    let shop = workload(&format!(
        "[[requests]]\nmethod = 'PUT'\npath = '/'\nbody = ['{}', '{{s}}']\nparams = {{ s = {{ string = [9, 9] }} }}",
        "x".repeat(5_000_000)
    ));
    let outcome = drive(&shop, &Plan::closed(2, Stop::Requests(6)), target);
    assert_eq!(outcome.ok(), 6);
    assert!(outcome.bytes_out > 30_000_000);
    assert!(log.lock().unwrap().iter().all(|r| r.body.len() == 5_000_000 + 17 - 1));
}

#[test]
fn cancelling_keeps_what_was_found() {
    let (target, _) = server::recording();
    let cancel = AtomicBool::new(false);
    let plan = Plan::closed(2, Stop::After(Nanos::from_millis(3_600_000)));
    let outcome = run(&workload(ONE), &plan, &Targets::all(target), &cancel, &mut |progress| {
        cancel.fetch_or(progress.requests > 0, Ordering::Relaxed);
    })
    .unwrap();
    assert!(outcome.cancelled);
    assert!(outcome.ok() > 0);
}

#[test]
fn rounds_merge() {
    let (target, _) = server::recording();
    let shop = workload(ONE);
    let a = drive(&shop, &Plan::open(1_000.0, Stop::Requests(30)), target);
    let b = drive(&shop, &Plan { seed_offset: 1, ..Plan::open(1_000.0, Stop::Requests(50)) }, target);
    let mut both = a.clone();
    both.merge(&b);
    assert_eq!((both.ok(), both.endpoints[0].response.len(), both.schedule_lag.len()), (80, 80, 80));
    assert_eq!(both.window, a.window + b.window);
    assert_eq!((both.started, both.ended), (a.started, b.ended));
    assert_eq!(both.endpoints[0].response.max(), a.endpoints[0].response.max().max(b.endpoints[0].response.max()));
    let curve = both.endpoints[0].response.cumulative(20);
    assert!(curve.len() <= 20 && curve.is_sorted_by(|x, y| x.0 < y.0 && x.1 < y.1), "{curve:?}");
    assert!((curve.last().unwrap().1 - 1.0).abs() < 1e-9);
}

#[test]
fn a_run_that_the_generator_spoiled_is_invalid() {
    let (target, _) = server::recording();
    let good = drive(&workload(ONE), &Plan::closed(1, Stop::Requests(10)), target);
    let idle = Outcome { generator_cpu: Nanos::ZERO, ..good };
    assert_eq!(idle.invalid(), None);

    let mut late = idle.clone();
    (0..90).for_each(|_| late.schedule_lag.record(Nanos::ZERO));
    (0..20).for_each(|_| late.schedule_lag.record(Nanos::from_millis(20)));
    (0..110).for_each(|_| late.endpoints[0].response.record(Nanos::from_millis(150)));
    // Percentiles are those of a histogram, which rounds.
    let reason = late.invalid().unwrap();
    let lag = "the load generator was late: p90 of its schedule lag is 20.0 ms, where that of response times is 150.";
    assert!(reason.starts_with(lag), "{reason}");
    assert_eq!(late.invalid_up_to(0.5), None);
    // Of slow servers the same delay is a small part.
    (0..110).for_each(|_| late.endpoints[0].response.record(Nanos::from_millis(250)));
    assert_eq!(late.invalid(), None);
    let mut waited = idle.clone();
    (0..50).for_each(|_| waited.schedule_lag.record(Nanos::ZERO));
    waited.waited_for_connection = 1;
    let share = "2.0 % of the arrivals waited because all allowed connections were busy";
    assert_eq!((waited.invalid().as_deref(), waited.too_slow()), (Some(share), None));
    let busy = Outcome { generator_cpu: idle.window, ..idle };
    assert_eq!(busy.invalid().unwrap(), "the load generator was busy 100 % of the time");
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let check = |plan: Plan, expected: &str| {
        let targets = Targets::all("127.0.0.1:1".parse::<SocketAddr>().unwrap());
        let error = run(&workload(ONE), &plan, &targets, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let rate = "plan load: the arrival rate is not between 0.001 and 10,000,000 requests/s";
    check(Plan::open(f64::NAN, Stop::Requests(1)), rate);
    check(Plan::open(0.0, Stop::Requests(1)), rate);
    check(Plan::closed(0, Stop::Requests(1)), "plan load: the concurrency is 0");
    check(Plan::closed(1, Stop::Requests(0)), "plan load: it stops before the first request");
    check(Plan::closed(1, Stop::After(Nanos::ZERO)), "plan load: it stops before the first request");
}

/// Starts a server that answers one request on each connection, and closes the connection when the next one arrives.
fn closes_without_a_word() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut client in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            if client.read(&mut buffer).is_ok_and(|count| count > 0) {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
                let _ = client.read(&mut buffer);
            }
        }
    });
    address
}

#[test]
fn a_request_on_a_connection_that_was_just_closed_is_sent_again() {
    let get = workload("[[requests]]\npath = \"/\"");
    let outcome = drive(&get, &Plan::closed(1, Stop::Requests(300)), closes_without_a_word());
    assert_eq!((outcome.ok(), outcome.failed()), (300, 0));
    // A POST must not be sent twice.
    let post = workload("[[requests]]\nmethod = \"POST\"\npath = \"/\"");
    let outcome = drive(&post, &Plan::closed(1, Stop::Requests(300)), closes_without_a_word());
    assert_eq!((outcome.ok(), outcome.failed()), (150, 150));
}
