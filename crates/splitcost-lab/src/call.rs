//! One function in process, and behind stacks: `splitcost bench call`.

use std::path::PathBuf;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use splitcost_model::bench::{Call, CallStack, CallTimes, Parts};
use splitcost_model::statistics::{self, Interval, change};

use crate::app::{AppSpec, Scratch};
use crate::bench::Conditions;
use crate::codecs::Answer;
use crate::helper::Helper;
use crate::python::Python;
use crate::{Cancel, Error, Progress, Result, Step};

/// Seconds that starting takes, and one stack in one round, for the progress only.
const SECS: (f64, f64) = (3.0, 0.4);

/// Which call, over which stacks.
#[derive(Clone, Debug)]
pub struct Ask {
    /// As `shop.users:add_user`.
    pub function: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: serde_json::Map<String, Value>,
    /// As `CLIENT+CODEC+SERVER`; none for a choice of three.
    pub stacks: Vec<String>,
    /// The app, where settings describe one: it is set up first, in its environment.
    pub app: Option<AppSpec>,
    /// Where modules are imported from, and run.
    pub dir: PathBuf,
}

#[derive(Deserialize)]
struct Opened {
    python_version: String,
    is_async: bool,
    result: String,
    stacks: Vec<Stack>,
}

#[derive(Deserialize)]
struct Stack {
    /// Its number among those that run.
    index: Option<i64>,
    #[serde(flatten)]
    told: CallStack,
}

#[derive(Deserialize)]
struct Round {
    cells: Vec<Cell>,
}

/// One stack, or the function in process, in one round.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Cell {
    wall_nanos: f64,
    /// Of the function in process.
    cpu_nanos: f64,
    /// The same stack with a connection that is kept.
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

/// The number of the function in process, among the cells of a round.
const IN_PROCESS: i64 = -1;

/// Measures the call in process and over every stack that can carry it.
pub fn call(
    ask: &Ask,
    conditions: &Conditions,
    python: &Python,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Call> {
    let scratch = match &ask.app {
        Some(app) => Scratch::set_up(app, python, cancel)?,
        None => Scratch::empty()?,
    };
    let mut step = |label: &str, done_secs: f64, total_secs: f64| {
        progress(&Step { label: format!("call: {label}"), done_secs, total_secs, ..Step::default() });
    };
    let (start_secs, cell_secs) = SECS;
    step("start the servers", 0.0, start_secs);
    let mut helper = start(ask, python, &scratch)?;
    let question = json!({
        "function": ask.function, "args": ask.args, "kwargs": ask.kwargs, "stacks": ask.stacks, "cwd": ask.dir,
    });
    let opened: Opened = answered(helper.ask(&question, cancel)?)?;
    let mut order: Vec<i64> = opened.stacks.iter().filter_map(|stack| stack.index).collect();
    order.push(IN_PROCESS);
    let mut found: Vec<Vec<Cell>> = vec![Vec::new(); order.len()];
    let slot = |index: i64| usize::try_from(index + 1).unwrap_or_default();
    let mut rng = ChaCha8Rng::seed_from_u64(conditions.seed);
    let round_secs = order.len() as f64 * cell_secs;
    for round in 0..conditions.rounds {
        let total = start_secs + round_secs * conditions.rounds as f64;
        step("measure", start_secs + round_secs * round as f64, total);
        order.shuffle(&mut rng);
        // One question each: none takes longer than the helper's deadline because there are many.
        for index in &order {
            let answer: Round = answered(helper.ask(&json!({"round": [index]}), cancel)?)?;
            found[slot(*index)].extend(answer.cells);
        }
    }
    let here = std::mem::take(&mut found[slot(IN_PROCESS)]);
    let nanos: Vec<f64> = here.iter().map(|cell| cell.wall_nanos).collect();
    let stacks = opened.stacks.into_iter().map(|Stack { index, told }| {
        let times = index.and_then(|index| times(&found[slot(index)], &here, conditions));
        CallStack { times, ..told }
    });
    Ok(Call {
        function: ask.function.clone(),
        is_async: opened.is_async,
        result: opened.result,
        python_version: opened.python_version,
        rounds: conditions.rounds,
        in_process_nanos: Interval::of(&nanos).unwrap_or_default(),
        in_process_nanos_min: nanos.iter().copied().fold(f64::INFINITY, f64::min),
        stacks: stacks.collect(),
    })
}

/// The Python half, with the import path and the environment of the app.
fn start(ask: &Ask, python: &Python, scratch: &Scratch) -> Result<Helper> {
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
    Helper::start("call the function", "call", python, scratch, &["splitcost.bench", "call"], &env)
}

fn answered<T>(answer: Answer<T>) -> Result<T> {
    match answer {
        Answer::Good(answer) => Ok(answer),
        Answer::Error { error: reason } => Err(Error::Call { reason }),
    }
}

fn times(cells: &[Cell], here: &[Cell], conditions: &Conditions) -> Option<CallTimes> {
    let over = |nanos: &dyn Fn(&Cell) -> f64| {
        Interval::of(&cells.iter().map(|cell| nanos(cell) / 1e3).collect::<Vec<f64>>()).unwrap_or_default()
    };
    let logs: Vec<f64> = cells.iter().zip(here).map(|(cell, here)| (cell.wall_nanos / here.wall_nanos).ln()).collect();
    let mut rounds: Vec<(f64, Parts)> =
        cells.iter().zip(here).map(|(cell, here)| (cell.wall_nanos / 1e3, parts(cell, here))).collect();
    rounds.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let quarter = rounds.len() / 4;
    let (whole_micros, parts) = mean(&rounds[quarter..rounds.len() - quarter]);
    Some(CallTimes {
        wall_micros: over(&|cell| cell.wall_nanos),
        change: change(&logs, conditions.margin, conditions.seed)?,
        whole_micros,
        parts,
        first_call_micros: over(&|cell| cell.first_call_nanos),
        sent_bytes: cells.first()?.sent_bytes,
        received_bytes: cells.first()?.received_bytes,
    })
}

/// Takes a round's wall time apart. CPU that is a part of its own (coding, the function, the bare sockets of the wire) is
/// taken off the CPU of the process that it is in; what is left over is the queue.
fn parts(cell: &Cell, here: &Cell) -> Parts {
    let encode = cell.encode_args_nanos + cell.encode_result_nanos;
    let decode = cell.decode_args_nanos + cell.decode_result_nanos;
    let client = cell.client_cpu_nanos - cell.encode_args_nanos - cell.decode_result_nanos - cell.wire_client_cpu_nanos;
    let server = cell.server_cpu_nanos
        - cell.decode_args_nanos
        - cell.encode_result_nanos
        - here.cpu_nanos
        - cell.wire_server_cpu_nanos;
    let (client, server) = (client.max(0.0), server.max(0.0));
    let explained = encode + client + cell.wire_nanos + server + decode + here.wall_nanos;
    Parts {
        encode_micros: encode / 1e3,
        client_micros: client / 1e3,
        connect_micros: (cell.wall_nanos - cell.kept_nanos) / 1e3,
        wire_micros: cell.wire_nanos / 1e3,
        queue_micros: (cell.kept_nanos - explained) / 1e3,
        server_micros: server / 1e3,
        decode_micros: decode / 1e3,
        function_micros: here.wall_nanos / 1e3,
    }
}

fn mean(rounds: &[(f64, Parts)]) -> (f64, Parts) {
    let over = |value: &dyn Fn(&(f64, Parts)) -> f64| statistics::mean(rounds.iter().map(value)).unwrap_or_default();
    let parts = Parts {
        encode_micros: over(&|(_, parts)| parts.encode_micros),
        client_micros: over(&|(_, parts)| parts.client_micros),
        connect_micros: over(&|(_, parts)| parts.connect_micros),
        wire_micros: over(&|(_, parts)| parts.wire_micros),
        queue_micros: over(&|(_, parts)| parts.queue_micros),
        server_micros: over(&|(_, parts)| parts.server_micros),
        decode_micros: over(&|(_, parts)| parts.decode_micros),
        function_micros: over(&|(_, parts)| parts.function_micros),
    };
    (over(&|(wall, _)| *wall), parts)
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
            let cells: Vec<Cell> = (0..rounds)
                .map(|_| Cell {
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
                    ..Cell::default()
                })
                .collect();
            let here: Vec<Cell> =
                (0..rounds).map(|_| Cell { wall_nanos: draw(1e5), cpu_nanos: draw(1e5), ..Cell::default() }).collect();
            let found = times(&cells, &here, &Conditions { rounds, margin: 0.03, seed: 1 }).expect("there are rounds");
            assert!((found.parts.sum() - found.whole_micros).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn cpu_is_in_one_part_only() {
        let cell = Cell {
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
            ..Cell::default()
        };
        let here = Cell { wall_nanos: 9_000.0, cpu_nanos: 7_000.0, ..Cell::default() };
        let expected = Parts {
            encode_micros: 4.0,
            client_micros: 20.0,
            connect_micros: 10.0,
            wire_micros: 16.0,
            queue_micros: 13.0,
            server_micros: 22.0,
            decode_micros: 6.0,
            function_micros: 9.0,
        };
        assert_eq!(parts(&cell, &here), expected);
    }
}
