//! Sessions that settle: their clients may be about to upgrade to a WebSocket, which may come to another instance.
//!
//! A session can move there only as long as no handler of the program has heard of it. So the messages of its client, the first
//! CONNECT on, are kept for a short while, and handled where the WebSocket is, or here if none comes. The client hears nothing of
//! it: its POSTs are answered. Without other instances nothing settles.

use std::time::Duration;

use crate::engineio::{Inbound, Message, Millis, Protocol, Route, Transport};
use crate::shard::sessions::Sessions;
use crate::shard::sessions::acting::SessionEnd;
use crate::shard::sessions::client::Client;
use crate::shard::store::keys::{SessionKey, SessionRef, TimerKey};
use crate::socketio::Parser;

/// How long an upgrade that has begun may take before the client's messages are handled without it.
const UPGRADE: Duration = Duration::from_secs(3);

/// Most messages that are kept for one client. They are handled in one turn.
const MESSAGES: usize = 64;

/// What a kept message takes beside its bytes.
const MESSAGE: usize = size_of::<Message>() + 32;

/// A session that settles.
#[derive(Debug)]
pub(super) struct Settling {
    /// What its client has sent, the first CONNECT on.
    messages: Vec<Message>,
    /// What the messages take, as the ledger counts them.
    bytes: usize,
    /// When they are handled at the latest.
    until: Millis,
    /// Whether a WebSocket has probed meanwhile.
    probed: bool,
}

impl Settling {
    /// When they are handled at the latest.
    #[cfg(test)]
    pub(super) const fn until(&self) -> Millis {
        self.until
    }
}

impl Sessions {
    /// Gives back a message that came by a POST, unless its session settles: then it is kept.
    pub(in crate::shard) fn unless_kept<'a>(&mut self, key: SessionKey, inbound: Inbound<'a>) -> Option<Inbound<'a>> {
        if !self.is_settling(key) && !self.begins_to_settle(key, &inbound) {
            return Some(inbound);
        }
        let bytes = inbound.len() + MESSAGE;
        let is_too_much = !self.may_keep(key, bytes);
        if let Some(settling) = self.settling.get_mut(&key) {
            settling.messages.push(inbound.into_message());
            settling.bytes += bytes;
            if is_too_much
                || settling.messages.len() == MESSAGES
                || settling.bytes >= self.net.shared().config.max_http_buffer_size
            {
                self.end_wait(key);
            }
            self.note_kept(key, bytes);
        }
        None
    }

    /// Whether a session settles.
    pub(in crate::shard) fn is_settling(&self, key: SessionKey) -> bool {
        self.settling.contains_key(&key)
    }

    /// Whether a session settles from this message on.
    fn begins_to_settle(&mut self, key: SessionKey, inbound: &Inbound<'_>) -> bool {
        let Some(time) = self.shared().settle() else { return false };
        let is_connect = match inbound {
            Inbound::Text(text) => text.starts_with('0'),
            Inbound::Binary(_) => self.shared().config.parser == Parser::MessagePack,
        };
        let may_upgrade = self.shared().settings.offer_upgrade() && !self.shared().directory.is_bare();
        let Some(client) = self.clients.get(key.0).filter(|client| client.is_untouched()) else { return false };
        if !is_connect || !may_upgrade || client.session.route() != Route::Queue {
            return false;
        }
        let probed = client.session.is_probed();
        let until = self.now() + if probed { UPGRADE } else { time };
        self.settling.insert(key, Settling { messages: Vec::new(), bytes: 0, until, probed });
        self.timers().arm(until, TimerKey::Settle(key));
        true
    }

    /// A WebSocket probes: the session settles until the upgrade has ended.
    pub(in crate::shard) fn settle_with_upgrade(&mut self, key: SessionKey) {
        let until = self.now() + UPGRADE;
        if let Some(settling) = self.settling.get_mut(&key) {
            settling.until = until;
            settling.probed = true;
        }
    }

    /// A WebSocket of a session is gone. If it has probed, the client stays on polling.
    pub(in crate::shard) fn websocket_gone(&mut self, key: SessionKey) {
        if self.settling.get(&key).is_some_and(|settling| settling.probed)
            && self.clients.get(key.0).is_some_and(|client| !client.session.is_probed())
        {
            self.end_wait(key);
        }
    }

    /// The timer of a session that settles came up.
    pub(in crate::shard) fn settle_due(&mut self, key: SessionKey) {
        let Some(until) = self.settling.get(&key).map(|settling| settling.until) else { return };
        if until <= self.now() {
            self.end_wait(key);
        } else {
            self.timers().arm(until, TimerKey::Settle(key));
        }
    }

    /// A session settles no longer, if it did: its kept messages are to be handled.
    pub(in crate::shard) fn end_wait(&mut self, key: SessionKey) {
        if self.is_settling(key) {
            self.endings.push_back((key, SessionEnd::Wait));
        }
    }

    /// Bytes of what is kept for a session, as the ledger counts them.
    pub(in crate::shard) fn kept_messages(&self, key: SessionKey) -> usize {
        self.settling.get(&key).map_or(0, |settling| settling.bytes)
    }

    /// Takes the messages of a session that moves, which is to be removed.
    pub(super) fn take_messages(&mut self, key: SessionKey) -> Vec<Message> {
        self.settling.remove(&key).map(|settling| settling.messages).unwrap_or_default()
    }

    /// Keeps messages of a session that has moved here, until they are handled at once.
    pub(super) fn settle_at_once(&mut self, key: SessionKey, messages: Vec<Message>) {
        let bytes = messages.iter().map(|message| message.len() + MESSAGE).sum();
        let until = self.now();
        self.settling.insert(key, Settling { messages, bytes, until, probed: false });
        self.note_kept(key, bytes);
        self.end_wait(key);
    }

    /// Takes what was kept for a session. It does not settle again.
    pub(in crate::shard) fn take_kept(&mut self, session: SessionRef) -> Vec<Message> {
        if self.session_ref(session.key) != Some(session) {
            return Vec::new();
        }
        let Some(settling) = self.settling.remove(&session.key) else { return Vec::new() };
        self.let_go_of(session.key, settling.bytes);
        if let Some(client) = self.clients.get_mut(session.key.0) {
            client.settled = true;
        }
        settling.messages
    }
}

impl Client {
    /// Whether no handler has heard of it, and it is on polling and may still go to a WebSocket.
    fn is_untouched(&self) -> bool {
        let is_new = !self.settled && self.sockets.get().is_none() && !self.decoder.is_pending();
        is_new
            && self
                .session
                .found()
                .is_some_and(|found| found.transport == Transport::Polling && found.protocol == Protocol::V4)
    }
}
