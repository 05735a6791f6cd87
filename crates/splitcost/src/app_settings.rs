//! Finds the settings and the variables of the environment that the app's modules read, in its source.

use std::fs;
use std::path::{Path, PathBuf};

use splitcost_lab::app::AppSpec;
use splitcost_model::database::Site;
use splitcost_model::recording::interface::SettingRead;

/// Returns the settings that the app's modules read; `None` where the source of no package is found.
pub(crate) fn read(app: &AppSpec) -> Option<Vec<SettingRead>> {
    let mut files = Vec::new();
    for package in &app.packages {
        let inside = package.replace('.', "/");
        for root in [app.cwd.join(&inside), app.cwd.join("src").join(&inside)] {
            collect(&root, package, &mut files);
            let file = root.with_extension("py");
            if file.is_file() {
                files.push(Source { module: package.clone(), path: file });
            }
        }
    }
    if files.is_empty() {
        return None;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut reads = Vec::new();
    for Source { module, path } in files {
        // A file that cannot be read is no part of the running app.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        reads.extend(splitcost_scan::settings(&text).into_iter().map(|setting| SettingRead {
            kind: setting.kind,
            name: setting.name,
            module: module.clone(),
            site: Site { file: path.display().to_string(), line: setting.line },
        }));
    }
    Some(reads)
}

/// A file of the app.
struct Source {
    module: String,
    path: PathBuf,
}

/// Collects the Python files of a package.
fn collect(dir: &Path, package: &str, files: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()).map(ToOwned::to_owned) else { continue };
        let module = if name == "__init__" { package.to_owned() } else { format!("{package}.{name}") };
        if path.extension().is_some_and(|extension| extension == "py") {
            files.push(Source { module, path });
        } else if path.is_dir() && !path.is_symlink() && !name.starts_with(['.', '_']) {
            collect(&path, &module, files);
        }
    }
}
