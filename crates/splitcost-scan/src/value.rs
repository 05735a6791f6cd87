//! What a name may stand for.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

/// A name or text, anywhere in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(pub(crate) u32);

/// A scope anywhere in the program.
pub(crate) type Place = u32;

/// Something outside the program: a library's module, function, class or method, by its dotted path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Outside(pub(crate) u32);

/// One thing that a name may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// A function or lambda of the program.
    Function(Place),
    /// A method of the program, taken from an instance of that class.
    Method(Place, Place),
    /// A class method of the program, taken from that class.
    ClassMethod(Place, Place),
    /// A class of the program.
    Class(Place),
    /// An instance of a class of the program.
    Instance(Place),
    /// What a generator function of the program gives.
    Generator(Place),
    /// A module of the program, by its file.
    Module(u32),
    /// A thing of a library.
    Outside(Outside),
    /// What a library's class or function gives when it is called.
    Made(Outside),
    /// A container that the program builds.
    Container(u32),
    /// `functools.partial(...)`: a container of the function and its arguments.
    Partial(u32),
    /// `super()` in a method of that class, called on an instance of that other.
    Super(Place, Place),
    /// A text.
    Text(Symbol),
}

/// Chosen: what may be more things than this is not looked at further; the first ones are kept.
const MAX_VALUES: usize = 12;

/// Chosen: texts matter as names of attributes; what may be more of them than this is no such name.
const MAX_TEXTS: usize = 3;

/// All things that a name may stand for; empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values(SmallVec<[Value; 2]>);

impl Values {
    pub(crate) fn one(value: Value) -> Self {
        Self(SmallVec::from_slice(&[value]))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Value> {
        self.0.iter().copied()
    }

    /// Whether that was new.
    pub(crate) fn add(&mut self, value: Value) -> bool {
        if self.0.len() >= MAX_VALUES || self.0.contains(&value) {
            return false;
        }
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if is_text(&value) && self.0.iter().filter(|value| is_text(value)).count() >= MAX_TEXTS {
            return false;
        }
        self.0.push(value);
        true
    }

    /// Whether any of them was new.
    pub(crate) fn extend(&mut self, other: &Self) -> bool {
        let mut grew = false;
        for value in &other.0 {
            grew |= self.add(*value);
        }
        grew
    }
}

impl FromIterator<Value> for Values {
    fn from_iter<T: IntoIterator<Item = Value>>(iter: T) -> Self {
        let mut values = Self::default();
        for value in iter {
            values.add(value);
        }
        values
    }
}

/// Every name and text of the program.
#[derive(Debug, Default)]
pub(crate) struct Symbols(IndexSet<Box<str>, FxBuildHasher>);

impl Symbols {
    pub(crate) fn of(&mut self, text: &str) -> Symbol {
        let index = self.0.get_index_of(text).unwrap_or_else(|| self.0.insert_full(text.into()).0);
        Symbol(index as u32)
    }

    pub(crate) fn get(&self, text: &str) -> Option<Symbol> {
        self.0.get_index_of(text).map(|index| Symbol(index as u32))
    }

    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        &self.0[symbol.0 as usize]
    }
}
