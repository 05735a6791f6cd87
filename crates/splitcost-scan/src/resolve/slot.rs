//! Value sets that several scopes share, the scopes that read them, and the queue of scopes to visit again.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{MAX_VISITS, Subscript};
use crate::value::{ScopeNumber, Symbol, Values};

/// The scopes that have read a value set. A scope may be listed more than once.
pub(super) type Readers = SmallVec<[ScopeNumber; 2]>;

/// The names of a place with their values.
pub(super) type NameTable = FxHashMap<Symbol, Slot>;

/// A value set that grows, and the scopes to visit again when it does.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) values: Values,
    readers: Readers,
}

impl Slot {
    /// Adds values, and wakes the readers if any is new.
    pub(super) fn add(&mut self, values: &Values, queue: &mut Queue) {
        if self.values.extend(values) {
            queue.wake(&self.readers);
        }
    }

    /// Returns the values, if there are any. The reader is woken when they grow.
    pub(super) fn read(&mut self, reader: ScopeNumber) -> Option<Values> {
        note(&mut self.readers, reader);
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// Remembers a reader.
pub(super) fn note(readers: &mut Readers, reader: ScopeNumber) {
    if readers.last() != Some(&reader) {
        readers.push(reader);
    }
}

/// The elements of a container.
#[derive(Clone, Debug, Default)]
pub(super) struct Elements {
    pub(super) items: Vec<(Subscript, Values)>,
    pub(super) readers: Readers,
}

impl Elements {
    pub(super) fn put(&mut self, key: Subscript, values: &Values, queue: &mut Queue) {
        // Chosen: the elements of a larger container are alike.
        let key = if self.items.len() > 64 { Subscript::Unknown } else { key };
        let grew = if let Some((_, known)) = self.items.iter_mut().find(|(known, _)| *known == key) {
            known.extend(values)
        } else {
            self.items.push((key, values.clone()));
            true
        };
        if grew {
            queue.wake(&self.readers);
        }
    }

    /// Returns the values that a subscript may give.
    pub(super) fn at(&self, key: Subscript) -> Values {
        let mut found = Values::default();
        let count = i64::try_from(self.items.len()).unwrap_or(i64::MAX);
        for (known, values) in &self.items {
            let is_it = match (key, *known) {
                (Subscript::Unknown, _) | (_, Subscript::Unknown) => true,
                (Subscript::Int(index), Subscript::Int(known)) if index < 0 => count + index == known || index == known,
                (key, known) => key == known,
            };
            if is_it {
                found.extend(values);
            }
        }
        found
    }
}

/// The scopes to visit, in the order in which they were woken.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<ScopeNumber>,
    is_waiting: Vec<bool>,
    visits: Vec<u8>,
}

impl Queue {
    pub(super) fn new(places: usize) -> Self {
        Self { waiting: VecDeque::new(), is_waiting: vec![false; places], visits: vec![0; places] }
    }

    pub(super) fn add(&mut self, place: ScopeNumber) {
        let at = place as usize;
        if !self.is_waiting[at] && self.visits[at] < MAX_VISITS {
            self.is_waiting[at] = true;
            self.waiting.push_back(place);
        }
    }

    fn wake(&mut self, readers: &Readers) {
        for place in readers {
            self.add(*place);
        }
    }

    pub(super) fn next(&mut self) -> Option<ScopeNumber> {
        loop {
            let place = self.waiting.pop_front()?;
            // It may have been visited in the middle of another visit.
            if self.is_waiting[place as usize] {
                return Some(place);
            }
        }
    }

    pub(super) fn visited(&mut self, place: ScopeNumber) {
        self.is_waiting[place as usize] = false;
        self.visits[place as usize] = self.visits[place as usize].saturating_add(1);
    }

    /// Returns the number of visits to a place.
    #[cfg(test)]
    pub(super) fn visits(&self, place: ScopeNumber) -> u8 {
        self.visits[place as usize]
    }

    pub(super) fn is_visited(&self, place: ScopeNumber) -> bool {
        self.visits[place as usize] > 0
    }
}
