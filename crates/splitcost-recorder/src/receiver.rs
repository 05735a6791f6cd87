//! The object or class that a method is called on: a class, data, a service object, or one that must stay where it is.

use pyo3::prelude::*;
use pyo3::types::PyType;
use splitcost_recording::log::{LoggedReceiver, PayloadClassCode as Class, ReceiverKindCode as Kind};

use crate::handing::origin;
use crate::inert::{self, is_of_c, own_attr};
use crate::obstacle::Obstacle;
use crate::place::{is_shared, place_of};
use crate::resource;
use crate::source;
use crate::type_info::{Encoding, info_of, is_found, type_of};
use crate::walk::Walk;

/// Methods that complete a new object: that they set its fields is no change.
const CONSTRUCTORS: [&str; 5] = ["__init__", "__post_init__", "__attrs_post_init__", "model_post_init", "__setstate__"];

/// The reasons why a library calls code of the app.
pub(crate) const EXTENDS_LIBRARY: &str = "its class extends one of a library, which calls it";
pub(crate) const GIVEN_TO_LIBRARY: &str = "a library calls it, and no other module names it";
/// The reasons why an object that holds only data is a service object.
const SHARED: &str = "several requests use it";
const FIELDLESS: &str = "it has no fields";
pub(crate) const WRAPS_STATEMENTS: &str = "it is called for the statements of others";

/// Packages that call whatever they are handed, or what templates name: a call of theirs says nothing about who wants it.
const RUNNERS: [&str; 22] = [
    "anyio",
    "asgiref",
    "asyncio",
    "backoff",
    "blinker",
    "celery",
    "chameleon",
    "concurrent",
    "contextlib",
    "contextvars",
    "django.dispatch",
    "django.template",
    "functools",
    "jinja2",
    "mako",
    "pluggy",
    "pydispatch",
    "splitcost",
    "stamina",
    "tenacity",
    "threading",
    "trio",
];

/// Packages that make and check data: what they are given (validators, converters, listeners of rows) belongs to the class of the
/// data, which every service has. Of any other package a function may be a subscriber, which a split would have to call.
const DATA_LIBRARIES: [&str; 12] = [
    "attr",
    "attrs",
    "cattrs",
    "django.db",
    "django.forms",
    "marshmallow",
    "msgspec",
    "pydantic",
    "rest_framework.fields",
    "sqlalchemy",
    "sqlmodel",
    "wtforms",
];

/// Modules whose classes only say which methods a class has.
const MARKERS: [&str; 6] = ["abc", "collections.abc", "contextlib", "numbers", "typing", "typing_extensions"];

/// The method that a function is by its qualified name.
pub(crate) struct Method {
    /// Its class, as `module:Qualname`.
    class: String,
    name: String,
}

impl Method {
    /// Returns the method that a function of this module is, if it is one by its qualified name.
    pub(crate) fn of(module: &str, qualname: &str) -> Option<Self> {
        let (class, name) = qualname.rsplit_once('.')?;
        let is_function = class.ends_with("<locals>");
        (!is_function).then(|| Self { class: format!("{module}:{class}"), name: name.to_owned() })
    }

    /// Returns true when it completes a new object.
    pub(crate) fn is_constructor(&self) -> bool {
        CONSTRUCTORS.contains(&self.name.as_str())
    }

    /// Returns true when the first argument of the call is what the method was called on.
    pub(crate) fn is_called_on(&self, first: &Bound<'_, PyAny>) -> bool {
        let is_ours = |kind: &Bound<'_, PyType>| info_of(kind).own_bases.contains(&self.class);
        let kind = match first.cast::<PyType>() {
            Ok(class) if is_ours(class) => class.clone(),
            _ => first.get_type(),
        };
        is_ours(&kind) && (self.name == "__new__" || !self.is_static(&kind))
    }

    /// Returns true when it overrides a method of a library's class, and the module that calls it is of such a library.
    pub(crate) fn extends_library(&self, object: &Bound<'_, PyAny>, caller: &str) -> bool {
        let kind = object.cast::<PyType>().map_or_else(|_| object.get_type(), Clone::clone);
        let bases = inert::mro(&kind).unwrap_or_default();
        // The root of all classes is the last one, and is extended by each.
        let bases = bases.iter().rev().skip(1).filter(|base| !info_of(base).is_own);
        let libraries = bases.map(|base| (base, inert::module_of(base).unwrap_or_default()));
        let libraries: Vec<_> = libraries.filter(|(_, module)| !MARKERS.contains(&module.as_str())).collect();
        !self.is_constructor()
            && libraries.iter().any(|(base, _)| own_attr(base, &self.name).is_some())
            && libraries.iter().any(|(_, module)| package(module) == package(caller))
    }

    /// Returns true when an installed library, of which `caller` is a module, calls it, and no module of the app but its own
    /// names it: the library knows its class from a setting, a table or a registration.
    pub(crate) fn is_given_to(&self, caller: &str) -> bool {
        let (module, _) = self.class.split_once(':').unwrap_or_default();
        is_given_to(caller, module, &self.name)
    }

    /// Returns true when it overrides a method of a library's connection to a database, or of what is like one.
    pub(crate) fn extends_database(&self, object: &Bound<'_, PyAny>) -> bool {
        let is_database = |base: &&Bound<'_, PyType>| {
            let names = inert::module_of(base).zip(inert::qualname(base));
            names.is_some_and(|(module, qualname)| resource::is_database(&module, &qualname))
        };
        let bases = inert::mro(&object.get_type()).unwrap_or_default();
        let is_overridden = bases.iter().filter(is_database).any(|base| own_attr(base, &self.name).is_some());
        is_overridden && !self.is_constructor()
    }

    /// Returns true when a library that makes data calls it, and no module of the app but its own names it.
    pub(crate) fn is_given_to_data(&self, caller: &str) -> bool {
        let (module, _) = self.class.split_once(':').unwrap_or_default();
        is_given_to_data(caller, module, &self.name)
    }

    fn is_static(&self, kind: &Bound<'_, PyType>) -> bool {
        let bases = inert::mro(kind).unwrap_or_default();
        let Some(owner) = bases.iter().find(|base| info_of(base).own_bases.first() == Some(&self.class)) else {
            return false;
        };
        let stored = own_attr(owner, &self.name).or_else(|| {
            let class = self.class.rsplit(['.', ':']).next().unwrap_or_default().trim_start_matches('_');
            own_attr(owner, &format!("_{class}{}", self.name))
        });
        let stored = stored.map(|stored| stored.get_type());
        stored.is_some_and(|kind| is_of_c(&kind) && inert::qualname(&kind).as_deref() == Some("staticmethod"))
    }
}

/// Returns true when a library that makes data calls a function or class method of a module that was given to it there.
pub(crate) fn is_given_to_data(library: &str, module: &str, name: &str) -> bool {
    DATA_LIBRARIES.iter().any(|known| resource::is_within(library, known)) && is_given_to(library, module, name)
}

/// Returns true when a library that calls a function or method of a module was given it there: no other module names it.
fn is_given_to(library: &str, module: &str, name: &str) -> bool {
    // The code of a template is in no module.
    let is_runner = library.is_empty() || RUNNERS.iter().any(|runner| resource::is_within(library, runner));
    // The interpreter calls methods of such names without anybody who names them.
    let is_implied = name.starts_with("__");
    !is_runner && !is_implied && !source::is_named_outside(name, &source::namer_of(module))
}

/// Returns the top-level package of a module.
fn package(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

/// A receiver, looked at.
pub(crate) struct Looked {
    pub(crate) receiver: LoggedReceiver,
    /// Fingerprint of the fields of a value.
    pub(crate) hash: Option<u64>,
}

/// Looks at a receiver; one that is being constructed lives nowhere yet.
pub(crate) fn look(value: &Bound<'_, PyAny>, is_new: bool) -> PyResult<Looked> {
    let receiver = |kind, type_name, place: Option<String>, reason: &str| LoggedReceiver {
        kind,
        type_name,
        place: place.unwrap_or_default(),
        encoded_bytes: 0,
        nodes: 0,
        reason: reason.to_owned(),
        obstacles: Vec::new(),
    };
    if let Ok(class) = value.cast::<PyType>() {
        let info = info_of(class);
        let place = is_found(class).then(|| info.name.clone());
        return Ok(Looked { receiver: receiver(Kind::Class, info.dotted(), place, "it is a class"), hash: None });
    }
    let info = type_of(value);
    if let Some(place) = if is_new { None } else { place_of(value, &info) } {
        let receiver = receiver(Kind::Service, info.dotted(), Some(place), "it lives at module level");
        return Ok(Looked { receiver, hash: None });
    }
    let mut walk = Walk::new("");
    walk.receiver(value, &info)?;
    let decisive = walk.obstacles.service().or(walk.obstacles.worst()).filter(|worst| worst.class > Class::Value);
    let Some(decisive) = decisive else {
        let is_plain = !is_new && matches!(info.encoding, Encoding::Object(_));
        let hash = (!walk.has_unmade).then_some(walk.hash);
        let service = |class, reason| {
            let mut receiver = receiver(Kind::Service, info.dotted(), None, reason);
            receiver.obstacles.push((class, format!("arguments.self ({})", info.dotted())));
            receiver
        };
        // There is no data that its methods could belong to: it stands for the code of its module.
        if is_plain && walk.nodes == 1 {
            return Ok(Looked { receiver: service(Class::Carried, FIELDLESS), hash });
        }
        let request = || origin(value.py()).map(|origin| origin.map(|origin| origin.request));
        if is_plain && is_shared(value, &info, request()?) {
            return Ok(Looked { receiver: service(Class::Service, SHARED), hash: None });
        }
        let mut receiver = receiver(Kind::Value, info.dotted(), None, "its fields are data");
        (receiver.encoded_bytes, receiver.nodes) = (walk.bytes, walk.nodes);
        return Ok(Looked { receiver, hash });
    };
    let is_service = matches!(decisive.class, Class::Resource | Class::Named | Class::Carried | Class::Service);
    let kind = if is_service { Kind::Service } else { Kind::Reference };
    let mut receiver = receiver(kind, info.dotted(), None, &reason(walk.obstacles.blocking().unwrap_or(decisive)));
    receiver.obstacles = walk.obstacles.into_log();
    Ok(Looked { receiver, hash: None })
}

/// Returns true for an object that is no data.
pub(crate) fn is_kept(receiver: &LoggedReceiver) -> bool {
    matches!(receiver.kind, Kind::Service | Kind::Reference)
}

/// Returns true for a class.
pub(crate) fn is_class(receiver: &LoggedReceiver) -> bool {
    receiver.kind == Kind::Class
}

/// Returns the receiver of code that a library calls where it runs: a method, or else a function.
pub(crate) fn extension(value: Option<&Bound<'_, PyAny>>, reason: &str) -> LoggedReceiver {
    let info = value.map(|value| value.cast::<PyType>().map_or_else(|_| type_of(value), info_of));
    LoggedReceiver {
        kind: Kind::Extension,
        type_name: info.map_or_else(|| "function".to_owned(), |info| info.dotted()),
        place: String::new(),
        encoded_bytes: 0,
        nodes: 0,
        reason: reason.to_owned(),
        obstacles: Vec::new(),
    }
}

/// Turns an object of a plain class into one that must stay where it is, since the call changed it. Dataclasses, models and
/// rows are data whoever changes them: their methods run where they are.
pub(crate) fn note_change(receiver: &mut LoggedReceiver, object: &Bound<'_, PyAny>) {
    if !matches!(type_of(object).encoding, Encoding::Object(_)) {
        return;
    }
    receiver.kind = Kind::Reference;
    receiver.obstacles.clear();
    (receiver.encoded_bytes, receiver.nodes) = (0, 0);
    "the call changed its fields".clone_into(&mut receiver.reason);
}

fn reason(obstacle: &Obstacle) -> String {
    let noun = match obstacle.class {
        Class::Generator => "an iterator",
        Class::Resource => "a resource",
        Class::Named | Class::Carried | Class::Service => "a service object",
        Class::ContextManager => "a context manager",
        Class::Reference => "an object that stays where it is",
        Class::Callback => "a callback",
        _ => "a live resource",
    };
    match obstacle.path.trim_start_matches('.').rsplit_once(" (") {
        Some((field, kind)) if !field.is_empty() => format!("its field {field} holds {noun} ({kind}"),
        _ => format!("it is {noun}"),
    }
}
