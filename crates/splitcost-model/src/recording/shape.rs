//! Shapes: the types in recorded payloads, merged over all samples of one place.

use serde::{Deserialize, Serialize};

use super::PayloadClass;

/// The types that a value had, and how they are nested.
///
/// As JSON, it is written as the recording's own skeletons are: `"int"`, `{"list": "str"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A value that was not looked at, or an element of what was always empty.
    #[default]
    Unknown,
    /// `None`.
    None,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `float`.
    Float,
    /// `str`.
    Str,
    /// `bytes`.
    Bytes,
    /// `decimal.Decimal`.
    Decimal,
    /// `datetime.datetime`.
    Datetime,
    /// `datetime.date`.
    Date,
    /// `datetime.time`.
    Time,
    /// `datetime.timedelta`.
    Timedelta,
    /// `uuid.UUID`.
    Uuid,
    /// `complex`.
    Complex,
    /// A path of `pathlib`.
    Path,
    /// A list, or tuples of several lengths.
    List(Box<Shape>),
    /// A set, frozen or not.
    Set(Box<Shape>),
    /// A tuple with a shape for each place.
    Tuple(Vec<Shape>),
    /// A dictionary whose keys are data.
    Map(Box<Shape>),
    /// A dictionary whose keys are the names of fields.
    Dict(Vec<Field>),
    /// An object with fields.
    Model(Model),
    /// A member of an enumeration, by the enumeration's name.
    Enum(String),
    /// An exception, by its type's name.
    Exception(String),
    /// A class, by its name.
    Class(String),
    /// A value that cannot be sent as data.
    Handle(Handle),
    /// One of several.
    Any(Vec<Shape>),
}

/// An object with fields: an instance of a pydantic model, a dataclass, a named tuple or another class of data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its type, as `shop.pricing.models:PricedLine`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A value that cannot be sent as data: a resource, a callback, an object that stays where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The class, which says why.
    pub class: PayloadClass,
}

/// A named part of an object, a dictionary or the arguments of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// False where a sample was without it.
    pub is_required: bool,
}

impl Shape {
    /// Returns the shape that describes both values.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.merge(*b))),
            (Self::Set(a), Self::Set(b)) => Self::Set(Box::new(a.merge(*b))),
            (Self::Map(a), Self::Map(b)) => Self::Map(Box::new(a.merge(*b))),
            // An empty dictionary has no fields, and no keys that are data.
            (Self::Dict(none), Self::Map(a)) | (Self::Map(a), Self::Dict(none)) if none.is_empty() => Self::Map(a),
            (Self::Tuple(a), Self::Tuple(b)) if a.len() == b.len() => {
                Self::Tuple(a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect())
            }
            // Tuples of several lengths hold like elements.
            (Self::Tuple(a), Self::Tuple(b)) => list_of(a.into_iter().chain(b)),
            (Self::List(a), Self::Tuple(b)) | (Self::Tuple(b), Self::List(a)) => list_of(b.into_iter().chain([*a])),
            (Self::Dict(a), Self::Dict(b)) => Self::Dict(merge_fields(a, b)),
            (Self::Model(a), Self::Model(b)) if a.type_name == b.type_name => {
                Self::Model(Model { type_name: a.type_name, fields: merge_fields(a.fields, b.fields) })
            }
            (Self::Any(all), Self::Any(more)) => more.into_iter().fold(Self::Any(all), Self::merge),
            (Self::Any(all), one) | (one, Self::Any(all)) => Self::Any(with_alternative(all, one)),
            (a, b) => Self::Any(vec![a, b]),
        }
    }

    /// Returns true if both are described by one shape that is no alternative.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(_) | Self::Tuple(_), Self::List(_) | Self::Tuple(_))
            | (Self::Set(_), Self::Set(_))
            | (Self::Map(_), Self::Map(_))
            | (Self::Dict(_), Self::Dict(_)) => true,
            (Self::Dict(none), Self::Map(_)) | (Self::Map(_), Self::Dict(none)) => none.is_empty(),
            (Self::Model(a), Self::Model(b)) => a.type_name == b.type_name,
            (a, b) => a == b,
        }
    }

    /// Returns the shape as a short annotation of Python, as `list[PricedLine] | None`.
    pub fn annotation(&self) -> String {
        let last = |name: &str| name.rsplit([':', '.']).next().unwrap_or(name).to_owned();
        match self {
            Self::Unknown => "Any".to_owned(),
            Self::None => "None".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Float => "float".to_owned(),
            Self::Str => "str".to_owned(),
            Self::Bytes => "bytes".to_owned(),
            Self::Decimal => "Decimal".to_owned(),
            Self::Datetime => "datetime".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Time => "time".to_owned(),
            Self::Timedelta => "timedelta".to_owned(),
            Self::Uuid => "UUID".to_owned(),
            Self::Complex => "complex".to_owned(),
            Self::Path => "Path".to_owned(),
            Self::List(element) => format!("list[{}]", element.annotation()),
            Self::Set(element) => format!("set[{}]", element.annotation()),
            Self::Map(value) => format!("dict[Any, {}]", value.annotation()),
            Self::Tuple(places) if places.is_empty() => "tuple[()]".to_owned(),
            Self::Tuple(places) => format!("tuple[{}]", joined(places, ", ")),
            Self::Dict(fields) if fields.is_empty() => "dict".to_owned(),
            Self::Dict(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|field| format!("{}: {}", field.name, field.shape.annotation())).collect();
                format!("{{{}}}", fields.join(", "))
            }
            Self::Model(model) => last(&model.type_name),
            Self::Class(name) => format!("type[{}]", last(name)),
            Self::Enum(name) | Self::Exception(name) => last(name),
            Self::Handle(handle) => last(&handle.type_name),
            Self::Any(all) => joined(all, " | "),
        }
    }
}

fn list_of(elements: impl Iterator<Item = Shape>) -> Shape {
    Shape::List(Box::new(elements.reduce(Shape::merge).unwrap_or_default()))
}

fn joined(shapes: &[Shape], separator: &str) -> String {
    shapes.iter().map(Shape::annotation).collect::<Vec<_>>().join(separator)
}

fn with_alternative(mut all: Vec<Shape>, one: Shape) -> Vec<Shape> {
    match all.iter_mut().find(|known| known.is_like(&one)) {
        Some(known) => *known = std::mem::take(known).merge(one),
        None => all.push(one),
    }
    all
}

/// Returns the fields of both; what only one of them has is not required.
pub fn merge_fields(mut all: Vec<Field>, more: Vec<Field>) -> Vec<Field> {
    for field in &mut all {
        field.is_required &= more.iter().any(|one| one.name == field.name);
    }
    for field in more {
        match all.iter_mut().find(|known| known.name == field.name) {
            Some(known) => {
                known.is_required &= field.is_required;
                known.shape = std::mem::take(&mut known.shape).merge(field.shape);
            }
            None => all.push(Field { is_required: false, ..field }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, shape: Shape, is_required: bool) -> Field {
        Field { name: name.into(), shape, is_required }
    }

    #[track_caller]
    fn check(a: Shape, b: Shape, expected: &str) {
        assert_eq!(a.merge(b).annotation(), expected);
    }

    #[test]
    fn a_merged_shape_describes_both_values() {
        let list = |of| Shape::List(Box::new(of));
        check(Shape::Int, Shape::Int, "int");
        check(Shape::Int, Shape::None, "int | None");
        check(list(Shape::Unknown), list(Shape::Int), "list[int]");
        check(list(Shape::Str), list(Shape::Int), "list[str | int]");
        check(Shape::Any(vec![Shape::None, list(Shape::Str)]), list(Shape::Int), "None | list[str | int]");
        check(Shape::Tuple(vec![Shape::Int]), Shape::Tuple(Vec::new()), "list[int]");
        check(Shape::Tuple(vec![Shape::Int]), Shape::Tuple(vec![Shape::Str]), "tuple[int | str]");
        check(Shape::Tuple(vec![Shape::Int; 2]), list(Shape::Str), "list[int | str]");
        check(Shape::Dict(Vec::new()), Shape::Map(Box::new(Shape::Int)), "dict[Any, int]");
        check(Shape::Any(vec![Shape::Int, Shape::None]), Shape::Any(vec![Shape::Str, Shape::Int]), "int | None | str");
    }

    #[test]
    fn a_field_that_a_sample_lacks_is_not_required() {
        let one = vec![field("a", Shape::Int, true), field("b", Shape::Int, true)];
        let other = vec![field("a", Shape::Str, true), field("c", Shape::Int, true)];
        let merged = merge_fields(one, other);
        let either = Shape::Any(vec![Shape::Int, Shape::Str]);
        assert_eq!(merged, [field("a", either, true), field("b", Shape::Int, false), field("c", Shape::Int, false)]);
    }
}
