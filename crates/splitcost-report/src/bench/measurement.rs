//! The figures of one endpoint, as text for a terminal, as CSV and as Markdown.

use std::fmt::Write as _;

use splitcost_model::bench::{Failed, Measurement, Phases, Times};

use crate::number::{byte_unit, count, number};
use crate::shorten::{distinct_width, length, shorten};

/// Returns the columns of times, by name and value.
fn columns(times: &Times) -> [(&'static str, f64); 7] {
    [
        ("mean", times.mean_ms),
        ("p50", times.p50_ms),
        ("p90", times.p90_ms),
        ("p99", times.p99_ms),
        ("p99.9", times.p99_9_ms),
        ("p99.99", times.p99_99_ms),
        ("max", times.max_ms),
    ]
}

/// Renders the figures of one endpoint for a terminal.
pub fn measurement(found: &Measurement) -> String {
    let mut text = format!("{}\n{}, {} s measured\n", found.url, found.load, number(found.window_secs));
    // Writing to a string does not fail.
    let mut line = |name: &str, cells: [String; 7]| {
        let _ = write!(text, "{name:<15}");
        for cell in cells {
            let _ = write!(text, "{cell:>10}");
        }
        text.push('\n');
    };
    line("milliseconds", columns(&found.response).map(|(name, _)| name.to_owned()));
    // Without an answer there is no time.
    let shown = |(_, value): (&str, f64)| if found.ok == 0 { "–".to_owned() } else { number(value) };
    line("response time", columns(&found.response).map(shown));
    line("service time", columns(&found.service).map(shown));
    for (name, times) in phases(&found.phases) {
        line(name, columns(times).map(shown));
    }
    requests(&mut text, found);
    let failed = failures(&found.failed);
    let kinds: Vec<String> =
        found.failed.iter().map(|failed| format!("{} {}", count(failed.requests), failed.kind)).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let throughput = number(found.throughput_reqs_per_sec);
    let _ = write!(text, "{throughput} requests/s; {} ok, {} failed{kinds}", count(found.ok), count(failed));
    if found.connections > 0 {
        let (connections, sent) = (count(found.connections), bytes(found.bytes_out));
        let _ = write!(text, "; {connections} connections; {} in, {sent} out", bytes(found.bytes_in));
    }
    if let Some(millis) = found.phases.name_lookup_ms {
        let _ = write!(text, "; name lookup {} ms", number(millis));
    }
    text.push('\n');
    let server = found.server_cpu_micros_per_request;
    let server = server.map_or(String::new(), |micros| format!(", server {} µs", number(micros)));
    if let Some(generator) = found.generator_cpu_micros_per_request {
        let _ = write!(text, "CPU per request: generator {} µs{server}", number(generator));
        if found.schedule_lag_ms_p99 > 0.0 {
            let _ = write!(text, "; schedule lag p99 {} ms", number(found.schedule_lag_ms_p99));
        }
        text.push('\n');
    }
    if let Some(first) = &found.first_failure {
        let _ = writeln!(text, "the first failure was {first}");
    }
    if let Some(reason) = &found.invalid {
        let _ = writeln!(text, "invalid: {reason}");
    }
    text
}

/// Renders a line per request, if there are several.
fn requests(text: &mut String, found: &Measurement) {
    if found.requests.is_empty() {
        return;
    }
    let names = || found.requests.iter().map(|request| request.name.as_str());
    let narrow = names().map(length).max().unwrap_or(0).clamp(19, 45);
    let width = distinct_width(names(), narrow) + 1;
    // Writing to a string does not fail.
    let _ = write!(text, "\n{:<width$}{:>9}{:>8}", "response time, ms", "ok", "failed");
    let _ = writeln!(text, "{:>9}{:>9}{:>9}{:>9}", "p50", "p90", "p99", "max");
    for request in &found.requests {
        let _ = write!(text, "{:<width$}", shorten(&request.name, width - 1));
        let _ = write!(text, "{:>9}{:>8}", count(request.ok), count(failures(&request.failed)));
        let Times { p50_ms, p90_ms, p99_ms, max_ms, .. } = request.response;
        for value in [p50_ms, p90_ms, p99_ms, max_ms] {
            let _ = write!(text, "{:>9}", if request.ok == 0 { "–".to_owned() } else { number(value) });
        }
        text.push('\n');
    }
    text.push('\n');
}

/// Returns the phases that were measured.
fn phases(phases: &Phases) -> impl Iterator<Item = (&'static str, &Times)> {
    let named = [
        ("  connected", &phases.connect),
        ("  TLS done", &phases.tls),
        ("  request sent", &phases.sent),
        ("  first byte", &phases.first_byte),
    ];
    named.into_iter().filter_map(|(name, times)| Some((name, times.as_ref()?)))
}

fn failures(failed: &[Failed]) -> u64 {
    failed.iter().map(|failed| failed.requests).sum()
}

fn bytes(value: u64) -> String {
    let (factor, unit) = byte_unit(value as f64);
    format!("{} {unit}", number(value as f64 * factor))
}

/// Renders the figures of one endpoint as CSV: a header, a line for each request of several, and one for all; keys as in the JSON.
pub fn csv(found: &Measurement) -> String {
    let rows = rows(found);
    let mut text = String::new();
    for (position, row) in rows.iter().enumerate() {
        if position == 0 {
            text += &row.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
            text.push('\n');
        }
        text += &row.iter().map(|(_, value)| csv_cell(value)).collect::<Vec<_>>().join(",");
        text.push('\n');
    }
    text
}

/// Renders the figures of one endpoint as a Markdown table: a line for each figure, a column for each request of several, and one for all.
pub fn markdown(found: &Measurement) -> String {
    let rows = rows(found);
    let mut text = String::new();
    let names = rows.iter().map(|row| markdown_cell(&row[1].1)).collect::<Vec<_>>().join(" | ");
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}\n\n| figure | {names} |\n|---|{}", markdown_cell(&found.url), "--:|".repeat(rows.len()));
    for figure in 2..rows[0].len() {
        let values = rows.iter().map(|row| row[figure].1.as_str()).collect::<Vec<_>>().join(" | ");
        let _ = writeln!(text, "| {} | {values} |", rows[0][figure].0);
    }
    text
}

/// Returns a text as a field of CSV.
///
/// # Source
/// RFC 4180.
pub(super) fn csv_cell(value: &str) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

pub(super) fn markdown_cell(value: &str) -> String {
    value.replace('|', "\\|")
}

/// Returns names and values of each request of several, and of all together. A figure that is known only of all together
/// is empty in the others.
fn rows(found: &Measurement) -> Vec<Vec<(String, String)>> {
    let row = |name: &str, ok: u64, failed: &[Failed], response: &Times, service: &Times, all: Option<&Measurement>| {
        let mut cells = vec![("url".to_owned(), found.url.clone()), ("request".to_owned(), name.to_owned())];
        cells.push(("ok".to_owned(), ok.to_string()));
        cells.push(("failed".to_owned(), failures(failed).to_string()));
        let mut add = |name: String, value: Option<f64>| {
            cells.push((name, value.map_or(String::new(), |value| format!("{value:.6}"))));
        };
        for (kind, times) in [("response", response), ("service", service)] {
            for (name, value) in columns(times) {
                add(format!("{kind}_{}_ms", name.replace('.', "_")), Some(value));
            }
        }
        add("throughput_reqs_per_sec".to_owned(), all.map(|all| all.throughput_reqs_per_sec));
        add("generator_cpu_micros_per_request".to_owned(), all.and_then(|all| all.generator_cpu_micros_per_request));
        if let Some(micros) = found.server_cpu_micros_per_request {
            add("server_cpu_micros_per_request".to_owned(), all.map(|_| micros));
        }
        cells
    };
    let requests = found.requests.iter();
    let each = requests.map(|r| row(&r.name, r.ok, &r.failed, &r.response, &r.service, None));
    let all = row("all", found.ok, &found.failed, &found.response, &found.service, Some(found));
    each.chain([all]).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use splitcost_model::bench::RequestMeasurement;

    use super::*;

    pub(crate) fn found() -> Measurement {
        let response = Times {
            mean_ms: 4.48,
            p50_ms: 4.37,
            p90_ms: 4.62,
            p99_ms: 8.91,
            p99_9_ms: 9.27,
            p99_99_ms: 13.6,
            max_ms: 14.0,
        };
        Measurement {
            url: "http://127.0.0.1:8000/items".into(),
            load: "open loop, 300 requests/s".into(),
            window_secs: 10.0,
            ok: 2_990,
            failed: vec![Failed { kind: "status 503".into(), requests: 10 }],
            first_failure: Some("status 503: too busy".into()),
            throughput_reqs_per_sec: 299.0,
            response,
            service: response,
            phases: Phases { name_lookup_ms: Some(0.21), sent: Some(response), ..Phases::default() },
            requests: Vec::new(),
            connections: 3,
            bytes_in: 300_000,
            bytes_out: 270_000,
            generator_cpu_micros_per_request: Some(29.4),
            server_cpu_micros_per_request: Some(270.0),
            schedule_lag_ms_p99: 0.021,
            invalid: None,
        }
    }

    #[test]
    fn one_endpoint_fits_a_screen() {
        insta::assert_snapshot!(measurement(&found()), @r"
        http://127.0.0.1:8000/items
        open loop, 300 requests/s, 10.0 s measured
        milliseconds         mean       p50       p90       p99     p99.9    p99.99       max
        response time        4.48      4.37      4.62      8.91      9.27      13.6      14.0
        service time         4.48      4.37      4.62      8.91      9.27      13.6      14.0
          request sent       4.48      4.37      4.62      8.91      9.27      13.6      14.0
        299 requests/s; 2,990 ok, 10 failed (10 status 503); 3 connections; 300 kB in, 270 kB out; name lookup 0.210 ms
        CPU per request: generator 29.4 µs, server 270 µs; schedule lag p99 0.0210 ms
        the first failure was status 503: too busy
        ");
        let nobody = Measurement { ok: 0, invalid: Some("the load generator was busy".into()), ..found() };
        assert!(measurement(&nobody).contains("response time           –"));
        assert!(measurement(&nobody).ends_with("invalid: the load generator was busy\n"));
    }

    /// Two requests, one of which always fails.
    fn several() -> Measurement {
        let request = |name: &str, ok| RequestMeasurement {
            name: name.into(),
            ok,
            failed: vec![Failed { kind: "status 503".into(), requests: 5 }],
            response: found().response,
            service: found().service,
            phases: Phases::default(),
        };
        let long = "POST /a/very/long/path/that/does/not/fit?into=a&table=of&a=terminal, \"x\"";
        Measurement { requests: vec![request("GET /items/{id}", 2_990), request(long, 0)], ..found() }
    }

    #[test]
    fn several_requests_have_a_line_each() {
        insta::assert_snapshot!(measurement(&several()), @r#"
        http://127.0.0.1:8000/items
        open loop, 300 requests/s, 10.0 s measured
        milliseconds         mean       p50       p90       p99     p99.9    p99.99       max
        response time        4.48      4.37      4.62      8.91      9.27      13.6      14.0
        service time         4.48      4.37      4.62      8.91      9.27      13.6      14.0
          request sent       4.48      4.37      4.62      8.91      9.27      13.6      14.0

        response time, ms                                    ok  failed      p50      p90      p99      max
        GET /items/{id}                                   2,990       5     4.37     4.62     8.91     14.0
        POST /a/…/fit?into=a&table=of&a=terminal, "x"         0       5        –        –        –        –

        299 requests/s; 2,990 ok, 10 failed (10 status 503); 3 connections; 300 kB in, 270 kB out; name lookup 0.210 ms
        CPU per request: generator 29.4 µs, server 270 µs; schedule lag p99 0.0210 ms
        the first failure was status 503: too busy
        "#);
        let csv = csv(&several());
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines[2]
                .contains(",\"POST /a/very/long/path/that/does/not/fit?into=a&table=of&a=terminal, \"\"x\"\"\",0,5,")
        );
        let markdown = markdown(&several());
        assert!(markdown.contains("| ok | 2990 | 0 | 2990 |"), "{markdown}");
    }

    #[test]
    fn tables_have_the_keys_of_the_json() {
        let json = serde_json::to_value(found()).expect("it is JSON");
        let csv = csv(&found());
        for name in csv.lines().next().expect("there is a header").split(',') {
            let known = name == "request"
                || match name.split_once('_') {
                    Some((kind @ ("response" | "service"), key)) => json[kind].get(key).is_some(),
                    _ => json.get(name).is_some(),
                };
            assert!(known, "{name}");
        }
    }
}
