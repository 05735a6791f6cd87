//! Type skeletons: the structure of a payload, without any of its values.
//!
//! # Shape
//! A skeleton is JSON:
//!
//! | skeleton | value |
//! |---|---|
//! | `"none"` `"bool"` `"int"` `"float"` `"str"` | JSON's own |
//! | `"bytes"` `"decimal"` `"datetime"` `"date"` `"time"` `"timedelta"` `"uuid"` `"complex"` `"path"` | a leaf that needs an adapter |
//! | `{"list": S}` `{"set": S}` `{"frozenset": S}` `{"deque": S}` | elements of skeleton `S`, `null` when empty |
//! | `{"tuple": [S, …]}` | one skeleton per place; `{"tuple": S}` for a long one |
//! | `{"dict": {"name": S, "*": S}}` | fields; `*` stands for all keys that are data |
//! | `{"model": "module:Qualname", "fields": {…}}` | a pydantic model; likewise `dataclass`, `namedtuple`, and `object` for other data |
//! | `{"enum": "module:Qualname"}` | a member of the enumeration |
//! | `{"exception": "module:Qualname", "args": [S, …]}` | an exception |
//! | `{"any": [S, …]}` | different elements of one list |
//! | `{"class": "module:Qualname"}` | a class that is known by its name |
//! | `{"live": "module:Qualname"}` | a type that cannot cross; likewise `generator`, `resource`, `service`, `context_manager`, `reference`, `callback` |
//! | `"cut"` | not looked at: too deep, too much, or a cycle |
//!
//! Arguments are `{"arguments": {"name": S, …}}`.

use std::fmt::Write;

/// The types in a payload, and how they are nested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skeleton {
    /// A value without parts.
    Leaf(&'static str),
    /// A value known by its type's name only.
    Named(&'static str, String),
    /// Like elements.
    Elements(&'static str, Option<Box<Skeleton>>),
    /// Places.
    Tuple(Vec<Skeleton>),
    /// An exception and its arguments.
    Exception(String, Vec<Skeleton>),
    /// Named parts; the kind, and the type's name where it has one.
    Fields(&'static str, Option<String>, Vec<(String, Skeleton)>),
    /// One of several.
    Any(Vec<Skeleton>),
}

/// The skeleton of a value that was not looked at.
pub const CUT: Skeleton = Skeleton::Leaf("cut");

/// Most alternatives kept apart in one place.
///
/// Chosen: a list of more kinds than this is a bag of anything.
const MAX_ALTERNATIVES: usize = 8;

impl Skeleton {
    /// Returns the skeleton that describes both values.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        match (self, other) {
            (Self::Elements(a, Some(x)), Self::Elements(b, Some(y))) if a == b => {
                Self::Elements(a, Some(Box::new(x.merge(*y))))
            }
            (Self::Elements(a, x), Self::Elements(b, y)) if a == b => Self::Elements(a, x.or(y)),
            (Self::Tuple(a), Self::Tuple(b)) if a.len() == b.len() => {
                Self::Tuple(a.into_iter().zip(b).map(|(x, y)| x.merge(y)).collect())
            }
            (Self::Fields(kind, name, mut a), Self::Fields(other, named, b)) if kind == other && name == named => {
                for (field, y) in b {
                    add_field(&mut a, &field, y);
                }
                Self::Fields(kind, name, a)
            }
            (Self::Any(mut all), one) | (one, Self::Any(mut all)) => {
                add_alternative(&mut all, one);
                Self::Any(all)
            }
            (a, b) => Self::Any(vec![a, b]),
        }
    }

    /// Appends the skeleton as JSON.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Leaf(name) => write_str(out, name),
            Self::Named(kind, name) => {
                open(out, kind);
                write_str(out, name);
                out.push('}');
            }
            Self::Elements(kind, element) => {
                open(out, kind);
                match element {
                    Some(element) => element.write_json(out),
                    None => out.push_str("null"),
                }
                out.push('}');
            }
            Self::Tuple(places) => {
                open(out, "tuple");
                write_list(out, places);
                out.push('}');
            }
            Self::Exception(name, args) => {
                open(out, "exception");
                write_str(out, name);
                out.push_str(",\"args\":");
                write_list(out, args);
                out.push('}');
            }
            Self::Fields(kind, name, fields) => {
                open(out, kind);
                if let Some(name) = name {
                    write_str(out, name);
                    out.push_str(",\"fields\":");
                }
                out.push('{');
                for (i, (field, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_str(out, field);
                    out.push(':');
                    value.write_json(out);
                }
                out.push_str("}}");
            }
            Self::Any(all) => {
                open(out, "any");
                write_list(out, all);
                out.push('}');
            }
        }
    }
}

/// Adds a field, or merges it into the one of its name.
pub fn add_field(fields: &mut Vec<(String, Skeleton)>, name: &str, value: Skeleton) {
    match fields.iter_mut().find(|(field, _)| field == name) {
        Some((_, known)) => *known = std::mem::replace(known, CUT).merge(value),
        None => fields.push((name.to_owned(), value)),
    }
}

/// Adds one alternative (or several), merging it into one of its kind.
fn add_alternative(all: &mut Vec<Skeleton>, one: Skeleton) {
    if let Skeleton::Any(more) = one {
        for one in more {
            add_alternative(all, one);
        }
        return;
    }
    if all.contains(&one) {
        return;
    }
    let same_kind = |known: &Skeleton| match (known, &one) {
        (Skeleton::Elements(a, _), Skeleton::Elements(b, _)) => a == b,
        (Skeleton::Fields(a, x, _), Skeleton::Fields(b, y, _)) => a == b && x == y,
        (Skeleton::Tuple(a), Skeleton::Tuple(b)) => a.len() == b.len(),
        _ => false,
    };
    if let Some(known) = all.iter_mut().find(|known| same_kind(known)) {
        *known = std::mem::replace(known, CUT).merge(one);
    } else if all.len() < MAX_ALTERNATIVES {
        all.push(one);
    }
}

fn open(out: &mut String, kind: &str) {
    out.push('{');
    write_str(out, kind);
    out.push(':');
}

fn write_list(out: &mut String, all: &[Skeleton]) {
    out.push('[');
    for (i, one) in all.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        one.write_json(out);
    }
    out.push(']');
}

fn write_str(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if u32::from(c) < 0x20 => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: Skeleton = Skeleton::Leaf("int");
    const STR: Skeleton = Skeleton::Leaf("str");

    fn json(skeleton: &Skeleton) -> String {
        let mut out = String::new();
        skeleton.write_json(&mut out);
        out
    }

    fn list(element: Option<Skeleton>) -> Skeleton {
        Skeleton::Elements("list", element.map(Box::new))
    }

    fn dict(fields: &[(&str, Skeleton)]) -> Skeleton {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Skeleton::Fields("dict", None, fields)
    }

    fn check(skeleton: &Skeleton, expected: &str) {
        assert_eq!(json(skeleton), expected);
    }

    #[test]
    fn each_kind_has_its_json() {
        check(&INT, r#""int""#);
        check(&Skeleton::Named("enum", "shop:Color".into()), r#"{"enum":"shop:Color"}"#);
        check(&list(None), r#"{"list":null}"#);
        check(&list(Some(INT)), r#"{"list":"int"}"#);
        check(&Skeleton::Tuple(vec![INT, STR]), r#"{"tuple":["int","str"]}"#);
        check(&Skeleton::Exception("E".into(), vec![STR]), r#"{"exception":"E","args":["str"]}"#);
        check(&dict(&[("n", INT), ("*", STR)]), r#"{"dict":{"n":"int","*":"str"}}"#);
        let model = Skeleton::Fields("model", Some("shop:Line".into()), vec![("n".into(), INT)]);
        check(&model, r#"{"model":"shop:Line","fields":{"n":"int"}}"#);
        check(&Skeleton::Any(vec![INT, CUT]), r#"{"any":["int","cut"]}"#);
        check(&Skeleton::Named("enum", "a\"\\\n\u{1}".into()), r#"{"enum":"a\"\\\u000a\u0001"}"#);
    }

    #[test]
    fn merged_skeletons_describe_both_values() {
        let merged = |a: Skeleton, b: Skeleton| json(&a.merge(b));
        assert_eq!(merged(INT, INT), r#""int""#);
        assert_eq!(merged(INT, STR), r#"{"any":["int","str"]}"#);
        assert_eq!(merged(list(None), list(Some(INT))), r#"{"list":"int"}"#);
        assert_eq!(merged(list(Some(INT)), list(None)), r#"{"list":"int"}"#);
        assert_eq!(merged(list(Some(STR)), list(Some(INT))), r#"{"list":{"any":["str","int"]}}"#);
        let (one, two) = (dict(&[("n", INT)]), dict(&[("n", STR), ("m", INT)]));
        assert_eq!(merged(one, two), r#"{"dict":{"n":{"any":["int","str"]},"m":"int"}}"#);
        let (pair, triple) = (Skeleton::Tuple(vec![INT, INT]), Skeleton::Tuple(vec![INT, INT, INT]));
        assert_eq!(merged(pair.clone(), Skeleton::Tuple(vec![INT, STR])), r#"{"tuple":["int",{"any":["int","str"]}]}"#);
        assert_eq!(merged(pair, triple), r#"{"any":[{"tuple":["int","int"]},{"tuple":["int","int","int"]}]}"#);
    }

    #[test]
    fn alternatives_are_kept_once_and_are_bounded() {
        let any = INT.merge(STR);
        assert_eq!(any.clone().merge(STR), any);
        assert_eq!(any.clone().merge(any.clone()), any);
        let lists = INT.merge(list(Some(INT))).merge(list(Some(STR)));
        check(&lists, r#"{"any":["int",{"list":{"any":["int","str"]}}]}"#);
        let many = (0..100).map(|i| Skeleton::Named("live", format!("m:C{i}"))).reduce(Skeleton::merge).unwrap();
        let Skeleton::Any(kept) = many else { panic!("alternatives expected") };
        assert_eq!(kept.len(), MAX_ALTERNATIVES);
    }
}
