//! Containers: pages, timers, shared sequences of frames, rates. They know no domain.

pub(in crate::shard) mod batches;
pub(in crate::shard) mod keys;
pub(in crate::shard) mod pages;
pub(in crate::shard) mod rate;
pub(in crate::shard) mod tail;
pub(in crate::shard) mod timers;
pub(in crate::shard) mod waits;
