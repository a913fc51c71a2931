//! Connections that have become WebSockets.

use bytes::Bytes;

use crate::shard::net::Net;
use crate::shard::net::connection::{Role, Stage, WebSocket};
use crate::shard::store::keys::ConnectionKey;
use crate::websocket::CLOSE_FRAME;

impl Net {
    pub(in crate::shard) fn websocket(&mut self, key: ConnectionKey) -> Option<&mut WebSocket> {
        match &mut self.connections.get_mut(key.0)?.stage {
            Stage::WebSocket(websocket) => Some(websocket),
            Stage::Http(_) | Stage::Tunnel(_) | Stage::Lingering => None,
        }
    }

    /// Sends a close frame without a code behind what is queued, and waits for the peer's.
    pub(in crate::shard) fn shut_websocket(&mut self, key: ConnectionKey) {
        self.push(key, &Bytes::from_static(CLOSE_FRAME));
        let Some(websocket) = self.websocket(key) else { return };
        websocket.role = Role::Closing;
        let deadline = self.now + self.shared.config.limits.close_timeout;
        self.set_deadline(key, deadline);
    }
}
