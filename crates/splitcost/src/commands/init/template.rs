//! Writes the settings file that `splitcost init` makes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use splitcost_bench::openapi::Operation;
use splitcost_load::{Body, Method, Param, RequestSpec, literal, literal_json};

use super::survey::{Part, Route, Start, Values};

/// The range of whole numbers that a placeholder gets at first.
///
/// Chosen: the first keys of a table exist in most databases for tests.
const GUESSED_IDS: [i64; 2] = [1, 10];

/// Guessed values that are named beside a request.
///
/// Chosen: as many as fit the line.
const SHOWN_GUESSES: usize = 6;

/// The parts of the file that depend on the app.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) start: Start,
    pub(super) packages: Vec<String>,
    pub(super) named_modules: Vec<String>,
    pub(super) directory: Option<String>,
    pub(super) parts: Vec<Part>,
    pub(super) requests: Vec<Listed>,
    pub(super) celery: Vec<String>,
    /// The variables of the environment by which the app finds its database.
    pub(super) database_variables: Vec<String>,
    /// The command that makes the app's tables.
    pub(super) setup: Vec<String>,
}

/// A request of the workload, or one that a person has to complete first.
#[derive(Debug)]
pub(super) struct Listed {
    spec: RequestSpec,
    /// A remark for the person who completes it.
    note: Option<String>,
    is_active: bool,
}

impl Listed {
    /// Makes a request that can be sent as it is.
    pub(super) fn ready(spec: RequestSpec) -> Self {
        Self { spec, note: None, is_active: true }
    }

    /// Makes the request of a route. It is active if it changes nothing and its values can be guessed.
    pub(super) fn of(route: &Route) -> Option<Self> {
        let method = Method::find(&route.method)?;
        let param = |values: &Values| match values {
            Values::Type(kind) if kind == "int" => Param::Int(GUESSED_IDS),
            Values::Type(_) => Param::Choice(vec!["FILL IN".into()]),
            Values::Choices(choices) => Param::Choice(choices.iter().map(|choice| choice.as_str().into()).collect()),
        };
        let params: BTreeMap<String, Param> =
            route.params.iter().map(|(name, values)| (name.clone(), param(values))).collect();
        let body = route.body.as_ref().map(|body| Body::Json(literal_json(body)));
        let is_read = method == Method::Get;
        let can_guess = !route.params.values().any(|values| matches!(values, Values::Type(kind) if kind != "int"));
        let note = match (params.is_empty(), &body, is_read) {
            (true, None, true) => None,
            (false, None, true) => Some("fill in: values that exist"),
            (_, None, false) => Some("fill in: the body, and values that exist"),
            (_, Some(_), _) => Some("fill in: a body that the app accepts, and values that exist"),
        };
        let spec = RequestSpec { params, body, ..RequestSpec::new(method, route.path.clone()) };
        let is_active = is_read && can_guess && !ends_session(&spec.path);
        Some(Self { spec, note: note.map(str::to_owned), is_active })
    }

    /// Makes the request of a documented operation. It is active if it changes nothing and needs nobody to complete it.
    pub(super) fn documented(operation: Operation) -> Self {
        let Operation { spec, guesses, is_incomplete } = operation;
        let is_read = matches!(spec.method, Method::Get | Method::Head | Method::Options);
        let more = if guesses.len() > SHOWN_GUESSES { ", …" } else { "" };
        let shown: Vec<&str> = guesses.iter().map(String::as_str).take(SHOWN_GUESSES).collect();
        let note = (!guesses.is_empty()).then(|| format!("fill in: {}{more}", shown.join(", ")));
        let is_active = is_read && !is_incomplete && !ends_session(&spec.path);
        Self { spec, note, is_active }
    }

    /// Returns true if the request is sent and needs no values.
    fn is_certain(&self) -> bool {
        self.is_active && self.spec.method == Method::Get && self.spec.params.is_empty()
    }
}

/// Returns true if a request would log the user out, as far as its path says.
fn ends_session(path: &str) -> bool {
    let letters: String = path.chars().filter(char::is_ascii_alphabetic).collect();
    ["logout", "signout"].iter().any(|word| letters.to_ascii_lowercase().contains(word))
}

/// Returns the text of the file. Writing to a string cannot fail.
pub(super) fn render(draft: &Draft) -> String {
    let mut text = String::from(
        "# Settings of splitcost for this app. Every key is described in docs/configuration.md of splitcost.\n\
         # Check what is marked with \"fill in\", then run: splitcost record, and: splitcost evaluate\n\n",
    );
    app(&mut text, draft);
    workload(&mut text, draft);
    splits(&mut text, draft);
    text
}

fn app(text: &mut String, draft: &Draft) {
    let Draft { start, packages, named_modules, directory, .. } = draft;
    let ready =
        draft.requests.iter().find(|request| request.is_certain()).map_or("/", |request| request.spec.path.as_str());
    let mark = if start.command.iter().any(|word| word.contains("FILL IN")) {
        "# fill in: the arguments of the function that makes the app\n"
    } else {
        ""
    };
    let _ = write!(
        text,
        "[app]\n# The start command. {{port}} becomes a free port, {{workdir}} a scratch directory that is removed at the \
         end, and\n# {{arm}} a name for each copy of the app that runs at the same time.\n{mark}command = {}\n",
        list(&start.command)
    );
    if let Some(directory) = directory {
        let _ = writeln!(text, "# The directory in which the packages lie.\ncwd = {}", quoted(directory));
    }
    let package = match packages.as_slice() {
        [one] => quoted(one),
        several => list(several),
    };
    let _ = writeln!(text, "# The packages of the app. Calls are counted between their modules.\npackage = {package}");
    if named_modules.is_empty() {
        text.push_str(
            "# A module is a direct child of a package, unless it is named: a deeper one, a class, or a third-party package.\n\
             # modules = [\"shop.services:Orders\", \"stripe\"]\n",
        );
    } else {
        let _ = writeln!(text, "# The modules, where they are not the direct children of the packages.");
        let _ = writeln!(text, "modules = {}", list(named_modules));
    }
    text.push_str(
        "# The number of parts in the name of any other module: with 2, the code of shop.billing.invoices belongs to\n\
         # shop.billing.\n# depth = 2\n",
    );
    let _ =
        writeln!(text, "# A path that is answered with 2xx or 3xx when the app is ready.\nready = {}", quoted(ready));
    text.push_str("# fill in: each copy of the app needs a database of its own, and `setup` runs once for each.\n");
    let variable = |is_url: bool| {
        let names = draft.database_variables.iter();
        names.map(String::as_str).find(|name| ["URL", "URI", "DSN"].iter().any(|end| name.ends_with(end)) == is_url)
    };
    let _ = match (variable(true), variable(false)) {
        (None, Some(file)) => writeln!(text, "# env = {{ {file} = \"{{workdir}}/app.db\" }}"),
        (url, _) => {
            let url = url.unwrap_or("DATABASE_URL");
            write!(
                text,
                "# env = {{ {url} = \"sqlite:///{{workdir}}/app.db\" }}\n\
                 # env = {{ {url} = \"postgresql://localhost/app_{{arm}}\" }}\n"
            )
        }
    };
    let _ = writeln!(text, "# setup = {}", list(&draft.setup));
    for celery in &draft.celery {
        let _ = writeln!(text, "# There is a Celery app, too, which this command does not start: {celery}");
    }
}

fn workload(text: &mut String, draft: &Draft) {
    let _ = write!(
        text,
        "\n# The requests that drive the app. They are drawn by weight, and the values of parameters from ranges.\n\
         [workload]\nseed = 1\n\n\
         # Requests that run once for each copy of the app, for example to log in. Cookies are kept.\n\
         # [[workload.before]]\n# path = \"/login\"\n# capture = {{ csrf = {{ form = \"csrf_token\" }} }}\n#\n\
         # [[workload.before]]\n# method = \"POST\"\n# path = \"/login\"\n\
         # body_form = {{ user = \"test\", password = \"test\", csrf_token = \"{{csrf}}\" }}\n"
    );
    if !draft.requests.iter().any(|request| request.is_active) {
        text.push_str("\n# fill in: the requests of the app\n");
        request(text, &Listed::ready(RequestSpec::new(Method::Get, "/")));
    }
    let (active, waiting): (Vec<&Listed>, Vec<&Listed>) = draft.requests.iter().partition(|r| r.is_active);
    for listed in active {
        request(text, listed);
    }
    if !waiting.is_empty() {
        text.push_str(
            "\n# Routes that need values, or change something: fill them in, and remove the comment signs.\n",
        );
    }
    for listed in waiting {
        request(text, listed);
    }
}

/// Appends a request; one that is not active is a comment.
fn request(text: &mut String, Listed { spec, note, is_active }: &Listed) {
    let mut lines = vec!["[[workload.requests]]".to_owned()];
    if let Some(name) = spec.name.as_ref().filter(|name| **name != RequestSpec::new(spec.method, &*spec.path).name()) {
        lines.push(format!("name = {}", quoted(name)));
    }
    if spec.method != Method::Get {
        lines.push(format!("method = {}", quoted(spec.method.name())));
    }
    lines.push(format!("path = {}", quoted(&spec.path)));
    if spec.weight != 1 {
        lines.push(format!("weight = {}", spec.weight));
    }
    let mut headers = spec.headers.clone();
    let body = match &spec.body {
        Some(Body::Json(value)) => Some(format!("body = {}", inline(value))),
        Some(Body::Text(body)) => Some(format!("body_text = {}", quoted(body))),
        Some(Body::Form(fields)) => Some(format!("body_form = {}", inline(&serde_json::json!(fields)))),
        Some(Body::Bytes { bytes, content_type }) => {
            if !headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
                headers.insert("content-type".to_owned(), content_type.clone());
            }
            Some(format!("body_text = {}", quoted(&literal(&String::from_utf8_lossy(bytes)))))
        }
        Some(Body::Grpc(_)) | None => None,
    };
    if !headers.is_empty() {
        lines.push(format!("headers = {}", inline(&serde_json::json!(headers))));
    }
    if !spec.params.is_empty() {
        lines.push(format!("params = {}", inline(&serde_json::json!(spec.params))));
    }
    lines.extend(body);
    text.push('\n');
    for (i, line) in lines.iter().enumerate() {
        let note = note.as_ref().filter(|_| i == 0).map_or_else(String::new, |note| format!("  # {note}"));
        let _ = writeln!(text, "{}{line}{note}", if *is_active { "" } else { "# " });
    }
}

fn splits(text: &mut String, draft: &Draft) {
    let package = draft.packages.first().map_or("shop", String::as_str);
    let module = most_called(draft).unwrap_or_else(|| format!("{package}.pricing"));
    let service = module.rsplit('.').next().unwrap_or(&module);
    text.push_str(
        "\n# The splits to evaluate: the modules that would move into services of their own. All others stay in the \
         service main.\n# Without any, `splitcost record` proposes one, which the other commands use.\n",
    );
    if !draft.parts.is_empty() {
        text.push_str("# The modules, with their lines, and the calls to others that their source makes:\n");
    }
    let names = draft.parts.iter().map(|part| part.name.len()).max().unwrap_or(0);
    for part in &draft.parts {
        let calls: Vec<String> = part.calls.iter().map(|(callee, places)| format!("{callee} ({places})")).collect();
        let calls = if calls.is_empty() { String::new() } else { format!("  calls {}", calls.join(", ")) };
        let _ = writeln!(text, "#   {:names$} {:>6}{calls}", part.name, part.lines);
    }
    let _ = write!(
        text,
        "#\n# [splits.{service}]\n# services = {{ {service} = [\"{module}\"] }}\n\
         # # The stack of calls between services: \"httpx\" (HTTP/1.1 and JSON) or \"grpc\".\n# stack = \"httpx\"\n\
         # # The link between the services, instead of the loopback of this machine. `splitcost link list` lists the \
         profiles.\n# links = {{ default = \"cross-az-aws\" }}\n\
         # # The timeout and retries of calls between services.\n# calls = \"1s + 2 retries + budget 20%\"\n\n\
         # The price of computing.\n# [prices]\n# usd_per_vcpu_hour = 0.0445\n\n\
         # The load: arrivals in open loop, and requests in flight in closed loop.\n\
         # [load]\n# rate_reqs_per_sec = 50\n# concurrency = 16\n"
    );
}

/// Returns the module that the others call from the most places, if any is called.
fn most_called(draft: &Draft) -> Option<String> {
    let mut places: BTreeMap<&str, u64> = BTreeMap::new();
    for (callee, count) in draft.parts.iter().flat_map(|part| &part.calls) {
        *places.entry(callee).or_default() += count;
    }
    let is_part = |name: &str| draft.parts.iter().any(|part| part.name == name);
    let called = places.into_iter().filter(|(name, _)| is_part(name));
    called.max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
}

/// Returns a text in quotes. The escapes of JSON are escapes of TOML, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// Returns a value on one line of TOML. TOML has no null: such a field is left out.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let key = |key: &str| {
                let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
                if is_bare { key.to_owned() } else { quoted(key) }
            };
            let fields = fields.iter().filter(|(_, field)| !field.is_null());
            let fields: Vec<String> =
                fields.map(|(name, field)| format!("{} = {}", key(name), inline(field))).collect();
            if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter(|item| !item.is_null()).map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        scalar => scalar.to_string(),
    }
}
