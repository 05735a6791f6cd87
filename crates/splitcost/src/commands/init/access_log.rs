//! Reads the requests of an access log in the common or combined format.

use std::collections::BTreeMap;

use serde_json::Value;
use splitcost_load::{Method, Param, RequestSpec, literal};

use super::survey::Route;

/// The most values that are kept of a part of a path.
///
/// Chosen: enough to miss a cache of the last answer, few enough to read.
const MAX_VALUES: usize = 20;
/// The most requests that are written, the most frequent first.
const MAX_REQUESTS: usize = 40;

/// The requests of a log with the same method and path.
#[derive(Default)]
struct Seen {
    count: u32,
    /// The first values of each placeholder.
    values: BTreeMap<String, Vec<Value>>,
}

/// Returns the requests of a log that succeeded, by frequency: routes of the app where they match, else paths whose
/// numbers and hashes are placeholders.
pub(super) fn read(text: &str, routes: &[Route]) -> Vec<RequestSpec> {
    let mut found: BTreeMap<(String, String), Seen> = BTreeMap::new();
    for (method, target) in text.lines().filter_map(request) {
        let path = target.split('?').next().unwrap_or_default();
        let templates = routes.iter().map(|route| route.path.split('?').next().unwrap_or_default());
        let (template, values) = match templates.into_iter().find_map(|route| Some((route, matched(route, path)?))) {
            Some((route, values)) => (route.to_owned(), values),
            None => guessed(path),
        };
        let seen = found.entry((method.to_owned(), template)).or_default();
        seen.count += 1;
        for (name, value) in values {
            let known = seen.values.entry(name).or_default();
            if known.len() < MAX_VALUES && !known.contains(&value) {
                known.push(value);
            }
        }
    }
    let mut requests: Vec<RequestSpec> = found
        .into_iter()
        .filter_map(|((method, path), Seen { count: weight, values })| {
            let method = Method::find(&method)?;
            let params = values.into_iter().map(|(name, values)| (name, Param::Choice(values))).collect();
            Some(RequestSpec { weight, params, ..RequestSpec::new(method, path) })
        })
        .collect();
    requests.sort_by_key(|request| std::cmp::Reverse(request.weight));
    requests.truncate(MAX_REQUESTS);
    requests
}

/// Returns the method and the target of a line whose request succeeded.
fn request(line: &str) -> Option<(&str, &str)> {
    // Spec: `host ident user [time] "GET /path HTTP/1.1" 200 1234`, then, in the combined format, referrer and agent.
    let (_, rest) = line.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let status: u16 = rest.split_whitespace().next()?.parse().ok()?;
    let mut words = request.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let is_plain = target.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    (is_plain && (200..400).contains(&status)).then_some((method, target))
}

/// Returns the values of a template's placeholders in a path, if it matches.
fn matched(template: &str, path: &str) -> Option<Vec<(String, Value)>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut values = Vec::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !given.is_empty() => values.push((name.to_owned(), value(given))),
            None if wanted == given => {}
            _ => return None,
        }
    }
    Some(values)
}

/// Returns a path with placeholders for the parts that look like values.
fn guessed(path: &str) -> (String, Vec<(String, Value)>) {
    let mut values = Vec::new();
    let parts = path.split('/').map(|part| {
        let is_hash = part.len() >= 16 && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if part.is_empty() || !(part.bytes().all(|b| b.is_ascii_digit()) || is_hash) {
            return literal(part);
        }
        let name = format!("id{}", if values.is_empty() { String::new() } else { (values.len() + 1).to_string() });
        values.push((name.clone(), value(part)));
        format!("{{{name}}}")
    });
    let template = parts.collect::<Vec<_>>().join("/");
    (template, values)
}

/// Returns a part of a path as the value of a parameter, which will be percent-encoded again.
fn value(part: &str) -> Value {
    let part = &decoded(part);
    match part.parse::<i64>() {
        Ok(number) if number.to_string() == *part => number.into(),
        _ => part.as_str().into(),
    }
}

/// Returns a text without percent-encoding, or as it is if the bytes are no text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let pair = after.get(..2).and_then(|pair| str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route() {
        let routes: Vec<Route> = serde_json::from_value(serde_json::json!([
            {"method": "GET", "path": "/books/{book_id}?q={q}", "params": {"book_id": "int"}, "body": null},
        ]))
        .unwrap();
        let line =
            |request: &str, status: u16| format!("::1 - - [01/Nov/2026:10:00:00 +0000] \"{request}\" {status} 9");
        let log = [
            line("GET /books/3?x=1 HTTP/1.1", 200),
            line("GET /books/a%20b HTTP/1.1", 304) + " \"-\" \"curl/8\"",
            line("GET /books/3 HTTP/1.1", 200),
            line("POST /carts/77/items/8 HTTP/1.1", 201),
            line("GET /books/4 HTTP/1.1", 404),
            line("FETCH / HTTP/1.1", 200),
            "\\x16\\x03 nonsense".to_owned(),
        ]
        .join("\n");
        let found = read(&log, &routes);
        let shown: Vec<(String, u32)> = found.iter().map(|request| (request.name(), request.weight)).collect();
        assert_eq!(shown, [("GET /books/{book_id}".to_owned(), 3), ("POST /carts/{id}/items/{id2}".to_owned(), 1)]);
        assert_eq!(found[0].params["book_id"], Param::Choice(vec![3.into(), "a b".into()]));
        assert!(read("", &routes).is_empty());
    }
}
