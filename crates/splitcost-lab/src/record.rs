//! Recording an app under load, or a command as it is.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use splitcost_load::{Outcome, Plan, Stop, Targets, Workload};
use splitcost_model::course::Discarded;
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Meta, Phase, PhaseEndpoint, PhaseKind, Recording, Stretch};
use splitcost_recording::convert;

use crate::app::{App, AppSpec, Mode, Scratch};
use crate::drive::{Driven, Driver, check_some_ok, failures};
use crate::guard::{self, Mortal};
use crate::lifeline::Run;
use crate::machine::{Reading, Referee};
use crate::python::Python;
use crate::yardstick::Yardstick;
use crate::{Cancel, Error, Progress, Result, Step, cpu};

/// Seconds of the warm-up of each copy.
///
/// Chosen: imports, connection pools and first requests are over well before.
const WARM_UP_SECS: f64 = 1.2;
/// The phases take turns, so that all of them see the machine at every speed that it had meanwhile.
///
/// Measured: a core of a shared machine changes its speed by up to 1.8 times within 0.5 to 5 s (2 cores, November 2026).
const TURNS: u32 = 6;
/// Further turns while an endpoint has too few lone requests.
const MORE_TURNS: u32 = 4;
/// Lone requests that each endpoint should have.
///
/// Chosen: a median of fewer is hardly known.
const ENOUGH_REQUESTS: u64 = 10;
/// Seconds of a turn with one request at a time, with the recorder and without.
///
/// Chosen: thousands of requests in all, of an app that answers in milliseconds.
const ALONE_SECS: [f64; 2] = [1.0, 0.6];
/// Seconds of a turn with `concurrency` in flight, without the recorder: at least this, and at most.
///
/// Chosen: a hundred requests and more, where a request takes milliseconds.
const CLOSED_SECS: (f64, f64) = (0.5, 3.0);
/// Requests that each place in the closed loop makes in a turn, warm-up apart.
const CLOSED_PLACES: f64 = 4.0;
/// Seconds of a turn in open loop, without the recorder.
const OPEN_SECS: f64 = 0.8;
/// Seconds in closed and in open loop with the recorder, at the end.
///
/// Chosen: enough to see what happens at the same time; times and CPU are read without the recorder.
const BESIDE_SECS: [f64; 2] = [0.8, 1.2];
/// The share of the cores that others may keep busy beside a block: that of a rehearsal with its usual precision.
const OTHERS_SHARE: f64 = 0.1;
/// Blocks that are repeated, at most, as others disturbed them.
///
/// Chosen: a compiler that ends soon is waited for; a recording beside one that does not takes a quarter longer.
const MOST_REPEATS: usize = 6;
/// The arrival rate in open loop, as a share of the throughput in closed loop.
///
/// Chosen: at lower rates the recording shows the work, at higher rates mostly the queues.
const OPEN_SHARE: f64 = 0.5;

/// Longest time from Ctrl-C to the end of a recorded command.
///
/// Chosen: pytest tears its fixtures down.
const PATIENCE: Duration = Duration::from_secs(10);

/// The trouble that a recording notes if it was ended early.
const INTERRUPTED: &str = "the recording was interrupted before its plan was done: some requests and loads are missing";

/// A recording that was just made, and warnings about it.
#[derive(Debug)]
pub struct Recorded {
    /// The recording.
    pub recording: Recording,
    /// It was ended before its plan was done.
    pub interrupted: bool,
    /// Reasons to doubt it; for the user's terminal only, as they may quote answers of the app.
    pub warnings: Vec<String>,
}

/// Starts the app under the recorder, and a copy of it without, and drives their workload in turns: one request at a time
/// on both; `concurrency` in flight, and an open loop at half the throughput of that (or at `rate_reqs_per_sec`), on the
/// copy. The copy shows what the recorder costs.
///
/// The raw logs go into `partial`, where they stay readable if this process is killed.
pub fn record(
    spec: &AppSpec,
    python: &Python,
    workload: &Workload,
    (concurrency, rate_reqs_per_sec): (u32, Option<f64>),
    partial: &Path,
    progress: Progress<'_>,
    cancel: &Cancel,
) -> Result<Recorded> {
    let mut meta = Meta { expected: expected(workload), ..meta(spec, python, &spec.command) };
    convert::begin(partial, &meta)?;
    let total_secs = 2.0 * WARM_UP_SECS + f64::from(TURNS) * turn_secs(CLOSED_SECS.0) + BESIDE_SECS.iter().sum::<f64>();
    let step = Step { total_secs, ..Step::default() };
    let mut driver = Driver { workload, cancel, progress, step };
    let mut yardstick = Yardstick::start(python, cancel)?;
    driver.say("record: starting the app");
    let scratches = [Scratch::set_up(spec, python, cancel)?, Scratch::set_up(spec, python, cancel)?];
    let modes = [Mode::Record { log_dir: log_dir(partial)?, is_driven: true }, Mode::None];
    let mut warnings = Vec::new();
    let mut copies = Vec::new();
    for ((scratch, mode), name) in scratches.iter().zip(&modes).zip(["the app", "the app without the recorder"]) {
        copies.push(App::start(spec, python, scratch, mode, name, cancel)?);
    }
    let load = (concurrency, rate_reqs_per_sec);
    let began = splitcost_load::monotonic_now().as_nanos();
    let finished = drive(&mut driver, &mut copies, load, &mut meta, &mut warnings);
    let yardstick_nanos = yardstick.mean_nanos(began, splitcost_load::monotonic_now().as_nanos());
    meta.phases.iter_mut().for_each(|phase| phase.yardstick_nanos = yardstick_nanos);
    convert::note(partial, &meta)?;
    driver.say("record: reading what was recorded");
    let log = copies[0].log_tail();
    copies.iter_mut().for_each(App::stop);
    let interrupted = match finished {
        Ok(()) => cancel.is_cancelled(),
        Err(Error::Cancelled) => true,
        Err(error) => return Err(error),
    };
    if interrupted {
        meta.troubles.push(INTERRUPTED.to_owned());
    }
    let recording = finish(partial, meta, &log)?;
    Ok(Recorded { recording, interrupted, warnings })
}

/// Returns the planned seconds of a turn.
fn turn_secs(closed_secs: f64) -> f64 {
    ALONE_SECS.iter().sum::<f64>() + closed_secs * (1.0 + 1.0 / CLOSED_PLACES) + OPEN_SECS
}

/// The phases of load: lone requests with the recorder and without, closed and open loop without it, in turns; then
/// closed and open loop with it.
fn drive(
    driver: &mut Driver<'_>,
    copies: &mut [App],
    (concurrency, rate): (u32, Option<f64>),
    meta: &mut Meta,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let in_flight = usize::try_from(concurrency).unwrap_or(1).max(1);
    let mut seen: Option<Outcome> = None;
    driver.say("record: which calls each request makes");
    for app in copies.iter_mut() {
        let bare = !meta.phases.is_empty();
        let targets = Targets::all(app.address());
        let audited = driver.audit(&mut [app], &targets)?;
        driver.cancel.check()?;
        check_some_ok(&audited.outcome, &[app])?;
        meta.phases.push(Phase { audit: true, ..phase((PhaseKind::Closed, 1, 0.0), bare, &audited) });
        merge(&mut seen, &audited.outcome);
    }
    driver.say("record: warming up");
    let mut throughput = 0.0;
    for app in copies.iter_mut() {
        let warm = run(driver, app, &Plan::closed(in_flight, after(WARM_UP_SECS)), 1, WARM_UP_SECS)?;
        throughput = warm.outcome.throughput_reqs_per_sec();
        merge(&mut seen, &warm.outcome);
    }
    let [recorded, bare] = copies else { unreachable!("there are two copies") };
    let place_secs = f64::from(concurrency) / throughput;
    let closed_secs = (CLOSED_PLACES * place_secs).clamp(CLOSED_SECS.0, CLOSED_SECS.1);
    let warm_up = Nanos::from_secs_f64(closed_secs / CLOSED_PLACES);
    let rate = rate.unwrap_or(throughput * OPEN_SHARE).max(0.1);
    driver.step.total_secs += f64::from(TURNS) * (turn_secs(closed_secs) - turn_secs(CLOSED_SECS.0));

    let alone = ALONE_SECS.map(|secs| Plan::closed(1, after(secs)));
    let closed = Plan { warm_up, ..Plan::closed(in_flight, after(closed_secs)) };
    let open = Plan::open(rate, after(OPEN_SECS));
    let closed_wall_secs = closed_secs + closed_secs / CLOSED_PLACES;
    let mut referee = Referee::new(OTHERS_SHARE);
    // What others disturbed is measured again.
    let mut block = |driver: &mut Driver<'_>, app: &mut App, plan: &Plan, offset: u64, secs: f64| -> Result<Driven> {
        loop {
            let began = Reading::now();
            let run = run(driver, app, plan, offset, secs)?;
            let is_fit = driver.cancel.is_cancelled() || referee.accepts(&began, &run.outcome);
            if is_fit || meta.discarded.len() == MOST_REPEATS {
                return Ok(run);
            }
            driver.step.total_secs += secs;
            let [start_nanos, end_nanos] = [run.outcome.started, run.outcome.ended].map(Nanos::as_nanos);
            meta.discarded.push(Stretch { start_nanos, end_nanos });
        }
    };
    let mut runs: [Option<Driven>; 4] = Default::default();
    let (mut turn, mut turns) = (0, TURNS);
    while turn < turns && !driver.cancel.is_cancelled() {
        turn += 1;
        let offset = 10 * u64::from(turn);
        driver.say(format!("record: turn {turn} of {turns}"));
        join(&mut runs[0], block(driver, recorded, &alone[0], offset, ALONE_SECS[0])?);
        join(&mut runs[1], block(driver, bare, &alone[1], offset, ALONE_SECS[1])?);
        join(&mut runs[2], block(driver, bare, &closed, offset + 1, closed_wall_secs)?);
        join(&mut runs[3], block(driver, bare, &open, offset + 2, OPEN_SECS)?);
        // An endpoint that fails will not be answered well in more turns either.
        let lone = runs[0].iter().flat_map(|run| &run.outcome.endpoints);
        let rarest = lone.filter(|e| e.failed.total() == 0).map(|e| e.ok).min().unwrap_or(ENOUGH_REQUESTS);
        if turn == turns && rarest < ENOUGH_REQUESTS && turns < TURNS + MORE_TURNS {
            turns += 1;
            driver.step.total_secs += turn_secs(closed_secs);
        }
    }
    if !driver.cancel.is_cancelled() {
        driver.say("record: what happens at the same time");
    }
    let [closed_secs, open_secs] = BESIDE_SECS;
    let beside = [
        block(driver, recorded, &Plan::closed(in_flight, after(closed_secs)), 3, closed_secs)?,
        block(driver, recorded, &Plan::open(rate, after(open_secs)), 4, open_secs)?,
    ];
    note_disturbed(&referee, meta, warnings);
    for run in runs.iter().flatten().chain(&beside) {
        merge(&mut seen, &run.outcome);
    }
    let lone = runs.iter_mut().take(1).filter_map(Option::take);
    let with = lone.chain(beside).zip([
        (PhaseKind::Closed, 1, 0.0),
        (PhaseKind::Closed, concurrency, 0.0),
        (PhaseKind::Open, 0, rate),
    ]);
    meta.phases.extend(with.map(|(run, load)| phase(load, false, &run)));
    let without = runs.iter().flatten().zip([
        (PhaseKind::Closed, 1, 0.0),
        (PhaseKind::Closed, concurrency, 0.0),
        (PhaseKind::Open, 0, rate),
    ]);
    meta.phases.extend(without.map(|(run, load)| phase(load, true, run)));
    // Interrupted before they had begun.
    meta.phases.retain(|phase| phase.requests > 0);
    let doubtful = runs.iter().flatten().find_map(|run| run.outcome.invalid());
    if let Some(reason) = doubtful.filter(|_| !driver.cancel.is_cancelled()) {
        meta.troubles.push(format!("the open-loop phase is doubtful: {reason}"));
    }
    warnings.extend(seen.iter().flat_map(failures));
    driver.cancel.check()
}

/// Notes that others disturbed blocks: as a trouble if some of these count nevertheless.
fn note_disturbed(referee: &Referee, meta: &mut Meta, warnings: &mut Vec<String>) {
    let disturbed = referee.discarded();
    let causes: Vec<String> = disturbed.iter().map(Discarded::in_words).collect();
    let blocks: u64 = disturbed.iter().map(|discarded| discarded.blocks).sum();
    let said = format!("blocks of the recording that were disturbed: {blocks}; {}", causes.join(", "));
    let counting = blocks - meta.discarded.len() as u64;
    if counting > 0 {
        let advice = "so that times may be too long: record again when nothing else runs";
        meta.troubles.push(format!("{said}; {counting} of them could not be repeated, {advice}"));
    } else if blocks > 0 {
        warnings.push(format!("{said}; they were repeated"));
    }
}

/// Drives one copy.
fn run(driver: &mut Driver<'_>, app: &mut App, plan: &Plan, seed_offset: u64, secs: f64) -> Result<Driven> {
    let targets = Targets::all(app.address());
    let ended = driver.run(&mut [app], &targets, &Plan { seed_offset, ..plan.clone() }, secs)?;
    check_some_ok(&ended.outcome, &[app])?;
    Ok(ended)
}

fn join(earlier: &mut Option<Driven>, later: Driven) {
    match earlier {
        Some(run) => run.merge(&later),
        None => *earlier = Some(later),
    }
}

fn merge(seen: &mut Option<Outcome>, outcome: &Outcome) {
    match seen {
        Some(seen) => seen.merge(outcome),
        None => *seen = Some(outcome.clone()),
    }
}

/// Runs a command under the recorder with the terminal's input and output; its requests are tests or root calls.
pub fn record_command(
    spec: &AppSpec,
    python: &Python,
    command: &[String],
    partial: &Path,
    cancel: &Cancel,
) -> Result<(Recorded, ExitStatus)> {
    let meta = meta(spec, python, command);
    convert::begin(partial, &meta)?;
    let mode = Mode::Record { log_dir: log_dir(partial)?, is_driven: false };
    let run = Run::current()?;
    // It stays in the foreground group of the terminal: Ctrl-C reaches the command itself, and it may read the keyboard.
    let mut process = spec.command(python, None, &mode, command, 0)?;
    let mut child =
        process.envs(run.env()).spawn().map_err(|source| Error::Spawn { command: command.join(" "), source })?;
    let mortal = Mortal::Process(child.id());
    guard::add(&mortal);
    let status = wait_in_foreground(&mut child, &run, cancel);
    guard::remove(&mortal);
    let status = status.map_err(Error::io("wait for", &command[0]))?;
    let recording = finish(partial, meta, &format!("\nthe command ended with {status}"))?;
    Ok((Recorded { recording, interrupted: cancel.is_cancelled(), warnings: Vec::new() }, status))
}

/// Waits for a command that Ctrl-C reaches as well. If it has not ended after half of our patience, as when the signal
/// was sent to us alone, it gets SIGTERM, and after all of our patience SIGKILL, with the processes that it started.
fn wait_in_foreground(child: &mut Child, run: &Run, cancel: &Cancel) -> io::Result<ExitStatus> {
    let mut cancelled: Option<Instant> = None;
    let mut is_terminated = false;
    loop {
        let ended = child.try_wait()?;
        if cancel.is_cancelled() {
            let waited = cancelled.get_or_insert_with(Instant::now).elapsed();
            if waited > PATIENCE {
                run.signal(Signal::KILL);
            } else if !is_terminated && waited > PATIENCE / 2 {
                is_terminated = true;
                run.signal(Signal::TERM);
            }
        }
        if let Some(status) = ended {
            if cancelled.is_some() {
                run.signal(Signal::KILL);
            }
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the directory of the logs, as a path that does not depend on the working directory.
fn log_dir(partial: &Path) -> Result<PathBuf> {
    let raw = convert::raw_dir(partial);
    fs::canonicalize(&raw).map_err(Error::io("find", raw))
}

/// Converts the logs; `log` are the app's last lines, should there be nothing to convert.
fn finish(partial: &Path, meta: Meta, log: &str) -> Result<Recording> {
    let recording = convert::finish(partial, meta)?;
    let is_driven = !recording.meta.phases.is_empty();
    let has_server = recording.meta.servers.iter().any(|server| server != Meta::FLASK);
    if recording.requests.is_empty() || (is_driven && !has_server) {
        let mut reason = "no request was recorded".to_owned();
        if recording.meta.troubles.is_empty() && !recording.requests.is_empty() {
            reason.push_str("; splitcost does not know the app's server");
        }
        for trouble in &recording.meta.troubles {
            reason = format!("{reason}; {trouble}");
        }
        return Err(Error::NothingRecorded { reason, log: log.to_owned() });
    }
    Ok(recording)
}

/// Moves the finished recording to its place and returns where it is. It replaces an earlier one there, but if it was
/// interrupted, it is kept beside the earlier one.
pub fn keep(partial: &Path, place: &Path, interrupted: bool) -> Result<PathBuf> {
    // Without a trailing slash, to which nothing can be appended.
    let mut place: PathBuf = place.components().collect();
    if interrupted && place.exists() {
        place.as_mut_os_string().push("-interrupted");
    }
    match fs::remove_dir_all(&place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io("replace", &place)(error)),
        _ => fs::rename(partial, &place).map_err(Error::io("write", &place))?,
    }
    Ok(place)
}

fn meta(spec: &AppSpec, python: &Python, command: &[String]) -> Meta {
    Meta {
        splitcost_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now(),
        command: command.to_vec(),
        named_modules: spec.modules.clone(),
        python_version: python.version.clone(),
        machine: cpu::machine(),
        ..Meta::default()
    }
}

/// Returns the statuses that each request expects that names some.
fn expected(workload: &Workload) -> BTreeMap<String, Vec<u16>> {
    let named = workload.requests().iter().filter(|request| !request.expected().is_empty());
    named.map(|request| (request.name().to_owned(), request.expected().to_vec())).collect()
}

/// Returns the current time as RFC 3339 in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

fn after(secs: f64) -> Stop {
    Stop::After(Nanos::from_secs_f64(secs))
}

fn phase((kind, concurrency, rate_reqs_per_sec): (PhaseKind, u32, f64), bare: bool, driven: &Driven) -> Phase {
    let Driven { outcome, cpu } = driven;
    Phase {
        kind,
        bare,
        audit: false,
        concurrency,
        rate_reqs_per_sec,
        start_nanos: outcome.started.as_nanos(),
        end_nanos: outcome.ended.as_nanos(),
        driven_nanos: outcome.window.as_nanos(),
        requests: outcome.ended_ever,
        throughput_reqs_per_sec: outcome.throughput_reqs_per_sec(),
        app_cpu_nanos: cpu.as_nanos(),
        yardstick_nanos: 0.0,
        load_cpu_nanos: outcome.generator_cpu.as_nanos(),
        endpoints: endpoints(outcome),
    }
}

fn endpoints(outcome: &Outcome) -> Vec<PhaseEndpoint> {
    outcome
        .endpoints
        .iter()
        .map(|endpoint| {
            let quantile = |q| endpoint.response.quantile(q).unwrap_or_default().as_nanos();
            PhaseEndpoint {
                name: endpoint.name.clone(),
                ok: endpoint.ok,
                failed: endpoint.failed.total(),
                response_nanos_p50: quantile(0.5),
                response_nanos_p90: quantile(0.9),
                response_nanos_p99: quantile(0.99),
            }
        })
        .collect()
}
