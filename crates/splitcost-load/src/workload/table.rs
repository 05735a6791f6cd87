//! A workload as it is written in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{Body, Method, Param, RequestSpec, Workload};
use crate::Error;
use crate::session::Capture;

/// The most simulated users.
///
/// Chosen: each costs a log-in before every run, and servers are seldom asked to keep more sessions.
const MAX_USERS: u32 = 1_000;

/// A workload as it is written in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadTable {
    #[serde(default)]
    seed: u64,
    #[serde(default = "one")]
    users: u32,
    #[serde(default)]
    before: Vec<RequestTable>,
    requests: Vec<RequestTable>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestTable {
    name: Option<String>,
    #[serde(default)]
    method: Method,
    path: String,
    weight: Option<u32>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    params: BTreeMap<String, Param>,
    body: Option<Value>,
    body_text: Option<String>,
    body_form: Option<BTreeMap<String, String>>,
    body_file: Option<PathBuf>,
    #[serde(default)]
    expect: Vec<u16>,
    #[serde(default)]
    capture: BTreeMap<String, Capture>,
}

fn one() -> u32 {
    1
}

impl WorkloadTable {
    /// Returns the seed of the random generator.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns true if requests run before the load.
    pub fn has_before(&self) -> bool {
        !self.before.is_empty()
    }

    /// Returns the requests of the load, with the contents of their files. Relative paths start at `dir`.
    pub fn requests(self, dir: &Path) -> Result<Vec<RequestSpec>, Error> {
        specs(self.requests, dir)
    }

    /// Validates the workload and reads its files. Relative paths start at `dir`.
    pub fn compile(self, dir: &Path) -> Result<Workload, Error> {
        let fail = |request: &str, field: &str, problem: &str| Error::Workload {
            request: request.to_owned(),
            field: field.to_owned(),
            problem: problem.to_owned(),
        };
        if !(1..=MAX_USERS).contains(&self.users) {
            return Err(fail("of every user", "users", &format!("it is not from 1 to {MAX_USERS}")));
        }
        if self.users > 1 && self.before.is_empty() {
            return Err(fail("of every user", "users", "users differ only by [[workload.before]], which is missing"));
        }
        if let Some(request) = self.requests.iter().find(|request| !request.capture.is_empty()) {
            return Err(fail(&request.path, "capture", "only requests of [[workload.before]] can capture values"));
        }
        if let Some(request) = self.before.iter().find(|request| request.weight.is_some()) {
            return Err(fail(&request.path, "weight", "every request of [[workload.before]] is sent once"));
        }
        let captures: Vec<_> = self.before.iter().map(|request| request.capture.clone()).collect();
        let before = specs(self.before, dir)?.into_iter().zip(captures).collect();
        Workload::with_sessions(self.seed, self.users, before, specs(self.requests, dir)?)
    }
}

fn specs(requests: Vec<RequestTable>, dir: &Path) -> Result<Vec<RequestSpec>, Error> {
    requests.into_iter().enumerate().map(|(position, request)| request.spec(position, dir)).collect()
}

impl RequestTable {
    fn spec(self, position: usize, dir: &Path) -> Result<RequestSpec, Error> {
        let Self { name, method, path, headers, params, body, body_text, body_form, body_file, expect, .. } = self;
        let weight = self.weight.unwrap_or(1);
        let mut spec = RequestSpec { name, method, path, weight, headers, params, body: None, expect };
        let bodies = [
            body.map(|value| Ok(Body::Json(plain_dates(value)))),
            body_text.map(|text| Ok(Body::Text(text))),
            body_form.map(|fields| Ok(Body::Form(fields))),
            body_file.map(|file| {
                let file = dir.join(file);
                Body::file(&file).map_err(|error| ("body_file", format!("failed to read {}: {error}", file.display())))
            }),
        ];
        for body in bodies.into_iter().flatten() {
            let fail = |(field, problem)| Error::Workload { request: spec.label(position), field, problem };
            let body = body.map_err(|(field, problem): (&str, String)| fail((field.to_owned(), problem)))?;
            if spec.body.is_some() {
                return Err(fail((
                    "body".into(),
                    "a request has only one of body, body_text, body_form and body_file".into(),
                )));
            }
            spec.body = Some(body);
        }
        Ok(spec)
    }
}

/// Converts the dates of TOML to JSON strings. The deserializer represents each as a table with one private key.
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

    /// Validates a workload. Relative paths start at the working directory.
    fn try_from(table: WorkloadTable) -> Result<Self, Error> {
        table.compile(Path::new(""))
    }
}
