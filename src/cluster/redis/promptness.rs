//! Since when what Redis sends is read at once.
//!
//! A process may stand still: its machine is paused, or has no time for it, or the event loops take nothing more. What came
//! meanwhile is read late, all together, so the time of reading does not tell when it came. Only a thread that looks at the clock
//! again and again notices that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest sleep of the thread that reads.
const SLEEP: Duration = Duration::from_millis(500);

/// What is read by so much later than it came is read at once.
const LATE: Duration = Duration::from_secs(1);

/// When the thread that reads had read everything.
#[derive(Debug, Default)]
pub(super) struct Promptness(Mutex<Looks>);

#[derive(Debug, Default)]
struct Looks {
    /// The last time; `None` if nobody looks.
    last: Option<Instant>,
    /// What came since then was read at once; `None`: all.
    since: Option<Instant>,
}

impl Promptness {
    /// The thread has read everything. Returns for how long it may sleep.
    pub(super) fn look(&self, now: Instant) -> Duration {
        let mut looks = self.looks();
        if looks.is_late(now) {
            // The event loops have yet to take what was read last.
            looks.since = Some(now + LATE);
        }
        looks.last = Some(now);
        SLEEP
    }

    /// Since when everything was read at once, perhaps not yet; `None`: for ever, as far as is known.
    pub(super) fn since(&self, now: Instant) -> Option<Instant> {
        let looks = self.looks();
        if looks.is_late(now) { Some(now + LATE) } else { looks.since }
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looks {
    /// Whether something may have come that was not read at once.
    fn is_late(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) > LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_stands_still_does_not_read_at_once() {
        let (promptness, begin) = (Promptness::default(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        assert_eq!(promptness.since(at(9000)), None, "nobody looks");
        for millis in (0..=9500).step_by(500) {
            assert_eq!(promptness.look(at(millis)), SLEEP);
        }
        assert_eq!(promptness.since(at(10_400)), None);
        // It has stood still, and others notice before it does.
        assert_eq!(promptness.since(at(20_000)), Some(at(21_000)));
        promptness.look(at(20_100));
        for millis in (20_500..30_000).step_by(500) {
            promptness.look(at(millis));
            assert_eq!(promptness.since(at(millis)), Some(at(21_100)));
        }
    }
}
