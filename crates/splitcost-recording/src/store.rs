//! A recording as a directory of Parquet files, and back.
//!
//! ```text
//! REC/splitcost-recording.json   magic name, format version, metadata, modules, size and checksum of each file
//! REC/requests.parquet           one row per request
//! REC/calls.parquet              one row per call between modules
//! REC/segments.parquet           one row per stretch of a call
//! REC/payloads.parquet           one row per sampled payload
//! REC/obstacles.parquet          what in them needs more than encoding
//! REC/receivers.parquet          the objects that methods were called on
//! REC/shapes.parquet             type skeletons
//! REC/functions.parquet          what was called
//! REC/statements.parquet         one row per database statement
//! REC/statement_texts.parquet    their texts, without literals
//! REC/uncommitted.parquet        the time in which writes were not committed
//! REC/connections.parquet        work of libraries on connections
//! REC/tables.parquet             the modules that map tables
//! ```
//!
//! The tables and their columns are described in [`schema`]. Any Parquet tool reads them; names stand beside the
//! numbers that only [`read`] needs. The JSON file is written last: a recording is whole, or it is not there.

mod check;
mod manifest;
mod read;
pub mod schema;
mod write;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use splitcost_model::recording::Recording;

use crate::Error;

pub use check::check;

/// Version of the directory's format, in its JSON file.
pub const FORMAT_VERSION: u32 = 7;

/// The file that makes a directory a recording.
pub const MANIFEST: &str = "splitcost-recording.json";

/// Returns true when there is a recording in `dir`, of whatever version.
pub fn exists(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file()
}

/// Writes a recording into `dir`, in place of one that is there.
///
/// Its `meta.format_version` becomes [`FORMAT_VERSION`].
pub fn write(dir: &Path, recording: &Recording) -> Result<(), Error> {
    check(recording).map_err(Error::Invalid)?;
    fs::create_dir_all(dir).map_err(Error::io(dir))?;
    write::write(dir, recording)
}

/// Reads the recording in `dir`; whatever is wrong with its files is an error that names file and place.
pub fn read(dir: &Path) -> Result<Recording, Error> {
    let (manifest, files) = manifest::read(dir)?;
    let mut recording = Recording { meta: manifest.meta, modules: manifest.modules, ..Recording::default() };
    read::read(dir, &files, &mut recording)?;
    check(&recording).map_err(|reason| Error::corrupt(&dir.join(MANIFEST), "its tables", reason))?;
    Ok(recording)
}

/// Removes the recording in `dir`, and nothing else.
pub(crate) fn remove(dir: &Path) -> Result<(), Error> {
    for name in std::iter::once(MANIFEST).chain(schema::TABLES.iter().map(|table| table.file)) {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(&path)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// Puts `bytes` in place of the file at `path`: it holds all of them, or what it held before.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = temporary(path);
    let mut file = fs::File::create(&temporary).map_err(Error::io(&temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io(&temporary))?;
    fs::rename(&temporary, path).map_err(Error::io(path))
}

fn temporary(path: &Path) -> PathBuf {
    path.with_added_extension("tmp")
}
