//! Findings in the formats of other programs, read by parsers and schemas that are not ours.

use serde_json::{Value, json};
use splitcost_model::finding::{
    Basis, Bound, CallStep, Confidence, Cost, Finding, Location, Price, RulePage, Scan, Skipped,
};
use splitcost_report::finding::{github, junit, sarif, text};

/// The JSON schema of the standard. Source: the crate serde-sarif, which generates its types from it.
const SCHEMA: &str = include_str!("sarif-schema-2.1.0.json");

const RULES: [RulePage; 2] = [
    RulePage { code: "SC101", name: "blocking-http-in-async", page: "# SC101\n\nA coroutine\nblocks.\n\n**Why**" },
    RulePage { code: "SC301", name: "missing-timeout", page: "# SC301\n\nNo limit.\n" },
];

fn location(path: &str, line: u32, columns: (u32, u32), text: &str) -> Location {
    Location { path: path.into(), line, column: columns.0, end_line: line, end_column: columns.1, text: text.into() }
}

fn found() -> Scan {
    let here = location("app/a b,c:ü.py", 5, (12, 18), "    return load()");
    let there = location("app/load.py", 3, (12, 41), "    return requests.get(u, timeout=1)");
    let step = |location: &Location, function: &str, callee: &str| CallStep {
        location: location.clone(),
        function: function.into(),
        callee: callee.into(),
    };
    let deep = Finding {
        code: "SC101".into(),
        name: "blocking-http-in-async".into(),
        location: here.clone(),
        function: "app.handler".into(),
        message: "`requests.get` blocks <100 % & more>\nof the loop".into(),
        way: vec![step(&here, "app.handler", "app.load"), step(&there, "app.load", "requests.get")],
        fingerprint: "00c0ffee".into(),
        ..Finding::default()
    };
    let flat = Finding {
        code: "SC301".into(),
        name: "missing-timeout".into(),
        location: Location { end_line: 4, end_column: 2, ..there },
        function: "app.load".into(),
        message: "it may wait forever".into(),
        help: Some("pass `timeout=`".into()),
        confidence: Confidence::Possible,
        fingerprint: "0000cafe".into(),
        ..Finding::default()
    };
    Scan {
        findings: vec![deep, flat.clone(), flat],
        skipped: vec![Skipped { path: "app/old.py".into(), reason: "line 1 is not UTF-8".into() }],
        files: 3,
        ..Scan::default()
    }
}

#[test]
fn sarif_is_valid_by_the_schema_of_the_standard() {
    let text = sarif(&found(), &RULES);
    let log: Value = serde_json::from_str(&text).unwrap();
    // The pattern for languages has one bracket too many, which some validators reject.
    let schema = SCHEMA.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    // The validator rejects a wrong log.
    let mut wrong = log.clone();
    wrong["runs"][0]["results"][0]["message"] = json!(3);
    assert!(!validator.is_valid(&wrong));
    assert!(validator.is_valid(&serde_json::from_str::<Value>(&sarif(&Scan::default(), &[])).unwrap()));

    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["fullDescription"]["text"], "A coroutine blocks.");
    assert_eq!(run["tool"]["driver"]["rules"][0]["help"]["markdown"], RULES[0].page);
    let deep = &run["results"][0];
    let at = &deep["locations"][0]["physicalLocation"];
    assert_eq!(at["artifactLocation"], json!({"uri": "app/a%20b%2Cc%3A%C3%BC.py", "uriBaseId": "%SRCROOT%"}));
    assert_eq!(at["region"], json!({"startLine": 5, "startColumn": 12, "endLine": 5, "endColumn": 18}));
    let flow = deep["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap();
    let steps: Vec<_> = flow.iter().map(|step| &step["location"]["message"]["text"]).collect();
    assert_eq!(steps, ["calls `app.load`", "calls `requests.get`"]);
    assert_eq!(flow[1]["location"]["physicalLocation"]["region"]["startLine"], 3);
    let results = run["results"].as_array().unwrap();
    let prints: Vec<_> = results.iter().map(|result| &result["partialFingerprints"]["splitcost/v1"]).collect();
    assert_eq!(prints, ["00c0ffee:1", "0000cafe:1", "0000cafe:2"]);
    assert_eq!((&results[1]["level"], &results[1]["ruleIndex"]), (&json!("note"), &json!(1)));
    assert_eq!(run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"], "line 1 is not UTF-8");
}

#[test]
fn findings_become_github_annotations() {
    insta::assert_snapshot!(github(&found()), @r"
    ::warning file=app/a b%2Cc%3Aü.py,line=5,col=12,endColumn=18,title=SC101 blocking-http-in-async::`requests.get` blocks <100 %25 & more>%0Aof the loop%0Aapp/a b,c:ü.py:5:12 `app.handler` calls `app.load`%0Aapp/load.py:3:12 `app.load` calls `requests.get`
    ::notice file=app/load.py,line=3,col=12,endLine=4,title=SC301 missing-timeout::it may wait forever%0Ahelp: pass `timeout=`
    ::notice file=app/load.py,line=3,col=12,endLine=4,title=SC301 missing-timeout::it may wait forever%0Ahelp: pass `timeout=`
    ");
    assert_eq!(github(&Scan::default()), "");
}

#[test]
fn findings_become_failed_junit_tests() {
    let text = junit(&found());
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    assert_eq!((report.tests, report.failures), (3, 3));
    let names: Vec<_> = report.test_suites.iter().map(|suite| (suite.name.as_str(), suite.tests)).collect();
    assert_eq!(names, [("app/a b,c:ü.py", 1), ("app/load.py", 2)]);
    insta::assert_snapshot!(text.lines().take(8).collect::<Vec<_>>().join("\n"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="splitcost" tests="3" skipped="0" failures="3" errors="0">
        <testsuite name="app/a b,c:ü.py" tests="1" skipped="0" errors="0" failures="1">
            <testcase name="SC101 blocking-http-in-async 5:12" classname="app.handler">
                <failure message="`requests.get` blocks &lt;100 % &amp; more&gt;
    of the loop" type="SC101">app/a b,c:ü.py:5:12 `requests.get` blocks &lt;100 % &amp; more&gt;
    of the loop
    app/a b,c:ü.py:5:12 `app.handler` calls `app.load`
    "#);
    let nothing = quick_junit::Report::deserialize_from_str(&junit(&Scan::default())).unwrap();
    assert_eq!((nothing.tests, nothing.failures), (1, 0));
}

#[test]
fn a_price_states_measured_and_assumed_figures() {
    let mut scan = found();
    scan.findings.truncate(2);
    scan.findings[0].price = Some(Price::Seen(Cost {
        basis: Basis::CallSite,
        bound: Bound::Exact,
        function: "app.load:load".into(),
        holds_event_loop: true,
        endpoint: "GET /".into(),
        calls_per_request: 1.0,
        millis_per_request: 12.34,
        overall_calls_per_request: 0.5,
        overall_millis_per_request: 6.17,
        usd_per_million_requests: 0.0763,
    }));
    scan.findings[1].price = Some(Price::NotSeen { reason: "no request entered its module".into() });
    let text = text(&scan, false, 200);
    let notes: Vec<&str> = text.lines().filter(|line| line.contains("note: ") || line.contains("findings:")).collect();
    insta::assert_snapshot!(notes.join("\n"), @r"
      ├ note: 12.3 ms of blocked event loop per request of GET /, in 1 × `app.load:load` (measured at this line)
      ╰ note: 6.17 ms per request over all endpoints, in 0.5 calls; 0.0763 $ per million requests for a core that is paid for while the event loop is blocked (the price is assumed)
      ╰ note: not seen in the recording: no request entered its module
    2 findings: 1 SC101, 1 SC301; 1 not seen in the recording
    ");
}
