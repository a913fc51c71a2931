//! Things that wait, each until its time is up or it ends before that.

use std::collections::BTreeMap;

use crate::engineio::Millis;
use crate::shard::store::keys::TimerKey;
use crate::shard::store::timers::{NEVER, Timers};

/// All that a shard waits for, in the order in which their times are up. One timer serves them all.
pub(in crate::shard) struct Waits<A> {
    by_deadline: BTreeMap<Ticket, A>,
    /// How many have begun.
    begun: u64,
    /// When the timer comes up.
    armed: Millis,
}

/// Something that a shard waits for: when its time is up, and a number that tells it from others of the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::shard) struct Ticket {
    deadline: Millis,
    number: u64,
}

/// With this, what is waited for is let go before its time.
#[derive(Debug)]
pub(in crate::shard) struct Wait {
    /// The shard that waits.
    pub(in crate::shard) shard: usize,
    pub(in crate::shard) ticket: Ticket,
}

impl<A> Waits<A> {
    pub(in crate::shard) const fn new() -> Self {
        Self { by_deadline: BTreeMap::new(), begun: 0, armed: NEVER }
    }

    /// How many there are.
    pub(in crate::shard) fn len(&self) -> usize {
        self.by_deadline.len()
    }

    /// When the timer comes up that is waited for; any other has been replaced.
    pub(in crate::shard) const fn armed(&self) -> Millis {
        self.armed
    }

    pub(in crate::shard) fn begin(&mut self, deadline: Millis, then: A) -> Ticket {
        let ticket = Ticket { deadline, number: self.begun };
        self.begun += 1;
        self.by_deadline.insert(ticket, then);
        ticket
    }

    /// Takes one out before its time is up, if that is not over yet.
    pub(in crate::shard) fn end(&mut self, ticket: Ticket) -> Option<A> {
        self.by_deadline.remove(&ticket)
    }

    /// Takes out the one that has the most time left.
    pub(in crate::shard) fn end_last(&mut self) -> Option<A> {
        self.by_deadline.pop_last().map(|(_, then)| then)
    }

    /// The timer came up. Says whether it is the one that is waited for; then [`arm`](Self::arm) keeps another.
    pub(in crate::shard) fn is_due(&mut self, now: Millis) -> bool {
        let due = self.armed <= now;
        if due {
            self.armed = NEVER;
        }
        due
    }

    /// Takes out one whose time is up.
    pub(in crate::shard) fn overdue(&mut self, now: Millis) -> Option<A> {
        let first = self.by_deadline.first_entry()?;
        (first.key().deadline <= now).then(|| first.remove())
    }

    /// Keeps a timer for the first whose time will be up.
    pub(in crate::shard) fn arm(&mut self, timers: &mut Timers<TimerKey>) {
        let Some(first) = self.by_deadline.keys().next() else { return };
        let at = timers.rounded(first.deadline);
        if at < self.armed {
            self.armed = at;
            timers.insert(at, TimerKey::Wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(waits: &mut Waits<()>, timers: &mut Timers<TimerKey>, deadline: u64) -> Ticket {
        let ticket = waits.begin(Millis(deadline), ());
        waits.arm(timers);
        ticket
    }

    #[test]
    fn the_first_whose_time_is_up_comes_first() {
        let (mut waits, mut timers) = (Waits::new(), Timers::new());
        for deadline in [300, 100, 200, 100] {
            begin(&mut waits, &mut timers, deadline);
        }
        assert_eq!((waits.armed(), timers.len()), (Millis(100), 2));
        assert!(waits.overdue(Millis(99)).is_none());
        assert!(waits.overdue(Millis(100)).is_some() && waits.overdue(Millis(100)).is_some());
        assert!(waits.overdue(Millis(199)).is_none());
        assert_eq!(waits.len(), 2);
    }

    #[test]
    fn ends_that_come_early_leave_neither_an_alarm_nor_timers() {
        let (mut waits, mut timers) = (Waits::new(), Timers::new());
        let mut most = 0;
        for round in 0..100u64 {
            for step in 0..10_000 {
                // Each is to end before all that were begun before it.
                let deadline = (1_000_000_000_000 >> (step / 300)) + 1000 - step % 300 - round;
                let ticket = begin(&mut waits, &mut timers, deadline);
                assert!(waits.end(ticket).is_some());
                if timers.is_crowded() {
                    timers.retain(|at, _| at == waits.armed());
                }
                most = most.max(timers.len());
            }
            // The timer comes up, and there is nothing to do.
            waits.is_due(NEVER);
        }
        assert_eq!(waits.len(), 0);
        assert!(most < 1100, "{most}");
    }
}
