//! Effects: what a call leads to through any number of functions, and the shortest call path to it.

use std::collections::VecDeque;

use crate::form::{Constant, Expr, ExprId};
use crate::library::Traits;
use crate::resolve::{CallEdge, CallManner, Callee, Resolution};
use crate::value::{Outside, ScopeNumber};

/// One effect, with the shortest call path to it from every function that has it.
pub(crate) struct Effect {
    /// For each place that has the effect: the index of the next edge on the path, and the number of edges left.
    next: Vec<Option<(u32, u32)>>,
}

/// The rule by which an effect spreads from a callee to its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// The effect occupies the calling thread. It ends at an `async def`, and at calls in another thread.
    Blocking,
    /// The effect happens whichever thread runs it.
    Everywhere,
}

/// The edges of the call graph, by callee. All effects that spread by the same rule share one index.
pub(crate) struct CallerIndex {
    /// For each place, the index in `callers` at which its callers begin; one more at the end.
    first: Vec<u32>,
    /// Each caller with the index of its edge, grouped by callee.
    callers: Vec<(ScopeNumber, u32)>,
    /// The edges to external functions that have traits, by caller and index.
    outside: Vec<(ScopeNumber, u32)>,
}

impl CallerIndex {
    pub(crate) fn of(resolution: &Resolution<'_>, spread: Spread) -> Self {
        let places = resolution.program.places();
        let all = || {
            (0..places as ScopeNumber).flat_map(|place| {
                let edges = resolution.edges[place as usize].iter().enumerate();
                edges.filter(|(_, edge)| spreads(edge, spread)).map(move |(index, edge)| (place, index as u32, edge))
            })
        };
        let goes_on = |edge: &CallEdge| match edge.callee {
            Callee::Inside(callee) if spread != Spread::Blocking || !resolution.program.scope(callee).is_async => {
                Some(callee as usize)
            }
            _ => None,
        };
        let mut first = vec![0; places + 1];
        let mut outside = Vec::new();
        for (place, index, edge) in all() {
            if let Some(callee) = goes_on(edge) {
                first[callee + 1] += 1;
            } else if let Callee::Outside(callee) = edge.callee
                && resolution.traits(callee) != Traits::NONE
            {
                outside.push((place, index));
            }
        }
        for place in 0..places {
            first[place + 1] += first[place];
        }
        let mut next = first.clone();
        let mut callers = vec![(0, 0); first[places] as usize];
        for (place, index, edge) in all() {
            if let Some(callee) = goes_on(edge) {
                callers[next[callee] as usize] = (place, index);
                next[callee] += 1;
            }
        }
        Self { first, callers, outside }
    }

    fn callers(&self, place: ScopeNumber) -> &[(ScopeNumber, u32)] {
        &self.callers[self.first[place as usize] as usize..self.first[place as usize + 1] as usize]
    }
}

impl Effect {
    /// Finds all functions that reach an external function with any of these traits.
    pub(crate) fn of(resolution: &Resolution<'_>, steps: &CallerIndex, traits: Traits) -> Self {
        let mut next = vec![None; resolution.program.places()];
        let mut queue = VecDeque::new();
        for (place, index) in &steps.outside {
            let edge = &resolution.edges[*place as usize][*index as usize];
            if let (None, Callee::Outside(outside)) = (next[*place as usize], edge.callee)
                && has(resolution, *place, edge, outside, traits)
            {
                next[*place as usize] = Some((*index, 1));
                queue.push_back(*place);
            }
        }
        while let Some(place) = queue.pop_front() {
            let left = next[place as usize].map_or(0, |(_, left)| left);
            for (caller, edge) in steps.callers(place) {
                if next[*caller as usize].is_none() {
                    next[*caller as usize] = Some((*edge, left + 1));
                    queue.push_back(*caller);
                }
            }
        }
        Self { next }
    }

    /// Returns whether a function has the effect.
    pub(crate) fn is_in(&self, place: ScopeNumber) -> bool {
        self.next[place as usize].is_some()
    }

    /// Returns the call path from a function's edge to the effect: the edges, each with the place that it is in.
    pub(crate) fn way<'e>(
        &self,
        resolution: &'e Resolution<'_>,
        place: ScopeNumber,
        edge: &'e CallEdge,
    ) -> Vec<(ScopeNumber, &'e CallEdge)> {
        let mut way = vec![(place, edge)];
        let mut at = edge.callee;
        while let Callee::Inside(place) = at {
            let Some((index, _)) = self.next[place as usize] else { break };
            let edge = &resolution.edges[place as usize][index as usize];
            way.push((place, edge));
            at = edge.callee;
        }
        way
    }
}

fn spreads(edge: &CallEdge, spread: Spread) -> bool {
    match spread {
        Spread::Blocking => matches!(edge.manner, CallManner::Direct | CallManner::Implicit),
        Spread::Everywhere => !matches!(edge.manner, CallManner::Deferred | CallManner::Dispatched),
    }
}

/// Returns whether an edge to an external function has a trait. An awaited call does not block.
pub(crate) fn has(
    resolution: &Resolution<'_>,
    place: ScopeNumber,
    edge: &CallEdge,
    outside: Outside,
    traits: Traits,
) -> bool {
    let found = resolution.traits(outside);
    if !found.has(traits) {
        return false;
    }
    let blocking =
        Traits::BLOCKING_HTTP.or(Traits::BLOCKING_DATABASE).or(Traits::BLOCKING_GRPC).or(Traits::BLOCKING_WAIT);
    let is_awaited = edge.manner == CallManner::Direct
        && edge.call.is_some_and(|call| resolution.program.scope(place).calls[call as usize].awaited);
    let is_coroutine = is_awaited && !traits.has(Traits::AWAITED_REMOTE);
    !(found.has(blocking) && traits.has(blocking) && (is_coroutine || is_asked_not_to_wait(resolution, place, edge)))
}

/// Returns whether a call's arguments ask not to wait: `lock.acquire(blocking=False)`, `queue.get(False)`,
/// `event.wait(timeout=0)`.
fn is_asked_not_to_wait(resolution: &Resolution<'_>, place: ScopeNumber, edge: &CallEdge) -> bool {
    let program = resolution.program;
    let scope = program.scope(place);
    let Some(call) = edge.call.map(|call| &scope.calls[call as usize]).filter(|_| edge.manner == CallManner::Direct)
    else {
        return false;
    };
    let is =
        |expr: &ExprId, wanted: Constant| matches!(scope.exprs[*expr as usize], Expr::Constant(is) if is == wanted);
    let no = Constant::Bool(false);
    call.positional.first().is_some_and(|first| is(first, no))
        || call.keywords.iter().any(|(name, value)| {
            let name = name.map(|name| program.symbols.text(program.symbol(place, name)));
            match name {
                Some("block" | "blocking") => is(value, no),
                Some("timeout") => is(value, Constant::Int(0)),
                _ => false,
            }
        })
}
