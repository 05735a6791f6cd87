//! Each thread's stack of open calls, and the markers between them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Seen;
use crate::clock::{Instant, ThreadClock};
use crate::payload::Sample;

/// Owner of a [`Kind::Handed`] or [`Kind::Loop`] marker: no function has it.
const NO_MODULE: u32 = u32::MAX;

static NEXT_THREAD: AtomicU32 = AtomicU32::new(1);

/// An open call or a marker on a thread's stack.
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) call: u64,
    pub(super) request: u64,
    pub(super) endpoint: u32,
    pub(super) module: u32,
    pub(super) function: u32,
    /// Address of the code object, 0 for markers and tests.
    pub(super) code: usize,
    /// Address of the frame object, 0 unless resumable.
    pub(super) frame: usize,
    /// Calls of the same plain code below it, inside the module.
    pub(super) recursion: u32,
    /// 3.11 only: where an exception was thrown into it.
    pub(super) thrown_at: i32,
    pub(super) sample: Option<Box<Sample>>,
}

pub(super) enum Kind {
    /// A call in a request.
    Call,
    /// A call outside every request: a request of its own.
    Own,
    /// The ASGI entry or a test; endpoint and status are told before it ends.
    Root(Box<(String, u16)>),
    /// Work handed over to this thread.
    Handed,
    /// An event loop runs on top of it.
    Loop,
}

/// A call that is not on any thread, and what a greenlet held above it.
pub(super) struct Suspended {
    pub(super) open: Open,
    pub(super) above: Vec<Open>,
    pub(super) since: Instant,
}

/// Request and call on whose behalf something runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) request: u64,
    pub(crate) call: u64,
    pub(crate) module: u32,
    pub(crate) endpoint: u32,
}

/// A thread's part.
pub(super) struct Thread {
    pub(super) number: u32,
    pub(super) clock: ThreadClock,
    pub(super) stack: Vec<Open>,
}

thread_local! {
    pub(super) static THREAD: RefCell<Thread> = RefCell::new(Thread {
        number: NEXT_THREAD.fetch_add(1, Ordering::Relaxed),
        clock: ThreadClock::default(),
        stack: Vec::new(),
    });
}

/// Whether the thread may have been idle, or busy for others, since it was last heard of.
pub(super) fn is_idle(stack: &[Open]) -> bool {
    stack.last().is_none_or(|top| matches!(top.kind, Kind::Handed | Kind::Loop))
}

/// Position on the stack of the call that runs this code (and frame), with what is to be said of it.
pub(super) fn position(stack: &[Open], seen: Seen, code: usize, frame: impl FnOnce() -> usize) -> Option<usize> {
    if !seen.is_resumable {
        return (stack.last()?.code == code).then(|| stack.len() - 1);
    }
    // Above a coroutine there may be calls of a greenlet that it waits for (SQLAlchemy's asyncio does so).
    stack.iter().rev().find(|open| open.code == code)?;
    let frame = frame();
    stack.iter().rposition(|open| open.frame == frame && open.code == code)
}

/// 3.11 only: where an exception was thrown into the call that runs this frame.
pub(crate) fn thrown_at(frame: usize) -> i32 {
    let find = |thread: &RefCell<Thread>| {
        thread.borrow().stack.iter().rev().find(|open| open.frame == frame).map_or(-1, |open| open.thrown_at)
    };
    THREAD.try_with(find).unwrap_or(-1)
}

/// On whose behalf this thread runs, as far as its stack knows.
pub(crate) fn origin_here() -> Option<Origin> {
    let find = |thread: &RefCell<Thread>| {
        let thread = thread.borrow();
        let top = thread.stack.last().filter(|top| top.request != 0)?;
        // Under a running loop the context knows better.
        if matches!(top.kind, Kind::Loop) {
            return None;
        }
        let module = if matches!(top.kind, Kind::Handed) { NO_MODULE } else { top.module };
        Some(Origin { request: top.request, call: top.call, module, endpoint: top.endpoint })
    };
    THREAD.try_with(find).ok().flatten()
}

/// Puts a marker on the stack: what runs above it runs on behalf of `origin`. Gives the depth for [`pop_to`].
pub(crate) fn push_marker(origin: Option<Origin>, is_loop: bool) -> usize {
    let push = |thread: &RefCell<Thread>| {
        let stack = &mut thread.borrow_mut().stack;
        let depth = stack.len();
        let (request, call, endpoint) = origin.map_or((0, 0, 0), |o| (o.request, o.call, o.endpoint));
        stack.push(Open {
            kind: if is_loop { Kind::Loop } else { Kind::Handed },
            call,
            request,
            endpoint,
            module: NO_MODULE,
            function: 0,
            code: 0,
            frame: 0,
            recursion: 0,
            thrown_at: -1,
            sample: None,
        });
        depth
    };
    THREAD.try_with(push).unwrap_or(usize::MAX)
}

/// Takes a marker off the stack, and what an odd event left above it.
pub(crate) fn pop_to(depth: usize) {
    let gone = THREAD.try_with(|thread| {
        let stack = &mut thread.borrow_mut().stack;
        if depth < stack.len() { stack.split_off(depth) } else { Vec::new() }
    });
    drop(gone);
}

/// After a fork, in the child: nothing is open here.
pub(crate) fn forget_thread() {
    let gone = THREAD.try_with(|thread| {
        let thread = &mut *thread.borrow_mut();
        thread.clock = ThreadClock::default();
        std::mem::take(&mut thread.stack)
    });
    // The samples in there belong to calls of the parent.
    std::mem::forget(gone);
}
