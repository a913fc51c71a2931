//! The state that all shards and handles share. While the server runs, only numbers in it change.

pub(in crate::shard) mod addresses;
pub(in crate::shard) mod admissions;
pub(in crate::shard) mod answer_budget;
pub(in crate::shard) mod carrier;
pub(in crate::shard) mod cuts;
pub(in crate::shard) mod directory;
pub(in crate::shard) mod due_acks;
pub(in crate::shard) mod mailbox;
pub(in crate::shard) mod memory;
pub(in crate::shard) mod namespaces;
pub(in crate::shard) mod rates;
pub(in crate::shard) mod recovery;
pub(in crate::shard) mod refusal;
pub(in crate::shard) mod target;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::cluster::Membership;
use crate::cluster::peers::OwnInstance;
use crate::config::Config;
use crate::engineio::{Settings, Sid};
use crate::http::HeadLimits;
use crate::memory::Memory;
use crate::metrics::ShardMetrics;
use crate::shard::Shard;
use crate::shard::shared::addresses::Addresses;
use crate::shard::shared::answer_budget::AnswerBudget;
use crate::shard::shared::carrier::Carrier;
use crate::shard::shared::cuts::Cuts;
use crate::shard::shared::directory::Directory;
use crate::shard::shared::due_acks::DueAcks;
use crate::shard::shared::mailbox::{Letter, Mailbox};
use crate::shard::shared::memory::MemoryGuard;
use crate::shard::shared::rates::Rates;
use crate::shard::shared::recovery::RecoveryLogs;
use crate::shard::store::keys::NamespaceKey;
use crate::shard::store::rate::Rate;
use crate::socketio::DecodeLimits;
use crate::values::{Ended, Store};

/// The state that all shards and handles share. It contains no client.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(in crate::shard) settings: Settings,
    pub(crate) head_limits: HeadLimits,
    pub(in crate::shard) decode_limits: DecodeLimits,
    /// The name of this process.
    pub(crate) own: Arc<OwnInstance>,
    /// What the program has declared.
    pub(crate) directory: Arc<dyn Directory>,
    /// The cluster that this server is a member of, if there is Redis.
    pub(crate) cluster: Option<Arc<Membership>>,
    /// What takes messages to the other instances, if there may be any.
    pub(in crate::shard) carrier: Option<Arc<dyn Carrier>>,
    pub(crate) mailboxes: Vec<Mailbox>,
    /// The counters of each shard, then those of the port for operations, if there is one.
    pub(crate) metrics: Vec<Arc<ShardMetrics>>,
    pub(crate) max_connections: usize,
    /// Bytes that may wait for one client.
    pub(in crate::shard) queued_per_client: usize,
    pub(in crate::shard) queued_per_shard: usize,
    /// Bytes that all sessions of a shard may keep.
    pub(in crate::shard) kept_per_shard: usize,
    /// Bytes that all clients of a shard may have half sent.
    pub(in crate::shard) unfinished_per_shard: usize,
    pub(in crate::shard) rooms_per_shard: usize,
    /// Collections of answers that may be under way in a shard.
    pub(in crate::shard) collections_per_shard: usize,
    /// Sessions that may begin in a second, if that is bounded.
    pub(in crate::shard) accept_rate_per_shard: Option<Rate>,
    /// How fast each client may send, if that is bounded.
    pub(in crate::shard) rates: Option<Rates>,
    /// The sessions of each client address, if they are bounded.
    pub(in crate::shard) addresses: Option<Addresses>,
    /// The connections of each peer's address, if they are bounded. Never with trusted proxies, because those are the peers of
    /// all clients.
    pub(in crate::shard) peers: Option<Addresses>,
    pub(crate) recovery: Option<RecoveryLogs>,
    pub(crate) memory: MemoryGuard,
    /// Cut off clients that were not logged yet.
    pub(in crate::shard) cuts: Cuts,
    /// What the program keeps with sockets, by the sids of their places, for each shard.
    values: Box<[Store<Sid>]>,
    /// Acknowledgements that the program will give later.
    pub(in crate::shard) due_acks: DueAcks,
    /// How many clients the program has yet to decide about, those that have left included.
    admissions: AtomicUsize,
    /// Whether the server is about to end and takes no new sessions.
    leaving: AtomicBool,
    /// Shards with clients that have yet to close at the end.
    closing: AtomicUsize,
    /// Shards with clients that have yet to be drained.
    serving: AtomicUsize,
    /// Answers that are being collected.
    pub(in crate::shard) answer_budget: Arc<AnswerBudget>,
    connections: AtomicUsize,
    ack_ids: Vec<AtomicUsize>,
}

/// The bounds that depend on the machine.
#[derive(Debug)]
pub(crate) struct Budget {
    /// The memory that is granted, if that is known.
    pub(crate) memory: Option<Memory>,
    pub(crate) max_connections: usize,
    /// Bytes that may wait for one client.
    pub(crate) queued_per_client: usize,
    /// Bytes that may wait for all clients.
    pub(crate) queued: usize,
    /// Bytes that all sessions may keep.
    pub(crate) kept: usize,
    /// Bytes that all clients may have half sent.
    pub(crate) unfinished: usize,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        own: Arc<OwnInstance>,
        directory: Arc<dyn Directory>,
        cluster: Option<Arc<Membership>>,
        mailboxes: Vec<Mailbox>,
        budget: Budget,
    ) -> Self {
        let shards = mailboxes.len().max(1);
        let attachments = config.limits.attachments as usize;
        let peers = cluster.as_ref().and_then(|cluster| cluster.peers());
        let carrier = peers.filter(|_| config.relay_requests).map(|peers| Arc::new(peers.clone()) as _);
        Self {
            settings: config.engine(),
            head_limits: HeadLimits {
                max_head_bytes: config.limits.request_head,
                max_headers: config.limits.request_headers,
            },
            decode_limits: DecodeLimits {
                max_attachments: config.limits.attachments,
                max_depth: config.limits.json_depth,
                max_bytes: config.max_http_buffer_size.saturating_mul(attachments + 1),
            },
            ack_ids: (0..directory.namespaces()).map(|_| AtomicUsize::new(0)).collect(),
            directory,
            cluster,
            carrier,
            metrics: (0..mailboxes.len() + usize::from(config.ops_port.is_some())).map(|_| Arc::default()).collect(),
            values: mailboxes.iter().map(|_| Store::new(end)).collect(),
            mailboxes,
            max_connections: budget.max_connections,
            queued_per_client: budget.queued_per_client,
            queued_per_shard: budget.queued / shards,
            kept_per_shard: budget.kept / shards,
            unfinished_per_shard: budget.unfinished / shards,
            rooms_per_shard: config.limits.rooms.div_ceil(shards),
            collections_per_shard: config.limits.collections.div_ceil(shards),
            accept_rate_per_shard: config.limits.accept_rate.map(|rate| Rate::new((rate as usize).div_ceil(shards), 1)),
            rates: Rates::new(&config.limits),
            addresses: config.limits.sessions_per_address.map(Addresses::new),
            peers: config.limits.connections_per_address.filter(|_| config.trusted_proxies == 0).map(Addresses::new),
            recovery: RecoveryLogs::new(&config, &own, shards),
            memory: MemoryGuard::new(budget.memory, &config.limits),
            cuts: Cuts::default(),
            due_acks: DueAcks::default(),
            admissions: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            closing: AtomicUsize::new(shards),
            serving: AtomicUsize::new(shards),
            answer_budget: AnswerBudget::new(config.limits.collected_answers),
            connections: AtomicUsize::new(0),
            own,
            config,
        }
    }

    /// This process, in sids.
    pub(crate) fn instance(&self) -> [u8; 3] {
        self.own.get().0
    }

    /// Counts a new connection; false if it is beyond the limit.
    pub(in crate::shard) fn connection_opened(&self) -> bool {
        self.connections.fetch_add(1, Ordering::Relaxed) < self.max_connections
    }

    /// Whether there are more connections than the limit.
    pub(in crate::shard) fn is_crowded(&self) -> bool {
        self.connections.load(Ordering::Relaxed) > self.max_connections
    }

    /// How many connections are counted.
    #[cfg(test)]
    pub(in crate::shard) fn counted_connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many clients wait for a decision of the program, as counted.
    #[cfg(test)]
    pub(in crate::shard) fn counted_admissions(&self) -> usize {
        self.admissions.load(Ordering::Relaxed)
    }

    /// Counts a connection that is gone.
    pub(in crate::shard) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// From now on the server takes no new sessions, and health checks fail. Returns whether that was so before.
    pub(in crate::shard) fn leave(&self) -> bool {
        self.leaving.swap(true, Ordering::Relaxed)
    }

    /// A shard has no client left. `was_alone`: whether it has said so before. Returns whether it may end.
    pub(in crate::shard) fn may_end(&self, was_alone: bool) -> bool {
        if self.recovery.is_none() || self.cluster.is_none() {
            return true;
        }
        if was_alone {
            return self.closing.load(Ordering::Acquire) == 0;
        }
        let is_last = self.closing.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_last {
            self.mailboxes.iter().for_each(|mailbox| mailbox.send(Letter::run(0, |_| ())));
        }
        is_last
    }

    /// How many clients have a session now.
    pub(crate) fn clients(&self) -> u64 {
        self.metrics.iter().map(|shard| shard.sessions.get()).sum()
    }

    /// How long a session settles: for how long a client on polling has time for its upgrade before the program hears of it.
    /// `None` while no other instance is known, to which its WebSocket could come.
    pub(in crate::shard) fn settle(&self) -> Option<Duration> {
        let peers = self.cluster.as_ref().filter(|_| self.config.relay_requests)?.peers()?;
        let time = self.config.limits.settle;
        (!peers.is_alone() && !time.is_zero()).then_some(time)
    }

    /// The shard of that number, if there is one and it serves requests that other instances pass on.
    pub(crate) fn mailbox_for_exchanges(&self, shard: u8) -> Option<&Mailbox> {
        self.mailboxes.get(usize::from(shard)).filter(|_| self.carrier.is_some())
    }

    /// Whether a client whose session has ended should find another server, because this one is about to end or has no memory
    /// for a new session.
    pub(in crate::shard) fn sends_away(&self) -> bool {
        self.is_leaving() || self.memory.refuses()
    }

    /// Whether the server is about to end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// A shard has drained its last client. Returns whether all shards have.
    pub(in crate::shard) fn drained(&self) -> bool {
        self.serving.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// What the program keeps with the sockets of a shard.
    pub(crate) fn values(&self, shard: u8) -> Option<&Store<Sid>> {
        self.values.get(usize::from(shard))
    }

    /// The next id of an event that wants an acknowledgement, in a declared namespace.
    fn next_ack_id(&self, namespace: NamespaceKey) -> u64 {
        self.ack_ids.get(namespace.0 as usize).map_or(0, |id| id.fetch_add(1, Ordering::Relaxed) as u64)
    }

    /// Hands a letter to every shard, without waiting for room: it is their last letter, and a shard that has ended never makes
    /// room.
    pub(crate) fn send_all(&self, letter: impl Fn() -> Letter) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.hand_over(letter()));
    }
}

/// Drops what the program has kept with a socket: its destructors may call anything in the library.
fn end(values: Ended) {
    end_later(values, |shard, values| shard.callbacks.forget(shard, values));
}

/// Has `act` end something on this thread's shard while nothing is borrowed or locked, because code of the program runs then. On a
/// thread that runs no shard nothing is borrowed: it is dropped at once.
pub(crate) fn end_later<T: Send + 'static>(what: T, act: impl FnOnce(&Rc<Shard>, T) + Send + 'static) {
    if let Some(shard) = Shard::here()
        && let Some(mailbox) = shard.shared.mailboxes.get(shard.index())
    {
        mailbox.hand_over(Letter::run(0, move |shard| act(shard, what)));
    }
}
