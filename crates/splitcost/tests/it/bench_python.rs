//! `bench codecs` and `bench call`: real codecs, real clients and servers, with this test's own documents and functions.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::project::{Project, UVICORN, WORKLOAD, wait_until_none_is_left};

/// The answer as JSON, and the exit status before it.
fn answer(transcript: &str) -> (&str, Value) {
    let (exit, rest) = transcript.split_once('\n').unwrap_or_else(|| panic!("{transcript}"));
    let (from, to) = (rest.find('{'), rest.rfind('}'));
    let (Some(from), Some(to)) = (from, to) else { panic!("{transcript}") };
    (exit, serde_json::from_str(&rest[from..=to]).unwrap())
}

const ORDER: &str =
    r#"{"id": 7, "lines": [{"sku": "a", "net": 1.5}, {"sku": "b", "net": NaN}], "big": 18446744073709551616}"#;

#[test]
fn codecs_on_a_document_with_unusual_values() {
    let project = Project::empty();
    fs::write(project.path("order.json"), ORDER).unwrap();
    let transcript = project.run(&["bench", "codecs", "order.json", "--rounds", "6", "--format", "json"]);
    let (exit, found) = answer(&transcript);
    assert_eq!(exit, "exit 0");
    let document = &found["documents"][0];
    assert_eq!((&document["name"], &document["values"]), (&json!("order.json"), &json!(10)));
    let trial = |codec: &str| {
        let trial = &document["trials"][codec];
        (trial["outcome"].as_str().unwrap(), trial["places"][0]["path"].as_str())
    };
    assert_eq!(trial("json"), ("kept", None));
    assert_eq!(trial("msgspec_json"), ("changed", Some(".lines[1].net")));
    assert_eq!(trial("orjson"), ("error", Some(".big")));
    assert_eq!(trial("protobuf"), ("error", Some(".big")));
    let times = document["times"].as_array().unwrap();
    assert!(times.iter().all(|times| times["codec"] != "orjson"), "what fails has no times");
    for times in times {
        for key in ["encode_micros", "decode_micros"] {
            let at = |end: &str| times[key][end].as_f64().unwrap();
            assert!(0.0 < at("low") && at("low") <= at("value") && at("value") <= at("high"), "{times}");
        }
        assert_eq!(times.get("encode_change").is_some(), times["codec"] != "json");
    }
    let unusual = found["unusual"].as_array().unwrap();
    let decimal = unusual.iter().find(|value| value["name"] == "Decimal").unwrap();
    assert_eq!(decimal["codecs"]["pydantic"]["outcome"], "kept");
    assert_eq!(decimal["codecs"]["ujson"]["places"][0]["became_type"], "float");
    assert_eq!(decimal["codecs"]["orjson"]["places"][0]["path"], ".rows[0].value");
}

#[test]
fn codecs_as_text_and_markdown() {
    let project = Project::empty();
    fs::write(project.path("small.json"), r#"[{"a": 1}, {"a": null}]"#).unwrap();
    let text = project.run(&["bench", "codecs", "small.json", "--rounds", "2"]);
    assert!(text.contains("small.json: 23 B by json, 5 values, 2 deep\ncodec "), "{text}");
    assert!(text.contains("\nprotobuf, messages at hand ") && text.contains("\nThe first in other depths: "), "{text}");
    let table = project.run(&["bench", "codecs", "small.json", "--rounds", "2", "--format", "markdown"]);
    assert!(
        table.contains("\n| codec | size, B | encode, µs | to json | decode, µs | to json |\n|---|--:|"),
        "{table}"
    );
    assert!(table.contains("\n| NaN | kept | → None |"), "{table}");
}

#[test]
fn the_proto_is_shown() {
    let project = Project::empty();
    fs::write(project.path("a.json"), r#"{"id": 1, "tags": ["x"], "note": null}"#).unwrap();
    insta::assert_snapshot!(project.run(&["bench", "codecs", "a.json", "--show-proto"]), @r#"
    exit 0
    syntax = "proto3";
    package splitcost.sample;

    message Sample {
      int64 id = 1;
      repeated string tags = 2;
      optional bool note = 3;
    }
    "#);
    fs::write(project.path("b.json"), ORDER).unwrap();
    insta::assert_snapshot!(project.run(&["bench", "codecs", "b.json", "--show-proto"]), @r"
    exit 2
    error: failed to use the document: .big: an int beyond 64 bits has no type in protobuf
    ");
}

#[test]
fn documents_that_cannot_be_read() {
    let project = Project::empty();
    fs::write(project.path("bad.json"), "{\"a\": 1,\n \"b\" 2}").unwrap();
    insta::assert_snapshot!(project.run(&["bench", "codecs", "bad.json"]), @r"
    exit 2
    error: failed to use the document: bad.json:2:6: Expecting ':' delimiter
    ");
    insta::assert_snapshot!(project.run(&["bench", "codecs", "none.json"]), @r"
    exit 2
    error: failed to read none.json: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(project.run(&["bench", "codecs"]), @r"
    exit 2
    error: there is nothing to encode
    hint: name a JSON file or a recording: splitcost bench codecs order.json
    ");
}

const FUNCTIONS: &str = "
import decimal
def double(value, *, by=2):
    print('printed')
    return {'value': value * by}
async def wait(value):
    return value
def money():
    return {'total': [decimal.Decimal('1.10')]}
def fail():
    raise KeyError('no')
";

#[test]
fn codecs_on_what_a_recording_saw() {
    let project = Project::with_command(UVICORN, WORKLOAD);
    assert!(project.run(&["record"]).starts_with("exit 0"));
    let transcript = project.run(&["bench", "codecs", ".splitcost/recording", "--rounds", "2", "--format", "json"]);
    let (exit, found) = answer(&transcript);
    assert_eq!(exit, "exit 0", "{transcript}");
    let documents = found["documents"].as_array().unwrap();
    assert!(
        !documents.is_empty() && documents.iter().all(|one| one["json_bytes"].as_u64().unwrap() > 0),
        "{transcript}"
    );
}

#[test]
fn ctrl_c_ends_what_measures_in_python() {
    let project = with_functions();
    fs::write(project.path("order.json"), r#"{"id": 7}"#).unwrap();
    let call = ["bench", "call", "functions:double", "--args", "[1]", "--app-dir", "app", "--stack", "aiohttp"];
    for (arguments, progress) in [(&["bench", "codecs", "order.json"][..], "codecs: times"), (&call, "call: measure")] {
        let running = project.start(&[arguments, &["--rounds", "1000"]].concat());
        let pid = running.pid();
        running.wait_for_line(progress);
        kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
        let transcript = running.transcript();
        assert!(transcript.starts_with("exit 130"), "{transcript}");
        wait_until_none_is_left(pid);
    }
}

fn with_functions() -> Project {
    let project = Project::empty();
    fs::create_dir(project.path("app")).unwrap();
    fs::write(project.path("app/functions.py"), FUNCTIONS).unwrap();
    project
}

#[test]
fn a_call_in_process_and_over_stacks() {
    let project = with_functions();
    let arguments = ["bench", "call", "functions:double", "--args", "[21]", "--kwargs", r#"{"by": 2}"#];
    let more = ["--app-dir", "app", "--rounds", "2", "--format", "json", "--stack", "aiohttp_per_call"];
    let running = project.start(&[&arguments[..], &more, &["--stack", "grpcio"]].concat());
    let pid = running.pid();
    let transcript = running.transcript();
    let (exit, found) = answer(&transcript);
    assert_eq!((exit, &found["result"]), ("exit 0", &json!("{'value': 42}")));
    assert!(found["in_process_nanos"]["value"].as_f64().unwrap() > 0.0);
    let stacks = found["stacks"].as_array().unwrap();
    assert_eq!((&stacks[0]["server"], &stacks[1]["server"]), (&json!("uvicorn_httptools_uvloop"), &json!("grpcio")));
    for stack in stacks {
        let times = &stack["times"];
        let parts: f64 = times["parts"].as_object().unwrap().values().map(|part| part.as_f64().unwrap()).sum();
        assert!((parts - times["whole_micros"].as_f64().unwrap()).abs() < 1e-3, "{stack}");
        assert!(times["change"]["ratio"]["value"].as_f64().unwrap() > 1.0, "{stack}");
    }
    assert_eq!(stacks[1]["times"]["parts"]["connect_micros"], 0.0);
    wait_until_none_is_left(pid);
}

#[test]
fn a_coroutine_function_and_what_a_codec_cannot_carry() {
    let project = with_functions();
    let run = |function: &str, more: &[&str]| {
        project.run(&[&["bench", "call", function, "--app-dir", "app", "--rounds", "2"], more].concat())
    };
    let text = run("functions:wait", &["--args", "[1]", "--stack", "httpx2+orjson+uvicorn"]);
    assert!(text.starts_with("exit 0\nfunctions:wait, awaited → 1\n"), "{text}");
    assert!(text.contains("\nµs of a call in        encode  client  connect  wire  queue"), "{text}");
    let refused = run("functions:money", &["--stack", "grpcio", "--stack", "aiohttp+msgspec_json+uvicorn"]);
    let decimal = "which is Decimal('1.10'): TypeError: Type is not JSON serializable: decimal.Decimal";
    assert!(refused.contains(&format!("grpcio: orjson cannot carry result.total[0], {decimal}")), "{refused}");
    let changed = "aiohttp+msgspec_json+uvicorn: result.total[0] was Decimal('1.10'), becomes '1.10'";
    assert!(refused.starts_with("exit 0") && refused.contains(changed), "{refused}");
}

#[test]
fn calls_that_make_no_sense() {
    let project = with_functions();
    let run = |more: &[&str]| project.run(&[&["bench", "call", "--app-dir", "app"], more].concat());
    insta::assert_snapshot!(run(&["functions:fail"]), @r"
    exit 2
    error: failed to call the function: functions:fail fails with these arguments: KeyError: 'no'
    ");
    insta::assert_snapshot!(run(&["functions:none"]), @r"
    exit 2
    error: failed to call the function: functions has no none
    ");
    insta::assert_snapshot!(run(&["nothing:none"]), @r"
    exit 2
    error: failed to call the function: cannot import nothing: No module named 'nothing'
    ");
    insta::assert_snapshot!(run(&["functions"]), @r"
    exit 2
    error: failed to call the function: 'functions' is no function: write MODULE:FUNCTION, as shop.users:add_user
    ");
    let stack = run(&["functions:money", "--stack", "requests+orjson+grpcio"]);
    let expected = "requests+orjson+grpcio: the client speaks http/1.1, the server grpc";
    assert!(stack.contains(expected), "{stack}");
    let unknown = run(&["functions:money", "--stack", "curl"]);
    assert!(unknown.contains("unknown client 'curl': one of aiohttp, aiohttp_per_call, "), "{unknown}");
    assert!(run(&["functions:money", "--args", "1"]).contains("not a JSON list: invalid type: integer `1`"));
}
