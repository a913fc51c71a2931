//! What a shard owns: connections, sessions, sockets, rooms, timers, and what is due this turn.
//!
//! The core is plain state in one `RefCell` of the [`Shard`](crate::shard::Shard). It never calls the application: it
//! queues calls, which are made when the core is not borrowed.

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

    /// Lets the loop sleep when the last client has gone: what is armed for clients would wake it for nothing.
    pub(super) fn rest_if_alone(&mut self) {
        if self.connection_count() == 0 && self.session_count() == 0 {
            self.timers().retain(|_, key| key.outlives_clients());
        }
    }

    /// Forgets timers that have been replaced by earlier ones, or whose owners have gone, when there may be many of them: others
    /// may choose how far away they are.
    pub(super) fn sweep_timers(&mut self) {
        if self.timers().is_crowded() {
            let mut timers = std::mem::replace(self.timers(), Timers::new());
            timers.retain(|at, key| self.is_awaited(at, *key));
            *self.timers() = timers;
        }
    }

    /// Whether something still happens when a timer comes up.
    fn is_awaited(&self, at: Millis, timer: TimerKey) -> bool {
        match timer {
            TimerKey::Connection(key) | TimerKey::GoOn(key) | TimerKey::Post(key) | TimerKey::Release(key) => {
                self.connection(key).is_some()
            }
            TimerKey::Session(key) => self.client(key).is_some(),
            TimerKey::Socket(key) => {
                self.state(key).and_then(|state| state.extra.as_deref()).is_some_and(|extra| extra.armed == at)
            }
            TimerKey::Wait => self.waits().armed() == at,
            TimerKey::Alarm(_)
            | TimerKey::Cuts
            | TimerKey::Turn
            | TimerKey::Accept
            | TimerKey::Stop
            | TimerKey::Recovery
            | TimerKey::Trim => true,
        }
    }
}
