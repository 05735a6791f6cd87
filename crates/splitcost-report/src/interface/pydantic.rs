//! An interface as pydantic models: one for the arguments, one for the result of each function.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;
use splitcost_model::recording::interface::ServiceInterface;
use splitcost_model::recording::shape::Shape;

use super::schema::{Object, Schema, stands_for, without_none};

/// Names that a field cannot have in a class of pydantic, or that annotations use.
///
/// Spec: the Python language reference, "Keywords"; attributes of `pydantic.BaseModel` without the `model_` prefix.
const RESERVED: &str = "False None True and as assert async await bool break bytes class complex construct continue copy \
    datetime decimal def del dict elif else except finally float for from from_orm global if import in \
    int is json lambda list nonlocal not or parse_file parse_obj parse_raw pass pathlib pydantic raise \
    return schema schema_json self set str try tuple typing update_forward_refs uuid validate while with \
    yield";

/// The modules of the standard library that annotations use.
const MODULES: [&str; 5] = ["datetime", "decimal", "pathlib", "typing", "uuid"];

/// Returns a Python module with the models of a service.
pub(super) fn render(service: &ServiceInterface, heading: &str) -> String {
    let schema = Schema::of(service);
    let mut out = String::new();
    for object in &schema.objects {
        class(&mut out, object);
    }
    for operation in &schema.operations {
        let function = &operation.function.function;
        let stream = if operation.is_stream { "An item of the result" } else { "The result" };
        let _ = write!(
            out,
            "\n\nclass {}(pydantic.RootModel[{}]):\n    \"\"\"{stream} of {function}.\"\"\"\n",
            operation.result_name,
            annotation(&operation.result)
        );
        for (index, note) in operation.notes.iter().enumerate() {
            let _ = writeln!(out, "{}    # {}", if index == 0 { "\n" } else { "" }, one_line(note));
        }
    }
    let mut imports = String::new();
    for module in MODULES.iter().filter(|module| out.contains(&format!("{module}."))) {
        let _ = writeln!(imports, "import {module}");
    }
    let gap = if imports.is_empty() { "" } else { "\n" };
    format!("\"\"\"{heading}\"\"\"\n\nfrom __future__ import annotations\n\n{imports}{gap}import pydantic\n{out}")
}

fn class(out: &mut String, object: &Object) {
    let _ = write!(out, "\n\nclass {}(pydantic.BaseModel):\n    \"\"\"{}.\"\"\"\n", object.name, object.origin);
    let (mut body, mut has_alias) = (String::new(), false);
    let mut taken = BTreeSet::new();
    for field in &object.fields {
        let mut of = annotation(&field.shape);
        if !field.is_required && !without_none(&field.shape).1 && field.shape != Shape::Unknown {
            of.push_str(" | None");
        }
        let mut name = identifier(&field.name);
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        has_alias |= name != field.name;
        let default = if field.is_required { "" } else { "None" };
        let value = match (name == field.name, default) {
            (true, "") => String::new(),
            (true, default) => format!(" = {default}"),
            (false, "") => format!(" = pydantic.Field(alias={})", literal(&field.name)),
            (false, default) => format!(" = pydantic.Field({default}, alias={})", literal(&field.name)),
        };
        let _ = writeln!(body, "    {name}: {of}{value}");
    }
    if has_alias {
        out.push_str("\n    model_config = pydantic.ConfigDict(populate_by_name=True)\n");
    }
    if !body.is_empty() {
        let _ = write!(out, "\n{body}");
    }
}

/// Returns the name of a field that Python and pydantic accept.
fn identifier(name: &str) -> String {
    let mut identifier: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // A leading underscore makes an attribute private.
    while identifier.starts_with('_') {
        identifier.remove(0);
    }
    if !identifier.starts_with(|c: char| c.is_ascii_alphabetic()) || identifier.starts_with("model_") {
        identifier = format!("field_{identifier}");
    }
    if RESERVED.split(' ').any(|reserved| reserved == identifier) {
        identifier.push('_');
    }
    identifier
}

/// Returns a text as a literal of Python.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn annotation(of: &Shape) -> String {
    let joined = |all: &[Shape], separator: &str| all.iter().map(annotation).collect::<Vec<_>>().join(separator);
    match of {
        Shape::Unknown | Shape::Dict(_) => "typing.Any".to_owned(),
        Shape::None => "None".to_owned(),
        Shape::Bool => "bool".to_owned(),
        Shape::Int => "int".to_owned(),
        Shape::Float => "float".to_owned(),
        Shape::Str => "str".to_owned(),
        Shape::Bytes => "bytes".to_owned(),
        Shape::Decimal => "decimal.Decimal".to_owned(),
        Shape::Datetime => "datetime.datetime".to_owned(),
        Shape::Date => "datetime.date".to_owned(),
        Shape::Time => "datetime.time".to_owned(),
        Shape::Timedelta => "datetime.timedelta".to_owned(),
        Shape::Uuid => "uuid.UUID".to_owned(),
        Shape::Complex => "complex".to_owned(),
        Shape::Path => "pathlib.Path".to_owned(),
        // Models cannot be hashed.
        Shape::Set(element) if !is_hashable(element) => format!("list[{}]", annotation(element)),
        Shape::List(element) => format!("list[{}]", annotation(element)),
        Shape::Set(element) => format!("set[{}]", annotation(element)),
        Shape::Map(value) => format!("dict[typing.Any, {}]", annotation(value)),
        Shape::Tuple(all) if all.is_empty() => "tuple[()]".to_owned(),
        Shape::Tuple(all) => format!("tuple[{}]", joined(all, ", ")),
        Shape::Model(model) => model.type_name.clone(),
        Shape::Enum(_) => format!("typing.Annotated[str | int, {}]", literal(&stands_for(of))),
        Shape::Exception(_) | Shape::Class(_) | Shape::Handle(_) => {
            format!("typing.Annotated[str, {}]", literal(&stands_for(of)))
        }
        Shape::Any(all) => joined(all, " | "),
    }
}

fn is_hashable(of: &Shape) -> bool {
    match of {
        Shape::Model(_) | Shape::List(_) | Shape::Set(_) | Shape::Map(_) => false,
        Shape::Tuple(all) | Shape::Any(all) => all.iter().all(is_hashable),
        _ => true,
    }
}
