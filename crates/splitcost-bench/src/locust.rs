//! An export to Locust, for more load than one machine can make, and an import of Locust's results.
//!
//! # Source
//! Locust 2.47: `FastHttpUser`, `catch_response`, and the files of `--csv` (`locust/stats.py`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;
use splitcost_load::{Body, Param, Piece, RequestSpec, pieces};
use splitcost_model::bench::{Failed, Measurement, RequestMeasurement, Times};

const HEAD: &str = r#"
from __future__ import annotations

import json
import random
import string
from urllib.parse import quote

from locust import FastHttpUser, constant, task


def text(low: int, high: int) -> str:
    """Letters and digits, of a length in this range."""
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=random.randint(low, high)))


def plain(value: object) -> str:
    """A value inside a text: numbers and truth values as JSON has them."""
    return value if isinstance(value, str) else json.dumps(value)


def encoded(value: object) -> str:
    """A value inside a path."""
    return quote(plain(value), safe="")


class User(FastHttpUser):
    """One request in flight, the next at once: a closed loop of as many as there are users."""

    wait_time = constant(0)
"#;

/// Returns a Locust file with the same workload: requests by weight, with parameters, headers, bodies and the statuses that
/// count as success. Its parameters have the same ranges, but not the same seed.
///
/// # Errors
/// A sentence, when Locust cannot make a request.
pub fn export(url: &str, requests: &[RequestSpec], concurrency: u32) -> Result<String, String> {
    let host = origin(url)?;
    let mut file = format!(
        "\"\"\"The workload of `splitcost bench` for Locust, written by `splitcost bench --export locust`.\n\n\
         On one machine, or on several, with a master and workers:\n\n    \
         locust -f FILE --headless --users {concurrency} --spawn-rate {concurrency} --run-time 60s --csv results\n    \
         locust -f FILE --headless --master --expect-workers 2 --users {concurrency} --spawn-rate {concurrency} \
         --run-time 60s --csv results\n    \
         locust -f FILE --worker --master-host MASTER\n    \
         splitcost bench --import-locust results\n\"\"\"\n{HEAD}    host = {}\n",
        literal(&host)
    );
    for (position, request) in requests.iter().enumerate() {
        let name = request.name();
        let fail = |problem: String| format!("request {} ({name}): {problem}", position + 1);
        task(&mut file, position, request).map_err(fail)?;
    }
    Ok(file)
}

/// Returns scheme, host and port of a URL.
fn origin(url: &str) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("{url} has no scheme"))?;
    if !matches!(scheme, "http" | "https") {
        return Err(format!("{url}: Locust asks http:// and https:// only"));
    }
    Ok(format!("{scheme}://{}", rest.split(['/', '?']).next().unwrap_or_default()))
}

fn task(file: &mut String, position: usize, request: &RequestSpec) -> Result<(), String> {
    // Writing to a string does not fail.
    let _ = writeln!(file, "\n    @task({})\n    def request_{}(self) -> None:", request.weight, position + 1);
    let _ = writeln!(file, "        \"\"\"{}\"\"\"", request.name().replace(['\\', '"'], "'"));
    for (name, param) in &request.params {
        let _ = writeln!(file, "        {} = {}", variable(name), drawn(param));
    }
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &request.headers {
        headers.insert(name.to_ascii_lowercase(), formatted(value, "plain")?);
    }
    headers.entry("accept".to_owned()).or_insert_with(|| literal("*/*"));
    let (body, content_type) = match &request.body {
        None => (None, None),
        Some(Body::Json(value)) => {
            let value = json(value)?;
            // As compact as the bodies of our own generator.
            let dumped = format!("json.dumps({value}, ensure_ascii=False, separators=(\",\", \":\"))");
            (Some(dumped), Some(literal("application/json")))
        }
        Some(Body::Text(text)) => (Some(formatted(text, "plain")?), Some(literal("text/plain; charset=utf-8"))),
        Some(Body::Form(fields)) => {
            let fields =
                fields.iter().map(|(name, value)| Ok(format!("{}: {}", literal(name), formatted(value, "plain")?)));
            let fields = fields.collect::<Result<Vec<String>, String>>()?;
            (Some(format!("{{{}}}", fields.join(", "))), Some(literal("application/x-www-form-urlencoded")))
        }
        Some(Body::Bytes { bytes, content_type }) => {
            (Some(byte_literal(bytes)), Some(formatted(content_type, "plain")?))
        }
        Some(Body::Grpc(_)) => return Err("Locust has no gRPC of its own".to_owned()),
    };
    if let Some(content_type) = content_type {
        headers.entry("content-type".to_owned()).or_insert(content_type);
    }
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{}: {value}", literal(name))).collect();
    let _ = writeln!(file, "        with self.client.request(");
    let _ = writeln!(file, "            {},", literal(request.method.name()));
    let _ = writeln!(file, "            {},", formatted(&request.path, "encoded")?);
    let _ = writeln!(file, "            name={},", literal(&request.name()));
    let _ = writeln!(file, "            headers={{{}}},", headers.join(", "));
    if let Some(body) = body {
        let _ = writeln!(file, "            data={body},");
    }
    let _ =
        writeln!(file, "            allow_redirects=False,\n            catch_response=True,\n        ) as response:");
    let expected = if request.expect.is_empty() {
        "200 <= response.status_code < 400".to_owned()
    } else {
        let statuses: Vec<String> = request.expect.iter().map(u16::to_string).collect();
        format!("response.status_code in ({},)", statuses.join(", "))
    };
    let _ = writeln!(file, "            if {expected}:\n                response.success()");
    let _ = writeln!(file, "            elif response.status_code:");
    let _ = writeln!(file, "                response.failure(f\"status {{response.status_code}}\")");
    Ok(())
}

/// Returns the Python name of a parameter, which differs from keywords and from all other names in the file.
fn variable(param: &str) -> String {
    format!("param_{param}")
}

fn drawn(param: &Param) -> String {
    match param {
        Param::Int([low, high]) => format!("random.randint({low}, {high})"),
        Param::Float([low, high]) => format!("random.uniform({low:?}, {high:?})"),
        Param::String([low, high]) => format!("text({low}, {high})"),
        Param::Choice(values) => {
            let values: Vec<String> = values.iter().map(scalar).collect();
            format!("random.choice([{}])", values.join(", "))
        }
    }
}

/// Returns a template as a Python expression; `function` is called on the values.
fn formatted(template: &str, function: &str) -> Result<String, String> {
    let parts: Vec<String> = pieces(template)?
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => literal(&text),
            Piece::Placeholder(name) => format!("{function}({})", variable(name)),
        })
        .collect();
    Ok(if parts.is_empty() { literal("") } else { parts.join(" + ") })
}

/// Returns a JSON value, whose strings are templates, as a Python expression.
fn json(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::String(template) => match pieces(template)?.as_slice() {
            [Piece::Placeholder(name)] => variable(name),
            _ => formatted(template, "plain")?,
        },
        Value::Array(items) => {
            format!("[{}]", items.iter().map(json).collect::<Result<Vec<_>, _>>()?.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, field)| Ok(format!("{}: {}", literal(key), json(field)?)));
            format!("{{{}}}", fields.collect::<Result<Vec<_>, String>>()?.join(", "))
        }
        other => scalar(other),
    })
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => literal(text),
        number => number.to_string(),
    }
}

/// Returns a text as a Python literal.
fn literal(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn byte_literal(bytes: &[u8]) -> String {
    format!("b\"{}\"", bytes.escape_ascii().to_string().replace("\\'", "'"))
}

/// A line of Locust's `_stats.csv`. A percentile that is not known is `N/A`.
#[derive(Deserialize)]
struct Stats {
    #[serde(rename = "Type")]
    method: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Request Count")]
    requests: u64,
    #[serde(rename = "Failure Count")]
    failures: u64,
    #[serde(rename = "Average Response Time")]
    mean: f64,
    #[serde(rename = "Max Response Time")]
    max: f64,
    #[serde(rename = "Average Content Size")]
    content_bytes: f64,
    #[serde(rename = "Requests/s")]
    requests_per_sec: f64,
    #[serde(rename = "50%")]
    p50: String,
    #[serde(rename = "90%")]
    p90: String,
    #[serde(rename = "99%")]
    p99: String,
    #[serde(rename = "99.9%")]
    p99_9: String,
    #[serde(rename = "99.99%")]
    p99_99: String,
}

/// A line of Locust's `_failures.csv`.
#[derive(Deserialize)]
struct Occurred {
    #[serde(rename = "Method")]
    method: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Error")]
    error: String,
    #[serde(rename = "Occurrences")]
    occurrences: u64,
}

/// Reads Locust's results from the texts of its `_stats.csv` and `_failures.csv`.
///
/// Locust's percentiles are whole milliseconds, and include requests that failed.
///
/// # Errors
/// A sentence with the file and the line.
pub fn import(origin: &str, stats: &str, failures: &str) -> Result<Measurement, String> {
    let stats: Vec<Stats> = rows("stats", stats)?;
    let occurred: Vec<Occurred> = rows("failures", failures)?;
    let all = stats.iter().find(|row| row.name == "Aggregated" && row.method.is_empty());
    let all = all.ok_or("the stats have no line Aggregated: Locust writes it at the end of a run")?;
    let failed = |wanted: Option<&Stats>| -> Vec<Failed> {
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for row in &occurred {
            if wanted.is_none_or(|wanted| wanted.method == row.method && wanted.name == row.name) {
                let known = kinds.entry(kind(&row.error)).or_default();
                *known = known.saturating_add(row.occurrences);
            }
        }
        kinds.into_iter().map(|(kind, requests)| Failed { kind: kind.to_owned(), requests }).collect()
    };
    let ok = |row: &Stats| row.requests.saturating_sub(row.failures);
    let share_ok = if all.requests > 0 { ok(all) as f64 / all.requests as f64 } else { 0.0 };
    let response = times(all)?;
    let mut requests = Vec::new();
    for row in stats.iter().filter(|row| !std::ptr::eq(*row, all)) {
        let response = times(row)?;
        requests.push(RequestMeasurement {
            name: row.name.clone(),
            ok: ok(row),
            failed: failed(Some(row)),
            response,
            service: response,
            ..RequestMeasurement::default()
        });
    }
    Ok(Measurement {
        url: origin.to_owned(),
        load: "made by Locust, times in whole milliseconds, failed requests included".to_owned(),
        window_secs: if all.requests_per_sec > 0.0 { all.requests as f64 / all.requests_per_sec } else { 0.0 },
        ok: ok(all),
        failed: failed(None),
        throughput_reqs_per_sec: all.requests_per_sec * share_ok,
        response,
        service: response,
        requests: if requests.len() > 1 { requests } else { Vec::new() },
        bytes_in: (all.content_bytes * all.requests as f64) as u64,
        ..Measurement::default()
    })
}

/// Returns the error of a failure, without the wrapping of an exception's representation.
fn kind(error: &str) -> &str {
    let inner = error.strip_prefix("CatchResponseError('").and_then(|rest| rest.strip_suffix("')"));
    inner.unwrap_or(error)
}

fn rows<T: for<'de> Deserialize<'de>>(file: &str, text: &str) -> Result<Vec<T>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.map_err(|error| format!("the {file} are not Locust's: {error}"))).collect()
}

fn times(row: &Stats) -> Result<Times, String> {
    let millis = |text: &str| match text.parse::<f64>() {
        Ok(millis) if millis.is_finite() => Ok(millis),
        _ if text == "N/A" => Ok(0.0),
        _ => Err(format!("the stats of {} have {text:?} where a time is expected", row.name)),
    };
    Ok(Times {
        mean_ms: row.mean,
        p50_ms: millis(&row.p50)?,
        p90_ms: millis(&row.p90)?,
        p99_ms: millis(&row.p99)?,
        p99_9_ms: millis(&row.p99_9)?,
        p99_99_ms: millis(&row.p99_99)?,
        max_ms: row.max,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use splitcost_load::Method;

    use super::*;

    #[test]
    fn expressions_are_python() {
        assert_eq!(literal("a\"\\\n\u{1}ä"), r#""a\"\\\n\u0001ä""#);
        assert_eq!(byte_literal(b"a'\"\\\n\0\xff"), r#"b"a'\"\\\n\x00\xff""#);
        assert_eq!(
            formatted("/a/{id}{{}}?q={q}", "encoded").as_deref(),
            Ok(r#""/a/" + encoded(param_id) + "{}?q=" + encoded(param_q)"#)
        );
        let body = serde_json::json!({"n": "{n}", "t": "x {n}", "l": [null, true, 1.0, ""]});
        assert_eq!(
            json(&body).as_deref(),
            Ok(r#"{"n": param_n, "t": "x " + plain(param_n), "l": [None, True, 1.0, ""]}"#)
        );
    }

    #[test]
    fn requests_that_locust_cannot_make_are_refused() {
        let mut request = RequestSpec::new(Method::Post, "/shop.Users/Get");
        assert!(export("grpc://a/", &[request.clone()], 1).is_err_and(|error| error.contains("https:// only")));
        request.body = Some(Body::Grpc(Vec::new()));
        let refused = export("http://a", &[request], 1);
        assert_eq!(refused, Err("request 1 (POST /shop.Users/Get): Locust has no gRPC of its own".to_owned()));
    }

    const STATS: &str = "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response \
         Time,Max Response Time,Average Content Size,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%\n\
         GET,GET /a,90,0,5,5.5,1,20.5,2.0,9.0,0.0,5,6,7,8,9,10,11,12,19,20,20\n\
         POST,\"POST /b, c\",10,5,N/A,6.5,1,30.5,2.0,1.0,0.5,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A\n\
         ,Aggregated,100,5,5,5.6,1,30.5,2.0,10.0,0.5,5,6,7,8,9,10,11,12,19,30,30\n";
    const FAILURES: &str = "Method,Name,Error,Occurrences,First Seen,Last Seen\n\
         POST,\"POST /b, c\",CatchResponseError('status 503'),5,1,2\n";

    #[test]
    fn results_are_read_back() {
        let found = import("results", STATS, FAILURES).expect("they are Locust's");
        assert_eq!((found.ok, found.throughput_reqs_per_sec, found.window_secs), (95, 9.5, 10.0));
        let failed = vec![Failed { kind: "status 503".into(), requests: 5 }];
        assert_eq!((&found.failed, found.response.p99_ms, found.response.max_ms), (&failed, 12.0, 30.5));
        assert_eq!((found.requests[1].name.as_str(), &found.requests[1].failed), ("POST /b, c", &failed));
        assert!(found.requests[0].failed.is_empty());
    }

    #[test]
    fn files_of_others_are_refused() {
        let problem = |stats: &str| import("x", stats, FAILURES).expect_err("it is not Locust's");
        assert_eq!(problem(""), "the stats have no line Aggregated: Locust writes it at the end of a run");
        assert_eq!(
            problem("a,b\n1,2\n"),
            "the stats are not Locust's: CSV deserialize error: record 1 (line: 2, byte: 4): missing field `Type`"
        );
        assert!(problem(&STATS.replace("12,19,30,30", "soon,19,30,30")).ends_with("\"soon\" where a time is expected"));
    }

    proptest! {
        #[test]
        fn broken_results_are_errors(at in 0..600_usize, with in "[\\PC,\"\n]{0,3}", cut in 0..700_usize) {
            let mut text: Vec<char> = STATS.chars().take(cut).collect();
            let at = at.min(text.len());
            text.splice(at..at, with.chars());
            // An error or results, never a panic.
            let _ = import("x", &text.iter().collect::<String>(), FAILURES);
        }
    }
}
