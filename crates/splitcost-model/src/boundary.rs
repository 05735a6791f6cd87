//! The boundary of a split: the one decision about a recorded call, *would it cross between services, and how?*
//!
//! The simulator, the list of what needs work, the audit of a rehearsal and the settings of its import hook all ask
//! [`Boundary`]. A call crosses if it was made for a request, if it goes into another service, if the other service does not
//! share the code (a copied module, a value's method, a nested function), and, in a rehearsal, if all that it carries can go
//! along: as it is, by its name, with its fields, or as the split's [`Adaptation`] says.
//!
//! A rehearsal divides the code by files: a class that is a module of its own is where its file is. Code of another service
//! that runs in the caller calls the functions of its own service directly, as it would at home.

mod function;

use std::collections::{BTreeMap, BTreeSet};

use self::function::{Crossability, crossabilities};
pub use self::function::{Local, Readiness, never_crosses, readiness};
use crate::adaptation::{self, Adaptation};
use crate::quantity::Nanos;
use crate::recording::statement::Uncommitted;
use crate::recording::{
    Call, CallIndex, Function, FunctionId, Makes, ModuleId, PayloadClass, ReceiverKind, Recording, Request,
};
use crate::split::{Split, file_module};

/// The calls of a split that are made remotely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Execution {
    /// Every call between services, as after the code was changed where it needs to be.
    #[default]
    Rewritten,
    /// Those calls that a rehearsal makes remotely with the code as it is.
    Rehearsed,
}

/// A call that crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crosses {
    /// The service that answers, as an index into [`Split::service_names`].
    pub to: u16,
    /// The work that it needs.
    pub readiness: Readiness,
    /// The part that it has in a rehearsal.
    pub in_rehearsal: InRehearsal,
}

/// The part of a call between services in a rehearsal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InRehearsal {
    /// It makes the call remotely, with the code as it is.
    Crosses,
    /// It makes the call in the caller: the function needs work before it can cross.
    NeedsWork,
    /// It makes this call in the caller: the request has written there what is not committed, and the callee needs it.
    NeedsWrites,
}

/// The boundary between the services of a split, for the calls of one recording.
#[derive(Clone, Debug)]
pub struct Boundary<'a> {
    recording: &'a Recording,
    execution: Execution,
    /// The service of each module.
    services: Vec<u16>,
    /// The service of each function, by its file in a rehearsal; `None` where every service has a copy.
    owners: Vec<Option<u16>>,
    /// The service that has each function's file.
    file_owners: Vec<Option<u16>>,
    functions: Vec<Crossability>,
    /// The service to which the requests of each endpoint are sent.
    fronts: BTreeMap<&'a str, u16>,
    /// The classes whose objects stay where they are.
    by_reference: Vec<String>,
}

impl<'a> Boundary<'a> {
    /// Prepares the decisions about all calls of a recording.
    pub fn new(recording: &'a Recording, split: &Split, execution: Execution) -> Self {
        let names = split.service_names();
        let index = |service: &str| names.iter().position(|name| *name == service).unwrap_or(0) as u16;
        let owner = |function: &Function, by_file: bool| {
            let module = recording.modules.get(function.module as usize)?;
            let module = if by_file { file_module(module) } else { module };
            (!split.is_copied(module)).then(|| index(split.service_of(module)))
        };
        let owners = |by_file| recording.functions.iter().map(|function| owner(function, by_file)).collect();
        let services: Vec<u16> = recording.modules.iter().map(|module| index(split.service_of(module))).collect();
        let handlers = recording.handler_modules().into_iter();
        Self {
            fronts: handlers.map(|(endpoint, module)| (endpoint, services[module as usize])).collect(),
            services,
            owners: owners(execution == Execution::Rehearsed),
            file_owners: owners(true),
            functions: crossabilities(recording, &split.adaptation)
                .into_iter()
                .zip(&recording.functions)
                .map(|(facts, function)| {
                    // What its own module calls for the caller is called there, without a stub in between.
                    let facts = Crossability { is_rehearsed: facts.is_rehearsed && !function.is_made, ..facts };
                    if function.is_unnamed && !function.is_made { facts.handed_out() } else { facts }
                })
                .collect(),
            recording,
            execution,
            by_reference: split.adaptation.by_reference.clone(),
        }
    }

    /// Returns the service of a module, as an index into [`Split::service_names`].
    pub fn service_of(&self, module: ModuleId) -> u16 {
        self.services.get(module as usize).copied().unwrap_or(0)
    }

    /// Decides about a call that is made in service `from`: where it is answered if it crosses.
    pub fn crossing(&self, request: &Request, call: CallIndex, from: u16) -> Option<Crosses> {
        let crosses = self.crossing_without_writes(request, call, from)?;
        let call = &request.calls[call as usize];
        let needs_writes = self.functions[call.function as usize].database.needs_writes();
        if !(needs_writes && self.has_writes(request, call.start(), from)) {
            return Some(crosses);
        }
        let in_rehearsal = match crosses.in_rehearsal {
            InRehearsal::Crosses => InRehearsal::NeedsWrites,
            needs_more => needs_more,
        };
        (self.execution == Execution::Rewritten).then_some(Crosses { in_rehearsal, ..crosses })
    }

    /// Decides about a call as [`Self::crossing`] does, if all that the request has written is committed.
    fn crossing_without_writes(&self, request: &Request, call: CallIndex, from: u16) -> Option<Crosses> {
        let call = &request.calls[call as usize];
        if call.makes == Makes::Call {
            return None;
        }
        let to = self.owners[call.function as usize].filter(|to| *to != from)?;
        let facts = &self.functions[call.function as usize];
        let readiness = facts.verdict.ok()?;
        let is_made_here = if is_of_framework(self.recording, request, call) {
            readiness != Readiness::Ready
        } else {
            self.execution == Execution::Rehearsed && self.owner_of_caller(request, call) == Some(to)
        };
        let is_made_here = is_made_here || self.execution == Execution::Rehearsed && !facts.is_rehearsed;
        let is_rehearsed = facts.is_rehearsed && self.file_owners[call.function as usize] == Some(to);
        let in_rehearsal = if is_rehearsed { InRehearsal::Crosses } else { InRehearsal::NeedsWork };
        (!is_made_here).then_some(Crosses { to, readiness, in_rehearsal })
    }

    /// Returns true if a service holds writes of a request at an instant: another service would not see them, or would wait
    /// for their lock.
    fn has_writes(&self, request: &Request, at: Nanos, service: u16) -> bool {
        let is_open = |held: &&Uncommitted| held.start <= at && at < held.end;
        request.uncommitted.iter().filter(is_open).any(|held| self.holder(request, held.call, at) == Some(service))
    }

    /// Returns the service that holds what a call has written. With the answer of a call between services all that was written
    /// for it is committed, and nobody holds it.
    fn holder(&self, request: &Request, writer: CallIndex, at: Nanos) -> Option<u16> {
        let parent = |call: &CallIndex| (*call != 0).then(|| request.calls[*call as usize].parent);
        let calls: Vec<CallIndex> = std::iter::successors(Some(writer), parent).collect();
        let mut service = self.fronts.get(request.endpoint.as_str()).copied().unwrap_or(0);
        let mut is_answered = false;
        for &call in calls.iter().rev().skip(1) {
            if let Some(crosses) = self.crossing_without_writes(request, call, service) {
                service = crosses.to;
                is_answered = request.calls[call as usize].end() <= at;
            }
        }
        (!is_answered).then_some(service)
    }

    /// Returns the service of the code that makes a call, wherever it runs.
    fn owner_of_caller(&self, request: &Request, call: &Call) -> Option<u16> {
        self.owners[request.calls[call.parent as usize].function as usize]
    }

    /// Returns the module that makes a call, or [`Recording::ROOT_MODULE`] if the framework does.
    pub fn caller(&self, request: &Request, call: CallIndex) -> ModuleId {
        let call = &request.calls[call as usize];
        if is_of_framework(self.recording, request, call) {
            return Recording::ROOT_MODULE;
        }
        self.recording.functions[request.calls[call.parent as usize].function as usize].module
    }

    /// Returns true if a call crosses when its caller runs in its own service.
    pub fn crosses_from_caller(&self, request: &Request, call: CallIndex) -> bool {
        let caller = request.calls[request.calls[call as usize].parent as usize].function;
        let module = self.recording.functions[caller as usize].module;
        module != Recording::ROOT_MODULE && self.crossing(request, call, self.service_of(module)).is_some()
    }

    /// Returns true if a call of the function is two messages: its result is a context manager, which stays at the callee, and
    /// which the caller enters and exits.
    pub fn is_context_manager(&self, function: FunctionId) -> bool {
        self.functions[function as usize].is_context_manager
    }

    /// Returns true if the size of what a function's calls carry was measured.
    pub fn is_measured(&self, function: FunctionId) -> bool {
        self.functions[function as usize].is_measured
    }

    /// Returns the functions, as `module:qualname`, that a rehearsal calls in the caller although they are another service's.
    pub fn local_functions(&self) -> Vec<String> {
        let functions = self.recording.functions.iter().zip(&self.functions);
        // What makes a coroutine runs where it is called: a stub would return the coroutine's result.
        let stays = functions.filter(|(_, facts)| match facts.verdict {
            Ok(_) => !facts.is_rehearsed,
            Err(local) => local == Local::CoroutineMaker,
        });
        self.names(stays)
    }

    /// Returns the functions and methods, as `module:qualname`, that a rehearsal calls remotely.
    pub fn remote_functions(&self) -> Vec<String> {
        self.names(self.rehearsed())
    }

    /// Returns the functions, as `module:qualname`, that a rehearsal calls remotely with something adapted. Where a framework
    /// calls them, they run where it does.
    pub fn adapted_functions(&self) -> Vec<String> {
        let is_adapted = |facts: &Crossability| facts.verdict.is_ok_and(|readiness| readiness != Readiness::Ready);
        self.names(self.rehearsed().filter(|(function, facts)| is_adapted(facts) && !function.qualname.contains('.')))
    }

    /// Returns the functions and methods, as `module:qualname`, that changed an argument or their object.
    pub fn changing_functions(&self) -> Vec<String> {
        let calls = self.recording.requests.iter().flat_map(|request| &request.calls);
        let changes = calls.filter(|call| {
            call.arguments.as_ref().is_some_and(|arguments| {
                let is_reference = arguments.receiver.as_ref().is_some_and(|it| it.kind == ReceiverKind::Reference);
                is_reference || arguments.is_changed()
            })
        });
        let functions: BTreeSet<FunctionId> = changes.map(|call| call.function).collect();
        let name = |function: &FunctionId| self.recording.function_name(&self.recording.functions[*function as usize]);
        functions.iter().map(name).collect()
    }

    /// Returns the functions and methods, as `module:qualname`, whose calls issued statements.
    pub fn database_functions(&self) -> Vec<String> {
        let functions = self.recording.functions.iter().zip(&self.functions);
        self.names(functions.filter(|(_, facts)| facts.database.issues_statements))
    }

    /// Returns the classes, as `module:Class`, whose objects stay where they are: those of the settings, or all that need to.
    pub fn by_reference(&self) -> Vec<String> {
        if !self.by_reference.iter().any(|class| class == Adaptation::AUTO) {
            return self.by_reference.clone();
        }
        let calls = self.recording.requests.iter().flat_map(|request| &request.calls);
        let payloads = calls.flat_map(|call| [&call.arguments, &call.result]).flatten();
        let stay = |class: PayloadClass| matches!(class, PayloadClass::Service | PayloadClass::Reference);
        let mut names: Vec<String> = payloads
            .flat_map(|payload| payload.obstacles.iter().filter(move |obstacle| stay(obstacle.class)))
            .filter_map(|obstacle| adaptation::type_of(obstacle).rsplit_once('.'))
            .map(|(module, class)| format!("{module}:{class}"))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn rehearsed(&self) -> impl Iterator<Item = (&Function, &Crossability)> {
        let functions = self.recording.functions.iter().zip(&self.functions);
        functions.filter(|(_, facts)| facts.is_rehearsed && facts.verdict.is_ok())
    }

    fn names<'b>(&self, functions: impl Iterator<Item = (&'b Function, &'b Crossability)>) -> Vec<String> {
        let mut names: Vec<String> = functions.map(|(function, _)| self.recording.function_name(function)).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Returns true if the framework makes the call. It runs a request's handler, dependencies and hooks where the request is.
///
/// Calls inside a module are part of it, so that a recorded one from a module to itself has the framework in between: the
/// module's middleware runs the rest of the request.
fn is_of_framework(recording: &Recording, request: &Request, call: &Call) -> bool {
    let module = |function: FunctionId| recording.functions.get(function as usize).map(|function| function.module);
    let caller = module(request.calls[call.parent as usize].function);
    caller.is_none_or(|caller| caller == Recording::ROOT_MODULE) || caller == module(call.function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::statement::Statement;
    use crate::recording::{Payload, Receiver, Segment};

    /// `main:view` calls `vault:lock`, `vault:Line.total` and `kinds:kind`.
    fn recording() -> Recording {
        let names = ["(framework)", "main", "vault", "kinds"];
        let function = |module, qualname: &str| Function { module, qualname: qualname.into(), ..Function::default() };
        let call = |function, parent, receiver: Option<ReceiverKind>| Call {
            function,
            parent,
            arguments: Some(Payload {
                receiver: receiver.map(|kind| Receiver { kind, ..Receiver::default() }),
                ..Payload::default()
            }),
            ..Call::default()
        };
        Recording {
            modules: names.map(str::to_owned).to_vec(),
            functions: vec![
                function(0, "(asgi)"),
                function(1, "view"),
                function(2, "lock"),
                function(2, "Line.total"),
                function(3, "kind"),
            ],
            requests: vec![Request {
                calls: vec![
                    call(0, 0, None),
                    call(1, 0, None),
                    call(2, 1, None),
                    call(3, 1, Some(ReceiverKind::Value)),
                    call(4, 1, None),
                    call(2, 0, None),
                ],
                ..Request::default()
            }],
            ..Recording::default()
        }
    }

    /// `main:view` calls `vault:lock` twice, whose results are work that these calls did not do, and `kinds:kind`.
    #[test]
    fn what_makes_a_call_of_the_app_never_crosses_and_an_awaitable_does() {
        let crossings = |makes: [Makes; 2], class: PayloadClass| {
            let mut recording = recording();
            let calls = &mut recording.requests[0].calls;
            calls[3] = calls[2].clone();
            for (call, makes) in calls[2..4].iter_mut().zip(makes) {
                call.result = Some(Payload { class, ..Payload::default() });
                call.makes = makes;
            }
            calls.truncate(5);
            let services = BTreeMap::from([("vault".to_owned(), vec!["vault".to_owned(), "kinds".to_owned()])]);
            let split = Split { services, ..Split::default() };
            let boundary = Boundary::new(&recording, &split, Execution::Rewritten);
            let crossings: Vec<u32> =
                (2..5).filter(|call| boundary.crossing(&recording.requests[0], *call, 0).is_some()).collect();
            (crossings, never_crosses(&recording)[2], boundary.is_measured(2))
        };
        let (iterator, value) = (PayloadClass::Generator, PayloadClass::Plain);
        assert_eq!(crossings([Makes::Call; 2], iterator), (vec![4], Some(Local::CoroutineMaker), false));
        assert_eq!(crossings([Makes::Awaitable; 2], iterator), (vec![2, 3, 4], None, false));
        // A function that makes a coroutine only sometimes crosses where it returns a value.
        assert_eq!(crossings([Makes::Call, Makes::Nothing], value), (vec![3, 4], None, true));
        // Nobody saw the items of an `itertools.chain`.
        assert_eq!(crossings([Makes::Call, Makes::Nothing], iterator), (vec![3, 4], None, false));
    }

    #[test]
    fn what_every_service_has_never_crosses() {
        let recording = recording();
        let services = BTreeMap::from([
            ("vault".to_owned(), vec!["vault".to_owned()]),
            ("other".to_owned(), vec!["kinds".to_owned()]),
        ]);
        let mut split = Split { services, ..Split::default() };
        let crossings = |split: &Split, execution| -> Vec<u32> {
            let boundary = Boundary::new(&recording, split, execution);
            (1..6).filter(|call| boundary.crossing(&recording.requests[0], *call, 0).is_some()).collect()
        };
        assert_eq!(crossings(&split, Execution::Rewritten), [2, 4, 5]);
        split.copied = Some(vec!["kinds".to_owned()]);
        assert_eq!(crossings(&split, Execution::Rewritten), [2, 5]);
        assert_eq!(crossings(&split, Execution::Rehearsed), [2, 5]);
    }

    /// `main:view` calls `shop.services:Orders.place`, which calls `shop.services:rate` and `shop.prices:quote`; that calls
    /// `shop.taxes:tax`.
    fn by_class() -> Recording {
        let names = ["(framework)", "main", "shop.services", "shop.services:Orders", "shop.prices", "shop.taxes"];
        let functions = [(0, "(asgi)"), (1, "view"), (3, "Orders.place"), (2, "rate"), (4, "quote"), (5, "tax")];
        let function =
            |(module, qualname): (u32, &str)| Function { module, qualname: qualname.into(), ..Function::default() };
        let call = |(function, parent)| Call { function, parent, ..Call::default() };
        Recording {
            modules: names.map(str::to_owned).to_vec(),
            functions: functions.map(function).to_vec(),
            requests: vec![Request {
                calls: [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 4)].map(call).to_vec(),
                ..Request::default()
            }],
            ..Recording::default()
        }
    }

    /// Returns the calls that cross where the caller runs in `from`, as `readiness of function`.
    fn crossings(services: &[(&str, &[&str])], execution: Execution, from: &[u16; 5]) -> Vec<String> {
        let recording = by_class();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let services = services.iter().map(|(service, names)| ((*service).to_owned(), owned(names))).collect();
        let split = Split { services, ..Split::default() };
        let boundary = Boundary::new(&recording, &split, execution);
        let request = &recording.requests[0];
        let crossing = |(call, from): (u32, &u16)| {
            let crosses = boundary.crossing(request, call, *from)?;
            let function = &recording.functions[request.calls[call as usize].function as usize];
            Some(format!("{} {}", crosses.readiness.name(), recording.function_name(function)))
        };
        (1..).zip(from).filter_map(crossing).collect()
    }

    #[test]
    fn a_class_is_priced_and_stays_where_its_file_is() {
        let class: &[(&str, &[&str])] = &[("orders", &["shop.services:Orders"])];
        let there = crossings(class, Execution::Rewritten, &[0, 0, 1, 1, 0]);
        assert_eq!(there, ["object shop.services:Orders.place", "ready shop.services:rate", "ready shop.prices:quote"]);
        // A rehearsal runs the method in the caller, and all that it calls.
        assert!(crossings(class, Execution::Rehearsed, &[0; 5]).is_empty());
        // Where a request enters at the class's service, its file is another service's there.
        assert!(crossings(class, Execution::Rehearsed, &[0, 1, 1, 1, 1]).is_empty());
    }

    #[test]
    fn a_function_that_its_module_handed_out_crosses_unless_a_framework_calls_it() {
        let mut recording = recording();
        recording.functions[2].is_unnamed = true;
        let services = BTreeMap::from([("vault".to_owned(), vec!["vault".to_owned()])]);
        let split = Split { services, ..Split::default() };
        let crossings = |execution| -> Vec<u32> {
            let boundary = Boundary::new(&recording, &split, execution);
            (1..6).filter(|call| boundary.crossing(&recording.requests[0], *call, 0).is_some()).collect()
        };
        // Called by `main` it crosses, as a message of a signal would; the framework calls a hook.
        assert_eq!(crossings(Execution::Rewritten), [2]);
        assert_eq!(crossings(Execution::Rehearsed), [2]);
    }

    /// `vault:lock` makes the coroutine of `vault:_lock` for `main`, which no other module names.
    #[test]
    fn what_its_own_module_makes_is_priced_and_stays_in_a_rehearsal() {
        let mut recording = recording();
        let made =
            Function { module: 2, qualname: "_lock".into(), is_unnamed: true, is_made: true, ..Function::default() };
        recording.functions.push(made);
        let calls = &mut recording.requests[0].calls;
        calls[2].makes = Makes::Call;
        calls[3].function = 5;
        calls[3].arguments = Some(Payload::default());
        calls.truncate(4);
        let services = BTreeMap::from([("vault".to_owned(), vec!["vault".to_owned()])]);
        let split = Split { services, ..Split::default() };
        let boundary = |execution| Boundary::new(&recording, &split, execution);
        let crosses = |execution| boundary(execution).crossing(&recording.requests[0], 3, 0);
        assert_eq!(
            crosses(Execution::Rewritten),
            Some(Crosses { to: 1, readiness: Readiness::Ready, in_rehearsal: InRehearsal::NeedsWork })
        );
        assert_eq!(crosses(Execution::Rehearsed), None);
        let local = boundary(Execution::Rehearsed).local_functions();
        assert_eq!(local, ["vault:Line.total", "vault:_lock", "vault:lock"]);
    }

    /// `main:view` calls `vault:lock` at 10 and again at 30, and each calls `kinds:kind`, which uses the database. `writer` has
    /// written what is not committed from 5 to 40. Returns the calls that cross in a rehearsal.
    fn crossings_with_writes(writer: Option<CallIndex>, services: &[(&str, &[&str])], to: Execution) -> Vec<CallIndex> {
        let mut recording = recording();
        let request = &mut recording.requests[0];
        let call = |function, parent, start, wall| Call {
            function,
            parent,
            arguments: Some(Payload::default()),
            segments: vec![Segment {
                start: Nanos::from_nanos(start),
                wall: Nanos::from_nanos(wall),
                ..Segment::default()
            }],
            ..Call::default()
        };
        request.calls.truncate(2);
        request.calls.extend([call(2, 1, 10, 10), call(4, 2, 12, 5), call(2, 1, 30, 10), call(4, 4, 32, 5)]);
        let reads = |call| Statement { call, ..Statement::default() };
        request.statements = vec![reads(3), reads(5)];
        let uncommitted = |call| Uncommitted { call, start: Nanos::from_nanos(5), end: Nanos::from_nanos(40) };
        request.uncommitted = writer.map(uncommitted).into_iter().collect();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let services = services.iter().map(|(service, names)| ((*service).to_owned(), owned(names))).collect();
        let split = Split { services, ..Split::default() };
        let boundary = Boundary::new(&recording, &split, to);
        let request = &recording.requests[0];
        let mut runs_in = vec![0; request.calls.len()];
        let mut crossings = Vec::new();
        for (index, call) in (0..).zip(&request.calls).skip(1) {
            let from = runs_in[call.parent as usize];
            let crosses = boundary.crossing(request, index, from);
            runs_in[index as usize] = crosses.map_or(from, |crosses| crosses.to);
            crossings.extend(crosses.map(|_| index));
        }
        crossings
    }

    #[test]
    fn a_call_that_needs_uncommitted_writes_stays_with_them() {
        let both: &[(&str, &[&str])] = &[("vault", &["vault", "kinds"])];
        let each: &[(&str, &[&str])] = &[("kinds", &["kinds"]), ("vault", &["vault"])];
        let rehearsed = |writer, services| crossings_with_writes(writer, services, Execution::Rehearsed);
        assert_eq!(rehearsed(None, both), [2, 4]);
        assert_eq!(rehearsed(None, each), [2, 3, 4, 5]);
        // `view` has written: what it calls stays, and so does what that calls, as it runs in the same process.
        assert!(rehearsed(Some(1), both).is_empty());
        assert!(rehearsed(Some(1), each).is_empty());
        // The first `lock` has written, in its own service, and its answer commits that.
        assert_eq!(rehearsed(Some(2), both), [2, 4]);
        assert_eq!(rehearsed(Some(2), each), [2, 4, 5]);
        assert_eq!(
            crossings_with_writes(Some(1), each, Execution::Rewritten),
            [2, 3, 4, 5],
            "a real split would have several transactions"
        );
    }

    #[test]
    fn writes_count_until_they_are_committed() {
        let mut recording = recording();
        let request = &mut recording.requests[0];
        request.calls[2].segments = vec![Segment { start: Nanos::from_nanos(10), ..Segment::default() }];
        request.statements = vec![Statement { call: 2, ..Statement::default() }];
        let services = BTreeMap::from([("vault".to_owned(), vec!["vault".to_owned()])]);
        let split = Split { services, ..Split::default() };
        let mut stays = |start, end| {
            let held = Uncommitted { call: 1, start: Nanos::from_nanos(start), end: Nanos::from_nanos(end) };
            recording.requests[0].uncommitted = vec![held];
            let boundary = Boundary::new(&recording, &split, Execution::Rehearsed);
            boundary.crossing(&recording.requests[0], 2, 0).is_none()
        };
        assert!(stays(10, 11), "they are found when the call begins");
        assert!(!stays(5, 10), "they are committed");
        assert!(!stays(11, 12), "they come later");
    }

    #[test]
    fn code_of_another_service_calls_its_own_service_directly() {
        let services: &[(&str, &[&str])] = &[("prices", &["shop.prices", "shop.taxes"])];
        // `quote` runs in the caller, say, because of its arguments: what it calls in its own service is not sent there.
        let rehearsed = crossings(services, Execution::Rehearsed, &[0; 5]);
        assert_eq!(rehearsed, ["ready shop.prices:quote"]);
    }
}
