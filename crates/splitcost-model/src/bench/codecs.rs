//! The result of `splitcost bench codecs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Change;
use crate::statistics::Interval;

/// Every codec on the same documents, in one Python process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Codecs {
    /// The version of `CPython`.
    pub python_version: String,
    /// The state of the garbage collector, and its thresholds.
    pub gc: String,
    /// The shuffled rounds in which everything was measured.
    pub rounds: u64,
    /// The largest change that counts as the same, as a share.
    pub margin: f64,
    /// The codecs, the standard library's first.
    pub codecs: Vec<CodecVersion>,
    /// The documents that were asked for, then the first in other sizes, then in other depths.
    pub documents: Vec<Document>,
    /// A sentence for each document that was left out, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub left_out: Vec<String>,
    /// The values on which codecs disagree.
    pub unusual: Vec<Unusual>,
}

/// A codec, and the packages that it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecVersion {
    /// Its name.
    pub name: String,
    /// Installed distributions and their versions.
    pub versions: BTreeMap<String, String>,
    /// The packages that are not installed. If there are any, the codec was not measured.
    pub missing: Vec<String>,
}

/// The reason why a document was encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentRole {
    /// The user asked for it.
    #[default]
    Document,
    /// The first document's shape in another size.
    Size,
    /// The first document's shape in another depth.
    Depth,
}

/// A document that was encoded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The reason why it was encoded.
    pub role: DocumentRole,
    /// The name of a file or of a recorded payload, or a size or depth.
    pub name: String,
    /// The size as encoded by the standard library's JSON; types that JSON lacks count as text.
    pub json_bytes: u64,
    /// The number of values, containers included.
    pub values: u64,
    /// The levels of containers.
    pub depth: u64,
    /// The trial of each codec; only of documents that the user asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub trials: BTreeMap<String, Trial>,
    /// The times of the codecs that can encode and decode it.
    #[serde(default)]
    pub times: Vec<CodecTimes>,
}

/// The times of one codec on one document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CodecTimes {
    /// Its name.
    pub codec: String,
    /// True where the codec encoded and decoded objects of its own (messages, models), without the conversion from and to
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

/// The outcome of encoding and decoding a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The outcome in a word.
    pub outcome: TrialOutcome,
    /// The places that changed or failed, one of each kind; empty where all was kept.
    pub places: Vec<ValueDifference>,
}

/// The outcome of a trial in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialOutcome {
    /// The same value came back, with the same types.
    #[default]
    Kept,
    /// Another value came back, without an error.
    Changed,
    /// The value could not be encoded, or not decoded again.
    Error,
}

/// A place in a value that changed or failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueDifference {
    /// The path, as `.lines[0].price`; empty for the whole value.
    pub path: String,
    /// The value there, as Python shows it.
    pub was: String,
    /// The value that came back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub became: Option<String>,
    /// The type of the value that came back, where it is another.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub became_type: Option<String>,
    /// The error, its type first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// A value on which codecs disagree, tried at `.rows[0].value` of a small document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unusual {
    /// The kind of value.
    pub name: String,
    /// The value, as Python shows it.
    pub value: String,
    /// The trial of each codec.
    pub codecs: BTreeMap<String, Trial>,
}
