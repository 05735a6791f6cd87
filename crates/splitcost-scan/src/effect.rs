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

impl Effect {
    /// All functions that reach something with any of these traits.
    pub(crate) fn of(evaluation: &Evaluation<'_>, traits: Traits, spread: Spread) -> Self {
        let places = evaluation.program.places();
        let mut next = vec![None; places];
        let mut callers: Vec<Vec<(Place, u32)>> = vec![Vec::new(); places];
        let mut queue = VecDeque::new();
        for place in 0..places as Place {
            for (index, edge) in evaluation.edges[place as usize].iter().enumerate() {
                if !spreads(edge, spread) {
                    continue;
                }
                match edge.callee {
                    Callee::Outside(outside) => {
                        if next[place as usize].is_none() && has(evaluation, place, edge, outside, traits) {
                            next[place as usize] = Some((index as u32, 1));
                            queue.push_back(place);
                        }
                    }
                    Callee::Inside(callee) => {
                        let is_boundary = spread == Spread::Blocking && evaluation.program.scope(callee).is_async;
                        if !is_boundary {
                            callers[callee as usize].push((place, index as u32));
                        }
                    }
                }
            }
        }
        while let Some(place) = queue.pop_front() {
            let steps = next[place as usize].map_or(0, |(_, steps)| steps);
            for (caller, edge) in &callers[place as usize] {
                if next[*caller as usize].is_none() {
                    next[*caller as usize] = Some((*edge, steps + 1));
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
