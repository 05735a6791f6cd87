//! SC402: a value that the JSON encoder refuses.

use splitcost_model::finding::Finding;

use super::{Context, Rule, argument};
use crate::library::Traits;
use crate::resolve::Subscript;
use crate::value::{ScopeNumber, Value, Values};

#[doc = include_str!("pages/SC402.md")]
pub(super) const RULE: Rule =
    Rule { code: "SC402", name: "unencodable-value", page: include_str!("pages/SC402.md"), find };

/// The depth of containers that is searched. Chosen: deeper values are built by loops.
const MAX_DEPTH: u32 = 4;

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    for place in 0..resolution.program.places() as ScopeNumber {
        for site in context.sites(place) {
            let has_fallback = ["default", "cls"].iter().any(|name| context.keyword(place, site, name).is_some());
            if !resolution.traits(site.callee).has(Traits::ENCODES) || has_fallback || context.has_rest(place, site) {
                continue;
            }
            let symbol = resolution.program.symbols.get("obj");
            let Some(values) = argument(site, 0, symbol) else { continue };
            let Some((path, what)) = refused(context, values, 0) else { continue };
            let range = resolution.program.scope(place).calls[site.call as usize].range;
            let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
            let message = format!("`{}` raises TypeError for `{what}`{at}", resolution.path(site.callee));
            findings.push(context.finding(rule, place, range, message, &[]));
        }
    }
}

/// Returns the path to a value that the encoder refuses, and its type; only if no other value can be there.
fn refused(context: &Context<'_>, values: &Values, depth: u32) -> Option<(String, String)> {
    let resolution = context.resolution;
    let mut all = values.iter();
    let (first, None) = (all.next()?, all.next()) else { return None };
    match first {
        Value::Made(outside) if resolution.traits(outside).has(Traits::UNENCODABLE) => {
            Some((String::new(), resolution.path(outside).trim_start_matches("builtins.").to_owned()))
        }
        Value::Container(id) if resolution.is_set(id) => Some((String::new(), "set".to_owned())),
        Value::Container(id) if depth < MAX_DEPTH && resolution.is_closed(id) => {
            resolution.elements(id).find_map(|(key, values)| {
                let (rest, what) = refused(context, values, depth + 1)?;
                let step = match key {
                    Subscript::Text(name) => format!("[\"{}\"]", resolution.program.symbols.text(name)),
                    Subscript::Int(index) => format!("[{index}]"),
                    Subscript::Unknown => "[…]".to_owned(),
                };
                Some((format!("{step}{rest}"), what))
            })
        }
        Value::Instance(class) if resolution.is_plain_class(class) => {
            Some((String::new(), resolution.program.path(class)))
        }
        _ => None,
    }
}
