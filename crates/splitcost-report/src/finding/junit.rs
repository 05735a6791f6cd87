//! Findings as `JUnit` XML, which most build servers show: a suite for each file, a failed test for each finding.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use splitcost_model::finding::{Finding, Scan};

use super::details;

/// Returns a report with a failed test for each finding, or with one passed test if there are no findings.
pub fn junit(scan: &Scan) -> String {
    let mut files: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &scan.findings {
        files.entry(&finding.location.path).or_default().push(finding);
    }
    let mut report = Report::new("splitcost");
    if files.is_empty() {
        // Build servers take a report without tests for a failed run.
        let mut suite = TestSuite::new("splitcost");
        suite.add_test_case(TestCase::new("no findings", TestCaseStatus::success()));
        report.add_test_suite(suite);
    }
    for (path, findings) in files {
        let mut suite = TestSuite::new(path);
        suite.add_test_cases(findings.into_iter().map(case));
        report.add_test_suite(suite);
    }
    match report.to_string() {
        Ok(text) => text,
        Err(error) => unreachable!("nothing is written but to memory: {error}"),
    }
}

fn case(finding: &Finding) -> TestCase {
    let at = &finding.location;
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let mut lines = vec![format!("{}:{}:{} {}", at.path, at.line, at.column, finding.message)];
    lines.extend(details(finding));
    status.set_message(&finding.message).set_type(&finding.code).set_description(lines.join("\n"));
    let mut case = TestCase::new(format!("{} {} {}:{}", finding.code, finding.name, at.line, at.column), status);
    case.set_classname(&finding.function);
    case
}
