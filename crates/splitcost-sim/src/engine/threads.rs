//! Threads, the GIL of each process, and the cores of each host.

use super::{Engine, Event, Fiber, NONE, Role, Thread, ThreadState};

impl Engine<'_> {
    pub(super) fn new_thread(&mut self, process: u16, role: Role) -> u32 {
        self.threads.push(Thread {
            process,
            role,
            state: ThreadState::Idle,
            fiber: NONE,
            remaining: 0,
            started: 0,
            slice_end: 0,
            generation: 0,
        });
        (self.threads.len() - 1) as u32
    }

    /// Asks for CPU time with the GIL. Returns true when none is needed.
    pub(super) fn compute(&mut self, thread: u32, nanos: u64) -> bool {
        if nanos == 0 {
            return true;
        }
        let state = &mut self.threads[thread as usize];
        state.remaining = nanos;
        if state.state == ThreadState::Running {
            let process = &mut self.processes[state.process as usize];
            match process.holder {
                Some(holder) if holder == thread => {}
                None => process.holder = Some(thread),
                Some(_) => {
                    // It computed without the GIL until now, and does not get it back at once.
                    state.state = ThreadState::WantGil;
                    self.free_core(thread);
                    self.want_gil(thread);
                    return false;
                }
            }
            let host = self.host_of(thread);
            if self.now >= self.threads[thread as usize].slice_end && !self.hosts[host].queue.is_empty() {
                self.yield_core(thread);
            } else {
                self.run_on_core(thread);
            }
        } else {
            self.want_gil(thread);
        }
        false
    }

    /// Computes first the share without the GIL, then the rest with it. `again` brings the fiber back here in between.
    pub(super) fn compute_in_parts(&mut self, id: u32, thread: u32, nanos: u64, again: impl Fn(&mut Fiber)) -> bool {
        let free = (nanos as f64 * self.run.free_share) as u64;
        let fiber = &mut self.fibers[id as usize];
        if free == 0 || fiber.freed {
            fiber.freed = false;
            return self.compute(thread, nanos - free);
        }
        fiber.freed = true;
        again(fiber);
        let process = self.threads[thread as usize].process;
        if self.processes[process as usize].holder == Some(thread) {
            self.pass_gil(process);
        }
        self.threads[thread as usize].remaining = free;
        if self.threads[thread as usize].state == ThreadState::Running {
            self.run_on_core(thread);
        } else {
            self.want_core(thread);
        }
        false
    }

    pub(super) fn want_gil(&mut self, thread: u32) {
        let index = self.threads[thread as usize].process;
        let process = &mut self.processes[index as usize];
        match process.holder {
            None => {
                process.holder = Some(thread);
                process.switch = process.switch.wrapping_add(1);
                self.want_core(thread);
            }
            Some(holder) if holder == thread => self.want_core(thread),
            Some(_) => {
                self.threads[thread as usize].state = ThreadState::WantGil;
                process.waiters.push_back(thread);
                self.set_gil_timer(index);
            }
        }
    }

    pub(super) fn set_gil_timer(&mut self, process: u16) {
        let state = &mut self.processes[process as usize];
        if state.timer_set || state.waiters.is_empty() {
            return;
        }
        state.timer_set = true;
        let switch = state.switch;
        self.schedule(self.now + self.run.machine.switch_interval_nanos, Event::Gil { process, switch });
    }

    pub(super) fn gil_timer(&mut self, process: u16, switch: u32) {
        let state = &mut self.processes[process as usize];
        state.timer_set = false;
        if state.switch == switch
            && let Some(holder) = state.holder
            && !state.waiters.is_empty()
        {
            state.drop_requested = true;
            if self.threads[holder as usize].state == ThreadState::Running {
                self.stop_running(holder);
                self.drop_gil(holder);
            }
        } else {
            self.set_gil_timer(process);
        }
    }

    /// The holder hands the GIL over because a waiter asked, and queues for it again.
    pub(super) fn drop_gil(&mut self, thread: u32) {
        let index = self.threads[thread as usize].process;
        self.pass_gil(index);
        self.threads[thread as usize].state = ThreadState::WantGil;
        self.processes[index as usize].waiters.push_back(thread);
        self.set_gil_timer(index);
    }

    pub(super) fn pass_gil(&mut self, index: u16) {
        let process = &mut self.processes[index as usize];
        process.drop_requested = false;
        process.switch = process.switch.wrapping_add(1);
        process.holder = process.waiters.pop_front();
        if let Some(next) = process.holder {
            self.set_gil_timer(index);
            self.want_core(next);
        }
    }

    pub(super) fn want_core(&mut self, thread: u32) {
        let host = self.host_of(thread);
        if self.hosts[host].idle_cores > 0 {
            self.hosts[host].idle_cores -= 1;
            self.start_slice(thread);
        } else {
            self.threads[thread as usize].state = ThreadState::WantCore;
            self.hosts[host].queue.push_back(thread);
        }
    }

    pub(super) fn start_slice(&mut self, thread: u32) {
        let state = &mut self.threads[thread as usize];
        state.state = ThreadState::Running;
        state.slice_end = self.now + self.run.machine.core_slice_nanos;
        let process = &self.processes[state.process as usize];
        if process.drop_requested && process.holder == Some(thread) && !process.waiters.is_empty() {
            self.free_core(thread);
            self.drop_gil(thread);
        } else {
            self.run_on_core(thread);
        }
    }

    pub(super) fn run_on_core(&mut self, thread: u32) {
        let state = &mut self.threads[thread as usize];
        if state.slice_end <= self.now {
            state.slice_end = self.now + self.run.machine.core_slice_nanos;
        }
        state.started = self.now;
        state.generation = state.generation.wrapping_add(1);
        let until = (self.now + state.remaining).min(state.slice_end);
        let generation = state.generation;
        self.schedule(until, Event::Core { thread, generation });
    }

    pub(super) fn core_event(&mut self, thread: u32, generation: u32) {
        let state = self.threads[thread as usize];
        if state.generation != generation || state.state != ThreadState::Running {
            return;
        }
        self.account(thread);
        if self.threads[thread as usize].remaining == 0 {
            self.advance(thread);
        } else if self.hosts[self.host_of(thread)].queue.is_empty() {
            self.run_on_core(thread);
        } else {
            self.yield_core(thread);
        }
    }

    pub(super) fn account(&mut self, thread: u32) {
        let state = &mut self.threads[thread as usize];
        let elapsed = self.now - state.started;
        state.started = self.now;
        state.remaining -= elapsed;
        self.processes[state.process as usize].cpu_nanos += elapsed;
    }

    pub(super) fn yield_core(&mut self, thread: u32) {
        let host = self.host_of(thread);
        self.threads[thread as usize].state = ThreadState::WantCore;
        self.hosts[host].queue.push_back(thread);
        self.core_to_next(host);
    }

    pub(super) fn free_core(&mut self, thread: u32) {
        let host = self.host_of(thread);
        self.core_to_next(host);
    }

    pub(super) fn core_to_next(&mut self, host: usize) {
        if let Some(next) = self.hosts[host].queue.pop_front() {
            self.start_slice(next);
        } else {
            self.hosts[host].idle_cores += 1;
        }
    }

    pub(super) fn stop_running(&mut self, thread: u32) {
        self.account(thread);
        let state = &mut self.threads[thread as usize];
        state.generation = state.generation.wrapping_add(1);
        state.state = ThreadState::WantGil;
        self.free_core(thread);
    }

    /// Gives up core and GIL where the thread has them.
    pub(super) fn release(&mut self, thread: u32) {
        let Thread { state, process, .. } = self.threads[thread as usize];
        if state == ThreadState::Running {
            self.threads[thread as usize].state = ThreadState::Blocked;
            self.free_core(thread);
        }
        if self.processes[process as usize].holder == Some(thread) {
            self.pass_gil(process);
        }
    }

    pub(super) fn block(&mut self, thread: u32) {
        self.release(thread);
        self.threads[thread as usize].state = ThreadState::Blocked;
    }

    pub(super) fn park(&mut self, thread: u32) {
        self.release(thread);
        self.threads[thread as usize].state = ThreadState::Idle;
    }

    pub(super) fn host_of(&self, thread: u32) -> usize {
        let process = self.threads[thread as usize].process;
        self.processes[process as usize].host as usize
    }
}
