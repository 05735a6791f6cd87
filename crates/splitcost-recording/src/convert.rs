//! From the raw logs of a recording's processes to the recording itself.
//!
//! ```text
//! REC/raw/meta.json      what is known before the app runs
//! REC/raw/<pid>.log      one per process, written by the recorder
//! ```

use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use splitcost_model::recording::{Meta, Recording};

use crate::Error;
use crate::assemble::{Assembler, merge};
use crate::log::{FRAME_HEADER_LEN, HEADER, MAX_PAYLOAD_LEN, Reader, UnknownCode};
use crate::store;

/// Returns the directory of the recorder's logs, inside a recording's directory.
pub fn raw_dir(dir: &Path) -> PathBuf {
    dir.join("raw")
}

/// Prepares a recording's directory: afterwards the app may be started with [`raw_dir`] as its log directory.
///
/// The files of an earlier recording there are removed. `meta` is kept beside the logs, for [`open`] to find should
/// the recording be interrupted; [`note`] keeps a fuller one.
pub fn begin(dir: &Path, meta: &Meta) -> Result<(), Error> {
    let raw = raw_dir(dir);
    store::remove(dir)?;
    remove_raw(dir)?;
    fs::create_dir_all(&raw).map_err(Error::io(&raw))?;
    note(dir, meta)
}

/// Stores the metadata, as far as it is known, of the recording that is being made in `dir`.
pub fn note(dir: &Path, meta: &Meta) -> Result<(), Error> {
    let path = raw_dir(dir).join("meta.json");
    let text = serde_json::to_string_pretty(meta).map_err(|e| Error::Invalid(e.to_string()))?;
    store::replace(&path, text.as_bytes())
}

/// Ends the recording in `dir`: converts its logs, writes it, and removes the logs.
pub fn finish(dir: &Path, meta: Meta) -> Result<Recording, Error> {
    let recording = convert(&raw_dir(dir), meta)?;
    store::write(dir, &recording)?;
    remove_raw(dir)?;
    Ok(recording)
}

/// Opens the recording in `dir`, or, where recording was interrupted, its logs.
pub fn open(dir: &Path) -> Result<Recording, Error> {
    if store::exists(dir) {
        return store::read(dir);
    }
    let raw = raw_dir(dir);
    if !raw.is_dir() {
        return Err(Error::Absent { path: dir.to_owned() });
    }
    let path = raw.join("meta.json");
    let mut meta = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Error::corrupt(&path, format!("line {}, column {}", e.line(), e.column()), e.to_string()))?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Meta::default(),
        Err(e) => return Err(Error::io(&path)(e)),
    };
    meta.troubles.push("recording was interrupted: this is what the app had written until then".to_owned());
    convert(&raw, meta)
}

/// Converts the logs in `raw` to one recording, described by `meta`.
pub fn convert(raw: &Path, meta: Meta) -> Result<Recording, Error> {
    let entries = fs::read_dir(raw).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(Error::io(raw))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    let parts = paths.iter().map(|path| read_log(path, meta.phases.is_empty())).collect::<Result<Vec<_>, _>>()?;
    Ok(merge(Meta { format_version: store::FORMAT_VERSION, ..meta }, parts))
}

fn remove_raw(dir: &Path) -> Result<(), Error> {
    let raw = raw_dir(dir);
    match fs::remove_dir_all(&raw) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(&raw)(e)),
        _ => Ok(()),
    }
}

/// One process's log, frame by frame: no more than a frame of it is in memory.
fn read_log(path: &Path, is_command: bool) -> Result<Recording, Error> {
    let mut assembler = if is_command { Assembler::of_command() } else { Assembler::default() };
    let mut file = BufReader::new(fs::File::open(path).map_err(Error::io(path))?);
    let mut frame = vec![0; HEADER.len()];
    let found = read_up_to(&mut file, &mut frame).map_err(Error::io(path))?;
    if frame[..found] != HEADER[..found] {
        return Err(not_a_log(path, &frame));
    }
    let mut offset = HEADER.len();
    let mut damage = (found < HEADER.len()).then_some("the file ends inside its header");
    while damage.is_none() {
        // The reader takes a whole file: this is one with a single frame.
        frame.truncate(HEADER.len());
        frame.resize(HEADER.len() + FRAME_HEADER_LEN, 0);
        let head = read_up_to(&mut file, &mut frame[HEADER.len()..]).map_err(Error::io(path))?;
        if head == 0 {
            break;
        }
        let [a, b, c, d, ..] = frame[HEADER.len()..] else { break };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let mut whole = HEADER.len() + head;
        if head == FRAME_HEADER_LEN && length <= MAX_PAYLOAD_LEN {
            frame.resize(whole + length, 0);
            whole += read_up_to(&mut file, &mut frame[whole..]).map_err(Error::io(path))?;
        }
        frame.truncate(whole);
        let Some(mut records) = Reader::new(&frame) else { break };
        records.by_ref().for_each(|record| assembler.push(record));
        if let Some(UnknownCode { field, code }) = records.damage().and_then(|damage| damage.unknown_code) {
            let place = format!("the frame at byte {offset}");
            return Err(Error::corrupt(path, place, format!("{field} {code} is unknown")));
        }
        damage = records.damage().map(|damage| damage.reason);
        offset += records.damage().map_or(whole, |damage| damage.offset) - HEADER.len();
    }
    let mut recording = assembler.finish();
    if let Some(reason) = damage {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        recording.meta.troubles.push(format!("{name} was used up to byte {offset}: {reason}"));
    }
    Ok(recording)
}

fn not_a_log(path: &Path, head: &[u8]) -> Error {
    let version = HEADER.len() - 1;
    if head[..version] == HEADER[..version] {
        let (found, supported) = (u64::from(head[version]), u32::from(HEADER[version]));
        return Error::Version { path: path.to_owned(), found, supported };
    }
    Error::NotOurs { path: path.to_owned(), reason: "it does not begin like a recorder's log".to_owned() }
}

/// Fills `buffer` as far as the file goes.
fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
