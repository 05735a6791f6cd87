//! The settings: `splitcost.toml`, or `[tool.splitcost]` in `pyproject.toml`, read strictly and checked.
//!
//! [`file`] finds the file and names places in it, [`table`] is what it may hold, [`split`] and [`scan`] check the parts
//! of the commands that have their own.

pub(crate) mod file;
pub(crate) mod scan;
pub(crate) mod split;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use splitcost_lab::app::AppSpec;
use splitcost_load::Workload;
use splitcost_model::split::{Prices, Split, is_within};
use splitcost_recording::division::Division;
use toml::Spanned;

use self::file::File;
use self::split::{AppPart, NamedModule};
use self::table::Tables;
use crate::args::shared::{CONCURRENCY, MAX_CONCURRENCY};
use crate::failure::Failure;

/// Chosen: an app that imports a large framework and opens its pools is ready in a third of it.
const DEADLINE_SECS: f64 = 30.0;

/// The checked settings of a file, with defaults for what it leaves out.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Directory of the file, where relative paths start.
    pub(crate) dir: PathBuf,
    /// The app: how it starts, and its packages.
    pub(crate) app: AppSpec,
    /// Interpreter of the app; `None` if the file sets none.
    pub(crate) python: Option<PathBuf>,
    /// The workload that drives the app; `None` if the file has none.
    pub(crate) workload: Option<Workload>,
    /// The splits, in the order of the file.
    pub(crate) splits: Vec<Split>,
    /// The modules and classes that the file names.
    pub(crate) named_modules: Vec<NamedModule>,
    /// The modules that own tables, where the file says so.
    pub(crate) table_owners: BTreeMap<String, String>,
    /// Prices of computing.
    pub(crate) prices: Prices,
    /// Arrival rate at which response times are compared; `None` if the file sets none.
    pub(crate) rate_reqs_per_sec: Option<f64>,
    /// Requests in flight in closed loop.
    pub(crate) concurrency: u32,
}

impl Settings {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = File::text_of(path)?;
        let file = File { path, text: &text };
        Ok(resolve(&file, table::read(&file)?)?)
    }

    /// Returns the workload.
    ///
    /// # Errors
    /// Fails if the file has none.
    pub(crate) fn workload(&self) -> anyhow::Result<&Workload> {
        self.workload.as_ref().ok_or_else(|| {
            Failure::new("the settings have no [workload] to drive the app with")
                .hint("list requests under [[workload.requests]], or record a command: `splitcost record -- pytest`")
                .into()
        })
    }

    /// Returns the splits with these names, or all splits if no name is given.
    ///
    /// # Errors
    /// Fails if there is no split of a name.
    pub(crate) fn splits(&self, names: &[String]) -> anyhow::Result<Vec<Split>> {
        if names.is_empty() {
            return Ok(self.splits.clone());
        }
        let known: Vec<&str> = self.splits.iter().map(|split| split.name.as_str()).collect();
        names
            .iter()
            .map(|name| {
                self.splits.iter().find(|split| split.name == *name).cloned().ok_or_else(|| {
                    let failure = Failure::new(format!("the settings have no split named {name}"));
                    match known.as_slice() {
                        [] => failure.hint("they name none; without a name, one is proposed from the recording"),
                        known => failure.hint(format!("the splits are: {}", known.join(", "))),
                    }
                    .into()
                })
            })
            .collect()
    }
}

fn resolve(file: &File<'_>, table: Tables) -> Result<Settings, Failure> {
    let dir = file.dir()?;
    let app = table.app.ok_or_else(|| {
        Failure::new(format!("{} has no table [app], which says how the app starts", file.path.display()))
            .hint("`splitcost init` writes a splitcost.toml with one; only `splitcost scan` works without it")
    })?;
    let package_span = app.package.span();
    let packages = app.package.into_inner().into_vec();
    if packages.is_empty() || packages.iter().any(|package| !split::is_module(package)) {
        return Err(file.wrong(&package_span, "package must be the name of a Python package"));
    }
    if app.command.get_ref().is_empty() {
        return Err(file.wrong(&app.command.span(), "command is empty"));
    }
    if !app.ready.get_ref().starts_with('/') {
        return Err(file.wrong(&app.ready.span(), "ready must be a path that begins with /"));
    }
    let positive = |value: Option<Spanned<f64>>, name: &str| match value {
        Some(value) if !(*value.get_ref() > 0.0 && value.get_ref().is_finite()) => {
            Err(file.wrong(&value.span(), format_args!("{name} must be above 0")))
        }
        value => Ok(value.map(Spanned::into_inner)),
    };
    let deadline_secs = positive(app.deadline_secs, "deadline_secs")?.unwrap_or(DEADLINE_SECS).min(86_400.0);
    let rate_reqs_per_sec = positive(table.load.rate_reqs_per_sec, "rate_reqs_per_sec")?;
    let concurrency = match table.load.concurrency {
        Some(value) if !(1..=MAX_CONCURRENCY).contains(value.get_ref()) => {
            let message = format_args!("concurrency must be from 1 to {MAX_CONCURRENCY}");
            return Err(file.wrong(&value.span(), message));
        }
        value => value.map_or(CONCURRENCY, Spanned::into_inner),
    };
    let mut tables: Vec<_> = table.splits.into_iter().collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    let depth = match app.depth {
        Some(depth) if *depth.get_ref() == 0 => {
            return Err(file.wrong(&depth.span(), "depth must be above 0").hint(
                "`depth` is the number of parts in the names of modules: with depth = 2, the code of \
                 shop.billing.invoices belongs to shop.billing",
            ));
        }
        depth => depth.map(Spanned::into_inner),
    };
    let mut named_modules = Vec::new();
    for module in app.modules {
        split::check_name(file, &module)?;
        named_modules.push(NamedModule { place: file.place(&module.span()), name: module.into_inner() });
    }
    let mut modules: Vec<String> = named_modules.iter().map(|module| module.name.clone()).collect();
    let of_others = modules.iter().filter(|module| !packages.iter().any(|package| is_within(module, package)));
    let owners: Vec<String> = packages.iter().chain(of_others).cloned().collect();
    let mut table_owners = BTreeMap::new();
    for (name, module) in table.owners {
        split::check_module(file, &module, &owners)?;
        table_owners.insert(name, module.into_inner());
    }
    let part = AppPart { packages: &owners, database: app.database, table_owners: &table_owners };
    let splits = tables
        .into_iter()
        .map(|(name, table)| split::check(file, name.into_inner(), table, &part, &mut named_modules))
        .collect::<Result<Vec<_>, _>>()?;
    let python = app.python.map(|python| dir.join(python));
    name_parts(&mut modules, &packages, depth, &named_modules);
    let app = AppSpec {
        command: app.command.into_inner(),
        setup: app.setup,
        ready: app.ready.into_inner(),
        packages,
        modules,
        depth,
        entry_points: app
            .entry_points
            .into_iter()
            .map(|name| check_entry_point(file, &name).map(|()| name.into_inner()))
            .collect::<Result<_, _>>()?,
        env: app.env,
        cwd: app.cwd.map_or(Ok(dir.clone()), |cwd| check_cwd(file, &dir, &cwd))?,
        deadline: Duration::from_secs_f64(deadline_secs),
    };
    let prices = table.prices.resolve(file)?;
    let workload = table.workload.map(|table| {
        let span = table.span();
        table.into_inner().compile(&dir).map_err(|error| file.wrong(&span, error))
    });
    let workload = workload.transpose()?;
    Ok(Settings {
        dir,
        app,
        python,
        workload,
        splits,
        named_modules,
        table_owners,
        prices,
        rate_reqs_per_sec,
        concurrency,
    })
}

/// Returns the directory in which the app's command runs.
fn check_cwd(file: &File<'_>, dir: &Path, cwd: &Spanned<PathBuf>) -> Result<PathBuf, Failure> {
    let inside = dir.join(cwd.get_ref());
    if inside.is_dir() {
        return Ok(inside);
    }
    Err(file
        .wrong(&cwd.span(), format_args!("the directory {} does not exist", cwd.get_ref().display()))
        .hint("`cwd` is the directory in which the app's command runs, relative to this file"))
}

/// Adds the modules and classes that splits name and that would be a part of another module otherwise.
fn name_parts(modules: &mut Vec<String>, packages: &[String], depth: Option<usize>, named: &[NamedModule]) {
    let division = Division { packages: packages.to_vec(), modules: modules.clone(), depth };
    for NamedModule { name, .. } in named {
        let (module, class) = name.split_once(':').unwrap_or((name, ""));
        let is_part = division.owner_of(module, class).is_some_and(|owner| owner.len() < name.len());
        if is_part && !modules.contains(name) {
            modules.push(name.clone());
        }
    }
}

/// An entry point names a module and a function in it.
fn check_entry_point(file: &File<'_>, name: &Spanned<String>) -> Result<(), Failure> {
    match name.get_ref().split_once(':') {
        Some((module, function)) if split::is_module(module) && split::is_module(function) => Ok(()),
        _ => Err(file
            .wrong(&name.span(), format_args!("{} does not name a function of a module", name.get_ref()))
            .hint("an entry point is written as `shop.worker:handle`")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use splitcost_model::database::Database;
    use splitcost_model::split::StackName;

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
    fn an_error_names_its_place() {
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
            "splitcost.toml:5:14: main is the service that keeps every module that no other service claims",
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
            "splitcost.toml:6:11: \"main y\" does not name two services of the split",
        );
        check(
            "[splits.a]\nservices = { x = ['shop.a'] }\ncalls = '0s'\n",
            "splitcost.toml:6:9: a timeout of 0 makes every call fail",
        );
        check(
            "entry_points = ['shop.worker.handle']\n",
            "splitcost.toml:4:17: shop.worker.handle does not name a function of a module",
        );
        check("[load]\nconcurrency = 0\n", "splitcost.toml:5:15: concurrency must be from 1 to 10000");
        check("[prices]\nusd_per_vcpu_hour = nan\n", "splitcost.toml:5:21: usd_per_vcpu_hour must be a number from 0");
        check("[prices]\nusd_per_vcpu_hour = -1.0\n", "splitcost.toml:5:21: usd_per_vcpu_hour must be a number from 0");
        check(
            "[load]\nworkers = 2\n",
            "splitcost.toml:5:1: unknown field `workers`, expected `rate_reqs_per_sec` or `concurrency`",
        );
    }

    #[test]
    fn databases_are_shared_unless_the_app_or_a_split_says_otherwise() {
        let splits = "[splits.a]\nservices = { x = ['shop.a'] }\n\
                      [splits.b]\nservices = { x = ['shop.a'] }\ndatabase = 'shared'\n";
        let databases =
            |text: &str| -> Vec<Database> { read(text).unwrap().splits.iter().map(|split| split.database).collect() };
        assert_eq!(databases(&format!("{APP}{splits}")), [Database::Shared, Database::Shared]);
        let apart = format!("{APP}database = 'per-service'\n{splits}");
        assert_eq!(databases(&apart), [Database::PerService, Database::Shared]);
        check("database = 'own'\n", "splitcost.toml:4:12: unknown variant `own`, expected `shared` or `per-service`");
    }

    #[test]
    fn tables_are_owned_by_modules_of_the_app() {
        let settings = read(&format!("{APP}[tables]\norders = 'shop.orders'\n")).unwrap();
        assert_eq!(settings.table_owners["orders"], "shop.orders");
        check(
            "[tables]\norders = 'store.orders'\n",
            "splitcost.toml:5:10: module store.orders is not inside the package shop",
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
        let found = file::find(None, &dir.path().join("deeper")).unwrap();
        assert_eq!(found, path);
        assert_eq!(Settings::read(&found).unwrap().app.command, ["uvicorn"]);
    }
}
