//! Measures the cost of a call over a stack on this machine: real clients call real servers, in shuffled rounds.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use splitcost_model::boundary::{Boundary, Execution};
use splitcost_model::calibration::{
    BURST_CALLS, CROWDED_CALLERS, Calibration, ClientMode, HandlerMode, Pace, Point, Round,
};
use splitcost_model::recording::{Call, CallIndex, FunctionKind, Meta, PayloadClass, Phase, Recording};
use splitcost_model::split::{Split, StackName};
use splitcost_model::statistics::{mean, median};

use crate::app::Scratch;
use crate::helper::Helper;
use crate::python::{Python, output};
use crate::record::now;
use crate::secret::token;
use crate::yardstick::Yardstick;
use crate::{Cancel, Error, Progress, Result, Step, cache, cpu};

/// The version of the method, part of the cache key: a calibration by another one lacks kinds of calls.
const METHOD: u32 = 5;
/// Rounds; each runs every trial once.
///
/// Chosen: an interval over fewer rounds would be their range; more take time, and each has a median of many calls.
const ROUNDS: usize = 5;
/// Duration of the start of client and server, for the progress only.
///
/// Chosen: each imports its stack in about a second.
const START_SECS: f64 = 2.0;
/// Duration of a spaced trial, of which half is spent on the pauses alone.
///
/// Chosen: rounds short enough that slow drift of the machine affects all trials alike.
const SPACED_SECS: f64 = 0.09;
/// Fewest and most calls of a spaced trial.
///
/// Chosen: the first calls after another trial cost more, and a median needs some; more only take time.
const SPACED_CALLS: RangeInclusive<f64> = 12.0..=80.0;
/// Calls in a row after each idle time: those of a burst, and as many settled ones.
///
/// Chosen: few enough that the idle time has its effect on each of them.
const CALLS_AFTER_IDLE: usize = 2 * BURST_CALLS as usize;
/// Bursts of a trial.
///
/// Chosen: as long as the other trials.
const BURSTS: u32 = 4;
/// Idle time before each burst.
///
/// Measured: a fixed piece of Python work after 0 to 50 ms of sleep costs more up to a gap of 10 ms (2 cores, November 2026).
/// Chosen: twice that.
const BURST_IDLE_MICROS: u64 = 20_000;
/// Calls of a crowded trial, all callers' together.
///
/// Chosen: as long as the other trials, and many for each caller.
const CROWDED_CALLS: u32 = 128;
/// Calls of a trial amid work.
///
/// Chosen: as long as the other trials.
const AMID_CALLS: u32 = 30;
/// Pieces of work around a call, or inside of it; one takes some 20 µs.
///
/// Measured: what a call costs more grows up to 1 ms of work, half of it within the first 0.3 ms (2 cores, November 2026).
const PIECES: [u32; 2] = [12, 44];
/// Duration of a call and its pause beyond the gap; the planned time is computed from it, and nothing else.
///
/// Chosen: calls over both stacks take less.
const CALL_SECS: f64 = 0.001;
/// The payload of a call that carries nearly nothing.
const SMALL: PayloadSize = PayloadSize { nodes: 4, bytes: 50, adapter: false };
/// The payloads that are measured without a recording.
///
/// Chosen: a factor of ten from one to the next, which separates the cost per byte from the cost per call.
const DEFAULT_PAYLOADS: [PayloadSize; 3] = [
    PayloadSize { nodes: 10, bytes: 100, adapter: false },
    PayloadSize { nodes: 100, bytes: 1_000, adapter: false },
    PayloadSize { nodes: 1_000, bytes: 10_000, adapter: false },
];
/// Pause between two calls without a recording.
///
/// Chosen: between calls of a service under moderate load.
const DEFAULT_GAP_MICROS: u64 = 2_000;
/// Longest pause between two calls.
///
/// Chosen: after longer ones caches are no colder, and calibrating takes long.
const MAX_GAP_MICROS: u64 = 5_000;

/// Arguments and result of a call together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayloadSize {
    /// Values: the nodes of the tree that the payload is.
    pub nodes: u64,
    /// Encoded bytes.
    pub bytes: u64,
    /// Holds values that plain JSON does not know, which need adapters.
    pub adapter: bool,
}

/// The calls that a calibration measures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// Pairs of how the caller waits and how the function runs.
    pub modes: Vec<(ClientMode, HandlerMode)>,
    /// Pause between two calls.
    pub gap_micros: u64,
    /// Payloads, the smallest first.
    pub payloads: Vec<PayloadSize>,
    /// The payload of a call whose function changes its arguments in place, if there are such calls.
    pub changed: Option<PayloadSize>,
    /// Each call carries a Flask request.
    pub flask: bool,
}

/// A coroutine function of another service: awaited there and here.
const AWAITED: (ClientMode, HandlerMode) = (ClientMode::Async, HandlerMode::Async);
/// A plain function of another service, called by an unmodified caller.
const BLOCKING: (ClientMode, HandlerMode) = (ClientMode::Sync, HandlerMode::Sync);
/// The same, after the caller was rewritten to await it.
const REWRITTEN: (ClientMode, HandlerMode) = (ClientMode::Async, HandlerMode::Sync);

impl Default for Needs {
    fn default() -> Self {
        let modes = vec![AWAITED, REWRITTEN, BLOCKING, (ClientMode::Sync, HandlerMode::Async)];
        let payloads = with_small(DEFAULT_PAYLOADS.to_vec());
        Self { modes, gap_micros: DEFAULT_GAP_MICROS, payloads, changed: None, flask: false }
    }
}

impl Needs {
    /// Returns the gap and the payloads of the calls that would cross in these splits.
    ///
    /// They are rounded to 1, 2 and 5 times a power of ten, so that two recordings of one app need the same calibration.
    pub fn of(recording: &Recording, splits: &[&Split]) -> Self {
        let alone = recording.meta.phases.iter().position(Phase::is_lone);
        let flask = recording.meta.servers.iter().any(|server| server == Meta::FLASK);
        let boundaries: Vec<Boundary<'_>> =
            splits.iter().map(|split| Boundary::new(recording, split, Execution::Rewritten)).collect();
        let mut gaps = Vec::new();
        let mut modes = vec![AWAITED];
        let (mut sampled, mut changed): (Vec<PayloadSize>, Vec<PayloadSize>) = Default::default();
        for request in &recording.requests {
            let crosses = |index: usize| {
                boundaries.iter().any(|boundary| boundary.crosses_from_caller(request, index as CallIndex))
            };
            let crossing: Vec<&Call> =
                (1..request.calls.len()).filter(|index| crosses(*index)).map(|index| &request.calls[index]).collect();
            if alone.is_none() || request.phase == alone.map(|phase| phase as u32) {
                gaps.extend(crossing.windows(2).map(|pair| (pair[1].start() - pair[0].end()).as_nanos_f64() / 1e3));
            }
            for call in crossing {
                let kind = recording.functions.get(call.function as usize).map(|f| f.kind).unwrap_or_default();
                if modes.len() == 1 && kind != FunctionKind::Coroutine {
                    modes.extend([REWRITTEN, BLOCKING]);
                }
                let (Some(arguments), Some(result)) = (&call.arguments, &call.result) else { continue };
                let adapter = arguments.class.max(result.class) > PayloadClass::Plain;
                let bytes = arguments.encoded_bytes + result.encoded_bytes;
                let payload = PayloadSize { nodes: arguments.nodes + result.nodes, bytes, adapter };
                if arguments.is_changed() {
                    changed.push(payload);
                }
                sampled.push(payload);
            }
        }
        let gap_micros = match median(gaps) {
            Some(gap) => round_125(gap as u64).clamp(1, MAX_GAP_MICROS),
            None => DEFAULT_GAP_MICROS,
        };
        for payloads in [&mut sampled, &mut changed] {
            payloads.sort_by_key(|payload| payload.bytes);
        }
        let at = |payloads: &[PayloadSize], q: f64| {
            let last = payloads.len().checked_sub(1)?;
            let PayloadSize { nodes, bytes, adapter } = payloads[(last as f64 * q).round() as usize];
            Some(PayloadSize { nodes: round_125(nodes).max(1), bytes: round_125(bytes).max(20), adapter })
        };
        let payloads: Vec<PayloadSize> = [0.5, 0.9, 1.0].into_iter().filter_map(|q| at(&sampled, q)).collect();
        if payloads.is_empty() {
            return Self { modes, gap_micros, flask, ..Self::default() };
        }
        Self { modes, gap_micros, payloads: with_small(payloads), changed: at(&changed, 0.5), flask }
    }

    fn text(&self) -> String {
        let payloads: Vec<String> = self
            .payloads
            .iter()
            .map(|PayloadSize { nodes, bytes, adapter }| format!("{nodes}/{bytes}{}", if *adapter { "+" } else { "" }))
            .collect();
        let modes = if self.modes.contains(&BLOCKING) { "" } else { "; awaited only" };
        let changed = self.changed.map(|payload| format!("; changed {}/{}", payload.nodes, payload.bytes));
        let flask = if self.flask { "; with a Flask request" } else { "" };
        let changed = changed.unwrap_or_default();
        format!("gap {} µs; values/bytes {}{modes}{changed}{flask}", self.gap_micros, payloads.join(" "))
    }
}

fn with_small(mut payloads: Vec<PayloadSize>) -> Vec<PayloadSize> {
    payloads.insert(0, SMALL);
    // A line through equal points has no slope: sizes that fell together are spread again.
    for i in 1..payloads.len() {
        if payloads[i].bytes <= payloads[i - 1].bytes {
            payloads[i].bytes = payloads[i - 1].bytes * 2;
            payloads[i].nodes = payloads[i].nodes.max(payloads[i - 1].nodes);
        }
    }
    payloads
}

/// Returns the nearest of 1, 2, 5, 10, 20, 50 …; zero stays zero.
fn round_125(value: u64) -> u64 {
    let mut power = 1_u64;
    while power <= value / 10 {
        power *= 10;
    }
    [1, 2, 5, 10].map(|step| step * power).into_iter().min_by_key(|near| near.abs_diff(value)).unwrap_or(value)
        * u64::from(value > 0)
}

/// Returns the planned seconds for one stack.
pub fn planned_secs(needs: &Needs) -> f64 {
    let modes = needs.modes.len() as f64;
    let spaced = modes * (needs.payloads.len() + usize::from(needs.changed.is_some())) as f64;
    let calls_secs = CALLS_AFTER_IDLE as f64 * (needs.gap_micros as f64 / 1e6 + CALL_SECS);
    let burst_secs = calls_secs + BURST_IDLE_MICROS as f64 / 1e6;
    let amid_secs = 4.0 * f64::from(AMID_CALLS) * 2.0 * CALL_SECS;
    let other = 2.0 * f64::from(BURSTS) * burst_secs + 3.0 * f64::from(CROWDED_CALLS) * CALL_SECS + amid_secs;
    START_SECS + ROUNDS as f64 * (modes * other + spaced * SPACED_SECS)
}

/// Returns the calibration of a stack: from the cache, if it has one that is no older than `max_age`, or measured.
pub fn calibrate(
    stack: StackName,
    needs: &Needs,
    python: &Python,
    (seed, max_age): (u64, Duration),
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Calibration> {
    let fingerprint = fingerprint(stack, needs, python)?;
    let cached = cache_path(&fingerprint);
    let found = cached.as_deref().and_then(|path| read(path, &fingerprint));
    if let Some(calibration) = found.filter(|found| is_younger(&found.measured_at, max_age)) {
        return Ok(calibration);
    }
    let rounds = measure(stack, needs, python, seed, progress, cancel)?;
    let calibration = Calibration { stack, fingerprint, measured_at: now(), rounds };
    if let Some(path) = cached {
        cache::write(&path, &calibration);
    }
    Ok(calibration)
}

/// Returns true for a time, as RFC 3339 in UTC, that is no longer ago than this. Nothing is younger than no time at all.
fn is_younger(measured_at: &str, max_age: Duration) -> bool {
    let age = humantime::parse_rfc3339(measured_at).ok().and_then(|at| at.elapsed().ok());
    max_age == Duration::MAX || age.is_some_and(|age| age < max_age)
}

/// Returns the calibration of a stack if the cache has it.
pub fn cached(stack: StackName, needs: &Needs, python: &Python) -> Result<Option<Calibration>> {
    let fingerprint = fingerprint(stack, needs, python)?;
    Ok(cache_path(&fingerprint).and_then(|path| read(&path, &fingerprint)))
}

fn read(path: &Path, fingerprint: &str) -> Option<Calibration> {
    let calibration: Calibration = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    (calibration.fingerprint == fingerprint && !calibration.rounds.is_empty()).then_some(calibration)
}

fn cache_path(fingerprint: &str) -> Option<PathBuf> {
    let mut hasher = DefaultHasher::new();
    fingerprint.hash(&mut hasher);
    cache::path(&format!("calibration-{:016x}.json", hasher.finish()))
}

/// The answer of `python -m splitcost.stacks --json`.
#[derive(Deserialize)]
struct StackList {
    stacks: Vec<StackDescription>,
}

#[derive(Deserialize)]
struct StackDescription {
    name: String,
    missing: Vec<String>,
    versions: std::collections::BTreeMap<String, String>,
}

/// Returns the packages that a stack needs and this interpreter's environment does not have.
pub fn missing(stack: StackName, python: &Python) -> Result<Vec<String>> {
    Ok(ask_stack(stack, python)?.missing)
}

fn ask_stack(stack: StackName, python: &Python) -> Result<StackDescription> {
    let failed = |reason: String| Error::Helper {
        action: format!("look for the {} stack", stack.name()),
        reason,
        log: String::new(),
    };
    let mut command = Command::new(&python.executable);
    command.args(["-m", "splitcost.stacks", "--json"]);
    let text = output(&mut command, Duration::from_secs(30)).map_err(failed)?;
    let answer: StackList = serde_json::from_str(text.trim()).map_err(|error| failed(error.to_string()))?;
    answer
        .stacks
        .into_iter()
        .find(|answer| answer.name == stack.name())
        .ok_or_else(|| failed("the installed package splitcost has no such stack".to_owned()))
}

/// Returns everything that the costs depend on, as text for people.
fn fingerprint(stack: StackName, needs: &Needs, python: &Python) -> Result<String> {
    let answer = ask_stack(stack, python)?;
    if !answer.missing.is_empty() {
        return Err(Error::StackMissing {
            stack: stack.name().to_owned(),
            path: python.executable.clone(),
            packages: answer.missing,
        });
    }
    let versions: Vec<String> = answer.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    Ok(format!(
        "{}: {}; Python {}; splitcost {}, calibration {METHOD}; {}; {}",
        stack.name(),
        versions.join(", "),
        python.version,
        python.package_version,
        cpu::machine(),
        needs.text()
    ))
}

#[derive(Deserialize)]
struct Listening {
    port: u16,
}

#[derive(Deserialize)]
struct Answer {
    /// One element per call, as in all three.
    wall_nanos: Vec<f64>,
    client_cpu_nanos: Vec<f64>,
    server_cpu_nanos: Vec<f64>,
    elapsed_nanos: f64,
    nodes: f64,
    bytes: f64,
    work_nanos: f64,
}

/// The pauses between the calls of a trial.
#[derive(Clone, Copy)]
enum Rhythm {
    Spaced,
    Bursts,
    /// By many callers at once, with this many pieces of work around each call.
    Crowded(u32),
    /// No pauses, but this many pieces of work.
    Around(u32),
    Inside(u32),
    /// Spaced, and the arguments are changed.
    Changing,
}

/// Calls of one kind, made in a row.
#[derive(Clone, Copy)]
struct Trial {
    client: ClientMode,
    handler: HandlerMode,
    rhythm: Rhythm,
    payload: PayloadSize,
}

impl Trial {
    fn all(needs: &Needs) -> Vec<Self> {
        let mut trials = Vec::new();
        for &(client, handler) in &needs.modes {
            let trial = |rhythm, &payload| Self { client, handler, rhythm, payload };
            trials.extend(needs.payloads.iter().map(|payload| trial(Rhythm::Spaced, payload)));
            // The cost of being cold, crowded or amid work does not depend on the payload.
            if let Some(small) = needs.payloads.first() {
                trials.push(trial(Rhythm::Bursts, small));
                trials.extend([0, PIECES[1]].map(|pieces| trial(Rhythm::Crowded(pieces), small)));
                trials.extend(PIECES.map(|pieces| trial(Rhythm::Around(pieces), small)));
                trials.extend(PIECES.map(|pieces| trial(Rhythm::Inside(pieces), small)));
            }
            trials.extend(needs.changed.iter().map(|payload| trial(Rhythm::Changing, payload)));
        }
        trials
    }

    fn question(self, gap_micros: u64) -> serde_json::Value {
        let PayloadSize { nodes, bytes, adapter } = self.payload;
        let (pauses, repeats, callers) = match self.rhythm {
            Rhythm::Spaced | Rhythm::Changing => {
                // Half of the time goes to the pauses alone.
                let calls = SPACED_SECS / 2.0 / (gap_micros as f64 / 1e6 + CALL_SECS);
                (vec![gap_micros], calls.clamp(*SPACED_CALLS.start(), *SPACED_CALLS.end()) as u32, 1)
            }
            Rhythm::Bursts => {
                let mut pauses = vec![gap_micros; CALLS_AFTER_IDLE];
                pauses[CALLS_AFTER_IDLE - 1] = BURST_IDLE_MICROS;
                (pauses, BURSTS, 1)
            }
            Rhythm::Crowded(_) => (vec![0], CROWDED_CALLS, CROWDED_CALLERS),
            Rhythm::Around(_) | Rhythm::Inside(_) => (vec![0], AMID_CALLS, 1),
        };
        let work = match self.rhythm {
            Rhythm::Around(pieces) | Rhythm::Crowded(pieces) => Some(("around", pieces)),
            Rhythm::Inside(pieces) => Some(("inside", pieces)),
            _ => None,
        };
        serde_json::json!({
            "client": self.client,
            "handler": self.handler,
            "pauses_micros": pauses,
            "repeats": repeats,
            "callers": callers,
            "work": work,
            "changes": matches!(self.rhythm, Rhythm::Changing),
            "payload": {"nodes": nodes, "bytes": bytes, "kind": if adapter { "adapter" } else { "plain" }},
        })
    }

    /// Returns the cost of the calls, by pace.
    fn points(self, answer: &Answer) -> Vec<Point> {
        let point = |pace, which: &dyn Fn(usize) -> bool| {
            let of = |values: &[f64]| -> Vec<f64> {
                values.iter().enumerate().filter(|(i, _)| which(*i)).map(|(_, value)| *value).collect()
            };
            let walls = of(&answer.wall_nanos);
            Point {
                client: self.client,
                handler: self.handler,
                pace,
                calls: walls.len() as u32,
                nodes: answer.nodes,
                bytes: answer.bytes,
                client_cpu_nanos: mean(of(&answer.client_cpu_nanos)).unwrap_or_default(),
                server_cpu_nanos: mean(of(&answer.server_cpu_nanos)).unwrap_or_default(),
                wall_nanos: match pace {
                    Pace::Crowded => answer.elapsed_nanos / walls.len().max(1) as f64,
                    _ => median(walls).unwrap_or_default(),
                },
                work_nanos: answer.work_nanos,
            }
        };
        match self.rhythm {
            Rhythm::Spaced => vec![point(Pace::Spaced, &|_| true)],
            // The first burst follows the warm-up, not the idle.
            Rhythm::Bursts => {
                let after_idle = |i: usize| (i >= CALLS_AFTER_IDLE).then_some(i % CALLS_AFTER_IDLE);
                let burst = BURST_CALLS as usize;
                vec![
                    point(Pace::Cold, &|i| after_idle(i) == Some(0)),
                    point(Pace::Burst, &|i| after_idle(i).is_some_and(|nth| (1..burst).contains(&nth))),
                    point(Pace::Settled, &|i| after_idle(i).is_some_and(|nth| nth >= burst)),
                ]
            }
            Rhythm::Crowded(_) => vec![point(Pace::Crowded, &|_| true)],
            Rhythm::Around(_) => vec![point(Pace::Around, &|_| true)],
            Rhythm::Inside(_) => vec![point(Pace::Inside, &|_| true)],
            Rhythm::Changing => vec![point(Pace::Changing, &|_| true)],
        }
    }
}

fn measure(
    stack: StackName,
    needs: &Needs,
    python: &Python,
    seed: u64,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Vec<Round>> {
    let name = stack.name();
    let action = format!("calibrate {name}");
    let mut step = Step { label: format!("{action}: starting"), total_secs: planned_secs(needs), ..Step::default() };
    progress(&step);
    let scratch = Scratch::empty()?;
    let token = token()?;
    let env = [("SPLITCOST_TOKEN", token.as_str())];
    let flask = needs.flask.then_some("--flask");
    let arguments: Vec<&str> = ["splitcost.calibration", "server", "--stack", name].into_iter().chain(flask).collect();
    let mut server = Helper::start(&action, "server", python, &scratch, &arguments, &env)?;
    let Listening { port } = server.answer(cancel)?;
    let port = port.to_string();
    let arguments: Vec<&str> =
        ["splitcost.calibration", "client", "--stack", name, "--server", &port].into_iter().chain(flask).collect();
    let mut client = Helper::start(&action, "client", python, &scratch, &arguments, &env)?;

    let mut trials = Trial::all(needs);
    for trial in &trials {
        // Connections are opened and code specialised before anything counts.
        client.ask::<Answer>(&trial.question(0), cancel)?;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut yardstick = Yardstick::start(python, cancel)?;
    let started = Instant::now();
    let mut rounds = Vec::with_capacity(ROUNDS);
    let total = (ROUNDS * trials.len()) as f64;
    for number in 0..ROUNDS {
        trials.shuffle(&mut rng);
        let from = splitcost_load::monotonic_now().as_nanos();
        let mut round = Round::default();
        for (i, trial) in trials.iter().enumerate() {
            let answer = client.ask(&trial.question(needs.gap_micros), cancel)?;
            round.points.extend(trial.points(&answer));
            let done = (number * trials.len() + i + 1) as f64;
            step.label = format!("{action}: round {} of {ROUNDS}", number + 1);
            step.done_secs = START_SECS + started.elapsed().as_secs_f64();
            step.total_secs = START_SECS + started.elapsed().as_secs_f64() * total / done;
            progress(&step);
        }
        // Equal sequences in every round make medians by payload comparable.
        round.points.sort_by(|a, b| {
            (a.client, a.handler, a.pace)
                .cmp(&(b.client, b.handler, b.pace))
                .then(a.bytes.total_cmp(&b.bytes))
                .then(a.work_nanos.total_cmp(&b.work_nanos))
        });
        round.yardstick_nanos = yardstick.mean_nanos(from, splitcost_load::monotonic_now().as_nanos());
        rounds.push(round);
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use splitcost_model::quantity::Nanos;
    use splitcost_model::recording::{Function, Obstacle, Payload, Request, Segment};

    use super::*;

    #[test]
    fn a_calibration_has_an_age() {
        assert!(is_younger(&now(), Duration::from_mins(10)) && !is_younger(&now(), Duration::ZERO));
        let old = "2026-11-24T10:00:00Z";
        assert!(is_younger(old, Duration::MAX) && !is_younger(old, Duration::from_mins(10)));
    }

    #[test]
    fn sizes_are_rounded_to_few_values() {
        let rounded: Vec<u64> = [0, 1, 3, 4, 7, 8, 14, 16, 149, 151, 740, 760].map(round_125).to_vec();
        assert_eq!(rounded, [0, 1, 2, 5, 5, 10, 10, 20, 100, 200, 500, 1000]);
    }

    #[test]
    fn gaps_and_payloads_are_those_of_the_calls_that_would_cross() {
        let function = |module| Function { module, ..Function::default() };
        let payload = |nodes, encoded_bytes, class| Some(Payload { nodes, encoded_bytes, class, ..Payload::default() });
        let call = |function, parent, micros: u64, bytes| Call {
            function,
            parent,
            segments: vec![Segment {
                start: Nanos::from_micros(micros),
                wall: Nanos::from_micros(100),
                ..Segment::default()
            }],
            arguments: payload(5, bytes, PayloadClass::Plain),
            result: payload(5, bytes, PayloadClass::Adapter),
            ..Call::default()
        };
        let recording = Recording {
            modules: ["(framework)", "shop.orders", "shop.pricing", "shop.db"].map(str::to_owned).to_vec(),
            functions: (0..4).map(function).collect(),
            requests: vec![Request {
                calls: vec![
                    call(0, 0, 0, 1),
                    call(1, 0, 10, 1),
                    call(3, 1, 20, 100_000),
                    call(2, 1, 200, 55),
                    call(2, 1, 480, 500),
                ],
                ..Request::default()
            }],
            ..Recording::default()
        };
        let split =
            Split { services: [("pricing".to_owned(), vec!["shop.pricing".to_owned()])].into(), ..Split::default() };
        let needs = Needs::of(&recording, &[&split]);
        assert_eq!(needs.gap_micros, 200);
        let with_adapter = |bytes| PayloadSize { nodes: 10, bytes, adapter: true };
        assert_eq!(needs.payloads, [SMALL, with_adapter(1000), with_adapter(2000), with_adapter(4000)]);
        assert_eq!(needs.modes, [AWAITED, REWRITTEN, BLOCKING]);
        assert_eq!(needs.changed, None);
        let mut recording = recording;
        let changing = recording.requests[0].calls[4].arguments.as_mut().unwrap();
        changing.obstacles = vec![Obstacle { class: PayloadClass::Mutated, path: "arguments.lines".into() }];
        assert_eq!(Needs::of(&recording, &[&split]).changed, Some(with_adapter(1000)));
        assert!(!Needs::of(&recording, &[&split]).flask);
        recording.meta.servers = vec!["flask".to_owned(), "gunicorn".to_owned()];
        assert!(Needs::of(&recording, &[&split]).flask);
        let nothing = Needs::of(&Recording::default(), &[&split]);
        assert_eq!(nothing, Needs { modes: vec![AWAITED], ..Needs::default() });
    }
}
