//! A scratch directory with the small app in it, and the program that runs there.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The usual start command of the app.
pub(crate) const UVICORN: &str = r#"["uvicorn", "small.main:app", "--port", "{port}", "--log-level", "warning"]"#;

/// A request that succeeds.
pub(crate) const WORKLOAD: &str = r#"
[workload]
seed = 1
[[workload.requests]]
path = "/items/{item}"
params = { item = { int = [1, 500] } }
"#;

/// The time after which a test gives up waiting.
const DEADLINE: Duration = Duration::from_mins(10);

/// A scratch directory with the small app in it.
pub(crate) struct Project {
    dir: TempDir,
}

impl Project {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    /// The small app, with settings.
    pub(crate) fn new(settings: &str) -> Self {
        let project = Self::empty();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/small");
        let target = project.path("small");
        fs::create_dir(&target).unwrap();
        for file in fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            fs::copy(&file, target.join(file.file_name().unwrap())).unwrap();
        }
        fs::write(project.path("splitcost.toml"), settings).unwrap();
        project
    }

    /// The small app, started by this command, with more settings.
    pub(crate) fn with_command(command: &str, more: &str) -> Self {
        let project = Self::new("");
        project.start_by(command, more);
        project
    }

    /// Writes the settings of the small app, started by this command, with more settings.
    pub(crate) fn start_by(&self, command: &str, more: &str) {
        let settings = format!("[app]\ncommand = {command}\npackage = \"small\"\nready = \"/health\"\n{more}");
        fs::write(self.path("splitcost.toml"), settings).unwrap();
    }

    /// A path in the directory.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// Runs the program to its end, and returns what a terminal would have shown.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.start(arguments).transcript()
    }

    /// Runs the program to its end with more environment, and returns what a terminal would have shown.
    pub(crate) fn run_with(&self, env: &[(&str, &str)], arguments: &[&str]) -> String {
        self.start_with(env, arguments).transcript()
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(&[], arguments)
    }

    /// Starts the program with more environment, in a process group of its own, as in a terminal.
    pub(crate) fn start_in_terminal(&self, env: &[(&str, &str)], arguments: &[&str]) -> Running {
        self.spawn(env, arguments, |command| command.process_group(0))
    }

    fn start_with(&self, env: &[(&str, &str)], arguments: &[&str]) -> Running {
        self.spawn(env, arguments, |command| command)
    }

    fn spawn(
        &self,
        env: &[(&str, &str)],
        arguments: &[&str],
        change: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_splitcost"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SPLITCOST_")) {
            command.env_remove(name);
        }
        let child = change(&mut command)
            .args(arguments)
            .current_dir(self.dir.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running::new(child, fs::canonicalize(self.dir.path()).unwrap())
    }
}

/// The program while it runs.
pub(crate) struct Running {
    child: Child,
    dir: PathBuf,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Running {
    fn new(mut child: Child, dir: PathBuf) -> Self {
        let mut stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            for line in std::io::BufRead::lines(std::io::BufReader::new(stderr)) {
                let line = line.unwrap();
                text.push_str(&line);
                text.push('\n');
                // Nobody may be waiting for it.
                let _ = sender.send(line);
            }
            text
        });
        Self { child, dir, stdout: Some(stdout), stderr: Some(stderr), lines }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits for a line on stderr, and returns it.
    pub(crate) fn wait_for_line(&self, part: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("it never said {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it did not end");
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end, and returns what a terminal would have shown, without the progress, and without a recording's warning
    /// that others, as other tests are, disturbed it.
    pub(crate) fn transcript(mut self) -> String {
        let status = self.wait();
        let stdout = self.stdout.take().unwrap().join().unwrap();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        let is_of_others = |line: &str| line.starts_with("warning: blocks of the recording that were disturbed");
        let lines: Vec<&str> = stderr.lines().filter(|line| !line.ends_with(" left") && !is_of_others(line)).collect();
        let status = status.code().map_or_else(|| status.to_string(), |code| code.to_string());
        let text = format!("exit {status}\n{stdout}{}", lines.join("\n"));
        text.replace(&self.dir.display().to_string(), "[DIR]").trim_end().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the live processes that the splitcost with this process id started.
pub(crate) fn processes_of(parent: i32) -> Vec<i32> {
    let marker = format!("SPLITCOST_PARENT={parent}");
    let alive = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    };
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes())
        })
        .filter(|pid| alive(*pid))
        .collect()
}

/// Waits until no process started by that splitcost is left.
pub(crate) fn wait_until_none_is_left(parent: i32) {
    wait_until(|| processes_of(parent).is_empty());
}

/// Waits for a condition.
pub(crate) fn wait_until(holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "it never held");
        sleep(Duration::from_millis(20));
    }
}
