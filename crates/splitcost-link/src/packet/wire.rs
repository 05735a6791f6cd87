//! TCP packets over IPv4: the parser, and the encoder of a reset.

use std::net::Ipv4Addr;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const FIN: u8 = 0x01;
const ACK: u8 = 0x10;

const IP_BYTES: usize = 20;
const TCP_BYTES: usize = 20;
const TCP: u8 = 6;

/// The fields of a TCP packet that the engine uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) from_port: u16,
    pub(super) to_port: u16,
    sequence: u32,
    flags: u8,
    /// The number of bytes that TCP carries.
    payload_bytes: usize,
}

impl Segment {
    /// Parses a packet; `None` for other protocols, for fragments and for truncated packets.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let version_and_words = *packet.first()?;
        let ip_bytes = usize::from(version_and_words & 0x0f) * 4;
        if version_and_words >> 4 != 4 || ip_bytes < IP_BYTES || *packet.get(9)? != TCP {
            return None;
        }
        // The packet is a fragment, or its length does not match.
        if half(packet, 6)? & 0x3fff != 0 || usize::from(half(packet, 2)?) != packet.len() {
            return None;
        }
        let tcp = packet.get(ip_bytes..)?;
        let tcp_bytes = usize::from(*tcp.get(12)? >> 4) * 4;
        let payload_bytes = tcp.len().checked_sub(tcp_bytes.max(TCP_BYTES))?;
        Some(Self {
            from_port: half(tcp, 0)?,
            to_port: half(tcp, 2)?,
            sequence: u32::from(half(tcp, 4)?) << 16 | u32::from(half(tcp, 6)?),
            flags: *tcp.get(13)?,
            payload_bytes,
        })
    }

    /// Returns true if the packet belongs to the handshake, which has the flag SYN.
    pub(super) fn is_handshake(&self) -> bool {
        self.flags & SYN != 0
    }

    /// Returns the initial sequence number if the packet begins a connection.
    pub(super) fn begins(&self) -> Option<u32> {
        (self.flags & (SYN | ACK) == SYN).then_some(self.sequence)
    }

    /// Returns true if the packet ends one or both directions of the connection.
    pub(super) fn ends(&self) -> bool {
        self.flags & (FIN | RST) != 0
    }

    /// Encodes the reset that answers this packet, from `from` to `to`.
    pub(super) fn reset(&self, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
        let acknowledged = self.sequence.wrapping_add(self.payload_bytes as u32 + u32::from(self.is_handshake()));
        let mut packet = vec![0; IP_BYTES + TCP_BYTES];
        packet[0] = 0x45;
        put(&mut packet, 2, (IP_BYTES + TCP_BYTES) as u16);
        put(&mut packet, 6, 0x4000);
        packet[8] = 64;
        packet[9] = TCP;
        packet[12..16].copy_from_slice(&from.octets());
        packet[16..20].copy_from_slice(&to.octets());
        put(&mut packet, 20, self.to_port);
        put(&mut packet, 22, self.from_port);
        packet[28..32].copy_from_slice(&acknowledged.to_be_bytes());
        packet[32] = 0x50;
        packet[33] = RST | ACK;
        let ip_checksum = checksum(&packet[..IP_BYTES], 0);
        put(&mut packet, 10, ip_checksum);
        // The checksum also covers the addresses, the protocol and the length.
        let pseudo = u32::from(TCP) + TCP_BYTES as u32;
        let tcp_checksum = checksum(&packet[12..], pseudo);
        put(&mut packet, 36, tcp_checksum);
        packet
    }
}

/// Exchanges the source and destination addresses of a packet. The checksums stay valid, since their sums do not change.
pub(super) fn turn_around(packet: &mut [u8]) {
    let (before, to) = packet.split_at_mut(16);
    before[12..].swap_with_slice(&mut to[..4]);
}

/// Reads a 16-bit number.
fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Writes a 16-bit number.
fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Computes the internet checksum.
///
/// # Source
/// Spec: RFC 1071.
fn checksum(bytes: &[u8], start: u32) -> u16 {
    let halves = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum = start + halves.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SYN from 10.213.9.1:60766 to 10.213.9.2:8000.
    fn syn() -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 44, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 213, 9, 1, 10, 213, 9, 2, 0xed, 0x5e, 0x1f, 0x40,
            0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4,
        ];
        let sum = checksum(&packet[..20], 0);
        put(&mut packet, 10, sum);
        let sum = checksum(&packet[12..], 6 + 24);
        put(&mut packet, 36, sum);
        packet
    }

    /// Returns true if both checksums are valid: then the sums are zero.
    fn is_right(packet: &[u8]) -> bool {
        checksum(&packet[..20], 0) == 0 && checksum(&packet[12..], 6 + packet.len() as u32 - 20) == 0
    }

    #[test]
    fn a_packet_turned_around_keeps_its_checksums() {
        let mut packet = syn();
        assert!(is_right(&packet));
        turn_around(&mut packet);
        assert!(is_right(&packet));
        assert_eq!(packet[12..20], [10, 213, 9, 2, 10, 213, 9, 1]);
    }

    #[test]
    fn a_syn_is_read_and_answered_by_a_reset() {
        let segment = Segment::read(&syn()).unwrap();
        assert_eq!((segment.from_port, segment.to_port), (60_766, 8_000));
        assert_eq!((segment.begins(), segment.is_handshake(), segment.ends()), (Some(u32::MAX), true, false));
        let reset = segment.reset(Ipv4Addr::new(10, 213, 9, 2), Ipv4Addr::new(10, 213, 9, 1));
        assert!(is_right(&reset));
        let read = Segment::read(&reset).unwrap();
        assert_eq!((read.from_port, read.to_port, read.ends()), (8_000, 60_766, true));
        // The acknowledgement follows the sequence number of the SYN, and wraps.
        assert_eq!(reset[28..32], [0; 4]);
    }

    #[test]
    fn other_packets_are_not_parsed() {
        let packet = syn();
        for cut in 0..packet.len() {
            assert_eq!(Segment::read(&packet[..cut]), None, "{cut}");
        }
        for (at, byte) in [(0, 0x65), (0, 0x44), (9, 17), (6, 0x60), (7, 1), (3, 43), (32, 0xf0)] {
            let mut other = packet.clone();
            other[at] = byte;
            assert_eq!(Segment::read(&other), None, "{at}");
        }
    }
}
