//! `splitcost scan` and `splitcost explain`: arguments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Output;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost scan                        the directory that you are in
  splitcost scan src --select SC1       only what blocks the event loop
  splitcost scan --format json          for programs
  splitcost scan --graph dot | dot -Tsvg > calls.svg
  splitcost explain SC201               what a code means, and what to do

Exit status: 0 nothing found, 1 findings, 2 something failed.")]
pub(crate) struct Scan {
    /// Files and directories
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only these codes, or those that begin so; separated by commas
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// Not these
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Glob of files and directories that are left out; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Write which function calls which, and which module imports which, instead of findings
    #[arg(long, value_name = "FORM", conflicts_with_all = ["select", "ignore"])]
    pub(crate) graph: Option<GraphFormat>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Modules, functions and edges, for programs
    Json,
    /// For graphviz
    Dot,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Code of a rule, as SC201; all are listed without it
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}
