//! Objects that outlive a request: those that live at module level, as an attribute of one of the app's modules, and those
//! that several requests use.

use std::sync::PoisonError;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyWeakrefMethods, PyWeakrefReference};

use crate::code::module_name;
use crate::inert::{instance_dict, loaded_modules};
use crate::source;
use crate::type_info::TypeInfo;
use splitcost_recording::redact::VALUE;

/// Searches for objects of a type that may be in vain before the search ends: once the app is served, and while it starts,
/// when nothing may hold its objects yet.
///
/// Chosen: the objects of a service class are met at once; a search takes about 100 µs, and milliseconds in a large app.
const MAX_SEARCHES: u32 = 4;
const MAX_SEARCHES_AT_START: u32 = 16;
/// Most places remembered of one type.
///
/// Chosen: more objects of one class at module level are a table of data.
const MAX_PLACES: usize = 16;

/// Most objects of one class that are watched for whether several requests use them.
///
/// Chosen: more at a time are data that is kept.
const MAX_WATCHED: usize = 4;

/// The places of a type's objects, as far as they are known.
#[derive(Default)]
pub(crate) struct Places {
    searches: u32,
    searches_at_start: u32,
    known: Vec<Place>,
}

/// The objects of a type that methods were called on.
#[derive(Default)]
pub(crate) struct Users {
    are_many: bool,
    watched: Vec<Watched>,
}

struct Watched {
    object: Py<PyWeakrefReference>,
    /// The request that used it first.
    request: u64,
    is_shared: bool,
}

impl Users {
    fn find(&mut self, value: &Bound<'_, PyAny>) -> Option<&mut Watched> {
        let object = |watched: &Watched| watched.object.bind(value.py()).upgrade();
        self.watched.iter_mut().find(|watched| object(watched).is_some_and(|object| object.is(value)))
    }
}

/// Returns true when several requests have called methods on an object, of which there are few. Notes that `request` does so
/// now.
pub(crate) fn is_shared(value: &Bound<'_, PyAny>, info: &TypeInfo, request: Option<u64>) -> bool {
    let lock = || info.users.lock().unwrap_or_else(PoisonError::into_inner);
    if !info.is_own || lock().are_many {
        return false;
    }
    if let Some(watched) = lock().find(value) {
        watched.is_shared |= request.is_some_and(|request| request != watched.request);
        return watched.is_shared;
    }
    // Making it may run the garbage collector, and thereby code of the app: no lock is held meanwhile.
    if let Some(request) = request
        && let Ok(object) = PyWeakrefReference::new(value)
    {
        let mut users = lock();
        users.watched.retain(|watched| watched.object.bind(value.py()).upgrade().is_some());
        users.are_many = users.watched.len() >= MAX_WATCHED;
        users.watched.push(Watched { object: object.unbind(), request, is_shared: false });
        if users.are_many {
            users.watched.clear();
        }
    }
    false
}

#[derive(Clone)]
struct Place {
    /// Address of the object that was found there.
    address: usize,
    /// Name of the module, and that under which the app knows it.
    loaded_as: String,
    /// The attribute of that module; empty where the name is a way from there.
    attribute: String,
    /// Its name, as it is written.
    name: String,
}

/// Returns the name of an object that each process of the app has: as `shop.pricing:pricing` at module level, or the way to
/// it, as `(app)/state/pricing`.
pub(crate) fn place_of(value: &Bound<'_, PyAny>, info: &TypeInfo) -> Option<String> {
    let address = value.as_ptr() as usize;
    let lock = || info.places.lock().unwrap_or_else(PoisonError::into_inner);
    let (known, searches, searches_at_start) = {
        let places = lock();
        let known = places.known.iter().find(|place| place.address == address).cloned();
        (known, places.searches, places.searches_at_start)
    };
    // Another object may have that address by now. A search runs our Python code: no lock is held meanwhile.
    if let Some(place) = known.filter(|place| is_there(place, value)) {
        return Some(place.name);
    }
    if searches >= MAX_SEARCHES {
        return None;
    }
    let is_start = !is_served(value.py());
    if is_start && searches_at_start >= MAX_SEARCHES_AT_START {
        return None;
    }
    let Some(place) = search(value, info) else {
        let mut places = lock();
        if is_start {
            places.searches_at_start += 1;
        } else {
            places.searches += 1;
        }
        return None;
    };
    let mut places = lock();
    places.known.retain(|known| known.address != address);
    if places.known.len() < MAX_PLACES {
        places.known.push(place.clone());
    }
    Some(place.name)
}

fn is_there(place: &Place, value: &Bound<'_, PyAny>) -> bool {
    if place.attribute.is_empty() {
        return resolve(value.py(), &place.loaded_as).is_ok_and(|found| found.is(value));
    }
    let module = loaded_modules(value.py()).and_then(|modules| modules.get_item(&place.loaded_as).ok().flatten());
    let found = module.and_then(|module| instance_dict(&module)?.get_item(&place.attribute).ok().flatten());
    found.is_some_and(|found| found.is(value))
}

/// Looks through the app's modules; the one that defines the type comes first.
fn search(value: &Bound<'_, PyAny>, info: &TypeInfo) -> Option<Place> {
    let mut found = None;
    let mut modules = Vec::new();
    for (name, module) in loaded_modules(value.py())?.iter() {
        let Some(loaded_as) = name.cast_exact::<PyString>().ok().and_then(|name| name.to_str().ok()) else { continue };
        if loaded_as != "__main__" && !source::is_recorded(loaded_as) {
            continue;
        }
        let loaded = module;
        let Some(globals) = instance_dict(&loaded) else { continue };
        let Some(module) = module_name(&globals) else { continue };
        if !source::is_recorded(&module) {
            continue;
        }
        for (attribute, _) in globals.iter().filter(|(_, other)| other.is(value)) {
            let Some(attribute) = attribute.cast_exact::<PyString>().ok().and_then(|name| name.to_str().ok()) else {
                continue;
            };
            if !source::spells_out(attribute) {
                continue;
            }
            let place = Place {
                address: value.as_ptr() as usize,
                loaded_as: loaded_as.to_owned(),
                attribute: attribute.to_owned(),
                name: format!("{module}:{attribute}"),
            };
            if info.is_defined_in(loaded_as) {
                return Some(place);
            }
            found.get_or_insert(place);
        }
        modules.push((loaded_as.to_owned(), loaded));
    }
    if found.is_some() {
        return found;
    }
    let way = find(value, modules).ok()??;
    let mut steps = way.split('/');
    let root = steps.next()?;
    let written = steps.map(|step| if is_written(step) { step } else { VALUE });
    let name = std::iter::once(root).chain(written).collect::<Vec<_>>().join("/");
    Some(Place { address: value.as_ptr() as usize, loaded_as: way, attribute: String::new(), name })
}

/// Returns true for a step that is written: an index, or a name that the source spells out.
fn is_written(step: &str) -> bool {
    step.bytes().all(|byte| byte.is_ascii_digit()) || source::spells_out(step)
}

/// Returns the way to an object, as `splitcost._places` finds it.
fn find<'py>(value: &Bound<'py, PyAny>, modules: Vec<(String, Bound<'py, PyAny>)>) -> PyResult<Option<String>> {
    static FIND: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    FIND.import(py, "splitcost._places", "find")?.call1((value, modules))?.extract()
}

fn resolve<'py>(py: Python<'py>, way: &str) -> PyResult<Bound<'py, PyAny>> {
    static RESOLVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    RESOLVE.import(py, "splitcost._places", "resolve")?.call1((way,))
}

/// Returns true once a server has the app.
fn is_served(py: Python<'_>) -> bool {
    static IS_SERVED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let ask = || IS_SERVED.import(py, "splitcost._places", "is_served")?.call0()?.extract();
    ask().unwrap_or(true)
}
