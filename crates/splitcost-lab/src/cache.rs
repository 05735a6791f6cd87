//! Files that are kept from run to run, such as calibrations.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Returns the path of a file of the cache; `None` if neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn path(name: &str) -> Option<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("splitcost").join(name))
}

/// Writes a file as JSON, whole or not at all. Errors are not reported, as everything works without a cache.
pub fn write(path: &Path, value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        let draft = path.with_extension(format!("{}.part", std::process::id()));
        let parent = path.parent().unwrap_or(Path::new("."));
        let _ =
            fs::create_dir_all(parent).and_then(|()| fs::write(&draft, text)).and_then(|()| fs::rename(draft, path));
    }
}

/// Reads a JSON file; `None` if it does not exist, or if it holds something else.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}
