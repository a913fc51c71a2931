//! Connections that change shards.
//!
//! A load balancer sends the requests of many clients over one connection, so its owner is the shard that has the session
//! the request at hand names. A connection moves with the bytes that were read from it.

use std::rc::Rc;

use mio::net::TcpStream;

use super::connection::Fate;
use crate::shard::event_loop::core::Core;
use crate::shard::event_loop::inbox::{HandOff, Letter};
use crate::shard::event_loop::turn::Shard;
use crate::shard::store::keys::ConnectionKey;

impl Shard {
    /// Takes over a connection of another shard, with the bytes it had read.
    pub(crate) fn take_over(self: &Rc<Self>, letter: HandOff) {
        let stream = TcpStream::from_std(letter.stream);
        let mut core = self.core.borrow_mut();
        let key = core.adopt(stream, letter.peer);
        if letter.is_spare
            && let Some(key) = key
        {
            core.add_spare(key);
        }
        drop(core);
        if let Some(key) = key {
            self.served(key, |shard| shard.http_bytes(key, &letter.unread));
        }
    }
}

impl Core {
    /// Hands the connection to the shard that has the session its next request names.
    pub(crate) fn hand_off(&mut self, key: ConnectionKey, shard: usize, unread: &[u8]) {
        let Some(peer) = self.peer(key) else { return };
        // Answers to earlier requests of the connection must not stay behind.
        self.flush(key);
        let Some(connection) = self.connections.get(key.0) else { return };
        if connection.outbox.is_some() || connection.fate.is_some() {
            // A client that sends requests and does not read the answers, or has gone.
            self.doom(key, Fate::Closed);
            return;
        }
        let Some(mut connection) = self.connections.remove(key.0) else { return };
        // It is still one of its peer's: the other shard notes whose it is.
        self.peers.remove(&key);
        let is_spare = self.spares.remove(key);
        self.metrics.connections.set(self.connections.len() as u64);
        if let Err(error) = self.registry.deregister(&mut connection.stream) {
            log::debug!("connection {}: {error}", key.0);
        }
        let letter = HandOff { stream: connection.stream.into(), peer, is_spare, unread: unread.to_vec() };
        if let Some(mailbox) = self.shared.mailboxes.get(shard) {
            mailbox.send(Letter::Connection(Box::new(letter)));
        }
    }
}
