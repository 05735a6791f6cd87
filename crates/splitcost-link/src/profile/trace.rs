//! Round trips out of traces of OpenTelemetry: what a call took its client and not its server.
//!
//! Only durations are compared, so that clocks of two hosts need not agree. What is left is the network, and what client
//! and server do outside their spans: it is never less than the round trip.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

/// Chosen: so many links are named when there are several.
const NAMED: usize = 5;

/// Who calls and who is called, where that was said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Between<'a> {
    /// The service of the client.
    pub from: Option<&'a str>,
    /// The service of the server.
    pub to: Option<&'a str>,
}

/// Calls of one service to another.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) from: String,
    pub(super) to: String,
    /// The round trip of each.
    pub(super) micros: Vec<f64>,
    /// Calls that tell none: the server outlasted the client, or answered several times.
    pub(super) left_out: usize,
}

#[derive(Deserialize)]
struct Export {
    #[serde(alias = "resourceSpans")]
    resource_spans: Vec<OfResource>,
}

#[derive(Deserialize)]
struct OfResource {
    #[serde(default)]
    resource: Resource,
    #[serde(alias = "scopeSpans", alias = "instrumentationLibrarySpans", default)]
    scope_spans: Vec<OfScope>,
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
struct OfScope {
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
    kind: Word,
    #[serde(rename = "startTimeUnixNano", alias = "start_time_unix_nano")]
    start: Word,
    #[serde(rename = "endTimeUnixNano", alias = "end_time_unix_nano")]
    end: Word,
}

/// A number, or its text, or a name: writers differ.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Number(u64),
    Text(String),
}

impl Default for Word {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Word {
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

/// A span of a client, and what its servers said.
struct Call {
    service: String,
    nanos: u64,
    servers: Vec<(String, u64)>,
}

/// Whether a text is an export of traces.
pub(super) fn is_one(text: &str) -> bool {
    text.contains("\"resourceSpans\"") || text.contains("\"resource_spans\"")
}

/// The calls of one link.
pub(super) fn read(text: &str, between: Between<'_>) -> Result<Calls, (usize, String)> {
    let mut clients = HashMap::new();
    let mut servers = Vec::new();
    // One export, or one a line.
    for export in serde_json::Deserializer::from_str(text).into_iter::<Export>() {
        let export = export.map_err(|error| (error.line(), format!("not an export of OpenTelemetry: {error}")))?;
        for of_resource in export.resource_spans {
            let name = of_resource.resource.attributes.into_iter().find(|one| one.key == "service.name");
            let service = name.and_then(|name| name.value.string_value).unwrap_or_else(|| "unknown".to_owned());
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let nanos = duration(&span).map_err(|problem| (line_of(text, &span.id), problem))?;
                if span.kind.is(3, "SPAN_KIND_CLIENT") {
                    let call = Call { service: service.clone(), nanos, servers: Vec::new() };
                    clients.insert((span.trace, span.id), call);
                } else if span.kind.is(2, "SPAN_KIND_SERVER") {
                    servers.push(((span.trace, span.parent), service.clone(), nanos));
                }
            }
        }
    }
    for (parent, service, nanos) in servers {
        if let Some(client) = clients.get_mut(&parent) {
            client.servers.push((service, nanos));
        }
    }
    one_link(clients.into_values(), between).map_err(|problem| (text.lines().count(), problem))
}

fn duration(span: &Span) -> Result<u64, String> {
    let time = |word: &Word, what: &str| word.number().ok_or(format!("{what} of span {} is no time", span.id));
    let begin = time(&span.start, "startTimeUnixNano")?;
    let end = time(&span.end, "endTimeUnixNano")?;
    end.checked_sub(begin).ok_or(format!("span {} ends before it begins", span.id))
}

/// The line that names a span; as another's parent it does not count.
fn line_of(text: &str, span: &str) -> usize {
    let quoted = format!("\"{span}\"");
    let own = |at: usize| {
        let before = text[..at].trim_end().trim_end_matches(':').trim_end();
        before.ends_with("\"spanId\"") || before.ends_with("\"span_id\"")
    };
    let at = text.match_indices(&quoted).map(|(at, _)| at).find(|at| own(*at));
    text[..at.unwrap_or(0)].matches('\n').count() + 1
}

fn one_link(calls: impl Iterator<Item = Call>, between: Between<'_>) -> Result<Calls, String> {
    let mut links: BTreeMap<(String, String), Calls> = BTreeMap::new();
    for call in calls {
        let Some((to, nanos)) = call.servers.first() else { continue };
        let asked = |own: &str, asked: Option<&str>| asked.is_none_or(|asked| asked == own);
        if !asked(&call.service, between.from) || !asked(to, between.to) {
            continue;
        }
        let (from, to) = (call.service, to.clone());
        let link = links.entry((from.clone(), to.clone())).or_insert_with(|| {
            let micros = Vec::new();
            Calls { from, to, micros, left_out: 0 }
        });
        match call.nanos.checked_sub(*nanos) {
            Some(nanos) if call.servers.len() == 1 => link.micros.push(nanos as f64 / 1e3),
            _ => link.left_out += 1,
        }
    }
    let count = |link: &Calls| link.micros.len() + link.left_out;
    let mut links: Vec<Calls> = links.into_values().collect();
    links.sort_by_key(|link| std::cmp::Reverse(count(link)));
    match links.len() {
        0 => Err("no span of a client has a child of a server, between the services that were asked for".to_owned()),
        1 => Ok(links.remove(0)),
        several => {
            let name = |link: &Calls| format!("{} to {} ({})", link.from, link.to, count(link));
            let named: Vec<String> = links.iter().take(NAMED).map(name).collect();
            let more = if several > NAMED { ", and more" } else { "" };
            Err(format!(
                "there are calls of {several} links, choose one with --from and --to: {}{more}",
                named.join(", ")
            ))
        }
    }
}
