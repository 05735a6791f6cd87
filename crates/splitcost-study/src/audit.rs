//! The audit of a rehearsal: the calls that were predicted against those that were answered, and the likely causes of a
//! difference.

use splitcost_lab::rehearse::AnsweredCalls;
use splitcost_model::audit::{Audit, CallSite};
use splitcost_model::boundary::Execution;
use splitcost_model::estimate::CannotCross;
use splitcost_model::recording::Recording;
use splitcost_model::split::Split;
use splitcost_sim::estimate::count_calls;

/// Compares the calls of the recording's audit with those that a rehearsed split answered for the same requests. `met` are
/// the values that could not cross in the rehearsal.
pub fn audit(recording: &Recording, split: &Split, answered: &AnsweredCalls, met: &[CannotCross]) -> Audit {
    let predicted = count_calls(recording, split, Execution::Rehearsed, recording.audited());
    Audit::of(&predicted, &answered.counted, |site, expected, counted| {
        cause(site, expected, counted, answered, met).to_owned()
    })
}

fn cause<'a>(
    site: &CallSite,
    expected: f64,
    counted: f64,
    answered: &AnsweredCalls,
    met: &'a [CannotCross],
) -> &'a str {
    if let Some(call) = met.iter().find(|call| call.callee == site.callee) {
        return &call.reason;
    }
    if answered.cached.contains(&site.callee) {
        return "its results are cached: the recording saw the calls that the cache did not answer, and a service \
                answers every call";
    }
    if expected == 0.0 {
        return "the recorded requests did not make this call: they took another branch, or its caller ran elsewhere";
    }
    if counted == 0.0 {
        return "the services made this call inside one process: the caller holds the function itself (an import \
                inside its own module, a decorator, a callback), or it ran outside a request";
    }
    "the services took other branches than the recorded requests: state that each service has for itself, such as a \
     cache"
}
