//! Rates: token buckets that fill with time and are drawn on.

use std::time::Duration;

use crate::engineio::Millis;

/// The cost of one unit. An account with a rate of `rate` a second gains `rate` in a millisecond.
const ONE: i64 = 1000;

/// Time after which an overdrawn account is even again, however far it was overdrawn.
pub(in crate::shard) const LONGEST_DEBT: Duration = Duration::from_secs(5);

/// Milliseconds of its rate that an overdrawn account must have gained before it may be drawn on again.
const BREATH: i64 = 100;

/// How fast an account fills, and how far.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Rate {
    per_second: i64,
    /// The most it holds, as the seconds that bring it.
    seconds: i64,
}

impl Rate {
    /// A rate of `per_second`; an account holds at most what `seconds` bring.
    pub(in crate::shard) fn new(per_second: usize, seconds: u32) -> Self {
        Self { per_second: i64::try_from(per_second).unwrap_or(i64::MAX).clamp(1, 1 << 40), seconds: seconds.into() }
    }

    /// The least that an account holds.
    const fn least(self) -> i64 {
        -(LONGEST_DEBT.as_secs() as i64) * self.per_second * ONE
    }
}

/// The amount that may still be drawn. A new account is full.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Account {
    level: i64,
    at: Millis,
}

impl Account {
    pub(in crate::shard) fn new() -> Self {
        Self { level: i64::MAX, at: Millis(0) }
    }

    /// An account with that much in it, at most as overdrawn as one can be.
    pub(in crate::shard) fn with_level(now: Millis, rate: Rate, level: i64) -> Self {
        Self { level: level.max(rate.least()), at: now }
    }

    /// What it has, in thousandths.
    pub(in crate::shard) fn level(&self, now: Millis, rate: Rate) -> i64 {
        let mut filled = *self;
        filled.fill(now, rate);
        filled.level
    }

    fn fill(&mut self, now: Millis, rate: Rate) {
        let passed = i64::try_from(now.0.saturating_sub(self.at.0)).unwrap_or(i64::MAX);
        let gained = passed.saturating_mul(rate.per_second);
        self.level = self.level.saturating_add(gained).min(rate.seconds * rate.per_second * ONE);
        self.at = now;
    }

    /// Draws one unit, if the account has it.
    pub(in crate::shard) fn take(&mut self, now: Millis, rate: Rate) -> bool {
        self.fill(now, rate);
        let covered = self.level >= ONE;
        self.level -= if covered { ONE } else { 0 };
        covered
    }

    /// Draws `count` units, even if the account has fewer.
    pub(in crate::shard) fn charge(&mut self, now: Millis, rate: Rate, count: usize) {
        self.fill(now, rate);
        let cost = i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(ONE);
        self.level = self.level.saturating_sub(cost).max(rate.least());
    }

    /// The time until an empty account may be drawn on again; `None` if it has something left.
    pub(in crate::shard) fn wait(&self, rate: Rate) -> Option<Duration> {
        let missing = rate.per_second * BREATH - self.level;
        let millis = u64::try_from(missing / rate.per_second).unwrap_or_default();
        (self.level < ONE).then(|| Duration::from_millis(millis.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_account_allows_a_burst_and_then_its_rate() {
        let mut account = Account::new();
        let mut taken = |now| (0..100).take_while(|_| account.take(Millis(now), Rate::new(20, 1))).count();
        assert_eq!([0, 0, 49, 50, 149, 150, 10_150].map(&mut taken), [20, 0, 0, 1, 1, 1, 20]);
    }

    #[test]
    fn an_overdrawn_account_waits_for_its_debt_up_to_a_limit() {
        let rate = Rate::new(10, 2);
        let mut account = Account::new();
        account.charge(Millis(0), rate, 19);
        assert_eq!(account.wait(rate), None);
        account.charge(Millis(0), rate, 1);
        assert_eq!(account.wait(rate), Some(Duration::from_millis(100)));
        account.charge(Millis(50), rate, 10);
        assert_eq!(account.wait(rate), Some(Duration::from_millis(1050)));
        account.charge(Millis(50), rate, usize::MAX);
        assert_eq!(account.wait(rate), Some(Duration::from_millis(5100)));
        account.charge(Millis(5150), rate, 0);
        assert_eq!(account.wait(rate), None);
    }
}
