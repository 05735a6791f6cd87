//! The prediction: replications of the monolith and of the split with common random numbers, and the intervals over them.
//!
//! [`FittedServer`] is identified once from a recording. [`estimate`] predicts one split, [`estimate_fault`] its requests
//! while something goes wrong.

mod alone;
mod fault;
mod fit;
mod network;
mod replay;
mod server;
mod site;
mod work;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use splitcost_model::audit::{CallSite, CountedCalls};
use splitcost_model::boundary::{Execution, Readiness};
use splitcost_model::calibration::{Calibration, Round};
use splitcost_model::estimate::{
    Arms, AsRehearsed, CallPrices, CrossingCost, Estimate, EstimatedEndpoint, Evidence, Figures, LOAD_SHARE,
    ResponseTimes,
};
use splitcost_model::recording::{Recording, Request};
use splitcost_model::rehearsal::SplitTransaction;
use splitcost_model::split::{Prices, Split};
use splitcost_model::statistics::{Interval, quantile, sorted};

use crate::compile::{CallForm, Compiled, Compiler, Crossing, Message};
use crate::cost::CostModel;
use crate::demand::demand;
use crate::engine::{LoadPattern, Outcome};
use crate::program::Cost;
pub use fault::estimate_fault;
pub use network::PATIENCE;
use network::ServicePairs;
use replay::{Deployment, ReplayedRequests, RunConditions};
pub use server::FittedServer;
use site::SplitSites;
use work::service_work;

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
    /// The arrival rate; `None` means a share ([`LOAD_SHARE`]) of the predicted saturation of the split or the monolith,
    /// whichever is less.
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

/// A function that is called with the share of the work that is done, from 0 to 1, and that says if the work goes on.
pub type Progress<'a> = &'a mut dyn FnMut(f64) -> ControlFlow<()>;

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
    /// The progress function asked for the end.
    #[error("it was stopped")]
    Stopped,
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
/// The same of lone requests, where only medians are read.
///
/// Chosen: fifty requests of each of ten endpoints.
const LONE_REQUESTS: (u64, u64) = (500, 20);
/// Calls between services that a replication simulates at most, if [`FEWEST_REQUESTS`] allow it.
///
/// Chosen: some seconds of computing. What differs between requests that make hundreds of calls averages out within each.
const MOST_CROSSINGS: f64 = 200_000.0;
/// The number of requests that a replication measures at least.
///
/// Chosen: in ten replications, 20 requests still lie beyond the p99.
const FEWEST_REQUESTS: u64 = 200;

/// Returns the numbers of requests that a replication measures, and before that, when each makes so many crossings.
fn affordable((measured, warm_up): (u64, u64), crossings_per_request: f64) -> (u64, u64) {
    let most = (MOST_CROSSINGS / crossings_per_request.max(1e-9)) as u64;
    let affordable = measured.min(most.max(FEWEST_REQUESTS));
    (affordable, warm_up * affordable / measured)
}

/// Predicts a split.
pub fn estimate(scenario: &Scenario<'_>, progress: Progress<'_>) -> Result<Estimate, Error> {
    if scenario.calibration.rounds.is_empty() {
        return Err(Error::NoRounds(scenario.split.stack.name()));
    }
    let input = CompiledScenario::new(scenario)?;
    let mut samples = Samples::default();
    for outcomes in replicate(scenario, |r| input.alone(scenario, r), &mut |done| progress(done / 4.0))? {
        for (variant, outcome) in outcomes {
            samples.alone.entry(variant).or_default().push(outcome);
        }
    }
    let saturate = |r| input.saturate(scenario, r);
    for throughput in replicate(scenario, saturate, &mut |done| progress(0.25 + done / 4.0))? {
        for (variant, one) in throughput {
            samples.saturation.entry(variant).or_default().push(one);
        }
    }
    let load = scenario.load_reqs_per_sec.unwrap_or_else(|| samples.share_of_saturation());
    for outcomes in replicate(scenario, |r| input.load(scenario, r, load), &mut |done| progress(0.5 + done / 2.0))? {
        for (variant, outcome) in outcomes {
            samples.cpu_secs.entry(variant).or_default().push(outcome.cpu_secs_per_request());
            if variant == Variant::Split {
                samples.sidecar_secs.push(outcome.sidecar_secs_per_request());
            }
            samples.runs.entry(variant).or_default().push(outcome);
        }
    }
    Ok(input.summed_up(scenario, load, &samples))
}

/// Prices the calls between services by a calibration: the part of an [`estimate`] that needs no simulation.
pub fn price_calls(recording: &Recording, calibration: &Calibration, split: &Split) -> Result<CallPrices, Error> {
    if calibration.rounds.is_empty() {
        return Err(Error::NoRounds(split.stack.name()));
    }
    let replayed = ReplayedRequests::of(recording)?;
    let server = FittedServer::observed(&recording.meta, &replayed.requests, &replayed.own_shares);
    let scenario = Scenario {
        recording,
        server: &server,
        calibration,
        split,
        host_cores: 1,
        load_reqs_per_sec: None,
        concurrency: 1,
        slowness: 1.0,
        seed: 0,
        replications: 1,
    };
    let input = CompiledScenario::new(&scenario)?;
    let mut requests = BTreeMap::new();
    for request in &input.requests {
        *requests.entry(request.endpoint.clone()).or_default() += 1;
    }
    Ok(CallPrices { calls: input.calls(&scenario, &SplitSites::of(recording)), requests })
}

/// Counts the calls between services that recorded requests make under a split.
pub fn count_calls<'a>(
    recording: &Recording,
    split: &Split,
    execution: Execution,
    requests: impl Iterator<Item = &'a Request>,
) -> CountedCalls {
    let requests: Vec<&Request> = requests.collect();
    let mut counted = CountedCalls::default();
    for request in &requests {
        *counted.requests.entry(request.endpoint.clone()).or_default() += 1;
    }
    let endpoints: Vec<String> = counted.requests.keys().cloned().collect();
    let number = |request: &Request| endpoints.binary_search(&request.endpoint).unwrap_or_default() as u32;
    let demands: Vec<_> = requests.iter().map(|request| demand(recording, request, false)).collect();
    let numbered: Vec<_> =
        requests.iter().zip(&demands).map(|(request, demand)| (*request, demand, number(request))).collect();
    let form = CallForm { execution, awaited: false };
    let compiled = Compiler::new(recording, split, &endpoints, form).compile(&numbered);
    for crossing in compiled.crossings.iter().flatten().filter(|crossing| crossing.message != Message::Exit) {
        let site = CallSite {
            endpoint: endpoints[crossing.endpoint as usize].clone(),
            caller: recording.modules[crossing.caller as usize].clone(),
            callee: recording.function_name(&recording.functions[crossing.function as usize]),
        };
        *counted.calls.entry(site).or_default() += 1;
    }
    counted
}

/// Returns every replication's outcome, in order. The number of threads that compute them does not change the outcomes.
fn replicate<T: Send>(
    scenario: &Scenario<'_>,
    run: impl Fn(u32) -> T + Sync,
    progress: Progress<'_>,
) -> Result<Vec<T>, Error> {
    let replications = scenario.replications.max(1);
    let threads = thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let stopped = AtomicBool::new(false);
    let goes_on = |_: &u32| !stopped.load(Ordering::Relaxed);
    let share = |first: u32| (first..replications).step_by(threads as usize).take_while(goes_on);
    let (run, share) = (&run, &share);
    let mut outcomes: Vec<(u32, T)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|first| scope.spawn(move || share(first).map(|r| (r, run(r))).collect::<Vec<_>>()))
            .collect();
        let mut mine: Vec<(u32, T)> = Vec::new();
        for replication in share(0) {
            mine.push((replication, run(replication)));
            if progress(f64::from(replication + 1) / f64::from(replications)).is_break() {
                stopped.store(true, Ordering::Relaxed);
            }
        }
        for other in others {
            match other.join() {
                Ok(outcomes) => mine.extend(outcomes),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        mine
    });
    if stopped.into_inner() {
        return Err(Error::Stopped);
    }
    outcomes.sort_by_key(|(replication, _)| *replication);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// An arm of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Variant {
    Monolith,
    /// The split as rewritten.
    Split,
    /// The split as rewritten, with calls awaited that would block an event loop.
    Awaited,
    /// The split as rehearsed.
    Rehearsed,
}

/// A scenario with its requests compiled: the input that all replications share.
struct CompiledScenario<'a> {
    endpoints: Vec<String>,
    requests: Vec<&'a Request>,
    server: FittedServer,
    monolith: Compiled,
    split: Compiled,
    /// Absent where no call blocks an event loop.
    awaited: Option<Compiled>,
    /// Absent where a rehearsal makes all calls remotely.
    rehearsed: Option<Compiled>,
    /// The services that call each other, and with them the links between them.
    pairs: ServicePairs,
}

#[derive(Default)]
struct Samples {
    /// Lone requests.
    alone: BTreeMap<Variant, Vec<Outcome>>,
    saturation: BTreeMap<Variant, Vec<f64>>,
    cpu_secs: BTreeMap<Variant, Vec<f64>>,
    /// The CPU seconds of the mesh per request.
    sidecar_secs: Vec<f64>,
    runs: BTreeMap<Variant, Vec<Outcome>>,
}

impl Samples {
    fn share_of_saturation(&self) -> f64 {
        let throughput = self.saturation.values().filter_map(|samples| Interval::of(samples));
        throughput.map(|interval| interval.value).fold(f64::INFINITY, f64::min) * LOAD_SHARE
    }

    fn figures(&self, variant: Variant, load: f64) -> Figures {
        let of = |samples: &BTreeMap<Variant, Vec<f64>>| Interval::of(samples.get(&variant)?);
        let cpu_secs_per_request = of(&self.cpu_secs);
        Figures {
            saturation_reqs_per_sec: of(&self.saturation),
            cpu_secs_per_request,
            cores: cpu_secs_per_request.map(|cpu| cpu.scale(load)),
        }
    }

    fn runs(&self, variant: Variant) -> &[Outcome] {
        self.runs.get(&variant).map_or(&[], Vec::as_slice)
    }
}

impl<'a> CompiledScenario<'a> {
    fn new(scenario: &Scenario<'a>) -> Result<Self, Error> {
        let recording = scenario.recording;
        let replayed = ReplayedRequests::of(recording)?;
        let compile = |execution, awaited| replayed.compile(recording, scenario.split, CallForm { execution, awaited });
        let split = compile(Execution::Rewritten, false);
        let blocks = split.crossings.iter().flatten().any(|c| c.blocks_event_loop);
        let rehearsed = Some(compile(Execution::Rehearsed, false)).filter(|compiled| *compiled != split);
        let crossings = [Some(&split), rehearsed.as_ref()].into_iter().flatten().flat_map(|c| &c.crossings).flatten();
        Ok(Self {
            server: *scenario.server,
            monolith: replayed.compile(recording, &Split::default(), CallForm::default()),
            awaited: blocks.then(|| compile(Execution::Rewritten, true)),
            pairs: ServicePairs::of(crossings),
            rehearsed,
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

    /// Simulates lone requests: each finds everything idle.
    fn alone(&self, scenario: &Scenario<'_>, replication: u32) -> Vec<(Variant, Outcome)> {
        let at = RunConditions {
            cold: true,
            cold_nanos: self.server.cold_nanos,
            slow: scenario.slowness,
            pattern: LoadPattern::Closed { concurrency: 1 },
            requests: affordable(LONE_REQUESTS, self.calls_per_request()),
            fault: None,
        };
        self.replication(scenario, replication, |variant| variant != Variant::Awaited, &at)
    }

    /// Returns the throughput at saturation of each variant that is compared at saturation.
    fn saturate(&self, scenario: &Scenario<'_>, replication: u32) -> Vec<(Variant, f64)> {
        let at = RunConditions {
            cold: false,
            cold_nanos: 0.0,
            slow: scenario.slowness,
            pattern: LoadPattern::Closed { concurrency: scenario.concurrency },
            requests: affordable(CLOSED_REQUESTS, self.calls_per_request()),
            fault: None,
        };
        let outcomes = self.replication(scenario, replication, |variant| variant != Variant::Awaited, &at);
        outcomes.into_iter().map(|(variant, outcome)| (variant, outcome.throughput_reqs_per_sec())).collect()
    }

    /// Simulates every variant at the load.
    fn load(&self, scenario: &Scenario<'_>, replication: u32, load: f64) -> Vec<(Variant, Outcome)> {
        let at = RunConditions {
            cold: true,
            cold_nanos: self.server.cold_nanos,
            slow: scenario.slowness,
            pattern: LoadPattern::Open { reqs_per_sec: load },
            requests: affordable(OPEN_REQUESTS, self.calls_per_request()),
            fault: None,
        };
        self.replication(scenario, replication, |_| true, &at)
    }

    fn replication(
        &self,
        scenario: &Scenario<'_>,
        replication: u32,
        wanted: impl Fn(Variant) -> bool,
        at: &RunConditions,
    ) -> Vec<(Variant, Outcome)> {
        let (model, pool) = self.draw(scenario, replication);
        let deployment = self.deployment(scenario);
        let services = scenario.split.service_names().len();
        let variants = [
            (Variant::Monolith, Some(&self.monolith), 1),
            (Variant::Split, Some(&self.split), services),
            (Variant::Awaited, self.awaited.as_ref(), services),
            (Variant::Rehearsed, self.rehearsed.as_ref(), services),
        ];
        let run = |(variant, compiled, services): (Variant, Option<&Compiled>, usize)| {
            let compiled = compiled.filter(|compiled| wanted(variant) && compiled.circular_wait().is_empty())?;
            Some((variant, deployment.replay(replication, (compiled, services), (&model, &pool), at)))
        };
        variants.into_iter().filter_map(run).collect()
    }
}

impl CompiledScenario<'_> {
    fn summed_up(&self, scenario: &Scenario<'_>, load: f64, samples: &Samples) -> Estimate {
        let figures =
            |split| Arms { monolith: samples.figures(Variant::Monolith, load), split: samples.figures(split, load) };
        let gigabytes_per_month = self.bytes_per_request() * load * 3600.0 * Prices::HOURS_PER_MONTH / 1e9;
        let sidecars = Interval::of(&samples.sidecar_secs).map(|secs| secs.scale(load));
        let sites = SplitSites::of(scenario.recording);
        let work = |compiled| service_work(scenario.recording, scenario.split, compiled);
        Estimate {
            load_reqs_per_sec: load,
            figures: figures(Variant::Split),
            sidecar_cores: sidecars.filter(|cores| cores.value > 0.0),
            transfer_usd_per_month: gigabytes_per_month * self.usd_per_gb(scenario.split),
            endpoints: self.endpoints(scenario, samples, Variant::Split, &self.split),
            calls: self.calls(scenario, &sites),
            evidence: self.evidence(),
            work: work(&self.split),
            transactions: self.transactions(scenario.recording),
            cannot_cross: sites.cannot_cross(&self.split, self.requests.len()),
            call_backs: sites.call_backs(&self.split, &self.endpoints, scenario.split),
            circular_wait: sites.hops(&self.split.circular_wait(), &self.endpoints, scenario.split),
            as_rehearsed: self.rehearsed.as_ref().map(|rehearsed| AsRehearsed {
                figures: figures(Variant::Rehearsed),
                endpoints: self.endpoints(scenario, samples, Variant::Rehearsed, rehearsed),
                work: work(rehearsed),
            }),
        }
    }

    /// Returns the calls that write in transactions of their own, most per request of their endpoint first.
    fn transactions(&self, recording: &Recording) -> Vec<SplitTransaction> {
        let calls = self.split.transactions.iter();
        let mut list: Vec<SplitTransaction> = calls
            .map(|(&(endpoint, caller, function), &count)| {
                let endpoint = &self.endpoints[endpoint as usize];
                let requests = self.requests.iter().filter(|request| request.endpoint == *endpoint).count();
                SplitTransaction {
                    endpoint: endpoint.clone(),
                    caller: recording.modules[caller as usize].clone(),
                    callee: recording.function_name(&recording.functions[function as usize]),
                    calls_per_request: count as f64 / requests as f64,
                }
            })
            .collect();
        list.sort_by(|a, b| b.calls_per_request.total_cmp(&a.calls_per_request));
        list
    }

    /// Returns the calls between services per request, by the evidence for their price.
    fn evidence(&self) -> Evidence {
        let per_request = |calls: usize| calls as f64 / self.requests.len().max(1) as f64;
        let crossings = || self.split.crossings.iter().flatten();
        let rehearsed = self.rehearsed.as_ref().unwrap_or(&self.split);
        Evidence {
            calls_per_request: per_request(crossings().count()),
            measured_per_request: per_request(crossings().filter(|c| c.is_measured).count()),
            rehearsed_per_request: per_request(rehearsed.crossings.iter().flatten().count()),
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

    fn endpoints(
        &self,
        scenario: &Scenario<'_>,
        samples: &Samples,
        variant: Variant,
        compiled: &Compiled,
    ) -> Vec<EstimatedEndpoint> {
        let number = self.endpoints.len();
        let alone = samples.alone(variant, number);
        let [monolith, split, awaited] =
            [Variant::Monolith, variant, Variant::Awaited].map(|variant| by_endpoint(samples.runs(variant), number));
        let all = &scenario.recording.requests;
        self.endpoints
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let requests = self.requests.iter().filter(|r| r.endpoint == *name).count();
                let crossings: Vec<&Crossing> =
                    compiled.crossings.iter().flatten().filter(|c| c.endpoint == index as u32).collect();
                let per_request = |x: f64| x / requests.max(1) as f64;
                let blocking = crossings.iter().filter(|c| c.blocks_event_loop).count();
                let has_awaited = variant == Variant::Split && blocking > 0;
                EstimatedEndpoint {
                    name: name.clone(),
                    requests: requests as u64,
                    failed_requests: all
                        .iter()
                        .filter(|r| r.endpoint == *name && scenario.recording.has_failed(r))
                        .count() as u64,
                    alone: alone[index],
                    response: Arms { monolith: response(&monolith[index]), split: response(&split[index]) },
                    timed_out_share: failing_share(samples.runs(variant), index as u32),
                    split_if_async: if has_awaited { response(&awaited[index]) } else { None },
                    crossings_per_request: per_request(crossings.len() as f64),
                    blocking_crossings_per_request: per_request(blocking as f64),
                    bytes_per_request: per_request(crossings.iter().map(|c| c.bytes).sum()),
                }
            })
            .collect()
    }

    /// The crossings by endpoint, caller and callee, dearest first.
    fn calls(&self, scenario: &Scenario<'_>, sites: &SplitSites<'_>) -> Vec<CrossingCost> {
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
        let costs = |crossings: &[_]| self.deployment(scenario).costs(crossings, &model, &at);
        let without_data = |crossing: &Crossing| Crossing { nodes: 0.0, bytes: 0.0, ..crossing.clone() };
        let empty: Vec<_> = self.split.crossings.iter().map(|crossing| crossing.as_ref().map(without_data)).collect();
        let links = self.pairs.links(scenario.split);
        let services = scenario.split.service_names();
        let mut groups = BTreeMap::new();
        let costs = costs(&self.split.crossings).into_iter().zip(costs(&empty));
        for (crossing, (cost, fixed)) in self.split.crossings.iter().zip(costs) {
            let Some(c) = crossing else { continue };
            let statement = if let Message::Statement(text) = c.message { Some(text) } else { None };
            let called = (c.function, statement);
            let key = (c.endpoint, c.caller_service, c.caller, c.callee_service, called, c.blocks_event_loop);
            let sum: &mut CrossingSum = groups.entry(key).or_default();
            sum.readiness = c.readiness;
            let delay =
                links.get(usize::from(cost.link)).map_or(0.0, |link| link.one_way_delay.median().as_nanos_f64());
            let cpu_nanos = |cost: &Cost| (cost.client.nanos + cost.server.nanos) as f64;
            let wall_nanos = |cost: &Cost| cpu_nanos(cost) + 2.0 * (cost.one_way_nanos as f64 + delay);
            sum.calls += 1.0;
            sum.bytes += c.bytes;
            sum.cpu_nanos += cpu_nanos(&cost);
            sum.wall_nanos += wall_nanos(&cost);
            sum.fixed_nanos += wall_nanos(&fixed);
        }
        let mut calls: Vec<CrossingCost> = groups
            .into_iter()
            .map(|((endpoint, from, caller, to, (function, statement), blocks_event_loop), sum)| {
                let name = &self.endpoints[endpoint as usize];
                let requests = self.requests.iter().filter(|r| r.endpoint == *name).count().max(1) as f64;
                let (file, line) = match statement {
                    Some(text) => sites.calls.of_statement(text, function),
                    None => sites.calls.of_call(caller, function, Some(name)),
                };
                CrossingCost {
                    endpoint: name.clone(),
                    caller_service: services[from as usize].to_owned(),
                    caller: recording.modules[caller as usize].clone(),
                    callee_service: services[to as usize].to_owned(),
                    callee: match statement {
                        Some(text) => recording.statement_texts[text as usize].in_words(),
                        None => recording.function_name(&recording.functions[function as usize]),
                    },
                    readiness: sum.readiness,
                    calls_per_request: sum.calls / requests,
                    bytes_per_call: sum.bytes / sum.calls,
                    cpu_micros_per_call: sum.cpu_nanos / sum.calls / 1e3,
                    added_ms_per_request: sum.wall_nanos / requests / 1e6,
                    fixed_ms_per_request: sum.fixed_nanos / requests / 1e6,
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
    readiness: Readiness,
    calls: f64,
    bytes: f64,
    cpu_nanos: f64,
    wall_nanos: f64,
    fixed_nanos: f64,
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

/// Returns the share of an endpoint's measured requests that failed.
fn failing_share(runs: &[Outcome], endpoint: u32) -> f64 {
    let failed = runs.iter().flat_map(|run| &run.failed).filter(|of| **of == endpoint).count();
    let answered = runs.iter().flat_map(|run| &run.responses).filter(|(of, _)| *of == endpoint).count();
    failed as f64 / (failed + answered).max(1) as f64
}

fn response(replications: &[Vec<f64>]) -> Option<ResponseTimes> {
    let at = |q: f64| {
        let values: Vec<f64> = replications.iter().filter_map(|times| quantile(times, q)).collect();
        Interval::of(&values)
    };
    Some(ResponseTimes {
        p50_ms: at(0.5)?,
        p90_ms: at(0.9)?,
        p99_ms: Some(at(0.99)?),
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
