//! The parser of HTTP/1.1 answers. It does no IO, its memory is bounded, and it takes an answer in pieces of any size.
//!
//! # Source
//! Spec: RFC 9112 (message framing in section 6), RFC 9110.

use std::mem;

/// The longest head, and the longest trailer section of a chunked body, that is accepted.
///
/// Chosen: four times nginx's limit.
pub const MAX_HEAD_BYTES: usize = 32_768;
/// The number of bytes at the beginning of a body that are kept for the message about a failure.
///
/// Chosen: about two lines of a terminal.
pub const SAMPLE_BYTES: usize = 200;
/// The most header lines that are accepted.
///
/// Chosen: far more than real servers send.
const MAX_HEADERS: usize = 128;
/// The longest line in front of a chunk.
///
/// Chosen: the line holds a size and at most a short extension.
const MAX_CHUNK_LINE: usize = 1_024;

/// The result of parsing a complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The final status.
    pub status: u16,
    /// True when the connection can carry another request.
    pub keep_alive: bool,
}

/// The most bytes of a body that are kept.
///
/// Chosen: far more than a page with a form.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

/// An answer with its headers and its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The final status.
    pub status: u16,
    /// The names and values of the headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of its chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns all values of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let is_wanted = move |(header, _): &&(String, String)| header.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_wanted).map(|(_, value)| value.as_str())
    }
}

/// The error for bytes that are not an HTTP/1.1 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A parser that reads one answer at a time.
#[derive(Debug)]
pub struct ResponseParser {
    is_head: bool,
    state: State,
    /// The beginning of a head, or of the line in front of a chunk, whose end was not received yet.
    partial: Vec<u8>,
    sample: Vec<u8>,
    response: Response,
    /// The headers and the body, where a caller wants them.
    kept: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Head,
    /// A body with this many bytes left.
    Length(u64),
    /// A body that ends when the server closes the connection.
    UntilClose,
    ChunkSize,
    /// A chunk with this many bytes left.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Trailer lines, of which this many bytes were received.
    Trailers(usize),
    Done,
}

impl ResponseParser {
    /// Makes a parser for the answer to a request; `is_head` is true for the method HEAD.
    pub fn new(is_head: bool) -> Self {
        Self {
            is_head,
            state: State::Head,
            partial: Vec::new(),
            sample: Vec::new(),
            response: Response { status: 0, keep_alive: false },
            kept: None,
        }
    }

    /// Makes a parser that keeps the headers and the body of one answer.
    pub(crate) fn keeping(is_head: bool) -> Self {
        Self { kept: Some(Answer::default()), ..Self::new(is_head) }
    }

    /// Returns the answer of a parser that keeps it.
    pub(crate) fn take_kept(&mut self) -> Answer {
        Answer { status: self.response.status, ..self.kept.take().unwrap_or_default() }
    }

    /// Prepares the parser for the answer to the next request on the connection.
    pub fn reset(&mut self, is_head: bool) {
        self.is_head = is_head;
        self.state = State::Head;
        self.partial.clear();
        self.sample.clear();
    }

    /// Returns true if no byte of the answer was received yet.
    pub fn is_untouched(&self) -> bool {
        self.state == State::Head && self.partial.is_empty()
    }

    /// Returns the first [`SAMPLE_BYTES`] of the body.
    pub fn sample(&self) -> &[u8] {
        &self.sample
    }

    /// Parses the next bytes, and returns the response once it is complete. When bytes follow its end, the connection
    /// cannot carry another request.
    pub fn feed(&mut self, mut input: &[u8]) -> Result<Option<Response>, Malformed> {
        while !input.is_empty() && self.state != State::Done {
            input = match self.state {
                State::Head => self.head(input)?,
                State::Length(left) => {
                    let (rest, left) = self.body(input, left)?;
                    self.state = if left == 0 { State::Done } else { State::Length(left) };
                    rest
                }
                State::UntilClose => self.body(input, u64::MAX)?.0,
                State::ChunkSize => self.chunk_size(input)?,
                State::Chunk(left) => {
                    let (rest, left) = self.body(input, left)?;
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

    /// Reports that the server closed the connection. Returns the response if it ends so.
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
        // The head is parsed again only when a line ends: a server that sends single bytes must not cost quadratic time.
        let length = if partial[before..].contains(&b'\n') { self.parse_head(&partial)? } else { None };
        match length {
            Some(length) => {
                partial.clear();
                self.partial = partial;
                // The head ends in the new bytes: otherwise it would have been parsed before.
                Ok(&input[length - before..])
            }
            None if partial.len() >= MAX_HEAD_BYTES => Err(Malformed),
            None => {
                self.partial = partial;
                Ok(&[])
            }
        }
    }

    /// Parses the head at the start of `bytes` and enters the state for its body. Returns the length of the head if it is
    /// complete.
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

        if let Some(kept) = &mut self.kept {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            kept.headers = head.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
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
                // The coding `chunked` frames the body only when it is the last one.
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

    /// Takes at most `left` bytes of the body. Returns the bytes that follow, and the new number of bytes left.
    fn body<'a>(&mut self, input: &'a [u8], left: u64) -> Result<(&'a [u8], u64), Malformed> {
        let (taken, rest) = input.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(input.len()));
        let room = SAMPLE_BYTES - self.sample.len();
        self.sample.extend_from_slice(&taken[..room.min(taken.len())]);
        if let Some(kept) = &mut self.kept {
            if kept.body.len() + taken.len() > MAX_KEPT_BYTES {
                return Err(Malformed);
            }
            kept.body.extend_from_slice(taken);
        }
        Ok((rest, left - taken.len() as u64))
    }

    /// Moves bytes up to a line end into `partial`. Returns the bytes after the line end, if that was received.
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

/// Returns the comma-separated words of a header value.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}

/// Parses a `content-length`. The same number repeated with commas counts as one number (RFC 9110, section 8.6).
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
