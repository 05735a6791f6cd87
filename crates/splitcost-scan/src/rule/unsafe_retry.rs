//! SC302: a retry without a limit, without a pause, or of a call that must not run twice.

use splitcost_model::finding::Finding;

use super::{Context, REMOTE, Rule, leads_to};
use crate::form::{Constant, Expr, LoopKind, Range};
use crate::library::Traits;
use crate::resolve::{CallSite, Callee};
use crate::value::{ScopeNumber, Value};

#[doc = include_str!("pages/SC302.md")]
pub(super) const RULE: Rule = Rule { code: "SC302", name: "unsafe-retry", page: include_str!("pages/SC302.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let program = context.resolution.program;
    for place in 0..program.places() as ScopeNumber {
        for site in context.sites(place) {
            if context.resolution.traits(site.callee).has(Traits::RETRIES)
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

/// Returns what is wrong with the arguments of a library's retry, if anything is.
fn problem(context: &Context<'_>, place: ScopeNumber, site: &CallSite) -> Option<String> {
    let path = context.resolution.path(site.callee);
    if context.has_rest(place, site) {
        return None;
    }
    let has = |name: &str| context.keyword(place, site, name).is_some();
    if path.starts_with("tenacity.") {
        return match (has("stop"), has("wait")) {
            (true, true) => None,
            (true, false) => {
                Some(format!("`{path}` without `wait` retries at once, which adds load to a busy service"))
            }
            (false, _) => Some(format!("`{path}` without `stop` retries forever")),
        };
    }
    if path.starts_with("backoff.") {
        let ends = has("max_tries") || has("max_time");
        return (!ends).then(|| format!("`{path}` without `max_tries` or `max_time` retries forever"));
    }
    if path == "urllib3.Retry" {
        let methods = context
            .keyword(place, site, "allowed_methods")
            .map(|value| &context.resolution.program.scope(place).exprs[value as usize]);
        if matches!(methods, Some(Expr::Constant(Constant::None | Constant::Bool(false)))) {
            return Some("`Retry` of all methods repeats a POST that the server may have processed".to_owned());
        }
        if !has("backoff_factor") && (has("total") || !site.positional.is_empty()) {
            return Some(
                "`Retry` without `backoff_factor` retries at once, which adds load to a busy service".to_owned(),
            );
        }
    }
    None
}

/// Finds `@retry` without parentheses, which has neither a limit nor a pause.
fn bare_decorators(context: &Context<'_>, rule: &Rule, place: ScopeNumber, findings: &mut Vec<Finding>) {
    let bare = context
        .resolution
        .decorators(place)
        .any(|value| matches!(value, Value::Outside(outside) if context.resolution.path(outside) == "tenacity.retry"));
    if bare {
        let range = context.resolution.program.scope(place).range;
        let message = "`@retry` without arguments retries forever, without a pause".to_owned();
        findings.push(context.finding(rule, place, range, message, &[]));
    }
}

/// Finds loops that retry a remote call without a pause.
fn hand_written(context: &Context<'_>, rule: &Rule, place: ScopeNumber, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    let scope = resolution.program.scope(place);
    for (id, round) in scope.loops.iter().enumerate() {
        let tries_again = round.left && (round.kind == LoopKind::While || super::counts(resolution, place, round));
        if !tries_again {
            continue;
        }
        let inside = |range: Range| range.start >= round.range.start && range.end <= round.range.end;
        let within = || resolution.edges[place as usize].iter().filter(|edge| inside(edge.range));
        let pauses = within().any(|edge| match edge.callee {
            Callee::Outside(outside) => resolution.traits(outside).has(Traits::PAUSE),
            // A helper may wait.
            Callee::Inside(callee) => context.pause.is_in(callee),
        });
        let tried = within().find(|edge| {
            let call = edge.call.map(|call| &scope.calls[call as usize]);
            call.is_some_and(|call| call.tried && call.in_loop == Some(id as u32))
                && leads_to(context, place, edge, &context.remote, REMOTE)
        });
        if let (false, Some(edge)) = (pauses, tried) {
            let way = context.remote.way(resolution, place, edge);
            let message =
                "this loop retries a remote call without a pause, which adds load to a busy service".to_owned();
            findings.push(context.finding(rule, place, edge.range, message, &way));
        }
    }
}
