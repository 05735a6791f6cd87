//! The parser of HTTP/1.1 answers: pure, bounded, fed with whatever pieces the socket gives.
//!
//! # Source
//! Spec: RFC 9112 (message framing in section 6), RFC 9110.

use std::mem;

/// A head, or all trailers of a chunked body, longer than this is malformed. Chosen: four times nginx's limit.
pub const MAX_HEAD_BYTES: usize = 32_768;
/// How much of a body is kept, to show what a failing answer said.
pub const SAMPLE_BYTES: usize = 200;
/// Chosen: more header lines than this are malformed.
const MAX_HEADERS: usize = 128;
/// Chosen: a chunk's line holds a size and at most a short extension.
const MAX_CHUNK_LINE: usize = 1_024;

/// A complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its final status.
    pub status: u16,
    /// Whether the connection takes another request.
    pub keep_alive: bool,
}

/// The bytes are not an HTTP/1.1 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads one answer at a time.
#[derive(Debug)]
pub struct ResponseParser {
    is_head: bool,
    state: State,
    /// The beginning of a head or of a chunk's line whose end has not come yet.
    partial: Vec<u8>,
    sample: Vec<u8>,
    response: Response,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Head,
    /// So many bytes of body are left.
    Length(u64),
    /// The body lasts until the server closes.
    UntilClose,
    ChunkSize,
    /// So many bytes of the chunk are left.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Trailer lines; so many bytes of them have come.
    Trailers(usize),
    Done,
}

impl ResponseParser {
    /// For the answer to one request.
    pub fn new(is_head: bool) -> Self {
        Self {
            is_head,
            state: State::Head,
            partial: Vec::new(),
            sample: Vec::new(),
            response: Response { status: 0, keep_alive: false },
        }
    }

    /// For the answer to the next request on the connection.
    pub fn reset(&mut self, is_head: bool) {
        self.is_head = is_head;
        self.state = State::Head;
        self.partial.clear();
        self.sample.clear();
    }

    /// Whether nothing of the answer has come yet.
    pub fn is_untouched(&self) -> bool {
        self.state == State::Head && self.partial.is_empty()
    }

    /// The beginning of the body.
    pub fn sample(&self) -> &[u8] {
        &self.sample
    }

    /// Take bytes; the response when it is complete. Bytes beyond its end make the connection unfit for another.
    pub fn feed(&mut self, mut input: &[u8]) -> Result<Option<Response>, Malformed> {
        while !input.is_empty() && self.state != State::Done {
            input = match self.state {
                State::Head => self.head(input)?,
                State::Length(left) => {
                    let (rest, left) = self.body(input, left);
                    self.state = if left == 0 { State::Done } else { State::Length(left) };
                    rest
                }
                State::UntilClose => self.body(input, u64::MAX).0,
                State::ChunkSize => self.chunk_size(input)?,
                State::Chunk(left) => {
                    let (rest, left) = self.body(input, left);
                    self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                    rest
                }
                State::ChunkEnd => self.chunk_end(input)?,
                State::Trailers(seen) => self.trailer(input, seen)?,
                State::Done => input,
            };
        }
        if self.state != State::Done {
            return Ok(None);
        }
        self.response.keep_alive &= input.is_empty();
        Ok(Some(self.response))
    }

    /// The server closed: the response, if that was its end.
    pub fn end(&mut self) -> Result<Option<Response>, Malformed> {
        if self.state == State::UntilClose {
            self.state = State::Done;
            return Ok(Some(self.response));
        }
        if self.state == State::Head {
            let partial = mem::take(&mut self.partial);
            self.parse_head(&partial)?;
        }
        Ok(None)
    }

    fn head<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], Malformed> {
        if self.partial.is_empty() {
            return match self.parse_head(input)? {
                Some(length) => Ok(&input[length..]),
                None if input.len() >= MAX_HEAD_BYTES => Err(Malformed),
                None => {
                    self.partial.extend_from_slice(input);
                    Ok(&[])
                }
            };
        }
        let mut partial = mem::take(&mut self.partial);
        let before = partial.len();
        let taken = input.len().min(MAX_HEAD_BYTES - before);
        partial.extend_from_slice(&input[..taken]);
        // Parsed again with each new line only: a server that sends single bytes shall not cost quadratic time.
        let length = if partial[before..].contains(&b'\n') { self.parse_head(&partial)? } else { None };
        match length {
            Some(length) => {
                partial.clear();
                self.partial = partial;
                // A head that had ended in what was there before would have been parsed then.
                Ok(&input[length - before..])
            }
            None if partial.len() >= MAX_HEAD_BYTES => Err(Malformed),
            None => {
                self.partial = partial;
                Ok(&[])
            }
        }
    }

    /// Parse a head at the start of `bytes` and go to its body; its length if it is complete.
    fn parse_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(&bytes[..bytes.len().min(MAX_HEAD_BYTES)]) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed),
        };
        let status = head.code.ok_or(Malformed)?;
        match status {
            100..=199 if status != 101 => return Ok(Some(length)),
            200..=599 => {}
            _ => return Err(Malformed),
        }

        let mut keep_alive = head.version == Some(1);
        let mut content_length = None;
        let mut is_chunked = None;
        for header in head.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                let value = parse_length(header.value)?;
                if content_length.is_some_and(|other| other != value) {
                    return Err(Malformed);
                }
                content_length = Some(value);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                // Chunked only frames the body when it is the last coding.
                let last = tokens(header.value).last().unwrap_or_default();
                is_chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
            } else if header.name.eq_ignore_ascii_case("connection") {
                for token in tokens(header.value) {
                    if token.eq_ignore_ascii_case(b"close") {
                        keep_alive = false;
                    } else if token.eq_ignore_ascii_case(b"keep-alive") && head.version == Some(0) {
                        keep_alive = true;
                    }
                }
            }
        }

        self.state = if self.is_head || status == 204 || status == 304 {
            State::Done
        } else {
            match (is_chunked, content_length) {
                (Some(true), _) => State::ChunkSize,
                (None, Some(0)) => State::Done,
                (None, Some(length)) => State::Length(length),
                (Some(false), _) | (None, None) => State::UntilClose,
            }
        };
        self.response = Response { status, keep_alive: keep_alive && self.state != State::UntilClose };
        Ok(Some(length))
    }

    /// Take at most `left` bytes of body; what follows them, and how many are left.
    fn body<'a>(&mut self, input: &'a [u8], left: u64) -> (&'a [u8], u64) {
        let (taken, rest) = input.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(input.len()));
        let room = SAMPLE_BYTES - self.sample.len();
        self.sample.extend_from_slice(&taken[..room.min(taken.len())]);
        (rest, left - taken.len() as u64)
    }

    /// Take bytes up to a line end into `partial`; what follows, if it came.
    fn line<'a>(&mut self, input: &'a [u8], max: usize) -> Result<Option<&'a [u8]>, Malformed> {
        let end = input.iter().position(|b| *b == b'\n');
        let piece = end.map_or(input, |end| &input[..end]);
        if self.partial.len() + piece.len() > max {
            return Err(Malformed);
        }
        self.partial.extend_from_slice(piece);
        Ok(end.map(|end| &input[end + 1..]))
    }

    fn chunk_size<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let Some(rest) = self.line(input, MAX_CHUNK_LINE)? else { return Ok(&[]) };
        let digits = self.partial.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Malformed);
        }
        let size = digits.iter().fold(0, |size, digit| size * 16 + u64::from(hex_value(*digit)));
        self.partial.clear();
        self.state = if size == 0 { State::Trailers(0) } else { State::Chunk(size) };
        Ok(rest)
    }

    fn chunk_end<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let Some(rest) = self.line(input, 1)? else { return Ok(&[]) };
        if !matches!(self.partial.as_slice(), b"" | b"\r") {
            return Err(Malformed);
        }
        self.partial.clear();
        self.state = State::ChunkSize;
        Ok(rest)
    }

    fn trailer<'a>(&mut self, input: &'a [u8], seen: usize) -> Result<&'a [u8], Malformed> {
        let Some(rest) = self.line(input, MAX_HEAD_BYTES - seen)? else { return Ok(&[]) };
        let is_last = matches!(self.partial.as_slice(), b"" | b"\r");
        let seen = seen + self.partial.len() + 1;
        if seen > MAX_HEAD_BYTES {
            return Err(Malformed);
        }
        self.partial.clear();
        self.state = if is_last { State::Done } else { State::Trailers(seen) };
        Ok(rest)
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// The comma-separated words of a header's value.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}

/// A `content-length`; the same number repeated with commas is one number (RFC 9110, 8.6).
fn parse_length(value: &[u8]) -> Result<u64, Malformed> {
    let mut numbers = tokens(value).map(|digits| {
        if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Malformed);
        }
        Ok(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    });
    let first = numbers.next().ok_or(Malformed)??;
    for number in numbers {
        if number? != first {
            return Err(Malformed);
        }
    }
    Ok(first)
}
