//! `splitcost init`

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::failure::Failure;
use crate::session::Session;

/// Frameworks whose app object is looked for.
const FRAMEWORKS: [&str; 4] = ["FastAPI(", "Starlette(", "Quart(", "Litestar("];

/// Writes a commented splitcost.toml for the app in the working directory.
pub(crate) fn run(session: &mut Session) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir()?;
    let path = here.join("splitcost.toml");
    if path.exists() {
        return Err(Failure::new("splitcost.toml is there already")
            .hint("remove it first, or edit it; `splitcost evaluate` uses it as it is")
            .into());
    }
    let app = find_app(&here);
    fs::write(&path, template(app.as_ref()))
        .map_err(|error| Failure::new(format!("failed to write splitcost.toml: {error}")))?;
    match app {
        Some(app) => session.printer.note(&format!("wrote splitcost.toml for {}:{}", app.module, app.object)),
        None => session.printer.note("wrote splitcost.toml; no app object was found, so the example's names are in it"),
    }
    session.printer.note("next: list the app's requests under [workload], then `splitcost evaluate`");
    Ok(ExitCode::SUCCESS)
}

/// An ASGI app object in a package.
#[derive(Debug, PartialEq, Eq)]
struct App {
    package: String,
    module: String,
    object: String,
    children: Vec<String>,
}

/// The first module below a package here that assigns an app object.
fn find_app(here: &Path) -> Option<App> {
    packages(here).into_iter().chain(packages(&here.join("src"))).find_map(|package| {
        let name = package.file_name()?.to_str()?.to_owned();
        let mut files = Vec::new();
        collect(&package, &name, 0, &mut files);
        // `main` is where it usually is.
        files.sort_by_key(|(_, module)| (module.matches('.').count(), !is_main(module), module.clone()));
        files.iter().find_map(|(path, module)| {
            let object = app_object(&fs::read_to_string(path).ok()?)?;
            let children = children(&package, &name);
            Some(App { package: name.clone(), module: module.clone(), object, children })
        })
    })
}

fn is_main(module: &str) -> bool {
    module.rsplit('.').next() == Some("main")
}

fn packages(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("__init__.py").is_file())
        .filter(|path| !matches!(path.file_name().and_then(|name| name.to_str()), Some("tests" | "test")))
        .collect();
    found.sort();
    found
}

/// Python files of a package with their module names, four levels deep.
fn collect(dir: &Path, module: &str, depth: usize, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if path.extension().is_some_and(|extension| extension == "py") {
            let name = if stem == "__init__" { module.to_owned() } else { format!("{module}.{stem}") };
            files.push((path.clone(), name));
        } else if depth < 4 && path.join("__init__.py").is_file() {
            collect(&path, &format!("{module}.{stem}"), depth + 1, files);
        }
    }
}

/// The name that a line at the left margin gives to a framework's app.
fn app_object(source: &str) -> Option<String> {
    source.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        // `app: FastAPI = FastAPI()` names it, too.
        let name = name.split(':').next()?.trim_end();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let value = value.trim_start();
        let calls = FRAMEWORKS.iter().any(|f| value.starts_with(f) || value.contains(&format!(".{f}")));
        (is_name && calls).then(|| name.to_owned())
    })
}

fn children(package: &Path, name: &str) -> Vec<String> {
    let mut children: Vec<String> = fs::read_dir(package)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("__init__.py").is_file() || path.extension().is_some_and(|e| e == "py"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|stem| !stem.starts_with("__"))
        .map(|stem| format!("{name}.{stem}"))
        .collect();
    children.sort();
    children
}

fn template(app: Option<&App>) -> String {
    let example = App {
        package: "shop".into(),
        module: "shop.main".into(),
        object: "app".into(),
        children: vec!["shop.orders".into(), "shop.pricing".into()],
    };
    let app = app.unwrap_or(&example);
    let candidate = app.children.iter().rfind(|child| **child != app.module).cloned();
    let candidate = candidate.unwrap_or_else(|| format!("{}.pricing", app.package));
    let service = candidate.rsplit('.').next().unwrap_or("pricing").replace('_', "-");
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        r#"# What splitcost needs to know about this app. Then: splitcost evaluate

[app]
# How it starts. {{port}} becomes a free port, {{workdir}} a scratch directory that is removed afterwards.
command = ["uvicorn", "{module}:{object}", "--host", "127.0.0.1", "--port", "{{port}}"]
# The package whose direct children are the modules that calls are counted between.
package = "{package}"
# A path that answers 2xx or 3xx once the app is ready.
ready = "/"
# Run before each start, to fill a scratch database for instance.
# setup = ["python", "-m", "{package}.seed"]
# env = {{ DATABASE_URL = "sqlite:///{{workdir}}/app.db" }}

# The requests that drive it, drawn by weight; values are drawn from ranges.
[workload]
seed = 1

[[workload.requests]]
path = "/"

# [[workload.requests]]
# method = "POST"
# path = "/items/{{item_id}}"
# weight = 3
# headers = {{ authorization = "Bearer test" }}
# params = {{ item_id = {{ int = [1, 500] }}, colour = {{ choice = ["red", "blue"] }} }}
# body = {{ colour = "{{colour}}", amount = 1 }}

# The splits to evaluate: which modules would move into services of their own. The rest stays in service main.
"#,
        module = app.module,
        object = app.object,
        package = app.package,
    );
    if !app.children.is_empty() {
        let _ = writeln!(text, "# The modules are: {}", app.children.join(", "));
    }
    let _ = write!(
        text,
        r#"[splits.{service}]
services = {{ {service} = ["{candidate}"] }}
# What calls go over: "httpx" (HTTP/1.1 and JSON) or "grpc".
stack = "httpx"
# Modules whose functions run in the caller where their arguments cannot cross, a database session for instance.
# keep_local = ["{candidate}"]
# What lies between the services, beyond this machine's loopback: `splitcost link list` names the profiles.
# links = {{ default = "cross-az-aws" }}
# How services call each other.
# calls = "1s + 2 retries + budget 20%"

# [prices]
# usd_per_vcpu_hour = 0.0445

# [load]
# rate_reqs_per_sec = 50
# concurrency = 16
"#
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn the_app_is_found_and_the_file_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("store");
        fs::create_dir_all(package.join("billing")).unwrap();
        for file in ["__init__.py", "billing/__init__.py", "users.py"] {
            fs::write(package.join(file), "").unwrap();
        }
        fs::write(package.join("web.py"), "import fastapi\n\napi: fastapi.FastAPI = fastapi.FastAPI(title='x')\n")
            .unwrap();
        let app = find_app(dir.path()).unwrap();
        assert_eq!((app.module.as_str(), app.object.as_str()), ("store.web", "api"));
        assert_eq!(app.children, ["store.billing", "store.users", "store.web"]);
        let path = dir.path().join("splitcost.toml");
        fs::write(&path, template(Some(&app))).unwrap();
        let settings = Settings::read(&path).unwrap();
        assert_eq!(settings.app.command[1], "store.web:api");
        assert_eq!(settings.splits[0].services["users"], ["store.users"]);
    }

    #[test]
    fn the_example_is_valid_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("splitcost.toml");
        fs::write(&path, template(find_app(dir.path()).as_ref())).unwrap();
        assert_eq!(Settings::read(&path).unwrap().app.packages, ["shop"]);
    }
}
