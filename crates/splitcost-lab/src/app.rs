//! An app that was started: where it answers, what it used, and how it ends.
//!
//! A started app is its own process group. It ends with its [`App`]: SIGTERM, five seconds, SIGKILL, reaped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use splitcost_model::quantity::Nanos;
use tempfile::TempDir;

use crate::guard::{self, Mortal};
use crate::python::Python;
use crate::{Cancel, Error, Result, cpu, log_tail, socket};

/// How an app is started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppSpec {
    /// Start command; `{port}` and `{workdir}` are replaced.
    pub command: Vec<String>,
    /// Run before, once for each scratch directory; empty for nothing.
    pub setup: Vec<String>,
    /// Path that answers 2xx or 3xx once the app is ready.
    pub ready: String,
    /// Top-level packages whose modules are boundary candidates.
    pub packages: Vec<String>,
    /// Boundary modules, where the packages' direct children are not what is wanted.
    pub modules: Vec<String>,
    /// More environment; values may hold `{workdir}`.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: PathBuf,
    /// How long it may take until it is ready.
    pub deadline: Duration,
}

/// What runs inside the app's process beside the app.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Nothing.
    None,
    /// The recorder, which writes its log here.
    Record {
        /// Directory of the logs.
        log_dir: PathBuf,
        /// True when our load generator drives the app, and names the endpoints in its requests.
        is_driven: bool,
    },
    /// One service of a split.
    Rehearse {
        /// The description of the split, a JSON file.
        description: PathBuf,
        /// Which service this is.
        service: String,
    },
}

impl Mode {
    fn env(&self, spec: &AppSpec) -> Vec<(&'static str, String)> {
        match self {
            Self::None => vec![("SPLITCOST_MODE", "none".to_owned())],
            Self::Record { log_dir, is_driven } => vec![
                ("SPLITCOST_MODE", "record".to_owned()),
                ("SPLITCOST_ENDPOINT_HEADER", if *is_driven { splitcost_load::NAME_HEADER } else { "" }.to_owned()),
                ("SPLITCOST_LOG_DIR", log_dir.display().to_string()),
                ("SPLITCOST_PACKAGES", spec.packages.join(",")),
                ("SPLITCOST_MODULES", spec.modules.join(",")),
            ],
            Self::Rehearse { description, service } => vec![
                ("SPLITCOST_MODE", "rehearse".to_owned()),
                ("SPLITCOST_REHEARSAL", description.display().to_string()),
                ("SPLITCOST_SERVICE", service.clone()),
                ("SPLITCOST_PACKAGES", spec.packages.join(",")),
                ("SPLITCOST_MODULES", spec.modules.join(",")),
            ],
        }
    }
}

/// Environment variable by which whatever was started here, directly or not, is known: our process id.
pub(crate) const PARENT: &str = "SPLITCOST_PARENT";

/// A scratch directory with the app's data, removed at the end.
#[derive(Debug)]
pub struct Scratch {
    dir: TempDir,
}

impl Scratch {
    /// Makes the directory and runs the app's setup command in it.
    pub fn set_up(spec: &AppSpec, python: &Python, cancel: &Cancel) -> Result<Self> {
        let scratch = Self::empty()?;
        if !spec.setup.is_empty() {
            let mut setup = App::spawn(spec, python, &scratch, &Mode::None, "setup", &spec.setup, 0)?;
            let end = Instant::now() + SETUP_DEADLINE;
            let status = loop {
                cancel.check()?;
                match setup.exit_status()? {
                    Some(status) => break status,
                    None if Instant::now() < end => std::thread::sleep(POLL),
                    None => {
                        return Err(Error::NeverReady {
                            what: "the setup command".to_owned(),
                            secs: SETUP_DEADLINE.as_secs_f64(),
                            last: "it still runs".to_owned(),
                            log: setup.log_tail(),
                        });
                    }
                }
            };
            if !status.success() {
                return Err(Error::Setup { command: spec.setup.join(" "), status, log: setup.log_tail() });
            }
        }
        Ok(scratch)
    }

    /// An empty scratch directory.
    pub fn empty() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("splitcost-")
            .tempdir()
            .map_err(Error::io("make a scratch directory in", std::env::temp_dir()))?;
        let scratch = Self { dir };
        guard::add(&Mortal::Dir(scratch.path()));
        fs::create_dir(scratch.workdir()).map_err(Error::io("make", scratch.workdir()))?;
        Ok(scratch)
    }

    /// The app's `{workdir}`.
    pub fn workdir(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// A place for our own files beside the app's.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is left to the guard.
        if fs::remove_dir_all(self.path()).is_ok() {
            guard::remove(&Mortal::Dir(self.path()));
        }
    }
}

/// How long a setup command may take.
///
/// Chosen: seeding a database is seconds; migrations on a large one are minutes.
const SETUP_DEADLINE: Duration = Duration::from_mins(5);
/// How long an app may take to end after SIGTERM.
///
/// Chosen: uvicorn waits for requests in flight, of which there are none.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// How long an app may listen elsewhere only, before that is taken for its final place.
///
/// Chosen: apps that open a metrics port first open their own soon after.
const ELSEWHERE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// Process groups that run now, so that a second Ctrl-C can end them all at once.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Ends every process group that was started here, at once.
pub fn kill_all() {
    for group in GROUPS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        signal(*group, Signal::KILL);
    }
}

fn signal(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        // A group that is gone already needs no signal.
        let _ = kill_process_group(group, signal);
    }
}

/// A child that leads a process group; the group ends with this: SIGTERM, a deadline, SIGKILL, reaped.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) child: Child,
    id: i32,
    status: Option<ExitStatus>,
}

impl Group {
    /// Starts a command that was made the leader of a group of its own.
    pub(crate) fn spawn(command: &mut Command, shown: impl FnOnce() -> String) -> Result<Self> {
        let child = command.spawn().map_err(|source| Error::Spawn { command: shown(), source })?;
        let id = child.id().cast_signed();
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        guard::add(&Mortal::Group(id));
        Ok(Self { child, id, status: None })
    }

    fn exit_status(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    fn stop(&mut self) {
        signal(self.id, Signal::TERM);
        let end = Instant::now() + STOP_DEADLINE;
        while Instant::now() < end && !self.is_gone() {
            std::thread::sleep(POLL);
        }
        signal(self.id, Signal::KILL);
        if self.status.is_none() {
            self.status = self.child.wait().ok();
        }
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        guard::remove(&Mortal::Group(self.id));
    }

    fn is_gone(&mut self) -> bool {
        let ended = !matches!(self.exit_status(), Ok(None));
        ended && !cpu::group(self.id).iter().any(|process| process.alive)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A process group started from the app's command.
#[derive(Debug)]
pub struct App {
    name: String,
    group: Group,
    port: u16,
    log: PathBuf,
}

impl App {
    /// Starts the app on `port` (see [`free_port`]) and waits until it is ready. `name` is for messages and files.
    pub fn start(
        spec: &AppSpec,
        python: &Python,
        scratch: &Scratch,
        mode: &Mode,
        (name, port): (&str, u16),
        cancel: &Cancel,
    ) -> Result<Self> {
        let mut app = Self::spawn(spec, python, scratch, mode, name, &spec.command, port)?;
        app.wait_until_ready(spec, cancel)?;
        Ok(app)
    }

    /// Starts a command in the app's environment, and does not wait.
    pub fn spawn(
        spec: &AppSpec,
        python: &Python,
        scratch: &Scratch,
        mode: &Mode,
        name: &str,
        command: &[String],
        port: u16,
    ) -> Result<Self> {
        let log = scratch.path().join(format!("{name}.log"));
        let out = File::create(&log).map_err(Error::io("write", &log))?;
        let errors = out.try_clone().map_err(Error::io("write", &log))?;
        let mut process = prepare(spec, python, Some(scratch), mode, command, port)?;
        process.stdin(Stdio::null()).stdout(out).stderr(errors);
        let group = Group::spawn(&mut process, || command.join(" "))?;
        Ok(Self { name: name.to_owned(), group, port, log })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// CPU time of all its processes until now.
    pub fn cpu(&self) -> Nanos {
        cpu::group_cpu(self.group.id.cast_unsigned())
    }

    /// The last lines it wrote, as a block for a message.
    pub fn log_tail(&self) -> String {
        log_tail::tail(&self.log)
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        self.group.exit_status().map_err(Error::io("wait for", &self.log))
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.exit_status()? {
            Some(status) => {
                Err(Error::Exited { action: format!("keep {} running", self.name), status, log: self.log_tail() })
            }
            None => Ok(()),
        }
    }

    /// Ends it and waits for that: SIGTERM, a deadline, SIGKILL.
    pub fn stop(&mut self) {
        self.group.stop();
    }

    /// Waits until it is ready.
    pub(crate) fn wait_until_ready(&mut self, spec: &AppSpec, cancel: &Cancel) -> Result<()> {
        let end = Instant::now() + spec.deadline;
        let mut elsewhere_since = None;
        let mut last = "nothing listened".to_owned();
        loop {
            cancel.check()?;
            if let Some(status) = self.exit_status()? {
                return Err(Error::Exited { action: format!("start {}", self.name), status, log: self.log_tail() });
            }
            match probe(self.address(), &spec.ready) {
                Ok(status) if (200..400).contains(&status) => return Ok(()),
                Ok(status) => last = format!("GET {} was answered {status}", spec.ready),
                Err(reason) => last = reason.unwrap_or(last),
            }
            let listening = socket::listening(self.group.id.cast_unsigned());
            let elsewhere = !listening.is_empty() && listening.iter().all(|address| address.port() != self.port);
            let since = elsewhere.then(|| *elsewhere_since.get_or_insert_with(Instant::now));
            elsewhere_since = since;
            if since.is_some_and(|since| since.elapsed() > ELSEWHERE) || elsewhere && Instant::now() > end {
                let addresses: Vec<String> = listening.iter().map(ToString::to_string).collect();
                return Err(Error::ListensElsewhere {
                    what: self.name.clone(),
                    listening: addresses.join(" and "),
                    port: self.port,
                    log: self.log_tail(),
                });
            }
            if Instant::now() > end {
                return Err(Error::NeverReady {
                    what: self.name.clone(),
                    secs: spec.deadline.as_secs_f64(),
                    last,
                    log: self.log_tail(),
                });
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The command with everything replaced and the environment that splitcost's half in the process reads.
pub(crate) fn prepare(
    spec: &AppSpec,
    python: &Python,
    scratch: Option<&Scratch>,
    mode: &Mode,
    command: &[String],
    port: u16,
) -> Result<Command> {
    let workdir = scratch.map(|s| s.workdir().display().to_string()).unwrap_or_default();
    let fill = |text: &str| text.replace("{port}", &port.to_string()).replace("{workdir}", &workdir);
    let (program, arguments) = command.split_first().ok_or_else(|| Error::Spawn {
        command: String::new(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "the command is empty"),
    })?;
    let mut process = Command::new(fill(program));
    let python_path = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let python_path = std::iter::once(python.bootstrap_dir())
        .chain(std::env::split_paths(&python_path).filter(|path| !path.as_os_str().is_empty()));
    process
        .args(arguments.iter().map(|argument| fill(argument)))
        .current_dir(&spec.cwd)
        .envs(spec.env.iter().map(|(name, value)| (name, fill(value))))
        .env("PATH", python.search_path())
        .env("PYTHONPATH", std::env::join_paths(python_path).unwrap_or_default())
        .env("PYTHONUNBUFFERED", "1")
        .env(PARENT, std::process::id().to_string())
        .envs(mode.env(spec))
        .process_group(0);
    Ok(process)
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::io("find a free port on", "127.0.0.1"))
}

/// The status of a GET, or what went wrong where something listens.
fn probe(address: SocketAddr, path: &str) -> Result<u16, Option<String>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).map_err(|_| None)?;
    let said = |error: std::io::Error| Some(format!("GET {path} was not answered: {error}"));
    stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(said)?;
    stream.set_write_timeout(Some(Duration::from_secs(5))).map_err(said)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: splitcost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut answer = Vec::new();
    let mut buffer = [0_u8; 512];
    while !answer.contains(&b'\n') && answer.len() < 4096 {
        match stream.read(&mut buffer).map_err(said)? {
            0 => break,
            n => answer.extend_from_slice(&buffer[..n]),
        }
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    status.ok_or_else(|| Some(format!("what listens on {address} does not speak HTTP/1.1")))
}
