//! Reading the records of a log, up to the first frame that is damaged.

use super::encoding::{Last, Undecodable, get_u32};
use super::{FRAME_HEADER_LEN, HEADER, MAX_PAYLOAD_LEN, Record, UnknownCode};
use crate::crc32::crc32;

/// The place and the reason of reading having stopped before the end of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Offset of the first byte that could not be used.
    pub offset: usize,
    /// The reason, in words.
    pub reason: &'static str,
    /// The code that ended the reading, where one did: the log is intact, but of a later version.
    pub unknown_code: Option<UnknownCode>,
}

impl Damage {
    fn at(offset: usize, reason: &'static str) -> Self {
        Self { offset, reason, unknown_code: None }
    }
}

/// The records of a log file's bytes, up to the first frame that is incomplete or damaged.
///
/// After the iterator ended, [`Reader::damage`] says whether that was the end of the file.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// Start of the frame being read.
    frame: usize,
    /// The rest of that frame's payload.
    payload: &'a [u8],
    last: Last,
    damage: Option<Damage>,
}

impl<'a> Reader<'a> {
    /// Starts reading; `None` when the bytes do not begin with [`HEADER`]: another file, or another version.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (frame, last) = (HEADER.len(), Last::default());
        bytes.starts_with(&HEADER).then_some(Self { bytes, frame, payload: &[], last, damage: None })
    }

    /// Returns the damage that ended the reading early, if any did.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Returns the next good frame's payload.
    fn next_payload(&self) -> Result<&'a [u8], &'static str> {
        let mut rest = &self.bytes[self.frame..];
        let (Ok(len), Ok(sum)) = (get_u32(&mut rest), get_u32(&mut rest)) else {
            return Err("the file ends inside a frame's header");
        };
        if len as usize > MAX_PAYLOAD_LEN || len == 0 {
            return Err("a frame's length is impossible");
        }
        let payload = rest.get(..len as usize).ok_or("the file ends inside a frame")?;
        if crc32(payload) == sum { Ok(payload) } else { Err("a frame fails its checksum") }
    }
}

impl Iterator for Reader<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.damage.is_some() {
            return None;
        }
        if self.payload.is_empty() {
            if self.frame == self.bytes.len() {
                return None;
            }
            match self.next_payload() {
                Ok(payload) => (self.payload, self.last) = (payload, Last::default()),
                Err(reason) => {
                    self.damage = Some(Damage::at(self.frame, reason));
                    return None;
                }
            }
            self.frame += FRAME_HEADER_LEN + self.payload.len();
        }
        let left = self.payload.len();
        let offset = self.frame - left;
        match Record::decode(&mut self.payload, &mut self.last) {
            Ok(record) => return Some(record),
            Err(Undecodable::NoRecord) => {
                self.damage = Some(Damage::at(offset, "a frame holds something that is no record"));
            }
            Err(Undecodable::Unknown(code)) => {
                let reason = "a record holds a code that this version does not know";
                self.damage = Some(Damage { offset, reason, unknown_code: Some(code) });
            }
        }
        None
    }
}
