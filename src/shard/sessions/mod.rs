//! Engine.IO sessions: a client's state across its connections, and its limits.

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::cluster::peers::Instance;
use crate::engineio::{Effect, Sid, SidSource};
use crate::shard::kernel::poll::Watch;
use crate::shard::net::Net;
use crate::shard::sessions::acting::SessionEnd;
use crate::shard::sessions::allowance::Allowance;
use crate::shard::sessions::client::Client;
use crate::shard::sessions::ledger::Ledger;
use crate::shard::sessions::polls::CommonPayload;
use crate::shard::sessions::settling::Settling;
use crate::shard::sessions::translation::Translation;
use crate::shard::shared::Shared;
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::shard::store::pages::{MAX_KEYS, Pages};
use crate::shard::store::rate::{Account, Rate};

pub(in crate::shard) mod acting;
pub(in crate::shard) mod allowance;
pub(in crate::shard) mod client;
pub(in crate::shard) mod handshake;
pub(in crate::shard) mod ledger;
pub(in crate::shard) mod moving;
pub(in crate::shard) mod polls;
#[cfg(test)]
mod recount;
pub(in crate::shard) mod settling;
pub(in crate::shard) mod slow;
pub(in crate::shard) mod strain;
pub(in crate::shard) mod translation;

/// The sessions of a shard, and below them the connections.
pub(crate) struct Sessions {
    net: Net,
    clients: Pages<Client>,
    sids: SidSource,
    /// Polling sessions with queued packets, which have not been answered.
    polled: VecDeque<SessionKey>,
    /// The payload that the last of them got, for the next ones that get the same.
    common_payload: Option<CommonPayload>,
    /// The last frames translated for a client of protocol 3 this turn.
    translation: Option<Translation>,
    /// What sessions keep.
    ledger: Ledger,
    /// How many sessions may begin now, if their rate is bounded.
    session_rate: Account,
    /// What clients may still send, if that is limited. Only clients that have sent something are here.
    allowances: HashMap<SessionKey, Allowance>,
    /// The sessions whose clients may be about to upgrade to a WebSocket on another instance.
    settling: HashMap<SessionKey, Settling>,
    effects: Vec<Effect<ConnectionKey>>,
    /// Ended sessions that their sockets have yet to hear of, and ended waits.
    endings: VecDeque<(SessionKey, SessionEnd)>,
    /// How much must wait for clients before slow ones are looked for.
    queued_look: usize,
}

impl Deref for Sessions {
    type Target = Net;

    fn deref(&self) -> &Net {
        &self.net
    }
}

impl DerefMut for Sessions {
    fn deref_mut(&mut self) -> &mut Net {
        &mut self.net
    }
}

impl Sessions {
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, watch: Watch) -> Self {
        Self {
            clients: Pages::new(MAX_KEYS),
            sids: SidSource::new(u8::try_from(index).unwrap_or(u8::MAX)),
            polled: VecDeque::new(),
            common_payload: None,
            translation: None,
            ledger: Ledger::default(),
            session_rate: Account::new(),
            allowances: HashMap::new(),
            settling: HashMap::new(),
            effects: Vec::new(),
            endings: VecDeque::new(),
            queued_look: 0,
            net: Net::new(shared, index, watch),
        }
    }

    /// The client with that key, if there is one.
    pub(in crate::shard) fn client(&self, key: SessionKey) -> Option<&Client> {
        self.clients.get(key.0)
    }

    /// The same, to change it.
    pub(in crate::shard) fn client_mut(&mut self, key: SessionKey) -> Option<&mut Client> {
        self.clients.get_mut(key.0)
    }

    /// All sessions.
    pub(in crate::shard) fn clients(&self) -> impl Iterator<Item = (SessionKey, &Client)> {
        self.clients.iter().map(|(key, client)| (SessionKey(key), client))
    }

    /// How many sessions there are.
    pub(in crate::shard) fn session_count(&self) -> usize {
        self.clients.len()
    }

    /// Whether polling sessions wait for their answers.
    pub(in crate::shard) fn has_polled(&self) -> bool {
        !self.polled.is_empty()
    }

    /// Bytes that all sessions keep.
    pub(in crate::shard) fn kept_bytes(&self) -> usize {
        self.ledger.sum()
    }

    /// Takes one of the sessions that may begin in a second; false if none is left.
    pub(in crate::shard) fn may_begin(&mut self, rate: Rate) -> bool {
        self.session_rate.take(self.net.now(), rate)
    }

    /// The shard's number, as sids contain it.
    pub(in crate::shard) fn shard_of_sids(&self) -> u8 {
        self.sids.shard()
    }

    /// A new sid for a slot.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(in crate::shard) fn next_sid(&mut self, slot: u32) -> Result<Sid, getrandom::Error> {
        let Instance(own) = self.shared().own.settle();
        self.sids.next(own, slot)
    }

    /// Whether there are ended sessions that their sockets have yet to hear of.
    #[inline]
    pub(in crate::shard) fn has_endings(&self) -> bool {
        !self.endings.is_empty()
    }

    /// The next ended session that its sockets have yet to hear of.
    pub(in crate::shard) fn next_ending(&mut self) -> Option<(SessionKey, SessionEnd)> {
        self.endings.pop_front()
    }
}
