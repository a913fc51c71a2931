//! Connections beyond the limit. A full server is healthy: it must answer health checks, and the requests of its
//! sessions.
//!
//! So it accepts some connections beyond the limit, the *spares*. Each gets one answer and is closed. When there are
//! too many, the oldest is closed for the new one, so clients that only connect, or send half a request, keep nobody
//! out. A spare that serves a session stays open as long as such spares leave half of the room to new ones. A new spare
//! is never closed before it was read, so further connections wait for the next turn.

use std::collections::VecDeque;
use std::time::Duration;

use super::connection::{CloseCause, Connection, HttpState, Role, Stage};
use crate::engineio::Millis;
use crate::metrics::Limit;
use crate::shard::net::Net;
use crate::shard::store::keys::ConnectionKey;

/// Spares of all shards together.
const ALL: usize = 64;

/// Spares that each shard may have, however many there are.
const LEAST: usize = 8;

/// Time in which a spare must have sent a request.
const PATIENCE: Duration = Duration::from_secs(2);

/// The spares of a shard, the oldest first.
#[derive(Debug)]
pub(super) struct Spares {
    queue: VecDeque<Spare>,
    most: usize,
}

#[derive(Debug)]
struct Spare {
    key: ConnectionKey,
    since: Millis,
}

impl Spares {
    /// The spares of one of `shards` shards.
    pub(super) fn new(shards: usize) -> Self {
        Self { queue: VecDeque::new(), most: (ALL / shards.max(1)).max(LEAST) }
    }

    /// Whether a connection is one of them.
    pub(super) fn has(&self, key: ConnectionKey) -> bool {
        self.queue.iter().any(|spare| spare.key == key)
    }

    /// Whether no more are to be taken in during this turn.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() > self.most
    }

    /// Forgets one. Says whether it was there.
    pub(super) fn remove(&mut self, key: ConnectionKey) -> bool {
        let place = self.queue.iter().position(|spare| spare.key == key);
        place.and_then(|place| self.queue.remove(place)).is_some()
    }
}

impl Net {
    /// Adds a connection beyond the limit. If there are too many spares, one is closed for it, if one may be closed.
    pub(in crate::shard) fn add_spare(&mut self, key: ConnectionKey) {
        self.spares.queue.push_back(Spare { key, since: self.now });
        while self.spares.is_full()
            && let Some(key) = self.next_spare_to_go()
        {
            self.metrics.hit(Limit::MaxConnections);
            self.spares.remove(key);
            self.mark_closed(key, CloseCause::Closed);
        }
    }

    /// A connection has gone. Once there is room again, spares become ordinary connections.
    pub(super) fn forget_spare(&mut self, key: ConnectionKey) {
        self.spares.remove(key);
        if !self.shared.is_crowded() {
            self.spares.queue.clear();
        }
    }

    /// Time in which a connection must have sent a request.
    pub(in crate::shard) fn head_time(&self, key: ConnectionKey) -> Duration {
        let time = self.shared.config.limits.header_timeout;
        if self.spares.has(key) { time.min(PATIENCE) } else { time }
    }

    /// Whether a connection is one of the spares.
    pub(in crate::shard) fn is_spare(&self, key: ConnectionKey) -> bool {
        self.spares.has(key)
    }

    /// Whether no more connections are to be taken in during this turn.
    pub(in crate::shard) fn has_enough_spares(&self) -> bool {
        self.spares.is_full()
    }

    fn next_spare_to_go(&self) -> Option<ConnectionKey> {
        let serves = |spare: &&Spare| self.connections.get(spare.key.0).is_some_and(Connection::serves_a_session);
        let serving = self.spares.queue.iter().filter(serves).count();
        let serving_goes = serving > self.spares.most / 2;
        let old = self.spares.queue.iter().take_while(|spare| spare.since < self.now);
        old.into_iter().find(|spare| serves(spare) == serving_goes).map(|spare| spare.key)
    }
}

impl Connection {
    /// Whether it serves a session.
    fn serves_a_session(&self) -> bool {
        match &self.stage {
            Stage::Http(http) => matches!(
                http.state,
                HttpState::Held(_) | HttpState::Waiting(_) | HttpState::Post(_) | HttpState::Relayed(_)
            ),
            Stage::WebSocket(websocket) => matches!(websocket.role, Role::Session(_)),
            Stage::Tunnel(_) => true,
            Stage::Lingering => false,
        }
    }
}
