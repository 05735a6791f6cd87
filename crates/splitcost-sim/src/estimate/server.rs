//! The server's own costs around a request, and the variation of CPU time with load, as a recording's phases show them.

use splitcost_model::quantity::Nanos;
use splitcost_model::recording::limit::ServerLimits;
use splitcost_model::recording::{Meta, Phase, PhaseKind, Request};
use splitcost_model::statistics::{mean, median};

use crate::program::{Cost, Cpu, Crowding};

/// The smallest share of CPU time that is the app's own; its inverse is the largest.
///
/// Chosen: apart from its looks at values, a recorder that costs more than the app was not seen, nor an app that it makes
/// faster.
const LEAST_OWN_SHARE: f64 = 0.5;

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
    /// The processes and threads that run requests.
    pub(super) limits: ServerLimits,
    /// The time of the yardstick while the requests were recorded: the speed that all times are brought to.
    pub(super) yardstick_nanos: f64,
    pub(super) open: Option<LoadedPhase>,
    pub(super) closed: Option<LoadedPhase>,
}

/// A phase with several requests in flight, brought to the mix of endpoints of the phase of lone requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LoadedPhase {
    /// Index among the phases.
    pub(super) phase: usize,
    /// CPU of a request, the server's own included.
    pub(super) cpu_nanos: f64,
    /// Completed requests per second.
    pub(super) reqs_per_sec: f64,
}

/// Returns, per endpoint, the share of the recorded CPU time that is the app's own. The recorder's is the difference between
/// the median times of lone requests with and without the recorder, after what its clocks leave out.
pub(super) fn own_shares(meta: &Meta, requests: &[&Request], endpoints: &[String]) -> Vec<f64> {
    let response = |bare, name: &str| {
        let endpoint = meta.lone_phase_of(bare)?.endpoints.iter().find(|e| e.name == name && e.ok > 0)?;
        Some(endpoint.response_nanos_p50 as f64)
    };
    let share = |name: &String| {
        let of = |value: fn(&Request) -> f64| median(requests.iter().filter(|r| r.endpoint == *name).map(|r| value(r)));
        let (whole, without) = (of(|r| (r.wall + r.left_out).as_nanos_f64())?, of(|r| r.wall.as_nanos_f64())?);
        let recorded = response(false, name)? - (whole - without);
        Some(1.0 - (recorded - response(true, name)?) / of(|r| r.process_cpu.as_nanos_f64())?)
    };
    endpoints.iter().map(|name| share(name).unwrap_or(1.0).clamp(LEAST_OWN_SHARE, 1.0 / LEAST_OWN_SHARE)).collect()
}

impl FittedServer {
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
    pub(super) fn observed(meta: &Meta, requests: &[&Request], own: &[f64]) -> Self {
        let limits = meta.limits;
        let Some(phase) = meta.lone_phase() else { return Self { limits, ..Self::default() } };
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
            limits,
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
