//! `splitcost scan` and `splitcost explain`: arguments.

use std::path::PathBuf;

use clap::Args;

use super::Output;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost scan                        the directory that you are in
  splitcost scan src --select SC1       only what blocks the event loop
  splitcost scan --format json          for programs
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
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Code of a rule, as SC201; all are listed without it
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}
