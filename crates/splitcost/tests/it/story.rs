//! The main job on the small app: record, evaluate, report, links, faults, and damaged recordings.

use std::fs;
use std::path::Path;

use crate::project::{Project, UVICORN, WORKLOAD};

/// Gives a call of prices so much work that the rest of a request is a small part of it.
const WORK: &str = "env = { SMALL_WORK = \"400000\" }\n";

const SETTINGS: &str = r#"
[[workload.requests]]
path = "/nowhere"

[splits.good]
services = { prices = ["small.prices"] }

[splits.impossible]
services = { stock = ["small.stock"] }
"#;

#[test]
fn where_no_split_is_named_one_is_proposed() {
    let project = Project::with_command(UVICORN, &format!("{WORK}{WORKLOAD}"));
    let recorded = project.run(&["record"]);
    assert!(recorded.starts_with("exit 0\n\n# Proposed from the recording: small.prices spends "), "{recorded}");
    assert!(recorded.contains("\n[splits.prices]\nservices = { prices = [\"small.prices\"] }\n"), "{recorded}");
    let said = "no split is named in the settings; this one is proposed from the recording: small.prices spends ";
    let estimated = project.run(&["estimate", "--format", "json"]);
    assert!(estimated.contains(&format!("warning: {said}")), "{estimated}");
    let study = json(&estimated);
    assert_eq!(study["splits"][0]["name"], "prices");
    assert!(study["provenance"]["notes"].to_string().contains(said), "{estimated}");
    let named = project.run(&["estimate", "--split", "stock"]);
    insta::assert_snapshot!(named, @r"
    exit 2
    error: the settings have no split named stock
    hint: they name none; without a name, one is proposed from the recording
    ");
}

#[test]
fn a_small_app_is_recorded_predicted_run_and_reported() {
    let project = Project::with_command(UVICORN, &format!("{WORK}{WORKLOAD}{SETTINGS}"));

    // One of two requests always fails: it is said, and it is in no number.
    let recorded = project.run(&["record"]);
    assert!(recorded.starts_with("exit 0"), "{recorded}");
    assert!(recorded.contains("GET /nowhere: all "), "{recorded}");
    assert!(
        recorded
            .contains("requests failed and are in no time; the first was answered 404 {\"detail\": \"no such page\"}"),
        "{recorded}"
    );
    let shown: serde_json::Value = json(&project.run(&["show", "--format", "json"]));
    assert!(shown["requests"].as_u64().unwrap() > 0);

    let without = "without prices: httpx was not calibrated on this machine for the calls of this split\n\
                   hint: `splitcost estimate --split good` measures them once, in about a minute";
    let plan = project.run(&["show", "--boundary", "good", "--plan"]);
    assert!(plan.contains(without) && !plan.contains("ms/request"), "{plan}");

    // One of two splits cannot be run: the other one is, and the exit status says so. It is 3 where the prediction would be
    // cheap, which nothing measured supports.
    let evaluate =
        ["evaluate", "--recording", ".splitcost/recording", "--budget", "1s", "--precision", "50", "--format", "json"];
    let evaluated = project.run(&evaluate);
    assert!(evaluated.starts_with("exit 1") || evaluated.starts_with("exit 3"), "{evaluated}");
    let refused =
        "cannot rehearse the split impossible: none of its calls between services (1 per request) can be made";
    assert!(evaluated.contains(refused), "{evaluated}");
    let study = json(&evaluated);
    let good = &study["splits"][0];
    assert_eq!(good["name"], "good");
    for part in ["estimate", "rehearsal"] {
        let items = endpoint(&good[part]["endpoints"], "GET /items/{item}");
        for arm in ["monolith", "split"] {
            let p50 = items[arm]["p50_ms"]["value"].as_f64().unwrap_or_else(|| panic!("no {arm} in {items}"));
            assert!(p50 > 0.0, "{part} {arm} {p50}");
            for number in ["saturation_reqs_per_sec", "cpu_secs_per_request", "cores"] {
                assert!(good[part][arm][number]["value"].as_f64().unwrap() > 0.0, "{part} {arm} {number}");
            }
        }
    }
    let items = endpoint(&good["estimate"]["endpoints"], "GET /items/{item}");
    assert!((items["crossings_per_request"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    // Nearly all the CPU of a request is spent in prices: a split whose services are not all counted has a small part
    // of the monolith's, however fast the machine is in either round.
    let cpu = |arm: &str| good["rehearsal"][arm]["cpu_secs_per_request"]["value"].as_f64().unwrap();
    assert!(cpu("split") > cpu("monolith") / 2.0, "{good}");
    assert_eq!(good["comparison"]["saturation"]["origin"], "measured");
    assert!(good["verdict"]["sentence"].as_str().unwrap().contains("prices as its own service"), "{good}");
    // The audit's requests, five of each kind, made the calls that were predicted for them.
    let audit = &good["rehearsal"]["audit"];
    assert_eq!((&audit["requests"], &audit["differences"]), (&10.into(), &serde_json::json!([])), "{audit}");
    assert_eq!(
        (&audit["predicted_per_request"], &audit["answered_per_request"]),
        (&0.5.into(), &0.5.into()),
        "{audit}"
    );
    let answers = serde_json::json!({ "compared": 100, "equal": 100, "differences": [], "not_compared": [] });
    assert_eq!(good["rehearsal"]["answers"], answers);
    let impossible = &study["splits"][1];
    let site = &impossible["cannot_cross"][0];
    assert_eq!(
        (&site["callee"], &site["readiness"], &site["file"], &site["line"]),
        (&"small.stock:left".into(), &"rewrite".into(), &"small/main.py".into(), &28.into())
    );
    assert_eq!(impossible["estimate"]["evidence"]["measured_per_request"], 0.0, "{impossible}");
    assert!(!matches!(impossible["verdict"]["class"].as_str(), Some("cheap" | "gains")), "{impossible}");
    assert_eq!(study["splits"][1].get("rehearsal"), None);
    let reason = impossible["not_rehearsed"].as_str().unwrap();
    assert!(reason.starts_with("none of its calls between services (1 per request)"), "{reason}");
    assert_eq!(study["splits"][1]["comparison"]["saturation"]["origin"], "predicted");

    // The study holds the interface with prices; a plan has the same from the calibration that is kept.
    let of_service = good["interfaces"]["services"].as_array().unwrap();
    let prices = of_service.iter().find(|service| service["service"] == "prices").unwrap();
    let function = &prices["functions"][0];
    assert_eq!(function["defined"]["file"], "small/prices.py", "{prices}");
    assert!(function["added_ms_per_request"].as_f64().unwrap() > 0.0, "{function}");
    let plan = json(&project.run(&["show", "--boundary", "good", "--plan", "--format", "json"]));
    assert_eq!(plan["priced_by"]["stack"], "httpx", "{plan}");
    assert_eq!(plan["steps"][0]["added_ms_per_request"], function["added_ms_per_request"], "{plan}");

    let page = fs::read_to_string(project.path("report/index.html")).unwrap();
    assert!(page.contains("GET /items/{item}"));
    fs::remove_file(project.path("report/index.html")).unwrap();
    let reported = project.run(&["report"]);
    assert_eq!(reported, "exit 0\nwrote report/index.html");
    assert!(project.path("report/index.html").exists());

    far_away(&project);
    broken(&project);
    damaged(&project);
}

#[test]
fn a_split_that_answers_otherwise_than_the_monolith_gets_no_verdict() {
    let project = Project::with_command(UVICORN, &format!("{WORKLOAD}{SETTINGS}"));
    // Each service has a count of its own, and the clock differs in every copy.
    let edit = |file: &str, old: &str, new: &str| {
        let source = fs::read_to_string(project.path(file)).unwrap();
        assert!(source.contains(old), "{source}");
        fs::write(project.path(file), source.replace(old, new)).unwrap();
    };
    edit("small/prices.py", "async def", "asked = 0\n\n\nasync def");
    edit("small/prices.py", "    for _ in", "    global asked\n    asked += 1\n    for _ in");
    // A key that the source does not spell out may be a value of a user.
    edit("small/main.py", "\"left\":", "\"asked\": {\"ali\" + \"ce\": prices.asked}, \"left\":");
    edit("small/main.py", "\"no such page\"", "str(threading.get_native_id())");
    let recorded = project.run(&["record"]);
    assert!(recorded.starts_with("exit 0"), "{recorded}");
    let rehearsed =
        project.run(&["rehearse", "--split", "good", "--budget", "1s", "--precision", "50", "--format", "json"]);
    assert!(rehearsed.starts_with("exit 3"), "{rehearsed}");
    let split = &json(&rehearsed)["splits"][0];
    let expected = serde_json::json!({
        "compared": 100,
        "equal": 50,
        "differences": [
            { "endpoint": "GET /items/{item}", "aspect": "body", "answers": 50, "place": "$.asked.(key): another number" },
        ],
        "not_compared": [{ "endpoint": "GET /nowhere", "from": "body" }],
    });
    assert_eq!(split["rehearsal"]["answers"], expected);
    insta::assert_snapshot!(split["verdict"]["sentence"].as_str().unwrap(), @"No verdict on “good”: 50 of 100 answers differ from the monolith's: 50 of GET /items/{item} ($.asked.(key): another number); bodies of GET /nowhere differ between two monoliths: not compared. To get one, give the calls what their answers depend on, or leave the endpoints out of the workload, and rehearse it again.");
}

#[test]
fn a_loopback_finds_what_does_not_survive_as_a_message_without_a_recording() {
    let project = Project::with_command(UVICORN, &format!("{WORKLOAD}{SETTINGS}"));
    insta::with_settings!({ filters => vec![("loopback: .*\n", ""), (r"/\S*/small/", "[DIR]/small/")] }, {
        insta::assert_snapshot!(project.run(&["rehearse", "--mode", "loopback"]), @r"
        exit 1
        good: 55 calls of 1 function crossed as messages in 110 requests
          55 × small.prices:quote
          5 of GET /nowhere failed, 5 in the monolith
          100 of 100 answers equal those of the monolith
        ! impossible: no call crossed in 110 requests: nothing was tried
          Calls that lost something on the way, or stayed in the caller
            55 × small.stock:left stayed at [DIR]/small/main.py:28: arguments.lock (_thread.lock) is a liv…
          5 of GET /nowhere failed, 5 in the monolith
          100 of 100 answers equal those of the monolith
        ");
    });
    let edit = |file: &str, old: &str, new: &str| {
        let source = fs::read_to_string(project.path(file)).unwrap();
        assert!(source.contains(old), "{source}");
        fs::write(project.path(file), source.replace(old, new)).unwrap();
    };
    edit("small/prices.py", "async def", "SAME = []\n\n\ndef same():\n    return SAME\n\n\nasync def");
    edit("small/main.py", "\"left\":", "\"same\": prices.same() is prices.same(), \"left\":");
    let loopback = ["rehearse", "--mode", "loopback", "--split", "good", "--format", "json"];
    let found = project.run(&loopback);
    assert!(found.starts_with("exit 1"), "{found}");
    let split = &json(&found)["splits"][0];
    let expected = serde_json::json!([
        { "endpoint": "GET /items/{item}", "aspect": "body", "answers": 50, "place": "$.same: another boolean" },
    ]);
    assert_eq!(split["answers"]["differences"], expected);
    let met = &split["obstacles"][0];
    assert_eq!((&met["callee"], &met["kind"]), (&"small.prices:same".into(), &"identity".into()), "{found}");
    let refused = project.run(&["rehearse", "--mode", "loopback", "--fault", "silent"]);
    insta::assert_snapshot!(refused, @r"
    exit 2
    error: a loopback has no links and no faults: its calls stay in one process
    ");
    let project = Project::with_command(UVICORN, WORKLOAD);
    insta::assert_snapshot!(project.run(&["rehearse", "--mode", "loopback"]), @r#"
    exit 2
    error: the settings name no split
    hint: add a table [splits.NAME] with services = { pricing = ["shop.pricing"] }
    hint: `splitcost record` proposes one
    "#);
}

/// The same over links: predicted over two, run over one.
fn far_away(project: &Project) {
    let table = project.run(&["estimate", "--split", "good", "--profiles", "same-az-aws,cross-az-aws,cross-region"]);
    assert!(table.starts_with("exit 0"), "{table}");
    for profile in ["same-az-aws", "cross-az-aws", "cross-region"] {
        assert!(table.contains(&format!("\n{profile} ")), "{table}");
    }
    let rehearse = [
        "rehearse",
        "--split",
        "good",
        "--profiles",
        "cross-az-aws",
        "--budget",
        "1s",
        "--precision",
        "50",
        "--format",
        "json",
    ];
    let far = &json(&project.run(&[&rehearse[..], &["--compare", "1"]].concat()))["splits"][0];
    // Each request of the workload at least once.
    assert_eq!(far["rehearsal"]["answers"]["compared"], 2);
    assert_eq!(far["link"], "cross-az-aws");
    let p50 = |part: &str| {
        let items = endpoint(&far[part]["endpoints"], "GET /items/{item}");
        items["split"]["p50_ms"]["value"].as_f64().unwrap()
    };
    // Shorter than its median of 0.785 ms, two delays of a round trip are never: nothing is below its shortest.
    for part in ["estimate", "rehearsal"] {
        assert!(p50(part) > 0.7, "{part}: {}", p50(part));
    }
    let link = &far["rehearsal"]["emulations"][0];
    assert_eq!(
        (&link["listen"], &link["to"], &link["profile"]),
        (&"main".into(), &"prices".into(), &"cross-az-aws".into())
    );
    assert!(link["deliveries"].as_u64().unwrap() > 0, "{link}");
}

/// Outcomes of requests when the other service does not answer, under two policies.
fn broken(project: &Project) {
    let silent = ["--split", "good", "--rate", "20", "--fault", "silent", "--format", "json", "--policy"];
    let under = |verb: &str, policies: &[&str]| {
        let all = [&[verb], &silent[..], policies].concat();
        json(&project.run(&all))["splits"][0]["faults"].as_array().unwrap().clone()
    };
    let outcome = |fault: &serde_json::Value, part: &str| {
        endpoint(&fault[part]["endpoints"], "GET /items/{item}")["outcome"].clone()
    };
    let predicted = under("estimate", &["no timeout", "--policy", "200ms + 1 retry"]);
    assert_eq!(predicted.len(), 2);
    assert_eq!(outcome(&predicted[0], "estimate")["stuck_percent"], 100.0, "{}", predicted[0]);
    let run = under("rehearse", &["200ms + 1 retry"]);
    for (fault, part) in [(&predicted[1], "estimate"), (&run[0], "estimate"), (&run[0], "rehearsal")] {
        let found = outcome(fault, part);
        // Who comes in the last 400 ms has a second attempt after it.
        assert!(found["error_percent"].as_f64().unwrap() > 80.0, "{found}");
        assert_eq!(found["stuck_percent"], 0.0, "{found}");
        assert!(found["failure_p50_ms"].as_f64().unwrap() > 400.0, "two attempts of 200 ms: {found}");
        assert!((1.8..=2.0).contains(&found["amplification"].as_f64().unwrap()), "{found}");
    }
    let refused = project.run(&["estimate", "--fault", "earthquake"]);
    assert!(refused.starts_with("exit 2"), "{refused}");
    assert!(refused.contains("\"earthquake\" is not a fault; the faults are slow, silent, down"), "{refused}");
}

fn endpoint<'a>(endpoints: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    endpoints.as_array().unwrap().iter().find(|endpoint| endpoint["name"] == name).unwrap()
}

/// Recordings that are cut short, or of another version.
fn damaged(project: &Project) {
    let show = |name: &str, damage: &dyn Fn(&Path)| {
        let copy = project.path(name);
        fs::create_dir(&copy).unwrap();
        for file in fs::read_dir(project.path(".splitcost/recording")).unwrap().map(|entry| entry.unwrap().path()) {
            fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
        damage(&copy);
        project.run(&["show", name])
    };
    let cut = show("cut", &|dir| {
        let path = dir.join("calls.parquet");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert!(cut.starts_with("exit 2\nerror: failed to read") && cut.contains("cut/calls.parquet"), "{cut}");
    assert!(cut.contains("hint: the recording is damaged"), "{cut}");
    let other = show("other", &|dir| {
        let path = dir.join("splitcost-recording.json");
        let mut meta: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        meta["format_version"] = 999.into();
        fs::write(&path, meta.to_string()).unwrap();
    });
    insta::assert_snapshot!(other, @r"
    exit 2
    error: failed to read other/splitcost-recording.json: its format version is 999, this splitcost reads version 7
    hint: record again with this version, or use the version that wrote it
    ");
}

/// The JSON document in a transcript.
fn json(transcript: &str) -> serde_json::Value {
    let start = transcript.find("\n{").unwrap_or_else(|| panic!("no JSON in {transcript}"));
    let mut values = serde_json::Deserializer::from_str(&transcript[start..]).into_iter();
    values.next().unwrap().unwrap_or_else(|error| panic!("{error} in {transcript}"))
}
