//! Made-up studies of a shop like the one under `examples/`: the report's own tests need numbers that never change.

use splitcost_model::answers::Answers;
use splitcost_model::audit::{Audit, CallSite, Difference};
use splitcost_model::boundary::{Local, Readiness};
use splitcost_model::course::{Course, Discarded};
use splitcost_model::database::{CutJoin, CutTransaction, DataCrossings, Database, ForeignAccess, ServiceTables, Site};
use splitcost_model::emulation::{Emulation, Spread};
use splitcost_model::estimate::{
    Alone, Arms, CallPrices, CannotCross, CrossingCost, Estimate, EstimatedEndpoint, Evidence, Figures, ResponseTimes,
    ServiceWork, Work, WorkElsewhere,
};
use splitcost_model::fault::{
    EndpointUnderFault, FaultEstimate, FaultRehearsal, FaultStudy, RehearsedUnderFault, UnderFault,
};
use splitcost_model::policy::Fault;
use splitcost_model::recording::{Phase, PhaseEndpoint, PhaseKind};
use splitcost_model::rehearsal::{AloneEndpoint, Rehearsal, RehearsedEndpoint, SplitTransaction, Use};
use splitcost_model::split::Prices;
use splitcost_model::statistics::{Interval, Level};
use splitcost_model::study::{Provenance, ServiceModules, SplitStudy, StackProvenance, Study};
use splitcost_study::comparison::{cannot_cross, compare};
use splitcost_study::money::money;
use splitcost_study::verdict::judge;

use crate::interface_fixture::interfaces;

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
pub(crate) fn shop() -> Study {
    study(vec![coarse(), chatty()])
}

/// A function that commits transactions of its own.
fn reserving(calls_per_request: f64) -> SplitTransaction {
    SplitTransaction {
        endpoint: "POST /orders".into(),
        caller: "shop.orders".into(),
        callee: "shop.inventory:reserve".into(),
        calls_per_request,
    }
}

/// The same before anything was rehearsed.
pub(crate) fn estimated() -> Study {
    let mut splits = vec![coarse(), chatty()];
    for split in &mut splits {
        split.rehearsal = None;
        split.faults.iter_mut().for_each(|fault| fault.rehearsal = None);
    }
    study(splits)
}

/// Thirty endpoints, five services, and names that try to break out of the page.
pub(crate) fn crowded() -> Study {
    let mut splits = vec![coarse(), chatty()];
    let SplitStudy { services, estimate, rehearsal, interfaces, .. } = &mut splits[1];
    let measured = &mut rehearsal.as_mut().expect("it was rehearsed").endpoints;
    for i in 0..21_usize {
        let more = |name: &str| format!("{name}/variant-{i}/{{with_a_rather_long_parameter}}");
        let (mut of_estimate, mut of_rehearsal) = (estimate.endpoints[i % 9].clone(), measured[i % 9].clone());
        of_estimate.name = more(&of_estimate.name);
        of_rehearsal.name = more(&of_rehearsal.name);
        estimate.endpoints.push(of_estimate);
        measured.push(of_rehearsal);
    }
    let hostile = "</script><b>&\"'";
    for call in estimate.calls.iter_mut().filter(|call| call.endpoint == "GET /users/{user_id}/orders") {
        hostile.clone_into(&mut call.endpoint);
    }
    hostile.clone_into(&mut estimate.endpoints[4].name);
    hostile.clone_into(&mut interfaces.as_mut().expect("it has interfaces").services[1].functions[1].function);
    hostile.clone_into(&mut measured[4].name);
    for (i, name) in ["billing", "inventory", "notifications"].iter().enumerate() {
        services.push(ServiceModules { name: (*name).to_owned(), modules: vec![format!("shop.{name}")] });
        let mut call = estimate.calls[i].clone();
        (*name).clone_into(&mut call.callee_service);
        call.callee = format!("shop.{name}:do");
        estimate.calls.push(call);
    }
    study(splits)
}

/// The work of a service of which little would run there: its module is mostly methods of rows.
pub(crate) fn work_of_rows(service: &str) -> ServiceWork {
    let work = |cpu_ms_per_request, statements_per_request| Work { cpu_ms_per_request, statements_per_request };
    ServiceWork {
        service: service.to_owned(),
        recorded: work(21.0, 14.0),
        in_service: work(1.2, 0.3),
        elsewhere: Some(WorkElsewhere {
            function: format!("shop.{service}:Line.total"),
            work: work(11.4, 6.2),
            reason: Some(Local::ValueMethod),
        }),
    }
}

/// A split whose services have databases of their own, which cut transactions and joins.
pub(crate) fn cut() -> Study {
    let tables = |service: &str, tables: &[&str]| ServiceTables {
        service: service.to_owned(),
        tables: tables.iter().map(|&table| table.to_owned()).collect(),
    };
    let site = |module: &str, line| Site { file: format!("shop/{module}/service.py"), line };
    let both = || vec![tables("main", &["order_lines", "orders"]), tables("pricing", &["price_history"])];
    let foreign = |line: u32, is_write| ForeignAccess {
        endpoint: "POST /orders".to_owned(),
        module: "shop.orders".to_owned(),
        service: "main".to_owned(),
        owner: tables("pricing", &["price_history"]),
        sql: "SELECT amount, valid_from FROM price_history WHERE product_id = ? AND valid_from <= ?".to_owned(),
        is_write,
        statements_per_request: 3.4 / f64::from(line),
        rows_per_request: 13.6 / f64::from(line),
        parameter_bytes_per_request: 118.25,
        row_bytes_per_request: 217.6,
        site: site("orders", line),
    };
    let split = SplitStudy {
        database: Database::PerService,
        data: DataCrossings {
            foreign: (1..=14).map(|line| foreign(line, line % 4 == 0)).collect(),
            cut_joins: vec![CutJoin {
                endpoint: "GET /reports/sales".to_owned(),
                module: "shop.orders".to_owned(),
                owners: both(),
                sql: "SELECT o.id, p.amount FROM orders AS o JOIN price_history AS p ON p.product_id = o.product_id"
                    .to_owned(),
                statements_per_request: 1.0,
                site: site("orders", 311),
            }],
            cut_transactions: vec![CutTransaction {
                endpoint: "POST /orders".to_owned(),
                owners: both(),
                transactions_per_request: 0.97,
                sites: vec![site("orders", 121), site("pricing", 88)],
            }],
        },
        estimate: Estimate { work: vec![work_of_rows("pricing")], ..chatty().estimate },
        ..chatty()
    };
    study(vec![split])
}

/// Composes a study as `splitcost-study` does.
fn study(mut splits: Vec<SplitStudy>) -> Study {
    for split in &mut splits {
        split.usd_per_month = money(&split.estimate, split.rehearsal.as_ref(), &Prices { usd_per_vcpu_hour: 0.0445 });
        split.comparison = compare(&split.estimate, split.rehearsal.as_ref(), &split.usd_per_month);
        split.cannot_cross = cannot_cross(&split.estimate, split.rehearsal.as_ref());
        split.verdict = Some(judge(split));
        if let Some(interfaces) = &mut split.interfaces {
            interfaces.price(&CallPrices::of(&split.estimate));
        }
    }
    Study { format_version: 2, provenance: provenance(), splits, ..Study::default() }
}

fn around(value: f64, share: f64) -> Interval {
    Interval::new(Level::NINETY, value, value * (1.0 - share), value * (1.0 + 1.2 * share))
}

fn times(p50: f64, p99: f64, share: f64) -> ResponseTimes {
    ResponseTimes {
        p50_ms: around(p50, share),
        p90_ms: around(p50 * (p99 / p50).powf(0.551), 1.5 * share),
        p99_ms: Some(around(p99, 2.5 * share)),
        distribution: distribution(p50, p99),
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

/// The 99th percentile of an endpoint whose median grows by a factor.
fn tail(p99: f64, factor: f64) -> f64 {
    p99 * (1.0 + (factor - 1.0) * 0.7)
}

fn estimated_endpoint(route: Route, hit: Hit, blocking: bool) -> EstimatedEndpoint {
    let (name, requests, failed_requests, p50, p99, bytes) = route;
    let (crossings, slower, _) = hit;
    let split = times(p50 * slower, tail(p99, slower), 0.08);
    let awaited = times(p50 * slower * 0.62, tail(p99, slower) * 0.5, 0.09);
    EstimatedEndpoint {
        name: name.to_owned(),
        requests,
        failed_requests,
        alone: Some(Alone {
            response_ms: Arms { monolith: p50 * 0.8, split: p50 * slower * 0.8 },
            ratio: around(slower, 0.04),
            cpu_ratio: None,
        }),
        timed_out_share: 0.0,
        response: Arms { monolith: Some(times(p50 * 0.98, p99 * 0.96, 0.03)), split: Some(split) },
        split_if_async: blocking.then_some(awaited),
        crossings_per_request: crossings,
        blocking_crossings_per_request: if blocking { crossings } else { 0.0 },
        bytes_per_request: crossings * bytes,
    }
}

fn rehearsed_endpoint(route: Route, hit: Hit) -> RehearsedEndpoint {
    let (name, _, _, p50, p99, _) = route;
    let (_, _, slower) = hit;
    let split = Some(times(p50 * slower, tail(p99, slower), 0.05));
    RehearsedEndpoint {
        name: name.to_owned(),
        failed_requests: 0,
        response: Arms { monolith: Some(times(p50, p99, 0.04)), split },
        requests: Arms { monolith: 12_000, split: 6_000 },
        ratio: None,
        noise: None,
    }
}

/// Throughput at saturation, CPU seconds per request and busy cores, each with the half width of its interval.
fn figures(saturation: (f64, f64), cpu: (f64, f64), cores: (f64, f64)) -> Figures {
    let around = |(value, share)| Some(around(value, share));
    Figures { saturation_reqs_per_sec: around(saturation), cpu_secs_per_request: around(cpu), cores: around(cores) }
}

fn monolith_estimated() -> Figures {
    figures((131.2, 0.04), (0.007_62, 0.02), (0.457, 0.02))
}

fn monolith_rehearsed() -> Figures {
    figures((130.1, 0.024), (0.007_68, 0.012), (0.461, 0.012))
}

fn service(name: &str, modules: &[&str]) -> ServiceModules {
    ServiceModules { name: name.to_owned(), modules: modules.iter().map(|m| (*m).to_owned()).collect() }
}

fn coarse() -> SplitStudy {
    let routes = || ROUTES.iter().zip(COARSE);
    SplitStudy {
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
        estimate: Estimate {
            load_reqs_per_sec: 60.0,
            figures: Arms {
                monolith: monolith_estimated(),
                split: figures((128.4, 0.05), (0.007_81, 0.04), (0.469, 0.04)),
            },
            endpoints: routes().map(|(route, hit)| estimated_endpoint(*route, hit, false)).collect(),
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
            evidence: Evidence { calls_per_request: 4.25, measured_per_request: 4.25, rehearsed_per_request: 4.0 },
            transactions: vec![reserving(2.0)],
            ..Estimate::default()
        },
        rehearsal: Some(Rehearsal {
            load_reqs_per_sec: 60.0,
            answers: Some(Answers { compared: 100, equal: 100, ..Answers::default() }),
            uses: vec![Use { class: "shop.cart:Cart".into(), caller: "shop.pricing".into(), uses_per_request: 14.0 }],
            transactions: vec![reserving(1.0)],
            figures: Arms {
                monolith: monolith_rehearsed(),
                split: figures((126.2, 0.03), (0.007_94, 0.024), (0.476, 0.024)),
            },
            endpoints: routes().map(|(route, hit)| rehearsed_endpoint(*route, hit)).collect(),
            audit: audit(),
            ..Rehearsal::default()
        }),
        ..SplitStudy::default()
    }
}

fn chatty() -> SplitStudy {
    let routes = || ROUTES.iter().zip(CHATTY);
    SplitStudy {
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
        interfaces: Some(interfaces()),
        stack: "httpx".to_owned(),
        link: "same zone".to_owned(),
        link_round_trip_ms: 0.78,
        estimate: Estimate {
            load_reqs_per_sec: 60.0,
            figures: Arms {
                monolith: monolith_estimated(),
                split: figures((46.1, 0.08), (0.0214, 0.06), (1.284, 0.06)),
            },
            endpoints: routes()
                .map(|(route, hit)| estimated_endpoint(*route, hit, route.0.ends_with("/orders")))
                .collect(),
            calls: vec![
                call(
                    "GET /reports/sales",
                    "orders",
                    "pricing",
                    "shop.pricing:historic_price",
                    (40.0, 71.2),
                    false,
                    311,
                ),
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
                    1.75,
                ),
                cannot(
                    "catalog",
                    "shop.pricing:reprice_all",
                    "arguments.session is a live resource (AsyncSession)",
                    158,
                    0.25,
                ),
                cannot("billing", "shop.pricing:iter_rules", "result is a generator", 70, 0.5),
            ],
            ..Estimate::default()
        },
        rehearsal: Some(Rehearsal {
            load_reqs_per_sec: 60.0,
            answers: Some(Answers { compared: 100, equal: 100, ..Answers::default() }),
            figures: Arms {
                monolith: monolith_rehearsed(),
                split: figures((44.8, 0.048), (0.0209, 0.036), (1.254, 0.036)),
            },
            endpoints: routes().map(|(route, hit)| rehearsed_endpoint(*route, hit)).collect(),
            emulations: vec![emulated()],
            audit: audit(),
            ..Rehearsal::default()
        }),
        faults: vec![silent("no timeout", 100.0), silent("1s + 2 retries + budget 20%", 42.0)],
        ..SplitStudy::default()
    }
}

/// An audit that holds, with one difference.
fn audit() -> Audit {
    let site = CallSite {
        endpoint: "POST /orders".to_owned(),
        caller: "shop.orders".to_owned(),
        callee: "shop.pricing:quote".to_owned(),
    };
    Audit {
        requests: 40,
        predicted_per_request: 4.25,
        answered_per_request: 4.2,
        difference: 0.012,
        differences: vec![Difference {
            site,
            predicted_per_request: 3.4,
            answered_per_request: 3.3,
            cause: "the services took other branches than the recorded requests".to_owned(),
        }],
    }
}

/// The record of an emulated link.
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
fn silent(policy: &str, error_percent: f64) -> FaultStudy {
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
    let endpoints = [("GET /users/{user_id}/orders", 2), ("GET /products", 1)];
    let estimated = |(name, services_needed): (&str, u32)| EndpointUnderFault {
        name: name.to_owned(),
        services_needed,
        availability_percent: 100.0 * 0.999_f64.powf(f64::from(services_needed)),
        outcome: under(error_percent),
    };
    let rehearsed =
        |(name, _): (&str, u32)| RehearsedUnderFault { name: name.to_owned(), outcome: under(error_percent * 0.96) };
    FaultStudy {
        fault: Fault::Silent,
        policy: policy.parse().unwrap_or_default(),
        before_secs: 5.0,
        fault_secs: 10.0,
        after_secs: 10.0,
        patience_secs: 10.0,
        estimate: FaultEstimate { endpoints: endpoints.map(estimated).to_vec() },
        rehearsal: Some(FaultRehearsal { endpoints: endpoints.map(rehearsed).to_vec(), emulations: vec![emulated()] }),
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
        readiness: Readiness::Ready,
        calls_per_request,
        bytes_per_call: 412.0 + f64::from(line),
        cpu_micros_per_call: 640.0 + f64::from(line % 7) * 31.0,
        added_ms_per_request,
        fixed_ms_per_request: 0.75 * added_ms_per_request,
        blocks_event_loop,
        file: format!("shop/{from}/service.py"),
        line,
    }
}

fn cannot(from: &str, callee: &str, reason: &str, line: u32, calls_per_request: f64) -> CannotCross {
    CannotCross {
        caller: format!("shop.{from}"),
        callee: callee.to_owned(),
        reason: reason.to_owned(),
        file: format!("shop/{from}/service.py"),
        line,
        calls_per_request,
        readiness: Readiness::Adapted,
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
        phases: vec![
            phase(PhaseKind::Closed, 1, 0.0, 32, 4_100),
            phase(PhaseKind::Open, 0, 60.0, 134, requests - 4_100),
        ],
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
        assumptions: vec!["A pool thread takes 60 µs to wake.".to_owned()],
        served: "1 process (seen while recording), 4 WSGI threads in each (configured)".to_owned(),
    }
}

fn phase(kind: PhaseKind, concurrency: u32, rate: f64, secs: u64, requests: u64) -> Phase {
    Phase {
        kind,
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

/// The same, with lone requests in pairs.
pub(crate) fn paired() -> Study {
    let mut study = shop();
    let discarded = Discarded { cause: "another process, `cc1plus`,".to_owned(), blocks: 7, most_cores: 0.84 };
    let course = Course { secs: 172.4, blocks: 96, discarded: vec![discarded], ..Course::default() };
    study.provenance.notes.extend(course.discarded_in_words());
    study.course = Some(course);
    for (split, hits) in study.splits.iter_mut().zip([COARSE, CHATTY]) {
        let Some(rehearsal) = &mut split.rehearsal else { continue };
        let alone = ROUTES.iter().zip(hits).map(|((name, _, _, p50, _, _), (_, _, slower))| AloneEndpoint {
            name: (*name).to_owned(),
            pairs: 200,
            response_ms: Arms { monolith: p50 * 0.8, split: p50 * 0.8 * slower },
            ratio: around(slower, 0.02),
            noise: around(0.99, 0.03),
            cpu_ms: Arms { monolith: p50 * 0.7, split: p50 * 0.7 * slower },
            cpu_ratio: Some(around(slower, 0.03)),
            sample_ms: (1..=40)
                .map(|nth| (0.8 + 0.02 * f64::from(nth % 7), 0.9 + 0.01 * f64::from(nth % 11)))
                .map(|(before, after)| (p50 * before, p50 * slower * before * after))
                .collect(),
            ..AloneEndpoint::default()
        });
        rehearsal.alone = alone.collect();
        split.comparison = compare(&split.estimate, split.rehearsal.as_ref(), &split.usd_per_month);
        split.verdict = Some(judge(split));
    }
    study
}
