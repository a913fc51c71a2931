//! `GET /status`: the same in JSON, for the page and for people.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Subject;
use super::census;
use super::process::Usage;
use super::request::{Answer, Status};
use crate::cluster::redis::State;
use crate::metrics::{Counter, HistogramSum, Move, RecoveryOutcome, ShardMetrics, Way};

/// Most namespaces that are listed, those with the most sockets.
const NAMESPACES: usize = 10;

/// The server's settings, state and counters.
pub(super) fn answer(subject: &Subject) -> Answer {
    let (census, silent) = census::take(subject);
    let usage = Usage::now();
    let config = &subject.shared.config;
    let metrics = subject.handle.metrics();
    let mut counted = Map::new();
    metrics.each(&mut |name, _, value| {
        counted.insert(name.to_owned(), value.into());
    });
    let hits: Map<_, _> = metrics
        .limits_hit
        .iter()
        .filter(|(_, hits)| *hits > 0)
        .map(|(limit, hits)| ((*limit).to_owned(), Value::from(*hits)))
        .collect();
    let shards = subject.shared.metrics.iter();
    let handlers = HistogramSum::of(shards.clone().map(|shard| &shard.handler_time));
    let turns = HistogramSum::of(shards.map(|shard| &shard.turn_time));
    let namespaces: Vec<Value> = census
        .namespaces
        .iter()
        .take(NAMESPACES)
        .map(|(name, sockets)| json!({ "name": name, "sockets": sockets }))
        .collect();
    let answer = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": subject.started.elapsed().as_secs_f64(),
        "port": config.port,
        "path": config.path,
        "publishing": config.ops_token.is_some(),
        "shards": { "count": subject.shared.mailboxes.len(), "silent": silent },
        "connections": {
            "http": census.http, "websocket": census.websockets, "max": subject.shared.max_connections
        },
        "sessions": { "polling": census.polling_sessions, "websocket": census.websocket_sessions },
        "rooms": census.rooms,
        "namespaces": { "count": census.namespaces.len(), "largest": namespaces },
        "memory": { "resident": usage.memory, "limit": subject.memory_limit },
        "cpu_seconds": usage.cpu,
        "threads": usage.threads,
        "descriptors": usage.descriptors,
        "turns": { "count": turns.count, "micros": turns.micros },
        "handlers": { "count": handlers.count, "micros": handlers.micros },
        "counted": counted,
        "limits_hit": hits,
        "recoveries": recoveries(&subject.shared.metrics),
        "redis": redis(subject),
    });
    Answer::json(Status::Ok, &answer)
}

fn redis(subject: &Subject) -> Value {
    let (Some(state), Some(metrics)) = (subject.handle.redis_state(), subject.handle.cluster_metrics()) else {
        return Value::Null;
    };
    let (state, fault) = match state {
        State::Up => ("up", None),
        State::Connecting => ("connecting", None),
        State::Down(fault) => ("down", Some(fault.to_string())),
    };
    json!({
        "state": state,
        "fault": fault,
        "relayed": relayed(&subject.shared.metrics),
        "moves": moves(&subject.shared.metrics),
        "peers": metrics.peers,
        "published": metrics.redis.published,
        "received": metrics.redis.received,
        "dropped": metrics.redis.dropped_volatile + metrics.redis.dropped_lasting,
        "queued_bytes": metrics.redis.queued_bytes,
        "lag_seconds": super::exposition::seconds(metrics.redis.lag_micros),
    })
}

/// What is passed on between instances.
fn relayed(shards: &[Arc<ShardMetrics>]) -> Value {
    let of = |way: Way| shards.iter().map(|shard| shard.relayed[way as usize].get()).sum::<u64>();
    let failures = shards.iter().flat_map(|shard| &shard.relay_failures).map(Counter::get);
    json!({ "in": of(Way::In), "out": of(Way::Out), "failed": failures.sum::<u64>() })
}

/// What became of sessions whose clients upgraded at another instance.
fn moves(shards: &[Arc<ShardMetrics>]) -> Value {
    let of = |outcome: Move| shards.iter().map(|shard| shard.moves[outcome as usize].get()).sum::<u64>();
    Move::ALL.iter().map(|outcome| (outcome.name(), of(*outcome))).collect()
}

/// What became of clients that came back.
fn recoveries(shards: &[Arc<ShardMetrics>]) -> Value {
    let of =
        |outcome: RecoveryOutcome| shards.iter().map(|shard| shard.recoveries[outcome as usize].get()).sum::<u64>();
    RecoveryOutcome::ALL.iter().map(|outcome| (outcome.name(), of(*outcome))).collect()
}
