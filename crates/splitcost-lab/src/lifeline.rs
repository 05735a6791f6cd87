//! The directory of a run, and the lifeline in it, which breaks when this process ends.
//!
//! The lifeline is a FIFO that this process holds open for writing as long as it lives. Every Python process that is
//! started here opens it for reading and asks the kernel for SIGKILL to itself and to its process group as soon as no
//! writer is left (`python/splitcost/_lifeline.py`). Nobody watches: there is no thread and no timer in the measured
//! app. The next run recognises by a FIFO without a writer that the owner of a directory is dead: it ends the
//! processes that still carry the lifeline's name in their environment, and removes the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::{Pid, Signal, geteuid, getpgrp, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::guard::{self, Mortal};
use crate::{Error, Result, cpu};

/// Environment variable with the id of this process, in whatever was started here, directly or not.
const PARENT: &str = "SPLITCOST_PARENT";
/// Environment variable with the lifeline: `GROUP:PATH`. The group is that of this process, which may be a whole
/// pipeline's: it is spared.
const LIFELINE: &str = "SPLITCOST_LIFELINE";
/// Beginning of the names of directories of runs.
const PREFIX: &str = "splitcost-";

/// A run: its directory, which is removed at its end, and its lifeline.
#[derive(Debug)]
pub(crate) struct Run {
    dir: TempDir,
    _writer: File,
}

static CURRENT: Mutex<Weak<Run>> = Mutex::new(Weak::new());

impl Run {
    /// Returns the run of this process. The first call makes it, after what dead runs left behind is removed; it ends
    /// when nobody holds it any more.
    pub(crate) fn current() -> Result<Arc<Self>> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = current.upgrade() {
            return Ok(run);
        }
        let temp = std::env::temp_dir();
        remove_dead_runs(&temp);
        let (dir, _writer) = make(&temp)?;
        let run = Arc::new(Self { dir, _writer });
        guard::add(&Mortal::Dir(run.path()));
        *current = Arc::downgrade(&run);
        Ok(run)
    }

    /// Returns the directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the environment by which a process, and whatever it starts, belongs to this run.
    pub(crate) fn env(&self) -> [(&'static str, String); 2] {
        let lifeline = lifeline(self.path());
        let group = getpgrp().as_raw_nonzero();
        [(PARENT, std::process::id().to_string()), (LIFELINE, format!("{group}:{}", lifeline.display()))]
    }

    /// Signals every process that carries the environment of this run.
    pub(crate) fn signal(&self, signal: Signal) {
        for member in members(&lifeline(self.path())) {
            // A process that is gone already needs no signal.
            let _ = kill_process(member.pid, signal);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // What cannot be removed now is left to the guard, or to the next run.
        if fs::remove_dir_all(self.path()).is_ok() {
            guard::remove(&Mortal::Dir(self.path()));
        }
    }
}

/// Makes the directory of a run, and its lifeline with a writer.
fn make(temp: &Path) -> Result<(TempDir, File)> {
    let dir = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(temp)
        .map_err(Error::io("make a scratch directory in", temp))?;
    let path = lifeline(dir.path());
    // It gets its name once it has a writer: from then on its owner can be judged by it.
    let draft = path.with_extension("new");
    let made = mknodat(CWD, &draft, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(io::Error::from);
    made.map_err(Error::io("make", &draft))?;
    let writer = OpenOptions::new().read(true).write(true).open(&draft).map_err(Error::io("open", &draft))?;
    fs::rename(&draft, &path).map_err(Error::io("make", &path))?;
    Ok((dir, writer))
}

fn lifeline(dir: &Path) -> PathBuf {
    dir.join("lifeline")
}

/// Removes the directory of a run whose process has ended, after the processes that are left of it.
pub(crate) fn remove_run(dir: &Path) {
    end_members(&lifeline(dir));
    // What cannot be removed now is left to the next run.
    let _ = fs::remove_dir_all(dir);
}

/// Removes what runs have left behind that were killed together with their guards.
fn remove_dead_runs(temp: &Path) {
    let Ok(entries) = fs::read_dir(temp) else { return };
    for entry in entries.flatten() {
        let is_run = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let is_ours = || entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw());
        if is_run && is_ours() && is_broken(&lifeline(&entry.path())) {
            remove_run(&entry.path());
        }
    }
}

/// Reports if this is a lifeline without a writer, and so of a process that has ended.
fn is_broken(lifeline: &Path) -> bool {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(lifeline);
    let Ok(mut reader) = opened else { return false };
    let is_fifo = reader.metadata().is_ok_and(|meta| meta.file_type().is_fifo());
    is_fifo && matches!(reader.read(&mut [0]), Ok(0))
}

/// A process that carries a lifeline in its environment, and the group that must be spared.
struct Member {
    pid: Pid,
    spared_group: i32,
}

/// Returns the processes that carry this lifeline in their environment, as far as we may see them.
fn members(lifeline: &Path) -> Vec<Member> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let lifeline = lifeline.as_os_str().as_encoded_bytes();
    let group = |environ: &[u8]| {
        let entry = environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(LIFELINE.as_bytes()))?;
        let (group, path) = std::str::from_utf8(entry.strip_prefix(b"=")?).ok()?.split_once(':')?;
        (path.as_bytes() == lifeline).then(|| group.parse().ok())?
    };
    pids.filter_map(|pid| {
        let spared_group = group(&fs::read(format!("/proc/{pid}/environ")).ok()?)?;
        Some(Member { pid: Pid::from_raw(pid)?, spared_group })
    })
    .collect()
}

/// Kills the processes that carry this lifeline, and their process groups.
fn end_members(lifeline: &Path) {
    for member in members(lifeline) {
        let group = cpu::process(member.pid).map(|process| process.group).filter(|id| *id != member.spared_group);
        // A process that is gone already needs no signal.
        let _ = match group.and_then(Pid::from_raw) {
            Some(group) => kill_process_group(group, Signal::KILL),
            None => kill_process(member.pid, Signal::KILL),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_dead_runs_are_removed() {
        let temp = tempfile::tempdir().unwrap();
        let run = || make(temp.path()).map(|(dir, writer)| (dir.keep(), writer)).unwrap();
        let (alive, _writer) = run();
        let (dead, writer) = run();
        let foreign = temp.path().join("splitcost-foreign");
        fs::create_dir(&foreign).unwrap();
        remove_dead_runs(temp.path());
        assert!(alive.exists() && dead.exists() && foreign.exists());
        drop(writer);
        remove_dead_runs(temp.path());
        assert!(alive.exists() && !dead.exists() && foreign.exists());
    }
}
