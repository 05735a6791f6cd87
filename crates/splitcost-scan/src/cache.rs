//! What is kept from scan to scan: the compact form of each file, by its contents; and what a scan found, by everything
//! that it depends on. Without a cache everything works, only later: trouble with it is not reported.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use splitcost_model::finding::{Scan, Skipped};
use twox_hash::XxHash3_128;

use crate::discover::Found;
use crate::form::File;
use crate::lower::lower;
use crate::scan::Options;

/// The cache of one program, scanned in one way.
pub(crate) struct Cache {
    directory: PathBuf,
    /// Of the paths.
    program: Hash,
    /// Of the options, the paths among them.
    options: Hash,
}

/// A hash of contents.
type Hash = u128;

/// What a scan found, and the hash of what that depends on.
#[derive(Serialize, Deserialize)]
struct Kept<S> {
    key: Hash,
    scan: S,
}

impl Cache {
    /// Where the options name a place for one.
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

    /// What a scan with that key found.
    pub(crate) fn scan(&self, key: Hash) -> Option<Scan> {
        let text = fs::read(self.path(self.options, "scan")).ok()?;
        let kept: Kept<Scan> = serde_json::from_slice(&text).ok()?;
        (kept.key == key).then_some(kept.scan)
    }

    pub(crate) fn keep(&self, key: Hash, scan: &Scan) {
        if let Ok(text) = serde_json::to_vec(&Kept { key, scan }) {
            write_whole(&self.path(self.options, "scan"), &text);
        }
    }

    /// The compact forms of files: kept ones, and new ones, which are kept from now on.
    pub(crate) fn forms(&self, found: &[Found]) -> Vec<File> {
        let bytes = fs::read(self.path(self.program, "forms")).unwrap_or_default();
        let (by, known): (Vec<u8>, Vec<(Hash, &[u8])>) = postcard::from_bytes(&bytes).unwrap_or_default();
        let known: FxHashMap<Hash, &[u8]> =
            if by == scanner() { known.into_iter().collect() } else { FxHashMap::default() };
        let forms: Vec<(File, Hash, Option<Vec<u8>>)> = found
            .par_iter()
            .map(|file| {
                let hash = of(&file.text);
                let kept = known.get(&hash).and_then(|kept| postcard::from_bytes(kept).ok());
                let is_new = kept.is_none();
                let form = kept.unwrap_or_else(|| lower(&file.text));
                let bytes = if is_new { postcard::to_stdvec(&form).ok() } else { None };
                (form, hash, bytes)
            })
            .collect();
        if forms.iter().any(|(_, _, bytes)| bytes.is_some()) {
            let kept = forms.iter().filter_map(|(_, hash, bytes)| {
                bytes.as_deref().or_else(|| known.get(hash).copied()).map(|bytes| (*hash, bytes))
            });
            if let Ok(bytes) = postcard::to_stdvec(&(scanner(), kept.collect::<Vec<_>>())) {
                write_whole(&self.path(self.program, "forms"), &bytes);
            }
        }
        forms.into_iter().map(|(form, _, _)| form).collect()
    }

    fn path(&self, hash: Hash, extension: &str) -> PathBuf {
        self.directory.join(format!("{hash:032x}.{extension}"))
    }
}

/// The hash of everything but the options that a scan depends on: this very program, and all files.
pub(crate) fn key(found: &[Found], skipped: &[Skipped]) -> Hash {
    let mut hash = XxHash3_128::new();
    write(&mut hash, &scanner());
    let contents: Vec<Hash> = found.par_iter().map(|file| of(&file.text)).collect();
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

/// Writes a file whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) {
    let draft = path.with_extension(format!("{}.part", std::process::id()));
    let parent = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(parent).and_then(|()| fs::write(&draft, bytes));
    if written.and_then(|()| fs::rename(&draft, path)).is_err() {
        let _ = fs::remove_file(draft);
    }
}

/// This very program: another build may find something else.
fn scanner() -> Vec<u8> {
    let file = std::env::current_exe().and_then(fs::metadata);
    let built = file.ok().map(|file| (file.len(), file.modified().ok()));
    format!("{} {built:?}", env!("CARGO_PKG_VERSION")).into_bytes()
}

fn of(text: &str) -> Hash {
    XxHash3_128::oneshot(text.as_bytes())
}

/// Text and length: that two texts follow each other differs from one text of both.
fn write(hash: &mut XxHash3_128, bytes: &[u8]) {
    hash.write(bytes);
    hash.write(&(bytes.len() as u64).to_le_bytes());
}
