//! `splitcost scan` reports communication anti-patterns in Python source; `splitcost explain` shows the page of a rule.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use splitcost_model::finding::{RemarkKind, RulePage, Scan as ScanResult, Skipped};
use splitcost_recording::price::price;
use splitcost_report::finding;
use splitcost_scan::{Baseline, Error, Glob, Options, RULES, graph, scan};

use crate::args::scan::{ExplainArgs, ScanArgs};
use crate::args::shared::Format;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::settings::scan::{is_code, unknown};

/// Scans, and writes the findings, a call graph or a baseline.
pub(crate) fn run(session: &mut Session, args: &ScanArgs) -> anyhow::Result<ExitCode> {
    for code in args.select.iter().chain(&args.ignore) {
        check(code)?;
    }
    let settings = session.scan_settings(&args.paths[0])?;
    let exclude = args.exclude.iter().map(|glob| Glob { base: PathBuf::from("."), pattern: glob.clone() });
    let options = Options {
        paths: args.paths.clone(),
        exclude: or(exclude.collect(), settings.exclude),
        select: or(args.select.clone(), settings.select),
        ignore: or(args.ignore.clone(), settings.ignore),
        per_file_ignores: settings.per_file_ignores,
        effects: settings.effects,
        baseline: args.baseline.as_deref().map(baseline).transpose()?,
        every_way: args.write_baseline.is_some(),
        cache: if args.no_cache { None } else { splitcost_lab::cache::path("scan") },
    };
    if let Some(format) = args.graph {
        let (graph, skipped) = graph(&options).map_err(|error| failure(&error))?;
        warn(session, &skipped);
        match format {
            Format::Dot => session.printer.answer(&splitcost_report::graph::dot(&graph))?,
            _ => session.printer.json(&graph)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let recording = args.with.as_deref().map(Session::open).transpose()?;
    let mut found = scan(&options).map_err(|error| failure(&error))?;
    notify(session, &found);
    if let Some(path) = &args.write_baseline {
        return write_baseline(session, &found, path);
    }
    if let Some(recording) = &recording {
        price(&mut found.findings, recording, &settings.prices);
    }
    let rules: Vec<RulePage> =
        RULES.iter().map(|rule| RulePage { code: rule.code, name: rule.name, page: rule.page }).collect();
    let text = match args.output.format {
        Format::Json => serde_json::to_string_pretty(&found)?,
        Format::Sarif => finding::sarif(&found, &rules),
        Format::Github => finding::github(&found),
        Format::Junit => finding::junit(&found),
        _ => finding::text(&found, Printer::color(), Printer::width()),
    };
    session.printer.answer(&text)?;
    Ok(if found.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the list of the command line, or that of the settings if the first is empty.
fn or<T>(arguments: Vec<T>, settings: Vec<T>) -> Vec<T> {
    if arguments.is_empty() { settings } else { arguments }
}

/// Writes on stderr what a scan reports besides findings.
fn notify(session: &mut Session, found: &ScanResult) {
    warn(session, &found.skipped);
    for remark in &found.remarks {
        let text = format!("{}:{}:{}: {}", remark.path, remark.line, remark.column, remark.text);
        match remark.kind {
            RemarkKind::Malformed => session.printer.warn(&text),
            RemarkKind::Unused => session.printer.hint(&text),
        }
    }
    for gone in &found.gone {
        let times = if gone.count > 1 { format!(" ({} times)", gone.count) } else { String::new() };
        session.printer.note(&format!("no longer found: {}: {} in {}{times}", gone.path, gone.code, gone.function));
    }
    if !found.gone.is_empty() {
        session.printer.hint("`--write-baseline FILE` writes a baseline without these findings");
    }
}

fn baseline(path: &Path) -> anyhow::Result<Baseline> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("failed to read {}: {error}", path.display()))
            .hint(format!("`splitcost scan --write-baseline {}` writes it", path.display()))
    })?;
    let read = Baseline::read(&text, directory(path));
    read.map_err(|error| Failure::new(format!("{} is not a baseline: {error}", path.display())).into())
}

fn write_baseline(session: &mut Session, found: &ScanResult, path: &Path) -> anyhow::Result<ExitCode> {
    let failed = |error| Failure::new(format!("failed to write {}: {error}", path.display()));
    let baseline = Baseline::of(&found.findings, directory(path)).map_err(failed)?;
    fs::write(path, serde_json::to_string_pretty(&baseline)? + "\n").map_err(failed)?;
    session.printer.note(&format!("wrote {} with {} findings", path.display(), baseline.count()));
    Ok(ExitCode::SUCCESS)
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Prints a rule's page, or the list of rules.
pub(crate) fn explain(session: &mut Session, args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let text = if let Some(code) = &args.code {
        let rule = RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code) || rule.name == code);
        rule.ok_or_else(|| no_rule(code))?.page.to_owned()
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

fn warn(session: &mut Session, skipped: &[Skipped]) {
    for skipped in skipped {
        session.printer.warn(&format!("{}: {}", skipped.path, skipped.reason));
    }
}

fn check(code: &str) -> anyhow::Result<()> {
    if is_code(code) { Ok(()) } else { Err(no_rule(code).into()) }
}

fn no_rule(code: &str) -> Failure {
    unknown(Failure::new(format!("{code:?} is not the code of a rule, nor the beginning of one")))
}
