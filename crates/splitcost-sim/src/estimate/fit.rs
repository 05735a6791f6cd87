//! The fit of the server's costs that no recorded event shows, by simulating the monolith under the recorded load.

use splitcost_model::recording::{Phase, PhaseKind, Recording};
use splitcost_model::split::Split;
use splitcost_model::statistics::quantile;

use super::network::ServicePairs;
use super::replay::{Deployment, ReplayedRequests, RunConditions};
use super::server::{FittedServer, LoadedPhase};
use super::{CLOSED_REQUESTS, Error, OPEN_REQUESTS, by_endpoint};
use crate::compile::Compiled;
use crate::cost::CostModel;
use crate::engine::{LoadPattern, Outcome};

/// The largest share of CPU time without the GIL.
///
/// Chosen: Python code that holds the GIL for less than a fifth of its CPU time is not a web app.
const MOST_FREE_SHARE: f64 = 0.8;
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

impl FittedServer {
    /// Fits the costs of the server to a recording that was made on a host with `host_cores` cores.
    ///
    /// # Errors
    /// [`Error::NoRequests`] when the recording holds no successful request.
    pub fn fit(recording: &Recording, host_cores: usize, seed: u64) -> Result<Self, Error> {
        let replayed = ReplayedRequests::of(recording)?;
        let split = Split::default();
        let monolith = replayed.compile(recording, &split, crate::compile::CallForm::default());
        let mut fit = Fit {
            recording,
            server: Self::observed(&recording.meta, &replayed.requests, &replayed.own_shares),
            pairs: ServicePairs::of(std::iter::empty()),
            replayed: &replayed,
            monolith,
            split,
            host_cores,
            seed,
        };
        fit.run();
        Ok(fit.server)
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
