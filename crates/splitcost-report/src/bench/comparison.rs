//! A comparison of two endpoints, as text for a terminal, as CSV and as Markdown.

use std::fmt::Write as _;

use splitcost_model::bench::{Change, Comparison, Figure, Verdict};
use splitcost_model::statistics::Level;

use super::measurement::{csv_cell, markdown_cell};
use crate::number::{count, number};

/// Renders a comparison for a terminal: a line per figure, each with its verdict in words.
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
    let head = format!("B/A, {} interval", level(found));
    let _ = writeln!(text, "{:<26}{:>9}{:>9}   {head:<22}control A/A", "", "A", "B");
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
    if found.rounds_spoiled > 0 {
        let _ = writeln!(text, "{} rounds are in no figure: the load generator spoiled them", found.rounds_spoiled);
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

/// Renders the verdict as the end of a line.
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

/// Renders a comparison as CSV: a header, and a line per figure.
pub fn comparison_csv(found: &Comparison) -> String {
    let mut text = String::from(
        "figure,a,b,ratio,ratio_low,ratio_high,control_ratio,control_low,control_high,verdict,more_rounds,invalid\n",
    );
    for Figure { name, a, b, change, control, .. } in &found.figures {
        let ratio = |change: &Change| format!("{},{},{}", change.ratio.value, change.ratio.low, change.ratio.high);
        let more = change.more_rounds.map_or(String::new(), |rounds| rounds.to_string());
        let invalid = csv_cell(found.invalid.as_deref().unwrap_or_default());
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{name},{a},{b},{},{},{},{more},{invalid}",
            ratio(change),
            ratio(control),
            change.verdict.name()
        );
    }
    text
}

/// The level of the ratios.
fn level(found: &Comparison) -> Level {
    found.figures.first().map_or(Level::NINETY_EIGHT, |figure| figure.change.ratio.level)
}

/// Renders a comparison as a Markdown table.
pub fn comparison_markdown(found: &Comparison) -> String {
    let (a, b) = (markdown_cell(&found.a.url), markdown_cell(&found.b.url));
    let mut text = format!(
        "A: {a}, B: {b}; {}; {} rounds of {} s\n\n| figure | A | B | B/A ({} interval) | control A/A | verdict |\n",
        found.a.load,
        found.rounds,
        number(found.run_secs),
        level(found),
    );
    text += "|---|--:|--:|--:|--:|---|\n";
    for figure in &found.figures {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            label(&figure.name),
            number(figure.a),
            number(figure.b),
            ratio(&figure.change),
            ratio(&figure.control),
            words(figure),
        );
    }
    if let Some(reason) = &found.invalid {
        let _ = writeln!(text, "\ninvalid: {}; no verdict holds", markdown_cell(reason));
    }
    text
}

#[cfg(test)]
mod tests {
    use splitcost_model::statistics::Interval;

    use super::*;
    use crate::bench::measurement::tests::found;

    #[test]
    fn verdicts_are_words() {
        let change = |value: f64, verdict, more_rounds| Change {
            ratio: Interval::new(Level::NINETY_EIGHT, value, value * 0.98, value * 1.02),
            verdict,
            more_rounds,
        };
        let figure = |name: &str, change| Figure {
            name: name.into(),
            parts: 20,
            a: 3.87,
            b: 4.25,
            change,
            control: Change { ratio: Interval::new(Level::NINETY_EIGHT, 1.0, 0.99, 1.01), ..Change::default() },
        };
        let comparison = super::comparison(&Comparison {
            a: found(),
            b: found(),
            rounds: 20,
            rounds_spoiled: 2,
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
        2 rounds are in no figure: the load generator spoiled them
        left out: response_p90_ms: a run has 45 requests, and needs 100
        A: 10 of 3,000 requests failed
        B: 10 of 3,000 requests failed
        invalid: response_p50_ms of the control differs; no verdict holds
        ");
    }
}
