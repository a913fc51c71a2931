//! Errands: the exchanges of which this server is the entry. A client has reached it with a request, or a WebSocket, of a session
//! that lives on another instance, the *owner*.
//!
//! A connection knows its errand by the number in its state, and the errand knows its connection. An errand ends once, by
//! whoever ends first: the owner with its last word, or the connection, of which the owner is told then.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;

use crate::cluster::peers::message::relay::{ExchangeNumber, Relay, ToOwner};
use crate::cluster::peers::{Instance, Unheard};
use crate::engineio::Millis;
use crate::metrics::{RelayFailure, Way};
use crate::shard::net::Net;
use crate::shard::net::connection::{Connection, HttpState, Stage};
use crate::shard::net::tunnels::Tunnel;
use crate::shard::shared::carrier::Owner;
use crate::shard::shared::mailbox::Letter;
use crate::shard::store::keys::ConnectionKey;

/// Most errands of all shards together. Each takes some 200 bytes while it lasts.
const MOST: usize = 10_000;

/// Errands for which memory is kept while there are none.
const KEPT: usize = 64;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Aim {
    /// A GET, which may be held.
    Poll,
    Post,
    Upgrade,
}

/// An errand.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) connection: ConnectionKey,
    pub(super) owner: Owner,
    pub(super) aim: Aim,
    /// The request, if it is to be sent once more.
    pub(super) again: Option<Bytes>,
    /// Whether a part of the answer has come.
    pub(super) has_begun: bool,
    /// The WebSocket that it has become.
    pub(super) tunnel: Option<Box<Tunnel>>,
}

/// The errands of a shard.
#[derive(Debug, Default)]
pub(super) struct Errands {
    open: HashMap<ExchangeNumber, Errand, FixedState>,
    /// How many there have been.
    count: u64,
    /// How many of the open ones are tunnels.
    tunnels: usize,
}

impl Errands {
    pub(super) fn get(&self, number: ExchangeNumber) -> Option<&Errand> {
        self.open.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: ExchangeNumber) -> Option<&mut Errand> {
        self.open.get_mut(&number)
    }

    /// The tunnel that an errand has become.
    pub(super) fn tunnel(&mut self, number: ExchangeNumber) -> Option<&mut Tunnel> {
        self.get_mut(number)?.tunnel.as_deref_mut()
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    fn remove(&mut self, number: ExchangeNumber) -> Option<Errand> {
        let errand = self.open.remove(&number)?;
        self.tunnels -= usize::from(errand.tunnel.is_some());
        if self.open.is_empty() && self.open.capacity() > KEPT {
            self.open = HashMap::default();
        }
        Some(errand)
    }
}

/// How errands begin and end.
impl Net {
    /// Begins an errand for a connection. Returns whether there is room for one more.
    pub(in crate::shard) fn begin_errand(
        &mut self,
        key: ConnectionKey,
        owner: Owner,
        aim: Aim,
        request: Bytes,
        until: Millis,
    ) -> bool {
        if self.errands.open.len() >= MOST.div_ceil(self.shared.mailboxes.len()) {
            self.metrics.relay_failures[RelayFailure::Crowd as usize].one();
            return false;
        }
        let Some(peer) = self.peer(key) else { return false };
        self.errands.count += 1;
        let number = ExchangeNumber::new(u8::try_from(self.index).unwrap_or(u8::MAX), self.errands.count);
        self.errands
            .open
            .insert(number, Errand { connection: key, owner, aim, again: None, has_begun: false, tunnel: None });
        self.set_state(key, HttpState::Relayed(number));
        self.set_deadline(key, until);
        self.metrics.relayed[Way::Out as usize].one();
        self.watch_owners();
        // A GET that finds no room on its way is sent again.
        let again = (aim == Aim::Poll).then(|| request.clone());
        self.tell_owner(number, ToOwner::Request { peer, bytes: request }, again);
        true
    }

    /// Sends the request of an errand once more.
    pub(super) fn send_again(&mut self, number: ExchangeNumber, request: Bytes) {
        let Some(key) = self.errands.get(number).map(|errand| errand.connection) else { return };
        if let Some(peer) = self.peer(key) {
            self.tell_owner(number, ToOwner::Request { peer, bytes: request.clone() }, Some(request));
        }
    }

    /// Makes an errand a tunnel. Says whether it was none before.
    pub(super) fn open_tunnel(&mut self, number: ExchangeNumber) -> bool {
        let Some(errand) = self.errands.get_mut(number).filter(|errand| errand.tunnel.is_none()) else { return false };
        errand.tunnel = Some(Box::default());
        self.errands.tunnels += 1;
        self.metrics.tunnels.set(self.errands.tunnels as u64);
        true
    }

    /// Forgets an errand, of which its owner needs to hear nothing more.
    pub(super) fn end_errand(&mut self, number: ExchangeNumber) -> Option<Errand> {
        let errand = self.errands.remove(number)?;
        self.metrics.tunnels.set(self.errands.tunnels as u64);
        Some(errand)
    }

    /// Ends an errand that its owner has not ended.
    pub(super) fn leave_errand(&mut self, number: ExchangeNumber) {
        if self.errands.get(number).is_some() {
            // If the owner does not hear it, it is gone itself, or its own deadline ends the exchange.
            self.tell_owner(number, ToOwner::Gone, None);
            self.end_errand(number);
        }
    }

    /// Has the owner answer a connection's GET now, if it is passed on and there is room on the way. Returns whether nothing is
    /// left to be told.
    pub(in crate::shard) fn let_poll_go(&mut self, key: ConnectionKey) -> bool {
        let number = self.connections.get(key.0).and_then(Connection::errand);
        let errand = number.and_then(|number| Some((number, self.errands.get(number)?)));
        let Some((number, errand)) = errand.filter(|(_, errand)| errand.aim == Aim::Poll) else { return true };
        // The owner does not know of a GET that has found no room.
        let can_be_told =
            errand.again.is_none() && self.shared.carrier.as_ref().is_none_or(|carrier| carrier.has_room());
        if can_be_told {
            self.tell_owner(number, ToOwner::Release, None);
        }
        can_be_told
    }

    /// A connection has ended, and its errand with it.
    pub(super) fn forget_errand(&mut self, connection: &Connection) {
        if let Some(number) = connection.errand() {
            self.leave_errand(number);
        }
    }

    /// Tells the owner of an errand something. If it does not hear that, the errand has failed; it gets back what is to be sent
    /// `again`.
    pub(super) fn tell_owner(&self, number: ExchangeNumber, what: ToOwner, again: Option<Bytes>) {
        let Some((carrier, errand)) = self.shared.carrier.as_ref().zip(self.errands.get(number)) else { return };
        let Owner { instance, shard } = errand.owner;
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        let lost = move |why: Unheard| {
            let Some(mailbox) = shared.mailboxes.get(index) else { return };
            let carried = again.as_ref().map_or(0, Bytes::len);
            mailbox.hand_over(Letter::run(carried, move |shard| shard.owner_not_told(number, why, again)));
        };
        carrier.carry(instance, Relay::ToOwner { shard, exchange: number, what }, Box::new(lost));
    }
}

/// Which errands there are.
impl Net {
    /// The connection of an errand.
    pub(in crate::shard) fn connection_of_errand(&self, number: ExchangeNumber) -> Option<ConnectionKey> {
        Some(self.errands.get(number)?.connection)
    }

    /// An instance tells something about an errand. Gives the errand's connection, if it is the owner, who alone may speak.
    pub(in crate::shard) fn hear(&mut self, from: Instance, number: ExchangeNumber) -> Option<ConnectionKey> {
        let errand = self.errands.get(number).filter(|errand| errand.owner.instance == from)?;
        self.owners.hear(from);
        Some(errand.connection)
    }

    /// All errands to an instance.
    pub(in crate::shard) fn errands_to(&self, instance: Instance) -> Vec<ExchangeNumber> {
        let to = self.errands.open.iter().filter(|(_, errand)| errand.owner.instance == instance);
        to.map(|(number, _)| *number).collect()
    }

    /// All errands, with their owners.
    pub(super) fn errands_by_owner(&self) -> impl Iterator<Item = (Instance, ExchangeNumber)> {
        self.errands.open.iter().map(|(number, errand)| (errand.owner.instance, *number))
    }

    /// Whether a request or a WebSocket of any connection is passed on.
    pub(in crate::shard) fn has_errands(&self) -> bool {
        !self.errands.open.is_empty()
    }
}

impl Connection {
    /// The errand that it is for.
    pub(in crate::shard) const fn errand(&self) -> Option<ExchangeNumber> {
        match &self.stage {
            Stage::Http(http) => match http.state {
                HttpState::Relayed(number) => Some(number),
                _ => None,
            },
            Stage::Tunnel(number) => Some(*number),
            Stage::WebSocket(_) | Stage::Lingering => None,
        }
    }
}
