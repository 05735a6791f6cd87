//! What became of requests when something went wrong, for a terminal.

use std::fmt::Write as _;

use splitcost_model::evaluation::{EndpointFault, Evaluation, FaultEvaluation, SplitEvaluation, UnderFault};

use crate::emulation;
use crate::number::{count, number, short};
use crate::table::{Style, table};

/// Endpoints shown of each, those first that call other services.
///
/// Chosen: three policies fit a screen.
const ENDPOINTS: usize = 6;

/// A column: its head, and what it shows of what was predicted or measured.
type Column = (&'static str, fn(&UnderFault) -> String);

pub(crate) const COLUMNS: [Column; 7] = [
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
    for link in &fault.emulations {
        let _ = writeln!(text, "{}", emulation::line(link));
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
    let plural = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let parts: Vec<String> = by_services
        .into_iter()
        .map(|(services, percent, number)| {
            format!("{} {percent:.2} % ({})", plural(services as usize, "service"), plural(number, "endpoint"))
        })
        .collect();
    format!("Availability from the parts, by the services that a request needs: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(error_percent: f64, recovery_secs: Option<f64>) -> UnderFault {
        UnderFault {
            requests: 200,
            error_percent,
            stuck_percent: error_percent / 4.0,
            p50_ms: Some(12.3),
            p99_ms: None,
            failure_p50_ms: Some(2_034.0),
            amplification: Some(1.18),
            recovery_secs,
        }
    }

    #[test]
    fn predicted_and_measured_stand_side_by_side() {
        let endpoint = |name: &str, services_needed: u32, measured: Option<UnderFault>| EndpointFault {
            name: name.into(),
            services_needed,
            availability_percent: 100.0 * 0.999_f64.powf(f64::from(services_needed)),
            estimate: Some(under(40.0, Some(0.5))),
            measured,
        };
        let fault = FaultEvaluation {
            fault: "silent".parse().unwrap(),
            policy: "1s + 2 retries + budget 20%".parse().unwrap(),
            before_secs: 5.0,
            fault_secs: 10.0,
            after_secs: 10.0,
            patience_secs: 10.0,
            endpoints: vec![endpoint("GET /a", 2, Some(under(44.0, None))), endpoint("GET /b", 1, None)],
            emulations: Vec::new(),
        };
        let split = SplitEvaluation {
            name: "pricing".into(),
            load_reqs_per_sec: 20.0,
            faults: vec![fault],
            ..SplitEvaluation::default()
        };
        let evaluation = Evaluation { splits: vec![split], ..Evaluation::default() };
        insta::assert_snapshot!(render(&evaluation), @r"
        pricing: silent for 10.0 s at 20 requests/s; calls: 1s + 2 retries + budget 20%; predicted | measured
                   errors %      stuck %  fails after ms       p50 ms  p99 ms  attempts/call   back after s
        GET /a  40.0 | 44.0  10.0 | 11.0   2,034 | 2,034  12.3 | 12.3   – | –    1.18 | 1.18  0.500 | never
        GET /b         40.0         10.0           2,034         12.3       –           1.18          0.500

        Availability from the parts, by the services that a request needs: 1 service 99.90 % (1 endpoint), 2 services 99.80 % (1 endpoint)
        ");
    }
}
