//! An interface as a `.proto` of proto3: one service, with a call for each function.

use std::collections::BTreeSet;
use std::fmt::Write;

use splitcost_model::recording::interface::ServiceInterface;
use splitcost_model::recording::shape::{Field, Shape};

use super::schema::{Names, Object, Operation, Schema, camel, snake, without_none};

/// Returns the `.proto` of a service.
pub(super) fn render(service: &ServiceInterface, heading: &str) -> String {
    let schema = Schema::of(service);
    let package = snake(&service.service);
    let names: BTreeSet<&str> = schema.operations.iter().map(|operation| operation.name.as_str()).collect();
    let mut proto = Proto { names: schema.names, messages: String::new(), imports: BTreeSet::new() };
    let mut calls = String::new();
    for operation in &schema.operations {
        let result = proto.result(operation);
        // In the scope of the service, the name of a call hides the message of that name.
        let result = if names.contains(result.as_str()) { format!(".{package}.{result}") } else { result };
        calls.push_str(&call(operation, &result));
    }
    for object in &schema.objects {
        proto.object(object);
    }
    let mut out = format!("// {heading}\n\nsyntax = \"proto3\";\n\npackage {package};\n");
    for (index, import) in proto.imports.iter().enumerate() {
        let _ = writeln!(out, "{}import \"google/protobuf/{import}.proto\";", if index == 0 { "\n" } else { "" });
    }
    let _ = write!(out, "\nservice {} {{\n{calls}}}\n{}", camel(&service.service), proto.messages);
    out
}

/// Returns a call, with its notes as comments.
fn call(operation: &Operation<'_>, result: &str) -> String {
    let stream = if operation.is_stream { "stream " } else { "" };
    let mut out = String::new();
    let notes = operation.notes.iter().map(|note| note.split_whitespace().collect::<Vec<_>>().join(" "));
    for note in std::iter::once(operation.function.function.clone()).chain(notes) {
        let _ = writeln!(out, "  // {note}");
    }
    let _ = writeln!(out, "  rpc {}({}) returns ({stream}{result});", operation.name, operation.arguments);
    out
}

/// The type of a field.
enum FieldType {
    One(String),
    Repeated(String),
    Map(String),
}

struct Proto {
    names: Names,
    messages: String,
    /// Files of `google/protobuf` that are used.
    imports: BTreeSet<&'static str>,
}

impl Proto {
    /// Returns the name of the message of a result.
    fn result(&mut self, operation: &Operation<'_>) -> String {
        match &operation.result {
            Shape::Model(model) => model.type_name.clone(),
            Shape::None => self.well_known("empty", "Empty"),
            result => {
                let field = Field { name: "value".to_owned(), shape: result.clone(), is_required: true };
                let origin = format!("The result of {}", operation.function.function);
                let name = operation.result_name.clone();
                self.object(&Object { name: name.clone(), origin, fields: vec![field] });
                name
            }
        }
    }

    fn object(&mut self, object: &Object) {
        let mut body = String::new();
        let mut taken = BTreeSet::new();
        for (number, field) in (1..).zip(&object.fields) {
            let mut name = snake_field(&field.name);
            // Names are compared as those in the JSON of protobuf are.
            while !taken.insert(camel(&name).to_ascii_lowercase()) {
                let _ = write!(name, "_{number}");
            }
            let _ = writeln!(body, "  {};", self.field(field, &name, number, &object.name));
        }
        self.message(&object.name, &object.origin, &body);
    }

    fn message(&mut self, name: &str, origin: &str, body: &str) {
        let _ = write!(self.messages, "\n// {origin}.\nmessage {name} {{\n{body}}}\n");
    }

    fn field(&mut self, field: &Field, name: &str, number: usize, context: &str) -> String {
        let context = format!("{context}{}", camel(name));
        let (of, has_none) = without_none(&field.shape);
        let is_optional = has_none || !field.is_required;
        match self.field_type(&of, &context) {
            FieldType::One(of) if is_optional => format!("optional {of} {name} = {number}"),
            FieldType::One(of) => format!("{of} {name} = {number}"),
            // A list has no presence of its own.
            other if is_optional => {
                let of = self.wrapped(other, &context);
                format!("optional {of} {name} = {number}")
            }
            FieldType::Repeated(of) => format!("repeated {of} {name} = {number}"),
            FieldType::Map(of) => format!("map<string, {of}> {name} = {number}"),
        }
    }

    fn field_type(&mut self, of: &Shape, context: &str) -> FieldType {
        match of {
            Shape::List(element) | Shape::Set(element) => {
                FieldType::Repeated(self.one(element, &format!("{context}Item")))
            }
            Shape::Map(value) => FieldType::Map(self.one(value, &format!("{context}Item"))),
            of => FieldType::One(self.one(of, context)),
        }
    }

    /// Returns the name of the type of one value; what has none gets a message of its own.
    fn one(&mut self, of: &Shape, context: &str) -> String {
        let scalar = match of {
            Shape::Bool => "bool",
            Shape::Int => "int64",
            Shape::Float => "double",
            Shape::Bytes => "bytes",
            Shape::Str
            | Shape::Path
            | Shape::Decimal
            | Shape::Uuid
            | Shape::Date
            | Shape::Time
            | Shape::Complex
            | Shape::Enum(_)
            | Shape::Exception(_)
            | Shape::Class(_)
            | Shape::Handle(_) => "string",
            Shape::Model(model) => return model.type_name.clone(),
            Shape::Datetime => return self.well_known("timestamp", "Timestamp"),
            Shape::Timedelta => return self.well_known("duration", "Duration"),
            Shape::Unknown | Shape::Dict(_) => return self.well_known("struct", "Value"),
            Shape::None => return self.well_known("struct", "NullValue"),
            Shape::List(_) | Shape::Set(_) | Shape::Map(_) => {
                let field_type = self.field_type(of, context);
                return self.wrapped(field_type, context);
            }
            Shape::Tuple(all) => {
                let name = self.names.take(&[format!("{context}Tuple")]);
                let fields = (1..).zip(all).map(|(number, of)| Field {
                    name: format!("item_{number}"),
                    shape: of.clone(),
                    is_required: true,
                });
                let fields = fields.collect();
                self.object(&Object { name: name.clone(), origin: "A tuple".to_owned(), fields });
                return name;
            }
            Shape::Any(all) => return self.choice(all, context),
        };
        scalar.to_owned()
    }

    /// Returns the name of a message that holds one of several types.
    fn choice(&mut self, all: &[Shape], context: &str) -> String {
        let name = self.names.take(&[format!("{context}Choice")]);
        let mut body = "  // None where it is empty.\n  oneof value {\n".to_owned();
        let rest: Vec<&Shape> = all.iter().filter(|one| **one != Shape::None).collect();
        for (number, one) in (1..).zip(rest) {
            let of = self.one(one, &format!("{context}{number}"));
            let _ = writeln!(body, "    {of} choice_{number} = {number};");
        }
        body.push_str("  }\n");
        self.message(&name, "One of several types", &body);
        name
    }

    /// Returns the name of a message around a list or map.
    fn wrapped(&mut self, of: FieldType, context: &str) -> String {
        let (suffix, field) = match of {
            FieldType::One(of) => return of,
            FieldType::Repeated(of) => ("List", format!("repeated {of} items = 1")),
            FieldType::Map(of) => ("Map", format!("map<string, {of}> entries = 1")),
        };
        let name = self.names.take(&[format!("{context}{suffix}")]);
        self.message(
            &name,
            "A list or map that may be absent, or that is inside another one",
            &format!("  {field};\n"),
        );
        name
    }

    fn well_known(&mut self, file: &'static str, name: &str) -> String {
        self.imports.insert(file);
        format!("google.protobuf.{name}")
    }
}

/// Returns the name of a field that protobuf accepts; one that is valid already stays as it is.
fn snake_field(name: &str) -> String {
    let is_valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_valid { name.to_owned() } else { snake(&format!("f_{name}")) }
}
