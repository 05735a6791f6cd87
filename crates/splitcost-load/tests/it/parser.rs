//! The parser of answers: the result does not depend on how reads split an answer, and no input panics.

use proptest::prelude::*;
use splitcost_load::{MAX_HEAD_BYTES, Malformed, Response, ResponseParser, SAMPLE_BYTES};

/// The result of parsing, and the sample of the body.
type Parsed = (Result<Option<Response>, Malformed>, Vec<u8>);

fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, is_head: bool) -> Parsed {
    let mut parser = ResponseParser::new(is_head);
    let mut answer = Ok(None);
    for piece in pieces {
        answer = parser.feed(piece);
        if answer != Ok(None) {
            break;
        }
    }
    if answer == Ok(None) {
        answer = parser.end();
    }
    (answer, parser.sample().to_vec())
}

fn check(bytes: &str, expected: Result<Option<(u16, bool)>, Malformed>, sample: &str) {
    let expected = expected.map(|r| r.map(|(status, keep_alive)| Response { status, keep_alive }));
    assert_eq!(parse([bytes.as_bytes()], false), (expected, sample.as_bytes().to_vec()), "{bytes:?}");
    let single_bytes = parse(bytes.as_bytes().chunks(1), false);
    assert_eq!(single_bytes, (expected, sample.as_bytes().to_vec()), "{bytes:?} in single bytes");
}

#[test]
fn frames_bodies() {
    check("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", Ok(Some((200, true))), "hello");
    check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Ok(Some((200, true))), "");
    check("HTTP/1.1 204 No Content\r\n\r\n", Ok(Some((204, true))), "");
    check("HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n", Ok(Some((304, true))), "");
    check("HTTP/1.1 200 OK\r\n\r\nuntil the end", Ok(Some((200, false))), "until the end");
    check("HTTP/1.1 200\nContent-Length: 2\n\nok", Ok(Some((200, true))), "ok");
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nt: 1\r\n\r\n",
        Ok(Some((200, true))),
        "hello!",
    );
}

#[test]
fn knows_when_the_connection_ends() {
    check("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", Ok(Some((200, false))), "");
    check("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", Ok(Some((200, false))), "");
    check("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 0\r\n\r\n", Ok(Some((200, true))), "");
    let beyond = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert_eq!(parse([&beyond[..]], false).0, Ok(Some(Response { status: 200, keep_alive: false })));
}

#[test]
fn skips_interim_answers() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    check(&format!("{interim}HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"), Ok(Some((201, true))), "");
    check(interim, Ok(None), "");
    check("HTTP/1.1 101 Switching Protocols\r\n\r\n", Err(Malformed), "");
}

#[test]
fn an_answer_to_head_has_no_body() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(parse([&head[..]], true).0, Ok(Some(Response { status: 200, keep_alive: true })));
    assert_eq!(parse([&head[..]], false).0, Ok(None));
}

#[test]
fn half_an_answer_is_incomplete() {
    check("", Ok(None), "");
    check("HTTP/1.1 200 OK\r\ncontent-le", Ok(None), "");
    check("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", Ok(None), "hell");
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", Ok(None), "hello");
}

#[test]
fn refuses_what_is_not_http() {
    check("SSH-2.0-OpenSSH_9.2\r\n", Err(Malformed), "");
    check("HTTP/2 200\r\n\r\n", Err(Malformed), "");
    check("HTTP/1.1 999 No\r\n\r\n", Err(Malformed), "");
    for length in ["-1", "5x", "", "1, 2", "99999999999999999999"] {
        check(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"), Err(Malformed), "");
    }
    check("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", Err(Malformed), "");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunk in ["x\r\n", "\r\n", "-1\r\n", "ffffffffffffffff\r\n", "1\r\nab\r\n"] {
        let sample = if chunk.starts_with('1') { "a" } else { "" };
        check(&format!("{chunked}{chunk}"), Err(Malformed), sample);
    }
}

#[test]
fn endless_input_is_refused_in_bounded_memory() {
    let check_endless = |start: &str, endless: &str| {
        let mut parser = ResponseParser::new(false);
        assert_eq!(parser.feed(start.as_bytes()), Ok(None));
        let refused = (0..=2 * MAX_HEAD_BYTES / endless.len()).any(|_| parser.feed(endless.as_bytes()).is_err());
        assert!(refused, "{start:?} and then {endless:?} for ever");
    };
    check_endless("HTTP/1.1 200 OK\r\n", "x-header: 1\r\n");
    check_endless("HTTP/1.1 200 OK\r\nx: ", "y");
    check_endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1");
    check_endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "t: 1\r\n");
    check_endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "\u{1}");
}

#[test]
fn a_long_body_is_only_sampled() {
    let mut parser = ResponseParser::new(false);
    assert_eq!(parser.feed(b"HTTP/1.1 500 Oh\r\ncontent-length: 100000\r\n\r\n"), Ok(None));
    for _ in 0..99 {
        assert_eq!(parser.feed(&[b'x'; 1000]), Ok(None));
    }
    assert_eq!(parser.feed(&[b'x'; 1000]), Ok(Some(Response { status: 500, keep_alive: true })));
    assert_eq!(parser.sample(), [b'x'; SAMPLE_BYTES]);
}

/// Generates well-formed answers.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..600);
    let interim = prop::sample::select(vec!["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 X\r\nlink: y\r\n\r\n"]);
    let headers = prop::collection::vec("[a-z]{1,12}", 0..20);
    (interim, 200_u16..600, headers, body, 0..4_u8, 1_usize..300).prop_map(
        |(interim, status, names, body, kind, size)| {
            let mut bytes = format!("{interim}HTTP/1.1 {status} Reason\r\n").into_bytes();
            for name in names {
                bytes.extend_from_slice(format!("x-{name}: value\r\n").as_bytes());
            }
            match kind {
                0 => bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes()),
                1 => bytes.extend_from_slice(b"connection: close\r\n\r\n"),
                _ => {
                    bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                    for chunk in body.chunks(size) {
                        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                        bytes.extend_from_slice(chunk);
                        bytes.extend_from_slice(b"\r\n");
                    }
                    bytes.extend_from_slice(b"0\r\n\r\n");
                    return bytes;
                }
            }
            if status != 204 && status != 304 {
                bytes.extend_from_slice(&body);
            }
            bytes
        },
    )
}

/// Cuts bytes at the given positions.
fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}

/// Returns the part of a result that does not depend on the bytes that follow the answer.
fn without_keep_alive(parsed: Parsed) -> (Result<Option<u16>, Malformed>, Vec<u8>) {
    (parsed.0.map(|response| response.map(|r| r.status)), parsed.1)
}

proptest! {
    #[test]
    fn any_split_gives_the_same(bytes in answers(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let whole = without_keep_alive(parse([&bytes[..]], false));
        prop_assert!(matches!(whole.0, Ok(Some(_))), "{whole:?}");
        prop_assert_eq!(without_keep_alive(parse(cut(&bytes, &cuts), false)), whole);
    }

    #[test]
    fn damaged_answers_never_panic(
        mut bytes in answers(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for (position, byte) in damage {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        let whole = without_keep_alive(parse([&bytes[..]], false));
        prop_assert_eq!(without_keep_alive(parse(cut(&bytes, &cuts), false)), whole);
    }

    #[test]
    fn garbage_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = without_keep_alive(parse([&bytes[..]], false));
        prop_assert_eq!(without_keep_alive(parse(cut(&bytes, &cuts), false)), whole);
    }
}
