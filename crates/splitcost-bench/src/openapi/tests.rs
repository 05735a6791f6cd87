//! Tests of documents in both notations, whole and broken.

use std::fmt::Write as _;

use proptest::prelude::*;
use splitcost_load::{Session, Workload};

use super::*;

/// Returns, per operation, the request as it would be sent first, and the guesses.
fn shown(text: &str) -> String {
    let document = read(text).expect("it is a document");
    let mut lines = document.left_out.join("\n");
    for Operation { spec, guesses, is_incomplete } in document.operations {
        let params: Vec<String> = spec.params.iter().map(|(name, param)| format!("{name}: {param:?}")).collect();
        let workload = Workload::new(1, vec![spec.clone()]).expect("it is a request");
        workload.write(workload.draw(0, 0), &Session::default(), "here", &mut Vec::new());
        let body = match &spec.body {
            Some(Body::Json(value)) => format!(" {value}"),
            _ => String::new(),
        };
        let _ = write!(lines, "\n{} {}{body}", spec.method, spec.path);
        for param in params {
            let _ = write!(lines, "\n  {param}");
        }
        if !guesses.is_empty() {
            let _ =
                write!(lines, "\n  {} {}", if is_incomplete { "incomplete:" } else { "guessed:" }, guesses.join(", "));
        }
    }
    lines.trim_start().to_owned()
}

const SHOP: &str = r##"
openapi: 3.1.0
info: {title: Shop, version: "1"}
servers: [{url: "https://shop.test/{stage}/", variables: {stage: {default: v2}}}]
security: [{token: []}]
paths:
  /health:
    get: {security: [], responses: {200: {description: no}}}
  /orders/{order-id}:
    parameters:
      - {name: order-id, in: path, required: true, schema: {type: integer, minimum: 100}}
      - {$ref: "#/components/parameters/Page"}
    get:
      security: [{}, {token: []}]
      parameters:
        - {name: kind, in: query, required: true, schema: {enum: [open, closed]}}
        - {name: tag, in: query, schema: {type: string}}
        - {name: X-Tenant, in: header, required: true, examples: {a: {value: north}, b: {$ref: "#/components/examples/South"}}}
    put:
      requestBody:
        content:
          text/csv: {schema: {type: string}}
          application/merge-patch+json: {schema: {$ref: "#/components/schemas/Order"}}
  /files:
    post: {security: [], requestBody: {content: {multipart/form-data: {schema: {type: object}}}}}
    trace: {}
components:
  examples: {South: {value: south}}
  parameters:
    Page: {name: page, in: query, example: 3, schema: {type: integer}}
  schemas:
    Base: {type: object, required: [id], properties: {id: {type: string, format: uuid}}}
    Order:
      allOf:
        - {$ref: "#/components/schemas/Base"}
        - type: object
          required: [lines, parent, note, status, paid, on]
          properties:
            lines: {type: array, items: {$ref: "#/components/schemas/Line"}}
            parent: {$ref: "#/components/schemas/Order"}
            note: {type: [string, "null"], default: "a {b}"}
            status: {oneOf: [{type: "null"}, {const: open}]}
            paid: {type: number, exclusiveMinimum: 0}
            on: {type: string, readOnly: true}
            extra: {type: string}
    Line:
      type: object
      required: [name, count]
      properties: {name: {type: string}, count: {type: integer, maximum: 0}, order: {$ref: "#/components/schemas/Order"}}
"##;

#[test]
fn values_come_from_the_document_or_are_guesses() {
    insta::assert_snapshot!(shown(SHOP), @r#"
    GET /v2/health
    GET /v2/orders/{order_id}?kind={kind}&page={page}
      X_Tenant: Choice([String("north"), String("south")])
      kind: Choice([String("open"), String("closed")])
      order_id: Int([100, 109])
      page: Choice([Number(3)])
      guessed: order-id
    PUT /v2/orders/{order_id}?page={page} {"id":"00000000-0000-4000-8000-000000000000","lines":[{"name":"FILL IN","count":0}],"note":"a {{b}}","status":"open","paid":1.0}
      order_id: Int([100, 109])
      page: Choice([Number(3)])
      incomplete: order-id, body.id, body.lines.0.name, body.lines.0.count, body.paid, credentials
    POST /v2/files
      incomplete: body (multipart/form-data)
    TRACE /v2/files
      incomplete: credentials
    "#);
}

#[test]
fn json_and_version_3_0_are_read_too() {
    let text = r#"{"openapi": "3.0.3", "paths": {"/a/{b}": {"post": {
        "parameters": [{"in": "path", "name": "b", "schema": {"type": "boolean"}}],
        "requestBody": {"content": {"application/json": {"examples": {"one": {"value": [1, {"c": null}]}}}}}}}}}"#;
    insta::assert_snapshot!(shown(text), @r#"
    POST /a/{b} [1,{"c":null}]
      b: Choice([Bool(true), Bool(false)])
    "#);
}

#[test]
fn a_broken_document_is_an_error_with_its_place() {
    let get = |operation: &str| format!("openapi: 3.1.0\npaths: {{/a/b: {{get: {operation}}}}}\n");
    let broken = [
        "{\"openapi\": ".to_owned(),
        "openapi: 3.1.0\npaths:\n  /a: {get: [}\n".to_owned(),
        "swagger: '2.0'\n".to_owned(),
        "title: a\n".to_owned(),
        "openapi: 4.0.0\n".to_owned(),
        get("[]"),
        get("{parameters: [{$ref: '#/components/nowhere'}]}"),
        get("{parameters: [{$ref: 'other.yaml#/a'}]}"),
        get("{parameters: [{in: query}]}"),
        get("{parameters: [{$ref: '#/paths/~1a~1b/get/parameters/0'}]}"),
        get("{parameters: [{in: path, name: c}]}"),
    ];
    let errors: Vec<String> = broken.iter().map(|text| read(text).expect_err("it is broken")).collect();
    insta::assert_snapshot!(errors.join("\n"), @r##"
    EOF while parsing a value at line 1 column 12
    mismatched bracket '[' closed by '}' at line 3, column 13
    it is a document of Swagger 2.0; OpenAPI 3.0 and 3.1 are read
    it has no field `openapi` with a version
    its version is OpenAPI "4.0.0"; 3.0 and 3.1 are read
    #/paths/~1a~1b/get: it is not an object
    #/paths/~1a~1b/get/parameters/0/$ref: "#/components/nowhere" leads nowhere
    #/paths/~1a~1b/get/parameters/0/$ref: "other.yaml#/a" leads to another file, which is not read: join the files first, for example with `redocly bundle`
    #/paths/~1a~1b/get/parameters/0: it has no text "name"
    #/paths/~1a~1b/get/parameters/0: its references form a circle
    #/paths/~1a~1b/get/parameters/0: the path has no placeholder {c}
    "##);
}

#[test]
fn placeholders_that_are_not_described_are_guesses() {
    insta::assert_snapshot!(shown("openapi: 3.1.0\npaths: {'/a/{b}/{': {get: {}}}\n"), @r#"
    GET /a/{b}/{{
      b: Choice([String("FILL IN")])
      incomplete: b
    "#);
}

#[test]
fn circles_of_schemas_end() {
    let many: String = (0..40).fold(String::new(), |mut text, i| {
        let _ = writeln!(
            text,
            "    S{i}: {{anyOf: [{{$ref: '#/components/schemas/S{}'}}, {{$ref: '#/components/schemas/S{}'}}]}}",
            i + 1,
            i + 1
        );
        text
    });
    let text = format!(
        "openapi: 3.1.0\npaths: {{/a: {{post: {{requestBody: {{content: {{application/json: {{schema: {{$ref: '#/components/schemas/S0'}}}}}}}}}}}}}}\n\
         components:\n  schemas:\n{many}    S40: {{$ref: '#/components/schemas/S0'}}\n"
    );
    assert_eq!(shown(&text), "POST /a");
}

proptest! {
    #[test]
    fn a_damaged_document_is_read_or_refused(cut in 0..SHOP.len(), byte: u8, at in 0..SHOP.len()) {
        let mut text = SHOP.as_bytes().to_vec();
        text[at] = byte;
        text.truncate(cut.max(1));
        // An error or a document, never a panic.
        let _ = read(&String::from_utf8_lossy(&text));
    }
}
