//! Counters are the sums of what they count.

use crate::metrics::Move;
use crate::shard::event_loop::core::Core;
use crate::shard::event_loop::turn::EventLoop;

/// Within a shard.
pub(super) fn check(core: &Core) {
    let metrics = core.metrics();
    assert_eq!(metrics.connections.get(), (core.connection_count() - core.exchange_count()) as u64, "connections");
    assert_eq!(metrics.sessions.get(), core.session_count() as u64, "sessions");
    assert_eq!(metrics.sockets.get(), core.socket_count() as u64, "sockets");
    assert_eq!(metrics.queued_bytes.get(), core.queued() as u64, "queued bytes");
    assert_eq!(metrics.kept_bytes.get(), core.kept_bytes() as u64, "kept bytes");
    assert_eq!(metrics.collections.get(), core.waits().len() as u64, "waits");
    assert_eq!(metrics.handshakes_waiting.get(), core.handshakes_waiting() as u64, "waiting handshakes");
    let waiting = core.applicants().deadlines().len() + core.handshakes_asked_about();
    assert_eq!(metrics.admissions_waiting.get(), waiting as u64, "clients that wait for the program");
    let moved = |outcome| metrics.moves[outcome as usize].get();
    let began = metrics.handshakes.get() + moved(Move::Received);
    let ended = metrics.sessions_closed.get() + moved(Move::Sent);
    assert_eq!(began - ended, core.session_count() as u64, "sessions that were opened and not closed");
    if let Some(contradiction) = core.contradiction() {
        panic!("{contradiction}");
    }
    let sockets: usize = core.clients().map(|(key, _)| core.states_of(key).count()).sum();
    assert_eq!(sockets, core.socket_count(), "sockets of sessions");
    assert_eq!(core.accounts_of_nobody(), 0, "accounts of what clients may send, without a session");
}

/// Among the shards of a server. A connection on its way from one shard to another is counted, and nobody has it.
pub(super) fn check_shared(all: &[EventLoop]) {
    let Some(first) = all.first().filter(|_| all.iter().all(|it| it.letters() == 0)) else { return };
    let connections: usize =
        all.iter().map(|it| it.shard().with(|core| core.connection_count() - core.exchange_count())).sum();
    assert_eq!(first.shard().shared.counted_connections(), connections, "connections of all shards");
}
