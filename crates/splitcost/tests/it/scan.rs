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
