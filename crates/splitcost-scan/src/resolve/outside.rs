//! External paths, each looked up in the library data once.

use rustc_hash::FxHashMap;

use crate::library::{ANSWER, ANSWERS, Library, Traits};
use crate::value::{Outside, Symbol, Symbols, Value};

use super::{Resolution, builtin};

/// The number of segments that a path may have. Chosen: longer ones come from loops such as `node = node.next()`.
const MAX_PATH: u8 = 12;

/// An external path.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) text: Box<str>,
    segments: u8,
    pub(super) traits: Traits,
    /// The function whose result is modelled, if it is one.
    pub(super) known: Option<ModelledFunction>,
    /// The class whose instance a call returns.
    pub(super) gives: Option<Outside>,
    /// The result of a call is not followed.
    pub(super) gives_nothing: bool,
    /// A base class that every class may have, so that its attributes are not looked up.
    pub(super) is_common_base: bool,
}

/// Functions of the standard library whose results are modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelledFunction {
    Super,
    GetAttr,
    Next,
    /// Returns the same elements in another order or container.
    Iterable,
    Enumerate,
    Zip,
    Partial,
    /// Returns its last argument, or a copy of it.
    Same,
    /// Returns what `with` would bind of its first argument.
    Entered,
    EnteredAsync,
}

impl ModelledFunction {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "builtins.super" => Self::Super,
            "builtins.getattr" => Self::GetAttr,
            "builtins.next" | "builtins.anext" => Self::Next,
            "builtins.iter" | "builtins.aiter" | "builtins.reversed" | "builtins.list" | "builtins.tuple"
            | "builtins.sorted" => Self::Iterable,
            "builtins.enumerate" => Self::Enumerate,
            "builtins.zip" => Self::Zip,
            "functools.partial" | "functools.partialmethod" => Self::Partial,
            "copy.copy"
            | "copy.deepcopy"
            | "typing.cast"
            | "contextlib.closing"
            | "contextlib.aclosing"
            | "contextlib.nullcontext" => Self::Same,
            "contextlib.ExitStack.enter_context" | "contextlib.AsyncExitStack.enter_context" => Self::Entered,
            "contextlib.AsyncExitStack.enter_async_context" => Self::EnteredAsync,
            _ => return None,
        })
    }
}

/// All external paths that the program uses.
pub(super) struct Outsides<'a> {
    library: &'a Library,
    paths: Vec<Path>,
    known: FxHashMap<Box<str>, Outside>,
    members: FxHashMap<(Outside, Symbol), Outside>,
    builtins: FxHashMap<Symbol, Outside>,
}

impl<'a> Outsides<'a> {
    pub(super) fn new(library: &'a Library, symbols: &Symbols) -> Self {
        let mut outsides = Self {
            library,
            paths: Vec::new(),
            known: FxHashMap::default(),
            members: FxHashMap::default(),
            builtins: FxHashMap::default(),
        };
        for name in builtin::BUILTINS {
            if let Some(symbol) = symbols.get(name) {
                let outside = outsides.of(&format!("builtins.{name}"));
                outsides.builtins.insert(symbol, outside);
            }
        }
        outsides
    }

    pub(super) fn of(&mut self, path: &str) -> Outside {
        let text = self.library.canonical(path);
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let id = Outside(self.paths.len() as u32);
        let traits = self.library.traits(text);
        let segments = text.split('.').count() as u8;
        let is_plain_builtin =
            text.starts_with("builtins.") && !traits.has(Traits::UNENCODABLE.or(Traits::OBJECT_DICT));
        self.paths.push(Path {
            text: text.into(),
            segments,
            traits,
            known: ModelledFunction::of(text),
            gives: None,
            gives_nothing: segments > MAX_PATH || is_plain_builtin,
            is_common_base: ["abc.", "typing.", "builtins."].iter().any(|start| text.starts_with(start)),
        });
        self.known.insert(text.into(), id);
        if let Some(class) = self.library.gives(text) {
            self.paths[id.0 as usize].gives = Some(self.of(class));
        } else if traits.has(ANSWERS) {
            let answer = format!("{text}{ANSWER}");
            self.paths[id.0 as usize].gives = Some(self.of(&answer));
        }
        id
    }

    pub(super) fn get(&self, outside: Outside) -> &Path {
        &self.paths[outside.0 as usize]
    }

    pub(super) fn builtin(&self, name: Symbol) -> Option<Outside> {
        self.builtins.get(&name).copied()
    }

    /// Returns the path of an attribute of a path.
    pub(super) fn member(&mut self, outside: Outside, name: Symbol, symbols: &Symbols) -> Outside {
        if let Some(known) = self.members.get(&(outside, name)) {
            return *known;
        }
        let path = format!("{}.{}", self.get(outside).text, symbols.text(name));
        let member = self.of(&path);
        self.members.insert((outside, name), member);
        member
    }
}

impl Resolution<'_> {
    /// Returns an attribute of an external object: another external path, or a module of the program that belongs to an
    /// external package. `None` if the path would be too long.
    pub(super) fn member(&mut self, object: Value, name: Symbol) -> Option<Value> {
        let (Value::Outside(outside) | Value::Made(outside)) = object else { return None };
        if self.outsides.get(outside).segments >= MAX_PATH {
            return None;
        }
        let member = self.outsides.member(outside, name, &self.program.symbols);
        if let Value::Outside(_) = object
            && let Some(file) = self.program.module_named(&self.outsides.get(member).text)
        {
            return Some(Value::Module(file));
        }
        Some(Value::Outside(member))
    }
}
