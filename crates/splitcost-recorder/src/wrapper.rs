//! Functions that decorators put around others: a call of one is a call of the function that it stands for.
//!
//! All functions that a decorator has made share one code object, which is named by the decorator. They differ by what they
//! close over. Where one of them is found under the name of the function that it closes over, in a module or class, others
//! call it by that name. That holds for decorators of the same module; one of another module stays a function of its own,
//! which runs where it is held, and calls the decorated one.

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyModule, PyTuple, PyType};
use rustc_hash::FxHashMap;
use splitcost_recording::log::FunctionKindCode;

use crate::code::{arguments, classify_function, kind_of_code, module_name};
use crate::inert::{self, instance_dict, is_of_c, loaded_modules, own_attr};
use crate::shadow_stack::CodeFacts;
use crate::source;
use crate::state::{Arguments, lock};

/// Most objects that one search looks at: functions that call each other close over each other.
///
/// Chosen: some decorators around one function, each with its parts.
const MAX_SEEN: usize = 64;
/// Most parts of an object that are looked through for a function.
///
/// Chosen: a decorator's object has fewer.
const MAX_PARTS: usize = 16;
/// Searches in vain, per code object, before it is taken for no decorator's.
///
/// Chosen: a search takes 3 µs; while the app is imported, a function may be called before it has its name.
const MAX_MISSES: u32 = 16;
/// Most functions that one code object stands for.
///
/// Chosen: far above the uses of a decorator.
const MAX_KNOWN: usize = 5_000;

/// The functions that a code object may stand for.
pub(crate) struct Wrappers {
    /// Names of the variables that it closes over.
    free: Arc<[String]>,
    misses: u32,
    /// By the addresses of the functions that one closes over.
    known: FxHashMap<Vec<usize>, Wrapper>,
}

/// A function that stands for one that it closes over.
struct Wrapper {
    facts: CodeFacts,
    arguments: Arc<Arguments>,
    /// Keeps the addresses taken.
    _inner: Vec<Py<PyFunction>>,
}

impl Wrappers {
    /// Returns the functions that this code may stand for, if it is that of an inner function that closes over something.
    pub(crate) fn of(code: &Bound<'_, PyAny>, qualname: &str) -> PyResult<Option<Self>> {
        let free: Vec<String> = code.getattr(intern!(code.py(), "co_freevars"))?.extract()?;
        let is_named = qualname.contains(".<locals>.") && !qualname.ends_with('>');
        Ok((is_named && !free.is_empty()).then(|| Self { free: free.into(), misses: 0, known: FxHashMap::default() }))
    }
}

/// The function that a call is one of.
pub(crate) struct Resolved {
    pub(crate) facts: CodeFacts,
    /// Its arguments, where they are not those of the code.
    pub(crate) arguments: Option<Arc<Arguments>>,
}

/// Returns the function that the call of a decorator's inner function is one of.
pub(crate) fn resolve(code: &Bound<'_, PyAny>, frame: &Bound<'_, PyAny>, facts: CodeFacts) -> PyResult<Resolved> {
    let py = code.py();
    let address = code.as_ptr() as usize;
    let unresolved = Resolved { facts, arguments: None };
    let free = lock().as_mut().and_then(|recorder| Some(Arc::clone(&recorder.wrappers(address)?.free)));
    let Some(free) = free else { return Ok(unresolved) };
    let locals = frame.getattr(intern!(py, "f_locals"))?;
    let values = free.iter().filter_map(|name| locals.get_item(name.as_str()).ok());
    let inner: Vec<Bound<'_, PyFunction>> = values.filter_map(|value| function_of(&value)).collect();
    let key: Vec<usize> = inner.iter().map(|function| function.as_ptr() as usize).collect();
    if let Some(wrappers) = lock().as_mut().and_then(|recorder| recorder.wrappers(address))
        && let Some(wrapper) = wrappers.known.get(&key)
    {
        return Ok(Resolved { facts: wrapper.facts, arguments: Some(Arc::clone(&wrapper.arguments)) });
    }
    if let Some((facts, arguments)) = find(code, &inner, facts)? {
        let arguments = Arc::new(arguments);
        let resolved = Resolved { facts, arguments: Some(Arc::clone(&arguments)) };
        let wrapper = Wrapper { facts, arguments, _inner: inner.into_iter().map(Bound::unbind).collect() };
        if let Some(wrappers) = lock().as_mut().and_then(|recorder| recorder.wrappers(address))
            && wrappers.known.len() < MAX_KNOWN
        {
            wrappers.known.insert(key, wrapper);
        }
        return Ok(resolved);
    }
    if let Some(recorder) = lock().as_mut() {
        let is_none = recorder.wrappers(address).is_some_and(|wrappers| {
            wrappers.misses += 1;
            wrappers.known.is_empty() && wrappers.misses >= MAX_MISSES
        });
        if is_none {
            recorder.wraps_nothing(address);
        }
    }
    Ok(unresolved)
}

/// Returns the function that code stands for which closes over these, if it is found under the name of one of them.
fn find(
    code: &Bound<'_, PyAny>,
    inner: &[Bound<'_, PyFunction>],
    own: CodeFacts,
) -> PyResult<Option<(CodeFacts, Arguments)>> {
    let py = code.py();
    let mut defined = Vec::new();
    for function in inner {
        add_definitions(function, &mut defined)?;
    }
    let mut found = None;
    for defined in defined {
        let globals: Bound<'_, PyDict> =
            defined.getattr(intern!(py, "__globals__"))?.cast_into().map_err(PyErr::from)?;
        let loaded_as: Option<String> = globals.get_item("__name__")?.and_then(|name| name.extract().ok());
        let (Some(loaded_as), Some(module)) = (loaded_as, module_name(&globals)) else { continue };
        let qualname = qualname_of(&defined)?;
        if attribute(py, &loaded_as, &qualname).is_some_and(|held| holds(&held, code, inner)) {
            found = Some((defined, module, qualname));
            break;
        }
    }
    let Some((defined, module, qualname)) = found else { return Ok(None) };
    let defined_code = defined.getattr(intern!(py, "__code__"))?;
    let kind = kind_of_code(code)?;
    // What returns the coroutine of another function is a function beside that.
    if kind == FunctionKindCode::Plain && kind_of_code(&defined_code)? == FunctionKindCode::Coroutine {
        return Ok(None);
    }
    let Some(facts) = classify_function(&defined)?.filter(|facts| facts.module == own.module) else { return Ok(None) };
    let file: String = defined_code.getattr(intern!(py, "co_filename"))?.extract()?;
    let line = defined_code.getattr(intern!(py, "co_firstlineno"))?.extract()?;
    let arguments = arguments(code, &module, &qualname)?;
    let (qualname, file) = (source::written_qualname(&qualname), source::written_file(file));
    let Some(recorder) = &mut *lock() else { return Ok(None) };
    let owner = recorder.modules[facts.module as usize].clone();
    let function = recorder.function(owner, &qualname, &file, line, kind);
    let facts = CodeFacts { function, is_entry_point: facts.is_entry_point, ..own };
    Ok(Some((facts, arguments)))
}

/// Adds the functions under all decorators: those that are no inner functions.
fn add_definitions<'py>(function: &Bound<'py, PyFunction>, found: &mut Vec<Bound<'py, PyFunction>>) -> PyResult<()> {
    let mut seen = vec![function.clone()];
    let mut next = 0;
    while let Some(function) = seen.get(next).cloned() {
        next += 1;
        if qualname_of(&function)?.contains("<locals>") {
            add_unseen(closed_over(&function).iter().filter_map(function_of), &mut seen);
        } else {
            found.push(function);
        }
    }
    Ok(())
}

/// Adds the objects that are not there yet, as long as these are few.
fn add_unseen<'py, T>(objects: impl Iterator<Item = Bound<'py, T>>, seen: &mut Vec<Bound<'py, T>>) {
    for object in objects {
        if seen.len() < MAX_SEEN && !seen.iter().any(|known| known.as_ptr() == object.as_ptr()) {
            seen.push(object);
        }
    }
}

/// Returns true when an object is the function with this code that closes over these functions, or is made around it.
fn holds(object: &Bound<'_, PyAny>, code: &Bound<'_, PyAny>, inner: &[Bound<'_, PyFunction>]) -> bool {
    let mut seen = vec![object.clone()];
    let mut next = 0;
    while let Some(object) = seen.get(next).cloned() {
        next += 1;
        let parts = parts(&object);
        let is_it = object.cast_exact::<PyFunction>().is_ok_and(|function| {
            let has_code = function.getattr(intern!(code.py(), "__code__")).is_ok_and(|found| found.is(code));
            has_code && parts.iter().filter_map(function_of).zip(inner).all(|(part, inner)| part.is(inner))
        });
        if is_it {
            return true;
        }
        add_unseen(parts.into_iter(), &mut seen);
    }
    false
}

/// Returns the functions in an object, and what stands for functions: of a function what it closes over, of another object
/// its fields.
fn parts<'py>(object: &Bound<'py, PyAny>) -> Vec<Bound<'py, PyAny>> {
    let py = object.py();
    if let Ok(function) = object.cast_exact::<PyFunction>() {
        return closed_over(function);
    }
    if is_descriptor(object) {
        let names = [intern!(py, "__func__"), intern!(py, "fget"), intern!(py, "fset")];
        return names.into_iter().filter_map(|name| object.getattr_opt(name).ok().flatten()).collect();
    }
    let is_module_or_class = object.is_instance_of::<PyModule>() || object.is_instance_of::<PyType>();
    let held = if is_module_or_class { None } else { instance_dict(object) };
    held.map(|held| held.values().iter().take(MAX_PARTS).filter(|part| function_of(part).is_some()).collect())
        .unwrap_or_default()
}

/// Returns what a function closes over, as far as it is set.
fn closed_over<'py>(function: &Bound<'py, PyFunction>) -> Vec<Bound<'py, PyAny>> {
    let py = function.py();
    let cells = function.getattr(intern!(py, "__closure__")).ok().and_then(|cells| cells.cast_into::<PyTuple>().ok());
    let contents = |cell: Bound<'py, PyAny>| cell.getattr(intern!(py, "cell_contents")).ok();
    let set = cells.iter().flatten().take(MAX_PARTS).filter_map(contents);
    set.filter(|part| function_of(part).is_some()).collect()
}

/// Returns a function, also that of a static or class method, or under a cache of `functools`.
fn function_of<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyFunction>> {
    if let Ok(function) = value.cast_exact::<PyFunction>() {
        return Some(function.clone());
    }
    let kind = value.get_type();
    if !is_of_c(&kind) {
        return None;
    }
    let inner = match inert::qualname(&kind)?.as_str() {
        "staticmethod" | "classmethod" => value.getattr(intern!(value.py(), "__func__")).ok(),
        "property" => value.getattr(intern!(value.py(), "fget")).ok(),
        "_lru_cache_wrapper" => instance_dict(value)?.get_item("__wrapped__").ok().flatten(),
        _ => None,
    };
    inner.and_then(|inner| inner.cast_into_exact::<PyFunction>().ok())
}

fn is_descriptor(value: &Bound<'_, PyAny>) -> bool {
    let kind = value.get_type();
    is_of_c(&kind)
        && inert::qualname(&kind).is_some_and(|name| matches!(&*name, "staticmethod" | "classmethod" | "property"))
}

fn qualname_of(function: &Bound<'_, PyFunction>) -> PyResult<String> {
    let code = function.getattr(intern!(function.py(), "__code__"))?;
    code.getattr(intern!(function.py(), "co_qualname"))?.extract()
}

/// Returns what a module holds under a qualified name.
fn attribute<'py>(py: Python<'py>, module: &str, qualname: &str) -> Option<Bound<'py, PyAny>> {
    let module = loaded_modules(py)?.get_item(module).ok()??;
    qualname.split('.').try_fold(module, |outer, name| match outer.cast::<PyType>() {
        Ok(class) => own_attr(class, name),
        Err(_) => instance_dict(&outer)?.get_item(name).ok()?,
    })
}
