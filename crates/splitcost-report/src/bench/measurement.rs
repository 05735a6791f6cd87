//! What `splitcost bench` prints: one endpoint, or two beside each other.

use std::fmt::Write as _;

use splitcost_model::bench::{Change, Comparison, Figure, Measurement, Times, Verdict};

use crate::number::{byte_unit, count, number};

/// The columns of times, by name and value.
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

/// One endpoint for a terminal.
pub fn measurement(found: &Measurement) -> String {
    let mut text = format!("{}\n{}, {} s measured\n", found.url, found.load, number(found.window_secs));
    // Writing to a string does not fail.
    let mut line = |name: &str, cells: [String; 7]| {
        let _ = write!(text, "{name:<14}");
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
    let failed: u64 = found.failed.iter().map(|failed| failed.requests).sum();
    let kinds: Vec<String> =
        found.failed.iter().map(|failed| format!("{} {}", count(failed.requests), failed.kind)).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let _ = writeln!(
        text,
        "{} requests/s; {} ok, {} failed{kinds}; {} connections; {} in, {} out",
        number(found.throughput_reqs_per_sec),
        count(found.ok),
        count(failed),
        count(found.connections),
        bytes(found.bytes_in),
        bytes(found.bytes_out),
    );
    let server = found.server_cpu_micros_per_request;
    let server = server.map_or(String::new(), |micros| format!(", server {} µs", number(micros)));
    let generator = number(found.generator_cpu_micros_per_request);
    let _ = write!(text, "CPU per request: generator {generator} µs{server}");
    if found.schedule_lag_ms_p99 > 0.0 {
        let _ = write!(text, "; schedule lag p99 {} ms", number(found.schedule_lag_ms_p99));
    }
    text.push('\n');
    if let Some(reason) = &found.invalid {
        let _ = writeln!(text, "invalid: {reason}");
    }
    text
}

fn bytes(value: u64) -> String {
    let (factor, unit) = byte_unit(value as f64);
    format!("{} {unit}", number(value as f64 * factor))
}

/// Two endpoints for a terminal: a line a figure, each with its verdict in words.
pub fn comparison(found: &Comparison) -> String {
    let mut text = format!(
        "A {}\nB {}\n{}; {} rounds, each A, B and A again for {} s, shuffled; the same is within {} %\n\n",
        found.a.url,
        found.b.url,
        found.a.load,
        found.rounds,
        number(found.run_secs),
        number(found.margin * 100.0),
    );
    // Writing to a string does not fail.
    let _ = writeln!(text, "{:<26}{:>9}{:>9}   {:<22}control A/A", "", "A", "B", "B/A, 98 % interval");
    for figure in &found.figures {
        let _ = writeln!(
            text,
            "{:<26}{:>9}{:>9}   {:<22}{:<22}{}",
            label(&figure.name),
            number(figure.a),
            number(figure.b),
            ratio(&figure.change),
            ratio(&figure.control),
            words(figure),
        );
    }
    for reason in &found.left_out {
        let _ = writeln!(text, "left out: {reason}");
    }
    for (name, of) in [("A", &found.a), ("B", &found.b)] {
        let failed: u64 = of.failed.iter().map(|failed| failed.requests).sum();
        if failed > 0 {
            let _ = writeln!(text, "{name}: {} of {} requests failed", count(failed), count(failed + of.ok));
        }
    }
    if let Some(reason) = &found.invalid {
        let _ = writeln!(text, "invalid: {reason}; no verdict holds");
    }
    text
}

fn label(name: &str) -> String {
    match name {
        "throughput_reqs_per_sec" => "requests/s".to_owned(),
        "server_cpu_micros_per_request" => "server CPU, µs a request".to_owned(),
        other => other.strip_prefix("response_").unwrap_or(other).replace("_ms", ", ms"),
    }
}

fn ratio(change: &Change) -> String {
    let interval = change.ratio;
    format!("{:.3} ({:.3}–{:.3})", interval.value, interval.low, interval.high)
}

/// The verdict as a sentence's end.
fn words(figure: &Figure) -> String {
    let Change { ratio, verdict, more_rounds } = figure.change;
    match verdict {
        Verdict::Same => "same".to_owned(),
        Verdict::Different => {
            let percent = (ratio.value - 1.0) * 100.0;
            let direction = if percent > 0.0 { "more" } else { "less" };
            format!("different: B {} % {direction}", number(percent.abs()))
        }
        Verdict::Inconclusive => {
            let more = more_rounds.map_or(String::new(), |rounds| format!(": about {} more rounds", count(rounds)));
            format!("inconclusive{more}")
        }
    }
}

/// One endpoint as CSV: a header and a line; keys as in the JSON.
pub fn csv(found: &Measurement) -> String {
    let (names, values) = cells(found);
    format!("{}\n{}\n", names.join(","), values.join(","))
}

/// One endpoint as a table of Markdown.
pub fn markdown(found: &Measurement) -> String {
    let (names, values) = cells(found);
    let mut text = String::from("| figure | value |\n|---|--:|\n");
    for (name, value) in names.iter().zip(values) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {name} | {} |", value.replace('|', "\\|"));
    }
    text
}

fn cells(found: &Measurement) -> (Vec<String>, Vec<String>) {
    let failed: u64 = found.failed.iter().map(|failed| failed.requests).sum();
    let quoted = format!("\"{}\"", found.url.replace('"', "\"\""));
    let mut cells = vec![("url".to_owned(), quoted), ("ok".to_owned(), found.ok.to_string())];
    let mut add = |name: String, value: f64| cells.push((name, format!("{value:.6}")));
    add("failed".to_owned(), failed as f64);
    add("throughput_reqs_per_sec".to_owned(), found.throughput_reqs_per_sec);
    for (kind, times) in [("response", &found.response), ("service", &found.service)] {
        for (name, value) in columns(times) {
            add(format!("{kind}_{}_ms", name.replace('.', "_")), value);
        }
    }
    add("generator_cpu_micros_per_request".to_owned(), found.generator_cpu_micros_per_request);
    if let Some(micros) = found.server_cpu_micros_per_request {
        add("server_cpu_micros_per_request".to_owned(), micros);
    }
    cells.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use splitcost_model::bench::Failed;
    use splitcost_model::quantity::Interval;

    use super::*;

    fn found() -> Measurement {
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
            throughput_reqs_per_sec: 299.0,
            response,
            service: response,
            connections: 3,
            bytes_in: 300_000,
            bytes_out: 270_000,
            generator_cpu_micros_per_request: 29.4,
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
        milliseconds        mean       p50       p90       p99     p99.9    p99.99       max
        response time       4.48      4.37      4.62      8.91      9.27      13.6      14.0
        service time        4.48      4.37      4.62      8.91      9.27      13.6      14.0
        299 requests/s; 2,990 ok, 10 failed (10 status 503); 3 connections; 300 kB in, 270 kB out
        CPU per request: generator 29.4 µs, server 270 µs; schedule lag p99 0.0210 ms
        ");
        let nobody = Measurement { ok: 0, invalid: Some("the load generator was busy".into()), ..found() };
        assert!(measurement(&nobody).contains("response time          –"));
        assert!(measurement(&nobody).ends_with("invalid: the load generator was busy\n"));
    }

    #[test]
    fn verdicts_are_words() {
        let change = |value: f64, verdict, more_rounds| Change {
            ratio: Interval { value, low: value * 0.98, high: value * 1.02 },
            verdict,
            more_rounds,
        };
        let figure = |name: &str, change| Figure {
            name: name.into(),
            a: 3.87,
            b: 4.25,
            change,
            control: Change { ratio: Interval { value: 1.0, low: 0.99, high: 1.01 }, ..Change::default() },
        };
        let comparison = super::comparison(&Comparison {
            a: found(),
            b: found(),
            rounds: 20,
            run_secs: 0.5,
            margin: 0.03,
            figures: vec![
                figure("response_p50_ms", change(1.098, Verdict::Different, None)),
                figure("throughput_reqs_per_sec", change(0.9, Verdict::Different, None)),
                figure("response_p99_ms", change(1.04, Verdict::Inconclusive, Some(1_200))),
                figure("server_cpu_micros_per_request", change(1.001, Verdict::Same, None)),
            ],
            left_out: vec!["response_p90_ms: a run has 45 requests, and needs 100".into()],
            invalid: Some("response_p50_ms of the control differs".into()),
        });
        insta::assert_snapshot!(comparison, @r"
        A http://127.0.0.1:8000/items
        B http://127.0.0.1:8000/items
        open loop, 300 requests/s; 20 rounds, each A, B and A again for 0.500 s, shuffled; the same is within 3.00 %

                                          A        B   B/A, 98 % interval    control A/A
        p50, ms                        3.87     4.25   1.098 (1.076–1.120)   1.000 (0.990–1.010)   different: B 9.80 % more
        requests/s                     3.87     4.25   0.900 (0.882–0.918)   1.000 (0.990–1.010)   different: B 10.0 % less
        p99, ms                        3.87     4.25   1.040 (1.019–1.061)   1.000 (0.990–1.010)   inconclusive: about 1,200 more rounds
        server CPU, µs a request       3.87     4.25   1.001 (0.981–1.021)   1.000 (0.990–1.010)   same
        left out: response_p90_ms: a run has 45 requests, and needs 100
        A: 10 of 3,000 requests failed
        B: 10 of 3,000 requests failed
        invalid: response_p50_ms of the control differs; no verdict holds
        ");
    }

    #[test]
    fn tables_have_the_keys_of_the_json() {
        let json = serde_json::to_value(found()).expect("it is JSON");
        let csv = csv(&found());
        for name in csv.lines().next().expect("there is a header").split(',') {
            let known = match name.split_once('_') {
                Some((kind @ ("response" | "service"), key)) => json[kind].get(key).is_some(),
                _ => json.get(name).is_some(),
            };
            assert!(known, "{name}");
        }
    }
}
