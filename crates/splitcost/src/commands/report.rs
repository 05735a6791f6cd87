//! `splitcost report`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use splitcost_model::study::{FORMAT_VERSION, Study};
use splitcost_study::comparison::compare;

use crate::args::experiment::ReportArgs;
use crate::failure::Failure;
use crate::session::{Session, shown};

/// Writes the HTML report of a study.
pub(crate) fn run(session: &mut Session, args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let path = match &args.study {
        Some(path) => path.clone(),
        None => shown(&Session::own_dir(&session.settings()?).join("study.json")),
    };
    let study = read(&path)?;
    write(&study, &args.output)?;
    session.printer.note(&format!("wrote {}", args.output.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes the report, and the directory it is in.
pub(crate) fn write(study: &Study, path: &Path) -> anyhow::Result<()> {
    let failed = |error| Failure::new(format!("failed to write {}: {error}", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    Ok(fs::write(path, splitcost_report::html::render(study)).map_err(failed)?)
}

/// The part of a study that every version has.
#[derive(serde::Deserialize)]
struct Version {
    format_version: u32,
}

fn read(path: &Path) -> anyhow::Result<Study> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("failed to read {}: {error}", path.display()))
            .hint("`splitcost evaluate` makes a study and its report")
    })?;
    let no_study = |error| {
        Failure::new(format!("failed to read {}: it is not a study: {error}", path.display()))
            .hint("`splitcost evaluate --format json` writes one")
    };
    let version: Version = serde_json::from_str(&text).map_err(no_study)?;
    if version.format_version != FORMAT_VERSION {
        return Err(Failure::new(format!(
            "failed to read {}: its format version is {}, and this splitcost reads version {FORMAT_VERSION}",
            path.display(),
            version.format_version
        ))
        .hint("make the study again with `splitcost evaluate`")
        .into());
    }
    let mut study: Study = serde_json::from_str(&text).map_err(no_study)?;
    // A study of an older splitcost holds no ratios.
    for split in study.splits.iter_mut().filter(|split| split.comparison.agreement.is_none()) {
        split.comparison = compare(&split.estimate, split.rehearsal.as_ref(), &split.usd_per_month);
    }
    Ok(study)
}
