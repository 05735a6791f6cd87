//! What a call over a stack costs on this machine: real clients call real servers, in shuffled rounds.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use splitcost_model::calibration::{CROWDED_CALLERS, Calibration, ClientMode, HandlerMode, Pace, Point, Round};
use splitcost_model::recording::{Call, FunctionKind, PayloadClass, Recording};
use splitcost_model::split::{Split, StackName};
use splitcost_model::statistics::{mean, median};

use crate::app::Scratch;
use crate::helper::Helper;
use crate::python::{Python, output};
use crate::record::now;
use crate::rehearse::token;
use crate::yardstick::Yardstick;
use crate::{Cancel, Error, Progress, Result, Step, cache, cpu};

/// Chosen: an interval over fewer rounds would be their range; more cost time, and each has a median of many calls.
const ROUNDS: usize = 5;
/// Time to start client and server, for the progress only.
const START_SECS: f64 = 2.0;
/// Time a spaced cell may take, the pauses alone measured beside it included.
///
/// Chosen: rounds short enough that slow drift of the machine falls on all cells alike.
const SPACED_SECS: f64 = 0.09;
/// Chosen: CPU clocks tick in nanoseconds, but the first calls after another cell are dear.
const CALLS: (f64, f64) = (12.0, 80.0);
/// Calls of a burst, bursts of a cell, and the idle microseconds before each burst.
///
/// Measured: a fixed piece of Python work after 0 to 50 ms of sleep, 2 cores, November 2026: the first costs more up to
/// a gap of 10 ms; 24 calls in a row after 80 ms cost 20 % more than without, the last as much as the second.
const BURSTS: (usize, u32, u64) = (6, 4, 20_000);
/// Calls of a crowded cell, all callers' together.
///
/// Chosen: as long as the other cells.
const CROWDED_CALLS: u32 = 120;
/// Chosen: what a call and its pause cost beyond the gap, to plan the time only.
const CALL_SECS: f64 = 0.001;
/// The payload of a call that carries nearly nothing: values and bytes.
const SMALL: (u64, u64) = (4, 50);
/// Payloads where no recording says which: values and bytes.
const DEFAULT_PAYLOADS: [(u64, u64); 3] = [(10, 100), (100, 1_000), (1_000, 10_000)];
/// Chosen: between calls of a service under moderate load.
const DEFAULT_GAP_MICROS: u64 = 2_000;
/// Chosen: beyond, caches are as cold as they get, and calibrating takes long.
const MAX_GAP_MICROS: u64 = 5_000;

/// What a calibration is made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// How the caller waits and how the function runs.
    pub modes: Vec<(ClientMode, HandlerMode)>,
    /// Pause between two calls.
    pub gap_micros: u64,
    /// Values and bytes of arguments and result together, and whether they need adapters.
    pub payloads: Vec<(u64, u64, bool)>,
}

/// A coroutine function of another service: awaited there and here.
const AWAITED: (ClientMode, HandlerMode) = (ClientMode::Async, HandlerMode::Async);
/// A plain function of another service, called by an unmodified caller.
const BLOCKING: (ClientMode, HandlerMode) = (ClientMode::Sync, HandlerMode::Sync);
/// The same, after the caller was rewritten to await it.
const REWRITTEN: (ClientMode, HandlerMode) = (ClientMode::Async, HandlerMode::Sync);

impl Default for Needs {
    fn default() -> Self {
        let payloads = DEFAULT_PAYLOADS.map(|(nodes, bytes)| (nodes, bytes, false)).to_vec();
        let modes = vec![AWAITED, REWRITTEN, BLOCKING, (ClientMode::Sync, HandlerMode::Async)];
        Self { modes, gap_micros: DEFAULT_GAP_MICROS, payloads: with_small(payloads) }
    }
}

impl Needs {
    /// The gaps and payloads of the calls that would cross in these splits.
    ///
    /// Rounded to 1, 2 and 5 times a power of ten, so that two recordings of one app need the same calibration.
    pub fn of(recording: &Recording, splits: &[&Split]) -> Self {
        let alone = recording.meta.phases.iter().position(|p| p.kind == "closed" && p.concurrency == 1);
        let mut gaps = Vec::new();
        let mut modes = vec![AWAITED];
        let mut sampled: Vec<(u64, u64, bool)> = Vec::new();
        for request in &recording.requests {
            let crosses = |call: &Call| splits.iter().any(|split| crosses(recording, split, &request.calls, call));
            let crossing: Vec<&Call> = request.calls.iter().skip(1).filter(|call| crosses(call)).collect();
            if alone.is_none() || request.phase == alone.map(|phase| phase as u32) {
                gaps.extend(crossing.windows(2).map(|pair| (pair[1].start() - pair[0].end()).as_nanos_f64() / 1e3));
            }
            for call in crossing {
                let kind = recording.functions.get(call.function as usize).map(|f| f.kind).unwrap_or_default();
                if modes.len() == 1 && kind != FunctionKind::Coroutine {
                    modes.extend([REWRITTEN, BLOCKING]);
                }
                let (Some(arguments), Some(result)) = (&call.arguments, &call.result) else { continue };
                if arguments.class.can_cross() && result.class.can_cross() {
                    let adapter = arguments.class.max(result.class) == PayloadClass::Adapter;
                    let bytes = arguments.encoded_bytes + result.encoded_bytes;
                    sampled.push((arguments.nodes + result.nodes, bytes, adapter));
                }
            }
        }
        let gap_micros = match median(gaps) {
            Some(gap) => round_125(gap as u64).clamp(1, MAX_GAP_MICROS),
            None => DEFAULT_GAP_MICROS,
        };
        sampled.sort_by_key(|(_, bytes, _)| *bytes);
        let Some(last) = sampled.len().checked_sub(1) else {
            return Self { modes, gap_micros, ..Self::default() };
        };
        let at = |q: f64| {
            let (nodes, bytes, adapter) = sampled[(last as f64 * q).round() as usize];
            (round_125(nodes).max(1), round_125(bytes).max(20), adapter)
        };
        Self { modes, gap_micros, payloads: with_small(vec![at(0.5), at(0.9), at(1.0)]) }
    }

    fn text(&self) -> String {
        let payloads: Vec<String> = self
            .payloads
            .iter()
            .map(|(nodes, bytes, adapter)| format!("{nodes}/{bytes}{}", if *adapter { "+" } else { "" }))
            .collect();
        let modes = if self.modes.contains(&BLOCKING) { "" } else { "; awaited only" };
        format!("gap {} µs; values/bytes {}{modes}", self.gap_micros, payloads.join(" "))
    }
}

fn with_small(mut payloads: Vec<(u64, u64, bool)>) -> Vec<(u64, u64, bool)> {
    payloads.insert(0, (SMALL.0, SMALL.1, false));
    // A line through equal points has no slope: sizes that fell together are spread again.
    for i in 1..payloads.len() {
        if payloads[i].1 <= payloads[i - 1].1 {
            payloads[i].1 = payloads[i - 1].1 * 2;
            payloads[i].0 = payloads[i].0.max(payloads[i - 1].0);
        }
    }
    payloads
}

fn crosses(recording: &Recording, split: &Split, calls: &[Call], call: &Call) -> bool {
    let module = |call: &Call| {
        let function = recording.functions.get(call.function as usize)?;
        recording.modules.get(function.module as usize).map(String::as_str)
    };
    match (module(call), calls.get(call.parent as usize).and_then(module)) {
        (Some(to), Some(from)) if call.parent != 0 => split.service_of(to) != split.service_of(from),
        _ => false,
    }
}

/// The nearest of 1, 2, 5, 10, 20, 50 …; zero stays.
fn round_125(value: u64) -> u64 {
    let mut power = 1_u64;
    while power <= value / 10 {
        power *= 10;
    }
    [1, 2, 5, 10].map(|step| step * power).into_iter().min_by_key(|near| near.abs_diff(value)).unwrap_or(value)
        * u64::from(value > 0)
}

/// Planned seconds for one stack.
pub fn planned_secs(needs: &Needs) -> f64 {
    let modes = needs.modes.len() as f64;
    let cells = modes * needs.payloads.len() as f64;
    let (length, bursts, idle) = BURSTS;
    let burst = length as f64 * (needs.gap_micros as f64 / 1e6 + CALL_SECS) + idle as f64 / 1e6;
    let other = 2.0 * f64::from(bursts) * burst + f64::from(CROWDED_CALLS) * CALL_SECS;
    START_SECS + ROUNDS as f64 * (modes * other + cells * SPACED_SECS)
}

/// The calibration of a stack: from the cache, or measured.
pub fn calibrate(
    stack: StackName,
    needs: &Needs,
    python: &Python,
    (seed, fresh): (u64, bool),
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Calibration> {
    let fingerprint = fingerprint(stack, needs, python)?;
    let cached = cache_path(&fingerprint);
    if let Some(calibration) = cached.as_deref().filter(|_| !fresh).and_then(|path| read(path, &fingerprint)) {
        return Ok(calibration);
    }
    let rounds = measure(stack, needs, python, seed, progress, cancel)?;
    let calibration = Calibration { stack, fingerprint, measured_at: now(), rounds };
    if let Some(path) = cached {
        cache::write(&path, &calibration);
    }
    Ok(calibration)
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

#[derive(Deserialize)]
struct Stacks {
    stacks: Vec<StackAnswer>,
}

#[derive(Deserialize)]
struct StackAnswer {
    name: String,
    missing: Vec<String>,
    versions: std::collections::BTreeMap<String, String>,
}

/// The packages that a stack lacks in this interpreter's environment.
pub fn missing(stack: StackName, python: &Python) -> Result<Vec<String>> {
    Ok(ask_stack(stack, python)?.missing)
}

fn ask_stack(stack: StackName, python: &Python) -> Result<StackAnswer> {
    let failed = |reason: String| Error::Helper {
        action: format!("look for the {} stack", stack.name()),
        reason,
        log: String::new(),
    };
    let mut command = Command::new(&python.executable);
    command.args(["-m", "splitcost.stacks", "--json"]);
    let text = output(&mut command, Duration::from_secs(30)).map_err(failed)?;
    let answer: Stacks = serde_json::from_str(text.trim()).map_err(|error| failed(error.to_string()))?;
    answer
        .stacks
        .into_iter()
        .find(|answer| answer.name == stack.name())
        .ok_or_else(|| failed("the package splitcost does not know it".to_owned()))
}

/// Everything that the costs depend on, readable.
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
        "{}: {}; Python {}; splitcost {}; {}; {}",
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
}

/// How a cell's calls follow each other.
#[derive(Clone, Copy)]
enum Rhythm {
    Spaced,
    Bursts,
    Crowded,
}

#[derive(Clone, Copy)]
struct Cell {
    client: ClientMode,
    handler: HandlerMode,
    rhythm: Rhythm,
    payload: (u64, u64, bool),
}

impl Cell {
    fn all(needs: &Needs) -> Vec<Self> {
        let mut cells = Vec::new();
        for &(client, handler) in &needs.modes {
            let cell = |rhythm, &payload| Self { client, handler, rhythm, payload };
            cells.extend(needs.payloads.iter().map(|payload| cell(Rhythm::Spaced, payload)));
            // What being cold or crowded costs does not depend on the payload.
            if let Some(small) = needs.payloads.first() {
                cells.extend([Rhythm::Bursts, Rhythm::Crowded].map(|rhythm| cell(rhythm, small)));
            }
        }
        cells
    }

    fn question(self, gap_micros: u64) -> serde_json::Value {
        let (nodes, bytes, adapter) = self.payload;
        let (pauses, repeats, callers) = match self.rhythm {
            Rhythm::Spaced => {
                // Half of the time goes to the pauses alone.
                let calls = SPACED_SECS / 2.0 / (gap_micros as f64 / 1e6 + CALL_SECS);
                (vec![gap_micros], calls.clamp(CALLS.0, CALLS.1) as u32, 1)
            }
            Rhythm::Bursts => {
                let (calls, bursts, idle_micros) = BURSTS;
                let mut pauses = vec![gap_micros; calls];
                pauses[calls - 1] = idle_micros;
                (pauses, bursts, 1)
            }
            Rhythm::Crowded => (vec![0], CROWDED_CALLS, CROWDED_CALLERS),
        };
        serde_json::json!({
            "client": self.client,
            "handler": self.handler,
            "pauses_micros": pauses,
            "repeats": repeats,
            "callers": callers,
            "payload": {"nodes": nodes, "bytes": bytes, "kind": if adapter { "adapter" } else { "plain" }},
        })
    }

    /// What the calls of each pace cost.
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
            }
        };
        match self.rhythm {
            Rhythm::Spaced => vec![point(Pace::Spaced, &|_| true)],
            // The first burst follows the warm-up, not the idle.
            Rhythm::Bursts => vec![
                point(Pace::Cold, &|i| i >= BURSTS.0 && i % BURSTS.0 == 0),
                point(Pace::Burst, &|i| i >= BURSTS.0 && i % BURSTS.0 != 0),
            ],
            Rhythm::Crowded => vec![point(Pace::Crowded, &|_| true)],
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
    let arguments = ["splitcost.calibration", "server", "--stack", name];
    let mut server = Helper::start(&action, "server", python, &scratch, &arguments, &env)?;
    let Listening { port } = server.answer(cancel)?;
    let port = port.to_string();
    let arguments = ["splitcost.calibration", "client", "--stack", name, "--server", &port];
    let mut client = Helper::start(&action, "client", python, &scratch, &arguments, &env)?;

    let mut cells = Cell::all(needs);
    for cell in &cells {
        // Connections are opened and code specialised before anything counts.
        client.ask::<Answer>(&cell.question(0), cancel)?;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut yardstick = Yardstick::start(python, cancel)?;
    let started = Instant::now();
    let mut rounds = Vec::with_capacity(ROUNDS);
    let total = (ROUNDS * cells.len()) as f64;
    for number in 0..ROUNDS {
        cells.shuffle(&mut rng);
        let from = splitcost_load::monotonic_now().as_nanos();
        let mut round = Round::default();
        for (i, cell) in cells.iter().enumerate() {
            let answer = client.ask(&cell.question(needs.gap_micros), cancel)?;
            round.points.extend(cell.points(&answer));
            let done = (number * cells.len() + i + 1) as f64;
            step.label = format!("{action}: round {} of {ROUNDS}", number + 1);
            step.done_secs = START_SECS + started.elapsed().as_secs_f64();
            step.total_secs = START_SECS + started.elapsed().as_secs_f64() * total / done;
            progress(&step);
        }
        // Equal sequences in every round make medians by payload comparable.
        round.points.sort_by(|a, b| {
            (a.client, a.handler, a.pace).cmp(&(b.client, b.handler, b.pace)).then(a.bytes.total_cmp(&b.bytes))
        });
        round.yardstick_nanos = yardstick.mean_nanos(from, splitcost_load::monotonic_now().as_nanos());
        rounds.push(round);
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use splitcost_model::quantity::Nanos;
    use splitcost_model::recording::{Function, Payload, Request, Segment};

    use super::*;

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
        assert_eq!(needs.payloads, [(4, 50, false), (10, 1000, true), (10, 2000, true), (10, 4000, true)]);
        assert_eq!(needs.modes, [AWAITED, REWRITTEN, BLOCKING]);
        let nothing = Needs::of(&Recording::default(), &[&split]);
        assert_eq!(nothing, Needs { modes: vec![AWAITED], ..Needs::default() });
    }
}
