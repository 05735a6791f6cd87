//! HAR, the archive of requests that browsers and proxies save, as the requests of a workload.
//!
//! # Source
//! HTTP Archive 1.2 (Odvarko, 2012). Only what a request needs is read; answers are skipped.

use std::collections::BTreeMap;

use http::Uri;
use serde::Deserialize;
use splitcost_load::{Body, Method, RequestSpec, literal};

/// The requests of an archive to one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// The requests; equal entries are one request with the weight of all.
    pub requests: Vec<RequestSpec>,
    /// The host, with its port where that is not the usual port of the scheme.
    pub host: String,
    /// A sentence for each kind of entries that was left out, with the reason.
    pub left_out: Vec<String>,
}

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(rename = "postData")]
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    text: Option<String>,
    #[serde(default)]
    params: Vec<Pair>,
}

/// The headers that belong to a connection, and are made anew.
const CONNECTION_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Reads the entries of `host`; if there are none, those of the first entry's host.
///
/// # Errors
/// A sentence with the place, when the text is not an archive or no request in it can be made.
pub fn read(text: &str, host: &str) -> Result<Archive, String> {
    let har: Har =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| format!("it is no HAR: {error}"))?;
    let mut left_out = Vec::new();
    let mut found: Vec<(String, RequestSpec)> = Vec::new();
    for (position, Entry { request }) in har.log.entries.into_iter().enumerate() {
        let url: String = request.url.chars().take(100).collect();
        match spec(request) {
            Ok(entry) => found.push(entry),
            Err(reason) => left_out.push(format!("entry {} ({url}): {reason}", position + 1)),
        }
    }
    let same = |other: &str| other.eq_ignore_ascii_case(host);
    let Some((first, _)) = found.iter().find(|(other, _)| same(other)).or(found.first()) else {
        let reasons = left_out.first().map_or(String::new(), |first| format!(", and left out is {first}"));
        return Err(format!("it has no entry that can be asked again{reasons}"));
    };
    let host = first.clone();
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    let mut requests: Vec<RequestSpec> = Vec::new();
    for (other, spec) in found {
        if !other.eq_ignore_ascii_case(&host) {
            *others.entry(other).or_default() += 1;
        } else if let Some(known) =
            requests.iter_mut().find(|known| RequestSpec { weight: 1, ..(*known).clone() } == spec)
        {
            known.weight += 1;
        } else {
            requests.push(spec);
        }
    }
    left_out.extend(
        others
            .into_iter()
            .map(|(other, entries)| format!("{entries} {} of {other}", if entries == 1 { "entry" } else { "entries" })),
    );
    name(&mut requests);
    Ok(Archive { requests, host, left_out })
}

/// Returns the host and the request of one entry.
fn spec(request: Request) -> Result<(String, RequestSpec), String> {
    let Request { method, url, headers, post_data } = request;
    let known = Method::find(&method.to_ascii_uppercase());
    let method =
        known.ok_or_else(|| format!("the method {} is not supported", method.chars().take(20).collect::<String>()))?;
    let uri: Uri = encoded(&url).parse().map_err(|error| format!("{error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("it is no http:// or https:// address".to_owned());
    }
    let authority = uri.authority().ok_or("it names no host")?;
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = match authority.port_u16() {
        Some(port) if port != default => format!("{}:{port}", authority.host()),
        _ => authority.host().to_owned(),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut spec = RequestSpec::new(method, literal(path));
    for Pair { name, value } in headers {
        let known = CONNECTION_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        if known || name.starts_with(':') {
            continue;
        }
        let separator = if name.eq_ignore_ascii_case("cookie") { "; " } else { ", " };
        let earlier = spec.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)).map(|(_, value)| value);
        let value = match earlier {
            Some(earlier) => format!("{earlier}{separator}{}", literal(&value)),
            None => literal(&value),
        };
        spec.set_header(&name, value);
    }
    if let Some(data) = post_data {
        spec.body = body(data)?;
    }
    Ok((host, spec))
}

fn body(PostData { mime_type, text, params }: PostData) -> Result<Option<Body>, String> {
    let text = match text {
        Some(text) if !text.is_empty() => text,
        _ if params.is_empty() => return Ok(None),
        _ if mime_type.to_ascii_lowercase().starts_with("multipart/") => {
            return Err("the file does not hold its multipart body".to_owned());
        }
        _ => {
            let pairs = params.iter().map(|Pair { name, value }| format!("{}={}", form(name), form(value)));
            pairs.collect::<Vec<_>>().join("&")
        }
    };
    let content_type = if mime_type.is_empty() { "application/octet-stream".to_owned() } else { literal(&mime_type) };
    Ok(Some(Body::Bytes { bytes: text.into_bytes(), content_type }))
}

/// Returns a text, percent-encoded as in a form.
fn form(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Returns a URL that can be sent: without its fragment, and with the characters encoded that browsers write as they are.
fn encoded(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let keep = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    url.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Gives each request a unique name: its method and path, with the query, and with a number where these are equal.
fn name(requests: &mut [RequestSpec]) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests {
        // A path is a template, a name is not.
        let path = request.path.replace("{{", "{").replace("}}", "}");
        let base = format!("{} {path}", request.method);
        let times = taken.entry(base.clone()).or_default();
        *times += 1;
        request.name = Some(if *times == 1 { base } else { format!("{base} #{times}") });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use splitcost_load::{Session, Workload};

    use super::*;

    fn entry(method: &str, url: &str) -> Value {
        json!({"request": {"method": method, "url": url}})
    }

    fn har(entries: &[Value]) -> String {
        json!({"log": {"entries": entries}}).to_string()
    }

    /// Returns the bytes that would be sent.
    fn written(archive: &Archive) -> Vec<String> {
        let each = archive.requests.iter().map(|request| {
            let workload = Workload::new(0, vec![request.clone()]).expect("it is a request");
            let mut bytes = Vec::new();
            workload.write(workload.draw(0, 0), &Session::default(), "here", &mut bytes);
            String::from_utf8(bytes).expect("it is text")
        });
        each.collect()
    }

    #[test]
    fn an_entry_is_asked_as_it_was() {
        let post = json!({"request": {
            "method": "post",
            "url": "https://shop.test/orders?q={ä}&b=a|b#there",
            "headers": [
                {"name": ":authority", "value": "shop.test"},
                {"name": "Host", "value": "shop.test"},
                {"name": "Cookie", "value": "a={1}"},
                {"name": "cookie", "value": "b=2"},
                {"name": "Content-Length", "value": "3"},
            ],
            "postData": {"mimeType": "text/x-{odd}", "text": "{\"a\": 1}"},
        }});
        let form = json!({"request": {
            "method": "POST",
            "url": "https://shop.test:443/login",
            "postData": {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "ä&"}, {"name": "c"}]},
        }});
        let found = read(&har(&[post, form]), "shop.test").expect("it is an archive");
        assert_eq!(
            written(&found),
            [
                "POST /orders?q=%7B%C3%A4%7D&b=a%7Cb HTTP/1.1\r\nhost: here\r\n\
                 x-splitcost-request: POST /orders?q=%7B%C3%A4%7D&b=a%7Cb\r\naccept: */*\r\n\
                 content-type: text/x-{odd}\r\ncookie: a={1}; b=2\r\ncontent-length: 8\r\n\r\n{\"a\": 1}",
                "POST /login HTTP/1.1\r\nhost: here\r\nx-splitcost-request: POST /login\r\naccept: */*\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: 18\r\n\r\na%20b=%C3%A4%26&c=",
            ]
        );
    }

    #[test]
    fn equal_entries_are_one_and_others_are_left_out() {
        let entries = [
            entry("GET", "http://a.test/"),
            entry("GET", "http://cdn.test:8080/x.js"),
            entry("GET", "http://a.test:80/"),
            entry("FETCH", "http://a.test/"),
            entry("GET", "ws://a.test/live"),
            entry("GET", "data:text/plain,hi"),
            json!({"request": {"method": "POST", "url": "http://a.test/", "postData": {"mimeType": "multipart/form-data", "params": [{"name": "f"}]}}}),
        ];
        let found = read(&har(&entries), "127.0.0.1:8000").expect("it is an archive");
        let names: Vec<(Option<&str>, u32)> = found.requests.iter().map(|r| (r.name.as_deref(), r.weight)).collect();
        assert_eq!((found.host.as_str(), names), ("a.test", vec![(Some("GET /"), 2)]));
        assert_eq!(
            found.left_out,
            [
                "entry 4 (http://a.test/): the method FETCH is not supported",
                "entry 5 (ws://a.test/live): it is no http:// or https:// address",
                "entry 6 (data:text/plain,hi): invalid format",
                "entry 7 (http://a.test/): the file does not hold its multipart body",
                "1 entry of cdn.test:8080",
            ]
        );
        let found = read(&har(&entries), "CDN.test:8080").expect("it is an archive");
        assert_eq!(found.requests[0].name.as_deref(), Some("GET /x.js"));
    }

    #[test]
    fn what_is_no_archive_is_told_with_its_place() {
        let problem = |text: &str| read(text, "a").expect_err("it is no archive");
        assert_eq!(problem("{"), "it is no HAR: EOF while parsing an object at line 1 column 1");
        assert_eq!(
            problem("{\"log\": 1}"),
            "it is no HAR: invalid type: integer `1`, expected struct Log at line 1 column 9"
        );
        assert_eq!(problem(&har(&[])), "it has no entry that can be asked again");
        let lost = problem(&har(&[entry("BREW", "http://a/")]));
        assert_eq!(
            lost,
            "it has no entry that can be asked again, and left out is entry 1 (http://a/): the method BREW is not supported"
        );
    }

    proptest! {
        #[test]
        fn any_entry_is_a_request_or_left_out(
            method in "GET|POST|[A-Z]{0,8}",
            url in "(https?|ws|data)?(://)?[a-c.:@\\[\\]]{0,8}/?\\PC{0,40}",
            headers in proptest::collection::vec(("\\PC{0,12}|cookie|HOST", ".{0,20}"), 0..5),
            mime in ".{0,20}",
            text in proptest::option::of(".{0,40}"),
        ) {
            let headers: Vec<Value> = headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            let mut one = entry(&method, &url);
            one["request"]["headers"] = headers.into();
            one["request"]["postData"] = json!({"mimeType": mime, "text": text});
            if let Ok(found) = read(&har(&[one.clone(), one]), "a") {
                prop_assert_eq!(found.requests[0].weight, 2);
                // Names or values of headers may be invalid in HTTP: then the workload is refused.
                if let Ok(workload) = Workload::new(0, found.requests) {
                    let mut bytes = Vec::new();
                    workload.write(workload.draw(0, 0), &Session::default(), "here", &mut bytes);
                    let head = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
                    prop_assert_eq!(head.split(|byte| *byte == b' ').count(), 3);
                }
            }
        }

        #[test]
        fn broken_archives_are_errors(cut in 0..400_usize, byte: u8, at in 0..400_usize) {
            let mut text = har(&[entry("GET", "http://a.test/{x}"), entry("POST", "http://b.test/")]).into_bytes();
            text.truncate(cut.max(1));
            let at = at % text.len();
            text[at] = byte;
            // An error or an archive, never a panic.
            let _ = read(&String::from_utf8_lossy(&text), "a.test");
        }
    }
}
