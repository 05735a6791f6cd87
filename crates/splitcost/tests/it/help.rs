//! The examples in the help are run as they are written, by a shell, wherever they need neither an app nor a server.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::project::Project;

/// Beginnings of examples that need an app, a server, other tools or much time; the parser checks those.
const NOT_RUN: [&str; 16] = [
    "splitcost record",
    "splitcost show",
    "splitcost calibrate",
    "splitcost estimate",
    "splitcost rehearse",
    "splitcost evaluate",
    "splitcost report",
    "splitcost bench stacks",
    "splitcost bench call",
    "splitcost bench codecs",
    "splitcost bench http://127.0.0.1:8000",
    "splitcost bench http://localhost",
    "splitcost bench grpc:",
    "splitcost link --",
    "sudo ",
    "splitcost scan --with",
];

/// Commands and their examples, found by walking the help.
fn walk(project: &Project, command: &[&str], found: &mut Vec<String>) {
    let help = project.run(&[command, &["--help"]].concat());
    let after = |head: &str| {
        let from = help.lines().skip_while(|line| *line != head).skip(1);
        from.take_while(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    for head in ["Examples:", "Start here:"] {
        found.extend(after(head).iter().map(|line| line.trim().to_owned()));
    }
    for line in after("Commands:").iter().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        if name != "help" {
            walk(project, &[command, &[name]].concat(), found);
        }
    }
}

#[test]
fn examples_run_as_they_are_written() {
    let project = Project::empty();
    let mut examples = Vec::new();
    walk(&project, &[], &mut examples);
    assert!(examples.len() > 60, "{examples:#?}");
    fs::create_dir(project.path("src")).unwrap();
    fs::write(project.path("src/app.py"), "import time\nasync def wait():\n    time.sleep(1)\n").unwrap();
    fs::write(project.path("order.json"), r#"{"id": 7, "lines": [{"sku": "a"}]}"#).unwrap();
    fs::write(project.path("results_failures.csv"), "Method,Name,Error,Occurrences,First Seen,Last Seen\n").unwrap();
    fs::write(project.path("results_stats.csv"), STATS).unwrap();
    let mut ping = String::new();
    for i in 0..100 {
        writeln!(ping, "64 bytes from h: icmp_seq={i} ttl=64 time=0.{} ms", 300 + i).unwrap();
    }
    fs::write(project.path("ping.txt"), ping).unwrap();
    fs::write(project.path("iperf3.json"), r#"{"end": {"sum_received": {"bits_per_second": 1e9}}}"#).unwrap();
    fs::write(project.path("traces.json"), traces()).unwrap();
    let har = r#"{"log": {"entries": [{"request": {"method": "GET", "url": "http://shop/"}}]}}"#;
    fs::write(project.path("saved.har"), har).unwrap();
    fs::write(project.path("openapi.yaml"), "openapi: 3.1.0\npaths: {/: {get: {}}}\n").unwrap();
    fs::write(project.path("access.log"), "::1 - - [-] \"GET / HTTP/1.1\" 200 9\n").unwrap();

    let mut run = 0;
    for example in &examples {
        // It measures nothing, unlike the other examples of its command.
        let is_proto = example.contains("--show-proto");
        if (NOT_RUN.iter().any(|not_run| example.starts_with(not_run)) && !is_proto)
            || !example.starts_with("splitcost ")
        {
            continue;
        }
        let (status, text) = shell(&project, example);
        if example.starts_with("splitcost init") {
            fs::remove_file(project.path("splitcost.toml")).unwrap();
        }
        // Findings are no failure of an example.
        let wanted = if example.starts_with("splitcost scan") { 0..=1 } else { 0..=0 };
        assert!(wanted.contains(&status), "{example}: {text}");
        run += 1;
    }
    assert!(run >= 20, "{run} of {}: {examples:#?}", examples.len());
}

const STATS: &str = "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,\
    Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,\
    50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%\n\
    GET,GET /a,100,0,5,5.5,1,20.5,2.0,9.0,0.0,5,6,7,8,9,10,11,12,19,20,20\n\
    ,Aggregated,100,0,5,5.6,1,30.5,2.0,10.0,0.0,5,6,7,8,9,10,11,12,19,30,30\n";

/// Returns an export of OpenTelemetry with 100 calls of shop to catalog.
fn traces() -> String {
    let span = |service: &str, kind: u8, id: &str, parent: &str, nanos: u64| {
        let span = serde_json::json!({
            "traceId": "t1", "spanId": id, "parentSpanId": parent, "name": "GET /", "kind": kind,
            "startTimeUnixNano": "1000000000", "endTimeUnixNano": (1_000_000_000 + nanos).to_string(),
        });
        serde_json::json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"spans": [span]}],
        }]})
        .to_string()
    };
    let calls = (0..100_u64).map(|i| {
        let (client, server) = (format!("c{i:04}"), format!("s{i:04}"));
        let caller = span("shop", 3, &client, "", 1_500_000 + i * 1_000);
        format!("{caller}\n{}\n", span("catalog", 2, &server, &client, 1_000_000))
    });
    calls.collect()
}

fn shell(project: &Project, line: &str) -> (i32, String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_splitcost")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SPLITCOST_")) {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } = command
        .args(["-c", line])
        .current_dir(project.path(""))
        .env("PATH", path)
        .env("XDG_CACHE_HOME", project.path("cache"))
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code().unwrap_or(-1), text)
}
