//! Replays of recorded requests in the engine, at the speed of the machine that the prediction is for.

use splitcost_model::calibration::Linear;
use splitcost_model::policy::Fault;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Recording, Request};
use splitcost_model::split::Split;

use super::Error;
use super::network::ServicePairs;
use super::server::{FittedServer, own_shares};
use crate::compile::{CallForm, Compiled, Compiler, Crossing};
use crate::cost::CostModel;
use crate::demand::{Demand, demand};
use crate::engine::{LoadPattern, Outcome, Run, simulate};
use crate::program::{Cost, Cpu, Machine};

/// The payload of one packet.
///
/// Spec: Ethernet's 1,500 bytes without the headers of IPv4 and TCP with timestamps.
const PACKET_BYTES: f64 = 1_448.0;

/// The requests of a recording that are replayed, and the work and waits of each.
pub(super) struct ReplayedRequests<'a> {
    /// The names of the endpoints in ascending order.
    pub(super) endpoints: Vec<String>,
    /// The successful requests that were alone in their process; all successful ones where the recording has none.
    pub(super) requests: Vec<&'a Request>,
    /// The share of each request's CPU time that is the app's own, not the recorder's.
    pub(super) own_shares: Vec<f64>,
    demands: Vec<Demand>,
}

impl<'a> ReplayedRequests<'a> {
    pub(super) fn of(recording: &'a Recording) -> Result<Self, Error> {
        let lone = recording.meta.phases.iter().position(|phase| phase.is_lone() && !phase.bare);
        let ok = |r: &&Request| !recording.has_failed(r) && !r.calls.is_empty();
        let mut requests: Vec<&Request> = match lone {
            Some(phase) => recording.requests.iter().filter(|r| r.phase == Some(phase as u32)).filter(ok).collect(),
            None => Vec::new(),
        };
        let alone = !requests.is_empty();
        if !alone {
            requests = recording.requests.iter().filter(ok).collect();
        }
        if requests.is_empty() {
            return Err(Error::NoRequests);
        }
        let mut endpoints: Vec<String> = requests.iter().map(|r| r.endpoint.clone()).collect();
        endpoints.sort();
        endpoints.dedup();
        let by_endpoint = own_shares(&recording.meta, &requests, &endpoints);
        let own_shares: Vec<f64> = requests.iter().map(|r| by_endpoint[number(&endpoints, r) as usize]).collect();
        let demands =
            requests.iter().zip(&own_shares).map(|(r, &own)| demand(recording, r, alone).scale_cpu(own)).collect();
        Ok(Self { endpoints, requests, own_shares, demands })
    }

    /// Returns the programs of the requests under a split.
    pub(super) fn compile(&self, recording: &Recording, split: &Split, form: CallForm) -> Compiled {
        let requests: Vec<(&Request, &Demand, u32)> =
            self.requests.iter().zip(&self.demands).map(|(r, d)| (*r, d, number(&self.endpoints, r))).collect();
        Compiler::new(recording, split, &self.endpoints, form).compile(&requests)
    }
}

fn number(endpoints: &[String], request: &Request) -> u32 {
    endpoints.binary_search(&request.endpoint).unwrap_or_default() as u32
}

/// The circumstances of one run of the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunConditions {
    /// The first call to a service finds it cold.
    pub(super) cold: bool,
    /// The extra CPU time of each request because its process was idle; nanoseconds.
    pub(super) cold_nanos: f64,
    /// The factor by which the machine is slower than while recording.
    pub(super) slow: f64,
    pub(super) pattern: LoadPattern,
    /// The number of requests that are measured, and of those before measuring begins.
    pub(super) requests: (u64, u64),
    /// A fault, with its begin and its end.
    pub(super) fault: Option<(Fault, Nanos, Nanos)>,
}

/// The deployment in which programs are replayed.
pub(super) struct Deployment<'a> {
    pub(super) host_cores: usize,
    pub(super) split: &'a Split,
    pub(super) pairs: &'a ServicePairs,
    pub(super) server: &'a FittedServer,
    /// The seed of replication 0; the others follow it.
    pub(super) seed: u64,
}

impl Deployment<'_> {
    /// Returns the costs of all crossings at the recording's speed of a machine that is `slow` times slower.
    pub(super) fn costs(&self, crossings: &[Option<Crossing>], model: &CostModel, at: &RunConditions) -> Vec<Cost> {
        let entry = Cost { link: u16::MAX, ..self.server.entry(at.cold_nanos) };
        let links = self.pairs.links(self.split);
        crossings
            .iter()
            .map(|crossing| {
                let Some(c) = crossing else { return entry };
                let cost = model.get(c.client, c.handler);
                let link = self.pairs.link_of(c);
                let rate = links[usize::from(link)].bits_per_sec;
                let transmission = rate.map_or(0.0, |rate| c.bytes * 8.0 / rate * 1e9 / 2.0 / at.slow);
                let idle = if at.cold { cost.after_idle(c.nth) } else { [0.0; 3] };
                let (around, inside) = (cost.around.nanos(c.around_nanos), cost.inside.nanos(c.inside_nanos));
                let changed =
                    cost.changed_nanos_per_node.map(|nanos| if c.is_changing { nanos * c.nodes } else { 0.0 });
                let [crowded_client, crowded_server, held] = cost.crowded.nanos(c.around_nanos);
                let beyond = [0, 1, 2].map(|i| around[i] + inside[i] + changed[i]);
                let cpu = |line: Linear, side: usize, held: f64, crowded: f64| {
                    let nanos = line.nanos(c.nodes, c.bytes) + beyond[side];
                    let more = |nanos: f64| nanos.max(0.0) as u64;
                    Cpu {
                        nanos: more(nanos + idle[side]),
                        held_nanos: more(nanos + held),
                        crowded_nanos: more(nanos + crowded),
                    }
                };
                let unexplained = (cost.unexplained.nanos(c.nodes, c.bytes) + beyond[2] + idle[2]).max(0.0);
                Cost {
                    client: cpu(cost.client, 0, held, crowded_client),
                    server: cpu(cost.server, 1, crowded_server, crowded_server),
                    one_way_nanos: (unexplained / 2.0 + transmission) as u64,
                    link,
                    packets: (c.bytes / 2.0 / PACKET_BYTES).ceil() as u32,
                }
            })
            .collect()
    }

    /// Runs the engine once. A machine that is twice as slow sees the same events in twice the time: the engine runs at the
    /// recording's speed, and everything that does not slow down (arrivals, the switch interval, the scheduler's slice,
    /// links) is made faster.
    pub(super) fn replay(
        &self,
        replication: u32,
        (compiled, services): (&Compiled, usize),
        (model, pool): (&CostModel, &[u32]),
        at: &RunConditions,
    ) -> Outcome {
        let mut machine = Machine::one_host(self.host_cores as u32, services + 1);
        let limits = self.server.limits;
        for process in &mut machine.processes[1..] {
            process.workers = limits.processes();
            process.server_threads = limits.server_threads();
            process.pool_threads = limits.pool_threads();
        }
        if let Some(limit) = self.split.max_connections() {
            machine.processes.iter_mut().for_each(|process| process.connections = limit);
        }
        for nanos in [&mut machine.switch_interval_nanos, &mut machine.core_slice_nanos] {
            *nanos = (*nanos as f64 / at.slow) as u64;
        }
        let pattern = match at.pattern {
            LoadPattern::Open { reqs_per_sec } => LoadPattern::Open { reqs_per_sec: reqs_per_sec * at.slow },
            LoadPattern::OpenFor { reqs_per_sec, nanos } => {
                LoadPattern::OpenFor { reqs_per_sec: reqs_per_sec * at.slow, nanos: (nanos as f64 / at.slow) as u64 }
            }
            closed @ LoadPattern::Closed { .. } => closed,
        };
        let mut outcome = simulate(&Run {
            machine: &machine,
            programs: &compiled.programs,
            pool,
            costs: &self.costs(&compiled.crossings, model, at),
            network: &self.pairs.network(self.split, at.slow, at.fault),
            crowding: self.server.crowding,
            free_share: self.server.free_share,
            load_nanos: self.server.load_nanos,
            pattern,
            warm_up: at.requests.1,
            requests: at.requests.0,
            seed: self.seed.wrapping_add(u64::from(replication)),
        });
        let dilate = |nanos: &mut u64| *nanos = (*nanos as f64 * at.slow) as u64;
        outcome.responses.iter_mut().for_each(|(_, nanos)| dilate(nanos));
        outcome.cpu_nanos.iter_mut().for_each(dilate);
        dilate(&mut outcome.elapsed_nanos);
        dilate(&mut outcome.proxy_nanos);
        outcome.log.iter_mut().for_each(|ended| {
            dilate(&mut ended.arrived);
            dilate(&mut ended.ended);
        });
        outcome
    }
}
