//! `splitcost show`: prints a recording.

use std::process::ExitCode;

use splitcost_model::database::Owners;
use splitcost_recording::summary::summarize;
use splitcost_recording::tables::summarize_tables;

use crate::args::experiment::ShowArgs;
use crate::args::shared::Format;
use crate::printer::Printer;
use crate::session::Session;

/// Prints the summary of a recording, or of the tables in it.
pub(crate) fn run(session: &mut Session, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let dir = match &args.recording {
        Some(dir) => dir.clone(),
        None => Session::recording_dir(&session.settings()?, None),
    };
    let recording = Session::open(&dir)?;
    if args.tables {
        let settings = session.settings_if_any()?;
        let owners = Owners::of(&recording, &settings.map(|settings| settings.table_owners).unwrap_or_default());
        let summary = summarize_tables(&recording, &owners);
        match args.output.format {
            Format::Json => session.printer.json(&summary)?,
            _ => session.printer.answer(&splitcost_report::tables::render(&summary, Printer::width()))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let summary = summarize(&recording);
    match args.output.format {
        Format::Json => session.printer.json(&summary)?,
        _ => session.printer.answer(&splitcost_report::recording::render(&summary, Printer::width()))?,
    }
    Ok(ExitCode::SUCCESS)
}
