//! What a shard owns: connections, sessions, sockets, rooms, timers, and what is due this turn.
//!
//! The core is plain state in one `RefCell` of the [`Shard`](crate::shard::Shard). It never calls the application: what the
//! application must hear is left in `calls`, and called when the core is not borrowed.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use mio::Registry;

use crate::engineio::Millis;
use crate::shard::input::Intake;
use crate::shard::net::Net;
use crate::shard::sessions::Sessions;
use crate::shard::shared::Shared;
use crate::shard::sockets::Sockets;
use crate::shard::store::keys::{SocketKey, TimerKey};

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
    pub(crate) fn new(shared: Arc<Shared>, index: usize, registry: Registry) -> Self {
        Self { intake: Intake::new(shared, index, registry) }
    }

    /// A turn of the loop begins.
    pub(crate) fn begin_turn(&mut self, now: Millis) {
        self.now = now;
        self.handshakes.begin_turn();
    }

    /// Whether the turn has left work for the next: something to write, or handshakes.
    pub(crate) fn has_work(&self) -> bool {
        let unwritten = !self.fanout.is_empty() || !self.replies.is_empty() || !self.polled.is_empty();
        unwritten || self.handshakes.waiting() > 0
    }

    /// Lets the loop sleep when the last client has gone: what is armed for clients would wake it for nothing.
    pub(crate) fn rest_if_alone(&mut self) {
        if self.connections.is_empty() && self.clients.is_empty() {
            self.timers.retain(|_, key| key.outlives_clients());
        }
    }

    /// Forgets timers that have been replaced by earlier ones, or whose owners have gone, when there may be many of them: others
    /// may choose how far away they are.
    pub(crate) fn sweep_timers(&mut self) {
        if !self.timers.is_crowded() {
            return;
        }
        let Sockets { states, waits, sessions: Sessions { clients, net: Net { timers, connections, .. }, .. }, .. } =
            &mut self.intake.guard.recovering.sockets;
        let awaited = |key: SocketKey| states.get(key.0)?.extra.as_deref().map(|extra| extra.armed);
        timers.retain(|at, key| match *key {
            TimerKey::Connection(key) | TimerKey::GoOn(key) | TimerKey::Post(key) | TimerKey::Release(key) => {
                connections.get(key.0).is_some()
            }
            TimerKey::Session(key) => clients.get(key.0).is_some(),
            TimerKey::Socket(key) => awaited(key) == Some(at),
            TimerKey::Wait => waits.armed() == at,
            TimerKey::Alarm(_)
            | TimerKey::Cuts
            | TimerKey::Turn
            | TimerKey::Accept
            | TimerKey::Stop
            | TimerKey::Recovery
            | TimerKey::Trim => true,
        });
    }
}
