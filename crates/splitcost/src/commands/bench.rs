//! `splitcost bench`: of URLs, or of what its subcommands name.

mod call;
mod codecs;
mod stacks;
pub(crate) mod url;

use std::process::ExitCode;

use crate::args::bench::{BenchArgs, BenchCommand};
use crate::session::Session;

/// Hands on to what is benched.
pub(crate) fn run(session: &mut Session, args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        None => url::run(session, &args.url),
        Some(BenchCommand::Call(args)) => call::run(session, args),
        Some(BenchCommand::Codecs(args)) => codecs::run(session, args),
        Some(BenchCommand::Stacks(args)) => stacks::run(session, args),
    }
}
