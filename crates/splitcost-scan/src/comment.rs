//! Comments such as `# splitcost: ignore[SC201] reason`, which leave out findings that a person has reviewed.
//!
//! A comment applies to the findings on its own line. A comment that stands alone on a line applies to the next line
//! that has code.

use std::collections::BTreeMap;

use splitcost_model::finding::{Finding, Remark, RemarkKind};

use crate::form::{COMMENT_MARK, Range};
use crate::rule::{RULES, Rule};
use crate::source::SourceFile;

/// A code that a comment ignores.
struct IgnoredCode {
    code: String,
    /// The line whose findings it applies to.
    line: u32,
    /// The line and column of the comment.
    position: (u32, u32),
    /// It has removed a finding.
    is_used: bool,
}

/// Removes the findings that comments ignore, and returns remarks about comments that are malformed or ignore nothing.
///
/// `comments` holds, for each source, the comments that contain [`COMMENT_MARK`].
pub(crate) fn apply(
    findings: &mut Vec<Finding>,
    sources: &[SourceFile],
    comments: &[Vec<Range>],
    active: impl Fn(&Rule) -> bool,
) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut ignores: BTreeMap<&str, Vec<IgnoredCode>> = BTreeMap::new();
    for (source, comments) in sources.iter().zip(comments) {
        for comment in comments {
            let position = source.position(comment.start);
            let mut say = |text: String| remarks.push(remark(source.path(), position, RemarkKind::Malformed, text));
            let codes = match codes(source.text(*comment)) {
                None => continue,
                Some(Ok(codes)) => codes,
                Some(Err(problem)) => {
                    say(problem);
                    continue;
                }
            };
            let line = source.line_of_code(*comment);
            for code in codes {
                if !RULES.iter().any(|rule| rule.code == code) {
                    say(format!("there is no rule {code:?}: `splitcost explain` lists the rules"));
                    continue;
                }
                let ignore = IgnoredCode { code: code.to_owned(), line, position, is_used: false };
                ignores.entry(source.path()).or_default().push(ignore);
            }
        }
    }
    findings.retain(|finding| {
        let at = &finding.location;
        let mut is_kept = true;
        for ignore in ignores.get_mut(at.path.as_str()).into_iter().flatten() {
            if ignore.code == finding.code && (at.line..=at.end_line).contains(&ignore.line) {
                ignore.is_used = true;
                is_kept = false;
            }
        }
        is_kept
    });
    for (path, ignores) in &ignores {
        for ignore in ignores.iter().filter(|ignore| !ignore.is_used) {
            if RULES.iter().any(|rule| rule.code == ignore.code && active(rule)) {
                let text = format!("this comment ignores no {} finding: remove it", ignore.code);
                remarks.push(remark(path, ignore.position, RemarkKind::Unused, text));
            }
        }
    }
    remarks
}

fn remark(path: &str, (line, column): (u32, u32), kind: RemarkKind, text: String) -> Remark {
    Remark { path: path.to_owned(), line, column, kind, text }
}

/// Returns the codes in a comment, or what is wrong with it; `None` if the comment only mentions splitcost.
fn codes(comment: &str) -> Option<Result<Vec<&str>, String>> {
    let (_, rest) = comment.match_indices(COMMENT_MARK).map(|(at, _)| comment.split_at(at)).find(|(before, _)| {
        // Comments for other tools may stand on the same line, each with its own `#`.
        before.trim_end().ends_with('#')
    })?;
    let rest = rest[COMMENT_MARK.len()..].trim_start();
    let wrong = |what: &str| Some(Err(format!("{what}: write `# splitcost: ignore[SC201] reason`")));
    let Some(rest) = rest.strip_prefix("ignore") else { return wrong("this comment has no `ignore`") };
    let Some(rest) = rest.trim_start().strip_prefix('[') else {
        return wrong("this comment names no codes in brackets");
    };
    let Some((codes, _)) = rest.split_once(']') else { return wrong("the bracket `[` is not closed") };
    let codes: Vec<&str> = codes.split(',').map(str::trim).collect();
    if codes.iter().any(|code| code.is_empty()) {
        return wrong("a code in the brackets is empty");
    }
    Some(Ok(codes))
}

#[cfg(test)]
mod tests {
    use super::codes;

    #[test]
    fn codes_between_brackets_are_read() {
        assert_eq!(codes("# splitcost: ignore[SC201]"), Some(Ok(vec!["SC201"])));
        assert_eq!(codes("#splitcost:ignore[SC201,SC101 ] two"), Some(Ok(vec!["SC201", "SC101"])));
        assert_eq!(codes("# noqa: F401  # splitcost: ignore[SC201] both"), Some(Ok(vec!["SC201"])));
        assert_eq!(codes("# as splitcost: says"), None);
    }

    #[test]
    fn malformed_comments_are_errors() {
        for comment in ["# splitcost: ignore", "# splitcost: ignore[]", "# splitcost: ignore[SC201", "# splitcost: off"]
        {
            assert!(matches!(codes(comment), Some(Err(_))), "{comment}");
        }
    }
}
