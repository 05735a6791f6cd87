//! Bad input gives one message with its place and a hint, and exit status 2.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::project::{Project, UVICORN, WORKLOAD};

/// A transcript with what differs between machines replaced.
macro_rules! assert_transcript {
    ($transcript:expr, @$expected:literal) => {
        insta::with_settings!({filters => vec![
            (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
            (r"port \d+", "port [PORT]"),
            (r"', \d+\)", "', [PORT])"),
        ]}, { insta::assert_snapshot!($transcript, @$expected) });
    };
}

#[test]
fn no_settings() {
    assert_transcript!(Project::empty().run(&["evaluate"]), @r"
    exit 2
    error: found no splitcost.toml in [DIR] or above it
    hint: `splitcost init` writes a commented one for this app
    ");
}

#[test]
fn settings_that_are_not_there() {
    assert_transcript!(Project::empty().run(&["record", "--config", "other.toml"]), @r"
    exit 2
    error: failed to read other.toml: No such file or directory (os error 2)
    ");
}

#[test]
fn a_field_that_does_not_exist() {
    let project = Project::with_command(UVICORN, "workers = 3\n");
    assert_transcript!(project.run(&["record"]), @r"
    exit 2
    error: splitcost.toml:5:1: unknown field `workers`, expected one of `command`, `setup`, `ready`, `package`, `modules`, `depth`, `entry_points`, `env`, `cwd`, `python`, `deadline_secs`, `database`
    ");
}

#[test]
fn a_workload_that_makes_no_sense() {
    let project = Project::with_command(UVICORN, "[[workload.requests]]\npath = \"/items/{item}\"\n");
    assert_transcript!(project.run(&["record"]), @r"
    exit 2
    error: splitcost.toml:5:3: read workload: request 1 (GET /items/{item}), field `path`: `{item}` is not defined in `params`
    ");
}

#[test]
fn no_workload() {
    assert_transcript!(Project::with_command(UVICORN, "").run(&["record"]), @r"
    exit 2
    error: the settings have no [workload] to drive the app with
    hint: list requests under [[workload.requests]], or record a command: `splitcost record -- pytest`
    ");
}

#[test]
fn a_module_that_does_not_exist() {
    let split = "[splits.a]\nservices = { prices = [\"small.pricing\"] }\n";
    let project = Project::with_command(UVICORN, &format!("{WORKLOAD}{split}"));
    assert_transcript!(project.run(&["evaluate"]), @r"
    exit 2
    error: splitcost.toml:12:24: the module small.pricing does not exist
    hint: did you mean small.prices?
    hint: the modules are: small.main, small.never, small.prices, small.stock
    ");
}

#[test]
fn a_module_that_two_services_claim() {
    let split = "[splits.a]\nservices = { one = [\"small.prices\"], two = [\"small.prices\"] }\n";
    let project = Project::with_command(UVICORN, &format!("{WORKLOAD}{split}"));
    assert_transcript!(project.run(&["evaluate"]), @r"
    exit 2
    error: splitcost.toml:12:45: module small.prices of split a is claimed by service two and by service one (splitcost.toml:12:21)
    hint: a module belongs to one service of a split: remove it from one of the two
    ");
}

#[test]
fn an_adapter_without_an_attribute_and_a_batch_of_nothing() {
    let check = |line: &str| {
        let split = format!("[splits.a]\nservices = {{ one = [\"small.prices\"] }}\n{line}\n");
        Project::with_command(UVICORN, &format!("{WORKLOAD}{split}")).run(&["evaluate"])
    };
    assert_transcript!(check("adapt = { \"sqlalchemy.orm.Session\" = \"small.db\" }"), @r#"
    exit 2
    error: splitcost.toml:13:38: `small.db` is not of the form module:attribute
    hint: for example "sqlalchemy.orm.Session" = "shop.db:SessionLocal"
    "#);
    assert_transcript!(check("batch = 0"), @r"
    exit 2
    error: splitcost.toml:13:9: batch must be a number from 1
    ");
}

#[test]
fn a_directory_that_does_not_exist() {
    let project = Project::with_command(UVICORN, &format!("cwd = \"nope\"\n{WORKLOAD}"));
    assert_transcript!(project.run(&["record"]), @r"
    exit 2
    error: splitcost.toml:5:7: the directory nope does not exist
    hint: `cwd` is the directory in which the app's command runs, relative to this file
    ");
}

#[test]
fn a_split_that_does_not_exist() {
    let split = "[splits.a]\nservices = { one = [\"small.prices\"] }\n";
    let project = Project::with_command(UVICORN, &format!("{WORKLOAD}{split}"));
    assert_transcript!(project.run(&["evaluate", "--split", "b"]), @r"
    exit 2
    error: the settings have no split named b
    hint: the splits are: a
    ");
}

#[test]
fn a_program_that_does_not_exist() {
    let project = Project::with_command(r#"["no-such-server"]"#, WORKLOAD);
    assert_transcript!(project.run(&["record"]), @r"
    exit 2
    error: failed to start `no-such-server`: No such file or directory (os error 2)
    hint: the program was looked for beside the Python interpreter first, then on PATH
    ");
}

#[test]
fn a_setup_that_fails() {
    let setup = r#"setup = ["python", "-c", "raise SystemExit('no migrations found')"]"#;
    let project = Project::with_command(UVICORN, &format!("{setup}\n{WORKLOAD}"));
    assert_transcript!(project.run(&["record"]), @r"
    exit 2
    error: failed to set up the app: `python -c raise SystemExit('no migrations found')` ended with exit status: 1
    its last lines were:
      | no migrations found
    hint: `setup` in [app] is run before each start of the app, with {workdir} a new scratch directory
    ");
}

#[test]
fn an_app_that_exits_at_once() {
    let command = r#"["python", "-c", "raise SystemExit('DATABASE_URL is not set')"]"#;
    assert_transcript!(Project::with_command(command, WORKLOAD).run(&["record"]), @r"
    exit 2
    error: failed to start the app: it ended with exit status: 1
    its last lines were:
      | DATABASE_URL is not set
    hint: the lines above are its own; run the same command by hand in its directory to see all of them
    ");
}

#[test]
fn an_app_that_never_answers() {
    // A shell says its line at once, however busy the machine is.
    let command = r#"["sh", "-c", "echo waiting for a database; exec sleep 600"]"#;
    let project = Project::with_command(command, &format!("deadline_secs = 3\n{WORKLOAD}"));
    assert_transcript!(project.run(&["record"]), @r"
    exit 2
    error: failed to start the app: not ready after 3 s, nothing listened
    its last lines were:
      | waiting for a database
    hint: `ready` in [app] is the path that is asked, `deadline_secs` how long is waited
    ");
}

#[test]
fn an_app_that_is_never_ready() {
    let project = Project::new(&format!(
        "[app]\ncommand = {UVICORN}\npackage = \"small\"\nready = \"/healthz\"\ndeadline_secs = 20\n{WORKLOAD}"
    ));
    assert_transcript!(project.run(&["record"]), @r"
    exit 2
    error: failed to start the app: not ready after 20 s, GET /healthz was answered 404
    hint: `ready` in [app] is the path that is asked, `deadline_secs` how long is waited
    ");
}

#[test]
fn an_app_that_listens_elsewhere() {
    // Uvicorn listens on a free port of its own choice.
    let command = UVICORN.replace("{port}", "0");
    assert_transcript!(Project::with_command(&command, WORKLOAD).run(&["record"]), @r"
    exit 2
    error: failed to start the app: it listens on 127.0.0.1:[PORT], not on the port [PORT] it was given
    hint: write {port} in the command of [app], as in `--port {port}`
    ");
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let command = UVICORN.replace("{port}", &taken.local_addr().unwrap().port().to_string());
    assert_transcript!(Project::with_command(&command, WORKLOAD).run(&["record"]), @r"
    exit 2
    error: failed to start the app: it ended with exit status: 3
    its last lines were:
      | ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', [PORT]): address already in use
    hint: another process has that port: write {port} in the command of [app], and splitcost will pick a free one
    ");
}

#[test]
fn an_app_that_answers_nothing_well() {
    let workload = "[[workload.requests]]\npath = \"/nowhere\"\n";
    let project = Project::with_command(UVICORN, workload);
    assert_transcript!(project.run(&["record"]), @r#"
    exit 2
    error: failed to drive the app: every request failed; the first, GET /nowhere, was answered 404 {"detail": "no such page"}
    hint: check the requests in [workload] against the app
    "#);
    assert!(!project.path(".splitcost/recording").exists());
}

#[test]
fn a_package_that_is_misspelt() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    let script = "import asyncio\nfrom small import prices\nasyncio.run(prices.quote(1, 2))\n";
    fs::write(project.path("job.py"), script).unwrap();
    assert!(project.run(&["record", "--", "python", "job.py"]).starts_with("exit 0"));
    let settings = fs::read_to_string(project.path("splitcost.toml")).unwrap();
    fs::write(project.path("splitcost.toml"), settings.replace("\"small\"", "\"smal\"")).unwrap();
    // Other tests may disturb the recording, which warns of that.
    let recorded = project.run(&["record"]);
    assert!(recorded.starts_with("exit 2\n"), "{recorded}");
    assert_transcript!(&recorded[recorded.find("error: ").unwrap()..], @r"
    error: no function of `smal` ran while recording
    hint: there is no package smal: did you mean small?
    hint: `package` in [app], or --package for a command, names the package whose modules are to be recorded
    ");
    // A test is a request, whatever it calls.
    fs::write(project.path("test_prices.py"), "def test_prices():\n    import job\n").unwrap();
    let tests = ["record", "--package", "small_shop", "--", "python", "-m", "pytest", "-q"];
    let recorded = project.run(&tests);
    let said = "error: no function of `small_shop` ran while recording\n\
                hint: there is no package small_shop: did you mean small?\n";
    assert!(recorded.starts_with("exit 2\n") && recorded.contains(said), "{recorded}");
    assert!(!project.path(".splitcost/recording.partial").exists());
    let shown = project.run(&["show"]);
    assert!(shown.contains("small.prices:quote"), "the earlier recording: {shown}");
}

#[test]
fn a_python_without_the_package() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    let bare = project.path("bare");
    let make = "import sys, venv; venv.create(sys.argv[1], with_pip=False)";
    let python = Path::new(&std::env::var_os("VIRTUAL_ENV").expect("VIRTUAL_ENV names a virtual environment"))
        .join("bin/python");
    assert!(Command::new(python).args(["-c", make]).arg(&bare).status().unwrap().success());
    let python = bare.join("bin/python").display().to_string();
    assert_transcript!(project.run(&["record", "--python", &python]), @r"
    exit 2
    error: failed to use the Python interpreter [DIR]/bare/bin/python: it cannot import the package splitcost (No module named 'splitcost')
    hint: [DIR]/bare/bin/python -m pip install splitcost
    ");
    assert_transcript!(project.run(&["record", "--python", "no/python"]), @r"
    exit 2
    error: failed to run the Python interpreter no/python: No such file or directory (os error 2)
    hint: set python in [app] to the app's interpreter, or activate its virtual environment
    ");
}

#[test]
fn a_python_with_another_version_of_the_package() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    fs::create_dir_all(project.path("old/splitcost")).unwrap();
    fs::write(project.path("old/splitcost/__init__.py"), "__version__ = \"0.0.1\"\n").unwrap();
    let transcript = project.run_with(&[("PYTHONPATH", "old")], &["record"]);
    assert!(transcript.starts_with("exit 2\nerror: failed to use the Python interpreter "), "{transcript}");
    let program = env!("CARGO_PKG_VERSION");
    let said = format!(": its package splitcost has version 0.0.1, this program {program}\nhint: ");
    assert!(transcript.contains(&said), "{transcript}");
    assert!(transcript.ends_with(&format!(" -m pip install splitcost=={program}")), "{transcript}");
}

#[test]
fn no_recording() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    assert_transcript!(project.run(&["show"]), @r"
    exit 2
    error: failed to find a recording in .splitcost/recording
    hint: make one with `splitcost record`, or name another: `splitcost show DIR`, or --recording DIR elsewhere
    ");
}

#[test]
fn a_directory_that_is_not_a_recording() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    std::fs::create_dir(project.path("photos")).unwrap();
    std::fs::write(project.path("photos/splitcost-recording.json"), "{}").unwrap();
    assert_transcript!(project.run(&["show", "photos"]), @r"
    exit 2
    error: failed to read photos/splitcost-recording.json: it is not a splitcost recording (its name is another)
    hint: name a directory that `splitcost record` wrote
    ");
}

#[test]
fn no_study() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    assert_transcript!(project.run(&["report"]), @r"
    exit 2
    error: failed to read .splitcost/study.json: No such file or directory (os error 2)
    hint: `splitcost evaluate` makes a study and its report
    ");
    std::fs::write(project.path("half.json"), "{\"format_version\": 1, ").unwrap();
    assert_transcript!(project.run(&["report", "half.json"]), @r"
    exit 2
    error: failed to read half.json: it is not a study: EOF while parsing a value at line 1 column 22
    hint: `splitcost evaluate --format json` writes one
    ");
}
