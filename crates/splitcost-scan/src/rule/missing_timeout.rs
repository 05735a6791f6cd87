//! SC301: a call to another service without a time limit.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::library::Traits;
use crate::resolve::{CallSite, Callee};
use crate::value::{ScopeNumber, Value};

#[doc = include_str!("pages/SC301.md")]
pub(super) const RULE: Rule =
    Rule { code: "SC301", name: "missing-timeout", page: include_str!("pages/SC301.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    for place in 0..context.resolution.program.places() as ScopeNumber {
        for site in context.sites(place) {
            let Some(message) = problem(context, place, site) else { continue };
            let scope = context.resolution.program.scope(place);
            let range = scope.calls[site.call as usize].range;
            let edges = &context.resolution.edges[place as usize];
            let edge =
                edges.iter().find(|edge| edge.call == Some(site.call) && edge.callee == Callee::Outside(site.callee));
            let way: Vec<_> = edge.into_iter().map(|edge| (place, edge)).collect();
            findings.push(context.finding(rule, place, range, message, &way));
        }
    }
}

fn problem(context: &Context<'_>, place: ScopeNumber, site: &CallSite) -> Option<String> {
    let path = context.resolution.path(site.callee);
    let timeout = context.keyword(place, site, "timeout");
    if context.resolution.traits(site.callee).has(Traits::NEEDS_TIMEOUT) {
        // A subclass of the program may set a timeout.
        let is_wrapped = site.receivers.iter().any(|value| matches!(value, Value::Instance(_)));
        let third = path == "urllib.request.urlopen" && site.positional.len() > 2;
        return match timeout {
            Some(value) if context.is_none(place, value) => {
                Some(format!("`{path}` with `timeout=None` waits forever for a server that does not answer"))
            }
            None if !context.has_rest(place, site) && !is_wrapped && !third => {
                Some(format!("`{path}` without `timeout` waits forever for a server that does not answer"))
            }
            _ => None,
        };
    }
    let is_httpx = path.starts_with("httpx.") || path.starts_with("httpx2.");
    if is_httpx && timeout.is_some_and(|value| context.is_none(place, value)) {
        return Some(format!("`timeout=None` removes the default limit of 5 s of `{path}`"));
    }
    if path == "aiohttp.ClientTimeout" {
        let total = context.keyword(place, site, "total");
        let has_other = !site.named.is_empty() || !site.positional.is_empty();
        if total.is_some_and(|value| context.is_none(place, value)) && !has_limit(context, place, site) {
            return Some("`ClientTimeout(total=None)` waits forever for a server that does not answer".to_owned());
        }
        if total.is_none() && site.positional.is_empty() && !has_other {
            return Some("`ClientTimeout()` has no limit, and replaces the session's default of 300 s".to_owned());
        }
    }
    None
}

/// Returns whether a limit for reading or connecting is given.
fn has_limit(context: &Context<'_>, place: ScopeNumber, site: &CallSite) -> bool {
    ["sock_read", "connect", "sock_connect"]
        .iter()
        .any(|name| context.keyword(place, site, name).is_some_and(|value| !context.is_none(place, value)))
}
