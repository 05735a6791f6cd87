//! The command line wins over the environment, the environment over the settings file, the file over the defaults.

use std::fs;

use serde_json::Value;

use crate::project::{Project, UVICORN, WORKLOAD};

const APP: &str = "import requests
def load():
    return requests.get('u')
async def handler():
    return load()
";

/// The codes that a scan finds.
fn codes(transcript: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(transcript.split_once('\n').unwrap().1)
        .unwrap_or_else(|error| panic!("{error}: {transcript}"));
    let findings = json["findings"].as_array().unwrap().iter();
    let mut codes: Vec<String> = findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes
}

#[test]
fn a_list() {
    let project = Project::empty();
    fs::write(project.path("app.py"), APP).unwrap();
    let run = |env: &[(&str, &str)], more: &[&str]| {
        codes(&project.run_with(env, &[&["scan", "app.py", "--format", "json"], more].concat()))
    };
    let all = run(&[], &[]);
    assert!(all.contains(&"SC101".to_owned()) && all.contains(&"SC301".to_owned()), "{all:?}");
    fs::write(project.path("splitcost.toml"), "[scan]\nselect = ['SC101']\n").unwrap();
    assert_eq!(run(&[], &[]), ["SC101"]);
    assert_eq!(run(&[("SPLITCOST_SELECT", "SC301")], &[]), ["SC301"]);
    assert_eq!(run(&[("SPLITCOST_SELECT", "SC301,SC1")], &[]), ["SC101", "SC301"]);
    assert_eq!(run(&[("SPLITCOST_SELECT", "SC301")], &["--select", "SC101"]), ["SC101"]);
    assert_eq!(run(&[("SPLITCOST_SELECT", "")], &[]), ["SC101"], "an empty variable sets nothing");
}

#[test]
fn an_option_that_may_be_repeated_has_a_line_for_each_value() {
    let project = Project::empty();
    for file in ["one.py", "two.py", "three.py"] {
        fs::write(project.path(file), APP).unwrap();
    }
    let text = project.run_with(&[("SPLITCOST_EXCLUDE", "one.py\ntwo.py")], &["scan"]);
    assert!(text.contains("three.py:") && !text.contains("one.py") && !text.contains("two.py"), "{text}");
    let export = [("SPLITCOST_EXPORT", "locust\nload.py")];
    let text = project.run_with(&export, &["bench", "http://127.0.0.1:1/items"]);
    assert!(text.starts_with("exit 0\nwrote load.py"), "{text}");
}

#[test]
fn a_path() {
    let project = Project::with_command(UVICORN, &format!("python = \"no/file\"\n{WORKLOAD}"));
    let run = |env: &[(&str, &str)], more: &[&str]| {
        let text = project.run_with(env, &[&["record"], more].concat());
        let name = text.split("failed to run the Python interpreter ").nth(1).unwrap_or_else(|| panic!("{text}"));
        name.split(':').next().unwrap().to_owned()
    };
    assert_eq!(run(&[], &[]), "[DIR]/no/file");
    assert_eq!(run(&[("SPLITCOST_PYTHON", "no/variable")], &[]), "no/variable");
    assert_eq!(run(&[("SPLITCOST_PYTHON", "no/variable")], &["--python", "no/option"]), "no/option");
}

#[test]
fn a_choice() {
    let project = Project::empty();
    let run = |env: &[(&str, &str)], more: &[&str]| project.run_with(env, &[&["link", "list"], more].concat());
    let is_json = |text: &str| text.starts_with("exit 0\n[");
    assert!(!is_json(&run(&[], &[])));
    assert!(is_json(&run(&[("SPLITCOST_FORMAT", "json")], &[])));
    assert!(!is_json(&run(&[("SPLITCOST_FORMAT", "json")], &["--format", "text"])));
    let refused = run(&[("SPLITCOST_FORMAT", "sarif")], &[]);
    assert!(refused.starts_with("exit 2\nerror: invalid value 'sarif' for '--format <FORMAT>'"), "{refused}");
    assert!(refused.ends_with("hint: SPLITCOST_FORMAT sets --format in the environment"), "{refused}");
}

#[test]
fn a_switch() {
    let project = Project::empty();
    fs::write(project.path("app.py"), APP).unwrap();
    let cached = |value: &str| {
        let _ = fs::remove_dir_all(project.path("cache"));
        assert!(project.run_with(&[("SPLITCOST_NO_CACHE", value)], &["scan"]).starts_with("exit 1"));
        project.path("cache").exists()
    };
    assert!(cached("false") && cached("0") && cached(""));
    assert!(!cached("true") && !cached("1"));
}

#[test]
fn a_number_of_a_file() {
    // The app cannot be started, so that only the reading of the settings is seen.
    let run = |load: &str, env: &[(&str, &str)], more: &[&str]| {
        let project = Project::with_command(r#"["no-such-server"]"#, &format!("{WORKLOAD}[load]\n{load}\n"));
        project.run_with(env, &[&["record"], more].concat())
    };
    let started = "exit 2\nerror: failed to start `no-such-server`";
    assert!(run("concurrency = 4", &[], &[]).starts_with(started));
    assert!(run("concurrency = 0", &[], &[]).contains("concurrency must be from 1 to 10000"));
    let wrong = [("SPLITCOST_CONCURRENCY", "0")];
    let refused = run("concurrency = 4", &wrong, &[]);
    assert!(refused.contains("invalid value '0' for '--concurrency <N>'"), "{refused}");
    assert!(refused.ends_with("hint: SPLITCOST_CONCURRENCY sets --concurrency in the environment"), "{refused}");
    assert!(run("concurrency = 4", &wrong, &["--concurrency", "4"]).starts_with(started));
}

#[test]
fn an_option_wins_over_the_variable_of_one_that_it_cannot_be_used_with() {
    let project = Project::empty();
    let url = ["bench", "http://127.0.0.1:1/", "--export", "locust", "load.py"];
    let run = |env: &[(&str, &str)], more: &[&str]| project.run_with(env, &[&url[..], more].concat());
    assert!(run(&[("SPLITCOST_RATE", "40")], &["--concurrency", "4"]).starts_with("exit 0"));
    assert!(run(&[("SPLITCOST_CONCURRENCY", "4")], &["--rate", "40"]).starts_with("exit 0"));
    let both = run(&[("SPLITCOST_RATE", "40"), ("SPLITCOST_CONCURRENCY", "4")], &[]);
    assert!(both.starts_with("exit 2") && both.contains("hint: SPLITCOST_RATE sets --rate in the"), "{both}");
}

#[test]
fn a_variable_counts_for_the_command_that_is_named_only() {
    let project = Project::empty();
    // A list of numbers, which the command above does not take.
    let env = [("SPLITCOST_CONCURRENCY", "1,8"), ("SPLITCOST_PAYLOAD", "0")];
    let text = project.run_with(&env, &["bench", "stacks"]);
    assert!(text.starts_with("exit 2\nerror: --payload 0: "), "{text}");
}
