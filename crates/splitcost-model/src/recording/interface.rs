//! The interfaces of a split's services as they were recorded: the document behind `splitcost show --boundary`.
//!
//! Rates are per request of any endpoint, over the requests that did not fail. All calls between services count, as after
//! the code was changed where it needs to be.

use serde::{Deserialize, Serialize};

use super::shape::{Field, Shape};
use super::tables::TableAccess;
use crate::boundary::{Local, Readiness};
use crate::database::{CutJoin, CutTransaction, Owner, Site};
use crate::estimate::{CallPrice, CallPrices};

/// The interfaces of all services of a split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interfaces {
    /// The split.
    pub split: String,
    /// Requests that did not fail.
    pub requests: u64,
    /// The services, `main` first.
    pub services: Vec<ServiceInterface>,
    /// Statements on tables of several services; each has to be taken apart with a database for each service.
    pub cut_joins: Vec<CutJoin>,
    /// Transactions that write tables of several services.
    pub cut_transactions: Vec<CutTransaction>,
}

impl Interfaces {
    /// Adds the prices of an estimate to the functions.
    pub fn price(&mut self, prices: &CallPrices) {
        for service in &mut self.services {
            for function in &mut service.functions {
                function.price = prices.of_call(&service.service, &function.function);
                function.added_ms_per_request = function.price.map(|price| price.added_ms * function.calls_per_request);
            }
            let added = service.functions.iter().filter_map(|function| function.added_ms_per_request);
            service.added_ms_per_request = added.reduce(|sum, millis| sum + millis);
        }
    }

    /// Returns all places in the app's source.
    pub fn sites_mut(&mut self) -> impl Iterator<Item = &mut Site> {
        let services = self.services.iter_mut().flat_map(ServiceInterface::sites_mut);
        let cuts = self.cut_transactions.iter_mut().flat_map(|cut| &mut cut.sites);
        services.chain(cuts).chain(self.cut_joins.iter_mut().map(|cut| &mut cut.site))
    }
}

/// The interface of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceInterface {
    /// The service.
    pub service: String,
    /// Its modules in the recording; of `main`, those that no other service claims.
    pub modules: Vec<String>,
    /// Calls of its functions from other services per request.
    #[serde(default)]
    pub calls_per_request: f64,
    /// Encoded bytes of the arguments and results of these calls per request, as far as calls were sampled.
    #[serde(default)]
    pub bytes_per_request: f64,
    /// Wall time that these calls add per request, without queueing, as far as they are priced; absent without an estimate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub added_ms_per_request: Option<f64>,
    /// The functions that other services call, most calls first.
    pub functions: Vec<InterfaceFunction>,
    /// The functions that other services use where they are: these need the code.
    pub shared_code: Vec<SharedFunction>,
    /// The tables that its modules own, or use.
    pub tables: Vec<InterfaceTable>,
    /// Variables of the environment and settings that its modules read, by name; absent where the source was not looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub settings: Option<Vec<SettingRead>>,
}

impl ServiceInterface {
    fn sites_mut(&mut self) -> impl Iterator<Item = &mut Site> {
        let functions = self.functions.iter_mut().flat_map(|function| {
            let called = function.callers.iter_mut().flat_map(|caller| &mut caller.sites);
            std::iter::once(&mut function.defined).chain(called)
        });
        functions.chain(self.settings.iter_mut().flatten().map(|read| &mut read.site))
    }
}

/// The kind of a function in an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceKind {
    /// `def` at module level.
    #[default]
    Function,
    /// `async def` at module level.
    Coroutine,
    /// A function with `yield`.
    Generator,
    /// A coroutine with `yield`.
    AsyncGenerator,
    /// A method of an object.
    Method,
    /// An `async` method of an object.
    CoroutineMethod,
    /// A method of a class.
    ClassMethod,
    /// A function in the namespace of a class, or a method whose object was not sampled.
    StaticMethod,
}

impl InterfaceKind {
    /// Returns the words used in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Coroutine => "coroutine",
            Self::Generator => "generator",
            Self::AsyncGenerator => "async generator",
            Self::Method => "method",
            Self::CoroutineMethod => "coroutine method",
            Self::ClassMethod => "class method",
            Self::StaticMethod => "static method",
        }
    }
}

/// A function that other services call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InterfaceFunction {
    /// Its name, as `shop.pricing:quote`.
    pub function: String,
    /// Its kind.
    pub kind: InterfaceKind,
    /// The place of its definition.
    pub defined: Site,
    /// The work that its calls need before they can cross.
    pub readiness: Readiness,
    /// The values in the way and why; absent where its calls are ready.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Arguments of the calls that were sampled, without the object that a method is called on.
    pub arguments: Vec<Field>,
    /// The result; absent where no result was sampled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<Shape>,
    /// Types of the exceptions that calls ended with.
    pub exceptions: Vec<String>,
    /// Calls whose arguments were sampled.
    pub samples: u64,
    /// Calls from other services per request.
    pub calls_per_request: f64,
    /// Encoded size of the arguments and the result of a call, mean of the samples; absent where none was sampled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes_per_call: Option<f64>,
    /// Encoded bytes of the arguments and results per request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes_per_request: Option<f64>,
    /// The price of a call, mean; absent without an estimate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub price: Option<CallPrice>,
    /// Wall time that the calls add per request, without queueing; absent without an estimate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub added_ms_per_request: Option<f64>,
    /// The callers, most calls first.
    pub callers: Vec<InterfaceCaller>,
}

/// The calls of a function from one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InterfaceCaller {
    /// The service where the call is made.
    pub service: String,
    /// The calling function, as `shop.orders:_lines`.
    pub caller: String,
    /// The call sites in it, as far as calls were sampled, in the order of the source.
    pub sites: Vec<Site>,
    /// Calls per request.
    pub calls_per_request: f64,
    /// The endpoint whose requests make most calls each.
    pub endpoint: String,
    /// Calls per request of this endpoint.
    pub calls_per_request_of_endpoint: f64,
    /// Calls that one call of the caller makes, mean over the callers that make any.
    pub calls_per_caller: f64,
    /// The most calls that one call of the caller made.
    pub calls_per_caller_max: u64,
}

/// A function that other services use and that never crosses: they need its code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharedFunction {
    /// Its name, as `shop.pricing.models:Money.rounded`.
    pub function: String,
    /// The reason why it never crosses.
    pub reason: Local,
    /// Calls from other services per request.
    pub calls_per_request: f64,
}

/// A table that a service owns or uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InterfaceTable {
    /// The table.
    pub table: String,
    /// The service that owns it; absent where nobody maps it and nobody writes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owned_by: Option<String>,
    /// The module that owns it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Owner>,
    /// The modules of this service that use it.
    pub accesses: Vec<TableAccess>,
    /// The other services that use it.
    pub shared_with: Vec<String>,
}

/// A setting that a module reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SettingRead {
    /// The kind of setting.
    pub kind: SettingKind,
    /// Its name.
    pub name: String,
    /// The module that reads it.
    pub module: String,
    /// The place.
    pub site: Site,
}

/// The kind of a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// A variable of the environment.
    #[default]
    Environment,
    /// A field of settings, as `Settings.database_url` where a class defines it and `settings.database_url` where it is read.
    Field,
    /// An attribute of Django's settings.
    Django,
    /// A key of Flask's configuration.
    Flask,
}

impl SettingKind {
    /// Returns the words used in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "variable of the environment",
            Self::Field => "field of settings",
            Self::Django => "Django setting",
            Self::Flask => "key of Flask's configuration",
        }
    }
}

/// The work that a real split needs, in the order in which it is best done: the document behind `splitcost show --boundary
/// SPLIT --plan`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The split.
    pub split: String,
    /// Requests that did not fail.
    pub requests: u64,
    /// The origin of the prices; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub priced_by: Option<PricedBy>,
    /// The steps, by kind of work, and then with most calls first.
    pub steps: Vec<PlanStep>,
}

/// The calibration behind the prices of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedBy {
    /// Its stack.
    pub stack: String,
    /// Time of the calibration.
    pub measured_at: String,
}

/// The kind of work in a step of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanWork {
    /// None: the calls cross as they are.
    #[default]
    Nothing,
    /// An adapter: a resource that the callee obtains, a service object that is found by its name.
    Adapter,
    /// One call with many items instead of many calls.
    Batch,
    /// Other code: an object that stays where it is, a callback, a live resource.
    Rewrite,
}

impl PlanWork {
    /// Every kind, in order.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Adapter, Self::Batch, Self::Rewrite];

    /// Returns the heading used in text.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Nothing => "Crosses as it is",
            Self::Adapter => "Needs an adapter",
            Self::Batch => "Batch: called many times by one caller",
            Self::Rewrite => "Rewrite",
        }
    }
}

/// The work on one function; of a batch, for one of its callers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The kind of work.
    pub work: PlanWork,
    /// The service that is called.
    pub service: String,
    /// The function.
    pub function: String,
    /// The work that its calls need before they can cross.
    pub readiness: Readiness,
    /// The values in the way and why; absent where its calls are ready.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The call sites to look at, as far as calls were sampled.
    pub sites: Vec<Site>,
    /// Calls from other services per request.
    pub calls_per_request: f64,
    /// Calls per request with one call for each caller; only of a batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batched_calls_per_request: Option<f64>,
    /// The caller; only of a batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caller: Option<InterfaceCaller>,
    /// Encoded bytes of the arguments and results per request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes_per_request: Option<f64>,
    /// The price: wall time that the calls add per request, without queueing; absent without an estimate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub added_ms_per_request: Option<f64>,
    /// Wall time that the calls of one caller add, mean; only of a batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub added_ms_per_caller: Option<f64>,
    /// The price with one call for each caller that carries all the data; only of a batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batched_ms_per_request: Option<f64>,
}
