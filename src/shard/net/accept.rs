//! The listener and the connections it brings.

use std::net::{IpAddr, SocketAddr};

use log::Level;

use crate::http;
use crate::log_line::LineKind;
use crate::metrics::Limit;
use crate::shard::kernel::pipe::Pipes;
use crate::shard::kernel::socket::Socket;
use crate::shard::net::Net;
use crate::shard::net::connection::Connection;
use crate::shard::store::keys::ConnectionKey;

pub(in crate::shard) static NOT_TAKEN: LineKind =
    LineKind::new(Level::Warn, module_path!(), "connections that were not taken");

/// Whether a shard looks for new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Accepting {
    /// When the kernel tells of new ones.
    WhenTold,
    /// In the next turn in any case: the last turn had no room for all.
    Now,
    /// Not before a timer says so: there was an error.
    Resting,
    /// Never again: the listener is closed.
    Over,
}

impl Accepting {
    /// The timer that ends a rest came up.
    pub(in crate::shard) fn rested(self) -> Self {
        if self == Self::Resting { Self::Now } else { self }
    }
}

impl Net {
    pub(in crate::shard) fn accepted(&mut self, socket: Socket, peer: SocketAddr) -> Option<ConnectionKey> {
        self.metrics.accepted.one();
        if self.shared.peers.as_ref().is_some_and(|peers| !peers.enter(peer.ip())) {
            self.metrics.hit(Limit::ConnectionsPerAddress);
            send_away(&socket, http::CROWD);
            return None;
        }
        let is_spare = !self.shared.connection_opened();
        let key = self.adopt(socket, peer)?;
        if is_spare {
            self.add_spare(key);
        }
        let deadline = self.now + self.head_time(key);
        self.set_deadline(key, deadline);
        Some(key)
    }

    pub(in crate::shard) fn adopt(&mut self, socket: Socket, peer: SocketAddr) -> Option<ConnectionKey> {
        let registered = self.register(socket, peer);
        if registered.is_none() {
            self.shared.connection_closed();
        }
        registered
    }

    /// Adds a connection that counts for its peer's address, if those are counted. `None` if that fails; then it counts no more.
    pub(super) fn register(&mut self, socket: Socket, peer: SocketAddr) -> Option<ConnectionKey> {
        let key = self.connections.insert(Connection::new(socket, peer)).ok();
        let registered = key.and_then(|key| {
            let connection = self.connections.get_mut(key)?;
            match self.watch.reads(&mut connection.socket, ConnectionKey(key)) {
                Ok(()) => Some(ConnectionKey(key)),
                Err(error) => {
                    NOT_TAKEN.write(|| format!("cannot watch a connection: {error}"));
                    self.connections.remove(key);
                    None
                }
            }
        });
        match registered {
            Some(key) if self.shared.peers.is_some() => _ = self.peers.insert(key, peer.ip()),
            Some(_) => {}
            None => self.leave_peer(peer.ip()),
        }
        self.count_connections();
        registered
    }

    /// Notes how many connections there are. One of another instance's client counts there.
    pub(super) fn count_connections(&self) {
        self.metrics.connections.set((self.connections.len() - self.exchange_count()) as u64);
    }

    /// A connection of that address has gone.
    fn leave_peer(&self, address: IpAddr) {
        if let Some(peers) = &self.shared.peers {
            peers.leave(address);
        }
    }

    /// The same, by its key.
    pub(super) fn forget_peer(&mut self, key: ConnectionKey) {
        if let Some(address) = self.peers.remove(&key) {
            self.leave_peer(address);
        }
    }
}

/// Answers a connection beyond the limit, and closes it. Its received bytes are read first: closing with unread bytes would
/// reset the connection and lose the answer. The socket's buffer is empty, so the answer fits. Delivery is not waited for.
fn send_away(socket: &Socket, answer: &[u8]) {
    let mut none = Pipes::default();
    let nowhere = ConnectionKey(u32::MAX);
    let _ = socket.receive(&mut [0; 4096], none.at(nowhere));
    let _ = socket.send(answer, none.at(nowhere));
}
