//! However it ends: no process is left, and what was recorded stays.

use rustix::process::{Pid, Signal, kill_process};

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
fn a_recorded_command_ends_with_what_it_started() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    // Deaf to both signals, and so is the child that it leaves behind.
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
