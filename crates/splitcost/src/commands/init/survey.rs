//! The facts that the source of an app shows: how it starts, its modules, and who calls whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use splitcost_lab::python::Python;
use splitcost_scan::{Options, graph};

use crate::failure::Failed;

/// The start command of a Django project without a server.
const DJANGO: [&str; 5] = ["python", "manage.py", "runserver", "127.0.0.1:{port}", "--noreload"];

/// The answer of `python -m splitcost.survey`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Survey {
    /// The apps that were found, the most likely one first.
    pub(super) apps: Vec<App>,
    /// The packages that the settings of a Django project install.
    #[serde(default)]
    pub(super) parts: Vec<String>,
    pub(super) celery: Vec<String>,
    /// The variables of the environment by which the app finds its database.
    #[serde(default)]
    pub(super) database_variables: Vec<String>,
    /// The servers that the interpreter has.
    pub(super) servers: Vec<String>,
    pub(super) routes: Vec<Route>,
    modules: BTreeMap<String, Module>,
}

/// An app object, or a factory of one.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct App {
    pub(super) framework: String,
    protocol: Protocol,
    pub(super) module: String,
    name: String,
    is_factory: bool,
    arguments: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Asgi,
    Wsgi,
    /// The framework is its own server.
    Own,
}

/// A route that the source declares.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Route {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) params: BTreeMap<String, Values>,
    /// An example of the JSON body.
    pub(super) body: Option<Value>,
}

/// The values of a placeholder.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Values {
    /// Those of a type, as far as it is known: `int` or `str`.
    Type(String),
    /// Any of these.
    Choices(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Module {
    lines: u64,
    /// The directory that its top-level package lies in.
    directory: String,
    /// The modules of the app that it imports.
    imports: Vec<String>,
}

/// The start command of an app.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) command: Vec<String>,
    /// The server that must be installed first, if the interpreter has none for this app.
    pub(super) missing_server: Option<&'static str>,
}

/// A module between which calls are counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) lines: u64,
    /// The modules that its code calls, with the number of places that do.
    pub(super) calls: BTreeMap<String, u64>,
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = if self.is_factory { format!("({})", self.arguments) } else { String::new() };
        write!(f, "{}:{}{call}", self.module, self.name)
    }
}

impl Survey {
    /// Parses the source below a directory. Nothing of it is run.
    pub(super) fn of(python: &Python, dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.display().to_string();
        python.query("look for an app", &["splitcost.survey", &dir]).failed()
    }

    /// Returns the app that a start command can be written for: the first one with a server, else the first one.
    pub(super) fn app(&self) -> Option<&App> {
        let has_server =
            |app: &&App| app.protocol == Protocol::Own || servers(app.protocol).iter().any(|server| self.has(server));
        self.apps.iter().find(has_server).or(self.apps.first())
    }

    fn has(&self, server: &str) -> bool {
        self.servers.iter().any(|known| known == server)
    }

    /// Returns the command that starts an app.
    pub(super) fn start(&self, app: &App) -> Start {
        let App { module, name, arguments, is_factory, .. } = app;
        let target = format!("{module}:{name}");
        let called = app.to_string();
        let server = servers(app.protocol).iter().find(|server| self.has(server)).copied();
        let words: Vec<&str> = match server {
            _ if app.framework == "sanic" => {
                vec!["sanic", &target, "--host", "127.0.0.1", "--port", "{port}", "--single-process"]
            }
            _ if app.framework == "tornado" => vec!["python", "-m", module, "--port={port}"],
            _ if app.framework == "aiohttp" && *is_factory => {
                vec!["python", "-m", "aiohttp.web", "-H", "127.0.0.1", "-P", "{port}", &target]
            }
            _ if app.framework == "aiohttp" => {
                vec!["gunicorn", &target, "--bind", "127.0.0.1:{port}", "--worker-class", "aiohttp.GunicornWebWorker"]
            }
            _ if name == "manage.py" => DJANGO.to_vec(),
            Some("uvicorn") => vec!["uvicorn", &target, "--host", "127.0.0.1", "--port", "{port}"],
            Some("hypercorn") => vec!["hypercorn", &called, "--bind", "127.0.0.1:{port}"],
            Some("granian") => {
                vec!["granian", &target, "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"]
            }
            Some("daphne") => vec!["daphne", "-b", "127.0.0.1", "-p", "{port}", &target],
            Some("gunicorn") => vec!["gunicorn", &called, "--bind", "127.0.0.1:{port}", "--threads", "8"],
            Some("waitress") if *is_factory && arguments.is_empty() => {
                vec!["waitress-serve", "--listen=127.0.0.1:{port}", "--call", &target]
            }
            Some("waitress") => vec!["waitress-serve", "--listen=127.0.0.1:{port}", &target],
            _ if app.framework == "django" => DJANGO.to_vec(),
            _ if app.framework == "flask" => vec!["flask", "--app", &called, "run", "--port", "{port}"],
            _ if app.protocol == Protocol::Asgi => {
                vec!["uvicorn", &target, "--host", "127.0.0.1", "--port", "{port}"]
            }
            _ => vec!["gunicorn", &called, "--bind", "127.0.0.1:{port}", "--threads", "8"],
        };
        let mut command: Vec<String> = words.into_iter().map(str::to_owned).collect();
        if *is_factory && matches!(command[0].as_str(), "uvicorn" | "granian" | "sanic") {
            command.insert(2, "--factory".to_owned());
        }
        Start { command, missing_server: if server.is_none() { servers(app.protocol).first().copied() } else { None } }
    }

    /// Returns the top-level packages that the app consists of, its own first: those that its module leads to by imports.
    /// Single modules are packages of an app that has no others.
    pub(super) fn packages(&self, app: &App) -> Vec<String> {
        let top = |module: &str| module.split('.').next().unwrap_or_default().to_owned();
        let mut reached = vec![app.module.as_str()];
        let mut next = 0;
        while let Some(module) = reached.get(next).and_then(|name| self.modules.get(*name)) {
            let more = module.imports.iter().map(String::as_str).filter(|name| !reached.contains(name));
            let more: Vec<&str> = more.collect();
            reached.extend(more);
            next += 1;
        }
        let mut tops: Vec<String> = Vec::new();
        for name in reached.into_iter().chain(self.parts.iter().map(String::as_str)).map(top) {
            if !tops.contains(&name) {
                tops.push(name);
            }
        }
        let is_package = |name: &String| {
            self.modules.keys().any(|module| module.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('.')))
        };
        let packages: Vec<String> = tops.iter().filter(|name| is_package(name)).cloned().collect();
        if packages.is_empty() { tops } else { packages }
    }

    /// Returns the directory in which the packages of the app lie, if it is not the settings' own.
    pub(super) fn directory(&self, app: &App) -> Option<&str> {
        self.modules.get(&app.module).map(|module| module.directory.as_str()).filter(|directory| !directory.is_empty())
    }

    /// Returns the modules that must be named because they are not direct children of a package.
    pub(super) fn named_modules(&self) -> &[String] {
        &self.parts
    }

    /// Returns the modules between which calls are counted, with who calls whom in the source.
    pub(super) fn parts(&self, dir: &Path, packages: &[String]) -> anyhow::Result<Vec<Part>> {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        for (name, module) in &self.modules {
            if let Some(owner) = self.owner(name, packages) {
                let part = parts.entry(owner.clone()).or_insert_with(|| Part { name: owner, ..Part::default() });
                part.lines += module.lines;
            }
        }
        let tops: BTreeSet<&str> = self.modules.values().map(|module| module.directory.as_str()).collect();
        let paths: Vec<PathBuf> = packages
            .iter()
            .flat_map(|package| tops.iter().map(move |top| dir.join(top).join(package)))
            .flat_map(|path| [path.with_extension("py"), path])
            .filter(|path| path.exists())
            .collect();
        let (graph, _) = graph(&Options { paths, ..Options::default() })?;
        for edge in graph.edges.iter().filter(|edge| !edge.outside) {
            let (Some(from), Some(to)) = (self.owner(&edge.caller, packages), self.owner(&edge.callee, packages))
            else {
                continue;
            };
            if from != to
                && let Some(part) = parts.get_mut(&from)
            {
                *part.calls.entry(to).or_default() += 1;
            }
        }
        Ok(parts.into_values().collect())
    }

    /// Returns the module that code belongs to, as the recorder decides it.
    fn owner(&self, code: &str, packages: &[String]) -> Option<String> {
        let is_within =
            |parent: &&String| code.strip_prefix(*parent).is_some_and(|r| r.is_empty() || r.starts_with('.'));
        if let Some(named) = self.parts.iter().filter(is_within).max_by_key(|name| name.len()) {
            return Some(named.clone());
        }
        let package = packages.iter().find(is_within)?;
        let child = code.get(package.len() + 1..).and_then(|rest| rest.split('.').next());
        let module = child.map(|child| format!("{package}.{child}"));
        // A function of the package itself is no module below it.
        let is_module = |name: &String| {
            self.modules
                .keys()
                .any(|known| known.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with('.')))
        };
        Some(module.filter(is_module).unwrap_or_else(|| package.clone()))
    }
}

/// Returns the servers for a protocol, the preferred one first.
fn servers(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Asgi => &["uvicorn", "hypercorn", "granian", "daphne"],
        Protocol::Wsgi => &["gunicorn", "waitress"],
        Protocol::Own => &[],
    }
}
