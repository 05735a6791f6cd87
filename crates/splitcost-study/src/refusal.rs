//! The reasons why a split is not rehearsed.

use splitcost_model::estimate::Estimate;
use splitcost_model::number::short;
use splitcost_model::recording::Recording;

use crate::verdict::{circle_in_words, path_in_words};

/// The reason why a split is not rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, as the rest of a sentence.
    pub reason: String,
    /// A sentence that says what helps.
    pub hint: String,
}

/// Returns the reason why a split cannot be rehearsed, if there is one.
pub fn refusal(recording: &Recording, estimate: &Estimate) -> Option<Refusal> {
    if let Some(runner) = recording.meta.job_runner() {
        return Some(Refusal {
            reason: format!("its requests include jobs of {runner}, and a rehearsal runs requests by HTTP only"),
            hint: "the estimate holds for both; to rehearse, record the server without the runner of the jobs"
                .to_owned(),
        });
    }
    if let Some(call_back) = estimate.call_backs.first() {
        return Some(Refusal {
            reason: format!("{} would never be answered: {}", call_back.endpoint, path_in_words(call_back)),
            hint: "await the first of these calls, or give every service a copy of the module that is called back \
                   (`copied` in the split)"
                .to_owned(),
        });
    }
    if !estimate.circular_wait.is_empty() {
        return Some(Refusal {
            reason: format!(
                "requests that overlap would wait for each other: {}",
                circle_in_words(&estimate.circular_wait)
            ),
            hint:
                "await one of these calls, or give every service a copy of one of the modules (`copied` in the split)"
                    .to_owned(),
        });
    }
    let evidence = estimate.evidence;
    if evidence.calls_per_request > 0.0 && evidence.rehearsed_per_request == 0.0 {
        return Some(Refusal {
            reason: format!(
                "none of its calls between services ({} per request) can be made remotely as the code is",
                short(evidence.calls_per_request)
            ),
            hint: "the estimate prices these calls as if they were rewritten, and lists the work".to_owned(),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use splitcost_model::estimate::{CallBack, Evidence};
    use splitcost_model::recording::Meta;

    use super::*;

    fn reason(estimate: &Estimate) -> Option<String> {
        refusal(&Recording::default(), estimate).map(|refusal| refusal.reason)
    }

    #[test]
    fn what_would_measure_something_else_is_refused() {
        let sound = Estimate::default();
        assert_eq!(reason(&sound), None);
        let evidence = Evidence { calls_per_request: 20.0, measured_per_request: 20.0, rehearsed_per_request: 0.0 };
        let unable = reason(&Estimate { evidence, ..Estimate::default() }).expect("nothing would cross");
        assert_eq!(unable, "none of its calls between services (20 per request) can be made remotely as the code is");
        let servers = vec!["gunicorn".to_owned(), "celery".to_owned()];
        let jobs = Recording { meta: Meta { servers, ..Meta::default() }, ..Recording::default() };
        let of_jobs = refusal(&jobs, &sound).expect("not with jobs").reason;
        assert!(of_jobs.contains("jobs of celery"), "{of_jobs}");
        let call_back = CallBack { endpoint: "GET /1".into(), ..CallBack::default() };
        let stuck = Estimate { call_backs: vec![call_back], ..Estimate::default() };
        assert!(reason(&stuck).is_some_and(|reason| reason.starts_with("GET /1 would never be answered")));
    }
}
