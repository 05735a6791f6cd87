//! An interface with a name for each of its types: the common part of all formats of code.

use std::collections::{BTreeMap, BTreeSet};

use splitcost_model::recording::PayloadClass;
use splitcost_model::recording::interface::{InterfaceFunction, InterfaceKind, ServiceInterface};
use splitcost_model::recording::shape::{Field, Model, Shape, merge_fields};

/// The types and operations of a service.
pub(super) struct Schema<'a> {
    /// The objects, each after those that it holds, unless they hold each other.
    pub(super) objects: Vec<Object>,
    pub(super) operations: Vec<Operation<'a>>,
    pub(super) names: Names,
}

/// A type with fields.
pub(super) struct Object {
    pub(super) name: String,
    /// The origin of it, as a sentence without a stop.
    pub(super) origin: String,
    /// Its fields. Objects in them are models without fields, by the name of the object.
    pub(super) fields: Vec<Field>,
}

/// Returns a shape without `None`, and true if `None` is an alternative.
pub(super) fn without_none(shape: &Shape) -> (Shape, bool) {
    let Shape::Any(all) = shape else { return (shape.clone(), false) };
    let rest: Vec<Shape> = all.iter().filter(|one| **one != Shape::None).cloned().collect();
    let is_optional = rest.len() < all.len();
    match rest.as_slice() {
        [one] => (one.clone(), is_optional),
        _ => (Shape::Any(rest), is_optional),
    }
}

/// Returns the description of a value that is sent as a text, or a number, which stands for it.
pub(super) fn stands_for(shape: &Shape) -> String {
    match shape {
        Shape::Enum(name) => format!("a member of {name}"),
        Shape::Exception(name) => format!("an exception {name}"),
        Shape::Class(name) => format!("the class {name}"),
        Shape::Handle(handle) => format!("stands for a {}", handle.type_name),
        _ => String::new(),
    }
}

/// A function of the interface.
pub(super) struct Operation<'a> {
    pub(super) function: &'a InterfaceFunction,
    /// Its name, as `Quote`.
    pub(super) name: String,
    /// The name of the object of its arguments.
    pub(super) arguments: String,
    /// The name of its result.
    pub(super) result_name: String,
    /// The result; objects in it as in fields.
    pub(super) result: Shape,
    pub(super) is_stream: bool,
    /// Sentences about its readiness, about arguments that are not sent, and about exceptions.
    pub(super) notes: Vec<String>,
}

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Takes the first name that is free, or else the last one with a number.
    pub(super) fn take(&mut self, wanted: &[String]) -> String {
        if let Some(free) = wanted.iter().find(|name| !self.0.contains(*name)) {
            self.0.insert(free.clone());
            return free.clone();
        }
        let last = wanted.last().map_or("Type", String::as_str);
        let mut number = 2_u32;
        while self.0.contains(&format!("{last}{number}")) {
            number += 1;
        }
        let name = format!("{last}{number}");
        self.0.insert(name.clone());
        name
    }
}

/// Returns a name in camel case, of letters and digits: `price_line` becomes `PriceLine`.
pub(super) fn camel(text: &str) -> String {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let name: String = parts.map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("T{name}") }
}

/// Returns a name in snake case, of letters, digits and `_`: `PriceLine` becomes `price_line`.
pub(super) fn snake(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        name.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { name } else { format!("f_{name}") }
}

impl<'a> Schema<'a> {
    /// Names all types of a service's interface.
    pub(super) fn of(service: &'a ServiceInterface) -> Self {
        let mut builder = Builder::default();
        builder.names.take(&[camel(&service.service)]);
        for function in &service.functions {
            let arguments = function.arguments.iter().map(|argument| &argument.shape);
            arguments.chain(&function.result).for_each(|shape| builder.collect(shape));
        }
        let mut operation_names = Names::default();
        let operations =
            service.functions.iter().map(|function| builder.operation(function, &mut operation_names)).collect();
        Self { objects: builder.objects, operations, names: builder.names }
    }
}

#[derive(Default)]
struct Builder {
    names: Names,
    /// The fields of each class, over all of its values.
    models: BTreeMap<String, Vec<Field>>,
    /// The names of classes that have one.
    named: BTreeMap<String, String>,
    objects: Vec<Object>,
}

impl Builder {
    fn collect(&mut self, shape: &Shape) {
        match shape {
            Shape::Model(model) => {
                model.fields.iter().for_each(|field| self.collect(&field.shape));
                let fields = match self.models.remove(&model.type_name) {
                    Some(known) => merge_fields(known, model.fields.clone()),
                    None => model.fields.clone(),
                };
                self.models.insert(model.type_name.clone(), fields);
            }
            Shape::List(element) | Shape::Set(element) | Shape::Map(element) => self.collect(element),
            Shape::Tuple(all) | Shape::Any(all) => all.iter().for_each(|one| self.collect(one)),
            Shape::Dict(fields) => fields.iter().for_each(|field| self.collect(&field.shape)),
            _ => {}
        }
    }

    fn operation<'b>(&mut self, function: &'b InterfaceFunction, names: &mut Names) -> Operation<'b> {
        let (module, qualname) = function.function.split_once(':').unwrap_or(("", &function.function));
        let last = module.rsplit('.').next().unwrap_or(module);
        let name = names.take(&[camel(qualname), camel(&format!("{last}_{qualname}"))]);
        let (sent, kept): (Vec<&Field>, Vec<&Field>) =
            function.arguments.iter().partition(|argument| obstacle(&argument.shape).is_none());
        let mut notes = Vec::new();
        if let Some(reason) = &function.reason {
            notes.push(format!("{}: {reason}", function.readiness.name()));
        }
        for argument in kept {
            let why = obstacle(&argument.shape).unwrap_or_default();
            notes.push(format!("{} is not sent: {why}", argument.name));
        }
        if !function.exceptions.is_empty() {
            notes.push(format!("raises {}", function.exceptions.join(", ")));
        }
        let sent: Vec<Field> = sent.into_iter().cloned().collect();
        let fields = self.fields(&sent, &name);
        let arguments = self.names.take(&[format!("{name}Arguments")]);
        let origin = format!("The arguments of {}", function.function);
        self.objects.push(Object { name: arguments.clone(), origin, fields });
        let result_name = self.names.take(&[format!("{name}Result")]);
        let is_stream = matches!(function.kind, InterfaceKind::Generator | InterfaceKind::AsyncGenerator);
        // The items of an iterator are not recorded.
        let result = function.result.as_ref().filter(|_| !is_stream);
        let result = result.map(|result| self.named(result, &result_name)).unwrap_or_default();
        Operation { function, name, arguments, result_name, result, is_stream, notes }
    }

    fn fields(&mut self, fields: &[Field], context: &str) -> Vec<Field> {
        let field = |field: &Field| {
            let context = format!("{context}{}", camel(&field.name));
            Field { shape: self.named(&field.shape, &context), ..field.clone() }
        };
        fields.iter().map(field).collect()
    }

    /// Returns a shape whose objects and dictionaries with names for keys stand among the objects, and are named in it.
    fn named(&mut self, shape: &Shape, context: &str) -> Shape {
        let item = format!("{context}Item");
        match shape {
            Shape::List(of) => Shape::List(Box::new(self.named(of, &item))),
            Shape::Set(of) => Shape::Set(Box::new(self.named(of, &item))),
            Shape::Map(of) => Shape::Map(Box::new(self.named(of, &item))),
            Shape::Tuple(all) => Shape::Tuple(self.each_named(all, context)),
            Shape::Any(all) => Shape::Any(self.each_named(all, context)),
            Shape::Dict(fields) if fields.is_empty() => Shape::Map(Box::default()),
            Shape::Dict(fields) => {
                let name = self.names.take(&[context.to_owned()]);
                let fields = self.fields(fields, &name);
                self.objects.push(Object { name: name.clone(), origin: "A dictionary".to_owned(), fields });
                object(name)
            }
            Shape::Model(model) => object(self.model(&model.type_name)),
            other => other.clone(),
        }
    }

    fn each_named(&mut self, all: &[Shape], context: &str) -> Vec<Shape> {
        (1..).zip(all).map(|(number, one)| self.named(one, &format!("{context}{number}"))).collect()
    }

    /// Returns the name of a class, and adds it on first use.
    fn model(&mut self, type_name: &str) -> String {
        if let Some(name) = self.named.get(type_name) {
            return name.clone();
        }
        let (module, class) = type_name.split_once(':').unwrap_or(("", type_name));
        let last = module.rsplit('.').next().unwrap_or(module);
        let name = self.names.take(&[camel(class), camel(&format!("{last}_{class}"))]);
        self.named.insert(type_name.to_owned(), name.clone());
        let fields = self.models.get(type_name).cloned().unwrap_or_default();
        let fields = self.fields(&fields, &name);
        self.objects.push(Object { name: name.clone(), origin: type_name.to_owned(), fields });
        name
    }
}

fn object(type_name: String) -> Shape {
    Shape::Model(Model { type_name, fields: Vec::new() })
}

/// Returns the reason why an argument is not sent at all.
fn obstacle(shape: &Shape) -> Option<String> {
    let Shape::Handle(handle) = shape else { return None };
    let why = match handle.class {
        PayloadClass::Resource => "the callee obtains it for itself",
        PayloadClass::Callback => "it is a callback, so the code has to change",
        PayloadClass::Live => "it is a live resource, so the code has to change",
        _ => return None,
    };
    Some(format!("{why} ({})", handle.type_name))
}
