//! `OpenAPI` documents, in JSON or YAML, as the requests of a workload.
//!
//! Values come from the document's examples, defaults and lists of choices; where it has none, they are made up from the
//! type, and [`Operation::guesses`] names them.
//!
//! # Source
//! `OpenAPI` Specification 3.0.4 and 3.1.1; JSON Schema 2020-12. References to other files are not followed.

mod example;
mod reference;

use std::collections::BTreeMap;

use serde_json::Value;
use splitcost_load::{Body, Method, Param, RequestSpec, literal, literal_json};

use self::example::Example;
use self::reference::{Node, Root};

/// The fields of a path item that are operations.
///
/// # Source
/// `OpenAPI` Specification 3.2.0, path item object.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// The requests of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The operations, in the order of the document.
    pub operations: Vec<Operation>,
    /// A sentence for each operation that was left out, with the reason.
    pub left_out: Vec<String>,
}

/// An operation as a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The request.
    pub spec: RequestSpec,
    /// The values that the document does not give: parameters by their name, others as `body.items.0.name`.
    pub guesses: Vec<String>,
    /// True where a guess is only a text to be replaced: the app cannot be expected to know it.
    pub is_incomplete: bool,
}

/// The text in place of a value of which nothing is known.
pub(crate) const UNKNOWN: &str = "FILL IN";

/// The range of whole numbers that a parameter gets without an example.
///
/// Chosen: the first keys of a table exist in most databases for tests.
const GUESSED_IDS: [i64; 2] = [1, 10];

/// Headers that the specification excludes from parameters.
const NO_PARAMETERS: [&str; 3] = ["accept", "content-type", "authorization"];

/// Reads a document.
///
/// # Errors
/// A sentence with the place, when the text is no document of a known version, or a reference in it leads nowhere.
pub fn read(text: &str) -> Result<Document, String> {
    let value = parse(text.trim_start_matches('\u{feff}'))?;
    let version = match (value.get("openapi"), value.get("swagger")) {
        (Some(Value::String(version)), _) => version.as_str(),
        (None, Some(_)) => return Err("it is a document of Swagger 2.0; OpenAPI 3.0 and 3.1 are read".to_owned()),
        _ => return Err("it has no field `openapi` with a version".to_owned()),
    };
    if !version.starts_with("3.") {
        return Err(format!("its version is OpenAPI {version:?}; 3.0 and 3.1 are read"));
    }
    let root = Root(&value);
    let paths = root.node().get("paths").map(|paths| root.resolve(paths)).transpose()?;
    let base = base_path(&value);
    let mut document = Document::default();
    for (path, item) in paths.iter().map(Node::fields).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        if !path.starts_with('/') {
            // An extension of the specification.
            continue;
        }
        let item = root.resolve(item)?;
        for (name, operation) in item.fields()? {
            let Some(name) = METHODS.iter().find(|method| method.eq_ignore_ascii_case(name)) else { continue };
            let Some(method) = Method::find(&name.to_ascii_uppercase()) else { continue };
            document.operations.push(request(root, method, &format!("{base}{path}"), &item, &operation)?);
        }
    }
    Ok(document)
}

/// Reads JSON or YAML.
fn parse(text: &str) -> Result<Value, String> {
    let json = serde_json::from_str(text);
    if let Ok(value) = json {
        return Ok(value);
    }
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| match json {
        Err(json) if text.trim_start().starts_with('{') => json.to_string(),
        _ => error.to_string(),
    })
}

/// Returns the path of the first server, without a slash at the end.
fn base_path(document: &Value) -> String {
    let Some(server) = document.pointer("/servers/0") else { return String::new() };
    let mut url = server.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url.as_str(),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    if path.starts_with('/') && !path.contains(['{', '}']) { path.to_owned() } else { String::new() }
}

/// Makes the request of one operation.
fn request(
    root: Root<'_>,
    method: Method,
    template: &str,
    item: &Node<'_>,
    operation: &Node<'_>,
) -> Result<Operation, String> {
    operation.fields()?;
    let mut making = Making::new(method, template);
    let mut parameters: BTreeMap<(String, String), Node<'_>> = BTreeMap::new();
    for owner in [item, operation] {
        for parameter in owner.get("parameters").map(|list| list.items()).transpose()?.into_iter().flatten() {
            let parameter = root.resolve(parameter)?;
            let key = (parameter.text("in")?.to_owned(), parameter.text("name")?.to_owned());
            // The operation's own parameter replaces that of the path.
            parameters.insert(key, parameter);
        }
    }
    for ((place, name), parameter) in parameters {
        making.parameter(root, &place, &name, &parameter)?;
    }
    if let Some(body) = operation.get("requestBody") {
        making.body(root, &root.resolve(body)?)?;
    }
    let security = operation.get("security").or_else(|| root.node().get("security"));
    // An empty alternative allows requests without credentials.
    let is_closed = security.is_some_and(|security| {
        let alternatives = security.value.as_array();
        alternatives
            .is_some_and(|all| !all.is_empty() && all.iter().all(|one| *one != Value::Object([].into_iter().collect())))
    });
    if is_closed {
        making.guess("credentials", true);
    }
    Ok(making.finish())
}

/// A request while it is made.
struct Making {
    spec: RequestSpec,
    query: Vec<String>,
    guesses: Vec<String>,
    is_incomplete: bool,
}

impl Making {
    fn new(method: Method, template: &str) -> Self {
        Self { spec: RequestSpec::new(method, template), query: Vec::new(), guesses: Vec::new(), is_incomplete: false }
    }

    fn guess(&mut self, name: &str, is_incomplete: bool) {
        self.guesses.push(name.to_owned());
        self.is_incomplete |= is_incomplete;
    }

    /// Adds a parameter. Those that are optional and have no example are left out.
    fn parameter(&mut self, root: Root<'_>, place: &str, name: &str, parameter: &Node<'_>) -> Result<(), String> {
        let is_required = place == "path" || parameter.get("required").is_some_and(|given| *given.value == true);
        let has_example = parameter.get("example").is_some() || parameter.get("examples").is_some();
        if !(is_required || place == "query" && has_example) {
            return Ok(());
        }
        let is_header = place == "header" && !NO_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        if !(matches!(place, "path" | "query") || is_header) {
            return Ok(());
        }
        let holder = self.free_name(name);
        match place {
            "path" => {
                let wanted = format!("{{{name}}}");
                if !self.spec.path.contains(&wanted) {
                    return Err(format!("{}: the path has no placeholder {wanted}", parameter.place()));
                }
                self.spec.path = self.spec.path.replace(&wanted, &format!("{{{holder}}}"));
            }
            "query" => self.query.push(format!("{}={{{holder}}}", encoded(name))),
            _ => self.spec.set_header(name, format!("{{{holder}}}")),
        }
        let (values, is_known) = Self::values(root, name, parameter)?;
        if !is_known {
            self.guess(name, matches!(&values, Param::Choice(choices) if choices.contains(&UNKNOWN.into())));
        }
        self.spec.params.insert(holder, values);
        Ok(())
    }

    /// Returns the values of a parameter, and true if the document gives them.
    fn values(root: Root<'_>, name: &str, parameter: &Node<'_>) -> Result<(Param, bool), String> {
        let media = parameter.get("content").map(|content| content.fields()).transpose()?;
        let holder = media.and_then(|media| media.into_iter().next()).map(|(_, media)| media);
        let holder = holder.as_ref().unwrap_or(parameter);
        let given: Vec<Value> = given(root, holder)?.into_iter().filter_map(plain).collect();
        if !given.is_empty() {
            return Ok((Param::Choice(given), true));
        }
        let Some(schema) = holder.get("schema") else { return Ok((Param::Choice(vec![UNKNOWN.into()]), false)) };
        let schema = root.resolve(schema)?;
        for list in ["examples", "enum"] {
            let values = schema.get(list).and_then(|values| values.value.as_array().cloned());
            let choices: Vec<Value> = values.into_iter().flatten().filter_map(plain).collect();
            if !choices.is_empty() {
                return Ok((Param::Choice(choices), true));
            }
        }
        let mut example = Example::new(root, name);
        let value = example.of(&schema)?.and_then(plain).unwrap_or_else(|| UNKNOWN.into());
        let is_known = example.guesses.is_empty();
        if !is_known && value.is_i64() {
            let bound = |name: &str| schema.get(name).and_then(|bound| bound.value.as_i64());
            let low = bound("minimum").unwrap_or(GUESSED_IDS[0]);
            let high = bound("maximum").unwrap_or(i64::MAX).min(low.saturating_add(GUESSED_IDS[1] - GUESSED_IDS[0]));
            return Ok((Param::Int([low, high.max(low)]), false));
        }
        if !is_known && value.is_boolean() {
            return Ok((Param::Choice(vec![true.into(), false.into()]), true));
        }
        Ok((Param::Choice(vec![value]), is_known))
    }

    /// Adds the body, where it can be JSON.
    fn body(&mut self, root: Root<'_>, body: &Node<'_>) -> Result<(), String> {
        let Some(content) = body.get("content") else { return Ok(()) };
        let media = content.fields()?;
        let is_json = |kind: &str| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json") || kind == "*/*"
        };
        let Some((kind, media)) = media.iter().find(|(kind, _)| is_json(kind)) else {
            if let Some((kind, _)) = media.first() {
                self.guess(&format!("body ({kind})"), true);
            }
            return Ok(());
        };
        let mut example = Example::new(root, "body");
        let value = match given(root, media)?.into_iter().next() {
            Some(given) => Some(given),
            None => media.get("schema").map(|schema| example.of(&root.resolve(schema)?)).transpose()?.flatten(),
        };
        self.guesses.append(&mut example.guesses);
        self.is_incomplete |= example.is_incomplete;
        if let Some(value) = value {
            if kind.ends_with("+json") {
                self.spec.set_header("content-type", literal(kind));
            }
            self.spec.body = Some(Body::Json(literal_json(&value)));
        }
        Ok(())
    }

    /// Returns a name for a placeholder that no parameter has yet.
    fn free_name(&self, name: &str) -> String {
        let mut holder: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        while self.spec.params.contains_key(&holder) {
            holder.push('_');
        }
        holder
    }

    /// Gives a value to each placeholder of the path that the document does not describe.
    fn undescribed(&mut self) {
        let path = std::mem::take(&mut self.spec.path);
        let mut rest = path.as_str();
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            let mut holder = name.to_owned();
            if !self.spec.params.contains_key(name) {
                holder = self.free_name(name);
                self.guess(name, true);
                self.spec.params.insert(holder.clone(), Param::Choice(vec![UNKNOWN.into()]));
            }
            self.spec.path += &[&literal(before), "{", &holder, "}"].concat();
            rest = after;
        }
        self.spec.path.push_str(&literal(rest));
    }

    fn finish(mut self) -> Operation {
        self.undescribed();
        if !self.query.is_empty() {
            self.spec.path = format!("{}?{}", self.spec.path, self.query.join("&"));
        }
        Operation { spec: self.spec, guesses: self.guesses, is_incomplete: self.is_incomplete }
    }
}

/// Returns the examples that a parameter or a media type gives.
fn given(root: Root<'_>, holder: &Node<'_>) -> Result<Vec<Value>, String> {
    if let Some(example) = holder.get("example") {
        return Ok(vec![example.value.clone()]);
    }
    let Some(examples) = holder.get("examples") else { return Ok(Vec::new()) };
    let mut values = Vec::new();
    for (_, example) in examples.fields()? {
        values.extend(root.resolve(example)?.get("value").map(|value| value.value.clone()));
    }
    Ok(values)
}

/// Returns a value as one of a parameter: the first item of a list; none for objects and null.
fn plain(value: Value) -> Option<Value> {
    match value {
        Value::Array(items) => items.into_iter().next().and_then(plain),
        Value::Object(_) | Value::Null => None,
        plain => Some(plain),
    }
}

/// Returns a name of a query, percent-encoded.
fn encoded(name: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]".contains(&byte);
    name.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests;
