//! SC401: the standard library's json on the way of a request.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::library::Traits;

/// SC401
pub(super) const RULE: Rule = Rule { code: "SC401", name: "slow-json", page: include_str!("pages/SC401.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let evaluation = context.evaluation;
    for place in context.functions().filter(|place| context.on_request[*place as usize]) {
        for site in context.sites(place) {
            if !evaluation.traits(site.callee).has(Traits::SLOW_JSON) {
                continue;
            }
            let range = evaluation.program.scope(place).calls[site.call as usize].range;
            let message = format!("`{}` on the way of a request", evaluation.path(site.callee));
            let mut finding = context.finding(rule, place, range, message, &[]);
            finding.help = Some("`splitcost bench codecs` says what another one gains on your own payloads".to_owned());
            findings.push(finding);
        }
    }
}
