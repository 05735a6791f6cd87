//! The recorder's log: any bytes, and any payload in a frame whose checksum is right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use splitcost_recording::assemble::assemble;
use splitcost_recording::log::{HEADER, Reader, frame_header};
use splitcost_recording::summary::summarize;

fn read(log: &[u8]) {
    let Some(mut reader) = Reader::new(log) else { return };
    let recording = assemble(reader.by_ref());
    assert!(reader.damage().is_none_or(|damage| damage.offset <= log.len()));
    summarize(&recording);
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if !bytes.is_empty() {
        read(&[&HEADER, frame_header(bytes).as_slice(), bytes].concat());
    }
});
