//! Sessions that move to the instance where their clients' WebSockets are, and those that come from another.
//!
//! A session moves as a whole, or stays. It may move as long as no socket has it: then no handler has heard of it, and nothing
//! of the program is left behind. From the moment at which it is frozen there is nothing of it here, so it is never in two
//! places.

use std::sync::Arc;

use crate::cluster::peers::message::moving::{MOST_MOVED, Moving};
use crate::engineio::Session;
use crate::metrics::{Limit, Move};
use crate::shard::sessions::Sessions;
use crate::shard::sessions::allowance::Allowance;
use crate::shard::sessions::client::Client;
use crate::shard::sessions::handshake::Handshake;
use crate::shard::sessions::ledger::SESSION;
use crate::shard::store::keys::{ConnectionKey, SessionKey};

impl Sessions {
    /// Whether a session, whose client is about to leave polling, may go to another instance.
    pub(in crate::shard) fn may_move(&self, key: SessionKey) -> bool {
        let Some(client) = self.clients.get(key.0) else { return false };
        let is_new = client.sockets.get().is_none() && !client.decoder.is_pending();
        let takes = client.session.queued_bytes() + self.kept_messages(key) + client.handshake.bytes();
        is_new && client.session.may_freeze() && !self.shared().directory.is_bare() && takes <= MOST_MOVED
    }

    /// Takes a session that [may move](Self::may_move) out of this shard.
    pub(in crate::shard) fn freeze_session(&mut self, key: SessionKey) -> Option<Moving> {
        let frozen = self.act(key, |session, now, settings, effects| session.freeze(now, settings, effects))??;
        let messages = self.take_messages(key);
        let (now, rates) = (self.now(), self.shared().rates);
        let allowance = self.allowances.get(&key).zip(rates).map(|(allowance, rates)| allowance.freeze(now, rates));
        let handshake = self.clients.get(key.0)?.handshake.moving();
        log::debug!("{}: moves to another instance", self.name_session(key));
        self.remove_session(key);
        self.metrics().moves[Move::Sent as usize].one();
        Some(Moving { session: frozen, handshake, messages, allowance })
    }

    /// Goes on with a session of another instance, on a WebSocket. What its client has sent is to be handled at once. `None` if
    /// it finds no room here, or cannot go on.
    pub(in crate::shard) fn thaw_session(&mut self, websocket: ConnectionKey, moving: Moving) -> Option<SessionKey> {
        let Moving { session, handshake, messages, allowance } = moving;
        let handshake = Arc::new(Handshake::moved(handshake));
        let kept = handshake.bytes();
        if SESSION + kept > self.shared().config.limits.session_memory {
            self.metrics().hit(Limit::SessionMemory);
            return None;
        }
        let slot = self.clients.vacant_key()?;
        // It has a secret place here, which its client does not know: nobody comes with that sid.
        let random = self.sids.next(self.shared().instance(), slot).ok()?.random;
        let mut effects = Vec::new();
        let session = Session::thaw(self.now(), websocket, session, &self.shared().settings, &mut effects)?;
        let address = handshake.address().ip();
        if self.shared().addresses.as_ref().is_some_and(|addresses| !addresses.enter(address)) {
            self.metrics().hit(Limit::SessionsPerAddress);
            return None;
        }
        let key = SessionKey(self.clients.insert(Client::new(session, random, handshake)).ok()?);
        self.metrics().moves[Move::Received as usize].one();
        self.metrics().sessions.set(self.clients.len() as u64);
        log::debug!("{}: has moved here", self.name_session(key));
        self.keep_session(key, kept);
        if let Some((moved, rates)) = allowance.zip(self.shared().rates) {
            self.allowances.insert(key, Allowance::thaw(self.now(), rates, moved));
        }
        effects.into_iter().for_each(|effect| self.carry_out(key, effect));
        self.settle_at_once(key, messages);
        self.act(key, |_, _, _, _| ());
        Some(key)
    }
}
