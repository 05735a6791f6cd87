//! The device that packets go through: a TUN device with a subnet of four addresses, of which one is ours.
//!
//! It goes away with the file that stands for it, however the process ends.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, RawFd};

use crate::Error;

/// The largest packet, as on most links.
pub(super) const MTU: u16 = 1_500;
/// Chosen: packets that the kernel keeps until they are read; more than all windows of TCP that can open at once need.
const QUEUE_PACKETS: u32 = 16_384;
/// Chosen: where subnets are looked for: private networks, and that of benchmarks (RFC 2544).
const NETWORKS: [[u8; 3]; 4] = [[10, 213, 117], [172, 29, 117], [192, 168, 213], [198, 18, 117]];
/// Subnets of four addresses in each.
const SUBNETS: u8 = 64;

/// A device of our own.
pub(super) struct Device {
    #[cfg(target_os = "linux")]
    file: tun_rs::SyncDevice,
    #[cfg(not(target_os = "linux"))]
    never: std::convert::Infallible,
    pub(super) name: String,
    /// The address of both ends, as the kernel sees them.
    pub(super) near: Ipv4Addr,
    /// Where clients connect to, and where they come from as the server's end sees them.
    pub(super) far: Ipv4Addr,
}

#[cfg(target_os = "linux")]
impl Device {
    /// Makes one with a subnet that no route of this machine leads to.
    pub(super) fn open() -> Result<Self, Error> {
        // Otherwise a device file would be made, where we are permitted to.
        if !std::fs::exists("/dev/net/tun").unwrap_or(false) {
            return Err(Error::Packets {
                problem: "there is no /dev/net/tun".into(),
                hint:
                    "in a container: `--device /dev/net/tun --cap-add NET_ADMIN`; or forward streams, without --packets"
                        .into(),
            });
        }
        let routes = routes()?;
        let first = std::process::id();
        for network in NETWORKS {
            for index in 0..SUBNETS {
                // Another process begins elsewhere.
                let index = index.wrapping_add(first as u8) % SUBNETS;
                let base = u32::from(Ipv4Addr::from([network[0], network[1], network[2], index * 4]));
                if routes.iter().any(|(to, mask)| overlap((*to, *mask), (base, u32::MAX << 2))) {
                    continue;
                }
                // Of devices with the same name there is one: two processes do not take the same subnet.
                let name = format!("splitcost{}-{index}", network[0]);
                match Self::make(name, base) {
                    Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {}
                    other => return other.map_err(|source| refused(&source)),
                }
            }
        }
        Err(Error::Packets {
            problem: "every subnet that could be taken is in use".into(),
            hint: "end other links with --packets, or a VPN whose routes cover all private networks".into(),
        })
    }

    fn make(name: String, base: u32) -> io::Result<Self> {
        let (near, far) = (Ipv4Addr::from(base + 1), Ipv4Addr::from(base + 2));
        let device = tun_rs::DeviceBuilder::new()
            .name(&name)
            .mtu(MTU)
            .tx_queue_len(QUEUE_PACKETS)
            .ipv4(near, 30, None)
            .enable(true)
            .build_sync()?;
        device.set_nonblocking(true)?;
        Ok(Self { file: device, name, near, far })
    }

    /// Reads a packet; nothing else comes than whole ones.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.file, buffer)?)
    }

    /// Writes a packet.
    pub(super) fn write(&self, packet: &[u8]) -> io::Result<()> {
        rustix::io::write(&self.file, packet)?;
        Ok(())
    }

    /// Packets that came while the kernel's queue was full.
    pub(super) fn dropped(&self) -> u64 {
        let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
        let own = text.lines().find_map(|line| line.trim_start().strip_prefix(&self.name)?.strip_prefix(':'));
        // Eight numbers of what was received, and of what was sent: bytes, packets, errors, drops.
        own.and_then(|numbers| numbers.split_whitespace().nth(11)?.parse().ok()).unwrap_or(0)
    }
}

#[cfg(target_os = "linux")]
impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// Elsewhere there is none.
#[cfg(not(target_os = "linux"))]
impl Device {
    pub(super) fn open() -> Result<Self, Error> {
        Err(Error::Packets {
            problem: "this needs Linux".into(),
            hint: "forward streams, without --packets; or run it in a container or a virtual machine".into(),
        })
    }

    pub(super) fn read(&self, _buffer: &mut [u8]) -> io::Result<usize> {
        match self.never {}
    }

    pub(super) fn write(&self, _packet: &[u8]) -> io::Result<()> {
        match self.never {}
    }

    pub(super) fn dropped(&self) -> u64 {
        match self.never {}
    }
}

#[cfg(not(target_os = "linux"))]
impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        match self.never {}
    }
}

#[cfg(target_os = "linux")]
fn refused(source: &io::Error) -> Error {
    let hint = match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "run it as root, or with the capability NET_ADMIN; or forward streams, without --packets"
        }
        _ => "",
    };
    Error::Packets { problem: format!("a network device cannot be made: {source}"), hint: hint.into() }
}

/// Where routes lead to, but for that to everywhere: address and mask.
#[cfg(target_os = "linux")]
fn routes() -> Result<Vec<(u32, u32)>, Error> {
    let path = "/proc/net/route";
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })?;
    let lines = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // As they lie in memory.
        let read = |index: usize| Some(u32::from_be(u32::from_str_radix(fields.get(index)?, 16).ok()?));
        Some((read(1)?, read(7)?))
    });
    Ok(lines.filter(|(_, mask)| *mask != 0).collect())
}

/// Whether two networks have an address in common.
#[cfg(target_os = "linux")]
fn overlap(one: (u32, u32), other: (u32, u32)) -> bool {
    let mask = one.1 & other.1;
    one.0 & mask == other.0 & mask
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn networks_overlap_when_one_holds_the_other() {
        let network = |a: [u8; 4], bits: u32| (u32::from(Ipv4Addr::from(a)), u32::MAX << (32 - bits));
        assert!(overlap(network([10, 0, 0, 0], 8), network([10, 213, 117, 4], 30)));
        assert!(overlap(network([10, 213, 117, 5], 32), network([10, 213, 117, 4], 30)));
        assert!(!overlap(network([10, 213, 117, 0], 30), network([10, 213, 117, 4], 30)));
        assert!(!overlap(network([172, 16, 0, 0], 12), network([10, 213, 117, 4], 30)));
    }
}
