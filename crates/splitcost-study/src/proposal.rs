//! A first split, proposed from a recording.
//!
//! It is a module that others call, with much CPU time of its own and few calls across its boundary. The proposal is a
//! place to begin: it is not a search, and the verdict about it comes from an estimate like that of any other split.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use splitcost_model::boundary::{Boundary, Execution, Readiness};
use splitcost_model::database::{DataCrossings, Database, Owners};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::{FunctionId, ModuleId, Recording, Request};
use splitcost_model::split::{MAIN_SERVICE, Split};
use splitcost_recording::tree::own_cpu;

/// The last parts of the names of modules that start or configure an app, or are run by people.
///
/// Chosen: the usual names in the documentation and the project templates of the frameworks.
const STARTS: [&str; 27] = [
    "__main__",
    "app",
    "application",
    "apps",
    "asgi",
    "cli",
    "conf",
    "config",
    "conftest",
    "constants",
    "env",
    "environment",
    "fixtures",
    "init_db",
    "log",
    "logging",
    "main",
    "manage",
    "scripts",
    "server",
    "settings",
    "setup",
    "static",
    "templates",
    "urls",
    "version",
    "wsgi",
];

/// The last parts of the names of modules that serve all others.
///
/// Chosen: likewise.
const SHARED: [&str; 20] = [
    "admin",
    "api",
    "base",
    "common",
    "core",
    "database",
    "db",
    "deps",
    "errors",
    "exceptions",
    "extensions",
    "handlers",
    "helpers",
    "middleware",
    "models",
    "routes",
    "schemas",
    "types",
    "util",
    "utils",
];

/// The parts of names that make everything below them no part of a running app.
const NOT_RUN: [&str; 5] = ["migrations", "seed", "seeds", "test", "tests"];

/// The weight of a cut transaction, in calls.
///
/// Chosen: two services that have to agree cost more work than any call.
const CUT_TRANSACTION: f64 = 10.0;

/// The share of CPU time below which a module is a small part of the app.
///
/// Chosen: a service that computes less saves nobody a process.
const LEAST_CPU_SHARE: f64 = 0.05;

/// A module that could become the first service, with the reasons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// The module.
    pub module: String,
    /// Calls per request between it and the rest of the app.
    pub calls_per_request: f64,
    /// Share of these calls that cross with the code as it is.
    pub ready_share: f64,
    /// Share of the app's CPU time that the module spends itself.
    pub cpu_share: f64,
    /// Statements per request on tables of the other side, if each service had a database of its own.
    pub foreign_statements_per_request: f64,
    /// Transactions per request that write tables of both sides.
    pub cut_transactions_per_request: f64,
    /// True where its name says that it serves all others, and no other module is fit.
    pub is_shared: bool,
    /// The cost of its boundary, in calls that are ready.
    boundary_cost: f64,
}

/// The reasons why no module can be proposed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProposal {
    /// The modules that others call, each with the reason why it stays.
    pub called: Vec<(String, Unfit)>,
}

/// A reason why a module is not proposed as a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The framework calls it for more than half of the endpoints, as their handler or around it: the rest would be the
    /// service.
    HandlesMost,
    /// Its name is one of those that start, configure, fill or test an app.
    Starts,
}

impl Proposal {
    /// Returns the name of the split and of its service.
    pub fn name(&self) -> String {
        let last = last_part(&self.module).replace('_', "-");
        let is_name = last.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && last != MAIN_SERVICE;
        if is_name { last } else { "first".to_owned() }
    }

    /// Returns the split.
    pub fn split(&self) -> Split {
        let services = BTreeMap::from([(self.name(), vec![self.module.clone()])]);
        Split { name: self.name(), services, ..Split::default() }
    }

    /// Returns the proposal as a table of the settings.
    pub fn toml(&self) -> String {
        let name = self.name();
        format!("[splits.{name}]\nservices = {{ {name} = [\"{}\"] }}\n", self.module)
    }

    /// Returns true if another module is preferred, whatever the calls: this one serves all others, or does hardly anything.
    fn is_last_choice(&self) -> bool {
        self.is_shared || self.cpu_share < LEAST_CPU_SHARE
    }

    /// Returns the share of CPU time that moves for each call of the boundary.
    fn score(&self) -> f64 {
        self.cpu_share / (1.0 + self.boundary_cost)
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} spends {:.0} % of the CPU time in itself; {:.1} calls per request would cross, {:.0} % of them as they are",
            self.module,
            self.cpu_share * 100.0,
            self.calls_per_request,
            self.ready_share * 100.0
        )?;
        if self.foreign_statements_per_request > 0.0 {
            write!(
                f,
                "; {:.1} statements per request use tables of the other side",
                self.foreign_statements_per_request
            )?;
        }
        if self.cut_transactions_per_request > 0.0 {
            write!(f, "; {:.1} transactions per request write tables of both", self.cut_transactions_per_request)?;
        }
        if self.is_shared {
            write!(f, "; by its name it serves all others, but no other module is fit")?;
        }
        Ok(())
    }
}

impl fmt::Display for NoProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.called.is_empty() {
            return write!(f, "no module of the recording calls a function of another one that could cross");
        }
        let reasons: Vec<String> = self
            .called
            .iter()
            .map(|(module, unfit)| match unfit {
                Unfit::HandlesMost => format!("{module} is called by the framework for most endpoints"),
                Unfit::Starts => format!("{module} starts, configures, fills or tests the app"),
            })
            .collect();
        write!(f, "of the modules that others call, {}", reasons.join(", "))
    }
}

/// Proposes the module that becomes a service of its own first. `table_owners` are those of the settings.
///
/// # Errors
/// The reasons, where no module is fit.
pub fn propose(recording: &Recording, table_owners: &BTreeMap<String, String>) -> Result<Proposal, NoProposal> {
    let requests: Vec<&Request> = recording.requests.iter().filter(|request| !recording.has_failed(request)).collect();
    let own: Vec<Nanos> = own_by_module(recording, &requests);
    let entered = entered(recording, &requests);
    let owners = Owners::of(recording, table_owners);
    let mut proposals = Vec::new();
    let mut called = Vec::new();
    for module in recording.modules.iter().skip(Recording::ROOT_MODULE as usize + 1) {
        let is_shared = SHARED.contains(&last_part(module));
        let mut proposal = Proposal { module: module.clone(), is_shared, ..Proposal::default() };
        if !proposal.cross(recording, &requests) {
            continue;
        }
        if handles_most(recording, &entered, &proposal.split()) {
            called.push((module.clone(), Unfit::HandlesMost));
        } else if starts(module) {
            called.push((module.clone(), Unfit::Starts));
        } else {
            proposal.weigh(recording, &requests, &own, &owners);
            proposals.push(proposal);
        }
    }
    proposals.sort_by(|one, other| {
        one.is_last_choice().cmp(&other.is_last_choice()).then_with(|| other.score().total_cmp(&one.score()))
    });
    proposals.into_iter().next().ok_or(NoProposal { called })
}

impl Proposal {
    /// Counts the calls that cross. Returns true if one goes into the module.
    fn cross(&mut self, recording: &Recording, requests: &[&Request]) -> bool {
        let split = self.split();
        let boundary = Boundary::new(recording, &split, Execution::Rewritten);
        let (mut calls, mut ready, mut weighted, mut into) = (0_u64, 0_u64, 0_u64, false);
        for request in requests {
            for index in 1..request.calls.len() as u32 {
                let parent = request.calls[request.calls[index as usize].parent as usize].function;
                let caller = recording.functions[parent as usize].module;
                if caller == Recording::ROOT_MODULE {
                    continue;
                }
                if let Some(crossing) = boundary.crossing(request, index, boundary.service_of(caller)) {
                    calls += 1;
                    ready += u64::from(crossing.readiness == Readiness::Ready);
                    weighted += weight(crossing.readiness);
                    into |= crossing.to != 0;
                }
            }
        }
        let each = requests.len().max(1) as f64;
        self.calls_per_request = calls as f64 / each;
        self.ready_share = ready as f64 / calls.max(1) as f64;
        self.boundary_cost = weighted as f64 / each;
        into
    }

    /// Adds the shares of CPU time and the use of tables.
    fn weigh(&mut self, recording: &Recording, requests: &[&Request], own: &[Nanos], owners: &Owners) {
        let split = Split { database: Database::PerService, ..self.split() };
        let nanos = |nanos: &Nanos| nanos.as_nanos_f64();
        let inside = recording.modules.iter().zip(own).filter(|(module, _)| split.service_of(module) != MAIN_SERVICE);
        let inside: f64 = inside.map(|(_, own)| nanos(own)).sum();
        let all: f64 = own.iter().map(nanos).sum();
        self.cpu_share = if all > 0.0 { inside / all } else { 0.0 };
        let data = DataCrossings::of(recording, &split, owners);
        let share_of = |endpoint: &str| {
            requests.iter().filter(|request| request.endpoint == endpoint).count() as f64 / requests.len().max(1) as f64
        };
        self.foreign_statements_per_request =
            data.foreign.iter().map(|access| access.statements_per_request * share_of(&access.endpoint)).sum();
        self.cut_transactions_per_request =
            data.cut_transactions.iter().map(|cut| cut.transactions_per_request * share_of(&cut.endpoint)).sum();
        self.boundary_cost += self.foreign_statements_per_request + CUT_TRANSACTION * self.cut_transactions_per_request;
    }
}

/// Returns the weight of a call, in calls that are ready.
///
/// Chosen: an adapter is about as much work again as the call; an object that stays, or code that has to change, several
/// times as much.
fn weight(readiness: Readiness) -> u64 {
    match readiness {
        Readiness::Ready => 1,
        Readiness::Adapted | Readiness::Object => 2,
        Readiness::ByReference | Readiness::Rewrite => 5,
    }
}

/// Returns, per module, the CPU time that its code spends outside calls of other modules.
fn own_by_module(recording: &Recording, requests: &[&Request]) -> Vec<Nanos> {
    let mut own = vec![Nanos::ZERO; recording.modules.len()];
    for request in requests {
        for (call, cpu) in request.calls.iter().zip(own_cpu(request)) {
            own[recording.functions[call.function as usize].module as usize] += cpu;
        }
    }
    own
}

/// Returns, per endpoint, the modules that the framework calls for it: the handler's, and those of middleware and hooks.
fn entered<'a>(recording: &Recording, requests: &[&'a Request]) -> BTreeMap<&'a str, BTreeSet<ModuleId>> {
    let module_of = |function: FunctionId| recording.functions[function as usize].module;
    let mut entered: BTreeMap<&str, BTreeSet<ModuleId>> = BTreeMap::new();
    for request in requests {
        let modules = entered.entry(&request.endpoint).or_default();
        modules.extend(request.handler.map(module_of));
        for call in request.calls.iter().skip(1) {
            if module_of(request.calls[call.parent as usize].function) == Recording::ROOT_MODULE {
                modules.insert(module_of(call.function));
            }
        }
    }
    entered
}

/// Returns true if the framework calls the services of a split, `main` excepted, for more than half of the endpoints.
fn handles_most(recording: &Recording, entered: &BTreeMap<&str, BTreeSet<ModuleId>>, split: &Split) -> bool {
    let is_moved = |module: &ModuleId| split.service_of(&recording.modules[*module as usize]) != MAIN_SERVICE;
    entered.values().filter(|modules| modules.iter().any(is_moved)).count() * 2 > entered.len()
}

/// Returns true if a module starts, configures, fills or tests an app, as far as its name says.
fn starts(module: &str) -> bool {
    let last = last_part(module);
    let is_private = last.starts_with("test_") || last.ends_with("_test") || last.starts_with('_');
    is_private || STARTS.contains(&last) || module.split('.').any(|part| NOT_RUN.contains(&part))
}

fn last_part(module: &str) -> &str {
    module.rsplit('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use splitcost_model::recording::statement::{Statement, StatementText};
    use splitcost_model::recording::{Call, Function, Payload, PayloadClass, Segment};

    use super::*;

    /// A request: its handler's module, and per call the caller's position, the module and the microseconds in it.
    struct Made(&'static str, &'static [(u32, &'static str, u64)]);

    const MODULES: [&str; 8] =
        ["(framework)", "shop.web", "shop.pricing", "shop.stock", "shop.seed", "shop.tests.fake", "shop.utils", "shop"];

    fn recording(made: &[Made]) -> Recording {
        let id = |name: &str| MODULES.iter().position(|module| *module == name).unwrap() as u32;
        let functions =
            (0..MODULES.len() as u32).map(|module| Function { module, qualname: "f".into(), ..Function::default() });
        let call = |module, parent, micros| {
            let cpu = Nanos::from_micros(micros);
            let payload = Some(Payload::default());
            let segments = vec![Segment { wall: cpu, cpu, ..Segment::default() }];
            Call { function: module, parent, segments, arguments: payload.clone(), result: payload, ..Call::default() }
        };
        let request = |(at, Made(handler, calls)): (usize, &Made)| {
            let inside: u64 = calls.iter().map(|(_, _, micros)| micros).sum();
            let first = [call(0, 0, inside + 200), call(id(handler), 0, inside + 100)];
            let calls =
                first.into_iter().chain(calls.iter().map(|(parent, name, micros)| call(id(name), *parent, *micros)));
            Request {
                endpoint: format!("GET /{at}"),
                calls: calls.collect(),
                handler: Some(id(handler)),
                ..Request::default()
            }
        };
        Recording {
            modules: MODULES.map(str::to_owned).to_vec(),
            functions: functions.collect(),
            requests: made.iter().enumerate().map(request).collect(),
            ..Recording::default()
        }
    }

    #[track_caller]
    fn check(recording: &Recording, expected: &str) {
        let said = match propose(recording, &BTreeMap::new()) {
            Ok(proposal) => format!("{proposal}\n{}", proposal.toml()),
            Err(none) => none.to_string(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_module_with_much_work_and_few_calls_is_proposed() {
        let made = [
            Made(
                "shop.web",
                &[(1, "shop.pricing", 400), (1, "shop.stock", 20), (1, "shop.stock", 20), (1, "shop.seed", 900)],
            ),
            Made("shop.web", &[(1, "shop.stock", 20), (1, "shop.tests.fake", 900), (1, "shop.utils", 900)]),
        ];
        check(
            &recording(&made),
            "shop.pricing spends 11 % of the CPU time in itself; 0.5 calls per request would cross, 100 % of them as they \
             are\n[splits.pricing]\nservices = { pricing = [\"shop.pricing\"] }\n",
        );
    }

    #[test]
    fn calls_that_need_work_and_cut_transactions_weigh_more() {
        let made = [Made("shop.web", &[(1, "shop.pricing", 300), (1, "shop.stock", 200)])];
        let proposed = |recording: &Recording| propose(recording, &BTreeMap::new()).unwrap().module;
        let mut recording = recording(&made);
        assert_eq!(proposed(&recording), "shop.pricing");
        let mut unready = recording.clone();
        unready.requests[0].calls[2].arguments = Some(Payload { class: PayloadClass::Callback, ..Payload::default() });
        assert_eq!(proposed(&unready), "shop.stock");
        let text = |table: &str| StatementText { writes: vec![table.into()], ..StatementText::default() };
        recording.statement_texts = vec![text("orders"), text("prices")];
        let statement = |call, text| Statement { call, text, transaction: Some(0), ..Statement::default() };
        recording.requests[0].statements = vec![statement(1, 0), statement(2, 1)];
        assert_eq!(proposed(&recording), "shop.stock");
    }

    #[test]
    fn without_a_fit_module_the_reasons_are_given() {
        check(
            &recording(&[Made("shop.web", &[])]),
            "no module of the recording calls a function of another one that could cross",
        );
        let made = [
            Made("shop.web", &[(1, "shop.seed", 5)]),
            Made("shop.pricing", &[(1, "shop.web", 5)]),
            Made("shop.web", &[]),
        ];
        check(
            &recording(&made),
            "of the modules that others call, shop.web is called by the framework for most endpoints, shop.seed starts, configures, fills or tests the \
             app",
        );
    }

    #[test]
    fn a_module_that_serves_all_others_or_does_hardly_anything_is_proposed_last() {
        let made = [Made("shop.web", &[(1, "shop.utils", 900), (1, "shop.stock", 80)])];
        assert_eq!(propose(&recording(&made), &BTreeMap::new()).unwrap().module, "shop.stock");
        let small = [Made("shop.web", &[(1, "shop.utils", 900), (1, "shop.stock", 5)])];
        assert_eq!(propose(&recording(&small), &BTreeMap::new()).unwrap().module, "shop.utils");
        let alone = propose(&recording(&[Made("shop.web", &[(1, "shop.utils", 900)])]), &BTreeMap::new()).unwrap();
        assert!(alone.to_string().ends_with("by its name it serves all others, but no other module is fit"));
    }

    #[test]
    fn the_package_of_all_modules_is_never_proposed() {
        let made = [Made("shop.web", &[(1, "shop", 900), (1, "shop.stock", 20)]), Made("shop.web", &[])];
        assert_eq!(propose(&recording(&made), &BTreeMap::new()).unwrap().module, "shop.stock");
    }
}
