//! `splitcost scan` and `splitcost explain`: arguments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost scan                        the directory that you are in
  splitcost scan src --select SC1       only what blocks the event loop
  splitcost scan --graph dot | dot -Tsvg > calls.svg
  splitcost scan --format sarif > scan.sarif   for code scanning, editors and other programs
  splitcost scan --write-baseline known.json   from here on only new findings shall count:
  splitcost scan --baseline known.json
  splitcost scan --with .splitcost/recording   what each finding costs, the worst first
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
    /// Look at every file anew, and keep nothing of it
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Write which function calls which, and which module imports which, instead of findings
    #[arg(long, value_name = "FORM", conflicts_with_all = ["select", "ignore", "with", "baseline", "write_baseline"])]
    pub(crate) graph: Option<GraphFormat>,
    /// Recording that prices the findings, the worst first
    #[arg(long, value_name = "DIR", conflicts_with = "write_baseline")]
    pub(crate) with: Option<PathBuf>,
    /// Findings that were there before: only new ones count
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write down what is found, for --baseline, and show nothing
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// How to write the findings on stdout
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: Format,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: with the source, and the way to what hurts.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For code scanning and editors: SARIF 2.1.0, with code flows.
    Sarif,
    /// For pull requests: annotations of GitHub.
    Github,
    /// For build servers: `JUnit`'s XML.
    Junit,
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
