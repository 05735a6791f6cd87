//! The recorder's log: the file that a recorded process appends to while it runs.
//!
//! A file is a [`HEADER`] followed by frames. A frame is `u32` payload length, `u32` CRC-32 of the payload,
//! payload; a payload is a run of whole [`Record`]s. Integers are little-endian; a string is a `u32` length
//! and UTF-8 bytes. A reader stops at the first frame that is incomplete or fails its checksum. Everything before
//! that frame is intact, so a log stays readable after `kill -9`.

mod code;
mod reader;

pub use code::{
    DialectCode, FunctionKindCode, LimitCode, PayloadClassCode, ReceiverKindCode, Tag, UnknownCode, ViaCode,
};
pub use reader::{Damage, Reader};

use crate::crc32::crc32;

/// First bytes of a log file; the last byte is the format's version.
pub const HEADER: [u8; 16] = *b"splitcost-log\0\0\x02";

/// The name of module 0, which stands for framework and server code; no Python module can have it.
pub const FRAMEWORK: &str = "(framework)";

/// The object or class that a method was called on, in [`Record::Payload`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedReceiver {
    /// Its kind.
    pub kind: ReceiverKindCode,
    /// Its type, or the class itself.
    pub type_name: String,
    /// Its name where it lives at module level; empty elsewhere.
    pub place: String,
    /// Size of its fields when encoded, of a value.
    pub encoded_bytes: u64,
    /// Values in it, of a value.
    pub nodes: u64,
    /// The reason why it is of this kind, in words.
    pub reason: String,
}

/// One event, definition or count.
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
        /// Its kind.
        kind: FunctionKindCode,
        /// No other module of the app names it.
        is_unnamed: bool,
    },
    /// A server, or another program that takes requests, took its first one in this process.
    Server {
        /// Its name, as `uvicorn`.
        name: String,
    },
    /// The number of processes or threads that run requests at the same time is known; the last one counts.
    Limit {
        /// The thing that is limited.
        limit: LimitCode,
        /// Their number; [`Record::UNLIMITED`] where each request gets one of its own.
        count: u32,
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
        /// The request.
        request: u64,
        /// Monotonic clock.
        wall: u64,
        /// The process's CPU clock.
        process_cpu: u64,
        /// HTTP status; 0 for tests and commands.
        status: u16,
        /// The function that the framework chose for the request, where one did.
        handler: Option<u32>,
        /// `GET /orders/{order_id}`, or a test's id; empty for a call that turned out to be no request, because it only
        /// runs what takes requests.
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
        /// The called function.
        function: u32,
        /// The way in which it was begun.
        via: ViaCode,
        /// Small number of the running thread.
        thread: u32,
        /// Monotonic clock.
        wall: u64,
        /// Thread CPU clock.
        cpu: u64,
    },
    /// A call was suspended at `await` or `yield`.
    Suspend {
        /// The call.
        call: u64,
        /// Monotonic clock.
        wall: u64,
        /// Thread CPU clock.
        cpu: u64,
    },
    /// A suspended call runs again.
    Resume {
        /// The call.
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
        /// The call.
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
    /// The payload of a sampled call.
    Payload {
        /// The call.
        call: u64,
        /// False for arguments, true for the result.
        result: bool,
        /// Its shape.
        shape: u32,
        /// Encoded size.
        encoded_bytes: u64,
        /// Values in it.
        nodes: u64,
        /// Its class.
        class: PayloadClassCode,
        /// Place and type of the value that decided the class, as `arguments.session (sqlmodel.Session)`.
        path: String,
        /// Class, and place with type, of each value that needs more than encoding.
        obstacles: Vec<(PayloadClassCode, String)>,
        /// The object or class that a method was called on.
        receiver: Option<LoggedReceiver>,
        /// File of the call site.
        file: String,
        /// Line of the call site.
        line: u32,
    },
    /// Calls of a function across a boundary so far, sampled or not: the last one counts.
    Count {
        /// The function.
        function: u32,
        /// Their number.
        calls: u64,
    },
    /// The recorder met trouble, in words.
    Trouble {
        /// The trouble.
        message: String,
    },
    /// The id of a statement's text is used from here on.
    StatementText {
        /// Its id.
        id: u32,
        /// Its dialect.
        dialect: DialectCode,
        /// The text without literals.
        sql: String,
    },
    /// The id of a place in the app's source is used from here on; 0 stands for no place.
    Site {
        /// Its id.
        id: u32,
        /// The file.
        file: String,
        /// The line.
        line: u32,
    },
    /// A statement was executed.
    Statement {
        /// Unique in this process.
        statement: u64,
        /// The call that issued it.
        call: u64,
        /// Its text.
        text: u32,
        /// Its call site.
        site: u32,
        /// The transaction it is in, unique in this process; 0 where it is in none that outlives it.
        transaction: u64,
        /// Start, by the monotonic clock.
        wall: u64,
        /// Time until it was executed.
        nanos: u64,
        /// Rows changed or found, as far as that is known before they are fetched.
        rows: u64,
        /// Approximate size of its parameters.
        parameter_bytes: u64,
    },
    /// Rows of a statement were fetched.
    Rows {
        /// The statement.
        statement: u64,
        /// Their number, beside the rows known before.
        rows: u64,
        /// Their approximate size.
        bytes: u64,
        /// Time of fetching them.
        nanos: u64,
    },
    /// A table is mapped by a class.
    Table {
        /// Name of the table.
        name: String,
        /// Boundary module of the class.
        module: String,
    },
}

/// Length of a frame's header.
pub const FRAME_HEADER_LEN: usize = 8;

/// Longest payload a frame may have.
///
/// Chosen: a length beyond it is garbage, not a frame; the recorder flushes at 1 MiB.
pub const MAX_PAYLOAD_LEN: usize = 64 << 20;

/// Returns the bytes that stand before `payload` in the file.
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
    /// The count of [`Record::Limit`] that stands for no limit.
    pub const UNLIMITED: u32 = u32::MAX;

    /// Appends the record to a frame's payload; allocates nothing but `out`.
    #[expect(clippy::too_many_lines, reason = "an arm per record")]
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.tag() as u8);
        match self {
            Self::Process { pid, python_version, mode } => {
                put_u32(out, *pid);
                put_str(out, python_version);
                put_str(out, mode);
            }
            Self::Module { id, name } => {
                put_u32(out, *id);
                put_str(out, name);
            }
            Self::Function { id, module, qualname, file, line, kind, is_unnamed } => {
                put_u32(out, *id);
                put_u32(out, *module);
                put_str(out, qualname);
                put_str(out, file);
                put_u32(out, *line);
                out.push(*kind as u8);
                out.push(u8::from(*is_unnamed));
            }
            Self::Server { name } => put_str(out, name),
            Self::Limit { limit, count } => {
                out.push(*limit as u8);
                put_u32(out, *count);
            }
            Self::RequestStart { request, wall, process_cpu } => {
                put_u64(out, *request);
                put_u64(out, *wall);
                put_u64(out, *process_cpu);
            }
            Self::RequestEnd { request, wall, process_cpu, status, handler, endpoint } => {
                put_u64(out, *request);
                put_u64(out, *wall);
                put_u64(out, *process_cpu);
                out.extend_from_slice(&status.to_le_bytes());
                // An id that is one higher; 0 for none.
                put_u32(out, handler.map_or(0, |id| id + 1));
                put_str(out, endpoint);
            }
            Self::Enter { call, parent, request, function, via, thread, wall, cpu } => {
                put_u64(out, *call);
                put_u64(out, *parent);
                put_u64(out, *request);
                put_u32(out, *function);
                out.push(*via as u8);
                put_u32(out, *thread);
                put_u64(out, *wall);
                put_u64(out, *cpu);
            }
            Self::Suspend { call, wall, cpu } => {
                put_u64(out, *call);
                put_u64(out, *wall);
                put_u64(out, *cpu);
            }
            Self::Resume { call, thread, wall, cpu } => {
                put_u64(out, *call);
                put_u32(out, *thread);
                put_u64(out, *wall);
                put_u64(out, *cpu);
            }
            Self::Leave { call, wall, cpu, exception } => {
                put_u64(out, *call);
                put_u64(out, *wall);
                put_u64(out, *cpu);
                put_str(out, exception);
            }
            Self::Shape { id, skeleton } => {
                put_u32(out, *id);
                put_str(out, skeleton);
            }
            Self::Payload { .. } => self.encode_payload(out),
            Self::Count { function, calls } => {
                put_u32(out, *function);
                put_u64(out, *calls);
            }
            Self::Trouble { message } => {
                put_str(out, message);
            }
            Self::StatementText { id, dialect, sql } => {
                put_u32(out, *id);
                out.push(*dialect as u8);
                put_str(out, sql);
            }
            Self::Site { id, file, line } => {
                put_u32(out, *id);
                put_str(out, file);
                put_u32(out, *line);
            }
            Self::Statement { statement, call, text, site, transaction, wall, nanos, rows, parameter_bytes } => {
                put_u64(out, *statement);
                put_u64(out, *call);
                put_u32(out, *text);
                put_u32(out, *site);
                put_u64(out, *transaction);
                put_u64(out, *wall);
                put_u64(out, *nanos);
                put_u64(out, *rows);
                put_u64(out, *parameter_bytes);
            }
            Self::Rows { statement, rows, bytes, nanos } => {
                put_u64(out, *statement);
                put_u64(out, *rows);
                put_u64(out, *bytes);
                put_u64(out, *nanos);
            }
            Self::Table { name, module } => {
                put_str(out, name);
                put_str(out, module);
            }
        }
    }

    fn encode_payload(&self, out: &mut Vec<u8>) {
        let Self::Payload { call, result, shape, encoded_bytes, nodes, class, path, obstacles, receiver, file, line } =
            self
        else {
            return;
        };
        put_u64(out, *call);
        out.push(u8::from(*result));
        put_u32(out, *shape);
        put_u64(out, *encoded_bytes);
        put_u64(out, *nodes);
        out.push(*class as u8);
        put_str(out, path);
        put_u32(out, obstacles.len() as u32);
        for (class, path) in obstacles {
            out.push(*class as u8);
            put_str(out, path);
        }
        out.push(u8::from(receiver.is_some()));
        if let Some(receiver) = receiver {
            receiver.encode(out);
        }
        put_str(out, file);
        put_u32(out, *line);
    }

    /// Returns the record's tag, whose name is also the record's kind in `read_log`.
    pub fn tag(&self) -> Tag {
        match self {
            Self::Process { .. } => Tag::Process,
            Self::Module { .. } => Tag::Module,
            Self::Function { .. } => Tag::Function,
            Self::Server { .. } => Tag::Server,
            Self::Limit { .. } => Tag::Limit,
            Self::RequestStart { .. } => Tag::RequestStart,
            Self::RequestEnd { .. } => Tag::RequestEnd,
            Self::Enter { .. } => Tag::Enter,
            Self::Suspend { .. } => Tag::Suspend,
            Self::Resume { .. } => Tag::Resume,
            Self::Leave { .. } => Tag::Leave,
            Self::Shape { .. } => Tag::Shape,
            Self::Payload { .. } => Tag::Payload,
            Self::Count { .. } => Tag::Count,
            Self::Trouble { .. } => Tag::Trouble,
            Self::StatementText { .. } => Tag::StatementText,
            Self::Site { .. } => Tag::Site,
            Self::Statement { .. } => Tag::Statement,
            Self::Rows { .. } => Tag::Rows,
            Self::Table { .. } => Tag::Table,
        }
    }

    /// Takes one record off the front of a payload.
    fn decode(input: &mut &[u8]) -> Result<Self, Undecodable> {
        Ok(match get_u8(input).and_then(|tag| Tag::try_from(tag).map_err(|_| Undecodable::NoRecord))? {
            Tag::Process => {
                Self::Process { pid: get_u32(input)?, python_version: get_str(input)?, mode: get_str(input)? }
            }
            Tag::Module => Self::Module { id: get_u32(input)?, name: get_str(input)? },
            Tag::Function => Self::Function {
                id: get_u32(input)?,
                module: get_u32(input)?,
                qualname: get_str(input)?,
                file: get_str(input)?,
                line: get_u32(input)?,
                kind: get_u8(input)?.try_into()?,
                is_unnamed: get_u8(input)? != 0,
            },
            Tag::Server => Self::Server { name: get_str(input)? },
            Tag::Limit => Self::Limit { limit: get_u8(input)?.try_into()?, count: get_u32(input)? },
            Tag::RequestStart => {
                Self::RequestStart { request: get_u64(input)?, wall: get_u64(input)?, process_cpu: get_u64(input)? }
            }
            Tag::RequestEnd => Self::RequestEnd {
                request: get_u64(input)?,
                wall: get_u64(input)?,
                process_cpu: get_u64(input)?,
                status: u16::from_le_bytes(get_bytes(input)?),
                handler: get_u32(input)?.checked_sub(1),
                endpoint: get_str(input)?,
            },
            Tag::Enter => Self::Enter {
                call: get_u64(input)?,
                parent: get_u64(input)?,
                request: get_u64(input)?,
                function: get_u32(input)?,
                via: get_u8(input)?.try_into()?,
                thread: get_u32(input)?,
                wall: get_u64(input)?,
                cpu: get_u64(input)?,
            },
            Tag::Suspend => Self::Suspend { call: get_u64(input)?, wall: get_u64(input)?, cpu: get_u64(input)? },
            Tag::Resume => Self::Resume {
                call: get_u64(input)?,
                thread: get_u32(input)?,
                wall: get_u64(input)?,
                cpu: get_u64(input)?,
            },
            Tag::Leave => Self::Leave {
                call: get_u64(input)?,
                wall: get_u64(input)?,
                cpu: get_u64(input)?,
                exception: get_str(input)?,
            },
            Tag::Shape => Self::Shape { id: get_u32(input)?, skeleton: get_str(input)? },
            Tag::Payload => Self::Payload {
                call: get_u64(input)?,
                result: get_u8(input)? != 0,
                shape: get_u32(input)?,
                encoded_bytes: get_u64(input)?,
                nodes: get_u64(input)?,
                class: get_u8(input)?.try_into()?,
                path: get_str(input)?,
                obstacles: (0..get_u32(input)?)
                    .map(|_| Ok((get_u8(input)?.try_into()?, get_str(input)?)))
                    .collect::<Result<_, Undecodable>>()?,
                receiver: if get_u8(input)? == 0 { None } else { Some(LoggedReceiver::decode(input)?) },
                file: get_str(input)?,
                line: get_u32(input)?,
            },
            Tag::Count => Self::Count { function: get_u32(input)?, calls: get_u64(input)? },
            Tag::Trouble => Self::Trouble { message: get_str(input)? },
            Tag::StatementText => {
                Self::StatementText { id: get_u32(input)?, dialect: get_u8(input)?.try_into()?, sql: get_str(input)? }
            }
            Tag::Site => Self::Site { id: get_u32(input)?, file: get_str(input)?, line: get_u32(input)? },
            Tag::Statement => Self::Statement {
                statement: get_u64(input)?,
                call: get_u64(input)?,
                text: get_u32(input)?,
                site: get_u32(input)?,
                transaction: get_u64(input)?,
                wall: get_u64(input)?,
                nanos: get_u64(input)?,
                rows: get_u64(input)?,
                parameter_bytes: get_u64(input)?,
            },
            Tag::Rows => Self::Rows {
                statement: get_u64(input)?,
                rows: get_u64(input)?,
                bytes: get_u64(input)?,
                nanos: get_u64(input)?,
            },
            Tag::Table => Self::Table { name: get_str(input)?, module: get_str(input)? },
        })
    }
}

impl LoggedReceiver {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind as u8);
        put_str(out, &self.type_name);
        put_str(out, &self.place);
        put_u64(out, self.encoded_bytes);
        put_u64(out, self.nodes);
        put_str(out, &self.reason);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, Undecodable> {
        Ok(Self {
            kind: get_u8(input)?.try_into()?,
            type_name: get_str(input)?,
            place: get_str(input)?,
            encoded_bytes: get_u64(input)?,
            nodes: get_u64(input)?,
            reason: get_str(input)?,
        })
    }
}

/// The reason why bytes are not a record.
enum Undecodable {
    /// They are cut short, or begin like no record.
    NoRecord,
    /// They are a record with a code that this version does not know.
    Unknown(UnknownCode),
}

impl From<UnknownCode> for Undecodable {
    fn from(code: UnknownCode) -> Self {
        Self::Unknown(code)
    }
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

fn get_bytes<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], Undecodable> {
    let (head, tail) = input.split_first_chunk::<N>().ok_or(Undecodable::NoRecord)?;
    *input = tail;
    Ok(*head)
}

fn get_u8(input: &mut &[u8]) -> Result<u8, Undecodable> {
    get_bytes::<1>(input).map(|[b]| b)
}

fn get_u32(input: &mut &[u8]) -> Result<u32, Undecodable> {
    get_bytes(input).map(u32::from_le_bytes)
}

fn get_u64(input: &mut &[u8]) -> Result<u64, Undecodable> {
    get_bytes(input).map(u64::from_le_bytes)
}

fn get_str(input: &mut &[u8]) -> Result<String, Undecodable> {
    let len = get_u32(input)? as usize;
    let (head, tail) = input.split_at_checked(len).ok_or(Undecodable::NoRecord)?;
    *input = tail;
    std::str::from_utf8(head).map(str::to_owned).map_err(|_| Undecodable::NoRecord)
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
                kind: FunctionKindCode::Coroutine,
                is_unnamed: true,
            },
            Record::RequestStart { request: 3, wall: 4, process_cpu: 5 },
            Record::Enter {
                call: 6,
                parent: 0,
                request: 3,
                function: 2,
                via: ViaCode::Task,
                thread: 9,
                wall: u64::MAX,
                cpu: 11,
            },
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
                class: PayloadClassCode::Mutated,
                path: "arguments.lines (list)".into(),
                obstacles: vec![(PayloadClassCode::Mutated, "arguments.lines (list)".into())],
                receiver: Some(LoggedReceiver {
                    kind: ReceiverKindCode::Service,
                    type_name: "shop.users.Users".into(),
                    place: "shop.users:users".into(),
                    encoded_bytes: 0,
                    nodes: 0,
                    reason: "it lives at module level".into(),
                }),
                file: "shop/ü.py".into(),
                line: 20,
            },
            Record::Count { function: 2, calls: 21 },
            Record::Server { name: "uvicorn".into() },
            Record::Limit { limit: LimitCode::PoolThreads, count: 40 },
            Record::RequestEnd {
                request: 3,
                wall: 22,
                process_cpu: 23,
                status: 404,
                handler: Some(2),
                endpoint: "GET /".into(),
            },
            Record::Trouble { message: String::new() },
            Record::StatementText { id: 24, dialect: DialectCode::Mysql, sql: "SELECT ?".into() },
            Record::Site { id: 25, file: "shop/users.py".into(), line: 26 },
            Record::Statement {
                statement: 27,
                call: 6,
                text: 24,
                site: 25,
                transaction: 28,
                wall: 29,
                nanos: 30,
                rows: 31,
                parameter_bytes: 32,
            },
            Record::Rows { statement: 27, rows: 33, bytes: 34, nanos: 35 },
            Record::Table { name: "users".into(), module: "shop.users".into() },
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
    fn a_code_of_a_later_version_is_named() {
        let mut payload = Vec::new();
        Record::Enter { call: 6, parent: 0, request: 3, function: 2, via: ViaCode::Task, thread: 9, wall: 1, cpu: 1 }
            .encode(&mut payload);
        let via = payload.get(1 + 24 + 4).copied();
        assert_eq!(via, Some(ViaCode::Task as u8));
        payload[1 + 24 + 4] = 9;
        let bytes = [&HEADER, frame_header(&payload).as_slice(), &payload].concat();
        let mut reader = Reader::new(&bytes).unwrap();
        assert_eq!(reader.by_ref().count(), 0);
        let unknown = reader.damage().and_then(|damage| damage.unknown_code);
        assert_eq!(unknown, Some(UnknownCode { field: "via", code: 9 }));
    }

    #[test]
    fn codes_are_read_as_they_are_written() {
        fn check<T: Copy + PartialEq + std::fmt::Debug + TryFrom<u8, Error = UnknownCode>>(
            all: &[T],
            code: fn(T) -> u8,
        ) {
            for &one in all {
                assert_eq!(T::try_from(code(one)), Ok(one));
            }
            assert!(T::try_from(200).is_err());
        }
        check(FunctionKindCode::ALL, |kind| kind as u8);
        check(ViaCode::ALL, |via| via as u8);
        check(PayloadClassCode::ALL, |class| class as u8);
        check(ReceiverKindCode::ALL, |kind| kind as u8);
        check(DialectCode::ALL, |dialect| dialect as u8);
        check(LimitCode::ALL, |limit| limit as u8);
        check(Tag::ALL, |tag| tag as u8);
    }

    #[test]
    fn another_file_is_not_a_log() {
        assert!(Reader::new(b"PAR1").is_none());
        assert!(Reader::new(b"").is_none());
    }
}
