//! The end of connections: marked at any time, taken out at the end of the turn.

use std::time::Duration;

use crate::shard::net::Net;
use crate::shard::net::connection::{CloseCause, Connection};
use crate::shard::store::keys::{ConnectionKey, TimerKey};

/// Departures after which memory is given back to the system.
const TRIM_AFTER: usize = 1024;

/// Time for a wave of departures to end before memory is given back.
const TRIM_DELAY: Duration = Duration::from_millis(500);

impl Net {
    /// Marks a connection for burial. Nothing is read from it or written to it any more.
    pub(in crate::shard) fn mark_closed(&mut self, key: ConnectionKey, close_cause: CloseCause) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        if connection.close_cause.is_none() {
            connection.close_cause = Some(close_cause);
            self.marked.push(key);
        }
    }

    /// A connection or a session has gone. When many have, memory goes back to the system.
    pub(in crate::shard) fn departed(&mut self) {
        self.departed += 1;
        if self.departed >= TRIM_AFTER {
            self.departed = 0;
            self.timers.arm(self.now + TRIM_DELAY, TimerKey::Trim);
        }
    }

    /// Takes out the next connection that ended this turn, with all that the shard keeps of it. Connections die here and
    /// nowhere else.
    pub(in crate::shard) fn next_closed(&mut self) -> Option<(ConnectionKey, Connection)> {
        loop {
            let key = self.marked.pop()?;
            let Some(connection) = self.connections.remove(key.0) else { continue };
            if let Some(batch) = connection.batch {
                self.batches.release(batch);
            }
            if let Some(outbox) = &connection.outbox {
                self.queued_overhead -= outbox.overhead();
            }
            self.departed();
            if connection.socket.is_pipe() {
                self.end_exchange(key);
            } else {
                self.shared.connection_closed();
            }
            self.forget_peer(key);
            self.forget_spare(key);
            self.forget_errand(&connection);
            self.count_connections();
            return Some((key, connection));
        }
    }
}
