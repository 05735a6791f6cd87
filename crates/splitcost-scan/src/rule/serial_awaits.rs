//! SC203: independent remote calls that are awaited one after another.

use splitcost_model::finding::Finding;

use super::{Context, Rule, leads_to};
use crate::form::{CallExpr, Expr, ExprId, Scope, Stmt, Target, Text};
use crate::library::Traits;
use crate::resolve::{CallEdge, Callee};
use crate::value::ScopeNumber;

#[doc = include_str!("pages/SC203.md")]
pub(super) const RULE: Rule = Rule { code: "SC203", name: "serial-awaits", page: include_str!("pages/SC203.md"), find };

/// The beginnings of the names of functions that only read.
const READS: &[&str] = &["get", "fetch", "load", "read", "list", "find", "query", "search", "lookup"];

/// An awaited call that is a whole statement.
struct AwaitedCall<'a> {
    call: &'a CallExpr,
    edge: &'a CallEdge,
    binds: Option<Text>,
}

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    for place in context.functions().filter(|place| resolution.program.scope(*place).is_async) {
        let scope = resolution.program.scope(place);
        let awaits: Vec<AwaitedCall<'_>> =
            scope.stmts.iter().filter_map(|stmt| remote(context, place, scope, stmt)).collect();
        let mut first = 0;
        while first < awaits.len() {
            let mut bound: Vec<Text> = awaits[first].binds.into_iter().collect();
            let mut end = first + 1;
            while let Some(next) = awaits.get(end) {
                let follows = next.call.stmt == awaits[end - 1].call.stmt + 1
                    && (next.call.branch, next.call.in_loop) == (awaits[first].call.branch, awaits[first].call.in_loop);
                if !follows || uses(scope, next.call, &bound) {
                    break;
                }
                bound.extend(next.binds);
                end += 1;
            }
            if end - first > 1 {
                let count = end - first;
                let message =
                    format!("{count} remote calls run one after another, and none needs the result of another");
                let way = [(place, awaits[first].edge)];
                let mut finding = context.finding(rule, place, awaits[first].call.range, message, &way);
                finding.help = Some("run them at the same time with `asyncio.gather` or a `TaskGroup`".to_owned());
                findings.push(finding);
            }
            first = end;
        }
    }
}

/// Returns the awaited call of a statement that only awaits a call, if the call only reads from another service.
fn remote<'a>(context: &'a Context<'_>, place: ScopeNumber, scope: &'a Scope, stmt: &Stmt) -> Option<AwaitedCall<'a>> {
    let (value, binds) = match stmt {
        Stmt::Eval(value) => (*value, None),
        Stmt::Assign { target: Target::Name(name), value, .. }
        | Stmt::Annotate { target: Target::Name(name), value: Some(value), .. } => (*value, Some(*name)),
        _ => return None,
    };
    let Expr::Await(inner) = scope.exprs[value as usize] else { return None };
    let Expr::Call(call) = scope.exprs[inner as usize] else { return None };
    let edges = &context.resolution.edges[place as usize];
    let edge = edges.iter().find(|edge| {
        edge.call == Some(call) && leads_to(context, place, edge, &context.remote, Traits::AWAITED_REMOTE)
    })?;
    let way = context.remote.way(context.resolution, place, edge);
    let Callee::Outside(sink) = way.last()?.1.callee else { return None };
    let is_read = matches!(context.resolution.path(sink).rsplit('.').next(), Some("get" | "head" | "options"));
    let is_awaited = context.resolution.traits(sink).has(Traits::AWAITED_REMOTE);
    // The other effects of a helper are unknown: its name must say that it reads, and its result must be used.
    let says_so = match edge.callee {
        Callee::Inside(helper) => {
            let name = context.resolution.program.symbols.text(context.resolution.program.name(helper));
            let name = name.trim_start_matches('_').trim_start_matches("async_");
            binds.is_some() && READS.iter().any(|verb| name.starts_with(verb))
        }
        Callee::Outside(_) => true,
    };
    (is_read && is_awaited && says_so).then_some(AwaitedCall { call: &scope.calls[call as usize], edge, binds })
}

/// Returns whether a call uses one of these names.
fn uses(scope: &Scope, call: &CallExpr, names: &[Text]) -> bool {
    let mut pending: Vec<ExprId> = vec![call.function];
    pending.extend(&call.positional);
    pending.extend(call.keywords.iter().map(|(_, value)| *value));
    while let Some(id) = pending.pop() {
        match &scope.exprs[id as usize] {
            Expr::Name(name) if names.contains(name) => return true,
            Expr::Attribute(inner, ..) | Expr::Await(inner) | Expr::Starred(inner) | Expr::YieldFrom(inner) => {
                pending.push(*inner);
            }
            Expr::Index(object, _, index) => pending.extend([*object, *index]),
            Expr::Call(inner) => {
                let inner = &scope.calls[*inner as usize];
                pending.push(inner.function);
                pending.extend(&inner.positional);
                pending.extend(inner.keywords.iter().map(|(_, value)| *value));
            }
            Expr::Items(_, items) | Expr::Other(items) => pending.extend(items),
            Expr::Dict(items) => pending.extend(items.iter().map(|(_, value)| *value)),
            Expr::Either(values, others) => pending.extend(values.iter().chain(others)),
            Expr::Bind(_, value) | Expr::Yield(Some(value)) => pending.push(*value),
            Expr::Comprehension(comprehension) => {
                pending.push(comprehension.element);
                pending.extend(comprehension.generators.iter().map(|(_, iter, _)| *iter));
                pending.extend(&comprehension.conditions);
                pending.extend(comprehension.key);
            }
            // The body of a lambda is not searched: it may use any of the names.
            Expr::Lambda(_) => return true,
            Expr::Name(_) | Expr::Text(_) | Expr::Constant(_) | Expr::Yield(None) => {}
        }
    }
    false
}
