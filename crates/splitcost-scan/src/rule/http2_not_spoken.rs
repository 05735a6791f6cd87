//! SC501: HTTP/2 that is requested and not used.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::form::{Constant, Expr};
use crate::resolve::CallSite;
use crate::value::{ScopeNumber, Value};

#[doc = include_str!("pages/SC501.md")]
pub(super) const RULE: Rule =
    Rule { code: "SC501", name: "http2-not-spoken", page: include_str!("pages/SC501.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    for place in 0..context.resolution.program.places() as ScopeNumber {
        for site in context.sites(place) {
            let Some(message) = problem(context, place, site) else { continue };
            let range = context.resolution.program.scope(place).calls[site.call as usize].range;
            findings.push(context.finding(rule, place, range, message, &[]));
        }
    }
}

fn problem(context: &Context<'_>, place: ScopeNumber, site: &CallSite) -> Option<String> {
    let resolution = context.resolution;
    let path = resolution.path(site.callee);
    let scope = resolution.program.scope(place);
    let is_bool = |name: &str, wanted: bool| {
        let value = context.keyword(place, site, name);
        value.is_some_and(
            |value| matches!(scope.exprs[value as usize], Expr::Constant(Constant::Bool(is)) if is == wanted),
        )
    };
    if matches!(path, "httpx.Client" | "httpx.AsyncClient" | "httpx2.Client" | "httpx2.AsyncClient")
        && is_bool("http2", true)
        && !is_bool("http1", false)
    {
        let name = resolution.program.symbols.get("base_url");
        let base = site.named.iter().find(|(key, _)| Some(*key) == name)?;
        let is_clear = base.1.iter().any(
            |value| matches!(value, Value::Text(text) if resolution.program.symbols.text(text).starts_with("http://")),
        );
        return is_clear.then(|| {
            format!("`{path}(http2=True)` uses HTTP/1.1 for an http:// address unless `http1=False` is given too")
        });
    }
    if path == "uvicorn.run" {
        let name = resolution.program.symbols.get("http");
        let http = site.named.iter().find(|(key, _)| Some(*key) == name)?;
        let asks = http.1.iter().any(|value| {
            matches!(value, Value::Text(text) if matches!(resolution.program.symbols.text(text), "http2" | "h2"))
        });
        return asks.then(|| {
            "uvicorn has no HTTP/2: it takes this value for the name of a module, and fails to start".to_owned()
        });
    }
    None
}
