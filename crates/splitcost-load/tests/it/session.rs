//! Requests before the load: cookies, captured values and users.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use splitcost_load::{Plan, Stop, Targets, open_sessions, send};

use crate::engine::{drive, workload};
use crate::server::{self, Received, ok};

const LOG_IN: &str = r#"
users = 2
[[before]]
path = "/form"
capture = { csrf = { form = "csrf" }, tag = { header = "X-Tag" } }
[[before]]
method = "POST"
path = "/login"
body_form = { name = "user {user}", csrf = "{csrf}" }
expect = [302]
capture = { id = { json = "data.ids.{user}" }, csrf = { cookie = "csrf" } }
[[requests]]
method = "POST"
path = "/items/{id}"
headers = { x-csrf = "{csrf}" }
body = { id = "{id}", text = "of {user}" }
"#;

/// A server with a log-in that keeps the requests which it received.
fn shop() -> (std::net::SocketAddr, Arc<Mutex<Vec<Received>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let address = server::http(move |request| {
        kept.lock().unwrap().push(request.clone());
        let head = |status, headers: &str, body: &str| {
            let length = body.len();
            format!("HTTP/1.1 {status} X\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
        };
        match request.path.as_str() {
            "/form" => {
                let cookies = "x-tag: t\r\nset-cookie: csrf=c1; Path=/; HttpOnly\r\nset-cookie: flash=hello; Path=/";
                head(200, cookies, "<form><input type=hidden name=csrf value='a+/=b'></form>")
            }
            "/login" => {
                // Chunks of a body are put together.
                let cookies = "set-cookie: csrf=c2\r\nset-cookie: flash=; Max-Age=0\r\ntransfer-encoding: chunked";
                let body = "{\"data\": {\"ids\": [0, 71, 72]}}";
                format!(
                    "HTTP/1.1 302 X\r\n{cookies}\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                    &body[..5],
                    body.len() - 5,
                    &body[5..]
                )
                .into_bytes()
            }
            _ => ok(""),
        }
    });
    (address, log)
}

#[test]
fn each_user_has_cookies_and_values_of_its_own() {
    let (address, log) = shop();
    let outcome = drive(&workload(LOG_IN), &Plan::closed(1, Stop::Requests(4)), address);
    assert_eq!((outcome.ok(), outcome.failed()), (4, 0));
    let log = log.lock().unwrap();
    let sent: Vec<(&str, &str, Option<&str>)> =
        log.iter().map(|r| (r.path.as_str(), r.body.as_str(), r.header("cookie"))).collect();
    let login = |user| match user {
        1 => "csrf=a%2B%2F%3Db&name=user%201",
        _ => "csrf=a%2B%2F%3Db&name=user%202",
    };
    let expected = [
        ("/form", "", None),
        ("/login", login(1), Some("csrf=c1; flash=hello")),
        ("/form", "", None),
        ("/login", login(2), Some("csrf=c1; flash=hello")),
        ("/items/71", "{\"id\":71,\"text\":\"of 1\"}", Some("csrf=c2")),
        ("/items/72", "{\"id\":72,\"text\":\"of 2\"}", Some("csrf=c2")),
        ("/items/71", "{\"id\":71,\"text\":\"of 1\"}", Some("csrf=c2")),
        ("/items/72", "{\"id\":72,\"text\":\"of 2\"}", Some("csrf=c2")),
    ];
    assert_eq!(sent, expected);
    assert!(log[4..].iter().all(|request| request.header("x-csrf") == Some("c2")));
    assert_eq!(log[1].header("content-type"), Some("application/x-www-form-urlencoded"));
}

#[test]
fn sessions_are_opened_once_for_several_runs() {
    let (address, log) = shop();
    let shop = workload(LOG_IN);
    let targets = Targets::all(address);
    let sessions = open_sessions(&shop, &targets, &AtomicBool::new(false)).unwrap();
    let targets = targets.with_sessions(sessions.into());
    for _ in 0..2 {
        let plan = Plan::closed(1, Stop::Requests(2));
        splitcost_load::run(&shop, &plan, &targets, &AtomicBool::new(false), &mut |_| {}).unwrap();
    }
    let log = log.lock().unwrap();
    assert_eq!(log.iter().filter(|request| request.path == "/login").count(), 2);
}

#[test]
fn a_request_that_is_sent_alone_is_that_of_a_run_and_returns_its_answer() {
    let (address, log) = shop();
    let table = format!("{LOG_IN}\n[[requests]]\npath = \"/form\"\n");
    let shop = workload(&table).in_turn();
    let targets = Targets::all(address);
    let sessions = open_sessions(&shop, &targets, &AtomicBool::new(false)).unwrap();
    let targets = targets.with_sessions(sessions.into());
    let form = send(&shop, &targets, 5, 1).unwrap();
    assert_eq!((form.status, form.all("X-Tag").collect::<Vec<_>>()), (200, vec!["t"]));
    assert_eq!(form.body, b"<form><input type=hidden name=csrf value='a+/=b'></form>");
    send(&shop, &targets, 5, 2).unwrap();
    let sent: Vec<String> = log.lock().unwrap().split_off(4).into_iter().map(|request| request.path).collect();
    assert_eq!(sent, ["/form", "/items/71"]);
}

#[test]
fn problems_name_their_place() {
    let (address, _log) = shop();
    let fails = |from: &str, to: &str| {
        let shop = workload(&LOG_IN.replace(from, to));
        open_sessions(&shop, &Targets::all(address), &AtomicBool::new(false)).unwrap_err().to_string()
    };
    let before = "prepare the load: [[workload.before]]";
    assert_eq!(
        fails("[302]", "[200]"),
        format!("{before} 2 (POST /login), as user 1: it was answered 302 {{\"data\": {{\"ids\": [0, 71, 72]}}}}")
    );
    assert_eq!(
        fails("form = \"csrf\"", "form = \"token\""),
        format!(
            "{before} 1 (GET /form), field `capture.csrf`, as user 1: the answer has no form field token; there are csrf"
        )
    );
    assert_eq!(
        fails("cookie = \"csrf\"", "cookie = \"flash\""),
        format!("{before} 2 (POST /login), field `capture.csrf`, as user 1: there is no cookie flash; there are csrf")
    );
    assert_eq!(
        fails("data.ids.{user}", "data.ids.7"),
        format!(
            "{before} 2 (POST /login), field `capture.id`, as user 1: the answer has no item 7 of data.ids.7, in a list of 3"
        )
    );
    let (refused, _socket) = server::refusing();
    let nobody = open_sessions(&workload(LOG_IN), &Targets::all(refused), &AtomicBool::new(false)).unwrap_err();
    assert!(nobody.to_string().contains("1 (GET /form), as user 1: it was not answered: "), "{nobody}");
}

#[test]
fn workloads_with_sessions_are_checked() {
    let fails = |from: &str, to: &str| {
        let text = LOG_IN.replace(from, to);
        toml::from_str::<splitcost_load::Workload>(&text).unwrap_err().message().to_owned()
    };
    assert!(fails("{csrf}\" }\nexpect", "{id}\" }\nexpect").ends_with("`{id}` is captured by a later request only"));
    assert!(fails("x-csrf = \"{csrf}\"", "x-csrf = \"{other}\"").ends_with("nor captured by a request before"));
    assert!(fails("users = 2", "users = 0").ends_with("it is not from 1 to 1000"));
    assert!(fails("expect = [302]", "weight = 2").ends_with("every request of [[workload.before]] is sent once"));
    assert!(fails("tag = {", "user = {").contains("field `capture.user`"));
}
