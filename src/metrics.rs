//! The server's counters and their names.
//!
//! Each shard has its own counters, which only its thread writes. So counting is a plain load and store, and a reader
//! adds up the shards.

mod histogram;
mod outcomes;

pub(crate) use histogram::{Histogram, HistogramSum};
pub(crate) use outcomes::{Move, RecoveryOutcome, RelayFailure, Way};

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One counter for each limit.
#[derive(Debug)]
struct LimitCounters([Counter; Limit::ALL.len()]);

impl Default for LimitCounters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

/// Declares the counters of a shard and the snapshot that sums them, so that no metric exists in only one of the two.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {
        /// The counters of one shard.
        #[derive(Debug, Default)]
        pub(crate) struct ShardMetrics {
            $(pub(crate) $name: Counter,)+
            limits_hit: LimitCounters,
            /// Handshakes and requests refused, by the number of their code.
            pub(crate) refusals: [Counter; 6],
            /// Sessions that closed, by the place of the reason in [`Reason::ALL`](crate::engineio::Reason::ALL).
            pub(crate) closes: [Counter; 5],
            /// Requests and WebSockets of sessions on other instances than the clients' connections.
            pub(crate) relayed: [Counter; Way::ALL.len()],
            /// Those that failed.
            pub(crate) relay_failures: [Counter; RelayFailure::ALL.len()],
            /// Sessions whose clients' WebSockets have come to another instance.
            pub(crate) moves: [Counter; Move::ALL.len()],
            /// Clients that came back, by the number of the outcome.
            pub(crate) recoveries: [Counter; RecoveryOutcome::ALL.len()],
            /// How long event handlers took, if the port for operations is open.
            pub(crate) handler_time: Histogram,
            /// How long the turns of the loop took, likewise.
            pub(crate) turn_time: Histogram,
        }

        /// The server's counters since its start, over all shards.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// How often each limit was reached, by the limit's name.
            pub limits_hit: Vec<(&'static str, u64)>,
        }

        impl Metrics {
            /// The sum over the shards.
            pub(crate) fn sum(shards: &[Arc<ShardMetrics>]) -> Self {
                let total = |read: &dyn Fn(&ShardMetrics) -> u64| shards.iter().map(|shard| read(shard)).sum();
                Self {
                    $($name: total(&|shard| shard.$name.get()),)+
                    limits_hit: Limit::ALL
                        .iter()
                        .map(|limit| (limit.name(), total(&|shard| shard.limit(*limit).get())))
                        .collect(),
                }
            }

            /// Each number with its name and its meaning.
            pub(crate) fn each(&self, tell: &mut dyn FnMut(&'static str, &'static str, u64)) {
                $(tell(stringify!($name), concat!($($doc),+).trim_ascii(), self.$name);)+
            }
        }
    };
}

metrics! {
    /// TCP connections open now.
    connections;
    /// Engine.IO sessions open now.
    sessions;
    /// Sockets (a session's places in namespaces) connected now.
    sockets;
    /// Bytes that wait for clients now.
    queued_bytes;
    /// Bytes that sessions keep now: handshakes, authentication data, data, rooms, missing acknowledgements.
    kept_bytes;
    /// Handshakes that wait now until other work is done.
    handshakes_waiting;
    /// Clients that wait now until the program decides whether to let them in.
    admissions_waiting;
    /// Broadcasts and questions to other servers whose answers are being collected now.
    collections;
    /// WebSockets open now that are passed on to another instance, which has their sessions.
    tunnels;
    /// TCP connections accepted.
    accepted;
    /// HTTP requests answered or being answered.
    requests;
    /// HTTP requests that routes of the program were asked to answer.
    routed;
    /// Handshakes that opened a session.
    handshakes;
    /// Handshakes and requests refused with an Engine.IO error.
    refused;
    /// Upgrades from polling to WebSocket that were completed.
    upgrades;
    /// Messages received from clients: packets of Socket.IO of every type, each attachment, and bare messages.
    received;
    /// Messages handed to clients: one for each receiver.
    delivered;
    /// Bytes read from clients, on each transport, heads and frames included.
    received_bytes;
    /// Bytes that the kernel took for clients.
    sent_bytes;
    /// Volatile messages dropped because a client was not ready.
    volatile_dropped;
    /// Event handlers that panicked.
    handler_panics;
    /// Event handlers that returned an error.
    handler_errors;
    /// Events that an event middleware refused.
    events_refused;
    /// Times that a client was held up, neither read nor answered, until less waited for it.
    held_up;
    /// Clients cut off because they did not read what was sent to them.
    slow_consumers;
    /// Sessions that ended.
    sessions_closed;
    /// Clients that came back and got their sockets again.
    recovered;
    /// Clients that came back and are new ones all the same: too late, or what they missed is not kept any more.
    not_recovered;
}

impl ShardMetrics {
    /// The counter of breaches of one limit.
    pub(crate) fn limit(&self, limit: Limit) -> &Counter {
        &self.limits_hit.0[limit as usize]
    }

    /// Counts a client that came back.
    pub(crate) fn came_back(&self, outcome: RecoveryOutcome) {
        if outcome.is_recovered() {
            self.recovered.one()
        } else {
            self.not_recovered.one()
        }
        self.recoveries[outcome as usize].one();
    }

    /// Counts one breach of `limit`.
    pub(crate) fn hit(&self, limit: Limit) {
        self.limit(limit).one();
    }
}

/// The limits whose breaches are counted. Their names are those of the fields of [`Limits`](crate::Limits) and
/// [`Config`](crate::Config).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    MaxConnections,
    MemoryRefuse,
    MemoryShed,
    AcceptRate,
    SessionsPerAddress,
    ConnectionsPerAddress,
    MessageRate,
    ByteRate,
    RequestHead,
    RequestHeaders,
    HeaderTimeout,
    BodyTimeout,
    KeepAlive,
    MaxHttpBufferSize,
    RouteBody,
    RouteTimeout,
    Fragments,
    Attachments,
    JsonDepth,
    Auth,
    SessionMemory,
    SessionsMemory,
    NamespacesPerSession,
    DynamicNamespaces,
    NamespaceLength,
    RoomLength,
    RoomNames,
    RoomsPerSocket,
    Rooms,
    UnansweredAcks,
    CollectedAnswers,
    Collections,
    BlockingQueue,
    BlockingQueueBytes,
    PendingAdmissions,
    QueuedPerClient,
    Queued,
    Unfinished,
    Inbox,
    WriteStall,
    CloseTimeout,
    ConnectTimeout,
    PingTimeout,
    UpgradeTimeout,
    RecoveryPackets,
    RecoverySessions,
    OpsConnections,
    OpsBody,
    OpsBatch,
}

impl Limit {
    pub(crate) const ALL: [Self; 49] = [
        Self::MaxConnections,
        Self::MemoryRefuse,
        Self::MemoryShed,
        Self::AcceptRate,
        Self::SessionsPerAddress,
        Self::ConnectionsPerAddress,
        Self::MessageRate,
        Self::ByteRate,
        Self::RequestHead,
        Self::RequestHeaders,
        Self::HeaderTimeout,
        Self::BodyTimeout,
        Self::KeepAlive,
        Self::MaxHttpBufferSize,
        Self::RouteBody,
        Self::RouteTimeout,
        Self::Fragments,
        Self::Attachments,
        Self::JsonDepth,
        Self::Auth,
        Self::SessionMemory,
        Self::SessionsMemory,
        Self::NamespacesPerSession,
        Self::DynamicNamespaces,
        Self::NamespaceLength,
        Self::RoomLength,
        Self::RoomNames,
        Self::RoomsPerSocket,
        Self::Rooms,
        Self::UnansweredAcks,
        Self::CollectedAnswers,
        Self::Collections,
        Self::BlockingQueue,
        Self::BlockingQueueBytes,
        Self::PendingAdmissions,
        Self::QueuedPerClient,
        Self::Queued,
        Self::Unfinished,
        Self::Inbox,
        Self::WriteStall,
        Self::CloseTimeout,
        Self::ConnectTimeout,
        Self::PingTimeout,
        Self::UpgradeTimeout,
        Self::RecoveryPackets,
        Self::RecoverySessions,
        Self::OpsConnections,
        Self::OpsBody,
        Self::OpsBatch,
    ];

    /// The limit's name, as in the settings.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MaxConnections => "max_connections",
            Self::MemoryRefuse => "memory_refuse",
            Self::MemoryShed => "memory_shed",
            Self::AcceptRate => "accept_rate",
            Self::SessionsPerAddress => "sessions_per_address",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::MessageRate => "message_rate",
            Self::ByteRate => "byte_rate",
            Self::RequestHead => "request_head",
            Self::RequestHeaders => "request_headers",
            Self::HeaderTimeout => "header_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::KeepAlive => "keep_alive",
            Self::MaxHttpBufferSize => "max_http_buffer_size",
            Self::RouteBody => "route_body",
            Self::RouteTimeout => "route_timeout",
            Self::Fragments => "fragments",
            Self::Attachments => "attachments",
            Self::JsonDepth => "json_depth",
            Self::Auth => "auth",
            Self::SessionMemory => "session_memory",
            Self::SessionsMemory => "sessions_memory",
            Self::NamespacesPerSession => "namespaces_per_session",
            Self::DynamicNamespaces => "dynamic_namespaces",
            Self::NamespaceLength => "namespace_length",
            Self::RoomLength => "room_length",
            Self::RoomNames => "room_names",
            Self::RoomsPerSocket => "rooms_per_socket",
            Self::Rooms => "rooms",
            Self::UnansweredAcks => "unanswered_acks",
            Self::CollectedAnswers => "collected_answers",
            Self::Collections => "collections",
            Self::BlockingQueue => "blocking_queue",
            Self::BlockingQueueBytes => "blocking_queue_bytes",
            Self::PendingAdmissions => "pending_admissions",
            Self::QueuedPerClient => "queued_per_client",
            Self::Queued => "queued",
            Self::Unfinished => "unfinished",
            Self::Inbox => "inbox",
            Self::WriteStall => "write_stall",
            Self::CloseTimeout => "close_timeout",
            Self::ConnectTimeout => "connect_timeout",
            Self::PingTimeout => "ping_timeout",
            Self::UpgradeTimeout => "upgrade_timeout",
            Self::RecoveryPackets => "recovery_packets",
            Self::RecoverySessions => "recovery_sessions",
            Self::OpsConnections => "ops_connections",
            Self::OpsBody => "ops_body",
            Self::OpsBatch => "ops_batch",
        }
    }
}

impl Limit {
    /// The variable of the environment that sets it.
    pub(crate) fn variable(self) -> String {
        format!("KINGLET_{}", self.name().to_ascii_uppercase())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_adds_up_the_shards() {
        let shards = [Arc::new(ShardMetrics::default()), Arc::new(ShardMetrics::default())];
        shards[0].received.add(2);
        shards[1].received.one();
        shards[1].hit(Limit::PingTimeout);
        let sum = Metrics::sum(&shards);
        assert_eq!(sum.received, 3);
        assert!(sum.limits_hit.contains(&("ping_timeout", 1)));
    }

    #[test]
    fn every_limit_has_its_own_counter() {
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place);
        }
    }
}
