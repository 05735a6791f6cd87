//! However splitcost ends, no process and no scratch directory is left, and what was recorded stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::project::{Project, UVICORN, WORKLOAD, processes_of, wait_until, wait_until_none_is_left};

#[test]
fn ctrl_c_keeps_what_was_recorded() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    let running = project.start(&["record"]);
    let pid = running.pid();
    running.wait_for_line("turn 2 of");
    assert!(!processes_of(pid).is_empty());
    kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
    let transcript = running.transcript();
    insta::with_settings!({filters => vec![(r"[\d,]+ requests of \d endpoints?", "[N] requests of [N] endpoints")]}, {
        insta::assert_snapshot!(transcript, @r"
        exit 130
        warning: the recording was interrupted before its plan was done: some requests and loads are missing
        recorded [N] requests of [N] endpoints in .splitcost/recording
        interrupted
        ");
    });
    wait_until_none_is_left(pid);
    let shown = project.run(&["show"]);
    assert!(shown.contains("GET /items/{item}"), "{shown}");
}

#[test]
fn ctrl_c_before_anything_was_recorded_leaves_nothing() {
    let project = Project::with_command(r#"["python", "-m", "small.never"]"#, WORKLOAD);
    let running = project.start(&["record"]);
    let pid = running.pid();
    running.wait_for_line("starting the app");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    insta::assert_snapshot!(running.transcript(), @r"
    exit 130
    interrupted
    ");
    wait_until_none_is_left(pid);
    assert!(!project.path(".splitcost/recording.partial").exists());
}

#[test]
fn ctrl_c_ends_every_phase_of_a_rehearsal() {
    let splits = "[splits.good]\nservices = { prices = [\"small.prices\"] }\n";
    let project = Project::with_command(UVICORN, &format!("{WORKLOAD}{splits}"));
    let recorded = project.run(&["record"]);
    assert!(recorded.starts_with("exit 0"), "{recorded}");
    let scratch = project.path("scratch");
    fs::create_dir(&scratch).unwrap();
    let end = |arguments: &[&str], line: &str, signal: Signal| {
        let running = project.start_in_terminal(&[("TMPDIR", scratch.to_str().unwrap())], arguments);
        let pid = running.pid();
        running.wait_for_line(line);
        let id = Pid::from_raw(pid).unwrap();
        // Ctrl-C reaches all that is in the foreground; whoever wants an end by SIGTERM asks the program alone.
        if signal == Signal::INT { kill_process_group(id, signal) } else { kill_process(id, signal) }.unwrap();
        let transcript = running.transcript();
        assert!(transcript.starts_with("exit 130\n") && transcript.ends_with("interrupted"), "{line}: {transcript}");
        wait_until_none_is_left(pid);
        let left: Vec<_> = fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{line}: {left:?}");
    };
    let rehearse = ["rehearse", "--budget", "1s", "--precision", "50"];
    end(&rehearse, "calibrate", Signal::INT);
    end(&rehearse, "round 1 of", Signal::TERM);
    let calibrated = project.run(&["calibrate"]);
    assert!(calibrated.starts_with("exit 0"), "{calibrated}");
    let phases = [
        "estimate: ",
        "starting the monolith",
        "which calls are answered",
        "comparing answers",
        "warming up",
        "one request at a time",
        "saturation, round 1",
        "under load, round 1",
        "stopping the services",
    ];
    for (phase, signal) in phases.into_iter().zip([Signal::TERM, Signal::INT].into_iter().cycle()) {
        end(&rehearse, phase, signal);
    }
    end(&["rehearse", "--fault", "down"], "under down", Signal::INT);
    a_service_that_dies_ends_the_run(&project);
}

fn a_service_that_dies_ends_the_run(project: &Project) {
    let running = project.start(&["rehearse", "--budget", "1s", "--precision", "50"]);
    let pid = running.pid();
    running.wait_for_line("saturation, round 1");
    let environ = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/environ")).unwrap_or_default();
    let service = processes_of(pid).into_iter().find(|pid| environ(pid).contains("\0SPLITCOST_SERVICE=prices\0"));
    kill_process(Pid::from_raw(service.expect("it runs")).unwrap(), Signal::KILL).unwrap();
    insta::assert_snapshot!(running.transcript(), @r"
    exit 2
    error: failed to keep service prices of split good running: it ended with signal: 9 (SIGKILL)
    hint: it printed nothing; run the same command by hand in its directory
    ");
    wait_until_none_is_left(pid);
}

#[test]
fn ctrl_c_that_ends_a_helper_first_is_no_failure() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    let python = project.path("python");
    fs::write(&python, "#!/bin/sh\ntouch asked\nsleep 600\n").unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let running = project.start_in_terminal(&[], &["record", "--python", python.to_str().unwrap()]);
    wait_until(|| project.path("asked").exists());
    kill_process_group(Pid::from_raw(running.pid()).unwrap(), Signal::INT).unwrap();
    insta::assert_snapshot!(running.transcript(), @r"
    exit 130
    interrupted
    ");
}

#[test]
fn a_killed_splitcost_leaves_no_process_and_a_readable_recording() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    let mut running = project.start(&["record"]);
    let pid = running.pid();
    running.wait_for_line("turn 2 of");
    assert!(!processes_of(pid).is_empty());
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    running.wait();
    wait_until_none_is_left(pid);
    let shown = project.run(&["show", ".splitcost/recording.partial"]);
    assert!(shown.starts_with("exit 0") && shown.contains("GET /items/{item}"), "{shown}");
    assert!(shown.contains("recording was interrupted"), "{shown}");
}

#[test]
fn a_recorded_command_passes_its_status_on() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    let script = "import asyncio, sys\nfrom small import prices\nasyncio.run(prices.quote(1, 2))\nsys.exit(3)\n";
    std::fs::write(project.path("job.py"), script).unwrap();
    insta::assert_snapshot!(project.run(&["record", "--", "python", "job.py"]), @r"
    exit 3
    recorded 1 request of 1 endpoint in .splitcost/recording
    warning: the command ended with exit status: 3
    ");
    let shown = project.run(&["show"]);
    assert!(shown.contains("small.prices:quote"), "{shown}");
    insta::assert_snapshot!(project.run(&["record", "--", "python", "-c", "pass"]), @r"
    exit 2
    error: failed to record: no request was recorded
    the command ended with exit status: 0
    hint: the command must run with the interpreter that has splitcost, and `package` in [app] must name the app's package
    ");
}

#[test]
fn a_recording_without_settings_is_that_of_the_working_directory() {
    let project = Project::new("");
    std::fs::remove_file(project.path("splitcost.toml")).unwrap();
    let job = "import asyncio; from small import prices; asyncio.run(prices.quote(1, 2))";
    insta::assert_snapshot!(project.run(&["record", "--package", "small", "--", "python", "-c", job]), @r"
    exit 0
    recorded 1 request of 1 endpoint in .splitcost/recording
    ");
    for options in [&["show"][..], &["show", "--tables"], &["bench", "codecs", "--rounds", "2"]] {
        let transcript = project.run(options);
        assert!(transcript.starts_with("exit 0"), "{transcript}");
    }
    insta::assert_snapshot!(project.run(&["show", "--boundary", "prices"]), @r"
    exit 2
    error: found no splitcost.toml in [DIR] or above it
    hint: `splitcost init` writes a commented one for this app
    ");
}

/// The environment wins over the file, which would otherwise replace the data that a command is to use.
#[test]
fn a_recorded_command_keeps_its_environment() {
    let env = "[app.env]\nJOB_DATA = \"{workdir}\"\nADDED = \"1\"\n";
    let project = Project::with_command(UVICORN, &format!("{WORKLOAD}\n{env}"));
    let script = "import asyncio, os\nfrom small import prices\nasyncio.run(prices.quote(1, 2))\n\
                  print(os.environ['JOB_DATA'], os.environ['ADDED'])\n";
    std::fs::write(project.path("job.py"), script).unwrap();
    insta::assert_snapshot!(project.run_with(&[("JOB_DATA", "mine")], &["record", "--", "python", "job.py"]), @r"
    exit 0
    mine 1
    recorded 1 request of 1 endpoint in .splitcost/recording
    ");
}

#[test]
fn a_recorded_command_ends_with_what_it_started() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    // It ignores both signals, and so does the child that it leaves behind.
    let script = "import signal, subprocess, sys, time\n\
                  for name in (signal.SIGINT, signal.SIGTERM):\n    signal.signal(name, signal.SIG_IGN)\n\
                  subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n\
                  print('ready', file=sys.stderr, flush=True)\ntime.sleep(600)\n";
    std::fs::write(project.path("job.py"), script).unwrap();
    let running = project.start(&["record", "--", "python", "job.py"]);
    let pid = running.pid();
    running.wait_for_line("ready");
    wait_until(|| processes_of(pid).len() >= 2);
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    assert!(running.transcript().starts_with("exit "));
    wait_until_none_is_left(pid);
}

#[test]
fn nothing_outlives_a_splitcost_that_is_killed_together_with_its_guard() {
    // A shell that splitcost starts, a child of it that nobody would find by its environment, and uvicorn.
    let command = |more: &str| {
        let uvicorn = format!("exec uvicorn small.main:app --port {{port}} --log-level warning {more}");
        format!(r#"["sh", "-c", "env -i sleep 600 & {uvicorn}"]"#)
    };
    let splits = "[splits.good]\nservices = { prices = [\"small.prices\"] }\n";
    // uvicorn's two workers are children of a child.
    let workers = Project::with_command(&command("--workers 2"), WORKLOAD);
    check_nothing_is_left(&workers, &["record"], "record: turn 1 of", 5);

    let project = Project::with_command(&command(""), &format!("{WORKLOAD}{splits}"));
    let recorded = project.run(&["record"]);
    assert!(recorded.starts_with("exit 0"), "{recorded}");
    // Client, server and yardstick.
    check_nothing_is_left(&project, &["calibrate", "--fresh"], "round 1 of", 3);
    // Two monoliths and two services, with a `sleep` each.
    check_nothing_is_left(&project, &["rehearse", "--budget", "1s", "--precision", "50"], "saturation, round 1", 8);
    fs::write(project.path("jobs.py"), JOBS).unwrap();
    // The same, each with several processes.
    for (command, processes) in [
        (
            r#"["gunicorn", "-k", "uvicorn_worker.UvicornWorker", "-w", "2", "-b", "127.0.0.1:{port}", "small.main:app"]"#,
            12,
        ),
        (r#"["granian", "--interface", "asgi", "--workers", "2", "--port", "{port}", "small.main:app"]"#, 12),
        (r#"["sh", "-c", "python jobs.py; exec uvicorn small.main:app --port {port} --log-level warning"]"#, 12),
    ] {
        project.start_by(command, &format!("{WORKLOAD}{splits}"));
        check_nothing_is_left(
            &project,
            &["rehearse", "--budget", "1s", "--precision", "50"],
            "comparing answers",
            processes,
        );
    }
}

/// A worker of jobs that detaches itself, as Celery's can, with two processes of its own.
const JOBS: &str = "
import os, time
for _ in range(2):
    if os.fork():
        os._exit(0)
    os.setsid()
os.fork()
time.sleep(600)
";

/// Kills a run and its guard once it has printed a line and started so many processes, and checks that these end and
/// that the next run removes its scratch directory.
fn check_nothing_is_left(project: &Project, arguments: &[&str], line: &str, processes: usize) {
    let mut running = project.start(arguments);
    let pid = running.pid();
    running.wait_for_line(line);
    // A process that has detached itself is a child of nobody here, and others have lost their environment.
    let started: BTreeSet<i32> = descendants(pid).into_iter().chain(processes_of(pid)).collect();
    let (guards, others): (Vec<i32>, Vec<i32>) = started.into_iter().partition(|pid| is_guard(*pid));
    assert_eq!(guards.len(), 1, "{arguments:?}");
    assert!(others.len() >= processes, "{arguments:?}: {others:?}");
    let scratch = scratch_dir_of(pid);
    // The guard first: it would begin its work at once.
    for pid in [guards[0], pid] {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
    running.wait();
    wait_until(|| !others.iter().any(|pid| is_alive(*pid)));
    wait_until_none_is_left(pid);
    let next = project.run(&[
        "record",
        "--",
        "python",
        "-c",
        "import asyncio; from small import prices; asyncio.run(prices.quote(1, 2))",
    ]);
    assert!(next.starts_with("exit 0"), "{next}");
    assert!(!scratch.exists(), "{arguments:?}: {} is left", scratch.display());
}

/// The scratch directory of a running splitcost, which its processes carry in their environment.
fn scratch_dir_of(pid: i32) -> PathBuf {
    let environs =
        processes_of(pid).into_iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/environ")).ok());
    let lifeline =
        environs.flat_map(|environ| environ.split('\0').map(str::to_owned).collect::<Vec<_>>()).find_map(|entry| {
            let (_group, path) = entry.strip_prefix("SPLITCOST_LIFELINE=")?.split_once(':')?;
            Some(PathBuf::from(path))
        });
    let dir = lifeline.as_deref().and_then(Path::parent).expect("a process with a lifeline").to_owned();
    assert!(dir.exists());
    dir
}

/// State and parent of a process, from `/proc/pid/stat`.
fn state_and_parent(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_alive(pid: i32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

fn is_guard(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"\0guard\0"))
}

/// All processes that a process has started, directly or not.
fn descendants(of: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: BTreeMap<i32, i32> = pids.filter_map(|pid| Some((pid, state_and_parent(pid)?.1))).collect();
    let is_below = |pid: &i32| {
        let ancestors = std::iter::successors(parents.get(pid).copied(), |pid| parents.get(pid).copied());
        ancestors.into_iter().any(|ancestor| ancestor == of)
    };
    parents.keys().copied().filter(is_below).collect()
}
