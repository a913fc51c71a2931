//! What waits for clients is counted: each buffer once, each message's bookkeeping for each of its receivers.

use crate::engineio::{Charge, MESSAGE_OVERHEAD};
use crate::shard::event_loop::core::Core;

pub(super) fn check(core: &Core) {
    let outboxes = core.connections().filter_map(|(key, connection)| Some((key, connection.outbox.as_deref()?)));
    for (key, outbox) in outboxes {
        assert!(outbox.is_counted(), "the outbox of {key:?} is not as long as it says");
    }
    let (bytes, overhead) = core.counted_queues();
    let messages = core.charges_of_outboxes().count() + core.messages_in_sessions();
    assert_eq!(overhead, messages * MESSAGE_OVERHEAD, "the bookkeeping of {messages} messages that wait");
    if (messages, bytes) == (0, 0) {
        return;
    }
    let mut buffers: Vec<_> =
        core.charges_of_outboxes().chain(core.charges_of_sessions()).map(Charge::buffer).collect();
    buffers.sort_unstable();
    buffers.dedup();
    let waiting: usize = buffers.iter().map(|(_, bytes)| bytes).sum();
    // A buffer that a fan-out has yet to bring to others is charged even if nobody waits for it now.
    if core.is_within_fanout() || core.has_polled() || core.has_common_payload() {
        assert!(bytes >= waiting, "{waiting} bytes wait, and {bytes} are charged");
    } else {
        assert_eq!(bytes, waiting, "bytes charged, and those that wait");
    }
}
