//! Real clients against real servers, and what is kept of them.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::project::{Project, wait_until, wait_until_none_is_left};

const PAIR: [&str; 4] = ["--client", "http_client", "--server", "uvicorn_httptools_uvloop"];

/// The answer as JSON, and the exit status before it.
fn json(transcript: &str) -> (String, serde_json::Value) {
    let (exit, rest) = transcript.split_once('\n').unwrap();
    let (from, to) = (rest.find('{').expect(transcript), rest.rfind('}').unwrap());
    (exit.to_owned(), serde_json::from_str(&rest[from..=to]).unwrap())
}

fn check_interval(interval: &serde_json::Value) {
    let at = |end: &str| interval[end].as_f64().unwrap();
    assert!(0.0 <= at("low") && at("low") <= at("value") && at("value") <= at("high"), "{interval}");
}

/// Lines in the journals of measured cells.
fn journaled(project: &Project) -> usize {
    let Ok(entries) = fs::read_dir(project.path("cache/splitcost/stacks")) else { return 0 };
    let texts = entries.flatten().map(|entry| fs::read_to_string(entry.path()).unwrap_or_default());
    texts.map(|text| text.lines().count().saturating_sub(1)).sum()
}

#[test]
fn stacks_are_compared() {
    let project = Project::empty();
    fs::write(project.path("order.json"), r#"{"id": 7, "lines": [{"sku": "a", "count": 2}]}"#).unwrap();
    let run = |format: &str| {
        let mut arguments = vec!["bench", "stacks", "--client", "http_client", "--client", "aiohttp"];
        arguments.extend(["--payload", "order.json", "--concurrency", "2", "--rounds", "2", "--format", format]);
        project.run(&arguments)
    };
    let (exit, found) = json(&run("json"));
    assert_eq!(exit, "exit 0", "two rounds settle nothing, so nothing is invalid");
    let table = &found["tables"][0];
    assert_eq!((&table["concurrency"], &table["payload_bytes"]), (&2.into(), &40.into()));
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!((&row["transport"], &row["server"]), (&"http/1.1".into(), &PAIR[3].into()));
        assert!(row["calls"].as_u64().unwrap() > 0);
        for figure in ["throughput_calls_per_sec", "wall_micros_p50", "client_cpu_micros", "server_cpu_micros"] {
            check_interval(&row[figure]);
        }
    }
    assert!(rows[0].get("throughput_change").is_none());
    for change in ["throughput_change", "client_cpu_change", "server_cpu_change"] {
        assert_eq!(rows[1][change]["verdict"], "inconclusive");
        check_interval(&rows[1][change]["ratio"]);
    }
    let batch = &found["batch"];
    let items: Vec<u64> = batch["rows"].as_array().unwrap().iter().map(|row| row["items"].as_u64().unwrap()).collect();
    assert_eq!((items.as_slice(), &batch["item_bytes"]), ([1, 2, 5, 10, 50, 100].as_slice(), &100.into()));
    check_interval(&batch["rows"][3]["wall_change"]["ratio"]);
    assert!(found["versions"]["aiohttp"].is_string() && found["versions"]["uvicorn"].is_string());
    let text = run("text");
    assert!(text.contains("2 callers, 40 bytes there and back, 2 rounds"), "{text}");
    assert!(
        text.contains("inconclusive") && text.contains("of its client CPU") && text.contains("break-even"),
        "{text}"
    );
    let markdown = run("markdown");
    assert!(markdown.contains("| stack | calls/s | p50 ms |"), "{markdown}");
}

#[test]
fn what_blocking_does() {
    let project = Project::empty();
    let (_, found) =
        json(&project.run(&["bench", "stacks", "--concurrency", "1", "--rounds", "2", "--format", "json"]));
    let rows = found["blocking"]["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &found["blocking"]["service_delay_millis"]), (20, &10.0.into()));
    for row in rows {
        // A machine that is busy enough may not answer all of them in time.
        let number = |name: &str| row[name].as_u64().unwrap();
        let run = [(1, 20), (4, 20), (16, 100), (64, 128)]
            .into_iter()
            .find(|(in_flight, _)| *in_flight == number("concurrency"));
        assert_eq!(number("requests") + number("failed"), 6 * run.unwrap().1, "{row}");
        check_interval(&row["response_ms_p50"]);
    }
    assert_eq!(found["tables"][0]["rows"].as_array().unwrap().len(), 11, "{}", found["failed"]);
}

#[test]
fn a_killed_calibration_goes_on_where_it_was() {
    let project = Project::empty();
    let arguments = [&["calibrate"], &PAIR[..], &["--format", "json"]].concat();
    let running = project.start(&arguments);
    let pid = running.pid();
    wait_until(|| journaled(&project) >= 3);
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    wait_until_none_is_left(pid);
    drop(running);
    let kept = journaled(&project);
    assert!(kept < 60, "it was killed too late: {kept}");

    let running = project.start(&arguments);
    running.wait_for_line(&format!("visit {} of 60", kept + 1));
    kill_process(Pid::from_raw(running.pid()).unwrap(), Signal::INT).unwrap();
    let transcript = running.transcript();
    assert_eq!(
        transcript,
        "exit 130\nthe measurements so far are kept: the same command continues from there\ninterrupted"
    );
    let (exit, found) = json(&project.run(&arguments));
    assert_eq!((exit.as_str(), journaled(&project)), ("exit 0", 60));
    let stack = &found["stacks"][0];
    assert_eq!((&stack["client"], &stack["server"]), (&PAIR[1].into(), &PAIR[3].into()));
    for line in ["client_cpu", "server_cpu"] {
        check_interval(&stack[line]["fixed_micros"]);
        check_interval(&stack[line]["micros_per_kb"]);
    }
    let cells = stack["cells"].as_array().unwrap();
    let kinds: Vec<(u64, u64)> = cells
        .iter()
        .map(|cell| (cell["payload_bytes"].as_u64().unwrap(), cell["concurrency"].as_u64().unwrap()))
        .collect();
    let sizes = [100, 1_000, 10_000, 100_000];
    assert_eq!(kinds, sizes.map(|size| [1, 8, 64].map(|callers| (size, callers))).concat());

    let text = project.run(&[&["calibrate"], &PAIR[..]].concat());
    assert!(text.contains("http_client → uvicorn_httptools_uvloop  "), "{text}");
    assert!(!text.contains("round 1 of"), "all of it was measured before: {text}");
}

#[test]
fn what_makes_no_sense() {
    let project = Project::empty();
    fs::write(project.path("broken.json"), "{\"id\": }").unwrap();
    let bench = |arguments: &[&str]| project.run(&[&["bench", "stacks"], arguments].concat());
    let pigeon = bench(&["--client", "pigeon"]);
    assert!(
        pigeon.starts_with(
            "exit 2\nerror: failed to choose stacks: there is no client pigeon: the clients are aiohttp, "
        ),
        "{pigeon}"
    );
    insta::assert_snapshot!(bench(&["--client", "grpcio", "--server", "hypercorn"]), @r"
    exit 2
    error: failed to choose stacks: no client speaks what a server does: grpcio speaks grpc; hypercorn speaks http/1.1 and h2c
    ");
    insta::assert_snapshot!(bench(&["--payload", "none.json"]), @r"
    exit 2
    error: failed to read none.json: No such file or directory (os error 2)
    hint: --payload takes a number of bytes, or a file with JSON
    ");
    insta::assert_snapshot!(bench(&["--payload", "broken.json"]), @r"
    exit 2
    error: failed to read broken.json: expected value at line 1 column 8
    ");
    insta::assert_snapshot!(bench(&["--payload", "0"]), @r"
    exit 2
    error: --payload 0: not between 1 and 67108864 bytes
    ");
    let both = project.run(&["calibrate", "--stack", "grpc", "--all"]);
    assert!(both.starts_with("exit 2\nerror: the argument '--stack <STACK>' cannot be used with '--all'"), "{both}");
}
