//! Round trips from OpenTelemetry traces: the duration of a client's span minus that of its server's span.
//!
//! Only durations are compared, so that the clocks of two hosts need not agree. The difference contains the network, and the
//! work of client and server outside their spans. It is never shorter than the round trip.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

/// The most pairs of services that an error names.
///
/// Chosen: they fit on two lines.
const NAMED: usize = 5;

/// The services whose calls are selected; `None` selects any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Between<'a> {
    /// The calling service.
    pub from: Option<&'a str>,
    /// The called service.
    pub to: Option<&'a str>,
}

/// The round trips of the calls from one service to another.
#[derive(Debug)]
pub(super) struct RoundTrips {
    pub(super) from: String,
    pub(super) to: String,
    /// The round trip of each call.
    pub(super) micros: Vec<f64>,
    /// The number of calls without a usable round trip: the server's span was longer, or there were several.
    pub(super) left_out: usize,
}

#[derive(Deserialize)]
struct Export {
    #[serde(alias = "resourceSpans")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
struct ResourceSpans {
    #[serde(default)]
    resource: Resource,
    #[serde(alias = "scopeSpans", alias = "instrumentationLibrarySpans", default)]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    #[serde(default)]
    value: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Value {
    #[serde(alias = "stringValue")]
    string_value: Option<String>,
}

#[derive(Deserialize)]
struct ScopeSpans {
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    #[serde(rename = "traceId", alias = "trace_id")]
    trace: String,
    #[serde(rename = "spanId", alias = "span_id")]
    id: String,
    #[serde(rename = "parentSpanId", alias = "parent_span_id", default)]
    parent: String,
    #[serde(default)]
    kind: Scalar,
    #[serde(rename = "startTimeUnixNano", alias = "start_time_unix_nano")]
    start: Scalar,
    #[serde(rename = "endTimeUnixNano", alias = "end_time_unix_nano")]
    end: Scalar,
}

/// A number, its text, or a name, since exporters differ.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Number(u64),
    Text(String),
}

impl Default for Scalar {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Scalar {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }

    fn is(&self, number: u64, name: &str) -> bool {
        self.number() == Some(number) || matches!(self, Self::Text(text) if text == name)
    }
}

/// A client's span, and the spans of its servers.
struct ClientSpan {
    service: String,
    nanos: u64,
    servers: Vec<ServerSpan>,
}

/// The service and the duration of a server's span.
struct ServerSpan {
    service: String,
    nanos: u64,
}

/// Returns true if a text is an export of traces.
pub(super) fn is_export(text: &str) -> bool {
    text.contains("\"resourceSpans\"") || text.contains("\"resource_spans\"")
}

/// Reads the round trips of one pair of services. An error has a line and a problem.
pub(super) fn read(text: &str, between: Between<'_>) -> Result<RoundTrips, (usize, String)> {
    let mut clients = HashMap::new();
    let mut servers = Vec::new();
    // The file has one export, or one per line.
    for export in serde_json::Deserializer::from_str(text).into_iter::<Export>() {
        let export = export.map_err(|error| (error.line(), format!("not an OpenTelemetry export: {error}")))?;
        for resource_spans in export.resource_spans {
            let name = resource_spans.resource.attributes.into_iter().find(|one| one.key == "service.name");
            let service = name.and_then(|name| name.value.string_value).unwrap_or_else(|| "unknown".to_owned());
            for span in resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let nanos = duration(&span).map_err(|problem| (line_of(text, &span.id), problem))?;
                if span.kind.is(3, "SPAN_KIND_CLIENT") {
                    let client = ClientSpan { service: service.clone(), nanos, servers: Vec::new() };
                    clients.insert((span.trace, span.id), client);
                } else if span.kind.is(2, "SPAN_KIND_SERVER") {
                    servers.push(((span.trace, span.parent), service.clone(), nanos));
                }
            }
        }
    }
    for (parent, service, nanos) in servers {
        if let Some(client) = clients.get_mut(&parent) {
            client.servers.push(ServerSpan { service, nanos });
        }
    }
    one_pair(clients.into_values(), between).map_err(|problem| (text.lines().count(), problem))
}

fn duration(span: &Span) -> Result<u64, String> {
    let time = |value: &Scalar, what: &str| value.number().ok_or(format!("{what} of span {} is not a time", span.id));
    let begin = time(&span.start, "startTimeUnixNano")?;
    let end = time(&span.end, "endTimeUnixNano")?;
    end.checked_sub(begin).ok_or(format!("span {} ends before it begins", span.id))
}

/// Returns the line with the id of a span. Its occurrences as a parent do not count.
fn line_of(text: &str, span: &str) -> usize {
    let quoted = format!("\"{span}\"");
    let own = |at: usize| {
        let before = text[..at].trim_end().trim_end_matches(':').trim_end();
        before.ends_with("\"spanId\"") || before.ends_with("\"span_id\"")
    };
    let at = text.match_indices(&quoted).map(|(at, _)| at).find(|at| own(*at));
    text[..at.unwrap_or(0)].matches('\n').count() + 1
}

/// Returns the round trips of the only pair of services that was selected.
fn one_pair(clients: impl Iterator<Item = ClientSpan>, between: Between<'_>) -> Result<RoundTrips, String> {
    let mut pairs: BTreeMap<(String, String), RoundTrips> = BTreeMap::new();
    for client in clients {
        let Some(server) = client.servers.first() else { continue };
        let asked = |own: &str, asked: Option<&str>| asked.is_none_or(|asked| asked == own);
        if !asked(&client.service, between.from) || !asked(&server.service, between.to) {
            continue;
        }
        let (from, to) = (client.service.clone(), server.service.clone());
        let pair = pairs.entry((from.clone(), to.clone())).or_insert_with(|| {
            let micros = Vec::new();
            RoundTrips { from, to, micros, left_out: 0 }
        });
        match client.nanos.checked_sub(server.nanos) {
            Some(nanos) if client.servers.len() == 1 => pair.micros.push(nanos as f64 / 1e3),
            _ => pair.left_out += 1,
        }
    }
    let count = |pair: &RoundTrips| pair.micros.len() + pair.left_out;
    let mut pairs: Vec<RoundTrips> = pairs.into_values().collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(count(pair)));
    match pairs.len() {
        0 => Err("no client span between the selected services has a server span as its child".to_owned()),
        1 => Ok(pairs.remove(0)),
        several => {
            let name = |pair: &RoundTrips| format!("{} to {} ({})", pair.from, pair.to, count(pair));
            let named: Vec<String> = pairs.iter().take(NAMED).map(name).collect();
            let more = if several > NAMED { ", and more" } else { "" };
            Err(format!(
                "there are calls between {several} pairs of services; select one with --from and --to: {}{more}",
                named.join(", ")
            ))
        }
    }
}
