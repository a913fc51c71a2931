//! Waiting for answers: of clients to broadcasts, and of other servers to questions. Each wait ends when all answers
//! are there, or when its time is up.
//!
//! The caller, or even a client, chooses the time, and it may be long. So a finished wait is dropped at once, and the
//! number of waits is limited.

use std::rc::Rc;
use std::time::Duration;

use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::shared::mailbox::Letter;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::{Alarm, Call};
use crate::shard::store::waits::{Ticket, Wait};

impl Shard {
    /// Has something done after so much time, unless what it is for ends before that. If too much is waited for, what
    /// has the most time left ends at once for it.
    pub(super) fn wait(&self, time: Duration, then: impl FnOnce(&Rc<Self>) + 'static) -> Wait {
        let ticket = self.core.borrow_mut().wait(time, Box::new(then));
        Wait { shard: self.index(), ticket }
    }

    /// What was waited for has ended: nothing of it is kept any more.
    pub(super) fn wait_no_more(&self, wait: Wait) {
        let Wait { shard, ticket } = wait;
        if shard == self.index() {
            // The alarm contains code of the program, so it is dropped when nothing is borrowed.
            let _alarm = self.core.borrow_mut().waits.end(ticket);
        } else if let Some(mailbox) = self.shared.mailboxes.get(shard) {
            mailbox.send(Letter::run(0, move |shard| shard.wait_no_more(wait)));
        }
    }
}

impl Sockets {
    fn wait(&mut self, time: Duration, alarm: Alarm) -> Ticket {
        let deadline = self.now() + time;
        if self.waits.len() >= self.shared().collections_per_shard
            && let Some(last) = self.waits.end_last()
        {
            self.metrics().hit(Limit::Collections);
            self.calls.push_back(Call::Alarm(last));
        }
        let ticket = self.waits.begin(deadline, alarm);
        self.waits.arm(self.sessions.timers());
        ticket
    }

    /// The timer of the waits came up.
    pub(in crate::shard) fn waits_due(&mut self) {
        if !self.waits.is_due(self.now()) {
            return;
        }
        while let Some(alarm) = self.waits.overdue(self.sessions.now()) {
            self.calls.push_back(Call::Alarm(alarm));
        }
        self.waits.arm(self.sessions.timers());
    }
}
