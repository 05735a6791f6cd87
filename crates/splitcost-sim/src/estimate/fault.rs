//! The outcome of requests while the services that others call are faulty.

use splitcost_model::fault::{Attempts, EndedRequest, EndpointUnderFault, FaultEstimate, UnderFault};
use splitcost_model::policy::FaultPlan;
use splitcost_model::quantity::Nanos;
use splitcost_model::statistics::median;

use super::{CompiledScenario, Error, Progress, RunConditions, Scenario, replicate};
use crate::compile::Crossing;
use crate::engine::{End, LoadPattern, Outcome};

/// Predicts the outcome of requests during a fault, at an arrival rate and under the split's policy. Each service is up for
/// the share `availability` of the time. The calls are those that a rehearsal makes remotely, so that both can be compared.
pub fn estimate_fault(
    scenario: &Scenario<'_>,
    load_reqs_per_sec: f64,
    plan: &FaultPlan,
    availability: f64,
    progress: Progress<'_>,
) -> Result<FaultEstimate, Error> {
    let input = CompiledScenario::new(scenario)?;
    let fault = plan.made(scenario.split.max_connections(), input.calls_per_request() * load_reqs_per_sec);
    let until = plan.before + plan.lasts;
    let at = RunConditions {
        cold: true,
        cold_nanos: input.server.cold_nanos,
        slow: scenario.slowness,
        pattern: LoadPattern::OpenFor { reqs_per_sec: load_reqs_per_sec, nanos: plan.load().as_nanos() },
        requests: (u64::MAX, 0),
        fault: Some((fault, plan.before, until)),
    };
    let outcomes = replicate(
        scenario,
        |replication| {
            let (model, pool) = input.draw(scenario, replication);
            let split = (input.rehearsed.as_ref().unwrap_or(&input.split), scenario.split.service_names().len());
            input.deployment(scenario).replay(replication, split, (&model, &pool), &at)
        },
        progress,
    )?;
    let mut endpoints: Vec<EndpointUnderFault> = input
        .endpoints
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let services = input.services_needed(index as u32);
            EndpointUnderFault {
                name: name.clone(),
                services_needed: services,
                availability_percent: 100.0 * availability.powf(f64::from(services)),
                outcome: of_endpoint(&outcomes, index, plan.before, until),
            }
        })
        .collect();
    endpoints.sort_by(|a, b| b.services_needed.cmp(&a.services_needed).then_with(|| a.name.cmp(&b.name)));
    Ok(FaultEstimate { endpoints })
}

/// Returns the figures of all replications together, except for the recovery, which is the median of theirs.
fn of_endpoint(outcomes: &[Outcome], endpoint: usize, from: Nanos, until: Nanos) -> UnderFault {
    let (from, until) = (from.as_secs_f64(), until.as_secs_f64());
    let ended = |outcome: &Outcome| -> Vec<EndedRequest> {
        let mine = outcome.log.iter().filter(|ended| ended.endpoint as usize == endpoint);
        mine.map(|ended| EndedRequest {
            at_secs: ended.arrived as f64 / 1e9,
            took_secs: (ended.ended - ended.arrived) as f64 / 1e9,
            ok: ended.end == End::Answered,
            stuck: ended.end == End::Unanswered,
        })
        .collect()
    };
    let mut attempts = Attempts::default();
    for more in outcomes.iter().filter_map(|outcome| outcome.attempts.get(endpoint)) {
        attempts += *more;
    }
    let all: Vec<EndedRequest> = outcomes.iter().flat_map(ended).collect();
    let together = UnderFault::of(&all, from, until, attempts);
    let alone =
        outcomes.iter().map(|outcome| UnderFault::of(&ended(outcome), from, until, Attempts::default()).recovery_secs);
    let median = median(alone.map(|secs| secs.unwrap_or(f64::INFINITY))).filter(|secs| secs.is_finite());
    UnderFault { requests: together.requests / outcomes.len().max(1) as u64, recovery_secs: median, ..together }
}

impl CompiledScenario<'_> {
    fn crossings_of(&self, endpoint: u32) -> impl Iterator<Item = &Crossing> {
        self.split.crossings.iter().flatten().filter(move |crossing| crossing.endpoint == endpoint)
    }

    /// Returns the number of calls between services per request.
    pub(super) fn calls_per_request(&self) -> f64 {
        self.split.crossings.iter().flatten().count() as f64 / self.requests.len().max(1) as f64
    }

    /// Returns the number of services that a request of an endpoint can need, the one that it comes to included.
    fn services_needed(&self, endpoint: u32) -> u32 {
        let mut services: Vec<u16> =
            self.crossings_of(endpoint).flat_map(|c| [c.caller_service, c.callee_service]).collect();
        services.sort_unstable();
        services.dedup();
        services.len().max(1) as u32
    }
}
