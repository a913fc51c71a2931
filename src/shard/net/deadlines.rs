//! When the state of a connection must have ended, and its timer.

use crate::engineio::Millis;
use crate::shard::net::Net;
use crate::shard::net::connection::{Connection, HttpState, Role};
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

    /// If the next that is due on a connection is a request, the time it may idle begins. Says whether it does.
    pub(in crate::shard) fn idle(&mut self, key: ConnectionKey) -> bool {
        let deadline = self.now + self.shared.config.limits.keep_alive;
        let http = self.connections.get_mut(key.0).and_then(Connection::http);
        let idle = http.is_some_and(|http| matches!(http.state, HttpState::Head) && http.unread.is_empty());
        if idle {
            self.set_deadline(key, deadline);
        }
        idle
    }

    /// If a close frame waits behind other bytes, the time in which the peer must answer it begins anew. Says whether it does:
    /// who takes none of these bytes is ended by that.
    pub(in crate::shard) fn await_close(&mut self, key: ConnectionKey) -> bool {
        let closing = self.websocket(key).is_some_and(|websocket| websocket.role == Role::Closing);
        if closing {
            let deadline = self.now + self.shared.config.limits.close_timeout;
            self.set_deadline(key, deadline);
        }
        closing
    }
}
