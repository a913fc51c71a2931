//! The state of a socket.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::engineio::Millis;
use crate::shard::sockets::identity::Identity;
use crate::shard::sockets::pending_acks::PendingAck;
use crate::shard::store::keys::{NamespaceKey, SessionKey, SocketKey};
use crate::shard::store::timers::NEVER;
use crate::socketio::Memberships;

/// A socket.
pub(in crate::shard) struct SocketState {
    /// The random part of its sid.
    pub(in crate::shard) random: u64,
    pub(in crate::shard) session: SessionKey,
    /// The next socket of the same session.
    pub(in crate::shard) next: Option<SocketKey>,
    /// Its place among its namespace's members.
    pub(super) place: u32,
    pub(in crate::shard) namespace: NamespaceKey,
    pub(in crate::shard) phase: SocketPhase,
    /// The state that most sockets do not need.
    pub(in crate::shard) extra: Option<Box<Extra>>,
}

/// The stages of a socket's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum SocketPhase {
    /// The middlewares have not let it in yet.
    Joining,
    /// It is a member of its namespace.
    Connected,
    /// It is leaving: its handlers have yet to hear, and nothing is sent to it any more.
    Leaving,
}

/// The state that most sockets do not need.
#[derive(Default)]
pub(in crate::shard) struct Extra {
    pub(super) memberships: Memberships,
    pub(in crate::shard) auth: Option<Arc<str>>,
    pub(in crate::shard) data: Option<Box<RawValue>>,
    pub(super) acks: VecDeque<PendingAck>,
    /// Its identity for recovery; `None` while recovery is off.
    pub(super) identity: Option<Box<Identity>>,
    /// The instant for which a timer was armed last.
    pub(in crate::shard) armed: Millis,
    /// Bytes that it keeps, as the ledger counts them.
    pub(super) ledger_bytes: usize,
}

impl SocketState {
    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_with(|| Box::new(Extra { armed: NEVER, ..Extra::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::net::connection::Connection;
    use crate::shard::sessions::client::Client;

    #[test]
    fn without_recovery_a_client_is_as_small_as_ever() {
        // A release has 56 bytes of connection: no simulated sockets, and no checks of mio's in its own.
        assert_eq!([size_of::<Connection>(), size_of::<Client>(), size_of::<SocketState>()], [64, 104, 40]);
        // The C library gives 120 bytes for a request of 105 or more.
        assert_eq!(size_of::<Extra>(), 120);
    }

    #[test]
    fn with_recovery_a_socket_takes_a_box_of_48_bytes_more() {
        // The C library's smallest box for 40.
        assert_eq!(size_of::<Identity>(), 40);
    }
}
