//! Writes to standard error without making anybody wait.
//!
//! The reader of standard error may stop reading: a full pipe, a terminal that is paused. So lines are queued, and a
//! thread writes them, which may wait for as long as it takes. It starts with the first line. The descriptor itself
//! stays blocking, because other processes may share it and would not expect a change.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

/// Bytes that may wait. A line without room is dropped and counted.
const MOST: usize = 256 * 1024;

/// Bytes of memory that are kept after the lines have been written.
const KEPT: usize = 8 * 1024;

/// Time that the end of the process leaves for waiting lines.
const PATIENCE: Duration = Duration::from_millis(100);

/// The thread's stack in bytes. It copies bytes, and rarely makes a line of its own.
const STACK: usize = 64 * 1024;

static QUEUE: Mutex<Queue> = Mutex::new(Queue { lines: Vec::new(), dropped: 0, writer: Writer::None });
static CHANGED: Condvar = Condvar::new();

/// Lines that wait.
struct Queue {
    lines: Vec<u8>,
    /// How many lines found no room since the thread last took the waiting ones.
    dropped: u64,
    writer: Writer,
}

/// The state of the thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// It has not started yet.
    None,
    Waiting,
    Writing,
}

/// Writes lines now or later, or drops them if too many wait.
pub(crate) fn print(lines: &[u8]) {
    let mut queue = queue();
    if queue.writer == Writer::None {
        if start().is_err() {
            drop(queue);
            // The system has no room for a thread, so the caller waits, as in most programs.
            let _ = io::stderr().write_all(lines);
            return;
        }
        queue.writer = Writer::Waiting;
    }
    if queue.lines.len() + lines.len() > MOST {
        queue.dropped += 1;
        return;
    }
    queue.lines.extend_from_slice(lines);
    drop(queue);
    CHANGED.notify_all();
}

/// Waits until everything is written, for a moment at most: after that nobody reads.
pub(crate) fn flush() {
    let is_under_way = |queue: &mut Queue| !queue.lines.is_empty() || queue.writer == Writer::Writing;
    drop(CHANGED.wait_timeout_while(queue(), PATIENCE, is_under_way));
}

fn start() -> io::Result<()> {
    // A handle of its own, because the standard library's is locked while somebody writes.
    let to = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let thread = thread::Builder::new().name("kinglet-stderr".to_owned()).stack_size(STACK);
    thread.spawn(move || run(&to)).map(drop)
}

fn run(to: &File) -> ! {
    let mut lines = Vec::new();
    loop {
        let dropped = take(&mut lines);
        if dropped > 0 {
            // It comes after the lines that are about to be written, where the dropped ones would be.
            log::warn!("{dropped} lines are missing here: standard error was not read");
        }
        write(to, &lines);
        lines.clear();
        lines.shrink_to(KEPT);
    }
}

/// Waits for lines and takes them all. Also returns how many others were dropped after them.
fn take(lines: &mut Vec<u8>) -> u64 {
    let mut queue = queue();
    queue.writer = Writer::Waiting;
    CHANGED.notify_all();
    let nothing = |queue: &mut Queue| queue.lines.is_empty();
    queue = CHANGED.wait_while(queue, nothing).unwrap_or_else(PoisonError::into_inner);
    queue.writer = Writer::Writing;
    std::mem::swap(&mut queue.lines, lines);
    std::mem::take(&mut queue.dropped)
}

fn write(mut to: &File, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process that shares it has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _ = poll(&mut [PollFd::new(to, PollFlags::OUT)], None);
            }
            // There is no reader, and nobody to tell.
            Err(_) => return,
        }
    }
}

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}
