//! The last lines of a log, for error messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Lines shown.
///
/// Chosen: a Python traceback's end and the line before it.
const LINES: usize = 12;

/// Returns the last lines of the file as an indented block that starts with a line break; empty for an empty file.
pub(crate) fn tail(path: &Path) -> String {
    let Ok(mut file) = File::open(path) else { return String::new() };
    let length = file.metadata().map_or(0, |m| m.len());
    let mut bytes = Vec::new();
    let start = length.saturating_sub(16 * 1024);
    if file.seek(SeekFrom::Start(start)).is_err() || file.read_to_end(&mut bytes).is_err() {
        return String::new();
    }
    block(&String::from_utf8_lossy(&bytes))
}

/// Returns the last lines of `text` as an indented block.
pub(crate) fn block(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nits last lines were:");
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        out.push_str("\n  | ");
        out.extend(line.chars().filter(|c| !c.is_control() || *c == '\t').take(200));
    }
    out
}
