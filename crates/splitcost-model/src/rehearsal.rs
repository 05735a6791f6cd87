//! The rehearsal of a split: figures measured on real processes, monolith and split in turns.

use serde::{Deserialize, Serialize};

use crate::answers::Answers;
use crate::audit::Audit;
use crate::emulation::Emulation;
use crate::estimate::{Arms, CannotCross, Figures, ResponseTimes};

/// The measurement of one split at one load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Arrival rate at which the response times and the cores hold.
    pub load_reqs_per_sec: f64,
    /// Figures over all requests.
    #[serde(flatten)]
    pub figures: Arms<Figures>,
    /// Per endpoint of the workload, in its order.
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
}
