//! The values of expressions: names, containers, comprehensions.

use super::{MAX_DEPTH, Resolution, Shape, Subscript};
use crate::form::{Comprehension, Constant, Expr, ExprId, Key, Range, ScopeKind, Sequence};
use crate::library::Traits;
use crate::value::{Symbol, Value, Values};

impl<'a> Resolution<'a> {
    /// Returns the values of an expression.
    pub(crate) fn eval(&mut self, expr: ExprId) -> Values {
        if self.depth > MAX_DEPTH {
            return Values::default();
        }
        self.depth += 1;
        let values = self.eval_within(expr);
        self.depth -= 1;
        values
    }

    /// Visits an expression whose value is not used, for the calls inside it.
    ///
    /// Names are not read, so this scope is not visited again when their values grow.
    pub(super) fn skim(&mut self, expr: ExprId) {
        if self.depth > MAX_DEPTH {
            return;
        }
        self.depth += 1;
        self.skim_within(expr);
        self.depth -= 1;
    }

    fn skim_within(&mut self, id: ExprId) {
        let scope = self.scope;
        match &scope.exprs[id as usize] {
            Expr::Name(_) | Expr::Text(_) | Expr::Constant(_) | Expr::Yield(None) => {}
            Expr::Call(call) => {
                self.call(*call, false);
            }
            Expr::Await(inner) => self.skim(*inner),
            Expr::Index(object, key, index) => {
                self.skim(*object);
                if matches!(key, Key::Slice(_) | Key::Unknown) {
                    self.skim(*index);
                }
            }
            Expr::Either(values, others) => others.iter().chain(values).for_each(|part| self.skim(*part)),
            Expr::Other(parts) => parts.iter().for_each(|part| self.skim(*part)),
            // These may read a property, bind or return a value, or call an iterator.
            Expr::Attribute(..)
            | Expr::Items(..)
            | Expr::Dict(_)
            | Expr::Starred(_)
            | Expr::Lambda(_)
            | Expr::Bind(..)
            | Expr::Yield(Some(_))
            | Expr::YieldFrom(_)
            | Expr::Comprehension(_) => {
                self.eval_within(id);
            }
        }
    }

    pub(super) fn eval_within(&mut self, id: ExprId) -> Values {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        let scope = self.scope;
        match &scope.exprs[id as usize] {
            Expr::Name(name) => self.look_up(self.symbol(*name)),
            Expr::Attribute(object, name, range) => {
                let objects = self.eval(*object);
                self.attribute(&objects, self.symbol(*name), *range)
            }
            Expr::Call(call) => self.call(*call, true),
            Expr::Await(value) => self.eval(*value),
            Expr::Index(object, key, index) => {
                let found = self.indexed(id, *object, *key, *index);
                // An annotation that has a name: `SessionDep = Annotated[Session, Depends(session)]`.
                let is_annotation = |value| match value {
                    Value::Outside(outside) => self.path(outside).rsplit('.').next() == Some("Annotated"),
                    _ => false,
                };
                if found.iter().any(is_annotation) { self.annotated(id) } else { found }
            }
            Expr::Text(text) => Values::one(Value::Text(self.symbol(*text))),
            Expr::Constant(Constant::Bytes) => self.made("builtins.bytes"),
            Expr::Constant(_) => Values::default(),
            Expr::Items(sequence, items) => self.items(id, *sequence, items),
            Expr::Dict(items) => self.dict(id, items),
            Expr::Starred(inner) => self.eval(*inner),
            Expr::Lambda(id) => {
                let place = self.program.place(self.program.file_of(self.here), *id);
                self.declare(place);
                Values::one(Value::Function(place))
            }
            Expr::Either(values, others) => {
                for other in others {
                    self.skim(*other);
                }
                let mut found = Values::default();
                for value in values {
                    found.extend(&self.eval(*value));
                }
                found
            }
            Expr::Bind(name, value) => {
                let values = self.eval(*value);
                self.bind(self.symbol(*name), values.clone(), true);
                values
            }
            Expr::Yield(value) => {
                if let Some(value) = value {
                    let values = self.eval(*value);
                    self.give(&values);
                }
                Values::default()
            }
            Expr::YieldFrom(value) => {
                let values = self.eval(*value);
                let items = self.items_of(&values, Range::default());
                self.give(&items);
                Values::default()
            }
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension),
            Expr::Other(parts) => {
                for part in parts {
                    self.skim(*part);
                }
                Values::default()
            }
        }
    }

    /// Returns the values of a subscript.
    pub(super) fn indexed(&mut self, id: ExprId, object: ExprId, key: Key, index: ExprId) -> Values {
        let objects = self.eval(object);
        if matches!(key, Key::Slice(_) | Key::Unknown) {
            self.skim(index);
        }
        let slice = match key {
            Key::Slice(slice) => Some(slice),
            _ => None,
        };
        let key = self.key(key);
        let mut found = Values::default();
        for object in objects.iter() {
            match object {
                Value::Container(container) => match slice {
                    Some(ends) => {
                        found.add(self.sliced(id, container, ends));
                    }
                    None => {
                        found.extend(&self.element(container, key));
                    }
                },
                // A single attribute of an object's dictionary is not followed.
                Value::Made(outside) if self.traits(outside).has(Traits::OBJECT_DICT) => {}
                // A subscript of a library's mapping or generic class is taken to be the same kind of object.
                Value::Made(_) | Value::Outside(_) | Value::Class(_) => {
                    found.add(object);
                }
                _ => {}
            }
        }
        found
    }

    /// Returns a slice of a list or tuple.
    fn sliced(&mut self, id: ExprId, container: u32, ends: Option<(u32, u32)>) -> Value {
        let part = self.container(self.here, id, self.shape(container));
        for (key, values) in self.read_elements(container) {
            let key = match (key, ends) {
                (Subscript::Int(at), Some((start, end))) if at >= 0 => {
                    if !(i64::from(start)..i64::from(end)).contains(&at) {
                        continue;
                    }
                    Subscript::Int(at - i64::from(start))
                }
                _ => Subscript::Unknown,
            };
            self.put(part, key, &values);
        }
        Value::Container(part)
    }

    /// Returns the container that a list, tuple or set expression makes.
    pub(super) fn items(&mut self, id: ExprId, sequence: Sequence, items: &[ExprId]) -> Values {
        let scope = self.scope;
        let container = self.container(self.here, id, Shape::Sequence(sequence));
        for (index, item) in items.iter().enumerate() {
            if let Expr::Starred(inner) = &scope.exprs[*item as usize] {
                let values = self.eval(*inner);
                let values = self.items_of(&values, Range::default());
                self.put(container, Subscript::Unknown, &values);
            } else {
                let values = self.eval(*item);
                let key = if sequence == Sequence::Set { Subscript::Unknown } else { Subscript::at(index) };
                self.put(container, key, &values);
            }
        }
        Values::one(Value::Container(container))
    }

    /// Returns the container that a dictionary expression makes.
    pub(super) fn dict(&mut self, id: ExprId, items: &[(Option<Key>, ExprId)]) -> Values {
        let container = self.container(self.here, id, Shape::Dict);
        for (key, value) in items {
            let values = self.eval(*value);
            if let Some(key) = key {
                self.put(container, self.key(*key), &values);
                continue;
            }
            self.open.insert(container);
            for value in values.iter() {
                let Value::Container(other) = value else { continue };
                for (key, values) in self.read_elements(other) {
                    self.put(container, key, &values);
                }
            }
        }
        Values::one(Value::Container(container))
    }

    /// Returns the container that a comprehension or generator expression makes.
    pub(super) fn comprehension(&mut self, id: ExprId, comprehension: &'a Comprehension) -> Values {
        for (target, iter, round) in &comprehension.generators {
            let values = self.eval(*iter);
            let range = self.scope.loops[*round as usize].range;
            let items = self.items_of(&values, range);
            self.assign(target, &items, false);
        }
        for condition in &comprehension.conditions {
            self.skim(*condition);
        }
        if let Some(key) = comprehension.key {
            self.skim(key);
        }
        let values = self.eval(comprehension.element);
        let shape = match (comprehension.key, comprehension.is_set) {
            (Some(_), _) => Shape::Dict,
            (None, true) => Shape::Sequence(Sequence::Set),
            (None, false) => Shape::Sequence(Sequence::List),
        };
        let container = self.container(self.here, id, shape);
        self.put(container, Subscript::Unknown, &values);
        Values::one(Value::Container(container))
    }

    /// Returns the values of a name, looked up as Python does.
    pub(super) fn look_up(&mut self, name: Symbol) -> Values {
        if let Some(values) = self.flow.get(&name) {
            return values.clone();
        }
        let mut at = self.here;
        loop {
            let scope = self.program.scope(at);
            let is_own_class = scope.kind == ScopeKind::Class && at == self.here;
            let is_function = matches!(scope.kind, ScopeKind::Function | ScopeKind::Lambda);
            let is_kept = at != self.here || self.program.is_read_out_of_order(at);
            if is_own_class || (is_function && is_kept && self.program.binds(at, name)) {
                let found = self.name_of(at, name).unwrap_or_default();
                if is_function || !found.is_empty() {
                    return found;
                }
            }
            if scope.kind == ScopeKind::Module {
                match self.module_name(self.program.file_of(at), name, 0) {
                    Some(found) => return found,
                    None => break,
                }
            }
            at = self.program.parent(at);
        }
        self.outsides.builtin(name).map(|builtin| Values::one(Value::Outside(builtin))).unwrap_or_default()
    }

    /// Returns the values of a name of a module, looked up through `import *` too.
    pub(super) fn module_name(&mut self, file: u32, name: Symbol, depth: u32) -> Option<Values> {
        let place = self.program.module_place(file);
        if let Some(found) = self.name_of(place, name) {
            return Some(found);
        }
        // Chosen: no chain of `import *` statements is longer.
        if depth < 6
            && let Some(stars) = self.stars.get(&place).cloned()
        {
            // The last module that has the name hides the others.
            return stars.into_iter().rev().find_map(|star| self.module_name(star, name, depth + 1));
        }
        None
    }
}
