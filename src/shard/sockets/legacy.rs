//! Sessions of 2.x clients (Engine.IO 3): joined to `/` by the server, and answered as they understand it.

use std::time::Duration;

use bytes::Bytes;

use super::target::Urgency;
use crate::engineio::Sid;
use crate::shard::event_loop::core::Core;
use crate::shard::net::outbox::{Outbox, Piece};
use crate::shard::store::keys::{ConnectionKey, NamespaceKey, SessionKey, TimerKey};
use crate::socketio::{self, SocketId, v4};

/// Time between the answer to a WebSocket handshake and the first packet. A client reads the answer in a part of it.
const APART: Duration = Duration::from_millis(2);

impl Core {
    /// Sends the answer that is queued for a new WebSocket at once, and `first` and all that follows a moment later. Old
    /// clients know it so from the Node server: some look for the open packet only when they have seen the answer, and
    /// miss one that comes in the same read.
    pub(crate) fn send_apart(&mut self, key: ConnectionKey, first: &Bytes) {
        self.flush(key);
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        if connection.outbox.is_some() {
            return self.push(key, first);
        }
        let mut outbox = Outbox::new(self.now, self.shared.config.limits.write_stall);
        outbox.held = true;
        outbox.push(Piece { bytes: first.clone(), charge: self.charges.charge_own(first) });
        self.queued_overhead += outbox.overhead();
        connection.outbox = Some(Box::new(outbox));
        self.timers.arm(self.now + APART, TimerKey::Release(key));
    }

    /// What was held apart may leave.
    pub(crate) fn release(&mut self, key: ConnectionKey) {
        let outbox = self.connections.get_mut(key.0).and_then(|connection| connection.outbox.as_mut());
        if let Some(outbox) = outbox {
            outbox.held = false;
            self.await_writable(key);
        }
    }

    /// Joins a session that has just opened to `/`, if its client expects the server to. Where there are no namespaces,
    /// none has to be joined in time.
    pub(crate) fn greet(&mut self, session: SessionKey) {
        if self.shared.directory.is_bare() {
            self.session(session, |session, _, _, _| session.joined());
        } else if self.is_v3(session) {
            self.connect(session, "/", None);
        }
    }

    /// Tells a client that it has joined a namespace, and its private id there if it may come back.
    pub(crate) fn send_connect(
        &mut self,
        session: SessionKey,
        namespace: NamespaceKey,
        id: &SocketId,
        pid: Option<Sid>,
    ) {
        let name = self.namespace_name(namespace);
        let pid = pid.map(Sid::to_text);
        let answer = if self.is_v3(session) { v4::connect(name) } else { socketio::connect(name, id, pid.as_deref()) };
        self.send_to_session(session, &answer, Urgency::Reliable);
    }

    /// Tells a client that it may not join a namespace that there is. `data` is the text of a JSON value.
    pub(crate) fn send_connect_error(&mut self, session: SessionKey, name: &str, message: &str, data: Option<&str>) {
        let error = if self.is_v3(session) {
            v4::connect_error(name, message, data)
        } else {
            socketio::connect_error(name, message, data)
        };
        self.send_to_session(session, &error, Urgency::Reliable);
    }
}
