//! Which values reach which names, and so which function each call calls.
//!
//! Within a scope, in source order: an assignment that surely happens replaces what was there before, one in a branch
//! adds to it. Between scopes, without regard to order: what is passed to a parameter, returned, or bound to an
//! attribute is collected from everywhere. A scope is looked at again when something that it read has grown, at most
//! [`MAX_VISITS`] times; there is no fixpoint over the whole program.

use std::collections::VecDeque;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::form::{
    CallId, Comprehension, Constant, Expr, ExprId, Key, Kind, Passing, Range, ScopeId, Sequence, Stmt, Target,
};
use crate::library::{Library, Traits};
use crate::program::Program;
use crate::value::{Outside, Place, Symbol, Value, Values};

mod attribute;
mod call;

/// Chosen: the values of real programs settle after two to four visits.
const MAX_VISITS: u8 = 8;
/// Chosen: longer paths come from loops such as `node = node.next()`.
const MAX_PATH: u8 = 12;
/// Chosen: deeper expressions are machine-made.
const MAX_DEPTH: u32 = 200;

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

/// What a scope may have read, and is looked at again for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Read {
    Name(Place, Symbol),
    Attribute(Place, Symbol),
    Returns(Place),
    Elements(u32),
}

/// A path outside.
#[derive(Clone, Debug)]
struct Path {
    text: Box<str>,
    segments: u8,
    traits: Traits,
}

/// The state, and in the end the result.
pub(crate) struct Evaluation<'a> {
    pub(crate) program: &'a Program,
    pub(crate) library: &'a Library,
    paths: Vec<Path>,
    known_paths: FxHashMap<Box<str>, Outside>,
    /// Names of modules, classes, and of functions as inner functions see them.
    names: FxHashMap<(Place, Symbol), Values>,
    /// What instances of a class have been given.
    attributes: FxHashMap<(Place, Symbol), Values>,
    params: Vec<Box<[Values]>>,
    /// What annotations and defaults say of them.
    declared: Vec<Box<[Values]>>,
    returns: Vec<Values>,
    declared_returns: Vec<Values>,
    bases: FxHashMap<Place, Values>,
    /// Of classes whose bases have not changed since.
    mros: FxHashMap<Place, Rc<[Value]>>,
    subclasses: FxHashMap<Place, Vec<Place>>,
    decorators: FxHashMap<Place, Values>,
    elements: FxHashMap<u32, Vec<(Key2, Values)>>,
    containers: FxHashMap<(Place, u32), u32>,
    container_kind: Vec<Shape>,
    stars: FxHashMap<Place, Vec<u32>>,
    readers: FxHashMap<Read, SmallVec<[Place; 2]>>,
    pub(crate) edges: Vec<Vec<Edge>>,
    pub(crate) sites: FxHashMap<Place, Vec<Site>>,
    /// Per place, calls of which nothing is known.
    pub(crate) unresolved: Vec<u32>,
    visits: Vec<u8>,
    queue: VecDeque<Place>,
    queued: Vec<bool>,
    // Of the scope being looked at:
    here: Place,
    flow: FxHashMap<Symbol, Values>,
    depth: u32,
    words: Words,
    module_visited: Vec<bool>,
}

/// A subscript in the whole program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key2 {
    Text(Symbol),
    Int(i64),
    Unknown,
}

impl Key2 {
    fn at(index: usize) -> Self {
        Self::Int(i64::try_from(index).unwrap_or(i64::MAX))
    }
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
            paths: Vec::new(),
            known_paths: FxHashMap::default(),
            names: FxHashMap::default(),
            attributes: FxHashMap::default(),
            params: (0..places).map(params).collect(),
            declared: (0..places).map(params).collect(),
            returns: vec![Values::default(); places],
            declared_returns: vec![Values::default(); places],
            bases: FxHashMap::default(),
            mros: FxHashMap::default(),
            subclasses: FxHashMap::default(),
            decorators: FxHashMap::default(),
            elements: FxHashMap::default(),
            containers: FxHashMap::default(),
            container_kind: Vec::new(),
            stars: FxHashMap::default(),
            readers: FxHashMap::default(),
            edges: vec![Vec::new(); places],
            sites: FxHashMap::default(),
            unresolved: vec![0; places],
            visits: vec![0; places],
            queue: VecDeque::new(),
            queued: vec![false; places],
            here: 0,
            flow: FxHashMap::default(),
            depth: 0,
            words,
            module_visited: vec![false; program.files.len()],
        };
        evaluation.run();
        evaluation
    }

    fn run(&mut self) {
        for file in self.import_order() {
            self.visit(self.program.module_place(file));
        }
        for place in 0..self.program.places() as Place {
            if matches!(self.program.scope(place).kind, Kind::Function | Kind::Lambda) {
                self.enqueue(place);
            }
        }
        while let Some(place) = self.queue.pop_front() {
            self.queued[place as usize] = false;
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

    fn imported_by(&self, file: u32, stmt: &Stmt) -> SmallVec<[u32; 2]> {
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

    fn enqueue(&mut self, place: Place) {
        if !self.queued[place as usize] && self.visits[place as usize] < MAX_VISITS {
            self.queued[place as usize] = true;
            self.queue.push_back(place);
        }
    }

    fn wake(&mut self, read: Read) {
        if let Some(readers) = self.readers.get(&read) {
            for place in readers.clone() {
                self.enqueue(place);
            }
        }
    }

    fn note(&mut self, read: Read) {
        let here = self.here;
        let readers = self.readers.entry(read).or_default();
        if !readers.contains(&here) {
            readers.push(here);
        }
    }

    fn visit(&mut self, place: Place) {
        let scope = self.program.scope(place);
        self.visits[place as usize] += 1;
        self.here = place;
        self.flow.clear();
        self.edges[place as usize].clear();
        self.sites.remove(&place);
        self.unresolved[place as usize] = 0;
        if scope.kind == Kind::Module {
            self.module_visited[self.program.file_of(place) as usize] = true;
        }
        for (index, param) in scope.params.iter().enumerate() {
            let mut values = self.params[place as usize][index].clone();
            if values.is_empty() {
                values = self.declared[place as usize][index].clone();
            }
            self.bind(self.program.symbol(place, param.name), values, false);
        }
        self.body(place);
    }

    /// The statements of a scope; a class body runs within its parent's visit.
    fn body(&mut self, place: Place) {
        for stmt in &self.program.scope(place).stmts {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Eval(expr) => {
                self.eval(*expr);
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
            Stmt::For { target, iter } => {
                let values = self.eval(*iter);
                let items = self.items_of(&values, Range::default());
                self.assign(target, &items, true);
            }
            Stmt::With { target, context } => {
                let values = self.eval(*context);
                let entered = self.entered(&values, self.range_of(*context));
                if let Some(target) = target {
                    self.assign(target, &entered, false);
                }
            }
            Stmt::Return(value) => {
                let values = self.eval(*value);
                self.give(&values);
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
                // `try: import a except: import b`: both may be.
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

    fn imported(&mut self, module: &str, name: u32) -> Values {
        let symbol = self.symbol(name);
        if let Some(file) = self.program.module_named(module) {
            let values = self.module_name(file, symbol, 0);
            if !values.is_empty() {
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

    fn module_or_outside(&mut self, path: &str) -> Value {
        match self.program.module_named(path) {
            Some(file) => Value::Module(file),
            None => Value::Outside(self.outside(path)),
        }
    }

    /// A function or class statement.
    fn define(&mut self, id: ScopeId, weak: bool) {
        let place = self.program.place(self.program.file_of(self.here), id);
        let scope = self.program.scope(place);
        let mut decorators: SmallVec<[(ExprId, Values); 2]> = SmallVec::new();
        for decorator in &scope.decorators {
            decorators.push((*decorator, self.eval(*decorator)));
        }
        let all: Values = decorators.iter().flat_map(|(_, values)| values.iter()).collect();
        self.decorators.insert(place, all);
        let own = if scope.kind == Kind::Class {
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
            values = self.decorated(*decorator, found, values);
        }
        let name = self.program.name(place);
        self.bind(name, values, weak);
    }

    /// Runs a class body, whose names belong to the class.
    fn class_body(&mut self, place: Place) {
        // Its expressions and edges are its own; nothing of a function's flow is bound in it.
        let here = std::mem::replace(&mut self.here, place);
        let flow = std::mem::take(&mut self.flow);
        self.edges[place as usize].clear();
        self.sites.remove(&place);
        self.unresolved[place as usize] = 0;
        self.visits[place as usize] = self.visits[place as usize].saturating_add(1);
        self.body(place);
        self.here = here;
        self.flow = flow;
    }

    /// What annotations and defaults say of a function.
    fn declare(&mut self, place: Place) {
        let scope = self.program.scope(place);
        let parent = self.program.scope(self.here);
        let is_method = parent.kind == Kind::Class && !self.is_decorated(place, "builtins.staticmethod");
        for (index, param) in scope.params.iter().enumerate() {
            let mut values = Values::default();
            if let Some(annotation) = param.annotation {
                values.extend(&self.annotated(annotation));
            }
            if let Some(default) = param.default {
                let default = self.eval(default);
                if values.is_empty() || default.iter().any(|value| matches!(value, Value::Function(_) | Value::Made(_)))
                {
                    values.extend(&default);
                }
            }
            if index == 0 && is_method && scope.kind == Kind::Function {
                let is_class = self.is_decorated(place, "builtins.classmethod")
                    || self.program.symbols.text(self.program.name(place)) == "__new__";
                let own = if is_class { Value::Class(self.here) } else { Value::Instance(self.here) };
                values = Values::one(own);
            }
            if matches!(param.passing, Passing::RestPositional | Passing::RestKeyword) {
                values = Values::one(Value::Container(self.rest_container(place, index)));
            }
            if self.declared[place as usize][index] != values {
                self.declared[place as usize][index] = values;
                if self.visits[place as usize] > 0 {
                    self.enqueue(place);
                }
            }
        }
        if let Some(returns) = scope.returns {
            let values = self.annotated(returns);
            self.declared_returns[place as usize] = values;
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
        }
        id
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

    /// Everything that a scope returns or yields.
    pub(crate) fn returned(&self, place: Place) -> &Values {
        &self.returns[place as usize]
    }

    /// Looks at a function for the first time, in the middle of another.
    fn visit_now(&mut self, place: Place) {
        // Chosen: decorators that decorate decorators are no deeper.
        if self.visits[place as usize] > 0 || self.depth > 50 {
            return;
        }
        let here = self.here;
        let flow = std::mem::take(&mut self.flow);
        self.depth += 10;
        self.visit(place);
        self.depth -= 10;
        self.here = here;
        self.flow = flow;
    }

    /// What a scope gives to its callers.
    fn give(&mut self, values: &Values) {
        let here = self.here;
        if self.returns[here as usize].extend(values) {
            self.wake(Read::Returns(here));
        }
    }

    fn symbol(&self, text: u32) -> Symbol {
        self.program.symbol(self.here, text)
    }

    fn text(&self, text: u32) -> &'a str {
        self.program.symbols.text(self.program.symbol(self.here, text))
    }

    fn bind(&mut self, name: Symbol, values: Values, weak: bool) {
        let here = self.here;
        let scope = self.program.scope(here);
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
        self.add_name(here, name, &values);
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
        if values.is_empty() {
            return;
        }
        if self.names.entry((place, name)).or_default().extend(values) {
            self.wake(Read::Name(place, name));
        }
    }

    fn add_attribute(&mut self, class: Place, name: Symbol, values: &Values) {
        if self.attributes.entry((class, name)).or_default().extend(values) {
            self.wake(Read::Attribute(class, name));
        }
    }

    fn assign(&mut self, target: &Target, values: &Values, weak: bool) {
        match target {
            Target::Name(name) => self.bind(self.symbol(*name), values.clone(), weak),
            Target::Attribute(object, name) => {
                let name = self.symbol(*name);
                for object in self.eval(*object).iter() {
                    match object {
                        Value::Instance(class) => self.add_attribute(class, name, values),
                        Value::Class(class) => self.add_name(class, name, values),
                        Value::Module(file) => self.add_name(self.program.module_place(file), name, values),
                        _ => {}
                    }
                }
            }
            Target::Index(object, key) => {
                let key = self.key(*key);
                for object in self.eval(*object).iter() {
                    if let Value::Container(id) = object {
                        self.put(id, key, values);
                    }
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

    fn key(&self, key: Key) -> Key2 {
        match key {
            Key::Text(text) => Key2::Text(self.symbol(text)),
            Key::Int(int) => Key2::Int(int),
            Key::Unknown => Key2::Unknown,
        }
    }

    fn put(&mut self, container: u32, key: Key2, values: &Values) {
        if values.is_empty() {
            return;
        }
        let elements = self.elements.entry(container).or_default();
        // Chosen: a table of more entries is one of alike things.
        let key = if elements.len() > 64 { Key2::Unknown } else { key };
        let grew = if let Some((_, known)) = elements.iter_mut().find(|(known, _)| *known == key) {
            known.extend(values)
        } else {
            elements.push((key, values.clone()));
            true
        };
        if grew {
            self.wake(Read::Elements(container));
        }
    }

    /// What a subscript of a container may give.
    fn element(&mut self, container: u32, key: Key2) -> Values {
        self.note(Read::Elements(container));
        let Some(elements) = self.elements.get(&container) else { return Values::default() };
        let mut found = Values::default();
        let count = i64::try_from(elements.len()).unwrap_or(i64::MAX);
        for (known, values) in elements {
            let is_it = match (key, *known) {
                (Key2::Unknown, _) | (_, Key2::Unknown) => true,
                (Key2::Int(index), Key2::Int(known)) if index < 0 => count + index == known || index == known,
                (key, known) => key == known,
            };
            if is_it {
                found.extend(values);
            }
        }
        found
    }

    /// All elements of a container with their subscripts.
    pub(crate) fn elements(&self, container: u32) -> impl Iterator<Item = (Key2, &Values)> {
        self.elements.get(&container).into_iter().flatten().map(|(key, values)| (*key, values))
    }

    pub(crate) fn eval(&mut self, expr: ExprId) -> Values {
        if self.depth > MAX_DEPTH {
            return Values::default();
        }
        self.depth += 1;
        let values = self.eval_within(expr);
        self.depth -= 1;
        values
    }

    fn eval_within(&mut self, id: ExprId) -> Values {
        let scope = self.program.scope(self.here);
        match &scope.exprs[id as usize] {
            Expr::Name(name) => self.look_up(self.symbol(*name)),
            Expr::Attribute(object, name, range) => {
                let objects = self.eval(*object);
                self.attribute(&objects, self.symbol(*name), *range)
            }
            Expr::Call(call) => self.call(*call),
            Expr::Await(value) => self.eval(*value),
            Expr::Index(object, key, index) => self.indexed(*object, *key, *index),
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
                    self.eval(*other);
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
                    self.eval(*part);
                }
                Values::default()
            }
        }
    }

    /// What a subscript gives.
    fn indexed(&mut self, object: ExprId, key: Key, index: ExprId) -> Values {
        let objects = self.eval(object);
        self.eval(index);
        let key = self.key(key);
        let mut found = Values::default();
        for object in objects.iter() {
            match object {
                Value::Container(container) => {
                    found.extend(&self.element(container, key));
                }
                // A library's mapping or generic class stays what it is.
                Value::Made(_) | Value::Outside(_) | Value::Class(_) => {
                    found.add(object);
                }
                _ => {}
            }
        }
        found
    }

    /// A list, tuple or set.
    fn items(&mut self, id: ExprId, sequence: Sequence, items: &[ExprId]) -> Values {
        let scope = self.program.scope(self.here);
        let container = self.container(self.here, id, Shape::Sequence(sequence));
        for (index, item) in items.iter().enumerate() {
            if let Expr::Starred(inner) = &scope.exprs[*item as usize] {
                let values = self.eval(*inner);
                let values = self.items_of(&values, Range::default());
                self.put(container, Key2::Unknown, &values);
            } else {
                let values = self.eval(*item);
                let key = if sequence == Sequence::Set { Key2::Unknown } else { Key2::at(index) };
                self.put(container, key, &values);
            }
        }
        Values::one(Value::Container(container))
    }

    fn dict(&mut self, id: ExprId, items: &[(Option<Key>, ExprId)]) -> Values {
        let container = self.container(self.here, id, Shape::Dict);
        for (key, value) in items {
            let values = self.eval(*value);
            match key {
                Some(key) => self.put(container, self.key(*key), &values),
                None => {
                    for value in values.iter() {
                        if let Value::Container(other) = value {
                            self.note(Read::Elements(other));
                            for (key, values) in self.elements.get(&other).cloned().unwrap_or_default() {
                                self.put(container, key, &values);
                            }
                        }
                    }
                }
            }
        }
        Values::one(Value::Container(container))
    }

    fn comprehension(&mut self, id: ExprId, comprehension: &'a Comprehension) -> Values {
        for (target, iter, _) in &comprehension.generators {
            let values = self.eval(*iter);
            let items = self.items_of(&values, Range::default());
            self.assign(target, &items, false);
        }
        for condition in &comprehension.conditions {
            self.eval(*condition);
        }
        if let Some(key) = comprehension.key {
            self.eval(key);
        }
        let values = self.eval(comprehension.element);
        let shape = match (comprehension.key, comprehension.is_set) {
            (Some(_), _) => Shape::Dict,
            (None, true) => Shape::Sequence(Sequence::Set),
            (None, false) => Shape::Sequence(Sequence::List),
        };
        let container = self.container(self.here, id, shape);
        self.put(container, Key2::Unknown, &values);
        Values::one(Value::Container(container))
    }

    fn look_up(&mut self, name: Symbol) -> Values {
        if let Some(values) = self.flow.get(&name) {
            return values.clone();
        }
        let mut at = self.here;
        loop {
            let scope = self.program.scope(at);
            let is_own_class = scope.kind == Kind::Class && at == self.here;
            let is_function = matches!(scope.kind, Kind::Function | Kind::Lambda);
            if is_own_class || (is_function && self.program.binds(at, name)) {
                self.note(Read::Name(at, name));
                let found = self.names.get(&(at, name)).cloned().unwrap_or_default();
                if is_function || !found.is_empty() {
                    return found;
                }
            }
            if scope.kind == Kind::Module {
                let found = self.module_name(self.program.file_of(at), name, 0);
                if !found.is_empty() || self.names.contains_key(&(at, name)) {
                    return found;
                }
                break;
            }
            at = self.program.parent(at);
        }
        let path = self.program.symbols.text(name);
        if is_builtin(path) {
            let path = format!("builtins.{path}");
            return Values::one(Value::Outside(self.outside(&path)));
        }
        Values::default()
    }

    /// A name of a module, also through `import *`.
    fn module_name(&mut self, file: u32, name: Symbol, depth: u32) -> Values {
        let place = self.program.module_place(file);
        self.note(Read::Name(place, name));
        if let Some(found) = self.names.get(&(place, name)) {
            return found.clone();
        }
        // Chosen: no chain of `import *` is longer.
        if depth < 6
            && let Some(stars) = self.stars.get(&place).cloned()
        {
            for star in stars {
                let found = self.module_name(star, name, depth + 1);
                if !found.is_empty() {
                    return found;
                }
            }
        }
        Values::default()
    }

    /// The path outside with that text.
    pub(crate) fn outside(&mut self, path: &str) -> Outside {
        let canonical = self.library.canonical(path);
        if let Some(known) = self.known_paths.get(canonical) {
            return *known;
        }
        let id = Outside(self.paths.len() as u32);
        self.paths.push(Path {
            text: canonical.into(),
            segments: canonical.split('.').count() as u8,
            traits: self.library.traits(canonical),
        });
        self.known_paths.insert(canonical.into(), id);
        id
    }

    pub(crate) fn path(&self, outside: Outside) -> &str {
        &self.paths[outside.0 as usize].text
    }

    pub(crate) fn traits(&self, outside: Outside) -> Traits {
        self.paths[outside.0 as usize].traits
    }

    fn made(&mut self, path: &str) -> Values {
        Values::one(Value::Made(self.outside(path)))
    }

    fn is_decorated(&self, place: Place, path: &str) -> bool {
        self.decorators.get(&place).is_some_and(|found| {
            found.iter().any(|value| match value {
                Value::Outside(outside) | Value::Made(outside) => self.path(outside) == path,
                _ => false,
            })
        })
    }

    /// What decorates a function.
    pub(crate) fn decorators(&self, place: Place) -> impl Iterator<Item = Value> {
        self.decorators.get(&place).into_iter().flat_map(Values::iter)
    }

    fn range_of(&self, expr: ExprId) -> Range {
        let scope = self.program.scope(self.here);
        match &scope.exprs[expr as usize] {
            Expr::Call(call) => scope.calls[*call as usize].range,
            Expr::Attribute(_, _, range) => *range,
            Expr::Await(inner) | Expr::Starred(inner) => self.range_of(*inner),
            _ => Range::default(),
        }
    }

    fn edge(&mut self, range: Range, call: Option<CallId>, callee: Callee, manner: Manner) {
        let edges = &mut self.edges[self.here as usize];
        let edge = Edge { range, call, callee, manner };
        // An attribute may be evaluated several times; only the last edges can be its.
        if !edges.iter().rev().take(16).any(|known| *known == edge) {
            edges.push(edge);
        }
    }
}

fn is_builtin(name: &str) -> bool {
    matches!(
        name,
        "abs"
            | "aiter"
            | "all"
            | "anext"
            | "any"
            | "bytearray"
            | "bytes"
            | "callable"
            | "classmethod"
            | "complex"
            | "dict"
            | "enumerate"
            | "eval"
            | "exec"
            | "filter"
            | "float"
            | "frozenset"
            | "getattr"
            | "hasattr"
            | "input"
            | "int"
            | "isinstance"
            | "issubclass"
            | "iter"
            | "len"
            | "list"
            | "map"
            | "max"
            | "memoryview"
            | "min"
            | "next"
            | "object"
            | "open"
            | "print"
            | "property"
            | "range"
            | "repr"
            | "reversed"
            | "round"
            | "set"
            | "setattr"
            | "sorted"
            | "staticmethod"
            | "str"
            | "sum"
            | "super"
            | "tuple"
            | "type"
            | "vars"
            | "zip"
            | "Exception"
            | "ValueError"
            | "TypeError"
            | "KeyError"
            | "RuntimeError"
            | "NotImplementedError"
    )
}
