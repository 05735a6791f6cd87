//! What scopes read of each other, who has read it, and who is looked at again.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Key2, MAX_VISITS};
use crate::value::{Place, Symbol, Values};

/// Scopes that have read something; a scope that reads it often may be there more than once.
pub(super) type Readers = SmallVec<[Place; 2]>;

/// The names of a place.
pub(super) type Table = FxHashMap<Symbol, Slot>;

/// Values that grow.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) values: Values,
    readers: Readers,
}

impl Slot {
    /// Adds what may be there, and wakes who has read it before.
    pub(super) fn add(&mut self, values: &Values, queue: &mut Queue) {
        if self.values.extend(values) {
            queue.wake(&self.readers);
        }
    }

    /// What is there, if anything is; the reader is woken when it grows.
    pub(super) fn read(&mut self, reader: Place) -> Option<Values> {
        note(&mut self.readers, reader);
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// Remembers a reader.
pub(super) fn note(readers: &mut Readers, reader: Place) {
    if readers.last() != Some(&reader) {
        readers.push(reader);
    }
}

/// What a container holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Elements {
    pub(super) items: Vec<(Key2, Values)>,
    pub(super) readers: Readers,
}

impl Elements {
    pub(super) fn put(&mut self, key: Key2, values: &Values, queue: &mut Queue) {
        // Chosen: a table of more entries is one of alike things.
        let key = if self.items.len() > 64 { Key2::Unknown } else { key };
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

    /// What a subscript may give.
    pub(super) fn at(&self, key: Key2) -> Values {
        let mut found = Values::default();
        let count = i64::try_from(self.items.len()).unwrap_or(i64::MAX);
        for (known, values) in &self.items {
            let is_it = match (key, *known) {
                (Key2::Unknown, _) | (_, Key2::Unknown) => true,
                (Key2::Int(index), Key2::Int(known)) if index < 0 => count + index == known || index == known,
                (key, known) => key == known,
            };
            if is_it {
                found.extend(values);
            }
        }
        found
    }
}

/// The scopes that are to be looked at, in the order in which they were woken.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Place>,
    is_waiting: Vec<bool>,
    visits: Vec<u8>,
}

impl Queue {
    pub(super) fn new(places: usize) -> Self {
        Self { waiting: VecDeque::new(), is_waiting: vec![false; places], visits: vec![0; places] }
    }

    pub(super) fn add(&mut self, place: Place) {
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

    pub(super) fn next(&mut self) -> Option<Place> {
        loop {
            let place = self.waiting.pop_front()?;
            // It may have been looked at in the middle of another.
            if self.is_waiting[place as usize] {
                return Some(place);
            }
        }
    }

    pub(super) fn visited(&mut self, place: Place) {
        self.is_waiting[place as usize] = false;
        self.visits[place as usize] = self.visits[place as usize].saturating_add(1);
    }

    pub(super) fn is_visited(&self, place: Place) -> bool {
        self.visits[place as usize] > 0
    }
}
