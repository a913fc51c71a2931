//! TCP connections: how they come in, what waits for them, and how it is written.

pub(in crate::shard) mod accept;
pub(in crate::shard) mod answers;
pub(in crate::shard) mod apart;
pub(in crate::shard) mod burial;
pub(in crate::shard) mod charge;
pub(in crate::shard) mod connection;
pub(in crate::shard) mod deadlines;
pub(in crate::shard) mod handoff;
pub(in crate::shard) mod line;
pub(in crate::shard) mod outbox;
pub(in crate::shard) mod packets;
pub(in crate::shard) mod progress;
pub(in crate::shard) mod shut;
pub(in crate::shard) mod slow;
pub(in crate::shard) mod socket;
pub(in crate::shard) mod spares;
pub(in crate::shard) mod websocket;
pub(in crate::shard) mod write;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;
use mio::Registry;

use crate::engineio::Millis;
use crate::metrics::ShardMetrics;
use crate::shard::net::charge::Charges;
use crate::shard::net::connection::Connection;
use crate::shard::net::line::Line;
use crate::shard::net::spares::Spares;
use crate::shard::shared::Shared;
use crate::shard::store::batches::Batches;
use crate::shard::store::keys::{ConnectionKey, TimerKey};
use crate::shard::store::pages::{MAX_KEYS, Pages};
use crate::shard::store::timers::Timers;

/// The connections of a shard: what is read from them and when, what waits for them, and what is written.
pub(crate) struct Net {
    pub(in crate::shard) shared: Arc<Shared>,
    pub(in crate::shard) metrics: Arc<ShardMetrics>,
    pub(in crate::shard) registry: Registry,
    /// The instant at which this turn began.
    pub(in crate::shard) now: Millis,
    pub(in crate::shard) connections: Pages<Connection>,
    /// Whose they are, while the connections of an address are bounded. A WebSocket has forgotten its peer, and a socket that
    /// was reset does not tell it any more.
    pub(in crate::shard) peers: HashMap<ConnectionKey, IpAddr, FixedState>,
    /// Those that are more than there may be.
    pub(in crate::shard) spares: Spares,
    /// Connections that have something to be read.
    pub(in crate::shard) line: Line,
    pub(in crate::shard) timers: Timers<TimerKey>,
    pub(in crate::shard) batches: Batches,
    /// The connection whose bytes are being handled: what it is sent are answers, which leave first.
    pub(in crate::shard) serving: Option<ConnectionKey>,
    /// Connections that were sent answers this turn.
    pub(in crate::shard) replies: Vec<ConnectionKey>,
    /// Connections that were sent anything else.
    pub(in crate::shard) fanout: VecDeque<ConnectionKey>,
    /// Whether a fan-out has fallen so far behind that nothing is read that could lead to more of it, until it is done.
    pub(in crate::shard) behind: bool,
    /// Connections that have taken something of what waits for them.
    pub(in crate::shard) eased: Vec<ConnectionKey>,
    /// Connections to bury at the end of the turn.
    pub(in crate::shard) doomed: Vec<ConnectionKey>,
    pub(in crate::shard) departed: usize,
    /// What waits for clients, in outboxes and in sessions.
    pub(in crate::shard) charges: Charges,
    /// What the bookkeeping of these messages costs, for each of their receivers.
    pub(in crate::shard) queued_overhead: usize,
    /// Scratch space of the flush.
    pub(in crate::shard) pieces: Vec<Bytes>,
}

impl Net {
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, registry: Registry) -> Self {
        Self {
            metrics: Arc::clone(&shared.metrics[index]),
            registry,
            now: Millis(0),
            connections: Pages::new(MAX_KEYS),
            peers: HashMap::default(),
            spares: Spares::new(shared.mailboxes.len()),
            line: Line::default(),
            timers: Timers::new(),
            batches: Batches::default(),
            serving: None,
            replies: Vec::new(),
            fanout: VecDeque::new(),
            behind: false,
            eased: Vec::new(),
            doomed: Vec::new(),
            departed: 0,
            charges: Charges::default(),
            queued_overhead: 0,
            pieces: Vec::new(),
            shared,
        }
    }

    /// The instant at which this turn began.
    pub(crate) fn now(&self) -> Millis {
        self.now
    }

    /// What this shard counts.
    pub(crate) fn metrics(&self) -> &ShardMetrics {
        &self.metrics
    }
}
