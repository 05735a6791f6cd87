//! Writes that requests have not committed. `splitcost.databases.uncommitted` follows the sessions and connections of a request,
//! and looks at them where a call of that request begins or ends.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use splitcost_recording::log::Record;

use crate::clock;
use crate::guard::attempt_between_interrupts;
use crate::handing::origin_of_statement;
use crate::shadow_stack::THREAD;
use crate::state::{Recorder, lock};
use crate::tracking::leave_out_since;
use crate::writer::ON;

/// The function that looks.
static LOOK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The number of requests that are followed, without the lock.
static FOLLOWED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The time at which this thread began the look that it is at: what it notes was so then.
    static LOOKS_SINCE: Cell<Option<u64>> = const { Cell::new(None) };
}

impl Recorder {
    /// Follows no request any more.
    pub(crate) fn forget_followed(&mut self) {
        self.followed.clear();
        FOLLOWED.store(0, Ordering::Relaxed);
    }
}

/// Returns true if some request is followed.
pub(crate) fn is_any_followed() -> bool {
    FOLLOWED.load(Ordering::Relaxed) > 0
}

/// Looks at the sessions and connections of a request, on which `call` has worked up to now; `begins` is true if it goes on to
/// call another one. An error is an interrupt of the app's.
pub(crate) fn look(request: u64, call: u64, begins: bool) -> PyResult<()> {
    if !is_any_followed() || !lock().as_ref().is_some_and(|recorder| recorder.followed.contains(&request)) {
        return Ok(());
    }
    Python::attach(|py| {
        let Some(look) = LOOK.get(py) else { return Ok(()) };
        LOOKS_SINCE.set(Some(clock::monotonic()));
        let before = clock::thread_cpu();
        let looked = attempt_between_interrupts(py, "a look at uncommitted writes", || {
            look.call1(py, (request, call, begins)).map(drop)
        });
        LOOKS_SINCE.set(None);
        let _ = THREAD.try_with(|thread| leave_out_since(&mut thread.borrow_mut(), before));
        looked.map(|_| ())
    })
}

/// Sets the function that looks: it is called with a request, a call, and true if that call goes on to call another one.
#[pyfunction]
pub(crate) fn look_with(py: Python<'_>, look: Py<PyAny>) {
    // Set once, by the one thread that starts the recorder.
    let _ = LOOK.set(py, look);
}

/// Begins or stops to look where calls of a request begin or end.
#[pyfunction]
pub(crate) fn follow_request(request: u64, is_followed: bool) {
    let Some(recorder) = &mut *lock() else { return };
    if is_followed {
        recorder.followed.insert(request);
    } else {
        recorder.followed.remove(&request);
    }
    FOLLOWED.store(recorder.followed.len(), Ordering::Relaxed);
}

/// Returns the request and the call that a statement belongs to which runs now; `None` outside every request.
#[pyfunction]
pub(crate) fn running(py: Python<'_>) -> PyResult<Option<(u64, u64)>> {
    if !ON.load(Ordering::Relaxed) {
        return Ok(None);
    }
    Ok(origin_of_statement(py)?.map(|origin| (origin.request, origin.call)))
}

/// Notes that the writes which a request has not committed are those of these calls from here on.
#[pyfunction]
pub(crate) fn note_uncommitted(request: u64, calls: Vec<u64>) {
    if let Some(recorder) = lock().as_mut() {
        let wall = LOOKS_SINCE.get().unwrap_or_else(clock::monotonic);
        recorder.put_call(&Record::Uncommitted { request, wall, calls });
    }
}
