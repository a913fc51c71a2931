//! Deadlines of connections, and their timers.

use crate::engineio::Millis;
use crate::shard::net::Net;
use crate::shard::net::connection::{Connection, Role};
use crate::shard::store::keys::{ConnectionKey, TimerKey};

impl Net {
    /// Sets when the connection's state must have ended.
    pub(in crate::shard) fn set_deadline(&mut self, key: ConnectionKey, deadline: Millis) {
        if let Some(connection) = self.connections.get_mut(key.0) {
            connection.deadline = deadline;
            self.arm_connection(key);
        }
    }

    /// Keeps a timer for the instant at which the connection is due.
    pub(in crate::shard) fn arm_connection(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let due = connection.due();
        if due < connection.armed {
            connection.armed = due;
            self.timers.arm(due, TimerKey::Connection(key));
        }
    }

    /// Starts the idle time of a connection that waits for a request. Says whether it did.
    pub(in crate::shard) fn idle(&mut self, key: ConnectionKey) -> bool {
        let deadline = self.now + self.shared.config.limits.keep_alive;
        let http = self.connections.get_mut(key.0).and_then(Connection::http);
        let idle = http.is_some_and(|http| http.is_done());
        if idle {
            self.set_deadline(key, deadline);
        }
        idle
    }

    /// Starts the time for the peer's close frame anew, if ours still waits behind other bytes. Says whether it did. A peer
    /// that takes none of these bytes is cut off as a slow consumer.
    pub(in crate::shard) fn await_close(&mut self, key: ConnectionKey) -> bool {
        let closing = self.websocket(key).is_some_and(|websocket| websocket.role == Role::Closing);
        if closing {
            let deadline = self.now + self.shared.config.limits.close_timeout;
            self.set_deadline(key, deadline);
        }
        closing
    }
}
