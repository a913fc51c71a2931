//! A new WebSocket's first packets, kept apart from the handshake's answer for old clients.

use std::time::Duration;

use bytes::Bytes;

use crate::shard::net::Net;
use crate::shard::net::outbox::{Outbox, Piece};
use crate::shard::store::keys::{ConnectionKey, TimerKey};

/// Time between the answer to a WebSocket handshake and the first packet, enough for a client to read the answer.
const APART: Duration = Duration::from_millis(2);

impl Net {
    /// Sends the queued answer for a new WebSocket at once, and `first` and all that follows a moment later. Old clients expect
    /// this from the Node server: some listen for the open packet only once they have seen the answer, and miss one that comes
    /// in the same read.
    pub(in crate::shard) fn send_apart(&mut self, key: ConnectionKey, first: &Bytes) {
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

    /// The packets that were kept apart may leave.
    pub(in crate::shard) fn release(&mut self, key: ConnectionKey) {
        let outbox = self.connections.get_mut(key.0).and_then(|connection| connection.outbox.as_mut());
        if let Some(outbox) = outbox {
            outbox.held = false;
            self.await_writable(key);
        }
    }
}
