//! Messages for sockets: to one, or to all that a broadcast is for.

use super::life::Status;
use super::target::{Broadcast, Target, Urgency};
use crate::engineio::{Frames, MAX_ANSWER, MESSAGE_OVERHEAD, Route};
use crate::metrics::Limit;
use crate::shard::event_loop::core::Core;
use crate::shard::store::keys::{NamespaceKey, SessionKey, SocketKey};

impl Core {
    /// Sends to a socket, unless it is leaving.
    #[inline]
    pub(crate) fn send(&mut self, key: SocketKey, frames: &Frames, urgency: Urgency) {
        let Some(socket) = self.sockets.get(key.0) else { return };
        if socket.status == Status::Connected {
            self.send_to_session(socket.session, frames, urgency);
        }
    }

    /// Sends to a socket what is for nobody else, unless it is leaving.
    pub(crate) fn send_own(&mut self, key: SocketKey, frames: Frames) {
        let Some(socket) = self.sockets.get(key.0) else { return };
        let session = self.sessions.get(socket.session.0).filter(|_| socket.status == Status::Connected);
        match session.map(|client| client.session.route()) {
            Some(Route::WebSocket(connection)) => {
                self.push_own(connection, frames.into_bytes());
                self.metrics.delivered.one();
            }
            _ => self.send(key, &frames, Urgency::Reliable),
        }
    }

    /// Sends to a session by the transport it is on.
    #[inline]
    pub(crate) fn send_to_session(&mut self, key: SessionKey, frames: &Frames, urgency: Urgency) {
        let Some(client) = self.sessions.get_mut(key.0) else { return };
        match client.session.route() {
            Route::WebSocket(connection) => {
                if urgency == Urgency::Volatile && !self.is_writable(connection) {
                    self.metrics.volatile_dropped.one();
                    return;
                }
                self.push(connection, frames.bytes());
            }
            Route::Translated(connection, encoding) => {
                if urgency == Urgency::Volatile && !self.is_writable(connection) {
                    self.metrics.volatile_dropped.one();
                    return;
                }
                let translated = self.translated(frames, encoding);
                self.push(connection, &translated);
            }
            Route::Queue => {
                if urgency == Urgency::Volatile && !client.session.is_writable() {
                    self.metrics.volatile_dropped.one();
                    return;
                }
                self.enqueue(key, frames);
            }
            Route::Gone => return,
        }
        self.metrics.delivered.one();
    }

    /// Queues a message for a polling client.
    fn enqueue(&mut self, key: SessionKey, frames: &Frames) {
        let charged = frames.charged(self.charges.charge(frames.bytes()));
        let Some(client) = self.sessions.get_mut(key.0) else { return };
        let before = client.session.queued_bytes();
        client.session.enqueue(self.now, charged, &self.shared.settings);
        let after = client.session.queued_bytes();
        self.queued_overhead += MESSAGE_OVERHEAD;
        if !client.polled {
            client.polled = true;
            self.polled.push_back(key);
        }
        if before > self.shared.queued_per_client {
            self.cut_off(key, Limit::QueuedPerClient);
        } else if after > MAX_ANSWER {
            self.arm_session(key);
        }
    }

    /// Sends to the sockets of this shard that a broadcast is for.
    pub(crate) fn broadcast(&mut self, broadcast: &Broadcast) {
        for key in self.select(broadcast.namespace, &broadcast.target) {
            self.send_event(key, &broadcast.frames, broadcast.urgency, broadcast.heard.as_ref());
        }
    }

    /// The sockets of this shard that a target means.
    pub(crate) fn select(&self, namespace: NamespaceKey, target: &Target) -> Vec<SocketKey> {
        let mut selected = Vec::new();
        let Some(members) = self.namespaces.get(namespace) else { return selected };
        members.select(target, |room| self.socket_of_id(namespace, room), &mut selected);
        if let Some(sender) = target.sender.and_then(|sid| self.find_sid(sid)) {
            selected.retain(|&socket| socket != sender.key);
        }
        selected
    }
}
