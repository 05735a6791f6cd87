//! The Python files below the scanned paths, and the module names that they can be imported by.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use rayon::prelude::*;

use crate::Error;
use crate::glob::{Glob, Matcher};
use crate::program::ModuleNames;
use splitcost_model::finding::Skipped;

/// The size of the largest file that is scanned. Chosen: no person writes a larger source file.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Directories that hold no source of the project itself.
const NEVER: &[&str] = &[
    "__pycache__",
    "node_modules",
    ".git",
    ".hg",
    ".venv",
    "venv",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".ruff_cache",
    "site-packages",
];

/// A file to scan.
#[derive(Clone, Debug)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) module: ModuleNames,
    pub(crate) text: String,
}

/// Returns all Python files below the paths, in order, and the ones that cannot be read.
pub(crate) fn discover(paths: &[PathBuf], exclude: &[Glob]) -> Result<(Vec<FoundFile>, Vec<Skipped>), Error> {
    let mut files: Vec<(PathBuf, &Path)> = Vec::new();
    let mut skipped = Vec::new();
    let mut seen = BTreeSet::new();
    for root in paths {
        let meta = fs::metadata(root).map_err(|source| Error::Read { path: root.clone(), source })?;
        if meta.is_file() {
            if seen.insert(root.clone()) {
                files.push((root.clone(), root.parent().unwrap_or(Path::new(""))));
            }
            continue;
        }
        let matchers = exclude.iter().map(Matcher::new).collect::<Result<Vec<_>, _>>()?;
        let whole = fs::canonicalize(root).map_err(|source| Error::Read { path: root.clone(), source })?;
        let named = root.clone();
        let walk = WalkBuilder::new(root)
            .hidden(false)
            .sort_by_file_name(Ord::cmp)
            .filter_entry(move |entry| {
                // A path that the user named is scanned whatever its name.
                let Ok(inside) = entry.path().strip_prefix(&named) else { return true };
                if inside.as_os_str().is_empty() {
                    return true;
                }
                let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
                let is_never = is_dir && entry.file_name().to_str().is_some_and(|name| NEVER.contains(&name));
                !is_never && !matchers.iter().any(|glob| glob.matches(&whole.join(inside), is_dir))
            })
            .build();
        for entry in walk {
            match entry {
                Ok(entry) if entry.path().extension().is_some_and(|extension| extension == "py") => {
                    if entry.file_type().is_some_and(|kind| kind.is_file()) && seen.insert(entry.path().to_owned()) {
                        files.push((entry.into_path(), root));
                    }
                }
                Ok(_) => {}
                Err(error) => skipped.push(Skipped { path: root.display().to_string(), reason: error.to_string() }),
            }
        }
    }
    let mut found = Vec::with_capacity(files.len());
    for file in files.into_par_iter().map(|(path, root)| read(path, root)).collect::<Vec<_>>() {
        match file {
            Ok(file) => found.push(file),
            Err(file) => skipped.push(file),
        }
    }
    Ok((found, skipped))
}

fn read(path: PathBuf, root: &Path) -> Result<FoundFile, Skipped> {
    let skip = |reason: String| Skipped { path: path.display().to_string(), reason };
    let size = fs::metadata(&path).map_err(|error| skip(error.to_string()))?.len();
    if size > MAX_FILE_BYTES {
        return Err(skip(format!("the file has {} MiB, which is too large for a source file", size / 1024 / 1024)));
    }
    let mut bytes = fs::read(&path).map_err(|error| skip(error.to_string()))?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(FoundFile { module: module(&path, root), path, text }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
            Err(skip(format!("line {line} is not UTF-8")))
        }
    }
}

/// Returns the module name of a file that is only in memory: its whole path.
pub(crate) fn module_at(path: &Path) -> ModuleNames {
    let is_package = path.file_name().is_some_and(|name| name == "__init__.py");
    let directory = path.parent().unwrap_or(Path::new(""));
    let path = if is_package { directory.to_owned() } else { path.with_extension("") };
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    ModuleNames { names: vec![parts.join(".")], is_package }
}

/// Returns the names that a file can be imported by: relative to the nearest directory that is no package, to the one
/// above it, and so on up to the scanned path.
fn module(path: &Path, root: &Path) -> ModuleNames {
    let is_package = path.file_name().is_some_and(|name| name == "__init__.py");
    let mut parts: Vec<String> = Vec::new();
    if !is_package {
        parts.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    }
    let mut names = Vec::new();
    let mut directory = path.parent();
    let mut inside = true;
    while let Some(at) = directory {
        inside = inside && at.join("__init__.py").is_file();
        if !inside && !parts.is_empty() {
            names.push(parts.iter().rev().cloned().collect::<Vec<_>>().join("."));
        }
        if !inside && (at == root || at.as_os_str().is_empty()) {
            break;
        }
        let Some(name) = at.file_name() else { break };
        parts.push(name.to_string_lossy().into_owned());
        directory = at.parent();
    }
    if names.is_empty() {
        names.push(parts.iter().rev().cloned().collect::<Vec<_>>().join("."));
    }
    ModuleNames { names, is_package }
}
