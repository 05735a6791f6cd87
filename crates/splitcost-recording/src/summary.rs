//! Computes the [`Summary`] of a recording.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use splitcost_model::boundary::{Readiness, readiness};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::summary::{
    EdgeEndpoint, EdgeSummary, EndpointSummary, OutsideSummary, PayloadSummary, Summary,
};
use splitcost_model::recording::{Call, FunctionId, ModuleId, Payload, PayloadClass, PhaseKind, Recording, Request};
use splitcost_model::statistics::quantile;

use crate::tree::{overlap, own_cpu, request_cpu};

/// Returns a recording at a glance.
pub fn summarize(recording: &Recording) -> Summary {
    let meta = &recording.meta;
    let (times_from, calm) = calm_phase(recording);
    Summary {
        splitcost_version: meta.splitcost_version.clone(),
        started_at: meta.started_at.clone(),
        command: meta.command.clone(),
        python_version: meta.python_version.clone(),
        recorder_mode: meta.recorder_mode.clone(),
        machine: meta.machine.clone(),
        troubles: meta.troubles.clone(),
        outside: outside(recording),
        requests: recording.of_workload().count() as u64,
        phases: meta.phases.clone(),
        times_from,
        endpoints: endpoints(recording, calm),
        edges: edges(recording),
        payloads: payloads(recording),
    }
}

/// Returns the phase with the fewest requests in flight, if each endpoint of the workload was answered in it, with its
/// name in words. Times of several loads together would be the times of no load.
pub(crate) fn calm_phase(recording: &Recording) -> (String, Option<u32>) {
    let everything = ("all requests".to_owned(), None);
    let phases = (0_u32..)
        .zip(&recording.meta.phases)
        .filter(|(_, phase)| phase.kind == PhaseKind::Closed && !phase.bare && !phase.audit);
    let Some((index, phase)) = phases.min_by_key(|(_, phase)| phase.concurrency) else { return everything };
    let mut answered: FxHashMap<&str, bool> = FxHashMap::default();
    for request in recording.requests.iter().filter(|request| request.phase.is_some() && !recording.has_failed(request))
    {
        *answered.entry(&request.endpoint).or_default() |= request.phase == Some(index);
    }
    if answered.is_empty() || answered.values().any(|in_phase| !in_phase) {
        return everything;
    }
    (format!("the closed-loop phase with {} in flight", phase.concurrency), Some(index))
}

fn outside(recording: &Recording) -> Vec<OutsideSummary> {
    let called = recording.functions.iter().filter(|function| function.calls_outside > 0);
    let mut outside: Vec<OutsideSummary> = called
        .map(|function| OutsideSummary { function: recording.function_name(function), calls: function.calls_outside })
        .collect();
    outside.sort_by_key(|function| std::cmp::Reverse(function.calls));
    outside
}

fn endpoints(recording: &Recording, phase: Option<u32>) -> Vec<EndpointSummary> {
    let mut by_name: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
    for request in recording.of_workload() {
        by_name.entry(&request.endpoint).or_default().push(request);
    }
    let mut endpoints: Vec<EndpointSummary> = by_name
        .into_iter()
        .map(|(name, requests)| {
            let good: Vec<&Request> =
                requests.iter().copied().filter(|request| !recording.has_failed(request)).collect();
            let timed = good.iter().filter(|request| phase.is_none() || request.phase == phase);
            let mut walls: Vec<f64> = timed.map(|request| request.wall.as_millis_f64()).collect();
            walls.sort_by(f64::total_cmp);
            let mean = |sum: f64| (!good.is_empty()).then(|| sum / good.len() as f64);
            EndpointSummary {
                name: name.to_owned(),
                requests: requests.len() as u64,
                failed_requests: (requests.len() - good.len()) as u64,
                wall_ms_p50: quantile(&walls, 0.5),
                wall_ms_p90: quantile(&walls, 0.9),
                wall_ms_p99: quantile(&walls, 0.99),
                cpu_ms_mean: mean(good.iter().map(|request| request_cpu(request).as_millis_f64()).sum()),
                calls_per_request: mean(good.iter().map(|request| (request.calls.len() - 1) as f64).sum()),
            }
        })
        .collect();
    endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.requests));
    endpoints
}

/// Returns the module that a call's caller belongs to.
fn caller_module(recording: &Recording, request: &Request, call: &Call) -> ModuleId {
    let caller = request.calls[call.parent as usize].function;
    recording.functions[caller as usize].module
}

fn sampled(call: &Call) -> impl Iterator<Item = (bool, &Payload)> {
    [(false, &call.arguments), (true, &call.result)].into_iter().filter_map(|(result, p)| Some((result, p.as_ref()?)))
}

#[derive(Default)]
struct EdgeTotals<'a> {
    calls: u64,
    own_cpu: Nanos,
    wall: Nanos,
    overlap: Nanos,
    slowest: Nanos,
    slowest_function: FunctionId,
    calls_by_function: FxHashMap<FunctionId, u64>,
    calls_by_endpoint: BTreeMap<&'a str, u64>,
    /// Per function and direction: payloads and their encoded bytes.
    sampled: FxHashMap<(FunctionId, bool), (u64, u64)>,
    classes: BTreeMap<String, u64>,
}

impl EdgeTotals<'_> {
    fn bytes_per_call(&self) -> Option<f64> {
        let mean = |function, result| {
            self.sampled.get(&(function, result)).map(|(payloads, bytes)| *bytes as f64 / *payloads as f64)
        };
        let (mut weight, mut sum) = (0_u64, 0.0);
        for (&function, &calls) in &self.calls_by_function {
            let (arguments, result) = (mean(function, false), mean(function, true));
            if arguments.is_some() || result.is_some() {
                weight += calls;
                sum += calls as f64 * (arguments.unwrap_or(0.0) + result.unwrap_or(0.0));
            }
        }
        (weight > 0).then(|| sum / weight as f64)
    }
}

fn edges(recording: &Recording) -> Vec<EdgeSummary> {
    let mut edges: BTreeMap<(ModuleId, ModuleId), EdgeTotals<'_>> = BTreeMap::new();
    let mut requests_of: FxHashMap<&str, u64> = FxHashMap::default();
    for request in recording.of_workload() {
        let good = !recording.has_failed(request);
        if good {
            *requests_of.entry(&request.endpoint).or_default() += 1;
        }
        let (own, overlaps) = (own_cpu(request), overlap(&recording.functions, request));
        for (index, call) in request.calls.iter().enumerate().skip(1) {
            let callee = recording.functions[call.function as usize].module;
            let edge = edges.entry((caller_module(recording, request, call), callee)).or_default();
            for (result, payload) in sampled(call) {
                let (payloads, bytes) = edge.sampled.entry((call.function, result)).or_default();
                *payloads += 1;
                *bytes += payload.encoded_bytes;
                *edge.classes.entry(payload.class.name().to_owned()).or_default() += 1;
            }
            if good {
                edge.calls += 1;
                edge.own_cpu += own[index];
                edge.wall += call.wall();
                edge.overlap += overlaps[index];
                *edge.calls_by_function.entry(call.function).or_default() += 1;
                *edge.calls_by_endpoint.entry(&request.endpoint).or_default() += 1;
                if call.wall() >= edge.slowest {
                    (edge.slowest, edge.slowest_function) = (call.wall(), call.function);
                }
            }
        }
    }
    let requests: u64 = requests_of.values().sum();
    let mut summaries: Vec<EdgeSummary> = edges
        .into_iter()
        .filter(|(_, edge)| edge.calls > 0)
        .map(|((caller, callee), edge)| {
            let mut endpoints: Vec<EdgeEndpoint> = edge
                .calls_by_endpoint
                .iter()
                .map(|(endpoint, calls)| EdgeEndpoint {
                    endpoint: (*endpoint).to_owned(),
                    calls_per_request: *calls as f64 / requests_of[endpoint] as f64,
                })
                .collect();
            endpoints.sort_by(|a, b| b.calls_per_request.total_cmp(&a.calls_per_request));
            let share = edge.overlap.as_nanos_f64() / edge.wall.as_nanos_f64();
            EdgeSummary {
                caller: recording.modules[caller as usize].clone(),
                callee: recording.modules[callee as usize].clone(),
                calls: edge.calls,
                calls_per_request: edge.calls as f64 / requests as f64,
                own_cpu_micros_per_request: edge.own_cpu.as_nanos_f64() / 1e3 / requests as f64,
                encoded_bytes_per_call: edge.bytes_per_call(),
                overlap_share: if share.is_finite() { share } else { 0.0 },
                sampled_classes: edge.classes,
                slowest_ms: edge.slowest.as_millis_f64(),
                slowest_function: recording.functions[edge.slowest_function as usize].qualname.clone(),
                endpoints,
            }
        })
        .collect();
    summaries.sort_by_key(|edge| std::cmp::Reverse(edge.calls));
    summaries
}

/// Alike payloads, summed.
#[derive(Default)]
struct PayloadSum {
    samples: u64,
    bytes: u64,
}

fn payloads(recording: &Recording) -> Vec<PayloadSummary> {
    type PayloadGroup<'a> = (ModuleId, FunctionId, bool, PayloadClass, &'a str, &'a str, u32);
    let mut groups: BTreeMap<PayloadGroup<'_>, PayloadSum> = BTreeMap::new();
    for request in recording.of_workload() {
        for call in request.calls.iter().skip(1) {
            for (result, payload) in sampled(call) {
                let caller = caller_module(recording, request, call);
                let Payload { class, path, file, line, .. } = payload;
                let group = groups.entry((caller, call.function, result, *class, path, file, *line)).or_default();
                group.samples += 1;
                group.bytes += payload.encoded_bytes;
            }
        }
    }
    let readiness = readiness(recording);
    let mut summaries: Vec<PayloadSummary> = groups
        .into_iter()
        .map(|((caller, function, result, class, path, file, line), sum)| {
            let called = &recording.functions[function as usize];
            PayloadSummary {
                caller: recording.modules[caller as usize].clone(),
                function: recording.function_name(called),
                direction: if result { "result" } else { "arguments" }.to_owned(),
                class,
                // The framework runs what is not ready where the request is.
                readiness: readiness[function as usize]
                    .filter(|needs| caller != Recording::ROOT_MODULE || *needs == Readiness::Ready),
                path: path.to_owned(),
                file: file.to_owned(),
                line,
                samples: sum.samples,
                encoded_bytes_mean: sum.bytes as f64 / sum.samples as f64,
            }
        })
        .collect();
    summaries.sort_by_key(|payload| std::cmp::Reverse((payload.class, payload.samples)));
    summaries
}
