//! The description of an app: its command, its environment, and our part in its process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::Scratch;
use crate::python::{PROBE_DEADLINE, Python, output};
use crate::{Error, Result};

/// The description of an app, by which it is started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppSpec {
    /// Start command; `{port}`, `{workdir}` and `{arm}` are replaced.
    pub command: Vec<String>,
    /// Command that fills a scratch directory before the app is started on it; may be empty.
    pub setup: Vec<String>,
    /// Path that is answered with 2xx or 3xx once the app is ready.
    pub ready: String,
    /// Top-level packages whose modules are boundary candidates.
    pub packages: Vec<String>,
    /// Modules that are named: those of other packages, those of another depth, and classes, as `shop.services:Orders`.
    pub modules: Vec<String>,
    /// Parts of the dotted name of every other module; `None`: one more than its package has.
    pub depth: Option<usize>,
    /// Functions each call of which is a request, as `shop.worker:handle`.
    pub entry_points: Vec<String>,
    /// More environment; values may hold the same placeholders.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Longest time until it is ready.
    pub deadline: Duration,
}

impl AppSpec {
    /// Returns if the command or its environment takes the number of a free port.
    pub(crate) fn takes_port(&self) -> bool {
        self.command.iter().chain(self.env.values()).any(|text| text.contains(PORT))
    }

    /// Returns if the command or its environment takes the name of the copy.
    pub(crate) fn takes_arm(&self) -> bool {
        self.command.iter().chain(self.env.values()).any(|text| text.contains(ARM))
    }

    /// Asks Python which of these modules, and classes of modules, exist, seen from the app. Classes are looked for in the
    /// source, which is not run.
    pub fn modules(&self, python: &Python, names: &[&str]) -> Result<Modules> {
        let question = serde_json::json!([names, self.packages]).to_string();
        let mut command = Command::new(&python.executable);
        command.args(["-c", MODULES, &question]).current_dir(&self.cwd).envs(&self.env);
        let broken = |reason: String| Error::Helper {
            action: format!("look for the modules of {}", self.packages.join(" and ")),
            reason,
            log: String::new(),
        };
        let text = output(&mut command, PROBE_DEADLINE).map_err(broken)?;
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| broken(error.to_string()))
    }

    /// Returns a command with everything replaced, in the environment that splitcost's half in the process reads.
    pub(crate) fn command(
        &self,
        python: &Python,
        scratch: Option<&Scratch>,
        mode: &Mode,
        command: &[String],
        port: u16,
    ) -> Result<Command> {
        let workdir = scratch.map(|scratch| scratch.workdir().display().to_string()).unwrap_or_default();
        let arm = scratch.map_or_else(|| "arm1".to_owned(), Scratch::arm);
        let fill = |text: &str| text.replace(PORT, &port.to_string()).replace(WORKDIR, &workdir).replace(ARM, &arm);
        let (program, arguments) = command.split_first().ok_or_else(|| Error::Spawn {
            command: String::new(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "the command is empty"),
        })?;
        let mut process = Command::new(fill(program));
        let own = self.env.get("PYTHONPATH").map(|path| fill(path).into());
        let python_path = own.or_else(|| std::env::var_os("PYTHONPATH")).unwrap_or_default();
        let python_path = std::iter::once(python.bootstrap_dir())
            .chain(std::env::split_paths(&python_path).filter(|path| !path.as_os_str().is_empty()));
        process
            .args(arguments.iter().map(|argument| fill(argument)))
            .current_dir(&self.cwd)
            .envs(self.env.iter().map(|(name, value)| (name, fill(value))))
            .env("PATH", python.search_path())
            .env("PYTHONPATH", std::env::join_paths(python_path).unwrap_or_default())
            .env("PYTHONUNBUFFERED", "1")
            .envs(mode.env(self));
        Ok(process)
    }
}

/// Placeholder for the number of a free port in a command.
const PORT: &str = "{port}";
/// Placeholder for the app's scratch directory in a command.
const WORKDIR: &str = "{workdir}";

/// Placeholder for the name of a copy of the app in a command.
const ARM: &str = "{arm}";

/// Our part in the app's process.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Nothing.
    None,
    /// The recorder, which writes its log here.
    Record {
        /// Directory of the logs.
        log_dir: PathBuf,
        /// True when our load generator drives the app, and names the endpoints in its requests.
        is_driven: bool,
    },
    /// One service of a split.
    Rehearse {
        /// The description of the split, a JSON file.
        description: PathBuf,
        /// The name of this service.
        service: String,
    },
}

impl Mode {
    fn env(&self, spec: &AppSpec) -> Vec<(&'static str, String)> {
        let depth = spec.depth.map(|depth| depth.to_string()).unwrap_or_default();
        match self {
            Self::None => vec![("SPLITCOST_MODE", "none".to_owned())],
            Self::Record { log_dir, is_driven } => vec![
                ("SPLITCOST_MODE", "record".to_owned()),
                ("SPLITCOST_ENDPOINT_HEADER", if *is_driven { splitcost_load::NAME_HEADER } else { "" }.to_owned()),
                ("SPLITCOST_LOG_DIR", log_dir.display().to_string()),
                ("SPLITCOST_PACKAGES", spec.packages.join(",")),
                ("SPLITCOST_MODULES", spec.modules.join(",")),
                ("SPLITCOST_DEPTH", depth),
                ("SPLITCOST_ENTRY_POINTS", spec.entry_points.join(",")),
            ],
            Self::Rehearse { description, service } => vec![
                ("SPLITCOST_MODE", "rehearse".to_owned()),
                ("SPLITCOST_REHEARSAL", description.display().to_string()),
                ("SPLITCOST_SERVICE", service.clone()),
                ("SPLITCOST_PACKAGES", spec.packages.join(",")),
                ("SPLITCOST_MODULES", spec.modules.join(",")),
                ("SPLITCOST_DEPTH", depth),
            ],
        }
    }
}

/// The modules of an app, as Python finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Modules {
    /// Modules and classes that were asked for and do not exist.
    pub missing: Vec<String>,
    /// The direct children of the packages.
    pub children: Vec<String>,
    /// Modules and classes beside the missing ones: those of the same package, or of the same module.
    pub beside: Vec<String>,
}

const MODULES: &str = r#"
import ast, importlib.util, json, pkgutil, sys
names, packages = json.loads(sys.argv[1])
out = {"missing": [], "children": [], "beside": []}
def find(name):
    try:
        return importlib.util.find_spec(name) if name else None
    except (ImportError, ValueError):
        return None
def below(package):
    spec = find(package)
    places = spec.submodule_search_locations if spec else None
    return [package + "." + m.name for m in pkgutil.iter_modules(places)] if places else []
def classes(nodes, outer):
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield outer + node.name
            yield from classes(node.body, outer + node.name + ".")
        elif not isinstance(node, (ast.expr, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from classes(ast.iter_child_nodes(node), outer)
for name in names:
    module, _, qualname = name.partition(":")
    spec = find(module)
    if spec is None:
        out["missing"].append(name)
        package = module.rpartition(".")[0]
        out["beside"] += below(package) if package else [m.name for m in pkgutil.iter_modules()]
    elif qualname:
        source = spec.loader.get_source(module) if hasattr(spec.loader, "get_source") else None
        known = list(classes(ast.parse(source or "").body, module + ":"))
        if name not in known:
            out["missing"].append(name)
            out["beside"] += known
for package in packages:
    out["children"] += below(package)
print("\n" + json.dumps(out))
"#;
