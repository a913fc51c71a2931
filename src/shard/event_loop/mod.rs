//! The event loop: the turn, what the application must hear, alarms, letters of other threads.

pub(in crate::shard) mod accepting;
pub(in crate::shard) mod admission;
pub(in crate::shard) mod callbacks;
pub(in crate::shard) mod calls;
pub(in crate::shard) mod core;
pub(in crate::shard) mod handoff;
pub(in crate::shard) mod turn;
