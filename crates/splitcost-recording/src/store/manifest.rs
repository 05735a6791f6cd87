//! The JSON file of a recording: its format, the circumstances of its making, and the checksums of its files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splitcost_model::recording::Meta;

use super::{FORMAT_VERSION, MANIFEST, replace};
use crate::Error;
use crate::crc32::crc32;

/// The magic name.
const NAME: &str = "splitcost-recording";

/// Longest JSON file that is read.
///
/// Chosen: metadata of a recording takes kilobytes; a larger file is not ours.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    name: String,
    format_version: u32,
    pub(super) meta: Meta,
    pub(super) modules: Vec<String>,
    files: Files,
}

/// The seals of the files, by name.
pub(super) type Files = BTreeMap<String, FileSeal>;

/// The size and checksum of a whole file, which one that was cut or altered does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSeal {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// CRC-32 of the whole file.
    pub(super) crc32: u32,
}

impl FileSeal {
    /// The seal of the file at `path`, read in pieces.
    pub(super) fn of(path: &Path, rows: u64) -> Result<Self, Error> {
        let mut file = BufReader::new(File::open(path).map_err(Error::io(path))?);
        let mut hasher = crc32fast::Hasher::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut buffer).map_err(Error::io(path))?;
            if read == 0 {
                return Ok(Self { rows, bytes, crc32: hasher.finalize() });
            }
            hasher.update(&buffer[..read]);
            bytes += read as u64;
        }
    }
}

pub(super) fn write(dir: &Path, meta: &Meta, modules: &[String], files: Files) -> Result<(), Error> {
    let manifest = Manifest {
        name: NAME.to_owned(),
        format_version: FORMAT_VERSION,
        meta: Meta { format_version: FORMAT_VERSION, ..meta.clone() },
        modules: modules.to_vec(),
        files,
    };
    let invalid = |e: serde_json::Error| Error::Invalid(e.to_string());
    let mut value = serde_json::to_value(&manifest).map_err(invalid)?;
    value["crc32"] = seal(&value)?.into();
    replace(&dir.join(MANIFEST), serde_json::to_string_pretty(&value).map_err(invalid)?.as_bytes())
}

/// Checksum of the document without its checksum, white space aside.
fn seal(value: &Value) -> Result<u32, Error> {
    let text = serde_json::to_string(value).map_err(|e| Error::Invalid(e.to_string()))?;
    Ok(crc32(text.as_bytes()))
}

/// The manifest of the recording in `dir`, and the seals of its files.
pub(super) fn read(dir: &Path) -> Result<(Manifest, Files), Error> {
    let path = dir.join(MANIFEST);
    let not_ours = |reason: &str| Error::NotOurs { path: path.clone(), reason: reason.to_owned() };
    let size = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(Error::Absent { path: dir.to_owned() }),
        Err(e) => return Err(Error::io(&path)(e)),
    };
    if size > MAX_BYTES {
        return Err(not_ours("it is too large"));
    }
    let bytes = fs::read(&path).map_err(Error::io(&path))?;
    let corrupt = |e: &serde_json::Error| {
        Error::corrupt(&path, format!("line {}, column {}", e.line(), e.column()), e.to_string())
    };
    let mut value: Value = serde_json::from_slice(&bytes).map_err(|e| corrupt(&e))?;
    if value.get("name").and_then(Value::as_str) != Some(NAME) {
        return Err(not_ours("its name is another"));
    }
    match value.get("format_version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(FORMAT_VERSION) => {}
        Some(found) => return Err(Error::Version { path, found, supported: FORMAT_VERSION }),
        None => return Err(not_ours("it has no format version")),
    }
    let sealed = value.as_object_mut().and_then(|fields| fields.remove("crc32"));
    if sealed.as_ref().and_then(Value::as_u64) != Some(u64::from(seal(&value)?)) {
        return Err(Error::corrupt(&path, "the whole file", "its checksum is wrong: it was cut or altered"));
    }
    let mut manifest: Manifest = serde_json::from_value(value).map_err(|e| corrupt(&e))?;
    let files = std::mem::take(&mut manifest.files);
    Ok((manifest, files))
}
