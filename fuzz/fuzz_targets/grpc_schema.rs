//! A descriptor set, or a source when it is text: a method is found in it, and encodes an empty message, or not.
#![no_main]

use std::fs;
use std::net::SocketAddr;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use splitcost_bench::grpc::{Method, Schema};
use tempfile::TempDir;

static DIR: LazyLock<TempDir> = LazyLock::new(|| TempDir::with_prefix("splitcost-fuzz-").expect("there is space"));

fuzz_target!(|bytes: &[u8]| {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1)).into();
    let path = DIR.path().join("a.proto");
    fs::write(&path, bytes).expect("there is space");
    let schema = if std::str::from_utf8(bytes).is_ok() {
        Schema::Proto { files: vec![path], import_paths: Vec::new() }
    } else {
        Schema::DescriptorSet(path)
    };
    if let Ok(method) = Method::find(&schema, &nobody, "a.B/C") {
        let _ = method.encode(&serde_json::json!({}));
    }
});
