//! The results of calls of external functions, from the library data and the modelled functions.

use super::call::Arguments;
use super::outside::ModelledFunction;
use super::{CallManner, Callee, Resolution, Shape, Subscript};
use crate::form::{CallId, Range, ScopeKind, Sequence};
use crate::library::Traits;
use crate::value::{Outside, Value, Values};

impl Resolution<'_> {
    pub(super) fn call_outside(
        &mut self,
        outside: Outside,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
        manner: CallManner,
    ) -> Values {
        self.edge(range, call, Callee::Outside(outside), manner);
        let (known, traits) = (self.outsides.get(outside).known, self.traits(outside));
        if let Some(values) = known.and_then(|known| self.known_function(known, arguments, range, call)) {
            return values;
        }
        if traits.has(Traits::DEPENDS) {
            let mut found = Values::default();
            for value in arguments.positional.first().cloned().unwrap_or_default().iter() {
                found.extend(&match value {
                    Value::Class(_) => self.call_value(value, &Arguments::default(), range, None, CallManner::Deferred),
                    Value::Function(place) => {
                        self.edge(range, None, Callee::Inside(place), CallManner::Deferred);
                        self.result_of(place)
                    }
                    other => self.call_value(other, &Arguments::default(), range, None, CallManner::Deferred),
                });
            }
            return found;
        }
        if traits.has(Traits::OFFLOAD.or(Traits::CALLS_ARGUMENT)) {
            return self.run_argument(outside, arguments, range, call);
        }
        let path = self.outsides.get(outside);
        match path.gives {
            Some(class) => Values::one(Value::Made(class)),
            None if path.gives_nothing => Values::default(),
            None => Values::one(Value::Made(outside)),
        }
    }

    /// Calls the argument that an external function runs, and returns the result of that function.
    fn run_argument(&mut self, outside: Outside, arguments: &Arguments, range: Range, call: Option<CallId>) -> Values {
        let traits = self.traits(outside);
        let which = self.library.argument(self.path(outside));
        let named = self.program.symbols.get(which);
        let position = which.parse::<usize>().ok();
        let by_name = arguments.named.iter().find(|(name, _)| Some(*name) == named).map(|(_, values)| values.clone());
        let functions =
            position.and_then(|position| arguments.positional.get(position).cloned()).or(by_name).unwrap_or_default();
        let manner = if traits.has(Traits::OFFLOAD) { CallManner::Offloaded } else { CallManner::Direct };
        let after = position.map_or(0, |position| position + 1);
        let passed = if traits.has(Traits::OFFLOAD) {
            Arguments {
                positional: arguments.positional.get(after..).unwrap_or_default().to_vec(),
                named: arguments.named.clone(),
                spread: arguments.spread.clone(),
                is_result_unused: false,
            }
        } else {
            let mut positional = Vec::new();
            for values in arguments.positional.get(after..).unwrap_or_default() {
                positional.push(self.items_of(values, range));
            }
            Arguments { positional, ..Arguments::default() }
        };
        let mut found = Values::default();
        for function in functions.iter() {
            found.extend(&self.call_value(function, &passed, range, call, manner));
        }
        if self.path(outside) == "asgiref.sync.sync_to_async" {
            return functions;
        }
        self.outsides.get(outside).gives.map_or(found, |class| Values::one(Value::Made(class)))
    }

    /// Returns the result of a modelled function; `None` if its arguments are not as expected.
    fn known_function(
        &mut self,
        function: ModelledFunction,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
    ) -> Option<Values> {
        let first = || arguments.positional.first().cloned().unwrap_or_default();
        Some(match function {
            ModelledFunction::Super => {
                let mut place = self.here;
                while self.program.scope(place).kind != ScopeKind::Class && !self.program.is_module(place) {
                    place = self.program.parent(place);
                }
                if let Some(Value::Class(class)) = arguments.positional.first().and_then(|values| values.iter().next())
                {
                    place = class;
                }
                if self.program.is_module(place) {
                    return Some(Values::default());
                }
                let own = self.special.self_;
                let receivers: Values = self
                    .look_up(own)
                    .iter()
                    .filter_map(|value| match value {
                        Value::Instance(class) => Some(Value::Super(place, class)),
                        _ => None,
                    })
                    .collect();
                if receivers.is_empty() { Values::one(Value::Super(place, place)) } else { receivers }
            }
            ModelledFunction::GetAttr => {
                let name = arguments.positional.get(1).and_then(|values| values.iter().next());
                let mut found = match name {
                    Some(Value::Text(name)) => self.attribute(&first(), name, range),
                    _ => Values::default(),
                };
                found.extend(&arguments.positional.get(2).cloned().unwrap_or_default());
                found
            }
            ModelledFunction::Next => self.items_of(&first(), range),
            ModelledFunction::Iterable if !arguments.positional.is_empty() => {
                if let Some((_, key)) =
                    arguments.named.iter().find(|(name, _)| Some(*name) == self.program.symbols.get("key"))
                {
                    let items = self.items_of(&first(), range);
                    let passed = Arguments { positional: vec![items], ..Arguments::default() };
                    for function in key.clone().iter() {
                        self.call_value(function, &passed, range, call, CallManner::Direct);
                    }
                }
                self.listed(&first(), range)
            }
            ModelledFunction::Enumerate | ModelledFunction::Zip => {
                // A container of pairs.
                let mut items = Values::default();
                for values in &arguments.positional {
                    items.extend(&self.items_of(values, range));
                }
                let container = self.container(self.here, range.start | 1 << 31, Shape::Other);
                let pair = self.container(self.here, range.end | 1 << 30, Shape::Sequence(Sequence::Tuple));
                if function == ModelledFunction::Zip {
                    for (index, values) in arguments.positional.iter().enumerate() {
                        let items = self.items_of(values, range);
                        self.put(pair, Subscript::at(index), &items);
                    }
                } else {
                    self.put(pair, Subscript::Int(1), &items);
                }
                self.put(container, Subscript::Unknown, &Values::one(Value::Container(pair)));
                Values::one(Value::Container(container))
            }
            ModelledFunction::Partial => {
                let container = self.container(self.here, range.start | 1 << 31, Shape::Other);
                self.put(container, Subscript::Int(-1), &first());
                for (index, values) in arguments.positional.iter().skip(1).enumerate() {
                    self.put(container, Subscript::at(index), values);
                }
                for (name, values) in &arguments.named {
                    self.put(container, Subscript::Text(*name), values);
                }
                Values::one(Value::Partial(container))
            }
            ModelledFunction::Same if !arguments.positional.is_empty() => {
                arguments.positional.last().cloned().unwrap_or_default()
            }
            ModelledFunction::Entered | ModelledFunction::EnteredAsync => {
                self.entered(&first(), function == ModelledFunction::EnteredAsync, range)
            }
            _ => return None,
        })
    }

    /// Returns the values after a conversion to a list: a set becomes a list of its elements.
    fn listed(&mut self, values: &Values, range: Range) -> Values {
        let mut found = Values::default();
        for value in values.iter() {
            match value {
                Value::Container(id) if self.is_set(id) => {
                    let items = self.items_of(&Values::one(value), range);
                    let list = self.container(self.here, range.start | 1 << 31, Shape::Sequence(Sequence::List));
                    self.put(list, Subscript::Unknown, &items);
                    found.add(Value::Container(list));
                }
                Value::Made(outside) if self.traits(outside).has(Traits::UNENCODABLE) => {}
                other => {
                    found.add(other);
                }
            }
        }
        found
    }
}
