//! `splitcost init`: writes settings for an app.

mod access_log;
mod document;
mod survey;
mod template;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use splitcost_bench::har;

use self::survey::{App, Start, Survey};
use self::template::{Draft, Listed, render};
use crate::args::init::InitArgs;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::{Session, shown};

/// Writes a commented splitcost.toml for the app in the working directory.
pub(crate) fn run(session: &mut Session, args: &InitArgs) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir()?;
    let path = here.join("splitcost.toml");
    if path.exists() {
        return Err(Failure::new("splitcost.toml exists already")
            .hint("edit it, or remove it first; `splitcost evaluate` uses it as it is")
            .into());
    }
    let python = session.python(None)?;
    let survey = Survey::of(&python, &here)?;
    let requests = requests(&survey, args, &here, &mut session.printer)?;
    let draft = draft(&survey, &here, requests)?;
    fs::write(&path, render(&draft))
        .map_err(|error| Failure::new(format!("failed to write splitcost.toml: {error}")))?;
    let printer = &mut session.printer;
    match survey.app() {
        Some(app) => printer.note(&format!("wrote splitcost.toml for {app}")),
        None => {
            printer
                .note("wrote splitcost.toml with the names of an example, because no app was found here: replace them");
        }
    }
    if let Some(server) = draft.start.missing_server {
        printer.warn(&format!("{} has no server for this app", python.executable.display()));
        printer.hint(&format!("install one: pip install {server}, then use it in `command`"));
    }
    printer.note("next: check what the file marks with \"fill in\", then run `splitcost record`");
    Ok(ExitCode::SUCCESS)
}

/// Returns the requests of the file that the arguments name, else those of a description of the API, else of the routes
/// in the source.
fn requests(survey: &Survey, args: &InitArgs, here: &Path, printer: &mut Printer) -> anyhow::Result<Vec<Listed>> {
    let read = |path: &Path| {
        fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|error| Failure::new(format!("failed to read {}: {error}", path.display())))
    };
    if let Some(path) = &args.har {
        let archive = har::read(&read(path)?, "").map_err(|problem| {
            Failure::new(format!("failed to read {}: {problem}", path.display()))
                .hint("save one in the network panel of a browser, with \"Save all as HAR\"")
        })?;
        for reason in &archive.left_out {
            printer.note(&format!("left out: {reason}"));
        }
        return Ok(archive.requests.into_iter().map(|spec| Listed::ready(without_secrets(spec))).collect());
    }
    if let Some(path) = &args.access_log {
        let found = access_log::read(&read(path)?, &survey.routes);
        if found.is_empty() {
            return Err(Failure::new(format!("{} has no request that succeeded", path.display()))
                .hint("the log must be in the common or combined format of Apache and nginx")
                .into());
        }
        return Ok(found.into_iter().map(Listed::ready).collect());
    }
    if let Some(path) = &args.openapi {
        return document::requests(path, printer);
    }
    if let Some(path) = document::find(here) {
        let shown = shown(&path);
        match document::requests(&shown, printer) {
            Ok(requests) => {
                printer.note(&format!("the requests are those of {}", shown.display()));
                return Ok(requests);
            }
            // Nobody asked for this file.
            Err(problem) => printer.warn(&format!("{problem}; the routes in the source are used instead")),
        }
    }
    Ok(survey.routes.iter().filter_map(Listed::of).collect())
}

/// Returns a request without the headers that a browser adds, and without the credentials of a person.
fn without_secrets(mut spec: splitcost_load::RequestSpec) -> splitcost_load::RequestSpec {
    const KEPT: [&str; 4] = ["accept", "content-type", "x-requested-with", "hx-request"];
    spec.headers.retain(|name, _| KEPT.iter().any(|kept| name.eq_ignore_ascii_case(kept)));
    spec
}

fn draft(survey: &Survey, here: &Path, requests: Vec<Listed>) -> anyhow::Result<Draft> {
    let Some(app) = survey.app() else {
        let command = ["uvicorn", "shop.main:app", "--host", "127.0.0.1", "--port", "{port}"];
        return Ok(Draft {
            start: Start { command: command.map(str::to_owned).to_vec(), missing_server: None },
            packages: vec!["shop".to_owned()],
            named_modules: Vec::new(),
            directory: None,
            parts: Vec::new(),
            requests,
            celery: survey.celery.clone(),
            database_variables: survey.database_variables.clone(),
            setup: setup(here, None, "shop"),
        });
    };
    let packages = survey.packages(app);
    let project = survey.directory(app).map_or_else(|| here.to_owned(), |directory| here.join(directory));
    let parts = survey.parts(here, &packages)?;
    Ok(Draft {
        start: survey.start(app),
        named_modules: survey.named_modules().to_vec(),
        directory: survey.directory(app).map(str::to_owned),
        parts,
        setup: setup(&project, Some(app), packages.first().map_or("app", String::as_str)),
        packages,
        requests,
        celery: survey.celery.clone(),
        database_variables: survey.database_variables.clone(),
    })
}

/// Returns the command that makes the tables of an app, as far as its files show.
fn setup(project: &Path, app: Option<&App>, package: &str) -> Vec<String> {
    let target = app.map(ToString::to_string).unwrap_or_default();
    let seed = format!("{package}.seed");
    let words: Vec<&str> = if app.is_some_and(|app| app.framework == "django") {
        vec!["python", "manage.py", "migrate"]
    } else if project.join("migrations/alembic.ini").is_file() {
        vec!["flask", "--app", &target, "db", "upgrade"]
    } else if project.join("alembic.ini").is_file() {
        vec!["alembic", "upgrade", "head"]
    } else if project.join("seed.py").is_file() {
        vec!["python", "seed.py"]
    } else {
        vec!["python", "-m", &seed]
    };
    words.into_iter().map(str::to_owned).collect()
}
