//! Reads the [`Shape`] in a type skeleton of a recording.

use serde_json::{Map, Value};
use splitcost_model::recording::PayloadClass;
use splitcost_model::recording::shape::{Field, Handle, Model, Shape};

/// Returns the shape of a result; unknown where the skeleton has another form.
pub fn of_result(skeleton: &str) -> Shape {
    serde_json::from_str(skeleton).map_or(Shape::Unknown, |json: Value| shape(&json))
}

/// Returns the arguments in a skeleton, in their order.
pub fn of_arguments(skeleton: &str) -> Vec<Field> {
    let skeleton: Value = serde_json::from_str(skeleton).unwrap_or_default();
    skeleton.get("arguments").and_then(Value::as_object).map(fields).unwrap_or_default()
}

fn fields(named: &Map<String, Value>) -> Vec<Field> {
    let field = |(name, value): (&String, &Value)| Field { name: name.clone(), shape: shape(value), is_required: true };
    named.iter().map(field).collect()
}

fn shape(json: &Value) -> Shape {
    match json {
        Value::String(leaf) => of_leaf(leaf),
        Value::Object(entries) => entries
            .iter()
            .next()
            .map_or(Shape::Unknown, |(kind, value)| of_kind(kind, value, entries.iter().nth(1).map(|(_, more)| more))),
        _ => Shape::Unknown,
    }
}

fn of_leaf(leaf: &str) -> Shape {
    match leaf {
        "none" => Shape::None,
        "bool" => Shape::Bool,
        "int" => Shape::Int,
        "float" => Shape::Float,
        "str" => Shape::Str,
        "bytes" => Shape::Bytes,
        "decimal" => Shape::Decimal,
        "datetime" => Shape::Datetime,
        "date" => Shape::Date,
        "time" => Shape::Time,
        "timedelta" => Shape::Timedelta,
        "uuid" => Shape::Uuid,
        "complex" => Shape::Complex,
        "path" => Shape::Path,
        _ => Shape::Unknown,
    }
}

fn of_kind(kind: &str, value: &Value, more: Option<&Value>) -> Shape {
    let places = |all: &[Value]| all.iter().map(shape).collect();
    match (kind, value) {
        ("set" | "frozenset", element) => Shape::Set(Box::new(shape(element))),
        ("tuple", Value::Array(all)) => Shape::Tuple(places(all)),
        ("list" | "deque" | "tuple", element) => Shape::List(Box::new(shape(element))),
        ("any", Value::Array(all)) => all.iter().map(shape).reduce(Shape::merge).unwrap_or_default(),
        ("dict", Value::Object(named)) => of_dict(named),
        ("enum", Value::String(name)) => Shape::Enum(name.clone()),
        ("exception", Value::String(name)) => Shape::Exception(name.clone()),
        ("class", Value::String(name)) => Shape::Class(name.clone()),
        (_, Value::String(name)) => match (more, class_of(kind)) {
            // A library's collection is encoded as the list, tuple, dictionary or bytes that it is made of.
            (Some(Value::Object(named)), _) => match named.get("*").map(shape) {
                Some(whole) => whole,
                None => Shape::Model(Model { type_name: name.clone(), fields: fields(named) }),
            },
            (_, Some(class)) => Shape::Handle(Handle { type_name: name.clone(), class }),
            _ => Shape::Unknown,
        },
        _ => Shape::Unknown,
    }
}

/// The shape of a dictionary: with a key that is data, all of its keys are.
fn of_dict(named: &Map<String, Value>) -> Shape {
    if !named.contains_key("*") {
        return Shape::Dict(fields(named));
    }
    let values = named.iter().map(|(_, value)| shape(value));
    Shape::Map(Box::new(values.reduce(Shape::merge).unwrap_or_default()))
}

fn class_of(kind: &str) -> Option<PayloadClass> {
    PayloadClass::ALL.into_iter().find(|class| class.name() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(skeleton: &str, expected: &str) {
        assert_eq!(of_result(skeleton).annotation(), expected);
    }

    #[test]
    fn each_kind_of_skeleton_has_its_shape() {
        check(r#""none""#, "None");
        check(r#""decimal""#, "Decimal");
        check(r#"{"list":null}"#, "list[Any]");
        check(r#"{"deque":"int"}"#, "list[int]");
        check(r#"{"frozenset":{"enum":"shop:Color"}}"#, "set[Color]");
        check(r#"{"tuple":["int",{"list":"str"}]}"#, "tuple[int, list[str]]");
        check(r#"{"tuple":"int"}"#, "list[int]");
        check(r#"{"any":["int","none","int"]}"#, "int | None");
        check(r#"{"dict":{"b":"int","a":"str"}}"#, "{b: int, a: str}");
        check(r#"{"dict":{"b":"int","*":"str"}}"#, "dict[Any, int | str]");
        check(r#"{"dict":{}}"#, "dict");
        check(r#"{"model":"shop:Line","fields":{"n":"int"}}"#, "Line");
        check(r#"{"object":"numpy:ndarray","fields":{"*":"bytes"}}"#, "bytes");
        check(r#"{"object":"collections:Counter","fields":{"*":{"dict":{"*":"int"}}}}"#, "dict[Any, int]");
        check(r#"{"object":"collections:UserList","fields":{"*":{"list":"int"}}}"#, "list[int]");
        check(r#"{"exception":"shop:Gone","args":["int"]}"#, "Gone");
        check(r#"{"class":"shop:Line"}"#, "type[Line]");
        check(r#"{"resource":"sqlalchemy.orm.session:Session"}"#, "Session");
        for unknown in [r#""cut""#, "", "3", "{}", r#"{"list":"#, r#"{"new":3}"#] {
            check(unknown, "Any");
        }
    }

    #[test]
    fn arguments_keep_their_order() {
        let names = |skeleton: &str| -> Vec<String> {
            of_arguments(skeleton).into_iter().map(|argument| argument.name).collect()
        };
        assert_eq!(names(r#"{"arguments":{"z":"int","a":"str"}}"#), ["z", "a"]);
        assert!(names(r#"{"dict":{"z":"int"}}"#).is_empty());
    }
}
