//! Calls the program's handlers. Failures and panics are counted and logged, and go no further.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use log::Level;

use super::failure::{Failure, Fault, HandlerError, catch};
use super::subject::Subject;
use crate::log_line::{Excerpt, LineKind};
use crate::shard::Shard;

static FAILED: LineKind = LineKind::new(Level::Warn, module_path!(), "handlers that failed");
static TOOK_LONG: LineKind = LineKind::new(Level::Warn, module_path!(), "handlers that took long");
static PANICKED: LineKind = LineKind::new(Level::Error, module_path!(), "handlers that panicked");

/// A handler that takes this long holds its event loop up for too long.
const LONG: Duration = Duration::from_millis(100);

/// Calls a handler; its failure or panic is counted and logged, and goes no further.
pub(in crate::app) fn guard(shard: &Rc<Shard>, subject: Subject<'_>, what: &str, handler: impl FnOnce() -> Failure) {
    attempt(shard, subject, what, handler);
}

/// The same; returns the failure.
pub(in crate::app) fn attempt(
    shard: &Rc<Shard>,
    subject: Subject<'_>,
    what: &str,
    handler: impl FnOnce() -> Failure,
) -> Failure {
    let failure = catch(handler);
    look_at_time(shard, subject, what);
    if let Some(error) = &failure {
        failed(shard, subject, what, error);
    }
    failure
}

/// Calls a handler, and gives what it returned, or its panic. One that takes long is logged.
pub(in crate::app) fn caught<T>(
    shard: &Rc<Shard>,
    subject: Subject<'_>,
    what: &str,
    handler: impl FnOnce() -> T,
) -> std::thread::Result<T> {
    let caught = catch_unwind(AssertUnwindSafe(handler));
    look_at_time(shard, subject, what);
    caught
}

#[inline]
fn look_at_time(shard: &Rc<Shard>, subject: Subject<'_>, what: &str) {
    let took = shard.stopwatch.lap();
    if took >= LONG {
        tell_long(shard, subject, what, took);
    }
}

#[cold]
fn failed(shard: &Rc<Shard>, subject: Subject<'_>, what: &str, error: &HandlerError) {
    record(shard, subject, what, error.into());
}

/// Logs that a handler held its event loop up.
#[cold]
fn tell_long(shard: &Rc<Shard>, subject: Subject<'_>, what: &str, took: Duration) {
    TOOK_LONG.write(|| {
        format!(
            "the handler of {:?} took {} ms{}: nobody else was served meanwhile; what takes long belongs into on_blocking or route_blocking",
            Excerpt(what),
            took.as_millis(),
            subject.describe(shard),
        )
    });
}

/// Counts and logs a handler's failure or panic.
#[cold]
pub(in crate::app) fn record(shard: &Rc<Shard>, subject: Subject<'_>, what: &str, fault: Fault) {
    let handler = || format!("the handler of {:?}", Excerpt(what));
    match fault {
        Fault::Error(error) => {
            shard.with(|core| core.metrics().handler_errors.one());
            FAILED.write(|| format!("{} failed: {}{}", handler(), Excerpt(error), subject.describe(shard)));
        }
        Fault::Panic => panicked(shard, || format!("{} panicked{}", handler(), subject.describe(shard))),
    }
}

/// Counts and logs that code of the program panicked.
#[cold]
pub(in crate::app) fn panicked(shard: &Shard, line: impl FnOnce() -> String) {
    shard.with(|core| core.metrics().handler_panics.one());
    PANICKED.write(line);
}
