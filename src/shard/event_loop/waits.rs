//! What a shard has others answer: broadcasts with acknowledgements, and questions to other servers. Each waits until all
//! answers are there, or until its time is up.
//!
//! The time is the caller's, who may have it from a client, and be an age. So what has ended is let go at once, and how many may
//! wait is bounded.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::alarms::Alarm;
use super::calls::Call;
use super::core::Core;
use super::inbox::Letter;
use crate::engineio::Millis;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::net::connection::NEVER;
use crate::shard::store::keys::TimerKey;
use crate::shard::store::timers::Timers;

/// All that a shard waits for, in the order in which their times are up. One timer serves them all.
pub(crate) struct Waits {
    by_deadline: BTreeMap<Ticket, Alarm>,
    /// How many have begun.
    begun: u64,
    /// When the timer comes up.
    armed: Millis,
}

/// Something that a shard waits for: when its time is up, and a number that tells it from others of the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    deadline: Millis,
    number: u64,
}

/// With this, what is waited for is let go before its time: see [`Shard::wait_no_more`].
#[derive(Debug)]
pub(crate) struct Wait {
    /// The shard that waits.
    shard: usize,
    ticket: Ticket,
}

impl Waits {
    pub(crate) const fn new() -> Self {
        Self { by_deadline: BTreeMap::new(), begun: 0, armed: NEVER }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_deadline.len()
    }

    /// When the timer comes up that is waited for; any other has been replaced.
    pub(crate) const fn armed(&self) -> Millis {
        self.armed
    }

    fn begin(&mut self, deadline: Millis, alarm: Alarm) -> Ticket {
        let ticket = Ticket { deadline, number: self.begun };
        self.begun += 1;
        self.by_deadline.insert(ticket, alarm);
        ticket
    }

    /// Takes out one whose time is up.
    fn overdue(&mut self, now: Millis) -> Option<Alarm> {
        let first = self.by_deadline.first_entry()?;
        (first.key().deadline <= now).then(|| first.remove())
    }

    /// Keeps a timer for the first whose time will be up.
    fn arm(&mut self, timers: &mut Timers<TimerKey>) {
        let Some(first) = self.by_deadline.keys().next() else { return };
        let at = timers.rounded(first.deadline);
        if at < self.armed {
            self.armed = at;
            timers.insert(at, TimerKey::Wait);
        }
    }
}

impl Shard {
    /// Has something done at `deadline`, unless what it is for ends before that. If too much is waited for, what
    /// has the most time left ends at once for it.
    pub(crate) fn wait(&self, deadline: Millis, then: impl FnOnce(&Rc<Self>) + 'static) -> Wait {
        let ticket = self.core.borrow_mut().wait(deadline, Box::new(then));
        Wait { shard: self.index(), ticket }
    }

    /// What was waited for has ended: nothing of it is kept any more.
    pub(crate) fn wait_no_more(&self, wait: Wait) {
        let Wait { shard, ticket } = wait;
        if shard == self.index() {
            // Dropped when nothing is borrowed: it is the program's in part.
            let _alarm = self.core.borrow_mut().waits.by_deadline.remove(&ticket);
        } else if let Some(mailbox) = self.shared.mailboxes.get(shard) {
            mailbox.send(Letter::run(0, move |shard| shard.wait_no_more(wait)));
        }
    }
}

impl Core {
    fn wait(&mut self, deadline: Millis, alarm: Alarm) -> Ticket {
        if self.waits.len() >= self.shared.collections_per_shard
            && let Some((_, last)) = self.waits.by_deadline.pop_last()
        {
            self.metrics.hit(Limit::Collections);
            self.calls.push_back(Call::Alarm(last));
        }
        let ticket = self.waits.begin(deadline, alarm);
        self.waits.arm(&mut self.timers);
        ticket
    }

    /// The timer of what is waited for came up.
    pub(crate) fn waits_due(&mut self) {
        if self.waits.armed > self.now {
            return;
        }
        self.waits.armed = NEVER;
        while let Some(alarm) = self.waits.overdue(self.now) {
            self.calls.push_back(Call::Alarm(alarm));
        }
        self.waits.arm(&mut self.timers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(waits: &mut Waits, timers: &mut Timers<TimerKey>, deadline: u64) -> Ticket {
        let ticket = waits.begin(Millis(deadline), Box::new(|_| ()));
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
                assert!(waits.by_deadline.remove(&ticket).is_some());
                if timers.is_crowded() {
                    timers.retain(|at, _| at == waits.armed());
                }
                most = most.max(timers.len());
            }
            // The timer comes up, and there is nothing to do.
            waits.armed = NEVER;
        }
        assert_eq!(waits.len(), 0);
        assert!(most < 1100, "{most}");
    }
}
