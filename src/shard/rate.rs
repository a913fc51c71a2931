//! So many in a second: a bucket that fills with time, and that each one takes from.

use crate::engineio::Millis;

/// What one takes. A bucket of `rate` in a second gains `rate` of these in a millisecond.
const ONE: u64 = 1000;

/// A bucket that holds at most what a second brings. A new one is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    level: u64,
    at: Millis,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        Self { level: u64::MAX, at: Millis(0) }
    }

    /// Takes one, if there is one, at a rate of so many a second.
    pub(crate) fn take(&mut self, now: Millis, rate: u32) -> bool {
        let rate = u64::from(rate);
        let gained = now.0.saturating_sub(self.at.0).saturating_mul(rate);
        self.level = self.level.saturating_add(gained).min(rate * ONE);
        self.at = now;
        let left = self.level.checked_sub(ONE);
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_is_there_at_once_and_then_it_comes_with_time() {
        let mut bucket = Bucket::new();
        let mut taken = |now| (0..100).take_while(|_| bucket.take(Millis(now), 20)).count();
        assert_eq!([0, 0, 49, 50, 149, 150, 10_150].map(&mut taken), [20, 0, 0, 1, 1, 1, 20]);
    }
}
