//! The values of `object.name`: attributes of instances, classes and their bases, modules and libraries.

use std::sync::Arc;

use super::{Binding, CallManner, Callee, Resolution, bit};
use crate::form::{Expr, ExprId, Range, ScopeKind};
use crate::value::{ScopeNumber, Symbol, Value, Values};

impl Resolution<'_> {
    pub(super) fn attribute(&mut self, objects: &Values, name: Symbol, range: Range) -> Values {
        let mut found = Values::default();
        if name == self.special.dict {
            return if objects.is_empty() { Values::default() } else { self.made("builtins.vars") };
        }
        for object in objects.iter() {
            let values = match object {
                Value::Instance(class) => self.of_instance(class, name, range),
                Value::Class(class) => self.of_class(class, name),
                Value::Module(file) => self.of_module(file, name),
                Value::Super(class, receiver) => {
                    let mro = self.mro(receiver);
                    let after = mro.iter().position(|base| *base == Value::Class(class)).map_or(0, |at| at + 1);
                    self.in_bases(&mro[after..], name, Some(receiver), range)
                }
                Value::Outside(_) | Value::Made(_) => match self.member(object, name) {
                    Some(value) => Values::one(value),
                    None => continue,
                },
                Value::Text(_) => Values::one(Value::Outside(self.builtin_method("builtins.str", name))),
                // Attributes of functions and generators, such as `generator.send`, are not followed.
                _ => continue,
            };
            found.extend(&values);
        }
        found
    }

    fn of_module(&mut self, file: u32, name: Symbol) -> Values {
        if let Some(found) = self.module_name(file, name, 0) {
            return found;
        }
        let text = self.program.symbols.text(name);
        let names = &self.program.modules[file as usize].names;
        names
            .iter()
            .find_map(|module| self.program.module_named(&format!("{module}.{text}")))
            .map(|file| Values::one(Value::Module(file)))
            .unwrap_or_default()
    }

    /// Returns the classes that a class takes its attributes from, itself first: Python's method resolution order, or
    /// the bases one after the other if that order does not exist.
    pub(super) fn mro(&mut self, class: ScopeNumber) -> Arc<[Value]> {
        if let Some(known) = self.mros.get(&class) {
            return Arc::clone(known);
        }
        let mut order = Vec::new();
        self.linearize(class, &mut order, 0);
        let order: Arc<[Value]> = order.into();
        self.mros.insert(class, Arc::clone(&order));
        order
    }

    /// Appends the method resolution order of a class to `order`.
    fn linearize(&mut self, class: ScopeNumber, order: &mut Vec<Value>, depth: u32) {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        // Chosen: no hierarchy is deeper. A circle is an error in the program.
        if depth > 30 {
            return;
        }
        order.push(Value::Class(class));
        let Some(bases) = self.bases.get(&class).cloned() else { return };
        let mut tails: Vec<Vec<Value>> = Vec::new();
        for base in bases.iter() {
            let mut tail = Vec::new();
            match base {
                Value::Class(base) if base != class => {
                    if let Some(known) = self.mros.get(&base) {
                        tail.extend_from_slice(known);
                    } else {
                        self.linearize(base, &mut tail, depth + 1);
                        self.mros.insert(base, tail.as_slice().into());
                    }
                }
                Value::Outside(_) => tail.push(base),
                _ => {}
            }
            tails.push(tail);
        }
        tails.push(bases.iter().filter(|base| matches!(base, Value::Class(_) | Value::Outside(_))).collect());
        loop {
            tails.retain(|tail| !tail.is_empty());
            let Some(first) = tails.first().map(|tail| tail[0]) else { break };
            // C3: the first head that is in no other tail, or else the first head.
            let next = tails
                .iter()
                .map(|tail| tail[0])
                .find(|head| tails.iter().all(|tail| !tail[1..].contains(head)))
                .unwrap_or(first);
            if !order.contains(&next) {
                order.push(next);
            }
            for tail in &mut tails {
                tail.retain(|value| *value != next);
            }
        }
    }

    pub(super) fn of_instance(&mut self, class: ScopeNumber, name: Symbol, range: Range) -> Values {
        let mro = self.mro(class);
        let mut found = Values::default();
        for base in mro.iter() {
            if let Value::Class(base) = base {
                let given = self.attributes[*base as usize].entry(name).or_default();
                if let Some(values) = given.read(self.here) {
                    found.extend(&values);
                }
            }
        }
        if found.is_empty() { self.in_bases(&mro, name, Some(class), range) } else { found }
    }

    pub(super) fn of_class(&mut self, class: ScopeNumber, name: Symbol) -> Values {
        let mro = self.mro(class);
        self.in_bases(&mro, name, None, Range::default())
    }

    /// Returns an attribute that the first class of a list has, read from an instance of `receiver`, or from the class
    /// itself.
    fn in_bases(&mut self, classes: &[Value], name: Symbol, receiver: Option<ScopeNumber>, range: Range) -> Values {
        for class in classes {
            match *class {
                Value::Class(class) => {
                    let Some(values) = self.name_of(class, name) else { continue };
                    return self.bound(&values, class, name, receiver, range);
                }
                Value::Outside(base) => {
                    // Attributes that every object has lead nowhere.
                    if self.outsides.get(base).is_common_base {
                        continue;
                    }
                    let path = self.outsides.member(base, name, &self.program.symbols);
                    return Values::one(Value::Outside(path));
                }
                _ => {}
            }
        }
        Values::default()
    }

    /// Binds a class's attribute to the instance or class that it is read from.
    fn bound(
        &mut self,
        values: &Values,
        class: ScopeNumber,
        name: Symbol,
        receiver: Option<ScopeNumber>,
        range: Range,
    ) -> Values {
        let mut found = Values::default();
        for value in values.iter() {
            let Value::Function(function) = value else {
                found.add(value);
                continue;
            };
            if self.program.scope(function).kind == ScopeKind::Lambda {
                found.add(value);
                continue;
            }
            match (self.bindings[function as usize], receiver) {
                (Binding::Static, _) | (_, None) if self.bindings[function as usize] != Binding::Class => {
                    found.add(value);
                }
                (Binding::Class, receiver) => {
                    found.add(Value::ClassMethod(function, receiver.unwrap_or(class)));
                }
                (Binding::Property, Some(receiver)) => {
                    self.edge(range, None, Callee::Inside(function), CallManner::Implicit);
                    self.pass_self(function, Value::Instance(receiver));
                    found.extend(&self.result_of(function));
                    if self.program.scope(function).hands_back & bit(0) != 0 {
                        found.add(Value::Instance(receiver));
                    }
                }
                (_, Some(receiver)) => {
                    found.add(Value::Method(function, receiver));
                    self.add_overriding(function, class, name, receiver, &mut found);
                }
                (_, None) => {}
            }
        }
        found
    }

    /// Adds the overriding methods of subclasses to a method that is only a stub.
    fn add_overriding(
        &mut self,
        function: ScopeNumber,
        class: ScopeNumber,
        name: Symbol,
        receiver: ScopeNumber,
        found: &mut Values,
    ) {
        if !self.program.scope(function).is_stub {
            return;
        }
        let mut pending = vec![if class == receiver { class } else { receiver }];
        let mut visited = pending.clone();
        while let Some(class) = pending.pop() {
            for subclass in self.subclasses.get(&class).cloned().unwrap_or_default() {
                if visited.contains(&subclass) {
                    continue;
                }
                visited.push(subclass);
                pending.push(subclass);
                for value in self.name_of(subclass, name).unwrap_or_default().iter() {
                    if let Value::Function(overriding) = value {
                        found.add(Value::Method(overriding, subclass));
                    }
                }
            }
        }
    }

    pub(super) fn pass_self(&mut self, function: ScopeNumber, value: Value) {
        self.pass(function, 0, &Values::one(value));
    }

    /// Returns the values that an annotation describes.
    pub(super) fn annotated(&mut self, expr: ExprId) -> Values {
        let scope = self.scope;
        match &scope.exprs[expr as usize] {
            Expr::Name(_) | Expr::Attribute(..) => {
                let values = self.eval(expr);
                values.iter().filter_map(|value| self.instance_of(value)).collect()
            }
            Expr::Either(values, _) => {
                let mut found = Values::default();
                for value in values {
                    found.extend(&self.annotated(*value));
                }
                found
            }
            Expr::Index(object, _, index) => {
                let generic = self.eval(*object);
                let arguments: Vec<ExprId> = match &scope.exprs[*index as usize] {
                    Expr::Items(_, items) => items.clone(),
                    _ => vec![*index],
                };
                let mut found = Values::default();
                for value in generic.iter() {
                    let Value::Outside(outside) = value else {
                        found.extend(&self.instance_of(value).into_iter().collect());
                        continue;
                    };
                    let path = self.path(outside).to_owned();
                    let last = path.rsplit('.').next().unwrap_or_default();
                    match last {
                        "Optional" | "Union" | "Final" | "ClassVar" | "Required" | "NotRequired" => {
                            for argument in &arguments {
                                found.extend(&self.annotated(*argument));
                            }
                        }
                        "Annotated" => {
                            if let [kind, rest @ ..] = arguments.as_slice() {
                                for extra in rest {
                                    let values = self.eval(*extra);
                                    found.extend(
                                        &values
                                            .iter()
                                            .filter(|value| matches!(value, Value::Made(_) | Value::Instance(_)))
                                            .collect(),
                                    );
                                }
                                let declared = self.annotated(*kind);
                                found.extend(&declared);
                            }
                        }
                        "type" | "Type" => {
                            for argument in &arguments {
                                found.extend(&self.eval(*argument));
                            }
                        }
                        "Literal" | "Callable" | "Any" => {}
                        _ if path.starts_with("builtins.")
                            || path.starts_with("typing.")
                            || path.starts_with("collections.") =>
                        {
                            let shape = if last.to_ascii_lowercase().contains("dict") || last.contains("Mapping") {
                                super::Shape::Dict
                            } else {
                                super::Shape::Other
                            };
                            let container = self.container(self.here, expr, shape);
                            if let Some(argument) = arguments.last() {
                                let values = self.annotated(*argument);
                                self.put(container, super::Subscript::Unknown, &values);
                            }
                            found.add(Value::Container(container));
                        }
                        _ => {
                            found.add(Value::Made(outside));
                        }
                    }
                }
                found
            }
            _ => Values::default(),
        }
    }

    /// Returns an instance of a class, or `None` if the type leads to no calls.
    fn instance_of(&self, value: Value) -> Option<Value> {
        match value {
            Value::Class(class) => Some(Value::Instance(class)),
            Value::Outside(outside) => {
                let path = self.path(outside);
                let leads_nowhere = path.starts_with("typing.")
                    || matches!(
                        path,
                        "builtins.object"
                            | "builtins.str"
                            | "builtins.int"
                            | "builtins.float"
                            | "builtins.dict"
                            | "builtins.list"
                            | "builtins.tuple"
                            | "builtins.type"
                    );
                (!leads_nowhere).then_some(Value::Made(outside))
            }
            // An annotation that has a name, as in `Session = Annotated[...]`.
            Value::Made(_) | Value::Instance(_) | Value::Container(_) => Some(value),
            _ => None,
        }
    }
}
