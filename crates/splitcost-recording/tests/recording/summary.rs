//! A recording at a glance.

use splitcost_model::recording::summary::Summary;
use splitcost_model::recording::{Meta, Phase, PhaseKind, Recording};
use splitcost_recording::assemble::{assemble, merge};
use splitcost_recording::log::PayloadClassCode::{Adapter, Live, Plain};
use splitcost_recording::log::ViaCode::{Inline, Task};
use splitcost_recording::summary::summarize;

use crate::script::{ORDERS, PRICING, ROOT, STOCK, Script};

/// Two good requests, alone and under load, and one that failed.
fn recording() -> Recording {
    let mut script = Script::shop(0);
    for (request, start, status) in [(1, 1_000_000, 201), (2, 9_000_000, 201), (3, 20_000_000, 409)] {
        let id = |n: u64| request * 10 + n;
        let at = |wall: u64, cpu: u64| (start + wall * 1_000, start + cpu * 1_000);
        script = script
            .start(request, start)
            .enter((id(0), 0, request), ROOT, Inline, at(0, 0))
            .enter((id(1), id(0), request), ORDERS, Inline, at(100, 100))
            .payload(id(1), false, Plain, 200, 1)
            .suspend(id(1), at(200, 200))
            .suspend(id(0), at(200, 200))
            .enter((id(2), id(1), request), PRICING, Task, at(200, 200))
            .payload(id(2), false, Adapter, 50, 1)
            .suspend(id(2), at(300, 300))
            .enter((id(3), id(1), request), PRICING, Task, at(300, 300))
            .suspend(id(3), at(350, 350))
            .resume(id(2), at(1_300, 400))
            .payload(id(2), true, Adapter, 70, 1)
            .leave(id(2), at(1_400, 500))
            .resume(id(3), at(1_400, 500))
            .leave(id(3), at(1_450, 550))
            .resume(id(0), at(1_500, 560))
            .resume(id(1), at(1_500, 560))
            .enter((id(4), id(1), request), STOCK, Inline, at(1_600, 600))
            .payload(id(4), false, Live, 0, 1)
            .leave(id(4), at(1_900, 800))
            .leave(id(1), at(2_000, 850))
            .leave(id(0), at(2_500, 900))
            .end(request, start + 2_500_000 * request, status, "POST /orders");
    }
    let phase = |concurrency, start_nanos, end_nanos| Phase {
        kind: PhaseKind::Closed,
        concurrency,
        start_nanos,
        end_nanos,
        ..Phase::default()
    };
    let meta = Meta {
        splitcost_version: "0.1.0".into(),
        started_at: "2026-11-24T08:00:00Z".into(),
        command: vec!["uvicorn".into(), "shop.main:app".into()],
        machine: "a machine with 2 cores".into(),
        phases: vec![phase(8, 9_000_000, 30_000_000), phase(1, 0, 9_000_000)],
        ..Meta::default()
    };
    merge(meta, vec![assemble(script.records)])
}

#[test]
fn failed_requests_are_counted_and_never_averaged_in() {
    let summary = summarize(&recording());
    let endpoint = &summary.endpoints[0];
    assert_eq!((endpoint.requests, endpoint.failed_requests), (3, 1));
    // Of the calm phase only; the request under load took twice as long.
    assert_eq!(endpoint.wall_ms_p99, Some(2.5));
    let pricing = summary.edges.iter().find(|edge| edge.callee == "shop.pricing").unwrap();
    assert_eq!((pricing.calls, Some(pricing.calls_per_request)), (4, Some(2.0)));
    assert_eq!(pricing.encoded_bytes_per_call, Some(120.0));
    assert_eq!(pricing.sampled_classes["adapter"], 6);
    assert_eq!(pricing.endpoints[0].endpoint, "POST /orders");
}

#[test]
fn a_status_that_the_workload_expects_is_a_success() {
    let mut recording = recording();
    recording.meta.expected.insert("POST /orders".into(), vec![201, 409]);
    let summary = summarize(&recording);
    assert_eq!((summary.endpoints[0].requests, summary.endpoints[0].failed_requests), (3, 0));
    assert_eq!(summary.edges.iter().find(|edge| edge.callee == "shop.pricing").unwrap().calls, 6);
}

#[test]
fn the_summary_is_the_json() {
    let summary = summarize(&recording());
    let json = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
    assert_eq!(summarize(&Recording::default()).edges, []);
}
