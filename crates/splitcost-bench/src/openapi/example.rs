//! Examples of values from their schemas.

use serde_json::{Map, Value};

use super::UNKNOWN;
use super::reference::{Node, Root};

/// Chosen: an example is for a person to edit; deeper values are left out where that is allowed.
const DEEPEST: usize = 8;

/// Chosen: schemas that refer to each other are seldom nested a tenth as deep.
const MAX_NESTED: usize = 64;

/// Chosen: an example that looks at more schemas is of no use to a person; alternatives of alternatives are countless.
const MAX_SCHEMAS: usize = 10_000;

/// The maker of one example.
pub(super) struct Example<'a> {
    root: Root<'a>,
    /// The place within the example.
    path: Vec<String>,
    /// The schemas around the present one, which end circles.
    open: Vec<String>,
    /// The schemas that were looked at.
    schemas: usize,
    /// The places of values that the document does not give.
    pub(super) guesses: Vec<String>,
    /// True where a value is only a text to be replaced.
    pub(super) is_incomplete: bool,
}

impl<'a> Example<'a> {
    pub(super) fn new(root: Root<'a>, name: &str) -> Self {
        Self {
            root,
            path: vec![name.to_owned()],
            open: Vec::new(),
            schemas: 0,
            guesses: Vec::new(),
            is_incomplete: false,
        }
    }

    /// Returns an example of a schema; none where only a circle of schemas could make one.
    pub(super) fn of(&mut self, schema: &Node<'a>) -> Result<Option<Value>, String> {
        let schema = self.root.resolve(schema.clone())?;
        self.schemas += 1;
        let is_endless = self.path.len() > DEEPEST || self.open.len() > MAX_NESTED || self.schemas > MAX_SCHEMAS;
        if is_endless || self.open.contains(&schema.pointer) {
            return Ok(None);
        }
        self.open.push(schema.pointer.clone());
        let value = self.made(&schema);
        self.open.pop();
        value
    }

    fn made(&mut self, schema: &Node<'a>) -> Result<Option<Value>, String> {
        let field = |name: &str| schema.value.get(name);
        let first = |name: &str| field(name).and_then(Value::as_array).and_then(|values| values.first());
        let given =
            field("const").or(field("example")).or(first("examples")).or(field("default").filter(|v| !v.is_null()));
        if let Some(given) = given.or(first("enum")) {
            return Ok(Some(given.clone()));
        }
        if schema.get("allOf").is_some() {
            return self.merged(schema);
        }
        for alternatives in ["oneOf", "anyOf"] {
            let Some(alternatives) = schema.get(alternatives) else { continue };
            for alternative in alternatives.items()? {
                let alternative = self.root.resolve(alternative)?;
                let is_null = alternative.value.get("type").is_some_and(|kind| kind == "null");
                if !is_null && let Some(value) = self.of(&alternative)? {
                    return Ok(Some(value));
                }
            }
            return Ok(None);
        }
        match kind(schema.value) {
            "object" => self.object(schema).map(|fields| Some(fields.into())),
            "array" => self.array(schema).map(Some),
            kind => Ok(Some(self.scalar(kind, schema.value))),
        }
    }

    /// Returns the fields of all parts of a schema together.
    fn merged(&mut self, schema: &Node<'a>) -> Result<Option<Value>, String> {
        let mut fields = if schema.get("properties").is_some() { self.object(schema)? } else { Map::new() };
        let mut scalar = None;
        for part in schema.get("allOf").map(|parts| parts.items()).transpose()?.into_iter().flatten() {
            match self.of(&part)? {
                Some(Value::Object(more)) => fields.extend(more),
                other => scalar = other.or(scalar),
            }
        }
        Ok(if fields.is_empty() { scalar.or(Some(Map::new().into())) } else { Some(fields.into()) })
    }

    /// Returns the required fields of an object, or all of them where the schema does not say which are.
    fn object(&mut self, schema: &Node<'a>) -> Result<Map<String, Value>, String> {
        let mut fields = Map::new();
        let required = schema.value.get("required").and_then(Value::as_array);
        for (name, property) in schema.get("properties").map(|all| all.fields()).transpose()?.into_iter().flatten() {
            let property = self.root.resolve(property)?;
            let is_required = required.is_none_or(|required| required.iter().any(|one| one == name));
            if !is_required || property.value.get("readOnly").is_some_and(|read_only| *read_only == true) {
                continue;
            }
            self.path.push(name.to_owned());
            let value = self.of(&property);
            self.path.pop();
            fields.extend(value?.map(|value| (name.to_owned(), value)));
        }
        Ok(fields)
    }

    fn array(&mut self, schema: &Node<'a>) -> Result<Value, String> {
        let items = schema.get("prefixItems").map(|items| items.items()).transpose()?;
        let items = match items {
            Some(items) => items,
            None => schema.get("items").filter(|items| items.value.is_object()).into_iter().collect(),
        };
        let mut values = Vec::new();
        for (at, item) in items.iter().enumerate() {
            self.path.push(at.to_string());
            let value = self.of(item);
            self.path.pop();
            values.extend(value?);
        }
        Ok(values.into())
    }

    fn scalar(&mut self, kind: &str, schema: &Value) -> Value {
        if kind == "null" {
            return Value::Null;
        }
        self.guesses.push(self.path.join("."));
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let low = bound("minimum").or(bound("exclusiveMinimum").map(|low| low + 1.0));
        let high = bound("maximum").or(bound("exclusiveMaximum").map(|high| high - 1.0));
        let number = low.unwrap_or(1.0).min(high.unwrap_or(f64::INFINITY));
        match kind {
            "integer" => Value::from(number.ceil() as i64),
            "number" => Value::from(number),
            "boolean" => Value::from(true),
            _ => {
                let text = text(schema);
                self.is_incomplete |= text == UNKNOWN;
                text.into()
            }
        }
    }
}

/// Returns the type of a schema; of several, the first that is not null.
fn kind(schema: &Value) -> &str {
    let named = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        other => other.and_then(Value::as_str),
    };
    match named {
        Some(kind) => kind,
        None if schema.get("properties").is_some() || schema.get("additionalProperties").is_some() => "object",
        None if schema.get("items").is_some() || schema.get("prefixItems").is_some() => "array",
        None => "string",
    }
}

/// Returns a text of the schema's format.
fn text(schema: &Value) -> String {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let known = match format {
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T12:00:00Z",
        "time" => "12:00:00Z",
        "duration" => "P1D",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        "email" | "idn-email" => "a@example.com",
        "uri" | "url" | "iri" => "https://example.com/",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "byte" => "dGV4dA==",
        _ => UNKNOWN,
    };
    known.to_owned()
}
