//! The arguments of `splitcost scan` and `splitcost explain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost scan                        scan the current directory
  splitcost scan src --select SC1       report only what blocks the event loop
  splitcost scan --graph dot | dot -Tsvg > calls.svg
  splitcost scan --format sarif > scan.sarif   for code scanning, editors and other programs
  splitcost scan --write-baseline known.json   list the findings of today in a file,
  splitcost scan --baseline known.json         and report only new ones from then on
  splitcost scan --with .splitcost/recording   price the findings, the most expensive first
  splitcost explain SC201               show the page of a rule

Exit status: 0 no findings, 1 findings, 2 the scan failed.")]
pub(crate) struct Scan {
    /// Files and directories to scan
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Codes to report, separated by commas; the beginning of a code stands for all codes that begin so
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// Codes to leave out, separated by commas; the beginning of a code stands for all codes that begin so
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Glob of files and directories to leave out; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Neither read nor write the cache
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Write the call graph and the imports of modules instead of findings
    #[arg(long, value_name = "FORM", conflicts_with_all = ["select", "ignore", "with", "baseline", "write_baseline"])]
    pub(crate) graph: Option<GraphFormat>,
    /// Recording by which findings are priced, the most expensive first
    #[arg(long, value_name = "DIR", conflicts_with = "write_baseline")]
    pub(crate) with: Option<PathBuf>,
    /// Baseline file: report only the findings that it does not list
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write a baseline file with all findings, and report none
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Format of the findings on stdout
    #[arg(long, env = "SPLITCOST_FORMAT", default_value = "text", hide_default_value = true)]
    pub(crate) format: Format,
}

/// The format of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: each finding with its source and call path
    #[default]
    Text,
    /// For programs
    Json,
    /// For code scanning and editors: SARIF 2.1.0 with code flows
    Sarif,
    /// For pull requests: GitHub annotations
    Github,
    /// For build servers: `JUnit` XML
    Junit,
}

/// The format of a call graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Modules, functions and edges, for programs
    Json,
    /// For Graphviz
    Dot,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Code of a rule, such as SC201; without it, all rules are listed
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}
