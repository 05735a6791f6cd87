//! `splitcost scan` and `splitcost explain`

use std::process::ExitCode;

use splitcost_model::finding::Skipped;
use splitcost_scan::{Error, Options, RULES, graph, scan};

use crate::args::Format;
use crate::args::scan::{Explain, GraphFormat, Scan};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;

/// Finds what makes calls expensive.
pub(crate) fn run(session: &mut Session, args: &Scan) -> anyhow::Result<ExitCode> {
    for code in args.select.iter().chain(&args.ignore) {
        check(code)?;
    }
    let options = Options {
        paths: args.paths.clone(),
        exclude: args.exclude.clone(),
        select: args.select.clone(),
        ignore: args.ignore.clone(),
    };
    if let Some(format) = args.graph {
        let (graph, skipped) = graph(&options).map_err(|error| failure(&error))?;
        tell(session, &skipped);
        match format {
            GraphFormat::Json => session.printer.json(&graph)?,
            GraphFormat::Dot => session.printer.answer(&splitcost_report::graph::dot(&graph))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let scan = scan(&options).map_err(|error| failure(&error))?;
    tell(session, &scan.skipped);
    match args.output.format {
        Format::Text => {
            let text = splitcost_report::finding::text(&scan, Printer::color(), Printer::width());
            session.printer.answer(&text)?;
        }
        Format::Json => session.printer.json(&scan)?,
    }
    Ok(if scan.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints a rule's page, or the list of rules.
pub(crate) fn explain(session: &mut Session, args: &Explain) -> anyhow::Result<ExitCode> {
    let text = if let Some(code) = &args.code {
        let rule = RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code) || rule.name == code);
        rule.ok_or_else(|| unknown(code))?.page.to_owned()
    } else {
        let rules: Vec<String> = RULES.iter().map(|rule| format!("{}  {}", rule.code, rule.name)).collect();
        rules.join("\n")
    };
    session.printer.answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn failure(error: &Error) -> Failure {
    let reason = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Failure::new(format!("failed to {error}{reason}"))
}

fn tell(session: &mut Session, skipped: &[Skipped]) {
    for skipped in skipped {
        session.printer.warn(&format!("{}: {}", skipped.path, skipped.reason));
    }
}

fn check(code: &str) -> anyhow::Result<()> {
    if code.is_empty() || !RULES.iter().any(|rule| rule.code.starts_with(code)) {
        return Err(unknown(code).into());
    }
    Ok(())
}

fn unknown(code: &str) -> Failure {
    Failure::new(format!("{code:?} is no rule, nor the beginning of one")).hint("`splitcost explain` lists the rules")
}
