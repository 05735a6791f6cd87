//! A recorded request as work and waits, independent of any split.
//!
//! The recording gives each call its stretches on a thread (with CPU time, inline callees included) and its
//! suspensions. Taking the callees out leaves what a call itself asks for: CPU, blocking, waiting, and the
//! points at which it calls, forks and joins.

use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Call, CallIndex, FunctionKind, Recording, Request, Segment, Via};

/// Shorter stretches in which a caller computes are no sign that it went on.
///
/// Chosen: several times the time between two coroutines of one chain that are suspended together.
const SAME_INSTANT: Nanos = Nanos::from_micros(20);

/// The work and waits of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// The steps of each call of the request.
    pub calls: Vec<Vec<DemandStep>>,
}

impl Demand {
    /// Returns the CPU time of a call without that of the calls that it makes; helper threads for which it waits included.
    pub fn own_cpu(&self, call: CallIndex) -> Nanos {
        let of = |step: &DemandStep| match *step {
            DemandStep::Cpu(cpu) | DemandStep::Wait { cpu, .. } => cpu,
            _ => Nanos::ZERO,
        };
        self.calls[call as usize].iter().map(of).sum()
    }

    /// Returns the demand with all CPU time multiplied by `factor`, which takes the recorder's own share off.
    #[must_use]
    pub fn scale_cpu(mut self, factor: f64) -> Self {
        for step in self.calls.iter_mut().flatten() {
            if let DemandStep::Cpu(cpu) | DemandStep::Wait { cpu, .. } = step {
                *cpu = *cpu * factor;
            }
        }
        self
    }
}

/// One step of a call, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DemandStep {
    /// The call computes.
    Cpu(Nanos),
    /// The call blocks its thread without computing.
    Block(Nanos),
    /// The call is suspended for something that is no recorded call: the CPU time of a helper thread, then a delay.
    Wait {
        /// The CPU time that is computed elsewhere in the process.
        cpu: Nanos,
        /// The rest of the suspension.
        delay: Nanos,
    },
    /// The call makes another one and cannot go on before that returns.
    Inline(CallIndex),
    /// The call begins another one that runs beside it.
    Fork {
        /// The index of the other call.
        call: CallIndex,
        /// The other call runs on the thread pool.
        thread: bool,
        /// This call waits for the other one later.
        joined: bool,
    },
    /// The call waits for the joined calls begun so far.
    Join,
}

/// Takes a request apart.
///
/// With `alone`, the request was the only one in its process: CPU that the process used meanwhile and that no call
/// accounts for was spent by helper threads during the waits, and becomes part of these.
pub fn demand(recording: &Recording, request: &Request, alone: bool) -> Demand {
    let mut children: Vec<Vec<CallIndex>> = vec![Vec::new(); request.calls.len()];
    for (index, call) in request.calls.iter().enumerate().skip(1) {
        children[call.parent as usize].push(index as CallIndex);
    }
    let waits = (0..request.calls.len()).map(|index| waits(recording, request, index)).collect();
    let taken = Taken { request, waits };
    let mut demand =
        Demand { calls: children.iter().enumerate().map(|(index, children)| taken.steps(index, children)).collect() };
    if alone {
        let tracked: Nanos = request
            .calls
            .iter()
            .enumerate()
            .filter(|(i, c)| *i == 0 || c.via != Via::Inline)
            .map(|(_, c)| c.cpu())
            .sum();
        give_to_waits(&mut demand, request.process_cpu - tracked);
    }
    demand
}

/// Spreads CPU time over the waits, by their length; what they cannot hold is the root's own.
fn give_to_waits(demand: &mut Demand, untracked: Nanos) {
    let total: Nanos = demand.calls.iter().flatten().map(delay_of).sum();
    let held = untracked.min(total);
    if !total.is_zero() {
        let share = held.as_nanos_f64() / total.as_nanos_f64();
        for step in demand.calls.iter_mut().flatten() {
            if let DemandStep::Wait { cpu, delay } = step {
                *cpu = *delay * share;
                *delay = *delay - *cpu;
            }
        }
    }
    if let Some(root) = demand.calls.first_mut()
        && untracked > held
    {
        root.push(DemandStep::Cpu(untracked - held));
    }
}

fn delay_of(step: &DemandStep) -> Nanos {
    if let DemandStep::Wait { delay, .. } = step { *delay } else { Nanos::ZERO }
}

/// Returns the suspensions in which a call waits. Between two values a generator does not: its caller goes on.
fn waits(recording: &Recording, request: &Request, index: usize) -> Vec<Segment> {
    let call = &request.calls[index];
    let suspended = call.segments.iter().copied().filter(|s| s.suspended);
    match recording.functions.get(call.function as usize).map(|function| function.kind) {
        Some(FunctionKind::Generator) => Vec::new(),
        // It awaits something if its caller is suspended as long.
        Some(FunctionKind::AsyncGenerator) => {
            let caller = &request.calls[call.parent as usize];
            suspended.filter(|s| computing_within(caller, s) <= SAME_INSTANT).collect()
        }
        _ => suspended.collect(),
    }
}

/// Returns the time within a stretch during which a call is on a thread.
fn computing_within(call: &Call, stretch: &Segment) -> Nanos {
    let active = call.segments.iter().filter(|s| !s.suspended);
    active.map(|s| end(s).min(end(stretch)) - s.start.max(stretch.start)).sum()
}

fn is_inline(request: &Request, index: CallIndex) -> bool {
    request.calls[index as usize].via == Via::Inline
}

fn fork(request: &Request, call: CallIndex, joined: bool) -> DemandStep {
    DemandStep::Fork { call, thread: request.calls[call as usize].via == Via::Thread, joined }
}

fn end(segment: &Segment) -> Nanos {
    segment.start + segment.wall
}

/// A request that is taken apart.
struct Taken<'a> {
    request: &'a Request,
    /// The waits of each call.
    waits: Vec<Vec<Segment>>,
}

impl Taken<'_> {
    fn steps(&self, index: usize, children: &[CallIndex]) -> Vec<DemandStep> {
        let request = self.request;
        let call = &request.calls[index];
        let inline: Vec<CallIndex> = children.iter().copied().filter(|&i| is_inline(request, i)).collect();
        let mut beside: Vec<CallIndex> = children.iter().copied().filter(|&i| !is_inline(request, i)).collect();
        beside.sort_by_key(|&i| request.calls[i as usize].start());
        let waits: Vec<Segment> =
            self.waits[index].iter().copied().filter(|s| !self.is_a_callees_wait(&inline, s)).collect();
        let mut out = Vec::new();
        let mut forked = 0;
        for segment in &call.segments {
            if !segment.suspended {
                active(request, segment, &inline, &mut out);
            } else if waits.contains(segment) {
                let begun =
                    beside[forked..].iter().take_while(|&&i| request.calls[i as usize].start() < end(segment)).count();
                let new = &beside[forked..forked + begun];
                forked += begun;
                wait(request, segment, new, &beside[..forked], &waits, &mut out);
            }
        }
        // Begun after the last wait: tasks that nobody awaited.
        out.extend(beside[forked..].iter().map(|&call| fork(request, call, false)));
        out
    }

    /// Returns true if a call is suspended because one of its inline callees waits.
    fn is_a_callees_wait(&self, inline: &[CallIndex], segment: &Segment) -> bool {
        let middle = segment.start + segment.wall * 0.5;
        let holds = |wait: &Segment| wait.start <= middle && middle < end(wait);
        inline.iter().any(|&callee| self.waits[callee as usize].iter().any(holds))
    }
}

/// A stretch on a thread: own CPU and blocking, laid around the inline calls that begin in it.
fn active(request: &Request, segment: &Segment, inline: &[CallIndex], out: &mut Vec<DemandStep>) {
    let (from, to) = (segment.start, end(segment));
    let (mut callee_cpu, mut callee_wall) = (Nanos::ZERO, Nanos::ZERO);
    let mut gaps = Vec::new();
    let mut position = from;
    for &index in inline {
        let callee = &request.calls[index as usize];
        if callee.end() <= from || callee.start() >= to {
            continue;
        }
        let mut last = position;
        for part in callee.segments.iter().filter(|s| !s.suspended) {
            let middle = part.start + part.wall * 0.5;
            if from <= middle && middle < to {
                callee_cpu += part.cpu;
                callee_wall += part.wall;
                // The caller of a generator goes on between its parts.
                if last <= position {
                    last = end(part);
                }
            }
        }
        let begins_here = callee.start() >= from;
        gaps.push((callee.start() - position, begins_here.then_some(index)));
        position = position.max(last.min(to));
    }
    gaps.push((to - position, None));
    let cpu = segment.cpu - callee_cpu;
    let blocked = (segment.wall - callee_wall) - cpu;
    let total: Nanos = gaps.iter().map(|g| g.0).sum();
    for (gap, callee) in gaps {
        let share = if total.is_zero() { 0.0 } else { gap.as_nanos_f64() / total.as_nanos_f64() };
        push(out, DemandStep::Cpu(cpu * share));
        push(out, DemandStep::Block(blocked * share));
        out.extend(callee.map(DemandStep::Inline));
    }
    if total.is_zero() {
        push(out, DemandStep::Cpu(cpu));
        push(out, DemandStep::Block(blocked));
    }
}

fn push(out: &mut Vec<DemandStep>, step: DemandStep) {
    if !matches!(step, DemandStep::Cpu(n) | DemandStep::Block(n) if n.is_zero()) {
        out.push(step);
    }
}

/// A suspension of the call's own: for calls that it began beside itself, or for something outside the recording.
fn wait(
    request: &Request,
    segment: &Segment,
    new: &[CallIndex],
    begun: &[CallIndex],
    waits: &[Segment],
    out: &mut Vec<DemandStep>,
) {
    let starts = |i: &CallIndex| request.calls[*i as usize].start();
    let ends = |i: &CallIndex| request.calls[*i as usize].end();
    let first = new.iter().map(starts).min();
    let last = begun.iter().map(ends).filter(|&e| segment.start < e && e <= end(segment)).max();
    match (first, last) {
        (None, None) => out.push(DemandStep::Wait { cpu: Nanos::ZERO, delay: segment.wall }),
        (first, last) => {
            if let Some(first) = first {
                out.push(DemandStep::Wait { cpu: Nanos::ZERO, delay: first - segment.start });
            }
            for &index in new {
                let finished = ends(&index);
                let joined = waits.iter().any(|w| w.start < finished && finished <= end(w));
                out.push(fork(request, index, joined));
            }
            out.push(DemandStep::Join);
            let after = last.unwrap_or(first.unwrap_or(segment.start));
            out.push(DemandStep::Wait { cpu: Nanos::ZERO, delay: end(segment) - after });
        }
    }
}

#[cfg(test)]
mod tests {
    use splitcost_model::recording::Function;

    use super::*;

    fn on(start: u64, wall: u64, cpu: u64) -> Segment {
        segment(start, wall, cpu, false)
    }

    fn off(start: u64, wall: u64) -> Segment {
        segment(start, wall, 0, true)
    }

    fn segment(start: u64, wall: u64, cpu: u64, suspended: bool) -> Segment {
        let n = Nanos::from_nanos;
        Segment { start: n(start), wall: n(wall), cpu: n(cpu), suspended }
    }

    fn call(parent: u32, via: Via, segments: Vec<Segment>) -> Call {
        Call { parent, via, segments, ..Call::default() }
    }

    fn request(process_cpu: u64, calls: Vec<Call>) -> Request {
        Request { process_cpu: Nanos::from_nanos(process_cpu), calls, ..Request::default() }
    }

    fn demand(request: &Request, alone: bool) -> Demand {
        super::demand(&Recording::default(), request, alone)
    }

    /// The demand of a request whose second call is one of a generator of this kind.
    fn demand_of_generator(kind: FunctionKind, mut request: Request) -> Demand {
        request.calls[1].function = 1;
        let functions = vec![Function::default(), Function { kind, ..Function::default() }];
        super::demand(&Recording { functions, ..Recording::default() }, &request, false)
    }

    fn cpu(nanos: u64) -> DemandStep {
        DemandStep::Cpu(Nanos::from_nanos(nanos))
    }

    fn delay(nanos: u64) -> DemandStep {
        DemandStep::Wait { cpu: Nanos::ZERO, delay: Nanos::from_nanos(nanos) }
    }

    #[test]
    fn a_callee_is_taken_out_of_its_caller() {
        let request =
            request(100, vec![call(0, Via::Inline, vec![on(0, 100, 100)]), call(0, Via::Inline, vec![on(20, 60, 60)])]);
        let demand = demand(&request, true);
        assert_eq!(demand.calls[0], vec![cpu(20), DemandStep::Inline(1), cpu(20)]);
        assert_eq!(demand.calls[1], vec![cpu(60)]);
    }

    #[test]
    fn an_awaited_callee_keeps_its_wait() {
        let request = request(
            40,
            vec![
                call(0, Via::Inline, vec![on(0, 20, 20), off(20, 100), on(120, 20, 20)]),
                call(0, Via::Inline, vec![on(10, 10, 10), off(20, 100), on(120, 10, 10)]),
            ],
        );
        let demand = demand(&request, true);
        assert_eq!(demand.calls[0], vec![cpu(10), DemandStep::Inline(1), cpu(10)]);
        assert_eq!(demand.calls[1], vec![cpu(10), delay(100), cpu(10)]);
    }

    #[test]
    fn gathered_tasks_are_forked_and_joined() {
        let request = request(
            30,
            vec![
                call(0, Via::Inline, vec![on(0, 10, 10), off(10, 50), on(60, 10, 10)]),
                call(0, Via::Task, vec![on(12, 5, 5)]),
                call(0, Via::Task, vec![on(20, 5, 5), off(25, 25), on(50, 5, 0)]),
            ],
        );
        let fork = |call| DemandStep::Fork { call, thread: false, joined: true };
        assert_eq!(
            demand(&request, false).calls[0],
            vec![cpu(10), delay(2), fork(1), fork(2), DemandStep::Join, delay(5), cpu(10)]
        );
    }

    #[test]
    fn cpu_of_helper_threads_is_found_in_the_waits() {
        let request = request(60, vec![call(0, Via::Inline, vec![on(0, 10, 10), off(10, 100), on(110, 10, 10)])]);
        let wait = DemandStep::Wait { cpu: Nanos::from_nanos(40), delay: Nanos::from_nanos(60) };
        assert_eq!(demand(&request, true).calls[0], vec![cpu(10), wait, cpu(10)]);
    }
    #[test]
    fn a_generator_between_two_values_neither_computes_nor_waits() {
        // A `with` block of 60 ns around a call of 20 ns.
        let request = request(
            100,
            vec![
                call(0, Via::Inline, vec![on(0, 100, 100)]),
                call(0, Via::Inline, vec![on(10, 10, 10), off(20, 60), on(80, 10, 10)]),
                call(0, Via::Inline, vec![on(40, 20, 20)]),
            ],
        );
        let demand = demand_of_generator(FunctionKind::Generator, request);
        assert_eq!(demand.calls[1], vec![cpu(10), cpu(10)]);
        assert_eq!(demand.calls[0], vec![cpu(9), DemandStep::Inline(1), cpu(17), DemandStep::Inline(2), cpu(34)]);
    }

    #[test]
    fn an_asynchronous_generator_waits_only_while_its_caller_does() {
        let of = |caller: Vec<Segment>| {
            let generator = call(0, Via::Inline, vec![on(10, 10, 10), off(20, 100_060), on(100_080, 10, 10)]);
            let request = request(100, vec![call(0, Via::Inline, caller), generator]);
            demand_of_generator(FunctionKind::AsyncGenerator, request).calls
        };
        // It awaits: its caller is suspended and resumed with it.
        let awaiting = of(vec![on(0, 20, 20), off(20, 100_060), on(100_080, 20, 20)]);
        assert_eq!(awaiting[1], vec![cpu(10), delay(100_060), cpu(10)]);
        assert!(!awaiting[0].contains(&delay(100_060)));
        // It has yielded: its caller computes, then awaits something itself.
        let yielded = of(vec![on(0, 50_000, 50_000), off(50_000, 50_070), on(100_070, 40, 40)]);
        assert_eq!(yielded[1], vec![cpu(10), cpu(10)]);
        assert!(yielded[0].contains(&delay(50_070)));
    }
}
