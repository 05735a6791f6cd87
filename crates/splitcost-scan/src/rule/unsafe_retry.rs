//! SC302: a retry without an end, without a pause, or of something that must not happen twice.

use splitcost_model::finding::Finding;

use super::{Context, REMOTE, Rule, leads_to};
use crate::evaluate::{Callee, Site};
use crate::form::{Constant, Expr, LoopKind, Range};
use crate::library::Traits;
use crate::value::{Place, Value};

/// SC302
pub(super) const RULE: Rule = Rule { code: "SC302", name: "unsafe-retry", page: include_str!("pages/SC302.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let program = context.evaluation.program;
    for place in 0..program.places() as Place {
        for site in context.sites(place) {
            if context.evaluation.traits(site.callee).has(Traits::RETRIES)
                && let Some(message) = problem(context, place, site)
            {
                let range = program.scope(place).calls[site.call as usize].range;
                findings.push(context.finding(rule, place, range, message, &[]));
            }
        }
        bare_decorators(context, rule, place, findings);
        hand_written(context, rule, place, findings);
    }
}

/// What is wrong with the arguments of a library's retry.
fn problem(context: &Context<'_>, place: Place, site: &Site) -> Option<String> {
    let path = context.evaluation.path(site.callee);
    if context.has_rest(place, site) {
        return None;
    }
    let has = |name: &str| context.keyword(place, site, name).is_some();
    if path.starts_with("tenacity.") {
        return match (has("stop"), has("wait")) {
            (true, true) => None,
            (true, false) => Some(format!("`{path}` without `wait` tries again at once: a busy service gets busier")),
            (false, _) => Some(format!("`{path}` without `stop` tries for ever")),
        };
    }
    if path.starts_with("backoff.") {
        let ends = has("max_tries") || has("max_time");
        return (!ends).then(|| format!("`{path}` without `max_tries` or `max_time` tries for ever"));
    }
    if path == "urllib3.Retry" {
        let methods = context
            .keyword(place, site, "allowed_methods")
            .map(|value| &context.evaluation.program.scope(place).exprs[value as usize]);
        if matches!(methods, Some(Expr::Constant(Constant::None | Constant::Bool(false)))) {
            return Some("`Retry` of all methods repeats a POST that the server may have carried out".to_owned());
        }
        if !has("backoff_factor") && (has("total") || !site.positional.is_empty()) {
            return Some("`Retry` without `backoff_factor` tries again at once: a busy service gets busier".to_owned());
        }
    }
    None
}

/// `@retry` without parentheses has neither an end nor a pause.
fn bare_decorators(context: &Context<'_>, rule: &Rule, place: Place, findings: &mut Vec<Finding>) {
    let bare = context
        .evaluation
        .decorators(place)
        .any(|value| matches!(value, Value::Outside(outside) if context.evaluation.path(outside) == "tenacity.retry"));
    if bare {
        let range = context.evaluation.program.scope(place).range;
        let message = "`@retry` without arguments tries for ever, without a pause".to_owned();
        findings.push(context.finding(rule, place, range, message, &[]));
    }
}

/// A loop that tries a remote call again, without a pause between.
fn hand_written(context: &Context<'_>, rule: &Rule, place: Place, findings: &mut Vec<Finding>) {
    let evaluation = context.evaluation;
    let scope = evaluation.program.scope(place);
    for (id, round) in scope.loops.iter().enumerate() {
        let tries_again = round.left && (round.kind == LoopKind::While || super::counts(evaluation, place, round));
        if !tries_again {
            continue;
        }
        let inside = |range: Range| range.start >= round.range.start && range.end <= round.range.end;
        let within = || evaluation.edges[place as usize].iter().filter(|edge| inside(edge.range));
        let pauses = within().any(|edge| match edge.callee {
            Callee::Outside(outside) => evaluation.traits(outside).has(Traits::PAUSE),
            // A helper may wait.
            Callee::Inside(callee) => context.pause.is_in(callee),
        });
        let tried = within().find(|edge| {
            let call = edge.call.map(|call| &scope.calls[call as usize]);
            call.is_some_and(|call| call.tried && call.in_loop == Some(id as u32))
                && leads_to(context, place, edge, &context.remote, REMOTE)
        });
        if let (false, Some(edge)) = (pauses, tried) {
            let way = context.remote.way(evaluation, place, edge);
            let message = "this loop tries a remote call again without a pause: a busy service gets busier".to_owned();
            findings.push(context.finding(rule, place, edge.range, message, &way));
        }
    }
}
