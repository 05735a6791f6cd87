//! The requests of a workload: weighted templates, filled with values from a seeded random generator.

mod table;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::session::{Capture, Session};
use crate::template::{Drawn, Encoding, Template, is_name};
pub use table::WorkloadTable;

/// The header that carries the name of a request to the recorder.
pub const NAME_HEADER: &str = "x-splitcost-request";
/// Headers that the load generator sets itself. A value from the configuration would contradict the request.
const OWN_HEADERS: [&str; 5] = ["connection", "content-length", "expect", "transfer-encoding", NAME_HEADER];
/// The longest string that is drawn.
///
/// Chosen: longer texts belong in a file, since a request is kept in memory.
const MAX_STRING: usize = 65_536;

/// The placeholder for the number of the simulated user.
const USER: &str = "user";

/// The validated requests of an app: the `[workload]` table of the configuration.
///
/// Request `i` of a run depends only on the seed, on `i`, and on the sessions of the users that were opened before it,
/// not on the answers to other requests.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WorkloadTable")]
pub struct Workload {
    seed: u64,
    users: u32,
    /// The requests that open the session of each user.
    before: Vec<Before>,
    /// The names of the values that these capture.
    captured: Vec<String>,
    requests: Vec<Request>,
    /// The sum of the weights up to and including each request.
    cumulative_weights: Vec<u64>,
    /// Requests come in turn, whatever their weights.
    is_in_turn: bool,
}

/// The description of a request. Path, header values and the texts of bodies are templates; see [`literal`].
#[derive(Clone, Debug, PartialEq)]
pub struct RequestSpec {
    /// The name of the request; `None` stands for `METHOD /path`.
    pub name: Option<String>,
    /// The HTTP method.
    pub method: Method,
    /// The path, which begins with `/` and may contain a query.
    pub path: String,
    /// The frequency of the request, relative to the others.
    pub weight: u32,
    /// The headers, by name.
    pub headers: BTreeMap<String, String>,
    /// The sources of the values for placeholders, by name.
    pub params: BTreeMap<String, Param>,
    /// The body.
    pub body: Option<Body>,
    /// The statuses that count as success. When empty, every status below 400 does.
    pub expect: Vec<u16>,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A JSON value whose strings are templates.
    Json(Value),
    /// A text, which is a template.
    Text(String),
    /// The fields of a form, whose values are templates.
    Form(BTreeMap<String, String>),
    /// Bytes that are sent unchanged.
    Bytes {
        /// The bytes.
        bytes: Vec<u8>,
        /// The value of the header `content-type`, unless the request sets it. It is a template, too.
        content_type: String,
    },
    /// A gRPC message without its prefix. The request is a unary call.
    Grpc(Vec<u8>),
}

impl Body {
    /// Reads a body from a file. The file name extension determines the content type.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub fn file(path: &Path) -> io::Result<Self> {
        let content_type = mime_guess::from_path(path).first_or_octet_stream().to_string();
        Ok(Self::Bytes { bytes: std::fs::read(path)?, content_type })
    }

    /// Returns the value of a JSON body; `None` for other bodies. The error describes the problem when the value has
    /// placeholders, or the bytes are not JSON.
    pub fn fixed_json(&self) -> Option<Result<Value, String>> {
        let bytes = match self {
            Self::Json(value) => {
                let mut bytes = Vec::new();
                let fixed = Template::json(value, &mut |name| {
                    Err(format!("`{{{name}}}` would have another value in every request"))
                });
                fixed.map(|template| template.write(&[], &mut bytes)).map(|()| bytes)
            }
            Self::Bytes { bytes, content_type } if content_type == "application/json" => Ok(bytes.clone()),
            _ => return None,
        };
        Some(bytes.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| format!("it is not JSON: {error}"))))
    }
}

/// Returns the template that writes exactly this text.
pub fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// Returns the template of a JSON value as it is: with the braces in its strings doubled.
pub fn literal_json(value: &Value) -> Value {
    match value {
        Value::String(text) => literal(text).into(),
        Value::Array(items) => items.iter().map(literal_json).collect(),
        Value::Object(fields) => fields.iter().map(|(key, field)| (key.clone(), literal_json(field))).collect(),
        other => other.clone(),
    }
}

impl RequestSpec {
    /// Makes a request with a method and a path, and nothing else.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            name: None,
            method,
            path: path.into(),
            weight: 1,
            headers: BTreeMap::new(),
            params: BTreeMap::new(),
            body: None,
            expect: Vec::new(),
        }
    }

    /// Returns the name of the request, or its method and path if it has no name.
    pub fn name(&self) -> String {
        let path_only = self.path.split('?').next().unwrap_or_default();
        self.name.clone().unwrap_or_else(|| format!("{} {path_only}", self.method))
    }

    /// Sets a header. The case of its name does not matter.
    pub fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|known, _| !known.eq_ignore_ascii_case(name));
        self.headers.insert(name.to_owned(), value.into());
    }

    /// Returns the position and name that errors show.
    fn label(&self, position: usize) -> String {
        format!("{} ({})", position + 1, self.name())
    }
}

/// A compiled request template.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    name: String,
    method: Method,
    weight: u32,
    params: Vec<Param>,
    path: Template,
    /// The header lines between `host` and `content-length`.
    headers: Template,
    /// True when `headers` contains a `host` header.
    own_host: bool,
    /// True when `headers` contains a `cookie` header, which replaces the cookies of the session.
    own_cookie: bool,
    body: Payload,
    is_grpc: bool,
    expect: Vec<u16>,
}

/// A compiled body.
#[derive(Clone, Debug, PartialEq)]
enum Payload {
    Nothing,
    Filled(Template),
    Bytes(Vec<u8>),
}

/// A request that opens the session of a user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Before {
    pub(crate) request: Request,
    /// The captured values, by name.
    pub(crate) captures: BTreeMap<String, Capture>,
}

/// The names that placeholders of a request may have, besides its own parameters.
#[derive(Clone, Copy)]
struct Shared<'a> {
    /// All captured values, in the order in which a session holds them.
    captured: &'a [String],
    /// The number of these that are captured before the request.
    available: usize,
    has_users: bool,
}

impl Shared<'_> {
    /// Returns the index of a value in a session.
    fn index_of(&self, placeholder: &str) -> Result<usize, String> {
        match self.captured.iter().position(|name| name == placeholder) {
            Some(index) if index < self.available => Ok(index),
            Some(_) => Err(format!("`{{{placeholder}}}` is captured by a later request only")),
            None if self.has_users && placeholder == USER => Ok(self.captured.len()),
            None if self.has_users => {
                Err(format!("`{{{placeholder}}}` is neither defined in `params` nor captured by a request before"))
            }
            None => Err(format!("`{{{placeholder}}}` is not defined in `params`")),
        }
    }
}

macro_rules! methods {
    ($($(#[$attribute:meta])* $method:ident = $name:literal,)*) => {
        /// The methods of HTTP that a workload may use: those of the registry that are requests to an app, and `PURGE`.
        ///
        /// # Source
        /// IANA, Hypertext Transfer Protocol (HTTP) Method Registry.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the names are those of the registry")]
        pub enum Method {
            $($(#[$attribute])* #[serde(rename = $name)] $method,)*
        }

        impl Method {
            /// All methods, those that most apps use first.
            pub const ALL: &[Self] = &[$(Self::$method),*];

            /// Returns the name of the method in HTTP.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$method => $name,)*
                }
            }
        }
    };
}

methods! {
    #[default]
    Get = "GET",
    Head = "HEAD",
    Post = "POST",
    Put = "PUT",
    Patch = "PATCH",
    Delete = "DELETE",
    Options = "OPTIONS",
    Query = "QUERY",
    Trace = "TRACE",
    Acl = "ACL",
    BaselineControl = "BASELINE-CONTROL",
    Bind = "BIND",
    Checkin = "CHECKIN",
    Checkout = "CHECKOUT",
    Copy = "COPY",
    Label = "LABEL",
    Link = "LINK",
    Lock = "LOCK",
    Merge = "MERGE",
    MkActivity = "MKACTIVITY",
    MkCalendar = "MKCALENDAR",
    MkCol = "MKCOL",
    MkWorkspace = "MKWORKSPACE",
    Move = "MOVE",
    OrderPatch = "ORDERPATCH",
    PropFind = "PROPFIND",
    PropPatch = "PROPPATCH",
    Purge = "PURGE",
    Rebind = "REBIND",
    Report = "REPORT",
    Search = "SEARCH",
    Unbind = "UNBIND",
    Uncheckout = "UNCHECKOUT",
    Unlink = "UNLINK",
    Unlock = "UNLOCK",
    Update = "UPDATE",
    VersionControl = "VERSION-CONTROL",
}

impl Method {
    /// Returns the method with a name, in upper case.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.name() == name)
    }

    /// Returns true if two identical requests have the same effect as one.
    ///
    /// # Source
    /// RFC 9110, section 9.2.2; IANA, HTTP Method Registry.
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch | Self::Lock)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The source of the values for a placeholder. Each range includes both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Param {
    /// Whole numbers.
    Int([i64; 2]),
    /// Numbers.
    Float([f64; 2]),
    /// Strings of letters and digits, with a length in this range.
    String([usize; 2]),
    /// One of these strings, numbers or booleans.
    Choice(Vec<Value>),
}

impl Param {
    fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Int([low, high]) if low > high => Err("the range ends before it begins"),
            Self::Float([low, high]) if !(low.is_finite() && high.is_finite() && (high - low).is_finite()) => {
                Err("the range is not finite")
            }
            Self::Float([low, high]) if low > high => Err("the range ends before it begins"),
            Self::String([low, high]) if low > high => Err("the range ends before it begins"),
            Self::String([_, high]) if *high > MAX_STRING => Err("a string is longer than 65536 characters"),
            Self::Choice(values) if values.is_empty() => Err("the list of choices is empty"),
            Self::Choice(values) if !values.iter().all(|v| v.is_string() || v.is_number() || v.is_boolean()) => {
                Err("a choice must be a string, a number or a boolean")
            }
            _ => Ok(()),
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Drawn<'_> {
        match self {
            Self::Int([low, high]) => Drawn::Int(rng.random_range(*low..=*high)),
            Self::Float([low, high]) => Drawn::Float(rng.random_range(*low..=*high)),
            Self::String([low, high]) => {
                const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
                let length = rng.random_range(*low..=*high);
                Drawn::Text((0..length).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect())
            }
            Self::Choice(values) => Drawn::Choice(&values[rng.random_range(0..values.len())]),
        }
    }

    fn may_hold_control_characters(&self) -> bool {
        let Self::Choice(values) = self else { return false };
        values.iter().filter_map(Value::as_str).any(|text| text.contains(char::is_control))
    }
}

impl Request {
    /// Returns the name of the request, which is `METHOD /path/{template}` by default.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the HTTP method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns the frequency of the request, relative to the others.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Returns the statuses that count as success; when empty, every status below 400 does.
    pub fn expected(&self) -> &[u16] {
        &self.expect
    }

    /// Returns true if an answer with this status is expected.
    pub fn expects(&self, status: u16) -> bool {
        if self.expect.is_empty() { status < 400 } else { self.expect.contains(&status) }
    }

    /// Returns true if the request is a unary gRPC call: its body is the message, and it succeeds with `grpc-status: 0`.
    pub fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    /// Returns true if the request never varies for one user.
    pub(crate) fn is_fixed(&self) -> bool {
        self.params.is_empty()
    }

    fn compile(position: usize, table: RequestSpec, shared: Shared<'_>) -> Result<Self, Error> {
        let name = table.name();
        let fail = |field: &str, problem: String| Error::Workload {
            request: format!("{} ({name})", position + 1),
            field: field.to_owned(),
            problem,
        };

        if name.is_empty() || name.trim() != name || !name.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(fail("name", "it is not made of visible ASCII characters".into()));
        }
        if table.weight == 0 {
            return Err(fail("weight", "it is 0: remove the request instead".into()));
        }
        if let Some(status) = table.expect.iter().find(|status| !(200..=599).contains(*status)) {
            return Err(fail("expect", format!("{status} is not a final HTTP status (200 to 599)")));
        }
        for (param, values) in &table.params {
            let field = format!("params.{param}");
            if !is_name(param) {
                return Err(fail(&field, "a name consists of letters, digits and underscores".into()));
            }
            values.check().map_err(|problem| fail(&field, problem.into()))?;
        }

        let names: Vec<&str> = table.params.keys().map(String::as_str).collect();
        let mut used = BTreeSet::new();
        let mut index_of = |placeholder: &str| {
            let index = names.iter().position(|n| *n == placeholder);
            used.extend(index);
            index.map_or_else(|| Ok(names.len() + shared.index_of(placeholder)?), Ok)
        };

        check_path(&table.path).map_err(|problem| fail("path", problem))?;
        let path = Template::text(&table.path, Encoding::Path, &mut index_of).map_err(|p| fail("path", p))?;
        let header_lines = header_lines(&name, &table.headers, &table.params, shared, table.body.as_ref())
            .map_err(|(header, problem)| fail(&format!("headers.{header}"), problem))?;
        let headers = Template::text(&header_lines, Encoding::Plain, &mut index_of).map_err(|p| fail("headers", p))?;
        let is_grpc = matches!(table.body, Some(Body::Grpc(_)));
        let body = match table.body {
            None => Payload::Nothing,
            Some(Body::Json(value)) => {
                Payload::Filled(Template::json(&value, &mut index_of).map_err(|p| fail("body", p))?)
            }
            Some(Body::Text(text)) => Payload::Filled(
                Template::text(&text, Encoding::Plain, &mut index_of).map_err(|p| fail("body_text", p))?,
            ),
            Some(Body::Form(fields)) => {
                Payload::Filled(Template::form(&fields, &mut index_of).map_err(|p| fail("body_form", p))?)
            }
            Some(Body::Bytes { bytes, .. } | Body::Grpc(bytes)) => Payload::Bytes(bytes),
        };
        if let Some(unused) = (0..names.len()).find(|index| !used.contains(index)) {
            let unused = names[unused];
            return Err(fail(
                &format!("params.{unused}"),
                format!("`{{{unused}}}` is used in neither path, headers nor body"),
            ));
        }

        Ok(Self {
            method: table.method,
            weight: table.weight,
            own_host: table.headers.keys().any(|header| header.eq_ignore_ascii_case("host")),
            own_cookie: table.headers.keys().any(|header| header.eq_ignore_ascii_case("cookie")),
            params: table.params.into_values().collect(),
            name,
            path,
            headers,
            body,
            is_grpc,
            expect: table.expect,
        })
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err("it does not begin with `/`".into());
    }
    match path.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        Some(c) => Err(format!("{c:?} is not allowed in a path; percent-encode it")),
        None => Ok(()),
    }
}

/// Returns the template for the header lines of a request. An error names the header and describes its problem.
fn header_lines(
    name: &str,
    headers: &BTreeMap<String, String>,
    params: &BTreeMap<String, Param>,
    shared: Shared<'_>,
    body: Option<&Body>,
) -> Result<String, (String, String)> {
    let escaped_name = name.replace('{', "{{").replace('}', "}}");
    let mut lines = format!("{NAME_HEADER}: {escaped_name}\r\n");
    let given = |wanted: &str| headers.keys().any(|header| header.eq_ignore_ascii_case(wanted));
    if !given("accept") {
        lines.push_str("accept: */*\r\n");
    }
    let content_type = match body {
        Some(Body::Json(_)) => Some("application/json"),
        Some(Body::Text(_)) => Some("text/plain; charset=utf-8"),
        Some(Body::Form(_)) => Some("application/x-www-form-urlencoded"),
        Some(Body::Bytes { content_type, .. }) => Some(content_type.as_str()),
        Some(Body::Grpc(_)) | None => None,
    };
    let content_type = content_type.filter(|_| !given("content-type")).map(|value| ("content-type", value));
    let headers = headers.iter().map(|(header, value)| (header.as_str(), value.as_str()));
    let mut seen = BTreeSet::new();
    for (header, value) in content_type.into_iter().chain(headers) {
        let fail = |problem: String| (header.to_owned(), problem);
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if header.is_empty() || !header.bytes().all(is_token) {
            return Err(fail("it is not a valid name of an HTTP header".into()));
        }
        if OWN_HEADERS.iter().any(|own| header.eq_ignore_ascii_case(own)) {
            return Err(fail("the load generator sets this header itself".into()));
        }
        if !seen.insert(header.to_ascii_lowercase()) {
            return Err(fail("it is given twice".into()));
        }
        if value.contains(char::is_control) {
            return Err(fail("its value has a control character".into()));
        }
        let mut check_placeholder = |placeholder: &str| match params.get(placeholder) {
            None => shared.index_of(placeholder),
            Some(param) if param.may_hold_control_characters() => {
                Err(format!("a choice of `{{{placeholder}}}` has a control character"))
            }
            Some(_) => Ok(0),
        };
        Template::text(value, Encoding::Plain, &mut check_placeholder).map_err(fail)?;
        lines.extend([header, ": ", value, "\r\n"]);
    }
    Ok(lines)
}

impl Workload {
    /// Validates and compiles requests.
    pub fn new(seed: u64, requests: Vec<RequestSpec>) -> Result<Self, Error> {
        Self::with_sessions(seed, 1, Vec::new(), requests)
    }

    fn with_sessions(
        seed: u64,
        users: u32,
        before: Vec<(RequestSpec, BTreeMap<String, Capture>)>,
        requests: Vec<RequestSpec>,
    ) -> Result<Self, Error> {
        let mut captured: Vec<String> = Vec::new();
        let mut available = Vec::new();
        for (_, captures) in &before {
            available.push(captured.len());
            let new = captures.keys().filter(|name| !captured.contains(name)).cloned().collect::<Vec<_>>();
            captured.extend(new);
        }
        let has_users = !before.is_empty();
        let shared = |available| Shared { captured: &captured, available, has_users };
        let before = before
            .into_iter()
            .zip(available)
            .enumerate()
            .map(|(position, ((request, captures), available))| {
                if let Some(name) = captures.keys().find(|name| !is_name(name) || *name == USER) {
                    return Err(Error::Workload {
                        request: format!("before {}", request.label(position)),
                        field: format!("capture.{name}"),
                        problem: format!("a name consists of letters, digits and underscores, and is not {USER:?}"),
                    });
                }
                Ok(Before { request: Request::compile(position, request, shared(available))?, captures })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<Request> = requests
            .into_iter()
            .enumerate()
            .map(|(position, request)| Request::compile(position, request, shared(captured.len())))
            .collect::<Result<_, _>>()?;
        if requests.is_empty() {
            return Err(Error::NoRequests);
        }
        let mut names = BTreeSet::new();
        if let Some((position, twin)) = requests.iter().enumerate().find(|(_, r)| !names.insert(&r.name)) {
            return Err(Error::Workload {
                request: format!("{} ({})", position + 1, twin.name),
                field: "name".into(),
                problem: "another request has this name; give one of them a `name` of its own".into(),
            });
        }
        let mut sum = 0;
        let cumulative_weights = requests
            .iter()
            .map(|request| {
                sum += u64::from(request.weight);
                sum
            })
            .collect();
        Ok(Self { seed, users, before, captured, requests, cumulative_weights, is_in_turn: false })
    }
}

/// A request of a run that was drawn, but not yet written.
#[derive(Clone, Debug)]
pub struct Draw {
    /// The position of its template in [`Workload::requests`].
    pub request: usize,
    rng: ChaCha8Rng,
}

impl Workload {
    /// Returns the seed of the random generator.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the request templates, in the order of the configuration.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Returns the same requests in turn, whatever their weights, so that a short run has each of them.
    #[must_use]
    pub fn in_turn(&self) -> Self {
        Self { is_in_turn: true, ..self.clone() }
    }

    /// Draws request `i` of the run with this seed offset.
    pub fn draw(&self, seed_offset: u64, i: u64) -> Draw {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(seed_offset));
        if let [only] = self.requests.as_slice()
            && only.is_fixed()
        {
            // Nothing is drawn, so that the generator need not compute its first block.
            return Draw { request: 0, rng };
        }
        rng.set_stream(i);
        if self.is_in_turn {
            return Draw { request: (i % self.requests.len() as u64) as usize, rng };
        }
        let total = self.cumulative_weights[self.cumulative_weights.len() - 1];
        let point = rng.random_range(0..total);
        Draw { request: self.cumulative_weights.partition_point(|sum| *sum <= point), rng }
    }

    /// Returns the number of simulated users.
    pub fn users(&self) -> u32 {
        self.users
    }

    /// Returns the requests that open the session of each user, in order.
    pub(crate) fn before(&self) -> &[Before] {
        &self.before
    }

    /// Returns the names of the captured values, in the order in which a session holds them.
    pub(crate) fn captured(&self) -> &[String] {
        &self.captured
    }

    /// Draws the values of a request before the load.
    pub(crate) fn draw_before(&self, position: usize, user: u32) -> Draw {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // Far from the numbers of the requests of a run.
        rng.set_stream(u64::MAX - u64::from(user) * self.before.len() as u64 - position as u64);
        Draw { request: position, rng }
    }

    /// Appends a drawn request of a user in the format of HTTP/1.1.
    pub fn write(&self, draw: Draw, session: &Session, host: &str, out: &mut Vec<u8>) {
        self.requests[draw.request].write(draw, session, host, out);
    }

    /// Returns the parts of a drawn request without the framing of a version of HTTP.
    pub(crate) fn parts(&self, draw: Draw, session: &Session) -> Parts<'_> {
        self.requests[draw.request].parts(draw, session)
    }
}

impl Request {
    /// Appends the request in the format of HTTP/1.1.
    pub(crate) fn write(&self, draw: Draw, session: &Session, host: &str, out: &mut Vec<u8>) {
        let parts = self.parts(draw, session);
        out.extend_from_slice(self.method.name().as_bytes());
        out.push(b' ');
        out.extend_from_slice(&parts.path);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if !self.own_host {
            out.extend_from_slice(b"host: ");
            out.extend_from_slice(host.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&parts.header_lines);
        if let Some(body) = &parts.body {
            out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            out.extend_from_slice(body);
        } else if matches!(self.method, Method::Post | Method::Put | Method::Patch) {
            out.extend_from_slice(b"content-length: 0\r\n\r\n");
        } else {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn parts(&self, draw: Draw, session: &Session) -> Parts<'_> {
        let Draw { mut rng, .. } = draw;
        let drawn = self.params.iter().map(|param| param.draw(&mut rng));
        let values: Vec<Drawn> = drawn.chain(session.values.iter().map(Drawn::Choice)).collect();
        let filled = |template: &Template| {
            let mut bytes = Vec::new();
            template.write(&values, &mut bytes);
            bytes
        };
        let mut header_lines = filled(&self.headers);
        if !self.own_cookie {
            session.write_cookies(&mut header_lines);
        }
        Parts {
            path: filled(&self.path),
            header_lines,
            body: match &self.body {
                Payload::Nothing => None,
                Payload::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
                Payload::Filled(template) => Some(Cow::Owned(filled(template))),
            },
        }
    }
}

/// The contents of a request without the framing of a version of HTTP.
pub(crate) struct Parts<'a> {
    pub(crate) path: Vec<u8>,
    /// Lines of the form `name: value`, each with a line end. Headers that frame the body are not included.
    pub(crate) header_lines: Vec<u8>,
    pub(crate) body: Option<Cow<'a, [u8]>>,
}
