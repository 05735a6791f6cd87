//! The cache between scans: the compact form of each file, by a hash of its contents, and the result of the last scan, by
//! a hash of everything that it depends on.
//!
//! A cache that cannot be read or written is not reported: the scan then takes longer and finds the same.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use splitcost_model::finding::{Scan, Skipped};
use twox_hash::XxHash3_128;

use crate::discover::FoundFile;
use crate::form::File;
use crate::lower::lower;
use crate::options::Options;

/// The cache of one program, scanned in one way.
pub(crate) struct Cache {
    directory: PathBuf,
    /// The hash of the scanned paths.
    program: Hash,
    /// The hash of all options, the paths included.
    options: Hash,
}

/// A hash of some contents.
type Hash = u128;

/// The result of a scan, and the hash of everything that it depends on.
#[derive(Serialize, Deserialize)]
struct CachedScan<S> {
    key: Hash,
    scan: S,
}

impl Cache {
    /// Returns the cache in the directory that the options name, if they name one.
    pub(crate) fn of(options: &Options) -> Option<Self> {
        let directory = options.cache.clone()?;
        let mut hash = XxHash3_128::new();
        for path in &options.paths {
            write(&mut hash, fs::canonicalize(path).unwrap_or_else(|_| path.clone()).as_os_str().as_encoded_bytes());
        }
        let program = hash.finish_128();
        write(&mut hash, format!("{options:?}").as_bytes());
        Some(Self { directory, program, options: hash.finish_128() })
    }

    /// Returns the result of the last scan with these options, if its key was the same.
    pub(crate) fn scan(&self, key: Hash) -> Option<Scan> {
        let text = fs::read(self.path(self.options, "scan")).ok()?;
        let kept: CachedScan<Scan> = serde_json::from_slice(&text).ok()?;
        (kept.key == key).then_some(kept.scan)
    }

    /// Writes the result of a scan.
    pub(crate) fn keep(&self, key: Hash, scan: &Scan) {
        if let Ok(text) = serde_json::to_vec(&CachedScan { key, scan }) {
            write_whole(&self.path(self.options, "scan"), &text);
        }
    }

    /// Returns the compact forms of files: those in the cache, and new ones, which are added to it.
    pub(crate) fn forms(&self, found: &[FoundFile]) -> Vec<File> {
        let bytes = fs::read(self.path(self.program, "forms")).unwrap_or_default();
        let (build, known): (Vec<u8>, Vec<(Hash, &[u8])>) = postcard::from_bytes(&bytes).unwrap_or_default();
        let known: FxHashMap<Hash, &[u8]> =
            if build == build_id() { known.into_iter().collect() } else { FxHashMap::default() };
        let forms: Vec<(File, Hash, Option<Vec<u8>>)> = found
            .par_iter()
            .map(|file| {
                let hash = hash_of(&file.text);
                let kept = known.get(&hash).and_then(|kept| postcard::from_bytes(kept).ok());
                let is_new = kept.is_none();
                let form = kept.unwrap_or_else(|| lower(&file.text));
                let bytes = if is_new { postcard::to_stdvec(&form).ok() } else { None };
                (form, hash, bytes)
            })
            .collect();
        if forms.iter().any(|(_, _, bytes)| bytes.is_some()) {
            let cached = forms.iter().filter_map(|(_, hash, bytes)| {
                bytes.as_deref().or_else(|| known.get(hash).copied()).map(|bytes| (*hash, bytes))
            });
            if let Ok(bytes) = postcard::to_stdvec(&(build_id(), cached.collect::<Vec<_>>())) {
                write_whole(&self.path(self.program, "forms"), &bytes);
            }
        }
        forms.into_iter().map(|(form, _, _)| form).collect()
    }

    fn path(&self, hash: Hash, extension: &str) -> PathBuf {
        self.directory.join(format!("{hash:032x}.{extension}"))
    }
}

/// Returns the hash of everything that a scan depends on besides its options: this build of splitcost, and all files.
pub(crate) fn key(found: &[FoundFile], skipped: &[Skipped]) -> Hash {
    let mut hash = XxHash3_128::new();
    write(&mut hash, &build_id());
    let contents: Vec<Hash> = found.par_iter().map(|file| hash_of(&file.text)).collect();
    for (file, contents) in found.iter().zip(contents) {
        write(&mut hash, file.path.as_os_str().as_encoded_bytes());
        file.module.names.iter().for_each(|name| write(&mut hash, name.as_bytes()));
        write(&mut hash, &contents.to_le_bytes());
    }
    for skipped in skipped {
        write(&mut hash, skipped.path.as_bytes());
        write(&mut hash, skipped.reason.as_bytes());
    }
    hash.finish_128()
}

/// Writes a file as a whole: first under another name, then renamed.
fn write_whole(path: &Path, bytes: &[u8]) {
    let draft = path.with_extension(format!("{}.part", std::process::id()));
    let parent = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(parent).and_then(|()| fs::write(&draft, bytes));
    if written.and_then(|()| fs::rename(&draft, path)).is_err() {
        let _ = fs::remove_file(draft);
    }
}

/// Returns what identifies this build of splitcost: another build may find something else.
fn build_id() -> Vec<u8> {
    let file = std::env::current_exe().and_then(fs::metadata);
    let built = file.ok().map(|file| (file.len(), file.modified().ok()));
    format!("{} {built:?}", env!("CARGO_PKG_VERSION")).into_bytes()
}

fn hash_of(text: &str) -> Hash {
    XxHash3_128::oneshot(text.as_bytes())
}

/// Hashes bytes and their length, so that two texts in a row have another hash than both in one.
fn write(hash: &mut XxHash3_128, bytes: &[u8]) {
    hash.write(bytes);
    hash.write(&(bytes.len() as u64).to_le_bytes());
}
