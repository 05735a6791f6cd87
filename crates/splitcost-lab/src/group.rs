//! Process groups that were started here. A group ends by SIGTERM, by SIGKILL five seconds later, and is reaped.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::guard::{self, Mortal};
use crate::lifeline::Run;
use crate::{Error, Result, cpu};

/// Longest time from SIGTERM to the end of a group.
///
/// Chosen: uvicorn waits for requests in flight, and none are left.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// Time between two looks at a condition that is waited for.
///
/// Chosen: far below what a process takes to start or to end.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// The groups that run now.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Returns the ids of the process groups that were started here and run now.
pub(crate) fn all() -> BTreeSet<i32> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Kills every process group that was started here, without waiting for it.
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

/// A child that leads a process group. The group ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) child: Child,
    id: i32,
    status: Option<ExitStatus>,
    /// The lifeline holds as long as this does.
    _run: Arc<Run>,
}

impl Group {
    /// Starts a command as the leader of a group of its own. `shown` is the command line for an error's message.
    pub(crate) fn spawn(command: &mut Command, shown: impl FnOnce() -> String) -> Result<Self> {
        let run = Run::current()?;
        command.envs(run.env()).process_group(0);
        let child = command.spawn().map_err(|source| Error::Spawn { command: shown(), source })?;
        let id = child.id().cast_signed();
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        guard::add(&Mortal::Group(id));
        Ok(Self { child, id, status: None, _run: run })
    }

    /// Returns the group's id, which is the child's process id.
    pub(crate) fn id(&self) -> u32 {
        self.id.cast_unsigned()
    }

    /// Returns the child's exit status if it has ended.
    pub(crate) fn exit_status(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Ends all processes of the group: SIGTERM, then SIGKILL to those that are left after the deadline.
    pub(crate) fn stop(&mut self) {
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
