//! The app's source: the modules under recording, and the names that it spells out.
//!
//! A name is written to the log only where source code spells it out. The names of the app's source are learned from
//! its code objects; the names of other libraries' types are those by which their modules know them.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashSet;
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

/// The packages under recording, and how they are divided.
#[derive(Debug, Default)]
pub(crate) struct Boundaries {
    /// Top-level packages whose code is recorded.
    pub(crate) packages: Vec<String>,
    /// Boundary modules named by the user; where none fits, the direct children of the packages are.
    pub(crate) modules: Vec<String>,
    /// Functions each call of which is a request, as `module:qualname`.
    pub(crate) entry_points: Vec<String>,
}

impl Boundaries {
    /// Returns the boundary module that owns code of `module`, if it is under recording.
    ///
    /// It is the longest module named by the user that is `module` or a parent of it; else the direct child of the
    /// package: `shop.users.models` is owned by `shop.users`, the code of `shop/__init__.py` by `shop`.
    fn owner_of<'a>(&'a self, module: &'a str) -> Option<&'a str> {
        let named = self.modules.iter().filter(|name| is_within(module, name)).max_by_key(|name| name.len());
        if let Some(named) = named {
            return Some(named);
        }
        let package = self.packages.iter().find(|package| is_within(module, package))?;
        let child = module.get(package.len() + 1..).unwrap_or_default();
        let end = child.find('.').map_or(module.len(), |dot| package.len() + 1 + dot);
        Some(&module[..end])
    }
}

/// Returns true when `module` is `parent` or lies below it.
fn is_within(module: &str, parent: &str) -> bool {
    module.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[derive(Default)]
struct Source {
    packages: Boundaries,
    names: FxHashSet<String>,
}

/// Taken last of all locks.
static SOURCE: Mutex<Option<Source>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Source>> {
    SOURCE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the packages under recording.
pub(crate) fn record(packages: Boundaries) {
    *lock() = Some(Source { packages, ..Source::default() });
}

/// Returns the boundary module that owns code of `module`, if it is under recording.
pub(crate) fn owner_of(module: &str) -> Option<String> {
    lock().as_ref()?.packages.owner_of(module).map(str::to_owned)
}

/// Returns true when code of `module` is under recording.
pub(crate) fn is_recorded(module: &str) -> bool {
    lock().as_ref().is_some_and(|source| source.packages.owner_of(module).is_some())
}

/// Returns true when the user said that each call of this function is a request.
pub(crate) fn is_entry_point(module: &str, qualname: &str) -> bool {
    let is_same = |name: &String| name.split_once(':') == Some((module, qualname));
    lock().as_ref().is_some_and(|source| source.packages.entry_points.iter().any(is_same))
}

/// Learns an identifier of the app's source.
pub(crate) fn learn_identifier(name: &str) {
    learn(name, MAX_IDENTIFIER_LEN);
}

/// Learns a string constant of the app's source, if it may be the name of a field.
pub(crate) fn learn_constant(text: &str) {
    if is_identifier(text) {
        learn(text, MAX_FIELD_LEN);
    }
}

fn learn(name: &str, max_len: usize) {
    if let Some(source) = lock().as_mut()
        && name.len() <= max_len
        && source.names.len() < MAX_NAMES
    {
        source.names.insert(name.to_owned());
    }
}

/// Returns true when the app's source spells this name out.
pub(crate) fn spells_out(name: &str) -> bool {
    lock().as_ref().is_some_and(|source| source.names.contains(name))
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
