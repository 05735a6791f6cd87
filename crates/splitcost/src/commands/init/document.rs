//! The description of an API as requests: found in the tree, and read.

use std::fs;
use std::path::{Path, PathBuf};

use splitcost_bench::openapi;

use super::template::Listed;
use crate::failure::Failure;
use crate::printer::Printer;

/// The usual names of the file.
const NAMES: [&str; 3] = ["openapi.json", "openapi.yaml", "openapi.yml"];

/// Directories whose documents describe something else.
const NOT_SEARCHED: [&str; 8] = ["build", "dist", "env", "node_modules", "site-packages", "test", "tests", "venv"];

/// Chosen: documents of an app lie beside it, or in `docs/api/v1` of its package.
const DEEPEST: usize = 4;

/// Returns the document nearest to the top of a directory.
pub(super) fn find(directory: &Path) -> Option<PathBuf> {
    let mut level = vec![directory.to_owned()];
    for _ in 0..=DEEPEST {
        if let Some(found) = level.iter().flat_map(|dir| NAMES.map(|name| dir.join(name))).find(|path| path.is_file()) {
            return Some(found);
        }
        level = level.iter().flat_map(|dir| directories(dir)).collect();
        level.sort();
    }
    None
}

/// Returns the directories in a directory that may hold a document.
fn directories(directory: &Path) -> Vec<PathBuf> {
    // A directory that cannot be read has none.
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_searched = |name: &str| !name.starts_with('.') && !NOT_SEARCHED.contains(&name);
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| entry.file_name().to_str().is_some_and(is_searched))
        .map(|entry| entry.path())
        .collect()
}

/// Reads a document, and says what was left out.
pub(super) fn requests(path: &Path, printer: &mut Printer) -> anyhow::Result<Vec<Listed>> {
    let text = fs::read(path).map_err(|error| Failure::new(format!("failed to read {}: {error}", path.display())))?;
    let document = openapi::read(&String::from_utf8_lossy(&text))
        .map_err(|problem| Failure::new(format!("failed to read {}: {problem}", path.display())))?;
    for reason in &document.left_out {
        printer.note(&format!("left out: {reason}"));
    }
    Ok(document.operations.into_iter().map(Listed::documented).collect())
}
