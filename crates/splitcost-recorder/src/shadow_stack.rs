//! The shadow stack of each thread: its open calls, and the markers between them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use pyo3::prelude::*;
use splitcost_recording::clock::{ThreadClock, ThreadInstant};

use crate::payload::Sample;

/// Owner of a [`EntryKind::Handed`] or [`EntryKind::Loop`] marker: no function has it.
const NO_MODULE: u32 = u32::MAX;

static NEXT_THREAD: AtomicU32 = AtomicU32::new(1);
static HAS_GREENLETS: AtomicBool = AtomicBool::new(false);

/// The facts of a code object that events need.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is true or false of a code by itself")]
pub(crate) struct CodeFacts {
    pub(crate) module: u32,
    pub(crate) function: u32,
    /// A coroutine or generator: its calls are distinguished by frame.
    pub(crate) is_resumable: bool,
    /// Our root of requests on an event loop: each call is a request.
    pub(crate) is_root: bool,
    /// The user said that each call of it is a request, unless it is part of one already.
    pub(crate) is_entry_point: bool,
    /// An inner function that may stand for another one, as decorators make them.
    pub(crate) may_wrap: bool,
    /// 3.11 only: the code's first instruction, as `f_lasti` has it.
    pub(crate) first_instruction: u32,
    /// The number of its calls that are suspended now, on any thread.
    pub(crate) suspended: &'static AtomicU32,
}

/// An open call or a marker on a thread's stack.
pub(crate) struct StackEntry {
    pub(crate) kind: EntryKind,
    pub(crate) call: u64,
    pub(crate) request: u64,
    pub(crate) is_command: bool,
    pub(crate) endpoint: u32,
    pub(crate) module: u32,
    pub(crate) function: u32,
    /// Address of the code object, 0 for markers and for roots that are no coroutines.
    pub(crate) code: usize,
    /// Address of the frame object, 0 unless resumable or where there may be greenlets.
    pub(crate) frame: usize,
    /// Calls of the same plain code below it, inside the module.
    pub(crate) recursion: u32,
    /// 3.11 only: where an exception was thrown into it.
    pub(crate) thrown_at: i32,
    /// Resumed because an exception was thrown into what it awaits: it may be suspended again without an event.
    pub(crate) is_thrown_through: bool,
    /// Handed work only: the call site of the statement that it executes, or 0.
    pub(crate) site: u32,
    pub(crate) sample: Option<Box<Sample>>,
}

/// The kind of a [`StackEntry`].
pub(crate) enum EntryKind {
    /// A call in a request.
    Call,
    /// A call outside every request: a request of its own.
    Own,
    /// The root of a request of a known kind, with what is set before it ends.
    Root(Box<RequestResult>),
    /// Work handed over to this thread.
    Handed,
    /// An event loop runs on top of it.
    Loop,
}

/// The facts of a request that are known at its end.
#[derive(Clone, Default)]
pub(crate) struct RequestResult {
    /// Empty: it was no request.
    pub(crate) endpoint: String,
    pub(crate) status: u16,
    /// The function that the framework chose.
    pub(crate) handler: Option<u32>,
}

/// A call that is not on any thread, and the entries that a greenlet held above it.
///
/// It holds no Python object: an app that abandons a generator or coroutine is not kept from freeing its arguments.
pub(crate) struct Suspended {
    pub(crate) open: StackEntry,
    pub(crate) above: Vec<StackEntry>,
    pub(crate) since: ThreadInstant,
}

/// The request and the call on whose behalf something runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) request: u64,
    /// The request is a command, or a call outside every known request: it may turn out to run what takes requests.
    pub(crate) is_command: bool,
    pub(crate) call: u64,
    pub(crate) module: u32,
    pub(crate) endpoint: u32,
}

/// Places for codes whose facts a thread finds without the lock.
///
/// Chosen: the code that a request runs again and again, in 20 KiB.
const CACHED_CODES: usize = 512;

/// The facts of codes that ran on this thread, each at the one place that its address may have. Code that was recorded once
/// stays so, and its address taken.
#[derive(Default)]
pub(crate) struct CodeCache {
    places: Vec<(usize, CodeFacts)>,
}

impl CodeCache {
    fn place(code: usize) -> usize {
        // Objects are aligned to 16 bytes; the product spreads them over the upper bits.
        let spread = (code as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (spread >> 32) as usize % CACHED_CODES
    }

    pub(crate) fn get(&self, code: usize) -> Option<CodeFacts> {
        self.places.get(Self::place(code)).filter(|(cached, _)| *cached == code).map(|(_, facts)| *facts)
    }

    fn put(&mut self, code: usize, facts: CodeFacts) {
        if self.places.is_empty() {
            self.places.resize(CACHED_CODES, (0, facts));
        }
        self.places[Self::place(code)] = (code, facts);
    }
}

/// Returns the facts of a code under recording, which `find` looks up where this thread has not met it lately.
pub(crate) fn facts_of(code: usize, find: impl FnOnce() -> Option<CodeFacts>) -> Option<CodeFacts> {
    let cached = THREAD.try_with(|thread| thread.borrow().codes.get(code)).ok().flatten();
    cached.or_else(|| {
        let found = find()?;
        // A thread that is ending looks each of them up.
        let _ = THREAD.try_with(|thread| thread.borrow_mut().codes.put(code, found));
        Some(found)
    })
}

/// The recorder's state of one thread.
pub(crate) struct ThreadState {
    pub(crate) number: u32,
    pub(crate) clock: ThreadClock,
    pub(crate) stack: Vec<StackEntry>,
    pub(crate) codes: CodeCache,
}

thread_local! {
    pub(crate) static THREAD: RefCell<ThreadState> = RefCell::new(ThreadState {
        number: NEXT_THREAD.fetch_add(1, Ordering::Relaxed),
        clock: ThreadClock::default(),
        stack: Vec::new(),
        codes: CodeCache::default(),
    });
}

/// Notes that calls of one thread may end in another order than they began in.
pub(crate) fn expect_greenlets() {
    HAS_GREENLETS.store(true, Ordering::Relaxed);
}

/// Returns true when calls are distinguished by their frames.
pub(crate) fn has_greenlets() -> bool {
    HAS_GREENLETS.load(Ordering::Relaxed)
}

/// Returns true when the thread may have been idle, or busy for others, since its last event.
pub(crate) fn is_idle(stack: &[StackEntry]) -> bool {
    stack.last().is_none_or(|top| matches!(top.kind, EntryKind::Handed | EntryKind::Loop))
}

/// Returns the position on the stack of the call that runs this code (and frame).
pub(crate) fn position(
    stack: &[StackEntry],
    facts: CodeFacts,
    code: usize,
    frame: impl FnOnce() -> usize,
) -> Option<usize> {
    if !facts.is_resumable {
        return (stack.last()?.code == code).then(|| stack.len() - 1);
    }
    // Above a coroutine there may be calls of a greenlet that it waits for (SQLAlchemy's asyncio does so).
    stack.iter().rev().find(|open| open.code == code)?;
    let frame = frame();
    stack.iter().rposition(|open| open.frame == frame && open.code == code)
}

/// Returns the place where an exception was thrown into the call that runs this frame; 3.11 only.
pub(crate) fn thrown_at(frame: usize) -> i32 {
    let find = |thread: &RefCell<ThreadState>| {
        thread.borrow().stack.iter().rev().find(|open| open.frame == frame).map_or(-1, |open| open.thrown_at)
    };
    THREAD.try_with(find).unwrap_or(-1)
}

/// Returns true if the call on top of the stack may have been suspended without an event.
pub(crate) fn is_thrown_through() -> bool {
    THREAD.try_with(|thread| thread.borrow().stack.last().is_some_and(|top| top.is_thrown_through)).unwrap_or(false)
}

/// Returns the origin on whose behalf this thread runs, as far as its stack knows.
pub(crate) fn origin_here() -> Option<Origin> {
    let find = |thread: &RefCell<ThreadState>| {
        let thread = thread.borrow();
        let top = thread.stack.last().filter(|top| top.request != 0)?;
        // Under a running loop the context knows better.
        if matches!(top.kind, EntryKind::Loop) {
            return None;
        }
        let module = if matches!(top.kind, EntryKind::Handed) { NO_MODULE } else { top.module };
        Some(Origin { module, ..top.origin() })
    };
    THREAD.try_with(find).ok().flatten()
}

/// Returns the origin outside of the outermost open call whose code `is_inside`, if there is such a call.
pub(crate) fn origin_outside(is_inside: impl Fn(usize) -> bool) -> Option<Origin> {
    let find = |thread: &RefCell<ThreadState>| {
        let stack = &thread.borrow().stack;
        let is_marker = |open: &StackEntry| matches!(open.kind, EntryKind::Loop | EntryKind::Handed);
        let first = stack.iter().rposition(is_marker).unwrap_or(0);
        let at = first + stack[first..].iter().position(|open| is_inside(open.code))?;
        let outside = stack.get(at.checked_sub(1)?).filter(|open| !matches!(open.kind, EntryKind::Loop))?;
        (outside.request != 0).then(|| outside.origin())
    };
    THREAD.try_with(find).ok().flatten()
}

/// Returns the call site of the statement that was handed to this thread; 0 where none was.
pub(crate) fn site_here() -> u32 {
    THREAD.try_with(|thread| thread.borrow().stack.last().map_or(0, |top| top.site)).unwrap_or(0)
}

/// Puts a marker on the stack: the calls above it are made on behalf of `origin`. Returns the depth for [`pop_to`].
pub(crate) fn push_marker(origin: Option<Origin>, site: u32, is_loop: bool) -> usize {
    let push = |thread: &RefCell<ThreadState>| {
        let stack = &mut thread.borrow_mut().stack;
        let depth = stack.len();
        let origin = origin.unwrap_or_default();
        stack.push(StackEntry {
            kind: if is_loop { EntryKind::Loop } else { EntryKind::Handed },
            call: origin.call,
            request: origin.request,
            is_command: origin.is_command,
            endpoint: origin.endpoint,
            module: NO_MODULE,
            function: 0,
            code: 0,
            frame: 0,
            recursion: 0,
            thrown_at: -1,
            is_thrown_through: false,
            site,
            sample: None,
        });
        depth
    };
    THREAD.try_with(push).unwrap_or(usize::MAX)
}

/// Takes a marker off the stack, and whatever lies above it.
pub(crate) fn pop_to(depth: usize) {
    let gone = THREAD.try_with(|thread| {
        let stack = &mut thread.borrow_mut().stack;
        // Nearly always there is nothing above it.
        let only = if depth + 1 == stack.len() { stack.pop() } else { None };
        (only, if depth < stack.len() { stack.split_off(depth) } else { Vec::new() })
    });
    drop(gone);
}

/// Empties this thread's stack after a fork, in the child: the calls on it are the parent's. The GIL is held.
pub(crate) fn forget_thread() {
    let gone = THREAD.try_with(|thread| {
        let thread = &mut *thread.borrow_mut();
        thread.clock = ThreadClock::default();
        std::mem::take(&mut thread.stack)
    });
    drop(gone);
}

impl CodeFacts {
    /// Returns true when calls of the code are suspended on some thread.
    pub(crate) fn has_suspended_calls(self) -> bool {
        self.suspended.load(Ordering::Relaxed) > 0
    }
}

impl StackEntry {
    /// Returns true when a call that starts on top of this one is inside its module, and no call of its own for us.
    pub(crate) fn contains(&mut self, facts: CodeFacts, code: usize) -> bool {
        let is_inside = self.module == facts.module && !facts.is_root && !(facts.is_entry_point && self.is_command);
        if is_inside && self.code == code && !facts.is_resumable {
            self.recursion += 1;
        }
        is_inside
    }

    /// Returns the origin of what this call does.
    pub(crate) fn origin(&self) -> Origin {
        let Self { request, is_command, call, module, endpoint, .. } = *self;
        Origin { request, is_command, call, module, endpoint }
    }

    /// Moves the Python objects that its sample holds to `released`, to be dropped where no lock is held.
    pub(crate) fn release(&mut self, released: &mut Vec<Py<PyAny>>) {
        if let Some(sample) = &mut self.sample {
            sample.release(released);
        }
    }
}
