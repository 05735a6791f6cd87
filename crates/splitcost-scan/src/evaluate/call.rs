//! What a call calls, what it passes, and what it gives.

use super::outside::Known;
use super::{Callee, Evaluation, Key2, Manner, Shape, Site, bit};
use crate::form::{Call, CallId, Expr, Kind, Passing, Range, Sequence, Text};
use crate::library::Traits;
use crate::value::{Outside, Place, Symbol, Value, Values};

/// Evaluated arguments of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments {
    positional: Vec<Values>,
    /// Any of these may come after the positional ones.
    spread: Values,
    named: Vec<(Symbol, Values)>,
}

impl Evaluation<'_> {
    pub(super) fn call(&mut self, id: CallId) -> Values {
        let scope = self.program.scope(self.here);
        let call = &scope.calls[id as usize];
        // The object is looked at once: chains of calls would otherwise cost twice as much with every link.
        let (receivers, callees) = match scope.exprs[call.function as usize] {
            Expr::Attribute(object, name, range) => {
                let receivers = self.eval(object);
                if let Some(values) = self.container_method(id, &receivers, name) {
                    return values;
                }
                let callees = self.attribute(&receivers, self.symbol(name), range);
                (receivers, callees)
            }
            _ => (Values::default(), self.eval(call.function)),
        };
        let callees = if call.awaited { self.awaitable(callees) } else { callees };
        let arguments = self.arguments(call);
        self.note_site(id, &receivers, &callees, &arguments);
        if callees.is_empty() {
            self.unresolved[self.here as usize].push(id);
            return Values::default();
        }
        let mut found = Values::default();
        for callee in callees.iter() {
            found.extend(&self.call_value(callee, &arguments, call.range, Some(id), Manner::Direct));
        }
        found
    }

    /// What is awaited is no plain function, where it may be a coroutine: the other side of a client that has two.
    fn awaitable(&self, callees: Values) -> Values {
        let function = |value: &Value| match value {
            Value::Function(place) | Value::Method(place, _) | Value::ClassMethod(place, _) => Some(*place),
            _ => None,
        };
        let is_async = |value: &Value| match value {
            Value::Outside(outside) => self.traits(*outside).has(Traits::AWAITED_REMOTE.or(Traits::AWAITED_DATABASE)),
            other => function(other).is_some_and(|place| self.program.scope(place).is_async),
        };
        if !callees.iter().any(|value| is_async(&value)) {
            return callees;
        }
        callees.iter().filter(|value| function(value).is_none() || is_async(value)).collect()
    }

    fn note_site(&mut self, id: CallId, receivers: &Values, callees: &Values, arguments: &Arguments) {
        for callee in callees.iter() {
            let callee = match callee {
                Value::Outside(callee) => callee,
                // `stub = channel.unary_unary(...)`, and then `stub(...)`.
                Value::Made(made) => self.outsides.member(made, self.words.call, &self.program.symbols),
                _ => continue,
            };
            if self.traits(callee) == Traits::NONE {
                continue;
            }
            let site = Site {
                call: id,
                callee,
                receivers: receivers.clone(),
                positional: arguments.positional.clone(),
                named: arguments.named.clone(),
            };
            let sites = &mut self.sites[self.here as usize];
            match sites.iter_mut().find(|known| known.call == id && known.callee == callee) {
                Some(known) => *known = site,
                None => sites.push(site),
            }
        }
    }

    fn arguments(&mut self, call: &Call) -> Arguments {
        let mut arguments = Arguments::default();
        for argument in &call.positional {
            if let Expr::Starred(inner) = self.program.scope(self.here).exprs[*argument as usize] {
                let values = self.eval(inner);
                let mut known = false;
                if let (1, Some(Value::Container(id))) = (values.iter().count(), values.iter().next()) {
                    // A list whose elements are known one by one.
                    let elements = self.read_elements(id);
                    if elements.iter().enumerate().all(|(i, (key, _))| *key == Key2::at(i)) {
                        known = true;
                        arguments.positional.extend(elements.into_iter().map(|(_, values)| values));
                    }
                }
                if !known {
                    let items = self.items_of(&values, call.range);
                    arguments.spread.extend(&items);
                }
            } else {
                let values = self.eval(*argument);
                arguments.positional.push(values);
            }
        }
        for (name, value) in &call.keywords {
            let values = self.eval(*value);
            match name {
                Some(name) => arguments.named.push((self.symbol(*name), values)),
                None => {
                    for value in values.iter() {
                        if let Value::Container(id) = value {
                            for (key, values) in self.read_elements(id) {
                                if let Key2::Text(name) = key {
                                    arguments.named.push((name, values));
                                }
                            }
                        }
                    }
                }
            }
        }
        arguments
    }

    /// Calls one value.
    pub(super) fn call_value(
        &mut self,
        callee: Value,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
        manner: Manner,
    ) -> Values {
        // `__call__` may be an instance with a `__call__`, and so on.
        if self.depth > super::MAX_DEPTH {
            return Values::default();
        }
        self.depth += 1;
        let values = self.call_within(callee, arguments, range, call, manner);
        self.depth -= 1;
        values
    }

    fn call_within(
        &mut self,
        callee: Value,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
        manner: Manner,
    ) -> Values {
        match callee {
            Value::Function(place) => self.call_function(place, None, arguments, range, call, manner),
            Value::Method(place, class) => {
                self.call_function(place, Some(Value::Instance(class)), arguments, range, call, manner)
            }
            Value::ClassMethod(place, class) => {
                self.call_function(place, Some(Value::Class(class)), arguments, range, call, manner)
            }
            Value::Class(class) => {
                let init = self.words.init;
                let methods = self.of_instance(class, init, range);
                let mut has_init = false;
                for method in methods.iter() {
                    has_init |= matches!(method, Value::Method(..));
                    self.call_value(method, arguments, range, call, manner);
                }
                if !has_init {
                    self.fill_fields(class, arguments);
                }
                Values::one(Value::Instance(class))
            }
            Value::Instance(class) => {
                let name = self.words.call;
                let methods = self.of_instance(class, name, range);
                let mut found = Values::default();
                for method in methods.iter() {
                    if !matches!(method, Value::Instance(_)) {
                        found.extend(&self.call_value(method, arguments, range, call, manner));
                    }
                }
                found
            }
            Value::Partial(id) => {
                let functions = self.element(id, Key2::Int(-1));
                let mut all = Arguments::default();
                for (key, values) in self.read_elements(id) {
                    match key {
                        Key2::Int(-1) | Key2::Unknown => {}
                        Key2::Int(_) => all.positional.push(values),
                        Key2::Text(name) => all.named.push((name, values)),
                    }
                }
                all.positional.extend(arguments.positional.iter().cloned());
                all.named.extend(arguments.named.iter().cloned());
                all.spread.extend(&arguments.spread);
                let mut found = Values::default();
                for function in functions.iter() {
                    if !matches!(function, Value::Partial(_)) {
                        found.extend(&self.call_value(function, &all, range, call, manner));
                    }
                }
                found
            }
            Value::Outside(outside) => self.call_outside(outside, arguments, range, call, manner),
            Value::Made(outside) => {
                let outside = self.outsides.member(outside, self.words.call, &self.program.symbols);
                self.call_outside(outside, arguments, range, call, manner)
            }
            Value::Module(_) | Value::Container(_) | Value::Super(..) | Value::Text(_) | Value::Generator(_) => {
                Values::default()
            }
        }
    }

    fn call_function(
        &mut self,
        place: Place,
        receiver: Option<Value>,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
        manner: Manner,
    ) -> Values {
        self.edge(range, call, Callee::Inside(place), manner);
        self.replaced.clear();
        let scope = self.program.scope(place);
        let mut next = 0;
        let mut passed = 0;
        let mut back = Values::default();
        if let Some(receiver) = receiver {
            self.pass(place, 0, &Values::one(receiver));
            if scope.hands_back & bit(0) != 0 {
                back.add(receiver);
            }
            next = 1;
            passed = bit(0);
        }
        let rest = scope.params.iter().position(|param| param.passing == Passing::RestPositional);
        for (index, values) in arguments.positional.iter().enumerate() {
            let takes = |param: usize| {
                scope
                    .params
                    .get(param)
                    .is_some_and(|param| matches!(param.passing, Passing::PositionalOnly | Passing::Either))
            };
            if takes(next) {
                self.pass(place, next, values);
                passed |= bit(next);
                if scope.hands_back & bit(next) != 0 {
                    back.extend(values);
                }
                next += 1;
            } else if let Some(rest) = rest {
                let container = self.rest_container(place, rest);
                let before = next.min(rest) - usize::from(receiver.is_some() && next > 0);
                self.put(container, Key2::at(index.saturating_sub(before)), values);
            }
        }
        if !arguments.spread.is_empty() {
            let spread = arguments.spread.clone();
            for param in next..scope.params.len() {
                match scope.params[param].passing {
                    Passing::PositionalOnly | Passing::Either => self.pass(place, param, &spread),
                    Passing::RestPositional => {
                        let container = self.rest_container(place, param);
                        self.put(container, Key2::Unknown, &spread);
                    }
                    _ => {}
                }
            }
        }
        for (name, values) in &arguments.named {
            let param = scope.params.iter().position(|param| {
                self.program.symbol(place, param.name) == *name
                    && matches!(param.passing, Passing::Either | Passing::KeywordOnly)
            });
            match param {
                Some(param) => {
                    self.pass(place, param, values);
                    passed |= bit(param);
                    if scope.hands_back & bit(param) != 0 {
                        back.extend(values);
                    }
                }
                None => {
                    if let Some(rest) = scope.params.iter().position(|param| param.passing == Passing::RestKeyword) {
                        let container = self.rest_container(place, rest);
                        self.put(container, Key2::Text(*name), values);
                    }
                }
            }
        }
        self.leave_out(place, arguments, passed, &mut back);
        if scope.is_generator {
            return Values::one(Value::Generator(place));
        }
        if back.is_empty() {
            return self.result_of(place);
        }
        if let Some(returned) = self.returns[place as usize].read(self.here) {
            back.extend(&returned);
        }
        back
    }

    /// What parameters that a call leaves out are.
    fn leave_out(&mut self, place: Place, arguments: &Arguments, passed: u64, back: &mut Values) {
        let hands_back = self.program.scope(place).hands_back & !passed;
        if hands_back != 0 {
            back.extend(&arguments.spread);
            for (index, values) in self.declared[place as usize].iter().enumerate() {
                if hands_back & bit(index) != 0 {
                    back.extend(values);
                }
            }
        }
        let left_out = self.defaults[place as usize] & !passed & !self.left_out[place as usize];
        if left_out != 0 && arguments.spread.is_empty() {
            self.left_out[place as usize] |= left_out;
            // Parameters that nothing is passed to have their defaults anyway.
            let params = &self.params[place as usize];
            if params.iter().enumerate().any(|(index, values)| left_out & bit(index) != 0 && !values.is_empty()) {
                self.queue.add(place);
            }
        }
    }

    /// What a function returns or yields.
    pub(super) fn result_of(&mut self, place: Place) -> Values {
        // Decorators are needed before anything else is known.
        if self.are_modules_done {
            self.visit_now(place);
        }
        let found = self.returns[place as usize].read(self.here);
        found.unwrap_or_else(|| self.declared_returns[place as usize].clone())
    }

    pub(super) fn pass(&mut self, place: Place, param: usize, values: &Values) {
        let grew = self.params[place as usize].get_mut(param).is_some_and(|known| known.extend(values));
        if grew {
            self.queue.add(place);
        }
    }

    /// The fields of a dataclass or model, which has no `__init__` of its own.
    fn fill_fields(&mut self, class: Place, arguments: &Arguments) {
        for (name, values) in &arguments.named {
            self.add_attribute(class, *name, values);
        }
    }

    fn call_outside(
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

    /// `table.update(other)`
    fn update(&mut self, table: u32, others: &Values, call: &Call) {
        let surely = match self.program.scope(self.here).exprs[call.function as usize] {
            Expr::Attribute(object, ..) => call.branch == 0 && self.sole(object) == Some(table),
            _ => false,
        };
        for value in others.iter() {
            let Value::Container(other) = value else { continue };
            if self.shape(other) != Shape::Dict {
                continue;
            }
            for (key, values) in self.read_elements(other) {
                self.put(table, key, &values);
                if surely {
                    self.replace(table, key, &values);
                }
            }
        }
    }

    /// `items.append(x)`, `table.get(key)` and their like, on a container that the program builds.
    fn container_method(&mut self, id: CallId, objects: &Values, name: Text) -> Option<Values> {
        let scope = self.program.scope(self.here);
        let call = &scope.calls[id as usize];
        let containers: Vec<u32> = objects
            .iter()
            .filter_map(|value| match value {
                Value::Container(id) => Some(id),
                _ => None,
            })
            .collect();
        if containers.is_empty() || containers.len() < objects.iter().count() {
            return None;
        }
        for container in &containers {
            let kind = match self.shape(*container) {
                Shape::Dict => "builtins.dict",
                Shape::Sequence(Sequence::List) => "builtins.list",
                Shape::Sequence(Sequence::Tuple) => "builtins.tuple",
                Shape::Sequence(Sequence::Set) => "builtins.set",
                Shape::Other => continue,
            };
            let method = self.builtin_method(kind, self.symbol(name));
            self.edge(call.range, Some(id), Callee::Outside(method), Manner::Direct);
        }
        let name = self.text(name);
        let arguments = self.arguments(call);
        let first = arguments.positional.first().cloned().unwrap_or_default();
        let mut found = Values::default();
        for id in containers {
            match name {
                "append" | "add" | "appendleft" => self.put(id, Key2::Unknown, &first),
                "insert" => {
                    let item = arguments.positional.get(1).cloned().unwrap_or_default();
                    self.put(id, Key2::Unknown, &item);
                }
                "extend" | "update" => {
                    self.open.insert(id);
                    let items = self.items_of(&first, call.range);
                    self.put(id, Key2::Unknown, &items);
                    self.update(id, &first, call);
                    for (name, values) in &arguments.named {
                        self.put(id, Key2::Text(*name), values);
                    }
                }
                "get" | "pop" | "setdefault" | "popleft" => {
                    let key = match call.positional.first().map(|key| &scope.exprs[*key as usize]) {
                        Some(Expr::Text(text)) => Key2::Text(self.symbol(*text)),
                        _ => Key2::Unknown,
                    };
                    if name == "setdefault" {
                        let default = arguments.positional.get(1).cloned().unwrap_or_default();
                        self.put(id, key, &default);
                    }
                    found.extend(&self.element(id, key));
                    found.extend(&arguments.positional.get(1).cloned().unwrap_or_default());
                }
                "values" => {
                    let values = self.element(id, Key2::Unknown);
                    let all = self.container(self.here, call.range.end | 1 << 31, Shape::Other);
                    self.put(all, Key2::Unknown, &values);
                    found.add(Value::Container(all));
                }
                "items" => {
                    let values = self.element(id, Key2::Unknown);
                    let pair = self.container(self.here, call.range.end | 1 << 30, Shape::Sequence(Sequence::Tuple));
                    self.put(pair, Key2::Int(1), &values);
                    let all = self.container(self.here, call.range.end | 1 << 31, Shape::Other);
                    self.put(all, Key2::Unknown, &Values::one(Value::Container(pair)));
                    found.add(Value::Container(all));
                }
                "copy" => {
                    found.add(Value::Container(id));
                }
                _ => {}
            }
        }
        Some(found)
    }
}
