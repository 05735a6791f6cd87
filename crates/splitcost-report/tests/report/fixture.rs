//! Evaluations of a shop like the one under `examples/`, made up: the report's own tests need numbers that never change.

use splitcost_model::emulation::{Emulation, Spread};
use splitcost_model::evaluation::{
    CannotCross, CrossingCost, Distributions, EndpointEvaluation, EndpointFault, Evaluation, FaultEvaluation, Pair,
    Provenance, Quantiles, ServiceModules, SplitEvaluation, StackProvenance, UnderFault,
};
use splitcost_model::policy::Fault;
use splitcost_model::recording::{Phase, PhaseEndpoint};
use splitcost_model::statistics::{Interval, Level};

/// An endpoint: name, requests, failed requests, p50 and p99 of the monolith in milliseconds, bytes per crossing.
type Route = (&'static str, u64, u64, f64, f64, f64);

const ROUTES: [Route; 9] = [
    ("GET /products", 2_412, 0, 6.82, 19.4, 2_140.0),
    ("GET /products/{product_id}", 3_608, 0, 2.31, 8.05, 610.0),
    ("GET /products/{product_id}/price", 1_795, 0, 1.94, 6.71, 412.0),
    ("GET /users/{user_id}", 1_204, 3, 2.08, 7.3, 380.0),
    ("GET /users/{user_id}/orders", 1_188, 0, 12.1, 31.2, 540.0),
    ("POST /orders", 604, 11, 18.7, 52.3, 980.0),
    ("GET /orders/{order_id}", 911, 0, 5.42, 16.9, 720.0),
    ("POST /orders/{order_id}/invoice", 298, 0, 14.3, 44.1, 1_310.0),
    ("GET /reports/sales", 121, 0, 41.6, 96.4, 51_200.0),
];

/// Crossings per request of each route, and how many times slower it gets: predicted and measured.
type Hit = (f64, f64, f64);

const CHATTY: [Hit; 9] = [
    (12.0, 4.9, 5.3),
    (1.0, 1.62, 1.58),
    (1.0, 1.71, 1.79),
    (0.0, 1.0, 1.02),
    (23.0, 6.12, 6.63),
    (4.4, 1.83, 1.74),
    (3.2, 2.06, 2.15),
    (2.0, 1.31, 1.36),
    (40.0, 2.71, 2.48),
];
const COARSE: [Hit; 9] = [
    (0.0, 1.0, 0.99),
    (0.0, 1.01, 1.0),
    (0.0, 1.0, 1.01),
    (0.0, 1.0, 0.98),
    (0.0, 1.02, 1.01),
    (1.0, 1.09, 1.12),
    (0.0, 1.0, 1.02),
    (1.0, 1.14, 1.11),
    (0.0, 1.01, 1.0),
];

/// Nine endpoints, two splits, predicted and measured.
pub(crate) fn shop() -> Evaluation {
    Evaluation { format_version: 1, provenance: provenance(), splits: vec![coarse(), chatty()] }
}

/// The same before anything was rehearsed.
pub(crate) fn estimated() -> Evaluation {
    let mut evaluation = shop();
    for split in &mut evaluation.splits {
        for pair in pairs(split) {
            pair.measured = None;
        }
        for endpoint in &mut split.endpoints {
            endpoint.measured = None;
            endpoint.baseline_measured = None;
            endpoint.distributions.measured.clear();
            endpoint.distributions.baseline_measured.clear();
        }
    }
    evaluation
}

/// The same, rehearsed without a prediction.
pub(crate) fn rehearsed() -> Evaluation {
    let mut evaluation = shop();
    for split in &mut evaluation.splits {
        for pair in pairs(split) {
            pair.estimate = None;
        }
        for endpoint in &mut split.endpoints {
            endpoint.estimate = None;
            endpoint.estimate_if_async = None;
            endpoint.baseline = None;
            endpoint.distributions.estimate.clear();
            endpoint.distributions.baseline.clear();
        }
    }
    evaluation
}

/// Thirty endpoints, five services, and names that try to break out of the page.
pub(crate) fn crowded() -> Evaluation {
    let mut evaluation = shop();
    let split = &mut evaluation.splits[1];
    let original = split.endpoints.clone();
    for i in 0..21_usize {
        let mut endpoint = original[i % original.len()].clone();
        endpoint.name = format!("{}/variant-{i}/{{with_a_rather_long_parameter}}", endpoint.name);
        split.endpoints.push(endpoint);
    }
    let hostile = "</script><b>&\"'";
    for call in split.calls.iter_mut().filter(|call| call.endpoint == "GET /products") {
        hostile.clone_into(&mut call.endpoint);
    }
    hostile.clone_into(&mut split.endpoints[0].name);
    for (i, name) in ["billing", "inventory", "notifications"].iter().enumerate() {
        split.services.push(ServiceModules { name: (*name).to_owned(), modules: vec![format!("shop.{name}")] });
        let mut call = split.calls[i].clone();
        (*name).clone_into(&mut call.callee_service);
        call.callee = format!("shop.{name}:do");
        split.calls.push(call);
    }
    evaluation
}

fn pairs(split: &mut SplitEvaluation) -> [&mut Pair; 8] {
    [
        &mut split.saturation_reqs_per_sec,
        &mut split.baseline_saturation_reqs_per_sec,
        &mut split.cpu_secs_per_request,
        &mut split.baseline_cpu_secs_per_request,
        &mut split.cores,
        &mut split.baseline_cores,
        &mut split.usd_per_month,
        &mut split.baseline_usd_per_month,
    ]
}

fn around(value: f64, share: f64) -> Interval {
    Interval::new(Level::NINETY, value, value * (1.0 - share), value * (1.0 + 1.2 * share))
}

fn quantiles(p50: f64, p99: f64, share: f64) -> Quantiles {
    Quantiles {
        p50_ms: around(p50, share),
        p90_ms: around(p50 * (p99 / p50).powf(0.551), 1.5 * share),
        p99_ms: around(p99, 2.5 * share),
    }
}

/// A log-normal distribution through the median and the 99th percentile.
fn distribution(p50: f64, p99: f64) -> Vec<(f64, f64)> {
    const NORMAL: [(f64, f64); 15] = [
        (0.01, -2.326),
        (0.05, -1.645),
        (0.1, -1.282),
        (0.2, -0.842),
        (0.3, -0.524),
        (0.4, -0.253),
        (0.5, 0.0),
        (0.6, 0.253),
        (0.7, 0.524),
        (0.8, 0.842),
        (0.9, 1.282),
        (0.95, 1.645),
        (0.98, 2.054),
        (0.99, 2.326),
        (0.999, 3.09),
    ];
    let sigma = (p99 / p50).ln() / 2.326;
    NORMAL.iter().map(|(share, z)| (p50 * (sigma * z).exp(), *share)).collect()
}

fn endpoint(route: Route, hit: Hit, blocking: bool) -> EndpointEvaluation {
    let (name, requests, failed_requests, p50, p99, bytes) = route;
    let (crossings, predicted, measured) = hit;
    let tail = |factor: f64| p99 * (1.0 + (factor - 1.0) * 0.7);
    EndpointEvaluation {
        name: name.to_owned(),
        requests,
        failed_requests,
        baseline: Some(quantiles(p50 * 0.98, p99 * 0.96, 0.03)),
        baseline_measured: Some(quantiles(p50, p99, 0.04)),
        estimate: Some(quantiles(p50 * predicted, tail(predicted), 0.08)),
        measured: Some(quantiles(p50 * measured, tail(measured), 0.05)),
        estimate_if_async: blocking.then(|| quantiles(p50 * predicted * 0.62, tail(predicted) * 0.5, 0.09)),
        crossings_per_request: crossings,
        blocking_crossings_per_request: if blocking { crossings } else { 0.0 },
        bytes_per_request: crossings * bytes,
        distributions: Distributions {
            baseline_measured: distribution(p50, p99),
            baseline: distribution(p50 * 0.98, p99 * 0.96),
            estimate: distribution(p50 * predicted, tail(predicted)),
            measured: distribution(p50 * measured, tail(measured)),
        },
    }
}

fn pair(estimate: f64, measured: f64, share: f64) -> Pair {
    Pair { estimate: Some(around(estimate, share)), measured: Some(around(measured, share * 0.6)) }
}

fn service(name: &str, modules: &[&str]) -> ServiceModules {
    ServiceModules { name: name.to_owned(), modules: modules.iter().map(|m| (*m).to_owned()).collect() }
}

fn coarse() -> SplitEvaluation {
    let endpoints = ROUTES.iter().zip(COARSE).map(|(route, hit)| endpoint(*route, hit, false)).collect();
    SplitEvaluation {
        name: "billing".to_owned(),
        services: vec![
            service(
                "main",
                &[
                    "shop.app",
                    "shop.users",
                    "shop.catalog",
                    "shop.pricing",
                    "shop.inventory",
                    "shop.orders",
                    "shop.notifications",
                ],
            ),
            service("billing", &["shop.billing"]),
        ],
        stack: "httpx".to_owned(),
        link: "loopback".to_owned(),
        load_reqs_per_sec: 60.0,
        endpoints,
        saturation_reqs_per_sec: pair(128.4, 126.2, 0.05),
        baseline_saturation_reqs_per_sec: pair(131.2, 130.1, 0.04),
        cpu_secs_per_request: pair(0.007_81, 0.007_94, 0.04),
        baseline_cpu_secs_per_request: pair(0.007_62, 0.007_68, 0.02),
        cores: pair(0.469, 0.476, 0.04),
        baseline_cores: pair(0.457, 0.461, 0.02),
        usd_per_month: pair(15.2, 15.5, 0.04),
        baseline_usd_per_month: pair(14.8, 15.0, 0.02),
        calls: vec![
            call(
                "POST /orders/{order_id}/invoice",
                "orders",
                "billing",
                "shop.billing:create_invoice",
                (1.0, 2.01),
                false,
                142,
            ),
            call("POST /orders", "orders", "billing", "shop.billing:authorize", (1.0, 1.72), false, 97),
        ],
        ..SplitEvaluation::default()
    }
}

fn chatty() -> SplitEvaluation {
    let endpoints =
        ROUTES.iter().zip(CHATTY).map(|(route, hit)| endpoint(*route, hit, route.0.ends_with("/orders"))).collect();
    SplitEvaluation {
        name: "pricing".to_owned(),
        services: vec![
            service(
                "main",
                &[
                    "shop.app",
                    "shop.users",
                    "shop.catalog",
                    "shop.inventory",
                    "shop.orders",
                    "shop.billing",
                    "shop.notifications",
                ],
            ),
            service("pricing", &["shop.pricing"]),
        ],
        stack: "httpx".to_owned(),
        link: "same zone".to_owned(),
        load_reqs_per_sec: 60.0,
        endpoints,
        saturation_reqs_per_sec: pair(46.1, 44.8, 0.08),
        baseline_saturation_reqs_per_sec: pair(131.2, 130.1, 0.04),
        cpu_secs_per_request: pair(0.0214, 0.0209, 0.06),
        baseline_cpu_secs_per_request: pair(0.007_62, 0.007_68, 0.02),
        cores: pair(1.284, 1.254, 0.06),
        baseline_cores: pair(0.457, 0.461, 0.02),
        usd_per_month: pair(41.7, 40.7, 0.06),
        baseline_usd_per_month: pair(14.8, 15.0, 0.02),
        calls: vec![
            call("GET /reports/sales", "orders", "pricing", "shop.pricing:historic_price", (40.0, 71.2), false, 311),
            call("GET /users/{user_id}/orders", "orders", "pricing", "shop.pricing:quote", (23.0, 61.9), true, 88),
            call("GET /products", "catalog", "pricing", "shop.pricing:quote", (12.0, 26.6), false, 54),
            call("POST /orders", "orders", "pricing", "shop.pricing:quote", (3.4, 12.3), true, 121),
            call("GET /orders/{order_id}", "orders", "pricing", "shop.pricing:quote", (3.2, 5.75), false, 203),
            call(
                "POST /orders/{order_id}/invoice",
                "billing",
                "pricing",
                "shop.pricing:tax_of",
                (2.0, 4.43),
                false,
                61,
            ),
            call("POST /orders", "orders", "pricing", "shop.pricing:apply_discounts", (1.0, 3.21), true, 126),
            call("GET /products/{product_id}", "catalog", "pricing", "shop.pricing:quote", (1.0, 1.43), false, 79),
            call(
                "GET /products/{product_id}/price",
                "catalog",
                "pricing",
                "shop.pricing:quote",
                (1.0, 1.38),
                false,
                92,
            ),
        ],
        cannot_cross: vec![
            cannot(
                "orders",
                "shop.pricing:apply_discounts",
                "arguments.order is changed by the callee (OrderDraft)",
                126,
                604,
            ),
            cannot(
                "catalog",
                "shop.pricing:reprice_all",
                "arguments.session is a live resource (AsyncSession)",
                158,
                12,
            ),
            cannot("billing", "shop.pricing:iter_rules", "result is a generator", 70, 298),
        ],
        link_round_trip_ms: 0.78,
        emulations: vec![emulated()],
        faults: vec![silent("no timeout", 100.0), silent("1s + 2 retries + budget 20%", 42.0)],
        ..SplitEvaluation::default()
    }
}

/// What a link did.
fn emulated() -> Emulation {
    let spread = |p50_micros, p99_micros| Spread { p50_micros, p99_micros, ..Spread::default() };
    Emulation {
        listen: "main".to_owned(),
        to: "pricing".to_owned(),
        profile: "same zone".to_owned(),
        deliveries: 15_797,
        requested_delay: spread(393.0, 1_116.0),
        lateness: spread(0.4, 8.2),
        ..Emulation::default()
    }
}

/// A callee that does not answer, under a policy.
fn silent(policy: &str, error_percent: f64) -> FaultEvaluation {
    let under = |error_percent: f64| UnderFault {
        requests: 200,
        error_percent,
        stuck_percent: if policy == "no timeout" { error_percent } else { 0.0 },
        p50_ms: (error_percent < 100.0).then_some(41.0),
        failure_p50_ms: (policy != "no timeout").then_some(3_120.0),
        amplification: Some(1.2),
        recovery_secs: (policy != "no timeout").then_some(0.5),
        ..UnderFault::default()
    };
    let endpoint = |(name, services_needed): (&str, u32)| EndpointFault {
        name: name.to_owned(),
        services_needed,
        availability_percent: 100.0 * 0.999_f64.powf(f64::from(services_needed)),
        estimate: Some(under(error_percent)),
        measured: Some(under(error_percent * 0.96)),
    };
    FaultEvaluation {
        fault: Fault::Silent,
        policy: policy.parse().unwrap_or_default(),
        before_secs: 5.0,
        fault_secs: 10.0,
        after_secs: 10.0,
        patience_secs: 10.0,
        endpoints: [("GET /users/{user_id}/orders", 2), ("GET /products", 1)].map(endpoint).to_vec(),
        emulations: vec![emulated()],
    }
}

fn call(
    endpoint: &str,
    from: &str,
    callee_service: &str,
    callee: &str,
    (calls_per_request, added_ms_per_request): (f64, f64),
    blocks_event_loop: bool,
    line: u32,
) -> CrossingCost {
    CrossingCost {
        endpoint: endpoint.to_owned(),
        caller_service: "main".to_owned(),
        caller: format!("shop.{from}"),
        callee_service: callee_service.to_owned(),
        callee: callee.to_owned(),
        calls_per_request,
        bytes_per_call: 412.0 + f64::from(line),
        cpu_micros_per_call: 640.0 + f64::from(line % 7) * 31.0,
        added_ms_per_request,
        blocks_event_loop,
        file: format!("shop/{from}/service.py"),
        line,
    }
}

fn cannot(from: &str, callee: &str, reason: &str, line: u32, count: u64) -> CannotCross {
    CannotCross {
        caller: format!("shop.{from}"),
        callee: callee.to_owned(),
        reason: reason.to_owned(),
        file: format!("shop/{from}/service.py"),
        line,
        count,
        handling: "kept local".to_owned(),
    }
}

fn provenance() -> Provenance {
    let stack = |name: &str, versions: &str, cpu: f64, wall: f64| StackProvenance {
        name: name.to_owned(),
        fingerprint: versions.to_owned(),
        measured_at: "2026-11-24T08:02:11Z".to_owned(),
        call_cpu_micros: around(cpu, 0.05),
        call_wall_micros: around(wall, 0.07),
    };
    let requests = ROUTES.iter().map(|route| route.1).sum();
    Provenance {
        splitcost_version: "0.1.0".to_owned(),
        made_at: "2026-11-24T08:14:03Z".to_owned(),
        machine: "AMD EPYC 7B13, 2 cores, Linux 6.1.0".to_owned(),
        python_version: "3.13.0".to_owned(),
        command: ["python", "-m", "uvicorn", "shop.app:app"].map(str::to_owned).to_vec(),
        recording: ".splitcost/recording".to_owned(),
        recorded_requests: requests,
        phases: vec![phase("closed", 1, 0.0, 32, 4_100), phase("open", 0, 60.0, 134, requests - 4_100)],
        stacks: vec![
            stack(
                "httpx",
                "httpx2 2.9.1, orjson 3.11.4, uvicorn 0.38.0, CPython 3.13.0, AMD EPYC 7B13 × 2",
                812.0,
                1_140.0,
            ),
            stack("grpc", "grpcio 1.76.0, CPython 3.13.0, AMD EPYC 7B13 × 2", 466.0, 702.0),
        ],
        seed: 7,
        usd_per_vcpu_hour: 0.0445,
        warnings: vec!["14 recorded requests failed (status 400 and above); they are in no response time.".to_owned()],
        notes: vec!["The load generator ran on the same two cores as the app.".to_owned()],
    }
}

fn phase(kind: &str, concurrency: u32, rate: f64, secs: u64, requests: u64) -> Phase {
    Phase {
        kind: kind.to_owned(),
        concurrency,
        rate_reqs_per_sec: rate,
        start_nanos: 1_000_000_000,
        end_nanos: 1_000_000_000 + secs * 1_000_000_000,
        requests,
        app_cpu_nanos: requests * 7_640_000,
        load_cpu_nanos: requests * 91_000,
        endpoints: vec![PhaseEndpoint {
            name: "GET /products".to_owned(),
            ok: requests / 5,
            failed: 0,
            response_nanos_p50: 6_820_000,
            response_nanos_p90: 12_100_000,
            response_nanos_p99: 19_400_000,
        }],
        ..Phase::default()
    }
}
