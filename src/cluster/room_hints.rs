//! Which rooms may have members in this process: checked for each message to one room, before it is decoded.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::chance::RandomState;

/// Counters, each for the rooms whose names hash to it. With as many rooms as counters, about a third of the messages
/// for rooms of other servers are skipped; with far fewer rooms, nearly all are.
const COUNTERS: usize = 1 << 14;

/// Numbers of rooms, by a hash of their names.
#[derive(Debug)]
pub(crate) struct RoomHints {
    counters: Box<[AtomicU32]>,
    hasher: RandomState,
}

impl Default for RoomHints {
    fn default() -> Self {
        Self { counters: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect(), hasher: RandomState::default() }
    }
}

impl RoomHints {
    /// A shard has a first member of the room.
    pub(crate) fn created(&self, namespace: &str, room: &str) {
        if let Some(counter) = self.counter(namespace, room) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A shard's last member of the room has left.
    pub(crate) fn deleted(&self, namespace: &str, room: &str) {
        if let Some(counter) = self.counter(namespace, room) {
            counter.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// False if no shard has a member of the room.
    pub(crate) fn may_have(&self, namespace: &str, room: &str) -> bool {
        self.counter(namespace, room).is_none_or(|counter| counter.load(Ordering::Relaxed) > 0)
    }

    fn counter(&self, namespace: &str, room: &str) -> Option<&AtomicU32> {
        let place = self.hasher.hash_one((namespace, room)) as usize % COUNTERS;
        self.counters.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_hinted_at_until_its_last_shard_has_lost_it() {
        let hints = RoomHints::default();
        assert!(!hints.may_have("/", "room"));
        hints.created("/", "room");
        hints.created("/", "room");
        hints.deleted("/", "room");
        assert!(hints.may_have("/", "room"));
        let others = (0..1000).filter(|n| hints.may_have("/", &n.to_string())).count();
        assert!(others < 5, "{others}");
        hints.deleted("/", "room");
        assert!(!hints.may_have("/", "room"));
    }
}
