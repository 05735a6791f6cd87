//! Records as bytes. Integers are little-endian; a string is a `u32` length and UTF-8 bytes.
//!
//! The records of a call are nearly all that a log holds. Their numbers are LEB128, and those that go on from record to
//! record (calls, requests, clocks) are written as their differences from the last ones in the frame: 17 bytes for a call
//! instead of 79, all of which are checksummed and copied by the app's process.

use super::{LoggedReceiver, PayloadClassCode, Record, Tag, UnknownCode};

/// The payload of a frame in the making.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    bytes: Vec<u8>,
    last: Last,
}

impl Frame {
    /// Appends a record; allocates nothing but room for its bytes.
    pub fn put(&mut self, record: &Record) {
        match Event::of(record, &mut self.last) {
            Some(event) => self.bytes.extend_from_slice(event.bytes()),
            None => record.encode(&mut self.bytes),
        }
        if let Record::Leave { exception, .. } = record {
            put_str(&mut self.bytes, exception);
        }
    }

    /// Returns the payload so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Begins anew, with the memory that it has.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.last = Last::default();
    }
}

/// The numbers of the last records of calls in a frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    call: u64,
    request: u64,
    wall: u64,
    cpu: u64,
}

/// Longest record of a call, but for the name of its exception: a tag, a code, two 32-bit and five 64-bit numbers.
const MAX_EVENT_BYTES: usize = 2 + 2 * 5 + 5 * 10;

/// A record of a call as bytes.
struct Event {
    bytes: [u8; MAX_EVENT_BYTES],
    len: usize,
}

impl Event {
    /// Returns the bytes of a record, without an exception's name; `None` for one that is no event of a call.
    fn of(record: &Record, last: &mut Last) -> Option<Self> {
        let mut event = Self { bytes: [0; MAX_EVENT_BYTES], len: 0 };
        event.byte(record.tag() as u8);
        match record {
            Record::Enter { call, parent, request, function, via, thread, wall, cpu } => {
                event.step(*call, &mut last.call);
                event.number(call.wrapping_sub(*parent));
                event.step(*request, &mut last.request);
                event.number(u64::from(*function));
                event.byte(*via as u8);
                event.number(u64::from(*thread));
                event.step(*wall, &mut last.wall);
                event.step(*cpu, &mut last.cpu);
            }
            Record::Suspend { call, wall, cpu } | Record::Leave { call, wall, cpu, .. } => {
                event.step(*call, &mut last.call);
                event.step(*wall, &mut last.wall);
                event.step(*cpu, &mut last.cpu);
            }
            Record::Resume { call, thread, wall, cpu } => {
                event.step(*call, &mut last.call);
                event.number(u64::from(*thread));
                event.step(*wall, &mut last.wall);
                event.step(*cpu, &mut last.cpu);
            }
            _ => return None,
        }
        Some(event)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Writes the difference from the last number, the small ones of either sign in few bytes.
    fn step(&mut self, number: u64, last: &mut u64) {
        let difference = number.wrapping_sub(*last).cast_signed();
        *last = number;
        self.number(((difference << 1) ^ (difference >> 63)).cast_unsigned());
    }
}

impl Record {
    fn encode(&self, out: &mut Vec<u8>) {
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
            Self::Function { id, module, qualname, file, line, kind, is_unnamed, is_made } => {
                put_u32(out, *id);
                put_u32(out, *module);
                put_str(out, qualname);
                put_str(out, file);
                put_u32(out, *line);
                out.push(*kind as u8);
                out.push(u8::from(*is_unnamed));
                out.push(u8::from(*is_made));
            }
            Self::Server { name } => put_str(out, name),
            Self::Limit { limit, count } => {
                out.push(*limit as u8);
                put_u32(out, *count);
            }
            Self::RequestStart { request, wall, process_cpu, left_out } => {
                put_u64(out, *request);
                put_u64(out, *wall);
                put_u64(out, *process_cpu);
                put_u64(out, *left_out);
            }
            Self::RequestEnd { request, wall, process_cpu, left_out, status, handler, endpoint } => {
                put_u64(out, *request);
                put_u64(out, *wall);
                put_u64(out, *process_cpu);
                put_u64(out, *left_out);
                out.extend_from_slice(&status.to_le_bytes());
                // An id that is one higher; 0 for none.
                put_u32(out, handler.map_or(0, |id| id + 1));
                put_str(out, endpoint);
            }
            Self::Makes { call, makes } => {
                put_u64(out, *call);
                out.push(*makes as u8);
            }
            Self::Shape { id, skeleton } => {
                put_u32(out, *id);
                put_str(out, skeleton);
            }
            Self::Payload { .. } => self.encode_payload(out),
            Self::Enter { .. } | Self::Suspend { .. } | Self::Resume { .. } | Self::Leave { .. } => {}
            Self::Count { function, calls } => {
                put_u32(out, *function);
                put_u64(out, *calls);
            }
            Self::Trouble { message } => {
                put_str(out, message);
            }
            Self::StatementText { .. }
            | Self::Site { .. }
            | Self::Statement { .. }
            | Self::Rows { .. }
            | Self::Uncommitted { .. }
            | Self::Connection { .. }
            | Self::Table { .. } => self.encode_database(out),
        }
    }

    fn encode_database(&self, out: &mut Vec<u8>) {
        match self {
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
            Self::Uncommitted { request, wall, calls } => {
                put_u64(out, *request);
                put_u64(out, *wall);
                put_u32(out, calls.len() as u32);
                for call in calls {
                    put_u64(out, *call);
                }
            }
            Self::Connection { call, kind, wall, nanos, cpu } => {
                put_u64(out, *call);
                out.push(*kind as u8);
                put_u64(out, *wall);
                put_u64(out, *nanos);
                put_u64(out, *cpu);
            }
            Self::Table { name, module } => {
                put_str(out, name);
                put_str(out, module);
            }
            _ => {}
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
        put_obstacles(out, obstacles);
        out.push(u8::from(receiver.is_some()));
        if let Some(receiver) = receiver {
            receiver.encode(out);
        }
        put_str(out, file);
        put_u32(out, *line);
    }

    /// Takes one record off the front of a payload; `last` is what the one before it left.
    pub(super) fn decode(input: &mut &[u8], last: &mut Last) -> Result<Self, Undecodable> {
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
                is_made: get_u8(input)? != 0,
            },
            Tag::Server => Self::Server { name: get_str(input)? },
            Tag::Limit => Self::Limit { limit: get_u8(input)?.try_into()?, count: get_u32(input)? },
            Tag::RequestStart => Self::RequestStart {
                request: get_u64(input)?,
                wall: get_u64(input)?,
                process_cpu: get_u64(input)?,
                left_out: get_u64(input)?,
            },
            Tag::RequestEnd => Self::RequestEnd {
                request: get_u64(input)?,
                wall: get_u64(input)?,
                process_cpu: get_u64(input)?,
                left_out: get_u64(input)?,
                status: u16::from_le_bytes(get_bytes(input)?),
                handler: get_u32(input)?.checked_sub(1),
                endpoint: get_str(input)?,
            },
            Tag::Enter => {
                let call = get_step(input, &mut last.call)?;
                Self::Enter {
                    call,
                    parent: call.wrapping_sub(get_number(input)?),
                    request: get_step(input, &mut last.request)?,
                    function: get_u32_number(input)?,
                    via: get_u8(input)?.try_into()?,
                    thread: get_u32_number(input)?,
                    wall: get_step(input, &mut last.wall)?,
                    cpu: get_step(input, &mut last.cpu)?,
                }
            }
            Tag::Suspend => Self::Suspend {
                call: get_step(input, &mut last.call)?,
                wall: get_step(input, &mut last.wall)?,
                cpu: get_step(input, &mut last.cpu)?,
            },
            Tag::Resume => Self::Resume {
                call: get_step(input, &mut last.call)?,
                thread: get_u32_number(input)?,
                wall: get_step(input, &mut last.wall)?,
                cpu: get_step(input, &mut last.cpu)?,
            },
            Tag::Leave => Self::Leave {
                call: get_step(input, &mut last.call)?,
                wall: get_step(input, &mut last.wall)?,
                cpu: get_step(input, &mut last.cpu)?,
                exception: get_str(input)?,
            },
            Tag::Makes => Self::Makes { call: get_u64(input)?, makes: get_u8(input)?.try_into()? },
            Tag::Shape => Self::Shape { id: get_u32(input)?, skeleton: get_str(input)? },
            Tag::Payload => Self::decode_payload(input)?,
            Tag::Count => Self::Count { function: get_u32(input)?, calls: get_u64(input)? },
            Tag::Trouble => Self::Trouble { message: get_str(input)? },
            Tag::StatementText => {
                Self::StatementText { id: get_u32(input)?, dialect: get_u8(input)?.try_into()?, sql: get_str(input)? }
            }
            Tag::Site => Self::Site { id: get_u32(input)?, file: get_str(input)?, line: get_u32(input)? },
            Tag::Statement => Self::decode_statement(input)?,
            Tag::Rows => Self::Rows {
                statement: get_u64(input)?,
                rows: get_u64(input)?,
                bytes: get_u64(input)?,
                nanos: get_u64(input)?,
            },
            Tag::Uncommitted => Self::Uncommitted {
                request: get_u64(input)?,
                wall: get_u64(input)?,
                calls: (0..get_u32(input)?).map(|_| get_u64(input)).collect::<Result<_, _>>()?,
            },
            Tag::Connection => Self::Connection {
                call: get_u64(input)?,
                kind: get_u8(input)?.try_into()?,
                wall: get_u64(input)?,
                nanos: get_u64(input)?,
                cpu: get_u64(input)?,
            },
            Tag::Table => Self::Table { name: get_str(input)?, module: get_str(input)? },
        })
    }

    fn decode_statement(input: &mut &[u8]) -> Result<Self, Undecodable> {
        Ok(Self::Statement {
            statement: get_u64(input)?,
            call: get_u64(input)?,
            text: get_u32(input)?,
            site: get_u32(input)?,
            transaction: get_u64(input)?,
            wall: get_u64(input)?,
            nanos: get_u64(input)?,
            rows: get_u64(input)?,
            parameter_bytes: get_u64(input)?,
        })
    }

    fn decode_payload(input: &mut &[u8]) -> Result<Self, Undecodable> {
        Ok(Self::Payload {
            call: get_u64(input)?,
            result: get_u8(input)? != 0,
            shape: get_u32(input)?,
            encoded_bytes: get_u64(input)?,
            nodes: get_u64(input)?,
            class: get_u8(input)?.try_into()?,
            path: get_str(input)?,
            obstacles: get_obstacles(input)?,
            receiver: if get_u8(input)? == 0 { None } else { Some(LoggedReceiver::decode(input)?) },
            file: get_str(input)?,
            line: get_u32(input)?,
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
        put_obstacles(out, &self.obstacles);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, Undecodable> {
        Ok(Self {
            kind: get_u8(input)?.try_into()?,
            type_name: get_str(input)?,
            place: get_str(input)?,
            encoded_bytes: get_u64(input)?,
            nodes: get_u64(input)?,
            reason: get_str(input)?,
            obstacles: get_obstacles(input)?,
        })
    }
}

fn put_obstacles(out: &mut Vec<u8>, obstacles: &[(PayloadClassCode, String)]) {
    put_u32(out, obstacles.len() as u32);
    for (class, path) in obstacles {
        out.push(*class as u8);
        put_str(out, path);
    }
}

fn get_obstacles(input: &mut &[u8]) -> Result<Vec<(PayloadClassCode, String)>, Undecodable> {
    (0..get_u32(input)?).map(|_| Ok((get_u8(input)?.try_into()?, get_str(input)?))).collect()
}

/// The reason why bytes are not a record.
pub(super) enum Undecodable {
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

pub(super) fn get_u32(input: &mut &[u8]) -> Result<u32, Undecodable> {
    get_bytes(input).map(u32::from_le_bytes)
}

fn get_u64(input: &mut &[u8]) -> Result<u64, Undecodable> {
    get_bytes(input).map(u64::from_le_bytes)
}

fn get_number(input: &mut &[u8]) -> Result<u64, Undecodable> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = get_u8(input)?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Undecodable::NoRecord)
}

fn get_u32_number(input: &mut &[u8]) -> Result<u32, Undecodable> {
    u32::try_from(get_number(input)?).map_err(|_| Undecodable::NoRecord)
}

fn get_step(input: &mut &[u8], last: &mut u64) -> Result<u64, Undecodable> {
    let number = get_number(input)?;
    let difference = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
    *last = last.wrapping_add(difference.cast_unsigned());
    Ok(*last)
}

fn get_str(input: &mut &[u8]) -> Result<String, Undecodable> {
    let len = get_u32(input)? as usize;
    let (head, tail) = input.split_at_checked(len).ok_or(Undecodable::NoRecord)?;
    *input = tail;
    std::str::from_utf8(head).map(str::to_owned).map_err(|_| Undecodable::NoRecord)
}
