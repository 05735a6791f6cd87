//! An app that was started: its address, its CPU time, and its end.
//!
//! A started app is a process group of its own. It ends when its [`App`] is dropped.

mod spec;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use splitcost_load::{NAME_HEADER, Session, Targets, Workload, open_sessions};
use splitcost_model::quantity::Nanos;
use tempfile::TempDir;

use crate::arm::{Arm, Used};
pub use crate::group::kill_all;
use crate::group::{Group, POLL};
use crate::lifeline::Run;
use crate::port::ReservedPort;
use crate::python::Python;
use crate::{Cancel, Error, Result, cpu, log_tail, socket};
pub use spec::{AppSpec, Mode, Modules};

/// The time in which a server writes down an error.
///
/// Chosen: far more than it takes, and nobody notices.
const WRITES_ITS_LOG: Duration = Duration::from_millis(500);

/// A scratch directory with the app's data, removed at the end.
#[derive(Debug)]
pub struct Scratch {
    dir: TempDir,
    arm: Arc<Arm>,
    /// The run's directory is there as long as this is.
    _run: Arc<Run>,
}

impl Scratch {
    /// Makes the directory and runs the app's setup command in it.
    pub fn set_up(spec: &AppSpec, python: &Python, cancel: &Cancel) -> Result<Self> {
        let scratch = Self::empty()?;
        if !spec.setup.is_empty() {
            let mut setup = App::spawn(spec, python, &scratch, &Mode::None, "setup", &spec.setup, None)?;
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
                            last: "it is still running".to_owned(),
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

    /// Makes an empty one.
    pub fn empty() -> Result<Self> {
        let run = Run::current()?;
        let dir = tempfile::Builder::new()
            .prefix("scratch-")
            .tempdir_in(run.path())
            .map_err(Error::io("make a scratch directory in", run.path()))?;
        let scratch = Self { dir, arm: Arc::new(Arm::new()), _run: run };
        fs::create_dir(scratch.workdir()).map_err(Error::io("make", scratch.workdir()))?;
        Ok(scratch)
    }

    /// Returns the app's `{workdir}`.
    pub fn workdir(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Returns the app's `{arm}`, which no other copy has at the same time.
    pub(crate) fn arm(&self) -> String {
        self.arm.name()
    }

    /// Returns the directory, which holds our own files beside the app's.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Longest duration of a setup command.
///
/// Chosen: seeding a database is seconds; migrations on a large one are minutes.
const SETUP_DEADLINE: Duration = Duration::from_mins(5);
/// Time for which an app may listen at other ports only before it is taken to listen there for good.
///
/// Chosen: apps that open a metrics port first open their own soon after.
const ELSEWHERE: Duration = Duration::from_secs(5);
/// Times that a start is tried while the chosen port turns out to be in use.
///
/// Chosen: one more for a server that cannot listen on a reserved port, and two for chance.
const START_TRIES: usize = 4;

/// A process group started from the app's command.
#[derive(Debug)]
pub struct App {
    name: String,
    group: Group,
    /// It is kept from others also while the app is not listening yet.
    port: Option<ReservedPort>,
    log: PathBuf,
    /// The simulated users of this copy; empty until their sessions are opened.
    sessions: Arc<[Session]>,
    arm: Arc<Arm>,
    /// The databases that it was seen to use; `None` once they are checked.
    used: Option<Used>,
    /// True if only the port and the scratch directory differ between the copies.
    are_copies_alike: bool,
    /// Where a service answers calls of others.
    rpc_port: Option<u16>,
}

impl App {
    /// Starts the app on a free port and waits until it is ready. `name` is for messages and files.
    ///
    /// A port that turns out to be in use is replaced by another one, where the command takes a `{port}`.
    pub fn start(
        spec: &AppSpec,
        python: &Python,
        scratch: &Scratch,
        mode: &Mode,
        name: &str,
        cancel: &Cancel,
    ) -> Result<Self> {
        let mut tries = 1;
        loop {
            let mut port = ReservedPort::new()?;
            if tries > 1 {
                // Our own socket may have been in the way of a server that does not set SO_REUSEADDR.
                port.release();
            }
            let mut app = Self::spawn(spec, python, scratch, mode, name, &spec.command, Some(port))?;
            match app.wait_until_ready(spec, cancel) {
                Ok(()) => return Ok(app),
                Err(error) if error.is_address_in_use() && spec.takes_port() && tries < START_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts a command in the app's environment, and does not wait.
    pub(crate) fn spawn(
        spec: &AppSpec,
        python: &Python,
        scratch: &Scratch,
        mode: &Mode,
        name: &str,
        command: &[String],
        port: Option<ReservedPort>,
    ) -> Result<Self> {
        let log = scratch.path().join(format!("{name}.log"));
        let out = File::create(&log).map_err(Error::io("write", &log))?;
        let errors = out.try_clone().map_err(Error::io("write", &log))?;
        let number = port.as_ref().map_or(0, ReservedPort::number);
        let mut process = spec.command(python, Some(scratch), mode, command, number)?;
        process.stdin(Stdio::null()).stdout(out).stderr(errors);
        let group = Group::spawn(&mut process, || command.join(" "))?;
        Ok(Self {
            name: name.to_owned(),
            group,
            port,
            log,
            sessions: Arc::default(),
            arm: Arc::clone(&scratch.arm),
            used: Some(Used::default()),
            are_copies_alike: !spec.takes_arm(),
            rpc_port: None,
        })
    }

    /// Makes it ready only when it answers calls of other services at this port, too.
    pub(crate) fn called_at(self, rpc_port: u16) -> Self {
        Self { rpc_port: Some(rpc_port), ..self }
    }

    /// Returns true when it answers calls of other services, or need not.
    fn takes_calls(&self) -> bool {
        let connects = |port| TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok();
        self.rpc_port.is_none_or(connects)
    }

    /// Returns the address at which it answers.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port()))
    }

    fn port(&self) -> u16 {
        self.port.as_ref().map_or(0, ReservedPort::number)
    }

    /// Returns its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the CPU time of all its processes until now.
    pub fn cpu(&self) -> Nanos {
        cpu::group_cpu(self.group.id())
    }

    /// Returns its process group.
    pub(crate) fn group(&self) -> u32 {
        self.group.id()
    }

    /// Returns the last lines that it wrote, as a block for a message.
    pub fn log_tail(&self) -> String {
        log_tail::tail(&self.log)
    }

    /// Returns its exit status if it has ended.
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

    /// Returns the sessions of the simulated users. The first call opens them, by the requests before the load.
    pub(crate) fn sessions(
        &mut self,
        workload: &Workload,
        targets: &Targets,
        cancel: &Cancel,
    ) -> Result<Arc<[Session]>> {
        if self.sessions.is_empty() {
            let opened = open_sessions(workload, targets, &cancel.0);
            cancel.check()?;
            let opened = opened.map_err(|source| {
                // A server writes down why it failed after it has answered.
                std::thread::sleep(WRITES_ITS_LOG);
                Error::Before { source, log: format!(" (asked: {}){}", self.name, self.log_tail()) }
            })?;
            self.sessions = opened.into();
        }
        Ok(Arc::clone(&self.sessions))
    }

    /// Notes the databases that it uses now, until they are checked.
    pub(crate) fn look_for_databases(&mut self) {
        if let Some(used) = &mut self.used {
            used.look(self.group.id());
        }
    }

    /// Fails if another copy uses one of the databases that this one was seen to use.
    pub(crate) fn check_databases(&mut self) -> Result<()> {
        match self.used.take() {
            Some(used) => self.arm.note(&self.name, &used, self.are_copies_alike),
            None => Ok(()),
        }
    }

    /// Ends it and waits for that: SIGTERM, a deadline, SIGKILL.
    pub fn stop(&mut self) {
        self.group.stop();
    }

    /// Waits until it is ready.
    pub(crate) fn wait_until_ready(&mut self, spec: &AppSpec, cancel: &Cancel) -> Result<()> {
        wait_until_all_ready(&mut [self], spec, cancel)
    }

    /// Returns true if it is ready.
    fn is_ready(&mut self, spec: &AppSpec, waiting: &mut Waiting) -> Result<bool> {
        if let Some(status) = self.exit_status()? {
            return Err(Error::Exited { action: format!("start {}", self.name), status, log: self.log_tail() });
        }
        match probe(self.address(), &spec.ready) {
            Ok(status) if (200..400).contains(&status) => {
                if self.takes_calls() {
                    return Ok(true);
                }
                "it takes requests, but no calls of other services".clone_into(&mut waiting.last);
            }
            Ok(status) => waiting.last = format!("GET {} was answered {status}", spec.ready),
            Err(Some(reason)) => waiting.last = reason,
            Err(None) => {}
        }
        let mut listening = socket::listening(self.group.id());
        listening.retain(|address| Some(address.port()) != self.rpc_port);
        let elsewhere = !listening.is_empty() && listening.iter().all(|address| address.port() != self.port());
        let since = elsewhere.then(|| *waiting.elsewhere_since.get_or_insert_with(Instant::now));
        waiting.elsewhere_since = since;
        let is_late = Instant::now() > waiting.end;
        if since.is_some_and(|since| since.elapsed() > ELSEWHERE) || elsewhere && is_late {
            let addresses: Vec<String> = listening.iter().map(ToString::to_string).collect();
            return Err(Error::ListensElsewhere {
                what: self.name.clone(),
                listening: addresses.join(" and "),
                port: self.port(),
                log: self.log_tail(),
            });
        }
        if is_late {
            return Err(Error::NeverReady {
                what: self.name.clone(),
                secs: spec.deadline.as_secs_f64(),
                last: waiting.last.clone(),
                log: self.log_tail(),
            });
        }
        Ok(false)
    }
}

/// The state of waiting for an app.
struct Waiting {
    end: Instant,
    is_ready: bool,
    /// It listens at other ports only, since then.
    elsewhere_since: Option<Instant>,
    /// The last reason why it was not ready.
    last: String,
}

/// Waits until all apps are ready. They are asked in turn: one may need another for the answer that shows it.
pub(crate) fn wait_until_all_ready(apps: &mut [&mut App], spec: &AppSpec, cancel: &Cancel) -> Result<()> {
    let end = Instant::now() + spec.deadline;
    let begin = || Waiting { end, is_ready: false, elsewhere_since: None, last: "nothing listened".to_owned() };
    let mut waiting: Vec<Waiting> = apps.iter().map(|_| begin()).collect();
    loop {
        for (app, waiting) in apps.iter_mut().zip(&mut waiting).filter(|(_, waiting)| !waiting.is_ready) {
            cancel.check()?;
            waiting.is_ready = app.is_ready(spec, waiting)?;
        }
        if waiting.iter().all(|waiting| waiting.is_ready) {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}

/// Returns the status of a GET. The error is a message if something listens there, and `None` if nothing does.
fn probe(address: SocketAddr, path: &str) -> Result<u16, Option<String>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).map_err(|_| None)?;
    let said = |error: std::io::Error| Some(format!("GET {path} was not answered: {error}"));
    stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(said)?;
    stream.set_write_timeout(Some(Duration::from_secs(5))).map_err(said)?;
    // Without a name in the header it is no request, for recorder and rehearsal.
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: splitcost\r\n{NAME_HEADER}: \r\nconnection: close\r\n\r\n"
    );
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
