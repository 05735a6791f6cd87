//! A small process that outlives this one for a moment if this one is killed: it ends the processes that were started
//! here and removes the scratch directories.
//!
//! It reads from a pipe what there is to end. The pipe ends when this process ends, for whatever reason. If both are
//! killed, [`crate::lifeline`] ends what is left.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{Error, Result, leftovers};

static PIPE: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Starts the guard, once: `command` is a program that does nothing but [`run`].
pub fn start(mut command: Command) -> Result<()> {
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    if pipe.is_some() {
        return Ok(());
    }
    let program = PathBuf::from(command.get_program());
    // In a group of its own, where Ctrl-C does not reach it.
    let mut child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io("start", program))?;
    *pipe = child.stdin.take();
    Ok(())
}

/// Runs as the guard: reads until the pipe ends, then ends and removes what is left.
pub fn run() {
    let mut left = BTreeSet::new();
    for line in io::stdin().lock().lines().map_while(io::Result::ok) {
        match line.split_at_checked(1) {
            Some(("+", what)) => left.insert(what.to_owned()),
            Some(("-", what)) => left.remove(what),
            _ => false,
        };
    }
    let parsed = |text: &str| text.parse().ok().and_then(Pid::from_raw);
    for what in &left {
        // What is gone already needs no signal.
        if let Some(group) = what.strip_prefix("group ").and_then(parsed) {
            let _ = kill_process_group(group, Signal::KILL);
        } else if let Some(process) = what.strip_prefix("process ").and_then(parsed) {
            let _ = kill_process(process, Signal::KILL);
        }
    }
    for dir in left.iter().filter_map(|what| what.strip_prefix("dir ")) {
        leftovers::remove_run(Path::new(dir));
    }
}

/// Something that must not outlive this process.
#[derive(Clone, Debug)]
pub(crate) enum Mortal<'a> {
    Group(i32),
    Process(u32),
    Dir(&'a Path),
}

/// Hands something over to the guard.
pub(crate) fn add(what: &Mortal<'_>) {
    write_line('+', what);
}

/// Takes something back that has ended.
pub(crate) fn remove(what: &Mortal<'_>) {
    write_line('-', what);
}

fn write_line(sign: char, what: &Mortal<'_>) {
    let line = match what {
        Mortal::Group(id) => format!("{sign}group {id}\n"),
        Mortal::Process(id) => format!("{sign}process {id}\n"),
        Mortal::Dir(path) => format!("{sign}dir {}\n", path.display()),
    };
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(open) = pipe.as_mut()
        && open.write_all(line.as_bytes()).is_err()
    {
        // Without a guard everything still ends with its owner in this process, or by its lifeline.
        *pipe = None;
    }
}
