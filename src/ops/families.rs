//! `GET /metrics`: the metrics. `docs/metrics.md` lists them with their alarms.

use super::Subject;
use super::census;
use super::exposition::{Exposition, Kind, seconds};
use super::process::Usage;
use super::request::Answer;
use crate::cluster::ClusterMetrics;
use crate::engineio::{Code, Reason};
use crate::metrics::{HistogramSum, Metrics, Move, RecoveryOutcome, RelayFailure, Way};
use crate::shard::Census;

/// Namespaces with a sample of their own, those with the most sockets. All others share one.
const NAMESPACES: usize = 50;

/// Numbers of [`Metrics`] that a family with labels reports instead.
const TOLD_ELSEWHERE: [&str; 4] = ["connections", "sessions", "refused", "sessions_closed"];

/// All metrics in Prometheus's format.
pub(super) fn answer(subject: &Subject) -> Answer {
    let mut exposition = Exposition::default();
    tell(subject, &mut exposition);
    exposition.answer()
}

fn tell(subject: &Subject, to: &mut Exposition) {
    let (census, silent) = census::take(subject);
    build(to);
    counters(&subject.handle.metrics(), to);
    by_label(subject, to);
    times(subject, to);
    population(&census, to);
    to.single("kinglet_shards", Kind::Gauge, "Event loops.", subject.shared.mailboxes.len());
    to.single(
        "kinglet_shards_silent",
        Kind::Gauge,
        "Event loops that did not say within a second what they have: it is missing here.",
        silent,
    );
    to.single(
        "kinglet_max_connections",
        Kind::Gauge,
        "TCP connections that may be open at one time (max_connections).",
        subject.shared.max_connections,
    );
    process(subject, to);
    if let Some(cluster) = subject.handle.cluster_metrics() {
        redis(&cluster, to);
    }
}

fn build(to: &mut Exposition) {
    let name = "kinglet_build_info";
    to.family(name, Kind::Gauge, "Always 1; the version is in the label.");
    to.labelled(name, "version", env!("CARGO_PKG_VERSION"), 1);
}

fn counters(metrics: &Metrics, to: &mut Exposition) {
    metrics.each(&mut |name, help, value| {
        if TOLD_ELSEWHERE.contains(&name) {
            return;
        }
        match name {
            "sockets" | "queued_bytes" | "kept_bytes" | "handshakes_waiting" | "admissions_waiting" | "collections"
            | "tunnels" => to.single(&format!("kinglet_{name}"), Kind::Gauge, help, value),
            _ => to.single(&format!("kinglet_{name}_total"), Kind::Counter, help, value),
        }
    });
    let name = "kinglet_limit_hits_total";
    to.family(name, Kind::Counter, "How often each limit was met, by the limit's name in the settings.");
    for (limit, hits) in &metrics.limits_hit {
        to.labelled(name, "limit", limit, hits);
    }
}

fn by_label(subject: &Subject, to: &mut Exposition) {
    let shards = &subject.shared.metrics;
    let name = "kinglet_refusals_total";
    to.family(name, Kind::Counter, "Handshakes and requests refused with an Engine.IO error, by its message.");
    for code in Code::ALL {
        let count: u64 = shards.iter().map(|shard| shard.refusals[code as usize].get()).sum();
        to.labelled(name, "reason", code.message(), count);
    }
    let name = "kinglet_relayed_requests_total";
    to.family(name, Kind::Counter, "Requests and WebSockets passed on between instances, by the way that they went.");
    for way in Way::ALL {
        let count: u64 = shards.iter().map(|shard| shard.relayed[way as usize].get()).sum();
        to.labelled(name, "way", way.name(), count);
    }
    let name = "kinglet_moves_total";
    let help = "Sessions whose clients' WebSockets have come to another instance, by what has become of them.";
    to.family(name, Kind::Counter, help);
    for outcome in Move::ALL {
        let count: u64 = shards.iter().map(|shard| shard.moves[outcome as usize].get()).sum();
        to.labelled(name, "outcome", outcome.name(), count);
    }
    let name = "kinglet_relay_failures_total";
    to.family(
        name,
        Kind::Counter,
        "Requests that another instance did not answer, and tunnels that it ended, by reason.",
    );
    for failure in RelayFailure::ALL {
        let count: u64 = shards.iter().map(|shard| shard.relay_failures[failure as usize].get()).sum();
        to.labelled(name, "reason", failure.name(), count);
    }
    let name = "kinglet_sessions_closed_total";
    to.family(name, Kind::Counter, "Sessions that ended, by the reason that the application is told.");
    for reason in Reason::ALL {
        let count: u64 = shards.iter().map(|shard| shard.closes[reason as usize].get()).sum();
        to.labelled(name, "reason", reason.as_str(), count);
    }
    let name = "kinglet_recoveries_total";
    to.family(name, Kind::Counter, "Clients that came back and claimed their sockets, by what became of that.");
    for outcome in RecoveryOutcome::ALL {
        let count: u64 = shards.iter().map(|shard| shard.recoveries[outcome as usize].get()).sum();
        to.labelled(name, "outcome", outcome.name(), count);
    }
}

fn times(subject: &Subject, to: &mut Exposition) {
    let shards = subject.shared.metrics.iter();
    let handlers = HistogramSum::of(shards.clone().map(|shard| &shard.handler_time));
    let help = "Time that the handlers of one received event took on the event loop.";
    to.histogram("kinglet_handler_seconds", help, &handlers);
    let turns = HistogramSum::of(shards.map(|shard| &shard.turn_time));
    to.histogram("kinglet_turn_seconds", "Time that one turn of an event loop took, without its sleep.", &turns);
}

fn population(census: &Census, to: &mut Exposition) {
    let name = "kinglet_connections";
    to.family(name, Kind::Gauge, "TCP connections open now, by what they speak.");
    to.labelled(name, "transport", "http", census.http);
    to.labelled(name, "transport", "websocket", census.websockets);
    let name = "kinglet_sessions";
    to.family(name, Kind::Gauge, "Engine.IO sessions open now, by transport.");
    to.labelled(name, "transport", "polling", census.polling_sessions);
    to.labelled(name, "transport", "websocket", census.websocket_sessions);
    let help = "Rooms now, counted by each event loop that has members of them; each socket's own is not counted.";
    to.single("kinglet_rooms", Kind::Gauge, help, census.rooms);
    let name = "kinglet_namespace_sockets";
    to.family(name, Kind::Gauge, "Sockets connected now in the namespaces with the most; (others) are the rest.");
    let (first, others) = census.namespaces.split_at_checked(NAMESPACES).unwrap_or((&census.namespaces, &[]));
    for (namespace, sockets) in first {
        to.labelled(name, "namespace", namespace, sockets);
    }
    if !others.is_empty() {
        to.labelled(name, "namespace", "(others)", others.iter().map(|(_, sockets)| sockets).sum::<usize>());
    }
}

fn process(subject: &Subject, to: &mut Exposition) {
    let usage = Usage::now();
    let uptime = subject.started.elapsed();
    to.single("kinglet_uptime_seconds", Kind::Gauge, "Time since the start.", uptime.as_secs());
    to.single("process_cpu_seconds_total", Kind::Counter, "CPU time, the kernel's for it included.", usage.cpu);
    to.single("process_resident_memory_bytes", Kind::Gauge, "Resident memory.", usage.memory);
    to.single("process_open_fds", Kind::Gauge, "Open files and sockets.", usage.descriptors);
    to.single("process_threads", Kind::Gauge, "Threads.", usage.threads);
    if let Some(limit) = subject.memory_limit {
        to.single("kinglet_memory_limit_bytes", Kind::Gauge, "Memory that the server may use.", limit);
    }
    if let Some(used) = subject.shared.memory.in_use() {
        let help = "Memory in use that counts against the limit, the kernel's included.";
        to.single("kinglet_memory_bytes", Kind::Gauge, help, used);
    }
    let waiting: usize = subject.shared.mailboxes.iter().map(crate::shard::Mailbox::waiting).max().unwrap_or(0);
    let help = "Bytes that wait in the fullest inbox of an event loop.";
    to.single("kinglet_inbox_bytes", Kind::Gauge, help, waiting);
}

fn redis(metrics: &ClusterMetrics, to: &mut Exposition) {
    let redis = &metrics.redis;
    let up = "1 if Redis is there and all subscriptions are in effect, else 0.";
    to.single("kinglet_redis_up", Kind::Gauge, up, redis.up);
    let queued = "Bytes that wait to be published; each message counts 64 more than it is long.";
    to.single("kinglet_redis_queued_bytes", Kind::Gauge, queued, redis.queued_bytes);
    let lag = "How long something has waited to be published without a pause.";
    to.single("kinglet_redis_lag_seconds", Kind::Gauge, lag, seconds(redis.lag_micros));
    let peers = "Other kinglets that this one knows, for requests and recovery.";
    to.single("kinglet_peers", Kind::Gauge, peers, metrics.peers);
    let counters = [
        ("redis_published", "Messages that Redis has confirmed to have published.", redis.published),
        ("redis_received", "Messages received by subscription.", redis.received),
        ("redis_dropped_volatile", "Volatile messages dropped because too much waited.", redis.dropped_volatile),
        ("redis_dropped_lasting", "Other messages dropped because too much waited.", redis.dropped_lasting),
        ("redis_uncertain", "Messages that were on their way when a connection broke.", redis.uncertain),
        ("redis_refused", "Messages that Redis refused to publish.", redis.refused),
        ("redis_reconnections", "Connections made after the first of their kind.", redis.reconnections),
        ("redis_failed_connections", "Attempts to connect that failed.", redis.failed_connections),
        ("redis_silences", "Connections given up because Redis was silent.", redis.silences),
        ("cluster_broadcasts", "Broadcasts of others for sockets that may be here.", metrics.broadcasts),
        ("cluster_passed_over", "Messages dropped unread: own ones, and for rooms not here.", metrics.passed_over),
        ("cluster_requests", "Requests of other servers.", metrics.requests),
        ("cluster_unpublishable", "Events and answers that could not be written for others.", metrics.unpublishable),
        ("cluster_timeouts", "Requests that not all others answered in time.", metrics.timeouts),
        ("cluster_unheard", "Sockets connected before other servers could be heard.", metrics.unheard),
        ("cluster_gaps", "Gaps in what other servers sent; only seen with recovery.", metrics.gaps),
    ];
    for (name, help, value) in counters {
        to.single(&format!("kinglet_{name}_total"), Kind::Counter, help, value);
    }
    let name = "kinglet_redis_messages_dropped_total";
    to.family(name, Kind::Counter, "Messages that came from Redis and were dropped, by the reason.");
    for (reason, count) in &metrics.dropped {
        to.labelled(name, "reason", reason, count);
    }
}
