//! A whole scan.

use std::fs;
use std::path::PathBuf;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use splitcost_model::finding::{Finding, Scan, Skipped};
use splitcost_model::graph::Graph;

use crate::baseline::Baseline;
use crate::cache::{self, Cache};
use crate::discover::{Found, discover, module_at};
use crate::evaluate::Evaluation;
use crate::form::Kind;
use crate::glob::{Glob, Matcher};
use crate::graph::graph as graph_of;
use crate::library::Library;
use crate::program::Program;
use crate::rule::{Context, RULES, Rule, fold};
use crate::source::Source;
use crate::{Error, comment, lower};

/// What shall be scanned.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// What is left out.
    pub exclude: Vec<Glob>,
    /// Codes or their beginnings: only these; all where it is empty.
    pub select: Vec<String>,
    /// Codes or their beginnings: not these.
    pub ignore: Vec<String>,
    /// Codes or their beginnings: not these in such files.
    pub per_file_ignores: Vec<(Glob, Vec<String>)>,
    /// Dotted paths of libraries, each with one of [`EFFECTS`](crate::EFFECTS).
    pub effects: Vec<(String, String)>,
    /// Findings that were there before.
    pub baseline: Option<Baseline>,
    /// Every way to a place where many end, as a baseline needs them; else only the shortest.
    pub every_way: bool,
    /// Where it is kept what a scan found, and each file's form; nothing is kept without it.
    pub cache: Option<PathBuf>,
}

/// Stack of the threads that parse and evaluate. Chosen: the deepest program that the parser takes fits ten times.
const STACK_BYTES: usize = 64 << 20;

/// Scans a program.
pub fn scan(options: &Options) -> Result<Scan, Error> {
    with_stack(|| {
        let (found, skipped) = discover(&options.paths, &options.exclude)?;
        let Some(cache) = Cache::of(options) else {
            return look(options, found, skipped, |evaluation, sources, skipped| {
                findings(options, evaluation, sources, skipped)
            })?;
        };
        let key = cache::key(&found, &skipped);
        if let Some(scan) = cache.scan(key) {
            return Ok(scan);
        }
        let scan = look(options, found, skipped, |evaluation, sources, skipped| {
            findings(options, evaluation, sources, skipped)
        })??;
        cache.keep(key, &scan);
        Ok(scan)
    })?
}

/// Which module of a program imports which, and which function calls which; and what was not looked at.
pub fn graph(options: &Options) -> Result<(Graph, Vec<Skipped>), Error> {
    with_stack(|| {
        let (found, skipped) = discover(&options.paths, &options.exclude)?;
        look(options, found, skipped, |evaluation, sources, skipped| (graph_of(evaluation, sources), skipped))
    })?
}

/// Scans a program whose files are in memory, each with its path: for tests and fuzzing, which need no disk.
pub fn scan_texts(files: Vec<(PathBuf, String)>) -> Result<(Scan, Graph), Error> {
    let found = files.into_iter().map(|(path, text)| Found { module: module_at(&path), path, text }).collect();
    let options = Options::default();
    with_stack(|| {
        look(&options, found, Vec::new(), |evaluation, sources, skipped| {
            Ok((findings(&options, evaluation, sources, skipped)?, graph_of(evaluation, sources)))
        })?
    })?
}

/// Runs something in threads with enough stack for the deepest program.
fn with_stack<R: Send>(run: impl FnOnce() -> R + Send) -> Result<R, Error> {
    let pool = ThreadPoolBuilder::new().stack_size(STACK_BYTES).build();
    Ok(pool.map_err(|error| Error::Threads(error.to_string()))?.install(run))
}

/// Looks at all files.
fn look<R>(
    options: &Options,
    found: Vec<Found>,
    mut skipped: Vec<Skipped>,
    finish: impl FnOnce(&Evaluation<'_>, &[Source], Vec<Skipped>) -> R,
) -> Result<R, Error> {
    let mut library = Library::shipped();
    for (path, effect) in &options.effects {
        library.say(path, effect).map_err(|reason| Error::Effect { path: path.clone(), reason })?;
    }
    let forms = match Cache::of(options) {
        Some(cache) => cache.forms(&found),
        None => found.par_iter().map(|file| lower::lower(&file.text)).collect(),
    };
    let mut modules = Vec::with_capacity(found.len());
    let mut sources = Vec::with_capacity(found.len());
    for (file, form) in found.into_iter().zip(&forms) {
        let path = file.path.strip_prefix(".").unwrap_or(&file.path);
        let source = Source::new(path.display().to_string(), file.text);
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
    Ok(finish(&evaluation, &sources, skipped))
}

fn findings(
    options: &Options,
    evaluation: &Evaluation<'_>,
    sources: &[Source],
    skipped: Vec<Skipped>,
) -> Result<Scan, Error> {
    let context = Context::new(evaluation, sources);
    let of_rule = |rule: &Rule| {
        let mut findings = Vec::new();
        (rule.find)(&context, rule, &mut findings);
        findings
    };
    let rules = RULES.par_iter().filter(|rule| options.wants(rule));
    let mut findings: Vec<Finding> = rules.flat_map_iter(of_rule).collect();
    let key = |finding: &Finding| {
        (finding.location.path.clone(), finding.location.line, finding.location.column, finding.code.clone())
    };
    findings.sort_by_cached_key(key);
    let found = findings.len();
    let comments: Vec<_> = evaluation.program.files.iter().map(|file| file.comments.clone()).collect();
    let remarks = comment::apply(&mut findings, sources, &comments, |rule| options.wants(rule));
    options.take_out_per_file(&mut findings)?;
    let ignored = found - findings.len();
    let gone = options.baseline.as_ref().map(|baseline| {
        let is_active = |code: &str| RULES.iter().any(|rule| rule.code == code && options.wants(rule));
        baseline.apply(&mut findings, sources.iter().map(Source::path), is_active)
    });
    let known = found - ignored - findings.len();
    // Last, so that each of the places can be ignored or known.
    if !options.every_way {
        fold(&mut findings);
    }
    let places = 0..evaluation.program.places();
    Ok(Scan {
        files: sources.len() as u64,
        functions: places.clone().filter(|place| evaluation.program.scope(*place as u32).kind == Kind::Function).count()
            as u64,
        calls: places.clone().map(|place| evaluation.program.scope(place as u32).calls.len() as u64).sum(),
        unresolved_calls: places.map(|place| evaluation.unresolved(place as u32)).sum(),
        ignored: ignored as u64,
        known: known as u64,
        gone: gone.unwrap_or_default(),
        remarks,
        findings,
        skipped,
    })
}

impl Options {
    fn wants(&self, rule: &Rule) -> bool {
        (self.select.is_empty() || starts(&self.select, rule.code)) && !starts(&self.ignore, rule.code)
    }

    fn take_out_per_file(&self, findings: &mut Vec<Finding>) -> Result<(), Error> {
        for (glob, codes) in &self.per_file_ignores {
            let files = Matcher::new(glob)?;
            findings.retain(|finding| {
                let is_such = || fs::canonicalize(&finding.location.path).is_ok_and(|path| files.matches(&path, false));
                !(starts(codes, &finding.code) && is_such())
            });
        }
        Ok(())
    }
}

fn starts(codes: &[String], code: &str) -> bool {
    codes.iter().any(|prefix| code.starts_with(prefix.as_str()))
}
