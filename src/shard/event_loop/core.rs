//! Everything a shard owns: connections, sessions, sockets, rooms, timers, and this turn's output.
//!
//! The core is plain state in one `RefCell` of the [`Shard`](crate::shard::Shard). It never calls the application: it queues
//! calls, which run when the core is not borrowed.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::engineio::Millis;
use crate::shard::input::Intake;
use crate::shard::kernel::poll::Watch;
use crate::shard::shared::Shared;
use crate::shard::store::keys::TimerKey;
use crate::shard::store::timers::Timers;

/// Everything a shard owns.
pub(crate) struct Core {
    intake: Intake,
}

impl Deref for Core {
    type Target = Intake;

    fn deref(&self) -> &Intake {
        &self.intake
    }
}

impl DerefMut for Core {
    fn deref_mut(&mut self) -> &mut Intake {
        &mut self.intake
    }
}

impl Core {
    pub(super) fn new(shared: Arc<Shared>, index: usize, watch: Watch) -> Self {
        Self { intake: Intake::new(shared, index, watch) }
    }

    /// Whether the turn has left work for the next: something to write, or handshakes.
    pub(super) fn has_work(&self) -> bool {
        self.has_due() || self.has_polled() || self.handshakes_waiting() > 0
    }

    /// Lets the loop sleep when the last client has gone, by dropping the timers of clients, which would wake it for nothing.
    pub(super) fn rest_if_alone(&mut self) {
        if self.connection_count() == 0 && self.session_count() == 0 {
            self.timers().retain(|_, key| key.outlives_clients());
            self.applicants_disarmed();
            self.owners_disarmed();
        }
    }

    /// If there may be many useless timers, forgets them: those of owners that have gone, and those replaced by earlier ones.
    /// Clients or the program may choose how far ahead they lie.
    pub(super) fn sweep_timers(&mut self) {
        if self.timers().is_crowded() {
            let mut timers = std::mem::replace(self.timers(), Timers::new());
            timers.retain(|at, key| self.is_awaited(at, *key));
            *self.timers() = timers;
        }
    }

    /// Whether a timer still has a use.
    fn is_awaited(&self, at: Millis, timer: TimerKey) -> bool {
        match timer {
            TimerKey::Connection(key) | TimerKey::GoOn(key) | TimerKey::Post(key) | TimerKey::Release(key) => {
                self.connection(key).is_some()
            }
            TimerKey::Session(key) => self.client(key).is_some(),
            TimerKey::Settle(key) => self.is_settling(key),
            TimerKey::Socket(key) => {
                self.state(key).and_then(|state| state.extra.as_deref()).is_some_and(|extra| extra.armed == at)
            }
            TimerKey::Wait => self.waits().armed() == at,
            TimerKey::Admission => self.applicants().deadlines().armed() == at,
            TimerKey::Alarm(_)
            | TimerKey::Cuts
            | TimerKey::Turn
            | TimerKey::Accept
            | TimerKey::Stop
            | TimerKey::Unsaid
            | TimerKey::Owners
            | TimerKey::Recovery
            | TimerKey::Trim => true,
        }
    }
}
