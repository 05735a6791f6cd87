//! A JSON message of gRPC: encoded or refused.
#![no_main]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use splitcost_bench::grpc::{Method, Schema};

static METHOD: LazyLock<Method> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("everything.proto");
    let schema = Schema::Proto { files: vec![file], import_paths: Vec::new() };
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1)).into();
    Method::find(&schema, &nobody, "everything.Service/Call").expect("the schema is beside this")
});

fuzz_target!(|text: &str| {
    if let Ok(message) = serde_json::from_str(text) {
        let _ = METHOD.encode(&message);
    }
});
