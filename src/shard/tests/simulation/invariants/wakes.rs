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
            if connection.input == ReadState::Awaited {
                let unread = core.unread(key);
                assert!(unread == 0, "the shard sleeps over {unread} bytes that have come of {key:?}");
                assert!(!connection.has_unread_end(), "the shard sleeps over the end of {key:?}");
                let is_handled = !connection.is_listening() || !connection.has_unhandled_message();
                assert!(is_handled, "the shard sleeps over a message of {key:?}");
            }
            let waits = connection.outbox.as_ref().is_some_and(|outbox| !outbox.is_held());
            let sleeps = waits && connection.is_socket_writable();
            assert!(!sleeps, "the shard sleeps, and {key:?} takes bytes again");
        }
    });
}
