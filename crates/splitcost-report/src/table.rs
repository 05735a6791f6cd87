//! One table, for a terminal or as Markdown.

use std::fmt::Write as _;

/// The format of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Columns of spaces.
    Text,
    /// Markdown.
    Markdown,
}

impl Style {
    /// The text before a title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Markdown => "## ",
        }
    }

    /// The text before an item of a list.
    pub(crate) fn item(self) -> &'static str {
        match self {
            Self::Text => "  ",
            Self::Markdown => "- ",
        }
    }

    /// The text between a sentence and the list after it.
    pub(crate) fn item_gap(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Markdown => "\n",
        }
    }
}

/// The rows, the first of them the head; the first column is text, the others stand to the right.
pub(crate) fn table(rows: &[Vec<String>], style: Style) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &[String], i: usize| row.get(i).cloned().unwrap_or_default();
    let width = |i: usize| rows.iter().map(|row| cell(row, i).chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (line, row) in rows.iter().enumerate() {
        // Writing to a string does not fail.
        match style {
            Style::Text => {
                let mut all = String::new();
                for (i, width) in widths.iter().enumerate() {
                    let _ = match i {
                        0 => write!(all, "{:<width$}", cell(row, i)),
                        _ => write!(all, "  {:>width$}", cell(row, i)),
                    };
                }
                let _ = writeln!(text, "{}", all.trim_end());
            }
            Style::Markdown => {
                let cells: Vec<String> = (0..columns).map(|i| cell(row, i).replace('|', "\\|")).collect();
                let _ = writeln!(text, "| {} |", cells.join(" | "));
                if line == 0 {
                    let _ = writeln!(text, "|---|{}", "--:|".repeat(columns.saturating_sub(1)));
                }
            }
        }
    }
    text
}
