//! How often a line may be written.

use std::time::{Duration, Instant};

/// A number of lines per interval, which begins with the first of them; further lines are counted. It reads no clock.
#[derive(Debug)]
pub(crate) struct Quota {
    lines: u32,
    interval: Duration,
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Quota {
    /// At most `lines` in each `interval`, and at least one.
    pub(crate) const fn new(lines: u32, interval: Duration) -> Self {
        Self { lines, interval, began: None, written: 0, left_out: 0 }
    }

    /// Asks for a line. `None`: no more lines are allowed now, and this one is counted as left out. Otherwise the line
    /// may be written, after a line about how many were left out in the last interval, which is often none.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<u64> {
        if self.remaining(now).is_zero() {
            self.began = Some(now);
            self.written = 0;
        } else if self.written >= self.lines {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(self.take_left_out())
    }

    /// How long until the number of left-out lines is due: zero if it is due now, `None` if there are none.
    pub(crate) fn due(&self, now: Instant) -> Option<Duration> {
        (self.left_out > 0).then(|| self.remaining(now))
    }

    /// How many lines were left out and not yet reported. The caller reports them.
    pub(crate) fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    /// The rest of the interval.
    fn remaining(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| (began + self.interval).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn so_many_in_an_interval_may_be_written_and_the_next_is_told_of_the_rest() {
        let (start, mut quota) = (Instant::now(), Quota::new(10, SECOND));
        for written in 0..10 {
            assert_eq!(quota.ask(start + written * SECOND / 11), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(quota.ask(start + SECOND * 10 / 11), None);
        }
        assert_eq!(quota.ask(start + SECOND), Some(1000));
        assert_eq!(quota.ask(start + SECOND), Some(0));
    }

    #[test]
    fn the_interval_begins_with_the_first_line_after_the_one_before() {
        let (start, mut quota) = (Instant::now(), Quota::new(1, 10 * SECOND));
        assert_eq!(quota.ask(start), Some(0));
        assert_eq!(quota.ask(start + 19 * SECOND), Some(0));
        assert_eq!(quota.ask(start + 28 * SECOND), None);
        assert_eq!(quota.ask(start + 29 * SECOND), Some(1));
    }

    #[test]
    fn what_was_left_out_is_due_when_the_interval_is_over_and_told_once() {
        let (start, mut quota) = (Instant::now(), Quota::new(1, SECOND));
        assert_eq!(quota.ask(start), Some(0));
        assert_eq!(quota.due(start), None);
        assert_eq!(quota.ask(start), None);
        assert_eq!(quota.due(start + SECOND / 4), Some(SECOND * 3 / 4));
        assert_eq!(quota.due(start + SECOND * 2), Some(Duration::ZERO));
        assert_eq!(quota.take_left_out(), 1);
        assert_eq!(quota.due(start + SECOND * 2), None);
        assert_eq!(quota.ask(start + SECOND * 2), Some(0));
    }
}
