//! The values of a payload that need more than encoding.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;
use splitcost_recording::log::PayloadClassCode as Class;

/// Most obstacles that are kept.
///
/// Chosen: a person reads no more of them.
const MAX_OBSTACLES: usize = 8;

/// The values that need more than encoding: the worst first, and of like values one.
#[derive(Default)]
pub(crate) struct Obstacles(Vec<Obstacle>);

pub(crate) struct Obstacle {
    pub(crate) class: Class,
    /// Its path and type.
    pub(crate) path: String,
    /// Hash of class, type, and path without the positions in it.
    likeness: u64,
}

impl Obstacle {
    fn can_go_along(&self) -> bool {
        matches!(self.class, Class::Resource | Class::Named | Class::Carried)
    }
}

impl Obstacles {
    pub(crate) fn add(&mut self, class: Class, path: &str, type_name: &str) {
        let mut hasher = FxHasher::default();
        (class as u8, type_name).hash(&mut hasher);
        path.bytes().filter(|byte| !byte.is_ascii_digit()).for_each(|byte| hasher.write_u8(byte));
        let likeness = hasher.finish();
        if self.0.iter().any(|known| known.likeness == likeness) {
            return;
        }
        let at = self.0.partition_point(|known| known.class >= class);
        if at < MAX_OBSTACLES {
            self.0.truncate(MAX_OBSTACLES - 1);
            self.0.insert(at, Obstacle { class, path: format!("{path} ({type_name})"), likeness });
        }
    }

    /// Returns the first resource or service object.
    pub(crate) fn service(&self) -> Option<&Obstacle> {
        self.0
            .iter()
            .find(|known| matches!(known.class, Class::Resource | Class::Named | Class::Carried | Class::Service))
    }

    /// Returns true when an object that holds these can go along with its fields.
    pub(crate) fn can_go_along(&self) -> bool {
        self.0.iter().all(Obstacle::can_go_along)
    }

    /// Returns the worst of those for which an object that holds them cannot go along with its fields.
    pub(crate) fn blocking(&self) -> Option<&Obstacle> {
        self.0.iter().find(|known| !known.can_go_along())
    }

    /// Returns the worst.
    pub(crate) fn worst(&self) -> Option<&Obstacle> {
        self.0.first()
    }

    pub(crate) fn append(&mut self, others: Self) {
        for other in others.0 {
            if self.0.iter().all(|known| known.likeness != other.likeness) {
                let at = self.0.partition_point(|known| known.class >= other.class);
                self.0.insert(at, other);
            }
        }
        self.0.truncate(MAX_OBSTACLES);
    }

    pub(crate) fn into_log(self) -> Vec<(Class, String)> {
        self.0.into_iter().map(|obstacle| (obstacle.class, obstacle.path)).collect()
    }
}
