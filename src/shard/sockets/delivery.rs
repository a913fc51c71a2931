//! Sends messages to sockets: to one, or to all that a broadcast is for.

use crate::engineio::{Frames, Route};
use crate::shard::shared::target::{Broadcast, Target, Urgency};
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::{NamespaceKey, SocketKey, SocketRef};
use crate::socketio::Event;

impl Sockets {
    /// Sends frames to a socket, unless it is leaving.
    #[inline]
    pub(super) fn send(&mut self, key: SocketKey, frames: &Frames, urgency: Urgency) {
        let Some(socket) = self.states.get(key.0) else { return };
        if socket.phase == SocketPhase::Connected {
            self.sessions.send_to_session(socket.session, frames, urgency);
        }
    }

    /// Sends frames that no other socket gets to a socket, unless it is leaving.
    pub(crate) fn send_own(&mut self, key: SocketKey, frames: Frames) {
        let Some(socket) = self.states.get(key.0) else { return };
        let session = self.client(socket.session).filter(|_| socket.phase == SocketPhase::Connected);
        match session.map(|client| client.session.route()) {
            Some(Route::WebSocket(connection)) => {
                self.push_own(connection, frames.into_bytes());
                self.metrics().delivered.one();
            }
            _ => self.send(key, &frames, Urgency::Reliable),
        }
    }

    /// Sends a broadcast to its sockets of this shard.
    pub(crate) fn broadcast(&mut self, broadcast: &Broadcast) {
        for key in self.select(broadcast.namespace, &broadcast.target) {
            self.send_event(key, &broadcast.frames, broadcast.urgency, broadcast.heard.as_ref());
        }
    }

    /// The sockets of this shard that a target selects.
    pub(super) fn select(&self, namespace: NamespaceKey, target: &Target) -> Vec<SocketKey> {
        let mut selected = Vec::new();
        let Some(members) = self.namespaces.get(namespace) else { return selected };
        members.select(target, |room| self.socket_of_id(namespace, room), &mut selected);
        if let Some(sender) = target.sender.and_then(|sid| self.find_sid(sid)) {
            selected.retain(|&socket| socket != sender.key);
        }
        selected
    }

    /// Sends an event to a socket, unless it is leaving. `heard` is the same event, if the application hears outgoing events.
    #[inline]
    pub(crate) fn send_event(&mut self, key: SocketKey, frames: &Frames, urgency: Urgency, heard: Option<&Event>) {
        self.send(key, frames, urgency);
        let Some(event) = heard else { return };
        if let Some(state) = self.states.get(key.0).filter(|state| state.phase == SocketPhase::Connected) {
            let socket = SocketRef { key, random: state.random };
            self.calls.push_back(Call::Outgoing { socket, event: event.clone() });
        }
    }
}
