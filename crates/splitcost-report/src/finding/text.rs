//! Findings as text, in the style of compiler messages.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use splitcost_model::finding::{Confidence, Finding, Location, Scan};

use super::{price, summary};

/// Returns all findings with their source and call paths, and a summary.
pub fn text(scan: &Scan, color: bool, width: usize) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Unicode).term_width(width);
    let mut text = String::new();
    for finding in &scan.findings {
        text.push_str(&renderer.render(&[group(finding)]));
        text.push_str("\n\n");
    }
    text.push_str(&summary(scan));
    text
}

fn group(finding: &Finding) -> Group<'_> {
    let level = match finding.confidence {
        Confidence::Certain => Level::WARNING,
        Confidence::Possible => Level::WARNING.with_name("possible"),
    };
    let title = level.primary_title(finding.message.as_str()).id(finding.code.as_str());
    let label = finding.way.first().map(|step| format!("calls `{}`", step.callee));
    let mut group = title.element(snippet(&finding.location, AnnotationKind::Primary, label));
    for step in finding.way.iter().skip(1) {
        let label = format!("calls `{}`", step.callee);
        group = group.element(snippet(&step.location, AnnotationKind::Context, Some(label)));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    for line in finding.price.iter().flat_map(price) {
        group = group.element(Level::NOTE.message(line));
    }
    group
}

fn snippet(
    location: &Location,
    kind: AnnotationKind,
    label: Option<String>,
) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    let byte =
        |column: u32| location.text.char_indices().nth(column as usize - 1).map_or(location.text.len(), |(at, _)| at);
    let start = byte(location.column.max(1));
    let end = if location.end_line == location.line { byte(location.end_column.max(1)) } else { location.text.len() };
    Snippet::source(location.text.as_str())
        .line_start(location.line as usize)
        .path(location.path.as_str())
        .annotation(kind.span(start..end.max(start)).label(label))
}
