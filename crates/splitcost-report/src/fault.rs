//! Outcomes of requests under faults, for a terminal.

use std::fmt::Write as _;

use splitcost_model::fault::{EndpointUnderFault, FaultStudy, RehearsedUnderFault, UnderFault};
use splitcost_model::number::{count, number, short};
use splitcost_model::study::{SplitStudy, Study};

use crate::emulation;
use crate::table::{Style, table};

/// Endpoints shown of each, those first that call other services.
///
/// Chosen: three policies fit a screen.
const ENDPOINTS: usize = 6;

/// A column: its head, and the number of an outcome that it shows.
pub(crate) struct Column {
    pub(crate) head: &'static str,
    /// Key of the number in [`UnderFault`].
    pub(crate) key: &'static str,
    pub(crate) of: fn(&UnderFault) -> Option<f64>,
    /// Shown if there is no such number.
    pub(crate) absent: &'static str,
}

impl Column {
    fn cell(&self, outcome: &UnderFault) -> String {
        (self.of)(outcome).map_or_else(|| self.absent.to_owned(), number)
    }
}

pub(crate) const COLUMNS: [Column; 7] = [
    Column { head: "errors %", key: "error_percent", of: |under| Some(under.error_percent), absent: "–" },
    Column { head: "stuck %", key: "stuck_percent", of: |under| Some(under.stuck_percent), absent: "–" },
    Column { head: "fails after ms", key: "failure_p50_ms", of: |under| under.failure_p50_ms, absent: "–" },
    Column { head: "p50 ms", key: "p50_ms", of: |under| under.p50_ms, absent: "–" },
    Column { head: "p99 ms", key: "p99_ms", of: |under| under.p99_ms, absent: "–" },
    Column { head: "attempts/call", key: "amplification", of: |under| under.amplification, absent: "–" },
    Column { head: "back after s", key: "recovery_secs", of: |under| under.recovery_secs, absent: "never" },
];

/// Renders every fault of every split.
pub fn render(study: &Study) -> String {
    let mut text = String::new();
    for split in &study.splits {
        for fault in &split.faults {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}\n{}", title(split, fault), block(fault));
        }
        if let Some(fault) = split.faults.first() {
            let _ = writeln!(text, "{}", availability(fault));
            if let Some(answers) = split.answers_in_words() {
                let _ = writeln!(text, "{answers}");
            }
            text.push('\n');
        }
    }
    for warning in &study.provenance.warnings {
        let _ = writeln!(text, "! {warning}");
    }
    text
}

fn title(split: &SplitStudy, fault: &FaultStudy) -> String {
    format!(
        "{}: {} for {} s at {} requests/s; calls: {}{}",
        split.name,
        fault.fault,
        number(fault.fault_secs),
        short(split.estimate.load_reqs_per_sec),
        fault.policy,
        if fault.rehearsal.is_some() { "; predicted | measured" } else { "; simulated" }
    )
}

fn block(fault: &FaultStudy) -> String {
    let mut rows =
        vec![std::iter::once("").chain(COLUMNS.iter().map(|column| column.head)).map(str::to_owned).collect()];
    let all = &fault.estimate.endpoints;
    for endpoint in all.iter().take(ENDPOINTS) {
        let cells = COLUMNS.iter().map(|column| cell(fault, endpoint, column));
        rows.push(std::iter::once(endpoint.name.clone()).chain(cells).collect());
    }
    let mut text = table(&rows, Style::Text);
    let hidden = all.len().saturating_sub(ENDPOINTS);
    if hidden > 0 {
        let _ = writeln!(text, "… and {}, which need as many services or fewer", endpoints(hidden));
    }
    for link in fault.rehearsal.iter().flat_map(|rehearsal| &rehearsal.emulations) {
        let _ = writeln!(text, "{}", emulation::line(link));
    }
    text
}

/// The measured endpoint of a name, with its place in the rehearsal.
pub(crate) fn rehearsed<'a>(fault: &'a FaultStudy, name: &str) -> Option<(usize, &'a RehearsedUnderFault)> {
    fault.rehearsal.as_ref()?.endpoints.iter().enumerate().find(|(_, endpoint)| endpoint.name == name)
}

/// `98.2 | 97.4`: predicted, measured.
fn cell(fault: &FaultStudy, endpoint: &EndpointUnderFault, column: &Column) -> String {
    let measured = rehearsed(fault, &endpoint.name).map(|(_, measured)| column.cell(&measured.outcome));
    std::iter::once(column.cell(&endpoint.outcome)).chain(measured).collect::<Vec<_>>().join(" | ")
}

fn endpoints(number: usize) -> String {
    if number == 1 { "1 more endpoint".to_owned() } else { format!("{} more endpoints", count(number as u64)) }
}

/// The availability of endpoints, by the number of services that they need.
fn availability(fault: &FaultStudy) -> String {
    let mut by_services: Vec<(u32, f64, usize)> = Vec::new();
    for endpoint in fault.estimate.endpoints.iter().filter(|endpoint| endpoint.services_needed > 0) {
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
    use splitcost_model::estimate::Estimate;
    use splitcost_model::fault::{FaultEstimate, FaultRehearsal};

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
        let endpoint = |name: &str, services_needed: u32| EndpointUnderFault {
            name: name.into(),
            services_needed,
            availability_percent: 100.0 * 0.999_f64.powf(f64::from(services_needed)),
            outcome: under(40.0, Some(0.5)),
        };
        let measured = RehearsedUnderFault { name: "GET /a".into(), outcome: under(44.0, None) };
        let fault = FaultStudy {
            fault: "silent".parse().unwrap(),
            policy: "1s + 2 retries + budget 20%".parse().unwrap(),
            before_secs: 5.0,
            fault_secs: 10.0,
            after_secs: 10.0,
            patience_secs: 10.0,
            estimate: FaultEstimate { endpoints: vec![endpoint("GET /a", 2), endpoint("GET /b", 1)] },
            rehearsal: Some(FaultRehearsal { endpoints: vec![measured], emulations: Vec::new() }),
        };
        let split = SplitStudy {
            name: "pricing".into(),
            estimate: Estimate { load_reqs_per_sec: 20.0, ..Estimate::default() },
            faults: vec![fault],
            ..SplitStudy::default()
        };
        let study = Study { splits: vec![split], ..Study::default() };
        insta::assert_snapshot!(render(&study), @r"
        pricing: silent for 10.0 s at 20 requests/s; calls: 1s + 2 retries + budget 20%; predicted | measured
                   errors %      stuck %  fails after ms       p50 ms  p99 ms  attempts/call   back after s
        GET /a  40.0 | 44.0  10.0 | 11.0   2,034 | 2,034  12.3 | 12.3   – | –    1.18 | 1.18  0.500 | never
        GET /b         40.0         10.0           2,034         12.3       –           1.18          0.500

        Availability from the parts, by the services that a request needs: 1 service 99.90 % (1 endpoint), 2 services 99.80 % (1 endpoint)
        no answer was compared with the monolith's: a rehearsal under faults compares none
        ");
    }
}
