//! An interface as an `OpenAPI` document: one POST operation for each function.

use serde_json::{Map, Value, json};
use splitcost_model::recording::interface::ServiceInterface;

use super::schema::{Object, Operation, Schema, Type};

/// Returns the `OpenAPI` 3.1 document of a service, as JSON.
pub(super) fn render(service: &ServiceInterface, heading: &str) -> String {
    let schema = Schema::of(service);
    let paths: Map<String, Value> = schema
        .operations
        .iter()
        .map(|operation| (format!("/{}", operation.function.function.replace(':', "/")), path(operation)))
        .collect();
    let schemas: Map<String, Value> =
        schema.objects.iter().map(|object| (object.name.clone(), object_schema(object))).collect();
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": service.service, "version": "1", "description": heading },
        "paths": paths,
        "components": { "schemas": schemas },
    });
    format!("{document:#}")
}

fn path(operation: &Operation<'_>) -> Value {
    let answer = match &operation.result {
        Type::None => json!({ "description": "The function returned None." }),
        result => json!({
            "description": if operation.is_stream { "An item of the result." } else { "The result." },
            "content": { "application/json": { "schema": schema_of(result) } },
        }),
    };
    let mut responses = json!({ "200": answer });
    if !operation.function.exceptions.is_empty() {
        responses["default"] =
            json!({ "description": format!("The function raised {}.", operation.function.exceptions.join(" or ")) });
    }
    let arguments = format!("#/components/schemas/{}", operation.arguments);
    let mut post = json!({
        "operationId": operation.name,
        "summary": operation.function.function,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": arguments } } },
        },
        "responses": responses,
        "x-splitcost-readiness": operation.function.readiness,
        "x-splitcost-calls-per-request": operation.function.calls_per_request,
    });
    if !operation.notes.is_empty() {
        post["description"] = operation.notes.join("\n").into();
    }
    json!({ "post": post })
}

fn object_schema(object: &Object) -> Value {
    let properties: Map<String, Value> =
        object.fields.iter().map(|field| (field.name.clone(), schema_of(&field.of))).collect();
    let required: Vec<&str> =
        object.fields.iter().filter(|field| field.is_required).map(|field| field.name.as_str()).collect();
    let mut schema = json!({ "type": "object", "description": object.origin, "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn schema_of(of: &Type) -> Value {
    let text = |format: &str| json!({ "type": "string", "format": format });
    match of {
        Type::Any => json!({}),
        Type::None => json!({ "type": "null" }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::Int => json!({ "type": "integer" }),
        Type::Float => json!({ "type": "number" }),
        Type::Str | Type::Path | Type::Complex => json!({ "type": "string" }),
        Type::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Type::Decimal => text("decimal"),
        Type::Datetime => text("date-time"),
        Type::Date => text("date"),
        Type::Time => text("time"),
        Type::Timedelta => text("duration"),
        Type::Uuid => text("uuid"),
        Type::List(element) => json!({ "type": "array", "items": schema_of(element) }),
        Type::Set(element) => json!({ "type": "array", "items": schema_of(element), "uniqueItems": true }),
        Type::Tuple(all) => json!({
            "type": "array",
            "prefixItems": all.iter().map(schema_of).collect::<Vec<_>>(),
            "minItems": all.len(),
            "maxItems": all.len(),
        }),
        Type::Map(value) => json!({ "type": "object", "additionalProperties": schema_of(value) }),
        Type::Object(name) => json!({ "$ref": format!("#/components/schemas/{name}") }),
        Type::Member(what) => json!({ "type": ["string", "integer"], "description": what }),
        Type::Name(what) => json!({ "type": "string", "description": what }),
        Type::Union(all) => json!({ "anyOf": all.iter().map(schema_of).collect::<Vec<_>>() }),
    }
}
