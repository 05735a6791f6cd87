//! Load on real gRPC servers: grpcio's, and its asyncio one.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::bench::json;
use crate::project::Project;

const KINDS: [&str; 2] = ["sync", "aio"];

/// A file of the test apps.
fn app(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(name).display().to_string()
}

fn python() -> Command {
    let venv = std::env::var_os("VIRTUAL_ENV").expect("VIRTUAL_ENV names a virtual environment");
    Command::new(Path::new(&venv).join("bin/python"))
}

/// `grpc_server.py`, which ends with its stdin, and so with this process.
struct Server {
    child: Child,
    authority: String,
}

impl Server {
    fn start(project: &Project, arguments: &[&str]) -> Self {
        let mut child = python()
            .arg(app("grpc_server.py"))
            .args(arguments)
            .current_dir(project.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, authority: format!("127.0.0.1:{}", port.trim()) }
    }

    fn url(&self, method: &str) -> String {
        format!("grpc://{}/{method}", self.authority)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sources of the server's messages, a set of their descriptors, and a message.
fn project() -> Project {
    let project = Project::empty();
    fs::create_dir_all(project.path("proto/shop")).unwrap();
    for file in ["proto/shop/address.proto", "proto/shop/users.proto"] {
        fs::copy(app(file), project.path(file)).unwrap();
    }
    let Output { status, stdout, .. } = python().arg(app("grpc_server.py")).arg("describe").output().unwrap();
    assert!(status.success());
    fs::write(project.path("shop.binpb"), stdout).unwrap();
    // The field 1, the number 7.
    fs::write(project.path("query.bin"), [8, 7]).unwrap();
    project
}

#[test]
fn unary_calls_however_their_messages_are_described() {
    let project = project();
    for kind in KINDS {
        let [with, without] = [&["reflection"][..], &[]].map(|more| Server::start(&project, &[&[kind], more].concat()));
        let run = |server: &Server, more: &[&str]| {
            let url = server.url("shop.Users/Get");
            let (_, found) =
                json(&project.run(&[&["bench", &url, "--requests", "50", "--format", "json"], more].concat()));
            assert_eq!((&found["ok"], &found["failed"]), (&50.into(), &serde_json::json!([])), "{kind} {more:?}");
        };
        let message = r#"{"id": 7}"#;
        run(&with, &["--json", message]);
        run(&without, &["--json", message, "--proto", "proto/shop/users.proto", "--proto-path", "proto"]);
        run(&without, &["--json", message, "--descriptor-set", "shop.binpb"]);
        run(&without, &["--body", "@query.bin"]);
    }
}

#[test]
fn a_status_other_than_ok_is_a_failure_of_its_kind() {
    let project = project();
    for kind in KINDS {
        let server = Server::start(&project, &[kind, "reflection"]);
        let run = |method: &str, more: &[&str]| {
            let url = server.url(method);
            let (exit, found) = json(&project.run(&[&["bench", &url, "--format", "json"], more].concat()));
            assert_eq!((exit.as_str(), &found["ok"]), ("exit 1", &0.into()));
            found["failed"].clone()
        };
        let failed = |kind: &str, requests: u64| serde_json::json!([{"kind": kind, "requests": requests}]);
        assert_eq!(run("shop.Users/Get", &["--json", "{}", "--requests", "20"]), failed("gRPC 5 NOT_FOUND", 20));
        assert_eq!(run("shop.Users/Buy", &["--requests", "20"]), failed("gRPC 12 UNIMPLEMENTED", 20));
        assert_eq!(
            run("shop.Users/Never", &["--requests", "4", "--concurrency", "2", "--timeout", "0.3"]),
            failed("no answer before the deadline", 4)
        );
    }
}

#[test]
fn several_methods_and_two_servers() {
    let project = project();
    let servers = KINDS.map(|kind| Server::start(&project, &[kind, "reflection"]));
    let requests = r#"
        [[requests]]
        path = "/shop.Users/Get"
        body = { id = 7 }
        [[requests]]
        name = "nobody"
        path = "/shop.Users/Get"
        weight = 3
    "#;
    fs::write(project.path("shop.toml"), requests).unwrap();
    let url = format!("grpc://{}", servers[0].authority);
    let (_, found) =
        json(&project.run(&["bench", &url, "--requests-file", "shop.toml", "--requests", "100", "--format", "json"]));
    let [users, nobody] = found["requests"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&users["name"], &nobody["name"]), (&"shop.Users/Get".into(), &"nobody".into()));
    assert!(users["ok"].as_u64().unwrap() > 0 && users["failed"] == serde_json::json!([]), "{users}");
    assert!(nobody["ok"] == 0 && nobody["failed"][0]["kind"] == "gRPC 5 NOT_FOUND", "{nobody}");

    let [a, b] = [&servers[0], &servers[1]].map(|server| server.url("shop.Users/Get"));
    let more = ["--json", r#"{"id": 7}"#, "--rounds", "2", "--requests", "30", "--format", "json"];
    let (_, found) = json(&project.run(&[&["bench", &a, &b][..], &more].concat()));
    assert_eq!(
        (&found["rounds"], &found["a"]["failed"], &found["b"]["failed"]),
        (&2.into(), &serde_json::json!([]), &serde_json::json!([]))
    );
}

#[test]
fn encrypted_calls() {
    let project = project();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(project.path("cert.pem"), cert.pem()).unwrap();
    fs::write(project.path("key.pem"), signing_key.serialize_pem()).unwrap();
    let server = Server::start(&project, &["sync", "reflection", "tls"]);
    let url = server.url("shop.Users/Get").replace("grpc:", "grpcs:");
    let run = |more: &[&str]| {
        project
            .run(&[&["bench", &url, "--json", r#"{"id": 7}"#, "--requests", "50", "--format", "json"], more].concat())
    };
    for trust in [&["--cacert", "cert.pem"][..], &["--insecure"]] {
        let (_, found) = json(&run(trust));
        assert_eq!((&found["ok"], &found["failed"]), (&50.into(), &serde_json::json!([])), "{trust:?}");
    }
    let said = run(&[]).replace(&server.authority, "[SERVER]");
    assert!(said.starts_with("exit 2\nerror: failed to learn the gRPC services of [SERVER] by reflection: "), "{said}");
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn what_is_wrong_is_named() {
    let project = project();
    let with = Server::start(&project, &["sync", "reflection"]);
    let without = Server::start(&project, &["sync"]);
    let run = |server: &Server, method: &str, more: &[&str]| {
        let transcript = project.run(&[&["bench", &server.url(method), "--requests", "1"], more].concat());
        transcript.replace(&server.authority, "[SERVER]")
    };
    let message = ["--json", r#"{"id": 7}"#];
    insta::assert_snapshot!(run(&with, "shop.Users/Get", &["--json", r#"{"id": "seven"}"#]), @r"
    exit 2
    error: failed to encode the JSON as a gRPC message shop.Query: at id: invalid digit found in string
    ");
    insta::assert_snapshot!(run(&with, "shop.Items/Get", &message), @r"
    exit 2
    error: failed to call the gRPC method /shop.Items/Get: there is no service shop.Items; there are: shop.Users
    ");
    insta::assert_snapshot!(run(&with, "shop.Users/Buy", &message), @r"
    exit 2
    error: failed to call the gRPC method /shop.Users/Buy: shop.Users has Get, Never, Watch, but no Buy
    ");
    insta::assert_snapshot!(run(&with, "shop.Users/Watch", &message), @r"
    exit 2
    error: failed to call the gRPC method /shop.Users/Watch: it is a streaming method; load can be put on unary ones only
    ");
    insta::assert_snapshot!(run(&with, "shop.Users", &message), @r"
    exit 2
    error: failed to call the gRPC method /shop.Users: a gRPC method is written package.Service/Method, as in grpc://localhost:50051/shop.Users/Get
    ");
    insta::assert_snapshot!(run(&without, "shop.Users/Get", &message), @r"
    exit 2
    error: failed to learn the gRPC services of [SERVER] by reflection: it has no reflection service
    hint: describe the services by --proto FILE or --descriptor-set FILE, or send bytes by --body @FILE
    ");

    fs::write(project.path("broken.proto"), "syntax = \"proto3\";\nmessage Query {\n  int64 id;\n}\n").unwrap();
    let with_proto = [&message[..], &["--proto", "broken.proto"]].concat();
    insta::assert_snapshot!(run(&without, "shop.Users/Get", &with_proto), @r"
    exit 2
    error: failed to read the .proto files: broken.proto:3:11: expected '=', but found ';'
    ");
}
