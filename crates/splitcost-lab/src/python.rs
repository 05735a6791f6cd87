//! The Python interpreter that runs the app.

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// An interpreter that was run and has the package `splitcost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// Its path.
    pub executable: PathBuf,
    /// `3.13.0`.
    pub version: String,
    /// The directory of the package `splitcost`.
    pub package_dir: PathBuf,
    /// The version of that package.
    pub package_version: String,
}

/// The oldest minor version that is supported.
///
/// Spec: issue 2; `PyThreadState_GetFrame` and friends of the stable ABI need 3.11.
const OLDEST_MINOR: u32 = 11;

/// Longest time until an interpreter has answered a question about itself.
///
/// Chosen: a cold start from a slow disk takes about a second.
pub(crate) const PROBE_DEADLINE: Duration = Duration::from_secs(30);

/// The version of this program, which the package must have as well: what one writes the other reads.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

const PROBE: &str = r#"
import json, os, sys
out = {"major": sys.version_info[0], "minor": sys.version_info[1], "version": "%d.%d.%d" % sys.version_info[:3]}
try:
    import splitcost
    out["package_dir"] = os.path.dirname(os.path.abspath(splitcost.__file__))
    out["package_version"] = splitcost.__version__
except Exception as error:
    out["missing"] = str(error) or type(error).__name__
print(json.dumps(out))
"#;

#[derive(Deserialize)]
struct Probe {
    major: u32,
    minor: u32,
    version: String,
    package_dir: Option<PathBuf>,
    package_version: Option<String>,
    missing: Option<String>,
}

impl Python {
    /// Finds the interpreter: that of the setting; without one, the first of those beside this program, in the active
    /// virtual environment, and on PATH.
    pub fn find(setting: Option<&Path>) -> Result<Self> {
        let path = match setting {
            Some(path) => path.to_owned(),
            None => candidate()?,
        };
        Self::probe(&path)
    }

    /// Runs an interpreter and reads its version and that of its package `splitcost`.
    pub fn probe(path: &Path) -> Result<Self> {
        let broken = |reason: String| Error::PythonBroken { path: path.to_owned(), reason };
        let output = output(Command::new(path).args(["-c", PROBE]), PROBE_DEADLINE).map_err(broken)?;
        let probe: Probe = serde_json::from_str(output.trim())
            .map_err(|_| broken(format!("it answered {:?}", output.chars().take(200).collect::<String>())))?;
        if (probe.major, probe.minor) < (3, OLDEST_MINOR) {
            return Err(Error::PythonTooOld { path: path.to_owned(), version: probe.version });
        }
        match (probe.package_dir, probe.package_version) {
            (_, Some(version)) if version != VERSION => Err(Error::PackageDiffers { path: path.to_owned(), version }),
            (Some(package_dir), Some(package_version)) => {
                Ok(Self { executable: path.to_owned(), version: probe.version, package_dir, package_version })
            }
            _ => Err(Error::PackageMissing {
                path: path.to_owned(),
                reason: probe.missing.unwrap_or_else(|| "no version".to_owned()),
            }),
        }
    }

    /// Runs `python -m ARGUMENTS` and returns the JSON that it prints. `action` completes "failed to …".
    ///
    /// # Errors
    /// [`Error::Helper`] when the command fails, takes too long, or prints something else.
    pub fn query<T: DeserializeOwned>(&self, action: &str, arguments: &[&str]) -> Result<T> {
        let failed = |reason: String| Error::Helper { action: action.to_owned(), reason, log: String::new() };
        let mut command = Command::new(&self.executable);
        command.arg("-m").args(arguments);
        let text = output(&mut command, PROBE_DEADLINE).map_err(failed)?;
        serde_json::from_str(text.trim()).map_err(|error| failed(error.to_string()))
    }

    /// Returns the directory that goes first on `PYTHONPATH` of a process under splitcost.
    pub fn bootstrap_dir(&self) -> PathBuf {
        self.package_dir.join("_bootstrap")
    }

    /// Returns `PATH` with the interpreter's own directory first, so that its `uvicorn` is found.
    pub fn search_path(&self) -> std::ffi::OsString {
        let own = self.executable.parent().filter(|p| !p.as_os_str().is_empty()).map(Path::to_owned);
        let rest = env::var_os("PATH").unwrap_or_default();
        let all = own.into_iter().chain(env::split_paths(&rest));
        env::join_paths(all).unwrap_or(rest)
    }
}

fn candidate() -> Result<PathBuf> {
    let beside = env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let active = env::var_os("VIRTUAL_ENV").map(|venv| Path::new(&venv).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|dir| dir.join("python3"));
    beside
        .into_iter()
        .chain(active)
        .flat_map(|dir| [dir.join("python"), dir.join("python3")])
        .chain(on_path)
        .find(|path| path.is_file())
        .ok_or_else(|| Error::PythonNotFound {
            looked_for: "python beside splitcost, in $VIRTUAL_ENV/bin, and python3 on PATH".to_owned(),
        })
}

/// Runs a short command and returns its output; the error is the last line of its error output.
pub(crate) fn output(command: &mut Command, deadline: Duration) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let reader = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = pipe {
                // What could not be read is missing from a message, no more.
                let _ = pipe.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = reader(child.stdout.take().map(|p| Box::new(p) as Box<dyn Read + Send>));
    let stderr = reader(child.stderr.take().map(|p| Box::new(p) as Box<dyn Read + Send>));
    let end = Instant::now() + deadline;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer after {} s", deadline.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let text = stdout.join().unwrap_or_default();
    if status.success() {
        return Ok(text);
    }
    let errors = stderr.join().unwrap_or_default();
    let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
    Err(format!("{status}: {last}"))
}
