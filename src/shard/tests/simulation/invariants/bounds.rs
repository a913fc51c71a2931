//! What is bounded is within its bound: memory, and the work of a turn.

use std::time::Duration;

use crate::engineio::MESSAGE_OVERHEAD;
use crate::shard::event_loop::core::Core;
use crate::shard::event_loop::turn::EventLoop;
use crate::shard::input::http::deferred::PER_TURN;
use crate::shard::net::write::SLICE;

/// A heartbeat goes before what waits, however much that is.
const HEARTBEATS: usize = 1024;

/// What a shard has done so far, and what waits for it.
pub(super) struct Done {
    accepted: u64,
    handshakes: u64,
    letters: usize,
    /// Whether memory is too short for a session.
    refuses: bool,
}

impl Done {
    pub(super) fn by(event_loop: &EventLoop) -> Self {
        event_loop.shard().with(|core| Self {
            accepted: core.metrics().accepted.get(),
            handshakes: core.metrics().handshakes.get(),
            letters: event_loop.letters(),
            refuses: core.shared().memory.refuses(),
        })
    }
}

/// The work of a turn in which each look at the clock took so much time.
pub(super) fn check_turn(before: &Done, event_loop: &EventLoop, look: Duration) {
    let (limits, now) = (&event_loop.shard().shared.config.limits, Done::by(event_loop));
    let accepted = now.accepted - before.accepted;
    assert!(accepted <= limits.accepts_per_turn as u64, "{accepted} connections were accepted in one turn");
    // Those that come while none waits, then those that wait.
    let handshakes = now.handshakes - before.handshakes;
    assert!(handshakes <= 2 * PER_TURN as u64, "{handshakes} sessions began in one turn");
    let is_short = before.refuses && now.refuses;
    let (asked, most) = (event_loop.shard().shared.counted_admissions(), limits.pending_admissions);
    assert!(asked <= most, "the program has yet to decide about {asked} clients, and {most} may be");
    assert!(!is_short || handshakes == 0, "{handshakes} sessions began while memory was short");
    // It looks at the clock after each letter.
    if let Some(most) = SLICE.as_micros().checked_div(look.as_micros()) {
        let letters = before.letters.saturating_sub(now.letters);
        assert!(letters as u128 <= most + 1, "{letters} letters were handled in one turn of {most} looks");
    }
}

pub(super) fn check(core: &Core) {
    let limits = &core.shared().config.limits;
    let (queued, most) = (core.queued(), core.shared().queued_per_shard);
    assert!(queued <= most, "{queued} bytes wait, and {most} may");
    let most = core.shared().queued_per_client + HEARTBEATS;
    for (key, connection) in core.connections() {
        let waiting = connection.outbox.as_ref().map_or(0, |outbox| outbox.waiting());
        assert!(waiting <= most, "{waiting} bytes wait for {key:?}, and {most} may");
    }
    for (key, client) in core.clients() {
        let last = client.session.queue().last().map_or(0, |last| last.len() + MESSAGE_OVERHEAD);
        let waiting = client.session.queued_bytes() - last;
        assert!(waiting <= most, "{waiting} bytes wait for {key:?}, and {most} may");
        let (kept, most) = (client.counted_bytes(), limits.session_memory);
        assert!(kept <= most, "{key:?} keeps {kept} bytes, and {most} may be");
    }
    let (kept, most) = (core.kept_bytes(), core.shared().kept_per_shard);
    assert!(kept <= most, "sessions keep {kept} bytes, and {most} may be");
}
