//! A place in the code with a communication anti-pattern.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where something stands in a source file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The file, as it was named or found.
    pub path: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its first column, from 1, in characters.
    pub column: u32,
    /// The last line, from 1.
    pub end_line: u32,
    /// The column behind the last character.
    pub end_column: u32,
    /// The text of the first line.
    pub text: String,
}

/// How sure a finding is: as sure as the weakest step of its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Some step has several possible targets.
    Possible,
    /// Every step has one target.
    #[default]
    Certain,
}

/// One step from where a finding is to what hurts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStep {
    /// Where the call stands.
    pub location: Location,
    /// The function that it is in, by its dotted path.
    pub function: String,
    /// What is called there, by its dotted path.
    pub callee: String,
}

/// A place in the code with a communication anti-pattern.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's code, as `SC101`.
    pub code: String,
    /// The rule's name, as `blocking-http-in-async`.
    pub name: String,
    /// Where it is.
    pub location: Location,
    /// The function that it is in, by its dotted path.
    pub function: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do instead.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub help: Option<String>,
    /// From there to what hurts; empty where it hurts right there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub way: Vec<CallStep>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Rule, function and the text of the line, as a hash: what stays when lines move.
    pub fingerprint: String,
    /// What a recording says that it costs, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub price: Option<Price>,
}

/// What a recording says of a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// It was reached.
    Seen(Cost),
    /// It was not reached, or that cannot be told: it has no price, which is not a price of zero.
    NotSeen {
        /// Why not, in words.
        reason: String,
    },
}

/// What a finding costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Which recorded calls stand for it.
    pub basis: Basis,
    /// What these say of it.
    pub bound: Bound,
    /// The recorded function, as `shop.pricing:price_line`.
    pub function: String,
    /// The time is that for which the event loop is held; else that from a call's start to its end.
    pub holds_event_loop: bool,
    /// The endpoint whose requests reach it most often.
    pub endpoint: String,
    /// Calls per request of that endpoint.
    pub calls_per_request: f64,
    /// Time per request of that endpoint.
    pub millis_per_request: f64,
    /// Calls per request, over the requests of all endpoints.
    pub overall_calls_per_request: f64,
    /// Time per request, over the requests of all endpoints.
    pub overall_millis_per_request: f64,
    /// Of a million such requests: CPU time at the price of a virtual core, or the time for which the loop is held, as if
    /// that were CPU time.
    pub usd_per_million_requests: f64,
}

/// Which recorded calls stand for a finding, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Calls that were sampled at its very line.
    CallSite,
    /// Calls from its function, or from its module, to the next one on the way.
    Caller,
    /// Calls of the function that it is in.
    Function,
}

/// What recorded calls say of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// They are what was found.
    Exact,
    /// They are a part of it.
    AtLeast,
    /// It is a part of them.
    AtMost,
}

/// A rule, and what is to be said of it.
#[derive(Clone, Copy, Debug)]
pub struct RulePage {
    /// As `SC101`.
    pub code: &'static str,
    /// As `blocking-http-in-async`.
    pub name: &'static str,
    /// What, why it hurts, example, instead, when it is fine: Markdown.
    pub page: &'static str,
}

/// A file that was not scanned, or not all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Which.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// A finding in a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFinding {
    /// The file, from the baseline's directory.
    pub path: String,
    /// The rule's code.
    pub code: String,
    /// The function that it is in.
    pub function: String,
    /// Rule, function and the text of the line, as a hash.
    pub fingerprint: String,
    /// How many are alike.
    pub count: u32,
}

/// What is to be said of a comment for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The file.
    pub path: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its column, from 1.
    pub column: u32,
    /// How bad it is.
    pub kind: RemarkKind,
    /// In words.
    pub text: String,
}

/// How bad a remark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// The comment is not understood, or names what is not there.
    Malformed,
    /// Nothing is found where it stands.
    Unused,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// By file and place.
    pub findings: Vec<Finding>,
    /// What was not scanned.
    pub skipped: Vec<Skipped>,
    /// Files that were.
    pub files: u64,
    /// Functions in them.
    pub functions: u64,
    /// Calls in them.
    pub calls: u64,
    /// Of these, calls of which it is not known what they call.
    pub unresolved_calls: u64,
    /// Findings that comments or settings took out.
    #[serde(default)]
    pub ignored: u64,
    /// Findings that the baseline knew.
    #[serde(default)]
    pub known: u64,
    /// What the baseline knows and is no longer found.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gone: Vec<KnownFinding>,
    /// What is to be said of comments for us.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remarks: Vec<Remark>,
}

impl Scan {
    /// Findings per rule.
    pub fn counts(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry(finding.code.as_str()).or_insert(0) += 1;
        }
        counts
    }
}
