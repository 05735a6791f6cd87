//! The module and call graph, with names that people know from the source.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::Hash;

use rustc_hash::FxHashMap;
use splitcost_model::graph::{Edge, Function, FunctionKind, Graph, Manner, Module};

use crate::form::{self, Range, Stmt};
use crate::resolve::{CallManner, Callee, Resolution};
use crate::source::SourceFile;
use crate::value::ScopeNumber;

/// Returns the graph of a resolved program.
pub(crate) fn graph(resolution: &Resolution<'_>, sources: &[SourceFile]) -> Graph {
    let names = GraphNames::of(resolution, sources);
    let program = resolution.program;
    let mut graph = Graph::default();
    for (file, source) in sources.iter().enumerate() {
        let module = program.module_place(file as u32);
        graph.modules.push(Module {
            name: names.of_place(module).to_owned(),
            path: source.path().to_owned(),
            imports: imports(resolution, &names, file as u32),
        });
    }
    for place in 0..program.places() as ScopeNumber {
        let source = &sources[program.file_of(place) as usize];
        let scope = program.scope(place);
        let kind = match scope.kind {
            form::ScopeKind::Function if scope.is_async => Some(FunctionKind::Coroutine),
            form::ScopeKind::Function => Some(FunctionKind::Function),
            form::ScopeKind::Lambda => Some(FunctionKind::Lambda),
            // Most class bodies call nothing: those are left out.
            form::ScopeKind::Class if !resolution.edges[place as usize].is_empty() => Some(FunctionKind::Class),
            form::ScopeKind::Class | form::ScopeKind::Module => None,
        };
        if let Some(kind) = kind {
            let (line, column) = source.position(scope.range.start);
            let name = names.of_place(place).to_owned();
            graph.functions.push(Function { name, kind, path: source.path().to_owned(), line, column });
        }
        let first = graph.edges.len();
        for edge in &resolution.edges[place as usize] {
            let (line, column) = source.position(edge.range.start);
            let (callee, outside) = match edge.callee {
                Callee::Inside(callee) => (names.of_place(callee), false),
                Callee::Outside(callee) => (resolution.path(callee), true),
            };
            graph.edges.push(Edge {
                caller: names.of_place(place).to_owned(),
                callee: callee.to_owned(),
                outside,
                manner: manner(edge.manner),
                line,
                column,
            });
        }
        graph.edges[first..].sort_by(|a, b| (a.line, a.column, &a.callee).cmp(&(b.line, b.column, &b.callee)));
    }
    graph
}

fn manner(manner: CallManner) -> Manner {
    match manner {
        CallManner::Direct | CallManner::Dispatched => Manner::Direct,
        CallManner::Implicit => Manner::Implicit,
        CallManner::Offloaded => Manner::Offloaded,
        CallManner::Deferred => Manner::Deferred,
    }
}

/// A unique name for every place.
struct GraphNames(Vec<String>);

impl GraphNames {
    fn of(resolution: &Resolution<'_>, sources: &[SourceFile]) -> Self {
        let program = resolution.program;
        let mut names: Vec<String> = (0..program.places() as ScopeNumber).map(|place| program.path(place)).collect();
        // Directories that are no packages may hold modules of the same name. These get their longest name, or, if
        // several scanned directories have the same files, the path of the file.
        let shortest = |file: usize| program.modules[file].names.first().map_or("", String::as_str);
        let longest = |file: usize| program.modules[file].names.last().map_or("", String::as_str);
        let short = counts((0..sources.len()).map(shortest));
        let long = counts((0..sources.len()).map(longest));
        for (place, name) in names.iter_mut().enumerate() {
            let file = program.file_of(place as ScopeNumber) as usize;
            let (before, after) = (shortest(file), longest(file));
            if short[before] > 1 {
                let module = if long[after] > 1 { sources[file].path() } else { after };
                *name = format!("{module}{}", &name[before.len()..]);
            }
        }
        for more in ["@", ":"] {
            let count = counts(names.iter().cloned());
            for (place, name) in names.iter_mut().enumerate() {
                if count[name] > 1 {
                    let Range { start, .. } = program.scope(place as ScopeNumber).range;
                    let (line, column) = sources[program.file_of(place as ScopeNumber) as usize].position(start);
                    _ = write!(name, "{more}{}", if more == "@" { line } else { column });
                }
            }
        }
        Self(names)
    }

    fn of_place(&self, place: ScopeNumber) -> &str {
        &self.0[place as usize]
    }
}

fn counts<T: Eq + Hash>(names: impl Iterator<Item = T>) -> FxHashMap<T, u32> {
    let mut counts = FxHashMap::default();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// Returns the names of the modules that a file imports, anywhere in it.
fn imports(resolution: &Resolution<'_>, names: &GraphNames, file: u32) -> Vec<String> {
    let program = resolution.program;
    let texts = &program.files[file as usize].texts;
    let mut found = BTreeSet::new();
    for stmt in program.files[file as usize].scopes.iter().flat_map(|scope| &scope.stmts) {
        let inside = resolution.imported_by(file, stmt);
        found.extend(inside.iter().map(|file| names.of_place(program.module_place(*file)).to_owned()));
        let outside = match stmt {
            Stmt::Import { module, .. } => Some(texts[*module as usize].to_string()),
            Stmt::ImportFrom { level, module, .. } | Stmt::ImportStar { level, module } => {
                program.absolute(file, *level, &texts[*module as usize])
            }
            _ => None,
        };
        if let (true, Some(outside)) = (inside.is_empty(), outside) {
            found.insert(outside);
        }
    }
    found.into_iter().collect()
}
