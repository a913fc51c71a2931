//! The memory ledger: it counts the bytes that sessions keep for their lives.
//!
//! A session, its handshake, its sockets, their rooms, data and acknowledgements: everything that a client can make the
//! server keep counts, by the length that the client chose and a constant for the rest. It is counted for each session
//! and in sum. A client's queue ([`slow`](crate::shard::sessions::slow)) and its unfinished input
//! ([`unfinished`](crate::shard::guard::unfinished)) are counted there.

use std::cmp::Reverse;

use crate::engineio::Reason;
use crate::metrics::Limit;
use crate::shard::sessions::Sessions;
use crate::shard::store::keys::SessionKey;

/// What a session takes beside its handshake: it, its timers, and what the allocator adds.
pub(super) const SESSION: usize = 256;

/// A session that keeps less than this is never closed for it.
const MUCH: usize = 64 * 1024;

/// The part of the limit that closing sessions must free. The sum must also grow by it before the largest sessions are looked
/// for again.
const MARGIN: usize = 16;

/// What all sessions of a shard keep.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sum: usize,
    /// The sum at which the largest sessions are looked for.
    look: usize,
}

impl Ledger {
    /// Bytes that all sessions keep.
    pub(super) const fn sum(&self) -> usize {
        self.sum
    }
}

impl Sessions {
    /// A session begins, with a handshake of so many bytes.
    pub(super) fn keep_session(&mut self, key: SessionKey, handshake: usize) {
        self.note_kept(key, SESSION + handshake);
    }

    /// A session is forgotten, with all that it kept.
    pub(super) fn forget_kept(&mut self, kept: u32) {
        self.ledger.sum -= kept as usize;
    }

    /// Whether a session may keep so much more.
    pub(in crate::shard) fn may_keep(&self, key: SessionKey, bytes: usize) -> bool {
        let kept = self.clients.get(key.0).map_or(0, |client| client.ledger_bytes as usize);
        kept + bytes <= self.shared().config.limits.session_memory
    }

    pub(in crate::shard) fn note_kept(&mut self, key: SessionKey, bytes: usize) {
        if let Some(client) = self.clients.get_mut(key.0) {
            let before = client.ledger_bytes;
            client.ledger_bytes = client.ledger_bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
            self.ledger.sum += (client.ledger_bytes - before) as usize;
        }
    }

    pub(in crate::shard) fn let_go_of(&mut self, key: SessionKey, bytes: usize) {
        if let Some(client) = self.clients.get_mut(key.0) {
            let before = client.ledger_bytes;
            client.ledger_bytes = client.ledger_bytes.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
            self.ledger.sum -= (before - client.ledger_bytes) as usize;
        }
    }

    /// Whether all sessions together keep as much as they may.
    pub(in crate::shard) fn keeps_all_it_may(&self) -> bool {
        self.ledger.sum > self.shared().kept_per_shard
    }

    /// Closes the largest sessions while all together keep more than the limit.
    pub(in crate::shard) fn check_kept(&mut self) {
        let most = self.shared().kept_per_shard;
        if self.ledger.sum <= most {
            self.ledger.look = most;
            return;
        }
        if self.ledger.sum <= self.ledger.look {
            return;
        }
        let excess = self.ledger.sum - (most - most / MARGIN);
        // A closed session is forgotten only once its sockets have heard of it.
        let freed = self.close_those_that_keep_most(excess, Limit::SessionsMemory);
        self.ledger.look = self.ledger.sum.saturating_sub(freed).max(most) + most / MARGIN;
    }

    /// Closes large sessions, the largest first, until `excess` bytes are freed. Returns how many are.
    pub(in crate::shard) fn close_those_that_keep_most(&mut self, excess: usize, limit: Limit) -> usize {
        let much = self.clients.iter().filter(|(_, client)| client.ledger_bytes as usize > MUCH);
        let mut much: Vec<_> = much.map(|(key, client)| (client.ledger_bytes as usize, SessionKey(key))).collect();
        much.sort_unstable_by_key(|(kept, _)| Reverse(*kept));
        let mut freed = 0;
        for (kept, key) in much {
            if freed >= excess {
                break;
            }
            freed += kept;
            log::debug!("{}: closed, as it keeps {kept} bytes ({limit})", self.name_session(key));
            self.metrics().hit(limit);
            self.act(key, |session, _, _, effects| session.abort(Reason::TransportError, effects));
        }
        freed
    }
}
