//! Functions that Python calls without parentheses: decorators, iterators, context managers.

use super::call::Arguments;
use super::{CallManner, Resolution, Shape, Subscript};
use crate::form::Range;
use crate::library::Traits;
use crate::value::{ScopeNumber, Symbol, Value, Values};

impl Resolution<'_> {
    /// Returns the values that decorators replace a function or class by.
    pub(super) fn decorated(&mut self, range: Range, found: &Values, values: Values) -> Values {
        let arguments = Arguments { positional: vec![values.clone()], ..Arguments::default() };
        let mut result = Values::default();
        for decorator in found.iter() {
            match decorator {
                Value::Function(_) | Value::Method(..) | Value::ClassMethod(..) | Value::Partial(_) => {
                    let mut made = self.call_value(decorator, &arguments, range, None, CallManner::Implicit);
                    if let (true, Value::Function(place) | Value::Method(place, _) | Value::ClassMethod(place, _)) =
                        (made.is_empty(), decorator)
                    {
                        self.visit_now(place);
                        made = self.result_of(place);
                    }
                    result.extend(if made.is_empty() { &values } else { &made });
                }
                Value::Class(_) => {
                    result.extend(&self.call_value(decorator, &arguments, range, None, CallManner::Implicit));
                }
                Value::Instance(class) => {
                    let name = self.special.call;
                    let has_call = !self.of_instance(class, name, range).is_empty();
                    let made = if has_call {
                        self.call_value(decorator, &arguments, range, None, CallManner::Implicit)
                    } else {
                        Values::default()
                    };
                    result.extend(if made.is_empty() { &values } else { &made });
                }
                // A library's decorator is taken to return the function itself.
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

    /// Returns the items of a loop over these values.
    pub(super) fn items_of(&mut self, values: &Values, range: Range) -> Values {
        let mut found = Values::default();
        for value in values.iter() {
            match value {
                Value::Container(id) if self.shape(id) != Shape::Dict => {
                    found.extend(&self.element(id, Subscript::Unknown));
                }
                Value::Generator(place) => {
                    if let Some(values) = self.returns[place as usize].read(self.here) {
                        found.extend(&values);
                    }
                }
                Value::Instance(class) => {
                    for (index, name) in self.special.iter.into_iter().enumerate() {
                        for method in self.of_instance(class, name, range).iter() {
                            if !matches!(method, Value::Method(..)) {
                                continue;
                            }
                            let made =
                                self.call_value(method, &Arguments::default(), range, None, CallManner::Implicit);
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
                                        let next = self.special.iter[index + 1];
                                        for method in self.of_instance(iterator, next, range).iter() {
                                            found.extend(&self.call_value(
                                                method,
                                                &Arguments::default(),
                                                range,
                                                None,
                                                CallManner::Implicit,
                                            ));
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                // The items of a set are not sets.
                Value::Made(outside) if self.traits(outside).has(Traits::UNENCODABLE) => {}
                Value::Made(_) => {
                    found.add(value);
                }
                _ => {}
            }
        }
        found
    }

    /// Returns the values that `with value as name` binds.
    pub(super) fn entered(&mut self, values: &Values, is_async: bool, range: Range) -> Values {
        let mut found = Values::default();
        for value in values.iter() {
            match value {
                Value::Generator(_) => {
                    found.extend(&self.items_of(&Values::one(value), range));
                }
                Value::Instance(class) => {
                    let which = usize::from(is_async);
                    self.call_special(class, self.special.exit[which], range);
                    match self.call_special(class, self.special.enter[which], range) {
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

    /// Calls a special method of a class, and returns the values of its result; `None` if the class lacks it.
    fn call_special(&mut self, class: ScopeNumber, name: Symbol, range: Range) -> Option<Values> {
        let methods = self.of_instance(class, name, range);
        let methods = methods.iter().filter(|method| matches!(method, Value::Method(..)));
        let mut found = None;
        for method in methods {
            let given = self.call_value(method, &Arguments::default(), range, None, CallManner::Implicit);
            found.get_or_insert_with(Values::default).extend(&given);
        }
        found
    }
}
