//! A whole scan, from the files on the disk to the findings.

use std::path::PathBuf;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use splitcost_model::finding::{Finding, Scan, Skipped};
use splitcost_model::graph::Graph;

use crate::cache::{self, Cache};
use crate::discover::{FoundFile, discover, module_at};
use crate::form::ScopeKind;
use crate::graph::graph as graph_of;
use crate::library::Library;
use crate::options::Options;
use crate::program::Program;
use crate::resolve::Resolution;
use crate::rule::{Context, RULES, Rule, fold};
use crate::source::SourceFile;
use crate::value::ScopeNumber;
use crate::{Error, comment, lower};

/// The stack size of the threads that lower and resolve. Chosen: ten times what the deepest expression that `lower`
/// keeps needs.
const STACK_BYTES: usize = 64 << 20;

/// Scans a program.
///
/// # Errors
///
/// Fails if a path or glob of the options cannot be read. A file inside a scanned directory that cannot be read, or not
/// wholly, is no error: it is in [`Scan::skipped`].
pub fn scan(options: &Options) -> Result<Scan, Error> {
    in_thread_pool(|| {
        let (found, skipped) = discover(&options.paths, &options.exclude)?;
        let Some(cache) = Cache::of(options) else {
            return resolve(options, found, skipped, |resolution, sources, skipped| {
                findings(options, resolution, sources, skipped)
            })?;
        };
        let key = cache::key(&found, &skipped);
        if let Some(scan) = cache.scan(key) {
            return Ok(scan);
        }
        let scan = resolve(options, found, skipped, |resolution, sources, skipped| {
            findings(options, resolution, sources, skipped)
        })??;
        cache.keep(key, &scan);
        Ok(scan)
    })?
}

/// Returns the module and call graph of a program, and the files that were not scanned, or not wholly.
///
/// # Errors
///
/// Fails if a path or glob of the options cannot be read.
pub fn graph(options: &Options) -> Result<(Graph, Vec<Skipped>), Error> {
    in_thread_pool(|| {
        let (found, skipped) = discover(&options.paths, &options.exclude)?;
        resolve(options, found, skipped, |resolution, sources, skipped| (graph_of(resolution, sources), skipped))
    })?
}

/// Scans a program whose files are in memory, each with its path. Tests and fuzzing use it: it reads no disk.
///
/// # Errors
///
/// Fails if no threads can be started.
pub fn scan_texts(files: Vec<(PathBuf, String)>) -> Result<(Scan, Graph), Error> {
    let found = files.into_iter().map(|(path, text)| FoundFile { module: module_at(&path), path, text }).collect();
    let options = Options::default();
    in_thread_pool(|| {
        resolve(&options, found, Vec::new(), |resolution, sources, skipped| {
            Ok((findings(&options, resolution, sources, skipped)?, graph_of(resolution, sources)))
        })?
    })?
}

/// Runs a closure in a thread pool whose stacks suffice for the deepest program.
fn in_thread_pool<R: Send>(run: impl FnOnce() -> R + Send) -> Result<R, Error> {
    let pool = ThreadPoolBuilder::new().stack_size(STACK_BYTES).build();
    Ok(pool.map_err(|error| Error::Threads(error.to_string()))?.install(run))
}

/// Lowers all files, resolves their calls, and hands the result to `finish`.
fn resolve<R>(
    options: &Options,
    found: Vec<FoundFile>,
    mut skipped: Vec<Skipped>,
    finish: impl FnOnce(&Resolution<'_>, &[SourceFile], Vec<Skipped>) -> R,
) -> Result<R, Error> {
    let mut library = Library::shipped();
    for (path, effect) in &options.effects {
        library.add_trait(path, effect).map_err(|reason| Error::Effect { path: path.clone(), reason })?;
    }
    let forms = match Cache::of(options) {
        Some(cache) => cache.forms(&found),
        None => found.par_iter().map(|file| lower::lower(&file.text)).collect(),
    };
    let mut modules = Vec::with_capacity(found.len());
    let mut sources = Vec::with_capacity(found.len());
    for (file, form) in found.into_iter().zip(&forms) {
        let path = file.path.strip_prefix(".").unwrap_or(&file.path);
        let source = SourceFile::new(path.display().to_string(), file.text);
        if let Some((range, reason)) = form.errors.first() {
            let (line, column) = source.position(range.start);
            let reason = format!("{line}:{column}: {reason}; the rest of the file is scanned");
            skipped.push(Skipped { path: source.path().to_owned(), reason });
        }
        modules.push(file.module);
        sources.push(source);
    }
    let mut program = Program::new(forms, modules);
    let resolution = Resolution::of(&mut program, &library);
    Ok(finish(&resolution, &sources, skipped))
}

/// Applies the rules, and leaves out what comments, settings and the baseline leave out.
fn findings(
    options: &Options,
    resolution: &Resolution<'_>,
    sources: &[SourceFile],
    skipped: Vec<Skipped>,
) -> Result<Scan, Error> {
    let context = Context::new(resolution, sources);
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
    let comments: Vec<_> = resolution.program.files.iter().map(|file| file.comments.clone()).collect();
    let remarks = comment::apply(&mut findings, sources, &comments, |rule| options.wants(rule));
    options.remove_ignored_per_file(&mut findings)?;
    let ignored = found - findings.len();
    let gone = options.baseline.as_ref().map(|baseline| {
        let is_active = |code: &str| RULES.iter().any(|rule| rule.code == code && options.wants(rule));
        baseline.apply(&mut findings, sources.iter().map(SourceFile::path), is_active)
    });
    let known = found - ignored - findings.len();
    // Folding comes last, so that each of the folded findings can be ignored or known by itself.
    if !options.every_way {
        fold(&mut findings);
    }
    let program = resolution.program;
    let scopes = || (0..program.places() as ScopeNumber).map(|place| program.scope(place));
    Ok(Scan {
        files: sources.len() as u64,
        functions: scopes().filter(|scope| scope.kind == ScopeKind::Function).count() as u64,
        calls: scopes().map(|scope| scope.calls.len() as u64).sum(),
        unresolved_calls: (0..program.places() as ScopeNumber).map(|place| resolution.unresolved(place)).sum(),
        ignored: ignored as u64,
        known: known as u64,
        gone: gone.unwrap_or_default(),
        remarks,
        findings,
        skipped,
    })
}
