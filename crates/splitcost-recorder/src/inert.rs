//! Looks at types and objects that run no code of the app.
//!
//! An ordinary attribute access can run a metaclass's `__getattribute__`, a property, a descriptor or a module's
//! `__getattr__`. Everything here reads what the interpreter itself has stored.

use std::ffi::CStr;

use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

/// `__get__` of the descriptors of `type` for `__mro__` and `__dict__`, and of `BaseException` for `args`.
static TYPE_MRO: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TYPE_DICT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static EXCEPTION_ARGS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
/// `gc.get_referents`.
static REFERENTS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Gets everything ready that later looks need, so that they import nothing.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    mro(&py.get_type::<PyDict>())?;
    type_dict(&py.get_type::<PyDict>())?;
    exception_args(py.get_type::<PyException>().call0()?.as_any());
    referents(py.None().bind(py))?;
    Ok(())
}

fn read<'py>(
    descriptor: &PyOnceLock<Py<PyAny>>,
    owner: &str,
    name: &str,
    object: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let get = descriptor.get_or_try_init(py, || -> PyResult<_> {
        let own = py.import("builtins")?.getattr(owner)?.getattr("__dict__")?;
        Ok(own.get_item(name)?.getattr("__get__")?.unbind())
    })?;
    get.bind(py).call1((object,))
}

/// Returns the type and its bases, in the order of lookup.
pub(crate) fn mro<'py>(kind: &Bound<'py, PyType>) -> PyResult<Vec<Bound<'py, PyType>>> {
    let all = read(&TYPE_MRO, "type", "__mro__", kind.as_any())?.cast_into::<PyTuple>().map_err(PyErr::from)?;
    Ok(all.iter().filter_map(|base| base.cast_into::<PyType>().ok()).collect())
}

/// Returns the attributes that a type itself defines, as a mapping.
pub(crate) fn type_dict<'py>(kind: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    read(&TYPE_DICT, "type", "__dict__", kind.as_any())
}

/// Returns an attribute that a type itself defines, as it is stored there.
pub(crate) fn own_attr<'py>(kind: &Bound<'py, PyType>, name: &str) -> Option<Bound<'py, PyAny>> {
    type_dict(kind).ok()?.get_item(name).ok()
}

/// Returns the qualified name of a type.
pub(crate) fn qualname(kind: &Bound<'_, PyType>) -> Option<String> {
    // SAFETY: `kind` is a live type object; the answer is a new reference, or null with an exception set.
    let name = unsafe { Bound::from_owned_ptr_or_err(kind.py(), ffi::PyType_GetQualName(kind.as_type_ptr())) };
    name.ok()?.cast::<PyString>().ok()?.to_str().map(str::to_owned).ok()
}

/// Returns true when the type is implemented in C.
pub(crate) fn is_of_c(kind: &Bound<'_, PyType>) -> bool {
    // SAFETY: `kind` is a live type object.
    let flags = unsafe { ffi::PyType_GetFlags(kind.as_type_ptr()) };
    flags & ffi::Py_TPFLAGS_HEAPTYPE == 0 || flags & ffi::Py_TPFLAGS_IMMUTABLETYPE != 0
}

/// Returns the module that a type says it was made in.
pub(crate) fn module_of(kind: &Bound<'_, PyType>) -> Option<String> {
    let text = |name: Bound<'_, PyAny>| name.cast::<PyString>().ok()?.to_str().map(str::to_owned).ok();
    if let Some(module) = own_attr(kind, "__module__").and_then(text) {
        return Some(module);
    }
    // The module of a type of C may be a part of its name, which the attribute tells; nothing of the app is in between.
    let is_safe = is_of_c(kind) && is_of_c(&kind.get_type());
    if is_safe { kind.getattr("__module__").ok().and_then(text) } else { None }
}

/// Returns the instance dictionary of an object, whatever its class makes of `__dict__`.
pub(crate) fn instance_dict<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyDict>> {
    // SAFETY: `object` is live; the answer is a new reference, or null with an exception set.
    let dict = unsafe {
        Bound::from_owned_ptr_or_err(object.py(), ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut()))
    };
    dict.ok()?.cast_into::<PyDict>().ok()
}

/// Returns the arguments that an exception was made with.
pub(crate) fn exception_args<'py>(exception: &Bound<'py, PyAny>) -> Option<Bound<'py, PyTuple>> {
    read(&EXCEPTION_ARGS, "BaseException", "args", exception).ok()?.cast_into::<PyTuple>().ok()
}

/// Returns the objects that an object of C refers to, as its type tells the garbage collector.
pub(crate) fn referents<'py>(object: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = object.py();
    let get =
        REFERENTS.get_or_try_init(py, || -> PyResult<_> { Ok(py.import("gc")?.getattr("get_referents")?.unbind()) })?;
    get.bind(py).call1((object,))?.try_iter()?.collect()
}

/// The memory of an array, as long as this lives.
pub(crate) struct Buffer(Box<ffi::Py_buffer>);

impl Buffer {
    /// Returns the memory of an array whose type is in C.
    pub(crate) fn of(array: &Bound<'_, PyAny>) -> Option<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: both are live; the view is filled in where the answer is 0, and else an exception is set.
        if unsafe { ffi::PyObject_GetBuffer(array.as_ptr(), &raw mut *view, ffi::PyBUF_FULL_RO) } != 0 {
            drop(PyErr::take(array.py()));
            return None;
        }
        Some(Self(view))
    }

    /// Returns true when its items are no objects.
    pub(crate) fn is_of_numbers(&self) -> bool {
        // SAFETY: the format is null, or a text that lives as long as the view.
        self.0.format.is_null() || unsafe { !CStr::from_ptr(self.0.format).to_bytes().contains(&b'O') }
    }

    /// Returns true when its items have fields.
    pub(crate) fn has_fields(&self) -> bool {
        // SAFETY: as above.
        !self.0.format.is_null() && unsafe { CStr::from_ptr(self.0.format).to_bytes().contains(&b'T') }
    }

    /// Returns its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len.cast_unsigned()
    }

    /// Returns at most so many bytes of its beginning; none where they do not lie beside each other.
    pub(crate) fn beginning(&self, most: usize) -> &[u8] {
        // SAFETY: the view is filled in; the letter stands for any order.
        let is_contiguous = unsafe { ffi::PyBuffer_IsContiguous(&raw const *self.0, *c"A".as_ptr()) } != 0;
        if !is_contiguous || self.0.buf.is_null() {
            return &[];
        }
        // SAFETY: the memory of a contiguous view has `len` bytes, which nobody changes while the GIL is held.
        unsafe { std::slice::from_raw_parts(self.0.buf.cast(), self.len().min(most)) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the view was filled in, and is released once; whoever looks at an object holds the GIL.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.0) };
    }
}

/// Returns the modules that have been imported, by name.
pub(crate) fn loaded_modules(py: Python<'_>) -> Option<Bound<'_, PyDict>> {
    // SAFETY: the answer is a borrowed reference, or null without an exception; the `Bound` takes one of its own.
    let modules = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PySys_GetObject(c"modules".as_ptr())) };
    modules?.cast_into::<PyDict>().ok()
}
