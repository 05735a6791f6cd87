//! Findings: places in the code with a communication anti-pattern, and the result of a scan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A range of text in a source file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The path of the file, as it was named or found.
    pub path: String,
    /// The first line, from 1.
    pub line: u32,
    /// The column of the first character, from 1, in characters.
    pub column: u32,
    /// The last line, from 1.
    pub end_line: u32,
    /// The column after the last character.
    pub end_column: u32,
    /// The text of the first line.
    pub text: String,
}

/// The confidence in a finding: that of the least certain call on its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Some call on the path may call several functions.
    Possible,
    /// Every call on the path can call only one function.
    #[default]
    Certain,
}

/// One call on the path from a finding to the call that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStep {
    /// The place of the call.
    pub location: Location,
    /// The dotted path of the function that makes the call.
    pub function: String,
    /// The dotted path of the function that is called.
    pub callee: String,
}

/// A place in the code with a communication anti-pattern.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The code of the rule, such as `SC101`.
    pub code: String,
    /// The name of the rule, such as `blocking-http-in-async`.
    pub name: String,
    /// The place of the finding.
    pub location: Location,
    /// The dotted path of the function that it is in.
    pub function: String,
    /// The problem, in a sentence.
    pub message: String,
    /// The remedy, if there is a short one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub help: Option<String>,
    /// The calls from the finding to the call that it is about; empty if they are the same.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub way: Vec<CallStep>,
    /// The confidence in the finding.
    pub confidence: Confidence,
    /// A hash of the rule, the function and the text of the line, which stays the same when lines move.
    pub fingerprint: String,
    /// The cost by a recording, if one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub price: Option<Price>,
}

/// The price of a finding by a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// The recording has calls of the finding.
    Seen(Cost),
    /// The recording has no calls of the finding, or cannot tell. The price is unknown, not zero.
    NotSeen {
        /// The reason, in words.
        reason: String,
    },
}

/// The cost of a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The recorded calls that the figures are taken from.
    pub basis: Basis,
    /// The relation of these calls to the finding.
    pub bound: Bound,
    /// The recorded function, such as `shop.pricing:price_line`.
    pub function: String,
    /// The time is that for which calls block the event loop; otherwise it is that from their start to their end.
    pub holds_event_loop: bool,
    /// The endpoint whose requests make the most such calls.
    pub endpoint: String,
    /// Calls per request of that endpoint.
    pub calls_per_request: f64,
    /// Time per request of that endpoint.
    pub millis_per_request: f64,
    /// Calls per request, over the requests of all endpoints.
    pub overall_calls_per_request: f64,
    /// Time per request, over the requests of all endpoints.
    pub overall_millis_per_request: f64,
    /// The money for a million requests of all endpoints: CPU time at the price of a virtual core. For calls that block
    /// the event loop, the blocked time counts as CPU time.
    pub usd_per_million_requests: f64,
}

/// The recorded calls that the figures of a finding are taken from, the most exact first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Calls that were sampled at the line of the finding.
    CallSite,
    /// Calls from the function of the finding, or from its module, to the next recorded function on its path.
    Caller,
    /// Calls of the function that the finding is in.
    Function,
}

/// The relation of recorded calls to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// They are the calls of the finding.
    Exact,
    /// They are a part of the calls of the finding.
    AtLeast,
    /// They include the calls of the finding.
    AtMost,
}

/// A rule and its documentation page.
#[derive(Clone, Copy, Debug)]
pub struct RulePage {
    /// The code, such as `SC101`.
    pub code: &'static str,
    /// The name, such as `blocking-http-in-async`.
    pub name: &'static str,
    /// The page in Markdown. Its second paragraph, after the heading, describes what the rule finds.
    pub page: &'static str,
}

/// A file that was not scanned, or not wholly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The path of the file.
    pub path: String,
    /// The reason, in words.
    pub reason: String,
}

/// A finding in a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFinding {
    /// The path of the file, relative to the directory of the baseline.
    pub path: String,
    /// The code of the rule.
    pub code: String,
    /// The dotted path of the function that it is in.
    pub function: String,
    /// A hash of the rule, the function and the text of the line.
    pub fingerprint: String,
    /// The number of equal findings.
    pub count: u32,
}

/// A remark about a comment for splitcost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The path of the file.
    pub path: String,
    /// The line of the comment, from 1.
    pub line: u32,
    /// The column of the comment, from 1, in characters.
    pub column: u32,
    /// The kind of the remark.
    pub kind: RemarkKind,
    /// The remark, in words.
    pub text: String,
}

/// The kind of a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// The comment is malformed, or names a rule that does not exist.
    Malformed,
    /// The comment ignores no finding.
    Unused,
}

/// The result of a scan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// The findings, by file and place; after pricing, by price.
    pub findings: Vec<Finding>,
    /// The files that were not scanned, or not wholly.
    pub skipped: Vec<Skipped>,
    /// The number of scanned files.
    pub files: u64,
    /// The number of functions in these files.
    pub functions: u64,
    /// The number of calls in these files.
    pub calls: u64,
    /// The number of these calls whose callee is unknown.
    pub unresolved_calls: u64,
    /// The number of findings that comments or settings left out.
    #[serde(default)]
    pub ignored: u64,
    /// The number of findings that the baseline knows.
    #[serde(default)]
    pub known: u64,
    /// The findings that the baseline knows and the scan did not find.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gone: Vec<KnownFinding>,
    /// The remarks about comments for splitcost.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remarks: Vec<Remark>,
}

impl Scan {
    /// Returns the number of findings for each code.
    pub fn counts(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry(finding.code.as_str()).or_insert(0) += 1;
        }
        counts
    }
}
