//! `splitcost scan` and `splitcost explain`.

use std::path::PathBuf;

use clap::Args;

use super::shared::{Format, OutputArgs, formats};

/// Arguments of `splitcost scan`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost scan                                    # the working directory
  splitcost scan src --select SC1                   # only calls that block the event loop
  splitcost scan --graph dot > calls.dot            # the call graph; then: dot -Tsvg calls.dot > calls.svg
  splitcost scan --format sarif > scan.sarif        # for code scanning, editors and other programs
  splitcost scan --write-baseline known.json        # accept today's findings
  splitcost scan --baseline known.json              # report only new ones
  splitcost scan --with .splitcost/recording        # what each finding costs, the most expensive first
  splitcost explain SC201                           # what a code means, and what to do

Exit status: 0 no findings; 1 findings; 2 splitcost or its input failed.")]
#[command(mut_arg("format", |arg| {
    arg.value_parser(formats(&[Format::Text, Format::Json, Format::Sarif, Format::Github, Format::Junit]))
}))]
pub(crate) struct ScanArgs {
    /// Files and directories to scan
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Report only rules with these codes, or with codes that begin so; separated by commas [default: [scan] in the
    /// settings, else all]
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// Leave out rules with these codes, or with codes that begin so; separated by commas [default: [scan] in the
    /// settings, else none]
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Leave out files and directories that match this glob; may be repeated [default: [scan] in the settings, else
    /// none]
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Neither read nor write the cache [default: use it]
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Write which function calls which, and which module imports which, instead of findings
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = formats(&[Format::Json, Format::Dot]),
        conflicts_with_all = ["select", "ignore", "with", "baseline", "write_baseline"]
    )]
    pub(crate) graph: Option<Format>,
    /// Recording that prices the findings; the most expensive come first [default: no prices]
    #[arg(long, value_name = "DIR", conflicts_with = "write_baseline")]
    pub(crate) with: Option<PathBuf>,
    /// Baseline of known findings, which are not reported [default: report all]
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write all findings to this baseline, and report none
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    pub(crate) write_baseline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of `splitcost explain`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost explain         # list the rules
  splitcost explain SC201
  splitcost explain remote-call-in-loop")]
pub(crate) struct ExplainArgs {
    /// Code or name of a rule [default: list all rules]
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}
