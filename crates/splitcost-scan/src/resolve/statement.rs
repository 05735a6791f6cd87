//! Statements and the names that they bind: assignments, imports, functions and classes.

use smallvec::SmallVec;

use super::call::Arguments;
use super::{Binding, CallManner, Resolution, bit};
use crate::form::{Expr, ExprId, Passing, Range, ScopeId, ScopeKind, Stmt, Target};
use crate::value::{ScopeNumber, Value, Values};

impl<'a> Resolution<'a> {
    /// Interprets a statement.
    pub(super) fn stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Eval(expr) => self.skim(*expr),
            Stmt::Assign { target: Target::Name(name), value, .. } if self.scope.idle.contains(name) => {
                self.skim(*value);
            }
            Stmt::Assign { target, value, weak } => {
                let values = self.eval(*value);
                self.assign(target, &values, *weak);
            }
            Stmt::Annotate { target, annotation, value } => {
                let mut values = value.map(|value| self.eval(value)).unwrap_or_default();
                if values.is_empty() {
                    values = self.annotated(*annotation);
                }
                self.assign(target, &values, false);
            }
            Stmt::For { target, iter, round } => {
                let values = self.eval(*iter);
                let range = self.scope.loops[*round as usize].range;
                let items = self.items_of(&values, range);
                self.replaced.clear();
                self.assign(target, &items, true);
            }
            Stmt::With { is_async, target, context, range } => {
                let values = self.eval(*context);
                let entered = self.entered(&values, *is_async, *range);
                if let Some(target) = target {
                    self.assign(target, &entered, false);
                }
            }
            // Elements that the body replaces are already replaced when it begins again.
            Stmt::Round => self.replaced.clear(),
            Stmt::Raise(value, range) => {
                for class in self.eval(*value).iter().filter(|value| matches!(value, Value::Class(_))) {
                    self.call_value(class, &Arguments::default(), *range, None, CallManner::Implicit);
                }
            }
            Stmt::Return(value) => {
                if !self.hands_back(*value) {
                    let values = self.eval(*value);
                    self.give(&values);
                }
            }
            Stmt::Import { module, bound, whole } => {
                let path = self.text(*module);
                let path = if *whole { path.split('.').next().unwrap_or_default() } else { path };
                let value = self.module_or_outside(path);
                self.bind(self.symbol(*bound), Values::one(value), false);
            }
            Stmt::ImportFrom { level, module, name, bound } => {
                let file = self.program.file_of(self.here);
                let values = match self.program.absolute(file, *level, self.text(*module)) {
                    Some(module) => self.imported(&module, *name),
                    None => Values::default(),
                };
                self.bind(self.symbol(*bound), values, false);
            }
            Stmt::ImportStar { level, module } => {
                let file = self.program.file_of(self.here);
                if let Some(module) = self.program.absolute(file, *level, self.text(*module))
                    && let Some(found) = self.program.module_named(&module)
                {
                    let stars = self.stars.entry(self.here).or_default();
                    if !stars.contains(&found) {
                        stars.push(found);
                    }
                }
            }
            Stmt::Define(id, weak) => self.define(*id, *weak),
        }
    }

    /// Returns whether a value is an unchanged parameter, which each call gets back from its own arguments.
    fn hands_back(&self, value: ExprId) -> bool {
        let scope = self.scope;
        let Expr::Name(name) = scope.exprs[value as usize] else { return false };
        scope.hands_back != 0
            && scope
                .params
                .iter()
                .position(|param| param.name == name)
                .is_some_and(|param| scope.hands_back & bit(param) != 0)
    }

    pub(super) fn imported(&mut self, module: &str, name: u32) -> Values {
        let symbol = self.symbol(name);
        if let Some(file) = self.program.module_named(module) {
            if let Some(values) = self.module_name(file, symbol, 0) {
                return values;
            }
            return self
                .program
                .module_named(&format!("{module}.{}", self.text(name)))
                .map(|file| Values::one(Value::Module(file)))
                .unwrap_or_default();
        }
        let path = format!("{module}.{}", self.text(name));
        Values::one(self.module_or_outside(&path))
    }

    pub(super) fn module_or_outside(&mut self, path: &str) -> Value {
        match self.program.module_named(path) {
            Some(file) => Value::Module(file),
            None => Value::Outside(self.outside(path)),
        }
    }

    /// Interprets a function or class statement.
    pub(super) fn define(&mut self, id: ScopeId, weak: bool) {
        let place = self.program.place(self.program.file_of(self.here), id);
        let scope = self.program.scope(place);
        let mut decorators: SmallVec<[(ExprId, Values); 2]> = SmallVec::new();
        for decorator in &scope.decorators {
            let mut found = self.eval(*decorator);
            if found.is_empty() && self.visit_made(*decorator) {
                found = self.eval(*decorator);
            }
            decorators.push((*decorator, found));
        }
        let all: Values = decorators.iter().flat_map(|(_, values)| values.iter()).collect();
        if !scope.decorators.is_empty() {
            self.bindings[place as usize] = self.binding(&all);
            self.decorators.insert(place, all);
        }
        let own = if scope.kind == ScopeKind::Class {
            let bases: Values = scope
                .bases
                .iter()
                .map(|base| self.eval(*base))
                .collect::<Vec<_>>()
                .iter()
                .flat_map(Values::iter)
                .collect();
            for base in bases.iter() {
                if let Value::Class(base) = base {
                    let known = self.subclasses.entry(base).or_default();
                    if !known.contains(&place) {
                        known.push(place);
                    }
                }
            }
            if self.bases.get(&place) != Some(&bases) {
                self.bases.insert(place, bases);
                self.mros.clear();
            }
            self.class_body(place);
            Value::Class(place)
        } else {
            self.declare(place);
            Value::Function(place)
        };
        let mut values = Values::one(own);
        for (decorator, found) in decorators.iter().rev() {
            let range = match self.range_of(*decorator) {
                range if range == Range::default() => scope.range,
                range => range,
            };
            values = self.decorated(range, found, values);
        }
        // A wrapper may stand for many functions: the function itself says which one this name means.
        if self.wrappers.contains_key(&place) {
            values.add(own);
        }
        let name = self.program.name(place);
        self.bind(name, values, weak);
    }

    /// Visits the functions that `@name(...)` calls, since their results are needed now. Returns whether any of them had
    /// not been visited before.
    fn visit_made(&mut self, decorator: ExprId) -> bool {
        let scope = self.scope;
        let Expr::Call(call) = scope.exprs[decorator as usize] else { return false };
        let mut is_new = false;
        for value in self.eval(scope.calls[call as usize].function).iter() {
            if let Value::Function(place) | Value::Method(place, _) | Value::ClassMethod(place, _) = value {
                is_new |= !self.queue.is_visited(place);
                self.visit_now(place);
            }
        }
        is_new
    }

    /// Returns the way in which decorators bind a method.
    fn binding(&self, decorators: &Values) -> Binding {
        let paths = decorators.iter().filter_map(|value| match value {
            Value::Outside(outside) | Value::Made(outside) => Some(self.path(outside)),
            _ => None,
        });
        paths.fold(Binding::Method, |binding, path| match path {
            "builtins.staticmethod" => Binding::Static,
            "builtins.classmethod" => Binding::Class,
            "builtins.property"
            | "functools.cached_property"
            | "abc.abstractproperty"
            | "werkzeug.utils.cached_property" => Binding::Property,
            _ => binding,
        })
    }

    /// Interprets a class body. Its names belong to the class.
    pub(super) fn class_body(&mut self, place: ScopeNumber) {
        // The body has its own expressions and edges, and binds no names of the function around it.
        let here = self.here;
        self.stand_in(place);
        let flow = std::mem::take(&mut self.flow);
        self.edges[place as usize].clear();
        self.sites[place as usize].clear();
        self.unresolved[place as usize].clear();
        self.queue.visited(place);
        self.body();
        self.stand_in(here);
        self.flow = flow;
    }

    /// Records the values that annotations and defaults give to the parameters and the result of a function.
    pub(super) fn declare(&mut self, place: ScopeNumber) {
        let scope = self.program.scope(place);
        let parent = self.scope;
        let is_method = parent.kind == ScopeKind::Class && self.bindings[place as usize] != Binding::Static;
        for (index, param) in scope.params.iter().enumerate() {
            let mut values = Values::default();
            if let Some(annotation) = param.annotation {
                values.extend(&self.annotated(annotation));
            }
            if let Some(default) = param.default {
                let default = self.eval(default);
                if !default.is_empty() {
                    self.defaults[place as usize] |= bit(index);
                }
                if values.is_empty() || default.iter().any(|value| matches!(value, Value::Function(_) | Value::Made(_)))
                {
                    values.extend(&default);
                }
            }
            if index == 0 && is_method && scope.kind == ScopeKind::Function {
                let is_class = self.bindings[place as usize] == Binding::Class
                    || self.program.symbols.text(self.program.name(place)) == "__new__";
                let own = if is_class { Value::Class(self.here) } else { Value::Instance(self.here) };
                values = Values::one(own);
            }
            if matches!(param.passing, Passing::RestPositional | Passing::RestKeyword) {
                values = Values::one(Value::Container(self.rest_container(place, index)));
            }
            if self.declared[place as usize][index] != values {
                self.declared[place as usize][index] = values;
                if self.queue.is_visited(place) {
                    self.queue.add(place);
                }
            }
        }
        if let Some(returns) = scope.returns {
            let values = self.annotated(returns);
            self.declared_returns[place as usize] = values;
        }
    }
}
