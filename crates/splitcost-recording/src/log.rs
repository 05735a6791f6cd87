//! The recorder's log: what the process under recording appends while it runs.
//!
//! A file is a [`HEADER`] followed by frames. A frame is `u32` payload length, `u32` CRC-32 of the payload,
//! payload; a payload is a run of whole [`Record`]s. Integers are little-endian; a string is a `u32` length
//! and UTF-8 bytes. A reader stops at the first frame that is incomplete or fails its checksum: everything
//! before it is good, which is what `kill -9` leaves.

use crate::crc32::crc32;

/// First bytes of a log file; the last byte is the format's version.
pub const HEADER: [u8; 16] = *b"splitcost-log\0\0\x01";

/// One thing that happened.
///
/// Instants are nanoseconds of the machine's monotonic clock (`CLOCK_MONOTONIC`); CPU is the running thread's
/// CPU clock (`CLOCK_THREAD_CPUTIME_ID`), of which only differences on one thread mean anything.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The process that writes: once, first.
    Process {
        /// Operating system's process id.
        pid: u32,
        /// `3.13.0`.
        python_version: String,
        /// `monitoring` or `profile`.
        mode: String,
    },
    /// A module id is used from here on.
    Module {
        /// Its id; 0 is the framework.
        id: u32,
        /// Dotted name.
        name: String,
    },
    /// A function id is used from here on.
    Function {
        /// Its id.
        id: u32,
        /// Its module's id.
        module: u32,
        /// Qualified name inside the module.
        qualname: String,
        /// Source file.
        file: String,
        /// First line.
        line: u32,
        /// 0 plain, 1 coroutine, 2 generator, 3 async generator.
        kind: u8,
    },
    /// A request (or test) began; its root call is entered next.
    RequestStart {
        /// Unique in this process.
        request: u64,
        /// Monotonic clock.
        wall: u64,
        /// The process's CPU clock.
        process_cpu: u64,
    },
    /// A request ended.
    RequestEnd {
        /// Which.
        request: u64,
        /// Monotonic clock.
        wall: u64,
        /// The process's CPU clock.
        process_cpu: u64,
        /// HTTP status, 0 where there is none.
        status: u16,
        /// `GET /orders/{order_id}`, or a test's id.
        endpoint: String,
    },
    /// A call crossed into another module and began.
    Enter {
        /// Unique in this process, ascending.
        call: u64,
        /// The calling call, 0 for a root.
        parent: u64,
        /// The request, 0 outside every request.
        request: u64,
        /// What was called.
        function: u32,
        /// 0 inline, 1 task, 2 thread.
        via: u8,
        /// Small number of the running thread.
        thread: u32,
        /// Monotonic clock.
        wall: u64,
        /// Thread CPU clock.
        cpu: u64,
    },
    /// A call was suspended at `await` or `yield`.
    Suspend {
        /// Which.
        call: u64,
        /// Monotonic clock.
        wall: u64,
        /// Thread CPU clock.
        cpu: u64,
    },
    /// A suspended call runs again.
    Resume {
        /// Which.
        call: u64,
        /// Small number of the running thread.
        thread: u32,
        /// Monotonic clock.
        wall: u64,
        /// Thread CPU clock.
        cpu: u64,
    },
    /// A call ended.
    Leave {
        /// Which.
        call: u64,
        /// Monotonic clock.
        wall: u64,
        /// Thread CPU clock.
        cpu: u64,
        /// Type of the exception it ended with, empty for a return.
        exception: String,
    },
    /// A shape id is used from here on.
    Shape {
        /// Its id.
        id: u32,
        /// Type skeleton as JSON.
        skeleton: String,
    },
    /// What a sampled call carried.
    Payload {
        /// Which call.
        call: u64,
        /// False for arguments, true for the result.
        result: bool,
        /// Its shape.
        shape: u32,
        /// Encoded size.
        encoded_bytes: u64,
        /// Values in it.
        nodes: u64,
        /// Index of the class: plain, adapter, mutated, callback, generator, live.
        class: u8,
        /// Where the value that decided the class is, with its type, as `arguments.session (sqlmodel.Session)`.
        path: String,
        /// File of the call site.
        file: String,
        /// Line of the call site.
        line: u32,
    },
    /// Calls of a function across a boundary so far, sampled or not: the last one counts.
    Count {
        /// Which function.
        function: u32,
        /// How many.
        calls: u64,
    },
    /// The recorder met trouble, in words.
    Trouble {
        /// What.
        message: String,
    },
}

/// Length of what precedes a frame's payload.
pub const FRAME_HEADER_LEN: usize = 8;

/// Longest payload a frame may have.
///
/// Chosen: a length beyond it is garbage, not a frame; the recorder flushes at 1 MiB.
pub const MAX_PAYLOAD_LEN: usize = 64 << 20;

/// What stands before `payload` in the file.
///
/// # Panics
/// When the payload is longer than [`MAX_PAYLOAD_LEN`].
pub fn frame_header(payload: &[u8]) -> [u8; FRAME_HEADER_LEN] {
    assert!(payload.len() <= MAX_PAYLOAD_LEN, "a frame of {} bytes", payload.len());
    let mut header = [0; FRAME_HEADER_LEN];
    header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[4..].copy_from_slice(&crc32(payload).to_le_bytes());
    header
}

impl Record {
    /// Appends the record to a frame's payload; allocates nothing but `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Process { pid, python_version, mode } => {
                out.push(tag::PROCESS);
                put_u32(out, *pid);
                put_str(out, python_version);
                put_str(out, mode);
            }
            Self::Module { id, name } => {
                out.push(tag::MODULE);
                put_u32(out, *id);
                put_str(out, name);
            }
            Self::Function { id, module, qualname, file, line, kind } => {
                out.push(tag::FUNCTION);
                put_u32(out, *id);
                put_u32(out, *module);
                put_str(out, qualname);
                put_str(out, file);
                put_u32(out, *line);
                out.push(*kind);
            }
            Self::RequestStart { request, wall, process_cpu } => {
                out.push(tag::REQUEST_START);
                put_u64(out, *request);
                put_u64(out, *wall);
                put_u64(out, *process_cpu);
            }
            Self::RequestEnd { request, wall, process_cpu, status, endpoint } => {
                out.push(tag::REQUEST_END);
                put_u64(out, *request);
                put_u64(out, *wall);
                put_u64(out, *process_cpu);
                out.extend_from_slice(&status.to_le_bytes());
                put_str(out, endpoint);
            }
            Self::Enter { call, parent, request, function, via, thread, wall, cpu } => {
                out.push(tag::ENTER);
                put_u64(out, *call);
                put_u64(out, *parent);
                put_u64(out, *request);
                put_u32(out, *function);
                out.push(*via);
                put_u32(out, *thread);
                put_u64(out, *wall);
                put_u64(out, *cpu);
            }
            Self::Suspend { call, wall, cpu } => {
                out.push(tag::SUSPEND);
                put_u64(out, *call);
                put_u64(out, *wall);
                put_u64(out, *cpu);
            }
            Self::Resume { call, thread, wall, cpu } => {
                out.push(tag::RESUME);
                put_u64(out, *call);
                put_u32(out, *thread);
                put_u64(out, *wall);
                put_u64(out, *cpu);
            }
            Self::Leave { call, wall, cpu, exception } => {
                out.push(tag::LEAVE);
                put_u64(out, *call);
                put_u64(out, *wall);
                put_u64(out, *cpu);
                put_str(out, exception);
            }
            Self::Shape { id, skeleton } => {
                out.push(tag::SHAPE);
                put_u32(out, *id);
                put_str(out, skeleton);
            }
            Self::Payload { call, result, shape, encoded_bytes, nodes, class, path, file, line } => {
                out.push(tag::PAYLOAD);
                put_u64(out, *call);
                out.push(u8::from(*result));
                put_u32(out, *shape);
                put_u64(out, *encoded_bytes);
                put_u64(out, *nodes);
                out.push(*class);
                put_str(out, path);
                put_str(out, file);
                put_u32(out, *line);
            }
            Self::Count { function, calls } => {
                out.push(tag::COUNT);
                put_u32(out, *function);
                put_u64(out, *calls);
            }
            Self::Trouble { message } => {
                out.push(tag::TROUBLE);
                put_str(out, message);
            }
        }
    }

    /// Takes one record off the front of a payload; `None` when it is not a whole record.
    fn decode(input: &mut &[u8]) -> Option<Self> {
        Some(match get_u8(input)? {
            tag::PROCESS => {
                Self::Process { pid: get_u32(input)?, python_version: get_str(input)?, mode: get_str(input)? }
            }
            tag::MODULE => Self::Module { id: get_u32(input)?, name: get_str(input)? },
            tag::FUNCTION => Self::Function {
                id: get_u32(input)?,
                module: get_u32(input)?,
                qualname: get_str(input)?,
                file: get_str(input)?,
                line: get_u32(input)?,
                kind: get_u8(input)?,
            },
            tag::REQUEST_START => {
                Self::RequestStart { request: get_u64(input)?, wall: get_u64(input)?, process_cpu: get_u64(input)? }
            }
            tag::REQUEST_END => Self::RequestEnd {
                request: get_u64(input)?,
                wall: get_u64(input)?,
                process_cpu: get_u64(input)?,
                status: u16::from_le_bytes(get_bytes(input)?),
                endpoint: get_str(input)?,
            },
            tag::ENTER => Self::Enter {
                call: get_u64(input)?,
                parent: get_u64(input)?,
                request: get_u64(input)?,
                function: get_u32(input)?,
                via: get_u8(input)?,
                thread: get_u32(input)?,
                wall: get_u64(input)?,
                cpu: get_u64(input)?,
            },
            tag::SUSPEND => Self::Suspend { call: get_u64(input)?, wall: get_u64(input)?, cpu: get_u64(input)? },
            tag::RESUME => Self::Resume {
                call: get_u64(input)?,
                thread: get_u32(input)?,
                wall: get_u64(input)?,
                cpu: get_u64(input)?,
            },
            tag::LEAVE => Self::Leave {
                call: get_u64(input)?,
                wall: get_u64(input)?,
                cpu: get_u64(input)?,
                exception: get_str(input)?,
            },
            tag::SHAPE => Self::Shape { id: get_u32(input)?, skeleton: get_str(input)? },
            tag::PAYLOAD => Self::Payload {
                call: get_u64(input)?,
                result: get_u8(input)? != 0,
                shape: get_u32(input)?,
                encoded_bytes: get_u64(input)?,
                nodes: get_u64(input)?,
                class: get_u8(input)?,
                path: get_str(input)?,
                file: get_str(input)?,
                line: get_u32(input)?,
            },
            tag::COUNT => Self::Count { function: get_u32(input)?, calls: get_u64(input)? },
            tag::TROUBLE => Self::Trouble { message: get_str(input)? },
            _ => return None,
        })
    }
}

/// First byte of each record.
mod tag {
    pub(super) const PROCESS: u8 = 1;
    pub(super) const MODULE: u8 = 2;
    pub(super) const FUNCTION: u8 = 3;
    pub(super) const REQUEST_START: u8 = 4;
    pub(super) const REQUEST_END: u8 = 5;
    pub(super) const ENTER: u8 = 6;
    pub(super) const SUSPEND: u8 = 7;
    pub(super) const RESUME: u8 = 8;
    pub(super) const LEAVE: u8 = 9;
    pub(super) const SHAPE: u8 = 10;
    pub(super) const PAYLOAD: u8 = 11;
    pub(super) const COUNT: u8 = 12;
    pub(super) const TROUBLE: u8 = 13;
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_str(out: &mut Vec<u8>, value: &str) {
    put_u32(out, value.len() as u32);
    out.extend_from_slice(value.as_bytes());
}

fn get_bytes<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = input.split_first_chunk::<N>()?;
    *input = tail;
    Some(*head)
}

fn get_u8(input: &mut &[u8]) -> Option<u8> {
    get_bytes::<1>(input).map(|[b]| b)
}

fn get_u32(input: &mut &[u8]) -> Option<u32> {
    get_bytes(input).map(u32::from_le_bytes)
}

fn get_u64(input: &mut &[u8]) -> Option<u64> {
    get_bytes(input).map(u64::from_le_bytes)
}

fn get_str(input: &mut &[u8]) -> Option<String> {
    let len = get_u32(input)? as usize;
    let (head, tail) = input.split_at_checked(len)?;
    *input = tail;
    std::str::from_utf8(head).ok().map(str::to_owned)
}

/// Where and why reading stopped before the end of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Offset of the first byte that could not be used.
    pub offset: usize,
    /// Why, in words.
    pub reason: &'static str,
}

/// The records of a log file's bytes, up to the first frame that is incomplete or damaged.
///
/// After the iterator ended, [`Reader::damage`] says whether that was the end of the file.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// Start of the frame being read.
    frame: usize,
    /// What is left of that frame's payload.
    payload: &'a [u8],
    damage: Option<Damage>,
}

impl<'a> Reader<'a> {
    /// Starts reading; `None` when the bytes do not begin with [`HEADER`]: another file, or another version.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.starts_with(&HEADER).then_some(Self { bytes, frame: HEADER.len(), payload: &[], damage: None })
    }

    /// What ended the reading early, if anything did.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// The next good frame's payload.
    fn next_payload(&self) -> Result<&'a [u8], &'static str> {
        let mut rest = &self.bytes[self.frame..];
        let (Some(len), Some(sum)) = (get_u32(&mut rest), get_u32(&mut rest)) else {
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
                Ok(payload) => self.payload = payload,
                Err(reason) => {
                    self.damage = Some(Damage { offset: self.frame, reason });
                    return None;
                }
            }
            self.frame += FRAME_HEADER_LEN + self.payload.len();
        }
        let left = self.payload.len();
        let record = Record::decode(&mut self.payload);
        if record.is_none() {
            self.damage =
                Some(Damage { offset: self.frame - left, reason: "a frame holds something that is no record" });
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_record() -> Vec<Record> {
        vec![
            Record::Process { pid: 7, python_version: "3.13.0".into(), mode: "monitoring".into() },
            Record::Module { id: 1, name: "shop.users".into() },
            Record::Function {
                id: 2,
                module: 1,
                qualname: "Users.find".into(),
                file: "shop/users.py".into(),
                line: 12,
                kind: 1,
            },
            Record::RequestStart { request: 3, wall: 4, process_cpu: 5 },
            Record::Enter { call: 6, parent: 0, request: 3, function: 2, via: 1, thread: 9, wall: u64::MAX, cpu: 11 },
            Record::Suspend { call: 6, wall: 12, cpu: 13 },
            Record::Resume { call: 6, thread: 8, wall: 14, cpu: 15 },
            Record::Leave { call: 6, wall: 16, cpu: 17, exception: "ValueError".into() },
            Record::Shape { id: 1, skeleton: "\"int\"".into() },
            Record::Payload {
                call: 6,
                result: true,
                shape: 1,
                encoded_bytes: 18,
                nodes: 19,
                class: 2,
                path: "arguments.lines (list)".into(),
                file: "shop/ü.py".into(),
                line: 20,
            },
            Record::Count { function: 2, calls: 21 },
            Record::RequestEnd { request: 3, wall: 22, process_cpu: 23, status: 404, endpoint: "GET /".into() },
            Record::Trouble { message: String::new() },
        ]
    }

    /// A file with `per_frame` records in each frame.
    fn file(records: &[Record], per_frame: usize) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        for chunk in records.chunks(per_frame) {
            let mut payload = Vec::new();
            for record in chunk {
                record.encode(&mut payload);
            }
            out.extend_from_slice(&frame_header(&payload));
            out.extend_from_slice(&payload);
        }
        out
    }

    #[test]
    fn what_was_written_is_read() {
        let records = every_record();
        for per_frame in [1, 3, 100] {
            let bytes = file(&records, per_frame);
            let mut reader = Reader::new(&bytes).unwrap();
            assert_eq!(reader.by_ref().collect::<Vec<_>>(), records);
            assert_eq!(reader.damage(), None);
        }
    }

    #[test]
    fn a_cut_file_yields_its_whole_frames_and_says_where_it_ends() {
        let records = every_record();
        let bytes = file(&records, 1);
        for len in HEADER.len()..bytes.len() {
            let mut reader = Reader::new(&bytes[..len]).unwrap();
            let read: Vec<_> = reader.by_ref().collect();
            assert_eq!(read, records[..read.len()]);
            let whole = file(&read, 1).len();
            assert_eq!(reader.damage().map(|d| d.offset), (whole != len).then_some(whole));
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_reading() {
        let records = every_record();
        let good = file(&records, 1);
        for at in HEADER.len()..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 4;
            let mut reader = Reader::new(&bytes).unwrap();
            let read: Vec<_> = reader.by_ref().collect();
            assert_eq!(read, records[..read.len()]);
            assert!(reader.damage().is_some_and(|d| d.offset <= at), "byte {at}");
        }
    }

    #[test]
    fn another_file_is_not_a_log() {
        assert!(Reader::new(b"PAR1").is_none());
        assert!(Reader::new(b"").is_none());
    }
}
