//! Connections that change shards.
//!
//! A load balancer sends the requests of many clients over one connection. So a connection moves to the shard that has the
//! session of its current request, with the bytes that were read from it.

use crate::shard::net::Net;
use crate::shard::net::connection::CloseCause;
use crate::shard::shared::mailbox::HandOff;
use crate::shard::store::keys::ConnectionKey;

impl Net {
    /// Gives a connection up for the shard that has the session of its next request. `None` if the connection ends instead.
    pub(in crate::shard) fn hand_off(&mut self, key: ConnectionKey, unread: &[u8]) -> Option<HandOff> {
        let peer = self.peer(key)?;
        // Answers to earlier requests of the connection must not stay behind.
        self.flush(key);
        let connection = self.connections.get(key.0)?;
        if connection.outbox.is_some() || connection.close_cause.is_some() || connection.socket.is_pipe() {
            // The client sends requests without reading the answers, or has gone. Or it has reached another instance, which
            // sends requests to the shards that have their sessions.
            self.mark_closed(key, CloseCause::Closed);
            return None;
        }
        let mut connection = self.connections.remove(key.0)?;
        // The connection still counts for its peer's address: the other shard notes it again.
        self.peers.remove(&key);
        let is_spare = self.spares.remove(key);
        self.count_connections();
        if let Err(error) = self.watch.nothing(&mut connection.socket) {
            log::debug!("connection {}: {error}", key.0);
        }
        Some(HandOff { socket: connection.socket, peer, is_spare, unread: unread.to_vec() })
    }
}
