//! Every codec on the same documents, in one Python process: the work of `splitcost bench codecs`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use splitcost_lab::app::Scratch;
use splitcost_lab::helper::Helper;
use splitcost_lab::python::Python;
use splitcost_lab::{Cancel, Progress, Step};
use splitcost_model::bench::{
    Change, CodecTimes, CodecVersion, Codecs, Document, DocumentRole, Trial, TrialOutcome, Unusual,
};
use splitcost_model::recording::{Payload, PayloadClass, Recording};
use splitcost_model::statistics::{Interval, change};

use crate::compare::ComparisonPlan;
use crate::{Error, Result};

/// The codec that the others are compared with.
///
/// Chosen: code uses the standard library's JSON until somebody chooses another codec.
const BASELINE: &str = "json";
/// The recorded shapes that are encoded.
///
/// Chosen: shapes beyond the three that carry most bytes seldom decide for a codec.
const SHAPES: usize = 3;
/// The seconds that the trials take, for the progress only.
const TRIAL_SECS: f64 = 10.0;
/// The seconds of one codec on one document in one round, for the progress only.
const TIMING_SECS: f64 = 0.005;

/// A document to encode.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A JSON file.
    File {
        /// The path as the user wrote it, for people.
        name: String,
        /// The absolute path.
        path: PathBuf,
    },
    /// A payload of a recorded shape.
    Shape {
        /// As `result of shop.pricing:quote`.
        name: String,
        /// The recorder's description of the shape.
        skeleton: String,
        /// The median of its recorded sizes.
        bytes: u64,
    },
}

impl Subject {
    /// Returns a file as a document.
    pub fn file(name: &Path, path: PathBuf) -> Self {
        Self::File { name: name.display().to_string(), path }
    }

    /// Returns the recorded payloads that carried most bytes between modules, and the number of different payloads.
    pub fn recorded(recording: &Recording) -> (Vec<Self>, usize) {
        let mut found: BTreeMap<(String, u32), Vec<u64>> = BTreeMap::new();
        for call in recording.requests.iter().flat_map(|request| &request.calls) {
            let Some(function) = recording.functions.get(call.function as usize) else { continue };
            let function = recording.function_name(function);
            let mut add = |role: &str, payload: &Option<Payload>| {
                if let Some(payload) = payload.as_ref().filter(|payload| may_cross(payload)) {
                    let name = format!("{role} of {function}");
                    found.entry((name, payload.shape)).or_default().push(payload.encoded_bytes);
                }
            };
            add("arguments", &call.arguments);
            add("result", &call.result);
        }
        let count = found.len();
        let mut all: Vec<((String, u32), Vec<u64>)> = found.into_iter().collect();
        all.sort_by_key(|(_, sizes)| std::cmp::Reverse(sizes.iter().sum::<u64>()));
        let subjects = all.into_iter().filter_map(|((name, shape), mut sizes)| {
            sizes.sort_unstable();
            let skeleton = recording.shapes.get(shape as usize)?.clone();
            Some(Self::Shape { name, skeleton, bytes: sizes[sizes.len() / 2] })
        });
        (subjects.take(SHAPES).collect(), count)
    }

    fn question(&self) -> Value {
        match self {
            Self::File { name, path } => json!({"name": name, "file": path}),
            Self::Shape { name, skeleton, bytes } => json!({"name": name, "skeleton": skeleton, "bytes": bytes}),
        }
    }
}

/// Returns whether a codec can carry the payload at all. Arguments that the callee changes are data, too.
fn may_cross(payload: &Payload) -> bool {
    payload.class <= PayloadClass::Mutated
}

#[derive(Deserialize)]
struct OpenedDocuments {
    python_version: String,
    gc: String,
    codecs: Vec<CodecVersion>,
    documents: Vec<Document>,
    left_out: Vec<String>,
    /// Codecs with objects of their own, which code may have at hand.
    with_objects: Vec<String>,
    /// The number of unusual values.
    unusual: usize,
}

#[derive(Deserialize)]
struct Proto {
    proto: String,
}

#[derive(Deserialize)]
struct RoundAnswer {
    timings: Vec<CodecTiming>,
}

#[derive(Clone, Copy, Deserialize)]
struct CodecTiming {
    encode_nanos: f64,
    decode_nanos: f64,
    bytes: u64,
}

/// An answer of the Python process, or an error.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer<T> {
    Error { error: String },
    Good(T),
}

/// The Python process, with the documents open.
struct CodecProcess {
    helper: Helper,
}

impl CodecProcess {
    fn start(python: &Python, scratch: &Scratch) -> Result<Self> {
        let arguments = ["splitcost.bench", "codecs"];
        Ok(Self { helper: Helper::start("measure codecs", "codecs", python, scratch, &arguments, &[])? })
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &Value, cancel: &Cancel) -> Result<T> {
        match self.helper.ask(question, cancel)? {
            Answer::Good(answer) => Ok(answer),
            Answer::Error { error: reason } => Err(Error::Document { reason }),
        }
    }

    fn open(&mut self, subjects: &[Subject], cancel: &Cancel) -> Result<OpenedDocuments> {
        let asked: Vec<Value> = subjects.iter().map(Subject::question).collect();
        let opened: OpenedDocuments = self.ask(&json!({"open": asked}), cancel)?;
        if opened.documents.is_empty() {
            return Err(Error::Document { reason: opened.left_out.join("; ") });
        }
        Ok(opened)
    }
}

/// Returns the `.proto` that is generated from the shape of the first document.
pub fn proto(subjects: &[Subject], python: &Python, cancel: &Cancel) -> Result<String> {
    let scratch = Scratch::empty()?;
    let mut process = CodecProcess::start(python, &scratch)?;
    process.open(subjects, cancel)?;
    let proto: Proto = process.ask(&json!({"proto": true}), cancel)?;
    Ok(proto.proto)
}

/// Encodes and decodes the documents with every installed codec: first to see the outcome, then in shuffled rounds to
/// measure the time.
pub fn codecs(
    subjects: &[Subject],
    plan: &ComparisonPlan,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Codecs> {
    let scratch = Scratch::empty()?;
    let mut process = CodecProcess::start(python, &scratch)?;
    let OpenedDocuments { python_version, gc, codecs, mut documents, left_out, with_objects, unusual } =
        process.open(subjects, cancel)?;
    let mut total_secs = TRIAL_SECS;
    let mut step = |label: &str, done_secs: f64, total_secs: f64| {
        progress(&Step { label: format!("codecs: {label}"), done_secs, total_secs, ..Step::default() });
    };
    step("outcomes", 0.0, total_secs);
    for (i, document) in documents.iter_mut().enumerate().filter(|(_, d)| d.role == DocumentRole::Document) {
        document.trials = process.ask(&json!({"trial": i}), cancel)?;
    }
    let unusual =
        (0..unusual).map(|i| process.ask(&json!({"unusual": i}), cancel)).collect::<Result<Vec<Unusual>>>()?;
    let mut order = timed(&codecs, &with_objects, &documents);
    let mut found: HashMap<Timed, Vec<CodecTiming>> = HashMap::new();
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let round_secs = order.len() as f64 * TIMING_SECS;
    total_secs += round_secs * plan.rounds as f64;
    for round in 0..plan.rounds {
        step("times", TRIAL_SECS + round_secs * round as f64, total_secs);
        order.shuffle(&mut rng);
        let asked: Vec<Value> = order.iter().map(Timed::question).collect();
        let answer: RoundAnswer = process.ask(&json!({"round": asked}), cancel)?;
        for (timed, timing) in order.iter().zip(answer.timings) {
            found.entry(timed.clone()).or_default().push(timing);
        }
    }
    for (i, document) in documents.iter_mut().enumerate() {
        document.times = times(&found, i, &codecs, plan);
    }
    let ComparisonPlan { rounds, margin, .. } = *plan;
    Ok(Codecs { python_version, gc, rounds, margin, codecs, documents, left_out, unusual })
}

/// One codec on one document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Timed {
    /// The document's index.
    document: usize,
    codec: String,
    /// True to encode and decode the codec's own objects instead of plain values.
    with_objects: bool,
}

impl Timed {
    fn question(&self) -> Value {
        json!([self.document, self.codec, self.with_objects])
    }
}

/// Returns every codec on every document that it can encode and decode.
fn timed(codecs: &[CodecVersion], with_objects: &[String], documents: &[Document]) -> Vec<Timed> {
    let mut found = Vec::new();
    for (document, described) in documents.iter().enumerate() {
        // Other sizes and depths have the first document's shape.
        let trials = if described.trials.is_empty() { &documents[0].trials } else { &described.trials };
        let can = |name: &str| trials.get(name).is_some_and(|Trial { outcome, .. }| *outcome != TrialOutcome::Error);
        for CodecVersion { name, .. } in codecs.iter().filter(|codec| can(&codec.name)) {
            found.push(Timed { document, codec: name.clone(), with_objects: false });
            if with_objects.contains(name) {
                found.push(Timed { document, codec: name.clone(), with_objects: true });
            }
        }
    }
    found
}

fn times(
    found: &HashMap<Timed, Vec<CodecTiming>>,
    document: usize,
    codecs: &[CodecVersion],
    plan: &ComparisonPlan,
) -> Vec<CodecTimes> {
    let rounds = |name: &str, with_objects| found.get(&Timed { document, codec: name.to_owned(), with_objects });
    let baseline = rounds(BASELINE, false);
    let mut times = Vec::new();
    for CodecVersion { name, .. } in codecs {
        for ready in [false, true] {
            let Some(timings) = rounds(name, ready) else { continue };
            let over = |nanos: &dyn Fn(&CodecTiming) -> f64| {
                let micros: Vec<f64> = timings.iter().map(|timing| nanos(timing) / 1e3).collect();
                Interval::of(&micros).unwrap_or_default()
            };
            let against = |nanos: &dyn Fn(&CodecTiming) -> f64| -> Option<Change> {
                let base = baseline.filter(|_| name != BASELINE)?;
                let logs: Vec<f64> =
                    timings.iter().zip(base).map(|(timing, base)| (nanos(timing) / nanos(base)).ln()).collect();
                change(&logs, plan.margin, plan.seed)
            };
            let encode = |timing: &CodecTiming| timing.encode_nanos;
            let decode = |timing: &CodecTiming| timing.decode_nanos;
            times.push(CodecTimes {
                codec: name.clone(),
                ready,
                bytes: timings.first().map_or(0, |timing| timing.bytes),
                encode_micros: over(&encode),
                decode_micros: over(&decode),
                encode_change: against(&encode),
                decode_change: against(&decode),
            });
        }
    }
    times
}
