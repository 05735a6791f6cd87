//! Globs in the syntax of `.gitignore`, relative to a directory: that of the settings file, or the current one.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::Error;

/// A glob in the syntax of `.gitignore`: without a slash it matches a name at any depth, with one a path from its
/// directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// The directory that the glob is relative to.
    pub base: PathBuf,
    /// The glob as it was written.
    pub pattern: String,
}

/// A compiled glob.
#[derive(Debug)]
pub(crate) struct Matcher {
    base: PathBuf,
    glob: Gitignore,
}

impl Matcher {
    pub(crate) fn new(glob: &Glob) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Glob { glob: glob.pattern.clone(), reason };
        let base = fs::canonicalize(&glob.base).map_err(|source| Error::Read { path: glob.base.clone(), source })?;
        let mut builder = GitignoreBuilder::new(&base);
        builder.add_line(None, &glob.pattern).map_err(|error| wrong(error.to_string()))?;
        let glob = builder.build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { base, glob })
    }

    /// Returns whether the glob matches a path, or a directory above it. The path must have no symbolic links.
    pub(crate) fn matches(&self, path: &Path, is_dir: bool) -> bool {
        path.starts_with(&self.base) && self.glob.matched_path_or_any_parents(path, is_dir).is_ignore()
    }
}
