//! What a shard keeps of a socket.

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
pub(crate) struct SocketState {
    /// The random part of its sid.
    pub(crate) random: u64,
    pub(crate) session: SessionKey,
    /// The next socket of the same session.
    pub(crate) next: Option<SocketKey>,
    /// Where it stands among its namespace's members.
    pub(crate) place: u32,
    pub(crate) namespace: NamespaceKey,
    pub(crate) status: Status,
    /// What most sockets have no need of.
    pub(crate) extra: Option<Box<Extra>>,
}

/// Where a socket stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The middlewares have not let it in yet.
    Joining,
    /// It is a member of its namespace.
    Connected,
    /// It is leaving: its handlers will hear, and nothing is sent to it any more.
    Leaving,
}

/// What most sockets have no need of.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) memberships: Memberships,
    pub(crate) auth: Option<Arc<str>>,
    pub(crate) data: Option<Box<RawValue>>,
    pub(crate) acks: VecDeque<PendingAck>,
    /// What recovery knows it by; `None` while recovery is off.
    pub(crate) identity: Option<Box<Identity>>,
    /// The instant for which a timer was armed last.
    pub(crate) armed: Millis,
    /// Bytes that it keeps, as the ledger counts them.
    pub(crate) kept: usize,
}

impl SocketState {
    pub(crate) fn extra(&mut self) -> &mut Extra {
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
        assert_eq!([size_of::<Connection>(), size_of::<Client>(), size_of::<SocketState>()], [64, 104, 40]);
        // The C library gives 120 bytes to whoever asks for 105 or more.
        assert_eq!(size_of::<Extra>(), 120);
    }
}
