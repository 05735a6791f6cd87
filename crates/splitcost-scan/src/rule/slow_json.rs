//! SC401: the standard library's `json` while a request is answered.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::library::Traits;

#[doc = include_str!("pages/SC401.md")]
pub(super) const RULE: Rule = Rule { code: "SC401", name: "slow-json", page: include_str!("pages/SC401.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    for place in context.functions().filter(|place| context.on_request[*place as usize]) {
        for site in context.sites(place) {
            if !resolution.traits(site.callee).has(Traits::SLOW_JSON) {
                continue;
            }
            let range = resolution.program.scope(place).calls[site.call as usize].range;
            let message =
                format!("`{}` of the standard library runs while a request is answered", resolution.path(site.callee));
            let mut finding = context.finding(rule, place, range, message, &[]);
            finding.help = Some(
                "`splitcost bench codecs` measures how much faster other codecs are on your own payloads".to_owned(),
            );
            findings.push(finding);
        }
    }
}
