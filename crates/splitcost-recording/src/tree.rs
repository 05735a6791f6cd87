//! Quantities of one request's call tree.

use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{Call, Function, FunctionKind, Request, Via};

/// Returns, per call, the time during which at least one call with the same parent was under way as well.
///
/// Calls that a caller awaited one by one have none; calls that it gathered have some. A generator is under way while
/// it runs: between two `next` it neither runs nor waits.
pub fn overlap(functions: &[Function], request: &Request) -> Vec<Nanos> {
    let calls = &request.calls;
    let mut overlaps = vec![Nanos::ZERO; calls.len()];
    // The root is its own parent and nobody's sibling.
    let mut by_parent: Vec<usize> = (1..calls.len()).collect();
    by_parent.sort_by_key(|&call| (calls[call].parent, calls[call].start()));
    for siblings in by_parent.chunk_by(|&a, &b| calls[a].parent == calls[b].parent) {
        let sequential = siblings.windows(2).all(|pair| calls[pair[0]].end() <= calls[pair[1]].start());
        if !sequential {
            overlap_among(functions, request, siblings, &mut overlaps);
        }
    }
    overlaps
}

/// Returns the beginnings and ends of the stretches during which a call is under way.
fn under_way(functions: &[Function], call: &Call) -> Vec<(Nanos, Nanos)> {
    let kind = functions.get(call.function as usize).map(|function| function.kind).unwrap_or_default();
    match kind {
        FunctionKind::Plain | FunctionKind::Coroutine => vec![(call.start(), call.end())],
        FunctionKind::Generator | FunctionKind::AsyncGenerator => {
            let running = call.segments.iter().filter(|segment| !segment.suspended);
            running.map(|segment| (segment.start, segment.start + segment.wall)).collect()
        }
    }
}

/// While a call is under way, two being under way means another one is: its overlap is the difference of the
/// time so far with two or more under way, taken at the end and at the start of each of its stretches.
fn overlap_among(functions: &[Function], request: &Request, siblings: &[usize], overlaps: &mut [Nanos]) {
    let mut edges: Vec<(Nanos, bool, usize)> = Vec::with_capacity(siblings.len() * 2);
    for (place, &call) in siblings.iter().enumerate() {
        for (start, end) in under_way(functions, &request.calls[call]) {
            if start < end {
                edges.extend([(start, true, place), (end, false, place)]);
            }
        }
    }
    // Of the edges at one instant the ends come first: `false` sorts before `true`.
    edges.sort_unstable();
    let (mut under_way, mut crowded, mut previous) = (0_u32, Nanos::ZERO, Nanos::ZERO);
    let mut crowded_before = vec![Nanos::ZERO; siblings.len()];
    for (at, starts, place) in edges {
        if under_way >= 2 {
            crowded += at - previous;
        }
        previous = at;
        if starts {
            under_way += 1;
            crowded_before[place] = crowded;
        } else {
            under_way -= 1;
            overlaps[siblings[place]] += crowded - crowded_before[place];
        }
    }
}

/// Returns, per call, its thread CPU time without that of the calls it made inline.
///
/// Over a tree of inline calls these sum up to the root's CPU time.
pub fn own_cpu(request: &Request) -> Vec<Nanos> {
    let mut own: Vec<Nanos> = request.calls.iter().map(splitcost_model::recording::Call::cpu).collect();
    for call in request.calls.iter().skip(1) {
        if call.via == Via::Inline {
            let parent = call.parent as usize;
            own[parent] = own[parent] - call.cpu();
        }
    }
    own
}

/// Returns the thread CPU time of the whole request: that of its root and of every task and thread it began.
pub fn request_cpu(request: &Request) -> Nanos {
    request
        .calls
        .iter()
        .enumerate()
        .filter(|(index, call)| *index == 0 || call.via != Via::Inline)
        .map(|(_, call)| call.cpu())
        .sum()
}
