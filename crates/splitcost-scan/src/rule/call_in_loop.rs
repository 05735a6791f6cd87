//! SC201, SC202: a remote call or query for each element.

use splitcost_model::finding::Finding;

use super::{Context, QUERY as QUERY_TRAITS, REMOTE as REMOTE_TRAITS, Rule, leads_to};
use crate::effect::Effect;
use crate::evaluate::{Callee, Edge, Evaluation};
use crate::form::{Kind, Loop, LoopKind};
use crate::library::Traits;
use crate::value::Place;

/// SC201
pub(super) const REMOTE: Rule = Rule {
    code: "SC201",
    name: "remote-call-in-loop",
    page: include_str!("pages/SC201.md"),
    find: |context, rule, findings| {
        find(context, rule, &context.remote, REMOTE_TRAITS, "another service is called", findings);
    },
};

/// SC202
pub(super) const QUERY: Rule = Rule {
    code: "SC202",
    name: "query-in-loop",
    page: include_str!("pages/SC202.md"),
    find: |context, rule, findings| find(context, rule, &context.query, QUERY_TRAITS, "a database is asked", findings),
};

fn find(
    context: &Context<'_>,
    rule: &Rule,
    effect: &Effect,
    traits: Traits,
    happens: &str,
    findings: &mut Vec<Finding>,
) {
    let evaluation = context.evaluation;
    for place in 0..evaluation.program.places() as Place {
        let scope = evaluation.program.scope(place);
        let mut last = None;
        for edge in &evaluation.edges[place as usize] {
            let Some(round) = edge.call.and_then(|call| scope.calls[call as usize].in_loop) else { continue };
            let round = &scope.loops[round as usize];
            if last == Some(edge.range)
                || !goes_through_elements(evaluation, place, round)
                || !leads_to(context, place, edge, effect, traits)
            {
                continue;
            }
            last = Some(edge.range);
            let way = effect.way(evaluation, place, edge);
            let sink = way.last().map_or_else(String::new, |(_, edge)| context.name(edge.callee));
            let often = match round.bound {
                Some(bound) => format!("{bound} times"),
                None => "for each element".to_owned(),
            };
            let message = format!("{happens} {often} of this loop, by `{sink}`");
            let mut finding = context.finding(rule, place, edge.range, message, &way);
            finding.help = batch(evaluation, &way).map(|name| format!("`{name}` stands beside it: call that once"));
            findings.push(finding);
        }
    }
}

/// Whether a loop repeats for the sake of its elements: not to wait, to try again, or to turn pages.
fn goes_through_elements(evaluation: &Evaluation<'_>, place: Place, round: &Loop) -> bool {
    if round.kind == LoopKind::While || round.bound.is_some_and(|bound| bound < 2) {
        return false;
    }
    !(super::counts(evaluation, place, round) && round.left)
}

/// A function beside the called one whose name says that it takes many.
fn batch(evaluation: &Evaluation<'_>, way: &[(Place, &Edge)]) -> Option<String> {
    let Callee::Inside(callee) = way.first()?.1.callee else { return None };
    let program = evaluation.program;
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
        let is_it = scope.kind == Kind::Function && scope.parent == parent && wanted.iter().any(|name| name == other);
        is_it.then(|| program.path(place))
    })
}
