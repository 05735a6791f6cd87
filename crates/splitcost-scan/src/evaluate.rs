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

use crate::form::{CallId, Expr, ExprId, Key, Kind, Passing, Range, Sequence, Stmt, Target};
use crate::library::{Library, Traits};
use crate::program::Program;
use crate::value::{Outside, Place, Symbol, Value, Values};

mod attribute;
mod builtin;
mod call;
mod expression;
mod statement;

/// Chosen: the values of real programs settle after two to four visits.
const MAX_VISITS: u8 = 8;
/// Chosen: longer paths come from loops such as `node = node.next()`.
const MAX_PATH: u8 = 12;
/// Chosen: more elements than these are replaced by machine-made programs.
const MAX_REPLACED: usize = 32;
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
    /// Per place, the parameters whose defaults are something, and those that some call leaves out: a bit each.
    defaults: Vec<u64>,
    left_out: Vec<u64>,
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
    /// Where it is made.
    container_place: Vec<Place>,
    builtins: FxHashMap<Symbol, Outside>,
    /// Methods of builtin types, each once.
    builtin_methods: FxHashMap<(&'static str, Symbol), Outside>,
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
    /// Elements that were surely replaced, until something else of the program is called.
    replaced: Vec<((u32, Key2), Values)>,
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

/// A parameter among the first 64; no other is followed.
fn bit(param: usize) -> u64 {
    1_u64.checked_shl(param as u32).unwrap_or_default()
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
            paths: Vec::new(),
            known_paths: FxHashMap::default(),
            names: FxHashMap::default(),
            attributes: FxHashMap::default(),
            params: (0..places).map(params).collect(),
            declared: (0..places).map(params).collect(),
            defaults: vec![0; places],
            left_out: vec![0; places],
            returns: vec![Values::default(); places],
            declared_returns: vec![Values::default(); places],
            bases: FxHashMap::default(),
            mros: FxHashMap::default(),
            subclasses: FxHashMap::default(),
            decorators: FxHashMap::default(),
            elements: FxHashMap::default(),
            containers: FxHashMap::default(),
            container_kind: Vec::new(),
            container_place: Vec::new(),
            builtins: FxHashMap::default(),
            builtin_methods: FxHashMap::default(),
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
            replaced: Vec::new(),
            depth: 0,
            words,
            module_visited: vec![false; program.files.len()],
        };
        for name in builtin::BUILTINS {
            if let Some(symbol) = program.symbols.get(name) {
                let outside = evaluation.outside(&format!("builtins.{name}"));
                evaluation.builtins.insert(symbol, outside);
            }
        }
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
        self.replaced.clear();
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
            } else if self.left_out[place as usize] & bit(index) != 0 {
                values.extend(&self.declared[place as usize][index]);
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

    /// The one container that an expression surely is: made in this scope, and not taken out of a loop's or another's.
    fn sole(&mut self, expr: ExprId) -> Option<u32> {
        let objects = match self.program.scope(self.here).exprs[expr as usize] {
            Expr::Name(name) => self.flow.get(&self.symbol(name))?,
            Expr::Index(object, key, _) => {
                let (container, key) = (self.sole(object)?, self.key(key));
                let mut found = self.elements.get(&container)?.iter().filter(|(known, _)| *known == key);
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
        self.note(Read::Elements(container));
        if let Some((_, values)) = self.replaced.iter().find(|(known, _)| *known == (container, key)) {
            return values.clone();
        }
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

    /// A method of a builtin type.
    fn builtin_method(&mut self, kind: &'static str, name: Symbol) -> Outside {
        if let Some(known) = self.builtin_methods.get(&(kind, name)) {
            return *known;
        }
        let path = format!("builtins.{kind}.{}", self.program.symbols.text(name));
        let outside = self.outside(&path);
        self.builtin_methods.insert((kind, name), outside);
        outside
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
        // What happens by itself, and nowhere in particular, is shown where the function begins.
        let range = if range == Range::default() { self.program.scope(self.here).range } else { range };
        let edges = &mut self.edges[self.here as usize];
        let edge = Edge { range, call, callee, manner };
        // An attribute may be evaluated several times; only the last edges can be its.
        if !edges.iter().rev().take(16).any(|known| *known == edge) {
            edges.push(edge);
        }
    }
}
