//! The errors of experiments: messages that complete "failed to …", and hints.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::python::VERSION;

/// The result of an experiment.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why an experiment failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The end was asked for.
    #[error("finish: interrupted")]
    Cancelled,
    /// A file or process operation of the system failed.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// The attempted action, as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A link could not be emulated.
    #[error(transparent)]
    Link(#[from] splitcost_link::Error),
    /// No interpreter was found.
    #[error("find a Python interpreter: looked for {looked_for}")]
    PythonNotFound {
        /// Every place that was tried.
        looked_for: String,
    },
    /// The interpreter does not run.
    #[error("run the Python interpreter {}: {reason}", .path.display())]
    PythonBroken {
        /// The interpreter.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// The interpreter is older than 3.11.
    #[error("use the Python interpreter {}: it is version {version}, 3.11 or newer is needed", .path.display())]
    PythonTooOld {
        /// The interpreter.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// The interpreter has no package `splitcost`.
    #[error("use the Python interpreter {}: it cannot import the package splitcost ({reason})", .path.display())]
    PackageMissing {
        /// The interpreter.
        path: PathBuf,
        /// Python's message.
        reason: String,
    },
    /// The interpreter's package `splitcost` has another version than this program.
    #[error("use the Python interpreter {}: its package splitcost has version {version}, this program {VERSION}", .path.display())]
    PackageDiffers {
        /// The interpreter.
        path: PathBuf,
        /// The package's version.
        version: String,
    },
    /// The interpreter lacks packages of a stack.
    #[error("use the {stack} stack: {} has no {}", .path.display(), .packages.join(", "))]
    StackMissing {
        /// The stack.
        stack: String,
        /// The interpreter.
        path: PathBuf,
        /// The packages to install.
        packages: Vec<String>,
    },
    /// A program could not be started.
    #[error("start `{command}`: {source}")]
    Spawn {
        /// The command line.
        command: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The setup command failed.
    #[error("set up the app: `{command}` ended with {status}{log}")]
    Setup {
        /// The command line.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// The app ended when it should have served.
    #[error("{action}: it ended with {status}{log}")]
    Exited {
        /// The attempted action, as `start the app`.
        action: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// The app was not ready in time.
    #[error("start {what}: not ready after {secs} s, {last}{log}")]
    NeverReady {
        /// The process.
        what: String,
        /// The deadline.
        secs: f64,
        /// The result of the last probe.
        last: String,
        /// Its last lines.
        log: String,
    },
    /// The app listens, but not where it should.
    #[error("start {what}: it listens on {listening}, not on the port {port} it was given{log}")]
    ListensElsewhere {
        /// The process.
        what: String,
        /// The addresses on which it listens.
        listening: String,
        /// The port it was given.
        port: u16,
        /// Its last lines.
        log: String,
    },
    /// Every request failed.
    #[error("drive the app: every request failed; the first, {name}, was answered {answer}{log}")]
    AllFailed {
        /// The first endpoint that failed.
        name: String,
        /// Status and start of the body, or what went wrong.
        answer: String,
        /// The app's last lines.
        log: String,
    },
    /// Copies of the app use the same database.
    #[error("keep the copies of the app apart: {} use the same database, {database}", copies.join(" and "))]
    SharedDatabase {
        /// The names of the copies.
        copies: [String; 2],
        /// The path of the file, or the address of the server.
        database: String,
    },
    /// A request before the load failed.
    #[error("{source}{log}")]
    Before {
        /// The request, and the problem.
        source: splitcost_load::Error,
        /// The name of the copy of the app that was asked, and its last lines.
        log: String,
    },
    /// Nothing was recorded.
    #[error("record: {reason}{log}")]
    NothingRecorded {
        /// The known circumstances.
        reason: String,
        /// The app's last lines.
        log: String,
    },
    /// A helper process failed, or its answer was not expected.
    #[error("{action}: {reason}{log}")]
    Helper {
        /// The attempted action, as `calibrate httpx`.
        action: String,
        /// The problem.
        reason: String,
        /// Its last lines.
        log: String,
    },
    /// The load generator failed.
    #[error(transparent)]
    Load(#[from] splitcost_load::Error),
    /// The recording could not be converted or stored.
    #[error(transparent)]
    Recording(#[from] splitcost_recording::Error),
}

impl Error {
    /// Returns hints, each a whole line for the user.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::PythonNotFound { .. } => {
                vec!["activate the app's virtual environment, or set python in [app]".to_owned()]
            }
            Self::PythonTooOld { .. } => {
                vec!["make the app's virtual environment with Python 3.11 or newer".to_owned()]
            }
            Self::PackageMissing { path, .. } => {
                vec![format!("{} -m pip install splitcost", path.display())]
            }
            Self::PackageDiffers { path, .. } => {
                vec![format!("{} -m pip install splitcost=={VERSION}", path.display())]
            }
            Self::StackMissing { path, packages, .. } => {
                vec![format!("{} -m pip install {}", path.display(), packages.join(" "))]
            }
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                vec!["the program was looked for beside the Python interpreter first, then on PATH".to_owned()]
            }
            Self::Exited { .. } if self.is_address_in_use() => vec![
                "another process has that port: write {port} in the command of [app], and splitcost will pick a free one"
                    .to_owned(),
            ],
            Self::Exited { log, .. } if log.is_empty() => {
                vec!["it printed nothing; run the same command by hand in its directory".to_owned()]
            }
            Self::Exited { .. } => vec![
                "the lines above are its own; run the same command by hand in its directory to see all of them".to_owned(),
            ],
            Self::Setup { .. } => vec![
                "`setup` in [app] is run before each start of the app, with {workdir} a new scratch directory".to_owned(),
            ],
            Self::PythonBroken { .. } => {
                vec!["set python in [app] to the app's interpreter, or activate its virtual environment".to_owned()]
            }
            Self::NeverReady { .. } => {
                vec!["`ready` in [app] is the path that is asked, `deadline_secs` how long is waited".to_owned()]
            }
            Self::ListensElsewhere { .. } => {
                vec!["write {port} in the command of [app], as in `--port {port}`".to_owned()]
            }
            Self::SharedDatabase { .. } => vec![
                "give each copy a database of its own, by {workdir} or {arm} in env, setup or command of [app]: \
                 env = { DATABASE_URL = \"sqlite:///{workdir}/app.db\" }, or postgresql://localhost/app_{arm} with a \
                 setup that creates it"
                    .to_owned(),
            ],
            Self::Before { .. } => vec![
                "each copy of the app begins with an empty {workdir}, and what `setup` puts there; redirects are not followed"
                    .to_owned(),
                "where the monolith answers it and the copy of a split does not, the lines above say what its services lack"
                    .to_owned(),
            ],
            Self::AllFailed { .. } => vec!["check the requests in [workload] against the app".to_owned()],
            Self::NothingRecorded { .. } => vec![
                "the command must run with the interpreter that has splitcost, and `package` in [app] must name the app's package"
                    .to_owned(),
            ],
            _ => Vec::new(),
        }
    }

    /// Returns if a program ended because another process has its port.
    pub(crate) fn is_address_in_use(&self) -> bool {
        matches!(self, Self::Exited { log, .. } if log.to_lowercase().contains("address already in use"))
    }

    /// Wraps an error of the system.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
