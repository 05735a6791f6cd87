//! Calls that may call any of many functions: decorators' wrappers and dispatchers.
//!
//! `function(...)` in a wrapper may be any function that the decorator decorates. Who calls a decorated name has an edge
//! to the wrapper and one to the function: the wrapper's own edges to all of them need not count. `listener(event)` may
//! be any function of the program: a way through it leads from everything to everything.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::{Callee, Edge, Evaluation, Manner};
use crate::value::{Place, Symbol};

/// Chosen: a method of one name has so many implementations at most, of which one is meant.
const MAX_TARGETS: usize = 8;
/// Chosen: a call that may call functions of more names is a dispatcher.
const MAX_NAMES: usize = 4;

impl Evaluation<'_> {
    /// Whether the program's decorators made `wrapper` of `function`.
    pub(crate) fn is_wrapper(&self, wrapper: Place, function: Place) -> bool {
        let wrappers = self.wrappers.get(&function);
        wrappers.is_some_and(|found| found.iter().any(|made| *made == wrapper || self.is_wrapper_of(wrapper, *made)))
    }

    /// One step further in: decorators on decorators. Chosen: no more than two that wrap.
    fn is_wrapper_of(&self, wrapper: Place, function: Place) -> bool {
        self.wrappers.get(&function).is_some_and(|found| found.contains(&wrapper))
    }

    pub(super) fn split_wrappers(&mut self) {
        let shared = self.shared_wrappers();
        for place in 0..self.edges.len() {
            let is_about_wrappers = |edge: &Edge| match edge.callee {
                Callee::Inside(callee) => self.wrappers.contains_key(&callee),
                Callee::Outside(_) => false,
            };
            if !self.edges[place].iter().any(is_about_wrappers) {
                continue;
            }
            let mut edges = std::mem::take(&mut self.edges[place]);
            let whole = edges.clone();
            edges.retain_mut(|edge| {
                let Callee::Inside(callee) = edge.callee else { return true };
                if shared.contains_key(&(place as Place)) && self.is_wrapper_of(place as Place, callee) {
                    edge.manner = Manner::Dispatched;
                    return true;
                }
                if !self.wrappers.contains_key(&callee) {
                    return true;
                }
                let alike = whole.iter().filter(|other| other.range == edge.range && other.call == edge.call);
                let mut around = alike.filter_map(|other| match other.callee {
                    Callee::Inside(wrapper) if self.is_wrapper(wrapper, callee) => Some(wrapper),
                    _ => None,
                });
                let Some(first) = around.next() else { return true };
                let manner = std::iter::once(first).chain(around).find_map(|wrapper| shared.get(&wrapper));
                let Some(manner) = manner else { return false };
                if *manner != Manner::Direct {
                    edge.manner = *manner;
                }
                true
            });
            self.edges[place] = edges;
        }
    }

    /// What is called in so many ways that none of them tells anything.
    pub(super) fn mark_dispatchers(&mut self) {
        for place in 0..self.edges.len() {
            let mut edges = std::mem::take(&mut self.edges[place]);
            let mut first = 0;
            while first < edges.len() {
                let alike = |index: &usize| {
                    let (edge, start) = (&edges[*index], &edges[first]);
                    (edge.range, edge.call) == (start.range, start.call)
                };
                let end = (first + 1..edges.len()).take_while(alike).last().map_or(first + 1, |last| last + 1);
                let mut names: SmallVec<[Symbol; 8]> = SmallVec::new();
                let mut targets = 0;
                for edge in &edges[first..end] {
                    if let Callee::Inside(callee) = edge.callee {
                        targets += 1;
                        let name = self.program.name(callee);
                        if !names.contains(&name) {
                            names.push(name);
                        }
                    }
                }
                // What is done without parentheses may be several things at one place.
                let is_call = edges[first].call.is_some();
                if is_call && (targets > MAX_TARGETS || names.len() > MAX_NAMES) {
                    for edge in edges[first..end].iter_mut().filter(|edge| matches!(edge.callee, Callee::Inside(_))) {
                        edge.manner = Manner::Dispatched;
                    }
                }
                first = end;
            }
            self.edges[place] = edges;
        }
    }

    /// Wrappers that call more than one function in the same way, and how they do. A coroutine is where blocking ends:
    /// what it wraps is reported there.
    fn shared_wrappers(&self) -> FxHashMap<Place, Manner> {
        let mut shared = FxHashMap::default();
        let wrappers: FxHashSet<Place> = self.wrappers.values().flatten().copied().collect();
        for wrapper in &wrappers {
            let wrapped = |callee: Place| self.is_wrapper_of(*wrapper, callee);
            let mut edges = self.edges[*wrapper as usize].iter().filter_map(|edge| match edge.callee {
                Callee::Inside(callee) if wrapped(callee) => Some((callee, edge.manner)),
                _ => None,
            });
            let Some((first, manner)) = edges.next() else { continue };
            if !self.program.scope(*wrapper).is_async && edges.any(|(callee, _)| callee != first) {
                shared.insert(*wrapper, manner);
            }
        }
        shared
    }
}
