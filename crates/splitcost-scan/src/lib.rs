//! The scanner: it reads Python source, resolves which function each call calls, and reports communication
//! anti-patterns as findings.
//!
//! Read in this order: [`scan`], [`RULES`], [`graph()`]. Inside: `lower` turns a file's text into its compact form,
//! `idle` marks the names that cannot lead to a call, `program` puts all files together, `resolve` finds out which
//! function each call calls, `effect` passes effects on from callees to callers, and `rule` has one short file per rule.
//!
//! ```
//! use splitcost_scan::{Options, scan};
//!
//! let dir = std::env::temp_dir().join(format!("splitcost-scan-{}", std::process::id()));
//! std::fs::create_dir_all(&dir)?;
//! std::fs::write(dir.join("app.py"), "import time\nasync def wait():\n    time.sleep(1)\n")?;
//! let scan = scan(&Options { paths: vec![dir.clone()], ..Options::default() })?;
//! assert_eq!(scan.findings[0].code, "SC103");
//! # std::fs::remove_dir_all(dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It leaves to other crates: writing findings in a format (`splitcost-report`), and pricing them by a recording
//! (`splitcost-recording`).

mod baseline;
mod cache;
mod comment;
mod discover;
mod effect;
mod form;
mod glob;
mod graph;
mod idle;
mod library;
mod lower;
mod options;
mod program;
mod resolve;
mod rule;
mod scan;
mod source;
mod value;

use std::path::PathBuf;

pub use baseline::Baseline;
pub use glob::Glob;
pub use lower::setting::{NamedSetting, settings};
pub use lower::state::keeps_state;
pub use options::Options;
pub use rule::{RULES, Rule};
pub use scan::{graph, scan, scan_texts};

/// The effects that the settings can give to a library's function, such as `blocking-http`.
pub const EFFECTS: &[&str] = library::Traits::KEYS;

/// The reason why a scan failed as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that the options name cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The operating system refused to start threads.
    #[error("start threads: {0}")]
    Threads(String),
    /// A glob is invalid.
    #[error("parse the glob {glob:?}: {reason}")]
    Glob {
        /// The glob as it was written.
        glob: String,
        /// The reason.
        reason: String,
    },
    /// The effect of a library's function is not one of [`EFFECTS`].
    #[error("parse the effect of {path:?}: {reason}")]
    Effect {
        /// The dotted path of the function.
        path: String,
        /// The reason.
        reason: String,
    },
}
