//! No wake-up is lost: a shard that sleeps has nothing to do.

use std::time::Duration;

use crate::shard::event_loop::turn::EventLoop;
use crate::shard::net::connection::ReadState;

pub(super) fn check(event_loop: &EventLoop) {
    if event_loop.sleeps() == Some(Duration::ZERO) {
        return;
    }
    assert!(event_loop.letters() == 0, "a shard sleeps over its letters");
    event_loop.shard().with(|core| {
        for (key, connection) in core.connections() {
            let unread = core.unread(key);
            let is_read = connection.input != ReadState::Awaited || unread == 0;
            assert!(is_read, "the shard sleeps over {unread} bytes that have come of {key:?}");
            let waits = connection.outbox.as_ref().is_some_and(|outbox| !outbox.is_held());
            let sleeps = waits && connection.is_socket_writable();
            assert!(!sleeps, "the shard sleeps, and {key:?} takes bytes again");
        }
    });
}
