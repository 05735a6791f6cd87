//! What became of requests when something went wrong, for a terminal.

use std::fmt::Write as _;

use splitcost_model::evaluation::{EndpointFault, Evaluation, FaultEvaluation, SplitEvaluation, UnderFault};

use crate::number::{count, number, short};
use crate::table::{Style, table};

/// Endpoints shown of each, those first that call other services.
///
/// Chosen: three policies fit a screen.
const ENDPOINTS: usize = 6;

/// What a column shows, with its head, of what was predicted or measured.
pub(crate) const COLUMNS: [(&str, fn(&UnderFault) -> String); 7] = [
    ("errors %", |under| number(under.error_percent)),
    ("stuck %", |under| number(under.stuck_percent)),
    ("fails after ms", |under| optional(under.failure_p50_ms)),
    ("p50 ms", |under| optional(under.p50_ms)),
    ("p99 ms", |under| optional(under.p99_ms)),
    ("attempts/call", |under| optional(under.amplification)),
    ("back after s", |under| under.recovery_secs.map_or("never".to_owned(), number)),
];

fn optional(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), number)
}

/// Every fault of every split.
pub fn render(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    for split in &evaluation.splits {
        for fault in &split.faults {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}\n{}", title(split, fault), block(fault));
        }
        if let Some(fault) = split.faults.first() {
            let _ = writeln!(text, "{}\n", availability(fault));
        }
    }
    for warning in &evaluation.provenance.warnings {
        let _ = writeln!(text, "! {warning}");
    }
    text
}

pub(crate) fn title(split: &SplitEvaluation, fault: &FaultEvaluation) -> String {
    format!(
        "{}: {} for {} s at {} requests/s; calls: {}{}",
        split.name,
        fault.fault,
        number(fault.fault_secs),
        short(split.load_reqs_per_sec),
        fault.policy,
        if fault.was_run() { "; predicted | measured" } else { "; simulated" }
    )
}

fn block(fault: &FaultEvaluation) -> String {
    let mut rows = vec![std::iter::once("").chain(COLUMNS.iter().map(|(head, _)| *head)).map(str::to_owned).collect()];
    for endpoint in fault.endpoints.iter().take(ENDPOINTS) {
        let cells = COLUMNS.iter().map(|(_, of)| cell(endpoint, *of));
        rows.push(std::iter::once(endpoint.name.clone()).chain(cells).collect());
    }
    let mut text = table(&rows, Style::Text);
    let hidden = fault.endpoints.len().saturating_sub(ENDPOINTS);
    if hidden > 0 {
        let _ = writeln!(text, "… and {}, which need as many services or fewer", endpoints(hidden));
    }
    text
}

/// `98.2 | 97.4`: predicted, measured.
pub(crate) fn cell(endpoint: &EndpointFault, of: impl Fn(&UnderFault) -> String) -> String {
    let parts: Vec<String> = [&endpoint.estimate, &endpoint.measured].into_iter().flatten().map(of).collect();
    parts.join(" | ")
}

fn endpoints(number: usize) -> String {
    if number == 1 { "1 more endpoint".to_owned() } else { format!("{} more endpoints", count(number as u64)) }
}

/// How available endpoints are, by the services that they need.
pub(crate) fn availability(fault: &FaultEvaluation) -> String {
    let mut by_services: Vec<(u32, f64, usize)> = Vec::new();
    for endpoint in fault.endpoints.iter().filter(|endpoint| endpoint.services_needed > 0) {
        match by_services.iter_mut().find(|(services, ..)| *services == endpoint.services_needed) {
            Some((_, _, number)) => *number += 1,
            None => by_services.push((endpoint.services_needed, endpoint.availability_percent, 1)),
        }
    }
    by_services.sort_by_key(|(services, ..)| *services);
    let parts: Vec<String> = by_services
        .into_iter()
        .map(|(services, percent, number)| {
            let each = if services == 1 { "1 service".to_owned() } else { format!("{services} services") };
            format!(
                "{} that need {each}: {percent:.2} %",
                if number == 1 { "1 endpoint".to_owned() } else { format!("{number} endpoints") }
            )
        })
        .collect();
    format!("Availability from the parts, each service for itself: {}", parts.join("; "))
}
