//! `splitcost show`: prints a recording.

use std::process::ExitCode;

use splitcost_recording::summary::summarize;

use crate::args::experiment::ShowArgs;
use crate::args::shared::Format;
use crate::printer::Printer;
use crate::session::Session;

/// Prints the summary of a recording.
pub(crate) fn run(session: &mut Session, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let dir = match &args.recording {
        Some(dir) => dir.clone(),
        None => Session::recording_dir(&session.settings()?, None),
    };
    let summary = summarize(&Session::open(&dir)?);
    match args.output.format {
        Format::Json => session.printer.json(&summary)?,
        _ => session.printer.answer(&splitcost_report::recording::render(&summary, Printer::width()))?,
    }
    Ok(ExitCode::SUCCESS)
}
