//! The command `splitcost`: it reads the command line and the settings, runs a library, and prints the answer.
//!
//! Read in this order: [`args`] (commands, options and the variables that set them), [`settings`] (the settings file),
//! [`session`] (both together), then the file of a command in [`commands`]. [`experiment`] is shared by estimate,
//! rehearse and evaluate; [`requests`] reads the requests of a bench.
//!
//! Imports point down in this order only: commands, session, settings, arguments. Measuring, computing and rendering
//! are left to the libraries.

mod app_settings;
mod args;
mod commands;
mod experiment;
mod failure;
mod printer;
mod requests;
mod session;
mod settings;

use std::process::ExitCode;

use mimalloc::MiMalloc;
use splitcost_lab::Cancel;

use crate::args::{Cli, UsageError, Verb};
use crate::failure::Interrupted;
use crate::session::Session;

/// The allocator of the whole program.
///
/// Chosen: a scan allocates millions of small values in several threads, and the system allocator is slower at that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The exit status after Ctrl-C and after SIGTERM.
///
/// Spec: 128 plus the number of SIGINT, as in shells.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = match args::parse(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    if matches!(cli.verb, Verb::Guard) {
        splitcost_lab::guard::run();
        return ExitCode::SUCCESS;
    }
    let cancel = Cancel::default();
    let (asked, interrupted) = (cancel.clone(), cancel.clone());
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
        // Ctrl-C in a terminal also ends a helper that is being asked something, which looks like a failure of it.
        Err(error) if error.is::<Interrupted>() || interrupted.is_cancelled() => {
            anstream::eprintln!("interrupted");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            failure::print(&error);
            ExitCode::from(2)
        }
    }
}

/// Prints the message of the argument parser, which may also be the help or the version.
fn refuse(UsageError { error, variables }: &UsageError) -> ExitCode {
    // If nothing can be printed, the exit status is all that is left.
    let _ = error.print();
    for variable in variables {
        failure::print_hint(&format!("{variable} in the environment"));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn run(cli: Cli, cancel: Cancel) -> anyhow::Result<ExitCode> {
    let mut session = Session::new(cli.global, cancel);
    match cli.verb {
        Verb::Init(args) => commands::init::run(&mut session, &args),
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
