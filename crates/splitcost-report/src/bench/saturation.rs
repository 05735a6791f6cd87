//! The saturation of an endpoint, as text for a terminal, as CSV and as Markdown.

use std::fmt::Write as _;

use splitcost_model::bench::Saturation;

use super::measurement::{csv_cell, markdown_cell};
use crate::number::{count, number};

/// Renders a search for a terminal: each rate that was tried, and the answer.
pub fn saturation(found: &Saturation) -> String {
    let mut text = format!(
        "{}\nclosed loop {} requests/s\n\n{:>11}{:>11}{:>11}{:>11}{:>9}\n",
        found.url,
        number(found.closed_loop_reqs_per_sec),
        "arrivals/s",
        "answers/s",
        "p50, ms",
        "p99, ms",
        "failed"
    );
    for step in &found.steps {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:>11}{:>11}{:>11}{:>11}{:>9}  {}",
            number(step.rate_reqs_per_sec),
            number(step.throughput_reqs_per_sec),
            number(step.response_p50_ms),
            number(step.response_p99_ms),
            count(step.failed),
            step.saturated.as_deref().unwrap_or("takes it"),
        );
    }
    let _ = writeln!(text, "\n{}", sentence(found));
    text
}

/// Renders the answer in words.
fn sentence(found: &Saturation) -> String {
    let knee = match (found.sustained_reqs_per_sec, found.saturated_reqs_per_sec) {
        (Some(low), Some(high)) => format!("saturates between {} and {} requests/s", number(low), number(high)),
        (Some(low), None) => format!("takes {} requests/s; where it saturates is not known", number(low)),
        (None, Some(high)) => format!("saturates below {} requests/s", number(high)),
        (None, None) => "nothing is known".to_owned(),
    };
    let reason = found.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let invalid = found.invalid.as_ref().map_or(String::new(), |invalid| format!("\ninvalid: {invalid}"));
    format!("{knee}{reason}{invalid}")
}

const COLUMNS: [&str; 7] = [
    "rate_reqs_per_sec",
    "arrivals_reqs_per_sec",
    "throughput_reqs_per_sec",
    "response_p50_ms",
    "response_p99_ms",
    "failed",
    "saturated",
];

fn cells(found: &Saturation) -> impl Iterator<Item = [String; 7]> {
    found.steps.iter().map(|step| {
        [
            format!("{:.3}", step.rate_reqs_per_sec),
            format!("{:.3}", step.arrivals_reqs_per_sec),
            format!("{:.3}", step.throughput_reqs_per_sec),
            format!("{:.6}", step.response_p50_ms),
            format!("{:.6}", step.response_p99_ms),
            step.failed.to_string(),
            step.saturated.clone().unwrap_or_default(),
        ]
    })
}

/// Renders the rates that were tried as CSV.
pub fn saturation_csv(found: &Saturation) -> String {
    let mut text = COLUMNS.join(",");
    for row in cells(found) {
        text.push('\n');
        text += &row.map(|cell| csv_cell(&cell)).join(",");
    }
    text.push('\n');
    text
}

/// Renders the rates that were tried as a Markdown table, and the answer.
pub fn saturation_markdown(found: &Saturation) -> String {
    let mut text = format!("| {} |\n|{}---|\n", COLUMNS.join(" | "), "--:|".repeat(6));
    for row in cells(found) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {} |", row.map(|cell| markdown_cell(&cell)).join(" | "));
    }
    let _ = writeln!(text, "\n{}: {}", markdown_cell(&found.url), markdown_cell(&sentence(found)));
    text
}

#[cfg(test)]
mod tests {
    use splitcost_model::bench::SaturationStep;

    use super::*;

    #[test]
    fn the_knee_is_a_sentence() {
        let step = |rate: f64, saturated: Option<&str>| SaturationStep {
            rate_reqs_per_sec: rate,
            arrivals_reqs_per_sec: rate,
            throughput_reqs_per_sec: rate,
            response_p50_ms: 1.0,
            response_p99_ms: 2.0,
            failed: 0,
            saturated: saturated.map(str::to_owned),
        };
        let reason = "throughput, 300 requests/s, falls behind the arrivals, 400";
        let found = Saturation {
            url: "http://127.0.0.1:8000/".into(),
            sustained_reqs_per_sec: Some(200.0),
            saturated_reqs_per_sec: Some(400.0),
            reason: Some(reason.into()),
            closed_loop_reqs_per_sec: 320.0,
            steps: vec![step(200.0, None), step(400.0, Some(reason))],
            invalid: Some("it was interrupted".into()),
        };
        insta::assert_snapshot!(saturation(&found), @r"
        http://127.0.0.1:8000/
        closed loop 320 requests/s

         arrivals/s  answers/s    p50, ms    p99, ms   failed
                200        200       1.00       2.00        0  takes it
                400        400       1.00       2.00        0  throughput, 300 requests/s, falls behind the arrivals, 400

        saturates between 200 and 400 requests/s: throughput, 300 requests/s, falls behind the arrivals, 400
        invalid: it was interrupted
        ");
        assert!(
            saturation_csv(&found).ends_with(",0,\"throughput, 300 requests/s, falls behind the arrivals, 400\"\n")
        );
        assert!(saturation_markdown(&found).contains("| 200.000 | 200.000 | 200.000 | 1.000000 | 2.000000 | 0 |  |\n"));
    }
}
