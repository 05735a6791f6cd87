//! Calls that may call any of many functions: those in the wrappers of decorators, and dispatchers.
//!
//! `function(...)` in a wrapper may call every function that the decorator decorates. A caller of a decorated name has
//! an edge to the wrapper and one to the function, so the wrapper's own edges need not count. `listener(event)` may call
//! any function of the program: call paths through it would lead from everywhere to everywhere.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::{CallEdge, CallManner, Callee, Resolution};
use crate::value::{ScopeNumber, Symbol};

/// The number of functions that a call may have. Chosen: a method of one name seldom has more implementations.
const MAX_TARGETS: usize = 8;
/// The number of names that these functions may have. Chosen: a call with more is a dispatcher.
const MAX_NAMES: usize = 4;

impl Resolution<'_> {
    /// Returns whether the program's decorators replaced `function` by `wrapper`, directly or through a second wrapper.
    pub(crate) fn is_wrapper(&self, wrapper: ScopeNumber, function: ScopeNumber) -> bool {
        let wrappers = self.wrappers.get(&function);
        wrappers.is_some_and(|found| found.iter().any(|made| *made == wrapper || self.is_wrapper_of(wrapper, *made)))
    }

    /// Returns whether a decorator replaced `function` by `wrapper` directly. Chosen: no more than two wrappers count.
    fn is_wrapper_of(&self, wrapper: ScopeNumber, function: ScopeNumber) -> bool {
        self.wrappers.get(&function).is_some_and(|found| found.contains(&wrapper))
    }

    /// Removes the edges that wrappers and the functions inside them share.
    pub(super) fn split_wrappers(&mut self) {
        let shared = self.shared_wrappers();
        for place in 0..self.edges.len() {
            let is_about_wrappers = |edge: &CallEdge| match edge.callee {
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
                if shared.contains_key(&(place as ScopeNumber)) && self.is_wrapper_of(place as ScopeNumber, callee) {
                    edge.manner = CallManner::Dispatched;
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
                if *manner != CallManner::Direct {
                    edge.manner = *manner;
                }
                true
            });
            self.edges[place] = edges;
        }
    }

    /// Marks the edges of calls with too many possible callees as dispatched.
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
                // Several calls without parentheses may share one range.
                let is_call = edges[first].call.is_some();
                if is_call && (targets > MAX_TARGETS || names.len() > MAX_NAMES) {
                    for edge in edges[first..end].iter_mut().filter(|edge| matches!(edge.callee, Callee::Inside(_))) {
                        edge.manner = CallManner::Dispatched;
                    }
                }
                first = end;
            }
            self.edges[place] = edges;
        }
    }

    /// Returns the wrappers that call more than one function, with the manner of these calls. Coroutines are left out:
    /// blocking ends there, and is reported there.
    fn shared_wrappers(&self) -> FxHashMap<ScopeNumber, CallManner> {
        let mut shared = FxHashMap::default();
        let wrappers: FxHashSet<ScopeNumber> = self.wrappers.values().flatten().copied().collect();
        for wrapper in &wrappers {
            let wrapped = |callee: ScopeNumber| self.is_wrapper_of(*wrapper, callee);
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
