//! One function in process and behind stacks: the work of `splitcost bench call`.

use std::path::PathBuf;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use splitcost_lab::app::{AppSpec, Scratch};
use splitcost_lab::helper::Helper;
use splitcost_lab::python::Python;
use splitcost_lab::{Cancel, Progress, Step};
use splitcost_model::bench::{CallBench, CallParts, CallTimes, CalledStack};
use splitcost_model::statistics::{Interval, change};

use crate::codecs::Answer;
use crate::compare::ComparisonPlan;
use crate::stacks::catalogue::usual_servers;
use crate::{Error, Result};

/// The seconds that the start takes, for the progress only.
const START_SECS: f64 = 3.0;
/// The seconds that one stack takes in one round, for the progress only.
const STACK_SECS: f64 = 0.4;

/// A call of a function, and the stacks to make it over.
#[derive(Clone, Debug)]
pub struct FunctionCall {
    /// The function, as `shop.users:add_user`.
    pub function: String,
    /// The positional arguments.
    pub args: Vec<Value>,
    /// The keyword arguments.
    pub kwargs: serde_json::Map<String, Value>,
    /// The stacks, as `CLIENT+CODEC+SERVER`; an empty list selects three usual ones.
    pub stacks: Vec<String>,
    /// The app of the settings, if there is one: its setup command runs first, and its environment is used.
    pub app: Option<AppSpec>,
    /// The directory in which the function runs and from which modules are imported.
    pub dir: PathBuf,
}

#[derive(Deserialize)]
struct OpenedFunction {
    python_version: String,
    is_async: bool,
    result: String,
    stacks: Vec<OpenedStack>,
}

#[derive(Deserialize)]
struct OpenedStack {
    /// Its number among the stacks that run.
    index: Option<i64>,
    #[serde(flatten)]
    called: CalledStack,
}

#[derive(Deserialize)]
struct RoundAnswer {
    timings: Vec<CallTiming>,
}

/// The times of one stack, or of the function in process, in one round.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct CallTiming {
    wall_nanos: f64,
    /// CPU of the function in process.
    cpu_nanos: f64,
    /// Wall time of the same stack with a connection that is kept.
    kept_nanos: f64,
    client_cpu_nanos: f64,
    server_cpu_nanos: f64,
    encode_args_nanos: f64,
    decode_args_nanos: f64,
    encode_result_nanos: f64,
    decode_result_nanos: f64,
    wire_nanos: f64,
    wire_client_cpu_nanos: f64,
    wire_server_cpu_nanos: f64,
    first_call_nanos: f64,
    sent_bytes: u64,
    received_bytes: u64,
}

/// The number of the function in process, among the stacks of a round.
const IN_PROCESS: i64 = -1;

/// Measures the call in process and over every stack that can carry it.
pub fn call(
    ask: &FunctionCall,
    plan: &ComparisonPlan,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<CallBench> {
    let scratch = match &ask.app {
        Some(app) => Scratch::set_up(app, python, cancel)?,
        None => Scratch::empty()?,
    };
    let mut step = |label: &str, done_secs: f64, total_secs: f64| {
        progress(&Step { label: format!("call: {label}"), done_secs, total_secs, ..Step::default() });
    };
    step("start the servers", 0.0, START_SECS);
    let mut helper = start(ask, python, &scratch)?;
    let question = json!({
        "function": ask.function, "args": ask.args, "kwargs": ask.kwargs, "stacks": ask.stacks, "cwd": ask.dir,
        "usual_servers": usual_servers(),
    });
    let opened: OpenedFunction = answered(helper.ask(&question, cancel)?)?;
    let mut order: Vec<i64> = opened.stacks.iter().filter_map(|stack| stack.index).collect();
    order.push(IN_PROCESS);
    let mut found: Vec<Vec<CallTiming>> = vec![Vec::new(); order.len()];
    let slot = |index: i64| usize::try_from(index + 1).unwrap_or_default();
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let round_secs = order.len() as f64 * STACK_SECS;
    for round in 0..plan.rounds {
        let total = START_SECS + round_secs * plan.rounds as f64;
        step("measure", START_SECS + round_secs * round as f64, total);
        order.shuffle(&mut rng);
        // One question each, so that no question exceeds the helper's deadline.
        for index in &order {
            let answer: RoundAnswer = answered(helper.ask(&json!({"round": [index]}), cancel)?)?;
            found[slot(*index)].extend(answer.timings);
        }
    }
    let here = std::mem::take(&mut found[slot(IN_PROCESS)]);
    let nanos: Vec<f64> = here.iter().map(|timing| timing.wall_nanos).collect();
    let stacks = opened.stacks.into_iter().map(|OpenedStack { index, called }| {
        let times = index.and_then(|index| times(&found[slot(index)], &here, plan));
        CalledStack { times, ..called }
    });
    Ok(CallBench {
        function: ask.function.clone(),
        is_async: opened.is_async,
        result: opened.result,
        python_version: opened.python_version,
        rounds: plan.rounds,
        in_process_nanos: Interval::of(&nanos).unwrap_or_default(),
        in_process_nanos_min: nanos.iter().copied().fold(f64::INFINITY, f64::min),
        stacks: stacks.collect(),
    })
}

/// Starts the Python process with the import path and the environment of the app.
fn start(ask: &FunctionCall, python: &Python, scratch: &Scratch) -> Result<Helper> {
    let own = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let path = [python.bootstrap_dir(), ask.dir.clone()].into_iter().chain(std::env::split_paths(&own));
    let path = std::env::join_paths(path).unwrap_or_default().to_string_lossy().into_owned();
    let workdir = scratch.workdir().display().to_string();
    let app: Vec<(String, String)> = ask
        .app
        .iter()
        .flat_map(|app| &app.env)
        .map(|(name, value)| (name.clone(), value.replace("{workdir}", &workdir)))
        .collect();
    let mut env: Vec<(&str, &str)> = app.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    env.push(("PYTHONPATH", &path));
    Ok(Helper::start("call the function", "call", python, scratch, &["splitcost.bench", "call"], &env)?)
}

fn answered<T>(answer: Answer<T>) -> Result<T> {
    match answer {
        Answer::Good(answer) => Ok(answer),
        Answer::Error { error: reason } => Err(Error::Call { reason }),
    }
}

fn times(timings: &[CallTiming], here: &[CallTiming], plan: &ComparisonPlan) -> Option<CallTimes> {
    let over = |nanos: &dyn Fn(&CallTiming) -> f64| {
        Interval::of(&timings.iter().map(|timing| nanos(timing) / 1e3).collect::<Vec<f64>>()).unwrap_or_default()
    };
    let logs: Vec<f64> =
        timings.iter().zip(here).map(|(timing, here)| (timing.wall_nanos / here.wall_nanos).ln()).collect();
    let mut rounds: Vec<TimedParts> = timings
        .iter()
        .zip(here)
        .map(|(timing, here)| TimedParts { wall_micros: timing.wall_nanos / 1e3, parts: parts(timing, here) })
        .collect();
    rounds.sort_by(|a, b| a.wall_micros.total_cmp(&b.wall_micros));
    let quarter = rounds.len() / 4;
    let TimedParts { wall_micros: whole_micros, parts } = mean(&rounds[quarter..rounds.len() - quarter]);
    Some(CallTimes {
        wall_micros: over(&|timing| timing.wall_nanos),
        change: change(&logs, plan.margin, plan.seed)?,
        whole_micros,
        parts,
        first_call_micros: over(&|timing| timing.first_call_nanos),
        sent_bytes: timings.first()?.sent_bytes,
        received_bytes: timings.first()?.received_bytes,
    })
}

/// Splits the wall time of a round into parts. CPU that is a part of its own (coding, the function, the bare sockets of the
/// wire) is subtracted from the CPU of its process; the rest of the wall time is the queue.
fn parts(timing: &CallTiming, here: &CallTiming) -> CallParts {
    let encode = timing.encode_args_nanos + timing.encode_result_nanos;
    let decode = timing.decode_args_nanos + timing.decode_result_nanos;
    let client =
        timing.client_cpu_nanos - timing.encode_args_nanos - timing.decode_result_nanos - timing.wire_client_cpu_nanos;
    let server = timing.server_cpu_nanos
        - timing.decode_args_nanos
        - timing.encode_result_nanos
        - here.cpu_nanos
        - timing.wire_server_cpu_nanos;
    let (client, server) = (client.max(0.0), server.max(0.0));
    let explained = encode + client + timing.wire_nanos + server + decode + here.wall_nanos;
    CallParts {
        encode_micros: encode / 1e3,
        client_micros: client / 1e3,
        connect_micros: (timing.wall_nanos - timing.kept_nanos) / 1e3,
        wire_micros: timing.wire_nanos / 1e3,
        queue_micros: (timing.kept_nanos - explained) / 1e3,
        server_micros: server / 1e3,
        decode_micros: decode / 1e3,
        function_micros: here.wall_nanos / 1e3,
    }
}

/// The wall time of a round, and its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct TimedParts {
    wall_micros: f64,
    parts: CallParts,
}

fn mean(rounds: &[TimedParts]) -> TimedParts {
    let over = |value: &dyn Fn(&TimedParts) -> f64| rounds.iter().map(value).sum::<f64>() / rounds.len().max(1) as f64;
    let parts = CallParts {
        encode_micros: over(&|round| round.parts.encode_micros),
        client_micros: over(&|round| round.parts.client_micros),
        connect_micros: over(&|round| round.parts.connect_micros),
        wire_micros: over(&|round| round.parts.wire_micros),
        queue_micros: over(&|round| round.parts.queue_micros),
        server_micros: over(&|round| round.parts.server_micros),
        decode_micros: over(&|round| round.parts.decode_micros),
        function_micros: over(&|round| round.parts.function_micros),
    };
    TimedParts { wall_micros: over(&|round| round.wall_micros), parts }
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    #[test]
    fn the_parts_add_up_to_the_whole() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for rounds in 1..40 {
            let mut draw = |most: f64| rng.random::<f64>() * most;
            let timings: Vec<CallTiming> = (0..rounds)
                .map(|_| CallTiming {
                    wall_nanos: draw(2e6),
                    kept_nanos: draw(1e6),
                    client_cpu_nanos: draw(4e5),
                    server_cpu_nanos: draw(4e5),
                    encode_args_nanos: draw(1e4),
                    decode_args_nanos: draw(1e4),
                    encode_result_nanos: draw(1e4),
                    decode_result_nanos: draw(1e4),
                    wire_nanos: draw(1e5),
                    wire_client_cpu_nanos: draw(1e4),
                    wire_server_cpu_nanos: draw(1e4),
                    ..CallTiming::default()
                })
                .collect();
            let here: Vec<CallTiming> = (0..rounds)
                .map(|_| CallTiming { wall_nanos: draw(1e5), cpu_nanos: draw(1e5), ..CallTiming::default() })
                .collect();
            let found =
                times(&timings, &here, &ComparisonPlan { rounds, margin: 0.03, seed: 1 }).expect("there are rounds");
            assert!((found.parts.sum() - found.whole_micros).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn cpu_is_in_one_part_only() {
        let timing = CallTiming {
            wall_nanos: 100_000.0,
            kept_nanos: 90_000.0,
            client_cpu_nanos: 30_000.0,
            server_cpu_nanos: 40_000.0,
            encode_args_nanos: 1_000.0,
            decode_args_nanos: 2_000.0,
            encode_result_nanos: 3_000.0,
            decode_result_nanos: 4_000.0,
            wire_nanos: 16_000.0,
            wire_client_cpu_nanos: 5_000.0,
            wire_server_cpu_nanos: 6_000.0,
            ..CallTiming::default()
        };
        let here = CallTiming { wall_nanos: 9_000.0, cpu_nanos: 7_000.0, ..CallTiming::default() };
        let expected = CallParts {
            encode_micros: 4.0,
            client_micros: 20.0,
            connect_micros: 10.0,
            wire_micros: 16.0,
            queue_micros: 13.0,
            server_micros: 22.0,
            decode_micros: 6.0,
            function_micros: 9.0,
        };
        assert_eq!(parts(&timing, &here), expected);
    }
}
