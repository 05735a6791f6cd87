//! The text of a file, with lines and columns for its bytes.

use std::sync::OnceLock;

use splitcost_model::finding::Location;

use crate::form::Range;

/// A scanned file.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    path: String,
    text: String,
    /// The byte offsets at which lines begin, computed at first use.
    lines: OnceLock<Vec<u32>>,
}

impl SourceFile {
    pub(crate) fn new(path: String, text: String) -> Self {
        Self { path, text, lines: OnceLock::new() }
    }

    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect()
        })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the line and column of a byte, both counted from 1.
    pub(crate) fn position(&self, byte: u32) -> (u32, u32) {
        let line = self.lines().partition_point(|start| *start <= byte).max(1);
        let start = self.lines()[line - 1] as usize;
        let column = self.text.get(start..byte as usize).map_or(0, |before| before.chars().count());
        (line as u32, column as u32 + 1)
    }

    /// Returns the text in a range.
    pub(crate) fn text(&self, range: Range) -> &str {
        self.text.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// Returns the line that a comment applies to: its own, or, if the comment stands alone there, the next one that has
    /// code.
    pub(crate) fn line_of_code(&self, comment: Range) -> u32 {
        let (line, _) = self.position(comment.start);
        let start = self.lines()[line as usize - 1];
        if !self.text(Range { start, end: comment.start }).trim().is_empty() {
            return line;
        }
        let has_code = |text: &str| !text.trim().is_empty() && !text.trim_start().starts_with('#');
        let after = self.text[comment.end as usize..].lines().skip(1).position(has_code);
        after.map_or(line, |skipped| line + skipped as u32 + 1)
    }

    pub(crate) fn location(&self, range: Range) -> Location {
        let (line, column) = self.position(range.start);
        let (end_line, end_column) = self.position(range.end);
        let start = self.lines()[line as usize - 1] as usize;
        let text = self.text[start..].lines().next().unwrap_or_default().to_owned();
        Location { path: self.path.clone(), line, column, end_line, end_column, text }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::SourceFile;

    proptest! {
        /// Lines and columns lead back to the same byte.
        #[test]
        fn positions_name_bytes(text in "[a\u{e9}\u{1f40d} \n\r]{0,40}", at in any::<prop::sample::Index>()) {
            let starts: Vec<usize> = text.char_indices().map(|(start, _)| start).chain([text.len()]).collect();
            let byte = starts[at.index(starts.len())];
            let (line, column) = SourceFile::new("app.py".to_owned(), text.clone()).position(byte as u32);
            let before: usize = text.split_inclusive('\n').take(line as usize - 1).map(str::len).sum();
            let within: usize = text[before..].chars().take(column as usize - 1).map(char::len_utf8).sum();
            prop_assert_eq!(before + within, byte);
        }
    }
}
