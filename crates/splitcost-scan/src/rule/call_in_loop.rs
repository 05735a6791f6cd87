//! SC201, SC202: a remote call or query for each element of a loop.

use splitcost_model::finding::Finding;

use super::{Context, QUERY as QUERY_TRAITS, REMOTE as REMOTE_TRAITS, Rule, leads_to};
use crate::effect::Effect;
use crate::form::{Loop, LoopKind, ScopeKind};
use crate::library::Traits;
use crate::resolve::{CallEdge, Callee, Resolution};
use crate::value::ScopeNumber;

#[doc = include_str!("pages/SC201.md")]
pub(super) const REMOTE: Rule = Rule {
    code: "SC201",
    name: "remote-call-in-loop",
    page: include_str!("pages/SC201.md"),
    find: |context, rule, findings| {
        find(context, rule, &context.remote, REMOTE_TRAITS, "calls another service", findings);
    },
};

#[doc = include_str!("pages/SC202.md")]
pub(super) const QUERY: Rule = Rule {
    code: "SC202",
    name: "query-in-loop",
    page: include_str!("pages/SC202.md"),
    find: |context, rule, findings| find(context, rule, &context.query, QUERY_TRAITS, "queries a database", findings),
};

fn find(context: &Context<'_>, rule: &Rule, effect: &Effect, traits: Traits, does: &str, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    for place in 0..resolution.program.places() as ScopeNumber {
        let scope = resolution.program.scope(place);
        let mut last = None;
        for edge in &resolution.edges[place as usize] {
            let Some(round) = edge.call.and_then(|call| scope.calls[call as usize].in_loop) else { continue };
            let round = &scope.loops[round as usize];
            if last == Some(edge.range)
                || !goes_through_elements(resolution, place, round)
                || !leads_to(context, place, edge, effect, traits)
            {
                continue;
            }
            last = Some(edge.range);
            let way = effect.way(resolution, place, edge);
            let sink = way.last().map_or_else(String::new, |(_, edge)| context.name(edge.callee));
            let often = match round.bound {
                Some(bound) => format!("{bound} times in this loop"),
                None => "for each element of this loop".to_owned(),
            };
            let message = format!("`{sink}` {does} {often}");
            let mut finding = context.finding(rule, place, edge.range, message, &way);
            finding.help = batch(resolution, &way)
                .map(|name| format!("call `{name}` once, if it does the same for many elements"));
            findings.push(finding);
        }
    }
}

/// Returns whether a loop repeats for its elements, and not to wait, to retry, or to fetch pages.
fn goes_through_elements(resolution: &Resolution<'_>, place: ScopeNumber, round: &Loop) -> bool {
    if round.kind == LoopKind::While || round.bound.is_some_and(|bound| bound < 2) {
        return false;
    }
    !(super::counts(resolution, place, round) && round.left)
}

/// Returns a function in the same module or class whose name suggests that it does the same for many elements.
fn batch(resolution: &Resolution<'_>, way: &[(ScopeNumber, &CallEdge)]) -> Option<String> {
    let Callee::Inside(callee) = way.first()?.1.callee else { return None };
    let program = resolution.program;
    let name = program.symbols.text(program.name(callee));
    let file = program.file_of(callee);
    let parent = program.scope(callee).parent;
    let stem = name.trim_end_matches("_by_id").trim_end_matches("_one");
    let wanted = [
        format!("{stem}s"),
        format!("{stem}_many"),
        format!("{stem}_batch"),
        format!("{stem}s_batch"),
        format!("{stem}_bulk"),
        format!("{stem}_all"),
        format!("batch_{stem}"),
        format!("bulk_{stem}"),
    ];
    program.files[file as usize].scopes.iter().enumerate().find_map(|(id, scope)| {
        let place = program.place(file, id as u32);
        let other = program.symbols.text(program.name(place));
        let is_it =
            scope.kind == ScopeKind::Function && scope.parent == parent && wanted.iter().any(|name| name == other);
        is_it.then(|| program.path(place))
    })
}
