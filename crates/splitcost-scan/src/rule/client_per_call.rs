//! SC303: a client, session or channel that is made anew for each call.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::form::{CallId, Expr, ExprId, Scope, ScopeKind, Stmt, Target, Text};
use crate::library::Traits;
use crate::resolve::Callee;
use crate::value::{ScopeNumber, Value};

#[doc = include_str!("pages/SC303.md")]
pub(super) const RULE: Rule =
    Rule { code: "SC303", name: "client-per-call", page: include_str!("pages/SC303.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    for place in context.functions() {
        let scope = resolution.program.scope(place);
        if scope.kind == ScopeKind::Lambda || scope.is_generator || is_made_once(context, place) {
            continue;
        }
        for site in context.sites(place) {
            let call = &scope.calls[site.call as usize];
            let per_call = call.in_loop.is_some() || context.on_request[place as usize];
            if !per_call || !resolution.traits(site.callee).has(Traits::CLIENT) || is_kept(scope, site.call) {
                continue;
            }
            let path = resolution.path(site.callee);
            let when = if call.in_loop.is_some() { "in each round of this loop" } else { "for every request" };
            let message =
                format!("`{path}` is made {when}, with a new connection, and for HTTP clients a new TLS context");
            let edges = &resolution.edges[place as usize];
            let edge =
                edges.iter().find(|edge| edge.call == Some(site.call) && edge.callee == Callee::Outside(site.callee));
            let way: Vec<_> = edge.into_iter().map(|edge| (place, edge)).collect();
            let mut finding = context.finding(rule, place, call.range, message, &way);
            finding.help = Some("make it once when the app starts, and close it when the app ends".to_owned());
            findings.push(finding);
        }
    }
}

/// Returns whether a function runs once for each object or program: a constructor, or a function with a cached result.
fn is_made_once(context: &Context<'_>, place: ScopeNumber) -> bool {
    let program = context.resolution.program;
    let name = program.symbols.text(program.name(place));
    matches!(name, "__init__" | "__new__" | "__enter__" | "__aenter__" | "main")
        || context.resolution.decorators(place).any(|value| match value {
            Value::Outside(outside) | Value::Made(outside) => {
                let path = context.resolution.path(outside);
                path.contains("cache") || path.contains("fixture")
            }
            _ => false,
        })
}

/// Returns whether the result of a call outlives the function: it is returned, or assigned to an object or a global name.
fn is_kept(scope: &Scope, call: CallId) -> bool {
    let mut names: Vec<Text> = Vec::new();
    for stmt in &scope.stmts {
        match stmt {
            Stmt::Assign { target, value, .. } if holds(scope, *value, call, &names) => match target {
                Target::Name(name) if scope.globals.contains(name) => return true,
                Target::Name(name) => names.push(*name),
                Target::Attribute(..) | Target::Index(..) => return true,
                _ => {}
            },
            Stmt::With { target: Some(Target::Name(_)), context, .. } if holds(scope, *context, call, &[]) => {
                return false;
            }
            Stmt::Return(value) if holds(scope, *value, call, &names) => return true,
            _ => {}
        }
    }
    false
}

/// Returns whether an expression is the call, a name of its result, or another call that takes one of these.
fn holds(scope: &Scope, expr: ExprId, call: CallId, names: &[Text]) -> bool {
    match &scope.exprs[expr as usize] {
        Expr::Call(id) if *id == call => true,
        Expr::Call(id) => {
            let outer = &scope.calls[*id as usize];
            let arguments = outer.positional.iter().chain(outer.keywords.iter().map(|(_, value)| value));
            let mut arguments = arguments;
            arguments.any(|argument| match &scope.exprs[*argument as usize] {
                Expr::Call(id) => *id == call,
                Expr::Name(name) => names.contains(name),
                _ => false,
            })
        }
        Expr::Name(name) => names.contains(name),
        Expr::Await(inner) => holds(scope, *inner, call, names),
        Expr::Items(_, items) => items.iter().any(|item| holds(scope, *item, call, names)),
        Expr::Either(values, _) => values.iter().any(|value| holds(scope, *value, call, names)),
        _ => false,
    }
}
