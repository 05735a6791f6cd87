//! The run of a fiber on its thread: the operations of its body, and the work of crossings around it.

use super::{BODY_CROWD, CROSSING_CROWD, Engine, Event, Fiber, NEVER, Pool, Role, Stage, Then, Thread};
use crate::program::{BodyId, Cpu, Op};

impl Engine<'_> {
    /// Runs the thread's fiber until it needs time.
    pub(super) fn advance(&mut self, thread: u32) {
        loop {
            let id = self.threads[thread as usize].fiber;
            // Not a copy: what was just written in parts is slow to read as a whole.
            let fiber = &mut self.fibers[id as usize];
            let goes_on = match fiber.stage {
                Stage::Before => {
                    let Fiber { pooled, server, .. } = *fiber;
                    fiber.stage = if pooled { Stage::Pooled } else { Stage::Body };
                    if !pooled && matches!(fiber.then, Then::Answer { remote, .. } if remote.crossing != 0) {
                        self.fibers[id as usize].slowness = self.slowness();
                    }
                    let nanos = self.half(thread, server);
                    self.compute(thread, nanos)
                }
                Stage::Pooled => {
                    fiber.stage = Stage::After;
                    let body = fiber.body;
                    let child = self.fork(id, body, Role::Pool(Pool::Calls), true);
                    self.fibers[child as usize].slowness = self.slowness();
                    self.join(id, thread)
                }
                Stage::Body => self.step(id, thread),
                Stage::Sending => {
                    let nanos = self.half(thread, self.client_cpu(id));
                    self.fibers[id as usize].stage = Stage::Away;
                    self.compute(thread, nanos)
                }
                Stage::Away => {
                    self.fibers[id as usize].stage = Stage::Receiving;
                    let remote = self.remote(id);
                    self.connect(id, remote);
                    if remote.blocking {
                        self.block(thread);
                        false
                    } else {
                        self.suspend(id, thread)
                    }
                }
                Stage::Receiving => {
                    self.disconnect(id, true);
                    self.fibers[id as usize].attempt = 0;
                    let nanos = self.half(thread, self.client_cpu(id));
                    let fiber = &mut self.fibers[id as usize];
                    fiber.stage = if fiber.then == Then::Complete { Stage::Done } else { Stage::Body };
                    self.compute(thread, nanos)
                }
                Stage::After => {
                    fiber.stage = Stage::Done;
                    let Fiber { role, server, .. } = *fiber;
                    let nanos = self.half(thread, server);
                    if role == Role::Helper {
                        self.compute_in_parts(id, thread, nanos, |fiber| fiber.stage = Stage::After)
                    } else {
                        self.compute(thread, nanos)
                    }
                }
                Stage::Done => self.end_fiber(id, thread),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Lets time pass: on its thread, or suspended.
    pub(super) fn wait(&mut self, id: u32, thread: u32, nanos: u64) -> bool {
        if self.fibers[id as usize].role == Role::Loop {
            self.schedule(self.now + nanos, Event::Wake { fiber: id });
            self.suspend(id, thread)
        } else {
            self.block(thread);
            self.schedule(self.now + nanos, Event::Unblock { thread });
            false
        }
    }

    /// One operation of a body; true when the fiber goes on at once.
    pub(super) fn step(&mut self, id: u32, thread: u32) -> bool {
        let fiber = &mut self.fibers[id as usize];
        let body = &self.run.programs[fiber.program as usize].bodies[fiber.body as usize];
        if fiber.began == NEVER {
            fiber.began = self.now;
        }
        let next = body.ops.get(fiber.pc as usize).filter(|_| !fiber.failed);
        let Some(&op) = next else {
            if fiber.slowness > 1.0 {
                let more = ((self.now - fiber.began) as f64 * (fiber.slowness - 1.0)) as u64;
                fiber.slowness = 1.0;
                return self.wait(id, thread, more);
            }
            fiber.stage = if matches!(fiber.then, Then::Answer { .. }) { Stage::After } else { Stage::Done };
            return self.join(id, thread);
        };
        if !matches!(op, Op::Remote(_)) {
            fiber.pc += 1;
        }
        match op {
            Op::Cpu(nanos) => {
                let nanos = self.stretch(thread, nanos);
                self.compute_in_parts(id, thread, nanos, |fiber| fiber.pc -= 1)
            }
            Op::Block(nanos) => {
                self.block(thread);
                self.schedule(self.now + nanos, Event::Unblock { thread });
                false
            }
            Op::Wait { cpu, delay } => {
                let wake_at = self.now + delay;
                if cpu == 0 {
                    self.schedule(wake_at, Event::Wake { fiber: id });
                } else {
                    let nanos = self.stretch(thread, cpu);
                    self.help(id, nanos, delay);
                }
                self.suspend(id, thread)
            }
            Op::Fork { body, thread: pooled, joined } => {
                self.fork(id, body, if pooled { Role::Pool(Pool::Handed) } else { Role::Loop }, joined);
                true
            }
            Op::Join => self.join(id, thread),
            Op::Remote(_) => {
                fiber.stage = Stage::Sending;
                true
            }
        }
    }

    /// Other threads that want this one's GIL, and other tasks that want its event loop.
    pub(super) fn others(&self, thread: u32) -> (f64, f64) {
        let Thread { process, role, .. } = self.threads[thread as usize];
        let process = &self.processes[process as usize];
        let holds = process.holder.is_some_and(|holder| holder != thread);
        let tasks = if role == Role::Loop { process.ready.len() } else { 0 };
        ((process.waiters.len() + usize::from(holds)) as f64, tasks as f64)
    }

    /// Returns the time with the GIL of half of a crossing's work on this thread, under the present contention, and counts the
    /// CPU time beside it.
    pub(super) fn half(&mut self, thread: u32, cpu: Cpu) -> u64 {
        let (threads, tasks) = self.others(thread);
        if threads + tasks == 0.0 {
            return cpu.nanos / 2;
        }
        let alone = cpu.nanos as f64;
        let towards = |nanos: u64, share: f64| 0.5 * (alone + (nanos as f64 - alone) * share);
        let held = towards(cpu.held_nanos, if threads > 0.0 { 1.0 } else { tasks / (tasks + 1.0) });
        let others = threads + tasks;
        let computed = towards(cpu.crowded_nanos, others / (others + CROSSING_CROWD));
        self.compute_beside(thread, computed - held);
        held as u64
    }

    /// Returns the duration of a body's stretch on this thread, under the present contention, and counts the CPU time beside
    /// it.
    pub(super) fn stretch(&mut self, thread: u32, nanos: u64) -> u64 {
        let (threads, tasks) = self.others(thread);
        if threads + tasks == 0.0 {
            return nanos;
        }
        let crowd = (threads + tasks) / (threads + tasks + BODY_CROWD);
        self.compute_beside(thread, nanos as f64 * self.run.crowding.beside * crowd);
        (nanos as f64 * (1.0 + self.run.crowding.held * crowd)) as u64
    }

    pub(super) fn compute_beside(&mut self, thread: u32, nanos: f64) {
        let process = self.threads[thread as usize].process;
        let computed = &mut self.processes[process as usize].cpu_nanos;
        *computed = computed.saturating_add_signed(nanos as i64);
    }

    pub(super) fn fork(&mut self, parent: u32, body: BodyId, role: Role, joined: bool) -> u32 {
        let Fiber { program, process, arrived, .. } = self.fibers[parent as usize];
        if joined {
            self.fibers[parent as usize].outstanding += 1;
        }
        let child = self.new_fiber(Fiber {
            body,
            process,
            parent,
            then: if joined { Then::Join } else { Then::Nothing },
            ..Fiber::new(program, role, arrived)
        });
        self.schedule(self.now, Event::Wake { fiber: child });
        child
    }

    /// A helper thread computes for a suspended fiber and wakes it after `delay`.
    pub(super) fn help(&mut self, parent: u32, nanos: u64, delay: u64) {
        let Fiber { program, process, arrived, .. } = self.fibers[parent as usize];
        let helper = self.new_fiber(Fiber {
            process,
            stage: Stage::After,
            parent,
            then: Then::Wake { after: delay },
            // Only the half after the body is computed.
            server: Cpu::of(nanos * 2),
            ..Fiber::new(program, Role::Helper, arrived)
        });
        self.schedule(self.now, Event::Wake { fiber: helper });
    }

    pub(super) fn join(&mut self, id: u32, thread: u32) -> bool {
        if self.fibers[id as usize].outstanding == 0 {
            return true;
        }
        self.fibers[id as usize].joining = true;
        self.suspend(id, thread)
    }
}
