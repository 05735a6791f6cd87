//! `splitcost report`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use splitcost_model::evaluation::Evaluation;

use crate::args::experiment::ReportArgs;
use crate::failure::Failure;
use crate::pipeline::EVALUATION_VERSION;
use crate::session::{Session, shown};

/// Writes the HTML report of an evaluation.
pub(crate) fn run(session: &mut Session, args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let path = match &args.evaluation {
        Some(path) => path.clone(),
        None => shown(&Session::own_dir(&session.settings()?).join("evaluation.json")),
    };
    let evaluation = read(&path)?;
    write(&evaluation, &args.output)?;
    session.printer.note(&format!("wrote {}", args.output.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes the report, and the directory it is in.
pub(crate) fn write(evaluation: &Evaluation, path: &Path) -> anyhow::Result<()> {
    let failed = |error| Failure::new(format!("failed to write {}: {error}", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    Ok(fs::write(path, splitcost_report::html::render(evaluation)).map_err(failed)?)
}

fn read(path: &Path) -> anyhow::Result<Evaluation> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("failed to read {}: {error}", path.display()))
            .hint("`splitcost evaluate` makes an evaluation and its report")
    })?;
    let evaluation: Evaluation = serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!("failed to read {}: it is not an evaluation: {error}", path.display()))
            .hint("`splitcost evaluate --format json` writes one")
    })?;
    if evaluation.format_version != EVALUATION_VERSION {
        return Err(Failure::new(format!(
            "failed to read {}: its format version is {}, this splitcost reads version {EVALUATION_VERSION}",
            path.display(),
            evaluation.format_version
        ))
        .hint("evaluate again with `splitcost evaluate`")
        .into());
    }
    Ok(evaluation)
}
