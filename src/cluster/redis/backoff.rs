//! The wait before the next attempt to connect.

use std::time::Duration;

use crate::chance;

const FIRST: Duration = Duration::from_millis(100);

/// Waits that double from a tenth of a second to the longest. Each is shortened at random by up to a half, so that
/// servers that lost the same Redis do not return at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(longest: Duration) -> Self {
        Self { next: FIRST.min(longest), longest }
    }

    /// The next wait. `lived` is how long the connection lasted, if there was one. If it lasted longer than any wait,
    /// the waits begin anew; if Redis ended it soon, they do not.
    pub(super) fn wait(&mut self, lived: Option<Duration>) -> Duration {
        if lived.is_some_and(|lived| lived > self.longest) {
            self.next = FIRST.min(self.longest);
        }
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        let mut random = [0; 4];
        // Without random numbers the waits are just not spread.
        let _ = chance::fill(&mut random);
        let part = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        wait.mul_f64(1.0 - part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_at_most_a_half_shorter() {
        let mut backoff = Backoff::new(Duration::from_secs(5));
        for full in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let wait = backoff.wait(None).as_millis();
            assert!((full / 2..=full).contains(&wait), "{wait} of {full}");
        }
    }

    #[test]
    fn only_a_connection_that_lasted_begins_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(5));
        for _ in 0..10 {
            backoff.wait(None);
        }
        assert!(backoff.wait(Some(Duration::from_secs(1))).as_millis() >= 2500);
        assert!(backoff.wait(Some(Duration::from_secs(6))).as_millis() <= 100);
    }
}
