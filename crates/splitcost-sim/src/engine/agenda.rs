//! The events to come, in order of their times.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::{Event, NEVER};

/// The bits of an event's place in [`Agenda::events`]. Those above them hold the order in which events were scheduled.
///
/// Chosen: 16 million events to come at a time, and a trillion in all.
const PLACE_BITS: u32 = 24;

/// The events to come. Events of equal times come in the order in which they were scheduled.
#[derive(Debug)]
pub(super) struct Agenda {
    scheduled: u64,
    /// Time, order and place of each event in one number, which is quick to compare and to move.
    heap: BinaryHeap<Reverse<u128>>,
    events: Vec<Event>,
    free: Vec<usize>,
    /// The timeouts of calls and those of requests. All of a queue are equally long, so that they end in the order in which they
    /// began. Nearly all are void by then, and would make the heap deep.
    timeouts: [VecDeque<(u64, Attempt)>; 2],
    first_timeout: u64,
}

/// An attempt of a call or of a request: the fiber that waits, and the number of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) fiber: u32,
    pub(super) call: u32,
}

/// The maker of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller {
    Service,
    LoadGenerator,
}

impl Agenda {
    pub(super) fn new() -> Self {
        Self {
            scheduled: 0,
            heap: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            timeouts: Default::default(),
            first_timeout: NEVER,
        }
    }

    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        let place = self.free.pop().unwrap_or_else(|| {
            assert!(self.events.len() < 1 << PLACE_BITS, "too many events to come");
            self.events.push(event);
            self.events.len() - 1
        });
        self.events[place] = event;
        self.scheduled += 1;
        self.heap.push(Reverse(u128::from(at) << 64 | u128::from(self.scheduled << PLACE_BITS | place as u64)));
    }

    pub(super) fn set_timeout(&mut self, at: u64, caller: Caller, attempt: Attempt) {
        self.timeouts[caller as usize].push_back((at, attempt));
        self.first_timeout = self.first_timeout.min(at);
    }

    /// Takes out the next event with its time. Timeouts of attempts that nobody waits for are left out; the others come before
    /// all other events of their times.
    #[inline]
    pub(super) fn pop(&mut self, is_waiting: impl Fn(Attempt) -> bool) -> Option<(u64, Event)> {
        while self.first_timeout != NEVER && self.heap.peek().is_none_or(|next| time(next) >= self.first_timeout) {
            if let Some((at, attempt)) = self.pop_timeout()
                && is_waiting(attempt)
            {
                return Some((at, Event::Timeout(attempt)));
            }
        }
        let next = self.heap.pop()?;
        let place = next.0 as usize & ((1 << PLACE_BITS) - 1);
        self.free.push(place);
        Some((time(&next), self.events[place]))
    }

    fn pop_timeout(&mut self) -> Option<(u64, Attempt)> {
        let first = |queue: &VecDeque<(u64, Attempt)>| queue.front().map_or(NEVER, |timeout| timeout.0);
        let timeout = self.timeouts.iter_mut().min_by_key(|queue| first(queue))?.pop_front();
        self.first_timeout = self.timeouts.iter().map(first).min().unwrap_or(NEVER);
        timeout
    }
}

fn time(next: &Reverse<u128>) -> u64 {
    (next.0 >> 64) as u64
}
