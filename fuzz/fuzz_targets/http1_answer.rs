//! Any bytes are an answer, an incomplete answer, or malformed. The result does not depend on how they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use splitcost_load::{Malformed, ResponseParser};

fn status<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, is_head: bool) -> Result<Option<u16>, Malformed> {
    let mut parser = ResponseParser::new(is_head);
    for piece in pieces {
        if let Some(response) = parser.feed(piece)? {
            return Ok(Some(response.status));
        }
    }
    Ok(parser.end()?.map(|response| response.status))
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (is_head, size, bytes) = input;
    let whole = status([bytes], is_head);
    assert_eq!(status(bytes.chunks(usize::from(size).max(1)), is_head), whole);
});
