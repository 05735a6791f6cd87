//! Findings as GitHub workflow commands, which GitHub shows as annotations of the lines of a pull request.

use std::fmt::Write as _;

use splitcost_model::finding::{Confidence, Scan};

use super::details;

/// Returns an annotation for each finding, a line each.
pub fn github(scan: &Scan) -> String {
    let mut text = String::new();
    for finding in &scan.findings {
        let level = match finding.confidence {
            Confidence::Certain => "warning",
            Confidence::Possible => "notice",
        };
        let at = &finding.location;
        let _ = write!(text, "::{level} file={},line={},col={}", property(&at.path), at.line, at.column);
        // Spec: if an annotation spans several lines, GitHub ignores columns and logs a warning.
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

/// Escapes a message.
///
/// Spec: `escapeData` of GitHub's toolkit, `packages/core/src/command.ts`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property.
///
/// Spec: `escapeProperty` of GitHub's toolkit, in the same file.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
