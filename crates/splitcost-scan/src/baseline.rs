//! The findings that were there before: only new ones count.
//!
//! A known finding is told by its rule, its path from the baseline's directory, its function and the text of its line,
//! so that it is known again wherever the line has moved; of several that are alike, as many as there were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use splitcost_model::finding::{Finding, Known};

/// The version of the file's format.
const VERSION: u32 = 1;

/// What a baseline file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    findings: Vec<Known>,
    /// The directory that its paths are relative to.
    #[serde(skip)]
    dir: PathBuf,
}

impl Baseline {
    /// The baseline that knows these findings; `dir` is where its file will be.
    pub fn of(findings: &[Finding], dir: &Path) -> std::io::Result<Self> {
        let dir = fs::canonicalize(dir)?;
        let mut known: BTreeMap<(String, &str, &str, &str), u32> = BTreeMap::new();
        for finding in findings {
            let path = relative(&finding.location.path, &dir);
            *known.entry((path, &finding.code, &finding.function, &finding.fingerprint)).or_default() += 1;
        }
        let findings = known.into_iter().map(|((path, code, function, fingerprint), count)| Known {
            path,
            code: code.to_owned(),
            function: function.to_owned(),
            fingerprint: fingerprint.to_owned(),
            count,
        });
        Ok(Self { version: VERSION, findings: findings.collect(), dir })
    }

    /// What a file's text says; `dir` is where the file is.
    pub fn read(text: &str, dir: &Path) -> Result<Self, String> {
        let mut baseline: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if baseline.version != VERSION {
            return Err(format!("its version is {}, and this splitcost reads {VERSION}", baseline.version));
        }
        baseline.dir = fs::canonicalize(dir).map_err(|error| error.to_string())?;
        Ok(baseline)
    }

    /// How many findings it knows.
    pub fn count(&self) -> u64 {
        self.findings.iter().map(|known| u64::from(known.count)).sum()
    }

    /// Takes out the findings that are known, and gives those that are gone: of files that were scanned or are no more,
    /// and of rules that were looked at.
    pub(crate) fn apply<'s>(
        &self,
        findings: &mut Vec<Finding>,
        scanned: impl Iterator<Item = &'s str>,
        is_active: impl Fn(&str) -> bool,
    ) -> Vec<Known> {
        let mut left: BTreeMap<(String, String), u32> = BTreeMap::new();
        for known in &self.findings {
            *left.entry((known.path.clone(), known.fingerprint.clone())).or_default() += known.count;
        }
        let scanned: BTreeMap<&str, String> = scanned.map(|path| (path, relative(path, &self.dir))).collect();
        findings.retain(|finding| {
            let path = scanned.get(finding.location.path.as_str()).cloned().unwrap_or_default();
            match left.get_mut(&(path, finding.fingerprint.clone())) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            }
        });
        let was_looked_at = |known: &Known| {
            is_active(&known.code)
                && (scanned.values().any(|path| *path == known.path) || !self.dir.join(&known.path).exists())
        };
        let gone = self.findings.iter().filter(|known| was_looked_at(known)).filter_map(|known| {
            let count = left.remove(&(known.path.clone(), known.fingerprint.clone())).unwrap_or(0);
            (count > 0).then(|| Known { count, ..known.clone() })
        });
        gone.collect()
    }
}

/// A path as it is from a directory, with slashes; where that cannot be said, as it is.
fn relative(path: &str, dir: &Path) -> String {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let Some(relative) = pathdiff::diff_paths(&whole, dir) else { return path.to_owned() };
    let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}
