//! The names that the source of an app spells out. Whatever else looks like a name may be a value of its users.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

use crate::app::AppSpec;
use crate::python::{PROBE_DEADLINE, Python, output};
use crate::{Error, Result};

/// The names in the source of an app.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpelledNames(BTreeSet<String>);

impl SpelledNames {
    /// Reads the source of the app's packages, as Python finds them. Nothing of it is run.
    pub(crate) fn of(spec: &AppSpec, python: &Python) -> Result<Self> {
        let top = |name: &String| name.split(['.', ':']).next().map(str::to_owned);
        let packages: BTreeSet<String> = spec.packages.iter().chain(&spec.modules).filter_map(top).collect();
        let question = serde_json::json!(packages).to_string();
        let mut command = Command::new(&python.executable);
        command.args(["-c", PLACES, &question]).current_dir(&spec.cwd).envs(&spec.env);
        let broken = |reason: String| Error::Helper {
            action: format!("look for the source of {}", spec.packages.join(" and ")),
            reason,
            log: String::new(),
        };
        let text = output(&mut command, PROBE_DEADLINE).map_err(broken)?;
        let last = text.lines().last().unwrap_or_default();
        let places: Vec<PathBuf> = serde_json::from_str(last).map_err(|error| broken(error.to_string()))?;
        let mut names = Self::default();
        for place in places {
            names.add(&spec.cwd.join(place));
        }
        Ok(names)
    }

    /// Adds the names in a file of Python, or in all that lie in a directory. What cannot be read spells nothing out.
    fn add(&mut self, place: &Path) {
        if place.is_dir() {
            let entries = fs::read_dir(place).into_iter().flatten().flatten();
            // Links to directories may lead round in circles.
            let is_source = |path: &Path| path.extension().is_some_and(|extension| extension == "py");
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()) || is_source(&entry.path()))
                .for_each(|entry| self.add(&entry.path()));
        } else if let Ok(bytes) = fs::read(place) {
            self.add_source(&String::from_utf8_lossy(&bytes));
        }
    }

    fn add_source(&mut self, source: &str) {
        static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new("[A-Za-z_][A-Za-z0-9_]*").expect("it compiles"));
        for name in NAME.find_iter(source).map(|found| found.as_str()) {
            if !self.0.contains(name) {
                self.0.insert(name.to_owned());
            }
        }
    }

    /// Returns a key of an object as it is if the source spells it out, in `camelCase` or `snake_case`.
    pub(crate) fn shown<'a>(&self, key: &'a str) -> &'a str {
        if self.0.contains(key) || self.0.contains(&snake_case(key)) { key } else { "(key)" }
    }
}

/// Returns `first_name` for `firstName`.
fn snake_case(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

const PLACES: &str = r#"
import importlib.util, json, sys
places = []
for name in json.loads(sys.argv[1]):
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is not None:
        places += spec.submodule_search_locations or filter(None, [spec.origin])
print("\n" + json.dumps(places))
"#;

#[cfg(test)]
impl SpelledNames {
    /// The names in a source.
    pub(crate) fn in_source(source: &str) -> Self {
        let mut names = Self::default();
        names.add_source(source);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_if_the_source_spells_it_out() {
        let names =
            SpelledNames::in_source("class Order:\n    unit_price: int\n    def f(s): return {'lines-2': s.x}\n");
        for key in ["Order", "unit_price", "unitPrice", "x", "lines"] {
            assert_eq!(names.shown(key), key);
        }
        for key in ["alice", "unit", "UNIT_PRICE", "lines-2", "2", "", "UnitPrice", "ünit"] {
            assert_eq!(names.shown(key), "(key)", "{key}");
        }
    }

    #[test]
    fn all_files_of_a_package_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("orders");
        fs::create_dir(&inner).unwrap();
        fs::write(dir.path().join("__init__.py"), "total = 1").unwrap();
        fs::write(inner.join("service.py"), b"price = '\xff'").unwrap();
        fs::write(inner.join("users.json"), r#"{"alice": 1}"#).unwrap();
        std::os::unix::fs::symlink(dir.path(), inner.join("again")).unwrap();
        let mut names = SpelledNames::default();
        names.add(dir.path());
        names.add(&dir.path().join("nothing.py"));
        assert_eq!(names.0.into_iter().collect::<Vec<_>>(), ["price", "total"]);
    }
}
