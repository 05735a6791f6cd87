//! SC502: blocking gRPC calls in coroutines.

use splitcost_model::finding::Finding;

use super::{Context, Rule};
use crate::library::Traits;
use crate::resolve::Callee;

#[doc = include_str!("pages/SC502.md")]
pub(super) const RULE: Rule =
    Rule { code: "SC502", name: "grpc-in-async-misuse", page: include_str!("pages/SC502.md"), find };

fn find(context: &Context<'_>, rule: &Rule, findings: &mut Vec<Finding>) {
    let resolution = context.resolution;
    for place in context.functions().filter(|place| resolution.program.scope(*place).is_async) {
        for site in context.sites(place) {
            let path = resolution.path(site.callee);
            let makes = matches!(path, "grpc.insecure_channel" | "grpc.secure_channel");
            let calls = resolution.traits(site.callee).has(Traits::BLOCKING_GRPC);
            if !makes && !calls {
                continue;
            }
            let call = &resolution.program.scope(place).calls[site.call as usize];
            let edges = &resolution.edges[place as usize];
            let edge =
                edges.iter().find(|edge| edge.call == Some(site.call) && edge.callee == Callee::Outside(site.callee));
            let way: Vec<_> = edge.into_iter().map(|edge| (place, edge)).collect();
            let message = if makes {
                format!("`{path}` makes a channel whose calls block the event loop")
            } else {
                format!("`{path}` blocks the event loop")
            };
            let mut finding = context.finding(rule, place, call.range, message, &way);
            finding.help = Some("use `grpc.aio`, whose channels and stubs are the same and are awaited".to_owned());
            findings.push(finding);
        }
    }
}
