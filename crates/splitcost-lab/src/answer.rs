//! The comparison of two answers to the same request. Parts that differ between any two copies of an app are equal here:
//! times, identifiers, tokens, and the copies' own addresses.
//!
//! It names places and kinds of data, and never a value.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use splitcost_load::Answer;
use splitcost_model::answers::Aspect;

use crate::spelled::SpelledNames;

/// The first difference between two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) aspect: Aspect,
    /// The place, and the kinds of data there.
    pub(crate) place: String,
}

/// Returns the first difference of an answer from the expected one; `None` stands for no answer. Keys of objects are shown
/// if they are among the names.
pub(crate) fn difference(
    expected: Option<&Answer>,
    found: Option<&Answer>,
    names: &SpelledNames,
) -> Option<Difference> {
    let status = |answer: Option<&Answer>| answer.map_or_else(|| "no answer".to_owned(), |a| a.status.to_string());
    let (Some(before), Some(after)) = (expected, found) else {
        let place = format!("status {} instead of {}", status(found), status(expected));
        return (expected.is_some() != found.is_some()).then_some(Difference { aspect: Aspect::Status, place });
    };
    if before.status != after.status {
        let place = format!("status {} instead of {}", after.status, before.status);
        return Some(Difference { aspect: Aspect::Status, place });
    }
    let [media_before, media_after] = [before, after].map(media_type);
    if media_before != media_after {
        let place = format!("content type {} instead of {}", shown(&media_after), shown(&media_before));
        return Some(Difference { aspect: Aspect::ContentType, place });
    }
    body(&before.body, &after.body, names).map(|place| Difference { aspect: Aspect::Body, place })
}

/// Returns the content type without its parameters.
fn media_type(answer: &Answer) -> String {
    let value = answer.all("content-type").next().unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Content types that are named; of others an app may have got the name from its users.
///
/// Chosen: what web apps send, and no more.
const CONTENT_TYPES: [&str; 12] = [
    "application/javascript",
    "application/json",
    "application/octet-stream",
    "application/pdf",
    "application/problem+json",
    "application/xml",
    "text/css",
    "text/csv",
    "text/event-stream",
    "text/html",
    "text/plain",
    "text/xml",
];

fn shown(content_type: &str) -> &str {
    match content_type {
        "" => "none",
        known if CONTENT_TYPES.contains(&known) => known,
        _ => "another",
    }
}

fn body(before: &[u8], after: &[u8], names: &SpelledNames) -> Option<String> {
    if before == after {
        return None;
    }
    let json = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    if let (Some(before), Some(after)) = (json(before), json(after)) {
        return value("$", &before, &after, names);
    }
    let (Ok(text), Ok(other)) = (str::from_utf8(before), str::from_utf8(after)) else {
        return Some(format!("{} bytes instead of {}", after.len(), before.len()));
    };
    let line = different_line(text, other)?;
    Some(format!("line {line} of a text of {} bytes", after.len()))
}

/// Returns the place of the first difference between two JSON values.
fn value(path: &str, before: &Value, after: &Value, names: &SpelledNames) -> Option<String> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            keys.into_iter().find_map(|key| {
                let path = format!("{path}.{}", names.shown(key));
                match (before.get(key), after.get(key)) {
                    (Some(before), Some(after)) => value(&path, before, after, names),
                    (Some(_), None) => Some(format!("{path}: it is missing")),
                    _ => Some(format!("{path}: only the split has it")),
                }
            })
        }
        (Value::Array(before), Value::Array(after)) if before.len() != after.len() => {
            Some(format!("{path}: a list of {} instead of {}", after.len(), before.len()))
        }
        (Value::Array(before), Value::Array(after)) => {
            let mut pairs = before.iter().zip(after).enumerate();
            pairs.find_map(|(i, (before, after))| value(&format!("{path}[{i}]"), before, after, names))
        }
        (Value::String(before), Value::String(after)) => {
            different_line(before, after)?;
            let [before, after] = [before, after].map(|text| text.chars().count());
            Some(if before == after {
                format!("{path}: another string of {after} characters")
            } else {
                format!("{path}: a string of {after} characters instead of {before}")
            })
        }
        (Value::Number(one), Value::Number(other)) => {
            let times = (one.as_f64().and_then(epoch), other.as_f64().and_then(epoch));
            let same = one == other || matches!(times, (Some(one), Some(other)) if one.is_close_to(other));
            (!same).then(|| format!("{path}: another number"))
        }
        (before, after) if kind(before) != kind(after) => {
            Some(format!("{path}: {} instead of {}", kind(after), kind(before)))
        }
        (before, after) => (before != after).then(|| format!("{path}: another {}", kind(before))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Returns the number of the first line in which two texts differ.
fn different_line(before: &str, after: &str) -> Option<usize> {
    if before == after {
        return None;
    }
    let (mut expected, mut found) = (pieces(before), pieces(after));
    loop {
        let at = match (expected.next(), found.next()) {
            (None, None) => return None,
            (Some((_, piece)), Some((_, same))) if piece.is_like(&same) => continue,
            (Some((_, Piece::Text(one))), Some((start, Piece::Text(other)))) => {
                start + one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
            }
            (_, found) => found.map_or(after.len(), |(start, _)| start),
        };
        return Some(after.as_bytes()[..at].split(|byte| *byte == b'\n').count());
    }
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece<'a> {
    /// Text that must be the same.
    Text(&'a str),
    /// A date with a time.
    Time,
    /// The time since then.
    Age,
    /// A point in time as a number.
    Epoch(Epoch),
    /// An identifier or a token that an app draws at random.
    Identifier,
    /// The address of a copy of the app.
    Address,
}

impl Piece<'_> {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Epoch(one), Self::Epoch(other)) => one.is_close_to(*other),
            (one, other) => one == other,
        }
    }
}

static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?<time>
            [0-9]{4}-[0-9]{2}-[0-9]{2} [T\ ] [0-9]{2}:[0-9]{2} (?: :[0-9]{2} (?:[.,][0-9]+)? )?
            (?: Z | [+-][0-9]{2}:?[0-9]{2} )?
          | [A-Z][a-z]{2},\ [0-9]{2}[\ -][A-Z][a-z]{2}[\ -][0-9]{4}\ [0-9]{2}:[0-9]{2}:[0-9]{2}\ GMT
        )
      | (?<age>
            (?-u:\b) (?:
                (?: [0-9]+ | an? | one ) [\ \u{a0}]?
                (?: s | m | h | d | (?: sec(?:ond)? | min(?:ute)? | hour | day | week | month | year ) s? )
                ,? [\ \u{a0}] (?: and\  )?
            )+ ago (?-u:\b)
          | (?-u:\b) [0-9]+ [\ \u{a0}]? (?: s | m | h | (?: sec(?:ond)? | min(?:ute)? | hour ) s? ) [\ \u{a0}] old (?-u:\b)
        )
      | (?<uuid> [0-9a-fA-F]{8} (?: -[0-9a-fA-F]{4} ){3} -[0-9a-fA-F]{12} )
      | (?<address> (?: 127\.0\.0\.1 | localhost ) :[0-9]{2,5} )
      | (?<word> [A-Za-z0-9_+=-]{10,} (?: \.[A-Za-z0-9_+=-]+ )* )",
    )
    .expect("the pattern is valid")
});

/// Splits a text into its parts, each with its position.
fn pieces(text: &str) -> impl Iterator<Item = (usize, Piece<'_>)> {
    let mut parts = Vec::new();
    let mut done = 0;
    for found in PATTERN.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        let piece = if found.name("time").is_some() {
            Piece::Time
        } else if found.name("age").is_some() {
            Piece::Age
        } else if found.name("uuid").is_some() || is_identifier(whole.as_str()) {
            Piece::Identifier
        } else if found.name("address").is_some() {
            Piece::Address
        } else if let Some(time) = whole.as_str().parse().ok().and_then(epoch) {
            Piece::Epoch(time)
        } else {
            continue;
        };
        parts.push((done, Piece::Text(&text[done..whole.start()])));
        parts.push((whole.start(), piece));
        done = whole.end();
    }
    parts.push((done, Piece::Text(&text[done..])));
    parts.into_iter()
}

/// Letters and digits from which on a word of hexadecimal digits is an identifier.
///
/// Chosen: 64 random bits; no number or name has as many.
const HEX_DIGITS: usize = 16;
/// Characters from which on a word of letters and digits is a token.
///
/// Chosen: 15 bytes in base64; tokens of sessions are longer, and most slugs have separators.
const TOKEN_CHARS: usize = 20;

/// Changes from a small letter to a capital from which on a word without digits is a token, if it is as long as one.
///
/// Chosen: names in `camelCase` have fewer; one in a hundred signatures of 20 bytes has no digit.
const TOKEN_CAPITALS: usize = 4;

/// Returns true if a word, or a part of it between dots, looks as if it was drawn at random: signed tokens have several parts.
fn is_identifier(word: &str) -> bool {
    word.split('.').any(is_drawn)
}

fn is_drawn(word: &str) -> bool {
    let has = |of: fn(&u8) -> bool| word.as_bytes().iter().any(of);
    let (digits, lower, upper) = (has(u8::is_ascii_digit), has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_capital = |pair: &&[u8]| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase();
    let is_mixed = word.as_bytes().windows(2).filter(is_capital).count() >= TOKEN_CAPITALS;
    (digits && (lower || upper) || is_mixed)
        && (is_hex && word.len() >= HEX_DIGITS || word.len() >= TOKEN_CHARS && (is_plain || lower && upper))
}

/// A number that is a time since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Epoch {
    secs: f64,
    per_sec: u32,
}

/// Difference up to which two times since 1970 are taken for the time of the two requests.
///
/// Chosen: both are sent within seconds.
const CLOSE_SECS: f64 = 60.0;

impl Epoch {
    fn is_close_to(self, other: Self) -> bool {
        self.per_sec == other.per_sec && (self.secs - other.secs).abs() <= CLOSE_SECS
    }
}

/// Returns the time since 1970 that a number is, in seconds, milli-, micro- or nanoseconds, if it is one of 2020 to 2040.
fn epoch(number: f64) -> Option<Epoch> {
    let units =
        [1, 1_000, 1_000_000, 1_000_000_000].map(|per_sec| Epoch { secs: number / f64::from(per_sec), per_sec });
    units.into_iter().find(|time| (1.577e9..2.209e9).contains(&time.secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Answer { status, headers, body: body.into() }
    }

    #[test]
    fn bodies_are_compared_without_what_differs_in_every_copy() {
        let names = SpelledNames::default();
        let equal = [
            (r#"{"a": 1, "b": [true, null]}"#, r#"{"b":[true,null],"a":1}"#),
            (r#"{"at": "2026-11-29T18:17:00.123+01:00"}"#, r#"{"at": "2026-11-29T18:17:01Z"}"#),
            (r#"{"at": 1764440000}"#, r#"{"at": 1764440003}"#),
            (r#"{"at": 1764440000123}"#, r#"{"at": 1764440000456}"#),
            (r#"{"at": 1764440000.5}"#, r#"{"at": 1764440001.25}"#),
            (r#"{"id": "3f2b8c1e-0000-4a4a-8b8b-123456789abc"}"#, r#"{"id": "a0a0a0a0-1111-4b4b-9c9c-cba987654321"}"#),
            (r#"{"next": "http://127.0.0.1:4000/a?page=2"}"#, r#"{"next": "http://127.0.0.1:51234/a?page=2"}"#),
            ("set at Sun, 29 Nov 2026 18:17:00 GMT", "set at Sun, 29 Nov 2026 18:17:09 GMT"),
            ("at 2026-11-29 18:17:00.5 it was", "at 2026-11-29 18:17:00 it was"),
            ("at 1764440000.25!", "at 1764440001.5!"),
            (
                r#"<input name="csrf" value="kJ8sd9Fj2lK0sdfJ3kd9fL2">"#,
                r#"<input name="csrf" value="9sDkfj30dLsk2f9Sk3dF8jL0sd">"#,
            ),
            // By two copies that were filled at different times.
            ("3 tasks, the oldest being 59s old", "3 tasks, the oldest being 61s old"),
            ("<td>seen 1 minute ago</td>", "<td>seen 12 minutes ago</td>"),
            ("seen an hour ago", "seen 2 hours, 5 minutes ago"),
            ("seen 5\u{a0}minutes ago", "seen 1\u{a0}hour, 2\u{a0}minutes ago"),
            ("etag 0123456789abcdef0123", "etag f0e1d2c3b4a5968778695"),
            ("session c1d2e3f4g5h6i7j8k9l0", "session 0a9b8c7d6e5f4g3h2i1j"),
            // Signed by a key that each copy draws: the signature may begin with a digit, or have none.
            ("feed/WyJkZW1vIl0.zLkgdiftFAqn9R-PUTO1orfF1NE.xml", "feed/WyJkZW1vIl0.5wBcX6zSF5SIvOezpw8A_1O-Tss.xml"),
            ("feed/WyJkZW1vIl0.zLkgdiftFAqn9R-PUTO1orfF1NE", "feed/WyJkZW1vIl0.kLmNoPqRsTuVwXyZaBcDeFgHiJk"),
        ];
        for (before, after) in equal {
            assert_eq!(body(before.as_bytes(), after.as_bytes(), &names), None, "{before} {after}");
        }
    }

    #[test]
    fn the_first_difference_is_named_without_a_value() {
        let names = SpelledNames::in_source("a b n s at day items total");
        let different = [
            (r#"{"items": [{"total": 12}]}"#, r#"{"items": [{"total": 13}]}"#, "$.items[0].total: another number"),
            (r#"{"n": 1}"#, r#"{"n": 1.0}"#, "$.n: another number"),
            (r#"{"n": 1}"#, r#"{"n": "1"}"#, "$.n: string instead of number"),
            (r#"{"n": true}"#, r#"{"n": false}"#, "$.n: another boolean"),
            (r#"{"n": null}"#, r#"{"n": []}"#, "$.n: list instead of null"),
            (r#"{"a": 1, "b": 2}"#, r#"{"a": 1}"#, "$.b: it is missing"),
            (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, "$.b: only the split has it"),
            (r"[1, 2, 3]", r"[1, 2]", "$: a list of 2 instead of 3"),
            (r"[1, 2]", r"[2, 1]", "$[0]: another number"),
            (r#"{"s": "red"}"#, r#"{"s": "tan"}"#, "$.s: another string of 3 characters"),
            (r#"{"s": "red"}"#, r#"{"s": "blue"}"#, "$.s: a string of 4 characters instead of 3"),
            (r#"{"a@b.org": 1, "17": 1}"#, r#"{"a@b.org": 2, "17": 1}"#, "$.(key): another number"),
            (r#"{"total": {"alice": 1}}"#, r#"{"total": {"alice": 2}}"#, "$.total.(key): another number"),
            // Far apart, or no time at all.
            (r#"{"at": 1764440000}"#, r#"{"at": 1764443600}"#, "$.at: another number"),
            (r#"{"at": 17644400}"#, r#"{"at": 17644401}"#, "$.at: another number"),
            // Words of a text are no tokens.
            (
                r#"{"s": "an-international-business"}"#,
                r#"{"s": "an-internationel-business"}"#,
                "$.s: another string of 25 characters",
            ),
            (
                r#"{"s": "blue-widget-number-12"}"#,
                r#"{"s": "blue-widget-number-13"}"#,
                "$.s: another string of 21 characters",
            ),
            (r#"{"s": "17 years old"}"#, r#"{"s": "18 years old"}"#, "$.s: another string of 12 characters"),
            ("seen an hour ago", "seen 2026-11-29 18:17", "line 1 of a text of 21 bytes"),
            (r#"{"s": "within 2 hours"}"#, r#"{"s": "within 3 hours"}"#, "$.s: another string of 14 characters"),
            (r#"{"day": "2026-11-29"}"#, r#"{"day": "2026-11-30"}"#, "$.day: another string of 10 characters"),
            ("a\nb\n<td>12</td>", "a\nb\n<td>13</td>", "line 3 of a text of 15 bytes"),
            ("at 2026-11-29 18:17 a", "at 2026-11-29 18:17 b", "line 1 of a text of 21 bytes"),
            ("", "a", "line 1 of a text of 1 bytes"),
        ];
        for (before, after, place) in different {
            assert_eq!(body(before.as_bytes(), after.as_bytes(), &names).as_deref(), Some(place), "{before} {after}");
        }
        assert_eq!(body(&[0xff, 1], &[0xff], &names).as_deref(), Some("1 bytes instead of 2"));
    }

    #[test]
    fn status_comes_before_content_type_before_body() {
        let expected = answer(200, "text/html; charset=utf-8", "a");
        let names = SpelledNames::default();
        let check =
            |found: Option<Answer>| difference(Some(&expected), found.as_ref(), &names).map(|d| (d.aspect, d.place));
        assert_eq!(check(Some(answer(200, "Text/HTML", "a"))), None);
        assert_eq!(check(None), Some((Aspect::Status, "status no answer instead of 200".to_owned())));
        let place = "status 500 instead of 200".to_owned();
        assert_eq!(check(Some(answer(500, "text/plain", "b"))), Some((Aspect::Status, place)));
        for (content_type, shown) in [("text/plain", "text/plain"), ("x/alice", "another"), ("", "none")] {
            let place = format!("content type {shown} instead of text/html");
            assert_eq!(check(Some(answer(200, content_type, "b"))), Some((Aspect::ContentType, place)));
        }
        let place = "line 1 of a text of 1 bytes".to_owned();
        assert_eq!(check(Some(answer(200, "text/html", "b"))), Some((Aspect::Body, place)));
        assert_eq!(difference(None, None, &names), None);
    }
}
