//! The network device of the packet engine: a TUN device with a subnet of four addresses.
//!
//! The kernel removes the device when its file is closed, however the process ends.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, RawFd};

use crate::Error;

/// The largest packet.
///
/// Chosen: the size on most links.
pub(super) const MTU: u16 = 1_500;
/// The number of packets that the kernel queues until the engine reads them.
///
/// Chosen: some 24 MB, which is more than a few connections have in flight with full windows.
const QUEUE_PACKETS: u32 = 16_384;
/// The networks that subnets are chosen from.
///
/// Chosen: private networks, and the network for benchmarks (RFC 2544).
const NETWORKS: [[u8; 3]; 4] = [[10, 213, 117], [172, 29, 117], [192, 168, 213], [198, 18, 117]];
/// The number of subnets with four addresses in each network.
///
/// Spec: a network of 256 addresses has 64.
const SUBNETS: u8 = 64;

/// A network device.
pub(super) struct Device {
    #[cfg(target_os = "linux")]
    file: tun_rs::SyncDevice,
    #[cfg(not(target_os = "linux"))]
    never: std::convert::Infallible,
    pub(super) name: String,
    /// The address that the kernel owns.
    pub(super) near: Ipv4Addr,
    /// The address that clients connect to, and that connections come from at the server's end.
    pub(super) far: Ipv4Addr,
}

#[cfg(target_os = "linux")]
impl Device {
    /// Makes a device with a subnet that no route of this machine covers.
    pub(super) fn open() -> Result<Self, Error> {
        // Without this check, the library would make the device file where it may.
        if !std::fs::exists("/dev/net/tun").unwrap_or(false) {
            return Err(Error::Packets {
                problem: "/dev/net/tun does not exist".into(),
                hint:
                    "in a container, use `--device /dev/net/tun --cap-add NET_ADMIN`; or use the stream engine, without --packets"
                        .into(),
            });
        }
        let routes = routes()?;
        let first = std::process::id();
        for network in NETWORKS {
            for index in 0..SUBNETS {
                // Other processes begin at another subnet.
                let index = index.wrapping_add(first as u8) % SUBNETS;
                let base = u32::from(Ipv4Addr::from([network[0], network[1], network[2], index * 4]));
                if routes.iter().any(|(to, mask)| overlap((*to, *mask), (base, u32::MAX << 2))) {
                    continue;
                }
                // A device name is unique, so that two processes do not take the same subnet.
                let name = format!("splitcost{}-{index}", network[0]);
                match Self::make(name, base) {
                    Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {}
                    other => return other.map_err(|source| device_error(&source)),
                }
            }
        }
        Err(Error::Packets {
            problem: "all subnets for the network device are in use".into(),
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

    /// Reads one whole packet.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.file, buffer)?)
    }

    /// Writes a packet.
    pub(super) fn write(&self, packet: &[u8]) -> io::Result<()> {
        rustix::io::write(&self.file, packet)?;
        Ok(())
    }

    /// Returns the number of packets that were dropped because the kernel's queue was full.
    pub(super) fn dropped(&self) -> u64 {
        let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
        let own = text.lines().find_map(|line| line.trim_start().strip_prefix(&self.name)?.strip_prefix(':'));
        // The line has eight numbers for received packets, then eight for sent ones: bytes, packets, errors, drops, and so on.
        own.and_then(|numbers| numbers.split_whitespace().nth(11)?.parse().ok()).unwrap_or(0)
    }
}

#[cfg(target_os = "linux")]
impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// A stand-in for systems without the packet engine.
#[cfg(not(target_os = "linux"))]
impl Device {
    pub(super) fn open() -> Result<Self, Error> {
        Err(Error::Packets {
            problem: "the packet engine needs Linux".into(),
            hint: "use the stream engine, without --packets; or run splitcost in a container or a virtual machine"
                .into(),
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
fn device_error(source: &io::Error) -> Error {
    let hint = match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "run splitcost as root, or with the capability NET_ADMIN; or use the stream engine, without --packets"
        }
        _ => "",
    };
    Error::Packets { problem: format!("failed to make a network device: {source}"), hint: hint.into() }
}

/// Returns the address and mask of each route, without the default route.
#[cfg(target_os = "linux")]
fn routes() -> Result<Vec<(u32, u32)>, Error> {
    let path = "/proc/net/route";
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })?;
    let lines = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The file shows the numbers in network byte order.
        let read = |index: usize| Some(u32::from_be(u32::from_str_radix(fields.get(index)?, 16).ok()?));
        Some((read(1)?, read(7)?))
    });
    Ok(lines.filter(|(_, mask)| *mask != 0).collect())
}

/// Returns true if two networks, each an address and a mask, have an address in common.
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
