//! Looking at a code object for the first time: is it under recording, and what is it called?

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::payload::Sample;
use crate::state::{NewCode, Seen, lock};

/// Spec: `Include/cpython/code.h`.
const CO_OPTIMIZED: u32 = 0x0001;
const CO_VARARGS: u32 = 0x0004;
const CO_VARKEYWORDS: u32 = 0x0008;
const CO_GENERATOR: u32 = 0x0020;
const CO_COROUTINE: u32 = 0x0080;
const CO_ITERABLE_COROUTINE: u32 = 0x0100;
const CO_ASYNC_GENERATOR: u32 = 0x0200;

/// Opcode of `RESUME` on 3.11, the only version where it is looked for.
const RESUME_3_11: u8 = 151;
/// Longest constant that may be an identifier.
///
/// Chosen: nobody names a field longer.
const MAX_NAME_LEN: usize = 64;

/// The running frame, borrowed from the interpreter.
pub(crate) fn current_frame(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the GIL is held; the frame is borrowed from the thread's state and lives at least as long as it runs,
    // and the `Bound` takes a reference of its own.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) }
}

/// Address of the running frame's object: a frame has one object at most, from its first look until it ends.
pub(crate) fn current_frame_address() -> usize {
    // SAFETY: the GIL is held by whoever runs a callback; only the address is used.
    unsafe { ffi::PyEval_GetFrame() as usize }
}

/// Puts code under recording if it belongs to the packages; `None` if it does not.
pub(crate) fn classify(py: Python<'_>, code: &Bound<'_, PyAny>, frame: &Bound<'_, PyAny>) -> PyResult<Option<Seen>> {
    let file: String = code.getattr(intern!(py, "co_filename"))?.extract()?;
    let globals = frame.getattr(intern!(py, "f_globals"))?;
    let Some(module) = module_name(&globals)? else { return Ok(None) };
    let owner = lock().as_ref().and_then(|recorder| recorder.packages.owner_of(&module).map(str::to_owned));
    let Some(owner) = owner else { return Ok(None) };
    // Code made at run time (a dataclass's methods, say) has no source that could be moved.
    if file.starts_with('<') {
        return Ok(None);
    }
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    if flags & CO_OPTIMIZED == 0 {
        // A module's or class's body: its execution is not a call, but it spells out the app's field names.
        let mut names = Vec::new();
        add_names(code, &mut names)?;
        if let Some(recorder) = lock().as_mut() {
            recorder.add_names(names);
        }
        return Ok(None);
    }
    let new = NewCode {
        code: code.clone().unbind(),
        module: owner,
        qualname: code.getattr(intern!(py, "co_qualname"))?.extract()?,
        file,
        line: code.getattr(intern!(py, "co_firstlineno"))?.extract()?,
        kind: kind_of(flags),
        arguments: arguments(code, flags)?,
        is_root: false,
        first_instruction: first_instruction(py, code)?,
    };
    Ok(lock().as_mut().and_then(|recorder| recorder.add_code(new)))
}

/// The ASGI entry's code, or the stand-in for tests: a function of the framework.
pub(crate) fn register_root(code: &Bound<'_, PyAny>, qualname: &str) -> PyResult<Option<Seen>> {
    let py = code.py();
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    let new = NewCode {
        code: code.clone().unbind(),
        module: "(framework)".to_owned(),
        qualname: qualname.to_owned(),
        file: String::new(),
        line: 0,
        kind: kind_of(flags),
        arguments: Vec::new(),
        is_root: true,
        first_instruction: first_instruction(py, code)?,
    };
    Ok(lock().as_mut().and_then(|recorder| recorder.add_code(new)))
}

/// The module's dotted name, also where it runs as the main program.
fn module_name(globals: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let text = |key: &str| globals.get_item(key).ok();
    let Some(name) = text("__name__") else { return Ok(None) };
    let Ok(name) = name.extract::<String>() else { return Ok(None) };
    if name != "__main__" {
        return Ok(Some(name));
    }
    let spec = text("__spec__").filter(|spec| !spec.is_none());
    match spec {
        Some(spec) => Ok(Some(spec.getattr(intern!(globals.py(), "name"))?.extract()?)),
        None => Ok(Some(name)),
    }
}

fn kind_of(flags: u32) -> u8 {
    if flags & CO_ASYNC_GENERATOR != 0 {
        3
    } else if flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE) != 0 {
        1
    } else if flags & CO_GENERATOR != 0 {
        2
    } else {
        0
    }
}

fn arguments(code: &Bound<'_, PyAny>, flags: u32) -> PyResult<Vec<String>> {
    let py = code.py();
    let mut count: usize = code.getattr(intern!(py, "co_argcount"))?.extract()?;
    count += code.getattr(intern!(py, "co_kwonlyargcount"))?.extract::<usize>()?;
    count += usize::from(flags & CO_VARARGS != 0) + usize::from(flags & CO_VARKEYWORDS != 0);
    let mut names: Vec<String> = code.getattr(intern!(py, "co_varnames"))?.extract()?;
    names.truncate(count);
    Ok(names)
}

/// Offset of the first instruction that is traced, as `f_lasti` has it; only 3.11 needs it.
fn first_instruction(py: Python<'_>, code: &Bound<'_, PyAny>) -> PyResult<u32> {
    if py.version_info() >= (3, 12) {
        return Ok(0);
    }
    let bytes: Vec<u8> = code.getattr(intern!(py, "co_code"))?.extract()?;
    let found = bytes.chunks(2).position(|unit| unit == [RESUME_3_11, 0]).unwrap_or(0);
    Ok(found as u32 * 2)
}

/// Collects the identifiers among the constants of a code object and of the functions in it.
fn add_names(code: &Bound<'_, PyAny>, names: &mut Vec<String>) -> PyResult<()> {
    let py = code.py();
    let consts = code.getattr(intern!(py, "co_consts"))?.cast_into::<PyTuple>().map_err(PyErr::from)?;
    for constant in consts.iter() {
        add_constant(&constant, names)?;
    }
    for name in code.getattr(intern!(py, "co_names"))?.try_iter()? {
        add_constant(&name?, names)?;
    }
    // Arguments become keys by `locals()` and `**kwargs`.
    for name in code.getattr(intern!(py, "co_varnames"))?.try_iter()? {
        add_constant(&name?, names)?;
    }
    Ok(())
}

fn add_constant(constant: &Bound<'_, PyAny>, names: &mut Vec<String>) -> PyResult<()> {
    if let Ok(text) = constant.cast_exact::<PyString>() {
        if let Some(name) = text.to_str().ok().filter(|text| text.len() <= MAX_NAME_LEN && is_identifier(text)) {
            names.push(name.to_owned());
        }
    } else if let Ok(tuple) = constant.cast_exact::<PyTuple>() {
        for item in tuple.iter() {
            add_constant(&item, names)?;
        }
    } else if constant.hasattr(intern!(constant.py(), "co_consts"))? {
        add_names(constant, names)?;
    }
    Ok(())
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Looks at the arguments of the call that runs `frame`, and for its call site.
pub(crate) fn look_at_arguments(py: Python<'_>, code: &Bound<'_, PyAny>, frame: &Bound<'_, PyAny>) -> PyResult<Sample> {
    let names = lock().as_ref().and_then(|recorder| recorder.arguments_of(code.as_ptr() as usize));
    let locals = frame.getattr(intern!(py, "f_locals"))?;
    let mut sample = Sample::of_arguments(names.as_deref().unwrap_or_default(), &locals, call_site(frame)?)?;
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    match kind_of(flags) {
        2 => sample.add_generator("generator"),
        3 => sample.add_generator("async_generator"),
        _ => {}
    }
    Ok(sample)
}

/// File and line of the nearest outer frame under recording; empty where there is none.
fn call_site(frame: &Bound<'_, PyAny>) -> PyResult<(String, u32)> {
    let py = frame.py();
    let mut outer = frame.getattr(intern!(py, "f_back"))?;
    while !outer.is_none() {
        let code = outer.getattr(intern!(py, "f_code"))?;
        let file = lock().as_ref().and_then(|recorder| recorder.file_of(code.as_ptr() as usize));
        if let Some(file) = file {
            let line = outer.getattr(intern!(py, "f_lineno"))?.extract::<Option<u32>>()?.unwrap_or(0);
            return Ok((file, line));
        }
        outer = outer.getattr(intern!(py, "f_back"))?;
    }
    Ok((String::new(), 0))
}
