//! An interface as pydantic models: one for the arguments, one for the result of each function.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;
use splitcost_model::recording::interface::ServiceInterface;

use super::schema::{Object, Schema, Type};

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
        let mut of = annotation(&field.of);
        if !field.is_required && !field.of.without_none().1 && field.of != Type::Any {
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

fn annotation(of: &Type) -> String {
    let joined = |all: &[Type], separator: &str| all.iter().map(annotation).collect::<Vec<_>>().join(separator);
    match of {
        Type::Any => "typing.Any".to_owned(),
        Type::None => "None".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Int => "int".to_owned(),
        Type::Float => "float".to_owned(),
        Type::Str => "str".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Decimal => "decimal.Decimal".to_owned(),
        Type::Datetime => "datetime.datetime".to_owned(),
        Type::Date => "datetime.date".to_owned(),
        Type::Time => "datetime.time".to_owned(),
        Type::Timedelta => "datetime.timedelta".to_owned(),
        Type::Uuid => "uuid.UUID".to_owned(),
        Type::Complex => "complex".to_owned(),
        Type::Path => "pathlib.Path".to_owned(),
        // Models cannot be hashed.
        Type::Set(element) if !is_hashable(element) => format!("list[{}]", annotation(element)),
        Type::List(element) => format!("list[{}]", annotation(element)),
        Type::Set(element) => format!("set[{}]", annotation(element)),
        Type::Map(value) => format!("dict[typing.Any, {}]", annotation(value)),
        Type::Tuple(all) if all.is_empty() => "tuple[()]".to_owned(),
        Type::Tuple(all) => format!("tuple[{}]", joined(all, ", ")),
        Type::Object(name) => name.clone(),
        Type::Member(what) => format!("typing.Annotated[str | int, {}]", literal(what)),
        Type::Name(what) => format!("typing.Annotated[str, {}]", literal(what)),
        Type::Union(all) => joined(all, " | "),
    }
}

fn is_hashable(of: &Type) -> bool {
    match of {
        Type::Object(_) | Type::List(_) | Type::Set(_) | Type::Map(_) => false,
        Type::Tuple(all) | Type::Union(all) => all.iter().all(is_hashable),
        _ => true,
    }
}
