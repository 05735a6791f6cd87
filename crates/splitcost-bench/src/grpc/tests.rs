use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;

const SHOP: &str = r#"
syntax = "proto3";
package shop;
import "common/money.proto";
import "google/protobuf/timestamp.proto";

message Item { string product = 1; uint32 quantity = 2; common.Money price = 3; }
message Order {
  int64 id = 1;
  repeated Item items = 2;
  google.protobuf.Timestamp placed = 3;
  oneof payer { string name = 4; bytes token = 5; }
}
message Placed { bool ok = 1; }
service Orders {
  rpc ValueDifference(Order) returns (Placed);
  rpc Watch(Order) returns (stream Placed);
}
"#;
const MONEY: &str = "syntax = \"proto3\";\npackage common;\nmessage Money { sint64 cents = 1; }\n";

/// Two directories of sources.
fn sources(shop: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in [("api/shop.proto", shop), ("shared/common/money.proto", MONEY)] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn proto(dir: &TempDir) -> Schema {
    Schema::Proto { files: vec![dir.path().join("api/shop.proto")], import_paths: vec![dir.path().join("shared")] }
}

fn find(schema: &Schema, name: &str) -> Result<Method> {
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into();
    Method::find(schema, &nobody, name)
}

/// Returns the encoded order, or the error.
fn place(order: &Value) -> String {
    let dir = sources(SHOP);
    match find(&proto(&dir), "shop.Orders/ValueDifference").unwrap().encode(order) {
        Ok(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}

fn problem(schema: &Schema, name: &str) -> String {
    find(schema, name).unwrap_err().to_string()
}

#[test]
fn json_becomes_the_bytes_that_protobuf_writes() {
    assert_eq!(place(&json!({})), "");
    assert_eq!(
        place(&json!({
            "id": "150", "items": [{"product": "tea", "quantity": 2, "price": {"cents": -1}}],
            "placed": "1970-01-01T00:00:01Z", "token": "AP8=",
        })),
        "08 96 01 12 0b 0a 03 74 65 61 10 02 1a 02 08 01 1a 02 08 01 2a 02 00 ff"
    );
}

#[test]
fn wrong_json_is_named_with_its_path() {
    for (order, expected) in [
        (json!({"idd": 1}), "unrecognized field name 'idd'"),
        (json!({"items": [{}, {"quantity": -1}]}), "at items[1].quantity: "),
        (json!({"items": [{"price": {"cents": "x"}}]}), "at items[0].price.cents: "),
        (json!({"name": "a", "token": ""}), "multiple fields provided for oneof 'payer'"),
        (json!({"placed": "yesterday"}), "at placed: "),
        (json!([1]), "invalid type: sequence"),
    ] {
        let said = place(&order);
        assert!(
            said.starts_with("encode the JSON as a gRPC message shop.Order: ") && said.contains(expected),
            "{said}"
        );
    }
}

#[test]
fn methods_are_found_or_named() {
    let dir = sources(SHOP);
    let problem = |name: &str| problem(&proto(&dir), name);
    assert_eq!(
        problem("shop.Order/ValueDifference"),
        "call the gRPC method shop.Order/ValueDifference: there is no service shop.Order; there are: shop.Orders"
    );
    assert_eq!(
        problem("/shop.Orders/Pay"),
        "call the gRPC method /shop.Orders/Pay: shop.Orders has ValueDifference, Watch, but no Pay"
    );
    assert_eq!(
        problem("shop.Orders/Watch"),
        "call the gRPC method shop.Orders/Watch: it is a streaming method; load can be put on unary ones only"
    );
    for name in ["", "/", "shop.Orders", "shop..Orders/ValueDifference", "shop.Orders/ValueDifference?x=1", "a/b/c"] {
        assert!(problem(name).contains("is written package.Service/Method"), "{name}");
    }
}

#[test]
fn a_descriptor_set_is_as_good_as_its_sources() {
    let dir = sources(SHOP);
    let path = dir.path().join("shop.binpb");
    let mut compiler = protox::Compiler::new([dir.path().join("api"), dir.path().join("shared")]).unwrap();
    let set = compiler.include_imports(true).open_file("shop.proto").unwrap().encode_file_descriptor_set();
    fs::write(&path, &set).unwrap();
    let method = find(&Schema::DescriptorSet(path.clone()), "shop.Orders/ValueDifference").unwrap();
    assert_eq!(method.encode(&json!({"id": 1})).unwrap(), [8, 1]);

    fs::write(&path, &set[..set.len() - 1]).unwrap();
    let said = problem(&Schema::DescriptorSet(path), "shop.Orders/ValueDifference");
    assert!(said.contains("read the descriptor set ") && said.contains("shop.binpb"), "{said}");
    let said = problem(&Schema::DescriptorSet(dir.path().join("none")), "shop.Orders/ValueDifference");
    assert!(said.contains("none: No such file"), "{said}");
}

#[test]
fn wrong_sources_are_named_with_their_line() {
    for (shop, expected) in [
        ("syntax = \"proto3\";\nmessage Order {\n  int32 id = ;\n}\n", "shop.proto:3:14: "),
        ("syntax = \"proto3\";\nmessage Order {\n  Item item = 1;\n}\n", "shop.proto:3:3: "),
        ("syntax = \"proto3\";\nimport \"nowhere.proto\";\n", "'nowhere.proto' not found"),
        ("edition = \"2023\";\n", "shop.proto:1:1: "),
    ] {
        let dir = sources(shop);
        let said = problem(&proto(&dir), "shop.Orders/ValueDifference");
        assert!(said.starts_with("read the .proto files: ") && said.contains(expected), "{said}");
    }
    let none = Schema::Proto { files: vec!["nowhere/none.proto".into()], import_paths: vec![] };
    assert_eq!(problem(&none, "a.B/C"), "read nowhere/none.proto: No such file or directory (os error 2)");
}
