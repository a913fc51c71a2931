//! The event loop: the turn, what the application must hear, alarms, letters of other threads.

pub(in crate::shard) mod alarms;
pub(in crate::shard) mod application;
pub(in crate::shard) mod calls;
pub(in crate::shard) mod core;
pub(in crate::shard) mod inbox;
pub(in crate::shard) mod shared;
pub(in crate::shard) mod turn;
pub(in crate::shard) mod waits;
