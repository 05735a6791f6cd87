//! Sessions of simulated users: requests that run before the load, the values that later requests take from their
//! answers, and cookies.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connection::http1::Answer;
use crate::lone::exchange;
use crate::target::Targets;
use crate::workload::{Method, Workload};
use crate::{Error, form};

/// The number of bytes of an unexpected answer that an error shows.
///
/// Chosen: about two lines of a terminal.
const SHOWN_BYTES: usize = 200;

/// The part of an answer that a later request uses. `{user}` stands for the number of the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capture {
    /// The value of a cookie that the user has after the answer.
    Cookie(String),
    /// The value of a header.
    Header(String),
    /// The field of a JSON body at this path of names and positions, as `items.0.id`.
    Json(String),
    /// The value of the form field, or the content of the `meta` element, that has this name in an HTML body.
    Form(String),
}

impl Capture {
    fn of_user(&self, user: u32) -> Self {
        let filled = |text: &str| text.replace("{user}", &user.to_string());
        match self {
            Self::Cookie(name) => Self::Cookie(filled(name)),
            Self::Header(name) => Self::Header(filled(name)),
            Self::Json(path) => Self::Json(filled(path)),
            Self::Form(name) => Self::Form(filled(name)),
        }
    }
}

/// A simulated user after the requests that run before the load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// The captured values, in the order of the workload's names; the number of the user is the last one.
    pub(crate) values: Vec<Value>,
    cookies: BTreeMap<String, String>,
}

impl Session {
    /// Appends the header line of the cookies, if there are any.
    pub(crate) fn write_cookies(&self, out: &mut Vec<u8>) {
        let mut before = "cookie: ";
        for (name, value) in &self.cookies {
            out.extend([before, name, "=", value].map(str::as_bytes).concat());
            before = "; ";
        }
        if !self.cookies.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Takes the cookies of an answer. Domain and path are ignored, since all requests go to one app.
    fn keep_cookies(&mut self, answer: &Answer) {
        for line in answer.all("set-cookie") {
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let is_removed = parts.any(|attribute| {
                let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
                key.eq_ignore_ascii_case("max-age") && value.trim().parse().is_ok_and(|age: i64| age <= 0)
                    || key.eq_ignore_ascii_case("expires") && value.contains("1970")
            });
            if is_removed {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Returns the value that `capture` finds. The error describes what there is instead.
    fn find(&self, capture: &Capture, answer: &Answer) -> Result<Value, String> {
        let known = |names: Vec<&str>| match names.as_slice() {
            [] => "there are none".to_owned(),
            names => format!("there are {}", names.join(", ")),
        };
        match capture {
            Capture::Cookie(name) => self.cookies.get(name).cloned().map(Value::from).ok_or_else(|| {
                format!("there is no cookie {name}; {}", known(self.cookies.keys().map(String::as_str).collect()))
            }),
            Capture::Header(name) => answer.all(name).next().map(Value::from).ok_or_else(|| {
                let names = answer.headers.iter().map(|(name, _)| name.as_str());
                format!("the answer has no header {name}; {}", known(names.collect()))
            }),
            Capture::Json(path) => json(path, &answer.body),
            Capture::Form(name) => {
                let html = String::from_utf8_lossy(&answer.body);
                let fields = form::fields(&html);
                let found = fields.iter().find(|(field, _)| field == name);
                found.map(|(_, value)| value.as_str().into()).ok_or_else(|| {
                    let names = fields.iter().map(|(field, _)| field.as_str());
                    format!("the answer has no form field {name}; {}", known(names.collect()))
                })
            }
        }
    }
}

/// Returns the field of a JSON document. The error says how far the path leads.
fn json(path: &str, body: &[u8]) -> Result<Value, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let mut at = &document;
    for part in path.split('.') {
        at = match at {
            Value::Object(fields) => fields.get(part).ok_or_else(|| {
                let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                format!("the answer has no field {part} of {path}; there are {}", names.join(", "))
            })?,
            Value::Array(items) => part
                .parse()
                .ok()
                .and_then(|index: usize| items.get(index))
                .ok_or_else(|| format!("the answer has no item {part} of {path}, in a list of {}", items.len()))?,
            _ => return Err(format!("the answer has no field {part} of {path}: before it is a plain value")),
        };
    }
    match at {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(at.clone()),
        _ => Err(format!("{path} is not a text, a number or a boolean in the answer")),
    }
}

/// Sends the requests that a workload has `before` the load, in order, for one simulated user after the other. Returns a
/// session of each user.
///
/// # Errors
/// Fails when a request is answered unexpectedly, a capture finds nothing, or `cancel` is set.
pub fn open_sessions(workload: &Workload, targets: &Targets, cancel: &AtomicBool) -> Result<Vec<Session>, Error> {
    (1..=workload.users()).map(|user| open(workload, targets, user, cancel)).collect()
}

fn open(workload: &Workload, targets: &Targets, user: u32, cancel: &AtomicBool) -> Result<Session, Error> {
    let mut session = Session { values: vec![Value::Null; workload.captured().len()], cookies: BTreeMap::new() };
    session.values.push(user.into());
    for (position, before) in workload.before().iter().enumerate() {
        let request = &before.request;
        let fail = |field: &str, problem: String| Error::Before {
            request: format!("{} ({})", position + 1, request.name()),
            field: field.to_owned(),
            user,
            problem,
        };
        if cancel.load(Ordering::Relaxed) {
            return Err(fail("", "it was interrupted".to_owned()));
        }
        let target = targets.of(request.name());
        let mut bytes = Vec::new();
        let draw = workload.draw_before(position, user);
        request.write(draw, &session, &target.authority, &mut bytes);
        let answer = exchange(target, &bytes, request.method() == Method::Head).map_err(|problem| fail("", problem))?;
        if !request.expects(answer.status) {
            let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(SHOWN_BYTES)]).into_owned();
            let shown: String = body.chars().filter(|c| !c.is_control()).collect();
            return Err(fail("", format!("it was answered {} {shown}", answer.status).trim_end().to_owned()));
        }
        session.keep_cookies(&answer);
        for (name, capture) in &before.captures {
            let field = format!("capture.{name}");
            let value = session.find(&capture.of_user(user), &answer).map_err(|problem| fail(&field, problem))?;
            if value.as_str().is_some_and(|text| text.contains(char::is_control)) {
                return Err(fail(&field, "the value has a control character".to_owned()));
            }
            if let Some(index) = workload.captured().iter().position(|known| known == name) {
                session.values[index] = value;
            }
        }
    }
    Ok(session)
}
