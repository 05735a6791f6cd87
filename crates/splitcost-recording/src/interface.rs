//! Computes the [`Interfaces`] of a split's services.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use splitcost_model::boundary::{Boundary, Execution, Local, Readiness, never_crosses};
use splitcost_model::database::{DataCrossings, Owners, Site};
use splitcost_model::recording::interface::{
    InterfaceCaller, InterfaceFunction, InterfaceKind, InterfaceTable, Interfaces, ServiceInterface, SettingRead,
    SharedFunction,
};
use splitcost_model::recording::shape::{Field, Shape, merge_fields};
use splitcost_model::recording::site::CallSites;
use splitcost_model::recording::tables::TableSummary;
use splitcost_model::recording::{Call, Function, FunctionId, FunctionKind, Payload, ReceiverKind, Recording, Request};
use splitcost_model::split::Split;

use crate::shape;
use crate::tables::summarize_tables;

/// Returns the interfaces of a split's services. `settings` are those that the app's modules read, if the source was looked at.
pub fn interfaces(
    recording: &Recording,
    split: &Split,
    owners: &Owners,
    settings: Option<&[SettingRead]>,
) -> Interfaces {
    let mut calls = Calls::new(recording, split);
    for request in recording.of_workload() {
        calls.add(request);
    }
    let tables = summarize_tables(recording, owners).tables;
    let data = DataCrossings::of(recording, split, owners);
    let sites = CallSites::of(recording);
    let names = split.service_names();
    let service = |index: usize, name: &&str| {
        let of_service = |module: &&String| split.service_of(module) == *name;
        let modules = recording.modules.iter().skip(Recording::ROOT_MODULE as usize + 1).filter(of_service);
        let functions = calls.functions(index as u16, &names, &sites);
        let read = settings.map(|all| all.iter().filter(|read| of_service(&&read.module)).cloned().collect());
        ServiceInterface {
            service: (*name).to_owned(),
            modules: modules.cloned().collect(),
            calls_per_request: functions.iter().map(|function| function.calls_per_request).sum(),
            bytes_per_request: functions.iter().filter_map(|function| function.bytes_per_request).sum(),
            added_ms_per_request: None,
            functions,
            shared_code: calls.shared_code(index as u16),
            tables: of_tables(&tables, split, name),
            settings: read,
        }
    };
    Interfaces {
        split: split.name.clone(),
        requests: calls.requests,
        services: names.iter().enumerate().map(|(index, name)| service(index, name)).collect(),
        cut_joins: data.cut_joins,
        cut_transactions: data.cut_transactions,
    }
}

/// Returns the tables that a service owns or uses.
fn of_tables(tables: &[TableSummary], split: &Split, service: &str) -> Vec<InterfaceTable> {
    let is_ours = |module: &str| split.service_of(module) == service;
    let table = |table: &TableSummary| {
        let owned_by = table.owner.as_ref().map(|owner| split.service_of(&owner.module).to_owned());
        let (ours, others): (Vec<_>, Vec<_>) =
            table.accesses.iter().cloned().partition(|access| is_ours(&access.module));
        let shared_with: BTreeSet<&str> = others.iter().map(|access| split.service_of(&access.module)).collect();
        let is_owned = owned_by.as_deref() == Some(service);
        (is_owned || !ours.is_empty()).then(|| InterfaceTable {
            table: table.table.clone(),
            owned_by,
            owner: table.owner.clone(),
            accesses: ours,
            shared_with: shared_with.into_iter().map(ToOwned::to_owned).collect(),
        })
    };
    tables.iter().filter_map(table).collect()
}

/// The function that makes calls of another one, in a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Caller {
    service: u16,
    function: FunctionId,
}

/// The calls from one caller.
#[derive(Default)]
struct CallerCalls<'a> {
    by_endpoint: BTreeMap<&'a str, u64>,
    /// Calls of the caller that make any, and the most that one made.
    callers: u64,
    most: u64,
    sites: BTreeSet<(&'a str, u32)>,
}

/// The calls of one function from other services.
#[derive(Default)]
struct FunctionCalls<'a> {
    readiness: Readiness,
    calls: u64,
    by_caller: BTreeMap<Caller, CallerCalls<'a>>,
    exceptions: BTreeSet<&'a str>,
    arguments: Sampled,
    results: Sampled,
}

/// The sampled payloads of one direction.
#[derive(Default)]
struct Sampled {
    samples: u64,
    bytes: u64,
    shapes: BTreeSet<u32>,
}

impl Sampled {
    fn add(&mut self, payload: &Payload) {
        self.samples += 1;
        self.bytes += payload.encoded_bytes;
        self.shapes.insert(payload.shape);
    }

    fn bytes_mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.bytes as f64 / self.samples as f64)
    }
}

struct Calls<'a> {
    recording: &'a Recording,
    boundary: Boundary<'a>,
    never: Vec<Option<Local>>,
    is_copied: Vec<bool>,
    /// The service of each endpoint's handler.
    front: BTreeMap<&'a str, u16>,
    requests: u64,
    requests_of: BTreeMap<&'a str, u64>,
    /// By the called service and function.
    functions: BTreeMap<(u16, FunctionId), FunctionCalls<'a>>,
    shared: BTreeMap<(u16, FunctionId), u64>,
    receivers: FxHashMap<FunctionId, ReceiverKind>,
}

impl<'a> Calls<'a> {
    fn new(recording: &'a Recording, split: &Split) -> Self {
        let boundary = Boundary::new(recording, split, Execution::Rewritten);
        let handlers = recording.handler_modules();
        let front = handlers.into_iter().map(|(name, module)| (name, boundary.service_of(module))).collect();
        Self {
            recording,
            boundary,
            never: never_crosses(recording),
            is_copied: recording.modules.iter().map(|module| split.is_copied(module)).collect(),
            front,
            requests: 0,
            requests_of: BTreeMap::new(),
            functions: BTreeMap::new(),
            shared: BTreeMap::new(),
            receivers: FxHashMap::default(),
        }
    }

    fn function(&self, id: FunctionId) -> &'a Function {
        &self.recording.functions[id as usize]
    }

    /// Adds the calls of a request, from its handler's service on. Of a request that failed, only payloads count.
    fn add(&mut self, request: &'a Request) {
        let is_good = !self.recording.has_failed(request);
        let endpoint = request.endpoint.as_str();
        if is_good {
            self.requests += 1;
            *self.requests_of.entry(endpoint).or_default() += 1;
        }
        let mut runs_in = vec![self.front.get(endpoint).copied().unwrap_or_default(); request.calls.len()];
        let mut made_by: BTreeMap<(u32, FunctionId, u16, u16), u64> = BTreeMap::new();
        for (index, call) in request.calls.iter().enumerate().skip(1) {
            let from = runs_in[call.parent as usize];
            let crossing = self.boundary.crossing(request, index as u32, from);
            runs_in[index] = crossing.map_or(from, |crosses| crosses.to);
            if let Some(receiver) = call.arguments.as_ref().and_then(|arguments| arguments.receiver.as_ref()) {
                self.receivers.insert(call.function, receiver.kind);
            }
            match crossing {
                Some(crosses) => {
                    let caller = Caller { service: from, function: request.calls[call.parent as usize].function };
                    let known = self.functions.entry((crosses.to, call.function)).or_default();
                    known.readiness = crosses.readiness;
                    known.add(call, caller, is_good.then_some(endpoint));
                    if is_good {
                        *made_by.entry((call.parent, call.function, from, crosses.to)).or_default() += 1;
                    }
                }
                None if is_good => self.add_shared(request, call, from),
                None => {}
            }
        }
        for ((parent, function, from, to), calls) in made_by {
            let caller = Caller { service: from, function: request.calls[parent as usize].function };
            let known = self.functions.entry((to, function)).or_default().by_caller.entry(caller).or_default();
            known.callers += 1;
            known.most = known.most.max(calls);
        }
    }

    /// Adds a call that stays, if its function is another service's and never crosses.
    fn add_shared(&mut self, request: &Request, call: &Call, from: u16) {
        let module = self.function(call.function).module;
        let owner = self.boundary.service_of(module);
        let is_of_framework =
            self.function(request.calls[call.parent as usize].function).module == Recording::ROOT_MODULE;
        // The call that a function makes for its caller follows, and crosses.
        let stays = self.never[call.function as usize].is_some_and(|local| local != Local::CoroutineMaker);
        if owner != from && stays && !is_of_framework && !self.is_copied[module as usize] {
            *self.shared.entry((owner, call.function)).or_default() += 1;
        }
    }

    fn rate(&self, count: u64) -> f64 {
        if self.requests == 0 { 0.0 } else { count as f64 / self.requests as f64 }
    }

    fn functions(&self, service: u16, names: &[&str], sites: &CallSites<'_>) -> Vec<InterfaceFunction> {
        let ours = self.functions.iter().filter(|((to, _), calls)| *to == service && calls.calls > 0);
        let mut functions: Vec<InterfaceFunction> =
            ours.map(|((_, id), calls)| self.interface_function(*id, calls, names, sites)).collect();
        functions.sort_by(|a, b| b.calls_per_request.total_cmp(&a.calls_per_request));
        functions
    }

    fn interface_function(
        &self,
        id: FunctionId,
        calls: &FunctionCalls<'_>,
        names: &[&str],
        sites: &CallSites<'_>,
    ) -> InterfaceFunction {
        let function = self.function(id);
        let means = [calls.arguments.bytes_mean(), calls.results.bytes_mean()];
        let bytes_per_call = means.iter().any(Option::is_some).then(|| means.iter().flatten().sum::<f64>());
        let calls_per_request = self.rate(calls.calls);
        let mut callers: Vec<InterfaceCaller> =
            calls.by_caller.iter().filter_map(|(caller, from)| self.caller(*caller, from, names)).collect();
        callers.sort_by(|a, b| b.calls_per_request.total_cmp(&a.calls_per_request));
        InterfaceFunction {
            function: self.recording.function_name(function),
            kind: self.kind(id),
            defined: Site { file: function.file.clone(), line: function.line },
            readiness: calls.readiness,
            reason: (calls.readiness != Readiness::Ready).then(|| sites.reason(id)),
            arguments: self.arguments(&calls.arguments),
            result: self.result(&calls.results),
            exceptions: calls.exceptions.iter().map(|&name| name.to_owned()).collect(),
            samples: calls.arguments.samples,
            calls_per_request,
            bytes_per_call,
            bytes_per_request: bytes_per_call.map(|bytes| bytes * calls_per_request),
            price: None,
            added_ms_per_request: None,
            callers,
        }
    }

    fn arguments(&self, sampled: &Sampled) -> Vec<Field> {
        let all = sampled.shapes.iter().map(|id| shape::of_arguments(&self.recording.shapes[*id as usize]));
        all.reduce(merge_fields).unwrap_or_default()
    }

    fn result(&self, sampled: &Sampled) -> Option<Shape> {
        let all = sampled.shapes.iter().map(|id| shape::of_result(&self.recording.shapes[*id as usize]));
        all.reduce(Shape::merge)
    }

    fn kind(&self, id: FunctionId) -> InterfaceKind {
        let Function { kind, qualname, .. } = self.function(id);
        match (kind, self.receivers.get(&id)) {
            (FunctionKind::Generator, _) => InterfaceKind::Generator,
            (FunctionKind::AsyncGenerator, _) => InterfaceKind::AsyncGenerator,
            (_, Some(ReceiverKind::Class)) => InterfaceKind::ClassMethod,
            (FunctionKind::Coroutine, Some(_)) => InterfaceKind::CoroutineMethod,
            (FunctionKind::Plain, Some(_)) => InterfaceKind::Method,
            (_, None) if qualname.contains('.') => InterfaceKind::StaticMethod,
            (FunctionKind::Coroutine, None) => InterfaceKind::Coroutine,
            (FunctionKind::Plain, None) => InterfaceKind::Function,
        }
    }

    /// Returns the calls from one caller; `None` where all of them were in requests that failed.
    fn caller(&self, caller: Caller, from: &CallerCalls<'_>, names: &[&str]) -> Option<InterfaceCaller> {
        let function = self.function(caller.function);
        let calls: u64 = from.by_endpoint.values().sum();
        let rate_of = |(endpoint, calls): (&&str, &u64)| *calls as f64 / self.requests_of[endpoint] as f64;
        let most = from.by_endpoint.iter().max_by(|a, b| rate_of(*a).total_cmp(&rate_of(*b)))?;
        Some(InterfaceCaller {
            service: names[usize::from(caller.service)].to_owned(),
            caller: match function.module {
                Recording::ROOT_MODULE => self.recording.modules[Recording::ROOT_MODULE as usize].clone(),
                _ => self.recording.function_name(function),
            },
            sites: from.sites.iter().map(|(file, line)| Site { file: (*file).to_owned(), line: *line }).collect(),
            calls_per_request: self.rate(calls),
            endpoint: (*most.0).to_owned(),
            calls_per_request_of_endpoint: rate_of(most),
            calls_per_caller: calls as f64 / from.callers.max(1) as f64,
            calls_per_caller_max: from.most,
        })
    }

    fn shared_code(&self, service: u16) -> Vec<SharedFunction> {
        let ours = self.shared.iter().filter(|((owner, _), _)| *owner == service);
        let mut shared: Vec<SharedFunction> = ours
            .filter_map(|((_, id), calls)| {
                Some(SharedFunction {
                    function: self.recording.function_name(self.function(*id)),
                    reason: self.never[*id as usize]?,
                    calls_per_request: self.rate(*calls),
                })
            })
            .collect();
        shared.sort_by(|a, b| b.calls_per_request.total_cmp(&a.calls_per_request));
        shared
    }
}

impl<'a> FunctionCalls<'a> {
    /// Adds a call; without an endpoint, only its payloads count.
    fn add(&mut self, call: &'a Call, caller: Caller, endpoint: Option<&'a str>) {
        let from = self.by_caller.entry(caller).or_default();
        if let Some(endpoint) = endpoint {
            self.calls += 1;
            *from.by_endpoint.entry(endpoint).or_default() += 1;
        }
        for payload in [&call.arguments, &call.result].into_iter().flatten() {
            if !payload.file.is_empty() {
                from.sites.insert((&payload.file, payload.line));
            }
        }
        self.exceptions.extend(call.exception.as_deref());
        call.arguments.iter().for_each(|payload| self.arguments.add(payload));
        call.result.iter().for_each(|payload| self.results.add(payload));
    }
}

#[cfg(test)]
mod tests {
    use splitcost_model::recording::Receiver;

    use super::*;

    const SHAPES: [&str; 3] =
        [r#"{"arguments":{"item":"int","note":"str"}}"#, r#"{"arguments":{"item":"none"}}"#, r#""decimal""#];

    fn payload(shape: u32, line: u32) -> Payload {
        Payload { shape, encoded_bytes: 10, file: "shop/main.py".into(), line, ..Payload::default() }
    }

    fn call(function: FunctionId, parent: u32) -> Call {
        Call { function, parent, ..Call::default() }
    }

    fn request(status: u16, calls: Vec<Call>) -> Request {
        Request { endpoint: "GET /".into(), status, handler: Some(1), calls, ..Request::default() }
    }

    /// `main:view` calls `vault:lock` three times in one request and not at all in another one, and `vault:Line.total`, the
    /// method of a value; `vault:lock` calls `main:rate`.
    fn recording() -> Recording {
        let function = |module, qualname: &str| Function { module, qualname: qualname.into(), ..Function::default() };
        let receiver = Receiver { kind: ReceiverKind::Value, ..Receiver::default() };
        let of_value = Payload { receiver: Some(receiver), ..Payload::default() };
        let lock =
            |shape, line| Call { arguments: Some(payload(shape, line)), result: Some(payload(2, line)), ..call(2, 1) };
        let failing = Call { exception: Some("vault:Gone".into()), arguments: Some(payload(1, 9)), ..call(2, 1) };
        Recording {
            modules: ["(framework)", "main", "vault"].map(str::to_owned).to_vec(),
            functions: vec![
                function(0, "(asgi)"),
                function(1, "view"),
                function(2, "lock"),
                function(2, "Line.total"),
                function(1, "rate"),
            ],
            shapes: SHAPES.map(str::to_owned).to_vec(),
            requests: vec![
                request(
                    200,
                    vec![
                        call(0, 0),
                        call(1, 0),
                        lock(0, 5),
                        call(4, 2),
                        lock(0, 5),
                        lock(1, 7),
                        Call { arguments: Some(of_value), ..call(3, 1) },
                    ],
                ),
                request(200, vec![call(0, 0), call(1, 0)]),
                request(500, vec![call(0, 0), call(1, 0), failing]),
            ],
            ..Recording::default()
        }
    }

    #[test]
    fn the_functions_that_others_call_are_the_interface() {
        let recording = recording();
        let services = BTreeMap::from([("vault".to_owned(), vec!["vault".to_owned()])]);
        let split = Split { name: "vault".into(), services, ..Split::default() };
        let interfaces = interfaces(&recording, &split, &Owners::default(), None);
        assert_eq!(interfaces.requests, 2);
        let [main, vault] = interfaces.services.as_slice() else { panic!("two services: {interfaces:?}") };
        assert_eq!(
            (main.functions[0].function.as_str(), main.functions[0].callers[0].service.as_str()),
            ("main:rate", "vault")
        );
        let [lock] = vault.functions.as_slice() else { panic!("one function: {vault:?}") };
        let arguments: Vec<_> =
            lock.arguments.iter().map(|one| (one.name.as_str(), one.shape.annotation(), one.is_required)).collect();
        assert_eq!(arguments, [("item", "int | None".to_owned(), true), ("note", "str".to_owned(), false)]);
        assert_eq!(lock.result, Some(Shape::Decimal));
        assert_eq!(lock.exceptions, ["vault:Gone"]);
        // Of the request that failed, only the payload counts.
        assert_eq!((lock.calls_per_request, lock.bytes_per_request, lock.samples), (1.5, Some(30.0), 4));
        let [caller] = lock.callers.as_slice() else { panic!("one caller: {lock:?}") };
        assert_eq!((caller.caller.as_str(), caller.service.as_str()), ("main:view", "main"));
        assert_eq!(caller.sites.iter().map(|site| site.line).collect::<Vec<_>>(), [5, 7, 9]);
        assert_eq!((caller.calls_per_caller, caller.calls_per_caller_max), (3.0, 3));
        let shared: Vec<_> = vault.shared_code.iter().map(|one| (one.function.as_str(), one.reason)).collect();
        assert_eq!(shared, [("vault:Line.total", Local::ValueMethod)]);
    }
}
