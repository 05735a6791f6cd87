//! The saturation of an endpoint.

use serde::{Deserialize, Serialize};

/// The knee of an endpoint: more arrivals than this and a queue grows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// The address of the requests.
    pub url: String,
    /// The highest arrival rate that it sustained; absent when no rate was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sustained_reqs_per_sec: Option<f64>,
    /// The lowest arrival rate that it did not sustain; absent when no rate was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub saturated_reqs_per_sec: Option<f64>,
    /// The reason why it did not; absent when it sustained every rate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Throughput in closed loop, from which the search set out.
    pub closed_loop_reqs_per_sec: f64,
    /// Every rate that was tried, in order.
    pub steps: Vec<SaturationStep>,
    /// The reason why the search ended early; absent when the bounds are close enough.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invalid: Option<String>,
}

/// One arrival rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SaturationStep {
    /// Arrivals per second, mean of the schedule.
    pub rate_reqs_per_sec: f64,
    /// The measured arrivals per second.
    pub arrivals_reqs_per_sec: f64,
    /// Requests answered well, per second.
    pub throughput_reqs_per_sec: f64,
    /// Median of the response times.
    pub response_p50_ms: f64,
    /// 99th percentile.
    pub response_p99_ms: f64,
    /// Requests that failed.
    pub failed: u64,
    /// The reason why the rate is too high; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub saturated: Option<String>,
}
