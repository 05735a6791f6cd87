//! Recording an app under load, or a command as it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant, SystemTime};

use splitcost_load::{Outcome, Plan, Stop, Targets, Workload};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Meta, Phase, PhaseEndpoint, Recording};
use splitcost_recording::convert;

use crate::app::{App, AppSpec, Mode, Scratch, free_port, prepare};
use crate::drive::{Driven, Driver, check_some_ok, failures};
use crate::guard::{self, Mortal};
use crate::python::Python;
use crate::yardstick::Yardstick;
use crate::{Cancel, Error, Progress, Result, Step, cpu};

/// Seconds with and without the recorder, in each phase.
#[derive(Clone, Copy)]
struct Secs {
    recorded: f64,
    bare: f64,
}

/// Chosen: imports, connection pools and first requests are over well before.
const WARM_UP_SECS: Secs = Secs { recorded: 1.5, bare: 1.5 };
/// Chosen: thousands of requests of an app that answers in milliseconds.
const ALONE_SECS: Secs = Secs { recorded: 5.0, bare: 3.0 };
/// Chosen: a slow or rare endpoint gets up to as much again.
const ALONE_MORE_SECS: Secs = Secs { recorded: 5.0, bare: 3.0 };
/// The recorder's cost is a difference of two runs: they take turns, for the machine changes its speed in seconds.
///
/// Chosen: turns of a second.
const ALONE_TURNS: u32 = 5;
/// Chosen: the median over 100 requests is good to a tenth of the spread.
const ENOUGH_REQUESTS: u64 = 100;
/// Chosen: throughput settles within a second. With the recorder it shows only what happens at the same time.
const CLOSED_SECS: Secs = Secs { recorded: 1.0, bare: 2.5 };
/// Chosen: hundreds of requests.
const OPEN_SECS: Secs = Secs { recorded: 1.5, bare: 4.0 };
/// Chosen: below, queues are short and the recording shows the work; above, mostly the queues.
const OPEN_SHARE: f64 = 0.5;

/// How long a recorded command may take to end after Ctrl-C.
///
/// Chosen: pytest tears its fixtures down.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was recorded, and what to tell the user about it.
#[derive(Debug)]
pub struct Recorded {
    /// The recording.
    pub recording: Recording,
    /// Whether it was ended before its plan was done.
    pub interrupted: bool,
    /// What makes it doubtful; for the user's terminal only, as it may quote answers of the app.
    pub warnings: Vec<String>,
}

/// Starts the app under the recorder and drives its workload: one request at a time, then `concurrency` in flight,
/// then an open loop at half the throughput of that (or at `rate_reqs_per_sec`). The same is done to a second copy
/// of the app without the recorder, which shows what the recorder costs.
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
    let mut meta = meta(python, &spec.command);
    convert::begin(partial, &meta)?;
    let total_secs =
        [WARM_UP_SECS, ALONE_SECS, CLOSED_SECS, OPEN_SECS].iter().map(|secs| secs.recorded + secs.bare).sum();
    let step = Step { total_secs, ..Step::default() };
    let mut driver = Driver { workload, cancel, progress, step, yardstick: Yardstick::start(python, cancel)? };
    driver.say("record: starting the app");
    let scratches = [Scratch::set_up(spec, python, cancel)?, Scratch::set_up(spec, python, cancel)?];
    let modes = [Mode::Record { log_dir: log_dir(partial)? }, Mode::None];
    let mut warnings = Vec::new();
    let mut copies = Vec::new();
    for ((scratch, mode), name) in scratches.iter().zip(&modes).zip(["the app", "the app without the recorder"]) {
        copies.push(App::start(spec, python, scratch, mode, (name, free_port()?), cancel)?);
    }
    let load = (concurrency, rate_reqs_per_sec);
    let finished = drive(&mut driver, &mut copies, load, partial, &mut meta, &mut warnings);
    driver.say("record: reading what was recorded");
    let log = copies[0].log_tail();
    copies.iter_mut().for_each(App::stop);
    let interrupted = match finished {
        Ok(()) => cancel.is_cancelled(),
        Err(Error::Cancelled) => true,
        Err(error) => return Err(error),
    };
    let recording = finish(partial, meta, &log)?;
    Ok(Recorded { recording, interrupted, warnings })
}

/// The phases of load, in order: the copy with the recorder, then the one without.
fn drive(
    driver: &mut Driver<'_>,
    copies: &mut [App],
    (concurrency, rate): (u32, Option<f64>),
    partial: &Path,
    meta: &mut Meta,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let in_flight = usize::try_from(concurrency).unwrap_or(1).max(1);
    driver.say("record: warming up");
    let plan = Plan { seed_offset: 1, ..Plan::closed(4.min(in_flight), Stop::Requests(1)) };
    let warm = run(driver, copies, &plan, WARM_UP_SECS, 1)?;
    let mut seen = warm[0].outcome.clone();
    let mut ended = |driver: &Driver<'_>, meta: &mut Meta, (kind, concurrency, rate), runs: &[Driven]| {
        for (run, bare) in runs.iter().zip([false, true]) {
            meta.phases.push(phase(kind, bare, concurrency, rate, run));
            seen.merge(&run.outcome);
        }
        convert::note(partial, meta)?;
        driver.cancel.check()
    };
    driver.cancel.check()?;

    driver.say("record: one request at a time");
    let alone = |seed_offset| Plan { seed_offset, ..Plan::closed(1, Stop::Requests(1)) };
    let mut runs = run(driver, copies, &alone(2), ALONE_SECS, ALONE_TURNS)?;
    let rarest = runs[0].outcome.endpoints.iter().filter(|e| e.failed.total() == 0).map(|e| e.ok).min().unwrap_or(0);
    if rarest < ENOUGH_REQUESTS && !driver.cancel.is_cancelled() {
        let share = ((ENOUGH_REQUESTS - rarest) as f64 / rarest.max(1) as f64).clamp(0.2, 1.0);
        let more = Secs { recorded: ALONE_MORE_SECS.recorded * share, bare: ALONE_MORE_SECS.bare * share };
        driver.step.total_secs += more.recorded + more.bare;
        for (run, more) in runs.iter_mut().zip(run(driver, copies, &alone(50), more, ALONE_TURNS)?) {
            run.merge(&more);
        }
    }
    ended(driver, meta, ("closed", 1, 0.0), &runs)?;

    driver.say(format!("record: {in_flight} requests in flight"));
    let closed = Plan { seed_offset: 4, ..Plan::closed(in_flight, Stop::Requests(1)) };
    let runs = run(driver, copies, &closed, CLOSED_SECS, 1)?;
    let throughput = runs[1].outcome.throughput_reqs_per_sec();
    ended(driver, meta, ("closed", concurrency, 0.0), &runs)?;

    let rate = rate.unwrap_or(throughput * OPEN_SHARE).max(0.1);
    driver.say(format!("record: {rate:.0} requests/s"));
    let open = Plan { seed_offset: 5, ..Plan::open(rate, Stop::Requests(1)) };
    let runs = run(driver, copies, &open, OPEN_SECS, 1)?;
    ended(driver, meta, ("open", 0, rate), &runs)?;
    if let Some(reason) = runs.iter().find_map(|run| run.outcome.invalid()) {
        meta.troubles.push(format!("the open-loop phase is doubtful: {reason}"));
    }
    warnings.extend(failures(&seen));
    Ok(())
}

/// Drives both copies in turns.
fn run(driver: &mut Driver<'_>, copies: &mut [App], plan: &Plan, secs: Secs, turns: u32) -> Result<Vec<Driven>> {
    let mut runs: Vec<Driven> = Vec::new();
    for turn in 0..turns {
        for (i, (app, secs)) in copies.iter_mut().zip([secs.recorded, secs.bare]).enumerate() {
            let secs = secs / f64::from(turns);
            let seed_offset = plan.seed_offset + 10 * u64::from(turn);
            let plan = Plan { stop: after(secs), seed_offset, ..plan.clone() };
            let targets = Targets::all(app.address());
            let ended = driver.run(&mut [app], &targets, &plan, secs)?;
            check_some_ok(&ended.outcome, &[app])?;
            match runs.get_mut(i) {
                Some(run) => run.merge(&ended),
                None => runs.push(ended),
            }
        }
    }
    Ok(runs)
}

/// Runs a command under the recorder with the terminal's input and output; its requests are tests or root calls.
pub fn record_command(
    spec: &AppSpec,
    python: &Python,
    command: &[String],
    partial: &Path,
    cancel: &Cancel,
) -> Result<(Recorded, ExitStatus)> {
    let meta = meta(python, command);
    convert::begin(partial, &meta)?;
    let mode = Mode::Record { log_dir: log_dir(partial)? };
    let mut process = prepare(spec, python, None, &mode, command, 0)?;
    // In the foreground group of the terminal: Ctrl-C reaches the command itself, and it may read the keyboard.
    std::os::unix::process::CommandExt::process_group(&mut process, rustix::process::getpgrp().as_raw_nonzero().get());
    let mut child = process.spawn().map_err(|source| Error::Spawn { command: command.join(" "), source })?;
    let mortal = Mortal::Process(child.id());
    guard::add(&mortal);
    let status = wait_in_foreground(&mut child, cancel);
    guard::remove(&mortal);
    let status = status.map_err(Error::io("wait for", &command[0]))?;
    let recording = finish(partial, meta, &format!("\nthe command ended with {status}"))?;
    Ok((Recorded { recording, interrupted: cancel.is_cancelled(), warnings: Vec::new() }, status))
}

/// Waits for a command that Ctrl-C reaches as well; one that does not end by that is ended.
fn wait_in_foreground(child: &mut Child, cancel: &Cancel) -> io::Result<ExitStatus> {
    let mut cancelled = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if cancel.is_cancelled() && cancelled.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The directory of the logs, as a path that does not depend on the working directory.
fn log_dir(partial: &Path) -> Result<PathBuf> {
    let raw = convert::raw_dir(partial);
    fs::canonicalize(&raw).map_err(Error::io("find", raw))
}

/// Converts the logs; `log` are the app's last lines, should there be nothing to convert.
fn finish(partial: &Path, meta: Meta, log: &str) -> Result<Recording> {
    let recording = convert::finish(partial, meta)?;
    if recording.requests.is_empty() {
        let mut reason = "no request was recorded".to_owned();
        for trouble in &recording.meta.troubles {
            reason = format!("{reason}; {trouble}");
        }
        return Err(Error::NothingRecorded { reason, log: log.to_owned() });
    }
    Ok(recording)
}

/// Puts the finished recording in its place. An earlier one there goes, unless the new one was interrupted: that
/// one is then kept beside it. Returns where it is.
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

fn meta(python: &Python, command: &[String]) -> Meta {
    Meta {
        splitcost_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now(),
        command: command.to_vec(),
        python_version: python.version.clone(),
        machine: cpu::machine(),
        ..Meta::default()
    }
}

/// The present as RFC 3339 in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

fn after(secs: f64) -> Stop {
    Stop::After(Nanos::from_secs_f64(secs))
}

fn phase(kind: &str, bare: bool, concurrency: u32, rate_reqs_per_sec: f64, driven: &Driven) -> Phase {
    let Driven { outcome, cpu, yardstick_nanos } = driven;
    Phase {
        kind: kind.to_owned(),
        bare,
        concurrency,
        rate_reqs_per_sec,
        start_nanos: outcome.started.as_nanos(),
        end_nanos: outcome.ended.as_nanos(),
        requests: outcome.ok() + outcome.failed(),
        app_cpu_nanos: cpu.as_nanos(),
        yardstick_nanos: *yardstick_nanos,
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
