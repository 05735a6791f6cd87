//! The command line: what a split costs, before it is built.
//!
//! Read in this order: [`args`] (verbs and options), [`settings`] (the file), [`session`] (both together), then a
//! file per verb in [`commands`]; [`experiment`], which estimate, rehearse and evaluate share, and [`requests`], what a bench
//! asks.
//!
//! Numbers come from the libraries: nothing is measured or computed here.

mod args;
mod commands;
mod experiment;
mod failure;
mod printer;
mod requests;
mod session;
mod settings;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use splitcost_lab::Cancel;

use crate::args::{Cli, Verb};
use crate::failure::Interrupted;
use crate::session::Session;

/// Chosen: a scan makes millions of small things, in several threads, and the system allocator is slower at that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Exit status after Ctrl-C.
///
/// Spec: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.verb, Verb::Guard) {
        splitcost_lab::guard::run();
        return ExitCode::SUCCESS;
    }
    let cancel = Cancel::default();
    let asked = cancel.clone();
    let handler = ctrlc::set_handler(move || {
        if asked.is_cancelled() {
            splitcost_lab::app::kill_all();
            std::process::exit(i32::from(INTERRUPTED));
        }
        asked.cancel();
    });
    let outcome = handler.map_err(anyhow::Error::from).and_then(|()| run(cli, cancel));
    match outcome {
        Ok(status) => status,
        Err(error) if error.is::<Interrupted>() => {
            anstream::eprintln!("interrupted");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            failure::print(&error);
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli, cancel: Cancel) -> anyhow::Result<ExitCode> {
    let mut session = Session::new(cli.common, cancel);
    match cli.verb {
        Verb::Init => commands::init::run(&mut session),
        Verb::Record(args) => commands::record::run(&mut session, &args),
        Verb::Show(args) => commands::show::run(&mut session, &args),
        Verb::Calibrate(args) => commands::calibrate::run(&mut session, &args),
        Verb::Estimate(args) => commands::estimate::run(&mut session, &args),
        Verb::Rehearse(args) => commands::rehearse::run(&mut session, &args),
        Verb::Evaluate(args) => commands::evaluate::run(&mut session, &args),
        Verb::Report(args) => commands::report::run(&mut session, &args),
        Verb::Bench(args) => commands::bench::run(&mut session, &args),
        Verb::Link(args) => commands::link::run(&mut session, &args),
        Verb::Scan(args) => commands::scan::run(&mut session, &args),
        Verb::Explain(args) => commands::scan::explain(&mut session, &args),
        Verb::Guard => Ok(ExitCode::SUCCESS),
    }
}
