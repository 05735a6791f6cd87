//! SC403: all attributes of an object in a response.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::library::Traits;
use crate::value::{ScopeNumber, Value, Values};

#[doc = include_str!("pages/SC403.md")]
pub(super) const RULE: Rule =
    Rule { code: "SC403", name: "object-dict-in-response", page: include_str!("pages/SC403.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    let program = resolution.program;
    for place in 0..program.places() as ScopeNumber {
        if context.is_route(place) && holds(context, &resolution.returned(place), 0) {
            let range = program.scope(place).range;
            let message =
                "this route returns an object's `__dict__`, so every attribute of the object is sent".to_owned();
            findings.push(context.finding(rule, place, range, message, &[]));
        }
        for site in context.sites(place) {
            let traits = resolution.traits(site.callee);
            let sends =
                traits.has(Traits::RESPONDS) || traits.has(Traits::ENCODES) && context.on_request[place as usize];
            if sends && site.positional.first().is_some_and(|values| holds(context, values, 0)) {
                let range = program.scope(place).calls[site.call as usize].range;
                let message = format!(
                    "`{}` gets an object's `__dict__`, so every attribute of the object is sent",
                    resolution.path(site.callee)
                );
                findings.push(context.finding(rule, place, range, message, &[]));
            }
        }
    }
}

/// Returns whether an object's `__dict__` is among these values, at most three containers deep.
fn holds(context: &Context<'_>, values: &Values, depth: u32) -> bool {
    let mut values = values.iter();
    values.any(|value| match value {
        Value::Made(outside) => context.resolution.traits(outside).has(Traits::OBJECT_DICT),
        Value::Container(id) if depth < 3 => {
            context.resolution.elements(id).any(|(_, values)| holds(context, values, depth + 1))
        }
        _ => false,
    })
}
