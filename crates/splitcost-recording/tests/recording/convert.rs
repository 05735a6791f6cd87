//! Raw logs to a recording on disk.

use std::fs;
use std::path::Path;

use splitcost_model::recording::{Meta, Recording};
use splitcost_recording::convert::{begin, convert, finish, note, open, raw_dir};
use splitcost_recording::log::{Frame, HEADER, Record, ViaCode, frame_header};
use splitcost_recording::{Error, store};

use crate::script::Script;

/// A log with one frame per record.
fn log(records: &[Record]) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    for record in records {
        let mut frame = Frame::default();
        frame.put(record);
        bytes.extend(frame_header(frame.bytes()));
        bytes.extend(frame.bytes());
    }
    bytes
}

fn meta() -> Meta {
    Meta { splitcost_version: "0.1.0".into(), command: vec!["uvicorn".into()], ..Meta::default() }
}

fn begun() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    begin(dir.path(), &meta()).unwrap();
    let raw = raw_dir(dir.path());
    fs::write(raw.join("11.log"), log(&Script::shop(0).request(1, 100).request(2, 500).records)).unwrap();
    fs::write(raw.join("12.log"), log(&Script::shop(3).records)).unwrap();
    dir
}

fn starts(recording: &Recording) -> Vec<u64> {
    recording.requests.iter().map(|request| request.start.as_nanos()).collect()
}

#[test]
fn logs_become_a_recording() {
    let dir = begun();
    let recording = finish(dir.path(), meta()).unwrap();
    assert_eq!(starts(&recording), [100, 500]);
    assert_eq!(recording.meta.troubles, Vec::<String>::new());
    assert_eq!(recording.modules.len(), 4);
    assert_eq!(open(dir.path()).unwrap(), recording);
    assert!(!raw_dir(dir.path()).exists());
    // Recording again into the same directory replaces it.
    begin(dir.path(), &meta()).unwrap();
    assert!(!store::exists(dir.path()));
}

#[test]
fn an_interrupted_recording_is_still_readable() {
    let dir = begun();
    note(dir.path(), &Meta { machine: "noted".into(), ..meta() }).unwrap();
    let recording = open(dir.path()).unwrap();
    assert_eq!(starts(&recording), [100, 500]);
    assert_eq!(recording.meta.machine, "noted");
    assert_eq!(recording.meta.troubles.len(), 1);
}

/// A log cut at every byte: the requests that were whole by then, never more.
#[test]
fn a_cut_log_gives_what_was_whole() {
    let dir = begun();
    let raw = raw_dir(dir.path());
    let path = raw.join("11.log");
    let whole = fs::read(&path).unwrap();
    let all = convert(&raw, meta()).unwrap();
    let mut seen = 0;
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let recording = convert(&raw, meta()).unwrap();
        let count = recording.requests.len();
        assert!(count >= seen, "{count} requests of {length} bytes after {seen}");
        assert_eq!(recording.requests[..], all.requests[..count]);
        seen = count;
    }
    assert_eq!(seen, 1);
}

#[test]
fn what_is_no_log_is_refused() {
    let message = |content: &[u8]| {
        let dir = begun();
        fs::write(raw_dir(dir.path()).join("11.log"), content).unwrap();
        let error = convert(&raw_dir(dir.path()), meta()).unwrap_err();
        error.to_string().replace(&*dir.path().to_string_lossy(), "REC")
    };
    let mut newer = HEADER;
    newer[HEADER.len() - 1] += 1;
    // A call whose way of beginning is of a later version.
    let enter =
        Record::Enter { call: 1, parent: 0, request: 1, function: 0, via: ViaCode::Inline, thread: 0, wall: 0, cpu: 0 };
    let mut frame = Frame::default();
    frame.put(&enter);
    let mut payload = frame.bytes().to_vec();
    payload[5] = 77;
    let mut unknown = log(&Script::shop(0).start(1, 0).records);
    unknown.extend(frame_header(&payload));
    unknown.extend(payload);
    let messages = [message(b"2026-11-24 INFO started the server"), message(&newer), message(&unknown)];
    insta::assert_snapshot!(messages.join("\n"), @"
    read REC/raw/11.log: it is not a splitcost recording (it does not begin like a recorder's log)
    read REC/raw/11.log: its format version is 7, this splitcost reads version 6
    read REC/raw/11.log: the frame at byte 448: via 77 is unknown
    ");
}

#[test]
fn nothing_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open(&dir.path().join("nowhere")), Err(Error::Absent { .. })));
    assert!(matches!(open(Path::new(dir.path())), Err(Error::Absent { .. })));
}
