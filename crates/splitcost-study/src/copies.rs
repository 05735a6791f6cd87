//! Modules of which every service could have a copy.

use std::collections::{BTreeMap, BTreeSet};

use splitcost_model::boundary::{Readiness, readiness};
use splitcost_model::recording::{ModuleId, Recording};
use splitcost_model::split::{MAIN_SERVICE, Split};

/// Returns the modules that no service claims, that several services call with plain values, and that call no other module
/// and handle no request: helpers, as far as calls show. They must keep no state either, which their source shows.
pub fn candidates(recording: &Recording, split: &Split) -> Vec<String> {
    let readiness = readiness(recording);
    let mut callers: BTreeMap<ModuleId, BTreeSet<&str>> = BTreeMap::new();
    let mut unfit: BTreeSet<ModuleId> = recording.handler_modules().into_values().collect();
    unfit.insert(Recording::ROOT_MODULE);
    for request in &recording.requests {
        for call in request.calls.iter().skip(1) {
            let module = recording.functions[call.function as usize].module;
            let caller = recording.functions[request.calls[call.parent as usize].function as usize].module;
            // It is no helper if it calls others, is called by the framework, or needs more than data.
            unfit.insert(caller);
            if caller == Recording::ROOT_MODULE
                || readiness[call.function as usize].is_some_and(|needs| needs != Readiness::Ready)
            {
                unfit.insert(module);
            } else {
                callers.entry(module).or_default().insert(split.service_of(&recording.modules[caller as usize]));
            }
        }
    }
    let name = |module: ModuleId| recording.modules[module as usize].clone();
    callers
        .into_iter()
        .filter(|(module, services)| services.len() > 1 && !unfit.contains(module))
        .map(|(module, _)| name(module))
        .filter(|module| split.service_of(module) == MAIN_SERVICE)
        .collect()
}

/// Returns the source files of a module's recorded functions.
pub fn files<'a>(recording: &'a Recording, module: &str) -> impl Iterator<Item = &'a str> {
    let id = recording.modules.iter().position(|name| name == module);
    let functions = recording.functions.iter().filter(move |function| Some(function.module as usize) == id);
    functions.map(|function| function.file.as_str())
}

#[cfg(test)]
mod tests {
    use splitcost_model::recording::{Call, Function, Payload, PayloadClass, Request};

    use super::*;

    /// `main` and `vault` both call `kinds`; only `main` calls `clock`; `vault` belongs to a service of its own.
    fn recording(class: PayloadClass) -> Recording {
        let names = ["(framework)", "main", "vault", "kinds", "clock"];
        let function = |module| Function { module, qualname: "f".into(), ..Function::default() };
        let call = |function, parent| {
            let arguments = Some(Payload { class, ..Payload::default() });
            Call { function, parent, arguments, ..Call::default() }
        };
        let calls = vec![call(0, 0), call(1, 0), call(2, 1), call(3, 1), call(3, 2), call(4, 1)];
        Recording {
            modules: names.map(str::to_owned).to_vec(),
            functions: (0..5).map(function).collect(),
            requests: vec![Request { calls, handler: Some(1), ..Request::default() }],
            ..Recording::default()
        }
    }

    #[test]
    fn helpers_of_several_services_are_proposed() {
        let services = BTreeMap::from([("vault".to_owned(), vec!["vault".to_owned()])]);
        let split = Split { services, ..Split::default() };
        assert_eq!(candidates(&recording(PayloadClass::Plain), &split), ["kinds"]);
        assert_eq!(candidates(&recording(PayloadClass::Resource), &split), [""; 0]);
        let claimed = BTreeMap::from([("vault".to_owned(), vec!["vault".to_owned(), "kinds".to_owned()])]);
        let split = Split { services: claimed, ..Split::default() };
        assert_eq!(candidates(&recording(PayloadClass::Plain), &split), [""; 0]);
    }
}
