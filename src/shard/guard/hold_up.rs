//! Held-up clients: their connections are not read for now, because they have sent more than they may, or too much waits for
//! them.

use crate::shard::guard::Guard;
use crate::shard::net::connection::{Connection, ReadState, Role, Stage};
use crate::shard::sessions::polls::GO_ON;
use crate::shard::store::keys::{ConnectionKey, TimerKey};

impl Guard {
    /// Stops reading a connection for now. It goes on when the cause has passed: when its queue has become short, or when a
    /// timer says that its client may send again.
    pub(in crate::shard) fn hold_up(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection_mut(key) {
            connection.input = ReadState::HeldUp;
        }
        match self.may_send_again(key) {
            Some(again) => self.timers().arm(again, TimerKey::GoOn(key)),
            None => self.metrics().held_up.one(),
        }
    }

    /// Whether a connection must not be read now: its client has sent more than it may, or more waits for it than a sending
    /// client may leave.
    #[inline]
    pub(in crate::shard) fn is_to_be_held_up(&mut self, key: ConnectionKey) -> bool {
        // This runs for each message, so no client is looked up while nothing waits for any.
        if !self.has_queued() && self.shared().rates.is_none() {
            return false;
        }
        self.holds_much(key, self.shared().config.limits.hold_up) || self.may_send_again(key).is_some()
    }

    /// Whether more than `most` waits for a WebSocket's client.
    fn holds_much(&self, key: ConnectionKey, most: usize) -> bool {
        let Some(Connection { stage: Stage::WebSocket(websocket), outbox: Some(outbox), .. }) = self.connection(key)
        else {
            return false;
        };
        matches!(websocket.role, Role::Session(_)) && outbox.queued() > most
    }

    /// A client's queue has become short, or it may send again: it is read if it was held up.
    pub(in crate::shard) fn let_go_on(&mut self, key: ConnectionKey) {
        let held = self.connection(key).is_some_and(|connection| connection.input == ReadState::HeldUp);
        let short = self.shared().config.limits.hold_up / GO_ON;
        if held && !self.holds_much(key, short) && self.may_send_again(key).is_none() {
            self.line_up(key);
        }
    }

    /// Connections have taken a part of their waiting output: their clients may go on, and can now answer a ping that waited
    /// behind it.
    pub(in crate::shard) fn hear_eased(&mut self) {
        while let Some(key) = self.next_eased() {
            if self.is_writable(key) {
                self.taken(key);
                self.read_piece(key);
            }
            self.tell_taken_of(key);
            self.let_go_on(key);
        }
    }
}
