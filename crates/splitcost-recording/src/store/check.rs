//! The conditions that every recording fulfils, so that its users need not check them again.

use splitcost_model::recording::{Call, Recording, Request};

/// Returns an error with the reason when a recording contradicts itself.
///
/// It must fulfil: module names are unique; every index is in range; requests, and the calls below each root, are
/// in the order of their starts, as are statements, uncommitted writes and work on connections; each request has a root; a
/// parent comes before its children; the stretches of a call alternate and leave no hole; the metadata's numbers are finite.
pub fn check(recording: &Recording) -> Result<(), String> {
    let mut names: Vec<&str> = recording.modules.iter().map(String::as_str).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a module is there twice".to_owned());
    }
    for (index, function) in recording.functions.iter().enumerate() {
        in_range(function.module, recording.modules.len()).map_err(|e| format!("module of function {index}: {e}"))?;
    }
    if recording.meta.phases.iter().any(|phase| !(phase.rate_reqs_per_sec + phase.throughput_reqs_per_sec).is_finite())
    {
        return Err("a phase's rate is not a number".to_owned());
    }
    if !recording.requests.is_sorted_by_key(|request| request.start) {
        return Err("the requests are not in the order of their starts".to_owned());
    }
    for (index, request) in recording.requests.iter().enumerate() {
        check_request(recording, request).map_err(|e| format!("request {index}: {e}"))?;
    }
    Ok(())
}

fn in_range(index: u32, len: usize) -> Result<(), String> {
    if (index as usize) < len { Ok(()) } else { Err(format!("{index} is out of range, there are {len}")) }
}

fn check_request(recording: &Recording, request: &Request) -> Result<(), String> {
    if let Some(phase) = request.phase {
        in_range(phase, recording.meta.phases.len()).map_err(|e| format!("phase: {e}"))?;
    }
    if let Some(handler) = request.handler {
        in_range(handler, recording.functions.len()).map_err(|e| format!("handler: {e}"))?;
    }
    if request.calls.is_empty() {
        return Err("it has no root call".to_owned());
    }
    if !request.statements.is_sorted_by_key(|statement| statement.start) {
        return Err("its statements are not in the order of their starts".to_owned());
    }
    if !request.uncommitted.is_sorted_by_key(|held| held.start) {
        return Err("its uncommitted writes are not in the order of their starts".to_owned());
    }
    if !request.connection_work.is_sorted_by_key(|work| work.start) {
        return Err("its work on connections is not in the order of its starts".to_owned());
    }
    if !request.calls[1..].is_sorted_by_key(Call::start) {
        return Err("its calls are not in the order of their starts".to_owned());
    }
    for (index, call) in request.calls.iter().enumerate() {
        check_call(recording, index, call).map_err(|e| format!("call {index}: {e}"))?;
    }
    for (index, statement) in request.statements.iter().enumerate() {
        let check = || {
            in_range(statement.call, request.calls.len())?;
            in_range(statement.text, recording.statement_texts.len())
        };
        check().map_err(|e: String| format!("statement {index}: {e}"))?;
    }
    for (index, held) in request.uncommitted.iter().enumerate() {
        in_range(held.call, request.calls.len()).map_err(|e| format!("uncommitted write {index}: {e}"))?;
    }
    for (index, work) in request.connection_work.iter().enumerate() {
        in_range(work.call, request.calls.len()).map_err(|e| format!("work {index} on connections: {e}"))?;
    }
    Ok(())
}

fn check_call(recording: &Recording, index: usize, call: &Call) -> Result<(), String> {
    in_range(call.function, recording.functions.len()).map_err(|e| format!("function: {e}"))?;
    if call.parent as usize >= index.max(1) {
        return Err(format!("its parent {} does not come before it", call.parent));
    }
    for payload in [&call.arguments, &call.result].into_iter().flatten() {
        in_range(payload.shape, recording.shapes.len()).map_err(|e| format!("shape: {e}"))?;
    }
    if call.segments.is_empty() {
        return Err("it has no stretch of time".to_owned());
    }
    for segment in &call.segments {
        if segment.start.as_nanos().checked_add(segment.wall.as_nanos()).is_none() {
            return Err("a stretch ends after the end of time".to_owned());
        }
        if segment.suspended && !segment.cpu.is_zero() {
            return Err("it used CPU time while it was suspended".to_owned());
        }
    }
    let follows = |pair: &[splitcost_model::recording::Segment]| {
        pair[0].start + pair[0].wall == pair[1].start && pair[0].suspended != pair[1].suspended
    };
    if !call.segments.windows(2).all(follows) {
        return Err("its stretches leave holes or do not alternate".to_owned());
    }
    Ok(())
}
