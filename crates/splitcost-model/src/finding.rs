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
pub struct Step {
    /// Where the call stands.
    pub location: Location,
    /// The function that it is in, by its dotted path.
    pub function: String,
    /// What is called there, by its dotted path.
    pub callee: String,
}

/// A place in the code with a communication anti-pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub way: Vec<Step>,
    /// How sure it is.
    pub confidence: Confidence,
}

/// A file that was not scanned, or not all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Which.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
