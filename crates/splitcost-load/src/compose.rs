//! Encodes the requests of a workload for each version of HTTP.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, HeaderName, TE};
use http::{HeaderMap, HeaderValue, Uri};

use crate::session::Session;
use crate::workload::{Draw, Method, Workload};

/// Headers that belong to an HTTP/1.1 connection and must not be sent over HTTP/2.
///
/// Spec: RFC 9113, section 8.2.2.
const CONNECTION_HEADERS: [&str; 4] = ["connection", "keep-alive", "proxy-connection", "upgrade"];

/// An encoder for the requests of a workload. A request that never varies is encoded once and kept.
pub(crate) struct Composer<'a> {
    pub(crate) workload: &'a Workload,
    /// The users, who take turns.
    sessions: &'a [Session],
    seed_offset: u64,
    keep_alive: bool,
    fixed_http1: Vec<Option<Vec<u8>>>,
    fixed_http2: Vec<Option<(http::Request<()>, Bytes)>>,
}

impl<'a> Composer<'a> {
    /// Makes a composer for at least one session.
    pub(crate) fn new(workload: &'a Workload, sessions: &'a [Session], seed_offset: u64, keep_alive: bool) -> Self {
        let count = workload.requests().len();
        let (fixed_http1, fixed_http2) = (vec![None; count], vec![None; count]);
        Self { workload, sessions, seed_offset, keep_alive, fixed_http1, fixed_http2 }
    }

    fn session(&self, index: u64) -> &'a Session {
        &self.sessions[(index % self.sessions.len() as u64) as usize]
    }

    fn is_fixed(&self, request: usize) -> bool {
        self.sessions.len() == 1 && self.workload.requests()[request].is_fixed()
    }

    pub(crate) fn draw(&self, index: u64) -> Draw {
        self.workload.draw(self.seed_offset, index)
    }

    pub(crate) fn is_head(&self, request: usize) -> bool {
        self.workload.requests()[request].method() == Method::Head
    }

    /// Checks that a template can be sent over HTTP/2. An error gives the reason why it cannot.
    pub(crate) fn check_http2(&mut self, request: usize, authority: &str) -> Result<(), String> {
        let draws = (0..).filter(|index| self.draw(*index).request == request);
        let index = draws.take(1).next().unwrap_or_default();
        self.http2(index, request, authority, "https").map(|_| self.fixed_http2[request] = None)
    }

    /// Appends the request `index`, which uses the template `request`, as HTTP/1.1.
    pub(crate) fn http1(&mut self, index: u64, request: usize, authority: &str, out: &mut Vec<u8>) {
        if let Some(bytes) = &self.fixed_http1[request] {
            out.extend_from_slice(bytes);
            return;
        }
        self.workload.write(self.draw(index), self.session(index), authority, out);
        if !self.keep_alive
            && let Some(line_end) = out.windows(2).position(|pair| pair == b"\r\n")
        {
            out.splice(line_end..line_end, *b"\r\nconnection: close");
        }
        if self.is_fixed(request) {
            self.fixed_http1[request] = Some(out.clone());
        }
    }

    /// Returns the head of request `index` for HTTP/2, and its body. An error gives the reason why it cannot be sent.
    pub(crate) fn http2(
        &mut self,
        index: u64,
        request: usize,
        authority: &str,
        scheme: &str,
    ) -> Result<(http::Request<()>, Bytes), String> {
        if let Some(fixed) = &self.fixed_http2[request] {
            return Ok(fixed.clone());
        }
        let template = &self.workload.requests()[request];
        let parts = self.workload.parts(self.draw(index), self.session(index));
        let mut headers = HeaderMap::new();
        for line in parts.header_lines.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let name = HeaderName::from_bytes(&line[..colon]).map_err(|error| error.to_string())?;
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|error| error.to_string())?;
            if !CONNECTION_HEADERS.contains(&name.as_str()) {
                headers.append(name, value);
            }
        }
        let mut body = BytesMut::new();
        if template.is_grpc() {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/grpc"));
            headers.insert(TE, HeaderValue::from_static("trailers"));
            body.put_u8(0);
            body.put_u32(u32::try_from(parts.body.as_ref().map_or(0, |b| b.len())).map_err(|error| error.to_string())?);
        }
        body.extend_from_slice(parts.body.as_deref().unwrap_or_default());
        if parts.body.is_some() && !template.is_grpc() {
            headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let own_host = headers.remove(HOST);
        let authority = own_host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(authority);
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(parts.path.as_slice());
        let uri = uri.build().map_err(|error| error.to_string())?;
        let mut composed = http::Request::new(());
        *composed.method_mut() = template.method().name().parse().unwrap_or_default();
        *composed.uri_mut() = uri;
        *composed.version_mut() = http::Version::HTTP_2;
        *composed.headers_mut() = headers;
        let composed = (composed, body.freeze());
        if self.is_fixed(request) {
            self.fixed_http2[request] = Some(composed.clone());
        }
        Ok(composed)
    }
}
