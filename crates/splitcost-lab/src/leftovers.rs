//! Processes and directories that a run has left behind.
//!
//! A run's directory holds a FIFO, its lifeline, which the run's process alone holds open for writing: without a writer
//! the run is dead. Its processes carry the path of the lifeline in their environment.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, geteuid, kill_process, kill_process_group};

use crate::cpu;

/// Beginning of the names of directories of runs.
pub(crate) const PREFIX: &str = "splitcost-";
/// Environment variable with the lifeline: `GROUP:PATH`. The group is that of the run's own process, which may be a whole
/// pipeline's: it is spared.
pub(crate) const LIFELINE: &str = "SPLITCOST_LIFELINE";

/// Returns the path of the lifeline in a run's directory.
pub(crate) fn lifeline(dir: &Path) -> PathBuf {
    dir.join("lifeline")
}

/// Removes the directory of a run whose process has ended, after the processes that are left of it.
pub(crate) fn remove_run(dir: &Path) {
    end_members(&lifeline(dir));
    // What cannot be removed now is left to the next run.
    let _ = fs::remove_dir_all(dir);
}

/// Removes what runs have left behind that were killed together with their guards.
pub(crate) fn remove_dead_runs(temp: &Path) {
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
pub(crate) struct Member {
    pub(crate) pid: Pid,
    spared_group: i32,
}

/// Returns the processes that carry this lifeline in their environment, as far as we may see them.
pub(crate) fn members(lifeline: &Path) -> Vec<Member> {
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
