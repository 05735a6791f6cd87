//! All files of the program together: one numbering of scopes and names, and the files of the modules by name.

use rustc_hash::FxHashMap;

use crate::form::{File, LoopKind, Scope, ScopeId, ScopeKind, Text};
use crate::value::{ScopeNumber, Symbol, Symbols};

/// The names of a file's module.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModuleNames {
    /// The dotted names that it can be imported by, the shortest first.
    pub(crate) names: Vec<String>,
    /// It is the `__init__` of a package.
    pub(crate) is_package: bool,
}

/// The whole program.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<ModuleNames>,
    pub(crate) symbols: Symbols,
    /// For each file, the symbols of its texts.
    texts: Vec<Vec<Symbol>>,
    /// For each file, the place of its module.
    base: Vec<ScopeNumber>,
    /// For each place, its file.
    file_of: Vec<u32>,
    /// The file of each module name.
    by_name: FxHashMap<Box<str>, u32>,
    /// For each function, the names that are bound in it, sorted; empty for modules and classes.
    bound: Vec<Box<[Symbol]>>,
    /// For each place, whether its names may be read before they are bound or in another scope.
    read_out_of_order: Vec<bool>,
    /// The current scope of a resolution that has not begun.
    empty_scope: Scope,
}

impl Program {
    pub(crate) fn new(files: Vec<File>, modules: Vec<ModuleNames>) -> Self {
        let mut program = Self { files, modules, ..Self::default() };
        for (index, module) in program.modules.iter().enumerate() {
            for name in &module.names {
                program.by_name.entry(name.as_str().into()).or_insert(index as u32);
            }
        }
        for (index, file) in program.files.iter().enumerate() {
            let texts: Vec<Symbol> = file.texts.iter().map(|text| program.symbols.of(text)).collect();
            program.base.push(program.file_of.len() as ScopeNumber);
            program.file_of.extend(file.scopes.iter().map(|_| index as u32));
            program.bound.extend(file.scopes.iter().map(|scope| bound(scope, file, &texts)));
            let first = program.read_out_of_order.len();
            program.read_out_of_order.extend(file.scopes.iter().map(is_read_out_of_order));
            for scope in &file.scopes[1..] {
                program.read_out_of_order[first + scope.parent as usize] = true;
            }
            program.texts.push(texts);
        }
        program
    }

    pub(crate) fn places(&self) -> usize {
        self.file_of.len()
    }

    pub(crate) fn file_of(&self, place: ScopeNumber) -> u32 {
        self.file_of[place as usize]
    }

    pub(crate) fn module_place(&self, file: u32) -> ScopeNumber {
        self.base[file as usize]
    }

    pub(crate) fn place(&self, file: u32, scope: ScopeId) -> ScopeNumber {
        self.base[file as usize] + scope
    }

    pub(crate) fn scope(&self, place: ScopeNumber) -> &Scope {
        let file = self.file_of[place as usize];
        &self.files[file as usize].scopes[(place - self.base[file as usize]) as usize]
    }

    pub(crate) fn empty_scope(&self) -> &Scope {
        &self.empty_scope
    }

    pub(crate) fn parent(&self, place: ScopeNumber) -> ScopeNumber {
        self.base[self.file_of[place as usize] as usize] + self.scope(place).parent
    }

    pub(crate) fn is_module(&self, place: ScopeNumber) -> bool {
        self.scope(place).kind == ScopeKind::Module
    }

    pub(crate) fn symbol(&self, place: ScopeNumber, text: Text) -> Symbol {
        self.texts[self.file_of[place as usize] as usize][text as usize]
    }

    /// Returns the symbols of all texts of a place's file.
    pub(crate) fn texts(&self, place: ScopeNumber) -> &[Symbol] {
        &self.texts[self.file_of[place as usize] as usize]
    }

    pub(crate) fn name(&self, place: ScopeNumber) -> Symbol {
        self.symbol(place, self.scope(place).name)
    }

    pub(crate) fn module_named(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn is_read_out_of_order(&self, place: ScopeNumber) -> bool {
        self.read_out_of_order[place as usize]
    }

    pub(crate) fn binds(&self, place: ScopeNumber, name: Symbol) -> bool {
        self.bound[place as usize].binary_search(&name).is_ok()
    }

    /// Returns the absolute dotted name of a module that a file imports with `level` leading dots.
    pub(crate) fn absolute(&self, file: u32, level: u32, module: &str) -> Option<String> {
        if level == 0 {
            return Some(module.to_owned());
        }
        let own = &self.modules[file as usize];
        // All names of the file lead to the same module; the longest one allows the most dots.
        let mut package = own.names.last()?.as_str();
        let up = level - u32::from(own.is_package);
        for _ in 0..up {
            package = package.rsplit_once('.').map_or("", |(parent, _)| parent);
        }
        Some(match (package, module) {
            ("", module) => module.to_owned(),
            (package, "") => package.to_owned(),
            (package, module) => format!("{package}.{module}"),
        })
    }

    /// Returns the dotted path of a place, as in `pkg.module.Class.method`.
    pub(crate) fn path(&self, place: ScopeNumber) -> String {
        let file = self.file_of(place);
        let module = self.modules[file as usize].names.first().map_or("", String::as_str);
        let mut parts = Vec::new();
        let mut at = place;
        while !self.is_module(at) {
            parts.push(self.symbols.text(self.name(at)));
            at = self.parent(at);
        }
        parts.push(module);
        parts.reverse();
        parts.join(".")
    }
}

/// Returns whether a scope's names may be read before they are bound or in another scope. Those of modules and classes
/// may be; those of a function may be in the next round of a loop. Inner functions are the caller's concern.
fn is_read_out_of_order(scope: &Scope) -> bool {
    !matches!(scope.kind, ScopeKind::Function | ScopeKind::Lambda)
        || scope.loops.iter().any(|round| round.kind != LoopKind::Comprehension)
}

/// Returns the names that a function binds in its own scope.
fn bound(scope: &Scope, file: &File, texts: &[Symbol]) -> Box<[Symbol]> {
    if !matches!(scope.kind, ScopeKind::Function | ScopeKind::Lambda) {
        return Box::default();
    }
    let mut names: Vec<Text> = scope.params.iter().map(|param| param.name).collect();
    scope.stmts.iter().for_each(|stmt| stmt.names_bound(&file.scopes, &mut names));
    names.retain(|name| !scope.globals.contains(name) && !scope.nonlocals.contains(name));
    let mut symbols: Vec<Symbol> = names.into_iter().map(|name| texts[name as usize]).collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols.into()
}
