//! Findings as the workflow commands that GitHub shows beside the lines of a pull request.

use std::fmt::Write as _;

use splitcost_model::finding::{Confidence, Scan};

use super::details;

/// An annotation per finding, a line each.
pub fn github(scan: &Scan) -> String {
    let mut text = String::new();
    for finding in &scan.findings {
        let level = match finding.confidence {
            Confidence::Certain => "warning",
            Confidence::Possible => "notice",
        };
        let at = &finding.location;
        let _ = write!(text, "::{level} file={},line={},col={}", property(&at.path), at.line, at.column);
        // Spec: columns are ignored, with a complaint, where an annotation spans several lines.
        let _ = if at.end_line == at.line {
            write!(text, ",endColumn={}", at.end_column)
        } else {
            write!(text, ",endLine={}", at.end_line)
        };
        let title = property(&format!("{} {}", finding.code, finding.name));
        let mut lines = vec![finding.message.clone()];
        lines.extend(details(finding));
        let _ = writeln!(text, ",title={title}::{}", data(&lines.join("\n")));
    }
    text
}

/// A message, escaped.
///
/// Spec: `escapeData` of GitHub's toolkit, `packages/core/src/command.ts`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property's value, escaped.
///
/// Spec: `escapeProperty` of GitHub's toolkit, in the same file.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
