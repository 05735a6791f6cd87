//! Load on endpoints that this test serves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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
pub(crate) fn json(transcript: &str) -> (String, serde_json::Value) {
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
    assert!(csv.contains("\nurl,request,ok,failed,response_mean_ms,"), "{csv}");
    let table = project.run(&["bench", &url, "--requests", "20", "--format", "markdown"]);
    assert!(table.contains("| figure | all |\n|---|--:|\n| ok | 20 |\n| failed | 0 |"), "{table}");
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
    // A server that answers at once would keep the generator busy all the time, which spoils a round.
    let serve = || format!("http://{}/", serve_slowly(Duration::from_millis(1)));
    let (a, b) = (serve(), serve());
    // Six rounds suffice for a figure: a busy machine may spoil five of these.
    let arguments = ["bench", &a, &b, "--rounds", "11", "--requests", "50", "--format", "json"];
    let (_, found) = json(&Project::empty().run(&arguments));
    assert_eq!((&found["rounds"], &found["a"]["ok"], &found["b"]["ok"]), (&11.into(), &550.into(), &550.into()));
    let names: Vec<&str> = found["figures"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names[..2], ["response_p50_ms", "throughput_reqs_per_sec"]);
    let left_out: Vec<&str> = found["left_out"].as_array().unwrap().iter().map(|why| why.as_str().unwrap()).collect();
    for (why, name, needed) in [(left_out[0], "response_p90_ms", 100), (left_out[1], "response_p99_ms", 1_000)] {
        assert!(why.starts_with(&format!("{name}: a ")), "{why}");
        assert!(why.ends_with(&format!(" has 50 requests, and needs {needed}")), "{why}");
    }
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

/// Answers one request after the other, each after so much work.
fn serve_slowly(work: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let turn = Arc::new(Mutex::new(()));
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let turn = Arc::clone(&turn);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while client.read(&mut buffer).is_ok_and(|count| count > 0) {
                    let _mine = turn.lock().unwrap();
                    let start = Instant::now();
                    while start.elapsed() < work {}
                    if client.write_all(b"HTTP/1.1 200 yes\r\ncontent-length: 2\r\n\r\nhi").is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn the_knee_of_a_slow_endpoint() {
    let url = format!("http://{}/", serve_slowly(Duration::from_millis(5)));
    let arguments = ["bench", &url, "--find-saturation", "--duration", "1", "--warm-up", "0", "--concurrency", "4"];
    let transcript = Project::empty().run(&[&arguments[..], &["--format", "json"]].concat());
    let (exit, found) = json(&transcript);
    // Each request has the server to itself for 5 ms: it cannot answer more.
    let closed = found["closed_loop_reqs_per_sec"].as_f64().unwrap();
    assert!(closed > 0.0 && closed <= 210.0, "{transcript}");
    for step in found["steps"].as_array().unwrap() {
        assert!(step["throughput_reqs_per_sec"].as_f64().unwrap() <= 210.0, "{transcript}");
    }
    if found["invalid"].is_null() {
        let (low, high) = (&found["sustained_reqs_per_sec"], &found["saturated_reqs_per_sec"]);
        let (low, high) = (low.as_f64().unwrap(), high.as_f64().unwrap());
        assert!(exit == "exit 0" && low < high && high <= low * 1.1 && found["reason"].is_string(), "{transcript}");
    } else {
        // A machine that is busy with something else makes the generator late.
        assert!(exit == "exit 1" && found["invalid"].as_str().unwrap().contains("requests/s"), "{transcript}");
    }
}

#[test]
fn addresses_that_make_no_sense() {
    let run = |url: &str| Project::empty().run(&["bench", url]);
    insta::assert_snapshot!(run("127.0.0.1:80/items"), @r"
    exit 2
    error: failed to make load for 127.0.0.1:80/items: it has no scheme: write http://127.0.0.1:80/items
    ");
    insta::assert_snapshot!(run("ftp://127.0.0.1/items"), @r"
    exit 2
    error: failed to make load for ftp://127.0.0.1/items: the scheme ftp is neither HTTP nor gRPC
    ");
    insta::assert_snapshot!(run("http://"), @r"
    exit 2
    error: failed to make load for http://: empty string
    ");
}

#[test]
fn several_requests_from_a_file() {
    let url = format!("http://{}", serve());
    let project = Project::empty();
    std::fs::write(project.path("photo.png"), b"\x89PNG").unwrap();
    let requests = "[[requests]]\npath = '/items/{id}'\nweight = 3\nparams = { id = { int = [1, 9] } }\n\
                    [[requests]]\npath = '/bad'\nexpect = [503]\n\
                    [[requests]]\nmethod = 'PUT'\npath = '/photo'\nbody_file = 'photo.png'";
    std::fs::write(project.path("shop.toml"), requests).unwrap();
    // A whole splitcost.toml will do, too.
    std::fs::write(
        project.path("whole.toml"),
        format!("[app]\n{}", requests.replace("[[requests", "[[workload.requests")),
    )
    .unwrap();
    for file in ["shop.toml", "whole.toml"] {
        let run = ["bench", &url, "--requests-file", file, "--requests", "100", "--format"];
        let (_, found) = json(&project.run(&[&run[..], &["json"]].concat()));
        let names: Vec<&str> =
            found["requests"].as_array().unwrap().iter().map(|request| request["name"].as_str().unwrap()).collect();
        assert_eq!((&found["ok"], names), (&100.into(), vec!["GET /items/{id}", "GET /bad", "PUT /photo"]));
        let each: u64 =
            found["requests"].as_array().unwrap().iter().map(|request| request["ok"].as_u64().unwrap()).sum();
        assert_eq!(each, 100);
        let csv = project.run(&[&run[..], &["csv"]].concat());
        for name in ["GET /items/{id}", "GET /bad", "PUT /photo", "all"] {
            assert!(csv.contains(&format!("\n{url},{name},")), "{csv}");
        }
    }
}

#[test]
fn requests_of_a_har() {
    let url = format!("http://{}", serve());
    let project = Project::empty();
    let entry = |url: &str| format!(r#"{{"request": {{"method": "GET", "url": "{url}"}}}}"#);
    let entries = ["https://shop.test/", "https://shop.test/a?b=1", "https://shop.test/", "https://cdn.test/x.js"];
    let har = format!(r#"{{"log": {{"entries": [{}]}}}}"#, entries.map(entry).join(","));
    std::fs::write(project.path("shop.har"), har).unwrap();
    let answer = project.run(&["bench", &url, "--requests-file", "shop.har", "--requests", "60", "--format", "json"]);
    let (_, found) = json(&answer);
    assert_eq!((&found["ok"], found["requests"].as_array().unwrap().len()), (&60.into(), 2));
    assert!(
        answer.contains("\nshop.har: 3 entries for shop.test, 2 different requests\nleft out: 1 entry of cdn.test"),
        "{answer}"
    );
}

#[test]
fn bodies_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"end") {
                match client.read(&mut buffer) {
                    Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
                    _ => return,
                }
            }
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            sender.send(String::from_utf8(request).unwrap()).unwrap();
        }
    });
    let project = Project::empty();
    std::fs::write(project.path("a.csv"), "x,{y}\nend").unwrap();
    let send = |arguments: &[&str]| {
        project.run(&[&["bench", &url, "--requests", "1", "--warm-up", "0", "--concurrency", "1"], arguments].concat());
        seen.recv_timeout(std::time::Duration::from_mins(1)).unwrap()
    };
    let text = send(&["--body", "{x} end"]);
    assert!(text.starts_with("POST / ") && text.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n{x} end"), "{text}");
    let file = send(&["--body", "@a.csv", "-X", "PUT"]);
    assert!(file.starts_with("PUT / ") && file.contains("\r\ncontent-type: text/csv\r\n"), "{file}");
    assert!(file.ends_with("\r\n\r\nx,{y}\nend"), "{file}");
    let typed = send(&["--body", "@a.csv", "-H", "Content-Type: text/plain"]);
    assert!(typed.contains("\r\nContent-Type: text/plain\r\n") && !typed.contains("text/csv"), "{typed}");
}

#[test]
fn files_that_make_no_sense() {
    let url = format!("http://{}", serve());
    let project = Project::empty();
    let run = |name: &str, text: &str| {
        std::fs::write(project.path(name), text).unwrap();
        project.run(&["bench", &url, "--requests-file", name])
    };
    insta::assert_snapshot!(run("a.toml", "[[requests]]\npath = '/a'\nbodi = 1"), @r"
    exit 2
    error: a.toml:3:1: unknown field `bodi`, expected one of `name`, `method`, `path`, `weight`, `headers`, `params`, `body`, `body_text`, `body_form`, `body_file`, `expect`, `capture`
    hint: the file is written like [workload] of splitcost.toml: see docs/configuration.md
    ");
    insta::assert_snapshot!(run("b.toml", "[[requests]]\npath = '/a/{id}'"), @r"
    exit 2
    error: b.toml: failed to read workload: request 1 (GET /a/{id}), field `path`: `{id}` is not defined in `params`
    ");
    insta::assert_snapshot!(run("c.toml", "[[requests]]\npath = '/a'\nbody_file = 'none.bin'"), @r"
    exit 2
    error: c.toml: failed to read workload: request 1 (GET /a), field `body_file`: failed to read none.bin: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(run("d.toml", "requests = []"), @r"
    exit 2
    error: d.toml: failed to read workload: it has no requests
    ");
    insta::assert_snapshot!(run("a.har", "{\"log\": {}}"), @r#"
    exit 2
    error: failed to read a.har: it is no HAR: missing field `entries` at line 1 column 10
    hint: save one in the network panel of a browser, with "Save all as HAR"
    "#);
    insta::assert_snapshot!(project.run(&["bench", &url, "--requests-file", "none.toml"]), @r"
    exit 2
    error: failed to read none.toml: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(project.run(&["bench", &url, "--body", "@none.bin"]), @r"
    exit 2
    error: failed to read none.bin: No such file or directory (os error 2)
    hint: --body @FILE sends a file, --body TEXT sends a text
    ");
    let path = format!("{url}/items");
    std::fs::write(project.path("ok.toml"), "[[requests]]\npath = '/a'").unwrap();
    let answer = project.run(&["bench", &path, "--requests-file", "ok.toml"]);
    assert!(answer.ends_with("/items: the paths are those of the requests: name it without /items"), "{answer}");
}
