//! Names of requests without the values in them.
//!
//! A request of an app should be named by its route. Where no route is known, its name is made of its path, and a path
//! holds values: identifiers, tokens, addresses. The functions here keep what looks like a name and write [`VALUE`] in
//! place of everything else. They decide by the look of a segment alone, so a value that looks like a word (a user's
//! login name, say) is kept.

pub mod command;
pub mod statement;

/// The text that stands for a value.
pub const VALUE: &str = "{}";

/// Longest segment of a path that may be a name.
///
/// Chosen: routes have short segments; tokens, hashes and encoded data are longer.
const MAX_SEGMENT_LEN: usize = 24;
/// Most segments of a path that are kept.
///
/// Chosen: no route is deeper, and the length of a name is bounded.
const MAX_SEGMENTS: usize = 16;
/// Most times that a percent-encoded segment is decoded.
///
/// Chosen: proxies encode twice; whatever is encoded more often is a value.
const MAX_DECODINGS: usize = 3;
/// Longest word of capital letters that may be an abbreviation.
///
/// Chosen: `README`; longer ones look like base32.
const MAX_CAPITALS: usize = 6;
/// Length from which a word of the letters a to f is taken for a hexadecimal number.
///
/// Chosen: English has no such word of eight letters in common use.
const MIN_HEX_LEN: usize = 8;
/// Longest run of consonants in a word.
///
/// Chosen: `lengths` has five.
const MAX_CONSONANTS: usize = 5;

/// Methods of HTTP that are written as they are; any other token may be anything.
///
/// Spec: RFC 9110 §9, RFC 5789, and those of `WebDAV` (RFC 4918) and of the QUERY draft.
const METHODS: [&str; 17] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
];
/// Words with digits that are names nevertheless.
const WORDS_WITH_DIGITS: [&str; 4] = ["oauth2", "s3", "mp3", "mp4"];

/// Returns `METHOD /path` without the values in the path.
///
/// Query and fragment are dropped, matrix parameters (`;name=value`) too.
///
/// ```
/// use splitcost_recording::redact::request_name;
/// assert_eq!(request_name("GET", "/v1/users/1234/avatar.png?size=9"), "GET /v1/users/{}/avatar.png");
/// assert_eq!(request_name("GET", "/reset/ann%40example.org"), "GET /reset/{}");
/// ```
pub fn request_name(method: &str, path: &str) -> String {
    let mut name = if METHODS.contains(&method) { method.to_owned() } else { VALUE.to_owned() };
    name.push(' ');
    let path = path.split(['?', '#']).next().unwrap_or_default();
    // Not `/path` but `http://host/path` or `*`: the text before the first slash is judged like a segment.
    if !path.starts_with('/') {
        name.push('/');
    }
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            name.push('/');
        }
        if index > MAX_SEGMENTS {
            name.push_str(VALUE);
            break;
        }
        name.push_str(&redacted_segment(segment));
    }
    name
}

/// Returns a test's id without the values of its parameters: `tests/test_a.py::Test::test_b[{}]`.
///
/// The parts behind the file's name are kept where they are identifiers: test functions and classes are.
pub fn test_name(id: &str) -> String {
    let mut parts = id.split("::");
    // The file of a test; its name is known to the user's version control. A generated one is rare.
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        name.push_str("::");
        let (plain, is_parametrized) = part.split_once('[').map_or((part, false), |(plain, _)| (plain, true));
        name.push_str(if is_identifier(plain) { plain } else { VALUE });
        if is_parametrized {
            name.push('[');
            name.push_str(VALUE);
            name.push(']');
            // A value may hold `::` itself.
            break;
        }
    }
    name
}

/// Returns true for a name in the sense of Python, in ASCII or not.
pub fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn redacted_segment(segment: &str) -> String {
    let plain = segment.split(';').next().unwrap_or_default();
    match decoded(plain) {
        Some(text) if looks_like_a_name(&text) => text,
        _ => VALUE.to_owned(),
    }
}

/// Returns a segment with its percent-encoding undone; `None` where that does not end, or is not text.
fn decoded(segment: &str) -> Option<String> {
    let mut text = segment.to_owned();
    for _ in 0..MAX_DECODINGS {
        if !text.contains('%') {
            return Some(text);
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first == b'%' {
                let [high, low, tail @ ..] = tail else { return None };
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
                rest = tail;
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        text = String::from_utf8(bytes).ok()?;
    }
    None
}

/// Returns true for words with `-`, `_`, `.` or `~` between them, and for nothing else.
fn looks_like_a_name(segment: &str) -> bool {
    segment.len() <= MAX_SEGMENT_LEN && segment.split(['-', '_', '.', '~']).all(looks_like_a_word)
}

fn looks_like_a_word(word: &str) -> bool {
    if word.is_empty() || WORDS_WITH_DIGITS.contains(&word) {
        return true;
    }
    // `v1`: the version of an interface.
    if let Some(version) = word.strip_prefix('v')
        && (1..=2).contains(&version.len())
        && version.bytes().all(|byte| byte.is_ascii_digit())
    {
        return true;
    }
    if !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    let lower = word.to_ascii_lowercase();
    if lower.len() >= MIN_HEX_LEN && lower.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return false;
    }
    let is_vowel = |byte: u8| b"aeiouy".contains(&byte);
    let longest_run = lower.as_bytes().split(|byte| is_vowel(*byte)).map(<[u8]>::len).max().unwrap_or(0);
    longest_run <= MAX_CONSONANTS && has_the_case_of_a_name(word)
}

/// Returns true for `word`, `Word`, `camelCase`, `PascalCase` and short abbreviations: base64 mixes cases otherwise.
fn has_the_case_of_a_name(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes.iter().all(u8::is_ascii_uppercase) {
        return bytes.len() <= MAX_CAPITALS;
    }
    // Each capital letter begins a part of at least two letters.
    let begins_a_part = |(index, byte): (usize, &u8)| {
        !byte.is_ascii_uppercase() || bytes.get(index + 1).is_some_and(u8::is_ascii_lowercase)
    };
    let head = bytes.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    bytes.iter().enumerate().all(begins_a_part) && head != 1 || bytes.len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept() {
        for path in [
            "/",
            "/orders",
            "/orders/",
            "/-/versions.json",
            "/small/animals.json",
            "/v1/order-lines/by_customer",
            "/api/v12/getUserById",
            "/OrderLines/README",
            "/.well-known/openid",
            "/oauth2/token",
            "/a/b",
            "/lengths",
        ] {
            assert_eq!(request_name("GET", path), format!("GET {path}"));
        }
    }

    #[test]
    fn values_are_not() {
        for segment in [
            "1234",
            "-5",
            "3.14",
            "order-1234",
            "order1234",
            "2026-11-29",
            "29-nov-2026",
            "2026-11-29T10:00:00Z",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "6ba7b8109dad11d180b400c04fd430c8",
            "deadbeef",
            "DEADBEEF",
            "ann@example.org",
            "ann%40example.org",
            "ann%2540example.org",
            "ann%252540example.org",
            "ann%25252540example.org",
            "aGVsbG8gd29ybGQ",
            "QWxhZGRpbg",
            "aHR0cHM6Ly9h==",
            "JBSWYDPEHPK",
            "xkqjvbzpwm",
            "eyJhbGciOiJIUzI1NiJ9",
            "eyJh.bGci.OiJI",
            "a-segment-of-more-than-24-letters",
            "name=ann",
            "a,b",
            "a:b",
            "(1)",
            "%zz",
            "%e4",
            "%",
            "müller",
            "m%C3%BCller",
            "+49301234",
            "v1.2",
            "a b",
            "$secret",
            "1234.json",
        ] {
            assert_eq!(request_name("GET", &format!("/users/{segment}/x")), "GET /users/{}/x", "{segment}");
        }
    }

    #[test]
    fn what_is_behind_the_path_is_dropped() {
        assert_eq!(request_name("GET", "/orders?token=secret"), "GET /orders");
        assert_eq!(request_name("GET", "/orders#secret"), "GET /orders");
        assert_eq!(request_name("GET", "/orders;jsessionid=secret/lines;a=b"), "GET /orders/lines");
        assert_eq!(request_name("GET", "/orders%3Fsecret"), "GET /{}");
        assert_eq!(request_name("GET", "/orders%2Fsecret"), "GET /{}");
        assert_eq!(request_name("GET", "/orders%3Bsecret"), "GET /{}");
    }

    #[test]
    fn methods_and_odd_targets_hide_nothing() {
        assert_eq!(request_name("SECRET", "/orders"), "{} /orders");
        assert_eq!(request_name("get", "/orders"), "{} /orders");
        assert_eq!(request_name("OPTIONS", "*"), "OPTIONS /{}");
        assert_eq!(request_name("GET", "http://ann@host/orders"), "GET /{}//{}/orders");
        assert_eq!(request_name("GET", ""), "GET /");
        let deep = "/a".repeat(40);
        assert_eq!(request_name("GET", &deep), format!("GET {}/{{}}", "/a".repeat(16)));
    }

    #[test]
    fn tests_are_named_without_their_parameters() {
        let check = |id: &str, expected: &str| assert_eq!(test_name(id), expected);
        check("tests/test_a.py::test_b", "tests/test_a.py::test_b");
        check("tests/test_a.py::TestC::test_b", "tests/test_a.py::TestC::test_b");
        check("test_a.py::test_b[ann@example.org]", "test_a.py::test_b[{}]");
        check("test_a.py::test_b[a::b]-[c]", "test_a.py::test_b[{}]");
        check("test_a.py::Test[x]::test_b", "test_a.py::Test[{}]");
        check("cases.yaml::ann@example.org", "cases.yaml::{}");
        check("", "");
    }
}
