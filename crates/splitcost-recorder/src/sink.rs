//! The log file: a buffer, a thread that empties it, and what happens around `fork`.
//!
//! The file is opened anew for each write: an app that closes descriptors it does not know (a daemon) does not get
//! our bytes into a file of its own.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use splitcost_recording::log::{HEADER, Record, frame_header};

use crate::state::{Shared, lock};

/// Longest time a record stays in memory.
///
/// Chosen: half of the second that is promised.
const FLUSH_INTERVAL: Duration = Duration::from_millis(400);
/// Size at which the buffer is written out before its time.
///
/// Chosen: large enough for cheap writes, small enough to lose.
const FLUSH_BYTES: usize = 1 << 20;
/// Size at which the app's thread writes the buffer itself, because the flushing thread does not keep up.
///
/// Chosen: bounds the recorder's memory.
const MAX_BUFFER_BYTES: usize = 16 << 20;
/// Size at which a log takes no more calls, only counts.
///
/// Chosen: about fifty million calls; more says nothing new and fills a disk.
const MAX_LOG_BYTES: u64 = 4 << 30;

/// Whether the recorder records.
pub(crate) static ON: AtomicBool = AtomicBool::new(false);

/// Held while a buffer is on its way to the file, so that buffers arrive in order. Taken before [`Shared`].
static WRITING: Mutex<()> = Mutex::new(());
static WAKE: Condvar = Condvar::new();
static FLUSHER: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

/// Where the records go.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    directory: PathBuf,
    path: PathBuf,
    buffer: Vec<u8>,
    /// The other buffer, while one is being written.
    spare: Vec<u8>,
    written: u64,
    stop: bool,
}

impl Sink {
    /// A log for this process in `directory`, which exists.
    pub(crate) fn new(directory: PathBuf) -> Self {
        let name = format!("{}-{}.log", std::process::id(), crate::clock::monotonic());
        Self { path: directory.join(name), directory, ..Self::default() }
    }

    /// Another log in the same directory, for a forked child.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.directory.clone())
    }

    /// Appends a record, whatever the log's size.
    pub(crate) fn put(&mut self, record: &Record) {
        record.encode(&mut self.buffer);
    }

    /// Whether the log has room for more calls.
    pub(crate) fn has_room(&self) -> bool {
        self.written + (self.buffer.len() as u64) < MAX_LOG_BYTES
    }

    /// Wakes the flushing thread when the buffer is big; true when the caller must flush by itself.
    pub(crate) fn is_overdue(&self) -> bool {
        if self.buffer.len() >= FLUSH_BYTES {
            WAKE.notify_one();
        }
        self.buffer.len() >= MAX_BUFFER_BYTES
    }
}

fn writing() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes out what is in memory.
pub(crate) fn flush() {
    let order = writing();
    let mut shared = lock();
    let Some(recorder) = shared.as_mut() else { return };
    recorder.put_counts();
    let sink = &mut recorder.sink;
    if sink.buffer.is_empty() {
        return;
    }
    let spare = std::mem::take(&mut sink.spare);
    let mut payload = std::mem::replace(&mut sink.buffer, spare);
    let path = sink.path.clone();
    let is_new = sink.written == 0;
    drop(shared);

    let result = append(&path, is_new, &payload);
    let len = payload.len() as u64;
    payload.clear();

    let mut shared = lock();
    if let Some(recorder) = shared.as_mut() {
        recorder.sink.spare = payload;
        recorder.sink.written += len;
    }
    drop(shared);
    drop(order);
    if let Err(error) = result {
        switch_off(&format!("the log {} cannot be written: {error}", path.display()));
    }
}

fn append(path: &PathBuf, is_new: bool, payload: &[u8]) -> std::io::Result<()> {
    // Only the first write may create the file: a log that someone removed is trouble, not a reason to start another.
    let mut file = OpenOptions::new().append(true).create_new(is_new).open(path)?;
    if is_new {
        file.write_all(&HEADER)?;
    }
    file.write_all(&frame_header(payload))?;
    file.write_all(payload)
}

/// Starts the thread that flushes.
pub(crate) fn start_flushing() {
    let thread = std::thread::Builder::new().name("splitcost".into()).spawn(|| {
        loop {
            let mut shared = lock();
            let may_wait = |shared: &mut Shared| {
                shared.as_mut().is_some_and(|r| !r.sink.stop && r.sink.buffer.len() < FLUSH_BYTES)
            };
            (shared, _) =
                WAKE.wait_timeout_while(shared, FLUSH_INTERVAL, may_wait).unwrap_or_else(PoisonError::into_inner);
            let stop = shared.as_ref().is_none_or(|r| r.sink.stop);
            drop(shared);
            if stop || !ON.load(Ordering::Relaxed) {
                return;
            }
            flush();
        }
    });
    match thread {
        Ok(thread) => *FLUSHER.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread),
        Err(error) => switch_off(&format!("no thread can be started: {error}")),
    }
}

/// Ends the thread that flushes, and waits for it. It never needs the GIL, so holding it is fine.
fn stop_flushing() {
    if let Some(recorder) = lock().as_mut() {
        recorder.sink.stop = true;
    }
    WAKE.notify_one();
    let thread = FLUSHER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(thread) = thread {
        // A panic of that thread has been reported by the runtime; the buffer is still there.
        let _ = thread.join();
    }
    if let Some(recorder) = lock().as_mut() {
        recorder.sink.stop = false;
    }
}

/// Writes out everything, for good.
pub(crate) fn finish() {
    stop_flushing();
    flush();
}

/// Before a fork: no thread of ours.
///
/// Both locks are free then, in parent and child: Python's threads take them with the GIL held and never let go of it
/// inside, and whoever forks holds the GIL.
pub(crate) fn before_fork() {
    stop_flushing();
}

/// After a fork, in the parent.
pub(crate) fn after_fork_in_parent() {
    if ON.load(Ordering::Relaxed) {
        start_flushing();
    }
}

/// After a fork, in the child: a log of its own.
pub(crate) fn after_fork_in_child() {
    if let Some(recorder) = lock().as_mut() {
        recorder.begin_anew();
    }
    crate::state::forget_thread();
    if ON.load(Ordering::Relaxed) {
        start_flushing();
    }
}

/// Switches the recorder off for good, and says so once, in the log where that still works and on stderr.
pub(crate) fn switch_off(reason: &str) {
    if !ON.swap(false, Ordering::Relaxed) {
        return;
    }
    say(&format!("recorder switched off: {reason}"));
    if let Some(recorder) = lock().as_mut() {
        recorder.sink.put(&Record::Trouble { message: reason.to_owned() });
    }
    // Off already: a failure of this last write is not reported again.
    flush();
}

/// One line on stderr.
pub(crate) fn say(message: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "splitcost: {message}");
}
