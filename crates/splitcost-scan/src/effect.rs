//! Effects: what a call leads to, through however many functions, and the shortest way there.

use std::collections::VecDeque;

use crate::evaluate::{Callee, Edge, Evaluation, Manner};
use crate::form::{Constant, Expr, ExprId};
use crate::library::Traits;
use crate::value::{Outside, Place};

/// One effect, with the shortest way to it from every function that has it.
pub(crate) struct Effect {
    /// Per place, the edge that is the next step, and how many steps are left.
    next: Vec<Option<(u32, u32)>>,
}

/// How an effect spreads from a callee to its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// It holds the calling thread: an `async def` is where that ends, and another thread too.
    Blocking,
    /// It happens, wherever it does.
    Everywhere,
}

/// The edges against which effects spread: all that spread in the same way share them.
pub(crate) struct Steps {
    /// Per place, where its callers begin in `callers`; one more at the end.
    first: Vec<u32>,
    /// Callers, each with the edge.
    callers: Vec<(Place, u32)>,
    /// Edges to something outside that the library says something of.
    outside: Vec<(Place, u32)>,
}

impl Steps {
    pub(crate) fn of(evaluation: &Evaluation<'_>, spread: Spread) -> Self {
        let places = evaluation.program.places();
        let all = || {
            (0..places as Place).flat_map(|place| {
                let edges = evaluation.edges[place as usize].iter().enumerate();
                edges.filter(|(_, edge)| spreads(edge, spread)).map(move |(index, edge)| (place, index as u32, edge))
            })
        };
        let goes_on = |edge: &Edge| match edge.callee {
            Callee::Inside(callee) if spread != Spread::Blocking || !evaluation.program.scope(callee).is_async => {
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
                && evaluation.traits(callee) != Traits::NONE
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

    fn callers(&self, place: Place) -> &[(Place, u32)] {
        &self.callers[self.first[place as usize] as usize..self.first[place as usize + 1] as usize]
    }
}

impl Effect {
    /// All functions that reach something with any of these traits.
    pub(crate) fn of(evaluation: &Evaluation<'_>, steps: &Steps, traits: Traits) -> Self {
        let mut next = vec![None; evaluation.program.places()];
        let mut queue = VecDeque::new();
        for (place, index) in &steps.outside {
            let edge = &evaluation.edges[*place as usize][*index as usize];
            if let (None, Callee::Outside(outside)) = (next[*place as usize], edge.callee)
                && has(evaluation, *place, edge, outside, traits)
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

    /// Whether a function has it.
    pub(crate) fn is_in(&self, place: Place) -> bool {
        self.next[place as usize].is_some()
    }

    /// The way from a function's edge to where the effect is: the edges, each with the place it is in.
    pub(crate) fn way<'e>(
        &self,
        evaluation: &'e Evaluation<'_>,
        place: Place,
        edge: &'e Edge,
    ) -> Vec<(Place, &'e Edge)> {
        let mut way = vec![(place, edge)];
        let mut at = edge.callee;
        while let Callee::Inside(place) = at {
            let Some((index, _)) = self.next[place as usize] else { break };
            let edge = &evaluation.edges[place as usize][index as usize];
            way.push((place, edge));
            at = edge.callee;
        }
        way
    }
}

fn spreads(edge: &Edge, spread: Spread) -> bool {
    match spread {
        Spread::Blocking => matches!(edge.manner, Manner::Direct | Manner::Implicit),
        Spread::Everywhere => !matches!(edge.manner, Manner::Deferred | Manner::Dispatched),
    }
}

/// Whether an edge to something outside has a trait. What is awaited does not block.
pub(crate) fn has(evaluation: &Evaluation<'_>, place: Place, edge: &Edge, outside: Outside, traits: Traits) -> bool {
    let found = evaluation.traits(outside);
    if !found.has(traits) {
        return false;
    }
    let blocking =
        Traits::BLOCKING_HTTP.or(Traits::BLOCKING_DATABASE).or(Traits::BLOCKING_GRPC).or(Traits::BLOCKING_WAIT);
    let is_awaited = edge.manner == Manner::Direct
        && edge.call.is_some_and(|call| evaluation.program.scope(place).calls[call as usize].awaited);
    let is_coroutine = is_awaited && !traits.has(Traits::AWAITED_REMOTE);
    !(found.has(blocking) && traits.has(blocking) && (is_coroutine || is_told_not_to_wait(evaluation, place, edge)))
}

/// `lock.acquire(blocking=False)`, `queue.get(False)`, `event.wait(timeout=0)`.
fn is_told_not_to_wait(evaluation: &Evaluation<'_>, place: Place, edge: &Edge) -> bool {
    let program = evaluation.program;
    let scope = program.scope(place);
    let Some(call) = edge.call.map(|call| &scope.calls[call as usize]).filter(|_| edge.manner == Manner::Direct) else {
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
