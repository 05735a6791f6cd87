//! `splitcost init`: writes settings for an app.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::failure::Failure;
use crate::session::Session;

/// Calls that make the app object of a known framework.
const FRAMEWORKS: [&str; 4] = ["FastAPI(", "Starlette(", "Quart(", "Litestar("];

/// Writes a commented splitcost.toml for the app in the working directory.
pub(crate) fn run(session: &mut Session) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir()?;
    let path = here.join("splitcost.toml");
    if path.exists() {
        return Err(Failure::new("splitcost.toml exists already")
            .hint("edit it, or remove it first; `splitcost evaluate` uses it as it is")
            .into());
    }
    let app = find_app(&here);
    fs::write(&path, template(app.as_ref()))
        .map_err(|error| Failure::new(format!("failed to write splitcost.toml: {error}")))?;
    match app {
        Some(app) => session.printer.note(&format!("wrote splitcost.toml for {}:{}", app.module, app.object)),
        None => session
            .printer
            .note("wrote splitcost.toml with the names of an example, because no app was found here: replace them"),
    }
    session.printer.note("next: list the requests of the app under [workload], then run `splitcost evaluate`");
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

/// Returns the first app object in a module of a package here.
fn find_app(here: &Path) -> Option<App> {
    packages(here).into_iter().chain(packages(&here.join("src"))).find_map(|package| {
        let name = package.file_name()?.to_str()?.to_owned();
        let mut files = Vec::new();
        collect(&package, &name, 0, &mut files);
        // The app is usually in `main`.
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

/// Collects the Python files of a package with their module names, four levels deep.
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

/// Returns the name to which a line at the left margin assigns the app of a framework.
fn app_object(source: &str) -> Option<String> {
    source.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        // `app: FastAPI = FastAPI()` assigns it, too.
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
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        r#"# Settings of splitcost for this app. Every key is described in docs/configuration.md of splitcost.
# When the requests are listed below, run: splitcost evaluate

[app]
# The start command. {{port}} becomes a free port, {{workdir}} a scratch directory that is removed at the end.
command = ["uvicorn", "{module}:{object}", "--host", "127.0.0.1", "--port", "{{port}}"]
# The package of the app. Its direct children are the modules between which calls are counted.
package = "{package}"
# A path that is answered with 2xx or 3xx when the app is ready.
ready = "/"
# A command to run before each start, for example to fill a scratch database.
# setup = ["python", "-m", "{package}.seed"]
# env = {{ DATABASE_URL = "sqlite:///{{workdir}}/app.db" }}

# The requests that drive the app. They are drawn by weight, and the values of parameters from ranges.
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

# The splits to evaluate: the modules that would move into services of their own. All others stay in the service main.
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
# The stack of calls between services: "httpx" (HTTP/1.1 and JSON) or "grpc".
stack = "httpx"
# Modules of which every service has a copy, such as helpers and settings: their functions never cross.
# copied = ["{candidate}"]
# The link between the services, instead of the loopback of this machine. `splitcost link list` lists the profiles.
# links = {{ default = "cross-az-aws" }}
# The timeout and retries of calls between services.
# calls = "1s + 2 retries + budget 20%"

# The price of computing.
# [prices]
# usd_per_vcpu_hour = 0.0445

# The load: arrivals in open loop, and requests in flight in closed loop.
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
