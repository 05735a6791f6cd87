//! Workloads of real apps: expected failures, sessions, and a database for each copy.

use std::fs;

use crate::project::Project;

/// A project with one package of one module, started by uvicorn.
fn project(source: &str, settings: &str) -> Project {
    let project = Project::empty();
    fs::create_dir(project.path("shop")).unwrap();
    fs::write(project.path("shop/__init__.py"), "").unwrap();
    fs::write(project.path("shop/a.py"), "def f(i: int) -> int:\n    return i\n").unwrap();
    fs::write(project.path("shop/main.py"), source).unwrap();
    let app = "[app]\ncommand = ['uvicorn', 'shop.main:app', '--port', '{port}', '--log-level', 'critical']\n\
               package = 'shop'\nready = '/ok'\n";
    fs::write(project.path("splitcost.toml"), format!("{app}{settings}\n[load]\nconcurrency = 4\n")).unwrap();
    project
}

/// Records the app, and returns what `show` says of its endpoints, by name.
#[track_caller]
fn record(project: &Project) -> serde_json::Map<String, serde_json::Value> {
    let recorded = project.run(&["record"]);
    assert!(recorded.starts_with("exit 0"), "{recorded}");
    assert!(!recorded.contains("failed"), "{recorded}");
    let shown = project.run(&["show", "--format", "json"]);
    let summary: serde_json::Value = serde_json::from_str(shown.split_once('\n').unwrap().1).unwrap();
    let endpoints = summary["endpoints"].as_array().unwrap().iter();
    endpoints.map(|endpoint| (endpoint["name"].as_str().unwrap().to_owned(), endpoint.clone())).collect()
}

#[test]
fn an_endpoint_that_raises_as_expected_fails_nobody() {
    let source = "from fastapi import FastAPI\nfrom shop import a\n\napp = FastAPI()\n\n\
                  @app.get('/ok')\nasync def ok():\n    return a.f(1)\n\n\
                  @app.post('/save')\nasync def save():\n    return a.f(2)\n\n\
                  @app.get('/boom')\nasync def boom():\n    a.f(3)\n    raise RuntimeError('as expected')\n";
    let settings = "[[workload.requests]]\npath = '/ok'\n[[workload.requests]]\nmethod = 'POST'\npath = '/save'\n\
                    [[workload.requests]]\npath = '/boom'\nexpect = [500]\n";
    let endpoints = record(&project(source, settings));
    for name in ["GET /ok", "POST /save", "GET /boom"] {
        let endpoint = &endpoints[name];
        assert_eq!(endpoint["failed_requests"], 0, "{endpoint}");
        assert_eq!(endpoint["calls_per_request"], 2.0, "{endpoint}");
    }
}

/// An app with a log-in, a token in a form, and a project of each user, in the database that `DB` names.
const SESSIONS: &str = r#"
import os, secrets, sqlite3
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from shop import a

app = FastAPI()
db = sqlite3.connect(os.environ["DB"], check_same_thread=False)
db.execute("create table if not exists projects (id integer primary key, owner text)")
db.commit()
tokens, users = {}, {}

@app.get("/ok")
async def ok():
    return a.f(1)

@app.get("/login")
async def form():
    session, token = secrets.token_hex(8), secrets.token_urlsafe(8) + "+/="
    tokens[session] = token
    answer = HTMLResponse(f"<form><input type='hidden' name='csrf' value='{token}'></form>")
    answer.set_cookie("session", session)
    return answer

@app.post("/login")
async def login(request: Request):
    from urllib.parse import parse_qs
    sent = parse_qs((await request.body()).decode())
    session = request.cookies.get("session")
    if sent.get("csrf") != [tokens.get(session)]:
        return JSONResponse({"error": "the token is wrong"}, 403)
    users[session] = sent["user"][0]
    return RedirectResponse("/", 302)

@app.post("/projects")
async def create(request: Request):
    owner = users[request.cookies["session"]]
    cursor = db.execute("insert into projects (owner) values (?)", (owner,))
    db.commit()
    return {"data": {"id": cursor.lastrowid}}

@app.get("/projects/{project}")
async def show(project: int, request: Request):
    owner = users.get(request.cookies.get("session"))
    found = db.execute("select owner from projects where id = ?", (project,)).fetchone()
    if found is None or found[0] != owner or request.headers["x-project"] != str(project):
        return JSONResponse({"error": "not yours"}, 403)
    return {"id": a.f(project)}
"#;

const BEFORE: &str = r#"
[workload]
users = 3

[[workload.before]]
path = "/login"
capture = { csrf = { form = "csrf" } }

[[workload.before]]
method = "POST"
path = "/login"
body_form = { user = "user {user}", csrf = "{csrf}" }
expect = [302]

[[workload.before]]
method = "POST"
path = "/projects"
capture = { project = { json = "data.id" } }

[[workload.requests]]
path = "/projects/{project}"
headers = { x-project = "{project}" }
"#;

#[test]
fn users_log_in_once_for_each_copy() {
    let own = "env = { DB = '{workdir}/{arm}.db' }\n";
    let endpoints = record(&project(SESSIONS, &format!("{own}{BEFORE}")));
    let names: Vec<&String> = endpoints.keys().collect();
    assert_eq!(names, ["GET /projects/{project}"]);
    assert_eq!(endpoints["GET /projects/{project}"]["failed_requests"], 0);
}

#[test]
fn copies_that_share_a_database_are_refused() {
    let project = project(SESSIONS, &format!("env = {{ DB = 'app.db' }}\n{BEFORE}"));
    let recorded = project.run(&["record"]);
    assert!(recorded.starts_with("exit 2"), "{recorded}");
    assert!(
        recorded.contains(
            "error: failed to keep the copies of the app apart: the app and the app without the recorder use the same \
             database, "
        ),
        "{recorded}"
    );
    assert!(
        recorded.contains("/app.db\nhint: give each copy a database of its own, by {workdir} or {arm}"),
        "{recorded}"
    );
}

#[test]
fn a_capture_that_finds_nothing_names_its_place() {
    let wrong = BEFORE.replace("json = \"data.id\"", "json = \"data.number\"");
    let recorded = project(SESSIONS, &format!("env = {{ DB = '{{workdir}}/app.db' }}\n{wrong}")).run(&["record"]);
    assert!(recorded.starts_with("exit 2"), "{recorded}");
    assert!(
        recorded.contains(
            "error: failed to prepare the load: [[workload.before]] 3 (POST /projects), field `capture.project`, as user \
             1: the answer has no field number of data.number; there are id"
        ),
        "{recorded}"
    );
    let wrong = BEFORE.replace("csrf = \"{csrf}\"", "csrf = \"{csrf}x\"");
    let recorded = project(SESSIONS, &format!("env = {{ DB = '{{workdir}}/app.db' }}\n{wrong}")).run(&["record"]);
    assert!(recorded.contains("[[workload.before]] 2 (POST /login), as user 1: it was answered 403"), "{recorded}");
    let later = BEFORE.replace("path = \"/login\"\ncapture", "path = \"/login?{project}\"\ncapture");
    let recorded = project(SESSIONS, &later).run(&["record"]);
    assert!(recorded.contains("`{project}` is captured by a later request only"), "{recorded}");
}

/// An app whose first order takes another branch than all later ones.
const ORDERS: &str = r#"
from fastapi import FastAPI
from shop import a

app = FastAPI()
orders = []

@app.get("/ok")
async def ok():
    return {}

@app.post("/orders")
async def order():
    orders.append(a.f(1) if orders else 1)
    return {"first": orders[0]}
"#;

const BEFORE_ORDERS: &str = r#"
[workload]
users = 3

[[workload.before]]
method = "POST"
path = "/orders"

[[workload.requests]]
method = "POST"
path = "/orders"

[splits.a]
services = { a = ["shop.a"] }
"#;

#[test]
fn what_opens_the_sessions_is_in_no_count_of_requests() {
    let project = project(ORDERS, BEFORE_ORDERS);
    let looped = project.run(&["rehearse", "--mode", "loopback"]);
    assert!(
        looped
            .contains("\na: 107 calls of 1 function crossed as messages in 105 requests and 3 that opened sessions\n"),
        "{looped}"
    );
    record(&project);
    let rehearsed = project.run(&["rehearse", "--budget", "1s", "--precision", "50", "--format", "json"]);
    let document = rehearsed.find("\n{").unwrap_or_else(|| panic!("no JSON in {rehearsed}"));
    let mut values = serde_json::Deserializer::from_str(&rehearsed[document..]).into_iter::<serde_json::Value>();
    let study = values.next().unwrap().unwrap();
    let audit = &study["splits"][0]["rehearsal"]["audit"];
    assert_eq!((&audit["requests"], &audit["differences"]), (&5.into(), &serde_json::json!([])), "{audit}");
}

/// An app that opens a session only where two calls give the same object.
const IDENTITY: &str = r#"
from fastapi import FastAPI
from shop import a, b

app = FastAPI()

@app.get("/ok")
async def ok():
    return {"b": b.g(a.f(1))}

@app.post("/sessions")
async def session():
    if a.same() is not a.same():
        raise RuntimeError("another object")
    return {}
"#;

#[test]
fn a_split_in_which_sessions_cannot_be_opened_leaves_the_others_alone() {
    let splits = "[splits.a]\nservices = { a = ['shop.a'] }\n[splits.b]\nservices = { b = ['shop.b'] }\n";
    let workload = "[[workload.before]]\nmethod = 'POST'\npath = '/sessions'\n[[workload.requests]]\npath = '/ok'\n";
    let project = project(IDENTITY, &format!("{workload}{splits}"));
    fs::write(
        project.path("shop/a.py"),
        "SAME = []\n\n\ndef same():\n    return SAME\n\n\ndef f(i: int) -> int:\n    return i\n",
    )
    .unwrap();
    fs::write(project.path("shop/b.py"), "def g(i: int) -> int:\n    return i\n").unwrap();
    let looped = project.run(&["rehearse", "--mode", "loopback"]);
    assert!(looped.starts_with("exit 1"), "{looped}");
    let problem = "[[workload.before]] 1 (POST /sessions), as user 1: it was answered 500";
    for line in [
        "\nb: 105 calls of 1 function crossed as messages in 105 requests and 1 that opened sessions\n",
        "\n  100 of 100 answers equal those of the monolith\n",
        "\n  ! no other request was sent, as one before the load fails that the monolith answers:\n",
        problem,
    ] {
        assert!(looped.contains(line), "{line}: {looped}");
    }
    record(&project);
    let rehearsed = project.run(&["rehearse", "--budget", "1s", "--precision", "50", "--format", "json"]);
    assert!(rehearsed.contains("cannot rehearse the split a: ") && rehearsed.contains(problem), "{rehearsed}");
    let document = rehearsed.find("\n{").unwrap_or_else(|| panic!("no JSON in {rehearsed}"));
    let mut values = serde_json::Deserializer::from_str(&rehearsed[document..]).into_iter::<serde_json::Value>();
    let study = values.next().unwrap().unwrap();
    let reason = "a request of [[workload.before]] fails in it that the monolith answers";
    assert_eq!(study["splits"][0]["not_rehearsed"], reason);
    assert!(study["splits"][0]["rehearsal"].is_null());
    assert_eq!(study["splits"][1]["rehearsal"]["answers"]["equal"], 100);
    let alone = project.run(&["rehearse", "--split", "a", "--budget", "1s", "--precision", "50"]);
    assert!(alone.starts_with("exit 1") && alone.contains("not rehearsed: a request of"), "{alone}");
}
