//! The audit of a rehearsal: the calls between services that were predicted, and those that were answered, for the same
//! requests.
//!
//! A count of calls is free of noise. Where both agree, prediction and measurement speak of the same split.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A module that calls a function of another service, for the requests of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallSite {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Calling module.
    pub caller: String,
    /// Called function, as `shop.pricing:quote`.
    pub callee: String,
}

/// Calls between services, and the requests that made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedCalls {
    /// Requests per endpoint.
    pub requests: BTreeMap<String, u64>,
    /// Calls per call site.
    pub calls: BTreeMap<CallSite, u64>,
}

impl CountedCalls {
    /// Returns what was counted after an earlier count of the same services.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self { requests: later(&self.requests, &earlier.requests), calls: later(&self.calls, &earlier.calls) }
    }

    /// Returns the calls of a function per request of an endpoint, from all modules.
    fn per_request(&self, endpoint: &str, callee: &str) -> f64 {
        let requests = self.requests.get(endpoint).copied().unwrap_or(0);
        let calls = self.calls.iter().filter(|(site, _)| site.endpoint == endpoint && site.callee == callee);
        calls.map(|(_, count)| count).sum::<u64>() as f64 / requests.max(1) as f64
    }
}

/// Returns the counts without those of an earlier time, where any is left.
fn later<K: Ord + Clone>(counts: &BTreeMap<K, u64>, earlier: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    let left = counts.iter().map(|(key, count)| (key, count.saturating_sub(earlier.get(key).copied().unwrap_or(0))));
    left.filter(|(_, count)| *count > 0).map(|(key, count)| (key.clone(), count)).collect()
}

/// Predicted and answered calls of a rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Requests that the prediction and the services both handled.
    pub requests: u64,
    /// Predicted calls between services per request, over these requests.
    pub predicted_per_request: f64,
    /// Answered calls between services per request.
    pub answered_per_request: f64,
    /// Differences, summed over endpoints and called functions, as a share of the larger of both counts.
    pub difference: f64,
    /// The calls that differ, the largest difference first.
    pub differences: Vec<Difference>,
}

impl Audit {
    /// The largest share of calls that may differ before a rehearsal says nothing about the prediction.
    ///
    /// Chosen: the issue of an audit is the same split on both sides; one call in fifty may be a race of two requests.
    pub const TOLERANCE: f64 = 0.02;

    /// Compares the calls that were predicted with those that were answered, for the same requests.
    ///
    /// The calling module does not count: it is that of the call in the recording, and that of the nearest frame in a
    /// rehearsal, which may be a decorator's.
    pub fn of(
        predicted: &CountedCalls,
        answered: &CountedCalls,
        cause: impl Fn(&CallSite, f64, f64) -> String,
    ) -> Self {
        let mut sites: Vec<&CallSite> = predicted.calls.keys().chain(answered.calls.keys()).collect();
        let key = |site: &CallSite| (site.endpoint.clone(), site.callee.clone());
        // Of equal ones the first stays, whose caller is the predicted one.
        sites.sort_by_key(|site| key(site));
        sites.dedup_by_key(|site| key(site));
        let requests: u64 = predicted.requests.values().sum();
        let weight = |site: &CallSite| predicted.requests.get(&site.endpoint).copied().unwrap_or(0) as f64;
        let (mut before, mut after, mut apart) = (0.0, 0.0, 0.0);
        let mut differences = Vec::new();
        for site in sites {
            let per_request = |counted: &CountedCalls| counted.per_request(&site.endpoint, &site.callee);
            let (expected, counted) = (per_request(predicted), per_request(answered));
            before += expected * weight(site);
            after += counted * weight(site);
            let difference = (expected - counted).abs() * weight(site);
            apart += difference;
            if difference > 0.0 {
                let cause = cause(site, expected, counted);
                let (predicted_per_request, answered_per_request) = (expected, counted);
                let site = site.clone();
                differences.push((difference, Difference { site, predicted_per_request, answered_per_request, cause }));
            }
        }
        differences.sort_by(|a, b| b.0.total_cmp(&a.0));
        let per_request = |calls: f64| calls / requests.max(1) as f64;
        Self {
            requests,
            predicted_per_request: per_request(before),
            answered_per_request: per_request(after),
            difference: if apart > 0.0 { apart / before.max(after).max(1e-9) } else { 0.0 },
            differences: differences.into_iter().map(|(_, difference)| difference).collect(),
        }
    }

    /// Returns true if the prediction and the rehearsal speak of the same split.
    pub fn holds(&self) -> bool {
        self.requests > 0
            && self.difference <= Self::TOLERANCE
            && (self.predicted_per_request == 0.0 || self.answered_per_request > 0.0)
    }
}

/// Calls of a function for an endpoint, of which others were answered than were predicted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The function and the endpoint, with a module that calls it.
    #[serde(flatten)]
    pub site: CallSite,
    /// Predicted calls per request of the endpoint.
    pub predicted_per_request: f64,
    /// Answered calls per request of the endpoint.
    pub answered_per_request: f64,
    /// The likely cause, in words.
    pub cause: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(calls: &[(&str, &str, u64)]) -> CountedCalls {
        let site = |endpoint: &str, callee: &str| CallSite {
            endpoint: endpoint.into(),
            caller: "shop.main".into(),
            callee: callee.into(),
        };
        CountedCalls {
            requests: BTreeMap::from([("GET /a".to_owned(), 10), ("GET /b".to_owned(), 10)]),
            calls: calls.iter().map(|(endpoint, callee, calls)| (site(endpoint, callee), *calls)).collect(),
        }
    }

    fn audit(predicted: &[(&str, &str, u64)], answered: &[(&str, &str, u64)]) -> Audit {
        Audit::of(&counted(predicted), &counted(answered), |_, _, _| String::new())
    }

    #[test]
    fn equal_counts_hold() {
        let calls = [("GET /a", "b:quote", 50), ("GET /b", "b:quote", 10)];
        let audit = audit(&calls, &calls);
        assert!(audit.holds() && audit.differences.is_empty());
        assert_eq!((audit.requests, audit.predicted_per_request, audit.answered_per_request), (20, 3.0, 3.0));
    }

    #[test]
    fn each_difference_is_named_and_more_than_two_percent_fail() {
        let predicted = [("GET /a", "b:quote", 100), ("GET /b", "b:lock", 1)];
        let one_in_a_hundred = audit(&predicted, &[("GET /a", "b:quote", 100)]);
        assert!(one_in_a_hundred.holds());
        assert_eq!(one_in_a_hundred.differences[0].site.callee, "b:lock");
        // A surplus at one site does not make up for a lack at another one.
        let swapped = audit(&predicted, &[("GET /a", "b:rate", 100), ("GET /b", "b:lock", 1)]);
        assert!(!swapped.holds());
        assert_eq!(swapped.differences.len(), 2);
    }

    #[test]
    fn calls_from_other_modules_are_the_same_calls() {
        let mut answered = counted(&[("GET /a", "b:quote", 40), ("GET /b", "b:quote", 10)]);
        let by_decorator = CallSite { endpoint: "GET /a".into(), caller: "a.tools".into(), callee: "b:quote".into() };
        answered.calls.insert(by_decorator, 10);
        let audit =
            Audit::of(&counted(&[("GET /a", "b:quote", 50), ("GET /b", "b:quote", 10)]), &answered, |_, _, _| {
                String::new()
            });
        assert!(audit.holds() && audit.differences.is_empty());
    }

    #[test]
    fn what_was_counted_before_is_in_no_later_count() {
        let mut before = counted(&[("GET /a", "b:quote", 3), ("GET /b", "b:log_in", 2)]);
        before.requests = BTreeMap::from([("GET /a".to_owned(), 4), ("GET /b".to_owned(), 10)]);
        let all = counted(&[("GET /a", "b:quote", 9), ("GET /b", "b:log_in", 2)]);
        let since = all.since(&before);
        assert_eq!(since.requests, BTreeMap::from([("GET /a".to_owned(), 6)]));
        assert_eq!(since.calls, counted(&[("GET /a", "b:quote", 6)]).calls);
    }

    #[test]
    fn a_split_that_never_crosses_fails() {
        let audit = audit(&[("GET /a", "b:quote", 20)], &[]);
        assert!(!audit.holds());
        assert!((audit.difference - 1.0).abs() < 1e-9);
    }
}
