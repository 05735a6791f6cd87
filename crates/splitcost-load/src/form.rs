//! Finds named fields in HTML: enough of it for the hidden fields of forms.

/// Returns the name and value of each `input` and `meta` element that has a name, in the order of the text.
pub(crate) fn fields(html: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (element, after) = rest.split_at(name_end);
        let value_key = match element.to_ascii_lowercase().as_str() {
            "input" => "value",
            "meta" => "content",
            _ => continue,
        };
        let (attributes, after) = attributes(after);
        rest = after;
        let value = |wanted: &str| attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted));
        if let Some((_, name)) = value("name") {
            let value = value(value_key).map_or("", |(_, value)| value);
            found.push((unescaped(name), unescaped(value)));
        }
    }
    found
}

/// Returns the attributes of an element, and the text after it.
fn attributes(mut text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut found = Vec::new();
    loop {
        text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if text.is_empty() {
            return (found, text);
        }
        if let Some(after) = text.strip_prefix('>') {
            return (found, after);
        }
        let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/');
        // A stray `=` is the beginning of a name.
        let end = text.char_indices().skip(1).find(|(_, c)| is_end(*c)).map_or(text.len(), |(at, _)| at);
        let (key, after) = text.split_at(end);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            found.push((key, ""));
            text = after;
            continue;
        };
        let value = value.trim_start();
        let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split_once(quote));
        let (value, after) = quoted.unwrap_or_else(|| {
            let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len());
            value.split_at(end)
        });
        found.push((key, value));
        text = after;
    }
}

/// Replaces the character references that templates write.
fn unescaped(text: &str) -> String {
    let named = [("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">")];
    let text = named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&#43;", "+").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> = expected.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        assert_eq!(fields(html), expected);
    }

    #[test]
    fn fields_are_found_however_they_are_written() {
        check("<form><input type=\"hidden\" name=\"csrf\" value=\"a&amp;b\"></form>", &[("csrf", "a&b")]);
        check("<INPUT VALUE='x=\"1\"' NAME=token/>", &[("token/", "x=\"1\"")]);
        check(
            "<input value=abc name=t disabled><meta content=\"m\" name='csrf-token' />",
            &[("t", "abc"), ("csrf-token", "m")],
        );
        check("<input name = \"n\"\n value = \"v\" >", &[("n", "v")]);
        check("a < b <p name='x' value='y'> <inputs name='z'>", &[]);
    }

    #[test]
    fn broken_html_ends() {
        check("<input name=\"n", &[("\"n", "")]);
        check("<input", &[]);
        check("<input =", &[]);
        check("<input name='a' value='é'", &[("a", "é")]);
    }
}
