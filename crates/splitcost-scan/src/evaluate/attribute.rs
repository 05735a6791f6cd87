//! What `object.name` is: instances, classes and their bases, modules, libraries.

use std::sync::Arc;

use super::{Binding, Callee, Evaluation, Manner, bit};
use crate::form::{Expr, ExprId, Kind, Range};
use crate::value::{Place, Symbol, Value, Values};

impl Evaluation<'_> {
    pub(super) fn attribute(&mut self, objects: &Values, name: Symbol, range: Range) -> Values {
        let mut found = Values::default();
        if name == self.words.dict {
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
                // `function.__wrapped__`, `generator.send`: nothing that is followed.
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

    /// The classes that a class takes its attributes from, itself first: the order of Python's `__mro__`, or, where
    /// that is not known, each base after the other.
    pub(super) fn mro(&mut self, class: Place) -> Arc<[Value]> {
        if let Some(known) = self.mros.get(&class) {
            return Arc::clone(known);
        }
        let mut order = Vec::new();
        self.linearize(class, &mut order, 0);
        let order: Arc<[Value]> = order.into();
        self.mros.insert(class, Arc::clone(&order));
        order
    }

    fn linearize(&mut self, class: Place, order: &mut Vec<Value>, depth: u32) {
        // Chosen: no hierarchy is deeper; a circle is an error in the program.
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
            // C3: a head that no other tail holds back; the first one where there is none.
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

    pub(super) fn of_instance(&mut self, class: Place, name: Symbol, range: Range) -> Values {
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

    pub(super) fn of_class(&mut self, class: Place, name: Symbol) -> Values {
        let mro = self.mro(class);
        self.in_bases(&mro, name, None, Range::default())
    }

    /// An attribute that some class of the list has; taken from an instance of `receiver`, or from the class itself.
    fn in_bases(&mut self, classes: &[Value], name: Symbol, receiver: Option<Place>, range: Range) -> Values {
        for class in classes {
            match *class {
                Value::Class(class) => {
                    let Some(values) = self.name_of(class, name) else { continue };
                    return self.taken(&values, class, name, receiver, range);
                }
                Value::Outside(base) => {
                    // What every object has says nothing.
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

    /// What a class's attribute becomes when it is read from an instance or the class.
    fn taken(&mut self, values: &Values, class: Place, name: Symbol, receiver: Option<Place>, range: Range) -> Values {
        let mut found = Values::default();
        for value in values.iter() {
            let Value::Function(function) = value else {
                found.add(value);
                continue;
            };
            if self.program.scope(function).kind == Kind::Lambda {
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
                    self.edge(range, None, Callee::Inside(function), Manner::Implicit);
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

    /// A method that only says that subclasses do the work stands for theirs.
    fn add_overriding(&mut self, function: Place, class: Place, name: Symbol, receiver: Place, found: &mut Values) {
        if !self.program.scope(function).is_stub {
            return;
        }
        let mut pending = vec![if class == receiver { class } else { receiver }];
        let mut seen = pending.clone();
        while let Some(class) = pending.pop() {
            for subclass in self.subclasses.get(&class).cloned().unwrap_or_default() {
                if seen.contains(&subclass) {
                    continue;
                }
                seen.push(subclass);
                pending.push(subclass);
                for value in self.name_of(subclass, name).unwrap_or_default().iter() {
                    if let Value::Function(overriding) = value {
                        found.add(Value::Method(overriding, subclass));
                    }
                }
            }
        }
    }

    pub(super) fn pass_self(&mut self, function: Place, value: Value) {
        self.pass(function, 0, &Values::one(value));
    }

    /// What a value is when an annotation says so.
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
                                self.put(container, super::Key2::Unknown, &values);
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

    fn instance_of(&self, value: Value) -> Option<Value> {
        match value {
            Value::Class(class) => Some(Value::Instance(class)),
            Value::Outside(outside) => {
                let path = self.path(outside);
                let says_nothing = path.starts_with("typing.")
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
                (!says_nothing).then_some(Value::Made(outside))
            }
            // An alias of an annotation: `Session = Annotated[...]`.
            Value::Made(_) | Value::Instance(_) | Value::Container(_) => Some(value),
            _ => None,
        }
    }
}
