//! Frames for a session, by the transport that it is on.

use crate::engineio::{Frames, MAX_ANSWER, Route};
use crate::metrics::Limit;
use crate::shard::sessions::Sessions;
use crate::shard::shared::target::Urgency;
use crate::shard::store::keys::SessionKey;

impl Sessions {
    /// Sends to a session by the transport it is on.
    #[inline]
    pub(crate) fn send_to_session(&mut self, key: SessionKey, frames: &Frames, urgency: Urgency) {
        let Some(client) = self.clients.get_mut(key.0) else { return };
        match client.session.route() {
            Route::WebSocket(connection) => {
                if urgency == Urgency::Volatile && !self.is_writable(connection) {
                    self.metrics().volatile_dropped.one();
                    return;
                }
                self.push(connection, frames.bytes());
            }
            Route::Translated(connection, encoding) => {
                if urgency == Urgency::Volatile && !self.is_writable(connection) {
                    self.metrics().volatile_dropped.one();
                    return;
                }
                let translated = self.translated(frames, encoding);
                self.push(connection, &translated);
            }
            Route::Queue => {
                if urgency == Urgency::Volatile && !client.session.is_writable() {
                    self.metrics().volatile_dropped.one();
                    return;
                }
                self.enqueue(key, frames);
            }
            Route::Gone => return,
        }
        self.metrics().delivered.one();
    }

    /// Queues a message for a polling client.
    pub(super) fn enqueue(&mut self, key: SessionKey, frames: &Frames) {
        let charged = frames.charged(self.charge_for(frames.bytes()));
        let Some(client) = self.clients.get_mut(key.0) else { return };
        let before = client.session.queued_bytes();
        client.session.enqueue(self.net.now(), charged, &self.net.shared().settings);
        let after = client.session.queued_bytes();
        self.net.messages_queued(0, 1);
        if !client.polled {
            client.polled = true;
            self.polled.push_back(key);
        }
        if before > self.shared().queued_per_client {
            self.cut_off(key, Limit::QueuedPerClient);
        } else if after > MAX_ANSWER {
            self.arm_session(key);
        }
    }

    /// Writes what this turn queued: all answers, and of the rest as much as one turn may.
    pub(in crate::shard) fn flush_turn(&mut self) {
        self.translation = None;
        self.flush_due();
    }

    /// Forgets what was made for many, once all of them have it.
    pub(in crate::shard) fn forget_common(&mut self) {
        if self.polled.is_empty() {
            self.net.forget_last_charge();
        }
    }
}
