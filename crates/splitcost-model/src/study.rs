//! The document of an experiment: the JSON that `evaluate`, `estimate` and `rehearse` print and that `report` reads.
//!
//! Read in this order: [`Study`], [`SplitStudy`], the [`Estimate`] and the [`Rehearsal`] in it, and the [`Comparison`]
//! of both, from which the [`Verdict`] follows. `splitcost-study` makes it; `splitcost-report` shows it.
//!
//! Keys end in their unit. A part that was not made is absent, never zero.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::answers::Answers;
use crate::course::Course;
use crate::database::{DataCrossings, Database};
use crate::estimate::{Arms, CannotCross, Estimate, Quantile};
use crate::fault::FaultStudy;
use crate::recording::Phase;
use crate::recording::interface::Interfaces;
use crate::rehearsal::{Rehearsal, SplitTransaction};
use crate::statistics::Interval;

/// Version of the document's shape; a reader refuses any other.
pub const FORMAT_VERSION: u32 = 3;

/// Every split of an experiment, predicted and perhaps rehearsed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// [`FORMAT_VERSION`] of the program that wrote it.
    pub format_version: u32,
    /// Origin of the numbers.
    pub provenance: Provenance,
    /// The course of the rehearsal; absent without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub course: Option<Course>,
    /// The splits, in the order of the settings.
    pub splits: Vec<SplitStudy>,
    /// The same split over several links, one entry per split; empty where each split has one link.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub link_comparisons: Vec<LinkComparison>,
}

/// Origin of the numbers in a [`Study`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of splitcost.
    pub splitcost_version: String,
    /// Time of the study, as RFC 3339 in UTC.
    pub made_at: String,
    /// Processor, cores, kernel.
    pub machine: String,
    /// `CPython`'s version.
    pub python_version: String,
    /// The app's command line.
    pub command: Vec<String>,
    /// Path of the recording.
    pub recording: String,
    /// Requests in that recording.
    pub recorded_requests: u64,
    /// The recording's load phases.
    pub phases: Vec<Phase>,
    /// The calibrated stacks.
    pub stacks: Vec<StackProvenance>,
    /// Seed of workload and simulation.
    pub seed: u64,
    /// Price of a virtual core for an hour.
    pub usd_per_vcpu_hour: f64,
    /// Reasons to doubt a number of the study, in words.
    pub warnings: Vec<String>,
    /// Facts that a comparison of the numbers needs, in words.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Constants of the model that were not measured on this app or this machine, in words.
    #[serde(default)]
    pub assumptions: Vec<String>,
    /// The processes and threads in which the simulator runs requests, and the origin of each number.
    #[serde(default)]
    pub served: String,
}

/// Origin of a stack's unit costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StackProvenance {
    /// `httpx` or `grpc`.
    pub name: String,
    /// Package versions, Python, machine.
    pub fingerprint: String,
    /// Time of the calibration.
    pub measured_at: String,
    /// CPU of client and server together for a small call, with the recorded gaps between calls.
    pub call_cpu_micros: Interval,
    /// Wall time of a small call, with the recorded gaps between calls.
    pub call_wall_micros: Interval,
}

/// One split over one link at one load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitStudy {
    /// Its name in the settings; over one of several links, with the link's name.
    pub name: String,
    /// The services and their modules.
    pub services: Vec<ServiceModules>,
    /// The modules of which every service has a copy.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub copied: Vec<String>,
    /// The modules of which every service could have a copy: several services call them with plain values, and they keep no
    /// state. Empty where the settings choose.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub proposed_copies: Vec<String>,
    /// The stack's name.
    pub stack: String,
    /// The link's name.
    pub link: String,
    /// Median time of a round trip over the link, beyond loopback; of several links, the longest.
    pub link_round_trip_ms: f64,
    /// The prediction.
    pub estimate: Estimate,
    /// The measurement; absent where the split was not run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rehearsal: Option<Rehearsal>,
    /// The reason why the split was not run although that was asked for, as the rest of a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_rehearsed: Option<String>,
    /// Computing and data transfer for a month (730 h) at the load.
    pub usd_per_month: Money,
    /// Changes from the monolith to the split, and from the prediction to the measurement.
    pub comparison: Comparison,
    /// Statements on tables of other services; with a database for each service they are calls, joins and transactions of
    /// several are cut.
    pub data: DataCrossings,
    /// The databases of the services.
    #[serde(default)]
    pub database: Database,
    /// The interfaces of the services, priced by the prediction; absent in studies of an older splitcost.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interfaces: Option<Interfaces>,
    /// Calls that cannot cross, seen in the recording or in the rehearsal, most frequent first.
    pub cannot_cross: Vec<CannotCross>,
    /// Outcomes under faults.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub faults: Vec<FaultStudy>,
    /// The judgement; absent where only faults were asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
}

impl SplitStudy {
    /// Returns the modules of a service.
    pub fn modules_of(&self, service: &str) -> &[String] {
        self.services.iter().find(|one| one.name == service).map_or(&[], |one| one.modules.as_slice())
    }

    /// Returns the calls that commit a transaction of their own, measured where the split ran, with the verb for it.
    pub fn transactions(&self) -> (&[SplitTransaction], &'static str) {
        match &self.rehearsal {
            Some(rehearsal) => (&rehearsal.transactions, "commits"),
            None => (&self.estimate.transactions, "would commit"),
        }
    }

    /// Returns what is known of the answers of a split that ran, in words without a full stop.
    pub fn answers_in_words(&self) -> Option<String> {
        match &self.rehearsal {
            Some(rehearsal) => {
                Some(rehearsal.answers.as_ref().map_or_else(|| Answers::NONE.to_owned(), Answers::in_words))
            }
            None if self.faults.iter().any(|fault| fault.rehearsal.is_some()) => {
                Some(format!("{}: a rehearsal under faults compares none", Answers::NONE))
            }
            None => None,
        }
    }
}

/// The modules of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceModules {
    /// Name of the service.
    pub name: String,
    /// Its modules; `main` has those that no other service claims.
    pub modules: Vec<String>,
}

/// US dollars for a month (730 h), from predicted and from measured cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Money {
    /// From the predicted cores.
    pub estimate: Arms<Option<Interval>>,
    /// From the measured cores.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rehearsal: Option<Arms<Option<Interval>>>,
}

/// Origin of a number of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The rehearsal.
    Measured,
    /// The simulator.
    Predicted,
}

impl Origin {
    /// The word used in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Predicted => "predicted",
        }
    }
}

/// A number of the monolith and of the split, both of the same origin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The monolith's.
    pub before: Interval,
    /// The split's.
    pub after: Interval,
    /// Split ÷ monolith.
    pub ratio: f64,
    /// Split − monolith, in the unit of both.
    pub added: f64,
    /// Origin of both numbers.
    pub origin: Origin,
}

/// Changes from the monolith to the split: measured where both arms were, else predicted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Every endpoint, the one whose median grows by the largest factor first.
    pub endpoints: Vec<EndpointComparison>,
    /// Throughput at saturation, requests per second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub saturation: Option<Change>,
    /// CPU seconds per request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu: Option<Change>,
    /// Busy cores at the load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cores: Option<Change>,
    /// US dollars per month.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usd_per_month: Option<Change>,
    /// Calls between services per request, averaged over the recorded mix of endpoints.
    pub crossings_per_request: f64,
    /// Calls from each service to each other one.
    pub service_calls: Vec<ServiceCalls>,
    /// Ratios of split to monolith over all requests, predicted beside measured.
    #[serde(default)]
    pub ratios: FigureRatios,
    /// Agreement of prediction and measurement; absent without a rehearsal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agreement: Option<Agreement>,
}

impl Comparison {
    /// Returns the endpoints with their positions in [`Comparison::endpoints`], the one with most requests first.
    pub fn by_weight(&self) -> Vec<(usize, &EndpointComparison)> {
        let mut endpoints: Vec<_> = self.endpoints.iter().enumerate().collect();
        endpoints.sort_by_key(|(_, endpoint)| Reverse(endpoint.requests));
        endpoints
    }
}

/// A figure's ratio of split to monolith.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// The prediction for all calls between services.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub predicted: Option<Interval>,
    /// The prediction for the calls that the rehearsal made remotely; absent where these are all of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub as_rehearsed: Option<Interval>,
    /// The measurement.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measured: Option<Interval>,
    /// The measured ratio of a second copy of the monolith to the first: the noise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub noise: Option<Interval>,
}

impl Ratios {
    /// Returns the measurement and the prediction for what was measured.
    pub fn both(&self) -> Option<(Interval, Interval)> {
        Some((self.as_rehearsed.or(self.predicted)?, self.measured?))
    }

    /// Returns true where prediction and measurement have no value of their intervals in common.
    pub fn disagree(&self) -> bool {
        self.both().is_some_and(|(predicted, measured)| !predicted.overlaps(measured))
    }

    /// Returns true where the measured ratio is not beyond the noise: no difference was seen.
    pub fn is_noise(&self) -> bool {
        self.measured.zip(self.noise).is_some_and(|(measured, noise)| !measured.is_beyond(noise))
    }
}

/// Ratios of an endpoint's response times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointRatios {
    /// Of lone requests: the median of the ratios of pairs.
    pub alone: Ratios,
    /// Of the medians under load.
    pub p50: Ratios,
    /// Of the 90th percentiles.
    pub p90: Ratios,
    /// Of the 99th percentiles.
    pub p99: Ratios,
}

impl EndpointRatios {
    /// Returns the ratios of the percentile that `quantile` names.
    pub fn at(&self, quantile: Quantile) -> &Ratios {
        match quantile {
            Quantile::P50 => &self.p50,
            Quantile::P90 => &self.p90,
            Quantile::P99 => &self.p99,
        }
    }
}

/// Ratios of the figures over all requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FigureRatios {
    /// Of the throughput at saturation.
    pub saturation: Ratios,
    /// Of the CPU time per request.
    pub cpu: Ratios,
    /// Of the busy cores.
    pub cores: Ratios,
    /// Of the money.
    pub usd_per_month: Ratios,
}

/// The agreement of predicted and measured ratios of split to monolith: of lone requests and of two percentiles under load
/// for every endpoint, of the throughput at saturation and of the CPU time per request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Ratios that were both predicted and measured.
    pub ratios: u64,
    /// Ratios of these whose intervals have a value in common.
    pub agreeing: u64,
    /// Median distance of prediction and measurement, in percent of the smaller one.
    pub median_off_percent: f64,
    /// The other ratios, the one that is furthest off first.
    pub disagreements: Vec<Disagreement>,
    /// All of it in a sentence.
    pub sentence: String,
}

/// A ratio of split to monolith that was measured outside what was predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The figure that it is a ratio of.
    pub figure: RatioFigure,
    /// The endpoint; absent for a figure over all requests.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub endpoint: Option<String>,
    /// The prediction for what was measured.
    pub predicted: Interval,
    /// The measurement.
    pub measured: Interval,
}

/// A figure whose ratio of split to monolith is predicted and measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RatioFigure {
    /// Response time of lone requests.
    Alone,
    /// Median response time under load.
    P50,
    /// 90th percentile under load.
    P90,
    /// 99th percentile under load.
    P99,
    /// Throughput at saturation.
    Saturation,
    /// CPU time per request.
    Cpu,
}

impl RatioFigure {
    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alone => "time alone",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Saturation => "saturation",
            Self::Cpu => "CPU per request",
        }
    }
}

/// Changes of one endpoint's response times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointComparison {
    /// `METHOD /path/{template}`.
    pub name: String,
    /// Recorded requests.
    pub requests: u64,
    /// Requests that failed while recording or in the rehearsed split.
    pub failed_requests: u64,
    /// Change of the median of lone requests, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alone_ms: Option<Change>,
    /// Change of the median under load, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p50_ms: Option<Change>,
    /// Change of the 90th percentile, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p90_ms: Option<Change>,
    /// Change of the 99th percentile, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p99_ms: Option<Change>,
    /// Ratios of split to monolith, predicted beside measured.
    #[serde(default)]
    pub ratios: EndpointRatios,
}

impl EndpointComparison {
    /// The change that stands for the endpoint: that of lone requests where it is known, else that of the median under load.
    pub fn headline(&self) -> Option<Change> {
        self.alone_ms.or(self.p50_ms)
    }

    /// The change of the percentile that `quantile` names.
    pub fn at(&self, quantile: Quantile) -> Option<Change> {
        match quantile {
            Quantile::P50 => self.p50_ms,
            Quantile::P90 => self.p90_ms,
            Quantile::P99 => self.p99_ms,
        }
    }
}

/// Calls from one service to another, per request, averaged over the recorded mix of endpoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceCalls {
    /// Calling service.
    pub from: String,
    /// Called service.
    pub to: String,
    /// Calls per request.
    pub calls_per_request: f64,
    /// Encoded bytes per request, both ways.
    pub bytes_per_request: f64,
    /// Wall time that the calls add per request, without queueing.
    pub added_ms_per_request: f64,
}

/// One split over several links.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkComparison {
    /// The split's name, without a link's.
    pub split: String,
    /// The endpoint whose median grows by the largest factor over any of the links.
    pub endpoint: String,
    /// Names of the [`SplitStudy`]s, one per link.
    pub studies: Vec<String>,
}

/// The judgement of a split, with its reasons in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Class of the judgement.
    pub class: VerdictClass,
    /// The reasons.
    pub sentence: String,
}

/// Class of a judgement; a later one is worse, [`VerdictClass::Undecided`] excepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictClass {
    /// The boundary costs little, and throughput at saturation grows.
    Gains,
    /// The boundary costs little.
    Cheap,
    /// The boundary has a price.
    Costly,
    /// The boundary costs too much as the code is.
    Prohibitive,
    /// Intervals that are too wide, or missing numbers, allow no judgement.
    Undecided,
}

impl VerdictClass {
    /// A few words for a heading.
    pub fn label(self) -> &'static str {
        match self {
            Self::Gains => "Worth considering",
            Self::Cheap => "Costs little",
            Self::Costly => "Has its price",
            Self::Prohibitive => "Do not split here yet",
            Self::Undecided => "No verdict",
        }
    }
}
