//! Databases under a split: the modules that own tables, and the statements that a split would cut.
//!
//! With a shared database, a statement on the table of another service stays a statement. With a database for each
//! service it becomes a call to that service; a join across services has to be taken apart, and a transaction that
//! writes tables of several services is one no longer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::number::number;
use crate::recording::statement::{ConnectionWorkKind, Dialect, Statement, StatementText};
use crate::recording::{Recording, Request};
use crate::split::Split;
use crate::statistics::median;

/// The databases of a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Database {
    /// All services use the database of the monolith.
    #[default]
    Shared,
    /// Each service has a database of its own, with the tables that its modules own.
    PerService,
}

/// The time of getting a connection, and of giving it back, from which on a note says so.
///
/// Chosen: taking one from a pool takes less, and opening one more.
const NOTEWORTHY_CONNECTION_MS: f64 = 0.3;

/// The evidence for the owner of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ownership {
    /// The settings say so.
    Settings,
    /// A class of the module maps the table.
    Mapping,
    /// The module writes it most often.
    #[default]
    Writes,
}

impl Ownership {
    /// Returns the word used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Mapping => "mapping",
            Self::Writes => "writes",
        }
    }
}

/// The module that owns a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The module.
    pub module: String,
    /// The evidence.
    pub by: Ownership,
}

/// The owners of tables; a table that nobody maps and nobody writes has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    by_table: BTreeMap<String, Owner>,
}

impl Owners {
    /// Finds the owners: the settings (table → module) decide, then classes that map tables, then who writes most.
    pub fn of(recording: &Recording, settings: &BTreeMap<String, String>) -> Self {
        let mut by_table = BTreeMap::new();
        for (table, module) in by_writes(recording) {
            by_table.insert(table.to_owned(), Owner { module: module.to_owned(), by: Ownership::Writes });
        }
        for (table, module) in &recording.mapped_tables {
            by_table.insert(table.clone(), Owner { module: module.clone(), by: Ownership::Mapping });
        }
        for (table, module) in settings {
            by_table.insert(table.to_lowercase(), Owner { module: module.clone(), by: Ownership::Settings });
        }
        Self { by_table }
    }

    /// Returns the owner of a table.
    pub fn of_table(&self, table: &str) -> Option<&Owner> {
        self.by_table.get(table)
    }

    /// Returns the service that owns a table under a split.
    fn service_of<'a>(&self, split: &'a Split, table: &str) -> Option<&'a str> {
        self.of_table(table).map(|owner| split.service_of(&owner.module))
    }

    /// Returns, per statement text, the services that own the tables that it uses.
    pub fn services_of_texts<'a>(&self, recording: &Recording, split: &'a Split) -> Vec<Vec<&'a str>> {
        let texts = recording.statement_texts.iter();
        texts.map(|text| self.services(split, &text.tables()).into_keys().collect()).collect()
    }

    /// Returns the services that own these tables, with the tables of each.
    fn services<'a>(&self, split: &'a Split, tables: &[&str]) -> BTreeMap<&'a str, BTreeSet<String>> {
        let mut services: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for table in tables {
            if let Some(service) = self.service_of(split, table) {
                services.entry(service).or_default().insert((*table).to_owned());
            }
        }
        services
    }
}

/// Returns, per table, the module that writes it most often; the first one by name among equals.
fn by_writes(recording: &Recording) -> BTreeMap<&str, &str> {
    let mut writes: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for request in &recording.requests {
        for statement in &request.statements {
            let module = module_of(recording, request, statement);
            if module == Recording::ROOT_MODULE {
                continue;
            }
            for table in text_of(recording, statement).into_iter().flat_map(|text| &text.writes) {
                *writes.entry(table).or_default().entry(&recording.modules[module as usize]).or_default() += 1;
            }
        }
    }
    writes
        .into_iter()
        .filter_map(|(table, modules)| Some((table, modules.into_iter().rev().max_by_key(|(_, count)| *count)?.0)))
        .collect()
}

fn module_of(recording: &Recording, request: &Request, statement: &Statement) -> u32 {
    let call = request.calls.get(statement.call as usize);
    call.and_then(|call| recording.functions.get(call.function as usize))
        .map_or(Recording::ROOT_MODULE, |function| function.module)
}

fn text_of<'a>(recording: &'a Recording, statement: &Statement) -> Option<&'a StatementText> {
    recording.statement_texts.get(statement.text as usize)
}

/// A place in the app's source.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// The file; empty where the place is not known.
    pub file: String,
    /// The line.
    pub line: u32,
}

impl Site {
    fn of(statement: &Statement) -> Self {
        Self { file: statement.file.clone(), line: statement.line }
    }
}

/// The tables of one service that a statement or transaction uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceTables {
    /// The service that owns them.
    pub service: String,
    /// Their names, in alphabetical order.
    pub tables: Vec<String>,
}

/// The statements of one call site that use tables of another service. Rates count requests that did not fail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForeignAccess {
    /// The endpoint.
    pub endpoint: String,
    /// The module that issues the statements.
    pub module: String,
    /// The service of that module.
    pub service: String,
    /// The tables, and the service that owns them.
    pub owner: ServiceTables,
    /// The statement, without its literals.
    pub sql: String,
    /// True where it writes one of the tables.
    pub is_write: bool,
    /// Statements per request of the endpoint.
    pub statements_per_request: f64,
    /// Rows changed or fetched, per request.
    pub rows_per_request: f64,
    /// Approximate size of the parameters, per request.
    pub parameter_bytes_per_request: f64,
    /// Approximate size of the rows fetched, per request.
    pub row_bytes_per_request: f64,
    /// The call site.
    pub site: Site,
}

/// Statements of one call site that use tables of several services at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CutJoin {
    /// The endpoint.
    pub endpoint: String,
    /// The module that issues the statements.
    pub module: String,
    /// The services that own the tables; two at least.
    pub owners: Vec<ServiceTables>,
    /// The statement, without its literals.
    pub sql: String,
    /// Statements per request of the endpoint.
    pub statements_per_request: f64,
    /// The call site.
    pub site: Site,
}

/// Transactions of an endpoint that write tables of several services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CutTransaction {
    /// The endpoint.
    pub endpoint: String,
    /// The services that own the written tables; two at least.
    pub owners: Vec<ServiceTables>,
    /// Such transactions per request of the endpoint.
    pub transactions_per_request: f64,
    /// The call sites that write, as far as they are known, in alphabetical order.
    pub sites: Vec<Site>,
}

/// The statements that a split with a database for each service would turn into calls, or cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataCrossings {
    /// Statements on tables of other services; those of cut joins are among them, once for each such service.
    pub foreign: Vec<ForeignAccess>,
    /// Statements on tables of several services.
    pub cut_joins: Vec<CutJoin>,
    /// Transactions that write tables of several services.
    pub cut_transactions: Vec<CutTransaction>,
}

impl DataCrossings {
    /// Finds the data crossings of a split, each list with the highest rate first.
    ///
    /// Statements of the framework count for the module that handles the endpoint. Tables without an owner, and requests
    /// that failed, do not count.
    pub fn of(recording: &Recording, split: &Split, owners: &Owners) -> Self {
        let mut totals = Totals {
            recording,
            split,
            owners,
            handlers: recording.handler_modules(),
            requests: BTreeMap::new(),
            statements: BTreeMap::new(),
            transactions: BTreeMap::new(),
        };
        for request in recording.requests.iter().filter(|request| !recording.has_failed(request)) {
            totals.request(request);
        }
        totals.finish()
    }
}

/// Sums over the statements of one kind.
#[derive(Default)]
struct Sums {
    statements: u64,
    rows: u64,
    parameter_bytes: u64,
    row_bytes: u64,
}

impl Sums {
    fn add(&mut self, statement: &Statement) {
        self.statements += 1;
        self.rows += statement.rows;
        self.parameter_bytes += statement.parameter_bytes;
        self.row_bytes += statement.row_bytes;
    }
}

/// The statements of one text, module and call site in the requests of one endpoint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    endpoint: &'a str,
    module: u32,
    text: u32,
    site: Site,
}

/// Transactions that write for the same services.
#[derive(Default)]
struct Writers {
    transactions: u64,
    sites: BTreeSet<Site>,
}

struct Totals<'a> {
    recording: &'a Recording,
    split: &'a Split,
    owners: &'a Owners,
    handlers: BTreeMap<&'a str, u32>,
    requests: BTreeMap<&'a str, u64>,
    statements: BTreeMap<Place<'a>, Sums>,
    transactions: BTreeMap<(&'a str, Vec<ServiceTables>), Writers>,
}

impl<'a> Totals<'a> {
    fn module_at(&self, request: &Request, statement: &Statement) -> u32 {
        match module_of(self.recording, request, statement) {
            Recording::ROOT_MODULE => self.handlers.get(request.endpoint.as_str()).copied().unwrap_or_default(),
            module => module,
        }
    }

    fn request(&mut self, request: &'a Request) {
        let endpoint = request.endpoint.as_str();
        *self.requests.entry(endpoint).or_default() += 1;
        let mut written: BTreeMap<u32, (BTreeSet<&str>, BTreeSet<Site>)> = BTreeMap::new();
        for statement in &request.statements {
            let Some(text) = text_of(self.recording, statement) else { continue };
            let module = self.module_at(request, statement);
            let place = Place { endpoint, module, text: statement.text, site: Site::of(statement) };
            self.statements.entry(place).or_default().add(statement);
            if let (Some(transaction), false) = (statement.transaction, text.writes.is_empty()) {
                let (tables, sites) = written.entry(transaction).or_default();
                tables.extend(text.writes.iter().map(String::as_str));
                sites.insert(Site::of(statement));
            }
        }
        for (tables, sites) in written.into_values() {
            let tables: Vec<&str> = tables.into_iter().collect();
            let services = listed(self.owners.services(self.split, &tables));
            if services.len() > 1 {
                let writers = self.transactions.entry((endpoint, services)).or_default();
                writers.transactions += 1;
                writers.sites.extend(sites.into_iter().filter(|site| !site.file.is_empty()));
            }
        }
    }

    fn finish(self) -> DataCrossings {
        let mut crossings = DataCrossings::default();
        for (place, sums) in &self.statements {
            self.add(place, sums, &mut crossings);
        }
        for ((endpoint, owners), writers) in &self.transactions {
            crossings.cut_transactions.push(CutTransaction {
                endpoint: (*endpoint).to_owned(),
                owners: owners.clone(),
                transactions_per_request: writers.transactions as f64 / self.requests[endpoint] as f64,
                sites: writers.sites.iter().cloned().collect(),
            });
        }
        crossings.foreign.sort_by(|a, b| b.statements_per_request.total_cmp(&a.statements_per_request));
        crossings.cut_joins.sort_by(|a, b| b.statements_per_request.total_cmp(&a.statements_per_request));
        crossings.cut_transactions.sort_by(|a, b| b.transactions_per_request.total_cmp(&a.transactions_per_request));
        crossings
    }

    /// Adds the statements of one place to the crossings, if they are any.
    fn add(&self, place: &Place<'_>, sums: &Sums, crossings: &mut DataCrossings) {
        let Place { endpoint, module, text, site } = place;
        let text = &self.recording.statement_texts[*text as usize];
        let services = self.owners.services(self.split, &text.tables());
        let per_request = |sum: u64| sum as f64 / self.requests[endpoint] as f64;
        let module = &self.recording.modules[*module as usize];
        let here = self.split.service_of(module);
        for (service, tables) in services.iter().filter(|(service, _)| **service != here) {
            crossings.foreign.push(ForeignAccess {
                endpoint: (*endpoint).to_owned(),
                module: module.clone(),
                service: here.to_owned(),
                is_write: text.writes.iter().any(|table| tables.contains(table)),
                owner: ServiceTables { service: (*service).to_owned(), tables: tables.iter().cloned().collect() },
                sql: text.sql.clone(),
                statements_per_request: per_request(sums.statements),
                rows_per_request: per_request(sums.rows),
                parameter_bytes_per_request: per_request(sums.parameter_bytes),
                row_bytes_per_request: per_request(sums.row_bytes),
                site: site.clone(),
            });
        }
        if services.len() > 1 {
            crossings.cut_joins.push(CutJoin {
                endpoint: (*endpoint).to_owned(),
                module: module.clone(),
                owners: listed(services),
                sql: text.sql.clone(),
                statements_per_request: per_request(sums.statements),
                site: site.clone(),
            });
        }
    }
}

/// Returns the assumption about commands of Redis under these splits; `None` where it changes nothing.
pub fn assumption_on_redis(recording: &Recording, splits: &[Split]) -> Option<&'static str> {
    let is_split = splits.iter().any(|split| split.database == Database::PerService);
    let has_commands = recording.statement_texts.iter().any(|text| text.dialect == Dialect::Redis);
    (is_split && has_commands).then_some(
        "all services use one Redis, also where each has a database of its own: keys are not recorded, and so neither are \
         their owners",
    )
}

/// Returns a note on the connections that each request has to a database; `None` where getting one takes next to no time.
pub fn note_on_connections(recording: &Recording) -> Option<String> {
    let works = recording.requests.iter().flat_map(|request| &request.connection_work);
    let uses = works.filter(|work| work.kind == ConnectionWorkKind::Use);
    let took = median(uses.map(|work| work.wall.as_millis_f64()))?;
    (took >= NOTEWORTHY_CONNECTION_MS).then(|| {
        format!(
            "requests get a connection to the database and give it back in {} ms, and so does each call that uses the database \
             in another service. Where it is opened for that, connections that outlive requests (`CONN_MAX_AGE` of Django, a \
             pool of SQLAlchemy) save the most",
            number(took)
        )
    })
}

fn listed(services: BTreeMap<&str, BTreeSet<String>>) -> Vec<ServiceTables> {
    services
        .into_iter()
        .map(|(service, tables)| ServiceTables { service: service.to_owned(), tables: tables.into_iter().collect() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::statement::StatementKind;
    use crate::recording::{Call, Function};

    fn text(kind: StatementKind, reads: &[&str], writes: &[&str]) -> StatementText {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        StatementText {
            kind,
            reads: names(reads),
            writes: names(writes),
            sql: kind.name().to_owned(),
            ..StatementText::default()
        }
    }

    fn statement(call: u32, text: u32, transaction: Option<u32>, line: u32) -> Statement {
        let file = "a.py".to_owned();
        Statement {
            call,
            text,
            transaction,
            rows: 2,
            parameter_bytes: 10,
            row_bytes: 30,
            file,
            line,
            ..Statement::default()
        }
    }

    /// Two modules: orders (call 1) and stock (call 2). The tables are `orders`, `stock`, and `log`, which both write.
    fn recording(statements: Vec<Statement>) -> Recording {
        let function = |module| Function { module, ..Function::default() };
        let call = |function| Call { function, ..Call::default() };
        let request = Request {
            endpoint: "POST /orders".into(),
            status: 201,
            handler: Some(2),
            calls: vec![call(0), call(1), call(2)],
            statements,
            ..Request::default()
        };
        let failed = Request { status: 500, ..request.clone() };
        let idle = Request { statements: Vec::new(), ..request.clone() };
        Recording {
            modules: ["(framework)", "shop.orders", "shop.stock"].map(str::to_owned).to_vec(),
            functions: vec![function(0), function(1), function(2)],
            statement_texts: vec![
                text(StatementKind::Insert, &[], &["orders"]),
                text(StatementKind::Update, &[], &["stock"]),
                text(StatementKind::Select, &["stock", "orders"], &[]),
                text(StatementKind::Insert, &[], &["log"]),
            ],
            mapped_tables: BTreeMap::from([("stock".to_owned(), "shop.stock".to_owned())]),
            requests: vec![request, failed, idle],
            ..Recording::default()
        }
    }

    fn split() -> Split {
        let services = BTreeMap::from([("stock".to_owned(), vec!["shop.stock".to_owned()])]);
        Split { services, ..Split::default() }
    }

    fn crossings(statements: Vec<Statement>) -> DataCrossings {
        let recording = recording(statements);
        DataCrossings::of(&recording, &split(), &Owners::of(&recording, &BTreeMap::new()))
    }

    fn tables(service: &str, tables: &[&str]) -> ServiceTables {
        ServiceTables { service: service.into(), tables: tables.iter().map(|&table| table.to_owned()).collect() }
    }

    #[test]
    fn settings_come_before_mappings_and_these_before_writes() {
        let log = || statement(2, 3, None, 1);
        let recording =
            recording(vec![statement(1, 0, None, 1), statement(1, 1, None, 1), log(), log(), statement(1, 3, None, 1)]);
        let check = |settings: &[(&str, &str)], table: &str, expected: &str| {
            let settings = settings.iter().map(|(table, module)| ((*table).to_owned(), (*module).to_owned())).collect();
            let owners = Owners::of(&recording, &settings);
            let found = owners.of_table(table).map(|owner| format!("{} by {}", owner.module, owner.by.name()));
            assert_eq!(found.unwrap_or_default(), expected, "{table}");
        };
        check(&[], "stock", "shop.stock by mapping");
        check(&[], "orders", "shop.orders by writes");
        check(&[], "log", "shop.stock by writes");
        check(&[], "unknown", "");
        check(&[("Log", "shop.audit"), ("stock", "shop.orders")], "log", "shop.audit by settings");
        check(&[("Log", "shop.audit"), ("stock", "shop.orders")], "stock", "shop.orders by settings");
    }

    #[test]
    fn statements_on_tables_of_another_service_are_foreign() {
        let found = crossings(vec![
            statement(1, 1, None, 7),
            statement(1, 1, None, 7),
            statement(2, 1, None, 8),
            statement(1, 0, None, 9),
        ]);
        assert_eq!(
            found.foreign,
            [ForeignAccess {
                endpoint: "POST /orders".into(),
                module: "shop.orders".into(),
                service: "main".into(),
                owner: tables("stock", &["stock"]),
                sql: "update".into(),
                is_write: true,
                // Two statements in one of two good requests.
                statements_per_request: 1.0,
                rows_per_request: 2.0,
                parameter_bytes_per_request: 10.0,
                row_bytes_per_request: 30.0,
                site: Site { file: "a.py".into(), line: 7 },
            }]
        );
        assert!(found.cut_joins.is_empty() && found.cut_transactions.is_empty());
    }

    #[test]
    fn a_statement_of_the_framework_counts_for_the_handler() {
        // The stock's function handles the request.
        assert!(crossings(vec![statement(0, 1, None, 7)]).foreign.is_empty());
    }

    #[test]
    fn joins_across_services_are_cut() {
        let found = crossings(vec![statement(1, 0, None, 3), statement(1, 2, None, 5)]);
        let [join] = found.cut_joins.as_slice() else { panic!("{found:?}") };
        assert_eq!(join.owners, [tables("main", &["orders"]), tables("stock", &["stock"])]);
        assert_eq!((join.statements_per_request, join.site.line), (0.5, 5));
        assert_eq!(found.foreign.len(), 1);
        assert!(!found.foreign[0].is_write);
    }

    #[test]
    fn one_redis_is_an_assumption_where_databases_are_split() {
        let mut recording = recording(Vec::new());
        let per_service = || Split { database: Database::PerService, ..split() };
        assert_eq!(assumption_on_redis(&recording, &[per_service()]), None);
        recording.statement_texts.push(StatementText { dialect: Dialect::Redis, ..StatementText::default() });
        assert_eq!(assumption_on_redis(&recording, &[split()]), None);
        assert!(assumption_on_redis(&recording, &[split(), per_service()]).is_some());
    }

    #[test]
    fn a_transaction_that_writes_for_two_services_is_cut() {
        let write = |transaction| vec![statement(1, 0, transaction, 3), statement(2, 1, transaction, 5)];
        let found = crossings(write(Some(0)));
        let site = |line| Site { file: "a.py".into(), line };
        assert_eq!(
            found.cut_transactions,
            [CutTransaction {
                endpoint: "POST /orders".into(),
                owners: vec![tables("main", &["orders"]), tables("stock", &["stock"])],
                transactions_per_request: 0.5,
                sites: vec![site(3), site(5)],
            }]
        );
        assert!(crossings(write(None)).cut_transactions.is_empty());
        // Reading the other's table in a transaction does not cut it.
        let reading = vec![statement(1, 0, Some(0), 3), statement(2, 2, Some(0), 5)];
        assert!(crossings(reading).cut_transactions.is_empty());
    }
}
