//! `splitcost bench`: of URLs, or of what its subcommands name.

pub(crate) mod url;

use std::process::ExitCode;

use crate::args::bench::Bench;
use crate::session::Session;

/// Hands on to what is benched.
pub(crate) fn run(session: &mut Session, args: &Bench) -> anyhow::Result<ExitCode> {
    match &args.what {
        None => url::run(session, &args.url),
        Some(what) => match *what {},
    }
}
