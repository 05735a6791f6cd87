//! Calls: their callees, arguments and results.

use super::{CallManner, CallSite, Callee, Resolution, Subscript, bit};
use crate::form::{CallExpr, CallId, Expr, Passing, Range};
use crate::library::Traits;
use crate::value::{ScopeNumber, Symbol, Value, Values};

/// The values of the arguments of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Values>,
    /// Values that may follow the positional ones, from `*`.
    pub(super) spread: Values,
    pub(super) named: Vec<(Symbol, Values)>,
    /// The result of the call is not used.
    pub(super) is_result_unused: bool,
}

impl Resolution<'_> {
    pub(super) fn call(&mut self, id: CallId, is_result_used: bool) -> Values {
        let scope = self.scope;
        let call = &scope.calls[id as usize];
        // The object is evaluated once: otherwise the cost of a chain of calls would double with every link.
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
        let mut arguments = if callees.iter().any(|callee| self.takes_arguments(callee)) {
            self.arguments(call)
        } else {
            self.skim_arguments(call);
            Arguments::default()
        };
        arguments.is_result_unused = !is_result_used;
        self.note_site(id, &receivers, &callees, &arguments);
        if callees.is_empty() {
            self.unresolved[self.here as usize].push(id);
            return Values::default();
        }
        let mut found = Values::default();
        for callee in callees.iter() {
            found.extend(&self.call_value(callee, &arguments, call.range, Some(id), CallManner::Direct));
        }
        found
    }

    /// Leaves out the plain functions among awaited callees, if there are coroutines: a client may have both sides.
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

    /// Records a call site of external functions that have traits.
    fn note_site(&mut self, id: CallId, receivers: &Values, callees: &Values, arguments: &Arguments) {
        for callee in callees.iter() {
            let callee = match callee {
                Value::Outside(callee) => callee,
                // The object may itself be called: `stub = channel.unary_unary(...)`, then `stub(...)`.
                Value::Made(made) => self.outsides.member(made, self.special.call, &self.program.symbols),
                _ => continue,
            };
            if self.traits(callee) == Traits::NONE {
                continue;
            }
            let site = CallSite {
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

    /// Returns whether the values of the arguments can matter to a callee.
    fn takes_arguments(&mut self, callee: Value) -> bool {
        let outside = match callee {
            Value::Function(_)
            | Value::Method(..)
            | Value::ClassMethod(..)
            | Value::Class(_)
            | Value::Instance(_)
            | Value::Partial(_) => return true,
            Value::Outside(outside) => outside,
            Value::Made(made) => self.outsides.member(made, self.special.call, &self.program.symbols),
            Value::Module(_) | Value::Container(_) | Value::Super(..) | Value::Text(_) | Value::Generator(_) => {
                return false;
            }
        };
        let path = self.outsides.get(outside);
        path.traits != Traits::NONE || path.known.is_some()
    }

    /// Visits arguments whose values do not matter, for the calls inside them.
    fn skim_arguments(&mut self, call: &CallExpr) {
        for argument in &call.positional {
            if let Expr::Starred(inner) = self.scope.exprs[*argument as usize] {
                let values = self.eval(inner);
                self.items_of(&values, call.range);
            } else {
                self.skim(*argument);
            }
        }
        call.keywords.iter().for_each(|(_, value)| self.skim(*value));
    }

    pub(super) fn arguments(&mut self, call: &CallExpr) -> Arguments {
        let mut arguments = Arguments::default();
        for argument in &call.positional {
            if let Expr::Starred(inner) = self.scope.exprs[*argument as usize] {
                let values = self.eval(inner);
                let mut known = false;
                if let (1, Some(Value::Container(id))) = (values.iter().count(), values.iter().next()) {
                    // A list with known elements.
                    let elements = self.read_elements(id);
                    if elements.iter().enumerate().all(|(i, (key, _))| *key == Subscript::at(i)) {
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
                                if let Subscript::Text(name) = key {
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

    /// Calls a value, and returns the values of the result.
    pub(super) fn call_value(
        &mut self,
        callee: Value,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
        manner: CallManner,
    ) -> Values {
        // `__call__` may be an instance with a `__call__`, without an end.
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
        manner: CallManner,
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
                let init = self.special.init;
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
                let name = self.special.call;
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
                let functions = self.element(id, Subscript::Int(-1));
                let mut all = Arguments::default();
                for (key, values) in self.read_elements(id) {
                    match key {
                        Subscript::Int(-1) | Subscript::Unknown => {}
                        Subscript::Int(_) => all.positional.push(values),
                        Subscript::Text(name) => all.named.push((name, values)),
                    }
                }
                all.is_result_unused = arguments.is_result_unused;
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
                let outside = self.outsides.member(outside, self.special.call, &self.program.symbols);
                self.call_outside(outside, arguments, range, call, manner)
            }
            Value::Module(_) | Value::Container(_) | Value::Super(..) | Value::Text(_) | Value::Generator(_) => {
                Values::default()
            }
        }
    }

    fn call_function(
        &mut self,
        place: ScopeNumber,
        receiver: Option<Value>,
        arguments: &Arguments,
        range: Range,
        call: Option<CallId>,
        manner: CallManner,
    ) -> Values {
        self.edge(range, call, Callee::Inside(place), manner);
        self.replaced.clear();
        let scope = self.program.scope(place);
        let mut next = 0;
        let mut passed = 0;
        let mut back = Values::default();
        let rest = scope.params.iter().position(|param| param.passing == Passing::RestPositional);
        let receiver = receiver.map(Values::one);
        for (index, values) in receiver.iter().chain(&arguments.positional).enumerate() {
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
                self.put(container, Subscript::at(index - next), values);
            }
        }
        if !arguments.spread.is_empty() {
            let spread = arguments.spread.clone();
            for param in next..scope.params.len() {
                match scope.params[param].passing {
                    Passing::PositionalOnly | Passing::Either => self.pass(place, param, &spread),
                    Passing::RestPositional => {
                        let container = self.rest_container(place, param);
                        self.put(container, Subscript::Unknown, &spread);
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
                        self.put(container, Subscript::Text(*name), values);
                    }
                }
            }
        }
        self.leave_out(place, arguments, passed, &mut back);
        if scope.is_generator {
            return Values::one(Value::Generator(place));
        }
        if arguments.is_result_unused {
            self.visit_result(place);
            return Values::default();
        }
        if back.is_empty() {
            return self.result_of(place);
        }
        if let Some(returned) = self.returns[place as usize].read(self.here) {
            back.extend(&returned);
        }
        back
    }

    /// Notes the parameters that a call leaves out, and returns the defaults of those that the function hands back.
    fn leave_out(&mut self, place: ScopeNumber, arguments: &Arguments, passed: u64, back: &mut Values) {
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
            // Parameters without passed values have their defaults anyway.
            let params = &self.params[place as usize];
            if params.iter().enumerate().any(|(index, values)| left_out & bit(index) != 0 && !values.is_empty()) {
                self.queue.add(place);
            }
        }
    }

    /// Returns the values that a function returns or yields.
    pub(super) fn result_of(&mut self, place: ScopeNumber) -> Values {
        self.visit_result(place);
        let found = self.returns[place as usize].read(self.here);
        found.unwrap_or_else(|| self.declared_returns[place as usize].clone())
    }

    fn visit_result(&mut self, place: ScopeNumber) {
        // Decorators run before functions can be visited.
        if self.are_modules_done {
            self.visit_now(place);
        }
    }

    pub(super) fn pass(&mut self, place: ScopeNumber, param: usize, values: &Values) {
        let grew = self.params[place as usize].get_mut(param).is_some_and(|known| known.extend(values));
        if grew {
            let scope = self.program.scope(place);
            if !scope.idle.contains(&scope.params[param].name) {
                self.queue.add(place);
            }
        }
    }

    /// Assigns the keyword arguments to the fields of a dataclass or model, which has no `__init__` of its own.
    fn fill_fields(&mut self, class: ScopeNumber, arguments: &Arguments) {
        for (name, values) in &arguments.named {
            self.add_attribute(class, *name, values);
        }
    }
}
