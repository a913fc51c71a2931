//! Waits: closures that run at their deadlines, unless they end early.

use std::collections::BTreeMap;

use crate::engineio::Millis;
use crate::shard::store::keys::TimerKey;
use crate::shard::store::timers::{NEVER, Timers};

/// The waits of a shard, ordered by deadline. One timer serves them all.
pub(in crate::shard) struct Waits<A> {
    by_deadline: BTreeMap<Ticket, A>,
    /// How many have begun.
    begun: u64,
    /// What the timer wakes.
    timer: TimerKey,
    /// When it comes up.
    armed: Millis,
}

/// Names a wait: its deadline, and a number that tells it from others with the same deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::shard) struct Ticket {
    deadline: Millis,
    number: u64,
}

/// Ends a wait before its deadline.
#[derive(Debug)]
pub(in crate::shard) struct Wait {
    /// The shard that waits.
    pub(in crate::shard) shard: usize,
    pub(in crate::shard) ticket: Ticket,
}

impl<A> Waits<A> {
    /// None so far. The timer for them will be this one.
    pub(in crate::shard) const fn new(timer: TimerKey) -> Self {
        Self { by_deadline: BTreeMap::new(), begun: 0, timer, armed: NEVER }
    }

    /// How many there are.
    pub(in crate::shard) fn len(&self) -> usize {
        self.by_deadline.len()
    }

    /// The earliest deadline.
    #[cfg(test)]
    pub(in crate::shard) fn first(&self) -> Option<Millis> {
        self.by_deadline.keys().next().map(|ticket| ticket.deadline)
    }

    /// The instant of the timer that counts; any other timer has been replaced.
    pub(in crate::shard) const fn armed(&self) -> Millis {
        self.armed
    }

    pub(in crate::shard) fn begin(&mut self, deadline: Millis, then: A) -> Ticket {
        let ticket = Ticket { deadline, number: self.begun };
        self.begun += 1;
        self.by_deadline.insert(ticket, then);
        ticket
    }

    /// Takes a wait out before its deadline, if it is still there.
    pub(in crate::shard) fn end(&mut self, ticket: Ticket) -> Option<A> {
        self.by_deadline.remove(&ticket)
    }

    /// Takes out the wait with the latest deadline.
    pub(in crate::shard) fn end_last(&mut self) -> Option<A> {
        self.by_deadline.pop_last().map(|(_, then)| then)
    }

    /// A timer came up. Says whether it is the one that counts; then [`arm`](Self::arm) sets the next.
    pub(in crate::shard) fn is_due(&mut self, now: Millis) -> bool {
        let due = self.armed <= now;
        if due {
            self.armed = NEVER;
        }
        due
    }

    /// Takes out a wait that has reached its deadline.
    pub(in crate::shard) fn overdue(&mut self, now: Millis) -> Option<A> {
        let first = self.by_deadline.first_entry()?;
        (first.key().deadline <= now).then(|| first.remove())
    }

    /// Keeps a timer for the earliest deadline.
    pub(in crate::shard) fn arm(&mut self, timers: &mut Timers<TimerKey>) {
        let Some(first) = self.by_deadline.keys().next() else { return };
        let at = timers.rounded(first.deadline);
        if at < self.armed {
            self.armed = at;
            timers.insert(at, self.timer);
        }
    }

    /// The timer is not armed any more.
    pub(in crate::shard) fn disarmed(&mut self) {
        self.armed = NEVER;
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
    fn waits_time_out_in_the_order_of_their_deadlines() {
        let (mut waits, mut timers) = (Waits::new(TimerKey::Wait), Timers::new());
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
    fn waits_that_end_early_leave_no_alarm_and_few_timers() {
        let (mut waits, mut timers) = (Waits::new(TimerKey::Wait), Timers::new());
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
