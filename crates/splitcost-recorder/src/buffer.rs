//! The part of the log that is still in memory.

use std::path::PathBuf;

use splitcost_recording::log::{Frame, Record};

/// Size at which the buffer is written out before its time.
///
/// Chosen: large enough for cheap writes, small enough to lose.
pub(crate) const FLUSH_BYTES: usize = 1 << 20;
/// Size at which the app's thread writes the buffer itself, because the flushing thread does not keep up.
///
/// Chosen: bounds the recorder's memory.
const MAX_BUFFER_BYTES: usize = 16 << 20;
/// Size at which a log takes no more calls, only counts.
///
/// Chosen: about fifty million calls; more says nothing new and fills a disk.
const MAX_LOG_BYTES: u64 = 4 << 30;

/// The records that are not in the file yet, and the file's name.
#[derive(Debug, Default)]
pub(crate) struct LogBuffer {
    directory: PathBuf,
    pub(crate) path: PathBuf,
    pub(crate) frame: Frame,
    /// The other one, while one is being written.
    pub(crate) spare: Frame,
    /// The flushing thread was woken for the present frame.
    is_announced: bool,
    /// Length of the file.
    pub(crate) written: u64,
    /// True when the flushing thread is to end.
    pub(crate) stop: bool,
}

impl LogBuffer {
    /// Begins a log for this process in `directory`, which exists.
    pub(crate) fn new(directory: PathBuf) -> Self {
        let name = format!("{}-{}.log", std::process::id(), crate::clock::monotonic());
        Self { path: directory.join(name), directory, ..Self::default() }
    }

    /// Begins another log in the same directory, for a forked child.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.directory.clone())
    }

    /// Appends a record, whatever the log's size.
    pub(crate) fn put(&mut self, record: &Record) {
        self.frame.put(record);
    }

    /// Returns true when the log has room for more calls.
    pub(crate) fn has_room(&self) -> bool {
        self.written + (self.frame.bytes().len() as u64) < MAX_LOG_BYTES
    }

    /// Returns true when the flushing thread should write.
    pub(crate) fn is_due(&self) -> bool {
        self.frame.bytes().len() >= FLUSH_BYTES
    }

    /// Returns true when the flushing thread should be woken: once for a frame, as that is a system call.
    pub(crate) fn is_to_be_announced(&mut self) -> bool {
        self.is_due() && !std::mem::replace(&mut self.is_announced, true)
    }

    /// Takes what is to be written, and goes on with the other frame.
    pub(crate) fn take(&mut self) -> Frame {
        self.is_announced = false;
        std::mem::replace(&mut self.frame, std::mem::take(&mut self.spare))
    }

    /// Returns true when the app's thread must flush by itself.
    pub(crate) fn is_overdue(&self) -> bool {
        self.frame.bytes().len() >= MAX_BUFFER_BYTES
    }
}
