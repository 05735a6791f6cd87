//! `splitcost show`

use std::process::ExitCode;

use splitcost_recording::summary::summarize;

use crate::args::{Format, Show};
use crate::printer::Printer;
use crate::session::Session;

/// Prints a recording at a glance.
pub(crate) fn run(session: &mut Session, args: &Show) -> anyhow::Result<ExitCode> {
    let dir = match &args.recording {
        Some(dir) => dir.clone(),
        None => Session::recording_dir(&session.settings()?, None),
    };
    let summary = summarize(&Session::open(&dir)?);
    match args.output.format {
        Format::Text => session.printer.answer(&splitcost_report::recording::render(&summary, Printer::width()))?,
        Format::Json => session.printer.json(&summary)?,
    }
    Ok(ExitCode::SUCCESS)
}
