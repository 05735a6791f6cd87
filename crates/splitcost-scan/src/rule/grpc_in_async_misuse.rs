//! SC502: gRPC's blocking side in coroutines.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::evaluate::Callee;
use crate::library::Traits;

/// SC502
pub(super) const RULE: Rule =
    Rule { code: "SC502", name: "grpc-in-async-misuse", page: include_str!("pages/SC502.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let evaluation = context.evaluation;
    for place in context.functions().filter(|place| evaluation.program.scope(*place).is_async) {
        for site in context.sites(place) {
            let path = evaluation.path(site.callee);
            let makes = matches!(path, "grpc.insecure_channel" | "grpc.secure_channel");
            let calls = evaluation.traits(site.callee).has(Traits::BLOCKING_GRPC);
            if !makes && !calls {
                continue;
            }
            let call = &evaluation.program.scope(place).calls[site.call as usize];
            let edges = &evaluation.edges[place as usize];
            let edge =
                edges.iter().find(|edge| edge.call == Some(site.call) && edge.callee == Callee::Outside(site.callee));
            let way: Vec<_> = edge.into_iter().map(|edge| (place, edge)).collect();
            let message = if makes {
                format!("`{path}` in a coroutine: its calls block the event loop")
            } else {
                format!("`{path}` blocks the event loop")
            };
            let mut finding = context.finding(rule, place, call.range, message, &way);
            finding.help = Some("`grpc.aio` has the same channels and stubs, awaited".to_owned());
            findings.push(finding);
        }
    }
}
