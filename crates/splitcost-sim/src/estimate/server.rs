//! The server's own costs around a request, and how CPU cost varies with load: identified from a recording's phases.

use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Meta, Phase, Request};
use splitcost_model::statistics::{mean, median, quantile};

use super::{CLOSED_REQUESTS, Conditions, Input, OPEN_REQUESTS, Scenario, by_endpoint};
use crate::cost::CostModel;
use crate::engine::{Outcome, Source};
use crate::program::{Cost, Cpu, Crowding};

/// Chosen: Python code that holds the GIL for less than a fifth of its CPU time is not a web app.
const MOST_FREE_SHARE: f64 = 0.8;
/// Chosen: a recorder that costs more than the app was not seen, nor an app that it makes faster.
const LEAST_OWN_SHARE: f64 = 0.5;
/// Chosen: threads that make each other four times slower were not seen.
const MOST_HELD: f64 = 3.0;
/// Chosen: halving six times finds a share to one hundredth.
const STEPS: u32 = 6;
/// How often the two searches, each of which assumes what the other found, take turns.
///
/// Measured: the second turn raises `held` by 5 to 10 % and lowers `beside` by 0.15 to 0.4 (examples/shop, November
/// 2026). Chosen: no third, which was not tried.
const TURNS: u32 = 2;

/// What holds for all requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Server {
    entry: Cost,
    pub(super) load_nanos: u64,
    /// Nanoseconds of CPU that a request costs more at the open load: it finds the process cold.
    pub(super) cold_nanos: f64,
    /// What contention for the GIL adds.
    pub(super) crowding: Crowding,
    /// Share of the app's CPU time that does not hold the GIL: C code (a database, an encoder) and the kernel.
    pub(super) free_share: f64,
    /// What the yardstick cost while the requests were recorded: the speed that all times are brought to.
    pub(super) yardstick_nanos: f64,
    open: Option<Seen>,
    closed: Option<Seen>,
}

/// A phase under other load than a lone request's, brought to the lone phase's mix of endpoints.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Its place among the phases.
    phase: usize,
    /// CPU of a request, the server's own included.
    cpu_nanos: f64,
    /// Completed.
    reqs_per_sec: f64,
}

/// Per endpoint, the share of the recorded CPU time that is the app's own, not the recorder's: what lone requests took
/// longer than without the recorder, in the median, is the recorder's.
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

impl Server {
    /// Of the lone requests, with the share of each one's CPU time that is the app's own.
    ///
    /// # Source
    /// Conservation: all CPU time of the app's processes in a phase belongs to that phase's requests. What lies outside
    /// the recorded requests is the server's own (parsing, the transport, the event loop).
    pub(super) fn of(meta: &Meta, requests: &[&Request], own: &[f64]) -> Self {
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
        let seen = |kind: &str| {
            let fits = |p: &Phase| p.kind == kind && p.concurrency != 1 && p.requests > 0;
            let bare = phases.iter().rposition(|p| fits(p) && p.bare);
            let index = bare.or_else(|| phases.iter().rposition(fits))?;
            let other = &phases[index];
            let dearer = expected(other) / (inside + server);
            dearer.is_finite().then_some(Seen {
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
        let open = seen("open");
        Self {
            entry: Cost {
                client: Cpu::default(),
                server: Cpu::of(server as u64),
                one_way_nanos: gap.as_nanos() / 2,
                ..Cost::default()
            },
            load_nanos: load as u64,
            cold_nanos: open.map_or(0.0, |seen| (seen.cpu_nanos - lone_nanos).max(0.0)),
            yardstick_nanos: phase.yardstick_nanos,
            open,
            closed: seen("closed"),
            ..Self::default()
        }
    }

    /// What a request costs around what was recorded of it.
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

impl Input<'_> {
    /// Finds what no event tells: the share of CPU time without the GIL, at which the monolith, simulated in the
    /// recording's open loop, answers as fast as it was recorded to; how much longer threads that contend for the GIL
    /// hold it, and what they compute beside, at which it completes as many requests in closed loop, for as much CPU;
    /// and the CPU that remains, of cold processes.
    pub(super) fn fit(&mut self, scenario: &Scenario<'_>) {
        for _ in 0..TURNS {
            if let Some(seen) = self.server.closed {
                self.fit_crowding(scenario, seen);
            }
            if let Some(seen) = self.server.open {
                self.fit_free_share(scenario, seen);
            }
        }
    }

    fn fit_crowding(&mut self, scenario: &Scenario<'_>, seen: Seen) {
        self.server.crowding.beside = 0.0;
        self.server.crowding.held = halve(MOST_HELD, |held| {
            self.server.crowding.held = held;
            self.as_recorded(scenario, seen).throughput_reqs_per_sec() > seen.reqs_per_sec
        });
        // What is computed beside takes nobody's time, so CPU is linear in it.
        let mut cpu_nanos = |beside| {
            self.server.crowding.beside = beside;
            self.as_recorded(scenario, seen).cpu_secs_per_request() * 1e9
        };
        let (without, with) = (cpu_nanos(0.0), cpu_nanos(1.0));
        let beside = (seen.cpu_nanos - without) / (with - without);
        self.server.crowding.beside = if beside.is_finite() { beside.clamp(-1.0, MOST_HELD) } else { 0.0 };
    }

    fn fit_free_share(&mut self, scenario: &Scenario<'_>, seen: Seen) {
        self.server.free_share = halve(MOST_FREE_SHARE, |share| {
            self.server.free_share = share;
            let outcome = self.as_recorded(scenario, seen);
            let simulated = outcome.cpu_secs_per_request() * 1e9;
            self.server.cold_nanos = (self.server.cold_nanos + seen.cpu_nanos - simulated).max(0.0);
            self.is_slower(&outcome, &scenario.recording.meta.phases[seen.phase])
        });
    }

    /// The monolith under the load of a recorded phase.
    fn as_recorded(&self, scenario: &Scenario<'_>, seen: Seen) -> Outcome {
        let phase = &scenario.recording.meta.phases[seen.phase];
        let closed = phase.kind == "closed";
        let at = Conditions {
            cold: !closed,
            cold_nanos: if closed { 0.0 } else { self.server.cold_nanos },
            slow: 1.0,
            source: if closed {
                Source::Closed { concurrency: phase.concurrency }
            } else {
                Source::Open { reqs_per_sec: phase.rate_reqs_per_sec }
            },
            requests: if closed { CLOSED_REQUESTS } else { OPEN_REQUESTS },
            fault: None,
        };
        let pool: Vec<u32> = (0..self.requests.len() as u32).collect();
        self.simulate(scenario, 0, (&self.baseline, 1), (&CostModel::default(), &pool), &at)
    }

    /// Whether the monolith is simulated to answer more slowly than recorded: medians, each endpoint by its requests.
    fn is_slower(&self, outcome: &Outcome, phase: &Phase) -> bool {
        let simulated = by_endpoint(std::slice::from_ref(outcome), self.endpoints.len());
        let off: f64 = phase
            .endpoints
            .iter()
            .filter_map(|recorded| {
                let index = self.endpoints.iter().position(|name| *name == recorded.name)?;
                let median_nanos = quantile(&simulated[index][0], 0.5)? * 1e6;
                (recorded.ok > 0).then(|| recorded.ok as f64 * (median_nanos / recorded.response_nanos_p50 as f64).ln())
            })
            .sum();
        off > 0.0
    }
}

/// Where between 0 and `most` something that holds at first holds no more.
fn halve(most: f64, mut holds: impl FnMut(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}
