//! The recorder's log: what the process under recording appends while it runs.
//!
//! A file is a [`HEADER`] followed by frames. A frame is `u32` payload length, `u32` CRC-32 of the payload,
//! payload; a payload is a run of whole [`Record`]s. Integers are little-endian; a string is a `u32` length
//! and UTF-8 bytes. A reader stops at the first frame that is incomplete or fails its checksum: everything
//! before it is good, which is what `kill -9` leaves.

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
