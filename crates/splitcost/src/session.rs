//! The state that every command works with: settings, interpreter, directories, printer, and the flag that Ctrl-C sets.

use std::path::{Path, PathBuf};

use splitcost_lab::Cancel;
use splitcost_lab::python::Python;
use splitcost_model::recording::Recording;
use splitcost_recording::convert;

use crate::args::shared::GlobalArgs;
use crate::failure::{Failed, Failure};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::settings::file;
pub(crate) use crate::settings::file::shown;
use crate::settings::scan::ScanSettings;

/// The usual directory of a recording, in that of the settings, or of a command that is recorded without any.
pub(crate) const RECORDING: &str = ".splitcost/recording";
/// Least similarity of a name that is suggested, from 0 to 1 (Jaro-Winkler).
///
/// Chosen: as clap does for options.
const SIMILAR: f64 = 0.8;

/// Returns the known name that is most like a mistyped one, if any is.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a String>) -> Option<&'a str> {
    let likeness = |known: &'a String| (strsim::jaro_winkler(name, known), known.as_str());
    let all = known.into_iter().map(likeness).filter(|(likeness, _)| *likeness > SIMILAR);
    all.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, known)| known)
}

/// The state of one run of a command.
pub(crate) struct Session {
    global: GlobalArgs,
    /// The writer of everything that the user sees.
    pub(crate) printer: Printer,
    /// The flag that Ctrl-C sets.
    pub(crate) cancel: Cancel,
}

impl Session {
    pub(crate) fn new(global: GlobalArgs, cancel: Cancel) -> Self {
        Self { global, printer: Printer::new(), cancel }
    }

    /// Reads the settings from the file that was named, or from the nearest one.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let here = std::env::current_dir()?;
        Settings::read(&shown(&file::find(self.global.config.as_deref(), &here)?))
    }

    /// Reads the settings as [`Session::settings`] does; `None` where no file was named and none was found.
    pub(crate) fn settings_if_any(&self) -> anyhow::Result<Option<Settings>> {
        let here = std::env::current_dir()?;
        if self.global.config.is_none() && file::find_upwards(&here).is_none() {
            return Ok(None);
        }
        self.settings().map(Some)
    }

    /// Reads the settings of a scan from the file that was named, or from the nearest one upwards from the scanned path.
    pub(crate) fn scan_settings(&self, scanned: &Path) -> anyhow::Result<ScanSettings> {
        ScanSettings::find(self.global.config.as_deref(), scanned)
    }

    /// Returns the interpreter that the option or the settings name, or the one that is found. Starts the guard, which
    /// ends all later processes if this one is killed.
    pub(crate) fn python(&self, settings: Option<&Settings>) -> anyhow::Result<Python> {
        let mut guard = std::process::Command::new(std::env::current_exe()?);
        guard.arg("guard");
        splitcost_lab::guard::start(guard).failed()?;
        let set = self.global.python.as_deref().or(settings.and_then(|settings| settings.python.as_deref()));
        Python::find(set).failed()
    }

    /// Returns the interpreter, after it has confirmed that every module and class that the settings name exists.
    pub(crate) fn python_with_modules(&self, settings: &Settings) -> anyhow::Result<Python> {
        let python = self.python(Some(settings))?;
        let names: Vec<&str> = settings.named_modules.iter().map(|module| module.name.as_str()).collect();
        let found = settings.app.modules(&python, &names).failed()?;
        let missing = settings.named_modules.iter().find(|module| found.missing.contains(&module.name));
        if let Some(module) = missing {
            let what = if module.name.contains(':') { "class" } else { "module" };
            let mut failure = Failure::new(format!("{}: the {what} {} does not exist", module.place, module.name));
            if let Some(closest) = closest(&module.name, found.beside.iter().chain(&found.children)) {
                failure = failure.hint(format!("did you mean {closest}?"));
            }
            return Err(match found.children.as_slice() {
                [] => failure.hint(format!(
                    "{} was asked, in {}",
                    python.executable.display(),
                    shown(&settings.app.cwd).display()
                )),
                children => failure.hint(format!("the modules are: {}", children.join(", "))),
            }
            .into());
        }
        Ok(python)
    }

    /// Returns the directory of splitcost's own files, beside the settings.
    pub(crate) fn own_dir(settings: &Settings) -> PathBuf {
        settings.dir.join(".splitcost")
    }

    /// Returns the directory of a recording: the one that was named, or the usual one.
    pub(crate) fn recording_dir(settings: &Settings, named: Option<&Path>) -> PathBuf {
        named.map_or_else(|| settings.dir.join(RECORDING), Path::to_owned)
    }

    /// Returns the directory of the recording to read: the one that was named, or the usual one, which is in the working
    /// directory where there are no settings.
    pub(crate) fn recording_to_read(&self, named: Option<&Path>) -> anyhow::Result<PathBuf> {
        if let Some(dir) = named {
            return Ok(dir.to_owned());
        }
        let here = std::env::current_dir()?.join(RECORDING);
        match self.settings_if_any()? {
            None if here.exists() => Ok(here),
            // Without any, it says so.
            None => Ok(Self::recording_dir(&self.settings()?, None)),
            Some(settings) => Ok(Self::recording_dir(&settings, None)),
        }
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// Fails if it cannot be read, or has no request.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Recording> {
        let recording = convert::open(&shown(dir)).failed()?;
        if recording.requests.is_empty() {
            return Err(Failure::new(format!("the recording in {} has no requests", shown(dir).display()))
                .hint("record again with `splitcost record`")
                .into());
        }
        Ok(recording)
    }
}
