//! An interface as an `OpenAPI` document: one POST operation for each function.

use serde_json::{Map, Value, json};
use splitcost_model::recording::interface::ServiceInterface;
use splitcost_model::recording::shape::Shape;

use super::schema::{Object, Operation, Schema, stands_for};

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
        Shape::None => json!({ "description": "The function returned None." }),
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
        object.fields.iter().map(|field| (field.name.clone(), schema_of(&field.shape))).collect();
    let required: Vec<&str> =
        object.fields.iter().filter(|field| field.is_required).map(|field| field.name.as_str()).collect();
    let mut schema = json!({ "type": "object", "description": object.origin, "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn schema_of(of: &Shape) -> Value {
    let text = |format: &str| json!({ "type": "string", "format": format });
    match of {
        Shape::Unknown | Shape::Dict(_) => json!({}),
        Shape::None => json!({ "type": "null" }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Int => json!({ "type": "integer" }),
        Shape::Float => json!({ "type": "number" }),
        Shape::Str | Shape::Path | Shape::Complex => json!({ "type": "string" }),
        Shape::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Shape::Decimal => text("decimal"),
        Shape::Datetime => text("date-time"),
        Shape::Date => text("date"),
        Shape::Time => text("time"),
        Shape::Timedelta => text("duration"),
        Shape::Uuid => text("uuid"),
        Shape::List(element) => json!({ "type": "array", "items": schema_of(element) }),
        Shape::Set(element) => json!({ "type": "array", "items": schema_of(element), "uniqueItems": true }),
        Shape::Tuple(all) => json!({
            "type": "array",
            "prefixItems": all.iter().map(schema_of).collect::<Vec<_>>(),
            "minItems": all.len(),
            "maxItems": all.len(),
        }),
        Shape::Map(value) => json!({ "type": "object", "additionalProperties": schema_of(value) }),
        Shape::Model(model) => json!({ "$ref": format!("#/components/schemas/{}", model.type_name) }),
        Shape::Enum(_) => json!({ "type": ["string", "integer"], "description": stands_for(of) }),
        Shape::Exception(_) | Shape::Class(_) | Shape::Handle(_) => {
            json!({ "type": "string", "description": stands_for(of) })
        }
        Shape::Any(all) => json!({ "anyOf": all.iter().map(schema_of).collect::<Vec<_>>() }),
    }
}
