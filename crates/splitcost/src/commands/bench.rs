//! `splitcost bench`: of URLs, or of what its subcommands name.

mod call;
mod codecs;
mod stacks;
pub(crate) mod url;

use std::process::ExitCode;

use crate::args::bench::{Bench, What};
use crate::session::Session;

/// Hands on to what is benched.
pub(crate) fn run(session: &mut Session, args: &Bench) -> anyhow::Result<ExitCode> {
    match &args.what {
        None => url::run(session, &args.url),
        Some(What::Call(args)) => call::run(session, args),
        Some(What::Codecs(args)) => codecs::run(session, args),
        Some(What::Stacks(args)) => stacks::run(session, args),
    }
}
