//! What a verb works with: settings, interpreter, places, printer, and the flag that Ctrl-C sets.

use std::path::{Path, PathBuf};

use splitcost_lab::Cancel;
use splitcost_lab::python::Python;
use splitcost_model::recording::Recording;
use splitcost_recording::convert;

use crate::args::Common;
use crate::failure::{Failed, Failure};
use crate::printer::Printer;
use crate::settings::scan::ScanSettings;
use crate::settings::{self, Settings};

/// What a verb works with.
pub(crate) struct Session {
    common: Common,
    /// Where output goes.
    pub(crate) printer: Printer,
    /// Set by Ctrl-C.
    pub(crate) cancel: Cancel,
}

impl Session {
    pub(crate) fn new(common: Common, cancel: Cancel) -> Self {
        Self { common, printer: Printer::new(), cancel }
    }

    /// The settings, from the file that was named or the nearest one.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let here = std::env::current_dir()?;
        Settings::read(&shown(&settings::find(self.common.config.as_deref(), &here)?))
    }

    /// What the file says about scanning, from the one that was named or the nearest one from the scanned path upwards.
    pub(crate) fn scan_settings(&self, scanned: &Path) -> anyhow::Result<ScanSettings> {
        ScanSettings::find(self.common.config.as_deref(), scanned)
    }

    /// The interpreter: the option's, the settings', or the one that is found. From here on processes are started, and
    /// a guard ends them should this one be killed.
    pub(crate) fn python(&self, settings: Option<&Settings>) -> anyhow::Result<Python> {
        let mut guard = std::process::Command::new(std::env::current_exe()?);
        guard.arg("guard");
        splitcost_lab::guard::start(guard).failed()?;
        let set = self.common.python.as_deref().or(settings.and_then(|settings| settings.python.as_deref()));
        Python::find(set).failed()
    }

    /// The interpreter, after it was asked whether every module that a split names exists.
    pub(crate) fn python_with_modules(&self, settings: &Settings) -> anyhow::Result<Python> {
        let python = self.python(Some(settings))?;
        let names: Vec<&str> = settings.named_modules.iter().map(|(module, _)| module.as_str()).collect();
        let found = settings.app.modules(&python, &names).failed()?;
        let missing = settings.named_modules.iter().find(|(module, _)| found.missing.contains(module));
        if let Some((module, place)) = missing {
            let failure = Failure::new(format!("{place}: there is no module {module}"));
            return Err(match found.children.as_slice() {
                [] => failure.hint(format!(
                    "{} looked from {}",
                    python.executable.display(),
                    shown(&settings.app.cwd).display()
                )),
                children => failure.hint(format!("the modules are: {}", children.join(", "))),
            }
            .into());
        }
        Ok(python)
    }

    /// The directory of our own files beside the settings.
    pub(crate) fn own_dir(settings: &Settings) -> PathBuf {
        settings.dir.join(".splitcost")
    }

    /// The directory of a recording: the one that was named or the usual one.
    pub(crate) fn recording_dir(settings: &Settings, named: Option<&Path>) -> PathBuf {
        named.map_or_else(|| Self::own_dir(settings).join("recording"), Path::to_owned)
    }

    /// Reads a recording, and says what was wrong with it.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Recording> {
        let recording = convert::open(&shown(dir)).failed()?;
        if recording.requests.is_empty() {
            return Err(Failure::new(format!("the recording in {} has no request", shown(dir).display()))
                .hint("record again with `splitcost record`")
                .into());
        }
        Ok(recording)
    }
}

/// A path as it is shown: from the working directory, where it is below it.
pub(crate) fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(std::fs::canonicalize).unwrap_or_default();
    match path.strip_prefix(&here) {
        Ok(inside) if inside.as_os_str().is_empty() => PathBuf::from("."),
        Ok(inside) => inside.to_owned(),
        Err(_) => path.to_owned(),
    }
}
