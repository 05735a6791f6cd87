//! SC402: a value that the encoder refuses.

use splitcost_model::finding::Finding;

use super::{Context, Rule, argument};
use crate::evaluate::Key2;
use crate::library::Traits;
use crate::value::{Place, Value, Values};

/// SC402
pub(super) const RULE: Rule =
    Rule { code: "SC402", name: "unencodable-value", page: include_str!("pages/SC402.md"), find };

/// Chosen: deeper values are made by loops.
const MAX_DEPTH: u32 = 4;

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let evaluation = context.evaluation;
    for place in 0..evaluation.program.places() as Place {
        for site in context.sites(place) {
            let is_told = ["default", "cls"].iter().any(|name| context.keyword(place, site, name).is_some());
            if !evaluation.traits(site.callee).has(Traits::ENCODES) || is_told || context.has_rest(place, site) {
                continue;
            }
            let symbol = evaluation.program.symbols.get("obj");
            let Some(values) = argument(site, 0, symbol) else { continue };
            let Some((path, what)) = refused(context, values, 0) else { continue };
            let range = evaluation.program.scope(place).calls[site.call as usize].range;
            let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
            let message = format!("`{}` raises TypeError for `{what}`{at}", evaluation.path(site.callee));
            findings.push(context.finding(rule, place, range, message, &[]));
        }
    }
}

/// The path to a value that is refused, and what it is. Only where nothing else can be there.
fn refused(context: &Context<'_>, values: &Values, depth: u32) -> Option<(String, String)> {
    let evaluation = context.evaluation;
    let mut all = values.iter();
    let (first, None) = (all.next()?, all.next()) else { return None };
    match first {
        Value::Made(outside) if evaluation.traits(outside).has(Traits::UNENCODABLE) => {
            Some((String::new(), evaluation.path(outside).trim_start_matches("builtins.").to_owned()))
        }
        Value::Container(id) if evaluation.is_set(id) => Some((String::new(), "set".to_owned())),
        Value::Container(id) if depth < MAX_DEPTH && evaluation.is_closed(id) => {
            evaluation.elements(id).find_map(|(key, values)| {
                let (rest, what) = refused(context, values, depth + 1)?;
                let step = match key {
                    Key2::Text(name) => format!("[\"{}\"]", evaluation.program.symbols.text(name)),
                    Key2::Int(index) => format!("[{index}]"),
                    Key2::Unknown => "[…]".to_owned(),
                };
                Some((format!("{step}{rest}"), what))
            })
        }
        Value::Instance(class) if evaluation.is_plain_class(class) => {
            Some((String::new(), evaluation.program.path(class)))
        }
        _ => None,
    }
}
