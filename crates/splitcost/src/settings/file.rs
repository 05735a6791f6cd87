//! The settings file: found, and places in it named.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Returns the file that `--config` names, or else the nearest one upwards from `start`.
pub(crate) fn find(config: Option<&Path>, start: &Path) -> anyhow::Result<PathBuf> {
    if let Some(path) = config {
        return Ok(path.to_owned());
    }
    find_upwards(start).ok_or_else(|| {
        Failure::new(format!("found no splitcost.toml in {} or above it", start.display()))
            .hint("`splitcost init` writes a commented one for this app")
            .into()
    })
}

/// Returns the nearest file upwards from `start`.
pub(crate) fn find_upwards(start: &Path) -> Option<PathBuf> {
    start.ancestors().find_map(|dir| {
        let own = dir.join("splitcost.toml");
        if own.is_file() {
            return Some(own);
        }
        let shared = dir.join("pyproject.toml");
        // Other tools report a pyproject.toml that cannot be read.
        fs::read_to_string(&shared).is_ok_and(|text| text.contains("[tool.splitcost")).then_some(shared)
    })
}

/// Returns a path as it is shown: relative to the working directory if it is below it.
pub(crate) fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(fs::canonicalize).unwrap_or_default();
    match path.strip_prefix(&here) {
        Ok(inside) if inside.as_os_str().is_empty() => PathBuf::from("."),
        Ok(inside) => inside.to_owned(),
        Err(_) => path.to_owned(),
    }
}

/// A TOML file with its text, for messages that name a place in it.
pub(crate) struct File<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl File<'_> {
    /// Reads the text of a file.
    pub(super) fn text_of(path: &Path) -> Result<String, Failure> {
        fs::read_to_string(path).map_err(|error| Failure::new(format!("failed to read {}: {error}", path.display())))
    }

    /// Returns whether this is a pyproject.toml, in which splitcost has a table.
    pub(super) fn is_shared(&self) -> bool {
        self.path.file_name().is_some_and(|name| name == "pyproject.toml")
    }

    /// Returns the directory of the file.
    pub(super) fn dir(&self) -> Result<PathBuf, Failure> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::canonicalize(parent).map_err(|error| Failure::new(format!("failed to find {}: {error}", parent.display())))
    }

    /// Returns the path, line and column of a place.
    pub(super) fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.path.display())
    }

    /// Returns a message about a place.
    pub(super) fn wrong(&self, span: &Range<usize>, message: impl std::fmt::Display) -> Failure {
        Failure::new(format!("{}: {message}", self.place(span)))
    }

    /// Returns the message of the TOML reader, with its place.
    pub(crate) fn broken(&self, error: &toml::de::Error) -> Failure {
        let message = error.message().trim().replace('\n', ", ");
        match error.span() {
            Some(span) => self.wrong(&span, message),
            None => Failure::new(format!("{}: {message}", self.path.display())),
        }
    }
}
