//! The audit of a rehearsal: the calls that were predicted against those that were answered, and the likely causes of a
//! difference.

use splitcost_lab::rehearse::AnsweredCalls;
use splitcost_model::audit::{Audit, CallSite};
use splitcost_model::boundary::Execution;
use splitcost_model::estimate::CannotCross;
use splitcost_model::number::count;
use splitcost_model::recording::{Recording, Request};
use splitcost_model::split::Split;
use splitcost_sim::estimate::count_calls;

/// Compares the calls of the recording's audit with those that a rehearsed split answered for the same requests. `met` are
/// the values that could not cross in the rehearsal.
pub fn audit(recording: &Recording, split: &Split, answered: &AnsweredCalls, met: &[CannotCross]) -> Audit {
    let predicted = count_calls(recording, split, Execution::Rehearsed, recording.audited());
    Audit::of(&predicted, &answered.counted, |site, expected, counted| {
        let calls = DifferentCalls { site, predicted: expected, answered: counted };
        cause(recording, &calls, answered, met)
    })
}

/// Calls of which others were answered than were predicted, per request.
struct DifferentCalls<'a> {
    site: &'a CallSite,
    predicted: f64,
    answered: f64,
}

fn cause(recording: &Recording, calls: &DifferentCalls<'_>, answered: &AnsweredCalls, met: &[CannotCross]) -> String {
    let site = calls.site;
    if !answered.counted.requests.contains_key(&site.endpoint) {
        return "the rehearsal sent no request to this endpoint: if the workload has changed since the recording, record \
                again"
            .to_owned();
    }
    if let Some(call) = met.iter().find(|call| call.callee == site.callee) {
        return call.reason.clone();
    }
    if let Some(late) = answered.late.get(&(site.endpoint.clone(), site.callee.clone())) {
        return format!(
            "{} of its answers came when the caller had given up: it may have waited for a lock that its caller held",
            count(*late)
        );
    }
    if let Some(failed) = answered.failed.get(&site.endpoint) {
        return format!("in the split {failed}, and calls after that are not made");
    }
    if answered.cached.contains(&site.callee) {
        return "its results are cached: the recording saw the calls that the cache did not answer, and a service \
                answers every call"
            .to_owned();
    }
    if calls.predicted == 0.0 {
        return unpredicted(recording, site);
    }
    if calls.answered == 0.0 {
        return "the services made this call inside one process: the caller holds the function itself (an import \
                inside its own module, a decorator, a callback), or it ran outside a request"
            .to_owned();
    }
    format!("the services took other branches than the recorded requests: {}", own_state(recording))
}

/// Returns the likely cause of calls that no request of the recording's audit was predicted to send.
fn unpredicted(recording: &Recording, site: &CallSite) -> String {
    let functions = &recording.functions;
    let is_callee: Vec<bool> =
        functions.iter().map(|function| recording.function_name(function) == site.callee).collect();
    let makes_it = |request: &&Request| request.calls.iter().any(|call| is_callee[call.function as usize]);
    let of_endpoint = |request: &&Request| request.endpoint == site.endpoint;
    if recording.audited().filter(of_endpoint).any(|request| makes_it(&request)) {
        return "the recorded requests made this call, predicted to stay inside one service: its caller ran elsewhere, or \
                could send it nevertheless"
            .to_owned();
    }
    let recorded = recording.of_workload().filter(of_endpoint);
    let made = recorded.clone().filter(makes_it).count();
    if made == 0 {
        return "the recorded requests did not make this call: they took another branch, or its caller ran elsewhere"
            .to_owned();
    }
    format!(
        "{} of {} recorded requests of this endpoint made this call, but none of the audit's: {}",
        count(made as u64),
        count(recorded.count() as u64),
        own_state(recording)
    )
}

/// Returns the state on which branches depend that differ between a recording and a rehearsal, with the remedy if there is one.
fn own_state(recording: &Recording) -> String {
    match recording.meta.limits.processes() {
        1 => "state that each service has for itself, such as a cache".to_owned(),
        processes => format!(
            "state that each of the {} worker processes has for itself, such as a cache; start the app with one worker to \
             record and rehearse it",
            count(processes.into())
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use splitcost_model::audit::CountedCalls;
    use splitcost_model::quantity::Nanos;
    use splitcost_model::recording::limit::Limit;
    use splitcost_model::recording::{Call, Function, Payload, Phase, Segment};

    use super::*;

    /// Two requests of the audit and four later ones, all of one endpoint; by request, true if it calls the other service.
    fn recording(crossing: [bool; 6]) -> Recording {
        let modules = ["(framework)", "shop.web", "shop.pricing"];
        let functions = (0..3).map(|module| Function { module, qualname: "f".into(), ..Function::default() });
        let call = |function, parent| {
            let segments = vec![Segment { wall: Nanos::from_micros(100), ..Segment::default() }];
            let payload = Some(Payload::default());
            Call { function, parent, segments, arguments: payload.clone(), result: payload, ..Call::default() }
        };
        let request = |(at, crosses): (usize, bool)| Request {
            endpoint: "GET /".to_owned(),
            phase: Some(u32::from(at >= 2)),
            calls: [call(0, 0), call(1, 0)].into_iter().chain(crosses.then(|| call(2, 1))).collect(),
            handler: Some(1),
            ..Request::default()
        };
        let mut recording = Recording {
            modules: modules.map(str::to_owned).to_vec(),
            functions: functions.collect(),
            requests: crossing.into_iter().enumerate().map(request).collect(),
            ..Recording::default()
        };
        recording.meta.phases = vec![Phase { audit: true, ..Phase::default() }, Phase::default()];
        recording
    }

    fn answered(endpoint: &str, calls: u64) -> AnsweredCalls {
        let site = CallSite {
            endpoint: endpoint.to_owned(),
            caller: "shop.web".to_owned(),
            callee: "shop.pricing:f".to_owned(),
        };
        let requests = BTreeMap::from([(endpoint.to_owned(), 2)]);
        let calls = BTreeMap::from([(site, calls)]);
        AnsweredCalls { counted: CountedCalls { requests, calls }, ..AnsweredCalls::default() }
    }

    #[track_caller]
    fn check(recording: &Recording, answered: &AnsweredCalls, expected: &str) {
        let services = BTreeMap::from([("pricing".to_owned(), vec!["shop.pricing".to_owned()])]);
        let split = Split { services, ..Split::default() };
        let audit = audit(recording, &split, answered, &[]);
        let causes: Vec<&str> = audit.differences.iter().map(|difference| difference.cause.as_str()).collect();
        assert_eq!(causes, [expected]);
    }

    #[test]
    fn an_endpoint_that_nobody_requested_is_no_call_inside_one_process() {
        check(
            &recording([true; 6]),
            &answered("GET /new", 2),
            "the rehearsal sent no request to this endpoint: if the workload has changed since the recording, record again",
        );
    }

    #[test]
    fn failed_requests_and_late_answers_are_causes() {
        let mut lacking = answered("GET /", 1);
        lacking.failed.insert("GET /".into(), "all 2 requests failed, the first was answered status 500".into());
        check(
            &recording([true; 6]),
            &lacking,
            "in the split all 2 requests failed, the first was answered status 500, and calls after that are not made",
        );
        lacking.late.insert(("GET /".into(), "shop.pricing:f".into()), 1);
        check(
            &recording([true; 6]),
            &lacking,
            "1 of its answers came when the caller had given up: it may have waited for a lock that its caller held",
        );
    }

    #[test]
    fn a_call_of_few_recorded_requests_depends_on_the_state_of_each_process() {
        let mut seldom = recording([false, false, false, false, true, false]);
        check(
            &seldom,
            &answered("GET /", 1),
            "1 of 6 recorded requests of this endpoint made this call, but none of the audit's: state that each service \
             has for itself, such as a cache",
        );
        seldom.meta.limits.processes = Limit::Configured(4);
        check(
            &seldom,
            &answered("GET /", 1),
            "1 of 6 recorded requests of this endpoint made this call, but none of the audit's: state that each of the 4 \
             worker processes has for itself, such as a cache; start the app with one worker to record and rehearse it",
        );
        check(
            &recording([false; 6]),
            &answered("GET /", 1),
            "the recorded requests did not make this call: they took another branch, or its caller ran elsewhere",
        );
    }

    #[test]
    fn a_call_that_is_made_less_often_took_other_branches() {
        let mut recording = recording([true; 6]);
        recording.meta.limits.processes = Limit::Observed(2);
        check(
            &recording,
            &answered("GET /", 1),
            "the services took other branches than the recorded requests: state that each of the 2 worker processes has \
             for itself, such as a cache; start the app with one worker to record and rehearse it",
        );
    }
}
