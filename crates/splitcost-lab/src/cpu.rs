//! CPU times of processes, and a description of the machine, read from `/proc`.

use std::fs;

use rustix::process::Pid;
use splitcost_model::quantity::Nanos;

/// A process, as `/proc/<pid>/stat` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) group: i32,
    pub(crate) alive: bool,
    /// User and system time in clock ticks.
    pub(crate) ticks: u64,
    /// The same of reaped children.
    pub(crate) reaped_ticks: u64,
}

/// Clock ticks per second.
///
/// Spec: `USER_HZ` is 100 on every Linux architecture that `CPython`'s tier 1 and 2 support.
pub(crate) const TICKS_PER_SEC: f64 = 100.0;

impl Process {
    /// Returns the process and its name.
    fn parse(stat: &str) -> Option<(Self, &str)> {
        let (pid, rest) = stat.split_once(' ')?;
        // The name is in parentheses and may hold any character, parentheses included.
        let (name, fields) = rest.strip_prefix('(')?.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let number = |i: usize| fields.get(i)?.parse::<u64>().ok();
        let process = Self {
            pid: pid.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            alive: !matches!(*fields.first()?, "Z" | "X"),
            ticks: number(11)? + number(12)?,
            reaped_ticks: number(13)? + number(14)?,
        };
        Some((process, name))
    }

    /// Returns the CPU time that it has used until now, that of reaped children included.
    ///
    /// # Units
    /// Resolved to nanoseconds for a running process, and to 10 ms for what has ended.
    ///
    /// # Source
    /// `clock_getcpuclockid(3)`; proc(5), `/proc/pid/stat`, fields 14 to 17.
    pub(crate) fn cpu(&self) -> Nanos {
        let in_ticks = |ticks: u64| Nanos::from_secs_f64(ticks as f64 / TICKS_PER_SEC);
        let own = process_cpu(self.pid.cast_unsigned()).unwrap_or_else(|| in_ticks(self.ticks));
        own + in_ticks(self.reaped_ticks)
    }

    /// Returns how often its threads have waited for something until now.
    ///
    /// # Source
    /// proc(5), `voluntary_ctxt_switches` of `/proc/pid/task/tid/status`.
    fn switches(&self) -> u64 {
        let of_task = |task: fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok())
        };
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid));
        tasks.into_iter().flatten().flatten().filter_map(of_task).sum()
    }

    /// Returns the time that its threads, without those that have ended, were ready to run and waited for a core.
    ///
    /// # Source
    /// The kernel's Documentation/scheduler/sched-stats.rst: the second field of `/proc/pid/task/tid/schedstat`.
    pub(crate) fn waited(&self) -> Nanos {
        let of_task = |task: fs::DirEntry| waited(&fs::read_to_string(task.path().join("schedstat")).ok()?);
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid));
        tasks.into_iter().flatten().flatten().filter_map(of_task).sum()
    }
}

/// Returns the second field of a thread's `schedstat`.
fn waited(schedstat: &str) -> Option<Nanos> {
    schedstat.split_whitespace().nth(1)?.parse().ok().map(Nanos::from_nanos)
}

/// Returns the process with this id, if there is one.
pub(crate) fn process(pid: Pid) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    Some(Process::parse(&stat)?.0)
}

/// Returns all processes of the machine with their names, zombies included.
pub(crate) fn processes() -> Vec<(Process, String)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit())))
        .filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            Process::parse(&stat).map(|(process, name)| (process, name.to_owned()))
        })
        .collect()
}

/// Returns the processes of a process group, zombies included.
pub(crate) fn group(group: i32) -> Vec<Process> {
    processes().into_iter().map(|(process, _)| process).filter(|process| process.group == group).collect()
}

/// Returns the CPU time that the processes of a group have used until now, that of reaped children included.
///
/// # Units
/// Resolved to nanoseconds for running processes, and to 10 ms for those that have ended.
pub fn group_cpu(group_id: u32) -> Nanos {
    group(group_id.cast_signed()).iter().map(Process::cpu).sum()
}

/// The use of a group's processes until now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupUse {
    /// CPU time, that of reaped children included.
    pub(crate) cpu: Nanos,
    /// Times that a thread has waited for something.
    pub(crate) switches: u64,
}

/// Returns the use of each of some groups' processes, all read at nearly the same time.
pub(crate) fn groups_use(groups: &[u32]) -> Vec<GroupUse> {
    let mut found = vec![GroupUse::default(); groups.len()];
    for (process, _) in processes() {
        if let Some(at) = groups.iter().position(|group| group.cast_signed() == process.group) {
            found[at].cpu += process.cpu();
            found[at].switches += process.switches();
        }
    }
    found
}

/// Returns the processes that listen on a TCP port of this host, as far as we may see them.
///
/// # Source
/// proc(5): `/proc/net/tcp` names the socket of state `0A`, `/proc/pid/fd` its holders.
pub fn listeners(port: u16) -> Vec<u32> {
    let wanted = format!(":{port:04X}");
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields[..]
                && local.ends_with(&wanted)
            {
                sockets.push(format!("socket:[{inode}]"));
            }
        }
    }
    holders(&sockets)
}

/// Returns the processes that listen on a unix socket, as far as we may see them.
///
/// # Source
/// proc(5): `/proc/net/unix`, whose flags `00010000` are those of a listening socket.
pub fn unix_listeners(path: &std::path::Path) -> Vec<u32> {
    let wanted = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut sockets = Vec::new();
    for line in fs::read_to_string("/proc/net/unix").unwrap_or_default().lines() {
        let fields: Vec<&str> = line.splitn(8, ' ').collect();
        if let [_, _, _, "00010000", _, _, inode, bound] = fields[..]
            && [path, &wanted].contains(&std::path::Path::new(bound))
        {
            sockets.push(format!("socket:[{}]", inode.trim()));
        }
    }
    holders(&sockets)
}

/// Returns the processes that hold one of these sockets.
fn holders(sockets: &[String]) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let mut links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| link.to_str().is_some_and(|link| sockets.iter().any(|socket| socket == link)))
    })
    .collect()
}

/// Returns the CPU time that a process has used until now, that of ended threads included.
pub fn process_cpu(pid: u32) -> Option<Nanos> {
    let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(pid.cast_signed())).ok()?;
    let now = clock.now().ok()?;
    Some(Nanos::from_nanos(now.tv_sec().cast_unsigned() * 1_000_000_000 + now.tv_nsec().cast_unsigned()))
}

/// Returns processor, cores and kernel in one line, for provenance.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()))
        .unwrap_or("unknown processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = cores();
    let plural = if cores == 1 { "core" } else { "cores" };
    format!("{model}, {cores} {plural}, Linux {}", kernel.trim())
}

/// Returns the number of cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_parsed() {
        let stat = "42 (a) b (c) S 1 40 40 0 -1 4194304 100 0 0 0 7 3 1 1 20 0 1 0 5 0 0";
        let process = Process { pid: 42, group: 40, alive: true, ticks: 10, reaped_ticks: 2 };
        assert_eq!(Process::parse(stat), Some((process, "a) b (c")));
        assert_eq!(Process::parse("42 (a"), None);
    }

    #[test]
    fn the_wait_for_a_core_is_read() {
        assert_eq!(waited("804210 2387382 3\n"), Some(Nanos::from_nanos(2_387_382)));
        assert_eq!(waited(""), None);
    }

    #[test]
    fn listening_processes_are_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listeners(port).contains(&std::process::id()));
        assert!(process_cpu(std::process::id()).is_some_and(|cpu| !cpu.is_zero()));
        assert!(!listeners(0).contains(&std::process::id()));
    }

    #[test]
    fn processes_that_listen_on_a_unix_socket_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(unix_listeners(&path), [std::process::id()]);
        drop(listener);
        assert!(unix_listeners(&path).is_empty());
    }

    #[test]
    fn our_own_group_uses_cpu() {
        let own = rustix::process::getpgrp().as_raw_nonzero().get();
        let before = group_cpu(own.cast_unsigned());
        let mut x = 1_u64;
        for i in 0..100_000_u64 {
            x = std::hint::black_box(x.wrapping_mul(i | 1));
        }
        assert!(group_cpu(own.cast_unsigned()) > before, "it is resolved to less than a clock tick");
        let switches = || groups_use(&[0, own.cast_unsigned()])[1].switches;
        let waited = switches();
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(switches() > waited);
    }
}
