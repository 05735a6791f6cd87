//! The server's own costs around a request, and the variation of CPU time with load, identified from a recording's phases.

use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Meta, Phase, PhaseKind, Recording, Request};
use splitcost_model::split::Split;
use splitcost_model::statistics::{mean, median, quantile};

use super::network::ServicePairs;
use super::replay::{Deployment, ReplayedRequests, RunConditions};
use super::{CLOSED_REQUESTS, Error, OPEN_REQUESTS, by_endpoint};
use crate::compile::Compiled;
use crate::cost::CostModel;
use crate::engine::{LoadPattern, Outcome};
use crate::program::{Cost, Cpu, Crowding};

/// The largest share of CPU time without the GIL.
///
/// Chosen: Python code that holds the GIL for less than a fifth of its CPU time is not a web app.
const MOST_FREE_SHARE: f64 = 0.8;
/// The smallest share of CPU time that is the app's own; its inverse is the largest.
///
/// Chosen: a recorder that costs more than the app was not seen, nor an app that it makes faster.
const LEAST_OWN_SHARE: f64 = 0.5;
/// The largest extra time for which contending threads hold the GIL, as a share.
///
/// Chosen: threads that make each other four times slower were not seen.
const MOST_HELD: f64 = 3.0;
/// The number of bisections of each search.
///
/// Chosen: halving six times finds a share to one hundredth.
const STEPS: u32 = 6;
/// The number of turns of the two searches, each of which assumes the result of the other.
///
/// Measured: the second turn raises `held` by 5 to 10 % and lowers `beside` by 0.15 to 0.4 (examples/shop, November
/// 2026). Chosen: no third, which was not tried.
const TURNS: u32 = 2;

/// The costs of an app's own server around each request, and of contention for the GIL, fitted to one recording.
///
/// The fit simulates the monolith some thirty times. It depends on the recording, the number of cores and the seed, not on
/// the split, so one value serves every prediction from that recording.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FittedServer {
    entry: Cost,
    pub(super) load_nanos: u64,
    /// The extra CPU time of a request at the open load, which finds its process cold; nanoseconds.
    pub(super) cold_nanos: f64,
    /// The extra time that contention for the GIL takes.
    pub(super) crowding: Crowding,
    /// The share of the app's CPU time that does not hold the GIL: C code (a database, an encoder) and the kernel.
    pub(super) free_share: f64,
    /// The time of the yardstick while the requests were recorded: the speed that all times are brought to.
    pub(super) yardstick_nanos: f64,
    open: Option<LoadedPhase>,
    closed: Option<LoadedPhase>,
}

/// A phase with several requests in flight, brought to the mix of endpoints of the phase of lone requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct LoadedPhase {
    /// Index among the phases.
    phase: usize,
    /// CPU of a request, the server's own included.
    cpu_nanos: f64,
    /// Completed requests per second.
    reqs_per_sec: f64,
}

/// Returns, per endpoint, the share of the recorded CPU time that is the app's own. The recorder's is the difference between
/// the median times of lone requests with and without the recorder.
pub(super) fn own_shares(meta: &Meta, requests: &[&Request], endpoints: &[String]) -> Vec<f64> {
    let response = |bare, name: &str| {
        let endpoint = meta.lone_phase_of(bare)?.endpoints.iter().find(|e| e.name == name && e.ok > 0)?;
        Some(endpoint.response_nanos_p50 as f64)
    };
    let share = |name: &String| {
        let cpu = median(requests.iter().filter(|r| r.endpoint == *name).map(|r| r.process_cpu.as_nanos_f64()));
        Some(1.0 - (response(false, name)? - response(true, name)?) / cpu?)
    };
    endpoints.iter().map(|name| share(name).unwrap_or(1.0).clamp(LEAST_OWN_SHARE, 1.0 / LEAST_OWN_SHARE)).collect()
}

impl FittedServer {
    /// Fits the costs of the server to a recording that was made on a host with `host_cores` cores.
    ///
    /// # Errors
    /// [`Error::NoRequests`] when the recording holds no successful request.
    pub fn fit(recording: &Recording, host_cores: usize, seed: u64) -> Result<Self, Error> {
        let replayed = ReplayedRequests::of(recording)?;
        let split = Split::default();
        let monolith = replayed.compile(recording, &split, false);
        let mut fit = Fit {
            recording,
            server: Self::observed(&recording.meta, &replayed.requests, &replayed.own_shares),
            pairs: ServicePairs::of(&monolith.crossings),
            replayed: &replayed,
            monolith,
            split,
            host_cores,
            seed,
        };
        fit.run();
        Ok(fit.server)
    }

    /// Returns the share of the app's CPU time that does not hold the GIL, from 0 to 1.
    pub fn free_share(&self) -> f64 {
        self.free_share
    }

    /// Returns the costs that the phases show without a simulation, from the lone requests and the share of each one's CPU
    /// time that is the app's own.
    ///
    /// # Source
    /// Conservation: all CPU time of the app's processes in a phase belongs to that phase's requests. What lies outside
    /// the recorded requests is the server's own (parsing, the transport, the event loop).
    fn observed(meta: &Meta, requests: &[&Request], own: &[f64]) -> Self {
        let Some(phase) = meta.lone_phase() else { return Self::default() };
        let phases = &meta.phases;
        let lone_nanos = phase.app_cpu_nanos as f64 / phase.requests as f64;
        let mean_cpu = |endpoint: Option<&str>| {
            let of = requests.iter().zip(own).filter(|(r, _)| endpoint.is_none_or(|e| r.endpoint == e));
            mean(of.map(|(r, own)| r.process_cpu.as_nanos_f64() * own))
        };
        let inside = mean_cpu(None).unwrap_or_default();
        let server = (lone_nanos - inside).max(0.0);
        let load = phase.load_cpu_nanos as f64 / phase.requests as f64;
        // The same mix of endpoints as a phase really had, at the lone phase's costs.
        let expected = |p: &Phase| {
            let ok: u64 = p.endpoints.iter().map(|e| e.ok).sum();
            let sum: f64 =
                p.endpoints.iter().map(|e| e.ok as f64 * (mean_cpu(Some(&e.name)).unwrap_or(inside) + server)).sum();
            if ok == 0 { f64::NAN } else { sum / ok as f64 }
        };
        let loaded = |kind: PhaseKind| {
            let fits = |p: &Phase| p.kind == kind && p.concurrency != 1 && p.requests > 0;
            let bare = phases.iter().rposition(|p| fits(p) && p.bare);
            let index = bare.or_else(|| phases.iter().rposition(fits))?;
            let other = &phases[index];
            let dearer = expected(other) / (inside + server);
            dearer.is_finite().then_some(LoadedPhase {
                phase: index,
                cpu_nanos: other.app_cpu_nanos as f64 / other.requests as f64 / dearer,
                reqs_per_sec: other.throughput_reqs_per_sec * dearer,
            })
        };
        let gaps = phase.endpoints.iter().filter_map(|e| {
            let of = requests.iter().zip(own).filter(|(r, _)| r.endpoint == e.name);
            let walls = of.map(|(r, own)| r.wall.as_nanos_f64() - r.process_cpu.as_nanos_f64() * (1.0 - own));
            Some(e.response_nanos_p50 as f64 - median(walls)? - server - load)
        });
        let gap = Nanos::from_nanos_f64(median(gaps).unwrap_or_default());
        let open = loaded(PhaseKind::Open);
        Self {
            entry: Cost {
                client: Cpu::default(),
                server: Cpu::of(server as u64),
                one_way_nanos: gap.as_nanos() / 2,
                ..Cost::default()
            },
            load_nanos: load as u64,
            cold_nanos: open.map_or(0.0, |open| (open.cpu_nanos - lone_nanos).max(0.0)),
            yardstick_nanos: phase.yardstick_nanos,
            open,
            closed: loaded(PhaseKind::Closed),
            ..Self::default()
        }
    }

    /// Returns the costs of a request around its recorded calls.
    pub(super) fn entry(&self, cold_nanos: f64) -> Cost {
        let alone = self.entry.server.nanos as f64;
        let server = Cpu {
            nanos: (alone + cold_nanos) as u64,
            held_nanos: (alone * (1.0 + self.crowding.held / 2.0)) as u64,
            crowded_nanos: (alone * (1.0 + self.crowding.held + self.crowding.beside)) as u64,
        };
        Cost { server, ..self.entry }
    }
}

/// The monolith of a recording, simulated while its server's costs are being fitted.
struct Fit<'a> {
    recording: &'a Recording,
    replayed: &'a ReplayedRequests<'a>,
    monolith: Compiled,
    split: Split,
    pairs: ServicePairs,
    host_cores: usize,
    seed: u64,
    server: FittedServer,
}

impl Fit<'_> {
    /// Finds the unknowns that no event shows, by simulating the monolith: the share of CPU time without the GIL, at which it
    /// answers as fast as it did in the recording's open loop; the extra time for which contending threads hold the GIL, and
    /// the CPU beside it, at which it completes as many requests in closed loop, for as much CPU; and the CPU that remains,
    /// which is that of cold processes.
    fn run(&mut self) {
        for _ in 0..TURNS {
            if let Some(loaded) = self.server.closed {
                self.fit_crowding(loaded);
            }
            if let Some(loaded) = self.server.open {
                self.fit_free_share(loaded);
            }
        }
    }

    fn fit_crowding(&mut self, loaded: LoadedPhase) {
        self.server.crowding.beside = 0.0;
        self.server.crowding.held = halve(MOST_HELD, |held| {
            self.server.crowding.held = held;
            self.as_recorded(loaded).throughput_reqs_per_sec() > loaded.reqs_per_sec
        });
        // What is computed beside takes nobody's time, so CPU is linear in it.
        let mut cpu_nanos = |beside| {
            self.server.crowding.beside = beside;
            self.as_recorded(loaded).cpu_secs_per_request() * 1e9
        };
        let (without, with) = (cpu_nanos(0.0), cpu_nanos(1.0));
        let beside = (loaded.cpu_nanos - without) / (with - without);
        self.server.crowding.beside = if beside.is_finite() { beside.clamp(-1.0, MOST_HELD) } else { 0.0 };
    }

    fn fit_free_share(&mut self, loaded: LoadedPhase) {
        self.server.free_share = halve(MOST_FREE_SHARE, |share| {
            self.server.free_share = share;
            let outcome = self.as_recorded(loaded);
            let simulated = outcome.cpu_secs_per_request() * 1e9;
            self.server.cold_nanos = (self.server.cold_nanos + loaded.cpu_nanos - simulated).max(0.0);
            self.is_slower(&outcome, &self.recording.meta.phases[loaded.phase])
        });
    }

    /// Simulates the monolith under the load of a recorded phase.
    fn as_recorded(&self, loaded: LoadedPhase) -> Outcome {
        let phase = &self.recording.meta.phases[loaded.phase];
        let closed = phase.kind == PhaseKind::Closed;
        let at = RunConditions {
            cold: !closed,
            cold_nanos: if closed { 0.0 } else { self.server.cold_nanos },
            slow: 1.0,
            pattern: if closed {
                LoadPattern::Closed { concurrency: phase.concurrency }
            } else {
                LoadPattern::Open { reqs_per_sec: phase.rate_reqs_per_sec }
            },
            requests: if closed { CLOSED_REQUESTS } else { OPEN_REQUESTS },
            fault: None,
        };
        let pool: Vec<u32> = (0..self.replayed.requests.len() as u32).collect();
        let deployment = Deployment {
            host_cores: self.host_cores,
            split: &self.split,
            pairs: &self.pairs,
            server: &self.server,
            seed: self.seed,
        };
        deployment.replay(0, (&self.monolith, 1), (&CostModel::default(), &pool), &at)
    }

    /// Returns whether the monolith is simulated to answer more slowly than recorded: medians, each endpoint weighted by its
    /// requests.
    fn is_slower(&self, outcome: &Outcome, phase: &Phase) -> bool {
        let endpoints = &self.replayed.endpoints;
        let simulated = by_endpoint(std::slice::from_ref(outcome), endpoints.len());
        let off: f64 = phase
            .endpoints
            .iter()
            .filter_map(|recorded| {
                let index = endpoints.iter().position(|name| *name == recorded.name)?;
                let median_nanos = quantile(&simulated[index][0], 0.5)? * 1e6;
                (recorded.ok > 0).then(|| recorded.ok as f64 * (median_nanos / recorded.response_nanos_p50 as f64).ln())
            })
            .sum();
        off > 0.0
    }
}

/// Returns the point between 0 and `most` from which on a condition that holds at first holds no more.
fn halve(most: f64, mut holds: impl FnMut(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}
