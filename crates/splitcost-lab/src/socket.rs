//! Listening sockets of processes, read from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::cpu;

/// Returns the TCP addresses on which a process group listens.
///
/// # Source
/// proc(5): `/proc/pid/net/tcp`, state `0A` is `TCP_LISTEN`; addresses are in host byte order, by 32-bit words.
pub(crate) fn listening(group: u32) -> Vec<SocketAddr> {
    let processes = cpu::group(group.cast_signed());
    let mut inodes = BTreeSet::new();
    for process in &processes {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", process.pid)) else { continue };
        for link in entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()) {
            let inode = link.to_str().and_then(|l| l.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok());
            inodes.extend(inode);
        }
    }
    let Some(first) = processes.first() else { return Vec::new() };
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{}/net/{table}", first.pid)).unwrap_or_default();
        let listeners = text.lines().skip(1).filter_map(parse_line);
        found.extend(listeners.filter(|(_, inode)| inodes.contains(inode)).map(|(address, _)| address));
    }
    found.into_iter().collect()
}

/// Parses the line of a listening socket to its address and inode.
fn parse_line(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != "0A" {
        return None;
    }
    let (host, port) = fields.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Option<Vec<u32>> = (0..host.len() / 8)
        .map(|i| u32::from_str_radix(host.get(i * 8..i * 8 + 8)?, 16).ok().map(u32::to_be))
        .collect();
    let address = match *words?.as_slice() {
        [word] => SocketAddr::from((Ipv4Addr::from(word), port)),
        [a, b, c, d] => {
            let bits = [a, b, c, d].iter().fold(0_u128, |bits, word| bits << 32 | u128::from(*word));
            SocketAddr::from((Ipv6Addr::from(bits), port))
        }
        _ => return None,
    };
    Some((address, fields.get(9)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

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
