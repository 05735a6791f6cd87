//! Values: the functions, classes and objects that a name may stand for.

use std::sync::Arc;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// A name or text of the program, interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(pub(crate) u32);

/// The number of a scope (module, class, function or lambda) in the whole program.
pub(crate) type ScopeNumber = u32;

/// Something external: a module, function, class or method of a library, by its dotted path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Outside(pub(crate) u32);

/// One thing that a name may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// A function or lambda of the program.
    Function(ScopeNumber),
    /// A method of the program, bound to an instance of the class that comes second.
    Method(ScopeNumber, ScopeNumber),
    /// A class method of the program, bound to the class that comes second.
    ClassMethod(ScopeNumber, ScopeNumber),
    /// A class of the program.
    Class(ScopeNumber),
    /// An instance of a class of the program.
    Instance(ScopeNumber),
    /// The generator that a generator function of the program returns.
    Generator(ScopeNumber),
    /// A module of the program, by the number of its file.
    Module(u32),
    /// A module, function, class or method of a library.
    Outside(Outside),
    /// The result of calling a library's class or function.
    Made(Outside),
    /// A container that the program builds.
    Container(u32),
    /// The result of `functools.partial(...)`: a container of the function and its arguments.
    Partial(u32),
    /// The result of `super()` in a method of the first class, called on an instance of the second.
    Super(ScopeNumber, ScopeNumber),
    /// A text.
    Text(Symbol),
}

/// The number of values that a name may have; the first ones are kept. Chosen: a name with more is a generic one.
const MAX_VALUES: usize = 12;

/// The number of texts among them. Chosen: texts matter as names of attributes, and few names stand for more.
const MAX_TEXTS: usize = 3;

/// All values that a name may have, each once, in the order in which they were found; empty if no value is known.
///
/// Most names have no value or one, and these sets are copied at every step: they take 16 bytes and no allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Values {
    #[default]
    None,
    One(Value),
    /// Two values or more.
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

    /// Adds a value, and returns whether it was new.
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

    /// Adds all values of another set, and returns whether any was new.
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

/// All names and texts of the program.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_TEXTS, MAX_VALUES, Symbol, Value, Values};

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![(0..20_u32).prop_map(Value::Class), (0..6_u32).prop_map(|text| Value::Text(Symbol(text)))]
    }

    proptest! {
        /// A value set holds each value once, in the order of their arrival, within its bounds.
        #[test]
        fn value_sets_are_bounded_and_ordered(added in prop::collection::vec(value(), 0..40)) {
            let mut expected: Vec<Value> = Vec::new();
            let mut values = Values::default();
            for value in added {
                let texts = expected.iter().filter(|known| matches!(known, Value::Text(_))).count();
                let has_room = expected.len() < MAX_VALUES && (texts < MAX_TEXTS || !matches!(value, Value::Text(_)));
                let is_new = has_room && !expected.contains(&value);
                if is_new {
                    expected.push(value);
                }
                prop_assert_eq!(values.add(value), is_new);
            }
            prop_assert_eq!(values.as_slice(), expected.as_slice());
            let copy = values.clone();
            prop_assert!(!values.extend(&copy), "a set adds nothing new to itself");
        }
    }
}
