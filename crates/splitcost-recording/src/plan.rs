//! Orders the work that a real split needs.

use splitcost_model::boundary::Readiness;
use splitcost_model::database::Site;
use splitcost_model::recording::interface::{
    InterfaceCaller, InterfaceFunction, Interfaces, Plan, PlanStep, PlanWork, ServiceInterface,
};

/// Fewest calls of one function by one call of another, mean, that are worth a batch.
///
/// Chosen: as for repeated statements; two may be a check before and after.
const BATCH: f64 = 3.0;

/// Returns the work that a split needs, by its kind, and then with most calls first.
pub fn plan(interfaces: &Interfaces) -> Plan {
    let functions = interfaces
        .services
        .iter()
        .flat_map(|service| service.functions.iter().map(move |function| (service, function)));
    let mut steps: Vec<PlanStep> = functions
        .flat_map(|(service, function)| {
            let looped = function.callers.iter().filter(|caller| caller.calls_per_caller >= BATCH);
            std::iter::once(step(service, function)).chain(looped.map(|caller| batch(service, function, caller)))
        })
        .collect();
    steps.sort_by(|a, b| a.work.cmp(&b.work).then_with(|| b.calls_per_request.total_cmp(&a.calls_per_request)));
    Plan { split: interfaces.split.clone(), requests: interfaces.requests, priced_by: None, steps }
}

fn step(service: &ServiceInterface, function: &InterfaceFunction) -> PlanStep {
    let mut sites: Vec<Site> = function.callers.iter().flat_map(|caller| caller.sites.clone()).collect();
    sites.sort();
    sites.dedup();
    PlanStep {
        work: match function.readiness {
            Readiness::Ready => PlanWork::Nothing,
            Readiness::Adapted | Readiness::Object => PlanWork::Adapter,
            Readiness::ByReference | Readiness::Rewrite => PlanWork::Rewrite,
        },
        service: service.service.clone(),
        function: function.function.clone(),
        readiness: function.readiness,
        reason: function.reason.clone(),
        sites,
        calls_per_request: function.calls_per_request,
        batched_calls_per_request: None,
        caller: None,
        bytes_per_request: function.bytes_per_request,
        added_ms_per_request: function.added_ms_per_request,
        added_ms_per_caller: None,
        batched_ms_per_request: None,
    }
}

fn batch(service: &ServiceInterface, function: &InterfaceFunction, caller: &InterfaceCaller) -> PlanStep {
    let calls = caller.calls_per_request;
    let batched = calls / caller.calls_per_caller;
    PlanStep {
        work: PlanWork::Batch,
        sites: caller.sites.clone(),
        calls_per_request: calls,
        batched_calls_per_request: Some(batched),
        bytes_per_request: function.bytes_per_call.map(|bytes| bytes * calls),
        added_ms_per_request: function.price.map(|price| price.added_ms * calls),
        added_ms_per_caller: function.price.map(|price| price.added_ms * caller.calls_per_caller),
        batched_ms_per_request: function.price.map(|price| price.added_ms * calls - price.fixed_ms * (calls - batched)),
        caller: Some(caller.clone()),
        ..step(service, function)
    }
}

#[cfg(test)]
mod tests {
    use splitcost_model::estimate::CallPrice;

    use super::*;

    #[test]
    fn what_is_ready_comes_first_and_loops_are_steps_of_their_own() {
        let caller = |calls_per_request, calls_per_caller| InterfaceCaller {
            calls_per_request,
            calls_per_caller,
            ..InterfaceCaller::default()
        };
        let function = |name: &str, readiness, callers: &[InterfaceCaller]| InterfaceFunction {
            function: name.into(),
            readiness,
            calls_per_request: callers.iter().map(|caller| caller.calls_per_request).sum(),
            bytes_per_call: Some(100.0),
            callers: callers.to_vec(),
            ..InterfaceFunction::default()
        };
        let functions = vec![
            function("hook", Readiness::Rewrite, &[caller(9.0, 1.0)]),
            function("save", Readiness::Adapted, &[caller(1.0, 2.9)]),
            InterfaceFunction {
                price: Some(CallPrice { added_ms: 1.5, fixed_ms: 1.0 }),
                ..function("quote", Readiness::Ready, &[caller(6.0, 12.0), caller(1.0, 1.0)])
            },
            function("lock", Readiness::ByReference, &[caller(1.0, 1.0)]),
            function("open", Readiness::Object, &[caller(2.0, 1.0)]),
        ];
        let services = vec![ServiceInterface { functions, ..ServiceInterface::default() }];
        let plan = plan(&Interfaces { services, ..Interfaces::default() });
        let steps: Vec<_> =
            plan.steps.iter().map(|step| (step.work, step.function.as_str(), step.calls_per_request)).collect();
        assert_eq!(
            steps,
            [
                (PlanWork::Nothing, "quote", 7.0),
                (PlanWork::Adapter, "open", 2.0),
                (PlanWork::Adapter, "save", 1.0),
                (PlanWork::Batch, "quote", 6.0),
                (PlanWork::Rewrite, "hook", 9.0),
                (PlanWork::Rewrite, "lock", 1.0),
            ]
        );
        assert_eq!(plan.steps[3].batched_calls_per_request, Some(0.5));
        assert_eq!(plan.steps[3].bytes_per_request, Some(600.0));
        // One call instead of twelve saves eleven times what a call costs without data.
        assert_eq!(plan.steps[3].added_ms_per_request, Some(9.0));
        assert_eq!(plan.steps[3].added_ms_per_caller, Some(18.0));
        assert_eq!(plan.steps[3].batched_ms_per_request, Some(3.5));
    }
}
