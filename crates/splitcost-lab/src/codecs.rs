//! Every codec on the same documents, in one Python process: `splitcost bench codecs`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use splitcost_model::bench::{
    Change, CodecTimes, CodecVersion, Codecs, Document, DocumentRole, Outcome, Trial, Unusual,
};
use splitcost_model::recording::{Payload, PayloadClass, Recording};
use splitcost_model::statistics::{Interval, change};

use crate::app::Scratch;
use crate::bench::Conditions;
use crate::helper::Helper;
use crate::python::Python;
use crate::{Cancel, Error, Progress, Result, Step};

/// The codec that others are compared with: what code uses until it chooses another.
const BASELINE: &str = "json";
/// Codecs with objects of their own, which code may have at hand.
const READY: [&str; 2] = ["protobuf", "pydantic"];
/// Chosen: recorded shapes beyond the three that carry most bytes seldom decide for a codec.
const SHAPES: usize = 3;
/// Seconds that the trials take, for the progress only.
const TRIAL_SECS: f64 = 10.0;
/// Seconds of one cell in one round, likewise.
const CELL_SECS: f64 = 0.005;

/// What is encoded.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A JSON document, by its absolute path; the name is for people.
    File {
        /// What the user called it.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// A payload of a recorded shape.
    Shape {
        /// As `result of shop.pricing:quote`.
        name: String,
        /// The recorder's description of it.
        skeleton: String,
        /// Its recorded size.
        bytes: u64,
    },
}

impl Subject {
    /// A file.
    pub fn file(name: &Path, path: PathBuf) -> Self {
        Self::File { name: name.display().to_string(), path }
    }

    /// The recorded payloads that carried most bytes between modules, and of how many different ones.
    pub fn recorded(recording: &Recording) -> (Vec<Self>, usize) {
        let mut found: BTreeMap<(String, u32), Vec<u64>> = BTreeMap::new();
        for call in recording.requests.iter().flat_map(|request| &request.calls) {
            let Some(function) = recording.functions.get(call.function as usize) else { continue };
            let module = recording.modules.get(function.module as usize).map_or("", String::as_str);
            let mut add = |what: &str, payload: &Option<Payload>| {
                if let Some(payload) = payload.as_ref().filter(|payload| may_cross(payload)) {
                    let name = format!("{what} of {module}:{}", function.qualname);
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

/// Whether a codec can carry it at all; what a callee changed in place is data, too.
fn may_cross(payload: &Payload) -> bool {
    payload.class <= PayloadClass::Mutated
}

#[derive(Deserialize)]
struct Opened {
    python_version: String,
    gc: String,
    codecs: Vec<CodecVersion>,
    documents: Vec<Document>,
    left_out: Vec<String>,
    /// How many unusual values there are.
    unusual: usize,
}

#[derive(Deserialize)]
struct Proto {
    proto: String,
}

#[derive(Deserialize)]
struct Round {
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Deserialize)]
struct Cell {
    encode_nanos: f64,
    decode_nanos: f64,
    bytes: u64,
}

/// An answer, or why there is none.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer<T> {
    Error { error: String },
    Good(T),
}

/// The Python half, with the documents open.
struct Half {
    helper: Helper,
}

impl Half {
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

    fn open(&mut self, subjects: &[Subject], cancel: &Cancel) -> Result<Opened> {
        let asked: Vec<Value> = subjects.iter().map(Subject::question).collect();
        let opened: Opened = self.ask(&json!({"open": asked}), cancel)?;
        if opened.documents.is_empty() {
            return Err(Error::Document { reason: opened.left_out.join("; ") });
        }
        Ok(opened)
    }
}

/// The `.proto` that is generated of the first document's shape.
pub fn proto(subjects: &[Subject], python: &Python, cancel: &Cancel) -> Result<String> {
    let scratch = Scratch::empty()?;
    let mut half = Half::start(python, &scratch)?;
    half.open(subjects, cancel)?;
    let proto: Proto = half.ask(&json!({"proto": true}), cancel)?;
    Ok(proto.proto)
}

/// Tries and times every codec that is installed.
pub fn codecs(
    subjects: &[Subject],
    conditions: &Conditions,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Codecs> {
    let scratch = Scratch::empty()?;
    let mut half = Half::start(python, &scratch)?;
    let Opened { python_version, gc, codecs, mut documents, left_out, unusual } = half.open(subjects, cancel)?;
    let mut total_secs = TRIAL_SECS;
    let mut step = |label: &str, done_secs: f64, total_secs: f64| {
        progress(&Step { label: format!("codecs: {label}"), done_secs, total_secs, ..Step::default() });
    };
    step("what each does to each value", 0.0, total_secs);
    for (i, document) in documents.iter_mut().enumerate().filter(|(_, d)| d.role == DocumentRole::Document) {
        document.trials = half.ask(&json!({"trial": i}), cancel)?;
    }
    let unusual = (0..unusual).map(|i| half.ask(&json!({"unusual": i}), cancel)).collect::<Result<Vec<Unusual>>>()?;
    let mut cells = cells(&codecs, &documents);
    let mut found: HashMap<(usize, String, bool), Vec<Cell>> = HashMap::new();
    let mut rng = ChaCha8Rng::seed_from_u64(conditions.seed);
    let round_secs = cells.len() as f64 * CELL_SECS;
    total_secs += round_secs * conditions.rounds as f64;
    for round in 0..conditions.rounds {
        step("times", TRIAL_SECS + round_secs * round as f64, total_secs);
        cells.shuffle(&mut rng);
        let answer: Round = half.ask(&json!({"round": cells}), cancel)?;
        for (key, cell) in cells.iter().zip(answer.cells) {
            found.entry(key.clone()).or_default().push(cell);
        }
    }
    for (i, document) in documents.iter_mut().enumerate() {
        document.times = times(&found, i, &codecs, conditions);
    }
    let Conditions { rounds, margin, .. } = *conditions;
    Ok(Codecs { python_version, gc, rounds, margin, codecs, documents, left_out, unusual })
}

/// Document, codec, and whether with objects of its own: those that can be measured.
fn cells(codecs: &[CodecVersion], documents: &[Document]) -> Vec<(usize, String, bool)> {
    let mut cells = Vec::new();
    for (i, document) in documents.iter().enumerate() {
        // Other sizes and depths have the first document's shape.
        let trials = if document.trials.is_empty() { &documents[0].trials } else { &document.trials };
        let can = |name: &str| trials.get(name).is_some_and(|Trial { outcome, .. }| *outcome != Outcome::Error);
        for CodecVersion { name, .. } in codecs.iter().filter(|codec| can(&codec.name)) {
            cells.push((i, name.clone(), false));
            if READY.contains(&name.as_str()) {
                cells.push((i, name.clone(), true));
            }
        }
    }
    cells
}

fn times(
    found: &HashMap<(usize, String, bool), Vec<Cell>>,
    document: usize,
    codecs: &[CodecVersion],
    conditions: &Conditions,
) -> Vec<CodecTimes> {
    let rounds = |name: &str, ready: bool| found.get(&(document, name.to_owned(), ready));
    let baseline = rounds(BASELINE, false);
    let mut times = Vec::new();
    for CodecVersion { name, .. } in codecs {
        for ready in [false, true] {
            let Some(cells) = rounds(name, ready) else { continue };
            let over = |nanos: &dyn Fn(&Cell) -> f64| {
                let micros: Vec<f64> = cells.iter().map(|cell| nanos(cell) / 1e3).collect();
                Interval::of(&micros).unwrap_or_default()
            };
            let against = |nanos: &dyn Fn(&Cell) -> f64| -> Option<Change> {
                let base = baseline.filter(|_| name != BASELINE)?;
                let ratios: Vec<f64> = cells.iter().zip(base).map(|(cell, base)| nanos(cell) / nanos(base)).collect();
                let logs: Vec<f64> = ratios.into_iter().map(f64::ln).collect();
                change(&logs, conditions.margin, conditions.seed)
            };
            let (encode, decode) = (|cell: &Cell| cell.encode_nanos, |cell: &Cell| cell.decode_nanos);
            times.push(CodecTimes {
                codec: name.clone(),
                ready,
                bytes: cells.first().map_or(0, |cell| cell.bytes),
                encode_micros: over(&encode),
                decode_micros: over(&decode),
                encode_change: against(&encode),
                decode_change: against(&decode),
            });
        }
    }
    times
}
