//! The baseline: the findings that a program had before, so that only new ones count.
//!
//! A finding is identified by its rule, its path relative to the baseline's directory, its function and the text of its
//! line. It is therefore still known after its line has moved. Of several equal findings, the baseline knows as many as
//! there were when it was written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use splitcost_model::finding::{Finding, KnownFinding};

/// The version of the file's format. Chosen: raised when an older splitcost could not read the file.
const VERSION: u32 = 1;

/// The contents of a baseline file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    findings: Vec<KnownFinding>,
    /// The directory that the paths are relative to.
    #[serde(skip)]
    dir: PathBuf,
}

impl Baseline {
    /// Returns a baseline that knows these findings. `dir` is the directory that its file will be in.
    ///
    /// # Errors
    ///
    /// Fails if the directory does not exist.
    pub fn of(findings: &[Finding], dir: &Path) -> std::io::Result<Self> {
        let dir = fs::canonicalize(dir)?;
        let mut known: BTreeMap<(String, &str, &str, &str), u32> = BTreeMap::new();
        for finding in findings {
            let path = relative(&finding.location.path, &dir);
            *known.entry((path, &finding.code, &finding.function, &finding.fingerprint)).or_default() += 1;
        }
        let findings = known.into_iter().map(|((path, code, function, fingerprint), count)| KnownFinding {
            path,
            code: code.to_owned(),
            function: function.to_owned(),
            fingerprint: fingerprint.to_owned(),
            count,
        });
        Ok(Self { version: VERSION, findings: findings.collect(), dir })
    }

    /// Reads a baseline from the text of its file. `dir` is the directory that the file is in.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a baseline, or one of another version.
    pub fn read(text: &str, dir: &Path) -> Result<Self, String> {
        let mut baseline: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if baseline.version != VERSION {
            return Err(format!("it has version {}, and this splitcost reads version {VERSION}", baseline.version));
        }
        baseline.dir = fs::canonicalize(dir).map_err(|error| error.to_string())?;
        Ok(baseline)
    }

    /// Returns the number of findings that it knows.
    pub fn count(&self) -> u64 {
        self.findings.iter().map(|known| u64::from(known.count)).sum()
    }

    /// Removes the known findings, and returns the ones that are gone: the baseline knows them and the scan did not find
    /// them. Those of files that exist but were not scanned, and of inactive rules, do not count as gone.
    pub(crate) fn apply<'s>(
        &self,
        findings: &mut Vec<Finding>,
        scanned: impl Iterator<Item = &'s str>,
        is_active: impl Fn(&str) -> bool,
    ) -> Vec<KnownFinding> {
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
        let could_be_found = |known: &KnownFinding| {
            is_active(&known.code)
                && (scanned.values().any(|path| *path == known.path) || !self.dir.join(&known.path).exists())
        };
        let gone = self.findings.iter().filter(|known| could_be_found(known)).filter_map(|known| {
            let count = left.remove(&(known.path.clone(), known.fingerprint.clone())).unwrap_or(0);
            (count > 0).then(|| KnownFinding { count, ..known.clone() })
        });
        gone.collect()
    }
}

/// Returns a path relative to a directory, with slashes, or the path itself if there is no relative one.
fn relative(path: &str, dir: &Path) -> String {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let Some(relative) = pathdiff::diff_paths(&whole, dir) else { return path.to_owned() };
    let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}
