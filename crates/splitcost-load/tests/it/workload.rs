//! Reading a workload, and drawing its requests.

use splitcost_load::{Method, Session, Workload, WorkloadTable};

fn read(toml: &str) -> Result<Workload, String> {
    toml::from_str(toml).map_err(|error: toml::de::Error| error.message().to_owned())
}

const SHOP: &str = r#"
seed = 1
[[requests]]
path = "/products/{product_id}?q={q}"
weight = 30
headers = { x-user-id = "u{user}" }
expect = [200, 404]
[requests.params]
product_id = { int = [1, 500] }
q = { choice = ["a b", "ä/ö", "100%"] }
user = { int = [7, 7] }
[[requests]]
name = "order"
method = "POST"
path = "/orders"
body = { lines = [{ product_id = "{id}", note = "say \"{text}\" {{now}}" }], price = "{price}", gift = "{gift}", day = 2026-01-02, none = [] }
[requests.params]
id = { int = [-5, -5] }
text = { choice = ["\"quoted\"\n"] }
price = { float = [1.0, 1.0] }
gift = { choice = [true] }
"#;

fn requests(workload: &Workload, seed_offset: u64, count: u64) -> Vec<String> {
    (0..count)
        .map(|i| {
            let mut bytes = Vec::new();
            workload.write(workload.draw(seed_offset, i), &Session::default(), "127.0.0.1:80", &mut bytes);
            String::from_utf8(bytes).unwrap()
        })
        .collect()
}

#[test]
fn fills_templates() {
    let workload = read(SHOP).unwrap();
    assert_eq!(workload.requests()[0].name(), "GET /products/{product_id}");
    assert_eq!(workload.requests()[1].name(), "order");
    let drawn = requests(&workload, 0, 400);

    let order = drawn.iter().find(|request| request.starts_with("POST")).unwrap();
    let (head, sent_body) = order.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        head,
        format!(
            "POST /orders HTTP/1.1\r\nhost: 127.0.0.1:80\r\nx-splitcost-request: order\r\naccept: */*\r\n\
             content-type: application/json\r\ncontent-length: {}",
            sent_body.len()
        )
    );
    let sent: serde_json::Value = serde_json::from_str(sent_body).unwrap();
    assert_eq!(sent["lines"][0]["product_id"], -5);
    assert_eq!(sent["lines"][0]["note"], "say \"\"quoted\"\n\" {now}");
    assert_eq!(sent["price"].to_string(), "1.0");
    assert_eq!(sent["gift"], true);
    assert_eq!(sent["day"], "2026-01-02");
    assert_eq!(sent["none"], serde_json::json!([]));

    let product = drawn.iter().find(|request| request.starts_with("GET")).unwrap();
    assert!(product.contains("\r\nx-user-id: u7\r\n"), "{product}");
    assert!(product.contains("\r\nx-splitcost-request: GET /products/{product_id}\r\n"), "{product}");
    for encoded in ["?q=a%20b HTTP", "?q=%C3%A4%2F%C3%B6 HTTP", "?q=100%25 HTTP"] {
        assert!(drawn.iter().any(|request| request.contains(encoded)), "{encoded}");
    }
}

#[test]
fn every_method_of_the_registry_is_sent_as_it_is_written() {
    for method in Method::ALL {
        let workload = read(&format!("[[requests]]\nmethod = '{method}'\npath = '/cal/'")).unwrap();
        let [request] = &*requests(&workload, 1, 1) else { panic!("one request was asked for") };
        assert!(request.starts_with(&format!("{method} /cal/ HTTP/1.1\r\n")), "{request}");
    }
    let safe_to_repeat = ["PROPFIND", "LOCK"].map(|name| Method::find(name).map(Method::is_idempotent));
    assert_eq!(safe_to_repeat, [Some(true), Some(false)]);
}

#[test]
fn weights_decide_the_mix() {
    let workload = read(SHOP).unwrap();
    let orders = (0..31_000).filter(|i| workload.draw(0, *i).request == 1).count();
    assert!((900..1_100).contains(&orders), "{orders} orders of 31,000 at a weight of 1 in 31");
}

#[test]
fn a_request_depends_on_seed_and_number_only() {
    let workload = read(SHOP).unwrap();
    let first = requests(&workload, 3, 50);
    assert_eq!(requests(&workload, 3, 50), first);
    assert_ne!(requests(&workload, 4, 50), first);
    let mut alone = Vec::new();
    workload.write(workload.draw(3, 41), &Session::default(), "127.0.0.1:80", &mut alone);
    assert_eq!(alone, first[41].as_bytes());
}

#[test]
fn refuses_what_makes_no_sense() {
    fn check(request: &str, expected: &str) {
        let error = read(&format!("[[requests]]\n{request}")).unwrap_err();
        assert!(error.contains(expected), "{request}\ngave     {error}\nexpected {expected}");
    }
    check("path = '/a/{id}'", "request 1 (GET /a/{id}), field `path`: `{id}` is not defined in `params`");
    check("path = '/a'\nparams = { id = { int = [1, 2] } }", "field `params.id`: `{id}` is used in neither path");
    check("path = '/a'\nweight = 0", "field `weight`: it is 0");
    check("path = '/a'\nmethod = 'FETCH'", "unknown variant `FETCH`");
    check("path = 'a'", "field `path`: it does not begin with `/`");
    check("path = '/a b'", "field `path`: ' ' is not allowed in a path");
    check("path = '/{a'", "has a `{` without `}`");
    check("path = '/a}'", "has a `}` without `{`");
    check("path = '/{a-b}'", "`{a-b}` is not a placeholder");
    check("path = '/a'\nname = ''", "field `name`: it is not made of visible ASCII");
    check("path = '/a'\nexpect = [100]", "field `expect`: 100 is not a final HTTP status");
    check("path = '/a'\nheaders = { 'a b' = 'x' }", "field `headers.a b`: it is not a valid name");
    check("path = '/a'\nheaders = { Content-Length = '5' }", "the load generator sets this header itself");
    check("path = '/a'\nheaders = { a = \"x\\r\\ny: z\" }", "field `headers.a`: its value has a control character");
    check("path = '/a'\nheaders = { a = 'x', A = 'y' }", "it is given twice");
    check("path = '/a'\nheaders = { a = '{x}' }", "field `headers.a`: `{x}` is not defined");
    check("path = '/{x}'\nparams = { x = { int = [2, 1] } }", "field `params.x`: the range ends before it begins");
    check("path = '/{x}'\nparams = { x = { float = [0.0, inf] } }", "the range is not finite");
    check("path = '/{x}'\nparams = { x = { choice = [] } }", "the list of choices is empty");
    check("path = '/{x}'\nparams = { x = { choice = [[1]] } }", "a choice must be a string, a number or a boolean");
    check("path = '/{x}'\nparams = { x = { string = [1, 100000] } }", "a string is longer than 65536");
    check("path = '/{x}'\nparams = { x = { range = [1, 2] } }", "unknown variant `range`");
    check("path = '/a'\nbody = ['{x}']", "field `body`: `{x}` is not defined in `params`");
    check("path = '/a'\nbodi = 1", "unknown field `bodi`");
    check(
        "path = '/a'\n[[requests]]\npath = '/a?x=1'",
        "request 2 (GET /a), field `name`: another request has this name",
    );
    assert_eq!(read("requests = []").unwrap_err(), "read workload: it has no requests");
}

#[test]
fn bodies_that_are_not_json() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("photo.png"), b"\x89PNG{x}\0").unwrap();
    let table = |toml: &str| toml::from_str::<WorkloadTable>(toml).unwrap().compile(dir.path());
    let written = |toml: &str| {
        let workload = table(toml).unwrap();
        let mut bytes = Vec::new();
        workload.write(workload.draw(0, 0), &Session::default(), "a", &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let file = written("[[requests]]\npath = '/a'\nmethod = 'PUT'\nbody_file = 'photo.png'");
    assert!(file.contains("content-type: image/png\r\n") && file.ends_with("PNG{x}\0"), "{file}");
    let text =
        "[[requests]]\npath = '/a'\nmethod = 'POST'\nbody_text = 'n={n}&b={{}}'\nparams = { n = { int = [7, 7] } }";
    let text = written(text);
    assert!(text.ends_with("content-type: text/plain; charset=utf-8\r\ncontent-length: 8\r\n\r\nn=7&b={}"), "{text}");
    let fails = |toml: &str| table(toml).unwrap_err().to_string();
    let twice = fails("[[requests]]\npath = '/a'\nbody = 1\nbody_text = 'x'");
    assert!(
        twice.contains(
            "request 1 (GET /a), field `body`: a request has only one of body, body_text, body_form and body_file"
        ),
        "{twice}"
    );
    let missing = fails("[[requests]]\npath = '/a'\nbody_file = 'none.bin'");
    assert!(
        missing.contains("field `body_file`: failed to read ") && missing.contains("none.bin: No such"),
        "{missing}"
    );
}
