//! Engine.IO sessions: what a shard knows of a client across its connections, and what it keeps and may send.

pub(in crate::shard) mod acting;
pub(in crate::shard) mod allowance;
pub(in crate::shard) mod client;
pub(in crate::shard) mod handshake;
pub(in crate::shard) mod ledger;
pub(in crate::shard) mod polls;
pub(in crate::shard) mod sending;
pub(in crate::shard) mod slow;
pub(in crate::shard) mod strain;
pub(in crate::shard) mod translation;

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use mio::Registry;

use crate::engineio::{Effect, SidSource};
use crate::shard::net::Net;
use crate::shard::sessions::acting::SessionEnd;
use crate::shard::sessions::allowance::Allowance;
use crate::shard::sessions::client::Client;
use crate::shard::sessions::ledger::Ledger;
use crate::shard::sessions::polls::CommonPayload;
use crate::shard::sessions::translation::Translation;
use crate::shard::shared::Shared;
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::shard::store::pages::{MAX_KEYS, Pages};
use crate::shard::store::rate::Account;

/// The sessions of a shard, and below them the connections.
pub(crate) struct Sessions {
    pub(in crate::shard) net: Net,
    pub(in crate::shard) clients: Pages<Client>,
    pub(in crate::shard) sids: SidSource,
    /// Polling sessions for which something was queued, and who have not been answered.
    pub(in crate::shard) polled: VecDeque<SessionKey>,
    /// The payload that the last of them got, for those who get the same.
    pub(in crate::shard) common_payload: Option<CommonPayload>,
    /// The last frames translated for a client of protocol 3 this turn.
    pub(in crate::shard) translation: Option<Translation>,
    /// What sessions keep.
    pub(in crate::shard) ledger: Ledger,
    /// How many sessions may begin now, if their rate is bounded.
    pub(in crate::shard) session_rate: Account,
    /// What clients may still send, of those that have sent something and if that is bounded.
    pub(in crate::shard) allowances: HashMap<SessionKey, Allowance>,
    pub(in crate::shard) effects: Vec<Effect<ConnectionKey>>,
    /// Sessions that have ended, of which their sockets have yet to hear.
    pub(in crate::shard) endings: VecDeque<(SessionKey, SessionEnd)>,
    /// How much must wait for clients until it is looked who is to be cut off.
    pub(in crate::shard) queued_look: usize,
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
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, registry: Registry) -> Self {
        Self {
            clients: Pages::new(MAX_KEYS),
            sids: SidSource::new(shared.instance, u8::try_from(index).unwrap_or(u8::MAX)),
            polled: VecDeque::new(),
            common_payload: None,
            translation: None,
            ledger: Ledger::default(),
            session_rate: Account::new(),
            allowances: HashMap::new(),
            effects: Vec::new(),
            endings: VecDeque::new(),
            queued_look: 0,
            net: Net::new(shared, index, registry),
        }
    }
}
