//! What Python calls by itself: decorators, iterators, contexts.

use super::call::Arguments;
use super::{Evaluation, Key2, Manner, Shape};
use crate::form::Range;
use crate::library::Traits;
use crate::value::{Place, Symbol, Value, Values};

impl Evaluation<'_> {
    /// What a decorator makes of a function or class.
    pub(super) fn decorated(&mut self, range: Range, found: &Values, values: Values) -> Values {
        let arguments = Arguments { positional: vec![values.clone()], ..Arguments::default() };
        let mut result = Values::default();
        for decorator in found.iter() {
            match decorator {
                Value::Function(_) | Value::Method(..) | Value::ClassMethod(..) | Value::Partial(_) => {
                    let mut made = self.call_value(decorator, &arguments, range, None, Manner::Implicit);
                    if let (true, Value::Function(place) | Value::Method(place, _) | Value::ClassMethod(place, _)) =
                        (made.is_empty(), decorator)
                    {
                        self.visit_now(place);
                        made = self.result_of(place);
                    }
                    result.extend(if made.is_empty() { &values } else { &made });
                }
                Value::Class(_) => {
                    result.extend(&self.call_value(decorator, &arguments, range, None, Manner::Implicit));
                }
                Value::Instance(class) => {
                    let name = self.words.call;
                    let has_call = !self.of_instance(class, name, range).is_empty();
                    let made = if has_call {
                        self.call_value(decorator, &arguments, range, None, Manner::Implicit)
                    } else {
                        Values::default()
                    };
                    result.extend(if made.is_empty() { &values } else { &made });
                }
                // A library's decorator is taken to keep what it decorates.
                _ => {
                    result.extend(&values);
                }
            }
        }
        if result.is_empty() {
            return values;
        }
        for wrapper in result.iter() {
            for wrapped in values.iter() {
                if let (Value::Function(wrapper), Value::Function(wrapped)) = (wrapper, wrapped)
                    && wrapper != wrapped
                {
                    let wrappers = self.wrappers.entry(wrapped).or_default();
                    if !wrappers.contains(&wrapper) {
                        wrappers.push(wrapper);
                    }
                }
            }
        }
        result
    }

    /// What a loop over these values goes through.
    pub(super) fn items_of(&mut self, values: &Values, range: Range) -> Values {
        let mut found = Values::default();
        for value in values.iter() {
            match value {
                Value::Container(id) if self.shape(id) != Shape::Dict => {
                    found.extend(&self.element(id, Key2::Unknown));
                }
                Value::Generator(place) => {
                    if let Some(values) = self.returns[place as usize].read(self.here) {
                        found.extend(&values);
                    }
                }
                Value::Instance(class) => {
                    for (index, name) in self.words.iter.into_iter().enumerate() {
                        for method in self.of_instance(class, name, range).iter() {
                            if !matches!(method, Value::Method(..)) {
                                continue;
                            }
                            let made = self.call_value(method, &Arguments::default(), range, None, Manner::Implicit);
                            if index % 2 == 1 {
                                found.extend(&made);
                            } else {
                                for value in made
                                    .iter()
                                    .filter(|value| matches!(value, Value::Generator(_) | Value::Container(_)))
                                {
                                    found.extend(&self.items_of(&Values::one(value), range));
                                }
                                for value in made.iter() {
                                    if let Value::Instance(iterator) = value
                                        && iterator != class
                                    {
                                        let next = self.words.iter[index + 1];
                                        for method in self.of_instance(iterator, next, range).iter() {
                                            found.extend(&self.call_value(
                                                method,
                                                &Arguments::default(),
                                                range,
                                                None,
                                                Manner::Implicit,
                                            ));
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                // The elements of a set are no sets.
                Value::Made(outside) if self.traits(outside).has(Traits::UNENCODABLE) => {}
                Value::Made(_) => {
                    found.add(value);
                }
                _ => {}
            }
        }
        found
    }

    /// What `with value as name` binds.
    pub(super) fn entered(&mut self, values: &Values, is_async: bool, range: Range) -> Values {
        let mut found = Values::default();
        for value in values.iter() {
            match value {
                Value::Generator(_) => {
                    found.extend(&self.items_of(&Values::one(value), range));
                }
                Value::Instance(class) => {
                    let which = usize::from(is_async);
                    self.call_special(class, self.words.exit[which], range);
                    match self.call_special(class, self.words.enter[which], range) {
                        Some(entered) => found.extend(&entered),
                        None => found.add(value),
                    };
                }
                other => {
                    found.add(other);
                }
            }
        }
        found
    }

    /// Calls a method that Python calls by itself; `None` where there is none.
    fn call_special(&mut self, class: Place, name: Symbol, range: Range) -> Option<Values> {
        let methods = self.of_instance(class, name, range);
        let methods = methods.iter().filter(|method| matches!(method, Value::Method(..)));
        let mut found = None;
        for method in methods {
            let given = self.call_value(method, &Arguments::default(), range, None, Manner::Implicit);
            found.get_or_insert_with(Values::default).extend(&given);
        }
        found
    }
}
