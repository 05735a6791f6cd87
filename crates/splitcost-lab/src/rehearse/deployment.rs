//! A deployment: the monolith, or a split with its links, as processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use splitcost_load::{Targets, Workload};
use splitcost_model::emulation::Emulation;
use splitcost_model::evaluation::CannotCross;
use splitcost_model::policy::{CallPolicy, Fault};
use splitcost_model::quantity::Nanos;
use splitcost_model::recording::Recording;
use splitcost_model::split::MAIN_SERVICE;

use super::{KEPT_LOCAL, Rehearsal};
use crate::app::{App, AppSpec, Mode, Scratch, free_port};
use crate::network::Network;
use crate::python::Python;
use crate::secret::token;
use crate::{Cancel, Error, Result};

/// The monolith, or a split, as processes.
pub(crate) struct Deployment {
    pub(crate) name: String,
    apps: Vec<App>,
    targets: Option<Targets>,
    scratch: Scratch,
    network: Option<Network>,
}

/// What all splits of a rehearsal are made of.
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
    pub(crate) fn monolith(parts: Parts<'_>) -> Result<Self> {
        let Parts { spec, python, cancel, .. } = parts;
        let scratch = Scratch::set_up(spec, python, cancel)?;
        let app = App::spawn(spec, python, &scratch, &Mode::None, "the monolith", &spec.command, free_port()?)?;
        Ok(Self { name: "the monolith".to_owned(), targets: None, apps: vec![app], scratch, network: None })
    }

    /// One process per service, all on the same scratch directory; where something shall go wrong, calls pass an emulated
    /// link even where it adds nothing.
    pub(crate) fn of(rehearsal: &Rehearsal<'_>, made_of: Parts<'_>, fault: Option<Fault>) -> Result<Self> {
        let Parts { spec, python, workload, recording, seed, cancel } = made_of;
        let split = rehearsal.split;
        let scratch = Scratch::set_up(spec, python, cancel)?;
        let names = split.service_names();
        let ports = names.iter().map(|_| Ok((free_port()?, free_port()?))).collect::<Result<Vec<_>>>()?;
        let description = scratch.path().join("rehearsal.json");
        let called: Vec<(&str, u16)> = names
            .iter()
            .zip(&ports)
            .map(|(name, (http, rpc))| (*name, if split.stack.shares_port() { *http } else { *rpc }))
            .collect();
        let network = Network::open(split, &called, fault, seed)?;
        let document = describe(rehearsal, spec, &names, &ports, network.as_ref(), scratch.path())?;
        fs::write(&description, document.to_string()).map_err(Error::io("write", &description))?;
        let mut apps = Vec::new();
        for (service, (http_port, _)) in names.iter().zip(&ports) {
            let mode = Mode::Rehearse { description: description.clone(), service: (*service).to_owned() };
            let name = format!("service {service} of split {}", split.name);
            apps.push(App::spawn(spec, python, &scratch, &mode, &name, &spec.command, *http_port)?);
        }
        let handlers = recording.handler_modules();
        let mut targets = Targets::all(apps[0].address());
        for request in workload.requests() {
            let module = handlers.get(request.name()).and_then(|id| recording.modules.get(*id as usize));
            let service = module.map_or(MAIN_SERVICE, |module| split.service_of(module));
            let app = names.iter().position(|name| *name == service).unwrap_or(0);
            targets = targets.with(request.name(), apps[app].address());
        }
        Ok(Self { name: format!("split {}", split.name), apps, targets: Some(targets), scratch, network })
    }

    pub(crate) fn wait(&mut self, spec: &AppSpec, cancel: &Cancel) -> Result<()> {
        self.apps.iter_mut().try_for_each(|app| app.wait_until_ready(spec, cancel))
    }

    pub(crate) fn parts(&mut self) -> (Vec<&mut App>, Targets) {
        let targets = self.targets.clone().unwrap_or_else(|| Targets::all(self.apps[0].address()));
        (self.apps.iter_mut().collect(), targets)
    }

    pub(crate) fn stop(&mut self) {
        for app in &mut self.apps {
            app.stop();
        }
    }

    /// What the services saw that could not cross.
    pub(crate) fn cannot_cross(&self) -> Result<Vec<CannotCross>> {
        let mut found: BTreeMap<(String, String, String, String, u32), CannotCross> = BTreeMap::new();
        for event in self.reports()?.into_iter().flat_map(|report| report.events) {
            let call = event.cannot_cross();
            let key = (call.caller.clone(), call.callee.clone(), call.reason.clone(), call.file.clone(), call.line);
            found.entry(key).and_modify(|known| known.count += call.count).or_insert(call);
        }
        Ok(found.into_values().collect())
    }

    /// By endpoint, calls between services and attempts of these that began while something went wrong.
    pub(crate) fn attempts(&self) -> Result<BTreeMap<String, (u64, u64)>> {
        let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (endpoint, (calls, attempts)) in self.reports()?.into_iter().flat_map(|report| report.attempts) {
            let sum = found.entry(endpoint).or_default();
            *sum = (sum.0 + calls, sum.1 + attempts);
        }
        Ok(found)
    }

    /// What each service wrote.
    fn reports(&self) -> Result<Vec<Report>> {
        let dir = report_dir(self.scratch.path());
        let entries = fs::read_dir(&dir).map_err(Error::io("read", &dir))?;
        let paths = entries.flatten().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "json"));
        paths
            .map(|path| {
                let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
                serde_json::from_str(&text).map_err(|error| Error::Helper {
                    action: format!("read what {} saw", self.name),
                    reason: error.to_string(),
                    log: String::new(),
                })
            })
            .collect()
    }

    /// What the links have done.
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
        let told = serde_json::json!({
            "from_secs": from.as_secs_f64(),
            "until_secs": (from + lasts).as_secs_f64(),
            "slow": slow,
        });
        let path = faults(self.scratch.path());
        let draft = path.with_extension("part");
        fs::write(&draft, told.to_string()).and_then(|()| fs::rename(&draft, &path)).map_err(Error::io("write", &path))
    }
}

fn report_dir(scratch: &Path) -> PathBuf {
    scratch.join("report")
}

/// The file that tells the services what goes wrong in them, and when.
fn faults(scratch: &Path) -> PathBuf {
    scratch.join("faults.json")
}

/// The JSON file that each service reads.
fn describe(
    rehearsal: &Rehearsal<'_>,
    spec: &AppSpec,
    names: &[&str],
    ports: &[(u16, u16)],
    network: Option<&Network>,
    scratch: &Path,
) -> Result<serde_json::Value> {
    let split = rehearsal.split;
    let services: serde_json::Map<String, serde_json::Value> = names
        .iter()
        .zip(ports)
        .map(|(name, (http_port, rpc_port))| {
            let modules = split.services.get(*name).cloned().unwrap_or_default();
            let service = serde_json::json!({"http_port": http_port, "rpc_port": rpc_port, "modules": modules});
            ((*name).to_owned(), service)
        })
        .collect();
    let mut local: Vec<&str> =
        rehearsal.cannot_cross.iter().filter(|c| c.handling == KEPT_LOCAL).map(|c| c.callee.as_str()).collect();
    local.sort_unstable();
    local.dedup();
    let report_dir = report_dir(scratch);
    fs::create_dir_all(&report_dir).map_err(Error::io("make", &report_dir))?;
    let from = |caller: &str| -> BTreeMap<&str, String> {
        names.iter().filter_map(|callee| Some((*callee, network?.address(caller, callee)?))).collect()
    };
    let links: BTreeMap<&str, BTreeMap<&str, String>> = names.iter().map(|caller| (*caller, from(caller))).collect();
    Ok(serde_json::json!({
        "token": token()?,
        "stack": split.stack.name(),
        "policy": policy(&split.calls),
        "report_dir": report_dir,
        "keep_local": split.keep_local,
        "local_functions": local,
        "links": links,
        "faults": faults(scratch),
        "services": services,
        "package": spec.packages.first(),
        "packages": spec.packages,
    }))
}

/// A policy as the services read it.
fn policy(calls: &CallPolicy) -> serde_json::Value {
    serde_json::json!({
        "timeout_millis": calls.timeout.map(Nanos::as_millis_f64),
        "retries": calls.retries,
        "backoff_millis": calls.backoff.as_millis_f64(),
        "budget": calls.budget,
        "connections": calls.connections,
    })
}

#[derive(Deserialize)]
struct Report {
    events: Vec<Event>,
    attempts: BTreeMap<String, (u64, u64)>,
}

#[derive(Deserialize)]
struct Event {
    caller: String,
    callee: String,
    reason: String,
    path: String,
    #[serde(rename = "type")]
    type_name: String,
    file: String,
    line: u32,
    count: u64,
    handling: String,
}

impl Event {
    fn cannot_cross(self) -> CannotCross {
        let what = if self.type_name.is_empty() { self.path } else { format!("{} ({})", self.path, self.type_name) };
        let reason = match self.reason.as_str() {
            "mutated argument" => format!("{what} is changed in place by the callee"),
            reason => format!("{what} is a {reason}"),
        };
        let Self { caller, callee, file, line, count, handling, .. } = self;
        CannotCross { caller, callee, reason, file, line, count, handling }
    }
}
