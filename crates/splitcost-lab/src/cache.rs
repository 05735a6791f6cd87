//! Files that are kept from run to run: calibrations, and the residuals of past predictions.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use splitcost_model::residual::Residuals;

use crate::cpu;

/// Returns the path of a file in the cache; `None` if neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn path(name: &str) -> Option<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("splitcost").join(name))
}

/// Writes a file whole or not at all. Errors are not reported: without a cache everything works, only more slowly.
pub(crate) fn write(path: &Path, value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        let draft = path.with_extension(format!("{}.part", std::process::id()));
        let parent = path.parent().unwrap_or(Path::new("."));
        let _ =
            fs::create_dir_all(parent).and_then(|()| fs::write(&draft, text)).and_then(|()| fs::rename(draft, path));
    }
}

fn residuals_path() -> Option<PathBuf> {
    path(&format!("residuals-{}.json", cpu::machine().replace(|c: char| !c.is_ascii_alphanumeric(), "-")))
}

/// Returns the residuals of all predictions on this machine.
pub fn residuals() -> Residuals {
    let text = residuals_path().and_then(|path| fs::read_to_string(path).ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Adds the residuals of a rehearsal.
pub fn add_residuals(later: Residuals) {
    let mut all = residuals();
    all.extend(later);
    if let Some(path) = residuals_path() {
        write(&path, &all);
    }
}
