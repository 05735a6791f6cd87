//! Which values reach which names, and so which function each call calls.
//!
//! Within a scope, in source order: an assignment that surely happens replaces what was there before, one in a branch
//! adds to it. Between scopes, without regard to order: what is passed to a parameter, returned, or bound to an
//! attribute is collected from everywhere. A scope is looked at again when something that it read has grown, at most
//! [`MAX_VISITS`] times; there is no fixpoint over the whole program.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::form::{CallId, Expr, ExprId, Key, Kind, Passing, Range, Scope, Sequence, Stmt, Target};
use crate::library::{Library, Traits};
use crate::program::Program;
use crate::value::{Outside, Place, Symbol, Value, Values};

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

use outside::Outsides;
use slot::{Elements, Queue, Slot, Table, note};

/// Chosen: the values of real programs settle after two to four visits.
const MAX_VISITS: u8 = 8;
/// Chosen: more elements than these are replaced by machine-made programs.
const MAX_REPLACED: usize = 32;
/// Chosen: deeper expressions are machine-made.
const MAX_DEPTH: u32 = 200;
/// Chosen: a chain of functions of which each needs the next is seldom longer; the rest are looked at twice.
const MAX_NESTED: u32 = 24;

/// What one place calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Callee {
    Inside(Place),
    Outside(Outside),
}

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Manner {
    /// Here and now.
    Direct,
    /// By reading a property, entering a context, iterating: without parentheses.
    Implicit,
    /// In another thread or process.
    Offloaded,
    /// By the framework, later.
    Deferred,
    /// By what may call any of many functions: a decorator's wrapper, an event's dispatcher. Which one, only a caller
    /// or a run can tell.
    Dispatched,
}

/// One possible target of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Where it stands.
    pub(crate) range: Range,
    /// The call, where there is one.
    pub(crate) call: Option<CallId>,
    pub(crate) callee: Callee,
    pub(crate) manner: Manner,
}

/// A call of something outside that the library says something of, with what is passed.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) call: CallId,
    pub(crate) callee: Outside,
    /// What it is a method of, as `session` in `session.get(...)`.
    pub(crate) receivers: Values,
    pub(crate) positional: Vec<Values>,
    pub(crate) named: Vec<(Symbol, Values)>,
}

/// The state, and in the end the result.
pub(crate) struct Evaluation<'a> {
    pub(crate) program: &'a Program,
    pub(crate) library: &'a Library,
    outsides: Outsides<'a>,
    /// Per place, its names: of modules, classes, and of functions that are read out of order.
    names: Vec<Table>,
    /// Per class, what its instances have been given.
    attributes: Vec<Table>,
    params: Vec<Box<[Values]>>,
    /// What annotations and defaults say of them.
    declared: Vec<Box<[Values]>>,
    /// Per place, the parameters whose defaults are something, and those that some call leaves out: a bit each.
    defaults: Vec<u64>,
    left_out: Vec<u64>,
    returns: Vec<Slot>,
    declared_returns: Vec<Values>,
    bases: FxHashMap<Place, Values>,
    /// Of classes whose bases have not changed since.
    mros: FxHashMap<Place, Arc<[Value]>>,
    subclasses: FxHashMap<Place, Vec<Place>>,
    decorators: FxHashMap<Place, Values>,
    /// Per place, what its decorators say of it as a method.
    bindings: Vec<Binding>,
    /// Per container.
    elements: Vec<Elements>,
    /// Per decorated function, what the program's decorators made of it.
    wrappers: FxHashMap<Place, SmallVec<[Place; 2]>>,
    containers: FxHashMap<(Place, u32), u32>,
    container_kind: Vec<Shape>,
    /// Those that other ones flow into, whatever they hold elsewhere.
    open: FxHashSet<u32>,
    /// Where it is made.
    container_place: Vec<Place>,
    stars: FxHashMap<Place, Vec<u32>>,
    pub(crate) edges: Vec<Vec<Edge>>,
    pub(crate) sites: Vec<Vec<Site>>,
    /// Per place, calls of which nothing is known.
    unresolved: Vec<Vec<CallId>>,
    queue: Queue,
    // Of the scope being looked at:
    here: Place,
    scope: &'a Scope,
    /// The symbols of its file's texts.
    symbols: &'a [Symbol],
    flow: FxHashMap<Symbol, Values>,
    /// Elements that were surely replaced, until something else of the program is called.
    replaced: Vec<((u32, Key2), Values)>,
    depth: u32,
    /// How many others wait for what this scope returns.
    nested: u32,
    words: Words,
    module_visited: Vec<bool>,
    are_modules_done: bool,
}

/// A subscript in the whole program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key2 {
    Text(Symbol),
    Int(i64),
    Unknown,
}

/// A parameter among the first 64; no other is followed.
fn bit(param: usize) -> u64 {
    1_u64.checked_shl(param as u32).unwrap_or_default()
}

impl Key2 {
    fn at(index: usize) -> Self {
        Self::Int(i64::try_from(index).unwrap_or(i64::MAX))
    }
}

/// How a class's function is bound when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binding {
    Method,
    Static,
    Class,
    Property,
}

/// What a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Sequence(Sequence),
    Dict,
    Other,
}

/// Names that mean something by themselves.
struct Words {
    init: Symbol,
    call: Symbol,
    enter: [Symbol; 2],
    exit: [Symbol; 2],
    iter: [Symbol; 4],
    dict: Symbol,
    self_: Symbol,
}

impl<'a> Evaluation<'a> {
    /// Looks at the whole program.
    pub(crate) fn of(program: &'a mut Program, library: &'a Library) -> Self {
        let symbols = &mut program.symbols;
        let words = Words {
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
        let params = |place: usize| vec![Values::default(); program.scope(place as Place).params.len()].into();
        let mut evaluation = Self {
            program,
            library,
            outsides: Outsides::new(library, &program.symbols),
            names: vec![Table::default(); places],
            attributes: vec![Table::default(); places],
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
            scope: program.nothing(),
            symbols: &[],
            flow: FxHashMap::default(),
            replaced: Vec::new(),
            depth: 0,
            nested: 0,
            words,
            module_visited: vec![false; program.files.len()],
            are_modules_done: false,
        };
        evaluation.run();
        evaluation.split_wrappers();
        evaluation.mark_dispatchers();
        evaluation
    }

    fn run(&mut self) {
        for file in self.import_order() {
            self.visit(self.program.module_place(file));
        }
        self.are_modules_done = true;
        for place in 0..self.program.places() as Place {
            if matches!(self.program.scope(place).kind, Kind::Function | Kind::Lambda) {
                self.queue.add(place);
            }
        }
        while let Some(place) = self.queue.next() {
            self.visit(place);
        }
    }

    /// Files, each after those that it imports, where there is no circle.
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
                // The first import is to be on top.
                stack[first..].reverse();
            }
        }
        order
    }

    /// The files that a statement imports.
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

    fn visit(&mut self, place: Place) {
        let scope = self.program.scope(place);
        self.queue.visited(place);
        self.stand_in(place);
        self.flow.clear();
        self.replaced.clear();
        self.edges[place as usize].clear();
        self.sites[place as usize].clear();
        self.unresolved[place as usize].clear();
        if scope.kind == Kind::Module {
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

    /// Makes a place the one being looked at.
    fn stand_in(&mut self, place: Place) {
        self.here = place;
        self.scope = self.program.scope(place);
        self.symbols = self.program.texts(place);
    }

    /// The statements of a scope; a class body runs within its parent's visit.
    fn body(&mut self) {
        for stmt in &self.scope.stmts {
            self.stmt(stmt);
        }
    }

    fn rest_container(&mut self, place: Place, index: usize) -> u32 {
        let shape = match self.program.scope(place).params[index].passing {
            Passing::RestKeyword => Shape::Dict,
            _ => Shape::Sequence(Sequence::Tuple),
        };
        self.container(place, u32::MAX - index as u32, shape)
    }

    fn container(&mut self, place: Place, expr: u32, shape: Shape) -> u32 {
        let next = self.container_kind.len() as u32;
        let id = *self.containers.entry((place, expr)).or_insert(next);
        if id == next {
            self.container_kind.push(shape);
            self.container_place.push(place);
            self.elements.push(Elements::default());
        }
        id
    }

    /// Whether a container holds what its own display says, and nothing that came from elsewhere: other ones flow into
    /// it, or it is `**kwargs`.
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

    /// Whether a class has no base that might make its instances something that an encoder knows.
    pub(crate) fn is_plain_class(&self, class: Place) -> bool {
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

    /// How many of a scope's calls call nothing that is known. A call may have been looked at several times.
    pub(crate) fn unresolved(&self, place: Place) -> u64 {
        let known = self.edges[place as usize].iter().filter_map(|edge| edge.call);
        let unknown: BTreeSet<CallId> = self.unresolved[place as usize].iter().copied().collect();
        unknown.len() as u64 - known.filter(|call| unknown.contains(call)).collect::<BTreeSet<_>>().len() as u64
    }

    /// Everything that a scope returns or yields.
    pub(crate) fn returned(&self, place: Place) -> Values {
        let mut values = self.returns[place as usize].values.clone();
        let hands_back = self.program.scope(place).hands_back;
        let params = self.params[place as usize].iter().zip(&self.declared[place as usize]).enumerate();
        for (_, (given, declared)) in params.filter(|(index, _)| hands_back & bit(*index) != 0) {
            values.extend(if given.is_empty() { declared } else { given });
        }
        values
    }

    /// Looks at a function for the first time, in the middle of another that needs to know what it returns.
    fn visit_now(&mut self, place: Place) {
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

    /// What a scope gives to its callers.
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

    fn add_name(&mut self, place: Place, name: Symbol, values: &Values) {
        if !values.is_empty() {
            self.names[place as usize].entry(name).or_default().add(values, &mut self.queue);
        }
    }

    fn add_attribute(&mut self, class: Place, name: Symbol, values: &Values) {
        self.attributes[class as usize].entry(name).or_default().add(values, &mut self.queue);
    }

    /// What a name of a place may be; `None` where it has none of that name.
    fn name_of(&mut self, place: Place, name: Symbol) -> Option<Values> {
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
                        // A method that a function replaces is a test's or a mock's doing.
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
                        Some(rest) if index >= rest => Key2::Unknown,
                        _ => Key2::at(index),
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

    /// Whether a class defines a method of that name, looked at from inside a function.
    fn is_method(&self, class: Place, name: Symbol) -> bool {
        self.scope.kind == Kind::Function
            && self.names[class as usize].get(&name).is_some_and(|slot| {
                slot.values
                    .iter()
                    .any(|value| matches!(value, Value::Function(place) if self.program.parent(place) == class))
            })
    }

    fn key(&self, key: Key) -> Key2 {
        match key {
            Key::Text(text) => Key2::Text(self.symbol(text)),
            Key::Int(int) => Key2::Int(int),
            Key::Slice(_) | Key::Unknown => Key2::Unknown,
        }
    }

    fn put(&mut self, container: u32, key: Key2, values: &Values) {
        if values.is_empty() {
            return;
        }
        self.elements[container as usize].put(key, values, &mut self.queue);
    }

    /// The one container that an expression surely is: made in this scope, and not taken out of a loop's or another's.
    fn sole(&mut self, expr: ExprId) -> Option<u32> {
        let objects = match self.scope.exprs[expr as usize] {
            Expr::Name(name) => self.flow.get(&self.symbol(name))?,
            Expr::Index(object, key, _) => {
                let (container, key) = (self.sole(object)?, self.key(key));
                let mut found = self.elements[container as usize].items.iter().filter(|(known, _)| *known == key);
                found.next().filter(|(known, _)| *known != Key2::Unknown).map(|(_, values)| values)?
            }
            _ => return None,
        };
        let mut objects = objects.iter();
        match (objects.next(), objects.next()) {
            (Some(Value::Container(id)), None) if self.container_place[id as usize] == self.here => Some(id),
            _ => None,
        }
    }

    /// Notes that an element is this now, whatever it was before.
    fn replace(&mut self, container: u32, key: Key2, values: &Values) {
        if key == Key2::Unknown || self.replaced.len() >= MAX_REPLACED {
            return self.replaced.clear();
        }
        self.replaced.retain(|(known, _)| *known != (container, key));
        self.replaced.push(((container, key), values.clone()));
    }

    /// What a subscript of a container may give.
    fn element(&mut self, container: u32, key: Key2) -> Values {
        let elements = &mut self.elements[container as usize];
        note(&mut elements.readers, self.here);
        if let Some((_, values)) = self.replaced.iter().find(|(known, _)| *known == (container, key)) {
            return values.clone();
        }
        elements.at(key)
    }

    /// All elements of a container with their subscripts.
    pub(crate) fn elements(&self, container: u32) -> impl Iterator<Item = (Key2, &Values)> {
        self.elements[container as usize].items.iter().map(|(key, values)| (*key, values))
    }

    /// The same, for the scope being looked at.
    fn read_elements(&mut self, container: u32) -> Vec<(Key2, Values)> {
        let elements = &mut self.elements[container as usize];
        note(&mut elements.readers, self.here);
        elements.items.clone()
    }

    /// The path outside with that text.
    pub(crate) fn outside(&mut self, path: &str) -> Outside {
        self.outsides.of(path)
    }

    /// A method of a builtin type.
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

    /// What decorates a function.
    pub(crate) fn decorators(&self, place: Place) -> impl Iterator<Item = Value> {
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

    fn edge(&mut self, range: Range, call: Option<CallId>, callee: Callee, manner: Manner) {
        // What happens by itself, and nowhere in particular, is shown where the function begins.
        let range = if range == Range::default() { self.scope.range } else { range };
        let edges = &mut self.edges[self.here as usize];
        let edge = Edge { range, call, callee, manner };
        // An attribute may be evaluated several times; only the last edges can be its.
        if !edges.iter().rev().take(16).any(|known| *known == edge) {
            edges.push(edge);
        }
    }
}
