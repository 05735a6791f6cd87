//! `splitcost.toml`, or `[tool.splitcost]` in `pyproject.toml`: found, read strictly, checked.

pub(crate) mod scan;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use splitcost_lab::app::AppSpec;
use splitcost_link::profile::Profile;
use splitcost_load::{Workload, WorkloadTable};
use splitcost_model::link::{Link, Links};
use splitcost_model::policy::CallPolicy;
use splitcost_model::split::{MAIN_SERVICE, Prices, Split, StackName};
use toml::Spanned;

use crate::failure::Failure;

/// Chosen: keeps a Python process busy without a long queue.
const CONCURRENCY: u32 = 16;
/// Chosen: an app that imports a large framework and opens its pools is ready in a third of it.
const DEADLINE_SECS: f64 = 30.0;

/// What the file says, checked, with defaults in place.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Directory of the file: relative paths start there.
    pub(crate) dir: PathBuf,
    /// How the app starts.
    pub(crate) app: AppSpec,
    /// The interpreter, where it is set.
    pub(crate) python: Option<PathBuf>,
    /// What drives the app.
    pub(crate) workload: Option<Workload>,
    /// The splits to evaluate, in the file's order.
    pub(crate) splits: Vec<Split>,
    /// Every module that a split names, with its place in the file.
    pub(crate) named_modules: Vec<(String, String)>,
    /// What computing costs.
    pub(crate) prices: Prices,
    /// Arrival rate at which response times are compared; `None` is half of what the split can take.
    pub(crate) rate_reqs_per_sec: Option<f64>,
    /// Requests in flight in closed loop.
    pub(crate) concurrency: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    app: Option<AppTable>,
    workload: Option<Spanned<WorkloadTable>>,
    #[serde(default)]
    splits: BTreeMap<Spanned<String>, SplitTable>,
    #[serde(default)]
    prices: PricesTable,
    #[serde(default)]
    load: LoadTable,
    #[serde(default)]
    scan: scan::ScanTable,
    #[serde(default)]
    effects: scan::EffectsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppTable {
    command: Spanned<Vec<String>>,
    #[serde(default)]
    setup: Vec<String>,
    #[serde(default = "root")]
    ready: Spanned<String>,
    package: Spanned<OneOrMany>,
    #[serde(default)]
    modules: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<Spanned<PathBuf>>,
    python: Option<PathBuf>,
    deadline_secs: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings; a key with dots is written in quotes")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

fn root() -> Spanned<String> {
    Spanned::new(0..0, "/".to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitTable {
    services: BTreeMap<Spanned<String>, Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    stack: StackName,
    #[serde(default)]
    keep_local: Vec<Spanned<String>>,
    #[serde(default)]
    links: BTreeMap<Spanned<String>, Spanned<String>>,
    calls: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PricesTable {
    usd_per_vcpu_hour: Option<f64>,
}

impl PricesTable {
    fn resolve(&self) -> Prices {
        let defaults = Prices::default();
        Prices { usd_per_vcpu_hour: self.usd_per_vcpu_hour.unwrap_or(defaults.usd_per_vcpu_hour) }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadTable {
    rate_reqs_per_sec: Option<Spanned<f64>>,
    concurrency: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
struct PyProject {
    tool: Option<Tools>,
}

#[derive(Deserialize)]
struct Tools {
    splitcost: Option<Table>,
}

/// The file that `--config` names, or else the nearest one upwards from `start`.
pub(crate) fn find(config: Option<&Path>, start: &Path) -> anyhow::Result<PathBuf> {
    if let Some(path) = config {
        return Ok(path.to_owned());
    }
    find_upwards(start).ok_or_else(|| {
        Failure::new(format!("no splitcost.toml in {} or above it", start.display()))
            .hint("`splitcost init` writes a commented one for this app")
            .into()
    })
}

/// The nearest file from `start` upwards.
fn find_upwards(start: &Path) -> Option<PathBuf> {
    start.ancestors().find_map(|dir| {
        let own = dir.join("splitcost.toml");
        if own.is_file() {
            return Some(own);
        }
        let shared = dir.join("pyproject.toml");
        // A pyproject.toml that cannot be read is some other tool's matter.
        fs::read_to_string(&shared).is_ok_and(|text| text.contains("[tool.splitcost")).then_some(shared)
    })
}

/// What a file says, read strictly.
fn read_table(file: &File<'_>) -> anyhow::Result<Table> {
    let shared = file.path.file_name().is_some_and(|name| name == "pyproject.toml");
    if !shared {
        return Ok(toml::from_str(file.text).map_err(|error| file.broken(&error))?);
    }
    let project: PyProject = toml::from_str(file.text).map_err(|error| file.broken(&error))?;
    project.tool.and_then(|tools| tools.splitcost).ok_or_else(|| {
        Failure::new(format!("{} has no table [tool.splitcost]", file.path.display()))
            .hint("`splitcost init` writes a splitcost.toml")
            .into()
    })
}

impl Settings {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = File::text_of(path)?;
        let file = File { path, text: &text };
        let table = read_table(&file)?;
        Ok(resolve(&file, table)?)
    }

    /// The workload, which most verbs need.
    pub(crate) fn workload(&self) -> anyhow::Result<&Workload> {
        self.workload.as_ref().ok_or_else(|| {
            Failure::new("there is no [workload] to drive the app with")
                .hint("list requests under [[workload.requests]], or record a command: `splitcost record -- pytest`")
                .into()
        })
    }

    /// The splits of these names, all without names.
    pub(crate) fn splits(&self, names: &[String]) -> anyhow::Result<Vec<Split>> {
        if self.splits.is_empty() {
            return Err(Failure::new("there is no split to evaluate")
                .hint("name one: [splits.NAME] with services = { pricing = [\"shop.pricing\"] }")
                .into());
        }
        if names.is_empty() {
            return Ok(self.splits.clone());
        }
        let known: Vec<&str> = self.splits.iter().map(|split| split.name.as_str()).collect();
        names
            .iter()
            .map(|name| {
                self.splits.iter().find(|split| split.name == *name).cloned().ok_or_else(|| {
                    Failure::new(format!("there is no split named {name}"))
                        .hint(format!("the splits are: {}", known.join(", ")))
                        .into()
                })
            })
            .collect()
    }
}

/// A file of TOML, for places in it.
pub(crate) struct File<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl File<'_> {
    fn text_of(path: &Path) -> Result<String, Failure> {
        fs::read_to_string(path).map_err(|error| Failure::new(format!("failed to read {}: {error}", path.display())))
    }

    /// Where the file is.
    fn dir(&self) -> Result<PathBuf, Failure> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::canonicalize(parent).map_err(|error| Failure::new(format!("failed to find {}: {error}", parent.display())))
    }

    fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.path.display())
    }

    fn wrong(&self, span: &Range<usize>, message: impl std::fmt::Display) -> Failure {
        Failure::new(format!("{}: {message}", self.place(span)))
    }

    pub(crate) fn broken(&self, error: &toml::de::Error) -> Failure {
        let message = error.message().trim().replace('\n', ", ");
        match error.span() {
            Some(span) => self.wrong(&span, message),
            None => Failure::new(format!("{}: {message}", self.path.display())),
        }
    }
}

fn resolve(file: &File<'_>, table: Table) -> Result<Settings, Failure> {
    let dir = file.dir()?;
    let app = table.app.ok_or_else(|| {
        Failure::new(format!("{} has no table [app]: how the app starts", file.path.display()))
            .hint("`splitcost init` writes a splitcost.toml; without [app], only `splitcost scan` works")
    })?;
    let package_span = app.package.span();
    let packages = app.package.into_inner().into_vec();
    if packages.is_empty() || packages.iter().any(|package| !is_module(package)) {
        return Err(file.wrong(&package_span, "package is not the name of a Python package"));
    }
    if app.command.get_ref().is_empty() {
        return Err(file.wrong(&app.command.span(), "command is empty"));
    }
    if !app.ready.get_ref().starts_with('/') {
        return Err(file.wrong(&app.ready.span(), "ready is a path and begins with /"));
    }
    let positive = |value: Option<Spanned<f64>>, name: &str| match value {
        Some(value) if !(*value.get_ref() > 0.0 && value.get_ref().is_finite()) => {
            Err(file.wrong(&value.span(), format_args!("{name} is not above 0")))
        }
        value => Ok(value.map(Spanned::into_inner)),
    };
    let deadline_secs = positive(app.deadline_secs, "deadline_secs")?.unwrap_or(DEADLINE_SECS).min(86_400.0);
    let rate_reqs_per_sec = positive(table.load.rate_reqs_per_sec, "rate_reqs_per_sec")?;
    let concurrency = match table.load.concurrency {
        Some(value) if !(1..=10_000).contains(value.get_ref()) => {
            return Err(file.wrong(&value.span(), "concurrency is not between 1 and 10000"));
        }
        value => value.map_or(CONCURRENCY, Spanned::into_inner),
    };
    let mut tables: Vec<(Spanned<String>, SplitTable)> = table.splits.into_iter().collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    let mut named_modules = Vec::new();
    let splits = tables
        .into_iter()
        .map(|(name, table)| split(file, name.into_inner(), table, &packages, &mut named_modules))
        .collect::<Result<Vec<_>, _>>()?;
    let python = app.python.map(|python| dir.join(python));
    let app = AppSpec {
        command: app.command.into_inner(),
        setup: app.setup,
        ready: app.ready.into_inner(),
        packages,
        modules: app.modules,
        env: app.env,
        cwd: match app.cwd {
            Some(cwd) if !dir.join(cwd.get_ref()).is_dir() => {
                return Err(file
                    .wrong(&cwd.span(), format_args!("there is no directory {}", cwd.get_ref().display()))
                    .hint("relative to this file, `cwd` is where the app's command is run"));
            }
            Some(cwd) => dir.join(cwd.into_inner()),
            None => dir.clone(),
        },
        deadline: Duration::from_secs_f64(deadline_secs),
    };
    let prices = table.prices.resolve();
    let workload = table.workload.map(|table| {
        let span = table.span();
        table.into_inner().compile(&dir).map_err(|error| file.wrong(&span, error))
    });
    let workload = workload.transpose()?;
    Ok(Settings { dir, app, python, workload, splits, named_modules, prices, rate_reqs_per_sec, concurrency })
}

fn split(
    file: &File<'_>,
    name: String,
    table: SplitTable,
    packages: &[String],
    named_modules: &mut Vec<(String, String)>,
) -> Result<Split, Failure> {
    let mut claims: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut services = BTreeMap::new();
    for (service, modules) in table.services {
        if service.get_ref() == MAIN_SERVICE {
            return Err(file
                .wrong(&service.span(), "main is the service that keeps every module no other claims")
                .hint("leave main out, or give the service another name"));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if service.get_ref().is_empty() || !service.get_ref().chars().all(is_name) {
            return Err(file.wrong(&service.span(), "a service's name is made of letters, digits, - and _"));
        }
        if modules.get_ref().is_empty() {
            return Err(file.wrong(&modules.span(), format_args!("service {} has no modules", service.get_ref())));
        }
        let mut own = Vec::new();
        for module in modules.into_inner() {
            let place = file.place(&module.span());
            check_module(file, &module, packages)?;
            let module = module.into_inner();
            let claim = (service.get_ref().clone(), place.clone());
            if let Some((other, first)) = claims.insert(module.clone(), claim) {
                return Err(Failure::new(format!(
                    "{place}: module {module} of split {name} is claimed by service {} and by service {other} ({first})",
                    service.get_ref()
                ))
                .hint("a module lives in one service of a split: take it out of one of the two"));
            }
            named_modules.push((module.clone(), place));
            own.push(module);
        }
        services.insert(service.into_inner(), own);
    }
    if services.is_empty() {
        return Err(Failure::new(format!("{}: split {name} has no services", file.path.display()))
            .hint("services = { pricing = [\"shop.pricing\"] } moves that module into a service of its own"));
    }
    let mut keep_local = Vec::new();
    for module in table.keep_local {
        check_module(file, &module, packages)?;
        named_modules.push((module.get_ref().clone(), file.place(&module.span())));
        keep_local.push(module.into_inner());
    }
    let links = links(file, table.links, &services)?;
    let calls = match table.calls {
        None => CallPolicy::default(),
        Some(calls) => calls.get_ref().parse().map_err(|error| file.wrong(&calls.span(), error))?,
    };
    Ok(Split { name, services, stack: table.stack, keep_local, links, calls })
}

/// The profile of a link; a file's path starts at `dir`.
pub(crate) fn link(name: &str, dir: &Path) -> Result<Link, splitcost_link::Error> {
    let path = if name.contains(".toml") { dir.join(name).display().to_string() } else { name.to_owned() };
    Ok(Profile::find(&path)?.link)
}

/// Between which services which link is.
fn links(
    file: &File<'_>,
    table: BTreeMap<Spanned<String>, Spanned<String>>,
    services: &BTreeMap<String, Vec<String>>,
) -> Result<Links, Failure> {
    let dir = file.dir()?;
    let mut links = Links::default();
    for (between, profile) in table {
        let found = link(profile.get_ref(), &dir).map_err(|error| {
            let hint = match &error {
                splitcost_link::Error::Profile { hint, .. } => Some(hint.clone()),
                _ => None,
            };
            hint.into_iter().fold(file.wrong(&profile.span(), format_args!("failed to {error}")), Failure::hint)
        })?;
        let pair: Vec<&str> = between.get_ref().split_whitespace().collect();
        let is_service = |name: &&str| *name == MAIN_SERVICE || services.contains_key(*name);
        match pair[..] {
            ["default"] => links.default = found,
            [one, other] if one != other && pair.iter().all(is_service) => {
                links.between.push(([one.to_owned(), other.to_owned()], found));
            }
            _ => {
                return Err(file
                    .wrong(&between.span(), format_args!("{:?} is not two services of the split", between.get_ref()))
                    .hint("default = \"cross-az-aws\" is between any two; \"main pricing\" = \"same-node-pods\" between these"));
            }
        }
    }
    Ok(links)
}

fn check_module(file: &File<'_>, module: &Spanned<String>, packages: &[String]) -> Result<(), Failure> {
    let name = module.get_ref();
    if !is_module(name) {
        return Err(file.wrong(&module.span(), format_args!("{name:?} is not the name of a module")));
    }
    let inside = |package: &String| name.strip_prefix(package).is_some_and(|rest| rest.starts_with('.'));
    if packages.iter().any(inside) {
        return Ok(());
    }
    Err(file
        .wrong(&module.span(), format_args!("module {name} is not inside the package {}", packages.join(" or ")))
        .hint("`package` in [app] names the packages whose modules can be split"))
}

fn is_module(name: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    !name.is_empty() && name.split('.').all(is_identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "[app]\ncommand = ['uvicorn']\npackage = 'shop'\n";

    fn read(text: &str) -> Result<Settings, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("splitcost.toml");
        fs::write(&path, text).unwrap();
        Settings::read(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "splitcost.toml"))
    }

    #[track_caller]
    fn check(more: &str, expected: &str) {
        assert_eq!(read(&format!("{APP}{more}")).unwrap_err(), expected);
    }

    #[test]
    fn splits_keep_the_order_of_the_file() {
        let settings = read(&format!(
            "{APP}[splits.z]\nservices = {{ a = ['shop.a'] }}\n[splits.b]\nservices = {{ a = ['shop.a'] }}\nstack = 'grpc'\n"
        ))
        .unwrap();
        let names: Vec<&str> = settings.splits.iter().map(|split| split.name.as_str()).collect();
        assert_eq!(names, ["z", "b"]);
        assert_eq!(settings.splits[1].stack, StackName::Grpc);
        assert_eq!(settings.concurrency, CONCURRENCY);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        check(
            "[splits.a]\nservices = { x = ['shop.a', 'shop.b'], y = ['shop.b'] }\n",
            "splitcost.toml:5:45: module shop.b of split a is claimed by service y and by service x (splitcost.toml:5:29)",
        );
        check(
            "[splits.a]\nservices = { x = ['store.a'] }\n",
            "splitcost.toml:5:19: module store.a is not inside the package shop",
        );
        check(
            "[splits.a]\nservices = { main = ['shop.a'] }\n",
            "splitcost.toml:5:14: main is the service that keeps every module no other claims",
        );
        check("[splits.a]\nservices = { x = [] }\n", "splitcost.toml:5:18: service x has no modules");
        check(
            "[splits.a]\nservices = { x = ['shop.a'] }\nstack = 'thrift'\n",
            "splitcost.toml:6:9: unknown variant `thrift`, expected `httpx` or `grpc`",
        );
        check(
            "[splits.a]\nservices = { x = ['shop.a'] }\nlinks = { default = 'moon' }\n",
            "splitcost.toml:6:21: failed to use the profile: there is no profile \"moon\"",
        );
        check(
            "[splits.a]\nservices = { x = ['shop.a'] }\nlinks = { 'main y' = 'cross-region' }\n",
            "splitcost.toml:6:11: \"main y\" is not two services of the split",
        );
        check(
            "[splits.a]\nservices = { x = ['shop.a'] }\ncalls = '0s'\n",
            "splitcost.toml:6:9: a timeout of 0 makes every call fail",
        );
        check("[load]\nconcurrency = 0\n", "splitcost.toml:5:15: concurrency is not between 1 and 10000");
        check(
            "[load]\nworkers = 2\n",
            "splitcost.toml:5:1: unknown field `workers`, expected `rate_reqs_per_sec` or `concurrency`",
        );
    }

    #[test]
    fn links_lie_between_services() {
        let settings = read(&format!(
            "{APP}[splits.a]\nservices = {{ x = ['shop.a'], y = ['shop.b'] }}\ncalls = '1s + 2 retries'\n\
             [splits.a.links]\ndefault = 'cross-az-aws'\n'x y' = 'same-node-pods+linkerd'\n"
        ))
        .unwrap();
        let split = &settings.splits[0];
        assert_eq!(split.links.between("main", "x").name, "cross-az-aws");
        assert_eq!(split.links.between("y", "x").name, "same-node-pods+linkerd");
        assert_eq!(split.calls.to_string(), "1s + 2 retries");
    }

    #[test]
    fn pyproject_is_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pyproject.toml");
        fs::write(&path, "[project]\nname = 'x'\n[tool.splitcost.app]\ncommand = ['uvicorn']\npackage = 'shop'\n")
            .unwrap();
        fs::create_dir(dir.path().join("deeper")).unwrap();
        let found = find(None, &dir.path().join("deeper")).unwrap();
        assert_eq!(found, path);
        assert_eq!(Settings::read(&found).unwrap().app.command, ["uvicorn"]);
    }
}
