//! SC404: all rows of a table in a response.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::library::{ANSWER, Traits};
use crate::value::{ScopeNumber, Value, Values};

#[doc = include_str!("pages/SC404.md")]
pub(super) const RULE: Rule =
    Rule { code: "SC404", name: "unbounded-response", page: include_str!("pages/SC404.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    let program = resolution.program;
    for place in (0..program.places() as ScopeNumber).filter(|place| context.is_route(*place)) {
        if let Some(path) = all_rows(context, &resolution.returned(place), 0) {
            let message = format!("this route returns all rows of `{path}`, so the response grows with the table");
            let mut finding = context.finding(rule, place, program.scope(place).range, message, &[]);
            finding.help =
                Some("return a page of the rows with `.limit(…)`, and only the columns that are needed".to_owned());
            findings.push(finding);
        }
    }
}

/// Returns the path of a query without a limit among these values, at most three containers deep.
fn all_rows(context: &Context<'_>, values: &Values, depth: u32) -> Option<String> {
    let mut values = values.iter();
    values.find_map(|value| match value {
        Value::Made(outside) => {
            let path = context.resolution.path(outside).strip_suffix(ANSWER)?;
            if !context.resolution.library.traits(path).has(Traits::ALL_ROWS) {
                return None;
            }
            let is_limited = path.split('.').any(|part| matches!(part, "limit" | "slice" | "paginate" | "first"));
            (!is_limited).then(|| path.to_owned())
        }
        Value::Container(id) if depth < 3 => {
            context.resolution.elements(id).find_map(|(_, values)| all_rows(context, values, depth + 1))
        }
        _ => None,
    })
}
