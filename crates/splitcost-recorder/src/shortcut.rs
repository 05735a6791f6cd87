//! The way of the interpreter into the callbacks of events: most events are of calls inside a module, and end here.
//!
//! The interpreter calls a function of C. That asks [`pass`] if the event is news, which takes a tenth of the time of
//! the callback, and calls the callback itself only where it is.

use std::ffi::CStr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use crate::tracking::{Event, pass};
use crate::writer::ON;

/// The function of C behind a callback, and the object that it is given.
struct Callback {
    function: ffi::PyCFunctionFastWithKeywords,
    this: *mut ffi::PyObject,
}

// SAFETY: the object is a module that is never dropped, and is used with the GIL held only.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

static CALLBACKS: [OnceLock<Callback>; Event::COUNT] = [const { OnceLock::new() }; Event::COUNT];

/// Returns a callable that passes on to `callback` what [`pass`] does not settle.
pub(crate) fn before<'py>(event: Event, callback: &Bound<'py, PyCFunction>) -> PyResult<Bound<'py, PyAny>> {
    let py = callback.py();
    let enter: ffi::PyCFunctionFast = match event {
        Event::Start => enter::<{ Event::Start as usize }>,
        Event::Return => enter::<{ Event::Return as usize }>,
        Event::Yield => enter::<{ Event::Yield as usize }>,
        Event::Resume => enter::<{ Event::Resume as usize }>,
        Event::Unwind => enter::<{ Event::Unwind as usize }>,
    };
    // SAFETY: the GIL is held, and the object is a function of C with the flags that PyO3 gives its functions, which have
    // names: positional arguments in an array, and keywords. It is kept for as long as the process lives.
    unsafe {
        let kept = callback.clone().unbind().into_ptr();
        let function = ffi::PyCFunction_GetFunction(kept);
        let this = ffi::PyCFunction_GetSelf(kept);
        assert_eq!(ffi::PyCFunction_GetFlags(kept) & CALLED, CALLED, "PyO3 calls its functions in another way");
        let function = function.ok_or_else(|| PyErr::fetch(py))?;
        let function = std::mem::transmute::<ffi::PyCFunction, ffi::PyCFunctionFastWithKeywords>(function);
        let _ = CALLBACKS[event as usize].set(Callback { function, this });
        let method = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: NAME.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionFast: enter },
            ml_flags: ffi::METH_FASTCALL,
            ml_doc: std::ptr::null(),
        }));
        Bound::from_owned_ptr_or_err(py, ffi::PyCFunction_NewEx(method, std::ptr::null_mut(), std::ptr::null_mut()))
    }
}

const NAME: &CStr = c"event";
const CALLED: std::ffi::c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;

/// Takes an event.
///
/// # Safety
/// As the interpreter calls a function of C: with the GIL, and an array of `count` arguments. The first is a code object.
unsafe extern "C" fn enter<const EVENT: usize>(
    _: *mut ffi::PyObject,
    arguments: *mut *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: each event has arguments, and the first one is the code object.
    let code = unsafe { *arguments } as usize;
    if ON.load(Ordering::Relaxed) && pass(Event::ALL[EVENT], code) {
        // SAFETY: the GIL is held.
        return unsafe { ffi::Py_NewRef(ffi::Py_None()) };
    }
    match CALLBACKS[EVENT].get() {
        // SAFETY: the arguments are the interpreter's, passed on as they are.
        Some(callback) => unsafe { (callback.function)(callback.this, arguments, count, std::ptr::null_mut()) },
        // SAFETY: the GIL is held.
        None => unsafe { ffi::Py_NewRef(ffi::Py_None()) },
    }
}
