//! `splitcost bench codecs`

use std::path::Path;
use std::process::ExitCode;

use splitcost_bench::codecs::{Subject, codecs, proto};
use splitcost_bench::compare::ComparisonPlan;
use splitcost_lab::Step;
use splitcost_report::bench::{Style, codecs as text};

use crate::args::bench::BenchCodecsArgs;
use crate::args::shared::Format;
use crate::failure::{Failed, Failure};
use crate::session::Session;

/// Compares codecs.
pub(crate) fn run(session: &mut Session, args: &BenchCodecsArgs) -> anyhow::Result<ExitCode> {
    let settings = session.settings();
    let subjects = match (&args.subject, session.recording_to_read(None)) {
        (Some(path), _) if path.is_dir() => recorded(path)?,
        (Some(path), _) => vec![file(path)?],
        (None, Ok(dir)) => recorded(&dir)?,
        (None, Err(_)) => {
            return Err(Failure::new("there is nothing to encode")
                .hint("name a JSON file or a recording: splitcost bench codecs order.json")
                .into());
        }
    };
    let python = session.python(settings.as_ref().ok())?;
    let Session { printer, cancel, .. } = session;
    if args.show_proto {
        let text = proto(&subjects, &python, cancel).failed()?;
        printer.answer(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let conditions = ComparisonPlan { rounds: args.rounds, margin: args.margin / 100.0, seed: args.seed };
    let found = codecs(&subjects, &conditions, &python, &mut |step: &Step| printer.step(step), cancel).failed();
    printer.done();
    let found = found?;
    match args.output.format {
        Format::Markdown => printer.answer(&text(&found, Style::Markdown))?,
        Format::Json => printer.json(&found)?,
        _ => printer.answer(&text(&found, Style::Text))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn file(path: &Path) -> anyhow::Result<Subject> {
    let found = std::fs::canonicalize(path)
        .map_err(|error| Failure::new(format!("failed to read {}: {error}", path.display())))?;
    Ok(Subject::file(path, found))
}

fn recorded(dir: &Path) -> anyhow::Result<Vec<Subject>> {
    let (subjects, _) = Subject::recorded(&Session::open(dir)?);
    if subjects.is_empty() {
        return Err(Failure::new(format!(
            "the recording in {} has no payload that a codec could carry",
            dir.display()
        ))
        .hint("record more requests, or name a JSON file")
        .into());
    }
    Ok(subjects)
}
