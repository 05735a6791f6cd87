//! What `splitcost bench codecs` finds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Change;
use crate::statistics::Interval;

/// Every codec on the same documents, in one Python process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Codecs {
    /// `CPython`'s version.
    pub python_version: String,
    /// Whether the garbage collector ran, and its thresholds.
    pub gc: String,
    /// Shuffled rounds that every time comes from.
    pub rounds: u64,
    /// What counts as the same, as a share.
    pub margin: f64,
    /// The codecs, the standard library's first.
    pub codecs: Vec<CodecVersion>,
    /// What was encoded: the documents themselves, then the first in other sizes, then in other depths.
    pub documents: Vec<Document>,
    /// What was left out, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub left_out: Vec<String>,
    /// Values that codecs disagree about.
    pub unusual: Vec<Unusual>,
}

/// A codec, and what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecVersion {
    /// Its name.
    pub name: String,
    /// Installed distributions and their versions.
    pub versions: BTreeMap<String, String>,
    /// Packages that are not installed; then nothing else is known of it.
    pub missing: Vec<String>,
}

/// Why a document was encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentRole {
    /// It was asked for.
    #[default]
    Document,
    /// The first document's shape in another size.
    Size,
    /// The first document's shape in another depth.
    Depth,
}

/// Something that was encoded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Why.
    pub role: DocumentRole,
    /// A file, a recorded payload, or a size or depth.
    pub name: String,
    /// Encoded by the standard library's JSON; types that it lacks count as text.
    pub json_bytes: u64,
    /// Values in it, containers included.
    pub values: u64,
    /// Levels of containers.
    pub depth: u64,
    /// What each codec does to it; only of what was asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub trials: BTreeMap<String, Trial>,
    /// Times of the codecs that can encode and decode it.
    #[serde(default)]
    pub times: Vec<CodecTimes>,
}

/// One codec on one document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CodecTimes {
    /// Its name.
    pub codec: String,
    /// Whether it had objects of its own at hand (messages, models), and gave such: without the conversion from and to
    /// plain values.
    pub ready: bool,
    /// Encoded size.
    pub bytes: u64,
    /// Time of one encoding, median over the rounds.
    pub encode_micros: Interval,
    /// Time of one decoding.
    pub decode_micros: Interval,
    /// Encoding over the standard library's JSON; absent where that cannot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encode_change: Option<Change>,
    /// Decoding over the standard library's JSON.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decode_change: Option<Change>,
}

/// What became of a value that was encoded and decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// In a word.
    pub outcome: Outcome,
    /// Where, one of each kind; none where all was kept.
    pub places: Vec<Place>,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It came back, with the same types.
    #[default]
    Kept,
    /// Something else came back, and no error.
    Changed,
    /// It could not be encoded, or not be decoded again.
    Error,
}

/// A place in a value, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// As `.lines[0].price`; empty for all of it.
    pub path: String,
    /// What was there, as Python shows it.
    pub was: String,
    /// What it became.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub became: Option<String>,
    /// The type that it became, where that is another.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub became_type: Option<String>,
    /// The error, its type first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// A value that codecs disagree about, tried at `.rows[0].value` of a small document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unusual {
    /// What kind of value.
    pub name: String,
    /// The value, as Python shows it.
    pub value: String,
    /// Per codec.
    pub codecs: BTreeMap<String, Trial>,
}
