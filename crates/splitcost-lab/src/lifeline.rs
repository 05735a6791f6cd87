//! The directory of a run, and the lifeline in it, which breaks when this process ends.
//!
//! The lifeline is a FIFO that this process holds open for writing as long as it lives. Every Python process that is
//! started here opens it for reading and asks the kernel for SIGKILL to itself and to its process group as soon as no
//! writer is left (`python/splitcost/_lifeline.py`). Nobody watches: there is no thread and no timer in the measured
//! app. The next run recognises by a FIFO without a writer that the owner of a directory is dead: it ends the
//! processes that still carry the lifeline's name in their environment, and removes the directory.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Signal, getpgrp, kill_process};
use tempfile::TempDir;

use crate::guard::{self, Mortal};
use crate::leftovers::{LIFELINE, PREFIX, lifeline, members, remove_dead_runs};
use crate::{Error, Result};

/// Environment variable with the id of this process, in whatever was started here, directly or not.
const PARENT: &str = "SPLITCOST_PARENT";

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
        let (dir, writer) = make(&temp)?;
        let run = Arc::new(Self { dir, _writer: writer });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_dead_runs_are_removed() {
        let temp = tempfile::tempdir().unwrap();
        let run = || make(temp.path()).map(|(dir, writer)| (dir.keep(), writer)).unwrap();
        let ((alive, held), (dead, writer)) = (run(), run());
        let foreign = temp.path().join("splitcost-foreign");
        fs::create_dir(&foreign).unwrap();
        remove_dead_runs(temp.path());
        assert!(alive.exists() && dead.exists() && foreign.exists());
        drop(writer);
        remove_dead_runs(temp.path());
        assert!(alive.exists() && !dead.exists() && foreign.exists());
        drop(held);
    }
}
