//! What happens in a history, line by line, and what panics in it.
//!
//! A line is written only if somebody reads it: the run of many seeds keeps none, and the replay of a failed one keeps the last.
//! The server's own log is a part of it, and a line of the server at `error` ends the history.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Lines that a replay keeps.
const LAST: usize = 30;

/// Which lines are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    /// The last ones.
    Last,
    /// All of them.
    All,
    /// The last ones, and each is printed.
    Shown,
}

/// Where a panic happened, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Panicked {
    /// The file and the line. Failures of the same place are failures of the same invariant.
    pub(super) place: String,
    pub(super) message: String,
}

#[derive(Debug)]
struct Journal {
    keep: Keep,
    step: u64,
    lines: VecDeque<String>,
    /// The last line of the server at `error`.
    error: Option<String>,
    panicked: Option<Panicked>,
}

thread_local! {
    /// The journal of the history that this thread lives through.
    static JOURNAL: RefCell<Option<Journal>> = const { RefCell::new(None) };
}

/// Begins a journal of this thread.
pub(super) fn open(keep: Keep) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Server).expect("the only logger");
        log::set_max_level(LevelFilter::Debug);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !note_panic(info) {
                before(info);
            }
        }));
    });
    JOURNAL.set(Some(Journal { keep, step: 0, lines: VecDeque::new(), error: None, panicked: None }));
}

/// Ends the journal of this thread. Gives its lines, and the panic that ended the history, if one did.
pub(super) fn close() -> (Vec<String>, Option<Panicked>) {
    let journal = JOURNAL.take().expect("a journal");
    (journal.lines.into(), journal.panicked)
}

/// A step begins.
pub(super) fn step() {
    with(|journal| journal.step += 1);
}

/// The number of the step, the first being 1.
pub(super) fn current_step() -> u64 {
    with(|journal| journal.step).unwrap_or(0)
}

/// Writes a line. The text is made only if somebody reads it.
pub(super) fn tell(what: impl FnOnce() -> String) {
    let is_read = with(|journal| journal.keep != Keep::Nothing);
    if is_read == Some(true) {
        let what = what();
        with(|journal| journal.write(&what));
    }
}

/// The last line of the server at `error`, if there was one.
pub(super) fn error() -> Option<String> {
    with(|journal| journal.error.clone()).flatten()
}

fn with<R>(act: impl FnOnce(&mut Journal) -> R) -> Option<R> {
    JOURNAL.with_borrow_mut(|journal| journal.as_mut().map(act))
}

impl Journal {
    fn write(&mut self, what: &str) {
        let line = format!("{:>6}  {what}", self.step);
        if self.keep == Keep::Shown {
            eprintln!("{line}");
        }
        if self.keep != Keep::All && self.lines.len() == LAST {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// Notes a panic of a history. Says whether it was one.
fn note_panic(info: &PanicHookInfo<'_>) -> bool {
    let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
    let message = info.payload_as_str().unwrap_or("something that is no text").to_owned();
    let panicked = Panicked { place, message };
    tell(|| format!("panic at {}: {}", panicked.place, panicked.message));
    with(|journal| journal.panicked = Some(panicked)).is_some()
}

/// The server's log.
struct Server;

impl Log for Server {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        with(|journal| journal.keep != Keep::Nothing || metadata.level() == Level::Error).unwrap_or(false)
    }

    fn log(&self, record: &Record<'_>) {
        // The program's handlers panic on purpose. Lines about them are limited by the system's clock, too.
        if record.target().starts_with("kinglet::app::base::guard") {
            return;
        }
        if record.level() == Level::Error {
            with(|journal| journal.error = Some(record.args().to_string()));
        }
        tell(|| format!("server: {} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}
