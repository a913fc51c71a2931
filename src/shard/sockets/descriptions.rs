//! Descriptions of sockets, for other threads and servers.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::engineio::{Route, Sid};
use crate::shard::sessions::handshake::Handshake;
use crate::shard::shared::target::Target;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::{NamespaceKey, SocketRef};
use crate::socketio::SocketId;

/// A snapshot of a socket.
pub(crate) struct Description {
    pub(crate) sid: Sid,
    /// The sid of its place.
    pub(crate) location: Sid,
    pub(crate) id: SocketId,
    pub(crate) rooms: Vec<String>,
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) auth: Option<Arc<str>>,
    pub(crate) data: Option<Box<RawValue>>,
}

impl Sockets {
    /// The connected sockets of this shard that a target selects.
    pub(crate) fn selected(&self, namespace: NamespaceKey, target: &Target) -> Vec<SocketRef> {
        let connected = |key| {
            let state = self.states.get(key)?;
            (state.phase == SocketPhase::Connected).then_some(state.random)
        };
        let keys = self.select(namespace, target).into_iter();
        keys.filter_map(|key| Some(SocketRef { key, random: connected(key.0)? })).collect()
    }

    /// Describes the sockets of this shard that a target selects.
    pub(crate) fn describe(&self, namespace: NamespaceKey, target: &Target) -> Vec<Description> {
        self.selected(namespace, target)
            .into_iter()
            .filter_map(|socket| {
                let extra = self.socket(socket)?.extra.as_deref();
                Some(Description {
                    sid: self.socket_sid(socket),
                    location: self.location(socket),
                    id: self.socket_id(socket),
                    rooms: self.rooms(socket),
                    handshake: self.handshake(socket)?,
                    auth: extra.and_then(|extra| extra.auth.clone()),
                    data: extra.and_then(|extra| extra.data.clone()),
                })
            })
            .collect()
    }

    /// Bytes that wait for a socket's client, including this turn's.
    pub(crate) fn queued_for(&self, socket: SocketRef) -> usize {
        let session = self.socket(socket).map(|state| state.session);
        let Some(client) = session.and_then(|session| self.client(session)) else { return 0 };
        let (Route::WebSocket(connection) | Route::Translated(connection, _)) = client.session.route() else {
            return client.session.queued_bytes();
        };
        self.queued_on(connection)
    }
}
