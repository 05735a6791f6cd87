//! Code objects: those that are recorded are found and named at their first event.

use std::sync::Arc;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple};

use splitcost_recording::log::{FRAMEWORK, FunctionKindCode, PayloadClassCode as Class};

use crate::defaults::Defaults;
use crate::events::watch;
use crate::inert::instance_dict;
use crate::owner::owner_of;
use crate::payload::Sample;
use crate::receiver::Method;
use crate::resource;
use crate::shadow_stack::CodeFacts;
use crate::source;
use crate::state::{Arguments, NewCode, is_at_top, lock};
use crate::wrapper::Wrappers;

/// Spec: `Include/cpython/code.h`.
const CO_OPTIMIZED: u32 = 0x0001;
const CO_VARARGS: u32 = 0x0004;
const CO_VARKEYWORDS: u32 = 0x0008;
const CO_GENERATOR: u32 = 0x0020;
const CO_COROUTINE: u32 = 0x0080;
const CO_ITERABLE_COROUTINE: u32 = 0x0100;
const CO_ASYNC_GENERATOR: u32 = 0x0200;

/// Opcode of `RESUME` on 3.11, the only version where it is looked for.
pub(crate) const RESUME_3_11: u8 = 151;
/// Name of the code that computes annotations when somebody asks for them, from 3.14 on. Spec: PEP 649.
const ANNOTATIONS: &str = "__annotate__";

/// The functions of `contextlib` that enter a context manager which is made of a generator.
const ENTRIES: [&str; 2] = ["_GeneratorContextManager.__enter__", "_AsyncGeneratorContextManager.__aenter__"];

/// Returns the running frame.
pub(crate) fn current_frame(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the GIL is held; the frame is borrowed from the thread's state and lives at least as long as it runs,
    // and the `Bound` takes a reference of its own.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) }
}

/// A frame that runs, or waits for one that runs.
pub(crate) struct ActiveFrame<'py> {
    /// Address of the frame object.
    pub(crate) address: usize,
    pub(crate) code: Bound<'py, PyAny>,
}

/// Returns a frame and the frames outside of it, the nearest first.
pub(crate) fn active_frames<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Vec<ActiveFrame<'py>>> {
    let py = frame.py();
    let (mut found, mut outer) = (Vec::new(), frame.clone());
    while !outer.is_none() {
        found.push(ActiveFrame { address: outer.as_ptr() as usize, code: outer.getattr(intern!(py, "f_code"))? });
        outer = outer.getattr(intern!(py, "f_back"))?;
    }
    Ok(found)
}

/// Returns the frame of a coroutine or generator, and those that await it, the nearest first.
pub(crate) fn awaiting_frames<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Vec<ActiveFrame<'py>>> {
    let mut found = active_frames(frame)?;
    let mut count = 0;
    while count < found.len() && kind_of_code(&found[count].code)? != FunctionKindCode::Plain {
        count += 1;
    }
    found.truncate(count);
    Ok(found)
}

/// Returns the kind of the function that code is of.
pub(crate) fn kind_of_code(code: &Bound<'_, PyAny>) -> PyResult<FunctionKindCode> {
    Ok(kind_of(code.getattr(intern!(code.py(), "co_flags"))?.extract()?))
}

/// Returns the address of the running frame's object: a frame has one object at most, from its first look until it ends.
pub(crate) fn current_frame_address() -> usize {
    // SAFETY: the GIL is held by whoever runs a callback; only the address is used.
    unsafe { ffi::PyEval_GetFrame() as usize }
}

/// Puts the code of a frame under recording if it belongs to the packages; `None` if it does not.
pub(crate) fn classify(
    py: Python<'_>,
    code: &Bound<'_, PyAny>,
    frame: &Bound<'_, PyAny>,
) -> PyResult<Option<CodeFacts>> {
    let Ok(globals) = frame.getattr(intern!(py, "f_globals"))?.cast_into::<PyDict>() else { return Ok(None) };
    classify_in(code, &globals)
}

/// Returns the facts of a function's code, which is put under recording if it belongs to the packages.
pub(crate) fn classify_function(function: &Bound<'_, PyFunction>) -> PyResult<Option<CodeFacts>> {
    let py = function.py();
    classify_ahead(&function.getattr(intern!(py, "__code__"))?, || function.getattr(intern!(py, "__globals__")))
}

/// Returns the facts of code that may not have run yet, and puts it under recording if it belongs to the packages.
pub(crate) fn classify_ahead<'py>(
    code: &Bound<'py, PyAny>,
    globals: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Option<CodeFacts>> {
    let known = lock().as_ref().and_then(|recorder| recorder.facts(code.as_ptr() as usize));
    if known.is_some() {
        return Ok(known);
    }
    let Ok(globals) = globals()?.cast_into::<PyDict>() else { return Ok(None) };
    let new = classify_in(code, &globals)?;
    if new.is_some() {
        watch(code.py(), code)?;
    }
    Ok(new)
}

fn classify_in(code: &Bound<'_, PyAny>, globals: &Bound<'_, PyDict>) -> PyResult<Option<CodeFacts>> {
    let py = code.py();
    let file: String = code.getattr(intern!(py, "co_filename"))?.extract()?;
    let Some(module) = module_name(globals) else { return Ok(None) };
    // Code made at run time (a dataclass's methods, say) has no source that could be moved.
    if file.starts_with('<') || !source::is_recorded(&module) {
        return Ok(None);
    }
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    let name: String = code.getattr(intern!(py, "co_name"))?.extract()?;
    if flags & CO_OPTIMIZED == 0 || name == ANNOTATIONS {
        // The body of a module or class, or its annotations: its execution is not a call, but it spells out the app's
        // names.
        learn_names(code, source::namer(&module))?;
        return Ok(None);
    }
    let qualname: String = code.getattr(intern!(py, "co_qualname"))?.extract()?;
    let Some(owner) = owner_of(globals, &module, &qualname) else { return Ok(None) };
    let new = NewCode {
        code: code.clone().unbind(),
        module: owner,
        is_entry_point: source::is_entry_point(&module, &qualname),
        qualname: source::written_qualname(&qualname),
        file: source::written_file(file),
        line: code.getattr(intern!(py, "co_firstlineno"))?.extract()?,
        kind: kind_of(flags),
        arguments: arguments(code, &module, &qualname)?,
        wrappers: Wrappers::of(code, &qualname)?,
        is_root: false,
        first_instruction: first_instruction(py, code)?,
    };
    Ok(lock().as_mut().and_then(|recorder| recorder.add_code(new)))
}

/// Puts the code of our own coroutine function, whose calls are requests, under recording as a function of the framework.
pub(crate) fn register_root(code: &Bound<'_, PyAny>, qualname: &str) -> PyResult<Option<CodeFacts>> {
    let py = code.py();
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    let new = NewCode {
        code: code.clone().unbind(),
        module: FRAMEWORK.to_owned(),
        qualname: qualname.to_owned(),
        file: String::new(),
        line: 0,
        kind: kind_of(flags),
        arguments: Arguments::default(),
        wrappers: None,
        is_root: true,
        is_entry_point: false,
        first_instruction: first_instruction(py, code)?,
    };
    Ok(lock().as_mut().and_then(|recorder| recorder.add_code(new)))
}

/// Returns the module's dotted name, also where it runs as the main program.
pub(crate) fn module_name(globals: &Bound<'_, PyDict>) -> Option<String> {
    let text = |key: &str| globals.get_item(key).ok().flatten();
    let name: String = text("__name__")?.extract().ok()?;
    if name != "__main__" {
        return Some(name);
    }
    let spec = text("__spec__").and_then(|spec| instance_dict(&spec)?.get_item("name").ok().flatten());
    Some(spec.and_then(|name| name.extract().ok()).unwrap_or(name))
}

fn kind_of(flags: u32) -> FunctionKindCode {
    if flags & CO_ASYNC_GENERATOR != 0 {
        FunctionKindCode::AsyncGenerator
    } else if flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE) != 0 {
        FunctionKindCode::Coroutine
    } else if flags & CO_GENERATOR != 0 {
        FunctionKindCode::Generator
    } else {
        FunctionKindCode::Plain
    }
}

/// Returns the arguments of a code object that runs as this function of a module.
pub(crate) fn arguments(code: &Bound<'_, PyAny>, module: &str, qualname: &str) -> PyResult<Arguments> {
    let py = code.py();
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    let positional: usize = code.getattr(intern!(py, "co_argcount"))?.extract()?;
    let mut count = positional + code.getattr(intern!(py, "co_kwonlyargcount"))?.extract::<usize>()?;
    let gathered = (positional == 0 && flags & CO_VARARGS != 0).then_some(count);
    count += usize::from(flags & CO_VARARGS != 0) + usize::from(flags & CO_VARKEYWORDS != 0);
    let mut names: Vec<String> = code.getattr(intern!(py, "co_varnames"))?.extract()?;
    names.truncate(count);
    let has_first = positional > 0 || gathered.is_some();
    let method = if has_first { Method::of(module, qualname) } else { None };
    let function = is_at_top(qualname).then(|| (module.to_owned(), qualname.to_owned()));
    Ok(Arguments { names, method, function, gathered })
}

/// Returns the offset of the first instruction that is traced, as `f_lasti` has it; only 3.11 needs it.
fn first_instruction(py: Python<'_>, code: &Bound<'_, PyAny>) -> PyResult<u32> {
    if py.version_info() >= (3, 12) {
        return Ok(0);
    }
    let bytes: Vec<u8> = code.getattr(intern!(py, "co_code"))?.extract()?;
    let found = bytes.chunks(2).position(|unit| unit == [RESUME_3_11, 0]).unwrap_or(0);
    Ok(found as u32 * 2)
}

/// Learns the identifiers of a code object and of the functions in it, its constants included.
fn learn_names(code: &Bound<'_, PyAny>, namer: u32) -> PyResult<()> {
    let py = code.py();
    for constant in code.getattr(intern!(py, "co_consts"))?.try_iter()? {
        learn_constant(&constant?, namer)?;
    }
    source::learn_identifier(code.getattr(intern!(py, "co_name"))?.cast::<PyString>()?.to_str()?, namer);
    // Arguments, which are among the variables, become keys by `locals()` and `**kwargs`.
    for attribute in ["co_names", "co_varnames", "co_cellvars"] {
        for name in code.getattr(attribute)?.try_iter()? {
            source::learn_identifier(name?.cast::<PyString>()?.to_str()?, namer);
        }
    }
    Ok(())
}

fn learn_constant(constant: &Bound<'_, PyAny>, namer: u32) -> PyResult<()> {
    if let Ok(text) = constant.cast_exact::<PyString>() {
        // A lone surrogate is in no identifier.
        if let Ok(text) = text.to_str() {
            source::learn_constant(text, namer);
        }
    } else if let Ok(tuple) = constant.cast_exact::<PyTuple>() {
        for item in tuple.iter() {
            learn_constant(&item, namer)?;
        }
    } else if constant.hasattr(intern!(constant.py(), "co_consts"))? {
        learn_names(constant, namer)?;
    }
    Ok(())
}

/// Samples the arguments of the call that runs `frame`, and finds its call site.
pub(crate) fn look_at_arguments(
    py: Python<'_>,
    code: &Bound<'_, PyAny>,
    arguments: Option<Arc<Arguments>>,
    frame: &Bound<'_, PyAny>,
) -> PyResult<Sample> {
    let known = || lock().as_ref().and_then(|recorder| recorder.arguments_of(code.as_ptr() as usize));
    let arguments = arguments.or_else(known).unwrap_or_default();
    let locals = frame.getattr(intern!(py, "f_locals"))?;
    let defaults = Defaults::of(code, &frame.getattr(intern!(py, "f_globals"))?)?;
    let mut sample = Sample::of_arguments(&arguments, &locals, &defaults, call_site(frame)?)?;
    if sample.wraps_statements
        && let Some(recorder) = lock().as_mut()
    {
        recorder.note_wrapper_of_statements(code.as_ptr() as usize);
    }
    let kind = kind_of_code(code)?;
    if matches!(kind, FunctionKindCode::Generator | FunctionKindCode::AsyncGenerator) {
        let class = if is_entered(frame)? { Class::ContextManager } else { Class::Generator };
        sample.add_generator(class, kind.name());
    }
    Ok(sample)
}

/// Returns true when a generator runs as a context manager: `contextlib` has started it to enter it.
fn is_entered(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = frame.py();
    let outer = frame.getattr(intern!(py, "f_back"))?;
    if outer.is_none() {
        return Ok(false);
    }
    let name: String = outer.getattr(intern!(py, "f_code"))?.getattr(intern!(py, "co_qualname"))?.extract()?;
    let is_known = ENTRIES.contains(&name.as_str());
    let globals = if is_known { outer.getattr(intern!(py, "f_globals"))?.cast_into::<PyDict>().ok() } else { None };
    Ok(globals.and_then(|globals| module_name(&globals)).is_some_and(|module| module == "contextlib"))
}

/// Directories of installed packages.
const INSTALLED: [&str; 2] = ["/site-packages/", "/dist-packages/"];

/// The place in the app that a call comes from.
#[derive(Default)]
pub(crate) struct CallSite {
    /// File of the nearest outer frame under recording; empty where no frame is.
    pub(crate) file: String,
    pub(crate) line: u32,
    /// Module of the library that makes the call; `None` where code under recording makes it.
    pub(crate) library: Option<String>,
    /// That library is installed: it is neither the main program nor a test.
    pub(crate) is_installed: bool,
    /// The library that makes the call executes statements.
    pub(crate) executes_statements: bool,
}

/// Returns the place in the app that the call of a frame comes from.
pub(crate) fn call_site(frame: &Bound<'_, PyAny>) -> PyResult<CallSite> {
    let py = frame.py();
    let mut site = CallSite::default();
    for outer in (Frames { next: Some(frame.clone()) }).skip(1) {
        let (outer, code) = outer?;
        let file = lock().as_ref().and_then(|recorder| recorder.file_of(code));
        if let Some(file) = file {
            site.line = line_of(&outer)?;
            return Ok(CallSite { file, ..site });
        }
        if site.library.is_none() {
            let globals = outer.getattr(intern!(py, "f_globals"))?.cast_into::<PyDict>();
            let module = globals.ok().and_then(|globals| module_name(&globals)).unwrap_or_default();
            site.executes_statements = resource::executes_statements(&module);
            site.library = Some(module);
            let file: String = outer.getattr(intern!(py, "f_code"))?.getattr(intern!(py, "co_filename"))?.extract()?;
            site.is_installed = INSTALLED.iter().any(|directory| file.contains(directory));
        }
    }
    // The stack ends at a thread, an event loop or a greenlet of the library.
    Ok(site)
}

/// Returns the file and line from which a statement comes that a frame executes: the nearest frame under recording outside
/// of all code that wraps the execution of statements.
pub(crate) fn statement_site(frame: &Bound<'_, PyAny>) -> PyResult<Option<(String, u32)>> {
    let mut found = None;
    for outer in (Frames { next: Some(frame.clone()) }).skip(1) {
        let (outer, code) = outer?;
        let (file, is_wrapper, has_wrappers) = match lock().as_ref() {
            Some(recorder) => {
                (recorder.file_of(code), recorder.wraps_statements(code), recorder.has_wrappers_of_statements())
            }
            None => return Ok(None),
        };
        match file {
            Some(_) if is_wrapper => found = None,
            Some(file) if found.is_none() => {
                found = Some((file, line_of(&outer)?));
                if !has_wrappers {
                    break;
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn line_of(frame: &Bound<'_, PyAny>) -> PyResult<u32> {
    Ok(frame.getattr(intern!(frame.py(), "f_lineno"))?.extract::<Option<u32>>()?.unwrap_or(0))
}

/// A frame and those outside of it, the nearest first, with the addresses of their code.
struct Frames<'py> {
    next: Option<Bound<'py, PyAny>>,
}

impl<'py> Iterator for Frames<'py> {
    type Item = PyResult<(Bound<'py, PyAny>, usize)>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = self.next.take().filter(|frame| !frame.is_none())?;
        let py = frame.py();
        let mut step = || {
            self.next = Some(frame.getattr(intern!(py, "f_back"))?);
            Ok(frame.getattr(intern!(py, "f_code"))?.as_ptr() as usize)
        };
        Some(step().map(|code| (frame.clone(), code)))
    }
}
