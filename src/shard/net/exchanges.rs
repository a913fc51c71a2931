//! Exchanges: connections of clients that have reached another instance.
//!
//! A request for a session that lives here may come to another instance, the *entry*, which [passes it on](relay). Here it is a
//! connection like others, over a [`Pipe`] in place of a socket of the kernel's. What the entry sends is put into the pipe, and
//! the connection stands in line to read it. What the connection has written is told to the entry at the end of each turn, in one
//! message, with what follows it: more, the client's next request, or the end.
//!
//! An exchange is one request with its answer. Only a WebSocket goes on, as a *tunnel*, in which each side sends at most
//! [`WINDOW`] bytes beyond what the other has taken. So bytes that the client does not take wait in the connection's outbox, as
//! they do when the kernel refuses them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;

use crate::chance::RandomState;
use crate::cluster::peers::message::relay::{self, ExchangeNumber, Relay, ToEntry, ToOwner, WINDOW};
use crate::cluster::peers::{Instance, Unheard};
use crate::http;
use crate::metrics::{Limit, Move, Way};
use crate::shard::Shard;
use crate::shard::kernel::pipe::{End, Pipe};
use crate::shard::kernel::socket::Socket;
use crate::shard::net::Net;
use crate::shard::net::connection::{CloseCause, Connection, ReadState, Stage};
use crate::shard::shared::carrier::LOOK_FOR_ROOM;
use crate::shard::shared::mailbox::Letter;
use crate::shard::store::keys::{ConnectionKey, SessionKey, TimerKey};

/// Exchanges of all shards together.
const ALL: usize = 10_000;

/// Exchanges for which memory is kept while there are none.
const KEPT: usize = 64;

/// Bytes of a tunnel that were read and need not be told yet. A message for each of a client's packets would cost more.
const UNTOLD: u64 = WINDOW as u64 / 4;

/// The exchanges of a shard that owns their sessions.
#[derive(Debug)]
pub(super) struct Exchanges {
    keys: HashMap<Name, ConnectionKey, RandomState>,
    all: HashMap<ConnectionKey, Exchange, RandomState>,
    /// Those whose entries end, until their GETs are answered.
    released: Vec<ConnectionKey>,
    most: usize,
}

/// What an exchange is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::shard) struct Name {
    pub(in crate::shard) entry: Instance,
    pub(in crate::shard) number: ExchangeNumber,
}

/// What is known of an exchange beside its connection.
#[derive(Debug)]
struct Exchange {
    name: Name,
    /// Bytes of the request with which it began.
    request: u64,
    /// Bytes of the tunnel of which the entry was told that they were read.
    told: u64,
    /// Whether the entry is to be told however little was read since.
    is_tell_due: bool,
    /// Whether a part of the answer was sent.
    has_begun: bool,
    /// Whether its entry ends and waits for the answer.
    is_released: bool,
    /// Whether the entry hears no more of it.
    is_over: bool,
}

impl Exchanges {
    /// The exchanges of one of `shards` shards.
    pub(super) fn new(shards: usize) -> Self {
        let (keys, all, released) = (HashMap::default(), HashMap::default(), Vec::new());
        Self { keys, all, released, most: ALL.div_ceil(shards.max(1)) }
    }

    fn insert(&mut self, key: ConnectionKey, exchange: Exchange) {
        self.keys.insert(exchange.name, key);
        self.all.insert(key, exchange);
    }

    fn remove(&mut self, key: ConnectionKey) -> Option<Exchange> {
        let exchange = self.all.remove(&key)?;
        self.keys.remove(&exchange.name);
        if self.all.is_empty() {
            self.keys.shrink_to(KEPT);
            self.all.shrink_to(KEPT);
        }
        Some(exchange)
    }
}

/// Exchanges whose entries end.
impl Exchanges {
    fn release(&mut self, key: ConnectionKey) {
        if let Some(exchange) = self.all.get_mut(&key)
            && !std::mem::replace(&mut exchange.is_released, true)
        {
            self.released.push(key);
        }
    }

    fn is_released(&self, key: ConnectionKey) -> bool {
        self.all.get(&key).is_some_and(|exchange| exchange.is_released)
    }
}

impl Exchange {
    /// What follows the bytes that were written so far.
    fn follows(&self, connection: &Connection, pipe: &Pipe) -> relay::Then {
        let is_written = connection.batch.is_none() && connection.outbox.is_none();
        let is_read = connection.input == ReadState::Awaited && pipe.unread() == 0;
        match &connection.stage {
            _ if pipe.end().is_some() => relay::Then::Closed,
            Stage::WebSocket(_) => relay::Then::Tunnel,
            Stage::Http(http) if self.has_begun && is_written && is_read && http.is_done() => relay::Then::Answered,
            Stage::Http(_) | Stage::Tunnel(_) | Stage::Lingering => relay::Then::More,
        }
    }

    /// Bytes of the tunnel that were read.
    fn taken(&self, pipe: &Pipe) -> u64 {
        pipe.read().saturating_sub(self.request)
    }

    /// How many of them the entry is to be told of now, if it is.
    fn untold(&mut self, pipe: &Pipe) -> Option<u32> {
        let untold = self.taken(pipe) - self.told;
        let is_due = std::mem::take(&mut self.is_tell_due) && untold > 0;
        if !is_due && untold < UNTOLD {
            return None;
        }
        self.told += untold;
        u32::try_from(untold).ok()
    }
}

/// What comes from entries.
impl Net {
    /// An entry tells something about one of its exchanges.
    pub(crate) fn relayed(&mut self, entry: Instance, number: ExchangeNumber, what: ToOwner) {
        let name = Name { entry, number };
        match (what, self.exchanges.keys.get(&name).copied()) {
            (ToOwner::Request { peer, bytes }, None) => self.open_exchange(name, peer, bytes),
            (ToOwner::Up(bytes), Some(key)) => self.goes_up(key, bytes),
            (ToOwner::Taken(count), Some(key)) => self.entry_has_taken(key, count as usize),
            (ToOwner::Gone, Some(key)) => self.entry_has_gone(key),
            (ToOwner::Release, Some(key)) => self.exchanges.release(key),
            // It has ended here, and the entry did not know yet.
            (ToOwner::Up(_) | ToOwner::Taken(_) | ToOwner::Gone | ToOwner::Release, None) => {}
            (ToOwner::Request { .. }, Some(_)) => log::debug!("{name:?} begins twice"),
        }
    }

    /// Ends an exchange whose entry is not there any more.
    pub(super) fn leave_exchange(&mut self, name: Name) {
        if let Some(key) = self.exchanges.keys.get(&name) {
            self.entry_has_gone(*key);
        }
    }

    /// Another instance is gone, and all its exchanges with it.
    pub(crate) fn instance_has_gone(&mut self, instance: Instance) {
        self.forget_unsaid(instance);
        let of_it = self.exchanges.keys.iter().filter(|(name, _)| name.entry == instance);
        let keys: Vec<ConnectionKey> = of_it.map(|(_, key)| *key).collect();
        keys.into_iter().for_each(|key| self.entry_has_gone(key));
    }

    fn open_exchange(&mut self, name: Name, peer: SocketAddr, bytes: Bytes) {
        if self.exchanges.all.len() >= self.exchanges.most {
            return self.turn_exchange_away(name, http::BUSY);
        }
        if self.shared.peers.as_ref().is_some_and(|peers| !peers.enter(peer.ip())) {
            self.metrics.hit(Limit::ConnectionsPerAddress);
            return self.turn_exchange_away(name, http::CROWD);
        }
        let Some(key) = self.register(Socket::PIPE, peer) else { return self.turn_exchange_away(name, http::BUSY) };
        self.metrics.relayed[Way::In as usize].one();
        let request = bytes.len() as u64;
        let exchange = Exchange {
            name,
            request,
            told: 0,
            is_tell_due: false,
            has_begun: false,
            is_released: false,
            is_over: false,
        };
        self.exchanges.insert(key, exchange);
        self.pipes.open(key);
        self.count_connections();
        let deadline = self.now + self.shared.config.limits.header_timeout;
        self.set_deadline(key, deadline);
        self.comes(key, bytes);
    }

    /// Answers an exchange that has no room here.
    fn turn_exchange_away(&self, name: Name, answer: &'static [u8]) {
        self.tell(name, ToEntry::Down { bytes: Bytes::from_static(answer), then: relay::Then::Closed });
    }

    fn goes_up(&mut self, key: ConnectionKey, bytes: Bytes) {
        let unread = self.pipes.get(key).map_or(0, Pipe::unread);
        if unread + bytes.len() > WINDOW {
            log::debug!("connection {}: its entry sends more than a tunnel may hold", key.0);
            self.let_kernel_forget(key);
            return self.mark_closed(key, CloseCause::Error);
        }
        self.comes(key, bytes);
    }

    /// Bytes have come for a connection.
    fn comes(&mut self, key: ConnectionKey, bytes: Bytes) {
        if let Some(pipe) = self.pipes.get_mut(key) {
            pipe.comes(bytes);
            self.readable(key, true);
        }
    }

    fn entry_has_taken(&mut self, key: ConnectionKey, count: usize) {
        let Some(pipe) = self.pipes.get_mut(key) else { return };
        pipe.taken(count);
        if pipe.has_room_again() {
            self.writable(key);
        }
    }

    /// The client has left its entry, or its entry is gone. What waits for it goes nowhere, and what has come is read first.
    fn entry_has_gone(&mut self, key: ConnectionKey) {
        let Some(pipe) = self.pipes.get_mut(key) else { return };
        pipe.leave();
        self.writable(key);
        self.readable(key, true);
    }
}

/// What is held for entries that end.
impl Net {
    /// Takes out the held GETs that are to be answered because their entries end, with their sessions. A request that was not read
    /// yet waits for that.
    pub(in crate::shard) fn take_released(&mut self) -> Vec<(ConnectionKey, SessionKey)> {
        let mut held = Vec::new();
        let mut released = std::mem::take(&mut self.exchanges.released);
        released.retain(|key| {
            let session = self.connections.get(key.0).and_then(Connection::held_for);
            held.extend(session.map(|session| (*key, session)));
            session.is_none() && self.exchanges.is_released(*key)
        });
        self.exchanges.released = released;
        held
    }

    /// Whether there may be such GETs.
    #[inline]
    pub(in crate::shard) fn has_released(&self) -> bool {
        !self.exchanges.released.is_empty()
    }
}

/// What a session that moves to the entry must know and do.
impl Net {
    /// Bytes of a tunnel that its connection has read; `None` if it is no exchange's.
    pub(in crate::shard) fn ups_taken(&self, key: ConnectionKey) -> Option<u64> {
        let (exchange, pipe) = (self.exchanges.all.get(&key)?, self.pipes.get(key)?);
        Some(exchange.taken(pipe))
    }

    /// At the end of this turn the entry is told how much was read, however little it is.
    pub(in crate::shard) fn tell_taken(&mut self, key: ConnectionKey) {
        if let Some(exchange) = self.exchanges.all.get_mut(&key) {
            exchange.is_tell_due = true;
            self.pipes.look_at(key);
        }
    }

    /// Tells the entry of a connection all that was written for its client so far. Returns whether nothing is left.
    pub(in crate::shard) fn tell_all(&mut self, key: ConnectionKey) -> bool {
        self.flush(key);
        self.tell_entry(key);
        self.connections.get(key.0).is_some_and(|it| it.is_listening() && it.outbox.is_none())
    }

    /// Whether a connection is an exchange's.
    pub(in crate::shard) fn is_exchange(&self, key: ConnectionKey) -> bool {
        self.exchanges.all.contains_key(&key)
    }

    /// Sends a session to the entry of its WebSocket, which hears nothing more of this exchange. The connection is to be closed.
    pub(in crate::shard) fn move_exchange(&mut self, key: ConnectionKey, taken: u64, session: Bytes) {
        let Some(exchange) = self.exchanges.all.get_mut(&key) else { return };
        exchange.is_over = true;
        let name = exchange.name;
        self.tell_or(name, ToEntry::Move { taken, session }, move |shard, why| {
            shard.with(|core| {
                core.metrics().moves[Move::Unheard as usize].one();
                core.entry_has_not_heard(name, why);
            });
        });
    }
}

/// What entries are told.
impl Net {
    /// How many exchanges there are.
    pub(in crate::shard) fn exchange_count(&self) -> usize {
        self.exchanges.all.len()
    }

    /// Tells the entries what was written for their clients in this turn, and how much was read. What there is no room for on the
    /// way waits in its pipe.
    pub(in crate::shard) fn tell_entries(&mut self) {
        while self.pipes.has_news() {
            if self.shared.carrier.as_ref().is_some_and(|carrier| !carrier.has_room()) {
                return self.timers.arm(self.now + LOOK_FOR_ROOM, TimerKey::Turn);
            }
            if let Some(key) = self.pipes.next_news() {
                self.tell_entry(key);
            }
        }
    }

    fn tell_entry(&mut self, key: ConnectionKey) {
        let (Some(connection), Some(pipe)) = (self.connections.get(key.0), self.pipes.get_mut(key)) else { return };
        let is_told =
            |exchange: &&mut Exchange| !exchange.is_over && !pipe.is_left() && connection.close_cause.is_none();
        let Some(exchange) = self.exchanges.all.get_mut(&key).filter(is_told) else { return };
        if matches!(connection.stage, Stage::WebSocket(_)) {
            pipe.bound(WINDOW);
        }
        let bytes = pipe.take();
        exchange.has_begun |= !bytes.is_empty();
        let (name, then, taken) = (exchange.name, exchange.follows(connection, pipe), exchange.untold(pipe));
        exchange.is_over = matches!(then, relay::Then::Answered | relay::Then::Closed);
        let is_over = exchange.is_over;
        if is_over || !bytes.is_empty() {
            self.tell(name, ToEntry::Down { bytes, then });
        }
        if let Some(count) = taken {
            self.tell(name, ToEntry::Taken(count));
        }
        if is_over {
            self.mark_closed(key, CloseCause::Closed);
        }
    }

    /// A connection has ended: its entry is told the last.
    pub(super) fn end_exchange(&mut self, key: ConnectionKey) {
        let (Some(mut pipe), Some(exchange)) = (self.pipes.close(key), self.exchanges.remove(key)) else { return };
        match pipe.end() {
            _ if exchange.is_over || pipe.is_left() => {}
            Some(End::Reset) => self.tell(exchange.name, ToEntry::Gone),
            Some(End::Shut) | None => {
                self.tell(exchange.name, ToEntry::Down { bytes: pipe.take(), then: relay::Then::Closed });
            }
        }
    }

    /// Sends a message to an entry. If it is lost, the exchange ends here.
    pub(in crate::shard) fn tell(&self, name: Name, what: ToEntry) {
        self.tell_or(name, what, move |shard, why| shard.with(|core| core.entry_has_not_heard(name, why)));
    }

    /// Sends a message to an entry. If it is lost, this shard calls `lost`.
    fn tell_or(&self, name: Name, what: ToEntry, lost: impl FnOnce(&Rc<Shard>, Unheard) + Send + 'static) {
        let (Some(carrier), Some(mailbox)) = (&self.shared.carrier, self.shared.mailboxes.get(self.index)) else {
            return;
        };
        let mailbox = mailbox.clone();
        let lost = move |why| mailbox.hand_over(Letter::run(0, move |shard: &Rc<Shard>| lost(shard, why)));
        carrier.carry(name.entry, Relay::ToEntry { exchange: name.number, what }, Box::new(lost));
    }
}
