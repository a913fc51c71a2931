//! The memory ledger: what sessions keep is what is counted for them.

use crate::shard::event_loop::core::Core;

pub(super) fn check(core: &Core) {
    let mut sum = 0;
    for (key, client) in core.clients() {
        let of_sockets = core.bytes_of_sockets(key) + core.bytes_on_the_way_back(key);
        let keeps = client.own_bytes() + core.kept_messages(key) + of_sockets;
        assert_eq!(client.counted_bytes(), keeps, "bytes counted for {key:?}, and those that it keeps");
        sum += keeps;
    }
    assert_eq!(core.kept_bytes(), sum, "bytes counted for all sessions");
}
