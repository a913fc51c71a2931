//! The kinds of log lines, and their left-out lines. Both belong to the process, as the log does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

use super::quota::Quota;

/// Most lines of one kind in [`INTERVAL`], by default.
const LINES: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The kinds with left-out lines that have yet to be reported.
static OWED: Mutex<Vec<&LineKind>> = Mutex::new(Vec::new());
/// Whether there are any, for frequent callers.
static ANY_OWED: AtomicBool = AtomicBool::new(false);

/// A kind of line that somebody else can cause: 10 a second, or one a minute, then one that says how many were left
/// out.
#[derive(Debug)]
pub(crate) struct LineKind {
    level: Level,
    target: &'static str,
    what: &'static str,
    quota: Mutex<Quota>,
}

impl LineKind {
    /// `target` is `module_path!()`; `what` names the subject of the lines, in the plural.
    pub(crate) const fn new(level: Level, target: &'static str, what: &'static str) -> Self {
        Self::with(level, target, what, Quota::new(LINES, INTERVAL))
    }

    /// A kind whose lines are all the same: one a minute.
    pub(crate) const fn each_minute(level: Level, target: &'static str, what: &'static str) -> Self {
        Self::with(level, target, what, Quota::new(1, MINUTE))
    }

    const fn with(level: Level, target: &'static str, what: &'static str, quota: Quota) -> Self {
        Self { level, target, what, quota: Mutex::new(quota) }
    }

    /// Writes a line, if one is allowed now. The text is made only then.
    pub(crate) fn write(&'static self, line: impl FnOnce() -> String) {
        if !log::log_enabled!(target: self.target, self.level) {
            return;
        }
        // A history that is simulated must not depend on what others have logged.
        #[cfg(test)]
        if crate::clock::simulated::is_stopped() {
            return log::log!(target: self.target, self.level, "{}", line());
        }
        let asked = self.quota().ask(Instant::now());
        match asked {
            Some(left_out) => {
                self.tell(left_out);
                log::log!(target: self.target, self.level, "{}", line());
            }
            None => self.owe(),
        }
    }

    /// Notes that a line was left out, unless that is noted already.
    fn owe(&'static self) {
        let mut kinds = owed();
        if !kinds.iter().any(|kind| std::ptr::eq(*kind, self)) {
            kinds.push(self);
            ANY_OWED.store(true, Ordering::Relaxed);
        }
    }

    fn tell(&self, left_out: u64) {
        if left_out > 0 {
            log::log!(target: self.target, self.level, "{}: {left_out} more lines were left out", self.what);
        }
    }

    fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports left-out lines of the kinds whose interval is over. The caller wants to sleep for `sleep` (`None`: without
/// end); the result is how long it may sleep before it must report the rest.
pub(crate) fn settle_before(sleep: Option<Duration>) -> Option<Duration> {
    if !ANY_OWED.load(Ordering::Relaxed) {
        return sleep;
    }
    #[cfg(test)]
    if crate::clock::simulated::is_stopped() {
        return sleep;
    }
    let next = settle_where(|wait| wait.is_zero());
    sleep.into_iter().chain(next).min()
}

/// Reports all left-out lines, because there may be no other time.
pub(crate) fn settle_all() {
    settle_where(|_| true);
}

/// Returns how long until something must be reported again. Nothing is locked while the lines are written, because the
/// program's logger writes them.
#[cold]
fn settle_where(is_time: impl Fn(Duration) -> bool) -> Option<Duration> {
    let now = Instant::now();
    let (mut next, mut told) = (None::<Duration>, Vec::new());
    let mut kinds = owed();
    kinds.retain(|kind| {
        let mut quota = kind.quota();
        // A later line may have reported it.
        let Some(wait) = quota.due(now) else { return false };
        if is_time(wait) {
            told.push((*kind, quota.take_left_out()));
            return false;
        }
        next = Some(next.map_or(wait, |next| next.min(wait)));
        true
    });
    ANY_OWED.store(!kinds.is_empty(), Ordering::Relaxed);
    drop(kinds);
    told.into_iter().for_each(|(kind, left_out)| kind.tell(left_out));
    next
}

fn owed() -> MutexGuard<'static, Vec<&'static LineKind>> {
    OWED.lock().unwrap_or_else(PoisonError::into_inner)
}
