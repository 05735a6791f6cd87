//! The resolution of calls: it follows values to names by abstract interpretation, and so finds out which function each
//! call calls.
//!
//! Within a scope, values are followed in source order: an assignment that surely runs replaces the previous values, one
//! in a branch adds to them. Between scopes, order is ignored: the values of a parameter, a result or an attribute are
//! collected from the whole program. A scope is visited again when a value set that it read has grown, at most
//! [`MAX_VISITS`] times; no fixpoint over the whole program is computed.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::form::{CallId, Expr, ExprId, Key, Passing, Range, Scope, ScopeKind, Sequence, Stmt, Target};
use crate::library::{Library, Traits};
use crate::program::Program;
use crate::value::{Outside, ScopeNumber, Symbol, Value, Values};

mod attribute;
mod builtin;
mod call;
mod container;
mod dispatch;
mod expression;
mod implicit;
mod library_call;
mod outside;
mod slot;
mod statement;
#[cfg(test)]
mod tests;

use outside::Outsides;
use slot::{Elements, NameTable, Queue, Slot, note};

/// The number of visits to a scope. Chosen: the values of real programs settle after two to four.
const MAX_VISITS: u8 = 8;
/// The number of replaced elements that are remembered. Chosen: only generated programs replace more.
const MAX_REPLACED: usize = 32;
/// The depth of expressions and calls that is followed. Chosen: only generated programs go deeper.
const MAX_DEPTH: u32 = 200;
/// The number of visits inside one another. Chosen: longer chains of functions that each need the result of the next are
/// rare, and their functions are visited again later.
const MAX_NESTED: u32 = 24;

/// The callee of a call: a function of the program, or an external one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Callee {
    Inside(ScopeNumber),
    Outside(Outside),
}

/// The way in which a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CallManner {
    /// At once, in the same thread.
    Direct,
    /// Without parentheses: by reading a property, entering a context or iterating.
    Implicit,
    /// In another thread or process.
    Offloaded,
    /// Later, by a framework.
    Deferred,
    /// By code that may call any of many functions: a decorator's wrapper or an event dispatcher. Only its caller, or
    /// running it, can say which one.
    Dispatched,
}

/// One possible target of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallEdge {
    /// The range of the call in its file.
    pub(crate) range: Range,
    /// The call expression; `None` for a call without parentheses.
    pub(crate) call: Option<CallId>,
    pub(crate) callee: Callee,
    pub(crate) manner: CallManner,
}

/// A call site of an external function that has traits, with the values of its arguments.
#[derive(Clone, Debug)]
pub(crate) struct CallSite {
    pub(crate) call: CallId,
    pub(crate) callee: Outside,
    /// The values of the object, as of `session` in `session.get(...)`.
    pub(crate) receivers: Values,
    pub(crate) positional: Vec<Values>,
    pub(crate) named: Vec<(Symbol, Values)>,
}

/// The state of the abstract interpretation, and after it the resolved calls.
pub(crate) struct Resolution<'a> {
    pub(crate) program: &'a Program,
    pub(crate) library: &'a Library,
    outsides: Outsides<'a>,
    /// For each place, the values of its names: of modules, classes, and functions whose names are read out of order.
    names: Vec<NameTable>,
    /// For each class, the values of the attributes of its instances.
    attributes: Vec<NameTable>,
    /// For each place, the values that calls pass to its parameters.
    params: Vec<Box<[Values]>>,
    /// For each place, the values that annotations and defaults give to its parameters.
    declared: Vec<Box<[Values]>>,
    /// For each place, the parameters whose defaults have values, one bit each.
    defaults: Vec<u64>,
    /// For each place, the parameters that some call leaves out, one bit each.
    left_out: Vec<u64>,
    /// For each place, the values that it returns or yields.
    returns: Vec<Slot>,
    /// For each place, the values that the annotation of its result gives.
    declared_returns: Vec<Values>,
    bases: FxHashMap<ScopeNumber, Values>,
    /// The method resolution orders of classes, dropped when any base class changes.
    mros: FxHashMap<ScopeNumber, Arc<[Value]>>,
    subclasses: FxHashMap<ScopeNumber, Vec<ScopeNumber>>,
    decorators: FxHashMap<ScopeNumber, Values>,
    /// For each place, the way in which it is bound as a method.
    bindings: Vec<Binding>,
    /// For each container, its elements.
    elements: Vec<Elements>,
    /// For each decorated function, the functions that the program's decorators replaced it by.
    wrappers: FxHashMap<ScopeNumber, SmallVec<[ScopeNumber; 2]>>,
    /// The number of the container that an expression of a place makes.
    containers: FxHashMap<(ScopeNumber, u32), u32>,
    /// For each container, its shape.
    container_kind: Vec<Shape>,
    /// The containers that the contents of other containers flow into.
    open: FxHashSet<u32>,
    /// For each container, the place that makes it.
    container_place: Vec<ScopeNumber>,
    /// For each place, the files that it imports by `import *`.
    stars: FxHashMap<ScopeNumber, Vec<u32>>,
    pub(crate) edges: Vec<Vec<CallEdge>>,
    pub(crate) sites: Vec<Vec<CallSite>>,
    /// For each place, the calls that resolve to nothing.
    unresolved: Vec<Vec<CallId>>,
    queue: Queue,
    /// The place that is visited now; the following fields are about it.
    here: ScopeNumber,
    scope: &'a Scope,
    /// The symbols of the texts of its file.
    symbols: &'a [Symbol],
    /// The values of its names at the current statement.
    flow: FxHashMap<Symbol, Values>,
    /// The elements that were surely replaced since the last call of a function of the program.
    replaced: Vec<((u32, Subscript), Values)>,
    depth: u32,
    /// The number of suspended visits, each of which waits for the result of the next one.
    nested: u32,
    special: SpecialNames,
    module_visited: Vec<bool>,
    are_modules_done: bool,
    /// The number of evaluated expressions and linearized classes: the work that tests bound.
    #[cfg(test)]
    steps: u64,
}

/// A subscript or key, comparable across files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subscript {
    Text(Symbol),
    Int(i64),
    Unknown,
}

/// Returns the bit of a parameter; zero for those after the first 64, which are not followed.
fn bit(param: usize) -> u64 {
    1_u64.checked_shl(param as u32).unwrap_or_default()
}

impl Subscript {
    fn at(index: usize) -> Self {
        Self::Int(i64::try_from(index).unwrap_or(i64::MAX))
    }
}

/// The way in which a function of a class is bound when it is read as an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binding {
    Method,
    Static,
    Class,
    Property,
}

/// The type of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Sequence(Sequence),
    Dict,
    Other,
}

/// Names that have a meaning of their own in Python.
struct SpecialNames {
    init: Symbol,
    call: Symbol,
    enter: [Symbol; 2],
    exit: [Symbol; 2],
    iter: [Symbol; 4],
    dict: Symbol,
    self_: Symbol,
}

impl<'a> Resolution<'a> {
    /// Resolves the calls of a whole program.
    pub(crate) fn of(program: &'a mut Program, library: &'a Library) -> Self {
        let symbols = &mut program.symbols;
        let special = SpecialNames {
            init: symbols.of("__init__"),
            call: symbols.of("__call__"),
            enter: [symbols.of("__enter__"), symbols.of("__aenter__")],
            exit: [symbols.of("__exit__"), symbols.of("__aexit__")],
            iter: [symbols.of("__iter__"), symbols.of("__next__"), symbols.of("__aiter__"), symbols.of("__anext__")],
            dict: symbols.of("__dict__"),
            self_: symbols.of("self"),
        };
        let program: &Program = program;
        let places = program.places();
        let params = |place: usize| vec![Values::default(); program.scope(place as ScopeNumber).params.len()].into();
        let mut resolution = Self {
            program,
            library,
            outsides: Outsides::new(library, &program.symbols),
            names: vec![NameTable::default(); places],
            attributes: vec![NameTable::default(); places],
            params: (0..places).map(params).collect(),
            declared: (0..places).map(params).collect(),
            defaults: vec![0; places],
            left_out: vec![0; places],
            returns: vec![Slot::default(); places],
            declared_returns: vec![Values::default(); places],
            bases: FxHashMap::default(),
            mros: FxHashMap::default(),
            subclasses: FxHashMap::default(),
            decorators: FxHashMap::default(),
            bindings: vec![Binding::Method; places],
            elements: Vec::new(),
            wrappers: FxHashMap::default(),
            containers: FxHashMap::default(),
            container_kind: Vec::new(),
            open: FxHashSet::default(),
            container_place: Vec::new(),
            stars: FxHashMap::default(),
            edges: vec![Vec::new(); places],
            sites: vec![Vec::new(); places],
            unresolved: vec![Vec::new(); places],
            queue: Queue::new(places),
            here: 0,
            scope: program.empty_scope(),
            symbols: &[],
            flow: FxHashMap::default(),
            replaced: Vec::new(),
            depth: 0,
            nested: 0,
            special,
            module_visited: vec![false; program.files.len()],
            are_modules_done: false,
            #[cfg(test)]
            steps: 0,
        };
        resolution.run();
        resolution.split_wrappers();
        resolution.mark_dispatchers();
        resolution
    }

    fn run(&mut self) {
        for file in self.import_order() {
            self.visit(self.program.module_place(file));
        }
        self.are_modules_done = true;
        for place in 0..self.program.places() as ScopeNumber {
            if matches!(self.program.scope(place).kind, ScopeKind::Function | ScopeKind::Lambda) {
                self.queue.add(place);
            }
        }
        while let Some(place) = self.queue.next() {
            self.visit(place);
        }
    }

    /// Returns the files, each after the ones that it imports, unless they import each other.
    fn import_order(&self) -> Vec<u32> {
        let count = self.program.files.len();
        let mut state = vec![0_u8; count];
        let mut order = Vec::with_capacity(count);
        for start in 0..count as u32 {
            let mut stack = vec![(start, false)];
            while let Some((file, done)) = stack.pop() {
                if done {
                    order.push(file);
                    continue;
                }
                if state[file as usize] != 0 {
                    continue;
                }
                state[file as usize] = 1;
                stack.push((file, true));
                let first = stack.len();
                for stmt in &self.program.files[file as usize].scopes[0].stmts {
                    for imported in self.imported_by(file, stmt) {
                        if state[imported as usize] == 0 {
                            stack.push((imported, false));
                        }
                    }
                }
                // The first import must be on top.
                stack[first..].reverse();
            }
        }
        order
    }

    /// Returns the files that a statement imports.
    pub(crate) fn imported_by(&self, file: u32, stmt: &Stmt) -> SmallVec<[u32; 2]> {
        let texts = &self.program.files[file as usize].texts;
        let text = |id: u32| &*texts[id as usize];
        let mut found = SmallVec::new();
        match stmt {
            Stmt::Import { module, .. } => found.extend(self.program.module_named(text(*module))),
            Stmt::ImportFrom { level, module, name, .. } => {
                if let Some(module) = self.program.absolute(file, *level, text(*module)) {
                    found.extend(self.program.module_named(&module));
                    found.extend(self.program.module_named(&format!("{module}.{}", text(*name))));
                }
            }
            Stmt::ImportStar { level, module } => {
                if let Some(module) = self.program.absolute(file, *level, text(*module)) {
                    found.extend(self.program.module_named(&module));
                }
            }
            _ => {}
        }
        found
    }

    /// Interprets a scope, and replaces the edges that an earlier visit found.
    fn visit(&mut self, place: ScopeNumber) {
        let scope = self.program.scope(place);
        self.queue.visited(place);
        self.stand_in(place);
        self.flow.clear();
        self.replaced.clear();
        self.edges[place as usize].clear();
        self.sites[place as usize].clear();
        self.unresolved[place as usize].clear();
        if scope.kind == ScopeKind::Module {
            self.module_visited[self.program.file_of(place) as usize] = true;
        }
        for (index, param) in scope.params.iter().enumerate() {
            let mut values = self.params[place as usize][index].clone();
            if values.is_empty() {
                values = self.declared[place as usize][index].clone();
            } else if self.left_out[place as usize] & bit(index) != 0 {
                values.extend(&self.declared[place as usize][index]);
            }
            self.bind(self.program.symbol(place, param.name), values, false);
        }
        self.body();
    }

    /// Makes a place the current one.
    fn stand_in(&mut self, place: ScopeNumber) {
        self.here = place;
        self.scope = self.program.scope(place);
        self.symbols = self.program.texts(place);
    }

    /// Interprets the statements of the current scope. A class body runs within the visit of its parent.
    fn body(&mut self) {
        for stmt in &self.scope.stmts {
            self.stmt(stmt);
        }
    }

    fn rest_container(&mut self, place: ScopeNumber, index: usize) -> u32 {
        let shape = match self.program.scope(place).params[index].passing {
            Passing::RestKeyword => Shape::Dict,
            _ => Shape::Sequence(Sequence::Tuple),
        };
        self.container(place, u32::MAX - index as u32, shape)
    }

    fn container(&mut self, place: ScopeNumber, expr: u32, shape: Shape) -> u32 {
        let next = self.container_kind.len() as u32;
        let id = *self.containers.entry((place, expr)).or_insert(next);
        if id == next {
            self.container_kind.push(shape);
            self.container_place.push(place);
            self.elements.push(Elements::default());
        }
        id
    }

    /// Returns whether a container holds only the elements that its own expression lists. It does not if the contents of
    /// another container flow into it, or if it is `**kwargs`.
    pub(crate) fn is_closed(&self, container: u32) -> bool {
        let is_rest = self.shape(container) == Shape::Dict
            && (0..8).any(|index| {
                self.containers.get(&(self.container_place[container as usize], u32::MAX - index)) == Some(&container)
            });
        !is_rest && !self.open.contains(&container)
    }

    pub(crate) fn is_set(&self, container: u32) -> bool {
        self.shape(container) == Shape::Sequence(Sequence::Set)
    }

    /// Returns whether a class has no base class that might make its instances encodable.
    pub(crate) fn is_plain_class(&self, class: ScopeNumber) -> bool {
        self.bases.get(&class).is_none_or(|bases| {
            bases.iter().all(|base| match base {
                Value::Class(base) => base != class && self.is_plain_class(base),
                Value::Outside(outside) => matches!(self.path(outside), "builtins.object" | "pydantic.BaseModel"),
                _ => false,
            })
        })
    }

    pub(crate) fn shape(&self, container: u32) -> Shape {
        self.container_kind[container as usize]
    }

    /// Returns the number of calls of a scope that resolve to nothing. A call may have been interpreted several times.
    pub(crate) fn unresolved(&self, place: ScopeNumber) -> u64 {
        let known = self.edges[place as usize].iter().filter_map(|edge| edge.call);
        let unknown: BTreeSet<CallId> = self.unresolved[place as usize].iter().copied().collect();
        unknown.len() as u64 - known.filter(|call| unknown.contains(call)).collect::<BTreeSet<_>>().len() as u64
    }

    /// Returns all values that a scope returns or yields.
    pub(crate) fn returned(&self, place: ScopeNumber) -> Values {
        let mut values = self.returns[place as usize].values.clone();
        let hands_back = self.program.scope(place).hands_back;
        let params = self.params[place as usize].iter().zip(&self.declared[place as usize]).enumerate();
        for (_, (given, declared)) in params.filter(|(index, _)| hands_back & bit(*index) != 0) {
            values.extend(if given.is_empty() { declared } else { given });
        }
        values
    }

    /// Visits a function for the first time, in the middle of a visit that needs its result.
    fn visit_now(&mut self, place: ScopeNumber) {
        if self.queue.is_visited(place) || self.nested >= MAX_NESTED {
            return;
        }
        let outer = (self.here, self.depth, mem::take(&mut self.flow), mem::take(&mut self.replaced));
        self.nested += 1;
        self.depth = 0;
        self.visit(place);
        self.nested -= 1;
        self.stand_in(outer.0);
        (_, self.depth, self.flow, self.replaced) = outer;
    }

    /// Adds to the values that the current scope returns or yields.
    fn give(&mut self, values: &Values) {
        self.returns[self.here as usize].add(values, &mut self.queue);
    }

    fn symbol(&self, text: u32) -> Symbol {
        self.symbols[text as usize]
    }

    fn text(&self, text: u32) -> &'a str {
        self.program.symbols.text(self.symbols[text as usize])
    }

    fn bind(&mut self, name: Symbol, values: Values, weak: bool) {
        let (here, scope) = (self.here, self.scope);
        let declared_global = scope.globals.iter().any(|global| self.symbol(*global) == name);
        if declared_global {
            let module = self.program.module_place(self.program.file_of(here));
            self.add_name(module, name, &values);
            return;
        }
        if scope.nonlocals.iter().any(|nonlocal| self.symbol(*nonlocal) == name) {
            let mut at = self.program.parent(here);
            while !self.program.is_module(at) && !self.program.binds(at, name) {
                at = self.program.parent(at);
            }
            self.add_name(at, name, &values);
            return;
        }
        if self.program.is_read_out_of_order(here) {
            self.add_name(here, name, &values);
        }
        match self.flow.get_mut(&name) {
            Some(before) if weak => {
                before.extend(&values);
            }
            _ => {
                self.flow.insert(name, values);
            }
        }
    }

    fn add_name(&mut self, place: ScopeNumber, name: Symbol, values: &Values) {
        if !values.is_empty() {
            self.names[place as usize].entry(name).or_default().add(values, &mut self.queue);
        }
    }

    fn add_attribute(&mut self, class: ScopeNumber, name: Symbol, values: &Values) {
        self.attributes[class as usize].entry(name).or_default().add(values, &mut self.queue);
    }

    /// Returns the values of a name of a place, if it has any.
    fn name_of(&mut self, place: ScopeNumber, name: Symbol) -> Option<Values> {
        self.names[place as usize].entry(name).or_default().read(self.here)
    }

    fn assign(&mut self, target: &Target, values: &Values, weak: bool) {
        match target {
            Target::Name(name) => self.bind(self.symbol(*name), values.clone(), weak),
            Target::Attribute(object, name) => {
                let name = self.symbol(*name);
                for object in self.eval(*object).iter() {
                    match object {
                        Value::Instance(class) => self.add_attribute(class, name, values),
                        // A function that replaces a method belongs to a test or a mock.
                        Value::Class(class) if self.is_method(class, name) => {}
                        Value::Class(class) => self.add_name(class, name, values),
                        Value::Module(file) => self.add_name(self.program.module_place(file), name, values),
                        _ => {}
                    }
                }
            }
            Target::Index(object, key) => {
                let key = self.key(*key);
                let object = *object;
                for object in self.eval(object).iter() {
                    if let Value::Container(id) = object {
                        self.put(id, key, values);
                    }
                }
                match self.sole(object) {
                    Some(container) if !weak => self.replace(container, key, values),
                    _ => self.replaced.clear(),
                }
            }
            Target::Several(targets) => {
                let rest = targets.iter().position(|target| matches!(target, Target::Rest(_)));
                for (index, target) in targets.iter().enumerate() {
                    let key = match rest {
                        Some(rest) if index >= rest => Subscript::Unknown,
                        _ => Subscript::at(index),
                    };
                    let mut items = Values::default();
                    for value in values.iter() {
                        match value {
                            Value::Container(id) => {
                                items.extend(&self.element(id, key));
                            }
                            other => {
                                items.extend(&self.items_of(&Values::one(other), Range::default()));
                            }
                        }
                    }
                    self.assign(target, &items, weak);
                }
            }
            Target::Rest(target) => self.assign(target, values, weak),
            Target::Other => {}
        }
    }

    /// Returns whether a class defines a method of that name, and the current scope is a function.
    fn is_method(&self, class: ScopeNumber, name: Symbol) -> bool {
        self.scope.kind == ScopeKind::Function
            && self.names[class as usize].get(&name).is_some_and(|slot| {
                slot.values
                    .iter()
                    .any(|value| matches!(value, Value::Function(place) if self.program.parent(place) == class))
            })
    }

    fn key(&self, key: Key) -> Subscript {
        match key {
            Key::Text(text) => Subscript::Text(self.symbol(text)),
            Key::Int(int) => Subscript::Int(int),
            Key::Slice(_) | Key::Unknown => Subscript::Unknown,
        }
    }

    fn put(&mut self, container: u32, key: Subscript, values: &Values) {
        if values.is_empty() {
            return;
        }
        self.elements[container as usize].put(key, values, &mut self.queue);
    }

    /// Returns the one container that an expression surely is: a container that the current scope makes.
    fn sole(&mut self, expr: ExprId) -> Option<u32> {
        let objects = match self.scope.exprs[expr as usize] {
            Expr::Name(name) => self.flow.get(&self.symbol(name))?,
            Expr::Index(object, key, _) => {
                let (container, key) = (self.sole(object)?, self.key(key));
                let mut found = self.elements[container as usize].items.iter().filter(|(known, _)| *known == key);
                found.next().filter(|(known, _)| *known != Subscript::Unknown).map(|(_, values)| values)?
            }
            _ => return None,
        };
        let mut objects = objects.iter();
        match (objects.next(), objects.next()) {
            (Some(Value::Container(id)), None) if self.container_place[id as usize] == self.here => Some(id),
            _ => None,
        }
    }

    /// Remembers that an element surely has these values now.
    fn replace(&mut self, container: u32, key: Subscript, values: &Values) {
        if key == Subscript::Unknown || self.replaced.len() >= MAX_REPLACED {
            return self.replaced.clear();
        }
        self.replaced.retain(|(known, _)| *known != (container, key));
        self.replaced.push(((container, key), values.clone()));
    }

    /// Returns the values of an element of a container.
    fn element(&mut self, container: u32, key: Subscript) -> Values {
        let elements = &mut self.elements[container as usize];
        note(&mut elements.readers, self.here);
        if let Some((_, values)) = self.replaced.iter().find(|(known, _)| *known == (container, key)) {
            return values.clone();
        }
        elements.at(key)
    }

    /// Returns all elements of a container with their subscripts.
    pub(crate) fn elements(&self, container: u32) -> impl Iterator<Item = (Subscript, &Values)> {
        self.elements[container as usize].items.iter().map(|(key, values)| (*key, values))
    }

    /// Returns all elements of a container, and wakes the current scope when they grow.
    fn read_elements(&mut self, container: u32) -> Vec<(Subscript, Values)> {
        let elements = &mut self.elements[container as usize];
        note(&mut elements.readers, self.here);
        elements.items.clone()
    }

    /// Returns the external path with that text.
    pub(crate) fn outside(&mut self, path: &str) -> Outside {
        self.outsides.of(path)
    }

    /// Returns a method of a builtin type.
    fn builtin_method(&mut self, kind: &str, name: Symbol) -> Outside {
        let kind = self.outside(kind);
        self.outsides.member(kind, name, &self.program.symbols)
    }

    pub(crate) fn path(&self, outside: Outside) -> &str {
        &self.outsides.get(outside).text
    }

    pub(crate) fn traits(&self, outside: Outside) -> Traits {
        self.outsides.get(outside).traits
    }

    fn made(&mut self, path: &str) -> Values {
        Values::one(Value::Made(self.outside(path)))
    }

    /// Returns the decorators of a function.
    pub(crate) fn decorators(&self, place: ScopeNumber) -> impl Iterator<Item = Value> {
        self.decorators.get(&place).into_iter().flat_map(Values::iter)
    }

    fn range_of(&self, expr: ExprId) -> Range {
        let scope = self.scope;
        match &scope.exprs[expr as usize] {
            Expr::Call(call) => scope.calls[*call as usize].range,
            Expr::Attribute(_, _, range) => *range,
            Expr::Await(inner) | Expr::Starred(inner) => self.range_of(*inner),
            _ => Range::default(),
        }
    }

    fn edge(&mut self, range: Range, call: Option<CallId>, callee: Callee, manner: CallManner) {
        // A call without a range of its own is shown at the name of the function.
        let range = if range == Range::default() { self.scope.range } else { range };
        let edges = &mut self.edges[self.here as usize];
        let edge = CallEdge { range, call, callee, manner };
        // An attribute may be evaluated several times; its earlier edges are among the last ones.
        if !edges.iter().rev().take(16).any(|known| *known == edge) {
            edges.push(edge);
        }
    }
}
