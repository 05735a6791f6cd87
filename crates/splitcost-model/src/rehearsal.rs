//! The rehearsal of a split: figures measured on real processes, monolith and split in turns.

use serde::{Deserialize, Serialize};

use crate::answers::Answers;
use crate::audit::Audit;
use crate::emulation::Emulation;
use crate::estimate::{Arms, CannotCross, Figures, ResponseTimes};
use crate::statistics::Interval;

/// The measurement of one split at one load. Figures of the monolith are those of both its copies together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Arrival rate at which the response times and the cores hold.
    pub load_reqs_per_sec: f64,
    /// Figures over all requests.
    #[serde(flatten)]
    pub figures: Arms<Figures>,
    /// Throughput at saturation of the split divided by that of the monolith, in the same rounds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub saturation_ratio: Option<Interval>,
    /// The same of the second copy of the monolith divided by the first: the noise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub saturation_noise: Option<Interval>,
    /// Per endpoint of the workload, in its order: lone requests, in pairs.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alone: Vec<AloneEndpoint>,
    /// Per endpoint of the workload, in its order: requests under load.
    pub endpoints: Vec<RehearsedEndpoint>,
    /// Calls that the services met and that could not cross.
    pub cannot_cross: Vec<CannotCross>,
    /// The uses of objects that stayed in their service, by class and by the module that uses them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub uses: Vec<Use>,
    /// The calls that committed a transaction of their own while their caller had one: of one transaction the split made two.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub transactions: Vec<SplitTransaction>,
    /// The calls between services that were predicted, beside those that the services answered.
    pub audit: Audit,
    /// The answers of the split, compared with those of the monolith; absent where none were compared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answers: Option<Answers>,
    /// Requested and delivered delay of each emulated link, one entry per pair of services.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub emulations: Vec<Emulation>,
}

/// The uses that one module makes of the objects of a class that stay in their service: each is a crossing back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// The class, as `shop.cart:Cart`.
    pub class: String,
    /// The module that uses them.
    pub caller: String,
    /// Calls of methods, and reads and changes of fields, per request.
    pub uses_per_request: f64,
}

/// Calls that committed a transaction of their own, of one endpoint's requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitTransaction {
    /// `METHOD /path/{template}`.
    pub endpoint: String,
    /// The module that called.
    pub caller: String,
    /// The function that committed, as `shop.inventory:reserve`.
    pub callee: String,
    /// Such calls per request of the endpoint.
    pub calls_per_request: f64,
}

/// One endpoint, measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RehearsedEndpoint {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Requests to the split that failed (status 400 and above, or no answer); they are in no response time.
    pub failed_requests: u64,
    /// Response times in both arms; absent where no request was answered.
    #[serde(flatten)]
    pub response: Arms<Option<ResponseTimes>>,
    /// Requests under load that were answered as expected.
    #[serde(default)]
    pub requests: Arms<u64>,
    /// Median response time of the split divided by that of the monolith, in the same rounds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ratio: Option<Interval>,
    /// The same of the second copy of the monolith divided by the first: the noise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub noise: Option<Interval>,
}

/// Lone requests to one endpoint. Each was sent to the monolith, to the split and to a second copy of the monolith, back to
/// back and in random order, while nothing else ran.
///
/// A ratio is the median of the ratios of pairs: the same request to both, at nearly the same time, so that changes of the
/// machine's speed cancel. The monolith's figure is the geometric mean of both copies'. An interval resamples pairs; that of CPU
/// time, sets of pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AloneEndpoint {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Requests that all were answered as expected.
    pub pairs: u64,
    /// Requests that both copies of the monolith answered as expected, and the split did not.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub failed_pairs: u64,
    /// Median response times.
    pub response_ms: Arms<f64>,
    /// Response time of the split divided by that of the monolith.
    pub ratio: Interval,
    /// Response time of the second copy of the monolith divided by that of the first: the noise.
    pub noise: Interval,
    /// CPU time of all processes per request.
    pub cpu_ms: Arms<f64>,
    /// CPU time of the split divided by that of the monolith; absent where no time was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_ratio: Option<Interval>,
    /// The same of the second copy of the monolith.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_noise: Option<Interval>,
    /// Times per request that a thread of the app waited for something.
    pub switches: Arms<f64>,
    /// Calls between services per request of the split, the median of several counts.
    #[serde(default)]
    pub crossings: f64,
    /// Bytes of these calls and their answers per request, the median likewise.
    #[serde(default)]
    pub bytes: f64,
    /// Response times of some of the pairs, for a plot: the monolith's and the split's, in the order in which they were sent.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sample_ms: Vec<(f64, f64)>,
}

impl AloneEndpoint {
    /// Returns true when the split's response times differ from the monolith's by more than two copies of the monolith may
    /// differ.
    pub fn differs(&self) -> bool {
        self.ratio.is_beyond(self.noise)
    }

    /// Returns the noise floor: the largest change, as a share, that two copies of the monolith may differ by.
    pub fn noise_floor(&self) -> f64 {
        self.noise.noise_floor()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
