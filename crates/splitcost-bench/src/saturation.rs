//! The saturation of an endpoint: the arrival rate of an open loop rises until a queue grows, and a search then narrows the
//! bounds.

use splitcost_lab::{Cancel, Progress, Step};
use splitcost_load::{Arrivals, Mode, Plan};
use splitcost_model::bench::{Saturation, SaturationStep};
use splitcost_model::quantity::Nanos;

use crate::endpoint::Endpoint;
use crate::measure::Run;
use crate::{Error, Result};

/// The ratio of the bounds at the end of the search.
///
/// Chosen: a shared machine changes its speed by more.
const CLOSE: f64 = 1.1;
/// The least throughput of an endpoint that keeps up, as a share of the arrivals.
///
/// Chosen: below it more is missing than a few requests at the edges of the window.
const KEPT_UP: f64 = 0.95;
/// The p99 of a saturated endpoint, as a multiple of its p99 under light load.
///
/// Chosen: with random arrivals and service times (M/M/1), p99 is ten times that of an idle server at 90 % utilization.
const EXPLODED: f64 = 10.0;
/// The largest share of failed requests of an endpoint that keeps up.
///
/// Chosen: a server that fails more than one request in a hundred does not take the load.
const MOST_FAILED: f64 = 0.01;
/// The first rate, as a share of the throughput in closed loop.
///
/// Chosen: light enough for its response times to be those of an idle server, and the knee is three doublings away.
const LIGHT: f64 = 0.125;
/// The number of spoiled runs of one rate at which the search ends.
///
/// Chosen: a machine that pauses spoils one or two, a generator that is too slow spoils all.
const MOST_LATE: u32 = 3;
/// The most rates of a search.
///
/// Chosen: four times the throughput in closed loop is never sustained; a search of so many rates measures nothing.
const MOST_STEPS: usize = 24;

/// Searches the highest arrival rate that an endpoint sustains. `plan` is the closed loop at the beginning, and the length
/// of each step. A rate counts as too high when two runs saturate.
pub fn find_saturation(
    endpoint: &Endpoint,
    plan: &Plan,
    arrivals: Arrivals,
    step_secs: f64,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Saturation> {
    // Planned: the closed loop, four rates up, one of them twice, and three in between.
    let mut step = Step { total_secs: 9.0 * step_secs, ..Step::default() };
    let mut drive = |label: String, plan: &Plan| {
        step.label = label;
        let base = step.done_secs;
        step.total_secs = step.total_secs.max(base + step_secs);
        let run = Run::of(endpoint, plan, cancel, &mut |progressed| {
            step.done_secs = base + progressed.fraction * step_secs;
            progress(&step);
        })?;
        step.done_secs = base + step_secs;
        cancel.check()?;
        Ok::<_, Error>(run)
    };
    let closed = drive("bench: closed loop".to_owned(), plan)?;
    let capacity = closed.outcome.throughput_reqs_per_sec();
    let mut found =
        Saturation { url: endpoint.url.clone(), closed_loop_reqs_per_sec: capacity, ..Saturation::default() };
    if closed.outcome.ok() == 0 {
        let failed = closed.outcome.endpoints.iter().find_map(|endpoint| endpoint.failed.iter().next());
        let answer = failed.map_or("by nobody".to_owned(), |(kind, _)| kind.to_string());
        return Err(Error::AllFailed { url: endpoint.url.clone(), answer });
    }
    let mut light_p99 = None;
    let mut rate = capacity * LIGHT;
    while found.steps.len() < MOST_STEPS {
        let (mut tries, mut late) = (0, 0);
        let saturated = loop {
            let seed_offset = plan.seed_offset.wrapping_add(found.steps.len() as u64 + 1);
            let open = Plan { mode: Mode::Open { reqs_per_sec: rate, arrivals }, seed_offset, ..plan.clone() };
            let run = match drive(format!("bench: {rate:.0} requests/s"), &open) {
                Ok(run) => run,
                // The rates before the interruption are an answer.
                Err(Error::Cancelled) if found.steps.len() > 1 => {
                    found.invalid = Some("it was interrupted".to_owned());
                    return Ok(found);
                }
                Err(error) => return Err(error),
            };
            if let Some(reason) = run.outcome.too_slow() {
                late += 1;
                if late == MOST_LATE {
                    found.invalid = Some(format!("at {rate:.0} requests/s {reason}"));
                    return Ok(found);
                }
                continue;
            }
            let judged = judged(&run, rate, light_p99);
            let saturated = judged.saturated.clone();
            found.steps.push(judged);
            tries += 1;
            // A pause of the machine is not a saturated server.
            if saturated.is_none() || tries == 2 {
                break saturated;
            }
        };
        match saturated {
            None => found.sustained_reqs_per_sec = Some(rate),
            Some(reason) => {
                found.saturated_reqs_per_sec = Some(rate);
                found.reason = Some(reason);
            }
        }
        light_p99 = light_p99.or(found.steps.last().map(|step| step.response_p99_ms));
        rate = match (found.sustained_reqs_per_sec, found.saturated_reqs_per_sec) {
            (Some(low), Some(high)) if high <= low * CLOSE => return Ok(found),
            (Some(low), Some(high)) => (low * high).sqrt(),
            (Some(low), None) => low * 2.0,
            (None, _) => rate / 2.0,
        };
    }
    found.invalid = Some(format!("no knee was found within {MOST_STEPS} steps"));
    Ok(found)
}

/// Returns the figures of one rate, with the reason if it was too high.
fn judged(run: &Run, rate: f64, light_p99_ms: Option<f64>) -> SaturationStep {
    let outcome = &run.outcome;
    let (ok, failed) = (outcome.ok(), outcome.failed());
    let secs = outcome.window.as_secs_f64().max(1e-9);
    let at = |q| run.response.quantile(q).map_or(0.0, Nanos::as_millis_f64);
    let step = SaturationStep {
        rate_reqs_per_sec: rate,
        arrivals_reqs_per_sec: (ok + failed) as f64 / secs,
        throughput_reqs_per_sec: outcome.throughput_reqs_per_sec(),
        response_p50_ms: at(0.5),
        response_p99_ms: at(0.99),
        failed,
        saturated: None,
    };
    SaturationStep { saturated: beyond_the_knee(&step, ok, light_p99_ms), ..step }
}

fn beyond_the_knee(step: &SaturationStep, ok: u64, light_p99_ms: Option<f64>) -> Option<String> {
    let SaturationStep { arrivals_reqs_per_sec: arrivals, throughput_reqs_per_sec: throughput, .. } = *step;
    if step.failed as f64 > MOST_FAILED * (ok + step.failed) as f64 {
        return Some(format!("{} of {} requests failed", step.failed, ok + step.failed));
    }
    if throughput < KEPT_UP * arrivals {
        return Some(format!("throughput, {throughput:.0} requests/s, falls behind the arrivals, {arrivals:.0}"));
    }
    let light = light_p99_ms?;
    (step.response_p99_ms > EXPLODED * light).then(|| {
        format!(
            "p99 explodes: {:.3} ms, {:.0} times that under light load",
            step.response_p99_ms,
            step.response_p99_ms / light
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_criterion_names_itself() {
        let step = SaturationStep {
            rate_reqs_per_sec: 100.0,
            arrivals_reqs_per_sec: 100.0,
            throughput_reqs_per_sec: 99.0,
            response_p99_ms: 20.0,
            ..SaturationStep::default()
        };
        let why = |step: &SaturationStep| beyond_the_knee(step, 300, Some(3.0)).unwrap_or_default();
        assert_eq!(why(&step), "");
        let behind = SaturationStep { throughput_reqs_per_sec: 90.0, ..step.clone() };
        assert_eq!(why(&behind), "throughput, 90 requests/s, falls behind the arrivals, 100");
        let slow = SaturationStep { response_p99_ms: 33.0, ..step.clone() };
        assert_eq!(why(&slow), "p99 explodes: 33.000 ms, 11 times that under light load");
        assert_eq!(beyond_the_knee(&slow, 300, None), None);
        let failing = SaturationStep { failed: 30, ..step };
        assert_eq!(why(&failing), "30 of 330 requests failed");
    }
}
