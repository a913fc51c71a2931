//! Connections that are not read for now: the client has sent more than it may, or too much waits for it.

use crate::shard::guard::Guard;
use crate::shard::net::connection::{Connection, ReadState, Role, Stage};
use crate::shard::sessions::polls::GO_ON;
use crate::shard::store::keys::{ConnectionKey, TimerKey};

impl Guard {
    /// Reads nothing more of a connection for now. What holds its client up lets it go on: what waits for it, by becoming
    /// short, and the time, by an alarm.
    pub(in crate::shard) fn hold_up(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection_mut(key) {
            connection.input = ReadState::HeldUp;
        }
        match self.may_send_again(key) {
            Some(again) => self.timers().arm(again, TimerKey::GoOn(key)),
            None => self.metrics().held_up.one(),
        }
    }

    /// Whether nothing is to be read of a connection now: its client has sent more than it may, or more waits for it than it
    /// may leave while it sends.
    #[inline]
    pub(in crate::shard) fn is_to_be_held_up(&mut self, key: ConnectionKey) -> bool {
        // With each message: while nothing waits for anybody, nobody is looked up.
        if !self.has_queued() && self.shared().rates.is_none() {
            return false;
        }
        self.holds_much(key, self.shared().config.limits.hold_up) || self.may_send_again(key).is_some()
    }

    /// Whether more than so much waits for a WebSocket's client.
    fn holds_much(&self, key: ConnectionKey, most: usize) -> bool {
        let Some(Connection { stage: Stage::WebSocket(websocket), outbox: Some(outbox), .. }) = self.connection(key)
        else {
            return false;
        };
        matches!(websocket.role, Role::Session(_)) && outbox.queued() > most
    }

    /// Little waits for a client any more, or it may send again: it is read if it was held up.
    pub(in crate::shard) fn let_go_on(&mut self, key: ConnectionKey) {
        let held = self.connection(key).is_some_and(|connection| connection.input == ReadState::HeldUp);
        let short = self.shared().config.limits.hold_up / GO_ON;
        if held && !self.holds_much(key, short) && self.may_send_again(key).is_none() {
            self.line_up(key);
        }
    }

    /// Connections have taken something of what waited for them: their clients may go on, and can answer a ping from now on if it
    /// was behind that.
    pub(in crate::shard) fn hear_eased(&mut self) {
        while let Some(key) = self.next_eased() {
            if self.is_writable(key) {
                self.taken(key);
            }
            self.let_go_on(key);
        }
    }
}
