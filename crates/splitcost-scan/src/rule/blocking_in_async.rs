//! SC101, SC102, SC103: a blocking call that an `async def` reaches.

use splitcost_model::finding::Finding;

use super::{Context, HTTP as HTTP_TRAITS, Rule, leads_to};
use crate::effect::Effect;
use crate::library::Traits;
use crate::resolve::{CallManner, Callee};

#[doc = include_str!("pages/SC101.md")]
pub(super) const HTTP: Rule = Rule {
    code: "SC101",
    name: "blocking-http-in-async",
    page: include_str!("pages/SC101.md"),
    find: |context, rule, findings| {
        find(context, rule, &context.blocking_http, HTTP_TRAITS, "calls another service", findings);
    },
};

#[doc = include_str!("pages/SC102.md")]
pub(super) const DATABASE: Rule = Rule {
    code: "SC102",
    name: "blocking-database-in-async",
    page: include_str!("pages/SC102.md"),
    find: |context, rule, findings| {
        find(context, rule, &context.blocking_database, Traits::BLOCKING_DATABASE, "queries a database", findings);
    },
};

#[doc = include_str!("pages/SC103.md")]
pub(super) const WAIT: Rule = Rule {
    code: "SC103",
    name: "blocking-wait-in-async",
    page: include_str!("pages/SC103.md"),
    find: |context, rule, findings| {
        find(context, rule, &context.blocking_wait, Traits::BLOCKING_WAIT, "waits", findings);
    },
};

fn find(context: &Context<'_>, rule: &Rule, effect: &Effect, traits: Traits, does: &str, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    for place in context.functions().filter(|place| resolution.program.scope(*place).is_async) {
        let mut last = None;
        for edge in &resolution.edges[place as usize] {
            let holds_the_loop = matches!(edge.manner, CallManner::Direct | CallManner::Implicit)
                && !matches!(edge.callee, Callee::Inside(callee) if resolution.program.scope(callee).is_async);
            if !holds_the_loop || !leads_to(context, place, edge, effect, traits) || last == Some(edge.range) {
                continue;
            }
            last = Some(edge.range);
            let way = effect.way(resolution, place, edge);
            let sink = way.last().map_or_else(String::new, |(_, edge)| context.name(edge.callee));
            let name = resolution.program.symbols.text(resolution.program.name(place));
            let depth = match way.len() {
                1 => String::new(),
                2 => ", 1 call deep".to_owned(),
                steps => format!(", {} calls deep", steps - 1),
            };
            let message = format!("`{sink}` {does} and blocks the event loop of `async def {name}`{depth}");
            findings.push(context.finding(rule, place, edge.range, message, &way));
        }
    }
}
