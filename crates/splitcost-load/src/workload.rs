//! Which requests are made: weighted templates, filled from a seeded generator.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::template::{Drawn, Encoding, Template, is_name};

/// The header that carries a request's name to the recorder.
const NAME_HEADER: &str = "x-splitcost-request";
/// Headers that are made here, and would contradict what is sent if they came from the configuration.
const OWN_HEADERS: [&str; 5] = ["connection", "content-length", "expect", "transfer-encoding", NAME_HEADER];
/// Chosen: longer texts belong in a file, and a request is held in memory.
const MAX_STRING: usize = 65_536;

/// The requests of an app: the `[workload]` table of the configuration, checked.
///
/// Request `i` of a run depends on the seed and `i` only, not on what the server did.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WorkloadTable")]
pub struct Workload {
    seed: u64,
    requests: Vec<Request>,
    /// Sums of the weights up to and including each request.
    cumulative_weights: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkloadTable {
    #[serde(default)]
    seed: u64,
    requests: Vec<RequestTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestTable {
    name: Option<String>,
    #[serde(default)]
    method: Method,
    path: String,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    params: BTreeMap<String, Param>,
    body: Option<Value>,
    expect: Option<Vec<u16>>,
}

fn one() -> u32 {
    1
}

/// One request template.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    name: String,
    method: Method,
    weight: u32,
    params: Vec<Param>,
    path: Template,
    /// Everything between `host` and `content-length`.
    headers: Template,
    /// Whether `headers` holds a `host` of its own.
    own_host: bool,
    body: Option<Template>,
    expect: Vec<u16>,
}

/// The methods of HTTP that a workload may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the methods of RFC 9110 and RFC 5789")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// As HTTP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl Method {
    /// Whether asking twice does no more than asking once.
    ///
    /// # Source
    /// RFC 9110, section 9.2.2.
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a placeholder's values come from; every range includes both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Param {
    /// Whole numbers.
    Int([i64; 2]),
    /// Numbers.
    Float([f64; 2]),
    /// Letters and digits, of a length in this range.
    String([usize; 2]),
    /// One of these texts, numbers or truth values.
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
            Self::String([_, high]) if *high > MAX_STRING => Err("a string is longer than 65536"),
            Self::Choice(values) if values.is_empty() => Err("there is nothing to choose from"),
            Self::Choice(values) if !values.iter().all(|v| v.is_string() || v.is_number() || v.is_boolean()) => {
                Err("a choice is a text, a number or a truth value")
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
    /// `METHOD /path/{template}`, or the name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is asked.
    pub fn method(&self) -> Method {
        self.method
    }

    /// How often it is made, relative to the others.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Whether an answer of this status is the expected one.
    pub fn expects(&self, status: u16) -> bool {
        if self.expect.is_empty() { status < 400 } else { self.expect.contains(&status) }
    }

    fn compile(position: usize, table: RequestTable) -> Result<Self, Error> {
        let path_only = table.path.split('?').next().unwrap_or_default();
        let name = table.name.unwrap_or_else(|| format!("{} {path_only}", table.method));
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
        let expect = table.expect.unwrap_or_default();
        if let Some(status) = expect.iter().find(|status| !(200..=599).contains(*status)) {
            return Err(fail("expect", format!("{status} is no final HTTP status (200 to 599)")));
        }
        for (param, values) in &table.params {
            let field = format!("params.{param}");
            if !is_name(param) {
                return Err(fail(&field, "a name has letters, digits and underscores".into()));
            }
            values.check().map_err(|problem| fail(&field, problem.into()))?;
        }

        let names: Vec<&str> = table.params.keys().map(String::as_str).collect();
        let mut used = BTreeSet::new();
        let mut index_of = |placeholder: &str| {
            let index = names.iter().position(|n| *n == placeholder);
            used.extend(index);
            index.ok_or_else(|| format!("`{{{placeholder}}}` is not defined in `params`"))
        };

        check_path(&table.path).map_err(|problem| fail("path", problem))?;
        let path = Template::text(&table.path, Encoding::Path, &mut index_of).map_err(|p| fail("path", p))?;
        let header_lines = header_lines(&name, &table.headers, &table.params, table.body.is_some())
            .map_err(|(header, problem)| fail(&format!("headers.{header}"), problem))?;
        let headers = Template::text(&header_lines, Encoding::Header, &mut index_of).map_err(|p| fail("headers", p))?;
        let body = table
            .body
            .map(|body| Template::json(&plain_dates(body), &mut index_of).map_err(|p| fail("body", p)))
            .transpose()?;
        if let Some(unused) = (0..names.len()).find(|index| !used.contains(index)) {
            let unused = names[unused];
            return Err(fail(
                &format!("params.{unused}"),
                format!("`{{{unused}}}` occurs in neither path, headers nor body"),
            ));
        }

        Ok(Self {
            method: table.method,
            weight: table.weight,
            own_host: table.headers.keys().any(|header| header.eq_ignore_ascii_case("host")),
            params: table.params.into_values().collect(),
            name,
            path,
            headers,
            body,
            expect,
        })
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err("it does not begin with `/`".into());
    }
    match path.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        Some(c) => Err(format!("{c:?} cannot stand in a path; write it percent-encoded")),
        None => Ok(()),
    }
}

/// The header lines of a request as one template; an error names the header.
fn header_lines(
    name: &str,
    headers: &BTreeMap<String, String>,
    params: &BTreeMap<String, Param>,
    has_body: bool,
) -> Result<String, (String, String)> {
    let escaped_name = name.replace('{', "{{").replace('}', "}}");
    let mut lines = format!("{NAME_HEADER}: {escaped_name}\r\n");
    let given = |wanted: &str| headers.keys().any(|header| header.eq_ignore_ascii_case(wanted));
    if !given("accept") {
        lines.push_str("accept: */*\r\n");
    }
    if has_body && !given("content-type") {
        lines.push_str("content-type: application/json\r\n");
    }
    let mut seen = BTreeSet::new();
    for (header, value) in headers {
        let fail = |problem: String| (header.clone(), problem);
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if header.is_empty() || !header.bytes().all(is_token) {
            return Err(fail("it is no name of an HTTP header".into()));
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
            None => Err(format!("`{{{placeholder}}}` is not defined in `params`")),
            Some(param) if param.may_hold_control_characters() => {
                Err(format!("a choice of `{{{placeholder}}}` has a control character"))
            }
            Some(_) => Ok(0),
        };
        Template::text(value, Encoding::Header, &mut check_placeholder).map_err(fail)?;
        lines.extend([header, ": ", value, "\r\n"]);
    }
    Ok(lines)
}

/// TOML's dates, which its deserializer hands to JSON as a table of one odd key, as JSON's texts.
fn plain_dates(value: Value) -> Value {
    const DATE_KEY: &str = "$__toml_private_datetime";
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(plain_dates).collect()),
        Value::Object(fields) => match fields.get(DATE_KEY) {
            Some(date) if fields.len() == 1 => date.clone(),
            _ => Value::Object(fields.into_iter().map(|(key, field)| (key, plain_dates(field))).collect()),
        },
        other => other,
    }
}

impl TryFrom<WorkloadTable> for Workload {
    type Error = Error;

    fn try_from(table: WorkloadTable) -> Result<Self, Error> {
        let requests: Vec<Request> = table
            .requests
            .into_iter()
            .enumerate()
            .map(|(position, request)| Request::compile(position, request))
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
        Ok(Self { seed: table.seed, requests, cumulative_weights })
    }
}

/// One request of a run, drawn but not yet written.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Position of its template in [`Workload::requests`].
    pub request: usize,
    rng: ChaCha8Rng,
}

impl Workload {
    /// The seed of its generator.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its templates, in the order of the configuration.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Draw request `i` of the run with this seed offset.
    pub fn draw(&self, seed_offset: u64, i: u64) -> Draw {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(seed_offset));
        rng.set_stream(i);
        let total = self.cumulative_weights[self.cumulative_weights.len() - 1];
        let point = rng.random_range(0..total);
        Draw { request: self.cumulative_weights.partition_point(|sum| *sum <= point), rng }
    }

    /// Append a drawn request's bytes of HTTP/1.1.
    pub fn write(&self, draw: Draw, host: &str, out: &mut Vec<u8>) {
        let Draw { request, mut rng } = draw;
        let request = &self.requests[request];
        let values: Vec<Drawn> = request.params.iter().map(|param| param.draw(&mut rng)).collect();

        out.extend_from_slice(request.method.name().as_bytes());
        out.push(b' ');
        request.path.write(&values, out);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if !request.own_host {
            out.extend_from_slice(b"host: ");
            out.extend_from_slice(host.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        request.headers.write(&values, out);
        if let Some(template) = &request.body {
            let mut body = Vec::new();
            template.write(&values, &mut body);
            out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            out.extend_from_slice(&body);
        } else if matches!(request.method, Method::Post | Method::Put | Method::Patch) {
            out.extend_from_slice(b"content-length: 0\r\n\r\n");
        } else {
            out.extend_from_slice(b"\r\n");
        }
    }
}
