//! The errors of reading and writing recordings.

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// An error of reading or writing a recording; a message completes "failed to …".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is neither a recording nor the raw log of one.
    #[error("find a recording in {}", path.display())]
    Absent {
        /// The directory that was searched.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("access {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not part of a recording.
    #[error("read {}: it is not a splitcost recording ({reason})", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// The reason for that judgement.
        reason: String,
    },
    /// The recording was written by another version of splitcost.
    #[error("read {}: its format version is {found}, this splitcost reads version {supported}", path.display())]
    Version {
        /// The file that says so.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Ours.
        supported: u32,
    },
    /// The file is cut, altered or contradicts itself.
    #[error("read {}: {place}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it: a row, a column, an offset.
        place: String,
        /// The fault there.
        reason: String,
    },
    /// The Parquet library failed.
    #[error("read or write {}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ParquetError,
    },
    /// The recording to be written contradicts itself.
    #[error("write the recording: {0}")]
    Invalid(String),
}

impl Error {
    /// For `map_err` on an operation on `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// For `map_err` on a Parquet operation on `path`.
    pub(crate) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self + '_ {
        move |source| Self::Parquet { path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &Path, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), place: place.into(), reason: reason.into() }
    }
}
