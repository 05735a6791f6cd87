//! What a name may stand for.

use std::sync::Arc;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

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

/// All things that a name may stand for, each once, in the order in which they were found; empty where nothing is known.
///
/// Most are nothing or one thing, and are copied at every step: 16 bytes, and no allocation for those.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Values {
    #[default]
    None,
    One(Value),
    /// Two or more.
    Many(Arc<Vec<Value>>),
}

impl Values {
    pub(crate) fn one(value: Value) -> Self {
        Self::One(value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(crate) fn as_slice(&self) -> &[Value] {
        match self {
            Self::None => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Value> {
        self.as_slice().iter().copied()
    }

    /// Whether that was new.
    pub(crate) fn add(&mut self, value: Value) -> bool {
        let known = self.as_slice();
        if known.len() >= MAX_VALUES || known.contains(&value) {
            return false;
        }
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if is_text(&value) && known.iter().filter(|value| is_text(value)).count() >= MAX_TEXTS {
            return false;
        }
        match self {
            Self::None => *self = Self::One(value),
            Self::One(first) => *self = Self::Many(Arc::new(vec![*first, value])),
            Self::Many(values) => Arc::make_mut(values).push(value),
        }
        true
    }

    /// Whether any of them was new.
    pub(crate) fn extend(&mut self, other: &Self) -> bool {
        if self.is_empty() {
            self.clone_from(other);
            return !other.is_empty();
        }
        if let (Self::Many(known), Self::Many(other)) = (&*self, other)
            && Arc::ptr_eq(known, other)
        {
            return false;
        }
        let mut grew = false;
        for value in other.as_slice() {
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
