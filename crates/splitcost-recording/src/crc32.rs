//! CRC-32 as in zlib and Ethernet, eight bytes at a time.
//!
//! # Source
//! Paper: Kounavis and Berry, "Novel table lookup-based algorithms for high-performance CRC generation", 2008.

/// The reflected polynomial of IEEE 802.3.
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// `TABLES[k][b]` is the checksum of byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let shorter = tables[k - 1][byte];
            tables[k][byte] = (shorter >> 8) ^ tables[0][(shorter & 0xFF) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// The checksum of `bytes`.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let byte = |word: u32, k: u32| ((word >> (8 * k)) & 0xFF) as usize;
    let mut crc = !0_u32;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in chunks {
        let low = u32::from_le_bytes([a, b, c, d]) ^ crc;
        let high = u32::from_le_bytes([e, f, g, h]);
        crc = TABLES[7][byte(low, 0)]
            ^ TABLES[6][byte(low, 1)]
            ^ TABLES[5][byte(low, 2)]
            ^ TABLES[4][byte(low, 3)]
            ^ TABLES[3][byte(high, 0)]
            ^ TABLES[2][byte(high, 1)]
            ^ TABLES[1][byte(high, 2)]
            ^ TABLES[0][byte(high, 3)];
    }
    for &b in rest {
        crc = (crc >> 8) ^ TABLES[0][byte(crc ^ u32::from(b), 0)];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_checksums() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }
}
