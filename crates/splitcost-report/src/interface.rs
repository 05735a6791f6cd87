//! The [`Interfaces`] of a split for a terminal, and as code: pydantic models, a `.proto`, an OpenAPI document.

mod openapi;
mod proto;
mod pydantic;
mod schema;

use std::collections::BTreeMap;
use std::fmt::Write;

use splitcost_model::database::{ServiceTables, Site};
use splitcost_model::recording::interface::{
    InterfaceCaller, InterfaceFunction, InterfaceTable, Interfaces, Plan, PlanStep, PlanWork, ServiceInterface,
    SettingKind,
};
use splitcost_model::recording::shape::{Field, Shape, merge_fields};
use splitcost_model::recording::tables::TableAccess;

use crate::number::{count, number, short};
use crate::recording::{FittedTable, last_parts};
use crate::text::wrap;

/// Renders the interfaces as text, with lines of at most `width` characters (at least 60) where names allow it.
pub fn render(interfaces: &Interfaces, width: usize) -> String {
    let mut page = Page { out: String::new(), width: width.max(60) };
    page.line(
        0,
        &format!(
            "The split {}, as recorded in {} requests. Rates are per request of any endpoint.",
            interfaces.split,
            count(interfaces.requests)
        ),
    );
    for service in &interfaces.services {
        page.service(service);
    }
    page.cuts(interfaces);
    page.out
}

/// Returns a Python module with pydantic models of the arguments and the result of each function.
pub fn pydantic(interfaces: &Interfaces, service: &ServiceInterface) -> String {
    pydantic::render(service, &heading(interfaces, service))
}

/// Returns a `.proto` of proto3 with a call for each function.
pub fn proto(interfaces: &Interfaces, service: &ServiceInterface) -> String {
    proto::render(service, &heading(interfaces, service))
}

/// Returns an `OpenAPI` 3.1 document, as JSON, with an operation for each function.
pub fn openapi(interfaces: &Interfaces, service: &ServiceInterface) -> String {
    openapi::render(service, &heading(interfaces, service))
}

fn heading(interfaces: &Interfaces, service: &ServiceInterface) -> String {
    format!(
        "The interface of the service {} in the split {}, as {} requests used it.",
        service.service, interfaces.split, interfaces.requests
    )
}

/// Renders a plan as text, with lines of at most `width` characters (at least 60) where names allow it.
pub fn render_plan(plan: &Plan, width: usize) -> String {
    let mut page = Page { out: String::new(), width: width.max(60) };
    page.line(
        0,
        &format!(
            "The split {}, as recorded in {} requests. Rates are per request of any endpoint.",
            plan.split,
            count(plan.requests)
        ),
    );
    if let Some(by) = &plan.priced_by {
        let text = "The prices are the times that calls add, without queueing, by the calibration of";
        page.line(0, &format!("{text} {} at {}.", by.stack, by.measured_at));
    }
    for work in PlanWork::ALL {
        let steps: Vec<&PlanStep> = plan.steps.iter().filter(|step| step.work == work).collect();
        if steps.is_empty() {
            continue;
        }
        let calls: f64 = steps.iter().map(|step| step.calls_per_request).sum();
        let priced = steps.iter().filter_map(|step| step.added_ms_per_request);
        page.line(0, "");
        page.line(
            0,
            &format!(
                "{}: {} calls per request{}",
                work.heading(),
                short(calls),
                price(priced.reduce(|sum, millis| sum + millis))
            ),
        );
        for step in steps {
            page.step(step);
        }
    }
    page.out
}

/// Text under construction.
struct Page {
    out: String,
    width: usize,
}

impl Page {
    /// Appends a paragraph; its further lines are indented.
    fn line(&mut self, indent: usize, text: &str) {
        let mut lines = Vec::new();
        wrap(text, self.width - indent, 4, &mut lines);
        for line in lines {
            let _ = writeln!(self.out, "{}{line}", " ".repeat(indent));
        }
    }

    fn step(&mut self, step: &PlanStep) {
        let bytes = step.bytes_per_request.map_or_else(String::new, |b| format!(", {} bytes", count(b.round() as u64)));
        let batched = step.batched_calls_per_request.map_or_else(String::new, |calls| {
            format!("; if batched, {} calls{}", short(calls), price(step.batched_ms_per_request))
        });
        let calls = short(step.calls_per_request);
        let added = price(step.added_ms_per_request);
        self.line(2, &format!("{} ({}): {calls} calls{bytes}{added}{batched}", step.function, step.service));
        if let Some(caller) = &step.caller {
            let added = step.added_ms_per_caller.map_or_else(String::new, |ms| format!(": +{} ms", number(ms)));
            let most = count(caller.calls_per_caller_max);
            let times = number(caller.calls_per_caller);
            self.line(4, &format!("{} calls it {times} times, at most {most}{added}", caller.caller));
        }
        let reason = step.reason.as_ref().filter(|_| step.work != PlanWork::Batch);
        if let Some(reason) = reason {
            self.line(4, &format!("{}: {reason}", step.readiness.name()));
        }
        if step.work != PlanWork::Nothing && !step.sites.is_empty() {
            let sites: Vec<String> = step.sites.iter().map(place).collect();
            self.line(4, &format!("at {}", sites.join(", ")));
        }
    }

    fn service(&mut self, service: &ServiceInterface) {
        self.line(0, "");
        let modules =
            if service.modules.is_empty() { "no recorded module".to_owned() } else { service.modules.join(", ") };
        self.line(0, &format!("# Service {}: {modules}", service.service));
        if service.functions.is_empty() {
            self.line(0, "No other service calls it.");
        } else {
            let functions = service.functions.len();
            let plural = if functions == 1 { "function" } else { "functions" };
            self.line(
                0,
                &format!(
                    "Other services call {functions} {plural}: {} calls and {} bytes per request.",
                    short(service.calls_per_request),
                    count(service.bytes_per_request.round() as u64)
                ),
            );
        }
        for function in &service.functions {
            self.line(0, "");
            self.function(function);
        }
        self.types(service);
        self.shared_code(service);
        self.tables(service);
        self.settings(service);
    }

    fn function(&mut self, function: &InterfaceFunction) {
        self.line(0, &signature(function));
        let bytes = function.bytes_per_request.map_or_else(
            || "its payloads were not sampled".to_owned(),
            |bytes| format!("{} bytes", count(bytes.round() as u64)),
        );
        let calls = short(function.calls_per_request);
        self.line(2, &format!("{}; {calls} calls per request, {bytes}", function.kind.name()));
        let reason = function.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        self.line(2, &format!("{}{reason}", function.readiness.name()));
        if !function.exceptions.is_empty() {
            self.line(2, &format!("raises {}", function.exceptions.join(", ")));
        }
        for caller in &function.callers {
            self.line(2, &called_by(caller));
        }
    }

    /// Appends the fields of the objects in arguments and results.
    fn types(&mut self, service: &ServiceInterface) {
        let types = types_of(service);
        if types.is_empty() {
            return;
        }
        self.line(0, "");
        self.line(0, "Types in arguments and results");
        for (name, fields) in types {
            let fields: Vec<String> = fields.iter().map(field).collect();
            self.line(2, &format!("{name}({})", fields.join(", ")));
        }
    }

    fn shared_code(&mut self, service: &ServiceInterface) {
        let mut table = FittedTable::new(self.width, &["function", "calls", "reason"]);
        for function in &service.shared_code {
            table.row(vec![
                function.function.clone(),
                short(function.calls_per_request),
                function.reason.in_words().to_owned(),
            ]);
        }
        table.left(&[2]).render(&mut self.out, "Code that other services need too: its calls never cross");
    }

    fn tables(&mut self, service: &ServiceInterface) {
        let mut table = FittedTable::new(self.width, &["table", "owner", "reads", "writes", "rows", "shared with"]);
        for one in &service.tables {
            let sum = |of: fn(&_) -> f64| short(one.accesses.iter().map(of).sum());
            table.row(vec![
                one.table.clone(),
                owner(one),
                sum(|access: &TableAccess| access.reads_per_request),
                sum(|access: &TableAccess| access.writes_per_request),
                sum(|access: &TableAccess| access.rows_per_request),
                if one.shared_with.is_empty() { "–".to_owned() } else { one.shared_with.join(", ") },
            ]);
        }
        table.left(&[1, 5]).render_all(&mut self.out, "Tables (statements and rows of its modules per request)");
    }

    fn settings(&mut self, service: &ServiceInterface) {
        let by_name = settings_by_name(service);
        if by_name.is_empty() {
            return;
        }
        self.line(0, "");
        self.line(0, "Settings that its modules read");
        for ((kind, name), sites) in by_name {
            let places: Vec<String> = sites.into_iter().map(place).collect();
            self.line(2, &format!("{name} ({}) at {}", kind.name(), places.join(", ")));
        }
    }

    fn cuts(&mut self, interfaces: &Interfaces) {
        let mut table = FittedTable::new(self.width, &["endpoint", "per request", "tables", "writes at"]);
        for cut in &interfaces.cut_transactions {
            let sites: Vec<String> = cut.sites.iter().map(place).collect();
            table.row(vec![
                cut.endpoint.clone(),
                short(cut.transactions_per_request),
                owners(&cut.owners),
                sites.join(", "),
            ]);
        }
        table.left(&[2, 3]).render_all(&mut self.out, "Transactions that write tables of several services");
        let mut table = FittedTable::new(self.width, &["endpoint", "per request", "tables", "at"]);
        for cut in &interfaces.cut_joins {
            table.row(vec![
                cut.endpoint.clone(),
                short(cut.statements_per_request),
                owners(&cut.owners),
                place(&cut.site),
            ]);
        }
        table.left(&[2, 3]).render_all(&mut self.out, "Statements on tables of several services at once");
    }
}

/// Returns a price as a further part of a sentence; nothing where it is not known.
fn price(added_ms_per_request: Option<f64>) -> String {
    added_ms_per_request.map_or_else(String::new, |millis| format!(", +{} ms/request", number(millis)))
}

/// Returns the fields of the objects in arguments and results, by the names of the objects.
pub(crate) fn types_of(service: &ServiceInterface) -> BTreeMap<String, Vec<Field>> {
    let mut types = BTreeMap::new();
    for function in &service.functions {
        let arguments = function.arguments.iter().map(|argument| &argument.shape);
        arguments.chain(&function.result).for_each(|shape| collect(shape, &mut types));
    }
    types
}

/// Returns the places where each setting is read.
pub(crate) fn settings_by_name(service: &ServiceInterface) -> BTreeMap<(SettingKind, &str), Vec<&Site>> {
    let mut by_name: BTreeMap<_, Vec<&Site>> = BTreeMap::new();
    for read in service.settings.iter().flatten() {
        let sites = by_name.entry((read.kind, read.name.as_str())).or_default();
        if sites.last() != Some(&&read.site) {
            sites.push(&read.site);
        }
    }
    by_name
}

/// Returns a function as its definition would be written.
fn signature(function: &InterfaceFunction) -> String {
    let arguments: Vec<String> = function.arguments.iter().map(field).collect();
    let arguments = if function.samples == 0 { "…".to_owned() } else { arguments.join(", ") };
    let result = function.result.as_ref().map(|result| format!(" -> {}", result.annotation())).unwrap_or_default();
    format!("{}({arguments}){result}", function.function)
}

pub(crate) fn field(field: &Field) -> String {
    let optional = if field.is_required { "" } else { " = …" };
    format!("{}: {}{optional}", field.name, field.shape.annotation())
}

fn called_by(caller: &InterfaceCaller) -> String {
    let InterfaceCaller { service, caller: name, sites, calls_per_request, endpoint, .. } = caller;
    let sites: Vec<String> = sites.iter().map(place).collect();
    let at = if sites.is_empty() { String::new() } else { format!(" at {}", sites.join(", ")) };
    format!(
        "called by {name} in {service}{at}: {} per request; {} in {endpoint}",
        short(*calls_per_request),
        number(caller.calls_per_request_of_endpoint)
    )
}

/// Collects the objects in a shape by their names.
fn collect(shape: &Shape, types: &mut BTreeMap<String, Vec<Field>>) {
    match shape {
        Shape::Model(model) => {
            let known = types.remove(&shape.annotation());
            let fields = match known {
                Some(known) => merge_fields(known, model.fields.clone()),
                None => model.fields.clone(),
            };
            types.insert(shape.annotation(), fields);
            model.fields.iter().for_each(|field| collect(&field.shape, types));
        }
        Shape::List(element) | Shape::Set(element) | Shape::Map(element) => collect(element, types),
        Shape::Tuple(all) | Shape::Any(all) => all.iter().for_each(|one| collect(one, types)),
        Shape::Dict(fields) => fields.iter().for_each(|field| collect(&field.shape, types)),
        _ => {}
    }
}

fn owner(table: &InterfaceTable) -> String {
    match (&table.owned_by, &table.owner) {
        (Some(service), Some(owner)) => format!("{service}: {} ({})", owner.module, owner.by.name()),
        _ => "–".to_owned(),
    }
}

pub(crate) fn owners(owners: &[ServiceTables]) -> String {
    let all = owners.iter().map(|owner| format!("{}: {}", owner.service, owner.tables.join(", ")));
    all.collect::<Vec<_>>().join("; ")
}

fn place(site: &Site) -> String {
    if site.file.is_empty() { "–".to_owned() } else { format!("{}:{}", last_parts(&site.file), site.line) }
}
