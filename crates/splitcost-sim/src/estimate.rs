//! The prediction: replications of the monolith and of the split with common random numbers, and the intervals over them.
//!
//! [`FittedServer`] is identified once from a recording. [`estimate`] predicts one split, [`estimate_fault`] its requests
//! while something goes wrong.

mod fault;
mod fit;
mod network;
mod replay;
mod server;

use std::collections::BTreeMap;
use std::thread;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use splitcost_model::calibration::{Calibration, Round};
use splitcost_model::estimate::{
    Arms, CannotCross, CrossingCost, Estimate, EstimatedEndpoint, Figures, Handling, ResponseTimes,
};
use splitcost_model::recording::{FunctionKind, Recording, Request};
use splitcost_model::split::{Prices, Split};
use splitcost_model::statistics::{Interval, quantile, sorted};

use crate::compile::{Compiled, Crossing, reason};
use crate::cost::CostModel;
use crate::engine::{LoadPattern, Outcome};
pub use fault::estimate_fault;
pub use network::PATIENCE;
use network::ServicePairs;
use replay::{Deployment, ReplayedRequests, RunConditions};
pub use server::FittedServer;

/// A scenario that is predicted.
#[derive(Clone, Copy, Debug)]
pub struct Scenario<'a> {
    /// The recording of the monolith.
    pub recording: &'a Recording,
    /// The costs of the app's own server around a request, fitted to the same recording.
    pub server: &'a FittedServer,
    /// The calibration of the split's stack.
    pub calibration: &'a Calibration,
    /// The split.
    pub split: &'a Split,
    /// The cores of the one host that everything shares, the load generator included.
    pub host_cores: usize,
    /// The arrival rate; `None` means half of the predicted saturation of the split or the monolith, whichever is less.
    pub load_reqs_per_sec: Option<f64>,
    /// The number of requests in flight at saturation.
    pub concurrency: u32,
    /// The factor by which the machine is slower, where the prediction is to hold, than it was while recording.
    pub slowness: f64,
    /// The seed. Equal seeds give equal results.
    pub seed: u64,
    /// The number of times that requests and calibration rounds are resampled.
    pub replications: u32,
}

/// A function that is called with the share of the work that is done, from 0 to 1.
pub type Progress<'a> = &'a mut dyn FnMut(f64);

/// The reason why a split could not be predicted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The recording holds no successful request.
    #[error("the recording holds no successful request to predict from")]
    NoRequests,
    /// The calibration holds no rounds.
    #[error("the calibration of `{0}` holds no rounds")]
    NoRounds(&'static str),
}

/// Requests measured per replication at the load, and before measuring begins.
///
/// Chosen: at half of saturation, 4,000 requests give a p99 within about 10 % (facts of M/M/1 at ρ = 0.5), and the
/// median over the replications is steadier.
const OPEN_REQUESTS: (u64, u64) = (4_000, 400);
/// The same at saturation, where only throughput is read.
///
/// Chosen: throughput over 2,000 requests varies by about 2 %.
const CLOSED_REQUESTS: (u64, u64) = (2_000, 300);
/// Predicts a split.
pub fn estimate(scenario: &Scenario<'_>, progress: Progress<'_>) -> Result<Estimate, Error> {
    if scenario.calibration.rounds.is_empty() {
        return Err(Error::NoRounds(scenario.split.stack.name()));
    }
    let input = CompiledScenario::new(scenario)?;
    let mut samples = Samples::default();
    for throughput in replicate(scenario, |r| input.saturate(scenario, r), &mut |done| progress(done / 2.0)) {
        for (all, one) in samples.saturation.iter_mut().zip(throughput) {
            all.push(one);
        }
    }
    let load = scenario.load_reqs_per_sec.unwrap_or_else(|| samples.half_of_saturation());
    for outcomes in replicate(scenario, |r| input.load(scenario, r, load), &mut |done| progress(0.5 + done / 2.0)) {
        for (all, outcome) in samples.cpu_secs.iter_mut().zip(&outcomes) {
            all.push(outcome.cpu_secs_per_request());
        }
        samples.sidecar_secs.push(outcomes[1].sidecar_secs_per_request());
        for (all, outcome) in samples.runs.iter_mut().zip(outcomes) {
            all.push(outcome);
        }
    }
    Ok(input.summed_up(scenario, load, &samples))
}

/// Returns every replication's outcome, in order. The number of threads that compute them does not change the outcomes.
fn replicate<T: Send>(scenario: &Scenario<'_>, run: impl Fn(u32) -> T + Sync, progress: Progress<'_>) -> Vec<T> {
    let replications = scenario.replications.max(1);
    let threads = thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let share = |first: u32| (first..replications).step_by(threads as usize);
    let run = &run;
    let mut outcomes: Vec<(u32, T)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|first| scope.spawn(move || share(first).map(|r| (r, run(r))).collect::<Vec<_>>()))
            .collect();
        let mut mine: Vec<(u32, T)> = Vec::new();
        for replication in share(0) {
            mine.push((replication, run(replication)));
            progress(f64::from(replication + 1) / f64::from(replications));
        }
        for other in others {
            match other.join() {
                Ok(outcomes) => mine.extend(outcomes),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        mine
    });
    outcomes.sort_by_key(|(replication, _)| *replication);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// A scenario with its requests compiled: the input that all replications share.
struct CompiledScenario<'a> {
    endpoints: Vec<String>,
    requests: Vec<&'a Request>,
    server: FittedServer,
    baseline: Compiled,
    split: Compiled,
    rewritten: Option<Compiled>,
    /// The services that call each other, and with them the links between them.
    pairs: ServicePairs,
}

#[derive(Default)]
struct Samples {
    saturation: [Vec<f64>; 2],
    cpu_secs: [Vec<f64>; 2],
    /// The CPU seconds of the mesh per request.
    sidecar_secs: Vec<f64>,
    runs: [Vec<Outcome>; 3],
}

impl Samples {
    fn half_of_saturation(&self) -> f64 {
        self.saturation.iter().filter_map(|s| Interval::of(s)).map(|i| i.value).fold(f64::INFINITY, f64::min) / 2.0
    }
}

impl<'a> CompiledScenario<'a> {
    fn new(scenario: &Scenario<'a>) -> Result<Self, Error> {
        let recording = scenario.recording;
        let replayed = ReplayedRequests::of(recording)?;
        let split = replayed.compile(recording, scenario.split, false);
        let blocks = split.crossings.iter().flatten().any(|c| c.blocks_event_loop);
        Ok(Self {
            server: *scenario.server,
            baseline: replayed.compile(recording, &Split::default(), false),
            rewritten: blocks.then(|| replayed.compile(recording, scenario.split, true)),
            pairs: ServicePairs::of(&split.crossings),
            split,
            requests: replayed.requests,
            endpoints: replayed.endpoints,
        })
    }

    fn deployment<'b>(&'b self, scenario: &'b Scenario<'_>) -> Deployment<'b> {
        Deployment {
            host_cores: scenario.host_cores,
            split: scenario.split,
            pairs: &self.pairs,
            server: &self.server,
            seed: scenario.seed,
        }
    }

    /// Resamples the rounds and the requests, and fits the costs to them; the result is the same for every variant.
    fn draw(&self, scenario: &Scenario<'_>, replication: u32) -> (CostModel, Vec<u32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(scenario.seed ^ (u64::from(replication) << 32));
        let rounds = &scenario.calibration.rounds;
        let drawn: Vec<&Round> = (0..rounds.len()).map(|_| &rounds[rng.random_range(0..rounds.len())]).collect();
        let count = self.requests.len();
        let pool = (0..count).map(|_| rng.random_range(0..count) as u32).collect();
        (CostModel::fit(&drawn, self.server.yardstick_nanos), pool)
    }

    /// Returns the throughput at saturation of baseline and split.
    fn saturate(&self, scenario: &Scenario<'_>, replication: u32) -> Vec<f64> {
        let at = RunConditions {
            cold: false,
            cold_nanos: 0.0,
            slow: scenario.slowness,
            pattern: LoadPattern::Closed { concurrency: scenario.concurrency },
            requests: CLOSED_REQUESTS,
            fault: None,
        };
        let outcomes = self.replication(scenario, replication, 2, &at);
        outcomes.iter().map(Outcome::throughput_reqs_per_sec).collect()
    }

    /// Simulates every variant at the load.
    fn load(&self, scenario: &Scenario<'_>, replication: u32, load: f64) -> Vec<Outcome> {
        let at = RunConditions {
            cold: true,
            cold_nanos: self.server.cold_nanos,
            slow: scenario.slowness,
            pattern: LoadPattern::Open { reqs_per_sec: load },
            requests: OPEN_REQUESTS,
            fault: None,
        };
        self.replication(scenario, replication, 3, &at)
    }

    fn replication(
        &self,
        scenario: &Scenario<'_>,
        replication: u32,
        variants: usize,
        at: &RunConditions,
    ) -> Vec<Outcome> {
        let (model, pool) = self.draw(scenario, replication);
        let variants = self.variants(scenario).into_iter().take(variants);
        let deployment = self.deployment(scenario);
        variants.map(|variant| deployment.replay(replication, variant, (&model, &pool), at)).collect()
    }

    /// Returns baseline, split, and the split with awaited calls where that differs, each with its number of services.
    fn variants(&self, scenario: &Scenario<'_>) -> Vec<(&Compiled, usize)> {
        let services = scenario.split.service_names().len();
        let mut variants = vec![(&self.baseline, 1), (&self.split, services)];
        variants.extend(self.rewritten.as_ref().map(|r| (r, services)));
        variants
    }
}

impl CompiledScenario<'_> {
    fn summed_up(&self, scenario: &Scenario<'_>, load: f64, samples: &Samples) -> Estimate {
        let figures = |arm: usize| {
            let cpu_secs_per_request = Interval::of(&samples.cpu_secs[arm]);
            Figures {
                saturation_reqs_per_sec: Interval::of(&samples.saturation[arm]),
                cpu_secs_per_request,
                cores: cpu_secs_per_request.map(|cpu| cpu.scale(load)),
            }
        };
        let gigabytes_per_month = self.bytes_per_request() * load * 3600.0 * Prices::HOURS_PER_MONTH / 1e9;
        let sidecars = Interval::of(&samples.sidecar_secs).map(|secs| secs.scale(load));
        Estimate {
            load_reqs_per_sec: load,
            figures: Arms { monolith: figures(0), split: figures(1) },
            sidecar_cores: sidecars.filter(|cores| cores.value > 0.0),
            transfer_usd_per_month: gigabytes_per_month * self.usd_per_gb(scenario.split),
            endpoints: self.endpoints(scenario, samples),
            calls: self.calls(scenario),
            cannot_cross: cannot_cross(scenario.recording, scenario.split),
        }
    }

    /// Price of what crosses, by the bytes over each link.
    fn usd_per_gb(&self, split: &Split) -> f64 {
        let links = self.pairs.links(split);
        let (mut bytes, mut dollars) = (0.0, 0.0);
        for crossing in self.split.crossings.iter().flatten() {
            bytes += crossing.bytes;
            dollars += crossing.bytes * links[usize::from(self.pairs.link_of(crossing))].usd_per_gb;
        }
        if bytes > 0.0 { dollars / bytes } else { 0.0 }
    }

    fn bytes_per_request(&self) -> f64 {
        self.split.crossings.iter().flatten().map(|c| c.bytes).sum::<f64>() / self.requests.len() as f64
    }

    fn endpoints(&self, scenario: &Scenario<'_>, samples: &Samples) -> Vec<EstimatedEndpoint> {
        let number = self.endpoints.len();
        let [baseline, split, rewritten] = &samples.runs;
        let [baseline, split, rewritten] = [baseline, split, rewritten].map(|runs| by_endpoint(runs, number));
        let all = &scenario.recording.requests;
        self.endpoints
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let requests = self.requests.iter().filter(|r| r.endpoint == *name).count();
                let crossings: Vec<&Crossing> =
                    self.split.crossings.iter().flatten().filter(|c| c.endpoint == index as u32).collect();
                let per_request = |x: f64| x / requests.max(1) as f64;
                let blocking = crossings.iter().filter(|c| c.blocks_event_loop).count();
                EstimatedEndpoint {
                    name: name.clone(),
                    requests: requests as u64,
                    failed_requests: all
                        .iter()
                        .filter(|r| r.endpoint == *name && scenario.recording.has_failed(r))
                        .count() as u64,
                    response: Arms { monolith: response(&baseline[index]), split: response(&split[index]) },
                    split_if_async: if blocking > 0 { response(&rewritten[index]) } else { None },
                    crossings_per_request: per_request(crossings.len() as f64),
                    blocking_crossings_per_request: per_request(blocking as f64),
                    bytes_per_request: per_request(crossings.iter().map(|c| c.bytes).sum()),
                }
            })
            .collect()
    }

    /// The crossings by endpoint, caller and callee, dearest first.
    fn calls(&self, scenario: &Scenario<'_>) -> Vec<CrossingCost> {
        let recording = scenario.recording;
        let rounds: Vec<&Round> = scenario.calibration.rounds.iter().collect();
        let model = CostModel::fit(&rounds, self.server.yardstick_nanos);
        let at = RunConditions {
            cold: true,
            cold_nanos: 0.0,
            slow: 1.0,
            pattern: LoadPattern::Closed { concurrency: 1 },
            requests: OPEN_REQUESTS,
            fault: None,
        };
        let costs = self.deployment(scenario).costs(&self.split, &model, &at);
        let links = self.pairs.links(scenario.split);
        let services = scenario.split.service_names();
        let mut groups = BTreeMap::new();
        for (crossing, cost) in self.split.crossings.iter().zip(&costs) {
            let Some(c) = crossing else { continue };
            let key = (c.endpoint, c.caller_service, c.caller, c.callee_service, c.function, c.blocks_event_loop);
            let sum: &mut CrossingSum = groups.entry(key).or_default();
            let cpu_nanos = (cost.client.nanos + cost.server.nanos) as f64;
            sum.calls += 1.0;
            sum.bytes += c.bytes;
            sum.cpu_nanos += cpu_nanos;
            let delay =
                links.get(usize::from(cost.link)).map_or(0.0, |link| link.one_way_delay.median().as_nanos_f64());
            sum.wall_nanos += cpu_nanos + 2.0 * (cost.one_way_nanos as f64 + delay);
        }
        let sites = call_sites(recording);
        let mut calls: Vec<CrossingCost> = groups
            .into_iter()
            .map(|((endpoint, from, caller, to, function, blocks_event_loop), sum)| {
                let name = &self.endpoints[endpoint as usize];
                let requests = self.requests.iter().filter(|r| r.endpoint == *name).count().max(1) as f64;
                let (file, line) =
                    sites.get(&(caller, function)).cloned().unwrap_or_else(|| defined_at(recording, function));
                CrossingCost {
                    endpoint: name.clone(),
                    caller_service: services[from as usize].to_owned(),
                    caller: recording.modules[caller as usize].clone(),
                    callee_service: services[to as usize].to_owned(),
                    callee: function_name(recording, function),
                    calls_per_request: sum.calls / requests,
                    bytes_per_call: sum.bytes / sum.calls,
                    cpu_micros_per_call: sum.cpu_nanos / sum.calls / 1e3,
                    added_ms_per_request: sum.wall_nanos / requests / 1e6,
                    blocks_event_loop,
                    file,
                    line,
                }
            })
            .collect();
        // What it costs the app: dearest in time over all recorded requests.
        let weight = |c: &CrossingCost| {
            c.added_ms_per_request * self.requests.iter().filter(|r| r.endpoint == c.endpoint).count() as f64
        };
        calls.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
        calls
    }
}

/// Alike crossings of all recorded requests, summed.
#[derive(Clone, Copy, Debug, Default)]
struct CrossingSum {
    calls: f64,
    bytes: f64,
    cpu_nanos: f64,
    wall_nanos: f64,
}

/// Response times in milliseconds, ascending: by endpoint, by replication.
fn by_endpoint(runs: &[Outcome], endpoints: usize) -> Vec<Vec<Vec<f64>>> {
    let mut out = vec![vec![Vec::new(); runs.len()]; endpoints];
    for (replication, run) in runs.iter().enumerate() {
        for &(endpoint, nanos) in &run.responses {
            out[endpoint as usize][replication].push(nanos as f64 / 1e6);
        }
    }
    for times in out.iter_mut().flatten() {
        times.sort_by(f64::total_cmp);
    }
    out
}

fn response(replications: &[Vec<f64>]) -> Option<ResponseTimes> {
    let at = |q: f64| {
        let values: Vec<f64> = replications.iter().filter_map(|times| quantile(times, q)).collect();
        Interval::of(&values)
    };
    Some(ResponseTimes {
        p50_ms: at(0.5)?,
        p90_ms: at(0.9)?,
        p99_ms: at(0.99)?,
        distribution: distribution(replications),
    })
}

/// Shares at which a distribution is drawn: even steps, closer in the tail.
const SHARES: [f64; 24] = [
    0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95,
    0.97, 0.98, 0.99, 0.995,
];

fn distribution(replications: &[Vec<f64>]) -> Vec<(f64, f64)> {
    let pooled = sorted(replications.iter().flatten().copied());
    SHARES.iter().filter_map(|&share| Some((quantile(&pooled, share)?, share))).collect()
}

fn function_name(recording: &Recording, function: u32) -> String {
    let function = &recording.functions[function as usize];
    format!("{}:{}", recording.modules[function.module as usize], function.qualname)
}

/// Returns the file and line of a function's definition, which stands for a call without a call site, such as a task's first.
fn defined_at(recording: &Recording, function: u32) -> (String, u32) {
    let function = &recording.functions[function as usize];
    (function.file.clone(), function.line)
}

/// A call site of each (caller module, function), from the sampled payloads.
fn call_sites(recording: &Recording) -> BTreeMap<(u32, u32), (String, u32)> {
    let mut sites = BTreeMap::new();
    for request in &recording.requests {
        for call in &request.calls {
            if let Some(payload) = call.arguments.as_ref().filter(|p| !p.file.is_empty()) {
                let caller = recording.functions[request.calls[call.parent as usize].function as usize].module;
                sites.entry((caller, call.function)).or_insert_with(|| (payload.file.clone(), payload.line));
            }
        }
    }
    sites
}

/// Returns the calls that would have to cross between services under a split and cannot, most frequent first.
pub fn cannot_cross(recording: &Recording, split: &Split) -> Vec<CannotCross> {
    let service: Vec<&str> = recording.modules.iter().map(|m| split.service_of(m)).collect();
    let mut reasons: BTreeMap<(u32, u32), (String, String, u32)> = BTreeMap::new();
    let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for request in &recording.requests {
        for call in request.calls.iter().skip(1) {
            let caller = recording.functions[request.calls[call.parent as usize].function as usize].module;
            let function = &recording.functions[call.function as usize];
            // The framework runs a module's route handlers wherever that module lives.
            if caller == Recording::ROOT_MODULE || service[caller as usize] == service[function.module as usize] {
                continue;
            }
            let key = (caller, call.function);
            *counts.entry(key).or_default() += 1;
            let refused = [&call.arguments, &call.result].into_iter().flatten().find(|p| !p.class.can_cross());
            if let Some(payload) = refused {
                let site = (payload.file.clone(), payload.line);
                let (file, line) = if site.0.is_empty() { defined_at(recording, call.function) } else { site };
                reasons.entry(key).or_insert_with(|| (reason(payload.class, &payload.path), file, line));
            } else if matches!(function.kind, FunctionKind::Generator | FunctionKind::AsyncGenerator) {
                reasons
                    .entry(key)
                    .or_insert_with(|| ("the function is a generator".into(), function.file.clone(), function.line));
            }
        }
    }
    let mut list: Vec<CannotCross> = reasons
        .into_iter()
        .map(|((caller, function), (reason, file, line))| {
            let module = &recording.modules[recording.functions[function as usize].module as usize];
            let local = split
                .keep_local
                .iter()
                .any(|k| module.strip_prefix(k.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
            CannotCross {
                caller: recording.modules[caller as usize].clone(),
                callee: function_name(recording, function),
                reason,
                file,
                line,
                count: counts.get(&(caller, function)).copied().unwrap_or_default(),
                handling: if local { Handling::KeptLocal } else { Handling::Refused },
            }
        })
        .collect();
    list.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.callee.cmp(&b.callee)));
    list
}
