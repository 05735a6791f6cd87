//! SC104: a blocking remote call that a pool of threads bounds.

use splitcost_model::finding::Finding;

use super::{Context, HTTP, Rule, leads_to};
use crate::evaluate::Callee;
use crate::evaluate::{Evaluation, Manner};
use crate::form::Range;
use crate::value::Place;

/// SC104
pub(super) const RULE: Rule =
    Rule { code: "SC104", name: "blocking-call-in-thread", page: include_str!("pages/SC104.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let evaluation = context.evaluation;
    for place in context.functions().filter(|place| evaluation.program.scope(*place).is_async) {
        for edge in evaluation.edges[place as usize].iter().filter(|edge| edge.manner == Manner::Offloaded) {
            if !leads_to(context, place, edge, &context.blocking_http, HTTP) {
                continue;
            }
            let way = context.blocking_http.way(evaluation, place, edge);
            let sink = way.last().map_or_else(String::new, |(_, edge)| context.name(edge.callee));
            let bound = pool(evaluation, place, edge.range);
            let message = format!("`{sink}` holds a thread while it waits: {bound}");
            findings.push(context.finding(rule, place, edge.range, message, &way));
        }
    }
}

/// How many such calls run at once.
fn pool(evaluation: &Evaluation<'_>, place: Place, range: Range) -> &'static str {
    let at_it = evaluation.edges[place as usize].iter().filter(|edge| edge.range == range);
    let is_limited = at_it.into_iter().any(|edge| match edge.callee {
        Callee::Outside(outside) => {
            let path = evaluation.path(outside);
            path.starts_with("anyio.") || path.contains("run_in_threadpool")
        }
        Callee::Inside(_) => false,
    });
    if is_limited {
        "at most 40 at once, which all `def` routes share"
    } else {
        "at most min(32, cores + 4) at once by default"
    }
}
