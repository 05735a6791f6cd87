//! Findings as SARIF 2.1.0, with call paths as code flows.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use serde_sarif::sarif::{
    ArtifactLocation, CodeFlow, Invocation, Location, LogicalLocation, Message, MultiformatMessageString, Notification,
    PhysicalLocation, PropertyBag, Region, ReportingConfiguration, ReportingDescriptor, Result as SarifResult,
    ResultLevel, Run, Sarif, ThreadFlow, ThreadFlowLocation, Tool, ToolComponent,
};
use splitcost_model::finding::{self, Confidence, Finding, RulePage, Scan, Skipped};

use super::price;

/// The address of the JSON schema. Spec: SARIF 2.1.0, section 3.13.3.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The base of relative paths. Spec: GitHub and others use this name for the root of the repository.
const ROOT: &str = "%SRCROOT%";
/// The characters of a path to escape. Spec: RFC 3986, all but the unreserved ones and the slash between segments.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');
/// The name of the fingerprint. Chosen: the number rises when fingerprints are computed from other data.
const FINGERPRINT: &str = "splitcost/v1";

/// Returns a log with one run: all rules with their pages, the findings, and the files that were not scanned.
pub fn sarif(scan: &Scan, rules: &[RulePage]) -> String {
    let driver = ToolComponent::builder()
        .name("splitcost")
        .semantic_version(env!("CARGO_PKG_VERSION"))
        .rules(rules.iter().map(descriptor).collect::<Vec<_>>())
        .build();
    let mut seen = HashMap::new();
    let results: Vec<SarifResult> = scan.findings.iter().map(|finding| result(finding, rules, &mut seen)).collect();
    let notifications: Vec<Notification> = scan.skipped.iter().map(notification).collect();
    let invocation =
        Invocation::builder().execution_successful(true).tool_execution_notifications(notifications).build();
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .column_kind(json!("unicodeCodePoints"))
        .results(results)
        .invocations(vec![invocation])
        .build();
    let log = Sarif::builder().schema(SCHEMA).version(json!("2.1.0")).runs(vec![run]).build();
    match serde_json::to_string_pretty(&log) {
        Ok(text) => text,
        Err(error) => unreachable!("it holds nothing that JSON cannot: {error}"),
    }
}

fn descriptor(rule: &RulePage) -> ReportingDescriptor {
    // The paragraph after the heading of a page describes what the rule finds.
    let what = rule.page.split("\n\n").nth(1).unwrap_or_default().replace('\n', " ");
    let text = |text: &str| MultiformatMessageString::builder().text(text).build();
    ReportingDescriptor::builder()
        .id(rule.code)
        .name(rule.name)
        .short_description(text(rule.name))
        .full_description(text(&what))
        .help(MultiformatMessageString::builder().text(rule.page).markdown(rule.page).build())
        .default_configuration(ReportingConfiguration::builder().level(json!("warning")).build())
        .properties(PropertyBag::builder().tags(vec!["performance".to_owned()]).build())
        .build()
}

/// Converts a finding. `seen` counts the findings of each fingerprint, so that their number can follow it.
fn result<'f>(finding: &'f Finding, rules: &[RulePage], seen: &mut HashMap<(&'f str, &'f str), u32>) -> SarifResult {
    let mut message = finding.message.clone();
    if let Some(help) = &finding.help {
        let _ = write!(message, " (help: {help})");
    }
    if let Some(found) = &finding.price {
        let _ = write!(message, " (price: {})", price(found).join("; "));
    }
    let count = seen.entry((&finding.location.path, &finding.fingerprint)).or_default();
    *count += 1;
    let fingerprint = format!("{}:{count}", finding.fingerprint);
    let mut result = SarifResult::builder()
        .rule_id(finding.code.as_str())
        .level(match finding.confidence {
            Confidence::Certain => ResultLevel::Warning,
            Confidence::Possible => ResultLevel::Note,
        })
        .message(Message::builder().text(message).build())
        .locations(vec![location(&finding.location, &finding.function, None)])
        .partial_fingerprints(BTreeMap::from([(FINGERPRINT.to_owned(), fingerprint)]))
        .build();
    result.rule_index = (0_i64..).zip(rules).find(|(_, rule)| rule.code == finding.code).map(|(index, _)| index);
    if !finding.way.is_empty() {
        let steps = finding.way.iter().map(|step| {
            let calls = format!("calls `{}`", step.callee);
            ThreadFlowLocation::builder().location(location(&step.location, &step.function, Some(calls))).build()
        });
        let flow = ThreadFlow::builder().locations(steps.collect::<Vec<_>>()).build();
        result.code_flows = Some(vec![CodeFlow::builder().thread_flows(vec![flow]).build()]);
    }
    result
}

fn location(at: &finding::Location, function: &str, message: Option<String>) -> Location {
    let region = Region::builder()
        .start_line(i64::from(at.line))
        .start_column(i64::from(at.column))
        .end_line(i64::from(at.end_line))
        .end_column(i64::from(at.end_column))
        .build();
    let physical = PhysicalLocation::builder().artifact_location(artifact(&at.path)).region(region).build();
    let logical = LogicalLocation::builder().fully_qualified_name(function).kind("function").build();
    let mut location = Location::builder().physical_location(physical).logical_locations(vec![logical]).build();
    location.message = message.map(|text| Message::builder().text(text).build());
    location
}

fn artifact(path: &str) -> ArtifactLocation {
    let encoded = utf8_percent_encode(path, PATH);
    if path.starts_with('/') {
        return ArtifactLocation::builder().uri(format!("file://{encoded}")).build();
    }
    ArtifactLocation::builder().uri(encoded.to_string()).uri_base_id(ROOT).build()
}

fn notification(skipped: &Skipped) -> Notification {
    let physical = PhysicalLocation::builder().artifact_location(artifact(&skipped.path)).build();
    Notification::builder()
        .level(json!("warning"))
        .message(Message::builder().text(skipped.reason.as_str()).build())
        .locations(vec![Location::builder().physical_location(physical).build()])
        .build()
}
