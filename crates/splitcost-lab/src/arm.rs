//! Copies of the app that exist at the same time: each has a number, and databases of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result, cpu, socket};

/// The first bytes of a database of `SQLite`.
///
/// Spec: <https://www.sqlite.org/fileformat.html>, section 1.3.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// The usual ports of database servers.
///
/// Spec: the registry of service names and port numbers of IANA.
const PORTS: [(u16, &str); 5] =
    [(5432, "PostgreSQL"), (3306, "MySQL"), (1433, "SQL Server"), (1521, "Oracle"), (27017, "MongoDB")];
/// The names of the processes of database servers.
///
/// Spec: the packages of these servers in Debian.
const PROCESSES: [(&str, &str); 4] =
    [("postgres", "PostgreSQL"), ("mysqld", "MySQL"), ("mariadbd", "MariaDB"), ("mongod", "MongoDB")];

/// The copies that exist now, by their numbers.
static COPIES: Mutex<BTreeMap<u32, Copy>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
struct Copy {
    name: String,
    databases: BTreeSet<Database>,
}

/// A database that a copy uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Database {
    /// A file of `SQLite`, by its device and inode.
    File(u64, u64),
    /// A database server, by its address or the path of its socket.
    Server(String),
}

/// The number of a copy: the smallest that no other copy of this process has.
#[derive(Debug)]
pub(crate) struct Arm(u32);

impl Arm {
    pub(crate) fn new() -> Self {
        let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (1..u32::MAX).find(|number| !copies.contains_key(number)).unwrap_or(u32::MAX);
        copies.insert(number, Copy::default());
        Self(number)
    }

    /// Returns the copy's `{arm}`: letters and digits, so that it can be part of the name of a database or schema.
    pub(crate) fn name(&self) -> String {
        format!("arm{}", self.0)
    }

    /// Notes what the app of this copy has used.
    ///
    /// # Errors
    /// Fails if another copy uses the same database. A server counts as one database if the copies are started alike:
    /// then they connect to the same one there.
    pub(crate) fn note(&self, app: &str, used: &Used, are_alike: bool) -> Result<()> {
        let mut found: BTreeMap<Database, String> =
            used.files.iter().map(|((device, inode), path)| (Database::File(*device, *inode), path.clone())).collect();
        if are_alike {
            let addresses = used.peers.iter().filter_map(|peer| Some((peer.to_string(), server(*peer)?)));
            let paths = used.unix_peers.iter().filter_map(|path| Some((path.clone(), unix_server(path)?)));
            for (place, kind) in addresses.chain(paths) {
                let shown = format!("that of the {kind} server at {place}, as both are started alike");
                found.insert(Database::Server(place), shown);
            }
        }
        let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, other) in copies.iter().filter(|(number, _)| **number != self.0) {
            if let Some((_, shown)) = found.iter().find(|(database, _)| other.databases.contains(database)) {
                let (first, second) = if *number < self.0 { (&*other.name, app) } else { (app, &*other.name) };
                let copies = [first.to_owned(), second.to_owned()];
                return Err(Error::SharedDatabase { copies, database: shown.clone() });
            }
        }
        let copy = copies.entry(self.0).or_default();
        app.clone_into(&mut copy.name);
        copy.databases.extend(found.into_keys());
        Ok(())
    }
}

impl Drop for Arm {
    fn drop(&mut self) {
        COPIES.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// The files and servers that the processes of a copy were seen to use.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Files of `SQLite` that may be written, by device and inode.
    files: BTreeMap<(u64, u64), String>,
    /// The other ends of TCP connections.
    peers: BTreeSet<SocketAddr>,
    /// The paths of the unix sockets at the other ends of connections.
    unix_peers: BTreeSet<String>,
}

impl Used {
    /// Adds what a process group has open now.
    ///
    /// # Source
    /// proc(5): `/proc/pid/fd` and `/proc/pid/fdinfo`.
    pub(crate) fn look(&mut self, group: u32) {
        for process in cpu::group(group.cast_signed()) {
            let fds = PathBuf::from(format!("/proc/{}/fd", process.pid));
            for fd in fs::read_dir(&fds).into_iter().flatten().flatten() {
                let info = format!("/proc/{}/fdinfo/{}", process.pid, fd.file_name().to_string_lossy());
                let Ok(path) = fs::read_link(fd.path()) else { continue };
                if path.is_absolute() && is_writable(Path::new(&info)) {
                    self.add_file(&fd.path(), &path);
                }
            }
        }
        self.peers.extend(socket::peers(group));
        self.unix_peers.extend(socket::unix_peers(group));
    }

    fn add_file(&mut self, fd: &Path, path: &Path) {
        let Ok(meta) = fs::metadata(fd) else { return };
        let key = (meta.dev(), meta.ino());
        if !meta.is_file() || self.files.contains_key(&key) {
            return;
        }
        let mut start = [0; SQLITE.len()];
        if File::open(fd).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *SQLITE {
            self.files.insert(key, path.display().to_string());
        }
    }
}

/// Returns true if the flags of an open file allow writing.
fn is_writable(info: &Path) -> bool {
    let text = fs::read_to_string(info).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim);
    // Spec: open(2), O_WRONLY is 1 and O_RDWR is 2.
    flags.and_then(|flags| u32::from_str_radix(flags, 8).ok()).is_some_and(|flags| flags & 3 != 0)
}

/// Returns the kind of the database server at an address, if there is one: by its process, or by its port.
fn server(address: SocketAddr) -> Option<&'static str> {
    let listener = socket::listener(address);
    let by_process = listener.and_then(|name| PROCESSES.iter().find(|(process, _)| *process == name));
    let by_port = || PORTS.iter().find(|(port, _)| *port == address.port());
    by_process.map(|(_, kind)| *kind).or_else(|| by_port().map(|(_, kind)| *kind))
}

/// Returns the kind of the database server at a unix socket, if it is one: by the usual name of the socket.
fn unix_server(path: &str) -> Option<&'static str> {
    match path.rsplit('/').next()? {
        name if name.starts_with(".s.PGSQL.") => Some("PostgreSQL"),
        "mysqld.sock" | "mysql.sock" => Some("MySQL"),
        "mongodb-27017.sock" => Some("MongoDB"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(files: &[(u64, u64)]) -> Used {
        let files = files.iter().map(|key| (*key, "/srv/app.db".to_owned())).collect();
        Used { files, ..Used::default() }
    }

    #[test]
    fn copies_have_numbers_and_databases_of_their_own() {
        let [one, two] = [Arm::new(), Arm::new()];
        assert_ne!(one.name(), two.name());
        one.note("the app", &used(&[(1, 1)]), true).unwrap();
        two.note("the copy", &used(&[(1, 2), (2, 1)]), true).unwrap();
        // A second service of the first copy.
        one.note("prices", &used(&[(1, 1)]), true).unwrap();
        let shared = two.note("the copy", &used(&[(1, 1)]), true).unwrap_err();
        assert_eq!(
            shared.to_string(),
            "keep the copies of the app apart: prices and the copy use the same database, /srv/app.db"
        );
        drop(one);
        two.note("the copy", &used(&[(1, 1)]), true).unwrap();

        let connected = Used { unix_peers: BTreeSet::from(["/run/.s.PGSQL.5432".to_owned()]), ..Used::default() };
        let three = Arm::new();
        two.note("the copy", &connected, false).unwrap();
        three.note("another", &connected, false).unwrap();
        two.note("the copy", &connected, true).unwrap();
        assert!(
            three.note("another", &connected, true).unwrap_err().to_string().contains("the PostgreSQL server at /run/")
        );
    }

    #[test]
    fn open_databases_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("app.db");
        fs::write(&database, [&SQLITE[..], &[0; 84]].concat()).unwrap();
        let group = rustix::process::getpgrp().as_raw_nonzero().get().cast_unsigned();
        let seen = |file: File| {
            let mut used = Used::default();
            used.look(group);
            drop(file);
            used.files.into_values().any(|path| Path::new(&path) == database)
        };
        assert!(seen(File::options().read(true).write(true).open(&database).unwrap()));
        assert!(!seen(File::open(&database).unwrap()), "a copy that only reads changes nothing for others");
    }
}
