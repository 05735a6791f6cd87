//! The module and call graph, under names that people know.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::Hash;

use rustc_hash::FxHashMap;
use splitcost_model::graph::{Edge, Function, Graph, Kind, Manner, Module};

use crate::evaluate::{self, Callee, Evaluation};
use crate::form::{self, Range, Stmt};
use crate::source::Source;
use crate::value::Place;

/// The graph of all that was looked at.
pub(crate) fn graph(evaluation: &Evaluation<'_>, sources: &[Source]) -> Graph {
    let names = Names::of(evaluation, sources);
    let program = evaluation.program;
    let mut graph = Graph::default();
    for (file, source) in sources.iter().enumerate() {
        let module = program.module_place(file as u32);
        graph.modules.push(Module {
            name: names.of_place(module).to_owned(),
            path: source.path().to_owned(),
            imports: imports(evaluation, &names, file as u32),
        });
    }
    for place in 0..program.places() as Place {
        let source = &sources[program.file_of(place) as usize];
        let scope = program.scope(place);
        let kind = match scope.kind {
            form::Kind::Function if scope.is_async => Some(Kind::Coroutine),
            form::Kind::Function => Some(Kind::Function),
            form::Kind::Lambda => Some(Kind::Lambda),
            // Most bodies of classes call nothing.
            form::Kind::Class if !evaluation.edges[place as usize].is_empty() => Some(Kind::Class),
            form::Kind::Class | form::Kind::Module => None,
        };
        if let Some(kind) = kind {
            let (line, column) = source.position(scope.range.start);
            let name = names.of_place(place).to_owned();
            graph.functions.push(Function { name, kind, path: source.path().to_owned(), line, column });
        }
        let first = graph.edges.len();
        for edge in &evaluation.edges[place as usize] {
            let (line, column) = source.position(edge.range.start);
            let (callee, outside) = match edge.callee {
                Callee::Inside(callee) => (names.of_place(callee), false),
                Callee::Outside(callee) => (evaluation.path(callee), true),
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

fn manner(manner: evaluate::Manner) -> Manner {
    match manner {
        evaluate::Manner::Direct | evaluate::Manner::Dispatched => Manner::Direct,
        evaluate::Manner::Implicit => Manner::Implicit,
        evaluate::Manner::Offloaded => Manner::Offloaded,
        evaluate::Manner::Deferred => Manner::Deferred,
    }
}

/// A name of its own for every place.
struct Names(Vec<String>);

impl Names {
    fn of(evaluation: &Evaluation<'_>, sources: &[Source]) -> Self {
        let program = evaluation.program;
        let mut names: Vec<String> = (0..program.places() as Place).map(|place| program.path(place)).collect();
        // Directories that are no packages may hold modules of the same name: these go by all of their path, and where
        // several directories were named that have the same files, by that.
        let shortest = |file: usize| program.modules[file].names.first().map_or("", String::as_str);
        let longest = |file: usize| program.modules[file].names.last().map_or("", String::as_str);
        let short = counts((0..sources.len()).map(shortest));
        let long = counts((0..sources.len()).map(longest));
        for (place, name) in names.iter_mut().enumerate() {
            let file = program.file_of(place as Place) as usize;
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
                    let Range { start, .. } = program.scope(place as Place).range;
                    let (line, column) = sources[program.file_of(place as Place) as usize].position(start);
                    _ = write!(name, "{more}{}", if more == "@" { line } else { column });
                }
            }
        }
        Self(names)
    }

    fn of_place(&self, place: Place) -> &str {
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

/// What a file imports, anywhere in it.
fn imports(evaluation: &Evaluation<'_>, names: &Names, file: u32) -> Vec<String> {
    let program = evaluation.program;
    let texts = &program.files[file as usize].texts;
    let mut found = BTreeSet::new();
    for stmt in program.files[file as usize].scopes.iter().flat_map(|scope| &scope.stmts) {
        let inside = evaluation.imported_by(file, stmt);
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
