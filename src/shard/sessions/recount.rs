//! Counts anew what the counters of the sessions say, for the simulation.

use crate::engineio::{Charge, Frames, Millis};
use crate::shard::sessions::Sessions;
use crate::shard::sessions::client::Client;
use crate::shard::sessions::ledger::SESSION;
use crate::shard::store::keys::SessionKey;

impl Sessions {
    /// The charges of all that waits in sessions.
    pub(in crate::shard) fn charges_of_sessions(&self) -> impl Iterator<Item = &Charge> {
        self.clients.iter().flat_map(|(_, client)| client.session.queue()).filter_map(Frames::charge)
    }

    /// How many messages wait in sessions.
    pub(in crate::shard) fn messages_in_sessions(&self) -> usize {
        self.clients.iter().map(|(_, client)| client.session.queued_messages()).sum()
    }

    /// Whether the turn has left a payload that others may get.
    pub(in crate::shard) fn has_common_payload(&self) -> bool {
        self.common_payload.is_some()
    }

    /// The sessions that settle, and until when.
    pub(in crate::shard) fn settling(&self) -> impl Iterator<Item = (SessionKey, Millis)> {
        self.settling.iter().map(|(key, settling)| (*key, settling.until()))
    }

    /// How many clients have an account of what they may send, though they have no session.
    pub(in crate::shard) fn accounts_of_nobody(&self) -> usize {
        self.allowances.keys().filter(|key| self.client(**key).is_none()).count()
    }
}

impl Client {
    /// Bytes that it keeps, as the ledger counts them.
    pub(in crate::shard) const fn counted_bytes(&self) -> usize {
        self.ledger_bytes as usize
    }

    /// What it keeps without its sockets.
    pub(in crate::shard) fn own_bytes(&self) -> usize {
        SESSION + self.handshake.bytes()
    }

    /// The instant for which a timer was armed last.
    pub(in crate::shard) const fn armed_for(&self) -> Millis {
        self.armed
    }
}
