//! A whole scan.

use std::path::PathBuf;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use splitcost_model::finding::{Finding, Scan, Skipped};
use splitcost_model::graph::Graph;

use crate::discover::{Found, discover, module_at};
use crate::evaluate::Evaluation;
use crate::form::Kind;
use crate::graph::graph as graph_of;
use crate::library::Library;
use crate::program::Program;
use crate::rule::{Context, RULES, fold};
use crate::source::Source;
use crate::{Error, lower};

/// What shall be scanned.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// Globs of what is left out.
    pub exclude: Vec<String>,
    /// Codes or their beginnings: only these; all where it is empty.
    pub select: Vec<String>,
    /// Codes or their beginnings: not these.
    pub ignore: Vec<String>,
}

/// Stack of the threads that parse and evaluate. Chosen: the deepest program that the parser takes fits ten times.
const STACK_BYTES: usize = 64 << 20;

/// Scans a program.
pub fn scan(options: &Options) -> Result<Scan, Error> {
    let (found, skipped) = discover(&options.paths, &options.exclude)?;
    look(found, skipped, |evaluation, sources, skipped| findings(options, evaluation, sources, skipped))
}

/// Which module of a program imports which, and which function calls which; and what was not looked at.
pub fn graph(options: &Options) -> Result<(Graph, Vec<Skipped>), Error> {
    let (found, skipped) = discover(&options.paths, &options.exclude)?;
    look(found, skipped, |evaluation, sources, skipped| (graph_of(evaluation, sources), skipped))
}

/// Scans a program whose files are in memory, each with its path: for tests and fuzzing, which need no disk.
pub fn scan_texts(files: Vec<(PathBuf, String)>) -> Result<(Scan, Graph), Error> {
    let found = files.into_iter().map(|(path, text)| Found { module: module_at(&path), path, text }).collect();
    look(found, Vec::new(), |evaluation, sources, skipped| {
        (findings(&Options::default(), evaluation, sources, skipped), graph_of(evaluation, sources))
    })
}

/// Looks at all files, with enough stack for the deepest.
fn look<R: Send>(
    found: Vec<Found>,
    mut skipped: Vec<Skipped>,
    finish: impl FnOnce(&Evaluation<'_>, &[Source], Vec<Skipped>) -> R + Send,
) -> Result<R, Error> {
    let pool =
        ThreadPoolBuilder::new().stack_size(STACK_BYTES).build().map_err(|error| Error::Threads(error.to_string()))?;
    Ok(pool.install(|| {
        let library = Library::shipped();
        let forms: Vec<_> = found.par_iter().map(|file| lower::lower(&file.text)).collect();
        let mut modules = Vec::with_capacity(found.len());
        let mut sources = Vec::with_capacity(found.len());
        for (file, form) in found.into_iter().zip(&forms) {
            let source = Source::new(file.path.display().to_string(), file.text);
            if let Some((range, reason)) = form.errors.first() {
                let (line, column) = source.position(range.start);
                let reason = format!("{line}:{column}: {reason}; the rest of the file is scanned");
                skipped.push(Skipped { path: source.path().to_owned(), reason });
            }
            modules.push(file.module);
            sources.push(source);
        }
        let mut program = Program::new(forms, modules);
        let evaluation = Evaluation::of(&mut program, &library);
        finish(&evaluation, &sources, skipped)
    }))
}

fn findings(options: &Options, evaluation: &Evaluation<'_>, sources: &[Source], skipped: Vec<Skipped>) -> Scan {
    let context = Context::new(evaluation, sources);
    let mut findings = Vec::new();
    let starts = |codes: &[String], code: &str| codes.iter().any(|prefix| code.starts_with(prefix.as_str()));
    for rule in RULES {
        let is_wanted = options.select.is_empty() || starts(&options.select, rule.code);
        if is_wanted && !starts(&options.ignore, rule.code) {
            let mut found = Vec::new();
            (rule.find)(&context, rule, &mut found);
            fold(&mut found);
            findings.append(&mut found);
        }
    }
    let key = |finding: &Finding| {
        (finding.location.path.clone(), finding.location.line, finding.location.column, finding.code.clone())
    };
    findings.sort_by_cached_key(key);
    let places = 0..evaluation.program.places();
    Scan {
        files: sources.len() as u64,
        functions: places.clone().filter(|place| evaluation.program.scope(*place as u32).kind == Kind::Function).count()
            as u64,
        calls: places.clone().map(|place| evaluation.program.scope(place as u32).calls.len() as u64).sum(),
        unresolved_calls: places.map(|place| evaluation.unresolved(place as u32)).sum(),
        findings,
        skipped,
    }
}
