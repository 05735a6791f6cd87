//! The recorder's log: the file that a recorded process appends to while it runs.
//!
//! A file is a [`HEADER`] followed by frames. A frame is `u32` payload length, `u32` CRC-32 of the payload,
//! payload; a payload is a run of whole [`Record`]s, made by [`Frame::put`]. A reader stops at the first frame that is incomplete or fails its checksum. Everything before
//! that frame is intact, so a log stays readable after `kill -9`.

mod code;
mod encoding;
mod reader;

pub use code::{
    ConnectionWorkCode, DialectCode, FunctionKindCode, LimitCode, MakesCode, PayloadClassCode, ReceiverKindCode, Tag,
    UnknownCode, ViaCode,
};
pub use encoding::Frame;
pub use reader::{Damage, Reader};

use crate::crc32::crc32;

/// First bytes of a log file; the last byte is the format's version.
pub const HEADER: [u8; 16] = *b"splitcost-log\0\0\x06";

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
    /// The values in its fields that are more than data, the worst first: class, path and type.
    pub obstacles: Vec<(PayloadClassCode, String)>,
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
        /// Another function of its module has called it for the caller, which was given the result.
        is_made: bool,
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
        /// The recorder's own work in this process so far: all clocks of this log stand still meanwhile.
        left_out: u64,
    },
    /// A request ended.
    RequestEnd {
        /// The request.
        request: u64,
        /// Monotonic clock.
        wall: u64,
        /// The process's CPU clock.
        process_cpu: u64,
        /// The recorder's own work in this process so far.
        left_out: u64,
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
    /// The result of a call that ends next stands for work that is yet to be done.
    Makes {
        /// The call.
        call: u64,
        /// The work.
        makes: MakesCode,
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
    /// From here on, these calls of a request have made the writes that it has not committed.
    Uncommitted {
        /// The request.
        request: u64,
        /// Monotonic clock.
        wall: u64,
        /// The calls, in ascending order; none where nothing is uncommitted any more.
        calls: Vec<u64>,
    },
    /// A library has worked on a connection to a database.
    Connection {
        /// The call that it worked in.
        call: u64,
        /// The kind of work.
        kind: ConnectionWorkCode,
        /// Its start, by the monotonic clock.
        wall: u64,
        /// Its time.
        nanos: u64,
        /// Its CPU time.
        cpu: u64,
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
            Self::Makes { .. } => Tag::Makes,
            Self::Shape { .. } => Tag::Shape,
            Self::Payload { .. } => Tag::Payload,
            Self::Count { .. } => Tag::Count,
            Self::Trouble { .. } => Tag::Trouble,
            Self::StatementText { .. } => Tag::StatementText,
            Self::Site { .. } => Tag::Site,
            Self::Statement { .. } => Tag::Statement,
            Self::Rows { .. } => Tag::Rows,
            Self::Uncommitted { .. } => Tag::Uncommitted,
            Self::Connection { .. } => Tag::Connection,
            Self::Table { .. } => Tag::Table,
        }
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
                kind: FunctionKindCode::Coroutine,
                is_unnamed: true,
                is_made: true,
            },
            Record::RequestStart { request: 3, wall: 4, process_cpu: 5, left_out: 2 },
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
            Record::Makes { call: 6, makes: MakesCode::Call },
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
                    obstacles: vec![(PayloadClassCode::Resource, "arguments.self.session".into())],
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
                left_out: 3,
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
            Record::Uncommitted { request: 3, wall: 36, calls: vec![6, 7] },
            Record::Connection { call: 6, kind: ConnectionWorkCode::Commit, wall: 37, nanos: 900, cpu: 700 },
            Record::Table { name: "users".into(), module: "shop.users".into() },
        ]
    }

    /// A file with `per_frame` records in each frame.
    fn file(records: &[Record], per_frame: usize) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        for chunk in records.chunks(per_frame) {
            let mut payload = Frame::default();
            for record in chunk {
                payload.put(record);
            }
            out.extend_from_slice(&frame_header(payload.bytes()));
            out.extend_from_slice(payload.bytes());
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
        let mut frame = Frame::default();
        frame.put(&Record::Enter {
            call: 6,
            parent: 0,
            request: 3,
            function: 2,
            via: ViaCode::Task,
            thread: 9,
            wall: 1,
            cpu: 1,
        });
        let mut payload = frame.bytes().to_vec();
        assert_eq!(payload.get(5).copied(), Some(ViaCode::Task as u8));
        payload[5] = 9;
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
        check(MakesCode::ALL, |makes| makes as u8);
        check(PayloadClassCode::ALL, |class| class as u8);
        check(ReceiverKindCode::ALL, |kind| kind as u8);
        check(DialectCode::ALL, |dialect| dialect as u8);
        check(ConnectionWorkCode::ALL, |kind| kind as u8);
        check(LimitCode::ALL, |limit| limit as u8);
        check(Tag::ALL, |tag| tag as u8);
    }

    #[test]
    fn another_file_is_not_a_log() {
        assert!(Reader::new(b"PAR1").is_none());
        assert!(Reader::new(b"").is_none());
    }
}
