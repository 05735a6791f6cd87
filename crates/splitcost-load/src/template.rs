//! Texts with placeholders: `{name}` stands for a value, `{{` and `}}` for braces.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value that was drawn for a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Drawn<'a> {
    Int(i64),
    Float(f64),
    Text(String),
    Choice(&'a Value),
}

/// A part of a compiled template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Text(Vec<u8>),
    /// The value of the parameter with this index.
    Value(usize, Encoding),
}

/// The encoding of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Percent-encoded.
    Path,
    /// Unchanged.
    Plain,
    /// A JSON value of the same type.
    Json,
    /// A part of a JSON string.
    JsonText,
}

/// A template, which is compiled once and written for each request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Template(Vec<Part>);

impl Template {
    /// Compiles a text; `index_of` returns the index of a parameter.
    pub(crate) fn text(
        text: &str,
        encoding: Encoding,
        index_of: &mut dyn FnMut(&str) -> Result<usize, String>,
    ) -> Result<Self, String> {
        let mut template = Self::default();
        template.push_text(text, encoding, index_of)?;
        Ok(template)
    }

    /// Compiles a JSON value whose strings are templates. A string that is a single placeholder becomes the value itself,
    /// with its own type.
    pub(crate) fn json(value: &Value, index_of: &mut dyn FnMut(&str) -> Result<usize, String>) -> Result<Self, String> {
        let mut template = Self::default();
        template.push_json(value, index_of)?;
        Ok(template)
    }

    /// Compiles the fields of a form, whose values are templates.
    pub(crate) fn form(
        fields: &BTreeMap<String, String>,
        index_of: &mut dyn FnMut(&str) -> Result<usize, String>,
    ) -> Result<Self, String> {
        let mut template = Self::default();
        for (i, (name, value)) in fields.iter().enumerate() {
            template.push_bytes(if i == 0 { b"" } else { b"&" });
            template.push_encoded(name);
            template.push_bytes(b"=");
            for piece in pieces(value)? {
                match piece {
                    Piece::Text(text) => template.push_encoded(&text),
                    Piece::Placeholder(name) => template.0.push(Part::Value(index_of(name)?, Encoding::Path)),
                }
            }
        }
        Ok(template)
    }

    /// Appends the text. A value that is not there is left out.
    pub(crate) fn write(&self, values: &[Drawn], out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value(index, encoding) => {
                    if let Some(value) = values.get(*index) {
                        write_value(value, *encoding, out);
                    }
                }
            }
        }
    }

    fn push_encoded(&mut self, text: &str) {
        let mut encoded = Vec::new();
        percent_encode(text, &mut encoded);
        self.push_bytes(&encoded);
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        if let Some(Part::Text(text)) = self.0.last_mut() {
            text.extend_from_slice(bytes);
        } else {
            self.0.push(Part::Text(bytes.to_vec()));
        }
    }

    fn push_text(
        &mut self,
        text: &str,
        encoding: Encoding,
        index_of: &mut dyn FnMut(&str) -> Result<usize, String>,
    ) -> Result<(), String> {
        for piece in pieces(text)? {
            match piece {
                Piece::Text(text) if encoding == Encoding::JsonText => self.push_bytes(&json_text(&text)),
                Piece::Text(text) => self.push_bytes(text.as_bytes()),
                Piece::Placeholder(name) => self.0.push(Part::Value(index_of(name)?, encoding)),
            }
        }
        Ok(())
    }

    fn push_json(
        &mut self,
        value: &Value,
        index_of: &mut dyn FnMut(&str) -> Result<usize, String>,
    ) -> Result<(), String> {
        match value {
            Value::String(text) => {
                if let [Piece::Placeholder(name)] = pieces(text)?.as_slice() {
                    self.0.push(Part::Value(index_of(name)?, Encoding::Json));
                } else {
                    self.push_bytes(b"\"");
                    self.push_text(text, Encoding::JsonText, index_of)?;
                    self.push_bytes(b"\"");
                }
            }
            Value::Array(items) => {
                self.push_bytes(b"[");
                for (i, item) in items.iter().enumerate() {
                    self.push_bytes(if i == 0 { b"" } else { b"," });
                    self.push_json(item, index_of)?;
                }
                self.push_bytes(b"]");
            }
            Value::Object(fields) => {
                self.push_bytes(b"{");
                for (i, (key, field)) in fields.iter().enumerate() {
                    self.push_bytes(if i == 0 { b"\"" } else { b",\"" });
                    self.push_bytes(&json_text(key));
                    self.push_bytes(b"\":");
                    self.push_json(field, index_of)?;
                }
                self.push_bytes(b"}");
            }
            scalar => self.push_bytes(scalar.to_string().as_bytes()),
        }
        Ok(())
    }
}

/// A part of the source of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that is written unchanged.
    Text(String),
    /// A placeholder for the parameter with this name.
    Placeholder(&'a str),
}

/// Splits the source of a template into its parts.
///
/// # Errors
/// Describes the problem when braces do not match, or a placeholder is not a name.
pub fn pieces(source: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = source;
    while let Some(brace) = rest.find(['{', '}']) {
        text.push_str(&rest[..brace]);
        let from_brace = &rest[brace..];
        if from_brace.starts_with("{{") || from_brace.starts_with("}}") {
            text.push_str(&from_brace[..1]);
            rest = &from_brace[2..];
            continue;
        }
        let Some(inner) = from_brace.strip_prefix('{') else {
            return Err(format!("{source:?} has a `}}` without `{{`; write `}}}}` for the character itself"));
        };
        let Some((name, after)) = inner.split_once('}') else {
            return Err(format!("{source:?} has a `{{` without `}}`; write `{{{{` for the character itself"));
        };
        if !is_name(name) {
            return Err(format!(
                "`{{{name}}}` is not a placeholder: a name consists of letters, digits and underscores"
            ));
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Placeholder(name));
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Returns true if a text is a valid name of a placeholder.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Escapes a text for use within a JSON string.
fn json_text(text: &str) -> Vec<u8> {
    let mut quoted = Value::from(text).to_string().into_bytes();
    quoted.pop();
    quoted.remove(0);
    quoted
}

fn write_value(value: &Drawn, encoding: Encoding, out: &mut Vec<u8>) {
    let text = match value {
        Drawn::Int(number) => return out.extend_from_slice(number.to_string().as_bytes()),
        // JSON keeps the fraction: 1.0 stays a float.
        Drawn::Float(number) => return out.extend_from_slice(Value::from(*number).to_string().as_bytes()),
        Drawn::Text(text) | Drawn::Choice(Value::String(text)) => text,
        Drawn::Choice(scalar) => return out.extend_from_slice(scalar.to_string().as_bytes()),
    };
    match encoding {
        Encoding::Plain => out.extend_from_slice(text.as_bytes()),
        Encoding::Path => percent_encode(text, out),
        Encoding::JsonText => out.extend_from_slice(&json_text(text)),
        Encoding::Json => {
            out.push(b'"');
            out.extend_from_slice(&json_text(text));
            out.push(b'"');
        }
    }
}

/// Percent-encodes everything except the unreserved characters of RFC 3986.
fn percent_encode(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}
