//! Fibers: where they run, and how they end.

use super::{Engine, Event, NEVER, NONE, Role, Thread, ThreadState};
use crate::program::{BodyId, Cpu, Remote};

/// The stage of a fiber, before, in or after its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The server's work before the body.
    Before,
    /// The body of a pooled call runs on another thread.
    Pooled,
    Body,
    /// Inside a remote call: request being prepared, on its way, answer being read.
    Sending,
    Away,
    Receiving,
    /// The server's work after the body.
    After,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The fiber is the load generator's; a request is complete.
    Complete,
    /// Ends a call that its parent may be waiting for.
    Join,
    /// Answers its parent's remote call.
    Answer { remote: Remote, call: u32 },
    /// Wakes its parent after a while.
    Wake { after: u64 },
    /// Nobody waits.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is about something else, and they are copied often")]
pub(super) struct Fiber {
    pub(super) program: u32,
    pub(super) body: BodyId,
    pub(super) pc: u32,
    pub(super) process: u16,
    pub(super) role: Role,
    pub(super) stage: Stage,
    pub(super) thread: u32,
    pub(super) parent: u32,
    pub(super) then: Then,
    pub(super) outstanding: u32,
    pub(super) joining: bool,
    /// The part of the present work that needs no GIL is done.
    pub(super) freed: bool,
    pub(super) server: Cpu,
    pub(super) pooled: bool,
    pub(super) arrived: u64,
    /// The remote call that it waits for, by number; 0 for none.
    pub(super) call: u32,
    /// The number of the attempt, the first being 0.
    pub(super) attempt: u16,
    /// The fiber has a connection; if `bad`, one that is never answered.
    pub(super) connected: bool,
    pub(super) bad: bool,
    /// Something that it waited for ended with an error.
    pub(super) failed: bool,
    /// The factor by which its body takes longer, and the time at which the body began.
    pub(super) slowness: f64,
    pub(super) began: u64,
}

impl Fiber {
    pub(super) fn new(program: u32, role: Role, arrived: u64) -> Self {
        Self {
            program,
            body: NONE,
            pc: 0,
            process: 0,
            role,
            stage: Stage::Body,
            thread: NONE,
            parent: NONE,
            then: Then::Nothing,
            outstanding: 0,
            joining: false,
            freed: false,
            server: Cpu::default(),
            pooled: false,
            arrived,
            call: 0,
            attempt: 0,
            connected: false,
            bad: false,
            failed: false,
            slowness: 1.0,
            began: NEVER,
        }
    }
}

impl Engine<'_> {
    pub(super) fn new_fiber(&mut self, fiber: Fiber) -> u32 {
        if let Some(id) = self.free_fibers.pop() {
            self.fibers[id as usize] = fiber;
            id
        } else {
            self.fibers.push(fiber);
            (self.fibers.len() - 1) as u32
        }
    }

    /// Puts a fiber where it runs: its loop's ready queue, or a thread of its own.
    pub(super) fn make_ready(&mut self, fiber: u32) {
        let Fiber { process, role, .. } = self.fibers[fiber as usize];
        match role {
            Role::Loop => {
                let state = &mut self.processes[process as usize];
                state.ready.push_back(fiber);
                let thread = state.loop_thread;
                if self.threads[thread as usize].state == ThreadState::Idle && self.next_on_loop(thread) {
                    self.advance(thread);
                }
            }
            Role::Pool(pool) => {
                let limit = pool.limit(self.described(process));
                let state = &mut self.processes[process as usize].pools[pool as usize];
                if let Some(thread) = state.idle.pop() {
                    self.attach(fiber, thread);
                } else if state.started < limit {
                    state.started += 1;
                    let thread = self.new_thread(process, role);
                    self.attach(fiber, thread);
                } else {
                    state.queue.push_back(fiber);
                }
            }
            Role::Helper => {
                let idle = self.processes[process as usize].idle_helpers.pop();
                let thread = idle.unwrap_or_else(|| self.new_thread(process, Role::Helper));
                self.attach(fiber, thread);
            }
        }
    }

    pub(super) fn wake(&mut self, fiber: u32) {
        let Fiber { thread, .. } = self.fibers[fiber as usize];
        if thread == NONE { self.make_ready(fiber) } else { self.advance(thread) }
    }

    pub(super) fn attach(&mut self, fiber: u32, thread: u32) {
        self.fibers[fiber as usize].thread = thread;
        self.threads[thread as usize].fiber = fiber;
        self.advance(thread);
    }

    /// Takes the fiber off its event loop, which goes on with the next one (true). Threads stay with their fiber.
    pub(super) fn suspend(&mut self, fiber: u32, thread: u32) -> bool {
        if self.threads[thread as usize].role == Role::Loop {
            self.fibers[fiber as usize].thread = NONE;
            self.next_on_loop(thread)
        } else {
            self.block(thread);
            false
        }
    }

    /// Gives the loop its next ready fiber. Returns false when there is no fiber; the thread is then idle.
    pub(super) fn next_on_loop(&mut self, thread: u32) -> bool {
        let process = self.threads[thread as usize].process as usize;
        let Some(fiber) = self.processes[process].ready.pop_front() else {
            self.park(thread);
            return false;
        };
        self.fibers[fiber as usize].thread = thread;
        self.threads[thread as usize].fiber = fiber;
        if !self.processes[process].waiters.is_empty() {
            // Between two tasks the loop asks the kernel for events with the GIL released: waiters get it.
            self.release(thread);
        }
        if self.threads[thread as usize].state == ThreadState::Idle {
            self.threads[thread as usize].state = ThreadState::Blocked;
        }
        true
    }

    /// Ends a fiber; true when its thread has another one to run.
    pub(super) fn end_fiber(&mut self, fiber: u32, thread: u32) -> bool {
        let Fiber { then, parent, .. } = self.fibers[fiber as usize];
        match then {
            Then::Complete => self.complete(fiber),
            Then::Join => {
                let failed = self.fibers[fiber as usize].failed;
                let caller = &mut self.fibers[parent as usize];
                caller.failed |= failed;
                caller.outstanding -= 1;
                if caller.outstanding == 0 && caller.joining {
                    caller.joining = false;
                    self.schedule(self.now, Event::Wake { fiber: parent });
                }
            }
            Then::Answer { remote, call } => self.answer(fiber, remote, call),
            Then::Wake { after } => self.schedule(self.now + after, Event::Wake { fiber: parent }),
            Then::Nothing => {}
        }
        self.free_fibers.push(fiber);
        let Thread { role, process, .. } = self.threads[thread as usize];
        match role {
            Role::Loop => self.next_on_loop(thread),
            Role::Pool(pool) => {
                if let Some(next) = self.processes[process as usize].pools[pool as usize].queue.pop_front() {
                    self.block(thread);
                    self.fibers[next as usize].thread = thread;
                    self.threads[thread as usize].fiber = next;
                    return true;
                }
                self.park(thread);
                self.processes[process as usize].pools[pool as usize].idle.push(thread);
                false
            }
            Role::Helper => {
                self.park(thread);
                self.processes[process as usize].idle_helpers.push(thread);
                false
            }
        }
    }
}
