//! A first packet that is kept apart from the answer before it.

use std::time::Duration;

use bytes::Bytes;

use crate::shard::net::Net;
use crate::shard::net::outbox::{Outbox, Piece};
use crate::shard::store::keys::{ConnectionKey, TimerKey};

/// Time between the answer to a WebSocket handshake and the first packet. A client reads the answer in a part of it.
const APART: Duration = Duration::from_millis(2);

impl Net {
    /// Sends the answer that is queued for a new WebSocket at once, and `first` and all that follows a moment later. Old
    /// clients know it so from the Node server: some look for the open packet only when they have seen the answer, and
    /// miss one that comes in the same read.
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

    /// What was held apart may leave.
    pub(in crate::shard) fn release(&mut self, key: ConnectionKey) {
        let outbox = self.connections.get_mut(key.0).and_then(|connection| connection.outbox.as_mut());
        if let Some(outbox) = outbox {
            outbox.held = false;
            self.await_writable(key);
        }
    }
}
