//! `splitcost scan` and `splitcost explain`.

use std::fs;

use serde_json::Value;

use crate::project::Project;

const APP: &str = "import requests
def load():
    return requests.get('u', timeout=1)
async def handler():
    return load()
";

fn project() -> Project {
    let project = Project::empty();
    fs::write(project.path("app.py"), APP).unwrap();
    fs::write(project.path("fine.py"), "x = 1\n").unwrap();
    project
}

#[test]
fn a_finding_is_shown_with_the_way_to_it() {
    let text = project().run(&["scan", "app.py"]);
    assert!(text.starts_with("exit 1\n"), "{text}");
    let parts = [
        "[SC101]: `requests.get` calls another service and blocks the event loop of `async def handler`, 1 calls deep",
        "app.py:5:12",
        "calls `app.load`",
        "app.py:3:12",
        "calls `requests.get`",
        "1 finding: 1 SC101",
    ];
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn programs_get_json() {
    let text = project().run(&["scan", "app.py", "--format", "json"]);
    let json: Value = serde_json::from_str(text.strip_prefix("exit 1\n").unwrap()).unwrap();
    let finding = &json["findings"][0];
    assert_eq!((finding["code"].as_str(), finding["location"]["line"].as_u64()), (Some("SC101"), Some(5)));
    assert_eq!(finding["way"][1]["callee"], "requests.get");
    assert_eq!(json["unresolved_calls"], 0);
}

#[test]
fn what_is_not_wanted_is_not_found() {
    let project = project();
    assert!(project.run(&["scan", "fine.py"]).starts_with("exit 0\nno findings\n1 files"));
    assert!(project.run(&["scan", "--ignore", "SC1"]).starts_with("exit 0\n"));
    assert!(project.run(&["scan", "--select", "SC2,SC301"]).starts_with("exit 0\n"));
    assert!(project.run(&["scan", "--exclude", "app.py"]).starts_with("exit 0\n"));
}

#[test]
fn what_is_wrong_is_told() {
    let project = project();
    insta::assert_snapshot!(project.run(&["scan", "nowhere"]), @r"
    exit 2
    error: failed to read nowhere: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(project.run(&["scan", "--select", "SC9"]), @r#"
    exit 2
    error: "SC9" is no rule, nor the beginning of one
    hint: `splitcost explain` lists the rules
    "#);
    fs::write(project.path("app.py"), "async def (:\n").unwrap();
    let text = project.run(&["scan", "app.py"]);
    assert!(text.contains("warning: app.py: 1:") && text.starts_with("exit 0\n"), "{text}");
}

#[test]
fn every_rule_explains_itself() {
    let project = project();
    let rules = project.run(&["explain"]);
    let codes: Vec<&str> = rules.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(codes.len(), 16);
    for code in codes {
        let page = project.run(&["explain", code]);
        assert!(page.starts_with(&format!("exit 0\n# {code}: ")), "{page}");
        for part in ["**Why it hurts.**", "```python", "**Instead**", "**When it is fine**"] {
            assert!(page.contains(part), "{code} has no {part}");
        }
    }
}

#[test]
fn the_graph_is_written_for_programs_and_for_graphviz() {
    let project = Project::empty();
    fs::create_dir_all(project.path("shop")).unwrap();
    fs::write(project.path("shop/__init__.py"), "").unwrap();
    fs::write(project.path("shop/client.py"), "import requests\ndef get():\n    return requests.get('u')\n").unwrap();
    let app = "import asyncio\nfrom shop.client import get\nasync def handler():\n    await asyncio.to_thread(get)\n";
    fs::write(project.path("app.py"), app).unwrap();
    let text = project.run(&["scan", "--graph", "json"]);
    let graph: Value = serde_json::from_str(text.strip_prefix("exit 0\n").unwrap()).unwrap();
    let modules = graph["modules"].as_array().unwrap();
    assert_eq!(modules[0]["imports"], serde_json::json!(["asyncio", "shop.client"]), "{text}");
    let edges: Vec<String> = graph["edges"].as_array().unwrap().iter().map(edge).collect();
    let expected = [
        "app.handler:4:11 direct asyncio.to_thread outside",
        "app.handler:4:11 offloaded shop.client.get",
        "shop.client.get:3:12 direct requests.get outside",
    ];
    assert_eq!(edges, expected);
    assert_eq!(graph["functions"][0]["kind"], "coroutine");
    let dot = project.run(&["scan", "--graph", "dot"]);
    assert!(dot.contains("\"app.handler\" -> \"shop.client.get\" [style=dotted, label=\"offloaded\"]"), "{dot}");
    assert!(dot.contains("\"app\" -> \"shop.client\" [color=grey"), "{dot}");
    assert!(project.run(&["scan", "--graph", "dot", "--select", "SC1"]).starts_with("exit 2\n"));
}

fn edge(edge: &Value) -> String {
    let text = |key: &str| edge[key].as_str().unwrap_or_default().to_owned();
    let outside = if edge["outside"] == true { " outside" } else { "" };
    let place = format!("{}:{}", edge["line"], edge["column"]);
    format!("{}:{place} {} {}{outside}", text("caller"), text("manner"), text("callee"))
}

#[test]
fn other_programs_get_their_formats() {
    let project = project();
    let sarif: Value = serde_json::from_str(after_status(&project.run(&["scan", "--format", "sarif"]))).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "app.py");
    assert_eq!(result["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap().len(), 2);
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().len(), 16);
    insta::assert_snapshot!(project.run(&["scan", "--format", "github"]), @"
    exit 1
    ::warning file=app.py,line=5,col=12,endColumn=18,title=SC101 blocking-http-in-async::`requests.get` calls another service and blocks the event loop of `async def handler`, 1 calls deep%0Aapp.py:5:12 `app.handler` calls `app.load`%0Aapp.py:3:12 `app.load` calls `requests.get`
    ");
    let junit = project.run(&["scan", "--format", "junit"]);
    assert!(junit.contains("<testsuites name=\"splitcost\" tests=\"1\" skipped=\"0\" failures=\"1\""), "{junit}");
}

/// What stands below the exit status.
fn after_status(transcript: &str) -> &str {
    transcript.split_once('\n').unwrap().1
}

#[test]
fn comments_take_findings_out() {
    let project = project();
    let scan = |line: &str| {
        fs::write(project.path("app.py"), APP.replace("    return load()", line)).unwrap();
        project.run(&["scan", "app.py", "--format", "github"])
    };
    for line in [
        "    return load()  # splitcost: ignore[SC101] startup only",
        "    return load()  # noqa: X1  # splitcost: ignore[SC102, SC101]",
        "    # splitcost: ignore[SC101] startup only\n\n    # and this\n    return load()",
        "    return load(\n    )  # splitcost: ignore[SC101]",
    ] {
        let text = scan(line);
        assert!(text.starts_with("exit 0") && !text.contains("::"), "{line}\n{text}");
    }
    // The other line, or a string, is no comment about it.
    for line in [
        "    # splitcost: ignore[SC101]\n    x = 1\n    return load()",
        "    return load() or '# splitcost: ignore[SC101]'",
    ] {
        let text = scan(line);
        assert!(text.starts_with("exit 1"), "{line}\n{text}");
    }
}

#[test]
fn comments_that_do_nothing_are_told() {
    let project = project();
    let comments = "a = 1  # splitcost: ignore[SC101]
b = 1  # splitcost: ignore SC101
c = 1  # splitcost: ignore[SC999]
d = 1  # as splitcost: says
";
    fs::write(project.path("app.py"), comments).unwrap();
    insta::assert_snapshot!(project.run(&["scan", "app.py", "--format", "github"]), @r#"
    exit 0

    warning: app.py:2:8: this comment names no codes: it is written `# splitcost: ignore[SC201] reason`
    warning: app.py:3:8: "SC999" is no rule: `splitcost explain` lists them
    hint: app.py:1:8: there is no SC101 to ignore: take it out
    "#);
    // A rule that is not looked for finds nothing, which says nothing of the comment.
    assert!(!project.run(&["scan", "app.py", "--select", "SC2"]).contains("hint"));
}

const SETTINGS: &str = r#"[project]
name = "x"
[tool.splitcost.scan]
exclude = ["generated", "/old.py"]
ignore = ["SC2"]
per_file_ignores = { "tests/**" = ["SC1", "SC301"] }
[tool.splitcost.effects]
"ourlib.client.fetch" = "blocking-http"
"ourlib.db.*" = ["blocking-database"]
"#;

#[test]
fn settings_are_found_from_the_scanned_path_upwards() {
    let project = Project::empty();
    for dir in ["src/generated", "src/tests", "elsewhere"] {
        fs::create_dir_all(project.path(dir)).unwrap();
    }
    fs::write(project.path("src/pyproject.toml"), SETTINGS).unwrap();
    let files = ["src/app.py", "src/generated/app.py", "src/tests/app.py", "src/old.py", "src/tests/old.py"];
    for file in files {
        fs::write(project.path(file), APP).unwrap();
    }
    let codes = |arguments: &[&str]| {
        let arguments = [&["scan", "--format", "github"], arguments].concat();
        let text = project.run(&arguments);
        let place = |line: &str| line.split_once(",line").map(|(file, _)| file.replace("::warning file=", ""));
        text.lines().filter_map(place).collect::<Vec<_>>()
    };
    assert_eq!(codes(&["src"]), ["src/app.py"]);
    // The command line wins.
    assert_eq!(codes(&["src", "--exclude", "src/app.py"]), ["src/generated/app.py", "src/old.py"]);
    assert_eq!(codes(&["src", "--ignore", "SC1"]), Vec::<String>::new());
    // Above the file it does not hold, unless it is named.
    assert_eq!(codes(&["."]).len(), 5);
    assert_eq!(codes(&[".", "--config", "src/pyproject.toml"]), ["src/app.py"]);
}

#[test]
fn effects_of_own_libraries_are_known() {
    let project = Project::empty();
    fs::write(project.path("pyproject.toml"), SETTINGS).unwrap();
    let app = "from ourlib import client, db
async def handler():
    client.fetch('u')
    db.rows('select 1')
    client.other()
";
    fs::write(project.path("app.py"), app).unwrap();
    insta::assert_snapshot!(project.run(&["scan", "--format", "github"]), @"
    exit 1
    ::warning file=app.py,line=3,col=5,endColumn=22,title=SC101 blocking-http-in-async::`ourlib.client.fetch` calls another service and blocks the event loop of `async def handler`
    ::warning file=app.py,line=4,col=5,endColumn=24,title=SC102 blocking-database-in-async::`ourlib.db.rows` talks to a database and blocks the event loop of `async def handler`
    ");
}

#[test]
fn wrong_settings_are_told_with_their_place() {
    let project = project();
    let scan = |settings: &str| {
        fs::write(project.path("splitcost.toml"), settings).unwrap();
        project.run(&["scan"])
    };
    insta::assert_snapshot!(scan("[scan]\nselekt = ['SC1']\n"), @"
    exit 2
    error: splitcost.toml:2:1: unknown field `selekt`, expected one of `select`, `ignore`, `exclude`, `per_file_ignores`
    ");
    insta::assert_snapshot!(scan("[scan]\nselect = ['SC1', 'SC9']\n"), @r#"
    exit 2
    error: splitcost.toml:2:18: "SC9" is not the code of a rule
    hint: `splitcost explain` lists the rules
    "#);
    let effects = scan("[effects]\n'a.b' = 'blocking'\n");
    assert!(
        effects.starts_with(
            "exit 2\nerror: splitcost.toml:2:9: \"blocking\" is not an effect\nhint: the effects are: blocking-http,"
        ),
        "{effects}"
    );
    insta::assert_snapshot!(scan("[effects]\na.b = 'blocking-http'\n"), @"
    exit 2
    error: splitcost.toml:2:1: expected a string or a list of strings; a key with dots is written in quotes
    ");
    let glob = scan("[scan]\nexclude = ['a{b']\n");
    assert!(glob.starts_with("exit 2\nerror: failed to understand the glob \"a{b\""), "{glob}");
    // What the others need is told by the others.
    fs::write(project.path("splitcost.toml"), "[scan]\n").unwrap();
    assert!(project.run(&["estimate"]).starts_with("exit 2\nerror: splitcost.toml has no table [app]"));
}

#[test]
fn a_baseline_knows_findings_wherever_they_move() {
    let project = project();
    fs::create_dir(project.path("ci")).unwrap();
    insta::assert_snapshot!(project.run(&["scan", "--write-baseline", "ci/known.json"]), @"
    exit 0
    wrote ci/known.json with 1 findings
    ");
    let known: Value = serde_json::from_str(&fs::read_to_string(project.path("ci/known.json")).unwrap()).unwrap();
    assert_eq!(
        (&known["findings"][0]["path"], &known["findings"][0]["function"]),
        (&"../app.py".into(), &"app.handler".into())
    );
    let scan = || project.run(&["scan", "--baseline", "ci/known.json", "--format", "github"]);
    assert_eq!(scan(), "exit 0");

    // Lines above, and around: it is the same finding. A second one like it is new.
    let moved =
        format!("\"\"\"Lines above.\"\"\"\n\n{}", APP.replace("    return load()", "    if 1:\n        return load()"));
    fs::write(project.path("app.py"), &moved).unwrap();
    assert_eq!(scan(), "exit 0");
    let summary = project.run(&["scan", "--baseline", "ci/known.json"]);
    assert!(summary.starts_with("exit 0\nno findings; 1 known from the baseline\n"), "{summary}");
    fs::write(project.path("app.py"), format!("{moved}        return load()\n")).unwrap();
    let second = scan();
    assert!(second.starts_with("exit 1\n::warning file=app.py,line=9,"), "{second}");

    // What is gone is told, where it was looked for.
    fs::write(project.path("app.py"), "x = 1\n").unwrap();
    insta::assert_snapshot!(scan(), @"
    exit 0

    gone: ../app.py: SC101 in app.handler
    hint: `--write-baseline FILE` writes the baseline without what is gone
    ");
    assert_eq!(project.run(&["scan", "--baseline", "ci/known.json", "--format", "github", "fine.py"]), "exit 0");
    let other = ["scan", "--baseline", "ci/known.json", "--format", "github", "--select", "SC2"];
    assert_eq!(project.run(&other), "exit 0");
}

#[test]
fn a_baseline_knows_all_of_many_ways_to_one_place() {
    let project = project();
    let many: Vec<String> = (0..6).map(|at| format!("async def handler{at}():\n    return load()\n")).collect();
    fs::write(project.path("app.py"), format!("{APP}{}", many.concat())).unwrap();
    assert!(project.run(&["scan"]).contains("3 findings: 3 SC101"));
    assert!(project.run(&["scan", "--write-baseline", "known.json"]).ends_with("with 7 findings"));
    assert!(project.run(&["scan", "--baseline", "known.json"]).starts_with("exit 0\nno findings; 7 known"));
}

#[test]
fn a_broken_baseline_is_told() {
    let project = project();
    insta::assert_snapshot!(project.run(&["scan", "--baseline", "known.json"]), @"
    exit 2
    error: failed to read known.json: No such file or directory (os error 2)
    hint: `splitcost scan --write-baseline known.json` writes it
    ");
    fs::write(project.path("known.json"), "{\"version\": 1,\n \"findings\": [{\"path\": 1}]}").unwrap();
    let wrong = project.run(&["scan", "--baseline", "known.json"]);
    assert!(
        wrong.starts_with(
            "exit 2\nerror: known.json is no baseline: invalid type: integer `1`, expected a string at line 2 column"
        ),
        "{wrong}"
    );
    fs::write(project.path("known.json"), "{\"version\": 7, \"findings\": []}").unwrap();
    insta::assert_snapshot!(project.run(&["scan", "--baseline", "known.json"]), @"
    exit 2
    error: known.json is no baseline: its version is 7, and this splitcost reads 1
    ");
}

const ORDERS: &str = "from shop import prices
def history(orders):
    return [prices.price(order) for order in orders]
async def handler(order):
    return prices.price(order)
def never(orders):
    return [prices.price(order) for order in orders]
";
const PRICES: &str = "import sqlite3
database = sqlite3.connect(':memory:')
def price(order):
    return database.execute('select ?', (order,)).fetchone()
";
const JOB: &str = "import asyncio
from shop import orders
for _ in range(2):
    orders.history(range(5))
asyncio.run(orders.handler(1))
";

#[test]
fn a_recording_prices_findings() {
    let project = Project::empty();
    fs::create_dir(project.path("shop")).unwrap();
    let files = [("__init__.py", ""), ("orders.py", ORDERS), ("prices.py", PRICES)];
    for (file, text) in files {
        fs::write(project.path(&format!("shop/{file}")), text).unwrap();
    }
    fs::write(project.path("job.py"), JOB).unwrap();
    let recorded = project.run(&["record", "--output", "rec", "--package", "shop", "--", "python", "job.py"]);
    assert!(recorded.starts_with("exit 0"), "{recorded}");

    let text = project.run(&["scan", "shop", "--with", "rec", "--format", "json"]);
    let json: Value = serde_json::from_str(after_status(&text)).unwrap();
    let priced = |function: &str| {
        let findings = json["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["function"] == function).unwrap()["price"].clone()
    };
    let history = &priced("shop.orders.history")["seen"];
    assert_eq!((&history["basis"], &history["bound"]), (&"call_site".into(), &"exact".into()), "{text}");
    assert_eq!(history["function"], "shop.prices:price");
    assert_eq!(history["calls_per_request"], 5.0, "{text}");
    assert!(history["millis_per_request"].as_f64().unwrap() > 0.0);
    assert!(history["usd_per_million_requests"].as_f64().unwrap() > 0.0);
    assert_eq!(priced("shop.orders.handler")["seen"]["holds_event_loop"], true);
    let never = priced("shop.orders.never");
    assert_eq!(never["not_seen"]["reason"], "its module made such calls, but no sampled one came from this line");
    assert_eq!(json["findings"][2]["price"], never, "what was not seen comes last");

    let text = project.run(&["scan", "shop", "--with", "rec"]);
    assert!(text.contains("not seen in the recording: its module made such calls"), "{text}");
    assert!(text.contains("; 1 not seen in the recording\n"), "{text}");
    let missing = project.run(&["scan", "shop", "--with", "nowhere"]);
    assert!(missing.starts_with("exit 2\nerror: failed to find a recording in nowhere"), "{missing}");
}
