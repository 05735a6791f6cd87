//! A Python process of our own, which answers each line of JSON with a line of JSON.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::app::Scratch;
use crate::group::Group;
use crate::python::Python;
use crate::{Cancel, Error, Result, log_tail};

/// Longest time until an answer.
///
/// Chosen: the longest question takes a second on a machine that is not busy.
const DEADLINE: Duration = Duration::from_mins(1);

/// The process. It ends when this is dropped.
pub struct Helper {
    action: String,
    group: Group,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Helper {
    /// Runs `python -m ARGUMENTS`.
    pub fn start(
        action: &str,
        name: &str,
        python: &Python,
        scratch: &Scratch,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let log = scratch.path().join(format!("{name}.log"));
        let errors = File::create(&log).map_err(Error::io("write", &log))?;
        let mut command = Command::new(&python.executable);
        command
            .arg("-m")
            .args(arguments)
            .current_dir(scratch.workdir())
            .env("PYTHONPATH", python.bootstrap_dir())
            .env("PYTHONUNBUFFERED", "1")
            .env("SPLITCOST_MODE", "none")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors);
        let mut group = Group::spawn(&mut command, || format!("python -m {}", arguments.join(" ")))?;
        let stdin = group.child.stdin.take();
        let (sender, lines) = channel();
        if let Some(stdout) = group.child.stdout.take() {
            std::thread::spawn(move || {
                // Ends with the process, or when nobody waits for its lines any more.
                let _ = BufReader::new(stdout)
                    .lines()
                    .map_while(std::io::Result::ok)
                    .try_for_each(|line| sender.send(line));
            });
        }
        Ok(Self { action: action.to_owned(), group, stdin, lines, log })
    }

    /// Asks a question and waits for the answer.
    pub fn ask<T: DeserializeOwned>(&mut self, question: &serde_json::Value, cancel: &Cancel) -> Result<T> {
        let sent = match &mut self.stdin {
            Some(stdin) => writeln!(stdin, "{question}").and_then(|()| stdin.flush()),
            None => Ok(()),
        };
        match sent {
            Ok(()) => self.answer(cancel),
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    /// Waits for the next line.
    pub fn answer<T: DeserializeOwned>(&mut self, cancel: &Cancel) -> Result<T> {
        let end = Instant::now() + DEADLINE;
        loop {
            cancel.check()?;
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    return serde_json::from_str(&line).map_err(|error| {
                        self.failed(format!("{error} in {:?}", line.chars().take(200).collect::<String>()))
                    });
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.failed(format!("no answer after {} s", DEADLINE.as_secs())));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.group.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
                    return Err(self.failed(format!("it ended with {status}")));
                }
            }
        }
    }

    /// Returns the lines that have arrived meanwhile and are valid.
    pub(crate) fn arrived<T: DeserializeOwned>(&self) -> Vec<T> {
        self.lines.try_iter().filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }

    fn failed(&self, reason: String) -> Error {
        Error::Helper { action: self.action.clone(), reason, log: log_tail::tail(&self.log) }
    }
}
