//! A loopback: the calls of a split as messages inside one process of the app.

use serde::{Deserialize, Serialize};

use crate::answers::Answers;

/// The loopbacks of an app's splits, each on its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loopbacks {
    /// One per split.
    pub splits: Vec<Loopback>,
}

/// One process of the app, in which every call between the services of a split went through the codec and back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loopback {
    /// The split's name.
    pub split: String,
    /// Requests of the workload that the process answered.
    pub requests: u64,
    /// Requests before these (`[[workload.before]]`), in which the users opened their sessions.
    #[serde(default)]
    pub requests_before: u64,
    /// Endpoints with requests that failed.
    pub failed: Vec<FailedRequests>,
    /// The functions whose calls crossed, the most frequent one first.
    pub crossed: Vec<CrossedCalls>,
    /// The calls that lost something on the way, or stayed in the caller; the most frequent ones first.
    pub obstacles: Vec<MetObstacle>,
    /// The answers, compared with those of the monolith.
    pub answers: Answers,
    /// The problem if a request before the load failed, which the monolith answered: no other was sent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub broken: Option<String>,
}

/// Requests of an endpoint that were not answered as the workload expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRequests {
    /// `METHOD /path/{template}`.
    pub endpoint: String,
    /// Failed requests.
    pub failed: u64,
    /// Failed requests of the monolith, which got the same ones.
    pub failed_in_monolith: u64,
}

/// The calls of one function that crossed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossedCalls {
    /// The function.
    pub callee: String,
    /// Its calls.
    pub calls: u64,
    /// Calls of these that raised, returned a value that cannot be sent, or changed an argument.
    pub raised: u64,
}

/// A value of calls at one site that does not go there and back as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetObstacle {
    /// The module that calls.
    pub caller: String,
    /// The function that is called.
    pub callee: String,
    /// The kind of obstacle, as `live resource`.
    pub kind: String,
    /// True if the call crossed and only lost something; else it stayed in the caller.
    pub crossed: bool,
    /// The value, with its type and what is wrong with it.
    pub reason: String,
    /// The file of the call; empty if a framework calls.
    pub file: String,
    /// Its line there.
    pub line: u32,
    /// Number of these calls.
    pub calls: u64,
}

impl Loopback {
    /// Returns true if no call went there and back as messages: none crossed, or what each got or gave cannot be sent.
    pub fn is_untried(&self) -> bool {
        let are_lost = self.crossed.iter().all(|function| function.raised == function.calls);
        self.crossed.is_empty() || are_lost && !self.obstacles.is_empty()
    }

    /// Returns true if calls crossed, and the app answered as the monolith does.
    pub fn holds(&self) -> bool {
        self.broken.is_none()
            && !self.is_untried()
            && self.answers.differences.is_empty()
            && self.failed.iter().all(|endpoint| endpoint.failed <= endpoint.failed_in_monolith)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_if_calls_crossed_and_requests_fail_as_in_the_monolith() {
        let crossed = vec![CrossedCalls { callee: "a:f".into(), calls: 1, raised: 0 }];
        let failing = |failed| FailedRequests { endpoint: "GET /".into(), failed, failed_in_monolith: 1 };
        let loopback =
            |failed| Loopback { crossed: crossed.clone(), failed: vec![failing(failed)], ..Loopback::default() };
        assert!(loopback(1).holds());
        assert!(!loopback(2).holds());
        assert!(!Loopback::default().holds());
    }

    #[test]
    fn it_does_not_hold_if_no_call_came_back_as_a_message() {
        let crossed = |raised| vec![CrossedCalls { callee: "a:connect".into(), calls: 3, raised }];
        let obstacles = vec![MetObstacle { callee: "a:connect".into(), ..MetObstacle::default() }];
        let loopback =
            |raised| Loopback { crossed: crossed(raised), obstacles: obstacles.clone(), ..Loopback::default() };
        assert!(loopback(2).holds());
        assert!(!loopback(3).holds());
        assert!(Loopback { obstacles: Vec::new(), ..loopback(3) }.holds(), "it raises in the monolith, too");
    }
}
