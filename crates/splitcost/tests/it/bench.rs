//! Load on endpoints that this test serves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use rustix::process::{Pid, Signal, kill_process};

use crate::project::Project;

/// Answers every request: 200, under `/bad` 503.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count) = client.read(&mut buffer) {
                    if count == 0 {
                        return;
                    }
                    let status = if buffer.starts_with(b"GET /bad") { "503 no" } else { "200 yes" };
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nhi");
                    if client.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The answer as JSON, and the exit status before it.
fn json(transcript: &str) -> (String, serde_json::Value) {
    let (exit, rest) = transcript.split_once('\n').unwrap();
    let (from, to) = (rest.find('{').unwrap(), rest.rfind('}').unwrap());
    (exit.to_owned(), serde_json::from_str(&rest[from..=to]).unwrap())
}

#[test]
fn one_endpoint() {
    let url = format!("http://{}/items?page={{1}}", serve());
    let project = Project::empty();
    let (exit, found) = json(&project.run(&["bench", &url, "--requests", "200", "--format", "json"]));
    assert_eq!((&found["ok"], &found["failed"]), (&200.into(), &serde_json::json!([])));
    // A busy machine may spoil a run, and then it says so.
    assert_eq!(exit, if found.get("invalid").is_some() { "exit 1" } else { "exit 0" });
    assert_eq!(found["url"], url);
    let times = &found["response"];
    let time = |name: &str| times[name].as_f64().unwrap();
    assert!(time("p50_ms") > 0.0 && time("p50_ms") <= time("p99_ms") && time("p99_ms") <= time("max_ms"));
    assert!(found["server_cpu_micros_per_request"].as_f64().unwrap() > 0.0);
    let csv = project.run(&["bench", &url, "--requests", "20", "--format", "csv"]);
    assert!(csv.contains("\nurl,ok,failed,throughput_reqs_per_sec,response_mean_ms,"), "{csv}");
    let table = project.run(&["bench", &url, "--requests", "20", "--format", "markdown"]);
    assert!(table.contains("| ok | 20 |\n| failed | 0.000000 |"), "{table}");
}

#[test]
fn conditions_and_failures_set_the_exit_status() {
    let address = serve();
    let project = Project::empty();
    let run = |path: &str, more: &[&str]| {
        let url = format!("http://{address}{path}");
        project.run(&[&["bench", &url, "--requests", "20", "--format", "json"], more].concat())
    };
    let (exit, found) = json(&run("/bad", &[]));
    assert_eq!(
        (exit.as_str(), &found["failed"]),
        ("exit 1", &serde_json::json!([{"kind": "status 503", "requests": 20}]))
    );
    let kept = run("/", &["--fail-if", "p99 > 60s"]);
    assert!(!kept.contains("p99 > 60s"), "{kept}");
    let broken = run("/", &["--fail-if", "throughput < 1000000"]);
    assert!(broken.starts_with("exit 1") && broken.contains("warning: throughput < 1000000: it is "), "{broken}");
}

#[test]
fn two_endpoints_and_a_control() {
    let (a, b) = (format!("http://{}/", serve()), format!("http://{}/", serve()));
    let arguments = ["bench", &a, &b, "--rounds", "6", "--requests", "50", "--format", "json"];
    let (_, found) = json(&Project::empty().run(&arguments));
    assert_eq!((&found["rounds"], &found["a"]["ok"], &found["b"]["ok"]), (&6.into(), &300.into(), &300.into()));
    let names: Vec<&str> = found["figures"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names[..2], ["response_p50_ms", "throughput_reqs_per_sec"]);
    let left_out = [
        "response_p90_ms: a run has 50 requests, and needs 100",
        "response_p99_ms: a run has 50 requests, and needs 1000",
    ];
    assert_eq!(found["left_out"], serde_json::json!(left_out));
    for figure in found["figures"].as_array().unwrap() {
        for change in [&figure["change"], &figure["control"]] {
            let at = |end: &str| change["ratio"][end].as_f64().unwrap();
            assert!(0.0 < at("low") && at("low") <= at("value") && at("value") <= at("high"), "{figure}");
            assert!(["different", "same", "inconclusive"].contains(&change["verdict"].as_str().unwrap()));
        }
    }
}

#[test]
fn ctrl_c_tells_what_was_found() {
    let url = format!("http://{}/", serve());
    let project = Project::empty();
    let running = project.start(&["bench", &url, "--duration", "600", "--warm-up", "0", "--format", "json"]);
    running.wait_for_line("bench");
    kill_process(Pid::from_raw(running.pid()).unwrap(), Signal::INT).unwrap();
    let transcript = running.transcript();
    let (exit, found) = json(&transcript);
    assert_eq!((exit.as_str(), found["url"].as_str()), ("exit 130", Some(url.as_str())));
}

#[test]
fn addresses_that_make_no_sense() {
    let run = |url: &str| Project::empty().run(&["bench", url]);
    insta::assert_snapshot!(run("127.0.0.1:80/items"), @r"
    exit 2
    error: failed to make load for 127.0.0.1:80/items: it has no scheme: write http://127.0.0.1:80/items
    ");
    insta::assert_snapshot!(run("https://127.0.0.1/items"), @r"
    exit 2
    error: failed to make load for https://127.0.0.1/items: TLS is not supported yet: name an http:// address
    ");
    insta::assert_snapshot!(run("ftp://127.0.0.1/items"), @r"
    exit 2
    error: failed to make load for ftp://127.0.0.1/items: the scheme ftp is not HTTP
    ");
    insta::assert_snapshot!(run("http://"), @r"
    exit 2
    error: failed to make load for http://: empty string
    ");
}
