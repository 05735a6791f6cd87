//! SC104: a blocking remote call that runs in a thread pool.

use splitcost_model::finding::Finding;

use super::{Context, HTTP, Rule, leads_to};
use crate::form::Range;
use crate::resolve::Callee;
use crate::resolve::{CallManner, Resolution};
use crate::value::ScopeNumber;

#[doc = include_str!("pages/SC104.md")]
pub(super) const RULE: Rule =
    Rule { code: "SC104", name: "blocking-call-in-thread", page: include_str!("pages/SC104.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    for place in context.functions().filter(|place| resolution.program.scope(*place).is_async) {
        for edge in resolution.edges[place as usize].iter().filter(|edge| edge.manner == CallManner::Offloaded) {
            if !leads_to(context, place, edge, &context.blocking_http, HTTP) {
                continue;
            }
            let way = context.blocking_http.way(resolution, place, edge);
            let sink = way.last().map_or_else(String::new, |(_, edge)| context.name(edge.callee));
            let Some(limit) = pool_limit(resolution, place, edge.range) else { continue };
            let message = format!("`{sink}` occupies a thread of the pool while it waits: {limit}");
            findings.push(context.finding(rule, place, edge.range, message, &way));
        }
    }
}

/// Returns the limit on the number of such calls that run at once, as a phrase of the message; `None` if the call runs in
/// a thread or process of its own rather than in a pool.
fn pool_limit(resolution: &Resolution<'_>, place: ScopeNumber, range: Range) -> Option<&'static str> {
    let edges = resolution.edges[place as usize].iter().filter(|edge| edge.range == range);
    let paths: Vec<&str> = edges
        .filter_map(|edge| match edge.callee {
            Callee::Outside(outside) => Some(resolution.path(outside)),
            Callee::Inside(_) => None,
        })
        .collect();
    if paths.iter().any(|path| matches!(*path, "threading.Thread" | "threading.Timer" | "multiprocessing.Process")) {
        return None;
    }
    if paths.iter().any(|path| path.starts_with("anyio.") || path.contains("run_in_threadpool")) {
        return Some("at most 40 such calls run at once, and all `def` routes share that limit");
    }
    Some("by default, at most min(32, cores + 4) such calls run at once")
}
