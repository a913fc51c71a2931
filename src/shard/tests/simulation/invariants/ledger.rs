//! The memory ledger: what sessions keep is what is counted for them.

use crate::shard::event_loop::core::Core;

pub(super) fn check(core: &Core) {
    let mut sum = 0;
    for (key, client) in core.clients() {
        let keeps = client.own_bytes() + core.kept_messages(key) + core.bytes_of_sockets(key);
        assert_eq!(client.counted_bytes(), keeps, "bytes counted for {key:?}, and those that it keeps");
        sum += keeps;
    }
    assert_eq!(core.kept_bytes(), sum, "bytes counted for all sessions");
}
