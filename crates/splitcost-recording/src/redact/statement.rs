//! Statements without the values in them.
//!
//! A tokenizer drops literals, parameters and comments. It knows no grammar, so it is right for any statement whose
//! tokens it can separate. Where a text can be read in two ways, and one of them could keep a value, the whole text is
//! dropped.

use crate::log::DialectCode;

/// The text that stands for a literal or a parameter, and for any number of them in a list.
const VALUE: &str = "?";

/// Most bytes of a text that are read.
///
/// Chosen: a longer text is rows to insert; its beginning says into which table. Bounds the time at about a millisecond.
const MAX_READ_LEN: usize = 256 << 10;
/// Most bytes of a redacted text.
///
/// Chosen: far above what people and mappers write, once lists are folded.
const MAX_LEN: usize = 4096;
/// Longest identifier.
///
/// Spec: 63 bytes in `PostgreSQL`, 64 characters in `MySQL`; a longer word is no name of a column or table.
const MAX_IDENTIFIER_LEN: usize = 64;

/// Words after which a quoted text is the name of something, in dialects where it could be a string as well.
const BEFORE_NAMES: [&str; 8] = ["INTO", "UPDATE", "TABLE", "EXISTS", "REFERENCES", "AS", "INDEX", "VIEW"];
/// Words that may follow a cast's type.
const AFTER_TYPES: [&str; 6] = ["WITH", "WITHOUT", "TIME", "ZONE", "PRECISION", "VARYING"];

/// Returns the statement with `?` for each literal and parameter, without comments, with single spaces, and with lists
/// of values folded into one; `None` where its literals cannot be identified for certain.
///
/// ```
/// use splitcost_recording::log::DialectCode;
/// use splitcost_recording::redact::statement::redacted;
/// let sql = "SELECT a FROM t -- secret\n WHERE b = 'it''s' AND c IN (1, -2, :c)";
/// assert_eq!(redacted(DialectCode::Sqlite, sql).unwrap(), "SELECT a FROM t WHERE b = ? AND c IN (?)");
/// ```
pub fn redacted(dialect: DialectCode, sql: &str) -> Option<String> {
    let mut lexer = Lexer { dialect, text: sql.as_bytes(), at: 0, tokens: Vec::new() };
    let is_whole = lexer.run()?;
    let (mut tokens, unclosed) = fold(&lexer.tokens, dialect);
    if !is_whole {
        // A text that is cut is the same wherever it is cut among its rows.
        tokens.truncate(unclosed.unwrap_or(tokens.len()));
        while tokens.last().is_some_and(|token| token.is(",")) {
            tokens.pop();
        }
        tokens.push(Token { kind: Kind::Symbol, text: "…", is_apart: true });
    }
    Some(written(&tokens))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A keyword or an identifier.
    Word,
    /// An identifier in quotes that nothing but an identifier can be in.
    Name,
    /// A text in double quotes where these hold a string as well.
    NameOrValue,
    Value,
    Symbol,
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    /// White space or a comment stands before it.
    is_apart: bool,
}

impl Token<'_> {
    fn is(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    fn is_word(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word && words.iter().any(|word| self.text.eq_ignore_ascii_case(word))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.text == other.text
    }
}

struct Lexer<'a> {
    dialect: DialectCode,
    text: &'a [u8],
    at: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn has(&self, dialects: &[DialectCode]) -> bool {
        dialects.contains(&self.dialect)
    }

    /// Returns the text from `from` to here. Tokens begin and end beside ASCII bytes, so it is whole.
    fn since(&self, from: usize) -> Option<&'a str> {
        std::str::from_utf8(&self.text[from..self.at]).ok()
    }

    fn push(&mut self, kind: Kind, text: &'a str, is_apart: bool) {
        self.tokens.push(Token { kind, text, is_apart });
    }

    /// Splits the text into tokens; returns false where it is longer than what is read.
    fn run(&mut self) -> Option<bool> {
        loop {
            let before = self.at;
            self.skip_space()?;
            let is_apart = self.at > before || before == 0;
            if self.at >= self.text.len() {
                return Some(true);
            }
            if self.at > MAX_READ_LEN {
                return Some(false);
            }
            self.token(is_apart)?;
        }
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) -> Option<()> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (0, _) if self.at >= self.text.len() => return Some(()),
                (b'-', b'-') => self.skip_line(),
                (b'#', _) if self.dialect == DialectCode::Mysql => self.skip_line(),
                (b'/', b'*') => self.skip_comment()?,
                (byte, _) if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                _ => return Some(()),
            }
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.text.len() && self.peek(0) != b'\n' {
            self.at += 1;
        }
    }

    /// Skips a comment and those nested in it. Where a database does not nest them, more is skipped than need be.
    fn skip_comment(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => (depth, self.at) = (depth + 1, self.at + 2),
                (b'*', b'/') => (depth, self.at) = (depth - 1, self.at + 2),
                _ if self.at >= self.text.len() => return None,
                _ => self.at += 1,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn token(&mut self, is_apart: bool) -> Option<()> {
        use DialectCode::{Mysql, Postgresql, Sqlite};
        let from = self.at;
        let (byte, next) = (self.peek(0), self.peek(1));
        let starts_name = next.is_ascii_alphanumeric() || next == b'_' || next >= 0x80;
        match byte {
            b'\'' => self.string(is_apart)?,
            b'"' => {
                self.skip_quoted(b'"', self.dialect == Mysql)?;
                let kind = if self.dialect == Postgresql { Kind::Name } else { Kind::NameOrValue };
                self.push(kind, self.since(from)?, is_apart);
            }
            b'`' if self.has(&[Mysql, Sqlite]) => {
                self.skip_quoted(b'`', false)?;
                self.push(Kind::Name, self.since(from)?, is_apart);
            }
            b'`' => return None,
            b'[' if self.dialect == Sqlite => {
                while self.peek(0) != b']' {
                    self.at += 1;
                    if self.at >= self.text.len() {
                        return None;
                    }
                }
                self.at += 1;
                self.push(Kind::Name, self.since(from)?, is_apart);
            }
            b'$' if self.dialect != Sqlite && !next.is_ascii_digit() => self.dollar_quoted(is_apart)?,
            b'0'..=b'9' => self.number(is_apart),
            b'.' if next.is_ascii_digit() && !self.follows_name() => self.number(is_apart),
            b':' if starts_name && !self.tokens.last().is_some_and(|t| t.is(":") && !is_apart) => {
                self.parameter(is_apart);
            }
            b'$' => self.parameter(is_apart),
            b'@' if self.has(&[Sqlite, Mysql]) => self.parameter(is_apart),
            b'?' if self.dialect != Postgresql => self.parameter(is_apart),
            b'%' if self.dialect != Sqlite && self.is_format() => self.push(Kind::Value, VALUE, is_apart),
            _ if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => self.word(is_apart)?,
            _ => {
                self.at += 1;
                self.push(Kind::Symbol, self.since(from)?, is_apart);
            }
        }
        Some(())
    }

    /// True after `t` in `t.1`: no dialect has such a column, but it is no number either.
    fn follows_name(&self) -> bool {
        self.tokens.last().is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Name | Kind::NameOrValue))
    }

    /// A string in single quotes, with its prefix.
    fn string(&mut self, is_apart: bool) -> Option<()> {
        let mut is_apart = is_apart;
        let mut has_escapes = false;
        if let Some(prefix) = self.tokens.last().filter(|token| token.kind == Kind::Word && !is_apart) {
            let is_charset = self.dialect == DialectCode::Mysql && prefix.text.starts_with('_');
            if is_charset || prefix.is_word(&["E", "B", "X", "N"]) {
                has_escapes = prefix.is_word(&["E"]) && self.dialect == DialectCode::Postgresql;
                is_apart = prefix.is_apart;
                self.tokens.pop();
            }
        }
        let is_escape = self.tokens.last().is_some_and(|token| token.is_word(&["ESCAPE"]));
        if is_escape && self.text[self.at..].starts_with(b"'\\'") && self.peek(3) != b'\'' {
            self.at += 3;
        } else if has_escapes {
            self.at += 1;
            while self.peek(0) != b'\'' || self.peek(1) == b'\'' {
                self.at += if matches!(self.peek(0), b'\\' | b'\'') { 2 } else { 1 };
                if self.at >= self.text.len() {
                    return None;
                }
            }
            self.at += 1;
        } else {
            self.skip_quoted(b'\'', self.dialect != DialectCode::Sqlite)?;
        }
        self.push(Kind::Value, VALUE, is_apart);
        Some(())
    }

    /// Skips a quoted text, in which a doubled quote stands for one. Settings of the database decide the meaning of a
    /// backslash before a quote, where `may_escape` is true: such a text is ambiguous.
    fn skip_quoted(&mut self, quote: u8, may_escape: bool) -> Option<()> {
        self.at += 1;
        let mut backslashes = 0_usize;
        loop {
            if self.at >= self.text.len() {
                return None;
            }
            let byte = self.peek(0);
            if byte == quote {
                if may_escape && backslashes % 2 == 1 {
                    return None;
                }
                if self.peek(1) != quote {
                    break;
                }
                self.at += 1;
            }
            backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
            self.at += 1;
        }
        self.at += 1;
        Some(())
    }

    /// `$tag$ … $tag$`, or a dollar sign that begins nothing of the kind.
    fn dollar_quoted(&mut self, is_apart: bool) -> Option<()> {
        let rest = &self.text[self.at + 1..];
        let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        let tag_len = rest.iter().take_while(|byte| is_tag(byte)).count();
        if rest.get(tag_len) != Some(&b'$') {
            self.parameter(is_apart);
            return Some(());
        }
        let tag = &self.text[self.at..self.at + tag_len + 2];
        let body = self.at + tag.len();
        let end = self.text[body..].windows(tag.len()).position(|window| window == tag)?;
        self.at = body + end + tag.len();
        self.push(Kind::Value, VALUE, is_apart);
        Some(())
    }

    /// A number, with whatever letters and digits stick to it.
    fn number(&mut self, is_apart: bool) {
        loop {
            let byte = self.peek(0);
            let is_exponent =
                matches!(byte, b'e' | b'E') && matches!(self.peek(1), b'+' | b'-') && self.peek(2).is_ascii_digit();
            if is_exponent {
                self.at += 2;
            } else if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || byte >= 0x80 {
                self.at += 1;
            } else {
                break;
            }
        }
        self.push(Kind::Value, VALUE, is_apart);
    }

    /// A parameter: a sign and a name or number.
    fn parameter(&mut self, is_apart: bool) {
        self.at += 1;
        while matches!(self.peek(0), b'@' | b'$') {
            self.at += 1;
        }
        while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' || self.peek(0) >= 0x80 {
            self.at += 1;
        }
        self.push(Kind::Value, VALUE, is_apart);
    }

    /// Takes `%s` or `%(name)s`, if that is what comes.
    fn is_format(&mut self) -> bool {
        let rest = &self.text[self.at + 1..];
        let head = match rest.first() {
            Some(b'(') => rest.iter().position(|byte| *byte == b')').map(|end| end + 1),
            _ => Some(0),
        };
        let Some(head) = head else { return false };
        let is_conversion = rest.get(head).is_some_and(|byte| matches!(byte, b's' | b'b' | b't' | b'd'))
            && !rest.get(head + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if is_conversion {
            self.at += head + 2;
        }
        is_conversion
    }

    fn word(&mut self, is_apart: bool) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(0), b'_' | b'$' | 0x80..) || self.peek(0).is_ascii_alphanumeric() {
            self.at += 1;
        }
        let text = self.since(from)?;
        let is_boolean = text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
        let is_test = self.tokens.last().is_some_and(|token| token.is_word(&["IS", "NOT"]));
        if text.len() > MAX_IDENTIFIER_LEN || is_boolean && !is_test {
            self.push(Kind::Value, VALUE, is_apart);
        } else {
            self.push(Kind::Word, text, is_apart);
        }
        Some(())
    }
}

/// Folds lists of values, and settles which texts in double quotes are names. Returns the position of the first
/// parenthesis that is not closed as well.
fn fold<'a>(tokens: &[Token<'a>], dialect: DialectCode) -> (Vec<Token<'a>>, Option<usize>) {
    let mut out: Vec<Token<'a>> = Vec::with_capacity(tokens.len());
    let mut open: Vec<Level> = Vec::new();
    let mut here = Level { from: 0, has_names: false, is_query: false, clause: Clause::Other };
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        let next = tokens.get(at + 1);
        at += 1;
        match token.kind {
            Kind::Value => push_value(&mut out, token),
            Kind::NameOrValue => {
                let is_name = here.has_names || is_name(&out, next, here.clause);
                out.push(if is_name { Token { kind: Kind::Name, ..token } } else { Token { text: "\"_\"", ..token } });
            }
            Kind::Symbol if token.text == "(" => {
                let has_names = here.clause == Clause::Into;
                here.clause = if has_names { Clause::Other } else { here.clause };
                let inner = Level { from: out.len(), has_names, is_query: false, clause: Clause::Other };
                open.push(std::mem::replace(&mut here, inner));
                out.push(token);
            }
            Kind::Symbol if token.text == ")" => {
                out.push(token);
                if let Some(outer) = open.pop() {
                    let inner = std::mem::replace(&mut here, outer);
                    fold_group(&mut out, inner.from);
                }
            }
            Kind::Symbol
                if token.text == ":"
                    && dialect == DialectCode::Postgresql
                    && next.is_some_and(|next| next.is(":"))
                    && out.last().is_some_and(|last| last.kind == Kind::Value) =>
            {
                at = after_type(tokens, at + 1);
            }
            Kind::Word => {
                here.word(&token, out.last());
                out.push(token);
            }
            Kind::Name | Kind::Symbol => out.push(token),
        }
    }
    let unclosed = open.get(1).map_or(here.from, |level| level.from);
    (out, (!open.is_empty()).then_some(unclosed))
}

/// The state inside a pair of parentheses, or outside all.
#[derive(Clone, Copy)]
struct Level {
    /// Where the opening parenthesis is among the folded tokens.
    from: usize,
    /// Names of columns are all that is inside.
    has_names: bool,
    /// A query or another statement is inside: elsewhere, `FROM` belongs to a function such as `TRIM`.
    is_query: bool,
    clause: Clause,
}

/// The part of a statement, as far as it matters to texts in double quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    /// Behind `FROM` or `JOIN`.
    From,
    /// Behind `INTO`: the first parentheses enclose names of columns.
    Into,
    /// Behind `SET`.
    Set,
    Other,
}

impl Level {
    fn word(&mut self, word: &Token<'_>, before: Option<&Token<'_>>) {
        if word.is_word(&["SELECT", "DELETE", "UPDATE"]) {
            (self.is_query, self.clause) = (true, Clause::Other);
        } else if word.is_word(&["FROM"]) {
            let is_comparison = before.is_some_and(|before| before.is_word(&["DISTINCT"]));
            self.clause = if self.is_query && !is_comparison { Clause::From } else { Clause::Other };
        } else if word.is_word(&["JOIN"]) {
            self.clause = Clause::From;
        } else if word.is_word(&["INTO"]) {
            self.clause = Clause::Into;
        } else if word.is_word(&["SET"]) {
            self.clause = Clause::Set;
        } else if word.is_word(&["WHERE", "ON", "GROUP", "ORDER", "HAVING", "LIMIT", "VALUES", "RETURNING"]) {
            self.clause = Clause::Other;
        }
    }
}

/// Returns true where a text in double quotes is a name: a string cannot stand there.
fn is_name(before: &[Token<'_>], next: Option<&Token<'_>>, clause: Clause) -> bool {
    let Some(last) = before.last() else { return false };
    last.is(".")
        || next.is_some_and(|next| next.is("."))
        || last.is_word(&BEFORE_NAMES)
        || clause == Clause::From && (last.is(",") || last.is_word(&["FROM", "JOIN"]))
        || clause == Clause::Set && (last.is(",") || last.is_word(&["SET"])) && next.is_some_and(|next| next.is("="))
}

/// Appends a value, unless a list of values is there to take it.
fn push_value<'a>(out: &mut Vec<Token<'a>>, value: Token<'a>) {
    let mut value = value;
    // A sign is part of the number where nothing stands before it that could be added to.
    if let [.., before, sign] = out.as_slice()
        && (sign.is("-") || sign.is("+"))
        && before.kind == Kind::Symbol
        && !before.is(")")
        && !before.is("]")
    {
        value.is_apart = sign.is_apart;
        out.pop();
    }
    match out.as_slice() {
        [.., last] if last.kind == Kind::Value => {}
        [.., first, comma] if comma.is(",") && first.kind == Kind::Value => {
            out.pop();
        }
        _ => out.push(value),
    }
}

/// Drops the group from `from` to the end where an equal one, and a comma, stand before it.
fn fold_group(out: &mut Vec<Token<'_>>, from: usize) {
    let len = out.len() - from;
    let Some(start) = from.checked_sub(len + 1) else { return };
    let is_repeated =
        out[from - 1].is(",") && out[start].is("(") && (0..len).all(|i| out[start + i].is_same(&out[from + i]));
    if is_repeated {
        out.truncate(from - 1);
    }
}

/// Returns the position behind the type of a cast, whose first token is at `at`.
fn after_type(tokens: &[Token<'_>], mut at: usize) -> usize {
    let is = |at: usize, symbol: &str| tokens.get(at).is_some_and(|token| token.is(symbol));
    at += 1;
    while is(at, ".") {
        at += 2;
    }
    loop {
        if is(at, "(") || is(at, "[") {
            while at < tokens.len() && !is(at, ")") && !is(at, "]") {
                at += 1;
            }
            at += 1;
        } else if tokens.get(at).is_some_and(|token| token.is_word(&AFTER_TYPES)) {
            at += 1;
        } else {
            return at.min(tokens.len());
        }
    }
}

fn written(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    for token in tokens {
        if text.len() + token.text.len() > MAX_LEN {
            text.push_str(" …");
            break;
        }
        if token.is_apart && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(token.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use DialectCode::{Mysql, Postgresql, Sqlite};

    use super::*;

    fn check(dialect: DialectCode, sql: &str, expected: &str) {
        assert_eq!(redacted(dialect, sql).as_deref().unwrap_or("(dropped)"), expected, "{dialect:?}: {sql:.200}");
    }

    #[test]
    fn literals_go_and_names_stay() {
        for dialect in [Sqlite, Postgresql, Mysql] {
            check(dialect, "select a1, 'x' from t where b = 'it''s'", "select a1, ? from t where b = ?");
            check(dialect, "SELECT 1.5e-3, .5, -7, 0xFF, 1_000 FROM t", "SELECT ? FROM t");
            check(dialect, "SELECT a-1, a - -1 FROM t", "SELECT a-?, a - ? FROM t");
            check(dialect, "SELECT x'ab', N'c', b'01' FROM t", "SELECT ? FROM t");
            check(dialect, "SELECT a FROM t WHERE b IS TRUE AND c = TRUE", "SELECT a FROM t WHERE b IS TRUE AND c = ?");
            check(dialect, "SELECT a -- secret\n/* secret /* */ secret */ FROM t", "SELECT a FROM t");
            check(dialect, "SELECT a FROM t WHERE b IS NULL\n\n  LIMIT 5", "SELECT a FROM t WHERE b IS NULL LIMIT ?");
        }
        check(Postgresql, "SELECT E'a\\'b', $$it's$$, $x$ $y$ $$ $x$ FROM t", "SELECT ? FROM t");
        check(Postgresql, "SELECT \"a b\", \"t\".\"c\"\"d\" FROM \"t\"", "SELECT \"a b\", \"t\".\"c\"\"d\" FROM \"t\"");
        check(Postgresql, "SELECT a FROM t WHERE b LIKE 'x' ESCAPE '\\'", "SELECT a FROM t WHERE b LIKE ? ESCAPE ?");
        check(Mysql, "SELECT _utf8'a', \"secret\", `b` # secret\nFROM `t`", "SELECT ?, \"_\", `b` FROM `t`");
    }

    #[test]
    fn parameters_of_every_style_are_alike() {
        check(Sqlite, "SELECT ?, ?1, :a, @b, $c FROM t", "SELECT ? FROM t");
        check(Postgresql, "SELECT $1, %s, %(name)s FROM t WHERE a %% 2 = :x", "SELECT ? FROM t WHERE a %% ? = ?");
        check(Mysql, "SELECT %s FROM t WHERE a = @x", "SELECT ? FROM t WHERE a = ?");
    }

    #[test]
    fn lists_are_folded() {
        check(Sqlite, "SELECT a FROM t WHERE b IN (1, 'x', ?)", "SELECT a FROM t WHERE b IN (?)");
        check(Sqlite, "INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (?, ?)", "INSERT INTO t (a, b) VALUES (?)");
        check(
            Postgresql,
            "INSERT INTO t (a) VALUES ($1::INTEGER, $2::TIMESTAMP WITHOUT TIME ZONE, now()), ($3::INTEGER, $4::TIMESTAMP WITHOUT TIME ZONE, now())",
            "INSERT INTO t (a) VALUES (?, now())",
        );
        check(Postgresql, "SELECT a FROM t WHERE b = $1::VARCHAR(10) LIMIT $2", "SELECT a FROM t WHERE b = ? LIMIT ?");
        check(Postgresql, "SELECT a::text FROM t", "SELECT a::text FROM t");
    }

    #[test]
    fn a_text_in_double_quotes_is_kept_only_where_it_must_be_a_name() {
        for dialect in [Sqlite, Mysql] {
            check(
                dialect,
                "SELECT \"t\".\"a\", \"secret\" FROM \"t\", \"u\" AS \"v\" WHERE \"t\".\"b\" = \"secret\"",
                "SELECT \"t\".\"a\", \"_\" FROM \"t\", \"u\" AS \"v\" WHERE \"t\".\"b\" = \"_\"",
            );
            check(
                dialect,
                "INSERT INTO \"t\" (\"a\", \"b\") VALUES (\"secret\", ?)",
                "INSERT INTO \"t\" (\"a\", \"b\") VALUES (\"_\", ?)",
            );
            check(
                dialect,
                "UPDATE \"t\" SET \"a\" = \"secret\", \"b\" = ? WHERE \"secret\" = c",
                "UPDATE \"t\" SET \"a\" = \"_\", \"b\" = ? WHERE \"_\" = c",
            );
            // `FROM` before a string, and commas between strings.
            check(
                dialect,
                "SELECT TRIM(\"secret\" FROM \"secret\"), a IS DISTINCT FROM \"secret\" FROM f(a, \"secret\"), \"t\"",
                "SELECT TRIM(\"_\" FROM \"_\"), a IS DISTINCT FROM \"_\" FROM f(a, \"_\"), \"t\"",
            );
            check(
                dialect,
                "DELETE FROM \"t\" WHERE a IN (SELECT a FROM \"u\" JOIN \"v\" ON b = \"secret\")",
                "DELETE FROM \"t\" WHERE a IN (SELECT a FROM \"u\" JOIN \"v\" ON b = \"_\")",
            );
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_dropped() {
        for (dialect, sql) in [
            (Sqlite, "SELECT 'secret"),
            (Sqlite, "SELECT /* secret"),
            (Sqlite, "SELECT [secret"),
            (Postgresql, "SELECT 'a\\' secret', 'b'"),
            (Postgresql, "SELECT $$secret"),
            (Postgresql, "SELECT E'secret\\'"),
            (Mysql, "SELECT 'a\\' secret', 'b'"),
            (Mysql, "SELECT \"a\\\" secret\", 'b'"),
            (Mysql, "SELECT `secret"),
        ] {
            check(dialect, sql, "(dropped)");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let row = "('secret', now())";
        let sql = format!("INSERT INTO t VALUES {row}{}", format!(", {row}").repeat(100_000));
        check(Postgresql, &sql, "INSERT INTO t VALUES (?, now()) …");
        let columns: Vec<String> = (0..5_000).map(|i| format!("c{i}")).collect();
        let text = redacted(Sqlite, &format!("SELECT {} FROM t", columns.join(", "))).unwrap_or_default();
        assert!(text.len() <= MAX_LEN + 4 && text.ends_with(" …"), "{} bytes", text.len());
        check(Sqlite, &format!("SELECT {}", "a".repeat(65)), "SELECT ?");
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        for dialect in [Sqlite, Postgresql, Mysql] {
            for text in
                ["", "'", "''", "\"", "$", "$a", "%", "%(", "%(a)", ":", "::", ".", "ü'ü'", "(", ")", "))((", "a::"]
            {
                let _ = redacted(dialect, text);
                let _ = redacted(dialect, &format!("SELECT ?::{text}"));
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_value_is_kept(
            parts in proptest::collection::vec((0_usize..14, "[ -~ü]{0,6}"), 1..8),
        ) {
            const CANARY: &str = "zqCanary";
            for dialect in [Sqlite, Postgresql, Mysql] {
                let mut sql = "SELECT a FROM t WHERE".to_owned();
                for (style, noise) in &parts {
                    let value = format!("{noise}{CANARY}{noise}");
                    let quoted = |quote: &str| {
                        let doubled = value.replace(quote, &quote.repeat(2));
                        // The database and we read a backslash alike only where it stands before no quote.
                        format!("{quote}{}{quote}", if dialect == Sqlite { doubled } else { doubled.replace('\\', "\\\\") })
                    };
                    let dollar_free = value.replace('$', "");
                    let one_line = value.replace(['*', '/'], "");
                    sql += " AND b = ";
                    let literal = match style {
                        0..=2 => quoted("'"),
                        3 if dialect != Postgresql => quoted("\""),
                        4 if dialect == Postgresql => {
                            format!("E'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
                        }
                        5 if dialect == Postgresql => format!("$${dollar_free}$$"),
                        6 if dialect == Postgresql => format!("$tag${dollar_free}$tag$"),
                        7 => format!("1 /* {one_line} */"),
                        8 => format!("1 -- {value}\n"),
                        9 if dialect == Mysql => format!("1 # {value}\n"),
                        10 => format!("0x{CANARY}"),
                        11 => format!("12{CANARY}"),
                        12 => format!(":{CANARY}"),
                        _ => format!("X{}", quoted("'")),
                    };
                    sql += &literal;
                }
                if let Some(text) = redacted(dialect, &sql) {
                    proptest::prop_assert!(!text.contains("Canary"), "{dialect:?}: {sql} → {text}");
                }
            }
        }
    }
}
