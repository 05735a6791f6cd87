//! What a call of something outside gives: what the library says, and builtins whose result matters.

use super::call::Arguments;
use super::outside::Known;
use super::{Callee, Evaluation, Key2, Manner, Shape};
use crate::form::{CallId, Kind, Range, Sequence};
use crate::library::Traits;
use crate::value::{Outside, Value, Values};

impl Evaluation<'_> {
    pub(super) fn call_outside(
        &mut self,
        outside: Outside,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
        manner: Manner,
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
                    Value::Class(_) => self.call_value(value, &Arguments::default(), range, None, Manner::Deferred),
                    Value::Function(place) => {
                        self.edge(range, None, Callee::Inside(place), Manner::Deferred);
                        self.result_of(place)
                    }
                    other => self.call_value(other, &Arguments::default(), range, None, Manner::Deferred),
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

    /// Functions that run one of their arguments.
    fn run_argument(&mut self, outside: Outside, arguments: &Arguments, range: Range, call: Option<CallId>) -> Values {
        let traits = self.traits(outside);
        let which = self.library.argument(self.path(outside));
        let named = self.program.symbols.get(which);
        let position = which.parse::<usize>().ok();
        let by_name = arguments.named.iter().find(|(name, _)| Some(*name) == named).map(|(_, values)| values.clone());
        let functions =
            position.and_then(|position| arguments.positional.get(position).cloned()).or(by_name).unwrap_or_default();
        let manner = if traits.has(Traits::OFFLOAD) { Manner::Offloaded } else { Manner::Direct };
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

    /// Builtins and standard functions whose result matters.
    fn known_function(
        &mut self,
        function: Known,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
    ) -> Option<Values> {
        let first = || arguments.positional.first().cloned().unwrap_or_default();
        Some(match function {
            Known::Super => {
                let mut place = self.here;
                while self.program.scope(place).kind != Kind::Class && !self.program.is_module(place) {
                    place = self.program.parent(place);
                }
                if let Some(Value::Class(class)) = arguments.positional.first().and_then(|values| values.iter().next())
                {
                    place = class;
                }
                if self.program.is_module(place) {
                    return Some(Values::default());
                }
                let own = self.words.self_;
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
            Known::GetAttr => {
                let name = arguments.positional.get(1).and_then(|values| values.iter().next());
                let mut found = match name {
                    Some(Value::Text(name)) => self.attribute(&first(), name, range),
                    _ => Values::default(),
                };
                found.extend(&arguments.positional.get(2).cloned().unwrap_or_default());
                found
            }
            Known::Next => self.items_of(&first(), range),
            Known::Iterable if !arguments.positional.is_empty() => {
                if let Some((_, key)) =
                    arguments.named.iter().find(|(name, _)| Some(*name) == self.program.symbols.get("key"))
                {
                    let items = self.items_of(&first(), range);
                    let passed = Arguments { positional: vec![items], ..Arguments::default() };
                    for function in key.clone().iter() {
                        self.call_value(function, &passed, range, call, Manner::Direct);
                    }
                }
                self.listed(&first(), range)
            }
            Known::Enumerate | Known::Zip => {
                // Pairs: whatever is unpacked from them may be any of the elements.
                let mut items = Values::default();
                for values in &arguments.positional {
                    items.extend(&self.items_of(values, range));
                }
                let container = self.container(self.here, range.start | 1 << 31, Shape::Other);
                let pair = self.container(self.here, range.end | 1 << 30, Shape::Sequence(Sequence::Tuple));
                if function == Known::Zip {
                    for (index, values) in arguments.positional.iter().enumerate() {
                        let items = self.items_of(values, range);
                        self.put(pair, Key2::at(index), &items);
                    }
                } else {
                    self.put(pair, Key2::Int(1), &items);
                }
                self.put(container, Key2::Unknown, &Values::one(Value::Container(pair)));
                Values::one(Value::Container(container))
            }
            Known::Partial => {
                let container = self.container(self.here, range.start | 1 << 31, Shape::Other);
                self.put(container, Key2::Int(-1), &first());
                for (index, values) in arguments.positional.iter().skip(1).enumerate() {
                    self.put(container, Key2::at(index), values);
                }
                for (name, values) in &arguments.named {
                    self.put(container, Key2::Text(*name), values);
                }
                Values::one(Value::Partial(container))
            }
            Known::Same if !arguments.positional.is_empty() => arguments.positional.last().cloned().unwrap_or_default(),
            Known::Entered | Known::EnteredAsync => self.entered(&first(), function == Known::EnteredAsync, range),
            _ => return None,
        })
    }

    /// What is left of these where they become a list: a set is none any more.
    fn listed(&mut self, values: &Values, range: Range) -> Values {
        let mut found = Values::default();
        for value in values.iter() {
            match value {
                Value::Container(id) if self.is_set(id) => {
                    let items = self.items_of(&Values::one(value), range);
                    let list = self.container(self.here, range.start | 1 << 31, Shape::Sequence(Sequence::List));
                    self.put(list, Key2::Unknown, &items);
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
