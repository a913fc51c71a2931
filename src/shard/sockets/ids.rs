//! Socket ids, as the application and clients see them, and the look-up of sockets by id.
//!
//! For clients of Socket.IO 3 and newer, a socket's sid is its id. A 2.x client derives its sockets' ids from the id of
//! its session, so the server does the same.

use crate::engineio::Sid;
use crate::shard::sessions::client::Lookup;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::state::SocketState;
use crate::shard::store::keys::{NamespaceKey, SocketKey, SocketRef};
use crate::socketio::SocketId;

impl Sockets {
    /// The id of a socket.
    pub(crate) fn socket_id(&self, socket: SocketRef) -> SocketId {
        let legacy = self.socket(socket).filter(|state| self.is_v3(state.session));
        match legacy.and_then(|state| self.legacy_id(state)) {
            Some(id) => id,
            None => self.socket_sid(socket).to_text().into(),
        }
    }

    fn legacy_id(&self, state: &SocketState) -> Option<SocketId> {
        let session = self.session_ref(state.session)?;
        let namespace = self.namespace_name(state.namespace);
        Some(SocketId::of_session(namespace, self.session_sid(session).to_text()))
    }

    /// The member of a namespace with this id, which is also the name of its own room.
    pub(super) fn socket_of_id(&self, namespace: NamespaceKey, id: &str) -> Option<SocketKey> {
        let found = match Sid::parse(id).and_then(|sid| self.find_sid(sid)) {
            Some(socket) if self.socket(socket).is_some_and(|state| state.namespace == namespace) => Some(socket),
            _ if self.shared().settings.allow_eio3 => self.socket_of_legacy_id(namespace, id),
            _ => None,
        };
        found.filter(|socket| self.is_connected(*socket)).map(|socket| socket.key)
    }

    fn socket_of_legacy_id(&self, namespace: NamespaceKey, id: &str) -> Option<SocketRef> {
        let session = match self.namespace_name(namespace) {
            "/" => id,
            name => id.strip_prefix(name)?.strip_prefix('#')?,
        };
        match self.find_session(session) {
            Lookup::Here(session) if self.is_v3(session) => Some(self.socket_in(session, namespace)?.0),
            _ => None,
        }
    }
}
