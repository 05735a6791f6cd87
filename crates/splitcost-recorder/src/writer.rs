//! Writing the log file: a thread that empties the buffer, also across `fork`, and the switch that ends recording.
//!
//! The file is opened anew for each write: an app that closes descriptors that it does not know (a daemon) never gets
//! the recorder's bytes into a file of its own.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use splitcost_recording::log::{HEADER, Record, frame_header};

use crate::ending;
use crate::state::{Shared, lock};

/// Longest time a record stays in memory.
///
/// Chosen: half of the second that is promised.
const FLUSH_INTERVAL: Duration = Duration::from_millis(400);
/// True while the recorder records.
pub(crate) static ON: AtomicBool = AtomicBool::new(false);

/// True while the flushing thread runs.
static FLUSHING: AtomicBool = AtomicBool::new(false);

/// Held while a buffer is on its way to the file, so that buffers arrive in order. Taken before [`Shared`].
static WRITING: Mutex<()> = Mutex::new(());
static WAKE: Condvar = Condvar::new();
static FLUSHER: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

/// Wakes the flushing thread before its time; returns false if no such thread runs.
pub(crate) fn wake() -> bool {
    WAKE.notify_one();
    FLUSHING.load(Ordering::Relaxed)
}

fn writing() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the buffer to the file.
pub(crate) fn flush() {
    let order = writing();
    let mut shared = lock();
    let Some(recorder) = shared.as_mut() else { return };
    recorder.put_counts();
    let buffer = &mut recorder.buffer;
    if buffer.frame.bytes().is_empty() {
        return;
    }
    let mut frame = buffer.take();
    let path = buffer.path.clone();
    let is_new = buffer.written == 0;
    drop(shared);

    let result = append(&path, is_new, frame.bytes());
    let len = frame.bytes().len() as u64;
    frame.clear();

    let mut shared = lock();
    if let Some(recorder) = shared.as_mut() {
        recorder.buffer.spare = frame;
        recorder.buffer.written += len;
    }
    drop(shared);
    drop(order);
    if let Err(error) = result {
        switch_off(&format!("the log {} cannot be written: {error}", path.display()));
    }
}

fn append(path: &Path, is_new: bool, payload: &[u8]) -> std::io::Result<()> {
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
    FLUSHING.store(true, Ordering::Relaxed);
    let thread = std::thread::Builder::new().name("splitcost".into()).spawn(|| {
        loop {
            let mut shared = lock();
            let may_wait = |shared: &mut Shared| {
                !ending::is_near() && shared.as_mut().is_some_and(|r| !r.buffer.stop && !r.buffer.is_due())
            };
            (shared, _) =
                WAKE.wait_timeout_while(shared, FLUSH_INTERVAL, may_wait).unwrap_or_else(PoisonError::into_inner);
            let stop = shared.as_ref().is_none_or(|r| r.buffer.stop);
            drop(shared);
            if stop || !ON.load(Ordering::Relaxed) {
                FLUSHING.store(false, Ordering::Relaxed);
                ending::end();
                return;
            }
            flush();
            ending::end();
        }
    });
    match thread {
        Ok(thread) => *FLUSHER.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread),
        Err(error) => {
            FLUSHING.store(false, Ordering::Relaxed);
            switch_off(&format!("no thread can be started: {error}"));
        }
    }
}

/// Ends the thread that flushes, and waits for it. It never needs the GIL, so holding it is fine.
fn stop_flushing() {
    if let Some(recorder) = lock().as_mut() {
        recorder.buffer.stop = true;
    }
    WAKE.notify_one();
    let thread = FLUSHER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(thread) = thread {
        // A panic of that thread has been reported by the runtime; the buffer is still there.
        let _ = thread.join();
    }
    if let Some(recorder) = lock().as_mut() {
        recorder.buffer.stop = false;
    }
}

/// Writes out everything, for good.
pub(crate) fn finish() {
    stop_flushing();
    flush();
}

/// Prepares a fork: ends the recorder's thread.
///
/// Both locks are free then, in parent and child: Python's threads take them with the GIL held and never let go of it
/// inside, and whoever forks holds the GIL.
pub(crate) fn before_fork() {
    stop_flushing();
}

/// Goes on after a fork, in the parent.
pub(crate) fn after_fork_in_parent() {
    if ON.load(Ordering::Relaxed) {
        start_flushing();
    }
}

/// Goes on after a fork, in the child, with a log of its own.
pub(crate) fn after_fork_in_child() {
    crate::clock::begin_anew();
    if let Some(recorder) = lock().as_mut() {
        recorder.begin_anew();
    }
    crate::shadow_stack::forget_thread();
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
        recorder.buffer.put(&Record::Trouble { message: reason.to_owned() });
    }
    // Off already: a failure of this last write is not reported again.
    flush();
}

/// Prints one line on stderr.
pub(crate) fn say(message: &str) {
    // A closed stderr has no reader.
    let _ = writeln!(std::io::stderr(), "splitcost: {message}");
}
