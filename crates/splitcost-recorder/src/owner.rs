//! The module that owns a function: its Python module, a part of the packages above it, or a class that the user names.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::inert;
use crate::source;

/// Returns the module that owns a function of the app, given the globals that it runs in.
pub(crate) fn owner_of(globals: &Bound<'_, PyDict>, module: &str, qualname: &str) -> Option<String> {
    let owner = source::owner_of(module, qualname)?;
    if owner.contains(':') || !source::has_classes(module) {
        return Some(owner);
    }
    Some(by_base(globals, module, qualname).unwrap_or(owner))
}

/// Returns the named class of the same file from which the class of a method, or one around it, is derived.
fn by_base(globals: &Bound<'_, PyDict>, module: &str, qualname: &str) -> Option<String> {
    let (classes, _) = qualname.split(".<locals>").next()?.rsplit_once('.')?;
    let loaded_as: String = globals.get_item("__name__").ok()??.extract().ok()?;
    let mut owner = None;
    let mut outer: Option<Bound<'_, PyType>> = None;
    for name in classes.split('.') {
        let value = match &outer {
            None => globals.get_item(name).ok().flatten(),
            Some(outer) => inert::own_attr(outer, name),
        };
        let Some(class) = value.and_then(|value| value.cast_into::<PyType>().ok()) else { break };
        let bases = inert::mro(&class).ok()?;
        let of_this_file = bases.iter().filter(|base| inert::module_of(base).as_ref() == Some(&loaded_as));
        let named = of_this_file.filter_map(inert::qualname).find_map(|base| source::class_of(module, &base));
        owner = named.or(owner);
        outer = Some(class);
    }
    owner
}
