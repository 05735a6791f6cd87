//! A deployment: the monolith, or a split with its links, as processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::Deserialize;
use splitcost_load::{NAME_HEADER, Targets, Workload};
use splitcost_model::audit::{CallSite, CountedCalls};
use splitcost_model::boundary::{Boundary, Execution, Readiness};
use splitcost_model::emulation::Emulation;
use splitcost_model::estimate::CannotCross;
use splitcost_model::fault::Attempts;
use splitcost_model::loopback::MetObstacle;
use splitcost_model::policy::{CallPolicy, Fault};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::Recording;
use splitcost_model::rehearsal::{SplitTransaction, Use};
use splitcost_model::split::{MAIN_SERVICE, Split};

use crate::app::{App, AppSpec, Mode, Scratch, wait_until_all_ready};
use crate::group::POLL;
use crate::network::Network;
use crate::port::ReservedPort;
use crate::python::Python;
use crate::secret::token;
use crate::{Cancel, Error, Result};

/// The monolith, or a split, as processes.
pub(crate) struct Deployment {
    pub(crate) name: String,
    apps: Vec<App>,
    services: Vec<Service>,
    targets: Option<Targets>,
    scratch: Scratch,
    network: Option<Network>,
}

/// A service's port for calls of others, and the directory where it is asked for its report.
struct Service {
    name: String,
    /// None in a loopback.
    rpc_port: Option<ReservedPort>,
    /// Each process of the service has a FIFO `PID.request` in it, by which it is asked, a byte each time, and writes
    /// `PID.json`: when it is asked, and when it ends.
    reports: PathBuf,
}

/// Longest time until a service has written its report.
///
/// Chosen: writing takes milliseconds; the rest is for a machine that is busy.
const REPORT_DEADLINE: Duration = Duration::from_secs(10);

impl Service {
    fn new(name: &str, reports: &Path) -> Result<Self> {
        let reports = reports.join(name);
        fs::create_dir_all(&reports).map_err(Error::io("make", &reports))?;
        Ok(Self { name: name.to_owned(), rpc_port: None, reports })
    }

    fn on_a_port(self) -> Result<Self> {
        Ok(Self { rpc_port: Some(ReservedPort::new()?), ..self })
    }

    fn port(&self) -> u16 {
        self.rpc_port.as_ref().map_or(0, ReservedPort::number)
    }

    /// Returns the files of its processes with this extension.
    fn files(&self, extension: &str) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.reports).map_err(Error::io("read", &self.reports))?;
        let paths = entries.map(|entry| Ok(entry.map_err(Error::io("read", &self.reports))?.path()));
        let paths = paths.collect::<Result<Vec<PathBuf>>>()?;
        Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect())
    }

    /// Asks the processes of the service for their reports, and waits until these are written. One that has ended has
    /// written its last report.
    fn ask_for_reports(&self, app: &mut App) -> Result<()> {
        let mut asked = Vec::new();
        for request in self.files("request")? {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let mut fifo = match rustix::fs::open(&request, flags, rustix::fs::Mode::empty()) {
                Ok(fifo) => File::from(fifo),
                // Nobody reads it any more.
                Err(Errno::NXIO) => continue,
                Err(error) => return Err(Error::io("open", &request)(error.into())),
            };
            let report = request.with_extension("json");
            match fs::remove_file(&report) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &report)(error));
                }
                _ => {}
            }
            fifo.write_all(b"\n").map_err(Error::io("write", &request))?;
            asked.push(report);
        }
        let end = Instant::now() + REPORT_DEADLINE;
        while !asked.iter().all(|report| report.exists()) {
            app.check()?;
            if Instant::now() > end {
                return Err(Error::Helper {
                    action: format!("read what {} saw", app.name()),
                    reason: format!("no report after {} s", REPORT_DEADLINE.as_secs()),
                    log: app.log_tail(),
                });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Reads the reports of its processes.
    fn read_reports(&self) -> Result<Vec<Report>> {
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            serde_json::from_str(&text).map_err(|error| Error::Helper {
                action: format!("read what service {} saw", self.name),
                reason: error.to_string(),
                log: String::new(),
            })
        };
        self.files("json")?.into_iter().map(read).collect()
    }
}

/// The calls between services that were answered.
#[derive(Clone, Debug, Default)]
pub struct AnsweredCalls {
    /// Calls and requests.
    pub counted: CountedCalls,
    /// The called functions whose results are cached (`functools.lru_cache`).
    pub cached: BTreeSet<String>,
    /// The endpoints whose requests failed, with the number and the first answer in words.
    pub failed: BTreeMap<String, String>,
    /// Answers that came after their caller had given up, by endpoint and called function.
    pub late: BTreeMap<(String, String), u64>,
}

/// The messages that the services of a split have sent each other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Requests from outside.
    pub(crate) requests: u64,
    /// Attempts of calls between services.
    pub(crate) crossings: u64,
    /// Bytes of these, in both directions.
    pub(crate) bytes: u64,
}

/// The reports of a deployment's processes, added up.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    /// By function, its calls and those that raised.
    pub(crate) calls: BTreeMap<String, (u64, u64)>,
    pub(crate) obstacles: Vec<MetObstacle>,
}

/// The parts that all splits of a rehearsal share.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) spec: &'a AppSpec,
    pub(crate) python: &'a Python,
    pub(crate) workload: &'a Workload,
    pub(crate) recording: &'a Recording,
    pub(crate) seed: u64,
    pub(crate) cancel: &'a Cancel,
}

impl Deployment {
    /// The app as it is, with a name for messages.
    pub(crate) fn monolith(spec: &AppSpec, python: &Python, name: &str, cancel: &Cancel) -> Result<Self> {
        let scratch = Scratch::set_up(spec, python, cancel)?;
        let app = App::spawn(spec, python, &scratch, &Mode::None, name, &spec.command, Some(ReservedPort::new()?))?;
        Ok(Self { name: name.to_owned(), apps: vec![app], services: Vec::new(), targets: None, scratch, network: None })
    }

    /// A monolith that is one service, with what a rehearsal puts around each request and statement of a service: a ratio of
    /// split to monolith has no part of that.
    pub(crate) fn whole(made_of: Parts<'_>, name: &str) -> Result<Self> {
        let deployment = Self::of(&Split::default(), made_of, None)?;
        Ok(Self { name: name.to_owned(), ..deployment })
    }

    /// One process that holds all services of a split, and makes calls between them as messages.
    pub(crate) fn loopback(spec: &AppSpec, python: &Python, split: &Split, cancel: &Cancel) -> Result<Self> {
        let scratch = Scratch::set_up(spec, python, cancel)?;
        let whole = Service::new("", &scratch.path().join("reports"))?;
        let services: BTreeMap<&str, serde_json::Value> = split
            .service_names()
            .into_iter()
            .map(|name| (name, serde_json::json!({ "rpc_port": 0, "modules": modules(split, name) })))
            .collect();
        let document = serde_json::json!({
            "token": "",
            "stack": "loopback",
            "copied": split.copied.as_deref().unwrap_or_default(),
            "reports": BTreeMap::from([("", &whole.reports)]),
            "services": services,
            "main_service": MAIN_SERVICE,
            "packages": spec.packages,
            "endpoint_header": NAME_HEADER,
        });
        let description = scratch.path().join("rehearsal.json");
        fs::write(&description, document.to_string()).map_err(Error::io("write", &description))?;
        let mode = Mode::Rehearse { description, service: String::new() };
        let name = format!("the loopback of split {}", split.name);
        let app = App::spawn(spec, python, &scratch, &mode, &name, &spec.command, Some(ReservedPort::new()?))?;
        Ok(Self { name, apps: vec![app], services: vec![whole], targets: None, scratch, network: None })
    }

    /// One process per service, all on the same scratch directory, the first of them ready; where something shall go wrong,
    /// calls pass an emulated link even where it adds nothing.
    pub(crate) fn of(split: &Split, made_of: Parts<'_>, fault: Option<Fault>) -> Result<Self> {
        let Parts { spec, python, workload, recording, seed, cancel } = made_of;
        let scratch = Scratch::set_up(spec, python, cancel)?;
        let names = split.service_names();
        let reports = scratch.path().join("reports");
        let services = names.iter().map(|name| Service::new(name, &reports)?.on_a_port());
        let services = services.collect::<Result<Vec<_>>>()?;
        let called: Vec<(&str, u16)> = services.iter().map(|s| (s.name.as_str(), s.port())).collect();
        let network = Network::open(split, &called, fault, seed)?;
        let description = scratch.path().join("rehearsal.json");
        let document = describe(split, made_of, &services, network.as_ref(), scratch.path())?;
        fs::write(&description, document.to_string()).map_err(Error::io("write", &description))?;
        let mut apps: Vec<App> = Vec::new();
        for service in &services {
            if let [first] = &mut apps[..] {
                // Alone, as it fills a new database. The others find it filled: they would do the same side by side.
                first.wait_until_ready(spec, cancel)?;
            }
            let mode = Mode::Rehearse { description: description.clone(), service: service.name.clone() };
            let name = format!("service {} of split {}", service.name, split.name);
            let port = Some(ReservedPort::new()?);
            let app = App::spawn(spec, python, &scratch, &mode, &name, &spec.command, port)?;
            apps.push(app.called_at(service.port()));
        }
        let handlers = recording.handler_modules();
        let mut targets = Targets::all(apps[0].address());
        for request in workload.requests() {
            let module = handlers.get(request.name()).and_then(|id| recording.modules.get(*id as usize));
            let service = module.map_or(MAIN_SERVICE, |module| split.service_of(module));
            let app = names.iter().position(|name| *name == service).unwrap_or(0);
            targets = targets.with(request.name(), apps[app].address());
        }
        let name = format!("split {}", split.name);
        Ok(Self { name, apps, services, targets: Some(targets), scratch, network })
    }

    pub(crate) fn wait(&mut self, spec: &AppSpec, cancel: &Cancel) -> Result<()> {
        wait_until_all_ready(&mut self.apps.iter_mut().collect::<Vec<_>>(), spec, cancel)
    }

    pub(crate) fn parts(&mut self) -> (Vec<&mut App>, Targets) {
        let targets = self.targets.clone().unwrap_or_else(|| Targets::all(self.apps[0].address()));
        (self.apps.iter_mut().collect(), targets)
    }

    /// Returns the process groups of its apps.
    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> {
        self.apps.iter().map(App::group)
    }

    /// Waits for the services' reports of what they saw, and ends them.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.ask_for_reports()?;
        self.apps.iter_mut().for_each(App::stop);
        Ok(())
    }

    fn ask_for_reports(&mut self) -> Result<()> {
        self.services.iter().zip(&mut self.apps).try_for_each(|(service, app)| service.ask_for_reports(app))
    }

    /// Returns the calls that the services answered so far, of requests that the load generator sent.
    ///
    /// # Errors
    /// A service counts other answers than the others got from it.
    pub(crate) fn answered_calls(&mut self) -> Result<AnsweredCalls> {
        let end = Instant::now() + REPORT_DEADLINE;
        loop {
            match self.answered_so_far() {
                // A request may go on after its answer, with a call under way.
                Err(_) if Instant::now() < end => std::thread::sleep(POLL),
                Ok(found) if !found.late.is_empty() && Instant::now() < end => std::thread::sleep(POLL),
                result => return result,
            }
        }
    }

    fn answered_so_far(&mut self) -> Result<AnsweredCalls> {
        self.ask_for_reports()?;
        let reports = self.reports()?;
        let mut found = AnsweredCalls::default();
        let mut got: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut given: BTreeMap<(String, String), u64> = BTreeMap::new();
        for report in reports {
            for (endpoint, requests) in report.requests.into_iter().filter(|(endpoint, _)| !endpoint.is_empty()) {
                *found.counted.requests.entry(endpoint).or_default() += requests;
            }
            for call in report.calls.into_iter().filter(|call| !call.endpoint.is_empty()) {
                *got.entry((call.endpoint.clone(), call.callee.clone())).or_default() += call.answered;
                if call.cached {
                    found.cached.insert(call.callee.clone());
                }
                let site = CallSite { endpoint: call.endpoint, caller: call.caller, callee: call.callee };
                *found.counted.calls.entry(site).or_default() += call.answered;
            }
            for call in report.answered.into_iter().filter(|call| !call.endpoint.is_empty()) {
                *given.entry((call.endpoint, call.callee)).or_default() += call.count;
            }
        }
        let calls = |counts: &BTreeMap<_, u64>, key: &_| counts.get(key).copied().unwrap_or(0);
        let late = given.iter().map(|(key, count)| (key.clone(), count.saturating_sub(calls(&got, key))));
        found.late = late.filter(|(_, count)| *count > 0).collect();
        let Some(odd) = got.keys().find(|key| calls(&got, key) > calls(&given, key)) else { return Ok(found) };
        let (endpoint, callee) = odd;
        Err(Error::Helper {
            action: format!("count the calls between the services of {}", self.name),
            reason: format!(
                "for {endpoint}, {} answers of {callee} were given and {} were received",
                calls(&given, odd),
                calls(&got, odd)
            ),
            log: String::new(),
        })
    }

    /// Returns what its services have sent each other so far, by the endpoint of the request.
    pub(crate) fn traffic(&mut self) -> Result<BTreeMap<String, Traffic>> {
        self.ask_for_reports()?;
        let mut found: BTreeMap<String, Traffic> = BTreeMap::new();
        for report in self.reports()? {
            for (endpoint, requests) in report.requests {
                found.entry(endpoint).or_default().requests += requests;
            }
            for call in report.calls {
                let traffic = found.entry(call.endpoint).or_default();
                traffic.crossings += call.count;
                traffic.bytes += call.bytes;
            }
        }
        Ok(found)
    }

    /// Returns the calls that the services met and that could not cross.
    pub(crate) fn cannot_cross(&self) -> Result<Vec<CannotCross>> {
        let reports = self.reports()?;
        let requests: u64 = reports.iter().flat_map(|report| report.requests.values()).sum();
        let mut found: BTreeMap<(String, String, String, String, u32), CannotCross> = BTreeMap::new();
        for event in reports.into_iter().flat_map(|report| report.events) {
            let call = event.cannot_cross(requests);
            let key = (call.caller.clone(), call.callee.clone(), call.reason.clone(), call.file.clone(), call.line);
            found.entry(key).and_modify(|known| known.calls_per_request += call.calls_per_request).or_insert(call);
        }
        Ok(found.into_values().collect())
    }

    /// Returns the uses of objects that stayed in their service, those that are used most first.
    pub(crate) fn uses(&self) -> Result<Vec<Use>> {
        let reports = self.reports()?;
        let requests: u64 = reports.iter().flat_map(|report| report.requests.values()).sum();
        let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
        for used in reports.into_iter().flat_map(|report| report.uses) {
            *found.entry((used.class, used.caller)).or_default() += used.count;
        }
        let per_request = |count: u64| count as f64 / requests.max(1) as f64;
        let mut uses: Vec<Use> = found
            .into_iter()
            .map(|((class, caller), count)| Use { class, caller, uses_per_request: per_request(count) })
            .collect();
        uses.sort_by(|a, b| b.uses_per_request.total_cmp(&a.uses_per_request));
        Ok(uses)
    }

    /// Returns all calls that the processes made or kept, and the number of their requests.
    pub(crate) fn seen(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        let mut obstacles: BTreeMap<(String, String, String, String, u32), MetObstacle> = BTreeMap::new();
        for report in self.reports()? {
            seen.requests += report.requests.values().sum::<u64>();
            for call in report.calls {
                let (calls, raised) = seen.calls.entry(call.callee).or_default();
                *calls += call.answered;
                *raised += call.errors;
            }
            for event in report.events {
                let met = event.obstacle();
                let key = (met.caller.clone(), met.callee.clone(), met.reason.clone(), met.file.clone(), met.line);
                obstacles.entry(key).and_modify(|known| known.calls += met.calls).or_insert(met);
            }
        }
        seen.obstacles = obstacles.into_values().collect();
        seen.obstacles.sort_by_key(|met| std::cmp::Reverse(met.calls));
        Ok(seen)
    }

    /// Returns the number of requests that its processes have taken so far.
    pub(crate) fn requests(&mut self) -> Result<u64> {
        self.ask_for_reports()?;
        Ok(self.reports()?.iter().flat_map(|report| report.requests.values()).sum())
    }

    /// Returns the calls that committed a transaction of their own while their caller had one.
    pub(crate) fn transactions(&self) -> Result<Vec<SplitTransaction>> {
        let reports = self.reports()?;
        let mut requests: BTreeMap<String, u64> = BTreeMap::new();
        let mut found: BTreeMap<(String, String, String), u64> = BTreeMap::new();
        for report in reports {
            for (endpoint, count) in report.requests {
                *requests.entry(endpoint).or_default() += count;
            }
            for committed in report.transactions {
                let key = (committed.endpoint, committed.caller, committed.callee);
                *found.entry(key).or_default() += committed.count;
            }
        }
        let per_request =
            |endpoint: &str, count: u64| count as f64 / requests.get(endpoint).copied().unwrap_or(1) as f64;
        let transactions = found.into_iter().map(|((endpoint, caller, callee), count)| SplitTransaction {
            calls_per_request: per_request(&endpoint, count),
            endpoint,
            caller,
            callee,
        });
        Ok(transactions.collect())
    }

    /// By endpoint, calls between services and attempts of these that began while something went wrong.
    pub(crate) fn attempts(&self) -> Result<BTreeMap<String, Attempts>> {
        let mut found: BTreeMap<String, Attempts> = BTreeMap::new();
        for (endpoint, attempts) in self.reports()?.into_iter().flat_map(|report| report.attempts) {
            *found.entry(endpoint).or_default() += attempts;
        }
        Ok(found)
    }

    /// The report of each service.
    fn reports(&self) -> Result<Vec<Report>> {
        Ok(self.services.iter().map(Service::read_reports).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Returns the records of the links.
    pub(crate) fn emulations(&self) -> Result<Vec<Emulation>> {
        self.network.as_ref().map_or(Ok(Vec::new()), Network::emulations)
    }

    /// Makes something go wrong with every service that others call, so long from now and for so long.
    pub(crate) fn fail(&self, fault: Fault, after: Nanos, lasts: Nanos) -> Result<()> {
        if let Some(network) = &self.network {
            network.fail(fault, after, lasts)?;
        }
        let from = splitcost_load::monotonic_now() + after;
        let slow = if let Fault::Slow(factor) = fault { factor } else { 1.0 };
        let described = serde_json::json!({
            "from_secs": from.as_secs_f64(),
            "until_secs": (from + lasts).as_secs_f64(),
            "slow": slow,
        });
        let path = faults(self.scratch.path());
        let draft = path.with_extension("part");
        fs::write(&draft, described.to_string())
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(Error::io("write", &path))
    }
}

/// The file that tells the services what goes wrong in them, and when.
fn faults(scratch: &Path) -> PathBuf {
    scratch.join("faults.json")
}

/// The JSON file that each service reads.
fn describe(
    split: &Split,
    parts: Parts<'_>,
    services: &[Service],
    network: Option<&Network>,
    scratch: &Path,
) -> Result<serde_json::Value> {
    let boundary = Boundary::new(parts.recording, split, Execution::Rehearsed);
    let described: BTreeMap<&str, serde_json::Value> = services
        .iter()
        .map(|service| {
            let document = serde_json::json!({
                "rpc_port": service.port(),
                "modules": modules(split, &service.name),
            });
            (service.name.as_str(), document)
        })
        .collect();
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    let from = |caller: &str| -> BTreeMap<&str, String> {
        names.iter().filter_map(|callee| Some((*callee, network?.address(caller, callee)?))).collect()
    };
    let links: BTreeMap<&str, BTreeMap<&str, String>> = names.iter().map(|caller| (*caller, from(caller))).collect();
    Ok(serde_json::json!({
        "token": token()?,
        "stack": split.stack.name(),
        "policy": policy(split),
        "copied": split.copied.as_deref().unwrap_or_default(),
        "local_functions": boundary.local_functions(),
        "functions": boundary.remote_functions(),
        "adapted": boundary.adapted_functions(),
        "database_functions": boundary.database_functions(),
        "changing_functions": boundary.changing_functions(),
        "adapt": split.adaptation.adapt,
        "by_reference": boundary.by_reference(),
        "send_back": split.adaptation.send_back,
        "batch": split.adaptation.batch,
        "links": links,
        "reports": services.iter().map(|s| (s.name.as_str(), &s.reports)).collect::<BTreeMap<_, _>>(),
        "faults": faults(scratch),
        "services": described,
        "main_service": MAIN_SERVICE,
        "packages": parts.spec.packages,
        "endpoint_header": NAME_HEADER,
    }))
}

/// Returns the modules that a service claims.
fn modules<'a>(split: &'a Split, service: &str) -> &'a [String] {
    split.services.get(service).map_or(&[], Vec::as_slice)
}

/// A policy as the services read it.
fn policy(split: &Split) -> serde_json::Value {
    let calls = &split.calls;
    serde_json::json!({
        "timeout_millis": calls.timeout.map(Nanos::as_millis_f64),
        "retries": calls.retries,
        "backoff_millis": calls.backoff.as_millis_f64(),
        "budget": calls.budget,
        "budget_tokens": CallPolicy::BUDGET_TOKENS,
        "connections": split.max_connections(),
    })
}

#[derive(Deserialize)]
struct Report {
    events: Vec<Event>,
    calls: Vec<SentCalls>,
    answered: Vec<GivenAnswers>,
    uses: Vec<CountedUse>,
    transactions: Vec<Committed>,
    requests: BTreeMap<String, u64>,
    attempts: BTreeMap<String, Attempts>,
}

/// The calls, of one endpoint's requests, that committed a transaction of their own.
#[derive(Deserialize)]
struct Committed {
    endpoint: String,
    caller: String,
    callee: String,
    count: u64,
}

/// The uses, by a module, of objects of one class that stayed in their service.
#[derive(Deserialize)]
struct CountedUse {
    caller: String,
    class: String,
    count: u64,
}

/// The calls that a service sent from one module to one function.
#[derive(Deserialize)]
struct SentCalls {
    endpoint: String,
    caller: String,
    callee: String,
    count: u64,
    bytes: u64,
    answered: u64,
    errors: u64,
    cached: bool,
}

/// The calls of one function that a service answered.
#[derive(Deserialize)]
struct GivenAnswers {
    endpoint: String,
    callee: String,
    count: u64,
}

#[derive(Deserialize)]
struct Event {
    caller: String,
    callee: String,
    /// The kind of obstacle: `live resource`.
    reason: String,
    /// The reason, as the rest of a sentence about the value: `is a live resource`.
    obstacle: String,
    path: String,
    #[serde(rename = "type")]
    type_name: String,
    file: String,
    line: u32,
    count: u64,
}

/// The kinds of obstacles of calls that cross nevertheless, as the runtime names them.
const CROSSED: [&str; 5] = ["mutated argument", "identity", "exception", "state", "row"];

impl Event {
    /// Returns the value with its type, and what is wrong with it.
    fn sentence(&self) -> String {
        let Self { path, type_name, obstacle, .. } = self;
        if type_name.is_empty() { format!("{path} {obstacle}") } else { format!("{path} ({type_name}) {obstacle}") }
    }

    fn obstacle(self) -> MetObstacle {
        let (reason, crossed) = (self.sentence(), CROSSED.contains(&self.reason.as_str()));
        let Self { caller, callee, reason: kind, file, line, count: calls, .. } = self;
        MetObstacle { caller, callee, kind, crossed, reason, file, line, calls }
    }

    fn cannot_cross(self, requests: u64) -> CannotCross {
        let reason = self.sentence();
        let Self { caller, callee, file, line, count, .. } = self;
        let calls_per_request = count as f64 / requests.max(1) as f64;
        CannotCross { caller, callee, readiness: Readiness::Rewrite, reason, file, line, calls_per_request }
    }
}
