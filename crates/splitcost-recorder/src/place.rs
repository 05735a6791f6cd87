//! Objects that outlive a request: those that live at module level, as an attribute of one of the app's modules, and those
//! that several requests use.

use std::sync::PoisonError;

use pyo3::prelude::*;
use pyo3::types::{PyString, PyWeakrefMethods, PyWeakrefReference};

use crate::code::module_name;
use crate::inert::{instance_dict, loaded_modules};
use crate::source;
use crate::type_info::TypeInfo;

/// Objects of a type that are searched for in vain before the search ends.
///
/// Chosen: the objects of a service class are met at once; a search takes about 100 µs.
const MAX_SEARCHES: u32 = 4;
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
    module: String,
    attribute: String,
}

/// Returns the place of an object of the app that lives at module level, as `shop.pricing:pricing`.
pub(crate) fn place_of(value: &Bound<'_, PyAny>, info: &TypeInfo) -> Option<String> {
    if !info.is_own {
        return None;
    }
    let address = value.as_ptr() as usize;
    let mut places = info.places.lock().unwrap_or_else(PoisonError::into_inner);
    let known = places.known.iter().find(|place| place.address == address);
    // Another object may have that address by now.
    let place = known.filter(|place| is_there(place, value)).cloned();
    let place = match place {
        Some(place) => place,
        None if places.searches >= MAX_SEARCHES => return None,
        None => {
            let Some(place) = search(value, info) else {
                places.searches += 1;
                return None;
            };
            places.known.retain(|known| known.address != address);
            if places.known.len() < MAX_PLACES {
                places.known.push(place.clone());
            }
            place
        }
    };
    Some(format!("{}:{}", place.module, place.attribute))
}

fn is_there(place: &Place, value: &Bound<'_, PyAny>) -> bool {
    let module = loaded_modules(value.py()).and_then(|modules| modules.get_item(&place.loaded_as).ok().flatten());
    let found = module.and_then(|module| instance_dict(&module)?.get_item(&place.attribute).ok().flatten());
    found.is_some_and(|found| found.is(value))
}

/// Looks through the app's modules; the one that defines the type comes first.
fn search(value: &Bound<'_, PyAny>, info: &TypeInfo) -> Option<Place> {
    let mut found = None;
    for (name, module) in loaded_modules(value.py())?.iter() {
        let Some(loaded_as) = name.cast_exact::<PyString>().ok().and_then(|name| name.to_str().ok()) else { continue };
        if loaded_as != "__main__" && !source::is_recorded(loaded_as) {
            continue;
        }
        let Some(globals) = instance_dict(&module) else { continue };
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
                module: module.clone(),
                attribute: attribute.to_owned(),
            };
            if info.is_defined_in(loaded_as) {
                return Some(place);
            }
            found.get_or_insert(place);
        }
    }
    found
}
