//! Scanner: Python source to modules, calls and effects, and from these to findings.
//!
//! Read in this order: [`scan`], [`RULES`], [`graph()`]; inside, `lower` (a file's text to its compact form), `demand` (which
//! names there lead to no call), `program` (all files together), `evaluate` (which function each call calls), `effect`
//! (what that leads to), `rule` (one short file each).
//!
//! ```
//! use splitcost_scan::{Options, scan};
//!
//! let dir = std::env::temp_dir().join(format!("splitcost-scan-{}", std::process::id()));
//! std::fs::create_dir_all(&dir)?;
//! std::fs::write(dir.join("app.py"), "import time\nasync def wait():\n    time.sleep(1)\n")?;
//! let found = scan(&Options { paths: vec![dir.clone()], ..Options::default() })?;
//! assert_eq!(found.findings[0].code, "SC103");
//! # std::fs::remove_dir_all(dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It leaves to others: showing what was found (`splitcost-report`), and what the calls cost (`splitcost-recording`).

mod baseline;
mod cache;
mod comment;
mod demand;
mod discover;
mod effect;
mod evaluate;
mod form;
mod glob;
mod graph;
mod library;
mod lower;
mod program;
mod rule;
mod scan;
mod source;
mod value;

use std::path::PathBuf;

pub use baseline::Baseline;
pub use glob::Glob;
pub use rule::{RULES, Rule};
pub use scan::{Options, graph, scan, scan_texts};

/// What can be said of a library's function, or of a user's own: the last step of a way.
pub const EFFECTS: &[&str] = library::Traits::KEYS;

/// Why nothing could be scanned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that was named cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system gave no threads.
    #[error("start threads: {0}")]
    Threads(String),
    /// A glob is none.
    #[error("understand the glob {glob:?}: {reason}")]
    Glob {
        /// As it was written.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What is said of a path is not known.
    #[error("understand the effect of {path:?}: {reason}")]
    Effect {
        /// Of which.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}
