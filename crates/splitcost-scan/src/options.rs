//! The options of a scan: the files to read, the rules to apply, and the findings to leave out.

use std::fs;
use std::path::PathBuf;

use splitcost_model::finding::Finding;

use crate::Error;
use crate::baseline::Baseline;
use crate::glob::{Glob, Matcher};
use crate::rule::Rule;

/// The options of a scan.
///
/// Where a field takes *codes*, each text is a rule's code or the beginning of one: `SC1` stands for `SC101` to `SC104`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The files and directories to scan.
    pub paths: Vec<PathBuf>,
    /// Files and directories to leave out.
    pub exclude: Vec<Glob>,
    /// The codes to report; an empty list stands for all.
    pub select: Vec<String>,
    /// The codes to leave out.
    pub ignore: Vec<String>,
    /// The codes to leave out in the files that a glob matches.
    pub per_file_ignores: Vec<(Glob, Vec<String>)>,
    /// Dotted paths of library functions, each with one of [`EFFECTS`](crate::EFFECTS).
    pub effects: Vec<(String, String)>,
    /// The findings that are known already and are left out.
    pub baseline: Option<Baseline>,
    /// Reports every finding of a rule that leads to the same call, as a baseline needs it. By default, only the three
    /// with the shortest call paths are reported.
    pub every_way: bool,
    /// The directory of the cache. Without it, nothing is cached.
    pub cache: Option<PathBuf>,
}

impl Options {
    /// Returns whether a rule's findings are reported.
    pub(crate) fn wants(&self, rule: &Rule) -> bool {
        (self.select.is_empty() || matches_any(&self.select, rule.code)) && !matches_any(&self.ignore, rule.code)
    }

    /// Removes the findings that the ignores of their files name.
    pub(crate) fn remove_ignored_per_file(&self, findings: &mut Vec<Finding>) -> Result<(), Error> {
        for (glob, codes) in &self.per_file_ignores {
            let files = Matcher::new(glob)?;
            findings.retain(|finding| {
                let is_in_such_a_file =
                    || fs::canonicalize(&finding.location.path).is_ok_and(|path| files.matches(&path, false));
                !(matches_any(codes, &finding.code) && is_in_such_a_file())
            });
        }
        Ok(())
    }
}

fn matches_any(codes: &[String], code: &str) -> bool {
    codes.iter().any(|prefix| code.starts_with(prefix.as_str()))
}
