//! `# splitcost: ignore[SC201] reason`: findings that somebody has looked at.
//!
//! It holds for findings on its line, or, alone on a line, for those on the next line that has code.

use std::collections::BTreeMap;

use splitcost_model::finding::{Finding, Remark, RemarkKind};

use crate::form::Range;
use crate::rule::{RULES, Rule};
use crate::source::Source;

/// What every comment of ours has.
pub(crate) const MARK: &str = "splitcost:";

/// A code in a comment.
struct Ignore {
    code: String,
    /// The line whose findings it is about.
    line: u32,
    place: (u32, u32),
    is_used: bool,
}

/// Takes out the findings that comments are about, and gives what is to be said of the comments.
///
/// `comments` holds the comments with our mark in them, per source.
pub(crate) fn apply(
    findings: &mut Vec<Finding>,
    sources: &[Source],
    comments: &[Vec<Range>],
    active: impl Fn(&Rule) -> bool,
) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut ignores: BTreeMap<&str, Vec<Ignore>> = BTreeMap::new();
    for (source, comments) in sources.iter().zip(comments) {
        for comment in comments {
            let place = source.position(comment.start);
            let mut say = |text: String| remarks.push(remark(source.path(), place, RemarkKind::Malformed, text));
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
                    say(format!("{code:?} is no rule: `splitcost explain` lists them"));
                    continue;
                }
                let ignore = Ignore { code: code.to_owned(), line, place, is_used: false };
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
                let text = format!("there is no {} to ignore: take it out", ignore.code);
                remarks.push(remark(path, ignore.place, RemarkKind::Unused, text));
            }
        }
    }
    remarks
}

fn remark(path: &str, (line, column): (u32, u32), kind: RemarkKind, text: String) -> Remark {
    Remark { path: path.to_owned(), line, column, kind, text }
}

/// The codes in a comment; `None` where it only talks about us.
fn codes(comment: &str) -> Option<Result<Vec<&str>, String>> {
    let (_, rest) = comment.match_indices(MARK).map(|(at, _)| comment.split_at(at)).find(|(before, _)| {
        // Other tools' comments may stand on the same line, each with its own sign.
        before.trim_end().ends_with('#')
    })?;
    let rest = rest[MARK.len()..].trim_start();
    let wrong = |what: &str| Some(Err(format!("{what}: it is written `# splitcost: ignore[SC201] reason`")));
    let Some(rest) = rest.strip_prefix("ignore") else { return wrong("this comment says nothing that is known") };
    let Some(rest) = rest.trim_start().strip_prefix('[') else { return wrong("this comment names no codes") };
    let Some((codes, _)) = rest.split_once(']') else { return wrong("the bracket is not closed") };
    let codes: Vec<&str> = codes.split(',').map(str::trim).collect();
    if codes.iter().any(|code| code.is_empty()) {
        return wrong("this comment names no codes");
    }
    Some(Ok(codes))
}

#[cfg(test)]
mod tests {
    use super::codes;

    #[test]
    fn codes_are_read() {
        assert_eq!(codes("# splitcost: ignore[SC201]"), Some(Ok(vec!["SC201"])));
        assert_eq!(codes("#splitcost:ignore[SC201,SC101 ] two"), Some(Ok(vec!["SC201", "SC101"])));
        assert_eq!(codes("# noqa: F401  # splitcost: ignore[SC201] both"), Some(Ok(vec!["SC201"])));
        assert_eq!(codes("# as splitcost: says"), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for comment in ["# splitcost: ignore", "# splitcost: ignore[]", "# splitcost: ignore[SC201", "# splitcost: off"]
        {
            assert!(matches!(codes(comment), Some(Err(_))), "{comment}");
        }
    }
}
