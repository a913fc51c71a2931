//! TCP connections: accepting them, their waiting output, and writing it.

pub(in crate::shard) mod accept;
pub(in crate::shard) mod answers;
pub(in crate::shard) mod apart;
pub(in crate::shard) mod charge;
pub(in crate::shard) mod closing;
pub(in crate::shard) mod connection;
pub(in crate::shard) mod deadlines;
pub(in crate::shard) mod errands;
pub(in crate::shard) mod exchanges;
pub(in crate::shard) mod handoff;
pub(in crate::shard) mod line;
pub(in crate::shard) mod outbox;
mod owners;
pub(in crate::shard) mod packets;
pub(in crate::shard) mod progress;
#[cfg(test)]
mod recount;
pub(in crate::shard) mod relayed;
pub(in crate::shard) mod routed;
pub(in crate::shard) mod shut;
pub(in crate::shard) mod slow;
pub(in crate::shard) mod spares;
#[cfg(test)]
mod tests;
pub(in crate::shard) mod tunnels;
pub(in crate::shard) mod unsaid;
pub(in crate::shard) mod write;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;

use crate::engineio::Millis;
use crate::metrics::ShardMetrics;
use crate::shard::kernel::pipe::Pipes;
use crate::shard::kernel::poll::Watch;
use crate::shard::net::charge::Charges;
use crate::shard::net::connection::Connection;
use crate::shard::net::errands::Errands;
use crate::shard::net::exchanges::Exchanges;
use crate::shard::net::line::Line;
use crate::shard::net::owners::Owners;
use crate::shard::net::spares::Spares;
use crate::shard::net::unsaid::Unsaid;
use crate::shard::shared::Shared;
use crate::shard::store::batches::Batches;
use crate::shard::store::keys::{ConnectionKey, TimerKey};
use crate::shard::store::pages::{MAX_KEYS, Pages};
use crate::shard::store::timers::Timers;

/// The connections of a shard: when they are read, what waits for them, and what is written.
pub(crate) struct Net {
    shared: Arc<Shared>,
    /// The shard's number.
    index: usize,
    metrics: Arc<ShardMetrics>,
    watch: Watch,
    /// The instant at which this turn began.
    now: Millis,
    connections: Pages<Connection>,
    /// The sockets of connections that are not the kernel's.
    pipes: Pipes,
    /// What those connections are for.
    exchanges: Exchanges,
    /// Those whose entries do not know that they are over.
    unsaid: Unsaid,
    /// The address of each connection, if connections of an address are limited. A WebSocket has forgotten its peer, and a
    /// socket that was reset does not tell it any more.
    peers: HashMap<ConnectionKey, IpAddr, FixedState>,
    /// Connections beyond the limit.
    spares: Spares,
    /// Connections with unread bytes.
    line: Line,
    timers: Timers<TimerKey>,
    batches: Batches,
    /// The connection whose bytes are being handled. Its output is answers, which leave first.
    serving: Option<ConnectionKey>,
    /// Connections that were sent answers this turn.
    replies: Vec<ConnectionKey>,
    /// Connections that were sent anything else.
    fanout: VecDeque<ConnectionKey>,
    /// Whether a fan-out has fallen far behind. Until it is done, nothing is read that could start more.
    behind: bool,
    /// The number of the last request that was handed to a route.
    routed: u64,
    /// Connections that were sent a piece of a route's answer.
    sending: Vec<ConnectionKey>,
    /// What other instances do for clients here.
    errands: Errands,
    /// Who does.
    owners: Owners,
    /// Tunnels that were sent bytes.
    downs: Vec<ConnectionKey>,
    /// Connections that have taken a part of their waiting output.
    eased: Vec<ConnectionKey>,
    /// Closed connections, which are removed at the end of the turn.
    marked: Vec<ConnectionKey>,
    departed: usize,
    /// The buffers that wait for clients, in outboxes and in sessions.
    charges: Charges,
    /// The cost of these messages' bookkeeping, for each of their receivers.
    queued_overhead: usize,
    /// Scratch space of the flush.
    pieces: Vec<Bytes>,
}

impl Net {
    pub(in crate::shard) fn new(shared: Arc<Shared>, index: usize, watch: Watch) -> Self {
        Self {
            index,
            metrics: Arc::clone(&shared.metrics[index]),
            watch,
            now: Millis(0),
            connections: Pages::new(MAX_KEYS),
            pipes: Pipes::default(),
            exchanges: Exchanges::new(shared.mailboxes.len()),
            unsaid: Unsaid::default(),
            peers: HashMap::default(),
            spares: Spares::new(shared.mailboxes.len()),
            line: Line::default(),
            timers: Timers::new(),
            batches: Batches::default(),
            serving: None,
            replies: Vec::new(),
            fanout: VecDeque::new(),
            behind: false,
            routed: 0,
            sending: Vec::new(),
            errands: Errands::default(),
            owners: Owners::default(),
            downs: Vec::new(),
            eased: Vec::new(),
            marked: Vec::new(),
            departed: 0,
            charges: Charges::default(),
            queued_overhead: 0,
            pieces: Vec::new(),
            shared,
        }
    }

    /// The instant at which this turn began.
    pub(in crate::shard) fn now(&self) -> Millis {
        self.now
    }

    /// What this shard counts.
    pub(crate) fn metrics(&self) -> &ShardMetrics {
        &self.metrics
    }

    /// The same, to be kept.
    pub(in crate::shard) fn own_metrics(&self) -> &Arc<ShardMetrics> {
        &self.metrics
    }

    /// What all shards share.
    pub(in crate::shard) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// A connection, if there is one of that key.
    pub(in crate::shard) fn connection(&self, key: ConnectionKey) -> Option<&Connection> {
        self.connections.get(key.0)
    }

    /// The same, to change it.
    pub(in crate::shard) fn connection_mut(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.connections.get_mut(key.0)
    }

    /// All connections.
    pub(in crate::shard) fn connections(&self) -> impl Iterator<Item = (ConnectionKey, &Connection)> {
        self.connections.iter().map(|(key, connection)| (ConnectionKey(key), connection))
    }

    /// How many connections there are.
    pub(in crate::shard) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// The timers of all things of the shard.
    pub(in crate::shard) fn timers(&mut self) -> &mut Timers<TimerKey> {
        &mut self.timers
    }

    /// A turn of the loop begins.
    pub(in crate::shard) fn begin_turn(&mut self, now: Millis) {
        self.now = now;
    }

    /// Whether something is due to be written.
    pub(in crate::shard) fn has_due(&self) -> bool {
        !self.fanout.is_empty() || !self.replies.is_empty()
    }

    /// Whether a fan-out has fallen far behind, so that nothing may be read that could start more.
    pub(in crate::shard) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether closed connections wait to be removed.
    pub(in crate::shard) fn has_marked(&self) -> bool {
        !self.marked.is_empty()
    }

    /// The connections with unread bytes.
    pub(in crate::shard) fn line(&self) -> &Line {
        &self.line
    }

    /// The same, to take the next.
    pub(in crate::shard) fn line_mut(&mut self) -> &mut Line {
        &mut self.line
    }

    /// From now on output for this connection is answers, which leave first.
    pub(in crate::shard) fn serve(&mut self, key: Option<ConnectionKey>) {
        self.serving = key;
    }

    /// The next connection that has taken a part of its waiting output.
    pub(in crate::shard) fn next_eased(&mut self) -> Option<ConnectionKey> {
        self.eased.pop()
    }

    /// When the next timer comes up.
    pub(in crate::shard) fn next_timer(&self) -> Option<Millis> {
        self.timers.next_due()
    }
}
