//! The app's source: the modules under recording, and the names that it spells out.
//!
//! A name is written to the log only where source code spells it out. The names of the app's source are learned from
//! its code objects; the names of other libraries' types are those by which their modules know them.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use splitcost_recording::division::Division;
use splitcost_recording::redact::{VALUE, is_identifier};

/// Most names remembered.
///
/// Chosen: far above what a program has, about 15 MB.
const MAX_NAMES: usize = 200_000;
/// Longest string constant that may be the name of a field.
///
/// Chosen: nobody names a field longer.
const MAX_FIELD_LEN: usize = 64;
/// Longest identifier.
///
/// Chosen: far above what programs have; bounds the memory.
const MAX_IDENTIFIER_LEN: usize = 256;
/// Parts of a qualified name that the compiler makes up.
const MADE_UP: [&str; 6] = ["<locals>", "<lambda>", "<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"];

#[derive(Default)]
struct Source {
    division: Division,
    /// Functions each call of which is a request, as `module:qualname`.
    entry_points: Vec<String>,
    names: FxHashMap<String, Namers>,
    /// The modules that name something.
    modules: FxHashMap<String, u32>,
}

/// The modules whose source spells a name out.
#[derive(Clone, Copy, PartialEq)]
enum Namers {
    One(u32),
    Several,
}

/// Taken last of all locks.
static SOURCE: Mutex<Option<Source>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Source>> {
    SOURCE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the code under recording, and the functions each call of which is a request.
pub(crate) fn record(division: Division, entry_points: Vec<String>) {
    *lock() = Some(Source { division, entry_points, ..Source::default() });
}

/// Returns the module that owns the code of a function or class, if it is under recording; without a `qualname` that of the
/// Python module itself.
pub(crate) fn owner_of(module: &str, qualname: &str) -> Option<String> {
    lock().as_ref()?.division.owner_of(module, qualname).map(str::to_owned)
}

/// Returns the class that is a module of its own and that a function or class belongs to.
pub(crate) fn class_of(module: &str, qualname: &str) -> Option<String> {
    lock().as_ref()?.division.class_of(module, qualname).map(str::to_owned)
}

/// Returns true when a class of this Python module is a module of its own.
pub(crate) fn has_classes(module: &str) -> bool {
    lock().as_ref().is_some_and(|source| source.division.has_classes(module))
}

/// Returns true when code of `module` is under recording.
pub(crate) fn is_recorded(module: &str) -> bool {
    let is_recorded = |division: &Division| division.owner_of(module, "").is_some() || division.has_classes(module);
    lock().as_ref().is_some_and(|source| is_recorded(&source.division))
}

/// Returns true when the user said that each call of this function is a request.
pub(crate) fn is_entry_point(module: &str, qualname: &str) -> bool {
    let is_same = |name: &String| name.split_once(':') == Some((module, qualname));
    lock().as_ref().is_some_and(|source| source.entry_points.iter().any(is_same))
}

/// Returns a number for the module that owns the code at the top of a Python module, whose names are learned.
pub(crate) fn namer(module: &str) -> u32 {
    let mut shared = lock();
    let Some(source) = shared.as_mut() else { return 0 };
    let owner = source.division.owner_of(module, "").unwrap_or(module).to_owned();
    let next = source.modules.len() as u32;
    *source.modules.entry(owner).or_insert(next)
}

/// Returns the module that owns the code at the top of a Python module.
pub(crate) fn namer_of(module: &str) -> String {
    owner_of(module, "").unwrap_or_else(|| module.to_owned())
}

/// Learns an identifier of a module's source.
pub(crate) fn learn_identifier(name: &str, namer: u32) {
    learn(name, MAX_IDENTIFIER_LEN, namer);
}

/// Learns a string constant of a module's source, if it may be the name of a field.
pub(crate) fn learn_constant(text: &str, namer: u32) {
    if is_identifier(text) {
        learn(text, MAX_FIELD_LEN, namer);
    }
}

fn learn(name: &str, max_len: usize, namer: u32) {
    let mut shared = lock();
    let Some(source) = shared.as_mut().filter(|_| name.len() <= max_len) else { return };
    if let Some(namers) = source.names.get_mut(name) {
        if *namers != Namers::One(namer) {
            *namers = Namers::Several;
        }
    } else if source.names.len() < MAX_NAMES {
        source.names.insert(name.to_owned(), Namers::One(namer));
    }
}

/// Returns true when the app's source spells this name out.
pub(crate) fn spells_out(name: &str) -> bool {
    lock().as_ref().is_some_and(|source| source.names.contains_key(name))
}

/// Returns true when another module than `module` may spell this name out. A class of a file counts as the file.
pub(crate) fn is_named_outside(name: &str, module: &str) -> bool {
    lock().as_ref().is_none_or(|source| match source.names.get(name) {
        Some(Namers::One(namer)) => source.modules.get(module) != Some(namer) || source.division.has_classes(module),
        Some(Namers::Several) | None => true,
    })
}

/// Returns true when the app's source spells out every identifier in the qualified name of a type, as
/// `make.<locals>.Page[Item, int]`.
pub(crate) fn spells_out_all(qualname: &str) -> bool {
    let is_builtin = |name: &str| matches!(name, "int" | "str" | "float" | "bool" | "bytes" | "list" | "dict" | "None");
    let parts = qualname.split(['.', '[', ']', ',', ' ', '|']).filter(|part| !part.is_empty());
    parts.into_iter().all(|part| MADE_UP.contains(&part) || is_builtin(part) || spells_out(part))
}

/// Returns the qualified name of a function with [`VALUE`] in place of the parts that the app's source does not spell
/// out.
pub(crate) fn written_qualname(qualname: &str) -> String {
    let is_written = |part: &str| MADE_UP.contains(&part) || spells_out(part);
    let parts: Vec<&str> = qualname.split('.').map(|part| if is_written(part) { part } else { VALUE }).collect();
    parts.join(".")
}

/// Returns the path of a source file, or [`VALUE`] where there is no such file: a made-up name may hold anything.
pub(crate) fn written_file(file: String) -> String {
    // Code in an archive has a path that goes on inside it.
    let exists = Path::new(&file).ancestors().any(Path::is_file);
    if exists { file } else { VALUE.to_owned() }
}
