//! Sockets of processes: of TCP, read from `/proc`, and of unix, as netlink shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink};

use crate::cpu;

/// A state of a TCP socket.
///
/// Spec: `tcp_states.h` of Linux.
const LISTEN: &str = "0A";
/// The state of a TCP socket with an open connection.
///
/// Spec: `tcp_states.h` of Linux.
const ESTABLISHED: &str = "01";

/// Returns the TCP addresses on which a process group listens.
pub(crate) fn listening(group: u32) -> Vec<SocketAddr> {
    let own = sockets(group).into_iter().filter(|socket| socket.state == LISTEN).map(|socket| socket.local);
    own.collect::<BTreeSet<SocketAddr>>().into_iter().collect()
}

/// Returns the other ends of the TCP connections that a process group has opened.
pub(crate) fn peers(group: u32) -> BTreeSet<SocketAddr> {
    let sockets = sockets(group);
    let own: BTreeSet<u16> = sockets.iter().filter(|s| s.state == LISTEN).map(|s| s.local.port()).collect();
    let opened = sockets.iter().filter(|s| s.state == ESTABLISHED && !own.contains(&s.local.port()));
    opened.map(|socket| SocketAddr::new(socket.remote.ip().to_canonical(), socket.remote.port())).collect()
}

/// Returns the paths of the unix sockets that a process group is connected to.
///
/// # Source
/// `sock_diag(7)`, `unix_diag.h` of Linux.
pub(crate) fn unix_peers(group: u32) -> BTreeSet<String> {
    let own: BTreeSet<u64> =
        cpu::group(group.cast_signed()).iter().flat_map(|process| inodes_of(&process.pid.to_string())).collect();
    // A kernel without this interface shows no peers.
    let sockets = unix_sockets().unwrap_or_default();
    let names: BTreeMap<u64, &str> =
        sockets.iter().filter_map(|socket| Some((socket.inode, socket.name.as_deref()?))).collect();
    let peers = sockets.iter().filter(|socket| own.contains(&socket.inode)).filter_map(|socket| socket.peer);
    peers.filter_map(|peer| names.get(&peer).map(|name| (*name).to_owned())).collect()
}

/// A unix socket: its inode, its path, and the inode of the socket that it is connected to.
#[derive(Debug, Default)]
struct UnixSocket {
    inode: u64,
    name: Option<String>,
    peer: Option<u64>,
}

/// Asks the kernel for all unix sockets.
fn unix_sockets() -> rustix::io::Result<Vec<UnixSocket>> {
    const DUMP_UNIX_SOCKETS: [u8; 40] = {
        let mut message = [0; 40];
        message[0] = 40;
        // SOCK_DIAG_BY_FAMILY; NLM_F_REQUEST and NLM_F_DUMP; AF_UNIX.
        (message[4], message[6], message[7], message[16]) = (20, 0x01, 0x03, 1);
        // All states; UDIAG_SHOW_NAME and UDIAG_SHOW_PEER.
        (message[20], message[21], message[22], message[23], message[28]) = (0xff, 0xff, 0xff, 0xff, 0x05);
        message
    };
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::SOCK_DIAG))?;
    rustix::net::send(&socket, &DUMP_UNIX_SOCKETS, SendFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let (count, _) = rustix::net::recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        let mut messages = &buffer[..count];
        while let Some((kind, body, rest)) = next_message(messages) {
            match kind {
                20 => found.extend(unix_socket(body)),
                // NLMSG_DONE, or an error.
                _ => return Ok(found),
            }
            messages = rest;
        }
        if count == 0 {
            return Ok(found);
        }
    }
}

/// Returns the type and body of the first message of netlink, and the messages after it.
fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    Some((kind, bytes.get(16..length)?, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Parses a socket and its attributes.
fn unix_socket(body: &[u8]) -> Option<UnixSocket> {
    let number = |bytes: &[u8]| bytes.get(..4)?.try_into().ok().map(u32::from_ne_bytes).map(u64::from);
    let mut socket = UnixSocket { inode: number(body.get(4..)?)?, ..UnixSocket::default() };
    let mut attributes = body.get(16..)?;
    while let Some(length) = attributes.get(..2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes) {
        let Some(data) = attributes.get(4..usize::from(length)) else { break };
        match attributes[2] {
            0 => socket.name = Some(String::from_utf8_lossy(data).trim_end_matches('\0').to_owned()),
            2 => socket.peer = number(data),
            _ => {}
        }
        attributes = attributes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    Some(socket)
}

/// Returns the name of a process of this machine that listens on a loopback address, if it can be seen.
pub(crate) fn listener(address: SocketAddr) -> Option<String> {
    if !address.ip().is_loopback() {
        return None;
    }
    let is_it = |socket: &Socket| socket.state == LISTEN && socket.local.port() == address.port();
    let inodes: BTreeSet<u64> = table("self").iter().filter(|s| is_it(s)).map(|socket| socket.inode).collect();
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let pids = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let owner = pids.into_iter().find(|pid| !inodes.is_disjoint(&inodes_of(pid)))?;
    Some(fs::read_to_string(format!("/proc/{owner}/comm")).ok()?.trim().to_owned())
}

/// A TCP socket.
struct Socket {
    state: String,
    local: SocketAddr,
    remote: SocketAddr,
    inode: u64,
}

/// Returns the TCP sockets of a process group.
fn sockets(group: u32) -> Vec<Socket> {
    let processes = cpu::group(group.cast_signed());
    let Some(first) = processes.first() else { return Vec::new() };
    let inodes: BTreeSet<u64> = processes.iter().flat_map(|process| inodes_of(&process.pid.to_string())).collect();
    table(&first.pid.to_string()).into_iter().filter(|socket| inodes.contains(&socket.inode)).collect()
}

/// Returns the inodes of the sockets that a process has open.
fn inodes_of(pid: &str) -> BTreeSet<u64> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    let inode = |link: std::path::PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    links.filter_map(inode).collect()
}

/// Returns all TCP sockets of the network that a process sees.
///
/// # Source
/// proc(5): `/proc/pid/net/tcp`; addresses are in host byte order, by 32-bit words.
fn table(pid: &str) -> Vec<Socket> {
    let texts = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default());
    texts.iter().flat_map(|text| text.lines().skip(1)).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    Some(Socket {
        state: (*fields.get(3)?).to_owned(),
        local: parse_address(fields.get(1)?)?,
        remote: parse_address(fields.get(2)?)?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

fn parse_address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Option<Vec<u32>> = (0..host.len() / 8)
        .map(|i| u32::from_str_radix(host.get(i * 8..i * 8 + 8)?, 16).ok().map(u32::to_be))
        .collect();
    match *words?.as_slice() {
        [word] => Some(SocketAddr::from((Ipv4Addr::from(word), port))),
        [a, b, c, d] => {
            let bits = [a, b, c, d].iter().fold(0_u128, |bits, word| bits << 32 | u128::from(*word));
            Some(SocketAddr::from((Ipv6Addr::from(bits), port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn our_own_connections_are_found() {
        let own = rustix::process::getpgrp().as_raw_nonzero().get().cast_unsigned();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        assert!(peers(own).contains(&address));
        // The connection that the server accepted was opened by another.
        let (_accepted, from) = server.accept().unwrap();
        assert!(!peers(own).contains(&from));
        assert!(listener(address).is_some());
        drop(client);
    }

    #[test]
    fn the_paths_of_unix_sockets_are_found() {
        let own = rustix::process::getpgrp().as_raw_nonzero().get().cast_unsigned();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".s.PGSQL.5432");
        let server = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let accepted = server.accept().unwrap();
        assert!(unix_peers(own).contains(path.to_str().unwrap()), "{:?}", unix_peers(own));
        drop((client, accepted));
        assert!(!unix_peers(own).contains(path.to_str().unwrap()));
    }

    #[test]
    fn our_own_listeners_are_found() {
        let own = rustix::process::getpgrp().as_raw_nonzero().get().cast_unsigned();
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = four.local_addr().unwrap();
        assert!(listening(own).contains(&address), "{address} is not in {:?}", listening(own));
        drop(four);
        if let Ok(six) = TcpListener::bind("[::1]:0") {
            let address = six.local_addr().unwrap();
            assert!(listening(own).contains(&address), "{address} is not in {:?}", listening(own));
        }
    }
}
